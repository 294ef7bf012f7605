"""Sinkhorn operators against linear programmes, unrolled iterations and ott-jax."""

import pickle
import re
import tracemalloc
import warnings

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning

from sksoftrank.sinkhorn import (
    sinkhorn_cdf,
    sinkhorn_quantile,
    sinkhorn_rank,
    sinkhorn_sort,
)

OPERATORS = [sinkhorn_rank, sinkhorn_cdf, sinkhorn_sort, sinkhorn_quantile]
every_operator = pytest.mark.parametrize("operator", OPERATORS)

# No sums of the ones are sums of the others: what shares no mass is hardly linked.
WEIGHTS = np.array([1.0, 0.0, 2.0, 3.1, 1.5, 1.0, 0.5])
TARGETS = np.array([0.0, 0.1, 0.5, 0.7, 1.2])
MASSES = np.array([1.0, 2.0, 0.0, 2.3, 1.0])

# Options that change the plan, by name.
PLANS = {
    "plain": {},
    "weights": {"weights": WEIGHTS},
    "targets": {"targets": 4},
    "all": {"weights": WEIGHTS, "targets": TARGETS, "target_weights": MASSES},
}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def softplus_cost(differences):
    """Convex, smooth, not even."""
    value = differences**2 + np.logaddexp(0, 3 * differences)
    return value, 2 * differences + 3 / (1 + np.exp(-3 * differences))


COSTS = {"square": 2.0, "1.5": 1.5, "absolute": 1, "callable": softplus_cost}


# Slow references, for one slice


def cost_value(cost, differences):
    if callable(cost):
        return cost(differences)[0]
    return np.abs(differences) ** cost


def standardise(x, weights):
    w = weights / weights.sum()
    mean = np.sum(w * x)
    return (x - mean) / np.sqrt(np.sum(w * (x - mean) ** 2))


def squash(x, weights, squashing):
    if squashing is None:
        return x
    z = standardise(x, weights)
    return (
        1 / (1 + np.exp(-z)) if squashing == "logistic" else 0.5 + np.arctan(z) / np.pi
    )


