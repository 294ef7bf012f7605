"""Estimators for dask arrays and data frames, which may be larger than memory.

Names, parameters and fitted attributes are those of `sksoftrank`. Collections are read
block by block and never gathered; what has an entry for each row is lazy.
"""

try:
    import dask.array as _array  # noqa: F401
except ModuleNotFoundError as _error:
    raise ImportError(
        "sksoftrank.dask needs dask: pip install 'sksoftrank[dask]'."
    ) from _error

from ._lts import SoftLTSRegressor
from ._scores import SoftSpearmanLabelRanker, SoftTopKClassifier

__all__ = ["SoftLTSRegressor", "SoftSpearmanLabelRanker", "SoftTopKClassifier"]
