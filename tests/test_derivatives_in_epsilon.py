"""Derivatives in epsilon of ranks keep their digits for any epsilon."""

from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from sksoftrank import soft_quantile_normalize, soft_rank, soft_topk_rank

RNG = np.random.default_rng(0)
DATA = {
    "normal": RNG.normal(size=40),
    "ties": RNG.integers(0, 6, size=40) / 10,
    "offset": 1e6 + RNG.normal(size=40),
    "all scales": RNG.normal(size=40) * 10 ** RNG.uniform(-8, 3, size=40),
}
EPSILONS = [1e-300, 1e-3, 0.1, 10.0, 1e6]
EPSILONS += map(slow, (1e-8, 1.0, 1e3, 1e12, 1e100, 1e300))


def ranks_and_change(x, epsilon, regularization, k=None):
    """Ascending soft ranks and their derivatives in epsilon, in plain mpmath."""
    n, order = len(x), np.argsort(-x, kind="stable")
    ranks, change = np.empty((2, n))
    with mpmath.workdps(700):
        eps = mpmath.mpf(epsilon)
        s = [mpmath.mpf(float(x[i])) for i in order]
        rho = [mpmath.mpf(min(n - i, n if k is None else k + 1)) for i in range(n)]
        is_quadratic = regularization == "quadratic"
        weigh = mpmath.mpf if regularization != "entropic" else mpmath.exp
        blocks = []
        for a, r in zip(s, rho, strict=True):
            one = a / eps if is_quadratic else mpmath.exp(a / eps)
            block = (1, one, r if is_quadratic else weigh(r))
            while blocks and _value(blocks[-1], is_quadratic) < _value(
                block, is_quadratic
            ):
                block = tuple(p + q for p, q in zip(blocks.pop(), block, strict=True))
            blocks.append(block)
        start = 0
        for size, total, goal in blocks:
            own = s[start : start + size]
            share = [mpmath.mpf(1) / size] * size
            if not is_quadratic:
                share = [mpmath.exp(a / eps) / total for a in own]
            middle = own[0] + mpmath.fdot(share, [a - own[0] for a in own])
            for i, a, p in zip(order[start : start + size], own, share, strict=True):
                fall = (middle - a) / eps**2
                if regularization == "quadratic":
                    rank = goal / size - eps * fall
                elif regularization == "entropic":
                    rank = mpmath.log(goal * p)
                else:
                    rank = goal * p
                    fall *= rank
                ranks[i], change[i] = float(rank), float(fall)
            start += size
    return ranks, change


def _value(block, is_quadratic):
    size, total, goal = block
    return (total - goal) / size if is_quadratic else total / goal


def assert_close(got, expected, tolerance):
    scale = np.abs(expected).max()
    assert_allclose(got, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_ranks(regularization, epsilon, data):
    x = DATA[data]
    options = {"regularization": regularization, "return_jacobian": True}
    got, jacobian = soft_rank(x, epsilon, **options)
    expected, change = ranks_and_change(x, epsilon, regularization)
    assert_close(got, expected, 1e-14)
    assert_close(jacobian.wrt_epsilon, change, 1e-12)
    got, jacobian = soft_rank(-x, epsilon, descending=True, **options)
    assert_close(got, expected, 1e-14)
    assert_close(jacobian.wrt_epsilon, change, 1e-12)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_topk_ranks(regularization, epsilon, data):
    x = DATA[data]
    options = {"regularization": regularization, "return_jacobian": True}
    expected, change = ranks_and_change(x, epsilon, regularization, k=6)
    for sign, largest in ((1, False), (-1, True)):
        got, jacobian = soft_topk_rank(sign * x, 6, epsilon, largest=largest, **options)
        assert_close(got, expected, 1e-14)
        assert_close(jacobian.wrt_epsilon, change, 1e-12)


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_quantile_normalization_to_a_line(regularization, epsilon):
    x = DATA["normal"]
    n = len(x)
    _, change = ranks_and_change(x, epsilon, regularization)
    _, jacobian = soft_quantile_normalize(
        x, np.arange(n), epsilon, regularization=regularization, return_jacobian=True
    )
    ranks = soft_rank(x, epsilon, regularization=regularization)
    is_inside = (ranks > 1 + 1e-9) & (ranks < n - 1e-9)  # beyond it is constant
    got = jacobian.wrt_epsilon[is_inside]
    assert_allclose(got, change[is_inside], rtol=0, atol=1e-12 * np.abs(change).max())


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [1e-8, 1e-2, 1.0, 100.0, 1e12])
@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_many_float32_values(regularization, epsilon):
    x = np.random.default_rng(1).normal(size=100_000).astype(np.float32)
    options = {"regularization": regularization, "return_jacobian": True}
    for function in (
        soft_rank,
        lambda x, *args, **kw: soft_quantile_normalize(x, stats.norm(), *args, **kw),
        lambda x, *args, **kw: soft_quantile_normalize(x, x[:99], *args, **kw),
    ):
        _, jacobian = function(x, epsilon, **options)
        _, exact = function(x.astype(np.float64), epsilon, **options)
        assert jacobian.wrt_epsilon.dtype == np.float32
        assert_close(jacobian.wrt_epsilon, exact.wrt_epsilon, 1e-5)


def test_the_derivative_is_that_of_the_values_at_the_call():
    x = DATA["normal"].copy()
    _, jacobian = soft_rank(x, 1.0, return_jacobian=True)
    _, expected = ranks_and_change(x, 1.0, "quadratic")
    x[:] = 0
    assert_close(jacobian.wrt_epsilon, expected, 1e-12)


def test_hard_ranks_do_not_move_where_the_target_has_a_gap():
    target = SimpleNamespace(
        ppf=lambda u: u + (u > 0.5), pdf=lambda x: np.where(abs(x - 1) > 0.5, 1.0, 0.0)
    )
    x, g = np.array([1.0, 2.0, 3.0]), np.array([1.0, -2.0, 3.0])
    for epsilon in (0, 0.5):  # the middle has the level 1/2
        _, jacobian = soft_quantile_normalize(x, target, epsilon, return_jacobian=True)
        assert_array_equal(jacobian.jvp(g), 0)
        assert_array_equal(jacobian.vjp(g), 0)
        assert_array_equal(jacobian.wrt_epsilon, 0)
