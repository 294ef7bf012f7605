"""The transformers of features by soft ranks, against their definitions."""

import pickle

import numpy as np
import pytest
from features import sample
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import lsq_linear
from scipy.special import ndtri
from scipy.stats import rankdata
from sklearn.base import clone

from sksoftrank import soft_rank
from sksoftrank.preprocessing import SoftQuantileNormalizer, SoftRankTransformer
from sksoftrank.preprocessing._soft_cdf import SoftCDF, _places

EPSILONS = [0.01, 0.3, 1.0, 3.0, 30.0]


# Soft ranks relative to the sample


@pytest.mark.parametrize("epsilon", [0, *EPSILONS, 1e-300])
def test_training_rows_get_their_soft_ranks(epsilon):
    X = sample()
    transformer = SoftRankTransformer(epsilon).fit(X)
    for x, scale, u in zip(
        X.T, transformer.scale_, transformer.transform(X).T, strict=True
    ):
        ranks = soft_rank(x, epsilon * scale / len(x))
        assert_allclose(u, (ranks - 0.5) / len(x), rtol=0, atol=1e-13)


# Few distinct values, for ties, or numbers of all sizes.
VALUES = st.integers(-3, 3).map(float) | st.floats(-1e9, 1e9)


@given(
    arrays(float, st.integers(1, 30), elements=VALUES),
    st.just(0.0) | st.floats(1e-6, 1e3),
)
def test_any_sample_gets_its_soft_ranks(x, epsilon):
    transformer = SoftRankTransformer(epsilon).fit(x[:, None])
    width = epsilon * transformer.scale_[0]
    u = transformer.transform(x[:, None])[:, 0]
    rounding = np.spacing(np.abs(x).max()) / width if width > 0 else 0.0
    expected = (soft_rank(x, width / len(x)) - 0.5) / len(x)
    assert_allclose(u, expected, rtol=0, atol=1e-12 + 8 * rounding)


def test_hard_ranks_are_exact():
    X = sample()
    u = SoftRankTransformer(epsilon=0).fit_transform(X)
    assert_allclose(u, (rankdata(X, axis=0) - 0.5) / len(X), rtol=0, atol=1e-15)
    # Also for neighbouring numbers, whose middle is one of them, and any tiny epsilon.
    x = 1 + np.arange(20) * 2.0**-52
    for epsilon in (0, 1e-3, 1e-300):
        u = SoftRankTransformer(epsilon).fit_transform(x[:, None]).ravel()
        assert_allclose(u, (np.arange(20) + 0.5) / 20, rtol=0, atol=1e-15)


def rank_as_member(x, values, weight, width):
    """Rank of x, by its definition, as a member of the sample of weight 1e-11."""
    values, weight = np.append(values, x), np.append(weight / weight.sum(), 1e-11)
    order = np.argsort(values, kind="stable")
    values, weight = values[order], weight[order]
    middle = np.cumsum(weight) - weight / 2
    y = values - width * middle

    def mean(j, k):
        return np.average(y[j : k + 1], weights=weight[j : k + 1])

    i = int(np.flatnonzero(order == len(y) - 1)[0])
    v = max(min(mean(j, k) for k in range(i, len(y))) for j in range(i + 1))
    return (x - v) / width


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("epsilon", EPSILONS[1:])
def test_new_values_rank_as_members_without_weight(epsilon, weighted):
    rng = np.random.default_rng(1)
    X = np.round(rng.normal(size=(12, 1)), 1)
    weight = rng.uniform(0.2, 3, size=12) if weighted else np.ones(12)
    transformer = SoftRankTransformer(epsilon).fit(X, sample_weight=weight)
    width = epsilon * transformer.scale_[0]
    new = np.linspace(X.min() - width, X.max() + width, 57)
    expected = [rank_as_member(x, X[:, 0], weight, width) for x in new]
    u = transformer.transform(new[:, None])[:, 0]
    assert_allclose(u, expected, rtol=0, atol=1e-8)
    assert 0 < np.mean((u > 0) & (u < 1)) < 1


