"""Infinite values: first and last for hard operators, a mask in ranks and choices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata

from sksoftrank import (
    soft_median,
    soft_quantile,
    soft_quantile_normalize,
    soft_rank,
    soft_sort,
    soft_sort_with,
    soft_topk,
    soft_topk_rank,
    soft_topk_sort,
    soft_trimmed_mean,
    soft_winsorize,
)

INF = np.inf
X = np.array([3.0, -INF, 1.0, INF, 2.0, -INF, INF, 0.5, -4.0])
FINITE = np.isfinite(X)
RANKS = rankdata(np.clip(X, -9, 9))  # of infinite values SciPy 1.12 gives NaN
EPSILONS = [0, 1e-300, 0.1, 0.7, 30.0, 1e8]
regularizations = pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@dtypes
def test_hard_operators(dtype):
    x = X.astype(dtype)
    assert_array_equal(soft_rank(x, 0), RANKS)
    assert_array_equal(soft_sort(x, 0), np.sort(x))
    assert_array_equal(soft_sort(x, 0, descending=True), np.sort(x)[::-1])
    assert_array_equal(soft_topk_sort(x, 4, 0), np.sort(x)[::-1][:4])
    assert_array_equal(soft_topk_sort(x, 4, 0, largest=False), np.sort(x)[:4])
    assert_array_equal(soft_topk(x, 3, 0), (x >= 3))
    q = np.arange(9) / 8
    assert_array_equal(soft_quantile(x, q, 0), np.sort(x))
    assert_array_equal(soft_quantile(x, [0.2, 0.8], 0), [-INF, INF])
    assert soft_median(x, 0) == 1
    assert soft_trimmed_mean(x, 0.25, 0) == soft_trimmed_mean(
        np.clip(x, -9, 9), 0.25, 0
    )
    assert_array_equal(soft_winsorize(x, 0.25, 0), np.clip(x, -4, 3))
    records = np.arange(9.0)
    expected = soft_sort_with(records, np.clip(x, -9, 9), 0)
    assert_array_equal(soft_sort_with(records, x, 0), expected)


@dtypes
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("regularization", ["quadratic", "kl"])
def test_masked_ranks(regularization, epsilon, descending, dtype):
    x = X.astype(dtype)
    options = {"regularization": regularization, "descending": descending}
    ranks, jacobian = soft_rank(x, epsilon, return_jacobian=True, **options)
    assert_array_equal(ranks[~FINITE], (10 - RANKS if descending else RANKS)[~FINITE])
    if regularization == "quadratic":  # with two values at both ends
        alone, own = soft_rank(x[FINITE], epsilon, return_jacobian=True, **options)
        assert_allclose(ranks[FINITE], alone + 2, rtol=1e-6)
        g = np.arange(9, dtype=dtype)
        pulled = jacobian.vjp(g)
        assert_array_equal(pulled[~FINITE], 0)
        atol = 1e-6 * np.abs(pulled).max()
        assert_allclose(pulled[FINITE], own.vjp(g[FINITE]), rtol=0, atol=atol)
        change = jacobian.wrt_epsilon
        assert_array_equal(change[~FINITE], 0)
        atol = 1e-6 * np.abs(change).max()
        assert_allclose(change[FINITE], own.wrt_epsilon, rtol=0, atol=atol)


def test_numbers_near_the_largest_of_float32():
    """No finite float32 stands for what is infinite beside them."""
    x = np.array([3, -INF, 1, 3e38], dtype=np.float32)
    for epsilon in (0, 0.1):
        assert_array_equal(soft_rank(x, epsilon), [3, 1, 2, 4])
        for k in (2, 3, 4):
            ranks = np.minimum([2, 4, 3, 1], k + 1)
            assert_array_equal(soft_topk_rank(x, k, epsilon), ranks)
        records = soft_sort_with(np.arange(4, dtype=np.float32), x, epsilon)
        assert_array_equal(records, [1, 2, 0, 3])
    ordered = soft_sort(x, 0)
    assert ordered.dtype == np.float32
    assert_array_equal(ordered, np.sort(x))


def test_a_padded_batch_is_its_rows():
    rng = np.random.default_rng(0)
    values = np.full((5, 8), -INF)
    for i, length in enumerate((8, 5, 3, 1, 6)):
        values[i, :length] = rng.normal(size=length)
    ranks = soft_rank(values, 0.3, descending=True)
    parts = soft_topk(values, 1, 0.3)
    top = soft_topk_rank(values, 3, 0.3)
    for row, own_ranks, own_parts, own_top in zip(
        values, ranks, parts, top, strict=True
    ):
        kept = np.isfinite(row)
        expected = soft_rank(row[kept], 0.3, descending=True)
        assert_allclose(own_ranks[kept], expected, rtol=1e-14)
        assert_allclose(own_parts[kept], soft_topk(row[kept], 1, 0.3), atol=1e-15)
        assert_array_equal(own_parts[~kept], 0)
        if kept.sum() >= 3:
            expected = soft_topk_rank(row[kept], 3, 0.3)
            assert_allclose(own_top[kept], expected, rtol=1e-14)
            assert_array_equal(own_top[~kept], 4)


@pytest.mark.parametrize("epsilon", EPSILONS)
@regularizations
def test_masked_choices(regularization, epsilon):
    options = {"regularization": regularization}
    values = np.where(X == INF, -INF, X)
    for k in (1, 2.5, 4, 5):
        parts, jacobian = soft_topk(values, k, epsilon, return_jacobian=True, **options)
        assert_array_equal(parts[~FINITE], 0)
        alone, own = soft_topk(
            values[FINITE], k, epsilon, return_jacobian=True, **options
        )
        assert_allclose(parts[FINITE], alone, rtol=0, atol=1e-14)
        pulled = jacobian.vjp(np.arange(9.0))
        assert_array_equal(pulled[~FINITE], 0)
        expected = own.vjp(np.arange(9.0)[FINITE])
        atol = 1e-9 * np.abs(expected).max()
        if k < 5:
            assert_allclose(pulled[FINITE], expected, rtol=0, atol=atol)
    # What finite values do not take is shared, and infinite ones come first.
    parts = soft_topk(values, 6, epsilon, **options)
    assert_allclose(parts, np.where(FINITE, 1, 0.25), rtol=0, atol=1e-14)
    parts = soft_topk(X, 1, epsilon, **options)
    assert_allclose(parts, np.where(X == INF, 0.5, 0), rtol=0, atol=1e-14)


def test_magnitudes_that_are_infinite():
    parts = soft_topk(X, 4, 0.5, magnitude=True)
    assert_array_equal(parts, ~FINITE)
    ranks = soft_topk_rank(X, 2, 0.5, magnitude=True)
    assert_array_equal(ranks[~FINITE], 2.25)  # of (1, 2, 3, 3)


def test_normalized_quantiles():
    found = soft_quantile_normalize(X, np.arange(9.0), 0)
    assert_allclose(found, RANKS - 1, rtol=1e-15)


@pytest.mark.parametrize(
    "call",
    [
        lambda: soft_rank([1.0, np.nan, INF]),
        lambda: soft_topk([1.0, np.nan, INF], 1),
        lambda: soft_topk_rank([1.0, np.nan, INF], 1),
        lambda: soft_sort(X, 1.0),
        lambda: soft_topk_sort(X, 2, 1.0),
        lambda: soft_quantile(X, 0.5, 1.0),
        lambda: soft_trimmed_mean(X, 0.0, 0),  # of both infinities
    ],
)
def test_what_has_no_meaning(call):
    with pytest.raises(ValueError, match="values must be finite, got"):
        call()