class Reference:
    """The problem of a slice in plain terms: points, targets, weights and costs."""

    def __init__(
        self,
        x,
        *,
        weights=None,
        targets=None,
        target_weights=None,
        cost=2.0,
        squashing="logistic",
    ):
        weights = np.ones(len(x)) if weights is None else np.asarray(weights, float)
        targets = len(x) if targets is None else targets
        y = np.linspace(0, 1, targets) if np.isscalar(targets) else np.asarray(targets)
        b = np.ones(len(y)) if target_weights is None else np.asarray(target_weights)
        self.x, self.cost, self.squashing = x, cost, squashing
        self.weights = weights
        self.a, self.b, self.y = weights / weights.sum(), b / b.sum(), y
        self.C = self.costs(x)

    def costs(self, x):
        points = squash(x, self.weights, self.squashing)
        return cost_value(self.cost, self.y - points[:, None])

    def outputs(self, rows, columns, x):
        """Ranks and sorts for the conditional probabilities of both sides."""
        n = len(x)
        return n * rows @ np.cumsum(self.b), x @ columns

    def linear_programme(self):
        """Ranks and sorts of the plan without entropy, for positive weights."""
        n, m = self.C.shape
        sums = np.zeros((n + m, n * m))
        for i in range(n):
            sums[i, i * m : (i + 1) * m] = 1
        for j in range(m):
            sums[n + j, j::m] = 1
        solution = linprog(
            self.C.ravel(),
            A_eq=sums,
            b_eq=np.concatenate([self.a, self.b]),
            options={"dual_feasibility_tolerance": 1e-10},
        )
        P = solution.x.reshape(n, m)
        return self.outputs(P / self.a[:, None], P / self.b, self.x)

    def sinkhorn(self, epsilon):
        """Ranks and sorts by log-domain iterations, polished by a dense Newton method.

        By themselves the iterations would take millions for the smallest epsilon.
        """
        K = self.C / epsilon
        with np.errstate(divide="ignore"):
            log_a, log_b = np.log(self.a), np.log(self.b)
        n = len(self.a)
        g = np.zeros(len(self.b))
        for _ in range(600):
            f = -np.logaddexp.reduce(g + log_b - K, axis=1)
            g = -np.logaddexp.reduce((f + log_a)[:, None] - K, axis=0)
        for _ in range(10):
            P = np.exp((f + log_a)[:, None] + g + log_b - K)
            rows, columns = P.sum(axis=1), P.sum(axis=0)
            hessian = np.block([[np.diag(rows), P], [P.T, np.diag(columns)]])
            errors = np.concatenate([self.a - rows, self.b - columns])
            step = np.linalg.lstsq(hessian, errors, rcond=1e-15)[0]
            f, g = f + step[:n], g + step[n:]
        assert np.abs(errors).max() < 1e-13
        rows = np.exp(g + log_b - K + f[:, None])
        columns = np.exp((f + log_a)[:, None] - K + g)
        # What has no weight was not in the equations.
        rows /= rows.sum(axis=1, keepdims=True)
        columns /= columns.sum(axis=0)
        return self.outputs(rows, columns, self.x)

    def newton(self, epsilon):
        """The same in 250 digits for the smallest epsilon, where links vanish.

        Newton's method on the dual, warm-started along a falling epsilon.
        """
        n, m = self.C.shape
        with mpmath.workdps(250):
            a, b = mpmath.matrix(self.a), mpmath.matrix(self.b)
            f, g = mpmath.zeros(n, 1), mpmath.zeros(m, 1)
            stages = np.geomspace(1, epsilon, 40)
            for stage in stages:
                for _ in range(4 if stage > stages[-1] else 12):
                    P = self._mp_plan(a, b, f, g, stage)
                    step = self._mp_newton_step(a, b, P) * mpmath.mpf(stage)
                    f, g = f + step[:n], g + step[n:]
            P = np.array(self._mp_plan(a, b, f, g, epsilon).tolist()).astype(float)
        assert_allclose(P.sum(axis=1), self.a, rtol=1e-14)
        return self.outputs(P / self.a[:, None], P / self.b, self.x)

    def _mp_plan(self, a, b, f, g, epsilon):
        return mpmath.matrix(
            [
                [
                    a[i] * b[j] * mpmath.exp((f[i] + g[j] - c) / mpmath.mpf(epsilon))
                    for j, c in enumerate(row)
                ]
                for i, row in enumerate(self.C.tolist())
            ]
        )

    @staticmethod
    def _mp_newton_step(a, b, P):
        n, m = P.rows, P.cols
        hessian, errors = mpmath.zeros(n + m), mpmath.zeros(n + m, 1)
        errors[:n], errors[n:] = a.copy(), b.copy()
        for i in range(n):
            for j in range(m):
                hessian[i, i] += P[i, j]
                hessian[n + j, n + j] += P[i, j]
                hessian[i, n + j] = hessian[n + j, i] = P[i, j]
                errors[i] -= P[i, j]
                errors[n + j] -= P[i, j]
        # The last potential stays.
        step = mpmath.lu_solve(hessian[: n + m - 1, : n + m - 1], errors[: n + m - 1])
        return mpmath.matrix([*step, 0])

    def unrolled_jvp(self, epsilon, u, n_iter=2000):
        """Forward-mode derivative of ranks and sorts through every iteration."""
        with np.errstate(divide="ignore"):
            log_a, log_b = np.log(self.a), np.log(self.b)
        K = self.C / epsilon
        step = 1e-6
        rise = self.costs(self.x + step * u) - self.costs(self.x - step * u)
        dK = rise / (2 * step * epsilon)
        g = dg = np.zeros(len(self.b))
        for _ in range(n_iter):
            f = -np.logaddexp.reduce(g + log_b - K, axis=1)
            rows = np.exp(f[:, None] + g + log_b - K)
            df = -np.sum(rows * (dg - dK), axis=1)
            g = -np.logaddexp.reduce((f + log_a)[:, None] - K, axis=0)
            columns = np.exp((f + log_a)[:, None] + g - K)
            dg = -np.sum(columns * (df[:, None] - dK), axis=0)
        d_rows = rows * (df[:, None] + dg - dK)
        d_columns = columns * (df[:, None] + dg - dK)
        d_ranks = len(u) * d_rows @ np.cumsum(self.b)
        return d_ranks, u @ columns + self.x @ d_columns


def central_differences(functional, x, step=1e-5):
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (functional(up) - functional(down)) / (2 * step)
    return gradient


# Values


@pytest.mark.parametrize("epsilon", [0.02, 0.3, 10.0])
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("squashing", ["logistic", "arctan", None])
@pytest.mark.parametrize("plan", PLANS)
def test_values_against_plain_iterations(epsilon, cost, squashing, plan):
    x = draw(7)
    options = {**PLANS[plan], "cost": COSTS[cost], "squashing": squashing}
    # Far points, where the plain iterations hardly move.
    epsilon = max(epsilon, 0.3) if squashing is None else epsilon
    ranks, sorts = Reference(x, **options).sinkhorn(epsilon)
    options["tol"] = 1e-12
    assert_allclose(sinkhorn_rank(x, epsilon, **options), ranks, rtol=0, atol=1e-9)
    assert_allclose(sinkhorn_cdf(x, epsilon, **options), ranks / 7, rtol=0, atol=1e-10)
    assert_allclose(sinkhorn_sort(x, epsilon, **options), sorts, rtol=0, atol=1e-9)


@pytest.mark.parametrize("epsilon", [1e-2, 2e-3, 2e-4])
@pytest.mark.parametrize("m", [4, 3, 5])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_values_for_small_epsilon(epsilon, m, is_weighted):
    x, options = draw(4, seed=3), {"targets": m}
    if is_weighted:
        options |= {"weights": [1.0, 3, 2, 1], "target_weights": [2.0, 1, 5, 3, 1][:m]}
    ranks, sorts = Reference(x, **options).newton(epsilon)
    options["tol"] = 1e-11
    assert_allclose(sinkhorn_rank(x, epsilon, **options), ranks, rtol=0, atol=1e-9)
    assert_allclose(sinkhorn_sort(x, epsilon, **options), sorts, rtol=0, atol=1e-9)


