from collections.abc import Callable, Iterable
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
)
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit
from sklearn.utils.metadata_routing import MetadataRouter

from .. import _Features, _RandomState
from ._lts_cv import SoftLTSPath

__all__ = [
    "SoftLQSRegressor",
    "SoftLTSRegressor",
    "SoftLTSRegressorCV",
    "SoftTrimmedClassifier",
    "SoftTrimmedRegressor",
    "soft_lts_path",
]

_Formulation: TypeAlias = Literal["selection", "sort"]
_Init: TypeAlias = Literal["auto", "ls"]
_NumberOfStarts: TypeAlias = int | Literal["auto"]
_CV: TypeAlias = int | BaseCrossValidator | BaseShuffleSplit | Iterable[Any]

class _LinearModel(RegressorMixin, BaseEstimator):
    coef_: NDArray[np.floating]
    intercept_: float
    scale_: float
    inlier_weight_: NDArray[np.float64]
    inlier_mask_: NDArray[np.bool_]
    support_: NDArray[np.bool_]
    raw_scale_: float
    objective_: float
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    def fit(
        self,
        X: _Features,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        sigma: ArrayLike | None = None,
    ) -> Self: ...
    def share_by_group(self, groups: ArrayLike) -> dict[str, NDArray[Any]]: ...
    def predict(self, X: _Features) -> NDArray[np.floating]: ...
    def score(
        self,
        X: _Features,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        sigma: ArrayLike | None = None,
    ) -> float: ...
    def set_fit_request(
        self,
        *,
        sample_weight: bool | str | None = "$UNCHANGED$",
        sigma: bool | str | None = "$UNCHANGED$",
    ) -> Self: ...
    def set_score_request(
        self,
        *,
        sample_weight: bool | str | None = "$UNCHANGED$",
        sigma: bool | str | None = "$UNCHANGED$",
    ) -> Self: ...

class _LTSModel(_LinearModel):
    # None where the standard errors are not known.
    stderr_: NDArray[np.float64] | None
    intercept_stderr_: float | None
    robust_r2_: float
    raw_coef_: NDArray[np.float64]
    raw_intercept_: float
    start_scale_: float

class SoftLTSRegressor(_LTSModel):
    formulation: _Formulation
    trim: float
    epsilon: float
    alpha: float
    fit_intercept: bool
    reweight: bool
    init: _Init
    n_init: _NumberOfStarts
    max_iter: int
    tol: float
    warm_start: bool
    random_state: _RandomState
    n_jobs: int | None
    verbose: int
    def __init__(
        self,
        *,
        formulation: _Formulation = "selection",
        trim: float = 0.5,
        epsilon: float = 12.0,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        reweight: bool = False,
        init: _Init = "auto",
        n_init: _NumberOfStarts = "auto",
        max_iter: int = 1000,
        tol: float = 1e-8,
        warm_start: bool = False,
        random_state: _RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None: ...

class SoftLTSRegressorCV(_LTSModel):
    epsilons: ArrayLike | None
    trims: ArrayLike
    scoring: str | Callable[..., float] | None
    cv: _CV | None
    formulation: _Formulation
    alpha: float
    fit_intercept: bool
    reweight: bool
    init: _Init
    n_init: _NumberOfStarts
    max_iter: int
    tol: float
    random_state: _RandomState
    n_jobs: int | None
    verbose: int
    def __init__(
        self,
        *,
        epsilons: ArrayLike | None = None,
        trims: ArrayLike = (0.5,),
        scoring: str | Callable[..., float] | None = None,
        cv: _CV | None = None,
        formulation: _Formulation = "selection",
        alpha: float = 0.0,
        fit_intercept: bool = True,
        reweight: bool = False,
        init: _Init = "auto",
        n_init: _NumberOfStarts = "auto",
        max_iter: int = 1000,
        tol: float = 1e-8,
        random_state: _RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None: ...
    def fit(
        self,
        X: _Features,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        sigma: ArrayLike | None = None,
        **params: Any,
    ) -> Self: ...
    def get_metadata_routing(self) -> MetadataRouter: ...
    epsilon_: float
    trim_: float
    best_score_: float
    # None where the default score needs no cap.
    cap_: float | None
    epsilons_: NDArray[np.float64]
    trims_: NDArray[np.float64]
    cv_scores_: NDArray[np.float64]
    coef_path_: NDArray[np.float64]

class SoftLQSRegressor(_LinearModel):
    formulation: _Formulation
    quantile: float
    epsilon: float
    alpha: float
    fit_intercept: bool
    n_init: _NumberOfStarts
    max_iter: int
    tol: float
    random_state: _RandomState
    n_jobs: int | None
    verbose: int
    def __init__(
        self,
        *,
        formulation: _Formulation = "selection",
        quantile: float = 0.5,
        epsilon: float = 4.0,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        n_init: _NumberOfStarts = "auto",
        max_iter: int = 10000,
        tol: float = 1e-8,
        random_state: _RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None: ...

class _Trimmed(MetaEstimatorMixin, BaseEstimator):
    estimator: BaseEstimator | None
    trim: float
    epsilon: float
    relative: bool
    cv: _CV | Literal["train"] | None
    max_iter: int
    tol: float
    n_jobs: int | None
    random_state: _RandomState
    def __init__(
        self,
        estimator: BaseEstimator | None = None,
        *,
        trim: float = 0.5,
        epsilon: float = 10.0,
        relative: bool = True,
        cv: _CV | Literal["train"] | None = 5,
        max_iter: int = 20,
        tol: float = 0.01,
        n_jobs: int | None = None,
        random_state: _RandomState = None,
    ) -> None: ...
    estimator_: BaseEstimator
    inlier_weight_: NDArray[np.float64]
    inlier_mask_: NDArray[np.bool_]
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    def fit(
        self,
        X: _Features,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self: ...
    def share_by_group(self, groups: ArrayLike) -> dict[str, NDArray[Any]]: ...
    def get_metadata_routing(self) -> MetadataRouter: ...
    # What the estimator predicts.
    def predict(self, X: _Features) -> NDArray[Any]: ...
    def set_fit_request(
        self, *, sample_weight: bool | str | None = "$UNCHANGED$"
    ) -> Self: ...
    def set_score_request(
        self, *, sample_weight: bool | str | None = "$UNCHANGED$"
    ) -> Self: ...

class SoftTrimmedRegressor(RegressorMixin, _Trimmed):
    scale_: float
    relative_spread_: NDArray[np.float64]
    def score(
        self, X: _Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float: ...

class SoftTrimmedClassifier(ClassifierMixin, _Trimmed):
    def __init__(
        self,
        estimator: BaseEstimator | None = None,
        *,
        trim: float = 0.5,
        epsilon: float = 4.0,
        relative: bool = True,
        cv: _CV | Literal["train"] | None = 5,
        max_iter: int = 20,
        tol: float = 0.01,
        n_jobs: int | None = None,
        random_state: _RandomState = None,
    ) -> None: ...
    classes_: NDArray[Any]
    # As far as the estimator has them.
    def predict_proba(self, X: _Features) -> NDArray[np.floating]: ...
    def predict_log_proba(self, X: _Features) -> NDArray[np.floating]: ...
    def decision_function(self, X: _Features) -> NDArray[np.floating]: ...
    def score(
        self, X: _Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float: ...

def soft_lts_path(
    X: _Features,
    y: ArrayLike,
    *,
    epsilons: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    **parameters: Any,
) -> SoftLTSPath: ...
