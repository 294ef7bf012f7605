"""SoftLTSRegressor on any input, and among other estimators."""

import pickle
import tracemalloc
import warnings

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
    fit_from_same_start,
)
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksoftrank import (
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
)
from sksoftrank.linear import _design
from sksoftrank.robust import _problem

# Kinds of features


@pytest.mark.parametrize("container", [sparse.csr_array, slow(sparse.csc_matrix)])
@pytest.mark.parametrize("parameters", FORMULATIONS)
@pytest.mark.parametrize("alpha", [0.0, slow(0.1)])
@SLOWER_INTERCEPTS
@pytest.mark.parametrize("road", ["dense", "whitened", "scaled"])
def test_sparse_is_dense(
    container, parameters, fit_intercept, alpha, road, monkeypatch
):
    X, y, _ = contaminated()
    X[np.abs(X) < 0.5] = 0
    X = np.column_stack([X, X[:, 0] + X[:, 1]])  # collinear: smallest coefficients
    parameters = {**parameters, "fit_intercept": fit_intercept, "alpha": alpha}
    dense = fit(X, y, **parameters)
    S = container(X)
    if road != "dense":
        monkeypatch.setattr(_problem, "MAX_DENSE_SIZE", 0)
    if road == "scaled":
        monkeypatch.setattr(_design, "MAX_DENSIFIED_WORK", 0)
    model = fit_from_same_start(dense, S, y)
    searched = fit(S, y, **parameters)
    assert_allclose(searched.raw_scale_, dense.raw_scale_, rtol=1e-6)
    if road != "scaled":
        atol = 1e-6 if road == "whitened" else 1e-9
        assert_same_fit(searched, dense, atol=atol)
        if dense.stderr_ is not None:
            assert_allclose(searched.stderr_, dense.stderr_, rtol=atol)
    elif parameters.get("formulation") == "sort":  # may end at either side of a kink
        assert_allclose(model.objective_, dense.objective_, rtol=1e-6)
        assert_allclose(model.predict(S), dense.predict(X), rtol=0, atol=1e-2)
    else:
        assert_same_fit(model, dense, atol=1e-6)
        assert_allclose(model.predict(S), dense.predict(X), rtol=0, atol=1e-5)
        assert model.stderr_ is model.intercept_stderr_ is None


@PENALTIES
@INTERCEPTS
def test_high_rank_is_not_whitened(fit_intercept, alpha, monkeypatch):
    X, y, _ = contaminated()
    X[:, 1] += X[:, 0]
    parameters = {"fit_intercept": fit_intercept, "alpha": alpha}
    whitened = fit(X, y, **parameters)
    monkeypatch.setattr(_design, "MAX_WHITENED_RANK", 1)
    design = _design.LinearDesign(X, np.ones(150), **parameters)
    assert design.basis.ndim == 1
    assert_same_fit(fit_from_same_start(whitened, X, y), whitened, atol=1e-6)
    searched = fit(X, y, **parameters)
    assert_allclose(searched.raw_scale_, whitened.raw_scale_, rtol=0.05)


@pytest.mark.parametrize("chunk_size", [3, 1000])
@INTERCEPTS
def test_chunks_of_rows(chunk_size, fit_intercept, monkeypatch):
    X, y, _ = contaminated()
    whole = fit(X, y, fit_intercept=fit_intercept)
    monkeypatch.setattr(_design, "CHUNK_SIZE", chunk_size)
    assert_same_fit(fit(X, y, fit_intercept=fit_intercept), whole, atol=1e-10)


@pytest.mark.parametrize(
    ("shape", "init", "limit"),
    [((20000, 100), "ls", 0.6), slow((100000, 10), "auto", 1.9)],
)
def test_features_are_neither_copied_nor_changed(shape, init, limit):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    y = X[:, 0] + rng.standard_normal(len(X))
    X.flags.writeable = y.flags.writeable = False
    tracemalloc.start()
    SoftLTSRegressor(init=init).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < limit * X.nbytes


def test_float32():
    X, y, _ = contaminated()
    model = SoftLTSRegressor().fit(X.astype(np.float32), y.astype(np.float32))
    expected = SoftLTSRegressor().fit(X, y)
    assert model.coef_.dtype == np.float32
    assert model.predict(X.astype(np.float32)).dtype == np.float32
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
    with warnings.catch_warnings():  # where one of the rows is fitted exactly
        warnings.filterwarnings("ignore", "The rows that SoftLTSRegressor keeps do not")
        model = SoftLTSRegressor(epsilon=epsilon).fit(container(D), y)
    expected = LinearRegression().fit(X[4:], y[4:])
    # The coefficient may also fit some of the outliers that agree.
    tolerance = 0.05 if epsilon else 0.5
    assert_allclose(model.coef_[:3], expected.coef_, rtol=0, atol=tolerance)
    assert np.isfinite(model.coef_[3])
    residual = np.abs(y - model.predict(D))
    assert_array_equal(model.inlier_weight_[residual > 1e3], 0)


