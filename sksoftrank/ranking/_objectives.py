"""Objectives of scores within groups, in grouped order, for models that train on them.

Ranks are *levels* here: centred, and in units of the standard deviation of the ranks of
a large group without ties. So the strength of the soft ranks has one meaning for groups
of all sizes, and so have weights of rows, which are relative frequencies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

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
# Objectives are evaluated in pieces of about as many, which stay in cache.
PIECE_SIZE = 2**15
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
    order : ndarray of int of shape (n_used,)
        The rows in grouped order.
    buckets : list of tuples (groups, part)
        As in `GroupLayout`.
    sizes, starts : ndarray of int of shape (n_groups,)
        Numbers of rows of the groups in grouped order, and where these begin.
    level : ndarray of shape (n_used,)
        True levels, those of average ranks.
    is_weighted : bool
        Whether rows have frequencies that differ within a group.
    """

    def __init__(
        self,
        layout: GroupLayout,
        group_weight: Floats,
        counts: Floats | None,
        y: Floats,
    ) -> None:
        kind = np.min_scalar_type(-layout.order.max())  # it is kept
        self.order, self.buckets = layout.order.astype(kind), layout.buckets
        weight = layout.in_order(group_weight)
        self.starts = layout.starts()
        self.sizes = np.diff(self.starts, append=self.order.size)
        is_small = self.order.size <= PIECE_SIZE
        self._kept: dict[str, NDArray[Any]] | None = {} if is_small else None
        self.is_weighted = counts is not None
        y = layout.gather(y)
        if np.abs(y).max() > LARGE_TARGET:
            y = np.unique(y, return_inverse=True)[1].astype(np.float64)
        if counts is None:
            self._counts = None
            self._totals = self.sizes.astype(np.float64)
            ranks = ranks_within(self.buckets, y)
            self.level = _to_levels(ranks, self.total)
        else:
            self._counts = layout.gather(counts).astype(np.float64)
            self._totals = self.sums(self._counts)
            self.level = np.concatenate(
                [_levels(y[part], self._counts[part]) for part in self.parts]
            )
        self._weights = weight / weight.sum()

    # What has a number for each row is made anew each time, unless there are few.

    @property
    def number(self) -> NDArray[np.intp]:
        """The group of each row, counted from 0 in grouped order."""
        return self._once("number", lambda: self._repeat(np.arange(self.sizes.size)))

    @property
    def counts(self) -> Floats:
        """Frequencies in the group, of each row."""
        if self._counts is None:
            return np.broadcast_to(1.0, self.level.shape)
        return self._counts

    @property
    def total(self) -> Floats:
        """The sum of the frequencies of its group, for each row."""
        return self._once("total", lambda: self._repeat(self._totals))

    @property
    def share(self) -> Floats:
        """What each row has of the mean over groups; they sum to 1."""
        return self._once(
            "share", lambda: self._repeat(self._weights) * self.counts / self.total
        )

    def _once(self, name: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        if self._kept is None:
            return make()
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def _repeat(self, by_group: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(by_group, self.sizes)

    @property
    def parts(self) -> list[slice]:
        """The groups."""
        starts = self.starts.tolist()
        return list(map(slice, starts, [*starts[1:], self.order.size]))

    def pieces(self) -> Iterator[tuple[slice, GroupedRows]]:
        """Groups that follow one another, of about `PIECE_SIZE` rows: which, and they.

        Their sums are those of all rows, which need not be in memory at once.
        """
        ends, first = self.starts + self.sizes, 0
        if self.order.size <= PIECE_SIZE:
            yield slice(None), self
            return
        while first < ends.size:
            limit = self.starts[first] + PIECE_SIZE
            stop = max(first + 1, int(np.searchsorted(ends, limit, side="right")))
            part = slice(int(self.starts[first]), int(ends[stop - 1]))
            yield part, self._take(slice(first, stop), part)
            first = stop

    def _take(self, groups: slice, part: slice) -> GroupedRows:
        """These groups, which have these rows."""
        piece = copy(self)
        piece._kept = None
        piece.order, piece.level = self.order[part], self.level[part]
        piece._weights, piece._totals = self._weights[groups], self._totals[groups]
        if self._counts is not None:
            piece._counts = self._counts[part]
        piece.sizes = self.sizes[groups]
        piece.starts = self.starts[groups] - part.start
        first = np.flatnonzero(np.diff(piece.sizes, prepend=0))
        piece.buckets = [
            (numbers, slice(start, start + numbers.size * size))
            for numbers, start, size in zip(
                np.split(np.arange(piece.sizes.size), first[1:]),
                piece.starts[first].tolist(),
                piece.sizes[first].tolist(),
                strict=True,
            )
        ]
        return piece

    def sums(self, values: Floats) -> Floats:
        """Sums within the groups."""
        sums = np.bincount(self.number, values, minlength=self.sizes.size)
        return sums.astype(np.float64, copy=False)

    def centred(self, values: Floats) -> Floats:
        """Values minus their weighted mean in the group."""
        sums = self.sums(self.counts * values)
        return values - np.repeat(sums / self._totals, self.sizes)


def _to_levels(ranks: Floats, total: Floats) -> Floats:
    """The levels of ranks in groups of these sizes, which overwrite them."""
    ranks -= 0.5
    ranks /= total
    ranks -= 0.5
    ranks *= LEVEL_RANGE
    return ranks


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

    def __init__(
        self, rows: GroupedRows, epsilon: float, room: NDArray[np.int64] | None = None
    ) -> None:
        self._rows = rows
        sizes = [(part.stop - part.start) // own.size for own, part in rows.buckets]
        epsilons = LEVEL_RANGE * epsilon / np.array(sizes)
        self._ranks = GroupRanks(
            rows.buckets, epsilons, "quadratic", descending=False, room=room
        )

    def __call__(self, scores: Floats) -> Floats:
        """The levels."""
        return _to_levels(self._ranks(scores), self._rows.total)

    def pull_back(self, gradient: Floats) -> Floats:
        """The gradient in the scores of the last call; overwrites the one in levels."""
        gradient *= LEVEL_RANGE
        gradient /= self._rows.total
        return self._ranks.pull_back(gradient)


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


def soft_levels(
    rows: GroupedRows, epsilon: float, room: NDArray[np.int64] | None = None
) -> SoftLevels | WeightedSoftLevels:
    """The soft levels that these rows need; `room` as in `GroupRanks`."""
    if rows.is_weighted:
        return WeightedSoftLevels(rows, epsilon)
    return SoftLevels(rows, epsilon, room)


class SumOfPieces:
    """A sum over groups, a piece of the rows at a time.

    Parameters
    ----------
    rows : GroupedRows
    make : callable
        ``make(piece, part, room)`` is the part of the sum that belongs to a piece.
    """

    def __init__(
        self, rows: GroupedRows, make: Callable[[GroupedRows, slice, Any], Any]
    ) -> None:
        pieces = list(rows.pieces())
        n_numbers = max(2 * p.order.size + p.sizes.size for _, p in pieces)
        room = np.empty(n_numbers, np.int64)
        self._pieces = [(part, make(piece, part, room)) for part, piece in pieces]

    def parts(self, n_outputs: int) -> Iterator[tuple[slice, Any]]:
        """Slices of the rows, and the functions of their scores."""
        yield from self._pieces

    def __call__(self, scores: Floats) -> tuple[float, Floats]:
        """Value and gradient at scores of shape (n_used, 1)."""
        value, gradient = 0.0, np.empty_like(scores)
        for part, objective in self._pieces:
            own, gradient[part] = objective(scores[part])
            value += own
        return value, gradient


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
        levels -= self._rows.level
        gradient = self._rows.share * levels
        value = 0.5 * float(gradient @ levels)
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
        relevance = relevance[rows.order]
        self._gain = np.empty_like(relevance)
        # Of a group, times the frequency of the row.
        share, counts = rows.share * rows.total, rows.counts
        for groups, part in _batches(rows):
            shape = groups.size, -1
            gain = relevance[part].reshape(shape)
            gain = gain / gain.max(axis=1, keepdims=True)
            own = counts[part].reshape(shape) if rows.is_weighted else None
            best = _largest_sums(gain, own, k)
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
        self._scores, self._strength = scores, strength

    def __call__(self, scores: Floats) -> tuple[float, Floats]:
        """Value and gradient at scores of shape (n_used, 1)."""
        value, gradient = self._objective(scores)
        moved = self._rows.centred((scores - self._scores)[:, 0])
        pull = self._strength * self._rows.share * moved
        return value + 0.5 * float(pull @ moved), gradient + pull[:, None]


def _batches(rows: GroupedRows) -> Iterator[tuple[NDArray[np.intp], slice]]:
    """Groups of one size, not many rows at a time, and where these are."""
    for groups, part in rows.buckets:
        size = (part.stop - part.start) // groups.size
        for batch in gen_batches(groups.size, max(1, BATCH_SIZE // size)):
            start = part.start + size * batch.start
            yield groups[batch], slice(start, part.start + size * batch.stop)


def _largest_sums(gain: Floats, counts: Floats | None, k: int | None) -> Floats:
    """Largest discounted sums of gains in rows, each of which has a frequency."""
    if counts is None:  # ones
        gain = -np.sort(-gain, axis=1)
        ends = np.arange(1.0, gain.shape[1] + 1)[None]
    else:
        order = np.argsort(-gain, axis=1, kind="stable")
        gain = np.take_along_axis(gain, order, axis=1)
        ends = np.cumsum(np.take_along_axis(counts, order, axis=1), axis=1)
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
