"""Soft quantile normalisation: values mapped on a distribution by their ranks."""

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import check_differences, check_exact, check_finite, check_flag
from .._jacobian import Jacobian
from .._rows import Slices, rounded
from .._typing import (
    ContinuousDistribution,
    DiscreteDistribution,
    NanPolicy,
    RankRegularization,
)
from ._sorting import soft_rank

SMALLEST_DENSITY = 1e-300


@overload
def soft_quantile_normalize(
    values: ArrayLike,
    target: ArrayLike | ContinuousDistribution | DiscreteDistribution,
    epsilon: ArrayLike = ...,
    *,
    regularization: RankRegularization = ...,
    axis: int | None = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def soft_quantile_normalize(
    values: ArrayLike,
    target: ArrayLike | ContinuousDistribution | DiscreteDistribution,
    epsilon: ArrayLike = ...,
    *,
    regularization: RankRegularization = ...,
    axis: int | None = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def soft_quantile_normalize(
    values: ArrayLike,
    target: ArrayLike | ContinuousDistribution | DiscreteDistribution,
    epsilon: ArrayLike = 1.0,
    *,
    regularization: RankRegularization = "quadratic",
    axis: int | None = -1,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Values with their order, but the distribution of a target.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. float32 is kept, float16 becomes float32, all else float64.
    target : array-like of shape (m,) or frozen distribution
        A sample of the target distribution, in any order, or an object with methods
        ``ppf`` and ``pdf`` like ``scipy.stats.norm()``, or with ``ppf`` and ``pmf``
        like ``scipy.stats.poisson(3)``: results are values of that distribution, and
        derivatives are 0, as between the steps of its quantile function.
    epsilon : float or array-like, default=1.0
        Strength of the regularization of `soft_rank`, in the units of `values`. 0 gives
        the hard operator; as it grows all results approach the middle of the target.
        An array, of the shape of `values` without `axis`, has one for each slice.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        As for `soft_rank`.
    axis : int or None, default=-1
        Axis along which to normalise. None flattens `values` first.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and stay NaN.
    straight_through : bool, default=False
        Whether the ranks are the hard ones, those for ``epsilon=0``, while their
        derivatives stay those for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    normalized : ndarray of the shape of `values`
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp`` and the attribute
        ``wrt_epsilon``. Only with ``return_jacobian=True``. NaN have the derivative 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_rank : The ranks that are mapped.
    scipy.stats.rankdata : The hard ranks.

    Notes
    -----
    With ascending soft ranks r the result is :math:`Q((r - 1/2) / n)`, where Q is the
    quantile function of the target. That of a sample of m takes its sorted values at
    :math:`1/(2m), 3/(2m), \ldots` with straight lines between. For m = n and hard ranks
    the results are the values of the target themselves, in the order of `values` [1]_.

    References
    ----------
    .. [1] B. M. Bolstad, R. A. Irizarry, M. Astrand, T. P. Speed, "A comparison of
       normalization methods for high density oligonucleotide array data based on
       variance and bias", Bioinformatics 19, 2003.

    Examples
    --------
    >>> from sksoftrank import soft_quantile_normalize
    >>> soft_quantile_normalize([0.1, 9.0, 3.0], [10.0, 20.0, 40.0], epsilon=0)
    array([10., 40., 20.])
    >>> soft_quantile_normalize([0.1, 9.0, 3.0], [10.0, 20.0, 40.0], epsilon=4.0)
    array([11.375, 40.   , 18.625])
    >>> from scipy.stats import poisson
    >>> soft_quantile_normalize([0.1, 9.0, 3.0], poisson(3), epsilon=0)
    array([1., 5., 3.])
    """
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_differences(values, "values", axis)
    slices = Slices(values.shape, axis)
    if slices.length == 0:
        raise ValueError(
            f"values must not be empty along axis, got shape {values.shape}."
        )
    result: Any = soft_rank(  # type: ignore[call-overload]
        values.astype(np.float64, copy=False),  # float32 would round the ranks
        epsilon,
        regularization=regularization,
        axis=axis,
        nan_policy=nan_policy,
        straight_through=straight_through,
        return_jacobian=return_jacobian,
    )
    rank_jacobian: Any
    ranks, rank_jacobian = result if return_jacobian else (result, None)
    quantile, slope = _quantile_function(target)
    is_kept = ~np.isnan(ranks)
    axis = 0 if axis is None else axis
    counts = np.count_nonzero(is_kept, axis=axis, keepdims=True)
    # The middle of the target for slices of NaN only, which all become NaN.
    level = np.where(is_kept, (ranks - 0.5) / counts.clip(1), 0.5)
    normalized = np.where(is_kept, quantile(level), np.nan)
    normalized = rounded(normalized, values.dtype)
    if not return_jacobian:
        return normalized
    factor = np.where(is_kept, slope(level) / counts.clip(1), 0.0)
    factors = slices.to_rows(factor)

    def multiply(rows, *, transpose):
        if transpose:
            return rank_jacobian._multiply(rows * factors, transpose=True)
        # Where the target is constant, however fast the ranks move.
        product = rank_jacobian._multiply(rows, transpose=False)
        with np.errstate(over="ignore"):
            return np.where(factors == 0, 0.0, product) * factors

    dtype = values.dtype

    def find_wrt_epsilon():
        with np.errstate(over="ignore"):
            change = np.where(factor == 0, 0.0, rank_jacobian.wrt_epsilon) * factor
        return rounded(change, dtype)

    jacobian = Jacobian(
        slices,
        slices,
        multiply,
        shapes=(values.shape, ranks.shape),
        dtype=dtype,
        derivatives={"wrt_epsilon": find_wrt_epsilon},
    )
    return normalized, jacobian


def _quantile_function(target):
    """Quantile function of the target, and its derivative."""
    if callable(getattr(target, "ppf", None)):
        if callable(getattr(target, "pdf", None)):
            # Where the density is 0 the slope is as good as infinite; but times 0 it
            # is 0.
            return (
                target.ppf,
                lambda level: (
                    1 / np.maximum(target.pdf(target.ppf(level)), SMALLEST_DENSITY)
                ),
            )
        if callable(getattr(target, "pmf", None)):
            return target.ppf, np.zeros_like
    sample = check_finite(check_exact(target, "target"), "target")
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError(
            f"target must be a distribution or a non-empty 1-D array, got shape "
            f"{sample.shape}."
        )
    sample = np.sort(sample.astype(np.float64))
    position = (np.arange(sample.size) + 0.5) / sample.size
    # Constant beyond the ends.
    slopes = np.concatenate([[0.0], np.diff(sample) * sample.size, [0.0]])

    def slope(level):
        return slopes[np.searchsorted(position, level)]

    return lambda level: np.interp(level, position, sample), slope
