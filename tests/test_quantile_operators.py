"""Soft quantiles and what is made of them, against slow references."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from reference import window_mean

from sksoftrank import (
    soft_median,
    soft_quantile,
    soft_trimmed_mean,
    soft_winsorize,
)
from sksoftrank.losses import selection_trimmed_loss

REGULARIZATIONS = ["quadratic", "entropic"]
SHAPES = [((7,), 0), ((3, 5), 1), ((5, 3), 0), ((2, 5, 3), 1), ((2, 3), None)]
WEIGHTS = np.array([1.3, 0.4, 2.0, 0.7, 1.1])

regularizations = pytest.mark.parametrize("regularization", REGULARIZATIONS)
shapes = pytest.mark.parametrize(("shape", "axis"), SHAPES)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def length_of(shape, axis):
    return int(np.prod(shape)) if axis is None else shape[axis]


def difference(function, argument, direction, step=1e-6):
    """Central difference of an array-valued function along a direction."""
    up, down = argument + step * direction, argument - step * direction
    return (function(up) - function(down)) / (2 * step)


# Values


@regularizations
@pytest.mark.parametrize("epsilon", [1e-4, 0.3, 4.0, 1e4])
@pytest.mark.parametrize("q", [0.0, 0.21, 0.5, 0.93, 1.0])
def test_quantiles_are_differences_of_soft_sums(q, epsilon, regularization):
    # Weights of sum 8: both masses are exact for all but two of the q.
    values, weights = draw(6), np.array([1.0, 0.5, 2.0, 0.0, 1.5, 3.0])
    options = {"weights": weights, "regularization": regularization}
    expected = window_mean(values, 7 * q, 7 * q + 1, epsilon, weights, regularization)
    found = soft_quantile(values, q, epsilon, **options)
    assert_allclose(found, expected, rtol=0, atol=2e-12 * max(1, epsilon / 100))


@regularizations
@pytest.mark.parametrize("epsilon", [1e-4, 0.3, 4.0])
@pytest.mark.parametrize("cut", [0.0, 0.125, (0.25, 0.0), (0.0, 0.3), (0.1, 0.6)])
def test_trimmed_means_are_differences_of_soft_sums(cut, epsilon, regularization):
    values, weights = draw(6), np.array([1.0, 0.5, 2.0, 0.0, 1.5, 3.0])
    lower, upper = np.broadcast_to(cut, 2)
    options = {"weights": weights, "regularization": regularization}
    expected = window_mean(
        values, 8 * lower, 8 * (1 - upper), epsilon, weights, regularization
    )
    found = soft_trimmed_mean(values, cut, epsilon, **options)
    assert_allclose(found, expected, rtol=0, atol=1e-12)


@regularizations
@pytest.mark.parametrize("mass", [2.0**-40, 2.0**-20, 1 - 2.0**-40])
def test_small_shares_keep_their_digits(mass, regularization):
    # Of total weight 1, so that the masses are exact.
    values, weights = draw(4), np.array([0.125, 0.25, 0.5, 0.125])
    expected = window_mean(values, 0, mass, 0.2, weights, regularization)
    found = soft_trimmed_mean(
        values, (0, 1 - mass), 0.2, weights=weights, regularization=regularization
    )
    assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_small_windows_at_both_ends():
    values, share = draw(7), 1e-9
    for regularization in REGULARIZATIONS:
        options = {"regularization": regularization}
        for epsilon in (1e-3, 0.3):
            low = soft_trimmed_mean(values, (0, 1 - share), epsilon, **options)
            high = soft_trimmed_mean(-values, (1 - share, 0), epsilon, **options)
            assert_allclose(high, -low, rtol=1e-11)
    for cut in ((0, 1 - share), (1 - share, 0)):
        _, jacobian = soft_trimmed_mean(
            values, cut, 0.1, regularization="entropic", return_jacobian=True
        )
        assert_allclose(jacobian.vjp(1.0).sum(), 1, rtol=1e-10)
    low = soft_trimmed_mean(values, (0, 1 - share), 0)
    assert_allclose(low, values.min(), rtol=1e-14)
    high = soft_trimmed_mean(values, (1 - share, 0), 0)
    assert_allclose(high, values.max(), rtol=1e-7)


@regularizations
@pytest.mark.parametrize("epsilon", [0, 0.4])
def test_extremes_ignore_values_without_weight(epsilon, regularization):
    values, weights = [-9.0, 0.0, 1.5, 2.0, 9.0], [0, 1, 2, 1, 0]
    options = {"regularization": regularization}
    found = soft_quantile(values, [0, 1], epsilon, weights=weights, **options)
    expected = soft_quantile([0.0, 1.5, 1.5, 2.0], [0, 1], epsilon, **options)
    assert_allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_nothing_is_cut_of_values_without_weight(epsilon):
    x, weights = np.array([5.0, 1.0, 9.0, 4.0]), np.array([0.0, 1.0, 0.0, 3.0])
    options = {"regularization": "entropic", "return_jacobian": True}
    _, jacobian = soft_trimmed_mean(x, 0.0, epsilon, weights=weights, **options)
    assert jacobian.wrt_epsilon == 0
    change = jacobian.wrt_weights.toarray()[0]
    assert_allclose(change[[1, 3]], (x[[1, 3]] - 3.25) / 4)
    assert np.isfinite(change).all()


@pytest.mark.parametrize("light", [5e-324, 1e-20])
def test_first_value_of_a_weight_that_the_total_does_not_feel(light):
    x, weights = [1.0, 2.0, 3.0, 4.0], [light, 1, 1, 1]
    options = {"regularization": "entropic", "return_jacobian": True}
    _, jacobian = soft_trimmed_mean(x, 0.0, 1e-3, weights=weights, **options)
    assert_allclose(jacobian.vjp(1.0), np.array([light, 1, 1, 1]) / 3)
    change = np.array([-2, -1, 0, 1]) / 3
    assert_allclose(jacobian.wrt_weights.vjp(1.0), change, atol=1e-15)
    lowest = 1 - 1e-3 * (np.log(light) - np.log(3))  # the threshold of no mass
    assert_allclose(jacobian.wrt_cut[0], 3 - lowest)


def test_jacobian_of_no_quantiles_of_rows_with_their_own_epsilon():
    options = {"return_jacobian": True}
    quantiles, jacobian = soft_quantile(np.ones((3, 4)), [], [0.0, 1, 2], **options)
    assert quantiles.shape == jacobian.wrt_epsilon.shape == (0, 3)
    assert_array_equal(jacobian.vjp(np.zeros((0, 3))), np.zeros((3, 4)))


def test_trimmed_mean_is_the_trimmed_loss():
    losses, weights = draw(12) ** 2, np.random.default_rng(1).uniform(0, 2, size=12)
    kept = 0.7 * weights.sum()
    for epsilon in (0, 0.3, 5.0):
        expected, *_ = selection_trimmed_loss(losses, kept, epsilon, weights)
        found = soft_trimmed_mean(losses, (0, 0.3), epsilon, weights=weights)
        assert_allclose(found, expected, rtol=1e-13)


@shapes
def test_hard_limit(shape, axis):
    values, q = draw(*shape).round(1), [0, 0.1, 0.5, 0.77, 1]
    expected = np.quantile(values, q, axis=axis)
    for regularization in REGULARIZATIONS:
        options = {"regularization": regularization, "axis": axis}
        assert_allclose(
            soft_quantile(values, q, 0, **options), expected, rtol=0, atol=1e-15
        )
        assert_allclose(
            soft_quantile(values, q, 1e-10, **options), expected, rtol=0, atol=1e-9
        )
        median = soft_median(values, 0, **options)
        assert_allclose(median, np.median(values, axis=axis), rtol=0, atol=1e-15)
        mean = soft_trimmed_mean(values, 0.0, 0, **options)
        assert_allclose(mean, values.mean(axis=axis), rtol=0, atol=1e-15)
        clipped = soft_winsorize(values, 0.1, 0, **options)
        bounds = np.quantile(values, [0.1, 0.9], axis=axis, keepdims=axis is not None)
        expected_clipped = np.clip(values, *bounds).reshape(clipped.shape)
        assert_allclose(clipped, expected_clipped, rtol=0, atol=1e-15)
        assert clipped.shape == (values.shape if axis is not None else (values.size,))


@regularizations
def test_large_epsilon_gives_the_mean(regularization):
    values, q = draw(4, 9), [0.05, 0.5, 0.95]
    found = soft_quantile(values, q, 1e9, regularization=regularization)
    assert_allclose(found, np.tile(values.mean(axis=1), (3, 1)), rtol=0, atol=1e-8)


@pytest.mark.parametrize("q", [[0.0, 0.1, 0.5, 1.0], np.linspace(0, 1, 20)])
@pytest.mark.parametrize(
    ("scale", "epsilon"), [(1e-310, 1e10), (1e-20, 1e300), (1e-200, 1e300)]
)
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_distances_that_underflow_give_the_mean(
    regularization, is_weighted, scale, epsilon, q
):
    rng = np.random.default_rng(0)
    x = rng.integers(-99, 99, size=(3, 40)) * np.array([[1.0], [1e-5], [1.0]])
    weights = rng.integers(0, 3, size=x.shape) * 1.0 if is_weighted else None
    options = {"weights": weights, "regularization": regularization, "axis": 1}
    means = np.average(x, axis=1, weights=weights)
    _, expected = soft_quantile(x, q, 1e20, **options, return_jacobian=True)
    x, means = x * scale, means * scale
    got, jacobian = soft_quantile(x, q, epsilon, **options, return_jacobian=True)
    atol = 1e-8 * np.ptp(x, axis=1)
    assert (np.abs(got - means) <= atol).all()
    assert (np.abs(jacobian.wrt_q - scale * expected.wrt_q) <= atol).all()
    got = soft_trimmed_mean(x, 0.2, epsilon, **options)
    assert (np.abs(got - means) <= atol).all()


def test_hand_computed_trimmed_mean():
    assert soft_trimmed_mean([5.0, 1.0, 2.0, 90.0], 0.25, 0) == 3.5
    # Half a value less at each end.
    assert soft_trimmed_mean([0.0, 1.0, 2.0, 9.0], 0.125, 0) == (0 + 2 + 4 + 9) / 6
    assert soft_trimmed_mean([0.0, 1.0, 2.0, 9.0], (0.0, 0.75), 0) == 0


def test_far_values_do_not_matter():
    values = np.append(draw(20), [-1e300, 1e300])
    for regularization in REGULARIZATIONS:
        options = {"regularization": regularization}
        expected = soft_median(np.append(draw(20), [-9e3, 9e3]), 0.5, **options)
        assert_allclose(soft_median(values, 0.5, **options), expected, rtol=1e-13)
        mean, jacobian = soft_trimmed_mean(
            values, 0.2, 0.5, return_jacobian=True, **options
        )
        assert abs(mean) < 1
        _, sharp = soft_trimmed_mean(
            values, 0.2, 1e-10, return_jacobian=True, **options
        )
        assert np.isfinite(sharp.wrt_epsilon)
        assert np.abs(jacobian.wrt_weights.toarray()).max() < 10


@regularizations
@pytest.mark.parametrize("n", [7000, slow(40_000), slow(150_000)])
@pytest.mark.parametrize("kind", ["plain", "weighted", "few weights"])
def test_long_rows(n, kind, regularization):
    # From 4097, 6001 and 131073 values on the kernel starts from a part of them.
    values, rng = draw(n), np.random.default_rng(1)
    weights = None if kind == "plain" else rng.uniform(0, 2, size=n)
    if kind == "few weights":
        weights[::32] = 0  # of which the part of the values is made
    options = {"weights": weights, "regularization": regularization}
    for epsilon in (0, 1e-3, 1.0, 1e3):
        found, jacobian = soft_quantile(
            values, 0.3, epsilon, return_jacobian=True, **options
        )
        u = draw(n, seed=2)
        expected = difference(
            lambda x, e=epsilon: soft_quantile(x, 0.3, e, **options), values, u
        )
        if epsilon >= 1:  # otherwise the step is beyond the gaps
            assert_allclose(jacobian.jvp(u), expected, rtol=0, atol=1e-11 * n)
        assert_allclose(jacobian.vjp(1.0).sum(), 1, rtol=1e-15 * n)
        # Homogeneous of degree one in values and epsilon together.
        euler = jacobian.jvp(values) + epsilon * jacobian.wrt_epsilon
        assert_allclose(euler, found, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n", [12, 9000])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_batches_are_rows_one_by_one(n, is_weighted):
    values = draw(6, n)
    weights = np.random.default_rng(1).uniform(0.1, 2, size=(6, n))
    for regularization in REGULARIZATIONS:
        for epsilon in (0, 0.05, 2.0):
            options = {"epsilon": epsilon, "regularization": regularization}
            found = soft_quantile(
                values, [0, 0.4, 1], weights=weights if is_weighted else None, **options
            )
            for i in range(6):
                row_weights = weights[i] if is_weighted else None
                expected = soft_quantile(
                    values[i], [0, 0.4, 1], weights=row_weights, **options
                )
                assert_array_equal(found[:, i], expected)


def test_strided_weights():
    values, weights = draw(2, 5), np.repeat(WEIGHTS, 2)[::2]
    assert_array_equal(
        soft_median(values, 0.3, weights=weights),
        soft_median(values, 0.3, weights=WEIGHTS),
    )


finite = st.floats(-100, 100).map(lambda x: round(x, 3))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(finite, min_size=1, max_size=12),
    st.sampled_from([0.0, 0.01, 1.0, 50.0]),
    st.sampled_from(REGULARIZATIONS),
)
def test_properties(values, epsilon, regularization):
    values, q = np.array(values), np.array([0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1])
    options = {"regularization": regularization}
    result, jacobian = soft_quantile(
        values, q, epsilon, return_jacobian=True, **options
    )
    slack = 1e-11 * (1 + np.abs(values).max() + epsilon)
    assert result.min() >= values.min() - slack
    assert result.max() <= values.max() + slack
    assert np.diff(result).min() >= -slack
    assert jacobian.wrt_q.min() >= -1e-9
    weights = jacobian.toarray()
    assert weights.min() >= -1e-13
    assert_allclose(weights.sum(axis=1), 1, rtol=0, atol=1e-12)
    moved = soft_quantile(4 * values + 8, q, 4 * epsilon, **options)
    assert_allclose(moved, 4 * result + 8, rtol=0, atol=10 * slack)
    mirrored = soft_quantile(-values, q, epsilon, **options)
    assert_allclose(mirrored, -result[::-1], rtol=0, atol=10 * slack)
    euler = jacobian.jvp(values) + epsilon * jacobian.wrt_epsilon
    assert_allclose(euler, result, rtol=0, atol=100 * slack)


@regularizations
@pytest.mark.parametrize("epsilon", [0, 0.2, 3.0])
def test_weights_equal_repeats(epsilon, regularization):
    values, weights = draw(8), np.array([1, 0, 3, 2, 0, 1, 4, 1])
    repeats, q = np.repeat(values, weights), [0, 0.2, 0.61, 1]
    options = {"regularization": regularization}
    for function, position in ((soft_quantile, q), (soft_trimmed_mean, (0.1, 0.3))):
        found = function(values, position, epsilon, weights=weights, **options)
        expected = function(repeats, position, epsilon, **options)
        assert_allclose(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("weights", [None, [1.0, 2.5, 1.0, 2.0]])
def test_separated_values_move_towards_the_middle(weights):
    values, epsilon, q = [0.0, 1.0, 3.0, 7.0], 0.9, np.linspace(0, 1, 11)
    total = np.sum(weights or np.ones(4))
    hard = soft_quantile(values, q, 0, weights=weights)
    shift = epsilon * (0.5 - ((total - 1) * q + 0.5) / total)
    found = soft_quantile(values, q, epsilon, weights=weights)
    if weights is None:
        assert_allclose(found, hard + shift, rtol=0, atol=1e-14)
    else:  # part of a weight
        assert np.abs(found - hard).max() <= epsilon / 2


# Derivatives


def check_derivatives(function, positions, position, shape, axis, weighting, **options):
    """All derivatives of function(values, position, epsilon, ...) but at kinks."""
    n, epsilon = length_of(shape, axis), options.pop("epsilon")
    rng = np.random.default_rng(1)
    weights = {
        None: np.ones(shape),
        "shared": rng.uniform(0.7, 2, size=n),
        "full": rng.uniform(0.7, 2, size=shape),
    }[weighting]
    values = draw(*shape)
    options["axis"] = axis

    position = np.asarray(position)

    def location(values=values, position=position, epsilon=epsilon, weights=weights):
        return function(values, position, epsilon, weights=weights, **options)

    result, jacobian = function(
        values,
        position,
        epsilon,
        weights=None if weighting is None else weights,
        return_jacobian=True,
        **options,
    )
    assert_array_equal(result, location())
    scale = max(1, 1 / epsilon if epsilon else 1)
    tolerance = {"rtol": 0, "atol": 2e-8 * scale}
    u, v = rng.normal(size=shape), rng.normal(size=weights.shape)
    expected = difference(lambda x: location(values=x), values, u)
    assert_allclose(jacobian.jvp(u), expected, **tolerance)
    if weighting is None:  # from a mean of one down weights are no frequencies
        v -= v.mean(axis=axis, keepdims=True)
    expected = difference(lambda a: location(weights=a), weights, v)
    assert_allclose(jacobian.wrt_weights.jvp(v), expected, **tolerance)
    if epsilon > 0:
        expected = difference(lambda e: location(epsilon=e), epsilon, 1.0)
        assert_allclose(jacobian.wrt_epsilon, expected, **tolerance)
    for derivative, direction in positions(jacobian):
        expected = difference(lambda p: location(position=p), position, direction)
        assert_allclose(derivative, expected, **tolerance)
    for operator in (jacobian, jacobian.wrt_weights):
        u = rng.normal(size=operator.input_shape)
        g = rng.normal(size=operator.output_shape)
        forward, backward = np.sum(g * operator.jvp(u)), np.sum(u * operator.vjp(g))
        assert_allclose(forward, backward, rtol=0, atol=1e-12)
    return jacobian


@pytest.mark.parametrize("q", [0.0, 1.0])
@pytest.mark.parametrize("epsilon", [0.15, 1.3, 40.0])
def test_derivatives_of_extremes(q, epsilon):
    # The entropic ones: the quadratic ones have kinks.
    jacobian = check_derivatives(
        soft_quantile,
        lambda jacobian: (),
        q,
        (5,),
        0,
        "shared",
        epsilon=epsilon,
        regularization="entropic",
    )
    inwards = 1e-6 if q == 0 else -1e-6
    weights = np.random.default_rng(1).uniform(0.7, 2, size=5)
    ends = [
        soft_quantile(draw(5), p, epsilon, weights=weights, regularization="entropic")
        for p in (q, q + inwards)
    ]
    rise = (ends[1] - ends[0]) / inwards
    assert_allclose(jacobian.wrt_q, rise, rtol=1e-3)


# Missing values


def test_jacobian_of_no_quantiles():
    values = draw(4, 3)
    for weights in (None, np.ones(4), np.ones((4, 3))):
        quantiles, jacobian = soft_quantile(
            values, [], weights=weights, axis=0, return_jacobian=True
        )
        assert quantiles.shape == jacobian.output_shape == (0, 3)
        for operator in (jacobian, jacobian.wrt_weights):
            shape = operator.input_shape
            assert operator.jvp(np.ones(shape)).shape == (0, 3)
            assert_array_equal(operator.vjp(np.ones((0, 3))), np.zeros(shape))


@regularizations
@pytest.mark.parametrize(
    "values",
    [
        [-1.0, 0.0, 1.0],
        [2.0, 2.0, 2.0, 2.0],
        [0.2, 0.1, 0.3, 0.2],
        [2.0, 0.0, 1.0, -1.0, 0.0, -1.0, 0.0],
    ],
)
def test_bounds_that_have_met_clip_values_equal_to_them(values, regularization):
    values = np.array([*values, np.nan])
    for dtype in (np.float64, np.float32):
        clipped, jacobian = soft_winsorize(
            values.astype(dtype),
            0.3,
            1e30,
            regularization=regularization,
            nan_policy="omit",
            return_jacobian=True,
        )
        n = len(values) - 1
        assert_allclose(clipped[:n], np.nanmean(values), atol=1e-6)
        expected = np.zeros((n + 1, n + 1))
        expected[:n, :n] = 1 / n
        assert_allclose(jacobian.toarray(), expected, atol=1e-6)


@regularizations
@pytest.mark.parametrize("epsilon", [0, 0.4])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_omit_is_as_if_they_were_not_there(weights, epsilon, regularization):
    values = draw(3, 5)
    values[0, [1, 4]] = values[2] = np.nan
    options = {"regularization": regularization, "nan_policy": "omit"}
    for function, position in ((soft_quantile, [0.2, 0.7]), (soft_trimmed_mean, 0.2)):
        found, jacobian = function(
            values, position, epsilon, weights=weights, return_jacobian=True, **options
        )
        for i, row in enumerate(values[:2]):
            kept = ~np.isnan(row)
            expected, expected_jacobian = function(
                row[kept],
                position,
                epsilon,
                weights=None if weights is None else weights[kept],
                regularization=regularization,
                return_jacobian=True,
            )
            assert_allclose(found[..., i], expected, rtol=0, atol=1e-14)
            g = np.zeros(found.shape)
            g[..., i] = 1
            gradient = jacobian.vjp(g)
            assert_array_equal(np.delete(gradient, i, axis=0), np.zeros((2, 5)))
            expected_gradient = expected_jacobian.vjp(np.ones(np.shape(expected)))
            assert_allclose(gradient[i, kept], expected_gradient, rtol=0, atol=1e-14)
            assert_array_equal(gradient[i, ~kept], 0)
            in_weights = jacobian.wrt_weights.vjp(g)
            in_weights = in_weights if weights is not None else in_weights[i]
            expected_gradient = expected_jacobian.wrt_weights.vjp(
                np.ones(np.shape(expected))
            )
            assert_allclose(in_weights[kept], expected_gradient, rtol=0, atol=1e-14)
            assert_array_equal(in_weights[~kept], 0)
        assert np.isnan(found[..., 2]).all()
        assert np.isfinite(jacobian.wrt_weights.toarray()).all()
        assert_array_equal(jacobian.vjp(np.ones(found.shape))[2], 0)


def test_winsorize_keeps_missing_values():
    values = np.array([[0.0, 1.0, np.nan, 3.0, 100.0], [np.nan] * 5])
    found, jacobian = soft_winsorize(
        values, 0.25, 0, nan_policy="omit", return_jacobian=True
    )
    low, high = np.quantile([0, 1, 3, 100], [0.25, 0.75])
    assert_allclose(found[0], np.clip(values[0], low, high), rtol=1e-15)
    assert np.isnan(found[1]).all()
    gradient = jacobian.vjp(np.ones((2, 5)))
    assert_allclose(gradient[0], [0.25, 1.75, 0, 1.75, 0.25], rtol=1e-15)
    assert_array_equal(gradient[1], 0)


# Input


def test_shapes():
    values = draw(2, 5, 3)
    assert soft_quantile(values, 0.3, axis=1).shape == (2, 3)
    assert soft_quantile(values, [0.3], axis=1).shape == (1, 2, 3)
    assert soft_quantile(values, np.full((4, 2), 0.3), axis=1).shape == (4, 2, 2, 3)
    assert soft_quantile(values, [], axis=1).shape == (0, 2, 3)
    assert soft_quantile(np.empty((0, 3)), 0.5).shape == (0,)
    assert np.ndim(soft_quantile(values, 0.3, axis=None)) == 0


GOOD = [3.0, 1.0, 2.0]
BAD = [
    (([], 0.5), {}, ValueError, "values must not be empty along axis, got shape (0,)."),
    ((GOOD, 1.5), {}, ValueError, "q must be in [0, 1], got 1.5."),
    ((GOOD, [0.5, -0.1]), {}, ValueError, "q must be in [0, 1], got -0.1."),
    ((GOOD, None), {}, TypeError, "q must be in [0, 1], got None."),
    ((GOOD, np.nan), {}, ValueError, "q must be in [0, 1], got nan."),
    ((GOOD, "a"), {}, TypeError, "q must be an array of real numbers"),
    ((GOOD, 0.5), {"weights": [1e12] * 3}, ValueError, "at most 1e+12, got a sum of"),
    ((GOOD, 0.5), {"weights": [1, 1e20, 0]}, ValueError, "got a sum of 1e+20."),
    (
        (np.array([GOOD]).T, 0.5),
        {"weights": np.full((3, 1), 1e308), "axis": 0},
        ValueError,
        "weights must have a finite sum, got values up to 1e+308.",
    ),
    ((GOOD, 0.5), {"weights": [1, -1, 1]}, ValueError, "at least 0, got -1.0."),
    (
        (GOOD, 0.5),
        {"weights": [0] * 3},
        ValueError,
        "weights must not be zero everywhere",
    ),
    ((GOOD, 0.5), {"weights": [1, 1]}, ValueError, "must have shape (3,), got (2,)."),
    ((GOOD, 0.5), {"weights": [[1], [1, 1]]}, ValueError, "weights must be a rect"),
    (([1, np.inf], 0.5), {"nan_policy": "omit"}, ValueError, "got 0 NaN and 1 inf"),
]


@pytest.mark.parametrize(("arguments", "options", "error", "message"), BAD)
def test_bad_input(arguments, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        soft_quantile(*arguments, **options)


@pytest.mark.parametrize("function", [soft_trimmed_mean, soft_winsorize])
@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ([[0.1], [0.1, 0.2]], "cut must be a rectangular array"),
        (0.5, "cut must leave something: its two parts must sum to less than 1, got"),
        ((0.5, 0.6), "got 0.5 and 0.6."),
        (-0.1, "cut must be in [0, 1], got -0.1."),
        ((0.1, 0.1, 0.1), "cut must be a number or a pair of them, got (0.1, 0.1,"),
    ],
)
def test_bad_cut(function, cut, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        function(GOOD, cut)


@pytest.mark.parametrize("axis", [0, 1])
def test_hard_bounds_with_soft_derivatives(axis):
    values = np.random.default_rng(0).normal(size=(9, 10))
    options = {"cut": 0.2, "axis": axis}
    result, jacobian = soft_winsorize(
        values, epsilon=0.8, straight_through=True, return_jacobian=True, **options
    )
    assert_array_equal(result, soft_winsorize(values, epsilon=0.0, **options))
    _, bounds = soft_quantile(
        values, [0.2, 0.8], 0.8, axis=axis, straight_through=True, return_jacobian=True
    )
    u = np.random.default_rng(1).normal(size=values.shape)
    low, high = (np.expand_dims(bound, axis) for bound in bounds.jvp(u))
    at_low, at_high = (
        result == pick(result, axis=axis, keepdims=True) for pick in (np.min, np.max)
    )
    expected = np.where(at_low, low, np.where(at_high, high, u))
    assert_allclose(jacobian.jvp(u), expected, rtol=1e-12)


@pytest.mark.parametrize(("dtype", "outlier"), [(np.float32, 1e9), (np.float64, 1e30)])
def test_winsorized_values_move_alike_however_far_an_outlier_is(dtype, outlier):
    x = np.random.default_rng(0).normal(size=12).astype(dtype)
    u = np.arange(12.0)
    gradients = []
    for far in (10, outlier):
        x[0] = far
        jacobian = soft_winsorize(x, 0.2, 0.5, return_jacobian=True)[1]
        gradients.append(jacobian.vjp(u))
    assert_allclose(gradients[1], gradients[0], rtol=0, atol=1e-6)


def test_infinite_bounds_have_not_met():
    x = np.array([0.1, 0.2, 0.4, 0.9, np.inf, np.inf])
    result, jacobian = soft_winsorize(x, 0.2, 0.0, return_jacobian=True)
    assert_array_equal(result, [0.2, 0.2, 0.4, 0.9, np.inf, np.inf])
    expected = np.zeros((6, 6))
    expected[[0, 1, 2, 3], [1, 1, 2, 3]] = 1
    assert_array_equal(jacobian.toarray()[:4], expected[:4])
