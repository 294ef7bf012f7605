"""Scores of predicted rankings against true ones.

Rows are compared one by one, over the labels that are ranked in both, and averaged.
Arguments of one dimension are one ranking of all samples.
"""

import warnings

import numpy as np
from scipy.stats import kendalltau, rankdata, weightedtau
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import ndcg_score as sklearn_ndcg_score
from sklearn.utils import gen_batches

from .._checks import exact_differences, moderate, nan_for_na
from .._sklearn import check_array, check_sample_weight
from ..losses._ranking import group_rows

# Pairs of labels are compared in batches of about this many, which stay in cache.
BATCH_SIZE = 2**15
# Rows of more labels are sorted one by one: from there on faster than all pairs.
MAX_PAIRED = 100


def spearman_score(y_true, y_pred, *, sample_weight=None, average=True):
    """Mean over rows of Spearman's rank correlation.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_labels) or (n_samples,)
        True ranks, or any numbers that order the labels; NaN marks labels that are not
        ranked. One dimension is one ranking of the samples, as for regressions.
    y_pred : array-like of the same shape
        Predicted ranks or numbers, in the same direction.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the mean. With one dimension frequencies of the samples:
        a whole number is as good as that number of repeats.
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
    y_true, y_pred, ranked, counts, sample_weight = _check_pair(
        y_true, y_pred, sample_weight
    )
    if counts is None:
        first, second = (_centred_ranks(y, ranked) for y in (y_true, y_pred))
    else:
        first, second = (
            np.sqrt(counts) * _centred_weighted_ranks(y[ranked], counts)
            for y in (y_true, y_pred)
        )
    score = _correlation(first, second)
    return _average(score, ranked, sample_weight, average, "spearman_score")


def kendall_tau_score(y_true, y_pred, *, sample_weight=None, average=True):
    """Mean over rows of Kendall's rank correlation tau-b.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_labels) or (n_samples,)
        True ranks, or any numbers that order the labels; NaN marks labels that are not
        ranked. One dimension is one ranking of the samples, as for regressions.
    y_pred : array-like of the same shape
        Predicted ranks or numbers, in the same direction.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the mean. With one dimension frequencies of the samples:
        a whole number is as good as that number of repeats.
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
    v)``. Rows of many labels take O(n log n) time [1]_ and O(n) memory.

    References
    ----------
    .. [1] W. R. Knight, "A Computer Method for Calculating Kendall's Tau with Ungrouped
       Data", Journal of the American Statistical Association 61, 1966.

    Examples
    --------
    >>> from sksoftrank.metrics import kendall_tau_score
    >>> round(kendall_tau_score([[1, 2, 3, 4]], [[2, 1, 3, 4]]), 3)
    0.667
    """
    y_true, y_pred, ranked, counts, sample_weight = _check_pair(
        y_true, y_pred, sample_weight
    )
    n_samples, n_labels = y_true.shape
    if counts is not None:
        score = [_weighted_tau(y_true[ranked], y_pred[ranked], counts)]
    elif n_labels > MAX_PAIRED:
        score = [
            _tau(a[r], b[r]) for a, b, r in zip(y_true, y_pred, ranked, strict=True)
        ]
    else:
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
    return _average(score, ranked, sample_weight, average, "kendall_tau_score")


def ndcg_score(y_true, y_score, *, k=None, sample_weight=None):
    """Mean over rows of the normalised discounted cumulative gain (NDCG).

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_labels) or (n_samples,)
        True relevances, at least 0: not ranks. NaN marks labels that are not ranked.
        One dimension is one ranking of the samples.
    y_score : array-like of the same shape
        Predicted scores, the larger, the better.
    k : int, default=None
        How many labels count, from the best predicted. None means all.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the mean. None for arguments of one dimension.

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
    y_true = check_relevance(y_true, "y_true")
    y_score = check_rankings(y_score, "y_score")
    ranked = _check_both(y_true, y_score)
    if y_true.ndim == 1:
        if sample_weight is not None:
            raise ValueError(
                "sample_weight must be None for arguments of one dimension, which are "
                "one ranking, got weights."
            )
        y_true, y_score, ranked = y_true[None], y_score[None], ranked[None]
    weight = check_sample_weight(sample_weight, y_true, ensure_non_negative=True)
    weight = moderate(weight)
    # Sums of gains stay finite; their unit is that of the best gain.
    _, exponent = np.frexp(np.fmax.reduce(np.abs(y_true), axis=1, initial=0.0))
    y_true = np.ldexp(y_true, -exponent[:, None])
    sums, scores = [], []
    for rows, index in group_rows(ranked):
        if weight[rows].any():
            predicted = y_score[index]
            with np.errstate(invalid="ignore", over="ignore"):  # checks sum the scores
                score = sklearn_ndcg_score(
                    y_true[index],
                    predicted,
                    k=k,
                    sample_weight=weight[rows],
                    # Averaging over ties takes scikit-learn a loop over the rows.
                    ignore_ties=_differ(predicted),
                )
            scores.append(score)
            sums.append(weight[rows].sum())
    return _weighted_mean(scores, sums, "ndcg_score")


