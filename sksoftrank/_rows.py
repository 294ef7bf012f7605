"""Slices of arrays as the rows that the kernel takes, and the order of rows."""

import math
from typing import Any

import numpy as np

from . import _pav
from ._checks import check_axis
from ._typing import Array


class Slices:
    """The slices of an n-dimensional array along one axis, as rows of a 2-D array."""

    def __init__(self, shape: tuple[int, ...], axis: int | None) -> None:
        self.shape: tuple[int, ...] = shape
        self.axis: int = 0
        self.other_shape: tuple[int, ...] = ()  # the shape without the axis
        self.count: int = 1
        # Moving an axis costs more than a short row: skipped where it is last.
        self._is_last = True
        if type(axis) is int and len(shape) == 1 and -1 <= axis <= 0:
            self.length: int = shape[0]  # the usual case, in little time
            return
        if axis is None:
            shape, axis = (math.prod(shape),), 0
        ndim = len(shape)
        self.shape = shape
        self.axis = axis = check_axis(axis, ndim)
        self.length = shape[axis]
        if ndim > 1:
            self.other_shape = shape[:axis] + shape[axis + 1 :]
            self.count = math.prod(self.other_shape)
        self._is_last = axis == ndim - 1

    def to_rows(self, array: Array) -> Array:
        """C-contiguous (count, length) array; a view where the layout allows."""
        if not self._is_last:
            array = array.reshape(self.shape)
            # A transpose costs less than moving an axis.
            array = array.T if array.ndim == 2 else np.moveaxis(array, self.axis, -1)
        return np.ascontiguousarray(array.reshape(self.count, self.length))

    def from_rows(self, rows: Array) -> Array:
        """The C-contiguous array of `shape` whose rows are `rows`."""
        if self._is_last:
            return rows.reshape(self.shape)
        moved = rows.reshape(*self.other_shape, self.length)
        if moved.ndim == 2:
            return np.ascontiguousarray(moved.T)
        return np.ascontiguousarray(np.moveaxis(moved, -1, self.axis))


def stand_ins(rows, epsilon):
    """The rows with finite numbers for infinite ones; None if they are finite or NaN.

    They are beyond all finite numbers of a row, and so far from them that no pool and
    no soft choice for this `epsilon` takes both. Of float32, which may have no such
    numbers, float64 is made.
    """
    is_infinite = np.isinf(rows)
    if np.isnan(rows).any() or not is_infinite.any():
        return None
    low, high = finite_ends(rows)
    with np.errstate(over="ignore"):
        reach = (4.0 * rows.shape[1] + 2000.0) * epsilon + 2.0 * (high - low)
        reach += 0.01 * np.maximum(np.abs(low), np.abs(high)) + 1e-300
        ends = np.where(rows > 0, high + reach, low - reach)
        return np.where(is_infinite, ends, rows.astype(np.float64, copy=False))


def finite_ends(rows):
    """Smallest and largest finite number of each row, 0 if there are none."""
    is_finite = np.isfinite(rows)
    wide = rows.astype(np.float64)
    low = wide.min(axis=1, keepdims=True, where=is_finite, initial=np.inf)
    high = wide.max(axis=1, keepdims=True, where=is_finite, initial=-np.inf)
    has_any = is_finite.any(axis=1, keepdims=True)
    return np.where(has_any, low, 0.0), np.where(has_any, high, 0.0)


def with_infinity(result, rows) -> Array:
    """Hard results of the stand-ins: infinite beyond the finite numbers."""
    low, high = finite_ends(rows)
    result = np.where(result > high, np.inf, result)
    return np.where(result < low, -np.inf, result).astype(rows.dtype)


def rounded(array, dtype) -> Array:
    """The array in this dtype, in which what is too large is infinite."""
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def argsort_rows(rows, *, descending) -> Any:
    """Stable argsort of each row, and the sorted rows; None if a row is not finite."""
    order, sorted_rows = np.empty(rows.shape, np.int64), np.empty_like(rows)
    sign = 1.0 if descending else -1.0
    if _pav.argsort_rows(rows, sign, order, sorted_rows) < 0:
        return None
    return order, sorted_rows


def tie_bounds(rows) -> tuple[Array, Array]:
    """Indices of the first and of the last equal of each entry of sorted `rows`."""
    count, n = rows.shape
    is_first = np.ones((count, n), dtype=bool)
    is_first[:, 1:] = rows[:, 1:] != rows[:, :-1]
    is_last = np.ones((count, n), dtype=bool)
    is_last[:, :-1] = is_first[:, 1:]
    index = np.arange(n)
    firsts = np.maximum.accumulate(np.where(is_first, index, 0), axis=1)
    lasts = np.minimum.accumulate(np.where(is_last, index, n)[:, ::-1], axis=1)
    return firsts, lasts[:, ::-1]


def in_order(rows, order):
    """The rows in this order of each; None for the order that they have."""
    return rows if order is None else np.take_along_axis(rows, order, axis=1)


def unsorted(rows, order):
    """The inverse of `in_order`."""
    if order is None:
        return rows
    out = np.empty_like(rows)
    np.put_along_axis(out, order, rows, axis=1)
    return out


def first_places(pools, n):
    """For each place of each row of the kernel's pools where its block begins."""
    first = np.broadcast_to(np.arange(n), (len(pools), n)).copy()
    row, start, _, inside = inside_pools(pools, n)
    first[row, start + inside] = start
    return first


def inside_pools(pools, n):
    """Of places in pools: row, start and size of the pool, and the place in it."""
    start, end = pools[:, 0 : n - 1 : 2], pools[:, 1:n:2]
    # What follows a start of n is not a pool.
    is_pool = np.logical_and.accumulate(start < n, axis=1)
    row, start, size = np.nonzero(is_pool)[0], start[is_pool], (end - start)[is_pool]
    inside = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    return (*(np.repeat(array, size) for array in (row, start, size)), inside)
