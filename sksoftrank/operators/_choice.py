"""Soft choice of the smallest values of a given total weight, for rows of values.

For values x with weights a the choice of mass h is the vector p in [0, 1]^n that
minimises ``sum(a * p * x) + epsilon * sum(a * phi(p))`` under ``sum(a * p) = h``. It is
``p = F((t - x) / epsilon)`` with the one threshold t at which the sum is h:

* "quadratic", phi(p) = p^2 / 2: F(u) = clip(u, 0, 1). Without weights p is the
  Euclidean projection of -x / epsilon on the permutahedron of h ones and n - h zeros;
* "entropic", phi(p) = p log(p) + (1 - p) log(1 - p): F is the logistic function;
* epsilon = 0: F is a step; values at the threshold share what is left equally.
"""

import math
from functools import cached_property

import numpy as np
from scipy.special import rel_entr

from .. import _pav
from .._checks import (
    check_mass,
    check_nan_policy,
    check_share,
    check_weights,
    nonfinite_error,
)
from .._choices import (
    bound_rows,
    choose_rows,
    difference_rows,
    divergence_rows,
    part_rows,
    select_rows,
)
from .._rows import stand_ins

# The kernels by dtype.
CHOOSE_ROWS = {
    np.dtype(np.float32): choose_rows["float"],
    np.dtype(np.float64): choose_rows["double"],
}

# Distances beyond are as good as infinite, but their differences are finite.
FARTHEST = 1e300

# Distances below, in units of epsilon, are near the subnormal numbers.
CLOSEST = 1e-290


