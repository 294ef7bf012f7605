"""soft_spearman_loss and soft_ndcg_loss against row-by-row references."""

import numpy as np
import pandas as pd
import pytest
import reference
from differences import central_differences
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import ndcg_score

from sksoftrank.losses import _soft_ranks, soft_ndcg_loss, soft_spearman_loss
from sksoftrank.metrics import ndcg_score as our_ndcg_score

REGULARIZATIONS = pytest.mark.parametrize(
    "regularization", ["quadratic", "entropic", "kl"]
)
NAN = np.nan


def rows(n=30, k=6, missing=0.3, seed=0):
    """Scores, truth with missing labels and ties, and weights."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((n, k))
    truth = rng.integers(0, k, (n, k)).astype(float)
    truth[rng.random((n, k)) < missing] = NAN
    return scores, truth, rng.integers(0, 4, n).astype(float)


def spearman_of_row(scores, truth, epsilon, regularization, top_weight):
    ranks = rankdata(truth)
    soft = reference.soft_rank(scores, epsilon, regularization, descending=True)
    weight = ranks**-top_weight
    return (weight / weight.mean() * (soft - ranks) ** 2).sum() / 2


def ndcg_loss_of_row(scores, relevance, epsilon, regularization, k=None):
    soft = reference.soft_rank(scores, epsilon, regularization, descending=True)
    ideal = sorted(relevance, reverse=True)[:k]
    best = sum(gain / np.log2(2 + i) for i, gain in enumerate(ideal))
    if best == 0:
        return 1.0
    if k is None:
        return 1 - (relevance / np.log2(1 + soft)).sum() / best
    discount = [
        1 / np.log2(1 + s) if s <= k else max(0, k + 1 - s) / np.log2(1 + k)
        for s in soft
    ]
    return 1 - (relevance * discount).sum() / best


@REGULARIZATIONS
@pytest.mark.parametrize("k", [1, 2, 5, 100])
@pytest.mark.parametrize("epsilon", [slow(0.05), 0.5])
def test_ndcg_at_k(regularization, epsilon, k):
    scores, relevance, weight = rows(n=10)
    expected = mean_of_rows(
        ndcg_loss_of_row, scores, relevance, weight, epsilon, regularization, k
    )
    options = {"k": k, "regularization": regularization, "sample_weight": weight}
    value, gradient = soft_ndcg_loss(scores, relevance, epsilon, **options)
    assert_allclose(value, expected, rtol=1e-12)
    found = central_differences(
        lambda x: soft_ndcg_loss(x, relevance, epsilon, **options)[0], scores
    )
    assert_allclose(gradient, found, rtol=0, atol=1e-7)
    if epsilon == 0.5:
        assert np.abs(gradient).max() > 1e-4
    if k == 100:
        everything = soft_ndcg_loss(
            scores,
            relevance,
            epsilon,
            regularization=regularization,
            sample_weight=weight,
        )
        assert_allclose(value, everything[0], rtol=1e-14)
        assert_allclose(gradient, everything[1], rtol=0, atol=1e-15)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_hard_ndcg_at_k(k):
    scores, relevance, _ = rows(missing=0)
    expected = 1 - ndcg_score(relevance, scores, k=k)
    assert_allclose(soft_ndcg_loss(scores, relevance, 0, k=k)[0], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("k", "error"),
    [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)],
)
def test_bad_k(k, error):
    with pytest.raises(error, match=f"k must be an integer >= 1 or None, got {k}"):
        soft_ndcg_loss([[1.0, 2.0]], [[1.0, 2.0]], k=k)


@pytest.mark.parametrize("unit", [2.0**1020, 1e308 / 5, 1e-300])
def test_gains_of_any_size(unit):
    scores, relevance, weight = rows()
    rows_of_unit = np.where(np.arange(30) % 2, unit, 1.0)[:, None]
    for k in (None, 2):
        options = {"k": k, "sample_weight": weight}
        value, gradient = soft_ndcg_loss(scores, relevance, 0.3, **options)
        found = soft_ndcg_loss(scores, relevance * rows_of_unit, 0.3, **options)
        assert_allclose(found[0], value, rtol=1e-12)
        assert_allclose(found[1], gradient, rtol=0, atol=1e-12)
    perfect = soft_ndcg_loss([[3.0, 2.0, 1.0]], [[1e308, 9e307, 1e307]], 0)
    assert abs(perfect[0]) < 1e-15


@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
def test_scores_of_labels_that_are_not_ranked_may_be_anything(loss):
    scores, truth, weight = rows()
    expected = loss(scores, truth, 0.3, sample_weight=weight)
    for anything in (NAN, np.inf, -np.inf, 1e308):
        padded = np.where(np.isnan(truth), anything, scores)
        found = loss(padded, truth, 0.3, sample_weight=weight)
        assert found[0] == expected[0]
        assert_array_equal(found[1], expected[1])
    tables = pd.DataFrame(padded), pd.DataFrame(truth).astype("Float64")
    tables = (tables[0].where(~np.isnan(truth)).astype("Float64"), tables[1])
    assert tables[0].isna().any().any()
    found = loss(*tables, 0.3, sample_weight=weight)
    assert found[0] == expected[0]
    assert_array_equal(found[1], expected[1])
    scores[~np.isnan(truth)] = NAN
    with pytest.raises(ValueError, match="scores must be finite, got"):
        loss(scores, truth)


def mean_of_rows(function, scores, truth, weight, *arguments):
    total, value = 0.0, 0.0
    for s, t, w in zip(scores, truth, weight, strict=True):
        ranked = ~np.isnan(t)
        if ranked.sum() >= 2:
            value += w * function(s[ranked], t[ranked], *arguments)
            total += w
    return float(value / total)


# Values and gradients


@REGULARIZATIONS
@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("top_weight", [0.0, 1.5])
@pytest.mark.parametrize("epsilon", [0.05, 1.0, 20.0])
def test_spearman_value(regularization, missing, top_weight, epsilon):
    scores, truth, weight = rows(missing=missing)
    expected = mean_of_rows(
        spearman_of_row, scores, truth, weight, epsilon, regularization, top_weight
    )
    value, _ = soft_spearman_loss(
        scores,
        truth,
        epsilon,
        regularization=regularization,
        top_weight=top_weight,
        sample_weight=weight,
    )
    assert_allclose(value, expected, rtol=1e-12)


@REGULARIZATIONS
@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("epsilon", [0.05, 1.0, 20.0])
def test_ndcg_value(regularization, missing, epsilon):
    scores, truth, weight = rows(missing=missing)
    truth[3] = 0.0
    weight[3] = 5.0
    expected = mean_of_rows(
        ndcg_loss_of_row, scores, truth, weight, epsilon, regularization
    )
    value, _ = soft_ndcg_loss(
        scores, truth, epsilon, regularization=regularization, sample_weight=weight
    )
    assert_allclose(value, expected, rtol=1e-12)


@REGULARIZATIONS
@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("weighted", [slow(False), True])
@pytest.mark.parametrize("epsilon", [0.3, slow(3.0)])
@pytest.mark.parametrize(
    ("loss", "options"),
    [
        (soft_spearman_loss, {}),
        (soft_spearman_loss, {"top_weight": 1.0}),
        (soft_ndcg_loss, {}),
    ],
)
def test_gradient(loss, options, epsilon, weighted, missing, regularization):
    scores, truth, weight = rows(n=8, missing=missing)
    options = {**options, "regularization": regularization}
    if weighted:
        options["sample_weight"] = weight
    _, gradient = loss(scores, truth, epsilon, **options)
    expected = central_differences(
        lambda s: loss(s, truth, epsilon, **options)[0], scores
    )
    assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)
    assert np.abs(expected).max() > 1e-4


def test_no_projection():
    scores, truth, weight = rows()
    ranks = rankdata(truth, axis=1, nan_policy="omit")
    loss = _soft_ranks.SpearmanLoss(ranks, weight, 2.0, None)
    value, gradient = loss(scores)

    def of_row(s, t):
        return (((len(s) + 1) / 2 - s / 2.0 - rankdata(t)) ** 2).sum() / 2

    assert_allclose(
        value, mean_of_rows(of_row, scores, truth, weight), rtol=1e-12, atol=0
    )
    expected = central_differences(lambda s: loss(s)[0], scores)
    assert_allclose(gradient, expected, rtol=0, atol=1e-8)


# Limits and invariances


@REGULARIZATIONS
@pytest.mark.parametrize("epsilon", [0.0, 1e-6])
def test_hard_spearman(regularization, epsilon):
    scores, _, _ = rows(missing=0)
    truth = np.argsort(np.random.default_rng(1).random(scores.shape), axis=1)
    value, gradient = soft_spearman_loss(
        scores, truth, epsilon, regularization=regularization
    )
    k = scores.shape[1]
    correlation = np.mean(
        [spearmanr(-s, t).statistic for s, t in zip(scores, truth, strict=True)]
    )
    assert_allclose(value, (1 - correlation) * (k**3 - k) / 12, rtol=1e-9)
    assert_array_equal(gradient, 0)


@REGULARIZATIONS
def test_hard_ndcg(regularization):
    scores, truth, _ = rows(missing=0)
    truth[2] = 0
    weight = np.arange(len(truth)) + 1.0
    value, _ = soft_ndcg_loss(
        scores, truth, 1e-9, regularization=regularization, sample_weight=weight
    )
    expected = 1 - ndcg_score(truth, scores, sample_weight=weight)
    assert_allclose(value, expected, rtol=1e-12)


def test_top_weights_make_errors_at_the_top_cost_more():
    truth = [[1.0, 2, 3, 4]]
    top, bottom = [[3.0, 4, 2, 1]], [[4.0, 3, 1, 2]]
    values = [
        [soft_spearman_loss(s, truth, 0, top_weight=t)[0] for s in (top, bottom)]
        for t in (0, 1)
    ]
    assert values[0][0] == values[0][1] == 1.0
    assert values[1][0] > 2 * values[1][1]


@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
def test_labels_that_are_not_ranked_play_no_part(loss):
    scores, truth, _ = rows()
    value, gradient = loss(scores, truth)
    assert_array_equal(gradient[np.isnan(truth)], 0)
    other = np.where(np.isnan(truth), 1e6, scores)
    other_value, other_gradient = loss(other, truth)
    assert value == other_value
    assert_array_equal(gradient, other_gradient)


@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
def test_weights_are_repeats(loss):
    scores, truth, weight = rows()
    count = weight.astype(int)
    value, gradient = loss(scores, truth, sample_weight=weight)
    repeated = loss(scores.repeat(count, axis=0), truth.repeat(count, axis=0))
    assert_allclose(value, repeated[0], rtol=1e-12)
    assert_allclose(
        gradient.repeat(count, axis=0),
        repeated[1] * weight.repeat(count)[:, None],
        rtol=1e-12,
    )
    assert_array_equal(gradient[count == 0], 0)
    huge = loss(scores, truth, sample_weight=weight * 1e307)
    assert_allclose(huge[0], value, rtol=1e-12)
    assert abs(value - loss(scores, truth)[0]) > 1e-3


@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("batch_size", [1, 20, 67])
def test_batches(loss, missing, batch_size, monkeypatch):
    scores, truth, weight = rows(missing=missing)
    expected = loss(scores, truth, sample_weight=weight)
    monkeypatch.setattr(_soft_ranks, "BATCH_SIZE", batch_size)
    value, gradient = loss(scores, truth, sample_weight=weight)
    assert_allclose(value, expected[0], rtol=1e-12)
    assert_allclose(gradient, expected[1], rtol=1e-12)


@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
@pytest.mark.parametrize("batch_size", [6, 20, 60])
def test_batches_without_missing_labels(loss, batch_size, monkeypatch):
    scores, truth, weight = rows(missing=0.0)
    truth[-1, 0] = NAN
    expected = loss(scores, truth, sample_weight=weight)
    monkeypatch.setattr(_soft_ranks, "BATCH_SIZE", batch_size)
    value, gradient = loss(scores, truth, sample_weight=weight)
    assert_allclose(value, expected[0], rtol=1e-12)
    assert_allclose(gradient, expected[1], rtol=1e-12)


def test_ranks_are_any_numbers_that_order():
    scores, truth, _ = rows()
    expected = soft_spearman_loss(scores, truth)
    value, gradient = soft_spearman_loss(scores, np.exp(truth) - 7)
    assert value == expected[0]
    assert_array_equal(gradient, expected[1])


@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
def test_rows_without_two_ranked_labels(loss):
    scores, truth, _ = rows(n=4, missing=0)
    expected = loss(scores[:2], truth[:2])
    truth[2] = NAN
    truth[3, 1:] = NAN
    value, gradient = loss(scores, truth)
    assert_allclose(value, expected[0], rtol=1e-12)
    assert_allclose(gradient[:2], expected[1], rtol=1e-12)
    assert_array_equal(gradient[2:], 0)
    for empty in (slice(2, 4), slice(0, 0)):
        value, gradient = loss(scores[empty], truth[empty])
        assert value == 0.0
        assert_array_equal(gradient, np.zeros_like(scores[empty]))
    value, gradient = loss(scores[:1, :1], truth[:1, :1])
    assert value == 0.0
    assert_array_equal(gradient, 0)


@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
def test_a_column_has_nothing_to_rank(loss):
    scores, truth, _ = rows(n=4, missing=0)
    message = r"two labels or more in a row, got shape \(4, 1\), .* pass scores\.T"
    with pytest.raises(ValueError, match=message):
        loss(scores[:, :1], truth[:, :1])
    with pytest.raises(ValueError, match=message):
        loss(scores[:, :1], truth[:, 0])
    assert loss(scores[:, :1].T, truth[:, :1].T, 0.1)[0] > 0
    # Groups of one are left out beside others.
    groups = [0, 0, 0, 1]
    expected = loss(scores[:3, 0], truth[:3, 0], 0.1, groups=groups[:3])
    value, gradient = loss(scores[:, 0], truth[:, 0], 0.1, groups=groups)
    assert value == expected[0] > 0
    assert_array_equal(gradient, [*expected[1], 0.0])


@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
def test_inputs_are_not_changed(loss):
    scores, truth, weight = rows()
    for array in (scores, truth, weight):
        array.flags.writeable = False
    expected = loss(scores, truth, sample_weight=weight)
    value, gradient = loss(
        np.asfortranarray(scores), truth.tolist(), sample_weight=weight.tolist()
    )
    assert value == expected[0]
    assert_array_equal(gradient, expected[1])
    single = loss(scores.astype(np.float32), truth)[1]
    assert single.dtype == np.float64
    assert_allclose(single, loss(scores, truth)[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
def test_groups_that_are_in_order_of_columns(loss):
    table = np.random.default_rng(0).integers(0, 5, (9, 2)).astype(float)
    scores, truth = table.T.copy()
    groups = np.repeat([0, 1, 2], [2, 3, 4])  # as the kernel takes them
    expected = loss(scores, truth, groups=groups)
    value, gradient = loss(table[:, 0], table[:, 1], groups=groups)
    assert value == expected[0]
    assert_array_equal(gradient, expected[1])


# Bad input


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"scores": [1.0, 2.0]}, ValueError, r"scores must have shape \(n_rows"),
        ({"truth": [[1.0, 2.0, 3.0]]}, ValueError, "must have the shape of scores"),
        ({"scores": [[1.0, NAN]]}, ValueError, "scores must be finite, got 1 NaN"),
        ({"truth": [[1.0, np.inf]]}, ValueError, "must be finite, got .* 1 infinite"),
        ({"scores": [["a", "b"]]}, TypeError, "scores must be an array of real"),
        ({"epsilon": -1}, ValueError, "epsilon must be a finite number >= 0"),
        ({"regularization": "l2"}, ValueError, "got 'l2', which is 'quadratic' here"),
        ({"regularization": None}, ValueError, "regularization must be 'quadratic'"),
        ({"sample_weight": [-1.0]}, ValueError, "sample_weight must be at least 0"),
        (
            {"sample_weight": [0.0]},
            ValueError,
            "sample_weight must not be zero everywhere",
        ),
        ({"sample_weight": [1, 2]}, ValueError, r"sample_weight must have shape \(1,"),
        ({"sample_weight": [NAN]}, ValueError, "sample_weight must be finite"),
    ],
)
@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
def test_bad_input(loss, arguments, error, message):
    arguments = {"scores": [[1.0, 2.0]], "truth": [[1.0, 2.0]], **arguments}
    scores, truth = arguments.pop("scores"), arguments.pop("truth")
    with pytest.raises(error, match=message):
        loss(scores, truth, **arguments)


@pytest.mark.parametrize(
    ("top_weight", "error", "message"),
    [
        ("1", TypeError, "top_weight must be a real number >= 0, got '1'"),
        (-1, ValueError, "top_weight must be a finite number >= 0, got -1"),
        (np.inf, ValueError, "top_weight must be a finite number >= 0, got inf"),
    ],
)
def test_bad_top_weight(top_weight, error, message):
    with pytest.raises(error, match=message):
        soft_spearman_loss([[1.0, 2.0]], [[1, 2]], top_weight=top_weight)


def test_negative_relevance():
    with pytest.raises(ValueError, match=r"relevance must be at least 0, got -2.0"):
        soft_ndcg_loss([[1.0, 2.0, 3.0]], [[NAN, 1.0, -2.0]])


@pytest.mark.parametrize("has_groups", [False, True])
def test_huge_weights_of_what_does_not_count_change_nothing(has_groups):
    nan = np.nan
    scores = np.array([[0.3, -1.0, 2.0], [0.5, 0.2, 0.1], [1.0, 0.0, 0.0]])
    truth = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 1.0], [nan, nan, 1.0]])
    weight = np.array([1e-300, 3e-300, 1e300])
    calls = [(scores[:2], truth[:2], weight[:2] * 1e300), (scores, truth, weight)]
    options = [{}, {}]
    if has_groups:
        options = [{"groups": np.repeat(np.arange(len(w)), 3)} for _, _, w in calls]
        calls = [(s.ravel(), t.ravel(), w) for s, t, w in calls]
    for loss in (soft_spearman_loss, soft_ndcg_loss):
        (expected, _), (found, _) = (
            loss(s, t, sample_weight=w, **option)
            for (s, t, w), option in zip(calls, options, strict=True)
        )
        assert found == pytest.approx(expected, rel=1e-14)
        assert found > 0
    expected, found = (
        our_ndcg_score(t, s, sample_weight=w, **option)
        for (s, t, w), option in zip(calls, options, strict=True)
    )
    assert found == pytest.approx(expected, rel=1e-14)
