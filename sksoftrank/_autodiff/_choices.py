"""Soft choices and means of windows as formulas of their regions and thresholds.

`xp` is the framework; slices are along the last axis, and what belongs to them has a
last axis of 1. See `operators._choice` for the definitions.
"""

import math
from copy import copy
from typing import Any

from ._blocks import Strength

# Steps of Newton's method on a threshold that is solved already: they change its value
# by nothing, and give it its derivatives up to the third.
NEWTON_STEPS = 2

# Logits beyond are as good as infinite.
LARGEST_LOGIT = 1e4


class Choice:
    """The choice of the smallest values of mass `mass`: a common face of both kinds.

    Attributes
    ----------
    part, rest : arrays of the shape of the values
        p and 1 - p.
    divergence : array of the shape of the values
        D(p, share), of which `epsilon` times the sum is the penalty.
    anchor, move : arrays with a last axis of 1
        Their sum, the centre, is the derivative of the soft sum in the mass. They have
        no derivatives of their own.
    distance : array of the shape of the values
        The values less the centre, without derivatives.
    """

    def __init__(
        self,
        data: "Data",
        mass: Any,
        rest: Any,
        epsilon: Strength,
        regularization: str,
        demand: str,
    ) -> None:
        xp = data.xp
        self.mass = mass
        region, anchor, offset = xp.choice(
            data.values,
            None if data.is_plain else data.weights,
            mass[..., 0],
            rest[..., 0],
            epsilon.of_slices(mass.shape[:-1]),
            regularization,
            data.name,
            demand,
        )
        anchor, offset = anchor[..., None], offset[..., None]
        self.anchor, self.move = anchor, xp.detach(epsilon.times(offset))
        self.distance = (xp.detach(data.values) - anchor) - self.move

        def clipped() -> Any:
            return _clipped(data, region, anchor, mass, epsilon)

        def logistic() -> Any:
            return _logistic(data, anchor, offset, mass, rest, epsilon)

        def hard() -> Any:
            part, left, _ = clipped()
            share, other = mass / data.total, rest / data.total
            entropy = _relative_entropy(xp, part, share)
            entropy = entropy + _relative_entropy(xp, left, other)
            return xp.stack([part, left, xp.detach(entropy)])

        if regularization == "quadratic":
            self.part, self.rest, self.divergence = clipped()
        else:
            self.part, self.rest, self.divergence = epsilon.hard_or_soft(hard, logistic)

    def growth(self, xp: Any) -> Any:
        """The parts of the second choice less those of the first, of smaller mass."""
        is_low = xp.detach(self.part[0]) < 0.5
        return xp.where(
            is_low, self.part[1] - self.part[0], self.rest[0] - self.rest[1]
        )


class Data:
    """Values with weights, and what is left of them where values are omitted.

    All are finite; `infinite` tells where they stand in for infinite ones, or is None.
    """

    def __init__(
        self,
        xp: Any,
        values: Any,
        weights: Any,
        name: str = "values",
        *,
        omits_nan: bool = False,
        infinite: Any = None,
    ) -> None:
        self.xp, self.name, self.infinite = xp, name, infinite
        self.is_plain = weights is None and not omits_nan
        self.is_empty = None
        ones = xp.ones_like(values)
        weights = ones if weights is None else weights
        if omits_nan:
            missing = xp.isnan(values)
            values = xp.where(missing, xp.zeros_like(values), values)
            weights = xp.where(missing, xp.zeros_like(values), weights)
            self.is_empty = xp.all(missing)
            weights = xp.where(self.is_empty, ones, weights)
        self.values, self.weights = values, weights
        self.total = xp.sum(weights)

    def multiply_shares(self) -> None:
        """Make weights whose mean over the positive ones is below 1 have a mean of 1.

        They cannot be frequencies, which the others are.
        """
        xp = self.xp
        count = xp.sum(xp.cast(self.weights > 0, self.weights))
        one = xp.ones_like(self.total)
        total = xp.where(self.total > 0, self.total, one)
        factor = xp.where(self.total < count, count / total, one)
        self.weights = self.weights * factor
        self.total = xp.sum(self.weights)

    def repeated(self, like: Any) -> "Data":
        """The same for the leading axes of an array of masses."""
        repeated = copy(self)
        shape = (*like.shape[:-1], self.values.shape[-1])
        repeated.values = self.xp.broadcast_to(self.values, shape)
        repeated.weights = self.xp.broadcast_to(self.weights, shape)
        return repeated

    def sum(self, x: Any) -> Any:
        """The weighted sum of each slice."""
        return self.xp.sum(self.weights * x)


