"""Trimmed squares of a moderate number of rows, for many fits at once."""

import functools
import math
from typing import Any

import numpy as np

from ..linear._algebra import EPS, NOISE
from ..linear._robust_scale import ROUNDING

# How much further than the last one a concentration step starts.
MOMENTUM = 0.5

# In units of the smallest mean square of h targets: objectives, and squares of single
# residuals, up to these are rounding errors.
EXACT_SQUARES = 1e-20
EXACT_ROW = 1e-14

TINY = np.finfo(np.float64).tiny

# Fits closer than this in their objectives count as the same.
SAME = 1e-9

# Products of columns are stored for designs of up to this many coordinates. With more,
# the fits of a search come from conjugate gradients: so many steps for all of them at
# once, each as dear as two products with the rows, until what is left to gain is this
# part of the objective. A fit that needs more gets a Gram matrix of its own. With few
# rows a coordinate there are many minima, and exact fits find better ones.
MAX_PRODUCTS_RANK = 30
MAX_PRODUCTS_RANK_OF_FEW = 64
FEW = 500
MAX_GRADIENTS = 20
NOTHING_TO_GAIN = 1e-5

# Rows that change sides between two Gram matrices of which the inverse is updated, as a
# part of the coordinates; and updates until it is computed anew.
MAX_UPDATED = 0.2
MAX_UPDATES = 30
SMALLEST_REST = 1e-6  # of a Gram matrix without the rows that leave, in its own units

# Rows on either side that are considered for an exchange.
MAX_EXCHANGED = 64


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
    has_products : bool
        Whether fits are exact, from stored products of columns.
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
        few = y.size <= FEW
        limit = MAX_PRODUCTS_RANK_OF_FEW if few else MAX_PRODUCTS_RANK
        self.has_products = self.n_coordinates <= limit
        self._products = None

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

    def normal_equations(self, masses):
        """Matrices and right-hand sides of least squares with these masses."""
        n, q = self.rows.shape
        if not self.has_products:
            gram = np.empty((len(masses), q, q))
            for i, mass in enumerate(masses):
                kept = np.flatnonzero(mass)
                some = self.rows[kept] * np.sqrt(mass[kept, None])
                np.matmul(some.T, some, out=gram[i])
            right = (masses * self.y) @ self.rows
        else:
            upper = _upper_triangle(q)
            products = self._products
            if products is None:
                products = np.empty((n, upper[0].size + q))
                products[:, :-q] = self.rows[:, upper[0]]
                products[:, :-q] *= self.rows[:, upper[1]]
                products[:, -q:] = self.rows * self.y[:, None]
                self._products = products  # once filled: other threads look at it
            sums = masses @ products
            gram = np.empty((len(masses), q, q))
            gram[:, upper[0], upper[1]] = sums[:, :-q]
            gram[:, upper[1], upper[0]] = sums[:, :-q]
            right = sums[:, -q:]
        if self.penalty is not None:
            gram += masses.sum(axis=1)[:, None, None] * self.penalty
        return gram, right

    def fit(self, masses, start=None):
        """Least squares with these masses, by conjugate gradients from `start` on."""
        if self.has_products:
            return solve(*self.normal_equations(masses))
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
        last = z
        for _ in range(n_steps):
            ahead = z + momentum * (z - last)
            last, z = z, self.fit(self.select(self.losses(ahead)), ahead)
        return z

    def evaluate(self, z):
        """The objective of each fit; of exact ones minus the mass on the plane."""
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


