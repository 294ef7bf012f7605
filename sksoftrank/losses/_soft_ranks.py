"""Functions of the soft ranks in rows, prepared once and evaluated many times."""

import math
from abc import ABC, abstractmethod
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import gen_batches

from .._checks import moderate
from ..operators import soft_rank
from ._grouped import GroupRanks

# Rows are evaluated in batches of about this many numbers, which stay in cache.
BATCH_SIZE = 2**15


class SoftRankLoss(ABC):
    """A function of the soft ranks in each row, summed, and its gradient in scores.

    What does not depend on the scores is prepared once. Rows with the same number of
    ranked labels are evaluated together. A subclass gives `prepare`, `prepare_groups`
    and `of_ranks`.

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
    is_grouped : bool, default=False
        Whether `truth` has the ranked samples only, in the grouped order.
    """

    def __init__(
        self,
        truth,
        weight,
        epsilon,
        regularization,
        layout=None,
        is_grouped=False,
    ):
        self.epsilon = epsilon
        self.regularization = regularization
        self.layout = layout
        if layout is not None:
            self._prepare_groups(truth if is_grouped else layout.gather(truth), *weight)
            return
        n_rows, n_labels = truth.shape
        ranked = ~np.isnan(truth)
        weight = moderate(np.where(ranked.sum(axis=1) > 1, weight, 0.0))
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
        if self.layout is not None:
            ranks = self._ranks(self.layout.gather(scores))
            value, rank_gradient = self.of_ranks(ranks, *self._prepared)
            gradient = self._ranks.pull_back(rank_gradient)
            return float(value), self.layout.scatter(gradient)
        gradient = np.zeros_like(scores)
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
            if own.shape == scores.shape:  # all of them
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
        total, layout = group_weight.sum() or 1.0, self.layout
        if row_weight is not None:
            weight = layout.gather(row_weight) / total
        else:
            weight = layout.in_order(group_weight) / total
            if weight.size and (weight == weight[0]).all():
                weight = np.broadcast_to(weight[0], truth.shape)
            else:
                weight = layout.spread(weight)
        self._prepared = self.prepare_groups(truth, weight)
        self._ranks = GroupRanks(layout.buckets, self.epsilon, self.regularization)

    @abstractmethod
    def prepare_groups(self, truth: Any, weight: Any) -> tuple[Any, ...]:
        """What `of_ranks` takes besides the ranks of all groups, in grouped order."""

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
        self, targets, weight, epsilon, regularization, top_weight=0.0, **options
    ):
        self.top_weight = top_weight
        super().__init__(targets, weight, epsilon, regularization, **options)

    def prepare(self, targets, weight):
        """Targets and weights of their squared errors."""
        if self.top_weight == 0:
            return targets, weight
        entry_weight = targets**-self.top_weight
        return targets, weight * entry_weight / entry_weight.mean(axis=1, keepdims=True)

    def prepare_groups(self, targets, weight):
        """The same of all groups."""
        if self.top_weight == 0:
            return targets, weight
        entry_weight = targets**-self.top_weight
        means = [
            entry_weight[part].reshape(groups.size, -1).mean(axis=1)
            for groups, part in self.layout.buckets
        ]
        mean = self.layout.spread(np.concatenate([np.empty(0), *means]))
        return targets, weight * entry_weight / mean

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

    def prepare_groups(self, relevance, weight):
        """The same of all groups."""
        layout, starts = self.layout, self.layout.starts()
        best = -relevance
        rows = [best[part].reshape(own.size, -1) for own, part in layout.buckets]
        for own in rows:
            own.sort(axis=1)
        # In another unit, as for rows.
        exponent = layout.spread(np.frexp(best[starts])[1])
        np.ldexp(best, -exponent, out=best)
        sums = [np.empty(0)]
        for own in rows:
            n_best = own.shape[1] if self.k is None else min(self.k, own.shape[1])
            discount = 1 / np.log2(np.arange(2, n_best + 2))
            sums.append(-(own[:, :n_best] * discount).sum(axis=1))
        largest = np.concatenate(sums)
        largest = layout.spread(np.where(largest > 0, largest, 1.0))
        return weight[starts].sum(), weight * np.ldexp(relevance, -exponent) / largest

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
