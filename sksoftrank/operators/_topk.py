"""The k largest values: their soft choice, and their soft ranks."""

from numbers import Integral, Real

import numpy as np

from .. import _isotonic, _pav
from .._checks import (
    check_differences,
    check_epsilon,
    check_finite,
    check_flag,
    check_regularization,
)
from .._jacobian import RowwiseJacobian
from .._slices import Slices, argsort_rows
from ._capped_choice import CappedChoice, WeightedRows, steepness_of


def soft_topk(
    values,
    k,
    epsilon=1.0,
    *,
    weights=None,
    regularization="quadratic",
    axis=-1,
    largest=True,
    return_jacobian=False,
):
    """Differentiable choice of the k largest values.

    The parts p of the values are in [0, 1] and have the sum k. As `epsilon` goes to 0
    the k largest values have the part 1, all others 0; as it grows all parts approach
    k / n.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. float32 is kept, float16 becomes float32, all else
        float64.
    k : float
        Number of values to choose, or their total weight; above 0 and at most n or the
        sum of the weights. Need not be whole.
    epsilon : float, default=1.0
        Strength of the regularization, in the units of `values`. 0 gives the hard
        choice, in which values tied at the boundary share what is left equally.
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
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    parts : ndarray of the shape of `values`
    jacobian : TopKJacobian
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
    The parts maximise ``sum(a * p * x) - epsilon * sum(a * phi(p))`` for the values x,
    where phi(p) is ``p^2 / 2`` or, for "entropic", ``p log(p) + (1 - p) log(1 - p)``.
    With the threshold t at which the sum is k they are ``clip((x - t) / epsilon, 0,
    1)`` or the logistic function of ``(x - t) / epsilon``, the Fermi-Dirac
    distribution. The quadratic ones are the projection of ``x / epsilon`` on the
    permutahedron of k ones and n - k zeros ([1]_, section 4). Nothing is sorted: time
    is O(n).

    Which epsilon? Quadratic parts are hard up to the gap between the k-th and the next
    value (for whole k), and linear in all values, ``k / n + (x - mean(x)) / epsilon``,
    from the larger of ``(max(x) - mean(x)) / (1 - k / n)`` and ``(mean(x) - min(x)) /
    (k / n)`` on. Entropic ones are neither for any epsilon > 0.

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
    """
    epsilon = check_epsilon(epsilon)
    kind = check_regularization(regularization, ("quadratic", "entropic"))
    largest = check_flag(largest, "largest")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_differences(values, "values", axis)
    slices = Slices(values.shape, axis)
    data = WeightedRows(values, slices, weights)
    mass = np.full_like(data.total, check_k(k, data.total))
    if largest:
        data.rows = -data.rows
    choice = CappedChoice(data, mass, data.total - mass, epsilon, kind)
    chosen = choice.parts()
    parts = slices.from_rows(chosen.part).astype(values.dtype, copy=False)
    if not return_jacobian:
        return parts
    return parts, TopKJacobian(values, slices, choice, chosen, largest)


class TopKJacobian(RowwiseJacobian):
    """Jacobian of a soft choice of the k largest values.

    A `scipy.sparse.linalg.LinearOperator` with methods ``jvp``, ``vjp`` and
    ``toarray``, like all Jacobians here. Products cost O(n).

    Attributes
    ----------
    input_shape, output_shape : tuple of int
        Shapes of the differentiated argument and of the result.
    wrt_k, wrt_epsilon : ndarray of shape `output_shape`
        The derivatives in `k` and in `epsilon`.
    wrt_weights : RowwiseJacobian
        The derivative in the weights, for ``weights=None`` at weights of one.

    See Also
    --------
    ProjectionJacobian : The same for soft sorts and ranks.

    Notes
    -----
    With the slope f of the parts, ``c = a f / sum(a f)`` and the directions u, v and w
    in values, weights and k, the derivative is ``f (u - sum(c u)) / epsilon + f (w -
    sum(p v)) / sum(a f)``.

    Examples
    --------
    >>> from sksoftrank import soft_topk
    >>> parts, jacobian = soft_topk([3.0, 0.0, 1.0], 1, 5.0, return_jacobian=True)
    >>> jacobian.vjp([1.0, 0.0, 0.0]).round(3)
    array([ 0.133, -0.067, -0.067])
    """

    def __init__(self, values, slices, choice, chosen, largest):
        data, epsilon = choice.data, choice.epsilon
        slope = chosen.slope()
        reach = _sum(data.weights * slope)
        # No part is open: nothing moves but with k and the weights, by a jump.
        per_mass = np.divide(slope, reach, out=np.zeros_like(slope), where=reach > 0)
        pull = data.weights * per_mass
        steepness = steepness_of(epsilon) * (1.0 if largest else -1.0)

        def multiply(rows, *, transpose):
            scaled = steepness * slope * rows
            if transpose:
                return scaled - pull * _sum(scaled)
            return scaled - steepness * slope * _sum(pull * rows)

        def multiply_weights(rows, *, transpose):
            if not transpose:
                return -per_mass * _sum(chosen.part * rows)
            products = -chosen.part * _sum(per_mass * rows)
            return products if not data.is_shared else products.sum(0, keepdims=True)

        dtype = values.dtype
        shapes = (values.shape, slices.shape)
        super().__init__(slices, slices, multiply, shapes=shapes, dtype=dtype)
        weight_slices = Slices((slices.length,), 0) if data.is_shared else slices
        self.wrt_weights = RowwiseJacobian(
            weight_slices,
            slices,
            multiply_weights,
            shapes=(data.weights_shape, slices.shape),
            dtype=dtype,
        )

        def as_values(rows):
            return slices.from_rows(rows).astype(dtype, copy=False)

        self.wrt_k = as_values(per_mass)
        # Rows are negated for the largest values, with the same formula.
        deviation = data.rows - choice.centre
        change = slope * (deviation - _sum(pull * deviation))
        # Not by the square, which may overflow: open values are closer than epsilon.
        self.wrt_epsilon = as_values(steepness * (steepness * change))


