"""Scores of collections: sums over their blocks."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._sklearn import refuse_masked
from ..batches._blocks import Block, check_weight, check_X, column
from ..batches._topk import labels_and_weights
from ..metrics import spearman_score
from ..metrics._labels import align_labels
from ._blocks import DaskBlocks


def mean_score(
    sums: Callable[[Block, Any], tuple[float, float]],
    local: Any,
    X: Any,
    **columns: Any,
) -> float:
    """Mean of the scores of rows, of which `sums` gives weight and weighted sum."""
    total, score = DaskBlocks(X, columns).reduce(sums, local, merge=_add)
    _check_total(total)
    return float(score / total)


def _check_total(total: float) -> None:
    if total == 0:
        raise ValueError(
            "X must have a row that counts, of positive sample_weight, got none."
        )


def _add(first: tuple, second: tuple) -> tuple:
    return tuple(a + b for a, b in zip(first, second, strict=True))


def accuracy_sums(block: Block, local: Any) -> tuple[float, float]:
    """Weight of the rows of a block, and of those of which the class is right."""
    labels, weight = labels_and_weights(block)
    if labels.size == 0:
        return 0.0, 0.0
    is_right = local.predict(check_X(block)) == labels
    return float(weight.sum()), float(weight @ is_right)


def spearman_sums(block: Block, local: Any) -> tuple[float, float]:
    """Weight of the rows of a block that count, and sum of their correlations."""
    if len(block.X) == 0:
        return 0.0, 0.0
    sign = 1 if local.target == "ranks" else -1
    ranks = local.predict(check_X(block))
    refuse_masked(block.y, f"y of block {block.number}")
    truth = align_labels(block.y, local.labels_)
    score = spearman_score(truth, sign * ranks, average=False)
    weight, _ = check_weight(block)
    weight = np.ones(score.size) if weight is None else weight
    counts = ~np.isnan(score)
    return float(weight[counts].sum()), float(weight[counts] @ score[counts])


def r2_score(local: Any, X: Any, **columns: Any) -> float:
    """R2 as that of the estimator in memory."""
    sums = DaskBlocks(X, columns).reduce(_r2_sums, local, merge=_merge_r2)
    total, _, spread, error = sums
    _check_total(total)
    if spread == 0:
        return 1.0 if error == 0 else 0.0
    return float(1 - error / spread)


def _r2_sums(block: Block, local: Any) -> tuple[float, float, float, float]:
    """Weight, mean and sum of squares around it of y, and that of the errors."""
    y = column(block.y, "y", block)
    weight, sigma = check_weight(block)
    weight = np.ones(y.size) if weight is None else weight
    if sigma is not None:
        weight = weight / sigma**2
    total = float(weight.sum())
    if total == 0:
        return 0.0, 0.0, 0.0, 0.0
    mean = float(weight @ y / total)
    error = y - local.predict(check_X(block))
    return total, mean, float(weight @ (y - mean) ** 2), float(weight @ error**2)


def _merge_r2(first: tuple, second: tuple) -> tuple:
    total = first[0] + second[0]
    if first[0] == 0 or second[0] == 0:
        return second if first[0] == 0 else first
    change = second[1] - first[1]
    part = second[0] / total
    spread = first[2] + second[2] + change**2 * first[0] * part
    return total, first[1] + change * part, spread, first[3] + second[3]
