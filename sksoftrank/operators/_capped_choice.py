"""Soft choice of the smallest values of a given total weight, for rows of values.

For values x with weights a the choice of mass h is the vector p of parts in [0, 1] that
minimises ``sum(a * p * x) + epsilon * sum(a * phi(p))`` under ``sum(a * p) = h``. It is
``p = F((t - x) / epsilon)`` with the one threshold t at which the sum is h:

* "quadratic", phi(p) = p^2 / 2: F(u) = clip(u, 0, 1). Without weights p is the
  Euclidean projection of -x / epsilon on the permutahedron of h ones and n - h zeros;
* "entropic", phi(p) = p log(p) + (1 - p) log(1 - p): F is the logistic function;
* epsilon = 0: F is a step; values at the threshold share what is left equally.
"""

import numpy as np
from scipy.special import expit
from sklearn.utils import gen_batches

from .. import _pav
from .._checks import check_finite, check_values
from .._selection import select_row

# Steps of Newton's method or bisection, of which about ten are the rule.
MAX_STEPS = 200

# Long rows pass in blocks of this size, which stay in cache.
BLOCK_SIZE = 2**14

# Distances beyond are as good as infinite, but their differences are finite.
FARTHEST = 1e300


class WeightedRows:
    """The slices of `values` with their weights; what is omitted has the weight 0.

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
    is_plain : bool
        Whether all weights are 1.
    weights_shape : tuple of int
        Shape of the weights, or of `values` without weights.
    is_empty : ndarray of bool, shape (count, 1)
        Rows of which all was omitted; they are replaced by zeros with weights 1.
    """

    def __init__(self, values, slices, weights, nan_policy="raise"):
        check_nan_policy(nan_policy)
        if slices.length == 0:
            raise ValueError(
                f"values must not be empty along axis, got shape {values.shape}."
            )
        self.rows = slices.to_rows(values).astype(np.float64, copy=False)
        missing = np.isnan(self.rows) if nan_policy == "omit" else None
        if missing is not None and missing.any():
            self.rows = np.where(missing, 0.0, self.rows)
        else:
            missing = None
        check_finite(self.rows, "values")
        self.weights_shape = values.shape if weights is None else np.shape(weights)
        self.is_shared = False
        self.is_plain = weights is None and missing is None
        if weights is None:
            self.weights = np.broadcast_to(1.0, self.rows.shape)
        else:
            weights = _check_weights(weights, slices, values.shape)
            self.is_shared = weights.shape != values.shape
            if not self.is_shared:
                weights = slices.to_rows(weights)
            self.weights = np.broadcast_to(weights, self.rows.shape)
        self.is_empty = np.zeros((slices.count, 1), dtype=bool)
        self.is_kept = True if missing is None else ~missing
        if missing is not None:
            self.is_empty = missing.all(axis=1, keepdims=True)
            self.weights = np.where(self.is_empty, 1.0, self.weights * self.is_kept)
        self.total = self.weights.sum(axis=1, keepdims=True)
        if (self.total == 0).any():
            raise ValueError(
                "weights must not be all zero along axis, where values are not omitted."
            )


def check_nan_policy(nan_policy):
    """Raise unless `nan_policy` is one of those that are supported."""
    if not isinstance(nan_policy, str) or nan_policy not in ("raise", "omit"):
        raise ValueError(f"nan_policy must be 'raise' or 'omit', got {nan_policy!r}.")


def _check_weights(weights, slices, shape):
    weights = check_finite(check_values(weights, "weights"), "weights")
    if weights.shape not in (shape, (slices.length,)):
        raise ValueError(
            f"weights must have the shape of values, {shape}, or ({slices.length},), "
            f"got {weights.shape}."
        )
    if weights.size and weights.min() < 0:
        raise ValueError(f"weights must be non-negative, got {weights.min()}.")
    if weights.max(initial=0.0) > np.finfo(np.float64).max / slices.length:
        raise ValueError(
            f"weights must have a finite sum, got values up to {weights.max():g}."
        )
    return weights.astype(np.float64, copy=False)


