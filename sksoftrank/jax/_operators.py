"""Ranks, sorts and projections for JAX; arguments as in `sksoftrank`."""

from .._autodiff import _operators
from . import _backend as xp


def soft_rank(
    values,
    epsilon=1.0,
    *,
    regularization="quadratic",
    axis=-1,
    descending=False,
    nan_policy="raise",
):
    """Differentiable ranks.

    `sksoftrank.soft_rank` for arrays, with all derivatives.

    Parameters
    ----------
    values : jax.Array of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    epsilon : float or jax.Array of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_rank`. An array has a
        derivative of its own.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        As for `sksoftrank.soft_rank`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    descending : bool, default=False
        If True the largest value has rank 1.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and stay NaN.

    Returns
    -------
    ranks : jax.Array of the shape of `values`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort : Differentiable sorted values.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import soft_rank
    >>> soft_rank(jnp.array([2.0, 0.0, 1.0]), epsilon=2.0)
    Array([2.5, 1.5, 2. ], dtype=float32)
    """
    return _operators.rank(
        xp, values, epsilon, regularization, axis, descending, nan_policy
    )


def soft_sort(
    values,
    epsilon=1.0,
    *,
    regularization="quadratic",
    axis=-1,
    descending=False,
    nan_policy="raise",
):
    """Differentiable sorted values.

    `sksoftrank.soft_sort` for arrays, with all derivatives.

    Parameters
    ----------
    values : jax.Array of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    epsilon : float or jax.Array of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_sort`. An array has a
        derivative of its own.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_sort`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    descending : bool, default=False
        If True the largest value comes first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and come last.

    Returns
    -------
    sorted_values : jax.Array of the shape of `values`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_rank : Differentiable ranks.
    soft_topk_sort : The first k of them.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import soft_sort
    >>> soft_sort(jnp.array([3.0, 2.0, 1.0]), epsilon=0.25)
    Array([1., 2., 3.], dtype=float32)
    """
    return _operators.sort(
        xp, values, epsilon, regularization, axis, descending, nan_policy
    )


def soft_topk(
    values,
    k,
    epsilon=1.0,
    *,
    weights=None,
    regularization="quadratic",
    axis=-1,
    largest=True,
):
    """Differentiable choice of the k largest values.

    `sksoftrank.soft_topk` for arrays, with all derivatives.

    Parameters
    ----------
    values : jax.Array of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32. Finite.
    k : float
        Number of values to choose, or their total weight.
    epsilon : float or jax.Array of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_topk`. An array has a
        derivative of its own.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights, which may be an array with derivatives. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_topk`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    largest : bool, default=True
        If False the k smallest values are chosen.

    Returns
    -------
    parts : jax.Array of the shape of `values`
        Parts of the values, in [0, 1] and of sum k.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_topk_sort : The k largest values in order.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import soft_topk
    >>> soft_topk(jnp.array([3.0, 0.0, 1.0, 2.0]), 2, epsilon=2.0)
    Array([1.  , 0.  , 0.25, 0.75], dtype=float32)
    """
    return _operators.topk(
        xp, values, k, epsilon, weights, regularization, axis, largest
    )


def soft_topk_sort(
    values,
    k,
    epsilon=1.0,
    *,
    regularization="quadratic",
    axis=-1,
    largest=True,
):
    """Differentiable k largest values, in order.

    `sksoftrank.soft_topk_sort` for arrays, with all derivatives.

    Parameters
    ----------
    values : jax.Array of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32. Finite.
    k : int
        Number of sorted values, from 1 to n.
    epsilon : float or jax.Array of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_topk_sort`. An array has
        a derivative of its own.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_topk_sort`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    largest : bool, default=True
        If False the k smallest values, smallest first.

    Returns
    -------
    sorted_values : jax.Array of shape (..., k, ...)

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort : All values.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import soft_topk_sort
    >>> soft_topk_sort(jnp.array([3.0, 0.0, 1.0, 9.0]), 2, epsilon=0.5)
    Array([6.25, 4.25], dtype=float32)
    """
    return _operators.topk_sort(xp, values, k, epsilon, regularization, axis, largest)


def soft_sort_with(
    values,
    criterion,
    epsilon=1.0,
    *,
    regularization="quadratic",
    axis=0,
    descending=False,
):
    """Records sorted by a criterion, differentiable in both.

    `sksoftrank.soft_sort_with` for arrays, with all derivatives.

    Parameters
    ----------
    values : jax.Array of shape (n, ...)
        Records, along `axis`: finite floats.
    criterion : jax.Array of shape (n,)
        By what to sort: finite floats.
    epsilon : float or jax.Array of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_sort_with`. An array has
        a derivative of its own.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_sort_with`.
    axis : int, default=0
        Axis of the records in `values`.
    descending : bool, default=False
        If True the record with the largest criterion comes first.

    Returns
    -------
    sorted_values : jax.Array of the shape of `values`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort : Sorted values, without records.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import soft_sort_with
    >>> values, criterion = jnp.array([1.0, 2.0, 3.0]), jnp.array([0.3, 0.1, 0.2])
    >>> soft_sort_with(values, criterion, 0.2)
    Array([2.25, 2.25, 1.5 ], dtype=float32)
    """
    return _operators.sort_with(
        xp, values, criterion, epsilon, regularization, axis, descending
    )


def isotonic_projection(s, w=None, *, regularization="quadratic", axis=-1):
    """Solve isotonic optimisation: the best non-increasing v for `s` and `w`.

    `sksoftrank.isotonic_projection` for arrays, with all derivatives.

    Parameters
    ----------
    s : jax.Array of shape (..., n, ...)
        The values to fit, in any order.
    w : jax.Array of the shape of `s`, or of shape (n,), default=None
        The values to subtract. None means zeros.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.isotonic_projection`.
    axis : int or None, default=-1
        Axis along which v is non-increasing. None flattens `s` first.

    Returns
    -------
    v : jax.Array of the shape of `s`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    project_permutahedron : The projection that reduces to this problem.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import isotonic_projection
    >>> isotonic_projection(jnp.array([3.0, 1.0, 2.0, 0.0]))
    Array([3. , 1.5, 1.5, 0. ], dtype=float32)
    """
    return _operators.isotonic(xp, s, w, regularization, axis)


def project_permutahedron(z, w, *, regularization="quadratic", axis=-1):
    """Project `z` on the permutahedron of `w`.

    `sksoftrank.project_permutahedron` for arrays, with all derivatives.

    Parameters
    ----------
    z : jax.Array of shape (..., n, ...)
        The points to project.
    w : jax.Array of the shape of `z`, or of shape (n,)
        The vertex that generates the permutahedron, in any order.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.project_permutahedron`.
    axis : int or None, default=-1
        Axis of the points. None flattens `z` first.

    Returns
    -------
    projection : jax.Array of the shape of `z`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort, soft_rank : The projections with one side fixed to (n, ..., 1).

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import project_permutahedron
    >>> z, w = jnp.array([0.5, 0.25, -3.0]), jnp.array([1.0, 0.0, 0.0])
    >>> project_permutahedron(z, w)
    Array([0.625, 0.375, 0.   ], dtype=float32)
    """
    return _operators.permutahedron(xp, z, w, regularization, axis)
