"""The range of epsilon in which the pools of ranks and sorts depend on it."""

from functools import partial

import numpy as np

from .._rows import tie_bounds

# Rounding up: the sums are good to about sqrt(n) units in the last place.
UP = 1 + 1e-12


def pool_bounds(x, operator, regularization):
    """Bounds for ranks and sorts; x descending."""
    count, n = x.shape
    if n < 2:
        return np.full(count, np.inf), np.zeros(count)
    if operator == "rank":
        hard = _hard_rank_bound(x, regularization)
        return hard, _single_rank_bound(x, regularization)
    return _hard_sort_bound(x), _single_sort_bound(x, regularization)


def _rho(n):
    return np.arange(n, 0, -1, dtype=np.float64)


def _hard_rank_bound(x, regularization):
    """Smallest epsilon at which two neighbouring groups of ties begin to merge."""
    n = x.shape[1]
    gap = x[:, :-1] - x[:, 1:]
    # The groups of ties on both sides of the gap before each position.
    position = np.arange(1, n)
    first, last = tie_bounds(x)
    left, right = position - first[:, :-1], last[:, 1:] + 1 - position
    rank = n - position  # rho of the first element on the right
    if regularization == "quadratic":
        fall = 0.5 * (left + right)
        # Between ties the kernel of short rows adds up to 15 rounded differences.
        slack = np.where(fall > 1.0, 64 * np.finfo(float).eps, 0.0)
    elif regularization == "entropic":
        fall = left + _log_mean_rho_exp(left) - _log_mean_rho_exp(right)
        slack = 128 * np.finfo(float).eps * (1 + 1 / fall)
    else:
        fall = np.log1p(0.5 * (left + right) / (rank - 0.5 * (right - 1)))
        slack = 128 * np.finfo(float).eps * (1 + 1 / fall)
    with np.errstate(over="ignore"):
        bound = gap / fall
        # Kernels merge single values iff gap < epsilon * fall, in floating point.
        bound = np.where(bound * fall > gap, np.nextafter(bound, 0), bound)
    return np.where(gap > 0, bound * (1 - slack), np.inf).min(axis=1)


def _log_mean_rho_exp(size):
    """log(mean(exp(-j))) for j = 0, ..., size - 1."""
    return np.log(np.expm1(-size.astype(np.float64)) / (np.expm1(-1.0) * size))


def _hard_sort_bound(x):
    """1 / largest gap, for both regularizations."""
    gap = (x[:, :-1] - x[:, 1:]).max(axis=1)
    bound = np.full(len(x), np.inf)
    varies = gap > 0
    gap = gap[varies]
    with np.errstate(over="ignore"):
        inverse = np.minimum(1 / gap, np.finfo(np.float64).max)
        # Both tests of the kernel, gap * epsilon > 1 and gap > 1 / epsilon, must fail.
        is_high = (gap * inverse > 1) | (gap > 1 / inverse)
    bound[varies] = np.where(is_high, np.nextafter(inverse, 0), inverse)
    return bound


def _mean_fall(x):
    """Mean of the k largest minus mean of the n - k smallest, k = 1, ..., n - 1."""
    n = x.shape[1]
    k = np.arange(1, n)
    above = np.cumsum(x - x[:, :1], axis=1)[:, :-1] / k
    below = np.cumsum((x - x[:, -1:])[:, ::-1], axis=1)[:, -2::-1] / (n - k)
    return (x[:, :1] - x[:, -1:]) + (above - below)


def _log_sums(x):
    """Logarithms of the running sums of exp, for rows of a range below 700."""
    return x[:, :1] + np.log(np.cumsum(np.exp(x - x[:, :1]), axis=1))