def _relative_entropy(xp: Any, p: Any, q: Any) -> Any:
    """Terms of it; 0 where either is 0, for a choice of no mass has none of weight."""
    is_positive = (p > 0) & (q > 0)
    ones = xp.ones_like(p)
    ratio = xp.where(is_positive, p, ones) / xp.where(is_positive, q, ones)
    return xp.where(is_positive, p * xp.log(ratio), xp.zeros_like(p))


def _clipped(data: Data, region: Any, anchor: Any, mass: Any, epsilon: Strength) -> Any:
    """Parts, what is left of 1, and divergences for the quadratic regularization.

    For ``epsilon=0`` the open values are those tied at the threshold. From the anchor,
    which is near them, their distances have all digits.
    """
    xp, x = data.xp, data.values - anchor
    zeros = xp.zeros_like(x)
    is_open, is_full = region == 1, region == 2
    open_weights = xp.where(is_open, data.weights, zeros)
    open_total = xp.sum(open_weights)
    is_closed = open_total <= 0
    open_total = xp.where(is_closed, xp.ones_like(open_total), open_total)
    mean = xp.sum(open_weights * xp.where(is_open, x, zeros)) / open_total
    left = mass - xp.sum(xp.where(is_full, data.weights, zeros))
    share = mass / data.total
    level = left / open_total - share
    # 0 where all is open: rounding would count as much as epsilon does.
    is_whole = xp.sum(xp.where(is_open, zeros, data.weights)) <= 0
    level = level - xp.detach(xp.where(is_whole, level, xp.zeros_like(level)))
    step = level + epsilon.divide(mean - xp.where(is_open, x, mean))
    deviation = xp.where(is_open, step, xp.where(is_full, 1 - share, -share))
    part = xp.where(is_open, share + step, xp.where(is_full, zeros + 1, zeros))
    part = part + xp.detach(xp.clip(part, 0, 1) - part)
    return xp.stack([part, 1 - part, 0.5 * deviation * deviation])


