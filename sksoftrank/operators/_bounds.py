"""Which epsilon? The range in which it changes a soft operator."""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from .._checks import (
    as_frequencies,
    check_differences,
    check_finite,
    check_flag,
    check_mass,
    check_nan_policy,
    check_regularization,
)
from .._rows import Slices, tie_bounds
from .._typing import Bound, BoundedOperator, Cut, NanPolicy, RankRegularization
from ._by_row import needs_groups, one_a_row
from ._choice import WeightedRows
from ._location import check_cut, check_fractions

# What each operator takes beside epsilon.
ARGUMENTS = {
    "rank": None,
    "sort": None,
    "topk": "k",
    "quantile": "q",
    "trimmed_mean": "cut",
    "winsorize": "cut",
    "sort_with": None,
}

# Rounding up: the sums are good to about sqrt(n) units in the last place.
_UP = 1 + 1e-12


def epsilon_bounds(
    values: ArrayLike,
    *,
    operator: BoundedOperator = "rank",
    regularization: RankRegularization = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    k: ArrayLike | None = None,
    q: float | None = None,
    cut: Cut | None = None,
    largest: bool = True,
    weights: ArrayLike | None = None,
    nan_policy: NanPolicy = "raise",
) -> tuple[Bound, Bound]:
    r"""The range of `epsilon` in which a soft operator is neither hard nor one block.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. For "sort_with" the criterion.
    operator : str, default="rank"
        The operator that `epsilon` is for, without "soft_": "rank", "sort", "topk",
        "quantile", "trimmed_mean", "winsorize" or "sort_with". Medians are quantiles,
        and quantile normalisation has the bounds of ranks.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        As for the operator; "kl" is for ranks only.
    axis : int or None, default=-1
        Axis of the operator. None flattens `values` first.
    descending : bool, default=False
        As for ranks and sorts. It changes the bounds of "entropic" and "kl", which
        treat large and small values differently.
    k : float or array-like, default=None
        As for `soft_topk`, and only for "topk".
    q : float, default=None
        As for `soft_quantile`, and only for "quantile"; None means 0.5.
    cut : float or pair of floats, default=None
        As for `soft_trimmed_mean` or `soft_winsorize`, and only for these; None means
        their default.
    largest : bool, default=True
        As for `soft_topk`.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        As for the operator, and only for "topk", "quantile", "trimmed_mean" and
        "winsorize". Values without weight do not count.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out.

    Returns
    -------
    hard : float or ndarray of the shape of `values` without `axis`
        For ``epsilon <= hard`` the result is hard: no two distinct values are pooled.
        For "topk" and what follows: the parts with which values are chosen are those
        for ``epsilon=0``.
    single : float or ndarray of the shape of `values` without `axis`
        For ``epsilon >= single`` all values are pooled in one block: larger epsilon
        only shrinks the result towards its limit. For "topk" and what follows: the
        parts are linear in all values; quantiles (of 0 < q < 1) and trimmed means are
        the mean.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_rank, soft_sort, soft_topk, soft_quantile : Some of the operators.

    Notes
    -----
    For ranks of distinct values the quadratic bounds are the smallest gap between
    neighbours and

    .. math::

        \max_k \; \frac{2}{n} (\text{mean of the k largest}
        - \text{mean of the other values}) ;

    for sorts they are 1 / largest gap and the maximum of the reciprocals. The bounds
    hold in floating point too: `hard` is rounded down and `single` up (by 1e-12 of
    itself). For "entropic" and "kl" `single` is the root of an equation, which costs
    about a hundred times what the operator does.

    "topk" and what follows are made of soft choices of the h smallest of n values (see
    `soft_topk`). Let c be the value at which the choice ends, of which it takes the
    part f in (0, 1]. With the next values b below and d above it is hard up to the
    first, and linear from the second of

    .. math::

        \min\left( \frac{c - b}{1 - f}, \; \frac{d - c}{f} \right), \qquad
        \max\left( \frac{\max(x) - \bar x}{h / n}, \;
        \frac{\bar x - \min(x)}{1 - h / n} \right) .

    For several choices these are the smallest and the largest bound. "entropic" choices
    are neither, for any ``epsilon > 0``: the bounds are 0 and inf.

    Where there is nothing to pool `hard` is inf; where nothing makes one block (a sort
    of equal values) `single` is inf.

    Examples
    --------
    >>> from sksoftrank import epsilon_bounds
    >>> hard, single = epsilon_bounds([0.0, 1.0, 5.0])
    >>> print(f"{hard:.6g} {single:.6g}")
    1 3
    >>> hard, single = epsilon_bounds([0.0, 1.0, 5.0], operator="sort")
    >>> print(f"{hard:.6g} {single:.6g}")
    0.25 0.5
    """
    if not isinstance(operator, str) or operator not in ARGUMENTS:
        options = ", ".join(repr(name) for name in ARGUMENTS)
        raise ValueError(f"operator must be one of {options}, got {operator!r}.")
    for name, value in (("k", k), ("q", q), ("cut", cut)):
        if value is not None and name != ARGUMENTS[operator]:
            raise ValueError(f"{name} is not for operator={operator!r}, got {value!r}.")
    allowed = ("quadratic", "entropic", "kl")[: 3 if operator == "rank" else 2]
    check_regularization(regularization, allowed)
    descending = check_flag(descending, "descending")
    largest = check_flag(largest, "largest")
    omits_nan = check_nan_policy(nan_policy)
    values = check_differences(values, "values", axis)
    slices = Slices(values.shape, axis)
    if slices.length == 0 and operator not in ("rank", "sort"):
        raise ValueError("values must not be empty along axis for a choice of them.")
    if ARGUMENTS[operator] is None:
        if weights is not None:
            raise ValueError(f"weights are not for operator={operator!r}.")
        x = slices.to_rows(values).astype(np.float64, copy=False)
        kept = x[~np.isnan(x)] if omits_nan else x
        check_finite(kept, "values", factor=slices.length**2)  # as the operators
        # As in the operators: x pairs with rho = (n, ..., 1), largest first.
        x = x if descending == (operator == "rank") else -x
        hard, single = _bounds_of_all(np.sort(x, axis=1), operator, regularization)
    else:
        rule = as_frequencies if operator in ("quantile", "winsorize") else None
        data = WeightedRows(values, slices, weights, nan_policy, rule=rule)
        masses = _masses(operator, data.total, slices.other_shape, k, q, cut)
        x = -data.rows if operator == "topk" and largest else data.rows
        a = data.kernel_weights
        if a is None:
            x = np.sort(x, axis=1)
        else:  # those without weight come last
            x = np.where(a > 0, x, np.inf)
            order = np.argsort(x, axis=1, kind="stable")
            x, a = (np.take_along_axis(rows, order, axis=1) for rows in (x, a))
        hard, single = _choice_bounds(x, a, data.total, masses, regularization)
    shape = slices.other_shape
    return hard.reshape(shape)[()], single.reshape(shape)[()]


