"""Scores of regressions that count all large errors alike."""

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import make_scorer

from .._sklearn import Interval, validate_params
from .._typing import ScorerFunction
from ._trimmed import check_targets, in_sigmas, makes_scorers

CAP_RANGE = Interval(Real, 0, None, closed="neither")


@validate_params(
    {
        "y_true": ["array-like"],
        "y_pred": ["array-like"],
        "cap": [CAP_RANGE],
        "sample_weight": ["array-like", None],
        "sigma": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def capped_mean_squared_error(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    cap: float,
    sample_weight: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
) -> float:
    """Mean of the squared errors, of which none counts more than the cap.

    No outlier in the targets or features of test data can add more than its share of
    ``cap**2``, and ordinary errors are squared as usual. Trimming ignores the
    worst predicted part of the data, whatever it is; this score counts it.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True targets.
    y_pred : array-like of shape (n_samples,)
        Predicted targets.
    cap : float
        Size from which on errors count alike, above 0, in units of y. Three times the
        standard deviation of the errors of good data leaves those alone, and is safe
        with 30 % of outliers. Models can only be compared with the same cap.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, at least 0 and not all 0.
    sigma : array-like of shape (n_samples,), default=None
        Relative standard deviations of the errors, above 0: errors are divided by them,
        and `cap` is in units of these. None means ones.

    Returns
    -------
    float
        The mean, in units of y squared, at most ``cap**2``. 0.0 is best.

    Raises
    ------
    ValueError
        If an argument is not as described.

    See Also
    --------
    capped_scorer : The scorer to choose parameters with.
    trimmed_mean_squared_error : Without the largest errors.

    Examples
    --------
    >>> from sksoftrank.metrics import capped_mean_squared_error
    >>> capped_mean_squared_error([1, 2, 3, 1000], [1, 2, 4, 4], cap=3)
    2.5
    """
    y_true, y_pred, weight = check_targets(y_true, y_pred, sample_weight)
    with np.errstate(over="ignore"):
        size = np.minimum(np.abs(in_sigmas(y_true - y_pred, sigma)), cap)
    return float(np.average(size**2, weights=weight))


@makes_scorers
@validate_params({"cap": [CAP_RANGE]}, prefer_skip_nested_validation=True)
def capped_scorer(cap: float) -> ScorerFunction:
    """Make a scorer of regressors from minus the `capped_mean_squared_error`.

    Parameters
    ----------
    cap : float
        Size from which on errors count alike, above 0, in units of y: for example three
        times the `scale_` of a `SoftLTSRegressor` that was fitted to all data.

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
        If `cap` is not as described.

    See Also
    --------
    capped_mean_squared_error : The score.
    trimmed_scorer : Needs no scale, but likes models that ignore good observations.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sksoftrank import SoftLTSRegressor
    >>> from sksoftrank.datasets import make_contaminated_regression
    >>> from sksoftrank.metrics import capped_scorer
    >>> X, y, _, _ = make_contaminated_regression(contamination=0.3, random_state=0)
    >>> scorer = capped_scorer(cap=3 * SoftLTSRegressor().fit(X, y).scale_)
    >>> grid = {"epsilon": [10, 1e4]}
    >>> GridSearchCV(SoftLTSRegressor(), grid, scoring=scorer).fit(X, y).best_params_
    {'epsilon': 10}
    """
    return make_scorer(capped_mean_squared_error, greater_is_better=False, cap=cap)
