"""What the Sinkhorn operators share: checked arguments, and two ways to read a plan."""

from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._checks import (
    check_differences,
    check_epsilon,
    check_exact,
    check_finite,
    check_flag,
    check_weights,
    moderate,
    warn,
)
from .._jacobian import Jacobian
from .._rows import Slices
from ._squashing import SquashedSlices, check_squashing
from ._transport import TransportMeans, make_cost

# The power of 2 below which products with values, over epsilons, do not overflow on the
# way.
LARGEST_EXPONENT = 960


class SinkhornOperator:
    """Checked arguments of a call, and the two ways to read a plan."""

    def __init__(self, arguments, *, is_exact):
        """Of all arguments by name; with `is_exact` no integers are to be rounded."""
        axis = arguments["axis"]
        self.return_jacobian = check_flag(
            arguments["return_jacobian"], "return_jacobian"
        )
        self.epsilon = check_epsilon(arguments["epsilon"])
        self.cost = make_cost(arguments["cost"])
        self.tol = _check_tol(arguments["tol"])
        self.max_iter = _check_max_iter(arguments["max_iter"])
        squashing = check_squashing(arguments["squashing"])
        descending = arguments.get("descending", False)
        self.descending = check_flag(descending, "descending")
        # Squashed values are differences from their mean.
        if is_exact or squashing is None:
            values = check_exact(arguments["values"], "values")
        else:
            values = check_differences(arguments["values"], "values", axis)
        self.slices = Slices(values.shape, axis)
        self.values = check_finite(values, "values")
        self.squashed = SquashedSlices(
            self.values, self.slices, arguments["weights"], squashing
        )

    def ranks(self, targets, target_weights, scale):
        """Means of cumulated target weights, of total `scale` (None: the length)."""
        n = self.slices.length
        milestones, masses = check_targets(targets, target_weights, n)
        cumulated = (
            np.cumsum(masses[::-1])[::-1] if self.descending else np.cumsum(masses)
        )
        total = cumulated[0 if self.descending else -1] if len(masses) else 1.0
        levels = cumulated * ((n if scale is None else scale) / total)
        contents = np.broadcast_to(levels, (self.slices.count, len(levels)))
        means = self._solve(milestones, masses, contents, points_in_rows=True)
        result = self.squashed.unsort(means.means)
        multiply = partial(_multiply_ranks, self.squashed, means)
        return self._finish(result, multiply, self.slices, self.slices.shape)

    def sorts(self, milestones, masses, picks, slices, shape):
        """Means of the values that the targets `picks` receive."""
        if not self.slices.length and len(milestones):
            raise ValueError("values must not be empty along axis.")
        contents = self.squashed.sorted_values
        means = self._solve(milestones, masses, contents, points_in_rows=False)
        result = means.means[:, picks]
        size = np.abs(contents).max(axis=1, initial=1)
        multiply = partial(_multiply_sorts, self.squashed, means, picks)
        return self._finish(result, multiply, slices, shape, size)

    def _solve(self, milestones, masses, contents, *, points_in_rows):
        means = TransportMeans(
            self.squashed.points,
            self.squashed.weights,
            milestones,
            masses,
            ties=self.squashed.ties,
            contents=contents,
            points_in_rows=points_in_rows,
            cost=self.cost,
            epsilon=self.epsilon,
        ).solve(self.tol, self.max_iter)
        n_failed = np.count_nonzero(means.errors > self.tol)
        if n_failed:
            warn(
                f"The plans of {n_failed} of {len(means.errors)} slices miss their "
                f"weights by up to {means.errors.max():.2g}, more than tol={self.tol}; "
                f"raise epsilon={self.epsilon}, tol or max_iter={self.max_iter}.",
                ConvergenceWarning,
            )
        return means

    def _finish(self, result, multiply, slices, shape, size=1.0):
        dtype = self.values.dtype
        rows = np.ascontiguousarray(result.astype(dtype, copy=False))
        array = slices.from_rows(rows).reshape(shape)
        if not self.return_jacobian:
            return array
        jacobian = Jacobian(
            self.slices,
            slices,
            partial(_multiply_moderately, multiply, size),
            shapes=(self.values.shape, shape),
            dtype=dtype,
        )
        return array, jacobian


def _multiply_moderately(multiply, size, rows, *, transpose):
    """A product, which is linear in `rows`, with smaller ones if it could overflow."""
    largest = np.abs(rows).max(axis=1, initial=0)
    shift = np.frexp(largest)[1] + np.frexp(size)[1] - LARGEST_EXPONENT
    if not (shift > 0).any():
        return multiply(rows, transpose=transpose)
    shift = np.maximum(shift, 0)[:, None]
    product = multiply(np.ldexp(rows, -shift), transpose=transpose)
    with np.errstate(over="ignore"):
        return np.ldexp(product, shift)


def _multiply_ranks(squashed, means, rows, *, transpose):
    """Products with the Jacobian of ranks; `rows` are in the order of the values."""
    if transpose:
        g_points, _ = means.vjp(squashed.sort(rows))
        return squashed.vjp(g_points, np.zeros_like(g_points))
    u_points, _ = squashed.jvp(rows)
    return squashed.unsort(squashed.divide(means.jvp(u_points)))


def _multiply_sorts(squashed, means, picks, rows, *, transpose):
    """Products with the Jacobian of the sorted values of the targets `picks`."""
    if transpose:
        g = np.zeros(means.means.shape)
        place: Any = slice(None), picks
        np.add.at(g, place, rows)
        return squashed.vjp(*means.vjp(g))
    u_points, u_contents = squashed.jvp(rows)
    change = means.carry(u_contents) + squashed.divide(means.jvp(u_points))
    return change[:, picks]


def check_targets(targets, target_weights, n):
    """Increasing targets, and their weights."""
    if targets is None:
        targets = n
    if isinstance(targets, Integral) and not isinstance(targets, bool):
        if targets < min(n, 1):
            raise ValueError(
                f"targets must be a number >= 1 or increasing numbers, got {targets}."
            )
        milestones = np.linspace(0.0, 1.0, int(targets))
    else:
        milestones = check_finite(check_exact(targets, "targets"), "targets")
        milestones = milestones.astype(np.float64, copy=False)
        if (
            milestones.ndim != 1
            or not milestones.size
            or (np.diff(milestones) <= 0).any()
        ):
            raise ValueError(
                f"targets must be a number >= 1 or increasing numbers, got {targets!r}."
            )
    if target_weights is None:
        return milestones, np.ones(len(milestones))
    masses = check_weights(target_weights, "target_weights", [milestones.shape])
    return milestones, moderate(masses)


def _check_tol(tol):
    if not isinstance(tol, Real) or isinstance(tol, (bool, np.bool_)):
        raise TypeError(f"tol must be a real number > 0, got {tol!r}.")
    if not 0 < float(tol) < np.inf:
        raise ValueError(f"tol must be a finite number > 0, got {tol}.")
    return float(tol)


def _check_max_iter(max_iter):
    if not isinstance(max_iter, Integral) or isinstance(max_iter, bool):
        raise TypeError(f"max_iter must be an integer >= 1, got {max_iter!r}.")
    if max_iter < 1:
        raise ValueError(f"max_iter must be an integer >= 1, got {max_iter}.")
    return int(max_iter)
