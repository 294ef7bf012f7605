"""Columns whose products are correlations: soft ranks, centred and of length 1."""

import numpy as np
from sklearn.utils import gen_batches

from .._checks import check_finite, check_regularization, nonfinite_error
from ..operators import soft_rank
from ._soft_cdf import interquartile_range

# Columns are ranked in batches of about this many numbers (1 MB).
BATCH_SIZE = 2**17


def in_interquartile_ranges(values, name):
    """Columns in units of their interquartile ranges, and these."""
    scale = np.array([interquartile_range(column) for column in values.T])
    if np.isinf(scale).any():
        raise nonfinite_error(values, name)
    with np.errstate(over="ignore"):
        values = values / scale
    name = f"{name}, in units of their interquartile ranges,"
    return check_finite(values, name, factor=len(values) ** 2), scale


def unit_ranks(X, epsilon, regularization, *, keep=True):
    """Soft ranks of the columns, centred and of length 1, or 0 for constant columns.

    Returns them, their lengths before, the Jacobian of the ranks, or None if it is not
    to be kept, and by which factors the columns were multiplied for it.
    """
    check_regularization(regularization, ("quadratic", "entropic", "kl"))
    varies = np.ptp(X, axis=0) > 0
    factor = np.ones(X.shape[1])
    if regularization == "quadratic":
        X, epsilon, factor = _widen(X, epsilon)
    options = {"regularization": regularization, "axis": 0}
    if keep:
        ranks, jacobian = soft_rank(X, epsilon, **options, return_jacobian=True)
    else:
        ranks, jacobian = soft_rank(X, epsilon, **options), None
    centred = np.where(varies, ranks - ranks.mean(axis=0), 0.0)
    norm = np.linalg.norm(centred, axis=0)
    unit = np.divide(centred, norm, out=centred, where=norm > 0)
    return unit, norm, jacobian, factor


def _widen(X, epsilon):
    """Columns, epsilon and factors with the same correlations of quadratic soft ranks.

    The ranks of a column that is narrow enough are one pool and linear in it, whatever
    `epsilon`; but where they hardly differ, digits are lost. So these columns are made
    half as wide as one pool can always be.
    """
    spread = np.ptp(X, axis=0)
    epsilon = min(epsilon, 4 / X.shape[0] * spread.max(initial=0.0))
    width = 0.25 * X.shape[0] * epsilon
    is_narrow = (spread > 0) & (spread < width)
    if not is_narrow.any():
        return X, epsilon, np.ones(X.shape[1])
    narrow, spread = X[:, is_narrow], spread[is_narrow]
    X, factor = X.copy(), np.ones(X.shape[1])
    X[:, is_narrow] = (narrow - narrow.min(axis=0)) / spread * width
    factor[is_narrow] = width / spread
    return X, epsilon, factor


def cells(X, rows, columns):
    """These rows and columns of X, of which each column lies in one piece."""
    if rows.size == len(X):
        return np.asfortranarray(X[:, columns])
    return np.asfortranarray(X[np.ix_(rows, columns)])


def column_batches(shape):
    """Slices of the columns of an array of this shape, not much at a time."""
    return gen_batches(shape[1], max(1, BATCH_SIZE // shape[0]))
