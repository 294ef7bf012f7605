"""Standard deviations of the errors of single rows: `sigma`, of robust regressors."""

from functools import partial

import numpy as np
import pytest
from contamination import (
    COEF,
    FORMULATIONS,
    PENALTIES,
    assert_same_fit,
    contaminated,
    fit_from_same_start,
)
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksoftrank import (
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    soft_lts_path,
)
from sksoftrank.losses import selection_trimmed_loss
from sksoftrank.metrics import (
    capped_mean_squared_error,
    trimmed_mean_squared_error,
    trimmed_r2_score,
    trimmed_scorer,
)
from sksoftrank.robust._frequencies import row_scale_of

# Concentrations and signals of a calibration of constant relative precision, of which
# the fifth signal is wrong.
CONCENTRATION = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000.0])[:, None]
SIGNAL = np.array([8.1, 10.8, 20.3, 35.2, 104, 158, 301, 612, 1490, 3040])

MODELS = [
    *(
        pytest.param(SoftLTSRegressor(**p.values[0]), id=p.id, marks=p.marks)
        for p in FORMULATIONS
    ),
    pytest.param(
        SoftLTSRegressor(epsilon=0, reweight=True),
        id="reweighted",
        marks=pytest.mark.slow,
    ),
    pytest.param(SoftLTSRegressor(init="ls"), id="ls", marks=pytest.mark.slow),
    pytest.param(SoftLQSRegressor(), id="LQS"),
    pytest.param(SoftLQSRegressor(epsilon=0), id="hard LQS", marks=pytest.mark.slow),
]


def heteroscedastic(n=150, seed=0):
    """Contaminated data of which each row has errors of its own size."""
    rng = np.random.default_rng(seed + 100)
    X, y, bad = contaminated(n, seed=seed)
    sigma = np.exp(rng.uniform(-2, 2, n))
    y = X @ COEF + 4.0 + sigma * (y - X @ COEF - 4.0)
    return X, y, sigma, bad


def fit(model, *data, **parameters):
    model = type(model)(**model.get_params())
    model.set_params(random_state=0, **parameters)
    if model.max_iter == 1000:
        model.set_params(tol=1e-12)
    return model.fit(*data)


def assert_same(first, second, unit=1.0, atol=1e-8):
    """The same fit, with scales in units that differ by a factor."""
    assert_allclose(first.coef_, second.coef_, rtol=0, atol=atol)
    assert_allclose(first.intercept_, second.intercept_, rtol=0, atol=atol)
    for name in ("scale_", "raw_scale_", "start_scale_"):
        if hasattr(first, name):
            value = getattr(first, name) * unit
            assert_allclose(value, getattr(second, name), rtol=0, atol=atol)
    assert_allclose(first.objective_ * unit**2, second.objective_, rtol=1e-7)
    assert_array_equal(first.inlier_mask_, second.inlier_mask_)
    assert_array_equal(first.support_, second.support_)
    assert_allclose(first.inlier_weight_, second.inlier_weight_, rtol=0, atol=1e-6)
    for name in ("stderr_", "intercept_stderr_", "robust_r2_"):
        if getattr(first, name, None) is not None:
            value = getattr(first, name)
            assert_allclose(value, getattr(second, name), rtol=0, atol=atol)


def test_calibration_of_constant_relative_precision():
    good = np.arange(10) != 4
    weight = 1 / CONCENTRATION[good, 0] ** 2
    clean = LinearRegression().fit(CONCENTRATION[good], SIGNAL[good], weight)
    assert_allclose([clean.coef_[0], clean.intercept_], [3.0075, 5.0393], atol=5e-5)
    for model in (
        SoftLTSRegressor(random_state=0),
        SoftLTSRegressor(random_state=0, epsilon=0, reweight=True),
        SoftLTSRegressorCV(epsilons=[3, 12, 1000], random_state=0),
    ):
        model.fit(CONCENTRATION, SIGNAL, sigma=CONCENTRATION[:, 0])
        assert abs(model.coef_[0] - clean.coef_[0]) < 0.6 * model.stderr_[0]
        error = abs(model.intercept_ - clean.intercept_)
        assert error < 1.3 * model.intercept_stderr_
        assert not model.inlier_mask_[4]
        assert model.inlier_weight_[4] == 0
        assert model.inlier_mask_.sum() >= 8
        residual = (SIGNAL - model.predict(CONCENTRATION)) / CONCENTRATION[:, 0]
        inlying = np.abs(residual) <= 2.2414 * model.scale_
        assert_array_equal(model.inlier_mask_, inlying)


