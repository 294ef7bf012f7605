"""Sparse features of which the rows do not determine all coefficients."""

import re
import tracemalloc
from warnings import catch_warnings, filterwarnings, simplefilter

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from scipy.linalg import null_space
from sklearn.exceptions import ConvergenceWarning

from sksoftrank import SoftLTSRegressor
from sksoftrank.linear._design import LinearDesign
from sksoftrank.robust._unseen import surplus_features


@pytest.mark.parametrize("kind", [sparse.csr_array, np.asarray])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize(("shape", "density"), [((30, 40), 0.06), ((25, 20), 0.1)])
def test_features_that_are_more_than_their_rows(shape, density, fit_intercept, kind):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal(shape) * (rng.random(shape) < density)
        X[:, 3] = 0.0
        if kind is np.asarray:
            X = rng.standard_normal((20, 10 + seed))
        weight = rng.integers(0, 3, len(X)).astype(float)
        design = LinearDesign(
            kind(X),
            np.ones(len(X)),
            fit_intercept=fit_intercept,
            alpha=0.0,
            whiten_sparse=False,
        )
        if kind is np.asarray:  # as if there were many
            design.basis = np.ones(X.shape[1])
        found, n_found = surplus_features(design, weight)
        rows = np.column_stack([X, np.ones(len(X))])[weight > 0]
        varies = np.append(design.basis != 0, fit_intercept)
        axes = null_space(rows[:, varies])
        assert n_found == axes.shape[1]
        expected = np.zeros(varies.size, dtype=bool)
        expected[varies] = np.abs(axes).max(axis=1, initial=0.0) > 1e-9
        assert_array_equal(found, expected[:-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "density", "message"),
    [
        ((1500, 1600), 0.002, r"for \d+ coefficients, which leave at least .* columns"),
        ((1500, 1100), 0.005, r"rows for \d+ coefficients: set alpha"),
    ],
)
def test_iterations_end(shape, density, message):
    rng = np.random.default_rng(0)
    X = sparse.csr_array(rng.random(shape) * (rng.random(shape) < density))
    y = X @ rng.standard_normal(shape[1]) + 0.1 * rng.standard_normal(shape[0])
    y[:150] += 10
    tracemalloc.start()
    model = SoftLTSRegressor(random_state=0)
    with catch_warnings(record=True) as caught:
        simplefilter("always")
        model.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    (warning,) = (w for w in caught if w.category is ConvergenceWarning)
    assert re.search(message, str(warning.message))
    assert model.n_iter_ <= 300
    assert peak < 8 * shape[1] ** 2  # no matrix of all coordinates
    # A penalty determines them.
    model = SoftLTSRegressor(alpha=0.1, random_state=0, max_iter=5000)
    with catch_warnings():
        simplefilter("ignore")
        filterwarnings("error", message=".* ended after")
        model.fit(X, y)
