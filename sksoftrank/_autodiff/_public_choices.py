"""The public soft choices, methods for arrays of any framework."""

import math
from types import ModuleType
from typing import Any, Generic

from .._checks import check_flag, check_mass, check_nan_policy, check_share
from .._typing import NanPolicy, Regularization
from ._arguments import (
    Axis,
    by_slice,
    check_nonempty,
    check_other,
    check_strength,
    check_weights,
    hard_value,
    nan_where,
    prepare,
    stand_ins,
    wide,
    with_hard_values,
)
from ._choices import Choice, Data
from ._types import Array, Numbers, Strength

# What callers say where weights leave less than nothing of a choice.
K_DEMAND = "k must be at most the sum of the weights"


class Choices(Generic[Array]):
    """Choices of the largest, and what is sorted by them.

    Parameters
    ----------
    xp : module
        What the formulas need from the framework.
    """

    def __init__(self, xp: ModuleType) -> None:
        self._xp = xp

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
        xp = self._xp
        if check_flag(straight_through, "straight_through"):
            return with_hard_values(
                xp,
                self.soft_topk,
                values,
                epsilon,
                k=k,
                weights=weights,
                regularization=regularization,
                axis=axis,
                largest=largest,
                magnitude=magnitude,
                nan_policy=nan_policy,
            )
        largest = check_flag(largest, "largest")
        magnitude = check_flag(magnitude, "magnitude")
        x, axis_of, strength, dtype = prepare(
            xp, values, axis, epsilon, regularization, ("quadratic", "entropic")
        )
        check_nonempty(axis_of, values.shape)
        weights = check_weights(xp, weights, axis_of, values.shape, x)
        x = xp.abs(x) if magnitude else x
        omits_nan = check_nan_policy(nan_policy)
        x, _ = stand_ins(xp, x, strength, omits_nan)
        data = Data(xp, -x if largest else x, weights, omits_nan=omits_nan)
        k = by_slice(xp, k, "k", axis_of, x)
        for number in _numbers(xp, k):
            check_mass(number, math.inf if weights is not None else axis_of.length)
            if weights is None and regularization == "quadratic":
                check_share(number, axis_of.length, "k")
        mass = xp.zeros_like(data.total) + k
        choice = Choice(
            data, mass, data.total - mass, strength, regularization, K_DEMAND
        )
        part = nan_where(xp, xp.isnan(x) if omits_nan else None, choice.part)
        return xp.astype(axis_of.from_last(part), dtype)

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
        xp = self._xp
        if check_flag(straight_through, "straight_through"):
            options: Any = {
                "regularization": regularization,
                "axis": axis,
                "descending": descending,
                "nan_policy": nan_policy,
            }
            soft = self.soft_sort_with(values, criterion, epsilon, **options)
            if xp.is_array(criterion):
                criterion = xp.detach(criterion)
            hard = self.soft_sort_with(xp.detach(values), criterion, 0.0, **options)
            return hard_value(xp, hard, soft)
        descending = check_flag(descending, "descending")
        omits_nan = check_nan_policy(nan_policy)
        if axis is None:
            raise TypeError("axis must be an integer, got None.")
        x, axis_of, _, _ = prepare(
            xp, values, axis, 1.0, regularization, ("quadratic", "entropic")
        )
        criterion = check_other(xp, criterion, "criterion", x)
        dtype = xp.result_type(values, criterion)
        n = axis_of.length
        if tuple(criterion.shape) != (n,) or n == 0:
            raise ValueError(
                f"criterion must have a number for each record, shape ({n},) and not "
                f"empty, got shape {tuple(criterion.shape)}."
            )
        _, (x, criterion) = wide(xp, x, criterion)
        strength = check_strength(xp, epsilon, Axis(xp, (n,), 0), x)
        criterion, _ = stand_ins(xp, criterion, strength, omits_nan, "criterion")
        zeros, weights = xp.zeros_like(criterion), None
        if omits_nan:
            rows = xp.reshape(xp.isnan(x), (-1, n))
            is_missing = xp.isnan(criterion) | xp.any_first(rows)
            known = xp.known(is_missing)
            if known is not None and known.all():
                raise ValueError(
                    "criterion and values must have a record without NaN, got none."
                )
            criterion = xp.where(is_missing, zeros, criterion)
            x = xp.where(is_missing, xp.zeros_like(x), x)
            weights = xp.where(is_missing, zeros, zeros + 1)
        xp.check_finite(x, "values")
        keys = xp.broadcast_to(-criterion if descending else criterion, (n - 1, n))
        whole = (zeros + 1 if weights is None else weights)[None]
        if n == 1:  # depends on the criterion, too, or PyTorch has nothing to pull back
            xp.check_finite(criterion, "criterion")
            whole = whole + 0 * criterion
        choices = [0 * whole, whole]
        if n > 1:
            if weights is not None:
                weights = xp.broadcast_to(weights, (n - 1, n))
            data = Data(xp, keys, weights, "criterion")
            mass = xp.places(criterion)[1:, None]
            mass = xp.where(mass < data.total, mass, data.total)
            choice = Choice(data, mass, data.total - mass, strength, regularization, "")
            part = choice.part if weights is None else choice.part * weights
            choices.insert(1, part)
        joined = xp.concat(choices)
        mixed = xp.matmul(x, xp.moveaxis(joined[1:] - joined[:-1], 0, 1))
        if omits_nan:
            mixed = nan_where(xp, xp.places(mixed) >= xp.sum(whole[0]), mixed)
        return xp.astype(axis_of.from_last(mixed), dtype)


def _numbers(xp: Any, option: Any) -> list[Any]:
    """What is known of an option of `by_slice`."""
    if not xp.is_array(option):
        return [option]
    known = xp.known(option)
    return [] if known is None else known.ravel().tolist()
