"""Displays of robust fits. They need matplotlib, which is imported when they draw."""

import warnings
from numbers import Real

import numpy as np
from scipy.stats import chi2
from sklearn.covariance import MinCovDet
from sklearn.pipeline import Pipeline
from sklearn.utils import (
    check_array,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)
from sklearn.utils.validation import check_is_fitted

from ._robust_scale import INLIER_FRACTION, OUTLIER_CUTOFF, lts_scale

__all__ = ["EpsilonPathDisplay", "OutlierMapDisplay"]

EPS = np.finfo(np.float64).eps

# Name, colour (for colour-blind readers, too) and marker of each region of the map.
REGIONS = (
    ("regular observation", "0.55", "o"),
    ("vertical outlier", "#E69F00", "^"),
    ("good leverage point", "#0072B2", "s"),
    ("bad leverage point", "#D55E00", "X"),
)

# Beyond the cut-offs the axes are logarithmic if values reach this many of them.
FAR = 20.0

# Up to this many coefficients are told apart by a legend.
MAX_LEGEND = 10


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
        Row numbers of the most outlying observations.

    See Also
    --------
    sksoftrank.SoftLTSRegressor : A robust fit, which the map needs.
    sklearn.covariance.MinCovDet : The distances.

    Notes
    -----
    The distances are those of the minimum covariance determinant of the features, the
    cut-off is the root of the 97.5 % quantile of chi-square with as many degrees of
    freedom as there are features. Constant features and other directions in which the
    features do not vary (dummies that sum to one) are left out before, and not counted.

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

    >>> import numpy as np
    >>> from sksoftrank import SoftLTSRegressor
    >>> from sksoftrank.datasets import make_contaminated_regression
    >>> X, y, _, _ = make_contaminated_regression(kind="mixed", random_state=0)
    >>> model = SoftLTSRegressor(random_state=0).fit(X, y)
    >>> display = OutlierMapDisplay.from_estimator(model, X, y, random_state=0)
    >>> np.bincount(display.regions)
    array([75, 11,  4, 10])
    """

    def __init__(
        self,
        *,
        standardized_residuals,
        robust_distances,
        distance_cutoff,
        residual_cutoff=OUTLIER_CUTOFF,
    ):
        self.standardized_residuals = standardized_residuals
        self.robust_distances = robust_distances
        self.distance_cutoff = distance_cutoff
        self.residual_cutoff = residual_cutoff

    @property
    def regions(self):
        """Number of the region of each observation."""
        is_outlier = np.abs(self.standardized_residuals) > self.residual_cutoff
        is_far = np.asarray(self.robust_distances) > self.distance_cutoff
        return is_outlier + 2 * is_far

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, scale=None, random_state=None, ax=None, **kwargs
    ):
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
        return cls.from_predictions(
            y,
            estimator.predict(X),
            features,
            scale=scale,
            random_state=random_state,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls, y_true, y_pred, X, *, scale=None, random_state=None, ax=None, **kwargs
    ):
        """Plot the map of given predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Targets.
        y_pred : array-like of shape (n_samples,)
            Predicted targets.
        X : array-like of shape (n_samples, n_features)
            Features.
        scale : float, default=None
            Scale of the residuals, above 0. None means that of the smaller half of
            them, made consistent for Gaussian errors.
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
        _pyplot(cls.__name__)
        y_true, y_pred = (
            column_or_1d(check_array(y, ensure_2d=False, dtype=float, input_name=name))
            for name, y in (("y_true", y_true), ("y_pred", y_pred))
        )
        X = check_array(X, dtype=np.float64, input_name="X")
        check_consistent_length(y_true, y_pred, X)
        residual = y_true - y_pred
        if scale is None:
            scale = lts_scale(residual, np.ones(residual.size), residual.size / 2)
        if not isinstance(scale, Real) or not 0 < scale < np.inf:
            raise ValueError(
                f"scale must be a finite number above 0 to standardise residuals, got "
                f"{scale}; it is 0 for an exact fit."
            )
        distance, rank = _robust_distances(X, check_random_state(random_state))
        display = cls(
            standardized_residuals=residual / scale,
            robust_distances=distance,
            distance_cutoff=float(np.sqrt(chi2.ppf(INLIER_FRACTION, max(rank, 1)))),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, n_labels=3, **kwargs):
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
        plt = _pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(layout="constrained", figsize=(6.4, 4.8))
        self.ax_, self.figure_ = ax, ax.figure
        residual = np.asarray(self.standardized_residuals)
        distance = np.asarray(self.robust_distances)
        style = {"linestyle": "--", "color": "0.3", "linewidth": 0.9, "zorder": 0}
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
        if distance.max() > FAR * self.distance_cutoff:
            ax.set_xscale("symlog", linthresh=self.distance_cutoff)
        if np.abs(residual).max() > FAR * self.residual_cutoff:
            ax.set_yscale("symlog", linthresh=self.residual_cutoff)
        ax.set_xlim(left=0)
        ax.margins(x=0.08)
        ax.set(xlabel="robust distance of the features", ylabel="residual / scale")
        self.texts_ = self._label_rows(residual, distance, n_labels)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
        return self

    def _label_rows(self, residual, distance, n_labels):
        """Write their row numbers beside the most outlying observations."""
        excess = np.maximum(
            np.abs(residual) / self.residual_cutoff, distance / self.distance_cutoff
        )
        rows = np.argsort(-excess, kind="stable")[:n_labels]
        return [
            self.ax_.annotate(
                str(row),
                (distance[row], residual[row]),
                xytext=(5, 3),
                textcoords="offset points",
                fontsize="small",
            )
            for row in rows[excess[rows] > 1]
        ]


