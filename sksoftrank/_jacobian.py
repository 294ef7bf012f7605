"""The one Jacobian of the package: derivatives as objects, which form no matrix."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from joblib import wrap_non_picklable_objects
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import LinearOperator

from . import _isotonic
from ._rows import Slices, first_places, in_order, rounded, unsorted
from ._sklearn import refuse_masked

DOUBLE = np.dtype(np.float64)

# Above this order `toarray` would fill the memory of an ordinary machine.
LARGEST_DENSE = 10_000


class Jacobian(LinearOperator):
    """Derivative of the result of an operator in its first argument.

    Operators return it with ``return_jacobian=True``. Its matrix is never formed: the
    products cost about as much as the operator itself, without another sort. It can be
    pickled, and does not look at arrays that the caller may have changed since.

    It is a `scipy.sparse.linalg.LinearOperator` on the raveled (C order) arrays, of
    shape ``(result.size, input.size)``: ``@``, ``.T``, ``.H`` and sums or products with
    other operators work.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
        Shapes of the differentiated argument and of the result.
    shape : tuple of int
        Shape of the matrix.
    dtype : dtype
        That of the result.
    wrt_epsilon : ndarray of shape `output_shape`
        The derivative in `epsilon`, of all operators on projections and soft choices;
        a number where the result is one.
    wrt_k : ndarray of shape `output_shape`
        That of `soft_topk` in `k`.
    wrt_q : ndarray of shape `output_shape`
        That of quantiles in `q`.
    wrt_cut : pair of ndarrays of shape `output_shape`
        Those of `soft_trimmed_mean` and `soft_winsorize` in the lower and the upper
        cut.
    wrt_weights : Jacobian
        The derivative in the weights, at weights of one for ``weights=None``: of
        `soft_topk`, quantiles, `soft_trimmed_mean` and `soft_winsorize`.
    wrt_w : Jacobian
        That of `isotonic_projection` and `project_permutahedron` in `w`.
    wrt_criterion : Jacobian
        That of `soft_sort_with` in the criterion.
    permutation : ndarray of shape (n, n)
        The soft permutation matrix of `soft_sort_with`, of which row k has the shares
        of all records in place k.

    Notes
    -----
    Derivatives ``wrt_...`` are computed when they are first asked for. An operator has
    those of its own arguments; others raise an `AttributeError`.

    In the sorted order of a slice the derivatives of projections are block diagonal: an
    average over each block, uniform for the quadratic regularization, softmax-weighted
    for the entropic one ([1]_, Lemma 2 and Proposition 4). Those of soft choices with
    the slope f of the parts p, weights a, ``c = a f / sum(a f)`` and directions u, v
    and w in values, weights and k are ``f (u - sum(c u)) / epsilon + f (w - sum(p v)) /
    sum(a f)``.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank import soft_rank
    >>> ranks, jacobian = soft_rank([0.0, 1.0, 4.0], 2.0, return_jacobian=True)
    >>> jacobian.vjp([1.0, 0.0, 0.0])
    array([ 0.25, -0.25,  0.  ])
    >>> jacobian.toarray()
    array([[ 0.25, -0.25,  0.  ],
           [-0.25,  0.25,  0.  ],
           [ 0.  ,  0.  ,  0.  ]])
    >>> jacobian.wrt_epsilon
    array([ 0.125, -0.125,  0.   ])
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    wrt_epsilon: NDArray[np.floating]
    wrt_k: NDArray[np.floating]
    wrt_q: NDArray[np.floating]
    wrt_cut: tuple[NDArray[np.floating], NDArray[np.floating]]
    wrt_weights: "Jacobian"
    wrt_w: "Jacobian"
    wrt_criterion: "Jacobian"
    permutation: NDArray[np.float64]

    def __new__(cls, *arguments: Any, **options: Any) -> "Jacobian":
        # That of SciPy takes its time.
        return object.__new__(cls)

    def __init__(
        self,
        input_slices: Slices,
        output_slices: Slices,
        multiply: Callable[..., NDArray[np.float64]],
        *,
        shapes: tuple[tuple[int, ...], tuple[int, ...]],
        dtype: np.dtype[Any],
        derivatives: Mapping[str, Callable[[], Any]] | None = None,
        squares: Callable[[], NDArray[np.float64]] | None = None,
    ) -> None:
        self.input_shape, self.output_shape = shapes
        self.dtype = dtype
        self._slices = input_slices, output_slices
        # multiply(rows, transpose=...) of float64 rows, the slices
        self._multiply = multiply
        self._derivatives = derivatives or {}
        # Sums of squares of the columns as rows of the input, if there is a formula.
        self._squares = squares

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        if name in own.get("_derivatives", ()):
            setattr(self, name, own["_derivatives"][name]())
            return own[name]
        # What SciPy's operators need is set up when they are used as such.
        if "dtype" in own and "shape" not in own and not name.startswith("__"):
            sizes = math.prod(self.output_shape), math.prod(self.input_shape)
            super().__init__(self.dtype, sizes)
            if name in own:
                return own[name]
        others = ", ".join(own.get("_derivatives", ())) or "no derivatives of that kind"
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}: this operator "
            f"has {others}."
        )

    def __getstate__(self) -> dict[str, Any]:
        # The products are closures, for which pickle needs help.
        return {"state": wrap_non_picklable_objects(self.__dict__, keep_wrapper=False)}

    def __setstate__(self, pickled: dict[str, Any]) -> None:
        self.__dict__.update(pickled["state"])

    def __copy__(self) -> "Jacobian":
        # Without pickling, which `__getstate__` prepares.
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def jvp(self, u: ArrayLike) -> NDArray[np.floating]:
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

    def vjp(self, g: ArrayLike) -> NDArray[np.floating]:
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

    def diagonal(self) -> NDArray[np.floating]:
        """Diagonal of J'J, for the Jacobian J: sums of squares of its columns.

        It is what a Gauss-Newton or boosting step divides by. In closed form for
        projections, soft sorts, ranks and choices, and locations; of others by as many
        products as a slice has values.

        Returns
        -------
        ndarray of shape `input_shape`
            The diagonal.
        """
        with np.errstate(over="ignore"):
            rows = self._squares_of_rows().reshape(self._slices[0].count, -1)
        array = self._slices[0].from_rows(rows).reshape(self.input_shape)
        return rounded(array, self.dtype)

    def _squares_of_rows(self) -> NDArray[np.float64]:
        """`diagonal` as float64 rows: the slices."""
        if self._squares is not None:
            return self._squares()
        count, length = self._slices[0].count, self._slices[0].length
        out = np.zeros((count, length))
        for j in range(length):  # one value of each slice, which are independent
            probe = np.zeros((count, length))
            probe[:, j] = 1
            column = self._multiply(probe, transpose=False) ** 2
            if count == len(column):
                out[:, j] = column.sum(axis=1)
            else:  # one slice serves all
                out[:, j] = column.sum()
        return out

    def toarray(self) -> NDArray[np.floating]:
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
        if max(self.shape) > LARGEST_DENSE:
            raise ValueError(
                f"toarray is for Jacobians of at most {LARGEST_DENSE} x "
                f"{LARGEST_DENSE} entries, got {self.shape[0]} x {self.shape[1]}; "
                f"use jvp or vjp."
            )
        if 0 in self.shape:  # SciPy multiplies at least one column
            return np.zeros(self.shape, dtype=self.dtype)
        return self @ np.eye(self.shape[1], dtype=self.dtype)

    def _product(
        self, direction: ArrayLike, name: str, *, transpose: bool
    ) -> NDArray[np.floating]:
        source, target = self._slices
        shape, target_shape = self.input_shape, self.output_shape
        if transpose:
            source, target, shape, target_shape = target, source, target_shape, shape
        dtype = self.dtype
        if (
            type(direction) is np.ndarray
            and direction.dtype is dtype is DOUBLE
            and direction.shape == shape
        ):
            array = direction  # the usual case, in little time
        else:
            array = check_direction(direction, shape, name)
            dtype = np.result_type(dtype, array.dtype)
            array = array.astype(np.float64, copy=False)
        rows = self._multiply(source.to_rows(array), transpose=transpose)
        result = target.from_rows(rows)
        if result.shape != target_shape:
            result = result.reshape(target_shape)
        return result if dtype is DOUBLE else rounded(result, dtype)

    def dot(self, x: Any) -> Any:
        """Product with a vector, a matrix, a number or another operator, as ``@``.

        Parameters
        ----------
        x : array-like or LinearOperator
            The second factor.

        Returns
        -------
        ndarray or LinearOperator
            The product.
        """
        refuse_masked(x, "x")  # SciPy takes what is under the mask
        return super().dot(x)

    def _matvec(self, x: NDArray[Any]) -> NDArray[np.floating]:
        return self.jvp(np.reshape(x, self.input_shape)).ravel()

    def _rmatvec(self, x: NDArray[Any]) -> NDArray[np.floating]:
        return self.vjp(np.reshape(x, self.output_shape)).ravel()


