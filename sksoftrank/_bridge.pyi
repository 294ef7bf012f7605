from numpy import float64
from numpy.typing import NDArray

def find_bridge(
    values: NDArray[float64],
    counts: NDArray[float64],
    position: float,
    gap: float,
    epsilon: float,
) -> tuple[float, float]: ...
def write_steps(
    losses: NDArray[float64],
    below: float,
    first: float,
    share_first: float,
    inside: float,
    last: float,
    share_last: float,
    out: NDArray[float64],
) -> None: ...
