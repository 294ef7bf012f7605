"""Estimators for data larger than memory that are read batch by batch.

Names, parameters and fitted attributes are those of `sksoftrank`; ``fit_batches`` takes
a callable that yields the batches anew for every reading, from memory maps, parquet
files or whatever else can be read again.
"""

from ._lts import SoftLTSRegressor
from ._ranker import SoftSpearmanLabelRanker
from ._topk import SoftTopKClassifier

__all__ = ["SoftLTSRegressor", "SoftSpearmanLabelRanker", "SoftTopKClassifier"]
