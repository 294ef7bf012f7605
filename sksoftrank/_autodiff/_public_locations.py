"""The public quantiles and means, methods for arrays of any framework."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Generic

from .._checks import check_flag
from .._typing import NanPolicy, RankRegularization, Regularization
from ._arguments import (
    Axis,
    check_cut,
    check_levels,
    check_nonempty,
    hard_value,
    nan_where,
    wide,
    with_hard_values,
)
from ._location import Location, quantile_function
from ._public_ranks import Ranks
from ._types import Array, Cut, Numbers, Strength

# What quantiles and means share.
OPTIONS = ("weights", "regularization", "axis", "nan_policy")


class Locations(Generic[Array]):
    """Quantiles and what is made of them.

    Parameters
    ----------
    xp : module
        What the formulas need from the framework.
    """

    def __init__(self, xp: ModuleType) -> None:
        self._xp, self._ranks = xp, Ranks[Any](xp)

    def soft_quantile(
        self,
        values: Array,
        q: Numbers[Array],
        epsilon: Strength[Array] = 1.0,
        *,
        weights: Numbers[Array] | None = None,
        regularization: Regularization = "quadratic",
        axis: int | None = -1,
        nan_policy: NanPolicy = "raise",
        straight_through: bool = False,
    ) -> Array:
        """Differentiable quantiles.

        `sksoftrank.soft_quantile` for tensors, with all derivatives.

        Parameters
        ----------
        values : torch.Tensor of shape (..., n, ...)
            Real floats of any type; 16 bits are computed in 32. Infinite ones are for
            ``epsilon=0`` only.
        q : float, array-like or torch.Tensor
            Probabilities, from 0 to 1. A tensor has derivatives.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of the regularization, as for `sksoftrank.soft_quantile`: one, or
            one for each slice, of the shape of `values` without `axis`. A tensor has
            derivatives.
        weights : array-like of shape (n,) or of the shape of `values`, default=None
            Non-negative weights; a tensor of them has derivatives. None means ones.
        regularization : {"quadratic", "entropic"}, default="quadratic"
            As for `sksoftrank.soft_quantile`.
        axis : int or None, default=-1
            Axis of the slices. None flattens `values` first.
        nan_policy : {"raise", "omit"}, default="raise"
            Whether NaN are an error or are left out.
        straight_through : bool, default=False
            Whether the result is the hard one, that for ``epsilon=0``, while
            derivatives stay those for `epsilon`.

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
        >>> values = torch.tensor([3.0, 0.0, 1.0, 10.0])
        >>> soft_quantile(values, [0.25, 0.5], epsilon=0).tolist()
        [0.75, 2.0]
        """
        xp, options = self._xp, (weights, regularization, axis, nan_policy)
        if check_flag(straight_through, "straight_through"):
            named = dict(zip(OPTIONS, options, strict=True))
            return with_hard_values(
                xp, self.soft_quantile, values, epsilon, q=q, **named
            )
        location = Location(xp, values, epsilon, *options)
        shape, levels = check_levels(xp, q, "q", location.x)
        other = tuple(location.x.shape)[:-1]
        if not levels:
            return location.result(xp.reshape(location.x[..., :0], shape + other))
        means = location.quantiles(levels)
        return location.result(xp.reshape(means, shape + other))

    def soft_median(
        self,
        values: Array,
        epsilon: Strength[Array] = 1.0,
        *,
        weights: Numbers[Array] | None = None,
        regularization: Regularization = "quadratic",
        axis: int | None = -1,
        nan_policy: NanPolicy = "raise",
        straight_through: bool = False,
    ) -> Array:
        """Differentiable median, the soft quantile for q = 1/2.

        `sksoftrank.soft_median` for tensors, with all derivatives.

        Parameters
        ----------
        values : torch.Tensor of shape (..., n, ...)
            Real floats of any type; 16 bits are computed in 32. Infinite ones are for
            ``epsilon=0`` only.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of the regularization, as for `sksoftrank.soft_median`: one, or one
            for each slice, of the shape of `values` without `axis`. A tensor has
            derivatives.
        weights : array-like of shape (n,) or of the shape of `values`, default=None
            Non-negative weights; a tensor of them has derivatives. None means ones.
        regularization : {"quadratic", "entropic"}, default="quadratic"
            As for `sksoftrank.soft_median`.
        axis : int or None, default=-1
            Axis of the slices. None flattens `values` first.
        nan_policy : {"raise", "omit"}, default="raise"
            Whether NaN are an error or are left out.
        straight_through : bool, default=False
            Whether the result is the hard one, that for ``epsilon=0``, while
            derivatives stay those for `epsilon`.

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
        return self.soft_quantile(
            values,
            0.5,
            epsilon,
            weights=weights,
            regularization=regularization,
            axis=axis,
            nan_policy=nan_policy,
            straight_through=straight_through,
        )

    def soft_trimmed_mean(
        self,
        values: Array,
        cut: Cut[Array] = 0.25,
        epsilon: Strength[Array] = 1.0,
        *,
        weights: Numbers[Array] | None = None,
        regularization: Regularization = "quadratic",
        axis: int | None = -1,
        nan_policy: NanPolicy = "raise",
        straight_through: bool = False,
    ) -> Array:
        """Differentiable mean without the smallest and the largest values.

        `sksoftrank.soft_trimmed_mean` for tensors, with all derivatives.

        Parameters
        ----------
        values : torch.Tensor of shape (..., n, ...)
            Real floats of any type; 16 bits are computed in 32. Infinite ones are for
            ``epsilon=0`` only.
        cut : float, torch.Tensor or pair of them, default=0.25
            Share of the weight to leave out at each end, or at the lower and the upper.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of the regularization, as for `sksoftrank.soft_trimmed_mean`: one,
            or one for each slice, of the shape of `values` without `axis`. A tensor has
            derivatives.
        weights : array-like of shape (n,) or of the shape of `values`, default=None
            Non-negative weights; a tensor of them has derivatives. None means ones.
        regularization : {"quadratic", "entropic"}, default="quadratic"
            As for `sksoftrank.soft_trimmed_mean`.
        axis : int or None, default=-1
            Axis of the slices. None flattens `values` first.
        nan_policy : {"raise", "omit"}, default="raise"
            Whether NaN are an error or are left out.
        straight_through : bool, default=False
            Whether the result is the hard one, that for ``epsilon=0``, while
            derivatives stay those for `epsilon`.

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
        xp, options = self._xp, (weights, regularization, axis, nan_policy)
        if check_flag(straight_through, "straight_through"):
            named = dict(zip(OPTIONS, options, strict=True))
            return with_hard_values(
                xp, self.soft_trimmed_mean, values, epsilon, cut=cut, **named
            )
        location = Location(xp, values, epsilon, *options, are_frequencies=False)
        lower, upper = check_cut(xp, cut, location.x)
        total = location.total
        low = lower * total, (1 - lower) * total
        high = (1 - upper) * total, upper * total
        return location.result(location.mean(low, high))

    def soft_winsorize(
        self,
        values: Array,
        cut: Cut[Array] = 0.05,
        epsilon: Strength[Array] = 1.0,
        *,
        weights: Numbers[Array] | None = None,
        regularization: Regularization = "quadratic",
        axis: int | None = -1,
        nan_policy: NanPolicy = "raise",
        straight_through: bool = False,
    ) -> Array:
        """Values clipped at two of their own soft quantiles.

        `sksoftrank.soft_winsorize` for tensors, with all derivatives.

        Parameters
        ----------
        values : torch.Tensor of shape (..., n, ...)
            Real floats of any type; 16 bits are computed in 32. Infinite ones are for
            ``epsilon=0`` only.
        cut : float, torch.Tensor or pair of them, default=0.05
            Values are clipped at the quantiles `cut` and ``1 - cut``, or ``cut[0]`` and
            ``1 - cut[1]``.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of the regularization, as for `sksoftrank.soft_winsorize`: one, or
            one for each slice, of the shape of `values` without `axis`. A tensor has
            derivatives.
        weights : array-like of shape (n,) or of the shape of `values`, default=None
            Non-negative weights; a tensor of them has derivatives. None means ones.
        regularization : {"quadratic", "entropic"}, default="quadratic"
            As for `sksoftrank.soft_winsorize`.
        axis : int or None, default=-1
            Axis of the slices. None flattens `values` first.
        nan_policy : {"raise", "omit"}, default="raise"
            Whether NaN are an error, or are left out of the quantiles and stay NaN.
        straight_through : bool, default=False
            Whether the bounds are the hard ones, those for ``epsilon=0``, while
            derivatives stay those for `epsilon`.

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
        >>> values = torch.tensor([0.0, 1.0, 2.0, 3.0, 100.0])
        >>> soft_winsorize(values, 0.25, epsilon=0.625).tolist()
        [1.125, 1.125, 2.0, 2.875, 2.875]
        """
        xp, options = self._xp, (weights, regularization, axis, nan_policy)
        straight_through = check_flag(straight_through, "straight_through")
        location = Location(xp, values, epsilon, *options)
        lower, upper = check_cut(xp, cut, location.x)
        levels = [lower, 1 - upper]
        bounds = location.quantiles(levels)
        if straight_through:  # only the bounds are soft
            hard = Location(xp, xp.detach(values), 0.0, *options)
            bounds = hard_value(xp, hard.quantiles(levels), bounds)
        low, high = bounds[0][..., None], bounds[1][..., None]
        x, is_nan = location.x, None
        if location.data.is_empty is not None:
            is_nan = xp.isnan(x)
            x = xp.where(is_nan, xp.zeros_like(x), x)

        def magnitude(of: Any) -> Any:
            return xp.where(xp.isinf(of), xp.zeros_like(of), xp.abs(xp.detach(of)))

        # Bounds that have met but for rounding, as for large epsilon, clip all values.
        # What is farther than epsilon from them adds no rounding.
        size = magnitude(x)
        reach = location.epsilon.constant()
        size = xp.max(xp.where(size < reach, size, xp.zeros_like(size) + reach))
        for bound in (magnitude(low), magnitude(high)):
            size = xp.where(bound > size, bound, size)
        has_met = high - low <= 8 * xp.eps(x) * size
        is_above = (x > high) | has_met
        clipped = xp.where(is_above, high, xp.where(x < low, low, x))
        clipped = nan_where(xp, is_nan, clipped)
        return location.result(location.axis.from_last(clipped))

    def soft_quantile_normalize(
        self,
        values: Array,
        target: Numbers[Array] | Callable[[Array], Array],
        epsilon: Strength[Array] = 1.0,
        *,
        regularization: RankRegularization = "quadratic",
        axis: int | None = -1,
        nan_policy: NanPolicy = "raise",
        straight_through: bool = False,
    ) -> Array:
        """Values with their order, but the distribution of a target.

        `sksoftrank.soft_quantile_normalize` for tensors, with all derivatives.

        Parameters
        ----------
        values : torch.Tensor of shape (..., n, ...)
            Real floats of any type; 16 bits are computed in 32. Infinite ones are first
            and last, as ties.
        target : array-like of shape (m,) or callable
            A sample of the target distribution, in any order, or its quantile function,
            of tensors and differentiable, such as
            ``torch.distributions.Normal(0.0, 1.0).icdf``.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of the regularization, as for `sksoftrank.soft_quantile_normalize`:
            one, or one for each slice, of the shape of `values` without `axis`. A
            tensor has derivatives.
        regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
            As for `sksoftrank.soft_quantile_normalize`.
        axis : int or None, default=-1
            Axis of the slices. None flattens `values` first.
        nan_policy : {"raise", "omit"}, default="raise"
            Whether NaN are an error, or are left out and stay NaN.
        straight_through : bool, default=False
            Whether the ranks are the hard ones, those for ``epsilon=0``, while
            derivatives stay those for `epsilon`.

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
        >>> values, target = torch.tensor([0.125, 9.0, 3.0]), [10.0, 20.0, 40.0]
        >>> soft_quantile_normalize(values, target, 4.0).tolist()
        [11.40625, 40.0, 18.59375]
        """
        xp = self._xp
        values = xp.check_values(values, "values")
        check_nonempty(Axis(xp, values.shape, axis), values.shape)
        dtype, (x,) = wide(xp, values)
        ranks = self._ranks.soft_rank(
            x,
            epsilon,
            regularization=regularization,
            axis=axis,
            nan_policy=nan_policy,
            straight_through=straight_through,
        )
        is_nan = xp.isnan(ranks)
        axis_of = Axis(xp, ranks.shape, 0 if axis is None else axis)
        ranks, is_nan = axis_of.to_last(ranks), axis_of.to_last(is_nan)
        count = xp.sum(xp.cast(~is_nan, x))
        count = xp.where(count > 0, count, xp.ones_like(count))
        # The middle of the target in place of NaN.
        steps = xp.where(is_nan, 0.5 * count, ranks - 0.5)
        result = quantile_function(xp, target, x)(steps, count)
        result = nan_where(xp, is_nan, result)
        return xp.astype(axis_of.from_last(result), dtype)
