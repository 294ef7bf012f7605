from numpy import float64
from numpy.typing import NDArray

def select_rows(
    losses: NDArray[float64],
    weights: NDArray[float64] | None,
    kept: NDArray[float64],
    rest: NDArray[float64],
    total: NDArray[float64],
    epsilon: float,
    is_logistic: bool,
    guess: NDArray[float64] | None,
    anchor: NDArray[float64],
    offset: NDArray[float64],
) -> None: ...
def difference_rows(
    losses: NDArray[float64],
    weights: NDArray[float64] | None,
    first: NDArray[float64],
    last: NDArray[float64],
    epsilon: float,
    is_logistic: bool,
    origin: NDArray[float64],
    out: NDArray[float64],
) -> None: ...
def bound_rows(
    losses: NDArray[float64],
    weights: NDArray[float64] | None,
    low: NDArray[float64],
    high: NDArray[float64],
) -> None: ...
