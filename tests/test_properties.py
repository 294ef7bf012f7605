"""Laws of the operators, for any input that Hypothesis thinks of."""

import numpy as np
import pytest
from cases import OPERATORS, all_cases
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from reference import isotonic
from scipy.special import logsumexp
from scipy.stats import rankdata

from sksoftrank import (
    epsilon_bounds,
    isotonic_projection,
    project_permutahedron,
    soft_rank,
    soft_sort,
)

rank_kinds = pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
both = pytest.mark.parametrize("regularization", ["quadratic", "entropic"])

# Any float in +-100, integers for ties, and multiples of 1/64, whose sums are exact.
floats = st.floats(-100, 100)
ties = st.integers(-3, 3).map(float)
dyadics = st.integers(-640, 640).map(lambda k: k / 64)
epsilons = st.floats(-4, 4).map(lambda e: 10.0**e)
lengths = st.integers(0, 12)


def vectors(elements, lengths=lengths):
    return lengths.flatmap(lambda n: arrays(np.float64, n, elements=elements))


def pairs():
    return st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            arrays(np.float64, n, elements=st.floats(-20, 20)),
            arrays(np.float64, n, elements=st.floats(-20, 20)),
        )
    )


table_shapes = st.tuples(st.integers(0, 5), st.integers(0, 6))
tables = table_shapes.flatmap(lambda s: arrays(np.float64, s, elements=floats))
values = st.one_of(vectors(floats), vectors(ties))
non_empty = values.filter(len)


def close(got, expected, scale=1.0):
    """Equal up to rounding, in units of the largest number that took part."""
    assert_allclose(got, expected, rtol=0, atol=1e-12 * max(scale, 1e-300))


def magnitude(x):
    return max(1.0, float(np.abs(x).max(initial=0)))


# Isotonic optimisation


@both
@given(pair=pairs())
@example(pair=(np.zeros(2), np.array([7e-125, 0.0])))
@example(pair=(np.array([1.0, 1.0 + 2**-52, 2.0]), np.array([1.0, 1.0, 2.0])))
@example(pair=(np.array([0.0, -1.0, 1e-309]), np.array([-1.0, -1.0, 0.0])))
def test_isotonic_solution_satisfies_kkt(regularization, pair):
    s, w = pair
    v = isotonic_projection(s, w, regularization=regularization)
    falls = -np.diff(v)
    # Neighbours are compared by differences of s and of w, which are rounded.
    assert (falls >= -1e-15 * np.abs(pair).max()).all()
    if regularization == "quadratic":
        gradient, scale = s - w - v, magnitude(s - w)
    else:
        gradient, scale = np.exp(s - v) - np.exp(w), np.exp(w).sum()
    sums = np.cumsum(gradient) / scale
    # Exact blocks are tested elsewhere: a fall below rounding may be no fall at all.
    is_boundary = np.append(falls > 1e-12 * magnitude(v), True)
    assert sums.max() <= 1e-12
    assert np.abs(sums[is_boundary]).max() <= 1e-12


@both
@given(pair=pairs())
def test_isotonic_solution_is_the_min_max_formula(regularization, pair):
    s, w = pair
    got = isotonic_projection(s, w, regularization=regularization)
    close(got, isotonic(s, w, regularization).astype(float), magnitude(s - w))


# Membership of the permutahedron


def assert_majorised(x, w):
    """x lies in the convex hull of the permutations of w."""
    largest_x, largest_w = (np.cumsum(np.sort(a)[::-1]) for a in (x, w))
    scale = np.abs(w).sum()
    assert (largest_x <= largest_w + 1e-12 * scale).all()
    assert abs(largest_x[-1] - largest_w[-1]) <= 1e-12 * scale


