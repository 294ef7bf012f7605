"""Arguments of the operators for any framework `xp`: checks, axes, missing values."""

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from .._checks import (
    as_array,
    check_axis,
    check_epsilon,
    check_nan_policy,
    check_regularization,
    nonfinite_error,
)
from ._blocks import Strength


class Axis:
    """Moves an axis of arrays to the end, and back."""

    def __init__(self, xp: Any, shape: tuple[int, ...], axis: int | None) -> None:
        self._xp, self._shape, self._is_flat = xp, tuple(shape), axis is None
        if axis is None:
            shape, axis = (math.prod(shape),), 0
        self.shape, self.axis = tuple(shape), check_axis(axis, len(shape))
        self.length = self.shape[self.axis]
        # The shape without the axis.
        self.other_shape = self.shape[: self.axis] + self.shape[self.axis + 1 :]

    def to_last(self, array: Any) -> Any:
        """The array with the axis at the end."""
        if self._is_flat:
            return self._xp.reshape(array, self.shape)
        if self.axis == len(self.shape) - 1:
            return array
        return self._xp.moveaxis(array, self.axis, -1)

    def from_last(self, array: Any) -> Any:
        """The array with the last axis back in its place."""
        if self.axis == len(self.shape) - 1:
            return array
        return self._xp.moveaxis(array, -1, self.axis)


def is_list_of_arrays(xp: Any, x: Any) -> bool:
    """Whether it is a list, or a list of lists, with some arrays of `xp`."""
    return isinstance(x, list | tuple) and any(
        xp.is_array(part) or is_list_of_arrays(xp, part) for part in x
    )


def by_slice(xp: Any, option: Any, name: str, axis: Axis, like: Any) -> Any:
    """An option as a number, or as an array of one or of one for each slice.

    The latter has a last axis of 1.
    """
    if is_list_of_arrays(xp, option):
        option = xp.as_floats(option, name, like)
    if not xp.is_array(option):
        if not isinstance(option, list | tuple) and not getattr(option, "ndim", 0):
            return option
        option = as_array(option, name)
        if option.dtype.kind not in "fiu":
            raise TypeError(
                f"{name} must be a real number or an array of them, got an array of "
                f"dtype {option.dtype}."
            )
        option = xp.as_floats(option, name, like)
    option = xp.cast(xp.check_floats(option, name), like)
    shape = tuple(option.shape)
    if shape == ():
        return option
    if shape != axis.other_shape:
        raise ValueError(
            f"{name} must be a number or an array of one for each slice of values, of "
            f"shape {axis.other_shape}, got shape {shape}."
        )
    return option[..., None]


def check_strength(xp: Any, epsilon: Any, axis: Axis, like: Any) -> Strength:
    """Return `epsilon` as a `Strength`, or say what is wrong with it."""
    epsilon = by_slice(xp, epsilon, "epsilon", axis, like)
    if not xp.is_array(epsilon):
        return Strength(xp, check_epsilon(epsilon))
    known = xp.known(epsilon)
    if known is not None:
        for number in known[~((known >= 0) & (known < math.inf))][:1]:
            check_epsilon(float(number))
    return Strength(xp, epsilon)


def wide(xp: Any, *arrays: Any) -> tuple[Any, list[Any]]:
    """The arrays in one type of 32 bits or more, and that of the result."""
    dtype = xp.result_type(*arrays)
    return dtype, [xp.astype(array, xp.wide_type(dtype)) for array in arrays]


def prepare(
    xp: Any,
    values: Any,
    axis: int | None,
    epsilon: Any,
    regularization: str,
    allowed: tuple[str, ...],
) -> tuple[Any, Axis, Strength, Any]:
    """What all operators check alike: values, wide and with the axis last."""
    check_regularization(regularization, allowed)
    values = xp.check_values(values, "values")
    axis_of = Axis(xp, values.shape, axis)
    dtype, (values,) = wide(xp, values)
    strength = check_strength(xp, epsilon, axis_of, values)
    return axis_of.to_last(values), axis_of, strength, dtype


def check_other(xp: Any, array: Any, name: str, like: Any) -> Any:
    """A second array of numbers: of its own type, or if not of `xp` that of `like`."""
    if not xp.is_array(array):
        array = xp.as_floats(array, name, like)
    return xp.check_values(array, name)


def check_weights(
    xp: Any, weights: Any, axis: Axis, shape: tuple[int, ...], like: Any
) -> Any:
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


def check_nonempty(axis: Axis, shape: tuple[int, ...]) -> None:
    """Raise if slices are empty."""
    if axis.length == 0:
        raise ValueError(
            f"values must not be empty along axis, got shape {tuple(shape)}."
        )


