"""Values of soft_rank, soft_sort and epsilon_bounds."""

import numpy as np
import pytest
import reference
from cases import CASES, OPERATORS, all_cases, directions
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from reference import FAST, isotonic, mpmath_soft
from scipy.special import logsumexp
from scipy.stats import rankdata

from sksoftrank import epsilon_bounds, soft_rank, soft_sort


def draw(kind, n, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "normal": rng.normal(size=n),
        "ties": rng.integers(-2, 3, size=n).astype(float),
        "equal": np.full(n, 0.3),
        "far": rng.normal(size=n) * 10.0 ** rng.integers(-4, 3, size=n),
        "tiny": 1e-9 * rng.normal(size=n),
    }[kind]


# The reference agrees with itself


@pytest.mark.parametrize("kind", ["normal", "ties", "far"])
@all_cases
@directions
def test_references_agree(operator, regularization, descending, kind):
    for n in (1, 2, 3, 8, 25):
        x = draw(kind, n, seed=n)
        for epsilon in (1e-3, 0.1, 1.0, 10.0, 1e3):
            slow = getattr(reference, f"soft_{operator}")
            expected = slow(x, epsilon, regularization, descending)
            got = FAST[operator](x, epsilon, regularization, descending).values
            assert_allclose(got, expected, rtol=1e-13, atol=1e-15 * np.abs(x).max())


@pytest.mark.parametrize("epsilon", [1e-4, 0.05, 1.0, 1e3])
@all_cases
def test_fast_reference_agrees_with_mpmath(operator, regularization, epsilon):
    x = 1e3 * draw("far", 300)
    expected = mpmath_soft(operator, x, epsilon, regularization)
    got = FAST[operator](x, epsilon, regularization).values
    scale = np.abs(expected).max()
    assert_allclose(got.astype(float), expected, rtol=0, atol=2e-16 * scale)


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_min_max_formula_is_stationary_where_nothing_is_pooled(regularization):
    s, w = np.array([5.0, 1.0, -3.0]), np.array([0.5, 0.0, -0.5])
    assert_allclose(isotonic(s, w, regularization), s - w, rtol=1e-15)


# Closed forms


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 1.0, 1.7, 40.0])
def test_two_values_in_closed_form(epsilon):
    x, gap, mean = np.array([2.5, 1.8]), 0.7, 2.15
    step = min(gap / epsilon, 1) / 2
    assert_allclose(soft_rank(x, epsilon), [1.5 + step, 1.5 - step], rtol=1e-14)
    step = min(gap, 1 / epsilon) / 2
    assert_allclose(soft_sort(x, epsilon), [mean - step, mean + step], rtol=1e-14)
    if gap / epsilon < 1:
        expected = x / epsilon - logsumexp(x / epsilon) + logsumexp([1, 2])
        got = soft_rank(x, epsilon, regularization="entropic")
        assert_allclose(got, expected, rtol=1e-14)
    if gap / epsilon < np.log(2):
        expected = 3 / (1 + np.exp([-gap / epsilon, gap / epsilon]))
        got = soft_rank(x, epsilon, regularization="kl")
        assert_allclose(got, expected, rtol=1e-14)
    if gap > 1 / epsilon:
        rho = np.array([2, 1]) / epsilon
        expected = rho - logsumexp(rho) + logsumexp(x)
        got = soft_sort(x, epsilon, regularization="entropic", descending=True)
        assert_allclose(got, expected, rtol=1e-14)


def test_three_values_by_hand():
    # z = (0, 0.5, 4) / 1 against (3, 2, 1): the two small ones pool, the large one not.
    assert_allclose(soft_rank([0.0, 0.5, 4.0]), [1.25, 1.75, 3.0], rtol=1e-15)
    # s - w = (3 - 2, 2 - 0.5, 1 - 0): the two large ones pool, and end above the third.
    assert_allclose(soft_sort([2.0, 0.0, 0.5]), [0.0, 0.75, 1.75], rtol=1e-15)


# The definitions


@pytest.mark.parametrize("n", [1, 2, 3, 7, 40, 100])
@pytest.mark.parametrize("kind", ["normal", "ties", "equal", "far"])
@all_cases
@directions
def test_values_follow_the_definition(operator, regularization, descending, kind, n):
    x = draw(kind, n, seed=n)
    for epsilon in (1e-6, 1e-2, 0.3, 1.0, 7.0, 1e3, 1e7):
        expected = FAST[operator](x, epsilon, regularization, descending).values
        got = OPERATORS[operator](
            x, epsilon, regularization=regularization, descending=descending
        )
        scale = np.abs(expected).max()
        assert_allclose(got, expected.astype(float), rtol=0, atol=5e-14 * scale)


