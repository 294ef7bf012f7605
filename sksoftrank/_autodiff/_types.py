"""Types in the signatures of the public functions."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from numpy.typing import ArrayLike

# The arrays of the framework.
Array = TypeVar("Array", bound=Any)

Growth: TypeAlias = Literal["linear", "bounded"]
Strength: TypeAlias = float | ArrayLike | Array
Numbers: TypeAlias = ArrayLike | Array
Cut: TypeAlias = float | Sequence[float] | Array
