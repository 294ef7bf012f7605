"""Soft sorts, ranks, quantiles and choices of the k largest, on exact projections."""

from ._bounds import epsilon_bounds
from ._normalization import soft_quantile_normalize
from ._quantiles import soft_median, soft_quantile, soft_trimmed_mean
from ._sort_with import soft_sort_with
from ._sorting import soft_rank, soft_sort
from ._topk import soft_topk
from ._topk_rank import soft_topk_rank
from ._topk_sort import soft_topk_sort
from ._winsorize import soft_winsorize

__all__ = [
    "epsilon_bounds",
    "soft_median",
    "soft_quantile",
    "soft_quantile_normalize",
    "soft_rank",
    "soft_sort",
    "soft_sort_with",
    "soft_topk",
    "soft_topk_rank",
    "soft_topk_sort",
    "soft_trimmed_mean",
    "soft_winsorize",
]
