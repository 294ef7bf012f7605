"""Soft ranks and distribution functions by optimal transport."""

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._jacobian import Jacobian
from .._typing import Cost, NanPolicy, SinkhornSquashing
from ..operators._by_row import (
    OwnPlace,
    needs_groups,
    solve_groups,
)
from ._solution import SinkhornOperator


@overload
def sinkhorn_rank(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    targets: ArrayLike | None = ...,
    target_weights: ArrayLike | None = ...,
    cost: float | Cost = ...,
    squashing: SinkhornSquashing | None = ...,
    axis: int | None = ...,
    descending: bool = ...,
    tol: float = ...,
    max_iter: int = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def sinkhorn_rank(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    targets: ArrayLike | None = ...,
    target_weights: ArrayLike | None = ...,
    cost: float | Cost = ...,
    squashing: SinkhornSquashing | None = ...,
    axis: int | None = ...,
    descending: bool = ...,
    tol: float = ...,
    max_iter: int = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def sinkhorn_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | Cost = 2.0,
    squashing: SinkhornSquashing | None = "logistic",
    axis: int | None = -1,
    descending: bool = False,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Differentiable ranks by entropic optimal transport.

    Values are transported to increasing targets; the rank of a value is the mean of the
    ranks of the targets to which its mass goes. As `epsilon` goes to 0 ranks become
    those of ``scipy.stats.rankdata(values, "average", axis=axis)``; as it grows they
    approach their mean.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. Results are float32 for float32 and float16, else float64.
    epsilon : float or array-like, default=1e-2
        Strength of the entropic regularization, in units of the cost. With values
        squashed to (0, 1) and the default cost, useful values lie between 1e-4 and
        1e-1. 0 gives the limit. An array, of the shape of `values` without
        `axis`, has one for each slice.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights of the values; their sum is made 1. None means equal
        weights. A value without weight, however far, is ranked among the others without
        influence on them.
    targets : int or array-like of shape (m,), default=None
        The targets, increasing, or the number of equally spaced targets from 0 to 1.
        None means n of these. Fewer targets take less time: O(nm).
    target_weights : array-like of shape (m,), default=None
        Non-negative weights of the targets; their sum is made 1. None means equal
        weights.
    cost : float or callable, default=2.0
        The power p >= 1 of the cost ``abs(target - value) ** p``, or a function that
        takes an array of differences ``target - value`` and returns two arrays of the
        same shape, costs and their derivatives. It should be convex.
    squashing : {"logistic", "arctan"} or None, default="logistic"
        How values are brought to the scale of the targets: they are standardised by
        their weighted mean and standard deviation, then mapped to (0, 1). None takes
        them as they are: choose `targets` and `epsilon` to suit.
    axis : int or None, default=-1
        Axis along which to rank. None flattens `values` first.
    descending : bool, default=False
        If True the largest value has rank 1, else the smallest.
    tol : float, default=1e-8
        Largest sum of absolute errors of the plan's target weights.
    max_iter : int, default=100
        Largest number of steps, each O(nm). Ten are enough as a rule.
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
        The derivative in `values`, with methods ``jvp`` and ``vjp``. Only with
        ``return_jacobian=True``. It is zero where ``epsilon=0``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    Warns
    -----
    ConvergenceWarning
        If a plan does not reach `tol`, in `max_iter` steps or because `epsilon` is too
        small for 64-bit numbers (about 1e-15 / `tol` times the largest cost).

    See Also
    --------
    sinkhorn_cdf : The same between 0 and 1.
    soft_rank : Ranks by projection, in O(n log n).

    Notes
    -----
    With the optimal plan P, weights a of the values and b of the targets, ascending
    ranks are

    .. math::

        r_i = \frac{n}{a_i} \sum_j P_{ij} \sum_{l \le j} b_l ,

    the Sinkhorn ranks of [1]_ (for ``epsilon=0`` its Kantorovich ranks); descending
    ones cumulate b from its other end. Their weighted mean is :math:`n\, (1 + \sum_j
    b_j^2) / 2`, that of hard ranks if there are n equal targets. At ``epsilon=0`` ties
    share their mass, and the plan is the monotone one, which is optimal for every
    convex cost. For ``cost=1`` it is one of many, not the one that small `epsilon` lead
    to.

    The plan is the one of Sinkhorn's algorithm, but Newton's method finds it: its steps
    are solved by conjugate gradients, preconditioned by the Laplacian of a path. The
    derivative comes from one such system more, by the implicit function theorem. Both
    take O(nm) time and memory; memory does not grow with the number of slices.

    The function ``ranks`` of ott-jax returns these results less 1, but for its looser
    tolerance. Its names: ``inputs`` = `values`, ``num_targets`` = `targets`,
    ``threshold`` = `tol`, ``squashing_fun`` = `squashing` (its sigmoid is "logistic"),
    ``epsilon`` = `epsilon`. With m targets of equal weights its ranks are
    ``(n - 1) / (m - 1) * (m / n * ranks - 1)``.

    References
    ----------
    .. [1] M. Cuturi, O. Teboul, J.-P. Vert, "Differentiable Ranks and Sorting using
       Optimal Transport", NeurIPS 2019, arXiv:1905.11885.

    Examples
    --------
    >>> from sksoftrank.sinkhorn import sinkhorn_rank
    >>> sinkhorn_rank([2.0, 0.0, 1.0], epsilon=1e-3).round(3)
    array([3., 1., 2.])
    >>> sinkhorn_rank([2.0, 0.0, 1.0], epsilon=0.1).round(3)
    array([2.81, 1.19, 2.  ])
    """
    arguments = locals()
    if needs_groups(epsilon, nan_policy=nan_policy, straight_through=straight_through):
        return solve_groups(
            sinkhorn_rank, arguments, OwnPlace(), is_exact=squashing is None
        )
    return SinkhornOperator(arguments, is_exact=False).ranks(
        targets, target_weights, scale=None
    )


@overload
def sinkhorn_cdf(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    targets: ArrayLike | None = ...,
    target_weights: ArrayLike | None = ...,
    cost: float | Cost = ...,
    squashing: SinkhornSquashing | None = ...,
    axis: int | None = ...,
    tol: float = ...,
    max_iter: int = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def sinkhorn_cdf(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    targets: ArrayLike | None = ...,
    target_weights: ArrayLike | None = ...,
    cost: float | Cost = ...,
    squashing: SinkhornSquashing | None = ...,
    axis: int | None = ...,
    tol: float = ...,
    max_iter: int = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def sinkhorn_cdf(
    values: ArrayLike,
    epsilon: ArrayLike = 1e-2,
    *,
    weights: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    target_weights: ArrayLike | None = None,
    cost: float | Cost = 2.0,
    squashing: SinkhornSquashing | None = "logistic",
    axis: int | None = -1,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Differentiable empirical distribution function, at the values themselves.

    As `epsilon` goes to 0 and with n equal targets, the result at a value becomes the
    share of the values up to it (for ties, the mean of such shares).

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. Results are float32 for float32 and float16, else float64.
    epsilon : float or array-like, default=1e-2
        Strength of the entropic regularization, as in `sinkhorn_rank`.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights of the values; their sum is made 1. None means equal
        weights. For given `targets`, integers are the same as repeats.
    targets : int or array-like of shape (m,), default=None
        The targets, increasing, or the number of equally spaced targets from 0 to 1.
        None means n of these.
    target_weights : array-like of shape (m,), default=None
        Non-negative weights of the targets; their sum is made 1. None means equal
        weights.
    cost : float or callable, default=2.0
        As in `sinkhorn_rank`.
    squashing : {"logistic", "arctan"} or None, default="logistic"
        As in `sinkhorn_rank`.
    axis : int or None, default=-1
        Axis of the samples. None flattens `values` first.
    tol : float, default=1e-8
        Largest sum of absolute errors of the plan's target weights.
    max_iter : int, default=100
        Largest number of steps, each O(nm).
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and stay NaN.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    probabilities : ndarray of the shape of `values`
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp``. Only with
        ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    Warns
    -----
    ConvergenceWarning
        If a plan does not reach `tol`.

    See Also
    --------
    sinkhorn_rank : The same times n, with more on the arguments.
    sinkhorn_quantile : The inverse.

    Notes
    -----
    With the optimal plan P and weights a of the values and b of the targets the result
    is ([1]_)

    .. math::

        \frac{1}{a_i} \sum_j P_{ij} \sum_{l \le j} b_l .

    References
    ----------
    .. [1] M. Cuturi, O. Teboul, J.-P. Vert, "Differentiable Ranks and Sorting using
       Optimal Transport", NeurIPS 2019, arXiv:1905.11885.

    Examples
    --------
    >>> from sksoftrank.sinkhorn import sinkhorn_cdf
    >>> sinkhorn_cdf([2.0, 0.0, 1.0, 7.0], epsilon=0).round(3)
    array([0.75, 0.25, 0.5 , 1.  ])
    """
    arguments = locals()
    if needs_groups(epsilon, nan_policy=nan_policy, straight_through=straight_through):
        return solve_groups(
            sinkhorn_cdf, arguments, OwnPlace(), is_exact=squashing is None
        )
    return SinkhornOperator(arguments, is_exact=False).ranks(
        targets, target_weights, scale=1.0
    )
