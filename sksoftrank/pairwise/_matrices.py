"""Ranks and sorts by all pairs of values, in blocks, so that memory is O(n)."""

from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit, ndtr
from scipy.stats import rankdata

from .._checks import (
    check_differences,
    check_epsilon,
    check_exact,
    check_finite,
    check_flag,
)
from .._jacobian import Jacobian
from .._rows import Slices, argsort_rows, tie_bounds

# Blocks of pairs have about this many entries, which stay in cache.
BLOCK_SIZE = 2**16


def _blocks(count, n):
    """Slices of rows and of positions in them; each is compared with all n values."""
    n_rows = max(1, BLOCK_SIZE // max(n * n, 1))
    n_positions = max(1, BLOCK_SIZE // max(n, 1))
    for row in range(0, count, n_rows):
        for position in range(0, n, n_positions):
            yield slice(row, row + n_rows), slice(position, position + n_positions)


def _scaled_differences(rows, r, i, epsilon):
    differences = rows[r, i, None] - rows[r, None, :]
    with np.errstate(over="ignore"):
        differences /= epsilon
    return differences


def comparison_ranks(rows, epsilon, cdf):
    """One plus the sum of ``cdf((x_i - x_j) / epsilon)`` over all other j."""
    ranks = np.empty(rows.shape)
    for r, i in _blocks(*rows.shape):
        ranks[r, i] = cdf(_scaled_differences(rows, r, i, epsilon)).sum(axis=2)
    # Every value was compared with itself too, which adds one half.
    return ranks + 0.5


def comparison_product(rows, epsilon, density, u):
    """Product of the Jacobian of `comparison_ranks`, which is symmetric, with `u`."""
    product = np.empty(rows.shape)
    for r, i in _blocks(*rows.shape):
        weights = density(_scaled_differences(rows, r, i, epsilon))
        # Beside its comparison with itself the others of a lone value would be rounded.
        place = np.arange(weights.shape[1])
        weights[:, place, i.start + place] = 0.0
        product[r, i] = weights.sum(axis=2) * u[r, i] - _matvec(weights, u[r])
    with np.errstate(over="ignore"):
        return product / epsilon


class RelaxedPermutation:
    """Row-stochastic matrices whose rows are softmaxes of logits over epsilon.

    Parameters
    ----------
    rows : ndarray of shape (count, n)
    epsilon : float
        At 0 every position is shared by the values that are equal to the one there.
    make_logits : callable
        Of the sorter to the logits, an object with methods ``values``, ``change`` and
        ``pull``.
    descending : bool
    """

    def __init__(self, rows, epsilon, make_logits, descending):
        self._sorter = RowSorter(rows, descending)
        self._epsilon = epsilon
        self._logits = make_logits(self._sorter)

    def matrix(self):
        """The matrices, each as a row of n^2 entries."""
        count, n = self._sorter.rows.shape
        matrix = np.empty((count, n, n))
        for r, i in _blocks(count, n):
            matrix[r, i] = self._probabilities(r, i)
        return matrix.reshape(count, n * n)

    def product(self):
        """The products of the matrices with the values."""
        if self._epsilon == 0:
            return self._sorter.sorted_rows.copy()
        rows = self._sorter.rows
        product = np.empty(rows.shape)
        for r, i in _blocks(*rows.shape):
            product[r, i] = _matvec(self._probabilities(r, i), rows[r])
        return product

    def multiply(self, rows, *, transpose):
        """Products with the Jacobian of `product`."""
        values = self._sorter.centred
        out = np.zeros(rows.shape)
        for r, i in _blocks(*rows.shape):
            P = self._probabilities(r, i)
            deviations = values[r, None, :] - _matvec(P, values[r])[:, :, None]
            deviations *= P
            if transpose:
                out[r] += _vecmat(rows[r, i], P)
                deviations *= rows[r, i, None]
                out[r] += self._pull(r, i, deviations)
            else:
                out[r, i] = _matvec(P, rows[r])
                deviations *= self._change(r, i, rows[r])
                out[r, i] += self._over_epsilon(deviations.sum(axis=2))
        return out

    def multiply_matrix(self, rows, *, transpose):
        """Products with the Jacobian of `matrix`."""
        count, n = self._sorter.rows.shape
        g: Any = rows.reshape(count, n, n) if transpose else None
        out = np.zeros((count, n) if transpose else (count, n, n))
        for r, i in _blocks(count, n):
            P = self._probabilities(r, i)
            change = g[r, i].copy() if transpose else self._change(r, i, rows[r])
            change -= np.einsum("bij,bij->bi", P, change)[:, :, None]
            change *= P
            if transpose:
                out[r] += self._pull(r, i, change)
            else:
                out[r, i] = self._over_epsilon(change)
        return out.reshape(count, n if transpose else n * n)

    def _probabilities(self, r, i):
        if self._epsilon == 0:
            rows, anchors = self._sorter.rows, self._sorter.sorted_rows
            P = (rows[r, None, :] == anchors[r, i, None]).astype(np.float64)
        else:
            P = self._logits.values(r, i)
            # Before the division, so that infinities cannot meet.
            P -= P.max(axis=2, keepdims=True)
            with np.errstate(over="ignore"):
                P /= self._epsilon
            np.exp(P, out=P)
        P /= P.sum(axis=2, keepdims=True)
        return P

    def _change(self, r, i, u):
        """Change of the logits, before the division by epsilon."""
        if self._epsilon == 0:
            n = u.shape[1]
            return np.zeros((len(u), len(range(n)[i]), n))
        return self._logits.change(r, i, u)

    def _pull(self, r, i, g):
        if self._epsilon == 0:
            return np.zeros((len(g), g.shape[2]))
        return self._over_epsilon(self._logits.pull(r, i, g))

    def _over_epsilon(self, array):
        with np.errstate(over="ignore"):
            return array / (self._epsilon or 1.0)


class RowSorter:
    """Rows, sorted and ranked."""

    def __init__(self, rows, descending):
        self.rows = rows
        self.descending = descending
        self.order, self.sorted_rows = argsort_rows(rows, descending=descending)
        # Differences are all that matters; this way they lose the least.
        self.centred = rows - rows[:, :1]
        firsts, lasts = tie_bounds(self.sorted_rows)
        # Of each entry, how many come before it and with it or before it.
        self._n_before, self._n_up_to = self._unsort(firsts), self._unsort(lasts + 1)

    def sign_sums(self, u, r=slice(None)):
        """Sums over k of ``sign(x_j - x_k) * u_k`` in O(n), for the rows `r`."""
        totals = np.zeros((len(u), u.shape[1] + 1))
        sorted_u = np.take_along_axis(u, self.order[r], axis=1)
        np.cumsum(sorted_u, axis=1, out=totals[:, 1:])
        before = np.take_along_axis(totals, self._n_before[r], axis=1)
        after = totals[:, -1:] - np.take_along_axis(totals, self._n_up_to[r], axis=1)
        return after - before if self.descending else before - after

    def _unsort(self, rows):
        out = np.empty_like(rows)
        np.put_along_axis(out, self.order, rows, axis=1)
        return out


class NeuralSortLogits:
    """``coefficient_i * x_j - sum over k of abs(x_j - x_k)``."""

    def __init__(self, sorter):
        self._sorter = sorter
        n = sorter.rows.shape[1]
        coefficients = 2.0 * np.arange(n) + 1 - n
        self._coefficients = -coefficients if sorter.descending else coefficients
        self._signs = sorter.sign_sums(np.ones(sorter.rows.shape))
        self._distances = self._distance_change(sorter.centred, slice(None))

    def _distance_change(self, u, r):
        return self._signs[r] * u - self._sorter.sign_sums(u, r)

    def _linear(self, i, x, distances):
        logits = self._coefficients[i, None] * x[:, None, :]
        logits -= distances[:, None, :]
        return logits

    def values(self, r, i):
        """Logits of the positions `i` of the rows `r`."""
        return self._linear(i, self._sorter.centred[r], self._distances[r])

    def change(self, r, i, u):
        """Their change for a change `u` of the rows `r`."""
        return self._linear(i, u, self._distance_change(u, r))

    def pull(self, r, i, g):
        """The gradient in the rows `r` for a gradient `g` in the logits."""
        total = g.sum(axis=1)
        sums = self._sorter.sign_sums(total, r)
        return self._coefficients[i] @ g - self._signs[r] * total - sums


class SoftSortLogits:
    """``-abs(sorted_i - x_j) ** power``."""

    def __init__(self, sorter, power):
        self._sorter = sorter
        self._power = power
        self._anchors = np.take_along_axis(sorter.centred, sorter.order, axis=1)
        with np.errstate(over="ignore"):
            ranges = np.abs(self._anchors[:, -1:] - self._anchors[:, :1])
            largest = ranges.max(initial=0.0) ** power
        if not np.isfinite(largest):
            raise ValueError(
                f"power must be small enough for the range of values to the power to "
                f"be finite, got {power}."
            )

    def _differences(self, r, i):
        return self._anchors[r, i, None] - self._sorter.centred[r, None, :]

    def values(self, r, i):
        """Logits of the positions `i` of the rows `r`."""
        logits = np.abs(self._differences(r, i))
        if self._power != 1:
            logits **= self._power
        return np.negative(logits, out=logits)

    def _slopes(self, r, i):
        differences = self._differences(r, i)
        slopes = -self._power * np.sign(differences)
        if self._power != 1:
            slopes *= np.abs(differences) ** (self._power - 1)
        return slopes

    def change(self, r, i, u):
        """Their change for a change `u` of the rows `r`."""
        u_anchors = np.take_along_axis(u, self._sorter.order[r, i], axis=1)
        return self._slopes(r, i) * (u_anchors[:, :, None] - u[:, None, :])

    def pull(self, r, i, g):
        """The gradient in the rows `r` for a gradient `g` in the logits."""
        g = g * self._slopes(r, i)
        pulled = -g.sum(axis=1)
        order = self._sorter.order[r, i]
        at_anchors = np.take_along_axis(pulled, order, axis=1) + g.sum(axis=2)
        np.put_along_axis(pulled, order, at_anchors, axis=1)
        return pulled


def _matvec(matrices, vectors):
    return np.matmul(matrices, vectors[:, :, None])[:, :, 0]


def _vecmat(vectors, matrices):
    return np.matmul(vectors[:, None, :], matrices)[:, 0]


def logistic_density(t):
    return expit(t) * expit(-t)


def normal_cdf(t):
    return ndtr(t / np.sqrt(2))


def normal_density(t):
    with np.errstate(over="ignore"):
        return np.exp(-t * t / 4) / np.sqrt(4 * np.pi)


def comparison_rank(cdf, density, values, epsilon, axis, descending, return_jacobian):
    """Ranks as sums of ``cdf`` of differences over epsilon."""
    epsilon, descending, return_jacobian, values, slices = _check_arguments(
        epsilon, descending, return_jacobian, values, axis, is_exact=False
    )
    # Own ones, for the Jacobian: the caller may change the others.
    rows = slices.to_rows(values).astype(np.float64)
    # Descending ranks are the ascending ones of the negative values.
    signed = -rows if descending else rows
    if epsilon > 0:
        result = comparison_ranks(signed, epsilon, cdf)
    else:
        result = rankdata(signed, axis=1).reshape(rows.shape)
    ranks = slices.from_rows(result.astype(values.dtype, copy=False))
    if not return_jacobian:
        return ranks
    multiply = partial(_multiply_ranks, signed, epsilon, density, descending)
    jacobian = Jacobian(
        slices,
        slices,
        multiply,
        shapes=(values.shape, slices.shape),
        dtype=values.dtype,
    )
    return ranks, jacobian


def _multiply_ranks(signed, epsilon, density, descending, rows, *, transpose):
    """Products with the Jacobian of ranks, which is symmetric."""
    if epsilon == 0:
        return np.zeros(rows.shape)
    product = comparison_product(signed, epsilon, density, rows)
    return -product if descending else product


def permutation_sort(
    make_logits, values, epsilon, axis, descending, return_matrix, return_jacobian
):
    """Product of a relaxed permutation matrix with the values, or the matrix."""
    return_matrix = check_flag(return_matrix, "return_matrix")
    epsilon, descending, return_jacobian, values, slices = _check_arguments(
        epsilon, descending, return_jacobian, values, axis, is_exact=not return_matrix
    )
    # Own ones, for the Jacobian: the caller may change the others.
    rows = slices.to_rows(values).astype(np.float64)
    matrices = RelaxedPermutation(rows, epsilon, make_logits, descending)
    if return_matrix:
        shape = (*slices.other_shape, slices.length, slices.length)
        result, multiply = matrices.matrix(), matrices.multiply_matrix
        # One row of this for each slice.
        flat = (*slices.other_shape, slices.length**2)
        out_slices = Slices(flat, len(flat) - 1)
    else:
        result, multiply = matrices.product(), matrices.multiply
        shape, out_slices = slices.shape, slices
    result = out_slices.from_rows(result.astype(values.dtype, copy=False))
    result = result.reshape(shape)
    if not return_jacobian:
        return result
    jacobian = Jacobian(
        slices, out_slices, multiply, shapes=(values.shape, shape), dtype=values.dtype
    )
    return result, jacobian


def _check_arguments(epsilon, descending, return_jacobian, values, axis, is_exact):
    epsilon = check_epsilon(epsilon)
    descending = check_flag(descending, "descending")
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    if is_exact:
        values = check_exact(values, "values")
    else:
        values = check_differences(values, "values", axis)
    slices = Slices(values.shape, axis)
    # Sums over all pairs of differences must be finite.
    check_finite(values, "values", factor=4.0 * max(values.size, 1))
    return epsilon, descending, return_jacobian, values, slices
