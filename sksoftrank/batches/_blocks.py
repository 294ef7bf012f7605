"""Blocks of rows, and what reads them: the protocol of two functions.

Data that do not fit into memory come in blocks of rows. A source reads all of them with
``source.reduce(function, *arguments, merge=merge)``: the function is called with each
block and the arguments, and the results, small whatever the number of rows, are merged
to one. Every call is one reading of the data.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import gen_batches

from .._checks import check_finite, check_values, check_weights
from .._sklearn import refuse_dates, refuse_masked

Floats = NDArray[np.float64]

# Rows are dealt with a chunk at a time, of about this many numbers: they stay in cache.
CHUNK_SIZE = 2**16


class Block(NamedTuple):
    """Rows that are in memory at once."""

    X: Any  # array, sparse matrix or data frame of shape (n_rows, n_features)
    y: Any
    sample_weight: Any = None
    sigma: Any = None
    number: int = 0  # position of the block in the data
    offset: int | None = None  # rows of the data before it, None if not known


class Source(Protocol):
    """What reads all blocks: an iterable of batches, or collections of dask."""

    n_reads: int

    @property
    def n_rows(self) -> int | None:
        """Number of rows, None if it is not known before the first reading."""

    def reduce(
        self, function: Callable[..., Any], *arguments: Any, merge: Callable[..., Any]
    ) -> Any:
        """Merge the values of ``function(block, *arguments)`` over all blocks."""


class Batches:
    """Batches that are read again and again, one at a time.

    Parameters
    ----------
    batches : callable or iterable
        ``batches()``, or the iterable itself, gives the batches anew each time: tuples
        (X, y), (X, y, sample_weight) or (X, y, sample_weight, sigma).
    """

    def __init__(self, batches: Callable[[], Iterable] | Iterable):
        if isinstance(batches, Iterator):
            raise TypeError(
                f"batches must be a callable that returns an iterable of (X, y[, "
                f"sample_weight]) anew for every reading, got a "
                f"{type(batches).__name__}, which can be read once only."
            )
        if not callable(batches) and not isinstance(batches, Iterable):
            raise TypeError(
                f"batches must be a callable that returns an iterable of (X, y[, "
                f"sample_weight]), or such an iterable, got {batches!r}."
            )
        self.batches = batches
        self.n_reads = 0
        self.n_rows = None
        self._n_first: int | None = None  # rows of the first reading

    def reduce(self, function, *arguments, merge):
        """Merge the values of ``function(block, *arguments)`` over all batches."""
        self.n_reads += 1
        result, n_rows = None, 0
        for block in self._blocks():
            n_rows += n_rows_of(block)
            part = function(block, *arguments)
            result = part if result is None else merge(result, part)
        if result is None:
            raise ValueError(
                "batches must yield at least one batch, got none in reading "
                f"{self.n_reads}."
            )
        if self._n_first is None:
            self._n_first = n_rows
        elif n_rows != self._n_first:
            raise ValueError(
                f"batches must yield the same data in every reading, got "
                f"{self._n_first} rows and now, in reading {self.n_reads}, {n_rows}."
            )
        return result

    def _blocks(self):
        offset = 0
        batches = self.batches() if callable(self.batches) else self.batches
        if not isinstance(batches, Iterable):
            raise TypeError(
                f"batches() must return an iterable of (X, y[, sample_weight]), got "
                f"{batches!r}."
            )
        for number, batch in enumerate(batches):
            if not isinstance(batch, tuple | list) or not 2 <= len(batch) <= 4:
                what = (
                    f"one of length {len(batch)}"
                    if isinstance(batch, tuple | list)
                    else f"a {type(batch).__name__}"
                )
                raise TypeError(
                    f"batches must yield tuples (X, y), (X, y, sample_weight) or (X, "
                    f"y, sample_weight, sigma), got {what} in batch {number}."
                )
            block = Block(*batch)._replace(number=number, offset=offset)
            yield block
            offset += n_rows_of(block)


def add(first: tuple, second: tuple) -> tuple:
    """The sums of two tuples of arrays, None for what both lack."""
    return tuple(a if b is None else a + b for a, b in zip(first, second, strict=True))


def n_rows_of(block: Block) -> int:
    """Number of rows of a block."""
    shape = np.shape(block.X) if not hasattr(block.X, "shape") else block.X.shape
    return int(shape[0]) if shape else 0


def features(X: Any, number: int) -> Any:
    """Features of a block as a 2-D array of floats or a sparse matrix, not copied."""
    if sparse.issparse(X):
        X = X.tocsr()
    else:
        refuse_masked(X, f"X of block {number}")
        refuse_dates(X, f"X of block {number}")
        X = X.to_numpy() if hasattr(X, "to_numpy") else np.asanyarray(X)
        if X.dtype != np.float64 and X.dtype != np.float32:
            X = check_values(X, f"X of block {number}")
    if X.ndim != 2:
        raise ValueError(
            f"X of block {number} must have shape (n_rows, n_features), got {X.shape}."
        )
    return X


def column(values: Any, name: str, block: Block) -> Floats:
    """One number for each row of a block, in float64."""
    name = f"{name} of block {block.number}"
    refuse_dates(values, name)
    values = values.to_numpy() if hasattr(values, "to_numpy") else values
    values = check_values(values, name)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    n_rows = n_rows_of(block)
    if values.shape != (n_rows,):
        raise ValueError(
            f"{name} must have shape ({n_rows},), one number for each row of X, got "
            f"{values.shape}."
        )
    return values.astype(np.float64, copy=False)


def check_block(block: Block, n_features: int | None = None) -> Block:
    """The block as arrays of numbers, or what is wrong with it, and with which one."""
    number = block.number
    X = features(block.X, number)
    if n_features is not None and X.shape[1] != n_features:
        raise ValueError(
            f"X of block {number} must have {n_features} columns as those before it, "
            f"got {X.shape[1]}."
        )
    check_finite(X.data if sparse.issparse(X) else X, f"X of block {number}")
    y = check_finite(column(block.y, "y", block), f"y of block {number}")
    return Block(X, y, *check_weight(block), number, block.offset)


def check_X(block: Block) -> Floats:
    """Features of a block in float64, dense, or what is wrong with them."""
    X = dense(features(block.X, block.number))
    return check_finite(X, f"X of block {block.number}")


def check_weight(block: Block) -> tuple[Floats | None, Floats | None]:
    """Frequencies and standard deviations of the rows of a block, None for ones."""
    weight, sigma = block.sample_weight, block.sigma
    if weight is not None:
        weight = column(weight, "sample_weight", block)
        name = f"sample_weight of block {block.number}"
        if weight.any():  # all of them may be 0 in a block
            weight = check_weights(weight, name, [weight.shape], finite_sum=True)
    if sigma is not None:
        name = f"sigma of block {block.number}"
        sigma = check_finite(column(sigma, "sigma", block), name)
        if sigma.size and sigma.min() <= 0:
            raise ValueError(f"{name} must be above 0, got {sigma.min()}.")
    return weight, sigma


def check_frequencies(block: Block) -> Floats:
    """Frequencies of the rows of a block where `sigma` means nothing."""
    if block.sigma is not None:
        raise ValueError(
            f"sigma is for SoftLTSRegressor only, got one with block {block.number}."
        )
    weight, _ = check_weight(block)
    return np.ones(n_rows_of(block)) if weight is None else weight


def chunks_of(block: Block) -> Iterator[slice]:
    """Slices of the rows of a block that are dealt with at once."""
    n_rows, n_features = block.X.shape
    if n_rows:
        yield from gen_batches(n_rows, max(CHUNK_SIZE // max(n_features, 1), 1))


def dense(rows: Any) -> Floats:
    """Rows of an array or a sparse matrix, in float64."""
    if sparse.issparse(rows):
        rows = rows.toarray()
    return np.asarray(rows, dtype=np.float64)
