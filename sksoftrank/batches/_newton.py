"""Newton steps to the minimum of the soft trimmed squares, one reading a step."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..linear._algebra import determined_inverse
from ..linear._design import LinearDesign
from ._blocks import Floats
from ._cells import Bracket, CellSums, choice_sums, solve_threshold
from ._lts_sums import Task, newton_sums

# A value may rise by this part of it by rounding.
VALUE_ROUNDING = 1e-11

# Curvatures below this part of that of least squares with the same weights are none.
FLAT = 1e-3

# The threshold is looked for within so many squares of the last step, relative to it.
# The first is that of the drawn rows.
THRESHOLD_RANGE = 10.0
FIRST_WIDTH = 0.03
SMALLEST_WIDTH = 1e-8

# From this slope on, the next reading is expected to be the last.
NEARLY_THERE = 3e-3


class Minimum(NamedTuple):
    """Where the steps ended."""

    z: Floats
    value: float  # of the objective
    threshold: float
    gram: Floats  # of the rows, weighed by the choice
    extra: list[tuple]  # sums of the extra tasks at the point before the last step
    n_steps: int
    message: str | None  # None, or why it did not converge


def minimise(
    read: Callable[[list[Task]], list[tuple]],
    extra: Callable[[Floats, float], list[Task]],
    design: LinearDesign,
    penalty: Floats,
    z: Floats,
    threshold: float,
    *,
    epsilon: float,
    total: float,
    n_kept: float,
    max_iter: int,
    tol: float,
    report: Callable[[str], None],
) -> Minimum:
    """Minimise the objective from z on, with a threshold near that of z.

    The objective is that of `selection_trimmed_loss` for halves of squared residuals,
    and ``z @ penalty @ z / 2``. Its Hessian is positive near a minimum; where it is not
    the step is that of least squares with the weights of the choice, which lowers a
    concave loss of squares. A step that does not is halved.

    Parameters
    ----------
    read : callable
        Reads the data: sums of these tasks over all rows.
    extra : callable
        Tasks, at coordinates and a threshold, of which the sums at the minimum are
        wanted; they are read with the last step.
    design : LinearDesign
        Tells directions in which the rows vary by rounding only.
    penalty : ndarray of shape (n_coordinates, n_coordinates)
        Hessian of the penalty.
    """
    width = FIRST_WIDTH * threshold
    last_value, last_z, step = math.inf, z, np.zeros_like(z)
    is_last = False
    for n_steps in range(1, max_iter + 1):
        bracket = Bracket(threshold, width, epsilon)
        tasks = [Task(newton_sums, (z, bracket))]
        if is_last:
            tasks += extra(z, threshold)
        (sums, gram, hessian, moved, n_moved), *found = read(tasks)
        cells = CellSums.of(sums)
        new = solve_threshold(cells, bracket, n_kept)
        if abs(new - threshold) > width:
            report(f"threshold {new:.6g}, not {threshold:.6g} +- {width:.2g}")
            width = max(2 * abs(new - threshold), 2 * width)
            threshold = new
            continue
        choice = choice_sums(cells, bracket, new)
        spread = choice.square - n_kept / total * (2 * choice.mass - n_kept)
        pull = penalty @ z
        value = (choice.loss + 0.5 * epsilon * spread) / n_kept
        value += 0.5 * float(z @ pull)
        gradient = pull - choice.pull / n_kept
        hessian = hessian + np.outer(moved, moved) / (max(n_moved, 1.0) * epsilon)
        inverse, unknown = newton_inverse(design, hessian, gram, penalty, n_kept)
        # What varies by rounding only tells no slope.
        slope = np.abs(gradient - unknown @ (unknown.T @ gradient)).max(initial=0.0)
        report(f"objective {value:.10g}, slope {slope:.1e}")
        if value > last_value * (1 + VALUE_ROUNDING):  # half of the way, then
            step = 0.5 * step
            z = last_z + step
            width, is_last = max(width, FIRST_WIDTH * new), False
            threshold = new
            continue
        last_value, last_z = value, z
        step = -inverse @ gradient
        z = z + step
        converged = slope <= tol * math.sqrt(2 * value)
        if converged and is_last:
            return Minimum(z, value, new, gram / n_kept, found, n_steps, None)
        change = -float(moved @ step) / max(n_moved, 1.0)
        if converged:  # the point itself again, for its other sums
            z, change = last_z, 0.0
        is_last = converged or slope < NEARLY_THERE
        threshold = new + change
        width = max(THRESHOLD_RANGE * float(step @ step), SMALLEST_WIDTH)
        width *= max(new, 1.0)
    message = f"{max_iter} Newton steps were not enough."
    if not is_last:
        found = read(extra(z, threshold))
    return Minimum(z, value, threshold, gram / n_kept, found, n_steps, message)


def newton_inverse(
    design: LinearDesign, hessian: Floats, gram: Floats, penalty: Floats, n_kept: float
) -> tuple[Floats, Floats]:
    """Inverse of the Hessian, or where that is not positive, of a larger matrix.

    It is 0 in directions that the kept rows do not determine, of which axes come next.
    """
    least_squares = gram / n_kept + penalty
    inverse, unknown = determined_inverse(least_squares, design.noise)
    # In the coordinates in which the larger matrix is the identity.
    curvature, axes = np.linalg.eigh(inverse)
    known = curvature > 0
    root = axes[:, known] * np.sqrt(curvature[known])
    curvature, axes = np.linalg.eigh(root.T @ (hessian / n_kept + penalty) @ root)
    if curvature.min(initial=1.0) <= FLAT:
        return inverse, unknown
    axes = root @ axes
    return (axes / curvature) @ axes.T, unknown


def plain_fit(
    design: LinearDesign, penalty: Floats, z: Floats, sums: tuple
) -> tuple[Floats, float, float]:
    """Least squares from `plain_sums` at z: coordinates, sum of squares, weight."""
    gram, pull, total, square = sums
    inverse, _ = determined_inverse(gram / total + penalty, design.noise)
    step = inverse @ (pull / total - penalty @ z)
    square = square - 2 * step @ pull + step @ gram @ step
    return z + step, max(float(square), 0.0), float(total)
