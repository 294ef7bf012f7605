"""Trimmed scores of regression: definition, weights, and choosing parameters."""

import pickle
import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import slow
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import get_scorer, mean_squared_error, r2_score
from sklearn.model_selection import GridSearchCV, LeaveOneOut, cross_val_score

from sksoftrank import SoftLTSRegressor
from sksoftrank.datasets import make_contaminated_regression
from sksoftrank.metrics import (
    REGRESSION_SCORERS,
    capped_scorer,
    kendall_tau_score,
    spearman_score,
    trimmed_mean_squared_error,
    trimmed_r2_score,
    trimmed_scorer,
)

TRIMS = pytest.mark.parametrize("trim", [0, 0.1, 0.25, 1 / 3, 0.5])


def targets(n, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.standard_normal(n) * 3 + 100
    return y_true, y_true + rng.standard_normal(n)


def smallest_mean(values, n_kept):
    return np.sort(values)[:n_kept].mean()


def smallest_variance(values, n_kept):
    """Over all subsets, one by one."""
    return min(np.var(subset) for subset in combinations(values, n_kept))


@pytest.mark.parametrize("n", [4, 8, 12])
@pytest.mark.parametrize("trim", [0, 0.25, 0.5])
def test_definition(n, trim):
    y_true, y_pred = targets(n)
    n_kept = round((1 - trim) * n)
    error = smallest_mean((y_true - y_pred) ** 2, n_kept)
    mse = trimmed_mean_squared_error(y_true, y_pred, trim=trim)
    assert_allclose(mse, error, rtol=1e-12)
    r2 = trimmed_r2_score(y_true, y_pred, trim=trim)
    assert_allclose(r2, 1 - error / smallest_variance(y_true, n_kept), rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_without_trimming_it_is_r2(weighted):
    y_true, y_pred = targets(50)
    weight = np.random.default_rng(1).exponential(size=50) if weighted else None
    for trimmed, ordinary in (
        (trimmed_r2_score, r2_score),
        (trimmed_mean_squared_error, mean_squared_error),
    ):
        assert_allclose(
            trimmed(y_true, y_pred, trim=0, sample_weight=weight),
            ordinary(y_true, y_pred, sample_weight=weight),
            rtol=1e-12,
        )


@TRIMS
@pytest.mark.parametrize("distance", [10.0, 1e12])
def test_weights_are_repeats_in_any_unit(trim, distance):
    y_true, y_pred = targets(30)
    weight = np.random.default_rng(1).integers(0, 4, 30)
    weight[-1] += 60 - weight.sum() % 60  # so that outliers can end at an edge
    far = np.argsort(y_true)
    bad = np.cumsum(weight[far]) > (1 - trim) * weight.sum()
    y_true[far[bad]] += distance
    repeated = y_true.repeat(weight), y_pred.repeat(weight)
    units = np.random.default_rng(2).exponential(size=40)
    for score in (trimmed_r2_score, trimmed_mean_squared_error):
        expected = score(*repeated, trim=trim)
        assert expected != score(y_true, y_pred, trim=trim)
        for unit in (1, 1e-200, 1e200, *units):
            found = score(y_true, y_pred, trim=trim, sample_weight=weight * unit)
            assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("distance", [1e12, -1e12, 1e200])
@pytest.mark.parametrize("trim", [0.1, 0.2, 0.25, 0.3, 0.4])
def test_rounding_keeps_nothing_of_an_outlier(trim, distance):
    # Products such as 0.3 * 20 and sums of such weights are not exact.
    for unit in np.random.default_rng(2).exponential(size=40):
        y_true, y_pred = targets(20)
        y_true[: round(20 * trim)] += distance
        arrays = y_true, y_pred
        weight = np.full(20, unit)
        mse = trimmed_mean_squared_error(*arrays, trim=trim, sample_weight=weight)
        r2 = trimmed_r2_score(*arrays, trim=trim, sample_weight=weight)
        good = slice(round(20 * trim), None)
        error = ((y_true - y_pred)[good] ** 2).mean()
        assert_allclose(mse, error, rtol=1e-9)
        assert_allclose(r2, 1 - error / y_true[good].var(), rtol=1e-9)


def test_part_of_an_observation_is_kept():
    # 2.5 of 5: half of the third error, and half of the third target.
    error = (0**2 + 0.5**2 + 1**2 / 2) / 2.5
    y_true = np.array([0.0, 1, 3, 6, 10])
    y_pred = y_true - [4, -0.5, 0, 1, 3]
    assert_allclose(trimmed_mean_squared_error(y_true, y_pred), error, rtol=1e-14)
    weight = [1, 1, 0.5, 0, 0]
    mean = np.average(y_true, weights=weight)
    variance = np.average((y_true - mean) ** 2, weights=weight)
    r2 = trimmed_r2_score(y_true, y_pred)
    assert_allclose(r2, 1 - error / variance, rtol=1e-14)


@pytest.mark.slow
@given(
    rows=st.lists(
        st.tuples(st.integers(-20, 20), st.integers(0, 3)), min_size=1, max_size=7
    ).filter(lambda rows: sum(weight for _, weight in rows) > 0),
    unit=st.sampled_from([1.0, 0.3]),
)
@settings(deadline=None, max_examples=50)
def test_smallest_variance_over_all_windows(rows, unit):
    # In 60 repeats of everything, each window is a whole number of rows.
    values, weight = np.array(rows, dtype=float).T
    y_pred = values + 1
    repeated = np.sort(values.repeat(60 * weight.astype(int)))
    for part in range(0, 31, 5):
        n_kept = repeated.size * (60 - part) // 60
        windows = np.lib.stride_tricks.sliding_window_view(repeated, n_kept)
        if n_kept * weight.sum() * unit < 2 * repeated.size:
            continue  # not defined
        expected = windows.var(axis=1).min()
        r2 = trimmed_r2_score(
            values, y_pred, trim=part / 60, sample_weight=weight * unit
        )
        if expected == 0:
            assert r2 == 0
        else:
            assert_allclose(1 / (1 - r2), expected, rtol=1e-9)


@TRIMS
def test_shift_scale_and_order(trim):
    y_true, y_pred = targets(40)
    score = trimmed_r2_score(y_true, y_pred, trim=trim)
    for unit, shift in ((1e-100, 0), (1e100, 0), (-3, 1e4)):
        found = trimmed_r2_score(
            y_true * unit + shift, y_pred * unit + shift, trim=trim
        )
        assert_allclose(found, score, rtol=1e-9)
    order = np.random.default_rng(0).permutation(40)
    found = trimmed_r2_score(y_true[order], y_pred[order], trim=trim)
    assert_allclose(found, score, rtol=1e-12)


@pytest.mark.parametrize("distance", [1e3, -1e8, 1e200, 1.7e308])
@pytest.mark.parametrize("unit", [1, 0.1])
def test_outliers_have_no_influence(distance, unit):
    # As many as may be trimmed; 0.3 and weights of 0.1 are not exact in binary.
    y_true, y_pred = targets(20)
    weight = np.full(20, unit)
    clean = trimmed_r2_score(y_true, y_pred, trim=0.3, sample_weight=weight)
    order = np.argsort(np.abs(y_true - np.median(y_true)))
    y_true[order[-3:]] = distance
    y_pred[order[-6:-3]] = -distance
    bad = trimmed_r2_score(y_true, y_pred, trim=0.3, sample_weight=weight)
    y_true[order[-3:]] = 1e3
    y_pred[order[-6:-3]] = -1e3
    nearer = trimmed_r2_score(y_true, y_pred, trim=0.3, sample_weight=weight)
    assert_allclose(bad, nearer, rtol=1e-12)
    assert 0 < bad < 1
    assert bad != clean


def test_exact_fits_and_constant_targets():
    y_true, y_pred = targets(10)
    y_pred[:6] = y_true[:6]
    assert trimmed_r2_score(y_true, y_pred, trim=0.4) == 1
    assert trimmed_r2_score(y_true, y_pred, trim=0.3) < 1
    assert trimmed_mean_squared_error(y_true, y_pred, trim=0.4) == 0
    constant = np.full(10, 0.1)
    constant[8:] = 5
    assert trimmed_r2_score(constant, constant + 1) == 0
    assert trimmed_r2_score(constant, constant) == 1


@pytest.mark.parametrize(
    ("n", "trim", "weight"),
    [
        (1, 0, None),
        (1, 0.5, None),
        (2, 0.5, None),
        (3, 0.5, None),
        (2, 0.01, [1, 1]),
        (3, 0.5, [1, 1, 1]),
        (3, 0.5, [0.1, 0.3, 0.2]),
        (5, 0.5, [0, 3, 0, 0, 0]),
        (2, 0.5, [1e-300, 1e-300]),
    ],
)
def test_less_than_two_kept_observations(n, trim, weight):
    y = np.arange(n) + 1.0
    for y_pred in (y, y + 1):
        with pytest.warns(UndefinedMetricWarning, match="less than two kept obs"):
            score = trimmed_r2_score(y, y_pred, trim=trim, sample_weight=weight)
        assert np.isnan(score)


@pytest.mark.parametrize(
    ("n", "trim", "weight"),
    [(2, 0, None), (4, 0.5, None), (1, 0.5, [4]), (3, 1 / 3, None)],
)
def test_two_kept_observations(n, trim, weight):
    y = np.arange(n) + 1.0
    assert trimmed_r2_score(y, y, trim=trim, sample_weight=weight) == 1
    assert trimmed_r2_score(y, y + 9, trim=trim, sample_weight=weight) <= 0


def test_leave_one_out_does_not_choose():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    y = X @ [1, 2] + 0.1 * rng.normal(size=20)
    search = GridSearchCV(
        Ridge(), {"alpha": [1, 1e6]}, scoring=trimmed_scorer(), cv=LeaveOneOut()
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    assert any(issubclass(w.category, UndefinedMetricWarning) for w in caught)
    assert any("scores are non-finite" in str(w.message) for w in caught)
    assert search.best_params_ == {"alpha": 1}
    assert np.isnan(search.cv_results_["mean_test_score"]).all()


def test_trimmed_errors_of_gaussians_are_as_documented():
    errors = np.random.default_rng(0).standard_normal(200_000)
    mse = trimmed_mean_squared_error(errors, np.zeros(errors.size))
    assert_allclose(mse, 0.143, rtol=0.02)


# The scorer


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:No residual of SoftLTSRegressor is within")
@pytest.mark.parametrize("distance", [10, slow(100)])
def test_grid_search_is_not_misled(distance):
    X, y, _, _ = make_contaminated_regression(
        200, 3, contamination=0.35, distance=distance, random_state=0
    )
    grid = {"epsilon": [10, 1e5], "trim": [0.1, 0.5]}
    search = GridSearchCV(SoftLTSRegressor(), grid, scoring=trimmed_scorer(), cv=3).fit(
        X, y
    )
    assert search.best_params_ == {"epsilon": 10, "trim": 0.5}
    assert 0.5 < search.best_score_ < 1
    assert abs(search.best_estimator_.intercept_) < 0.3
    misled = GridSearchCV(SoftLTSRegressor(), grid, scoring="r2", cv=3).fit(X, y)
    assert abs(misled.best_estimator_.intercept_) > 0.3 * distance


def test_bad_leverage_misleads_other_scores():
    X, y, _, outliers = make_contaminated_regression(
        1000, 3, kind="leverage", contamination=0.4, random_state=0
    )
    good = LinearRegression().fit(X[~outliers], y[~outliers])
    misled = LinearRegression().fit(X, y)
    for name in ("r2", "neg_mean_absolute_error"):
        scorer = get_scorer(name)
        assert scorer(misled, X, y) > scorer(good, X, y)
    scorer = trimmed_scorer()
    assert scorer(good, X, y) > scorer(misled, X, y) + 0.1


def test_scorer_has_its_trim_and_takes_weights():
    X, y, _, _ = make_contaminated_regression(random_state=0)
    model = LinearRegression().fit(X, y)
    weight = np.arange(100) % 3
    for trim in (0.5, 0.2):
        expected = trimmed_r2_score(
            y, model.predict(X), trim=trim, sample_weight=weight
        )
        scorer = trimmed_scorer(trim=trim)
        assert scorer(model, X, y, sample_weight=weight) == expected
        for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
            assert copy(model, X, y, sample_weight=weight) == expected
    assert trimmed_scorer()(model, X, y) == trimmed_r2_score(y, model.predict(X))


def test_scorers_take_their_number_by_position():
    X, y, _, _ = make_contaminated_regression(random_state=0)
    model = LinearRegression().fit(X, y)
    for make, name, value in (
        (trimmed_scorer, "trim", 0.2),
        (capped_scorer, "cap", 2.0),
    ):
        expected = make(**{name: value})(model, X, y)
        assert make(value)(model, X, y) == expected


def test_scorers_of_regressors():
    X, y, _, _ = make_contaminated_regression(contamination=0, random_state=0)
    search = GridSearchCV(
        Ridge(), {"alpha": [0.1, 1e4]}, scoring=REGRESSION_SCORERS, refit="trimmed_r2"
    ).fit(X, y)
    assert search.best_params_ == {"alpha": 0.1}
    predicted = search.predict(X)
    found = {name: score(search, X, y) for name, score in REGRESSION_SCORERS.items()}
    assert found == {
        "spearman": spearman_score(y, predicted),
        "kendall_tau": kendall_tau_score(y, predicted),
        "trimmed_r2": trimmed_r2_score(y, predicted),
        "neg_trimmed_mean_squared_error": -trimmed_mean_squared_error(y, predicted),
    }


# Bad input


@pytest.mark.parametrize("make", [trimmed_scorer, capped_scorer])
def test_an_estimator_for_a_number(make):
    message = f"{make.__name__} makes a scorer and is none itself: .* Ridge"
    with pytest.raises(TypeError, match=message):
        make(Ridge(), [[1.0]], [1.0])
    with pytest.raises(TypeError, match=message):
        cross_val_score(
            Ridge(), [[0.0]] * 9, [0.0] * 9, scoring=make, error_score="raise"
        )


SCORES = pytest.mark.parametrize(
    "score", [trimmed_r2_score, trimmed_mean_squared_error]
)


@SCORES
@pytest.mark.parametrize("trim", [-0.1, 0.6, np.nan, "half", None])
def test_bad_trim(score, trim):
    with pytest.raises(ValueError, match=r"'trim' parameter .* must be"):
        score([1.0, 2], [1.0, 2], trim=trim)
    with pytest.raises(ValueError, match=r"'trim' parameter .* must be"):
        trimmed_scorer(trim=trim)


@SCORES
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, np.nan], [1.0, 2]), "Input y_true contains NaN"),
        (([1.0, pd.NA], [1.0, 2]), "Input y_true contains NaN"),
        (([1.0, 2], pd.Series([1, pd.NA], dtype="Int64")), "Input y_pred contains NaN"),
        (([1.0, 2], [1.0, np.inf]), "Input y_pred contains infinity"),
        (([1.0, 2], [1.0, 2], [1, np.nan]), "Input sample_weight contains NaN"),
        (([1.0, 2], [1.0, 2, 3]), "inconsistent numbers of samples"),
        (([1.0, 2], [1.0, 2], [1]), "inconsistent numbers of samples"),
        (([1.0, 2], [1.0, 2], [1, -1]), "sample_weight must be at least 0 .* -1.0"),
        (([1.0, 2], [1.0, 2], [0, 0]), "sample_weight must be .* not all 0"),
        (([1.0, 2], [1.0, 2], [1e308, 1e308]), "sample_weight must .* a finite sum"),
        (([[1.0, 2]], [1.0, 2]), "1d array"),
        (([], []), "minimum of 1 is required"),
    ],
)
def test_bad_arrays(score, arguments, message):
    arguments, weight = arguments[:2], (*arguments, None)[2]
    with pytest.raises(ValueError, match=message):
        score(*arguments, sample_weight=weight)
