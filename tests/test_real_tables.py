"""Robust fits of tables that people have: dummies, fill values, equal columns."""

import gzip
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from sksoftrank import SoftLQSRegressor, SoftLTSRegressor, SoftLTSRegressorCV
from sksoftrank.robust._far_rows import FAR, near_weight

TABLES = Path(__file__).parents[2] / "shared" / "reference" / "r_tables.json.gz"

FITS = {
    "soft": SoftLTSRegressor(random_state=0),
    "hard": SoftLTSRegressor(epsilon=0, random_state=0),
    "reweighted": SoftLTSRegressor(reweight=True, random_state=0),
    "sort": SoftLTSRegressor(formulation="sort", epsilon=0.1, random_state=0),
    "LQS": SoftLQSRegressor(random_state=0),
    "hard LQS": SoftLQSRegressor(epsilon=0, random_state=0),
}
fits = pytest.mark.parametrize("model", FITS.values(), ids=FITS.keys())


def r_tables():
    if not TABLES.exists():
        pytest.skip("no ../shared/reference/r_tables.json.gz")
    with gzip.open(TABLES) as file:
        return {table["name"]: table for table in json.load(file)}


# Nearly equal columns


def nearly_equal(kind, n, size, part, rng):
    """Two columns that differ by `size` (relative to their spread) in some rows."""
    differs = rng.permutation(n)[: max(round(part * n), 1)]
    if kind == "Fahrenheit":
        first = rng.normal(20, 8, n).round(1)
        second = 1.8 * first + 32
        second[differs] += size * 8
    elif kind == "start and end":  # in unix seconds
        first = 1.6e9 + rng.integers(0, 3e7, n)
        second = first.copy()
        second[differs] += np.maximum(
            np.round(size * 1e7 * rng.random(differs.size)), 1
        )
    else:
        assert kind == "list and paid price"
        first = np.round(rng.lognormal(3, 1, n), 2)
        second = first.copy()
        second[differs] *= 1 - size
    return np.column_stack([first, second])


KINDS = ["Fahrenheit", "start and end", "list and paid price"]


