"""Rows so far away in a feature that they leave the others no digits."""

import numpy as np
from scipy import sparse

from ..linear._robust_scale import weighted_quantile
from ._some_rows import some_rows

# Values are far beyond this many typical deviations of the others, the majority, if a
# gap parts them: none is between these and this fraction of the distance of the
# nearest. The values of long tails have no such gap.
FAR = 300.0
GAP = 0.01

# Of a feature that is mostly one value, the other values are near if they have at least
# this part of the weight of all others.
NEAR_PART = 0.2

# The typical deviations are those of a sample of this many rows.
SAMPLE_SIZE = 2000


def near_weight(X, weight, low, high):
    """The weights, 0 for rows that are far away in some feature.

    Distances are from the median in units of the median distance of the near values, or
    for features that are mostly one value, of those of them that differ from it. Fill
    values such as 1e20 are far; ordinary outliers are not.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Features.
    weight : ndarray of shape (n_samples,)
        Weights, at least 0 and not all 0.
    low, high : ndarray of shape (n_features,)
        Smallest and largest values of the features.

    Returns
    -------
    ndarray of shape (n_samples,)
        `weight` itself if no row is far, or all are, in one feature or another.
    """
    is_sparse = sparse.issparse(X)
    if is_sparse:
        X = X.tocsc()
        columns = _suspects(X)
    else:
        columns = range(X.shape[1])
    used = np.flatnonzero(weight)
    sample = used[some_rows(used.size, SAMPLE_SIZE)]
    rows, sample_weight = X[sample], weight[sample]
    near = weight
    for j in columns:
        some = rows[:, [j]].toarray()[:, 0] if is_sparse else rows[:, j]
        centre, unit = _centre_and_unit(some, sample_weight)
        if unit > 0 and GAP * max(high[j] - centre, centre - low[j]) > unit:
            column = X[:, [j]].toarray()[:, 0] if is_sparse else X[:, j]
            distance = np.abs(column - centre)
            beyond = distance > _limit(distance[used], weight[used])
            if beyond.any():
                near = np.where(beyond, 0.0, near)
    return near if near.any() else weight


def _limit(distance, weight):
    """The largest distance before a gap that leads far away, or infinity."""
    part = 0.5
    if weighted_quantile(distance, weight, 0.5) == 0:
        varies, part = distance > 0, NEAR_PART
        distance, weight = distance[varies], weight[varies]
    order = np.argsort(distance)
    distance, cumulated = distance[order], np.cumsum(weight[order])
    is_gap = distance[:-1] < GAP * distance[1:]
    for last in np.flatnonzero(is_gap & (cumulated[:-1] >= part * cumulated[-1])):
        unit = distance[np.searchsorted(cumulated, cumulated[last] / 2)]
        if distance[last + 1] > FAR * unit:
            return distance[last]
    return np.inf


def _suspects(X):
    """Columns of sparse X that may have far rows: not those of dummies."""
    size = abs(X)
    size.eliminate_zeros()
    filled = np.flatnonzero(np.diff(size.indptr))
    smallest = np.minimum.reduceat(size.data, size.indptr[filled])
    largest = np.maximum.reduceat(size.data, size.indptr[filled])
    half = 2 * np.diff(size.indptr)[filled] >= X.shape[0]
    return filled[half | (largest > FAR * smallest)]


def _centre_and_unit(column, weight):
    """Median, and a typical distance of near values; 0 for a constant column."""
    centre = weighted_quantile(column, weight, 0.5)
    distance = np.abs(column - centre)
    unit = weighted_quantile(distance, weight, 0.5)
    if unit == 0:
        varies = distance > 0
        if varies.any():
            unit = weighted_quantile(distance[varies], weight[varies], NEAR_PART / 2)
    return centre, unit