class Equations:
    """Normal equations of least squares with masses that change a little at a time.

    Parameters
    ----------
    trimmed : TrimmedRows
    mass : ndarray of shape (n_rows,)
        The first masses.

    Attributes
    ----------
    inverse : ndarray of shape (n_coordinates, n_coordinates)
        Of the Gram matrix, after a call of `leverage`.
    """

    def __init__(self, trimmed, mass):
        self._rows, self._y = trimmed.rows, trimmed.y
        self._has_products = trimmed.has_products
        gram, right = trimmed.normal_equations(mass[None])
        self._gram, self._right = gram[0], right[0]
        self.inverse: Any = None
        self._leverage: Any = None
        self._n_updates = 0

    def solution(self):
        """Least squares."""
        if self.inverse is None:
            return solve(self._gram[None].copy(), self._right[None])[0]
        z = self.inverse @ self._right
        return z + self.inverse @ (self._right - self._gram @ z)

    def leverage(self):
        """Products of each row with the inverse and itself."""
        if self.inverse is None:
            gram = self._gram.copy()
            add_ridge(gram[None])
            self.inverse = np.linalg.inv(gram)
            solved = self._rows @ self.inverse
            self._leverage = np.einsum("ij,ij->i", solved, self._rows)
            self._n_updates = 0
        return self._leverage

    def update(self, change):
        """Change the masses."""
        changed = np.flatnonzero(change)
        rows, size = self._rows[changed], change[changed]
        weighted = rows.T * size
        self._gram = self._gram + weighted @ rows
        self._right = self._right + weighted @ self._y[changed]
        if self.inverse is None:
            return
        self._n_updates += 1
        inverse, self.inverse = self.inverse, None
        n_coordinates = len(inverse)
        if (
            self._has_products
            or changed.size > MAX_UPDATED * n_coordinates
            or self._n_updates > MAX_UPDATES
        ):
            return
        solved = inverse @ rows.T
        inner = np.eye(changed.size) + size[:, None] * (rows @ solved)
        if np.linalg.svd(inner, compute_uv=False)[-1] < SMALLEST_REST:
            return
        inner = np.linalg.inv(inner) * size
        self.inverse = inverse - solved @ inner @ solved.T
        seen = self._rows @ solved
        self._leverage = self._leverage - np.einsum("ij,ij->i", seen @ inner, seen)


def select(losses, n_kept, weight):
    """Masses of the rows with the smallest losses, for each row of losses.

    The masses add up to `n_kept`. Losses tied at the boundary share what is left.
    """
    if weight is None:
        position = min(math.ceil(n_kept), losses.shape[1]) - 1
        boundary = np.partition(losses, position, axis=1)[:, position, None]
        kept = losses <= boundary
        masses = kept.astype(np.float64)
        open_ = np.flatnonzero(np.count_nonzero(kept, axis=1) != n_kept)
        if open_.size == 0:
            return masses
        weight = 1.0
    else:
        order = np.argsort(losses, axis=1)
        cumulated = np.cumsum(weight[order], axis=1)
        position = (cumulated < n_kept * (1 - ROUNDING)).sum(axis=1, keepdims=True)
        position = np.minimum(position, losses.shape[1] - 1)
        boundary = np.take_along_axis(losses, order, axis=1)
        boundary = np.take_along_axis(boundary, position, axis=1)
        masses = (losses <= boundary) * weight
        open_ = np.arange(len(losses))
    tied = (losses[open_] == boundary[open_]) * weight
    below = masses[open_] - tied
    share = n_kept - below.sum(axis=1)
    share /= np.maximum(tied.sum(axis=1), TINY)
    masses[open_] = below + np.clip(share, 0, 1)[:, None] * tied
    return masses


def solve(gram, right):
    """Solve normal equations, of which `gram` is overwritten.

    What the rows do not determine is 0.
    """
    add_ridge(gram)
    return np.linalg.solve(gram, right[:, :, None])[:, :, 0]


def add_ridge(gram):
    """Make singular matrices regular, and change others little, in place."""
    diagonal = np.einsum("ijj->ij", gram)  # a view
    size = np.einsum("ijj->i", gram) / gram.shape[1]
    diagonal += 1e-13 * size[:, None] + TINY


def best_fits(z, value, n_best):
    """The best fits that differ, and their objectives."""
    order = np.argsort(value, kind="stable")
    ordered = value[order]
    differs = np.append(True, ordered[1:] > ordered[:-1] * (1 + SAME))
    order = order[differs][:n_best]
    return z[order], value[order]


def white_axes(rows, mass, keep_rank=False, noise=None):
    """Coordinates in which the rows with these masses are white.

    Directions in which they do not vary, but for rounding errors of the Gram matrix
    `noise`, are left out, or with `keep_rank` left as they are.
    """
    used = mass > 0
    root = np.sqrt(mass[used] / mass.sum())
    triangle = np.linalg.qr(rows[used] * root[:, None], mode="r")
    _, s, axes = np.linalg.svd(triangle, full_matrices=keep_rank)
    s = np.append(s, np.zeros(len(axes) - s.size))
    varies = s > s.max(initial=0.0) * max(rows.shape) * EPS
    if noise is not None:
        square = np.einsum("ij,ij->i", axes @ noise, axes)
        varies &= s[: len(axes)] > NOISE * np.sqrt(np.maximum(square, 0.0))
    if keep_rank:
        return axes.T / np.where(varies, s, 1.0)
    return axes[varies].T / s[varies]


@functools.lru_cache(maxsize=8)
def _upper_triangle(size):
    return np.triu_indices(size)
