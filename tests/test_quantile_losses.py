import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loss_cases import (
    LOSSES,
    WEIGHTS,
    gradient_by_differences,
    select_by_bisection,
    soft_sort_weights,
)
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank import soft_sort
from sksoftrank.losses import (
    selection_quantile_loss,
    selection_trimmed_loss,
    sorted_quantile_loss,
    sorted_trimmed_loss,
)

QUANTILES = [selection_quantile_loss, sorted_quantile_loss]


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("epsilon", [0.01, 0.3, 5.0, 1e6])
def test_selection_quantile_is_the_derivative_of_the_trimmed_sum(weights, epsilon):
    rng = np.random.default_rng(0)
    losses, weights = rng.chisquare(1, 30), WEIGHTS[weights](rng, 30)
    for n_kept in (3.7, 14.2):
        sums = [
            h * selection_trimmed_loss(losses, h, epsilon, weights)[0]
            for h in (n_kept - 1e-5, n_kept + 1e-5)
        ]
        value = selection_quantile_loss(losses, n_kept, epsilon, weights)[0]
        assert_allclose(value, (sums[1] - sums[0]) / 2e-5, rtol=1e-8)


def test_selection_quantile_of_distances_that_underflow_is_the_mean():
    losses, weights = np.array([1.0, 4.0, 7.0, 0.0]) * 1e-20, [1.0, 2.0, 1.0, 0.0]
    for epsilon in (1e300, 1e305):
        value = selection_quantile_loss(losses, 0.7, epsilon, weights)[0]
        assert_allclose(value, 4e-20, rtol=1e-15)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("n", [7, 100])
def test_selection_quantile_is_accurate_for_any_scale(n, losses, weights):
    rng = np.random.default_rng(n)
    losses, weights = LOSSES[losses](rng, n), WEIGHTS[weights](rng, n)
    weight = np.ones(n) if weights is None else weights
    n_kept = 0.55 * weight.sum()
    for exponent in range(-12, 13, 3):
        epsilon = 10.0**exponent * np.median(losses)
        value, gradient, selection = selection_quantile_loss(
            losses, n_kept, epsilon, weights
        )
        part = select_by_bisection(losses, n_kept, epsilon, weight)
        averaged = weight * ((part > 0) & (part < 1))
        assert_array_equal(selection[weight > 0], averaged[weight > 0] > 0)
        assert_allclose(gradient, averaged / averaged.sum(), rtol=1e-15)
        # The quantile is loss + epsilon (p - h / A) at each of them.
        i = np.argmin(np.where(averaged > 0, losses, np.inf))
        size = np.abs(losses[averaged > 0]).max()
        expected = losses[i] + epsilon * (part[i] - n_kept / weight.sum())
        if exponent <= 0:
            assert_allclose(value, float(expected), rtol=1e-12, atol=1e-15 * size)
        else:  # but there it cancels; where all are averaged it is the mean
            assert_allclose(
                value,
                gradient @ losses + _offset(part, weight, n_kept) * epsilon,
                rtol=1e-12,
            )


def _offset(part, weight, n_kept):
    """Quantile less the mean of the averaged losses, in units of epsilon."""
    full, none = weight[part >= 1].sum(), weight[part <= 0].sum()
    share = n_kept / weight.sum()
    return (share * none - (1 - share) * full) / (weight.sum() - full - none)


@pytest.mark.parametrize("epsilon", [0, 1e-300, 1e-9, 1e-3])
def test_selection_quantile_is_the_hard_one_for_small_epsilon(epsilon):
    rng = np.random.default_rng(1)
    losses, counts = rng.permutation(np.arange(20.0)), rng.integers(0, 4, 20)
    repeated = np.sort(np.repeat(losses, counts))
    for h in range(1, repeated.size + 1):
        for n_kept in (h - 0.5, h):
            value, gradient, selection = selection_quantile_loss(
                losses, n_kept, epsilon, counts
            )
            assert_allclose(value, repeated[h - 1], rtol=0, atol=2 * epsilon)
            assert_array_equal(gradient, losses == repeated[h - 1])
            assert_array_equal(selection, losses == repeated[h - 1])


@pytest.mark.parametrize("quantile", QUANTILES)
def test_quantiles_are_the_mean_for_large_epsilon(quantile):
    losses = np.random.default_rng(2).chisquare(1, 30)
    for h in (1, 12, 29):
        value, gradient, selection = quantile(losses, h, 1e15)
        assert_allclose(value, losses.mean(), rtol=1e-12)
        assert_allclose(gradient, 1 / 30, rtol=1e-15)
        assert_array_equal(selection, 1)


