from numpy import float64, intp
from numpy.typing import NDArray

def follow_edges(
    residual: NDArray[float64],
    change: NDArray[float64],
    weight: NDArray[float64],
    bound: float,
    rises: NDArray[float64],
    needed: float,
    length: NDArray[float64],
    entering: NDArray[intp],
) -> None: ...
