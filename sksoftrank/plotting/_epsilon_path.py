"""Coefficients and scores over epsilon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._checks import as_array
from ._names import last_step, names_of
from ._pyplot import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

    # One panel, or that of the coefficients and that of the scores.
    Panels: TypeAlias = Axes | Sequence[Axes] | NDArray[np.object_]

# Up to this many coefficients are told apart by a legend.
MAX_LEGEND = 10

# Of more, so many are named, at the edge.
MAX_LABELS = 6


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
    texts_ : list of matplotlib Annotation
        Names of the largest coefficients at the edge, where there are more than ten.
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

    ax_: Axes
    score_ax_: Axes | None
    figure_: Figure | SubFigure
    lines_: list[Line2D]
    score_line_: Line2D | None
    best_lines_: list[Line2D]

    def __init__(
        self,
        *,
        epsilons: ArrayLike,
        coefs: ArrayLike,
        scores: ArrayLike | None = None,
        feature_names: Sequence[str] | NDArray[np.object_] | None = None,
        best_epsilon: float | None = None,
    ) -> None:
        self.epsilons = epsilons
        self.coefs = coefs
        self.scores = scores
        self.feature_names = feature_names
        self.best_epsilon = best_epsilon

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        ax: Panels | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the path of a fitted `SoftLTSRegressorCV`.

        Parameters
        ----------
        estimator : SoftLTSRegressorCV
            The fitted estimator, or a pipeline with one at its end. The scores are
            those of the chosen `trim_`.
        X, y : object, default=None
            Ignored: the path was scored by `fit`. All displays take them.
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
        names = names_of(estimator)
        estimator = last_step(estimator)
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

    def plot(self, ax: Panels | None = None, **kwargs: Any) -> Self:
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
        plt = pyplot(type(self).__name__)
        epsilons = as_array(self.epsilons, "epsilons").astype(float)
        self._check_lengths(epsilons.size)
        axes = self._make_axes(plt, ax)
        self.ax_, self.figure_ = axes[0], axes[0].figure
        order = np.argsort(epsilons)
        epsilons = epsilons[order]
        style: dict[str, Any] = {"marker": "o", "markersize": 3.5, "linewidth": 1.4}
        self.lines_ = self.ax_.plot(
            epsilons, as_array(self.coefs, "coefs")[order], **(style | kwargs)
        )
        self.ax_.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        self.ax_.set_ylabel("coefficient")
        self.score_ax_ = self.score_line_ = None
        if self.scores is not None:
            self.score_ax_ = axes[1]
            self._plot_scores(epsilons, as_array(self.scores, "scores")[order])
        self.best_lines_: list[Any] = []
        self.texts_: list[Any] = []
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

    def _check_lengths(self, n_epsilons):
        for name in ("coefs", "scores"):
            rows = getattr(self, name)
            if rows is not None and len(rows) != n_epsilons:
                raise ValueError(
                    f"{name} must have a row for each of the {n_epsilons} "
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
        ax: Any = self.score_ax_
        mean = scores
        if scores.ndim == 2:
            mean = scores.mean(axis=1)
            n_folds = scores.shape[1]
            if n_folds > 1:
                error = scores.std(axis=1, ddof=1) / np.sqrt(n_folds)
                ax.fill_between(
                    epsilons, mean - error, mean + error, color="0.85", linewidth=0
                )
        style = {"marker": "o", "markersize": 3.5, "linewidth": 1.4, "color": "0.25"}
        (self.score_line_,) = ax.plot(epsilons, mean, **style)
        ax.set_ylabel("score")

    def _add_legend(self) -> None:
        """Name the coefficients and the best epsilon.

        Of many coefficients those that are largest on the path have the places, beside
        their lines.
        """
        names = self.feature_names
        if names is None:
            names = [f"x{column}" for column in range(len(self.lines_))]
        lines, labels = list(self.lines_), list(names)
        if len(lines) > MAX_LEGEND:
            size = [np.nanmax(np.abs(line.get_ydata())) for line in lines]
            largest = np.sort(np.argsort(size, kind="stable")[-MAX_LABELS:])
            lines = [lines[column] for column in largest]
            labels = [labels[column] for column in largest]
            for line, label in zip(lines, labels, strict=True):
                self.texts_.append(
                    self.ax_.annotate(
                        label,
                        (line.get_xdata()[-1], line.get_ydata()[-1]),
                        xytext=(4, 0),
                        textcoords="offset points",
                        fontsize="small",
                        color=line.get_color(),
                        va="center",
                        annotation_clip=False,
                    )
                )
        if self.best_lines_:
            lines.append(self.best_lines_[0])
            labels.append(self.best_lines_[0].get_label())
        # Further to the right where the edge has labels.
        place = 1.01 if not self.texts_ else 1.15
        self.ax_.legend(
            lines, labels, frameon=False, loc="upper left", bbox_to_anchor=(place, 1.0)
        )
