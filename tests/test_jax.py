"""The operators for JAX against those in NumPy, through every transformation."""

import numpy as np
import pytest
from framework_cases import CASES, VALUES, N, each
from marks import slow
from numpy.testing import assert_allclose

import sksoftrank

jax = pytest.importorskip("jax", reason="needs jax")
from jax import numpy as jnp  # noqa: E402

from sksoftrank import jax as soft  # noqa: E402

# The formulas are those of PyTorch, which has all cases: here one a regularization.
CASES = {(case.function, case.options["regularization"]): case for case in CASES}
cases_for_jax = each(CASES.values())
# Compiling takes seconds.
QUICK = ("isotonic_projection", "quadratic")
slow_cases_for_jax = each(
    case if key == QUICK else slow(case) for key, case in CASES.items()
)


@pytest.fixture(autouse=True)
def in_float64():
    # Only for these tests: the switches are global. The second makes compiling fast.
    switches = ["jax_enable_x64", "jax_disable_most_optimizations"]
    for name in switches:
        jax.config.update(name, True)
    yield
    for name in switches:
        jax.config.update(name, False)


def assert_close(found, expected, tolerance=1e-12):
    found, expected = np.asarray(found), np.asarray(expected)
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    assert found.shape == expected.shape
    assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


@slow_cases_for_jax
def test_every_transformation(case):
    f = case.of(soft, jnp.asarray)
    expected, jacobian = case.expected(VALUES)
    matrix = jacobian.toarray().reshape(*expected.shape, *VALUES.shape)
    direction = np.random.default_rng(1).normal(size=VALUES.shape)

    def loss(values):
        return (f(values) ** 2).sum()

    def by_rows(function, batch):
        return jnp.stack([function(values) for values in batch])

    @jax.jit  # all in one: compiling is what takes time
    def results(x):
        batch = jnp.stack([x, x[::-1] * 1.3])
        gradient = jax.grad(loss)
        step = 1e-5 * direction
        scanned = jax.lax.scan(lambda y, _: (y - 0.01 * gradient(y), f(y)), x, None, 2)
        return {
            "value": f(x),
            "jvp": jax.jvp(f, (x,), (direction,)),
            "jacrev": jax.jacrev(f)(x),
            "jacfwd": jax.jacfwd(f)(x),
            "gradient": gradient(x),
            "hessian": jax.hessian(loss)(x),
            "difference": (gradient(x + step) - gradient(x - step)) / 2e-5,
            "rows": by_rows(f, batch),
            "vmap": jax.vmap(f)(batch),
            "vmap 1": jax.vmap(f, in_axes=1)(jnp.moveaxis(batch, 0, 1)),
            "gradients": by_rows(gradient, batch),
            "vmap(grad)": jax.vmap(gradient)(batch),
            "scan": scanned[1][1],
            "after a step": f(x - 0.01 * gradient(x)),
        }

    x = jnp.asarray(VALUES)
    found = results(x)
    assert_close(found["value"], expected, 1e-14)
    assert_close(found["jvp"][0], expected, 1e-14)
    assert_close(found["jvp"][1].ravel(), jacobian.jvp(direction).ravel())
    assert_close(found["jacrev"], matrix)
    assert_close(found["jacfwd"], matrix)
    gradient = jacobian.vjp(2 * expected).reshape(VALUES.shape)
    assert_close(found["gradient"], gradient)
    product = np.tensordot(found["hessian"], direction, 2)
    assert_close(product, found["difference"], 1e-6)
    assert_close(found["vmap"], found["rows"], 1e-14)
    assert_close(found["vmap 1"], found["rows"], 1e-14)
    assert_close(found["vmap(grad)"], found["gradients"])
    assert_close(found["scan"], found["after a step"])
    # Without jit.
    assert_close(f(x), expected, 1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize("name", ["soft_rank", "soft_sort", "soft_median"])
def test_epsilon_is_differentiable(name, regularization):
    def f(values, epsilon):
        return getattr(soft, name)(values, epsilon, regularization=regularization)

    operator = getattr(sksoftrank, name)
    options = {"regularization": regularization, "return_jacobian": True}
    expected = operator(VALUES, 0.7, **options)[1].wrt_epsilon
    x, epsilon = jnp.asarray(VALUES), jnp.asarray(0.7)
    several = jnp.array([0.0, 0.2, 0.5, 2.0])

    @jax.jit
    def results(x, epsilon):
        derivatives = [jax.jacfwd(f, 1)(x, epsilon), jax.jacrev(f, 1)(x, epsilon)]
        return derivatives, jax.vmap(f, in_axes=(None, 0))(x, several)

    derivatives, batched = results(x, epsilon)
    for derivative in derivatives:
        assert_close(derivative, expected)
    rows = [operator(VALUES, float(one), **options)[0] for one in several]
    assert_close(batched, rows, 1e-14)


@pytest.mark.slow
@cases_for_jax
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_types_of_floats(case, dtype):
    f = case.of(soft, lambda array: jnp.asarray(array, dtype=dtype))
    x = jnp.asarray(VALUES, dtype=dtype)
    result = f(x)
    gradient = jax.grad(lambda values: f(values).astype(float).sum())(x)
    assert result.dtype == gradient.dtype == jnp.dtype(dtype)
    expected = case.of(sksoftrank)(np.asarray(x, dtype=np.float64))
    tolerance = 30 * float(jnp.finfo(dtype).eps)
    assert_close(np.asarray(result, dtype=np.float64), expected, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["soft_rank", "soft_quantile", "isotonic_projection"])
def test_shapes_and_axes(name):
    arguments = ([0.2, 0.7],) if name == "soft_quantile" else ()
    for shape in ((N,), (2, N), (2, 3, N), (2, 2, 3, N)):
        for axis in (0, -2 % len(shape), None):
            values = np.random.default_rng(3).normal(size=shape)
            expected = getattr(sksoftrank, name)(values, *arguments, axis=axis)
            found = getattr(soft, name)(jnp.asarray(values), *arguments, axis=axis)
            assert_close(found, expected, 1e-14)


@pytest.mark.slow
@cases_for_jax
def test_no_slices(case):
    if case.function == "soft_sort_with":
        return  # it has no slices
    expected = case.of(sksoftrank)(np.zeros((2, 0, N)))
    f = case.of(soft, jnp.asarray)
    assert f(jnp.zeros((2, 0, N))).shape == expected.shape
    assert jax.jit(f)(jnp.zeros((2, 0, N))).shape == expected.shape


def test_numpy_functions_take_bfloat16():
    x = jnp.asarray(VALUES, dtype="bfloat16")
    expected = sksoftrank.soft_rank(np.asarray(x, dtype=np.float32), 0.5)
    for array in (x, np.asarray(x)):
        found = sksoftrank.soft_rank(array, 0.5)
        assert found.dtype == np.float32
        assert_close(found, expected, 0)


def test_without_float64():
    jax.config.update("jax_enable_x64", False)
    x = jnp.asarray(VALUES)
    for function in (soft.soft_rank, soft.soft_sort, soft.soft_median):
        expected = getattr(sksoftrank, function.__name__)(VALUES)
        found = jax.jit(function)(x)
        assert found.dtype == jnp.float32
        assert_close(found, expected, 1e-5)
