"""Which epsilon? The range in which it changes a soft operator."""

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
from ._pool_bounds import UP, pool_bounds

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
            bounds = pool_bounds(-part, operator, regularization)
        hard[rows], single[rows] = bounds
    return hard, single


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
    return hard / UP, single * UP


def _mean_excess(x, a, total):
    """The mean less the smallest value: far from 0 the mean itself has fewer digits."""
    if a is None:
        return (x - x[:, :1]).mean(axis=1, keepdims=True)
    excess = np.where(a > 0, x - x[:, :1], 0.0)
    return np.sum(a * excess, axis=1, keepdims=True) / total
