"""SoftRanker against its definition."""

import numpy as np
import pytest
import sklearn
from differences import central_differences
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, GroupKFold

from sksoftrank import SoftRanker, soft_rank
from sksoftrank.losses import soft_ndcg_loss
from sksoftrank.metrics import REGRESSION_SCORERS, ndcg_score, spearman_score
from sksoftrank.operators._by_group import GroupLayout
from sksoftrank.ranking._objectives import (
    GroupedRows,
    NDCGObjective,
    SpearmanObjective,
    _discount_sums,
    soft_levels,
)


def table(n_groups=30, p=4, noise=0.5, seed=0):
    """Groups of 1 to 12 rows in any order, far features, a target with ties."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(
        np.repeat(np.arange(n_groups), rng.integers(1, 13, n_groups))
    )
    X = (
        rng.standard_t(3, size=(groups.size, p))
        + 5 * rng.normal(size=(n_groups, p))[groups]
    )
    coef = rng.normal(size=p)
    y = X @ coef + 20 * rng.normal(size=n_groups)[groups]
    y += noise * rng.normal(size=y.size)
    return X, np.round(y - y.min(), 1), groups


def objective_by_definition(ranker, X, y, groups, weight=None):
    """The formula of the docstring, with scores that are not in grouped order."""
    scores, values, within, weights = X @ ranker.coef_, [], [], []
    for label in np.unique(groups):
        mask = groups == label
        n = mask.sum()
        if n < 2 or np.ptp(y[mask]) == 0:
            continue
        soft = soft_rank(scores[mask], np.sqrt(12) * ranker.epsilon / n)
        values.append(6 / n**3 * ((soft - rankdata(y[mask])) ** 2).sum())
        within.append(X[mask].var(axis=0))
        weights.append(1.0 if weight is None else weight[mask][0])
    value = np.average(values, weights=weights)
    scale = np.average(within, axis=0, weights=weights)
    return value + ranker.alpha / 2 * (scale * ranker.coef_**2).sum()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_minimum_of_the_documented_objective(epsilon, kind):
    X, y, groups = table()
    weight = np.random.default_rng(1).integers(1, 4, 30).astype(float)[groups]
    for own in (None, weight):
        ranker = SoftRanker(epsilon=epsilon, alpha=0.02, tol=1e-6, max_iter=5000)
        ranker.fit(kind(X), y, groups=groups, sample_weight=own)
        value = objective_by_definition(ranker, X, y, groups, own)
        assert_allclose(ranker.objective_, value, rtol=1e-10)
        coef, rng = ranker.coef_.copy(), np.random.default_rng(0)
        for _ in range(10 if epsilon == 1 else 0):  # harder ranks have kinks
            ranker.coef_ = coef * (1 + 0.02 * rng.normal(size=coef.size))
            assert objective_by_definition(ranker, X, y, groups, own) > value


def test_start_is_ridge_regression_on_ranks_within_groups():
    X, y, groups = table()
    ranker = SoftRanker(alpha=0.1, epsilon=100.0).fit(X, y, groups)
    kept = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    kept = [rows for rows in kept if rows.size > 1 and np.ptp(y[rows]) > 0]
    assert ranker.n_groups_ == len(kept)
    centred = np.concatenate([X[rows] - X[rows].mean(axis=0) for rows in kept])
    levels = np.concatenate(
        [np.sqrt(12) / r.size * (rankdata(y[r]) - (r.size + 1) / 2) for r in kept]
    )
    share = np.concatenate([np.full(r.size, 1 / r.size / len(kept)) for r in kept])
    scale = share @ centred**2
    gram = (centred.T * share) @ centred + 0.1 * np.diag(scale)
    expected = np.linalg.solve(gram, (centred.T * share) @ levels)
    assert_allclose(ranker.init_coef_, expected, rtol=1e-10)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("k", ["spearman", None, 3])
def test_gradients_and_values(k, is_weighted):
    _, y, groups = table()
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 4, y.size).astype(float) if is_weighted else None
    is_used = np.ones(y.size, dtype=bool)
    for label in np.unique(groups):
        is_used[groups == label] = np.ptp(y[groups == label]) > 0
    layout = GroupLayout(groups, y.size, is_used, min_size=2)
    group_weight = rng.uniform(0.5, 2, layout.labels.size) * (layout.sizes > 1)
    rows = GroupedRows(layout, group_weight, counts, y)
    levels = soft_levels(rows, 0.8)
    if k == "spearman":
        objective = SpearmanObjective(rows, levels)
    else:
        objective = NDCGObjective(rows, levels, y, k)
    scores = rng.normal(size=(layout.order.size, 1))
    value, gradient = objective(scores)
    numeric = central_differences(lambda z: objective(z)[0], scores, 1e-6)
    assert_allclose(gradient, np.reshape(numeric, gradient.shape), atol=1e-8)
    if k == "spearman":
        return
    expected = 0.0  # frequencies are repeats
    for groups_of_size, part in layout.buckets:
        flat = np.arange(part.start, part.stop).reshape(groups_of_size.size, -1)
        for label, own in zip(groups_of_size, flat, strict=True):
            repeats = np.repeat(own, rows.counts[own].astype(int))
            loss = soft_ndcg_loss(
                scores[repeats, 0][None],
                y[layout.order][repeats][None],
                np.sqrt(12) * 0.8 / repeats.size,
                k=k,
            )[0]
            expected += loss * group_weight[label] / group_weight.sum()
    assert_allclose(value, expected, rtol=1e-10)


LOSSES = pytest.mark.parametrize("options", [{}, {"loss": "ndcg", "k": 5}])


@LOSSES
def test_weights_of_groups_are_repeats(options):
    X, y, groups = table()
    weight = np.random.default_rng(0).integers(0, 4, 30)
    by_row = weight[groups]
    fit = SoftRanker(**options).fit(X, y, groups, sample_weight=by_row)
    assert_array_equal(
        SoftRanker(**options).fit(X, y, groups, sample_weight=weight).coef_, fit.coef_
    )
    repeat = np.repeat(np.arange(y.size), by_row)
    copy = np.concatenate([np.arange(w) for w in by_row])
    repeated = SoftRanker(**options).fit(
        X[repeat], y[repeat], groups[repeat] + 100 * copy
    )
    assert_allclose(repeated.coef_, fit.coef_, rtol=1e-5)


def test_weights_within_groups_are_frequencies():
    X, y, groups = table(10)
    weight = np.random.default_rng(0).integers(1, 3, y.size)
    total = np.bincount(groups, weight) / np.bincount(groups)
    fit = SoftRanker().fit(X, y, groups, sample_weight=weight)
    repeat = np.repeat(np.arange(y.size), weight)
    repeated = SoftRanker().fit(
        X[repeat], y[repeat], groups[repeat], sample_weight=total[groups[repeat]]
    )
    assert_allclose(repeated.coef_, fit.coef_, rtol=1e-5)


@LOSSES
def test_only_differences_within_groups_count(options):
    X, y, groups = table()
    fit = SoftRanker(**options).fit(X, y, groups)
    rng = np.random.default_rng(0)
    order = rng.permutation(y.size)
    shift = 8 * rng.integers(-3, 4, (30, 4))[groups]
    labels = np.array([f"race {label}" for label in groups])
    moved = SoftRanker(**options).fit((X + shift)[order], y[order], labels[order])
    assert_allclose(moved.coef_, fit.coef_, rtol=1e-5)
    # Monotone functions of the target, other ones in each group.
    if not options:
        warped = SoftRanker().fit(X, np.exp(y / 10) * (1 + groups), groups)
        assert_array_equal(warped.coef_, fit.coef_)


def test_features_that_are_constant_within_groups_get_no_coefficient():
    X, y, groups = table()
    query = np.random.default_rng(0).normal(size=30)[groups] * 1e6
    wide = np.column_stack([X, query, np.full(y.size, 0.1)])
    fit = SoftRanker().fit(X, y, groups)
    for kind in (np.asarray, sparse.csr_array):
        found = SoftRanker(tol=1e-6).fit(kind(wide), y, groups).coef_
        assert_array_equal(found[4:], 0)
        assert_allclose(found[:4], fit.coef_, rtol=2e-2)


def test_far_features_do_better_than_least_squares():
    X, y, groups = table(200, noise=0.1)
    ranker = SoftRanker(alpha=1e-3).fit(X[::2], y[::2], groups[::2])
    start = spearman_score(y[1::2], X[1::2] @ ranker.init_coef_, groups=groups[1::2])
    assert ranker.score(X[1::2], y[1::2], groups[1::2]) > start + 0.01


@pytest.mark.parametrize("k", [None, 20])
def test_huge_frequencies(k):
    X, y, _ = table()
    weight = np.ones((2, y.size))
    weight[:, y.argmax()] = 1e9, 1e100
    ranker, other = (SoftRanker(loss="ndcg", k=k).fit(X, y, None, w) for w in weight)
    assert ranker.coef_.any()
    assert_allclose(other.coef_, ranker.coef_, rtol=1e-4)


def test_sums_of_discounts_have_a_formula():
    places = np.array([[0.5, 7.0, 2**20, 2**20 + 1, 2**20 + 2]])
    found = _discount_sums(places)
    assert_allclose(found[0, :2], [0.5, (1 / np.log2(np.arange(2, 9))).sum()])
    expected = 1 / np.log2([2**20 + 2, 2**20 + 3])
    assert_allclose(np.diff(found[0, 2:]), expected, rtol=1e-8)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_far_targets_have_an_order(is_weighted):
    X, _, groups = table()
    y = np.sign(X[:, 0].round())
    weight = 1.0 + (X[:, 1] > 0) if is_weighted else None
    near, far = (SoftRanker().fit(X, y * unit, groups, weight) for unit in (1, 1e306))
    assert_array_equal(near.coef_, far.coef_)


@LOSSES
def test_score_is_the_metric(options):
    X, y, groups = table()
    ranker = SoftRanker(**options).fit(X, y, groups)
    scores = ranker.predict(X)
    expected = spearman_score(y, scores, groups=groups)
    if options:
        expected = ndcg_score(y, scores, k=5, groups=groups)
    assert ranker.score(X, y, groups) == expected
    assert ranker.score(X, y) == ranker.score(X, y, np.zeros(y.size))


def test_grid_search_passes_groups_on():
    X, y, groups = table()
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = REGRESSION_SCORERS["spearman"].set_score_request(groups=True)
        for scoring in (None, scorer):
            search = GridSearchCV(
                SoftRanker(), {"alpha": [1e-3, 1e3]}, cv=GroupKFold(3), scoring=scoring
            ).fit(X, y, groups=groups)
            best = SoftRanker(**search.best_params_).fit(X, y, groups)
            assert_array_equal(search.best_estimator_.coef_, best.coef_)
            train, test = next(GroupKFold(3).split(X, y, groups))
            fold = SoftRanker(alpha=1e-3).fit(X[train], y[train], groups[train])
            expected = fold.score(X[test], y[test], groups[test])
            assert search.cv_results_["split0_test_score"][0] == expected


def test_dtypes():
    X, y, groups = table()
    ranker = SoftRanker().fit(X.astype(np.float32), y, groups)
    assert ranker.coef_.dtype == ranker.predict(X.astype(np.float32)).dtype == "float32"
    far = (y * 10).astype(np.int64) + 2**60 * (groups % 2)  # beyond float64
    assert_array_equal(
        SoftRanker().fit(X, far, groups).coef_, SoftRanker().fit(X, y, groups).coef_
    )


def test_nothing_to_learn_warns():
    X = np.arange(12.0).reshape(6, 2)
    for groups, y in (([0, 1, 2, 3, 4, 5], range(6)), (None, np.ones(6))):
        with pytest.warns(UserWarning, match="y must differ within a group"):
            ranker = SoftRanker().fit(X, y, groups)
        assert_array_equal(ranker.predict(X), 0)
        assert ranker.n_groups_ == 0
    for kind in (np.asarray, sparse.csr_array):
        for loss in ("spearman", "ndcg"):
            with pytest.warns(UserWarning, match="X must differ within a group"):
                ranker = SoftRanker(loss=loss).fit(kind(X * 0 + 0.1), np.arange(6))
            assert_array_equal(ranker.coef_, 0)


def test_too_few_iterations_warn():
    X, y, groups = table(noise=0.01)
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        SoftRanker(max_iter=1, tol=0).fit(X, y, groups)


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({}, {"groups": [0, 1]}, r"groups must have shape \(6,\)"),
        ({}, {"groups": [0, 1, np.nan, 0, 0, 1]}, "groups must have a label for each"),
        ({}, {"y": [1, 2, 3, np.nan, 1, 2]}, "NaN"),
        ({}, {"sample_weight": [1, 2, 3]}, r"sample_weight must have shape \(6,\) or"),
        ({}, {"sample_weight": [1, 2, 3, -1, 1, 1]}, "sample_weight must be at least"),
        ({"k": 3}, {}, "k must be None with loss='spearman', got 3"),
        ({"loss": "ndcg"}, {"y": [1, 2, 3, -1, 1, 2]}, "y must be at least 0 with"),
        (
            {"loss": "ndcg"},
            {"sample_weight": [1, 2, 1, 1, 1, 1]},
            "sample_weight must be equal for the rows of a group",
        ),
        ({"k": 0, "loss": "ndcg"}, {}, "'k' parameter"),
        ({"epsilon": 0}, {}, "'epsilon' parameter"),
    ],
)
def test_bad_input(options, change, message):
    data = {
        "X": np.arange(6.0)[:, None],
        "y": [1, 2, 3, 3, 1, 2],
        "groups": [0, 0, 0, 1, 1, 1],
    }
    with pytest.raises(ValueError, match=message):
        SoftRanker(**options).fit(**(data | change))
