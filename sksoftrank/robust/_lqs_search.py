"""Search for the global minimum of the hard least quantile of squares (LQS)."""

import copy
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import gen_batches

from .._edges import follow_edges
from ..linear._algebra import EPS
from ..linear._robust_scale import ROUNDING
from ._lts_rows import TrimmedRows
from ._lts_search import Start
from ._lts_starts import elemental_fits
from ._lts_steps import BAND
from ._normal_equations import best_fits, select

# Larger data are searched in a random sample first, and then in bands of this many
# rows, or this fraction of them, next to the boundary.
MAX_DRAWN = 1500
BAND_SIZE = 2000


class Effort(NamedTuple):
    """Rounds of fits through random rows."""

    n_rounds: int
    n_residuals: int  # of all fits of a round, by default
    n_best: int  # fits of a round that go on


# Few rows have many local minima that are close to each other, and moves cost little.
SMALL = 400
THOROUGH = Effort(n_rounds=12, n_residuals=75_000, n_best=6)
QUICK = Effort(n_rounds=6, n_residuals=300_000, n_best=4)

# Limits of the number of fits in a round.
N_SUBSETS = 200, 1000

# Weight in the draws of rows that the best fit does not keep.
OUTSIDE = 1e-6

# Relative changes below this are those of rows that depend linearly on active ones.
DEPENDENT_SUBSET = 1e-10


def lqs_search(
    design, y, sample_weight, n_kept, starts, *, n_init, random_state, max_iter, zero
):
    """Search for the global minimum of the hard LQS objective.

    Each of a few rounds fits random rows exactly, and moves from the best of these fits
    along the edges of the objective to local minima. From the second round on, the rows
    are drawn from those that the best fit keeps.

    Parameters
    ----------
    design : LinearDesign
        Features, with a moderate number of coordinates.
    y : ndarray of shape (n_samples,)
        Targets.
    sample_weight : ndarray of shape (n_samples,)
        Frequencies, at least 0.
    n_kept : float
        Weight h of the observations that the bound on the residuals holds for.
    starts : list of ndarray of shape (n_coordinates,)
        At least one fit from which to move, too.
    n_init : int or "auto"
        Number of random fits of each round.
    random_state : RandomState
        Source of the random numbers.
    max_iter : int
        Largest number of moves from one fit, and of bands of rows of large data.
    zero : float
        Residuals up to this are rounding errors.

    Returns
    -------
    Start
        The best local minimum found.
    """
    data = design, y, sample_weight, n_kept
    sampled, n_moves = _search_sample(
        *data, starts, n_init, random_state, max_iter, zero
    )
    best: Any = None
    for z in [sampled, *starts]:
        z, value, more, message = descend_in_bands(
            *data, z, max_iter=max_iter, zero=zero
        )
        n_moves += more
        if best is None or value < best[0]:
            best = value, z, message
    return Start(best[1], n_moves, best[2])


def descend_in_bands(design, y, sample_weight, n_kept, z, *, max_iter, zero):
    """Move from z to a local minimum, looking at few of many rows at once.

    While a fit changes little, only rows next to the boundary of those that are kept
    can change sides. Rows further away that do are looked at, too, in the next attempt.

    Returns the coordinates, the objective, the number of moves, and None or what went
    wrong.
    """
    used = sample_weight > 0
    n_band = max(BAND_SIZE, int(BAND * y.size))
    n_moves = 0
    crossed = np.zeros(y.size, dtype=bool)
    bound, size, value = _evaluate(design, y, sample_weight, n_kept, z)
    for _ in range(max_iter):
        distance = np.abs(size - bound)
        near = used | crossed
        if n_band < y.size:
            near &= crossed | (distance <= np.partition(distance, n_band)[n_band])
        index = np.flatnonzero(near)
        kept = (size <= bound) & ~near
        band = QuantileRows(
            design.rows(index),
            y[index],
            sample_weight[index],
            n_kept - sample_weight[kept].sum(),
            np.diag(design.penalty),
            zero,
        )
        new_z, band_bound, more = band.descend(z, max_iter)
        n_moves += more
        new_bound, new_size, new_value = _evaluate(
            design, y, sample_weight, n_kept, new_z
        )
        if new_value < value * (1 - ROUNDING):
            z, bound, size, value = new_z, new_bound, new_size, new_value
            crossed[:] = False
            continue
        escaped = used & ~near & (kept != (new_size <= band_bound))
        if not escaped.any():
            return z, value, n_moves, None
        crossed |= escaped
    return z, value, n_moves, f"{max_iter} bands of rows were not enough."


def _evaluate(design, y, sample_weight, n_kept, z):
    """Bound and sizes of the residuals, and the objective."""
    size = np.abs(y - design.predict(z))
    bound = _bounds(size[None], n_kept, sample_weight)[0]
    return bound, size, 0.5 * (bound**2 + design.penalty @ z**2)


def _bounds(size, n_kept, weight):
    """The h-th smallest size of a residual of each fit."""
    kept = select(size, n_kept, None if (weight == 1).all() else weight) > 0
    return np.max(size, axis=1, where=kept, initial=0.0)


