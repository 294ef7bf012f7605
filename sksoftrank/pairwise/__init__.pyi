from typing import Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._jacobian import Jacobian

__all__ = [
    "all_pairs_rank",
    "gaussian_soft_rank",
    "neural_sort",
    "soft_sort_permutation",
]

_NanPolicy: TypeAlias = Literal["raise", "omit"]

@overload
def all_pairs_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def all_pairs_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def all_pairs_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def gaussian_soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def gaussian_soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def gaussian_soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def neural_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_matrix: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def neural_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_matrix: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def neural_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_matrix: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_sort_permutation(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    power: float = 1.0,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_matrix: bool = False,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def soft_sort_permutation(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    power: float = 1.0,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_matrix: bool = False,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def soft_sort_permutation(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    power: float = 1.0,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: _NanPolicy = "raise",
    straight_through: bool = False,
    return_matrix: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
