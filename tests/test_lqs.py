"""SoftLQSRegressor: robustness, global minima, objective, equivariance, any input."""

import itertools
import pickle
import warnings

import numpy as np
import pytest
from contamination import (
    COEF,
    INTERCEPTS,
    PENALTIES,
    SLOWER_INTERCEPTS,
    contaminated,
)
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import approx_fprime, linprog
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from sksoftrank import SoftLQSRegressor
from sksoftrank.linear._design import LinearDesign
from sksoftrank.losses._trimmed import (
    selection_quantile_loss,
    sorted_quantile_loss,
)
from sksoftrank.robust import _lqs, _lqs_search, _quantile_squares
from sksoftrank.robust._kinked import minimize_kinked
from sksoftrank.robust._lqs_search import QuantileRows, descend_in_bands
from sksoftrank.robust._problem import RobustProblem

HARD = {"epsilon": 0}
SOFT = {"epsilon": 4.0}
FORMULATIONS = [
    pytest.param(HARD, id="hard"),
    pytest.param({"epsilon": 0.3}, id="selection sharp", marks=pytest.mark.slow),
    pytest.param(SOFT, id="selection"),
    pytest.param({"formulation": "sort", "epsilon": 20.0}, id="sort"),
]


def fit(X, y, sample_weight=None, **parameters):
    parameters = {"random_state": 0, "tol": 1e-12, **parameters}
    return SoftLQSRegressor(**parameters).fit(X, y, sample_weight)


def assert_same_fit(first, second, atol=1e-8):
    assert_allclose(first.coef_, second.coef_, rtol=0, atol=atol)
    assert_allclose(first.intercept_, second.intercept_, rtol=0, atol=atol)
    assert_allclose(first.scale_, second.scale_, rtol=0, atol=atol)
    assert_allclose(first.objective_, second.objective_, rtol=atol)


def number_kept(n, p, quantile=0.5):
    half = (n + p + 1) // 2
    return int(np.floor(2 * half - n + 2 * (n - half) * quantile + 1e-9))


# What it is for


@pytest.mark.parametrize("distance", [10, slow(1e3), 1e6])
@pytest.mark.parametrize("outliers", [0.2, 0.4])
def test_resists_vertical_outliers_at_any_distance(outliers, distance):
    X, y, bad = contaminated(400, outliers, distance)
    model = fit(X, y)
    clean = LinearRegression().fit(X[~bad], y[~bad])
    assert_allclose(model.coef_, clean.coef_, rtol=0, atol=0.08)
    assert_allclose(model.intercept_, clean.intercept_, rtol=0, atol=0.08)
    assert_array_equal(model.inlier_weight_[bad], 0)
    assert not model.inlier_mask_[bad].any()
    hard = fit(X, y, **HARD)
    assert_allclose(hard.coef_, COEF, rtol=0, atol=0.5)
    assert not hard.support_[bad].any()


@pytest.mark.parametrize("parameters", [HARD, SOFT, {"epsilon": 0.5}])
def test_resists_bad_leverage_points(parameters):
    X, y, bad = contaminated(300, 0.2, -20.0)
    X[bad, 0] += 10.0
    clean = LinearRegression().fit(X[~bad], y[~bad])
    naive = LinearRegression().fit(X, y)
    model = fit(X, y, **parameters)
    atol = 0.1 if parameters is SOFT else 0.5
    assert_allclose(model.coef_, clean.coef_, rtol=0, atol=atol)
    assert not model.inlier_mask_[bad].any()
    assert_array_equal(model.inlier_weight_[bad], 0)
    assert np.abs(naive.coef_ - clean.coef_).max() > 0.5


@pytest.mark.slow
def test_soft_is_more_efficient_than_hard():
    error = {0: 0.0, 4: 0.0, "least squares": 0.0}
    for seed in range(6):
        X, y, _ = contaminated(200, outliers=0, seed=seed)
        for epsilon in (0, 4):
            model = fit(X, y, epsilon=epsilon)
            error[epsilon] += ((model.coef_ - COEF) ** 2).sum()
        coef = LinearRegression().fit(X, y).coef_
        error["least squares"] += ((coef - COEF) ** 2).sum()
    assert error[4] < 1.35 * error["least squares"]
    assert error[0] > 3 * error[4]


