"""Quantiles and what is made of them for any framework `xp`."""

from collections.abc import Callable
from typing import Any

from .._checks import check_flag, check_nan_policy, nonfinite_error
from ._arguments import (
    Axis,
    check_cut,
    check_levels,
    check_nonempty,
    check_weights,
    hard_value,
    nan_where,
    prepare,
    stand_ins,
    straight_through,
    wide,
)
from ._choices import Data, window_mean
from ._operators import rank

# What callers say where weights or levels leave less than nothing of a choice.
LEVEL_DEMAND = (
    "levels must be in [0, 1], and weights are frequencies with a sum of at least 1"
)


class Location:
    """Quantiles and trimmed means of the slices of `values`."""

    def __init__(
        self,
        xp: Any,
        values: Any,
        epsilon: Any,
        weights: Any,
        regularization: str,
        axis: int | None,
        nan_policy: str,
        are_frequencies: bool = True,
    ) -> None:
        omits_nan = check_nan_policy(nan_policy)
        self.x, self.axis, self.epsilon, self._dtype = prepare(
            xp, values, axis, epsilon, regularization, ("quadratic", "entropic")
        )
        check_nonempty(self.axis, values.shape)
        weights = check_weights(xp, weights, self.axis, values.shape, self.x)
        x, infinite = stand_ins(xp, self.x, self.epsilon, omits_nan, only_hard=True)
        if not omits_nan:
            xp.check_finite(x, "values")
        self.data = Data(xp, x, weights, omits_nan=omits_nan, infinite=infinite)
        if are_frequencies and weights is not None:
            self.data.multiply_shares()
        self.total = self.data.total
        self._xp, self._regularization = xp, regularization

    def mean(self, low: tuple[Any, Any], high: tuple[Any, Any]) -> Any:
        """The mean of a window of each slice, in the type of the values."""
        xp = self._xp
        mean = window_mean(
            self.data, low, high, self.epsilon, self._regularization, LEVEL_DEMAND
        )
        known = xp.known(mean)
        if (
            self.data.infinite is not None
            and known is not None
            and (known != known).any()
        ):
            raise nonfinite_error(xp.known(self.x), "values")
        return nan_where(xp, self.data.is_empty, mean)[..., 0]

    def quantiles(self, levels: list[Any]) -> Any:
        """The quantiles for a list of levels, along a new first axis, in wide type."""
        xp = self._xp
        low, high = [], []
        for p in levels:
            start, rest = (self.total - 1) * p, (self.total - 1) * (1 - p)
            low.append(xp.stack([start, rest + 1]))
            high.append(xp.stack([start + 1, rest]))
        low, high = (xp.moveaxis(xp.stack(masses), 1, 0) for masses in (low, high))
        return self.mean((low[0], low[1]), (high[0], high[1]))

    def result(self, array: Any) -> Any:
        """An array of results, in the type of the values."""
        return self._xp.astype(array, self._dtype)


def quantile(
    xp: Any,
    values: Any,
    q: Any,
    epsilon: Any,
    weights: Any,
    regularization: str,
    axis: int | None,
    nan_policy: str,
    is_straight: bool = False,
) -> Any:
    """See `soft_quantile`."""
    options = weights, regularization, axis, nan_policy
    if check_flag(is_straight, "straight_through"):
        return straight_through(
            xp,
            values,
            epsilon,
            lambda values, epsilon: quantile(xp, values, q, epsilon, *options),
        )
    location = Location(xp, values, epsilon, *options)
    shape, levels = check_levels(xp, q, "q", location.x)
    other = tuple(location.x.shape)[:-1]
    if not levels:
        return location.result(xp.reshape(location.x[..., :0], shape + other))
    means = location.quantiles(levels)
    return location.result(xp.reshape(means, shape + other))


def trimmed_mean(
    xp: Any,
    values: Any,
    cut: Any,
    epsilon: Any,
    weights: Any,
    regularization: str,
    axis: int | None,
    nan_policy: str,
    is_straight: bool = False,
) -> Any:
    """See `soft_trimmed_mean`."""
    options = weights, regularization, axis, nan_policy
    if check_flag(is_straight, "straight_through"):
        return straight_through(
            xp,
            values,
            epsilon,
            lambda values, epsilon: trimmed_mean(xp, values, cut, epsilon, *options),
        )
    location = Location(xp, values, epsilon, *options, are_frequencies=False)
    lower, upper = check_cut(xp, cut, location.x)
    total = location.total
    low = lower * total, (1 - lower) * total
    high = (1 - upper) * total, upper * total
    return location.result(location.mean(low, high))


