"""Records sorted by a criterion, against the soft choices they are made of."""

import functools
import re

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank import soft_quantile, soft_sort_with

REGULARIZATIONS = ["quadratic", "entropic"]
SHAPES = [((6,), 0), ((6, 3), 0), ((2, 6), 1), ((2, 6, 3), -2)]

regularizations = pytest.mark.parametrize("regularization", REGULARIZATIONS)
directions = pytest.mark.parametrize("descending", [False, True])
shapes = pytest.mark.parametrize(("shape", "axis"), SHAPES)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def difference(function, argument, direction, step=1e-6):
    """Central difference of an array-valued function along a direction."""
    up, down = argument + step * direction, argument - step * direction
    return (function(up) - function(down)) / (2 * step)


@functools.cache
def soft_permutation(criterion, epsilon, regularization):
    """Its definition with 40 digits: differences of choices found by bisection."""
    n = len(criterion)
    with mpmath.workdps(40):
        c, epsilon = [mpmath.mpf(float(v)) for v in criterion], mpmath.mpf(epsilon)

        def parts(t):
            u = [(t - v) / epsilon for v in c]
            if regularization == "quadratic":
                return [min(max(v, mpmath.mpf(0)), mpmath.mpf(1)) for v in u]
            return [1 / (1 + mpmath.exp(-v)) for v in u]

        choices = [[0] * n]
        for k in range(1, n):
            low, high = min(c) - 100 * epsilon - 1, max(c) + 100 * epsilon + 1
            for _ in range(160):
                middle = (low + high) / 2
                is_low = sum(parts(middle)) < k
                low, high = (middle, high) if is_low else (low, middle)
            choices.append(parts(high))
        choices.append([1] * n)
    return np.diff(np.array(choices, dtype=float), axis=0)


@regularizations
@directions
@shapes
@pytest.mark.parametrize("epsilon", [1e-3, 0.2, 1.5, 40.0])
def test_values_and_permutation(epsilon, shape, axis, descending, regularization):
    values, criterion = draw(*shape), draw(6, seed=1)
    found, jacobian = soft_sort_with(
        values,
        criterion,
        epsilon,
        regularization=regularization,
        axis=axis,
        descending=descending,
        return_jacobian=True,
    )
    sign = -1 if descending else 1
    expected = soft_permutation(tuple(sign * criterion), epsilon, regularization)
    assert_allclose(jacobian.permutation, expected, rtol=0, atol=1e-12)
    moved = np.moveaxis(np.tensordot(expected, values, (1, axis)), 0, axis)
    assert_allclose(found, moved, rtol=0, atol=1e-12)


@regularizations
def test_rows_are_derivatives_of_quantiles(regularization):
    criterion = draw(7)
    options = {"regularization": regularization, "return_jacobian": True}
    for epsilon in (0, 0.3, 5.0):
        _, jacobian = soft_sort_with(criterion, criterion, epsilon, **options)
        q = np.arange(7) / 6
        _, quantiles = soft_quantile(criterion, q, epsilon, **options)
        assert_allclose(jacobian.permutation, quantiles.toarray(), rtol=0, atol=1e-13)


