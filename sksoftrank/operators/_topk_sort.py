"""The k largest values of a soft sort, without sorting the others."""

import math
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _isotonic, _pav
from .._checks import (
    check_epsilon,
    check_exact,
    check_finite,
    check_flag,
    check_k,
    check_nan_policy,
    check_regularization,
)
from .._jacobian import Jacobian, pool_squares
from .._rows import (
    Slices,
    argsort_rows,
    rounded,
    stand_ins,
    unsorted,
    with_infinity,
)
from .._typing import NanPolicy, Regularization
from ._by_row import FirstPlace, needs_groups, solve_groups
from ._rows import SolvedRows
from ._sorting import sort_wrt_epsilon


@overload
def soft_topk_sort(
    values: ArrayLike,
    k: int,
    epsilon: ArrayLike = ...,
    *,
    regularization: Regularization = ...,
    axis: int | None = ...,
    largest: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def soft_topk_sort(
    values: ArrayLike,
    k: int,
    epsilon: ArrayLike = ...,
    *,
    regularization: Regularization = ...,
    axis: int | None = ...,
    largest: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def soft_topk_sort(
    values: ArrayLike,
    k: int,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    """Differentiable k largest values, in order.

    The first k values of ``soft_sort(values, epsilon, descending=largest)``, for which
    the others need not be sorted.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. float32 is kept, float16 becomes float32, all else float64.
        Infinite ones are for ``epsilon=0`` only.
    k : int
        Number of sorted values, from 1 to n.
    epsilon : float or array-like, default=1.0
        Strength of the regularization, in units of 1 / `values`, as for `soft_sort`. 0
        gives the hard sort. An array, of the shape of `values` without `axis`, has one
        for each slice.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `soft_sort`.
    axis : int or None, default=-1
        Axis along which to sort. None flattens `values` first.
    largest : bool, default=True
        If False the k smallest values, smallest first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out. Places for which too few values are
        left are NaN.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    sorted_values : ndarray of shape (..., k, ...)
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp`` and the attribute
        ``wrt_epsilon``. Only with ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort : All values, with the definition.
    soft_topk_rank : Ranks of the k largest.
    numpy.partition : The k largest values without an order.

    Notes
    -----
    The result is exact. Only the m largest values are sorted; the others are replaced
    by their mean ("entropic": the logarithm of the mean of their exponentials). That
    leaves the sum over all as it is, and makes no sum over fewer of them larger, so it
    can only make the pools of the soft sort reach farther down. If the pool of place k
    ends among the m, or takes in all values, it is therefore the right one; else m
    grows. Time is O(n + m log m), with m close to k unless that pool is large.

    Examples
    --------
    >>> from sksoftrank import soft_topk_sort
    >>> soft_topk_sort([3.0, 0.0, 1.0, 9.0], 2, epsilon=0.1)
    array([9., 3.])
    >>> soft_topk_sort([3.0, 0.0, 1.0, 9.0], 2, epsilon=0.5)
    array([6.25, 4.25])
    """
    if needs_groups(epsilon, nan_policy=nan_policy, straight_through=straight_through):
        arguments = locals()
        values = check_exact(values, "values")
        known = None if check_nan_policy(nan_policy) else values
        k = check_k(k, Slices(values.shape, axis).length, known)
        return solve_groups(
            soft_topk_sort,
            arguments,
            FirstPlace(k),
            per_row=("epsilon", "k"),
            is_exact=True,
            fits_k=True,
        )
    epsilon = check_epsilon(epsilon)
    kind = check_regularization(regularization, ("quadratic", "entropic"))
    largest = check_flag(largest, "largest")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_exact(values, "values")
    slices = Slices(values.shape, axis)
    rows = slices.to_rows(values).astype(np.float64, copy=False)
    given = rows
    low, high = float(rows.min(initial=0.0)), float(rows.max(initial=0.0))
    if epsilon == 0 and not math.isfinite(high - low):
        finite = stand_ins(rows, 0.0)
        rows = rows if finite is None else finite
    check_finite(rows, "values", factor=slices.length**2)
    k = check_k(k, slices.length)
    kind = kind if epsilon > 0 else _pav.QUADRATIC
    sign = 1.0 if largest else -1.0
    signed = rows if largest else -rows
    top = _solve_tops(signed, k, epsilon, kind, return_jacobian)
    shape = list(slices.shape)
    shape[slices.axis] = k
    top_slices = Slices(tuple(shape), slices.axis)
    ordered = sign * top.sorted[:, :k]
    if rows is not given:
        ordered = with_infinity(ordered, given)
    result = top_slices.from_rows(ordered)
    result = np.ascontiguousarray(result, dtype=values.dtype)
    if not return_jacobian:
        return result

    def multiply(rows, *, transpose):
        if transpose:
            rows = np.pad(rows, ((0, 0), (0, slices.length - k)))
        out = np.empty(rows.shape)
        first, last = (None, top.index) if transpose else (top.index, None)
        _isotonic.pool_product_rows(
            np.ascontiguousarray(rows),
            first,
            last,
            top.pools,
            top.weights,
            _isotonic.AVERAGE,
            transpose,
            1.0,
            out,
        )
        return out if transpose else out[:, :k].copy()  # small, of something large

    dtype = values.dtype

    def squares():
        found = pool_squares(top.pools, top.weights, _isotonic.AVERAGE, 1.0, k)
        return unsorted(found, top.index)

    def find_wrt_epsilon():
        solved = SolvedRows(top.sorted, top.index, top.pools, top.weights)
        plain = Slices(top.sorted.shape, 1)
        change = sort_wrt_epsilon(solved, plain, None, epsilon, kind, 1.0)[:, :k]
        return rounded(top_slices.from_rows(sign * change), dtype)

    jacobian = Jacobian(
        slices,
        top_slices,
        multiply,
        shapes=(values.shape, top_slices.shape),
        dtype=dtype,
        derivatives={"wrt_epsilon": find_wrt_epsilon},
        squares=squares,
    )
    return result, jacobian


def _solve_tops(rows, k, epsilon, kind, keep):
    """`_TopValues` with as large an m as each of the rows needs.

    So the result of a row does not depend on what rows are beside it.
    """
    n = rows.shape[1]
    m = min(2 * k + 30, n)
    top = _TopValues(rows, k, m, epsilon, kind, keep)
    left = np.arange(len(rows))
    is_done = top.is_done
    while m < n and not is_done.all():
        left, m = left[~is_done], min(4 * m, n)
        part = _TopValues(rows[left], k, m, epsilon, kind, keep)
        top.put(left, part)
        is_done = part.is_done
    return top


class _TopValues:
    """Descending soft sort of rows, of which the first k values are right.

    Attributes
    ----------
    sorted : ndarray of shape (count, n)
    index : ndarray of int64, shape (count, n)
        Where the values of each row are, the m largest sorted, the others not.
    pools, weights : ndarrays of shape (count, n + 1) and (count, n)
        Pools, right for the first k places, and the softmax weights within, None if
        uniform. Without `keep` there are no index and no weights.
    is_done : ndarray of bool, shape (count,), or None
        Whether m is enough, which n is.
    """

    def __init__(self, rows, k, m, epsilon, kind, keep):
        self._kind, self._keep = kind, keep
        self.index: Any = None
        self.weights: Any = None
        count, n = rows.shape
        logits = self._sort_all(rows) if m == n else self._sort_part(rows, m)
        self.pools = np.empty((count, n + 1), dtype=np.int64)
        if keep and kind == _pav.ENTROPIC:
            self.weights = np.ones((count, n))  # outside of pools they stay
        found = self.sorted, self.pools, self.weights
        _pav.sort_rows(self.sorted, epsilon, kind, 1.0, None, *found)
        if logits is not None:
            self.weights[:, m:] *= np.exp(logits)
        self.is_done: Any = _do_pools_end(self.pools, n, k, m) if m < n else None

    def put(self, which, part):
        """Put the rows of `part` in the places `which`."""
        for name in ("sorted", "index", "pools", "weights"):
            rows = getattr(self, name)
            if rows is not None:
                rows[which] = getattr(part, name)

    def _sort_all(self, rows):
        if self._keep:
            self.index, self.sorted = argsort_rows(rows, descending=True)
        else:
            self.sorted = np.sort(rows, axis=1)[:, ::-1].copy()

    def _sort_part(self, rows, m):
        """Sort the m largest, and replace the others by their mean.

        Returns for the softmax what the others have above the mean, or None.
        """
        n = rows.shape[1]
        parted = np.partition(rows, n - m, axis=1)
        top, others = np.sort(parted[:, n - m :], axis=1)[:, ::-1], parted[:, : n - m]
        last = top[:, -1:]
        mean = _mean(others - last, self._kind)
        self.sorted = np.empty(rows.shape)
        self.sorted[:, :m], self.sorted[:, m:] = top, last + mean
        if not self._keep:
            return None
        index = np.argpartition(rows, n - m, axis=1)[:, ::-1].astype(np.int64)
        top = np.take_along_axis(rows, index[:, :m], axis=1)
        order, _ = argsort_rows(top, descending=True)
        index[:, :m] = np.take_along_axis(index, order, axis=1)
        self.index = index
        if self._kind == _pav.QUADRATIC:
            return None
        return np.take_along_axis(rows, index[:, m:], axis=1) - last - mean


def _mean(excess, kind):
    """Mean of non-positive numbers, or the logarithm of that of exponentials."""
    if kind == _pav.QUADRATIC:
        return np.minimum(excess.mean(axis=1, keepdims=True), 0.0)
    top = excess.max(axis=1, keepdims=True)
    mean = np.expm1(excess - top).mean(axis=1, keepdims=True)
    return np.minimum(top + np.log1p(mean), 0.0)


def _do_pools_end(pools, n, k, m):
    """Whether the pool that holds place k of a row ends at most at m, or at n."""
    # At most k pools, of two places or more, begin before place k.
    start, end = pools[:, 0 : n - 1 : 2][:, :k], pools[:, 1:n:2][:, :k]
    is_pool = np.logical_and.accumulate(start < n, axis=1)
    return ~(is_pool & (start < k) & (end > m) & (end < n)).any(axis=1)