@rank_kinds
@given(x=non_empty, epsilon=epsilons, descending=st.booleans())
def test_ranks_lie_in_the_permutahedron(regularization, x, epsilon, descending):
    ranks = soft_rank(x, epsilon, regularization=regularization, descending=descending)
    rho = np.arange(len(x), 0, -1.0)
    if regularization == "entropic":
        ranks, rho = np.exp(ranks), np.exp(rho)
    assert_majorised(ranks, rho)


@given(x=non_empty, epsilon=epsilons, descending=st.booleans())
def test_sorted_values_lie_in_the_permutahedron(x, epsilon, descending):
    assert_majorised(soft_sort(x, epsilon, descending=descending), x)
    sign = 1 if descending else -1
    options = {"regularization": "entropic", "descending": descending}
    entropic = sign * soft_sort(x, epsilon, **options)
    # exp(+-100) spans more digits than a double has; majorisation is up to a factor.
    top = (sign * x).max()
    assert_majorised(np.exp(entropic - top), np.exp(sign * x - top))


@both
@given(pair=pairs())
def test_projections_lie_in_the_permutahedron_and_are_optimal(regularization, pair):
    z, w = pair
    p = project_permutahedron(z, w, regularization=regularization)
    q, vertex = (p, w) if regularization == "quadratic" else (np.exp(p), np.exp(w))
    assert_majorised(q, vertex)
    residual = z - p
    gain = np.sort(residual) @ np.sort(vertex) - residual @ q
    assert gain <= 1e-12 * magnitude(residual) * np.abs(vertex).sum()


# Order


@rank_kinds
@given(x=non_empty, epsilon=epsilons)
def test_ranks_preserve_order_and_ties(regularization, x, epsilon):
    ranks = soft_rank(x, epsilon, regularization=regularization)
    order = np.argsort(x, kind="stable")
    steps, gaps = np.diff(ranks[order]), np.diff(x[order])
    assert (steps >= -1e-13 * magnitude(ranks)).all()
    assert (steps[gaps == 0] == 0).all()


@both
@given(x=non_empty, epsilon=epsilons, descending=st.booleans())
def test_sorted_values_are_sorted(regularization, x, epsilon, descending):
    result = soft_sort(x, epsilon, regularization=regularization, descending=descending)
    steps = -np.diff(result) if descending else np.diff(result)
    assert (steps >= -1e-13 * magnitude(x)).all()


@given(x=non_empty, epsilon=epsilons)
def test_quadratic_operators_keep_the_sum(x, epsilon):
    n = len(x)
    close(soft_rank(x, epsilon).sum(), n * (n + 1) / 2, n * n)
    close(soft_rank(x, epsilon, regularization="kl").sum(), n * (n + 1) / 2, n * n)
    close(soft_sort(x, epsilon).sum(), x.sum(), n * magnitude(x))


# Symmetries


@rank_kinds
@given(x=vectors(dyadics), epsilon=epsilons, factor=st.floats(1e-6, 1e6))
def test_ranks_depend_on_the_ratio_to_epsilon(regularization, x, epsilon, factor):
    # Only multiplication by a power of two is exact.
    factor = 2.0 ** np.round(np.log2(factor))
    got = soft_rank(factor * x, factor * epsilon, regularization=regularization)
    close(got, soft_rank(x, epsilon, regularization=regularization), len(x))


@rank_kinds
@given(x=vectors(dyadics), epsilon=epsilons, shift=st.integers(-(2**20), 2**20))
def test_ranks_are_invariant_to_shifts(regularization, x, epsilon, shift):
    got = soft_rank(x + shift, epsilon, regularization=regularization)
    close(got, soft_rank(x, epsilon, regularization=regularization), len(x))


@both
@given(x=vectors(dyadics), epsilon=epsilons, shift=st.integers(-(2**20), 2**20))
def test_sort_is_equivariant_to_shifts(regularization, x, epsilon, shift):
    got = soft_sort(x + shift, epsilon, regularization=regularization)
    expected = soft_sort(x, epsilon, regularization=regularization) + shift
    close(got, expected, magnitude(expected))


