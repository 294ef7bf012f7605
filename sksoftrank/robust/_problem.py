"""The data of a robust linear regression, their start and the objective."""

import math
from typing import Any

import numpy as np
from scipy import sparse

from .._checks import as_frequencies, warn
from ..linear._algebra import determined_inverse
from ..linear._design import MAX_WHITENED_RANK, LinearDesign
from ..linear._robust_scale import (
    INLIER_FRACTION,
    inlier_mask,
    lts_scale,
    reweighted_scale,
    small_sample_factor,
    weighted_quantile,
)
from ._far_rows import near_weight
from ._frequencies import row_scale_of
from ._ignored import warn_of_ignored_group
from ._lts_search import Start, least_squares_start, lts_search
from ._lts_steps import concentrate, update_gram
from ._some_rows import some_rows
from ._trimmed_squares import TrimmedSquares
from ._unseen import (
    fit_unseen,
    is_seen,
    lone_rows,
    undetermined_axes,
    undetermined_features,
)

# A scale of residuals this small relative to that of y is an exact fit.
EXACT_FIT = 1e-7

# Rounds of least squares on inliers that lead to the scale of a start.
SCALE_ROUNDS = 2

# Rows of the plain fit that a warning compares with.
MAX_PLAIN = 50_000

# Sparse X of up to this many numbers (8 MB) is written out.
MAX_DENSE_SIZE = 10**6

# How often the directions that the kept rows do not see are looked for.
MAX_UNSEEN_ROUNDS = 5

# The squares of residuals over this range are all representable, also where the scale
# of the residuals is that much smaller than that of y.
LARGEST_OUTLIER = 1e140


