"""Generators of data sets on which the truth is known."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.utils import check_random_state

from ._sklearn import Interval, StrOptions, validate_params
from ._typing import Contamination, RandomState

__all__ = ["make_contaminated_regression", "make_label_ranking"]

# The slope of bad leverage points, in units of the noise. A plane through them fits
# the good rows so badly that it is no optimum of least trimmed squares, either.
TILT = 5.0


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "contamination": [Interval(Real, 0, 0.5, closed="both")],
        "kind": [StrOptions({"vertical", "leverage", "mixed", "cauchy"})],
        "distance": [Interval(Real, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_contaminated_regression(
    n_samples: int = 100,
    n_features: int = 5,
    *,
    contamination: float = 0.2,
    kind: Contamination = "vertical",
    distance: float = 10.0,
    noise: float = 1.0,
    random_state: RandomState = None,
) -> tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]
]:
    """Make data of a linear model, some rows of which follow another one.

    The good rows have standard normal features and coefficients, the intercept 0 and
    Gaussian errors. The outliers are at random places among them.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows, at least 1.
    n_features : int, default=5
        Number of features, at least 1.
    contamination : float, default=0.2
        Fraction of the rows that are outliers, in [0, 0.5], rounded to whole rows.
    kind : {"vertical", "leverage", "mixed", "cauchy"}, default="vertical"
        What is wrong with them.

        - "vertical": the targets are shifted by ``distance * noise``; the features are
          good.
        - "leverage": bad leverage points. The features are shifted by `distance` in one
          random direction, all the same, and the targets follow another plane through
          the origin, whose slope in that direction is less by ``5 * noise``: in the
          middle of the cluster it is ``5 * distance * noise`` below the good one. Least
          squares tilts towards the cluster.
        - "mixed": one half of the outliers is vertical, the other bad leverage points
          (the smaller half, if the number is odd).
        - "cauchy": no row is marked as an outlier, `contamination` and `distance` are
          ignored, and the errors of all rows have a Cauchy distribution, with `noise`
          for its scale.
    distance : float, default=10.0
        How far away the outliers are, at least 0: vertical ones in units of `noise`,
        leverage points in standard deviations of the features.
    noise : float, default=1.0
        Standard deviation of the errors, above 0.
    random_state : int, RandomState instance or None, default=None
        What draws the data. With the same integer the good rows are the same whatever
        `contamination`, `distance` and `kind` are ("cauchy" apart).

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The features.
    y : ndarray of shape (n_samples,)
        The targets.
    coef : ndarray of shape (n_features,)
        True coefficients. The true intercept is 0.
    outliers : ndarray of bool of shape (n_samples,)
        Which rows are outliers.

    Raises
    ------
    ValueError
        If a parameter is not as described.

    See Also
    --------
    sksoftrank.SoftLTSRegressor : Linear regression that ignores the outliers.
    sklearn.datasets.make_regression : Regression data without outliers.

    References
    ----------
    .. [1] P. J. Rousseeuw, A. M. Leroy, "Robust Regression and Outlier Detection",
       Wiley, 1987: vertical outliers and leverage points in chapter 1.

    Examples
    --------
    >>> from sksoftrank.datasets import make_contaminated_regression
    >>> X, y, coef, outliers = make_contaminated_regression(
    ...     kind="leverage", contamination=0.3, random_state=0
    ... )
    >>> X.shape, y.shape, coef.shape, int(outliers.sum())
    ((100, 5), (100,), (5,), 30)
    >>> bool(X[outliers].std() > 2 * X[~outliers].std())
    True
    """
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, n_features))
    coef = rng.standard_normal(n_features)
    is_cauchy = kind == "cauchy"
    draw_errors = rng.standard_cauchy if is_cauchy else rng.standard_normal
    errors = noise * draw_errors(n_samples)
    n_outliers = 0 if is_cauchy else round(contamination * n_samples)
    bad = rng.permutation(n_samples)[:n_outliers]
    n_vertical = {"vertical": n_outliers, "mixed": (n_outliers + 1) // 2}.get(kind, 0)
    vertical, leverage = bad[:n_vertical], bad[n_vertical:]

    direction = rng.standard_normal(n_features)
    direction /= np.linalg.norm(direction)
    X[leverage] += distance * direction
    y = X @ coef + errors
    y[vertical] += distance * noise
    y[leverage] -= TILT * noise * (X[leverage] @ direction)

    outliers = np.zeros(n_samples, dtype=bool)
    outliers[bad] = True
    return X, y, coef, outliers


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "n_labels": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "missing": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_label_ranking(
    n_samples: int = 100,
    n_features: int = 5,
    n_labels: int = 5,
    *,
    noise: float = 0.1,
    missing: float = 0.0,
    random_state: RandomState = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Make rankings of labels by linear scores.

    The features and the coefficients are standard normal.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows, at least 1.
    n_features : int, default=5
        Number of features, at least 1.
    n_labels : int, default=5
        Number of labels, at least 1.
    noise : float, default=0.1
        Standard deviation of the Gaussian errors of the scores, at least 0, relative to
        that of the scores.
    missing : float, default=0.0
        Probability of each entry of `y` to be missing, in [0, 1).
    random_state : int, RandomState instance or None, default=None
        What draws the data. With the same integer they are the same whatever `noise`
        and `missing` are, apart from the errors and the missing entries.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The features.
    y : ndarray of shape (n_samples, n_labels)
        Ranks, 1 for the largest score. NaN where missing: the others of the row are
        ranked among themselves.
    coef : ndarray of shape (n_labels, n_features)
        True coefficients of the scores. Their true intercepts are 0.

    Raises
    ------
    ValueError
        If a parameter is not as described.

    See Also
    --------
    sksoftrank.SoftSpearmanLabelRanker : Linear label ranking.

    Examples
    --------
    >>> from sksoftrank.datasets import make_label_ranking
    >>> X, y, coef = make_label_ranking(n_samples=2, n_labels=3, random_state=0)
    >>> y
    array([[1., 2., 3.],
           [2., 3., 1.]])
    """
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, n_features))
    coef = rng.standard_normal((n_labels, n_features))
    scores = X @ coef.T
    scores += noise * np.sqrt(n_features) * rng.standard_normal(scores.shape)
    scores[rng.uniform(size=scores.shape) < missing] = np.nan
    return X, rankdata(-scores, axis=1, nan_policy="omit"), coef
