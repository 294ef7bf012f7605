"""Concentration steps of least trimmed squares on all rows."""

import math

import numpy as np

from ..linear._algebra import determined_inverse
from ..linear._robust_scale import ROUNDING
from ..losses._choices import trimmed_gradient
from ._lts_rows import MOMENTUM
from ._normal_equations import select
from ._some_rows import some_rows
from ._trimmed_squares import Descent

# Concentration steps on large data go on with this fraction of the rows.
BAND = 1 / 12
MIN_BAND = 2000

# A Gram matrix that becomes so much smaller is summed anew.
SHRUNK = 0.01


def concentrate(design, y, sample_weight, n_kept, z, *, max_iter, tol):
    """Repeat least squares on the rows with the smallest residuals.

    Returns the coordinates, the objective, the number of fits, None or what went wrong,
    and None or the Gram matrix of the rows that are kept, their weights adding up to 1.
    """
    weight = None if (sample_weight == 1).all() else sample_weight
    last_value, last_z = np.inf, z
    descent = Descent()
    gram = row_weight = None
    band = BAND
    n_fits = 0
    while True:
        residual = y - design.predict(z)
        last_weight = row_weight
        value, row_weight, _ = trimmed_gradient(0.5 * residual**2, weight, n_kept, 0.0)
        penalty_gradient = design.penalty * z
        gradient = penalty_gradient - design.pull_back(row_weight * residual)
        value += 0.5 * penalty_gradient @ z
        slope = np.abs(gradient).max(initial=0.0)
        if slope <= tol * math.sqrt(2 * value):
            break
        if descent.has_ended(value, slope):
            z, value = last_z, last_value
            break
        if n_fits >= max_iter:
            message = f"{max_iter} concentration steps were not enough."
            return z, value, n_fits, message, gram
        last_value, last_z = value, z
        if design.basis.ndim == 1:
            z = z + design.newton_step(z, y, gradient, row_weight)
            n_fits += 1
        else:
            gram = update_gram(design, gram, last_weight, row_weight)
            boundary = _Boundary(design, residual, row_weight, weight, n_kept, band)
            step, n_steps = boundary.settle(gradient, gram, max_iter - n_fits)
            band /= 4
            z = z + step
            n_fits += n_steps
    return z, value, n_fits, None, gram


def update_gram(design, gram, last_weight, row_weight):
    """Gram matrix for new row weights, from that of others (or None)."""
    if gram is not None:
        change = row_weight - last_weight
        changed = np.flatnonzero(change)
        if changed.size <= change.size // 4:
            rows = design.rows(changed)
            new = gram + (rows.T * change[changed]) @ rows
            if np.trace(new) > SHRUNK * np.trace(gram):  # no large rows take digits
                return new
    return design.gram(row_weight)


class _Boundary:
    """The rows next to the boundary between those that are kept and those that are not.

    While a fit changes little, only these can change sides, so that steps need no
    others. They settle all but the first digits of the fit at little cost.
    """

    def __init__(self, design, residual, row_weight, weight, n_kept, band):
        self.design = design
        self.row_weight = row_weight
        self.n_kept = n_kept
        n_rows = residual.size
        if n_rows <= MIN_BAND:
            index = np.arange(n_rows)
        else:
            distance = np.abs(residual)
            distance -= distance.max(where=row_weight > 0, initial=0.0)
            np.abs(distance, out=distance)
            some = distance[some_rows(n_rows, MIN_BAND)]
            fraction = min(max(band, MIN_BAND / n_rows), 1.0)
            index = np.flatnonzero(distance <= np.quantile(some, fraction))
        self.index = index
        self.rows = design.rows(index)
        self.residual = residual[index]
        self.weight = None if weight is None else weight[index]

    def settle(self, gradient, gram, max_steps):
        """Steps until no row changes sides.

        Updates `gram` and the row weights. Returns the sum of the steps, and their
        number.
        """
        mass = self.row_weight[self.index] * self.n_kept
        n_kept = _nearly_whole(mass.sum())
        momentum = MOMENTUM if self.index.size < self.row_weight.size else 0.0
        penalty = np.diag(self.design.penalty)
        total, step = np.zeros_like(gradient), np.zeros_like(gradient)
        moved = np.inf
        n_steps = 0
        while n_steps < max_steps:
            n_steps += 1
            exact = moved > 0.1 * self.n_kept
            if exact:  # else few rows changed since, and the last inverse will do
                inverse, _ = determined_inverse(gram + penalty, self.design.noise)
                moved = 0.0
                step[:] = 0.0
            step = momentum * step - inverse @ gradient
            total += step
            gradient = gradient + gram @ step + self.design.penalty * step
            self.residual -= self.rows @ step
            new = select(self.residual[None] ** 2, n_kept, self.weight)[0]
            change = new - mass
            changed = np.flatnonzero(np.abs(change) > ROUNDING * self.n_kept)
            if changed.size == 0:
                if exact:
                    break
                moved = np.inf
                continue
            rows, change = self.rows[changed], change[changed] / self.n_kept
            gradient -= rows.T @ (change * self.residual[changed])
            gram += (rows.T * change) @ rows
            moved += np.abs(change).sum() * self.n_kept
            mass = new
        self.row_weight[self.index] = mass / self.n_kept
        return total, n_steps


def _nearly_whole(number):
    """The number without rounding errors, if it is a whole one."""
    whole = round(number)
    return float(whole) if abs(number - whole) <= ROUNDING * number else number
