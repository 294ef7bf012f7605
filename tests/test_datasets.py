"""Generators of data sets: the outliers are where and what they are said to be."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression

from sksoftrank.datasets import make_contaminated_regression

KINDS = ["vertical", "leverage", "mixed", "cauchy"]


def residuals(kind, n_samples=4000, n_features=4, seed=0, **parameters):
    """Features, errors from the true model, and outliers."""
    X, y, coef, outliers = make_contaminated_regression(
        n_samples, n_features, kind=kind, random_state=seed, **parameters
    )
    return X, y - X @ coef, outliers


@pytest.mark.parametrize("kind", KINDS)
def test_shapes(kind):
    X, y, coef, outliers = make_contaminated_regression(
        30, 3, kind=kind, contamination=0.25, random_state=0
    )
    assert (X.shape, y.shape, coef.shape) == ((30, 3), (30,), (3,))
    assert (outliers.shape, outliers.dtype) == ((30,), bool)
    assert outliers.sum() == (0 if kind == "cauchy" else 8)  # half of 15 is even


@pytest.mark.parametrize("noise", [0.1, 2.0])
@pytest.mark.parametrize("kind", ["vertical", "leverage", "mixed"])
def test_good_rows_follow_the_model(kind, noise):
    X, error, outliers = residuals(kind, noise=noise)
    good_X, good_error = X[~outliers], error[~outliers] / noise
    assert_allclose(good_X.mean(axis=0), 0, rtol=0, atol=0.08)
    assert_allclose(np.cov(good_X.T), np.eye(4), rtol=0, atol=0.1)
    assert_allclose(good_error.mean(), 0, rtol=0, atol=0.08)
    assert_allclose(good_error.std(), 1, rtol=0.05)
    # Somewhere among the others, not in one piece.
    assert_allclose(np.flatnonzero(outliers).mean(), 2000, rtol=0, atol=200)


@pytest.mark.parametrize("noise", [0.1, 2.0])
@pytest.mark.parametrize("distance", [3, 50.0])
def test_vertical_outliers(distance, noise):
    X, error, outliers = residuals("vertical", distance=distance, noise=noise)
    assert outliers.sum() == 800
    assert_allclose(X[outliers].mean(axis=0), 0, rtol=0, atol=0.15)
    assert_allclose(error[outliers].mean() / noise, distance, rtol=0, atol=0.15)
    assert_allclose(error[outliers].std() / noise, 1, rtol=0.1)


@pytest.mark.parametrize("noise", [0.1, 2.0])
@pytest.mark.parametrize("distance", [3, 50.0])
def test_leverage_outliers(distance, noise):
    X, error, outliers = residuals("leverage", distance=distance, noise=noise)
    assert outliers.sum() == 800
    centre = X[outliers].mean(axis=0)
    assert_allclose(np.linalg.norm(centre), distance, rtol=0, atol=0.15)
    assert_allclose(np.cov(X[outliers].T), np.eye(4), rtol=0, atol=0.2)
    assert_allclose(error[outliers].mean() / noise, -5 * distance, rtol=0, atol=0.7)
    other = LinearRegression().fit(X[outliers], error[outliers] / noise)
    tilt = -5 * centre / np.linalg.norm(centre)
    assert_allclose(other.coef_, tilt, rtol=0, atol=0.2)
    assert_allclose((error / noise - X @ tilt)[outliers].std(), 1, rtol=0.1)
    misled = LinearRegression().fit(X, error / noise)
    assert misled.coef_ @ centre < -3 * distance


def test_mixed_outliers_are_half_and_half():
    X, error, outliers = residuals("mixed", 1000, contamination=0.3, distance=100)
    assert outliers.sum() == 300
    vertical = outliers & (error > 50)
    leverage = outliers & (error < -50)
    assert (vertical.sum(), leverage.sum()) == (150, 150)
    assert np.linalg.norm(X[vertical], axis=1).max() < 10
    assert np.linalg.norm(X[leverage], axis=1).min() > 90
    _, error, outliers = residuals("mixed", 10, contamination=0.3, distance=100)
    assert (outliers.sum(), (error > 50).sum()) == (3, 2)


def test_cauchy_errors():
    X, error, outliers = residuals("cauchy", noise=0.5, contamination=0.4)
    assert not outliers.any()
    assert_allclose(np.cov(X.T), np.eye(4), rtol=0, atol=0.1)
    quartiles = np.quantile(error, [0.25, 0.5, 0.75])
    assert_allclose(quartiles, [-0.5, 0, 0.5], rtol=0, atol=0.05)
    assert np.abs(error).max() > 100


def test_good_rows_do_not_depend_on_the_outliers():
    X, y, coef, _ = make_contaminated_regression(contamination=0, random_state=3)
    for kind in ("vertical", "leverage", "mixed"):
        for distance in (1, 1e6):
            for contamination in (0.1, 0.5):
                other_X, other_y, other_coef, outliers = make_contaminated_regression(
                    kind=kind,
                    distance=distance,
                    contamination=contamination,
                    random_state=3,
                )
                assert_array_equal(other_coef, coef)
                assert_array_equal(other_X[~outliers], X[~outliers])
                assert_allclose(other_y[~outliers], y[~outliers], rtol=0, atol=1e-12)


def test_random_state():
    first, second, other = (
        make_contaminated_regression(random_state=seed)
        for seed in (1, np.random.RandomState(1), 2)
    )
    for a, b in zip(first, second, strict=True):
        assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_samples", 0),
        ("n_samples", 2.0),
        ("n_features", 0),
        ("contamination", 0.51),
        ("contamination", -0.1),
        ("contamination", np.nan),
        ("kind", "horizontal"),
        ("distance", -1.0),
        ("distance", np.inf),
        ("noise", 0.0),
        ("noise", np.inf),
        ("random_state", "seed"),
    ],
)
def test_bad_parameters(parameter, value):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter .* must be"):
        make_contaminated_regression(**{parameter: value})
