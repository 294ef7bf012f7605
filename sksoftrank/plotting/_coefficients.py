"""Coefficients of several fits with their intervals, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student
from sklearn.linear_model import LinearRegression
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from .._checks import as_array, check_confidence_level
from .._sklearn import check_array, refuse_masked
from ._names import last_step, names_of
from ._pyplot import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure, SubFigure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "0.4")


class CoefficientsDisplay:
    """Coefficients of several linear fits with error bars, side by side.

    What a robust fit changes is seen at once: next to least squares, coefficients that
    outliers have moved stand apart.

    Parameters
    ----------
    coefs : array-like of shape (n_fits, n_features)
        Coefficients.
    half_widths : array-like of shape (n_fits, n_features), default=None
        Halves of the lengths of their intervals; infinite or NaN ones are not drawn.
        None means no error bars.
    labels : list of str, default=None
        Names of the fits. None means fit 0, fit 1, ...
    feature_names : list of str, default=None
        Names of the features. None means x0, x1, ...

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Its figure.
    bars_ : list of matplotlib ErrorbarContainer
        Points and error bars, one for each fit.

    See Also
    --------
    sksoftrank.SoftLTSRegressor.summary : The same as a table.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from sksoftrank import SoftLTSRegressor
    >>> from sksoftrank.datasets import make_contaminated_regression
    >>> from sksoftrank.plotting import CoefficientsDisplay
    >>> X, y, _, _ = make_contaminated_regression(kind="leverage", random_state=0)
    >>> fits = {
    ...     "robust": SoftLTSRegressor(random_state=0).fit(X, y),
    ...     "least squares": LinearRegression().fit(X, y),
    ... }
    >>> display = CoefficientsDisplay.from_estimators(fits, X, y)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['robust', 'least squares']
    """

    ax_: Axes
    figure_: Figure | SubFigure
    bars_: list[ErrorbarContainer]

    def __init__(
        self,
        *,
        coefs: ArrayLike,
        half_widths: ArrayLike | None = None,
        labels: Any = None,
        feature_names: Any = None,
    ) -> None:
        self.coefs = coefs
        self.half_widths = half_widths
        self.labels = labels
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any = None, y: ArrayLike | None = None, **kwargs: Any
    ) -> Self:
        """Plot the coefficients of one fit.

        Parameters
        ----------
        estimator : estimator
            Fitted linear regressor, or a pipeline with one at its end.
        X : array-like of shape (n_samples, n_features), default=None
            Features, for the errors of `LinearRegression`.
        y : array-like of shape (n_samples,), default=None
            Targets, for the same.
        **kwargs : dict
            Other arguments of `from_estimators`.

        Returns
        -------
        CoefficientsDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        name = type(last_step(estimator)).__name__
        return cls.from_estimators({name: estimator}, X, y, **kwargs)

    @classmethod
    def from_estimators(
        cls,
        estimators: dict[str, Any],
        X: Any = None,
        y: ArrayLike | None = None,
        *,
        confidence_level: float = 0.95,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the coefficients of fitted linear regressors.

        Parameters
        ----------
        estimators : dict
            Fitted linear regressors by their names, or pipelines with one at their end,
            of the same features.
        X : array-like of shape (n_samples, n_features), default=None
            Features, for the errors of `LinearRegression`.
        y : array-like of shape (n_samples,), default=None
            Targets, for the same.
        confidence_level : float, default=0.95
            Of the intervals, above 0 and below 1.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means new ones.
        **kwargs : dict
            Arguments of `Axes.errorbar`.

        Returns
        -------
        CoefficientsDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If `estimators` is no dict, one of them has no ``coef_``, or the level is no
            number.
        ValueError
            If there is no estimator, they have several targets or different numbers of
            coefficients, or the level is not as described.
        """
        pyplot(cls.__name__)
        check_confidence_level(confidence_level)
        if not isinstance(estimators, dict):
            raise TypeError(
                f"estimators must be a dict of fitted regressors by their names, got a "
                f"{type(estimators).__name__}."
            )
        if not estimators:
            raise ValueError("estimators must hold at least one fit, got none.")
        coefs, widths = [], []
        for name, estimator in estimators.items():
            check_is_fitted(estimator)
            last = last_step(estimator)
            if not hasattr(last, "coef_"):
                raise TypeError(
                    f"estimators must have coefficients, got {name!r}, a "
                    f"{type(last).__name__} without coef_."
                )
            coef = np.asarray(last.coef_)
            if coef.size != coef.shape[-1]:
                raise ValueError(
                    f"estimators must have one target, got coefficients of shape "
                    f"{coef.shape} of {name!r}."
                )
            coefs.append(coef.ravel())
            widths.append(_half_widths(estimator, X, y, confidence_level))
        sizes = [coef.size for coef in coefs]
        if min(sizes) != max(sizes):
            raise ValueError(
                f"estimators must have the same number of coefficients, got {sizes}."
            )
        display = cls(
            coefs=np.array(coefs),
            half_widths=np.array(widths),
            labels=list(estimators),
            feature_names=names_of(next(iter(estimators.values()))),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the coefficients, features from top to bottom.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None means new ones.
        **kwargs : dict
            Arguments of `Axes.errorbar`.

        Returns
        -------
        CoefficientsDisplay
            The display.
        """
        plt = pyplot(type(self).__name__)
        coefs = np.atleast_2d(as_array(self.coefs, "coefs").astype(float))
        n_fits, n_features = coefs.shape
        if ax is None:
            height = 1.2 + n_features * (0.2 + 0.14 * n_fits)
            _, ax = plt.subplots(layout="constrained", figsize=(6.4, min(height, 20)))
        self.ax_, self.figure_ = ax, ax.figure
        widths = np.full(coefs.shape, np.nan)
        if self.half_widths is not None:
            widths = as_array(self.half_widths, "half_widths").astype(float)
            widths = np.atleast_2d(widths)
        widths = np.where(np.isfinite(widths), widths, 0.0)
        labels = self.labels
        if labels is None:
            labels = [f"fit {number}" for number in range(n_fits)]
        names = self.feature_names
        if names is None:
            names = [f"x{column}" for column in range(n_features)]
        rows = np.arange(n_features)
        step = 0.6 / n_fits
        self.bars_ = []
        for number, (coef, width, label) in enumerate(
            zip(coefs, widths, labels, strict=True)
        ):
            place = rows + step * (number - 0.5 * (n_fits - 1))
            style = {"fmt": "o", "markersize": 4.5, "capsize": 2.5, "label": label}
            style |= {"color": COLOURS[number % len(COLOURS)]}
            self.bars_.append(ax.errorbar(coef, place, xerr=width, **(style | kwargs)))
        ax.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        ax.set_yticks(rows, list(names))
        ax.set_ylim(n_features - 0.5, -0.5)
        ax.set_xlabel("coefficient")
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
        return self


def _half_widths(estimator, X, y, level):
    """Halves of the intervals of the coefficients, NaN where they are not known."""
    last = last_step(estimator)
    n_coefs = np.size(last.coef_)
    error, df = getattr(last, "stderr_", None), getattr(last, "df_", None)
    is_plain = type(last) is LinearRegression and not last.positive
    if is_plain and X is not None and y is not None:
        error, df = _least_squares_errors(estimator, last, X, y)
    if error is None or df is None or df <= 0:
        return np.full(n_coefs, np.nan)
    return student.ppf(0.5 + 0.5 * level, df) * error


def _least_squares_errors(estimator, last, X, y):
    """Standard errors and degrees of freedom of least squares."""
    if estimator is not last:
        X = estimator[:-1].transform(X)
    refuse_masked(y, "y")
    rows = check_array(X, dtype=np.float64, input_name="X")
    residual = column_or_1d(y) - last.predict(X)
    if last.fit_intercept:
        rows = rows - rows.mean(axis=0)
    rank = np.linalg.matrix_rank(rows)
    df = residual.size - rank - int(last.fit_intercept)
    if df <= 0:
        return None, None
    variance = residual @ residual / df
    inverse = np.linalg.pinv(rows)
    return np.sqrt(variance * np.einsum("ij,ij->i", inverse, inverse)), df
