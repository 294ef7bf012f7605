from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from jax import Array
from numpy.typing import ArrayLike as _ArrayLike

from .._typing import RankRegularization as _RankRegularization
from .._typing import Regularization as _Regularization

__all__ = [
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

_Numbers: TypeAlias = _ArrayLike | Array
_NanPolicy: TypeAlias = Literal["raise", "omit"]
_Growth: TypeAlias = Literal["linear", "bounded"]
_Squashing: TypeAlias = Literal["logistic"]

def soft_rank(
    values: Array,
    epsilon: float | Array = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
) -> Array: ...
def soft_sort(
    values: Array,
    epsilon: float | Array = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
) -> Array: ...
def soft_topk(
    values: Array,
    k: float,
    epsilon: float | Array = 1.0,
    *,
    weights: _Numbers | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
) -> Array: ...
def soft_topk_sort(
    values: Array,
    k: int,
    epsilon: float | Array = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
) -> Array: ...
def soft_quantile(
    values: Array,
    q: float | Sequence[float] | _Numbers,
    epsilon: float | Array = 1.0,
    *,
    weights: _Numbers | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
) -> Array: ...
def soft_median(
    values: Array,
    epsilon: float | Array = 1.0,
    *,
    weights: _Numbers | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
) -> Array: ...
def soft_trimmed_mean(
    values: Array,
    cut: float | Sequence[float] | Array = 0.25,
    epsilon: float | Array = 1.0,
    *,
    weights: _Numbers | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
) -> Array: ...
def soft_winsorize(
    values: Array,
    cut: float | Sequence[float] | Array = 0.05,
    epsilon: float | Array = 1.0,
    *,
    weights: _Numbers | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
) -> Array: ...
def soft_sort_with(
    values: Array,
    criterion: Array,
    epsilon: float | Array = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int = 0,
    descending: bool = False,
) -> Array: ...
def soft_quantile_normalize(
    values: Array,
    target: _Numbers | Callable[[Array], Array],
    epsilon: float | Array = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
) -> Array: ...
def isotonic_projection(
    s: Array,
    w: Array | None = None,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
) -> Array: ...
def project_permutahedron(
    z: Array,
    w: Array,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
) -> Array: ...
def spearman_loss(
    scores: Array,
    ranks: _Numbers,
    epsilon: float | Array = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    top_weight: float = 0.0,
    sample_weight: _Numbers | None = None,
) -> Array: ...
def ndcg_loss(
    scores: Array,
    relevance: _Numbers,
    epsilon: float | Array = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    sample_weight: _Numbers | None = None,
) -> Array: ...
def topk_loss(
    scores: Array,
    labels: _Numbers,
    k: int | dict[int, float] = 1,
    epsilon: float | Array = 1.0,
    *,
    operator: _RankRegularization = "quadratic",
    growth: _Growth = "linear",
    squashing: _Squashing | None = None,
    sample_weight: _Numbers | None = None,
) -> Array: ...
def trimmed_loss(
    losses: Array,
    n_kept: float,
    epsilon: float | Array,
    sample_weight: _Numbers | None = None,
) -> Array: ...
