"""One block of the soft sort of losses, found without sorting them."""

from typing import NamedTuple

import numpy as np

from .._bridge import fill_buckets, find_bridge, open_buckets
from .._selection import select_row

# So many losses are simply sorted.
SMALL = 2000
N_BUCKETS = 2048
# All losses are sorted rather than this part of them, or in more rounds.
MAX_SORTED = 0.25
MAX_ROUNDS = 8


class Runs(NamedTuple):
    """Losses in ascending order by equal values, or by buckets of close ones."""

    value: np.ndarray  # what occurs, or the mean of the bucket
    size: np.ndarray  # how many losses they are
    is_exact: np.ndarray  # whether the losses are equal
    bucket: np.ndarray


class Block(NamedTuple):
    """Sorted losses start + 1, ..., end, and the equal losses around its ends."""

    start: float
    end: float
    first: float  # the losses inside are first <= loss <= last
    last: float
    first_run: tuple[float, float]  # positions of the losses equal to first
    last_run: tuple[float, float]
    n_opened: int  # how many losses were sorted to find it


def find_block(losses, counts, position, gap, epsilon):
    """The block of the ascending soft sort around ``position + gap``.

    Parameters
    ----------
    losses, counts : ndarray of float64 of shape (n,)
        Counts are whole numbers, not all 0, or None for ones.
    position : int
        Below the sum of the counts.
    gap : {0, 0.5}
        With 0 the block is empty if the soft sort parts the losses at `position`.
    epsilon : float
        Strength of the soft sort, at least 0.

    Notes
    -----
    The losses are counted and summed in buckets, one pass. What that tells of the
    points inside bounds how much a bucket can move the ends of the block. Those that
    may move it are opened, that is their losses are sorted, a pass a round. If that
    were many, all losses are sorted.
    """
    present = losses if counts is None else losses[counts > 0]
    bounds = float(present.min()), float(present.max())
    if epsilon * (bounds[1] - bounds[0]) <= 1:  # no gap is wide enough to average over
        return _hard_block(losses, counts, position, gap)
    if losses.size <= SMALL:
        runs, n_opened = _sorted_runs(losses, counts), losses.size
    else:
        runs, n_opened = _opened_runs(losses, counts, bounds, position, gap, epsilon)
    start, end, _ = _bridge(runs, position, gap, epsilon)
    ends = np.cumsum(runs.size)
    first, last = _runs_at_ends(ends, start, end)
    return Block(
        start,
        end,
        runs.value[first] if runs.is_exact[first] else -np.inf,
        runs.value[last] if runs.is_exact[last] else np.inf,
        (ends[first] - runs.size[first], ends[first]),
        (ends[last] - runs.size[last], ends[last]),
        n_opened,
    )


def _hard_block(losses, counts, position, gap):
    """The block of the hard sort: one loss, or none."""
    total = losses.size if counts is None else counts.sum()
    end = position + (gap > 0)
    _, value, share, _ = select_row(losses, counts, end, total, 0.0, np.nan, None, None)
    tied = losses == value
    n_tied = np.count_nonzero(tied) if counts is None else counts[tied].sum()
    low = end - round(share * n_tied)
    run = (low, low + n_tied)
    return Block(position, end, value, value, run, run, 0)


def _opened_runs(losses, counts, bounds, position, gap, epsilon):
    """Runs that make the block certain, and how many losses were sorted."""
    buckets = _Buckets(losses, counts, bounds, position)
    runs, n_opened = buckets.runs(), 0
    for _ in range(MAX_ROUNDS):
        is_open = _open_runs(runs, position, gap, epsilon)
        if not is_open.any():
            return runs, n_opened
        room = int(min(runs.size[is_open].sum(), losses.size))
        if n_opened + room > MAX_SORTED * losses.size:
            break
        found, n_found = buckets.open(runs.bucket[is_open], room)
        n_opened += n_found
        pairs = zip(runs, found, strict=True)
        runs = Runs._make(np.concatenate([old[~is_open], new]) for old, new in pairs)
        order = np.argsort(runs.bucket, kind="stable")
        runs = Runs._make(r[order] for r in runs)
    return _sorted_runs(losses, counts), losses.size