@regularizations
@directions
def test_limits(descending, regularization):
    values, criterion = draw(6, 2), np.array([2.0, -0.0, 1.0, 0.0, 2.0, 2.0])
    options = {"regularization": regularization, "descending": descending}
    means = [values[[1, 3]].mean(axis=0)] * 2
    means += [values[2], *([values[[0, 4, 5]].mean(axis=0)] * 3)]
    expected = np.array(means[::-1] if descending else means)
    for epsilon in (0, 1e-9):
        found = soft_sort_with(values, criterion, epsilon, **options)
        assert_allclose(found, expected, rtol=0, atol=1e-13)
    found = soft_sort_with(values, criterion, 1e12, **options)
    mean = np.broadcast_to(values.mean(axis=0), found.shape)
    assert_allclose(found, mean, rtol=0, atol=1e-11)
    criterion = draw(6, seed=1)
    order = np.argsort(-criterion if descending else criterion)
    found = soft_sort_with(values, criterion, 0, **options)
    assert_array_equal(found, values[order])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-100, 100).map(lambda x: round(x, 2)), min_size=1, max_size=10),
    st.sampled_from([0.0, 0.01, 1.0, 50.0]),
    st.sampled_from(REGULARIZATIONS),
)
def test_properties(criterion, epsilon, regularization):
    criterion, n = np.array(criterion), len(criterion)
    values, options = draw(n, 2), {"regularization": regularization}
    found, jacobian = soft_sort_with(
        values, criterion, epsilon, return_jacobian=True, **options
    )
    permutation = jacobian.permutation
    assert permutation.min() >= -1e-12
    assert_allclose(permutation.sum(axis=0), 1, rtol=0, atol=1e-11)
    assert_allclose(permutation.sum(axis=1), 1, rtol=0, atol=1e-11)
    # The order in which records come does not matter, nor units and origin.
    shuffle = np.random.default_rng(n).permutation(n)
    other = soft_sort_with(values[shuffle], criterion[shuffle], epsilon, **options)
    assert_allclose(other, found, rtol=0, atol=1e-10)
    other = soft_sort_with(values, 4 * criterion + 8, 4 * epsilon, **options)
    assert_allclose(other, found, rtol=0, atol=1e-10)
    mirrored = soft_sort_with(values, -criterion, epsilon, descending=True, **options)
    assert_array_equal(mirrored, found)
    reverse = soft_sort_with(values, criterion, epsilon, descending=True, **options)
    assert_allclose(reverse[::-1], found, rtol=0, atol=1e-10)
    own = soft_sort_with(criterion, criterion, epsilon, **options)
    assert np.diff(own).min(initial=0.0) >= -1e-9  # ascending


def test_a_criterion_can_be_learned():
    # The gradient in the criterion moves the wanted record to the first place.
    values, criterion = np.array([0.0, 0.0, 1.0, 0.0]), np.array([0.0, 0.1, 0.3, 0.2])
    for _ in range(200):
        found, jacobian = soft_sort_with(values, criterion, 1.0, return_jacobian=True)
        gradient = jacobian.wrt_criterion.vjp(np.array([1.0, 0, 0, 0]) * (found[0] - 1))
        criterion = criterion - 0.1 * gradient
    assert_allclose(found[0], 1, rtol=0, atol=1e-3)
    assert np.argmin(criterion) == 2


# Input


def test_one_record_and_none():
    assert_array_equal(soft_sort_with([[7.0, 8.0]], [3.0]), [[7.0, 8.0]])
    assert soft_sort_with(np.empty((4, 0)), draw(4)).shape == (4, 0)


BAD = [
    (([1.0, 2.0], [1.0]), {}, ValueError, "shape (2,) and not empty, got shape (1,)."),
    (([1.0], [[1.0]]), {}, ValueError, "each record, shape (1,) and not empty, got"),
    (([], []), {}, ValueError, "shape (0,) and not empty, got shape (0,)."),
    (([1.0], [1.0]), {"axis": None}, TypeError, "axis must be an integer, got None."),
]


@pytest.mark.parametrize(("arguments", "options", "error", "message"), BAD)
def test_bad_input(arguments, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        soft_sort_with(*arguments, **options)


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize("epsilon", [0.0, 1e-9, 1e-300, 5e-324])
def test_ties_do_not_move_with_epsilon(epsilon, regularization):
    criterion = np.array([0.3, 3.7, 0.3, 10.1, 0.3])
    records = np.array([[1.1, -2.3], [0.7, 0.1], [3.3, 0.2], [9.0, 1.0], [5, 7]])
    _, jacobian = soft_sort_with(
        records,
        criterion,
        epsilon,
        regularization=regularization,
        return_jacobian=True,
    )
    assert_allclose(jacobian.wrt_epsilon, np.zeros((5, 2)), atol=1e-6)
    # Other records than the tied ones have their places.
    pulled = jacobian.wrt_criterion.vjp(np.ones((5, 2)))
    assert np.isfinite(pulled).all()
    assert_array_equal(pulled[[1, 3]], [0.0, 0.0])
