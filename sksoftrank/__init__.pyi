from typing import Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import sparray, spmatrix

from ._jacobian import Jacobian as Jacobian
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
from .plotting import EpsilonPathDisplay, OutlierMapDisplay
from .preprocessing import (
    IsotonicProjection,
    PermutahedronProjection,
    SoftQuantileNormalizer,
    SoftRankTransformer,
)
from .robust import (
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    SoftTrimmedClassifier,
    SoftTrimmedRegressor,
    soft_lts_path,
)

__version__: str

__all__ = [
    "DummyLabelRanker",
    "EpsilonPathDisplay",
    "IsotonicProjection",
    "Jacobian",
    "OutlierMapDisplay",
    "PermutahedronProjection",
    "SoftLQSRegressor",
    "SoftLTSRegressor",
    "SoftLTSRegressorCV",
    "SoftQuantileNormalizer",
    "SoftRankTransformer",
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

# Types of parameters in several modules.
_Regularization: TypeAlias = Literal["quadratic", "entropic"]
_RankRegularization: TypeAlias = Literal["quadratic", "entropic", "kl"]
_Features: TypeAlias = ArrayLike | spmatrix | sparray
_RandomState: TypeAlias = int | np.random.RandomState | None

@overload
def isotonic_projection(
    s: ArrayLike,
    w: ArrayLike | None = None,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def isotonic_projection(
    s: ArrayLike,
    w: ArrayLike | None = None,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def isotonic_projection(
    s: ArrayLike,
    w: ArrayLike | None = None,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
@overload
def project_permutahedron(
    z: ArrayLike,
    w: ArrayLike,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    return_jacobian: Literal[False] = False,
) -> NDArray[np.floating]: ...
@overload
def project_permutahedron(
    z: ArrayLike,
    w: ArrayLike,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...
@overload
def project_permutahedron(
    z: ArrayLike,
    w: ArrayLike,
    *,
    regularization: _Regularization = "quadratic",
    axis: int | None = -1,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]: ...