def _search_sample(
    design, y, sample_weight, n_kept, starts, n_init, rng, max_iter, zero
):
    """The best fit to (a sample of) the rows, and the number of moves that it took."""
    index, weight = _sample(sample_weight, rng)
    effort = THOROUGH if index.size <= SMALL else QUICK
    if n_init == "auto":
        n_init = int(np.clip(effort.n_residuals / index.size, *N_SUBSETS))
    n_kept = n_kept * weight.sum() / sample_weight.sum()
    rows = TrimmedRows(
        design.rows(index), y[index], weight, n_kept, design.penalty, design.noise
    )
    fitted = QuantileRows(rows.rows, rows.y, weight, n_kept, rows.penalty, zero)
    level = None
    if design.fit_intercept and design.row_scale is None:
        level = np.linalg.lstsq(rows.rows, np.ones(index.size), rcond=None)[0]
    found = np.linalg.lstsq(rows.transform, np.transpose(starts), rcond=None)[0].T
    best, best_value, n_moves = None, np.inf, 0
    draws = copy.copy(rows)  # with other weights later
    for _ in range(effort.n_rounds):
        found = np.vstack(
            [found, _best_draws(fitted, draws, level, n_init, effort.n_best, rng)]
        )
        for z in found:
            z, bound, more = fitted.descend(z, max_iter)
            n_moves += more
            value = fitted.value(z, bound)
            if value < best_value:
                best, best_value = z, value
        if n_init == 0 or best_value <= 0.5 * zero**2:
            break
        size = np.abs(rows.y - rows.rows @ best)
        draws.unit_weight = weight * np.where(size <= fitted.bound(best), 1.0, OUTSIDE)
        found = found[:0]
    return rows.transform @ best, n_moves


def _best_draws(fitted, draws, level, n_init, n_best, rng):
    """The best fits through random rows."""
    z, bound = np.empty((0, fitted.rows.shape[1])), np.empty(0)
    size = int(np.clip(QUICK.n_residuals / draws.y.size, *N_SUBSETS))
    for batch in gen_batches(n_init, size):
        drawn = elemental_fits(draws, batch.stop - batch.start, rng)
        drawn, new = fitted.level(drawn, level)
        z, bound = np.vstack([z, drawn]), np.append(bound, new)
        z, bound = best_fits(z, bound, n_best)
    return z


def _sample(sample_weight, rng):
    """Rows drawn with replacement from all repeats of all rows, and how often."""
    used = np.flatnonzero(sample_weight)
    if used.size <= MAX_DRAWN:
        return used, sample_weight[used]
    cumulated = np.cumsum(sample_weight)
    drawn = np.searchsorted(cumulated, cumulated[-1] * rng.random_sample(MAX_DRAWN))
    index, counts = np.unique(drawn, return_counts=True)
    return index, counts.astype(np.float64)


