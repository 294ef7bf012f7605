"""Rankings, and fits to them, for the tests of label ranking."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sksoftrank.datasets import make_label_ranking
from sksoftrank.label_ranking import SoftSpearmanLabelRanker

REGULARIZATIONS = pytest.mark.parametrize(
    "regularization", ["quadratic", "entropic", "kl", None]
)
INTERCEPTS = pytest.mark.parametrize("fit_intercept", [True, False])
NAN = np.nan


def rankings(n=80, missing=0.3, seed=0, **options):
    X, y, _ = make_label_ranking(
        n, 3, 4, noise=0.5, missing=missing, random_state=seed, **options
    )
    return X * [1, 100, 0.01] + [0, 30, 0.01], y


def fit(X, y, sample_weight=None, **parameters):
    """Fit to full precision. A smooth objective has one answer to compare."""
    parameters = {"regularization": "kl", "alpha": 0.1, **parameters}
    return SoftSpearmanLabelRanker(tol=1e-9, **parameters).fit(X, y, sample_weight)


def assert_same_fit(first, second, atol=1e-6):
    assert_allclose(first.coef_, second.coef_, rtol=0, atol=atol)
    assert_allclose(first.intercept_, second.intercept_, rtol=0, atol=atol)
    assert_allclose(first.objective_, second.objective_, rtol=1e-9)
