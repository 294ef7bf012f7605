"""Robust distances of rows of features, whatever their columns hold."""

import warnings

import numpy as np
from sklearn.covariance import MinCovDet

from .._sklearn import check_array, refuse_masked

EPS = np.finfo(np.float64).eps
# Of more rows a random sample of as many is searched: a second in place of many, and
# distances that differ by about 1 %.
MANY_ROWS = 5000


def numbers_of(X):
    """The columns of X that hold numbers, missing ones replaced by the median."""
    refuse_masked(X, "X")
    if hasattr(X, "select_dtypes"):  # a frame of pandas
        X = X.infer_objects().select_dtypes(["number", "bool"])
    elif getattr(X, "dtype", None) == np.dtype(object):
        frame = [_as_numbers(column) for column in X.T]
        frame = [column for column in frame if column is not None]
        X = np.column_stack(frame) if frame else np.empty((len(X), 0))
    if np.ndim(X) == 2 and np.shape(X)[1] == 0:
        raise ValueError(
            "X must have columns of numbers for robust distances, got none."
        )
    X = check_array(
        X,
        dtype=np.float64,
        ensure_all_finite="allow-nan",
        input_name="X",
    )
    missing = np.isnan(X)
    if missing.any():
        X = X[:, ~missing.all(axis=0)]
        X = np.where(np.isnan(X), np.nanmedian(X, axis=0), X)
    return X


def _as_numbers(column):
    """A column of objects as numbers, or None if it holds others."""
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return None


def robust_distances(X, random_state):
    """Distances by the minimum covariance determinant, and their degrees of freedom.

    In standardised principal components: the distances do not depend on coordinates,
    and directions without variation are left out. So are dummies: half of the rows may
    have one level of them, and all others would be infinitely far from that half.
    """
    scale = X.std(axis=0)
    varies = scale > 4 * EPS * np.abs(X).max(axis=0)
    varies &= ((X.min(axis=0) < X) & (X.max(axis=0) > X)).any(axis=0)
    Z = (X[:, varies] - X[:, varies].mean(axis=0)) / scale[varies]
    left, s, _ = np.linalg.svd(Z, full_matrices=False)
    left = left[:, s > s.max(initial=0.0) * max(X.shape) * EPS]
    n_samples, rank = left.shape
    if n_samples < 2 * rank + 1:
        raise ValueError(
            f"X must have more than twice as many rows as independent features for "
            f"robust distances, got {n_samples} rows and {rank} features."
        )
    if rank == 0:
        return np.zeros(n_samples), 0
    with warnings.catch_warnings():
        # Half of the rows lie on a plane if there are dummies; this warns of rounding.
        warnings.filterwarnings("ignore", "Determinant has inc", RuntimeWarning)
        try:
            left *= np.sqrt(n_samples)
            sample = left
            if n_samples > MANY_ROWS:
                rows = random_state.choice(n_samples, MANY_ROWS, replace=False)
                sample = left[rows]
            fit = MinCovDet(random_state=random_state).fit(sample)
        except ValueError as error:
            raise ValueError(
                "X must not be the same in half of the rows for robust distances, got "
                "features that most rows share."
            ) from error
    return np.sqrt(fit.mahalanobis(left)), rank
