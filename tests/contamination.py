"""Contaminated data, and fits to them, for the tests of SoftLTSRegressor."""

import numpy as np
import pytest
from marks import slow
from numpy.testing import assert_allclose
from scipy.stats import norm
from sklearn.base import clone

from sksoftrank import SoftLTSRegressor

COEF = np.array([1.0, -2.0, 0.5])

# An epsilon at which the formulation is neither least squares nor hard LTS.
FORMULATIONS = [
    pytest.param({"formulation": "selection", "epsilon": 10.0}, id="selection"),
    pytest.param(
        {"formulation": "selection", "epsilon": 0.3},
        id="selection sharp",
        marks=pytest.mark.slow,
    ),
    pytest.param({"formulation": "sort", "epsilon": 20.0}, id="sort"),
    pytest.param({"epsilon": 0}, id="hard"),
]
PENALTIES = pytest.mark.parametrize("alpha", [0.0, 0.1])
INTERCEPTS = pytest.mark.parametrize("fit_intercept", [True, False])
SLOWER_INTERCEPTS = pytest.mark.parametrize("fit_intercept", [True, slow(False)])


def contaminated(n=150, outliers=0.2, distance=10.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    y = X @ COEF + 4.0 + rng.standard_normal(n)
    bad = np.arange(n) < outliers * n
    y[bad] += distance
    return X, y, bad


def fit(X, y, sample_weight=None, **parameters):
    """Fit to full precision, so that results can be compared closely."""
    parameters = {"tol": 1e-12, "random_state": 0, **parameters}
    return SoftLTSRegressor(**parameters).fit(X, y, sample_weight)


def fit_from_same_start(model, X, y, **weights):
    """Fit other features from the hard start of `model`, in the same coefficients.

    Searches in other coordinates may end at another local minimum.
    """
    again = clone(model).set_params(warm_start=True)
    vars(again).update(vars(model), warm_start=True)
    again.raw_coef_, again.raw_intercept_ = model._start
    return again.fit(X, y, **weights)


def assert_same_fit(first, second, atol=1e-8):
    assert_allclose(first.coef_, second.coef_, rtol=0, atol=atol)
    assert_allclose(first.intercept_, second.intercept_, rtol=0, atol=atol)
    assert_allclose(first.scale_, second.scale_, rtol=0, atol=atol)
    assert_allclose(first.raw_scale_, second.raw_scale_, rtol=0, atol=atol)
    assert_allclose(first.robust_r2_, second.robust_r2_, rtol=0, atol=atol)
    if first.stderr_ is not None and second.stderr_ is not None:
        assert_allclose(first.stderr_, second.stderr_, rtol=0, atol=atol)
    assert_allclose(first.objective_, second.objective_, rtol=atol)


def lts_scale(residual, n_kept):
    """Scale by its definition, section 2 of the references on LTS."""
    n = residual.size
    raw = np.sqrt(np.sort(residual**2)[:n_kept].mean())
    q = norm.ppf((n + n_kept) / (2 * n))
    return raw / np.sqrt(1 - 2 * n / n_kept * q * norm.pdf(q))
