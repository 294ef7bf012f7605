"""Ranking losses: functions of the soft ranks of scores, row by row.

The larger a score, the better: the largest has rank 1. Both functions return ``(value,
gradient)``, so they serve any model that gives scores.
"""

import math
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from .._checks import (
    check_differences,
    check_epsilon,
    check_exact,
    check_finite,
    check_regularization,
    check_weights,
    nonfinite_error,
)
from .._typing import RankRegularization
from ..operators._by_group import check_flat, check_numbers, exact_within
from ._grouped import check_group_weight, ranks_within
from ._soft_ranks import NDCGLoss, SpearmanLoss


def soft_spearman_loss(
    scores: ArrayLike,
    ranks: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: RankRegularization = "quadratic",
    top_weight: float = 0.0,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """Squared distance between the soft ranks of scores and true ranks.

    With r the true ranks of a row and s the soft ranks of its scores, the value is the
    mean over rows of ``1/2 sum_j v_j (s_j - r_j)^2``: with all v_j = 1 a linear
    function of Spearman's rank correlation once the soft ranks are hard.

    Parameters
    ----------
    scores : array-like of shape (n_rows, n_labels) or, with `groups`, (n_samples,)
        Scores, the larger, the better; finite where a label is ranked. A column of
        several rows has nothing to rank, and raises: pass its transpose.
    ranks : array-like of the shape of `scores`
        True ranks, the smaller, the better; NaN marks labels that are not ranked. Each
        row is ranked anew among its ranked labels, so any numbers do, and ties get
        average ranks. Of numbers of which the larger are better, such as targets, pass
        the negatives.
    epsilon : float, default=1.0
        Strength of `soft_rank` in units of `scores`, at least 0. With 0 the ranks are
        hard and the gradient is 0.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        Regularization of `soft_rank`.
    top_weight : float, default=0.0
        Exponent t, at least 0, of the weights v_j, which are proportional to ``r_j **
        -t`` with mean one in each row: errors at the top cost more. 0 weighs all alike.
    sample_weight : array-like of shape (n_rows,), default=None
        Weights of the rows in the mean, at least 0 and not all 0. None means ones. With
        `groups` those of the groups, in the order of ``numpy.unique(groups)``, or of
        the samples: a group then has the mean weight of its samples, and their v_j are
        in proportion to theirs. A sample of weight 0 is as good as removed.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups, in any order, for flat `scores`: each group is a row, and they
        may have any sizes. Memory is O(n_samples).

    Returns
    -------
    value : float
        The weighted mean over the rows with at least two ranked labels, 0.0 if there
        are none.
    gradient : ndarray of the shape of `scores`
        Derivatives of the value by the scores, 0 where a label is not ranked. At the
        kinks of the quadratic regularization, those of one of the adjacent pieces.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    See Also
    --------
    soft_ndcg_loss : Normalised discounted cumulative gain of soft ranks.
    sksoftrank.SoftSpearmanLabelRanker : Linear scores that minimise this loss.

    Notes
    -----
    With ``top_weight=0`` this is the loss of section 6.3 in [1]_. A row of n labels
    with hard ranks, without ties, then has the loss ``(n**3 - n) * (1 - rho) / 12``,
    with rho Spearman's correlation of both rankings: multiply by ``12 / (n**3 - n)``
    for a loss that does not grow with n.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank.losses import soft_spearman_loss
    >>> value, gradient = soft_spearman_loss([[0.5, 0.0, 3.0]], [[1, 2, 3]])
    >>> value, gradient
    (3.0625, array([[-0.25,  0.25,  0.  ]]))
    """
    scores, ranks = _check_rows(scores, ranks, "ranks", groups)
    epsilon = check_epsilon(epsilon)
    check_regularization(regularization, ("quadratic", "entropic", "kl"))
    _check_top_weight(top_weight)
    if groups is not None:
        layout, *weight = check_group_weight(
            sample_weight, groups, ~np.isnan(ranks), by_row=True
        )
        targets = ranks_within(layout.buckets, layout.gather(ranks), "ranks")
        loss = SpearmanLoss(
            targets,
            weight,
            epsilon,
            regularization,
            top_weight,
            layout=layout,
            is_grouped=True,
        )
        return loss(scores)
    weight = _check_row_weight(sample_weight, len(scores))
    targets = rankdata(ranks, axis=1, nan_policy="omit")
    loss = SpearmanLoss(targets, weight, epsilon, regularization, top_weight)
    return loss(scores)


def soft_ndcg_loss(
    scores: ArrayLike,
    relevance: ArrayLike,
    epsilon: float = 1.0,
    *,
    k: int | None = None,
    regularization: RankRegularization = "quadratic",
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """One minus the normalised discounted cumulative gain (NDCG) of soft ranks.

    With relevances g and soft ranks s of the scores of a row, its NDCG is ``sum_j g_j /
    log2(1 + s_j)`` divided by the largest value that hard ranks can give it.

    Parameters
    ----------
    scores : array-like of shape (n_rows, n_labels) or, with `groups`, (n_samples,)
        Scores, the larger, the better; finite where a label is ranked. A column of
        several rows has nothing to rank, and raises: pass its transpose.
    relevance : array-like of the shape of `scores`
        True relevances, at least 0; NaN marks labels that are not ranked.
    epsilon : float, default=1.0
        Strength of `soft_rank` in units of `scores`, at least 0. With 0 the ranks are
        hard and the gradient is 0.
    k : int, default=None
        How many labels count, at least 1, from the best by their scores. The discount
        falls linearly to 0 from rank k to k + 1. Soft ranks are closer together than
        hard ones: choose an `epsilon` with which some are below k + 1, for beyond there
        is no gradient. None means all labels.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        Regularization of `soft_rank`.
    sample_weight : array-like of shape (n_rows,), default=None
        Weights of the rows in the mean, at least 0 and not all 0. None means ones. With
        `groups` those of the groups, in the order of ``numpy.unique(groups)``, or of
        the samples, equal within a group. A sample of weight 0 is as good as removed.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups, in any order, for flat `scores`: each group is a row, and they
        may have any sizes. Memory is O(n_samples).

    Returns
    -------
    value : float
        The weighted mean over the rows with at least two ranked labels, 0.0 if there
        are none. The NDCG of a row without positive relevances is 0, as in
        scikit-learn.
    gradient : ndarray of the shape of `scores`
        Derivatives of the value by the scores, 0 where a label is not ranked.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    See Also
    --------
    soft_spearman_loss : Squared distance of ranks.
    sksoftrank.metrics.ndcg_score : With hard ranks.

    Notes
    -----
    Scores without ties give one minus `sklearn.metrics.ndcg_score`, with the same k,
    once epsilon is small enough for hard ranks. That function averages the discounts of
    tied ranks, this one discounts their average.

    References
    ----------
    .. [1] K. Jarvelin, J. Kekalainen, "Cumulated Gain-Based Evaluation of IR
       Techniques", ACM Transactions on Information Systems 20, 2002.

    Examples
    --------
    >>> from sksoftrank.losses import soft_ndcg_loss
    >>> value, gradient = soft_ndcg_loss([[0.0, 1.0]], [[1.0, 0.0]], epsilon=4.0)
    >>> round(value, 3), gradient.round(3)
    (0.282, array([[-0.035,  0.035]]))
    """
    scores, relevance = _check_rows(scores, relevance, "relevance", groups)
    epsilon = check_epsilon(epsilon)
    check_regularization(regularization, ("quadratic", "entropic", "kl"))
    smallest = np.fmin.reduce(relevance, axis=None, initial=0.0)
    if smallest < 0:
        raise ValueError(f"relevance must be at least 0, got {smallest}.")
    check_cutoff(k)
    if groups is not None:
        layout, *weight = check_group_weight(
            sample_weight, groups, ~np.isnan(relevance)
        )
        loss = NDCGLoss(relevance, weight, epsilon, regularization, k, layout=layout)
        return loss(scores)
    weight = _check_row_weight(sample_weight, len(scores))
    return NDCGLoss(relevance, weight, epsilon, regularization, k)(scores)


def check_cutoff(k):
    """Say what is wrong with the number of labels that count."""
    if k is not None and (not isinstance(k, Integral) or isinstance(k, bool)):
        raise TypeError(f"k must be an integer >= 1 or None, got {k!r}.")
    if k is not None and k < 1:
        raise ValueError(f"k must be an integer >= 1 or None, got {k}.")


def _check_rows(scores, truth, name, groups=None):
    """Both arguments as float64 arrays of the same shape.

    It has two dimensions, or one with groups.
    """
    # Soft ranks know differences only, as do ranks; gains are numbers as such.
    if groups is not None:
        scores = exact_within(scores, "scores", groups)
        if name == "ranks":
            truth = exact_within(truth, name, groups)
    scores = check_differences(scores, "scores").astype(np.float64, copy=False)
    check = check_exact if name == "relevance" else check_differences
    truth = check(truth, name).astype(np.float64, copy=False)
    if groups is not None:
        check_flat(scores, "scores")
    elif scores.ndim != 2:
        raise ValueError(
            f"scores must have shape (n_rows, n_labels), got {scores.shape}."
        )
    else:
        check_not_column(scores.shape, name)
    if truth.shape != scores.shape:
        raise ValueError(
            f"{name} must have the shape of scores, {scores.shape}, got {truth.shape}."
        )
    if np.isinf(truth).any():
        raise nonfinite_error(truth, name)
    # Scores of labels that are not ranked do not count, whatever they are.
    check_all = check_finite if groups is None else check_numbers
    is_unranked = np.isnan(truth)
    if is_unranked.any():
        check_all(scores[~is_unranked], "scores")
        return np.where(is_unranked, 0.0, scores), truth
    return check_all(scores, "scores"), truth


def check_not_column(shape, name):
    """Raise for a column of scores, such as nets give: alone in its row each ranks 1.

    One row of one label is left, as the last batch of lists may be.
    """
    n_rows, n_labels = shape
    if n_labels == 1 and n_rows > 1:
        raise ValueError(
            f"scores must have two labels or more in a row, got shape {shape}, in "
            f"which there is nothing to rank: to rank these {n_rows}, pass scores.T, "
            f"of shape (1, {n_rows}), and {name} of that shape."
        )


def _check_row_weight(sample_weight, n_rows):
    """Weights of the rows."""
    if sample_weight is None:
        return np.ones(n_rows)
    return check_weights(sample_weight, "sample_weight", [(n_rows,)])


def _check_top_weight(top_weight):
    if not isinstance(top_weight, Real) or isinstance(top_weight, bool):
        raise TypeError(f"top_weight must be a real number >= 0, got {top_weight!r}.")
    if not 0 <= float(top_weight) < math.inf:
        raise ValueError(f"top_weight must be a finite number >= 0, got {top_weight}.")
