"""What the trimmed and the quantile losses compute, without checks of arguments.

For callers that check once and iterate. Losses and weights are contiguous arrays of
float64 and shape (n,), weights or counts None for ones; `total` is the sum of the
weights and `guess` the threshold of an earlier, similar call.
"""

import numpy as np

from .._bridge import write_steps
from .._selection import select_row
from ._block import find_block


def trimmed_selection(
    losses, weight, n_kept, epsilon, total=None, guess=np.nan, out=None
):
    """Value, selection and threshold of `selection_trimmed_loss`.

    The threshold is the t of its Notes, for ``epsilon=0`` the largest loss that is
    kept. The derivatives are ``weight * selection / n_kept``. The selection is written
    to `out`, if that is given.
    """
    selection = np.empty_like(losses) if out is None else out
    total = _total(losses, weight) if total is None else total
    value, threshold = fill_selection(
        losses, weight, n_kept, epsilon, total, guess, selection, None
    )
    return value, selection, threshold


def fill_selection(losses, weight, n_kept, epsilon, total, guess, selection, gradient):
    """Fill `selection` and `gradient` (or None); returns value and threshold."""
    if n_kept >= total:
        selection.fill(1.0)
        if gradient is None:
            gradient = np.empty_like(losses)
        np.divide(1.0 if weight is None else weight, n_kept, out=gradient)
        return float(gradient @ losses), np.inf
    value, anchor, offset, _ = select_row(
        losses, weight, n_kept, total, epsilon, guess, selection, gradient
    )
    if epsilon == 0:
        return value, anchor
    return value, anchor + epsilon * (offset + n_kept / total)


def quantile_selection(losses, weight, n_kept, epsilon, total=None, guess=np.nan):
    """Value, gradient, selection and threshold of `selection_quantile_loss`."""
    total = _total(losses, weight) if total is None else total
    if n_kept >= total:
        value = (losses if weight is None else losses[weight > 0]).max()
        averaged, threshold = losses == value, np.inf
    else:
        averaged, value, threshold = _quantile(
            losses, weight, n_kept, epsilon, total, guess
        )
    selection = averaged.astype(np.float64)
    gradient = selection if weight is None else selection * weight
    return float(value), gradient / gradient.sum(), selection, float(threshold)


def _quantile(losses, weight, n_kept, epsilon, total, guess):
    """Which losses the quantile is the mean of, its value, and the threshold."""
    _, anchor, offset, _ = select_row(
        losses, weight, n_kept, total, epsilon, guess, None, None
    )
    if epsilon == 0:
        return losses == anchor, anchor, anchor
    share = n_kept / total
    with np.errstate(over="ignore"):
        part = offset - (losses - anchor) / epsilon
    averaged = (part > -share) & (part < 1 - share)
    present = True if weight is None else weight > 0
    if (averaged & present).any():
        return averaged, anchor + epsilon * offset, anchor + epsilon * (offset + share)
    # Any threshold between the kept losses and the others serves: take the smallest.
    largest = losses[(part >= 1 - share) & present].max()
    return losses == largest, largest + epsilon * (1 - share), largest + epsilon


def sorted_selection(losses, counts, n_kept, epsilon):
    """Value, gradient and selection of `sorted_trimmed_loss`."""
    penalty = 0.0
    if n_kept == _total(losses, counts):
        selection = np.ones_like(losses)
    else:
        block = find_block(losses, counts, n_kept, 0.0, epsilon)
        size, kept = block.end - block.start, n_kept - block.start
        selection = _block_steps(losses, block, 1.0, kept / max(size, 1))
        if size:
            penalty = kept * (size - kept) / (2 * epsilon)
    gradient = selection / n_kept
    if counts is not None:
        gradient *= counts
        _interpolate(losses, counts, selection)
    return float(gradient @ losses - penalty / n_kept), gradient, selection


def sorted_quantile(losses, counts, position, epsilon):
    """Value, gradient and selection of `sorted_quantile_loss`."""
    block = find_block(losses, counts, position - 1, 0.5, epsilon)
    selection = _block_steps(losses, block, 0.0, 1.0)
    gradient = selection if counts is None else selection * counts
    gradient = gradient / (block.end - block.start)
    value = gradient @ losses
    if block.end - block.start > 1:
        value += (position - 0.5 * (block.start + block.end + 1)) / epsilon
    if counts is not None:
        _interpolate(losses, counts, selection)
    return float(value), gradient, selection


def _total(losses, weight):
    return float(losses.size) if weight is None else float(weight.sum())


def _block_steps(losses, block, below, inside):
    """`below` the block, `inside` it and 0 above; equal losses share equally."""
    low, high = block.first_run
    share_first = below * (block.start - low) / (high - low)
    share_first += inside * (min(block.end, high) - block.start) / (high - low)
    low, high = block.last_run
    share_last = inside * (block.end - low) / (high - low)
    selection = np.empty_like(losses)
    write_steps(
        losses,
        below,
        block.first,
        share_first,
        inside,
        block.last,
        share_last,
        selection,
    )
    return selection


def _interpolate(losses, counts, selection):
    """Set the selection of losses without count, in place.

    The others hold a few numbers only, each in an interval of the losses: its ends are
    the knots.
    """
    absent = counts == 0
    if not absent.any():
        return
    present_losses, present = losses[~absent], selection[~absent]
    knots = []
    for step in np.unique(present):
        at_step = present_losses[present == step]
        knots += [(at_step.min(), step), (at_step.max(), step)]
    knots = np.array(sorted(knots)).T
    selection[absent] = np.interp(losses[absent], *knots)
