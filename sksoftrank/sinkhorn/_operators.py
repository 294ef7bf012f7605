"""Soft ranks, sorts, quantiles and distribution functions by optimal transport."""

from numbers import Real

import numpy as np

from .._checks import check_flag, check_values
from .._slices import Slices
from ._solution import SinkhornOperator, check_targets


def sinkhorn_rank(
    values,
    epsilon=1e-2,
    *,
    weights=None,
    targets=None,
    target_weights=None,
    cost=2.0,
    squashing="logistic",
    axis=-1,
    descending=False,
    tol=1e-8,
    max_iter=100,
    return_jacobian=False,
):
    """Differentiable ranks by entropic optimal transport.

    Values are transported to increasing targets; the rank of a value is the mean of the
    ranks of the targets to which its mass goes. As `epsilon` goes to 0 ranks become
    those of ``scipy.stats.rankdata(values, "average", axis=axis)``; as it grows they
    approach their mean.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. Results are float32 for float32 and float16, else float64.
    epsilon : float, default=1e-2
        Strength of the entropic regularization, in units of the cost. With values
        squashed to (0, 1) and the default cost, useful values lie between 1e-4 and
        1e-1. 0 gives the limit.
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
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    ranks : ndarray of the shape of `values`
    jacobian : RowwiseJacobian
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
    ranks are ``n * (P @ cumsum(b)) / a``, the Sinkhorn ranks of [1]_ (for ``epsilon=0``
    its Kantorovich ranks); descending ones cumulate b from its other end. Their
    weighted mean is ``n * (1 + sum(b**2)) / 2``, that of hard ranks if there are n
    equal targets. At ``epsilon=0`` ties share their mass, and the plan is the monotone
    one, which is optimal for every convex cost. For ``cost=1`` it is one of many, not
    the one that small `epsilon` lead to.

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
    return SinkhornOperator(
        values,
        axis,
        epsilon,
        weights,
        cost,
        squashing,
        tol,
        max_iter,
        return_jacobian,
        is_exact=False,
    ).ranks(targets, target_weights, check_flag(descending, "descending"), scale=None)


def sinkhorn_cdf(
    values,
    epsilon=1e-2,
    *,
    weights=None,
    targets=None,
    target_weights=None,
    cost=2.0,
    squashing="logistic",
    axis=-1,
    tol=1e-8,
    max_iter=100,
    return_jacobian=False,
):
    """Differentiable empirical distribution function, at the values themselves.

    As `epsilon` goes to 0 and with n equal targets, the result at a value becomes the
    share of the values up to it (for ties, the mean of such shares).

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. Results are float32 for float32 and float16, else float64.
    epsilon : float, default=1e-2
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
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    probabilities : ndarray of the shape of `values`
    jacobian : RowwiseJacobian
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
    The result is ``(P @ cumsum(b)) / a`` for the optimal plan P and weights a of the
    values and b of the targets ([1]_).

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
    return SinkhornOperator(
        values,
        axis,
        epsilon,
        weights,
        cost,
        squashing,
        tol,
        max_iter,
        return_jacobian,
        is_exact=False,
    ).ranks(targets, target_weights, False, scale=1.0)


def sinkhorn_sort(
    values,
    epsilon=1e-2,
    *,
    weights=None,
    targets=None,
    target_weights=None,
    cost=2.0,
    squashing="logistic",
    axis=-1,
    descending=False,
    tol=1e-8,
    max_iter=100,
    return_jacobian=False,
):
    """Differentiable sorted values by entropic optimal transport.

    Values are transported to increasing targets; each target returns the mean of the
    values whose mass it receives. As `epsilon` goes to 0 and with n equal targets, the
    result becomes ``numpy.sort(values, axis=axis)``; as it grows, every entry
    approaches the mean of `values`.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. Results are float32 for float32 and float16, else float64.
    epsilon : float, default=1e-2
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
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    sorted_values : ndarray of shape (..., m, ...)
    jacobian : RowwiseJacobian
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
    The result is ``(P.T @ values) / b`` for the optimal plan P and weights b of the
    targets ([1]_). The function ``sort`` of ott-jax has the same
    results and defaults; see `sinkhorn_rank` for its names.

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
    operator = SinkhornOperator(
        values,
        axis,
        epsilon,
        weights,
        cost,
        squashing,
        tol,
        max_iter,
        return_jacobian,
        is_exact=True,
    )
    descending = check_flag(descending, "descending")
    slices = operator.slices
    milestones, masses = check_targets(targets, target_weights, slices.length)
    m = len(milestones)
    picks = np.arange(m)[::-1] if descending else np.arange(m)
    shape = (*slices.shape[: slices.axis], m, *slices.shape[slices.axis + 1 :])
    return operator.sorts(milestones, masses, picks, Slices(shape, slices.axis), shape)


def sinkhorn_quantile(
    values,
    q=0.5,
    epsilon=1e-2,
    *,
    width=None,
    weights=None,
    cost=2.0,
    squashing="logistic",
    axis=-1,
    tol=1e-8,
    max_iter=100,
    return_jacobian=False,
):
    """Differentiable quantiles by entropic optimal transport.

    As `epsilon` goes to 0 the result becomes the mean of all quantiles from
    ``q - width / 2`` to ``q + width / 2``.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. Results are float32 for float32 and float16, else float64.
    q : float or array-like of shape (k,), default=0.5
        Probabilities strictly between 0 and 1, in any order.
    epsilon : float, default=1e-2
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
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    quantiles : ndarray
        As for ``numpy.quantile``: of the shape of `values` without `axis`, with the
        quantiles along a new first axis if `q` is not a scalar.
    jacobian : RowwiseJacobian
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
    operator = SinkhornOperator(
        values,
        axis,
        epsilon,
        weights,
        cost,
        squashing,
        tol,
        max_iter,
        return_jacobian,
        is_exact=True,
    )
    other_shape = operator.slices.other_shape
    probabilities = check_values(np.atleast_1d(q), "q")
    milestones, masses, picks = _quantile_targets(
        probabilities, width, operator.slices.length
    )
    slices = Slices((len(probabilities), *other_shape), 0)
    shape = slices.shape if np.ndim(q) else other_shape
    return operator.sorts(milestones, masses, picks, slices, shape)


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
    elif not 0 < width <= largest * (1 + 8 * np.finfo(float).eps):
        raise ValueError(f"width must be in (0, {largest}] for these q, got {width}.")
    masses = np.full(2 * len(levels) + 1, float(width))
    masses[::2] = gaps - width
    masses[[0, -1]] += width / 2
    return np.linspace(0.0, 1.0, len(masses)), masses, 2 * inverse.ravel() + 1