def soft_topk_rank(
    values,
    k,
    epsilon=1.0,
    *,
    regularization="quadratic",
    axis=-1,
    largest=True,
    return_jacobian=False,
):
    """Differentiable ranks of the k largest values, without sorting the others.

    As `epsilon` goes to 0 the largest value has the rank 1, the next 2 and so on; all
    below the k largest have the rank k + 1.

    Parameters
    ----------
    values : array-like of shape (..., n, ...)
        Real, finite numbers. float32 is kept, float16 becomes float32, all else
        float64.
    k : int
        Number of values that are told apart, from 1 to n.
    epsilon : float, default=1.0
        Strength of the regularization, in the units of `values`: values closer than
        this are pooled. 0 gives the hard ranks, of which ties get the mean.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        As for `soft_rank`.
    axis : int or None, default=-1
        Axis along which to rank. None flattens `values` first.
    largest : bool, default=True
        If False the smallest value has the rank 1, and the k smallest are told apart.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    ranks : ndarray of the shape of `values`
    jacobian : TopKRankJacobian
        The derivative in `values`, with methods ``jvp`` and ``vjp`` and the attribute
        ``wrt_epsilon``. Only with ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_rank : Ranks of all values.
    soft_topk : The choice of the k largest without an order among them.

    Notes
    -----
    The hard ranks, cut at k + 1, are a permutation of ``w = (k + 1, ..., k + 1, k, ...,
    2, 1)``. The soft ones are the projection of ``-values / epsilon`` on the
    permutahedron of w, as those of `soft_rank` are that of all ranks ([1]_, section 4),
    with the signs of `values` turned if `largest` is False. For k of n - 1 or more they
    are ``soft_rank(values, descending=largest)``.

    Where w is constant no values are pooled but with those above. So one value that is
    not pooled with larger ones, in a place beyond k, shows that all below it have the
    rank k + 1, whatever their order. Only the m largest values are sorted, in O(n + m
    log m) time, with m growing from k + 1 until that is so; it stays close to k unless
    `epsilon` is large.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank import soft_topk_rank
    >>> soft_topk_rank([3.0, 0.0, 1.0, 2.5], 2, epsilon=0.5)
    array([1., 3., 3., 2.])
    >>> soft_topk_rank([3.0, 0.0, 1.0, 2.5], 2, epsilon=1.0)
    array([1.25, 3.  , 3.  , 1.75])
    """
    epsilon = check_epsilon(epsilon)
    kind = check_regularization(regularization, ("quadratic", "entropic"))
    largest = check_flag(largest, "largest")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    values = check_differences(values, "values", axis)
    slices = Slices(values.shape, axis)
    k = check_whole_k(k, slices.length)
    rows = slices.to_rows(values).astype(np.float64, copy=False)
    check_finite(rows, "values")
    kind = kind if epsilon > 0 else _pav.QUADRATIC
    top = _TopRows(rows if largest else -rows, k, epsilon, kind)
    ranks = np.full(rows.shape, k + 1.0)
    np.put_along_axis(ranks, top.index, top.ranks, axis=1)
    result = slices.from_rows(ranks).astype(values.dtype, copy=False)
    if not return_jacobian:
        return result
    return result, TopKRankJacobian(values, slices, top, ranks, largest)