@pytest.mark.slow
def test_sort_breaks_down_under_far_outliers():
    X, y, _ = contaminated(distance=1e4)
    broken = fit(X, y, formulation="sort", epsilon=1.0)
    naive = LinearRegression().fit(X, y)
    assert_allclose(broken.coef_, naive.coef_, rtol=1e-6)
    held = fit(X, y, formulation="sort", epsilon=1e-8)
    assert_allclose(held.coef_, fit(X, y, **HARD).coef_, rtol=0, atol=1e-7)


# The hard fit


def best_corner(X, y, n_kept):
    """Least h-th smallest residual of all minimax fits to q + 1 rows (Stromberg)."""
    n, q = X.shape
    best = np.inf
    for rows in itertools.combinations(range(n), q + 1):
        A, b = X[list(rows)], y[list(rows)]
        dependence = np.linalg.svd(A.T)[2][-1]
        level = dependence @ b / np.abs(dependence).sum()
        z = np.linalg.lstsq(A, b - level * np.sign(dependence), rcond=None)[0]
        best = min(best, np.sort(np.abs(y - X @ z))[n_kept - 1])
    return best


@pytest.mark.parametrize(
    ("n", "p", "fit_intercept"),
    [
        (12, 1, True),
        slow(22, 1, True),
        slow(16, 2, True),
        slow(14, 3, True),
        slow(14, 3, False),
    ],
)
def test_finds_the_best_corner_of_all(n, p, fit_intercept):
    rng = np.random.default_rng(7)
    found = 0
    for case in range(6):
        X, y = rng.standard_normal((n, p)), rng.standard_normal(n)
        if case % 2:
            X[: n // 3, 0] += 5
            y[: n // 3] += 10
        model = fit(X, y, epsilon=0, fit_intercept=fit_intercept)
        Z = np.column_stack([X, np.ones(n)]) if fit_intercept else X
        n_kept = number_kept(n, p + fit_intercept)
        bound = np.sort(np.abs(y - model.predict(X)))[n_kept - 1]
        expected = best_corner(Z, y, n_kept)
        assert bound > expected * (1 - 1e-9)
        assert_allclose(model.objective_, bound**2 / 2, rtol=1e-9)
        found += bound < expected * (1 + 1e-9)
    assert found >= 5


@pytest.mark.parametrize("seed", [36, 12, 24])
def test_tied_rows(seed):
    # Few values: many rows have the same residual, also rows that depend on others.
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (20, 1)).astype(float)
    y = rng.integers(-3, 4, 20) + X[:, 0]
    model = fit(X, y, epsilon=0, n_init=30)
    Z = np.column_stack([X, np.ones(20)])
    bound = best_corner(Z, y, number_kept(20, 2))
    assert_allclose(np.sqrt(2 * model.objective_), bound, rtol=1e-9)


@pytest.mark.slow
def test_rounds_of_draws_from_the_kept_rows_pay(monkeypatch):
    rng = np.random.default_rng(0)
    cases = [(rng.standard_normal((80, 6)), rng.standard_normal(80)) for _ in range(4)]
    many = [fit(X, y, **HARD).objective_ for X, y in cases]
    effort = _lqs_search.THOROUGH._replace(n_rounds=1)
    monkeypatch.setattr(_lqs_search, "THOROUGH", effort)
    one = [fit(X, y, **HARD).objective_ for X, y in cases]
    monkeypatch.setattr(_lqs_search, "THOROUGH", effort._replace(n_best=1))
    least = [fit(X, y, **HARD).objective_ for X, y in cases]
    assert np.mean(many) < 0.95 * np.mean(one)
    assert np.mean(one) < np.mean(least)


@pytest.mark.slow
def test_better_than_least_trimmed_squares_by_its_own_measure():
    ratio = []
    for seed in range(4):
        X, y, _ = contaminated(60, seed=seed)
        n_kept = number_kept(60, 4)
        problem = problem_of(X, y)
        start = problem.start(
            "auto",
            n_init=50,
            random_state=np.random.RandomState(0),
            n_jobs=None,
            max_iter=100,
            tol=1e-8,
        )
        size = np.sort(np.abs(problem.residual(start.z)))[n_kept - 1] * problem.unit
        bound = np.sqrt(2 * fit(X, y, **HARD).objective_)
        assert bound < size
        ratio.append(bound / size)
    assert np.mean(ratio) < 0.9


@INTERCEPTS
@pytest.mark.parametrize("n", [60, 400])
def test_hard_fit_is_minimax_on_the_kept_rows(n, fit_intercept):
    X, y, _ = contaminated(n)
    model = fit(X, y, epsilon=0, fit_intercept=fit_intercept)
    size = np.abs(y - model.predict(X))
    n_kept = number_kept(n, 3 + fit_intercept)
    bound = np.sort(size)[n_kept - 1]
    assert np.isclose(size, bound, rtol=1e-9).sum() == 4 + fit_intercept
    assert_array_equal(model.support_, size <= bound * (1 + 1e-9))
    assert model.support_.sum() == n_kept
    assert_array_equal(model.inlier_weight_, model.support_)

    Z = np.column_stack([X, np.ones(n)]) if fit_intercept else X
    Z, target = Z[model.support_], y[model.support_]
    minus = -np.ones((n_kept, 1))
    result = linprog(
        np.append(np.zeros(Z.shape[1]), 1),
        A_ub=np.block([[Z, minus], [-Z, minus]]),
        b_ub=np.append(target, -target),
        bounds=(None, None),
    )
    assert_allclose(bound, result.fun, rtol=1e-9)
    assert_allclose(model.coef_, result.x[:3], rtol=0, atol=1e-8)


def test_hard_fit_with_a_penalty_is_a_local_minimum():
    X, y, _ = contaminated(80)
    model = fit(X, y, epsilon=0, alpha=3.0)
    n_kept = number_kept(80, 4)
    scale = X.std(axis=0)

    def objective(coef, intercept):
        bound = np.sort(np.abs(y - X @ coef - intercept))[n_kept - 1]
        return bound**2 / 2 + 1.5 * ((scale * coef) ** 2).sum()

    minimum = objective(model.coef_, model.intercept_)
    assert_allclose(model.objective_, minimum, rtol=1e-9)
    rng = np.random.default_rng(0)
    for size in (1e-6, 1e-4, 1e-3):
        for step in size * rng.standard_normal((50, 4)):
            moved = objective(model.coef_ + step[:3], model.intercept_ + step[3])
            assert moved > minimum * (1 - 1e-9)


def test_maximum_residual():
    X, y, _ = contaminated(50)
    model = fit(X, y, epsilon=0, quantile=1)
    result = linprog(
        [0, 0, 0, 0, 1],
        A_ub=np.block(
            [
                [X, np.ones((50, 1)), -np.ones((50, 1))],
                [-X, -np.ones((50, 1)), -np.ones((50, 1))],
            ]
        ),
        b_ub=np.append(y, -y),
        bounds=(None, None),
    )
    assert_allclose(np.sqrt(2 * model.objective_), result.fun, rtol=1e-9)
    assert_allclose(model.coef_, result.x[:3], rtol=1e-7)


def test_level_is_the_middle_of_the_shortest_interval():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal((40, 2)), np.ones(40)])
    y, weight = rng.standard_normal(40), rng.integers(1, 4, 40).astype(float)
    z = rng.standard_normal((5, 3))
    rows = QuantileRows(X, y, weight, 50.0)
    moved, bound = rows.level(z, np.array([0.0, 0.0, 1.0]))
    for i in range(5):
        residual = np.sort(np.repeat(y - X @ z[i], weight.astype(int)))
        width = residual[49:] - residual[: residual.size - 49]
        j = width.argmin()
        assert_allclose(2 * bound[i], width[j], rtol=1e-12)
        middle = (residual[j] + residual[j + 49]) / 2
        assert_allclose(moved[i] - z[i], [0, 0, middle], rtol=0, atol=1e-12)
        assert_allclose(rows.bound(moved[i]), bound[i], rtol=1e-12)


