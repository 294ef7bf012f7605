"""Ranges of features, which are such that they can be squared."""

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import min_max_axis

# Features are squared to find their scales, so their sizes are limited.
SMALLEST, LARGEST = 1e-140, 1e140


def ranges(X):
    """Smallest and largest values of the features, checked: 0, or can be squared."""
    if sparse.issparse(X):
        low, high = min_max_axis(X, axis=0)
    else:
        low, high = X.min(axis=0), X.max(axis=0)
    check_ranges(low, high)
    return low, high


def check_ranges(low, high):
    """Say which feature of these smallest and largest values cannot be squared."""
    size = np.maximum(high, -low)
    wrong = (size > LARGEST) | ((size < SMALLEST) & (size > 0))
    if wrong.any():
        raise ValueError(
            f"The largest size of a feature of X must be 0 or from {SMALLEST:g} to "
            f"{LARGEST:g}, got {size[wrong][0]:.3g} in column {wrong.argmax()}."
        )
