from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import reference
from loss_cases import LOSSES, WEIGHTS, gradient_by_differences, select_by_bisection
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank import soft_topk
from sksoftrank.losses import (
    selection_quantile_loss,
    selection_trimmed_loss,
    sorted_trimmed_loss,
)


def select_by_enumeration(losses, n_kept, epsilon, weight):
    """The p of the selection loss in exact arithmetic: try every active set."""
    losses, weight = ([Fraction(v) for v in values] for values in (losses, weight))
    n_kept, epsilon = Fraction(n_kept), Fraction(epsilon)
    for state in product("01a", repeat=len(losses)):
        one, zero, active = ([i for i, s in enumerate(state) if s == x] for x in "10a")
        left = n_kept - sum(weight[i] for i in one)
        if active:
            t = epsilon * left + sum(weight[i] * losses[i] for i in active)
            t /= sum(weight[i] for i in active)
        elif left == 0 and one:
            t = max(losses[i] for i in one) + epsilon
        else:
            continue
        p = [(t - loss) / epsilon for loss in losses]
        if (
            all(p[i] >= 1 for i in one)
            and all(p[i] <= 0 for i in zero)
            and all(0 <= p[i] <= 1 for i in active)
        ):
            return np.array([float(min(max(v, 0), 1)) for v in p])
    raise AssertionError("one of the active sets is optimal")


@pytest.mark.parametrize("epsilon", [2.0**-10, 0.125, 1.0, 7.0])
@pytest.mark.parametrize("n_kept", [0.75, 2, 3.25])
@pytest.mark.parametrize("seed", range(3))
def test_selection_is_the_exact_minimiser(seed, n_kept, epsilon):
    rng = np.random.default_rng(seed)
    losses = rng.integers(0, 40, 5) / 16
    weight = rng.integers(3, 9, 5) / 4
    expected = select_by_enumeration(losses, n_kept, epsilon, weight)
    value, gradient, selection = selection_trimmed_loss(losses, n_kept, epsilon, weight)
    assert_allclose(selection, expected, rtol=0, atol=1e-14)
    assert_allclose(gradient, weight * expected / n_kept, rtol=0, atol=1e-14)
    penalty = weight @ (expected - n_kept / weight.sum()) ** 2
    assert_allclose(
        value, (weight * expected @ losses + epsilon / 2 * penalty) / n_kept, rtol=1e-14
    )


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_selection_is_accurate_for_any_scale(n, losses, weights):
    rng = np.random.default_rng(n)
    losses, weights = LOSSES[losses](rng, n), WEIGHTS[weights](rng, n)
    weight = np.ones(n) if weights is None else weights
    n_kept = 0.55 * weight.sum()
    for exponent in range(-12, 13, 3):
        epsilon = 10.0**exponent * np.median(losses)
        value, gradient, selection = selection_trimmed_loss(
            losses, n_kept, epsilon, weights
        )
        expected = select_by_bisection(losses, n_kept, epsilon, weight)
        assert_allclose(selection, expected.astype(float), rtol=0, atol=2e-13)
        assert_allclose(weight @ selection, n_kept, rtol=2e-15)
        assert_allclose(gradient, selection / n_kept * weight, rtol=4e-16)
        penalty = epsilon / 2 * (weight @ (expected - n_kept / weight.sum()) ** 2)
        expected_value = (weight * expected @ losses + penalty) / n_kept
        assert_allclose(value, float(expected_value), rtol=1e-12)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("epsilon", [0, 1e-3, 0.3, 5])
def test_selection_gradient_by_differences(weights, epsilon):
    rng = np.random.default_rng(0)
    losses, weights = rng.chisquare(1, 30), WEIGHTS[weights](rng, 30)
    n_kept = 14.3

    def function(x):
        return selection_trimmed_loss(x, n_kept, epsilon, weights)[0]

    gradient = selection_trimmed_loss(losses, n_kept, epsilon, weights)[1]
    assert_allclose(
        gradient, gradient_by_differences(function, losses), rtol=0, atol=1e-8
    )


