"""Scores of predicted rankings against true ones, and scorers made of them.

Rows are compared one by one, over the labels that are ranked in both, and averaged.
"""

import warnings

import numpy as np
from scipy.stats import rankdata
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import make_scorer
from sklearn.metrics import ndcg_score as sklearn_ndcg_score
from sklearn.utils import check_array, gen_batches

from .._sklearn import check_sample_weight
from ..losses._ranking import group_rows

# Pairs of labels are compared in batches of about this many numbers (8 MB).
BATCH_SIZE = 2**20


def spearman_score(y_true, y_pred, *, sample_weight=None, average=True):
    """Mean over rows of Spearman's rank correlation.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_labels)
        True ranks, or any numbers that order the labels; NaN marks labels that are not
        ranked.
    y_pred : array-like of shape (n_samples, n_labels)
        Predicted ranks or numbers, in the same direction.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the mean.
    average : bool, default=True
        If False, the correlation of each row is returned.

    Returns
    -------
    float, or ndarray of shape (n_samples,)
        From -1 (reversed) to 1 (the same order). A row in which all ranks are tied, in
        either argument, counts as 0. A row with fewer than two labels that are ranked
        in both is left out of the mean, and is NaN with ``average=False``.

    Raises
    ------
    ValueError
        If an argument is not as described.

    Warns
    -----
    UndefinedMetricWarning
        If no row is left for the mean, which is then NaN.

    See Also
    --------
    kendall_tau_score : Counts the pairs of labels that are in order.
    scipy.stats.spearmanr : The correlation of one row.

    Notes
    -----
    The correlation is Pearson's of the ranks among the labels that are ranked in both;
    ties have average ranks.

    Examples
    --------
    >>> from sksoftrank.metrics import spearman_score
    >>> y_true = [[1, 2, 3, 4], [1, 2, 3, float("nan")]]
    >>> y_pred = [[2, 1, 3, 4], [3, 2, 1, 4]]
    >>> spearman_score(y_true, y_pred, average=False)
    array([ 0.8, -1. ])
    """
    y_true, y_pred, ranked = _check_pair(y_true, y_pred)
    first, second = (_centred_ranks(y, ranked) for y in (y_true, y_pred))
    score = _correlation(first, second)
    return _average(score, ranked, sample_weight, average, "spearman_score")


