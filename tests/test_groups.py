"""Groups of flat arrays: results are those of a loop over the groups, bit for bit."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ttest_1samp
from sklearn.metrics import ndcg_score as sklearn_ndcg_score

from sksoftrank import soft_rank, soft_sort
from sksoftrank.feature_selection import soft_spearman, soft_spearman_corr
from sksoftrank.losses import soft_ndcg_loss, soft_spearman_loss, soft_topk_loss
from sksoftrank.losses._soft_ranks import SpearmanLoss
from sksoftrank.metrics import kendall_tau_score, ndcg_score, spearman_score
from sksoftrank.operators._by_group import GroupLayout

NAN = np.nan
LABELS = {
    "integers": lambda codes: 7 * codes - 50,
    "text": lambda codes: codes.astype(str),
    "objects": lambda codes: np.array([f"q{code}" for code in codes], dtype=object),
    "int8": lambda codes: (codes - 30).astype(np.int8),
    "wide": lambda codes: codes.astype(np.uint64) * 2**57,
    "dates": lambda codes: codes.astype("datetime64[D]"),
    "in order": np.sort,
    "falling": lambda codes: np.sort(codes)[::-1].astype(str),
    "runs": lambda codes: np.sort(codes) % 20,
    "series": lambda codes: pd.Series(codes, index=codes[::-1]),
    "categories": lambda codes: pd.Categorical(codes),
    "one": np.zeros_like,
    "each its own": lambda codes: np.arange(codes.size)[::-1],
}


def flat_rows(n=200, n_groups=60, seed=0):
    """Numbers with ties, and groups of 0 to about 8 of them, in any order."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=n).round(1), rng.integers(0, n_groups, n), rng


def masks(groups):
    groups = np.asarray(groups)
    return [groups == label for label in np.unique(groups)]


def padded(values, groups, fill=NAN):
    """A row for each group."""
    parts = [values[mask] for mask in masks(groups)]
    out = np.full((len(parts), max(map(len, parts))), fill)
    for row, part in zip(out, parts, strict=True):
        row[: part.size] = part
    return out


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize(
    ("operator", "options"),
    [
        (soft_rank, {}),
        (soft_rank, {"regularization": "entropic", "descending": True}),
        (soft_rank, {"regularization": "kl", "straight_through": True}),
        (soft_sort, {"n_jobs": 2}),
        (soft_sort, {"regularization": "entropic", "descending": True}),
    ],
)
def test_operators_equal_a_loop(operator, options, labels):
    values, codes, rng = flat_rows()
    groups = LABELS[labels](codes)
    found, jacobian = operator(
        values, 0.7, groups=groups, return_jacobian=True, **options
    )
    assert_array_equal(operator(values, 0.7, groups=groups, **options), found)
    direction = rng.normal(size=values.size)
    products = jacobian.jvp(direction), jacobian.vjp(direction)
    reloaded = pickle.loads(pickle.dumps(jacobian))
    assert_array_equal(reloaded.vjp(direction), products[1])
    assert jacobian.shape == (values.size, values.size)
    for mask in masks(groups):
        alone, own = operator(values[mask], 0.7, return_jacobian=True, **options)
        assert_array_equal(found[mask], alone)
        assert_array_equal(products[0][mask], own.jvp(direction[mask]))
        assert_array_equal(products[1][mask], own.vjp(direction[mask]))
        assert_array_equal(jacobian.wrt_epsilon[mask], own.wrt_epsilon)


@pytest.mark.parametrize("operator", [soft_rank, soft_sort])
def test_epsilon_by_group_and_missing_values(operator):
    values, groups, rng = flat_rows()
    values[rng.random(values.size) < 0.2] = NAN
    epsilon = rng.uniform(0, 2, np.unique(groups).size)
    found = operator(values, epsilon, groups=groups, nan_policy="omit")
    for mask, own in zip(masks(groups), epsilon.tolist(), strict=True):
        assert_array_equal(found[mask], operator(values[mask], own, nan_policy="omit"))


def test_dtypes_and_integers_of_far_groups():
    assert soft_rank(np.float32([1, 2, 3]), groups=[0, 1, 0]).dtype == np.float32
    far = [2**60 + 1, 2**60, -(2**60), 5 - 2**60]
    ranks = soft_rank(far, 0.0, groups=["a", "a", "b", "b"])
    assert_array_equal(ranks, [2, 1, 1, 2])
    loss = soft_spearman_loss(far, far, 0.0, groups=["a", "a", "b", "b"])[0]
    assert loss == 1  # ranks of scores descend, those of the truth do not
    assert spearman_score(far, far, groups=["a", "a", "b", "b"]) == 1