def test_bands_find_a_corner_of_all_rows(monkeypatch):
    X, y, _ = contaminated(500)
    design = LinearDesign(X, np.ones(500), fit_intercept=True, alpha=0.0)
    control = {"max_iter": 1000, "zero": 0.0}
    data = design, y, np.ones(500), 252.0, design.coordinates(COEF, 4.0)
    before = np.sort(np.abs(y - X @ COEF - 4))[251]
    for size in (500, 40):
        monkeypatch.setattr(_lqs_search, "BAND_SIZE", size)
        z, value, _, message = descend_in_bands(*data, **control)
        residual = np.sort(np.abs(y - design.predict(z)))
        assert message is None
        assert_allclose(value, residual[251] ** 2 / 2, rtol=1e-12)
        assert_allclose(residual[247:252], residual[251], rtol=1e-10)
        assert residual[251] < before
        whole = QuantileRows(design.rows(np.arange(500)), *data[1:4])
        again = whole.descend(z, 10)
        assert_allclose(again[1], residual[251], rtol=0.05 if size == 40 else 1e-9)


def test_minimum_at_a_kink():
    centre = np.arange(1.0, 7.0)
    root = np.random.default_rng(0).standard_normal((6, 6))

    def function(x):  # steep across a plane, flat in it
        u = root @ (x - centre)
        value = 10 * np.abs(u[:2]).sum() + 0.5 * (u[2:] ** 2).sum()
        return value, root.T @ np.append(10 * np.sign(u[:2]), u[2:])

    found = minimize_kinked(function, np.zeros(6), max_iter=500, tol=0)
    assert_allclose(found.z, centre, rtol=1e-5)
    assert found.message is None
    assert 5 < found.n_iter < 500
    cut = minimize_kinked(function, np.zeros(6), max_iter=3, tol=0)
    assert cut.message == "3 iterations were not enough."


