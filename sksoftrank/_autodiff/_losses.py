"""The public losses for any framework `xp`, as functions of scores or losses."""

import math
from numbers import Real
from typing import Any

import numpy as np

from ..losses._ranking import _check_top_weight, check_cutoff
from ..losses._topk import GROWTHS, _check_option, check_ks
from ._arguments import Axis, check_strength, wide
from ._choices import Data, window_mean
from ._operators import rank

REGULARIZATIONS = ("quadratic", "entropic", "kl")


def spearman(
    xp: Any,
    scores: Any,
    ranks: Any,
    epsilon: Any,
    regularization: str,
    top_weight: float,
    sample_weight: Any,
) -> Any:
    """See `spearman_loss`."""
    _check_top_weight(top_weight)
    rows = _Rows(xp, scores, ranks, "ranks", sample_weight)
    found = rows.rank(epsilon, regularization)
    targets = xp.detach(rows.rank_truth())
    error = xp.where(rows.is_missing, xp.zeros_like(found), found - targets)
    weight = xp.where(rows.is_missing, xp.zeros_like(found), xp.ones_like(found))
    if top_weight > 0:
        safe = xp.where(rows.is_missing, xp.ones_like(targets), targets)
        weight = weight * safe**-top_weight
        weight = weight * (rows.count / xp.sum(weight))
    return rows.total(0.5 * xp.sum(weight * error * error))


def ndcg(
    xp: Any,
    scores: Any,
    relevance: Any,
    epsilon: Any,
    k: int | None,
    regularization: str,
    sample_weight: Any,
) -> Any:
    """See `ndcg_loss`."""
    check_cutoff(k)
    rows = _Rows(xp, scores, relevance, "relevance", sample_weight)
    gain = xp.where(rows.is_missing, xp.zeros_like(rows.truth), rows.truth)
    known = xp.known(rows.truth)
    if known is not None and (known < 0).any():
        raise ValueError(f"relevance must be at least 0, got {np.nanmin(known)}.")
    found = rows.rank(epsilon, regularization)
    found = xp.where(rows.is_missing, xp.ones_like(found), found)
    # Sorted ascending, the last has the rank 1.
    ideal = gain.shape[1] - xp.places(gain)
    best, left = xp.sort(gain), xp.ones_like(found)
    if k is not None:
        best = xp.where(ideal <= k, best, xp.zeros_like(best))
        # Of the discount of rank k.
        left = xp.where(found >= k + 1, xp.zeros_like(found), k + 1 - found)
        is_counted = found <= k
        left = xp.where(is_counted, xp.ones_like(found), left)
        found = xp.where(is_counted, found, xp.zeros_like(found) + k)
    largest = xp.sum(best / (xp.log1p(ideal) / math.log(2)))
    largest = xp.where(largest > 0, largest, xp.ones_like(largest))
    discounted = xp.sum(left * gain / (xp.log1p(found) / math.log(2)))
    return rows.total(1 - discounted / largest)


def topk(
    xp: Any,
    scores: Any,
    labels: Any,
    k: Any,
    epsilon: Any,
    operator: str,
    growth: str,
    squashing: str | None,
    sample_weight: Any,
) -> Any:
    """See `topk_loss`."""
    _check_option(operator, "operator", REGULARIZATIONS)
    _check_option(growth, "growth", GROWTHS)
    if squashing is not None:
        _check_option(squashing, "squashing", ["logistic"], " or None")
    scores = _check_scores(xp, scores, "n_classes")
    n_rows, n_classes = scores.shape
    shares = check_ks(k, n_classes)
    labels = xp.check_labels(labels, "labels", n_rows, n_classes)
    dtype, (x,) = wide(xp, scores)
    x = xp.sigmoid(x) if squashing is not None else x
    found = rank(xp, x, epsilon, operator, -1, True, "raise")
    true = xp.gather(found, labels[:, None])
    loss = xp.zeros_like(true)
    for value, share in shares.items():
        excess = xp.where(true > value, true - value, xp.zeros_like(true))
        loss = loss + share * (excess / (1 + excess) if growth == "bounded" else excess)
    weight = _row_weight(xp, sample_weight, xp.ones_like(true))
    return xp.astype(xp.dot(weight, loss), dtype)


