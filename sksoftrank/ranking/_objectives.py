"""Objectives of scores within groups, in grouped order, for models that train on them.

Ranks are *levels* here: centred, and in units of the standard deviation of the ranks of
a large group without ties. So the strength of the soft ranks has one meaning for groups
of all sizes, and so have weights of rows, which are relative frequencies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import expi
from sklearn.utils import gen_batches

from ..losses._grouped import GroupRanks, ranks_within
from ..losses._soft_ranks import discount_ranks
from ..operators._by_group import GroupLayout

Floats = NDArray[np.float64]

# Standard deviations in the range from the lowest to the highest level.
LEVEL_RANGE = math.sqrt(12)
LOG_2 = math.log(2)
# Gains are weighed in batches of about this many rows.
BATCH_SIZE = 2**14
# Of as many the discounts are added one by one.
MANY_PLACES = 2**20
# Only the order of targets counts, and sums of differences of larger ones overflow.
LARGE_TARGET = 1e290


class GroupedRows:
    """Rows in grouped order, their shares, and true levels.

    Parameters
    ----------
    layout : GroupLayout
        Of the rows that count, in groups of two or more.
    group_weight : ndarray of shape (n_groups,)
        Weights of all groups.
    counts : ndarray of shape (n_rows,) or None
        Frequencies of all rows, None if they are equal within each group.
    y : ndarray of shape (n_rows,)
        The target; no group is tied.

    Attributes
    ----------
    number : ndarray of int of shape (n_used,)
        The group of each row, counted from 0 in grouped order.
    counts : ndarray of shape (n_used,)
        Frequencies in the group.
    total : ndarray of shape (n_used,)
        Their sums.
    share : ndarray of shape (n_used,)
        What a row has of the mean over groups; they sum to 1.
    level : ndarray of shape (n_used,)
        True levels, those of average ranks.
    parts : list of slices
        The groups.
    """

    def __init__(
        self,
        layout: GroupLayout,
        group_weight: Floats,
        counts: Floats | None,
        y: Floats,
    ) -> None:
        self.layout = layout
        sizes, weights = [], []
        for groups, part in layout.buckets:
            size = (part.stop - part.start) // groups.size
            sizes.append(np.full(groups.size, size))
            weights.append(group_weight[groups])
        size, weight = np.concatenate(sizes), np.concatenate(weights)
        self.number = np.repeat(np.arange(size.size), size)
        ends = np.cumsum(size)
        self.parts = [
            slice(end - n, end)
            for end, n in zip(ends.tolist(), size.tolist(), strict=True)
        ]
        self.is_weighted = counts is not None
        y = y[layout.order]
        if np.abs(y).max() > LARGE_TARGET:
            y = np.unique(y, return_inverse=True)[1].astype(np.float64)
        if counts is None:
            self.counts = np.broadcast_to(1.0, y.shape)
            self.total = size[self.number].astype(np.float64)
            ranks = ranks_within(layout, y)
            self.level = LEVEL_RANGE * ((ranks - 0.5) / self.total - 0.5)
        else:
            self.counts = counts[layout.order].astype(np.float64)
            self.total = self.sums(self.counts)[self.number]
            self.level = np.concatenate(
                [_levels(y[part], self.counts[part]) for part in self.parts]
            )
        self.share = (weight / weight.sum())[self.number] * self.counts / self.total

    def sums(self, values: Floats) -> Floats:
        """Sums within the groups."""
        sums = np.bincount(self.number, values, minlength=len(self.parts))
        return sums.astype(np.float64, copy=False)

    def centred(self, values: Floats) -> Floats:
        """Values minus their weighted mean in the group."""
        return values - (self.sums(self.counts * values)[self.number] / self.total)


def _levels(y: Floats, counts: Floats) -> Floats:
    """Levels of one group of frequencies."""
    _, place = np.unique(y, return_inverse=True)
    mass = np.bincount(place, counts)
    middle = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    return LEVEL_RANGE * (middle[place] - 0.5)


class SoftLevels:
    """Soft levels of scores, and their products: linear where they are close together.

    A group whose scores are all close has the levels ``scores / epsilon``, centred.
    """

    def __init__(self, rows: GroupedRows, epsilon: float) -> None:
        self._rows = rows
        sizes = [
            (part.stop - part.start) // groups.size
            for groups, part in rows.layout.buckets
        ]
        epsilons = LEVEL_RANGE * epsilon / np.array(sizes)
        self._ranks = GroupRanks(rows.layout, epsilons, "quadratic", descending=False)

    def __call__(self, scores: Floats) -> Floats:
        """The levels."""
        return LEVEL_RANGE * ((self._ranks(scores) - 0.5) / self._rows.total - 0.5)

    def pull_back(self, gradient: Floats) -> Floats:
        """The gradient in the scores of the last call."""
        return self._ranks.pull_back(LEVEL_RANGE * gradient / self._rows.total)


class WeightedSoftLevels:
    """The same for rows that have frequencies: as if they were repeated."""

    def __init__(self, rows: GroupedRows, epsilon: float) -> None:
        self._rows, self._epsilon = rows, epsilon
        self._blocks: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []

    def __call__(self, scores: Floats) -> Floats:
        """The levels."""
        levels = np.empty_like(scores)
        self._blocks = []
        for part in self._rows.parts:
            order = np.argsort(scores[part], kind="stable")
            mass = self._rows.counts[part][order]
            middle = LEVEL_RANGE * ((np.cumsum(mass) - 0.5 * mass) / mass.sum() - 0.5)
            own = scores[part][order]
            own = own - own.mean()
            fitted = isotonic_regression(own - self._epsilon * middle, weights=mass)
            levels[part.start + order] = (own - fitted.x) / self._epsilon
            size = np.diff(fitted.blocks)
            self._blocks.append((order, np.repeat(np.arange(size.size), size)))
        return levels

    def pull_back(self, gradient: Floats) -> Floats:
        """The gradient in the scores of the last call."""
        out = np.empty_like(gradient)
        for part, (order, block) in zip(self._rows.parts, self._blocks, strict=True):
            own, mass = gradient[part][order], self._rows.counts[part][order]
            mean = np.bincount(block, own) / np.bincount(block, mass)
            out[part.start + order] = (own - mass * mean[block]) / self._epsilon
        return out


def soft_levels(rows: GroupedRows, epsilon: float) -> SoftLevels | WeightedSoftLevels:
    """The soft levels that these rows need."""
    return (WeightedSoftLevels if rows.is_weighted else SoftLevels)(rows, epsilon)


class SpearmanObjective:
    """Mean over groups of the squared distance of soft and true levels.

    Hard ranks without ties give one minus Spearman's correlation in large groups.
    Without `levels` scores stand for levels: least squares.
    """

    def __init__(
        self, rows: GroupedRows, levels: SoftLevels | WeightedSoftLevels | None
    ) -> None:
        self._rows, self._levels = rows, levels

    def __call__(self, scores: Floats) -> tuple[float, Floats]:
        """Value and gradient at scores of shape (n_used, 1)."""
        flat = scores[:, 0]
        levels = (
            self._rows.centred(flat) if self._levels is None else self._levels(flat)
        )
        error = levels - self._rows.level
        gradient = self._rows.share * error
        value = 0.5 * float(gradient @ error)
        if self._levels is not None:
            gradient = self._levels.pull_back(gradient)
        return value, gradient[:, None]


class NDCGObjective:
    """One minus the mean NDCG of soft ranks, of the `k` best."""

    def __init__(
        self,
        rows: GroupedRows,
        levels: SoftLevels | WeightedSoftLevels,
        relevance: Floats,
        k: int | None,
    ) -> None:
        self._rows, self._levels, self._k = rows, levels, k
        relevance = relevance[rows.layout.order]
        self._gain = np.empty_like(relevance)
        share = rows.share * rows.total  # of a group, times the frequency of the row
        for groups, part in _pieces(rows.layout):
            shape = groups.size, -1
            gain = relevance[part].reshape(shape)
            gain = gain / gain.max(axis=1, keepdims=True)
            best = _largest_sums(gain, rows.counts[part].reshape(shape), k)
            own = share[part].reshape(shape) * gain / best[:, None]
            self._gain[part] = own.ravel()
        # Every group has a positive relevance, for it is not tied.
        self._total = float(rows.share.sum())

    def __call__(self, scores: Floats) -> tuple[float, Floats]:
        """Value and gradient at scores of shape (n_used, 1)."""
        total = self._rows.total
        ranks = total * (0.5 - self._levels(scores[:, 0]) / LEVEL_RANGE) + 0.5
        ranks = np.maximum(ranks, 0.5)  # but for rounding, of huge frequencies
        value, gradient = discount_ranks(ranks, self._total, self._gain, self._k)
        gradient = -total / LEVEL_RANGE * gradient
        return float(value), self._levels.pull_back(gradient)[:, None]


class Tethered:
    """An objective and a penalty on the distance of scores from given ones."""

    def __init__(
        self,
        objective: NDCGObjective,
        rows: GroupedRows,
        scores: Floats,
        strength: float,
    ) -> None:
        self._objective, self._rows = objective, rows
        self._scores, self._weight = scores, strength * rows.share

    def __call__(self, scores: Floats) -> tuple[float, Floats]:
        """Value and gradient at scores of shape (n_used, 1)."""
        value, gradient = self._objective(scores)
        moved = self._rows.centred((scores - self._scores)[:, 0])
        pull = self._weight * moved
        return value + 0.5 * float(pull @ moved), gradient + pull[:, None]


def _pieces(layout: GroupLayout) -> Iterator[tuple[NDArray[np.intp], slice]]:
    """Groups of one size, not many rows at a time, and where these are."""
    for groups, part in layout.buckets:
        size = (part.stop - part.start) // groups.size
        for batch in gen_batches(groups.size, max(1, BATCH_SIZE // size)):
            start = part.start + size * batch.start
            yield groups[batch], slice(start, part.start + size * batch.stop)


def _largest_sums(gain: Floats, counts: Floats, k: int | None) -> Floats:
    """Largest discounted sums of gains in rows, each of which has a frequency."""
    order = np.argsort(-gain, axis=1, kind="stable")
    gain = np.take_along_axis(gain, order, axis=1)
    counts = np.take_along_axis(counts, order, axis=1)
    ends = np.cumsum(counts, axis=1)
    reached = _discount_sums(ends if k is None else np.minimum(ends, k))
    return (gain * np.diff(reached, axis=1, prepend=0.0)).sum(axis=1)


def _discount_sums(places: Floats) -> Floats:
    """Sums of the discounts of so many places, linear between whole numbers of them."""
    n = min(math.ceil(places.max()), MANY_PLACES)
    whole = np.arange(n + 1)
    sums = np.cumsum(np.append(0.0, 1 / np.log2(1 + whole[1:])))
    found = np.interp(places, whole, sums)
    far = places > n
    if far.any():  # by the Euler-Maclaurin formula, to all digits
        logs = np.log1p(np.append(places[far], n))
        rest = LOG_2 * (expi(logs) + 0.5 / logs)
        found[far] += rest[:-1] - rest[-1]
    return found
