"""Objective of (soft) least trimmed squares in the coordinates of a linear design."""

import math
from typing import NamedTuple

import numpy as np

from ..linear._algebra import EPS, multiply
from ..linear._models import lbfgs
from ..linear._robust_scale import ROUNDING
from ..losses._choices import sorted_choice, trimmed_choice
from ._some_rows import some_rows

# The threshold grows with epsilon. Measured from a large one, losses of about one have
# no digits left.
LARGEST_GUESSED = 1e4

# Rows that tell the curvature at the start, or 20 for each coordinate. With curvatures
# below this part of the largest, or negative ones, it does not lead to the minimum.
MAX_ROWS = 5000
FLAT = 0.05


# With fewer than two rows for each of many coefficients many directions are hardly
# determined, and iterations go on along these without end. They stop where `WINDOW` of
# them lower the objective by less than this part of its standard error.
WINDOW = 50
WORTH = 0.1


class Minimum(NamedTuple):
    """Where an iteration ended."""

    z: np.ndarray
    n_iter: int
    message: str | None  # None, or why it did not converge
    is_stopped: bool = False  # by a callback
    is_slow: bool = False  # and was stopped, see `WINDOW`


class Descent:
    """Whether steps to a minimum still lower the objective, or its largest slope."""

    def __init__(self):
        self.value = self.slope = np.inf  # the least so far

    def has_ended(self, value, slope):
        """Whether the last step made no progress."""
        # Within rounding of the values, the slope tells whether there is progress.
        # Only the least so far tells that steps do not go round in circles.
        slack = ROUNDING if slope < self.slope else 0.0
        if value >= (1 + slack) * self.value:
            return True
        self.value, self.slope = min(value, self.value), min(slope, self.slope)
        return False


