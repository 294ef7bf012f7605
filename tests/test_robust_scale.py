"""Scales, outliers, R2 and standard errors against slow or published versions."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.special import digamma
from scipy.stats import norm

from sksoftrank.linear import _robust_scale as rs
from sksoftrank.linear._design import LinearDesign
from sksoftrank.losses import selection_trimmed_loss
from sksoftrank.robust._coefficient_errors import coefficient_errors

REFERENCE = Path(__file__).parents[2] / "shared" / "reference" / "lts_reference.json"
SETS = ["stackloss", "starsCYG", "telef", "coleman", "hbk"]
INTERCEPTS = pytest.mark.parametrize("fit_intercept", [True, False])


def linear_data(n=40, n_features=3, seed=0):
    """Features of unequal sizes, residuals, and frequencies with zeros."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n_features)) * [1.0, 30.0, 0.1][:n_features] + 2.0
    return X, rng.standard_normal(n), rng.integers(0, 4, n).astype(float)


def with_ones(X, fit_intercept=True):
    """Features, and last a column of ones."""
    return np.column_stack([X, np.ones(len(X))]) if fit_intercept else X


def all_errors(X, residual, weight, p, slope=None, *, alpha=0.0, intercept=True):
    """`coefficient_errors` in one array, the intercept last."""
    design = LinearDesign(X, weight, fit_intercept=intercept, alpha=alpha)
    errors = coefficient_errors(design, residual, weight, p, slope)
    coef, last = errors.coefficients()
    return np.append(coef, last) if intercept else coef


# --- scales ------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.52, 0.75, 0.975, 1 - 1e-9])
def test_consistency_factor_is_that_of_a_truncated_gaussian(fraction):
    cut = norm.isf((1 - fraction) / 2)
    square = quad(lambda x: x**2 * norm.pdf(x), -cut, cut, epsabs=1e-13)[0] / fraction
    assert_allclose(rs.consistency_factor(fraction), square**-0.5, rtol=1e-7)


def test_consistency_factor_of_everything_is_one():
    assert rs.consistency_factor(1.0) == 1.0


def test_cutoff_leaves_out_one_in_forty():
    inside = norm.cdf(rs.OUTLIER_CUTOFF) - norm.cdf(-rs.OUTLIER_CUTOFF)
    assert_allclose(inside, rs.INLIER_FRACTION, rtol=1e-14)


def test_scales_are_consistent():
    residual = 3.0 * norm.ppf((np.arange(10**5) + 0.5) / 10**5)
    weight = np.ones_like(residual)
    assert_allclose(rs.lts_scale(residual, weight, 6e4), 3.0, rtol=1e-4)
    mask = rs.inlier_mask(residual, 3.0)
    assert_allclose(mask.mean(), 0.975, rtol=1e-4)
    for fraction in (None, rs.INLIER_FRACTION):
        scale = rs.reweighted_scale(residual, weight, mask, fraction=fraction)
        assert_allclose(scale, 3.0, rtol=1e-4)


def test_far_outliers_bias_the_reweighted_scale_unless_the_fraction_is_given():
    good = norm.ppf((np.arange(8000) + 0.5) / 8000)
    residual = np.append(good, np.full(2000, 100.0))
    weight = np.ones(10000)
    mask = rs.inlier_mask(residual, 1.0)
    scale = rs.reweighted_scale(residual, weight, mask, fraction=rs.INLIER_FRACTION)
    assert_allclose(scale, 1.0, rtol=1e-3)
    assert rs.reweighted_scale(residual, weight, mask) > 1.3


def test_scales_of_weights_are_those_of_repeats():
    _, residual, weight = linear_data()
    repeated = np.repeat(residual, weight.astype(int))
    ones = np.ones_like(repeated)
    h = 0.6 * ones.size // 1
    smallest = np.sort(repeated**2)[: int(h)]
    assert_allclose(
        rs.lts_mean_square(residual, weight, h), smallest.mean(), rtol=1e-13
    )
    scale = rs.lts_scale(residual, weight, h)
    expected = math.sqrt(smallest.mean()) * rs.consistency_factor(h / ones.size)
    assert_allclose(scale, expected, rtol=1e-13)

    mask = rs.inlier_mask(residual, 0.5)
    kept = repeated[np.abs(repeated) <= rs.OUTLIER_CUTOFF * 0.5]
    expected = math.sqrt((kept**2).sum() / (kept.size - 1))
    for fraction in (None, 0.975):
        factor = rs.consistency_factor(fraction or kept.size / ones.size)
        scale = rs.reweighted_scale(residual, weight, mask, fraction=fraction)
        assert_allclose(scale, expected * factor, rtol=1e-13)