def _bounds_of_all(x, operator, regularization):
    """Bounds for operators on all values; x ascending, NaN last."""
    n = x.shape[1]
    n_kept = np.full(len(x), n)
    if n > 0 and np.isnan(x[:, -1]).any():
        n_kept -= np.count_nonzero(np.isnan(x), axis=1)
    hard, single = np.empty((2, len(x)))
    for m in np.unique(n_kept):
        rows = n_kept == m
        part = x[rows, :m]
        if operator == "sort_with" and m > 0:
            masses = np.arange(1.0, m)[None], np.arange(m - 1.0, 0.0, -1.0)[None]
            bounds = _choice_bounds(part, None, float(m), masses, regularization)
        else:
            bounds = _pool_bounds(-part, operator, regularization)
        hard[rows], single[rows] = bounds
    return hard, single


def _pool_bounds(x, operator, regularization):
    """Bounds for ranks and sorts; x descending."""
    count, n = x.shape
    if n < 2:
        return np.full(count, np.inf), np.zeros(count)
    if operator == "rank":
        hard = _hard_rank_bound(x, regularization)
        return hard, _single_rank_bound(x, regularization)
    return _hard_sort_bound(x), _single_sort_bound(x, regularization)


def _masses(operator, total, shape, k, q, cut):
    """Masses of the choices of which an operator is made, and what they leave.

    Each of shape (count or 1, m).
    """
    if operator == "topk":
        if k is None:
            raise ValueError("k must be given for operator='topk', got None.")
        if needs_groups(k):
            k = np.reshape(one_a_row(k, "k", shape), total.shape)
            is_wrong = ~((k > 0) & (k <= total))
            if is_wrong.any():
                check_mass(k[is_wrong][0], float(total[is_wrong].min()))
            k = k.astype(np.float64)
        else:
            k = np.array([[check_mass(k, float(total.min(initial=np.inf)))]])
        return k, total - k
    if operator in ("trimmed_mean", "winsorize"):
        default = 0.25 if operator == "trimmed_mean" else 0.05
        lower, upper = check_cut(default if cut is None else cut)
        levels, others = np.array([[lower, 1 - upper], [1 - lower, upper]])
    else:
        levels = np.ravel(check_fractions(0.5 if q is None else q, "q", 1.0))
        others = 1 - levels
    if operator == "trimmed_mean":
        return total * levels, total * others
    low, rest = (total - 1) * levels, (total - 1) * others
    return np.hstack([low, low + 1]), np.hstack([rest + 1, rest])


