"""Quantiles and means of slices, and quantile functions, for any framework `xp`."""

from collections.abc import Callable
from typing import Any

from .._checks import check_nan_policy, nonfinite_error
from ._arguments import check_nonempty, check_weights, nan_where, prepare, stand_ins
from ._choices import Data, window_mean

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


def quantile_function(xp: Any, target: Any, like: Any) -> Callable[[Any, Any], Any]:
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