class _Buckets:
    """Losses by their distance to the smallest, in steps that grow with it."""

    def __init__(self, losses, counts, bounds, position):
        self.losses = losses
        self.counts = counts
        self.smallest, self.largest = bounds
        # Buckets are narrow above about 1/64 of the distance that matters most.
        stride = max(1, losses.size // 1000)
        sample = losses[::stride]
        if counts is not None:
            sample = sample[counts[::stride] > 0]
        total = losses.size if counts is None else counts.sum()
        typical = self.smallest
        if sample.size:
            typical = np.quantile(sample, position / total)
        self.unit = max(
            (typical - self.smallest) / 64,
            (self.largest - self.smallest) * 2.0**-60,
            np.finfo(np.float64).tiny,
        )

    def runs(self):
        size, total = np.empty((2, N_BUCKETS))
        self.shift = fill_buckets(
            self.losses,
            self.counts,
            self.smallest,
            self.largest,
            self.unit,
            size,
            total,
        )
        bucket = np.flatnonzero(size)
        size, total = size[bucket], total[bucket]
        is_exact = np.zeros(bucket.size, dtype=np.int8)
        return Runs(self.smallest + total / size, size, is_exact, bucket)

    def open(self, buckets, room):
        """Runs of the at most `room` losses in some buckets, and their number."""
        is_open = np.zeros(N_BUCKETS, dtype=np.int8)
        is_open[buckets] = 1
        losses, bucket = np.empty(room), np.empty(room, dtype=np.int64)
        counts = None if self.counts is None else np.empty(room)
        m = open_buckets(
            self.losses,
            self.counts,
            self.smallest,
            self.unit,
            self.shift,
            is_open,
            losses,
            counts,
            bucket,
        )
        counts = None if counts is None else counts[:m]
        return _sorted_runs(losses[:m], counts, bucket[:m]), m


def _bridge(runs, position, gap, epsilon):
    """Ends of the block, and which runs may move them."""
    is_open = np.empty(runs.value.size, dtype=np.int8)
    start, end = find_bridge(
        runs.value, runs.size, runs.is_exact, position, gap, epsilon, is_open
    )
    return start, end, is_open.view(bool)


def _open_runs(runs, position, gap, epsilon):
    """Which buckets to open: those that may move the block or hold its outer losses."""
    start, end, is_open = _bridge(runs, position, gap, epsilon)
    first, last = _runs_at_ends(np.cumsum(runs.size), start, end)
    is_open[first] |= first > 0 and not runs.is_exact[first]
    is_open[last] |= last < is_open.size - 1 and not runs.is_exact[last]
    return is_open


def _runs_at_ends(ends, start, end):
    """Indices of the runs with the first and the last loss of a block.

    Those of an empty block are the last loss before it.
    """
    first = np.searchsorted(ends, start, side="right" if end > start else "left")
    return first, np.searchsorted(ends, end, side="left")


def _sorted_runs(losses, counts, buckets=None):
    if counts is None:
        losses = np.sort(losses)
        counts = np.ones(losses.size)
    else:
        order = np.argsort(losses)
        losses, counts = losses[order], counts[order]
    # The order of the buckets is that of the losses.
    buckets = np.zeros(losses.size, np.int64) if buckets is None else np.sort(buckets)
    is_new = np.ones(losses.size, dtype=bool)
    np.not_equal(losses[1:], losses[:-1], out=is_new[1:])
    if not is_new.all():
        start = np.flatnonzero(is_new)
        losses, buckets = losses[start], buckets[start]
        counts = np.add.reduceat(counts, start)
    return Runs(losses, counts, np.ones(losses.size, dtype=np.int8), buckets)