class TopKRankJacobian(RowwiseJacobian):
    """Jacobian of soft ranks of the k largest values.

    A `scipy.sparse.linalg.LinearOperator` with methods ``jvp``, ``vjp`` and
    ``toarray``, like all Jacobians here.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
        Shapes of the differentiated argument and of the result.
    wrt_epsilon : ndarray of shape `output_shape`
        The derivative in `epsilon`.

    See Also
    --------
    ProjectionJacobian : The same for soft sorts and ranks.

    Examples
    --------
    >>> from sksoftrank import soft_topk_rank
    >>> values = [3.0, 0.0, 1.0, 2.5]
    >>> ranks, jacobian = soft_topk_rank(values, 2, 1.0, return_jacobian=True)
    >>> jacobian.jvp([1.0, 0.0, 0.0, 0.0]).round(3) + 0.0
    array([-0.5,  0. ,  0. ,  0.5])
    """

    def __init__(self, values, slices, top, ranks, largest):
        sign = 1.0 if largest else -1.0
        steepness = sign * steepness_of(top.epsilon)

        def multiply(rows, *, transpose):
            inside = np.take_along_axis(rows, top.index, axis=1)
            product = np.empty_like(inside)
            _isotonic.pool_product_rows(
                inside,
                None,
                None,
                top.pools,
                top.weights,
                _isotonic.DEVIATION,
                transpose,
                1.0,
                product,
            )
            out = np.zeros(rows.shape)
            np.put_along_axis(out, top.index, -steepness * product, axis=1)
            return out

        shapes = (values.shape, slices.shape)
        super().__init__(slices, slices, multiply, shapes=shapes, dtype=values.dtype)
        # The ranks of a pool are affine in values / epsilon.
        change = slices.from_rows(sign * multiply(ranks, transpose=False))
        self.wrt_epsilon = change.astype(values.dtype, copy=False)


class _TopRows:
    """Projection of -rows / epsilon on the permutahedron of (k + 1, ..., k, ..., 1).

    Attributes
    ----------
    index : ndarray of int, shape (count, m)
        Where the m largest values of each row are, smallest first. The projection of
        the others is k + 1, and its derivative 0.
    ranks : ndarray of shape (count, m)
        The projection.
    pools, weights : ndarrays of shape (count, m + 1) and (count, m)
        Pools of the m values, and the softmax weights within, None if uniform.
    """

    def __init__(self, rows, k, epsilon, kind):
        self.epsilon = epsilon
        n, m = rows.shape[1], k + 1
        while not self._project(rows, k, min(m, n), kind):
            m *= 4

    def _project(self, rows, k, m, kind):
        """From the m largest values; False if more are needed."""
        count, n = rows.shape
        if m < n:
            index = np.argpartition(rows, n - m, axis=1)[:, n - m :]
            top = np.take_along_axis(rows, index, axis=1)
            order, top = argsort_rows(top, descending=False)
            self.index = np.take_along_axis(index, order, axis=1)
        else:
            self.index, top = argsort_rows(rows, descending=False)
        # w spans k: larger gaps separate pools, like these. The hard ranks have no
        # pools but of ties.
        gap = np.diff(top, axis=1, prepend=top[:, :1])
        with np.errstate(over="ignore"):
            gap = gap / self.epsilon if self.epsilon > 0 else (k + 2.0) * (gap > 0)
        z = -np.cumsum(np.minimum(gap, k + 2.0), axis=1)
        w = np.minimum(np.arange(m, 0, -1, dtype=np.float64), k + 1.0)
        self.ranks = np.empty((count, m))
        self.pools = np.zeros((count, m + 1), dtype=np.int64)
        self.weights = None if kind == _pav.QUADRATIC else np.empty((count, m))
        others = None if kind == _pav.QUADRATIC else np.empty((count, m))
        _isotonic.isotonic_rows(
            z, w[None], kind, True, self.ranks, self.pools, self.weights, others
        )
        # A pool that begins with the first may reach farther down. Otherwise that is a
        # block of one, and so are all below it, for there w is constant.
        return m == n or not (self.pools[:, 0] == 0).any()


def _sum(array):
    return np.sum(array, axis=1, keepdims=True)


def check_k(k, total):
    """Return `k` as a float above 0 and at most `total`, or say what is wrong."""
    if not isinstance(k, Real) or isinstance(k, (bool, np.bool_)):
        raise TypeError(f"k must be a real number, got {k!r}.")
    highest = float(total.min(initial=np.inf))
    if not 0 < k <= highest:
        raise ValueError(
            f"k must be above 0 and at most {highest:g}, the number of values or the "
            f"sum of their weights, got {k}."
        )
    return float(k)


def check_whole_k(k, n):
    """Return `k` as an integer from 1 to n, or say what is wrong with it."""
    if not isinstance(k, Integral) or isinstance(k, bool):
        raise TypeError(f"k must be an integer, got {k!r}.")
    if not 1 <= k <= n:
        raise ValueError(f"k must be from 1 to the number of values, {n}, got {k}.")
    return int(k)
