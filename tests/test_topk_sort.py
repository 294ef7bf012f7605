"""The k largest values of a soft sort: those of a whole soft sort."""

import re

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank import soft_sort, soft_topk_sort

REGULARIZATIONS = ["quadratic", "entropic"]


regularizations = pytest.mark.parametrize("regularization", REGULARIZATIONS)


both_ends = pytest.mark.parametrize("largest", [True, False])

# Values of 500, whose pools are of all kinds: small, or down to the last value.
ADVERSARIES = {
    "normal": lambda x: x,
    "Cauchy": lambda x: x / np.roll(x, 1),
    "low outliers": lambda x: np.where(np.arange(500) < 20, x - 1e4, x),
    "high outliers": lambda x: np.where(np.arange(500) < 20, x + 1e4, x),
    "two groups": lambda x: 0.1 * x + 30 * (np.arange(500) < 250),
    "squares": lambda x: x**2,
    "ties": lambda x: x.round(),
    "tiny": lambda x: 1e-12 * x,
    "far from 0": lambda x: 1e7 + x,
}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@regularizations
@both_ends
@pytest.mark.parametrize("kind", ADVERSARIES)
def test_values_and_derivatives_are_those_of_a_soft_sort(kind, largest, regularization):
    values = np.array([ADVERSARIES[kind](draw(500, seed=seed)) for seed in range(3)])
    g, u = draw(3, 500, seed=5), draw(3, 500, seed=6)
    unit = 1 / np.ptp(values, axis=1).min()
    options = {"regularization": regularization, "return_jacobian": True}
    for epsilon in (0, unit, 3 * unit, 10 * unit, 100 * unit, 1e4 * unit):
        expected, jacobian = soft_sort(values, epsilon, descending=largest, **options)
        scale = np.abs(values).max()
        for k in (1, 7, 100, 499, 500):
            found, top = soft_topk_sort(values, k, epsilon, largest=largest, **options)
            assert_allclose(found, expected[:, :k], rtol=1e-13, atol=1e-13 * scale)
            alone = soft_topk_sort(
                values, k, epsilon, regularization=regularization, largest=largest
            )
            assert_array_equal(alone, found)
            if kind == "ties":  # which may come in another order
                continue
            tolerance = {"rtol": 0, "atol": 1e-12 + 1e-17 * scale}
            forward = jacobian.jvp(u)[:, :k]
            assert_allclose(top.jvp(u), forward, **tolerance)
            cut = np.where(np.arange(500) < k, g, 0)
            backward = jacobian.vjp(cut)
            assert_allclose(top.vjp(g[:, :k]), backward, **tolerance)
            in_epsilon = jacobian.wrt_epsilon[:, :k]
            size = np.abs(in_epsilon).max()
            assert_allclose(top.wrt_epsilon, in_epsilon, rtol=0, atol=1e-12 * size)


@regularizations
@pytest.mark.parametrize("epsilon", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("k", [1, 5, 90])
def test_values_are_those_of_the_definition(k, epsilon, regularization):
    values = draw(90)
    found = soft_topk_sort(values, k, epsilon, regularization=regularization)
    expected = reference.fast_soft_sort(values, epsilon, regularization, True).values
    assert_allclose(found, expected[:k].astype(float), rtol=0, atol=1e-13)


@regularizations
def test_a_pool_that_is_not_the_first_reaches_into_the_tail(regularization):
    # The first two values are a pool; a wide gap after 100 values makes another.
    values = np.repeat([1.0, 0.0, -95.0], [1, 99, 400])
    values[0] = 2.5
    options = {"regularization": regularization}
    for epsilon in (0.8, 1.0, 1.2):
        for k in (3, 8, 20):
            expected = soft_sort(values, epsilon, descending=True, **options)[:k]
            found = soft_topk_sort(values, k, epsilon, **options)
            assert_allclose(found, expected, rtol=1e-12)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(-50, 50).map(lambda x: round(x, 2)), min_size=33, max_size=60),
    st.sampled_from([0.0, 0.01, 0.1, 1.0, 10.0]),
    st.sampled_from(REGULARIZATIONS),
)
def test_properties(values, epsilon, regularization):
    options = {"regularization": regularization, "descending": True}
    expected = soft_sort(values, epsilon, **options)
    found = soft_topk_sort(values, 1, epsilon, regularization=regularization)
    assert_allclose(found, expected[:1], rtol=0, atol=1e-12)


def test_the_tail_is_not_sorted(monkeypatch):
    from sksoftrank.operators import _topk_sort

    lengths, argsort_rows = [], _topk_sort.argsort_rows

    def counting(rows, **options):
        lengths.append(rows.shape[1])
        return argsort_rows(rows, **options)

    monkeypatch.setattr(_topk_sort, "argsort_rows", counting)
    values = draw(100_000)
    for epsilon in (0.1, 2.0, 1e9):  # hard, small pools, one pool
        lengths.clear()
        soft_topk_sort(values, 10, epsilon, return_jacobian=True)
        assert lengths == [50]
    lengths.clear()
    soft_topk_sort(values, 10, 300.0, return_jacobian=True)
    assert 50 < max(lengths) < 20_000


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            ([3.0, 1.0], 0),
            ValueError,
            "k must be from 1 to the number of values, 2, go",
        ),
        (([3.0, 1.0], 3), ValueError, "2, got 3."),
        (([], 1), ValueError, "k must be from 1 to the number of values, 0, got 1."),
        (([3.0, 1.0], 1.5), TypeError, "k must be an integer, got 1.5."),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        soft_topk_sort(*arguments)
