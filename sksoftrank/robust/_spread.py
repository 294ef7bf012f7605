"""How the spread of errors grows with the level of the predictions."""

import numpy as np
from sklearn.isotonic import isotonic_regression
from sklearn.tree import DecisionTreeRegressor

from ..linear._robust_scale import weighted_quantile

# The regions of levels: at most so many, each of at least so many rows.
MAX_REGIONS = 8
MIN_ROWS = 10

# Spreads are quantiles of absolute errors, low ones: most of a region may be outliers.
LOW = 0.3

# Ratios of spreads up to this may be chance.
CHANCE = 1.5


class SpreadByLevel:
    """Relative spread of the errors at levels of the predictions; 1 without a tree."""

    def __init__(self, tree=None, ratio_of_leaf=None):
        self.tree = tree
        self.ratio_of_leaf = ratio_of_leaf

    def __call__(self, level):
        """At each of the levels, an array."""
        if self.tree is None:
            return np.ones(level.size)
        return self.ratio_of_leaf[self.tree.apply(level[:, None])]


def spread_by_level(residual, level, weight):
    """Spread of the errors relative to that of all, at least 1, as a function of level.

    Regions are leaves of a tree that predicts the size of errors from the level of the
    predictions. The spread is that around the median of the region, is at most its
    distance from the median level (errors as large as that belong to no group that the
    model knows), and does not fall on the way outward.

    Parameters
    ----------
    residual, level, weight : ndarray of shape (n_samples,)
        Errors, predictions and frequencies.

    Returns
    -------
    SpreadByLevel
        Relative spread, at least 1.
    """
    total, size = weight.sum(), np.abs(residual)
    typical = weighted_quantile(size, weight, LOW)
    if total < 4 * MIN_ROWS or typical == 0:
        return SpreadByLevel()
    tree = DecisionTreeRegressor(
        max_leaf_nodes=MAX_REGIONS,
        min_weight_fraction_leaf=MIN_ROWS / total,
        random_state=0,
    )
    target = np.log(np.maximum(size, 1e-3 * typical))
    tree.fit(level[:, None], target, sample_weight=weight)
    regions, region = np.unique(tree.apply(level[:, None]), return_inverse=True)
    centre = weighted_quantile(level, weight, 0.5)
    spread, place, share = np.empty((3, regions.size))
    for k in range(regions.size):
        rows = region == k
        local, row_weight = residual[rows], weight[rows]
        middle = weighted_quantile(local, row_weight, 0.5)
        spread[k] = weighted_quantile(np.abs(local - middle), row_weight, LOW)
        place[k] = weighted_quantile(level[rows], row_weight, 0.5) - centre
        share[k] = row_weight.sum()
    # The quantile of Gaussian errors is a third of their standard deviation.
    ratio = np.minimum(spread, np.abs(place) / 3) / typical
    for side in (place >= 0, place < 0):
        outward = np.flatnonzero(side)[np.argsort(np.abs(place[side]))]
        if outward.size:
            ratio[outward] = isotonic_regression(
                ratio[outward], sample_weight=share[outward]
            )
    if not (ratio > CHANCE).any():
        return SpreadByLevel()
    ratio_of_leaf = np.ones(tree.tree_.node_count)
    ratio_of_leaf[regions] = np.where(ratio > CHANCE, ratio, 1.0)
    return SpreadByLevel(tree, ratio_of_leaf)