def test_least_squares_steps_in_many_coordinates_that_are_correlated(monkeypatch):
    monkeypatch.setattr(_design, "MAX_WHITENED_RANK", 1)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 20))
    X += 1e-3 * rng.normal(size=X.shape)
    y = X @ rng.normal(size=20) + rng.normal(size=300)
    weight = np.full(300, 1 / 300)
    design = _design.LinearDesign(X, np.ones(300), fit_intercept=True, alpha=0.0)
    gradient = -design.pull_back(weight * y)
    step = design.newton_step(np.zeros(gradient.size), y, gradient, weight)
    expected = LinearRegression().fit(X, y).predict(X)
    assert_allclose(design.predict(step), expected, rtol=0, atol=1e-5)


def test_least_squares_steps_leave_undetermined_directions():
    X, y, _ = contaminated(outliers=0)
    D = np.column_stack([X, np.arange(150) < 4.0])
    weight = (np.arange(150) >= 4) / 146
    design = _design.LinearDesign(D, np.ones(150), fit_intercept=True, alpha=0.0)
    gradient = -design.pull_back(weight * y)
    step = design.newton_step(np.zeros(gradient.size), y, gradient, weight)
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
    assert_array_equal(model.inlier_weight_, model.inlier_mask_)
    assert model.robust_r2_ == 1
    assert_allclose(model.stderr_, 0, rtol=0, atol=1e-9)
    assert_allclose(model.objective_, 0, rtol=0, atol=1e-15)


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_exact_fit_that_the_start_misses(parameters):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    y = X @ COEF + 4
    X[:20] += 100.0  # bad leverage points
    model = SoftLTSRegressor(**parameters, init="ls", warm_start=True).fit(X, y)
    assert model.scale_ > 0.1
    found = SoftLTSRegressor(**parameters, random_state=0).fit(X, y)
    assert found.scale_ == 0
    assert_array_equal(found.inlier_mask_, np.arange(60) >= 20)
    model.raw_coef_, model.raw_intercept_ = COEF, 4.0
    model.fit(X, y)
    if parameters.get("formulation") != "sort":
        assert_allclose(model.coef_, COEF, rtol=0, atol=1e-9)
        assert model.scale_ == 0
        assert_array_equal(model.inlier_mask_, np.arange(60) >= 20)


def test_most_targets_equal():
    X, y, _ = contaminated()
    y[:100] = 0.0
    with pytest.warns(UserWarning, match="y has a single value in 67 % of the rows"):
        model = SoftLTSRegressor().fit(X, y)
    assert model.robust_r2_ == 0
    assert_allclose(model.predict(X), 0, rtol=0, atol=1e-9)
    assert model.scale_ == 0
    assert_array_equal(model.inlier_mask_, y == 0)
    # A huge value says nothing about the size of the others.
    y[149] = 1e12
    with pytest.warns(UserWarning, match="y has a single value in 67 % of the rows"):
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
    model.set_params(epsilon=12.0).fit(X, y)
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


@SLOWER_INTERCEPTS
@pytest.mark.parametrize("dtype", [np.float32, slow(np.float64)])
@pytest.mark.parametrize(
    "model",
    [
        SoftLTSRegressor(),
        SoftLTSRegressor(reweight=True),
        SoftLQSRegressor(),
        SoftLTSRegressorCV(epsilons=[3]),
    ],
)
def test_intercept_is_a_numpy_scalar(model, dtype, fit_intercept):
    X, y, _ = contaminated()
    X = X.astype(dtype)
    model = clone(model).set_params(fit_intercept=fit_intercept).fit(X, y)
    assert isinstance(model.intercept_, np.float64)
    assert model.intercept_.reshape(1, -1).shape == (1, 1)
    assert (model.intercept_ != 0) == fit_intercept
    assert model.predict(X).dtype == model.coef_.dtype == dtype
    expected = X.astype(np.float64) @ model.coef_ + model.intercept_
    assert_allclose(model.predict(X), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 500])
def test_warm_start_in_any_units(rank, monkeypatch):
    monkeypatch.setattr(_design, "MAX_WHITENED_RANK", rank)
    X, y, _ = contaminated()
    X = np.column_stack([X, X[:, 0]]) * [1e-20, 1.0, 1e20, 1e3]
    for alpha in (0, 0.1):
        model = SoftLTSRegressor(warm_start=True, alpha=alpha).fit(X, y)
        cold_iterations = model.n_iter_
        # One or two iterations find that nothing is to be done.
        assert model.fit(X, y).n_iter_ <= 2 < cold_iterations


