"""Values clipped at their soft quantiles."""

import math
from functools import partial
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import check_exact, check_flag
from .._jacobian import Jacobian
from .._rows import Slices, rounded
from .._typing import Cut, NanPolicy, Regularization
from ._location import check_cut
from ._quantiles import soft_quantile


@overload
def soft_winsorize(
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
) -> NDArray[np.floating]: ...


@overload
def soft_winsorize(
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
) -> tuple[NDArray[np.floating], Jacobian]: ...


def soft_winsorize(
    values: ArrayLike,
    cut: Cut = 0.05,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: Regularization = "quadratic",
    axis: int | None = -1,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    """Values clipped at two of their own soft quantiles.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. float32 is kept, float16 becomes float32, all else float64.
    cut : float or pair of floats, default=0.05
        Values are clipped at the quantiles `cut` and ``1 - cut``, or ``cut[0]`` and
        ``1 - cut[1]``; at least 0 and of sum below 1. With 0 the bounds are the *soft*
        extremes, which lie inside, so that values beyond them are still clipped.
    epsilon : float or array-like, default=1.0
        Strength of the regularization of the quantiles, in the units of `values`. 0
        gives the hard quantiles. An array has one for each slice.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative frequencies for the quantiles, as for `soft_quantile`. None means
        ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `soft_quantile`.
    axis : int or None, default=-1
        Axis of the values. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out of the quantiles and stay NaN.
    straight_through : bool, default=False
        Whether the bounds are the hard ones, those for ``epsilon=0``, while their
        derivatives stay those for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    winsorized : ndarray of the shape of `values`
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp`` and attributes
        ``wrt_cut``, ``wrt_epsilon`` and ``wrt_weights``. Only with
        ``return_jacobian=True``. NaN have the derivative 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_quantile : The bounds.
    scipy.stats.mstats.winsorize : Clips at order statistics.

    Notes
    -----
    The values as such are clipped hard, so those between the bounds are untouched; the
    bounds move smoothly with all values near them.

    Examples
    --------
    >>> from sksoftrank import soft_winsorize
    >>> soft_winsorize([0.0, 1.0, 2.0, 3.0, 100.0], 0.25, epsilon=0.5)
    array([1.1, 1.1, 2. , 2.9, 2.9])
    """
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_exact(values, "values")
    solve = partial(
        soft_quantile,
        values,
        epsilon=epsilon,
        weights=weights,
        regularization=regularization,
        axis=axis,
        nan_policy=nan_policy,
        straight_through=straight_through,
        return_jacobian=return_jacobian,
    )
    try:
        lower, upper = check_cut(cut)
    except (TypeError, ValueError):
        solve(0.5)  # what is wrong with the others is said first
        raise
    quantiles: Any = solve([lower, 1 - upper])
    bounds, bounds_jacobian = quantiles if return_jacobian else (quantiles, None)
    slices = Slices(values.shape, axis)
    rows = slices.to_rows(values)
    low, high = bounds.reshape(2, -1, 1)
    clipped = np.clip(rows, low, high)
    clipped += 0.0  # which of two zeros is the larger depends on the batch
    result = slices.from_rows(clipped)
    if not return_jacobian:
        return result
    is_nan = np.isnan(rows)
    # Bounds that have met but for rounding, as for large epsilon, clip all values. What
    # is farther than epsilon from them adds no rounding.
    size = np.where(np.isinf(rows), 0, np.abs(rows))
    size = np.fmax.reduce(size, axis=1, keepdims=True)
    reach = np.asarray(epsilon, dtype=np.float64).reshape(-1, 1)
    size = np.minimum(size, reach)
    for bound in low, high:  # infinite ones have met only if they are equal
        size = np.maximum(size, np.where(np.isinf(bound), 0, np.abs(bound)))
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite ones
        is_close = high - low <= 8 * np.finfo(rows.dtype).eps * size
    has_met = (high == low) | is_close
    is_above = (rows > high) | (has_met & ~is_nan)
    sides = (rows < low) & ~is_above, is_above, is_nan
    return result, _jacobian(slices, sides, bounds_jacobian)


def _jacobian(slices, sides, quantiles):
    """The Jacobian of values that are clipped, by that of the quantiles."""
    is_below, is_above, is_nan = sides
    is_inside = ~(is_below | is_above | is_nan)
    dtype = quantiles.dtype

    def spread(bounds):
        """Both bounds, by slice, to the values that are clipped at them."""
        low, high = np.reshape(bounds, (2, -1, 1))
        return np.where(is_below, low, np.where(is_above, high, 0.0))

    def collect(rows):
        """The transpose of `spread`."""
        sums = [np.sum(rows * side, axis=1) for side in (is_below, is_above)]
        return np.reshape(sums, quantiles.output_shape)

    def multiply(rows, *, transpose):
        if transpose:
            pulled = quantiles.vjp(collect(rows))
            return rows * is_inside + slices.to_rows(pulled)
        u = slices.from_rows(rows).reshape(quantiles.input_shape)
        return rows * is_inside + spread(quantiles.jvp(u))

    def squares():
        found = is_inside.astype(np.float64)
        for i, side in enumerate((is_below, is_above)):
            bound = np.zeros(quantiles.output_shape)
            bound[i] = 1
            found += slices.to_rows(quantiles.vjp(bound)) ** 2 * _sum(side)
        return found

    def find_wrt_weights():
        wrt_weights = quantiles.wrt_weights

        def multiply_weights(rows, *, transpose):
            if transpose:
                return wrt_weights.vjp(collect(rows)).reshape(1, -1)
            return spread(wrt_weights.jvp(rows.reshape(wrt_weights.input_shape)))

        return Jacobian(
            Slices((math.prod(wrt_weights.input_shape),), 0),
            slices,
            multiply_weights,
            shapes=(wrt_weights.input_shape, slices.shape),
            dtype=dtype,
        )

    def as_values(bounds):
        return rounded(slices.from_rows(spread(bounds)), dtype)

    def find_wrt_cut():
        in_lower, in_upper = quantiles.wrt_q
        return (
            as_values([in_lower, np.zeros_like(in_upper)]),
            as_values([np.zeros_like(in_lower), -in_upper]),
        )

    return Jacobian(
        slices,
        slices,
        multiply,
        shapes=(quantiles.input_shape, slices.shape),
        dtype=dtype,
        derivatives={
            "wrt_cut": find_wrt_cut,
            "wrt_epsilon": lambda: as_values(quantiles.wrt_epsilon),
            "wrt_weights": find_wrt_weights,
        },
        squares=squares,
    )


def _sum(array):
    return np.sum(array, axis=1, keepdims=True)
