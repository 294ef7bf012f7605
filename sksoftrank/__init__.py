"""Scikit-learn compatible estimators on soft sorting and ranking operators."""

from importlib.util import find_spec as _find_spec
from pathlib import Path as _Path

if _find_spec("sksoftrank._isotonic") is None:
    raise ImportError(
        f"sksoftrank must be compiled, got its sources in {_Path(__file__).parent}: "
        "run Python in another folder, where it finds the installed package, or "
        "compile it here by `pip install --editable .`."
    )

from ._jacobian import Jacobian
from .classification import SoftTopKClassifier
from .label_ranking import DummyLabelRanker, SoftSpearmanLabelRanker
from .operators import (
    epsilon_bounds,
    soft_median,
    soft_quantile,
    soft_quantile_normalize,
    soft_rank,
    soft_sort,
    soft_sort_with,
    soft_topk,
    soft_topk_rank,
    soft_topk_sort,
    soft_trimmed_mean,
    soft_winsorize,
)
from .plotting import (
    CoefficientsDisplay,
    EpsilonPathDisplay,
    LabelRanksDisplay,
    OutlierMapDisplay,
    ResidualsDisplay,
)
from .preprocessing import (
    IsotonicProjection,
    PermutahedronProjection,
    SoftQuantileNormalizer,
    SoftRankTransformer,
)
from .projections import isotonic_projection, project_permutahedron
from .ranking import SoftRanker
from .robust import (
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    SoftTrimmedClassifier,
    SoftTrimmedRegressor,
    soft_lts_path,
)

__version__ = "0.1.0"

__all__ = [
    "CoefficientsDisplay",
    "DummyLabelRanker",
    "EpsilonPathDisplay",
    "IsotonicProjection",
    "Jacobian",
    "LabelRanksDisplay",
    "OutlierMapDisplay",
    "PermutahedronProjection",
    "ResidualsDisplay",
    "SoftLQSRegressor",
    "SoftLTSRegressor",
    "SoftLTSRegressorCV",
    "SoftQuantileNormalizer",
    "SoftRankTransformer",
    "SoftRanker",
    "SoftSpearmanLabelRanker",
    "SoftTopKClassifier",
    "SoftTrimmedClassifier",
    "SoftTrimmedRegressor",
    "epsilon_bounds",
    "isotonic_projection",
    "project_permutahedron",
    "soft_lts_path",
    "soft_median",
    "soft_quantile",
    "soft_quantile_normalize",
    "soft_rank",
    "soft_sort",
    "soft_sort_with",
    "soft_topk",
    "soft_topk_rank",
    "soft_topk_sort",
    "soft_trimmed_mean",
    "soft_winsorize",
]
