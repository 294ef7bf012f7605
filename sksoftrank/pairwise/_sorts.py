"""Soft sorts that compare all pairs of values, in O(n^2) time."""

from functools import partial
from numbers import Real
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._jacobian import Jacobian
from .._typing import NanPolicy
from ..operators._by_row import (
    FirstPlace,
    MatrixPlace,
    needs_groups,
    solve_groups,
)
from ._matrices import (
    NeuralSortLogits,
    SoftSortLogits,
    permutation_sort,
)


@overload
def neural_sort(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_matrix: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def neural_sort(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_matrix: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def neural_sort(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_matrix: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Differentiable sorted values by a unimodal row-stochastic matrix.

    As `epsilon` goes to 0 the result becomes ``numpy.sort(values, axis=axis)``; as it
    grows, every entry approaches the mean of `values`.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. float32 is kept, float16 becomes float32, all else
        float64.
    epsilon : float or array-like, default=1.0
        Temperature of the softmax, in the units of `values`. 0 gives the hard sort. An
        array has one for each slice.
        An array has one for each slice.
    axis : int or None, default=-1
        Axis along which to sort. None flattens `values` first.
    descending : bool, default=False
        If True the largest value comes first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and come last.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_matrix : bool, default=False
        If True the relaxed permutation matrices are returned instead of the sorted
        values, which are their products with the values.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    sorted_values : ndarray of the shape of `values`
        With ``return_matrix=True`` of shape (..., n, n): the shape of `values` without
        `axis`, then positions and values. Columns of NaN are 0.
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp``. Only with
        ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort_permutation : A simpler matrix for the same purpose.
    soft_sort : Sorted values by projection, in O(n log n).

    Notes
    -----
    The row of position i, counted from the largest value, is the softmax over j of
    ([1]_, whose tau is `epsilon`)

    .. math::

        \frac{1}{\varepsilon} \Bigl( (n + 1 - 2 i)\, x_j - \sum_l |x_j - x_l| \Bigr) .

    At ``epsilon=0`` tied values share their positions. Time is O(n^2), memory O(n)
    without the matrix.

    References
    ----------
    .. [1] A. Grover, E. Wang, A. Zweig, S. Ermon, "Stochastic Optimization of Sorting
       Networks via Continuous Relaxations", ICLR 2019, arXiv:1903.08850.

    Examples
    --------
    >>> from sksoftrank.pairwise import neural_sort
    >>> neural_sort([2.0, 0.0, 1.0], epsilon=1.0).round(3)
    array([0.292, 1.   , 1.708])
    >>> neural_sort([2.0, 0.0, 1.0], epsilon=0, return_matrix=True)
    array([[0., 1., 0.],
           [0., 0., 1.],
           [1., 0., 0.]])
    """
    if needs_groups(epsilon, nan_policy=nan_policy, straight_through=straight_through):
        arguments = locals()
        place = MatrixPlace() if return_matrix else FirstPlace()
        return solve_groups(neural_sort, arguments, place, is_exact=not return_matrix)
    return permutation_sort(
        NeuralSortLogits,
        values,
        epsilon,
        axis,
        descending,
        return_matrix,
        return_jacobian,
    )


@overload
def soft_sort_permutation(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    power: float = ...,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_matrix: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def soft_sort_permutation(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    power: float = ...,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_matrix: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def soft_sort_permutation(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    power: float = 1.0,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_matrix: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Differentiable sorted values by the distances to the hard sort.

    As `epsilon` goes to 0 the result becomes ``numpy.sort(values, axis=axis)``; as it
    grows, every entry approaches the mean of `values`.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. float32 is kept, float16 becomes float32, all else
        float64.
    epsilon : float or array-like, default=1.0
        Temperature of the softmax, in the units of the distance. 0 gives the hard sort.
        An array has one for each slice.
    power : float, default=1.0
        The power p >= 1 of the distance ``abs(difference) ** p``.
    axis : int or None, default=-1
        Axis along which to sort. None flattens `values` first.
    descending : bool, default=False
        If True the largest value comes first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and come last.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_matrix : bool, default=False
        If True the relaxed permutation matrices are returned instead of the sorted
        values, which are their products with the values.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    sorted_values : ndarray of the shape of `values`
        With ``return_matrix=True`` of shape (..., n, n): the shape of `values` without
        `axis`, then positions and values. Columns of NaN are 0.
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp``. Only with
        ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    neural_sort : The matrix that this one simplifies.
    soft_sort : Sorted values by projection, in O(n log n).

    Notes
    -----
    With the hard sort s and p = `power`, the row of position i is the softmax over j of
    ([1]_, whose tau is `epsilon`)

    .. math::

        -\frac{|s_i - x_j|^p}{\varepsilon} .

    At ``epsilon=0`` tied values share their positions. Time is O(n^2), memory O(n)
    without the matrix.

    References
    ----------
    .. [1] S. Prillo, J. Eisenschlos, "SoftSort: A Continuous Relaxation for the argsort
       Operator", ICML 2020, arXiv:2006.16038.

    Examples
    --------
    >>> from sksoftrank.pairwise import soft_sort_permutation
    >>> soft_sort_permutation([2.0, 0.0, 1.0], epsilon=0.5).round(3)
    array([0.149, 1.   , 1.851])
    """
    if needs_groups(epsilon, nan_policy=nan_policy, straight_through=straight_through):
        arguments = locals()
        place = MatrixPlace() if return_matrix else FirstPlace()
        return solve_groups(
            soft_sort_permutation, arguments, place, is_exact=not return_matrix
        )
    if not isinstance(power, Real) or isinstance(power, (bool, np.bool_)):
        raise TypeError(f"power must be a real number >= 1, got {power!r}.")
    if not 1 <= power < np.inf:
        raise ValueError(f"power must be a finite number >= 1, got {power}.")
    return permutation_sort(
        partial(SoftSortLogits, power=float(power)),
        values,
        epsilon,
        axis,
        descending,
        return_matrix,
        return_jacobian,
    )