@pytest.mark.slow
def test_large_data_are_searched_in_a_sample(monkeypatch):
    X, y, bad = contaminated(600, 0.3)
    whole = fit(X, y, **HARD)
    monkeypatch.setattr(_lqs_search, "MAX_DRAWN", 100)
    monkeypatch.setattr(_lqs_search, "BAND_SIZE", 100)
    sampled = fit(X, y, **HARD)
    assert_allclose(sampled.objective_, whole.objective_, rtol=0.2)
    assert not sampled.support_[bad].any()
    weighted = fit(X, y, np.where(bad, 0, 2.5), **HARD)
    assert not weighted.support_[bad].any() or weighted.objective_ < whole.objective_


def test_weights_in_any_layout():
    X, y, _ = contaminated(60)
    expected = fit(X, y, np.full(60, 2.0), **HARD)
    for weight in (np.full(120, 2.0)[::2], np.broadcast_to(2.0, 60)):
        assert_array_equal(fit(X, y, weight, **HARD).coef_, expected.coef_)


# The objective


def problem_of(X, y, sample_weight=None, alpha=0.0):
    if sample_weight is not None:
        sample_weight = np.asarray(sample_weight, dtype=np.float64)
    return RobustProblem(X, y, sample_weight, trim=0.5, alpha=alpha, fit_intercept=True)