@pytest.mark.parametrize("epsilon", [0, 1e-9, 0.1, 3, 1e9])
def test_selection_weights_are_repeats_and_zero_is_removed(epsilon):
    rng = np.random.default_rng(1)
    losses, counts = rng.chisquare(1, 50), rng.integers(0, 4, 50)
    n_kept = counts.sum() // 2
    value, gradient, selection = selection_trimmed_loss(losses, n_kept, epsilon, counts)
    row = np.repeat(np.arange(50), counts)
    expected = selection_trimmed_loss(losses[row], n_kept, epsilon)
    assert_allclose(value, expected[0], rtol=1e-14)
    assert_allclose(
        gradient, np.bincount(row, expected[1], minlength=50), rtol=0, atol=1e-15
    )
    assert_allclose(selection[row], expected[2], rtol=0, atol=1e-14)

    kept = counts > 0
    assert not kept.all()
    removed = selection_trimmed_loss(losses[kept], n_kept, epsilon, counts[kept])
    assert_allclose(value, removed[0], rtol=1e-15)
    assert_array_equal(gradient[~kept], 0)
    # A loss without weight is chosen as its size deserves.
    order = np.argsort(losses)
    assert (np.diff(selection[order]) <= 0).all()


def test_selection_limits_and_order_in_epsilon():
    rng = np.random.default_rng(2)
    losses, weight = rng.chisquare(1, 40), rng.integers(1, 4, 40)
    n_kept = weight.sum() // 2
    smallest = np.sort(np.repeat(losses, weight))[:n_kept]
    grid = [0, *10.0 ** np.arange(-12, 13)]
    values = [selection_trimmed_loss(losses, n_kept, e, weight)[0] for e in grid]
    assert_allclose(values[:2], smallest.mean(), rtol=1e-11)
    assert_allclose(values[-1], np.average(losses, weights=weight), rtol=1e-11)
    assert (np.diff(values) >= -1e-15).all()
    assert values[14] > 1.1 * values[0]
    assert values[-1] > 1.1 * values[12]


@pytest.mark.parametrize("epsilon", [0, 0.5])
def test_selection_is_concave_in_the_losses(epsilon):
    rng = np.random.default_rng(3)
    for _ in range(20):
        a, b = rng.chisquare(1, (2, 15))
        ends = [selection_trimmed_loss(x, 8, epsilon)[0] for x in (a, b)]
        assert selection_trimmed_loss((a + b) / 2, 8, epsilon)[0] > np.mean(ends)


def test_hard_selection_shares_ties_and_fractions():
    losses = [2.0, 1.0, 2.0, 5.0, 2.0]
    value, _, selection = selection_trimmed_loss(losses, 2.5, 0)
    assert_allclose(selection, [0.5, 1, 0.5, 0, 0.5], rtol=1e-15)
    assert_allclose(value, 4 / 2.5, rtol=1e-15)
    selection = selection_trimmed_loss(losses, 3, 0, [1, 1, 3, 1, 0])[2]
    assert_allclose(selection, [0.5, 1, 0.5, 0, 0.5], rtol=1e-15)


def test_hard_selection_is_not_decided_by_losses_without_weight():
    # The cumulated weights end below this n_kept; no weight is left after them.
    weight = np.zeros(10)
    weight[3:5] = 0.08371303532839447, 0.9297756204575562
    weight[6:8] = 0.23097422372543364, 0.653436217157367
    losses = np.arange(10.0)
    n_kept = np.nextafter(np.sum(weight), 0)
    assert np.cumsum(weight)[-1] < n_kept
    value, gradient, selection = selection_trimmed_loss(losses, n_kept, 0, weight)
    assert_array_equal(selection, losses <= 7)
    assert_allclose(gradient, weight / n_kept, rtol=1e-15)
    assert_allclose(value, np.average(losses, weights=weight), rtol=1e-15)


@pytest.mark.parametrize(
    ("losses", "weight", "n_kept", "expected"),
    [
        # Without its bounds the last part kept is 1 + 2e-16 of the loss 2,
        ([2, 4, 0, 1, 3], [4, 8, 2, 6, 7], 1.2000000000000002, [1, 0, 1, 1, 0]),
        # and of the loss 4 it is -3e-16: weights sum differently in another order.
        ([4, 0, 3, 1, 2], [7, 6, 5, 1, 1], 1.3, [0, 1, 1, 1, 1]),
    ],
)
def test_hard_selection_stays_in_bounds(losses, weight, n_kept, expected):
    weight = np.array(weight) / 10
    selection = selection_trimmed_loss(losses, n_kept, 0, weight)[2]
    assert_allclose(selection, expected, rtol=0, atol=1e-15)
    assert selection.min() >= 0
    assert selection.max() <= 1


