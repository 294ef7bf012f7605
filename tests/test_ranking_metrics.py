"""Ranking metrics against SciPy and scikit-learn, row by row."""

import pickle

import numpy as np
import pandas as pd
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
    _correlations,
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


def test_kendall_of_long_rows(monkeypatch):
    rng = np.random.default_rng(0)
    for n in (2, 101, 300):
        first = rng.integers(0, n // 2 + 1, (5, n)).astype(float)
        second = first + rng.integers(-n, n, (5, n))
        first[rng.random((5, n)) < 0.1] = NAN
        expected = kendall_tau_score(first, second, average=False)
        assert_allclose(
            expected, scores_of_rows(kendalltau, first, second), rtol=0, atol=1e-14
        )
        for limit in (0, 1000):
            monkeypatch.setattr(_correlations, "MAX_PAIRED", limit)
            found = kendall_tau_score(first, second, average=False)
            assert_allclose(found, expected, rtol=0, atol=1e-14)


def test_kendall_of_many_labels():
    # 1.25e9 pairs.
    x = np.random.default_rng(0).permutation(50_000)
    assert kendall_tau_score([x], [x]) == 1
    assert kendall_tau_score([x], [-x]) == -1
    assert abs(kendall_tau_score([x], [np.arange(50_000)])) < 0.02


@CORRELATIONS
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_one_dimension_is_one_ranking(score, of_row, missing):
    first, second = (y.ravel() for y in rows(missing=missing)[:2])
    weight = np.random.default_rng(0).integers(0, 4, first.size)
    expected = scores_of_rows(of_row, first[None], second[None])
    assert_allclose(score(first, second), expected[0], rtol=1e-12)
    assert_allclose(score(first, second, average=False), expected, rtol=1e-12)
    repeated = score(first.repeat(weight), second.repeat(weight))
    for unit in (1, 1e-300, 1e307):
        found = score(first, second, sample_weight=weight * unit)
        assert_allclose(found, repeated, rtol=1e-12)
    assert abs(repeated - expected[0]) > 1e-3


def test_ndcg_of_one_dimension():
    y_true, y_score = [3, 0, 2, NAN, 1], [0.1, 0.3, 0.2, 0.9, 0.7]
    expected = ndcg_score([y_true], [y_score], k=2)
    assert ndcg_score(y_true, y_score, k=2) == expected
    expected = ndcg_score_of_ranks([y_true], [y_score])
    assert ndcg_score_of_ranks(y_true, y_score) == expected
    for score in (ndcg_score, ndcg_score_of_ranks):
        with pytest.raises(ValueError, match="sample_weight must be None for"):
            score(y_true, y_score, sample_weight=np.ones(5))


@CORRELATIONS
def test_integers_beyond_float64(score, of_row):
    steps = np.array([[2, 0, 3, 1], [0, 1, 2, 3]])
    expected = score(steps, steps[::-1], average=False)
    for big in (
        2**60 + steps,
        -(2**60) + steps,
        np.uint64(2**63) + steps.astype(np.uint64),
        (2**70 + steps.astype(object)).tolist(),
        np.array([[2**60], [0]]) + steps,
        pd.DataFrame(2**60 + steps, dtype="Int64"),
    ):
        assert_array_equal(score(big, steps[::-1], average=False), expected)
        assert_array_equal(score(steps[::-1], big, average=False), expected)
        assert_array_equal(score(np.asarray(big)[0], steps[1]), expected[0])
    with pytest.raises(ValueError, match="y_true must hold numbers that differ in"):
        score([[0, 2**60, 2**60 + 1]], [[1, 2, 3]])


@SCORES
def test_extreme_numbers_and_weights(score):
    first, second, weight = rows()
    expected = score(first, second, sample_weight=weight)
    for unit in (2.0**1022, 2.0**-1020):
        found = score(first, second, sample_weight=weight * unit)
        assert_allclose(found, expected, rtol=1e-12)
        # Differences of these overflow.
        widest = (second - 2) * (unit / 2)
        assert_allclose(score(first, widest), score(first, second), rtol=1e-12)
    assert np.isfinite(score([[1.0, 2.0]], [[-1e308, 1e308]]))


@pytest.mark.parametrize("unit", [1e308 / 5, 1e-300])
def test_gains_of_any_size(unit):
    first, second, _ = rows()
    gains = first * np.where(np.arange(len(first)) % 2, unit, 1.0)[:, None]
    assert_allclose(ndcg_score(gains, second), ndcg_score(first, second), rtol=1e-12)


@SCORES
def test_missing_values_of_pandas(score):
    first, second, _ = rows()
    expected = score(first, second)
    for kind in ("Float64", "Int64"):
        frame = pd.DataFrame(first).astype(kind)
        assert frame.isna().any().any()
        assert score(frame, pd.DataFrame(second).astype(kind)) == expected
        lists = frame.astype(object).to_numpy().tolist()
        assert score(lists, second) == expected
    column = pd.Series(first[:, 0], dtype="Int64")
    assert score(column, second[:, 0]) == score(first[:, 0], second[:, 0])


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
    with pytest.raises(
        ValueError, match=r"y_true and the prediction must have the same"
    ):
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
