from numpy import float64, int8, int64
from numpy.typing import NDArray

def fill_buckets(
    losses: NDArray[float64],
    counts: NDArray[float64] | None,
    smallest: float,
    largest: float,
    unit: float,
    size: NDArray[float64],
    total: NDArray[float64],
) -> int: ...
def open_buckets(
    losses: NDArray[float64],
    counts: NDArray[float64] | None,
    smallest: float,
    unit: float,
    shift: int,
    is_open: NDArray[int8],
    open_losses: NDArray[float64],
    open_counts: NDArray[float64] | None,
    open_buckets: NDArray[int64],
) -> int: ...
def find_bridge(
    values: NDArray[float64],
    counts: NDArray[float64],
    is_exact: NDArray[int8],
    position: float,
    gap: float,
    epsilon: float,
    is_open: NDArray[int8],
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
