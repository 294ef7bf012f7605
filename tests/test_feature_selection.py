"""Correlations of soft ranks, against SciPy's hard ones and slow references."""

from functools import partial

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import pearsonr, spearmanr
from sklearn.datasets import make_friedman1
from sklearn.feature_selection import SelectKBest, SelectPercentile
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sksoftrank import epsilon_bounds
from sksoftrank.feature_selection import soft_spearman, soft_spearman_corr

REGULARIZATIONS = ["quadratic", "entropic", "kl"]


def data(n=30, p=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)) @ rng.normal(size=(p, p))


def tied(n=40, p=4):
    return np.round(data(n, p))


# The matrix


@pytest.mark.parametrize("X", [data(), tied(), data(2, 3)])
def test_hard_limit_is_spearman(X):
    expected = spearmanr(X).statistic
    assert_allclose(soft_spearman_corr(X, 0), expected, rtol=0, atol=1e-14)
    if len(np.unique(X)) == X.size:
        tiny = 0.9 * epsilon_bounds(X, axis=0)[0].min()
        found = soft_spearman_corr(X, tiny, scale=None)
        assert_allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("excess", [1.01, 2.0, 1e6, 1e15, 1e250])
def test_wide_pools_give_pearson(excess):
    for X in (data(), tied(), data() * [1e-9, 1.0, 1e3, 1e5]):
        single = epsilon_bounds(X, axis=0)[1].max()
        found, jacobian = soft_spearman_corr(
            X, excess * single, scale=None, return_jacobian=True
        )
        assert_allclose(found, np.corrcoef(X.T), rtol=0, atol=1e-10)
        # Its derivative, too: that of Pearson's correlation of the first two.
        a, b = ((x - x.mean()) / np.linalg.norm(x - x.mean()) for x in X.T[:2])
        expected = (b - (a @ b) * a) / np.linalg.norm(X[:, 0] - X[:, 0].mean())
        g = np.zeros((4, 4))
        g[0, 1] = 1.0
        size = np.abs(expected).max()
        assert_allclose(jacobian.vjp(g)[:, 0] / size, expected / size, atol=1e-8)


@pytest.mark.parametrize("epsilon", [0.05, 0.5, 5.0])
@pytest.mark.parametrize("regularization", REGULARIZATIONS)
def test_matrix_is_the_correlation_of_soft_ranks(regularization, epsilon):
    X = data()
    ranks = [reference.soft_rank(x, epsilon, regularization) for x in X.T]
    expected = np.corrcoef(np.array(ranks, dtype=np.float64))
    found = soft_spearman_corr(X, epsilon, regularization=regularization, scale=None)
    assert_allclose(found, expected, rtol=0, atol=1e-10)
    assert_array_equal(found, found.T)
    assert_array_equal(np.diag(found), np.ones(4))


@pytest.mark.parametrize("scale", ["iqr", None])
@pytest.mark.parametrize("epsilon", [0.05, 0.3, 100.0])
@pytest.mark.parametrize("regularization", REGULARIZATIONS)
def test_jacobian(regularization, epsilon, scale):
    X = data()
    if scale == "iqr":
        epsilon *= len(X)
    correlation = partial(
        soft_spearman_corr, regularization=regularization, scale=scale
    )
    _, jacobian = correlation(X, epsilon, return_jacobian=True)
    rng = np.random.default_rng(1)
    u, g = rng.normal(size=X.shape), rng.normal(size=(4, 4))
    step = 1e-6
    difference = correlation(X + step * u, epsilon) - correlation(X - step * u, epsilon)
    assert_allclose(jacobian.jvp(u), difference / (2 * step), rtol=0, atol=1e-7)
    assert np.abs(jacobian.jvp(u)).max() > 1e-4
    # Adjoint, also as a linear operator.
    assert_allclose(
        (jacobian.jvp(u) * g).sum(), (u * jacobian.vjp(g)).sum(), rtol=1e-12
    )
    assert jacobian.shape == (16, X.size)
    assert_array_equal(jacobian @ u.ravel(), jacobian.jvp(u).ravel())
    assert_array_equal(jacobian.T @ g.ravel(), jacobian.vjp(g).ravel())