def check_levels(
    xp: Any, levels: Any, name: str, like: Any
) -> tuple[tuple[int, ...], list[Any]]:
    """Shape and list of numbers in [0, 1]; those of an array may not be known."""
    if is_list_of_arrays(xp, levels):
        levels = xp.as_floats(levels, name, like)
    if xp.is_array(levels):
        array = xp.astype(xp.check_floats(levels, name), like.dtype)
        line = xp.reshape(array, (-1,))
        known = xp.known(line)
        if known is not None:
            _check_range(known.tolist(), name)
        return tuple(array.shape), [line[i] for i in range(line.shape[0])]
    shape: tuple[int, ...]
    flat: list[Any]
    # Numbers and lists of them without NumPy, which a compiler might trace.
    if isinstance(levels, numbers.Real):
        shape, flat = (), [levels]
    elif isinstance(levels, list | tuple) and all(
        isinstance(level, numbers.Real) for level in levels
    ):
        shape, flat = (len(levels),), list(levels)
    else:
        array = as_array(levels, name)
        shape, flat = array.shape, array.ravel().tolist()
    for level in flat:
        if not isinstance(level, numbers.Real):
            raise TypeError(f"{name} must be in [0, 1], got {level!r}.")
    flat = [float(level) for level in flat]
    _check_range(flat, name)
    return shape, flat


def _check_range(levels: list[float], name: str) -> None:
    for level in levels:
        if not 0 <= level <= 1:
            raise ValueError(f"{name} must be in [0, 1], got {level:g}.")


def check_cut(xp: Any, cut: Any, like: Any) -> tuple[Any, Any]:
    """The lower and the upper cut."""
    shape, pair = check_levels(xp, cut, "cut", like)
    if shape not in ((), (2,)):
        raise ValueError(f"cut must be a number or a pair of them, got {cut!r}.")
    known = [xp.known(part) if xp.is_array(part) else part for part in pair]
    if known[0] is not None and float(known[0]) + float(known[-1]) >= 1:
        raise ValueError(
            f"cut must leave something: its two parts must sum to less than 1, got "
            f"{known[0]} and {known[-1]}."
        )
    return pair[0], pair[-1]


def without_nan(xp: Any, values: Any, nan_policy: str) -> tuple[Any, Any]:
    """The values with 0 in place of NaN where NaN are omitted, and which they were."""
    if not check_nan_policy(nan_policy):
        return values, None
    is_nan = xp.isnan(values)
    return xp.where(is_nan, xp.zeros_like(values), values), is_nan


def nan_where(xp: Any, is_nan: Any, values: Any) -> Any:
    """The values, NaN where they are missing; `is_nan` may be None."""
    if is_nan is None:
        return values
    return xp.where(is_nan, xp.zeros_like(values) + math.nan, values)


def stand_ins(
    xp: Any,
    values: Any,
    epsilon: Strength,
    omits_nan: bool,
    name: str = "values",
    *,
    only_hard: bool = False,
) -> tuple[Any, Any]:
    """The values with finite numbers for infinite ones, and which those were or None.

    As `_rows.stand_ins`: beyond all finite numbers of a slice, and so far that
    nothing soft takes both. With `only_hard` infinite ones stay where epsilon is above
    0. Where they are is told by 1 and -1, and 0 elsewhere.
    """
    known = xp.known(values)
    if known is not None and not np.isinf(known).any():
        return values, None
    if known is not None and not omits_nan and np.isnan(known).any():
        raise nonfinite_error(known, name)
    if only_hard and epsilon.is_number and epsilon.value > 0:
        return values, None
    x, strength = xp.detach(values), epsilon.constant()
    infinite = xp.where(xp.isinf(x), xp.sign(x), xp.zeros_like(x))
    if only_hard:
        infinite = xp.where(xp.zeros_like(x) + strength > 0, 0 * infinite, infinite)
    is_other = xp.isinf(x) | xp.isnan(x)
    lowest = xp.zeros_like(x) - math.inf
    high, low = (
        xp.max(xp.where(is_other, lowest, ends)) * sign
        for ends, sign in ((x, 1.0), (-x, -1.0))
    )
    # Without finite numbers any do.
    low, high = (
        xp.where(xp.isinf(end), xp.zeros_like(end), end) for end in (low, high)
    )
    size = xp.where(xp.abs(low) > xp.abs(high), xp.abs(low), xp.abs(high))
    reach = (4.0 * values.shape[-1] + 2000.0) * strength + 2.0 * (high - low)
    reach = reach + 0.01 * size + xp.tiny(x)
    ends = xp.where(infinite > 0, high + reach, low - reach)
    return xp.where(infinite == 0, values, ends), infinite


def with_hard_values(
    xp: Any, operator: Callable[..., Any], values: Any, epsilon: Any, **options: Any
) -> Any:
    """The values of the operator for ``epsilon=0``, the derivatives for `epsilon`."""
    soft = operator(values, epsilon=epsilon, **options)
    hard = operator(xp.detach(values), epsilon=0.0, **options)
    return hard_value(xp, hard, soft)


def hard_value(xp: Any, hard: Any, soft: Any) -> Any:
    """The values of the one, the derivatives of the other."""
    return xp.detach(hard) + (soft - xp.detach(soft))


def check_label_range(
    labels: Any, name: str, n_rows: int, n_classes: int, known: Any
) -> None:
    """Say what is wrong with integers that should be columns."""
    if tuple(labels.shape) != (n_rows,):
        raise ValueError(
            f"{name} must have shape ({n_rows},), one for each row of scores, got "
            f"{tuple(labels.shape)}."
        )
    if (
        known is not None
        and n_rows
        and not (0 <= known.min() <= known.max() < n_classes)
    ):
        raise ValueError(
            f"{name} must be from 0 to {n_classes - 1}, a column of scores each, got "
            f"values from {known.min()} to {known.max()}."
        )