def test_scales_take_a_small_sample_factor():
    _, residual, weight = linear_data()
    mask = np.abs(residual) < 1
    for scale in (rs.lts_scale, rs.reweighted_scale):
        part = 0.5 * weight.sum() if scale is rs.lts_scale else mask
        plain = scale(residual, weight, part)
        assert_allclose(scale(residual, weight, part, 1.7), 1.7 * plain, rtol=1e-14)


def test_reweighted_scale_of_a_single_observation_is_finite():
    one = np.ones(1)
    assert_allclose(rs.reweighted_scale(3 * one, one, one, fraction=1.0), 18**0.5)


# --- small samples -----------------------------------------------------------------

# n, p, h, and the simulated factors, by `python benchmarks/scale_factors.py`.
SIMULATED = [
    (24, 8, 18, {"raw": 2.349, "reweighted": 1.437, "soft": 1.229}),
    (30, 4, 17, {"raw": 1.714, "reweighted": 1.091, "soft": 1.079}),
    (50, 5, 39, {"raw": 1.176, "reweighted": 1.069, "soft": 1.049}),
    (100, 20, 60, {"raw": 2.416, "reweighted": 1.142, "soft": 1.110}),
    (100, 20, 90, {"raw": 1.236, "reweighted": 1.180, "soft": 1.105}),
    (1000, 6, 503, {"raw": 1.046, "reweighted": 1.001, "soft": 1.004}),
    (2000, 20, 1010, {"raw": 1.066, "reweighted": 0.999, "soft": 1.005}),
]