@pytest.mark.parametrize("epsilon", [0, 0.3, 2.0, 100.0])
@pytest.mark.parametrize("regularization", REGULARIZATIONS)
@pytest.mark.parametrize("X", [data(), tied(), data() + 1e6])
def test_units_of_the_columns_do_not_matter(X, epsilon, regularization):
    correlation = partial(
        soft_spearman_corr, epsilon=epsilon, regularization=regularization
    )
    expected, jacobian = correlation(X, return_jacobian=True)
    units = np.array([1e-9, 1.0, 1e3, 1e7])
    found, in_units = correlation(X * units, return_jacobian=True)
    assert_allclose(found, expected, rtol=0, atol=1e-7 if X.min() > 1e5 else 1e-12)
    g = np.random.default_rng(1).normal(size=(4, 4))
    gradient = jacobian.vjp(g)
    size = np.abs(gradient).max() + 1e-300
    assert_allclose(in_units.vjp(g) * units / size, gradient / size, atol=1e-6)
    # A longer column alone changes nothing.
    change = ((X - X.mean(axis=0)) * gradient).sum(axis=0)
    assert_allclose(change / size, np.zeros(4), atol=1e-6)
    # The scores with a target are entries of the matrix.
    scores, _ = soft_spearman(
        X[:, :3], X[:, 3], epsilon=epsilon, regularization=regularization
    )
    assert_allclose(np.abs(expected[:3, 3]), scores, rtol=0, atol=1e-12)


def test_constant_columns_have_no_correlation():
    X = data()
    X[:, 1] = 0.1
    for epsilon in (0, 0.5, 1e3):
        found, jacobian = soft_spearman_corr(X, epsilon, return_jacobian=True)
        assert np.isnan(found[1]).all()
        assert np.isnan(found[:, 1]).all()
        rest = np.delete(np.delete(found, 1, axis=0), 1, axis=1)
        assert_allclose(rest, soft_spearman_corr(np.delete(X, 1, axis=1), epsilon))
        assert np.isfinite(jacobian.vjp(np.ones((4, 4)))).all()
    for n in range(2, 20):
        for regularization in REGULARIZATIONS:
            found = soft_spearman_corr(np.ones((n, 2)), regularization=regularization)
            assert np.isnan(found).all()


def test_correlations_are_at_most_one():
    # Sums of products exceed 1 by rounding for some of these lengths.
    for n in range(3, 60):
        x = np.arange(n) ** 3.0
        assert soft_spearman_corr(np.column_stack([x, n - x, x]), 0).max() == 1
        scores, pvalues = soft_spearman(x[:, None], x, epsilon=0)
        assert scores <= 1
        assert 0 <= pvalues < 1e-6


# The score function


@pytest.mark.parametrize("X", [data(), tied()])
def test_hard_scores_are_those_of_spearmanr(X):
    y = X @ [1.0, 0.2, 0.0, 0.0] + np.random.default_rng(1).normal(size=len(X))
    scores, pvalues = soft_spearman(X, y, epsilon=0)
    expected = [spearmanr(x, y) for x in X.T]
    assert_allclose(scores, [abs(e.statistic) for e in expected], atol=1e-14)
    assert_allclose(pvalues, [e.pvalue for e in expected], rtol=1e-10)


def test_smooth_scores_are_those_of_pearsonr():
    X = data() * [1.0, 1e5, 1e-5, 1.0]
    y = np.random.default_rng(1).normal(size=len(X))
    scores, pvalues = soft_spearman(X, y, epsilon=1e9)
    expected = [pearsonr(x, y) for x in X.T]
    assert_allclose(scores, [abs(e.statistic) for e in expected], atol=1e-12)
    assert_allclose(pvalues, [e.pvalue for e in expected], rtol=1e-8)


@pytest.mark.parametrize("regularization", REGULARIZATIONS)
def test_scores_are_correlations_in_units_of_the_interquartile_range(regularization):
    X, n = data(), 30
    y = X[:, 0] + np.random.default_rng(1).normal(size=n)
    values = np.column_stack([X, y])
    quartiles = np.quantile(values, [0.25, 0.75], axis=0, method="hazen")
    expected = soft_spearman_corr(
        values / (quartiles[1] - quartiles[0]),
        2.0 / n,
        regularization=regularization,
        scale=None,
    )
    scores, _ = soft_spearman(X, y, epsilon=2.0, regularization=regularization)
    assert_allclose(scores, np.abs(expected[:-1, -1]), rtol=1e-10)
    other, _ = soft_spearman(
        -3 * X + 7, 1e4 * y, epsilon=2.0, regularization="quadratic"
    )
    if regularization == "quadratic":
        assert_allclose(other, scores, rtol=1e-10)


def test_perfect_and_constant_features():
    x = np.arange(20.0)
    X = np.column_stack([x, -x, np.zeros(20)])
    for epsilon in (0, 1.0):
        scores, pvalues = soft_spearman(X, 3 * x + 1, epsilon=epsilon)
        assert_allclose(scores, [1, 1, 0], atol=1e-14)
        assert_allclose(pvalues, [0, 0, 1], atol=1e-30)
        scores, pvalues = soft_spearman(X, np.ones(20), epsilon=epsilon)
        assert_array_equal(scores, [0, 0, 0])
        assert_array_equal(pvalues, [1, 1, 1])