def test_no_rows_and_order_of_labels():
    values, jacobian = soft_rank([], groups=[], return_jacobian=True)
    assert values.shape == (0,)
    assert jacobian.shape == (0, 0)
    assert soft_spearman_loss([], [], groups=[])[0] == 0.0
    layout = GroupLayout(np.array(["b", "a", "b"]), 3)
    assert_array_equal(layout.labels, ["a", "b"])
    assert_array_equal(layout.sizes, [1, 2])
    assert_array_equal(layout.order, [1, 0, 2])


LOSSES = [
    (soft_spearman_loss, {}),
    (soft_spearman_loss, {"top_weight": 1.0}),
    (soft_spearman_loss, {"regularization": "kl"}),
    (soft_spearman_loss, {"regularization": "entropic"}),
    (soft_ndcg_loss, {}),
    (soft_ndcg_loss, {"k": 3}),
]


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 20.0])
@pytest.mark.parametrize(("loss", "options"), LOSSES)
def test_losses_equal_padded_rows(loss, options, epsilon):
    scores, groups, rng = flat_rows()
    truth = np.abs(rng.normal(size=scores.size)).round(1)
    truth[rng.random(scores.size) < 0.2] = NAN
    scores[np.isnan(truth)] = NAN  # what is not ranked does not count
    weights = rng.integers(0, 4, np.unique(groups).size).astype(float)
    by_row = weights[np.unique(groups, return_inverse=True)[1]]
    for weight, same in ((None, None), (weights, by_row)):
        expected, rows = loss(
            padded(scores, groups),
            padded(truth, groups),
            epsilon,
            sample_weight=weight,
            **options,
        )
        for own in (weight, same):
            value, gradient = loss(
                scores, truth, epsilon, groups=groups, sample_weight=own, **options
            )
            assert_allclose(value, expected, rtol=1e-13)
            for row, mask in zip(rows, masks(groups), strict=True):
                assert_array_equal(gradient[mask], row[: mask.sum()])


ORDERS = {
    "rows of a group together": lambda groups: -np.sort(groups),
    "one size, as they stand": lambda groups: np.arange(groups.size) // 5,
    "sizes that rise": lambda groups: np.sqrt(np.arange(groups.size)).astype(int),
}


