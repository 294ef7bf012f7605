from numpy import float64
from numpy.typing import NDArray

def concentrate_fits(
    columns: NDArray[float64],
    rows: NDArray[float64],
    weight: NDArray[float64] | None,
    penalty: NDArray[float64] | None,
    kept: float,
    z: NDArray[float64],
    n_steps: int,
    momentum: float,
) -> None: ...
def fit_smallest(
    columns: NDArray[float64],
    rows: NDArray[float64],
    weight: NDArray[float64] | None,
    penalty: NDArray[float64] | None,
    kept: float,
    values: NDArray[float64],
    z: NDArray[float64],
) -> None: ...
def evaluate_fits(
    columns: NDArray[float64],
    rows: NDArray[float64],
    weight: NDArray[float64] | None,
    penalty: NDArray[float64] | None,
    kept: float,
    z: NDArray[float64],
    exact_squares: float,
    exact_row: float,
    value: NDArray[float64],
) -> None: ...
def smooth_fits(
    columns: NDArray[float64],
    rows: NDArray[float64],
    weight: NDArray[float64] | None,
    penalty: NDArray[float64] | None,
    kept: float,
    z: NDArray[float64],
    scale: float,
    epsilon: float,
    settled: float,
    max_steps: int,
    masses: NDArray[float64],
) -> int: ...
