from collections.abc import Sequence
from typing import Any, Self, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from .. import _RandomState

__all__ = ["EpsilonPathDisplay", "OutlierMapDisplay"]

# One panel, or that of the coefficients and that of the scores.
_Panels: TypeAlias = Axes | Sequence[Axes] | NDArray[np.object_]

class OutlierMapDisplay:
    standardized_residuals: ArrayLike
    robust_distances: ArrayLike
    distance_cutoff: float
    residual_cutoff: float
    ax_: Axes
    figure_: Figure | SubFigure
    # None for an empty region.
    scatters_: list[PathCollection | None]
    lines_: list[Line2D]
    texts_: list[Annotation]
    def __init__(
        self,
        *,
        standardized_residuals: ArrayLike,
        robust_distances: ArrayLike,
        distance_cutoff: float,
        residual_cutoff: float = ...,
    ) -> None: ...
    @property
    def regions(self) -> NDArray[np.int_]: ...
    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sigma: ArrayLike | None = None,
        scale: float | None = None,
        random_state: _RandomState = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self: ...
    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        X: ArrayLike,
        *,
        sigma: ArrayLike | None = None,
        scale: float | None = None,
        random_state: _RandomState = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self: ...
    def plot(
        self, ax: Axes | None = None, *, n_labels: int = 3, **kwargs: Any
    ) -> Self: ...

class EpsilonPathDisplay:
    epsilons: ArrayLike
    coefs: ArrayLike
    scores: ArrayLike | None
    feature_names: Sequence[str] | NDArray[np.object_] | None
    best_epsilon: float | None
    ax_: Axes
    # None without scores.
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
    ) -> None: ...
    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, *, ax: _Panels | None = None, **kwargs: Any
    ) -> Self: ...
    def plot(self, ax: _Panels | None = None, **kwargs: Any) -> Self: ...
