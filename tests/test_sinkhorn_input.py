"""What the Sinkhorn operators accept and refuse: weights, scales, types, bad input."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from transport_reference import OPERATORS, WEIGHTS, both_operators, draw, every_operator

from sksoftrank.sinkhorn import (
    sinkhorn_cdf,
    sinkhorn_quantile,
    sinkhorn_rank,
    sinkhorn_sort,
)


def test_weights_are_normalised():
    x, weights = draw(7), np.array([1, 2, 3, 4, 0, 1, 2])
    for epsilon in (0, 1e-2):
        options = {"weights": weights / 13, "target_weights": weights / 13}
        expected = sinkhorn_rank(x, epsilon, **options)
        for factor in (1, 1e-300, 1e300):
            options = {"weights": factor * weights, "target_weights": factor * weights}
            got = sinkhorn_rank(x, epsilon, **options)
            assert_allclose(got, expected, rtol=0, atol=1e-7)


def test_values_without_weight_have_no_influence():
    x, weights = draw(7), WEIGHTS
    keep = weights > 0
    ranks = sinkhorn_cdf(x, weights=weights, targets=5)
    expected = sinkhorn_cdf(x[keep], weights=weights[keep], targets=5)
    assert_allclose(ranks[keep], expected, rtol=0, atol=1e-7)
    # One that is equal to another has its rank.
    both = np.append(x, x[0])
    ranks = sinkhorn_cdf(both, weights=np.append(weights, 0), targets=5)
    assert_allclose(ranks[-1], ranks[0], rtol=0, atol=1e-12)


@both_operators
@pytest.mark.parametrize("squashing", ["logistic", "arctan", None])
@pytest.mark.parametrize("epsilon", [0, 1e-2, 1.0])
@pytest.mark.parametrize("far", [1.0, 1e9, 1e100])
def test_without_weight_anything_goes_anywhere(operator, squashing, epsilon, far):
    """Values that stand for what is missing, say: they change nothing else."""
    rng = np.random.default_rng(0)
    x, targets = draw(6), np.linspace(0, 1, 5)
    weights, masses = rng.uniform(0.1, 1, size=6), rng.uniform(0.1, 1, size=5)
    options = {"squashing": squashing, "tol": 1e-12, "return_jacobian": True}
    few = {"weights": weights, "targets": targets, "target_weights": masses}
    expected, few_jacobian = operator(x, epsilon, **few, **options)
    extra = far * np.array([-1.5, 0.1, 2.0])
    order = np.argsort(np.append(targets, extra))
    many = {
        "weights": np.append(np.zeros(3), weights),
        "targets": np.append(targets, extra)[order],
        "target_weights": np.append(masses, np.zeros(3))[order],
    }
    result, jacobian = operator(np.append(extra, x), epsilon, **many, **options)
    assert np.isfinite(jacobian.toarray()).all()
    if operator is sinkhorn_rank:
        keep = np.arange(9) >= 3
        expected = expected * 9 / 6  # in units of the number of values
        # From the lowest to the highest level.
        assert (np.diff(result[np.argsort(np.append(extra, x))]) >= -1e-12).all()
    else:
        keep = order < 5
    assert_allclose(result[keep], expected, rtol=0, atol=1e-9)
    g = draw(len(expected), seed=1)
    all_g = np.zeros(len(result))
    all_g[keep] = g
    got, expected = jacobian.vjp(all_g), few_jacobian.vjp(g)
    expected *= 9 / 6 if operator is sinkhorn_rank else 1
    assert_allclose(got[3:], expected, rtol=0, atol=1e-9)
    assert_array_equal(got[:3], np.zeros(3))
    u = draw(9, seed=2)
    assert_allclose(all_g @ jacobian.jvp(u), got @ u, rtol=0, atol=1e-9)


def test_values_without_weight_around_equal_ones():
    x, weights = [2.0, 1.0, 2.0 + 1e-15, 2.0, 2.0 - 1e-15], [1, 0, 0, 1, 0]
    for scale in (1, 1e-10):
        x = scale * np.array(x)
        ranks, jacobian = sinkhorn_cdf(x, 1e-3, weights=weights, return_jacobian=True)
        assert_allclose(ranks, [0.6, 0.2, 1.0, 0.6, 0.2], rtol=1e-9)
        assert_array_equal(jacobian.vjp(np.ones(5)), np.zeros(5))


def test_derivatives_next_to_far_values_without_weight():
    """Only ratios of the ranges count, also where derivatives are nearly too large."""
    x, weights = np.append(draw(5), 1e200), [1, 1, 1, 1, 1, 0]
    _, jacobian = sinkhorn_rank(x, weights=weights, return_jacobian=True)
    _, tiny = sinkhorn_rank(
        np.append(1e-300 * x[:5], 1.0), weights=weights, return_jacobian=True
    )
    u = np.arange(6.0)
    assert_allclose(tiny.jvp(u) * 1e-300, jacobian.jvp(u), rtol=1e-9)
    assert_allclose(tiny.vjp(u) * 1e-300, jacobian.vjp(u), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-10, 1e10, 1e150, 1e300])
def test_scale_of_the_values(scale):
    x = draw(8)
    assert_allclose(sinkhorn_rank(scale * x), sinkhorn_rank(x), rtol=0, atol=1e-7)
    _, jacobian = sinkhorn_rank(scale * x, return_jacobian=True)
    _, expected = sinkhorn_rank(x, return_jacobian=True)
    got = jacobian.jvp(scale * x[::-1])
    assert_allclose(got, expected.jvp(x[::-1]), rtol=0, atol=1e-6)


BAD = [
    ({"weights": [1, 1]}, ValueError, "weights must have shape (3,), got (2,)"),
    ({"weights": [1, -1, 1]}, ValueError, "weights must be at least 0, got -1"),
    ({"weights": [0, 0, 0]}, ValueError, "weights must not be zero everywhere"),
    ({"weights": [1, np.nan, 1]}, ValueError, "weights must be finite"),
    ({"cost": 0.5}, ValueError, "cost must be a finite power >= 1, got 0.5"),
    ({"cost": "square"}, TypeError, "cost must be a power or a callable"),
    ({"cost": lambda d: d}, ValueError, "cost must return two arrays"),
    ({"cost": lambda d: (d, d[0])}, ValueError, "cost must return arrays of the"),
    ({"cost": lambda d: (d / 0, d)}, ValueError, "cost must be finite"),
    ({"squashing": "tanh"}, ValueError, "squashing must be 'logistic' or 'arctan' or"),
    ({"tol": 0}, ValueError, "tol must be a finite number > 0, got 0"),
    ({"tol": "small"}, TypeError, "tol must be a real number > 0"),
    ({"max_iter": 0}, ValueError, "max_iter must be an integer >= 1, got 0"),
    ({"max_iter": 2.0}, TypeError, "max_iter must be an integer >= 1, got 2.0"),
    ({"values": [1e200, 0, 1], "squashing": None}, ValueError, "cost must be finite"),
]
BAD_TARGETS = [
    ({"targets": 0}, ValueError, "targets must be a number >= 1"),
    ({"targets": []}, ValueError, "targets must be a number >= 1"),
    ({"targets": [0, 0]}, ValueError, "targets must be a number >= 1 or increasing"),
    ({"targets": True}, ValueError, "targets must"),
    ({"target_weights": [1, 1]}, ValueError, "target_weights must have shape (3,)"),
    (
        {"target_weights": [0, 0, 0]},
        ValueError,
        "target_weights must not be zero everywhere",
    ),
]
BAD_QUANTILES = [
    ({"q": 0}, ValueError, "q must be one or several numbers strictly between 0 and 1"),
    ({"q": [0.5, 1]}, ValueError, "q must be one or several numbers"),
    ({"q": []}, ValueError, "q must be one or several numbers"),
    ({"q": [[0.5]]}, ValueError, "q must be one or several numbers"),
    ({"q": np.nan}, ValueError, "q must be one or several numbers"),
    ({"width": 0}, ValueError, "width must be in (0, 0.25] for these q, got 0"),
    ({"width": 0.3}, ValueError, "width must be in (0, 0.25] for these q, got 0.3"),
    ({"width": "1"}, TypeError, "width must be a number or None"),
]


def assert_refused(operator, options, error, message):
    options = {"values": [3.0, 1.0, 2.0], **options}
    with (
        np.errstate(divide="ignore", invalid="ignore"),
        pytest.raises(error, match=re.escape(message)),
    ):
        operator(**options)


@every_operator
@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_bad_input(operator, options, error, message):
    assert_refused(operator, options, error, message)


@pytest.mark.parametrize("operator", OPERATORS[:3])
@pytest.mark.parametrize(("options", "error", "message"), BAD_TARGETS)
def test_bad_targets(operator, options, error, message):
    assert_refused(operator, options, error, message)


@pytest.mark.parametrize(("options", "error", "message"), BAD_QUANTILES)
def test_bad_quantiles(options, error, message):
    assert_refused(sinkhorn_quantile, options, error, message)


def test_derivatives_of_costs_must_be_finite():
    def steep(differences):
        return np.sqrt(np.abs(differences)), np.full(differences.shape, np.inf)

    options = {"cost": steep, "epsilon": 1.0, "tol": 1e-3}
    ranks, jacobian = sinkhorn_rank([1.0, 3.0], return_jacobian=True, **options)
    assert ranks[0] < ranks[1]
    with pytest.raises(ValueError, match="cost must return derivatives that are fin"):
        jacobian.vjp(ranks)


def test_nothing_to_sort():
    for operator, options in ((sinkhorn_sort, {"targets": 2}), (sinkhorn_quantile, {})):
        with pytest.raises(ValueError, match="values must not be empty"):
            operator(np.zeros((2, 0)), **options)
