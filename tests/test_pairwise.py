"""Pairwise ranks and sorts against their n x n formulas, in plain loops."""

import pickle
import re
import tracemalloc
from math import erf, exp, sqrt

import mpmath
import numpy as np
import pytest
from differences import central_differences
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata

from sksoftrank.pairwise import (
    _matrices,
    all_pairs_rank,
    gaussian_soft_rank,
    neural_sort,
    soft_sort_permutation,
)

RANKS = [all_pairs_rank, gaussian_soft_rank]
SORTS = [neural_sort, soft_sort_permutation]
OPERATORS = RANKS + SORTS
CASES = [
    *((operator, {}) for operator in OPERATORS),
    (soft_sort_permutation, {"power": 2}),
    (soft_sort_permutation, {"power": 1.5}),
    (neural_sort, {"return_matrix": True}),
    (soft_sort_permutation, {"return_matrix": True, "power": 2.5}),
]

every_operator = pytest.mark.parametrize("operator", OPERATORS)
every_rank = pytest.mark.parametrize("operator", RANKS)
every_sort = pytest.mark.parametrize("operator", SORTS)
all_cases = pytest.mark.parametrize(("operator", "options"), CASES)
directions = pytest.mark.parametrize("descending", [False, True])


@pytest.fixture(params=["one block", "many blocks"])
def blocks(request, monkeypatch):
    """Few rows and positions a block, as large inputs have."""
    if request.param == "many blocks":
        monkeypatch.setattr(_matrices, "BLOCK_SIZE", 20)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# Slow references for one slice


def comparison(operator, t):
    if operator is all_pairs_rank:
        return 1 / (1 + exp(-t))
    # P(s_i > s_j) of variables with variance one each: their difference has two.
    return (1 + erf(t / sqrt(2) / sqrt(2))) / 2


def slow_ranks(operator, x, epsilon, descending):
    sign = -1 if descending else 1
    return [
        1
        + sum(
            comparison(operator, sign * (own - other) / epsilon)
            for j, other in enumerate(x)
            if j != i
        )
        for i, own in enumerate(x)
    ]


