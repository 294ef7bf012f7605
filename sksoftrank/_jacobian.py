"""The Jacobian object of operators that treat each slice of an array by itself."""

import math

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ._projection import MAX_DENSE_SIZE, _check_direction


class RowwiseJacobian(LinearOperator):
    """Jacobian of an operator on the slices of an array; never formed.

    A `scipy.sparse.linalg.LinearOperator` on the raveled (C order) arrays, of shape
    ``(result.size, input.size)``: ``@``, ``.T``, ``.H`` and sums or products with other
    operators work.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
        Shapes of the differentiated argument and of the result.

    See Also
    --------
    ProjectionJacobian : The same for the operators on permutahedra.

    Examples
    --------
    >>> from sksoftrank.pairwise import all_pairs_rank
    >>> ranks, jacobian = all_pairs_rank([0.0, 0.0], return_jacobian=True)
    >>> jacobian.vjp([1.0, 0.0])
    array([ 0.25, -0.25])
    """

    def __init__(self, input_slices, output_slices, multiply, *, shapes, dtype):
        self.input_shape, self.output_shape = (tuple(shape) for shape in shapes)
        self._input_slices = input_slices
        self._output_slices = output_slices
        # multiply(rows, transpose=...) of float64 rows
        self._multiply = multiply
        super().__init__(
            dtype=np.dtype(dtype),
            shape=(math.prod(self.output_shape), math.prod(self.input_shape)),
        )

    def jvp(self, u):
        """Jacobian-vector product: the directional derivative along `u`.

        Parameters
        ----------
        u : array-like of shape `input_shape`
            Direction in the input.

        Returns
        -------
        ndarray of shape `output_shape`
            The change of the result for a unit step along `u`.
        """
        u = _check_direction(u, self.input_shape, "u")
        rows = self._input_slices.to_rows(u.astype(np.float64, copy=False))
        result = self._output_slices.from_rows(self._multiply(rows, transpose=False))
        return self._finish(result, self.output_shape, u)

    def vjp(self, g):
        """Vector-Jacobian product: the gradient of a scalar whose gradient in the
        result is `g`.

        Parameters
        ----------
        g : array-like of shape `output_shape`
            Gradient in the result.

        Returns
        -------
        ndarray of shape `input_shape`
            Gradient in the input.
        """
        g = _check_direction(g, self.output_shape, "g")
        rows = self._output_slices.to_rows(g.astype(np.float64, copy=False))
        result = self._input_slices.from_rows(self._multiply(rows, transpose=True))
        return self._finish(result, self.input_shape, g)

    def toarray(self):
        """The dense matrix, for small inputs.

        Returns
        -------
        ndarray of shape (result.size, input.size)
            The Jacobian.

        Raises
        ------
        ValueError
            If a side is longer than 10 000.
        """
        if max(self.shape) > MAX_DENSE_SIZE:
            raise ValueError(
                f"toarray is for Jacobians of at most {MAX_DENSE_SIZE} x "
                f"{MAX_DENSE_SIZE} entries, got {self.shape[0]} x {self.shape[1]}; "
                f"use jvp or vjp."
            )
        return self @ np.eye(self.shape[1], dtype=self.dtype)

    def _finish(self, result, shape, direction):
        dtype = np.result_type(self.dtype, direction.dtype)
        return result.reshape(shape).astype(dtype, copy=False)

    def _matvec(self, x):
        return self.jvp(np.reshape(x, self.input_shape)).ravel()

    def _rmatvec(self, x):
        return self.vjp(np.reshape(x, self.output_shape)).ravel()