class EpsilonPathDisplay:
    """Coefficients, and scores, as functions of `epsilon`.

    The path leads from hard trimming on the left to least squares on the right. Where
    outliers begin to be let in, coefficients move and scores fall.

    Parameters
    ----------
    epsilons : array-like of shape (n_epsilons,)
        The grid, at least 0, in any order. The axis is logarithmic; 0 is drawn left of
        the others.
    coefs : array-like of shape (n_epsilons, n_features)
        Coefficients for each of them.
    scores : array-like of shape (n_epsilons,) or (n_epsilons, n_folds), default=None
        Scores for each of them. With folds their mean is drawn, and a band of one
        standard error around it. None means no panel of scores.
    feature_names : list of str, default=None
        Names for the legend. None means x0, x1, ...
    best_epsilon : float, default=None
        A value to mark.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the coefficients.
    score_ax_ : matplotlib Axes or None
        Axes of the scores.
    figure_ : matplotlib Figure
        The figure.
    lines_ : list of matplotlib Line2D
        One for each coefficient.
    score_line_ : matplotlib Line2D or None
        The mean scores.
    best_lines_ : list of matplotlib Line2D
        The mark of the best epsilon, one for each panel.

    See Also
    --------
    sksoftrank.soft_lts_path : Computes a path.
    sksoftrank.SoftLTSRegressorCV : Chooses the best epsilon.

    Examples
    --------
    >>> from sksoftrank import soft_lts_path
    >>> from sksoftrank.datasets import make_contaminated_regression
    >>> from sksoftrank.plotting import EpsilonPathDisplay
    >>> X, y, _, _ = make_contaminated_regression(random_state=0)
    >>> path = soft_lts_path(X, y, epsilons=[1, 10, 100, 1000], random_state=0)
    >>> display = EpsilonPathDisplay(epsilons=path.epsilons, coefs=path.coefs).plot()
    >>> display.ax_.get_ylabel()
    'coefficient'
    """

    def __init__(
        self, *, epsilons, coefs, scores=None, feature_names=None, best_epsilon=None
    ):
        self.epsilons = epsilons
        self.coefs = coefs
        self.scores = scores
        self.feature_names = feature_names
        self.best_epsilon = best_epsilon

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Plot the path of a fitted `SoftLTSRegressorCV`.

        Parameters
        ----------
        estimator : SoftLTSRegressorCV
            The fitted estimator, or a pipeline with one at its end. The scores are
            those of the chosen `trim_`.
        ax : sequence of two matplotlib Axes, default=None
            Axes of the coefficients and of the scores. None means new ones.
        **kwargs : dict
            Arguments of `Axes.plot` for the coefficients.

        Returns
        -------
        EpsilonPathDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If the estimator has no path.
        """
        check_is_fitted(estimator)
        names = getattr(estimator, "feature_names_in_", None)
        if isinstance(estimator, Pipeline):
            estimator, names = estimator[-1], None
        if not hasattr(estimator, "coef_path_"):
            raise TypeError(
                f"estimator must be a SoftLTSRegressorCV, or a pipeline with one at "
                f"its end, got a {type(estimator).__name__}."
            )
        display = cls(
            epsilons=estimator.epsilons_,
            coefs=estimator.coef_path_,
            scores=estimator.cv_scores_[estimator.trims_ == estimator.trim_][0],
            feature_names=names,
            best_epsilon=estimator.epsilon_,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the path.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of two Axes, default=None
            Axes of the coefficients, and of the scores if there are any. None means
            new ones.
        **kwargs : dict
            Arguments of `Axes.plot` for the coefficients.

        Returns
        -------
        EpsilonPathDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` is not two Axes although there are scores, or if there are not as
            many `coefs` or `scores` as `epsilons`.
        """
        plt = _pyplot(type(self).__name__)
        self._check_lengths()
        axes = self._make_axes(plt, ax)
        self.ax_, self.figure_ = axes[0], axes[0].figure
        order = np.argsort(self.epsilons)
        epsilons = np.asarray(self.epsilons, dtype=float)[order]
        style = {"marker": "o", "markersize": 3.5, "linewidth": 1.4}
        self.lines_ = self.ax_.plot(
            epsilons, np.asarray(self.coefs)[order], **(style | kwargs)
        )
        self.ax_.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        self.ax_.set_ylabel("coefficient")
        self.score_ax_ = self.score_line_ = None
        if self.scores is not None:
            self.score_ax_ = axes[1]
            self._plot_scores(epsilons, np.asarray(self.scores)[order])
        self.best_lines_ = []
        for panel in axes:
            if self.best_epsilon is not None:
                style = {"linestyle": "--", "color": "0.3", "linewidth": 0.9}
                label = f"epsilon = {self.best_epsilon:.3g}"
                self.best_lines_.append(
                    panel.axvline(self.best_epsilon, label=label, **style)
                )
            if epsilons[0] > 0:
                panel.set_xscale("log")
            else:
                smallest = epsilons[epsilons > 0].min(initial=np.inf)
                linear = smallest if np.isfinite(smallest) else 1.0
                panel.set_xscale("symlog", linthresh=linear)
                panel.set_xlim(-0.3 * linear, 1.5 * max(epsilons[-1], linear))
        axes[-1].set_xlabel("epsilon")
        self._add_legend()
        return self

    def _check_lengths(self):
        for name in ("coefs", "scores"):
            rows = getattr(self, name)
            if rows is not None and len(rows) != len(self.epsilons):
                raise ValueError(
                    f"{name} must have a row for each of the {len(self.epsilons)} "
                    f"epsilons, got {len(rows)}."
                )

    def _make_axes(self, plt, ax):
        n_panels = 1 if self.scores is None else 2
        if ax is None:
            _, axes = plt.subplots(
                n_panels,
                squeeze=False,
                sharex=True,
                layout="constrained",
                figsize=(7, 1.2 + 2.7 * n_panels),
            )
            return axes[:, 0]
        axes = np.atleast_1d(np.array(ax, dtype=object)).ravel()
        if axes.size != n_panels:
            raise ValueError(
                f"ax must be {n_panels} Axes, for the coefficients"
                f"{' and the scores' if n_panels == 2 else ''}, got {axes.size}."
            )
        return axes

    def _plot_scores(self, epsilons, scores):
        """Mean scores, with a band of one standard error if there are folds."""
        mean = scores
        if scores.ndim == 2:
            mean = scores.mean(axis=1)
            n_folds = scores.shape[1]
            if n_folds > 1:
                error = scores.std(axis=1, ddof=1) / np.sqrt(n_folds)
                self.score_ax_.fill_between(
                    epsilons, mean - error, mean + error, color="0.85", linewidth=0
                )
        style = {"marker": "o", "markersize": 3.5, "linewidth": 1.4, "color": "0.25"}
        (self.score_line_,) = self.score_ax_.plot(epsilons, mean, **style)
        self.score_ax_.set_ylabel("score")

    def _add_legend(self):
        """Name the coefficients, if they are few, and the best epsilon."""
        lines, labels = [], []
        if len(self.lines_) <= MAX_LEGEND:
            names = self.feature_names
            if names is None:
                names = [f"x{column}" for column in range(len(self.lines_))]
            lines, labels = list(self.lines_), list(names)
        if self.best_lines_:
            lines.append(self.best_lines_[0])
            labels.append(self.best_lines_[0].get_label())
        if lines:
            place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
            self.ax_.legend(lines, labels, frameon=False, **place)


