"""The kernel of many trimmed fits, against plain versions of what it does."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank.losses import selection_trimmed_loss
from sksoftrank.robust._lts_rows import TrimmedRows

SIZES = [(5, 1), (9, 2), (40, 3), (64, 7), (131, 12), (400, 60)]
WEIGHTS = [None, "whole", "fractions", "some zeros"]


def make_rows(n, q, weights=None, alpha=0.0, seed=0, far=1.0):
    """Rows with outliers, and for a seed always the same."""
    rng = np.random.default_rng([n, q, seed])
    X = rng.standard_normal((n, q))
    X[:, -1] = 1.0
    y = X.sum(axis=1) + rng.standard_normal(n)
    y[: n // 4] += 20 * far * rng.standard_normal(n // 4)
    X[: n // 8, 0] += 10 * far
    weight = {
        None: None,
        "whole": rng.integers(1, 4, n) * 1.0,
        "fractions": rng.uniform(0.5, 3, n),
        "some zeros": rng.integers(0, 3, n) * 1.0,
    }[weights]
    total = n if weight is None else weight.sum()
    kept = (total + q + 1) // 2
    return TrimmedRows(X, y, weight, min(kept, total), np.full(q, alpha))


def kept_masses(losses, kept, weight):
    """The weights of the smallest losses; ties at the end share what is left."""
    weight = np.ones(losses.size) if weight is None else weight
    mass = np.zeros(losses.size)
    for value in np.unique(losses[weight > 0]):
        tied = losses == value
        left = kept - mass.sum()
        if left <= 1e-12 * kept:
            break
        mass[tied] = weight[tied] * min(left / weight[tied].sum(), 1.0)
    return mass


def as_least_squares(rows, mass):
    """Matrix and right side of the penalised, weighted problem."""
    root = np.sqrt(mass)
    matrix, right = rows.rows * root[:, None], rows.y * root
    if rows.penalty is not None:
        size, axes = np.linalg.eigh(mass.sum() * rows.penalty)
        matrix = np.vstack([matrix, (axes * np.sqrt(np.maximum(size, 0))).T])
        right = np.append(right, np.zeros(size.size))
    return matrix, right


def least_squares(rows, mass):
    """By a decomposition of the rows, not of their squares."""
    return np.linalg.lstsq(*as_least_squares(rows, mass), rcond=1e-12)[0]


def losses_of(rows, z):
    return (rows.y - rows.rows @ z) ** 2


def value_of(rows, z, mass):
    value = mass @ losses_of(rows, z) / rows.n_kept
    if rows.penalty is not None:
        value += z @ rows.penalty @ z
    return 0.5 * value


@pytest.mark.parametrize(("n", "q"), SIZES)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_steps_and_values(n, q, weights, alpha):
    rows = make_rows(n, q, weights, alpha)
    start = np.random.default_rng(1).standard_normal((3, q))
    masses = [kept_masses(losses_of(rows, z), rows.n_kept, rows.weight) for z in start]
    values = [value_of(rows, *pair) for pair in zip(start, masses, strict=True)]
    assert_allclose(rows.evaluate(start), values, rtol=1e-9)

    last = start
    expected = np.array([least_squares(rows, mass) for mass in masses])
    assert_allclose(rows.concentrate(start, 1), expected, rtol=1e-7, atol=1e-7)
    found = rows.concentrate(start, 3, 0.5)
    for _ in range(2):
        ahead = expected + 0.5 * (expected - last)
        masses = [
            kept_masses(losses_of(rows, z), rows.n_kept, rows.weight) for z in ahead
        ]
        last = expected
        expected = np.array([least_squares(rows, mass) for mass in masses])
    assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert_array_equal(rows.concentrate(start, 0), start)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_steps_with_ties(weights):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 2, 60), np.ones(60)])
    y = rng.integers(0, 4, 60) * 1.0
    weight = None if weights is None else rng.uniform(0.5, 2, 60)
    rows = TrimmedRows(X, y, weight, 31, np.zeros(2))
    z = np.linalg.solve(rows.transform, [[0.0, 1.0], [1.0, 0.0]]).T
    masses = [kept_masses(losses_of(rows, z), 31, weight) for z in z]
    expected = np.array([least_squares(rows, mass) for mass in masses])
    assert_allclose(rows.concentrate(z, 1), expected, atol=1e-9)


@pytest.mark.parametrize("far", [1e3, 1e9])
def test_far_rows_that_leave_take_no_digits_along(far):
    rows = make_rows(60, 3, far=far)
    n_out = 60 // 4
    start = np.vstack(
        [
            least_squares(rows, (np.arange(60) < n_out) * 1.0),
            least_squares(rows, np.ones(60)),
        ]
    )
    found = rows.concentrate(start, 60)
    for z in found:
        mass = kept_masses(losses_of(rows, z), rows.n_kept, None)
        assert_allclose(z, least_squares(rows, mass), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_no_exchange_improves_on_the_end_of_a_descent(weights, alpha):
    for seed in range(3):
        rows = make_rows(24, 3, weights, alpha, seed)
        for start in np.random.default_rng(seed).standard_normal((4, 3)):
            z, value, n_steps = rows.descend(start)
            assert 1 <= n_steps < 500
            mass = kept_masses(losses_of(rows, z), rows.n_kept, rows.weight)
            assert_allclose(value, value_of(rows, z, mass), rtol=1e-9)
            mass = rows._whole(mass)
            assert_allclose(z, least_squares(rows, mass), rtol=1e-7, atol=1e-8)
            weight = rows.unit_weight
            for i, j in itertools.permutations(range(24), 2):
                part = min(mass[i], weight[j] - mass[j], 1.0)
                if part <= 0:
                    continue
                other = mass.copy()
                other[i] -= part
                other[j] += part
                better = value_of(rows, least_squares(rows, other), other)
                # Parts of rows are exchanged as whole ones are.
                assert better >= value * (1 - 1e-9) or part < 1


@pytest.mark.parametrize("n", [30, 400])
def test_descents_pass_over_more_rows_than_they_look_at(n):
    rows = make_rows(n, 4)
    z, value, _ = rows.descend(np.zeros(4))
    again, same, _ = rows.descend(z)
    assert_allclose(again, z, rtol=1e-9, atol=1e-9)
    assert_allclose(same, value, rtol=1e-9)
    assert value <= rows.evaluate(rows.concentrate(np.zeros((1, 4)), 100))[0] * (
        1 + 1e-9
    )


@pytest.mark.parametrize(("n", "q"), SIZES)
@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_fits_of_masses_of_draws_and_of_halves(n, q, alpha):
    rows = make_rows(n, q, alpha=alpha)
    rng = np.random.default_rng(0)
    masses = rng.uniform(size=(4, n))
    expected = [least_squares(rows, mass) for mass in masses]
    assert_allclose(rows.fit(masses), expected, rtol=1e-7, atol=1e-7)

    index = rng.integers(n, size=(4, 3 * q))
    counts = [np.bincount(i, minlength=n) * 1.0 for i in index]
    drawn = rows.fit_drawn(index)
    for z, mass in zip(drawn, counts, strict=True):
        best = least_squares(rows, mass)
        assert_allclose(rows.rows[mass > 0] @ (z - best), 0, atol=1e-5)

    for mass in (np.ones(n), rng.integers(0, 3, n) * 1.0):
        values = rng.standard_normal((4, n))
        halves = [kept_masses(v, mass.sum() / 2, mass) for v in values]
        for z, half in zip(rows.fit_halves(values, mass), halves, strict=True):
            best = least_squares(rows, half)
            assert_allclose(rows.rows[half > 0] @ (z - best), 0, atol=1e-5)


@pytest.mark.parametrize(("n", "q"), SIZES)
def test_exact_fits(n, q):
    rows = make_rows(n, q)
    index = np.random.default_rng(0).integers(n, size=(30, q + 6))
    fits, is_found = rows.fit_exactly(index, 1e-6)
    for z, drawn, found in zip(fits, index, is_found, strict=True):
        first = list(dict.fromkeys(drawn))[:q]
        assert found == (len(first) == q)
        if found:
            residual = rows.y[first] - rows.rows[first] @ z
            assert_allclose(residual, 0, atol=1e-7 * np.abs(rows.y).max())


def test_exact_fits_pass_over_dependent_rows():
    rows = make_rows(6, 2)
    rows.rows[1:3] = rows.rows[0] * np.array([[2.0], [1 + 1e-9]])
    rows.pack()
    fits, is_found = rows.fit_exactly(
        np.array([[0, 1, 2, 0, 4], [0, 1, 2, 0, 0]]), 1e-6
    )
    assert_array_equal(is_found, [True, False])
    assert_allclose(rows.rows[[0, 4]] @ fits[0], rows.y[[0, 4]])


@pytest.mark.parametrize(("n", "q"), SIZES[2:])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_smooth_fits(n, q, weights):
    rows = make_rows(n, q, weights, 0.1)
    start = np.random.default_rng(2).standard_normal((2, q))
    fits, masses, n_steps = rows.smooth(start, 1.5, 12.0, 0.0, 2)
    assert n_steps == 4
    for k, z in enumerate(start):
        for _ in range(2):
            losses = 0.5 * losses_of(rows, z) / 1.5**2
            p = selection_trimmed_loss(losses, rows.n_kept, 12.0, rows.weight)[2]
            mass = p * rows.unit_weight
            z = least_squares(rows, mass)
        assert_allclose(fits[k], z, rtol=1e-6, atol=1e-6)
        if k == 0:
            assert_allclose(masses, mass, rtol=1e-7, atol=1e-7)
    settled = rows.smooth(fits, 1.5, 12.0, 1e9, 15)[2]
    assert settled == 2  # each takes one step


def test_rows_that_vanish_or_overflow_do_no_harm():
    rows = make_rows(30, 3)
    rows.rows[:] = 0.0
    rows.pack()
    assert_array_equal(rows.concentrate(np.ones((1, 3)), 2), np.zeros((1, 3)))
    rows = make_rows(30, 3)
    rows.rows[0] = 1e300
    rows.pack()
    with np.errstate(all="raise"):
        value = rows.evaluate(np.array([[1e300, 1.0, 1.0], [0.0, 0.0, 0.0]]))
        rows.concentrate(np.array([[1e300, 1.0, 1.0]]), 3, 0.5)
        rows.descend(np.array([np.nan, 1.0, 1.0]))
    assert value[0] > 1e300
    assert np.isfinite(value[1])
