"""SoftLTSRegressor: robustness, objective, equivariance, sample weights."""

import numpy as np
import pytest
from contamination import (
    COEF,
    FORMULATIONS,
    INTERCEPTS,
    PENALTIES,
    SLOWER_INTERCEPTS,
    assert_same_fit,
    contaminated,
    fit,
    lts_scale,
)
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LinearRegression, Ridge

from sksoftrank import SoftLTSRegressor
from sksoftrank.datasets import make_contaminated_regression
from sksoftrank.linear import _robust_scale
from sksoftrank.losses import selection_trimmed_loss, sorted_trimmed_loss
from sksoftrank.robust._problem import RobustProblem

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
    assert model.inlier_weight_[bad].mean() < 0.005
    if distance > 10:
        assert_array_equal(model.inlier_weight_[bad], 0)
    assert not model.inlier_mask_[bad].any()
    assert model.inlier_mask_[~bad].mean() > 0.9
    assert abs(naive.intercept_ - clean.intercept_) > 1.5


@INTERCEPTS
@pytest.mark.parametrize("noise", [1.0, 1e-6])
@pytest.mark.parametrize("distance", [slow(1e100), -1e139])
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


@pytest.mark.slow
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
    with pytest.warns(UserWarning, match=r"formulation='sort' .* followed outliers"):
        broken = SoftLTSRegressor(formulation="sort", epsilon=0.5).fit(X, y)
    naive = LinearRegression().fit(X, y)
    assert_allclose(broken.coef_, naive.coef_, rtol=1e-6)
    assert_allclose(broken.intercept_, naive.intercept_, rtol=1e-6)
    assert (broken.inlier_weight_ > 0.4).all()


@pytest.mark.filterwarnings("ignore:No residual of SoftLTSRegressor")
@pytest.mark.parametrize("distance", [10.0, 100.0])
def test_sort_goes_from_trimming_to_least_squares_as_documented(distance):
    X, y, _ = contaminated(400, 0.2, distance)
    hard = SoftLTSRegressor(epsilon=0).fit(X, y)
    far = LinearRegression().fit(X, y).intercept_ - hard.intercept_
    part = [
        SoftLTSRegressor(formulation="sort", epsilon=e).fit(X, y).intercept_
        for e in 400 * np.array([1, 2, 10]) * (hard.start_scale_ / distance) ** 2
    ]
    part = (np.array(part) - hard.intercept_) / far
    assert_allclose(part, [0, 0.5, 1], rtol=0, atol=0.1)


# The objective