# Of few rows most may disagree about the difference.
@pytest.mark.filterwarnings("ignore:The rows that .* keeps do not determine")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trials", [[0], slow(range(1, 8))])
@pytest.mark.parametrize("n", [50, slow(200), slow(1000)])
@pytest.mark.parametrize("has_outliers", [slow(False), True])
def test_nearly_equal_columns(kind, n, has_outliers, trials):
    for trial in trials:
        rng = np.random.default_rng((n, KINDS.index(kind), trial))
        size = 10.0 ** -rng.integers(1, 11)
        X = nearly_equal(kind, n, size, rng.choice([0.05, 0.15, 0.3, 0.45]), rng)
        X = np.hstack([X, rng.standard_normal((n, trial % 3))])
        signal = (
            (X - X.mean(axis=0))
            / X.std(axis=0)
            @ np.append(1.0, np.ones(X.shape[1] - 1) * (np.arange(1, X.shape[1]) > 1))
        )
        y = signal + 0.1 * rng.standard_normal(n)
        clean = np.ones(n, dtype=bool)
        if has_outliers:
            clean[rng.permutation(n)[: n // 5]] = False
            y[~clean] += 10 + rng.random(n - clean.sum())
        least = LinearRegression().fit(X[clean], y[clean])
        goal = r2_score(y[clean], least.predict(X[clean])) - 0.05
        for name, model in FITS.items():
            if has_outliers and name == "sort":
                continue  # it breaks down
            if name == "hard LQS" and (n > 50 or trial > 2):
                continue  # it takes long
            model.fit(X, y)
            assert r2_score(y[clean], model.predict(X[clean])) > goal, (name, trial)
        model = SoftLTSRegressor(random_state=0).fit(sparse.csr_array(X), y)
        assert r2_score(y[clean], model.predict(X[clean])) > goal, trial


@pytest.mark.slow
def test_nearly_equal_columns_of_the_search_by_cross_validation():
    for trial in range(3):
        rng = np.random.default_rng(trial)
        X = nearly_equal(KINDS[trial], 120, 1e-6, 0.1, rng)
        y = (X[:, 0] - X[:, 0].mean()) / X[:, 0].std() + 0.2 * rng.standard_normal(120)
        model = SoftLTSRegressorCV(random_state=0).fit(X, y)
        goal = LinearRegression().fit(X, y).score(X, y) - 0.05
        assert model.score(X, y) > goal


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_differences_by_rounding_are_noise_and_others_are_data(dtype):
    rng = np.random.default_rng(0)
    celsius = rng.normal(20, 8, 200)
    X = np.column_stack([celsius, 1.8 * celsius + 32]).astype(dtype)
    y = celsius + rng.standard_normal(200)
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    once = SoftLTSRegressor(random_state=0).fit(X[:, :1], y)
    assert_allclose(model.predict(X), once.predict(X[:, :1]), rtol=0, atol=1e-3)
    assert np.abs(model.coef_).max() < 1
    X[:, 1] += 1e-3 * rng.standard_normal(200).astype(dtype)  # meant
    y += 1e3 * (X[:, 1] - (1.8 * X[:, 0].astype(float) + 32))
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    assert_allclose(model.coef_[1], 1e3, rtol=0.2)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
@fits
def test_single_precision_rounding_is_noise_where_few_rows_differ(model, convert):
    if model is FITS["hard LQS"]:
        pytest.skip("it takes long")
    rng = np.random.default_rng(0)
    celsius = rng.normal(20, 8, 50).round(1)
    fahrenheit = 1.8 * celsius + 32
    fahrenheit[[0, 8]] += 0.1
    X = np.column_stack([celsius, fahrenheit, rng.standard_normal((50, 2))])
    X = X.astype(np.float32)
    y = celsius + X[:, 2] + X[:, 3] + rng.standard_normal(50)
    model.fit(convert(X), y)
    # In single precision predictions of coefficients of 100 have errors of .01.
    assert np.abs(model.coef_).max() < 100
    assert r2_score(y, model.predict(X)) > 0.9


@pytest.mark.slow
def test_lqs_stays_near_its_start():
    # Two differences, of .0001 in two rows and of 1e-8 in three.
    rng = np.random.default_rng([0, 50, 5])
    first = rng.random(50) < 0.05
    first[0] = True
    base, others = rng.normal(20, 8, 50).round(1), rng.standard_normal((50, 2))
    second = base + 1e-4 * first
    third = second + 1e-8 * (rng.random(50) < 0.05)
    X = np.column_stack([base, second, third, others])
    y = base + others.sum(axis=1) + rng.standard_normal(50)
    goal = LinearRegression().fit(X, y).score(X, y) - 0.05
    for epsilon in (1, 2, 4, 8):
        model = SoftLQSRegressor(epsilon=epsilon, random_state=0).fit(X, y)
        assert model.score(X, y) > goal


# Directions that the kept half does not see


@fits
def test_a_dummy_of_an_exact_majority(model):
    rng = np.random.default_rng(0)
    x, dummy = rng.standard_normal(200), np.arange(200) % 5 == 0
    y = x + 6 + 5 * dummy
    y[:2] += [3.0, -7.0]
    model.fit(np.column_stack([x, dummy]), y)
    assert_allclose(model.coef_, [1, 5], rtol=1e-8)
    assert_allclose(model.intercept_, 6, rtol=1e-8)
    assert model.inlier_mask_.sum() == 198
    assert model.scale_ == 0


@fits
@pytest.mark.parametrize("n_rare", [slow(1), 3, slow(10), slow(60)])
@pytest.mark.parametrize("effect", [slow(0.0), slow(5.0), 50.0])
def test_rare_columns_keep_their_coefficients(model, n_rare, effect):
    if model.get_params().get("formulation") == "sort":
        pytest.skip("breaks down under outliers")
    rng = np.random.default_rng(n_rare)
    X = np.column_stack([rng.standard_normal(300), np.arange(300) < n_rare])
    y = X @ [1.0, effect] + 0.2 * rng.standard_normal(300)
    y[200:240] += 10.0
    model.fit(X, y)
    assert_allclose(model.coef_, [1.0, effect], rtol=0, atol=0.6 if n_rare < 4 else 0.3)
    assert_array_equal(model.inlier_mask_[200:240], False)
    if hasattr(model, "stderr_") and model.stderr_ is not None:
        assert np.isfinite(model.stderr_).all()


def one_hot(n, n_levels, rng):
    probability = np.arange(1, n_levels + 1) ** -1.5
    level = rng.choice(n_levels, n, p=probability / probability.sum())
    return np.eye(n_levels)[level]


@pytest.mark.parametrize("seed", [1, *map(slow, (5, 9, 14, 19, 31, 45, 63))])
def test_rare_columns_without_outliers(seed):
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((100, 2)), 0.5 * rng.standard_normal(100)
    amount = np.where(rng.random((100, 1)) < 0.05, rng.lognormal(1, 1, (100, 1)), 0)
    for columns in (one_hot(100, 6, rng), one_hot(100, 12, rng), amount):
        X = np.hstack([x, columns])
        y = X @ np.append([1, -1], 4 * rng.standard_normal(X.shape[1] - 2)) + noise
        model = SoftLTSRegressor(random_state=0).fit(X, y)
        expected = LinearRegression().fit(X, y).predict(X)
        assert_allclose(model.predict(X), expected, rtol=0, atol=1.5)


@fits
def test_rows_that_disagree_tell_no_coefficient(model):
    if model.get_params().get("formulation") == "sort":
        pytest.skip("breaks down under outliers")
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.standard_normal(100), "rare": 0.0, "other": 0.0})
    X.loc[[3, 50], "rare"] = 1.0
    X.loc[[4, 51, 52], "other"] = 1.0
    y = X["x"] + 2 * X["other"] + 0.1 * rng.standard_normal(100)
    y[3] += 40.0
    y[50] -= 300.0
    with pytest.warns(UserWarning, match="coefficients of column 'rare': ") as record:
        model.fit(X, y)
    (warning,) = record
    assert warning.filename == __file__
    assert_allclose(model.coef_[[0, 2]], [1, 2], rtol=0, atol=0.5)
    if getattr(model, "stderr_", None) is not None:
        assert_array_equal(np.isinf(model.stderr_), [False, True, False])


