"""Top-k classification: a loss on the soft rank of the true class of each row."""

import math
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.utils import gen_batches

from .._checks import (
    KINDS,
    as_array,
    check_differences,
    check_epsilon,
    check_exact,
    check_finite,
    moderate,
)
from .._true_ranks import topk_rows
from .._typing import Growth, TopKOperator, TopKSquashing
from ..operators import soft_rank
from ..operators._by_group import check_flat, check_numbers, exact_within
from ..pairwise import all_pairs_rank, gaussian_soft_rank
from ..sinkhorn import sinkhorn_rank
from ._grouped import check_group_weight
from ._ranking import _check_row_weight
from ._soft_ranks import BATCH_SIZE

# Functions of (scores, epsilon) that take `descending` and `return_jacobian`.
OPERATORS = {
    "quadratic": partial(soft_rank, regularization="quadratic"),
    "entropic": partial(soft_rank, regularization="entropic"),
    "kl": partial(soft_rank, regularization="kl"),
    "all_pairs": all_pairs_rank,
    "gaussian": gaussian_soft_rank,
    "sinkhorn": sinkhorn_rank,
}

# Functions of the excess u >= 0 of a rank, and their derivatives.
GROWTHS: dict[str, Any] = {
    "linear": (lambda u: u, np.ones_like),
    "bounded": (lambda u: u / (1 + u), lambda u: (1 + u) ** -2.0),
}

# Differences of scores up to which no exponential of them underflows.
FAR = 600.0