@given(x=values, epsilon=epsilons, exponent=st.integers(-20, 20))
def test_quadratic_sort_is_homogeneous(x, epsilon, exponent):
    factor = 2.0**exponent
    got = soft_sort(factor * x, epsilon / factor)
    close(got, factor * soft_sort(x, epsilon), factor * magnitude(x))


@all_cases
@given(x=values, epsilon=epsilons, seed=st.integers(0, 99))
def test_permutations(operator, regularization, x, epsilon, seed):
    order = np.random.default_rng(seed).permutation(len(x))
    function, options = OPERATORS[operator], {"regularization": regularization}
    expected = function(x, epsilon, **options)
    expected = expected[order] if operator == "rank" else expected
    close(function(x[order], epsilon, **options), expected, magnitude(x))


@all_cases
@given(x=values, epsilon=epsilons)
def test_descending_is_ascending_of_the_opposite(operator, regularization, x, epsilon):
    function, options = OPERATORS[operator], {"regularization": regularization}
    descending = function(x, epsilon, descending=True, **options)
    ascending = function(-x, epsilon, **options)
    assert_array_equal(descending, ascending if operator == "rank" else -ascending)


@given(x=values, epsilon=epsilons)
def test_quadratic_directions_mirror_each_other(x, epsilon):
    """The permutahedra of rho and of theta are symmetric, for the Euclidean norm."""
    ranks = soft_rank(x, epsilon, descending=True)
    close(ranks, len(x) + 1 - soft_rank(x, epsilon), len(x) + 1)
    descending = soft_sort(x, epsilon, descending=True)
    close(descending, soft_sort(x, epsilon)[::-1], magnitude(x))


# Limits


@all_cases
@given(x=vectors(dyadics, st.integers(2, 12)))
def test_small_epsilon_is_hard(operator, regularization, x):
    # Gaps are at least 1 / 64 and at most 20; the smallest step of log(rho) is 0.08.
    x = np.unique(x)[::-1]
    got = OPERATORS[operator](x, 1e-3, regularization=regularization)
    assert_array_equal(got, rankdata(x) if operator == "rank" else np.sort(x))
    assert_array_equal(got, OPERATORS[operator](x, 0, regularization=regularization))


@all_cases
@given(x=non_empty)
def test_large_epsilon_is_constant(operator, regularization, x):
    rho = np.arange(1.0, len(x) + 1)
    mean, spread = {
        ("rank", "quadratic"): lambda: (rho.mean(), np.ptp(x)),
        ("rank", "entropic"): lambda: (logsumexp(rho) - np.log(len(x)), np.ptp(x)),
        ("rank", "kl"): lambda: (rho.mean(), np.ptp(x)),
        ("sort", "quadratic"): lambda: (x.mean(), len(x)),
        ("sort", "entropic"): lambda: (-logsumexp(-x) + np.log(len(x)), len(x)),
    }[operator, regularization]()
    got = OPERATORS[operator](x, 1e15, regularization=regularization)
    # Equal values are a hard sort, however large epsilon; else all is one block.
    close(got, np.full(len(x), mean), magnitude(x) + magnitude(rho) + spread)


@all_cases
@given(x=non_empty)
def test_zero_is_the_limit_of_hard_epsilons(operator, regularization, x):
    hard, single = epsilon_bounds(x, operator=operator, regularization=regularization)
    assert hard > 0
    if len(np.unique(x)) == len(x) > 1:
        assert hard <= single * (1 + 1e-11)
        got = OPERATORS[operator](x, hard, regularization=regularization)
        assert_array_equal(got, OPERATORS[operator](x, 0))


# Precision and memory layout


