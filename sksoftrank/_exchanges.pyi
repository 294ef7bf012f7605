from numpy import float64
from numpy.typing import NDArray

MAX_EXCHANGED: int

def descend_fits(
    columns: NDArray[float64],
    rows: NDArray[float64],
    weight: NDArray[float64] | None,
    penalty: NDArray[float64] | None,
    kept: float,
    z: NDArray[float64],
    value: NDArray[float64],
    max_steps: int,
) -> int: ...
