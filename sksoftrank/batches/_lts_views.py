"""How the blocks are seen in the coordinates of the problem of the drawn rows."""

import math

import numpy as np

from ..robust._problem import RobustProblem
from ._blocks import Floats, Source
from ._drawing import Facts
from ._lts_sums import PenaltySums, View, penalty_sums

# Rows of the drawn ones that are far have no value nearer than so many times the
# distance of the others; of features without such rows values are far beyond this many.
FAR_FACTOR = 100.0
FAR_OF_ALL = 1e6


def penalty_of(source: Source, problem: RobustProblem, view: View) -> Floats:
    """Hessian of the penalty, with the scales of the features of all rows."""
    design = problem.design
    penalty = np.zeros((design.n_coordinates, design.n_coordinates))
    if problem.alpha > 0:
        sums = source.reduce(penalty_sums, view, merge=PenaltySums.merged)
        scaled = design.basis * sums.moments.scale(problem.fit_intercept)[:, None]
        rank = design.basis.shape[1]
        # The mean square of the factors of all rows is to be one.
        strength = problem.alpha * sums.precision / sums.weight
        penalty[:rank, :rank] = strength * scaled.T @ scaled
    return penalty


def view_of(problem: RobustProblem, facts: Facts) -> View:
    """How blocks are seen in the coordinates of the problem of the drawn rows."""
    design = problem.design.with_rows(None)
    sigma_unit = problem.unit / problem.scale_unit
    weight_unit = 1.0
    if facts.total < facts.n_positive:  # the rule for frequencies
        weight_unit = facts.n_positive / facts.total
    low, high = near_limits(problem, facts)
    return View(
        design, problem.centre, problem.unit, sigma_unit, weight_unit, low, high
    )


def near_limits(problem: RobustProblem, facts: Facts) -> tuple[Floats, Floats]:
    """Values of the features beyond which rows are far, infinite where none are.

    The limits part the far rows of the drawn ones from the others, in the middle of the
    gap. Values beyond all that was drawn are far if they are so by orders of magnitude.
    """
    X, near = problem.design.X, problem.weight > 0
    centre = np.median(X[near], axis=0)
    reach = np.abs(X[near] - centre).max(axis=0, initial=0.0)
    largest = np.abs(X - centre).max(axis=0, initial=0.0)
    all_reach = np.maximum(facts.high - centre, centre - facts.low)
    is_cut = (largest > FAR_FACTOR * reach) | (all_reach > FAR_OF_ALL * reach)
    distance = np.where(is_cut & (reach > 0), math.sqrt(FAR_FACTOR) * reach, np.inf)
    return centre - distance, centre + distance