def test_weights_are_repeats_where_rows_are_rare():
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.standard_normal(80), np.arange(80) < 3])
    y = X @ [1.0, 4.0] + 0.3 * rng.standard_normal(80)
    weight = rng.integers(0, 4, 80)
    weighted = SoftLTSRegressor(random_state=0).fit(X, y, weight)
    repeats = np.repeat(np.arange(80), weight)
    repeated = SoftLTSRegressor(random_state=0).fit(X[repeats], y[repeats])
    assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-6)
    assert_allclose(weighted.stderr_, repeated.stderr_, rtol=1e-6)


# Fill values


@pytest.mark.filterwarnings("ignore:.* far from all other values")
@pytest.mark.parametrize("convert", [np.asarray, slow(sparse.csr_array)])
@pytest.mark.parametrize("size", [-999, *map(slow, (1e4, 1e8, 1e14, 1e20)), 1e36])
@pytest.mark.parametrize("all_columns", [slow(False), True])
@pytest.mark.parametrize("part", [slow(0.1), 0.4])
def test_fill_values(size, all_columns, part, convert):
    rng = np.random.default_rng(0)
    X = rng.normal(5, 2, (300, 4)).round(2)
    y = X @ [1.0, -1.0, 0.0, 0.5] + rng.standard_normal(300)
    filled, n_bad = X.copy(), round(300 * part)
    filled[:n_bad, slice(None) if all_columns else 2] = size
    for parameters in [{}, {"epsilon": 0, "reweight": True}, {"init": "ls"}]:
        model = SoftLTSRegressor(random_state=0, **parameters)
        clean = SoftLTSRegressor(random_state=0, **parameters)
        clean.fit(X[n_bad:], y[n_bad:])
        model.fit(convert(filled), y)
        difference = np.abs(model.coef_ - clean.coef_) / clean.stderr_
        assert difference.max() < 0.2
    model = SoftLQSRegressor(random_state=0).fit(filled, y)
    clean = SoftLQSRegressor(random_state=0).fit(X[n_bad:], y[n_bad:])
    assert_allclose(model.coef_, clean.coef_, rtol=0, atol=0.05)


@pytest.mark.parametrize("size", [-9999.0, 1e20])
@pytest.mark.parametrize("n_bad", [slow(30), 60, slow(100)])
def test_fill_values_of_mostly_equal_features(n_bad, size):
    rng = np.random.default_rng(0)
    count = np.where(rng.random(300) < 0.25, rng.integers(1, 6, 300), 0.0)
    X = np.column_stack([rng.standard_normal((300, 2)), count])
    y = X @ [1.0, -1.0, 2.0] + rng.standard_normal(300)
    expected = SoftLTSRegressor(random_state=0).fit(X[n_bad:], y[n_bad:])
    X[:n_bad, 2] = size
    with pytest.warns(UserWarning, match=f"{n_bad} of the {n_bad} rows with column 2"):
        model = SoftLTSRegressor(random_state=0).fit(X, y)  # takes them for no group
    assert_allclose(model.coef_, expected.coef_, rtol=0, atol=1e-8)