def slope_fits(n_samples=300, n=20, n_kept=11):
    """Hard LTS of a slope by brute force: x, y, the slopes and their raw scales."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, n_samples, n))
    slopes = np.linspace(-3, 3, 601)
    square = (y[:, None] - slopes[:, None] * x[:, None]) ** 2
    objective = np.sort(square, axis=2)[..., :n_kept].mean(axis=2)
    raw = np.sqrt(objective.min(axis=1)) * rs.consistency_factor(n_kept / n)
    return x, y, slopes[objective.argmin(axis=1)], raw


def final_scale(x, y, slope, raw, kind, n_kept):
    """Scale of the reweighted or soft fit of a slope, without its factor."""
    ones = np.ones_like(y)
    if kind == "reweighted":
        weight = rs.inlier_mask(y - slope * x, raw).astype(float)
        slope = (weight * x) @ y / ((weight * x) @ x)
        return rs.reweighted_scale(y - slope * x, ones, weight)
    for _ in range(15):
        loss = 0.5 * ((y - slope * x) / raw) ** 2
        weight = selection_trimmed_loss(loss, n_kept, 10.0)[2]
        slope = (weight * x) @ y / ((weight * x) @ x)
    mask = rs.inlier_mask(y - slope * x, raw)
    return rs.reweighted_scale(y - slope * x, ones, mask, fraction=rs.INLIER_FRACTION)


def test_factors_make_the_mean_logarithm_of_the_scale_right():
    *data, raw = slope_fits()
    factor = rs.small_sample_factor(20, 1, 11 / 20, "raw")
    assert 1.15 < factor < 1.35
    assert_allclose(np.log(raw * factor).mean(), 0.0, atol=0.06)
    for kind in ("reweighted", "soft"):
        scales = [
            final_scale(*sample, kind, 11)
            for sample in zip(*data, raw * factor, strict=True)
        ]
        factor_of_kind = rs.small_sample_factor(20, 1, 11 / 20, kind)
        assert_allclose(np.log(scales).mean() + np.log(factor_of_kind), 0, atol=0.05)


@pytest.mark.parametrize(("n", "p", "h", "simulated"), SIMULATED)
def test_factors_are_those_of_the_simulation(n, p, h, simulated):
    for kind, factor in simulated.items():
        rtol = 0.02 if n > 5 * p else 0.03
        assert_allclose(rs.small_sample_factor(n, p, h / n, kind), factor, rtol=rtol)


@pytest.mark.parametrize(("n", "p"), [(8, 3), (20, 1), (30, 12), (100, 20), (1000, 6)])
def test_raw_factor_without_trimming_is_that_of_least_squares(n, p):
    mean_log = 0.5 * (digamma((n - p) / 2) + np.log(2 / n))  # of a chi-square variable
    factor = rs.small_sample_factor(n, p, 1.0, "raw")
    assert_allclose(np.log(factor), -mean_log, rtol=0.03, atol=0.01)


@pytest.mark.parametrize("kind", rs.FACTOR_CONSTANTS)
def test_factors_are_sane(kind):
    for fraction in (0.5, 0.6, 0.75, 0.9, 1.0):
        factors = [
            [rs.small_sample_factor(n, p, fraction, kind) for p in (1, 3, 10, 30)]
            for n in (1, 2.5, 5, 20, 100, 1000, 10**5, 10**9)
        ]
        assert np.min(factors) >= 1.0
        assert np.max(factors) <= rs.LARGEST_FACTOR
        assert_allclose(factors[-1], 1.0, atol=1e-6)
        assert_allclose(factors[-2], 1.0, atol=0.01)


def test_the_raw_factor_grows_with_trimming_and_falls_with_n():
    fractions = np.linspace(0.55, 1.0, 10)
    sizes = np.geomspace(30, 10**5, 20)
    for p in (2, 5, 10):
        factors = [
            [rs.small_sample_factor(n, p, fraction, "raw") for fraction in fractions]
            for n in sizes
        ]
        assert np.max(np.diff(factors, axis=0)) <= 0.0
        assert np.max(np.diff(factors, axis=1)) <= 0.0


def test_below_twice_as_many_observations_as_coefficients_the_factor_stays():
    factors = [rs.small_sample_factor(n, 6, 0.8, "raw") for n in (7, 10, 12)]
    assert_allclose(factors, factors[-1], rtol=1e-14)
    assert rs.small_sample_factor(13, 6, 0.8, "raw") < factors[-1]


# --- exact fits --------------------------------------------------------------------


def test_exact_fit():
    residual = np.array([0.0, 1e-12, -1e-12, 0.0, 5.0, 1e140])
    weight = np.ones(6)
    scale = rs.lts_scale(residual, weight, 4, 2.0, zero=1e-10)
    assert scale == 0.0
    mask = rs.inlier_mask(residual, scale, zero=1e-10)
    assert_array_equal(mask, [True] * 4 + [False] * 2)
    assert rs.reweighted_scale(residual, weight, mask, 2.0, zero=1e-10) == 0.0
    assert rs.robust_r2(residual, np.arange(6.0), weight, 4, zero=1e-10) == 1.0
    assert rs.lts_scale(residual, weight, 5, zero=1e-10) > 1.0
    X = np.arange(6.0)[:, None]
    assert_allclose(all_errors(X, residual, weight, mask), 0.0, atol=1e-11)


# --- R2 ----------------------------------------------------------------------------


def smallest_window_variance(y, n_kept):
    """Smallest variance of `n_kept` neighbours in the sorted values."""
    y = np.sort(y)
    return min(np.var(y[i : i + n_kept]) for i in range(y.size - n_kept + 1))


@given(data=st.data())
def test_trimmed_variance_is_the_smallest_of_all_windows(data):
    n = data.draw(st.integers(1, 12))
    values = st.one_of(st.integers(-3, 3), st.floats(-1e3, 1e3))
    y = np.array(data.draw(st.lists(values, min_size=n, max_size=n)), dtype=float)
    counts = np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    counts[0] += counts.sum() == 0
    total = counts.sum()
    n_kept = data.draw(st.integers((total + 1) // 2, total))
    unit = data.draw(st.sampled_from([1.0, 0.1, 3.7]))
    expected = smallest_window_variance(np.repeat(y, counts), n_kept)
    variance = rs.trimmed_variance(y, unit * counts, unit * n_kept)
    assert_allclose(variance, expected, rtol=1e-9, atol=1e-9)


def test_trimmed_variance_of_everything_whatever_the_rounding_of_the_total():
    y, weight = np.arange(10.0), np.full(10, 0.1)
    total = weight.sum()
    assert np.cumsum(weight)[-1] < total
    assert_allclose(rs.trimmed_variance(y, weight, total), np.var(y), rtol=1e-14)


def test_trimmed_variance_ignores_gross_outliers_to_the_last_digit():
    rng = np.random.default_rng(0)
    y, weight = rng.standard_normal(100), rng.uniform(0.5, 2.0, 100)
    n_kept = 0.7 * weight.sum()
    good = rs.trimmed_variance(y, weight, n_kept)
    far = np.tile([1e140, -1e140], 10)
    y, weight = np.append(y, far), np.append(weight, np.ones(20))
    assert_allclose(rs.trimmed_variance(y, weight, n_kept), good, rtol=1e-13)


def test_r2_compares_with_the_best_constant():
    _, residual, weight = linear_data()
    y = residual + 10 * np.arange(40.0)
    counts = weight.astype(int)
    h = int(0.6 * weight.sum())
    s2 = np.sort(np.repeat(residual, counts) ** 2)[:h].mean()
    r2 = rs.robust_r2(residual, y, weight, h)
    expected = 1 - s2 / smallest_window_variance(np.repeat(y, counts), h)
    assert_allclose(r2, expected, rtol=1e-12)
    r2 = rs.robust_r2(residual, y, weight, h, fit_intercept=False)
    expected = 1 - s2 / np.sort(np.repeat(y, counts) ** 2)[:h].mean()
    assert_allclose(r2, expected, rtol=1e-12)


@INTERCEPTS
def test_r2_of_constant_targets(fit_intercept):
    y = np.append(np.zeros(6), 5.0)
    weight = np.ones(7)
    arguments = {"fit_intercept": fit_intercept, "zero": 1e-9}
    for residual in (y, np.ones(7)):  # an exact fit of a constant explains nothing
        assert rs.robust_r2(residual, y, weight, 5, **arguments) == 0.0
        noisy = y + 1e-12 * np.arange(7)
        assert rs.robust_r2(residual, noisy, weight, 5, **arguments) == 0.0


def test_r2_with_factors_of_the_rows():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 40, 12_000):
        weight = rng.integers(0, 4, n).astype(float)
        weight[0] = 1.0
        factor = np.exp(rng.uniform(-2, 2, n))
        y = rng.standard_normal(n) * factor + 3 * factor
        y[: n // 4] += 30
        n_kept = 0.6 * weight.sum()
        constants = np.linspace(2, 4, 201) if n > 100 else np.linspace(-10, 50, 6001)
        expected = min(
            rs.lts_mean_square(y - c * factor, weight, n_kept) for c in constants
        )
        found = rs.scaled_variance(y, factor, weight, n_kept)
        assert found <= expected * (1 + 1e-12) + 1e-30
        assert_allclose(found, expected, rtol=1e-2, atol=1e-3)
        plain = rs.scaled_variance(y / factor, np.ones(n), weight, n_kept)
        expected = rs.trimmed_variance(y / factor, weight, n_kept)
        assert_allclose(plain, expected, rtol=1e-2, atol=1e-12)
        if n > 2:
            r2 = rs.robust_r2(0.1 * y, y, weight, n_kept, row_scale=factor)
            value = 1 - rs.lts_mean_square(0.1 * y, weight, n_kept) / found
            assert_allclose(r2, value, rtol=1e-12)


# --- standard errors ---------------------------------------------------------------


@INTERCEPTS
def test_standard_errors_of_0_1_weights_are_those_of_least_squares(fit_intercept):
    X, residual, weight = linear_data()
    p = (np.arange(40) % 3 > 0).astype(float)
    repeats = (weight * p).astype(int)
    rows = np.repeat(with_ones(X, fit_intercept), repeats, axis=0)
    variance = np.repeat(residual, repeats) @ np.repeat(residual, repeats)
    variance /= len(rows) - rows.shape[1]
    expected = np.sqrt(variance * np.diag(np.linalg.inv(rows.T @ rows)))
    errors = all_errors(X, residual, weight, p, intercept=fit_intercept)
    assert_allclose(errors, expected, rtol=1e-11)


def test_no_standard_error_without_an_intercept():
    X, residual, weight = linear_data()
    for n in (40, 3):  # three rows leave no degree of freedom
        design = LinearDesign(X[:n], weight[:n] + 1, fit_intercept=False, alpha=0.0)
        ones = np.ones(n)
        errors = coefficient_errors(design, residual[:n], ones, ones)
        assert errors.coefficients()[1] == 0.0


@INTERCEPTS
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_standard_errors_of_soft_weights(alpha, fit_intercept):
    X, residual, weight = linear_data()
    loss = 0.5 * (residual / 0.9) ** 2
    w = selection_trimmed_loss(loss, 0.6 * weight.sum(), 1.0, weight)[2]
    slope = rs.choice_slope(residual, w, 1.0, 0.9)
    errors = all_errors(
        X, residual, weight, w, slope, alpha=alpha, intercept=fit_intercept
    )

    rows = with_ones(X, fit_intercept)
    total = weight @ w
    centre = weight @ X / weight.sum() if fit_intercept else 0.0
    penalty = np.zeros(rows.shape[1])
    penalty[:3] = alpha * (weight @ (X - centre) ** 2) / weight.sum() * total
    penalty = np.diag(penalty)
    gram = (rows.T * (weight * w)) @ rows
    n_w = total**2 / (weight @ w**2)
    d = np.trace(np.linalg.solve(gram + penalty, gram))
    repeats = weight.astype(int)
    slopes = np.repeat(slope[w > 0], repeats[w > 0])
    k = 1 + d / n_w * np.var(slopes) / np.mean(slopes) ** 2
    variance = k**2 * (weight @ (w * residual) ** 2) / (n_w - d) * n_w / total
    inverse = np.linalg.inv(slope @ weight / total * gram + penalty)
    expected = np.sqrt(variance * np.diag(inverse @ gram @ inverse))
    assert_allclose(errors, expected, rtol=1e-10)


@pytest.mark.parametrize("outliers", [0, 20])
def test_standard_errors_are_the_spread_of_the_estimates(outliers):
    rng = np.random.default_rng(0)
    n, ones = 100, np.ones(100)
    ratios = []
    for _ in range(150):
        X = rng.standard_normal((n, 2))
        residual = y = rng.standard_normal(n) + 10 * (np.arange(n) < outliers)
        for _ in range(15):
            w = selection_trimmed_loss(0.5 * residual**2, 53, 10.0)[2]
            scaled = np.sqrt(w)[:, None] * with_ones(X)
            coef = np.linalg.lstsq(scaled, np.sqrt(w) * y, rcond=None)[0]
            residual = y - with_ones(X) @ coef
        slope = rs.choice_slope(residual, w, 10.0, 1.0)
        ratios.append(coef / all_errors(X, residual, ones, w, slope))
    # The true coefficients are 0, so these are t statistics.
    assert_allclose(np.mean(np.square(ratios)), 1.0, atol=0.2)


def test_selection_slope_is_a_derivative():
    losses = np.array([0.0, 0.2, 0.9, 1.4, 2.0, 4.0, 30.0])
    epsilon, scale = 2.0, 0.7
    p = selection_trimmed_loss(losses, 4, epsilon)[2]
    threshold = losses[2] + epsilon * p[2]
    residual = scale * np.sqrt(2 * losses)

    def psi(r):
        return r * np.clip((threshold - 0.5 * (r / scale) ** 2) / epsilon, 0, 1)

    assert_allclose(psi(residual), p * residual, rtol=1e-12)
    assert 0 < np.count_nonzero((p > 0) & (p < 1)) < 6
    numeric = (psi(residual + 1e-6) - psi(residual - 1e-6)) / 2e-6
    slope = rs.choice_slope(residual, p, epsilon, scale)
    assert_allclose(slope, numeric, rtol=1e-8, atol=1e-9)


def test_slope_of_a_hard_selection_is_the_selection():
    p = np.array([1.0, 0.0, 1.0])
    slope = rs.choice_slope(np.ones(3), p, 0.0, 1.0)
    assert_array_equal(slope, p)


def test_standard_errors_leave_out_leverage_of_outliers():
    X, residual, _ = linear_data()
    ones = np.ones(40)
    good = all_errors(X, residual, ones, ones)
    X, residual = np.vstack([X, X + 1e4]), np.append(residual, residual + 1e4)
    p = np.append(ones, 0 * ones)
    errors = all_errors(X, residual, np.ones(80), p)
    assert_allclose(errors, good, rtol=1e-6)


def test_coefficients_that_the_kept_rows_do_not_determine():
    X, residual, _ = linear_data()
    ones = np.ones(40)
    kept = (np.arange(40) >= 5).astype(float)
    X[:, 2] = 1 - kept  # a dummy of the rows that are left out
    errors = all_errors(X, residual, ones, kept)
    assert_array_equal(np.isinf(errors), [False, False, True, False])
    assert_allclose(errors[[0, 1, 3]], all_errors(X[:, :2], residual, ones, kept))


def test_a_constant_feature_has_no_error():
    X, residual, _ = linear_data()
    ones = np.ones(40)
    expected = all_errors(X[:, :2], residual, ones, ones)
    X[:, 2] = 7.0
    errors = all_errors(X, residual, ones, ones)
    assert errors[2] == 0.0
    assert_allclose(errors[[0, 1, 3]], expected, rtol=1e-12)


def test_no_degree_of_freedom_and_no_slope():
    X, residual, _ = linear_data(n=4)
    ones = np.ones(4)
    assert np.isinf(all_errors(X, residual, ones, ones)).all()
    ridge = all_errors(X, residual, ones, ones, alpha=0.1)
    assert np.isfinite(ridge).all()
    X, residual, _ = linear_data()
    ones = np.ones(40)
    for slope in (0 * ones, -0.5 * ones):
        assert np.isinf(all_errors(X, residual, ones, ones, slope, alpha=0.1)).all()


# --- published fits ----------------------------------------------------------------


@pytest.mark.skipif(not REFERENCE.exists(), reason="../shared/reference is absent")
@pytest.mark.parametrize("alpha", ["0.5", "0.75"])
@pytest.mark.parametrize("name", SETS)
def test_the_statistics_of_ltsreg_from_its_subset(name, alpha):
    """Those of R's robustbase::ltsReg, with its own small-sample factors."""
    data = json.loads(REFERENCE.read_text())["sets"][name]
    expected = data[f"ltsReg_alpha{alpha}"]
    n, h = data["n"], expected["h"]
    X, y = np.array(data["X"], dtype=float).reshape(n, -1), np.array(data["y"])
    rows, weight = with_ones(X), np.ones(n)

    def fit(kept):
        coef = np.linalg.lstsq(rows[kept], y[kept], rcond=None)[0]
        return np.roll(coef, 1), y - rows @ coef

    coef, residual = fit(np.array(expected["best_subset_1based"]) - 1)
    assert_allclose(coef, expected["raw_coefficients"], rtol=1e-8)
    mean_square = rs.lts_mean_square(residual, weight, h)
    assert_allclose(mean_square, expected["raw_objective_mean_h"], rtol=1e-8)
    scale = rs.lts_scale(residual, weight, h, expected["raw_cnp2"][1])
    assert_allclose(scale, expected["raw_scale"], rtol=1e-8)
    mask = rs.inlier_mask(residual, scale)
    assert_array_equal(mask, np.array(expected["raw_weights"], dtype=bool))
    assert_allclose(
        rs.robust_r2(residual, y, weight, h), expected["rsquared"], rtol=1e-8
    )

    coef, residual = fit(mask)
    assert_allclose(coef, expected["coefficients"], rtol=1e-8)
    factor = rs.consistency_factor(mask.mean())
    assert_allclose(factor, expected["cnp2"][0], rtol=1e-8)
    scale = rs.reweighted_scale(residual, weight, mask, expected["cnp2"][1])
    assert_allclose(scale, expected["scale"], rtol=1e-8)
    assert_allclose(residual / scale, expected["std_resid"], rtol=1e-8, atol=1e-8)
    mask_of_scale = rs.inlier_mask(residual, scale)
    assert_array_equal(mask_of_scale, np.array(expected["lts_wt"], dtype=bool))
    errors = all_errors(X, residual, weight, mask.astype(float))
    assert_allclose(np.roll(errors, 1), expected["std_errors"], rtol=1e-8)