@pytest.mark.parametrize("epsilon", [0, 1e-300, 1.0, 1e300])
def test_selection_of_all_is_the_mean(epsilon):
    losses, weight = np.array([1.0, 1e24, 3.0]), np.array([0.1, 0.2, 0.7])
    value, gradient, selection = selection_trimmed_loss(
        losses, weight.sum(), epsilon, weight
    )
    assert_array_equal(selection, 1)
    assert_allclose(gradient, weight, rtol=1e-15)
    assert_allclose(value, weight @ losses, rtol=1e-15)


@pytest.mark.parametrize("function", [selection_trimmed_loss, sorted_trimmed_loss])
def test_losses_convert_and_keep_their_arguments(function):
    losses = np.array([3, 1, 2], dtype=np.float32)
    weight = np.array([1, 2, 1])
    losses.flags.writeable = weight.flags.writeable = False
    results = function(losses, 2, 0.1, weight)
    for result in results[1:]:
        assert result.dtype == np.float64
    assert type(results[0]) is float
    for result, expected in zip(
        results, function([3.0, 1.0, 2.0], 2, 0.1, [1.0, 2.0, 1.0]), strict=True
    ):
        assert_array_equal(result, expected)


@pytest.mark.parametrize("epsilon", [0.01, 0.2, 1.0, 10.0])
def test_sorted_loss_is_the_mean_of_the_soft_sort(epsilon):
    losses = np.random.default_rng(4).chisquare(1, 12)

    def function(x):
        return float(reference.soft_sort(x, epsilon)[:7].mean())

    value, gradient, selection = sorted_trimmed_loss(losses, 7, epsilon)
    assert_allclose(value, function(losses), rtol=1e-14)
    assert_allclose(
        gradient, gradient_by_differences(function, losses), rtol=0, atol=1e-9
    )
    assert_allclose(selection, 7 * gradient, rtol=1e-15)


def test_sorted_loss_limits():
    losses = np.random.default_rng(5).chisquare(1, 30)
    smallest = np.sort(losses)[:20]
    for epsilon in (0, 1e-3):
        value, _, selection = sorted_trimmed_loss(losses, 20, epsilon)
        assert_allclose(value, smallest.mean(), rtol=1e-15)
        assert_array_equal(selection, losses <= smallest[-1])
    value, _, selection = sorted_trimmed_loss(losses, 20, 1e12)
    assert_allclose(value, losses.mean(), rtol=1e-11)
    assert_allclose(selection, 20 / 30, rtol=1e-15)


