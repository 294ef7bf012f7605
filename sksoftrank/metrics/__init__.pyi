from collections.abc import Callable
from typing import Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "RANKING_SCORERS",
    "REGRESSION_SCORERS",
    "capped_mean_squared_error",
    "capped_scorer",
    "kendall_tau_score",
    "ndcg_score",
    "ndcg_score_of_ranks",
    "spearman_score",
    "trimmed_mean_squared_error",
    "trimmed_r2_score",
    "trimmed_scorer",
]

# scorer(estimator, X, y, sample_weight=None)
_Scorer: TypeAlias = Callable[..., float]

RANKING_SCORERS: dict[str, _Scorer]
REGRESSION_SCORERS: dict[str, _Scorer]

def capped_mean_squared_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    cap: float,
    sample_weight: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
) -> float: ...
def capped_scorer(cap: float) -> _Scorer: ...
@overload
def kendall_tau_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    average: Literal[True] = True,
    groups: ArrayLike | None = None,
) -> float: ...
@overload
def kendall_tau_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    average: Literal[False],
    groups: ArrayLike | None = None,
) -> NDArray[np.float64]: ...
@overload
def kendall_tau_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
    groups: ArrayLike | None = None,
) -> float | NDArray[np.float64]: ...
def ndcg_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> float: ...
def ndcg_score_of_ranks(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
) -> float: ...
@overload
def spearman_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    average: Literal[True] = True,
    groups: ArrayLike | None = None,
) -> float: ...
@overload
def spearman_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    average: Literal[False],
    groups: ArrayLike | None = None,
) -> NDArray[np.float64]: ...
@overload
def spearman_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    average: bool = True,
    groups: ArrayLike | None = None,
) -> float | NDArray[np.float64]: ...
def trimmed_mean_squared_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    trim: float = 0.5,
    sample_weight: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
) -> float: ...
def trimmed_r2_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    trim: float = 0.5,
    sample_weight: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
) -> float: ...
def trimmed_scorer(trim: float = 0.5) -> _Scorer: ...
