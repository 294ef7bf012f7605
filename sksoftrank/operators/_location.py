"""Soft locations, means of windows of the values, as arrays with a Jacobian."""

import numpy as np

from .._checks import (
    as_array,
    check_epsilon,
    check_exact,
    check_flag,
    check_regularization,
    check_values,
)
from .._jacobian import RowwiseJacobian
from .._slices import Slices
from ._capped_choice import WeightedRows
from ._window_mean import WindowMean


class LocationJacobian(RowwiseJacobian):
    """Jacobian of a soft quantile or trimmed mean.

    A `scipy.sparse.linalg.LinearOperator` with methods ``jvp``, ``vjp`` and
    ``toarray``, like all Jacobians here.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
        Shapes of the differentiated argument and of the result.
    wrt_epsilon : ndarray of shape `output_shape`
        The derivative in `epsilon`.
    wrt_weights : RowwiseJacobian
        The derivative in the weights, for ``weights=None`` at weights of one.
    wrt_q : ndarray of shape `output_shape`
        The derivative of quantiles in `q`.
    wrt_cut : pair of ndarrays of shape `output_shape`
        Those of a trimmed mean in the lower and the upper cut.

    See Also
    --------
    ProjectionJacobian : The same for soft sorts and ranks.

    Examples
    --------
    >>> from sksoftrank import soft_median
    >>> median, jacobian = soft_median([0.0, 1.0, 5.0], 2.0, return_jacobian=True)
    >>> jacobian.vjp(1.0)
    array([0.25, 0.75, 0.  ])
    """


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
        are_frequencies=False,
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
            are_frequencies=are_frequencies,
        )
        self.means, self.columns = [], []

    def add(self, low, high, growth):
        mean = WindowMean(self.data, low, high, growth, self.epsilon, self.kind)
        self.columns.append(mean.value)
        if self.keep:
            self.means.append(mean)

    def let_rise(self, order):
        """Let rounding lower no mean in this order, in which they rise."""
        for k, previous in zip(order[1:], order[:-1], strict=True):
            self.columns[k] = np.maximum(self.columns[k], self.columns[previous])

    def result(self, leading_shape):
        """The means as an array, and their Jacobian or None."""
        means = self._array(self.columns, leading_shape)
        means[..., self.data.is_empty.reshape(self.slices.other_shape)] = np.nan
        if not self.keep:
            return means[()], None
        jacobian = self._operator(
            LocationJacobian,
            [mean.wrt_values() for mean in self.means],
            self.slices,
            self.values.shape,
            means.shape,
        )
        jacobian.wrt_epsilon = self.derivative(WindowMean.wrt_epsilon, leading_shape)
        data, slices = self.data, self.slices
        if data.is_shared:
            slices = Slices((slices.length,), 0)
        jacobian.wrt_weights = self._operator(
            RowwiseJacobian,
            [self._wrt_given_weights(mean) for mean in self.means],
            slices,
            data.weights_shape,
            means.shape,
        )
        return means[()], jacobian

    def _wrt_given_weights(self, mean):
        """Derivatives in the weights as they were before they became frequencies."""
        data, change = self.data, mean.wrt_weights()
        if data.scale is not None:
            # Common factors of weights that are multiplied to a fixed sum do nothing.
            common = np.sum(data.weights * change, axis=1, keepdims=True) / data.total
            change = np.where(data.scale == 1, change, data.scale * (change - common))
        return data.is_kept * change

    def derivative(self, function, leading_shape):
        """`function` of all means, as an array."""
        return self._array([function(mean) for mean in self.means], leading_shape)[()]

    def _array(self, columns, leading_shape):
        table = (
            np.stack([column[:, 0] for column in columns])
            if columns
            else (np.empty((0, self.slices.count)))
        )
        shape = leading_shape + self.slices.other_shape
        return table.reshape(shape).astype(self.values.dtype, copy=False)

    def _operator(self, cls, matrices, input_slices, input_shape, output_shape):
        """Jacobian of which matrices[k][i] is the row of mean k in slice i."""
        count = self.slices.count
        matrices = [np.where(self.data.is_empty, 0.0, matrix) for matrix in matrices]
        output_slices = Slices((len(matrices), count), 0)

        def multiply(rows, *, transpose):
            if not transpose:
                products = np.empty((count, len(matrices)))
                for k, matrix in enumerate(matrices):
                    products[:, k] = np.sum(matrix * rows, axis=1)
                return products
            total = np.zeros((count, input_slices.length))
            for k, matrix in enumerate(matrices):
                total += matrix * rows[:, k, None]
            if input_slices.count != count:
                total = np.sum(total, axis=0, keepdims=True)
            return total

        return cls(
            input_slices,
            output_slices,
            multiply,
            shapes=(input_shape, output_shape),
            dtype=self.values.dtype,
        )


def check_fractions(fractions, name, highest):
    """Return `fractions` as a float64 array of numbers in [0, `highest`]."""
    if fractions is None:
        raise TypeError(f"{name} must be in [0, {highest:g}], got None.")
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
