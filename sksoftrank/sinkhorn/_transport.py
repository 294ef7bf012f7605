"""Means under transport plans: what every Sinkhorn operator returns, differentiated."""

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import NamedTuple

import numpy as np

from ._entropic_plan import (
    PLAN_ROUNDING,
    ColumnLaplacian,
    conditionals,
    hard_conditionals,
    solve,
)
from ._squashing import weighted_ends

# Plans are treated in batches of about this many entries, which stay in cache.
PLAN_BATCH = 2**17

# Relative accuracy of the linear systems behind a derivative.
DERIVATIVE_RTOL = 1e-13


class Cost(NamedTuple):
    """A cost h of differences ``milestone - point``, and its derivative h'."""

    value: Callable
    slope: Callable


def make_cost(cost):
    """The cost named by a power or a callable, or say what is wrong with it."""
    if callable(cost):
        return Cost(partial(_call_cost, cost, 0), partial(_call_cost, cost, 1))
    if not isinstance(cost, Real) or isinstance(cost, (bool, np.bool_)):
        raise TypeError(f"cost must be a power or a callable, got {cost!r}.")
    power = float(cost)
    if not 1 <= power < np.inf:
        raise ValueError(f"cost must be a finite power >= 1, got {cost!r}.")
    return Cost(partial(_power_value, power), partial(_power_slope, power))


def _power_value(power, difference):
    return difference * difference if power == 2 else np.abs(difference) ** power


def _power_slope(power, difference):
    if power == 2:
        return 2 * difference
    return power * np.sign(difference) * np.abs(difference) ** (power - 1)


def _call_cost(cost, part, difference):
    """What the user's `cost` returns: 0 for the costs, 1 for their derivatives."""
    try:
        value, slope = (np.asarray(array, dtype=float) for array in cost(difference))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"cost must return two arrays of numbers, the costs and their derivatives: "
            f"{error}."
        ) from error
    if part == 1 and not np.isfinite(slope).all():
        raise ValueError("cost must return derivatives that are finite.")
    for array in (value, slope):
        if array.shape != difference.shape:
            raise ValueError(
                f"cost must return arrays of the shape of its argument, "
                f"{difference.shape}, got {array.shape}."
            )
    return (value, slope)[part]