def test_defaults_are_ascending_quadratic_epsilon_one_last_axis():
    x = draw("normal", 24).reshape(4, 6)
    for function in OPERATORS.values():
        explicit = function(
            x, 1.0, regularization="quadratic", axis=1, descending=False
        )
        assert_array_equal(function(x), explicit)
        assert_array_equal(function(values=x, epsilon=1.0), explicit)


# Hard operators


def adversarial(n):
    """Rows on which a clever sort may stumble."""
    rng = np.random.default_rng(n)
    index = np.arange(n, dtype=float)
    return {
        "random": rng.normal(size=n),
        "sorted": index,
        "reversed": -index,
        "equal": np.zeros(n),
        "two values": rng.integers(0, 2, n).astype(float),
        "signed zeros": np.where(rng.integers(0, 2, n), 0.0, -0.0),
        "organ pipe": np.minimum(index, n - index),
        "neighbouring floats": 1 + rng.permutation(n) * 2.0**-52,
        "same high bits, reversed": 1e9 * (1 + index[::-1] * 2.0**-52),
        "few neighbouring floats": 1 + rng.integers(0, 9, n) * 2.0**-52,
        "negative neighbours": -1 - rng.permutation(n) * 2.0**-52,
        "subnormal": rng.permutation(n) * 5e-324 - n // 2 * 5e-324,
        "huge": rng.choice([-1, 1], n) * 8e307 * rng.uniform(0.1, 1, n),
        "all scales": rng.choice([-1, 1], n) * 10.0 ** rng.uniform(-300, 300, n),
    }


@pytest.mark.parametrize("n", [2, 17, 64, 65, 1000, 70_000])
@pytest.mark.parametrize("kind", adversarial(1))
@directions
def test_hard_values_are_exact(kind, n, descending):
    x = adversarial(n)[kind]
    # Not rankdata: in old SciPy it overflows for huge values.
    _, place, counts = np.unique(
        -x if descending else x, return_inverse=True, return_counts=True
    )
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    assert_array_equal(soft_rank(x, 0.0, descending=descending), ranks)
    hard_sort = np.sort(x)[::-1] if descending else np.sort(x)
    assert_array_equal(soft_sort(x, 0.0, descending=descending), hard_sort)


@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_hard_ranks_average_ties_for_every_regularization(regularization):
    x = [0.0, 2.0, -0.0, 2.0, 2.0, -7.0]
    for epsilon in (0, 0.0, np.float64(0), np.int64(0)):
        ranks = soft_rank(x, epsilon, regularization=regularization)
        assert_array_equal(ranks, [2.5, 5.0, 2.5, 5.0, 5.0, 1.0])


# epsilon_bounds


@pytest.mark.parametrize("kind", ["normal", "far", "tiny"])
@pytest.mark.parametrize("n", [2, 3, 10, 200])
@all_cases
def test_bounds_are_where_pooling_begins_and_ends(operator, regularization, n, kind):
    x = draw(kind, n, seed=n)
    hard, single = epsilon_bounds(x, operator=operator, regularization=regularization)
    assert isinstance(hard, float)
    assert isinstance(single, float)
    assert 0 < hard <= single * (1 + 1e-11)

    def number_of_blocks(epsilon):
        return len(FAST[operator](x, epsilon, regularization).starts)

    assert number_of_blocks(hard * (1 - 1e-9)) == n
    assert number_of_blocks(hard * (1 + 1e-9)) < n
    assert number_of_blocks(single * (1 - 1e-9)) > 1
    assert number_of_blocks(single * (1 + 1e-9)) == 1


@all_cases
@directions
def test_single_makes_one_block(operator, regularization, descending):
    options = {"regularization": regularization, "descending": descending}
    for seed in range(0, 100, 4):
        x = np.random.default_rng(seed).normal(size=2 + seed % 40)
        _, single = epsilon_bounds(x, operator=operator, **options)
        _, jacobian = OPERATORS[operator](x, single, return_jacobian=True, **options)
        # One block: a matrix without zeros.
        assert (jacobian.toarray() != 0).all()


