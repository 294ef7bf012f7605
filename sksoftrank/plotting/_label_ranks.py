"""Predicted against true ranks of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._checks import as_array
from .._sklearn import check_array
from ._names import last_step
from ._pyplot import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage
    from matplotlib.text import Text


class LabelRanksDisplay:
    """How often labels of each true rank are given each rank: a table of ranks.

    A perfect ranker has all on the diagonal. Ranks that a ranker mistakes for their
    neighbours do less harm than those in far corners.

    Parameters
    ----------
    shares : array-like of shape (n_labels, n_labels)
        Of the labels of each true rank (rows), the parts that are given each rank.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Its figure.
    image_ : matplotlib AxesImage
        The shares.
    texts_ : list of matplotlib Text
        Shares in percent, for up to twelve labels.

    See Also
    --------
    sksoftrank.SoftSpearmanLabelRanker : A label ranker.

    Examples
    --------
    >>> from sksoftrank.plotting import LabelRanksDisplay
    >>> y_true = [[1, 2, 3], [2, 1, 3]]
    >>> display = LabelRanksDisplay.from_predictions(y_true, [[1, 2, 3], [1, 2, 3]])
    >>> display.shares
    array([[0.5, 0.5, 0. ],
           [0.5, 0.5, 0. ],
           [0. , 0. , 1. ]])
    """

    ax_: Axes
    figure_: Figure | SubFigure
    image_: AxesImage
    texts_: list[Text]

    def __init__(self, *, shares: ArrayLike) -> None:
        self.shares = shares

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Plot the ranks that a fitted label ranker predicts.

        Parameters
        ----------
        estimator : estimator
            Fitted label ranker, or a pipeline with one at its end.
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples, n_labels)
            True ranks.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means new ones.
        **kwargs : dict
            Arguments of `Axes.imshow`.

        Returns
        -------
        LabelRanksDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError
            If the estimator predicts no ranks of labels.
        """
        pyplot(cls.__name__)
        check_is_fitted(estimator)
        predicted = estimator.predict(X)
        if np.ndim(predicted) != 2:
            raise TypeError(
                f"estimator must predict ranks of labels, got a "
                f"{type(last_step(estimator)).__name__}."
            )
        return cls.from_predictions(y, predicted, ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls, y_true: ArrayLike, y_pred: ArrayLike, *, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Plot given ranks.

        Parameters
        ----------
        y_true : array-like of shape (n_samples, n_labels)
            True ranks, NaN where a label is not ranked. Ties have a mean rank, which is
            rounded.
        y_pred : array-like of shape (n_samples, n_labels)
            Predicted ranks.
        ax : matplotlib Axes, default=None
            Axes to draw on. None means new ones.
        **kwargs : dict
            Arguments of `Axes.imshow`.

        Returns
        -------
        LabelRanksDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If both have different shapes, or ranks are not from 1 to n_labels.
        """
        pyplot(cls.__name__)
        ranks = [
            check_array(
                y, dtype=np.float64, ensure_all_finite="allow-nan", input_name=name
            )
            for name, y in (("y_true", y_true), ("y_pred", y_pred))
        ]
        if ranks[0].shape != ranks[1].shape:
            raise ValueError(
                f"y_pred must have the shape of y_true, got {ranks[1].shape} for "
                f"{ranks[0].shape}."
            )
        known = ~(np.isnan(ranks[0]) | np.isnan(ranks[1]))
        true, predicted = (np.rint(r[known]).astype(int) - 1 for r in ranks)
        n = ranks[0].shape[1]
        for name, values in (("y_true", true), ("y_pred", predicted)):
            if values.size and not 0 <= values.min() <= values.max() < n:
                raise ValueError(
                    f"{name} must hold ranks from 1 to {n}, got values from "
                    f"{values.min() + 1} to {values.max() + 1}."
                )
        counts = np.zeros((n, n))
        np.add.at(counts, (true, predicted), 1)
        total = counts.sum(axis=1, keepdims=True)
        return cls(shares=counts / np.maximum(total, 1)).plot(ax=ax, **kwargs)

    def plot(self, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the shares.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None means new ones.
        **kwargs : dict
            Arguments of `Axes.imshow`.

        Returns
        -------
        LabelRanksDisplay
            The display.
        """
        plt = pyplot(type(self).__name__)
        shares = as_array(self.shares, "shares").astype(float)
        if ax is None:
            _, ax = plt.subplots(layout="constrained", figsize=(5.2, 4.6))
        self.ax_, self.figure_ = ax, ax.figure
        n = len(shares)
        edges = 0.5, n + 0.5, n + 0.5, 0.5
        style = {"cmap": "Blues", "vmin": 0, "vmax": 1, "extent": edges} | kwargs
        self.image_ = ax.imshow(shares, **style)
        self.texts_ = []
        if n <= 12:
            ax.set(xticks=range(1, n + 1), yticks=range(1, n + 1))
            self.texts_ = [
                ax.text(
                    j + 1,
                    i + 1,
                    f"{100 * share:.0f}",
                    ha="center",
                    va="center",
                    fontsize="small",
                    color="white" if share > 0.55 else "0.2",
                )
                for (i, j), share in np.ndenumerate(shares)
            ]
        ax.set(xlabel="predicted rank", ylabel="true rank")
        ax.set_title("share of labels of a true rank [%]")
        return self
