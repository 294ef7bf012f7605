from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _RankRegularization, _Regularization
from .._jacobian import Jacobian

__all__ = [
    "epsilon_bounds",
    "soft_median",
    "soft_quantile",
    "soft_quantile_normalize",
    "soft_rank",
    "soft_sort",
    "soft_sort_with",
    "soft_topk",
    "soft_topk_rank",
    "soft_topk_sort",
    "soft_trimmed_mean",
    "soft_winsorize",
]

_NanPolicy: TypeAlias = Literal["raise", "omit"]
_Operator: TypeAlias = Literal[
    "rank", "sort", "topk", "quantile", "trimmed_mean", "winsorize", "sort_with"
]
_Cut: TypeAlias = float | Sequence[float]
# Of a single slice a number.
_Location: TypeAlias = np.floating | NDArray[np.floating]
_Bound: TypeAlias = np.float64 | NDArray[np.float64]

class _Distribution(Protocol):
    # A frozen distribution of SciPy.
    def ppf(self, q: Any, /) -> Any: ...
    def pdf(self, x: Any, /) -> Any: ...

class _DiscreteDistribution(Protocol):
    def ppf(self, q: Any, /) -> Any: ...
    def pmf(self, k: Any, /) -> Any: ...

def epsilon_bounds(
    values: ArrayLike,
    *,
    operator: _Operator = "rank",
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    k: ArrayLike | None = None,
    q: float | None = None,
    cut: _Cut | None = None,
    largest: bool = True,
    weights: ArrayLike | None = None,
    nan_policy: _NanPolicy = "raise",
) -> tuple[_Bound, _Bound]: ...
@overload
def soft_median(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> _Location: ...
@overload
def soft_median(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[_Location, Jacobian]: ...
@overload
def soft_median(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> _Location | tuple[_Location, Jacobian]: ...
@overload
def soft_quantile(
    values: ArrayLike,
    q: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> _Location: ...
@overload
def soft_quantile(
    values: ArrayLike,
    q: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[_Location, Jacobian]: ...
@overload
def soft_quantile(
    values: ArrayLike,
    q: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> _Location | tuple[_Location, Jacobian]: ...
@overload
def soft_quantile_normalize(
    values: ArrayLike,
    target: ArrayLike | _Distribution | _DiscreteDistribution,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def soft_quantile_normalize(
    values: ArrayLike,
    target: ArrayLike | _Distribution | _DiscreteDistribution,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_quantile_normalize(
    values: ArrayLike,
    target: ArrayLike | _Distribution | _DiscreteDistribution,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
    n_jobs: int | None = None,
    groups: ArrayLike | None = None,
) -> NDArray[np.floating]: ...
@overload
def soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
    n_jobs: int | None = None,
    groups: ArrayLike | None = None,
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
    n_jobs: int | None = None,
    groups: ArrayLike | None = None,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
    n_jobs: int | None = None,
    groups: ArrayLike | None = None,
) -> NDArray[np.floating]: ...
@overload
def soft_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
    n_jobs: int | None = None,
    groups: ArrayLike | None = None,
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
    n_jobs: int | None = None,
    groups: ArrayLike | None = None,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_sort_with(
    values: ArrayLike,
    criterion: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int = 0,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def soft_sort_with(
    values: ArrayLike,
    criterion: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int = 0,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_sort_with(
    values: ArrayLike,
    criterion: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int = 0,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_topk(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    magnitude: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def soft_topk(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    magnitude: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_topk(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    magnitude: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_topk_rank(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    magnitude: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def soft_topk_rank(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    magnitude: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_topk_rank(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    magnitude: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_topk_sort(
    values: ArrayLike,
    k: int,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def soft_topk_sort(
    values: ArrayLike,
    k: int,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_topk_sort(
    values: ArrayLike,
    k: int,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_trimmed_mean(
    values: ArrayLike,
    cut: _Cut = 0.25,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> _Location: ...
@overload
def soft_trimmed_mean(
    values: ArrayLike,
    cut: _Cut = 0.25,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[_Location, Jacobian]: ...
@overload
def soft_trimmed_mean(
    values: ArrayLike,
    cut: _Cut = 0.25,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> _Location | tuple[_Location, Jacobian]: ...
@overload
def soft_winsorize(
    values: ArrayLike,
    cut: _Cut = 0.05,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def soft_winsorize(
    values: ArrayLike,
    cut: _Cut = 0.05,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_winsorize(
    values: ArrayLike,
    cut: _Cut = 0.05,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
