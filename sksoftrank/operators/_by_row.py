"""Operators whose options differ from row to row: rows with equal options go together.

Every operator takes one `epsilon`, one `k` and rows of one length. What is beyond that,
an `epsilon` for each row, rows of which some numbers are missing, hard values with soft
derivatives, is made here of calls of the same operator, one for each group of rows. So
results are those of a loop over the rows.
"""

import math
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from .._checks import (
    as_array,
    check_differences,
    check_epsilon,
    check_exact,
    check_flag,
    check_k,
    check_nan_policy,
    check_weights,
)
from .._jacobian import Jacobian
from .._rows import Slices


def needs_groups(*options, nan_policy="raise", straight_through=False):
    """Whether an option is an array, or another one is not the default."""
    if nan_policy != "raise" or straight_through is not False:
        return True
    for option in options:
        if type(option) is not float and (
            isinstance(option, list | tuple) or getattr(option, "ndim", 0) > 0
        ):
            return True
    return False


def solve_groups(
    operator,
    arguments,
    place,
    *,
    per_row=("epsilon",),
    is_exact=False,
    knows_nan=False,
    fits_k=False,
):
    """What `operator` returns for `arguments` that need groups.

    Parameters
    ----------
    operator : callable
        A public operator, which takes all of these by name.
    arguments : dict
        `values`, `axis`, `epsilon`, `straight_through`, `return_jacobian` and what else
        the operator takes.
    place : OwnPlace or another of the places below
        Where the results of a row stand.
    per_row : tuple of str
        The arguments that may be arrays.
    is_exact : bool
        Whether integers must be exact as such, not only their differences.
    knows_nan : bool
        Whether the operator itself omits NaN.
    fits_k : bool
        Whether of fewer than `k` values that are not NaN all are taken.
    """
    arguments = dict(arguments)
    values, axis = arguments.pop("values"), arguments.pop("axis")
    if is_exact:
        values = check_exact(values, "values")
    else:
        values = check_differences(values, "values", axis)
    omits_nan = check_nan_policy(arguments["nan_policy"]) and not knows_nan
    if omits_nan:
        arguments["nan_policy"] = "raise"
    weights = arguments.pop("weights", None)
    if weights is not None:
        n = Slices(values.shape, axis).length
        weights = check_weights(weights, "weights", [values.shape, (n,)])
    groups = RowGroups(
        values,
        axis,
        {name: arguments.pop(name) for name in per_row},
        weights=weights,
        omits_nan=omits_nan,
        fits_k=fits_k,
        is_hard=check_flag(arguments.pop("straight_through"), "straight_through"),
        keep=check_flag(arguments.pop("return_jacobian"), "return_jacobian"),
    )
    return groups.solve(partial(operator, axis=-1, **arguments), place)


