from typing import Protocol

from numpy import float64, floating, int64
from numpy.typing import NDArray

class _TopRankRows(Protocol):
    # By C type, "float" or "double", or dispatched on the arguments.
    def __getitem__(self, ctype: str) -> _TopRankRows: ...
    def __call__(
        self,
        values: NDArray[floating],
        sign: float,
        k: int,
        epsilon: float,
        kind: int,
        out: NDArray[floating],
        members: NDArray[int64] | None,
        pools: NDArray[int64] | None,
        weights: NDArray[float64] | None,
    ) -> tuple[int, int]: ...

top_rank_rows: _TopRankRows