class CappedChoice:
    """The choice of the smallest values of mass `mass` in each row.

    Parameters
    ----------
    data : WeightedRows
    mass, rest : ndarrays of shape (count, 1)
        h and A - h, from 0 to the total A of the weights.
    epsilon : float
    kind : int
        Number of the regularization.

    Attributes
    ----------
    share, other_share : ndarrays of shape (count, 1)
        h / A, which all parts approach for large epsilon, and 1 - h / A.
    centre : ndarray of shape (count, 1)
        Threshold less ``epsilon * phi'(share)``: from the smallest to the largest
        value, the mean for large epsilon.
    """

    def __init__(self, data, mass, rest, epsilon, kind):
        self.data, self.epsilon = data, epsilon
        self.is_logistic = kind == _pav.ENTROPIC and epsilon > 0
        self.share, self.other_share = mass / data.total, rest / data.total
        # The slope of the logistic function is 1 / 4: close to a clip of width 4.
        width = 4 * epsilon if self.is_logistic else epsilon
        self.anchor, self.offset = _thresholds(data, mass, width)
        if self.is_logistic:
            distance = self.distance(slice(None))
            self.offset = _logistic_offsets(data, distance, 4 * self.offset, self)
        self.centre = self.anchor
        if epsilon > 0:
            self.centre = self.anchor + epsilon * self.offset

    def distance(self, columns):
        """(x - anchor) / epsilon."""
        with np.errstate(over="ignore"):
            distance = (self.data.rows[:, columns] - self.anchor) / self.epsilon
        if self.is_logistic:
            np.clip(distance, -FARTHEST, FARTHEST, out=distance)
        return distance

    def logit(self):
        """Phi' of the share."""
        with np.errstate(divide="ignore"):
            return np.log(self.share) - np.log(self.other_share)

    def parts(self, columns=slice(None)):
        """The parts of the values in these columns of the rows."""
        if self.epsilon == 0:
            return HardParts(self, columns)
        return (LogisticParts if self.is_logistic else ClippedParts)(self, columns)


class HardParts:
    """Parts p for epsilon = 0, and functions of them, for some columns.

    Attributes
    ----------
    part : ndarray of shape (count, n_columns)
        p.
    """

    def __init__(self, choice, columns):
        rows = choice.data.rows[:, columns]
        self._is_tied, self._share = rows == choice.anchor, choice.share
        self.part = (rows < choice.anchor) + choice.offset * self._is_tied

    def slope(self):
        """Where the parts would change with the mass."""
        return self._is_tied.astype(np.float64)

    def above(self, other):
        """The parts less those of `other`, of a smaller mass."""
        return self.part - other.part

    def divergence(self):
        """phi(p) - phi(share) - phi'(share) (p - share)."""
        return 0.5 * (self.part - self._share) ** 2


class ClippedParts:
    """The same for the quadratic regularization and epsilon > 0."""

    def __init__(self, choice, columns):
        step, share = choice.offset - choice.distance(columns), choice.share
        # Small deviations from the share are kept, and a part of 1 is 1.
        self._deviation = np.clip(step, -share, 1.0 - share, out=step)
        self.part = self._deviation + share

    def slope(self):
        """Derivative of F, by which the parts change with the threshold."""
        return ((self.part > 0) & (self.part < 1)).astype(np.float64)

    def above(self, other):
        """The parts less those of `other`, of a smaller mass."""
        return self.part - other.part

    def divergence(self):
        """phi(p) - phi(share) - phi'(share) (p - share)."""
        return 0.5 * self._deviation**2


class LogisticParts:
    """The same for the entropic regularization and epsilon > 0."""

    def __init__(self, choice, columns):
        self._share, self._other_share = choice.share, choice.other_share
        self._step = choice.offset - choice.distance(columns)
        u = choice.logit() + self._step
        self.part, self.rest = expit(u), expit(-u)

    def slope(self):
        """Derivative of F, by which the parts change with the threshold."""
        return self.part * self.rest

    def above(self, other):
        """The parts less those of `other`, of a smaller mass."""
        return np.where(
            other.part < 0.5, self.part - other.part, other.rest - self.rest
        )

    def divergence(self):
        """phi(p) - phi(share) - phi'(share) (p - share)."""
        # From the end, 0 or 1, that is nearer to the share: small terms stay exact.
        is_low = self._share <= 0.5
        share = np.minimum(self._share, self._other_share)
        step = np.where(is_low, self._step, -self._step)
        part = np.where(is_low, self.part, self.rest)
        with np.errstate(divide="ignore"):
            near = part * step - np.log1p(share * np.expm1(np.minimum(step, 30.0)))
            far = np.logaddexp(np.log(share), np.log1p(-share) - step)
        return np.where(step < 30, near, (part - 1.0) * step - far)


