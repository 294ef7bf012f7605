"""Derivatives of the Sinkhorn operators, by differences and unrolled iterations."""

import pickle

import numpy as np
import pytest
from differences import slice_differences
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from transport_reference import (
    COSTS,
    PLANS,
    Reference,
    both_operators,
    draw,
    every_operator,
)

from sksoftrank.sinkhorn import sinkhorn_quantile, sinkhorn_rank, sinkhorn_sort


@pytest.mark.parametrize("epsilon", [slow(1e-3), 1e-2, slow(0.3)])
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("squashing", ["logistic", "arctan", None])
@pytest.mark.parametrize("plan", PLANS)
@both_operators
def test_gradients(epsilon, cost, squashing, plan, operator):
    x = draw(7)
    options = {**PLANS[plan], "cost": COSTS[cost], "squashing": squashing}
    options |= {"tol": 1e-12, "max_iter": 200}
    # The smallest epsilon of unsquashed values rounds away the last digits of K.
    epsilon = max(epsilon, 1e-2) if squashing is None else epsilon
    result, jacobian = operator(x, epsilon, return_jacobian=True, **options)
    g = draw(*result.shape, seed=1)
    expected = slice_differences(
        lambda x: operator(x, epsilon, **options), x, g, 1e-5 * min(1, 30 * epsilon)
    )
    scale = max(1, np.abs(expected).max())
    got = jacobian.vjp(g)
    assert_allclose(got, expected, rtol=0, atol=1e-6 * scale)
    u = draw(*x.shape, seed=2)
    assert_allclose(np.sum(g * jacobian.jvp(u)), np.sum(got * u), atol=1e-9 * scale)


