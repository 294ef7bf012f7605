"""Soft choice and soft ranks of the k largest, against slow references."""

import re

import mpmath
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.stats import rankdata

from sksoftrank import (
    _pav,
    project_permutahedron,
    soft_rank,
    soft_topk,
    soft_topk_rank,
)
from sksoftrank._top_ranks import top_rank_rows

REGULARIZATIONS = ["quadratic", "entropic"]
SHAPES = [((7,), 0), ((3, 5), 1), ((5, 3), 0), ((2, 5, 3), 1), ((2, 3), None)]

regularizations = pytest.mark.parametrize("regularization", REGULARIZATIONS)
shapes = pytest.mark.parametrize(("shape", "axis"), SHAPES)
both_ends = pytest.mark.parametrize("largest", [True, False])


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def length_of(shape, axis):
    return int(np.prod(shape)) if axis is None else shape[axis]


def difference(function, argument, direction, step=1e-6):
    """Central difference of an array-valued function along a direction."""
    up, down = argument + step * direction, argument - step * direction
    return (function(up) - function(down)) / (2 * step)


def parts_by_bisection(values, k, epsilon, weights, regularization):
    """Parts of the k largest with 40 digits, for one slice."""
    with mpmath.workdps(40):
        x = [mpmath.mpf(float(v)) for v in values]
        a = [mpmath.mpf(float(v)) for v in weights]
        epsilon, k = mpmath.mpf(float(epsilon)), mpmath.mpf(float(k))

        def parts(t):
            u = [(v - t) / epsilon for v in x]
            if regularization == "quadratic":
                return [min(max(v, mpmath.mpf(0)), mpmath.mpf(1)) for v in u]
            return [1 / (1 + mpmath.exp(-v)) for v in u]

        low, high = min(x) - 100 * epsilon - 1, max(x) + 100 * epsilon + 1
        for _ in range(160):
            middle = (low + high) / 2
            is_low = sum(v * p for v, p in zip(a, parts(middle), strict=True)) > k
            low, high = (middle, high) if is_low else (low, middle)
        return np.array([float(p) for p in parts(high)])


# Values