@PENALTIES
@INTERCEPTS
@pytest.mark.parametrize("formulation", ["selection", "sort"])
@pytest.mark.parametrize("epsilon", [1e8, slow(1e20), 1e300])
def test_large_epsilon_is_ridge(epsilon, formulation, fit_intercept, alpha):
    X, y, _ = contaminated()
    X = X * [1, 100, 0.01] + [0, 0, 5]
    model = SoftLTSRegressor(
        formulation=formulation,
        epsilon=epsilon,
        fit_intercept=fit_intercept,
        alpha=alpha,
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
@SLOWER_INTERCEPTS
def test_objective_is_the_documented_one_at_a_minimum(parameters, fit_intercept, alpha):
    X, y, _ = contaminated(distance=3)
    X = X * [1, 100, 0.01]
    common = {"fit_intercept": fit_intercept, "alpha": alpha}
    model = fit(X, y, **parameters, **common)
    start = fit(X, y, epsilon=0, **common)
    n_kept = round(start.inlier_weight_.sum())
    scale = X.std(axis=0) if fit_intercept else np.sqrt((X**2).mean(axis=0))
    loss = (
        sorted_trimmed_loss
        if parameters.get("formulation") == "sort"
        else selection_trimmed_loss
    )

    def objective(coef, intercept):
        losses = (y - X @ coef - intercept) ** 2 / (2 * start.start_scale_**2)
        value = loss(losses, n_kept, parameters["epsilon"])[0]
        return start.start_scale_**2 * value + alpha / 2 * ((scale * coef) ** 2).sum()

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
    parameters = {"trim": trim, "fit_intercept": fit_intercept}
    model = SoftLTSRegressor(epsilon=0, **parameters).fit(X, y)
    assert_allclose(model.inlier_weight_.sum(), n_kept, rtol=1e-12)


def test_no_trimming_of_fractional_weights():
    X, y, _ = contaminated()
    model = SoftLTSRegressor(trim=0).fit(X, y, np.full(150, 1.003))
    assert_allclose(model.inlier_weight_, 1, rtol=1e-12)


@pytest.mark.parametrize("reweight", [False, True])
@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_scales_masks_and_weights(parameters, reweight):
    X, y, _ = contaminated()
    if "sort" in parameters.values():
        parameters = {**parameters, "epsilon": 0.1}  # not broken down
    model = fit(X, y, **parameters, reweight=reweight)
    hard = fit(X, y, epsilon=0)
    # Scales are rescaled for small samples by factors a little above 1.
    raw = lts_scale(y - hard.predict(X), 77)
    assert raw < model.raw_scale_ < 1.3 * raw
    assert_allclose(model.raw_scale_, hard.scale_, rtol=1e-12)

    raw_residual = y - X @ model.raw_coef_ - model.raw_intercept_
    rank = np.abs(raw_residual).argsort().argsort()
    assert_array_equal(model.support_, rank < 77)
    good = np.abs(raw_residual) <= 2.2414027 * model.raw_scale_
    residual = y - model.predict(X)
    if reweight:
        again = LinearRegression().fit(X[good], y[good])
        assert_allclose(model.coef_, again.coef_, rtol=1e-10)
        assert_allclose(model.intercept_, again.intercept_, rtol=1e-10)
        assert_array_equal(model.inlier_weight_, good)
    else:
        assert (model.stderr_ is None) == (parameters["epsilon"] == 0)
        assert_array_equal(model.coef_, model.raw_coef_)
        if parameters["epsilon"] < 1:  # else good rows have the weight of this part
            assert_allclose(model.inlier_weight_.sum(), 77, rtol=1e-12)
        order = np.argsort(np.abs(residual))
        assert (np.diff(model.inlier_weight_[order]) <= 1e-12).all()
    if reweight or parameters["epsilon"] > 0:
        plain = residual[good].std()
        # The consistency factor for the part of *all* that is kept is the usual one
        # after reweighting; with outliers it is too large.
        assert plain < model.scale_ < (1.6 if reweight else 1.3) * plain
    assert_array_equal(model.inlier_mask_, np.abs(residual) <= 2.2414027 * model.scale_)
    assert model.inlier_weight_.min() >= 0
    assert model.inlier_weight_.max() <= 1


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_fit_is_least_squares_with_its_weights(parameters):
    X, y, _ = contaminated(distance=3)
    model = fit(X, y, **parameters)
    again = LinearRegression().fit(X, y, model.inlier_weight_)
    atol = 1e-2 if "sort" in parameters.values() else 1e-7  # minima may be kinks
    assert_allclose(model.coef_, again.coef_, rtol=0, atol=atol)


@pytest.mark.parametrize("trim", [0, 0.25, 0.5])
def test_scale_is_consistent(trim):
    X, y, _ = contaminated(20000, outliers=0)
    model = SoftLTSRegressor(trim=trim, random_state=0).fit(X, 3 * y)
    assert_allclose(model.scale_, 3.0, rtol=0.03)
    assert_allclose(model.raw_scale_, 3.0, rtol=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters", [{}, {"epsilon": 0}, {"epsilon": 0, "reweight": True}]
)
def test_scales_of_small_samples(parameters):
    rng = np.random.default_rng(0)
    models = [
        SoftLTSRegressor(**parameters, random_state=0).fit(
            rng.standard_normal((40, 3)), rng.standard_normal(40)
        )
        for _ in range(100)
    ]
    for name in ("raw_scale_", "scale_"):
        scales = [getattr(model, name) for model in models]
        assert_allclose(np.exp(np.log(scales).mean()), 1.0, rtol=0, atol=0.08)


def test_hard_trimmed_statistics_of_a_reference_fit():
    # Explained part: 1 - mean of the 77 smallest squares / smallest variance of 77.
    X, y, _ = contaminated()
    model = fit(X, y, epsilon=0, reweight=True)
    raw = np.sort((y - X @ model.raw_coef_ - model.raw_intercept_) ** 2)[:77].mean()
    sorted_y = np.sort(y)
    variance = min(sorted_y[i : i + 77].var() for i in range(150 - 77 + 1))
    assert_allclose(model.robust_r2_, 1 - raw / variance, rtol=1e-10)
    # Standard errors: those of least squares on the inliers of the raw fit.
    kept = model.inlier_weight_ > 0
    A = np.column_stack([X[kept], np.ones(kept.sum())])
    residual = y[kept] - model.predict(X[kept])
    variance = residual @ residual / (kept.sum() - 4)
    expected = np.sqrt(variance * np.diag(np.linalg.inv(A.T @ A)))
    assert_allclose(model.stderr_, expected[:3], rtol=1e-8)
    assert_allclose(model.intercept_stderr_, expected[3], rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("distance", [0, 10])
def test_standard_errors_are_those_of_repeated_samples(distance):
    fits = []
    for seed in range(150):
        X, y, _ = contaminated(100, distance=distance, seed=seed)
        fits.append(SoftLTSRegressor(random_state=0).fit(X, y))
    spread = np.std([model.coef_ for model in fits], axis=0)
    stderr = np.mean([model.stderr_ for model in fits], axis=0)
    assert_allclose(stderr, spread, rtol=0.2)


# Equivariance


@pytest.mark.parametrize("parameters", FORMULATIONS)
@PENALTIES
@SLOWER_INTERCEPTS
@pytest.mark.parametrize(("x_unit", "y_unit"), [slow(1e6, 1e-6), (1e-9, 1e12)])
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
@pytest.mark.parametrize(
    "x_unit", [slow(1e-139), slow(1e139), np.array([1e-120, 1.0, 1e120])]
)
@SLOWER_INTERCEPTS
def test_features_of_extreme_units(container, x_unit, fit_intercept):
    X, y, _ = contaminated()
    model = fit(container(X), y, fit_intercept=fit_intercept)
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
    assert_allclose(moved.coef_, model.coef_, rtol=0, atol=5e-6)
    assert_allclose(moved.predict(X + 1e7), model.predict(X), rtol=0, atol=2e-4)


def test_nearly_collinear_features():
    X, y, _ = contaminated()
    X[:, 2] = X[:, 0] + 1e-9 * X[:, 2]
    model = SoftLTSRegressor().fit(X, y)
    Z = np.column_stack([X[:, :2], (X[:, 2] - X[:, 0]) * 1e9])
    expected = SoftLTSRegressor().fit(Z, y)
    # How the iterations end is up to rounding, and the minimum is flat.
    assert_allclose(model.objective_, expected.objective_, rtol=1e-8)
    assert_allclose(model.predict(X), expected.predict(Z), rtol=0, atol=5e-4)
    assert model.n_iter_ < 60


# Sample weights


@pytest.mark.parametrize("parameters", FORMULATIONS)
@pytest.mark.parametrize("alpha", [0.0, slow(0.1)])
@pytest.mark.parametrize("distance", [5, slow(1e4)])
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
        if "sort" in parameters.values():  # where its kinks stop it is up to rounding
            assert_allclose(other.objective_, weighted.objective_, rtol=1e-5)
            assert_allclose(other.raw_scale_, weighted.raw_scale_, rtol=1e-10)
        else:
            assert_same_fit(weighted, other)
            weights = repeated.inlier_weight_[np.cumsum(weight)[weight > 0] - 1]
            assert_allclose(
                weighted.inlier_weight_[weight > 0], weights, rtol=0, atol=1e-7
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
    model = SoftLTSRegressor(epsilon=0).fit(X, y, np.full(150, 1e9))
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
        (np.r_[np.nan, np.ones(149)], "sample_weight must be finite, got 1 NaN"),
        (np.r_[np.inf, np.ones(149)], "must be finite, got 0 NaN and 1 infinite"),
        (np.full(150, 1e307), r"must have a finite sum, got values up to 1e\+307"),
    ],
)
def test_bad_weights(weight, message):
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match=message):
        SoftLTSRegressor().fit(X, y, weight)


