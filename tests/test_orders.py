"""Orders of labels: ranks made of them, and warnings where y seems to hold them."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import rankdata

from sksoftrank.datasets import make_label_ranking
from sksoftrank.label_ranking import (
    DummyLabelRanker,
    SoftSpearmanLabelRanker,
    ranks_from_orders,
)

NAN = np.nan
RANKERS = pytest.mark.parametrize(
    "ranker", [SoftSpearmanLabelRanker(), DummyLabelRanker()]
)


@pytest.mark.parametrize("labels", [None, list("dabc"), range(4), [7, 3, 10**20, -1]])
def test_ranks_of_orders_are_the_ranks(labels):
    X, y, _ = make_label_ranking(50, n_labels=4, random_state=0)
    names = list("abcd") if labels is None else list(labels)
    frame = pd.DataFrame(y, columns=names)
    model = SoftSpearmanLabelRanker().fit(X, frame)
    ranks, found = ranks_from_orders(model.predict_order(X), labels)
    assert_array_equal(found, names)
    assert_array_equal(ranks, model.predict(X))
    orders = np.array(names, dtype=object)[np.argsort(y, axis=1)]
    for form in (orders, orders.tolist(), map(tuple, orders), pd.DataFrame(orders)):
        assert_array_equal(ranks_from_orders(form, labels)[0], y)


def test_orders_of_some_labels():
    orders = [["b"], [], ["c", "a"], ["a", "b", "c", "d"]]
    last, labels = ranks_from_orders(orders, unlisted="last")
    assert_array_equal(labels, list("abcd"))
    assert_array_equal(last, [[3, 1, 3, 3], [2.5] * 4, [2, 3.5, 1, 3.5], [1, 2, 3, 4]])
    assert_array_equal(rankdata(last, axis=1), last)
    missing, _ = ranks_from_orders(orders, list("dcba"), unlisted="missing")
    assert_array_equal(
        missing, [[NAN, NAN, 1, NAN], [NAN] * 4, [NAN, 1, NAN, 2], [4, 3, 2, 1]]
    )
    # Padded to one length, as tables of choices are.
    for table in (
        [["b", None], [NAN, None], ["c", "a"]],
        pd.DataFrame([["b", pd.NA], [None, NAN], ["c", "a"]], columns=["1st", "2nd"]),
    ):
        ranks, _ = ranks_from_orders(table, list("abcd"), unlisted="last")
        assert_array_equal(ranks, last[:3])


@pytest.mark.parametrize(
    ("orders", "options", "error", "message"),
    [
        ([["a", "b"], ["b"]], {}, ValueError, "unlisted must .* 1 of 2 in row 1"),
        ([["a"]], {"unlisted": "first"}, ValueError, "unlisted must be .* 'first'"),
        ([["a", "a"]], {}, ValueError, r"a label once, got \['a', 'a'\] in row 0"),
        ([["a"]], {"labels": ["b"]}, ValueError, r"among \['b'\], got 'a' in row 0"),
        ([["a"]], {"labels": ["a", "a"]}, ValueError, "labels must be different and"),
        ([["a"]], {"labels": [["a"]]}, ValueError, "labels must be .* one dimension"),
        ([["a", 1]], {}, TypeError, "labels must be given where .* cannot be sorted"),
        (["b>a"], {}, TypeError, "got 'b>a' in row 0; split text into labels"),
        ("b>a", {}, TypeError, "orders must be a sequence of sequences, got 'b>a'"),
        ([1, 2], {}, TypeError, "orders must hold a sequence of labels .* got 1 in"),
        (3, {}, TypeError, "orders must be a sequence of sequences, got 3"),
    ],
)
def test_bad_orders(orders, options, error, message):
    with pytest.raises(error, match=message):
        ranks_from_orders(orders, **options)


# Warnings of rankers


@pytest.mark.parametrize("n_labels", [4, 8])
@pytest.mark.parametrize("first", [0, 1])
def test_orders_in_place_of_ranks(n_labels, first):
    X, y, _ = make_label_ranking(200, n_labels=n_labels, noise=0.2, random_state=1)
    orders = np.argsort(y, axis=1) + first
    with pytest.warns(UserWarning, match="y seems to hold orders of .* ranks_f"):
        wrong = SoftSpearmanLabelRanker().fit(X, orders)
    ranks, _ = ranks_from_orders(orders)
    right = SoftSpearmanLabelRanker().fit(X, ranks)
    assert right.score(X, ranks) > wrong.score(X, orders) + 0.1
    # As relevances they are what they are.
    SoftSpearmanLabelRanker(target="relevance").fit(X, orders)


@pytest.mark.parametrize("noise", [0.1, 1.0, 10.0])
def test_ranks_are_not_taken_for_orders(noise):
    for seed in range(20):
        X, y, _ = make_label_ranking(40, noise=noise, random_state=seed)
        for ranks in (y, y - 1):
            SoftSpearmanLabelRanker(max_iter=50).fit(X, ranks)  # warnings are errors


def test_features_that_tell_nothing_take_no_ranks_for_orders():
    rng = np.random.default_rng(11)
    y = rankdata(rng.normal(size=(100, 4)) @ rng.normal(size=(4, 4)), axis=1)
    # Their orders happen to vary less.
    SoftSpearmanLabelRanker().fit(np.ones((100, 2)), y)  # warnings are errors


@RANKERS
def test_zeros_for_labels_that_are_not_ranked(ranker):
    X = np.arange(4.0)[:, None]
    wrong = np.array([[1, 0, 0, 2], [0, 1, 0, 0], [1, 2, 3, 4], [3, 0, 1, 2]])
    with pytest.warns(UserWarning, match="y holds 0 several times in a row .* be NaN"):
        ranker.fit(X, wrong)
    ranker.fit(X, np.where(wrong == 0, NAN, wrong))
    ranker.fit(X, wrong[[2, 3, 2, 3]])  # ranks from 0 or 1
    ranker.fit(X, [[0, 1, 0, 2], [0, 0, 2, 3], [0, 1, 2, 3], [3, 2, 1, 0]])  # ties
    type(ranker)(target="relevance").fit(X, wrong)


@RANKERS
def test_labels_that_are_never_ranked(ranker):
    X, y, _ = make_label_ranking(60, n_labels=4, random_state=0)
    y[:, 1] = NAN
    frame = pd.DataFrame(y, columns=list("abcd"))
    with pytest.warns(UserWarning, match=r"y ranks the labels \['b'\] in no row that"):
        ranker.fit(X, frame)
    y[:, 1] = 9
    weight = np.ones(60)
    weight[:5] = 0
    y[5:, 3] = NAN
    with pytest.warns(UserWarning, match=r"y ranks the labels \[3\] in no row that"):
        ranker.fit(X, y, weight)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ranker.fit(X, y)


@RANKERS
@pytest.mark.parametrize("y", [[["a", "b"], ["b", "a"]], [[1, 2], [1]]])
def test_errors_name_the_remedy(ranker, y):
    with pytest.raises(ValueError, match="ranks_from_orders makes ranks of lists"):
        ranker.fit([[0.0], [1.0]], y)
