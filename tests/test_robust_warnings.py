"""Warnings of data that a robust regression cannot be meant for."""

import warnings

import numpy as np
import pytest
from contamination import COEF, contaminated
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sksoftrank import (
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    soft_lts_path,
)

# Mostly constant targets


def discrete(kind, seed=0, n=200):
    """Targets of which many are equal, and that the features tell something of."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    signal = X @ [1.0, 0.5, -0.5]
    y = {
        "zeros": np.maximum(0, signal + rng.standard_normal(n) - 0.4),
        "fewer zeros": np.maximum(0, signal + rng.standard_normal(n) + 0.2),
        "Likert": np.clip(np.round(0.3 * signal + 3.2 + rng.normal(0, 0.3, n)), 1, 5),
        "counts": rng.poisson(np.exp(0.6 * signal - 1)),
        "bool": signal + rng.logistic(size=n) > 0.9,
    }[kind]
    return X, y


KINDS = pytest.mark.parametrize(
    "kind", ["zeros", "fewer zeros", "Likert", "counts", "bool"]
)


@KINDS
@pytest.mark.parametrize(
    ("model", "remedy"),
    [
        (SoftLTSRegressor(random_state=0), "Take a trim well below"),
        (SoftLTSRegressor(epsilon=0, random_state=0), "Take a trim well below"),
        (SoftLTSRegressor(reweight=True, random_state=0), "Take a trim well below"),
        (SoftLQSRegressor(random_state=0), "Take a quantile well above"),
        (SoftLTSRegressorCV(epsilons=[3, 12]), "Try trims well below"),
    ],
)
def test_mostly_equal_targets(kind, model, remedy):
    X, y = discrete(kind)
    share = 100 * np.unique(y, return_counts=True)[1].max() / y.size
    name = type(model).__name__
    pattern = f"y has a single value in {share:.0f} % .* {name} fits .*{remedy} 0"
    with pytest.warns(UserWarning, match=pattern) as record:
        model.fit(X, y)
    assert len(record) == 1
    assert record[0].filename == __file__
    if isinstance(model, SoftLTSRegressor):
        assert model.robust_r2_ < 0.4
        if model.raw_scale_ == 0:
            assert model.robust_r2_ == 0
            assert "exactly: the other rows have no" in str(record[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SoftLTSRegressor(trim=0, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    "kind", ["zeros", *map(slow, ("fewer zeros", "Likert", "counts", "bool"))]
)
@pytest.mark.parametrize("seed", [0, slow(1)])
def test_choice_prefers_a_useful_fit(kind, seed):
    X, y = discrete(kind, seed)
    model = SoftLTSRegressorCV(trims=[0, 0.1, 0.25, 0.5], random_state=0, cv=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    assert model.scale_ > 0
    assert model.cap_ > 0
    clean = SoftLTSRegressor(trim=0, epsilon=1e6, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.3 * clean.score(X, y)


def test_path_warns_once():
    X, y = discrete("zeros")
    with pytest.warns(UserWarning, match=r"y has a single value in") as record:
        soft_lts_path(X, y, random_state=0)
    assert [warning.filename for warning in record] == [__file__]


def test_few_values_in_groups():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 100)
    y = np.where(rng.uniform(size=100) < 0.7, 2 * group, rng.integers(0, 5, 100))
    with pytest.warns(UserWarning, match=r"y has few values in \d\d % .* fits exactly"):
        SoftLTSRegressor(random_state=0).fit(group[:, None], y)


def test_exact_fits_that_are_no_accident():
    X, y, bad = contaminated()
    for plane in (X @ COEF + 4, X[:, 0], np.full(150, 7.0)):
        for targets in (plane, np.where(bad, plane + y, plane)):
            if np.ptp(plane) == 0 and np.ptp(targets) > 0:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                model = SoftLTSRegressor(random_state=0).fit(X, targets)
            assert model.scale_ == 0
            assert model.robust_r2_ == (np.ptp(plane) > 0)


def test_repeated_targets_that_are_no_majority():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 2))
    for y in (np.round(X @ [1, 2] + rng.standard_normal(300)), rng.poisson(3, 300)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for epsilon in (0, 12):
                SoftLTSRegressor(epsilon=epsilon, random_state=0).fit(X, y)


def test_choice_says_when_it_scores_by_exact_predictions():
    X, y, _ = contaminated()
    y[:100] = X[:100].sum(axis=1)
    rows = np.random.default_rng(0).permutation(150)
    model = SoftLTSRegressorCV(epsilons=[3, 10], trims=[0.1, 0.5], random_state=0)
    pattern = r"share of the rows that are predicted exactly, .* in 67 % .* scoring"
    with pytest.warns(UserWarning, match=pattern) as record:
        model.fit(X[rows], y[rows])
    assert [warning.filename for warning in record] == [__file__]
    assert model.cap_ is None
    assert model.trim_ == 0.5
    assert_allclose(model.cv_scores_[1].mean(axis=1), -1 / 3)
    assert_array_equal(model.cv_scores_[0] < -0.9, True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, X.sum(axis=1))  # nothing to choose among
        assert model.cap_ is None
        assert_allclose(model.cv_scores_, 0, atol=1e-12)


# Weights that are no frequencies


@pytest.mark.parametrize(
    "model",
    [
        SoftLTSRegressor(random_state=0),
        SoftLTSRegressor(fit_intercept=False, random_state=0),
        SoftLQSRegressor(random_state=0),
        SoftLTSRegressorCV(epsilons=[12], random_state=0),
    ],
)
def test_few_rows_have_half_of_the_weight(model):
    X, y, _ = contaminated()
    weight = np.ones(150)
    weight[::25] = 200.0  # 6 rows have nearly all of it
    pattern = (
        r"\d of the 150 rows have half of sample_weight, .* 2 \(p \+ 1\) = 8: .*sigma"
    )
    with pytest.warns(UserWarning, match=pattern) as record:
        model.fit(X, y, weight)
    assert [warning.filename for warning in record] == [__file__]
    with pytest.warns(UserWarning, match=pattern):
        model.fit(X, y, 1e-9 * weight)
    assert "sigma" in model.fit.__doc__


def test_weights_that_may_be_frequencies():
    X, y, _ = contaminated()
    weight = np.random.default_rng(0).integers(0, 4, 150)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SoftLTSRegressor(random_state=0).fit(X, y, weight)
        SoftLTSRegressor(random_state=0).fit(X, y, np.full(150, 100.0))
        SoftLTSRegressor(random_state=0).fit(X[:8], y[:8], weight[:8] + 1)


def test_precisions_as_weights_warn_and_sigma_is_right():
    c = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000.0])
    y = np.array([8.1, 10.8, 20.3, 35.2, 104, 158, 301, 612, 1490, 3040])
    with pytest.warns(UserWarning, match=r"1 of the 10 rows have half .* sigma\."):
        SoftLTSRegressor(random_state=0).fit(c[:, None], y, c**-2)
    model = SoftLTSRegressor(random_state=0).fit(c[:, None], y, sigma=c)
    assert_allclose(model.coef_, 3.0075, atol=0.01)
    assert_allclose(model.intercept_, 5.04, atol=0.05)


# What weights mean for standard errors


@pytest.mark.slow
def test_standard_errors_depend_on_frequencies_as_on_repeats():
    X, y, _ = contaminated(300)
    weight = np.random.default_rng(0).integers(1, 4, 300)
    model = SoftLTSRegressor(random_state=0, tol=1e-12).fit(X, y, weight)
    repeated = SoftLTSRegressor(random_state=0, tol=1e-12)
    repeated.fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert_allclose(model.stderr_, repeated.stderr_, rtol=1e-6)
    # A hundred copies of the data have a tenth of the standard errors.
    copies = SoftLTSRegressor(random_state=0).fit(X, y, np.full(300, 100))
    plain = SoftLTSRegressor(random_state=0).fit(X, y)
    assert_allclose(copies.stderr_, plain.stderr_ / 10, rtol=0.05)
    # Of weights that cannot be counts only the ratios count.
    for unit in (1e-12, 1 / weight.sum(), 0.5 / weight.max()):
        other = SoftLTSRegressor(random_state=0, tol=1e-12).fit(X, y, unit * weight)
        mean = SoftLTSRegressor(random_state=0, tol=1e-12)
        mean.fit(X, y, weight / weight.mean())
        assert_allclose(other.stderr_, mean.stderr_, rtol=1e-6)
        assert_allclose(other.intercept_stderr_, mean.intercept_stderr_, rtol=1e-6)


def test_standard_errors_do_not_depend_on_the_unit_of_sigma():
    X, y, _ = contaminated()
    sigma = np.random.default_rng(0).uniform(0.5, 2, 150)
    model = SoftLTSRegressor(random_state=0).fit(X, y, sigma=sigma)
    for unit in (1e-30, 0.01, 100):
        other = SoftLTSRegressor(random_state=0).fit(X, y, sigma=unit * sigma)
        assert_allclose(other.stderr_, model.stderr_, rtol=1e-5)
        assert_allclose(unit * other.scale_, model.scale_, rtol=1e-5)


# Few rows


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimator", [SoftLTSRegressor, SoftLQSRegressor])
def test_more_features_than_rows(estimator, weighted, container):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((14, 30)), rng.standard_normal(14)
    sigma = rng.uniform(0.5, 2, 14) if weighted else None
    weight = np.r_[np.ones(12), 0, 0]
    model = estimator(random_state=0).fit(container(X), y, weight, sigma)
    # All rows are fitted exactly, as without trimming, which the errors say.
    assert_allclose(model.predict(X)[:12], y[:12], rtol=0, atol=1e-8)
    assert model.scale_ == 0
    if getattr(model, "stderr_", None) is not None:
        assert_array_equal(model.stderr_, np.inf)
    ridge = estimator(alpha=0.1, random_state=0)
    ridge.fit(container(X), y, weight, sigma)
    assert ridge.scale_ > 0
    assert np.isfinite(ridge.coef_).all()


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimator", [SoftLTSRegressor, SoftLQSRegressor])
def test_all_rows_equal(estimator, weighted, container):
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.5, 2, 20) if weighted else None
    X, noise = container(np.ones((20, 3))), rng.standard_normal(20)
    model = estimator(random_state=0).fit(X, np.full(20, 2.5), sigma=sigma)
    assert_array_equal(model.coef_, 0)
    assert model.intercept_ == 2.5
    assert model.scale_ == 0
    assert model.inlier_mask_.all()
    model = estimator(random_state=0).fit(X, noise, sigma=sigma)
    assert_array_equal(model.coef_, 0)
    assert abs(model.intercept_ - np.median(noise)) < 1
    assert model.scale_ > 0
    model = estimator(random_state=0, fit_intercept=False)
    model.fit(X, np.full(20, 2.5), sigma=sigma)
    assert_allclose(model.coef_, 2.5 / 3, rtol=1e-10)
    assert model.scale_ == 0


def test_a_constant_target_has_no_other_rows():
    # Without an intercept it is not fitted, and by rounding others seemed to be.
    X = np.random.default_rng(1).normal(size=(400, 3))
    SoftLTSRegressor(fit_intercept=False, alpha=0.1).fit(X, np.full(400, 2.0))