@pytest.mark.parametrize("parameters", FORMULATIONS)
@PENALTIES
@SLOWER_INTERCEPTS
def test_objective_is_the_documented_one_at_a_minimum(parameters, fit_intercept, alpha):
    X, y, _ = contaminated(distance=3)
    X = X * [1, 100, 0.01]
    model = fit(X, y, **parameters, fit_intercept=fit_intercept, alpha=alpha)
    n_kept = number_kept(150, 3 + fit_intercept)
    scale = X.std(axis=0) if fit_intercept else np.sqrt((X**2).mean(axis=0))
    s0 = model.raw_scale_

    def objective(coef, intercept):
        losses = (y - X @ coef - intercept) ** 2 / (2 * s0**2)
        if parameters.get("formulation") == "sort":
            value = sorted_quantile_loss(losses, n_kept, parameters["epsilon"])[0]
        else:
            value = selection_quantile_loss(
                losses, n_kept - 0.5, parameters["epsilon"]
            )[0]
        return s0**2 * value + alpha / 2 * ((scale * coef) ** 2).sum()

    minimum = objective(model.coef_, model.intercept_)
    assert_allclose(model.objective_, minimum, rtol=1e-9)
    rng = np.random.default_rng(0)
    for size in (1e-5, 1e-3):
        for _ in range(20):
            step = size * rng.standard_normal(4)
            step[:3] /= scale
            moved = objective(
                model.coef_ + step[:3], model.intercept_ + step[3] * fit_intercept
            )
            assert moved > minimum * (1 - 1e-12)


@pytest.mark.parametrize("parameters", FORMULATIONS[1:])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient(parameters, weighted):
    X, y, _ = contaminated()
    weight = np.random.default_rng(1).integers(0, 3, 150) if weighted else None
    squares = _quantile_squares.QuantileSquares(
        problem_of(X, y, weight, alpha=0.2),
        0.3,
        parameters["epsilon"],
        parameters.get("formulation", "selection"),
    )
    for z in np.random.default_rng(2).standard_normal((5, 4)):
        numeric = approx_fprime(z, lambda z: squares.evaluate(z)[0], 1e-8)
        assert_allclose(squares.evaluate(z)[1], numeric, rtol=1e-5, atol=1e-6)


def test_soft_fit_is_least_squares_on_the_rows_that_are_not_skipped():
    X, y, _ = contaminated(distance=4)
    model = fit(X, y)
    losses = (y - model.predict(X)) ** 2 / (2 * model.raw_scale_**2)
    part = selection_quantile_loss(losses, number_kept(150, 4) - 0.5, 4.0)[1] > 0
    assert 75 < part.sum() < 150
    again = LinearRegression().fit(X[part], y[part])
    assert_allclose(model.coef_, again.coef_, rtol=1e-9)
    assert_allclose(model.intercept_, again.intercept_, rtol=1e-9)


