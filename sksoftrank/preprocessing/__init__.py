"""Transformers: projections of rows, and features by their soft ranks."""

from ._projections import IsotonicProjection, PermutahedronProjection
from ._rank_transform import SoftQuantileNormalizer, SoftRankTransformer

__all__ = [
    "IsotonicProjection",
    "PermutahedronProjection",
    "SoftQuantileNormalizer",
    "SoftRankTransformer",
]
