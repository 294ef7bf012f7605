"""Bounds of epsilon for operators made of choices; those of pools: test_operators."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank import (
    epsilon_bounds,
    soft_quantile,
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
