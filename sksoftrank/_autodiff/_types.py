"""Types in the signatures of the public functions."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, TypeVar

from numpy.typing import ArrayLike

# The arrays of the framework.
Array = TypeVar("Array")

Regularization: TypeAlias = Literal["quadratic", "entropic"]
RankRegularization: TypeAlias = Literal["quadratic", "entropic", "kl"]
NanPolicy: TypeAlias = Literal["raise", "omit"]
Growth: TypeAlias = Literal["linear", "bounded"]
Squashing: TypeAlias = Literal["logistic"]
Strength: TypeAlias = float | ArrayLike | Array
Numbers: TypeAlias = ArrayLike | Array
Cut: TypeAlias = float | Sequence[float] | Array
