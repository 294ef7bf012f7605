"""Soft sort and soft rank: thin names over projections on permutahedra."""

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _isotonic, _pav
from .._checks import (
    check_differences,
    check_epsilon,
    check_exact,
    check_flag,
    check_nan_policy,
    check_regularization,
    nonfinite_error,
)
from .._jacobian import Jacobian, pool_jacobian
from .._rows import Slices, inside_pools, rounded
from .._typing import NanPolicy, RankRegularization, Regularization
from ._by_group import solve_by_group
from ._by_row import FirstPlace, OwnPlace, needs_groups, solve_groups
from ._rows import solve_rows, solve_rows_without_nan


@overload
def soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    regularization: RankRegularization = ...,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
    n_jobs: int | None = ...,
    groups: ArrayLike | None = ...,
) -> NDArray[np.floating]: ...


@overload
def soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    regularization: RankRegularization = ...,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
    n_jobs: int | None = ...,
    groups: ArrayLike | None = ...,
) -> tuple[NDArray[np.floating], Jacobian]: ...


def soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: RankRegularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
    n_jobs: int | None = None,
    groups: ArrayLike | None = None,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Differentiable ranks.

    Ranks run from 1 to n. As `epsilon` goes to 0 they become those of
    ``scipy.stats.rankdata(values, "average", axis=axis)``; as it grows they approach
    one number: their mean or, for "entropic", the logarithm of the mean of exp of them.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. float32 is kept, float16 becomes float32, all else float64.
        Infinite ones are first and last, as ties, and pooled with no finite ones: a
        mask of them in the last places leaves the others their ranks.
    epsilon : float or array-like, default=1.0
        Strength of the regularization, in the units of `values`. Where all neighbours
        differ by `epsilon` or more the ranks are hard; groups that are denser are
        pooled, together with what lies close to them. 0 gives the hard ranks.
        `epsilon_bounds` tells the range in which it matters. An array, of the shape of
        `values` without `axis`, has one for each slice.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        "quadratic" is the Euclidean projection on the permutahedron of (n, ..., 1), and
        piecewise linear. "entropic" and "kl" are smooth within pooled groups; "kl"
        projects in the Kullback-Leibler sense on that same permutahedron, "entropic"
        does so after exponentiation.
    axis : int or None, default=-1
        Axis along which to rank. None flattens `values` first.
    descending : bool, default=False
        If True the largest value has rank 1, else the smallest.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out of the ranking and have the rank NaN,
        as for `scipy.stats.rankdata`.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.
    n_jobs : int, default=None
        Number of threads over which slices are spread. None means 1, -1 all processors,
        other negative numbers count back from all.
    groups : array-like of shape (n,), default=None
        Labels of groups, in any order: each group of a flat `values` is ranked
        alone, as by a loop over the groups, in O(n) memory. An array of `epsilon` then
        has one for each group, in the order of ``numpy.unique(groups)``.

    Returns
    -------
    ranks : ndarray of the shape of `values`
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp``. Only with
        ``return_jacobian=True``. It is zero where the ranks are hard and for NaN.
        Its attribute ``wrt_epsilon`` is the derivative in `epsilon`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort : Differentiable sorted values.
    epsilon_bounds : The range of useful `epsilon`.
    scipy.stats.rankdata : The hard operator.

    Notes
    -----
    With :math:`\rho = (n, \ldots, 1)`, descending ranks of values x are the projection
    of :math:`-x / \varepsilon` on the permutahedron of :math:`\rho` ([1]_, eq. 13),
    "kl" is its eq. 27, and ascending ranks are the descending ranks of ``-values``.
    Time is O(n log n), memory O(n). Tied values share one rank: where they are pooled
    with no other value, it is the mean of their hard ranks, but for "entropic" with
    ``epsilon > 0`` the logarithm of the mean of exp of them. float32 cannot hold all
    ranks of more than 2^24 values.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank import soft_rank
    >>> soft_rank([2.0, 0.0, 1.0], epsilon=0.5)
    array([3., 1., 2.])
    >>> soft_rank([2.0, 0.0, 1.0], epsilon=2.0)
    array([2.5, 1.5, 2. ])
    >>> ranks, jacobian = soft_rank([2.0, 0.0, 1.0], 2.0, return_jacobian=True)
    >>> jacobian.vjp([1.0, 0.0, 0.0]).round(3)
    array([ 0.333, -0.167, -0.167])
    """
    if groups is not None:
        return solve_by_group(soft_rank, locals())
    # The test of the type spares a float, the usual case, the slower one.
    if straight_through is not False or (
        type(epsilon) is not float and needs_groups(epsilon)
    ):
        return solve_groups(soft_rank, locals(), OwnPlace(), knows_nan=True)
    epsilon = check_epsilon(epsilon)
    kind = check_regularization(regularization, ("quadratic", "entropic", "kl"))
    descending = check_flag(descending, "descending")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_differences(values, "values", axis)
    omits_nan = check_nan_policy(nan_policy)
    slices = Slices(values.shape, axis)
    # The kernel works on z = values / epsilon (ascending ranks) or its negative.
    sign = -1.0 if descending else 1.0
    rows = slices.to_rows(values)
    solve = solve_rows_without_nan if omits_nan else solve_rows
    solved = solve(rows, epsilon, kind, sign, keep=return_jacobian, n_jobs=n_jobs)
    if solved is None:
        raise nonfinite_error(
            values[~np.isnan(values)] if omits_nan else values, "values"
        )
    ranks = slices.from_rows(solved.out)
    if not return_jacobian:
        return ranks
    matrix = _isotonic.COVARIANCE if kind == _pav.KL else _isotonic.DEVIATION
    own_rows, is_kept = solved.own, None
    if own_rows is None:  # the caller may change the values
        own_rows = rows.copy()
    if solved.has_infinite:  # they are ties: any number stands for them
        is_kept = ~np.isinf(own_rows)
        own_rows[~is_kept] = 0

    def find_wrt_epsilon():
        change = rank_wrt_epsilon(own_rows, solved, epsilon, matrix, sign)
        return rounded(slices.from_rows(change), own_rows.dtype)

    jacobian = pool_jacobian(
        values.shape,
        slices,
        solved.pools,
        dtype=values.dtype,
        weights=solved.weights,
        input_order=solved.order,
        output_order=solved.order,
        is_kept=is_kept,
        matrix=matrix,
        divisor=sign * epsilon or 1.0,
        derivatives={"wrt_epsilon": find_wrt_epsilon},
    )
    return ranks, jacobian


@overload
def soft_sort(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    regularization: Regularization = ...,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
    n_jobs: int | None = ...,
    groups: ArrayLike | None = ...,
) -> NDArray[np.floating]: ...


@overload
def soft_sort(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    regularization: Regularization = ...,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
    n_jobs: int | None = ...,
    groups: ArrayLike | None = ...,
) -> tuple[NDArray[np.floating], Jacobian]: ...


def soft_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: Regularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
    n_jobs: int | None = None,
    groups: ArrayLike | None = None,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Differentiable sorted values.

    As `epsilon` goes to 0 the result becomes ``numpy.sort(values, axis=axis)``; as it
    grows, every entry approaches the mean of `values`. For "entropic" it is the
    logarithm of the mean of exp(values) with ``descending=True``, and ascending minus
    that of -values.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. float32 is kept, float16 becomes float32, all else float64.
        Infinite ones are for ``epsilon=0`` only.
    epsilon : float or array-like, default=1.0
        Strength of the regularization, in units of 1 / `values`: gaps between
        neighbours above ``1 / epsilon`` are smoothed. 0 gives the hard sort.
        `epsilon_bounds` tells the range in which it matters. An array, of the shape of
        `values` without `axis`, has one for each slice.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        "quadratic" projects on the permutahedron of `values` and is piecewise linear
        within pooled groups; "entropic" projects exp on the one of exp(values), in the
        Kullback-Leibler sense.
    axis : int or None, default=-1
        Axis along which to sort. None flattens `values` first.
    descending : bool, default=False
        If True the largest value comes first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and come last, where `numpy.sort`
        puts them, also with ``descending=True``.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.
    n_jobs : int, default=None
        Number of threads over which slices are spread. None means 1, -1 all processors,
        other negative numbers count back from all.
    groups : array-like of shape (n,), default=None
        Labels of groups, in any order: each group of a flat `values` is sorted
        alone, as by a loop over the groups, in O(n) memory,
        into the places of its values. An array of `epsilon` then
        has one for each group, in the order of ``numpy.unique(groups)``.

    Returns
    -------
    sorted_values : ndarray of the shape of `values`
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp``. Only with
        ``return_jacobian=True``. It is a permutation where the result is hard, and
        zero for NaN. Its attribute ``wrt_epsilon`` is the derivative in `epsilon`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_rank : Differentiable ranks.
    epsilon_bounds : The range of useful `epsilon`.
    numpy.sort : The hard operator.

    Notes
    -----
    With :math:`\rho = (n, \ldots, 1)`, the descending sort is the projection of
    :math:`\rho / \varepsilon` on the permutahedron of `values` ([1]_, eq. 12), and the
    ascending sort is minus the descending sort of ``-values``. Time is O(n log n),
    memory O(n).

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank import soft_sort
    >>> soft_sort([3.0, 0.0, 1.0], epsilon=0.25)
    array([0., 1., 3.])
    >>> soft_sort([3.0, 0.0, 1.0], epsilon=1.0)
    array([0.33333333, 1.33333333, 2.33333333])
    """
    if groups is not None:
        return solve_by_group(soft_sort, locals(), is_exact=True)
    # The test of the type spares a float, the usual case, the slower one.
    if straight_through is not False or (
        type(epsilon) is not float and needs_groups(epsilon)
    ):
        return solve_groups(
            soft_sort, locals(), FirstPlace(), knows_nan=True, is_exact=True
        )
    epsilon = check_epsilon(epsilon)
    kind = check_regularization(regularization, ("quadratic", "entropic"))
    descending = check_flag(descending, "descending")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_exact(values, "values")
    omits_nan = check_nan_policy(nan_policy)
    slices = Slices(values.shape, axis)
    sign = 1.0 if descending else -1.0
    # At epsilon = 0 no pools form, whatever the regularization.
    kind = kind if epsilon > 0 else _pav.QUADRATIC
    solve = solve_rows_without_nan if omits_nan else solve_rows
    solved = solve(
        slices.to_rows(values),
        epsilon,
        kind,
        sign,
        is_sort=True,
        keep=return_jacobian,
        n_jobs=n_jobs,
    )
    if solved is None:
        raise nonfinite_error(
            values[~np.isnan(values)] if omits_nan else values, "values"
        )
    sorted_values = slices.from_rows(solved.out)
    if not return_jacobian:
        return sorted_values
    is_kept = output_order = None
    if solved.n_kept is not None:  # NaN have the first places, but come last
        place, n_kept = np.arange(slices.length), solved.n_kept[:, None]
        is_kept = place < n_kept
        output_order = (place + n_kept) % slices.length

    def find_wrt_epsilon():
        return sort_wrt_epsilon(solved, slices, output_order, epsilon, kind, sign)

    jacobian = pool_jacobian(
        values.shape,
        slices,
        solved.pools,
        dtype=values.dtype,
        weights=solved.weights,
        input_order=solved.order,
        output_order=output_order,
        is_kept=is_kept,
        derivatives={"wrt_epsilon": find_wrt_epsilon},
    )
    return sorted_values, jacobian


