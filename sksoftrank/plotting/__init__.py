"""Displays of robust fits. They need matplotlib, which is imported when they draw."""

from ._epsilon_path import EpsilonPathDisplay
from ._outlier_map import OutlierMapDisplay

__all__ = ["EpsilonPathDisplay", "OutlierMapDisplay"]
