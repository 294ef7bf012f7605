"""The searches behind the trimmed losses: accuracy for many losses, and their work."""

import math

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from loss_cases import LOSSES, WEIGHTS, select_by_bisection, soft_sort_weights
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank._selection import select_row
from sksoftrank.losses import (
    selection_quantile_loss,
    selection_trimmed_loss,
    sorted_quantile_loss,
    sorted_trimmed_loss,
)
from sksoftrank.losses._choices import quantile_choice, trimmed_choice

N = 8000  # more than are searched directly

SHAPES = {
    "squares": lambda rng: rng.standard_normal(N) ** 2 / 2,
    "heavy tails": lambda rng: rng.standard_cauchy(N) ** 2,
    "outliers": lambda rng: np.where(
        rng.random(N) < 0.2, 1e24, rng.standard_normal(N) ** 2 / 2
    ),
    "36 decades": lambda rng: 10.0 ** rng.uniform(-12, 24, N),
    "sorted": lambda rng: np.sort(rng.random(N)),
    "reversed": lambda rng: np.sort(rng.random(N))[::-1],
    "periodic": lambda rng: np.sin(np.arange(N) / 7.0),
    "ties": lambda rng: rng.integers(0, 3, N).astype(float),
    "clusters": lambda rng: rng.integers(0, 5, N) + 1e-6 * rng.random(N),
    "equal": lambda rng: np.full(N, 0.3),
    "far from 0": lambda rng: 1e12 + rng.random(N),
}


def search(losses, weight, n_kept, epsilon, guess=np.nan):
    """Value, selection and number of losses looked at."""
    total = losses.size if weight is None else math.fsum(weight)
    selection = np.empty(losses.size)
    value, _, _, work = select_row(
        losses, weight, n_kept, total, epsilon, guess, selection, None
    )
    return value, selection, work


# The selection


@pytest.mark.slow
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_selection_of_many_is_accurate(shape, weights):
    rng = np.random.default_rng(0)
    losses = np.ascontiguousarray(SHAPES[shape](rng))
    weight = WEIGHTS[weights](rng, N)
    weight = None if weight is None else weight.astype(float)
    ones = np.ones(N) if weight is None else weight
    scale = np.ptp(losses[np.abs(losses) <= np.median(np.abs(losses))]) or 1.0
    for share in (0.501, 0.97):
        n_kept = np.floor(share * ones.sum())
        for exponent in (-12, -3, 0, 1, 12):
            epsilon = 10.0**exponent * scale
            _, selection, _ = search(losses, weight, n_kept, epsilon)
            expected = select_by_bisection(losses, n_kept, epsilon, ones)
            # One loss may take the rounding of the sums of all weights.
            assert_allclose(selection, expected.astype(float), rtol=0, atol=5e-12)
            total = np.sum(ones * selection, dtype=np.longdouble)
            assert_allclose(float(total), n_kept, rtol=2e-15)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_hard_selection_of_many(shape, weights):
    rng = np.random.default_rng(1)
    losses = np.ascontiguousarray(SHAPES[shape](rng))
    weight = WEIGHTS[weights](rng, N)
    weight = None if weight is None else weight.astype(float)
    ones = np.ones(N) if weight is None else weight
    order = np.argsort(losses)
    cumulated = np.cumsum(ones[order])
    for share in (0.001, 0.5, 0.97, 0.99999):
        n_kept = share * ones.sum() + 1e-3
        value, selection, _ = search(losses, weight, n_kept, 0.0)
        boundary = losses[order[np.searchsorted(cumulated, n_kept)]]
        assert_array_equal(selection[losses < boundary], 1)
        assert_array_equal(selection[losses > boundary], 0)
        assert np.ptp(selection[losses == boundary]) == 0
        assert_allclose(ones @ selection, n_kept, rtol=1e-12)
        assert_allclose(value, ones * selection @ losses / n_kept, rtol=1e-12)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("epsilon", [0.0, 1e-6, 0.01, 1.0, 10.0, 1e6])
def test_selection_looks_at_each_loss_about_twice(weights, epsilon):
    rng = np.random.default_rng(2)
    n = 200_000
    for losses in (rng.chisquare(1, n), np.sort(rng.chisquare(1, n)[::-1])):
        weight = WEIGHTS[weights](rng, n)
        weight = None if weight is None else weight.astype(float)
        n_kept = 0.5 * (n if weight is None else weight.sum())
        assert search(losses, weight, n_kept, epsilon)[2] < 3.5 * n