@pytest.mark.parametrize("regularization", ["quadratic", "kl"])
@directions
@pytest.mark.parametrize("seeds", [range(0, 2000, 10), slow(range(2000))])
def test_ties_stay_hard_at_the_bound(regularization, descending, seeds):
    options = {"regularization": regularization, "descending": descending}
    # Rounding matters in one of a hundred quadratic cases.
    for seed in seeds if regularization == "quadratic" else range(0, 100, 5):
        rng = np.random.default_rng(seed)
        x = rng.choice(rng.normal(size=8), 16)
        hard, _ = epsilon_bounds(x, **options)
        ranks = rankdata(-x if descending else x)
        assert_array_equal(soft_rank(x, hard, **options), ranks)


@directions
def test_limits_of_large_epsilon(descending):
    x = np.array([0.0, 1.0, 4.0])
    sign = 1 if descending else -1
    for operator, regularization, limit in [
        ("rank", "quadratic", 2),
        ("rank", "kl", 2),
        ("rank", "entropic", np.log(np.mean(np.exp([1, 2, 3])))),
        ("sort", "quadratic", np.mean(x)),
        ("sort", "entropic", sign * np.log(np.mean(np.exp(sign * x)))),
    ]:
        got = OPERATORS[operator](
            x, 1e9, regularization=regularization, descending=descending
        )
        assert_allclose(got, np.full(3, limit), rtol=1e-8)


def test_ranks_of_subnormal_values():
    x = np.array([0.0, 3.0, 4.0])
    expected = soft_rank(x, 2.0)
    assert_allclose(soft_rank(x * 2.0**-1070, 2.0**-1069), expected, rtol=1e-15)


@pytest.mark.parametrize("n", [5, 16, 17, 32, 300])
@pytest.mark.parametrize("epsilon", [1, 2, 3])
def test_ranks_for_the_smallest_epsilon(n, epsilon):
    """Half of it is no float; whole multiples are exact."""
    spread = max(2, n * epsilon)
    x = np.random.default_rng(0).integers(-spread, spread, size=(40, n))
    got = soft_rank(x * 5e-324, epsilon * 5e-324)
    expected = soft_rank(x.astype(float), float(epsilon))
    assert_allclose(got, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("operator", "regularization", "kind"),
    [
        (*case, kind)
        for case in CASES
        for kind in ("normal", "far", "ties", "equal")
        # Tied entropic ranks share the log-mean-exp of their hard ranks, not the mean.
        if case != ("rank", "entropic") or kind in ("normal", "far")
    ],
)
@directions
def test_hard_up_to_and_at_the_bound(operator, regularization, descending, kind):
    options = {"regularization": regularization, "descending": descending}
    for seed in range(10):
        x = draw(kind, 30, seed)
        hard, _ = epsilon_bounds(x, operator=operator, **options)
        expected = OPERATORS[operator](x, 0, descending=descending)
        hard = min(hard, 1e300)
        for epsilon in (1e-3 * hard, np.nextafter(hard, 0), hard):
            assert_array_equal(OPERATORS[operator](x, epsilon, **options), expected)


@all_cases
def test_descending_bounds_are_those_of_the_opposite_values(operator, regularization):
    x = draw("normal", 12)
    options = {"operator": operator, "regularization": regularization}
    got = epsilon_bounds(x, descending=True, **options)
    assert_allclose(got, epsilon_bounds(-x, **options), rtol=1e-12)
    if regularization == "kl":  # log(rho) is steep where rho is small: not symmetric
        assert not np.isclose(got, epsilon_bounds(x, **options)).all()


def test_quadratic_bounds_in_closed_form():
    x = np.array([3.0, 0.25, 1.0, 7.0])
    # Gaps .75, 2, 4. Means of the k largest above the mean 2.8125, over 1.5, 1, 0.5.
    slopes = 4.1875 / 1.5, 2.1875 / 1.0, (11 / 3 - 2.8125) / 0.5
    assert_allclose(epsilon_bounds(x), (0.75, max(slopes)), rtol=2e-12)
    sort_bounds = epsilon_bounds(x, operator="sort")
    assert_allclose(sort_bounds, (0.25, 1 / min(slopes)), rtol=2e-12)