@pytest.mark.parametrize("model", MODELS)
@PENALTIES
@pytest.mark.parametrize("factor", [slow(2.0), slow(1e-30), 7e90])
def test_a_constant_changes_the_scale_only(model, factor, alpha):
    X, y, sigma, _ = heteroscedastic()
    plain = fit(model, X, y, None, sigma, alpha=alpha)
    other = fit(model, X, y, None, factor * sigma, alpha=alpha)
    assert_same(other, plain, unit=factor)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("weighted", [slow(False), True])
def test_equal_sigma_is_none(model, weighted):
    X, y, _ = contaminated()
    weight = np.repeat([1, 2, 0], 50) if weighted else None
    plain = fit(model, X, y, weight)
    for sigma in (np.ones(150), [1] * 150, 1):
        same = fit(model, X, y, weight, sigma)
        assert_array_equal(same.coef_, plain.coef_)
        assert same.scale_ == plain.scale_
    half = fit(model, X, y, weight, np.full(150, 0.5))
    assert_array_equal(half.coef_, plain.coef_)
    assert_same(half, plain, unit=0.5)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "container", [np.asarray, slow(sparse.csr_array), slow(sparse.csc_array)]
)
def test_residuals_are_divided_by_it(model, container):
    """Rows may be divided instead, with the intercept as a feature."""
    X, y, sigma, _ = heteroscedastic()
    weight = np.random.default_rng(1).integers(0, 3, y.size)
    fitted = fit(model, container(X), y, weight, sigma)
    rows = np.column_stack([X, np.ones(y.size)]) / sigma[:, None]
    model = fit(model, rows, y / sigma, weight, fit_intercept=False)
    kinked = model.get_params()["formulation"] == "sort" or fitted.n_iter_ > 10000
    atol = 1e-6 if not kinked else 0.05
    searched = container is not np.asarray or not isinstance(model, SoftLTSRegressor)
    if searched or kinked:  # another search may end at another minimum
        assert_allclose(fitted.raw_scale_, model.raw_scale_, rtol=0.05)
        return
    assert_allclose(fitted.coef_, model.coef_[:3], rtol=0, atol=atol)
    assert_allclose(fitted.intercept_, model.coef_[3], rtol=0, atol=atol)
    assert_allclose(fitted.scale_, model.scale_, rtol=1e-6)
    assert_allclose(fitted.objective_, model.objective_, rtol=1e-6)
    assert_array_equal(fitted.inlier_mask_, model.inlier_mask_)
    assert_array_equal(fitted.support_, model.support_)
    if fitted.stderr_ is not None:
        assert_allclose(fitted.stderr_, model.stderr_[:3], rtol=1e-5)
        assert_allclose(fitted.intercept_stderr_, model.stderr_[3], rtol=1e-5)


def test_objective_is_the_documented_one():
    X, y, sigma, _ = heteroscedastic()
    model = fit(SoftLTSRegressor(), X, y, None, sigma, alpha=0.1)
    scaled = (y - model.predict(X)) / sigma
    losses = 0.5 * (scaled / model.start_scale_) ** 2
    n_kept = (150 + 4 + 1) // 2
    value = model.start_scale_**2 * selection_trimmed_loss(losses, n_kept, 12.0)[0]
    rows = X - np.average(X, axis=0, weights=sigma**-2)
    size = np.mean((rows / sigma[:, None]) ** 2, axis=0)
    value += 0.05 * size @ model.coef_**2
    assert_allclose(model.objective_, value, rtol=1e-10)
    assert_array_equal(model.inlier_mask_, np.abs(scaled) <= 2.2414027 * model.scale_)


@pytest.mark.slow
def test_scale_and_standard_errors_are_those_of_repeated_samples():
    fits = []
    for seed in range(100):
        X, y, sigma, _ = heteroscedastic(seed=seed)
        fits.append(SoftLTSRegressor(random_state=0).fit(X, y, sigma=sigma))
    assert_allclose(np.mean([model.scale_ for model in fits]), 1.0, rtol=0.08)
    spread = np.std([[*model.coef_, model.intercept_] for model in fits], axis=0)
    stderr = [[*model.stderr_, model.intercept_stderr_] for model in fits]
    assert_allclose(np.mean(stderr, axis=0), spread, rtol=0.25)
    plain = [
        SoftLTSRegressor(random_state=0).fit(*heteroscedastic(seed=s)[:2])
        for s in range(20)
    ]
    error = np.abs([m.coef_ - COEF for m in plain]).mean()
    assert error > 2 * np.abs([m.coef_ - COEF for m in fits]).mean()