def kendall_tau_score(y_true, y_pred, *, sample_weight=None, average=True):
    """Mean over rows of Kendall's rank correlation tau-b.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_labels)
        True ranks, or any numbers that order the labels; NaN marks labels that are not
        ranked.
    y_pred : array-like of shape (n_samples, n_labels)
        Predicted ranks or numbers, in the same direction.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the mean.
    average : bool, default=True
        If False, the correlation of each row is returned.

    Returns
    -------
    float, or ndarray of shape (n_samples,)
        From -1 (reversed) to 1 (the same order). A row in which all ranks are tied, in
        either argument, counts as 0. A row with fewer than two labels that are ranked
        in both is left out of the mean, and is NaN with ``average=False``.

    Raises
    ------
    ValueError
        If an argument is not as described.

    Warns
    -----
    UndefinedMetricWarning
        If no row is left for the mean, which is then NaN.

    See Also
    --------
    spearman_score : Correlation of the ranks.
    scipy.stats.kendalltau : The correlation of one row.

    Notes
    -----
    With c pairs of labels in the same and d in opposite order, and u and v pairs that
    are not tied in the first and in the second argument, ``tau_b = (c - d) / sqrt(u
    v)``. Time grows with the square of the number of labels.

    Examples
    --------
    >>> from sksoftrank.metrics import kendall_tau_score
    >>> round(kendall_tau_score([[1, 2, 3, 4]], [[2, 1, 3, 4]]), 3)
    0.667
    """
    y_true, y_pred, ranked = _check_pair(y_true, y_pred)
    n_samples, n_labels = y_true.shape
    first, second = np.triu_indices(n_labels, k=1)
    score = np.zeros(n_samples)
    for batch in gen_batches(n_samples, max(1, BATCH_SIZE // max(1, first.size))):
        compared = ranked[batch][:, first] & ranked[batch][:, second]
        signs = [
            np.where(compared, np.sign(y[batch][:, first] - y[batch][:, second]), 0.0)
            for y in (y_true, y_pred)
        ]
        score[batch] = _correlation(*signs)
    return _average(score, ranked, sample_weight, average, "kendall_tau_score")


def ndcg_score(y_true, y_score, *, k=None, sample_weight=None):
    """Mean over rows of the normalised discounted cumulative gain (NDCG).

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_labels)
        True relevances, at least 0: not ranks. NaN marks labels that are not ranked.
    y_score : array-like of shape (n_samples, n_labels)
        Predicted scores, the larger, the better.
    k : int, default=None
        How many labels count, from the best predicted. None means all.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the mean.

    Returns
    -------
    float
        From 0 to 1 (the best order). A row without positive relevances counts as 0. A
        row with fewer than two labels that are ranked in both is left out.

    Raises
    ------
    ValueError
        If an argument is not as described.

    Warns
    -----
    UndefinedMetricWarning
        If no row is left for the mean, which is then NaN.

    See Also
    --------
    sklearn.metrics.ndcg_score : Does the work; takes no NaN.

    Examples
    --------
    >>> from sksoftrank.metrics import ndcg_score
    >>> round(ndcg_score([[2, 1, 0, float("nan")]], [[0.1, 0.2, 0.0, 0.3]]), 3)
    0.86
    """
    y_true, y_score, ranked = _check_pair(y_true, y_score)
    weight = check_sample_weight(sample_weight, y_true, ensure_non_negative=True)
    sums, scores = [], []
    for rows, index in group_rows(ranked):
        if weight[rows].any():
            predicted = y_score[index]
            score = sklearn_ndcg_score(
                y_true[index],
                predicted,
                k=k,
                sample_weight=weight[rows],
                # Averaging over ties takes scikit-learn a loop over the rows.
                ignore_ties=bool((np.diff(np.sort(predicted, axis=1)) > 0).all()),
            )
            scores.append(score)
            sums.append(weight[rows].sum())
    return _weighted_mean(scores, sums, "ndcg_score")


def ndcg_score_of_ranks(y_true, y_pred, *, k=None, sample_weight=None):
    """NDCG where truth and prediction are given as ranks.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_labels)
        True ranks, the smaller, the better; NaN marks labels that are not ranked. The
        relevance of a label is the number of labels that are ranked behind it, ties
        counted by half.
    y_pred : array-like of shape (n_samples, n_labels)
        Predicted ranks.
    k : int, default=None
        How many labels count, from the best predicted. None means all.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the mean.

    Returns
    -------
    float
        As `ndcg_score`.

    See Also
    --------
    ndcg_score : Of scores, where the truth is given as relevances.

    Examples
    --------
    >>> from sksoftrank.metrics import ndcg_score_of_ranks
    >>> round(ndcg_score_of_ranks([[1, 2, 3]], [[2, 1, 3]]), 3)
    0.86
    """
    ranks = rankdata(_check_numbers(y_true, "y_true"), axis=1, nan_policy="omit")
    n_ranked = (~np.isnan(ranks)).sum(axis=1, keepdims=True)
    scores = -_check_numbers(y_pred, "y_pred")
    return ndcg_score(n_ranked - ranks, scores, k=k, sample_weight=sample_weight)


RANKING_SCORERS = {
    "spearman": make_scorer(spearman_score),
    "kendall_tau": make_scorer(kendall_tau_score),
    "ndcg": make_scorer(ndcg_score_of_ranks),
}


def _centred_ranks(y, ranked):
    """Ranks among the ranked labels, minus their mean, and 0 for the others."""
    ranks = rankdata(np.where(ranked, y, np.nan), axis=1, nan_policy="omit")
    mean = (ranked.sum(axis=1, keepdims=True) + 1) / 2
    return np.nan_to_num(ranks - mean)


def _correlation(first, second):
    """Correlation of rows around 0, which is 0 where a row is constant."""
    size = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return (first * second).sum(axis=1) / np.where(size > 0, size, 1.0)


def _average(score, ranked, sample_weight, average, name):
    """Mean of the scores of rows with two ranked labels, or all with NaN for others."""
    usable = ranked.sum(axis=1) > 1
    if not average:
        return np.where(usable, score, np.nan)
    weight = check_sample_weight(sample_weight, score, ensure_non_negative=True)
    return _weighted_mean(score[usable], weight[usable], name)


def _weighted_mean(scores, weights, name):
    if not np.any(weights):
        warnings.warn(
            f"{name} is not defined without a row of positive weight in which at least "
            f"two labels are ranked in both arguments; NaN is returned.",
            UndefinedMetricWarning,
            stacklevel=4,
        )
        return float("nan")
    return float(np.average(scores, weights=weights))


def _check_pair(y_true, y_pred):
    """Both arguments, and where both are ranked."""
    y_true, y_pred = _check_numbers(y_true, "y_true"), _check_numbers(y_pred, "y_pred")
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true and the prediction must have the same shape, got {y_true.shape} "
            f"and {y_pred.shape}."
        )
    return y_true, y_pred, ~(np.isnan(y_true) | np.isnan(y_pred))


def _check_numbers(y, name):
    """Numbers or NaN, of shape (n_samples, n_labels)."""
    y = check_array(
        y,
        dtype=np.float64,
        ensure_all_finite="allow-nan",
        ensure_2d=False,
        input_name=name,
    )
    if y.ndim != 2:
        raise ValueError(
            f"{name} must have shape (n_samples, n_labels), got {y.shape}."
        )
    return y
