"""How fast plans are found, and what happens when they are not."""

import re
import tracemalloc
import warnings

import numpy as np
import pytest
from differences import slice_differences
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from transport_reference import both_operators, draw, every_operator

from sksoftrank.sinkhorn import _entropic_plan, sinkhorn_rank, sinkhorn_sort


@pytest.mark.parametrize("epsilon", 10.0 ** np.arange(-6, 3))
@pytest.mark.parametrize(("n", "m"), [(20, 20), (100, 100), (100, 37), (37, 99)])
@both_operators
def test_a_few_steps_are_enough(epsilon, n, m, operator):
    """Warnings are errors here. Plain iterations would need millions."""
    x, rng = draw(6, n), np.random.default_rng(1)
    operator(x, epsilon, targets=m, max_iter=8, tol=1e-7)
    weights, masses = rng.dirichlet(np.ones(n), size=6), rng.dirichlet(np.ones(m))
    options = {"weights": weights, "targets": m, "target_weights": masses}
    operator(x, epsilon, max_iter=20, tol=1e-7, **options)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-5, 1e-4])
@both_operators
def test_levels_that_differ_by_rounding_are_one(epsilon, operator):
    """Three values for each target: the exact plan leaves potentials free."""
    for seed in range(6):
        operator(draw(60, seed=seed), epsilon, targets=20, max_iter=4, tol=1e-7)


@pytest.mark.parametrize("epsilon", [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0])
@both_operators
def test_conjugate_gradients_need_few_iterations(epsilon, operator, monkeypatch):
    x, g = draw(3, 100), draw(3, 100, seed=1)
    _, jacobian = operator(x, epsilon, return_jacobian=True)
    expected = jacobian.vjp(g)
    monkeypatch.setattr(_entropic_plan, "MAX_CG_ITER", 30)
    scale = np.abs(expected).max()
    assert_allclose(jacobian.vjp(g), expected, rtol=0, atol=1e-9 * scale)


def test_points_far_from_the_targets():
    """Without squashing, the first scalings are far from the last."""
    x = 100 * draw(3, 50) + 1000
    for epsilon in (1e-1, 1.0, 100.0, 1e4):
        ranks = sinkhorn_rank(x, epsilon, squashing=None, tol=1e-6)
        assert_allclose(ranks.mean(axis=1), 25.5, rtol=1e-5)


@pytest.mark.parametrize("epsilon", 10.0 ** np.arange(-6, 1))
@both_operators
def test_weights_of_all_magnitudes(epsilon, operator):
    """The plain step of Newton's method, and Sinkhorn's, both fail here."""
    rng = np.random.default_rng(0)
    for n in (20, 200):
        weights, masses = 10 ** rng.uniform(-12, 0, size=(2, n))
        options = {"weights": weights, "target_weights": masses, "max_iter": 60}
        operator(draw(n), epsilon, tol=1e-6, **options)


def wave(differences):
    return np.cos(20 * differences), -20 * np.sin(20 * differences)


def test_a_cost_that_is_not_convex():
    x, g = draw(8), draw(8, seed=1)
    ranks, jacobian = sinkhorn_rank(x, 0.05, cost=wave, return_jacobian=True)
    assert_allclose(ranks.mean(), 4.5, rtol=1e-6)
    expected = slice_differences(
        lambda x: sinkhorn_rank(x, 0.05, cost=wave, tol=1e-12), x, g
    )
    assert_allclose(jacobian.vjp(g), expected, rtol=0, atol=1e-5)
    # Its first scalings are far off, and whole columns of the first plan vanish.
    for seed in range(6):
        x = draw(10, seed=seed)
        assert_allclose(sinkhorn_rank(x, 0.02, cost=wave).mean(), 5.5, rtol=1e-6)
    x = draw(10)
    assert_allclose(sinkhorn_sort(x, 1e-3, cost=wave).mean(), x.mean(), rtol=1e-5)
    with pytest.warns(ConvergenceWarning, match="miss their weights"):
        sinkhorn_rank(draw(50), 1e-3, cost=wave)


@every_operator
def test_failure_to_converge_warns(operator):
    x = draw(4, 30)
    options = {"weights": np.arange(1.0, 31), "epsilon": 1e-3}
    with pytest.warns(ConvergenceWarning, match="of 4 slices .* tol=1e-08") as record:
        operator(x, max_iter=1, **options)
    assert record[0].filename == __file__
    # More than 64-bit numbers can do.
    with pytest.warns(ConvergenceWarning, match="raise epsilon=1e-09"):
        operator(x, **{**options, "epsilon": 1e-9, "tol": 1e-15})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        operator(x, **options)


@both_operators
def test_the_error_in_the_warning_is_what_tol_is_compared_with(operator):
    x, options = draw(30), {"weights": np.arange(1.0, 31), "epsilon": 1e-3}
    with pytest.warns(ConvergenceWarning) as record:
        operator(x, max_iter=1, **options)
    error = float(re.search(r"by up to (\S+),", str(record[0].message))[1])
    operator(x, max_iter=1, tol=1.1 * error, **options)
    with pytest.warns(ConvergenceWarning, match="miss their weights"):
        operator(x, max_iter=1, tol=0.9 * error, **options)


def test_steps_that_are_lost_in_rounding_are_not_taken(monkeypatch):
    steps = []

    def count(*args):
        steps.append(1)
        return step(*args)

    step = _entropic_plan._step
    monkeypatch.setattr(_entropic_plan, "_step", count)
    with pytest.warns(ConvergenceWarning):
        sinkhorn_rank(draw(30), 1e-9, weights=np.arange(1.0, 31), tol=1e-15)
    assert 0 < len(steps) < 20


@both_operators
def test_memory_of_one_plan(operator):
    """A few times that of the plan: no iterations are kept."""
    n, m = 500, 300
    x = draw(n)
    tracemalloc.start()
    try:
        result, jacobian = operator(x, 1e-4, targets=m, return_jacobian=True)
        jacobian.vjp(result)
        jacobian.jvp(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 8 * n * m


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_slices():
    x = draw(200, 150)
    tracemalloc.start()
    try:
        _, jacobian = sinkhorn_rank(x, return_jacobian=True)
        jacobian.vjp(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All plans together have 200 * 150**2 entries.
    assert peak < 0.5 * 8 * 200 * 150**2
