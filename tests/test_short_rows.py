"""Soft choices of short rows, which are solved in tiles of several rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank import soft_quantile, soft_topk
from sksoftrank.losses import selection_trimmed_loss

SAMPLES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "ties": lambda rng, shape: rng.integers(0, 3, size=shape).astype(float),
    "far from 0": lambda rng, shape: 1e9 + rng.normal(size=shape),
    "heavy": lambda rng, shape: rng.standard_cauchy(size=shape) ** 3,
    "all scales": lambda rng, shape: 10.0 ** rng.uniform(-300, 290, size=shape),
    "falling": lambda rng, shape: -np.sort(rng.uniform(size=shape), axis=1),
}
samples = pytest.mark.parametrize("sample", SAMPLES)
kinds = pytest.mark.parametrize("regularization", ["quadratic", "entropic"])


def draw(sample, n, count=19):
    return SAMPLES[sample](np.random.default_rng(n), (count, n))


@samples
@kinds
@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 15, 16, 17])
def test_choices_are_those_with_weights_of_one(sample, regularization, n):
    # With weights rows are solved one by one.
    x = draw(sample, n)
    size = np.median(np.abs(x))
    for k in {0.3, 1, n / 3, n / 2, n - 0.4, n}:
        for epsilon in (1e-9 * size, 0.03 * size, size, 100 * size):
            options = {"k": k, "epsilon": epsilon, "regularization": regularization}
            parts = soft_topk(x, **options)
            assert_allclose(parts.sum(axis=1), k, rtol=1e-12)
            expected = soft_topk(x, weights=np.ones(n), **options)
            assert_allclose(parts, expected, rtol=1e-11, atol=1e-15)


@samples
@kinds
@pytest.mark.parametrize("n", [2, 10, 16])
def test_a_batch_is_its_rows(sample, regularization, n):
    x = draw(sample, n)
    epsilon = 0.3 * np.median(np.abs(x))
    options = {"epsilon": epsilon, "regularization": regularization}
    parts = soft_topk(x, n / 3, **options)
    quantiles = soft_quantile(x, 0.3, **options, axis=1)
    for count in range(1, len(x)):
        assert_array_equal(soft_topk(x[:count], n / 3, **options), parts[:count])
        assert_array_equal(soft_topk(x[count:], n / 3, **options), parts[count:])
    for row, own_parts, quantile in zip(x, parts, quantiles, strict=True):
        assert_array_equal(soft_topk(row, n / 3, **options), own_parts)
        assert soft_quantile(row, 0.3, **options) == quantile


@kinds
def test_masses_of_rows_differ(regularization):
    x = draw("normal", 9)
    k = np.linspace(0.5, 9, len(x))
    parts = soft_topk(x, k, 0.3, regularization=regularization)
    assert_allclose(parts.sum(axis=1), k, rtol=1e-12)
    for row, own_k, own_parts in zip(x, k, parts, strict=True):
        own = soft_topk(row, own_k, 0.3, regularization=regularization)
        assert_array_equal(own_parts, own)


@pytest.mark.parametrize("n", [5, 6, 17, 100, 5000, 20000])
def test_choices_of_whole_numbers_across_a_gap_are_hard(n):
    # By rounding the last ones could be kept almost: then, if tied, they would move.
    rng = np.random.default_rng(n)
    for k in {2, n // 3 + 1, n // 2, n - 2}:
        x = np.r_[rng.uniform(size=k - 2), 5.0, 5.0, 100 + rng.uniform(size=n - k)]
        x = rng.permutation(x)
        for weights in (None, np.full(n, 2.0)):
            mass = k if weights is None else 2 * k
            parts, jacobian = soft_topk(
                x, mass, 0.05, weights=weights, largest=False, return_jacobian=True
            )
            assert_array_equal(parts, x <= 5)
            assert not jacobian.vjp(rng.normal(size=n)).any()
            assert not jacobian.wrt_k.any()
        _, _, p = selection_trimmed_loss(x, k, 0.05)
        assert_array_equal(p, x <= 5)
