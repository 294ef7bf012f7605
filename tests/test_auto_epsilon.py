"""epsilon="auto" of SoftLTSRegressor: the rule, what it gains, and bad input."""

import numpy as np
import pytest
from contamination import contaminated
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.base import clone

from sksoftrank import SoftLTSRegressor
from sksoftrank.linear._design import LinearDesign
from sksoftrank.robust._auto_epsilon import EPSILONS, _Distance, gaussian_efficiency


@pytest.mark.parametrize("epsilon", [0.5, 3.0, 100.0])
@pytest.mark.parametrize("part", [0.5, 0.8])
def test_efficiency_by_its_definition(epsilon, part):
    def mean(function, t):
        corners = [np.sqrt(2 * max(t - epsilon, 0)), np.sqrt(2 * t)]
        total, low = 0.0, 0.0
        for high in corners:
            high = min(high, 12.0)
            total += 2 * quad(lambda r: function(r) * norm.pdf(r), low, high)[0]
            low = high
        return total

    def weight(r, t):
        return np.clip((t - r * r / 2) / epsilon, 0, 1)

    t = brentq(lambda t: mean(lambda r: weight(r, t), t) - part, 1e-9, 300)

    def slope(r):
        return weight(r, t) - (0 if t - r * r / 2 > epsilon else r * r / epsilon)

    square = mean(lambda r: (weight(r, t) * r) ** 2, t)
    assert_allclose(
        gaussian_efficiency(epsilon, part), mean(slope, t) ** 2 / square, rtol=1e-6
    )


def test_efficiency_rises_with_epsilon():
    values = [gaussian_efficiency(epsilon, 0.5) for epsilon in EPSILONS]
    assert (np.diff(values) > 0).all()
    assert_allclose([values[0], values[-1]], [0.587, 0.999], atol=2e-3)
    assert gaussian_efficiency(3.0, 1.0) == 1.0


def shifted(seed, share, distance, n=500):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 5))
    y = X.sum(axis=1) + rng.standard_normal(n)
    y[: round(share * n)] += distance
    return X, y


@pytest.mark.slow
def test_near_outliers_get_a_small_epsilon_and_good_rows_a_large_one():
    gains = []
    for seed in range(4):
        X, y = shifted(seed, 0.3, 4)
        auto = SoftLTSRegressor(epsilon="auto", random_state=0).fit(X, y)
        plain = SoftLTSRegressor(random_state=0).fit(X, y)
        assert auto.epsilon_ <= 6
        gains.append(abs(plain.intercept_) / abs(auto.intercept_))
        clean = SoftLTSRegressor(epsilon="auto", random_state=0).fit(
            *shifted(seed, 0, 0)
        )
        assert clean.epsilon_ >= 24
        far = SoftLTSRegressor(epsilon="auto", random_state=0).fit(
            *shifted(seed, 0.3, 1e3)
        )
        assert far.epsilon_ >= 24
        assert abs(far.intercept_) < 0.2
    assert np.median(gains) > 3


@pytest.mark.parametrize(
    "parameters",
    [{}, {"reweight": True}, {"trim": 0.25}, {"fit_intercept": False}, {"alpha": 0.01}],
)
def test_the_fit_is_that_of_the_chosen_epsilon(parameters):
    X, y = shifted(0, 0.2, 5)
    auto = SoftLTSRegressor(epsilon="auto", random_state=0, tol=1e-10, **parameters)
    auto.fit(X, y)
    assert auto.epsilon_ in EPSILONS
    assert auto.epsilon == "auto"
    fixed = clone(auto).set_params(epsilon=auto.epsilon_).fit(X, y)
    assert_allclose(auto.coef_, fixed.coef_, rtol=0, atol=1e-7)
    assert_allclose(auto.stderr_, fixed.stderr_, rtol=1e-5)
    assert_allclose(auto.objective_, fixed.objective_, rtol=1e-9)
    assert f"epsilon {auto.epsilon_:g}" in repr(auto.summary())


def test_weights_are_repeats_and_units_do_not_matter():
    X, y = shifted(1, 0.3, 4, n=200)
    weight = np.random.default_rng(0).integers(0, 3, 200)
    model = SoftLTSRegressor(epsilon="auto", random_state=0)
    weighted = clone(model).fit(X, y, sample_weight=weight)
    repeated = clone(model).fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert weighted.epsilon_ == repeated.epsilon_
    assert_allclose(weighted.coef_, repeated.coef_, rtol=0, atol=1e-6)
    plain = clone(model).fit(X, y)
    scaled = clone(model).fit(1e6 * X + 3e6, 1e-9 * y - 5e-9)
    assert plain.epsilon_ == scaled.epsilon_
    assert_allclose(scaled.coef_, 1e-15 * plain.coef_, rtol=1e-5)
    by_sparse = clone(model).fit(sparse.csr_array(X), y)
    assert by_sparse.epsilon_ == plain.epsilon_


