"""Weights, and standard deviations of rows, or what is wrong with them."""

import math
from numbers import Real
from typing import Any

import numpy as np

from .._typing import Array
from ._arrays import check_finite, check_values, nonfinite_error

# Standard deviations are squared: larger ratios of them are refused.
LARGEST_RATIO = 1e100

# Of a smaller share of the weights the threshold of a quadratic choice is rounded away.
SMALLEST_SHARE = 2.0**-52


def check_weights(weights, name, shapes, *, finite_sum=False) -> Array:
    """Return `weights` as a C-contiguous float64 array of one of these shapes.

    Or say what is wrong: they must be finite, at least 0 and, if there are any, not all
    0. With `finite_sum` their sum must be finite, too.
    """
    weights = check_values(weights, name)
    lowest, largest = (
        float(end) for end in (weights.min(initial=0.0), weights.max(initial=0.0))
    )
    if not math.isfinite(largest - lowest):
        raise nonfinite_error(weights, name)
    if weights.shape not in shapes:
        allowed = " or ".join(map(str, dict.fromkeys(shapes)))
        raise ValueError(f"{name} must have shape {allowed}, got {weights.shape}.")
    if lowest < 0:
        raise ValueError(f"{name} must be at least 0, got {lowest}.")
    if weights.size and largest == 0:
        raise ValueError(f"{name} must not be zero everywhere.")
    weights = np.ascontiguousarray(weights, dtype=np.float64)
    if finite_sum and largest > np.finfo(np.float64).max / max(weights.size, 1):
        raise ValueError(
            f"{name} must have a finite sum, got values up to {largest:g}."
        )
    return weights


def check_share(amount, total, name) -> None:
    """Refuse an amount that quadratic choices do not tell from nothing of `total`."""
    if amount < SMALLEST_SHARE * total:
        raise ValueError(
            f"{name} must be at least {SMALLEST_SHARE:.2g} of the sum of the weights, "
            f"got {amount:g} of {total:g}; rescale them."
        )


def moderate(weights) -> Array:
    """The weights times a power of two, which is exact; the largest becomes near 1."""
    _, exponent = np.frexp(weights.max(initial=0.0))
    return np.ldexp(weights, -exponent)


def as_frequencies(weights, total=None) -> Array:
    """Weights, along the last axis, as frequencies: the rule of the whole package.

    Weights whose mean over the positive ones is below one, such as those of sum one,
    cannot be frequencies. They are multiplied to a mean of one; `total` has their sums.
    """
    if total is None:
        total = weights.sum(axis=-1, keepdims=True)
    if (total >= weights.shape[-1]).all():
        return weights
    n_positive = np.count_nonzero(weights > 0, axis=-1, keepdims=True)
    is_share = total < n_positive
    if not is_share.any():
        return weights
    # By the largest first: they may be too small to invert, and equal ones become 1.
    largest = np.where(is_share, weights.max(axis=-1, keepdims=True), 1.0)
    with np.errstate(over="ignore"):  # NumPy 1.26 warns of it where nothing overflows
        scaled = weights / largest
    scaled *= np.where(is_share, n_positive / scaled.sum(axis=-1, keepdims=True), 1.0)
    return scaled


def check_sigma(sigma, n_samples) -> Any:
    """Standard deviations of the errors in float64, or say what is wrong with them."""
    if isinstance(sigma, Real):
        sigma = np.full(n_samples, sigma)
    sigma = check_finite(check_values(sigma, "sigma"), "sigma").astype(np.float64)
    if sigma.shape != (n_samples,):
        raise ValueError(f"sigma must have shape {(n_samples,)}, got {sigma.shape}.")
    smallest, largest = float(sigma.min()), float(sigma.max())
    if smallest <= 0:
        raise ValueError(f"sigma must be above 0, got {smallest}.")
    if largest > LARGEST_RATIO * smallest:
        raise ValueError(
            f"sigma must hold values of which the largest is at most "
            f"{LARGEST_RATIO:g} times the smallest, got values from {smallest:g} to "
            f"{largest:g}."
        )
    return sigma
