"""What the trimmed and the quantile losses compute, without checks of arguments.

For callers that check once and iterate. Losses and weights are contiguous arrays of
float64 and shape (n,), weights or counts None for ones; `total` is the sum of the
weights and `guess` the threshold of an earlier, similar call.
"""

import numpy as np

from .._bridge import write_steps
from .._selection import select_row
from ..operators._choice import CLOSEST
from ._block import find_block


def trimmed_choice(losses, weight, kept, epsilon, total=None, guess=np.nan, out=None):
    """Value, choice p and threshold of `selection_trimmed_loss`.

    The threshold is the t of its Notes, for ``epsilon=0`` the largest loss that is
    kept. The derivatives are ``weight * p / kept``. The choice is written to `out`, if
    that is given.
    """
    p = np.empty_like(losses) if out is None else out
    value, threshold = _fill_choice(
        losses, weight, kept, epsilon, total, guess, p, None
    )
    return value, p, threshold


def trimmed_gradient(losses, weight, kept, epsilon, total=None):
    """Value, derivatives and choice p of `selection_trimmed_loss`."""
    gradient, p = np.empty((2, losses.size))
    value, _ = _fill_choice(losses, weight, kept, epsilon, total, np.nan, p, gradient)
    return value, gradient, p


def _fill_choice(losses, weight, kept, epsilon, total, guess, p, gradient):
    """Fill `p` and `gradient` (or None); returns value and threshold."""
    total = _total(losses, weight) if total is None else total
    if kept >= total:
        p.fill(1.0)
        if gradient is None:
            gradient = np.empty_like(losses)
        np.divide(1.0 if weight is None else weight, kept, out=gradient)
        return float(gradient @ losses), np.inf
    value, anchor, offset, _ = select_row(
        losses, weight, kept, total, epsilon, guess, p, gradient
    )
    if epsilon == 0:
        return value, anchor
    return value, anchor + epsilon * (offset + kept / total)


def quantile_choice(losses, weight, kept, epsilon, total=None, guess=np.nan):
    """Value, gradient, p and threshold of `selection_quantile_loss`."""
    total = _total(losses, weight) if total is None else total
    if kept >= total:
        value = (losses if weight is None else losses[weight > 0]).max()
        averaged, threshold = losses == value, np.inf
    else:
        averaged, value, threshold = _quantile(
            losses, weight, kept, epsilon, total, guess
        )
    p = averaged.astype(np.float64)
    gradient = p if weight is None else p * weight
    return float(value), gradient / gradient.sum(), p, float(threshold)


def _quantile(losses, weight, kept, epsilon, total, guess):
    """Which losses the quantile is the mean of, its value, and the threshold."""
    _, anchor, offset, _ = select_row(
        losses, weight, kept, total, epsilon, guess, None, None
    )
    if epsilon == 0:
        return losses == anchor, anchor, anchor
    share = kept / total
    with np.errstate(over="ignore"):
        part = offset - (losses - anchor) / epsilon
    averaged = (part > -share) & (part < 1 - share)
    present = True if weight is None else weight > 0
    mean = _close_mean(losses, weight, epsilon) if averaged.all() else None
    if mean is not None:
        return averaged, mean, mean + epsilon * share
    if (averaged & present).any():
        return averaged, anchor + epsilon * offset, anchor + epsilon * (offset + share)
    # Any threshold between the kept losses and the others serves: take the smallest.
    largest = losses[(part >= 1 - share) & present].max()
    return losses == largest, largest + epsilon * (1 - share), largest + epsilon


def _close_mean(losses, weight, epsilon):
    """The mean of losses that span next to nothing in units of epsilon, or None."""
    low = losses.min()
    if not 0 < losses.max() - low < CLOSEST * epsilon:
        return None
    return low + np.average(losses - low, weights=weight)


def sorted_choice(losses, counts, kept, epsilon):
    """Value, gradient and p of `sorted_trimmed_loss`."""
    penalty = 0.0
    if kept == _total(losses, counts):
        p = np.ones_like(losses)
    else:
        block = find_block(losses, counts, kept, 0.0, epsilon)
        size, inside = block.end - block.start, kept - block.start
        p = _block_steps(losses, block, 1.0, inside / max(size, 1))
        if size:
            penalty = inside * (size - inside) / (2 * epsilon)
    gradient = p / kept
    if counts is not None:
        gradient *= counts
        _interpolate(losses, counts, p)
    return float(gradient @ losses - penalty / kept), gradient, p


def sorted_quantile(losses, counts, position, epsilon):
    """Value, gradient and p of `sorted_quantile_loss`."""
    block = find_block(losses, counts, position - 1, 0.5, epsilon)
    p = _block_steps(losses, block, 0.0, 1.0)
    gradient = p if counts is None else p * counts
    gradient = gradient / (block.end - block.start)
    value = gradient @ losses
    if block.end - block.start > 1:
        value += (position - 0.5 * (block.start + block.end + 1)) / epsilon
    if counts is not None:
        _interpolate(losses, counts, p)
    return float(value), gradient, p


def _total(losses, weight):
    return float(losses.size) if weight is None else float(weight.sum())


def _block_steps(losses, block, below, inside):
    """`below` the block, `inside` it and 0 above; equal losses share equally."""
    low, high = block.first_run
    share_first = below * (block.start - low) / (high - low)
    share_first += inside * (min(block.end, high) - block.start) / (high - low)
    low, high = block.last_run
    share_last = inside * (block.end - low) / (high - low)
    p = np.empty_like(losses)
    write_steps(
        losses,
        below,
        block.first,
        share_first,
        inside,
        block.last,
        share_last,
        p,
    )
    return p


def _interpolate(losses, counts, p):
    """Set the p of losses without count, in place.

    The others hold a few numbers only, each in an interval of the losses: its ends are
    the knots.
    """
    absent = counts == 0
    if not absent.any():
        return
    present_losses, present = losses[~absent], p[~absent]
    knots = []
    for step in np.unique(present):
        at_step = present_losses[present == step]
        knots += [(at_step.min(), step), (at_step.max(), step)]
    knots = np.array(sorted(knots)).T
    p[absent] = np.interp(losses[absent], *knots)
