"""Records in the soft order of a criterion."""

from functools import cached_property
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import (
    check_differences,
    check_epsilon,
    check_exact,
    check_finite,
    check_flag,
    check_nan_policy,
    check_regularization,
)
from .._jacobian import Jacobian
from .._rows import Slices, rounded, stand_ins
from .._typing import NanPolicy, Regularization
from ._choice import Choice, WeightedRows, steepness_of


@overload
def soft_sort_with(
    values: ArrayLike,
    criterion: ArrayLike,
    epsilon: float = ...,
    *,
    regularization: Regularization = ...,
    axis: int = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def soft_sort_with(
    values: ArrayLike,
    criterion: ArrayLike,
    epsilon: float = ...,
    *,
    regularization: Regularization = ...,
    axis: int = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def soft_sort_with(
    values: ArrayLike,
    criterion: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: Regularization = "quadratic",
    axis: int = 0,
    descending: bool = False,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Records sorted by a criterion, differentiable in both.

    As `epsilon` goes to 0 the result becomes ``values[numpy.argsort(criterion)]``, with
    the mean of records of equal criterion in all their places; as it grows all records
    approach the mean of all.

    Parameters
    ----------
    values : array-like of shape (n, ...)
        Records, along `axis`: real numbers.
    criterion : array-like of shape (n,)
        By what to sort: real numbers.
    epsilon : float, default=1.0
        Strength of the regularization, in the units of `criterion`: records whose
        criteria differ by less are mixed. 0 gives the hard sort.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        "quadratic" mixes only records that are close; "entropic" is infinitely
        differentiable.
    axis : int, default=0
        Axis of the records in `values`.
    descending : bool, default=False
        If True the record with the largest criterion comes first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or records are left out that have any or whose
        criterion is NaN. The last places are NaN then.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivatives too.

    Returns
    -------
    sorted_values : ndarray of the shape of `values`
        float32 where `values` and `criterion` are, else float64.
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp``, and attributes
        ``wrt_criterion``, ``wrt_epsilon`` and ``permutation``. Only with
        ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort : Sorted values, without records, in O(n log n).
    soft_topk : The choices of which the order is made.
    numpy.lexsort : The hard order by several criteria.

    Notes
    -----
    Let p(k) be the soft choice of the k records with the smallest criteria, that is
    ``soft_topk(criterion, k, epsilon, largest=False)``, p(0) = 0 and p(n) = 1. Place k
    of the result takes what the k-th choice has more than the one before: with the
    records x it is

    .. math::

        \sum_i \bigl(p_i(k) - p_i(k - 1)\bigr)\, x_i .

    The differences form a soft permutation matrix: as choices grow with k its entries
    are non-negative, its rows and columns have the sum 1, and it is continuous in the
    criterion. Its rows are also the derivatives of `soft_quantile` of the criterion for
    ``q = (k - 1) / (n - 1)``. All its entries are computed: time and memory are
    O(n^2).

    Examples
    --------
    >>> from sksoftrank import soft_sort_with
    >>> soft_sort_with([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]], [0.3, 0.1, 0.2], 0)
    array([[ 2., 20.],
           [ 3., 30.],
           [ 1., 10.]])
    >>> soft_sort_with([1.0, 2.0, 3.0], [0.3, 0.1, 0.2], 0.2)
    array([2.25, 2.25, 1.5 ])
    """
    epsilon = check_epsilon(epsilon)
    kind = check_regularization(regularization, ("quadratic", "entropic"))
    descending = check_flag(descending, "descending")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    straight_through = check_flag(straight_through, "straight_through")
    omits_nan = check_nan_policy(nan_policy)
    values = check_exact(values, "values")
    criterion = check_differences(criterion, "criterion")
    if axis is None:
        raise TypeError("axis must be an integer, got None.")
    slices = Slices(values.shape, axis)
    if criterion.shape != (slices.length,) or slices.length == 0:
        raise ValueError(
            f"criterion must have a number for each record, shape ({slices.length},) "
            f"and not empty, got shape {criterion.shape}."
        )
    dtype = np.result_type(values.dtype, criterion.dtype)
    rows = slices.to_rows(values).astype(np.float64, copy=False)
    kept = None
    if omits_nan:
        is_missing = np.isnan(criterion) | np.isnan(rows).any(axis=0)
        if is_missing.all():
            raise ValueError(
                "criterion and values must have a record without NaN, got none."
            )
        if is_missing.any():
            kept = np.flatnonzero(~is_missing)
            rows, criterion = rows[:, kept], criterion[kept]
    check_finite(rows, "values")
    finite = stand_ins(criterion[None], epsilon) if np.isinf(criterion).any() else None
    criterion = criterion if finite is None else finite[0]
    criterion = check_finite(criterion, "criterion").astype(np.float64)
    sign = -1.0 if descending else 1.0
    order = hard = _SoftOrder(criterion, epsilon, kind, sign)
    if straight_through:
        hard = _SoftOrder(criterion, 0.0, kind, sign)
    records = _Records(slices, kept)
    mixed = slices.from_rows(records.fill(_by_row(hard.permutation, rows), np.nan))
    mixed = rounded(mixed, dtype)
    if not return_jacobian:
        return mixed
    return mixed, _jacobian(rows, records, order, dtype)


class _Records:
    """Where those records stand that are not left out, and their sorted places.

    Parameters
    ----------
    slices : Slices
    kept : ndarray of int or None
        The records that are left; None for all.
    """

    def __init__(self, slices, kept):
        self.slices, self._kept = slices, kept

    def take(self, rows, *, of_places):
        """Of rows of all n records, or of places in their order, what is left."""
        if self._kept is None:
            return rows
        return rows[:, : len(self._kept)] if of_places else rows[:, self._kept]

    def fill(self, rows, value=0.0, *, of_places=True):
        """The inverse, with a value for all others."""
        if self._kept is None:
            return rows
        out = np.full((len(rows), self.slices.length), value)
        out[:, slice(len(self._kept)) if of_places else self._kept] = rows
        return out


def _jacobian(rows, records, order, dtype):
    """The Jacobian of the sorted records in their values, with those in the others."""
    slices = records.slices

    def multiply(rows, *, transpose):
        part = records.take(rows, of_places=transpose)
        shares = order.permutation.T if transpose else order.permutation
        return records.fill(_by_row(shares, part), of_places=not transpose)

    def squares():
        sums = np.sum(order.permutation**2, axis=0, keepdims=True)
        return np.broadcast_to(
            records.fill(sums, of_places=False), (slices.count, slices.length)
        )

    # Rows of the permutation have the sum 1: the mean moves nothing.
    with np.errstate(over="ignore"):
        mean = rows.mean(axis=1, keepdims=True)
    centred = rows - np.where(np.isfinite(mean), mean, rows[:, :1])

    def multiply_criterion(rows, *, transpose):
        part = records.take(rows, of_places=transpose)
        product = (order.pull if transpose else order.push)(centred, part)
        return records.fill(product, of_places=not transpose)

    def find_wrt_criterion():
        shape = (slices.length,)
        return Jacobian(
            Slices(shape, 0),
            slices,
            multiply_criterion,
            shapes=(shape, slices.shape),
            dtype=dtype,
        )

    def find_wrt_epsilon():
        change = records.fill(order.push_epsilon(centred))
        return rounded(slices.from_rows(change), dtype)

    def find_permutation():
        # Of places and records that are left out the shares are 0.
        full = records.fill(order.permutation.T).T
        return records.fill(full, of_places=False)

    return Jacobian(
        slices,
        slices,
        multiply,
        shapes=(slices.shape, slices.shape),
        dtype=dtype,
        derivatives={
            "wrt_criterion": find_wrt_criterion,
            "wrt_epsilon": find_wrt_epsilon,
            "permutation": find_permutation,
        },
        squares=squares,
    )


class _SoftOrder:
    """Soft permutation matrix of a criterion, and how its products move with it.

    Attributes
    ----------
    permutation : ndarray of shape (n, n)
    """

    def __init__(self, criterion, epsilon, kind, sign):
        n = criterion.size
        self._sign, self._steepness = sign, steepness_of(epsilon)
        keys = np.broadcast_to(sign * criterion, (n - 1, n))
        self._data = WeightedRows(keys, Slices(keys.shape, 1), None)
        mass = np.arange(1.0, n)[:, None]
        self._choice = Choice(self._data, mass, n - mass, epsilon, kind, has_slope=True)
        choices = np.vstack([np.zeros(n), self._choice.p, np.ones(n)])
        self.permutation = np.diff(choices, axis=0)

    @cached_property
    def _slope(self):
        return self._choice.slope

    @cached_property
    def _share(self):
        """The shares c of the open records.

        The parts change by slope * (mean of the changes of the criterion, by c, - own
        change) / epsilon.
        """
        reach = self._slope.sum(axis=1, keepdims=True)
        share = np.zeros_like(self._slope)
        return np.divide(self._slope, reach, out=share, where=reach > 0)

    def push(self, rows, changes):
        """Change of ``rows @ permutation.T`` for changes (1, n) of the criterion."""
        moved = _by_row(self._slope, rows * changes)
        moved -= _by_row(self._slope, rows) * _by_row(self._share, changes)
        return -self._sign * self._steep(_steps(moved))

    def push_epsilon(self, rows):
        """Change of ``rows @ permutation.T`` by epsilon."""
        # Relative to the centre of each choice, from which open records are not far.
        deviation = self._data.rows - self._choice.centre
        deviation = np.where(self._slope > 0, deviation, 0) * self._steepness
        deviation -= np.sum(self._share * deviation, axis=1, keepdims=True)
        return self._steep(_steps(_by_row(self._slope * deviation, rows)))

    def pull(self, rows, gradients):
        """The transpose of `push`, summed over the rows: (1, n)."""
        falls = -np.diff(gradients, axis=1)
        pulled = np.sum(rows * (falls @ self._slope), axis=0, keepdims=True)
        of_choices = np.sum(falls * (rows @ self._slope.T), axis=0, keepdims=True)
        return -self._sign * self._steep(pulled - of_choices @ self._share)

    def _steep(self, change):
        with np.errstate(over="ignore"):
            return self._steepness * change


def _by_row(matrix, rows):
    """``rows @ matrix.T``, of each row by itself: it does not depend on the others."""
    return np.matmul(matrix, rows[..., None])[..., 0]


def _steps(choices):
    """Changes of places from those of the choices of 1, ..., n - 1 records."""
    return np.diff(np.pad(choices, ((0, 0), (1, 1))), axis=1)