def _logistic(
    data: Data, anchor: Any, offset: Any, mass: Any, rest: Any, epsilon: Strength
) -> Any:
    """The same for the entropic regularization."""
    xp = data.xp
    share, other = mass / data.total, rest / data.total
    # Nothing or all is kept: parts are 0 or 1 whatever the values.
    is_none, is_all = share <= 0, other <= 0
    is_edge = is_none | is_all
    half = xp.zeros_like(share) + 0.5
    share = xp.where(is_edge, half, share)
    other = xp.where(is_edge, half, other)
    logit = xp.log(share) - xp.log(other)
    distance = epsilon.divide(data.values - anchor)

    def excess(offset: Any) -> tuple[Any, Any]:
        u = logit + (offset - distance)
        p = xp.sigmoid(u)
        # The slopes of parts near 1 have their digits in what is left of these.
        kept, slope = data.sum(p) - share * data.total, data.sum(p * xp.sigmoid(-u))
        # 0 but for rounding, which divided by a small slope would be none.
        return kept - xp.detach(kept), slope

    for _ in range(NEWTON_STEPS):
        more, slope = excess(offset)
        is_flat = is_edge | (slope <= 0)
        slope = xp.where(is_flat, xp.ones_like(slope), slope)
        offset = offset - xp.where(is_flat, xp.zeros_like(more), more / slope)
    step = xp.clip(offset - distance, -LARGEST_LOGIT, LARGEST_LOGIT)
    part, left = xp.sigmoid(logit + step), xp.sigmoid(-logit - step)
    # From the end, 0 or 1, that is nearer to the share.
    is_low = share <= 0.5
    g, rest_g = xp.where(is_low, share, other), xp.where(is_low, other, share)
    near_step, near_part = xp.where(is_low, step, -step), xp.where(is_low, part, left)
    is_near = near_step < 30
    bounded = xp.where(is_near, near_step, xp.zeros_like(step))
    beyond = xp.where(is_near, xp.zeros_like(step), near_step)
    divergence = xp.where(
        is_near,
        near_part * bounded - xp.log1p(g * xp.expm1(bounded)),
        (near_part - 1) * beyond - xp.log(g + rest_g * xp.exp(-beyond)),
    )
    # Of small steps the series has more digits: what is large times it is none else.
    is_small = xp.abs(step) < math.sqrt(xp.eps(step))
    small, slope = xp.where(is_small, near_step, xp.zeros_like(step)), g * rest_g
    series = 0.5 + small * ((rest_g - g) / 3 + small * (1 - 6 * slope) / 8)
    divergence = xp.where(is_small, slope * small * small * series, divergence)
    zeros = xp.zeros_like(part)
    part = xp.where(is_edge, xp.where(is_all, zeros + 1, zeros), part)
    left = xp.where(is_edge, xp.where(is_all, zeros, zeros + 1), left)
    return xp.stack([part, left, xp.where(is_edge, zeros, divergence)])


def window_mean(
    data: Data,
    low: tuple[Any, Any],
    high: tuple[Any, Any],
    epsilon: Strength,
    regularization: str,
    demand: str,
) -> Any:
    """(V(high) - V(low)) / (high - low), as `operators._window_mean` defines it.

    `low` and `high` are pairs of masses and what they leave; leading axes that the
    values do not have are those of several windows.
    """
    xp, x = data.xp, data.values
    mass, rest = (xp.stack(pair) for pair in zip(low, high, strict=True))
    # Both choices at once, along a new first axis.
    choices = Choice(data.repeated(mass), mass, rest, epsilon, regularization, demand)
    # The smaller masses have the more digits.
    width = xp.where(mass[1] <= rest[0], mass[1] - mass[0], rest[0] - rest[1])
    change = choices.growth(xp)
    origin = xp.detach(data.sum(change * x) / width)
    penalty = epsilon.times(choices.divergence[1] - choices.divergence[0])
    excess = xp.detach(data.sum(change * (x - origin) + penalty))
    moves = _moves(data, choices, mass, change, penalty, origin)
    mean = origin + (excess + moves) / width
    if data.infinite is None:
        return mean
    zeros = xp.zeros_like(mean)
    for sign in (1.0, -1.0):  # of both kinds the mean is NaN
        is_taken = (data.infinite == sign) & (data.weights * change > 0)
        mean = mean + xp.where(xp.any_last(is_taken), zeros + sign * math.inf, zeros)
    return mean


def _moves(
    data: Data, choices: Choice, mass: Any, change: Any, penalty: Any, origin: Any
) -> Any:
    """0 with the derivatives of the soft sum of a window less origin * width.

    Each choice sees the values from its own centre, where changes of its parts cost
    nothing. Seen from elsewhere they would cost much that cancels in the end.
    """
    xp, x = data.xp, data.values
    part = xp.detach(choices.part)
    shift = (choices.part - part) * choices.distance
    moves = data.sum(change * (x - xp.detach(x)) + penalty + (shift[1] - shift[0]))
    centre = (choices.anchor - origin) + choices.move
    levels = centre * (mass - xp.detach(mass))
    moves = (moves - xp.detach(moves)) + (levels[1] - levels[0])
    if data.is_plain:
        return moves
    own = part * choices.distance
    added = data.weights - xp.detach(data.weights)
    return moves + xp.sum(added * (own[1] - own[0]))