def soft_topk_loss(
    scores: ArrayLike,
    labels: ArrayLike,
    k: int | dict[int, float] = 1,
    epsilon: float = 1.0,
    *,
    operator: TopKOperator = "quadratic",
    growth: Growth = "linear",
    squashing: TopKSquashing | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """Top-k loss of the soft rank of the true class.

    The largest score has rank 1. With s the soft rank of the true class of a row, its
    loss is ``h(max(0, s - k))`` with an increasing h: 0 where the true class is safely
    among the k best. The value is the mean over rows.

    Parameters
    ----------
    scores : array-like of shape (n_rows, n_classes) or, with `groups`, (n_samples,)
        Scores, finite; the larger, the more likely.
    labels : array-like of shape (n_rows,)
        Columns of the true classes, integers from 0 to ``n_classes - 1``. With `groups`
        of shape (n_samples,), True or 1 for one sample of each group, the true one, and
        False or 0 for the others.
    k : int or dict of int to float, default=1
        How many of the best classes may hold the true one, from 1 to ``n_classes - 1``,
        with `groups` to the size of the largest minus one: smaller ones may lose less;
        1 is a soft 0/1 loss. ``{k: weight, ...}`` is a distribution over k: the mean of
        their losses with these weights, which are made to sum to 1.
    epsilon : float, default=1.0
        Strength of the operator, at least 0, in units of `scores` (after `squashing`),
        but for "sinkhorn" in units of its cost, with useful values from 1e-4 to 1e-1.
        With 0 the ranks are hard and the gradient is 0.
    operator : str, default="quadratic"
        Operator of the soft ranks: "quadratic", "entropic" or "kl" for `soft_rank` with
        this regularization, "all_pairs" for `all_pairs_rank`, "gaussian" for
        `gaussian_soft_rank`, "sinkhorn" for `sinkhorn_rank`, which standardises the
        scores of each row and squashes them in any case.
    growth : {"linear", "bounded"}, default="linear"
        The function h: "linear" is ``h(u) = u``, the loss of the papers, "bounded" is
        ``h(u) = u / (1 + u)``, closer to the top-k error, which does not tell whether
        the true class is just behind the k best or the last.
    squashing : {"logistic"} or None, default=None
        Function of the scores before they are ranked. "logistic" maps each to (0, 1),
        so that no pair is further apart than 1.
    sample_weight : array-like of shape (n_rows,), default=None
        Weights of the rows in the mean, at least 0 and not all 0. None means ones. With
        `groups` those of the groups, in the order of ``numpy.unique(groups)``, or of
        the samples, equal within a group.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups, such as races, in any order, for flat `scores`: each group is
        a row, and they may have any sizes.

    Returns
    -------
    value : float
        The weighted mean, 0.0 if there are no rows. Groups of one sample are left out.
    gradient : ndarray of the shape of `scores`
        Derivatives of the value by the scores. At kinks, those of an adjacent piece.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    Warns
    -----
    ConvergenceWarning
        If "sinkhorn" does not converge.

    See Also
    --------
    sksoftrank.SoftTopKClassifier : Linear scores that minimise it.
    sklearn.metrics.top_k_accuracy_score : The hard measure.

    Notes
    -----
    With ``epsilon=0``, ``growth="linear"`` and no ties the value is the mean number of
    places by which the true class misses the k best. [1]_ introduced the loss with the
    ranks of `sinkhorn_rank`, [2]_ (section 6.1) used `soft_rank` and found logistic
    squashing beneficial, [3]_ proposed distributions over k.

    References
    ----------
    .. [1] M. Cuturi, O. Teboul, J.-P. Vert, "Differentiable Ranks and Sorting using
       Optimal Transport", NeurIPS 2019, arXiv:1905.11885.
    .. [2] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.
    .. [3] F. Petersen, H. Kuehne, C. Borgelt, O. Deussen, "Differentiable Top-k
       Classification Learning", ICML 2022, arXiv:2206.07290.

    Examples
    --------
    >>> from sksoftrank.losses import soft_topk_loss
    >>> value, gradient = soft_topk_loss([[0.5, 0.0, 3.0]], [0])
    >>> value, gradient
    (1.25, array([[-0.5,  0.5,  0. ]]))
    >>> soft_topk_loss([[0.5, 0.0, 3.0]], [0], k={1: 0.5, 2: 0.5})[0]
    0.75
    """
    # Without squashing only differences count.
    check = check_differences if squashing is None else check_exact
    if groups is not None and squashing is None:
        scores = exact_within(scores, "scores", groups)
    check_all = check_finite if groups is None else check_numbers
    scores = check_all(check(scores, "scores"), "scores")
    scores = scores.astype(np.float64, order="C")
    layout = None
    if groups is not None:
        check_flat(scores, "scores")
        layout, weight, _ = check_group_weight(
            sample_weight, groups, np.ones(scores.size, dtype=bool)
        )
        labels = _places_in_groups(labels, layout)
        n_classes = max(2, layout.sizes.max(initial=0))
    else:
        if scores.ndim != 2:
            raise ValueError(
                f"scores must have shape (n_rows, n_classes), got {scores.shape}."
            )
        labels = _check_labels(labels, scores.shape)
        weight = _check_row_weight(sample_weight, len(scores))
        n_classes = scores.shape[1]
    _check_option(operator, "operator", OPERATORS)
    _check_option(growth, "growth", GROWTHS)
    if squashing is not None:
        _check_option(squashing, "squashing", ["logistic"], " or None")
    loss = TopKLoss(
        labels,
        weight,
        check_ks(k, n_classes),
        check_epsilon(epsilon),
        operator=operator,
        growth=growth,
        squashing=squashing,
        layout=layout,
    )
    return loss(scores)


class TopKLoss:
    """See `soft_topk_loss`.

    Parameters
    ----------
    labels : ndarray of int of shape (n_rows,)
        Columns of the true classes.
    weight : ndarray of shape (n_rows,)
        Weights of the rows, made to sum to 1 unless all are 0.
    shares : dict of int to float
        Weights of the values of k, with sum 1.
    epsilon : float
        Strength of the operator.
    operator, growth, squashing : str, None for no squashing
        As in `soft_topk_loss`.
    layout : GroupLayout, default=None
        Groups of flat scores, which are the rows.
    """

    def __init__(
        self,
        labels,
        weight,
        shares,
        epsilon,
        *,
        operator,
        growth,
        squashing,
        layout=None,
    ):
        self.layout = layout
        self.labels = np.ascontiguousarray(labels, dtype=np.int64)
        weight = moderate(weight)
        self.weight = weight / (weight.sum() or 1.0)
        self.shares = shares
        self.epsilon = epsilon
        self.table = np.array(list(shares.items()), dtype=np.float64)
        self.rank: Any = OPERATORS[operator]
        self.kind: Any = KINDS.get(operator)
        self.growth = growth
        self.squashing = squashing

    def __call__(self, scores):
        """Value and gradient."""
        value = 0.0
        gradient = np.zeros_like(scores)
        if not scores.size:
            return value, gradient
        if self.kind is not None and self.squashing is None and self.layout is None:
            # In one call: others would wait for the interpreter's lock again and again.
            value = self._of_known_ranks(scores, self.labels, self.weight, gradient)
            if not math.isnan(value):
                return value, gradient
            value = 0.0
        for index, loss in self.parts(scores.shape[-1]):
            part, gradient[index] = loss(scores[index])
            value += part
        return float(value), gradient

    def parts(self, n_outputs):
        """Where the scores of some of the rows are, and their loss."""
        if self.layout is None:
            batches = batches_of_rows(self.labels.size, n_outputs)
        else:
            batches = self.layout.batches(BATCH_SIZE)
        for rows, index in batches:
            yield index, partial(self._of_rows, rows)

    def _of_rows(self, rows, scores):
        labels, weight = self.labels[rows], self.weight[rows]
        if self.squashing is None:
            return self._of_ranks(scores, labels, weight)
        scores = expit(scores)
        value, gradient = self._of_ranks(scores, labels, weight)
        gradient *= scores * (1 - scores)
        return value, gradient

    def _of_ranks(self, scores, labels, weight):
        if self.kind is not None:
            gradient = np.empty(scores.shape)
            value = self._of_known_ranks(scores, labels, weight, gradient)
            if not math.isnan(value):
                return value, gradient
        ranks, jacobian = self.rank(
            scores, self.epsilon, descending=True, return_jacobian=True
        )
        true = np.arange(len(labels)), labels
        growth, slope_at = GROWTHS[self.growth]
        value, slope = 0.0, np.zeros(len(labels))
        for k, share in self.shares.items():
            excess = np.maximum(ranks[true] - k, 0.0)
            value += share * (weight @ growth(excess))
            slope += share * (excess > 0) * slope_at(excess)
        rank_gradient = np.zeros_like(scores)
        rank_gradient[true] = weight * slope
        return value, jacobian.vjp(rank_gradient)

    def _of_known_ranks(self, scores, labels, weight, gradient):
        """The value, and the gradient (OUT); NaN if a row needs all of its ranks."""
        return topk_rows(
            np.ascontiguousarray(scores),
            labels,
            weight,
            self.table,
            self.epsilon,
            self.kind,
            self.growth == "bounded",
            gradient,
        )


class CrossEntropy:
    """Weighted mean of minus the log probabilities of the true classes."""

    def __init__(self, labels, weight):
        self.labels = labels
        self.weight = weight / weight.sum()

    def __call__(self, scores):
        """Value and gradient."""
        return self._of_rows(slice(None), scores)

    def parts(self, n_outputs):
        """Slices of the rows, and the loss of their scores."""
        for rows, _ in batches_of_rows(self.labels.size, n_outputs):
            yield rows, partial(self._of_rows, rows)

    def _of_rows(self, rows, scores):
        weight = self.weight[rows]
        # A shift by row takes longer than the rest, and counts only where exponentials
        # leave the range of numbers.
        shift: Any = scores.max(initial=-np.inf)
        if scores.min(initial=np.inf) < shift - FAR:
            shift = scores.max(axis=1, keepdims=True)
        scores = scores - shift
        true = np.arange(len(scores)), self.labels[rows]
        value = -(weight @ scores[true])
        gradient = np.exp(scores, out=scores)
        total = gradient @ np.ones(scores.shape[1])
        value += weight @ np.log(total)
        gradient *= (weight / total)[:, None]
        gradient[true] -= weight
        return value, gradient


def batches_of_rows(n_rows, n_outputs):
    """Slices of the rows, twice: the rows, and where their scores are."""
    for rows in gen_batches(n_rows, max(1, BATCH_SIZE // n_outputs)):
        yield rows, rows


def check_ks(k, n_classes):
    """Return `k` as a dict of values and weights with sum 1, or say what is wrong."""
    values = list(k) if isinstance(k, dict) else [k]
    if not all(isinstance(v, Integral) and not isinstance(v, bool) for v in values):
        raise TypeError(
            f"k must be an integer, or a dict of integers to weights, got {k!r}."
        )
    shares = k if isinstance(k, dict) else {k: 1.0}
    for value, weight in shares.items():
        if not 1 <= value < n_classes:
            raise ValueError(
                f"k must be at least 1 and less than the number of classes, "
                f"{n_classes}, got {value}."
            )
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"k must have weights that are finite numbers >= 0, got {k!r}."
            )
    total = float(sum(shares.values()))
    if not 0 < total < np.inf:
        raise ValueError(f"k must have weights of positive, finite sum, got {k!r}.")
    return {int(value): weight / total for value, weight in shares.items()}


def _check_labels(labels, shape):
    """`labels` as columns of an array of that shape, or what is wrong with them."""
    labels = as_array(labels, "labels")
    n_rows, n_classes = shape
    if labels.shape != (n_rows,):
        raise ValueError(
            f"labels must have shape ({n_rows},), one for each row of scores, got "
            f"{labels.shape}."
        )
    if not labels.size:
        return labels.astype(np.intp)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, got dtype {labels.dtype}.")
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(
            f"labels must be from 0 to {n_classes - 1}, a column of scores each, got "
            f"values from {labels.min()} to {labels.max()}."
        )
    return labels


def _places_in_groups(labels, layout):
    """The place of the true sample among those of each group."""
    labels, n_samples = as_array(labels, "labels"), layout.codes.size
    if labels.shape != (n_samples,):
        raise ValueError(
            f"labels must have shape ({n_samples},), True for the true sample of each "
            f"group, got {labels.shape}."
        )
    if n_samples and (
        labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all()
    ):
        raise ValueError(
            "labels must be True or 1 for the true sample of each group, and False or "
            "0 for the others, got other values."
        )
    is_true = labels == 1
    counts = np.bincount(layout.codes[is_true], minlength=layout.labels.size)
    if (counts != 1).any():
        number = (counts != 1).argmax()
        raise ValueError(
            f"labels must be true for one sample of each group, got {counts[number]} "
            f"in group {layout.labels[number]!r}."
        )
    places = np.zeros(layout.labels.size, dtype=np.intp)
    for groups, index in layout.batches():
        places[groups] = is_true[index].argmax(axis=1)
    return places


def _check_option(option, name, allowed, otherwise=""):
    if not isinstance(option, str) or option not in allowed:
        options = " or ".join(map(repr, allowed))
        raise ValueError(f"{name} must be {options}{otherwise}, got {option!r}.")