@pytest.mark.parametrize("weight", [None, "groups", "rows"])
@pytest.mark.parametrize("is_missing", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("loss", "options"), LOSSES)
def test_the_order_of_the_rows_does_not_matter(
    loss, options, order, is_missing, weight
):
    scores, groups, rng = flat_rows()
    groups, truth = ORDERS[order](groups), np.abs(rng.normal(size=scores.size))
    if is_missing:
        truth[rng.random(scores.size) < 0.2] = NAN
    weights, places = None, rng.permutation(scores.size)
    if weight is not None:
        codes = np.unique(groups, return_inverse=True)[1]
        weights = rng.integers(0, 4, codes.max() + 1).astype(float)
        weights = weights if weight == "groups" else weights[codes]
    arrays = scores.copy(), truth.copy()
    value, gradient = loss(
        scores, truth, 0.3, groups=groups, sample_weight=weights, **options
    )
    assert_array_equal((scores, truth), arrays)
    other, permuted = loss(
        scores[places],
        truth[places],
        0.3,
        groups=groups[places],
        sample_weight=weights[places] if weight == "rows" else weights,
        **options,
    )
    assert_allclose(value, other, rtol=1e-13)
    assert_allclose(gradient[places], permuted, rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize(("loss", "options"), LOSSES)
def test_weights_of_groups_are_repeats(loss, options):
    scores, groups, rng = flat_rows(60, 12)
    truth = np.abs(rng.normal(size=60))
    weights = rng.integers(0, 4, 60).astype(float)[groups]
    value, gradient = loss(
        scores, truth, 0.5, groups=groups, sample_weight=weights, **options
    )
    repeat = np.repeat(np.arange(60), weights.astype(int))
    copy = np.concatenate([np.arange(w) for w in weights.astype(int)])
    repeated = loss(
        scores[repeat],
        truth[repeat],
        0.5,
        groups=groups[repeat] + 100 * copy,
        **options,
    )
    assert_allclose(repeated[0], value, rtol=1e-13)
    total = np.bincount(repeat, repeated[1], minlength=60)
    assert_allclose(total, gradient, rtol=1e-12, atol=1e-15)


def test_weights_of_rows_are_those_of_squared_errors():
    scores, truth = np.array([0.0, 2.0, 1.0, 5.0, 5.0, 4.0]), np.arange(6.0)
    groups, weights = np.array([0, 0, 0, 1, 1, 1]), np.array([2.0, 1, 3, 4, 4, 1])
    value, _ = soft_spearman_loss(
        scores, truth, 0.0, groups=groups, sample_weight=weights
    )
    errors = np.array([2, -1, -1, 0.5, -0.5, 0])  # of ranks 3 1 2 and 1.5 1.5 3
    assert_allclose(value, (weights * errors**2).sum() / 2 / (2 + 3))
    # A row of weight 0 is removed: the others have ranks of their own.
    weights[1] = 0
    kept = weights > 0
    assert_allclose(
        soft_spearman_loss(scores, truth, 1.0, groups=groups, sample_weight=weights)[1][
            kept
        ],
        soft_spearman_loss(
            scores[kept],
            truth[kept],
            1.0,
            groups=groups[kept],
            sample_weight=weights[kept],
        )[1],
    )


@pytest.mark.parametrize(
    "options", [{}, {"k": 2}, {"squashing": "logistic", "growth": "bounded"}]
)
def test_topk_loss_of_races(options):
    scores, groups, rng = flat_rows(120, 20)
    sizes = [mask.sum() for mask in masks(groups)]
    winner = [rng.integers(size) for size in sizes]
    labels = np.zeros(120, dtype=bool)
    for mask, place in zip(masks(groups), winner, strict=True):
        labels[np.flatnonzero(mask)[place]] = True
    weights = rng.integers(1, 4, len(sizes)).astype(float)
    value, gradient = soft_topk_loss(
        scores, labels, groups=groups, sample_weight=weights, **options
    )
    expected = 0.0
    for mask, place, weight in zip(masks(groups), winner, weights, strict=True):
        if mask.sum() <= options.get("k", 1):  # all are among the k best
            assert_array_equal(gradient[mask], 0)
            continue
        alone, own = soft_topk_loss(scores[None, mask], [place], **options)
        expected += weight / weights.sum() * alone
        assert_allclose(gradient[mask], weight / weights.sum() * own[0], rtol=1e-13)
    assert_allclose(value, expected)


@pytest.mark.parametrize("score", [spearman_score, kendall_tau_score])
def test_correlations_equal_a_loop(score):
    y_true, groups, rng = flat_rows()
    y_pred = rng.normal(size=y_true.size).round(1)
    y_true[rng.random(y_true.size) < 0.1] = NAN
    found = score(y_true, y_pred, groups=groups, average=False)
    expected = [
        score(y_true[None, mask], y_pred[None, mask], average=False)[0]
        for mask in masks(groups)
    ]
    assert_array_equal(found, expected)
    assert np.isnan(found).any()  # groups with a single row that is ranked
    assert_allclose(score(y_true, y_pred, groups=groups), np.nanmean(expected))
    # Frequencies of rows: repeats within the group, which has their mean weight.
    weights = rng.integers(1, 4, y_true.size)
    repeat = np.repeat(np.arange(y_true.size), weights)
    again = score(y_true[repeat], y_pred[repeat], groups=groups[repeat], average=False)
    options = {"groups": groups, "sample_weight": weights}
    frequent = score(y_true, y_pred, average=False, **options)
    assert_allclose(frequent, again, atol=1e-14)
    is_defined = ~np.isnan(frequent)
    assert is_defined.sum() > np.isfinite(found).sum()  # two repeats can be ranked
    ranked = ~np.isnan(y_true)
    mean_weight = [
        weights[mask & ranked].mean() for mask in np.array(masks(groups))[is_defined]
    ]
    assert_allclose(
        score(y_true, y_pred, **options),
        np.average(frequent[is_defined], weights=mean_weight),
    )


def test_ndcg_is_the_mean_over_queries():
    y_score, groups, rng = flat_rows()
    y_true = rng.integers(0, 4, y_score.size).astype(float)
    weights = rng.integers(0, 3, np.unique(groups).size).astype(float)
    pairs = [
        (sklearn_ndcg_score(y_true[None, m], y_score[None, m], k=3), w)
        for m, w in zip(masks(groups), weights, strict=True)
        if m.sum() > 1
    ]
    scores, own = np.array(pairs).T
    found = ndcg_score(y_true, y_score, k=3, groups=groups)
    assert_allclose(found, scores.mean())
    by_row = weights[np.unique(groups, return_inverse=True)[1]]
    for weight in (weights, by_row):
        found = ndcg_score(y_true, y_score, k=3, groups=groups, sample_weight=weight)
        assert_allclose(found, np.average(scores, weights=own))


@pytest.mark.parametrize("groups", [[0, 1, 0, 1], [1, 1, 0, 0], [0, 1, 2, 3]])
@pytest.mark.parametrize("loss", [soft_spearman_loss, soft_ndcg_loss])
def test_nothing_is_ranked(loss, groups):
    value, gradient = loss([1.0, 2, 3, 4], [NAN] * 4, groups=groups)
    assert value == 0
    assert_array_equal(gradient, 0)
    weights = np.zeros(len(set(groups)))
    weights[0] = 1  # of the only group that is not left out: all others are
    value, gradient = loss(
        [1.0, 2, 3, 4], [1, NAN, NAN, NAN], groups=groups, sample_weight=weights
    )
    assert value == 0
    assert_array_equal(gradient, 0)


def test_single_rows_and_ties_are_defined():
    groups = [0, 1, 1, 2, 2]
    scores, truth = [9.0, 1.0, 1.0, 2.0, 1.0], [0.0, 1.0, 2.0, 3.0, 4.0]
    # The first has no pairs, in the second the scores tie, the third is reversed.
    assert_array_equal(
        spearman_score(truth, scores, groups=groups, average=False), [NAN, 0, -1]
    )
    value, gradient = soft_spearman_loss(scores, truth, 0.0, groups=groups)
    assert value == (0.25 + 0) / 2
    assert gradient[0] == 0
    with pytest.warns(UserWarning, match="at least two labels"):
        assert np.isnan(spearman_score([1.0, 2], [1, 2], groups=[0, 1]))
    assert soft_ndcg_loss([1.0, 2], [1, 2], groups=[0, 1])[0] == 0
    assert soft_topk_loss([1.0, 2], [1, 1], groups=[0, 1])[0] == 0


@pytest.mark.slow
def test_a_large_group_among_many_small_ones_takes_little_memory():
    rng = np.random.default_rng(0)
    groups = np.concatenate([np.repeat(np.arange(10**5), 5), np.full(10**5, -1)])
    rng.shuffle(groups)
    n = groups.size
    scores, truth = rng.normal(size=(2, n))
    for function in (
        lambda: soft_rank(scores, groups=groups, return_jacobian=True),
        lambda: soft_spearman_loss(scores, truth, groups=groups),
        lambda: soft_ndcg_loss(scores, np.abs(truth), groups=groups),
        lambda: spearman_score(truth, scores, groups=groups),
    ):
        tracemalloc.start()
        function()
        assert tracemalloc.get_traced_memory()[1] < 20 * 8 * n
        tracemalloc.stop()


def test_what_does_not_depend_on_the_scores_is_prepared_once():
    scores, groups, rng = flat_rows()
    layout = GroupLayout(groups, scores.size, min_size=2)
    targets = rng.normal(size=scores.size)
    weight = [(layout.sizes > 1).astype(float), None]
    loss = SpearmanLoss(targets, weight, 1.0, "quadratic", layout=layout)
    first = loss(scores)
    loss(scores + rng.normal(size=scores.size))
    again = loss(scores)
    assert again[0] == first[0]
    assert_array_equal(again[1], first[1])


ARGUMENTS = {
    soft_spearman: ([[1.0], [2], [3]], [1, 2, 3]),
    soft_rank: ([1.0, 2, 3],),
    soft_sort: ([1.0, 2, 3],),
    soft_spearman_loss: ([1.0, 2, 3], [1, 2, 3]),
    soft_ndcg_loss: ([1.0, 2, 3], [1, 2, 3]),
    soft_topk_loss: ([1.0, 2, 3], [1, 0, 0]),
    spearman_score: ([1.0, 2, 3], [1, 2, 3]),
    kendall_tau_score: ([1.0, 2, 3], [1, 2, 3]),
    ndcg_score: ([1.0, 2, 3], [1, 2, 3]),
}


@pytest.mark.parametrize("function", ARGUMENTS)
@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ([0, 0], ValueError, r"groups must have shape \(3,\), a label for each row"),
        ([[0], [0], [0]], ValueError, r"groups must have shape \(3,\).*got \(3, 1\)"),
        ([0, NAN, 0], ValueError, r"groups must have a label for each row, got 1 mis"),
        (["a", None, "b"], ValueError, "groups must have a label for each row"),
        (["a", pd.NA, "b"], ValueError, "groups must have a label for each row"),
        (np.array(["a", 1, "b"], object), TypeError, "groups must be labels that can"),
        ([[0], [0, 1], 2], ValueError, "groups must have one dimension, a label for"),
        ([1j, 2, 3], TypeError, "groups must be labels, got dtype complex"),
    ],
)
def test_groups_are_checked(function, groups, error, message):
    with pytest.raises(error, match=message):
        function(*ARGUMENTS[function], groups=groups)


