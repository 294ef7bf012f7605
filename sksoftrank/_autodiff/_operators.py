"""The operators but locations for any framework `xp`: arguments, and formulas."""

import math
from typing import Any

from .._checks import (
    check_flag,
    check_k,
    check_mass,
    check_n_jobs,
    check_nan_policy,
    check_regularization,
    check_share,
)
from . import _blocks
from ._arguments import (
    Axis,
    by_slice,
    check_nonempty,
    check_other,
    check_strength,
    check_weights,
    hard_value,
    nan_where,
    prepare,
    stand_ins,
    straight_through,
    wide,
    without_nan,
)
from ._blocks import Strength
from ._choices import Choice, Data

# What callers say where weights leave less than nothing of a choice.
K_DEMAND = "k must be at most the sum of the weights"


def rank(
    xp: Any,
    values: Any,
    epsilon: Any,
    regularization: str = "quadratic",
    axis: int | None = -1,
    descending: bool = False,
    nan_policy: str = "raise",
    is_straight: bool = False,
    n_jobs: int | None = None,
) -> Any:
    """See `soft_rank`."""
    options = regularization, axis, descending, nan_policy, is_straight, n_jobs
    result = xp.fast(values, epsilon, False, *options)
    if result is not None:
        return result
    if check_flag(is_straight, "straight_through"):
        return straight_through(
            xp,
            values,
            epsilon,
            lambda values, epsilon: rank(
                xp, values, epsilon, *options[:4], n_jobs=n_jobs
            ),
        )
    descending = check_flag(descending, "descending")
    x, axis_of, strength, dtype = prepare(
        xp, values, axis, epsilon, regularization, ("quadratic", "entropic", "kl")
    )
    # Infinite values are ties of which no derivative is left.
    x, _ = stand_ins(xp, x, strength, check_nan_policy(nan_policy))
    ranks, is_nan = _by_blocks(
        xp, x, strength, regularization, descending, nan_policy, n_jobs, is_sort=False
    )
    ranks = nan_where(xp, is_nan, ranks)
    return xp.astype(axis_of.from_last(ranks), dtype)


def sort(
    xp: Any,
    values: Any,
    epsilon: Any,
    regularization: str,
    axis: int | None,
    descending: bool,
    nan_policy: str,
    is_straight: bool = False,
    n_jobs: int | None = None,
) -> Any:
    """See `soft_sort`."""
    options = regularization, axis, descending, nan_policy, is_straight, n_jobs
    result = xp.fast(values, epsilon, True, *options)
    if result is not None:
        return result
    if check_flag(is_straight, "straight_through"):
        return straight_through(
            xp,
            values,
            epsilon,
            lambda values, epsilon: sort(
                xp, values, epsilon, *options[:4], n_jobs=n_jobs
            ),
        )
    descending = check_flag(descending, "descending")
    x, axis_of, strength, dtype = prepare(
        xp, values, axis, epsilon, regularization, ("quadratic", "entropic")
    )
    omits_nan = check_nan_policy(nan_policy)
    x, infinite = stand_ins(xp, x, strength, omits_nan, only_hard=True)
    result, is_nan = _by_blocks(
        xp, x, strength, regularization, descending, nan_policy, n_jobs, is_sort=True
    )
    if infinite is not None:
        # Hard results: the infinite ones are first and last, NaN apart.
        count = [xp.sum(xp.cast(infinite == sign, x)) for sign in (1.0, -1.0)]
        n_numbers = x.shape[-1] if is_nan is None else xp.sum(xp.cast(~is_nan, x))
        first, last = count if descending else count[::-1]
        place, sign = xp.places(x), 1.0 if descending else -1.0
        shift = xp.where(place < first, sign * math.inf, xp.zeros_like(result))
        shift = xp.where(place >= n_numbers - last, -sign * math.inf, shift)
        result = result + shift
    if is_nan is not None:
        n_missing = xp.sum(xp.cast(is_nan, x))
        is_beyond = xp.places(x) >= x.shape[-1] - n_missing
        result = nan_where(xp, is_beyond, result)
    return xp.astype(axis_of.from_last(result), dtype)


