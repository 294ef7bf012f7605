from numpy import bool_, float64, intp
from numpy.typing import NDArray

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
def fit_exactly(
    columns: NDArray[float64],
    rows: NDArray[float64],
    index: NDArray[intp],
    dependent: float,
    z: NDArray[float64],
    chosen: NDArray[intp],
    found: NDArray[bool_],
) -> None: ...
