"""Soft ranks and sorts that compare all pairs of values, in O(n^2) time."""

from ._ranks import all_pairs_rank, gaussian_soft_rank
from ._sorts import neural_sort, soft_sort_permutation

__all__ = [
    "all_pairs_rank",
    "gaussian_soft_rank",
    "neural_sort",
    "soft_sort_permutation",
]