@pytest.mark.parametrize("formulation", ["selection", "sort"])
@pytest.mark.parametrize("epsilon", [1e8, slow(1e20), 1e300])
@INTERCEPTS
def test_large_epsilon_is_least_squares(formulation, epsilon, fit_intercept):
    X, y, _ = contaminated()
    common = {"formulation": formulation, "fit_intercept": fit_intercept}
    model = fit(X, y, epsilon=epsilon, **common)
    naive = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    assert_allclose(model.coef_, naive.coef_, rtol=1e-6)
    assert_allclose(model.intercept_, naive.intercept_, rtol=1e-6)
    loss = ((y - naive.predict(X)) ** 2).mean() / 2
    # The spacing of the soft sort remains.
    assert_allclose(model.objective_, loss, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("formulation", ["selection", "sort"])
def test_small_epsilon_is_hard(formulation):
    X, y, _ = contaminated()
    hard = fit(X, y, **HARD)
    sharp = fit(X, y, formulation=formulation, epsilon=1e-7)
    assert_allclose(sharp.objective_, hard.objective_, rtol=1e-5)
    assert_allclose(sharp.coef_, hard.coef_, rtol=0, atol=1e-4)
    assert_array_equal(sharp.support_, hard.support_)


@pytest.mark.slow
def test_quantile():
    X, y, _ = contaminated(200, 0.2)
    size = {}
    for quantile in (0.5, 0.75, 1.0):
        model = fit(X, y, quantile=quantile, **HARD)
        n_kept = number_kept(200, 4, quantile)
        size[quantile] = np.sort(np.abs(y - model.predict(X)))[n_kept - 1]
        assert_allclose(model.objective_, size[quantile] ** 2 / 2, rtol=1e-9)
        assert model.support_.sum() == n_kept
        part = (n_kept - 0.5) / 200
        scale = size[quantile] / norm.ppf((1 + part) / 2)
        assert_allclose(model.scale_, scale, rtol=1e-9)
        residual = np.abs(y - model.predict(X))
        assert_array_equal(model.inlier_mask_, residual <= 2.2414027 * scale)
    assert size[0.5] < size[0.75] < size[1.0]
    hard = fit(X, y, quantile=0.75, epsilon=0)
    assert_allclose(hard.inlier_weight_.sum(), 151, rtol=1e-12)


def test_scale_is_consistent():
    X, y, _ = contaminated(5000, outliers=0)
    for quantile in (0.5, 0.8):
        model = fit(X, 3 * y, quantile=quantile)
        assert_allclose(model.scale_, 3.0, rtol=0.06)


# Equivariance and weights


@pytest.mark.parametrize("parameters", FORMULATIONS)
@SLOWER_INTERCEPTS
@pytest.mark.parametrize(("x_unit", "y_unit"), [slow(1e6, 1e-6), (1e-9, 1e12)])
def test_units_do_not_matter(parameters, fit_intercept, x_unit, y_unit):
    X, y, _ = contaminated()
    parameters = {**parameters, "fit_intercept": fit_intercept}
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
    assert_allclose(moved.objective_, model.objective_, rtol=1e-8)


@pytest.mark.slow
def test_hard_fits_hardly_depend_on_the_seed():
    X, y, _ = contaminated()
    found = [fit(X, y, **HARD, random_state=i).objective_ for i in range(12)]
    assert np.count_nonzero(np.divide(found, min(found)) > 1 + 1e-6) <= 1


@pytest.mark.parametrize("parameters", FORMULATIONS)
@pytest.mark.parametrize("alpha", [0.0, slow(0.1)])
def test_weights_are_repeats_and_zero_is_removed(parameters, alpha):
    X, y, _ = contaminated(distance=5)
    parameters = {**parameters, "alpha": alpha}
    weight = np.random.default_rng(1).integers(0, 4, y.size)
    weighted = fit(X, y, weight, **parameters)
    repeated = fit(X.repeat(weight, axis=0), y.repeat(weight), **parameters)
    removed = fit(X[weight > 0], y[weight > 0], weight[weight > 0], **parameters)
    for other in (repeated, removed):
        assert_same_fit(weighted, other)
    unweighted = fit(X, y, **parameters)
    assert np.abs(unweighted.coef_ - weighted.coef_).max() > 1e-3


def test_bad_weights():
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match="sample_weight must not be zero everywhere"):
        fit(X, y, np.zeros(150))
    with pytest.raises(ValueError, match=r"sample_weight must be at least 0, got -1.0"):
        fit(X, y, np.r_[-1.0, np.ones(149)])
    with pytest.raises(ValueError, match=r'whole numbers.*formulation="selection"'):
        fit(X, y, np.full(150, 1.5), formulation="sort")
    fractions = np.random.default_rng(0).uniform(0.5, 1.5, 150)
    for epsilon in (0, 4):
        model = fit(X, y, fractions, epsilon=epsilon)
        assert_allclose(model.coef_, COEF, rtol=0, atol=0.5)


# Any input