@pytest.mark.parametrize("exponent", [-1040, -1020, -60, 60, 1000])
@all_cases
def test_bounds_scale_with_the_values(operator, regularization, exponent):
    """From subnormal to huge; bounds beyond the floats may be inf or the largest float.

    The entropic sort has no scale, but that of tiny values is the quadratic one.
    """
    k, options = np.array([3.0, 17.0, 4.0, 90.0]), {"operator": operator}
    if (operator, regularization) == ("sort", "entropic"):
        expected = epsilon_bounds(k, operator="sort")
        exponent = -abs(exponent)
    else:
        expected = epsilon_bounds(k, regularization=regularization, **options)
    with np.errstate(over="ignore"):
        expected = np.ldexp(expected, exponent if operator == "rank" else -exponent)
    got = epsilon_bounds(
        np.ldexp(k, exponent), regularization=regularization, **options
    )
    largest = np.finfo(float).max
    got, expected = np.minimum(got, largest), np.minimum(expected, largest)
    assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_bounds_without_gaps(regularization):
    for n in (0, 1, 4):
        bounds = epsilon_bounds(np.full(n, 2.0), regularization=regularization)
        assert bounds == (np.inf, 0)
    if regularization != "kl":
        options = {"operator": "sort", "regularization": regularization}
        assert epsilon_bounds([2.0, 2.0, 2.0], **options) == (np.inf, np.inf)
        assert epsilon_bounds([2.0], **options) == (np.inf, 0)


@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_ties_do_not_count_as_gaps(regularization):
    x = draw("ties", 30)
    hard, _ = epsilon_bounds(x, regularization=regularization)
    distinct = len(np.unique(x))

    def number_of_blocks(epsilon):
        return len(FAST["rank"](x, epsilon, regularization).starts)

    assert number_of_blocks(hard * (1 - 1e-9)) == distinct
    assert number_of_blocks(hard * (1 + 1e-9)) < distinct


@all_cases
def test_bounds_along_an_axis(operator, regularization):
    x = draw("normal", 24).reshape(2, 4, 3)
    options = {"operator": operator, "regularization": regularization}
    for axis in (0, 1, -1):
        bounds = np.array(epsilon_bounds(x, axis=axis, **options))
        rows = np.moveaxis(x, axis, -1)
        assert bounds.shape == (2, *rows.shape[:-1])
        for index in np.ndindex(rows.shape[:-1]):
            expected = epsilon_bounds(rows[index].copy(), **options)
            assert_allclose(bounds[(slice(None), *index)], expected, rtol=1e-12)
    flat = epsilon_bounds(x.ravel(), **options)
    assert_allclose(epsilon_bounds(x, axis=None, **options), flat, rtol=1e-12)


# Axes and shapes


@pytest.mark.parametrize("epsilon", [0, 1e-3, 1.0, 1e3])
@all_cases
def test_one_value_is_its_own_sort_and_has_rank_one(operator, regularization, epsilon):
    x = np.array([[3.25], [-7.0]])
    got = OPERATORS[operator](x, epsilon, regularization=regularization)
    assert_array_equal(got, x if operator == "sort" else np.ones((2, 1)))


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
@all_cases
def test_threads_and_chunks_do_not_change_the_result(operator, regularization, n_jobs):
    x = draw("ties", 120_000).reshape(3000, 40) + draw("normal", 3000)[:, None]
    function, options = OPERATORS[operator], {"regularization": regularization}
    got, jacobian = function(x, 0.6, n_jobs=n_jobs, return_jacobian=True, **options)
    assert_array_equal(got, function(x, 0.6, n_jobs=n_jobs, **options))
    products = jacobian.vjp(x)
    for i in (0, 1, 818, 819, 820, 1637, 1638, 2999):
        expected, of_row = function(x[i], 0.6, return_jacobian=True, **options)
        assert_allclose(got[i], expected, rtol=0, atol=1e-13)
        assert_allclose(products[i], of_row.vjp(x[i]), rtol=0, atol=1e-11)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_nan_is_found_in_any_chunk(n_jobs):
    x = draw("normal", 120_000).reshape(3000, 40)
    for row in (0, 1700, 2999):
        bad = x.copy()
        bad[row, 7] = np.nan
        for function in OPERATORS.values():
            with pytest.raises(ValueError, match=r"^values must .*1 NaN"):
                function(bad, n_jobs=n_jobs)


@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_one_block_begins_at_its_bound(regularization):
    for n in (3, 10, 100):
        x = np.zeros(n)
        x[1] = 1.0
        single = epsilon_bounds(x, regularization=regularization)[1]
        apart, together = (
            soft_rank(x, factor * single, regularization=regularization)
            for factor in (0.98, 1.02)
        )
        assert_allclose(apart[1], n, rtol=1e-12)
        assert together[1] < n - 1e-3
