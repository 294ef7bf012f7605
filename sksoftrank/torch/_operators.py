"""Ranks, sorts and projections for PyTorch; arguments as in `sksoftrank`."""

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

    `sksoftrank.soft_rank` for tensors, with all derivatives.

    Parameters
    ----------
    values : torch.Tensor of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    epsilon : float or torch.Tensor of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_rank`. A tensor has a
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
    ranks : torch.Tensor of the shape of `values`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort : Differentiable sorted values.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import soft_rank
    >>> soft_rank(torch.tensor([2.0, 0.0, 1.0]), epsilon=2.0)
    tensor([2.5000, 1.5000, 2.0000])
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

    `sksoftrank.soft_sort` for tensors, with all derivatives.

    Parameters
    ----------
    values : torch.Tensor of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32.
    epsilon : float or torch.Tensor of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_sort`. A tensor has a
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
    sorted_values : torch.Tensor of the shape of `values`

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
    >>> import torch
    >>> from sksoftrank.torch import soft_sort
    >>> soft_sort(torch.tensor([3.0, 2.0, 1.0]), epsilon=0.25)
    tensor([1., 2., 3.])
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

    `sksoftrank.soft_topk` for tensors, with all derivatives.

    Parameters
    ----------
    values : torch.Tensor of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32. Finite.
    k : float
        Number of values to choose, or their total weight.
    epsilon : float or torch.Tensor of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_topk`. A tensor has a
        derivative of its own.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights, which may be a tensor with derivatives. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_topk`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    largest : bool, default=True
        If False the k smallest values are chosen.

    Returns
    -------
    parts : torch.Tensor of the shape of `values`
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
    >>> import torch
    >>> from sksoftrank.torch import soft_topk
    >>> soft_topk(torch.tensor([3.0, 0.0, 1.0, 2.0]), 2, epsilon=2.0)
    tensor([1.0000, 0.0000, 0.2500, 0.7500])
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

    `sksoftrank.soft_topk_sort` for tensors, with all derivatives.

    Parameters
    ----------
    values : torch.Tensor of shape (..., n, ...)
        Real floats of any type; 16 bits are computed in 32. Finite.
    k : int
        Number of sorted values, from 1 to n.
    epsilon : float or torch.Tensor of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_topk_sort`. A tensor has
        a derivative of its own.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_topk_sort`.
    axis : int or None, default=-1
        Axis of the slices. None flattens `values` first.
    largest : bool, default=True
        If False the k smallest values, smallest first.

    Returns
    -------
    sorted_values : torch.Tensor of shape (..., k, ...)

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort : All values.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import soft_topk_sort
    >>> soft_topk_sort(torch.tensor([3.0, 0.0, 1.0, 9.0]), 2, epsilon=0.5)
    tensor([6.2500, 4.2500])
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

    `sksoftrank.soft_sort_with` for tensors, with all derivatives.

    Parameters
    ----------
    values : torch.Tensor of shape (n, ...)
        Records, along `axis`: finite floats.
    criterion : torch.Tensor of shape (n,)
        By what to sort: finite floats.
    epsilon : float or torch.Tensor of shape (), default=1.0
        Strength of the regularization, as for `sksoftrank.soft_sort_with`. A tensor has
        a derivative of its own.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.soft_sort_with`.
    axis : int, default=0
        Axis of the records in `values`.
    descending : bool, default=False
        If True the record with the largest criterion comes first.

    Returns
    -------
    sorted_values : torch.Tensor of the shape of `values`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort : Sorted values, without records.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import soft_sort_with
    >>> values, criterion = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.3, 0.1, 0.2])
    >>> soft_sort_with(values, criterion, 0.2)
    tensor([2.2500, 2.2500, 1.5000])
    """
    return _operators.sort_with(
        xp, values, criterion, epsilon, regularization, axis, descending
    )


def isotonic_projection(s, w=None, *, regularization="quadratic", axis=-1):
    """Solve isotonic optimisation: the best non-increasing v for `s` and `w`.

    `sksoftrank.isotonic_projection` for tensors, with all derivatives.

    Parameters
    ----------
    s : torch.Tensor of shape (..., n, ...)
        The values to fit, in any order.
    w : torch.Tensor of the shape of `s`, or of shape (n,), default=None
        The values to subtract. None means zeros.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.isotonic_projection`.
    axis : int or None, default=-1
        Axis along which v is non-increasing. None flattens `s` first.

    Returns
    -------
    v : torch.Tensor of the shape of `s`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    project_permutahedron : The projection that reduces to this problem.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import isotonic_projection
    >>> isotonic_projection(torch.tensor([3.0, 1.0, 2.0, 0.0]))
    tensor([3.0000, 1.5000, 1.5000, 0.0000])
    """
    return _operators.isotonic(xp, s, w, regularization, axis)


def project_permutahedron(z, w, *, regularization="quadratic", axis=-1):
    """Project `z` on the permutahedron of `w`.

    `sksoftrank.project_permutahedron` for tensors, with all derivatives.

    Parameters
    ----------
    z : torch.Tensor of shape (..., n, ...)
        The points to project.
    w : torch.Tensor of the shape of `z`, or of shape (n,)
        The vertex that generates the permutahedron, in any order.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `sksoftrank.project_permutahedron`.
    axis : int or None, default=-1
        Axis of the points. None flattens `z` first.

    Returns
    -------
    projection : torch.Tensor of the shape of `z`

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_sort, soft_rank : The projections with one side fixed to (n, ..., 1).

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import project_permutahedron
    >>> z, w = torch.tensor([0.5, 0.25, -3.0]), torch.tensor([1.0, 0.0, 0.0])
    >>> project_permutahedron(z, w)
    tensor([0.6250, 0.3750, 0.0000])
    """
    return _operators.permutahedron(xp, z, w, regularization, axis)
