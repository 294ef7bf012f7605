from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import LinearOperator

from . import _RankRegularization

__all__ = ["CorrelationJacobian", "soft_spearman", "soft_spearman_corr"]

class CorrelationJacobian(LinearOperator):
    input_shape: tuple[int, int]
    output_shape: tuple[int, int]
    def __init__(self, blocks: Any, n_samples: int, n_features: int) -> None: ...
    def jvp(self, u: ArrayLike) -> NDArray[np.float64]: ...
    def vjp(self, g: ArrayLike) -> NDArray[np.float64]: ...

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
) -> tuple[NDArray[np.float64], CorrelationJacobian]: ...
@overload
def soft_spearman_corr(
    X: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: _RankRegularization = "quadratic",
    scale: Literal["iqr"] | None = "iqr",
    nan_policy: Literal["raise", "omit"] = "raise",
    return_jacobian: bool = False,
) -> NDArray[np.float64] | tuple[NDArray[np.float64], CorrelationJacobian]: ...