@INTERCEPTS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_warm_start_starts_from_the_previous_fit(fit_intercept, container):
    X, y, _ = contaminated()
    X = container(X + 1)
    model = SoftLTSRegressor(
        warm_start=True,
        fit_intercept=fit_intercept,
        formulation="sort",
        epsilon=1e-3,
        random_state=0,
    ).fit(X, y)
    coef, intercept = model.raw_coef_, model.raw_intercept_
    objective = model.objective_
    # From elsewhere another local minimum is found.
    model.raw_coef_ = -coef
    model.raw_intercept_ = -intercept
    assert abs(model.fit(X, y).objective_ / objective - 1) > 1e-4
    model.raw_coef_, model.raw_intercept_ = coef, intercept
    assert_allclose(model.fit(X, y).objective_, objective, rtol=1e-12)


def test_not_converged():
    X, y, _ = contaminated()
    with pytest.warns(
        ConvergenceWarning, match="max_iter=2: L-BFGS was stopped after iteration 2"
    ) as record:
        model = SoftLTSRegressor(max_iter=2).fit(X, y)
    assert record[0].filename == __file__
    assert np.isfinite(model.coef_).all()
    with pytest.warns(ConvergenceWarning, match="reweighted fits were not enough"):
        SoftLTSRegressor(max_iter=1, epsilon=0, init="ls").fit(X, y)


@pytest.mark.parametrize("parameters", FORMULATIONS)
def test_converges_fast_and_repeatably(parameters):
    for seed in range(2):
        X, y, _ = contaminated(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            models = [
                SoftLTSRegressor(**parameters, random_state=0).fit(X, y)
                for _ in range(2)
            ]
        assert (1 if parameters["epsilon"] else 0) < models[0].n_iter_ < 60
        assert_array_equal(models[0].coef_, models[1].coef_)


def test_verbose(capsys):
    X, y, _ = contaminated(200, distance=3)
    SoftLTSRegressor().fit(X, y)
    assert capsys.readouterr().out == ""
    model = SoftLTSRegressor(verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "search: 200 rows, 4 coefficients, 102 rows to keep" in lines[0]
    assert lines[1].startswith("[SoftLTSRegressor] start: ")
    assert f"objective {model.objective_:.6g}, scale {model.scale_:.6g}" in lines[2]
    SoftLTSRegressor(verbose=2, formulation="sort", epsilon=40).fit(X, y)
    assert "iteration 10, objective" in capsys.readouterr().out


# As an estimator among others


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library):
    frame = pytest.importorskip(library).DataFrame
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
        assert library == "polars"


def test_clone_and_pickle():
    X, y, _ = contaminated()
    model = SoftLTSRegressor(epsilon=3, trim=0.3).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(X), model.predict(X))
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    assert not hasattr(fresh, "coef_")


@pytest.mark.slow
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
        ({"epsilon": -1}, r"'epsilon' parameter .* \[0.0, inf\) .*'auto'.* Got -1"),
        ({"epsilon": np.inf}, r"'epsilon' parameter .* \[0.0, inf\) .* Got inf"),
        ({"epsilon": np.nan}, r"'epsilon' parameter .* \[0.0, inf\) .* Got nan"),
        ({"epsilon": "1"}, r"'epsilon' parameter .* must be a float"),
        ({"alpha": -1}, r"'alpha' parameter .* in the range \[0.0, inf\). Got -1"),
        ({"fit_intercept": 2}, "'fit_intercept' parameter .* 'bool'.* Got 2"),
        ({"init": "random"}, "'init' parameter .* must be a str among {.*'ls'.*}"),
        ({"n_init": -1}, r"'n_init' parameter .* in the range \[0, inf\) or .*'auto'"),
        ({"reweight": "yes"}, "'reweight' parameter .* 'bool'.* Got 'yes'"),
        ({"random_state": "a"}, "'random_state' parameter"),
        ({"n_jobs": 1.5}, "'n_jobs' parameter .* must be .*int"),
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


def test_missing_targets():
    X, y, _ = contaminated()
    for model in (SoftLTSRegressor(), SoftLQSRegressor()):
        with pytest.raises(ValueError, match="Input y contains NaN"):
            model.fit(X, [None, *y[1:]])


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


@pytest.mark.parametrize("size", [1e150, 1e300])
def test_errors_with_huge_weights(size):
    X, y = make_regression(40, 2, noise=1.0, random_state=0)
    model = SoftLTSRegressor(random_state=0)  # warnings are errors
    expected = model.fit(X, y, sample_weight=np.full(40, 1e20)).stderr_
    found = model.fit(X, y, sample_weight=np.full(40, size)).stderr_
    assert_allclose(found, expected * np.sqrt(1e20 / size), rtol=1e-6)
