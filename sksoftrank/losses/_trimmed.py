"""Trimmed losses and quantiles of losses, smoothed in two ways.

The functions take raw losses, so they serve any model, and they return ``(value,
gradient, p)``: the smoothed mean or quantile, its derivatives by the losses,
and how much of each loss is kept or averaged.
"""

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import (
    check_epsilon,
    check_exact,
    check_finite,
    check_share,
    check_weights,
)
from ._choices import (
    quantile_choice,
    sorted_choice,
    sorted_quantile,
    trimmed_gradient,
)

# Sums of positions up to here are exact in double precision.
MAX_REPEATS = 10**9


def selection_trimmed_loss(
    losses: ArrayLike,
    n_kept: float,
    epsilon: float,
    sample_weight: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    r"""Mean of the `n_kept` smallest losses with a soft choice of which to keep.

    The choice is a vector p of one number in [0, 1] per loss. With sample weights a,
    their sum A, h = `n_kept` and losses l, the value is

    .. math::

        \frac{1}{h} \min_p \; \sum_i a_i p_i l_i
        + \frac{\varepsilon}{2} \sum_i a_i \left(p_i - \frac{h}{A}\right)^2
        \quad \text{over} \quad 0 \le p_i \le 1, \; \sum_i a_i p_i = h .

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
        Derivatives of the value by the losses, ``a * p / n_kept``.
    p : ndarray of shape (n,)
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
    The choice is

    .. math::

        p_i = \min\left(1, \max\left(0, \frac{t - l_i}{\varepsilon}\right)\right)

    for the one threshold t at which :math:`\sum_i a_i p_i = h`: without weights, the
    Euclidean projection of :math:`-l / \varepsilon` on the permutahedron of h ones and
    n - h zeros ([1]_, section 4). The limit ``epsilon = 0`` is the loss of least
    trimmed squares [2]_.

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
    >>> value, gradient, p = selection_trimmed_loss(losses, 2, epsilon=0)
    >>> value, p
    (0.5, array([1., 1., 0., 0.]))
    >>> selection_trimmed_loss(losses, 2, epsilon=2)[2]
    array([1.  , 0.75, 0.25, 0.  ])
    """
    losses = check_finite(_check_losses(losses), "losses")
    epsilon = check_epsilon(epsilon)
    sample_weight, total = _check_sample_weight(sample_weight, losses.size)
    _check_n_kept(n_kept, total, "n_kept")
    if epsilon > 0:
        check_share(n_kept, total, "n_kept")
    return trimmed_gradient(losses, sample_weight, n_kept, epsilon, total)


def sorted_trimmed_loss(
    losses: ArrayLike, n_kept: int, epsilon: float, counts: ArrayLike | None = None
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Mean of the `n_kept` smallest soft-sorted losses.

    It is eq. 26 of [1]_, and grows with `epsilon` from the mean of the `n_kept`
    smallest losses to the mean of all. Unlike the choice of `selection_trimmed_loss`,
    the soft sort averages losses across *large* gaps first: for every ``epsilon > 0`` a
    loss that is large enough is averaged with the kept ones, and is no longer trimmed.

    Parameters
    ----------
    losses : array-like of shape (n,)
        Losses, finite.
    n_kept : int
        Number h of sorted losses to average, 1 <= h <= ``counts.sum()``.
    epsilon : float
        Strength of `soft_sort`, in units of 1 / `losses`, at least 0 (hard).
    counts : array-like of int of shape (n,), default=None
        How often each loss is repeated, at least 0, with a sum of at most 1e9. None
        means once each.

    Returns
    -------
    value : float
        The smoothed trimmed mean, in units of the losses.
    gradient : ndarray of shape (n,)
        Derivatives of the value by the losses. At the kinks of this piecewise linear
        function they are those of adjacent pieces, the same for equal losses.
    p : ndarray of shape (n,)
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
    counts, total = _check_counts(counts, losses, epsilon)
    _check_position(n_kept, total, "n_kept")
    return sorted_choice(losses, counts, int(n_kept), epsilon)


def selection_quantile_loss(
    losses: ArrayLike,
    n_kept: float,
    epsilon: float,
    sample_weight: ArrayLike | None = None,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    r"""Smooth quantile of the losses: the derivative of a trimmed sum by its size.

    That is the derivative of `n_kept` times the value of `selection_trimmed_loss` by
    `n_kept`, called h. With the threshold t of its Notes and A the sum of weights it is
    :math:`t - \varepsilon h / A`.

    For ``epsilon=0`` it is the h-th smallest loss, for large `epsilon` the mean of all,
    and in between a constant more or less than the mean of the losses which the choice
    takes in part: a loss far enough away to either side has no influence.

    Parameters
    ----------
    losses : array-like of shape (n,)
        Losses, finite.
    n_kept : float
        Weight h of the losses below the quantile, 0 < h <= A; need not be an integer.
        For h = A it is the largest loss.
    epsilon : float
        Smoothing strength in units of the losses, at least 0 (hard).
    sample_weight : array-like of shape (n,), default=None
        Weights, at least 0 and not all 0. An integer weight is exactly that number of
        repeats of the loss. None means ones.

    Returns
    -------
    value : float
        The smooth quantile, in units of the losses.
    gradient : ndarray of shape (n,)
        Derivatives of the value by the losses, ``a * p`` divided by its sum,
        with the weights a. At a kink they are the same for equal losses.
    p : ndarray of shape (n,)
        1 for the losses that are averaged, else 0, also for losses of weight 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    See Also
    --------
    sorted_quantile_loss : One entry of the soft sort.
    selection_trimmed_loss : Mean of the losses up to the quantile.

    Notes
    -----
    Where the choice takes no loss in part (for a whole h and an `epsilon` below the gap
    of the sorted losses there), the derivative is that from the left, and the largest
    loss that is kept is averaged. The middle of the h-th loss, ``n_kept = h - 0.5``,
    has no such case.

    The value is a linear function of the losses in pieces, and continuous except where
    the choice takes no loss in part.

    Examples
    --------
    >>> from sksoftrank.losses import selection_quantile_loss
    >>> losses = [0.0, 1.0, 2.0, 3.0, 1000.0]
    >>> selection_quantile_loss(losses, 2.5, epsilon=0)[0]
    2.0
    >>> value, gradient, p = selection_quantile_loss(losses, 2.5, epsilon=5)
    >>> value, p
    (2.125, array([1., 1., 1., 1., 0.]))
    >>> gradient
    array([0.25, 0.25, 0.25, 0.25, 0.  ])
    """
    losses = check_finite(_check_losses(losses), "losses")
    epsilon = check_epsilon(epsilon)
    sample_weight, total = _check_sample_weight(sample_weight, losses.size)
    _check_n_kept(n_kept, total, "n_kept")
    if epsilon > 0:
        check_share(n_kept, total, "n_kept")
    return quantile_choice(losses, sample_weight, n_kept, epsilon, total)[:3]


def sorted_quantile_loss(
    losses: ArrayLike, position: int, epsilon: float, counts: ArrayLike | None = None
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """One entry of the soft sort of the losses.

    For ``epsilon=0`` it is the loss at that position, for large `epsilon` the mean of
    all. Like `sorted_trimmed_loss` it averages across *large* gaps first: a loss that
    is large enough has influence on it, for every ``epsilon > 0``.

    Parameters
    ----------
    losses : array-like of shape (n,)
        Losses, finite.
    position : int
        Position in ascending order, 1 <= position <= ``counts.sum()``.
    epsilon : float
        Strength of `soft_sort`, in units of 1 / `losses`, at least 0 (hard).
    counts : array-like of int of shape (n,), default=None
        How often each loss is repeated, at least 0, with a sum of at most 1e9. None
        means once each.

    Returns
    -------
    value : float
        The entry, in units of the losses.
    gradient : ndarray of shape (n,)
        Derivatives of the value by the losses, ``counts * p`` divided by its
        sum. At the kinks of this piecewise linear function they are those of adjacent
        pieces, the same for equal losses.
    p : ndarray of shape (n,)
        Part of each loss that is averaged, in [0, 1]; interpolated from the
        neighbouring losses where the count is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    See Also
    --------
    selection_quantile_loss : A quantile without the influence of far losses.
    sorted_trimmed_loss : Mean of the entries up to a position.
    sksoftrank.soft_sort : All entries.

    Examples
    --------
    >>> from sksoftrank.losses import sorted_quantile_loss
    >>> losses = [0.0, 1.0, 2.0, 1000.0]
    >>> sorted_quantile_loss(losses, 3, epsilon=0.001)[0]
    2.0
    >>> value, gradient, p = sorted_quantile_loss(losses, 3, epsilon=0.002)
    >>> value, gradient
    (251.0, array([0. , 0. , 0.5, 0.5]))
    """
    losses = _check_losses(losses)
    epsilon = check_epsilon(epsilon)
    counts, total = _check_counts(counts, losses, epsilon)
    _check_position(position, total, "position")
    return sorted_quantile(losses, counts, int(position), epsilon)


def _check_losses(losses):
    losses = check_exact(losses, "losses")
    if losses.ndim != 1 or losses.size == 0:
        raise ValueError(
            f"losses must be a non-empty 1-D array, got shape {losses.shape}."
        )
    return np.ascontiguousarray(losses, dtype=np.float64)


def _check_sample_weight(sample_weight, n_losses, name="sample_weight"):
    """Return the weights, or None for ones, and their sum."""
    if sample_weight is None:
        return None, float(n_losses)
    weight = check_weights(sample_weight, name, [(n_losses,)], finite_sum=True)
    return weight, float(weight.sum())


def _check_counts(counts, losses, epsilon):
    """Return the counts, or None for ones, and their sum; the losses are finite."""
    counts, total = _check_sample_weight(counts, losses.size, "counts")
    if counts is not None:
        if (counts != np.floor(counts)).any():
            raise ValueError("counts must be whole numbers, got fractions.")
        if total > MAX_REPEATS:
            raise ValueError(
                f"counts must sum to at most {MAX_REPEATS:g}, got {total:g}."
            )
    check_finite(losses, "losses", factor=total * total if epsilon > 0 else 1.0)
    return counts, total


def _check_n_kept(n_kept, total, name):
    if not isinstance(n_kept, Real) or isinstance(n_kept, bool):
        raise TypeError(f"{name} must be a real number, got {n_kept!r}.")
    if not 0 < float(n_kept) <= total:
        raise ValueError(
            f"{name} must be above 0 and at most {total}, the number of losses or the "
            f"sum of their weights, got {n_kept}."
        )


def _check_position(position, total, name):
    _check_n_kept(position, total, name)
    if position != int(position):
        raise ValueError(f"{name} must be a whole number, got {position}.")
