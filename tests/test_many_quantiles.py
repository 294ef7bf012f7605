"""Many quantiles at once: from one sort, as they are one by one."""

import tracemalloc

import numpy as np
import pytest
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank import soft_quantile

Q = np.random.default_rng(0).permutation(np.linspace(0, 1, 101))
SAMPLES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "ties": lambda rng, n: rng.integers(0, 9, size=n) / 10,
    "offset": lambda rng, n: 1e6 + rng.normal(size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "constant": lambda rng, n: np.full(n, 0.1),
}


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("is_weighted", [slow(False), True])
@pytest.mark.parametrize(
    "epsilon", [0, 1e-9, 0.1, 30.0, 1e300, *map(slow, (1e-300, 1e-3, 1.0, 1e6, 1e12))]
)
def test_values_are_those_one_by_one(epsilon, is_weighted, sample):
    rng = np.random.default_rng(1)
    for n in (1, 2, 5, 60):
        values = np.array([SAMPLES[sample](rng, n) for _ in range(3)])
        weights = rng.uniform(0.2, 3, size=values.shape) if is_weighted else None
        found = soft_quantile(values, Q, epsilon, weights=weights)
        expected = np.array(
            [soft_quantile(values, q, epsilon, weights=weights) for q in Q]
        )
        atol = 1e-13 * np.abs(values).max()
        assert_allclose(found, expected, rtol=0, atol=atol)
        assert (np.diff(found[np.argsort(Q)], axis=0) >= 0).all()


def test_hard_ones_are_those_of_numpy():
    values = np.random.default_rng(2).integers(0, 50, size=(4, 301)) / 10
    q = np.linspace(0, 1, 1001)
    found = soft_quantile(values, q, 0)
    assert_allclose(found, np.quantile(values, q, axis=1), rtol=1e-14)
    whole = soft_quantile(values, np.arange(301) / 300, 0)
    assert_allclose(whole, np.sort(values, axis=1).T, rtol=1e-14)


@pytest.mark.parametrize("epsilon", [0, 0.1, 10.0])
def test_derivatives_are_those_one_by_one(epsilon):
    rng = np.random.default_rng(3)
    values, g = rng.normal(size=(2, 30)), rng.normal(size=(101, 2))
    _, jacobian = soft_quantile(values, Q, epsilon, return_jacobian=True)
    alone = [soft_quantile(values, q, epsilon, return_jacobian=True)[1] for q in Q]
    pulled = sum(own.vjp(row) for own, row in zip(alone, g, strict=True))
    assert_allclose(jacobian.vjp(g), pulled, rtol=0, atol=1e-13)
    assert_array_equal(jacobian.jvp(values), [own.jvp(values) for own in alone])
    assert_array_equal(jacobian.wrt_q, [own.wrt_q for own in alone])
    assert_array_equal(jacobian.wrt_epsilon, [own.wrt_epsilon for own in alone])
    found = jacobian.wrt_weights.jvp(values)
    expected = [own.wrt_weights.jvp(values) for own in alone]
    assert_allclose(found, expected, rtol=0, atol=1e-13)


def test_missing_values_and_zero_weights():
    values = np.random.default_rng(4).normal(size=40)
    values[3] = np.nan
    found = soft_quantile(values, Q, 0.1, nan_policy="omit")
    expected = soft_quantile(values[~np.isnan(values)], Q, 0.1)
    assert_allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.slow
def test_the_jacobian_is_not_dense():
    values = np.random.default_rng(5).normal(size=20_000)
    tracemalloc.start()
    _, jacobian = soft_quantile(
        values, np.linspace(0, 1, 1001), 0.1, return_jacobian=True
    )
    jacobian.vjp(np.ones(1001))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 * values.nbytes  # dense it would be 1001 times


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, [1.0, 7.0, 0.0, 2.0, 1.0, 0.5]])
def test_many_quantiles_of_a_row_do_not_depend_on_what_others_lack(weights, epsilon):
    x = np.random.default_rng(0).normal(size=(8, 6))
    levels = np.linspace(0, 1, 17)
    options = {"epsilon": epsilon, "weights": weights, "nan_policy": "omit"}
    for n_missing in (0, 5):
        x[np.arange(n_missing), np.arange(n_missing)] = np.nan
        found = soft_quantile(x, levels, **options)
        for row, own in zip(x, found.T, strict=True):
            assert_array_equal(soft_quantile(row, levels, **options), own)
            one = [soft_quantile(row, q, **options) for q in levels]
            assert_allclose(own, one, rtol=1e-13, atol=1e-14)


def test_huge_values():
    x = 8e307 * np.linspace(-1.0, 1.0, 9)[::-1]
    q = np.linspace(0.0, 1.0, 21)
    expected = [soft_quantile(x, level, epsilon=1e290) for level in q]
    found = soft_quantile(x, q, epsilon=1e290)
    assert_allclose(found, expected, rtol=1e-12, atol=1e280)