@pytest.mark.slow
@pytest.mark.parametrize("container", [sparse.csr_array, slow(sparse.csc_matrix)])
@INTERCEPTS
def test_sparse(container, fit_intercept):
    X, y, bad = contaminated(300, 0.2)
    X[np.abs(X) < 0.5] = 0
    S = container(X)
    for epsilon in (0, 4.0):
        parameters = {"epsilon": epsilon, "fit_intercept": fit_intercept}
        dense = fit(X, y, **parameters)
        model = fit(S, y, **parameters)
        assert_allclose(model.predict(S), model.predict(X), rtol=0, atol=1e-12)
        # The search for the start differs, which its scale tells.
        ratio = (model.raw_scale_ / dense.raw_scale_) ** 2 if epsilon else 1.0
        assert_allclose(model.objective_, ratio * dense.objective_, rtol=0.05)
        assert not model.support_[bad].any()
        if epsilon == 0:
            size = np.abs(y - model.predict(X))
            bound = np.sqrt(2 * model.objective_)
            assert np.isclose(size, bound, rtol=1e-8).sum() == 4 + fit_intercept


def test_hard_fit_needs_a_moderate_rank(monkeypatch):
    X, y, _ = contaminated()
    for module in (_lqs, _quantile_squares):
        monkeypatch.setattr(module, "MAX_SEARCH_COORDINATES", 3)
    message = "epsilon must be above 0 to fit more than 3 coefficients, got 0"
    with pytest.raises(ValueError, match=message):
        fit(X, y, **HARD)
    assert_allclose(fit(X, y, epsilon=0.01).coef_, COEF, rtol=0, atol=0.6)
    fit(X[:, :2], y, **HARD)


@pytest.mark.parametrize("parameters", FORMULATIONS)
@pytest.mark.parametrize("distance", [0, 1, 1e6])
@INTERCEPTS
def test_exact_fit(parameters, distance, fit_intercept):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    plane = X @ COEF + 4 * fit_intercept
    bad = np.arange(60) < 12
    y = plane + distance * bad * rng.uniform(1, 2, 60)
    model = fit(X, y, **parameters, fit_intercept=fit_intercept)
    assert_allclose(model.predict(X), plane, rtol=0, atol=1e-9)
    assert model.scale_ == 0
    assert_array_equal(model.inlier_mask_, ~bad if distance else True)
    assert_allclose(model.objective_, 0, rtol=0, atol=1e-15)
    assert_array_equal(model.inlier_weight_, model.inlier_mask_)


@pytest.mark.slow
@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_odd_data(parameters):
    X, y, _ = contaminated()
    constant = fit(np.column_stack([X, np.full(150, 1e3 / 3)]), y, **parameters)
    assert constant.coef_[3] == 0
    twice = fit(X[:, [0, 1, 2, 0]], y, **parameters)
    assert_allclose(twice.predict(X[:, [0, 1, 2, 0]]).std(), 2.4, rtol=0.2)
    flat = fit(np.ones((150, 2)), y, **parameters)
    assert_array_equal(flat.coef_, 0)
    assert 2 < flat.intercept_ < 9
    nothing = fit(X * 0, y, **parameters, fit_intercept=False)
    assert_array_equal(nothing.coef_, 0)
    assert nothing.scale_ > 0
    single = fit([[2.0]], [3.0], **parameters)
    assert_allclose(single.predict([[2.0], [5.0]]), 3.0, rtol=1e-12)
    assert single.scale_ == 0
    zero = fit(X, np.full(150, 0.1), **parameters)
    assert_array_equal(zero.coef_, 0)
    assert zero.scale_ == zero.objective_ == 0
    ties = fit(X.round(), y.round(), **parameters)
    assert_allclose(ties.coef_, COEF, rtol=0, atol=2)
    wide, target = make_regression(12, 20, noise=1, random_state=0)
    model = fit(wide, target, **parameters, alpha=0.3)
    assert np.isfinite(model.coef_).all()
    dummy = fit(np.column_stack([X, np.arange(150) < 4]), y, **parameters)
    assert np.isfinite(dummy.coef_).all()


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [0, 0.3, 4.0])
def test_units_up_to_overflow(epsilon):
    X, y, _ = contaminated(60)
    model = fit(X, y, epsilon=epsilon)
    for unit in (1e300, 1e-300):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scaled = fit(X, unit * y, epsilon=epsilon)
        assert_allclose(scaled.coef_ / unit, model.coef_, rtol=0, atol=1e-7)
    y[0] = 1e150
    with pytest.raises(ValueError, match=r"y must not hold values further than"):
        fit(X, y, epsilon=epsilon)


