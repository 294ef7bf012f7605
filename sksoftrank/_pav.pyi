from typing import Protocol

from numpy import float64, floating, int64
from numpy.typing import NDArray

QUADRATIC: int
ENTROPIC: int
KL: int

class _RankRows(Protocol):
    # By C type, "float" or "double", or dispatched on the arguments.
    def __getitem__(self, ctype: str) -> _RankRows: ...
    def __call__(
        self,
        values: NDArray[floating],
        epsilon: float,
        kind: int,
        sign: float,
        keys: NDArray[float64],
        out: NDArray[floating],
        pools: NDArray[int64] | None,
        weights: NDArray[float64] | None,
    ) -> int: ...

class _SortRows(Protocol):
    # By C type, "float" or "double", or dispatched on the arguments.
    def __getitem__(self, ctype: str) -> _SortRows: ...
    def __call__(
        self,
        out: NDArray[floating],
        epsilon: float,
        kind: int,
        sign: float,
        pools: NDArray[int64] | None,
        weights: NDArray[float64] | None,
    ) -> int: ...

rank_rows: _RankRows
sort_rows: _SortRows

def argsort_rows(
    values: NDArray[floating],
    sign: float,
    keys: NDArray[float64],
    sorted_values: NDArray[floating],
) -> int: ...
