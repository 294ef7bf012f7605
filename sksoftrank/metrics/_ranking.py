"""Scores of predicted rankings against true ones.

Rows are compared one by one, over the labels that are ranked in both, and averaged.
Arguments of one dimension are one ranking of all samples.
"""

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import ndcg_score as sklearn_ndcg_score

from .._checks import check_flag, moderate, warn
from .._sklearn import check_sample_weight
from ..losses._grouped import check_group_weight
from ..losses._soft_ranks import BATCH_SIZE, group_rows
from ..operators._by_group import check_flat, exact_within
from ._correlations import (
    kendall_rows,
    spearman_rows,
    weighted_kendall,
    weighted_spearman,
)
from ._rankings import check_both, check_pair, check_rankings, check_relevance


@overload
def spearman_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = ...,
    average: Literal[True] = ...,
    groups: ArrayLike | None = ...,
) -> float: ...


@overload
def spearman_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = ...,
    average: Literal[False],
    groups: ArrayLike | None = ...,
) -> NDArray[np.float64]: ...


def spearman_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
    groups: ArrayLike | None = None,
) -> float | NDArray[np.float64]:
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
        a whole number is as good as that number of repeats. With `groups` frequencies
        within each group, which in the mean has the mean weight of its samples; or the
        weights of the groups, of shape (n_groups,).
    average : bool, default=True
        If False, the correlation of each row is returned.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups, in any order, for arguments of one dimension: each group is a
        row, and they may have any sizes.

    Returns
    -------
    float, or ndarray of shape (n_samples,)
        With `groups` of shape (n_groups,), in the order of ``numpy.unique(groups)``.
        From -1 (reversed) to 1 (the same order). A row in which all ranks are tied, in
        either argument, counts as 0. A row with fewer than two labels, repeats by
        frequencies counted, that are ranked in both is left out of the mean, and is NaN
        with ``average=False``.

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
    arguments = y_true, y_pred, groups, sample_weight
    functions = spearman_rows, weighted_spearman
    return _score("spearman_score", functions, arguments, average)


@overload
def kendall_tau_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = ...,
    average: Literal[True] = ...,
    groups: ArrayLike | None = ...,
) -> float: ...


@overload
def kendall_tau_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = ...,
    average: Literal[False],
    groups: ArrayLike | None = ...,
) -> NDArray[np.float64]: ...


