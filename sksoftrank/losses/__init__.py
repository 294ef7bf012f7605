"""Losses as functions of raw predictions or losses that return value and gradient.

They need no estimator and no autodiff framework.
"""

from ._ranking import soft_ndcg_loss, soft_spearman_loss
from ._topk import soft_topk_loss
from ._trimmed import (
    selection_quantile_loss,
    selection_trimmed_loss,
    sorted_quantile_loss,
    sorted_trimmed_loss,
)

__all__ = [
    "selection_quantile_loss",
    "selection_trimmed_loss",
    "soft_ndcg_loss",
    "soft_spearman_loss",
    "soft_topk_loss",
    "sorted_quantile_loss",
    "sorted_trimmed_loss",
]
