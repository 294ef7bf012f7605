"""Residuals, outliers and weights of any rows, by the rule of a fitted linear model."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._checks import check_sigma
from ..linear._robust_scale import inlier_mask
from ._row_weights import SelectionWeights, StepWeights


class RowRule(NamedTuple):
    """What a linear fit tells of a row, in the units of the user."""

    raw: tuple[NDArray[np.float64], float]  # coefficients by which rows are weighed
    final: tuple[NDArray[np.float64], float]  # those of the predictions
    unit: float  # of the residuals, for the weights
    weights: SelectionWeights | StepWeights
    zero: float  # residuals up to this are rounding errors
    has_sigma: bool


class NewRowsMixin:
    """What a robust linear model says of rows, those of its fit or others.

    The model has `scale_` and a `RowRule` as `_rule`.
    """

    scale_: float
    inlier_weight_: NDArray[np.float64]
    _rule: RowRule
    _validate: Callable[..., tuple[Any, NDArray[Any]]]

    def standardized_residuals(
        self, X: Any, y: ArrayLike, sigma: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Residuals of any rows in units of `scale_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Targets.
        sigma : float or array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors, needed if the model was fitted
            with them.

        Returns
        -------
        ndarray of shape (n_samples,)
            ``(y - predict(X)) / (sigma * scale_)``. For an exact fit 0 up to rounding,
            and infinite beyond.

        Raises
        ------
        ValueError
            If the rows are not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from sksoftrank import SoftLTSRegressor
        >>> x = np.arange(40.0)
        >>> model = SoftLTSRegressor(random_state=0).fit(x[:, None], x + np.sin(x))
        >>> model.standardized_residuals([[50.0], [60.0]], [50.0, 90.0]).round()
        array([ 0., 38.])
        """
        residual = self._residuals(X, y, sigma, "final")
        if self.scale_ > 0:
            return residual / self.scale_
        is_zero = np.abs(residual) <= self._rule.zero
        return np.where(is_zero, 0.0, np.copysign(np.inf, residual))

    def inlier_mask(
        self, X: Any, y: ArrayLike, sigma: ArrayLike | None = None
    ) -> NDArray[np.bool_]:
        """Whether rows are inliers; for those of the fit that is `inlier_mask_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Targets.
        sigma : float or array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors, needed if the model was fitted
            with them.

        Returns
        -------
        ndarray of bool of shape (n_samples,)
            Whether the residual is at most 2.2414 `scale_`, or, for an exact fit, is
            zero up to rounding.

        Raises
        ------
        ValueError
            If the rows are not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from sksoftrank import SoftLTSRegressor
        >>> x = np.arange(40.0)
        >>> model = SoftLTSRegressor(random_state=0).fit(x[:, None], x + np.sin(x))
        >>> model.inlier_mask([[50.0], [60.0]], [50.0, 90.0])
        array([ True, False])
        """
        residual = self._residuals(X, y, sigma, "final")
        return inlier_mask(residual, self.scale_, zero=self._rule.zero)

    def inlier_weight(
        self, X: Any, y: ArrayLike, sigma: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """How far rows would be kept; for those of the fit that is `inlier_weight_`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Targets.
        sigma : float or array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors, needed if the model was fitted
            with them.

        Returns
        -------
        ndarray of shape (n_samples,)
            From 0, ignored, to 1, counted in full: the weight relative to that of a row
            on the plane of the fit. Equal to `inlier_weight_` up to rounding errors of
            the predictions, which are large for nearly equal features.

        Raises
        ------
        ValueError
            If the rows are not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from sksoftrank import SoftLTSRegressor
        >>> x = np.arange(40.0)
        >>> model = SoftLTSRegressor(random_state=0).fit(x[:, None], x + np.sin(x))
        >>> model.inlier_weight([[50.0], [60.0]], [50.0, 90.0]).round(2)
        array([1., 0.])
        """
        return self._weigh(self._residuals(X, y, sigma, "raw"))

    def _set_rule(self, problem, weights, residual, unit, raw, final) -> None:
        """Set the rule, and the weights of the rows of the fit.

        Parameters
        ----------
        problem : RobustProblem
        weights : SelectionWeights or StepWeights
            Of halves of the squares of residuals in units of `unit`.
        residual : ndarray of shape (n_samples,)
            Residuals of the rows of the fit in the units of the problem, as `unit` is.
        unit : float
        raw, final : tuple
            Coefficients and intercept in the units of the user.
        """
        self._rule = RowRule(
            raw,
            final,
            unit * problem.scale_unit,
            weights,
            problem.zero * problem.scale_unit,
            problem.has_sigma,
        )
        self.inlier_weight_ = self._weigh(residual * problem.scale_unit)

    def _weigh(self, residual) -> NDArray[np.float64]:
        """Weights of rows with these residuals from the raw coefficients."""
        size = np.where(np.abs(residual) <= self._rule.zero, 0.0, residual)
        with np.errstate(over="ignore"):
            return self._rule.weights(0.5 * (size / self._rule.unit) ** 2)

    def _residuals(self, X, y, sigma, which) -> NDArray[np.float64]:
        """Residuals in units of sigma, from the raw or the final coefficients."""
        check_is_fitted(self)
        X, y = self._validate(X, y, reset=False)
        coef, intercept = getattr(self._rule, which)
        with np.errstate(over="ignore"):
            residual = y - (X.astype(np.float64, copy=False) @ coef + intercept)
        return residual / self._sigma_of(sigma, y.size)

    def _sigma_of(self, sigma, n_samples) -> NDArray[np.float64] | float:
        """The standard deviations, 1 if there were none in the fit, either."""
        if sigma is not None:
            return np.asarray(check_sigma(sigma, n_samples))
        if self._rule.has_sigma:
            raise ValueError(
                f"sigma must be given to judge rows, for this {type(self).__name__} "
                f"was fitted with sigma and its scale_ is in units of it, got None."
            )
        return 1.0
