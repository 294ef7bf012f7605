"""Scikit-learn compatible estimators on soft sorting and ranking operators."""

from ._bounds import epsilon_bounds
from ._projection import (
    ProjectionJacobian,
    isotonic_projection,
    project_permutahedron,
)
from .operators import soft_rank, soft_sort
from .robust import SoftLTSRegressor

__version__ = "0.1.0"

__all__ = [
    "ProjectionJacobian",
    "SoftLTSRegressor",
    "epsilon_bounds",
    "isotonic_projection",
    "project_permutahedron",
    "soft_rank",
    "soft_sort",
]