@pytest.mark.parametrize("model", MODELS)
def test_frequencies_of_rows_of_known_precision(model):
    X, y, sigma, _ = heteroscedastic()
    weight = np.random.default_rng(1).integers(0, 4, y.size)
    weighted = fit(model, X, y, weight, sigma)
    repeated = fit(
        model, *(a.repeat(weight, axis=0) for a in (X, y)), None, sigma.repeat(weight)
    )
    if model.get_params()["formulation"] == "sort":  # may end at another kink
        assert_allclose(repeated.objective_, weighted.objective_, rtol=1e-6)
        return
    if isinstance(model, SoftLTSRegressor):
        assert_same_fit(weighted, repeated)
    assert_allclose(weighted.raw_scale_, repeated.raw_scale_, rtol=1e-8)
    assert_allclose(weighted.objective_, repeated.objective_, rtol=0.05)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_sparse_and_float32(alpha):
    X, y, sigma, bad = heteroscedastic()
    X[np.abs(X) < 0.5] = 0
    dense = fit(SoftLTSRegressor(alpha=alpha), X, y, None, sigma)
    for container in (sparse.csr_array, sparse.csc_matrix):
        again = fit_from_same_start(dense, container(X), y, sigma=sigma)
        assert_same_fit(again, dense, atol=1e-6)
        searched = SoftLTSRegressor(alpha=alpha, random_state=0)
        searched.fit(container(X), y, sigma=sigma)
        assert_allclose(searched.coef_, dense.coef_, rtol=0, atol=0.1)
    single = [array.astype(np.float32) for array in (X, y, sigma)]
    model = SoftLTSRegressor(alpha=alpha, random_state=0)
    model.fit(*single[:2], sigma=single[2])
    assert model.coef_.dtype == np.float32
    assert_allclose(model.coef_, dense.coef_, rtol=0, atol=1e-4)
    assert not model.inlier_mask_[bad & (sigma < 1)].any()


def test_warm_start_with_sigma():
    X, y, sigma, _ = heteroscedastic()
    model = SoftLTSRegressor(warm_start=True, random_state=0).fit(X, y, sigma=sigma)
    coef, scale, n_iter = model.coef_, model.scale_, model.n_iter_
    model.fit(X, y, sigma=7 * sigma)
    assert model.n_iter_ < n_iter
    assert_allclose(model.coef_, coef, rtol=0, atol=1e-6)
    assert_allclose(7 * model.scale_, scale, rtol=1e-6)


@pytest.mark.slow
def test_path_and_cross_validation():
    X, y, sigma, _ = heteroscedastic()
    weight = np.random.default_rng(1).integers(1, 4, y.size)
    path = soft_lts_path(
        X, y, epsilons=[3, 30], sample_weight=weight, sigma=sigma, random_state=0
    )
    for i, epsilon in enumerate(path.epsilons):
        model = SoftLTSRegressor(epsilon=epsilon, random_state=0)
        model.fit(X, y, weight, sigma)
        assert_allclose(path.coefs[i], model.coef_, rtol=1e-10)
        assert_allclose(path.scales[i], model.scale_, rtol=1e-10)
    folds = KFold(3, shuffle=True, random_state=0)
    choice = SoftLTSRegressorCV(epsilons=[3, 30], cv=folds, random_state=0)
    choice.fit(X, y, weight, sigma)
    model = SoftLTSRegressor(random_state=0).fit(X, y, weight, sigma)
    assert_allclose(choice.cap_, 3 * model.start_scale_, rtol=1e-8)
    for i, (train, test) in enumerate(folds.split(X)):
        for j, epsilon in enumerate([3, 30]):
            model = SoftLTSRegressor(epsilon=epsilon, random_state=0)
            model.fit(X[train], y[train], weight[train], sigma[train])
            error = np.abs(y[test] - model.predict(X[test])) / sigma[test]
            error = np.minimum(error, choice.cap_)
            expected = -np.average(error**2, weights=weight[test])
            assert_allclose(choice.cv_scores_[0, j, i], expected, rtol=1e-6)
    double = SoftLTSRegressorCV(epsilons=[3, 30], cv=folds, random_state=0)
    double.fit(X, y, weight, 2 * sigma)
    assert_allclose(double.cv_scores_, choice.cv_scores_ / 4, rtol=1e-8)
    assert double.epsilon_ == choice.epsilon_


