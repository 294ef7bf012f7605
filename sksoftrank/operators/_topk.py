"""The soft choice of the k largest values."""

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import (
    check_epsilon,
    check_flag,
    check_mass,
    check_regularization,
    check_share,
)
from .._jacobian import Jacobian
from .._rows import Slices, rounded
from .._typing import NanPolicy, Regularization
from ._by_row import OwnPlace, needs_groups, solve_groups
from ._choice import Choice, WeightedRows, choose, steepness_of
from ._rows import check_compared, signed


@overload
def soft_topk(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    regularization: Regularization = ...,
    axis: int | None = ...,
    largest: bool = ...,
    magnitude: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.floating]: ...


@overload
def soft_topk(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = ...,
    *,
    weights: ArrayLike | None = ...,
    regularization: Regularization = ...,
    axis: int | None = ...,
    largest: bool = ...,
    magnitude: bool = ...,
    nan_policy: NanPolicy = ...,
    straight_through: bool = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.floating], Jacobian]: ...


def soft_topk(
    values: ArrayLike,
    k: ArrayLike,
    epsilon: ArrayLike = 1.0,
    *,
    weights: ArrayLike | None = None,
    regularization: Regularization = "quadratic",
    axis: int | None = -1,
    largest: bool = True,
    magnitude: bool = False,
    nan_policy: NanPolicy = "raise",
    straight_through: bool = False,
    return_jacobian: bool = False,
) -> NDArray[np.floating] | tuple[NDArray[np.floating], Jacobian]:
    r"""Differentiable choice of the k largest values.

    The parts p of the values are in [0, 1] and have the sum k. As `epsilon` goes to 0
    the k largest values have the part 1, all others 0; as it grows all parts approach
    k / n.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real numbers. float32 is kept, float16 becomes float32, all else float64. -inf
        is a mask: it is chosen only where k leaves no other choice.
    k : float or array-like
        Number of values to choose, or their total weight; above 0 and at most n or the
        sum of the weights. Need not be whole. An array, of the shape of `values`
        without `axis`, has one for each slice.
    epsilon : float or array-like, default=1.0
        Strength of the regularization, in the units of `values`. 0 gives the hard
        choice, in which values tied at the boundary share what is left equally. An
        array has one for each slice.
    weights : array-like of shape (n,) or of the shape of `values`, default=None
        Non-negative weights a: then ``sum(a * p)`` is k. A weight of 2 is exactly a
        repeated value. None means ones.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        "quadratic" gives parts of exactly 0 and 1; "entropic" is infinitely
        differentiable.
    axis : int or None, default=-1
        Axis along which to choose. None flattens `values` first.
    largest : bool, default=True
        If False the k smallest values are chosen.
    magnitude : bool, default=False
        Whether values are compared by their absolute values; ``parts * values`` is then
        a sparse approximation of them.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or are left out and stay NaN.
    straight_through : bool, default=False
        Whether the result is the hard one, that for ``epsilon=0``, while the derivative
        stays that for `epsilon`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    parts : ndarray of the shape of `values`
    jacobian : Jacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp`` and attributes
        ``wrt_k``, ``wrt_epsilon`` and ``wrt_weights``. Only with
        ``return_jacobian=True``. At kinks it is that of one of the adjacent pieces, and
        ``wrt_k`` is 0 where all parts are 0 or 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_rank : Ranks of all values.
    soft_quantile : Quantiles made of such choices.
    losses.selection_trimmed_loss : The choice of the smallest losses.

    Notes
    -----
    For values x and weights a the parts p maximise

    .. math::

        \sum_i a_i p_i x_i - \varepsilon \sum_i a_i \varphi(p_i)
        \quad \text{over} \quad 0 \le p_i \le 1, \; \sum_i a_i p_i = k ,

    where :math:`\varphi(p)` is :math:`p^2 / 2` or, for "entropic", :math:`p\,\log
    p+(1-p)\,\log(1-p)`. With the threshold t at which the sum is k they are
    :math:`(x_i-t)/\varepsilon`, clipped to [0, 1], or the logistic function of that,
    the Fermi-Dirac distribution. The quadratic ones are the projection of ``x /
    epsilon`` on the permutahedron of k ones and n - k zeros ([1]_, section 4). Nothing
    is sorted: time is O(n).

    Which epsilon? Quadratic parts are hard up to the gap between the k-th and the next
    value (for whole k), and linear in all values, :math:`k / n + (x_i - \bar x) /
    \varepsilon`, from

    .. math::

        \max\left( \frac{\max(x) - \bar x}{1 - k / n}, \;
        \frac{\bar x - \min(x)}{k / n} \right)

    on. Entropic ones are neither for any epsilon > 0.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank import soft_topk
    >>> soft_topk([3.0, 0.0, 1.0, 2.0], 2, epsilon=1.0)
    array([1., 0., 0., 1.])
    >>> soft_topk([3.0, 0.0, 1.0, 2.0], 2, epsilon=2.0)
    array([1.  , 0.  , 0.25, 0.75])
    >>> soft_topk([3.0, 0.0, 1.0, -4.0], 2, epsilon=0.5, magnitude=True)
    array([1., 0., 0., 1.])
    """
    if needs_groups(
        epsilon, k, nan_policy=nan_policy, straight_through=straight_through
    ):
        return solve_groups(
            soft_topk,
            locals(),
            OwnPlace(),
            per_row=("epsilon", "k"),
            is_exact=magnitude is True,
        )
    epsilon = check_epsilon(epsilon)
    kind = check_regularization(regularization, ("quadratic", "entropic"))
    largest = check_flag(largest, "largest")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_compared(values, axis, magnitude)
    slices = Slices(values.shape, axis)
    signs = None
    if magnitude:
        signs, values = slices.to_rows(np.sign(values)), np.abs(values)
    if weights is None and not return_jacobian:
        parts = choose(values, slices, k, epsilon, kind, largest)
        if parts is not None:
            return parts
    data = WeightedRows(values, slices, weights, epsilon=epsilon)
    if data.infinite is not None:  # they do not move
        signs = (data.infinite == 0) * (1.0 if signs is None else signs)
    k = check_mass(k, float(data.total.min(initial=np.inf)))
    mass = np.full_like(data.total, k)
    if regularization == "quadratic" and epsilon > 0:
        check_share(k, data.total.max(initial=0.0), "k")
    if largest:
        data.rows = -data.rows
    elif return_jacobian:
        data.rows = data.rows.copy()  # which the caller may change
    if return_jacobian:
        data.detach_weights()
    rest = data.total - mass
    choice = Choice(data, mass, rest, epsilon, kind, has_slope=return_jacobian)
    parts = rounded(slices.from_rows(choice.p), values.dtype)
    if not return_jacobian:
        return parts
    if np.may_share_memory(parts, choice.p):  # which the caller may change
        parts = parts.copy()
    return parts, _jacobian(values, slices, choice, largest, signs)


