"""Ranking metrics against SciPy and scikit-learn, row by row."""

import pickle

import numpy as np
import pytest
import sklearn.metrics
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kendalltau, spearmanr
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import GridSearchCV, cross_validate

from sksoftrank.datasets import make_label_ranking
from sksoftrank.label_ranking import DummyLabelRanker, SoftSpearmanLabelRanker
from sksoftrank.metrics import (
    RANKING_SCORERS,
    _ranking,
    kendall_tau_score,
    ndcg_score,
    ndcg_score_of_ranks,
    spearman_score,
)

NAN = np.nan
CORRELATIONS = pytest.mark.parametrize(
    ("score", "of_row"),
    [(spearman_score, spearmanr), (kendall_tau_score, kendalltau)],
)
SCORES = pytest.mark.parametrize(
    "score", [spearman_score, kendall_tau_score, ndcg_score, ndcg_score_of_ranks]
)


def rows(n=60, k=6, missing=0.3, seed=0):
    """Two arrays with ties and missing entries, and weights."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, k, (n, k)).astype(float)
    second = first + rng.integers(-2, 3, (n, k))
    for y in (first, second):
        y[rng.random((n, k)) < missing / 2] = NAN
    return first, second, rng.integers(0, 4, n).astype(float)


def scores_of_rows(of_row, first, second):
    scores = np.full(len(first), NAN)
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        both = ~np.isnan(a) & ~np.isnan(b)
        if both.sum() >= 2:
            a, b = a[both], b[both]
            constant = np.ptp(a) == 0 or np.ptp(b) == 0
            scores[i] = 0.0 if constant else of_row(a, b).statistic
    return scores


@CORRELATIONS
@pytest.mark.parametrize("missing", [0.0, 0.3, 0.9])
def test_correlations(score, of_row, missing):
    first, second, weight = rows(missing=missing)
    expected = scores_of_rows(of_row, first, second)
    assert_allclose(score(first, second, average=False), expected, atol=1e-14)
    assert_allclose(score(first, second), np.nanmean(expected), rtol=1e-12)
    used = ~np.isnan(expected)
    assert_allclose(
        score(first, second, sample_weight=weight),
        np.average(expected[used], weights=weight[used]),
        rtol=1e-12,
    )
    assert np.ptp(expected[used]) > 0.5


@CORRELATIONS
def test_ends(score, of_row):
    y = [[1, 2, 3, 4], [4, 2, 3, 1]]
    assert score(y, y) == 1.0
    assert score(y, -np.array(y)) == -1.0


@SCORES
def test_constant_rows_and_single_labels(score):
    varied = [[1.0, 2.0, 3.0]]
    if score in (spearman_score, kendall_tau_score):
        assert score(varied, [[5.0, 5.0, 5.0]]) == 0.0
        assert score([[5.0, 5.0, 5.0]], varied) == 0.0
        assert score([[5.0] * 3], [[5.0] * 3]) == 0.0
    expected = score(varied, varied)
    single = [*varied, [1.0, NAN, NAN], [NAN, NAN, NAN]]
    assert score(single, varied * 3) == expected
    assert score(varied * 3, single) == expected
    for nothing in ([[1.0]], [[1.0, NAN]]):
        with pytest.warns(UndefinedMetricWarning, match=f"{score.__name__[:4]}.* not"):
            assert np.isnan(score(nothing, nothing))


def test_rows_without_relevance():
    assert ndcg_score([[0.0, 0.0]], [[1.0, 2.0]]) == 0.0


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("k", [None, 2])
def test_ndcg(missing, k):
    first, second, weight = rows(missing=missing)
    expected = np.full(len(first), NAN)
    of_ranks = expected.copy()
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        both = ~np.isnan(a) & ~np.isnan(b)
        if both.sum() >= 2:
            expected[i] = sklearn.metrics.ndcg_score([a[both]], [b[both]], k=k)
            # Labels ranked behind, ties by half, among all ranked in the truth.
            ranked = a[~np.isnan(a)]
            behind = [(ranked > x).sum() + ((ranked == x).sum() - 1) / 2 for x in a]
            gain = np.array(behind)[both]
            of_ranks[i] = sklearn.metrics.ndcg_score([gain], [b[both]], k=k)
    used = ~np.isnan(expected)
    for score, sign, values in (
        (ndcg_score, 1, expected),
        (ndcg_score_of_ranks, -1, of_ranks),
    ):
        predicted = sign * second
        assert_allclose(score(first, predicted, k=k), np.nanmean(values), rtol=1e-12)
        assert_allclose(
            score(first, predicted, k=k, sample_weight=weight),
            np.average(values[used], weights=weight[used]),
            rtol=1e-12,
        )


def test_ndcg_without_ties_in_the_prediction():
    first, _, _ = rows()
    second = np.random.default_rng(1).random(first.shape)
    expected = [
        sklearn.metrics.ndcg_score([a[~np.isnan(a)]], [b[~np.isnan(a)]])
        for a, b in zip(first, second, strict=True)
        if (~np.isnan(a)).sum() >= 2
    ]
    assert_allclose(ndcg_score(first, second), np.mean(expected), rtol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 40])
def test_batches(batch_size, monkeypatch):
    first, second, _ = rows()
    expected = kendall_tau_score(first, second, average=False)
    monkeypatch.setattr(_ranking, "BATCH_SIZE", batch_size)
    assert_array_equal(kendall_tau_score(first, second, average=False), expected)


@SCORES
def test_weights_are_repeats(score):
    first, second, weight = rows()
    count = weight.astype(int)
    weighted = score(first, second, sample_weight=weight)
    repeated = score(first.repeat(count, axis=0), second.repeat(count, axis=0))
    assert_allclose(weighted, repeated, rtol=1e-12)
    assert abs(weighted - score(first, second)) > 1e-3


# Scorers


def test_scorers_are_named_in_a_grid_search():
    X, y, _ = make_label_ranking(80, noise=0.5, missing=0.2, random_state=0)
    grid = GridSearchCV(
        SoftSpearmanLabelRanker(alpha=1.0),
        {"epsilon": [0.01, 10.0]},
        scoring=RANKING_SCORERS,
        refit="kendall_tau",
    )
    grid.fit(X, y)
    assert grid.best_params_ == {"epsilon": 0.01}
    for name in ("spearman", "kendall_tau", "ndcg"):
        assert grid.cv_results_[f"mean_test_{name}"][0] > 0.4
        scorer = pickle.loads(pickle.dumps(RANKING_SCORERS[name]))
        assert_allclose(scorer(grid, X, y), RANKING_SCORERS[name](grid, X, y))


def test_scorers_agree_with_the_metrics():
    X, y, _ = make_label_ranking(50, noise=1.0, missing=0.2, random_state=0)
    model = SoftSpearmanLabelRanker().fit(X, y)
    ranks = model.predict(X)
    values = {name: scorer(model, X, y) for name, scorer in RANKING_SCORERS.items()}
    assert values["spearman"] == spearman_score(y, ranks) == model.score(X, y)
    assert values["kendall_tau"] == kendall_tau_score(y, ranks)
    assert values["ndcg"] == ndcg_score_of_ranks(y, ranks)
    assert len(set(values.values())) == 3


def test_dummy_has_the_scorers_too():
    X, y, _ = make_label_ranking(50, random_state=0)
    result = cross_validate(DummyLabelRanker(), X, y, scoring=RANKING_SCORERS)
    assert np.isfinite(result["test_ndcg"]).all()


# Bad input


@SCORES
def test_bad_input(score):
    y = [[1.0, 2.0]]
    with pytest.raises(ValueError, match=r"must have the same shape, got \(1, 2\) and"):
        score(y, [[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match=r"y_true must have shape \(n_samples, n_lab"):
        score([1.0, 2.0], y)
    with pytest.raises(ValueError, match="Input y_true contains infinity"):
        score([[1.0, np.inf]], y)
    with pytest.raises(ValueError, match="could not convert string to float"):
        score(y, [["a", "b"]])
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_w"):
        score(y, y, sample_weight=[-1.0])


def test_negative_relevance():
    with pytest.raises(ValueError, match="negative y_true"):
        ndcg_score([[-1.0, 2.0]], [[1.0, 2.0]])