def check_direction(
    direction: ArrayLike, shape: tuple[int, ...], name: str
) -> NDArray[np.floating]:
    """Return `direction` as floats, or say what is wrong with it."""
    refuse_masked(direction, name)
    array = np.asarray(direction)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{name} must be an array of real numbers, got dtype {array.dtype}."
        )
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}.")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def pool_jacobian(
    input_shape,
    slices,
    pools,
    *,
    dtype,
    weights=None,
    input_order=None,
    output_order=None,
    is_kept=None,
    matrix=_isotonic.AVERAGE,
    divisor=1.0,
    derivatives=None,
):
    """Jacobian of which each slice is block diagonal in the sorted order.

    Parameters
    ----------
    input_shape : tuple of int
        That of `slices`, or of one slice that serves all.
    slices : Slices
        Of the result.
    pools, weights, input_order, output_order, matrix, divisor
        As `pool_product_rows` of the kernel has them.
    dtype : dtype
    is_kept : ndarray of bool, shape (count, n), default=None
        Which results may move. None means all.
    derivatives : dict of callables, default=None
        Those in other arguments.
    """
    # One 1-D input may have served every slice.
    is_shared = input_shape != slices.shape and (
        math.prod(input_shape) != slices.count * slices.length
    )

    def multiply(rows, *, transpose):
        if is_shared and not transpose:
            rows = np.broadcast_to(rows, (slices.count, slices.length))
        if is_kept is not None and transpose:
            rows = rows * is_kept
        out = np.empty(rows.shape)
        _isotonic.pool_product_rows(
            np.ascontiguousarray(rows),
            output_order if transpose else input_order,
            input_order if transpose else output_order,
            pools,
            weights,
            matrix,
            transpose,
            divisor,
            out,
        )
        if is_kept is not None and not transpose:
            out = np.where(is_kept, out, 0.0)
        return out.sum(axis=0, keepdims=True) if is_shared and transpose else out

    def squares():
        found = pool_squares(pools, weights, matrix, divisor)
        if is_kept is not None:  # pools hold no other places
            found = np.where(in_order(is_kept, output_order), found, 0.0)
        found = unsorted(found, input_order)
        return found.sum(axis=0, keepdims=True) if is_shared else found

    return Jacobian(
        Slices((slices.length,), 0) if is_shared else slices,
        slices,
        multiply,
        shapes=(input_shape, slices.shape),
        dtype=dtype,
        derivatives=derivatives,
        squares=squares,
    )


def pool_squares(pools, weights, matrix, divisor, n_places=None):
    """Sums of squares of the columns of `pool_product_rows`, in the sorted order.

    With `n_places` only so many places of each row have a result.
    """
    count, n = len(pools), pools.shape[1] - 1
    first = first_places(pools, n)
    block = first + n * np.arange(count)[:, None]

    def of_blocks(terms=None):
        terms = None if terms is None else terms.ravel()
        return np.bincount(block.ravel(), terms, minlength=count * n)[block]

    size = of_blocks()
    p = 1.0 / size if weights is None else np.where(size > 1, weights, 1.0)
    if matrix == _isotonic.AVERAGE:
        rows = size if n_places is None else np.clip(n_places - first, 0, size)
        sums = rows * p**2
    elif matrix == _isotonic.DEVIATION:
        sums = (1 - p) ** 2 + (size - 1) * p**2
    else:
        total = size * (n - first - 0.5 * (size - 1))  # of rho in the block
        sums = (total * p) ** 2 * ((1 - p) ** 2 + np.maximum(of_blocks(p**2) - p**2, 0))
    return sums / divisor / divisor  # the square may overflow
