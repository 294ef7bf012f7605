"""Robust linear regression by soft least trimmed squares."""

import math
import warnings
from numbers import Integral, Real
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from ._linear import LinearDesign
from ._sklearn import Interval, StrOptions, fit_context
from .losses import selection_trimmed_loss, sorted_trimmed_loss
from .losses._trimmed import MAX_REPEATS

TRIMMED_LOSSES = {"selection": selection_trimmed_loss, "sort": sorted_trimmed_loss}

# Residuals beyond this many scales are outlying: 2.5 % of Gaussian ones are.
OUTLIER_CUTOFF = norm.ppf(0.9875)

EPS = np.finfo(np.float64).eps

# What rounding may change in the value of an objective.
ROUNDING = 1e-12

# A scale of residuals this small relative to that of y is an exact fit.
EXACT_FIT = 1e-7

# The squares of residuals over this range are all representable, also where the scale
# of the residuals is that much smaller than that of y.
LARGEST_OUTLIER = 1e140


class SoftLTSRegressor(RegressorMixin, BaseEstimator):
    """Linear regression by soft least trimmed squares (LTS).

    Least trimmed squares fits the h of n observations that a linear model fits best and
    ignores the others, so that up to n - h of them may be arbitrarily wrong. Its
    weakness is efficiency: good observations are ignored as well. Smoothing leads from
    LTS (``epsilon=0``) to least squares (``epsilon -> inf``), and regains most of the
    efficiency on the way. There are two ways to smooth, and only "selection" stays
    robust; see the Notes.

    Parameters
    ----------
    formulation : {"selection", "sort"}, default="selection"
        What is smoothed.

        - "selection": the choice of the observations. Gross outliers in y get weight 0
          whatever the finite `epsilon`. They still have a slight influence on the
          start, and thereby on s0 and the minimum that is found. Recommended.
        - "sort": the sorted losses, eq. 26 of [1]_. A single observation that is far
          enough away breaks it for every ``epsilon > 0``.
    trim : float, default=0.5
        Fraction of observations that may be trimmed, in [0, 0.5]. With n observations
        and p coefficients (with the intercept), ``n2 = floor((n + p + 1) / 2)`` and
        ``h = floor(2 * n2 - n + 2 * (n - n2) * (1 - trim))``, as usual for LTS: nothing
        is trimmed for ``trim=0`` and for ``n <= p + 1``.
    epsilon : float, default=10.0
        Smoothing strength, at least 0, relative to the squared scale s0 of the
        residuals of the start. For "selection" useful values lie between 1 and 30
        whatever the data. For "sort" they grow with n and shrink with the squared
        distance of the outliers.
    alpha : float, default=0.0
        Strength of the ridge penalty on the coefficients of the standardised features,
        at least 0. The penalty competes with the *mean* loss of an observation.
    fit_intercept : bool, default=True
        Whether to fit an intercept. It is not penalised.
    init : {"ls"}, default="ls"
        Where to start. "ls" is the least-squares fit (ridge, with `alpha`), followed by
        concentration steps: least squares on the h observations with the smallest
        residuals, until these no longer change [2]_.
    max_iter : int, default=1000
        Largest number of L-BFGS iterations, and of reweighted least-squares fits before
        and after them.
    tol : float, default=1e-8
        Iterations stop where no derivative of the objective exceeds this, in
        coordinates and units in which its curvature and value are about one.
    warm_start : bool, default=False
        Whether to start the iterations from the previous fit, which needs the same
        features. The objective, of which the scale is a part, is that of a fresh fit
        all the same, but another local minimum of it may be found.
    verbose : int, default=0
        1 prints the start and the result, 2 also every tenth iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients, in the dtype of `X`.
    intercept_ : float
        Intercept, 0.0 if ``fit_intercept=False``.
    scale_ : float
        Scale of the residuals: the root mean square of the h smallest, made consistent
        for the standard deviation of Gaussian errors. That holds for large n; see the
        Notes on small samples. 0.0 for an exact fit of h observations.
    inlier_weight_ : ndarray of shape (n_samples,)
        How far each observation was kept, from 0 (trimmed) to 1.
    inlier_mask_ : ndarray of bool of shape (n_samples,)
        Whether the residual is at most 2.2414 `scale_` (97.5 % of Gaussian ones are,
        for large n; fewer for small n), or, for an exact fit, is zero up to rounding.
    objective_ : float
        The minimum found, in units of y squared.
    n_iter_ : int
        Number of L-BFGS iterations and least-squares fits.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    Warns
    -----
    ConvergenceWarning
        If an iteration ends for another reason than convergence. The fit is kept.

    See Also
    --------
    sksoftrank.losses.selection_trimmed_loss : The loss of "selection".
    sksoftrank.losses.sorted_trimmed_loss : The loss of "sort".
    sklearn.linear_model.HuberRegressor : Limits the influence of outliers in y only,
        and of each of them by a constant.

    Notes
    -----
    With residuals r, feature scales s_j (standard deviations; without an intercept root
    mean squares) and s0 the scale of the start, the minimised `objective_` is ::

        s0^2 * loss_h(r^2 / (2 s0^2); epsilon) + alpha / 2 * sum_j (s_j coef_j)^2

    where loss_h is the smoothed mean of the h smallest losses: in the limits half the
    mean of the h smallest squared residuals, and half the mean of all. Dividing by s0
    makes the fit independent of the units of y. Units of the features do not matter
    either, nor with ``alpha=0`` any invertible linear map of them.

    *selection*. An observation counts with the weight ``clip((t - loss) / epsilon, 0,
    1)``, t such that the weights sum to h. The weight falls with the loss and is 0
    beyond t: the estimator redescends. With ``trim=0.5`` and ``epsilon=10`` it has 90 %
    of the efficiency of least squares under Gaussian errors. Outliers at a distance of
    3 to 5 s0 keep some weight, the more the larger `epsilon`.

    *sort*. The soft sort averages losses that are *far* apart before those that are
    close. Outliers that are averaged with kept observations are no longer trimmed, and
    where one average spans all observations the fit is that of least squares. With 20 %
    of outliers at a distance of D s0 the fit is that of LTS up to about ``epsilon *
    D**2 / n = 1``, half way to least squares at 2, and least squares from about 10. So
    where outliers are held, little is gained over LTS. The objective has kinks, also at
    minima.

    In both cases the objective has several local minima, and the start decides which is
    found. From least squares that is a good one if outliers are outliers in y; outliers
    in the features (bad leverage points) can mislead it.

    The objective is minimised by L-BFGS, and to the last digits by least squares with
    the weights that it ends with, repeated as long as this lowers the objective.

    *Small samples*. `scale_` has no small-sample factor: it is too small for small n,
    and `inlier_mask_` then misses more of the good observations. Of Gaussian data
    without outliers and with the default parameters, 6 % are flagged as outlying and
    `scale_` is 0.88 standard deviations on average for n = 30 and 3 features; 3.6 % and
    0.95 for n = 100 and 5 features; 2.7 % and 0.99 for n = 1000. With ``epsilon=0``
    these are 13 % and 0.72, 8 % and 0.83, 3.5 % and 0.96.

    Sample weights are frequencies: an integer weight is that number of repeats.
    "selection" takes fractions, too. Weights with a mean below one over the
    observations of positive weight cannot be frequencies and are multiplied to a mean
    of one.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.
    .. [2] P. J. Rousseeuw, K. Van Driessen, "Computing LTS Regression for Large Data
       Sets", Data Mining and Knowledge Discovery 12, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from sksoftrank import SoftLTSRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2))
    >>> y = X @ [1.0, 2.0] + 3.0 + 0.1 * rng.normal(size=100)
    >>> y[:30] += 1000.0
    >>> model = SoftLTSRegressor().fit(X, y)
    >>> model.coef_.round(1), round(model.intercept_, 1)
    (array([1., 2.]), 3.0)
    >>> int(model.inlier_mask_[:30].sum())
    0
    """

    _parameter_constraints: ClassVar[dict] = {
        "formulation": [StrOptions(set(TRIMMED_LOSSES))],
        "trim": [Interval(Real, 0, 0.5, closed="both")],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "init": [StrOptions({"ls"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        formulation="selection",
        trim=0.5,
        epsilon=10.0,
        alpha=0.0,
        fit_intercept=True,
        init="ls",
        max_iter=1000,
        tol=1e-8,
        warm_start=False,
        verbose=0,
    ):
        self.formulation = formulation
        self.trim = trim
        self.epsilon = epsilon
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. The largest size of each must be 0 or from 1e-140 to 1e140.
        y : array-like of shape (n_samples,)
            Targets. None may be further than 1e140 times their typical distance away
            from their median (without an intercept, from 0).
        sample_weight : array-like of shape (n_samples,), default=None
            Frequencies of the observations, at least 0 and not all 0. An observation
            of weight 0 is as good as removed. For ``formulation="sort"`` whole numbers
            with a sum of at most 1e9: repeats are written out, so time and memory grow
            with the sum.

        Returns
        -------
        SoftLTSRegressor
            The fitted estimator.
        """
        previous = self._previous_fit()
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            dtype=[np.float64, np.float32],
            y_numeric=True,
            reset=previous is None,
        )
        weight = _check_frequencies(sample_weight, y.size, self.formulation)
        n_coefs = X.shape[1] + bool(self.fit_intercept)
        n_kept = _n_kept(weight.sum(), n_coefs, self.trim)
        target = _standardise(y.astype(np.float64), weight, n_kept, self.fit_intercept)
        design = LinearDesign(
            X.astype(np.float64, copy=False),
            weight,
            fit_intercept=self.fit_intercept,
            alpha=float(self.alpha),
        )

        z, s0, message = self._start(design, target)
        if s0 <= target.zero:
            objective, selection = _exact_fit(design, target, z)
        else:
            if previous is not None:
                coef, intercept = previous
                z = design.coordinates(
                    coef / target.unit, (intercept - target.centre) / target.unit
                )
            z, objective, selection, failure = self._smooth(design, target, z, s0)
            message = failure or message
        if message is not None:
            warnings.warn(
                f"SoftLTSRegressor did not converge: {message}",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.inlier_weight_ = selection
        self.objective_ = objective
        self._set_fit(design, target, z, X.dtype)
        return self

    def predict(self, X):
        """Predict the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted targets.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=["csr", "csc"],
            dtype=[np.float64, np.float32],
            reset=False,
        )
        return X @ self.coef_ + self.intercept_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _previous_fit(self):
        """Coefficients and intercept to start from, or None."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        return self.coef_.astype(np.float64), self.intercept_

    def _start(self, design, target):
        """Least squares, then concentration steps, that is hard LTS.

        Returns the coordinates, the scale s0, and None or what went wrong.
        """
        control = {"max_iter": self.max_iter, "tol": self.tol}
        y, weight = target.y, target.weight
        least_squares = _TrimmedSquares(design, y, weight, weight.sum())
        hard = _TrimmedSquares(design, y, weight, target.n_kept)
        z = np.zeros(design.n_coordinates)
        z, n_fits, _ = least_squares.reweight(z, **control)
        z, n_steps, message = hard.reweight(z, **control)
        self.n_iter_ = max(n_fits, 1) + n_steps
        s0 = _lts_scale(y - design.predict(z), weight, target.n_kept)
        self._report(f"start: {self.n_iter_} fits, scale {s0 * target.unit:.6g}")
        return z, s0, message

    def _smooth(self, design, target, z, s0):
        """Minimise the smoothed objective from z on.

        Returns the coordinates, the objective in units of y squared, the selection, and
        None or what went wrong.
        """
        problem = _TrimmedSquares(
            design,
            target.y / s0,
            target.weight,
            target.n_kept,
            float(self.epsilon),
            self.formulation,
        )
        z, n_steps, message = problem.minimize(
            z / s0,
            max_iter=self.max_iter,
            tol=self.tol,
            report=self._report if self.verbose > 1 else None,
        )
        self.n_iter_ += n_steps
        objective, _, _, selection = problem.evaluate(z)
        unit = s0 * target.unit
        return z * s0, float(objective) * unit * unit, selection, message

    def _set_fit(self, design, target, z, dtype):
        """Set the attributes that the coordinates z determine."""
        residual = target.y - design.predict(z)
        scale = _lts_scale(residual, target.weight, target.n_kept)
        if scale <= target.zero:
            scale = 0.0
        self.scale_ = scale * target.unit
        cutoff = OUTLIER_CUTOFF * scale or target.zero
        self.inlier_mask_ = np.abs(residual) <= cutoff
        coef, intercept = design.coefficients(z * target.unit)
        self.coef_ = coef.astype(dtype, copy=False)
        self.intercept_ = float(intercept + target.centre)
        self._report(
            f"end: {self.n_iter_} iterations, objective {self.objective_:.6g}, "
            f"scale {self.scale_:.6g}"
        )

    def _report(self, text):
        if self.verbose:
            print(f"[SoftLTSRegressor] {text}")


class _Target(NamedTuple):
    """Standardised targets, and how many to keep."""

    y: np.ndarray  # around `centre`, in units of `unit`
    weight: np.ndarray
    n_kept: float
    centre: float
    unit: float
    zero: float  # residuals up to this are rounding errors


class _TrimmedSquares:
    """Trimmed mean of the squared residuals / 2, and the penalty, of coordinates z."""

    def __init__(self, design, y, weight, n_kept, epsilon=0.0, formulation="selection"):
        self.design = design
        self.y = y
        self.weight = None if (weight == 1).all() else weight
        self.n_kept = n_kept
        self.epsilon = epsilon
        self.trimmed_loss = TRIMMED_LOSSES[formulation]

    def evaluate(self, z):
        """Value, gradient, weights of the squares / 2, and selection."""
        residual = self.y - self.design.predict(z)
        value, row_weight, selection = self.trimmed_loss(
            0.5 * residual**2, self.n_kept, self.epsilon, self.weight
        )
        penalty_gradient = self.design.penalty * z
        gradient = penalty_gradient - self.design.pull_back(row_weight * residual)
        return value + 0.5 * penalty_gradient @ z, gradient, row_weight, selection

    def minimize(self, z, *, max_iter, tol, report=None):
        """L-BFGS, then reweighted least squares.

        Returns the coordinates, the number of iterations, and None or what went wrong.
        """
        n_iter = 0
        if self.epsilon > 0 and z.size > 0:

            def callback(intermediate_result):
                nonlocal n_iter
                n_iter += 1
                if report is not None and n_iter % 10 == 0:
                    report(
                        f"iteration {n_iter}, objective {intermediate_result.fun:.6g}"
                    )

            result = minimize(
                lambda z: self.evaluate(z)[:2],
                z,
                jac=True,
                method="L-BFGS-B",
                callback=callback,
                options={
                    "maxiter": max_iter,
                    "maxfun": 20 * max_iter,
                    "gtol": tol,
                    "ftol": EPS,
                },
            )
            z, n_iter = result.x, result.nit
            if result.status == 1:  # a limit was reached
                return z, n_iter, result.message
            # Another failure says that no step descends: a kink of "sort", or rounding.
        z, n_steps, message = self.reweight(z, max_iter=max_iter, tol=tol)
        return z, n_iter + n_steps, message

    def reweight(self, z, *, max_iter, tol):
        """Repeat least squares with the weights that the trimmed loss gives.

        A concave loss lies below its tangents, so with "selection" and with hard
        trimming no step increases the objective; the latter steps are the concentration
        steps of Rousseeuw & Van Driessen (2006). "sort" is linear in the losses between
        its kinks, so a step leads to the minimum if that is no kink. A step that does
        increase the objective is taken back. Returns what `minimize` returns.
        """
        last_value, last_slope, last_z = np.inf, np.inf, z
        for n_iter in range(max_iter + 1):
            value, gradient, row_weight, _ = self.evaluate(z)
            slope = np.abs(gradient).max(initial=0.0)
            if slope <= tol * math.sqrt(2 * value):
                break
            # Within rounding of the values, the slope tells whether there is progress.
            slack = ROUNDING if slope < last_slope else 0.0
            if value >= (1 + slack) * last_value:
                z = last_z
                break
            if n_iter == max_iter:
                return z, n_iter, f"{max_iter} reweighted fits were not enough."
            last_value, last_slope, last_z = value, slope, z
            z = z + self.design.newton_step(gradient, row_weight)
        return z, n_iter, None


def _exact_fit(design, target, z):
    """Objective in units of y squared and selection where nothing is to be smoothed."""
    hard = _TrimmedSquares(design, target.y, target.weight, target.n_kept)
    objective = float(hard.evaluate(z)[0])
    residual = target.y - design.predict(z)
    residual[np.abs(residual) <= target.zero] = 0.0
    selection = hard.trimmed_loss(residual**2, target.n_kept, 0.0, hard.weight)[2]
    return objective * target.unit * target.unit, selection


def _lts_scale(residual, weight, n_kept):
    """Root mean square of the `n_kept` smallest residuals, made consistent."""
    mean = 2 * selection_trimmed_loss(0.5 * residual**2, n_kept, 0.0, weight)[0]
    fraction = n_kept / weight.sum()
    if fraction == 1:
        return math.sqrt(mean)
    # Variance of a standard Gaussian truncated to its central fraction.
    cut = norm.ppf((1 + fraction) / 2)
    return math.sqrt(mean / (1 - 2 * cut * norm.pdf(cut) / fraction))


def _n_kept(total, n_coefs, trim):
    """Number h of observations kept among `total`; a fraction of one is kept too."""
    n = math.floor(total * (1 + 1e-12))
    half = (n + n_coefs + 1) // 2
    # The 1e-9 keeps rounding of whole results from losing one observation.
    kept = math.floor(2 * half - n + 2 * (n - half) * (1 - trim) + 1e-9)
    return min(kept + (total - n), total)


def _standardise(y, weight, n_kept, fit_intercept):
    """Targets around their median and in units of the largest.

    The fit does not depend on the origin and the unit of y; digits do.
    """
    centre = _quantile(y, weight, weight.sum() / 2) if fit_intercept else 0.0
    with np.errstate(over="ignore"):
        y = y - centre
    size = np.abs(y)
    unit = size.max() or 1.0
    typical = _quantile(size, weight, n_kept)
    if typical == 0:  # h values of y are equal: the others tell its size
        others = weight * (size > 0)
        typical = _quantile(size, others, others.sum() / 2)
    typical = float(typical)  # the product may overflow
    if np.isinf(unit) or (typical > 0 and unit > LARGEST_OUTLIER * typical):
        raise ValueError(
            f"y must not hold values further than {LARGEST_OUTLIER:g} times the "
            f"typical distance {typical:.3g} away from "
            f"{'its median' if fit_intercept else '0'}, got a distance of {unit:.3g}."
        )
    y = y / unit
    zero = EXACT_FIT * (_lts_scale(y, weight, n_kept) or typical / unit)
    return _Target(y, weight, n_kept, float(centre), float(unit), float(zero))


def _quantile(values, weight, mass):
    """The smallest value such that the values up to it weigh at least `mass`."""
    order = np.argsort(values)
    cumulated = np.cumsum(weight[order])
    return values[order[np.searchsorted(cumulated, min(mass, cumulated[-1]))]]


def _check_frequencies(sample_weight, n_samples, formulation):
    """Sample weights as frequencies, in float64."""
    if sample_weight is None:
        return np.ones(n_samples)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, sample_weight)
    weight = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), one weight per row of X, "
            f"got {weight.shape}."
        )
    if weight.min() < 0:
        raise ValueError(f"sample_weight must be at least 0, got {weight.min()}.")
    n_positive = np.count_nonzero(weight)
    if n_positive == 0:
        raise ValueError("sample_weight must not be zero everywhere.")
    if formulation == "sort" and (weight != np.floor(weight)).any():
        raise ValueError(
            'sample_weight must hold whole numbers for formulation="sort", got '
            'fractions; formulation="selection" takes them.'
        )
    if weight.max() > np.finfo(np.float64).max / n_samples:
        raise ValueError(
            f"sample_weight must have a finite sum, got weights up to {weight.max():g}."
        )
    if formulation == "sort" and weight.sum() > MAX_REPEATS:
        raise ValueError(
            f"sample_weight must sum to at most {MAX_REPEATS:g} for "
            f'formulation="sort", which writes repeats out, got {weight.sum():g}; '
            'formulation="selection" takes any sum.'
        )
    if weight.sum() < n_positive:
        weight = weight / weight.max()  # the weights may be too small to invert
        weight *= n_positive / weight.sum()
    return weight
