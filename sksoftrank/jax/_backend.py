"""What the formulas need from JAX; this module is their `xp`.

The structure comes from NumPy by `jax.pure_callback`, or directly where nothing is
traced, so that bad input raises an ordinary exception.
"""

# The documentation is built without the framework, of which types are mocks then.
from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jax import numpy as jnp
from jax.nn import sigmoid  # noqa: F401
from jax.numpy import (  # noqa: F401
    abs,
    broadcast_to,
    ceil,
    clip,
    exp,
    expm1,
    isinf,
    isnan,
    log,
    log1p,
    matmul,
    moveaxis,
    ones_like,
    reshape,
    sign,
    where,
    zeros_like,
)

from .._autodiff import _structure
from .._autodiff._arguments import check_label_range
from .._checks import KINDS, nonfinite_error
from .._sklearn import refuse_masked

quantile_example = "jax.scipy.stats.norm.ppf"


def is_array(x: Any) -> bool:
    """Whether `x` is an array of JAX, or stands for one."""
    return isinstance(x, jax.Array)


def check_floats(x: Any, name: str) -> Array:
    """Return an array of floats, or say what is wrong with it."""
    if not isinstance(x, jax.Array | np.ndarray | np.generic):
        raise TypeError(f"{name} must be a jax.Array, got {type(x).__name__}.")
    x = jnp.asarray(_plain(x, name))
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"{name} must be an array of real floats, got {x.dtype}; convert integers "
            f"with .astype(float)."
        )
    return x


def _plain(x: Any, name: str) -> Any:
    """`x` without a mask, or say that it has masked entries."""
    refuse_masked(x, name)
    # JAX takes no masked arrays, even those in which nothing is masked.
    return np.asarray(x) if isinstance(x, np.ma.MaskedArray) else x


def check_values(x: Any, name: str) -> Array:
    """Return an array of floats with an axis, or say what is wrong with it."""
    x = check_floats(x, name)
    if x.ndim == 0:
        raise ValueError(f"{name} must have at least one dimension, got shape ().")
    return x


def known(x: Array) -> Any:
    """The numbers of an array for NumPy, or None while it is traced.

    Functions of JAX would be traced, too, inside of `jit`.
    """
    return None if isinstance(x, jax.core.Tracer) else np.asarray(x)


def check_labels(labels: Any, name: str, n_rows: int, n_classes: int) -> Array:
    """Return columns of the true classes, or say what is wrong with them."""
    labels = jnp.asarray(_plain(labels, name))
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(f"{name} must be integers, got dtype {labels.dtype}.")
    check_label_range(labels, name, n_rows, n_classes, known(labels))
    return labels


def check_finite(x: Array, name: str) -> None:
    """Raise if an array is not finite, as far as its values are known."""
    if (numbers := known(x)) is not None and not np.isfinite(numbers).all():
        raise nonfinite_error(numbers.astype(np.float64), name)


def as_floats(x: Any, name: str, like: Array) -> Array:
    """Any array of real numbers in the type of another array."""
    x = _plain(x, name)
    try:
        x = jnp.asarray(x)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{name} must be an array of real numbers: {error}") from error
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise TypeError(f"{name} must hold real numbers, got {x.dtype}.")
    return x.astype(like.dtype)


def result_type(*arrays: Array) -> Any:
    """The floating type that holds all arrays."""
    return jnp.result_type(*(array.dtype for array in arrays))


def wide_type(dtype: Any) -> Any:
    """The type in which to compute: of 32 bits or more."""
    return dtype if dtype in (jnp.float32, jnp.float64) else jnp.float32


def astype(x: Array, dtype: Any) -> Array:
    """The array in another type."""
    return x if x.dtype == dtype else x.astype(dtype)


def cast(x: Array, like: Array) -> Array:
    """The array in the type of another."""
    return x.astype(like.dtype)


def eps(x: Array) -> float:
    """The relative spacing of floats in the type of an array."""
    return float(jnp.finfo(x.dtype).eps)


def tiny(x: Array) -> float:
    """The smallest normal number in the type of an array."""
    return float(jnp.finfo(x.dtype).tiny)


def detach(x: Array) -> Array:
    """The array as a constant."""
    return jax.lax.stop_gradient(x)


def places(like: Array) -> Array:
    """0, ..., n - 1 for a last axis of length n."""
    return jnp.arange(like.shape[-1], dtype=like.dtype)


def stack(arrays: Iterable[Array]) -> Array:
    """Along a new first axis."""
    return jnp.stack(list(arrays))


def concat(arrays: Iterable[Array]) -> Array:
    """Along the first axis."""
    return jnp.concatenate(list(arrays))


def sum(x: Array) -> Array:
    """Along the last axis, which is kept."""
    return jnp.sum(x, axis=-1, keepdims=True)


def all(x: Array) -> Array:
    """Along the last axis, which is kept."""
    return jnp.all(x, axis=-1, keepdims=True)


