"""Trimmed squares of a moderate number of rows, for many fits at once."""

import numpy as np
from numpy.typing import NDArray

from .._concentration import (
    concentrate_fits,
    evaluate_fits,
    fit_smallest,
    smooth_fits,
)
from .._exchanges import MAX_EXCHANGED, descend_fits
from .._least_squares import fit_drawn, fit_exactly, fit_masses
from ..linear._algebra import EPS
from ..linear._robust_scale import ROUNDING
from ._normal_equations import TINY, Equations, select, solve, white_axes

Floats = NDArray[np.float64]

# How much further than the last one a concentration step starts.
MOMENTUM = 0.5

# In units of the smallest mean square of h targets: objectives, and squares of single
# residuals, up to these are rounding errors.
EXACT_SQUARES = 1e-20
EXACT_ROW = 1e-14

# Fits in up to this many coordinates are exact. With more, they come from conjugate
# gradients: so many steps for all of them at once, each at the cost of two products
# with the rows, until what is left to gain is this part of the objective. A fit that
# needs more gets a Gram matrix of its own.
MAX_EXACT_RANK = 64
MAX_GRADIENTS = 20
NOTHING_TO_GAIN = 1e-5

# Numbers of rows and columns of the kernel are multiples of this.
LANES = 8


class TrimmedRows:
    """Rows in memory, and trimmed squares on them for many coefficient vectors at once.

    Coefficient vectors z are the rows of arrays of shape (n_fits, n_coordinates). The
    coordinates are those in which the central half of the rows is white: in the ones of
    the design, a few rows that are far out leave the others no digits.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, rank)
        Rows of the design.
    y : ndarray of shape (n_rows,)
        Targets, of the order of one except for outliers.
    weight : ndarray of shape (n_rows,) or None
        Frequencies. None means ones.
    n_kept : float
        Sum of the weights of the rows to keep.
    penalty : ndarray of shape (rank,)
        Quadratic penalty of the coordinates of the design.
    noise : ndarray of shape (rank, rank), default=None
        Gram matrix of the rounding errors of a row, as for `LinearDesign`.

    Attributes
    ----------
    transform : ndarray of shape (rank, n_coordinates)
        Coordinates of the design at the unit coordinates.
    central_masses : list of ndarray of shape (n_rows,)
        Masses of the central rows, in which the coordinates are white.
    is_exact : bool
        Whether fits are exact, by the compiled kernel.
    """

    def __init__(self, rows, y, weight, n_kept, penalty, noise=None):
        self.y = y
        self.weight = weight
        self.unit_weight = np.ones(y.size) if weight is None else weight
        self.total = self.unit_weight.sum()
        self.n_kept = n_kept
        self._whiten(rows, noise)
        self.penalty = None
        if penalty.any():
            self.penalty = (self.transform.T * penalty) @ self.transform
        self.is_exact = 0 < self.n_coordinates <= MAX_EXACT_RANK
        self.pack()

    def _whiten(self, rows, noise, n_rounds=2):
        """Find coordinates, and the rows, in which the central half is white.

        Directions in which that half has rounding errors only are left as they are.
        """
        self.transform = white_axes(rows, self.unit_weight)
        self.rows = rows @ self.transform
        self.central_masses = []
        for _ in range(n_rounds):
            distance = np.einsum("ij,ij->i", self.rows, self.rows)[None]
            mass = select(distance, self.total / 2, self.weight)[0]
            error = None
            if noise is not None:
                error = self.transform.T @ noise @ self.transform
            step = white_axes(self.rows, mass, keep_rank=True, noise=error)
            self.transform = self.transform @ step
            self.rows = rows @ self.transform
            self.central_masses.append(mass)

    @property
    def n_coordinates(self):
        """Number of coordinates, the rank of the rows."""
        return self.rows.shape[1]

    def pack(self):
        """Copy the rows as the kernel takes them."""
        n, q = self.rows.shape
        rows = np.zeros((n, -(-(q + 1) // LANES) * LANES))
        rows[:, :q], rows[:, q] = self.rows, self.y
        columns = np.zeros((q + 1, -(-n // LANES) * LANES))
        columns[:, :n] = rows[:, : q + 1].T
        self._packed: tuple[Floats, Floats] = columns, rows

    @property
    def _data(self) -> tuple[Floats, Floats, Floats | None, Floats | None, float]:
        """What the kernel has to know."""
        return *self._packed, self.weight, self.penalty, float(self.n_kept)

    def losses(self, z):
        """Squared residuals of each fit."""
        residual = z @ self.rows.T
        np.subtract(self.y, residual, out=residual)
        return np.square(residual, out=residual)

    def select(self, losses):
        """Masses of the rows that each fit keeps."""
        return select(losses, self.n_kept, self.weight)

    def objective(self, z, losses, masses):
        """Half the mean of the kept losses, and the penalty, of each fit."""
        value = np.einsum("ij,ij->i", losses, masses) / self.n_kept
        if self.penalty is not None:
            value += np.einsum("ij,ij->i", z @ self.penalty, z)
        return 0.5 * np.where(np.isfinite(value), value, np.inf)

    def fit_drawn(self, index):
        """Least squares of rows drawn for each fit."""
        columns, rows, _, penalty, _ = self._data
        z = np.empty((len(index), self.n_coordinates))
        fit_drawn(columns, rows, penalty, np.ascontiguousarray(index), z)
        return z

    def fit_exactly(self, index, dependent):
        """Fits through the first rows drawn for each that are independent.

        Those of which the others leave no more than the part `dependent` are passed
        over. Returns the fits, and which have found as many as there are coordinates.
        """
        columns, rows = self._packed
        z = np.empty((len(index), self.n_coordinates))
        chosen = np.empty(z.shape, dtype=np.intp)
        found = np.empty(len(z), dtype=bool)
        index = np.ascontiguousarray(index)
        fit_exactly(columns, rows, index, dependent, z, chosen, found)
        return z, found

    def fit_halves(self, values, mass):
        """Fits of the half of the rows with these masses that has the least values."""
        kept = mass.sum() / 2
        if not self.is_exact:
            values[:, mass == 0] = np.inf
            return self.fit(select(values, kept, None if mass.max() == 1 else mass))
        columns, rows, _, penalty, _ = self._data
        values = np.ascontiguousarray(values - values.min(axis=1, keepdims=True))
        weight = None if (mass == 1).all() else np.ascontiguousarray(mass, dtype=float)
        z = np.empty((len(values), self.n_coordinates))
        fit_smallest(columns, rows, weight, penalty, kept, values, z)
        return z

    def normal_equations(self, masses):
        """Matrices and right-hand sides of least squares with these masses."""
        q = self.n_coordinates
        gram = np.empty((len(masses), q, q))
        for i, mass in enumerate(masses):
            kept = np.flatnonzero(mass)
            some = self.rows[kept] * np.sqrt(mass[kept, None])
            np.matmul(some.T, some, out=gram[i])
        right = (masses * self.y) @ self.rows
        if self.penalty is not None:
            gram += masses.sum(axis=1)[:, None, None] * self.penalty
        return gram, right

    def fit(self, masses, start=None):
        """Least squares with these masses, by conjugate gradients from `start` on."""
        if self.is_exact:
            z = np.empty((len(masses), self.n_coordinates))
            columns, rows, _, penalty, _ = self._data
            fit_masses(columns, rows, penalty, np.ascontiguousarray(masses), z)
            return z
        if start is None:
            start = np.zeros((len(masses), self.n_coordinates))
        z, is_good = self._conjugate_gradients(masses, start)
        for i in np.flatnonzero(~is_good):
            z[i] = solve(*self.normal_equations(masses[i : i + 1]))[0]
        return z

    def _conjugate_gradients(self, masses, z):
        """Least squares with these masses to a few digits, and where that was reached.

        Coordinates are white on some half of the rows, so nearly on another.
        """
        z, is_good = z.copy(), np.zeros(len(z), dtype=bool)
        total = masses.sum(axis=1)
        residual = self.y - z @ self.rows.T
        kept = residual * masses
        value = np.einsum("ij,ij->i", residual, kept)
        descent = kept @ self.rows
        if self.penalty is not None:
            pull = total[:, None] * (z @ self.penalty)
            value += np.einsum("ij,ij->i", z, pull)
            descent -= pull
        square = np.einsum("ij,ij->i", descent, descent)
        active, direction = np.arange(len(z)), descent.copy()
        for n_steps in range(MAX_GRADIENTS + 1):
            good = square <= NOTHING_TO_GAIN * total * value
            is_good[active[good]] = True
            going = ~good & np.isfinite(square)
            if n_steps == MAX_GRADIENTS or not going.any():
                break
            if not going.all():
                active, total, value = active[going], total[going], value[going]
                square, masses = square[going], masses[going]
                descent, direction = descent[going], direction[going]
            ahead = direction @ self.rows.T
            ahead *= masses
            ahead = ahead @ self.rows
            if self.penalty is not None:
                ahead += total[:, None] * (direction @ self.penalty)
            curvature = np.einsum("ij,ij->i", direction, ahead)
            length = square / np.maximum(curvature, TINY)
            z[active] += length[:, None] * direction
            descent -= length[:, None] * ahead
            value = np.maximum(value - length * square, 0.0)
            last, square = square, np.einsum("ij,ij->i", descent, descent)
            direction = descent + (square / last)[:, None] * direction
        return z, is_good

    def concentrate(self, z, n_steps, momentum=0.0):
        """Repeat least squares on the rows that each fit keeps.

        Each step starts a bit further than where the last one led: near a minimum,
        plain steps lead in much the same direction many times.
        """
        if self.is_exact:
            z = z.copy()
            concentrate_fits(*self._data, z, n_steps, momentum)
            return z
        last = z
        for _ in range(n_steps):
            ahead = z + momentum * (z - last)
            last, z = z, self.fit(self.select(self.losses(ahead)), ahead)
        return z

    def smooth(self, z, scale, epsilon, settled, max_steps):
        """Repeat least squares with the weights of soft choices, of less than all rows.

        Returns the fits, the masses of the first one, and the number of steps.
        """
        z, masses = z.copy(), np.empty(self.y.size)
        options = scale, epsilon, settled, max_steps
        return z, masses, smooth_fits(*self._data, z, *options, masses)

    def evaluate(self, z):
        """The objective of each fit; of exact ones minus the mass on the plane."""
        if self.is_exact:
            value = np.empty(len(z))
            z = np.ascontiguousarray(z)
            evaluate_fits(*self._data, z, EXACT_SQUARES, EXACT_ROW, value)
            return value
        losses = self.losses(z)
        value = self.objective(z, losses, self.select(losses))
        exact = np.flatnonzero(value <= EXACT_SQUARES)
        value[exact] = -((losses[exact] <= EXACT_ROW) @ self.unit_weight)
        return value

    def descend(self, z, max_steps=500):
        """Steps from one fit to a local minimum, which it returns with its objective.

        Where a concentration step changes nothing, the best exchange of a kept row for
        another (Hawkins 1994) is tried.
        """
        if self.is_exact:
            fits, value = z[None].copy(), np.empty(1)
            n_steps = descend_fits(*self._data, fits, value, max_steps)
            return fits[0], value[0], n_steps
        mass = self._whole(self.select(self.losses(z[None]))[0])
        equations = Equations(self, mass)
        best = np.inf
        n_steps = 0
        while n_steps < max_steps:
            n_steps += 1
            new = equations.solution()[None]
            losses = self.losses(new)
            kept = self.select(losses)
            value = self.objective(new, losses, kept)[0]
            if not value < best * (1 - ROUNDING):
                break
            best, z = value, new[0]
            change = self._whole(kept[0]) - mass
            if losses[0] @ change >= -ROUNDING * best * self.n_kept:
                change = self._exchange(z, losses[0], mass, equations)
                if change is None:
                    break
            mass = mass + change
            equations.update(change)
        return z, best, n_steps

    def _exchange(self, z, losses, mass, equations):
        """Change of the masses in the exchange that lowers the objective most, or None.

        Adding a row j to least squares and removing a row i changes the sum of squares
        by ``r_j^2 / (1 + h_jj) - s_i^2 / (1 - g_ii)``, where s_i and g_ii are residual
        and leverage with j added: ``s_i = r_i - h_ij r_j / (1 + h_jj)`` and
        ``g_ii = h_ii - h_ij^2 / (1 + h_jj)``.
        """
        leverage = equations.leverage()
        residual = self.y - self.rows @ z
        cost = losses / (1 + leverage)
        gain = losses / np.maximum(1 - leverage, EPS)
        inside = np.flatnonzero(mass)
        if inside.size > MAX_EXCHANGED:
            inside = inside[np.argpartition(-gain[inside], MAX_EXCHANGED)]
            inside = inside[:MAX_EXCHANGED]
        outside = np.flatnonzero(mass < self.unit_weight)
        if outside.size > MAX_EXCHANGED:
            outside = outside[np.argpartition(cost[outside], MAX_EXCHANGED)]
            outside = outside[:MAX_EXCHANGED]
        if inside.size == 0 or outside.size == 0:
            return None
        cross = self.rows[inside] @ equations.inverse @ self.rows[outside].T
        ratio = cross / (1 + leverage[outside])
        square = (residual[inside, None] - ratio * residual[outside]) ** 2
        square /= np.maximum(1 - leverage[inside, None] + ratio * cross, EPS)
        increase = cost[outside] - square
        i, j = np.unravel_index(increase.argmin(), increase.shape)
        if not increase[i, j] < -ROUNDING * (losses @ mass):
            return None
        i, j = inside[i], outside[j]
        change = np.zeros_like(mass)
        change[j] = min(mass[i], self.unit_weight[j] - mass[j], 1.0)
        change[i] = -change[j]
        return change

    def _whole(self, mass):
        """Give what tied rows share to the first of them."""
        shared = np.flatnonzero((mass > 0) & (mass < self.unit_weight))
        if shared.size > 1:
            weight = self.unit_weight[shared]
            before = np.cumsum(weight) - weight
            mass[shared] = np.clip(mass[shared].sum() - before, 0, weight)
        return mass