def softmax(logits):
    weights = [exp(logit - max(logits)) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def slow_matrix(operator, x, epsilon, descending, power=1):
    """Positions from the largest value, as the papers count; turned for ascending."""
    n, rows = len(x), []
    for i in range(1, n + 1):
        if operator is neural_sort:
            logits = [
                ((n + 1 - 2 * i) * own - sum(abs(own - other) for other in x)) / epsilon
                for own in x
            ]
        else:
            anchor = sorted(x, reverse=True)[i - 1]
            logits = [-(abs(anchor - own) ** power) / epsilon for own in x]
        rows.append(softmax(logits))
    return np.array(rows if descending else rows[::-1])


# Values


@every_rank
@directions
@pytest.mark.parametrize("epsilon", [0.02, 0.5, 3.0, 1e4])
@pytest.mark.usefixtures("blocks")
def test_ranks(operator, descending, epsilon):
    x = np.append(draw(11), [0.5, 0.5])
    expected = slow_ranks(operator, x, epsilon, descending)
    got = operator(x, epsilon, descending=descending)
    assert_allclose(got, expected, rtol=1e-14)


@every_sort
@directions
@pytest.mark.parametrize("epsilon", [0.02, 0.5, 3.0, 1e4])
@pytest.mark.parametrize("power", [1, 1.5, 2])
@pytest.mark.usefixtures("blocks")
def test_sorts(operator, descending, epsilon, power):
    x = np.append(draw(11), [0.5, 0.5])
    options = {"descending": descending}
    if operator is soft_sort_permutation:
        options["power"] = power
    expected = slow_matrix(operator, x, epsilon, **options)
    matrix = operator(x, epsilon, return_matrix=True, **options)
    assert_allclose(matrix, expected, rtol=1e-11, atol=1e-14)
    got = operator(x, epsilon, **options)
    assert_allclose(got, expected @ x, rtol=0, atol=1e-13)


def test_gaussian_ranks_are_expected_ranks():
    x = np.array([0.3, 0.0, 1.0, 0.9])
    noisy = x + 0.5 * np.random.default_rng(0).normal(size=(400_000, 4))
    expected = rankdata(noisy, axis=1).mean(axis=0)
    assert_allclose(gaussian_soft_rank(x, 0.5), expected, rtol=0, atol=0.01)


# Limits


@every_operator
@directions
@pytest.mark.parametrize("epsilon", [0, 5e-324, 1e-200, 1e-12])
def test_hard_limit(operator, descending, epsilon):
    x = np.array([[2.0, -0.0, 1.5, 0.0, 2.0, 2.0], [5.0, 4, 3, 2, 1, 0]])
    sign = -1 if descending else 1
    expected = rankdata(sign * x, axis=1) if operator in RANKS else None
    if expected is None:
        expected = sign * np.sort(sign * x, axis=1)
    got = operator(x, epsilon, descending=descending)
    if epsilon:
        assert_allclose(got, expected, rtol=1e-15, atol=1e-15)
    else:
        assert_array_equal(got, expected)


@every_sort
@pytest.mark.parametrize("epsilon", [0, 5e-324, 1e-200, 1e-12])
@pytest.mark.parametrize("return_matrix", [False, True])
@pytest.mark.usefixtures("blocks")
def test_hard_limit_of_matrix_and_derivative(operator, epsilon, return_matrix):
    x = [2.0, -0.0, 1.5, 0.0]
    expected = [[0, 0.5, 0, 0.5], [0, 0.5, 0, 0.5], [0, 0, 1, 0], [1, 0, 0, 0]]
    result, jacobian = operator(
        x, epsilon, return_matrix=return_matrix, return_jacobian=True
    )
    if return_matrix:
        assert_array_equal(result, expected)
        # How ties share their positions changes at once; without ties nothing does.
        x = [2.0, -1.0, 1.5, 0.0] if epsilon else x
        _, jacobian = operator(x, epsilon, return_matrix=True, return_jacobian=True)
        assert_array_equal(jacobian.toarray(), np.zeros((16, 4)))
        assert_array_equal(jacobian.vjp(np.ones((4, 4))), np.zeros(4))
    else:
        assert_array_equal(jacobian.toarray(), expected)
        assert_array_equal(
            jacobian.vjp([1.0, 2, 3, 4]), np.array([1.0, 2, 3, 4]) @ expected
        )


@every_rank
@directions
def test_hard_ranks_have_no_derivative(operator, descending):
    options = {"descending": descending, "return_jacobian": True}
    _, jacobian = operator([2.0, 0.0, 1.5], 0, **options)
    assert_array_equal(jacobian.toarray(), np.zeros((3, 3)))
    # Distinct values and a vanishing epsilon: the same.
    _, jacobian = operator([2.0, 0.0, 1.5], 1e-310, **options)
    assert_array_equal(jacobian.toarray(), np.zeros((3, 3)))


def test_small_derivatives_keep_their_digits():
    for operator, t, expected in (
        (all_pairs_rank, 40.0, exp(-40)),
        (gaussian_soft_rank, 20.0, exp(-100) / sqrt(4 * np.pi)),
    ):
        _, jacobian = operator([0.0, t], 1.0, return_jacobian=True)
        dense = jacobian.toarray()
        assert_allclose(dense[[0, 1], [1, 0]], [-expected, -expected], rtol=1e-12)


@pytest.mark.parametrize("operator", RANKS)
@pytest.mark.usefixtures("blocks")
def test_derivatives_of_lone_values_keep_their_digits(operator):
    x, epsilon = np.array([0.0, 30.0, 70.0, 120.0]), 1.0
    t = x[:, None] - x[None, :]
    with np.errstate(under="ignore"):
        if operator is all_pairs_rank:
            expected = 0.25 / np.cosh(t / 2) ** 2
        else:
            expected = np.exp(-(t**2) / 4) / np.sqrt(4 * np.pi)
    np.fill_diagonal(expected, 0)
    expected = np.diag(expected.sum(axis=1)) - expected
    jacobian = operator(x, epsilon, return_jacobian=True)[1]
    assert_allclose(jacobian.toarray(), expected, rtol=1e-12)


@every_rank
def test_derivative_at_ties_grows_without_nan(operator):
    _, jacobian = operator([1.0, 1.0], 1e-310, return_jacobian=True)
    assert_array_equal(jacobian.vjp([1.0, 0.0]), [np.inf, -np.inf])


@every_operator
@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e150, 1e290])
def test_extreme_scales(operator, scale):
    x = draw(9)
    tolerance = {"rtol": 0.02 if scale < 1e-310 else 1e-12}
    expected = operator(x, 0.25)
    got = operator(scale * x, 0.25 * scale)
    if operator in SORTS:
        expected = scale * expected
        tolerance["atol"] = 2e-322 if scale < 1e-310 else 0
    assert_allclose(got, expected, **tolerance)