def test_selection_in_pipelines():
    X, y = make_friedman1(300, n_features=10, random_state=0)
    best = SelectKBest(soft_spearman, k=4).fit(X, y)
    assert_array_equal(np.flatnonzero(best.get_support()), [0, 1, 3, 4])
    percentile = SelectPercentile(partial(soft_spearman, epsilon=0.1), percentile=40)
    assert_array_equal(percentile.fit(X, y).get_support(), best.get_support())
    functions = [partial(soft_spearman, epsilon=epsilon) for epsilon in (0, 1.0, 10.0)]
    search = GridSearchCV(
        make_pipeline(SelectKBest(k=4), LinearRegression()),
        {"selectkbest__score_func": functions},
    ).fit(X, y)
    assert search.best_score_ > 0.6


def test_gross_outliers_do_not_matter():
    X = data(200)
    y = X[:, 0] + 0.1 * np.random.default_rng(1).normal(size=200)
    clean, _ = soft_spearman(X, y)
    X[0, 0] = 1e9
    outlying, _ = soft_spearman(X, y)
    assert_allclose(outlying, clean, atol=0.05)
    assert abs(np.corrcoef(X[:, 0], y)[0, 1]) < 0.3


# Bad input


@pytest.mark.parametrize(
    ("X", "options", "error", "message"),
    [
        ([1.0, 2.0], {}, ValueError, r"X must have two dim.* got shape \(2,\)"),
        ([[1.0, 2.0]], {}, ValueError, r"at least two rows, got shape \(1, 2\)"),
        ([[1.0], [np.nan]], {}, ValueError, "X must be finite, got 1 NaN"),
        ([["a"], ["b"]], {}, TypeError, "X must be an array of real numbers"),
        ([[0.0], [1e308], [9e307]], {}, ValueError, "X must be finite, got values fr"),
        (data(), {"epsilon": -1.0}, ValueError, "epsilon must be .* got -1.0"),
        (data(), {"regularization": "l2"}, ValueError, "regularization .* 'l2'"),
        (data(), {"regularization": np.ones(2)}, ValueError, "regularization must be"),
        (
            data(),
            {"scale": "std"},
            ValueError,
            "scale must be 'iqr' or None, got 'std'",
        ),
        (data(), {"scale": 2.0}, ValueError, "scale must be 'iqr' or None, got 2.0"),
        (data(), {"return_jacobian": 1}, TypeError, "return_jacobian .* got 1"),
    ],
)
def test_bad_input_of_the_matrix(X, options, error, message):
    with pytest.raises(error, match=message):
        soft_spearman_corr(X, **options)


def test_bad_directions():
    _, jacobian = soft_spearman_corr(data(), return_jacobian=True)
    with pytest.raises(ValueError, match=r"u must have shape \(30, 4\), got \(4,\)"):
        jacobian.jvp(np.ones(4))
    with pytest.raises(ValueError, match=r"g must have shape \(4, 4\), got \(4,\)"):
        jacobian.vjp(np.ones(4))
    with pytest.raises(TypeError, match=r"u must be an array of real .* complex128"):
        jacobian.jvp(1j * data())
    with pytest.raises(TypeError, match=r"g must be an array of real .* complex128"):
        jacobian.vjp(1j * np.eye(4))


@pytest.mark.parametrize(
    ("X", "y", "options", "message"),
    [
        (data(2), [1.0, 2.0], {}, "minimum of 3 is required"),
        (data(), np.ones(29), {}, "inconsistent numbers of samples"),
        (np.full((30, 1), np.nan), np.ones(30), {}, "NaN"),
        ([[-1e308], [0.0], [1e308]], np.ones(3), {}, "X and y must be finite, got va"),
        (data(), np.ones(30), {"epsilon": -2}, "epsilon must be .* got -2"),
        (data(), np.ones(30), {"regularization": "l2"}, "regularization .* 'l2'"),
    ],
)
def test_bad_input_of_the_scores(X, y, options, message):
    with pytest.raises(ValueError, match=message):
        soft_spearman(X, y, **options)


@pytest.mark.parametrize("dtype", ["U8", "datetime64[D]"])
def test_target_that_is_no_number(dtype):
    with pytest.raises(TypeError, match=r"y must (be|hold) .*real numbers, got d"):
        soft_spearman(data(), np.arange(30).astype(dtype))


def test_values_too_far_apart_in_interquartile_ranges():
    x = np.append(np.linspace(1e-200, 2e-200, 29), 1e200)[:, None]
    with pytest.raises(
        ValueError, match=r"in units of their interquartile ranges, must"
    ):
        soft_spearman(x, np.arange(30))
