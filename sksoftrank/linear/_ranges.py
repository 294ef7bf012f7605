"""Ranges of features, which are such that they can be squared."""

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import min_max_axis

# Features are squared to find their scales, so their sizes are limited.
SMALLEST, LARGEST = 1e-140, 1e140

# Rows that are looked at as one.
BLOCK = 50


def ranges(X):
    """Smallest and largest values of the features, checked: 0, or can be squared."""
    if sparse.issparse(X):
        low, high = min_max_axis(X, axis=0)
    else:
        low, high = _reduce(np.minimum, X), _reduce(np.maximum, X)
    check_ranges(low, high)
    return low, high


def _reduce(function, X):
    """The function along the columns; of many short rows several at once, as one."""
    n_rows, n_columns = X.shape
    n_blocks = n_rows // BLOCK
    if n_blocks < 2 or not X.flags.c_contiguous:
        return function.reduce(X, axis=0)
    blocks = X[: n_blocks * BLOCK].reshape(n_blocks, -1)
    found = function.reduce(blocks, axis=0).reshape(BLOCK, n_columns)
    return function.reduce(np.vstack([found, X[n_blocks * BLOCK :]]), axis=0)


def check_ranges(low, high):
    """Say which feature of these smallest and largest values cannot be squared."""
    size = np.maximum(high, -low)
    wrong = (size > LARGEST) | ((size < SMALLEST) & (size > 0))
    if wrong.any():
        raise ValueError(
            f"The largest size of a feature of X must be 0 or from {SMALLEST:g} to "
            f"{LARGEST:g}, got {size[wrong][0]:.3g} in column {wrong.argmax()}."
        )
