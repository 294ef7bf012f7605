"""Quadratic soft ranks of short rows, which are found in tiles of several rows."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata
from test_kernel import ADVERSARIES, KINDS, adversaries

from sksoftrank import _pav, soft_rank

LENGTHS = range(1, 19)  # tiles hold rows of up to 16


def draw(kind, n, dtype=np.float64, count=11):
    rng = np.random.default_rng(n)
    x = np.array([ADVERSARIES[kind](rng, n)[:n] for _ in range(count)], dtype=float)
    return np.clip(x, -1e37, 1e37).astype(dtype) if dtype == np.float32 else x


def exact_ranks(x, epsilon):
    """Soft ranks of a row and their Jacobian, in fractions until the end."""
    n = len(x)
    order = sorted(range(n), key=lambda i: -Fraction(float(x[i])))
    z = [Fraction(float(x[i])) / Fraction(epsilon) for i in order]
    blocks = []  # sums of z - rho, and sizes
    for place, value in enumerate(z):
        total, size = value - (n - place), 1
        while blocks and blocks[-1][0] * size < total * blocks[-1][1]:
            total, size = total + blocks[-1][0], size + blocks[-1][1]
            blocks.pop()
        blocks.append((total, size))
    means = [total / size for total, size in blocks for _ in range(size)]
    ranks = np.empty(n)
    ranks[order] = [float(a - b) for a, b in zip(z, means, strict=True)]
    matrix, end = np.zeros((n, n)), 0
    for _, size in blocks:
        block, end = order[end : end + size], end + size
        matrix[np.ix_(block, block)] = np.eye(size) - np.full((size, size), 1 / size)
    return ranks, matrix / epsilon


@adversaries
def test_ranks_are_exact(kind):
    for n in LENGTHS:
        x = draw(kind, n, count=2)
        for factor in (1e-9, 0.1 / n, 1 / n, 0.3, 3.0):
            epsilon = max(factor * np.ptp(x), 1e-280)
            got, jacobian = soft_rank(x, epsilon, return_jacobian=True)
            g = np.random.default_rng(1).normal(size=x.shape)
            rows = zip(got, jacobian.vjp(g), jacobian.diagonal(), strict=True)
            for row, u, (ranks, pulled, diagonal) in zip(x, g, rows, strict=True):
                expected, matrix = exact_ranks(row, epsilon)
                assert_allclose(ranks, expected, rtol=0, atol=4e-15)
                if kind in ("steps", "many ties"):  # on kinks, which rounding decides
                    continue
                assert_allclose(epsilon * pulled, epsilon * (u @ matrix), atol=1e-14)
                with np.errstate(over="ignore"):
                    squares = (matrix**2).sum(axis=0)
                assert_allclose(diagonal, squares, rtol=1e-13, atol=1e-300)


def test_products_do_not_see_what_is_hard():
    x = np.array([0.0, 5.0, 5.5, 11.0])
    _, jacobian = soft_rank(x, 1.0, return_jacobian=True)
    assert_array_equal(jacobian.vjp([np.inf, 1.0, 3.0, np.nan]), [0.0, -1.0, 1.0, 0.0])


def test_infinite_values_have_no_part_in_derivatives():
    x = np.array([[np.inf, 1.0, 1.5, np.inf, -np.inf], [0.0, 1.0, 2.0, 3.0, 4.0]])
    _, jacobian = soft_rank(x, 2.0, return_jacobian=True)
    _, expected = soft_rank(x[0, 1:3], 2.0, return_jacobian=True)
    assert_array_equal(jacobian.vjp(np.ones((2, 5)) * np.arange(5.0))[0, [0, 3, 4]], 0)
    assert_array_equal(jacobian.wrt_epsilon[0, [0, 3, 4]], 0)
    assert_allclose(jacobian.wrt_epsilon[0, 1:3], expected.wrt_epsilon)
    x[...] = 0.0  # the derivative is of the values then
    assert_allclose(jacobian.wrt_epsilon[0, 1:3], [0.0625, -0.0625])


def test_whole_numbers_decide_exactly():
    # Gaps and means of blocks that are those of rho, times epsilon: all ranks are hard,
    # or those of each block alone, and so are the derivatives.
    for n in range(2, 17):
        ranks, jacobian = soft_rank(3.0 * np.arange(n), 3.0, return_jacobian=True)
        assert_array_equal(ranks, 1.0 + np.arange(n))
        assert not jacobian.toarray().any()
    ties = 3.0 * np.repeat([0.5, 2.5, 4.5, 6.5], 2)
    ranks, jacobian = soft_rank(ties, 3.0, return_jacobian=True)
    assert_array_equal(ranks, np.repeat([1.5, 3.5, 5.5, 7.5], 2))
    assert_array_equal(jacobian.toarray() != 0, np.kron(np.eye(4), np.ones((2, 2))))


@adversaries
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_and_their_order_are_as_if_alone(kind, dtype):
    for n in LENGTHS:
        x = draw(kind, n, dtype)
        for descending, sign in ((False, 1.0), (True, -1.0)):
            hard = soft_rank(x, 0.0, descending=descending)
            assert_array_equal(hard, rankdata(sign * x, axis=1))
            epsilon = 0.3 * float(np.ptp(x)) / n
            options = {"descending": descending, "return_jacobian": True}
            ranks, jacobian = soft_rank(x, epsilon, **options)
            g = np.random.default_rng(0).normal(size=x.shape)
            pulled = jacobian.vjp(g)
            for i in range(len(x)):
                alone, own_jacobian = soft_rank(x[i], epsilon, **options)
                assert_array_equal(alone, ranks[i])
                assert_array_equal(own_jacobian.vjp(g[i]), pulled[i])
            if n <= 16:
                order = np.empty(x.shape, np.int64)
                _pav.rank_rows(
                    x, epsilon, KINDS["quadratic"], sign, order, ranks, None, None
                )
                expected = np.argsort(-sign * x, axis=1, kind="stable")
                assert_array_equal(order, expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_found_in_any_place(bad):
    for n in LENGTHS:
        for i in range(n):
            for row in range(9):
                x = np.random.default_rng(i).normal(size=(9, n))
                x[row, i] = bad
                work = _pav.rank_rows(
                    x, 1.0, KINDS["quadratic"], 1.0, None, x.copy(), None, None
                )
                assert work == -1


def test_too_wide_rows_are_refused_as_long_ones_are():
    for n in (2, 16, 17):
        x = np.zeros((1, n))
        x[0, 0] = 1e307
        out = np.empty_like(x)
        for epsilon in (0.0, 1e-300, 1.0, 1e289, 1e300):
            work = _pav.rank_rows(x, epsilon, 0, 1.0, None, out, None, None)
            assert (work >= 0) == (epsilon == 0 or n < 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("regularization", KINDS)
def test_many_rows_have_the_derivatives_of_few(regularization, dtype):
    # What is kept of many rows are parts of one array.
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(2, 7000, 10)).astype(dtype)
    options = {"regularization": regularization, "return_jacobian": True}
    _, expected = soft_rank(x[:3000], 0.3, **options)
    _, jacobian = soft_rank(x, 0.3, **options)
    x[...] = 0.0
    assert_array_equal(jacobian.vjp(g)[:3000], expected.vjp(g[:3000]))
    assert_array_equal(jacobian.wrt_epsilon[:3000], expected.wrt_epsilon)
    assert np.abs(expected.wrt_epsilon).max() > 0.1
