"""Slices of arrays as the rows that the kernel takes, and the order of rows."""

import math

import numpy as np

from . import _pav
from ._checks import check_axis


class Slices:
    """The slices of an n-dimensional array along one axis, as rows of a 2-D array."""

    def __init__(self, shape, axis):
        if axis is None:
            shape, axis = (math.prod(shape),), 0
        ndim = len(shape)
        self.shape = shape
        self.axis = axis = check_axis(axis, ndim)
        self.length = shape[axis]
        # The shape without the axis.
        self.other_shape = shape[:axis] + shape[axis + 1 :] if ndim > 1 else ()
        self.count = math.prod(self.other_shape) if ndim > 1 else 1
        # Moving an axis costs more than a short row: skipped where it is last.
        self._is_last = axis == ndim - 1

    def to_rows(self, array):
        """C-contiguous (count, length) array; a view where the layout allows."""
        if not self._is_last:
            array = np.moveaxis(array.reshape(self.shape), self.axis, -1)
        return np.ascontiguousarray(array.reshape(self.count, self.length))

    def from_rows(self, rows):
        """The C-contiguous array of `shape` whose rows are `rows`."""
        if self._is_last:
            return rows.reshape(self.shape)
        moved = rows.reshape(*self.other_shape, self.length)
        return np.ascontiguousarray(np.moveaxis(moved, -1, self.axis))


def rounded(array, dtype):
    """The array in this dtype, in which what is too large is infinite."""
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def argsort_rows(rows, *, descending):
    """Stable argsort of each row, and the sorted rows; None if a row is not finite."""
    keys, sorted_rows = np.empty(rows.shape), np.empty_like(rows)
    sign = 1.0 if descending else -1.0
    if _pav.argsort_rows(rows, sign, keys, sorted_rows) < 0:
        return None
    return keys.view(np.int64), sorted_rows
