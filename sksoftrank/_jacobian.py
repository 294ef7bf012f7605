"""The Jacobian object of operators that treat each slice of an array by itself."""

import math

import numpy as np
from joblib import wrap_non_picklable_objects
from scipy.sparse.linalg import LinearOperator

from ._rows import rounded

# Above this order `toarray` would fill the memory of an ordinary machine.
MAX_DENSE_SIZE = 10_000


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
        self._slices = input_slices, output_slices
        # multiply(rows, transpose=...) of float64 rows
        self._multiply = multiply
        super().__init__(
            dtype=np.dtype(dtype),
            shape=(math.prod(self.output_shape), math.prod(self.input_shape)),
        )

    def __getstate__(self):
        # The products are closures, for which pickle needs help.
        return {"state": wrap_non_picklable_objects(self.__dict__, keep_wrapper=False)}

    def __setstate__(self, pickled):
        self.__dict__.update(pickled["state"])

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
        return self._product(u, "u", transpose=False)

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
        return self._product(g, "g", transpose=True)

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
        if 0 in self.shape:  # SciPy multiplies at least one column
            return np.zeros(self.shape, dtype=self.dtype)
        return self @ np.eye(self.shape[1], dtype=self.dtype)

    def multiply_rows(self, rows, *, transpose):
        """`jvp`, or `vjp` with `transpose`, of float64 rows: the slices, unchecked."""
        return self._multiply(rows, transpose=transpose)

    def _product(self, direction, name, *, transpose):
        shapes, slices = (self.input_shape, self.output_shape), self._slices
        if transpose:
            shapes, slices = shapes[::-1], slices[::-1]
        direction = check_direction(direction, shapes[0], name)
        rows = slices[0].to_rows(direction.astype(np.float64, copy=False))
        result = slices[1].from_rows(self._multiply(rows, transpose=transpose))
        dtype = np.result_type(self.dtype, direction.dtype)
        return rounded(result.reshape(shapes[1]), dtype)

    def _matvec(self, x):
        return self.jvp(np.reshape(x, self.input_shape)).ravel()

    def _rmatvec(self, x):
        return self.vjp(np.reshape(x, self.output_shape)).ravel()


def check_direction(direction, shape, name):
    """Return `direction` as floats, or say what is wrong with it."""
    array = np.asarray(direction)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{name} must be an array of real numbers, got dtype {array.dtype}."
        )
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}.")
    return array if array.dtype.kind == "f" else array.astype(np.float64)