@regularizations
@both_ends
@pytest.mark.parametrize("epsilon", [1e-4, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("k", [0.25, 2, 3.7, 9.5])
def test_parts_are_those_of_a_bisection(k, epsilon, largest, regularization):
    values, weights = draw(9), np.random.default_rng(1).uniform(0.5, 3, size=9)
    weights[4] = 0.0
    options = {"regularization": regularization, "largest": largest}
    parts = soft_topk(values, k, epsilon, weights=weights, **options)
    sign = 1 if largest else -1
    expected = parts_by_bisection(sign * values, k, epsilon, weights, regularization)
    assert_allclose(parts, expected, rtol=0, atol=1e-12)


@regularizations
def test_parts_solve_the_programme(regularization):
    values, k, epsilon = draw(6), 2.5, 0.7
    weights = np.array([1.0, 2.0, 0.5, 1.0, 1.5, 1.0])

    def objective(p):
        phi = p**2 / 2
        if regularization == "entropic":
            phi = p * np.log(p) + (1 - p) * np.log1p(-p)
        return -np.sum(weights * (p * values - epsilon * phi))

    result = minimize(
        objective,
        np.full(6, k / weights.sum()),
        method="SLSQP",
        bounds=[(1e-9, 1 - 1e-9)] * 6,
        constraints={"type": "eq", "fun": lambda p: weights @ p - k},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    parts = soft_topk(
        values, k, epsilon, weights=weights, regularization=regularization
    )
    assert_allclose(parts, result.x, rtol=0, atol=2e-6)


@pytest.mark.parametrize("epsilon", [1e-9, 0.05, 1.0, 1e9])
@pytest.mark.parametrize("n", [4, 9000])  # the kernel has another path from 6000 on
def test_quadratic_parts_are_a_projection_on_a_permutahedron(n, epsilon):
    values, k = draw(n), n // 3
    w = np.repeat([1.0, 0.0], [k, n - k])
    expected = project_permutahedron(values / epsilon, w)
    assert_allclose(soft_topk(values, k, epsilon), expected, rtol=0, atol=1e-12)


@regularizations
def test_limits(regularization):
    values = [3.0, -1.0, 2.0, 2.0, 5.0]
    options = {"regularization": regularization}
    hard = soft_topk(values, 3, 0, **options)
    assert_array_equal(hard, [1, 0, 0.5, 0.5, 1])
    assert_array_equal(soft_topk(values, 5, 0, **options), np.ones(5))
    assert_array_equal(soft_topk(values, 5, 1.0, **options), np.ones(5))
    assert_allclose(soft_topk(values, 3, 1e-6, **options), hard, rtol=0, atol=1e-12)
    assert_allclose(soft_topk(values, 3, 1e12, **options), 0.6, rtol=0, atol=1e-11)
    tiny = np.finfo(float).tiny
    assert_allclose(soft_topk(values, 3, tiny, **options), hard, rtol=0, atol=1e-12)


def test_range_of_epsilon():
    values = draw(8)
    ordered = np.sort(values)[::-1]
    hard, gap = soft_topk(values, 3, 0), ordered[2] - ordered[3]
    assert_array_equal(soft_topk(values, 3, 0.999 * gap), hard)
    assert np.abs(soft_topk(values, 3, 1.001 * gap) - hard).max() > 1e-5
    deviation = values - values.mean()
    single = max(deviation.max() / (5 / 8), -deviation.min() / (3 / 8))
    for factor in (1.001, 0.999):
        epsilon = factor * single
        error = np.abs(soft_topk(values, 3, epsilon) - (3 / 8 + deviation / epsilon))
        assert (error.max() < 1e-14) == (factor > 1)


def test_entropic_parts_of_small_shares_have_all_digits():
    parts = soft_topk(draw(8), 1e-30, 0.3, regularization="entropic")
    expected = np.exp(draw(8) / 0.3)
    assert_allclose(parts, 1e-30 * expected / expected.sum(), rtol=1e-12)


@pytest.mark.parametrize("n", [6, 5000, 140_000])
@pytest.mark.parametrize("epsilon", [1e-4, 0.1, 10.0, 1e6])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_entropic_parts_have_their_sum_and_odds(n, epsilon, is_weighted):
    values, weights = draw(n), np.ones(n)
    if is_weighted:
        weights = np.random.default_rng(1).uniform(0, 2, size=n)
    for k in (0.37, 0.26 * n, 0.8 * weights.sum()):
        parts = soft_topk(
            values, k, epsilon, weights=weights, regularization="entropic"
        )
        assert_allclose(weights @ parts, k, rtol=2e-12)
        with np.errstate(divide="ignore"):
            odds = np.log(parts) - np.log1p(-parts)
        inside = (parts > 1e-9) & (parts < 1 - 1e-5)
        threshold = (values - epsilon * odds)[inside]
        assert inside.any()
        assert np.ptp(threshold) <= 1e-10 * max(1, epsilon)


finite = st.floats(-100, 100).map(lambda x: round(x, 3))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(finite, min_size=1, max_size=12),
    st.floats(0.01, 1),
    st.sampled_from([0.0, 0.01, 1.0, 50.0]),
    st.sampled_from(REGULARIZATIONS),
)
def test_properties(values, share, epsilon, regularization):
    values = np.array(values)
    k = share * len(values)
    parts = soft_topk(values, k, epsilon, regularization=regularization)
    assert parts.min() >= 0
    assert parts.max() <= 1
    assert_allclose(parts.sum(), k, rtol=1e-12)
    order = np.argsort(values)
    assert np.diff(parts[order]).min(initial=0.0) >= -1e-15  # the larger, the more
    moved = soft_topk(4 * values + 8, k, 4 * epsilon, regularization=regularization)
    assert_allclose(moved, parts, rtol=0, atol=1e-11)
    if k < len(values) * (1 - 1e-12):  # else nothing is left
        rest = soft_topk(
            values,
            len(values) - k,
            epsilon,
            regularization=regularization,
            largest=False,
        )
        assert_allclose(parts + rest, 1, rtol=0, atol=1e-11)


@regularizations
@pytest.mark.parametrize("epsilon", [0, 0.2, 3.0])
def test_weights_equal_repeats(epsilon, regularization):
    values, weights = draw(8), np.array([1, 0, 3, 2, 0, 1, 4, 1])
    options = {"regularization": regularization}
    parts = soft_topk(values, 4.5, epsilon, weights=weights, **options)
    repeats = soft_topk(np.repeat(values, weights), 4.5, epsilon, **options)
    assert_allclose(np.repeat(parts, weights), repeats, rtol=0, atol=1e-12)


# Derivatives


def test_jacobian_is_symmetric_without_weights():
    for regularization in REGULARIZATIONS:
        _, jacobian = soft_topk(
            draw(6), 2.5, 0.8, regularization=regularization, return_jacobian=True
        )
        dense = jacobian.toarray()
        assert np.abs(dense).max() > 0.1
        assert_allclose(dense, dense.T, rtol=0, atol=1e-15)


# Ranks of the k largest


@regularizations
@pytest.mark.parametrize("epsilon", [1e-3, 0.03, 0.3, 2.0, 50.0])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (6, 1), (6, 6), (60, 3), (60, 20)])
def test_ranks_are_a_projection_with_all_values_sorted(n, k, epsilon, regularization):
    values, w = draw(n), np.minimum(np.arange(n, 0, -1.0), k + 1)
    expected = reference.fast_project(-values / epsilon, w, regularization)
    ranks = soft_topk_rank(values, k, epsilon, regularization=regularization)
    assert_allclose(ranks, expected.astype(float), rtol=0, atol=1e-11)


