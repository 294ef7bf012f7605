"""A batch equals its rows, bit for bit: every operator, derivative and `n_jobs`."""

import inspect

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from operator_table import OPERATORS

DERIVATIVES = ("wrt_epsilon", "wrt_k", "wrt_q", "wrt_cut")


def draw(kind, n, rng):
    values = rng.normal(size=(40, n))
    if kind == "ties":
        values = values.round()
    if kind == "scales":
        values *= 10.0 ** rng.uniform(-12, 12, size=(40, 1))
    if kind == "tails":
        values = rng.standard_t(1.2, size=(40, n))
    if kind == "nan":
        values[rng.random(values.shape) < 0.2] = np.nan
        values[:, :4] = rng.normal(size=(40, 4))
    return values.astype(np.float32 if kind == "float32" else np.float64)


@pytest.mark.parametrize("kind", ["plain", "float32", "ties", "scales", "tails", "nan"])
@pytest.mark.parametrize("n", [5, 8, 50])
@pytest.mark.parametrize("name", OPERATORS)
def test_a_batch_is_its_rows(name, n, kind):
    entry = OPERATORS[name]
    rng = np.random.default_rng([n, len(kind)])
    values = draw(kind, n, rng)
    options = {"epsilon": entry.epsilon, "return_jacobian": True}
    options["nan_policy"] = "omit" if kind == "nan" else "raise"
    if "tol" in inspect.signature(entry.call).parameters:
        options["tol"] = 1e-4  # one slice in many is not solved to more
    result, jacobian = entry.call(values, **options)
    g, u = rng.normal(size=result.shape), rng.normal(size=values.shape)
    pulled, pushed = jacobian.vjp(g), jacobian.jvp(u)
    weights = getattr(jacobian, "wrt_weights", None)
    of_weights = weights.vjp(g) if weights is not None else None

    def row(array, i):
        return array[..., i] if entry.place == "all" else array[i]

    for i in range(0, len(values), 5):
        own, own_jacobian = entry.call(values[i], **options)
        assert_array_equal(row(result, i), own)
        assert_array_equal(pulled[i], own_jacobian.vjp(row(g, i)))
        assert_array_equal(row(pushed, i), own_jacobian.jvp(u[i]))
        if weights is not None:
            assert_array_equal(of_weights[i], own_jacobian.wrt_weights.vjp(row(g, i)))
        for derivative in DERIVATIVES:
            whole = getattr(jacobian, derivative, None)
            if whole is not None:
                whole, part = np.asarray(whole), getattr(own_jacobian, derivative)
                if derivative == "wrt_cut":
                    whole = [row(side, i) for side in whole]
                else:
                    whole = row(whole, i)
                assert_array_equal(whole, part)


@pytest.mark.parametrize("kind", ["plain", "ties", "nan"])
@pytest.mark.parametrize(
    "name",
    [
        name
        for name in OPERATORS
        if "n_jobs" in inspect.signature(OPERATORS[name].call).parameters
    ],
)
def test_threads_change_nothing(name, kind):
    entry = OPERATORS[name]
    values = draw(kind, 2000, np.random.default_rng(0))
    options = {"epsilon": entry.epsilon, "return_jacobian": True}
    options["nan_policy"] = "omit" if kind == "nan" else "raise"
    expected, jacobian = entry.call(values, **options)
    for n_jobs in (1, 2, 3):
        result, own = entry.call(values, n_jobs=n_jobs, **options)
        assert_array_equal(result, expected)
        assert_array_equal(own.wrt_epsilon, jacobian.wrt_epsilon)
        g = np.random.default_rng(1).normal(size=values.shape)
        assert_array_equal(own.vjp(g), jacobian.vjp(g))
