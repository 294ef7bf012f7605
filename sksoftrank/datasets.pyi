from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _RandomState

__all__ = ["make_contaminated_regression", "make_label_ranking"]

_Kind: TypeAlias = Literal["vertical", "leverage", "mixed", "cauchy"]

def make_contaminated_regression(
    n_samples: int = 100,
    n_features: int = 5,
    *,
    contamination: float = 0.2,
    kind: _Kind = "vertical",
    distance: float = 10.0,
    noise: float = 1.0,
    random_state: _RandomState = None,
) -> tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]
]: ...
def make_label_ranking(
    n_samples: int = 100,
    n_features: int = 5,
    n_labels: int = 5,
    *,
    noise: float = 0.1,
    missing: float = 0.0,
    random_state: _RandomState = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
