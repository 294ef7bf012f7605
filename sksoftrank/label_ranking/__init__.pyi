from collections.abc import Iterable
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags

from .. import _Features, _RankRegularization
from .._sklearn import CallbackSupportMixin

__all__ = ["DummyLabelRanker", "SoftSpearmanLabelRanker", "ranks_from_orders"]

_Target: TypeAlias = Literal["ranks", "relevance"]

def ranks_from_orders(
    orders: Iterable[Iterable[Any]],
    labels: ArrayLike | None = None,
    *,
    unlisted: Literal["last", "missing"] | None = None,
) -> tuple[NDArray[np.float64], NDArray[Any]]: ...

class LabelRankerMixin:
    target: _Target
    labels_: NDArray[Any]
    def predict(self, X: _Features) -> NDArray[np.float64]: ...
    def predict_order(self, X: _Features) -> NDArray[Any]: ...
    def score(
        self, X: _Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float: ...
    def __sklearn_tags__(self) -> Tags: ...

class SoftSpearmanLabelRanker(CallbackSupportMixin, LabelRankerMixin, BaseEstimator):
    regularization: _RankRegularization | None
    epsilon: float
    alpha: float
    fit_intercept: bool
    init_scale: float
    max_iter: int
    tol: float
    warm_start: bool
    verbose: int
    def __init__(
        self,
        *,
        regularization: _RankRegularization | None = "quadratic",
        epsilon: float = 1.0,
        alpha: float = 0.001,
        fit_intercept: bool = True,
        target: _Target = "ranks",
        init_scale: float = 2.0,
        max_iter: int = 1000,
        tol: float = 0.001,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None: ...
    coef_: NDArray[np.floating]
    intercept_: NDArray[np.floating]
    objective_: float
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    def fit(
        self, X: _Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self: ...
    def decision_function(self, X: _Features) -> NDArray[np.floating]: ...
    def set_fit_request(
        self, *, sample_weight: bool | str | None = "$UNCHANGED$"
    ) -> Self: ...
    def set_score_request(
        self, *, sample_weight: bool | str | None = "$UNCHANGED$"
    ) -> Self: ...

class DummyLabelRanker(LabelRankerMixin, BaseEstimator):
    def __init__(self, *, target: _Target = "ranks") -> None: ...
    borda_: NDArray[np.float64]
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    def fit(
        self, X: _Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self: ...
    def decision_function(self, X: _Features) -> NDArray[np.float64]: ...
    def set_fit_request(
        self, *, sample_weight: bool | str | None = "$UNCHANGED$"
    ) -> Self: ...
    def set_score_request(
        self, *, sample_weight: bool | str | None = "$UNCHANGED$"
    ) -> Self: ...
    def __sklearn_tags__(self) -> Tags: ...