@pytest.mark.parametrize("epsilon", [0.2, 1.0, 4.0])
def test_it_is_the_closest_distribution_of_bounded_density(epsilon):
    X = np.array([[0.0], [0.3], [0.5], [2.0]])
    transformer = SoftRankTransformer(epsilon).fit(X)
    width = epsilon * transformer.scale_[0]
    # The quantile function on a grid: a start, and increments of at least width / grid.
    grid = 100
    quantiles = np.repeat(X[:, 0], grid // 4)
    lower = np.append(-np.inf, np.full(grid - 1, width / grid))
    solution = lsq_linear(
        np.tril(np.ones((grid, grid))), quantiles, (lower, np.inf), tol=1e-14
    )
    u = (np.arange(grid) + 0.5) / grid
    found = transformer.inverse_transform(u[:, None])[:, 0]
    assert_allclose(found, np.cumsum(solution.x), rtol=0, atol=1e-5)


def test_scale_is_the_interquartile_range_of_the_mid_distribution():
    rng = np.random.default_rng(0)
    distinct, constant = rng.normal(size=50), np.full(50, 7.0)
    # Two values: their middles are at 0.45 and 0.95, and the upper quartile at 0.75.
    rare = np.repeat([1.0, 6.0], [45, 5])
    X = np.column_stack([distinct, constant, rare])
    quartiles = np.quantile(distinct, [0.25, 0.75], method="hazen")
    expected = [np.diff(quartiles)[0], 1.0, 5 * (0.75 - 0.45) / 0.5]
    assert_allclose(SoftRankTransformer().fit(X).scale_, expected, rtol=1e-13)


@pytest.mark.parametrize("unit", [1e-300, 1e-8, 1e8, 1e300])
@pytest.mark.parametrize("epsilon", [0, 0.5, 2.0, 1e6])
def test_one_epsilon_serves_all_units(epsilon, unit):
    X = sample()
    expected = SoftRankTransformer(epsilon).fit_transform(X)
    u = SoftRankTransformer(epsilon).fit_transform(unit * X)
    assert_allclose(u, expected, rtol=0, atol=1e-12)
    u = SoftRankTransformer(epsilon).fit_transform(-unit * X)
    assert_allclose(u, 1 - expected, rtol=0, atol=1e-12)


def test_far_origin_costs_the_digits_of_the_values_only():
    X = np.round(sample() * 2**10) / 2**10
    expected = SoftRankTransformer(0.5).fit(X)
    u = SoftRankTransformer(0.5).fit_transform(X + 2.0**30)
    unit_in_last_place = 2.0**-22 / (0.5 * expected.scale_.min())
    assert_allclose(u, expected.transform(X), rtol=0, atol=unit_in_last_place)


@pytest.mark.parametrize("epsilon", [0, *EPSILONS])
def test_map_is_monotone_and_not_steep(epsilon):
    X = sample()[:, :1]
    transformer = SoftRankTransformer(epsilon).fit(X)
    x = np.linspace(X.min() - 40, X.max() + 40, 5001)
    u = transformer.transform(x[:, None])[:, 0]
    assert u.min() == 0
    assert u.max() == 1
    step = np.diff(u)
    assert step.min() >= 0
    steepest = step.max() / (x[1] - x[0])
    if epsilon > 0.1:
        assert_allclose(steepest, 1 / (epsilon * transformer.scale_[0]), rtol=1e-9)


def test_large_epsilon_is_linear():
    X = sample()
    transformer = SoftRankTransformer(1e5).fit(X)
    linear = 0.5 + (X - X.mean(axis=0)) / (1e5 * transformer.scale_)
    assert_allclose(transformer.transform(X), linear, rtol=0, atol=1e-15)


@pytest.mark.parametrize("epsilon", [0, *EPSILONS])
@pytest.mark.parametrize("output_distribution", ["uniform", "normal"])
def test_inverse_transform(epsilon, output_distribution):
    X = sample()
    options = {"output_distribution": output_distribution}
    transformer = SoftRankTransformer(epsilon, **options).fit(X)
    # Back to values that lie on ramps, as those of the sample do.
    z = transformer.transform(X)
    back = transformer.inverse_transform(z)
    assert_allclose(back, X, rtol=0, atol=1e-10 * np.abs(X).max(axis=0).max())
    u = np.linspace(0.001, 0.999, 100)[:, None] + np.zeros(3)
    z = u if output_distribution == "uniform" else ndtri(u)
    if epsilon > 0.1:
        there = transformer.transform(transformer.inverse_transform(z))
        assert_allclose(there, z, rtol=0, atol=1e-9)


def test_inverse_transform_of_flat_pieces_and_beyond():
    transformer = SoftRankTransformer(0.25).fit([[0.0], [4.0], [4.5], [20.0]])
    assert transformer.scale_ == [10.25]
    # Ramps of width 41 / 64 around the values, but one around 4.25 of twice the width.
    inverse = transformer.inverse_transform(
        [[-1.0], [0.0], [0.25], [0.5], [1.0], [2.0]]
    )
    half = 41 / 128
    expected = [-half, -half, (4.25 - half) / 2, 4.25, 20 + half, 20 + half]
    assert_allclose(inverse.ravel(), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize(
    "transformer",
    [
        SoftRankTransformer(),
        SoftRankTransformer(output_distribution="normal"),
        SoftRankTransformer(offset=0),
        SoftRankTransformer(output_distribution="normal", offset=0.375),
        SoftQuantileNormalizer(),
        SoftQuantileNormalizer(target=[5.0, 1.0, 1.0, 2.0]),
    ],
    ids=["uniform", "normal", "offset", "Blom", "mean", "target"],
)
def test_derivative(transformer, epsilon):
    transformer = clone(transformer).set_params(epsilon=epsilon).fit(sample())
    rng = np.random.default_rng(1)
    X = sample(300) + 0.1 * epsilon * rng.normal(size=(300, 3)) * transformer.scale_
    derivative = transformer.derivative(X)
    step = 1e-6 * epsilon * transformer.scale_
    ends = [transformer.transform(X + sign * step) for sign in (-1, 0, 1)]
    below, above = np.diff(ends, axis=0) / step * (epsilon * transformer.scale_)
    smooth = np.isclose(below, above, rtol=1e-3, atol=1e-4)  # no kink
    assert smooth.mean() > 0.98
    found = (derivative * epsilon * transformer.scale_)[smooth]
    assert_allclose(found, (below + above)[smooth] / 2, rtol=1e-6, atol=1e-7)
    assert np.count_nonzero(derivative) > 0


def test_derivative_is_zero_where_the_map_is_hard():
    X = sample()
    assert_array_equal(SoftRankTransformer(0).fit(X).derivative(X), np.zeros(X.shape))
    limited = SoftRankTransformer(0.5, output_distribution="normal").fit(X)
    assert_array_equal(limited.derivative(X + 1e6), np.zeros(X.shape))
    # At the foot of a ramp the score is limited, too.
    foot = SoftRankTransformer(0.5).fit(X).inverse_transform([[5e-8] * 3, [2e-7] * 3])
    assert_array_equal(limited.derivative(foot) > 0, [[False] * 3, [True] * 3])


def test_normal_scores():
    X = sample(200)
    u = SoftRankTransformer(0.5).fit_transform(X)
    normal = SoftRankTransformer(0.5, output_distribution="normal").fit(X)
    assert_allclose(normal.transform(X), ndtri(u), rtol=1e-12)
    limits = normal.transform([[-1e9] * 3, [1e9] * 3])
    assert_allclose(limits, [[ndtri(1e-7)] * 3, [-ndtri(1e-7)] * 3], rtol=1e-9)


@pytest.mark.parametrize("offset", [0, 0.3, 0.375, 0.5])
def test_offsets_of_normal_scores(offset):
    X = np.random.default_rng(0).permutation(100)[:, None]
    X = np.vstack([X, [[np.nan]]])
    p = (1 + X - offset) / (100 + 1 - 2 * offset)
    for distribution, function in (("uniform", np.positive), ("normal", ndtri)):
        transformer = SoftRankTransformer(
            0, output_distribution=distribution, offset=offset
        ).fit(X)
        assert_allclose(transformer.transform(X), function(p), rtol=1e-12, atol=1e-13)
        back = transformer.inverse_transform(function(p))
        assert_allclose(back, X, rtol=1e-12, atol=1e-12)
    assert transformer.n_values_ == [100]


def test_no_cliff_at_the_tails():
    X = np.random.default_rng(0).normal(size=(100, 1))
    ends = np.array([[X.min()], [X.max()]])
    for epsilon in (0, 0.1, 1.0):
        for offset, close in ((0.375, True), (0, True), (0.5, False)):
            transformer = SoftRankTransformer(
                epsilon, output_distribution="normal", offset=offset
            ).fit(X)
            inside, outside = (
                transformer.transform(ends),
                transformer.transform(ends + np.array([[-9.0], [9.0]])),
            )
            gap = np.abs(outside - inside).max()
            assert (gap < 0.8) == close
            assert (np.abs(outside) > np.abs(inside)).all()
    low, high = (
        SoftRankTransformer(0, output_distribution="normal", offset=0.375)
        .fit(X)
        .transform([[X.min()], [-99.0]])
    )
    assert (round(-low[0], 2), round(-high[0], 2)) == (2.50, 3.02)  # as documented


def test_counts_are_sums_of_weights():
    X = sample(50)
    X[:10, 1] = np.nan
    for weight, total in (
        (np.full(50, 3.0), 3),
        (np.full(50, 0.1), 1),  # no frequencies
        (np.full(50, 1e-300), 1),
    ):
        n = SoftRankTransformer().fit(X, sample_weight=weight).n_values_
        assert_allclose(n, [50 * total, 40 * total, 50 * total], rtol=1e-12)
    huge = SoftRankTransformer(offset=0.3).fit(X, sample_weight=np.full(50, 1e308))
    assert np.isfinite(huge.transform(X[10:])).all()


# Missing values, weights, subsamples


@pytest.mark.parametrize(
    "transformer",
    [
        SoftRankTransformer(),
        SoftQuantileNormalizer(target=[1.0, 2.0]),
        SoftQuantileNormalizer(target=[1.0]),
    ],
)
def test_nan_is_left_out_and_kept(transformer):
    X = sample()
    X_nan = np.full((60, 4), np.nan)
    X_nan[10:50, :3] = X
    result = clone(transformer).fit(X_nan).transform(X_nan)
    assert_array_equal(np.isnan(result), np.isnan(X_nan))
    assert_array_equal(result[10:50, :3], clone(transformer).fit_transform(X))
    fitted = clone(transformer).fit(X_nan)
    assert np.isnan(fitted.scale_[3])
    assert np.isnan(fitted.transform(np.ones((2, 4)))[:, 3]).all()
    assert np.isnan(fitted.derivative(X_nan)[:10]).all()
    assert np.isnan(fitted.inverse_transform(X_nan)[:10]).all()


@pytest.mark.parametrize("epsilon", [0, 0.5, 5.0])
def test_weights_are_repeats(epsilon):
    X = sample(200)
    X[::9, 0] = np.nan
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 5, size=200)
    new = sample(100, seed=2)
    weighted = SoftRankTransformer(epsilon).fit(X, sample_weight=weight)
    repeated = SoftRankTransformer(epsilon).fit(np.repeat(X, weight, axis=0))
    assert_allclose(weighted.scale_, repeated.scale_, rtol=1e-12)
    assert_allclose(
        weighted.transform(new), repeated.transform(new), rtol=0, atol=1e-12
    )
    multiple = SoftRankTransformer(epsilon).fit(X, sample_weight=1e308 * (weight / 4))
    assert_allclose(
        weighted.transform(new), multiple.transform(new), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("cls", [SoftRankTransformer, SoftQuantileNormalizer])
def test_subsample(cls):
    X, new = sample(300), sample(50, seed=2)
    full = cls(subsample=None).fit_transform(X)
    assert_array_equal(cls(subsample=300, random_state=0).fit_transform(X), full)
    part = cls(subsample=100, random_state=0).fit(X)
    assert sum(cdf.mean.size for cdf in part.soft_cdfs_) < 300
    assert_array_equal(
        part.transform(new),
        cls(subsample=100, random_state=0).fit(X).transform(new),
    )
    assert abs(part.transform(X) - full).max() > 1e-3
    other = cls(subsample=100, random_state=1).fit(X)
    assert abs(part.transform(new) - other.transform(new)).max() > 1e-3


@pytest.mark.parametrize("epsilon", [0, 1.0])
def test_subsample_is_close_to_all(epsilon):
    # A value at random from each part of equal weight: no quantile is off by more.
    rng = np.random.default_rng(0)
    X, weight = rng.lognormal(size=(20_000, 2)), rng.exponential(size=20_000)
    for w in (None, weight):
        full = SoftRankTransformer(epsilon, subsample=None).fit(X, sample_weight=w)
        for seed in range(3):
            part = SoftRankTransformer(epsilon, subsample=200, random_state=seed)
            part.fit(X, sample_weight=w)
            assert max(cdf.mean.size for cdf in part.soft_cdfs_) <= 200
            assert abs(part.transform(X) - full.transform(X)).max() < 1.5 / 200


@pytest.mark.parametrize("target", [None, [3.0, 1.0, 2.0]])
@pytest.mark.parametrize("subsample", [None, 1000, 60, 7])
def test_weights_are_repeats_in_subsamples(subsample, target):
    X, new = sample(80), sample(30, seed=2)
    X[::5, 0] = np.nan
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 5, size=80)
    repeated = rng.permuted(np.repeat(X, weight, axis=0), axis=0)
    for transformer in (
        SoftRankTransformer(output_distribution="normal", offset=0.375),
        SoftQuantileNormalizer(target=target),
    ):
        transformer.set_params(subsample=subsample, random_state=3)
        expected = transformer.fit(repeated).transform(new)
        for order in (np.arange(80), rng.permutation(80)):
            transformer.fit(X[order], sample_weight=weight[order])
            assert_allclose(transformer.transform(new), expected, rtol=1e-12)
        transformer.fit(X, sample_weight=np.ones(80))
        ones = transformer.transform(new)
        assert_allclose(ones, transformer.fit(X).transform(new), rtol=1e-12)
        assert abs(ones - expected).max() > 1e-3


@pytest.mark.parametrize("cls", [SoftRankTransformer, SoftQuantileNormalizer])
def test_subsample_is_of_the_numbers_of_each_column(cls):
    X = np.random.default_rng(0).normal(size=(100_000, 3))
    X[5:, 1] = np.nan
    X[200:, 2] = np.nan
    alone = SoftRankTransformer(subsample=None).fit(X[:5, 1:2]).transform(X[:5, 1:2])
    for seed in range(20):
        transformer = cls(subsample=100, random_state=seed).fit(X)
        found = transformer.transform(X[:5])
        assert np.isfinite(found).all()
        if cls is SoftRankTransformer:
            assert_array_equal(found[:, 1:2], alone)
            assert_array_equal(transformer.n_values_, [100_000, 5, 200])


def test_subsample_is_of_rows_of_positive_weight():
    X = np.arange(1000.0)[:, None]
    weight = (X[:, 0] < 50).astype(float)
    transformer = SoftRankTransformer(subsample=50, random_state=0)
    u = transformer.fit(X, sample_weight=weight).transform(X)
    expected = SoftRankTransformer().fit(X[:50]).transform(X)
    assert_allclose(u, expected, rtol=0, atol=1e-14)


# Quantile normalisation


def test_classical_quantile_normalisation():
    rng = np.random.default_rng(0)
    X = rng.lognormal(size=(30, 4))
    quantiles = np.sort(X, axis=0).mean(axis=1)
    expected = quantiles[np.argsort(np.argsort(X, axis=0), axis=0)]
    normalizer = SoftQuantileNormalizer(epsilon=0).fit(X)
    assert_allclose(normalizer.target_quantiles_, quantiles, rtol=1e-14)
    assert_allclose(normalizer.transform(X), expected, rtol=1e-13)
    X[5] = X[6]  # ties in all features: half-way
    normalizer.fit(X)
    first = np.argmax(np.sort(X[:, 0]) == X[5, 0])
    middle = normalizer.target_quantiles_[first : first + 2].mean()
    assert_allclose(normalizer.transform(X)[5, 0], middle, rtol=1e-13)


@pytest.mark.parametrize("epsilon", [0, *EPSILONS])
def test_normalizer_is_a_quantile_function_of_ranks(epsilon):
    X, target = sample(), [4.0, 1.0, -3.0, 1.0, 9.0]
    normalizer = SoftQuantileNormalizer(epsilon, target=target).fit(X)
    u = SoftRankTransformer(epsilon).fit_transform(X)
    expected = np.interp(u, [0.1, 0.3, 0.5, 0.7, 0.9], [-3.0, 1.0, 1.0, 4.0, 9.0])
    assert_allclose(normalizer.transform(X), expected, rtol=0, atol=1e-13)
    # From the middle of the flat piece of the target, and from beyond its ends.
    probabilities = np.array([0.4, 0.1, 0.9])
    back = normalizer.inverse_transform(np.array([[1.0, -9.0, 99.0]] * 3).T)
    ranks = SoftRankTransformer(epsilon).fit(X)
    expected = ranks.inverse_transform(np.array([probabilities] * 3).T)
    assert_allclose(back, expected, rtol=0, atol=1e-9)


def test_normalizer_learns_the_mean_of_quantile_functions_without_nan():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    X[3, 1] = np.nan
    X[:, 2] = np.nan
    quantiles = SoftQuantileNormalizer().fit(X).target_quantiles_
    p = (np.arange(20) + 0.5) / 20
    other = np.quantile(X[~np.isnan(X[:, 1]), 1], p, method="hazen")
    assert_allclose(quantiles, (np.sort(X[:, 0]) + other) / 2, rtol=1e-12)
    nothing = SoftQuantileNormalizer().fit(np.full((3, 2), np.nan))
    assert np.isnan(nothing.transform(np.ones((1, 2)))).all()


# Pickles


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 50.0])
@pytest.mark.parametrize("weight", [None, "frequencies", "any"])
def test_pickles_are_small_and_exact(epsilon, weight):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 2)).round(2)
    X[:, 1] = np.nan
    if weight is not None:
        weight = rng.integers(1, 4, 1000) + (0.1 * rng.random(1000)) * (weight == "any")
    model = SoftRankTransformer(epsilon).fit(X, sample_weight=weight)
    again = pickle.loads(pickle.dumps(model))
    for first, second in zip(model.soft_cdfs_, again.soft_cdfs_, strict=True):
        assert vars(first).keys() == vars(second).keys()
        for name, value in vars(first).items():
            assert_array_equal(getattr(second, name), value)
    n_ramps = model.soft_cdfs_[0].mean.size
    # The mean of a ramp, and its size in two bytes or its level.
    limit = (10 if weight is None else 16) * n_ramps + 2000
    assert len(pickle.dumps(model)) < limit
    assert (n_ramps > 200) == (epsilon < 1)


def test_pickles_that_hold_all_of_a_function_load():
    model = SoftRankTransformer().fit(np.arange(20.0)[:, None] ** 2)
    cdf = model.soft_cdfs_[0]
    state = {name: value for name, value in vars(cdf).items() if name != "total"}
    old = SoftCDF.__new__(SoftCDF)
    old.__setstate__(state)
    model.soft_cdfs_ = [pickle.loads(pickle.dumps(old))]
    x = np.linspace(-10, 400, 77)
    assert_array_equal(model.soft_cdfs_[0].cdf(x), cdf.cdf(x))
    assert_array_equal(model.soft_cdfs_[0].ppf(x / 400), cdf.ppf(x / 400))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n_points", [0, 1, 37])
def test_places_of_many_values_are_those_of_numpy(n_points, side):
    rng = np.random.default_rng(0)
    points = np.sort(rng.normal(size=n_points).round(1))
    for n in (0, 99, 100, 2000):
        x = rng.normal(size=n).round(1)
        x[::7], x[1::11], x[2::13], x[3::17] = np.nan, np.inf, -np.inf, -0.0
        found, expected = _places(points, x, side), np.searchsorted(points, x, side)
        assert_array_equal(found, expected)
