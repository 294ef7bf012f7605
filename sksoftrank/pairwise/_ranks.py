"""Soft ranks that compare all pairs of values, in O(n^2) time."""

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from .._jacobian import Jacobian
from .._typing import NanPolicy
from ..operators._by_row import (
    OwnPlace,
    needs_groups,
    solve_groups,
)
from ._matrices import (
    comparison_rank,
    logistic_density,
    normal_cdf,
    normal_density,
)


@overload
def all_pairs_rank(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def all_pairs_rank(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def all_pairs_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Differentiable ranks: the sum of soft comparisons with all other values.

    As `epsilon` goes to 0 the result becomes ``scipy.stats.rankdata(values, "average",
    axis=axis)``; as it grows, every rank approaches (n + 1) / 2.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. float32 is kept, float16 becomes float32, all else
        float64.
    epsilon : float or array-like, default=1.0
        Width of a comparison, in the units of `values`: the temperature of the logistic
        function. 0 gives the hard ranks. An array has one for each slice.
    axis : int or None, default=-1
        Axis along which to rank. None flattens `values` first.
    descending : bool, default=False
        If True the largest value has rank 1, else the smallest.
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

    See Also
    --------
    soft_rank : Ranks by projection, in O(n log n).
    gaussian_soft_rank : The same with the normal distribution function.

    Notes
    -----
    The ascending rank of value i is, with the logistic function g ([1]_, whose alpha is
    1 / `epsilon`),

    .. math::

        1 + \sum_{j \ne i} g\left(\frac{x_i - x_j}{\varepsilon}\right) .

    Time is O(n^2), memory O(n).

    References
    ----------
    .. [1] T. Qin, T.-Y. Liu, H. Li, "A general approximation framework for direct
       optimization of information retrieval measures", Information Retrieval 13, 2010.

    Examples
    --------
    >>> from sksoftrank.pairwise import all_pairs_rank
    >>> all_pairs_rank([2.0, 0.0, 1.0], epsilon=0.5).round(3)
    array([2.863, 1.137, 2.   ])
    """
    if needs_groups(epsilon, nan_policy=nan_policy, straight_through=straight_through):
        return solve_groups(all_pairs_rank, locals(), OwnPlace())
    return comparison_rank(
        expit, logistic_density, values, epsilon, axis, descending, return_jacobian
    )


@overload
def gaussian_soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def gaussian_soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    axis: int | None = ...,
    descending: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def gaussian_soft_rank(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Expected ranks of values with independent Gaussian noise.

    As `epsilon` goes to 0 the result becomes ``scipy.stats.rankdata(values, "average",
    axis=axis)``; as it grows, every rank approaches (n + 1) / 2.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. float32 is kept, float16 becomes float32, all else
        float64.
    epsilon : float or array-like, default=1.0
        Standard deviation of the noise, in the units of `values`. 0 gives the hard
        ranks. An array has one for each slice.
    axis : int or None, default=-1
        Axis along which to rank. None flattens `values` first.
    descending : bool, default=False
        If True the largest value has rank 1, else the smallest.
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

    See Also
    --------
    all_pairs_rank : The same with the logistic function.

    Notes
    -----
    The ascending rank of value i is one plus the sum over all other j of the
    probability that i exceeds j: with the normal distribution function :math:`\Phi`
    ([1]_, whose sigma is `epsilon`)

    .. math::

        1 + \sum_{j \ne i} \Phi\left(\frac{x_i - x_j}{\sqrt{2}\, \varepsilon}\right) .

    Time is O(n^2), memory O(n).

    References
    ----------
    .. [1] M. Taylor, J. Guiver, S. Robertson, T. Minka, "SoftRank: optimizing
       non-smooth rank metrics", WSDM 2008.

    Examples
    --------
    >>> from sksoftrank.pairwise import gaussian_soft_rank
    >>> gaussian_soft_rank([2.0, 0.0, 1.0], epsilon=0.5).round(3)
    array([2.919, 1.081, 2.   ])
    """
    if needs_groups(epsilon, nan_policy=nan_policy, straight_through=straight_through):
        return solve_groups(gaussian_soft_rank, locals(), OwnPlace())
    return comparison_rank(
        normal_cdf, normal_density, values, epsilon, axis, descending, return_jacobian
    )