@regularizations
@both_ends
@pytest.mark.parametrize("k", [11, 12])
@pytest.mark.parametrize("epsilon", [0, 0.1, 1.0, 20.0])
def test_ranks_of_all_values_are_soft_ranks(epsilon, k, largest, regularization):
    values, options = draw(12), {"regularization": regularization}
    expected, jacobian = soft_rank(
        values, epsilon, descending=largest, return_jacobian=True, **options
    )
    ranks, top_jacobian = soft_topk_rank(
        values, k, epsilon, largest=largest, return_jacobian=True, **options
    )
    assert_allclose(ranks, expected, rtol=0, atol=1e-13)
    found, expected = top_jacobian.toarray(), jacobian.toarray()
    assert_allclose(found, expected, rtol=0, atol=1e-13 / (epsilon or 1))
    found, expected = top_jacobian.wrt_epsilon, jacobian.wrt_epsilon
    assert_allclose(found, expected, rtol=0, atol=1e-13 / (epsilon or 1))


@regularizations
@both_ends
@shapes
def test_hard_ranks(shape, axis, largest, regularization):
    values = (2 * draw(*shape)).round(0)
    ranks = soft_topk_rank(
        values, 2, 0, axis=axis, largest=largest, regularization=regularization
    )
    slices = [ranks.ravel()] if axis is None else np.moveaxis(ranks, axis, -1)
    inputs = [values.ravel()] if axis is None else np.moveaxis(values, axis, -1)
    n = length_of(shape, axis)
    for found, x in zip(
        np.reshape(slices, (-1, n)), np.reshape(inputs, (-1, n)), strict=True
    ):
        ordinal = np.sort(-x if largest else x)
        # Ties share the mean of the truncated ranks of their places.
        mean_rank = [
            np.minimum(np.flatnonzero(ordinal == v) + 1, 3).mean()
            for v in (-x if largest else x)
        ]
        assert_allclose(found, mean_rank, rtol=0, atol=1e-15)


def test_all_ranks_are_those_of_scipy():
    values = draw(30)
    expected = np.minimum(rankdata(-values), 30)
    for epsilon in (0, 1e-12):
        assert_allclose(soft_topk_rank(values, 30, epsilon), expected, rtol=1e-15)


def test_huge_outliers_do_not_change_ranks():
    values = np.append(draw(20), [1e200, 1e250])
    ranks = soft_topk_rank(values, 5, 1e-200)
    assert_array_equal(ranks, np.minimum(rankdata(-values), 6))


@regularizations
def test_rows_that_need_more_values_than_others(regularization):
    values = np.array([np.arange(50.0), 0.01 * np.arange(50)])
    ranks = soft_topk_rank(values, 3, 0.5, regularization=regularization)
    w = np.minimum(np.arange(50, 0, -1.0), 4)
    for found, row in zip(ranks, values, strict=True):
        expected = reference.fast_project(-row / 0.5, w, regularization)
        assert_allclose(found, expected.astype(float), rtol=0, atol=1e-12)


def counted(values, k, epsilon, regularization="quadratic"):
    """How many members of pools there are, and how many values were sorted."""
    kind = _pav.ENTROPIC if regularization == "entropic" else _pav.QUADRATIC
    room = np.empty((3, values.size + 1), dtype=np.int64)
    return top_rank_rows(
        np.atleast_2d(values),
        -1.0,
        k,
        epsilon,
        kind,
        np.empty((1, values.size)),
        room[0],
        room[1],
        room[2].view(np.float64),
    )


@regularizations
def test_of_one_value_there_is_no_pool(regularization):
    # There is room for the bounds of pools of two values or more.
    assert counted(np.zeros((50, 1)), 1, 1.0, regularization)[0] == 0
    # Here the tie of both values just ends.
    n_members, _ = counted(np.tile([0.0, 1.0], (50, 1)), 1, 1.0, regularization)
    assert n_members in (0, 100)


