"""What fits and scores allocate, in units of their input, where that is large."""

import tracemalloc

import numpy as np
import pytest
import scipy

from sksoftrank import SoftRanker
from sksoftrank.feature_selection import soft_spearman
from sksoftrank.label_ranking import SoftSpearmanLabelRanker


def peak(function, *args, **options):
    """Most bytes allocated at once, beside the arguments."""
    tracemalloc.start()
    function(*args, **options)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.mark.parametrize("missing", [0, 0.01])
def test_scores_of_features_take_a_part_of_them_at_a_time(missing):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 600))
    if missing:
        X[::100, ::2] = np.nan
    y = rng.standard_normal(2000)
    soft_spearman(X[:50], y[:50], nan_policy="omit")
    assert peak(soft_spearman, X, y, nan_policy="omit") < 1.5 * X.nbytes


@pytest.mark.parametrize("missing", [0, 0.2])
def test_label_ranker_keeps_ranks_and_little_else(missing):
    if missing and np.lib.NumpyVersion(scipy.__version__) < "1.14.0":
        pytest.skip("this SciPy ranks rows with missing values one by one")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40000, 3))
    y = rng.random((40000, 20))
    y[rng.random(y.shape) < missing] = np.nan
    ranker = SoftSpearmanLabelRanker(max_iter=2, tol=1.0)
    ranker.fit(X[:100], y[:100])
    assert peak(ranker.fit, X, y) < 2.7 * y.nbytes
    assert peak(ranker.predict, X) < 2.5 * y.nbytes
    assert peak(ranker.score, X, y) < 2.5 * y.nbytes


@pytest.mark.parametrize("loss", ["spearman", "ndcg"])
def test_ranker_copies_features_once(loss):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20000, 30))
    y = rng.random(20000)
    groups = np.repeat(np.arange(1000), 20)
    ranker = SoftRanker(loss=loss)
    ranker.fit(X[:100], y[:100], groups[:100])
    assert peak(ranker.fit, X, y, groups) < 2.5 * X.nbytes


@pytest.mark.parametrize("order", [np.sort, np.random.default_rng(0).permutation])
@pytest.mark.parametrize(("loss", "most"), [("spearman", 2.6), ("ndcg", 3.0)])
def test_ranker_of_few_features_keeps_little_for_each_row(loss, most, order):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200_000, 3))
    y = rng.random(200_000)
    groups = order(np.arange(200_000) // 20)
    ranker = SoftRanker(loss=loss, max_iter=2, tol=1.0)
    ranker.fit(X[:100], y[:100])
    assert peak(ranker.fit, X, y, groups) < most * X.nbytes
