"""Trimmed losses: the mean of the smallest losses, smoothed in two ways.

Both functions take raw losses, so they serve any model, and both return ``(value,
gradient, selection)``: the smoothed mean, its derivatives by the losses, and how much
of each loss is kept.
"""

import math
from numbers import Real

import numpy as np

from .._checks import check_epsilon, check_finite, check_values
from ..operators import soft_sort

# Repeats are written out by `sorted_trimmed_loss`, at several numbers each.
MAX_REPEATS = 10**9


def selection_trimmed_loss(losses, n_kept, epsilon, sample_weight=None):
    """Mean of the `n_kept` smallest losses with a soft choice of which to keep.

    The choice is a vector p of one number in [0, 1] per loss. With sample weights a,
    their sum A and h = `n_kept`, the value is ::

        1/h  min   sum_i a_i p_i losses_i + epsilon/2 sum_i a_i (p_i - h/A)^2
             over  0 <= p_i <= 1,  sum_i a_i p_i = h.

    It grows with `epsilon` from the mean of the h smallest losses to the mean of all,
    and is a concave function of the losses with, for ``epsilon > 0``, a continuous
    gradient. A loss far enough above the h smallest is given the weight 0.

    Parameters
    ----------
    losses : array-like of shape (n,)
        Losses, finite.
    n_kept : float
        Weight h of the losses to keep, 0 < h <= A; need not be an integer.
    epsilon : float
        Smoothing strength in units of the losses, at least 0. With 0 exactly the h
        smallest are kept; losses tied at the boundary share what is left equally.
    sample_weight : array-like of shape (n,), default=None
        Weights a, at least 0 and not all 0. An integer weight is exactly that number
        of repeats of the loss. None means ones.

    Returns
    -------
    value : float
        The smoothed trimmed mean, in units of the losses.
    gradient : ndarray of shape (n,)
        Derivatives of the value by the losses, ``a * selection / n_kept``.
    selection : ndarray of shape (n,)
        The choice p, also for losses of weight 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    See Also
    --------
    sorted_trimmed_loss : Smooths the sorted losses, not the choice among them.

    Notes
    -----
    The choice is ``p_i = clip((t - losses_i) / epsilon, 0, 1)`` for the one threshold t
    at which ``sum(a * p) = h``: without weights, the Euclidean projection of
    ``-losses / epsilon`` on the permutahedron of h ones and n - h zeros ([1]_, section
    4). The limit ``epsilon = 0`` is the loss of least trimmed squares [2]_.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.
    .. [2] P. J. Rousseeuw, K. Van Driessen, "Computing LTS Regression for Large Data
       Sets", Data Mining and Knowledge Discovery 12, 2006.

    Examples
    --------
    >>> from sksoftrank.losses import selection_trimmed_loss
    >>> losses = [0.0, 1.0, 2.0, 1000.0]
    >>> value, gradient, selection = selection_trimmed_loss(losses, 2, epsilon=0)
    >>> value, selection
    (0.5, array([1., 1., 0., 0.]))
    >>> selection_trimmed_loss(losses, 2, epsilon=2)[2]
    array([1.  , 0.75, 0.25, 0.  ])
    """
    losses = _check_losses(losses)
    epsilon = check_epsilon(epsilon)
    if sample_weight is None:
        total = float(losses.size)
    else:
        sample_weight = _check_weights(sample_weight, losses.size, "sample_weight")
        total = sample_weight.sum()
    _check_n_kept(n_kept, total)

    selection = _select(losses, n_kept, epsilon, sample_weight, total)
    gradient = selection / n_kept
    if sample_weight is not None:
        gradient *= sample_weight
    value = gradient @ losses
    if epsilon > 0:
        deviation = (selection - n_kept / total) ** 2
        if sample_weight is not None:
            deviation *= sample_weight
        value += epsilon / (2 * n_kept) * deviation.sum()
    return float(value), gradient, selection


def sorted_trimmed_loss(losses, n_kept, epsilon, counts=None):
    """Mean of the `n_kept` smallest soft-sorted losses, eq. 26 of [1]_.

    It grows with `epsilon` from the mean of the `n_kept` smallest losses to the mean of
    all. Unlike the choice of `selection_trimmed_loss`, the soft sort averages losses
    across *large* gaps first: for every ``epsilon > 0`` a loss that is large enough is
    averaged with the kept ones, and is no longer trimmed.

    Parameters
    ----------
    losses : array-like of shape (n,)
        Losses, finite.
    n_kept : int
        Number h of sorted losses to average, 1 <= h <= ``counts.sum()``.
    epsilon : float
        Strength of `soft_sort`, in units of 1 / `losses`, at least 0 (hard).
    counts : array-like of int of shape (n,), default=None
        How often each loss is repeated, at least 0. Time and memory grow with the sum,
        which is at most 1e9. None means once each.

    Returns
    -------
    value : float
        The smoothed trimmed mean, in units of the losses.
    gradient : ndarray of shape (n,)
        Derivatives of the value by the losses. At the kinks of this piecewise linear
        function it is the derivative of one of the adjacent pieces.
    selection : ndarray of shape (n,)
        Part of each loss that is kept, in [0, 1]: ``gradient * n_kept / counts``, or
        interpolated from the neighbouring losses where the count is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    See Also
    --------
    selection_trimmed_loss : Smooths the choice of the losses that are kept.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank.losses import sorted_trimmed_loss
    >>> losses = [0.0, 1.0, 2.0, 1000.0]
    >>> sorted_trimmed_loss(losses, 3, epsilon=0.001)[2]  # trims the largest
    array([1., 1., 1., 0.])
    >>> sorted_trimmed_loss(losses, 3, epsilon=0.002)[2]  # averages it with the next
    array([1. , 1. , 0.5, 0.5])
    """
    losses = _check_losses(losses)
    epsilon = check_epsilon(epsilon)
    if counts is None:
        counts = np.ones(losses.size)
    else:
        counts = _check_weights(counts, losses.size, "counts")
        if (counts != np.floor(counts)).any():
            raise ValueError("counts must be whole numbers, got fractions.")
        if counts.sum() > MAX_REPEATS:
            raise ValueError(
                f"counts must sum to at most {MAX_REPEATS:g}, for repeats are written "
                f"out, got {counts.sum():g}."
            )
    counts = counts.astype(np.intp)
    _check_n_kept(n_kept, counts.sum())
    if n_kept != int(n_kept):
        raise ValueError(f"n_kept must be a whole number, got {n_kept}.")
    n_kept = int(n_kept)

    row = np.repeat(np.arange(losses.size), counts)
    sorted_losses, jacobian = soft_sort(losses[row], epsilon, return_jacobian=True)
    kept = np.zeros(row.size)
    kept[:n_kept] = 1.0
    kept_of_row = np.bincount(row, jacobian.vjp(kept), minlength=losses.size)

    present = counts > 0
    selection = kept_of_row / np.maximum(counts, 1)
    if not present.all():
        order = np.flatnonzero(present)[np.argsort(losses[present])]
        selection[~present] = np.interp(
            losses[~present], losses[order], selection[order]
        )
    return float(sorted_losses[:n_kept].mean()), kept_of_row / n_kept, selection