def ndcg_score_of_ranks(y_true, y_pred, *, k=None, sample_weight=None):
    """NDCG where truth and prediction are given as ranks.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_labels) or (n_samples,)
        True ranks, the smaller, the better; NaN marks labels that are not ranked. The
        relevance of a label is the number of labels that are ranked behind it, ties
        counted by half. One dimension is one ranking of the samples.
    y_pred : array-like of the same shape
        Predicted ranks.
    k : int, default=None
        How many labels count, from the best predicted. None means all.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the mean. None for arguments of one dimension.

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
    ranks = rankdata(check_rankings(y_true, "y_true"), axis=-1, nan_policy="omit")
    n_ranked = (~np.isnan(ranks)).sum(axis=-1, keepdims=True)
    scores = -check_rankings(y_pred, "y_pred")
    return ndcg_score(n_ranked - ranks, scores, k=k, sample_weight=sample_weight)


def _differ(scores):
    """Whether the scores of no row tie."""
    ordered = np.sort(scores, axis=1)
    return bool((ordered[:, 1:] > ordered[:, :-1]).all())


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


def _tau(first, second):
    """Kendall's tau-b of one ranking."""
    if first.size < 2:
        return 0.0  # not used
    return np.nan_to_num(kendalltau(first, second).statistic)


def _weighted_tau(first, second, counts):
    """Kendall's tau-b of one ranking of numbers that stand for `counts` repeats."""
    if first.size < 2:
        return 0.0
    index = np.arange(first.size)
    # A pair counts as the product of the weights of its "ranks", which are indices.
    tau = weightedtau(
        first, second, rank=index, weigher=counts.__getitem__, additive=False
    )
    return np.nan_to_num(tau.statistic)


def _average(score, ranked, sample_weight, average, name):
    """Mean of the scores of rows with two ranked labels, or all with NaN for others."""
    score = np.asarray(score)
    usable = ranked.sum(axis=1) > 1
    if not average:
        return np.where(usable, score, np.nan)
    weight = check_sample_weight(sample_weight, score, ensure_non_negative=True)
    return _weighted_mean(score[usable], moderate(weight[usable]), name)


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


def check_relevance(y, name):
    """Numbers or NaN as float64, of shape (n_samples, n_labels) or (n_samples,)."""
    with np.errstate(invalid="ignore"):  # sums of very large numbers
        y = check_array(
            nan_for_na(y),
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_2d=False,
            input_name=name,
        )
    if y.ndim not in (1, 2):
        raise ValueError(
            f"{name} must have shape (n_samples, n_labels) or (n_samples,), got "
            f"{y.shape}."
        )
    return y


def check_rankings(y, name):
    """The same where only the order in each row matters, which large integers keep."""
    return check_relevance(exact_differences(y, name), name)


def _check_both(y_true, y_pred):
    """Where both arguments are ranked."""
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true and the prediction must have the same shape, got {y_true.shape} "
            f"and {y_pred.shape}."
        )
    return ~(np.isnan(y_true) | np.isnan(y_pred))


def _check_pair(y_true, y_pred, sample_weight):
    """Both arguments as rows, where both are ranked, and weights.

    For one ranking those of the ranked samples, else None, and those of the rows.
    """
    y_true, y_pred = check_rankings(y_true, "y_true"), check_rankings(y_pred, "y_pred")
    ranked = _check_both(y_true, y_pred)
    if y_true.ndim == 2:
        return y_true, y_pred, ranked, None, sample_weight
    counts = None
    if sample_weight is not None:
        counts = check_sample_weight(sample_weight, y_true, ensure_non_negative=True)
        ranked &= counts > 0
        counts = moderate(counts[ranked])
    return y_true[None], y_pred[None], ranked[None], counts, None
