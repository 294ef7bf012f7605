"""Which numbers float64 holds."""

import math
from fractions import Fraction
from numbers import Integral, Real

import numpy as np

# Integers up to this size are exact in float64.
LARGEST_EXACT = 2**53


def are_integers_exact(array):
    """Which numbers are no integers, or integers that float64 holds."""
    kind = array.dtype.kind
    if kind in "iu":
        high, low = np.divmod(array, array.dtype.type(2**32))
        return array.astype(np.float64) - high * 2.0**32 == low
    if kind == "f":  # long doubles
        rounded = floats(array)
        is_large = np.isfinite(rounded) & (np.abs(rounded) > LARGEST_EXACT)
        return ~is_large | (rounded == array)
    exact = [
        not isinstance(number, Integral)
        or abs(int(number)) <= LARGEST_EXACT
        or _is_exact_integer(int(number))
        for number in array.flat
    ]
    return np.reshape(exact, array.shape)


def _is_exact_integer(number):
    try:
        return int(float(number)) == number
    except OverflowError:
        return True  # of which `check_values` says that it does not fit


def is_number(item):
    return isinstance(item, Integral) or (
        isinstance(item, Real) and hasattr(item, "as_integer_ratio")
    )


def fraction(number):
    if isinstance(number, Integral):
        return Fraction(int(number))
    return Fraction(*number.as_integer_ratio())


def is_exact(numbers):
    """Whether float64 holds these finite numbers (integers: any in their range)."""
    if numbers.dtype.kind in "iu":
        return max(int(numbers.max()), -int(numbers.min())) <= LARGEST_EXACT
    return bool((floats(numbers) == numbers).all())


def floats(numbers):
    try:
        with np.errstate(over="ignore"):
            return numbers.astype(np.float64)
    except OverflowError:  # Python's integers have no end
        return np.full(numbers.shape, math.inf)
