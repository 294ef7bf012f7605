"""Bounds of epsilon for operators made of choices; those of pools: test_operators."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank import (
    epsilon_bounds,
    soft_quantile,
    soft_rank,
    soft_sort_with,
    soft_topk,
    soft_trimmed_mean,
    soft_winsorize,
)

# How each operator, at some epsilon, chooses values, as an array.
CASES = {
    "topk 2": ({"operator": "topk", "k": 2}, lambda x, e: soft_topk(x, 2, e)),
    "topk 2.4": ({"operator": "topk", "k": 2.4}, lambda x, e: soft_topk(x, 2.4, e)),
    "topk 0.3": ({"operator": "topk", "k": 0.3}, lambda x, e: soft_topk(x, 0.3, e)),
    "smallest 3": (
        {"operator": "topk", "k": 3, "largest": False},
        lambda x, e: soft_topk(x, 3, e, largest=False),
    ),
    "median": (
        {"operator": "quantile"},
        lambda x, e: soft_quantile(x, 0.5, e, return_jacobian=True)[1].toarray(),
    ),
    "quantile": (
        {"operator": "quantile", "q": 0.83},
        lambda x, e: soft_quantile(x, 0.83, e, return_jacobian=True)[1].toarray(),
    ),
    "minimum": (
        {"operator": "quantile", "q": 0},
        lambda x, e: soft_quantile(x, 0, e, return_jacobian=True)[1].toarray(),
    ),
    "trimmed mean": (
        {"operator": "trimmed_mean"},
        lambda x, e: soft_trimmed_mean(x, 0.25, e, return_jacobian=True)[1].toarray(),
    ),
    "cut": (
        {"operator": "trimmed_mean", "cut": (0.1, 0.47)},
        lambda x, e: soft_trimmed_mean(x, (0.1, 0.47), e, return_jacobian=True)[
            1
        ].toarray(),
    ),
    "winsorize": (
        {"operator": "winsorize", "cut": 0.2},
        lambda x, e: soft_quantile(x, [0.2, 0.8], e, return_jacobian=True)[1].toarray(),
    ),
    "sort_with": (
        {"operator": "sort_with"},
        lambda x, e: soft_sort_with(x, x, e, return_jacobian=True)[1].permutation,
    ),
}
cases = pytest.mark.parametrize("name", CASES)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@cases
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("digits", [15, 0])  # with 0 there are ties
@pytest.mark.parametrize("n", [5, 8])
def test_hard_bound(name, seed, digits, n):
    options, choose = CASES[name]
    values = (2 * draw(n, seed=seed)).round(digits)
    hard, _ = epsilon_bounds(values, **options)
    assert 0 < hard < np.inf
    expected = choose(values, 0)
    for factor in (0.01, 0.5, 1):
        assert_allclose(choose(values, factor * hard), expected, rtol=0, atol=1e-11)
    if digits or "k" in options:  # with ties changes of two choices may cancel
        assert np.abs(choose(values, 1.001 * hard) - expected).max() > 1e-5


@cases
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [5, 8])
def test_single_bound(name, seed, n):
    # From there on the parts are a constant and a term in 1 / epsilon.
    options, choose = CASES[name]
    values = draw(n, seed=seed)
    _, single = epsilon_bounds(values, **options)
    limit = choose(values, 1e12)

    def excess(epsilon):
        return epsilon * (choose(values, epsilon) - limit)

    expected = excess(10 * single)
    for factor in (1, 1.5, 4):
        assert_allclose(excess(factor * single), expected, rtol=0, atol=1e-8)
    assert np.abs(excess(0.999 * single) - expected).max() > 1e-6


def test_quantiles_are_the_mean_from_the_single_bound_on():
    values = draw(9)
    for q in (0.05, 0.5, 0.8):
        _, single = epsilon_bounds(values, operator="quantile", q=q)
        for epsilon in (single, 3 * single):
            assert_allclose(
                soft_quantile(values, q, epsilon), values.mean(), atol=1e-14
            )
        assert abs(soft_quantile(values, q, 0.9 * single) - values.mean()) > 1e-6
        winsorized = soft_winsorize(values, 0.2, 50.0)
        assert_allclose(winsorized, values.mean(), rtol=0, atol=1e-14)


def test_axes_and_limits():
    values = draw(3, 6)
    for name, (options, _) in CASES.items():
        for regularization in ("quadratic", "entropic"):
            kind = {"regularization": regularization, **options}
            found = np.array(epsilon_bounds(values.T, axis=0, **kind))
            expected = [epsilon_bounds(row, **kind) for row in values]
            assert_array_equal(found, np.transpose(expected), err_msg=name)
        if regularization == "entropic":
            assert_array_equal(found, [[0] * 3, [np.inf] * 3])
        equal = epsilon_bounds(np.ones(6), **kind)
        assert_array_equal(equal, [np.inf, 0])
    # Nothing to choose.
    assert epsilon_bounds([3.0, 1.0], operator="topk", k=2) == (np.inf, 0)
    assert epsilon_bounds([3.0], operator="quantile") == (np.inf, 0)
    assert epsilon_bounds([3.0], operator="sort_with") == (np.inf, 0)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0, 2.0], {"operator": "topk"}, "k must be given for operator='topk'"),
        ([1.0, 2.0], {"operator": "topk", "k": 3}, "k must be above 0 and at most 2"),
        ([1.0, 2.0], {"k": 1}, "k is not for operator='rank', got 1."),
        ([1.0, 2.0], {"operator": "topk", "k": 1, "q": 0}, "q is not for operator="),
        ([1.0, 2.0], {"operator": "quantile", "q": 2}, "q must be in [0, 1], got"),
        ([1.0, 2.0], {"operator": "winsorize", "cut": 0.6}, "cut must leave something"),
        ([], {"operator": "quantile"}, "values must not be empty along axis for a ch"),
        ([1.0], {"operator": "topk", "k": 1, "regularization": "kl"}, "'entropic', g"),
    ],
)
def test_bad_input(values, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        epsilon_bounds(values, **options)


WEIGHTED = [
    {"operator": "topk", "k": 3.5},
    {"operator": "topk", "k": 2, "largest": False},
    {"operator": "quantile"},
    {"operator": "quantile", "q": 0.83},
    {"operator": "trimmed_mean"},
    {"operator": "trimmed_mean", "cut": (0.1, 0.47)},
    {"operator": "winsorize", "cut": 0.2},
]
ALL = [
    *WEIGHTED,
    {"operator": "rank"},
    {"operator": "rank", "regularization": "kl", "descending": True},
    {"operator": "sort"},
    {"operator": "sort", "regularization": "entropic"},
    {"operator": "sort_with"},
    {"operator": "quantile", "regularization": "entropic"},
]


@pytest.mark.parametrize("options", WEIGHTED, ids=str)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("digits", [15, 0])
def test_weights_are_repeats(options, seed, digits):
    rng = np.random.default_rng(seed)
    values = (2 * rng.normal(size=8)).round(digits)
    weights = rng.permutation([0, 0, 1, 1, 2, 3, 1, 2])
    repeated = np.repeat(values, weights)
    expected = epsilon_bounds(repeated, **options)
    got = epsilon_bounds(values, weights=weights, **options)
    assert_allclose(got, expected, rtol=1e-11)
    # Those of a batch, in which each row has its own.
    batch = epsilon_bounds(
        [values, values[::-1]], weights=[weights, weights[::-1]], **options
    )
    assert_allclose(np.transpose(batch), [got, got], rtol=1e-12)


@pytest.mark.parametrize("options", WEIGHTED[:2], ids=str)
def test_bounds_with_weights_hold(options):
    rng = np.random.default_rng(0)
    for _ in range(20):
        values, weights = rng.normal(size=7), rng.uniform(0.2, 3, size=7)
        hard, single = epsilon_bounds(values, weights=weights, **options)
        arguments = {name: options[name] for name in options if name != "operator"}

        def choose(epsilon, values=values, weights=weights, arguments=arguments):
            return soft_topk(values, epsilon=epsilon, weights=weights, **arguments)

        assert_allclose(choose(hard), choose(0.0), rtol=0, atol=1e-11)
        assert np.abs(choose(1.01 * hard) - choose(0.0)).max() > 1e-6
        share = arguments["k"] / weights.sum()
        slope = single * (choose(single) - share)
        assert_allclose(2 * single * (choose(2 * single) - share), slope, atol=1e-9)
        assert (
            np.abs(0.9 * single * (choose(0.9 * single) - share) - slope).max() > 1e-6
        )


@pytest.mark.parametrize("options", ALL, ids=str)
def test_bounds_without_nan(options):
    values = draw(5, 9)
    values[0, 3] = values[1, [0, 8]] = values[2, 2:5] = values[3, 4:6] = np.nan
    got = np.transpose(epsilon_bounds(values, nan_policy="omit", **options))
    for row, bounds in zip(values, got, strict=True):
        assert_allclose(
            bounds, epsilon_bounds(row[~np.isnan(row)], **options), rtol=1e-12
        )
    with pytest.raises(ValueError, match="values must be finite, got 8 NaN"):
        epsilon_bounds(values, **options)
    # Of nothing, there is nothing to pool.
    values[0] = np.nan
    hard, single = epsilon_bounds(values, nan_policy="omit", **options)
    assert hard[0] == np.inf
    assert single[0] in (0, np.inf)


def test_bounds_for_an_array_of_k():
    values, k = draw(4, 6), np.array([1, 2.5, 5, 2])
    got = epsilon_bounds(values, operator="topk", k=k)
    expected = [
        epsilon_bounds(x, operator="topk", k=c) for x, c in zip(values, k, strict=True)
    ]
    assert_allclose(np.transpose(got), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="k must be above 0 and at most 6"):
        epsilon_bounds(values, operator="topk", k=[1, 2, 7, 1])
    with pytest.raises(ValueError, match="k must be a number or an array of one for"):
        epsilon_bounds(values, operator="topk", k=[1, 2])


@pytest.mark.parametrize("operator", ["rank", "sort", "sort_with"])
def test_weights_for_others_are_refused(operator):
    with pytest.raises(ValueError, match="weights are not for operator="):
        epsilon_bounds([1.0, 2.0], operator=operator, weights=[1, 1])


@cases
@pytest.mark.parametrize("weights", [None, np.arange(8.0)])
def test_bounds_far_from_zero_keep_their_digits(name, weights):
    options = dict(CASES[name][0])
    if options["operator"] != "sort_with":
        options["weights"] = weights
    # What is added loses nothing.
    x = np.random.default_rng(0).integers(-(2**20), 2**20, size=(30, 8)) * 2.0**-20
    near, far = (epsilon_bounds(x + shift, **options) for shift in (0.0, 2.0**32))
    assert_allclose(far, near, rtol=1e-14)


def test_single_bound_of_all_but_one_of_many():
    n = 10**5
    x = np.append(np.zeros(n - 1), -1.0)
    # The mean is -1 / n: in one block from (1 - 1 / n) / (1 - (n - 1) / n) on.
    single = epsilon_bounds(x, operator="topk", k=n - 1, largest=False)[1]
    assert_allclose(single, n - 1, rtol=2e-12)
    assert single >= n - 1


def test_bad_nan_policy_of_bounds():
    with pytest.raises(ValueError, match="nan_policy must be 'raise' or 'omit'"):
        epsilon_bounds([1.0, 2.0], nan_policy="drop")


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize("operator", ["rank", "sort", "sort_with", "quantile"])
def test_bounds_of_the_smallest_floats(operator, regularization):
    x = np.random.default_rng(0).integers(0, 3, size=(300, 9)) * 5e-324
    bounds = epsilon_bounds(x, operator=operator, regularization=regularization)
    assert not np.isnan(bounds).any()
    assert (np.array(bounds) >= 0).all()
    if operator == "sort":
        varies = np.ptp(x, axis=1) > 0
        assert varies.sum() > 290
        assert np.isinf(bounds[1][varies]).all()


@pytest.mark.parametrize("regularization", ["entropic", "kl"])
def test_pooled_ends_take_few_evaluations(monkeypatch, regularization):
    from sksoftrank.operators import _pool_bounds

    calls, log_odds = [], _pool_bounds._log_odds
    monkeypatch.setattr(
        _pool_bounds, "_log_odds", lambda x: calls.append(1) or log_odds(x)
    )
    x = np.random.default_rng(0).normal(size=(4, 300))
    x[1], x[2], x[3] = np.exp(3 * x[1]), x[2].round(), 1e-8 * x[3]
    _, single = epsilon_bounds(x, regularization=regularization)
    assert len(calls) <= 36  # halving took about 56
    for row, epsilon in zip(x, single, strict=True):
        for factor, is_single in ((1.0, True), (1 - 1e-9, False)):
            _, jacobian = soft_rank(
                row,
                factor * epsilon,
                regularization=regularization,
                return_jacobian=True,
            )
            assert (np.abs(jacobian.toarray()) > 0).all() == is_single