# The start


def test_scale_of_the_start_takes_two_rounds():
    X, y, _, _ = make_contaminated_regression(500, 3, distance=5, random_state=0)
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    hard = SoftLTSRegressor(epsilon=0, warm_start=True, random_state=0).fit(X, y)
    rows = np.column_stack([X, np.ones(500)])
    residual, scale = y - hard.predict(X), hard.raw_scale_
    # A Gaussian cut at its central 97.5 %, and a small-sample factor near one.
    factor = _robust_scale.consistency_factor(0.975)
    n_kept = (500 + 4 + 1) // 2
    factor *= _robust_scale.small_sample_factor(500, 4, n_kept / 500, "reweighted")
    for _ in range(2):
        good = np.abs(residual) <= 2.2414 * scale
        residual = y - rows @ np.linalg.lstsq(rows[good], y[good], rcond=None)[0]
        scale = factor * np.sqrt((residual[good] ** 2).sum() / (good.sum() - 1))
    assert_allclose(model.start_scale_, scale, rtol=1e-6)
    assert scale < 0.95 * hard.raw_scale_


def test_hard_fits_are_searched_for_thoroughly():
    better = []
    for seed in range(3):
        X, y, _, _ = make_contaminated_regression(1000, 10, random_state=seed)
        hard = SoftLTSRegressor(epsilon=0, random_state=0).fit(X, y)
        soft = SoftLTSRegressor(random_state=0).fit(X, y)
        assert hard.raw_scale_ <= soft.raw_scale_ * (1 + 1e-9)
        better.append(hard.raw_scale_ < soft.raw_scale_ * (1 - 1e-6))
    assert any(better)


