"""Soft ranks of the k largest values."""

from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _isotonic, _pav
from .._checks import (
    check_epsilon,
    check_flag,
    check_k,
    check_regularization,
    nonfinite_error,
)
from .._jacobian import Jacobian, pool_squares
from .._rows import Slices, rounded, stand_ins
from .._top_ranks import top_rank_rows
from .._typing import Array, NanPolicy, Regularization
from ._by_row import OwnPlace, needs_groups, solve_groups
from ._choice import steepness_of
from ._rows import check_compared, signed
from ._sorting import soft_rank

# The kernels by dtype.
TOP_RANK_ROWS = {
    np.dtype(np.float32): top_rank_rows["float"],
    np.dtype(np.float64): top_rank_rows["double"],
}


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

    Where w is constant no values are pooled but with those above, by one pool: all that
    are closer to the k largest than some level, whatever their order. So only the m
    largest are sorted, in O(n + m log m) time, where m is a little more than k; and
    none where `epsilon` is so large that this pool has all of the k largest.

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
    k = check_k(k, slices.length, values)
    if k >= slices.length - 1 and not magnitude:
        return soft_rank(  # type: ignore[call-overload]
            values,
            epsilon,
            regularization=regularization,
            axis=axis,
            descending=largest,
            return_jacobian=return_jacobian,
        )
    rows, signs = slices.to_rows(values), None
    if magnitude:
        signs, rows = np.sign(rows), np.abs(rows)
    solved = _solve(rows, k, epsilon, kind, largest, return_jacobian)
    if solved is None:
        finite = stand_ins(rows, epsilon)
        if finite is None:
            raise nonfinite_error(rows, "values")
        # They do not move.
        signs = np.isfinite(rows) * (1.0 if signs is None else signs)
        rows = finite
        solved = _solve(rows, k, epsilon, kind, largest, return_jacobian)
        if solved is None:
            raise nonfinite_error(rows, "values")
    ranks, pools = solved
    result = rounded(slices.from_rows(ranks), values.dtype)
    if not return_jacobian:
        return result
    return result, _jacobian(values, slices, rows, pools, epsilon, largest, signs)


class _Pools(NamedTuple):
    """The pools of all rows together; nothing else moves.

    Attributes
    ----------
    members : ndarray of int, shape (m,)
        Places in the batch, pool by pool.
    bounds : ndarray of int, shape (1, m + 1)
        Starts and ends of the pools among the members, as the kernel has them.
    weights : ndarray of shape (1, m) or None
        The softmax within, None if uniform.
    """

    members: Array
    bounds: Array
    weights: Array | None


def _solve(rows, k, epsilon, kind, largest, keep):
    """Ranks of rows, and the pools if there is to be a Jacobian; None if not finite."""
    ranks = np.empty(rows.shape, rows.dtype)
    members: Any = None
    bounds: Any = None
    weights: Any = None
    if keep:  # of what is not used nothing is touched
        members, bounds = np.empty((2, rows.size + 1), np.int64)
        weights = None if kind == _pav.QUADRATIC else np.empty(rows.size + 1)
    sign = -1.0 if largest else 1.0
    kernel = TOP_RANK_ROWS[rows.dtype]
    m, _ = kernel(rows, sign, k, epsilon, kind, ranks, members, bounds, weights)
    if m < 0:
        return None
    if not keep:
        return ranks, None
    if rows.size == 0:
        bounds[0] = 0
    if weights is not None:
        weights = weights[None, :m].copy()
    return ranks, _Pools(members[:m].copy(), bounds[None, : m + 1].copy(), weights)


def _jacobian(values, slices, rows, pools, epsilon, largest, signs):
    """The Jacobian of the ranks."""
    sign, dtype = 1.0 if largest else -1.0, values.dtype
    steepness = steepness_of(epsilon)
    members, bounds, weights = pools
    if np.may_share_memory(rows, values):
        rows = rows.copy()

    def deviations(rows, *, transpose=False, anchored=False):
        """From means over the pools, 0 outside; or the transpose of that map."""
        product, out = np.empty(bounds.shape[1] - 1), np.zeros(rows.shape)
        _isotonic.pool_product_rows(
            rows.reshape(1, -1)[:, members],
            None,
            None,
            bounds,
            weights,
            _isotonic.DEVIATION,
            transpose,
            1.0,
            product[None],
            anchored,
        )
        out.reshape(-1)[members] = product
        return out

    def multiply(rows, *, transpose):
        return -sign * steepness * deviations(rows, transpose=transpose)

    def squares():
        out = np.zeros(rows.shape)
        found = pool_squares(bounds, weights, _isotonic.DEVIATION, 1.0)
        out.reshape(-1)[members] = found[0]
        out *= steepness  # the square may overflow
        out *= steepness
        return out if signs is None else np.where(signs == 0, 0.0, out)

    def find_wrt_epsilon():
        # The ranks of a pool are affine in values / epsilon.
        change = deviations(rows.astype(np.float64, copy=False), anchored=True)
        change = sign * steepness * change
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
