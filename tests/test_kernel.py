"""Paths of the kernel: each way to the same result, the work it takes, its failures.

Which path runs depends on the values: packed keys sort with repairs or by runs of ties;
a row may prove itself one block without sorting; exponentials share an anchor or not.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import reference
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal

from sksoftrank import _pav, soft_rank, soft_sort

KINDS = {"quadratic": _pav.QUADRATIC, "entropic": _pav.ENTROPIC, "kl": _pav.KL}


def neighbours(rng, n):
    """Neighbouring doubles: all high bits tie, packed keys cannot order them."""
    return (np.ones(1).view(np.int64) + rng.permutation(n)).view(np.float64)


# Values that are hard to sort or to pool, as functions of a generator and n.
ADVERSARIES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "neighbours": neighbours,
    "opposite neighbours": lambda rng, n: -neighbours(rng, n),
    "subnormals": lambda rng, n: 5e-324 * rng.integers(-n, n, size=n),
    "many ties": lambda rng, n: rng.integers(-3, 4, size=n) / 7,
    "equal": lambda rng, n: np.full(n, 0.1),
    "zeros of both signs": lambda rng, n: rng.choice([-0.0, 0.0, 1.0], size=n),
    "two clusters": lambda rng, n: (
        rng.choice([-1e6, 1e6], n) + 1e-6 * rng.normal(size=n)
    ),
    "all scales": lambda rng, n: rng.normal(size=n) * 10.0 ** rng.uniform(-290, 290, n),
    "sawtooth": lambda rng, n: 100 * np.arange(n) % n + np.arange(n) / n,
    "rising": lambda rng, n: np.arange(n) ** 1.5,
    "falling": lambda rng, n: -(np.arange(n) ** 1.5),
    "steps": lambda rng, n: np.cumsum(np.tile([0.0, 1.9], n // 2 + 1))[:n],
    "growing steps": lambda rng, n: np.cumsum(np.sqrt(np.arange(n))),
}
adversaries = pytest.mark.parametrize("kind", ADVERSARIES)


def draw(kind, n, seed=0):
    return ADVERSARIES[kind](np.random.default_rng(seed), n)


# Sorting


@adversaries
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_argsort_is_the_stable_one(kind, descending, dtype):
    for n in (1, 2, 3, 5, 16, 17, 64, 1000, 4096, 5000):
        with np.errstate(over="ignore"):
            x = np.clip(draw(kind, n), -3e38, 3e38).astype(dtype)
        sign = 1.0 if descending else -1.0
        order, sorted_x = np.empty((1, n), np.int64), np.empty((1, n), dtype)
        assert _pav.argsort_rows(x[None], sign, order, sorted_x) >= 0
        expected = np.argsort(-sign * x, kind="stable")
        assert_array_equal(order[0], expected)
        # Bits, so that -0.0 is not 0.0.
        assert sorted_x.tobytes() == x[expected].tobytes()


def test_runs_of_tied_keys_are_sorted():
    # Else the tests above would prove nothing about it: repairing these takes n / 4
    # moves an element.
    x = draw("neighbours", 5000)
    order, out = np.empty((1, 5000), np.int64), np.empty((1, 5000))
    assert _pav.argsort_rows(x[None], 1.0, order, out) == 5000  # counted as one each


@pytest.mark.parametrize("length", [3, 10, 31, 32, 33, 500])
def test_runs_of_all_lengths_among_other_values(length):
    rng = np.random.default_rng(length)
    runs = [k + neighbours(rng, length) for k in range(6000 // length)]
    x = np.concatenate([np.repeat(runs, 2), rng.normal(size=100), -np.array(runs[0])])
    x = rng.permutation(x)[None]
    order, out = np.empty(x.shape, np.int64), np.empty(x.shape)
    for sign in (1.0, -1.0):
        work = _pav.argsort_rows(x, sign, order, out)
        assert_array_equal(order[0], np.argsort(-sign * x[0], kind="stable"))
        assert work <= 5 * x.size


# Counted work


@adversaries
@pytest.mark.parametrize("regularization", KINDS)
@pytest.mark.parametrize("n", [1000, 30_000])
def test_ranks_take_linear_work(kind, regularization, n):
    x = draw(kind, n)[None]
    spread = np.ptp(x)
    for fraction in (1e-9, 0.1 / n, 1 / n, 10 / n, 0.1, 10):
        epsilon = max(fraction * spread, 5e-324)
        out = np.empty(x.shape)
        work = _pav.rank_rows(
            x, epsilon, KINDS[regularization], 1.0, None, out, None, None
        )
        # At most 4 n repairs, and 3 comparisons an element in pooling.
        assert n <= work <= 8 * n


@adversaries
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize("n", [1000, 30_000])
def test_sorts_take_linear_work(kind, regularization, n):
    x = np.sort(draw(kind, n))[None]
    spread = max(np.ptp(x), 1e-290)
    for fraction in (1e-9, 0.1 / n, 1 / n, 10 / n, 0.1, 10):
        epsilon = 1 / (fraction * spread)
        own = x.copy()
        work = _pav.sort_rows(
            own, epsilon, KINDS[regularization], -1.0, None, own, None, None
        )
        assert n <= work <= 4 * n


# Many at once: places without a violation, and members of a pool


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_a_pair_is_found_wherever_it_is(dtype, regularization):
    n = 200
    for place in (0, 1, 30, 31, 32, 33, 63, 64, 94, 95, 96, 97, 159, 160, 197, 198):
        x = 3.0 * np.arange(n)
        x[place + 1 :] -= 2.5  # these two are closer than epsilon
        x = x[None].astype(dtype)
        kind = KINDS[regularization]
        out, pools = np.empty_like(x), np.empty((1, n + 1), np.int64)
        weights = np.empty((1, n))
        _pav.rank_rows(x, 1.0, kind, -1.0, None, out, pools, weights)
        assert_array_equal(pools[0, :3], [place, place + 2, n])
        x = np.arange(n)[None].astype(dtype)
        x[0, place + 1 :] += 1  # these two are farther apart than 1 / epsilon
        _pav.sort_rows(x, 2 / 3, kind, -1.0, None, out, pools, weights)
        assert_array_equal(pools[0, :3], [place, place + 2, n])


@pytest.mark.parametrize("size", [129, *map(slow, (128, 257, 400))])
def test_long_pools_end_where_they_should(size):
    rng = np.random.default_rng(size)
    pool = np.sort(rng.normal(size=size))
    for gap in (0.5, 3.0, 40.0):  # to what follows, which may join it
        x = np.concatenate([pool, 3.0 + gap + 2.0 * np.arange(40.0)])
        for regularization in KINDS:
            for own in (x, -x):
                expected = reference.soft_rank(own, 0.9, regularization)
                got = soft_rank(own, 0.9, regularization=regularization)
                assert_allclose(got, expected.astype(float), rtol=1e-13)
        x = np.concatenate([size * pool, 4 * size + 0.9 * np.arange(200.0)])
        for regularization in ("quadratic", "entropic"):
            for own in (x, -x):
                expected = reference.soft_sort(own, gap, regularization)
                got = soft_sort(own, gap, regularization=regularization)
                assert_allclose(got, expected.astype(float), rtol=1e-12, atol=1e-11)


# Certificates: rows that need no sort


@pytest.mark.parametrize("regularization", KINDS)
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_without_a_sort_equal_sorted_rows(regularization, descending, dtype):
    rng = np.random.default_rng(0)
    for n in (2, 3, 10, 17, 1001):
        x = (100 + 0.3 * rng.uniform(size=(5, n))).astype(dtype)
        # One row that is no single block makes its whole chunk go through the sort.
        spoilt = np.vstack([x, 1e6 * np.arange(n, dtype=dtype)])
        options = {"regularization": regularization, "descending": descending}
        got, jacobian = soft_rank(x, 1.0, return_jacobian=True, **options)
        expected, expected_jacobian = soft_rank(
            spoilt, 1.0, return_jacobian=True, **options
        )
        rtol = 1e-14 if dtype == np.float64 else 1e-7
        assert_allclose(got, expected[:-1], rtol=rtol)
        g = rng.normal(size=x.shape)
        expected = expected_jacobian.vjp(np.vstack([g, np.zeros(n)]))[:-1]
        assert_allclose(jacobian.vjp(g), expected, atol=1e-13 * np.abs(expected).max())
        if regularization == "quadratic" and n <= 16:  # which are sorted, in tiles
            continue
        # The path was taken: such rows leave the identity for an order.
        order, pools = np.empty(x.shape, np.int64), np.empty((5, n + 1), np.int64)
        _pav.rank_rows(
            x, 1.0, KINDS[regularization], 1.0, order, got, pools, np.empty(x.shape)
        )
        assert_array_equal(order, np.tile(np.arange(n), (5, 1)))


@pytest.mark.parametrize("regularization", KINDS)
@pytest.mark.parametrize("n", [2, 3, 4, 7, 30])
def test_certificates_promise_no_more_than_the_truth(regularization, n):
    # The worst row for a certificate: one value above, all others equal.
    limit = {
        "quadratic": n / 2,
        "entropic": np.log((n - 1) * np.expm1(1)),
        "kl": np.log(2),
    }[regularization]
    for high in (True, False):
        for factor in (0.9, 0.999999, 1.000001, 1.1):
            x = np.zeros(n)
            x[0] = factor * limit if high else -factor * limit
            expected = reference.soft_rank(x, 1.0, regularization)
            got = soft_rank(x, 1.0, regularization=regularization)
            assert_allclose(got, expected.astype(float), rtol=1e-14)


# Exponentials


@pytest.mark.parametrize("regularization", ["entropic", "kl"])
@pytest.mark.parametrize("spread", [39.9, 40.1, 300.0, 5000.0])
def test_anchored_and_local_exponentials(regularization, spread):
    rng = np.random.default_rng(1)
    x = np.concatenate([[0.0, spread], spread * rng.uniform(size=48) ** 3])
    expected = reference.soft_rank(x, 1.0, regularization)
    got = soft_rank(x, 1.0, regularization=regularization)
    assert_allclose(got, expected.astype(float), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials_of_a_pool_that_most_of_it_does_not_feel(dtype):
    # Steps of x / epsilon of 1 / 2 and 2: one pool, over much more than the floats.
    step = np.arange(5000.0)
    x = (-step / 2).astype(dtype)
    expected = 5000 + np.log(np.expm1(-0.5) / np.expm1(-1)) - step / 2
    got = soft_rank(x, 1.0, regularization="entropic", descending=False)
    assert_allclose(got, expected, rtol=1e-14 if dtype == np.float64 else 1e-6)
    x = (-2 * step).astype(dtype)
    got = soft_sort(x, 1.0, regularization="entropic", descending=True)
    expected = np.log(np.expm1(-1) / np.expm1(-2)) - step
    assert_allclose(got, expected, rtol=1e-14 if dtype == np.float64 else 1e-6)


@pytest.mark.parametrize("spread", [0.999, 1.001])
@pytest.mark.parametrize("epsilon", [3.0, 60.0, 1e4])
def test_narrow_and_wide_entropic_sorts(spread, epsilon):
    x = spread * np.random.default_rng(2).uniform(size=40)
    x[:2] = 0, spread
    expected = reference.soft_sort(x, epsilon, "entropic")
    got = soft_sort(x, epsilon, regularization="entropic")
    assert_allclose(got, expected.astype(float), atol=1e-14)


# Sorting of values alone, chunks, threads


@adversaries
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize("descending", [False, True])
def test_sorting_values_alone_changes_nothing(kind, regularization, descending):
    x = np.clip(draw(kind, 500), -1e9, 1e9) + 0.0  # ties of -0.0 have no order here
    for epsilon in (0, 1e-3, 1.0, 30.0):
        options = {"regularization": regularization, "descending": descending}
        alone = soft_sort(x, epsilon, **options)
        both, _ = soft_sort(x, epsilon, return_jacobian=True, **options)
        assert_array_equal(alone, both)


@pytest.mark.parametrize("operator", [soft_rank, soft_sort])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chunks_and_threads_change_no_bit(operator, dtype):
    # Chunks are of 2^15 values, so these are three of them.
    x = np.random.default_rng(3).normal(size=(2000, 37)).astype(dtype)
    x[:900] *= 0.1  # one block each
    g = np.random.default_rng(4).normal(size=x.shape)
    whole, jacobian = operator(x, 0.7, return_jacobian=True)
    pulled = jacobian.vjp(g)
    for n_jobs in (1, 2, 5):
        part, part_jacobian = operator(x, 0.7, return_jacobian=True, n_jobs=n_jobs)
        assert_array_equal(part, whole)
        assert_array_equal(part_jacobian.vjp(g), pulled)
        assert_array_equal(operator(x, 0.7, n_jobs=n_jobs), whole)
    for i in (0, 885, 886, 899, 900, 1771, 1999):  # alone, and in two halves
        part, part_jacobian = operator(x[i], 0.7, return_jacobian=True)
        assert_array_equal(part, whole[i])
        assert_array_equal(part_jacobian.vjp(g[i]), pulled[i])


def test_concurrent_calls_give_the_serial_results():
    rows = [draw(kind, 3000, seed) for seed in range(4) for kind in ADVERSARIES]
    rows = [np.clip(row, -1e9, 1e9) for row in rows]
    calls = [
        lambda row=row, operator=operator, kind=kind: operator(
            row, 0.01, regularization=kind, return_jacobian=True
        )
        for row in rows
        for operator, kind in [
            (soft_rank, "quadratic"),
            (soft_rank, "kl"),
            (soft_sort, "entropic"),
        ]
    ]
    g = np.random.default_rng(5).normal(size=3000)

    def results(call):
        values, jacobian = call()
        return values, jacobian.vjp(g)

    serial = [results(call) for call in calls]
    with ThreadPoolExecutor(8) as threads:
        concurrent = list(threads.map(results, calls))
    for got, expected in zip(concurrent, serial, strict=True):
        assert_array_equal(got, expected)


# Memory


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS")
def test_a_failed_allocation_is_a_memory_error():
    # 1 GB is left after the imports: enough for the values, not for what sorting needs.
    code = """
import resource
import numpy as np
from sksoftrank import soft_rank, soft_sort
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
x = np.zeros(2**26)
x[::2] = 1e9
for operator in (soft_rank, soft_sort):
    for regularization in ("quadratic", "entropic"):
        try:
            operator(x, regularization=regularization, return_jacobian=True)
        except MemoryError:
            print("MemoryError")
print(soft_rank([2.0, 1.0], 0.5))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["MemoryError"] * 4 + ["[2.", "1.]"]