def test_scale_of_a_start_whose_inliers_have_no_residuals():
    # Where a search was cut short, least squares on the inliers may be exact.
    x = np.arange(10.0)
    y = np.where(x < 7, x, 100.0)
    problem = RobustProblem(
        x[:, None], y, None, trim=0.5, alpha=0.0, fit_intercept=True
    )
    z = problem.coordinates(np.array([1.1]), 0.0)
    raw_scale = problem.raw_scale(z)
    assert 0 < raw_scale == problem.start_scale(z, raw_scale)


@pytest.mark.parametrize("seed", [73, 77, 87, 102, 301, 367, 387])
def test_steps_do_not_go_round_within_rounding(seed):
    X, y = np.random.RandomState(seed).uniform(size=(10, 3)), np.arange(10) // 5.0
    # It would warn that steps were not enough.
    model = SoftLTSRegressor(init="ls", n_init=0, tol=0, warm_start=True)
    assert model.fit(X, y).fit(X, y).n_iter_ < 100


@pytest.mark.parametrize("n", [60, 1000])
def test_coefficients_are_least_squares_with_the_weights_to_eight_digits(n):
    X, y, _, _ = make_contaminated_regression(n, 4, kind="leverage", random_state=0)
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    again = LinearRegression().fit(X, y, sample_weight=model.inlier_weight_)
    assert_allclose(model.coef_, again.coef_, rtol=0, atol=3e-8)
