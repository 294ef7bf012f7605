"""Scale, outliers and R2 of a trimmed linear fit.

Functions of residuals and of weights that are frequencies: a whole weight is that
number of repeats, and the total weight stands for the number of observations n.
Residuals are in any unit in which their squares neither overflow nor vanish.
"""

import math

import numpy as np
from scipy.special import gammainc, gammaincinv
from scipy.stats import norm

from ..losses._choices import trimmed_choice, trimmed_gradient

# Residuals beyond this many scales are outlying: 2.5 % of Gaussian ones are.
OUTLIER_CUTOFF = float(norm.ppf(0.9875))
INLIER_FRACTION = 0.975

# Constants of the small-sample factors: `python benchmarks/scale_factors.py --refit`.
FACTOR_CONSTANTS = {
    "raw": (15.171, 4.473, -8.413, 0.015, -33.844, 12.722),
    "reweighted": (-1.904, 2.803, 1.152, -0.103, 9.36, -11.858),
    "soft": (0.365, 0.742, 4.843, -0.818, 1.401, -7.428),
}
LARGEST_FACTOR = 10.0

# Constants from which to search for the best one, so many of which go on, and values
# of large data among which they are chosen.
N_CONSTANTS = 25
N_BEST_CONSTANTS = 3
MAX_RATIOS = 5000

# Parts of the total weight this small are rounding errors.
ROUNDING = 1e-12


def consistency_factor(fraction):
    """Standard deviation of a Gaussian over that of its central `fraction`.

    The variance of a standard Gaussian truncated to [-q, q], with probability f, is
    ``1 - 2 q phi(q) / f``: also the ratio of the chi-square distribution functions with
    3 and 1 degrees of freedom at q^2, which loses no digits.
    """
    half_square = gammaincinv(0.5, fraction)
    return math.sqrt(fraction / gammainc(1.5, half_square))


def small_sample_factor(n, n_coefs, fraction, kind):
    """Factor that makes a scale of n Gaussian observations unbiased.

    The mean of the logarithm of the scale is then that of the standard deviation of the
    errors. 1 for n -> infinity. Fitted to simulations for n from 8 and 2 p to 2000 and
    p from 1 to 20, with errors of 0.6 % for n >= 5 p, 1.6 % down to above 2 p, and 10 %
    at 2 p (root mean squares).

    Parameters
    ----------
    n : float
        Number of observations, or total weight.
    n_coefs : int
        Number p of coefficients, with the intercept.
    fraction : float
        ``n_kept / n`` of the hard trimmed fit, in [0.5, 1].
    kind : {"raw", "reweighted", "soft"}
        "raw" for `lts_scale` of the hard fit, "reweighted" for `reweighted_scale` of
        least squares on its inliers, "soft" for `reweighted_scale` with
        `INLIER_FRACTION` of the "selection" fit of ``epsilon=10`` in units of the raw
        scale. The inliers are those of the raw scale with its factor.

    Returns
    -------
    float
        Factor, from 1 to `LARGEST_FACTOR`.
    """
    start, terms = factor_terms(n, n_coefs, fraction)
    factor = math.exp(start + np.dot(FACTOR_CONSTANTS[kind], terms))
    return min(max(factor, 1.0), LARGEST_FACTOR)


def factor_terms(n, n_coefs, fraction):
    """Logarithm of the factor of least squares, and what trimming adds to it.

    Least squares divides by n where n - p is right, and the mean logarithm of a
    chi-square variable of k degrees of freedom is about log(k) - 1 / k. The other terms
    were chosen for a good fit to the simulation among products of powers of the trimmed
    fraction, p / h and 1 / h. Below n = 2 p all is as for 2 p.
    """
    n = max(n, 2 * n_coefs)
    trimmed, kept = 1 - fraction, n * fraction
    load = n_coefs / kept
    start = 0.5 / (n - n_coefs) - 0.5 * math.log(1 - n_coefs / n)
    terms = (
        trimmed**2 * load,
        trimmed**0.5 * load**2,
        trimmed * load / kept**0.5,
        (load / kept) ** 0.5,
        trimmed**3 * load**1.5,
        trimmed**2 * load**2,
    )
    return start, np.array(terms)


def weighted_quantile(values, weight, part):
    """The smallest value such that those up to it have this part of the weight."""
    if (weight == weight[0]).all():  # several times faster
        last = max(math.ceil(part * values.size) - 1, 0)
        return np.partition(values, last)[last]
    order = np.argsort(values)
    cumulated = np.cumsum(weight[order])
    last = np.searchsorted(cumulated, part * cumulated[-1])
    return values[order[min(last, order.size - 1)]]


def lts_scale(residual, weight, n_kept, factor=1.0, *, zero=0.0):
    """Root mean square of the `n_kept` smallest residuals, made consistent.

    `factor` is the small-sample factor. Up to `zero` the fit is exact: the scale is 0.
    """
    mean = lts_mean_square(residual, weight, n_kept)
    return consistent_scale(mean, n_kept / weight.sum(), factor, zero)


def reweighted_scale(residual, weight, mask, factor=1.0, *, fraction=None, zero=0.0):
    """Standard deviation of the residuals in `mask`, made consistent.

    `fraction` is the part of good observations that is in the mask. By default it is
    the part of all, as usual after least squares on the mask. That overestimates the
    scale if outliers are left out; `INLIER_FRACTION` does not, as long as the cut is
    that of `inlier_mask`. `factor` and `zero` as for `lts_scale`.
    """
    kept = weight * mask
    total = kept.sum()
    if fraction is None:
        fraction = total / weight.sum()
    # Fractional weights can leave no more than one observation.
    variance = kept @ residual**2 / max(total - 1, 0.5 * total)
    return consistent_scale(variance, fraction, factor, zero)


