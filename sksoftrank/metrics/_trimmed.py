"""Scores of regression models on test data that hold outliers themselves."""

from functools import wraps
from numbers import Real
from typing import cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import make_scorer
from sklearn.utils import check_consistent_length, column_or_1d

from .._checks import check_sigma, nan_for_na, warn
from .._sklearn import F, Interval, check_array, validate_params
from .._typing import ScorerFunction
from ..linear._robust_scale import ROUNDING, scaled_variance, trimmed_variance

TRIM = Interval(Real, 0, 0.5, closed="both")

# Deviations are squared: beyond this many typical ones they are all the same.
LARGEST_DEVIATION = 1e100

# Of both scores.
PARAMETERS = {
    "y_true": ["array-like"],
    "y_pred": ["array-like"],
    "trim": [TRIM],
    "sample_weight": ["array-like", None],
    "sigma": ["array-like", None],
}


@validate_params(PARAMETERS, prefer_skip_nested_validation=True)
def trimmed_mean_squared_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    trim: float = 0.5,
    sample_weight: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
) -> float:
    """Mean of the smallest squared errors.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True targets.
    y_pred : array-like of shape (n_samples,)
        Predicted targets.
    trim : float, default=0.5
        Fraction of the observations whose errors, the largest ones, are ignored, in
        [0, 0.5]. The kept number ``(1 - trim) * n_samples`` need not be whole: an error
        at the boundary counts in part.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, at least 0 and not all 0. An integer weight is that number of repeats.
    sigma : array-like of shape (n_samples,), default=None
        Relative standard deviations of the errors, above 0: errors are divided by them.
        None means ones.

    Returns
    -------
    float
        The mean, in units of y squared, or of y over `sigma`. 0.0 is best.

    Raises
    ------
    ValueError
        If an argument is not as described.

    See Also
    --------
    trimmed_r2_score : Relative to the spread of the targets; the larger the better.

    Notes
    -----
    No factor makes the mean consistent for a variance: of Gaussian errors, ``trim=0.5``
    leaves 0.143 times the mean of all squares.

    Examples
    --------
    >>> from sksoftrank.metrics import trimmed_mean_squared_error
    >>> trimmed_mean_squared_error([1, 2, 3, 1000], [1, 2, 4, 4], trim=0.25)
    0.333...
    """
    y_true, y_pred, weight = check_targets(y_true, y_pred, sample_weight)
    return _trimmed_mean_square(in_sigmas(y_true - y_pred, sigma), weight, trim)


@validate_params(PARAMETERS, prefer_skip_nested_validation=True)
def trimmed_r2_score(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    trim: float = 0.5,
    sample_weight: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
) -> float:
    r"""R2 on the part of the data that the model predicts best.

    The ordinary R2 of test data with outliers is ruled by them. This score ignores the
    fraction `trim` of the largest errors, and compares the others with the spread of
    the most concentrated targets of the same number, ``h = (1 - trim) * n_samples``
    [1]_:

    .. math::

        1 - \frac{\text{mean of the h smallest squared errors}}
        {\text{smallest variance of h targets}} .

    With ``trim=0`` it is R2.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True targets.
    y_pred : array-like of shape (n_samples,)
        Predicted targets.
    trim : float, default=0.5
        Fraction of the observations that is ignored, in [0, 0.5]. It should be at least
        the fraction of outliers. The kept number h need not be whole: an observation at
        the boundary counts in part.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, at least 0 and not all 0. An integer weight is that number of repeats.
    sigma : array-like of shape (n_samples,), default=None
        Relative standard deviations of the errors, above 0: errors are divided by them.
        None means ones.

    Returns
    -------
    float
        The score. 1.0 is best; the best constant has 0.0, and worse predictions have
        negative scores. Where h targets are equal their variance is 0: the score then
        is 1.0 for perfect predictions of h targets, else 0.0. NaN where h is below 2.
        With weights h is ``1 - trim`` times their sum, or times the number of those
        above 0 if that is larger, for then they cannot be repeats.

    Raises
    ------
    ValueError
        If an argument is not as described.

    Warns
    -----
    UndefinedMetricWarning
        If h is below 2.

    See Also
    --------
    trimmed_scorer : The scorer to choose parameters with.
    trimmed_mean_squared_error : The numerator.
    sklearn.metrics.r2_score : R2 of all observations.

    References
    ----------
    .. [1] P. J. Rousseeuw, A. M. Leroy, "Robust Regression and Outlier Detection",
       Wiley, 1987, chapter 2, section 3: the coefficient of determination of least
       trimmed squares.

    Examples
    --------
    >>> from sklearn.metrics import r2_score
    >>> from sksoftrank.metrics import trimmed_r2_score
    >>> y_true, y_pred = [1, 2, 3, 4, 1000], [1, 2, 4, 4, 4]
    >>> trimmed_r2_score(y_true, y_pred, trim=0.2)
    0.8
    >>> round(r2_score(y_true, y_pred), 3)
    -0.246
    """
    y_true, y_pred, weight = check_targets(y_true, y_pred, sample_weight)
    n_kept = (1 - trim) * max(weight.sum(), np.count_nonzero(weight))
    if n_kept < 2 * (1 - ROUNDING):
        warn(
            f"trimmed_r2_score is not defined for less than two kept observations, got "
            f"{n_kept:.3g} for trim={trim}; NaN is returned.",
            UndefinedMetricWarning,
        )
        return float("nan")
    factor = None if sigma is None else 1 / _relative(sigma, y_true.size)
    with np.errstate(over="ignore"):
        error, deviation = y_true - y_pred, y_true - _weighted_median(y_true, weight)
        if factor is not None:
            error, deviation = error * factor, deviation * factor
        # In other units squares would leave the floats.
        unit = _largest_kept(deviation, weight, trim) or 1.0
        spread = _trimmed_variance(deviation / unit, factor, weight, trim)
        if spread == 0:
            return 1.0 if _largest_kept(error, weight, trim) == 0 else 0.0
        return float(1 - _trimmed_mean_square(error / unit, weight, trim) / spread)