class RowGroups:
    """Values whose rows are to be treated in groups.

    Parameters
    ----------
    values : ndarray
        Float.
    axis : int or None
    options : dict
        Options of the operator, `epsilon` and others, each a number or an array of the
        shape of `values` without `axis`.
    weights : ndarray or None
        One row of them, or of the shape of `values`.
    omits_nan : bool
        Whether the operator is called without NaN.
    fits_k : bool
    is_hard : bool
        Whether results are those for ``epsilon=0``, and derivatives are not.
    keep : bool
        Whether to return a Jacobian.
    """

    def __init__(
        self, values, axis, options, *, weights, omits_nan, fits_k, is_hard, keep
    ):
        self._is_hard, self._keep = is_hard, keep
        self._values, self._weights = values, weights
        self._slices = slices = Slices(values.shape, axis)
        rows = slices.to_rows(values)
        n_kept, order = np.full(slices.count, slices.length), None
        if omits_nan and (is_missing := np.isnan(rows)).any():
            n_kept -= np.count_nonzero(is_missing, axis=1)
            order = np.argsort(is_missing, axis=1, kind="stable")
        if not slices.other_shape:  # of one row there is one number
            check_epsilon(options["epsilon"])
        columns = {
            name: one_a_row(option, name, slices.other_shape)
            for name, option in options.items()
            if needs_groups(option)
        }
        indices: dict[tuple[Any, ...], list[int]] = {}
        for i, key in enumerate(zip(n_kept.tolist(), *columns.values(), strict=True)):
            indices.setdefault(key, []).append(i)
        if not indices:  # the operator tells the shape of nothing
            indices = {(slices.length, *(1 for _ in columns)): []}
        self._groups = []
        for (m, *key), index in indices.items():
            own = options | dict(zip(columns, key, strict=True))
            check_epsilon(own["epsilon"])
            if fits_k:
                k = check_k(own["k"], slices.length, None if omits_nan else values)
                own["k"] = min(k, m or slices.length)
            self._groups.append(_Group(rows, order, index, m, own))
        if weights is not None:
            is_shared = weights.shape != values.shape
            weights = weights[None] if is_shared else slices.to_rows(weights)
            for group in self._groups:
                group.add_weights(weights)

    def solve(self, operator, place):
        """The results of all rows, and the Jacobian if there is to be one.

        Parameters
        ----------
        operator : callable
            Of an array of shape (count, n), along the last axis. Takes the options,
            `weights` if there are any, and `return_jacobian`.
        place : OwnPlace or another
            Where the results of a row stand.
        """
        for group in self._groups:
            result, group.jacobian = self._call(operator, group)
            group.result = place.to_rows(result)
        result, slices = self._join_arrays(place, np.nan, lambda group: group.result)
        if not self._keep:
            return result
        return result, self._join_jacobians(place, slices, np.shape(result))

    def _call(self, operator, group):
        options = group.options
        if not self._is_hard:
            result = operator(group.rows, return_jacobian=self._keep, **options)
            return result if self._keep else (result, None)
        hard = operator(group.rows, **options | {"epsilon": 0.0})
        if not self._keep:
            return hard, None
        return hard, operator(group.rows, return_jacobian=True, **options)[1]

    def _join_arrays(self, place, fill, get):
        """An array of what `get` finds in the groups, and its slices."""
        slices = place.slices(self._slices)
        rows = np.full((slices.count, slices.length), fill, self._values.dtype)
        for group in self._groups:
            if not group.is_empty:
                place.prepare(rows, group)
                cells = place.cells(group, self._slices)
                rows[_entries(group.index, cells)] = get(group)
        return place.to_array(rows, slices, self._slices), slices

    def _join_jacobians(self, place, slices, shape):
        """One Jacobian of those of the groups, with their derivatives."""
        return self._join_products(
            place, slices, shape, lambda own: own, self._slices, self._values.shape
        )

    def _join_products(self, place, slices, shape, get, input_slices, input_shape):
        """The Jacobian of which `get` finds the parts in those of the groups."""
        parts = [
            (get(g.jacobian), g.index, g.kept, place.cells(g, self._slices))
            for g in self._groups
            if not g.is_empty
        ]
        product = _JoinedProduct(parts, (input_slices, slices))
        names = get(self._groups[0].jacobian)._derivatives
        return Jacobian(
            input_slices,
            slices,
            product,
            shapes=(input_shape, shape),
            dtype=self._values.dtype,
            derivatives={
                name: partial(self._join_derivative, name, place, slices, shape)
                for name in names
            },
            squares=product.squares,
        )

    def _join_derivative(self, name, place, slices, shape):
        def join_arrays(get):
            return self._join_arrays(
                place, 0.0, lambda group: place.to_rows(get(group.jacobian))
            )[0]

        get = attrgetter(name)
        first = get(self._groups[0].jacobian)
        if isinstance(first, tuple):
            return tuple(
                join_arrays(lambda jacobian, i=i: get(jacobian)[i])
                for i in range(len(first))
            )
        if not isinstance(first, Jacobian):
            return join_arrays(get)
        weights = self._values if self._weights is None else self._weights
        is_shared = weights.shape != self._values.shape
        weight_slices = Slices(weights.shape, 0) if is_shared else self._slices
        return self._join_products(
            place, slices, shape, get, weight_slices, weights.shape
        )


class _Group:
    """Rows with equal options and equally many numbers.

    Attributes
    ----------
    index : ndarray of int, shape (count,)
        Of the rows.
    kept : ndarray of int, shape (count, m), or a slice of all
        Where in each row the numbers are.
    rows : ndarray of shape (count, m)
        The numbers.
    is_empty : bool
        All of their numbers are missing: zeros stand for them, without a result.
    options : dict
        What the operator takes with the rows.
    """

    result: Any
    jacobian: Any

    def __init__(self, rows, order, index, n_kept, options):
        n = rows.shape[1]
        self.index = np.array(index, dtype=np.intp)
        self.is_empty = n_kept == 0 < n
        self.kept = slice(None)
        if 0 < n_kept < n:
            self.kept = order[self.index, :n_kept]
        if len(index) == len(rows) and n_kept == n:
            self.rows = rows
        else:
            self.rows = rows[_entries(self.index, self.kept)]
        if self.is_empty:
            self.rows[...] = 0
        self.options = options

    def add_weights(self, weights):
        """Add their weights, of rows of weights or of one row, to the options."""
        kept = weights[_entries(self.index, self.kept, len(weights))]
        self.options["weights"] = np.ones_like(kept) if self.is_empty else kept


