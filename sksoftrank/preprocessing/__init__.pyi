from typing import Any, Literal, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

from .. import _Features, _RandomState, _RankRegularization, _Regularization

__all__ = [
    "IsotonicProjection",
    "PermutahedronProjection",
    "SoftQuantileNormalizer",
    "SoftRankTransformer",
]

_Distribution: TypeAlias = Literal["uniform", "normal"]

class _SoftCDF(Protocol):
    def cdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def pdf(self, x: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def ppf(self, u: NDArray[np.float64]) -> NDArray[np.float64]: ...

# Arrays, unless `set_output` asks for something else.
class _Transformer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    def transform(self, X: ArrayLike) -> NDArray[np.floating]: ...
    def fit_transform(
        self, X: ArrayLike, y: object = None, **fit_params: Any
    ) -> NDArray[np.floating]: ...

class _SoftCDFTransformer(_Transformer):
    epsilon: float
    subsample: int | None
    random_state: _RandomState
    scale_: NDArray[np.float64]
    soft_cdfs_: list[_SoftCDF]
    def transform(self, X: _Features) -> NDArray[np.floating]: ...
    def fit_transform(
        self, X: _Features, y: object = None, **fit_params: Any
    ) -> NDArray[np.floating]: ...
    def derivative(self, X: _Features) -> NDArray[np.floating]: ...
    def inverse_transform(self, X: ArrayLike) -> NDArray[np.floating]: ...

class IsotonicProjection(_Transformer):
    increasing: bool
    regularization: _Regularization
    weights: ArrayLike | None
    y_min: float | None
    y_max: float | None
    def __init__(
        self,
        *,
        increasing: bool = True,
        regularization: _Regularization = "quadratic",
        weights: ArrayLike | None = None,
        y_min: float | None = None,
        y_max: float | None = None,
    ) -> None: ...
    # None where all are equal.
    weights_: NDArray[np.float64] | None
    def fit(self, X: ArrayLike, y: object = None) -> Self: ...

class PermutahedronProjection(_Transformer):
    epsilon: float
    w: ArrayLike | Literal["mean"] | None
    regularization: _RankRegularization
    def __init__(
        self,
        epsilon: float = 1.0,
        *,
        w: ArrayLike | Literal["mean"] | None = None,
        regularization: _RankRegularization = "quadratic",
    ) -> None: ...
    w_: NDArray[np.float64]
    def fit(self, X: ArrayLike, y: object = None) -> Self: ...

class SoftQuantileNormalizer(_SoftCDFTransformer):
    target: ArrayLike | None
    def __init__(
        self,
        epsilon: float = 1.0,
        *,
        target: ArrayLike | None = None,
        subsample: int | None = 10_000,
        random_state: _RandomState = None,
    ) -> None: ...
    target_quantiles_: NDArray[np.float64]
    def fit(
        self,
        X: _Features,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self: ...
    def set_fit_request(
        self, *, sample_weight: bool | str | None = "$UNCHANGED$"
    ) -> Self: ...

class SoftRankTransformer(_SoftCDFTransformer):
    output_distribution: _Distribution
    offset: float
    n_values_: NDArray[np.float64]
    def __init__(
        self,
        epsilon: float = 1.0,
        *,
        output_distribution: _Distribution = "uniform",
        offset: float = 0.5,
        subsample: int | None = 10_000,
        random_state: _RandomState = None,
    ) -> None: ...
    def fit(
        self,
        X: _Features,
        y: object = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self: ...
    def set_fit_request(
        self, *, sample_weight: bool | str | None = "$UNCHANGED$"
    ) -> Self: ...
