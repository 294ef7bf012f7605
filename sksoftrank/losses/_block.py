"""One block of the soft sort of losses."""

from typing import NamedTuple

import numpy as np

from .._bridge import find_bridge
from .._selection import select_row


class Block(NamedTuple):
    """Sorted losses start + 1, ..., end, and the equal losses around its ends."""

    start: float
    end: float
    first: float  # the losses inside are first <= loss <= last
    last: float
    first_run: tuple[float, float]  # positions of the losses equal to first
    last_run: tuple[float, float]


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
    """
    present = losses if counts is None else losses[counts > 0]
    spread = float(present.max()) - float(present.min())
    if epsilon * spread <= 1:  # no gap is wide enough to average over
        return _hard_block(losses, counts, position, gap)
    values, sizes = _runs(losses, counts)
    start, end = find_bridge(values, sizes, position, gap, epsilon)
    ends = np.cumsum(sizes)
    # Those of an empty block are the last loss before it.
    first = np.searchsorted(ends, start, side="right" if end > start else "left")
    last = np.searchsorted(ends, end, side="left")
    first_run, last_run = ((ends[i] - sizes[i], ends[i]) for i in (first, last))
    return Block(start, end, values[first], values[last], first_run, last_run)


def _runs(losses, counts):
    """The losses in ascending order without repeats, and how many they are."""
    if counts is None:
        losses = np.sort(losses)
        counts = np.ones(losses.size)
    else:
        order = np.argsort(losses)
        losses, counts = losses[order], counts[order]
    is_new = np.ones(losses.size, dtype=bool)
    np.not_equal(losses[1:], losses[:-1], out=is_new[1:])
    if is_new.all():
        return losses, counts
    start = np.flatnonzero(is_new)
    return losses[start], np.add.reduceat(counts, start)


def _hard_block(losses, counts, position, gap):
    """The block of the hard sort: one loss, or none."""
    total = losses.size if counts is None else counts.sum()
    end = position + (gap > 0)
    _, value, share, _ = select_row(losses, counts, end, total, 0.0, np.nan, None, None)
    tied = losses == value
    n_tied = np.count_nonzero(tied) if counts is None else counts[tied].sum()
    low = end - round(share * n_tied)
    run = (low, low + n_tied)
    return Block(position, end, value, value, run, run)
