"""Sums over the rows by narrow cells of their losses, and what they tell together.

The choice of "selection" is ``p = clip((t - loss) / epsilon, 0, 1)``, linear in t but
where t or ``t - epsilon`` pass a loss. Sums in narrow cells around both therefore give
the threshold t at which the choice sums to h, and all sums over rows of the choice at
that threshold, from one reading of the data. Within the one cell that is passed, losses
count as spread evenly: its width bounds the error, and shrinks with every reading.
"""

from typing import NamedTuple

import numpy as np

from ._blocks import Floats

# Cells on either side of the threshold, and of that less epsilon.
N_CELLS = 64

# Halvings of the interval of the threshold: to the last digit.
HALVINGS = 200


class Bracket(NamedTuple):
    """Where the threshold is expected."""

    threshold: float
    width: float  # on either side
    epsilon: float

    @property
    def edges(self) -> Floats:
        """Edges of the cells: each holds the losses from one up to the next."""
        # One more cell at each end: rounding moves no border of the wide cells between.
        grid = self.width / N_CELLS * np.arange(-N_CELLS - 1, N_CELLS + 2)
        lower = self.threshold - self.epsilon
        knees = [self.threshold + grid]
        if lower + grid[-1] > 0:
            knees.append(lower + grid)
        edges = np.unique(np.concatenate(knees))
        return edges[edges > 0]


class CellSums(NamedTuple):
    """Weighted sums over the rows in each of the cells below the last edge."""

    mass: Floats  # of 1
    loss: Floats
    square: Floats  # of loss**2
    pull: Floats  # of residual * row, a line for each cell
    loss_pull: Floats  # of loss * residual * row

    @classmethod
    def of(cls, sums: Floats) -> "CellSums":
        """By the columns of an array, in this order, with a line for each cell."""
        q = (sums.shape[1] - 3) // 2
        mass, loss, square = sums[:, :3].T
        return cls(mass, loss, square, sums[:, 3 : 3 + q], sums[:, 3 + q :])


class Choice(NamedTuple):
    """Sums over all rows, with the choice p at one threshold."""

    mass: float  # of p
    loss: float  # of p * loss
    square: float  # of p**2
    pull: Floats  # of p * residual * row
    n_part: float  # of 1 over the rows with 0 < p < 1


def choice_sums(sums: CellSums, bracket: Bracket, threshold: float) -> Choice:
    """Sums with the choice at a threshold in the bracket."""
    # In each cell p is (a - b * loss), with its mean where the cell is passed.
    low, high = _ends(bracket)
    epsilon, lower = bracket.epsilon, threshold - bracket.epsilon
    constant, slope = np.zeros((2, low.size))
    constant[high <= lower] = 1.0
    is_part = (low >= lower) & (high <= threshold)
    constant[is_part], slope[is_part] = threshold / epsilon, 1 / epsilon
    for k in np.flatnonzero((low < threshold) & (high > threshold)):
        if lower <= low[k]:
            width = high[k] - low[k]
            constant[k] = (threshold - low[k]) ** 2 / (2 * width * epsilon)
        else:  # both ends of the ramp are in the cell
            constant[k] = (0.5 * (threshold + lower) - low[k]) / (high[k] - low[k])
    for k in np.flatnonzero((low < lower) & (high > lower) & (high <= threshold)):
        width = high[k] - low[k]
        constant[k] = 1 - (high[k] - lower) ** 2 / (2 * width * epsilon)
    return Choice(
        mass=float(constant @ sums.mass - slope @ sums.loss),
        loss=float(constant @ sums.loss - slope @ sums.square),
        square=float(
            constant**2 @ sums.mass
            - 2 * (constant * slope) @ sums.loss
            + slope**2 @ sums.square
        ),
        pull=constant @ sums.pull - slope @ sums.loss_pull,
        n_part=float(sums.mass @ is_part),
    )


def solve_threshold(sums: CellSums, bracket: Bracket, n_kept: float) -> float:
    """The threshold at which the choice sums to `n_kept`.

    Outside of the bracket it is an estimate.
    """
    low = max(bracket.threshold - bracket.width, 0.0)
    high = bracket.threshold + bracket.width
    for end, sign in ((low, -1), (high, 1)):
        choice = choice_sums(sums, bracket, end)
        missing = n_kept - choice.mass
        if sign * missing > 0:
            return end + missing * bracket.epsilon / max(choice.n_part, 1.0)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if choice_sums(sums, bracket, middle).mass < n_kept:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def smallest_sum(count: Floats, values: Floats, n_kept: float) -> float:
    """Sum of the smallest values with this count, from sums by cells in their order."""
    cumulated = np.cumsum(count)
    last = min(int(np.searchsorted(cumulated, n_kept)), count.size - 1)
    before = cumulated[last] - count[last]
    part = (n_kept - before) / max(count[last], 1.0)
    return float(values[:last].sum() + part * values[last])


def smallest_variance(count: Floats, first: Floats, second: Floats, h: float) -> float:
    """Smallest variance of a window of this count, from sums of cells in their order.

    `first` and `second` are sums of the values and of their squares. The window begins
    or ends with a cell; of the cell at its other end it takes a part.
    """
    return min(
        _window_variance(count, first, second, h),
        _window_variance(count[::-1], first[::-1], second[::-1], h),
    )


def _window_variance(count: Floats, first: Floats, second: Floats, h: float) -> float:
    edge = np.append(0.0, np.cumsum(count))
    start = np.flatnonzero(edge[:-1] + h <= edge[-1] * (1 + 1e-12))
    if start.size == 0:
        start = np.array([0])
    end = np.minimum(np.searchsorted(edge[1:], edge[start] + h), count.size - 1)
    part = (edge[start] + h - edge[end]) / np.maximum(count[end], 1.0)

    def mean(values: Floats) -> Floats:
        total = np.append(0.0, np.cumsum(values))
        return (total[end] - total[start] + part * values[end]) / h

    return float((mean(second) - mean(first) ** 2).min())


def _ends(bracket: Bracket) -> tuple[Floats, Floats]:
    edges = bracket.edges
    return np.append(0.0, edges[:-1]), edges
