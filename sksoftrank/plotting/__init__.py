"""Displays of fits. They need matplotlib, which is imported when they draw."""

from ._coefficients import CoefficientsDisplay
from ._epsilon_path import EpsilonPathDisplay
from ._label_ranks import LabelRanksDisplay
from ._outlier_map import OutlierMapDisplay
from ._residuals import ResidualsDisplay

__all__ = [
    "CoefficientsDisplay",
    "EpsilonPathDisplay",
    "LabelRanksDisplay",
    "OutlierMapDisplay",
    "ResidualsDisplay",
]
