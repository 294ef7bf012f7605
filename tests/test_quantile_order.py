"""Quantiles of ties are data values, rise with q and stay within the range."""

import numpy as np
import pytest
from marks import slow
from numpy.testing import assert_array_equal

from sksoftrank import soft_median, soft_quantile, soft_trimmed_mean, soft_winsorize

SAMPLES = {
    "constant": lambda rng, n: np.full(n, 0.1 * rng.integers(1, 1000)),
    "prices": lambda rng, n: rng.integers(100, 140, size=n) / 100,
    "seconds": lambda rng, n: 1.7e9 + rng.integers(0, 5, size=n),
    "ratings": lambda rng, n: rng.integers(1, 6, size=n).astype(float),
    "normal": lambda rng, n: rng.normal(size=n),
    "far": lambda rng, n: 1e9 + rng.normal(size=n),
}
WEIGHTS = {
    "none": lambda rng, n: None,
    "counts": lambda rng, n: np.append(1.0, rng.integers(0, 4, size=n - 1)),
    "large": lambda rng, n: rng.uniform(0, 1e6, size=n),
    "normalised": lambda rng, n: rng.dirichlet(np.ones(n)),
}
samples = pytest.mark.parametrize("sample", SAMPLES)
weightings = pytest.mark.parametrize("weighting", WEIGHTS)
regularizations = pytest.mark.parametrize("regularization", ["quadratic", "entropic"])


def draw(sample, weighting, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 200))
    q = np.concatenate([rng.uniform(size=40), [0, 0.5, 1, 0.5]])
    return SAMPLES[sample](rng, n), WEIGHTS[weighting](rng, n), q


@samples
@weightings
@regularizations
@pytest.mark.parametrize("seeds", [[0], slow([1, 2, 3])])
@pytest.mark.parametrize("epsilon", [0, 1e-9, 1e-3, 1.0, 30.0, 1e5, 1e300])
def test_quantiles_rise_within_the_range(
    sample, weighting, regularization, epsilon, seeds
):
    options = {"epsilon": epsilon, "regularization": regularization}
    for seed in seeds:
        values, weights, q = draw(sample, weighting, seed)
        quantiles = soft_quantile(values, q, weights=weights, **options)
        assert (np.diff(quantiles[np.argsort(q)]) >= 0).all()
        positive = values if weights is None else values[weights > 0]
        mean = soft_trimmed_mean(values, 0.2, weights=weights, **options)
        for found in (quantiles, mean):
            assert (positive.min() <= found).all()
            assert (found <= positive.max()).all()
        if sample == "constant":
            clipped = soft_winsorize(values, 0.2, weights=weights, **options)
            assert_array_equal(clipped, values)


@pytest.mark.parametrize("sample", ["constant", "prices", "seconds", "ratings"])
@weightings
def test_hard_quantiles_of_ties_are_data(sample, weighting):
    for seed in range(10):
        values, weights, q = draw(sample, weighting, seed)
        counts = np.ones(len(values)) if weights is None else weights
        if counts.mean() < 1:
            counts = counts / counts.mean()
        order = np.argsort(values)
        ends = np.cumsum(counts[order])
        low = (ends[-1] - 1) * q
        found = soft_quantile(values, q, 0, weights=weights)
        n_tied = 0
        for value, start in zip(found, low, strict=True):
            # Windows of one that are clearly within the weight of a tie.
            first, last = np.searchsorted(ends, [start + 1e-6, start + 1 - 1e-6])
            last = min(last, len(values) - 1)
            if values[order[first]] == values[order[last]]:
                assert value == values[order[first]]
                n_tied += 1
        assert n_tied > 0


def test_hard_medians_of_many_values_are_exact():
    values = 1e6 + np.random.default_rng(0).integers(0, 3, size=1_000_001)
    assert soft_median(values, 0) == np.median(values)
    assert_array_equal(soft_quantile(values, [0.1, 0.9], 0), [1e6, 1e6 + 2])
    assert soft_trimmed_mean(np.full(1000, 0.1), 0.123, 0) == 0.1
    assert_array_equal(soft_winsorize(values, 0.1, 0), values)


def test_whole_positions_are_data():
    values = np.random.default_rng(1).permutation(101) / 7
    q = np.arange(101) / 100
    found = soft_quantile(values, q, 0)
    # 100 q is whole but for rounding.
    whole = (100 * q) == np.arange(101)
    assert whole.sum() > 80
    assert_array_equal(found[whole], np.sort(values)[whole])
