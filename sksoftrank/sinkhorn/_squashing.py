"""Sorted, weighted slices on the scale of transport targets, and their derivatives."""

import numpy as np
from scipy.special import expit

from .._checks import check_weights, moderate
from .._rows import argsort_rows, tie_bounds

# Maps of standardised values z to x in (0, 1), and their derivatives.
SQUASHINGS = {
    "logistic": (expit, lambda z, x: x * (1 - x)),
    "arctan": (
        lambda z: 0.5 + np.arctan(z) / np.pi,
        lambda z, x: 1 / (np.pi * (1 + z * z)),
    ),
}

SMALLEST = np.finfo(np.float64).smallest_subnormal

# A standard deviation this small relative to the range is rounding.
CONSTANT = 1e-15

# Values without weight may lie far outside the range of the others. In units of it they
# are taken to be at most this far, so that products do not overflow.
OUTERMOST = 1e100


def weighted_ends(rows, weights):
    """The smallest and the largest of each row that have weight, as columns."""
    ends = {"axis": 1, "where": weights > 0, "keepdims": True}
    return rows.min(initial=np.inf, **ends), rows.max(initial=-np.inf, **ends)


def check_squashing(squashing):
    """Return `squashing`, or say that it is not known."""
    if squashing is not None and (
        not isinstance(squashing, str) or squashing not in SQUASHINGS
    ):
        options = " or ".join(map(repr, SQUASHINGS))
        raise ValueError(f"squashing must be {options} or None, got {squashing!r}.")
    return squashing


class SquashedSlices:
    """The slices of `values` as sorted rows, squashed to points.

    Parameters
    ----------
    values : ndarray
        Float, finite.
    slices : Slices
    weights : array-like or None
    squashing : {"logistic", "arctan"} or None

    Attributes
    ----------
    sorted_values, weights, points : ndarrays of shape (count, n)
        In increasing order of the values.
    ties : pair of ndarrays of shape (count, n)
        Indices of the first and of the last value that is equal to each.
    """

    def __init__(self, values, slices, weights, squashing):
        rows = slices.to_rows(values).astype(np.float64, copy=False)
        self._order, self.sorted_values = argsort_rows(rows, descending=False)
        self.weights = self._sorted_weights(weights, values, slices)
        self.ties = tie_bounds(self.sorted_values)
        if squashing is None:
            self.points, self._slope = self.sorted_values, None
        else:
            squash, slope = SQUASHINGS[squashing]
            self._z, self._scale = self._standardise()
            self.points = squash(self._z)
            self._slope = slope(self._z, self.points)

    def sort(self, rows):
        """Rows in the order of the values."""
        return np.take_along_axis(rows, self._order, axis=1)

    def unsort(self, rows):
        """Rows in their own order, given those in the order of the values."""
        out = np.empty_like(rows)
        np.put_along_axis(out, self._order, rows, axis=1)
        return out

    def jvp(self, u):
        """Changes of points and sorted values, for changes `u` of the values.

        Those of the points are still to be divided by `divide`, at the end: where all
        values are close the quotients may be beyond the floats.
        """
        u_sorted = self.sort(u)
        if self._slope is None:
            return u_sorted, u_sorted
        w, z = self._shares, self._z
        change = u_sorted - np.einsum("rc,rc->r", w, u_sorted)[:, None]
        change -= z * np.einsum("rc,rc,rc->r", w, z, u_sorted)[:, None]
        return self._slope * change, u_sorted

    def vjp(self, g_points, g_sorted):
        """Gradient in the values, for gradients in the points and sorted values."""
        if self._slope is None:
            return self.unsort(g_points + g_sorted)
        w, z = self._shares, self._z
        g_z = self._slope * g_points
        change = g_z - w * g_z.sum(axis=1, keepdims=True)
        change -= w * z * np.einsum("rc,rc->r", z, g_z)[:, None]
        return self.unsort(self.divide(change) + g_sorted)

    def _sorted_weights(self, weights, values, slices):
        shape = (slices.count, slices.length)
        if weights is None:
            return np.ones(shape)
        shapes = [(slices.length,), values.shape]
        weights = moderate(check_weights(weights, "weights", shapes))
        if weights.shape == values.shape:
            weights = slices.to_rows(weights)
        weights = self.sort(np.broadcast_to(weights, shape))
        if weights.size and weights.sum(axis=1).min() == 0:
            raise ValueError("weights must not be zero everywhere in a slice.")
        return weights

    def _standardise(self):
        """Standardised values (zeros if they are equal) and standard deviations.

        The latter as pairs of a number and of minus the exponent of a power of two.
        """
        values = self.sorted_values
        if not values.size:
            return values, (1.0, 0)
        lowest, highest = weighted_ends(values, self.weights)
        spread = highest - lowest
        # Relative to the lowest, which is exact for equal values.
        with np.errstate(over="ignore"):
            z = (values - lowest) / np.maximum(spread, SMALLEST)
        z = np.clip(z, -OUTERMOST, OUTERMOST)
        z -= np.einsum("rc,rc->r", self._shares, z)[:, None]
        deviation = np.sqrt(np.einsum("rc,rc,rc->r", self._shares, z, z))[:, None]
        is_constant = deviation <= CONSTANT
        z /= np.maximum(deviation, CONSTANT)
        # Their product may be too small for all its digits.
        spread, exponent = np.frexp(spread)
        return z, (np.where(is_constant, np.inf, deviation * spread), -exponent)

    @property
    def _shares(self):
        return self.weights / self.weights.sum(axis=1, keepdims=True)

    def divide(self, change):
        """Changes of the values of standardised rows, in the units of `values`."""
        if self._slope is None:
            return change
        scale, exponent = self._scale
        with np.errstate(over="ignore"):
            return np.ldexp(change / scale, exponent)
