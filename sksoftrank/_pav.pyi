from numpy import float64, floating, intp
from numpy.typing import NDArray

QUADRATIC: int
ENTROPIC: int
KL: int

def rank_rows(
    values: NDArray[floating],
    order: NDArray[intp],
    epsilon: float,
    kind: int,
    sign: float,
    out: NDArray[floating],
    starts: NDArray[intp] | None,
    weights: NDArray[float64] | None,
) -> None: ...
def sort_rows(
    values: NDArray[floating],
    order: NDArray[intp],
    epsilon: float,
    kind: int,
    sign: float,
    out: NDArray[floating],
    starts: NDArray[intp] | None,
    weights: NDArray[float64] | None,
) -> None: ...
def isotonic_rows(
    s: NDArray[float64],
    w: NDArray[float64],
    kind: int,
    project: bool,
    out: NDArray[float64],
    starts: NDArray[intp],
    s_weights: NDArray[float64] | None,
    w_weights: NDArray[float64] | None,
) -> None: ...
def block_product_rows(
    u: NDArray[float64],
    input_order: NDArray[intp] | None,
    output_order: NDArray[intp] | None,
    starts: NDArray[intp],
    weights: NDArray[float64] | None,
    transpose: bool,
    residual: bool,
    divisor: float,
    out: NDArray[float64],
) -> None: ...