@pytest.mark.parametrize("power", [2.0, 1.3, 4.0])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 2), (6, 6), (6, 3), (4, 9), (5, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_limit_against_linear_programme(power, n, m, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    options = {
        "weights": rng.uniform(0.1, 1, size=n),
        "targets": np.sort(rng.uniform(size=m)),
        "target_weights": rng.uniform(0.1, 1, size=m),
        "cost": power,
        "squashing": "logistic" if n > 1 else None,
    }
    ranks, sorts = Reference(x, **options).linear_programme()
    assert_allclose(sinkhorn_rank(x, 0, **options), ranks, rtol=0, atol=1e-7)
    assert_allclose(sinkhorn_sort(x, 0, **options), sorts, rtol=0, atol=1e-7)
    # And the regularised operators get there.
    options["tol"] = 1e-5
    assert_allclose(sinkhorn_rank(x, 1e-7, **options), ranks, rtol=0, atol=1e-3)
    assert_allclose(sinkhorn_sort(x, 1e-7, **options), sorts, rtol=0, atol=1e-3)


@pytest.mark.parametrize("epsilon", [0, 5e-324, 1e-17, 1e-9])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("squashing", ["logistic", "arctan"])
def test_hard_limit_of_distinct_values(epsilon, descending, squashing):
    x = np.random.default_rng(0).permutation(np.linspace(-2, 1, 40)).reshape(2, 20)
    options = {"descending": descending, "squashing": squashing}
    sign = -1 if descending else 1
    assert_allclose(
        sinkhorn_rank(x, epsilon, **options), rankdata(sign * x, axis=1), atol=1e-13
    )
    expected = sign * np.sort(sign * x, axis=1)
    assert_allclose(sinkhorn_sort(x, epsilon, **options), expected, rtol=0, atol=1e-13)


def test_hard_ties_share_their_mass():
    x = np.array([3.0, 0.0, -0.0, 3.0, 1.0, 3.0])
    assert_array_equal(sinkhorn_rank(x, 0), rankdata(x))
    assert_array_equal(sinkhorn_rank(x, 0, descending=True), rankdata(-x))
    assert_allclose(sinkhorn_cdf(x, 0), rankdata(x) / 6, rtol=1e-15)
    assert_array_equal(sinkhorn_sort(x, 0), np.sort(x))
    for epsilon in (1e-6, 1e-4, 0.1):
        ranks = sinkhorn_rank(x, epsilon)
        assert_allclose(ranks[[0, 0, 1]], ranks[[3, 5, 2]], rtol=0, atol=1e-12)
    assert_allclose(sinkhorn_rank(x, 1e-5), rankdata(x), rtol=0, atol=1e-9)
    # Two of the three largest values go to the last target.
    _, jacobian = sinkhorn_sort(x, 0, targets=3, return_jacobian=True)
    third = 1 / 3
    expected = [[0, 0.5, 0.5, 0, 0, 0], [third / 2, 0, 0, third / 2, 0.5, third / 2]]
    expected += [[third, 0, 0, third, 0, third]]
    assert_allclose(jacobian.toarray(), expected, rtol=0, atol=1e-15)


def test_hard_order_is_that_of_the_values_not_of_the_squashed():
    """Squashed, the large values are all 1."""
    x = np.array([1e30, 2e30, 3e30, *np.linspace(0, 1, 2000)])
    assert_array_equal(sinkhorn_rank(x, 0), rankdata(x))


@pytest.mark.parametrize("far", [-1e9, 1e9])
def test_slices_whose_costs_round_epsilon_away_are_hard(far):
    x = np.array([0.2, far, 0.3])
    options = {"squashing": None, "cost": 2}
    assert_array_equal(sinkhorn_rank(x, 100, **options), rankdata(x))
    assert_array_equal(sinkhorn_sort(x, 100, **options), np.sort(x))


def test_hard_values_without_weight_take_their_place():
    weights = [1, 0, 1, 0, 0, 2]
    x = [0.0, 1.0, 2.0, 2.0, -1.0, 5.0]
    ranks = sinkhorn_rank(x, 0, weights=weights, targets=4)
    # Levels 0.25 | 0.5 | 1: between the first two, tied with the second, at the bottom.
    levels = np.array([1, 2, 3, 4]) * 6 / 4
    expected = [levels[0], levels[:2].mean(), levels[1], levels[1], levels[0]]
    assert_allclose(ranks, [*expected, levels[2:].mean()], rtol=1e-15)
    sorts = sinkhorn_sort([3.0, 1.0, 2.0], 0, targets=3, target_weights=[2, 0, 1])
    assert_allclose(sorts, [1.5, 2.5, 3.0], rtol=1e-15)


@pytest.mark.parametrize("width", [None, 0.04])
def test_quantiles_against_plain_iterations(width):
    x, q = draw(9), [0.8, 0.25, 0.5, 0.25]
    w = 0.02 if width is None else width
    masses = [0.25 - w / 2, w, 0.25 - w, w, 0.3 - w, w, 0.2 - w / 2]
    options = {"targets": 7, "target_weights": masses}
    for epsilon in (0.02, 0.3):
        _, sorts = Reference(x, **options).sinkhorn(epsilon)
        quantiles = sinkhorn_quantile(x, q, epsilon, width=width, tol=1e-12)
        assert_allclose(quantiles, sorts[[5, 1, 3, 1]], rtol=0, atol=1e-9)
    # The limit is the mean of the quantiles in the window.
    expected = np.sort(x)[[7, 2, 4, 2]]
    assert_allclose(sinkhorn_quantile(x, q, 0, width=width), expected, rtol=1e-13)
    assert_allclose(
        sinkhorn_quantile(np.arange(4.0), 0.5, 0, width=0.25), 1.5, rtol=1e-14
    )


def test_shapes():
    x = draw(4, 5, 6)
    assert sinkhorn_rank(x, axis=1).shape == (4, 5, 6)
    assert sinkhorn_rank(x, axis=None).shape == (120,)
    assert sinkhorn_sort(x, axis=1, targets=3).shape == (4, 3, 6)
    assert sinkhorn_sort(x, axis=None, targets=3).shape == (3,)
    assert sinkhorn_quantile(x, axis=0).shape == (5, 6)
    assert sinkhorn_quantile(x, [0.1, 0.9], axis=1).shape == (2, 4, 6)
    assert sinkhorn_quantile(x, axis=None).shape == ()
    assert sinkhorn_rank(np.zeros((3, 0))).shape == (3, 0)
    assert sinkhorn_rank(np.zeros((3, 0)), targets=2).shape == (3, 0)
    assert sinkhorn_sort(np.zeros((0, 3)), targets=2).shape == (0, 2)
    assert sinkhorn_sort(np.zeros(0)).shape == (0,)
    assert sinkhorn_rank(np.float16([1, 2])).dtype == np.float32
    assert sinkhorn_sort([1, 2]).dtype == np.float64


@every_operator
def test_slices_do_not_see_each_other(operator):
    x = 10.0 ** np.arange(6) * draw(3, 30, 6)
    weights = np.random.default_rng(1).uniform(size=x.shape)
    options = {"epsilon": 1e-2, "tol": 1e-12, "squashing": "arctan"}
    batch, jacobian = operator(
        x, axis=1, weights=weights, return_jacobian=True, **options
    )
    g = draw(*batch.shape, seed=2)
    gradient = jacobian.vjp(g)
    for i, j in np.ndindex(3, 6):
        one, own = operator(
            x[i, :, j], weights=weights[i, :, j], return_jacobian=True, **options
        )
        index = (i, j) if operator is sinkhorn_quantile else (i, slice(None), j)
        scale = np.abs(one).max()
        assert_allclose(batch[index], one, rtol=0, atol=1e-12 * scale)
        own_gradient = own.vjp(g[index])
        scale = np.abs(own_gradient).max()
        assert_allclose(gradient[i, :, j], own_gradient, rtol=0, atol=1e-10 * scale)


def test_large_batches_are_as_one_by_one():
    """More slices than fit in one batch of plans, hard and soft together."""
    x = draw(40, 100)
    x[::3] *= 1e9  # epsilon is lost in the rounding of these costs
    weights = np.random.default_rng(1).uniform(size=100)
    options = {"weights": weights, "squashing": None, "targets": 80, "tol": 1e-6}
    batch = sinkhorn_sort(x, 0.1, **options)
    for row, expected in zip(x, batch, strict=True):
        own = sinkhorn_sort(row, 0.1, **options)
        assert_allclose(own, expected, rtol=0, atol=1e-9 * np.abs(row).max())
    hard = sinkhorn_sort(x[0], 0, **options)
    assert_array_equal(batch[0], hard)
    assert np.abs(batch[1] - sinkhorn_sort(x[1], 0, **options)).max() > 0.01


# Agreement with ott-jax


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own dependencies
@pytest.mark.parametrize("epsilon", [3e-3, 0.1])
def test_agreement_with_ott(epsilon):
    jax = pytest.importorskip("jax", reason="needs jax")
    soft_sort = pytest.importorskip("ott.tools.soft_sort", reason="needs ott-jax")
    jax.config.update("jax_enable_x64", True)
    n, m, q = 12, 5, [0.2, 0.5, 0.8]
    x, g = draw(2, n), draw(2, n, seed=1)
    array = jax.numpy.array(x)
    theirs = {"epsilon": epsilon, "threshold": 1e-11, "max_iterations": 10**6}
    ours = {"epsilon": epsilon, "tol": 1e-12}
    tolerance = {"rtol": 0, "atol": 1e-6}

    def functional(array):
        ranks = soft_sort.ranks(array, **theirs)
        return (g * ranks).sum(), ranks

    gradient, expected = jax.grad(functional, has_aux=True)(array)
    ranks, jacobian = sinkhorn_rank(x, return_jacobian=True, **ours)
    assert_allclose(ranks - 1, expected, **tolerance)
    assert_allclose(jacobian.vjp(g), gradient, rtol=1e-5, atol=1e-5)
    ranks = sinkhorn_rank(x, targets=m, **ours)
    expected = soft_sort.ranks(array, num_targets=m, **theirs)
    assert_allclose((n - 1) / (m - 1) * (m / n * ranks - 1), expected, **tolerance)
    expected = soft_sort.sort(array, num_targets=m, **theirs)
    assert_allclose(sinkhorn_sort(x, targets=m, **ours), expected, **tolerance)
    expected = soft_sort.quantile(array, q=jax.numpy.array(q), **theirs)
    assert_allclose(sinkhorn_quantile(x, q, **ours), expected.T, **tolerance)


# Derivatives


@pytest.mark.parametrize("epsilon", [1e-3, 1e-2, 0.3])
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("squashing", ["logistic", "arctan", None])
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("operator", [sinkhorn_rank, sinkhorn_sort])
def test_gradients(epsilon, cost, squashing, plan, operator):
    x = draw(7)
    options = {**PLANS[plan], "cost": COSTS[cost], "squashing": squashing}
    options |= {"tol": 1e-12, "max_iter": 200}
    # The smallest epsilon of unsquashed values rounds away the last digits of K.
    epsilon = max(epsilon, 1e-2) if squashing is None else epsilon
    result, jacobian = operator(x, epsilon, return_jacobian=True, **options)
    g = draw(*result.shape, seed=1)

    def functional(x):
        return np.sum(g * operator(x, epsilon, **options))

    expected = central_differences(functional, x, step=1e-5 * min(1, 30 * epsilon))
    scale = max(1, np.abs(expected).max())
    got = jacobian.vjp(g)
    assert_allclose(got, expected, rtol=0, atol=1e-6 * scale)
    u = draw(*x.shape, seed=2)
    assert_allclose(np.sum(g * jacobian.jvp(u)), np.sum(got * u), atol=1e-9 * scale)


@every_operator
@pytest.mark.parametrize(
    "options",
    [{"axis": 0}, {"axis": None}, {"axis": 1}, {"axis": 0, "weights": "same shape"}],
)
def test_gradients_along_axes(operator, options):
    x = draw(5, 4)
    options = {"tol": 1e-12, "epsilon": 0.02, **options}
    if "weights" in options:
        options["weights"] = np.random.default_rng(0).uniform(size=x.shape)
    if operator is sinkhorn_quantile:
        options["q"] = [0.7, 0.2, 0.7]
    result, jacobian = operator(x, return_jacobian=True, **options)
    g = draw(*result.shape, seed=1)
    expected = central_differences(lambda x: np.sum(g * operator(x, **options)), x)
    assert_allclose(jacobian.vjp(g), expected, rtol=0, atol=1e-6)
    assert jacobian.shape == (result.size, x.size)
    dense = jacobian.toarray()
    assert_allclose(dense.T @ g.ravel(), expected.ravel(), rtol=0, atol=1e-6)
    assert_allclose(jacobian.T @ g.ravel(), expected.ravel(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("operator", [sinkhorn_rank, sinkhorn_sort])
def test_gradients_of_descending(operator):
    x, g = draw(6), draw(6, seed=1)
    options = {"descending": True, "tol": 1e-12, "cost": softplus_cost}
    _, jacobian = operator(x, return_jacobian=True, **options)
    expected = central_differences(lambda x: np.sum(g * operator(x, **options)), x)
    assert_allclose(jacobian.vjp(g), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("epsilon", [0.02, 0.3])
@pytest.mark.parametrize("plan", PLANS)
def test_derivatives_against_unrolled_iterations(epsilon, plan):
    x, u = draw(7), draw(7, seed=1)
    options = PLANS[plan]
    ranks, sorts = Reference(x, **options).unrolled_jvp(epsilon, u)
    for operator, expected in ((sinkhorn_rank, ranks), (sinkhorn_sort, sorts)):
        _, jacobian = operator(x, epsilon, tol=1e-12, return_jacobian=True, **options)
        assert_allclose(jacobian.jvp(u), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("plan", PLANS)
def test_derivatives_stay_bounded_for_small_epsilon(epsilon, plan):
    """Where hardly any mass links the columns, rounding must not take over."""
    x = np.linspace(-1, 2, 7) ** 3
    for operator in (sinkhorn_rank, sinkhorn_sort):
        _, jacobian = operator(x, epsilon, return_jacobian=True, **PLANS[plan])
        dense = jacobian.toarray()
        assert np.abs(dense).max() < 10 / np.sqrt(epsilon)
        # Ranks do not change with the location; sorted values move with it.
        expected = 0 if operator is sinkhorn_rank else 1
        assert_allclose(dense.sum(axis=1), expected, rtol=0, atol=1e-7)


def test_hard_derivatives():
    x = draw(2, 6)
    for epsilon in (0, 1e-300):
        _, jacobian = sinkhorn_rank(x, epsilon, return_jacobian=True)
        assert_array_equal(jacobian.vjp(draw(2, 6)), np.zeros((2, 6)))
        result, jacobian = sinkhorn_sort(x, epsilon, targets=4, return_jacobian=True)
        assert_allclose(jacobian.jvp(x), result, rtol=1e-14)


def test_values_that_are_equal():
    """Standardised values are zero, and so are their derivatives."""
    x = np.full(5, 0.1)
    assert_allclose(sinkhorn_rank(x, 0.1), np.full(5, 3.0), rtol=1e-12)
    _, jacobian = sinkhorn_rank(x, 0.1, return_jacobian=True)
    assert_array_equal(jacobian.vjp(draw(5)), np.zeros(5))
    sorts, jacobian = sinkhorn_sort(x, 0.1, return_jacobian=True)
    assert_allclose(sorts, x, rtol=1e-14)
    assert_allclose(jacobian.toarray().sum(axis=1), np.ones(5), rtol=1e-12)


def test_the_jacobian_can_be_kept():
    x, g = draw(3, 5), draw(3, 5, seed=1)
    _, jacobian = sinkhorn_rank(x, weights=[1, 2, 3, 4, 5], return_jacobian=True)
    expected = jacobian.vjp(g)
    assert_array_equal(pickle.loads(pickle.dumps(jacobian)).vjp(g), expected)
    x[...] = 0  # it holds no view of the values
    assert_array_equal(jacobian.vjp(g), expected)


# Properties

numbers = st.floats(-10, 10).map(lambda value: round(value, 3))
samples = st.integers(1, 12).flatmap(lambda n: arrays(np.float64, n, elements=numbers))
epsilons = st.floats(-4, 1).map(lambda exponent: 10**exponent)


@given(samples, epsilons, st.data())
def test_properties(x, epsilon, data):
    n = len(x)
    weights = data.draw(arrays(np.float64, n, elements=st.integers(0, 3)))
    weights[0] += 1
    m = data.draw(st.integers(1, 12))
    masses = data.draw(arrays(np.float64, m, elements=st.integers(0, 3)))
    masses[-1] += 1
    a, b = weights / weights.sum(), masses / masses.sum()
    options = {"weights": weights, "targets": m, "target_weights": masses}
    ranks = sinkhorn_rank(x, epsilon, **options)
    sorts = sinkhorn_sort(x, epsilon, **options)
    # Sums.
    tolerance = {"rtol": 0, "atol": 1e-6 * n}
    assert_allclose(a @ ranks, n * (1 + b @ b) / 2, **tolerance)
    assert_allclose(b @ sorts, a @ x, rtol=0, atol=1e-6)
    # Order: in the values, and of the sorted values.
    order = np.argsort(x)
    assert (np.diff(ranks[order]) >= -1e-9 * n).all()
    assert (np.diff(sorts) >= -1e-9 * max(1, np.ptp(x))).all()
    # Repeats, with no more than rounding between them and weights.
    repeats = weights.astype(int)
    repeated = sinkhorn_cdf(
        np.repeat(x, repeats), epsilon, targets=m, target_weights=masses
    )
    assert_allclose(np.repeat(ranks, repeats) / n, repeated, rtol=0, atol=1e-6)
    # Location and scale.
    moved = sinkhorn_rank(4 * x + 8, epsilon, **options)
    assert_allclose(moved, ranks, **tolerance)


@given(samples, epsilons, st.randoms(use_true_random=False))
def test_permutations_and_directions(x, epsilon, random):
    order = np.array(random.sample(range(len(x)), len(x)))
    ranks = sinkhorn_rank(x, epsilon)
    tolerance = {"rtol": 0, "atol": 1e-6 * len(x)}
    assert_allclose(sinkhorn_rank(x[order], epsilon), ranks[order], **tolerance)
    descending = sinkhorn_rank(x, epsilon, descending=True)
    assert_allclose(descending, len(x) + 1 - ranks, **tolerance)
    assert_allclose(sinkhorn_rank(-x, epsilon), descending, **tolerance)
    sorts = sinkhorn_sort(x, epsilon)
    assert_allclose(sinkhorn_sort(x[order], epsilon), sorts, **tolerance)
    flipped = sinkhorn_sort(x, epsilon, descending=True)
    assert_array_equal(flipped, sorts[::-1])


# Convergence


@pytest.mark.parametrize("epsilon", 10.0 ** np.arange(-6, 3))
@pytest.mark.parametrize(("n", "m"), [(20, 20), (100, 100), (100, 37), (37, 99)])
@pytest.mark.parametrize("operator", [sinkhorn_rank, sinkhorn_sort])
def test_a_few_steps_are_enough(epsilon, n, m, operator):
    """Warnings are errors here. Plain iterations would need millions."""
    x, rng = draw(6, n), np.random.default_rng(1)
    operator(x, epsilon, targets=m, max_iter=8, tol=1e-7)
    weights, masses = rng.dirichlet(np.ones(n), size=6), rng.dirichlet(np.ones(m))
    options = {"weights": weights, "targets": m, "target_weights": masses}
    operator(x, epsilon, max_iter=20, tol=1e-7, **options)


def test_points_far_from_the_targets():
    """Without squashing, the first scalings are far from the last."""
    x = 100 * draw(3, 50) + 1000
    for epsilon in (1e-1, 1.0, 100.0, 1e4):
        ranks = sinkhorn_rank(x, epsilon, squashing=None, tol=1e-6)
        assert_allclose(ranks.mean(axis=1), 25.5, rtol=1e-5)


@pytest.mark.parametrize("epsilon", 10.0 ** np.arange(-6, 1))
@pytest.mark.parametrize("operator", [sinkhorn_rank, sinkhorn_sort])
def test_weights_of_all_magnitudes(epsilon, operator):
    """The plain step of Newton's method, and Sinkhorn's, both fail here."""
    rng = np.random.default_rng(0)
    for n in (20, 200):
        weights, masses = 10 ** rng.uniform(-12, 0, size=(2, n))
        options = {"weights": weights, "target_weights": masses, "max_iter": 60}
        operator(draw(n), epsilon, tol=1e-6, **options)


def wave(differences):
    return np.cos(20 * differences), -20 * np.sin(20 * differences)


def test_a_cost_that_is_not_convex():
    x, g = draw(2, 8), draw(2, 8, seed=1)
    ranks, jacobian = sinkhorn_rank(x, 0.05, cost=wave, return_jacobian=True)
    assert_allclose(ranks.mean(axis=1), 4.5, rtol=1e-6)
    expected = central_differences(
        lambda x: np.sum(g * sinkhorn_rank(x, 0.05, cost=wave, tol=1e-12)), x
    )
    assert_allclose(jacobian.vjp(g), expected, rtol=0, atol=1e-5)
    # Its first scalings are far off, and whole columns of the first plan vanish.
    for seed in range(6):
        x = draw(10, seed=seed)
        assert_allclose(sinkhorn_rank(x, 0.02, cost=wave).mean(), 5.5, rtol=1e-6)
    x = draw(10)
    assert_allclose(sinkhorn_sort(x, 1e-3, cost=wave).mean(), x.mean(), rtol=1e-5)
    with pytest.warns(ConvergenceWarning, match="miss their weights"):
        sinkhorn_rank(draw(50), 1e-3, cost=wave)


@every_operator
def test_failure_to_converge_warns(operator):
    x = draw(4, 30)
    options = {"weights": np.arange(1.0, 31), "epsilon": 1e-3}
    with pytest.warns(ConvergenceWarning, match="of 4 slices .* tol=1e-08") as record:
        operator(x, max_iter=1, **options)
    assert record[0].filename == __file__
    # More than 64-bit numbers can do.
    with pytest.warns(ConvergenceWarning, match="raise epsilon=1e-09"):
        operator(x, **{**options, "epsilon": 1e-9, "tol": 1e-15})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        operator(x, **options)


def test_memory_does_not_grow_with_the_number_of_slices():
    x = draw(200, 150)
    tracemalloc.start()
    try:
        _, jacobian = sinkhorn_rank(x, return_jacobian=True)
        jacobian.vjp(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All plans together have 200 * 150**2 entries.
    assert peak < 0.5 * 8 * 200 * 150**2


# Input


def test_weights_are_normalised():
    x, weights = draw(7), np.array([1, 2, 3, 4, 0, 1, 2])
    for epsilon in (0, 1e-2):
        options = {"weights": weights / 13, "target_weights": weights / 13}
        expected = sinkhorn_rank(x, epsilon, **options)
        for factor in (1, 1e-300, 1e300):
            options = {"weights": factor * weights, "target_weights": factor * weights}
            got = sinkhorn_rank(x, epsilon, **options)
            assert_allclose(got, expected, rtol=0, atol=1e-7)


def test_values_without_weight_have_no_influence():
    x, weights = draw(7), WEIGHTS
    keep = weights > 0
    ranks = sinkhorn_cdf(x, weights=weights, targets=5)
    expected = sinkhorn_cdf(x[keep], weights=weights[keep], targets=5)
    assert_allclose(ranks[keep], expected, rtol=0, atol=1e-7)
    # One that is equal to another has its rank.
    both = np.append(x, x[0])
    ranks = sinkhorn_cdf(both, weights=np.append(weights, 0), targets=5)
    assert_allclose(ranks[-1], ranks[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-10, 1e10, 1e150, 1e300])
def test_scale_of_the_values(scale):
    x = draw(8)
    assert_allclose(sinkhorn_rank(scale * x), sinkhorn_rank(x), rtol=0, atol=1e-7)
    _, jacobian = sinkhorn_rank(scale * x, return_jacobian=True)
    _, expected = sinkhorn_rank(x, return_jacobian=True)
    got = jacobian.jvp(scale * x[::-1])
    assert_allclose(got, expected.jvp(x[::-1]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("operator", [sinkhorn_rank, sinkhorn_sort])
def test_float32(operator):
    x = draw(3, 20).astype(np.float32)
    result, jacobian = operator(x, return_jacobian=True)
    assert result.dtype == jacobian.vjp(x).dtype == np.float32
    assert_allclose(result, operator(x.astype(float)), rtol=0, atol=2e-6)
    readonly = x.copy(order="F")
    readonly.setflags(write=False)
    assert_array_equal(operator(readonly), result)


BAD = [
    ({"epsilon": -1}, ValueError, "epsilon must be a finite number >= 0, got -1"),
    ({"epsilon": "1"}, TypeError, "epsilon must be a real number"),
    ({"weights": [1, 1]}, ValueError, "weights must have shape (3,), got (2,)"),
    ({"weights": [1, -1, 1]}, ValueError, "weights must be non-negative, got -1"),
    ({"weights": [0, 0, 0]}, ValueError, "weights must not all be zero"),
    ({"weights": [1, np.nan, 1]}, ValueError, "weights must be finite"),
    ({"cost": 0.5}, ValueError, "cost must be a finite power >= 1, got 0.5"),
    ({"cost": "square"}, TypeError, "cost must be a power or a callable"),
    ({"cost": lambda d: d}, ValueError, "cost must return two arrays"),
    ({"cost": lambda d: (d, d[0])}, ValueError, "cost must return arrays of the"),
    ({"cost": lambda d: (d / 0, d)}, ValueError, "cost must be finite"),
    ({"squashing": "tanh"}, ValueError, "squashing must be 'logistic' or 'arctan' or"),
    ({"tol": 0}, ValueError, "tol must be a finite number > 0, got 0"),
    ({"tol": "small"}, TypeError, "tol must be a real number > 0"),
    ({"max_iter": 0}, ValueError, "max_iter must be an integer >= 1, got 0"),
    ({"max_iter": 2.0}, TypeError, "max_iter must be an integer >= 1, got 2.0"),
    ({"axis": 1}, np.exceptions.AxisError, "axis must be in"),
    ({"return_jacobian": 1}, TypeError, "return_jacobian must be True or False"),
    ({"values": [1, np.inf, 2]}, ValueError, "values must be finite"),
    ({"values": [1e200, 0, 1], "squashing": None}, ValueError, "cost must be finite"),
]
BAD_TARGETS = [
    ({"targets": 0}, ValueError, "targets must be a number >= 1"),
    ({"targets": []}, ValueError, "targets must be a number >= 1"),
    ({"targets": [0, 0]}, ValueError, "targets must be a number >= 1 or increasing"),
    ({"targets": True}, ValueError, "targets must"),
    ({"target_weights": [1, 1]}, ValueError, "target_weights must have shape (3,)"),
    ({"target_weights": [0, 0, 0]}, ValueError, "target_weights must not all be zero"),
]
BAD_QUANTILES = [
    ({"q": 0}, ValueError, "q must be one or several numbers strictly between 0 and 1"),
    ({"q": [0.5, 1]}, ValueError, "q must be one or several numbers"),
    ({"q": []}, ValueError, "q must be one or several numbers"),
    ({"q": [[0.5]]}, ValueError, "q must be one or several numbers"),
    ({"q": np.nan}, ValueError, "q must be one or several numbers"),
    ({"width": 0}, ValueError, "width must be in (0, 0.25] for these q, got 0"),
    ({"width": 0.3}, ValueError, "width must be in (0, 0.25] for these q, got 0.3"),
    ({"width": "1"}, TypeError, "width must be a number or None"),
]


def assert_refused(operator, options, error, message):
    options = {"values": [3.0, 1.0, 2.0], **options}
    with (
        np.errstate(divide="ignore", invalid="ignore"),
        pytest.raises(error, match=re.escape(message)),
    ):
        operator(**options)


@every_operator
@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_bad_input(operator, options, error, message):
    assert_refused(operator, options, error, message)


@pytest.mark.parametrize("operator", OPERATORS[:3])
@pytest.mark.parametrize(("options", "error", "message"), BAD_TARGETS)
def test_bad_targets(operator, options, error, message):
    assert_refused(operator, options, error, message)


@pytest.mark.parametrize(("options", "error", "message"), BAD_QUANTILES)
def test_bad_quantiles(options, error, message):
    assert_refused(sinkhorn_quantile, options, error, message)


def test_nothing_to_sort():
    for operator, options in ((sinkhorn_sort, {"targets": 2}), (sinkhorn_quantile, {})):
        with pytest.raises(ValueError, match="values must not be empty"):
            operator(np.zeros((2, 0)), **options)
    for operator in (sinkhorn_rank, sinkhorn_sort):
        with pytest.raises(TypeError, match="descending must be True or False"):
            operator([1.0], descending=None)
