"""Accuracy up to n = 1e5 against exact or extended-precision references."""

import numpy as np
import pytest
from cases import CASES, OPERATORS, all_cases
from marks import slow
from numpy.testing import assert_array_equal
from reference import FAST, LONG, fast_isotonic, fast_project, mpmath_soft

from sksoftrank import (
    epsilon_bounds,
    isotonic_projection,
    project_permutahedron,
    soft_rank,
    soft_sort,
)

N = 100_000
EPSILONS = [1e-8, 1e-4, 1.0, 1e4, 1e8]
# The entropic reference needs more digits than a double has.
HAS_EXTENDED = np.finfo(LONG).eps < 1e-18


def make_data():
    rng = np.random.default_rng(0)
    uniform = rng.uniform(-1000, 1000, N)
    all_scales = rng.choice([-1, 1], N) * 10 ** rng.uniform(-8, 3, N)
    return {
        "within 1e3": uniform,
        "within 1e11": uniform * 1e8,
        "1e-8 to 1e3": all_scales,
        # Shorter, only to spare time.
        "within 1e-5": uniform[:20_000] * 1e-8,
        "1e6 + 1e-3": 1e6 + 1e-6 * uniform[:20_000],
    }


DATA = make_data()
WEIGHTS = np.random.default_rng(1).normal(size=N)
sizes = pytest.mark.parametrize("n", [2000, slow(N)])


def relative_error(got, expected):
    """Largest absolute error over the largest absolute value of the reference."""
    error, scale = np.abs(got - expected).max(), np.abs(expected).max()
    return float(error / scale if scale else error)


def measure(operator, regularization, epsilon, x):
    """Relative errors of the values and of the transposed Jacobian times a vector."""
    g = WEIGHTS[: len(x)]
    expected = FAST[operator](x, epsilon, regularization)
    got, jacobian = OPERATORS[operator](
        x, epsilon, regularization=regularization, return_jacobian=True
    )
    return (
        relative_error(got, expected.values),
        relative_error(jacobian.vjp(g), expected.vjp(g)),
    )


def accuracy_rows():
    """Yield operator, regularization, epsilon and the worst errors over all data."""
    for operator, regularization in CASES:
        for epsilon in EPSILONS:
            errors = [
                measure(operator, regularization, epsilon, x) for x in DATA.values()
            ]
            yield operator, regularization, epsilon, *np.max(errors, axis=0)


@pytest.mark.skipif(not HAS_EXTENDED, reason="needs an 80-bit long double")
@sizes
@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("epsilon", EPSILONS)
@all_cases
def test_twelve_digits(operator, regularization, epsilon, kind, n):
    value_error, vjp_error = measure(operator, regularization, epsilon, DATA[kind][:n])
    assert value_error < 1e-12
    assert vjp_error < 1e-12


@pytest.mark.skipif(not HAS_EXTENDED, reason="needs an 80-bit long double")
@pytest.mark.parametrize("n", [2000, slow(20_000)])
@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("w_kind", ["normal", "tiny", "offset"])
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_projections_have_twelve_digits(regularization, w_kind, kind, n):
    z = DATA[kind][:n]
    w = np.random.default_rng(5).normal(size=len(z))
    w = {"normal": w, "tiny": 1e-10 * w, "offset": 1e6 + 1e-3 * w}[w_kind]
    got = isotonic_projection(z, w, regularization=regularization)
    assert relative_error(got, fast_isotonic(z, w, regularization)) < 1e-12
    got = project_permutahedron(z, w, regularization=regularization)
    assert relative_error(got, fast_project(z, w, regularization)) < 1e-12


@pytest.mark.skipif(not HAS_EXTENDED, reason="needs an 80-bit long double")
@pytest.mark.parametrize("kind", DATA)
@all_cases
def test_the_reference_itself_has_fifteen_digits(operator, regularization, kind):
    x = DATA[kind][:100]
    for epsilon in EPSILONS:
        expected = mpmath_soft(operator, x, epsilon, regularization)
        got = FAST[operator](x, epsilon, regularization).values
        assert relative_error(got, expected) < 3e-16


@sizes
@pytest.mark.parametrize("kind", DATA)
@all_cases
def test_hard_values_are_exact_up_to_the_bound(operator, regularization, kind, n):
    x = np.unique(DATA[kind][:n])
    x = np.random.default_rng(2).permutation(x)
    hard, _ = epsilon_bounds(x, operator=operator, regularization=regularization)
    assert hard > 0
    exact = np.sort(x) if operator == "sort" else np.argsort(np.argsort(x)) + 1.0
    for epsilon in (hard, np.nextafter(hard, 0), hard / 2, hard * 1e-6, 0):
        got = OPERATORS[operator](x, epsilon, regularization=regularization)
        assert_array_equal(got, exact)


@sizes
@pytest.mark.parametrize("kind", ["within 1e3", "within 1e-5", "1e-8 to 1e3"])
@pytest.mark.parametrize("epsilon", EPSILONS)
@all_cases
def test_float32_is_as_good_as_its_rounding(operator, regularization, epsilon, kind, n):
    x = DATA[kind][:n].astype(np.float32)
    options = {"regularization": regularization, "return_jacobian": True}
    got, jacobian = OPERATORS[operator](x, epsilon, **options)
    expected, expected_jacobian = OPERATORS[operator](
        x.astype(np.float64), epsilon, **options
    )
    assert got.dtype == np.float32
    # Values that hardly vary cannot be told apart in float32: half a spacing is due.
    rounding = 0.5 * np.spacing(np.abs(expected).max().astype(np.float32))
    assert np.abs(got - expected).max() <= 1e-6 * np.ptp(expected) + rounding
    g = WEIGHTS[: len(x)].astype(np.float32)
    vjp = jacobian.vjp(g)
    assert vjp.dtype == np.float32
    assert relative_error(vjp, expected_jacobian.vjp(g.astype(float))) < 1e-6


@all_cases
def test_float32_is_hard_up_to_the_bound(operator, regularization):
    x = np.random.default_rng(3).permutation(2000).astype(np.float32) / 7
    hard, _ = epsilon_bounds(x, operator=operator, regularization=regularization)
    exact = np.sort(x) if operator == "sort" else np.argsort(np.argsort(x)) + 1
    got = OPERATORS[operator](x, hard, regularization=regularization)
    assert_array_equal(got, exact.astype(np.float32))


@pytest.mark.slow
def test_float32_ranks_of_a_million_values_are_exact():
    n = 1_000_000
    x = np.random.default_rng(4).permutation(n).astype(np.float32)
    assert_array_equal(soft_rank(x, 1.0), x + 1)


@all_cases
def test_subnormal_values_keep_their_digits(operator, regularization):
    """Below 2.2e-308 a float has fewer digits; flushed to zero it would have none."""
    k, unit = np.array([3.0, 17.0, 4.0, 90.0, 91.0]), 1e-309
    if operator == "rank":
        got = soft_rank(k * unit, 2 * unit, regularization=regularization)
        expected = soft_rank(k, 2.0, regularization=regularization)
        assert relative_error(got, expected) < 1e-13
    else:
        got = soft_sort(k * unit, 1.0, regularization=regularization)
        assert_array_equal(got, np.sort(k * unit))
