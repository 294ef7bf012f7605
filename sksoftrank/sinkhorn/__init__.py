"""Soft ranks, sorts, quantiles and distribution functions by optimal transport."""

from ._ranks import sinkhorn_cdf, sinkhorn_rank
from ._sorts import sinkhorn_quantile, sinkhorn_sort

__all__ = ["sinkhorn_cdf", "sinkhorn_quantile", "sinkhorn_rank", "sinkhorn_sort"]
