"""Soft sort and soft rank: thin names over projections on permutahedra."""

import numpy as np

from . import _pav
from ._projection import (
    ProjectionJacobian,
    Slices,
    argsort_rows,
    check_epsilon,
    check_regularization,
    check_values,
)


def soft_rank(
    values,
    epsilon=1.0,
    *,
    regularization="quadratic",
    axis=-1,
    descending=False,
    return_jacobian=False,
):
    """Differentiable ranks.

    Ranks run from 1 to n. As `epsilon` goes to 0 they become those of
    ``scipy.stats.rankdata(values, "average", axis=axis)``; as it grows they approach
    their mean.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. float32 is kept, float16 becomes float32, all else
        float64.
    epsilon : float, default=1.0
        Strength of the regularization, in the units of `values`: differences far below
        it are smoothed away, differences above it are ranked hard. 0 gives the hard
        ranks. `epsilon_bounds` tells the range in which it matters.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        "quadratic" is the Euclidean projection on the permutahedron of (n, ..., 1), and
        piecewise linear. "entropic" and "kl" are smooth within pooled groups; "kl"
        projects in the Kullback-Leibler sense on that same permutahedron, "entropic"
        does so after exponentiation.
    axis : int or None, default=-1
        Axis along which to rank. None flattens `values` first.
    descending : bool, default=False
        If True the largest value has rank 1, else the smallest.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    ranks : ndarray of the shape of `values`
    jacobian : ProjectionJacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp``. Only with
        ``return_jacobian=True``. It is zero where the ranks are hard.

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
    With rho = (n, ..., 1), descending ranks are the projection of ``-values / epsilon``
    on the permutahedron of rho ([1]_, eq. 6 and section 4), "kl" is its eq. 27, and
    ascending ranks are the descending ranks of ``-values``. Time is O(n log n), memory
    O(n). Tied values share one rank: the mean of their hard ranks, but for "entropic"
    with ``epsilon > 0`` the logarithm of the mean of exp of them.

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
    epsilon = check_epsilon(epsilon)
    kind = check_regularization(regularization, ("quadratic", "entropic", "kl"))
    values = check_values(values, "values")
    slices = Slices(values.shape, axis)
    rows = slices.to_rows(values)
    # The kernel works on z = values / epsilon (ascending ranks) or its negative.
    sign = -1.0 if descending else 1.0
    order = argsort_rows(rows, descending=not descending)
    starts, weights = _block_arrays(rows.shape, kind, return_jacobian)
    out = np.empty_like(rows)
    _pav.rank_rows(rows, order, epsilon, kind, sign, out, starts, weights)
    ranks = slices.from_rows(out)
    if not return_jacobian:
        return ranks
    is_hard = epsilon == 0
    jacobian = ProjectionJacobian(
        values.shape,
        slices,
        starts,
        dtype=values.dtype,
        weights=None if is_hard else weights,
        input_order=order,
        output_order=order,
        residual=True,
        divisor=sign if is_hard else sign * epsilon,
        # d exp(u) = exp(u) du, eq. 27.
        factor=out.astype(np.float64) if kind == _pav.KL else None,
    )
    return ranks, jacobian


def soft_sort(
    values,
    epsilon=1.0,
    *,
    regularization="quadratic",
    axis=-1,
    descending=False,
    return_jacobian=False,
):
    """Differentiable sorted values.

    As `epsilon` goes to 0 the result becomes ``numpy.sort(values, axis=axis)``; as it
    grows, every entry approaches the mean of `values` ("quadratic") or the logarithm of
    the mean of their exponentials ("entropic").

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. float32 is kept, float16 becomes float32, all else
        float64.
    epsilon : float, default=1.0
        Strength of the regularization, in units of 1 / `values`: gaps between
        neighbours above ``1 / epsilon`` are smoothed. 0 gives the hard sort.
        `epsilon_bounds` tells the range in which it matters.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        "quadratic" projects on the permutahedron of `values` and is piecewise linear
        within pooled groups; "entropic" projects exp on the one of exp(values), in the
        Kullback-Leibler sense.
    axis : int or None, default=-1
        Axis along which to sort. None flattens `values` first.
    descending : bool, default=False
        If True the largest value comes first.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    sorted_values : ndarray of the shape of `values`
    jacobian : ProjectionJacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp``. Only with
        ``return_jacobian=True``. It is a permutation where the result is hard.

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
    With rho = (n, ..., 1), the descending sort is the projection of ``rho / epsilon``
    on the permutahedron of `values` ([1]_, eq. 5 and section 4), and the ascending sort
    is minus the descending sort of ``-values``. Time is O(n log n), memory O(n).

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
    epsilon = check_epsilon(epsilon)
    kind = check_regularization(regularization, ("quadratic", "entropic"))
    values = check_values(values, "values")
    slices = Slices(values.shape, axis)
    rows = slices.to_rows(values)
    sign = 1.0 if descending else -1.0
    order = argsort_rows(rows, descending=descending)
    starts, weights = _block_arrays(rows.shape, kind, return_jacobian)
    out = np.empty_like(rows)
    _pav.sort_rows(rows, order, epsilon, kind, sign, out, starts, weights)
    sorted_values = slices.from_rows(out)
    if not return_jacobian:
        return sorted_values
    jacobian = ProjectionJacobian(
        values.shape,
        slices,
        starts,
        dtype=values.dtype,
        weights=weights,
        input_order=order,
    )
    return sorted_values, jacobian


def _block_arrays(shape, kind, return_jacobian):
    """Arrays in which the kernel leaves what the Jacobian needs, else None."""
    if not return_jacobian:
        return None, None
    count, length = shape
    starts = np.zeros((count, length + 1), dtype=np.intp)
    return starts, None if kind == _pav.QUADRATIC else np.empty(shape)