def _jacobian(values, slices, choice, largest, signs):
    """The Jacobian of the parts, of rows that are negated for the largest values."""
    data, epsilon, dtype = choice.data, choice.epsilon, values.dtype
    slope = choice.slope
    reach = _sum(data.weights * slope)
    # No part is open: nothing moves but with k and the weights, by a jump.
    per_mass = np.divide(slope, reach, out=np.zeros_like(slope), where=reach > 0)
    pull = data.weights * per_mass
    steepness = steepness_of(epsilon) * (1.0 if largest else -1.0)

    # Entropic parts may all be closed but for one, that of the most slope: changes are
    # taken relative to its own, which moves nothing, or they would lose their digits.
    most = pull.argmax(axis=1)[:, None] if choice.is_logistic else None

    def multiply(rows, *, transpose):
        if most is not None:
            own = np.take_along_axis(rows, most, axis=1)
            if transpose:
                unit = np.take_along_axis(data.weights, most, axis=1)
                share = np.divide(own, unit, out=np.zeros_like(own), where=unit > 0)
                own = data.weights * share
            rows = rows - own
            np.put_along_axis(rows, most, 0.0, axis=1)
        scaled = steepness * slope * rows
        if transpose:
            return scaled - pull * _sum(scaled)
        return scaled - steepness * slope * _sum(pull * rows)

    def squares():
        # The square of the steepness may overflow, and differences lose digits.
        own, others = slope * _sum_of_others(pull), np.sqrt(_sum_of_others(slope**2))
        found = (steepness * own) ** 2 + (steepness * (pull * others)) ** 2
        return found if signs is None else np.where(signs == 0, 0.0, found)

    def multiply_weights(rows, *, transpose):
        if not transpose:
            return -per_mass * _sum(choice.p * rows)
        products = -choice.p * _sum(per_mass * rows)
        return products if not data.is_shared else products.sum(0, keepdims=True)

    def find_wrt_weights():
        return Jacobian(
            Slices((slices.length,), 0) if data.is_shared else slices,
            slices,
            multiply_weights,
            shapes=(data.weights_shape, slices.shape),
            dtype=dtype,
        )

    def as_values(rows):
        return rounded(slices.from_rows(rows), dtype)

    def find_wrt_epsilon():
        # Rows are negated for the largest values, with the same formula.
        centre = choice.centre
        if most is not None:
            centre = np.take_along_axis(data.rows, most, axis=1)
        deviation = data.rows - centre
        change = slope * (deviation - _sum(pull * deviation))
        # Not by the square, which may overflow: open values are closer than epsilon.
        return as_values(steepness * (steepness * change))

    return Jacobian(
        slices,
        slices,
        signed(multiply, signs),
        shapes=(values.shape, slices.shape),
        dtype=dtype,
        derivatives={
            "wrt_k": lambda: as_values(per_mass),
            "wrt_epsilon": find_wrt_epsilon,
            "wrt_weights": find_wrt_weights,
        },
        squares=squares,
    )


def _sum(array):
    return np.sum(array, axis=1, keepdims=True)


def _sum_of_others(array):
    """For each number of a row the sum of the others."""
    before, after = np.zeros((2, *array.shape))
    np.cumsum(array[:, :-1], axis=1, out=before[:, 1:])
    np.cumsum(array[:, :0:-1], axis=1, out=after[:, -2::-1])
    return before + after
