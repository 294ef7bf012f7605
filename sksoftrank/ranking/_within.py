"""Linear scores of rows of which only the differences within their groups count."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import gen_batches

from ..linear._algebra import EPS, NOISE
from ..linear._design import LinearDesign
from ._objectives import GroupedRows

# Rows are centred in batches of about this many numbers.
BATCH_SIZE = 2**15


def within_groups(X: Any, rows: GroupedRows, alpha: float) -> LinearDesign:
    """Linear scores of the rows in grouped order, without what groups have in common.

    Dense features are centred. Sparse ones stay as they are, for a number that the
    scores of a group share changes nothing, but get the same scales.
    """
    X = X[rows.order].astype(np.float64, copy=False)
    options = {"fit_intercept": False, "alpha": alpha}
    shape, share = (rows.sizes.size, X.shape[0]), rows.share
    if sparse.issparse(X):
        entry = rows.counts / rows.total, (rows.number, np.arange(X.shape[0]))
        means = sparse.csr_array(entry, shape=shape) @ X
        weight = rows.sums(share)
        square = X.multiply(X).T @ share
        within = square - means.multiply(means).T @ weight
        within[within <= NOISE * EPS * square] = 0.0
        return LinearDesign(X, share, scale=np.sqrt(within), **options)
    size = _largest(X)
    with np.errstate(over="ignore", invalid="ignore"):  # too large ones are refused
        _subtract(X, X[rows.starts], rows)  # what is constant becomes 0
        if rows.is_weighted:
            entry = rows.counts, (rows.number, np.arange(len(X)))
            means = sparse.csr_array(entry, shape=shape) @ X
        else:
            means = np.add.reduceat(X, rows.starts, axis=0)
        _subtract(X, means / rows.total[rows.starts, None], rows)
        X[:, _largest(X) <= NOISE * EPS * size] = 0.0
    return LinearDesign(X, share, **options)


def _largest(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest size in each column."""
    return np.maximum(X.max(axis=0), -X.min(axis=0))


def _subtract(
    X: NDArray[np.float64], values: NDArray[np.float64], rows: GroupedRows
) -> None:
    """Subtract those of its group from each row, in place."""
    number = np.repeat(np.arange(rows.sizes.size, dtype=np.int32), rows.sizes)
    for batch in gen_batches(len(X), max(1, BATCH_SIZE // X.shape[1])):
        X[batch] -= values[number[batch]]
