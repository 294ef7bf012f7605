from numpy import float64, int64
from numpy.typing import NDArray

def topk_rows(
    scores: NDArray[float64],
    labels: NDArray[int64],
    weight: NDArray[float64],
    shares: NDArray[float64],
    epsilon: float,
    kind: int,
    is_bounded_growth: bool,
    gradient: NDArray[float64],
) -> float: ...
