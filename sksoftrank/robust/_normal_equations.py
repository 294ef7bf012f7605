"""What trimmed fits consist of: the rows to keep, normal equations, white axes."""

import math
from typing import Any

import numpy as np

from ..linear._algebra import EPS, NOISE
from ..linear._robust_scale import ROUNDING

TINY = np.finfo(np.float64).tiny

# Fits closer than this in their objectives count as the same.
SAME = 1e-9

# Rows that change sides between two Gram matrices of which the inverse is updated, as a
# part of the coordinates; and updates until it is computed anew.
MAX_UPDATED = 0.2
MAX_UPDATES = 30
SMALLEST_REST = 1e-6  # of a Gram matrix without the rows that leave, in its own units


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
        self._is_exact = trimmed.is_exact
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
            self._is_exact
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
