"""Sinkhorn operators against linear programmes and plain iterations; properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata
from transport_reference import COSTS, PLANS, Reference, draw, every_operator

from sksoftrank.sinkhorn import (
    sinkhorn_cdf,
    sinkhorn_quantile,
    sinkhorn_rank,
    sinkhorn_sort,
)

# Values


@pytest.mark.parametrize("epsilon", [0.02, 0.3, 10.0])
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("squashing", ["logistic", "arctan", None])
@pytest.mark.parametrize("plan", PLANS)
def test_values_against_plain_iterations(epsilon, cost, squashing, plan):
    x = draw(7)
    options = {**PLANS[plan], "cost": COSTS[cost], "squashing": squashing}
    # Far points, where the plain iterations hardly move.
    epsilon = max(epsilon, 0.3) if squashing is None else epsilon
    ranks, sorts = Reference(x, **options).sinkhorn(epsilon)
    options["tol"] = 1e-12
    assert_allclose(sinkhorn_rank(x, epsilon, **options), ranks, rtol=0, atol=1e-9)
    assert_allclose(sinkhorn_cdf(x, epsilon, **options), ranks / 7, rtol=0, atol=1e-10)
    assert_allclose(sinkhorn_sort(x, epsilon, **options), sorts, rtol=0, atol=1e-9)


@pytest.mark.parametrize("epsilon", [1e-2, 2e-4])
@pytest.mark.parametrize("m", [slow(4), 3, slow(5)])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_values_for_small_epsilon(epsilon, m, is_weighted):
    x, options = draw(4, seed=3), {"targets": m}
    if is_weighted:
        options |= {"weights": [1.0, 3, 2, 1], "target_weights": [2.0, 1, 5, 3, 1][:m]}
    ranks, sorts = Reference(x, **options).newton(epsilon)
    options["tol"] = 1e-11
    assert_allclose(sinkhorn_rank(x, epsilon, **options), ranks, rtol=0, atol=1e-9)
    assert_allclose(sinkhorn_sort(x, epsilon, **options), sorts, rtol=0, atol=1e-9)


@pytest.mark.parametrize("power", [2.0, 1.3, 4.0])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 2), (6, 6), (6, 3), (4, 9), (5, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_limit_against_linear_programme(power, n, m, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    options = {
        "weights": rng.uniform(0.1, 1, size=n),
        "targets": np.sort(rng.uniform(size=m)),
        "target_weights": rng.uniform(0.1, 1, size=m),
        "cost": power,
        "squashing": "logistic" if n > 1 else None,
    }
    ranks, sorts = Reference(x, **options).linear_programme()
    assert_allclose(sinkhorn_rank(x, 0, **options), ranks, rtol=0, atol=1e-7)
    assert_allclose(sinkhorn_sort(x, 0, **options), sorts, rtol=0, atol=1e-7)
    # And the regularised operators get there.
    options["tol"] = 1e-5
    assert_allclose(sinkhorn_rank(x, 1e-7, **options), ranks, rtol=0, atol=1e-3)
    assert_allclose(sinkhorn_sort(x, 1e-7, **options), sorts, rtol=0, atol=1e-3)


@pytest.mark.parametrize("epsilon", [0, 5e-324, 1e-17, 1e-9])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("squashing", ["logistic", "arctan"])
def test_hard_limit_of_distinct_values(epsilon, descending, squashing):
    x = np.random.default_rng(0).permutation(np.linspace(-2, 1, 40)).reshape(2, 20)
    options = {"descending": descending, "squashing": squashing}
    sign = -1 if descending else 1
    assert_allclose(
        sinkhorn_rank(x, epsilon, **options), rankdata(sign * x, axis=1), atol=1e-13
    )
    expected = sign * np.sort(sign * x, axis=1)
    assert_allclose(sinkhorn_sort(x, epsilon, **options), expected, rtol=0, atol=1e-13)


def test_hard_ties_share_their_mass():
    x = np.array([3.0, 0.0, -0.0, 3.0, 1.0, 3.0])
    assert_array_equal(sinkhorn_rank(x, 0), rankdata(x))
    assert_array_equal(sinkhorn_rank(x, 0, descending=True), rankdata(-x))
    assert_allclose(sinkhorn_cdf(x, 0), rankdata(x) / 6, rtol=1e-15)
    assert_array_equal(sinkhorn_sort(x, 0), np.sort(x))
    for epsilon in (1e-6, 1e-4, 0.1):
        ranks = sinkhorn_rank(x, epsilon)
        assert_allclose(ranks[[0, 0, 1]], ranks[[3, 5, 2]], rtol=0, atol=1e-12)
    assert_allclose(sinkhorn_rank(x, 1e-5), rankdata(x), rtol=0, atol=1e-9)
    # Two of the three largest values go to the last target.
    _, jacobian = sinkhorn_sort(x, 0, targets=3, return_jacobian=True)
    third = 1 / 3
    expected = [[0, 0.5, 0.5, 0, 0, 0], [third / 2, 0, 0, third / 2, 0.5, third / 2]]
    expected += [[third, 0, 0, third, 0, third]]
    assert_allclose(jacobian.toarray(), expected, rtol=0, atol=1e-15)


def test_hard_order_is_that_of_the_values_not_of_the_squashed():
    """Squashed, the large values are all 1."""
    x = np.array([1e30, 2e30, 3e30, *np.linspace(0, 1, 2000)])
    assert_array_equal(sinkhorn_rank(x, 0), rankdata(x))


def test_hard_limit_of_values_at_their_targets():
    """All mass stays, at no cost."""
    x = np.array([1.0, 0.0, 0.5])
    for epsilon in (1e-20, 5e-324):
        assert_array_equal(sinkhorn_rank(x, epsilon, squashing=None), [3, 1, 2])


@pytest.mark.parametrize("far", [-1e9, 1e9])
def test_slices_whose_costs_round_epsilon_away_are_hard(far):
    x = np.array([0.2, far, 0.3])
    options = {"squashing": None, "cost": 2}
    assert_array_equal(sinkhorn_rank(x, 100, **options), rankdata(x))
    assert_array_equal(sinkhorn_sort(x, 100, **options), np.sort(x))


def test_hard_values_without_weight_take_their_place():
    weights = [1, 0, 1, 0, 0, 2]
    x = [0.0, 1.0, 2.0, 2.0, -1.0, 5.0]
    ranks = sinkhorn_rank(x, 0, weights=weights, targets=4)
    # Levels 0.25 | 0.5 | 1: between the first two, tied with the second, at the bottom.
    levels = np.array([1, 2, 3, 4]) * 6 / 4
    expected = [levels[0], levels[:2].mean(), levels[1], levels[1], levels[0]]
    assert_allclose(ranks, [*expected, levels[2:].mean()], rtol=1e-15)
    sorts = sinkhorn_sort([3.0, 1.0, 2.0], 0, targets=3, target_weights=[2, 0, 1])
    assert_allclose(sorts, [1.5, 2.5, 3.0], rtol=1e-15)


@pytest.mark.parametrize("width", [None, 0.04])
def test_quantiles_against_plain_iterations(width):
    x, q = draw(9), [0.8, 0.25, 0.5, 0.25]
    w = 0.02 if width is None else width
    masses = [0.25 - w / 2, w, 0.25 - w, w, 0.3 - w, w, 0.2 - w / 2]
    options = {"targets": 7, "target_weights": masses}
    for epsilon in (0.02, 0.3):
        _, sorts = Reference(x, **options).sinkhorn(epsilon)
        quantiles = sinkhorn_quantile(x, q, epsilon, width=width, tol=1e-12)
        assert_allclose(quantiles, sorts[[5, 1, 3, 1]], rtol=0, atol=1e-9)
    # More values, a narrower window.
    many = draw(200, seed=1)
    w = 1.5 / 200 if width is None else width
    expected = sinkhorn_quantile(many, 0.4, 1e-3, width=w)
    got = sinkhorn_quantile(many, 0.4, 1e-3, width=width)
    assert_allclose(got, expected, rtol=1e-13)
    # The limit is the mean of the quantiles in the window.
    expected = np.sort(x)[[7, 2, 4, 2]]
    assert_allclose(sinkhorn_quantile(x, q, 0, width=width), expected, rtol=1e-13)
    assert_allclose(
        sinkhorn_quantile(np.arange(4.0), 0.5, 0, width=0.25), 1.5, rtol=1e-14
    )


def test_shapes():
    x = draw(4, 5, 6)
    assert sinkhorn_rank(x, axis=1).shape == (4, 5, 6)
    assert sinkhorn_rank(x, axis=None).shape == (120,)
    assert sinkhorn_sort(x, axis=1, targets=3).shape == (4, 3, 6)
    assert sinkhorn_sort(x, axis=None, targets=3).shape == (3,)
    assert sinkhorn_quantile(x, axis=0).shape == (5, 6)
    assert sinkhorn_quantile(x, [0.1, 0.9], axis=1).shape == (2, 4, 6)
    assert sinkhorn_quantile(x, axis=None).shape == ()
    assert sinkhorn_rank(np.zeros((3, 0))).shape == (3, 0)
    assert sinkhorn_rank(np.zeros((3, 0)), targets=2).shape == (3, 0)
    assert sinkhorn_sort(np.zeros((0, 3)), targets=2).shape == (0, 2)
    assert sinkhorn_sort(np.zeros(0)).shape == (0,)
    assert sinkhorn_rank(np.float16([1, 2])).dtype == np.float32
    assert sinkhorn_sort([1, 2]).dtype == np.float64


@every_operator
def test_slices_do_not_see_each_other(operator):
    x = 10.0 ** np.arange(6) * draw(3, 30, 6)
    weights = np.random.default_rng(1).uniform(size=x.shape)
    options = {"epsilon": 1e-2, "tol": 1e-12, "squashing": "arctan"}
    batch, jacobian = operator(
        x, axis=1, weights=weights, return_jacobian=True, **options
    )
    g = draw(*batch.shape, seed=2)
    gradient = jacobian.vjp(g)
    for i, j in np.ndindex(3, 6):
        one, own = operator(
            x[i, :, j], weights=weights[i, :, j], return_jacobian=True, **options
        )
        index = (i, j) if operator is sinkhorn_quantile else (i, slice(None), j)
        scale = np.abs(one).max()
        assert_allclose(batch[index], one, rtol=0, atol=1e-12 * scale)
        own_gradient = own.vjp(g[index])
        scale = np.abs(own_gradient).max()
        assert_allclose(gradient[i, :, j], own_gradient, rtol=0, atol=1e-10 * scale)


def test_large_batches_are_as_one_by_one():
    """More slices than fit in one batch of plans, hard and soft together."""
    x = draw(40, 100)
    x[::3] *= 1e9  # epsilon is lost in the rounding of these costs
    weights = np.random.default_rng(1).uniform(size=100)
    options = {"weights": weights, "squashing": None, "targets": 80, "tol": 1e-6}
    batch = sinkhorn_sort(x, 0.1, **options)
    for row, expected in zip(x, batch, strict=True):
        own = sinkhorn_sort(row, 0.1, **options)
        assert_allclose(own, expected, rtol=0, atol=1e-9 * np.abs(row).max())
    hard = sinkhorn_sort(x[0], 0, **options)
    assert_array_equal(batch[0], hard)
    assert np.abs(batch[1] - sinkhorn_sort(x[1], 0, **options)).max() > 0.01


# Properties

numbers = st.floats(-10, 10).map(lambda value: round(value, 3))
samples = st.integers(1, 12).flatmap(lambda n: arrays(np.float64, n, elements=numbers))
epsilons = st.floats(-4, 1).map(lambda exponent: 10**exponent)


@given(samples, epsilons, st.data())
def test_properties(x, epsilon, data):
    n = len(x)
    weights = data.draw(arrays(np.float64, n, elements=st.integers(0, 3)))
    weights[0] += 1
    m = data.draw(st.integers(1, 12))
    masses = data.draw(arrays(np.float64, m, elements=st.integers(0, 3)))
    masses[-1] += 1
    a, b = weights / weights.sum(), masses / masses.sum()
    options = {"weights": weights, "targets": m, "target_weights": masses}
    ranks = sinkhorn_rank(x, epsilon, **options)
    sorts = sinkhorn_sort(x, epsilon, **options)
    # Sums.
    tolerance = {"rtol": 0, "atol": 1e-6 * n}
    assert_allclose(a @ ranks, n * (1 + b @ b) / 2, **tolerance)
    assert_allclose(b @ sorts, a @ x, rtol=0, atol=1e-6)
    # Order: in the values, and of the sorted values.
    order = np.argsort(x)
    assert (np.diff(ranks[order]) >= -1e-9 * n).all()
    assert (np.diff(sorts) >= -1e-9 * max(1, np.ptp(x))).all()
    # Repeats, with no more than rounding between them and weights.
    repeats = weights.astype(int)
    repeated = sinkhorn_cdf(
        np.repeat(x, repeats), epsilon, targets=m, target_weights=masses
    )
    assert_allclose(np.repeat(ranks, repeats) / n, repeated, rtol=0, atol=1e-6)
    # Location and scale.
    moved = sinkhorn_rank(4 * x + 8, epsilon, **options)
    assert_allclose(moved, ranks, **tolerance)


@given(samples, epsilons, st.integers(0, 2**32 - 1))
def test_permutations_and_directions(x, epsilon, seed):
    order = np.random.default_rng(seed).permutation(len(x))
    ranks = sinkhorn_rank(x, epsilon)
    tolerance = {"rtol": 0, "atol": 1e-6 * len(x)}
    assert_allclose(sinkhorn_rank(x[order], epsilon), ranks[order], **tolerance)
    descending = sinkhorn_rank(x, epsilon, descending=True)
    assert_allclose(descending, len(x) + 1 - ranks, **tolerance)
    assert_allclose(sinkhorn_rank(-x, epsilon), descending, **tolerance)
    sorts = sinkhorn_sort(x, epsilon)
    assert_allclose(sinkhorn_sort(x[order], epsilon), sorts, **tolerance)
    flipped = sinkhorn_sort(x, epsilon, descending=True)
    assert_array_equal(flipped, sorts[::-1])