class TransportMeans:
    """Mean contents of the columns for each row, under the plans of a batch of slices.

    A plan carries points to milestones: either the points are its rows (ranks) or its
    columns (sorts). It is the entropic plan or, where `epsilon` is lost in the rounding
    errors of the cost, its limit.

    Parameters
    ----------
    points, point_weights : ndarrays of shape (count, n)
        In increasing order along the last axis. Weights may have any positive sum.
    milestones, milestone_weights : ndarrays of shape (m,)
    ties : pair of ndarrays of shape (count, n)
        Indices of the first and of the last tie of each point.
    contents : ndarray of shape (count, m) or (count, n)
        What the columns contain.
    points_in_rows : bool
    cost : Cost
    epsilon : float

    Attributes
    ----------
    means : ndarray of shape (count, n) or (count, m)
        Set by `solve`, as `errors`, the errors of the column sums.
    """

    def __init__(
        self,
        points,
        point_weights,
        milestones,
        milestone_weights,
        *,
        ties,
        contents,
        points_in_rows,
        cost,
        epsilon,
    ):
        self._points, self._milestones = points, milestones
        self._contents = contents
        self._points_in_rows = points_in_rows
        self._cost, self._epsilon = cost, epsilon
        count, m = len(points), len(milestones)
        no_ties = np.broadcast_to(np.arange(m), (count, m))
        sides = [
            (point_weights, *ties),
            (np.broadcast_to(milestone_weights, (count, m)), no_ties, no_ties),
        ]
        self._rows, self._columns = sides if points_in_rows else sides[::-1]
        self._is_hard = np.empty(0, dtype=bool)
        if points.size:
            self._is_hard = self._find_hard(point_weights, milestone_weights)
        # Only rows of soft plans are set.
        self._phi = np.full(self._columns[0].shape, np.nan)

    def _find_hard(self, point_weights, milestone_weights):
        """Whether epsilon is lost in the rounding errors of each slice's cost."""
        # A convex cost is largest at one of the ends.
        lowest, highest = weighted_ends(self._points, point_weights)
        used = self._milestones[milestone_weights > 0]
        ends = np.hstack([used[0] - highest, used[-1] - lowest])
        largest = np.abs(self._value(ends)).max(axis=1)
        return self._epsilon <= PLAN_ROUNDING * largest

    def solve(self, tol, max_iter):
        """Find the plans and the means under them."""
        self.means = np.empty(self._rows[0].shape)
        self.errors = np.zeros(len(self.means))
        for batch, is_hard in self._batches():
            if is_hard:
                W = self._hard_conditionals(batch)
            else:
                W = self._solve_soft(batch, tol, max_iter)
            self.means[batch] = _matvec(W, self._contents[batch])
        return self

    def _solve_soft(self, batch, tol, max_iter):
        K = self._scaled_cost(batch)
        a, b = self._weights(batch)
        is_weighted = a.all() and b.all()
        if not is_weighted:
            # Where there is no weight costs do not matter, and may be huge.
            K = np.where((a > 0)[:, :, None] & (b > 0)[:, None, :], K, 0.0)
        self._phi[batch], W, self.errors[batch] = solve(K, a, b, tol, max_iter)
        return W if is_weighted else self._conditionals(batch, False)

    def carry(self, u_contents):
        """Change of the means along a change of the contents."""
        change = np.empty(self.means.shape)
        for batch, is_hard in self._batches():
            W = self._conditionals(batch, is_hard)
            change[batch] = _matvec(W, u_contents[batch])
        return change

    def jvp(self, u_points):
        """Change of the means along a change of the points."""
        change = np.zeros(self.means.shape)
        for batch, is_hard in self._batches():
            if is_hard:
                continue
            W = self._conditionals(batch, is_hard)
            a, _ = self._weights(batch)
            dK = self._scaled_slope(batch) * -self._spread(u_points[batch])
            dK -= np.einsum("brc,brc->br", W, dK)[:, :, None]
            imbalance = _vecmat(a, W * dK)
            dphi = self._laplacian(W, a).solve(imbalance, DERIVATIVE_RTOL)
            deviations = self._deviations(batch)
            deviations *= W
            change[batch] = _matvec(deviations, dphi)
            change[batch] -= np.einsum("brc,brc->br", deviations, dK)
        return change

    def vjp(self, g):
        """Gradients in the points and in the contents, for `g` in the means."""
        g_points = np.zeros(self._points.shape)
        g_contents = np.empty(self._contents.shape)
        for batch, is_hard in self._batches():
            W = self._conditionals(batch, is_hard)
            g_contents[batch] = _vecmat(g[batch], W)
            if is_hard:
                continue
            a, _ = self._weights(batch)
            g_K = self._deviations(batch)
            g_K *= W
            g_K *= g[batch][:, :, None]
            z = self._laplacian(W, a).solve(g_K.sum(axis=1), DERIVATIVE_RTOL)
            W *= a[:, :, None] * (z[:, None, :] - _matvec(W, z)[:, :, None])
            W -= g_K
            W *= self._scaled_slope(batch)
            g_points[batch] = -W.sum(axis=2 if self._points_in_rows else 1)
        return g_points, g_contents

    def _batches(self):
        """Indices of slices, and whether their plans are hard."""
        size = max(
            1, PLAN_BATCH // max(1, self._points.shape[1] * len(self._milestones))
        )
        for is_hard in (False, True):
            slices = np.flatnonzero(self._is_hard == is_hard)
            for start in range(0, len(slices), size):
                yield slices[start : start + size], is_hard

    def _spread(self, points):
        """Points as rows or columns of their plans."""
        return points[:, :, None] if self._points_in_rows else points[:, None, :]

    def _differences(self, batch):
        milestones = self._milestones
        if not self._points_in_rows:
            milestones = milestones[:, None]
        return milestones - self._spread(self._points[batch])

    def _scaled_cost(self, batch):
        return _check_cost(self._value(self._differences(batch)) / self._epsilon)

    def _value(self, differences):
        with np.errstate(over="ignore"):
            return _check_cost(self._cost.value(differences))

    def _scaled_slope(self, batch):
        return self._cost.slope(self._differences(batch)) / self._epsilon

    def _weights(self, batch):
        a, b = self._rows[0][batch], self._columns[0][batch]
        return a / a.sum(axis=1, keepdims=True), b / b.sum(axis=1, keepdims=True)

    def _conditionals(self, batch, is_hard):
        if is_hard:
            return self._hard_conditionals(batch)
        K = self._scaled_cost(batch)
        W = conditionals(self._phi[batch], K)
        # Far rows without weight, where rounding hides how their costs differ.
        is_far = PLAN_ROUNDING * np.abs(K).max(axis=2) > 1
        is_lost = (self._rows[0][batch] == 0) & is_far
        if is_lost.any():
            W[is_lost] = self._hard_conditionals(batch)[is_lost]
        return W

    def _hard_conditionals(self, batch):
        a, row_starts, row_ends = (part[batch] for part in self._rows)
        b, starts, ends = (part[batch] for part in self._columns)
        return hard_conditionals(a, b, row_starts, row_ends, starts, ends)

    def _deviations(self, batch):
        """Contents of the columns less the mean for each row."""
        return self._contents[batch][:, None, :] - self.means[batch][:, :, None]

    @staticmethod
    def _laplacian(W, a):
        return ColumnLaplacian(W, a, _vecmat(a, W))


def _check_cost(costs):
    if not np.isfinite(costs).all():
        raise ValueError(
            "cost must be finite for all differences of targets and values, also "
            "divided by epsilon; rescale the values, or squash them."
        )
    return costs


def _matvec(matrices, vectors):
    return np.matmul(matrices, vectors[:, :, None])[:, :, 0]


def _vecmat(vectors, matrices):
    return np.matmul(vectors[:, None, :], matrices)[:, 0]