@pytest.mark.parametrize("function", [f for f in ARGUMENTS if f is not soft_spearman])
def test_arrays_of_groups_are_flat(function):
    arguments = [[x] for x in ARGUMENTS[function]]
    with pytest.raises(ValueError, match=r"must have one dimension with groups"):
        function(*arguments, groups=[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: soft_rank([1.0, NAN, 2], groups=[0, 1, 0]),
            "values must be finite, got 1 NaN",
        ),
        (lambda: soft_rank([1.0, 2], groups=[0, 1], axis=1), "axis must be -1, 0"),
        (
            lambda: soft_rank([1.0, 2], [1.0, 1, 1], groups=[0, 1]),
            r"epsilon must be a number or an array of one for each slice.*\(2,\)",
        ),
        (
            lambda: soft_spearman_loss([1.0, NAN], [1, 2], groups=[0, 0]),
            "scores must be finite, got 1 NaN",
        ),
        (
            lambda: soft_ndcg_loss([1.0, 2], [1, -2], groups=[0, 0]),
            "relevance must be at least 0",
        ),
        (
            lambda: soft_ndcg_loss(
                [1.0, 2, 3], [1, 2, 3], groups=[7, 7, 8], sample_weight=[1, 2, 3]
            ),
            "sample_weight must be equal for the rows of a group.*in group",
        ),
        (
            lambda: soft_spearman_loss(
                [1.0, 2, 3], [1, 2, 3], groups=[7, 7, 8], sample_weight=[1, 2, 3, 4]
            ),
            r"sample_weight must have shape \(3,\) or \(2,\)",
        ),
        (
            lambda: soft_topk_loss([1.0, 2, 3], [1, 1, 0], groups=[7, 7, 7]),
            "labels must be true for one sample of each group, got 2 in group",
        ),
        (
            lambda: soft_topk_loss([1.0, 2, 3], [2, 0, 0], groups=[7, 7, 7]),
            "labels must be True or 1",
        ),
        (
            lambda: soft_topk_loss([1.0, 2, 3], [1, 0, 0], k=3, groups=[7, 7, 7]),
            "k must be at least 1 and less than the number of classes, 3",
        ),
    ],
)
def test_bad_input_with_groups(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_feature_scores_are_means_over_groups(epsilon):
    y, groups, rng = flat_rows(300, 20)
    X = y[:, None] * [1.0, -0.5, 0] + rng.normal(size=(300, 3))
    X[rng.random(X.shape) < 0.1] = NAN
    X[groups == 3, 2] = 7.0  # constant in a group
    scores, pvalues = soft_spearman(
        X, y, epsilon=epsilon, nan_policy="omit", groups=groups
    )
    for x, score, pvalue in zip(X.T, scores, pvalues, strict=True):
        signed = []
        for mask in masks(groups):
            rows = mask & ~np.isnan(x)
            own = soft_spearman_corr(np.column_stack([x, y])[rows], epsilon)[0, 1]
            signed.append(np.nan_to_num(own))
        assert_allclose(score, abs(np.mean(signed)), rtol=1e-12)
        assert_allclose(pvalue, ttest_1samp(signed, 0).pvalue, rtol=1e-10)


def test_feature_scores_of_few_groups():
    X, y = np.arange(8.0)[:, None] % 3, np.arange(8.0)
    scores, pvalues = soft_spearman(X, y, epsilon=0, groups=np.zeros(8))
    assert_allclose(scores, soft_spearman(X, y, epsilon=0)[0])
    assert np.isnan(pvalues[0])
    scores, pvalues = soft_spearman(y[:, None], y, groups=[0, 0, 0, 1, 1, 1, 2, 3])
    assert_allclose([scores[0], pvalues[0]], [1, 0], atol=1e-12)


def test_far_groups_are_as_good_as_alone():
    scores, groups = [1e308, 0.99e308, -1e308, -0.99e308], [0, 0, 1, 1]
    value, gradient = soft_spearman_loss(scores, [1, 2, 1, 2], 1.0, groups=groups)
    assert value == 0.5  # the second group is reversed
    assert_array_equal(gradient, 0)
    assert soft_topk_loss(scores, [1, 0, 0, 1], groups=groups)[0] == 0
    assert_array_equal(soft_rank(scores, groups=groups), [2, 1, 1, 2])
    with pytest.raises(ValueError, match=r"finite, got values from .* overflow"):
        soft_spearman_loss(scores, [1, 2, 1, 2], 1.0, groups=[0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"^ranks must be finite, got values from"):
        soft_spearman_loss([1, 2, 1, 2], scores, 1.0, groups=[0, 1, 0, 1])
