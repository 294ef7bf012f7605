from numpy import float64
from numpy.typing import NDArray

def quantile_rows(
    x: NDArray[float64],
    weights: NDArray[float64] | None,
    total: NDArray[float64],
    epsilon: float,
    low: NDArray[float64],
    from_top: bool,
    out: NDArray[float64],
) -> None: ...
