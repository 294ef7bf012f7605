"""Weights are frequencies; those of a mean below one are multiplied to one."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import UndefinedMetricWarning

from sksoftrank import (
    losses,
    metrics,
    soft_median,
    soft_quantile,
    soft_trimmed_mean,
    soft_winsorize,
)
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


def nan_for_undefined(score, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return score(*arguments, **options)


@pytest.mark.parametrize(
    ("function", "name", "options"),
    [
        (metrics.trimmed_mean_squared_error, "sample_weight", {"trim": 0.25}),
        (metrics.trimmed_r2_score, "sample_weight", {"trim": 0.25}),
        (metrics.capped_mean_squared_error, "sample_weight", {"cap": 1.0}),
        (metrics.spearman_score, "sample_weight", {}),
        (metrics.spearman_score, "sample_weight", {"average": False}),
        (metrics.kendall_tau_score, "sample_weight", {}),
        (metrics.kendall_tau_score, "sample_weight", {"average": False}),
        (
            losses.selection_trimmed_loss,
            "sample_weight",
            {"n_kept": 0.9, "epsilon": 0.5},
        ),
        (
            losses.selection_quantile_loss,
            "sample_weight",
            {"n_kept": 0.9, "epsilon": 0.5},
        ),
        (losses.sorted_trimmed_loss, "counts", {"n_kept": 1, "epsilon": 0.5}),
        (losses.sorted_quantile_loss, "counts", {"position": 1, "epsilon": 0.5}),
        (soft_median, "weights", {}),
        (soft_quantile, "weights", {"q": 0.3}),
        (soft_trimmed_mean, "weights", {"cut": 0.3}),
    ],
)
def test_whole_numbers_are_repeats_of_few_rows(function, name, options):
    rng = np.random.default_rng(3)
    n_arrays = 2 if function.__module__.startswith("sksoftrank.metrics") else 1
    for n in (1, 1, 2, 3, 4) * 4:
        arrays = rng.integers(0, 4, size=(n_arrays, n)) / 2
        counts = rng.integers(0, 4, size=n)
        counts[0] += not counts.any()
        repeated = np.repeat(arrays, counts, axis=1)
        found, expected = (
            nan_for_undefined(function, *rows, **options, **weights)
            for rows, weights in (
                (arrays, {name: counts.astype(float)}),
                (repeated, {}),
            )
        )
        if isinstance(found, tuple):
            found, expected = found[0], expected[0]
        assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("score", [metrics.spearman_score, metrics.kendall_tau_score])
def test_whole_numbers_are_repeats_in_groups(score):
    rng = np.random.default_rng(4)
    for n in range(1, 8):
        truth, prediction = rng.integers(0, 4, size=(2, n)).astype(float)
        groups, counts = rng.integers(0, 3, size=n), rng.integers(1, 4, size=n)
        rows = np.repeat(np.arange(n), counts)
        by_group = [
            nan_for_undefined(
                score,
                truth[index],
                prediction[index],
                groups=groups[index],
                sample_weight=weight,
                average=False,
            )
            for index, weight in ((slice(None), counts.astype(float)), (rows, None))
        ]
        assert_allclose(*by_group, atol=1e-13)
    # A group of one row that stands for two has a score of 0 and its weight.
    arguments = [3.0, 1.0, 2.0], [2.0, 1.0, 5.0]
    found = score(*arguments, groups=[0, 1, 1], sample_weight=[2.0, 3.0, 3.0])
    assert found == pytest.approx(0.6)
