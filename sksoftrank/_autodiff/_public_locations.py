"""The public quantiles and means, methods for arrays of any framework."""

from collections.abc import Callable
from types import ModuleType
from typing import Generic

from .._typing import NanPolicy, RankRegularization, Regularization
from . import _locations as formulas
from ._types import Array, Cut, Numbers, Strength


class Locations(Generic[Array]):
    """Quantiles and what is made of them.

    Parameters
    ----------
    xp : module
        What the formulas need from the framework.
    """

    def __init__(self, xp: ModuleType) -> None:
        self._xp = xp

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
        return formulas.quantile(
            self._xp,
            values,
            q,
            epsilon,
            weights,
            regularization,
            axis,
            nan_policy,
            straight_through,
        )

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
        return formulas.quantile(
            self._xp,
            values,
            0.5,
            epsilon,
            weights,
            regularization,
            axis,
            nan_policy,
            straight_through,
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
        cut : float, pair of floats or torch.Tensor, default=0.25
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
        return formulas.trimmed_mean(
            self._xp,
            values,
            cut,
            epsilon,
            weights,
            regularization,
            axis,
            nan_policy,
            straight_through,
        )

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
        cut : float, pair of floats or torch.Tensor, default=0.05
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
        return formulas.winsorize(
            self._xp,
            values,
            cut,
            epsilon,
            weights,
            regularization,
            axis,
            nan_policy,
            straight_through,
        )

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
        return formulas.quantile_normalize(
            self._xp,
            values,
            target,
            epsilon,
            regularization,
            axis,
            nan_policy,
            straight_through,
        )