def test_without_random_draws():
    X, y, _ = contaminated()
    for epsilon in (0, 4):
        model = fit(X, y, epsilon=epsilon, n_init=0)
        assert_allclose(model.coef_, COEF, rtol=0, atol=0.6)
    more = fit(X, y, epsilon=0, n_init=2500)  # in batches
    assert more.objective_ < fit(X, y, epsilon=0, n_init=0).objective_


def test_not_converged():
    X, y, _ = contaminated()
    with pytest.warns(ConvergenceWarning, match="SoftLQSRegressor did not") as record:
        model = fit(X, y, epsilon=0.3, max_iter=2)
    assert record[0].filename == __file__
    assert np.isfinite(model.coef_).all()


def test_verbose_clone_pickle_and_dtype(capsys):
    X, y, _ = contaminated()
    model = fit(X.astype(np.float32), y, verbose=2, epsilon=0.3)
    lines = capsys.readouterr().out.splitlines()
    assert "search: 150 rows, 4 coefficients, 77 rows to keep" in lines[0]
    assert lines[1].endswith(" fits by trimmed squares; now by quantiles")
    assert lines[2].startswith("[SoftLQSRegressor] start: ")
    assert "iteration 10, objective" in lines[3]
    assert f"scale {model.scale_:.6g}" in lines[-1]
    assert model.coef_.dtype == np.float32
    assert isinstance(model.intercept_, float)
    assert isinstance(model.scale_, float)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(X), model.predict(X))
    assert not hasattr(clone(model), "coef_")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"formulation": "rank"}, "'formulation' parameter .* must be a str among"),
        ({"quantile": 0.4}, r"'quantile' parameter .* range \[0.5, 1.0\]. Got 0.4"),
        ({"quantile": 1.1}, r"'quantile' parameter .* range \[0.5, 1.0\]. Got 1.1"),
        ({"epsilon": -1}, r"'epsilon' parameter .* in the range \[0.0, inf\). Got -1"),
        ({"epsilon": np.nan}, r"'epsilon' parameter .* \[0.0, inf\). Got nan"),
        ({"alpha": -1}, r"'alpha' parameter .* in the range \[0.0, inf\). Got -1"),
        ({"n_init": -1}, "'n_init' parameter .* Got -1"),
        ({"max_iter": 0}, r"'max_iter' parameter .* in the range \[1, inf\). Got 0"),
    ],
)
def test_bad_parameters(parameters, message):
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match=message):
        SoftLQSRegressor(**parameters).fit(X, y)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_data(bad):
    X, y, _ = contaminated()
    word = "NaN" if np.isnan(bad) else "infinity"
    X_bad, y_bad = X.copy(), y.copy()
    X_bad[3, 1] = y_bad[3] = bad
    with pytest.raises(ValueError, match=f"Input X contains {word}"):
        fit(X_bad, y)
    with pytest.raises(ValueError, match=f"Input y contains {word}"):
        fit(X, y_bad)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("n", [4, slow(12)])
def test_moves_within_rounding_end_the_search(fit_intercept, n):
    # The penalty is so much larger along one direction that steps in its null space
    # round to some other step, and gain what rounding says.
    rng = np.random.default_rng(0)
    for shift, size in [(1e8, 1.0), (0.0, 1e6), (1e8, 0.1)]:
        X = shift + size * rng.standard_normal((n, 4 - (n == 4)))
        X[:, 1] = X[:, 0] * (1 + 1e-10 * rng.standard_normal(n))
        y = 1e12 * rng.standard_normal(n)
        options = {"epsilon": 0, "alpha": 10, "fit_intercept": fit_intercept}
        # Each of some hundred descents would take all moves.
        model = fit(X, y, **options, max_iter=1000, tol=1e-8)
        assert model.n_iter_ < 4000
