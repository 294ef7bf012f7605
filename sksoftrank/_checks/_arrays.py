"""Arrays of real numbers as float32 or float64, or what is wrong with them."""

import math
import sys
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse

from .._sklearn import (
    count_masked,
    is_lazy,
    refuse_dates,
    refuse_lazy,
    refuse_masked,
)
from .._typing import Array
from ._exact import (
    LARGEST_EXACT,
    are_integers_exact,
    floats,
    fraction,
    is_exact,
    is_number,
)

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


def check_values(values, name) -> Array:
    """Return `values` as a float32 or float64 array, or say what is wrong with it."""
    # A plain array, the usual case, is spared the slow tests.
    if type(values) is np.ndarray:
        array = values
    else:
        array = as_array(values, name)
        refuse_dates(values, name)
    if array.dtype not in FLOATS:
        array = _as_floats(array, name)
    if array.ndim == 0:
        raise ValueError(
            f"{name} must have at least one dimension, got the scalar {values!r}."
        )
    return array


def as_array(values, name) -> Array:
    """Return `values` as an array of any kind, or say why it is none."""
    if sparse.issparse(values):
        raise TypeError(
            f"{name} must be a dense array of real numbers, got a sparse "
            f"{type(values).__name__}; convert it with toarray()."
        )
    # The arrays of pandas with NA have a mask, too, but become NaN.
    refuse_masked(values, name)
    refuse_traced(values, name)
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"{name} must be a rectangular array of real numbers: {error}"
        ) from error
    except TypeError as error:
        if is_bfloat16(values):
            return as_array(values.float(), name)
        hint = "; convert it with .float()" if "ScalarType" in str(error) else ""
        raise TypeError(
            f"{name} must be an array that NumPy can read: {str(error).strip('.')}"
            f"{hint}."
        ) from error


def is_bfloat16(values) -> bool:
    """Whether it is a tensor of PyTorch of the type that NumPy lacks."""
    return str(getattr(values, "dtype", None)) == "torch.bfloat16"


def traced_by(value) -> str | None:
    """The framework that differentiates or traces an array, or one in a list, or None.

    Such an array has no numbers for NumPy.
    """
    while isinstance(value, list | tuple) and value:
        value = value[0]
    if is_lazy(value):
        return "dask"
    framework = type(value).__module__.partition(".")[0]
    if framework in ("jax", "jaxlib"):
        return "jax" if isinstance(value, sys.modules["jax"].core.Tracer) else None
    torch: Any = sys.modules.get("torch")
    tensor: type[Any] | tuple[()] = getattr(torch, "Tensor", ())
    if not isinstance(value, tensor):
        return None
    # Inside of a transformation even a tensor without a gradient is wrapped.
    transforms = getattr(torch._C, "_are_functorch_transforms_active", bool)
    return "torch" if value.requires_grad or transforms() else None


def refuse_traced(value, name) -> None:
    """Say which module has the functions for an array that is differentiated."""
    framework = traced_by(value)
    if framework == "dask":
        while isinstance(value, list | tuple):
            value = value[0]
        refuse_lazy(value, name)
    if framework is not None:
        constant = "a constant"
        if framework == "torch":
            constant = "what .detach() returns"
        raise TypeError(
            f"{name} must be an array for NumPy, got a {type(value).__name__} that is "
            f"differentiated or traced: take the function of sksoftrank.{framework}, "
            f"or where that has none pass {constant}, outside of transformations."
        )


