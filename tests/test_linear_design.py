"""Coordinates of linear models where features hardly vary."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from sksoftrank import SoftLQSRegressor, SoftLTSRegressor, SoftTopKClassifier
from sksoftrank.linear._design import MAX_WHITENED_RANK, LinearDesign


def features(n_samples, constant):
    """A far feature, one that varies, a constant, mostly zeros, and zeros."""
    random = np.random.default_rng(n_samples)
    return np.column_stack(
        [
            1e9 + random.standard_normal(n_samples),
            random.standard_normal(n_samples),
            np.full(n_samples, constant),
            random.standard_normal(n_samples) * (random.random(n_samples) < 0.2),
            np.zeros(n_samples),
        ]
    )


@pytest.mark.parametrize("convert", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("constant", [1e-6, 1 / 3, 1e7])
def test_scales_of_sparse_features(convert, fit_intercept, is_weighted, constant):
    random = np.random.default_rng(0)
    X = features(300, constant)
    weight = np.ones(300)
    if is_weighted:
        weight = random.random(300) * (random.random(300) < 0.8)
    design = LinearDesign(convert(X), weight, fit_intercept=fit_intercept, alpha=0.0)
    weight = weight / weight.sum()
    mean = weight @ X if fit_intercept else np.zeros(5)
    scale = np.sqrt(weight @ (X - mean) ** 2)
    scale[4] = np.inf
    if fit_intercept:
        scale[2] = np.inf  # the intercept has it
    # A mean of 1e9 has seven digits less.
    assert_allclose(design.basis, 1 / scale, rtol=1e-6)
    assert (design.basis[scale == np.inf] == 0).all()


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_sparse_entries_in_parts_and_in_any_order(container, fit_intercept):
    whole = container(features(100, 2.0))
    # Each entry x as 2 x and -x, in reversed order.
    parts = np.outer(whole.data, [2.0, -1.0]).ravel()[::-1]
    indices = np.repeat(whole.indices, 2)[::-1]
    indptr = 2 * (whole.nnz - whole.indptr[::-1])
    X = container((parts, indices, indptr), shape=whole.shape)
    options = {"fit_intercept": fit_intercept, "alpha": 0.0}
    found = LinearDesign(X, np.ones(100), **options).basis
    expected = LinearDesign(container(X.toarray()), np.ones(100), **options).basis
    assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_constant_features_of_large_designs(convert):
    n_samples = MAX_WHITENED_RANK + 100
    random = np.random.default_rng(1)
    X = random.standard_normal((n_samples, n_samples))
    X[:, ::2] = random.random(X[:, ::2].shape[1])
    weight = random.random(n_samples)
    design = LinearDesign(convert(X), weight, fit_intercept=True, alpha=0.0)
    assert (design.basis[::2] == 0).all()
    assert (design.basis[1::2] > 0).all()


@pytest.mark.parametrize("constant", [1e-6, 1.0, 1e7])
@pytest.mark.parametrize("estimator", [SoftLTSRegressor(init="ls"), SoftLQSRegressor()])
def test_a_constant_feature_of_sparse_and_dense_x(estimator, constant):
    random = np.random.default_rng(2)
    X = random.standard_normal((40, 3))
    y = X[:, 0] + 0.1 * random.standard_normal(40)
    X[:, 2] = constant
    found = estimator.fit(sparse.csr_array(X), y).predict(X)
    assert estimator.coef_[2] == 0
    expected = estimator.fit(X, y).predict(X)
    assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_constant_sparse_feature_in_classification():
    random = np.random.default_rng(3)
    X = random.standard_normal((60, 3))
    X[:, 2] = 0.1
    y = X[:, 0] > 0
    model = SoftTopKClassifier().fit(sparse.csr_array(X), y)
    assert model.score(X, y) > 0.9
    assert (model.coef_[:, 2] == 0).all()