@pytest.mark.filterwarnings("ignore:.* far from all other values")
def test_far_values_of_several_sizes_and_signs():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((400, 3))
    y = X.sum(axis=1) + 0.5 * rng.standard_normal(400)
    expected = SoftLTSRegressor(random_state=0).fit(X[90:], y[90:])
    X[:30, 0] = -1e30 * rng.random(30)
    X[30:60, 1] = 999999.0
    X[60:90, 2] = np.repeat([1e10, -1e20, 1e100], 10)
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    assert_allclose(model.coef_, expected.coef_, rtol=0, atol=1e-8)


def test_long_tails_and_ordinary_outliers_are_not_far():
    rng = np.random.default_rng(0)
    tail = rng.pareto(0.8, 5000)
    assert tail.max() > 10 * FAR * np.median(tail)
    mostly_zero = np.where(rng.random(5000) < 0.9, 0, rng.lognormal(5, 2, 5000))
    dummy = np.arange(5000) < 3
    leverage = rng.standard_normal(5000)
    leverage[:1000] += 50
    X = np.column_stack([tail, mostly_zero, dummy, leverage])
    weight = np.ones(5000)
    low, high = X.min(axis=0), X.max(axis=0)
    assert near_weight(X, weight, low, high) is weight
    assert near_weight(sparse.csr_array(X), weight, low, high) is weight
    X[7, 1] = 1e20
    for features in (X, sparse.csr_array(X)):
        near = near_weight(features, weight, low, X.max(axis=0))
        assert_array_equal(np.flatnonzero(near == 0), [7])


def test_rows_that_are_all_far_in_some_feature_are_kept():
    X = np.ones((9, 3)) + 0.1 * np.arange(9)[:, None] % 0.3
    for j in range(3):
        X[3 * j : 3 * j + 3, j] = 1e6
    weight = np.ones(9)
    assert near_weight(X, weight, X.min(axis=0), X.max(axis=0)) is weight


# Sparse X


def test_sparse_features_with_bad_leverage_are_searched_as_dense_ones():
    for trial in range(3):
        rng = np.random.default_rng(trial)
        X = rng.standard_normal((100, 10))
        y = X.sum(axis=1) + 0.5 * rng.standard_normal(100)
        X[:30] += 10.0
        dense = SoftLTSRegressor(random_state=trial).fit(X, y)
        found = SoftLTSRegressor(random_state=trial).fit(sparse.csr_array(X), y)
        assert_allclose(found.objective_, dense.objective_, rtol=1e-9)
        assert_allclose(found.coef_, dense.coef_, rtol=0, atol=1e-9)
        assert_array_equal(found.inlier_mask_[:30], False)


@pytest.mark.parametrize("epsilon", [0, 12])
def test_sparse_features_that_no_kept_row_determines_are_named(epsilon, monkeypatch):
    monkeypatch.setattr("sksoftrank.robust._problem.MAX_DENSE_SIZE", 0)
    monkeypatch.setattr("sksoftrank.linear._design.MAX_DENSIFIED_WORK", 0)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 6)) * (rng.random((300, 6)) < 0.3)
    X[:, 4] = 0
    X[[3, 8], 4] = 1
    y = X.sum(axis=1) + 0.1 * rng.standard_normal(300)
    model = SoftLTSRegressor(epsilon=epsilon, random_state=0)
    model.fit(sparse.csr_array(X), y)
    y[3] += 50
    y[8] -= 50
    with pytest.warns(UserWarning, match="coefficients of column 4:"):
        model.fit(sparse.csr_array(X), y)


def test_large_sparse_features_are_searched_in_dense_samples(monkeypatch):
    monkeypatch.setattr("sksoftrank.robust._problem.MAX_DENSE_SIZE", 0)
    monkeypatch.setattr("sksoftrank.linear._design.MAX_DENSIFIED_WORK", 0)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5000, 6))
    y = X.sum(axis=1) + 0.5 * rng.standard_normal(5000)
    X[:1500] += 10.0
    model = SoftLTSRegressor(random_state=0).fit(sparse.csr_array(X), y)
    assert_allclose(model.coef_, 1, rtol=0, atol=0.1)
    assert model.inlier_mask_[:1500].sum() == 0


