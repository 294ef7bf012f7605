"""Isotonic rows never rise or fall by rounding, and weighted means are rounded once."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import isotonic_regression

from sksoftrank import isotonic_projection, project_permutahedron, soft_sort
from sksoftrank.preprocessing import IsotonicProjection

regularizations = pytest.mark.parametrize("regularization", ["quadratic", "entropic"])


def exact_rows(X, weights):
    """Non-decreasing weighted means in rational arithmetic, rounded at the end."""
    a = [Fraction(float(w)) for w in weights]
    for x in X:
        blocks = []
        for value, w in zip(x, a, strict=True):
            block = (1, w, w * Fraction(float(value)))
            while blocks and blocks[-1][2] / blocks[-1][1] > block[2] / block[1]:
                block = tuple(p + q for p, q in zip(blocks.pop(), block, strict=True))
            blocks.append(block)
        yield [float(s / w) for size, w, s in blocks for _ in range(size)]


def test_the_mean_is_rounded_once():
    projection = IsotonicProjection(weights=[1, 2, 3, 4, 5, 6, 7])
    found = projection.fit_transform([[1, 41, 51, 1, 2, 5, 24]])
    assert_array_equal(found, [[1, *[13.95] * 5, 24]])


@pytest.mark.parametrize("size", [1e-300, 1e-5, 1.0, 1e6, 1e290])
def test_weighted_means_are_those_of_fractions(size):
    rng = np.random.default_rng(0)
    for weights in (
        rng.integers(1, 9, size=12),
        rng.uniform(0.1, 3, size=12),
        10.0 ** rng.uniform(-12, 12, size=12),
    ):
        X = np.vstack([rng.normal(size=(60, 12)), rng.integers(0, 50, (60, 12)) / 10])
        X[::3] += 1e6
        X *= size
        found = IsotonicProjection(weights=weights).fit_transform(X)
        assert_array_equal(found, list(exact_rows(X, weights)))


def test_many_weighted_values():
    rng = np.random.default_rng(1)
    x, weights = rng.normal(size=20_000), rng.uniform(0.5, 2, size=20_000)
    x += np.linspace(0, 2, 20_000)
    found = IsotonicProjection(weights=weights).fit_transform(x[None])
    assert_array_equal(found, list(exact_rows(x[None], weights)))


@regularizations
@pytest.mark.parametrize("weighting", [None, "whole", "some zero", "all sizes"])
def test_rows_of_one_decimal_rise(regularization, weighting):
    rng = np.random.default_rng(2)
    for n in (2, 3, 5, 9, 20, 60):
        weights = {
            None: None,
            "whole": rng.integers(1, 9, size=n),
            "some zero": np.append(1, rng.integers(0, 2, size=n - 1)),
            "all sizes": 10.0 ** rng.uniform(-300, 300, size=n),
        }[weighting]
        projection = IsotonicProjection(weights=weights, regularization=regularization)
        for X in (
            rng.integers(0, 100, (500, n)) / 10,
            rng.normal(size=(500, n)),
            1e6 + rng.integers(0, 9, (500, n)) / 10,
            rng.normal(size=(500, n)) * 1e3,
        ):
            for rows in (X, X.astype(np.float32)):
                found = projection.fit_transform(rows)
                assert (np.diff(found, axis=1) >= 0).all()


@regularizations
def test_operators_keep_the_order(regularization):
    rng = np.random.default_rng(3)
    for n in (2, 3, 5, 9, 20, 60):
        X = rng.integers(0, 100, (2000, n)) / 10
        found = isotonic_projection(X, regularization=regularization)
        assert (np.diff(found, axis=1) <= 0).all()
        w = rng.integers(0, 30, n) / 10
        found = isotonic_projection(X, w, regularization=regularization)
        assert (np.diff(found, axis=1) <= 0).all()
        found = project_permutahedron(X, w, regularization=regularization)
        order = np.argsort(-X, axis=1, kind="stable")
        assert (np.diff(np.take_along_axis(found, order, 1), axis=1) <= 0).all()
        for epsilon in (0.1, 1.0, 3.0):
            options = {"regularization": regularization, "descending": True}
            found = soft_sort(X, epsilon, **options)
            assert (np.diff(found, axis=1) <= 0).all()


def test_quadratic_rows_are_those_of_scipy():
    rng = np.random.default_rng(4)
    weights = rng.uniform(0.5, 2, size=30)
    X = rng.integers(0, 100, (300, 30)) / 10
    found = IsotonicProjection(weights=weights).fit_transform(X)
    expected = [isotonic_regression(x, weights=weights).x for x in X]
    assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize("spread", [1e-12, 0.1, 3.0, 1e2, 1e4])
def test_entropic_rows_have_all_digits(spread):
    rng = np.random.default_rng(5)
    X, weights = spread * rng.normal(size=(20, 12)), 10 ** rng.uniform(-9, 9, size=12)
    projection = IsotonicProjection(weights=weights, regularization="entropic")
    found = projection.fit_transform(X)
    with mpmath.workdps(60):
        for x, row in zip(X, found, strict=True):
            blocks = []
            for value, w in zip(x, weights, strict=True):
                w = mpmath.mpf(w)
                block = (1, w, w * mpmath.exp(mpmath.mpf(value)))
                while blocks and blocks[-1][2] / blocks[-1][1] > block[2] / block[1]:
                    block = tuple(
                        p + q for p, q in zip(blocks.pop(), block, strict=True)
                    )
                blocks.append(block)
            expected = [
                float(mpmath.log(s / w)) for m, w, s in blocks for _ in range(m)
            ]
            assert_allclose(row, expected, rtol=0, atol=1e-15 * np.abs(x).max())


@regularizations
@pytest.mark.parametrize("increasing", [True, False])
def test_weights_of_zero_are_the_limit_of_small_ones(increasing, regularization):
    rng = np.random.default_rng(6)
    X = rng.normal(size=(200, 9))
    weights = np.array([0, 2, 0, 0, 1, 1, 0, 3, 0.0])
    options = {"increasing": increasing, "regularization": regularization}
    found = IsotonicProjection(weights=weights, **options).fit_transform(X)
    kept = IsotonicProjection(weights=weights[weights > 0], **options).fit_transform(
        X[:, weights > 0]
    )
    assert_array_equal(found[:, weights > 0], kept)
    steps = np.diff(found, axis=1)
    assert ((steps >= 0) if increasing else (steps <= 0)).all()
    small = np.where(weights > 0, weights, 1e-13)
    near = IsotonicProjection(weights=small, **options).fit_transform(X)
    assert_allclose(found, near, rtol=0, atol=1e-9)


def test_negligible_weights_count_among_themselves():
    x, weights = [[5.0, 3.0, 4.0, 1.0]], [1.0, 5e-324, 1e-323, 1.0]
    falling = IsotonicProjection(weights=weights, increasing=False).fit_transform(x)
    assert_allclose(falling, [[5, 11 / 3, 11 / 3, 1]], rtol=1e-15)
