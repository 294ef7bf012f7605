import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksoftrank import SoftLTSRegressor, _linear
from sksoftrank.losses import selection_trimmed_loss, sorted_trimmed_loss

COEF = np.array([1.0, -2.0, 0.5])

# An epsilon at which the formulation is neither least squares nor hard LTS.
FORMULATIONS = [
    pytest.param({"formulation": "selection", "epsilon": 10.0}, id="selection"),
    pytest.param({"formulation": "selection", "epsilon": 0.3}, id="selection sharp"),
    pytest.param({"formulation": "sort", "epsilon": 20.0}, id="sort"),
    pytest.param({"epsilon": 0}, id="hard"),
]
PENALTIES = pytest.mark.parametrize("alpha", [0.0, 0.1])
INTERCEPTS = pytest.mark.parametrize("fit_intercept", [True, False])


def contaminated(n=150, outliers=0.2, distance=10.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    y = X @ COEF + 4.0 + rng.standard_normal(n)
    bad = np.arange(n) < outliers * n
    y[bad] += distance
    return X, y, bad


def fit(X, y, sample_weight=None, **parameters):
    """Fit to full precision, so that results can be compared closely."""
    return SoftLTSRegressor(tol=1e-12, **parameters).fit(X, y, sample_weight)


def assert_same_fit(first, second, atol=1e-8):
    assert_allclose(first.coef_, second.coef_, rtol=0, atol=atol)
    assert_allclose(first.intercept_, second.intercept_, rtol=0, atol=atol)
    assert_allclose(first.scale_, second.scale_, rtol=0, atol=atol)
    assert_allclose(first.objective_, second.objective_, rtol=atol)


def lts_scale(residual, n_kept):
    """Scale by its definition, section 2 of the references on LTS."""
    n = residual.size
    raw = np.sqrt(np.sort(residual**2)[:n_kept].mean())
    q = norm.ppf((n + n_kept) / (2 * n))
    return raw / np.sqrt(1 - 2 * n / n_kept * q * norm.pdf(q))


# What it is for


@pytest.mark.parametrize("distance", [10, 100, 1e3, 1e6])
@pytest.mark.parametrize("outliers", [0.2, 0.4])
def test_selection_resists_outliers_at_any_distance(outliers, distance):
    X, y, bad = contaminated(400, outliers, distance)
    model = SoftLTSRegressor().fit(X, y)
    clean = LinearRegression().fit(X[~bad], y[~bad])
    naive = LinearRegression().fit(X, y)
    assert_allclose(model.coef_, clean.coef_, rtol=0, atol=0.03)
    assert_allclose(model.intercept_, clean.intercept_, rtol=0, atol=0.03)
    assert model.inlier_weight_[bad].mean() < 0.001
    if distance > 10:
        assert_array_equal(model.inlier_weight_[bad], 0)
    assert not model.inlier_mask_[bad].any()
    assert model.inlier_mask_[~bad].mean() > 0.9
    assert abs(naive.intercept_ - clean.intercept_) > 1.5


@INTERCEPTS
@pytest.mark.parametrize("noise", [1.0, 1e-6])
@pytest.mark.parametrize("distance", [1e100, -1e139])
def test_one_huge_target(distance, noise, fit_intercept):
    X, y, _ = contaminated(outliers=0)
    y = X @ COEF + noise * (y - X @ COEF)
    y[0] = distance
    model = SoftLTSRegressor(fit_intercept=fit_intercept).fit(X, y)
    y[0] = np.sign(distance) * 1e6
    expected = SoftLTSRegressor(fit_intercept=fit_intercept).fit(X, y)
    atol = 0.02 * expected.scale_  # through the start
    assert_allclose(model.coef_, expected.coef_, rtol=0, atol=atol)
    assert_allclose(model.intercept_, expected.intercept_, rtol=0, atol=atol)
    assert_allclose(model.scale_, expected.scale_, rtol=0.02)
    assert model.inlier_weight_[0] == 0


@pytest.mark.parametrize("formulation", ["selection", "sort"])
@pytest.mark.parametrize("distance", [1e145, 1e155, -1e200, 1e300])
@pytest.mark.parametrize("unit", [1e-100, 1.0])
def test_target_too_far_away(distance, unit, formulation):
    X, y, _ = contaminated(outliers=0)
    y[0] = distance
    message = r"y must not hold .* 1e\+140 times the typical .* from its median, got a"
    with pytest.raises(ValueError, match=message):
        SoftLTSRegressor(formulation=formulation).fit(X, y * unit)
    with pytest.raises(ValueError, match=r"y must not hold .* away from 0, got a dist"):
        SoftLTSRegressor(formulation=formulation, fit_intercept=False).fit(X, y * unit)


def test_targets_that_cannot_be_subtracted():
    X, y, _ = contaminated(outliers=0)
    y[:2] = 1.7e308, -1.7e308
    y[2:] = 1e308
    with pytest.raises(ValueError, match=r"y must not hold .* got a distance of inf"):
        SoftLTSRegressor().fit(X, y)


def test_moderate_epsilon_is_more_efficient_than_hard_trimming():
    error = {0: 0.0, 10: 0.0, "least squares": 0.0}
    for seed in range(8):
        X, y, _ = contaminated(200, outliers=0, seed=seed)
        for epsilon in (0, 10):
            model = SoftLTSRegressor(epsilon=epsilon).fit(X, y)
            error[epsilon] += ((model.coef_ - COEF) ** 2).sum()
        coef = LinearRegression().fit(X, y).coef_
        error["least squares"] += ((coef - COEF) ** 2).sum()
    assert error[10] < 1.25 * error["least squares"]
    assert error[0] > 3 * error[10]


def test_sort_breaks_down_under_far_outliers():
    # Held while epsilon * distance^2 / n is small, least squares when it is large.
    X, y, bad = contaminated(400, 0.2, 10.0)
    hard = SoftLTSRegressor(epsilon=0).fit(X, y)
    held = SoftLTSRegressor(formulation="sort", epsilon=0.5).fit(X, y)
    assert_array_equal(held.inlier_weight_[bad], 0)
    assert_allclose(held.coef_, hard.coef_, rtol=0, atol=1e-7)
    X, y, bad = contaminated(400, 0.2, 1e4)
    broken = SoftLTSRegressor(formulation="sort", epsilon=0.5).fit(X, y)
    naive = LinearRegression().fit(X, y)
    assert_allclose(broken.coef_, naive.coef_, rtol=1e-6)
    assert_allclose(broken.intercept_, naive.intercept_, rtol=1e-6)
    assert (broken.inlier_weight_ > 0.4).all()


@pytest.mark.parametrize("distance", [10.0, 100.0])
def test_sort_goes_from_trimming_to_least_squares_as_documented(distance):
    X, y, _ = contaminated(400, 0.2, distance)
    hard = SoftLTSRegressor(epsilon=0).fit(X, y)
    far = LinearRegression().fit(X, y).intercept_ - hard.intercept_
    part = [
        SoftLTSRegressor(formulation="sort", epsilon=e).fit(X, y).intercept_
        for e in 400 * np.array([1, 2, 10]) * (hard.scale_ / distance) ** 2
    ]
    part = (np.array(part) - hard.intercept_) / far
    assert_allclose(part, [0, 0.5, 1], rtol=0, atol=0.1)


# The objective


@PENALTIES
@INTERCEPTS
@pytest.mark.parametrize("formulation", ["selection", "sort"])
def test_large_epsilon_is_ridge(formulation, fit_intercept, alpha):
    X, y, _ = contaminated()
    X = X * [1, 100, 0.01] + [0, 0, 5]
    model = SoftLTSRegressor(
        formulation=formulation, epsilon=1e8, fit_intercept=fit_intercept, alpha=alpha
    ).fit(X, y)
    scale = X.std(axis=0) if fit_intercept else np.sqrt((X**2).mean(axis=0))
    ridge = Ridge(alpha=alpha * len(y), fit_intercept=fit_intercept).fit(X / scale, y)
    assert_allclose(model.coef_ * scale, ridge.coef_, rtol=0, atol=1e-6)
    assert_allclose(model.intercept_, ridge.intercept_, rtol=1e-6)
    loss = ((y - ridge.predict(X / scale)) ** 2).mean() / 2
    assert_allclose(
        model.objective_, loss + alpha / 2 * (ridge.coef_**2).sum(), rtol=1e-6
    )


@pytest.mark.parametrize("parameters", FORMULATIONS)
@PENALTIES
@INTERCEPTS
def test_objective_is_the_documented_one_at_a_minimum(parameters, fit_intercept, alpha):
    X, y, _ = contaminated(distance=3)
    X = X * [1, 100, 0.01]
    common = {"fit_intercept": fit_intercept, "alpha": alpha}
    model = fit(X, y, **parameters, **common)
    start = fit(X, y, epsilon=0, **common)
    n_kept = round(SoftLTSRegressor(**common).fit(X, y).inlier_weight_.sum())
    scale = X.std(axis=0) if fit_intercept else np.sqrt((X**2).mean(axis=0))
    loss = (
        sorted_trimmed_loss
        if parameters.get("formulation") == "sort"
        else selection_trimmed_loss
    )

    def objective(coef, intercept):
        losses = (y - X @ coef - intercept) ** 2 / (2 * start.scale_**2)
        value = loss(losses, n_kept, parameters["epsilon"])[0]
        return start.scale_**2 * value + alpha / 2 * ((scale * coef) ** 2).sum()

    minimum = objective(model.coef_, model.intercept_)
    assert_allclose(model.objective_, minimum, rtol=1e-12)
    rng = np.random.default_rng(0)
    for size in (1e-5, 1e-3):
        for _ in range(20):
            step = size * rng.standard_normal(4)
            step[:3] /= scale
            moved = objective(
                model.coef_ + step[:3], model.intercept_ + step[3] * fit_intercept
            )
            assert moved > minimum - 1e-13


@INTERCEPTS
def test_hard_fit_is_a_fixed_point_of_concentration_steps(fit_intercept):
    X, y, _ = contaminated()
    model = SoftLTSRegressor(epsilon=0, fit_intercept=fit_intercept).fit(X, y)
    sharp = fit(X, y, epsilon=1e-9, fit_intercept=fit_intercept)
    residual = y - model.predict(X)
    n_kept = (150 + 3 + fit_intercept + 1) // 2
    kept = np.argsort(np.abs(residual))[:n_kept]
    again = LinearRegression(fit_intercept=fit_intercept).fit(X[kept], y[kept])
    assert_allclose(model.coef_, again.coef_, rtol=1e-10)
    assert_allclose(model.intercept_, again.intercept_, rtol=1e-10)
    assert_array_equal(np.sort(kept), np.flatnonzero(model.inlier_weight_))
    assert_allclose(model.objective_, (residual[kept] ** 2).mean() / 2, rtol=1e-12)
    assert_allclose(sharp.coef_, model.coef_, rtol=1e-6)


@pytest.mark.parametrize(
    ("n", "trim", "fit_intercept", "n_kept"),
    [
        (20, 0.5, True, 12),
        (20, 0.25, True, 16),
        (20, 0, True, 20),
        (21, 0.1, True, 19),
        (54, 0.34, True, 37),  # 36.99999999999999 in floating point
        (5, 0.5, True, 5),
        (6, 0.5, True, 5),
        (21, 0.5, True, 13),
        (21, 0.5, False, 12),
    ],
)
def test_number_kept(n, trim, fit_intercept, n_kept):
    # With 3 features and an intercept p = 4: n2 = floor((n + p + 1) / 2).
    X, y, _ = contaminated(n)
    model = SoftLTSRegressor(trim=trim, fit_intercept=fit_intercept).fit(X, y)
    assert_allclose(model.inlier_weight_.sum(), n_kept, rtol=1e-12)


def test_no_trimming_of_fractional_weights():
    X, y, _ = contaminated()
    model = SoftLTSRegressor(trim=0).fit(X, y, np.full(150, 1.003))
    assert_allclose(model.inlier_weight_, 1, rtol=1e-12)


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_scale_mask_and_weights(parameters):
    X, y, _ = contaminated()
    model = SoftLTSRegressor(**parameters).fit(X, y)
    residual = y - model.predict(X)
    assert_allclose(model.scale_, lts_scale(residual, 77), rtol=1e-12)
    assert_array_equal(model.inlier_mask_, np.abs(residual) <= 2.2414027 * model.scale_)
    assert model.inlier_weight_.min() >= 0
    assert model.inlier_weight_.max() <= 1
    assert_allclose(model.inlier_weight_.sum(), 77, rtol=1e-12)
    assert (np.diff(model.inlier_weight_[np.argsort(np.abs(residual))]) <= 1e-12).all()


@pytest.mark.parametrize("trim", [0, 0.25, 0.5])
def test_scale_is_consistent(trim):
    X, y, _ = contaminated(20000, outliers=0)
    model = SoftLTSRegressor(trim=trim).fit(X, 3 * y)
    assert_allclose(model.scale_, 3.0, rtol=0.03)


def test_scale_of_small_samples_is_as_documented():
    rng = np.random.default_rng(0)
    models = [
        SoftLTSRegressor().fit(rng.standard_normal((30, 3)), rng.standard_normal(30))
        for _ in range(100)
    ]
    outlying = 1 - np.mean([model.inlier_mask_ for model in models])
    assert_allclose(outlying, 0.06, rtol=0, atol=0.015)
    assert_allclose(np.mean([m.scale_ for m in models]), 0.88, rtol=0, atol=0.05)


# Equivariance


@pytest.mark.parametrize("parameters", FORMULATIONS)
@PENALTIES
@INTERCEPTS
@pytest.mark.parametrize(("x_unit", "y_unit"), [(1e6, 1e-6), (1e-9, 1e12)])
def test_units_do_not_matter(parameters, fit_intercept, alpha, x_unit, y_unit):
    X, y, _ = contaminated()
    parameters = {**parameters, "fit_intercept": fit_intercept, "alpha": alpha}
    model = fit(X, y, **parameters)
    scaled = fit(X * x_unit, y * y_unit, **parameters)
    assert_allclose(scaled.coef_ * (x_unit / y_unit), model.coef_, rtol=0, atol=1e-8)
    assert_allclose(scaled.intercept_ / y_unit, model.intercept_, rtol=0, atol=1e-8)
    assert_allclose(scaled.scale_ / y_unit, model.scale_, rtol=1e-8)
    assert_allclose(scaled.objective_ / y_unit**2, model.objective_, rtol=1e-8)
    assert_allclose(scaled.inlier_weight_, model.inlier_weight_, rtol=0, atol=1e-8)


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_regression_and_affine_equivariance(parameters):
    X, y, _ = contaminated()
    model = fit(X, y, **parameters)
    A = np.array([[1.0, 2.0, 0.0], [0.0, 3.0, 1.0], [5.0, 0.0, 0.1]])
    moved = fit(X @ A + [1, 2, 3], y + X @ [7, 8, 9] - 5, **parameters)
    coef = A @ moved.coef_
    assert_allclose(coef, model.coef_ + np.array([7, 8, 9]), rtol=0, atol=1e-8)
    intercept = moved.intercept_ + np.array([1, 2, 3]) @ moved.coef_
    assert_allclose(intercept, model.intercept_ - 5, rtol=0, atol=1e-8)
    assert_allclose(moved.scale_, model.scale_, rtol=1e-8)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("x_unit", [1e-139, 1e139, np.array([1e-120, 1.0, 1e120])])
@INTERCEPTS
def test_features_of_extreme_units(container, x_unit, fit_intercept):
    X, y, _ = contaminated()
    model = fit(X, y, fit_intercept=fit_intercept)
    for y_unit in (1e-100, 1e100):
        scaled = fit(container(X * x_unit), y * y_unit, fit_intercept=fit_intercept)
        coef = scaled.coef_ * x_unit / y_unit
        assert_allclose(coef, model.coef_, rtol=0, atol=1e-7)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e160, 1e300])
