"""Ranking losses: functions of the soft ranks of scores, row by row.

The larger a score, the better: the largest has rank 1. Both functions return ``(value,
gradient)``, so they serve any model that gives scores.
"""

import math
from abc import ABC, abstractmethod
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.utils import gen_batches

from .._checks import (
    check_differences,
    check_epsilon,
    check_exact,
    check_finite,
    check_regularization,
    check_weights,
    moderate,
    nonfinite_error,
)
from .._typing import RankRegularization
from ..operators import soft_rank
from ..operators._by_group import check_flat, check_numbers, exact_within
from ._grouped import GroupRanks, check_group_weight

# Rows are evaluated in batches of about this many numbers, which stay in cache.
BATCH_SIZE = 2**15


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
        Scores, the larger, the better; finite where a label is ranked.
    ranks : array-like of the shape of `scores`
        True ranks, the smaller, the better; NaN marks labels that are not ranked. Each
        row is ranked anew among its ranked labels, so any numbers do, and ties get
        average ranks.
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
    With ``top_weight=0`` this is the loss of section 6.3 in [1]_.

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
        targets = np.full(ranks.shape, np.nan)
        hard = GroupRanks(layout, 0.0, "quadratic", descending=False, name="ranks")
        targets[layout.order] = hard(ranks[layout.order])
        loss = SpearmanLoss(
            targets, weight, epsilon, regularization, top_weight, layout=layout
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
        Scores, the larger, the better; finite where a label is ranked.
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


class SoftRankLoss(ABC):
    """A function of the soft ranks in each row, summed, and its gradient in scores.

    What does not depend on the scores is prepared once. Rows with the same number of
    ranked labels are evaluated together. A subclass gives `prepare` and `of_ranks`.

    Parameters
    ----------
    truth : ndarray of shape (n_rows, n_labels) or, with a `layout`, (n_samples,)
        What the ranks are compared with, NaN where a label is not ranked.
    weight : ndarray of shape (n_rows,)
        Weights of the rows. Those of rows with two ranked labels are made to sum to 1.
        With a `layout` those of the groups, 0 for those with fewer than two samples,
        and those of the samples or None.
    epsilon : float
        Strength of the soft ranks.
    regularization : {"quadratic", "entropic", "kl"} or None
        None stands for the mean rank minus ``scores / epsilon``, without projection.
    layout : GroupLayout, default=None
        Groups of ranked samples, which are the rows.
    """

    def __init__(self, truth, weight, epsilon, regularization, layout=None):
        self.epsilon = epsilon
        self.regularization = regularization
        self.layout = layout
        if layout is not None:
            self._prepare_groups(truth, *weight)
            return
        n_rows, n_labels = truth.shape
        ranked = ~np.isnan(truth)
        weight = np.where(ranked.sum(axis=1) > 1, weight, 0.0)
        weight = weight / (weight.sum() or 1.0)
        # Where labels are missing a batch has many groups.
        size = BATCH_SIZE * (1 if ranked.all() else 2)
        self._batches = []
        if n_rows and n_labels:
            for rows in gen_batches(n_rows, max(1, size // n_labels)):
                own, own_weight = truth[rows], weight[rows, None]
                groups = [
                    (index, self.prepare(own[index], own_weight[part]))
                    for part, index in group_rows(ranked[rows])
                ]
                self._batches.append((rows, groups))

    def __call__(self, scores):
        """Value and gradient."""
        gradient = np.zeros_like(scores)
        if self.layout is not None:
            order = self.layout.order
            ranks = self._ranks(scores[order])
            value, rank_gradient = self.of_ranks(ranks, *self._prepared)
            gradient[order] = self._ranks.pull_back(rank_gradient)
            return float(value), gradient
        value = 0.0
        for rows, loss in self.parts():
            part, gradient[rows] = loss(scores[rows])
            value += part
        return float(value), gradient

    def parts(self, n_outputs=None):
        """Slices of the rows, and the loss of their scores."""
        for rows, groups in self._batches:
            yield rows, partial(self._of_rows, groups)

    def _of_rows(self, groups, scores):
        value, gradient = 0.0, None
        for index, prepared in groups:
            ranks, pull_back = self._rank(scores[index])
            part, rank_gradient = self.of_ranks(ranks, *prepared)
            value += part
            own = pull_back(rank_gradient)
            if isinstance(index, slice):  # all of them
                return value, own
            if gradient is None:
                gradient = np.zeros_like(scores)
            gradient[index] = own
        return value, np.zeros_like(scores) if gradient is None else gradient

    @abstractmethod
    def prepare(self, *data: Any) -> tuple[Any, ...]:
        """What `of_ranks` takes besides ranks, from truth and weights of rows."""

    @abstractmethod
    def of_ranks(self, ranks: Any, *prepared: Any) -> tuple[Any, Any]:
        """Value, and gradient in the ranks."""

    def _prepare_groups(self, truth, group_weight, row_weight):
        """Prepare all groups in grouped order, where `of_ranks` takes them at once."""
        total, order = group_weight.sum() or 1.0, self.layout.order
        if row_weight is None:
            weight = group_weight[self.layout.codes[order]] / total
        else:
            weight = row_weight[order] / total
        self._prepared = self.prepare_groups(truth[order], weight)
        self._ranks = GroupRanks(self.layout, self.epsilon, self.regularization)

    def prepare_groups(self, truth, weight):
        """What `of_ranks` takes besides the ranks of all groups, in grouped order."""
        parts = []
        for groups, part in self.layout.buckets:
            shape = groups.size, -1
            parts.append(
                self.prepare(truth[part].reshape(shape), weight[part].reshape(shape))
            )
        return [
            np.concatenate([np.ravel(part) for part in column])
            for column in zip(*parts, strict=True)
        ] or [np.empty(0), np.empty(0)]

    def _rank(self, scores):
        """Soft ranks, and the function that takes gradients in them to the scores."""
        if self.regularization is None:
            mean = (scores.shape[1] + 1) / 2
            return mean - scores / self.epsilon, lambda g: -g / self.epsilon
        ranks, jacobian = soft_rank(
            scores,
            self.epsilon,
            regularization=self.regularization,
            descending=True,
            return_jacobian=True,
        )
        return ranks, jacobian.vjp


class SpearmanLoss(SoftRankLoss):
    """See `soft_spearman_loss`; the targets are used as they are."""

    def __init__(
        self, targets, weight, epsilon, regularization, top_weight=0.0, layout=None
    ):
        self.top_weight = top_weight
        super().__init__(targets, weight, epsilon, regularization, layout)

    def prepare(self, targets, weight):
        """Targets and weights of their squared errors."""
        if self.top_weight == 0:
            return targets, weight
        entry_weight = targets**-self.top_weight
        return targets, weight * entry_weight / entry_weight.mean(axis=1, keepdims=True)

    def prepare_groups(self, truth, weight):
        """The same of all groups."""
        if self.top_weight == 0:  # each entry by itself
            return truth, weight
        return super().prepare_groups(truth, weight)

    def of_ranks(self, ranks, targets, weight):
        """Value and gradient in the ranks, which are overwritten."""
        error = np.subtract(ranks, targets, out=ranks)
        gradient = weight * error
        return 0.5 * np.vdot(gradient, error), gradient


class NDCGLoss(SoftRankLoss):
    """See `soft_ndcg_loss`."""

    def __init__(self, relevance, weight, epsilon, regularization, k=None, layout=None):
        self.k = k
        super().__init__(relevance, weight, epsilon, regularization, layout)

    def prepare(self, relevance, weight):
        """Weight of the rows, and gains so that an NDCG is their discounted sum."""
        # In another unit, exactly, for which the sums of all rows are finite.
        _, exponent = np.frexp(relevance.max(axis=1, keepdims=True))
        relevance = np.ldexp(relevance, -exponent)
        best = -np.sort(-relevance, axis=1)[:, : self.k]
        discount = 1 / np.log2(np.arange(2, best.shape[1] + 2))
        largest = (best * discount).sum(axis=1)  # the same for a row alone
        largest = np.where(largest > 0, largest, 1.0)[:, None]
        return weight[:, 0].sum(), weight * relevance / largest

    def of_ranks(self, ranks, total, gain):
        """Value and gradient in the ranks."""
        return discount_ranks(ranks, np.sum(total), gain, self.k)


def discount_ranks(ranks, total, gain, k):
    """`total` minus the discounted sum of gains, and its gradient in the ranks."""
    if k is not None:
        left = np.clip(k + 1 - ranks, 0.0, 1.0)  # of the discount of rank k
        ranks = np.minimum(ranks, k)
    log = np.log2(1 + ranks)
    gradient = gain / (math.log(2) * (1 + ranks) * log**2)
    if k is None:
        return total - (gain / log).sum(), gradient
    gradient = np.where(left < 1, (left > 0) * gain / log, gradient)
    return total - (left * gain / log).sum(), gradient


def group_rows(ranked):
    """Rows by their number of ranked labels, from two on, without a loop over rows.

    Yields batches of rows of one group, and an index of 2-D arrays like `ranked` that
    gives their ranked entries as an array of shape (rows, number of ranked labels).
    """
    n_rows, n_labels = ranked.shape
    if n_rows and n_labels > 1 and ranked.all():
        for rows in gen_batches(n_rows, max(1, BATCH_SIZE // n_labels)):
            yield rows, rows  # a slice takes no copy
        return
    counts = ranked.sum(axis=1)
    for count in np.unique(counts[counts > 1]):
        group = np.flatnonzero(counts == count)
        for batch in gen_batches(group.size, max(1, BATCH_SIZE // count)):
            rows = group[batch]
            columns = np.nonzero(ranked[rows])[1].reshape(-1, count)
            columns = columns.astype(np.min_scalar_type(n_labels))  # they are kept
            yield rows, (rows[:, None], columns)


def _check_rows(scores, truth, name, groups=None):
    """Both arguments as float64 arrays of the same shape.

    It has two dimensions, or one with groups.
    """
    # Soft ranks know differences only, as do ranks; gains are numbers as such.
    if groups is not None:
        scores = exact_within(scores, "scores", groups)
        if name == "ranks":
            truth = exact_within(truth, name, groups)
    scores = check_differences(scores, "scores").astype(np.float64)
    check = check_exact if name == "relevance" else check_differences
    truth = check(truth, name).astype(np.float64)
    if groups is not None:
        check_flat(scores, "scores")
    elif scores.ndim != 2:
        raise ValueError(
            f"scores must have shape (n_rows, n_labels), got {scores.shape}."
        )
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


def _check_row_weight(sample_weight, n_rows):
    """Weights of the rows, scaled so that they can be summed."""
    if sample_weight is None:
        return np.ones(n_rows)
    return moderate(check_weights(sample_weight, "sample_weight", [(n_rows,)]))


def _check_top_weight(top_weight):
    if not isinstance(top_weight, Real) or isinstance(top_weight, bool):
        raise TypeError(f"top_weight must be a real number >= 0, got {top_weight!r}.")
    if not 0 <= float(top_weight) < math.inf:
        raise ValueError(f"top_weight must be a finite number >= 0, got {top_weight}.")