@pytest.mark.parametrize("epsilon", [0, 1.0, 30.0, 1e9])
def test_sorted_loss_counts_are_repeats_and_zero_is_removed(epsilon):
    rng = np.random.default_rng(6)
    losses, counts = rng.chisquare(1, 50), rng.integers(0, 4, 50)
    n_kept = int(counts.sum() // 2)
    value, gradient, selection = sorted_trimmed_loss(losses, n_kept, epsilon, counts)
    row = np.repeat(np.arange(50), counts)
    expected = sorted_trimmed_loss(losses[row], n_kept, epsilon)
    assert_allclose(value, expected[0], rtol=1e-15)
    assert_allclose(
        gradient, np.bincount(row, expected[1], minlength=50), rtol=0, atol=1e-16
    )
    kept = counts > 0
    assert not kept.all()
    assert_allclose(selection[kept], gradient[kept] * n_kept / counts[kept], rtol=1e-15)
    assert_array_equal(gradient[~kept], 0)
    # A loss without weight is kept as far as its neighbours are.
    assert (np.diff(selection[np.argsort(losses)]) <= 0).all()
    assert selection.min() >= 0
    assert selection.max() <= 1


def test_one_far_loss_breaks_the_sort_and_not_the_selection():
    losses = np.append(np.random.default_rng(7).chisquare(1, 99), 1e12)
    assert_allclose(sorted_trimmed_loss(losses, 50, 1.0)[2], 0.5, rtol=1e-12)
    assert sorted_trimmed_loss(losses, 50, 1.0)[0] > 1e9
    assert selection_trimmed_loss(losses, 50, 1.0)[2][-1] == 0
    assert selection_trimmed_loss(losses, 50, 1.0)[0] < 1


@pytest.mark.parametrize("function", [selection_trimmed_loss, sorted_trimmed_loss])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1.0]], 1, 1), ValueError, r"losses must be a non-empty 1-D array, got sha"),
        (([], 1, 1), ValueError, r"losses must be a non-empty 1-D array, got shape"),
        (([1, np.nan], 1, 1), ValueError, r"losses must be finite, got 1 NaN"),
        (
            ([1, np.inf], 1, 1),
            ValueError,
            r"losses must be finite, got 0 NaN and 1 inf",
        ),
        ((["a", "b"], 1, 1), TypeError, r"losses must be an array of real numbers"),
        (([1, 2], 0, 1), ValueError, r"n_kept must be above 0 and at most 2.*got 0"),
        (([1, 2], 3, 1), ValueError, r"n_kept must be above 0 and at most 2.*got 3"),
        (([1, 2], np.nan, 1), ValueError, r"n_kept must be above 0 .* got nan"),
        (([1, 2], "1", 1), TypeError, r"n_kept must be a real number, got '1'"),
        (([1, 2], 1, -1), ValueError, r"epsilon must be a finite number >= 0, got -1"),
        (([1, 2], 1, np.nan), ValueError, r"epsilon must be a finite number >= 0"),
        (([1, 2], 1, None), TypeError, r"epsilon must be a real number >= 0, got None"),
        (([1, 2], 1, "l2"), TypeError, r"got 'l2' of type str; pass regularization by"),
        (
            ([1, 2], 1, 1, [1]),
            ValueError,
            r"must have shape \(2,\), got \(1,\)",
        ),
        (([1, 2], 1, 1, [1, -1]), ValueError, r"must be at least 0, got -1"),
        (([1, 2], 1, 1, [0, 0]), ValueError, r"must not be zero everywhere"),
        (([1, 2], 1, 1, [1, np.nan]), ValueError, r"must be finite, got 1 NaN"),
        (
            ([1, 2], 1, 1, [1e308, 1e308]),
            ValueError,
            r"must have a finite sum, got values up to 1e\+308",
        ),
    ],
)
def test_bad_arguments(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(*arguments)


def test_bad_arguments_of_the_sorted_loss():
    with pytest.raises(ValueError, match=r"n_kept must be a whole number, got 1.5"):
        sorted_trimmed_loss([1, 2], 1.5, 1)
    with pytest.raises(
        ValueError, match=r"counts must be whole numbers, got fractions"
    ):
        sorted_trimmed_loss([1, 2], 1, 1, [0.5, 1])
    with pytest.raises(
        ValueError, match=r"counts must sum to at most 1e\+09, got 1e\+300"
    ):
        sorted_trimmed_loss([1, 2, 3], 1, 1, [1, 1, 1e300])


@pytest.mark.parametrize("weight", [1e17, 1e30, 1e300])
def test_shares_that_rounding_loses_are_refused(weight):
    x, weights = np.array([1.0, 2.0, 3.0, 100.0]), np.full(4, weight)
    message = r"must be at least 2.2e-16 of the sum of the weights, got 2 of 4e\+"
    for loss in (selection_trimmed_loss, selection_quantile_loss):
        with pytest.raises(ValueError, match=f"n_kept {message}"):
            loss(x, 2, 0.3, sample_weight=weights)
        hard = loss(x, 2, 0.0, sample_weight=weights)[0]
        assert_allclose(hard, 1.0, rtol=1e-15)
        same = loss(x, 2 * weight, 0.3, sample_weight=weights)[0]
        assert_allclose(same, loss(x, 2, 0.3)[0], rtol=1e-14)
    with pytest.raises(ValueError, match=f"k {message}"):
        soft_topk(x, 2, 0.3, weights=weights)
    hard = weight * soft_topk(x, 2, 0.0, weights=weights)
    assert_allclose(hard, [0, 0, 0, 2], rtol=1e-15)
    parts = soft_topk(x, 2, 0.3, weights=weights, regularization="entropic")
    assert_allclose(weight * parts.sum(), 2, rtol=1e-12)