def test_features_that_cannot_be_squared(container, unit):
    X, y, _ = contaminated()
    X[:, 1] = 0  # may be
    X[:, 2] = unit * (np.arange(150) == 7)
    message = "feature of X must be 0 or from 1e-140 to 1e.140, got 1e.*0 in column 2"
    for sign in (-1, 1):
        with pytest.raises(ValueError, match=message):
            SoftLTSRegressor().fit(container(sign * X), y)


def test_features_far_from_zero():
    X, y, _ = contaminated()
    model = fit(X, y)
    moved = fit(X + 1e7, y)
    # Predictions from features of 1e7 carry rounding of 1e-9; minima are flat.
    assert_allclose(moved.coef_, model.coef_, rtol=0, atol=1e-6)
    assert_allclose(moved.predict(X + 1e7), model.predict(X), rtol=0, atol=1e-5)


def test_nearly_collinear_features():
    X, y, _ = contaminated()
    X[:, 2] = X[:, 0] + 1e-9 * X[:, 2]
    model = SoftLTSRegressor().fit(X, y)
    Z = np.column_stack([X[:, :2], (X[:, 2] - X[:, 0]) * 1e9])
    expected = SoftLTSRegressor().fit(Z, y)
    assert_allclose(model.predict(X), expected.predict(Z), rtol=0, atol=1e-5)
    assert model.n_iter_ < 60


