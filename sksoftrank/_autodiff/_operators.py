"""The public operators for any framework `xp`: arguments, axes, and formulas."""

import math
import numbers

import numpy as np

from .._checks import (
    as_array,
    check_axis,
    check_epsilon,
    check_flag,
    check_nan_policy,
    check_regularization,
)
from ..operators._rows import check_whole_k
from . import _blocks
from ._blocks import Strength
from ._choices import Choice, Data, window_mean

# What callers say where weights or levels leave less than nothing of a choice.
K_DEMAND = "k must be at most the sum of the weights"
LEVEL_DEMAND = (
    "levels must be in [0, 1], and weights are frequencies with a sum of at least 1"
)


class Axis:
    """Moves an axis of arrays to the end, and back."""

    def __init__(self, xp, shape, axis):
        self._xp, self._shape, self._is_flat = xp, tuple(shape), axis is None
        if axis is None:
            shape, axis = (math.prod(shape),), 0
        self.shape, self.axis = tuple(shape), check_axis(axis, len(shape))
        self.length = self.shape[self.axis]

    def to_last(self, array):
        """The array with the axis at the end."""
        if self._is_flat:
            return self._xp.reshape(array, self.shape)
        if self.axis == len(self.shape) - 1:
            return array
        return self._xp.moveaxis(array, self.axis, -1)

    def from_last(self, array):
        """The array with the last axis back in its place."""
        if self.axis == len(self.shape) - 1:
            return array
        return self._xp.moveaxis(array, -1, self.axis)


def check_strength(xp, epsilon):
    """Return `epsilon` as a `Strength`, or say what is wrong with it."""
    if not xp.is_array(epsilon):
        return Strength(xp, check_epsilon(epsilon))
    if tuple(epsilon.shape) != ():
        raise ValueError(
            f"epsilon must be a number or of shape (), got shape "
            f"{tuple(epsilon.shape)}."
        )
    return Strength(xp, xp.check_floats(epsilon, "epsilon"))


def wide(xp, *arrays):
    """The arrays in one type of 32 bits or more, and that of the result."""
    dtype = xp.result_type(*arrays)
    return dtype, [xp.astype(array, xp.wide_type(dtype)) for array in arrays]


def prepare(xp, values, axis, epsilon, regularization, allowed, name="values"):
    """What all operators check alike: values, wide and with the axis last."""
    check_regularization(regularization, allowed)
    values = xp.check_values(values, name)
    axis = Axis(xp, values.shape, axis)
    epsilon = check_strength(xp, epsilon)
    dtype, (values,) = wide(xp, values)
    return axis.to_last(values), axis, epsilon.like(values), dtype


def check_other(xp, array, name, like):
    """A second array of numbers: of its own type, or if not of `xp` that of `like`."""
    if not xp.is_array(array):
        array = xp.as_floats(array, name, like)
    return xp.check_values(array, name)


def without_nan(xp, values, nan_policy):
    """The values with 0 in place of NaN where NaN are omitted, and which they were."""
    if not check_nan_policy(nan_policy):
        return values, None
    is_nan = xp.isnan(values)
    return xp.where(is_nan, xp.zeros_like(values), values), is_nan


def rank(xp, values, epsilon, regularization, axis, descending, nan_policy):
    """See `soft_rank`."""
    descending = check_flag(descending, "descending")
    x, axis, epsilon, dtype = prepare(
        xp, values, axis, epsilon, regularization, ("quadratic", "entropic", "kl")
    )
    options = epsilon, regularization, descending, nan_policy
    ranks, is_nan = _by_blocks(xp, x, *options, is_sort=False)
    if is_nan is not None:
        ranks = xp.where(is_nan, xp.zeros_like(ranks) + math.nan, ranks)
    return xp.astype(axis.from_last(ranks), dtype)


def sort(xp, values, epsilon, regularization, axis, descending, nan_policy):
    """See `soft_sort`."""
    descending = check_flag(descending, "descending")
    x, axis, epsilon, dtype = prepare(
        xp, values, axis, epsilon, regularization, ("quadratic", "entropic")
    )
    options = epsilon, regularization, descending, nan_policy
    result, is_nan = _by_blocks(xp, x, *options, is_sort=True)
    if is_nan is not None:
        is_kept = xp.places(x) < xp.sum(xp.cast(~is_nan, x))
        result = xp.where(is_kept, result, xp.zeros_like(result) + math.nan)
    return xp.astype(axis.from_last(result), dtype)


