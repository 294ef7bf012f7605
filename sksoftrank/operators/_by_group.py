"""Rows of a flat array in groups: each size of groups is a batch for the row functions.

Queries of a search engine, eras, races: only the order within a group counts. Groups
may have any sizes and their rows any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import (
    as_array,
    check_exact,
    check_nan_policy,
    check_values,
    exact_row,
    inexact_array,
    nonfinite_error,
)
from .._jacobian import Jacobian
from .._rows import Slices
from ._by_row import needs_groups, one_a_row

# Labels of a range below this are sorted together with their rows, as one number.
MAX_PACKED = 2**31


class GroupLayout:
    """Where the rows of each group are, with groups of one size side by side.

    In *grouped order* come the groups of the smallest size first, those of one size in
    the order of their labels, and the rows of a group as they came. So groups of one
    size are rows of a view, and what is done number by number is done for all at once.

    Parameters
    ----------
    groups : array-like of shape (n_rows,)
        A label for each row: numbers, strings, or anything that can be sorted.
    n_rows : int
    is_used : ndarray of bool of shape (n_rows,), default=None
        Which rows take part. None means all.
    min_size : int, default=1
        Groups of fewer rows that take part are left out of order and buckets.

    Attributes
    ----------
    labels : ndarray of shape (n_groups,)
        The groups, sorted, also those of which no row is used.
    sizes : ndarray of int of shape (n_groups,)
        Numbers of used rows.
    order : ndarray of int of shape (n_used,)
        The used rows in grouped order.
    buckets : list of tuples (groups, part)
        For each size the numbers of its groups, and the slice of the grouped order in
        which their rows are.
    """

    def __init__(
        self,
        groups: ArrayLike,
        n_rows: int,
        is_used: NDArray[np.bool_] | None = None,
        *,
        min_size: int = 1,
    ) -> None:
        array = _check_groups(groups, n_rows)
        self.labels, codes, starts = _label_runs(array)
        self._n_rows, n_groups = n_rows, self.labels.size
        if is_used is not None and is_used.all():
            is_used = None
        if starts is None:
            self.codes = codes
            used = codes if is_used is None else codes[is_used]
            self.sizes = np.bincount(used, minlength=n_groups)
        else:
            lengths = np.diff(starts, append=n_rows)
            self._runs = codes, lengths
            if is_used is not None:
                lengths = np.add.reduceat(is_used, starts, dtype=np.intp)
            self.sizes = np.bincount(codes, lengths, n_groups).astype(np.intp)
        # Groups by size, then by label: a rank for each, by which rows are sorted.
        by_size = np.argsort(self.sizes, kind="stable")
        if (
            starts is not None and starts.size == n_groups
        ):  # the rows of a group follow one another
            count, shift = self.sizes[by_size], np.empty(n_groups, dtype=np.intp)
            shift[codes] = np.cumsum(lengths) - lengths
            shift = shift[by_size] - (np.cumsum(count) - count)
            self.order = np.repeat(shift, count)
            self.order += np.arange(self.order.size)
            self._is_identity = is_used is None and not shift.any()
        else:
            place = np.empty(n_groups, dtype=np.intp)
            place[by_size] = np.arange(n_groups)
            used = self.codes if is_used is None else self.codes[is_used]
            self.order = _stable_order(place[used])
            self._is_identity = False
        if is_used is not None:
            self.order = np.flatnonzero(is_used)[self.order]
        sizes, first, counts = np.unique(
            self.sizes[by_size], return_index=True, return_counts=True
        )
        is_left_out = self.sizes < max(min_size, 1)
        n_left_out = self.sizes[is_left_out].sum()
        self.order = self.order[n_left_out:]
        self._is_identity &= n_left_out == 0
        self._groups = by_size[np.count_nonzero(is_left_out) :]
        stop = np.cumsum(sizes * counts) - n_left_out
        self.buckets = [
            (by_size[i : i + count], slice(end - size * count, end))
            for size, i, count, end in zip(
                sizes.tolist(),
                first.tolist(),
                counts.tolist(),
                stop.tolist(),
                strict=True,
            )
            if size >= max(min_size, 1)
        ]

    @cached_property
    def codes(self) -> NDArray[np.intp]:
        """The number of the group of each row."""
        return np.repeat(*self._runs)

    def gather(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of all rows in grouped order; themselves where they are in it.

        Compiled code takes parts of them as rows, so that they are contiguous.
        """
        return np.ascontiguousarray(values if self._is_identity else values[self.order])

    def scatter(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values in grouped order where the rows are, 0 in rows that are not in it."""
        if self._is_identity:
            return values
        make = np.empty if self.order.size == self._n_rows else np.zeros
        out = make(self._n_rows, values.dtype)
        out[self.order] = values
        return out

    def starts(self) -> NDArray[np.intp]:
        """Where in grouped order the groups begin."""
        size = self.sizes[self._groups]
        return np.cumsum(size) - size

    def spread(self, by_group: NDArray[Any]) -> NDArray[Any]:
        """A value for each group of the grouped order, for each row in it."""
        return np.repeat(by_group, self.sizes[self._groups])

    def in_order(self, by_group: NDArray[Any]) -> NDArray[Any]:
        """Values of all groups, for those in the grouped order."""
        return by_group[self._groups]

    def batches(
        self, batch_size: int | None = None
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Groups of one size, and the rows of each: of shapes (count,), (count, size).

        With a `batch_size` there are about so many rows in a batch.
        """
        for groups, part in self.buckets:
            index = self.order[part].reshape(groups.size, -1)
            step = groups.size
            if batch_size is not None:
                step = max(1, batch_size // index.shape[1])
            for i in range(0, groups.size, step):
                yield groups[i : i + step], index[i : i + step]

    def weights(
        self, weight: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The weight of each group, the mean of its used rows, and where these differ.

        Groups of which no row is in the grouped order have weight 0.
        """
        n_groups = self.labels.size
        by_group, differs = np.zeros(n_groups), np.zeros(n_groups, dtype=bool)
        if not self._groups.size:
            return by_group, differs
        part, starts = self.gather(weight), self.starts()
        first = part[starts]
        is_other = np.logical_or.reduceat(part != self.spread(first), starts)
        # Weights that are equal are the mean without rounding.
        by_group[self._groups], differs[self._groups] = first, is_other
        if is_other.any():
            for groups, rows in self.batches():
                mean = weight[rows].mean(axis=1)
                by_group[groups] = np.where(differs[groups], mean, by_group[groups])
        return by_group, differs


def _check_groups(groups: ArrayLike, n_rows: int) -> NDArray[Any]:
    try:
        array = as_array(groups, "groups")
    except ValueError:
        raise ValueError(
            "groups must have one dimension, a label for each row, got rows of "
            "different lengths."
        ) from None
    if array.shape != (n_rows,):
        raise ValueError(
            f"groups must have shape ({n_rows},), a label for each row, got "
            f"{array.shape}."
        )
    if array.dtype.kind == "c":
        raise TypeError(f"groups must be labels, got dtype {array.dtype}.")
    is_missing = _missing(array)
    if is_missing.any():
        raise ValueError(
            f"groups must have a label for each row, got {is_missing.sum()} missing "
            f"(NaN, NaT or None) of {n_rows}."
        )
    return array


def _missing(array: NDArray[Any]) -> NDArray[np.bool_]:
    if array.dtype.kind in "f":
        return np.isnan(array)
    if array.dtype.kind in "mM":
        return np.isnat(array)
    if array.dtype.kind != "O":
        return np.zeros(array.shape, dtype=bool)
    # Like pandas' NA, of which the comparison is neither true nor false.
    return np.array(
        [x is None or type(x).__name__ == "NAType" or bool(x != x) for x in array],
        dtype=bool,
    )


def _label_runs(
    array: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[np.intp] | None]:
    """Distinct labels, sorted, the numbers of those of runs, and where these start.

    A run is of equal labels that follow one another: often all that a group has. Where
    most runs are of a single row the numbers are those of rows, and there is no start.
    """
    if array.dtype.kind != "O":  # of which comparisons may be anything
        starts = np.flatnonzero(np.append(array.size > 0, array[1:] != array[:-1]))
        if 2 * starts.size <= array.size:
            return *_label_codes(array[starts]), starts
    return *_label_codes(array), None


def _label_codes(array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Distinct labels, sorted, and the number of that of each row."""
    if array.size == 0:
        return array, np.zeros(0, dtype=np.intp)
    if array.dtype.kind in "iu":
        low = array.min()
        if int(array.max()) - int(low) < 4 * array.size:  # without a sort
            # Modulo their range, so that none overflows.
            offset = (array.astype(np.int64) - low.astype(np.int64)).astype(np.intp)
            is_label = np.bincount(offset) > 0
            labels = np.flatnonzero(is_label).astype(array.dtype) + low
            if not is_label.all():
                offset = (np.cumsum(is_label) - 1)[offset]
            return labels, offset
    try:
        labels, codes = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise TypeError(
            f"groups must be labels that can be sorted, all of one kind: {error}."
        ) from error
    return labels, codes.reshape(-1)


def _stable_order(key: NDArray[np.intp]) -> NDArray[np.intp]:
    """Stable argsort of numbers from 0 on."""
    if key.max(initial=0) >= MAX_PACKED or key.size >= MAX_PACKED:
        return np.argsort(key, kind="stable")
    packed = key.astype(np.int64)
    packed <<= 32
    packed |= np.arange(key.size)
    packed.sort()
    packed &= 2**32 - 1
    return packed


def exact_within(values: Any, name: str, groups: ArrayLike) -> Any:
    """`exact_differences` where only those within the groups of a flat array count."""
    array = inexact_array(values)
    if array is None or array.ndim != 1:
        return values
    out = np.empty(array.shape)
    for _, rows in GroupLayout(groups, array.size).batches():
        for index in rows:
            out[index] = exact_row(array[index], name)
    return out


def check_flat(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the array if it has one dimension, or say that it has not."""
    if values.ndim != 1:
        raise ValueError(
            f"{name} must have one dimension with groups, a number for each row, got "
            f"shape {values.shape}."
        )
    return values


def check_numbers(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return finite numbers; what they span within groups is seen where these are."""
    if not np.isfinite(values).all():
        raise nonfinite_error(values, name)
    return values


def solve_by_group(
    operator: Callable[..., Any], arguments: dict[str, Any], *, is_exact: bool = False
) -> Any:
    """What `operator` returns for the values of each group, where they stand.

    Parameters
    ----------
    operator : callable
        `soft_rank` or `soft_sort`: of rows, with results of the same shape.
    arguments : dict
        All of its arguments, `groups` among them.
    is_exact : bool
        Whether integers must be exact as such, not only their differences.
    """
    options = dict(arguments)
    values, groups = options.pop("values"), options.pop("groups")
    if options.pop("axis") not in (-1, 0, None):
        raise ValueError(
            f"axis must be -1, 0 or None with groups, got {arguments['axis']!r}."
        )
    if is_exact:
        values = check_exact(values, "values")
    else:
        values = check_values(exact_within(values, "values", groups), "values")
    layout = GroupLayout(groups, check_flat(values, "values").size)
    if not check_nan_policy(options["nan_policy"]) and np.isnan(values).any():
        raise nonfinite_error(values, "values")
    epsilon = options.pop("epsilon")
    by_group = None
    if needs_groups(epsilon):
        by_group = np.array(one_a_row(epsilon, "epsilon", layout.labels.shape))
    out = np.empty_like(values)
    parts = []
    batches = list(layout.batches())
    if not batches:  # the operator checks its options all the same
        batches = [(np.zeros(1, dtype=np.intp), np.zeros((1, 0), dtype=np.intp))]
        by_group = None if by_group is None else np.ones(1)
    for numbers, index in batches:
        own = epsilon if by_group is None else by_group[numbers]
        result = operator(values[index], own, **options)
        if isinstance(result, tuple):
            result, jacobian = result
            parts.append((jacobian, index))
        out[index] = result
    return (out, _join(parts, values)) if parts else out


def _join(parts: list[tuple[Any, NDArray[np.intp]]], values: NDArray[Any]) -> Jacobian:
    """One Jacobian of the flat array, of those of the parts."""
    shape, dtype = values.shape, values.dtype

    def multiply(rows: NDArray[Any], *, transpose: bool) -> NDArray[Any]:
        out = np.zeros_like(rows)
        for jacobian, index in parts:
            out[0, index] = jacobian._multiply(rows[0, index], transpose=transpose)
        return out

    def find_wrt_epsilon() -> NDArray[Any]:
        out = np.zeros(shape, dtype)
        for jacobian, index in parts:
            out[index] = jacobian.wrt_epsilon
        return out

    def squares() -> NDArray[Any]:
        out = np.zeros((1, *shape))
        for jacobian, index in parts:
            out[0, index] = jacobian._squares_of_rows()
        return out

    slices = Slices(shape, 0)
    return Jacobian(
        slices,
        slices,
        multiply,
        shapes=(shape, shape),
        dtype=dtype,
        derivatives={"wrt_epsilon": find_wrt_epsilon},
        squares=squares,
    )