# Sample weights


@pytest.mark.parametrize("parameters", FORMULATIONS)
@PENALTIES
@pytest.mark.parametrize("distance", [5, 1e4])
def test_weights_are_repeats_and_zero_is_removed(parameters, alpha, distance):
    if parameters.get("formulation") == "sort" and distance > 5:
        parameters = {**parameters, "epsilon": 1e-7}
    parameters = {**parameters, "alpha": alpha}
    X, y, _ = contaminated(distance=distance)
    weight = np.random.default_rng(1).integers(0, 4, y.size)
    assert (weight == 0).any()
    weighted = fit(X, y, weight, **parameters)
    repeated = fit(X.repeat(weight, axis=0), y.repeat(weight), **parameters)
    removed = fit(X[weight > 0], y[weight > 0], weight[weight > 0], **parameters)
    for other in (repeated, removed):
        assert_same_fit(weighted, other)
    assert_allclose(
        weighted.inlier_weight_[weight > 0], removed.inlier_weight_, rtol=0, atol=1e-7
    )
    # The weights do something.
    unweighted = fit(X, y, **parameters)
    assert np.abs(unweighted.coef_ - weighted.coef_).max() > 1e-3


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_ones_are_no_weights(parameters):
    X, y, _ = contaminated()
    model = fit(X, y, **parameters)
    for weight in (np.ones(y.size), [1] * y.size, 1):
        assert_same_fit(fit(X, y, weight, **parameters), model, atol=1e-12)