def _by_blocks(
    xp: Any,
    x: Any,
    epsilon: Strength,
    regularization: str,
    descending: bool,
    nan_policy: str,
    n_jobs: int | None,
    *,
    is_sort: bool,
) -> tuple[Any, Any]:
    """Ranks or sorts along the last axis, and which values were NaN, if any may be."""
    filled, is_nan = without_nan(xp, x, nan_policy)
    if is_nan is None and epsilon.is_number:
        options = regularization, -1, descending, "raise", False, n_jobs
        result = xp.fast(x, epsilon.value, is_sort, *options)
        if result is not None:
            return result, None
    order, first = xp.blocks(
        x,
        epsilon.of_slices(x.shape[:-1]),
        regularization,
        is_sort,
        descending,
        is_nan is not None,
        check_n_jobs(n_jobs),
    )
    formula = _blocks.sorted_values if is_sort else _blocks.ranks
    result = formula(
        xp, filled, order, first, epsilon, regularization, descending=descending
    )
    return result, is_nan


def topk_sort(
    xp: Any,
    values: Any,
    k: int,
    epsilon: Any,
    regularization: str,
    axis: int | None,
    largest: bool,
    nan_policy: str,
    is_straight: bool,
) -> Any:
    """See `soft_topk_sort`."""
    axis_of = Axis(xp, xp.check_values(values, "values").shape, axis)
    k = check_k(k, axis_of.length)
    largest = check_flag(largest, "largest")
    options = regularization, axis, largest, nan_policy, is_straight
    result = axis_of.to_last(sort(xp, values, epsilon, *options))
    return axis_of.from_last(result[..., :k])


def topk(
    xp: Any,
    values: Any,
    k: Any,
    epsilon: Any,
    weights: Any,
    regularization: str,
    axis: int | None,
    largest: bool,
    magnitude: bool,
    nan_policy: str,
    is_straight: bool = False,
) -> Any:
    """See `soft_topk`."""
    options = weights, regularization, axis, largest, magnitude, nan_policy
    if check_flag(is_straight, "straight_through"):
        return straight_through(
            xp,
            values,
            epsilon,
            lambda values, epsilon: topk(xp, values, k, epsilon, *options),
        )
    largest = check_flag(largest, "largest")
    magnitude = check_flag(magnitude, "magnitude")
    x, axis_of, strength, dtype = prepare(
        xp, values, axis, epsilon, regularization, ("quadratic", "entropic")
    )
    check_nonempty(axis_of, values.shape)
    weights = check_weights(xp, weights, axis_of, values.shape, x)
    x = xp.abs(x) if magnitude else x
    omits_nan = check_nan_policy(nan_policy)
    x, _ = stand_ins(xp, x, strength, omits_nan)
    data = Data(xp, -x if largest else x, weights, omits_nan=omits_nan)
    k = by_slice(xp, k, "k", axis_of, x)
    for number in _numbers(xp, k):
        check_mass(number, math.inf if weights is not None else axis_of.length)
        if weights is None and regularization == "quadratic":
            check_share(number, axis_of.length, "k")
    mass = xp.zeros_like(data.total) + k
    choice = Choice(data, mass, data.total - mass, strength, regularization, K_DEMAND)
    part = nan_where(xp, xp.isnan(x) if omits_nan else None, choice.part)
    return xp.astype(axis_of.from_last(part), dtype)


def _numbers(xp: Any, option: Any) -> list[Any]:
    """What is known of an option of `by_slice`."""
    if not xp.is_array(option):
        return [option]
    known = xp.known(option)
    return [] if known is None else known.ravel().tolist()


