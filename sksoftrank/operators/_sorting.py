"""Soft sort and soft rank: thin names over projections on permutahedra."""

from concurrent.futures import ThreadPoolExecutor
from numbers import Integral

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils import gen_batches

from .. import _pav
from .._checks import (
    check_epsilon,
    check_flag,
    check_regularization,
    check_values,
    nonfinite_error,
)
from .._projection import ProjectionJacobian, Slices

# Rows are sorted and solved in chunks of about this many values, which stay in cache.
CHUNK_SIZE = 2**15

# The kernels by dtype: a lookup here costs less than dispatch on every call.
RANK_ROWS = {
    np.dtype(np.float32): _pav.rank_rows["float"],
    np.dtype(np.float64): _pav.rank_rows["double"],
}
SORT_ROWS = {
    np.dtype(np.float32): _pav.sort_rows["float"],
    np.dtype(np.float64): _pav.sort_rows["double"],
}


def soft_rank(
    values,
    epsilon=1.0,
    *,
    regularization="quadratic",
    axis=-1,
    descending=False,
    return_jacobian=False,
    n_jobs=None,
):
    """Differentiable ranks.

    Ranks run from 1 to n. As `epsilon` goes to 0 they become those of
    ``scipy.stats.rankdata(values, "average", axis=axis)``; as it grows they approach
    one number: their mean or, for "entropic", the logarithm of the mean of exp of them.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. float32 is kept, float16 becomes float32, all else
        float64.
    epsilon : float, default=1.0
        Strength of the regularization, in the units of `values`. Where all neighbours
        differ by `epsilon` or more the ranks are hard; groups that are denser are
        pooled, together with what lies close to them. 0 gives the hard ranks.
        `epsilon_bounds` tells the range in which it matters.
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
    n_jobs : int, default=None
        Number of threads over which slices are spread. None means 1, -1 all processors,
        other negative numbers count back from all.

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
    O(n). Tied values share one rank: where they are pooled with no other value, it is
    the mean of their hard ranks, but for "entropic" with ``epsilon > 0`` the logarithm
    of the mean of exp of them. float32 cannot hold all ranks of more than 2^24 values.

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
    descending = check_flag(descending, "descending")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_values(values, "values")
    slices = Slices(values.shape, axis)
    rows = slices.to_rows(values)
    # The kernel works on z = values / epsilon (ascending ranks) or its negative.
    sign = -1.0 if descending else 1.0
    keys, pools, weights = _jacobian_arrays(rows.shape, kind, return_jacobian)
    out = np.empty(rows.shape, rows.dtype)
    rank_rows = RANK_ROWS[rows.dtype]

    def solve(rows, keys, out, pools, weights):
        if keys is None:  # without a Jacobian the order is not kept
            keys = np.empty(rows.shape)
        if rank_rows(rows, epsilon, kind, sign, keys, out, pools, weights) < 0:
            raise nonfinite_error(values, "values")

    _in_chunks(solve, n_jobs, rows, keys, out, pools, weights)
    ranks = slices.from_rows(out)
    if not return_jacobian:
        return ranks
    order = keys.view(np.int64)
    jacobian = ProjectionJacobian(
        values.shape,
        slices,
        pools,
        dtype=values.dtype,
        weights=weights,
        input_order=order,
        output_order=order,
        matrix=_pav.COVARIANCE if kind == _pav.KL else _pav.DEVIATION,
        divisor=sign * epsilon or 1.0,
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
    n_jobs=None,
):
    """Differentiable sorted values.

    As `epsilon` goes to 0 the result becomes ``numpy.sort(values, axis=axis)``; as it
    grows, every entry approaches the mean of `values`. For "entropic" it is the
    logarithm of the mean of exp(values) with ``descending=True``, and ascending minus
    that of -values.

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
    n_jobs : int, default=None
        Number of threads over which slices are spread. None means 1, -1 all processors,
        other negative numbers count back from all.

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
    descending = check_flag(descending, "descending")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_values(values, "values")
    slices = Slices(values.shape, axis)
    rows = slices.to_rows(values)
    sign = 1.0 if descending else -1.0
    # At epsilon = 0 no pools form, whatever the regularization.
    kind = kind if epsilon > 0 else _pav.QUADRATIC
    keys, pools, weights = _jacobian_arrays(rows.shape, kind, return_jacobian)
    out = np.empty(rows.shape, rows.dtype)
    sort_rows = SORT_ROWS[rows.dtype]

    def solve(rows, keys, out, pools, weights):
        if keys is None:  # values alone sort faster than with their order
            out[...] = rows
            out.sort(axis=1)
            if descending:
                out[...] = out[:, ::-1]
            work = 0
        else:
            work = _pav.argsort_rows(rows, sign, keys, out)
        if work < 0 or sort_rows(out, epsilon, kind, sign, pools, weights) < 0:
            raise nonfinite_error(values, "values")

    _in_chunks(solve, n_jobs, rows, keys, out, pools, weights)
    sorted_values = slices.from_rows(out)
    if not return_jacobian:
        return sorted_values
    jacobian = ProjectionJacobian(
        values.shape,
        slices,
        pools,
        dtype=values.dtype,
        weights=weights,
        input_order=keys.view(np.int64),
    )
    return sorted_values, jacobian


def _jacobian_arrays(shape, kind, return_jacobian):
    """Arrays in which the kernel leaves what the Jacobian needs, else None."""
    if not return_jacobian:
        return None, None, None
    n_rows, n = shape
    keys = np.empty(shape)
    pools = np.empty((n_rows, n + 1), dtype=np.int64)
    pools[:, 0] = n  # rows the kernel does not see, those of n = 0, have no pools
    weights = None if kind == _pav.QUADRATIC else np.empty(shape)
    return keys, pools, weights


def _in_chunks(solve, n_jobs, rows, *arrays):
    """Call `solve` on chunks of the rows of all arrays; None stays None."""
    if n_jobs is None and rows.size <= CHUNK_SIZE:
        solve(rows, *arrays)
        return
    n_threads = _check_n_jobs(n_jobs)
    n_rows, n = rows.shape
    if n_threads == 1:
        size = max(1, CHUNK_SIZE // max(n, 1))
    else:
        # One chunk a thread: they need the GIL between chunks.
        size = max(1, -(-n_rows // n_threads))
    if n_rows <= size:
        solve(rows, *arrays)
        return
    chunks = [
        [None if array is None else array[batch] for array in (rows, *arrays)]
        for batch in gen_batches(n_rows, size)
    ]
    if n_threads == 1:
        for chunk in chunks:
            solve(*chunk)
    else:
        with ThreadPoolExecutor(n_threads) as threads:
            # list: raise what a thread raised.
            list(threads.map(lambda chunk: solve(*chunk), chunks))


def _check_n_jobs(n_jobs):
    """Number of threads that `n_jobs` asks for."""
    if n_jobs is not None and (
        not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool)
    ):
        raise TypeError(f"n_jobs must be a non-zero integer or None, got {n_jobs!r}.")
    if n_jobs == 0:
        raise ValueError("n_jobs must be a non-zero integer or None, got 0.")
    return effective_n_jobs(n_jobs)
