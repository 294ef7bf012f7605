from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags

from . import _Features
from ._sklearn import CallbackSupportMixin
from .losses import _Growth, _Squashing, _TopKOperator

__all__ = ["SoftTopKClassifier"]

class SoftTopKClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    k: int | dict[int, float]
    epsilon: float
    operator: _TopKOperator
    growth: _Growth
    squashing: _Squashing | None
    alpha: float | None
    fit_intercept: bool
    class_weight: dict[Any, float] | Literal["balanced"] | None
    max_iter: int
    tol: float
    warm_start: bool
    verbose: int
    def __init__(
        self,
        *,
        k: int | dict[int, float] = 1,
        epsilon: float = 0.3,
        operator: _TopKOperator = "quadratic",
        growth: _Growth = "bounded",
        squashing: _Squashing | None = None,
        alpha: float | None = None,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        max_iter: int = 1000,
        tol: float = 0.0001,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None: ...
    alpha_: float
    classes_: NDArray[Any]
    coef_: NDArray[np.floating]
    intercept_: NDArray[np.floating]
    init_coef_: NDArray[np.floating]
    init_intercept_: NDArray[np.floating]
    objective_: float
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    def fit(
        self, X: _Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self: ...
    def decision_function(self, X: _Features) -> NDArray[np.floating]: ...
    def predict(self, X: _Features) -> NDArray[Any]: ...
    def predict_topk(self, X: _Features, k: int | None = None) -> NDArray[Any]: ...
    def __sklearn_tags__(self) -> Tags: ...
    def score(
        self, X: _Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float: ...
    def set_fit_request(
        self, *, sample_weight: bool | str | None = "$UNCHANGED$"
    ) -> Self: ...
    def set_score_request(
        self, *, sample_weight: bool | str | None = "$UNCHANGED$"
    ) -> Self: ...
