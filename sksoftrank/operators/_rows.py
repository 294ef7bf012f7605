"""How soft sorts and ranks solve many rows: in chunks, by threads, without NaN; `k`."""

from concurrent.futures import ThreadPoolExecutor
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils import gen_batches

from .. import _pav

# Rows are sorted and solved in chunks of about this many values, which stay in cache.
CHUNK_SIZE = 2**15


class SolvedRows(NamedTuple):
    """Results of rows, and what their Jacobian needs, else None.

    Places are sorted positions, where the kernel pairs them with rho = (n, ..., 1).
    """

    out: np.ndarray
    order: np.ndarray | None  # which entry has which place
    pools: np.ndarray | None
    weights: np.ndarray | None  # None also for uniform weights
    n_kept: np.ndarray | None = None  # entries that are not NaN; None: all of them


def solve_rows(rows, solve, kind, keep, n_jobs):
    """Results of ``solve(rows, keys, out, pools, weights)``, which fills the arrays.

    All but rows and out are None where the Jacobian is not to be kept.
    """
    keys = pools = weights = None
    if keep:
        count, n = rows.shape
        keys = np.empty(rows.shape)
        pools = np.empty((count, n + 1), dtype=np.int64)
        pools[:, 0] = n  # rows the kernel does not see, those of n = 0, have no pools
        weights = None if kind == _pav.QUADRATIC else np.empty(rows.shape)
    out = np.empty(rows.shape, rows.dtype)
    _in_chunks(solve, n_jobs, rows, keys, out, pools, weights)
    return SolvedRows(out, keys.view(np.int64) if keep else None, pools, weights)


def solve_rows_without_nan(rows, *options, in_place):
    """`solve_rows` on what is not NaN; rows with equally many NaN go together.

    With `in_place` results stand where their entries are, else first in the row; the
    others are NaN. NaN have the first places, which leaves (m, ..., 1) of rho to the
    m other entries: as if they were alone.
    """
    n = rows.shape[1]
    is_nan = np.isnan(rows)
    if not is_nan.any():
        return solve_rows(rows, *options)
    n_kept = n - np.count_nonzero(is_nan, axis=1)
    order = np.argsort(~is_nan, axis=1, kind="stable").astype(np.int64, copy=False)
    out = np.full(rows.shape, np.nan, rows.dtype)
    pools = np.empty((len(rows), n + 1), dtype=np.int64)
    weights = np.zeros(rows.shape)
    for m in np.unique(n_kept):
        group = np.flatnonzero(n_kept == m)
        kept = order[group, n - m :]
        part = solve_rows(np.take_along_axis(rows[group], kept, axis=1), *options)
        out[group[:, None], kept if in_place else np.arange(m)] = part.out
        if part.order is not None:
            order[group, n - m :] = np.take_along_axis(kept, part.order, axis=1)
            pools[group, : m + 1] = part.pools + (n - m)
        if part.weights is not None:
            weights[group, n - m :] = part.weights
    return SolvedRows(
        out, order, pools, None if part.weights is None else weights, n_kept
    )


def _in_chunks(solve, n_jobs, rows, *arrays):
    """Call `solve` on chunks of the rows of all arrays; None stays None."""
    if n_jobs is None and rows.size <= CHUNK_SIZE:
        solve(rows, *arrays)
        return
    n_threads = _check_n_jobs(n_jobs)
    n_rows, n = rows.shape
    if n_threads == 1:
        size = max(1, CHUNK_SIZE // max(n, 1))
    else:
        # One chunk a thread: they need the GIL between chunks.
        size = max(1, -(-n_rows // n_threads))
    if n_rows <= size:
        solve(rows, *arrays)
        return
    chunks = [
        [None if array is None else array[batch] for array in (rows, *arrays)]
        for batch in gen_batches(n_rows, size)
    ]
    if n_threads == 1:
        for chunk in chunks:
            solve(*chunk)
    else:
        with ThreadPoolExecutor(n_threads) as threads:
            # list: raise what a thread raised.
            list(threads.map(lambda chunk: solve(*chunk), chunks))


def _check_n_jobs(n_jobs):
    """Number of threads that `n_jobs` asks for."""
    if n_jobs is not None and (
        not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool)
    ):
        raise TypeError(f"n_jobs must be a non-zero integer or None, got {n_jobs!r}.")
    if n_jobs == 0:
        raise ValueError("n_jobs must be a non-zero integer or None, got 0.")
    return effective_n_jobs(n_jobs)


def check_k(k, total):
    """Return `k` as a float above 0 and at most `total`, or say what is wrong."""
    if not isinstance(k, Real) or isinstance(k, (bool, np.bool_)):
        raise TypeError(f"k must be a real number, got {k!r}.")
    highest = float(total.min(initial=np.inf))
    if not 0 < k <= highest:
        raise ValueError(
            f"k must be above 0 and at most {highest:g}, the number of values or the "
            f"sum of their weights, got {k}."
        )
    return float(k)


def check_whole_k(k, n):
    """Return `k` as an integer from 1 to n, or say what is wrong with it."""
    if not isinstance(k, Integral) or isinstance(k, bool):
        raise TypeError(f"k must be an integer, got {k!r}.")
    if not 1 <= k <= n:
        raise ValueError(f"k must be from 1 to the number of values, {n}, got {k}.")
    return int(k)


def signed(multiply, signs):
    """Products with a Jacobian in magnitudes, as those of the one in the values."""
    if signs is None:
        return multiply

    def multiply_signed(rows, *, transpose):
        if transpose:
            return signs * multiply(rows, transpose=True)
        return multiply(signs * rows, transpose=False)

    return multiply_signed
