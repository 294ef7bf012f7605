"""The search for the minimum of least trimmed squares."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from test_trimmed_fits import as_least_squares

from sksoftrank import SoftLTSRegressor
from sksoftrank.linear._design import LinearDesign
from sksoftrank.losses import selection_trimmed_loss
from sksoftrank.robust import _lts_search
from sksoftrank.robust._lts_rows import TrimmedRows
from sksoftrank.robust._lts_search import least_squares_start, lts_search
from sksoftrank.robust._lts_starts import (
    elemental_fits,
    huber_fits,
    projection_fits,
    resampled_sensitivity_fits,
    sensitivity_fits,
    subset_fits,
)
from sksoftrank.robust._lts_steps import concentrate
from sksoftrank.robust._normal_equations import Equations, select, solve

CLASSIC = Path(__file__).parents[2] / "shared/reference/lts_reference.json"

CONTROL = {"max_iter": 1000, "tol": 1e-8}


def data(n=60, p=3, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n, p))
    return X, X.sum(axis=1) + rng.standard_normal(n)


def bad_leverage(n, p, fraction, distance, seed=0):
    """A fraction of the rows at a distance in one direction, with targets to match."""
    X, y = data(n, p, seed)
    bad = np.arange(n) < fraction * n
    X[bad, 0] += distance
    y[bad] -= 2 * distance
    return X, y, bad


def default_n_kept(n, p):
    return (n + p + 2) // 2


def search(X, y, n_kept, *, weight=None, alpha=0.0, seed=0, start=lts_search, **kwargs):
    """Coefficients, intercept and objective that a start finds."""
    weight = np.ones(len(y)) if weight is None else weight
    fit_intercept = kwargs.pop("fit_intercept", True)
    design = LinearDesign(X, weight, fit_intercept=fit_intercept, alpha=alpha)
    if start is lts_search:
        kwargs["random_state"] = np.random.RandomState(seed)
    z, n_fits, message, *_ = start(design, y, weight, n_kept, **(CONTROL | kwargs))
    assert np.isfinite(z).all()
    assert n_fits >= 0
    assert message is None
    residual = y - design.predict(z)
    value = selection_trimmed_loss(0.5 * residual**2, n_kept, 0.0, weight)[0]
    coef, intercept = design.coefficients(z)
    return coef, intercept, value + 0.5 * design.penalty @ z**2


def trimmed_rows(X, y, n_kept, weight=None, alpha=0.0):
    unit = np.ones(len(y)) if weight is None else weight
    design = LinearDesign(X, unit, fit_intercept=True, alpha=alpha)
    rows = design.rows(np.arange(len(y)))
    return TrimmedRows(rows, y, weight, n_kept, design.penalty)


def weighted_squares(rows, mass):
    """Minimum of the penalised, weighted sum of squares, by a dense solver."""
    matrix, right = as_least_squares(rows, mass)
    z = np.linalg.lstsq(matrix, right, rcond=None)[0]
    return ((matrix @ z - right) ** 2).sum()


# Rows, steps, exchanges


@pytest.mark.parametrize("n_kept", [1, 4, 6.5, 10])
def test_select_keeps_the_smallest(n_kept):
    rng = np.random.RandomState(0)
    losses = rng.randint(5, size=(50, 10)).astype(float)
    for weight in (None, np.ones(10), np.array([0, 1, 2, 0.5, 1, 0, 3, 1, 1, 0.5])):
        masses = select(losses, n_kept, weight)
        for row, mass in zip(losses, masses, strict=True):
            _, _, selection = selection_trimmed_loss(row, n_kept, 0.0, weight)
            expected = selection if weight is None else selection * weight
            assert_allclose(mass, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_steps_lead_down_to_a_fixed_point(alpha, momentum):
    X, y = data(200)
    rows = trimmed_rows(X, y, 110, alpha=alpha)
    z = elemental_fits(rows, 20, np.random.RandomState(0))
    values = [rows.evaluate(z)]
    for _ in range(5):
        z = rows.concentrate(z, 1)
        values.append(rows.evaluate(z))
    assert (np.diff(values, axis=0) <= 1e-12).all()
    assert (values[-1] < 0.9 * values[0]).all()
    z = rows.concentrate(rows.concentrate(z, 100, momentum), 50)
    assert_allclose(rows.concentrate(z, 1), z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize(
    ("n_kept", "weights"), [(7, None), (15, None), (25, (1, 4)), (60, (3, 6))]
)
def test_exchange_is_the_best_of_all(n_kept, weights, alpha):
    for seed in range(4):
        X, y = data(30, seed=seed)
        weight = weights and np.random.RandomState(1).randint(*weights, size=30) * 1.0
        rows = trimmed_rows(X, y, n_kept, weight, alpha)
        z = rows.concentrate(elemental_fits(rows, 1, np.random.RandomState(2)), 30)
        losses = rows.losses(z)
        mass = rows._whole(rows.select(losses)[0])
        change = rows._exchange(z[0], losses[0], mass, Equations(rows, mass))

        before = weighted_squares(rows, mass)
        best = before
        for i, j in itertools.permutations(range(30), 2):
            if mass[i] > 0 and mass[j] < rows.unit_weight[j]:
                other = mass.copy()
                other[i] -= 1
                other[j] += 1
                best = min(best, weighted_squares(rows, other))
        if best < before * (1 - 1e-9):
            found = weighted_squares(rows, mass + change)
            assert_allclose(found, best, rtol=1e-9, err_msg=f"seed {seed}")
        else:
            assert change is None, seed


def test_exchange_improves_a_fixed_point_of_the_steps():
    X, y = data(40)
    rows = trimmed_rows(X, y, 22)
    z = rows.concentrate(elemental_fits(rows, 30, np.random.RandomState(0)), 60)
    minima = np.array([rows.descend(start)[1] for start in z])
    assert (minima <= rows.evaluate(z) * (1 + 1e-9)).all()
    assert (minima < 0.99 * rows.evaluate(z)).sum() > 10
    again = np.array([rows.descend(rows.descend(start)[0])[1] for start in z])
    assert_allclose(again, minima, rtol=1e-9)


def test_tied_rows_share_nothing_before_an_exchange():
    rows = trimmed_rows(*data(6), 4.0, np.array([1.0, 2, 1, 1, 1, 1]))
    masses = rows.select(np.array([[0.0, 1, 1, 1, 2, 2]]))
    assert_allclose(masses, [[1, 1.5, 0.75, 0.75, 0, 0]])
    assert_allclose(rows._whole(masses[0]), [1, 2, 1, 0, 0, 0])


def test_fits_of_parts_are_penalised():
    X, y = data(20)
    rows = trimmed_rows(X, y, 12, alpha=0.5)
    masses = np.zeros((1, 20))
    masses[0, 7] = 1  # all draws are of this row
    row = rows.rows[7]
    gram = np.outer(row, row) + rows.penalty
    expected = np.linalg.solve(gram, y[7] * row)
    fits = subset_fits(rows, masses, 3, 5, np.random.RandomState(0))
    assert_allclose(rows.rows @ fits.T, (rows.rows @ expected)[:, None] + np.zeros(3))


# The minimum


@pytest.mark.parametrize("seed", range(3))
def test_bad_leverage_in_many_features(seed):
    # Fits of the search come from conjugate gradients; few digits mislead it here.
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((1000, 66))
    y = X.sum(axis=1) + 0.5 * rng.standard_normal(1000)
    X[:200] += 10.0
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    assert not model.inlier_mask_[:200].any()
    assert_allclose(model.coef_, 1, rtol=0, atol=0.15)


def test_conjugate_gradients_are_least_squares():
    X, y = data(600, 70)
    rows = trimmed_rows(X, y, 320, alpha=0.2)
    assert not rows.is_exact
    masses = (np.random.RandomState(0).random_sample((6, 600)) < 0.6).astype(float)
    masses[5] = np.arange(600) < 20  # so few rows get a matrix of their own

    for mass, found in zip(masses, rows.fit(masses), strict=True):
        expected = solve(*rows.normal_equations(mass[None]))[0]
        least = _penalised(rows, expected, mass)
        assert least <= _penalised(rows, found, mass) <= least * (1 + 1e-4)


def _penalised(rows, z, mass):
    return mass @ rows.losses(z[None])[0] + mass.sum() * z @ rows.penalty @ z


def test_updates_of_normal_equations():
    X, y = data(600, 70)
    rows = trimmed_rows(X, y, 330)
    assert not rows.is_exact
    mass = np.zeros(600)
    mass[:330] = 1
    equations = Equations(rows, mass)
    equations.leverage()
    for i in range(6):
        change = np.zeros(600)
        change[[i, 340 + i]] = -1, 1
        mass = mass + change
        equations.update(change)
    fresh = Equations(rows, mass)
    assert_allclose(equations.leverage(), fresh.leverage(), rtol=1e-9)
    assert_allclose(equations.solution(), fresh.solution(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_search_improves_on_many_starts(seed):
    X, y = data(120, 6, seed)
    n_kept = default_n_kept(120, 6)
    rows = trimmed_rows(X, y, n_kept)
    z = elemental_fits(rows, 200, np.random.RandomState(seed))
    z = rows.concentrate(z, 10)
    best = min(rows.descend(start)[1] for start in z)
    assert search(X, y, n_kept, n_init=0, seed=seed)[2] <= best * (1 + 1e-9)


@pytest.mark.slow
def test_thorough_search_hardly_depends_on_the_seed():
    quick, thorough = [], []
    for seed in range(3):
        X, y = data(1000, 10, seed)
        for search_seed in range(3):
            arguments = {"n_kept": default_n_kept(1000, 10), "seed": search_seed}
            quick.append(search(X, y, **arguments)[2])
            thorough.append(search(X, y, thorough=True, **arguments)[2])
    thorough, quick = np.reshape(thorough, (3, 3)), np.reshape(quick, (3, 3))
    best = thorough.min(axis=1, keepdims=True)
    assert (thorough <= best * (1 + 1e-9)).mean() >= 8 / 9
    assert (quick >= best * (1 - 1e-9)).all()
    assert (quick > best * (1 + 1e-6)).any()


@pytest.mark.parametrize("alpha", [0.0, 0.2])
@pytest.mark.parametrize("seed", range(5))
def test_search_finds_the_global_minimum(seed, alpha):
    X, y = data(13, 2, seed)
    y[:4] += 5
    rows = np.column_stack([X, np.ones(13)])
    penalty = np.append(np.sqrt(8 * alpha) * X.std(axis=0), 0.0)
    best = np.inf
    for kept in itertools.combinations(range(13), 8):
        matrix = np.vstack([rows[list(kept)], np.diag(penalty)])
        right = np.append(y[list(kept)], np.zeros(3))
        z = np.linalg.lstsq(matrix, right, rcond=None)[0]
        best = min(best, ((matrix @ z - right) ** 2).sum() / 16)
    assert_allclose(search(X, y, 8, alpha=alpha, seed=seed)[2], best, rtol=1e-9)


@pytest.mark.skipif(not CLASSIC.exists(), reason="no ../shared/reference")
@pytest.mark.parametrize("seeds", [range(2), slow(range(2, 10))])
@pytest.mark.parametrize("trim", ["0.5", "0.75"])
@pytest.mark.parametrize("name", ["stackloss", "starsCYG", "telef", "coleman", "hbk"])
def test_classic_sets(name, trim, seeds):
    classic = json.loads(CLASSIC.read_text())["sets"][name]
    best = classic[f"best_known_alpha{trim}"]
    X = np.reshape(np.array(classic["X"], dtype=float), (classic["n"], -1))
    y = np.array(classic["y"], dtype=float)
    y -= np.median(y)
    for seed in seeds:
        value = search(X, y, best["h"], seed=seed)[2]
        assert_allclose(2 * value, best["objective_mean_h"], rtol=1e-6)


@pytest.mark.parametrize(
    ("n", "p", "fraction"), [(100, 5, 0.3), (500, 20, 0.2), (5000, 10, 0.3)]
)
def test_bad_leverage(n, p, fraction):
    X, y, bad = bad_leverage(n, p, fraction, 10)
    n_kept = default_n_kept(n, p)
    coef, intercept, value = search(X, y, n_kept, n_init=0)
    residual = np.abs(y - X @ coef - intercept)
    assert not bad[np.argsort(residual)[:n_kept]].any()
    assert search(X, y, n_kept, start=least_squares_start)[2] > 1.5 * value


def test_sensitivity_components_are_those_of_fits_without_single_rows():
    X, y, _ = bad_leverage(20, 2, 0.2, 8)
    matrix = np.column_stack([X, np.ones(20)])

    def least_squares(kept):
        return matrix @ np.linalg.lstsq(matrix[kept], y[kept], rcond=None)[0]

    everything = np.arange(20)
    fitted = least_squares(everything)
    without = [least_squares(np.delete(everything, i)) for i in everything]
    change = fitted - np.array(without)  # row j: without row j
    # How often each component occurs among the changes of the fit at single rows.
    shifts = change.T @ change
    components = np.linalg.eigh(shifts)[1][:, -3:]

    expected = [fitted]
    for component in components.T:
        for extreme in (component, -component, np.abs(component)):
            expected.append(least_squares(np.argsort(extreme)[:10]))
    rows = trimmed_rows(X, y, 12)
    found = rows.rows @ sensitivity_fits(rows, n_rounds=1).T
    for fit in expected:
        assert np.abs(found - fit[:, None]).max(axis=0).min() < 1e-9
    assert found.shape[1] == len(expected)


def test_iterations_find_the_projection_of_a_cluster():
    for fraction in (0.2, 0.3, 0.4):
        X, y, bad = bad_leverage(400, 20, fraction, 6)
        rows = trimmed_rows(X, y, 211)
        z = rows.concentrate(projection_fits(rows, huber_fits(rows)), 3)
        masses = rows.select(rows.losses(z))
        assert masses[:, bad].sum(axis=1).min() == 0


@pytest.mark.parametrize("make", [sensitivity_fits, projection_fits])
@pytest.mark.parametrize("fraction", [0.1, 0.2])
def test_deterministic_starts_unmask(fraction, make):
    X, y, bad = bad_leverage(300, 5, fraction, 20)
    if make is sensitivity_fits:  # a cluster that is narrow in all directions
        X[bad] = 20 + 0.01 * X[bad]
        y[bad] = -40 + 0.01 * y[bad]
    rows = trimmed_rows(X, y, 153)
    huber = huber_fits(rows)
    found = make(rows) if make is sensitivity_fits else make(rows, huber)
    for fits, unmasked in ((found, True), (huber, False)):
        z = rows.concentrate(fits, 3)
        best = rows.evaluate(z).argmin()
        masses = rows.select(rows.losses(z[best : best + 1]))[0]
        assert (masses[bad].sum() == 0) == unmasked


@pytest.mark.parametrize("n", [80, 1000, 20_000])
def test_result_is_a_fixed_point(n):
    X, y, _ = bad_leverage(n, 4, 0.2, 5)
    n_kept = default_n_kept(n, 4)
    for start in (lts_search, least_squares_start):
        coef, intercept, value = search(X, y, n_kept, start=start)
        kept = np.argsort(np.abs(y - X @ coef - intercept))[:n_kept]
        rows = np.column_stack([X, np.ones(n)])
        expected = np.linalg.lstsq(rows[kept], y[kept], rcond=None)[0]
        assert_allclose(np.append(coef, intercept), expected, rtol=0, atol=1e-8)
        residual = y[kept] - rows[kept] @ expected
        assert_allclose(value, 0.5 * np.mean(residual**2), rtol=1e-10)


def test_steps_on_all_rows_agree_with_those_next_to_the_boundary():
    X, y = data(30_000)
    weight = np.random.RandomState(0).randint(3, size=30_000).astype(float)
    design = LinearDesign(X, weight, fit_intercept=True, alpha=0.1)
    n_kept = weight.sum() / 2 + 0.25
    z = np.array([0.3, 0.0, 0.0, 0.1])
    for _ in range(300):
        residual = y - design.predict(z)
        _, row_weight, _ = selection_trimmed_loss(residual**2, n_kept, 0.0, weight)
        gradient = design.penalty * z - design.pull_back(row_weight * residual)
        z = z + design.newton_step(z, y, gradient, row_weight)
    start = np.array([0.3, 0.0, 0.0, 0.1])
    found, value, _, message, _ = concentrate(
        design, y, weight, n_kept, start, max_iter=1000, tol=1e-10
    )
    assert message is None
    # Hard fits of so many rows have ends side by side, within a standard error of .017.
    assert_allclose(found, z, rtol=0, atol=0.01)
    residual = y - design.predict(z)
    expected = selection_trimmed_loss(0.5 * residual**2, n_kept, 0.0, weight)[0]
    expected += 0.5 * design.penalty @ z**2
    assert_allclose(value, expected, rtol=1e-5)
    index = np.arange(y.size)
    again, _, n_fits, *_ = concentrate(
        design.take(index), y, weight, n_kept, found, max_iter=5, tol=1e-8
    )
    assert n_fits == 0
    assert_array_equal(again, found)


def test_message_when_the_steps_are_not_enough():
    X, y, _ = bad_leverage(200, 4, 0.2, 5)
    design = LinearDesign(X, np.ones(200), fit_intercept=True, alpha=0.0)
    data_ = design, y, np.ones(200), 103
    start = least_squares_start(*data_, max_iter=1, tol=1e-8)
    assert start.message == "1 concentration steps were not enough."
    assert np.isfinite(start.z).all()


# Equivariance, weights, random numbers


@pytest.mark.parametrize("n", [60, 900, 3000])
def test_equivariance(n):
    X, y, _ = bad_leverage(n, 4, 0.2, 8)
    n_kept = default_n_kept(n, 4)
    coef, intercept, value = search(X, y, n_kept)
    rng = np.random.RandomState(3)
    shift, slope = 5.0, rng.standard_normal(4)

    other = search(X, y + X @ slope + shift, n_kept)
    assert_allclose(other[0], coef + slope, rtol=0, atol=1e-8)
    assert_allclose(other[1], intercept + shift, rtol=0, atol=1e-8)
    other = search(X, 1e-30 * y, n_kept)
    assert_allclose(other[0], 1e-30 * coef, rtol=1e-8)
    assert_allclose(other[2], 1e-60 * value, rtol=1e-8)
    matrix = rng.standard_normal((4, 4))
    other = search(X @ matrix + 3.0, y, n_kept)
    assert_allclose(other[0], np.linalg.solve(matrix, coef), rtol=0, atol=1e-8)
    assert_allclose(other[2], value, rtol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize(("n", "rtol"), [(50, 1e-8), (2000, 1e-3)])
def test_weights_are_repeats(n, rtol, alpha):
    # For many rows, the steps next to the boundary may lead to a minimum nearby.
    X, y, _ = bad_leverage(n, 3, 0.2, 8)
    weight = np.random.RandomState(0).randint(4, size=n).astype(float)
    repeats = np.repeat(np.arange(n), weight.astype(int))
    n_kept = default_n_kept(repeats.size, 3)
    for start in (lts_search, least_squares_start):
        weighted = search(X, y, n_kept, weight=weight, alpha=alpha, start=start)
        repeated = search(X[repeats], y[repeats], n_kept, alpha=alpha, start=start)
        assert_allclose(weighted[0], repeated[0], rtol=0, atol=50 * rtol)
        assert_allclose(weighted[1], repeated[1], rtol=0, atol=50 * rtol)
        assert_allclose(weighted[2], repeated[2], rtol=rtol)


def test_starts_treat_weights_as_repeats():
    X, y, _ = bad_leverage(60, 3, 0.2, 8)
    weight = np.random.RandomState(0).randint(4, size=60).astype(float)
    repeats = np.repeat(np.arange(60), weight.astype(int))
    weighted = trimmed_rows(X, y, 50.0, weight)
    repeated = trimmed_rows(X[repeats], y[repeats], 50.0)
    masses = weighted.select(weighted.losses(huber_fits(weighted)))
    spread = (masses / np.maximum(weight, 1))[:, repeats]
    for make in (
        lambda rows, rng: huber_fits(rows),
        lambda rows, rng: projection_fits(rows, huber_fits(rows)),
        lambda rows, rng: sensitivity_fits(rows)[:13],
        lambda rows, rng: elemental_fits(rows, 20, rng),
        lambda rows, rng: resampled_sensitivity_fits(rows, 1, rng),
        lambda rows, rng: subset_fits(
            rows, masses if rows is weighted else spread, 10, 8, rng
        ),
    ):
        a = make(weighted, np.random.RandomState(1))
        b = make(repeated, np.random.RandomState(1))
        assert len(a) == len(b)
        predicted = (weighted.rows @ a.T)[repeats]
        expected = repeated.rows @ b.T
        for column in predicted.T:  # axes may have another sign and order
            distance = np.abs(expected - column[:, None]).max(axis=0)
            assert distance.min() < 1e-7


def test_random_numbers_decide():
    X, y, _ = bad_leverage(1000, 20, 0.3, 3)
    first = search(X, y, 511, seed=0, n_init=250)
    for n_jobs in (1, 2, 5):
        again = search(X, y, 511, seed=0, n_init=250, n_jobs=n_jobs)
        assert_array_equal(again[0], first[0])
    others = {search(X, y, 511, seed=seed, n_init=0)[2] for seed in range(1, 5)}
    assert len(others) > 1


# Bad input


def test_elemental_fits_of_dummy_columns():
    rng = np.random.RandomState(0)
    dummies = np.eye(6)[rng.choice(6, size=80, p=[0.55, 0.3, 0.1, 0.02, 0.02, 0.01])]
    dummies[:6] = np.eye(6)
    X, y = data(80, 2)
    rows = trimmed_rows(np.column_stack([X, dummies, X[:, 0]]), y, 45)
    assert rows.n_coordinates == 8
    fits = elemental_fits(rows, 50, rng)
    exact = (rows.losses(fits) < 1e-10).sum(axis=1)
    assert (exact >= 8).all()


RNG = np.random.RandomState(0)
X_BAD, Y_BAD = data(100, 5)
FAR = X_BAD.copy()
FAR[:20] *= 1e6
DUMMIES = np.column_stack([X_BAD, np.eye(20)[RNG.randint(20, size=100)]])


@pytest.mark.parametrize("n_init", ["auto", slow(0)])
@pytest.mark.parametrize(
    ("X", "y"),
    [
        pytest.param(np.column_stack([X_BAD, np.ones(100)]), Y_BAD, id="constant"),
        pytest.param(DUMMIES, Y_BAD, id="dummies"),
        pytest.param(np.eye(100)[:, :3], Y_BAD, id="rare dummies"),
        pytest.param(np.repeat(X_BAD[:10], 10, axis=0), Y_BAD, id="duplicated rows"),
        pytest.param(
            np.repeat(X_BAD[:10], 10, axis=0), np.repeat(Y_BAD[:10], 10), id="repeats"
        ),
        pytest.param(X_BAD[:, [0, 1, 1, 0]], Y_BAD, id="rank-deficient"),
        pytest.param(X_BAD[:10], Y_BAD[:10], id="n = 2p"),
        pytest.param(X_BAD[:7], Y_BAD[:7], id="n = p + 2"),
        pytest.param(X_BAD[:3], Y_BAD[:3], id="n < p"),
        pytest.param(X_BAD[:1], Y_BAD[:1], id="one row"),
        pytest.param(np.zeros((100, 1)), Y_BAD, id="no features"),
        pytest.param(FAR, Y_BAD, id="far rows"),
        pytest.param(X_BAD, X_BAD[:, 0] + 1e139 * (RNG.rand(100) < 0.2), id="huge y"),
        pytest.param(X_BAD, 1.0 * (Y_BAD > 0), id="binary y"),
        pytest.param(sparse.csr_matrix(X_BAD), Y_BAD, id="sparse"),
    ],
)
def test_degenerate_input(X, y, n_init):
    n, p = X.shape
    y = y - np.median(y)
    for n_kept in (min(default_n_kept(n, p), n), 0.5 * n, float(n)):
        value = search(X, y, n_kept, n_init=n_init)[2]
        least = search(X, y, n_kept, start=least_squares_start)[2]
        assert value <= least * (1 + 1e-9) + 1e-25


@pytest.mark.parametrize("fraction", [1.0, 0.6])
def test_exact_fit(fraction):
    X, y = X_BAD, X_BAD.sum(axis=1) + 1
    y = np.where(np.arange(100) < 100 * fraction, y, Y_BAD + 20)
    coef, intercept, value = search(X, y, 53)
    assert_allclose(coef, 1, rtol=1e-12)
    assert_allclose(intercept, 1, rtol=1e-12)
    assert value < 1e-24


@pytest.mark.parametrize("fraction", [1.0, 0.6])
def test_constant_targets(fraction):
    y = np.where(np.arange(100) < 100 * fraction, 0.0, Y_BAD)
    coef, intercept, value = search(X_BAD, y, 53)
    assert_array_equal(coef, 0)
    assert intercept == 0
    assert value == 0


@pytest.mark.parametrize("p", [60, 600])
def test_more_features_than_rows(p):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((p - 30, p))
    y = X[:, 0] + 0.1 * rng.standard_normal(p - 30)
    n_kept = (p - 30) // 2
    value = search(X, y, n_kept, alpha=0.1)[2]
    assert value <= search(X, y, n_kept, alpha=0.1, start=least_squares_start)[2]


def test_sparse_rows_with_outliers():
    rng = np.random.RandomState(0)
    X = sparse.random(300, 30, 0.3, format="csr", random_state=rng)
    y = X @ np.ones(30) + 0.1 * rng.standard_normal(300)
    y[:60] += 30
    coef, _, _ = search(X, y, 166)
    clean = LinearDesign(X[60:], np.ones(240), fit_intercept=True, alpha=0.0)
    z = least_squares_start(clean, y[60:], np.ones(240), 240, **CONTROL).z
    assert_allclose(coef, clean.coefficients(z)[0], rtol=0, atol=0.15)


def test_rows_of_a_design():
    X, _ = data(20)
    design = LinearDesign(X, np.ones(20), fit_intercept=True, alpha=0.1)
    index = np.array([3, 7, 7, 1])
    z = np.arange(4.0)
    assert_allclose(design.rows(index) @ z, design.predict(z)[index], rtol=1e-12)
    taken = design.take(index)
    assert_allclose(taken.predict(z), design.predict(z)[index], rtol=1e-12)
    assert taken.penalty is design.penalty
    bare = LinearDesign(X, np.ones(20), fit_intercept=False, alpha=0.0)
    assert_allclose(bare.rows(index) @ z[:3], bare.predict(z[:3])[index], rtol=1e-12)


@pytest.mark.parametrize("row", [[3.0, 1.1], [7.0, 1.1]])
def test_elemental_fits_of_dependent_rows(row):
    X = np.outer([1.0, 2.0, 0.5], row)
    rows = TrimmedRows(np.eye(3)[:, :2], X[:, 0], None, 2, np.zeros(2))
    rows.rows = X
    rows.pack()
    fits = elemental_fits(rows, 5, np.random.RandomState(0))
    assert_allclose(fits @ X.T, np.tile(X[:, 0], (5, 1)), rtol=1e-12)


def test_rows_that_alone_see_a_direction_are_no_matter_of_rounding():
    X, y = data(60, 4)
    X = np.column_stack([X, np.eye(60)[:, :3]])  # with a leverage of 1
    rows, scaled = trimmed_rows(X, y, 34.0), trimmed_rows(X, y * 3 / 7 * 7 / 3, 34.0)
    fits = sensitivity_fits(rows, 1)
    assert_allclose(sensitivity_fits(scaled, 1), fits, rtol=0, atol=1e-6)
    several = resampled_sensitivity_fits(rows, 1, np.random.RandomState(1))
    again = resampled_sensitivity_fits(scaled, 1, np.random.RandomState(1))
    assert_allclose(again, several, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("p", "is_drawn"), [(63, True), (64, False)])
def test_of_a_rank_above_64_no_rows_are_drawn(monkeypatch, p, is_drawn):
    X, y = data(200, p)
    draws = []
    random_fits = _lts_search._random_fits
    monkeypatch.setattr(
        _lts_search,
        "_random_fits",
        lambda *args, **options: draws.append(args) or random_fits(*args, **options),
    )
    search(X, y, default_n_kept(200, p))
    assert bool(draws) == is_drawn