def winsorize(
    xp: Any,
    values: Any,
    cut: Any,
    epsilon: Any,
    weights: Any,
    regularization: str,
    axis: int | None,
    nan_policy: str,
    is_straight: bool,
) -> Any:
    """See `soft_winsorize`."""
    options = weights, regularization, axis, nan_policy
    is_straight = check_flag(is_straight, "straight_through")
    location = Location(xp, values, epsilon, *options)
    lower, upper = check_cut(xp, cut, location.x)
    levels = [lower, 1 - upper]
    bounds = location.quantiles(levels)
    if is_straight:  # only the bounds are soft
        hard = Location(xp, xp.detach(values), 0.0, *options)
        bounds = hard_value(xp, hard.quantiles(levels), bounds)
    low, high = bounds[0][..., None], bounds[1][..., None]
    x, is_nan = location.x, None
    if location.data.is_empty is not None:
        is_nan = xp.isnan(x)
        x = xp.where(is_nan, xp.zeros_like(x), x)
    # Bounds that have met but for rounding, as for large epsilon, clip all values.
    size = xp.where(xp.isinf(x), xp.zeros_like(x), xp.abs(xp.detach(x)))
    has_met = high - low <= 8 * xp.eps(x) * xp.max(size)
    is_above = (x > high) | has_met
    clipped = xp.where(is_above, high, xp.where(x < low, low, x))
    clipped = nan_where(xp, is_nan, clipped)
    return location.result(location.axis.from_last(clipped))


def quantile_normalize(
    xp: Any,
    values: Any,
    target: Any,
    epsilon: Any,
    regularization: str,
    axis: int | None,
    nan_policy: str,
    is_straight: bool,
) -> Any:
    """See `soft_quantile_normalize`."""
    values = xp.check_values(values, "values")
    check_nonempty(Axis(xp, values.shape, axis), values.shape)
    dtype, (x,) = wide(xp, values)
    ranks = rank(xp, x, epsilon, regularization, axis, False, nan_policy, is_straight)
    is_nan = xp.isnan(ranks)
    axis_of = Axis(xp, ranks.shape, 0 if axis is None else axis)
    ranks, is_nan = axis_of.to_last(ranks), axis_of.to_last(is_nan)
    count = xp.sum(xp.cast(~is_nan, x))
    count = xp.where(count > 0, count, xp.ones_like(count))
    # The middle of the target in place of NaN.
    steps = xp.where(is_nan, 0.5 * count, ranks - 0.5)
    result = _quantile_function(xp, target, x)(steps, count)
    result = nan_where(xp, is_nan, result)
    return xp.astype(axis_of.from_last(result), dtype)


def _quantile_function(xp: Any, target: Any, like: Any) -> Callable[[Any, Any], Any]:
    """The quantile function of the target, at levels ``steps / count``."""
    if callable(target):
        return lambda steps, count: target(steps / count)
    if callable(getattr(target, "ppf", None)):
        raise TypeError(
            f"target must be a sample or a differentiable quantile function, such as "
            f"{xp.quantile_example}, got {type(target).__name__}, whose derivatives "
            f"are not known."
        )
    sample = xp.as_floats(target, "target", like)
    if len(sample.shape) != 1 or sample.shape[0] == 0:
        raise ValueError(
            f"target must be a quantile function or a non-empty 1-D array, got shape "
            f"{tuple(sample.shape)}."
        )
    m = sample.shape[0]
    sample = xp.gather(sample, xp.descending_order(-sample, "target"))

    def of_sample(steps: Any, count: Any) -> Any:
        position = steps * (m / count) - 0.5
        # Straight lines from place left - 1 to left, constant beyond the ends.
        left = xp.clip(xp.ceil(xp.detach(position)), 0, m)
        low, high = (
            xp.take(sample, xp.clip(place, 0, m - 1)) for place in (left - 1, left)
        )
        return low + (position - (left - 1)) * (high - low)

    return of_sample