@pytest.mark.parametrize("epsilon", [0, 1e-300, 1.0, 1e300])
def test_selection_quantile_of_all_is_the_largest(epsilon):
    value, gradient, selection = selection_quantile_loss(
        [1.0, 5.0, 5.0, 9.0], 4.0, epsilon, [1, 1, 2, 0]
    )
    assert value == 5.0
    assert_allclose(gradient, [0, 1 / 3, 2 / 3, 0], rtol=1e-15)
    assert_array_equal(selection, [0, 1, 1, 0])


def test_selection_quantile_without_partial_choice_averages_the_largest_kept():
    # No other loss is within 0.5 of the largest that is kept.
    value, gradient, _ = selection_quantile_loss([3.0, 0, 2, 2, 9], 4, 0.5)
    assert_allclose(value, 3 + 0.5 * (1 - 4 / 5), rtol=1e-15)
    assert_array_equal(gradient, [1, 0, 0, 0, 0])
    value, gradient, _ = selection_quantile_loss([3.0, 0, 2, 2, 9], 3, 0.5)
    assert_allclose(value, 2 + 0.5 * (1 - 3 / 5), rtol=1e-15)
    assert_allclose(gradient, [0, 0, 0.5, 0.5, 0], rtol=1e-15)


def test_losses_without_weight_are_not_averaged():
    # Only the loss without weight is chosen in part.
    value, gradient, selection = selection_quantile_loss([0, 0.3, 5], 1, 0.5, [1, 0, 1])
    assert_allclose(value, 0.25, rtol=1e-15)
    assert_array_equal(gradient, [1, 0, 0])
    assert_array_equal(selection, [1, 0, 0])


def test_sorted_selection_of_losses_without_count_is_interpolated():
    losses, counts = [0.0, 1.5, 2.0, 2.5, 4.0, 9.0, -1.0], [1, 0, 1, 0, 1, 0, 0]
    for epsilon in (0, 0.1):
        selection = sorted_trimmed_loss(losses, 1, epsilon, counts)[2]
        assert_allclose(selection, [1, 0.25, 0, 0, 0, 0, 1], rtol=1e-15)
        selection = sorted_quantile_loss(losses, 2, epsilon, counts)[2]
        assert_allclose(selection, [0, 0.75, 1, 0.75, 0, 0, 0], rtol=1e-15)


@pytest.mark.parametrize("epsilon", [0, 0.01, 0.3, 5.0])
@pytest.mark.parametrize(
    ("quantile", "weights"),
    [
        *((selection_quantile_loss, weights) for weights in WEIGHTS),
        (sorted_quantile_loss, "none"),
        (sorted_quantile_loss, "counts"),
    ],
)
def test_quantile_gradients_by_differences(quantile, weights, epsilon):
    rng = np.random.default_rng(4)
    losses, weights = rng.chisquare(1, 30), WEIGHTS[weights](rng, 30)

    def function(x):
        return quantile(x, 14, epsilon, weights)[0]

    gradient = quantile(losses, 14, epsilon, weights)[1]
    assert_allclose(
        gradient, gradient_by_differences(function, losses), rtol=0, atol=1e-8
    )


def test_selection_quantile_redescends_and_the_sorted_one_does_not():
    losses = np.append(np.random.default_rng(5).chisquare(1, 99), 1e12)
    assert selection_quantile_loss(losses, 50, 10.0)[1][-1] == 0
    assert selection_quantile_loss(losses, 50, 10.0)[0] < 2
    assert_allclose(sorted_quantile_loss(losses, 50, 10.0)[1], 0.01, rtol=1e-12)


@pytest.mark.parametrize("epsilon", [0.01, 0.2, 1.0, 10.0, 1e3])
def test_sorted_quantile_is_an_entry_of_the_soft_sort(epsilon):
    losses = np.random.default_rng(6).chisquare(1, 60)
    expected = soft_sort(losses, epsilon)
    for position in range(1, 61):
        value, gradient, selection = sorted_quantile_loss(losses, position, epsilon)
        row = np.eye(60)[position - 1]
        value_, gradient_ = soft_sort_weights(losses, epsilon, row)
        assert_allclose(value, expected[position - 1], rtol=1e-13)
        assert_allclose(value, value_, rtol=1e-13)
        assert_allclose(gradient, gradient_, rtol=0, atol=1e-15)
        assert_array_equal(selection, gradient > 0)