@regularizations
def test_the_tail_is_not_sorted(regularization):
    values = draw(100_000)
    for epsilon in (0.0, 1e-5, 0.01, 0.3):
        _, n_sorted = counted(values, 10, epsilon, regularization)
        assert 10 <= n_sorted < 2000
    # Where all tops are in one pool nothing is sorted.
    for k, epsilon in [(100, 6.0), (10_000, 6.0), (99_000, 12.0), (1, 1200.0)]:
        n_members, n_sorted = counted(values, k, epsilon, regularization)
        assert n_members > k
        assert n_sorted == 0
    # Else what is pooled beyond the sorted ones is found without an order.
    values[7] = 1e6
    n_members, n_sorted = counted(values, 500, 2.5, regularization)
    assert 500 < n_sorted < 2000 < n_members
    ranks = soft_topk_rank(values, 500, 2.5, regularization=regularization)
    w = np.minimum(np.arange(1.0, 100_001), 501)
    expected = project_permutahedron(-values / 2.5, w, regularization=regularization)
    assert_allclose(ranks, expected, rtol=1e-9)


KINDS_OF_ROWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "ties": lambda rng, n: rng.normal(size=n).round(1),
    "clusters": lambda rng, n: rng.normal(size=n) + 100 * (rng.random(n) < 0.4),
    "long tail": lambda rng, n: rng.normal(size=n) ** 5,
    "steps": lambda rng, n: np.cumsum(rng.random(n)) * 2,
    "nearly pooled": lambda rng, n: np.arange(n) * (1 + 1e-7),
    "geometric": lambda rng, n: -(2.0 ** -np.arange(n)),
    "periodic": lambda rng, n: np.arange(n) % 7 + np.sin(np.arange(n)),
    "equal": lambda rng, n: np.zeros(n),
}


@regularizations
@pytest.mark.parametrize("kind", KINDS_OF_ROWS)
@pytest.mark.parametrize("n", [24, 25, 400, slow(9000)])
def test_all_roads_to_the_ranks_agree(n, kind, regularization):
    rng = np.random.default_rng(n)
    x = np.array([KINDS_OF_ROWS[kind](rng, n) for _ in range(2)])
    g = rng.normal(size=x.shape)
    options = {"regularization": regularization, "return_jacobian": True}
    for k in (1, 2, n // 20 + 1, n // 2, n - 2):
        w = np.minimum(np.arange(1.0, n + 1), k + 1)
        for epsilon in (1e-3, 0.0971, 0.9999999, 1.0, 20.0, 30.0 * n):
            got, jacobian = soft_topk_rank(x, k, epsilon, **options)
            expected, projection = project_permutahedron(-x / epsilon, w, **options)
            assert_allclose(got, expected, rtol=1e-10)
            pulled = -projection.vjp(g) / epsilon
            bound = 1e-8 * max(np.abs(pulled).max(), 1e-3)
            assert_allclose(jacobian.vjp(g), pulled, rtol=0, atol=bound)
            alone = soft_topk_rank(x[1], k, epsilon, regularization=regularization)
            assert_array_equal(got[1], alone)


@regularizations
@pytest.mark.parametrize("scale", [2.0**-1060, 2.0**-500, 2.0**400, 2.0**990])
def test_ranks_do_not_depend_on_units(scale, regularization):
    x = np.round(1024 * draw(4, 50)) / 1024
    for k in (1, 5, 30, 48):
        for epsilon in (0.0, 2.0**-6, 0.25, 16.0):
            found = soft_topk_rank(
                x * scale, k, epsilon * scale, regularization=regularization
            )
            expected = soft_topk_rank(x, k, epsilon, regularization=regularization)
            assert_allclose(found, expected, rtol=1e-14)


@regularizations
@both_ends
def test_ranks_of_float32_are_those_of_their_values(largest, regularization):
    x, options = draw(3, 700).astype(np.float32), {"regularization": regularization}
    for k in (3, 300):
        for epsilon in (0.0, 0.01, 0.3, 4.0):
            found, jacobian = soft_topk_rank(
                x, k, epsilon, largest=largest, return_jacobian=True, **options
            )
            expected, wide = soft_topk_rank(
                x.astype(float),
                k,
                epsilon,
                largest=largest,
                return_jacobian=True,
                **options,
            )
            assert_array_equal(found, expected.astype(np.float32))
            g = np.ones(x.shape) * np.arange(700)
            assert_allclose(jacobian.vjp(g), wide.vjp(g), rtol=0, atol=1e-9 / 0.01)


# Input


GOOD = [3.0, 1.0, 2.0]
BAD = [
    (([], 1), {}, ValueError, "values must not be empty along axis"),
    ((GOOD, 0), {}, ValueError, "k must be above 0 and at most 3, the number of"),
    ((GOOD, 3.5), {}, ValueError, "sum of their weights, got 3.5."),
    ((GOOD, np.nan), {}, ValueError, "got nan"),
    ((GOOD, "1"), {}, TypeError, "k must be a real number, got '1'."),
    ((GOOD, True), {}, TypeError, "k must be a real number, got True."),
    ((GOOD, 3), {"weights": [1, 0, 1]}, ValueError, "at most 2, the number of"),
    ((GOOD, 1), {"weights": [1, -1, 1]}, ValueError, "at least 0, got -1.0."),
    (
        (GOOD, 1),
        {"weights": [0, 0, 0]},
        ValueError,
        "weights must not be zero everywhere",
    ),
    (
        (GOOD, 1),
        {"weights": [1, 1]},
        ValueError,
        "weights must have shape (3,), got (2,).",
    ),
    ((GOOD, 1), {"weights": [1, 1, np.nan]}, ValueError, "weights must be finite"),
    ((GOOD, 1), {"weights": [1, 1, 1e308]}, ValueError, "have a finite sum"),
]


@pytest.mark.parametrize(("arguments", "options", "error", "message"), BAD)
def test_bad_input(arguments, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        soft_topk(*arguments, **options)


@pytest.mark.parametrize(
    ("k", "error", "message"),
    [
        (0, ValueError, "k must be from 1 to the number of values, 3, got 0."),
        (4, ValueError, "3, got 4."),
        (1.0, TypeError, "k must be an integer, got 1.0."),
        (True, TypeError, "k must be an integer, got True."),
    ],
)
def test_bad_k_of_ranks(k, error, message):
    with pytest.raises(error, match=re.escape(message)):
        soft_topk_rank(GOOD, k)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 1.0]])