class WeightedRows:
    """The slices of `values` with their weights; what is omitted has the weight 0.

    With an `epsilon` infinite values are allowed, for which others stand in that are
    far enough for it. The `rule` may multiply the weights of a row: ``rule(weights,
    total)`` returns them as they are, or others.

    Attributes
    ----------
    rows : ndarray of shape (count, n)
        In float64, finite.
    weights : ndarray of shape (count, n)
        Read-only, possibly broadcast.
    total : ndarray of shape (count, 1)
        Sums of the weights, above 0.
    is_kept : ndarray of bool, shape (count, n), or True
        Which values are not omitted.
    is_shared : bool
        Whether one row of weights serves all slices.
    kernel_weights : ndarray or None
        The weights for the kernel, None where all are 1.
    weights_shape : tuple of int
        Shape of the weights, or of `values` without weights.
    scale : ndarray of shape (count, 1) or None
        By what the rule multiplied the weights; None where none.
    infinite : ndarray of shape (count, n) or None
        1 and -1 where values are infinite, else 0; None where none is.
    has_empty : bool
        Whether there are rows of which all was omitted.
    is_empty : ndarray of bool, shape (count, 1)
        Rows of which all was omitted; they are replaced by zeros with weights 1.
    """

    def __init__(
        self, values, slices, weights, nan_policy="raise", *, rule=None, epsilon=None
    ):
        omits_nan = check_nan_policy(nan_policy)
        if slices.length == 0:
            raise ValueError(
                f"values must not be empty along axis, got shape {values.shape}."
            )
        self.rows = slices.to_rows(values).astype(np.float64, copy=False)
        missing = np.isnan(self.rows) if omits_nan else None
        if missing is not None and missing.any():
            self.rows = np.where(missing, 0.0, self.rows)
        else:
            missing = None
        self._low = float(self.rows.min()) if slices.count else 0.0
        self._high = float(self.rows.max()) if slices.count else 0.0
        self.infinite = None
        if not math.isfinite(self._high - self._low):
            self._let_be_infinite(epsilon)
        self.weights_shape, self.is_shared = values.shape, False
        self.is_empty, self.has_empty = np.zeros((slices.count, 1), dtype=bool), False
        self.is_kept = True if missing is None else ~missing
        self.scale = self.kernel_weights = None
        if weights is None and missing is None:
            self.total = np.full((slices.count, 1), float(slices.length))
        else:
            self._weigh(values, slices, weights, missing, rule)

    def _let_be_infinite(self, epsilon):
        finite = None if epsilon is None else stand_ins(self.rows, epsilon)
        if finite is None or not math.isfinite(finite.max() - finite.min()):
            raise nonfinite_error(self.rows, "values")
        self.infinite = np.where(np.isinf(self.rows), np.sign(self.rows), 0.0)
        self.rows, self._low, self._high = finite, finite.min(), finite.max()

    def _weigh(self, values, slices, weights, missing, rule):
        own = np.ones((1, slices.length))
        if weights is not None:
            shapes = [values.shape, (slices.length,)]
            weights = check_weights(weights, "weights", shapes, finite_sum=True)
            self.weights_shape = weights.shape
            self.is_shared = weights.shape != values.shape
            own = weights[None] if self.is_shared else slices.to_rows(weights)
        if missing is not None:
            self.is_empty = missing.all(axis=1, keepdims=True)
            self.has_empty = bool(self.is_empty.any())
            own = np.where(self.is_empty, 1.0, own * self.is_kept)
        # Before broadcasting: sums by rows would add in another order.
        total = own.sum(axis=1, keepdims=True)
        if (total == 0).any():
            raise ValueError(
                "weights must not be zero everywhere in a slice, omitted values apart."
            )
        if rule is not None and (changed := rule(own, total)) is not own:
            own, given = changed, total
            total = own.sum(axis=1, keepdims=True)
            with np.errstate(over="ignore"):
                self.scale = np.minimum(total / given, FARTHEST)
        self.kernel_weights = np.broadcast_to(own, self.rows.shape)
        self.total = np.broadcast_to(total, (slices.count, 1))

    def detach(self):
        """Make own copies of the data, which the caller may change."""
        self.rows = self.rows.copy()
        self.detach_weights()

    def detach_weights(self):
        """Make own copies of the weights."""
        if self.kernel_weights is not None:
            own = self.kernel_weights
            own = own[:1].copy() if own.strides[0] == 0 else own.copy()
            own = np.broadcast_to(own, self.rows.shape)
            self.kernel_weights = own

    @property
    def weights(self):
        """The weights, ones where there are none."""
        if self.kernel_weights is None:
            return np.broadcast_to(1.0, self.rows.shape)
        return self.kernel_weights

    @cached_property
    def bounds(self):
        """The smallest and the largest value of positive weight, each (count, 1)."""
        weights = self.kernel_weights
        if weights is not None and weights.min(initial=np.inf) > 0:
            weights = None
        if weights is None and len(self.rows) == 1:
            return self._low, self._high
        bounds = np.empty((len(self.rows), 2))
        bound_rows(self.rows, weights, bounds)
        return bounds[:, :1], bounds[:, 1:]

    def close_means(self, epsilon, closest=CLOSEST):
        """Which rows span next to nothing in units of epsilon, and means; or None.

        Their distances have no digits left, but all soft locations of them are means.
        """
        low, high = self.bounds
        is_close = (low < high) & (high - low < closest * epsilon)
        if not np.any(is_close):
            return None
        excess = np.where(is_close & (self.weights > 0), self.rows - low, 0.0)
        excess = np.sum(self.weights * excess, axis=1, keepdims=True) / self.total
        return is_close, low + excess


def as_shares(weights, total):
    """Weights of which only the ratios matter, in reach of sums of products."""
    largest = weights.max(axis=1, keepdims=True)
    if ((largest > 1e-100) & (largest < 1e100)).all():
        return weights
    return np.ldexp(weights, -np.frexp(largest)[1])


def steepness_of(epsilon):
    """1 / epsilon, such that sums are finite; 0 for hard choices, which do not move."""
    return min(1 / epsilon, 1e300) if epsilon > 0 else 0.0


