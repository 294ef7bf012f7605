"""Collections of dask as blocks of rows."""

from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.base import is_dask_collection

from ..batches._blocks import Block

# Results of so many blocks are merged at once, in a tree.
FAN_IN = 8


class DaskBlocks:
    """The row chunks of X, with those of the other collections beside them.

    Nothing is persisted: every reading computes the collections anew, where the user
    has not persisted them.

    Parameters
    ----------
    X : dask array or data frame of two dimensions
        Features.
    columns : dict of str to dask array, series, frame or None
        The arguments beside X, with as many rows: "y", "sample_weight", "sigma".
    """

    def __init__(self, X: Any, columns: dict[str, Any]):
        X = check_features(X)
        self.n_reads = 0
        self.X = X
        self.columns = aligned(X, columns)
        self.blocks = [
            [] if values is None else list(_delayed(values))
            for values in (X, *self.columns.values())
        ]
        self._sizes = _known_sizes(X)

    @property
    def n_rows(self) -> int:
        """Number of rows, counted in a reading of y if it is not known."""
        return sum(self.sizes)

    @property
    def sizes(self) -> list[int]:
        """Number of rows of each block."""
        if self._sizes is None:
            self.n_reads += 1
            count, y = dask.delayed(len, pure=False), self.blocks[1]
            self._sizes = list(compute([count(block) for block in y]))
        return self._sizes

    def reduce(
        self, function: Callable[..., Any], *arguments: Any, merge: Callable[..., Any]
    ) -> Any:
        """Merge the values of ``function(block, *arguments)`` over all blocks."""
        offsets = np.cumsum([0, *self.sizes])
        self.n_reads += 1
        small = dask.delayed(arguments, traverse=False)
        run = dask.delayed(_run, pure=False)
        parts = [
            run(function, small, number, int(offsets[number]), *parts)
            for number, parts in enumerate(self._rows())
        ]
        join = dask.delayed(_join, pure=False)
        while len(parts) > 1:
            parts = [
                join(merge, parts[i : i + FAN_IN]) for i in range(0, len(parts), FAN_IN)
            ]
        return compute(parts)[0]

    def _rows(self):
        n_blocks = len(self.blocks[0])
        for i in range(n_blocks):
            yield [part[i] if part else None for part in self.blocks]


def compute(values: list) -> tuple:
    """Compute by the scheduler in use; in a task of a cluster, beside it."""
    try:
        from distributed import get_worker, worker_client

        get_worker()
    except (ImportError, ValueError):
        return dask.compute(*values)
    with worker_client() as client:
        return tuple(client.gather(client.compute(values)))


def check_features(X: Any) -> Any:
    """X if it is a collection of one chunk of columns."""
    if not is_dask_collection(X) or not hasattr(X, "to_delayed"):
        raise TypeError(
            f"X must be a dask array or data frame, got a {type(X).__name__}; "
            f"estimators of sksoftrank itself fit arrays in memory."
        )
    if X.ndim != 2:
        raise ValueError(f"X must have two dimensions, got {X.ndim}.")
    if _is_array(X) and X.numblocks[1] > 1:
        raise ValueError(
            f"X must have all columns in each chunk, got {X.numblocks[1]} chunks of "
            f"columns; X.rechunk({{1: -1}}) joins them."
        )
    return X


def aligned(X: Any, columns: dict[str, Any]) -> dict[str, Any]:
    """The other arguments in the row chunks of X."""
    found = {}
    for name, values in columns.items():
        if values is None:
            found[name] = None
            continue
        if not is_dask_collection(values) or not hasattr(values, "to_delayed"):
            raise TypeError(
                f"{name} must be a dask array or series as X is a collection of dask, "
                f"got a {type(values).__name__}."
            )
        found[name] = _align(X, values, name)
    return found


def _align(X, values, name):
    sizes, own = _known_sizes(X), _known_sizes(values)
    if sizes is not None and own is not None:
        if sum(sizes) != sum(own):
            raise ValueError(
                f"{name} must have as many rows as X, {sum(sizes)}, got {sum(own)}."
            )
        if sizes != own:
            chunks: dict[int, Any] = {0: tuple(sizes)}
            if values.ndim == 2:
                chunks[1] = -1
            return values.rechunk(chunks)
    n_blocks, n_own = (_n_blocks(collection) for collection in (X, values))
    if n_blocks != n_own:
        raise ValueError(
            f"{name} must have the row chunks of X where their sizes are not known, "
            f"{n_blocks} of them, got {n_own}."
        )
    if _is_array(values) and values.ndim == 2 and values.numblocks[1] > 1:
        return values.rechunk({1: -1})
    return values


def _is_array(collection) -> bool:
    return isinstance(collection, da.Array)


def _n_blocks(collection) -> int:
    if _is_array(collection):
        return collection.numblocks[0]
    return collection.npartitions


def _known_sizes(collection) -> list[int] | None:
    """Rows of each chunk, None if they are not known."""
    if not _is_array(collection) or np.isnan(collection.chunks[0]).any():
        return None
    return [int(size) for size in collection.chunks[0]]


def _delayed(collection):
    return np.ravel(np.array(collection.to_delayed(), dtype=object))


def _run(function, arguments, number, offset, *columns):
    block = Block(*columns)._replace(number=number, offset=offset)
    return function(block, *arguments)


def _join(merge, parts):
    result, *others = parts
    for part in others:
        result = merge(result, part)
    return result