class QuantileRows:
    """Rows in memory, and the objective of hard LQS on them.

    A point x = (z, e) consists of the coordinates of a fit and of a bound e on the
    residuals of rows of weight h. The objective is ``(e^2 + z' penalty z) / 2``. Rows
    with a residual of size e are *active*.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_coordinates)
        Features.
    y : ndarray of shape (n_rows,)
        Targets.
    weight : ndarray of shape (n_rows,)
        Frequencies, above 0.
    n_kept : float
        The weight h.
    penalty : ndarray of shape (n_coordinates, n_coordinates), or None
        Quadratic penalty.
    zero : float
        Bounds up to this are rounding errors.
    """

    def __init__(self, rows, y, weight, n_kept, penalty=None, zero=0.0):
        self.rows, self.y, self.weight, self.n_kept = rows, y, weight, n_kept
        self.zero = zero
        n = rows.shape[1]
        self.root = np.zeros((n + 1, n + 1))  # root' root is the Hessian in x
        self.root[n, n] = 1.0
        if penalty is not None:
            curvature, axes = np.linalg.eigh(penalty)
            root = np.sqrt(np.maximum(curvature, 0))
            self.root[:n, :n] = root[:, None] * axes.T

    def bound(self, z):
        """The smallest bound that holds for rows of weight h."""
        size = np.abs(self.y - self.rows @ z)
        return _bounds(size[None], self.n_kept, self.weight)[0]

    def value(self, z, bound):
        """The objective."""
        return 0.5 * np.sum((self.root @ np.append(z, bound)) ** 2)

    def level(self, z, level):
        """Move many fits along `level`, by which they rise, to their least bounds.

        That is the middle of the shortest interval of residuals of weight h. Without a
        level the fits stay.
        """
        residual = self.y - z @ self.rows.T
        if level is None:
            return z, _bounds(np.abs(residual), self.n_kept, self.weight)
        order = np.argsort(residual, axis=1)
        residual = np.take_along_axis(residual, order, axis=1)
        # One sorted array of the cumulated weights of all fits tells the ends.
        mass = np.cumsum(self.weight[order], axis=1)
        before = mass - self.weight[order]
        shift = 2 * self.weight.sum() * np.arange(len(z))[:, None]
        target = (before + self.n_kept) * (1 - ROUNDING)
        end = np.searchsorted((mass + shift).ravel(), (target + shift).ravel())
        end = end.reshape(mass.shape) - mass.shape[1] * np.arange(len(z))[:, None]
        outside = end >= mass.shape[1]
        end[outside] = 0
        width = np.take_along_axis(residual, end, axis=1) - residual
        width[outside] = np.inf
        best = width.argmin(axis=1)[:, None]
        half = 0.5 * np.take_along_axis(width, best, axis=1)
        middle = np.take_along_axis(residual, best, axis=1) + half
        return z + middle * level, half[:, 0]

    def descend(self, z, max_steps):
        """Move along edges to a local minimum.

        Returns the fit, its bound, and the number of moves.
        """
        x = np.append(z, self.bound(z))
        residual = self.y - self.rows @ z
        active = np.array([np.abs(np.abs(residual) - x[-1]).argmin()])
        sign = np.where(residual[active] < 0, -1.0, 1.0)
        n_moves, is_settled = 0, False
        while n_moves < max_steps:
            value = self.value(x[:-1], x[-1])
            if x[-1] <= self.zero:
                break
            steps, dropped = self._edges(x, active, sign, is_settled)
            length, entering = self._follow(x, steps, active, sign, dropped)
            slope = self.root @ x @ self.root @ steps
            curvature = np.sum((self.root @ steps) ** 2, axis=0)
            gain = -length * slope - 0.5 * length**2 * curvature
            best = np.argmax(gain)
            row, leaves_all = entering[best], dropped[best] < 0
            if gain[best] <= ROUNDING * value and (is_settled or not leaves_all):
                break
            n_moves += 1
            x = x + length[best] * steps[:, best]
            # Where several rows become active at once, they do so one after another:
            # such a move gains nothing. Other moves that do not are rounding errors.
            has_fallen = self.value(x[:-1], x[-1]) < (1 - ROUNDING) * value
            if not has_fallen and (is_settled or not leaves_all):
                break
            is_settled = not has_fallen and row < 0
            kept = np.arange(active.size) != dropped[best]
            active, sign = active[kept], sign[kept]
            if row >= 0:
                side = -1.0 if self.y[row] < self.rows[row] @ x[:-1] else 1.0
                active, sign = np.append(active, row), np.append(sign, side)
                if not self._is_independent(active, sign):  # among ties
                    break
        z = x[:-1]
        return z, self.bound(z), n_moves

    def _normals(self, active, sign):
        """Row i is active where ``sign_i * rows_i @ z + e = sign_i * y_i``."""
        return np.column_stack([sign[:, None] * self.rows[active], np.ones(sign.size)])

    def _is_independent(self, active, sign):
        normals = self._normals(active, sign)
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        return np.linalg.svd(normals, compute_uv=False)[-1] > DEPENDENT_SUBSET

    def _edges(self, x, active, sign, is_settled):
        """Steps that lower the objective most and leave rows active.

        If there is one that leaves all active, it is the only one, unless it has been
        taken (`is_settled`). Else each leaves all but one, which is returned, too, by
        its position, instead of -1.
        """
        left, size, right = np.linalg.svd(self._normals(active, sign))
        free = right[size.size :].T
        shrink = np.linalg.pinv(self.root @ free)
        slope = self.root @ x
        step = -free @ (shrink @ slope)
        far = np.linalg.norm(self.root @ step) > 1e-9 * np.linalg.norm(slope)
        if active.size == 0 or (far and not is_settled):
            return step[:, None], np.array([-1])
        edges = right[: size.size].T / size @ left.T
        edges -= free @ (shrink @ (self.root @ edges))
        change = self.root @ edges
        square = np.sum(change**2, axis=0)
        length = -(slope @ change) / np.where(square > 0, square, np.inf)
        return edges * length, np.arange(active.size)

    def _follow(self, x, steps, active, sign, dropped):
        """How far to go along steps, up to 1, and the rows that become active there."""
        residual = self.y - self.rows @ x[:-1]
        slack = 16 * EPS * (np.abs(self.y) + np.abs(self.rows) @ np.abs(x[:-1]))
        for bound in (x[-1], -x[-1]):
            residual[np.abs(residual - bound) <= slack] = bound
        residual[active] = sign * x[-1]
        moves, raises = steps[:-1].T, steps[-1][:, None]
        change = moves @ self.rows.T
        size = np.abs(moves) @ np.abs(self.rows).T
        for bound in (raises, -raises):
            same = np.abs(change - bound) <= DEPENDENT_SUBSET * (size + np.abs(bound))
            change = np.where(same, bound, change)
        for i, position in enumerate(dropped):
            stays = np.arange(active.size) != position
            change[i, active[stays]] = -sign[stays] * steps[-1, i]
        length = np.empty(len(change))
        entering = np.empty(len(change), dtype=np.intp)
        needed = self.n_kept * (1 - ROUNDING)
        follow_edges(
            residual,
            np.ascontiguousarray(change),
            self.weight,
            float(x[-1]),
            raises[:, 0].copy(),
            needed,
            length,
            entering,
        )
        return length, entering