def max(x: Array) -> Array:
    """Along the last axis, which is kept."""
    return jnp.max(x, axis=-1, keepdims=True)


def any_last(x: Array) -> Array:
    """Along the last axis, which is kept."""
    return jnp.any(x, axis=-1, keepdims=True)


def any_first(x: Array) -> Array:
    """Along the first axis."""
    return jnp.any(x, axis=0)


def sort(x: Array) -> Array:
    """Along the last axis, smallest first."""
    return jnp.sort(x, axis=-1)


def gather(x: Array, index: Array) -> Array:
    """What stands at the indices along the last axis."""
    return jnp.take_along_axis(x, index, axis=-1)


def take(x: Array, index: Array) -> Array:
    """What stands at indices of any shape, given as floats, in a 1-D array."""
    return x[index.astype(int)]


def scatter(x: Array, index: Array) -> Array:
    """The inverse of `gather` by a permutation."""
    return _by_row(lambda x, index: jnp.zeros_like(x).at[index].set(x), x, index)


def dot(x: Array, y: Array) -> Array:
    """The sum of products of all entries."""
    return jnp.sum(x * y)


def block_sum(x: Array, first: Array) -> Array:
    """Sums over blocks, each given to all its places."""
    return _by_row(lambda x, first: jnp.zeros_like(x).at[first].add(x)[first], x, first)


def block_max(x: Array, first: Array) -> Array:
    """Maxima over blocks, each given to all its places, as constants."""
    return _by_row(
        lambda x, first: jnp.full_like(x, -jnp.inf).at[first].max(x)[first],
        detach(x),
        first,
    )


def _by_row(function: Any, x: Array, index: Array) -> Array:
    """The function of a row, for all rows of arrays of any number of dimensions."""
    x = jnp.broadcast_to(x, index.shape)
    for _ in range(x.ndim - 1):
        function = jax.vmap(function)
    return function(x, index)


def fast(*arguments: Any) -> None:
    """JAX has no shorter way than the formula."""
    return None


def _call(function: Callable[..., Any], types: tuple[Any, ...], *arrays: Any) -> Any:
    """Arrays of the types and shapes of `types` from a function of NumPy arrays."""
    arrays = tuple(detach(jnp.asarray(array)) for array in arrays)

    def in_numpy(*arrays: Any) -> tuple[Any, ...]:
        results = function(*map(_to_numpy, arrays))
        results = results if isinstance(results, tuple) else (results,)
        return tuple(
            np.asarray(result, dtype=like.dtype)
            for result, like in zip(results, types, strict=True)
        )

    if not any(isinstance(array, jax.core.Tracer) for array in arrays):
        return tuple(map(jnp.asarray, in_numpy(*arrays)))
    return jax.pure_callback(in_numpy, types, *arrays, vmap_method="broadcast_all")


def _to_numpy(array: Any) -> np.ndarray:
    array = np.asarray(array)
    # NumPy has no bfloat16.
    return array if array.dtype == np.float64 else array.astype(np.float32)


def _integers(shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(np.int64))


def blocks(
    x: Array,
    epsilon: Any,
    regularization: str,
    is_sort: bool,
    descending: bool,
    omits_nan: bool,
    n_jobs: int | None,
) -> tuple[Array, Array]:
    """See `_structure.blocks`."""
    find = partial(
        _structure.blocks,
        kind=KINDS[regularization],
        is_sort=is_sort,
        descending=descending,
        omits_nan=omits_nan,
        n_jobs=n_jobs,
    )
    return _call(find, (_integers(x.shape),) * 2, x, epsilon)


def descending_order(x: Array, name: str) -> Array:
    """See `_structure.descending_order`."""
    find = partial(_structure.descending_order, name=name)
    return _call(find, (_integers(x.shape),), x)[0]


def isotonic_blocks(s: Array, w: Array, regularization: str, *, project: bool) -> Array:
    """See `_structure.isotonic_blocks`."""
    kind = KINDS[regularization]
    find = partial(_structure.isotonic_blocks, kind=kind, project=project)
    return _call(find, (_integers(s.shape),), s, w)[0]


def choice(
    values: Array,
    weights: Array | None,
    mass: Array,
    rest: Array,
    epsilon: Any,
    regularization: str,
    name: str,
    demand: str,
) -> tuple[Array, Array, Array]:
    """See `_structure.choice`."""
    arrays = [values, mass, rest, epsilon, *([] if weights is None else [weights])]

    def find(
        values: Array, mass: Array, rest: Array, epsilon: Any, weights=None
    ) -> Array:
        return _structure.choice(
            values,
            weights,
            mass,
            rest,
            epsilon,
            kind=KINDS[regularization],
            name=name,
            demand=demand,
        )

    threshold = jax.ShapeDtypeStruct(values.shape[:-1], values.dtype)
    return _call(find, (_integers(values.shape), threshold, threshold), *arrays)
