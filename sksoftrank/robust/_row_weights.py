"""Weights of any rows by the rule of a fit, relative to that of a loss of 0."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..linear._algebra import EPS

Values: TypeAlias = NDArray[np.float64]

# Weights that differ by less are the same.
DIGITS = 12

# Losses that differ by less, relative to them, are the same.
TIED = 1e-10


class SelectionWeights(NamedTuple):
    """Weights of a soft choice, ``clip((threshold - loss) / epsilon, 0, 1)``."""

    threshold: float
    epsilon: float

    def largest(self) -> float:
        """The weight of a loss of 0, relative to which the others are."""
        return min(self.threshold / self.epsilon, 1.0)

    def __call__(self, losses: Values) -> Values:
        """Weights from 0 to 1."""
        if np.isinf(self.threshold):  # all are kept
            return np.ones_like(losses)
        weight = (self.threshold - losses) / self.epsilon
        return np.clip(weight, 0.0, 1.0) / self.largest()


class StepWeights(NamedTuple):
    """Weights that are constant between losses."""

    bounds: Values  # increasing
    values: Values  # decreasing, one more

    def __call__(self, losses: Values) -> Values:
        """Weights from 0 to 1."""
        return self.values[np.searchsorted(self.bounds, losses)]


def step_weights(losses: Values, p: Values) -> StepWeights:
    """The steps of a choice p that falls with the losses, bounds half way between.

    Losses that only rounding tells apart share their weights.
    """
    order = np.argsort(losses)
    ordered = losses[order]
    limit = TIED * ordered[1:] + EPS * ordered.max(where=p[order] > 0, initial=0.0)
    level = np.zeros(order.size, dtype=np.intp)
    level[order[1:]] = np.cumsum(np.diff(ordered) > limit)
    p = (np.bincount(level, p) / np.bincount(level))[level]
    values, code = np.unique(-p.round(DIGITS), return_inverse=True)
    smallest, largest = np.full((2, values.size), np.inf)
    np.minimum.at(smallest, code, losses)
    largest = -largest
    np.maximum.at(largest, code, losses)
    with np.errstate(over="ignore"):
        bounds = largest[:-1] + 0.5 * (smallest[1:] - largest[:-1])
    return StepWeights(np.maximum.accumulate(bounds), values / values[0])


def weights_up_to(bound: float) -> StepWeights:
    """Weights of 1 up to a loss, and of 0 beyond it."""
    return StepWeights(np.array([bound]), np.array([1.0, 0.0]))
