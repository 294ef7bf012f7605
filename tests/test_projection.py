"""Isotonic optimisation and projections on the permutahedron."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from reference import isotonic, project, project_by_solver
from scipy.optimize import isotonic_regression
from scipy.special import logsumexp

from sksoftrank import isotonic_projection, project_permutahedron

both = pytest.mark.parametrize("regularization", ["quadratic", "entropic"])


def pair(n, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) * scale, rng.normal(size=n)


# Isotonic optimisation


@pytest.mark.parametrize("n", [1, 2, 3, 8, 60])
@pytest.mark.parametrize("scale", [1e-6, 0.3, 1.0, 10.0, 300.0])
@both
def test_isotonic_projection_is_the_min_max_formula(regularization, n, scale):
    for seed in range(5):
        s, w = pair(n, seed, scale)
        got = isotonic_projection(s, w, regularization=regularization)
        expected = isotonic(s, w, regularization).astype(float)
        assert_allclose(got, expected, rtol=0, atol=2e-14 * max(1, scale))


@both
def test_w_defaults_to_zeros(regularization):
    s, _ = pair(20, 0)
    got = isotonic_projection(s, regularization=regularization)
    zeros = np.zeros(20)
    explicit = isotonic_projection(s, zeros, regularization=regularization)
    assert_array_equal(got, explicit)
    expected = isotonic(s, zeros, regularization).astype(float)
    assert_allclose(got, expected, rtol=0, atol=1e-14)


def test_quadratic_isotonic_projection_is_isotonic_regression():
    s, w = pair(500, 1)
    expected = isotonic_regression(s - w, increasing=False).x
    assert_allclose(isotonic_projection(s, w), expected, rtol=0, atol=1e-14)


def test_pooled_pair_in_closed_form():
    s, w = np.array([0.3, 1.2]), np.array([2.0, -1.0])
    assert_allclose(isotonic_projection(s, w), [0.25, 0.25], rtol=1e-15)
    value = logsumexp(s) - logsumexp(w)
    got = isotonic_projection(s, w, regularization="entropic")
    assert_allclose(got, [value, value], rtol=1e-14)


@both
def test_isotonic_solution_is_optimal(regularization):
    """Karush, Kuhn, Tucker: sums of the gradient have a sign, and vanish at falls."""
    for seed in range(20):
        s, w = pair(30, seed, scale=3.0)
        v = isotonic_projection(s, w, regularization=regularization)
        if regularization == "quadratic":
            gradient, scale = s - w - v, np.abs(s - w).sum()
        else:
            gradient, scale = np.exp(s - v) - np.exp(w), np.exp(w).sum()
        sums, falls = np.cumsum(gradient) / scale, -np.diff(v)
        assert falls.min() >= 0
        assert sums.max() < 1e-14
        assert abs(sums[-1]) < 1e-14
        assert np.abs(sums[:-1] * (falls > 0)).max() < 1e-14


def test_entropic_isotonic_projection_does_not_overflow():
    s, w = np.array([1e5, 3e5, -2e5, 2e5]), np.array([-4e5, 4e5, 1e5, 1e5])
    got = isotonic_projection(s, w, regularization="entropic")
    assert_array_equal(got, isotonic(s, w, "entropic").astype(float))
    assert np.abs(got).max() > 9e4


# Permutahedra


@pytest.mark.parametrize("n", [3, 4, 5])
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@both
def test_references_agree_with_a_convex_solver(regularization, n, scale):
    z, w = pair(n, n, scale)
    expected = project_by_solver(z, w, regularization)
    assert_allclose(project(z, w, regularization).astype(float), expected, atol=1e-6)


@pytest.mark.parametrize("n", [3, 4, 5])
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@both
def test_projection_solves_the_convex_problem(regularization, n, scale):
    z, w = pair(n, n + 10, scale)
    got = project_permutahedron(z, w, regularization=regularization)
    assert_allclose(got, project_by_solver(z, w, regularization), rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 60])
@pytest.mark.parametrize("scale", [1e-6, 0.3, 1.0, 10.0, 300.0])
@both
def test_projection_follows_the_definition(regularization, n, scale):
    for seed in range(5):
        z, w = pair(n, seed, scale)
        got = project_permutahedron(z, w, regularization=regularization)
        expected = project(z, w, regularization).astype(float)
        assert_allclose(got, expected, rtol=0, atol=1e-13)


@both
def test_projection_is_in_the_permutahedron_and_optimal(regularization):
    """Majorised by w, and no vertex lies further along the residual z - p.

    The entropic projection is q = exp(p), with residual z - log(q), on that of exp(w).
    """
    for seed in range(20):
        z, w = pair(40, seed, scale=2.0)
        p = project_permutahedron(z, w, regularization=regularization)
        q, vertex = (p, w) if regularization == "quadratic" else (np.exp(p), np.exp(w))
        scale = np.abs(vertex).sum()
        excess = np.cumsum(np.sort(q)[::-1]) - np.cumsum(np.sort(vertex)[::-1])
        assert excess.max() < 1e-14 * scale
        assert abs(excess[-1]) < 1e-14 * scale
        residual = z - p
        furthest = np.sort(residual) @ np.sort(vertex)
        assert furthest - residual @ q < 1e-13 * scale


@both
def test_a_point_beyond_a_vertex_is_projected_on_it_exactly(regularization):
    w = np.array([0.3, -1.7, 4.1, 0.2])
    z = 1e9 * np.array([3.0, 1.0, 2.0, 4.0])
    got = project_permutahedron(z, w, regularization=regularization)
    assert_array_equal(got, [0.3, -1.7, 0.2, 4.1])


def test_small_deviations_survive_a_large_offset():
    z = 1e12 + np.array([0.25, 0.5, -0.125])
    got = project_permutahedron(z, np.array([3.0, 2.0, 1.0]))
    mean = (0.25 + 0.5 - 0.125) / 3
    assert_allclose(got, 2 + np.array([0.25, 0.5, -0.125]) - mean, rtol=1e-15)


@both
def test_order_of_w_does_not_matter(regularization):
    z, w = pair(25, 0)
    got = project_permutahedron(z, w, regularization=regularization)
    for other in (w[::-1], np.sort(w)):
        again = project_permutahedron(z, other, regularization=regularization)
        assert_array_equal(again, got)


# Batches


@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 5), 0), ((3, 5), 1), ((2, 3, 4), 1), ((2, 3, 4), -3)]
)
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("function", [isotonic_projection, project_permutahedron])
@both
def test_batches_are_loops_over_slices(regularization, function, shared, shape, axis):
    rng = np.random.default_rng(0)
    z = rng.normal(size=shape) * 2
    w = rng.normal(size=shape[axis] if shared else shape)
    got = function(z, w, axis=axis, regularization=regularization)
    rows_z, rows_got = np.moveaxis(z, axis, -1), np.moveaxis(got, axis, -1)
    rows_w = np.broadcast_to(w, rows_z.shape) if shared else np.moveaxis(w, axis, -1)
    slow = isotonic if function is isotonic_projection else project
    for index in np.ndindex(rows_z.shape[:-1]):
        expected = slow(rows_z[index], rows_w[index], regularization).astype(float)
        assert_allclose(rows_got[index], expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("function", [isotonic_projection, project_permutahedron])
@both
def test_axis_none_ravels_both(regularization, function):
    z, w = (x.reshape(3, 4) for x in pair(12, 3))
    got = function(z, w, axis=None, regularization=regularization)
    flat = function(z.ravel(), w.ravel(), regularization=regularization)
    assert_array_equal(got, flat)


@pytest.mark.parametrize("function", [isotonic_projection, project_permutahedron])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
@both
def test_empty_input(regularization, function, shape):
    empty = np.empty(shape)
    out, jacobian = function(
        empty, empty, regularization=regularization, return_jacobian=True
    )
    assert out.shape == shape
    assert jacobian.vjp(out).shape == shape
    assert jacobian.wrt_w.vjp(out).shape == shape


@pytest.mark.parametrize("function", [isotonic_projection, project_permutahedron])
def test_mixed_precision_is_computed_in_double(function):
    z, w = pair(10, 6)
    got = function(z.astype(np.float32), w)
    assert got.dtype == np.float64
    assert_array_equal(got, function(z.astype(np.float32).astype(float), w))


def test_entropic_ties_of_z_are_pooled_however_close_w():
    z, w = [1.0, 1.0, 5.0], [0.0, 1e-17, 3.0]
    got, jacobian = project_permutahedron(
        z, w, regularization="entropic", return_jacobian=True
    )
    assert got[0] == got[1]
    expected = [[0.5, -0.5, 0], [-0.5, 0.5, 0], [0, 0, 0]]
    assert_allclose(jacobian.toarray(), expected, rtol=0, atol=1e-15)
