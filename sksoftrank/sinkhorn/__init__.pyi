from collections.abc import Callable
from typing import Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._jacobian import Jacobian

__all__ = ["sinkhorn_cdf", "sinkhorn_quantile", "sinkhorn_rank", "sinkhorn_sort"]

_NanPolicy: TypeAlias = Literal["raise", "omit"]
_Squashing: TypeAlias = Literal["logistic", "arctan"]
# Of target - value: the costs and their derivatives.
_Cost: TypeAlias = Callable[
    [NDArray[np.float64]], tuple[NDArray[np.floating], NDArray[np.floating]]
]

@overload
def sinkhorn_cdf(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def sinkhorn_cdf(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def sinkhorn_cdf(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def sinkhorn_quantile(
    values: ArrayLike,
    q: ArrayLike = 0.5,
    epsilon: ArrayLike = 1e-2,
    *,
    width: float | None = None,
    weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def sinkhorn_quantile(
    values: ArrayLike,
    q: ArrayLike = 0.5,
    epsilon: ArrayLike = 1e-2,
    *,
    width: float | None = None,
    weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def sinkhorn_quantile(
    values: ArrayLike,
    q: ArrayLike = 0.5,
    epsilon: ArrayLike = 1e-2,
    *,
    width: float | None = None,
    weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def sinkhorn_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    descending: bool = False,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def sinkhorn_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    descending: bool = False,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def sinkhorn_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    descending: bool = False,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def sinkhorn_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    descending: bool = False,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def sinkhorn_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    descending: bool = False,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def sinkhorn_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | _Cost = 2.0,
    squashing: _Squashing | None = "logistic",
    axis: int | None = -1,
    descending: bool = False,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
