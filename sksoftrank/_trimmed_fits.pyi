from numpy import bool_, float64, intp
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
def evaluate_fits(
    columns: NDArray[float64],
    rows: NDArray[float64],
    weight: NDArray[float64] | None,
    penalty: NDArray[float64] | None,
    kept: float,
    z: NDArray[float64],
    value: NDArray[float64],
) -> None: ...
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
def fit_drawn(
    columns: NDArray[float64],
    rows: NDArray[float64],
    penalty: NDArray[float64] | None,
    index: NDArray[intp],
    z: NDArray[float64],
) -> None: ...
def fit_masses(
    columns: NDArray[float64],
    rows: NDArray[float64],
    penalty: NDArray[float64] | None,
    masses: NDArray[float64],
    z: NDArray[float64],
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
def fit_exactly(
    columns: NDArray[float64],
    rows: NDArray[float64],
    index: NDArray[intp],
    dependent: float,
    z: NDArray[float64],
    chosen: NDArray[intp],
    found: NDArray[bool_],
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
