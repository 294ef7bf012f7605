"""Soft sorts and quantiles by optimal transport."""

from numbers import Integral, Real
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import check_values
from .._jacobian import Jacobian
from .._rows import Slices
from .._typing import Cost, NanPolicy, SinkhornSquashing
from ..operators._by_row import (
    CommonPlace,
    FirstPlace,
    needs_groups,
    solve_groups,
)
from ._solution import SinkhornOperator, check_targets


@overload
def sinkhorn_sort(
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
def sinkhorn_sort(
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


def sinkhorn_sort(
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
    r"""Differentiable sorted values by entropic optimal transport.

    Values are transported to increasing targets; each target returns the mean of the
    values whose mass it receives. As `epsilon` goes to 0 and with n equal targets, the
    result becomes ``numpy.sort(values, axis=axis)``; as it grows, every entry
    approaches the mean of `values`.

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
        None means n of these. With m < n targets each is the mean of n / m values.
    target_weights : array-like of shape (m,), default=None
        Non-negative weights of the targets; their sum is made 1. None means equal
        weights.
    cost : float or callable, default=2.0
        As in `sinkhorn_rank`.
    squashing : {"logistic", "arctan"} or None, default="logistic"
        As in `sinkhorn_rank`. The result has the units of `values` all the same.
    axis : int or None, default=-1
        Axis along which to sort. None flattens `values` first.
    descending : bool, default=False
        If True the result of the last target comes first.
    tol : float, default=1e-8
        Largest sum of absolute errors of the plan's weights of the values.
    max_iter : int, default=100
        Largest number of steps, each O(nm).
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and come last.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    sorted_values : ndarray of shape (..., m, ...)
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
    sinkhorn_rank : More on the arguments.
    sinkhorn_quantile : A few targets, one for each quantile.
    soft_sort : Sorted values by projection, in O(n log n).

    Notes
    -----
    With the optimal plan P and weights b of the targets the result is ([1]_)

    .. math::

        \frac{1}{b_j} \sum_i P_{ij} x_i .

    The function ``sort`` of ott-jax has the same results and defaults; see
    `sinkhorn_rank` for its names.

    References
    ----------
    .. [1] M. Cuturi, O. Teboul, J.-P. Vert, "Differentiable Ranks and Sorting using
       Optimal Transport", NeurIPS 2019, arXiv:1905.11885.

    Examples
    --------
    >>> from sksoftrank.sinkhorn import sinkhorn_sort
    >>> sinkhorn_sort([3.0, 0.0, 1.0], epsilon=1e-3).round(3)
    array([0., 1., 3.])
    >>> sinkhorn_sort([3.0, 0.0, 1.0, 6.0], epsilon=0, targets=2)
    array([0.5, 4.5])
    """
    arguments = locals()
    if needs_groups(epsilon, nan_policy=nan_policy, straight_through=straight_through):
        return solve_groups(
            sinkhorn_sort, arguments, FirstPlace(_number(targets)), is_exact=True
        )
    operator = SinkhornOperator(arguments, is_exact=True)
    slices = operator.slices
    milestones, masses = check_targets(targets, target_weights, slices.length)
    m = len(milestones)
    picks = np.arange(m)[::-1] if operator.descending else np.arange(m)
    shape = (*slices.shape[: slices.axis], m, *slices.shape[slices.axis + 1 :])
    return operator.sorts(milestones, masses, picks, Slices(shape, slices.axis), shape)


@overload
def sinkhorn_quantile(
    values: ArrayLike,
    q: ArrayLike = ...,
    epsilon: ArrayLike = ...,
    *,
    width: float | None = ...,
    weights: ArrayLike | None = ...,
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
def sinkhorn_quantile(
    values: ArrayLike,
    q: ArrayLike = ...,
    epsilon: ArrayLike = ...,
    *,
    width: float | None = ...,
    weights: ArrayLike | None = ...,
    cost: float | Cost = ...,
    squashing: SinkhornSquashing | None = ...,
    axis: int | None = ...,
    tol: float = ...,
    max_iter: int = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def sinkhorn_quantile(
    values: ArrayLike,
    q: ArrayLike = 0.5,
    epsilon: ArrayLike = 1e-2,
    *,
    width: float | None = None,
    weights: ArrayLike | None = None,
    cost: float | Cost = 2.0,
    squashing: SinkhornSquashing | None = "logistic",
    axis: int | None = -1,
    tol: float = 1e-8,
    max_iter: int = 100,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    """Differentiable quantiles by entropic optimal transport.

    As `epsilon` goes to 0 the result becomes the mean of all quantiles from
    ``q - width / 2`` to ``q + width / 2``.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. Results are float32 for float32 and float16, else float64.
    q : float or array-like of shape (k,), default=0.5
        Probabilities strictly between 0 and 1, in any order.
    epsilon : float or array-like, default=1e-2
        Strength of the entropic regularization, as in `sinkhorn_rank`. As the targets
        are few and far apart it can be larger than for sorting.
    width : float, default=None
        Share of all mass of which each quantile is the mean, at most half the smallest
        gap in (0, q, 1). None means the smallest of this, 1.5 / n and 0.02.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights of the values; their sum is made 1. None means equal
        weights.
    cost : float or callable, default=2.0
        As in `sinkhorn_rank`.
    squashing : {"logistic", "arctan"} or None, default="logistic"
        As in `sinkhorn_rank`.
    axis : int or None, default=-1
        Axis along which to take quantiles. None flattens `values` first.
    tol : float, default=1e-8
        Largest sum of absolute errors of the plan's weights of the values.
    max_iter : int, default=100
        Largest number of steps, each O(nk).
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out. The quantile of nothing
        is NaN.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    quantiles : ndarray
        As for `numpy.quantile`: of the shape of `values` without `axis`, with the
        quantiles along a new first axis if `q` is not a scalar.
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
    sinkhorn_sort : One target for each value.
    numpy.quantile : The hard operator.

    Notes
    -----
    The 2k + 1 targets are equally spaced from 0 to 1; every second one is that of a
    quantile, with weight `width`, the others receive the mass in between ([1]_, there
    for one quantile). The function ``quantile`` of ott-jax calls `width` ``weight``.

    References
    ----------
    .. [1] M. Cuturi, O. Teboul, J.-P. Vert, "Differentiable Ranks and Sorting using
       Optimal Transport", NeurIPS 2019, arXiv:1905.11885.

    Examples
    --------
    >>> from sksoftrank.sinkhorn import sinkhorn_quantile
    >>> sinkhorn_quantile([9.0, 1.0, 2.0, 3.0, 4.0], [0.1, 0.5], epsilon=1e-3).round(3)
    array([1., 3.])
    """
    arguments = locals()
    if needs_groups(epsilon, nan_policy=nan_policy, straight_through=straight_through):
        return solve_groups(
            sinkhorn_quantile,
            arguments,
            CommonPlace(np.shape(q), as_number=False),
            is_exact=True,
        )
    operator = SinkhornOperator(arguments, is_exact=True)
    other_shape = operator.slices.other_shape
    probabilities = check_values(np.atleast_1d(q), "q")
    milestones, masses, picks = _quantile_targets(
        probabilities, width, operator.slices.length
    )
    slices = Slices((len(probabilities), *other_shape), 0)
    shape = slices.shape if np.ndim(q) else other_shape
    return operator.sorts(milestones, masses, picks, slices, shape)


def _number(targets):
    """The number of targets, None for one for each value."""
    if targets is None or isinstance(targets, Integral):
        return targets
    return np.size(targets)


def _quantile_targets(q, width, n):
    """Targets, their weights, and which of them are the quantiles."""
    if q.ndim != 1 or not q.size or not (q.min() > 0 and q.max() < 1):
        raise ValueError(
            f"q must be one or several numbers strictly between 0 and 1, got {q}."
        )
    levels, inverse = np.unique(q.astype(np.float64), return_inverse=True)
    gaps = np.diff(levels, prepend=0.0, append=1.0)
    largest = 0.5 * gaps.min()
    if width is None:
        width = min(largest, 0.02, 1.5 / max(n, 1))
    elif not isinstance(width, Real) or isinstance(width, bool):
        raise TypeError(f"width must be a number or None, got {width!r}.")
    elif not 0 < float(width) <= largest * (1 + 8 * np.finfo(float).eps):
        raise ValueError(f"width must be in (0, {largest}] for these q, got {width}.")
    masses = np.full(2 * len(levels) + 1, float(width))
    masses[::2] = gaps - width
    masses[[0, -1]] += width / 2
    return np.linspace(0.0, 1.0, len(masses)), masses, 2 * inverse.ravel() + 1
