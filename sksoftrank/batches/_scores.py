"""Losses of linear scores over blocks of rows: one reading an evaluation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..linear._design import LinearDesign
from ..linear._penalized import PenalizedLoss
from ..linear._ranges import check_ranges
from ._blocks import Block, Floats, Source, add, features
from ._drawing import check_alike, names_of
from ._moments import Moments, merge_moments, moments_of


class Rows(NamedTuple):
    """Rows of a block that count."""

    X: Floats
    weight: Floats
    truth: Any  # what the loss compares the scores of each row with


class BlocksLoss:
    """A `PenalizedLoss` of which each evaluation reads all blocks.

    Parameters
    ----------
    source : Source
    read_rows : callable
        Takes a block and returns its `Rows`.
    make_loss : callable
        ``make_loss(truth, weight)`` is a loss of the scores of some rows, the mean with
        these weights.
    design : LinearDesign
        Coordinates, without rows.
    origin : ndarray of shape (n_coordinates, n_outputs), default=0.0
        Coordinates that are added.
    """

    def __init__(
        self,
        source: Source,
        read_rows: Callable[[Block], Rows],
        make_loss: Callable[[Any, Floats], Callable],
        design: LinearDesign,
        origin: Floats | float = 0.0,
    ):
        self.source = source
        self.arguments = read_rows, make_loss, design
        self.design = design
        self.origin = origin
        self.penalty = PenalizedLoss(None, design).penalty

    def __call__(self, z: Floats) -> tuple[float, Floats]:
        """Value and gradient at the raveled coordinates of all outputs."""
        z = z.reshape(self.design.n_coordinates, -1)
        value, gradient, weight = self.source.reduce(
            loss_of, *self.arguments, z + self.origin, merge=add
        )
        penalty_gradient = self.penalty * z
        gradient = gradient / weight + penalty_gradient
        value = value / weight + 0.5 * np.vdot(penalty_gradient, z)
        return float(value), gradient.ravel()


def loss_of(
    block: Block,
    read_rows: Callable[[Block], Rows],
    make_loss: Callable[[Any, Floats], Callable],
    design: LinearDesign,
    z: Floats,
) -> tuple:
    """Value and gradient of the loss of a block, times its weight, and the weight."""
    X, weight, truth = read_rows(block)
    total = float(weight.sum())
    if total == 0:
        return 0.0, np.zeros_like(z), 0.0
    design = design.with_rows(X)
    value, row_gradient = make_loss(truth, weight)(design.predict(z))
    return total * value, total * design.pull_back(row_gradient), total


class ScoreFacts(NamedTuple):
    """What the first readings tell of the data of linear scores."""

    n_positive: int
    total: float  # of the weights
    moments: Moments
    low: Floats
    high: Floats
    names: tuple[str, ...] | None
    dtype: np.dtype
    has_weight: bool
    has_sigma: bool


def score_facts(block: Block, read_rows: Callable[[Block], Rows]) -> ScoreFacts:
    """What one block tells."""
    X, weight, _ = read_rows(block)
    low, high = np.full((2, X.shape[1]), np.inf) * [[1], [-1]]
    return ScoreFacts(
        n_positive=int(np.count_nonzero(weight)),
        total=float(weight.sum()),
        moments=moments_of(block._replace(X=X), weight),
        low=X.min(axis=0, initial=np.inf) if len(X) else low,
        high=X.max(axis=0, initial=-np.inf) if len(X) else high,
        names=names_of(block.X),
        dtype=features(block.X, block.number).dtype,
        has_weight=block.sample_weight is not None,
        has_sigma=False,
    )


def merge_score_facts(first: ScoreFacts, second: ScoreFacts) -> ScoreFacts:
    """What two parts of the data tell together."""
    check_alike(first, second)
    return ScoreFacts(
        n_positive=first.n_positive + second.n_positive,
        total=first.total + second.total,
        moments=merge_moments(first.moments, second.moments),
        low=np.minimum(first.low, second.low),
        high=np.maximum(first.high, second.high),
        names=first.names,
        dtype=np.promote_types(first.dtype, second.dtype),
        has_weight=first.has_weight,
        has_sigma=False,
    )


def design_of(facts: ScoreFacts, *, fit_intercept: bool, alpha: float) -> LinearDesign:
    """Coordinates that suit all rows, of the moments of their features."""
    check_ranges(facts.low, facts.high)
    mean, root = facts.moments.for_design(fit_intercept)
    return LinearDesign.of_moments(mean, root, fit_intercept=fit_intercept, alpha=alpha)