def test_with_sigma():
    X, y = shifted(2, 0.3, 4)
    sigma = np.random.default_rng(0).uniform(0.2, 5, 500)
    model = SoftLTSRegressor(epsilon="auto", random_state=0)
    # Rows, targets and ones in units of sigma are those of a fit without.
    with_sigma = clone(model).fit(X * sigma[:, None], y * sigma, sigma=sigma)
    assert with_sigma.epsilon_ <= 4.5
    plain = SoftLTSRegressor(random_state=0)
    plain.fit(X * sigma[:, None], y * sigma, sigma=sigma)
    error = [np.abs(fit.coef_ - 1).max() for fit in (with_sigma, plain)]
    assert error[0] < error[1] + 0.1
    constant = clone(model).fit(X, y, sigma=np.full(500, 7.0))
    assert constant.epsilon_ == clone(model).fit(X, y).epsilon_


def test_sparse_features_that_are_not_whitened():
    rng = np.random.default_rng(0)
    X = sparse.random(3000, 600, density=0.01, random_state=rng, format="csr")
    y = X @ np.ones(600) + 0.1 * rng.standard_normal(3000)
    y[:600] += 5
    model = SoftLTSRegressor(epsilon="auto", init="ls", random_state=0).fit(X, y)
    assert model.epsilon_ in EPSILONS
    assert abs(model.intercept_) < 0.1


@pytest.mark.parametrize("has_sigma", [False, True])
def test_distances_with_and_without_a_gram_matrix(has_sigma):
    rng = np.random.default_rng(0)
    X, kept = rng.standard_normal((50, 3)), rng.uniform(size=50)
    row_scale = 1 / rng.uniform(0.2, 5, 50) if has_sigma else None
    design = LinearDesign(
        X, np.ones(50), fit_intercept=True, alpha=0, row_scale=row_scale
    )
    measure, difference = _Distance(design, kept), rng.standard_normal(4)
    found = measure(difference)
    measure.gram = None
    assert_allclose(found, measure(difference), rtol=1e-12)


def test_nothing_to_choose():
    X, _, bad = contaminated()
    exact = SoftLTSRegressor(epsilon="auto").fit(X, X @ [1, 2, 3] + bad)
    assert exact.epsilon_ == 12.0
    few = SoftLTSRegressor(epsilon="auto").fit(X[:4], np.arange(4.0))
    assert few.epsilon_ in EPSILONS
    assert SoftLTSRegressor(epsilon="auto", trim=0).fit(X, X[:, 0]).epsilon_ == 12.0


def test_warm_start():
    X, y = shifted(3, 0.3, 4)
    model = SoftLTSRegressor(epsilon="auto", random_state=0, warm_start=True)
    first = model.fit(X, y)
    epsilon, coef = first.epsilon_, first.coef_
    again = model.fit(X, y)
    assert again.epsilon_ == epsilon
    assert_allclose(again.coef_, coef, rtol=0, atol=1e-6)


def test_bad_input():
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match="needs formulation='selection', got 'sort'"):
        SoftLTSRegressor(epsilon="auto", formulation="sort").fit(X, y)
    with pytest.raises(ValueError, match="The 'epsilon' parameter of SoftLTSRegressor"):
        SoftLTSRegressor(epsilon="best").fit(X, y)


@pytest.mark.slow
def test_targets_of_the_choice():
    """Errors as multiples of least squares on the clean rows, with fresh seeds."""
    for n, p, share, distance, limit in (
        (100, 5, 0, 0, 1.08),
        (500, 10, 0.2, 4, 1.5),
        (500, 10, 0.3, 4, 2.2),
        (500, 10, 0.4, 6, 1.4),
    ):
        error, least = [], []
        for seed in range(30):
            rng = np.random.default_rng([seed, n, 5])
            X, bad = rng.standard_normal((n, p)), np.arange(n) < share * n
            y = X.sum(axis=1) + rng.standard_normal(n) + distance * bad
            A = np.column_stack([X, np.ones(n)])
            truth = np.append(np.ones(p), 0)
            coef = np.linalg.lstsq(A[~bad], y[~bad], rcond=None)[0]
            least.append(((coef - truth) ** 2).sum())
            model = SoftLTSRegressor(epsilon="auto", random_state=0).fit(X, y)
            found = np.append(model.coef_, model.intercept_)
            error.append(((found - truth) ** 2).sum())
        assert np.sqrt(np.mean(error) / np.mean(least)) < limit
