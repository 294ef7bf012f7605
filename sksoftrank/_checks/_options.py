"""Options of functions, or what is wrong with them."""

import math
import operator
from numbers import Integral, Real

import numpy as np

from .. import _pav
from ._arrays import nonfinite_error, refuse_traced

KINDS = {"quadratic": _pav.QUADRATIC, "entropic": _pav.ENTROPIC, "kl": _pav.KL}
# What torchsort and fast-soft-sort call regularizations.
OTHER_NAMES = {"l2": "quadratic", "kl": "entropic"}


def check_epsilon(epsilon):
    """Return `epsilon` as a float, or say what is wrong with it."""
    # The first test spares a float, the usual case, the slow ones.
    if type(epsilon) is not float and (
        not isinstance(epsilon, Real) or isinstance(epsilon, (bool, np.bool_))
    ):
        refuse_traced(epsilon, "epsilon")
        # Elsewhere the regularization is the second argument.
        hint = "; pass regularization by its name" if isinstance(epsilon, str) else ""
        raise TypeError(
            f"epsilon must be a real number >= 0, got {epsilon!r} of type "
            f"{type(epsilon).__name__}{hint}."
        )
    try:
        value = float(epsilon)
    except OverflowError:  # an integer beyond the floats
        value = math.inf
    if not 0 <= value < math.inf:
        raise ValueError(f"epsilon must be a finite number >= 0, got {epsilon}.")
    return value


def check_flag(value, name) -> bool:
    """Return `value` if it is True or False, or say that it is not."""
    if value is True or value is False:
        return value
    if not isinstance(value, np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def check_nan_policy(nan_policy) -> bool:
    """Return whether `nan_policy` is to omit NaN, or say that it is not known."""
    if not isinstance(nan_policy, str) or nan_policy not in ("raise", "omit"):
        raise ValueError(f"nan_policy must be 'raise' or 'omit', got {nan_policy!r}.")
    return nan_policy == "omit"


def check_regularization(regularization, allowed) -> int:
    """Return the kernel's number of `regularization`."""
    if not isinstance(regularization, str) or regularization not in allowed:
        options = " or ".join(repr(option) for option in allowed)
        ours = OTHER_NAMES.get(str(regularization))
        hint = f", which is {ours!r} here" if ours in allowed else ""
        raise ValueError(
            f"regularization must be {options}, got {regularization!r}{hint}."
        )
    return KINDS[regularization]


def check_axis(axis, ndim) -> int:
    """Return `axis` in [0, ndim), or say what is wrong with it."""
    try:
        if isinstance(axis, bool):
            raise TypeError
        axis = operator.index(axis)
    except TypeError:
        raise TypeError(f"axis must be an integer or None, got {axis!r}.") from None
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(
            f"axis must be in [{-ndim}, {ndim - 1}] for values of {ndim} dimensions, "
            f"got {axis}."
        )
    return axis % ndim


def check_k(k, n, values=None) -> int:
    """Return `k` as an integer from 1 to n, or say what is wrong with it.

    NaN among the `values`, if these are given, are said first: all operators tell of
    options, then of values, then of what belongs to these.
    """
    is_integer = isinstance(k, Integral) and not isinstance(k, bool)
    if is_integer and 1 <= int(k) <= n:
        return int(k)
    if values is not None and np.isnan(values).any():
        raise nonfinite_error(values, "values")
    if not is_integer:
        raise TypeError(f"k must be an integer, got {k!r}.")
    raise ValueError(f"k must be from 1 to the number of values, {n}, got {k}.")


def check_mass(k, highest) -> float:
    """Return `k`, a total weight, as a float, or say that it is not in (0, highest]."""
    if not isinstance(k, Real) or isinstance(k, (bool, np.bool_)):
        raise TypeError(f"k must be a real number, got {k!r}.")
    if not 0 < k <= highest:  # type: ignore[operator]
        raise ValueError(
            f"k must be above 0 and at most {highest:g}, the number of values or the "
            f"sum of their weights, got {k}."
        )
    return float(k)


def check_n_jobs(n_jobs) -> int | None:
    """Return `n_jobs` as an integer or None, or say what is wrong with it."""
    if n_jobs is not None and (
        not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool)
    ):
        raise TypeError(f"n_jobs must be a non-zero integer or None, got {n_jobs!r}.")
    if n_jobs == 0:
        raise ValueError("n_jobs must be a non-zero integer or None, got 0.")
    return None if n_jobs is None else int(n_jobs)


def check_confidence_level(level) -> None:
    """Raise unless the level lies between 0 and 1."""
    if not isinstance(level, Real) or isinstance(level, bool | np.bool_):
        raise TypeError(
            f"confidence_level must be a number in (0, 1), got a {type(level).__name__}"
            f"."
        )
    if not 0 < float(level) < 1:
        raise ValueError(f"confidence_level must lie in (0, 1), got {level}.")