def test_score_counts_rows_by_their_precision():
    X, y, sigma, _ = heteroscedastic()
    weight = np.random.default_rng(1).integers(0, 4, y.size)
    for model in (SoftLTSRegressor(), SoftLQSRegressor(), SoftLTSRegressorCV()):
        model.fit(X, y, sigma=sigma)
        predicted = model.predict(X)
        assert model.score(X, y) == r2_score(y, predicted)
        expected = r2_score(y, predicted, sample_weight=sigma**-2.0)
        assert_allclose(model.score(X, y, sigma=sigma), expected, rtol=1e-10)
        assert_allclose(model.score(X, y, sigma=1e80 * sigma), expected, rtol=1e-10)
        expected = r2_score(y, predicted, sample_weight=weight * sigma**-2.0)
        assert_allclose(model.score(X, y, weight, sigma), expected, rtol=1e-10)
        with pytest.raises(ValueError, match=r"sigma must be above 0, got 0\.0"):
            model.score(X, y, sigma=0 * sigma)


@pytest.mark.slow
def test_through_pipelines_and_metadata_routing():
    X, y, sigma, _ = heteroscedastic()
    expected = SoftLTSRegressor(random_state=0).fit(X, y, sigma=sigma)
    pipeline = make_pipeline(StandardScaler(), SoftLTSRegressor(random_state=0))
    pipeline.fit(X, y, softltsregressor__sigma=sigma)
    assert_allclose(pipeline.predict(X), expected.predict(X), rtol=0, atol=1e-6)
    search = GridSearchCV(SoftLTSRegressor(random_state=0), {"epsilon": [3, 12]}, cv=3)
    search.fit(X, y, sigma=sigma)
    assert_allclose(search.best_estimator_.scale_, 1, atol=0.3)
    with config_context(enable_metadata_routing=True):
        model = SoftLTSRegressor(random_state=0)
        model.set_fit_request(sigma=True).set_score_request(sigma=True)
        pipeline = make_pipeline(StandardScaler(), model).fit(X, y, sigma=sigma)
        assert_allclose(pipeline.predict(X), expected.predict(X), rtol=0, atol=1e-6)
        score = expected.score(X, y, sigma=sigma)
        assert_allclose(pipeline.score(X, y, sigma=sigma), score, rtol=1e-6)
        search = GridSearchCV(model, {"epsilon": [3, 12]}, cv=3)
        search.fit(X, y, sigma=sigma)
        assert_allclose(search.best_estimator_.scale_, 1, atol=0.3)


def test_factors_of_rows():
    sigma = np.array([1.0, 2.0, 4.0])
    weight = np.array([1.0, 2.0, 1.0])
    factor, unit = row_scale_of(sigma, weight)
    assert_allclose(factor * sigma, unit)
    assert_allclose(np.average(factor**2, weights=weight), 1)
    assert row_scale_of(np.full(3, 7.0), weight) == (None, 7.0)
    assert row_scale_of(None, weight) == (None, 1.0)


@pytest.mark.parametrize(
    "model", [SoftLTSRegressor(), SoftLQSRegressor(), SoftLTSRegressorCV()]
)
@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (np.r_[np.nan, np.ones(149)], "sigma must be finite, got 1 NaN and 0 inf"),
        (np.r_[np.inf, np.ones(149)], "sigma must be finite, got 0 NaN and 1 inf"),
        (np.r_[-1.0, np.ones(149)], r"sigma must be above 0, got -1\.0"),
        (np.r_[0, np.ones(149)], r"sigma must be above 0, got 0\.0"),
        (np.ones(149), r"sigma must have shape \(150,\), got \(149,\)"),
        (np.ones((150, 1)), r"sigma must have shape \(150,\), got \(150, 1\)"),
        (0.0, r"sigma must be above 0, got 0\.0"),
        (
            np.r_[1e-101, np.ones(149)],
            r"at most 1e\+100 times the smallest, got .*e-101",
        ),
    ],
)
def test_bad_sigma(model, sigma, message):
    X, y, _ = contaminated()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, sigma=sigma)
    with pytest.raises(TypeError, match="sigma must be an array of real numbers, got"):
        model.fit(X, y, sigma=["a", *np.ones(149)])