def consistent_scale(mean_square, fraction, factor, zero):
    """Scale of all from the mean square of their central `fraction`."""
    scale = math.sqrt(mean_square) * consistency_factor(fraction)
    return 0.0 if scale <= zero else scale * factor


def inlier_mask(residual, scale, *, zero=0.0):
    """Whether residuals are at most 2.2414 scales, or for a scale of 0 are `zero`."""
    return np.abs(residual) <= (OUTLIER_CUTOFF * scale or zero)


def robust_r2(
    residual, y, weight, n_kept, *, fit_intercept=True, row_scale=None, zero=0.0
):
    """1 - s^2 / v: the objective of LTS relative to that of a constant.

    s^2 is the mean of the `n_kept` smallest squared residuals, v the smallest variance
    of `n_kept` values of y, or without an intercept the mean of their smallest squares.
    With `row_scale` a constant c leaves ``y - c * row_scale``. Roots up to `zero` are
    rounding errors: with a v of 0, R2 is 0, and else with an s of 0 it is 1.
    """
    if not fit_intercept:
        total = lts_mean_square(y, weight, n_kept)
    elif row_scale is None:
        total = trimmed_variance(y, weight, n_kept)
    else:
        total = scaled_variance(y, row_scale, weight, n_kept)
    if math.sqrt(total) <= zero:
        return 0.0
    explained = lts_mean_square(residual, weight, n_kept)
    return 1.0 if math.sqrt(explained) <= zero else 1 - explained / total


def lts_mean_square(residual, weight, n_kept):
    """Mean of the `n_kept` smallest squares."""
    return 2 * trimmed_choice(0.5 * residual**2, weight, n_kept, 0.0)[0]


def trimmed_variance(y, weight, n_kept):
    """Smallest variance of `n_kept` of the values, at least half of them.

    They are a window of the sorted values. While the window moves by parts of a value
    its variance is a concave function of the part, so at the smallest variance a value
    begins or ends the window; those that end it begin it in the mirror image.
    """
    if (weight == weight[0]).all():
        y = np.sort(y)  # several times faster than argsort
        if n_kept / weight[0] == round(n_kept / weight[0]):  # values begin and end it
            return _window_variance(y, weight, n_kept)
    else:
        order = np.argsort(y)
        y, weight = y[order], weight[order]
    return min(
        _window_variance(y, weight, n_kept),
        _window_variance(-y[::-1], weight[::-1], n_kept),
    )


def _window_variance(y, weight, n_kept):
    """Smallest variance of the windows that a value begins."""
    edge = np.append(0.0, np.cumsum(weight))
    # Every window contains the median. Sums from there have terms of one sign, and none
    # from outside of the window.
    middle = min(np.searchsorted(edge[1:], 0.5 * edge[-1]), y.size - 1)
    y = y - y[middle]
    start = np.flatnonzero(edge[:-1] <= edge[-1] * (1 + ROUNDING) - n_kept)
    end = np.searchsorted(edge[1:], (edge[start] + n_kept) * (1 - ROUNDING))
    part = np.clip(edge[start] + n_kept - edge[end], 0.0, weight[end])

    def mean(power):
        terms = weight * y**power
        before = -np.cumsum(terms[:middle][::-1])[::-1]
        total = np.concatenate([before, [0.0], np.cumsum(terms[middle:])])
        return (total[end] - total[start] + part * y[end] ** power) / n_kept

    best = np.argmin(mean(2) - mean(1) ** 2)
    rows = slice(start[best], end[best] + 1)
    y, weight = y[rows], np.append(weight[rows][:-1], part[best])
    return weight @ (y - weight @ y / n_kept) ** 2 / n_kept


def scaled_variance(y, row_scale, weight, n_kept):
    """Smallest mean of `n_kept` squares of ``y - c * row_scale``, over constants c.

    It is searched for by concentration steps from quantiles of the ratios.
    """
    ratio = y / row_scale
    order = np.argsort(ratio)
    sample = order[:: -(-order.size // MAX_RATIOS)]
    starts = ratio[sample[:: -(-sample.size // N_CONSTANTS)]]
    rows = y[sample], row_scale[sample], weight[sample]
    part = n_kept * (rows[2].sum() / weight.sum())
    best = sorted(_concentrate_constant(*rows, part, c, 2) for c in starts)
    best = [_concentrate_constant(*rows, part, c) for _, c in best[:N_BEST_CONSTANTS]]
    return _concentrate_constant(y, row_scale, weight, n_kept, min(best)[1])[0]


def _concentrate_constant(y, row_scale, weight, n_kept, constant, max_steps=1000):
    """The mean, and the constant, after concentration steps until it falls no more."""
    last = np.inf, constant
    for _ in range(max_steps):
        residual = y - constant * row_scale
        mean, kept, _ = trimmed_gradient(residual**2, weight, n_kept, 0.0)
        if not mean < last[0]:
            break
        last = mean, constant
        precision = kept * row_scale
        constant = precision @ y / (precision @ row_scale)
    return last


def choice_slope(residual, p, epsilon, scale):
    """Derivative of ``p * residual`` by the residual, at a fixed threshold.

    For the selection of losses ``(residual / scale)**2 / 2`` under "selection".
    """
    soft = (p > 0) & (p < 1)
    slope = p.astype(np.float64)
    slope[soft] -= (residual[soft] / scale) ** 2 / epsilon
    return slope