class Choice:
    """The choice of the smallest values of mass `mass` in each row.

    Parameters
    ----------
    data : WeightedRows
    mass, rest : ndarrays of shape (count, 1)
        h and A - h, from 0 to the total A of the weights.
    epsilon : float
    kind : int
        Number of the regularization.
    guess : ndarray of shape (count, 1), default=None
        The centre of a choice of similar mass.
    has_slope : bool, default=False
        Whether the slope is found with p, when that is asked for.

    Attributes
    ----------
    anchor, offset : ndarrays of shape (count, 1)
        As `select_rows` of the kernel finds them.
    share, other_share : ndarrays of shape (count, 1)
        h / A, which all of p approaches for large epsilon, and 1 - h / A.
    centre : ndarray of shape (count, 1)
        Threshold less ``epsilon * phi'(share)``: from the smallest to the largest
        value, the mean for large epsilon.
    """

    def __init__(self, data, mass, rest, epsilon, kind, guess=None, *, has_slope=False):
        self.data, self.epsilon, self._has_slope = data, epsilon, has_slope
        self.is_entropic = kind == _pav.ENTROPIC
        self.is_logistic = self.is_entropic and epsilon > 0
        self.numbers = np.empty((len(mass), 6))
        self.numbers[:, 4:5], self.numbers[:, 5:] = mass, rest
        select_rows(
            data.rows,
            data.kernel_weights,
            data.total,
            epsilon,
            self.is_logistic,
            guess,
            self.numbers,
        )
        self.anchor, self.offset = self.numbers[:, :1], self.numbers[:, 1:2]
        self.share, self.other_share = self.numbers[:, 2:3], self.numbers[:, 3:4]
        self.centre = self.anchor
        if epsilon > 0:
            self.centre = self.anchor + epsilon * self.offset

    def centre_at(self, is_close, means):
        """Let these rows have their means as their centres, if any value is open."""
        if not self.is_logistic:
            is_close = is_close & (self.share > 0) & (self.other_share > 0)
        self.anchor[:] = np.where(is_close, means, self.anchor)
        self.offset[:] = np.where(is_close, 0.0, self.offset)
        self.centre = self.anchor + self.epsilon * self.offset

    def above(self, other):
        """The centre less that of another choice."""
        move = self.anchor - other.anchor
        if self.epsilon > 0:
            move = move + self.epsilon * (self.offset - other.offset)
        return move

    @property
    def p(self):
        """The choice itself, of shape (count, n)."""
        return self._vectors[0]

    @property
    def slope(self):
        """Derivative of F, by which p changes with the threshold, with `has_slope`.

        For ``epsilon=0`` it is 1 for the values at the threshold, else 0.
        """
        return self._vectors[2]

    @cached_property
    def _vectors(self):
        """p, 1 - p for entropic choices, and the slope."""
        rows = self.data.rows
        p = np.empty_like(rows)
        rest = np.empty_like(rows) if self.is_entropic else None
        slope = np.empty_like(rows) if self._has_slope else None
        part_rows(rows, self.numbers, self.epsilon, self.is_logistic, p, rest, slope)
        return p, rest, slope

    def p_above(self, other):
        """P less that of a choice of a smaller mass."""
        (p, rest, _), (other_p, other_rest, _) = self._vectors, other._vectors
        if not self.is_logistic:
            return p - other_p
        return np.where(other_p < 0.5, p - other_p, other_rest - rest)

    def divergence(self):
        """phi(p) - phi(share) - phi'(share) (p - share), of shape (count, n)."""
        if self.is_entropic and self.epsilon == 0:
            p, rest, _ = self._vectors
            found = rel_entr(p, self.share) + rel_entr(rest, self.other_share)
            # A choice of no mass may have values, but none of them has a weight.
            return np.where(np.isinf(found), 0.0, found)
        out = np.empty(self.data.rows.shape)
        divergence_rows(
            self.data.rows, self.numbers, self.epsilon, self.is_logistic, out
        )
        return out


def choose(values, slices, k, epsilon, kind, largest):
    """The parts of the k largest or smallest values, all finite, or None.

    As of a `Choice` without weights, by the shortest way. None also for a wrong k:
    what is wrong with the values is said before.
    """
    if values.size == 0:
        return None
    rows = slices.to_rows(values)
    is_logistic = kind == _pav.ENTROPIC and epsilon > 0
    try:
        k = check_mass(k, float(slices.length))
        if kind == _pav.QUADRATIC and epsilon > 0:
            check_share(k, float(slices.length), "k")
    except (TypeError, ValueError):
        return None
    parts = np.empty(rows.shape, rows.dtype)
    sign = -1.0 if largest else 1.0
    is_finite = CHOOSE_ROWS[rows.dtype](rows, sign, k, epsilon, is_logistic, parts)
    return slices.from_rows(parts) if is_finite else None


def window_excess(first, last):
    """How the soft sums of the values differ between two choices.

    The sum of ``a * (p * (x - origin) + epsilon * D(p, share))`` for the last less that
    for the first, of shape (count, 1). The origin is the last centre.
    """
    data = last.data
    excess = np.empty((len(data.rows), 1))
    difference_rows(
        data.rows,
        data.kernel_weights,
        first.numbers,
        last.numbers,
        last.epsilon,
        last.is_logistic,
        excess,
    )
    return excess