def _by_blocks(xp, x, epsilon, regularization, descending, nan_policy, *, is_sort):
    """Ranks or sorts along the last axis, and which values were NaN, if any may be."""
    filled, is_nan = without_nan(xp, x, nan_policy)
    options = regularization, is_sort, descending
    if is_nan is None:
        result = xp.fast(x, epsilon.value, *options)
        if result is not None:
            return result, None
    order, first = xp.blocks(x, epsilon.value, *options, is_nan is not None)
    formula = _blocks.sorted_values if is_sort else _blocks.ranks
    result = formula(
        xp, filled, order, first, epsilon, regularization, descending=descending
    )
    return result, is_nan


def topk_sort(xp, values, k, epsilon, regularization, axis, largest):
    """See `soft_topk_sort`."""
    largest = check_flag(largest, "largest")
    x, axis, epsilon, dtype = prepare(
        xp, values, axis, epsilon, regularization, ("quadratic", "entropic")
    )
    k = check_whole_k(k, axis.length)
    result, _ = _by_blocks(
        xp, x, epsilon, regularization, largest, "raise", is_sort=True
    )
    return xp.astype(axis.from_last(result[..., :k]), dtype)


def isotonic(xp, s, w, regularization, axis):
    """See `isotonic_projection`."""
    check_regularization(regularization, ("quadratic", "entropic"))
    s = xp.check_values(s, "s")
    axis = Axis(xp, s.shape, axis)
    w = xp.zeros_like(s) if w is None else check_other(xp, w, "w", s)
    dtype, (s, w) = wide(xp, s, w)
    s, w = _pair(xp, s, w, axis, "s")
    first = xp.isotonic_blocks(s, w, regularization, project=False)
    result = _blocks.isotonic(xp, s, w, first, regularization)
    return xp.astype(axis.from_last(result), dtype)


def permutahedron(xp, z, w, regularization, axis):
    """See `project_permutahedron`."""
    check_regularization(regularization, ("quadratic", "entropic"))
    z = xp.check_values(z, "z")
    w = check_other(xp, w, "w", z)
    axis = Axis(xp, z.shape, axis)
    dtype, (z, w) = wide(xp, z, w)
    z, w = _pair(xp, z, w, axis, "z")
    order = xp.descending_order(z, "z")
    z, w = xp.gather(z, order), xp.gather(w, xp.descending_order(w, "w"))
    first = xp.isotonic_blocks(z, w, regularization, project=True)
    result = xp.scatter(_blocks.projection(xp, z, w, first, regularization), order)
    return xp.astype(axis.from_last(result), dtype)


def _pair(xp, s, w, axis, name):
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


def check_weights(xp, weights, axis, shape, like):
    """Weights with the axis last, of the shape of the values, or None."""
    if weights is None:
        return None
    weights = xp.as_floats(weights, "weights", like)
    found, shape = tuple(weights.shape), tuple(shape)
    if found not in (shape, (axis.length,)):
        allowed = " or ".join(map(str, dict.fromkeys([shape, (axis.length,)])))
        raise ValueError(f"weights must have shape {allowed}, got {found}.")
    weights = axis.to_last(weights) if found == shape else weights
    return xp.broadcast_to(weights, tuple(like.shape))


def _check_nonempty(axis, shape):
    if axis.length == 0:
        raise ValueError(
            f"values must not be empty along axis, got shape {tuple(shape)}."
        )


def topk(xp, values, k, epsilon, weights, regularization, axis, largest):
    """See `soft_topk`."""
    largest = check_flag(largest, "largest")
    x, axis, epsilon, dtype = prepare(
        xp, values, axis, epsilon, regularization, ("quadratic", "entropic")
    )
    _check_nonempty(axis, values.shape)
    weights = check_weights(xp, weights, axis, values.shape, x)
    data = Data(xp, -x if largest else x, weights)
    if not isinstance(k, numbers.Real) or isinstance(k, bool | np.bool_):
        raise TypeError(f"k must be a real number, got {k!r}.")
    if not k > 0 or (weights is None and k > axis.length):
        raise ValueError(
            f"k must be above 0 and at most {axis.length}, the number of values or the "
            f"sum of their weights, got {k}."
        )
    mass = xp.zeros_like(data.total) + float(k)
    choice = Choice(data, mass, data.total - mass, epsilon, regularization, K_DEMAND)
    return xp.astype(axis.from_last(choice.part), dtype)


