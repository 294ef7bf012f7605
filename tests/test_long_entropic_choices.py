"""Entropic choices of so many values that a part of them gives the start."""

import numpy as np
import pytest
from marks import slow
from numpy.testing import assert_allclose

from sksoftrank import soft_quantile, soft_topk

SAMPLES = {
    "two scales": lambda rng: np.append(np.arange(4500) / 10, 1e25 * np.arange(1, 501)),
    "cauchy": lambda rng: rng.standard_cauchy(5000),
    "heavy": lambda rng: np.exp(30 * rng.normal(size=5000)),
    "heavy below": lambda rng: -np.exp(30 * rng.normal(size=5000)),
    "seconds": lambda rng: 1.7e9 + rng.uniform(0, 1e5, size=5000),
    "ties": lambda rng: rng.integers(0, 50, size=5000).astype(float),
    "all scales": lambda rng: (
        rng.choice([-1, 1], 5000) * 10.0 ** rng.uniform(-290, 290, 5000)
    ),
}
samples = pytest.mark.parametrize("sample", SAMPLES)
epsilons = pytest.mark.parametrize(
    "epsilon", [1e-300, slow(1e-9), 1e-3, slow(1.0), slow(1e10), 1e290]
)
is_weighted = pytest.mark.parametrize("is_weighted", [False, True])


def draw(sample, is_weighted):
    rng = np.random.default_rng(0)
    values = rng.permutation(SAMPLES[sample](rng))
    weights = rng.integers(0, 3, size=len(values)) if is_weighted else None
    return values, weights


@samples
@epsilons
@is_weighted
def test_parts_have_the_sum_k(sample, epsilon, is_weighted):
    values, weights = draw(sample, is_weighted)
    counts = np.ones(len(values)) if weights is None else weights
    total = counts.sum()
    for k in (1, 2.5, 500, total / 3, total / 2, total - 20, total - 0.5):
        parts = soft_topk(
            values, k, epsilon, weights=weights, regularization="entropic"
        )
        assert_allclose(counts @ parts, k, rtol=1e-12)
        assert parts.min() >= 0
        assert parts.max() <= 1
        assert (np.diff(parts[np.argsort(values)]) >= 0).all()


@samples
@epsilons
@is_weighted
def test_quantiles_are_in_order(sample, epsilon, is_weighted):
    values, weights = draw(sample, is_weighted)
    q = [0, 0.1, 0.5, 0.9, 0.999, 1]
    options = {"weights": weights, "regularization": "entropic"}
    found = soft_quantile(values, q, epsilon, **options)
    assert (np.diff(found) >= 0).all()
    if epsilon < 1e-200 and sample != "all scales":
        hard = soft_quantile(values, q, 0, **options)
        assert_allclose(found, hard, rtol=1e-12, atol=100 * epsilon)
