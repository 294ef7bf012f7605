"""Values of ranks, sorts and projections as formulas of their blocks.

`xp` is the framework. Arrays are in sorted order along their last axis, unless a name
says otherwise; `first` are the integers of `_structure.blocks`.
"""

from collections.abc import Callable
from typing import Any


class Strength:
    """An `epsilon`: a number, or an array with a derivative.

    The array is of shape (), or has one for each slice and a last axis of 1. Division
    by 0 gives 0: hard results do not move.
    """

    def __init__(self, xp: Any, epsilon: Any) -> None:
        self._xp, self.value = xp, epsilon
        self.is_number = isinstance(epsilon, float)

    def constant(self) -> Any:
        """The number, or the array as a constant."""
        return self.value if self.is_number else self._xp.detach(self.value)

    def of_slices(self, shape: tuple[int, ...]) -> Any:
        """The constant for `xp`: one for all, or an array of this shape of slices."""
        constant = self.constant()
        if self.is_number or tuple(constant.shape) == ():
            return constant
        return self._xp.broadcast_to(constant[..., 0], tuple(shape))

    def divide(self, x: Any) -> Any:
        """X / epsilon, or 0."""
        if self.is_number:
            return x / self.value if self.value > 0 else 0.0 * x
        xp, epsilon = self._xp, self.value
        is_soft = epsilon > 0
        quotient = x / xp.where(is_soft, epsilon, xp.ones_like(epsilon))
        return xp.where(is_soft, quotient, xp.zeros_like(quotient))

    def hard_or_soft(self, hard: Callable[[], Any], soft: Callable[[], Any]) -> Any:
        """The one for 0, the other else; both are called if that is not known."""
        if self.is_number:
            return soft() if self.value > 0 else hard()
        return self._xp.where(self.value > 0, soft(), hard())

    def times(self, x: Any) -> Any:
        """Epsilon * x."""
        return self.value * x


class Blocks:
    """Sums over blocks."""

    def __init__(self, xp: Any, first: Any, like: Any) -> None:
        self._xp, self._first = xp, first
        self.place = xp.places(like)
        self.first = xp.cast(first, like)
        self.size = self.sum(xp.ones_like(like))

    def sum(self, x: Any) -> Any:
        """The sum over the block of each place."""
        return self._xp.block_sum(x, self._first)

    def start(self, x: Any) -> Any:
        """What stands first in the block of each place."""
        return self._xp.gather(x, self._first)

    def mean(self, x: Any) -> Any:
        """The mean of the block, of which the start is given to itself."""
        start = self.start(x)
        return start + self.sum(x - start) / self.size

    def log_ratio(self, x: Any, y: Any) -> Any:
        """log(sum(exp(x)) / sum(exp(y))) of each block; x and y are 0 or below."""
        xp = self._xp
        ratio = xp.log(self.sum(xp.exp(x)) / self.sum(xp.exp(y)))
        # Of values that are close to 0 it keeps its digits.
        means = [self.sum(xp.expm1(xp.detach(part))) / self.size for part in (x, y)]
        is_close = (means[0] > -0.5) & (means[1] > -0.5)
        x_log, y_log = (
            xp.log1p(xp.where(is_close, mean, xp.zeros_like(mean))) for mean in means
        )
        value = xp.where(is_close, x_log - y_log, xp.detach(ratio))
        return value + (ratio - xp.detach(ratio))


def ranks(
    xp: Any,
    values: Any,
    order: Any,
    first: Any,
    epsilon: Strength,
    regularization: str,
    *,
    descending: bool,
) -> Any:
    """Soft ranks in the order of `values`."""
    x = xp.gather(-values if descending else values, order)
    blocks = Blocks(xp, first, x)
    n = values.shape[-1]
    # rho = n - place, of which means and sums over a block are known.
    mean_rho = n - blocks.first - 0.5 * (blocks.size - 1)
    deviation = epsilon.divide(x - blocks.start(x))

    def soft() -> Any:
        if regularization == "quadratic":
            mean = blocks.sum(deviation) / blocks.size
            return mean_rho + (deviation - mean)
        growth = xp.exp(deviation)
        total = blocks.sum(growth)
        if regularization == "kl":
            return mean_rho * blocks.size * (growth / total)
        rho = blocks.sum(xp.exp(blocks.first - blocks.place))
        return n - blocks.first + xp.log(rho / total) + deviation

    # Ties share the mean of their ranks, and nothing moves.
    sorted_ranks = epsilon.hard_or_soft(lambda: mean_rho + 0.0 * deviation, soft)
    return xp.scatter(sorted_ranks, order)


def sorted_values(
    xp: Any,
    values: Any,
    order: Any,
    first: Any,
    epsilon: Strength,
    regularization: str,
    *,
    descending: bool,
) -> Any:
    """Soft sorted values."""
    sign = 1.0 if descending else -1.0
    x = sign * xp.gather(values, order)
    blocks = Blocks(xp, first, x)
    inside = blocks.place - blocks.first
    if regularization == "quadratic":
        rise = 0.5 * (blocks.size - 1) - inside
        return sign * (blocks.mean(x) + epsilon.divide(rise))
    start = blocks.start(x)
    fall = epsilon.divide(inside)
    return sign * (start + (blocks.log_ratio(x - start, -fall) - fall))


def isotonic(xp: Any, s: Any, w: Any, first: Any, regularization: str) -> Any:
    """The isotonic optimum v, mean(s) - mean(w) in each block, or logsumexp of both."""
    blocks = Blocks(xp, first, s)
    if regularization == "quadratic":
        s_start, w_start = blocks.start(s), blocks.start(w)
        means = (blocks.sum(s - s_start) - blocks.sum(w - w_start)) / blocks.size
        return (s_start - w_start) + means
    s_top, w_top = xp.block_max(s, first), xp.block_max(w, first)
    return (s_top - w_top) + blocks.log_ratio(s - s_top, w - w_top)


def projection(xp: Any, z: Any, w: Any, first: Any, regularization: str) -> Any:
    """The projection of sorted z on the permutahedron of sorted w."""
    blocks = Blocks(xp, first, z)
    z_start, w_start = blocks.start(z), blocks.start(w)
    if regularization == "quadratic":
        means = blocks.sum(w - w_start) - blocks.sum(z - z_start)
        return w_start + (z - z_start) + means / blocks.size
    return w_start + ((z - z_start) + blocks.log_ratio(w - w_start, z - z_start))