@every_operator
@pytest.mark.parametrize("epsilon", [1e-4, 1e-3, 1e-2, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_gradients_with_default_tolerance(operator, epsilon, seed):
    """Of the plans that are found, while those of the differences are exact."""
    x = np.random.default_rng(seed).normal(size=30)
    result, jacobian = operator(x, epsilon=epsilon, return_jacobian=True)
    g = np.cos(np.arange(1.0 + result.size))[1:]

    def accurate(x):
        return operator(x, epsilon=epsilon, tol=1e-12).reshape(len(x), -1)

    expected = slice_differences(accurate, x, g, step=1e-6)
    scale = max(1, np.abs(expected).max())
    got = jacobian.vjp(g.reshape(result.shape))
    assert_allclose(got, expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("epsilon", [0.02, 0.3])
@pytest.mark.parametrize("plan", PLANS)
def test_derivatives_against_unrolled_iterations(epsilon, plan):
    x, u = draw(7), draw(7, seed=1)
    options = PLANS[plan]
    ranks, sorts = Reference(x, **options).unrolled_jvp(epsilon, u)
    for operator, expected in ((sinkhorn_rank, ranks), (sinkhorn_sort, sorts)):
        _, jacobian = operator(x, epsilon, tol=1e-12, return_jacobian=True, **options)
        assert_allclose(jacobian.jvp(u), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("plan", PLANS)
def test_derivatives_stay_bounded_for_small_epsilon(epsilon, plan):
    """Where hardly any mass links the columns, rounding must not take over."""
    x = np.linspace(-1, 2, 7) ** 3
    for operator in (sinkhorn_rank, sinkhorn_sort):
        _, jacobian = operator(x, epsilon, return_jacobian=True, **PLANS[plan])
        dense = jacobian.toarray()
        assert np.abs(dense).max() < 10 / np.sqrt(epsilon)
        # Ranks do not change with the location; sorted values move with it.
        expected = 0 if operator is sinkhorn_rank else 1
        assert_allclose(dense.sum(axis=1), expected, rtol=0, atol=1e-7)


def test_hard_derivatives():
    x = draw(2, 6)
    for epsilon in (0, 1e-300):
        _, jacobian = sinkhorn_rank(x, epsilon, return_jacobian=True)
        assert_array_equal(jacobian.vjp(draw(2, 6)), np.zeros((2, 6)))
        result, jacobian = sinkhorn_sort(x, epsilon, targets=4, return_jacobian=True)
        assert_allclose(jacobian.jvp(x), result, rtol=1e-14)


def test_values_that_are_equal():
    """Standardised values are zero, and so are their derivatives."""
    x = np.full(5, 0.1)
    assert_allclose(sinkhorn_rank(x, 0.1), np.full(5, 3.0), rtol=1e-12)
    _, jacobian = sinkhorn_rank(x, 0.1, return_jacobian=True)
    assert_array_equal(jacobian.vjp(draw(5)), np.zeros(5))
    sorts, jacobian = sinkhorn_sort(x, 0.1, return_jacobian=True)
    assert_allclose(sorts, x, rtol=1e-14)
    assert_allclose(jacobian.toarray().sum(axis=1), np.ones(5), rtol=1e-12)


def test_the_jacobian_can_be_kept():
    x, g = draw(3, 5), draw(3, 5, seed=1)
    _, jacobian = sinkhorn_rank(x, weights=[1, 2, 3, 4, 5], return_jacobian=True)
    expected = jacobian.vjp(g)
    assert_array_equal(pickle.loads(pickle.dumps(jacobian)).vjp(g), expected)
    x[...] = 0  # it holds no view of the values
    assert_array_equal(jacobian.vjp(g), expected)


@pytest.mark.parametrize("seed", range(3))
def test_products_are_adjoint_where_little_mass_flows(seed):
    # Rounding in the kernel of the Laplacian would grow: to 1e-8 and more.
    x, u, g = draw(3, 200, seed=seed)
    _, jacobian = sinkhorn_sort(x**3 * np.abs(x), 1e-6, return_jacobian=True)
    pushed, pulled = jacobian.jvp(u) * g, u * jacobian.vjp(g)
    size = np.abs(pushed).sum() + np.abs(pulled).sum()
    assert abs(pushed.sum() - pulled.sum()) < 1e-10 * size


@both_operators
@pytest.mark.parametrize("epsilon", [1e-2, slow(1e-3), slow(1.0)])
def test_a_batch_is_its_rows(operator, epsilon):
    """Rounding makes the first residual of some systems useless, none of a batch."""
    rng = np.random.default_rng(0)
    ordinary = rng.normal(size=(20, 5))
    x = np.vstack([ordinary, ordinary.round(1), np.exp(5 * ordinary), 1e9 + ordinary])
    g = rng.normal(size=x.shape)
    result, jacobian = operator(x, epsilon, return_jacobian=True)
    pulled, pushed = jacobian.vjp(g), jacobian.jvp(g)
    assert np.isfinite(pulled).all()
    assert np.isfinite(pushed).all()
    for i in range(len(x)):
        row, own = operator(x[i], epsilon, return_jacobian=True)
        assert_array_equal(row, result[i])
        assert_array_equal(own.vjp(g[i]), pulled[i])
        assert_array_equal(own.jvp(g[i]), pushed[i])


@every_operator
def test_derivatives_of_ranges_down_to_the_smallest(operator):
    """Where they are beyond the floats they are infinite, never NaN."""
    rng = np.random.default_rng(1)
    x, g = rng.integers(-1000, 1000, size=(100, 6)), rng.normal(size=(100, 6))
    unit = 2.0**-1074
    _, large = operator(x, return_jacobian=True)
    for exponent in (1060, 1000, 60, 40, 0):
        small = np.ldexp(x * unit, exponent)
        result, jacobian = operator(small, return_jacobian=True)
        weight = g if result.shape == g.shape else g[:, : result[0].size]
        weight = weight.reshape(result.shape)
        pulled, pushed = jacobian.vjp(weight), jacobian.jvp(g)
        assert not np.isnan(pulled).any()
        assert not np.isnan(pushed).any()
        if operator is sinkhorn_rank:
            with np.errstate(over="ignore"):
                expected = np.ldexp(large.vjp(g), 1074 - exponent)
            assert_allclose(pulled, expected, rtol=1e-12)


@every_operator
@pytest.mark.parametrize("epsilon", [0.01, 1.0])
def test_derivatives_near_the_largest_floats(operator, epsilon):
    x, g = np.random.default_rng(9).normal(size=(2, 1, 10))
    result, jacobian = operator(1e307 * x, epsilon=epsilon, return_jacobian=True)
    _, expected = operator(x, epsilon=epsilon, return_jacobian=True)
    weight = g[:, : result[0].size].reshape(result.shape)
    pulled, pushed = jacobian.vjp(weight), jacobian.jvp(1e307 * g)
    unit = 1.0 if np.abs(result).max() > 1e300 else 1e307  # sorts, ranks
    assert_allclose(unit * pulled, expected.vjp(weight), rtol=1e-10, atol=1e-12)
    assert_allclose(pushed / (1e307 / unit), expected.jvp(g), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("q", np.linspace(0.05, 0.95, 19))
def test_widths_that_fill_the_gap_but_for_rounding(q):
    x = draw(40)
    width = round(min(q, 1 - q) / 2, 4)
    value = sinkhorn_quantile(x, q, width=width)
    assert_allclose(value, sinkhorn_quantile(x, q, width=width * (1 - 1e-9)), rtol=1e-6)
    with pytest.raises(ValueError, match="width must be in"):
        sinkhorn_quantile(x, q, width=width * 1.001)
