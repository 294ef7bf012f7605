"""Correlations of rankings, row by row: Spearman's and Kendall's."""

import numpy as np
from scipy.stats import kendalltau, rankdata, weightedtau
from sklearn.utils import gen_batches

from ..losses._soft_ranks import BATCH_SIZE

# Rows of more labels are sorted one by one: from there on faster than all pairs.
MAX_PAIRED = 100


def spearman_rows(y_true, y_pred, ranked):
    """Spearman's correlation of each row."""
    score = np.zeros(len(y_true))
    for rows in gen_batches(len(y_true), max(1, BATCH_SIZE // max(1, y_true.shape[1]))):
        first, second = (
            _centred_ranks(y[rows], ranked[rows]) for y in (y_true, y_pred)
        )
        score[rows] = _correlation(first, second)
    return score


def weighted_spearman(first, second, counts):
    """Spearman's correlation of one ranking of numbers that stand for repeats."""
    root = np.sqrt(counts)
    return _correlation(
        root * _centred_weighted_ranks(first, counts),
        root * _centred_weighted_ranks(second, counts),
    )[0]


def kendall_rows(y_true, y_pred, ranked):
    """Kendall's tau-b of each row."""
    n_samples, n_labels = y_true.shape
    if n_labels > MAX_PAIRED:
        return [
            _tau(a[r], b[r]) for a, b, r in zip(y_true, y_pred, ranked, strict=True)
        ]
    score = np.zeros(n_samples)
    first, second = np.triu_indices(n_labels, k=1)
    for batch in gen_batches(n_samples, max(1, BATCH_SIZE // max(1, first.size))):
        compared = ranked[batch][:, first] & ranked[batch][:, second]
        with np.errstate(over="ignore"):  # of a difference, which has a sign
            signs = [
                np.where(
                    compared, np.sign(y[batch][:, first] - y[batch][:, second]), 0.0
                )
                for y in (y_true, y_pred)
            ]
        score[batch] = _correlation(*signs)
    return score


def _tau(first, second):
    """Kendall's tau-b of one ranking."""
    if first.size < 2:
        return 0.0  # not used
    return np.nan_to_num(kendalltau(first, second).statistic)


def weighted_kendall(first, second, counts):
    """Kendall's tau-b of one ranking of numbers that stand for `counts` repeats."""
    if first.size < 2:
        return 0.0
    index = np.arange(first.size)
    # A pair counts as the product of the weights of its "ranks", which are indices.
    tau = weightedtau(
        first, second, rank=index, weigher=counts.__getitem__, additive=False
    )
    return np.nan_to_num(tau.statistic)


def _centred_ranks(y, ranked):
    """Ranks among the ranked labels, minus their mean, and 0 for the others."""
    ranks = rankdata(np.where(ranked, y, np.nan), axis=1, nan_policy="omit")
    mean = (ranked.sum(axis=1, keepdims=True) + 1) / 2
    return np.nan_to_num(ranks - mean)


def _centred_weighted_ranks(y, counts):
    """The same for one ranking of numbers that stand for `counts` repeats."""
    _, group = np.unique(y, return_inverse=True)
    mass = np.bincount(group, counts)
    return ((np.cumsum(mass) - 0.5 * mass)[group] - 0.5 * counts.sum())[None]


def _correlation(first, second):
    """Correlation of rows around 0, which is 0 where a row is constant."""
    size = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return (first * second).sum(axis=1) / np.where(size > 0, size, 1.0)