def trimmed(
    xp: Any, losses: Any, n_kept: float, epsilon: Any, sample_weight: Any
) -> Any:
    """See `trimmed_loss`."""
    losses = xp.check_values(losses, "losses")
    if losses.ndim != 1 or losses.shape[0] == 0:
        raise ValueError(
            f"losses must be a non-empty 1-D array, got shape {tuple(losses.shape)}."
        )
    if not isinstance(n_kept, Real) or isinstance(n_kept, bool):
        raise TypeError(f"n_kept must be a real number, got {n_kept!r}.")
    if not n_kept > 0:
        raise ValueError(f"n_kept must be above 0, got {n_kept}.")
    dtype, (x,) = wide(xp, losses)
    strength = check_strength(xp, epsilon, Axis(xp, x.shape, 0), x)
    weights = None
    if sample_weight is not None:
        weights = xp.as_floats(sample_weight, "sample_weight", x)
        _check_shape(weights, "sample_weight", tuple(x.shape))
    data = Data(xp, x, weights, "losses")
    none, kept = xp.zeros_like(data.total), xp.zeros_like(data.total) + float(n_kept)
    value = window_mean(
        data,
        (none, data.total),
        (kept, data.total - kept),
        strength,
        "quadratic",
        "n_kept must be at most the number of losses or the sum of their weights",
    )
    return xp.astype(value[0], dtype)


class _Rows:
    """Scores and what their ranks are compared with, NaN where it is not known.

    Attributes
    ----------
    truth : array of shape (n_rows, n_labels)
    is_missing : array of bool of that shape
    count : array of shape (n_rows, 1)
        The number of ranked labels.
    """

    def __init__(
        self, xp: Any, scores: Any, truth: Any, name: str, sample_weight: Any
    ) -> None:
        self._xp = xp
        scores = _check_scores(xp, scores, "n_labels")
        self._dtype, (self.scores,) = wide(xp, scores)
        truth = xp.as_floats(truth, name, self.scores)
        _check_shape(truth, name, tuple(scores.shape))
        self.truth = truth = xp.detach(truth)
        self.is_missing = xp.isnan(truth)
        known = xp.known(truth)
        if known is not None and np.isinf(known).any():
            raise ValueError(f"{name} must be finite or NaN, got infinite entries.")
        xp.check_finite(self.scores, "scores")
        self.count = xp.sum(xp.cast(~self.is_missing, truth))
        ones = xp.where(self.count > 1, xp.ones_like(self.count), 0 * self.count)
        self._weight = _row_weight(xp, sample_weight, ones)

    def rank(self, epsilon: Any, regularization: str) -> Any:
        """Soft ranks of the scores among the ranked labels, the largest first."""
        xp = self._xp
        is_missing, known = self.is_missing, xp.known(self.truth)
        if known is not None and not np.isnan(known).any():
            return rank(xp, self.scores, epsilon, regularization, -1, True, "raise")
        nan = xp.zeros_like(self.scores) + math.nan
        known = xp.where(is_missing, nan, self.scores)
        return rank(xp, known, epsilon, regularization, -1, True, "omit")

    def rank_truth(self) -> Any:
        """Ranks of what is known, ties in the mean."""
        return rank(self._xp, self.truth, 0.0, "quadratic", -1, False, "omit")

    def total(self, losses: Any) -> Any:
        """The weighted mean of the rows."""
        xp = self._xp
        return xp.astype(xp.dot(self._weight, losses), self._dtype)


def _check_scores(xp: Any, scores: Any, columns: str) -> Any:
    scores = xp.check_values(scores, "scores")
    if scores.ndim != 2:
        raise ValueError(
            f"scores must have shape (n_rows, {columns}), got {tuple(scores.shape)}."
        )
    return scores


def _check_shape(array: Any, name: str, shape: tuple[int, ...]) -> None:
    if tuple(array.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(array.shape)}.")


def _row_weight(xp: Any, sample_weight: Any, ones: Any) -> Any:
    """Weights of the rows with the sum 1, or all 0; `ones` are 0 for rows without."""
    weight = ones
    if sample_weight is not None:
        given = xp.as_floats(sample_weight, "sample_weight", ones)
        _check_shape(given, "sample_weight", (ones.shape[0],))
        if (known := xp.known(given)) is not None:
            xp.check_finite(given, "sample_weight")
            if (known < 0).any():
                raise ValueError(
                    f"sample_weight must be at least 0, got {known.min()}."
                )
            if known.size and not known.any():
                raise ValueError("sample_weight must not be zero everywhere.")
        weight = ones * given[:, None]
    total = weight.sum()
    return weight / xp.where(total > 0, total, xp.ones_like(total))


def check_label_range(
    labels: Any, name: str, n_rows: int, n_classes: int, known: Any
) -> None:
    """Say what is wrong with integers that should be columns."""
    if tuple(labels.shape) != (n_rows,):
        raise ValueError(
            f"{name} must have shape ({n_rows},), one for each row of scores, got "
            f"{tuple(labels.shape)}."
        )
    if (
        known is not None
        and n_rows
        and not (0 <= known.min() <= known.max() < n_classes)
    ):
        raise ValueError(
            f"{name} must be from 0 to {n_classes - 1}, a column of scores each, got "
            f"values from {known.min()} to {known.max()}."
        )
