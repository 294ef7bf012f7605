"""Quantile normalisation, against soft ranks and SciPy's quantile functions."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import bernoulli, norm, poisson, rv_discrete

from sksoftrank import soft_quantile_normalize, soft_rank

SHAPES = [((7,), 0), ((3, 5), 1), ((5, 3), 0), ((2, 5, 3), 1), ((2, 3), None)]
shapes = pytest.mark.parametrize(("shape", "axis"), SHAPES)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def length_of(shape, axis):
    return int(np.prod(shape)) if axis is None else shape[axis]


def difference(function, argument, direction, step=1e-6):
    """Central difference of an array-valued function along a direction."""
    up, down = argument + step * direction, argument - step * direction
    return (function(up) - function(down)) / (2 * step)


@shapes
@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
@pytest.mark.parametrize("target", [draw(4, seed=5), norm(1.0, 2.0)])
def test_quantile_normalization(target, regularization, shape, axis):
    values, n = draw(*shape), length_of(shape, axis)
    u = draw(*shape, seed=1)
    options = {"regularization": regularization, "axis": axis}
    ranks = soft_rank(values, 0.8, **options)
    level = (ranks - 0.5) / n
    if isinstance(target, np.ndarray):
        expected = np.quantile(target, level.ravel(), method="hazen").reshape(
            level.shape
        )
    else:
        expected = target.ppf(level)
    found, jacobian = soft_quantile_normalize(
        values, target, 0.8, return_jacobian=True, **options
    )
    assert_allclose(found, expected, rtol=0, atol=1e-13)
    expected = difference(
        lambda x: soft_quantile_normalize(x, target, 0.8, **options), values, u
    )
    assert_allclose(jacobian.jvp(u), expected, rtol=0, atol=1e-7)
    g = draw(*jacobian.output_shape, seed=2)
    forward, backward = np.sum(g * jacobian.jvp(u)), np.sum(u * jacobian.vjp(g))
    assert_allclose(forward, backward, rtol=0, atol=1e-12)
    expected = difference(
        lambda e: soft_quantile_normalize(values, target, e, **options), 0.8, 1.0
    )
    assert_allclose(jacobian.wrt_epsilon, expected, rtol=0, atol=1e-7)


@shapes
@pytest.mark.parametrize("target", [draw(4, seed=5), norm(1.0, 2.0)])
def test_omitted_values_are_not_there(target, shape, axis):
    values = draw(*shape)
    values[draw(*shape, seed=3) > 0.5] = np.nan
    if len(shape) > 1:
        values[0] = np.nan
    found, jacobian = soft_quantile_normalize(
        values, target, 0.8, axis=axis, nan_policy="omit", return_jacobian=True
    )
    g = draw(*found.shape, seed=4)
    gradient = jacobian.vjp(g).reshape(g.shape)

    def rows_of(array):
        moved = array.reshape(1, -1) if axis is None else np.moveaxis(array, axis, -1)
        return moved.reshape(-1, moved.shape[-1])

    arrays = values, found, g, gradient, jacobian.wrt_epsilon
    for x, y, row_g, pulled, moved in zip(*map(rows_of, arrays), strict=True):
        kept = ~np.isnan(x)
        assert np.isnan(y[~kept]).all()
        assert_array_equal(pulled[~kept], 0)
        assert_array_equal(moved[~kept], 0)
        if not kept.any():
            continue
        expected, kept_jacobian = soft_quantile_normalize(
            x[kept], target, 0.8, return_jacobian=True
        )
        assert_allclose(y[kept], expected, rtol=0, atol=1e-13)
        expected = kept_jacobian.vjp(row_g[kept])
        assert_allclose(pulled[kept], expected, rtol=0, atol=1e-13)
        assert_allclose(moved[kept], kept_jacobian.wrt_epsilon, rtol=0, atol=1e-13)


def test_hard_quantile_normalization_has_the_values_of_the_target():
    values, target = draw(7), draw(7, seed=1)
    found = soft_quantile_normalize(values, target, 0)
    assert_allclose(np.sort(found), np.sort(target), rtol=0, atol=1e-14)
    assert_array_equal(np.argsort(found), np.argsort(values))
    single = soft_quantile_normalize(values.astype(np.float32), target, 0)
    assert single.dtype == np.float32


@pytest.mark.parametrize(
    "target", [poisson(3), bernoulli(0.3), rv_discrete(values=([2, 5], [0.6, 0.4]))]
)
def test_discrete_distributions(target):
    values = draw(40)
    found, jacobian = soft_quantile_normalize(values, target, 0, return_jacobian=True)
    # The quantile function is the inverse of the distribution function.
    rank = np.argsort(np.argsort(values)) + 1
    level = (rank - 0.5) / 40
    assert (target.cdf(found) >= level).all()
    assert (target.cdf(found - 1) < level).all()
    assert (np.diff(found[np.argsort(values)]) >= 0).all()
    assert_array_equal(jacobian.vjp(draw(40, seed=1)), np.zeros(40))
    values[3] = np.nan
    soft, jacobian = soft_quantile_normalize(
        values, target, 0.5, nan_policy="omit", return_jacobian=True
    )
    level = (soft_rank(values, 0.5, nan_policy="omit") - 0.5) / 39
    assert_array_equal(soft, target.ppf(level))
    assert_array_equal(jacobian.jvp(draw(40)), np.where(np.isnan(values), 0, 0.0))


@pytest.mark.parametrize("target", [draw(4, seed=5), norm(1.0, 2.0)])
def test_hard_ranks_with_soft_derivatives(target):
    values, u = draw(3, 6), draw(3, 6, seed=1)
    result, jacobian = soft_quantile_normalize(
        values, target, 0.8, straight_through=True, return_jacobian=True
    )
    assert_array_equal(result, soft_quantile_normalize(values, target, 0.0))
    moved = soft_rank(values, 0.8, return_jacobian=True)[1].jvp(u)
    level = (soft_rank(values, 0.0) - 0.5) / 6
    if isinstance(target, np.ndarray):
        expected = difference(
            lambda x: np.quantile(target, x, method="hazen"), level, moved / 6, 1e-7
        )
        inside = np.abs(level * 4 % 1 - 0.5) > 1e-3  # not at a kink
    else:
        expected, inside = moved / 6 / target.pdf(target.ppf(level)), ...
    assert_allclose(jacobian.jvp(u)[inside], expected[inside], atol=1e-6)


@pytest.mark.parametrize(
    ("values", "target", "message"),
    [
        ([], [1.0], "values must not be empty along axis, got shape (0,)."),
        ([1.0], [], "target must be a distribution or a non-empty 1-D array, got"),
        ([1.0], [[1.0]], "got shape (1, 1)."),
        ([1.0], [np.nan], "target must be finite, got 1 NaN"),
        ([np.nan], [1.0], "values must be finite, got 1 NaN"),
    ],
)
def test_bad_input_of_quantile_normalization(values, target, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        soft_quantile_normalize(values, target)