def test_weights_below_one_are_rescaled():
    X, y, _ = contaminated()
    weight = np.random.default_rng(2).exponential(size=y.size)
    weight[::7] = 0
    weight /= weight[weight > 0].mean()
    model = fit(X, y, weight)
    for factor in (1e-300, 1e-9, 1 / weight.sum(), 0.999):
        assert_same_fit(fit(X, y, factor * weight), model)
    # Continuous at a mean of one; above it weights are frequencies.
    assert_same_fit(fit(X, y, (1 + 1e-12) * weight), model)
    assert np.abs(fit(X, y, 2 * weight).coef_ - model.coef_).max() > 1e-6


@pytest.mark.parametrize("weight", [5e-324, 1e-320, 1e-310])
def test_weights_that_cannot_be_inverted(weight):
    X, y, _ = contaminated()
    assert_same_fit(fit(X, y, np.full(150, weight)), fit(X, y), atol=1e-12)


def test_sort_limits_the_sum_of_weights():
    X, y, _ = contaminated()
    message = r"sample_weight must sum to at most 1e\+09 for .*, got 1.5e\+11; "
    with pytest.raises(ValueError, match=message):
        SoftLTSRegressor(formulation="sort").fit(X, y, np.full(150, 1e9))
    model = SoftLTSRegressor().fit(X, y, np.full(150, 1e9))
    assert_allclose(model.inlier_weight_.sum(), 75, rtol=1e-6)