@every_sort
@pytest.mark.parametrize("epsilon", [1e-6, 1e-3])
def test_a_large_offset_loses_no_digits(operator, epsilon):
    """Of the logits: those of the sum of values and offset differ by rounding."""
    x = np.arange(40.0)[::-1] / 2**12
    expected = operator(x, epsilon, return_matrix=True)
    got = operator(x + 2.0**36, epsilon, return_matrix=True)
    assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_neural_sort_of_close_values_in_many_digits():
    x, epsilon = np.cumsum(np.abs(draw(40))) + 1e3, 1e-4
    with mpmath.workdps(50):
        exact = [mpmath.mpf(value) for value in x]
        distances = [sum(abs(own - other) for other in exact) for own in exact]
        weights = [
            mpmath.exp(((2 * 25 + 1 - 40) * own - distance) / mpmath.mpf(epsilon))
            for own, distance in zip(exact, distances, strict=True)
        ]
        row = np.array([float(w / sum(weights)) for w in weights])
    got = neural_sort(x, epsilon, return_matrix=True)[25]
    assert_allclose(got, row, rtol=0, atol=1e-9)


# Derivatives


@all_cases
@pytest.mark.usefixtures("blocks")
def test_gradients(operator, options):
    x, epsilon = draw(4, 7), 0.5
    result, jacobian = operator(x, epsilon, return_jacobian=True, **options)
    g = draw(*result.shape, seed=1)
    expected = central_differences(
        lambda x: np.sum(g * operator(x, epsilon, **options)), x, step=1e-6
    )
    got = jacobian.vjp(g)
    scale = max(1, np.abs(expected).max())
    assert_allclose(got, expected, rtol=0, atol=1e-7 * scale)
    u = draw(4, 7, seed=2)
    assert_allclose(np.sum(g * jacobian.jvp(u)), np.sum(got * u), atol=1e-12 * scale)
    dense = jacobian.toarray()
    assert_allclose(dense.T @ g.ravel(), got.ravel(), rtol=0, atol=1e-12 * scale)


@every_sort
def test_gradients_at_ties_are_one_sided_means(operator):
    """Where both sides differ, as at ties, by at most half of their difference."""
    x, g = np.array([1.0, 0.0, 1.0, 3.0]), draw(4, seed=1)
    _, jacobian = operator(x, 0.5, return_jacobian=True)
    u = np.array([1.0, 0.0, 1.0, 0.0])  # keeps the ties
    step = 1e-6
    rise = operator(x + step * u, 0.5) - operator(x - step * u, 0.5)
    assert_allclose(jacobian.jvp(u), rise / (2 * step), rtol=0, atol=1e-8)
    assert_allclose(g @ jacobian.jvp(u), jacobian.vjp(g) @ u, rtol=1e-12)


@all_cases
def test_the_jacobian_can_be_kept(operator, options):
    x = draw(3, 5)
    result, jacobian = operator(x, return_jacobian=True, **options)
    expected = jacobian.vjp(result)
    assert_array_equal(pickle.loads(pickle.dumps(jacobian)).vjp(result), expected)
    assert jacobian.shape == (result.size, x.size)
    with pytest.raises(ValueError, match=r"u must have shape \(3, 5\), got \(5,\)"):
        jacobian.jvp(np.ones(5))
    with pytest.raises(TypeError, match="g must be an array of real numbers"):
        jacobian.vjp(np.full(result.shape, "a"))


def test_dense_jacobians_have_a_limit():
    _, jacobian = neural_sort(draw(101), return_matrix=True, return_jacobian=True)
    with pytest.raises(ValueError, match="toarray is for Jacobians of at most 10000 x"):
        jacobian.toarray()


# Properties

numbers = st.floats(-10, 10).map(lambda value: round(value, 3))
samples = st.integers(1, 12).flatmap(lambda n: arrays(np.float64, n, elements=numbers))
epsilons = st.floats(-4, 2).map(lambda exponent: 10**exponent)


@given(samples, epsilons, st.integers(0, 2**32 - 1))
def test_properties_of_ranks(x, epsilon, seed):
    n = len(x)
    shuffle = np.random.default_rng(seed).permutation(n)
    for operator in RANKS:
        ranks = operator(x, epsilon)
        assert_allclose(ranks.sum(), n * (n + 1) / 2, rtol=1e-13)
        order = np.argsort(x)
        assert (np.diff(ranks[order]) >= -1e-12).all()
        assert_allclose(operator(x[shuffle], epsilon), ranks[shuffle], rtol=1e-13)
        descending = operator(x, epsilon, descending=True)
        assert_allclose(descending, n + 1 - ranks, rtol=1e-12)
        assert_allclose(operator(8 * x, 8 * epsilon), ranks, rtol=1e-13)