def kendall_tau_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
    groups: ArrayLike | None = None,
) -> float | NDArray[np.float64]:
    r"""Mean over rows of Kendall's rank correlation tau-b.

    Parameters
    ----------
    y_true : array-like of shape (n_samples, n_labels) or (n_samples,)
        True ranks, or any numbers that order the labels; NaN marks labels that are not
        ranked. One dimension is one ranking of the samples, as for regressions.
    y_pred : array-like of the same shape
        Predicted ranks or numbers, in the same direction.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows in the mean. With one dimension frequencies of the samples:
        a whole number is as good as that number of repeats. With `groups` frequencies
        within each group, which in the mean has the mean weight of its samples; or the
        weights of the groups, of shape (n_groups,).
    average : bool, default=True
        If False, the correlation of each row is returned.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups, in any order, for arguments of one dimension: each group is a
        row, and they may have any sizes.

    Returns
    -------
    float, or ndarray of shape (n_samples,)
        With `groups` of shape (n_groups,), in the order of ``numpy.unique(groups)``.
        From -1 (reversed) to 1 (the same order). A row in which all ranks are tied, in
        either argument, counts as 0. A row with fewer than two labels, repeats by
        frequencies counted, that are ranked in both is left out of the mean, and is NaN
        with ``average=False``.

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
    are not tied in the first and in the second argument,

    .. math::

        \tau_b = \frac{c - d}{\sqrt{u v}} .

    Rows of many labels take O(n log n) time [1]_ and O(n) memory.

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
    arguments = y_true, y_pred, groups, sample_weight
    functions = kendall_rows, weighted_kendall
    return _score("kendall_tau_score", functions, arguments, average)


def ndcg_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> float:
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
        Weights of the rows in the mean. None for arguments of one dimension. With
        `groups` those of the groups, in the order of ``numpy.unique(groups)``, or of
        the samples, equal within a group.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups, in any order, for arguments of one dimension: each group is a
        row, and they may have any sizes.

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
    if groups is not None:
        y_score = exact_within(y_score, "y_score", groups)
    y_score = check_rankings(y_score, "y_score")
    return _ndcg(y_true, y_score, k, sample_weight, groups)


def _ndcg(y_true, y_score, k, sample_weight, groups=None):
    """`ndcg_score` of arrays that have been checked."""
    ranked = check_both(y_true, y_score)
    if groups is not None:
        check_flat(y_true, "y_true")
        layout, weight, _ = check_group_weight(sample_weight, groups, ranked)
        batches = layout.batches(BATCH_SIZE)
    else:
        if y_true.ndim == 1:
            if sample_weight is not None:
                raise ValueError(
                    "sample_weight must be None for arguments of one dimension, which "
                    "are one ranking, got weights."
                )
            y_true, y_score, ranked = y_true[None], y_score[None], ranked[None]
        weight = check_sample_weight(sample_weight, y_true, ensure_non_negative=True)
        weight = moderate(np.where(ranked.sum(axis=1) > 1, weight, 0.0))
        batches = group_rows(ranked)
    sums, scores = [], []
    for rows, index in batches:
        if weight[rows].any():
            truth, predicted = y_true[index], y_score[index]
            # Sums of gains stay finite; their unit is that of the best gain.
            _, exponent = np.frexp(np.abs(truth).max(axis=1))
            with np.errstate(invalid="ignore", over="ignore"):  # checks sum the scores
                score = sklearn_ndcg_score(
                    np.ldexp(truth, -exponent[:, None]),
                    predicted,
                    k=k,
                    sample_weight=weight[rows],
                    # Averaging over ties takes scikit-learn a loop over the rows.
                    ignore_ties=_differ(predicted),
                )
            scores.append(score)
            sums.append(weight[rows].sum())
    return _weighted_mean(scores, sums, "ndcg_score")


def ndcg_score_of_ranks(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
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
    return _ndcg(n_ranked - ranks, scores, k, sample_weight)


def _score(name, functions, arguments, average):
    """The score of each row, or of each group of flat arguments, or their mean.

    `functions` are one of rows, truth, prediction and where both are ranked, and one of
    a single ranking with frequencies.
    """
    of_rows, of_one = functions
    y_true, y_pred, groups, sample_weight = arguments
    if groups is None:
        y_true, y_pred, ranked, usable, counts, sample_weight = check_pair(
            y_true, y_pred, sample_weight
        )
        if counts is None:
            score = of_rows(y_true, y_pred, ranked)
        else:
            score = [of_one(y_true[ranked], y_pred[ranked], counts)]
        return _average(score, usable, sample_weight, average, name)
    y_true = check_rankings(exact_within(y_true, "y_true", groups), "y_true")
    y_pred = check_rankings(exact_within(y_pred, "y_pred", groups), "y_pred")
    check_flat(y_true, "y_true")
    layout, group_weight, counts = check_group_weight(
        sample_weight,
        groups,
        check_both(y_true, y_pred),
        by_row=True,
        repeats=True,
    )
    scores = np.full(layout.labels.size, np.nan)
    scores[(layout.sizes == 1) & (group_weight > 0)] = 0.0  # repeats of one row tie
    for numbers, index in layout.batches(BATCH_SIZE):
        ranked = np.ones(index.shape, dtype=bool)
        scores[numbers] = of_rows(y_true[index], y_pred[index], ranked)
        if counts is not None:
            own = counts[index]
            for i in np.flatnonzero((own != own[:, :1]).any(axis=1)):
                rows = index[i]
                scores[numbers[i]] = of_one(y_true[rows], y_pred[rows], own[i])
    if not check_flag(average, "average"):
        return scores
    is_usable = group_weight > 0
    return _weighted_mean(scores[is_usable], group_weight[is_usable], name)


def _differ(scores):
    """Whether the scores of no row tie."""
    ordered = np.sort(scores, axis=1)
    return bool((ordered[:, 1:] > ordered[:, :-1]).all())


def _average(score, usable, sample_weight, average, name):
    """Mean of the scores of usable rows, or all with NaN for others."""
    score = np.asarray(score)
    if not check_flag(average, "average"):
        return np.where(usable, score, np.nan)
    weight = check_sample_weight(sample_weight, score, ensure_non_negative=True)
    return _weighted_mean(score[usable], moderate(weight[usable]), name)


def _weighted_mean(scores, weights, name):
    if not np.any(weights):
        warn(
            f"{name} is not defined without a row of positive weight in which at least "
            f"two labels are ranked in both arguments; NaN is returned.",
            UndefinedMetricWarning,
        )
        return float("nan")
    return float(np.average(scores, weights=weights))
