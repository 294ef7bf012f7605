from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import Jacobian, _RankRegularization

__all__ = ["soft_spearman", "soft_spearman_corr"]

def soft_spearman(
    X: ArrayLike,
    y: ArrayLike,
    *,
    epsilon: float = 1.0,
    regularization: _RankRegularization = "quadratic",
    nan_policy: Literal["raise", "omit"] = "raise",
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
@overload
def soft_spearman_corr(
    X: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    scale: Literal["iqr"] | None = "iqr",
    nan_policy: Literal["raise", "omit"] = "raise",
    return_jacobian: Literal[False] = False,
) -> NDArray[np.float64]: ...
@overload
def soft_spearman_corr(
    X: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    scale: Literal["iqr"] | None = "iqr",
    nan_policy: Literal["raise", "omit"] = "raise",
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.float64], Jacobian]: ...
@overload
def soft_spearman_corr(
    X: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    scale: Literal["iqr"] | None = "iqr",
    nan_policy: Literal["raise", "omit"] = "raise",
    return_jacobian: bool = False,
) -> NDArray[np.float64] | tuple[NDArray[np.float64], Jacobian]: ...
