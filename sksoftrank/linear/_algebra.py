"""Products and inverses of the coordinates of linear designs."""

import numpy as np
from scipy import sparse

EPS = np.finfo(np.float64).eps

# A direction of the features that varies by less than this many of their rounding
# errors is noise.
NOISE = 10.0

# A Gram matrix has half of the digits of its rows: what is this much smaller than its
# largest eigenvalue is rounding.
GRAM_ROUNDING = 1e-12


def multiply(matrix, z):
    """The product with a matrix, or with the diagonal matrix of these entries."""
    if matrix.ndim == 2:
        return matrix @ z
    return (z.T * matrix).T  # z may be a vector or a matrix


def multiply_right(rows, matrix):
    """The same from the right."""
    return rows @ matrix if matrix.ndim == 2 else rows * matrix


def dense(rows):
    return rows.toarray() if sparse.issparse(rows) else rows


def append(z, last):
    """The vector or matrix z with one more entry or row."""
    return np.concatenate([z, np.expand_dims(last, 0)])


def determined_inverse(hessian, noise):
    """Inverse of a Hessian, 0 where it leaves directions undetermined, and these.

    `noise` is that of the `LinearDesign`, for a Hessian of rows that weigh about 1.
    """
    curvature, axes = np.linalg.eigh(hessian)
    rounding = NOISE**2 * np.einsum("ji,ji->i", axes, noise @ axes)
    rounding = np.maximum(rounding, curvature.max(initial=0.0) * GRAM_ROUNDING)
    determined = curvature > rounding
    known = axes[:, determined]
    return known / curvature[determined] @ known.T, axes[:, ~determined]


def invert(unit):
    """1 / unit, and 0 where that is 0, too."""
    return 1 / np.where(unit > 0, unit, np.inf)