def test_few_passes_where_no_loss_is_kept_in_part():
    # The right offsets are an interval.
    losses = np.arange(4000.0)
    for n_kept in (1000, 1234, 3999):
        _, selection, work = search(losses, None, n_kept, 1e-3)
        assert_array_equal(selection, losses < n_kept)
        assert work < 15 * losses.size


@pytest.mark.parametrize("n_values", [2, 6, 50])
def test_selection_of_neighbouring_doubles(n_values):
    unit = np.spacing(1e12)
    losses = 1e12 + unit * np.random.default_rng(11).integers(0, n_values, N)
    for epsilon in unit * np.array([0.1, 0.3, 1, 1.5, 3, 7.3]):
        for share in (0.1, 0.31, 0.5, 0.77):
            selection = search(losses, None, share * N, epsilon)[1]
            expected = select_by_bisection(losses, share * N, epsilon, np.ones(N))
            assert_allclose(selection, expected.astype(float), rtol=0, atol=1e-11)


def test_losses_far_below_the_threshold_are_kept_whole():
    rng = np.random.default_rng(13)
    losses = np.sort(rng.random(40))
    for n_kept in rng.uniform(12, 38, 300):
        selection = search(losses, None, n_kept, 0.01)[1]
        assert_array_equal(selection[:10], 1)


def test_sums_over_many_do_not_lose_digits():
    # Rounding is the same for each of the equal terms.
    losses, weight = np.full(2**21, 0.7), np.full(2**21, 0.1)
    value, selection, _ = search(losses, weight, 0.3 * 2**20 / 10, 1.0)
    assert_allclose(value, 0.7, rtol=1e-15)
    assert_allclose(selection, 0.15, rtol=1e-15)


def test_guess_saves_work_and_changes_nothing():
    losses = np.random.default_rng(3).chisquare(1, 4000)
    _, _, threshold = trimmed_choice(losses, None, 2000.0, 1.0)
    cold = search(losses, None, 2000.0, 1.0)[2]
    warm = search(losses, None, 2000.0, 1.0, threshold * 1.001)[2]
    assert warm <= 4 * losses.size < cold
    for n in (4000, N):
        losses = np.random.default_rng(3).chisquare(1, n)
        expected = search(losses, None, n / 2, 1.0)[1]
        for guess in (threshold, 0.0, -1.5, 1e300, -1e300, np.inf, np.nan):
            selection = search(losses, None, n / 2, 1.0, guess)[1]
            assert_allclose(selection, expected, rtol=0, atol=2e-15)


def test_selection_is_right_where_the_sample_misleads():
    # One loss has half of all the weight.
    rng = np.random.default_rng(4)
    losses, weight = rng.chisquare(1, N), np.ones(N)
    for heavy in (17, 4321):
        weight[:] = 1.0
        weight[heavy] = 3.0 * N
        n_kept = 2.0 * N
        for epsilon in (0.0, 1e-9, 0.1, 10.0):
            _, selection, work = search(losses, weight, n_kept, epsilon)
            if epsilon:
                expected = select_by_bisection(losses, n_kept, epsilon, weight)
                assert_allclose(selection, expected.astype(float), rtol=0, atol=1e-13)
            assert_allclose(weight @ selection, n_kept, rtol=1e-14)
            assert work > 3 * N  # all losses were open in the end


def test_selection_is_right_where_the_threshold_is_outside_the_window():
    # The weight is too little to move the hard boundary out of it.
    losses, weight = np.arange(N) / N, np.ones(N)
    weight[int(0.382 * N)] = 0.05 * N
    for threshold in (0.3855, 0.3865, 0.3872, 0.39):
        n_kept = weight @ np.clip((threshold - losses) / 0.008, 0, 1)
        selection = search(losses, weight, n_kept, 0.008)[1]
        expected = np.clip((threshold - losses) / 0.008, 0, 1)
        assert_allclose(selection, expected, rtol=0, atol=1e-11)


def test_distances_that_overflow():
    losses = np.array([6e269, 1.0, 1e76, 2.0, 3.0])
    for n_kept in (1, 2, 3, 4):
        selection = selection_trimmed_loss(losses, n_kept, 1e-300)[2]
        expected = np.argsort(np.argsort(losses)) < n_kept
        assert_allclose(selection, expected, rtol=0, atol=1e-15)


