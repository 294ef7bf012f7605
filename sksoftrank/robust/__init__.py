"""Estimators that choose the observations they fit: trimmed and quantile losses."""

from ._lqs import SoftLQSRegressor
from ._lts import SoftLTSRegressor
from ._lts_cv import SoftLTSRegressorCV
from ._lts_path import soft_lts_path
from ._trimming import SoftTrimmedClassifier, SoftTrimmedRegressor

__all__ = [
    "SoftLQSRegressor",
    "SoftLTSRegressor",
    "SoftLTSRegressorCV",
    "SoftTrimmedClassifier",
    "SoftTrimmedRegressor",
    "soft_lts_path",
]