def _as_floats(array, name) -> Array:
    kind = array.dtype.kind
    if kind == "O":
        # astype would take text for numbers.
        text = next(
            (item for item in array.flat if isinstance(item, str | bytes)), None
        )
        if text is not None:
            raise TypeError(f"{name} must hold real numbers only, got {text!r}.")
        try:
            return without_na(array).astype(np.float64)
        except OverflowError as error:
            raise ValueError(f"{name} must fit into float64: {error}.") from error
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} must hold real numbers only: {error}.") from error
    is_plain = array.dtype.names is None
    if kind == "V" and is_plain and np.can_cast(array.dtype, np.float32):
        return array.astype(np.float32)  # types of JAX that NumPy lacks: bfloat16
    if kind not in "fiub":
        raise TypeError(
            f"{name} must be an array of real numbers, got dtype {array.dtype}."
        )
    is_short = kind == "f" and array.dtype.itemsize <= 4
    with np.errstate(over="ignore"):
        short = array.astype(np.float32 if is_short else np.float64)
    if (np.isinf(short) > np.isinf(array)).any():  # larger than all floats
        raise nonfinite_error(short, name)
    return short


def without_na(array) -> Array:
    """An array of objects with NaN in place of None and of pandas' NA."""
    # Recognised by its name, for pandas need not be there.
    is_na = [item is None or type(item).__name__ == "NAType" for item in array.flat]
    return np.where(np.reshape(is_na, array.shape), math.nan, array)


def nan_for_na(values) -> Any:
    """Return lists and arrays with NaN for NA; what else there is, as it is.

    For scikit-learn's checks, which know NA in frames of pandas only.
    """
    if is_lazy(values) or count_masked(values):  # which the check refuses
        return values
    try:
        array = np.asarray(values)
    except ValueError:  # ragged, which the check explains
        return values
    if array.dtype.kind != "O":
        return values
    if hasattr(values, "iloc"):  # columns keep their names
        return values.where(values.notna(), math.nan)
    return without_na(array)


def check_differences(values, name, axis=-1) -> Array:
    """`check_values` for functions of differences along `axis`: `exact_differences`."""
    # Plain floats are as exact as they can be.
    if type(values) is np.ndarray and values.dtype in FLOATS:
        return check_values(values, name)
    return check_values(exact_differences(values, name, axis), name)


def check_exact(values, name) -> Array:
    """`check_values` for functions that return values: no integer may be rounded."""
    if type(values) is np.ndarray and values.dtype in FLOATS:
        return check_values(values, name)
    _refuse_rounded(inexact_array(values), name)
    return check_values(values, name)


def exact_table(values, name) -> Any:
    """Return a table for scikit-learn's checks, or say that float64 rounds it.

    No integer may be rounded, and long doubles of a column that differ must not tie.
    NA of pandas becomes NaN. All other arguments are returned as they are.
    """
    refuse_dates(values, name)
    array = inexact_array(values)
    _refuse_rounded(array, name)
    if array is None:
        return values
    if array.dtype.kind == "f":
        for column in array.reshape(len(array), -1).T:
            ordered = np.sort(column)
            rounded, differs = floats(ordered), ordered[1:] > ordered[:-1]
            if (differs & (rounded[1:] == rounded[:-1])).any():
                raise ValueError(
                    f"{name} must hold long doubles that differ in float64 in each "
                    f"column; subtract a common origin from them."
                )
    return nan_for_na(values)


def _refuse_rounded(array, name):
    if array is None:
        return
    is_rounded = ~are_integers_exact(array)
    if is_rounded.any():
        raise ValueError(
            f"{name} must hold integers that float64 holds, such as those up to 2**53, "
            f"got {array[is_rounded][0]}; subtract a common origin from them."
        )


def exact_differences(values, name, axis=-1) -> Any:
    """Return `values` for `check_values`, so that float64 keeps order and differences.

    Integers beyond 2**53, and long doubles, lose digits in float64 and may tie there.
    For functions of the differences within each slice: slices that are not exact in
    float64 are returned minus their minimum, and an error is raised if numbers tie even
    so. All other arguments, right or wrong, are returned as they are.

    Parameters
    ----------
    values : object
        An argument that has not been checked.
    name : str
        Its name.
    axis : int or None, default=-1
        The axis of the slices. None for one slice of all.
    """
    refuse_dates(values, name)
    array = inexact_array(values)
    if array is None or not (axis is None or _is_axis(axis, array.ndim)):
        return values
    slices = array.reshape(1, -1) if axis is None else np.moveaxis(array, axis, -1)
    rows = slices.reshape(-1, slices.shape[-1])
    out = np.array([exact_row(row, name) for row in rows]).reshape(slices.shape)
    return out.reshape(array.shape) if axis is None else np.moveaxis(out, -1, axis)


