"""Correlations of features with missing values: pairwise complete, as in pandas."""

import warnings

import numpy as np
import pandas as pd
import pytest
from differences import central_differences
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import spearmanr

from sksoftrank.feature_selection import soft_spearman, soft_spearman_corr

OMIT = {"nan_policy": "omit"}


def draw(n=30, d=5, share=0.2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).round(1) + rng.normal(size=(n, 1))
    X[rng.random((n, d)) < share] = np.nan
    X[:, 0] = np.arange(n) % 7  # one without missing values
    return X


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_hard_correlations_are_those_of_pandas(seed, regularization):
    X = draw(seed=seed)
    expected = pd.DataFrame(X).corr(method="spearman")
    got = soft_spearman_corr(X, 0.0, regularization=regularization, **OMIT)
    assert_allclose(got, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 1e3])
def test_each_pair_is_that_of_its_complete_rows(regularization, epsilon):
    X = draw()
    X[:, 2] = np.where(np.isnan(X[:, 1]), np.nan, X[:, 3] ** 2)  # a shared pattern
    options = {"epsilon": epsilon, "regularization": regularization}
    got = soft_spearman_corr(X, **options, **OMIT)
    for i in range(5):
        for j in range(5):
            pair = X[:, [i, j]]
            pair = pair[~np.isnan(pair).any(axis=1)]
            expected = soft_spearman_corr(pair, **options)[0, 1]
            assert_allclose(got[i, j], expected, rtol=0, atol=1e-12)
    assert_array_equal(got, got.T)


def test_without_missing_values_nothing_changes():
    X = draw(share=0)
    expected, jacobian = soft_spearman_corr(X, 0.7, return_jacobian=True)
    got, own = soft_spearman_corr(X, 0.7, return_jacobian=True, **OMIT)
    assert_array_equal(got, expected)
    g = np.random.default_rng(1).normal(size=(5, 5))
    assert_array_equal(own.vjp(g), jacobian.vjp(g))
    y = X @ np.arange(5.0)
    assert_array_equal(soft_spearman(X, y, **OMIT), soft_spearman(X, y))


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_derivatives(regularization):
    X = draw(n=12, d=4)
    X += 0.01 * np.random.default_rng(1).normal(size=X.shape)  # without ties
    g, options = np.random.default_rng(2).normal(size=(4, 4)), {"epsilon": 0.5}
    options["regularization"] = regularization
    _, jacobian = soft_spearman_corr(X, return_jacobian=True, **options, **OMIT)
    is_known = ~np.isnan(X)

    def loss(known):
        filled = X.copy()
        filled[is_known] = known
        return np.sum(g * soft_spearman_corr(filled, **options, **OMIT))

    pulled = jacobian.vjp(g)
    assert_allclose(pulled[is_known], central_differences(loss, X[is_known]), atol=1e-6)
    assert_array_equal(pulled[~is_known], 0)
    u = np.random.default_rng(3).normal(size=X.shape)
    pushed = jacobian.jvp(u)
    assert np.sum(pushed * g) == pytest.approx(np.sum(pulled * u), rel=1e-10)
    assert_allclose(jacobian @ u.ravel(), pushed.ravel())


def test_pairs_that_are_known_too_seldom():
    nan = np.nan
    X = [[1.0, nan, 2.0], [2.0, 5.0, nan], [3.0, nan, 5.0], [4.0, nan, 1.0]]
    got, jacobian = soft_spearman_corr(X, 0.0, return_jacobian=True, **OMIT)
    assert_array_equal(np.isnan(got), np.isnan(pd.DataFrame(X).corr("spearman")))
    g = np.ones((3, 3))
    assert np.isfinite(jacobian.vjp(g)).all()
    scores, pvalues = soft_spearman(X, [1.0, 3.0, 2.0, 5.0], epsilon=0, **OMIT)
    assert_array_equal(np.isnan(scores), [False, True, False])
    assert_array_equal(np.isnan(pvalues), [False, True, False])


def test_scores_are_those_of_complete_rows():
    X = draw(n=40, seed=4)
    y = np.nansum(X, axis=1)
    y[[3, 11]] = np.nan
    scores, pvalues = soft_spearman(X, y, epsilon=0, **OMIT)
    for column, score, pvalue in zip(X.T, scores, pvalues, strict=True):
        kept = ~np.isnan(column) & ~np.isnan(y)
        expected = spearmanr(column[kept], y[kept])
        assert score == pytest.approx(abs(expected.statistic), abs=1e-14)
        assert pvalue == pytest.approx(expected.pvalue, rel=1e-10)
        soft = soft_spearman(column[kept, None], y[kept])
        own = soft_spearman(column[:, None], y, **OMIT)
        assert_array_equal(own, soft)


def test_missing_values_of_pandas():
    X = draw()
    frame = pd.DataFrame(X)
    y = pd.Series(np.nansum(X, axis=1)).astype("Float64")
    y[3] = pd.NA
    expected = soft_spearman_corr(X, **OMIT)
    scores = soft_spearman(X, y.to_numpy(float, na_value=np.nan), **OMIT)
    for given in (
        frame.astype("Float64"),
        frame.astype(object).where(frame.notna(), pd.NA),
    ):
        assert_array_equal(soft_spearman_corr(given, **OMIT), expected)
        assert_array_equal(soft_spearman(given, y, **OMIT), scores)


def test_integers_beyond_floats():
    X = np.random.default_rng(0).permuted(np.tile(np.arange(9), (3, 1)), axis=1).T
    big, y = X + 2**60, np.arange(9) + 2**60
    expected = soft_spearman_corr(X, 2.0)
    assert_array_equal(soft_spearman_corr(big, 2.0), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(soft_spearman(big, y), soft_spearman(X, y - 2**60))
    with pytest.raises(ValueError, match="X must hold numbers that differ in float64"):
        soft_spearman_corr(np.vstack([X, X * 0 + 2**60, X * 0 + 2**60 + 1]), 2.0)


def test_bad_input():
    X, y = draw(), np.arange(30.0)
    for function in (soft_spearman_corr, lambda X: soft_spearman(X, y)):
        with pytest.raises(ValueError, match="NaN"):
            function(X)
    with pytest.raises(ValueError, match="nan_policy must be 'raise' or 'omit'"):
        soft_spearman_corr(X, nan_policy="drop")
    with pytest.raises(ValueError, match="nan_policy must be 'raise' or 'omit'"):
        soft_spearman(X, y, nan_policy=None)
    with pytest.raises(ValueError, match="NaN"):
        soft_spearman(X[:, :1], np.where(y > 3, y, np.nan))
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="got 0 NaN and 1 infinite of"):
        soft_spearman_corr(X, **OMIT)
    with pytest.raises(ValueError, match="infinity"):
        soft_spearman(X, y, **OMIT)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        soft_spearman(X[1:], y, **OMIT)
