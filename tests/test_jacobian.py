"""Derivatives, against central differences and dense matrices."""

import numpy as np
import pytest
import reference
from cases import CASES, OPERATORS, all_cases, directions
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from sksoftrank import (
    isotonic_projection,
    project_permutahedron,
    soft_rank,
    soft_sort,
)

PROJECTIONS = {"isotonic": isotonic_projection, "project": project_permutahedron}
SHAPES = [((7,), 0), ((3, 5), 1), ((5, 3), 0), ((2, 4, 3), 1), ((3, 4), None)]


all_projections = pytest.mark.parametrize(
    ("projection", "regularization"),
    [(p, r) for p in PROJECTIONS for r in ("quadratic", "entropic")],
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def jacobians_under_test():
    """One Jacobian of each kind, by name."""
    x, w = draw(3, 8), draw(8, seed=1)
    for operator, regularization in CASES:
        options = {"regularization": regularization, "return_jacobian": True}
        for epsilon in (0, 0.3, 2.0, 50.0):
            _, jacobian = OPERATORS[operator](x, epsilon, axis=0, **options)
            yield f"{operator} {regularization} {epsilon}", jacobian
    for name, function in PROJECTIONS.items():
        for regularization in ("quadratic", "entropic"):
            options = {"regularization": regularization, "return_jacobian": True}
            _, jacobian = function(x, w, **options)
            yield f"{name} {regularization}", jacobian
            yield f"{name} {regularization} wrt_w", jacobian.wrt_w


JACOBIANS = dict(jacobians_under_test())
every_jacobian = pytest.mark.parametrize("name", JACOBIANS)


# Central differences. A weighted functional: the sum of ranks, say, is constant.


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_isotonic_projection_without_w_has_the_derivative_at_zeros(regularization):
    s = draw(6)
    _, jacobian = isotonic_projection(
        s, regularization=regularization, return_jacobian=True
    )
    expected, _ = reference.isotonic_jacobians(s, np.zeros(6), regularization)
    assert_allclose(jacobian.toarray(), expected, rtol=0, atol=1e-14)


# Dense matrices from the blocks of the reference


@pytest.mark.parametrize("n", [1, 2, 5, 30])
@pytest.mark.parametrize("epsilon", [1e-3, 0.05, 0.6, 3.0, 80.0])
@all_cases
@directions
def test_matrices(operator, regularization, epsilon, descending, n):
    x = draw(n, seed=n)
    _, jacobian = OPERATORS[operator](
        x,
        epsilon,
        regularization=regularization,
        descending=descending,
        return_jacobian=True,
    )
    expected = reference.jacobian(operator, x, epsilon, regularization, descending)
    assert_allclose(jacobian.toarray(), expected, rtol=0, atol=1e-13 / min(1, epsilon))


@pytest.mark.parametrize("n", [1, 2, 5, 30])
@all_projections
def test_projection_matrices(projection, regularization, n):
    z, w = 2 * draw(n, seed=n), draw(n, seed=n + 1)
    _, jacobian = PROJECTIONS[projection](
        z, w, regularization=regularization, return_jacobian=True
    )
    explicit = getattr(reference, f"{projection}_jacobians")
    for got, expected in zip(
        (jacobian, jacobian.wrt_w), explicit(z, w, regularization), strict=True
    ):
        assert_allclose(got.toarray(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("scale", [1e-200, 1e-10, 1.0, 1e10, 1e200])
@all_cases
def test_jacobians_do_not_depend_on_the_scale_of_the_values(
    operator, regularization, scale
):
    """Comparing values with an absolute tolerance to find blocks would fail here."""
    x = draw(20)
    options = {"regularization": regularization, "return_jacobian": True}
    if operator == "rank":  # r(a x, a epsilon) = r(x, epsilon)
        _, scaled = soft_rank(scale * x, scale * 0.2, **options)
        expected = reference.jacobian("rank", x, 0.2, regularization)
        got = scaled.jvp(scale * np.eye(20)[3])
        assert_allclose(got, expected[:, 3], rtol=0, atol=1e-12)
    elif regularization == "quadratic":  # s(a x, epsilon / a) = a s(x, epsilon)
        _, scaled = soft_sort(scale * x, 4 / scale, **options)
        expected = reference.jacobian("sort", x, 4.0)
        assert_allclose(scaled.toarray(), expected, rtol=0, atol=1e-14)
    else:
        _, jacobian = soft_sort(scale * x, 4 / scale, **options)
        expected = reference.jacobian("sort", scale * x, 4 / scale, "entropic")
        assert_allclose(jacobian.toarray(), expected, rtol=0, atol=1e-13)
    assert 0 < np.count_nonzero(expected) < 400


def test_isotonic_jacobian_of_tiny_values():
    s = 1e-10 * np.array([1.0, 2.0, -1.0, -3.0, -2.5])
    _, jacobian = isotonic_projection(s, return_jacobian=True)
    expected = np.zeros((5, 5))
    expected[:2, :2] = expected[3:, 3:] = 0.5
    expected[2, 2] = 1.0
    assert_allclose(jacobian.toarray(), expected, rtol=0, atol=1e-15)


# Hard operators


@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
@directions
def test_hard_ranks_have_a_zero_jacobian(regularization, descending):
    x = np.array([0.5, -1.0, 0.5, 2.0, 0.5])
    _, jacobian = soft_rank(
        x,
        0,
        regularization=regularization,
        descending=descending,
        return_jacobian=True,
    )
    assert_array_equal(jacobian.toarray(), np.zeros((5, 5)))
    assert_array_equal(jacobian.vjp(draw(5)), np.zeros(5))


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@directions
def test_hard_sort_has_the_stable_permutation_as_jacobian(regularization, descending):
    x = np.array([0.5, -1.0, 0.5, 2.0, 0.5])
    _, jacobian = soft_sort(
        x,
        0,
        regularization=regularization,
        descending=descending,
        return_jacobian=True,
    )
    order = np.argsort(-x if descending else x, kind="stable")
    assert_array_equal(jacobian.toarray(), np.eye(5)[order])


@all_cases
def test_jacobians_are_hard_below_the_bound(operator, regularization):
    x = np.array([0.5, -1.0, 0.25, 2.0])
    _, jacobian = OPERATORS[operator](
        x, 1e-3, regularization=regularization, return_jacobian=True
    )
    expected = np.zeros((4, 4)) if operator == "rank" else np.eye(4)[np.argsort(x)]
    assert_array_equal(jacobian.toarray(), expected)


@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_ties_are_pooled_however_small_epsilon(regularization):
    _, jacobian = soft_rank(
        [1.0, 5.0, 1.0], 0.01, regularization=regularization, return_jacobian=True
    )
    # kl: r = 3 / 2 for both, times the same block.
    factor = 1.5 if regularization == "kl" else 1
    half = 0.5 * factor / 0.01
    expected = [[half, 0, -half], [0, 0, 0], [-half, 0, half]]
    assert_allclose(jacobian.toarray(), expected, rtol=1e-13)


# The linear operator


@every_jacobian
def test_jvp_and_vjp_are_adjoint(name):
    jacobian = JACOBIANS[name]
    for seed in range(5):
        u = draw(*jacobian.input_shape, seed=seed)
        g = draw(*jacobian.output_shape, seed=seed + 100)
        forward, backward = g * jacobian.jvp(u), jacobian.vjp(g) * u
        scale = max(np.abs(forward).sum(), np.abs(backward).sum())
        assert abs(forward.sum() - backward.sum()) <= 1e-12 * scale


def test_adjointness_is_tested_on_something():
    assert np.abs(JACOBIANS["rank entropic 2.0"].jvp(draw(3, 8))).max() > 0.1


@every_jacobian
def test_products_agree_with_the_dense_matrix(name):
    jacobian = JACOBIANS[name]
    dense = jacobian.toarray()
    assert isinstance(jacobian, LinearOperator)
    assert dense.shape == jacobian.shape
    u, columns = draw(jacobian.shape[1]), draw(jacobian.shape[1], 3)
    g, rows = draw(jacobian.shape[0]), draw(jacobian.shape[0], 3)
    close = {"rtol": 0, "atol": 1e-13 * max(1, np.abs(dense).max())}
    assert_allclose(jacobian @ u, dense @ u, **close)
    assert_allclose(jacobian @ columns, dense @ columns, **close)
    assert_allclose(jacobian.T @ g, dense.T @ g, **close)
    assert_allclose(jacobian.H @ rows, dense.T @ rows, **close)
    assert_allclose(g @ jacobian, g @ dense, **close)
    jvp = jacobian.jvp(u.reshape(jacobian.input_shape))
    assert_allclose(jvp.ravel(), dense @ u, **close)
    vjp = jacobian.vjp(g.reshape(jacobian.output_shape))
    assert_allclose(vjp.ravel(), dense.T @ g, **close)


def test_operators_compose():
    x, matrix = draw(6), draw(4, 6, seed=1)
    values, outer = soft_sort(x, 2.0, return_jacobian=True)
    _, inner = soft_rank(values, 0.7, regularization="entropic", return_jacobian=True)
    dense_outer, dense_inner = outer.toarray(), inner.toarray()
    chain = aslinearoperator(matrix) @ (inner @ outer)
    assert_allclose(chain @ x, matrix @ dense_inner @ dense_outer @ x, rtol=1e-12)
    g = draw(4)
    expected = dense_outer.T @ dense_inner.T @ matrix.T @ g
    assert_allclose(chain.T @ g, expected, rtol=0, atol=1e-13)
    total = 2 * outer + inner
    assert_allclose(total @ x, (2 * dense_outer + dense_inner) @ x, rtol=0, atol=1e-13)


def test_raveled_order_is_c_order_for_any_axis():
    x = np.asfortranarray(draw(3, 4))
    _, jacobian = soft_rank(x, 0.8, axis=0, return_jacobian=True)
    expected = np.zeros((3, 4, 3, 4))
    for j in range(4):
        expected[:, j, :, j] = reference.jacobian("rank", x[:, j], 0.8)
    assert_allclose(jacobian.toarray(), expected.reshape(12, 12), rtol=0, atol=1e-14)


def test_shared_w_sums_over_slices():
    z, w = draw(4, 5), draw(5, seed=1)
    _, jacobian = project_permutahedron(z, w, return_jacobian=True)
    assert jacobian.wrt_w.shape == (20, 5)
    rows = [project_permutahedron(row, w, return_jacobian=True)[1] for row in z]
    g = draw(4, 5, seed=2)
    expected = sum(row.wrt_w.vjp(g_row) for row, g_row in zip(rows, g, strict=True))
    assert_allclose(jacobian.wrt_w.vjp(g), expected, rtol=0, atol=1e-14)
    u = draw(5, seed=3)
    expected = np.array([row.wrt_w.jvp(u) for row in rows])
    assert_allclose(jacobian.wrt_w.jvp(u), expected, rtol=0, atol=1e-15)


def test_shared_w_without_slices():
    _, jacobian = project_permutahedron(
        np.empty((0, 3)), np.ones(3), return_jacobian=True
    )
    assert_array_equal(jacobian.wrt_w.vjp(np.empty((0, 3))), np.zeros(3))


def test_toarray_refuses_to_fill_the_memory():
    _, jacobian = soft_rank(np.arange(10_001.0), return_jacobian=True)
    with pytest.raises(ValueError, match=r"toarray.*10.?000.*10.?001"):
        jacobian.toarray()
    assert jacobian.vjp(np.ones(10_001)).shape == (10_001,)


@directions
@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_pools_of_all_lengths(regularization, descending):
    # Longer ones than the kernel reads once, shorter ones, and values of their own.
    rng = np.random.default_rng(0)
    sizes = [1, 300, 1, 2, 256, 700, 257, 1]
    centres = 1e4 * np.arange(len(sizes))
    x = np.repeat(centres, sizes) + 0.1 * rng.normal(size=sum(sizes))
    x, u, g = rng.permutation(x), *rng.normal(size=(2, x.size))
    options = {"regularization": regularization, "descending": descending}
    _, jacobian = soft_rank(x, 0.5, return_jacobian=True, **options)
    up, down = (soft_rank(x + step * u, 0.5, **options) for step in (1e-6, -1e-6))
    change = (up - down) / 2e-6
    assert_allclose(jacobian.jvp(u), change, rtol=0, atol=1e-4 * np.abs(change).max())
    assert_allclose(jacobian.vjp(g) @ u, g @ jacobian.jvp(u), rtol=1e-9)
    jacobian = soft_sort(x, 1e-3, descending=descending, return_jacobian=True)[1]
    assert_allclose(jacobian.vjp(g) @ u, g @ jacobian.jvp(u), rtol=1e-9)
    assert_allclose(jacobian.jvp(np.ones(x.size)), np.ones(x.size), rtol=1e-12)