def _is_axis(axis, ndim):
    return isinstance(axis, Integral) and -ndim <= axis < ndim


def inexact_array(values):
    """`values` as an array if float64 may change these numbers, else None."""
    if sparse.issparse(values) or count_masked(values) or traced_by(values):
        return None
    try:
        array = np.asarray(values)
        kind, size = array.dtype.kind, array.dtype.itemsize
        if array is not values and kind == "f" and size == 8:
            # In lists and frames, integers became floats if they stand beside some.
            if not (np.abs(array) >= LARGEST_EXACT).any():
                return None
            # Each column of a frame has a type of its own.
            is_frame = hasattr(values, "iloc")
            array = values.to_numpy(object) if is_frame else np.array(values, object)
            kind = "O"
    except (TypeError, ValueError):  # ragged, or nothing that NumPy can read
        return None
    if array.ndim == 0 or array.size == 0:
        return None
    if kind == "O":
        array = without_na(array)
        return array if all(map(is_number, array.flat)) else None
    if kind in "iu":
        return None if is_exact(array) else array
    return array if kind == "f" and size > 8 else None


def exact_row(row, name):
    """The row in float64, minus its minimum where it is not exact in float64."""
    kind = row.dtype.kind
    if kind in "iu":
        is_finite = np.ones(row.shape, dtype=bool)
    else:
        with np.errstate(invalid="ignore"):
            is_finite = (np.abs(row) < math.inf).astype(bool)
    numbers = row[is_finite]
    if kind == "O":
        numbers = np.array([fraction(number) for number in numbers], dtype=object)
    if numbers.size and not is_exact(numbers):
        ordered = np.sort(numbers)
        bounds = low, _ = ordered[0], ordered[-1]
        if kind in "iu":  # without a sign no difference overflows
            numbers, ordered = numbers.astype(np.uint64), ordered.astype(np.uint64)
            low = low.astype(np.uint64)
        differs = ordered[1:] != ordered[:-1]
        numbers, ordered = numbers - low, floats(ordered - low)
        if (differs.astype(bool) & (ordered[1:] == ordered[:-1])).any():
            raise ValueError(
                f"{name} must hold numbers that differ in float64 when their minimum "
                f"is subtracted, integers within a range of 2**53, got values from "
                f"{bounds[0]} to {bounds[1]}."
            )
    out = np.empty(row.shape)
    out[is_finite], out[~is_finite] = floats(numbers), row[~is_finite]
    if np.isinf(out[is_finite]).any():  # larger than all floats
        raise nonfinite_error(out, name)
    return out


def check_finite(array, name, factor=1.0) -> Array:
    """Return `array` if `factor` times its range is finite, or say what is not."""
    if array.size:
        # One number tells of NaN, infinity and a range that overflows.
        spread = float(array.max()) - float(array.min())
        if not math.isfinite(factor * spread):
            raise nonfinite_error(array, name)
    return array


def nonfinite_error(array, name):
    """The exception for an array that is not finite, or too wide to be summed."""
    n_nan = int(np.isnan(array).sum())
    n_inf = int(np.isinf(array).sum())
    if n_nan or n_inf:
        found = f"{n_nan} NaN and {n_inf} infinite of {array.size} entries."
    else:
        found = (
            f"values from {array.min()} to {array.max()}: sums of their differences "
            f"overflow, rescale them."
        )
    return ValueError(f"{name} must be finite, got {found}")
