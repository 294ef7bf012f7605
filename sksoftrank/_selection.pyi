from numpy import float64
from numpy.typing import NDArray

def select_row(
    losses: NDArray[float64],
    weights: NDArray[float64] | None,
    kept: float,
    total: float,
    epsilon: float,
    guess: float,
    selection: NDArray[float64] | None,
    gradient: NDArray[float64] | None,
) -> tuple[float, float, float, int]: ...