def test_sort_takes_whole_weights_only():
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match=r'whole numbers.*formulation="selection"'):
        SoftLTSRegressor(formulation="sort").fit(X, y, np.full(y.size, 1.5))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(150), "sample_weight must not be zero everywhere"),
        (np.r_[-1.0, np.ones(149)], "sample_weight must be at least 0, got -1.0"),
        (np.ones(149), r"sample_weight must have shape \(150,\).*got \(149,\)"),
        (np.ones((150, 1)), r"sample_weight must have shape \(150,\).*got \(150, 1\)"),
        (np.r_[np.nan, np.ones(149)], "sample_weight contains NaN"),
        (np.r_[np.inf, np.ones(149)], "sample_weight contains infinity"),
        (np.full(150, 1e307), r"must have a finite sum, got weights up to 1e\+307"),
    ],
)
def test_bad_weights(weight, message):
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match=message):
        SoftLTSRegressor().fit(X, y, weight)


# Kinds of features


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("parameters", FORMULATIONS)
@PENALTIES
@INTERCEPTS
def test_sparse_is_dense(container, parameters, fit_intercept, alpha, monkeypatch):
    X, y, _ = contaminated()
    X[np.abs(X) < 0.5] = 0
    X = np.column_stack([X, X[:, 0] + X[:, 1]])  # collinear: smallest coefficients
    parameters = {**parameters, "fit_intercept": fit_intercept, "alpha": alpha}
    dense = fit(X, y, **parameters)
    S = container(X)
    with monkeypatch.context() as patch:
        patch.setattr(type(S), "toarray", None)
        model = fit(S, y, **parameters)
    assert_same_fit(model, dense, atol=1e-7)
    assert_allclose(model.predict(S), dense.predict(X), rtol=0, atol=1e-7)


@PENALTIES
@INTERCEPTS
def test_high_rank_is_not_whitened(fit_intercept, alpha, monkeypatch):
    X, y, _ = contaminated()
    X[:, 1] += X[:, 0]
    parameters = {"fit_intercept": fit_intercept, "alpha": alpha}
    whitened = fit(X, y, **parameters)
    monkeypatch.setattr(_linear, "MAX_WHITENED_RANK", 1)
    design = _linear.LinearDesign(X, np.ones(150), **parameters)
    assert design.basis.ndim == 1
    assert_same_fit(fit(X, y, **parameters), whitened)


@pytest.mark.parametrize("chunk_size", [3, 1000])
@INTERCEPTS
def test_chunks_of_rows(chunk_size, fit_intercept, monkeypatch):
    X, y, _ = contaminated()
    whole = fit(X, y, fit_intercept=fit_intercept)
    monkeypatch.setattr(_linear, "CHUNK_SIZE", chunk_size)
    assert_same_fit(fit(X, y, fit_intercept=fit_intercept), whole, atol=1e-10)


def test_features_are_neither_copied_nor_changed():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20000, 100))
    y = X[:, 0] + rng.standard_normal(20000)
    X.flags.writeable = y.flags.writeable = False
    tracemalloc.start()
    SoftLTSRegressor().fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * X.nbytes


def test_float32():
    X, y, _ = contaminated()
    model = SoftLTSRegressor().fit(X.astype(np.float32), y.astype(np.float32))
    expected = SoftLTSRegressor().fit(X, y)
    assert model.coef_.dtype == np.float32
    assert model.predict(X.astype(np.float32)).dtype == np.float32
    assert isinstance(model.intercept_, float)
    assert_allclose(model.coef_, expected.coef_, rtol=0, atol=1e-5)
    assert SoftLTSRegressor().fit(X.round().astype(int), y).coef_.dtype == np.float64


