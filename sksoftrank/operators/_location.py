"""Soft locations, means of windows of the values, as arrays with a Jacobian."""

from typing import Any

import numpy as np

from .._checks import (
    as_array,
    check_epsilon,
    check_exact,
    check_flag,
    check_regularization,
    check_values,
    nonfinite_error,
)
from .._jacobian import Jacobian
from .._rows import Slices, rounded
from ._choice import WeightedRows
from ._window_mean import WindowMean

# Choices and parts of more windows than this are not kept, but found again.
MAX_KEPT = 8

# Derivatives in tiny weights are as good as infinite, but products with 0 are 0.
LARGEST_SLOPE = 1e290


class Location:
    """What quantiles and trimmed means share: a list of means of windows."""

    def __init__(
        self,
        values,
        epsilon,
        weights,
        regularization,
        axis,
        nan_policy,
        keep,
        *,
        rule=None,
    ):
        self.epsilon = check_epsilon(epsilon)
        self.kind = check_regularization(regularization, ("quadratic", "entropic"))
        self.keep = check_flag(keep, "return_jacobian")
        self.values = check_exact(values, "values")
        self.slices = Slices(self.values.shape, axis)
        self.data = WeightedRows(
            self.values,
            self.slices,
            weights,
            nan_policy,
            rule=rule,
            epsilon=0.0 if self.epsilon == 0 else None,
        )
        if self.keep:
            self.data.detach()
        self._means = {}

    def take(self, count, window):
        """Means of that many windows; ``window(k)`` as `WindowMean` has them."""
        self._count, self._window = count, window

    def result(self, leading_shape, derivatives, *, rising=None, columns=None):
        """The means as an array, and their Jacobian or None.

        Parameters
        ----------
        leading_shape : tuple of int
            What precedes the shape of the values without the axis.
        derivatives : dict of callables
            More attributes of the Jacobian, each of no arguments.
        rising : ndarray of int, default=None
            An order in which the means rise, and rounding is to lower none.
        columns : ndarray of shape (count, n_windows), default=None
            The means, if they are known.
        """
        if columns is None:
            parts = [self._value(mean) for mean in self._each()]
            if rising is not None:
                for k, previous in zip(rising[1:], rising[:-1], strict=True):
                    parts[k] = np.maximum(parts[k], parts[previous])
            columns = self._join(parts)
        means = self._array(columns, leading_shape)
        if self.data.has_empty:
            means[..., self.data.is_empty.reshape(self.slices.other_shape)] = np.nan
        if not self.keep:
            return means[()], None
        data, slices = self.data, self.slices
        if data.is_shared:
            slices = Slices((slices.length,), 0)
        derivatives = derivatives | {
            "wrt_epsilon": lambda: self.derivative(
                WindowMean.wrt_epsilon, leading_shape
            ),
            "wrt_weights": lambda: self._operator(
                self._wrt_given_weights, slices, (data.weights_shape, means.shape)
            ),
        }
        shapes = self.values.shape, means.shape
        jacobian = self._operator(
            WindowMean.wrt_values, self.slices, shapes, derivatives
        )
        return means[()], jacobian

    def derivative(self, function, leading_shape):
        """`function` of all means, as an array."""
        with np.errstate(over="ignore"):
            parts = [function(mean) for mean in self._each()]
        return self._array(self._join(parts), leading_shape)[()]

    def _each(self):
        """The means; those of few windows are kept."""
        for k in range(self._count):
            mean = self._means.get(k)
            if mean is None:
                low, high, growth = self._window(k)
                mean = WindowMean(self.data, low, high, growth, self.epsilon, self.kind)
                if self._count <= MAX_KEPT:
                    self._means[k] = mean
            yield mean

    def _value(self, mean):
        infinite = self.data.infinite
        if infinite is None:
            return mean.value
        taken = infinite * (mean.wrt_values() > 0)
        low, high = taken.min(axis=1, keepdims=True), taken.max(axis=1, keepdims=True)
        if (low * high < 0).any():
            raise nonfinite_error(self.values, "values")
        return np.where(high > 0, np.inf, np.where(low < 0, -np.inf, mean.value))

    def _wrt_given_weights(self, mean):
        """Derivatives in the weights as they were before they were multiplied."""
        data, change = self.data, mean.wrt_weights()
        if data.scale is not None:
            # Common factors of such weights do nothing.
            common = np.sum(data.weights * change, axis=1, keepdims=True) / data.total
            change = np.where(data.scale == 1, change, data.scale * (change - common))
        return data.is_kept * np.clip(change, -LARGEST_SLOPE, LARGEST_SLOPE)

    def _join(self, parts):
        return np.hstack(parts) if parts else np.empty((self.slices.count, 0))

    def _array(self, columns, leading_shape):
        shape = leading_shape + self.slices.other_shape
        return rounded(columns.T.reshape(shape), self.values.dtype)

    def _operator(self, find_matrix, input_slices, shapes, derivatives=None):
        """Jacobian of which ``find_matrix(mean)[i]`` is the row of a mean in slice i.

        Of few means these are kept, so the Jacobian of many is not dense.
        """
        count, data = self.slices.count, self.data
        kept: list[Any] = []

        def find_matrices():
            for mean in self._each():
                with np.errstate(over="ignore"):
                    matrix = find_matrix(mean)
                if data.has_empty:
                    matrix = np.where(data.is_empty, 0.0, matrix)
                yield matrix

        def each_matrix():
            if not kept and self._count <= MAX_KEPT:
                kept.extend(find_matrices())
            return kept or find_matrices()

        def multiply(rows, *, transpose):
            if not transpose:
                products = np.empty((count, self._count))
                for k, matrix in enumerate(each_matrix()):
                    products[:, k] = np.sum(matrix * rows, axis=1)
                return products
            return pulled(lambda matrix, k: matrix * rows[:, k, None])

        def squares():
            return pulled(lambda matrix, _: matrix**2)

        def pulled(terms):
            total = np.zeros((count, input_slices.length))
            for k, matrix in enumerate(each_matrix()):
                total += terms(matrix, k)
            if input_slices.count != count:
                total = np.sum(total, axis=0, keepdims=True)
            return total

        return Jacobian(
            input_slices,
            Slices((self._count, count), 0),
            multiply,
            shapes=shapes,
            dtype=self.values.dtype,
            derivatives=derivatives,
            squares=squares,
        )


def check_fractions(fractions, name, highest):
    """Return `fractions` as a float64 array of numbers in [0, `highest`]."""
    if fractions is None:
        raise TypeError(f"{name} must be in [0, {highest:g}], got None.")
    if type(fractions) is float and 0 <= fractions <= highest:  # the usual case
        return np.array(fractions)
    fractions = as_array(fractions, name)
    array = check_values(np.atleast_1d(fractions), name).astype(np.float64, copy=False)
    is_wrong = ~((array >= 0) & (array <= highest))
    if is_wrong.any():
        raise ValueError(
            f"{name} must be in [0, {highest:g}], got {array[is_wrong][0]:g}."
        )
    return array.reshape(np.shape(fractions))


def check_cut(cut):
    """Return the lower and the upper cut as floats."""
    pair = check_fractions(cut, "cut", 1.0)
    if pair.shape not in ((), (2,)):
        raise ValueError(f"cut must be a number or a pair of them, got {cut!r}.")
    lower, upper = np.broadcast_to(pair, 2).tolist()
    if lower + upper >= 1:
        raise ValueError(
            f"cut must leave something: its two parts must sum to less than 1, got "
            f"{lower} and {upper}."
        )
    return lower, upper
