from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import LinearOperator

MAX_DENSE_SIZE: int

class RowwiseJacobian(LinearOperator):
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    def __init__(
        self,
        input_slices: Any,
        output_slices: Any,
        multiply: Any,
        *,
        shapes: Any,
        dtype: Any,
    ) -> None: ...
    def jvp(self, u: ArrayLike) -> NDArray[np.floating]: ...
    def vjp(self, g: ArrayLike) -> NDArray[np.floating]: ...
    def multiply_rows(
        self, rows: NDArray[np.float64], *, transpose: bool
    ) -> NDArray[np.float64]: ...
    def toarray(self) -> NDArray[np.floating]: ...

def check_direction(
    direction: ArrayLike, shape: tuple[int, ...], name: str
) -> NDArray[np.floating]: ...