def test_out_is_written_and_threshold_returned():
    losses = np.random.default_rng(5).chisquare(1, 100)
    out = np.empty(100)
    value, selection, threshold = trimmed_choice(losses, None, 40.0, 2.0, out=out)
    assert selection is out
    assert_allclose(out, np.clip((threshold - losses) / 2, 0, 1), rtol=0, atol=1e-15)
    expected = selection_trimmed_loss(losses, 40.0, 2.0)
    assert value == expected[0]
    assert_array_equal(out, expected[2])
    assert quantile_choice(losses, None, 40.0, 2.0)[3] == threshold
    assert trimmed_choice(losses, None, 40.0, 0.0)[2] == np.sort(losses)[39]
    assert trimmed_choice(losses, None, 100.0, 2.0)[2] == np.inf


LOSS_VALUES = st.one_of(
    st.integers(0, 4).map(float),
    st.floats(0, 10),
    st.builds(lambda s, e: s * 10.0**e, st.floats(0.1, 1), st.integers(-300, 300)),
)
EPSILONS = st.sampled_from([0.0, 1e-300, 1e-9, 0.1, 1.0, 30.0, 1e9, 1e300])


@given(st.lists(LOSS_VALUES, min_size=1, max_size=30), EPSILONS, st.data())
def test_selection_properties(losses, epsilon, data):
    losses = np.array(losses)
    counts = data.draw(
        st.lists(st.integers(0, 3), min_size=losses.size, max_size=losses.size)
    )
    counts = np.maximum(counts, np.arange(losses.size) == 0)
    n_kept = data.draw(st.integers(1, int(counts.sum())))
    value, _, selection = selection_trimmed_loss(losses, n_kept, epsilon, counts)
    assert_allclose(counts @ selection, n_kept, rtol=1e-14)
    assert selection.min() >= 0
    assert selection.max() <= 1
    order = np.argsort(losses)
    assert (np.diff(selection[order]) <= 1e-15).all()
    repeated = np.repeat(losses, counts)
    size = np.abs(repeated).max()
    smallest = np.sort(repeated)[:n_kept].mean()
    assert value >= smallest - 1e-13 * size
    assert value <= repeated.mean() + 1e-13 * size
    for other in (repeated, data.draw(st.permutations(repeated.tolist()))):
        expected = selection_trimmed_loss(other, n_kept, epsilon)[0]
        assert_allclose(value, expected, rtol=1e-12, atol=1e-14 * smallest)


# The block of the soft sort


def soft_sort_of(losses, epsilon, n_kept, counts=None):
    row = slice(None) if counts is None else np.repeat(np.arange(losses.size), counts)
    kept = np.zeros(losses[row].size)
    kept[:n_kept] = 1 / n_kept
    value, gradient = soft_sort_weights(losses[row], epsilon, kept)
    if counts is not None:
        gradient = np.bincount(row, gradient, minlength=losses.size)
    return value, gradient


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_sorted_loss_of_many_is_that_of_the_full_sort(shape):
    rng = np.random.default_rng(6)
    losses = np.ascontiguousarray(SHAPES[shape](rng))[:6000]
    losses = losses / (np.median(np.abs(losses)) or 1.0)
    spread = np.ptp(losses) or 1.0
    for n_kept in (60, 3000, 5900):
        for exponent in (-1, 1, 2, 3, 3.5, 4, 8):
            epsilon = 10.0**exponent / spread
            value, gradient, _ = sorted_trimmed_loss(losses, n_kept, epsilon)
            expected, expected_gradient = soft_sort_of(losses, epsilon, n_kept)
            size = np.abs(losses) @ expected_gradient
            assert_allclose(value, expected, rtol=1e-12, atol=1e-14 * size)
            assert_allclose(
                n_kept * gradient, n_kept * expected_gradient, rtol=0, atol=1e-12
            )


def test_blocks_of_losses_of_all_scales():
    losses = 10.0 ** np.random.default_rng(8).uniform(-300, 3, 4000)
    for n_kept, epsilon in ((2000, 1.0), (3500, 30.0), (3980, 1e3)):
        value, gradient, selection = sorted_trimmed_loss(losses, n_kept, epsilon)
        expected, expected_gradient = soft_sort_of(losses, epsilon, n_kept)
        assert_allclose(value, expected, rtol=1e-12)
        assert_allclose(gradient, expected_gradient, rtol=0, atol=1e-15)
    assert np.count_nonzero((selection > 0) & (selection < 1)) > 1