def test_errors_of_very_different_size():
    X, y, _ = contaminated(outliers=0)
    y = X @ COEF + 4 + 0.1 * (y - X @ COEF - 4)
    for exponent in (6, 50, 90):
        # Rows of which next to nothing is known do not count, whatever they say.
        sigma = np.r_[np.full(50, 10.0**exponent), np.full(100, 0.1)]
        wild = np.r_[y[:50] + 10.0 ** (exponent - 1), y[50:]]
        model = SoftLTSRegressor(random_state=0, trim=0.2).fit(X, wild, sigma=sigma)
        clean = LinearRegression().fit(X[50:], y[50:])
        assert_allclose(model.coef_, clean.coef_, rtol=0, atol=0.03)
        assert_allclose(model.intercept_, clean.intercept_, rtol=0, atol=0.03)


# Scores


def test_scores_divide_errors():
    X, y, sigma, _ = heteroscedastic()
    weight = np.random.default_rng(1).integers(0, 4, y.size)
    predicted = X @ COEF + 4.5
    scaled = (y - predicted) / sigma
    for unit in (1.0, 1e-60, 1e60):
        arguments = {"sample_weight": weight, "sigma": unit * sigma}
        found = trimmed_mean_squared_error(y, predicted, trim=0.25, **arguments)
        expected = trimmed_mean_squared_error(
            scaled, np.zeros(150), trim=0.25, sample_weight=weight
        )
        assert_allclose(found * unit**2, expected, rtol=1e-10)
        found = capped_mean_squared_error(y, predicted, cap=3 / unit, **arguments)
        expected = np.average(np.minimum(np.abs(scaled), 3) ** 2, weights=weight)
        assert_allclose(found * unit**2, expected, rtol=1e-10)
        found = trimmed_r2_score(y, predicted, trim=0, **arguments)
        expected = r2_score(y, predicted, sample_weight=weight * sigma**-2.0)
        assert_allclose(found, expected, rtol=1e-9)
    spread = min(
        trimmed_mean_squared_error(y, np.full(150, c), trim=0.3, sigma=sigma)
        for c in np.linspace(0, 8, 401)
    )
    error = trimmed_mean_squared_error(y, predicted, trim=0.3, sigma=sigma)
    found = trimmed_r2_score(y, predicted, trim=0.3, sigma=sigma)
    assert_allclose(found, 1 - error / spread, rtol=0, atol=1e-3)
    equal = trimmed_r2_score(y, predicted, sigma=np.full(150, 7.0))
    assert_allclose(equal, trimmed_r2_score(y, predicted), rtol=1e-12)
    for score in (
        trimmed_mean_squared_error,
        trimmed_r2_score,
        partial(capped_mean_squared_error, cap=1),
    ):
        with pytest.raises(ValueError, match=r"sigma must be above 0, got 0\.0"):
            score(y, predicted, sigma=0 * sigma)
        with pytest.raises(ValueError, match=r"sigma must have shape \(150,\), got"):
            score(y, predicted, sigma=sigma[1:])


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e-100, 1e100, 1e200, 1e300])
def test_trimmed_r2_in_any_unit(unit):
    X, y, _ = contaminated()
    predicted = X @ COEF + 4.5
    for trim in (0, 0.3):
        found = trimmed_r2_score(unit * y, unit * predicted, trim=trim)
        assert_allclose(found, trimmed_r2_score(y, predicted, trim=trim), rtol=1e-9)


@pytest.mark.parametrize("routing", [False, True])
def test_scorers_take_sigma(routing):
    X, y, sigma, _ = heteroscedastic()
    folds = KFold(3, shuffle=True, random_state=0)
    parameters = {"epsilons": [3, 30], "cv": folds, "random_state": 0}
    with config_context(enable_metadata_routing=routing):
        scorer = trimmed_scorer(trim=0.3)
        if routing:
            scorer.set_score_request(sigma=True)
        model = SoftLTSRegressorCV(**parameters, scoring=scorer)
        model.fit(X, y, sigma=sigma)
    train, test = next(folds.split(X))
    for j, epsilon in enumerate([3, 30]):
        single = SoftLTSRegressor(epsilon=epsilon, random_state=0)
        single.fit(X[train], y[train], sigma=sigma[train])
        expected = trimmed_r2_score(
            y[test], single.predict(X[test]), trim=0.3, sigma=sigma[test]
        )
        assert_allclose(model.cv_scores_[0, j, 0], expected, rtol=1e-6)
