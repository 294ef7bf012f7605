"""Covariance of the coefficients of a trimmed linear fit, and what follows from it."""

import math
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

from ..linear._algebra import NOISE, determined_inverse
from ..linear._design import CHUNK_SIZE

# A function of the coefficients is undetermined if this part of it is.
UNKNOWN = 1e-8

# What the choice of the kept rows adds to the errors of few rows, and takes of their
# degrees of freedom: `python benchmarks/interval_factors.py`.
CHOICE_ERROR = 0.8
CHOICE_LOAD = 16.0
CHOICE_FREE = 1.0

# Rows leave the plane of those of the fit if a feature does by this part of its size;
# single precision has a tenth of that.
OFF_PLANE = 1e-6


class CoefficientErrors(NamedTuple):
    """Errors of linear functions of the coordinates z of a `LinearDesign`.

    Functions are vectors f of which f z is the value.
    """

    mean: np.ndarray  # of the features
    basis: np.ndarray  # (n_features, rank)
    inverse: np.ndarray  # (rank, n_features)
    reach: np.ndarray  # largest sizes of the features
    fit_intercept: bool
    factor: np.ndarray  # F, with the covariance F F' of the coordinates
    unit: float  # of the targets
    unknown: np.ndarray  # (n_coordinates, n_unknown), orthogonal axes without a meaning
    noise: np.ndarray  # rounding errors of a row along these axes
    df: float  # degrees of freedom

    def of(self, functions: np.ndarray, noise: np.ndarray | float = 0.0) -> np.ndarray:
        """Standard errors of functions, infinite where they depend on the unknown."""
        error = self.unit * np.linalg.norm(functions @ self.factor, axis=1)
        return np.where(self._depends(functions, noise), np.inf, error)

    def _depends(
        self, functions: np.ndarray, noise: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Whether functions see an unknown axis by more than rounding, or the noise."""
        size = np.linalg.norm(functions, axis=1)[:, None]
        limit = np.maximum(UNKNOWN * size, noise)
        return (np.abs(functions @ self.unknown) > limit).any(axis=1)

    def functions(self) -> np.ndarray:
        """The coefficients, and last the intercept if there is one."""
        if not self.fit_intercept:
            return self.basis
        intercept = np.append(-self.mean @ self.basis, 1.0)
        coefs = np.column_stack([self.basis, np.zeros(len(self.basis))])
        return np.vstack([coefs, intercept])

    def coefficients(self) -> tuple[np.ndarray, float]:
        """Standard errors of the coefficients and of the intercept."""
        error = self.of(self.functions())
        return (error[:-1], float(error[-1])) if self.fit_intercept else (error, 0.0)

    def covariance(self, lost: np.ndarray) -> np.ndarray:
        """Covariance of the coefficients, and last the intercept if there is one.

        The variance of `lost` coefficients is infinite, their covariances are NaN.
        """
        functions = self.functions()
        root = functions @ self.factor
        with np.errstate(over="ignore"):
            root *= self.unit
            covariance = root @ root.T
        is_lost = self._depends(functions)
        is_lost[: lost.size] |= lost
        covariance[is_lost] = covariance[:, is_lost] = np.nan
        covariance[is_lost, is_lost] = np.inf
        return covariance

    def predictions(self, X) -> np.ndarray:
        """Standard errors of the predicted means of the rows of X.

        They are infinite for rows that depend on a direction which the fit has not
        seen, also for those that leave the plane on which all rows of the fit lie.
        """
        size = max(CHUNK_SIZE // max(self.mean.size, 1), 1)
        error = np.empty(X.shape[0])
        for batch in gen_batches(X.shape[0], size):
            rows = X[batch]
            rows = rows.toarray() if sparse.issparse(rows) else rows
            rows = rows.astype(np.float64) - self.mean
            functions = rows @ self.basis
            rest = np.abs(rows - functions @ self.inverse)
            limit = OFF_PLANE * (self.reach + np.abs(rows))
            is_off = (rest > limit).any(axis=1)
            if self.fit_intercept:
                functions = np.column_stack([functions, np.ones(len(functions))])
            error[batch] = np.where(is_off, np.inf, self.of(functions, self.noise))
        return error

    def scaled(self, unit: float) -> "CoefficientErrors":
        """The errors in another unit of the targets."""
        return self._replace(unit=self.unit * unit)

    def after_choice(self, part: float, n_coefs: int) -> "CoefficientErrors":
        """The errors where a `part` of the rows that count was left to the choice.

        The rows that are kept are chosen such that their residuals are small: of few
        rows, some fit by chance, and the scale varies more than that of least squares.
        With d degrees of freedom and q = n_coefs, errors grow by the factor
        ``1 + 0.8 part q / d``, and ``d / (1 + part (16 q / d - 1))`` are left.
        """
        if self.df <= 0:
            return self
        load = part * n_coefs / self.df
        loss = max(CHOICE_LOAD * load - CHOICE_FREE * part, 0.0)
        grown = self.scaled(1 + CHOICE_ERROR * load)
        return grown._replace(df=self.df / (1 + loss))

    def without(self, axes: np.ndarray, noise: np.ndarray) -> "CoefficientErrors":
        """The errors if nothing is known of these axes, either."""
        return self._replace(
            unknown=np.hstack([self.unknown, axes]), noise=np.append(self.noise, noise)
        )


def coefficient_errors(design, residual, weight, p, slope=None, gram=None):
    """Standard errors of the coefficients and of the intercept.

    They are those of an M-estimator with weights w = `p` of the residuals r,
    psi(r) = w r and psi' = `slope`, for errors that do not depend on the features. With
    sums weighted by `weight`, G = sum(w x x'), Q = sum(w) times the penalty on the mean
    loss, and n_w = sum(w)^2 / sum(w^2), the number of observations that the weights are
    worth, the covariance is ::

        K^2 sum(psi^2) / (n_w - d) * n_w / sum(w) * H^-1 G H^-1
        H = sum(psi') / sum(w) G + Q,       d = trace((G + Q)^-1 G)
        K = 1 + d / n_w * var(psi') / mean(psi')^2     over the rows of w > 0.

    The mean slope times G, in place of sum(psi' x x'), leaves outliers in the features
    out of it. K is the correction for small samples of [1]_. For fixed weights of 0 and
    1 and no penalty, these are the standard errors of least squares on the rows of
    weight 1. A slope of a nearly hard choice (``epsilon`` below about 3) is not that
    of the population, because the fit seeks it out: the errors are then too small.

    Parameters
    ----------
    design : LinearDesign
        Features, its basis a matrix. Where they do not vary there is no error.
    residual : ndarray of shape (n_samples,)
        Residuals.
    weight : ndarray of shape (n_samples,)
        Frequencies.
    p : ndarray of shape (n_samples,)
        Weights of the squared residuals, in [0, 1].
    slope : ndarray of shape (n_samples,), default=None
        `choice_slope`. None means fixed weights: ``slope = p``.
    gram : ndarray of shape (n_coordinates, n_coordinates), default=None
        Gram matrix of the rows with weights ``weight * p``, if known.

    Returns
    -------
    CoefficientErrors
        Infinite where the rows of positive weight do not determine a coefficient, and
        if they leave no degree of freedom.

    References
    ----------
    .. [1] P. J. Huber, "Robust Statistics", Wiley, 1981, section 7.6.
    """
    slope = p if slope is None else slope
    kept = weight * p
    total, used = kept.sum(), weight * (p > 0)
    mean = used @ slope / used.sum()
    _, exponent = math.frexp(total)  # the square of huge weights is infinite
    share = math.ldexp(total, -exponent)
    moments = ChoiceMoments(
        total,
        math.ldexp(share**2 / math.ldexp(kept @ p, -exponent), exponent),
        kept @ (p * residual**2),
        weight @ slope,
        mean,
        used @ (slope - mean) ** 2 / used.sum(),
    )
    gram = design.gram(kept) if gram is None else gram
    return errors_of(design, gram, np.diag(design.penalty), moments)


class ChoiceMoments(NamedTuple):
    """Sums over all rows that `coefficient_errors` consists of."""

    total: float  # of the weights w
    n_effective: float  # number of observations that the weights are worth
    psi_square: float  # sum of psi**2
    slope: float  # sum of psi'
    slope_mean: float  # over the rows of w > 0
    slope_variance: float


def errors_of(design, gram, penalty, moments: ChoiceMoments) -> CoefficientErrors:
    """See `coefficient_errors`; of G, Q / sum(w) and the other sums."""
    total, n_effective = moments.total, moments.n_effective
    penalty, noise = total * penalty, total * design.noise
    inverse, _ = determined_inverse(gram + penalty, noise)
    n_coefs = np.vdot(inverse, gram)
    mean_slope = moments.slope / total
    if n_effective <= n_coefs * (1 + 1e-9) or mean_slope <= 0:  # nothing is known
        everything = np.eye(design.n_coordinates)
        return _errors(design, 0 * everything, everything, 0.0)

    variance = moments.psi_square * (n_effective / total)
    variance /= n_effective - n_coefs
    spread = moments.slope_variance / moments.slope_mean**2
    variance *= (1 + n_coefs / n_effective * spread) ** 2
    hessian, noise = mean_slope * gram + penalty, mean_slope * noise
    inverse, unknown = determined_inverse(hessian, noise)
    if penalty.any():  # what only the penalty determines has no error of the data
        _, unknown = determined_inverse(mean_slope * gram, noise)
    # A factor F of the covariance F F' keeps twice the digits.
    curvature, axes = np.linalg.eigh(gram)
    factor = inverse @ (axes * np.sqrt(np.maximum(variance * curvature, 0.0)))
    return _errors(design, factor, unknown, float(n_effective - n_coefs))


def _errors(design, factor, unknown, df):
    return CoefficientErrors(
        mean=design.mean,
        basis=design.basis,
        inverse=design.inverse,
        reach=np.maximum(np.abs(design.low), np.abs(design.high)),
        fit_intercept=bool(design.fit_intercept),
        factor=factor,
        unit=1.0,
        unknown=unknown,
        noise=noise_along(unknown, design),
        df=df,
    )


def noise_along(axes, design):
    """Limits of the rounding errors of a row along axes of the coordinates."""
    return NOISE * np.sqrt(np.einsum("ij,ij->j", axes, design.noise @ axes))