def _robust_distances(X, random_state):
    """Distances by the minimum covariance determinant, and their degrees of freedom.

    In standardised principal components: the distances do not depend on coordinates,
    and directions without variation are left out.
    """
    scale = X.std(axis=0)
    varies = scale > 4 * EPS * np.abs(X).max(axis=0)
    Z = (X[:, varies] - X[:, varies].mean(axis=0)) / scale[varies]
    left, s, _ = np.linalg.svd(Z, full_matrices=False)
    left = left[:, s > s.max(initial=0.0) * max(X.shape) * EPS]
    n_samples, rank = left.shape
    if n_samples < 2 * rank + 1:
        raise ValueError(
            f"X must have more than twice as many rows as independent features for "
            f"robust distances, got {n_samples} rows and {rank} features."
        )
    if rank == 0:
        return np.zeros(n_samples), 0
    with warnings.catch_warnings():
        # Half of the rows lie on a plane if there are dummies; this warns of rounding.
        warnings.filterwarnings("ignore", "Determinant has inc", RuntimeWarning)
        try:
            left *= np.sqrt(n_samples)
            fit = MinCovDet(random_state=random_state).fit(left)
        except ValueError as error:
            raise ValueError(
                "X must not be the same in half of the rows for robust distances, got "
                "features that most rows share."
            ) from error
    return np.sqrt(fit.mahalanobis(left)), rank


def _pyplot(caller):
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib; install it, for example by "
            f"'pip install matplotlib'."
        ) from error
    return plt
