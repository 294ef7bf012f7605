"""The map of residuals against distances of the features."""

from __future__ import annotations

import itertools
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted

from .._checks import as_array, check_sigma
from .._sklearn import check_array
from .._typing import Array, RandomState
from ..linear._robust_scale import INLIER_FRACTION, OUTLIER_CUTOFF, lts_scale
from ._pyplot import pyplot
from ._robust_distances import numbers_of, robust_distances

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D
    from matplotlib.text import Annotation


# Name, colour (for colour-blind readers, too) and marker of each region of the map.
REGIONS = (
    ("regular observation", "0.55", "o"),
    ("vertical outlier", "#E69F00", "^"),
    ("good leverage point", "#0072B2", "s"),
    ("bad leverage point", "#D55E00", "X"),
)

# Sizes of labels in points: of a letter, and of a line.
LABEL_WIDTH, LABEL_HEIGHT = 6.0, 11.0

# Beyond the cut-offs the axes are logarithmic if values reach this many of them.
LOGARITHMIC_FROM = 20.0


class OutlierMapDisplay:
    """Standardised residuals against robust distances of the features.

    The map tells four kinds of observations apart [1]_: regular ones; vertical
    outliers, with a large residual only; good leverage points, far from the others in
    the features but in line with the fit; and bad leverage points, which are neither
    close nor in line, and would pull a least-squares fit towards them.

    Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    standardized_residuals : array-like of shape (n_samples,)
        Residuals in units of their scale.
    robust_distances : array-like of shape (n_samples,)
        Distances of the features from their centre.
    distance_cutoff : float
        Larger distances are those of leverage points.
    residual_cutoff : float, default=2.2414
        Larger absolute residuals are those of outliers. 97.5 % of Gaussian residuals
        are smaller.
    row_labels : array-like of shape (n_samples,), default=None
        What observations are called. None means their numbers.

    Attributes
    ----------
    regions : ndarray of int of shape (n_samples,)
        0 for regular observations, 1 for vertical outliers, 2 for good and 3 for bad
        leverage points.
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Its figure.
    scatters_ : list of matplotlib PathCollection
        The points of each region, or None for an empty region.
    lines_ : list of matplotlib Line2D
        The cut-offs: of the distance, and the lower and upper one of the residuals.
    texts_ : list of matplotlib Annotation
        Labels of the most outlying observations.

    See Also
    --------
    sksoftrank.SoftLTSRegressor : A robust fit, which the map needs.
    sklearn.covariance.MinCovDet : The distances.

    Notes
    -----
    The distances are those of the minimum covariance determinant of the features; of
    more than 5000 rows a random sample of as many gives it. The cut-off is the root of
    the 97.5 % quantile of chi-square with as many degrees of freedom as there are
    features. Features of one or two values (dummies) and other directions in which the
    features do not vary are left out before, and not counted. So are columns that are
    not numbers, such as categories; the median of its column takes the place of a
    missing number.

    References
    ----------
    .. [1] P. J. Rousseeuw, B. C. van Zomeren, "Unmasking Multivariate Outliers and
       Leverage Points", Journal of the American Statistical Association 85, 1990.

    Examples
    --------
    >>> from sksoftrank.plotting import OutlierMapDisplay
    >>> display = OutlierMapDisplay(
    ...     standardized_residuals=[0.3, -9.0, 1.2, 7.0],
    ...     robust_distances=[1.0, 0.5, 8.0, 9.0],
    ...     distance_cutoff=3.1,
    ... )
    >>> display.regions
    array([0, 1, 2, 3])

    From a fitted model, and drawn:

    >>> from sksoftrank import SoftLTSRegressor
    >>> from sksoftrank.datasets import make_contaminated_regression
    >>> data = make_contaminated_regression(kind="leverage", random_state=0)
    >>> X, y, _, is_wrong = data
    >>> model = SoftLTSRegressor(random_state=0).fit(X, y)
    >>> display = OutlierMapDisplay.from_estimator(model, X, y, random_state=0)
    >>> set(display.regions[is_wrong].tolist())  # bad leverage points
    {3}
    """

    ax_: Axes
    figure_: Figure | SubFigure
    scatters_: list[PathCollection | None]
    lines_: list[Line2D]
    texts_: list[Annotation]

    def __init__(
        self,
        *,
        standardized_residuals: ArrayLike,
        robust_distances: ArrayLike,
        distance_cutoff: float,
        residual_cutoff: float = OUTLIER_CUTOFF,
        row_labels: Any = None,
    ) -> None:
        self.standardized_residuals = standardized_residuals
        self.robust_distances = robust_distances
        self.distance_cutoff = distance_cutoff
        self.residual_cutoff = residual_cutoff
        self.row_labels = row_labels

    @property
    def regions(self) -> NDArray[np.int_]:
        """Number of the region of each observation."""
        residual, distance = self._arrays()
        is_outlier = np.abs(residual) > self.residual_cutoff
        is_far = distance > self.distance_cutoff
        return is_outlier + 2 * is_far

    def _arrays(self) -> tuple[Array, Array]:
        """Residuals and distances."""
        names = "standardized_residuals", "robust_distances"
        residual, distance = (as_array(getattr(self, name), name) for name in names)
        return residual, distance

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sigma: ArrayLike | None = None,
        scale: float | None = None,
        random_state: RandomState = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the map of a fitted regressor.

        Parameters
        ----------
        estimator : estimator
            Fitted regressor, or a pipeline with one at its end: the features then are
            those that its last step sees.
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Targets.
        sigma : array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors, above 0: residuals are divided
            by them, and the scale is in their units. None means ones, and is refused
            for the `scale_` of a fit with sigma.
        scale : float, default=None
            Scale of the residuals, above 0. None means the `scale_` of the estimator,
            or else as for `from_predictions`.
        random_state : int, RandomState instance or None, default=None
            Of `MinCovDet`.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means new ones.
        **kwargs : dict
            Other arguments of `plot`.

        Returns
        -------
        OutlierMapDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If the features are sparse or too few for robust distances, or the scale
            is 0.
        """
        check_is_fitted(estimator)
        features, last = X, estimator
        if isinstance(estimator, Pipeline):
            features, last = estimator[:-1].transform(X), estimator[-1]
        if scale is None:
            scale = getattr(last, "scale_", None)
            if sigma is None and hasattr(last, "_sigma_of"):
                last._sigma_of(None, 0)  # raises if the fit had sigma
        return cls.from_predictions(
            y,
            estimator.predict(X),
            features,
            sigma=sigma,
            scale=scale,
            random_state=random_state,
            rows=_row_labels(X),
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        X: ArrayLike,
        *,
        sigma: ArrayLike | None = None,
        scale: float | None = None,
        random_state: RandomState = None,
        rows: Any = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the map of given predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Targets.
        y_pred : array-like of shape (n_samples,)
            Predicted targets.
        X : array-like of shape (n_samples, n_features)
            Features.
        sigma : array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors, above 0: residuals are divided
            by them, and the scale is in their units. None means ones.
        scale : float, default=None
            Scale of the residuals, above 0. None means that of the smaller half of
            them, made consistent for Gaussian errors.
        random_state : int, RandomState instance or None, default=None
            Of `MinCovDet`.
        rows : array-like of shape (n_samples,), default=None
            Labels of the observations. None means the index of X, or numbers.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means new ones.
        **kwargs : dict
            Other arguments of `plot`.

        Returns
        -------
        OutlierMapDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If the features are sparse or too few for robust distances, or the scale
            is 0.
        """
        pyplot(cls.__name__)
        y_true, y_pred = (
            column_or_1d(check_array(y, ensure_2d=False, dtype=float, input_name=name))
            for name, y in (("y_true", y_true), ("y_pred", y_pred))
        )
        row_labels = _row_labels(X) if rows is None else rows
        X = numbers_of(X)
        check_consistent_length(y_true, y_pred, X)
        residual = y_true - y_pred
        if sigma is not None:
            residual /= check_sigma(sigma, residual.size)
        if scale is None:
            scale = lts_scale(residual, np.ones(residual.size), residual.size / 2)
        if not isinstance(scale, Real) or not 0 < float(scale) < np.inf:
            raise ValueError(
                f"scale must be a finite number above 0 to standardise residuals, got "
                f"{scale}; it is 0 for an exact fit."
            )
        distance, rank = robust_distances(X, check_random_state(random_state))
        display = cls(
            standardized_residuals=residual / scale,
            robust_distances=distance,
            distance_cutoff=float(np.sqrt(chi2.ppf(INLIER_FRACTION, max(rank, 1)))),
            row_labels=row_labels,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Axes | None = None, *, n_labels: int = 3, **kwargs: Any) -> Self:
        """Draw the map.

        An axis is logarithmic beyond the cut-offs where values are 20 times as large.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None means new ones.
        n_labels : int, default=3
            How many outliers and leverage points, the farthest beyond the cut-offs,
            are labelled with their row numbers.
        **kwargs : dict
            Arguments of `Axes.scatter` for all points.

        Returns
        -------
        OutlierMapDisplay
            The display.
        """
        plt = pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(layout="constrained", figsize=(6.4, 4.8))
        self.ax_, self.figure_ = ax, ax.figure
        residual, distance = self._arrays()
        style: dict[str, Any] = {
            "linestyle": "--",
            "color": "0.3",
            "linewidth": 0.9,
            "zorder": 0,
        }
        self.lines_ = [
            ax.axvline(self.distance_cutoff, **style),
            ax.axhline(-self.residual_cutoff, **style),
            ax.axhline(self.residual_cutoff, **style),
        ]
        regions = self.regions
        self.scatters_ = [None] * len(REGIONS)
        for number, (name, colour, marker) in enumerate(REGIONS):
            rows = regions == number
            if rows.any():
                style = {"s": 24, "c": colour, "marker": marker, "alpha": 0.85}
                style |= {"linewidths": 0, "label": f"{name} ({rows.sum()})"}
                self.scatters_[number] = ax.scatter(
                    distance[rows], residual[rows], **(style | kwargs)
                )
        if distance.max() > LOGARITHMIC_FROM * self.distance_cutoff:
            ax.set_xscale("symlog", linthresh=self.distance_cutoff)
        if np.abs(residual).max() > LOGARITHMIC_FROM * self.residual_cutoff:
            ax.set_yscale("symlog", linthresh=self.residual_cutoff)
        ax.set_xlim(left=0)
        ax.margins(x=0.08)
        ax.set(xlabel="robust distance of the features", ylabel="residual / scale")
        self.texts_ = self._label_rows(residual, distance, n_labels)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
        return self

    def _label_rows(self, residual, distance, n_labels):
        """Write labels beside the most outlying observations, without overlaps."""
        excess = np.maximum(
            np.abs(residual) / self.residual_cutoff, distance / self.distance_cutoff
        )
        rows = np.argsort(-excess, kind="stable")[:n_labels]
        rows = rows[excess[rows] > 1]
        labels = range(residual.size) if self.row_labels is None else self.row_labels
        labels = list(labels)
        place = np.column_stack([distance[rows], residual[rows]])
        place = self.ax_.transData.transform(place) * 72 / self.figure_.dpi  # in points
        bottom, top = self.ax_.bbox.intervaly * 72 / self.figure_.dpi
        # Labels of points beyond the axes, such as infinite ones, are not seen.
        place = np.nan_to_num(place)
        place[:, 1] = place[:, 1].clip(bottom, top)
        top -= LABEL_HEIGHT
        taken: list[Any] = []
        texts = []
        for row, (x, y) in zip(rows, place, strict=True):
            text = str(labels[row])
            width = LABEL_WIDTH * len(text)
            heights = [
                height
                for left, right, height in taken
                if x < right and left < x + width
            ]
            # The nearest free place, above or below, and below the legend.
            shift = next(
                shift
                for i in itertools.count()
                for shift in (3 + i * LABEL_HEIGHT / 2, 3 - i * LABEL_HEIGHT / 2)
                if y + shift <= top
                and all(abs(y + shift - height) >= LABEL_HEIGHT for height in heights)
            )
            taken.append((x, x + width, y + shift))
            texts.append(
                self.ax_.annotate(
                    text,
                    (distance[row], residual[row]),
                    xytext=(5, shift),
                    textcoords="offset points",
                    fontsize="small",
                )
            )
        return texts


def _row_labels(X):
    """The labels of the rows of a frame of pandas; lists have an index, too."""
    return X.index if hasattr(X, "iloc") else None