def _thresholds(data, mass, epsilon):
    """anchor, offset with t = anchor + epsilon * (offset + share), quadratic.

    For epsilon = 0 the offset is the part of the values at the anchor.
    """
    anchor, offset = np.empty((2, *mass.shape))
    for i, (row, h) in enumerate(zip(data.rows, mass[:, 0], strict=True)):
        total = data.total[i, 0]
        if 0 < h < total:
            a = None if data.is_plain else np.ascontiguousarray(data.weights[i])
            _, anchor[i], offset[i], _ = select_row(
                row, a, h, total, epsilon, np.nan, None, None
            )
        else:
            present = row[data.weights[i] > 0]
            anchor[i] = present.min() if h <= 0 else present.max()
            offset[i] = 0.0 if epsilon > 0 else float(h > 0)
    return anchor, offset


def _logistic_offsets(data, distance, offset, choice):
    """Solve mean(expit(offset + logit - distance)) = share for the offset, by row.

    Newton's method on the logarithm of the smaller of share and 1 - share, within a
    bracket that is halved where a step leaves it. Where the share is 0 or 1 the offset
    is the limit.
    """
    weights = data.weights / data.total
    share, other, logit = choice.share, choice.other_share, choice.logit()
    low, high = _range_of_present(distance, data.weights)
    offset = np.clip(offset, low, high)
    sign = np.where(share <= 0.5, 1.0, -1.0)
    target = np.minimum(share, other)
    is_edge = target == 0
    # Any logit serves where it is infinite: the result is replaced.
    logit, target = np.where(is_edge, 0.0, logit), np.where(is_edge, 0.5, target)
    for _ in range(MAX_STEPS):
        mean, slope = _mean_and_slope(weights, distance, offset + logit, sign)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = sign * np.log(mean / target)
            step = offset - error * (mean / slope)
        is_done = (np.abs(error) <= 1e-15) | (high - low <= 4e-16 * np.abs(offset))
        if (is_done | is_edge).all():
            break
        low, high = np.where(error < 0, offset, low), np.where(error > 0, offset, high)
        middle = 0.5 * low + 0.5 * high
        step = np.where((low <= step) & (step <= high), step, middle)
        is_still = (step == offset) & np.isfinite(error)
        offset = step
        if (is_still | is_done | is_edge).all():
            break
    if is_edge.any():
        towards = np.where(share > 0.5, 1.0, -1.0)
        limit = towards * _log_mean_exp(towards * distance, weights)
        offset = np.where(is_edge, limit, offset)
    return offset


def _mean_and_slope(weights, distance, shift, sign):
    """Weighted mean of expit(sign * (shift - distance)), and its derivative's size."""
    mean, slope = np.zeros((2, *shift.shape))
    for columns in gen_batches(distance.shape[1], BLOCK_SIZE):
        a, part = weights[:, columns], expit(sign * (shift - distance[:, columns]))
        mean += row_dot(a, part)
        slope += row_dot(a, part * (1 - part))
    return mean, slope


def row_dot(x, y):
    """Scalar products of rows, as a column."""
    return np.einsum("ij,ij->i", x, y)[:, None]


def _range_of_present(distance, weights):
    low = np.where(weights > 0, distance, np.inf).min(axis=1, keepdims=True)
    high = np.where(weights > 0, distance, -np.inf).max(axis=1, keepdims=True)
    return low, high


def _log_mean_exp(x, weights):
    _, top = _range_of_present(x, weights)
    with np.errstate(over="ignore"):
        excess = np.where(weights > 0, np.expm1(np.minimum(x - top, 0.0)), 0.0)
    return top + np.log1p(np.sum(weights * excess, axis=1, keepdims=True))
