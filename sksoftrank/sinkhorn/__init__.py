"""Soft ranks, sorts, quantiles and distribution functions by optimal transport."""

from ._operators import sinkhorn_cdf, sinkhorn_quantile, sinkhorn_rank, sinkhorn_sort

__all__ = ["sinkhorn_cdf", "sinkhorn_quantile", "sinkhorn_rank", "sinkhorn_sort"]
