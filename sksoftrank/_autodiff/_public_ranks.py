"""The public ranks and sorts, methods for arrays of any framework."""

import math
from types import ModuleType
from typing import Any, Generic

from .._checks import check_flag, check_k, check_n_jobs, check_nan_policy
from .._typing import NanPolicy, RankRegularization, Regularization
from . import _blocks
from ._arguments import (
    Axis,
    nan_where,
    prepare,
    stand_ins,
    with_hard_values,
    without_nan,
)
from ._types import Array, Strength

# What ranks and sorts share.
OPTIONS = ("regularization", "axis", "descending", "nan_policy")


class Ranks(Generic[Array]):
    """Ranks and sorts.

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
        xp = self._xp
        options = regularization, axis, descending, nan_policy
        result = xp.fast(values, epsilon, False, *options, straight_through, n_jobs)
        if result is not None:
            return result
        if check_flag(straight_through, "straight_through"):
            named = dict(zip(OPTIONS, options, strict=True))
            return with_hard_values(
                xp, self.soft_rank, values, epsilon, n_jobs=n_jobs, **named
            )
        descending = check_flag(descending, "descending")
        x, axis_of, strength, dtype = prepare(
            xp, values, axis, epsilon, regularization, ("quadratic", "entropic", "kl")
        )
        # Infinite values are ties of which no derivative is left.
        x, _ = stand_ins(xp, x, strength, check_nan_policy(nan_policy))
        ranks, is_nan = _by_blocks(
            xp,
            x,
            strength,
            regularization,
            descending,
            nan_policy,
            n_jobs,
            is_sort=False,
        )
        ranks = nan_where(xp, is_nan, ranks)
        return xp.astype(axis_of.from_last(ranks), dtype)

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
        xp = self._xp
        options = regularization, axis, descending, nan_policy
        result = xp.fast(values, epsilon, True, *options, straight_through, n_jobs)
        if result is not None:
            return result
        if check_flag(straight_through, "straight_through"):
            named = dict(zip(OPTIONS, options, strict=True))
            return with_hard_values(
                xp, self.soft_sort, values, epsilon, n_jobs=n_jobs, **named
            )
        descending = check_flag(descending, "descending")
        x, axis_of, strength, dtype = prepare(
            xp, values, axis, epsilon, regularization, ("quadratic", "entropic")
        )
        omits_nan = check_nan_policy(nan_policy)
        x, infinite = stand_ins(xp, x, strength, omits_nan, only_hard=True)
        result, is_nan = _by_blocks(
            xp,
            x,
            strength,
            regularization,
            descending,
            nan_policy,
            n_jobs,
            is_sort=True,
        )
        if infinite is not None:
            # Hard results: the infinite ones are first and last, NaN apart.
            count = [xp.sum(xp.cast(infinite == sign, x)) for sign in (1.0, -1.0)]
            n_numbers = x.shape[-1] if is_nan is None else xp.sum(xp.cast(~is_nan, x))
            first, last = count if descending else count[::-1]
            place, sign = xp.places(x), 1.0 if descending else -1.0
            shift = xp.where(place < first, sign * math.inf, xp.zeros_like(result))
            shift = xp.where(place >= n_numbers - last, -sign * math.inf, shift)
            result = result + shift
        if is_nan is not None:
            n_missing = xp.sum(xp.cast(is_nan, x))
            is_beyond = xp.places(x) >= x.shape[-1] - n_missing
            result = nan_where(xp, is_beyond, result)
        return xp.astype(axis_of.from_last(result), dtype)

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
        axis_of = Axis(self._xp, self._xp.check_values(values, "values").shape, axis)
        k = check_k(k, axis_of.length)
        result = self.soft_sort(
            values,
            epsilon,
            regularization=regularization,
            axis=axis,
            descending=check_flag(largest, "largest"),
            nan_policy=nan_policy,
            straight_through=straight_through,
        )
        return axis_of.from_last(axis_of.to_last(result)[..., :k])


def _by_blocks(
    xp: Any,
    x: Any,
    epsilon: _blocks.Strength,
    regularization: str,
    descending: bool,
    nan_policy: str,
    n_jobs: int | None,
    *,
    is_sort: bool,
) -> tuple[Any, Any]:
    """Ranks or sorts along the last axis, and which values were NaN, if any may be."""
    filled, is_nan = without_nan(xp, x, nan_policy)
    if is_nan is None and epsilon.is_number:
        options = regularization, -1, descending, "raise", False, n_jobs
        result = xp.fast(x, epsilon.value, is_sort, *options)
        if result is not None:
            return result, None
    order, first = xp.blocks(
        x,
        epsilon.of_slices(x.shape[:-1]),
        regularization,
        is_sort,
        descending,
        is_nan is not None,
        check_n_jobs(n_jobs),
    )
    formula = _blocks.sorted_values if is_sort else _blocks.ranks
    result = formula(
        xp, filled, order, first, epsilon, regularization, descending=descending
    )
    return result, is_nan
