"""Names of labels: columns of y are found by them, in every order."""

import numpy as np
import pandas as pd
import pytest
from marks import slow
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksoftrank.datasets import make_label_ranking
from sksoftrank.label_ranking import DummyLabelRanker, SoftSpearmanLabelRanker
from sksoftrank.metrics import RANKING_SCORERS

NAMES = ["d", "a", "c", "b"]


def table(missing=0.2, names=NAMES):
    X, y, _ = make_label_ranking(120, 3, 4, noise=0.5, missing=missing, random_state=0)
    return X, pd.DataFrame(y, columns=names)


def wrapped(model):
    """The ranker alone and inside of others."""
    yield model
    yield make_pipeline(StandardScaler(), model)
    yield GridSearchCV(model, {})
    yield GridSearchCV(make_pipeline(PCA(2), model), {})
    yield make_pipeline(StandardScaler(), GridSearchCV(model, {}))


def test_frozen_estimators():
    X, Y = table()
    for target, y in (("ranks", Y), ("relevance", -Y)):
        model = SoftSpearmanLabelRanker(target=target).fit(X, y)
        for score in RANKING_SCORERS.values():
            found = score(FrozenEstimator(model), X, y[sorted(y)])
            assert found == score(model, X, y)


@pytest.mark.slow
@pytest.mark.parametrize("ranker", [SoftSpearmanLabelRanker(), DummyLabelRanker()])
@pytest.mark.parametrize("target", [slow("ranks"), "relevance"])
def test_permuted_columns_change_nothing(ranker, target):
    X, Y = table()
    if target == "relevance":
        Y = 100 - Y
    for model in wrapped(clone(ranker).set_params(target=target)):
        model.fit(X, Y)
        for name, score in [("score", type(model).score), *RANKING_SCORERS.items()]:
            expected = score(model, X, Y)
            for other in (Y[sorted(Y)], Y[NAMES[::-1]], Y.astype("Float64")):
                assert score(model, X, other) == expected, name
            assert score(model, X, Y.to_numpy()) == expected
            assert score(model, X, Y.to_numpy()[:, ::-1]) != expected


def test_polars():
    polars = pytest.importorskip("polars")
    X, Y = table(missing=0)
    model = SoftSpearmanLabelRanker().fit(X, polars.from_pandas(Y))
    assert_array_equal(model.labels_, NAMES)
    permuted = polars.from_pandas(Y[sorted(Y)])
    assert model.score(X, permuted) == model.score(X, Y)


def test_permuted_labels_without_text():
    # Numbers of columns are names, too: those of an array are 0, 1, ...
    X, Y = table(names=range(4))
    for y in (Y, Y.to_numpy()):
        model = SoftSpearmanLabelRanker().fit(X, y)
        assert model.score(X, Y[[2, 0, 3, 1]]) == model.score(X, Y)
        assert model.score(X, Y.set_axis(NAMES, axis=1)) == model.score(X, Y) or (
            y is Y and model.labels_.tolist() == [0, 1, 2, 3]
        )


def test_warm_start_with_permuted_columns():
    X, Y = table()
    model = SoftSpearmanLabelRanker(warm_start=True, tol=1e-8, alpha=1.0).fit(X, Y)
    coef = model.coef_
    for y in (Y[sorted(Y)], Y.to_numpy()):
        model.fit(X, y)
        assert_array_equal(model.labels_, NAMES)
        assert np.abs(model.coef_ - coef).max() < 1e-5 * np.abs(coef).max()
        assert model.n_iter_ <= 3
    with pytest.raises(ValueError, match="y must have the labels of the fit"):
        model.fit(X, Y.rename(columns={"a": "x"}))


@pytest.mark.parametrize(
    "columns",
    [["a", "b", "c", "x"], ["a", "b", "c"], ["a", "b", "c", "c"], range(4)],
    ids=str,
)
def test_other_columns_are_refused(columns):
    X, Y = table()
    model = SoftSpearmanLabelRanker().fit(X, Y)
    other = pd.DataFrame(np.ones((120, len(columns))), columns=columns)
    message = r"y must have the labels .*\['d', 'a', 'c', 'b'\], in any order, got"
    for score in (type(model).score, *RANKING_SCORERS.values()):
        with pytest.raises(ValueError, match=message):
            score(model, X, other)


@pytest.mark.parametrize("name", RANKING_SCORERS)
def test_scorers_ask_for_the_target(name):
    X, Y = table(missing=0)
    scores = [
        cross_val_score(
            SoftSpearmanLabelRanker(target=target),
            X,
            y,
            scoring=RANKING_SCORERS[name],
        )
        for target, y in (("ranks", Y), ("relevance", -Y), ("relevance", 1e3 - Y))
    ]
    assert_array_equal(scores[1], scores[0])
    assert_array_equal(scores[2], scores[0])
    assert scores[0].mean() > 0.5
    # The best is taken, not the worst.
    search = GridSearchCV(
        make_pipeline(StandardScaler(), SoftSpearmanLabelRanker(target="relevance")),
        {"softspearmanlabelranker__alpha": [1e-3, 1e6]},
        scoring=RANKING_SCORERS[name],
    ).fit(X, -Y)
    assert search.best_params_ == {"softspearmanlabelranker__alpha": 1e-3}
