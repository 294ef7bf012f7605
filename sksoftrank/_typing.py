"""Types of parameters and results that several modules name."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import sparray, spmatrix
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator, BaseShuffleSplit

# Of any dtype.
Array: TypeAlias = NDArray[Any]

Regularization: TypeAlias = Literal["quadratic", "entropic"]
RankRegularization: TypeAlias = Literal["quadratic", "entropic", "kl"]
TopKOperator: TypeAlias = Literal[
    "quadratic", "entropic", "kl", "all_pairs", "gaussian", "sinkhorn"
]
TopKSquashing: TypeAlias = Literal["logistic"]
SinkhornSquashing: TypeAlias = Literal["logistic", "arctan"]
BoundedOperator: TypeAlias = Literal[
    "rank", "sort", "topk", "quantile", "trimmed_mean", "winsorize", "sort_with"
]
NanPolicy: TypeAlias = Literal["raise", "omit"]
Cut: TypeAlias = float | Sequence[float]
# Of target - value: the costs and their derivatives.
Cost: TypeAlias = Callable[
    [NDArray[np.float64]], tuple[NDArray[np.floating], NDArray[np.floating]]
]

# Of a single slice a number.
ScalarOrArray: TypeAlias = np.floating | NDArray[np.floating]
Bound: TypeAlias = np.float64 | NDArray[np.float64]

# Any estimator of scikit-learn or like it.
Estimator: TypeAlias = BaseEstimator
Features: TypeAlias = ArrayLike | spmatrix | sparray
RandomState: TypeAlias = int | np.random.RandomState | None
Target: TypeAlias = Literal["ranks", "relevance"]
Growth: TypeAlias = Literal["linear", "bounded"]
Formulation: TypeAlias = Literal["selection", "sort"]
Init: TypeAlias = Literal["auto", "ls"]
NumberOfStarts: TypeAlias = int | Literal["auto"]
CV: TypeAlias = int | BaseCrossValidator | BaseShuffleSplit | Iterable[Any]
OutputDistribution: TypeAlias = Literal["uniform", "normal"]
Contamination: TypeAlias = Literal["vertical", "leverage", "mixed", "cauchy"]

# scorer(estimator, X, y, sample_weight=None)
ScorerFunction: TypeAlias = Callable[..., float]


class ContinuousDistribution(Protocol):
    """A frozen continuous distribution of SciPy."""

    def ppf(self, q: Any, /) -> Any: ...

    def pdf(self, x: Any, /) -> Any: ...


class DiscreteDistribution(Protocol):
    """A frozen discrete distribution of SciPy."""

    def ppf(self, q: Any, /) -> Any: ...

    def pmf(self, k: Any, /) -> Any: ...
