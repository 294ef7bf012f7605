"""SoftSpearmanLabelRanker in use, DummyLabelRanker and make_label_ranking."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from label_rankings import (
    REGULARIZATIONS,
    rankings,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from sksoftrank.datasets import make_label_ranking
from sksoftrank.label_ranking import DummyLabelRanker, SoftSpearmanLabelRanker
from sksoftrank.metrics import RANKING_SCORERS, spearman_score

NAN = np.nan

# Iterations


@REGULARIZATIONS
def test_warm_start(regularization):
    X, y = rankings()
    model = SoftSpearmanLabelRanker(
        regularization=regularization, epsilon=0.1, alpha=1.0, tol=1e-6
    )
    first = model.fit(X, y).n_iter_
    coef, objective = model.coef_, model.objective_
    model.set_params(warm_start=True).fit(X, y)
    assert model.n_iter_ <= max(3, first / 2)
    assert_allclose(model.coef_, coef, rtol=0, atol=1e-3 * np.abs(coef).max())
    assert_allclose(model.objective_, objective, rtol=1e-6)
    with pytest.raises(ValueError, match="y must have the 4 labels of the previous"):
        model.fit(X, y[:, :3])
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3"):
        model.fit(X[:, :2], y)


def test_warm_start_of_a_new_estimator():
    X, y = rankings()
    cold = SoftSpearmanLabelRanker().fit(X, y)
    warm = SoftSpearmanLabelRanker(warm_start=True).fit(X, y)
    assert_array_equal(cold.coef_, warm.coef_)


def test_convergence_warning():
    X, y = rankings()
    model = SoftSpearmanLabelRanker(max_iter=2, tol=0)
    with pytest.warns(
        ConvergenceWarning, match="did not converge with max_iter=2: L-BFGS"
    ):
        model.fit(X, y)
    assert np.isfinite(model.coef_).all()


def test_verbose(capsys):
    X, y = rankings()
    SoftSpearmanLabelRanker().fit(X, y)
    assert capsys.readouterr().out == ""
    SoftSpearmanLabelRanker(verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("[SoftSpearmanLabelRanker] start: ")
    model = SoftSpearmanLabelRanker(verbose=2, tol=1e-8).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 3
    assert re.search(r"iteration \d+0, objective \d", lines[1])
    assert lines[-1].endswith(f"objective {model.objective_:.6g}")


class Recorder:
    """A callback that writes down what it is told, and may stop the iterations."""

    def __init__(self, stop_after=np.inf):
        self.stop_after = stop_after
        self.events, self.scores, self.metadata = [], [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, metadata):
        self.events.append(f"begin {context.task_name}")
        self.metadata.append(metadata)

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.events.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        return len(self.scores) >= self.stop_after


@pytest.mark.parametrize("stop_after", [np.inf, 3])
def test_callbacks(stop_after):
    pytest.importorskip("sklearn.callback", reason="scikit-learn has no callbacks yet")
    X, y = rankings()
    callback = Recorder(stop_after)
    plain = SoftSpearmanLabelRanker().fit(X, y)
    model = SoftSpearmanLabelRanker().set_callbacks(callback)
    model.fit(X, y, np.ones(len(y)))
    events = callback.events
    assert events[:3] == ["setup", "begin fit", "begin iteration"]
    assert events[-2:] == ["end fit", "teardown"]
    n = events.count("end iteration")
    assert n == events.count("begin iteration")
    assert_array_equal(callback.metadata[-1]["sample_weight"], 1)
    assert callback.scores[-1] == model.score(X, y)
    if stop_after == np.inf:
        assert_array_equal(model.coef_, plain.coef_)
        assert 5 < n <= model.n_iter_
    else:
        assert n == 3
        assert model.n_iter_ < plain.n_iter_
        assert np.abs(model.coef_ - plain.coef_).max() > 1e-6


# Among other estimators


def test_grid_search_in_a_pipeline():
    X, y = rankings()
    pipeline = make_pipeline(PolynomialFeatures(2), SoftSpearmanLabelRanker(alpha=1))
    name = "softspearmanlabelranker__epsilon"
    grid = GridSearchCV(pipeline, {name: [0.01, 0.1, 30.0]}, error_score="raise")
    grid.fit(X, y)
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()
    assert grid.best_params_[name] < 30
    assert grid.score(X, y) == spearman_score(y, grid.predict(X))


def test_copies():
    X, y = rankings()
    model = SoftSpearmanLabelRanker(regularization="kl", alpha=0.5).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(X), model.predict(X))
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        clone(model).predict(X)


@pytest.mark.parametrize("target", ["ranks", "relevance"])
def test_timestamps(target):
    # Nanoseconds of finishes: float64 would tie them.
    X, y = rankings(missing=0)
    times = y.astype(np.int64) + 1_700_000_000_000_000_000
    for ranker in (SoftSpearmanLabelRanker(target=target), DummyLabelRanker()):
        expected = clone(ranker).fit(X, y)
        found = clone(ranker).fit(X, times)
        assert_array_equal(found.decision_function(X), expected.decision_function(X))
        assert found.score(X, times) == expected.score(X, y)
        for scorer in RANKING_SCORERS.values():
            assert scorer(found, X, times) == scorer(expected, X, y)
    with pytest.raises(ValueError, match="y must hold numbers that differ in float64"):
        SoftSpearmanLabelRanker().fit([[0.0]], [[0, 2**60, 2**60 + 1]])


def test_inputs_are_not_changed():
    X, y = rankings()
    weight = np.ones(len(y))
    for array in (X, y, weight):
        array.flags.writeable = False
    SoftSpearmanLabelRanker().fit(X, y, weight)
    DummyLabelRanker().fit(X, y, weight)


# Bad input


@pytest.mark.parametrize("ranker", [SoftSpearmanLabelRanker(), DummyLabelRanker()])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, 2.0], r"y must have shape \(n_samples, n_labels\), .* got \(2,\)"),
        ([["a", "b"], ["b", "a"]], "y must hold numbers, or NaN .* got 'a'"),
        (np.array([[1, "2"]] * 2, dtype=object), "y must hold numbers, .* got '2'"),
        ([[1, np.inf], [2, 1]], "Input y contains infinity"),
        ([[1, 2, 3], [2, 1]], "y must have a column .* rows of different lengths"),
        ([[1, 2], [2, 1], [1, 2]], "inconsistent numbers of samples"),
        ([[NAN, NAN], [1, NAN]], "y must have a row with at least two ranked labels"),
        (None, "requires y to be passed"),
    ],
)
def test_bad_rankings(ranker, y, message):
    with pytest.raises(ValueError, match=message):
        clone(ranker).fit([[0.0], [1.0]], y)


@pytest.mark.parametrize("ranker", [SoftSpearmanLabelRanker(), DummyLabelRanker()])
def test_bad_weights_and_columns(ranker):
    X, y = [[0.0], [1.0]], [[1, 2], [2, NAN]]
    ranker = clone(ranker)
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_w"):
        ranker.fit(X, y, [1, -1])
    with pytest.raises(ValueError, match="at least two ranked labels and a positive"):
        ranker.fit(X, y, [0, 1])
    with pytest.raises(ValueError, match=r"sample_weight\.shape"):
        ranker.fit(X, y, [1, 1, 1])
    ranker.fit(X, y)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 1"):
        ranker.predict([[0.0, 1.0]])
    with pytest.raises(ValueError, match="must have the same shape"):
        ranker.score(X, [[1, 2, 3], [1, 2, 3]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epsilon": 0}, "'epsilon' parameter .* in the range \\(0"),
        ({"epsilon": -1.0}, "'epsilon' parameter"),
        ({"alpha": -1}, "'alpha' parameter"),
        ({"regularization": "l2"}, "'regularization' parameter"),
        ({"target": "scores"}, "'target' parameter"),
        ({"init_scale": 0}, "'init_scale' parameter"),
        ({"epsilon": 1e200}, r"alpha \* epsilon\*\*2 must be finite, got alpha=0.001"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        SoftSpearmanLabelRanker(**parameters).fit([[0.0], [1.0]], [[1, 2], [2, 1]])


# The baseline


def test_dummy_is_the_mean_rank():
    X, y = rankings(missing=0)
    model = DummyLabelRanker().fit(X, y)
    assert_allclose(model.borda_, (4 - y.mean(axis=0)) / 3, rtol=1e-12)
    assert_array_equal(model.predict(X), np.tile(rankdata(y.mean(axis=0)), (80, 1)))
    relevance = DummyLabelRanker(target="relevance").fit(X, -y)
    assert_array_equal(relevance.borda_, model.borda_)
    assert_allclose(relevance.score(X, -y), model.score(X, y), rtol=1e-12)


def test_dummy_of_partial_rankings_and_weights():
    X, y = rankings()
    y[:, 3] = NAN
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    with pytest.warns(UserWarning, match=r"y ranks the labels \[3\] in no row"):
        model = DummyLabelRanker().fit(X, y, weight)
    shares = [[], [], [], []]
    for row in y.repeat(weight, axis=0):
        ranked = row[~np.isnan(row)]
        for label in np.flatnonzero(~np.isnan(row)) if ranked.size > 1 else []:
            others = (ranked > row[label]).sum() + (
                (ranked == row[label]).sum() - 1
            ) / 2
            shares[label].append(others / (ranked.size - 1))
    expected = [np.mean(share) if share else 0.5 for share in shares]
    assert_allclose(model.borda_, expected, rtol=1e-12)


def test_dummy_takes_any_features():
    X = pd.DataFrame({"a": ["x", None], "b": [NAN, 1.0]})
    model = DummyLabelRanker().fit(X, [[1, 2], [1, 2]])
    assert_array_equal(model.predict_order(X), [[0, 1], [0, 1]])


# The generator


def test_make_label_ranking():
    X, y, coef = make_label_ranking(200, 4, 6, noise=0, random_state=0)
    assert X.shape == (200, 4)
    assert coef.shape == (6, 4)
    assert_array_equal(y, rankdata(-X @ coef.T, axis=1))
    noisy = make_label_ranking(200, 4, 6, noise=1, random_state=0)
    assert_array_equal(noisy[0], X)
    assert_array_equal(noisy[2], coef)
    assert 0.3 < spearman_score(y, noisy[1]) < 0.9
    _, partial, _ = make_label_ranking(200, 4, 6, noise=0, missing=0.3, random_state=0)
    assert_allclose(np.isnan(partial).mean(), 0.3, rtol=0, atol=0.05)
    again = np.where(np.isnan(partial), NAN, y)
    assert_array_equal(rankdata(again, axis=1, nan_policy="omit"), partial)


@pytest.mark.parametrize(
    "parameters", [{"missing": 1.0}, {"noise": -1}, {"n_labels": 0}]
)
def test_make_label_ranking_bad_parameters(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        make_label_ranking(**parameters)


def test_a_refused_fit_leaves_the_last_one():
    X, y, _ = make_label_ranking(30, random_state=0)
    model = SoftSpearmanLabelRanker().fit(X, y)
    expected = model.predict(X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X[:, :2], y[:-1])
    assert_array_equal(model.predict(X), expected)