def test_more_features_than_rows_is_ridge():
    X, y = make_regression(30, 60, noise=1, random_state=0)
    model = SoftLTSRegressor(alpha=0.3).fit(X, y)
    scale = X.std(axis=0)
    ridge = Ridge(alpha=0.3 * 30).fit(X / scale, y)
    assert_allclose(model.coef_ * scale, ridge.coef_, rtol=0, atol=1e-7)
    assert_array_equal(model.inlier_weight_, 1)
    assert model.scale_ > 0


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_constant_and_duplicated_columns(parameters):
    X, y, _ = contaminated()
    model = fit(X, y, **parameters)
    constant = fit(np.column_stack([X, np.full(150, 1e3 / 3)]), y, **parameters)
    assert constant.coef_[3] == 0
    assert_allclose(constant.coef_[:3], model.coef_, rtol=0, atol=0.05)
    twice = fit(X[:, [0, 1, 2, 0]], y, trim=0, **parameters)
    once = LinearRegression().fit(X, y)
    assert_allclose(twice.coef_[[0, 3]], once.coef_[0] / 2, rtol=1e-8)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("epsilon", [0, 10])
def test_dummy_column_of_outliers_only(epsilon, container):
    # Without the trimmed rows the column is constant, its coefficient undetermined.
    X, y, _ = contaminated(outliers=0)
    y[:4] = [1e6, -1e6, 1e6, -1e6]
    D = np.column_stack([X, np.arange(150) < 4])
    model = SoftLTSRegressor(epsilon=epsilon).fit(container(D), y)
    expected = LinearRegression().fit(X[4:], y[4:])
    tolerance = 0.05 if epsilon else 0.5
    assert_allclose(model.coef_[:3], expected.coef_, rtol=0, atol=tolerance)
    assert np.isfinite(model.coef_[3])
    assert_array_equal(model.inlier_weight_[:4], 0)


def test_least_squares_steps_leave_undetermined_directions():
    X, y, _ = contaminated(outliers=0)
    D = np.column_stack([X, np.arange(150) < 4.0])
    weight = (np.arange(150) >= 4) / 146
    design = _linear.LinearDesign(D, np.ones(150), fit_intercept=True, alpha=0.0)
    step = design.newton_step(-design.pull_back(weight * y), weight)
    expected = LinearRegression().fit(X[4:], y[4:]).predict(X[4:])
    assert_allclose(design.predict(step)[4:], expected, rtol=1e-10)
    undetermined = design.coordinates(np.array([0, 0, 0, 1.0]), 0.0)
    assert_allclose(design.predict(undetermined), D[:, 3], rtol=0, atol=1e-12)
    assert_allclose(undetermined @ step, 0, rtol=0, atol=1e-8)


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_nothing_to_learn_from(parameters):
    X, y, _ = contaminated()
    flat = SoftLTSRegressor(**parameters).fit(np.ones((150, 2)), y)
    assert_array_equal(flat.coef_, 0)
    assert np.median(y) - 1.5 < flat.intercept_ < np.median(y) + 1.5
    flat = SoftLTSRegressor(**parameters, fit_intercept=False).fit(X * 0, y)
    assert_array_equal(flat.predict(X), 0)
    assert flat.scale_ > 0

    constant = SoftLTSRegressor(**parameters).fit(X, np.full(150, 0.1))
    assert_array_equal(constant.coef_, 0)
    assert constant.intercept_ == 0.1
    assert constant.scale_ == constant.objective_ == 0
    assert constant.n_iter_ == 1
    assert constant.inlier_mask_.all()


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_few_rows_and_one_feature(parameters):
    model = SoftLTSRegressor(**parameters).fit([[2.0]], [3.0])
    assert_allclose(model.predict([[2.0], [5.0]]), 3.0, rtol=1e-15)
    assert model.scale_ == 0
    assert model.inlier_mask_.all()
    X, y, _ = contaminated()
    single = fit(X[:, :1], y, **parameters)
    assert single.coef_.shape == (1,)
    assert 0.2 < single.coef_[0] < 1.8


# Exact fits


