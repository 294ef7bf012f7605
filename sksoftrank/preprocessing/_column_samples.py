"""The numbers of each column of a sample, with frequencies, or a part drawn of them."""

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from .._checks import moderate

# Frequencies count things, but weights of 1e300 are allowed.
LARGEST_COUNT = 1e15


class ColumnSample(NamedTuple):
    """The numbers of a column, NaN left out, in any order.

    Attributes
    ----------
    values : ndarray of shape (n_values,)
        The numbers, in float64.
    weight : ndarray of shape (n_values,) or None
        Relative frequencies, above 0. None if all are equal.
    total : float
        How many numbers there are, weights counted as frequencies.
    """

    values: np.ndarray
    weight: np.ndarray | None
    total: float


def column_samples(X, sample_weight, subsample, random_state):
    """Samples of the columns of X, of at most `subsample` distinct numbers each.

    Parameters
    ----------
    X : {ndarray, csc matrix} of shape (n_samples, n_features)
        The sample, with NaN where a number is missing.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights, at least 0 and not all 0.
    subsample : int or None
        None for all numbers.
    random_state : int, RandomState instance or None
        What draws.

    Returns
    -------
    list of ColumnSample
        One for each column.

    Notes
    -----
    The numbers of a column are drawn in proportion to their weights, stratified along
    their order: one at random out of each of `subsample` parts of equal weight. So
    repeats are as good as weights, and the part has the quantiles of the whole up to
    ``1 / subsample``.
    """
    unit = 1.0
    if sample_weight is not None:
        used = sample_weight > 0
        X = X if used.all() else X[used]
        sample_weight = sample_weight[used]
        largest = min(sample_weight.max(), LARGEST_COUNT)
        sample_weight = moderate(sample_weight)
        # Weights of a mean below one cannot be frequencies and get a mean of one.
        unit = max(largest / sample_weight.max(), 1 / sample_weight.mean())
    rng = check_random_state(random_state)
    samples = []
    for j in range(X.shape[1]):
        values, weight = _numbers(X, j, sample_weight)
        total = values.size if weight is None else weight.sum() * unit
        if subsample is not None and subsample < values.size:
            values, weight = _drawn(values, weight, subsample, rng)
        samples.append(ColumnSample(values, weight, min(total, LARGEST_COUNT)))
    return samples


def _numbers(X, j, weight):
    """Numbers of a column and their weights; all zeros of a sparse one are one."""
    if sparse.issparse(X):
        part = slice(X.indptr[j], X.indptr[j + 1])
        values, rows = X.data[part].astype(np.float64), X.indices[part]
        n_zeros = X.shape[0] - rows.size
        if weight is None:
            weight, zero = np.ones(rows.size), float(n_zeros)
        else:
            # Above 0, whatever rounding does to the difference.
            zero = max(weight.sum() - weight[rows].sum(), weight.min())
            weight = weight[rows]
        if n_zeros:
            values, weight = np.append(values, 0.0), np.append(weight, zero)
    else:
        values = X[:, j].astype(np.float64)
    is_number = ~np.isnan(values)
    return values[is_number], None if weight is None else weight[is_number]


def _drawn(values, weight, size, rng):
    """A stratified sample if more than `size` numbers are distinct, else all."""
    if weight is None:
        values = np.sort(values)
        edges = None
    else:
        order = np.argsort(values)
        values, weight = values[order], weight[order]
        edges = np.cumsum(weight)
    if 1 + np.count_nonzero(np.diff(values)) <= size:
        return values, weight
    total = values.size if edges is None else edges[-1]
    where = (np.arange(size) + rng.uniform(size=size)) * (total / size)
    if edges is None:
        index = where.astype(np.intp)
    else:
        index = np.searchsorted(edges, where, side="right")
    return values[np.minimum(index, values.size - 1)], None