class Location:
    """Quantiles and trimmed means of the slices of `values`."""

    def __init__(
        self,
        xp,
        values,
        epsilon,
        weights,
        regularization,
        axis,
        nan_policy,
        are_frequencies=True,
    ):
        omits_nan = check_nan_policy(nan_policy)
        x, self.axis, self.epsilon, self._dtype = prepare(
            xp, values, axis, epsilon, regularization, ("quadratic", "entropic")
        )
        _check_nonempty(self.axis, values.shape)
        weights = check_weights(xp, weights, self.axis, values.shape, x)
        if not omits_nan:
            xp.check_finite(x, "values")
        self.data = Data(xp, x, weights, omits_nan=omits_nan)
        if are_frequencies and weights is not None:
            self.data.multiply_shares()
        self.x, self.total = x, self.data.total
        self._xp, self._regularization = xp, regularization

    def mean(self, low, high):
        """The mean of a window of each slice, in the type of the values."""
        xp = self._xp
        mean = window_mean(
            self.data, low, high, self.epsilon, self._regularization, LEVEL_DEMAND
        )
        if self.data.is_empty is not None:
            nan = xp.zeros_like(mean) + math.nan
            mean = xp.where(self.data.is_empty, nan, mean)
        return mean[..., 0]

    def quantiles(self, levels):
        """The quantiles for a list of levels, along a new first axis, in wide type."""
        xp = self._xp
        low, high = [], []
        for p in levels:
            start, rest = (self.total - 1) * p, (self.total - 1) * (1 - p)
            low.append(xp.stack([start, rest + 1]))
            high.append(xp.stack([start + 1, rest]))
        low, high = (xp.moveaxis(xp.stack(masses), 1, 0) for masses in (low, high))
        return self.mean((low[0], low[1]), (high[0], high[1]))

    def result(self, array):
        """An array of results, in the type of the values."""
        return self._xp.astype(array, self._dtype)


def check_levels(xp, levels, name, like):
    """Shape and list of numbers in [0, 1]; an array of `xp` is not looked at."""
    if xp.is_array(levels):
        array = xp.astype(xp.check_floats(levels, name), like.dtype)
        flat = xp.reshape(array, (-1,))
        return tuple(array.shape), [flat[i] for i in range(flat.shape[0])]
    # Numbers and lists of them without NumPy, which a compiler might trace.
    if isinstance(levels, numbers.Real):
        shape, flat = (), [levels]
    elif isinstance(levels, list | tuple) and all(
        isinstance(level, numbers.Real) for level in levels
    ):
        shape, flat = (len(levels),), levels
    else:
        array = as_array(levels, name)
        shape, flat = array.shape, array.ravel().tolist()
    for level in flat:
        if not isinstance(level, numbers.Real):
            raise TypeError(f"{name} must be in [0, 1], got {level!r}.")
        if not 0 <= level <= 1:
            raise ValueError(f"{name} must be in [0, 1], got {level:g}.")
    return shape, [float(level) for level in flat]


def quantile(xp, values, q, epsilon, weights, regularization, axis, nan_policy):
    """See `soft_quantile`."""
    location = Location(xp, values, epsilon, weights, regularization, axis, nan_policy)
    shape, levels = check_levels(xp, q, "q", location.x)
    other = tuple(location.x.shape)[:-1]
    if not levels:
        return location.result(xp.reshape(location.x[..., :0], shape + other))
    means = location.quantiles(levels)
    return location.result(xp.reshape(means, shape + other))


def check_cut(xp, cut, like):
    """The lower and the upper cut."""
    shape, pair = check_levels(xp, cut, "cut", like)
    if shape not in ((), (2,)):
        raise ValueError(f"cut must be a number or a pair of them, got {cut!r}.")
    lower, upper = pair[0], pair[-1]
    if not xp.is_array(lower) and lower + upper >= 1:
        raise ValueError(
            f"cut must leave something: its two parts must sum to less than 1, got "
            f"{lower} and {upper}."
        )
    return lower, upper


def trimmed_mean(xp, values, cut, epsilon, weights, regularization, axis, nan_policy):
    """See `soft_trimmed_mean`."""
    location = Location(
        xp, values, epsilon, weights, regularization, axis, nan_policy, False
    )
    lower, upper = check_cut(xp, cut, location.x)
    total = location.total
    low = lower * total, (1 - lower) * total
    high = (1 - upper) * total, upper * total
    return location.result(location.mean(low, high))