@pytest.mark.parametrize("parameters", FORMULATIONS)
@pytest.mark.parametrize("distance", [0, 1, 1e6])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_exact_fit(parameters, distance, fit_intercept):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    plane = X @ COEF + 4 * fit_intercept
    bad = np.arange(60) < 12
    y = plane + distance * bad * rng.uniform(1, 2, 60)
    model = SoftLTSRegressor(**parameters, fit_intercept=fit_intercept).fit(X, y)
    assert_allclose(model.predict(X), plane, rtol=0, atol=1e-9)
    assert model.scale_ == 0
    assert_array_equal(model.inlier_mask_, ~bad if distance else True)
    on_plane = model.inlier_weight_[model.inlier_mask_]
    assert_allclose(on_plane, (32 + fit_intercept // 2) / on_plane.size, rtol=0.02)
    assert_allclose(model.objective_, 0, rtol=0, atol=1e-15)


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_exact_fit_that_the_start_misses(parameters):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    y = X @ COEF + 4
    X[:20] += 100.0  # bad leverage points
    model = SoftLTSRegressor(**parameters, warm_start=True).fit(X, y)
    assert model.scale_ > 0.1
    model.coef_, model.intercept_ = COEF, 4.0
    model.fit(X, y)
    if parameters.get("formulation") != "sort":
        assert_allclose(model.coef_, COEF, rtol=0, atol=1e-9)
        assert model.scale_ == 0
        assert_array_equal(model.inlier_mask_, np.arange(60) >= 20)


def test_most_targets_equal():
    X, y, _ = contaminated()
    y[:100] = 0.0
    model = SoftLTSRegressor().fit(X, y)
    assert_allclose(model.predict(X), 0, rtol=0, atol=1e-9)
    assert model.scale_ == 0
    assert_array_equal(model.inlier_mask_, y == 0)
    # A huge value says nothing about the size of the others.
    y[149] = 1e12
    model = SoftLTSRegressor().fit(X, y)
    assert model.scale_ == 0
    assert_array_equal(model.inlier_mask_, y == 0)
    y[149] = 1e200
    with pytest.raises(ValueError, match=r"y must not hold values further than"):
        SoftLTSRegressor().fit(X, y)


def test_targets_up_to_overflow():
    X, y, _ = contaminated()
    model = SoftLTSRegressor().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        huge = SoftLTSRegressor().fit(X, 1e300 * y)
        tiny = SoftLTSRegressor().fit(X, 1e-300 * y)
    assert_allclose(huge.coef_ / 1e300, model.coef_, rtol=0, atol=1e-7)
    assert_allclose(tiny.coef_ / 1e-300, model.coef_, rtol=0, atol=1e-7)
    assert huge.objective_ == np.inf  # y squared overflows
    assert tiny.objective_ == 0


# Iterations


def test_warm_start_continues():
    X, y, _ = contaminated()
    model = SoftLTSRegressor(warm_start=True).fit(X, y)
    cold_iterations = model.n_iter_
    coef, objective = model.coef_, model.objective_
    model.fit(X, y)
    assert model.n_iter_ < cold_iterations
    assert_allclose(model.coef_, coef, rtol=0, atol=1e-7)
    # The path does not enter the objective.
    model.set_params(epsilon=100.0).fit(X, y)
    model.set_params(epsilon=10.0).fit(X, y)
    assert_allclose(model.objective_, objective, rtol=1e-10)


def test_warm_start_needs_the_same_features():
    X, y, _ = contaminated()
    model = SoftLTSRegressor(warm_start=True).fit(X, y)
    expected = model.predict(X)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3"):
        model.fit(X[:, :2], y)
    assert model.n_features_in_ == 3
    assert_array_equal(model.predict(X), expected)
    assert model.set_params(warm_start=False).fit(X[:, :2], y).n_features_in_ == 2


@pytest.mark.parametrize("rank", [1, 500])
def test_warm_start_in_any_units(rank, monkeypatch):
    monkeypatch.setattr(_linear, "MAX_WHITENED_RANK", rank)
    X, y, _ = contaminated()
    X = np.column_stack([X, X[:, 0]]) * [1e-20, 1.0, 1e20, 1e3]
    for alpha in (0, 0.1):
        model = SoftLTSRegressor(warm_start=True, alpha=alpha).fit(X, y)
        cold_iterations = model.n_iter_
        start = SoftLTSRegressor(epsilon=0, alpha=alpha).fit(X, y).n_iter_
        # Besides the start, one or two iterations find that nothing is to be done.
        assert model.fit(X, y).n_iter_ <= start + 2 < cold_iterations


@INTERCEPTS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_warm_start_starts_from_the_previous_fit(fit_intercept, container):
    X, y, _ = contaminated()
    X = container(X + 1)
    model = SoftLTSRegressor(
        warm_start=True, fit_intercept=fit_intercept, formulation="sort", epsilon=1e-3
    ).fit(X, y)
    coef, intercept, objective = model.coef_, model.intercept_, model.objective_
    # From elsewhere another local minimum is found.
    model.coef_, model.intercept_ = coef + 10.0, intercept - 10.0 * fit_intercept
    assert abs(model.fit(X, y).objective_ / objective - 1) > 1e-4
    model.coef_, model.intercept_ = coef, intercept
    assert_allclose(model.fit(X, y).objective_, objective, rtol=1e-12)


def test_not_converged():
    X, y, _ = contaminated()
    with pytest.warns(ConvergenceWarning, match="ITERATIONS REACHED LIMIT") as record:
        model = SoftLTSRegressor(max_iter=2).fit(X, y)
    assert record[0].filename == __file__
    assert np.isfinite(model.coef_).all()
    with pytest.warns(ConvergenceWarning, match="2 reweighted fits were not enough"):
        SoftLTSRegressor(max_iter=2, epsilon=0).fit(X, y)


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_converges_fast_and_repeatably(parameters):
    for seed in range(5):
        X, y, _ = contaminated(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            models = [SoftLTSRegressor(**parameters).fit(X, y) for _ in range(2)]
        assert 1 < models[0].n_iter_ < 60
        assert_array_equal(models[0].coef_, models[1].coef_)


def test_verbose(capsys):
    X, y, _ = contaminated(200, distance=3)
    SoftLTSRegressor().fit(X, y)
    assert capsys.readouterr().out == ""
    model = SoftLTSRegressor(verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("[SoftLTSRegressor] start: ")
    assert f"objective {model.objective_:.6g}, scale {model.scale_:.6g}" in lines[1]
    SoftLTSRegressor(verbose=2, formulation="sort", epsilon=40).fit(X, y)
    assert "iteration 10, objective" in capsys.readouterr().out


# As an estimator among others


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_data_frames(frame):
    X, y, _ = contaminated()
    data = frame({name: X[:, i] for i, name in enumerate("abc")})
    target = frame({"y": y})["y"]
    model = SoftLTSRegressor().fit(data, target)
    expected = SoftLTSRegressor().fit(X, y)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-10)
    assert_allclose(model.predict(data), expected.predict(X), rtol=1e-10)
    assert model.n_features_in_ == 3
    # Which frames have names is for scikit-learn to say.
    if hasattr(LinearRegression().fit(data, target), "feature_names_in_"):
        assert_array_equal(model.feature_names_in_, ["a", "b", "c"])
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(data[["c", "b", "a"]])
    else:
        assert frame is pl.DataFrame


def test_clone_and_pickle():
    X, y, _ = contaminated()
    model = SoftLTSRegressor(epsilon=3, trim=0.3).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(X), model.predict(X))
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    assert not hasattr(fresh, "coef_")


def test_grid_search_in_a_pipeline():
    X, y, _ = contaminated()
    search = GridSearchCV(
        make_pipeline(StandardScaler(), SoftLTSRegressor()),
        {"softltsregressor__epsilon": [1, 10], "softltsregressor__trim": [0.25, 0.5]},
        scoring="neg_median_absolute_error",
        n_jobs=2,
        cv=3,
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    assert search.best_estimator_[-1].epsilon in (1, 10)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"formulation": "rank"}, "'formulation' parameter .* must be a str among"),
        ({"trim": 0.6}, r"'trim' parameter .* in the range \[0.0, 0.5\]. Got 0.6"),
        ({"trim": -0.1}, r"'trim' parameter .* in the range \[0.0, 0.5\]. Got -0.1"),
        ({"epsilon": -1}, r"'epsilon' parameter .* in the range \[0.0, inf\). Got -1"),
        ({"epsilon": np.inf}, r"'epsilon' parameter .* \[0.0, inf\). Got inf"),
        ({"epsilon": np.nan}, r"'epsilon' parameter .* \[0.0, inf\). Got nan"),
        ({"epsilon": "1"}, r"'epsilon' parameter .* must be a float"),
        ({"alpha": -1}, r"'alpha' parameter .* in the range \[0.0, inf\). Got -1"),
        ({"fit_intercept": 2}, "'fit_intercept' parameter .* 'bool'.* Got 2"),
        ({"init": "random"}, "'init' parameter .* must be a str among {'ls'}"),
        ({"max_iter": 0}, r"'max_iter' parameter .* in the range \[1, inf\). Got 0"),
        ({"max_iter": 1.5}, r"'max_iter' parameter .* must be an int"),
        ({"tol": -1}, r"'tol' parameter .* in the range \[0.0, inf\). Got -1"),
        ({"warm_start": "no"}, "'warm_start' parameter .* 'bool'.* Got 'no'"),
        ({"verbose": -1}, "'verbose' parameter .* Got -1"),
    ],
)
def test_bad_parameters(parameters, message):
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match=message):
        SoftLTSRegressor(**parameters).fit(X, y)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_data(bad):
    X, y, _ = contaminated()
    word = "NaN" if np.isnan(bad) else "infinity"
    model = SoftLTSRegressor().fit(X, y)
    X_bad, y_bad = X.copy(), y.copy()
    X_bad[3, 1] = y_bad[3] = bad
    with pytest.raises(ValueError, match=f"Input X contains {word}"):
        SoftLTSRegressor().fit(X_bad, y)
    with pytest.raises(ValueError, match=f"Input y contains {word}"):
        SoftLTSRegressor().fit(X, y_bad)
    with pytest.raises(ValueError, match=f"Input X contains {word}"):
        model.predict(X_bad)


def test_bad_shapes_and_order_of_calls():
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match=r"y should be a 1d array, got an array of sh"):
        SoftLTSRegressor().fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SoftLTSRegressor().fit(X, y[1:])
    with pytest.raises(NotFittedError):
        SoftLTSRegressor().predict(X)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3"):
        SoftLTSRegressor().fit(X, y).predict(X[:, :2])
