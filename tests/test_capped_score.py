"""Scores that count all large errors alike."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error

from sksoftrank.datasets import make_contaminated_regression
from sksoftrank.metrics import capped_mean_squared_error, capped_scorer


def targets(n=50, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.standard_normal(n) * 3 + 100
    return y_true, y_true + rng.standard_normal(n)


@pytest.mark.parametrize("cap", [1e-3, 0.5, 2.0, 1e200])
@pytest.mark.parametrize("weighted", [False, True])
def test_definition(cap, weighted):
    y_true, y_pred = targets()
    weight = np.random.default_rng(1).integers(0, 4, 50) if weighted else np.ones(50)
    total = 0.0
    for a, b, w in zip(y_true, y_pred, weight, strict=True):
        total += w * min(abs(a - b), cap) ** 2
    score = capped_mean_squared_error(
        y_true, y_pred, cap=cap, sample_weight=weight if weighted else None
    )
    assert_allclose(score, total / weight.sum(), rtol=1e-12)


def test_large_cap_gives_the_mean_squared_error():
    y_true, y_pred = targets()
    expected = mean_squared_error(y_true, y_pred)
    assert_allclose(capped_mean_squared_error(y_true, y_pred, cap=1e3), expected)


@pytest.mark.parametrize("outlier", [1e3, -1e200, 1.7e308])
def test_an_outlier_adds_its_share_of_the_cap(outlier):
    y_true, y_pred = targets()
    clean = capped_mean_squared_error(y_true, y_pred, cap=5)
    y_true[3], y_pred[3] = outlier, -outlier
    others = np.delete(y_true, 3), np.delete(y_pred, 3)
    rest = capped_mean_squared_error(*others, cap=5)
    score = capped_mean_squared_error(y_true, y_pred, cap=5)
    assert_allclose(score, (49 * rest + 25) / 50, rtol=1e-12)
    assert score > clean


def test_scorer_is_minus_the_error_and_takes_weights():
    X, y, _, _ = make_contaminated_regression(random_state=0)
    model = LinearRegression().fit(X, y)
    weight = np.random.default_rng(0).exponential(size=len(y))
    scorer = pickle.loads(pickle.dumps(capped_scorer(cap=2.5)))
    expected = -capped_mean_squared_error(
        y, model.predict(X), cap=2.5, sample_weight=weight
    )
    assert_allclose(scorer(model, X, y, sample_weight=weight), expected, rtol=1e-12)
    assert scorer(model, X, y) != expected


@pytest.mark.parametrize("cap", [0, -1.0, np.nan, "5", None])
def test_bad_cap(cap):
    message = "'cap' parameter .* must be a float in the range"
    with pytest.raises(ValueError, match=message):
        capped_scorer(cap=cap)
    with pytest.raises(ValueError, match=message):
        capped_mean_squared_error([1.0], [1.0], cap=cap)


def test_bad_targets():
    with pytest.raises(ValueError, match="y_pred contains NaN"):
        capped_mean_squared_error([1.0], [np.nan], cap=1)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        capped_mean_squared_error([1.0, 2.0], [1.0], cap=1)