def test_sorted_quantile_of_equal_losses():
    losses = [2.0, 7.0, 2.0, 2.0, 40.0]
    for epsilon in (0, 0.01, 0.1):  # nothing, or 7 and 40, are averaged
        value, gradient, selection = sorted_quantile_loss(losses, 2, epsilon)
        assert value == 2.0
        assert_allclose(gradient, [1 / 3, 0, 1 / 3, 1 / 3, 0], rtol=1e-15)
        assert_allclose(selection, gradient, rtol=1e-15)
    # The last of the equal losses and 7 are one block.
    value, gradient, selection = sorted_quantile_loss([2.0, 7, 2, 2], 3, 0.3)
    assert_allclose(value, soft_sort([2.0, 7, 2, 2], 0.3)[2], rtol=1e-15)
    assert_allclose(gradient, [1 / 6, 1 / 2, 1 / 6, 1 / 6], rtol=1e-15)
    assert_allclose(selection, [1 / 3, 1, 1 / 3, 1 / 3], rtol=1e-15)


@pytest.mark.parametrize("epsilon", [0, 1.0, 30.0, 1e9])
@pytest.mark.parametrize("quantile", QUANTILES)
def test_quantile_weights_are_repeats_and_zero_is_removed(quantile, epsilon):
    rng = np.random.default_rng(7)
    losses, counts = rng.chisquare(1, 50), rng.integers(0, 4, 50)
    position = int(counts.sum() // 2)
    value, gradient, selection = quantile(losses, position, epsilon, counts)
    row = np.repeat(np.arange(50), counts)
    expected = quantile(losses[row], position, epsilon)
    assert_allclose(value, expected[0], rtol=1e-14)
    assert_allclose(
        gradient, np.bincount(row, expected[1], minlength=50), rtol=0, atol=1e-15
    )
    assert_allclose(selection[row], expected[2], rtol=1e-14)
    kept = counts > 0
    assert not kept.all()
    removed = quantile(losses[kept], position, epsilon, counts[kept])
    assert_allclose(value, removed[0], rtol=1e-15)
    assert_allclose(selection[kept], removed[2], rtol=1e-15)
    assert selection.min() >= 0
    assert selection.max() <= 1


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=12),
    st.data(),
    st.sampled_from([0.0, 0.05, 0.3, 2.0, 1e3]),
)
def test_quantiles_are_monotone(losses, data, epsilon):
    losses = np.array(losses, dtype=float)
    i = data.draw(st.integers(0, losses.size - 1))
    larger = losses.copy()
    larger[i] += data.draw(st.floats(0.01, 5))
    for quantile in QUANTILES:
        values = [quantile(losses, h + 1, epsilon)[0] for h in range(losses.size)]
        assert (np.diff(values) >= -1e-12 * (1 + epsilon)).all()
    values = [quantile(x, h + 1, epsilon)[0] for x in (losses, larger) for h in (0,)]
    assert values[1] >= values[0] - 1e-12


def test_sorted_quantiles_sum_to_the_trimmed_sum():
    losses = np.random.default_rng(8).chisquare(1, 40)
    quantiles = [sorted_quantile_loss(losses, i + 1, 3.0)[0] for i in range(40)]
    for h in (1, 17, 40):
        trimmed = sorted_trimmed_loss(losses, h, 3.0)[0]
        assert_allclose(np.mean(quantiles[:h]), trimmed, rtol=1e-13)


@pytest.mark.parametrize("quantile", QUANTILES)
def test_bad_arguments(quantile):
    name = "n_kept" if quantile is selection_quantile_loss else "position"
    weights = "sample_weight" if name == "n_kept" else "counts"
    with pytest.raises(ValueError, match=rf"{name} must be above 0 and at most 2.*t 0"):
        quantile([1, 2], 0, 1)
    with pytest.raises(ValueError, match=rf"{name} must be above 0 and at most 2.*t 3"):
        quantile([1, 2], 3, 1)
    with pytest.raises(TypeError, match=rf"{name} must be a real number, got '1'"):
        quantile([1, 2], "1", 1)
    with pytest.raises(ValueError, match=rf"{weights} must be at least 0, got -1"):
        quantile([1, 2], 1, 1, [1, -1])
    with pytest.raises(ValueError, match=r"losses must be finite, got 1 NaN"):
        quantile([1, np.nan], 1, 1)
    with pytest.raises(ValueError, match=r"epsilon must be a finite number >= 0"):
        quantile([1, 2], 1, -1)
    if name == "position":
        with pytest.raises(ValueError, match=r"position must be a whole number, got 1"):
            quantile([1, 2], 1.5, 1)
        with pytest.raises(ValueError, match=r"overflow, rescale them"):
            quantile([0, 1e308], 1, 1)
