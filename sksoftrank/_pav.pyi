from typing import Protocol

from numpy import float64, floating, int64
from numpy.typing import NDArray

QUADRATIC: int
ENTROPIC: int
KL: int

class _SolveRows(Protocol):
    # By C type, "float" or "double", or dispatched on the arguments.
    def __getitem__(self, ctype: str) -> _SolveRows: ...
    def __call__(
        self,
        values: NDArray[floating],
        epsilon: float,
        kind: int,
        sign: float,
        order: NDArray[int64] | None,
        out: NDArray[floating],
        pools: NDArray[int64] | None,
        weights: NDArray[float64] | None,
    ) -> int: ...

rank_rows: _SolveRows
sort_rows: _SolveRows

def argsort_rows(
    values: NDArray[floating],
    sign: float,
    order: NDArray[int64],
    sorted_values: NDArray[floating],
) -> int: ...