def in_sigmas(error, sigma):
    """Errors divided by their standard deviations."""
    return error if sigma is None else error / check_sigma(sigma, error.size)


def _relative(sigma, n_samples):
    """Standard deviations in units of the largest."""
    sigma = check_sigma(sigma, n_samples)
    return sigma / sigma.max()


def makes_scorers(make: F) -> F:
    """Decorator of a function that makes a scorer, and might be taken for one."""

    @wraps(make)
    def checked(*args, **parameters):
        if args and hasattr(args[0], "fit"):
            raise TypeError(
                f"{make.__name__} makes a scorer and is none itself: scoring must be "
                f"what it returns, {make.__name__}(...), got a call with the estimator "
                f"{type(args[0]).__name__}."
            )
        return make(*args, **parameters)

    return cast(F, checked)


@makes_scorers
@validate_params({"trim": [TRIM]}, prefer_skip_nested_validation=True)
def trimmed_scorer(trim: float = 0.5) -> ScorerFunction:
    """Make a scorer of regressors from `trimmed_r2_score`.

    It says whether a model is of use on observations of which some are wrong, and needs
    no scale. But it likes models that ignore good ones, since it ignores the same: to
    choose `epsilon` or `trim` take `capped_scorer`, or `SoftLTSRegressorCV`.

    Parameters
    ----------
    trim : float, default=0.5
        Fraction of the observations of each test fold that is ignored, in [0, 0.5]. It
        should be at least the fraction of outliers.

    Returns
    -------
    callable
        The scorer, ``scorer(estimator, X, y, sample_weight=None)``, for the parameter
        `scoring` of `GridSearchCV` and the like. The larger the better.

    Raises
    ------
    TypeError
        If it is called with an estimator, as if it were a scorer.
    ValueError
        If `trim` is not as described.

    See Also
    --------
    trimmed_r2_score : The score.
    capped_scorer : Ignored good observations cost, too.
    sklearn.metrics.make_scorer : What makes a scorer of a score.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sksoftrank import SoftLTSRegressor
    >>> from sksoftrank.datasets import make_contaminated_regression
    >>> from sksoftrank.metrics import trimmed_scorer
    >>> X, y, _, _ = make_contaminated_regression(contamination=0.3, random_state=0)
    >>> grid = {"epsilon": [10, 1e4]}
    >>> search = GridSearchCV(SoftLTSRegressor(), grid, scoring=trimmed_scorer())
    >>> search.fit(X, y).best_params_
    {'epsilon': 10}
    >>> GridSearchCV(SoftLTSRegressor(), grid, scoring="r2").fit(X, y).best_params_
    {'epsilon': 10000.0}
    """
    return make_scorer(trimmed_r2_score, trim=trim)


def _kept(values, weight, trim):
    """Sizes of the smallest part ``1 - trim`` of the values, and what is taken."""
    size = np.abs(values)
    order = np.argsort(size)
    size, weight = size[order], weight[order]
    edges = np.cumsum(weight)
    taken = np.clip((1 - trim) * edges[-1] - (edges - weight), 0, weight)
    # Rounding must not take anything of an outlier.
    kept = taken > ROUNDING * edges[-1]
    return size[kept], taken[kept]


def _trimmed_mean_square(values, weight, trim):
    """Mean square of the smallest part ``1 - trim`` of the values."""
    size, taken = _kept(values, weight, trim)
    return float(taken @ size**2 / taken.sum())


def _largest_kept(values, weight, trim):
    """The largest of these, rounded to a power of two."""
    largest = _kept(values, weight, trim)[0].max()
    return np.ldexp(1.0, np.frexp(largest)[1]) if largest > 0 else 0.0


def _trimmed_variance(deviation, factor, weight, trim):
    """Smallest variance of the part ``1 - trim`` of the values, given as deviations."""
    deviation = deviation.clip(-LARGEST_DEVIATION, LARGEST_DEVIATION)
    kept = (1 - trim) * weight.sum()
    if factor is None or (factor == factor[0]).all():
        return trimmed_variance(deviation, weight, kept)
    return scaled_variance(deviation, factor, weight, kept)


def _weighted_median(values, weight):
    order = np.argsort(values)
    cumulated = np.cumsum(weight[order])
    return values[order[np.searchsorted(cumulated, cumulated[-1] / 2)]]


def check_targets(y_true, y_pred, sample_weight):
    """Targets, predictions and weights as 1-D arrays of float64."""
    arrays = {"y_true": y_true, "y_pred": y_pred, "sample_weight": sample_weight}
    if sample_weight is None:
        arrays["sample_weight"] = np.ones(np.shape(y_true)[:1])
    y_true, y_pred, weight = (
        column_or_1d(
            check_array(
                nan_for_na(array), ensure_2d=False, dtype=np.float64, input_name=name
            )
        )
        for name, array in arrays.items()
    )
    check_consistent_length(y_true, y_pred, weight)
    with np.errstate(over="ignore"):
        total = weight.sum()
    if weight.min() < 0 or not 0 < total < np.inf:
        raise ValueError(
            f"sample_weight must be at least 0 and not all 0, with a finite sum, got "
            f"weights from {weight.min()} to {weight.max()}."
        )
    return y_true, y_pred, weight
