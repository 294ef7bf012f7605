"""The smooth objective of soft LQS, and its local minima."""

from typing import NamedTuple

import numpy as np

from ..losses._choices import quantile_choice, sorted_quantile
from ._kinked import minimize_kinked
from ._trimmed_squares import Minimum, TrimmedSquares

# The search for the hard minimum, and BFGS, deal with up to this many coordinates.
MAX_SEARCH_COORDINATES = 500

# A minimum that is this much lower, relatively, is another one.
LEAP = 1e-6


class LQSFit(NamedTuple):
    """A local minimum."""

    z: np.ndarray
    objective: float  # in units of `RobustProblem.unit` squared
    n_iter: int
    message: str | None
    is_stopped: bool  # by a callback


class QuantileSquares(TrimmedSquares):
    """Soft quantile of the squared residuals / 2, and the penalty, of coordinates z.

    Residuals are measured in units of the scale s0, and not smoothed if that is 0.
    """

    def __init__(self, problem, s0, epsilon, formulation):
        self.unit = s0 or 1.0
        self.is_exact = s0 == 0
        self.mass = middle_mass(problem)
        self.zero = problem.zero
        super().__init__(
            problem.design,
            problem.y / self.unit,
            problem.weight,
            problem.n_kept,
            float(epsilon) if s0 > 0 else 0.0,
            formulation,
        )

    def trim(self, losses):
        """Value and gradient of the quantile, and part of each loss in it."""
        if self.formulation == "sort":
            return sorted_quantile(losses, self.weight, int(self.n_kept), self.epsilon)
        *result, self.threshold = quantile_choice(
            losses,
            self.weight,
            self.mass,
            self.epsilon,
            total=self._total,
            guess=self.guess,
        )
        return result

    def choice(self, residual):
        """Selection of the trimmed mean of the same losses."""
        residual = np.where(np.abs(residual) <= self.zero, 0.0, residual / self.unit)
        return super().trim(0.5 * residual**2)[2]

    def minimize_from(self, start, after=None, **control):
        """Minimum near a start, both in the units of the problem.

        `after` as for `TrimmedSquares.minimize`, in these units, too.
        """
        found = Minimum(start.z / self.unit, 0, None)
        if self.epsilon > 0:
            if after is not None:
                control["after"] = lambda z: after(z * self.unit)
            found = self.minimize(found.z, **control)
        objective = self.unit * self.unit * self.evaluate(found.z)[0]
        message = found.message or start.message
        z = found.z * self.unit
        return LQSFit(z, objective, found.n_iter, message, found.is_stopped)

    def minimize(self, z, *, max_iter, tol, report=None, after=None):
        """BFGS and then reweighted least squares, for few coordinates."""
        told = {"report": report, "after": after}
        control = {"max_iter": max_iter, "tol": tol}
        if not 0 < z.size <= MAX_SEARCH_COORDINATES:
            return super().minimize(z, **control, **told)
        found = self._minimize_kinked(z, **control, **told)
        if found.is_stopped:
            return found
        # A line search may leap over the minimum next to the start: short steps do not.
        near = self.reweight(z, **control)
        if self.evaluate(near.z)[0] < (1 - LEAP) * self.evaluate(found.z)[0]:
            again = self._minimize_kinked(near.z, **control, **told)
            found = again._replace(n_iter=found.n_iter + again.n_iter)
        if found.is_stopped or found.message is not None:
            return found
        polished = self.reweight(found.z, **control)
        return polished._replace(n_iter=found.n_iter + polished.n_iter)

    def _minimize_kinked(self, z, **control):
        return minimize_kinked(lambda z: self.evaluate(z)[:2], z, **control)


def middle_mass(problem):
    """Weight up to the middle of the h-th smallest residual."""
    return problem.n_kept - 0.5
