from numpy import float64
from numpy.typing import NDArray

def exponentials(
    x: NDArray[float64], is_minus_one: bool, out: NDArray[float64]
) -> None: ...
