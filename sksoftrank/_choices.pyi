from typing import Protocol

from numpy import float64, floating
from numpy.typing import NDArray

class _ChooseRows(Protocol):
    # By C type, "float" or "double", or dispatched on the arguments.
    def __getitem__(self, ctype: str) -> _ChooseRows: ...
    def __call__(
        self,
        values: NDArray[floating],
        sign: float,
        kept: float,
        epsilon: float,
        is_logistic: bool,
        parts: NDArray[floating],
    ) -> bool: ...

choose_rows: _ChooseRows

def select_rows(
    losses: NDArray[float64],
    weights: NDArray[float64] | None,
    total: NDArray[float64],
    epsilon: float,
    is_logistic: bool,
    guess: NDArray[float64] | None,
    choices: NDArray[float64],
) -> None: ...
def bound_rows(
    losses: NDArray[float64],
    weights: NDArray[float64] | None,
    bounds: NDArray[float64],
) -> None: ...
def difference_rows(
    losses: NDArray[float64],
    weights: NDArray[float64] | None,
    first: NDArray[float64],
    last: NDArray[float64],
    epsilon: float,
    is_logistic: bool,
    out: NDArray[float64],
) -> None: ...
def part_rows(
    losses: NDArray[float64],
    choices: NDArray[float64],
    epsilon: float,
    is_logistic: bool,
    part: NDArray[float64],
    rest: NDArray[float64] | None,
    slope: NDArray[float64] | None,
) -> None: ...
def divergence_rows(
    losses: NDArray[float64],
    choices: NDArray[float64],
    epsilon: float,
    is_logistic: bool,
    out: NDArray[float64],
) -> None: ...
