"""The public ranks, sorts and choices, methods for arrays of any framework."""

from types import ModuleType
from typing import Generic

from .._typing import NanPolicy, RankRegularization, Regularization
from . import _operators as formulas
from ._types import Array, Numbers, Strength


class Operators(Generic[Array]):
    """Ranks, sorts and choices.

    Parameters
    ----------
    xp : module
        What the formulas need from the framework.
    """

    def __init__(self, xp: ModuleType) -> None:
        self._xp = xp

    def soft_rank(
        self,
        values: Array,
        epsilon: Strength[Array] = 1.0,
        *,
        regularization: RankRegularization = "quadratic",
        axis: int | None = -1,
        descending: bool = False,
        nan_policy: NanPolicy = "raise",
        straight_through: bool = False,
        n_jobs: int | None = None,
    ) -> Array:
        """Differentiable ranks.

        `sksoftrank.soft_rank` for tensors, with all derivatives.

        Parameters
        ----------
        values : torch.Tensor of shape (..., n, ...)
            Real floats of any type; 16 bits are computed in 32. Infinite ones are first
            and last, as ties: a mask.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of the regularization, as for `sksoftrank.soft_rank`: one, or one
            for each slice, of the shape of `values` without `axis`. A tensor has
            derivatives.
        regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
            As for `sksoftrank.soft_rank`.
        axis : int or None, default=-1
            Axis of the slices. None flattens `values` first.
        descending : bool, default=False
            If True the largest value has rank 1.
        nan_policy : {"raise", "omit"}, default="raise"
            Whether NaN are an error, or are left out and stay NaN.
        straight_through : bool, default=False
            Whether the result is the hard one, that for ``epsilon=0``, while
            derivatives stay those for `epsilon`.
        n_jobs : int, default=None
            Number of threads over which slices are spread. None means 1, -1 all
            processors.

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
        >>> soft_rank(torch.tensor([2.0, 0.0, 1.0]), epsilon=2.0).tolist()
        [2.5, 1.5, 2.0]
        """
        return formulas.rank(
            self._xp,
            values,
            epsilon,
            regularization,
            axis,
            descending,
            nan_policy,
            straight_through,
            n_jobs,
        )

    def soft_sort(
        self,
        values: Array,
        epsilon: Strength[Array] = 1.0,
        *,
        regularization: Regularization = "quadratic",
        axis: int | None = -1,
        descending: bool = False,
        nan_policy: NanPolicy = "raise",
        straight_through: bool = False,
        n_jobs: int | None = None,
    ) -> Array:
        """Differentiable sorted values.

        `sksoftrank.soft_sort` for tensors, with all derivatives.

        Parameters
        ----------
        values : torch.Tensor of shape (..., n, ...)
            Real floats of any type; 16 bits are computed in 32. Infinite ones are for
            ``epsilon=0`` only.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of the regularization, as for `sksoftrank.soft_sort`: one, or one
            for each slice, of the shape of `values` without `axis`. A tensor has
            derivatives.
        regularization : {"quadratic", "entropic"}, default="quadratic"
            As for `sksoftrank.soft_sort`.
        axis : int or None, default=-1
            Axis of the slices. None flattens `values` first.
        descending : bool, default=False
            If True the largest value comes first.
        nan_policy : {"raise", "omit"}, default="raise"
            Whether NaN are an error, or are left out and come last.
        straight_through : bool, default=False
            Whether the result is the hard one, that for ``epsilon=0``, while
            derivatives stay those for `epsilon`.
        n_jobs : int, default=None
            Number of threads over which slices are spread. None means 1, -1 all
            processors.

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
        >>> soft_sort(torch.tensor([3.0, 2.0, 1.0]), epsilon=0.25).tolist()
        [1.0, 2.0, 3.0]
        """
        return formulas.sort(
            self._xp,
            values,
            epsilon,
            regularization,
            axis,
            descending,
            nan_policy,
            straight_through,
            n_jobs,
        )

    def soft_topk(
        self,
        values: Array,
        k: float | Strength[Array],
        epsilon: Strength[Array] = 1.0,
        *,
        weights: Numbers[Array] | None = None,
        regularization: Regularization = "quadratic",
        axis: int | None = -1,
        largest: bool = True,
        magnitude: bool = False,
        nan_policy: NanPolicy = "raise",
        straight_through: bool = False,
    ) -> Array:
        """Differentiable choice of the k largest values.

        `sksoftrank.soft_topk` for tensors, with all derivatives.

        Parameters
        ----------
        values : torch.Tensor of shape (..., n, ...)
            Real floats of any type; 16 bits are computed in 32. -inf is a mask.
        k : float, torch.Tensor or array-like
            Number of values to choose, or their total weight: one, or one for each
            slice. A tensor has derivatives.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of the regularization, as for `sksoftrank.soft_topk`: one, or one
            for each slice, of the shape of `values` without `axis`. A tensor has
            derivatives.
        weights : array-like of shape (n,) or of the shape of `values`, default=None
            Non-negative weights; a tensor of them has derivatives. None means ones.
        regularization : {"quadratic", "entropic"}, default="quadratic"
            As for `sksoftrank.soft_topk`.
        axis : int or None, default=-1
            Axis of the slices. None flattens `values` first.
        largest : bool, default=True
            If False the k smallest values are chosen.
        magnitude : bool, default=False
            Whether values are compared by their absolute values.
        nan_policy : {"raise", "omit"}, default="raise"
            Whether NaN are an error, or are left out and stay NaN.
        straight_through : bool, default=False
            Whether the result is the hard one, that for ``epsilon=0``, while
            derivatives stay those for `epsilon`.

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
        >>> soft_topk(torch.tensor([3.0, 0.0, 1.0, 2.0]), 2, epsilon=2.0).tolist()
        [1.0, 0.0, 0.25, 0.75]
        """
        return formulas.topk(
            self._xp,
            values,
            k,
            epsilon,
            weights,
            regularization,
            axis,
            largest,
            magnitude,
            nan_policy,
            straight_through,
        )

    def soft_topk_sort(
        self,
        values: Array,
        k: int,
        epsilon: Strength[Array] = 1.0,
        *,
        regularization: Regularization = "quadratic",
        axis: int | None = -1,
        largest: bool = True,
        nan_policy: NanPolicy = "raise",
        straight_through: bool = False,
    ) -> Array:
        """Differentiable k largest values, in order.

        `sksoftrank.soft_topk_sort` for tensors, with all derivatives.

        Parameters
        ----------
        values : torch.Tensor of shape (..., n, ...)
            Real floats of any type; 16 bits are computed in 32. Infinite ones are for
            ``epsilon=0`` only.
        k : int
            Number of sorted values, from 1 to n.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of the regularization, as for `sksoftrank.soft_topk_sort`: one, or
            one for each slice, of the shape of `values` without `axis`. A tensor has
            derivatives.
        regularization : {"quadratic", "entropic"}, default="quadratic"
            As for `sksoftrank.soft_topk_sort`.
        axis : int or None, default=-1
            Axis of the slices. None flattens `values` first.
        largest : bool, default=True
            If False the k smallest values, smallest first.
        nan_policy : {"raise", "omit"}, default="raise"
            Whether NaN are an error, or are left out. Places for which too few values
            are left are NaN.
        straight_through : bool, default=False
            Whether the result is the hard one, that for ``epsilon=0``, while
            derivatives stay those for `epsilon`.

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
        >>> soft_topk_sort(torch.tensor([3.0, 0.0, 1.0, 9.0]), 2, 0.5).tolist()
        [6.25, 4.25]
        """
        return formulas.topk_sort(
            self._xp,
            values,
            k,
            epsilon,
            regularization,
            axis,
            largest,
            nan_policy,
            straight_through,
        )

    def soft_sort_with(
        self,
        values: Array,
        criterion: Array,
        epsilon: Strength[Array] = 1.0,
        *,
        regularization: Regularization = "quadratic",
        axis: int = 0,
        descending: bool = False,
        nan_policy: NanPolicy = "raise",
        straight_through: bool = False,
    ) -> Array:
        """Records sorted by a criterion, differentiable in both.

        `sksoftrank.soft_sort_with` for tensors, with all derivatives.

        Parameters
        ----------
        values : torch.Tensor of shape (n, ...)
            Records, along `axis`: finite floats.
        criterion : torch.Tensor of shape (n,)
            By what to sort: finite floats.
        epsilon : float or torch.Tensor of shape (), default=1.0
            Strength of the regularization, as for `sksoftrank.soft_sort_with`. A tensor
            has a derivative of its own.
        regularization : {"quadratic", "entropic"}, default="quadratic"
            As for `sksoftrank.soft_sort_with`.
        axis : int, default=0
            Axis of the records in `values`.
        descending : bool, default=False
            If True the record with the largest criterion comes first.
        nan_policy : {"raise", "omit"}, default="raise"
            Whether NaN are an error, or records are left out that have any or whose
            criterion is NaN. The last places are NaN then.
        straight_through : bool, default=False
            Whether the result is the hard one, that for ``epsilon=0``, while
            derivatives stay those for `epsilon`.

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
        >>> values = torch.tensor([1.0, 2.0, 3.0])
        >>> soft_sort_with(values, torch.tensor([0.75, 0.25, 0.5]), 0.5).tolist()
        [2.25, 2.25, 1.5]
        """
        return formulas.sort_with(
            self._xp,
            values,
            criterion,
            epsilon,
            regularization,
            axis,
            descending,
            nan_policy,
            straight_through,
        )