@pytest.mark.slow
def test_what_is_not_searched_is_said():
    rng = np.random.default_rng(0)
    X = sparse.random(1200, 600, density=0.02, random_state=rng, format="csr")
    y = X @ np.ones(600) + 0.1 * rng.standard_normal(1200)
    with pytest.warns(UserWarning, match="more than 500 features .* bad leverage"):
        SoftLTSRegressor(random_state=0, max_iter=10000).fit(X, y)


# Redundant columns


def redundant_columns(n):
    rng = np.random.default_rng(n)
    level = rng.integers(0, 4, n)
    one_hot = np.eye(4)[level]
    X = np.column_stack([rng.standard_normal((n, 3)), one_hot[:, 1:]])
    y = X.sum(axis=1) + 0.3 * rng.standard_normal(n)
    y[: n // 6] += 10
    return (
        X,
        y,
        {
            "constant": np.column_stack([X, np.ones((n, 4)) * [1, 3.3, -7e3, 1e-5]]),
            "repeated": X[:, [0, 1, 2, 3, 4, 5, 0, 0, 4]],
            "all levels": np.column_stack([X, one_hot[:, :1]]),
            "absent levels": np.column_stack([X, np.zeros((n, 2))]),
            "other unit": np.column_stack([X, 1.8 * X[:, 0] + 32]),
        },
    )


@pytest.mark.parametrize("convert", [np.asarray, slow(sparse.csr_array)])
@pytest.mark.parametrize("n", [24, slow(200)])
@fits
def test_redundant_columns_change_nothing(model, n, convert):
    if model is FITS["hard LQS"]:
        pytest.skip("its search may end in another of many equal minima")
    X, y, others = redundant_columns(n)
    model.fit(X, y)
    expected = model.predict(X), model.scale_, model.inlier_mask_, model.support_
    for Z in others.values():
        model.fit(convert(Z), y)
        assert_allclose(model.predict(Z), expected[0], rtol=0, atol=1e-7)
        assert_allclose(model.scale_, expected[1], rtol=1e-7)
        assert_array_equal(model.inlier_mask_, expected[2])
        assert_array_equal(model.support_, expected[3])


# Scales


def test_one_far_target_makes_no_exact_fit():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((50, 2))
        y = X.sum(axis=1) + rng.standard_normal(50)
        least = LinearRegression().fit(X[1:], y[1:])
        y[0] += 1e8
        model = SoftLTSRegressor(trim=0, reweight=True, random_state=0).fit(X, y)
        assert_allclose(model.coef_, least.coef_, rtol=1e-6)
        assert 0.7 < model.scale_ < 1.4
        assert model.inlier_weight_.sum() == 49


# Tables of R


def on_plane(X, y, coef):
    residual = np.abs(y - coef[0] - X @ coef[1:])
    return np.count_nonzero(residual <= 1e-7 * np.abs(y - np.median(y)).mean())


@pytest.mark.slow
def test_exact_fits_of_real_tables_keep_as_many_rows_as_lmrob():
    n_exact = 0
    for name, table in r_tables().items():
        if table["lmrob"]["coef"] is None or table["lmrob"]["scale"] != 0:
            continue
        n_exact += 1
        X, y = np.array(table["X"], dtype=float), np.array(table["y"], dtype=float)
        goal = on_plane(X, y, np.nan_to_num(np.array(table["lmrob"]["coef"], float)))
        for seed in range(3):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = SoftLTSRegressor(random_state=seed).fit(X, y)
            found = on_plane(X, y, np.append(model.intercept_, model.coef_))
            assert found >= goal - 2, (name, seed)
    assert n_exact == 14


@pytest.mark.slow
def test_objectives_of_real_tables_are_not_above_those_of_ltsreg():
    for name, table in list(r_tables().items())[::6]:
        X, y = np.array(table["X"], dtype=float), np.array(table["y"], dtype=float)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = SoftLTSRegressor(epsilon=0, random_state=1).fit(X, y)
        goal = table["ltsReg"]["raw_objective"] * (1 + 1e-6) + 1e-20
        assert model.objective_ <= goal, name
