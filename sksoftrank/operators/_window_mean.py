"""Soft mean of the values between two masses, from which quantiles are made."""

import numpy as np

from .._checks import nonfinite_error
from ._choice import Choice, window_excess


class WindowMean:
    """(V(high) - V(low)) / (high - low), V(h) the soft sum of values of mass h.

    V(h) is the minimum of ``sum(a * p * x) + epsilon * sum(a * D(p, h / A))`` over the
    choices p of mass h, with D the divergence that belongs to `Choice`. By the
    envelope theorem its derivatives are those of what is minimised, without the p; the
    one by the share h / A is 0, the one by h is the centre of the choice.

    Parameters
    ----------
    data : WeightedRows
    low, high : pairs of ndarrays of shape (count, 1)
        Masses h, and what is left of the total: A - h.
    growth : pair of floats
        Derivatives of both masses by the total A.
    epsilon : float
    kind : int
        Number of the regularization.

    Attributes
    ----------
    value : ndarray of shape (count, 1)
        The means.
    """

    def __init__(self, data, low, high, growth, epsilon, kind):
        self._data, self._growth = data, growth
        first = self._first = Choice(data, low[0], low[1], epsilon, kind)
        last = self._last = Choice(data, high[0], high[1], epsilon, kind, first.centre)
        close = data.close_means(epsilon) if epsilon > 0 else None
        if close is not None:
            first.centre_at(*close)
            last.centre_at(*close)
        # The smaller masses have the more digits.
        is_early = high[0] <= low[1]
        self._width = np.where(is_early, high[0] - low[0], low[1] - high[1])
        # Relative to a value inside: far values with the part 0 do not overflow, ties
        # are exact, and derivatives keep their digits.
        self._excess = window_excess(first, last) / self._width
        if close is not None:
            self._excess = np.where(close[0], close[1] - last.centre, self._excess)
        if not np.isfinite(self._excess).all():
            raise nonfinite_error(data.rows, "values")
        # Rounding leaves no mean outside of what it is a mean of.
        low, high = (first.anchor, last.anchor) if epsilon == 0 else data.bounds
        value = np.minimum(np.maximum(last.centre + self._excess, low), high)
        self.value = value + 0.0  # no -0.0

    def wrt_low(self):
        """Derivative by the lower mass, of shape (count, 1)."""
        return (self._excess + self._last.above(self._first)) / self._width

    def wrt_high(self):
        """Derivative by the upper mass, of shape (count, 1)."""
        return -self._excess / self._width

    def wrt_both(self):
        """Derivative by both masses together, of shape (count, 1)."""
        return self._last.above(self._first) / self._width

    def wrt_epsilon(self):
        """Derivative by epsilon, of shape (count, 1)."""
        change = self._last.divergence() - self._first.divergence()
        penalty = np.sum(self._data.weights * change, axis=1, keepdims=True)
        return penalty / self._width

    def wrt_values(self):
        """Derivatives by the values, of shape (count, n); their sums are 1."""
        change = self._last.p_above(self._first)
        if self._data.kernel_weights is not None:
            change *= self._data.weights
        change /= self._width
        return change

    def wrt_weights(self):
        """Derivatives by the weights, of shape (count, n)."""
        first, last = self._first, self._last
        # Of p (x - centre) + epsilon D(p), the last less the first.
        change = last.p_above(first) * (self._data.rows - last.centre)
        change -= first.p * last.above(first)
        change += last.epsilon * (last.divergence() - first.divergence())
        growth = self._growth[1] * self.wrt_high() + self._growth[0] * self.wrt_low()
        return change / self._width + growth
