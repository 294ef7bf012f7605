"""Rankings as arrays of rows, or what is wrong with them."""

import numpy as np

from .._checks import exact_differences, moderate, nan_for_na
from .._sklearn import check_array, check_sample_weight


def check_relevance(y, name):
    """Numbers or NaN as float64, of shape (n_samples, n_labels) or (n_samples,)."""
    with np.errstate(invalid="ignore"):  # sums of very large numbers
        y = check_array(
            nan_for_na(y),
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_2d=False,
            input_name=name,
        )
    if y.ndim not in (1, 2):
        raise ValueError(
            f"{name} must have shape (n_samples, n_labels) or (n_samples,), got "
            f"{y.shape}."
        )
    return y


def check_rankings(y, name):
    """The same where only the order in each row matters, which large integers keep."""
    return check_relevance(exact_differences(y, name), name)


def check_both(y_true, y_pred):
    """Where both arguments are ranked."""
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true and the prediction must have the same shape, got {y_true.shape} "
            f"and {y_pred.shape}."
        )
    return ~(np.isnan(y_true) | np.isnan(y_pred))


def check_pair(y_true, y_pred, sample_weight):
    """Both arguments as rows, where both are ranked, which count, and weights.

    Rows with two ranked labels count. For one ranking the weights are those of the
    ranked samples, of which one that stands for two counts, else None; and those of the
    rows.
    """
    y_true, y_pred = check_rankings(y_true, "y_true"), check_rankings(y_pred, "y_pred")
    ranked = check_both(y_true, y_pred)
    if y_true.ndim == 2:
        usable = ranked.sum(axis=1) > 1
        return y_true, y_pred, ranked, usable, None, sample_weight
    counts, has_repeats = None, False
    if sample_weight is not None:
        counts = check_sample_weight(sample_weight, y_true, ensure_non_negative=True)
        ranked &= counts > 0
        counts = counts[ranked]
        has_repeats = bool((counts >= 2).any())
        counts = moderate(counts)
    usable = np.array([has_repeats or ranked.sum() > 1])
    return y_true[None], y_pred[None], ranked[None], usable, counts, None