def rank_wrt_epsilon(rows, solved, epsilon, matrix, sign):
    """Derivative of soft ranks of rows in epsilon, from their pools.

    The ranks of a pool, for "kl" their logarithms, are a constant plus values /
    epsilon. From the values themselves no digits are lost for large epsilon.
    """
    change = np.zeros(rows.shape)
    if epsilon > 0:
        _isotonic.pool_product_rows(
            rows.astype(np.float64, copy=False),
            solved.order,
            solved.order,
            solved.pools,
            solved.weights,
            matrix,
            False,
            -sign * epsilon,
            change,
            anchored=True,
        )
        with np.errstate(over="ignore"):
            change /= epsilon
    return change


def sort_wrt_epsilon(solved, slices, output_order, epsilon, kind, sign):
    """Derivative of soft sorted values in epsilon, from their pools.

    The values of a pool are a constant plus rho / epsilon. The constant changes so that
    the uniform or the softmax average of the changes is 0.
    """
    if epsilon == 0:
        return np.zeros(slices.shape, solved.out.dtype)
    rho = np.arange(slices.length, 0, -1, dtype=np.float64)
    weights = None
    if kind == _pav.ENTROPIC:
        weights = _softmax_of_rho(solved.pools, slices.length, epsilon)
    centred_rho = pool_jacobian(
        rho.shape,
        slices,
        solved.pools,
        dtype=np.float64,
        weights=weights,
        output_order=output_order,
        matrix=_isotonic.DEVIATION,
        divisor=-sign * epsilon,
    ).jvp(rho)
    with np.errstate(over="ignore"):
        return rounded(centred_rho / epsilon, solved.out.dtype)


def _softmax_of_rho(pools, n, epsilon):
    """Softmax of rho / epsilon within the pools of each row."""
    row, start, size, inside = inside_pools(pools, n)
    weights = np.ones((len(pools), n))
    with np.errstate(over="ignore", invalid="ignore"):
        top = np.expm1(-1 / epsilon) / np.expm1(-size / epsilon)
        weights[row, start + inside] = top * np.exp(-inside / epsilon)
    return weights
