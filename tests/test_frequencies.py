"""Weights are frequencies; those of a mean below one are multiplied to one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank import soft_median, soft_quantile, soft_winsorize
from sksoftrank._checks import as_frequencies

regularizations = pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
Q = [0.0, 0.13, 0.5, 0.8, 1.0]


def test_weights_of_sum_one_give_the_median():
    assert soft_median([1, 2, 100], 0, weights=[1 / 3] * 3) == 2
    assert soft_median([1, 2, 100], 0, weights=[1e-320] * 3) == 2


@pytest.mark.parametrize("epsilon", [0, 0.3])
@regularizations
def test_normalised_weights_of_any_rounding(epsilon, regularization):
    rng = np.random.default_rng(0)
    options = {"regularization": regularization}
    for n in rng.integers(1, 30, size=120):
        values, weights = rng.normal(size=n), rng.uniform(size=n)
        weights /= weights.sum()
        found = soft_quantile(values, Q, epsilon, weights=weights, **options)
        counts = np.maximum(n * weights, 0)
        counts *= 1 + 1e-15  # for sure not below a mean of one
        expected = soft_quantile(values, Q, epsilon, weights=counts, **options)
        assert_allclose(found, expected, rtol=0, atol=1e-13)


@regularizations
def test_every_slice_by_itself(regularization):
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=(4, 6)), rng.uniform(1, 2, size=(4, 6))
    weights[1] /= weights[1].sum()
    weights[2] *= 1e-200
    weights[3, ::2] = 0
    weights[3] /= 10
    values[0, 3] = np.nan
    options = {"regularization": regularization, "nan_policy": "omit"}
    found = soft_quantile(values, Q, 0.2, weights=weights, **options)
    for row, (x, a) in enumerate(zip(values, weights, strict=True)):
        is_kept = ~np.isnan(x) & (a > 0)
        x, a = x[is_kept], a[is_kept]
        a = a if a.mean() >= 1 else a / a.mean()
        expected = soft_quantile(x, Q, 0.2, weights=a, **options)
        assert_allclose(found[:, row], expected, rtol=0, atol=1e-13)
    clipped = soft_winsorize(values, 0.2, 0.2, weights=weights, **options)
    assert_allclose(
        np.nanmin(clipped, axis=1),
        soft_quantile(values, 0.2, 0.2, weights=weights, **options),
        rtol=0,
        atol=1e-13,
    )


@regularizations
def test_derivative_in_weights_that_are_multiplied(regularization):
    rng = np.random.default_rng(2)
    values, weights = rng.normal(size=(3, 6)), rng.uniform(0.1, 0.3, size=(3, 6))
    weights[1] *= 10
    direction = 1e-6 * rng.normal(size=(3, 6)) * weights
    options = {"regularization": regularization}
    _, jacobian = soft_quantile(
        values, Q, 0.7, weights=weights, return_jacobian=True, **options
    )
    up, down = (
        soft_quantile(values, Q, 0.7, weights=weights + step, **options)
        for step in (direction, -direction)
    )
    product = jacobian.wrt_weights.jvp(direction / 1e-6)
    assert_allclose(product, (up - down) / 2e-6, rtol=0, atol=1e-8)
    g = rng.normal(size=product.shape)
    pulled = jacobian.wrt_weights.vjp(g)
    assert_allclose(np.sum(g * product), np.sum(pulled * direction) * 1e6, rtol=1e-12)
    # Common factors of weights of a mean below one change nothing.
    assert_allclose(jacobian.wrt_weights.jvp(weights)[:, [0, 2]], 0, atol=1e-13)


def test_the_derivative_at_ones_is_that_of_more_weight():
    values, more = np.array([3.0, 1.0, 7.0, 4.0]), np.array([1.0, 0.0, 0.5, 2.0])
    q = [0.13, 0.5, 0.8]
    _, jacobian = soft_quantile(values, q, 2.0, return_jacobian=True)
    ends = [soft_quantile(values, q, 2.0, weights=1 + t * more) for t in (0, 1e-7)]
    rise = (ends[1] - ends[0]) / 1e-7
    assert_allclose(jacobian.wrt_weights.jvp(more), rise, rtol=0, atol=1e-6)


def test_frequencies_are_left_alone():
    weights = np.array([[0.5, 1.5, 0.0], [3.0, 0.1, 0.1]])
    assert as_frequencies(weights) is weights
    assert_array_equal(as_frequencies(np.array([0.0, 5e-324, 5e-324])), [0, 1, 1])