@all_cases
@given(x=values, epsilon=st.sampled_from([0, 0.01, 0.5, 3.0, 200.0]))
def test_float32_is_the_rounded_double(operator, regularization, x, epsilon):
    x = x.astype(np.float32)
    function, options = OPERATORS[operator], {"regularization": regularization}
    got = function(x, epsilon, **options)
    expected = function(x.astype(np.float64), epsilon, **options)
    assert got.dtype == np.float32
    assert_allclose(got, expected, rtol=0, atol=2e-7 * magnitude(expected))


def same_values_other_layouts(x):
    """Views and copies of a 2-D array that differ in memory only."""
    wide = np.full((2 * x.shape[0], 3 * x.shape[1]), np.nan)
    wide[::2, ::3] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    return {
        "strided": wide[::2, ::3],
        "negative strides": x[::-1, ::-1].copy()[::-1, ::-1],
        "Fortran order": np.asfortranarray(x),
        "read-only": read_only,
        "byte-swapped": x.astype(x.dtype.newbyteorder()),
        "unaligned": unaligned(x),
    }


def unaligned(x):
    buffer = np.zeros(x.nbytes + 1, dtype=np.uint8)[1:]
    view = buffer.view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


@pytest.mark.parametrize("axis", [0, 1, None])
@all_cases
@given(x=tables, epsilon=epsilons)
@settings(max_examples=20)
def test_memory_layout_does_not_matter(operator, regularization, axis, x, epsilon):
    function, options = OPERATORS[operator], {"regularization": regularization}
    options.update(axis=axis, return_jacobian=True)
    expected, expected_jacobian = function(x, epsilon, **options)
    g = np.arange(1.0, x.size + 1).reshape(expected.shape)
    for layout, other in same_values_other_layouts(x).items():
        got, jacobian = function(other, epsilon, **options)
        assert_array_equal(got, expected, err_msg=layout)
        assert_array_equal(jacobian.vjp(g), expected_jacobian.vjp(g), err_msg=layout)


@all_cases
@given(x=tables, epsilon=epsilons)
def test_batches_equal_loops_over_rows(operator, regularization, x, epsilon):
    function, options = OPERATORS[operator], {"regularization": regularization}
    rows = [function(row, epsilon, **options) for row in x]
    got = function(x, epsilon, **options)
    close(got, np.reshape(rows, x.shape), magnitude(x))
    close(function(x.T, epsilon, axis=0, **options), got.T, magnitude(x))


# Jacobians


@all_cases
@given(x=non_empty, epsilon=epsilons, seed=st.integers(0, 99))
def test_jvp_and_vjp_are_adjoint(operator, regularization, x, epsilon, seed):
    _, jacobian = OPERATORS[operator](
        x, epsilon, regularization=regularization, return_jacobian=True
    )
    u, g = np.random.default_rng(seed).normal(size=(2, len(x)))
    largest_entry = 1 if operator == "sort" else len(x) / epsilon
    scale = largest_entry * np.abs(g).sum() * np.abs(u).sum()
    assert abs(g @ jacobian.jvp(u) - jacobian.vjp(g) @ u) <= 1e-13 * scale


@all_cases
@given(x=non_empty, epsilon=epsilons)
def test_jacobians_reflect_the_shift_laws(operator, regularization, x, epsilon):
    """A shift moves every sorted value by itself and no rank."""
    _, jacobian = OPERATORS[operator](
        x, epsilon, regularization=regularization, return_jacobian=True
    )
    expected = np.full(len(x), float(operator == "sort"))
    scale = 1 if operator == "sort" else len(x) / epsilon
    close(jacobian.jvp(np.ones(len(x))), expected, scale)


@given(x=non_empty, epsilon=epsilons)
def test_jacobian_of_ranks_applied_to_the_values(x, epsilon):
    """Ranks within blocks are linear: J x = ranks - block means of rho, at most n."""
    ranks, jacobian = soft_rank(x, epsilon, return_jacobian=True)
    means = ranks - jacobian.jvp(x)
    # Block means are averages of consecutive ranks: half integers.
    close(2 * means, np.round(2 * means), max(len(x), magnitude(x) / epsilon))
