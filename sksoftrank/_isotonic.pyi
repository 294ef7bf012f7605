from numpy import float64, int64
from numpy.typing import NDArray

AVERAGE: int
DEVIATION: int
COVARIANCE: int

def isotonic_rows(
    s: NDArray[float64],
    w: NDArray[float64] | None,
    unit: float,
    kind: int,
    project: bool,
    out: NDArray[float64],
    pools: NDArray[int64] | None,
    s_weights: NDArray[float64] | None,
    w_weights: NDArray[float64] | None,
) -> bool: ...
def weighted_isotonic_rows(
    x: NDArray[float64],
    weights: NDArray[float64],
    out: NDArray[float64],
) -> None: ...
def pool_product_rows(
    u: NDArray[float64],
    input_order: NDArray[int64] | None,
    output_order: NDArray[int64] | None,
    pools: NDArray[int64],
    weights: NDArray[float64] | None,
    matrix: int,
    transpose: bool,
    divisor: float,
    out: NDArray[float64],
    anchored: bool = ...,
) -> None: ...
