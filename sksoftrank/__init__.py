"""Scikit-learn compatible estimators on soft sorting and ranking operators."""

from ._bounds import epsilon_bounds
from ._location import LocationJacobian
from ._projection import (
    ProjectionJacobian,
    isotonic_projection,
    project_permutahedron,
)
from .label_ranking import DummyLabelRanker, SoftSpearmanLabelRanker
from .lqs import SoftLQSRegressor
from .operators import soft_rank, soft_sort
from .plotting import EpsilonPathDisplay, OutlierMapDisplay
from .preprocessing import (
    IsotonicProjection,
    PermutahedronProjection,
    SoftQuantileNormalizer,
    SoftRankTransformer,
)
from .quantile_normalization import soft_quantile_normalize
from .quantile_operators import (
    soft_median,
    soft_quantile,
    soft_trimmed_mean,
    soft_winsorize,
)
from .robust import SoftLTSRegressor
from .robust_cv import SoftLTSRegressorCV, soft_lts_path
from .topk_operators import (
    TopKJacobian,
    TopKRankJacobian,
    soft_topk,
    soft_topk_rank,
)
from .trimming import SoftTrimmedClassifier, SoftTrimmedRegressor

__version__ = "0.1.0"

__all__ = [
    "DummyLabelRanker",
    "EpsilonPathDisplay",
    "IsotonicProjection",
    "LocationJacobian",
    "OutlierMapDisplay",
    "PermutahedronProjection",
    "ProjectionJacobian",
    "SoftLQSRegressor",
    "SoftLTSRegressor",
    "SoftLTSRegressorCV",
    "SoftQuantileNormalizer",
    "SoftRankTransformer",
    "SoftSpearmanLabelRanker",
    "SoftTrimmedClassifier",
    "SoftTrimmedRegressor",
    "TopKJacobian",
    "TopKRankJacobian",
    "epsilon_bounds",
    "isotonic_projection",
    "project_permutahedron",
    "soft_lts_path",
    "soft_median",
    "soft_quantile",
    "soft_quantile_normalize",
    "soft_rank",
    "soft_sort",
    "soft_topk",
    "soft_topk_rank",
    "soft_trimmed_mean",
    "soft_winsorize",
]
