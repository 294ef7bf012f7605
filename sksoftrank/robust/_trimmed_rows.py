"""Residuals, outliers, weights and intervals of any rows, by a fitted regressor."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from .._checks import check_confidence_level
from .._sklearn import check_array, refuse_masked
from .._typing import Features
from ..linear._robust_scale import INLIER_FRACTION, OUTLIER_CUTOFF, weighted_quantile
from ._outlying_rows import choose_inliers
from ._row_weights import SelectionWeights
from ._spread import SpreadByLevel

Array = NDArray[np.float64]


class WeightRule(NamedTuple):
    """Weight of a row by its loss, half of its squared residual in scales."""

    scale: float  # in units of `RowRule.unit`
    threshold: float
    epsilon: float
    is_auto: bool  # the weights of trim="auto"

    def __call__(self, residual: Array) -> Array:
        """Weights relative to that of a residual of 0."""
        if self.is_auto:
            return choose_inliers(residual, self.scale, np.ones(residual.size))[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            losses = np.where(residual == 0, 0, 0.5 * (residual / self.scale) ** 2)
        if self.epsilon == 0:
            return (losses <= self.threshold).astype(np.float64)
        return SelectionWeights(self.threshold, self.epsilon)(losses)


def rule_of_choice(losses: Array, p: Array, epsilon: float, scale: float) -> WeightRule:
    """The rule that has led from these losses to this choice of the rows."""
    between = (p > 0) & (p < 1)
    if epsilon > 0 and between.any():
        row = np.argmax(between * p)
        threshold = losses[row] + epsilon * p[row]
    else:  # in the middle of the gap
        ends = losses[p > 0].max(), losses[p == 0].min(initial=np.inf)
        threshold = ends[0] if np.isinf(ends[1]) else np.mean(ends)
        epsilon = 0.0
    return WeightRule(scale, float(threshold), epsilon, False)


class RowRule(NamedTuple):
    """What a trimmed regressor tells of a row; residuals are in units of `unit`."""

    unit: float
    zero: float  # up to this they are rounding errors
    scale: float
    spreads: list[SpreadByLevel]
    group_factor: float
    weigh: WeightRule
    errors: Array  # sizes of residuals of kept rows that no fit has seen, in spreads
    frequencies: Array
    part: float  # of good rows that are kept

    def spread(self, prediction: Array) -> Array:
        """Relative spread of errors around the predictions."""
        spread = np.ones(prediction.size)
        for at_level in self.spreads:
            spread = np.maximum(spread, at_level(prediction / self.unit))
        return np.where(spread > 1, spread * self.group_factor, 1.0)

    def half_width(self, level: float) -> float:
        """Size of errors, in spreads, that good rows do not exceed with this chance.

        It is a quantile of the errors, for one more row than there are. Beyond the
        largest one it grows as that of Gaussian errors.
        """
        total = self.frequencies.sum()
        part = level / self.part * (1 + 1 / total)
        if part <= 1:
            return float(weighted_quantile(self.errors, self.frequencies, part))
        reached = self.part * total / (total + 1)
        ratio = norm.ppf((1 + level) / 2) / norm.ppf((1 + reached) / 2)
        return float(self.errors.max() * ratio)


class TrimmedRowsMixin:
    """What a trimmed regressor says of any rows. It has a `RowRule` as `_rule`."""

    estimator_: Any
    _rule: RowRule

    def standardized_residuals(self, X: Features, y: ArrayLike) -> Array:
        """Residuals of any rows in units of `scale_` and the spread at their level.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features. For the rows of the fit residuals are too small, as always: the
            estimator has seen them. `inlier_mask_` is by errors of fits that have not.
        y : array-like of shape (n_samples,)
            Targets.

        Returns
        -------
        ndarray of shape (n_samples,)
            ``(y - predict(X)) / scale_``, divided by the relative spread of errors at
            the level of the prediction. For an exact fit 0 up to rounding, and infinite
            beyond.

        Raises
        ------
        ValueError
            If the rows are not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from sksoftrank import SoftTrimmedRegressor
        >>> x = np.arange(40.0)
        >>> model = SoftTrimmedRegressor(LinearRegression(), random_state=0)
        >>> model = model.fit(x[:, None], x + np.sin(x))
        >>> model.standardized_residuals([[50.0], [60.0]], [50.0, 90.0]).round()
        array([ 0., 37.])
        """
        residual = self._residuals(X, y)
        scale = self._rule.scale
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(residual == 0, 0.0, residual / scale)

    def inlier_mask(self, X: Features, y: ArrayLike) -> NDArray[np.bool_]:
        """Whether rows are inliers, by the rule of `inlier_mask_`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Targets.

        Returns
        -------
        ndarray of bool of shape (n_samples,)
            Whether the size of the standardised residual is at most 2.2414.

        Raises
        ------
        ValueError
            If the rows are not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from sksoftrank import SoftTrimmedRegressor
        >>> x = np.arange(40.0)
        >>> model = SoftTrimmedRegressor(LinearRegression(), random_state=0)
        >>> model = model.fit(x[:, None], x + np.sin(x))
        >>> model.inlier_mask([[50.0], [60.0]], [50.0, 90.0])
        array([ True, False])
        """
        return np.abs(self.standardized_residuals(X, y)) <= OUTLIER_CUTOFF

    def inlier_weight(self, X: Features, y: ArrayLike) -> Array:
        """How far rows would be kept, by the rule of the weights of the fit.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Targets.

        Returns
        -------
        ndarray of shape (n_samples,)
            From 0, ignored, to 1, counted in full: the weight relative to that of a row
            that is predicted exactly.

        Raises
        ------
        ValueError
            If the rows are not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from sksoftrank import SoftTrimmedRegressor
        >>> x = np.arange(40.0)
        >>> model = SoftTrimmedRegressor(LinearRegression(), random_state=0)
        >>> model = model.fit(x[:, None], x + np.sin(x))
        >>> model.inlier_weight([[50.0], [60.0]], [50.0, 90.0])
        array([1., 0.])
        """
        residual = self._residuals(X, y)
        return self._rule.weigh(residual)

    def predict_interval(self, X: Features, confidence_level: float = 0.95) -> Array:
        """Intervals of new observations that are no outliers.

        Their half width is a quantile of the errors of kept rows, each predicted by a
        fit that has not seen it, and grows with the relative spread at the level of the
        prediction. Where nothing was trimmed they assume no distribution.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        confidence_level : float, default=0.95
            How probable it is that an interval holds its observation, above 0 and below
            1. It holds for all rows together, not for each part of X: of rows with
            imputed features, say, fewer lie inside.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Lower and upper ends.

        Raises
        ------
        ValueError
            If X or the level is not as described, or for ``cv="train"``.

        Notes
        -----
        This is cross-conformal prediction [1]_ with one estimator, that of all rows.
        Where rows were trimmed, errors of good rows are known up to 2.2414 `scale_`
        only; these count as 97.5 % of them, as for Gaussian errors: of good rows with
        longer tails fewer lie inside, 90 % of exponential errors for a level of 95 %.
        Beyond the largest known error the width grows as that of Gaussian errors.

        References
        ----------
        .. [1] R. F. Barber, E. J. Candes, A. Ramdas, R. J. Tibshirani, "Predictive
           inference with the jackknife+", Annals of Statistics 49, 2021.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from sksoftrank import SoftTrimmedRegressor
        >>> x = np.arange(40.0)
        >>> model = SoftTrimmedRegressor(LinearRegression(), random_state=0)
        >>> model = model.fit(x[:, None], x + np.sin(x))
        >>> model.predict_interval([[50.0]]).round(1)
        array([[48.8, 51.1]])
        """
        check_is_fitted(self)
        check_confidence_level(confidence_level)
        if isinstance(self.cv, str):  # type: ignore[attr-defined]
            raise ValueError(
                "cv must leave rows out for predict_interval, which needs errors of "
                "rows that a fit has not seen, got 'train'."
            )
        prediction = self._level(X)
        rule = self._rule
        half = rule.half_width(confidence_level) * rule.spread(prediction) * rule.unit
        return np.column_stack([prediction - half, prediction + half])

    def _level(self, X):
        estimator = self._fitted(X)  # type: ignore[attr-defined]
        prediction = np.asarray(estimator.predict(X), dtype=np.float64)
        return prediction.reshape(prediction.shape[0])

    def _residuals(self, X, y):
        """Residuals in units of the rule and of their spread; rounding errors are 0."""
        check_is_fitted(self)
        refuse_masked(y, "y")
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        y = column_or_1d(y, warn=True)
        prediction = self._level(X)
        check_consistent_length(prediction, y)
        residual = (y - prediction) / self._rule.unit
        residual[np.abs(residual) <= self._rule.zero] = 0.0
        return residual / self._rule.spread(prediction)


def good_errors(
    residual: Array, mask: NDArray[np.bool_], weight: Array, is_trimmed: bool
) -> tuple[Array, Array, float]:
    """Sizes of residuals of good rows, their weights, and their part of all good ones.

    Without outliers that were trimmed these are all rows.
    """
    good = mask & (weight > 0) if is_trimmed else weight > 0
    part = INLIER_FRACTION if is_trimmed else 1.0
    return np.abs(residual[good]), weight[good], part
