"""Residuals, weights and quantiles of the standardised residuals of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.utils.validation import check_is_fitted

from .._checks import as_array
from ..linear._robust_scale import OUTLIER_CUTOFF
from ._names import last_step
from ._pyplot import pyplot

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

PANELS = 3


class ResidualsDisplay:
    """Residuals, weights, and a QQ plot of the standardised residuals in one figure.

    From left to right: standardised residuals over predictions; weights over
    standardised residuals, which shows what the fit keeps; and the sorted residuals
    over quantiles of the Gaussian distribution, on which good rows follow the diagonal.

    Parameters
    ----------
    predictions : array-like of shape (n_samples,)
        Predicted targets.
    standardized_residuals : array-like of shape (n_samples,)
        Residuals in units of their scale.
    weights : array-like of shape (n_samples,), default=None
        Weights of the rows in the fit. None means ones.
    residual_cutoff : float, default=2.2414
        Larger absolute residuals are those of outliers.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (3,)
        Residuals, weights and quantiles.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    OutlierMapDisplay : Residuals against distances of the features.

    Examples
    --------
    >>> from sksoftrank import SoftLTSRegressor
    >>> from sksoftrank.datasets import make_contaminated_regression
    >>> from sksoftrank.plotting import ResidualsDisplay
    >>> X, y, _, _ = make_contaminated_regression(random_state=0)
    >>> model = SoftLTSRegressor(random_state=0).fit(X, y)
    >>> display = ResidualsDisplay.from_estimator(model, X, y)
    >>> [ax.get_title() for ax in display.axes_]
    ['residuals', 'weights', 'quantiles']
    """

    axes_: NDArray[np.object_]
    figure_: Figure | SubFigure

    def __init__(
        self,
        *,
        predictions: ArrayLike,
        standardized_residuals: ArrayLike,
        weights: ArrayLike | None = None,
        residual_cutoff: float = OUTLIER_CUTOFF,
    ) -> None:
        self.predictions = predictions
        self.standardized_residuals = standardized_residuals
        self.weights = weights
        self.residual_cutoff = residual_cutoff

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sigma: ArrayLike | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the residuals of a fitted robust linear regressor.

        Parameters
        ----------
        estimator : estimator
            A fitted `SoftLTSRegressor`, `SoftLTSRegressorCV` or `SoftLQSRegressor`, or
            a pipeline with one at its end.
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Targets.
        sigma : array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors, if the fit had them.
        ax : sequence of three matplotlib Axes, default=None
            Axes to draw on. None means new ones.
        **kwargs : dict
            Arguments of `Axes.scatter`.

        Returns
        -------
        ResidualsDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If the estimator has no rule for new rows.
        """
        pyplot(cls.__name__)
        check_is_fitted(estimator)
        last, features = last_step(estimator), X
        if last is not estimator:
            features = estimator[:-1].transform(X)
        if not hasattr(last, "standardized_residuals"):
            raise TypeError(
                f"estimator must be a robust linear regressor of sksoftrank, or a "
                f"pipeline with one at its end, got a {type(last).__name__}."
            )
        options = {} if sigma is None else {"sigma": sigma}
        display = cls(
            predictions=estimator.predict(X),
            standardized_residuals=last.standardized_residuals(features, y, **options),
            weights=last.inlier_weight(features, y, **options),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the three panels.

        Parameters
        ----------
        ax : sequence of three matplotlib Axes, default=None
            Axes to draw on. None means new ones.
        **kwargs : dict
            Arguments of `Axes.scatter`.

        Returns
        -------
        ResidualsDisplay
            The display.

        Raises
        ------
        ValueError
            If `ax` is not three Axes, or residuals are infinite, as of an exact fit.
        """
        plt = pyplot(type(self).__name__)
        name = "standardized_residuals"
        residual = as_array(self.standardized_residuals, name).astype(float)
        if not np.isfinite(residual).all():
            raise ValueError(
                "standardized_residuals must be finite, got infinite ones: an exact "
                "fit has no scale."
            )
        if ax is None:
            _, ax = plt.subplots(1, PANELS, layout="constrained", figsize=(11, 3.6))
        axes = np.atleast_1d(np.array(ax, dtype=object)).ravel()
        if axes.size != PANELS:
            raise ValueError(f"ax must be {PANELS} Axes, got {axes.size}.")
        self.axes_, self.figure_ = axes, axes[0].figure
        weight = np.ones(residual.size)
        if self.weights is not None:
            weight = as_array(self.weights, "weights").astype(float)
        is_far = np.abs(residual) > self.residual_cutoff
        colour = np.where(is_far, "#D55E00", "0.45")
        style = {"s": 18, "linewidths": 0, "alpha": 0.8} | kwargs
        cut = {"linestyle": "--", "color": "0.3", "linewidth": 0.9, "zorder": 0}
        first, middle, last = axes
        predictions = as_array(self.predictions, "predictions")
        first.scatter(predictions, residual, c=colour, **style)
        for sign in (-1, 1):
            first.axhline(sign * self.residual_cutoff, **cut)
            middle.axvline(sign * self.residual_cutoff, **cut)
        first.set(xlabel="prediction", ylabel="residual / scale", title="residuals")
        middle.scatter(residual, weight, c=colour, **style)
        middle.set(xlabel="residual / scale", ylabel="weight", title="weights")
        middle.set_ylim(-0.05, 1.05)
        order = np.argsort(residual)
        n = residual.size
        quantile = norm.ppf((np.arange(n) + 0.5) / n)
        last.scatter(quantile, residual[order], c=colour[order], **style)
        last.axline((0, 0), slope=1, **cut)
        last.set(xlabel="Gaussian quantile", ylabel="residual / scale")
        last.set_title("quantiles")
        return self