class TrimmedSquares:
    """Trimmed mean of the squared residuals / 2, and the penalty, of coordinates z."""

    def __init__(self, design, y, weight, n_kept, epsilon=0.0, formulation="selection"):
        self.design = design
        self.y = y
        self.weight = None if (weight == 1).all() else weight
        self.n_kept = n_kept
        self.epsilon = epsilon
        self.formulation = formulation
        self._total = float(weight.sum())
        self.threshold = math.nan  # of the last choice: the next one is near
        self._last = None  # iterations begin and end with the same points

    @property
    def guess(self):
        """Where to look for the next threshold, NaN if this one has no digits of it."""
        return self.threshold if self.epsilon <= LARGEST_GUESSED else math.nan

    def evaluate(self, z):
        """Value, gradient, weights of the squares / 2, and p."""
        if self._last is None or not np.array_equal(z, self._last[0]):
            self._last = z.copy(), self._evaluate(z)
        return self._last[1]

    def _evaluate(self, z):
        residual = self.y - self.design.predict(z)
        losses = np.square(residual)
        losses *= 0.5
        value, row_weight, p = self.trim(losses)
        penalty_gradient = self.design.penalty * z
        residual *= row_weight
        gradient = penalty_gradient - self.design.pull_back(residual)
        return value + 0.5 * penalty_gradient @ z, gradient, row_weight, p

    def trim(self, losses):
        """Value and gradient of the trimmed loss, and p."""
        if self.formulation == "sort":
            return sorted_choice(losses, self.weight, int(self.n_kept), self.epsilon)
        value, p, self.threshold = trimmed_choice(
            losses,
            self.weight,
            self.n_kept,
            self.epsilon,
            total=self._total,
            guess=self.guess,
        )
        row_weight = p / self.n_kept
        if self.weight is not None:
            row_weight *= self.weight
        return value, row_weight, p

    def minimize(self, z, *, max_iter, tol, report=None, after=None):
        """L-BFGS, then reweighted least squares, from z on.

        `after` is called with the coordinates after each iteration of L-BFGS, and says
        whether to stop.
        """
        n_iter, is_stopped, is_slow = 0, False, False
        if self.epsilon > 0 and z.size > 0:
            start, axes, unit = self._axes(z)

            def function(u):
                value, gradient, *_ = self.evaluate(start + multiply(axes, u))
                return value / unit**2, multiply(axes.T, gradient) / unit**2

            least_gain = self._least_gain()
            last_value = self.evaluate(z)[0] / unit**2

            def callback(intermediate_result):
                nonlocal n_iter, is_stopped, is_slow, last_value
                n_iter += 1
                z = start + multiply(axes, intermediate_result.x)
                if after is not None and after(z):
                    is_stopped = True
                    raise StopIteration
                if report is not None and n_iter % 10 == 0:
                    value = intermediate_result.fun * unit**2
                    report(f"iteration {n_iter}, objective {value:.6g}")
                if n_iter % WINDOW == 0:
                    value = intermediate_result.fun
                    if last_value - value < least_gain * value:
                        is_slow = True
                        raise StopIteration
                    last_value = value

            result = lbfgs(
                function,
                z - start,
                max_iter=max_iter,
                tol=tol / unit,
                ftol=EPS,
                callback=callback,
            )
            z, n_iter = start + multiply(axes, result.x), result.nit
            is_ended = is_stopped or is_slow
            if is_ended or result.message is not None:
                message = None if is_ended else result.message
                return Minimum(z, n_iter, message, is_stopped, is_slow)
        polished = self.reweight(z, max_iter=max_iter, tol=tol)
        return polished._replace(n_iter=n_iter + polished.n_iter)

    def _least_gain(self):
        """The part of the objective that iterations must be worth; 0 for any."""
        design = self.design
        n_many = 2 * np.count_nonzero(design.basis)
        if design.basis.ndim == 2 or self.n_kept >= n_many or design.penalty.any():
            return 0.0
        # Of a mean of squares of Gaussian errors.
        return WORTH * math.sqrt(2 / self.n_kept)

    def _axes(self, z):
        """Origin and axes in which to minimise from z on, and the length of these.

        Along them the curvature there is about the same, and the first step of L-BFGS,
        which has the length 1, is that of Newton's method. Some of many rows tell it.
        """
        # A diagonal matrix, for coordinates may be many.
        as_they_are = np.zeros(z.size), np.ones(z.size), 1.0
        if self.formulation == "sort" or self.design.basis.ndim == 1:
            return as_they_are
        _, gradient, _, p = self.evaluate(z)
        index = some_rows(p.size, max(MAX_ROWS, 20 * z.size))
        rows, p = self.design.rows(index), p[index]
        residual = self.y[index] - rows @ z
        weight = 1.0 if self.weight is None else self.weight[index]
        partial = ((p > 0) & (p < 1)) * weight
        mass = (p * weight).sum()
        if mass == 0:  # nearly all weights are 0
            return as_they_are
        moved = (partial * residual) @ rows
        with np.errstate(over="ignore", invalid="ignore"):
            slope = p * weight - partial * residual**2 / self.epsilon
            hessian = (rows.T * slope) @ rows
            hessian += np.outer(moved, moved) / (self.epsilon * max(partial.sum(), 1.0))
        if not np.isfinite(hessian).all():  # a tiny epsilon
            return as_they_are
        hessian = hessian / mass + np.diag(self.design.penalty)
        curvature, axes = np.linalg.eigh(hessian)
        if curvature[0] <= FLAT * curvature[-1]:
            return as_they_are
        axes = axes / np.sqrt(curvature)
        unit = np.linalg.norm(axes.T @ gradient)
        if not (unit > 0 and np.isfinite(unit)):
            return as_they_are
        return z, axes * unit, unit

    def reweight(self, z, *, max_iter, tol):
        """Repeat least squares with the weights that the trimmed loss gives.

        A concave loss lies below its tangents, so with "selection" and with hard
        trimming no step increases the objective; the latter steps are the concentration
        steps of Rousseeuw & Van Driessen (2006). "sort" is linear in the losses between
        its kinks, so a step leads to the minimum if that is no kink. A step that does
        increase the objective is taken back.
        """
        last_z = z
        descent = Descent()
        for n_iter in range(max_iter + 1):
            value, gradient, row_weight, _ = self.evaluate(z)
            slope = np.abs(gradient).max(initial=0.0)
            if slope <= tol * math.sqrt(2 * value):
                break
            if descent.has_ended(value, slope):
                z = last_z
                break
            if n_iter == max_iter:
                return Minimum(
                    z, n_iter, f"{max_iter} reweighted fits were not enough."
                )
            last_z = z
            z = z + self.design.newton_step(z, self.y, gradient, row_weight)
        return Minimum(z, n_iter, None)


class SoftFit(NamedTuple):
    """A minimum of the smoothed objective."""

    z: np.ndarray
    objective: float  # in units of `RobustProblem.unit` squared
    p: np.ndarray
    n_iter: int
    message: str | None
    threshold: float = math.nan  # of the choice, not of "sort"
    is_slow: bool = False  # see `Minimum`


def smooth_fit(
    problem, s0, z, epsilon, formulation, *, max_iter, tol, report=None, after=None
):
    """Minimise the smoothed objective from z on.

    `s0` is the scale of the start, 0 for an exact fit: nothing is smoothed then.
    `after` as for `TrimmedSquares.minimize`, in the coordinates of the problem.
    """
    if s0 == 0:
        hard = problem.trimmed_squares()
        residual = problem.residual(z)
        residual[np.abs(residual) <= problem.zero] = 0.0
        p = hard.trim(0.5 * residual**2)[2]
        return SoftFit(z, hard.evaluate(z)[0], p, 0, None)
    squares = problem.trimmed_squares(s0, float(epsilon), formulation)
    found = squares.minimize(
        z / s0,
        max_iter=max_iter,
        tol=tol,
        report=report,
        after=None if after is None else lambda z: after(z * s0),
    )
    value, _, _, p = squares.evaluate(found.z)
    z, objective = found.z * s0, s0 * s0 * value
    return SoftFit(
        z, objective, p, found.n_iter, found.message, squares.threshold, found.is_slow
    )
