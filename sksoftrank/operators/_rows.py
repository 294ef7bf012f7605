"""How soft sorts and ranks solve many rows: by threads, without NaN, infinite."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils import gen_batches

from .. import _pav
from .._checks import check_differences, check_exact, check_flag, check_n_jobs
from .._rows import rounded, stand_ins, with_infinity

# The kernels by dtype: a lookup here costs less than dispatch on every call.
RANK_ROWS = {
    np.dtype(np.float32): _pav.rank_rows["float"],
    np.dtype(np.float64): _pav.rank_rows["double"],
}
SORT_ROWS = {
    np.dtype(np.float32): _pav.sort_rows["float"],
    np.dtype(np.float64): _pav.sort_rows["double"],
}

# From so many numbers on their memory comes and goes by pages.
LARGE = 1 << 16


class SolvedRows(NamedTuple):
    """Results of rows, and what their Jacobian needs, else None.

    Places are sorted positions, where the kernel pairs them with rho = (n, ..., 1).
    """

    out: np.ndarray
    order: np.ndarray | None  # which entry has which place
    pools: np.ndarray | None
    weights: np.ndarray | None  # None also for uniform weights
    n_kept: np.ndarray | None = None  # entries that are not NaN; None: all of them
    has_infinite: bool = False
    own: np.ndarray | None = None  # a copy of the rows, if there is one


def solve_rows(rows, epsilon, kind, sign, *, is_sort=False, keep=False, n_jobs=None):
    """Soft ranks or sorts of rows; None where the kernel refuses one.

    That is NaN and infinite ones, but for ranks and hard sorts of infinite numbers.
    """
    order: Any = None
    pools: Any = None
    weights: Any = None
    own: Any = None
    if keep:
        order, pools, weights, own = _room(rows, kind, is_sort)

    def solve(rows):
        out = np.empty(rows.shape, rows.dtype)
        kernel = (SORT_ROWS if is_sort else RANK_ROWS)[rows.dtype]
        solve = kernel if n_jobs is None else _by_threads(kernel, n_jobs)
        work = solve(rows, epsilon, kind, sign, order, out, pools, weights)
        return out if work >= 0 else None

    out = solve(rows)
    if out is not None:
        return SolvedRows(out, order, pools, weights, own=own)
    finite = None if is_sort and epsilon > 0 else stand_ins(rows, epsilon)
    if finite is None or (out := solve(finite)) is None:
        return None
    out = with_infinity(out, rows) if is_sort else rounded(out, rows.dtype)
    return SolvedRows(out, order, pools, weights, None, True, own)


def _room(rows, kind, is_sort):
    """Arrays for order, pools and weights, and for many ranks a copy of the rows.

    Those of many rows are parts of one array. The C library gives memory back to the
    system when more of it is free than two of the largest arrays; to get new pages then
    takes as long as to fill them.
    """
    count, n = rows.shape
    has_weights = kind != _pav.QUADRATIC
    if rows.size < LARGE or count < 8:  # the kernel takes more for a long row
        order = np.empty(rows.shape, np.int64)
        pools = np.empty((count, n + 1), np.int64)
        if n == 0:  # which the kernel does not see
            pools.fill(0)
        weights = np.empty(rows.shape) if has_weights else None
        return order, pools, weights, None
    room = np.empty(
        (count, (2 + has_weights + (not is_sort)) * n + 1), np.int64
    ).ravel()
    parts = (room[i * rows.size : (i + 1) * rows.size] for i in range(3))
    order = next(parts).reshape(rows.shape)
    weights = next(parts).view(np.float64).reshape(rows.shape) if has_weights else None
    own = None
    if not is_sort:
        own = next(parts).view(rows.dtype)[: rows.size].reshape(rows.shape)
        own[...] = rows
    return order, room[-count * (n + 1) :].reshape(count, n + 1), weights, own


def solve_rows_without_nan(rows, *options, is_sort=False, **more_options):
    """`solve_rows` on what is not NaN; rows with equally many NaN go together.

    Ranks stand where their entries are, sorts first in the row; the others are NaN.
    NaN have the first places, which leaves (m, ..., 1) of rho to the m other entries:
    as if they were alone.
    """
    n = rows.shape[1]
    is_nan = np.isnan(rows)
    more_options["is_sort"] = is_sort
    if not is_nan.any():
        return solve_rows(rows, *options, **more_options)
    n_kept = n - np.count_nonzero(is_nan, axis=1)
    order = np.argsort(~is_nan, axis=1, kind="stable").astype(np.int64, copy=False)
    out = np.full(rows.shape, np.nan, rows.dtype)
    pools = np.empty((len(rows), n + 1), dtype=np.int64)
    weights, has_infinite = np.zeros(rows.shape), False
    for m in np.unique(n_kept):
        group = np.flatnonzero(n_kept == m)
        kept = order[group, n - m :]
        part = np.take_along_axis(rows[group], kept, axis=1)
        part = solve_rows(part, *options, **more_options)
        if part is None:
            return None
        has_infinite |= part.has_infinite
        out[group[:, None], np.arange(m) if is_sort else kept] = part.out
        if part.order is not None:
            order[group, n - m :] = np.take_along_axis(kept, part.order, axis=1)
            pools[group, : m + 1] = part.pools + (n - m)
        if part.weights is not None:
            weights[group, n - m :] = part.weights
    weights = None if part.weights is None else weights
    return SolvedRows(out, order, pools, weights, n_kept, has_infinite)


def _by_threads(kernel, n_jobs):
    """The kernel, with its rows spread over threads."""
    n_threads = effective_n_jobs(check_n_jobs(n_jobs))

    def solve(rows, epsilon, kind, sign, *results):
        size = max(1, -(-len(rows) // n_threads))
        if n_threads == 1 or len(rows) <= size:
            return kernel(rows, epsilon, kind, sign, *results)

        def solve_batch(batch):
            parts = [None if array is None else array[batch] for array in results]
            return kernel(rows[batch], epsilon, kind, sign, *parts)

        # joblib looks for results a hundred times a second, which is too seldom here.
        with ThreadPoolExecutor(n_threads) as threads:
            return min(threads.map(solve_batch, gen_batches(len(rows), size)))

    return solve


def check_compared(values, axis, magnitude):
    """Values that are compared as such, or by their magnitudes."""
    if check_flag(magnitude, "magnitude"):
        return check_exact(values, "values")
    return check_differences(values, "values", axis)


def signed(multiply, signs):
    """Products with a Jacobian in magnitudes, as those of the one in the values."""
    if signs is None:
        return multiply

    def multiply_signed(rows, *, transpose):
        if transpose:
            return signs * multiply(rows, transpose=True)
        return multiply(signs * rows, transpose=False)

    return multiply_signed