def _choice_bounds(x, a, total, masses, regularization):
    """Bounds for all choices of these masses, and their rests, of the smallest values.

    x is ascending, a its weights, None for ones; those without have x = inf and come
    last.
    """
    count, n = x.shape
    masses, rests = masses
    masses = np.broadcast_to(masses, (count, masses.shape[1]))
    is_open = (masses > 0) & (rests > 0)  # others do not depend on epsilon
    n_weighted, top = np.array([[n]]), x[:, -1:]
    if a is not None:
        n_weighted = np.count_nonzero(a, axis=1)[:, None]
        top = np.take_along_axis(x, n_weighted - 1, axis=1)
    if regularization == "entropic":
        is_hard = (x[:, :1] == top)[:, 0] | ~is_open.any(axis=1)
        return np.where(is_hard, np.inf, 0.0), np.where(is_hard, 0.0, np.inf)
    first, last = tie_bounds(x)
    if a is None:
        levels = np.broadcast_to(np.arange(n + 1.0), (count, n + 1))
        at = np.ceil(masses).astype(np.intp) - 1
    else:
        levels = np.zeros((count, n + 1))
        np.cumsum(a, axis=1, out=levels[:, 1:])
        pairs = zip(levels[:, 1:], masses, strict=True)
        at = [np.searchsorted(own, h) for own, h in pairs]
        at = np.reshape(at, masses.shape)
    # Closed choices may be of all, or of nothing.
    at = np.clip(at, 0, n_weighted - 1)
    first, last = (np.take_along_axis(ends, at, axis=1) for ends in (first, last))
    low, high = (np.take_along_axis(levels, ends, axis=1) for ends in (first, last + 1))
    value = np.take_along_axis(x, at, axis=1)
    below = np.where(
        first > 0, np.take_along_axis(x, np.maximum(first - 1, 0), 1), -np.inf
    )
    above = np.where(
        last < n - 1, np.take_along_axis(x, np.minimum(last + 1, n - 1), 1), np.inf
    )
    excess = _mean_excess(x, a, total)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        part = (masses - low) / (high - low)
        hard = np.minimum((value - below) / (1 - part), (above - value) / part)
        single = np.maximum(
            ((top - x[:, :1]) - excess) / (masses / total), excess / (rests / total)
        )
    hard = np.where(is_open, hard, np.inf).min(axis=1, initial=np.inf)
    single = np.where(is_open, single, 0.0).max(axis=1, initial=0.0)
    return hard / _UP, single * _UP


def _mean_excess(x, a, total):
    """The mean less the smallest value: far from 0 the mean itself has fewer digits."""
    if a is None:
        return (x - x[:, :1]).mean(axis=1, keepdims=True)
    excess = np.where(a > 0, x - x[:, :1], 0.0)
    return np.sum(a * excess, axis=1, keepdims=True) / total


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
        return 2 / n * _mean_fall(x).max(axis=1) * _UP
    rho = _rho(n) if regularization == "entropic" else np.log(_rho(n))
    single = np.zeros(len(x))
    spread = x[:, 0] - x[:, -1]
    varies = spread > 0
    spread, x = spread[varies], x[varies]
    with np.errstate(over="ignore"):  # NumPy 1.26 warns of it where nothing overflows
        unit = (x - x[:, :1]) / spread[:, None]
    slope = _largest_slope(unit, _log_odds(rho[None]), np.ones(len(x)))
    single[varies] = spread / slope * _UP
    return single


def _single_sort_bound(x, regularization):
    n = x.shape[1]
    single = np.full(len(x), np.inf)
    varies = x[:, 0] > x[:, -1]
    # Of the smallest floats it may be rounded to 0 or below; the bound is beyond them.
    fall = np.maximum(_mean_fall(x[varies]).min(axis=1), 0.0)
    with np.errstate(over="ignore", divide="ignore"):
        single[varies] = n / 2 / fall * _UP
    if regularization == "entropic":
        # Where that is beyond the floats both bounds are: they agree for tiny values.
        # Nearly 0 it stays as it is.
        finite = np.isfinite(single) & (single > 1e-300)
        x = x[finite]
        rho = np.broadcast_to(_rho(n), x.shape)
        slope = _largest_slope(rho, _log_odds(x - x[:, :1]), 1 / single[finite])
        single[finite] = _UP / slope
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