class RobustProblem:
    """Data of a robust linear regression in convenient units.

    The targets are measured from their median and in units of the largest, features in
    the coordinates of a `LinearDesign`. The fit depends on neither; digits do.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Features.
    y : ndarray of shape (n_samples,)
        Targets.
    sample_weight : ndarray of shape (n_samples,) or None
        Checked weights, to be read as frequencies.
    sigma : ndarray of shape (n_samples,) or None
        Checked standard deviations of the errors: residuals, targets and features are
        in units of these, divided by their mean in the sense of `row_scale_of`.
    trim, alpha, fit_intercept
        As in `SoftLTSRegressor`.

    Attributes
    ----------
    design : LinearDesign
    y : ndarray of shape (n_samples,)
        Targets around `centre` and in units of `unit`.
    scale_unit : float
        Unit of the residuals, in that of y over that of `sigma`.
    weight : ndarray of shape (n_samples,)
        Frequencies, with a mean of at least one over the positive ones.
    n_coefs : int
        Number of coefficients, with the intercept.
    n_kept : float
        Weight of the observations to keep.
    zero : float
        Residuals up to this are rounding errors.
    others : list of tuple
        Coefficients and intercepts near other minima, after `start`.
    gram : ndarray of shape (n_coordinates, n_coordinates) or None
        Gram matrix of the rows with the weights of a fit, as weighing 1, after it.
    """

    def __init__(
        self,
        X,
        y,
        sample_weight,
        sigma=None,
        *,
        trim,
        alpha,
        fit_intercept,
        eps=None,
    ):
        self.trim, self.alpha, self.fit_intercept = trim, alpha, bool(fit_intercept)
        self.eps = float(np.finfo(X.dtype).eps if eps is None else eps)
        ones = sample_weight is None
        weight = np.ones(y.size) if ones else as_frequencies(sample_weight)
        self._row_scale, sigma_unit = row_scale_of(sigma, weight)
        if sparse.issparse(X) and X.shape[0] * X.shape[1] <= MAX_DENSE_SIZE:
            X = X.toarray()
        self._X = X.astype(np.float64, copy=False)
        self.weight = self._given_weight = weight
        self._set_design(weight)
        near = near_weight(self._X, weight, self.design.low, self.design.high)
        if near is not weight:  # far rows are as good as removed
            self.weight = near
            self._set_design(near)
        # The rank, and not the number of columns: redundant ones change nothing.
        self.n_coefs = self.design.rank(self.weight)
        if near.sum() < n_kept_of(weight.sum(), self.n_coefs, trim):  # too many
            self.weight = weight
            self._set_design(weight)
            self.n_coefs = self.design.rank(weight)
        self.n_kept = n_kept_of(self.weight.sum(), self.n_coefs, trim)
        self._standardise(y.astype(np.float64))
        self.scale_unit = self.unit / sigma_unit
        self.has_sigma = sigma is not None
        self.has_lone_rows = False
        self.others = []
        self.gram: Any = None

    def _set_design(self, core_weight):
        """Choose coordinates in which the rows of these weights are white."""
        self.design = LinearDesign(
            self._X,
            self.weight,
            fit_intercept=self.fit_intercept,
            alpha=float(self.alpha),
            core_weight=None if core_weight is self.weight else core_weight,
            whiten_sparse=True,
            eps=self.eps,
            row_scale=self._row_scale,
        )

    def start(self, init, *, max_iter, tol, random_state, thorough=False, **search):
        """Hard LTS fit from which to smooth; `search` as for `lts_search`."""
        control = {"max_iter": max_iter, "tol": tol}
        data: tuple[Any, ...] = self.design, self.y, self.weight, self.n_kept
        if init == "ls":
            start = least_squares_start(*data, **control)
        else:
            self._warn_of_wide()
            search.update(random_state=random_state, thorough=thorough)
            options: dict[str, Any] = {**control, **search}
            start = lts_search(*data, **options)
            self.others = [self.coefficients(z) for z in start.others]
        return self._see_all(start, random_state, thorough, **control)

    def _warn_of_wide(self):
        n_coordinates = self.design.n_coordinates
        if n_coordinates > MAX_WHITENED_RANK + 1 and self.n_kept < self.weight.sum():
            warn(
                f"X has more than {MAX_WHITENED_RANK} features ({self._X.shape[1]}): "
                f"the search starts from few random halves of the rows, and bad "
                f"leverage points may mislead it.",
            )

    def start_from(self, candidates, *, random_state, thorough=False, **control):
        """The best hard LTS fit by concentration steps from coefficients."""
        starts = [
            self._concentrate(
                Start(self.coordinates(*coefficients), 0, None), **control
            )
            for coefficients in candidates
        ]
        best = min(starts, key=self.hard_objective)
        return self._see_all(best, random_state, thorough, **control)

    def _concentrate(self, start, **control):
        z, _, n_fits, message, gram = concentrate(
            self.design, self.y, self.weight, self.n_kept, start.z, **control
        )
        return Start(z, start.n_fits + n_fits, message, gram)

    def _see_all(self, start, random_state, is_hard, **control):
        """Go on from a start in coordinates that suit the rows it keeps.

        Directions that these rows do not see are fitted to the others, and all rows are
        judged again: the objective does not rise. What only one row of several that
        disagree determines is left alone, but where the hard fit itself is wanted.
        """
        if self.design.basis.ndim == 1:
            return start
        first = self.coefficients(start.z)
        value = self.hard_objective(start) if is_hard else np.inf
        rounding = max(start.z @ self.design.noise @ start.z, self.zero**2)
        n_unseen, lone = math.inf, None
        for _ in range(MAX_UNSEEN_ROUNDS):
            kept = self._kept_weight(start.z)
            gram = start.gram
            if gram is None:
                gram = self.design.gram(kept / kept.sum())
            candidates = []
            if is_seen(self.design, gram):
                if lone is not None:
                    break
                lone = lone_rows(self.design, gram, kept)
                if not lone.any() or lone[kept > 0].all():
                    break
                self.has_lone_rows = True
                axes = undetermined_axes(self.design, self.weight, kept)
                if is_hard or not undetermined_features(self.design, axes).any():
                    candidates = [self.coefficients(start.z)]
                kept = np.where(lone, 0.0, kept)
            self._set_design(kept)
            candidates = [self.coordinates(*c) for c in candidates]
            z = self._fit_kept(kept)
            candidates.append(z)  # with 0 for what is not seen
            if 0 < self.design.unseen.sum() < n_unseen:
                options = {"random_state": random_state, **control}
                candidates.append(fit_unseen(self, z, **options))
            if lone is None:
                n_unseen = self.design.unseen.sum()
            z = self._most_inliers(candidates)
            start = self._concentrate(start._replace(z=z), **control)
            if n_unseen == 0:
                break
        if is_hard and self.hard_objective(start) > value + rounding:
            start = start._replace(z=self.coordinates(*first))
            start = self._concentrate(start, **control)
        return start

    def _fit_kept(self, kept):
        """Least squares on the kept rows; 0 where they see nothing."""
        z = np.zeros(self.design.n_coordinates)
        for _ in range(2):  # the second time corrects rounding errors
            z = self.least_squares(z, self.residual(z), kept > 0)
        return z

    def _most_inliers(self, candidates):
        """The coordinates with most inliers; of equally many, of the smallest scale.

        All are judged by one scale, unless there is an exact fit, of which only what is
        on its plane counts.
        """
        scales = [self.raw_scale(z) for z in candidates]
        largest = max(scales) if min(scales) > 0 else 0.0

        def merit(z, scale):
            good = inlier_mask(self.residual(z), max(scale, largest), zero=self.zero)
            return self.weight @ good, -scale

        merits = [merit(*pair) for pair in zip(candidates, scales, strict=True)]
        return candidates[merits.index(max(merits))]

    def _kept_weight(self, z):
        """Weights of the rows that the hard fit keeps, of all on an exact plane."""
        residual = self.residual(z)
        on_plane = self.weight * (np.abs(residual) <= self.zero)
        if on_plane.sum() >= self.n_kept:
            return on_plane
        return self.weight * self.support(residual)

    def hard_objective(self, start):
        """Half the mean of the h smallest squares, and the penalty, at a start."""
        return self.trimmed_squares().evaluate(start.z)[0]

    def trimmed_squares(self, unit=1.0, epsilon=0.0, formulation="selection"):
        """Objective with residuals, and coordinates, measured in units of `unit`."""
        return TrimmedSquares(
            self.design, self.y / unit, self.weight, self.n_kept, epsilon, formulation
        )

    def residual(self, z):
        """Residuals at the coordinates z."""
        return self.y - self.design.predict(z)

    def raw_scale(self, z):
        """Scale of the h smallest residuals at z, 0 if rounding errors only."""
        return lts_scale(
            self.residual(z),
            self.weight,
            self.n_kept,
            self._small_sample_factor("raw"),
            zero=self.zero,
        )

    def start_scale(self, z, raw_scale):
        """Scale of the good observations at a start with that raw scale above 0.

        It is that of least squares on the inliers. The raw scale takes the h
        observations with the smallest residuals for the central ones of *all*, so with
        outliers it is too large, and a first round still counts near ones as inliers.
        """
        residual, scale = self.residual(z), raw_scale
        gram = last = None
        for _ in range(SCALE_ROUNDS):
            good = inlier_mask(residual, scale)
            mass = self.weight * good
            if self.design.basis.ndim == 2:
                gram = update_gram(self.design, gram, last, mass)
            z = self.least_squares(z, residual, good, gram)
            last = mass
            residual = self.residual(z)
            scale = self.reweighted_scale(residual, good, "reweighted", INLIER_FRACTION)
            if scale == 0:
                return raw_scale
        return scale

    def reweighted_scale(self, residual, mask, kind, fraction=None):
        """Scale of the residuals in the mask, after a fit of this kind."""
        return reweighted_scale(
            residual,
            self.weight,
            mask,
            self._small_sample_factor(kind),
            fraction=fraction,
            zero=self.zero,
        )

    def _small_sample_factor(self, kind):
        total = self.weight.sum()
        return small_sample_factor(total, self.n_coefs, self.n_kept / total, kind)

    def support(self, residual):
        """Which observations are among the h with the smallest residuals."""
        return self.trimmed_squares().trim(0.5 * residual**2)[2] > 0

    def warn_of_ignored_group(self, model, X):
        """Warn if the model ignores a group that does least squares no harm."""
        z = self.coordinates(model.coef_, model.intercept_)
        residual = self.residual(z)

        def plain(rows):
            used = np.flatnonzero(self.weight)
            some = np.zeros(residual.size)
            some[used[some_rows(used.size, MAX_PLAIN)]] = 1.0
            z_all = self.least_squares(z, residual, some)
            return np.abs(self.y[rows] - self.design.take(rows).predict(z_all))

        left_out = ~model.inlier_mask_ & (self._given_weight > 0)
        ignored = left_out & (self.weight > 0)  # far rows are no group
        rows = left_out, self._given_weight > 0
        warn_of_ignored_group(model, X, ignored, np.abs(residual), plain, *rows)

    def least_squares(self, z, residual, p, gram=None):
        """Least squares with weights, given coordinates and their residuals.

        `gram` is the Gram matrix for the weights of the rows times p, if known.
        """
        row_weight = self.weight * p
        total = row_weight.sum()
        row_weight /= total
        gradient = self.design.penalty * z
        gradient -= self.design.pull_back(row_weight * residual)
        if gram is not None:
            hessian = gram / total + np.diag(self.design.penalty)
            return z - determined_inverse(hessian, self.design.noise)[0] @ gradient
        return z + self.design.newton_step(z, self.y, gradient, row_weight)

    def coefficients(self, z):
        """Coefficients and intercept in the units of the user."""
        coef, intercept = self.design.coefficients(z * self.unit)
        return coef, np.float64(intercept + self.centre)

    def coordinates(self, coef, intercept):
        """Coordinates of these coefficients."""
        return self.design.coordinates(
            coef / self.unit, (intercept - self.centre) / self.unit
        )

    def _standardise(self, y):
        weight, row_scale = self.weight, self._row_scale
        row_scale = 1.0 if row_scale is None else row_scale
        mass = weight * row_scale
        centre = weighted_quantile(y, mass, 0.5) if self.fit_intercept else 0.0
        half = weight.sum() / 2  # also where more are kept: outliers tell no scale
        with np.errstate(over="ignore"):
            y -= centre
            y *= row_scale
        size = np.abs(y)
        unit = size.max() or 1.0
        typical = weighted_quantile(size, weight, 0.5)
        if typical == 0:  # h values of y are equal: the others tell its size
            others = weight * (size > 0)
            typical = weighted_quantile(size, others, 0.5)
        typical = float(typical)  # the product may overflow
        if np.isinf(unit) or (typical > 0 and unit > LARGEST_OUTLIER * typical):
            raise ValueError(
                f"y must not hold values further than {LARGEST_OUTLIER:g} times the "
                f"typical distance {typical:.3g} away from "
                f"{'its median' if self.fit_intercept else '0'}, got a distance of "
                f"{unit:.3g}."
            )
        y /= unit
        scale = lts_scale(y, weight, half) or typical / unit
        self.y, self.centre, self.unit = y, float(centre), float(unit)
        self.zero = float(EXACT_FIT * scale)


def n_kept_of(total, n_coefs, trim):
    """Number h of observations kept among `total`; a fraction of one is kept too."""
    n = math.floor(total * (1 + 1e-12))
    half = (n + n_coefs + 1) // 2
    # The 1e-9 keeps rounding of whole results from losing one observation.
    kept = math.floor(2 * half - n + 2 * (n - half) * (1 - trim) + 1e-9)
    return min(kept + (total - n), total)