@pytest.mark.parametrize("k", [1e-320, -1, 4.5])
def test_bad_values_are_named_before_a_bad_k(k, weights):
    with pytest.raises(ValueError, match=r"^values must be finite, got 1 NaN"):
        soft_topk([1.0, np.nan, 2.0], k, weights=weights)
    with pytest.raises(ValueError, match=r"^k must be"):
        soft_topk([1.0, 3.0, 2.0], k, weights=weights)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("regularization", REGULARIZATIONS)
@pytest.mark.parametrize("epsilon", [1e-160, 1e-300, 5e-324])
@pytest.mark.parametrize("function", [soft_topk, soft_topk_rank])
def test_derivatives_for_tiny_epsilon(function, epsilon, regularization, largest):
    values = np.array([3.0, 0.0, 1.0, 10.0])
    _, jacobian = function(
        values,
        2,
        epsilon,
        regularization=regularization,
        largest=largest,
        return_jacobian=True,
    )
    assert_array_equal(jacobian.wrt_epsilon, np.zeros(4))
    assert_array_equal(jacobian.toarray(), np.zeros((4, 4)))


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize("epsilon", [30.0, 300.0, 3000.0])
def test_long_rows_of_one_block_are_not_sorted(regularization, epsilon):
    # Of these rows some are one block, by k and epsilon, some nearly so.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 300)) * [[1.0], [3.0], [20.0]]
    g = rng.normal(size=x.shape)
    for k in (1, 30, 200):
        options = {"regularization": regularization, "return_jacobian": True}
        got, jacobian = soft_topk_rank(x, k, epsilon, **options)
        w = np.minimum(np.arange(1.0, 301), k + 1)
        expected, projection = project_permutahedron(-x / epsilon, w, **options)
        assert_allclose(got, expected, rtol=1e-13)
        pulled = -projection.vjp(g) / epsilon
        assert_allclose(jacobian.vjp(g), pulled, atol=1e-13 * np.abs(pulled).max())


@pytest.mark.parametrize("largest", [True, False])
def test_all_but_one_are_soft_ranks(largest):
    x = np.random.default_rng(1).normal(size=(2, 7))
    for k in (6, 7):
        got = soft_topk_rank(x, k, 0.5, largest=largest)
        assert_array_equal(got, soft_rank(x, 0.5, descending=largest))