def _entries(index, columns, count=None):
    """An index of entries of rows, in a slice of columns or in some of each.

    One row, of a `count` of 1, serves all.
    """
    index = np.zeros_like(index) if count == 1 else index
    return (index, columns) if isinstance(columns, slice) else (index[:, None], columns)


class _JoinedProduct:
    """Products with the Jacobian of rows that were solved in groups.

    Parameters
    ----------
    parts : list of tuples
        Of each group the Jacobian, the rows, and the places of its numbers and of its
        results in them.
    slices : pair of Slices
        Of input and output.
    """

    def __init__(self, parts, slices):
        self._parts, self._slices = parts, slices

    def __call__(self, rows, *, transpose):
        slices = self._slices[0 if transpose else 1]
        out = np.zeros((slices.count, slices.length))
        for jacobian, index, *columns in self._parts:
            source, target = columns[::-1] if transpose else columns
            part = rows[_entries(index, source, len(rows))]
            product = jacobian._multiply(part, transpose=transpose)
            entries = _entries(index, target, len(out))
            if transpose and self._slices[0].count < self._slices[1].count:
                np.add.at(out, entries, product)
            else:
                out[entries] = product
        return out

    def squares(self):
        """Sums of squares of the columns of that Jacobian."""
        out = np.zeros((self._slices[0].count, self._slices[0].length))
        for jacobian, index, kept, _ in self._parts:
            np.add.at(out, _entries(index, kept, len(out)), jacobian._squares_of_rows())
        return out


def one_a_row(option, name, shape):
    """An array of this shape, a number for each row, as a list."""
    array = as_array(option, name)
    if array.dtype.kind not in "fiuO":  # what objects are, the operator tells
        raise TypeError(
            f"{name} must be a real number or an array of them, got an array of dtype "
            f"{array.dtype}."
        )
    if array.shape != shape:
        raise ValueError(
            f"{name} must be a number or an array of one for each slice of values, of "
            f"shape {shape}, got shape {array.shape}."
        )
    return array.ravel().tolist()


class OwnPlace:
    """Each number has a result, where it stands."""

    def to_rows(self, result):
        """The results of an operator, a row for each of its rows."""
        return result

    def slices(self, slices):
        """The slices of the result, for those of the values."""
        return slices

    def prepare(self, rows, group):
        """Fill what is not of one number only."""

    def cells(self, group, slices):
        """Columns of the results of a group."""
        return group.kept

    def to_array(self, rows, slices, value_slices):
        """The array of the result, of its rows."""
        return slices.from_rows(rows)


class FirstPlace(OwnPlace):
    """Results stand first in a row: `width`, or as many as there are numbers."""

    def __init__(self, width=None):
        self._width = width

    def slices(self, slices):
        if self._width is None:
            return slices
        shape = list(slices.shape)
        shape[slices.axis] = self._width
        return Slices(tuple(shape), slices.axis)

    def cells(self, group, slices):
        return slice(group.result.shape[1])


class CommonPlace(OwnPlace):
    """Results of all numbers of a row, of a `shape` that comes first.

    With `as_number` a single result is a number, not an array.
    """

    def __init__(self, shape=(), *, as_number=True):
        self._shape, self._as_number = shape, as_number

    def to_rows(self, result):
        result = np.asarray(result)
        return result.reshape(math.prod(self._shape), result.shape[-1]).T

    def slices(self, slices):
        return Slices((math.prod(self._shape), slices.count), 0)

    def cells(self, group, slices):
        return slice(group.result.shape[1])

    def to_array(self, rows, slices, value_slices):
        array = rows.T.reshape(self._shape + value_slices.other_shape)
        return array[()] if self._as_number else array


class MatrixPlace(OwnPlace):
    """A matrix of positions and numbers; numbers that are missing have zeros."""

    def to_rows(self, result):
        return result.reshape(len(result), result.shape[1] ** 2)

    def slices(self, slices):
        shape = (*slices.other_shape, slices.length**2)
        return Slices(shape, len(shape) - 1)

    def prepare(self, rows, group):
        n, m = (math.isqrt(x.shape[1]) for x in (rows, group.result))
        rows[group.index, : n * m] = 0

    def cells(self, group, slices):
        if isinstance(group.kept, slice):
            return group.kept
        m = group.kept.shape[1]
        positions = slices.length * np.arange(m)[:, None]
        return (positions + group.kept[:, None, :]).reshape(-1, m * m)

    def to_array(self, rows, slices, value_slices):
        n = value_slices.length
        return slices.from_rows(rows).reshape(*value_slices.other_shape, n, n)
