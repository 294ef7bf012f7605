"""The other minimum of SoftLTSRegressor: when it is kept, and when it is warned of."""

import warnings

import numpy as np
import pytest
from contamination import contaminated
from marks import slow
from numpy.testing import assert_allclose

from sksoftrank import SoftLTSRegressor
from sksoftrank.losses import selection_trimmed_loss
from sksoftrank.robust._other_minimum import bisquare_scale


def two_laws(share=0.45, n=200, seed=0):
    """Part of the rows follows another plane."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    y = X @ [1, 2] + 0.2 * rng.standard_normal(n)
    other = np.arange(n) < share * n
    y[other] = X[other] @ [-4, 2] + 3 + 0.2 * rng.standard_normal(other.sum())
    return X, y, other


def test_two_laws():
    X, y, _ = two_laws()
    model = SoftLTSRegressor(epsilon=3, random_state=0).fit(X, y)
    found = model.other_minimum_
    assert_allclose(model.coef_, [1, 2], rtol=0, atol=0.2)
    assert_allclose(found.coef, [-4, 2], rtol=0, atol=0.5)
    assert found.distance > 5
    assert found.objective > model.objective_
    # The objective is that of its coefficients, and at a minimum.
    s0 = model.start_scale_

    def objective(coef, intercept):
        loss = 0.5 * ((y - X @ coef - intercept) / s0) ** 2
        return s0**2 * selection_trimmed_loss(loss, 102, 3.0)[0]

    # The other plane is clearly worse, so there is no warning.
    assert_allclose(objective(found.coef, found.intercept), found.objective, rtol=1e-9)
    for change in np.vstack([np.eye(2), -np.eye(2)]) * 0.01:
        assert objective(found.coef + change, found.intercept) > found.objective


def test_two_laws_of_as_many_rows():
    # A row or two decide which is the fit, whatever the trimmed squares say.
    for seed in range(4):
        X, y, _ = two_laws(share=0.5, seed=seed)
        with pytest.warns(UserWarning, match="about as good"):
            SoftLTSRegressor(random_state=0).fit(X, y)


def with_cluster(share, seed, n=200):
    """Part of the rows in a tight cluster that is far away and off the plane."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 5))
    y = X.sum(axis=1) + rng.standard_normal(n)
    bad = np.arange(n) < share * n
    X[bad] = 0.1 * X[bad] + [4, 0, 0, 0, 0]
    y[bad] = X[bad].sum(axis=1) - 8 + 0.1 * rng.standard_normal(bad.sum())
    return X, y


@pytest.mark.parametrize("share", [0.1, slow(0.2), 0.3])
def test_tight_cluster(share):
    """Least trimmed squares prefers it: a warning, and the right fit beside it."""
    followed = 0
    for seed in range(3 if share < 0.3 else 2):
        X, y = with_cluster(share, seed)
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            model = SoftLTSRegressor(random_state=0).fit(X, y)
        is_wrong = abs(model.coef_[0] - 1) > 0.5
        followed += is_wrong
        messages = [str(w.message) for w in record if "another" in str(w.message)]
        assert bool(messages) == is_wrong
        if share == 0.3:
            assert "and better for all but a tight cluster (other" in messages[0]
        if is_wrong:
            assert_allclose(model.other_minimum_.coef, 1, rtol=0, atol=0.5)
    if share == 0.1:
        assert followed == 0
    elif share == 0.3:
        assert followed == 2


def test_as_good_by_the_trimmed_squares_alone():
    """The scale of all residuals prefers the fit, by one hundredth."""
    rng = np.random.default_rng(1)
    X, bad = rng.standard_normal((200, 5)), np.arange(200) < 80
    y = X.sum(axis=1) + rng.standard_normal(200)
    X[bad] = 0.1 * rng.standard_normal((80, 5))
    X[bad, 0] += 4
    y[bad] = X[bad].sum(axis=1) - 8 + 0.05 * rng.standard_normal(80)
    with pytest.warns(UserWarning, match="another minimum, 11 standard errors away"):
        SoftLTSRegressor(random_state=0).fit(X, y)


@pytest.mark.parametrize("outliers", [0, 0.2])
@pytest.mark.parametrize("n", [40, 150, 1500])
def test_no_false_alarms(n, outliers):
    """The warnings of pytest are errors."""
    for seed in range(4):
        X, y, _ = contaminated(n, outliers=outliers, seed=seed)
        model = SoftLTSRegressor(random_state=0).fit(X, y)
        assert model.other_minimum_ is None or model.other_minimum_.distance > 3


@pytest.mark.parametrize("share", [0.2, 0.3])
def test_outliers_on_a_part_of_a_line(share):
    """The rows near them, which another fit does not keep, are no cluster."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = np.sort(rng.uniform(-2, 2, 40))
        y = x + 0.1 * rng.standard_normal(40)
        first = rng.integers(40 * (1 - share))
        part = slice(first, first + int(40 * share))
        y[part] += 10 * rng.random(y[part].size)
        fit = SoftLTSRegressor(random_state=0).fit(x[:, None], y)
        assert_allclose(fit.coef_, 1, rtol=0, atol=0.2)


def test_no_other_minimum():
    X, y, _ = contaminated()
    for parameters in (
        {"trim": 0},
        {"formulation": "sort", "epsilon": 0.1},
        {"init": "ls"},
    ):
        model = SoftLTSRegressor(random_state=0, **parameters).fit(X, y)
        assert model.other_minimum_ is None
    exact = SoftLTSRegressor(random_state=0).fit(X, X @ [1, 2, 3.0])
    assert exact.other_minimum_ is None


def test_targets_of_extreme_units():
    X, y, _ = two_laws()
    expected = SoftLTSRegressor(epsilon=3, random_state=0).fit(X, y).other_minimum_
    for unit in (1e-200, 1e200):
        model = SoftLTSRegressor(epsilon=3, random_state=0).fit(X, unit * y)
        found = model.other_minimum_
        assert_allclose(found.coef / unit, expected.coef, rtol=1e-6)
        assert_allclose(found.distance, expected.distance, rtol=1e-6)


def test_bisquare_scale():
    rng = np.random.default_rng(0)
    residual = 3 * rng.standard_normal(100_000)
    ones = np.ones(residual.size)
    assert_allclose(bisquare_scale(residual, ones, 0), 3, rtol=0.02)
    scale = bisquare_scale(residual[:50], ones[:50], 5)
    square = np.minimum((residual[:50] / (1.5476 * scale)) ** 2, 1)
    assert_allclose(np.mean(1 - (1 - square) ** 3), 0.5 * 0.9, rtol=1e-5)
    weight = rng.integers(0, 4, 50)
    repeated = bisquare_scale(residual[:50].repeat(weight), np.ones(weight.sum()), 5)
    assert_allclose(bisquare_scale(residual[:50], weight, 5), repeated, rtol=1e-5)
    assert bisquare_scale(np.append(np.zeros(60), np.ones(40)), np.ones(100), 0) == 0.0


@pytest.mark.parametrize("seed", [1, 7])
def test_nearly_equal_features_with_a_penalty(seed):
    # The Gram matrix is singular up to rounding, and squared distances may be below 0.
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 4))
    y = X @ np.arange(1, 5) + 3 + rng.normal(size=120)
    y[:20] += 12
    twin = X[:, 0] + 1e-9 * rng.normal(size=120)
    model = SoftLTSRegressor(alpha=0.1, random_state=0)
    model.fit(np.column_stack([X, twin]), y)
    assert_allclose(model.coef_[0], model.coef_[4], rtol=1e-4)
    assert not model.inlier_mask_[:20].any()