def winsorize(xp, values, cut, epsilon, weights, regularization, axis, nan_policy):
    """See `soft_winsorize`."""
    location = Location(xp, values, epsilon, weights, regularization, axis, nan_policy)
    lower, upper = check_cut(xp, cut, location.x)
    bounds = location.quantiles([lower, 1 - upper])[..., None]
    low, high = bounds[0], bounds[1]
    x, size = location.data.values, xp.detach(location.data.values)
    # Bounds that have met but for rounding, as for large epsilon, clip all values.
    has_met = high - low <= 8 * xp.eps(x) * xp.max(xp.abs(size))
    is_above = (x > high) | has_met
    clipped = xp.where(is_above, high, xp.where(x < low, low, x))
    if location.data.is_empty is not None:
        is_nan = xp.isnan(location.x)
        clipped = xp.where(is_nan, xp.zeros_like(clipped) + math.nan, clipped)
    return location.result(location.axis.from_last(clipped))


def sort_with(xp, values, criterion, epsilon, regularization, axis, descending):
    """See `soft_sort_with`."""
    descending = check_flag(descending, "descending")
    if axis is None:
        raise TypeError("axis must be an integer, got None.")
    x, axis, epsilon, _ = prepare(
        xp, values, axis, epsilon, regularization, ("quadratic", "entropic")
    )
    criterion = check_other(xp, criterion, "criterion", x)
    dtype = xp.result_type(values, criterion)
    n = axis.length
    if tuple(criterion.shape) != (n,) or n == 0:
        raise ValueError(
            f"criterion must have a number for each record, shape ({n},) and not "
            f"empty, got shape {tuple(criterion.shape)}."
        )
    _, (x, criterion) = wide(xp, x, criterion)
    xp.check_finite(x, "values")
    keys = xp.broadcast_to(-criterion if descending else criterion, (n - 1, n))
    ones = xp.ones_like(criterion)[None]
    choices = [0 * ones, ones]
    if n > 1:
        data = Data(xp, keys, None, "criterion")
        mass = xp.places(criterion)[1:, None]
        choice = Choice(data, mass, n - mass, epsilon, regularization, "")
        choices.insert(1, choice.part)
    choices = xp.concat(choices)
    permutation = choices[1:] - choices[:-1]
    mixed = xp.matmul(x, xp.moveaxis(permutation, 0, 1))
    return xp.astype(axis.from_last(mixed), dtype)


def quantile_normalize(xp, values, target, epsilon, regularization, axis, nan_policy):
    """See `soft_quantile_normalize`."""
    values = xp.check_values(values, "values")
    _check_nonempty(Axis(xp, values.shape, axis), values.shape)
    dtype, (x,) = wide(xp, values)
    ranks = rank(xp, x, epsilon, regularization, axis, False, nan_policy)
    is_nan = xp.isnan(ranks)
    axis = Axis(xp, ranks.shape, 0 if axis is None else axis)
    ranks, is_nan = axis.to_last(ranks), axis.to_last(is_nan)
    count = xp.sum(xp.cast(~is_nan, x))
    count = xp.where(count > 0, count, xp.ones_like(count))
    # The middle of the target in place of NaN.
    steps = xp.where(is_nan, 0.5 * count, ranks - 0.5)
    result = _quantile_function(xp, target, x)(steps, count)
    result = xp.where(is_nan, xp.zeros_like(result) + math.nan, result)
    return xp.astype(axis.from_last(result), dtype)


def _quantile_function(xp, target, like):
    """The quantile function of the target, at levels ``steps / count``."""
    if callable(target):
        return lambda steps, count: target(steps / count)
    if callable(getattr(target, "ppf", None)):
        raise TypeError(
            f"target must be a sample or a differentiable quantile function, such as "
            f"{xp.quantile_example}, got {type(target).__name__}, whose derivatives "
            f"are not known."
        )
    sample = xp.as_floats(target, "target", like)
    if len(sample.shape) != 1 or sample.shape[0] == 0:
        raise ValueError(
            f"target must be a quantile function or a non-empty 1-D array, got shape "
            f"{tuple(sample.shape)}."
        )
    m = sample.shape[0]
    sample = xp.gather(sample, xp.descending_order(-sample, "target"))

    def of_sample(steps, count):
        position = steps * (m / count) - 0.5
        # Straight lines from place left - 1 to left, constant beyond the ends.
        left = xp.clip(xp.ceil(xp.detach(position)), 0, m)
        low, high = (
            xp.take(sample, xp.clip(place, 0, m - 1)) for place in (left - 1, left)
        )
        return low + (position - (left - 1)) * (high - low)

    return of_sample
