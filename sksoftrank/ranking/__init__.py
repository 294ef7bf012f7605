"""Ranking of rows within groups, such as queries, eras or races."""

from ._ranker import SoftRanker

__all__ = ["SoftRanker"]
