from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _RankRegularization

__all__ = [
    "selection_quantile_loss",
    "selection_trimmed_loss",
    "soft_ndcg_loss",
    "soft_spearman_loss",
    "soft_topk_loss",
    "sorted_quantile_loss",
    "sorted_trimmed_loss",
]

_TopKOperator: TypeAlias = Literal[
    "quadratic", "entropic", "kl", "all_pairs", "gaussian", "sinkhorn"
]
_Growth: TypeAlias = Literal["linear", "bounded"]
_Squashing: TypeAlias = Literal["logistic"]

def selection_quantile_loss(
    losses: ArrayLike,
    n_kept: float,
    epsilon: float,
    sample_weight: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]: ...
def selection_trimmed_loss(
    losses: ArrayLike,
    n_kept: float,
    epsilon: float,
    sample_weight: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]: ...
def sorted_quantile_loss(
    losses: ArrayLike,
    position: int,
    epsilon: float,
    counts: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]: ...
def sorted_trimmed_loss(
    losses: ArrayLike,
    n_kept: int,
    epsilon: float,
    counts: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]: ...
def soft_ndcg_loss(
    scores: ArrayLike,
    relevance: ArrayLike,
    epsilon: float = 1.0,
    *,
    k: int | None = None,
    regularization: _RankRegularization = "quadratic",
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64]]: ...
def soft_spearman_loss(
    scores: ArrayLike,
    ranks: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    top_weight: float = 0.0,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64]]: ...
def soft_topk_loss(
    scores: ArrayLike,
    labels: ArrayLike,
    k: int | dict[int, float] = 1,
    epsilon: float = 1.0,
    *,
    operator: _TopKOperator = "quadratic",
    growth: _Growth = "linear",
    squashing: _Squashing | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64]]: ...
