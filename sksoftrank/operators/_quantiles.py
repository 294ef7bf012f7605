"""Soft quantiles, medians and trimmed means."""

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from .. import _pav
from .._checks import as_frequencies
from .._typing import Cut, NanPolicy, Regularization, ScalarOrArray
from ._by_row import CommonPlace, needs_groups, solve_groups
from ._choice import as_shares
from ._levels import many_quantiles
from ._location import Jacobian, Location, check_cut, check_fractions

# Quantiles are differences of sums of masses that are 1 apart.
MAX_TOTAL = 1e12


@overload
def soft_quantile(
    values: ArrayLike,
    q: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    regularization: Regularization = ...,
    axis: int | None = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> ScalarOrArray: ...


@overload
def soft_quantile(
    values: ArrayLike,
    q: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    regularization: Regularization = ...,
    axis: int | None = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[ScalarOrArray, Jacobian]: ...


def soft_quantile(
    values: ArrayLike,
    q: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> ScalarOrArray | tuple[ScalarOrArray, Jacobian]:
    r"""Differentiable quantiles.

    As `epsilon` goes to 0 they become ``numpy.quantile(values, q, axis=axis)``; as it
    grows they approach the mean. The derivative is a set of non-negative weights of sum
    1, spread over the values within about `epsilon` of the quantile.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. float32 is kept, float16 becomes float32, all else float64.
        Infinite ones are for ``epsilon=0`` only.
    q : float or array-like
        Probabilities, from 0 to 1.
    epsilon : float or array-like, default=1.0
        Strength of the regularization, in the units of `values`. 0 gives the hard
        quantiles. An array, of the shape of `values` without `axis`, has one for each
        slice.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative frequencies of a sum A of at most 1e12: a weight of 2 is exactly a
        repeated value. Weights whose mean over the positive ones is below one, such as
        those of sum one, cannot be frequencies and are multiplied to a mean of one.
        None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        With "quadratic" values farther than `epsilon` from the two order statistics
        around the quantile have no influence; "entropic" is infinitely differentiable.
    axis : int or None, default=-1
        Axis of the values. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out. The quantile of nothing is NaN.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    quantiles : ndarray or float
        Of the shape of `q` followed by that of `values` without `axis`.
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp`` and attributes
        ``wrt_q``, ``wrt_epsilon`` and ``wrt_weights``. Only with
        ``return_jacobian=True``. At kinks derivatives lie between the one-sided ones;
        for ``epsilon=0`` tied values share theirs equally.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_median, soft_trimmed_mean : Related locations.
    soft_topk : The choice that quantiles are made of.
    numpy.quantile : The hard operator.

    Notes
    -----
    With weights a of sum A let V(h) be the smallest value of

    .. math::

        \sum_i a_i p_i x_i + \varepsilon \sum_i a_i D(p_i, h / A)
        \quad \text{over} \quad 0 \le p_i \le 1, \; \sum_i a_i p_i = h ,

    a smooth sum of the h smallest values. D is one of

    .. math::

        D(p, g) = \frac{(p - g)^2}{2}, \qquad
        D(p, g) = p\, \log \frac{p}{g} + (1 - p)\, \log \frac{1 - p}{1 - g} ,

    the latter for "entropic". The soft quantile is :math:`V(h + 1) - V(h)` for :math:`h
    = (A - 1)\, q`; with ``epsilon=0`` one or two values remain, interpolated linearly.
    Its derivative is the difference of the optimal choices p; the quadratic one is the
    projection on a permutahedron ([1]_, section 4). Nothing is sorted: time is O(n) a
    quantile. From 8 levels on (16 with weights) quadratic and hard quantiles are taken
    from one sort, in O(n log n) time for all; their Jacobian is not formed.

    Where neighbours differ by `epsilon` or more the quadratic quantile is the hard one
    plus :math:`\varepsilon\, (1/2 - (h + 1/2) / A)`: the median is hard, the others
    have moved towards the middle.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank import soft_quantile
    >>> soft_quantile([3.0, 0.0, 1.0, 10.0], [0.25, 0.5], epsilon=0)
    array([0.75, 2.  ])
    >>> values, epsilon = [3.0, 0.0, 1.0, 10.0], 4.0
    >>> median, jacobian = soft_quantile(values, 0.5, epsilon, return_jacobian=True)
    >>> jacobian.vjp(1.0).round(3)
    array([0.417, 0.167, 0.417, 0.   ])
    """
    if straight_through is not False or needs_groups(epsilon):
        arguments = locals()
        place = CommonPlace(check_fractions(q, "q", 1.0).shape)
        return solve_groups(
            soft_quantile, arguments, place, is_exact=True, knows_nan=True
        )
    options = epsilon, weights, regularization, axis, nan_policy, return_jacobian
    location = Location(values, *options, rule=as_frequencies)
    q = check_fractions(q, "q", 1.0)
    total = location.data.total
    is_wrong = total > MAX_TOTAL
    if is_wrong.any():
        raise ValueError(
            f"weights are frequencies and must have a sum of at most {MAX_TOTAL:g}, "
            f"got a sum of {total[is_wrong][0]:g}."
        )

    def window(k):
        p = q.flat[k]
        low, rest = (total - 1) * p, (total - 1) * (1 - p)
        return (low, rest + 1), (low + 1, rest), (p, p)

    location.take(q.size, window)
    quantiles, jacobian = location.result(
        q.shape,
        {
            "wrt_q": lambda: location.derivative(
                lambda mean: (total - 1) * mean.wrt_both(), q.shape
            )
        },
        rising=np.argsort(q, axis=None, kind="stable") if q.size > 1 else None,
        columns=many_quantiles(
            location.data, q, location.epsilon, location.kind == _pav.ENTROPIC
        ),
    )
    return (quantiles, jacobian) if jacobian is not None else quantiles


@overload
def soft_median(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    regularization: Regularization = ...,
    axis: int | None = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> ScalarOrArray: ...


@overload
def soft_median(
    values: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    regularization: Regularization = ...,
    axis: int | None = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[ScalarOrArray, Jacobian]: ...


def soft_median(
    values: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> ScalarOrArray | tuple[ScalarOrArray, Jacobian]:
    """Differentiable median, the soft quantile for q = 1/2.

    Between the median (`epsilon` = 0) and the mean (large `epsilon`).

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. float32 is kept, float16 becomes float32, all else float64.
        Infinite ones are for ``epsilon=0`` only.
    epsilon : float or array-like, default=1.0
        Strength of the regularization, in the units of `values`. 0 gives the median.
        An array has one for each slice.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative frequencies, as for `soft_quantile`. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `soft_quantile`.
    axis : int or None, default=-1
        Axis of the values. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    median : ndarray or float
        Of the shape of `values` without `axis`.
    jacobian : Jacobian
        The derivative, as of `soft_quantile`. Only with ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_quantile : Any quantile, with the formula.
    numpy.median : The hard operator.

    Examples
    --------
    >>> from sksoftrank import soft_median
    >>> float(soft_median([0.0, 1.0, 2.0, 3.0, 100.0], epsilon=0.5))
    2.0
    """
    return soft_quantile(  # type: ignore[call-overload, misc]
        values,
        0.5,
        epsilon,
        weights=weights,
        regularization=regularization,
        axis=axis,
        nan_policy=nan_policy,
        straight_through=straight_through,
        return_jacobian=return_jacobian,
    )


@overload
def soft_trimmed_mean(
    values: ArrayLike,
    cut: Cut = ...,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    regularization: Regularization = ...,
    axis: int | None = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> ScalarOrArray: ...


@overload
def soft_trimmed_mean(
    values: ArrayLike,
    cut: Cut = ...,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    regularization: Regularization = ...,
    axis: int | None = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[ScalarOrArray, Jacobian]: ...


def soft_trimmed_mean(
    values: ArrayLike,
    cut: Cut = 0.25,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> ScalarOrArray | tuple[ScalarOrArray, Jacobian]:
    r"""Differentiable mean without the smallest and the largest values.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. float32 is kept, float16 becomes float32, all else float64.
        Infinite ones are for ``epsilon=0`` only.
    cut : float or pair of floats, default=0.25
        Share of the weight to leave out at each end, or at the lower and at the upper
        end, at least 0 and of sum below 1. Values are left out in part where it is
        not a whole number of them.
    epsilon : float or array-like, default=1.0
        Strength of the regularization, in the units of `values`. 0 gives the hard
        trimmed mean; as it grows the result approaches the mean. An array has one for
        each slice.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `soft_quantile`.
    axis : int or None, default=-1
        Axis of the values. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out. The mean of nothing is NaN.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    mean : ndarray or float
        Of the shape of `values` without `axis`.
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp`` and attributes
        ``wrt_cut`` (a pair: in the lower and in the upper share), ``wrt_epsilon`` and
        ``wrt_weights``. Only with ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_quantile : The same for a window of one value.
    scipy.stats.trim_mean : The hard operator, for whole numbers of values.

    Notes
    -----
    With the soft sums V of `soft_quantile`, the total weight A and the two parts c and
    d of `cut` it is

    .. math::

        \frac{V(h) - V(l)}{h - l}, \qquad l = c A, \quad h = (1 - d)\, A .

    With ``cut = (0, c)`` it is the smooth loss of least trimmed squares,
    ``losses.selection_trimmed_loss``.

    Examples
    --------
    >>> from sksoftrank import soft_trimmed_mean
    >>> float(soft_trimmed_mean([0.0, 1.0, 2.0, 1000.0], 0.25, epsilon=0.5))
    1.5
    """
    if straight_through is not False or needs_groups(epsilon):
        return solve_groups(
            soft_trimmed_mean, locals(), CommonPlace(), is_exact=True, knows_nan=True
        )
    options = epsilon, weights, regularization, axis, nan_policy, return_jacobian
    location = Location(values, *options, rule=as_shares)
    lower, upper = check_cut(cut)
    total = location.data.total
    low = lower * total, (1 - lower) * total
    high = (1 - upper) * total, upper * total
    location.take(1, lambda _: (low, high, (lower, 1 - upper)))
    mean, jacobian = location.result(
        (),
        {
            "wrt_cut": lambda: (
                location.derivative(lambda mean: total * mean.wrt_low(), ()),
                location.derivative(lambda mean: -total * mean.wrt_high(), ()),
            )
        },
    )
    return (mean, jacobian) if jacobian is not None else mean