def sort_with(
    xp: Any,
    values: Any,
    criterion: Any,
    epsilon: Any,
    regularization: str,
    axis: int,
    descending: bool,
    nan_policy: str,
    is_straight: bool = False,
) -> Any:
    """See `soft_sort_with`."""
    options = regularization, axis, descending, nan_policy
    if check_flag(is_straight, "straight_through"):
        soft = sort_with(xp, values, criterion, epsilon, *options)
        if xp.is_array(criterion):
            criterion = xp.detach(criterion)
        hard = sort_with(xp, xp.detach(values), criterion, 0.0, *options)
        return hard_value(xp, hard, soft)
    descending = check_flag(descending, "descending")
    omits_nan = check_nan_policy(nan_policy)
    if axis is None:
        raise TypeError("axis must be an integer, got None.")
    x, axis_of, _, _ = prepare(
        xp, values, axis, 1.0, regularization, ("quadratic", "entropic")
    )
    criterion = check_other(xp, criterion, "criterion", x)
    dtype = xp.result_type(values, criterion)
    n = axis_of.length
    if tuple(criterion.shape) != (n,) or n == 0:
        raise ValueError(
            f"criterion must have a number for each record, shape ({n},) and not "
            f"empty, got shape {tuple(criterion.shape)}."
        )
    _, (x, criterion) = wide(xp, x, criterion)
    strength = check_strength(xp, epsilon, Axis(xp, (n,), 0), x)
    criterion, _ = stand_ins(xp, criterion, strength, omits_nan, "criterion")
    zeros, weights = xp.zeros_like(criterion), None
    if omits_nan:
        rows = xp.reshape(xp.isnan(x), (-1, n))
        is_missing = xp.isnan(criterion) | xp.any_first(rows)
        known = xp.known(is_missing)
        if known is not None and known.all():
            raise ValueError(
                "criterion and values must have a record without NaN, got none."
            )
        criterion = xp.where(is_missing, zeros, criterion)
        x = xp.where(is_missing, xp.zeros_like(x), x)
        weights = xp.where(is_missing, zeros, zeros + 1)
    xp.check_finite(x, "values")
    keys = xp.broadcast_to(-criterion if descending else criterion, (n - 1, n))
    whole = (zeros + 1 if weights is None else weights)[None]
    choices = [0 * whole, whole]
    if n > 1:
        if weights is not None:
            weights = xp.broadcast_to(weights, (n - 1, n))
        data = Data(xp, keys, weights, "criterion")
        mass = xp.places(criterion)[1:, None]
        mass = xp.where(mass < data.total, mass, data.total)
        choice = Choice(data, mass, data.total - mass, strength, regularization, "")
        part = choice.part if weights is None else choice.part * weights
        choices.insert(1, part)
    joined = xp.concat(choices)
    mixed = xp.matmul(x, xp.moveaxis(joined[1:] - joined[:-1], 0, 1))
    if omits_nan:
        mixed = nan_where(xp, xp.places(mixed) >= xp.sum(whole[0]), mixed)
    return xp.astype(axis_of.from_last(mixed), dtype)


def isotonic(xp: Any, s: Any, w: Any, regularization: str, axis: int | None) -> Any:
    """See `isotonic_projection`."""
    check_regularization(regularization, ("quadratic", "entropic"))
    s = xp.check_values(s, "s")
    axis_of = Axis(xp, s.shape, axis)
    w = xp.zeros_like(s) if w is None else check_other(xp, w, "w", s)
    dtype, (s, w) = wide(xp, s, w)
    s, w = _pair(xp, s, w, axis_of, "s")
    first = xp.isotonic_blocks(s, w, regularization, project=False)
    result = _blocks.isotonic(xp, s, w, first, regularization)
    return xp.astype(axis_of.from_last(result), dtype)


def permutahedron(
    xp: Any, z: Any, w: Any, regularization: str, axis: int | None
) -> Any:
    """See `project_permutahedron`."""
    check_regularization(regularization, ("quadratic", "entropic"))
    z = xp.check_values(z, "z")
    w = check_other(xp, w, "w", z)
    axis_of = Axis(xp, z.shape, axis)
    dtype, (z, w) = wide(xp, z, w)
    z, w = _pair(xp, z, w, axis_of, "z")
    order = xp.descending_order(z, "z")
    z, w = xp.gather(z, order), xp.gather(w, xp.descending_order(w, "w"))
    first = xp.isotonic_blocks(z, w, regularization, project=True)
    result = xp.scatter(_blocks.projection(xp, z, w, first, regularization), order)
    return xp.astype(axis_of.from_last(result), dtype)


def _pair(xp: Any, s: Any, w: Any, axis: Axis, name: str) -> tuple[Any, Any]:
    """Both with the axis last, w repeated for each slice."""
    shape = tuple(s.shape)
    if tuple(w.shape) not in ((axis.length,), shape):
        raise ValueError(
            f"w must have the shape of {name}, {shape}, or ({axis.length},), "
            f"got {tuple(w.shape)}."
        )
    is_shared = tuple(w.shape) != shape
    s = axis.to_last(s)
    return s, xp.broadcast_to(w if is_shared else axis.to_last(w), tuple(s.shape))
