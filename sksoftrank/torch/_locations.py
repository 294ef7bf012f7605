"""Quantiles and what is made of them for PyTorch; arguments as in `sksoftrank`."""

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

    `sksoftrank.soft_quantile` for tensors, with all derivatives.

    Parameters
    ----------
    values : torch.Tensor of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    q : float, array-like or torch.Tensor
        Probabilities, from 0 to 1. A tensor has derivatives.
    epsilon : float or torch.Tensor of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_quantile`. A tensor has
        a derivative of its own.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights, which may be a tensor with derivatives. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_quantile`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out.

    Returns
    -------
    quantiles : torch.Tensor
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
    >>> import torch
    >>> from sksoftrank.torch import soft_quantile
    >>> soft_quantile(torch.tensor([3.0, 0.0, 1.0, 10.0]), [0.25, 0.5], epsilon=0)
    tensor([0.7500, 2.0000])
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

    `sksoftrank.soft_median` for tensors, with all derivatives.

    Parameters
    ----------
    values : torch.Tensor of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    epsilon : float or torch.Tensor of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_median`. A tensor has a
        derivative of its own.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights, which may be a tensor with derivatives. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_median`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out.

    Returns
    -------
    median : torch.Tensor of the shape of `values` without `axis`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_quantile : Any quantile.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import soft_median
    >>> float(soft_median(torch.tensor([0.0, 1.0, 2.0, 3.0, 100.0]), epsilon=0.5))
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

    `sksoftrank.soft_trimmed_mean` for tensors, with all derivatives.

    Parameters
    ----------
    values : torch.Tensor of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    cut : float, pair of floats or torch.Tensor, default=0.25
        Share of the weight to leave out at each end, or at the lower and at the upper
        end.
    epsilon : float or torch.Tensor of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_trimmed_mean`. A tensor
        has a derivative of its own.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights, which may be a tensor with derivatives. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_trimmed_mean`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error or are left out.

    Returns
    -------
    mean : torch.Tensor of the shape of `values` without `axis`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_quantile : The same for a window of one value.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import soft_trimmed_mean
    >>> values = torch.tensor([0.0, 1.0, 2.0, 1000.0])
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

    `sksoftrank.soft_winsorize` for tensors, with all derivatives.

    Parameters
    ----------
    values : torch.Tensor of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    cut : float, pair of floats or torch.Tensor, default=0.05
        Values are clipped at the quantiles `cut` and ``1 - cut``, or ``cut[0]`` and
        ``1 - cut[1]``.
    epsilon : float or torch.Tensor of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_winsorize`. A tensor has
        a derivative of its own.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights, which may be a tensor with derivatives. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_winsorize`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out of the quantiles and stay NaN.

    Returns
    -------
    winsorized : torch.Tensor of the shape of `values`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_quantile : The bounds.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import soft_winsorize
    >>> soft_winsorize(torch.tensor([0.0, 1.0, 2.0, 3.0, 100.0]), 0.25, epsilon=0.5)
    tensor([1.1000, 1.1000, 2.0000, 2.9000, 2.9000])
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

    `sksoftrank.soft_quantile_normalize` for tensors, with all derivatives.

    Parameters
    ----------
    values : torch.Tensor of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    target : array-like of shape (m,) or callable
        A sample of the target distribution, in any order, or its quantile function, of
        tensors and differentiable, such as
        ``torch.distributions.Normal(0.0, 1.0).icdf``.
    epsilon : float or torch.Tensor of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_quantile_normalize`. A
        tensor has a derivative of its own.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        As for `sksoftrank.soft_quantile_normalize`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and stay NaN.

    Returns
    -------
    normalized : torch.Tensor of the shape of `values`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_rank : The ranks that are mapped.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import soft_quantile_normalize
    >>> soft_quantile_normalize(torch.tensor([0.1, 9.0, 3.0]), [10.0, 20.0, 40.0], 4.0)
    tensor([11.3750, 40.0000, 18.6250])
    """
    return _operators.quantile_normalize(
        xp, values, target, epsilon, regularization, axis, nan_policy
    )