def _select(losses, n_kept, epsilon, sample_weight, total):
    """The choice p of `selection_trimmed_loss`."""
    if n_kept >= total:
        return np.ones_like(losses)

    boundary = _hard_boundary(losses, n_kept, sample_weight)
    weight = np.ones_like(losses) if sample_weight is None else sample_weight
    if epsilon == 0:
        below, tied = losses < boundary, losses == boundary
        share = (n_kept - weight[below].sum()) / weight[tied].sum()
        # Sums in another order than that of the boundary can differ in the last digit.
        return below + min(max(share, 0.0), 1.0) * tied

    # The threshold t lies in [q, q + epsilon] with q the hard boundary. Measured from
    # q in units of epsilon nothing cancels: with d = (losses - q) / epsilon the choice
    # is clip(u - d, 0, 1) for some u in [0, 1].
    with np.errstate(over="ignore"):
        distance = (losses - boundary) / epsilon
    open_ = np.abs(distance) < 1  # the others get 0 or 1 whatever u is
    target = n_kept - weight[distance <= -1].sum()
    offset = _find_offset(distance[open_], weight[open_], target)
    return np.clip(offset - distance, 0.0, 1.0)


def _hard_boundary(losses, n_kept, sample_weight):
    """The smallest loss such that the losses up to it weigh at least `n_kept`."""
    if sample_weight is None:
        position = math.ceil(n_kept) - 1
        return np.partition(losses, position)[position]
    order = np.argsort(losses)
    order = order[sample_weight[order] > 0]
    position = np.searchsorted(np.cumsum(sample_weight[order]), n_kept)
    # The cumulated sum can end a rounding error below `n_kept`.
    return losses[order[min(position, order.size - 1)]]


def _find_offset(distance, weight, target):
    """Solve ``sum(weight * clip(u - distance, 0, 1)) = target`` for u in [0, 1].

    The sum is piecewise linear and nondecreasing in u. Newton's method is exact once it
    has reached the right piece; a shrinking bracket leads it there.
    """
    low, high, offset = 0.0, 1.0, 0.5
    active = None
    while high - low > np.finfo(np.float64).eps:
        part = np.clip(offset - distance, 0.0, 1.0)
        previous, active = active, (part > 0) & (part < 1)
        if previous is not None and np.array_equal(active, previous):
            break
        if weight @ part < target:
            low = offset
        else:
            high = offset
        slope = weight[active].sum()
        if slope > 0:
            full = weight[part == 1].sum()
            offset = (target - full + weight[active] @ distance[active]) / slope
        if slope == 0 or not low < offset < high:
            active, offset = None, 0.5 * (low + high)
    return offset


def _check_losses(losses):
    losses = _check_array(losses, "losses")
    if losses.ndim != 1 or losses.size == 0:
        raise ValueError(
            f"losses must be a non-empty 1-D array, got shape {losses.shape}."
        )
    return losses


def _check_weights(weights, n_losses, name):
    weights = _check_array(weights, name)
    if weights.shape != (n_losses,):
        raise ValueError(
            f"{name} must have the shape of losses, ({n_losses},), got {weights.shape}."
        )
    if weights.min() < 0 or weights.max() == 0:
        raise ValueError(
            f"{name} must be at least 0 and not all 0, got values from "
            f"{weights.min()} to {weights.max()}."
        )
    if weights.max() > np.finfo(np.float64).max / n_losses:
        raise ValueError(
            f"{name} must have a finite sum, got values up to {weights.max():g}."
        )
    return weights


def _check_array(values, name):
    return check_finite(check_values(values, name), name).astype(np.float64, copy=False)


def _check_n_kept(n_kept, total):
    if not isinstance(n_kept, Real):
        raise TypeError(f"n_kept must be a real number, got {n_kept!r}.")
    if not 0 < n_kept <= total:
        raise ValueError(
            f"n_kept must be above 0 and at most {total}, the number of losses or the "
            f"sum of their weights, got {n_kept}."
        )