def check_block(losses, counts, position, epsilon):
    losses = np.array(losses, dtype=float)
    counts = np.array(counts)
    row = np.repeat(np.arange(losses.size), counts)
    size = np.abs(losses[row]).max()
    value, gradient, _ = sorted_trimmed_loss(losses, position, epsilon, counts)
    expected, _ = soft_sort_of(losses, epsilon, position, counts)
    assert_allclose(value, expected, rtol=1e-12, atol=1e-13 * size)
    assert_allclose(gradient.sum(), 1, rtol=1e-14)
    repeated = sorted_trimmed_loss(losses[row], position, epsilon)
    assert_allclose(value, repeated[0], rtol=1e-12, atol=1e-13 * size)

    value, gradient, _ = sorted_quantile_loss(losses, position, epsilon, counts)
    expected = reference.fast_soft_sort(losses[row], epsilon).values[position - 1]
    assert_allclose(value, float(expected), rtol=1e-12, atol=1e-13 * size)
    assert_allclose(gradient.sum(), 1, rtol=1e-14)
    repeated = sorted_quantile_loss(losses[row], position, epsilon)[0]
    assert_allclose(value, repeated, rtol=1e-12, atol=1e-13 * size)


@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_blocks_by_runs(n, losses):
    rng = np.random.default_rng(n)
    losses, counts = LOSSES[losses](rng, n), WEIGHTS["counts"](rng, n)
    spread = np.ptp(losses) or 1.0
    for position in {1, (counts.sum() + 1) // 2, counts.sum()}:
        for exponent in (-1, 0.03, 0.1, 0.5, 1, 1.5, 2, 4, 20):
            check_block(losses, counts, int(position), 10.0**exponent / spread)


def test_ends_of_random_blocks():
    rng = np.random.default_rng(12)
    for _ in range(1000):
        n = int(rng.integers(5, 60))
        losses = rng.random(n) + 5 * rng.choice([0, 1]) * (rng.random(n) < 0.5)
        n_kept, epsilon = int(rng.integers(1, n)), 10.0 ** rng.uniform(0, 2)
        value, gradient, _ = sorted_trimmed_loss(losses, n_kept, epsilon)
        expected, expected_gradient = soft_sort_of(losses, epsilon, n_kept)
        assert_allclose(value, expected, rtol=1e-13)
        assert_allclose(gradient, expected_gradient, rtol=0, atol=1e-14)


def test_many_random_blocks():
    rng = np.random.default_rng(9)
    for _ in range(300):
        n = int(rng.integers(2, 40))
        losses = rng.integers(0, 30, n) ** 2.0 + rng.choice([0, 1e-9]) * rng.random(n)
        counts = rng.integers(0, 3, n) + (np.arange(n) == 0)
        position = int(rng.integers(1, counts.sum() + 1))
        check_block(losses, counts, position, 10.0 ** rng.uniform(-3, 1))


def test_counts_are_not_written_out():
    losses, counts = np.array([1.0, 4.0, 2.0, 900.0]), [3e8, 2e8, 4e8, 1e8]
    # With so many repeats nothing but the far losses is averaged, at both ends.
    value, gradient, selection = sorted_trimmed_loss(losses, 7 * 10**8, 1e4, counts)
    assert_allclose(selection, [1, 0, 1, 0], rtol=1e-4, atol=1e-4)
    assert_allclose(value, 11 / 7, rtol=1e-4)
    value, gradient, selection = sorted_trimmed_loss(losses, 7 * 10**8, 1e30, counts)
    assert_allclose(selection, 0.7, rtol=1e-14)
    assert_allclose(value, np.average(losses, weights=counts), rtol=1e-14)
    assert_allclose(gradient, np.array(counts) / 1e9, rtol=1e-14)


def test_equal_losses_share_what_is_kept_of_them():
    losses = np.array([2.0, 7.0, 2.0, 2.0, 7.0])
    for epsilon in (0, 0.01, 0.19):
        selection = sorted_trimmed_loss(losses, 2, epsilon)[2]
        assert_allclose(selection, [2 / 3, 0, 2 / 3, 2 / 3, 0], rtol=1e-15)
    # One of the 2 and one of the 7 are averaged.
    selection = sorted_trimmed_loss(losses, 3, 0.25)[2]
    assert_allclose(selection, [5 / 6, 1 / 4, 5 / 6, 5 / 6, 1 / 4], rtol=1e-15)


def test_quantile_of_many_losses():
    losses = np.random.default_rng(10).chisquare(1, N)
    for epsilon in (1e-3, 1.0):
        value = selection_quantile_loss(losses, N / 2, epsilon)[0]
        part = select_by_bisection(losses, N / 2, epsilon, np.ones(N))
        i = np.argmin(np.abs(part - 0.5))
        expected = losses[i] + epsilon * (part[i] - np.longdouble(0.5))
        assert_allclose(value, float(expected), rtol=1e-13)
