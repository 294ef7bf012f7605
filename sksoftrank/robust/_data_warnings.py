"""Warnings of data that the robust linear regressors cannot be meant for."""

from typing import NamedTuple

import numpy as np

from .._checks import warn

# A fit follows a value of y if that has this part of the weight that is kept, and the
# rows of other values are kept this much less often.
FOLLOWED = 2 / 3
LESS_OFTEN = 1 / 3

# Of so few rows for each coefficient nothing can be said.
FEW_ROWS = 10


class FollowedValues(NamedTuple):
    """Values of y that a fit goes through, and why that is no success."""

    n_values: int
    n_rows: int
    share: float  # of the rows that have them
    is_exact: bool


def less_trim(share):
    """What to do to count rows other than this share."""
    return f"Take a trim well below {1 - share:.2g}"


def warn_of_data(model, y, weight, n_coefs, remedy):
    """Warn of weights that are no frequencies, and of targets that are mostly equal.

    Parameters
    ----------
    model : estimator
        Fitted to the data.
    y : ndarray of shape (n_samples,)
        Targets.
    weight : ndarray of shape (n_samples,)
        Frequencies.
    n_coefs : int
        Number of coefficients, with the intercept.
    remedy : callable
        Takes the share of the rows that are fitted; returns what to do to count others.
    """
    name = type(model).__name__
    _warn_of_weights(name, weight, n_coefs + (not model.fit_intercept))
    warn_of_followed(model, y, weight, n_coefs, remedy)


def warn_of_followed(model, y, weight, n_coefs, remedy):
    """Warn of targets that are mostly equal, as `warn_of_data`."""
    name = type(model).__name__
    followed = followed_values(model, y, weight, n_coefs)
    if followed is None or has_few_rows(weight, n_coefs):
        return
    if followed.n_rows > 2 * n_coefs:  # fewer are no matter of y, but of the weights
        values = "a single value" if followed.n_values == 1 else "few values"
        warn(
            f"y has {values} in {100 * followed.share:.0f} % of the rows, which {name} "
            f"fits {'exactly' if followed.is_exact else 'nearly exactly'}: the other "
            f"rows have {'no' if followed.is_exact else 'little'} influence. "
            f"{remedy(followed.share)} to count them.",
        )


def followed_values(model, y, weight, n_coefs):
    """What a fit goes through if y is mostly constant, or None.

    Exact fits of more values of y than there are coefficients, in many rows, are no
    accident.
    """
    total = weight.sum()
    if model.scale_ == 0:
        exact = weight * model.inlier_mask_
        share, rows = exact.sum() / total, exact > 0
        n_values, n_rows = np.unique(y[rows]).size, int(rows.sum())
        if 0.5 <= share < 1 and (n_values <= max(n_coefs, 1) or n_rows <= 2 * n_coefs):
            return FollowedValues(n_values, n_rows, share, True)
        return None
    kept = weight * model.inlier_weight_
    for value in _frequent_values(y, weight):
        rows = y == value
        if rows[weight > 0].all():  # there are no others
            return None
        mass, kept_mass = weight @ rows, kept @ rows
        kept_others = kept.sum() - kept_mass
        if kept_mass >= FOLLOWED * kept.sum() and (
            kept_others * mass < LESS_OFTEN * (total - mass) * kept_mass
        ):
            return FollowedValues(1, int(rows.sum()), mass / total, False)
    return None


def has_few_rows(weight, n_coefs):
    """Whether there are too few rows to warn of their targets."""
    return np.count_nonzero(weight) <= FEW_ROWS * max(n_coefs, 1)


def _frequent_values(y, weight):
    """A few values, with all that have a quarter of the weight or more."""
    if _is_constant(weight):
        position = np.unique(y.size * np.arange(1, 4) // 4)
        return np.unique(np.partition(y, position)[position])
    order = np.argsort(y)
    cumulated = np.cumsum(weight[order])
    quarters = np.searchsorted(cumulated, cumulated[-1] * np.array([0.25, 0.5, 0.75]))
    return np.unique(y[order[quarters]])


def _is_constant(weight):
    return (weight == weight[0]).all()


def _warn_of_weights(name, weight, n_free):
    """Warn where few rows have half of the weight."""
    if _is_constant(weight):
        return
    n_rows = np.count_nonzero(weight)
    cumulated = np.cumsum(np.sort(weight)[::-1])
    n_half = int(np.searchsorted(cumulated, 0.5 * cumulated[-1])) + 1
    # Of few rows half are always less than that, so a quarter of them is enough.
    if n_half < min(2 * n_free, n_rows / 4):
        warn(
            f"{n_half} of the {n_rows} rows have half of sample_weight, fewer than "
            f"2 (p + 1) = {2 * n_free}: weights are frequencies, so {name} takes these "
            f"rows for the majority. Pass standard deviations of errors as sigma.",
        )