@given(samples, epsilons, st.integers(0, 2**32 - 1))
def test_properties_of_sorts(x, epsilon, seed):
    n = len(x)
    shuffle = np.random.default_rng(seed).permutation(n)
    tolerance = {"rtol": 0, "atol": 1e-9}
    for operator in SORTS:
        matrix = operator(x, epsilon, return_matrix=True)
        assert_allclose(matrix.sum(axis=1), np.ones(n), rtol=1e-13)
        result = operator(x, epsilon)
        assert_allclose(matrix @ x, result, **tolerance)
        assert (np.diff(result) >= -1e-9).all()
        assert_allclose(operator(x[shuffle], epsilon), result, **tolerance)
        descending = operator(x, epsilon, descending=True)
        assert_allclose(descending, result[::-1], **tolerance)
        assert_allclose(operator(-x, epsilon), -descending, **tolerance)
        assert_allclose(operator(x + 16, epsilon), result + 16, rtol=0, atol=1e-8)
        # The mode of every row: unimodal, as the largest entries are a permutation.
        if len(np.unique(x)) == n:
            assert sorted(matrix.argmax(axis=1)) == list(range(n))


@every_operator
def test_memory_is_far_below_all_pairs(operator):
    n = 2000
    x, g = draw(n), draw(n, seed=1)
    tracemalloc.start()
    try:
        _, jacobian = operator(x, return_jacobian=True)
        jacobian.vjp(g)
        jacobian.jvp(g)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * n**2 / 6


# Input


@all_cases
@pytest.mark.parametrize("epsilon", [0, 0.5])
def test_small_inputs(operator, options, epsilon):
    is_matrix = "return_matrix" in options
    for n, count in ((0, 3), (1, 3), (2, 0), (0, 0)):
        result, jacobian = operator(
            np.zeros((count, n)), epsilon, return_jacobian=True, **options
        )
        assert result.shape == ((count, n, n) if is_matrix else (count, n))
        assert jacobian.vjp(np.ones(result.shape)).shape == (count, n)
        assert jacobian.jvp(np.ones((count, n))).shape == result.shape


@all_cases
def test_dtypes_and_layouts(operator, options):
    x = draw(4, 6).astype(np.float32)
    result, jacobian = operator(x, return_jacobian=True, **options)
    assert result.dtype == jacobian.vjp(result).dtype == np.float32
    expected = operator(x.astype(float), **options)
    assert expected.dtype == np.float64
    assert_allclose(result, expected, rtol=0, atol=1e-6)
    strided = np.zeros((4, 12), dtype=np.float32, order="F")
    strided[:, ::2] = x
    strided.setflags(write=False)
    assert_array_equal(operator(strided[:, ::2], **options), result)
    assert operator([1, 2], **options).dtype == np.float64
    # Sums in double: single precision would lose half the digits of these ranks.
    many = np.linspace(-1, 1, 3000, dtype=np.float32)
    if operator in RANKS:
        assert_allclose(operator(many, 10.0).mean(), 1500.5, rtol=1e-6)


BAD = [
    ({"values": [1e308, -1e308]}, ValueError, "values must be finite, got values from"),
    (
        {"values": [1e307] + 40 * [0.0]},
        ValueError,
        "sums of their differences overflow",
    ),
    ({"values": 1.0}, ValueError, "values must have at least one dimension"),
]
BAD_POWERS = [
    ({"power": 0.5}, ValueError, "power must be a finite number >= 1, got 0.5"),
    ({"power": np.inf}, ValueError, "power must be a finite number >= 1, got inf"),
    ({"power": "2"}, TypeError, "power must be a real number >= 1, got '2'"),
    ({"values": [1e200, 0], "power": 2}, ValueError, "power must be small enough"),
]


def assert_refused(operator, options, error, message):
    options = {"values": [3.0, 1.0, 2.0], **options}
    with pytest.raises(error, match=re.escape(message)):
        operator(**options)


@every_operator
@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_bad_input(operator, options, error, message):
    assert_refused(operator, options, error, message)


@pytest.mark.parametrize(("options", "error", "message"), BAD_POWERS)
def test_bad_powers(options, error, message):
    assert_refused(soft_sort_permutation, options, error, message)
