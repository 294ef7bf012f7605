"""Types of parameters and results that several modules name."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

# SciPy and scikit-learn come without types: what of theirs is meant is described here.


class SparseMatrix(Protocol):
    """A sparse array or matrix of SciPy."""

    def tocsr(self, copy: bool = False) -> Any: ...


@runtime_checkable
class Estimator(Protocol):
    """An estimator of scikit-learn, or one like it."""

    def fit(self, X: Any, y: Any) -> Any: ...

    def get_params(self, deep: bool = True) -> dict[str, Any]: ...


class Splitter(Protocol):
    """A splitter of scikit-learn, which makes the folds of a cross-validation."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any: ...

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int: ...


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

Features: TypeAlias = ArrayLike | SparseMatrix
RandomState: TypeAlias = int | np.random.RandomState | None
Target: TypeAlias = Literal["ranks", "relevance"]
Growth: TypeAlias = Literal["linear", "bounded"]
Formulation: TypeAlias = Literal["selection", "sort"]
Init: TypeAlias = Literal["auto", "ls"]
NumberOfStarts: TypeAlias = int | Literal["auto"]
CV: TypeAlias = int | Splitter | Iterable[Any]
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
