"""Many quantiles of the same values, from one sort of them."""

import math

import numpy as np

from .._levels import quantile_rows

# From so many levels on one sort for all pays 4 to 15 times, and costs about a tenth
# of the derivatives if these are wanted. With weights a sort takes longer.
MANY_LEVELS = 8
MANY_WEIGHTED_LEVELS = 16


def many_quantiles(data, q, epsilon, is_logistic):
    """Columns of quadratic or hard quantiles for all q, or None where that is slow.

    As `WindowMean` gives them but for rounding, in O(n log n) time for all together.
    """
    weights = data.kernel_weights
    is_hard = epsilon == 0
    many = MANY_LEVELS if weights is None else MANY_WEIGHTED_LEVELS
    if q.size < many or not len(data.rows) or data.infinite is not None:
        return None
    if is_logistic and not is_hard:
        return None
    if is_hard and weights is not None and (weights[weights > 0] != 1).any():
        return None
    low, high = data.bounds
    with np.errstate(over="ignore"):
        reach = np.max(high, initial=0.0) - np.min(low, initial=0.0)
        reach *= np.max(data.total)
    if not math.isfinite(reach):
        return None
    levels, places = np.unique(q, return_inverse=True)
    found = np.empty((len(data.rows), levels.size))
    for rows, x, x_weights in _sorted_rows(data.rows, weights):
        if is_hard:
            found[rows] = _hard(x, levels)
        else:
            total = np.ascontiguousarray(data.total[rows])
            found[rows] = _soft(x, x_weights, total, levels, epsilon)
    found = np.minimum(np.maximum(found, low), high)
    found = np.maximum.accumulate(found, axis=1) + 0.0  # no -0.0
    close = data.close_means(epsilon)
    if close is not None:
        found = np.where(close[0], close[1], found)
    return found[:, np.ravel(places)]


def _sorted_rows(values, weights):
    """Which rows, their values in order and their weights, without those of none.

    Rows with as many values of positive weight stand together: whatever others lack,
    a row has the result that it has alone.
    """
    if weights is None:
        yield slice(None), np.sort(values, axis=1), None
        return
    is_kept = weights > 0
    counts = is_kept.sum(axis=1)
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        keys = np.where(is_kept[rows], values[rows], np.inf)
        order = np.argsort(keys, axis=1, kind="stable")[:, :count]
        x, own = (np.take_along_axis(a[rows], order, 1) for a in (values, weights))
        yield rows, np.ascontiguousarray(x), np.ascontiguousarray(own)


def _hard(x, levels):
    position = (x.shape[1] - 1) * levels
    first = np.floor(position).astype(np.intp)
    part = position - first
    low, high = x[:, first], x[:, np.minimum(first + 1, x.shape[1] - 1)]
    return np.where(part == 0, low, high + (low - high) * (1 - part))


def _soft(x, weights, total, levels, epsilon):
    found = np.empty((len(x), levels.size))
    is_low = levels <= 0.5
    masses = (total - 1) * levels[is_low]
    part = np.empty(masses.shape)
    quantile_rows(x, weights, total, epsilon, masses, False, part)
    found[:, is_low] = part
    # From the other end, where small masses have the more digits.
    masses = ((total - 1) * (1 - levels[~is_low]))[:, ::-1]
    part = np.empty(masses.shape)
    masses = np.ascontiguousarray(masses)
    quantile_rows(x, weights, total, epsilon, masses, True, part)
    found[:, ~is_low] = -part[:, ::-1]
    return found
