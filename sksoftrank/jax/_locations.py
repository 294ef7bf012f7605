"""Quantiles and what is made of them for JAX; arguments as in `sksoftrank`."""

from .._autodiff import _operators
from . import _backend as xp


def soft_quantile(
    values,
    q,
    epsilon=1.0,
    *,
    weights=None,
    regularization="quadratic",
    axis=-1,
    nan_policy="raise",
):
    """Differentiable quantiles.

    `sksoftrank.soft_quantile` for arrays, with all derivatives.

    Parameters
    ----------
    values : jax.Array of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    q : float, array-like or jax.Array
        Probabilities, from 0 to 1. An array has derivatives.
    epsilon : float or jax.Array of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_quantile`. An array has
        a derivative of its own.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights, which may be an array with derivatives. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_quantile`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out.

    Returns
    -------
    quantiles : jax.Array
        Of the shape of `q` followed by that of `values` without `axis`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_median, soft_trimmed_mean : Related locations.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import soft_quantile
    >>> soft_quantile(jnp.array([3.0, 0.0, 1.0, 10.0]), [0.25, 0.5], epsilon=0)
    Array([0.75, 2.  ], dtype=float32)
    """
    return _operators.quantile(
        xp, values, q, epsilon, weights, regularization, axis, nan_policy
    )


def soft_median(
    values,
    epsilon=1.0,
    *,
    weights=None,
    regularization="quadratic",
    axis=-1,
    nan_policy="raise",
):
    """Differentiable median, the soft quantile for q = 1/2.

    `sksoftrank.soft_median` for arrays, with all derivatives.

    Parameters
    ----------
    values : jax.Array of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    epsilon : float or jax.Array of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_median`. An array has a
        derivative of its own.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights, which may be an array with derivatives. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_median`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out.

    Returns
    -------
    median : jax.Array of the shape of `values` without `axis`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_quantile : Any quantile.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import soft_median
    >>> float(soft_median(jnp.array([0.0, 1.0, 2.0, 3.0, 100.0]), epsilon=0.5))
    2.0
    """
    return _operators.quantile(
        xp, values, 0.5, epsilon, weights, regularization, axis, nan_policy
    )


def soft_trimmed_mean(
    values,
    cut=0.25,
    epsilon=1.0,
    *,
    weights=None,
    regularization="quadratic",
    axis=-1,
    nan_policy="raise",
):
    """Differentiable mean without the smallest and the largest values.

    `sksoftrank.soft_trimmed_mean` for arrays, with all derivatives.

    Parameters
    ----------
    values : jax.Array of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    cut : float, pair of floats or jax.Array, default=0.25
        Share of the weight to leave out at each end, or at the lower and at the upper
        end.
    epsilon : float or jax.Array of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_trimmed_mean`. An array
        has a derivative of its own.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights, which may be an array with derivatives. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_trimmed_mean`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out.

    Returns
    -------
    mean : jax.Array of the shape of `values` without `axis`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_quantile : The same for a window of one value.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import soft_trimmed_mean
    >>> values = jnp.array([0.0, 1.0, 2.0, 1000.0])
    >>> float(soft_trimmed_mean(values, 0.25, epsilon=0.5))
    1.5
    """
    return _operators.trimmed_mean(
        xp, values, cut, epsilon, weights, regularization, axis, nan_policy
    )


def soft_winsorize(
    values,
    cut=0.05,
    epsilon=1.0,
    *,
    weights=None,
    regularization="quadratic",
    axis=-1,
    nan_policy="raise",
):
    """Values clipped at two of their own soft quantiles.

    `sksoftrank.soft_winsorize` for arrays, with all derivatives.

    Parameters
    ----------
    values : jax.Array of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    cut : float, pair of floats or jax.Array, default=0.05
        Values are clipped at the quantiles `cut` and ``1 - cut``, or ``cut[0]`` and
        ``1 - cut[1]``.
    epsilon : float or jax.Array of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_winsorize`. An array has
        a derivative of its own.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights, which may be an array with derivatives. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_winsorize`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out of the quantiles and stay NaN.

    Returns
    -------
    winsorized : jax.Array of the shape of `values`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_quantile : The bounds.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import soft_winsorize
    >>> soft_winsorize(jnp.array([0.0, 1.0, 2.0, 3.0, 100.0]), 0.25, epsilon=0.5)
    Array([1.1, 1.1, 2. , 2.9, 2.9], dtype=float32)
    """
    return _operators.winsorize(
        xp, values, cut, epsilon, weights, regularization, axis, nan_policy
    )


def soft_quantile_normalize(
    values,
    target,
    epsilon=1.0,
    *,
    regularization="quadratic",
    axis=-1,
    nan_policy="raise",
):
    """Values with their order, but the distribution of a target.

    `sksoftrank.soft_quantile_normalize` for arrays, with all derivatives.

    Parameters
    ----------
    values : jax.Array of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    target : array-like of shape (m,) or callable
        A sample of the target distribution, in any order, or its quantile function, of
        arrays and differentiable, such as ``jax.scipy.stats.norm.ppf``.
    epsilon : float or jax.Array of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_quantile_normalize`. An
        array has a derivative of its own.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        As for `sksoftrank.soft_quantile_normalize`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and stay NaN.

    Returns
    -------
    normalized : jax.Array of the shape of `values`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_rank : The ranks that are mapped.

    Examples
    --------
    >>> from jax import numpy as jnp
    >>> from sksoftrank.jax import soft_quantile_normalize
    >>> soft_quantile_normalize(jnp.array([0.1, 9.0, 3.0]), [10.0, 20.0, 40.0], 4.0)
    Array([11.375, 40.   , 18.625], dtype=float32)
    """
    return _operators.quantile_normalize(
        xp, values, target, epsilon, regularization, axis, nan_policy
    )
