"""Many quantiles of the same values, from one sort of them."""

import math

import numpy as np

from .._levels import quantile_rows

# From so many levels on a sort pays.
MANY_LEVELS = 16


def many_quantiles(data, q, epsilon, is_logistic):
    """Columns of quadratic or hard quantiles for all q, or None where that is slow.

    As `WindowMean` gives them but for rounding, in O(n log n) time for all together.
    """
    weights = data.kernel_weights
    is_hard = epsilon == 0
    if q.size < MANY_LEVELS or not len(data.rows) or data.infinite is not None:
        return None
    if is_logistic and not is_hard:
        return None
    if weights is not None and (is_hard or weights.min(initial=np.inf) <= 0):
        return None
    low, high = data.bounds
    reach = (np.max(high, initial=0.0) - np.min(low, initial=0.0)) * np.max(data.total)
    if not math.isfinite(reach):
        return None
    levels, places = np.unique(q, return_inverse=True)
    if weights is None:
        x = np.sort(data.rows, axis=1)
    else:
        order = np.argsort(data.rows, axis=1, kind="stable")
        x, weights = (np.take_along_axis(a, order, 1) for a in (data.rows, weights))
    found = _hard(x, levels) if is_hard else _soft(x, weights, data, levels, epsilon)
    found = np.minimum(np.maximum(found, low), high)
    found = np.maximum.accumulate(found, axis=1) + 0.0  # no -0.0
    return found[:, np.ravel(places)]


def _hard(x, levels):
    position = (x.shape[1] - 1) * levels
    first = np.floor(position).astype(np.intp)
    part = position - first
    low, high = x[:, first], x[:, np.minimum(first + 1, x.shape[1] - 1)]
    return np.where(part == 0, low, high + (low - high) * (1 - part))


def _soft(x, weights, data, levels, epsilon):
    found = np.empty((len(x), levels.size))
    is_low = levels <= 0.5
    masses = (data.total - 1) * levels[is_low]
    part = np.empty(masses.shape)
    quantile_rows(x, weights, data.total, epsilon, masses, False, part)
    found[:, is_low] = part
    # From the other end, where small masses have the more digits.
    masses = ((data.total - 1) * (1 - levels[~is_low]))[:, ::-1]
    part = np.empty(masses.shape)
    masses = np.ascontiguousarray(masses)
    quantile_rows(x, weights, data.total, epsilon, masses, True, part)
    found[:, ~is_low] = -part[:, ::-1]
    return found
