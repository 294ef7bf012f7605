from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from numpy.typing import ArrayLike as _ArrayLike
from torch import Tensor
from torch.nn import Module

from .._typing import RankRegularization as _RankRegularization
from .._typing import Regularization as _Regularization

__all__ = [
    "NDCGLoss",
    "SpearmanLoss",
    "TopKLoss",
    "TrimmedLoss",
    "isotonic_projection",
    "ndcg_loss",
    "project_permutahedron",
    "soft_median",
    "soft_quantile",
    "soft_quantile_normalize",
    "soft_rank",
    "soft_sort",
    "soft_sort_with",
    "soft_topk",
    "soft_topk_sort",
    "soft_trimmed_mean",
    "soft_winsorize",
    "spearman_loss",
    "topk_loss",
    "trimmed_loss",
]

_Numbers: TypeAlias = _ArrayLike | Tensor
_NanPolicy: TypeAlias = Literal["raise", "omit"]
_Growth: TypeAlias = Literal["linear", "bounded"]
_Squashing: TypeAlias = Literal["logistic"]

def soft_rank(
    values: Tensor,
    epsilon: float | Tensor = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
) -> Tensor: ...
def soft_sort(
    values: Tensor,
    epsilon: float | Tensor = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
) -> Tensor: ...
def soft_topk(
    values: Tensor,
    k: float,
    epsilon: float | Tensor = 1.0,
    *,
    weights: _Numbers | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
) -> Tensor: ...
def soft_topk_sort(
    values: Tensor,
    k: int,
    epsilon: float | Tensor = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
) -> Tensor: ...
def soft_quantile(
    values: Tensor,
    q: float | Sequence[float] | _Numbers,
    epsilon: float | Tensor = 1.0,
    *,
    weights: _Numbers | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
) -> Tensor: ...
def soft_median(
    values: Tensor,
    epsilon: float | Tensor = 1.0,
    *,
    weights: _Numbers | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
) -> Tensor: ...
def soft_trimmed_mean(
    values: Tensor,
    cut: float | Sequence[float] | Tensor = 0.25,
    epsilon: float | Tensor = 1.0,
    *,
    weights: _Numbers | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
) -> Tensor: ...
def soft_winsorize(
    values: Tensor,
    cut: float | Sequence[float] | Tensor = 0.05,
    epsilon: float | Tensor = 1.0,
    *,
    weights: _Numbers | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
) -> Tensor: ...
def soft_sort_with(
    values: Tensor,
    criterion: Tensor,
    epsilon: float | Tensor = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int = 0,
    descending: bool = False,
) -> Tensor: ...
def soft_quantile_normalize(
    values: Tensor,
    target: _Numbers | Callable[[Tensor], Tensor],
    epsilon: float | Tensor = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
) -> Tensor: ...
def isotonic_projection(
    s: Tensor,
    w: Tensor | None = None,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
) -> Tensor: ...
def project_permutahedron(
    z: Tensor,
    w: Tensor,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
) -> Tensor: ...
def spearman_loss(
    scores: Tensor,
    ranks: _Numbers,
    epsilon: float | Tensor = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    top_weight: float = 0.0,
    sample_weight: _Numbers | None = None,
) -> Tensor: ...
def ndcg_loss(
    scores: Tensor,
    relevance: _Numbers,
    epsilon: float | Tensor = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    sample_weight: _Numbers | None = None,
) -> Tensor: ...
def topk_loss(
    scores: Tensor,
    labels: _Numbers,
    k: int | dict[int, float] = 1,
    epsilon: float | Tensor = 1.0,
    *,
    operator: _RankRegularization = "quadratic",
    growth: _Growth = "linear",
    squashing: _Squashing | None = None,
    sample_weight: _Numbers | None = None,
) -> Tensor: ...
def trimmed_loss(
    losses: Tensor,
    n_kept: float,
    epsilon: float | Tensor,
    sample_weight: _Numbers | None = None,
) -> Tensor: ...

class SpearmanLoss(Module):
    epsilon: float | Tensor
    regularization: _RankRegularization
    top_weight: float
    def __init__(
        self,
        epsilon: float | Tensor = 1.0,
        *,
        regularization: _RankRegularization = "quadratic",
        top_weight: float = 0.0,
    ) -> None: ...
    def forward(
        self,
        scores: Tensor,
        ranks: _Numbers,
        sample_weight: _Numbers | None = None,
    ) -> Tensor: ...

class NDCGLoss(Module):
    epsilon: float | Tensor
    regularization: _RankRegularization
    def __init__(
        self,
        epsilon: float | Tensor = 1.0,
        *,
        regularization: _RankRegularization = "quadratic",
    ) -> None: ...
    def forward(
        self,
        scores: Tensor,
        relevance: _Numbers,
        sample_weight: _Numbers | None = None,
    ) -> Tensor: ...

class TopKLoss(Module):
    k: int | dict[int, float]
    epsilon: float | Tensor
    operator: _RankRegularization
    growth: _Growth
    squashing: _Squashing | None
    def __init__(
        self,
        k: int | dict[int, float] = 1,
        epsilon: float | Tensor = 1.0,
        *,
        operator: _RankRegularization = "quadratic",
        growth: _Growth = "linear",
        squashing: _Squashing | None = None,
    ) -> None: ...
    def forward(
        self,
        scores: Tensor,
        labels: _Numbers,
        sample_weight: _Numbers | None = None,
    ) -> Tensor: ...

class TrimmedLoss(Module):
    n_kept: float
    epsilon: float | Tensor
    def __init__(self, n_kept: float, epsilon: float | Tensor) -> None: ...
    def forward(
        self, losses: Tensor, sample_weight: _Numbers | None = None
    ) -> Tensor: ...
