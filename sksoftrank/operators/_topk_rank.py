"""Soft ranks of the k largest values."""

import math
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _isotonic, _pav
from .._checks import (
    check_epsilon,
    check_finite,
    check_flag,
    check_k,
    check_regularization,
)
from .._jacobian import Jacobian, pool_squares
from .._rows import Slices, argsort_rows, rounded, stand_ins
from .._typing import NanPolicy, Regularization
from ._by_row import OwnPlace, needs_groups, solve_groups
from ._choice import steepness_of
from ._rows import check_compared, signed
from ._sorting import soft_rank

# Rows up to this length are sorted whole.
SHORT = 256

# Rows that are one block but for rounding are sorted.
MARGIN = 1e-12

# A power of two. Values and an epsilon above it are divided by it.
LARGE = 2.0**500


@overload
def soft_topk_rank(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    regularization: Regularization = ...,
    axis: int | None = ...,
    largest: bool = ...,
    magnitude: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def soft_topk_rank(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    regularization: Regularization = ...,
    axis: int | None = ...,
    largest: bool = ...,
    magnitude: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def soft_topk_rank(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    magnitude: bool = False,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    """Differentiable ranks of the k largest values, without sorting the others.

    As `epsilon` goes to 0 the largest value has the rank 1, the next 2 and so on; all
    below the k largest have the rank k + 1.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. float32 is kept, float16 becomes float32, all else float64.
        Infinite ones are pooled with no finite ones.
    k : int or array-like
        Number of values that are told apart, from 1 to n; of all where fewer are not
        NaN. An array, of the shape of `values` without `axis`, has one for each slice.
    epsilon : float or array-like, default=1.0
        Strength of the regularization, in the units of `values`: values closer than
        this are pooled. 0 gives the hard ranks, of which ties get the mean. An array
        has one for each slice.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `soft_rank`.
    axis : int or None, default=-1
        Axis along which to rank. None flattens `values` first.
    largest : bool, default=True
        If False the smallest value has the rank 1, and the k smallest are told apart.
    magnitude : bool, default=False
        Whether values are compared by their absolute values.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and stay NaN.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    ranks : ndarray of the shape of `values`
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp`` and the attribute
        ``wrt_epsilon``. Only with ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_rank : Ranks of all values.
    soft_topk : The choice of the k largest without an order among them.

    Notes
    -----
    The hard ranks, cut at k + 1, are a permutation of ``w = (k + 1, ..., k + 1, k, ...,
    2, 1)``. The soft ones are the projection of ``-values / epsilon`` on the
    permutahedron of w, as those of `soft_rank` are that of all ranks ([1]_, section 4),
    with the signs of `values` turned if `largest` is False. For k of n - 1 or more they
    are ``soft_rank(values, descending=largest)``.

    Where w is constant no values are pooled but with those above. So one value that is
    not pooled with larger ones, in a place beyond k, shows that all below it have the
    rank k + 1, whatever their order. Only the m largest values are sorted, in O(n + m
    log m) time, with m growing from k + 1 until that is so; it stays close to k unless
    `epsilon` is large.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank import soft_topk_rank
    >>> soft_topk_rank([3.0, 0.0, 1.0, 2.5], 2, epsilon=0.5)
    array([1., 3., 3., 2.])
    >>> soft_topk_rank([3.0, 0.0, 1.0, 2.5], 2, epsilon=1.0)
    array([1.25, 3.  , 3.  , 1.75])
    """
    if needs_groups(
        epsilon, k, nan_policy=nan_policy, straight_through=straight_through
    ):
        return solve_groups(
            soft_topk_rank,
            locals(),
            OwnPlace(),
            per_row=("epsilon", "k"),
            is_exact=magnitude is True,
            fits_k=True,
        )
    epsilon = check_epsilon(epsilon)
    kind = check_regularization(regularization, ("quadratic", "entropic"))
    largest = check_flag(largest, "largest")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_compared(values, axis, magnitude)
    slices = Slices(values.shape, axis)
    k = check_k(k, slices.length)
    if k >= slices.length - 1 and not magnitude:
        return soft_rank(  # type: ignore[call-overload]
            values,
            epsilon,
            regularization=regularization,
            axis=axis,
            descending=largest,
            return_jacobian=return_jacobian,
        )
    rows = slices.to_rows(values).astype(np.float64, copy=False)
    signs = None
    if magnitude:
        signs, rows = np.sign(rows), np.abs(rows)
    low, high = float(rows.min(initial=0.0)), float(rows.max(initial=0.0))
    if not math.isfinite(high - low):
        finite = stand_ins(rows, epsilon)
        if finite is not None:
            # They do not move.
            signs = np.isfinite(rows) * (1.0 if signs is None else signs)
            rows = finite
        check_finite(rows, "values")
    kind = kind if epsilon > 0 else _pav.QUADRATIC
    tops = _solve_tops(rows if largest else -rows, k, epsilon, kind)
    ranks = np.full(rows.shape, k + 1.0)
    for top in tops:
        ranks[top.cells] = top.ranks
    result = rounded(slices.from_rows(ranks), values.dtype)
    if not return_jacobian:
        return result
    return result, _jacobian(values, slices, rows, tops, epsilon, largest, signs)


def _jacobian(values, slices, rows, tops, epsilon, largest, signs):
    """The Jacobian of the ranks; but for their tops nothing moves."""
    sign, dtype = 1.0 if largest else -1.0, values.dtype
    steepness = steepness_of(epsilon)
    if np.may_share_memory(rows, values):
        rows = rows.copy()

    def deviations(rows, *, transpose=False, anchored=False):
        """From means over the pools, 0 outside; or the transpose of that map."""
        out = np.zeros(rows.shape)
        for top in tops:
            product = np.empty(top.ranks.shape)
            _isotonic.pool_product_rows(
                rows[top.cells],
                None,
                None,
                top.pools,
                top.weights,
                _isotonic.DEVIATION,
                transpose,
                1.0,
                product,
                anchored,
            )
            out[top.cells] = product
        return out

    def multiply(rows, *, transpose):
        return -sign * steepness * deviations(rows, transpose=transpose)

    def squares():
        out = np.zeros(rows.shape)
        for top in tops:
            found = pool_squares(top.pools, top.weights, _isotonic.DEVIATION, 1.0)
            out[top.cells] = found
        out *= steepness  # the square may overflow
        out *= steepness
        return out if signs is None else np.where(signs == 0, 0.0, out)

    def find_wrt_epsilon():
        # The ranks of a pool are affine in values / epsilon.
        change = sign * steepness * deviations(rows, anchored=True)
        return rounded(slices.from_rows(steepness * change), dtype)

    return Jacobian(
        slices,
        slices,
        signed(multiply, signs),
        shapes=(values.shape, slices.shape),
        dtype=dtype,
        derivatives={"wrt_epsilon": find_wrt_epsilon},
        squares=squares,
    )


def _solve_tops(rows, k, epsilon, kind):
    """Projections of rows by their m largest values, with as large an m as each needs.

    So the result of a row does not depend on what rows are beside it.
    """
    count, n = rows.shape
    tops, left, m = [], np.arange(count), k + 1
    if epsilon > 0 and (block := _OneBlock.of(rows, k, epsilon, kind)) is not None:
        tops.append(block)
        left = np.delete(left, block.cells[0][:, 0])
    while left.size:
        # To sort all costs less than several tries.
        m = m if n > SHORT and 4 * m <= n else n
        top = _TopRows(rows, left, k, m, epsilon, kind)
        # A pool that begins with the first may reach farther down. Otherwise that is a
        # block of one, and so are all below it, for there w is constant.
        is_done = (top.pools[:, 0] != 0) | (m == n)
        tops.append(top.take(is_done))
        left, m = left[~is_done], 4 * m
    return tops


class _OneBlock:
    """What `_TopRows` are, of rows that are one block: nothing is sorted.

    Rows are one block where neither their largest value nor their smallest is too far
    from what all have in common, as sums of the first of w fall short of the most by
    straight lines.
    """

    cells: tuple[Any, Any]

    def __init__(self, which, ranks, weights):
        count, n = ranks.shape
        self.cells = which[:, None], np.broadcast_to(np.arange(n), (count, n))
        self.ranks, self.weights = ranks, weights
        self.pools = np.zeros((count, n + 1), dtype=np.int64)
        self.pools[:, 1:3] = n

    @classmethod
    def of(cls, rows, k, epsilon, kind):
        """The block of those rows that surely are one, or None."""
        n = rows.shape[1]
        if n < 2 or not rows.size:
            return None
        high, low = rows.max(axis=1), rows.min(axis=1)
        reach = 0.5 * (k + 1) if kind == _pav.QUADRATIC else 1 + math.log(k)
        which = np.flatnonzero(high - low <= reach * epsilon)  # others are too wide
        if not which.size:
            return None
        rows, high, low = rows[which], high[which, None], low[which, None]
        fall = (high - rows) / epsilon
        others = n - k  # of the rank k + 1
        if kind == _pav.QUADRATIC:
            mean = fall.mean(axis=1, keepdims=True)
            middle = (others * (k + 1) + 0.5 * k * (k + 1)) / n
            is_one = mean <= (middle - 0.5 * (k + 1)) * (1 - MARGIN)
            rise = (high - low) / epsilon - mean
            is_one &= rise <= (k + 1 - middle) * (1 - MARGIN)
            ranks, weights = middle + (fall - mean), None
        else:
            terms = np.exp(fall - fall.max(axis=1, keepdims=True))
            total = terms.sum(axis=1, keepdims=True)
            below = np.exp(-np.arange(1.0, k + 1)).sum()
            is_one = total * (1 - MARGIN) >= others + below
            smallest = terms.min(axis=1, keepdims=True)
            is_one &= smallest * (others + below) * (1 - MARGIN) >= total * below / k
            ranks = (
                fall
                - fall.max(axis=1, keepdims=True)
                + (k + 1 + np.log((others + below) / total))
            )
            weights = terms / total
        is_one = is_one[:, 0]
        if not is_one.any():
            return None
        weights = None if weights is None else weights[is_one]
        return cls(which[is_one], ranks[is_one], weights)


class _TopRows:
    """Projection of -rows / epsilon on the permutahedron of (k + 1, ..., k, ..., 1).

    Attributes
    ----------
    cells : pair of ndarrays of int, of shapes (count, 1) and (count, m)
        Where the m largest values of these rows are, smallest first. The projection of
        the others is k + 1, and its derivative 0.
    ranks : ndarray of shape (count, m)
        The projection.
    pools, weights : ndarrays of shape (count, m + 1) and (count, m)
        Pools of the m values, and the softmax weights within, None if uniform.
    """

    def __init__(self, rows, which, k, m, epsilon, kind):
        rows, (count, n) = rows[which], (len(which), rows.shape[1])
        if m < n:
            index = np.argpartition(rows, n - m, axis=1)[:, n - m :]
            top = np.take_along_axis(rows, index, axis=1)
            order, top = argsort_rows(top, descending=False)
            index = np.take_along_axis(index, order, axis=1)
        else:
            index, top = argsort_rows(rows, descending=False)
        self.cells = which[:, None], index
        unit = epsilon
        if unit == 0:  # the hard ranks have no pools but of ties
            gap = np.diff(top, axis=1, prepend=top[:, :1])
            top, unit = np.cumsum((k + 2.0) * (gap > 0), axis=1), 1.0
        elif unit > LARGE:  # its products with sizes of pools are finite
            top, unit = top / LARGE, unit / LARGE
        w = np.minimum(np.arange(m, 0, -1, dtype=np.float64), k + 1.0)
        self.ranks = np.empty((count, m))
        self.pools = np.zeros((count, m + 1), dtype=np.int64)
        self.weights = others = None
        if kind != _pav.QUADRATIC:
            self.weights, others = np.empty((2, count, m))
        found = self.ranks, self.pools, self.weights, others
        _isotonic.isotonic_rows(-top, w[None], unit, kind, True, *found)

    def take(self, chosen):
        """Only these of the rows."""
        if not chosen.all():
            self.cells = tuple(part[chosen] for part in self.cells)
            self.ranks, self.pools = self.ranks[chosen], self.pools[chosen]
            if self.weights is not None:
                self.weights = self.weights[chosen]
        return self