def _log_odds(x):
    """Log-mean-exp of the k largest minus that of the n - k smallest."""
    odds = np.empty((len(x), x.shape[1] - 1))
    spread = x[:, 0] - x[:, -1]
    is_narrow = spread < 1
    k = np.arange(1, x.shape[1])
    # Close values: expm1 and log1p keep the digits that exp and log would lose.
    narrow = x[is_narrow]
    above = np.cumsum(np.expm1(narrow - narrow[:, :1]), axis=1)[:, :-1]
    below = np.cumsum(np.expm1(narrow - narrow[:, -1:])[:, ::-1], axis=1)[:, -2::-1]
    odds[is_narrow] = spread[is_narrow, None] + (
        np.log1p(above / k) - np.log1p(below / k[::-1])
    )
    for rows, add_up in (
        (~is_narrow & (spread < 600), _log_sums),
        (spread >= 600, partial(np.logaddexp.accumulate, axis=1)),
    ):
        wide = x[rows]
        above = add_up(wide)[:, :-1]
        below = add_up(wide[:, ::-1])[:, -2::-1]
        odds[rows] = (above - np.log(k)) - (below - np.log(k[::-1]))
    return odds


def _single_rank_bound(x, regularization):
    n = x.shape[1]
    if regularization == "quadratic":
        return 2 / n * _mean_fall(x).max(axis=1) * UP
    rho = _rho(n) if regularization == "entropic" else np.log(_rho(n))
    single = np.zeros(len(x))
    spread = x[:, 0] - x[:, -1]
    varies = spread > 0
    spread, x = spread[varies], x[varies]
    with np.errstate(over="ignore"):  # NumPy 1.26 warns of it where nothing overflows
        unit = (x - x[:, :1]) / spread[:, None]
    slope = _largest_slope(unit, _log_odds(rho[None]), np.ones(len(x)))
    single[varies] = spread / slope * UP
    return single


def _single_sort_bound(x, regularization):
    n = x.shape[1]
    single = np.full(len(x), np.inf)
    varies = x[:, 0] > x[:, -1]
    # Of the smallest floats it may be rounded to 0 or below; the bound is beyond them.
    fall = np.maximum(_mean_fall(x[varies]).min(axis=1), 0.0)
    with np.errstate(over="ignore", divide="ignore"):
        single[varies] = n / 2 / fall * UP
    if regularization == "entropic":
        # Where that is beyond the floats both bounds are: they agree for tiny values.
        # Nearly 0 it stays as it is.
        finite = np.isfinite(single) & (single > 1e-300)
        x = x[finite]
        rho = np.broadcast_to(_rho(n), x.shape)
        slope = _largest_slope(rho, _log_odds(x - x[:, :1]), 1 / single[finite])
        single[finite] = UP / slope
    return single


def _largest_slope(x, log_odds, start):
    """Largest t with _log_odds(t x) <= log_odds, by false position for each row.

    Every log-odds grows with t: its derivative is the difference of two softmax means,
    that of the k largest and that of the rest.
    """

    def excess(t):
        return (_log_odds(t[:, None] * x) - log_odds).max(axis=1, initial=-np.inf)

    high, above = start, excess(start)
    while (grow := above <= 0).any():
        high = np.where(grow, 2 * high, high)
        above = excess(high)
    low, below = high / 2, excess(high / 2)
    while (shrink := below > 0).any():
        high, above = np.where(shrink, (low, below), (high, above))
        low = np.where(shrink, low / 2, low)
        below = excess(low)
    was_low, n_steps = np.zeros((2, len(x)), bool), 0
    while (is_open := high - low > 1e-14 * high).any():
        middle = 0.5 * (low + high)
        n_steps += 1
        if n_steps % 3:
            with np.errstate(invalid="ignore", over="ignore"):
                line = low - below * ((high - low) / (above - below))
            # A little beyond the solution, so that both ends come near.
            nearest = 4e-15 * high
            line = np.clip(line, low + nearest, high - nearest)
            middle = np.where(np.isfinite(line), line, middle)
        middle = np.where(is_open, middle, low)
        found = excess(middle)
        is_low = found <= 0
        # An end that stays twice is taken for nearer, after the Illinois rule.
        above = np.where(is_low, above * np.where(was_low[0], 0.5, 1.0), found)
        below = np.where(is_low, found, below * np.where(was_low[1], 0.5, 1.0))
        was_low = np.array([is_low, ~is_low])
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    return low
