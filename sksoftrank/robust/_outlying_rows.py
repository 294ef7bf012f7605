"""Which rows are outliers, and whether a fit is better without them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..linear._robust_scale import (
    OUTLIER_CUTOFF,
    inlier_mask,
    lts_scale,
    weighted_quantile,
)
from ._label_noise import advantage

Array = NDArray[np.float64]

# Half of the squared errors, in scales, up to which rows count in full, and from which
# on they do not count.
IN_FULL, NOT_AT_ALL = 0.5 * OUTLIER_CUTOFF**2, 0.5 * 3.4**2

# Errors beyond so many scales count alike where two fits are compared.
ERROR_CAP = 3.0

# A part from which on outliers may have spoilt the first fit.
MANY_OUTLIERS = 0.2

# Errors beyond so many scales are no chance, and so many of them no tail.
IMPROBABLE = 5.0
FAR_PART = 0.02

# Standard errors by which a group may have more outliers than the other rows, and the
# largest factor of its spread that makes up for more.
MORE_OUTLIERS = 3.0
LARGEST_SPREAD_FACTOR = 3.0


def has_many_outliers(residual: Array, weight: Array) -> bool:
    """Whether so many residuals are outlying that the start may be to blame."""
    good = inlier_mask(residual, lts_scale(residual, weight, 0.5 * weight.sum()))
    return bool(np.average(good, weights=weight) < 1 - MANY_OUTLIERS)


def centre_of_most(
    select: Callable[[Array], Array], y: Array, weight: Array, n_steps: int = 20
) -> Array:
    """Constant predictions in the middle of the rows that `select` keeps for them."""
    level = float(weighted_quantile(y, weight, 0.5))
    for _ in range(n_steps):
        p = weight * select(np.full(y.size, level))
        last, level = level, float(np.average(y, weights=p))
        if level == last:
            break
    return np.full(y.size, level)


def choose_inliers(residual: Array, scale: float, weight: Array) -> tuple[float, Array]:
    """Mean loss and weights of rows: 1 up to 2.24 scales, 0 from 3.4 scales on.

    The loss is half of the squared residual up to there, and constant where the weight,
    its derivative in that, is 0. A scale of 0 is that of an exact fit.
    """
    if scale == 0:
        return float(np.average(residual != 0, weights=weight)), (residual == 0) * 1.0
    size = np.minimum(0.5 * (residual / scale) ** 2, NOT_AT_ALL)
    beyond = np.maximum(size - IN_FULL, 0) / (NOT_AT_ALL - IN_FULL)
    loss = size - 0.5 * beyond**2 * (NOT_AT_ALL - IN_FULL)
    return float(np.average(loss, weights=weight)), 1 - beyond


def group_factor(
    residual: Array, mask: NDArray[np.bool_], group: NDArray[np.bool_], weight: Array
) -> float:
    """Factor of the spread of a group that has evidently more outliers than the rest.

    With it, its part in the mask is no smaller up to chance: a spread that is right in
    the middle of its errors may be too small for its tails. `residual` is in scales.
    """
    if not group.any() or group.all():
        return 1.0
    part = np.average(mask[~group], weights=weight[~group])
    part -= MORE_OUTLIERS * np.sqrt(part * (1 - part) / max(weight[group].sum(), 1))
    size = weighted_quantile(np.abs(residual[group]), weight[group], max(part, 0))
    return float(np.clip(size / OUTLIER_CUTOFF, 1, LARGEST_SPREAD_FACTOR))


def has_far_rows(residual: Array, group: NDArray[np.bool_], weight: Array) -> bool:
    """Whether there are outliers for sure, outside of a group of a larger spread."""
    far = (np.abs(residual) > IMPROBABLE) & ~group
    return bool(np.average(far, weights=weight) > FAR_PART)


def is_better(
    first: Array, last: Array, scale: Array, weight: Array, evidence: float
) -> bool:
    """Whether the last errors are smaller, large ones capped.

    By more than `evidence` standard errors of the mean of their squares.
    """
    cap = ERROR_CAP * scale
    if not cap.any():  # an exact fit
        return bool(np.count_nonzero(last) < np.count_nonzero(first))
    worse, better = (np.minimum(np.abs(error), cap) ** 2 for error in (first, last))
    return advantage(worse, better, weight) > evidence
