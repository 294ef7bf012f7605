"""Checks of arguments: what public functions demand, so that the kernel can trust."""

import math
import operator
from numbers import Real

import numpy as np
from scipy import sparse

from . import _pav

KINDS = {"quadratic": _pav.QUADRATIC, "entropic": _pav.ENTROPIC, "kl": _pav.KL}


def check_values(values, name):
    """Return `values` as a float32 or float64 array, or say what is wrong with it."""
    # A plain array, the usual case, is spared the slow tests.
    array = values if type(values) is np.ndarray else as_array(values, name)
    if array.dtype != np.float64 and array.dtype != np.float32:
        array = _as_floats(array, name)
    if array.ndim == 0:
        raise ValueError(
            f"{name} must have at least one dimension, got the scalar {values!r}."
        )
    return array


def as_array(values, name):
    """Return `values` as an array of any kind, or say why it is none."""
    if sparse.issparse(values):
        raise TypeError(
            f"{name} must be a dense array of real numbers, got a sparse "
            f"{type(values).__name__}; convert it with toarray()."
        )
    if np.ma.is_masked(values):
        raise TypeError(
            f"{name} must be an array without missing values, got a masked array with "
            f"{np.ma.count_masked(values)} masked entries."
        )
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"{name} must be a rectangular array of real numbers: {error}"
        ) from error


def _as_floats(array, name):
    kind = array.dtype.kind
    if kind == "O":
        # astype would take text for numbers.
        text = next(
            (item for item in array.flat if isinstance(item, str | bytes)), None
        )
        if text is not None:
            raise TypeError(f"{name} must hold real numbers only, got {text!r}.")
        try:
            return array.astype(np.float64)
        except OverflowError as error:
            raise ValueError(f"{name} must fit into float64: {error}.") from error
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} must hold real numbers only: {error}.") from error
    if kind not in "fiub":
        raise TypeError(
            f"{name} must be an array of real numbers, got dtype {array.dtype}."
        )
    is_short = kind == "f" and array.dtype.itemsize <= 4
    with np.errstate(over="ignore"):
        return array.astype(np.float32 if is_short else np.float64)


def check_finite(array, name, factor=1.0):
    """Return `array` if `factor` times its range is finite, or say what is not."""
    if array.size:
        # One number tells of NaN, infinity and a range that overflows.
        spread = float(array.max()) - float(array.min())
        if not math.isfinite(factor * spread):
            raise nonfinite_error(array, name)
    return array


def check_weights(weights, name, shapes, *, finite_sum=False):
    """Return `weights` as a C-contiguous float64 array of one of these shapes.

    Or say what is wrong: they must be finite, at least 0 and, if there are any, not all
    0. With `finite_sum` their sum must be finite, too.
    """
    weights = check_finite(check_values(weights, name), name)
    if weights.shape not in shapes:
        allowed = " or ".join(map(str, dict.fromkeys(shapes)))
        raise ValueError(f"{name} must have shape {allowed}, got {weights.shape}.")
    largest = weights.max(initial=0.0)
    if weights.min(initial=0.0) < 0:
        raise ValueError(f"{name} must be at least 0, got {weights.min()}.")
    if weights.size and largest == 0:
        raise ValueError(f"{name} must not be zero everywhere.")
    weights = np.ascontiguousarray(weights, dtype=np.float64)
    if finite_sum and largest > np.finfo(np.float64).max / max(weights.size, 1):
        raise ValueError(
            f"{name} must have a finite sum, got values up to {largest:g}."
        )
    return weights


def moderate(weights):
    """The weights times a power of two, which is exact; the largest becomes near 1."""
    _, exponent = np.frexp(weights.max(initial=0.0))
    return np.ldexp(weights, -exponent)


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


def check_epsilon(epsilon):
    """Return `epsilon` as a float, or say what is wrong with it."""
    # The first test spares a float, the usual case, the slow ones.
    if type(epsilon) is not float and (
        not isinstance(epsilon, Real) or isinstance(epsilon, (bool, np.bool_))
    ):
        raise TypeError(
            f"epsilon must be a real number >= 0, got {epsilon!r} of type "
            f"{type(epsilon).__name__}."
        )
    try:
        value = float(epsilon)
    except OverflowError:  # an integer beyond the floats
        value = math.inf
    if not 0 <= value < math.inf:
        raise ValueError(f"epsilon must be a finite number >= 0, got {epsilon}.")
    return value


def check_flag(value, name):
    """Return `value` if it is True or False, or say that it is not."""
    if value is not True and value is not False and not isinstance(value, np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def check_nan_policy(nan_policy):
    """Return whether `nan_policy` is to omit NaN, or say that it is not known."""
    if not isinstance(nan_policy, str) or nan_policy not in ("raise", "omit"):
        raise ValueError(f"nan_policy must be 'raise' or 'omit', got {nan_policy!r}.")
    return nan_policy == "omit"


def check_regularization(regularization, allowed):
    """Return the kernel's number of `regularization`."""
    if not isinstance(regularization, str) or regularization not in allowed:
        options = " or ".join(repr(option) for option in allowed)
        raise ValueError(f"regularization must be {options}, got {regularization!r}.")
    return KINDS[regularization]


def check_axis(axis, ndim):
    """Return `axis` in [0, ndim), or say what is wrong with it."""
    try:
        axis = operator.index(axis)
    except TypeError:
        raise TypeError(f"axis must be an integer or None, got {axis!r}.") from None
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(
            f"axis must be in [{-ndim}, {ndim - 1}] for values of {ndim} dimensions, "
            f"got {axis}."
        )
    return axis % ndim
