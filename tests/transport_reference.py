"""Slow references of the Sinkhorn operators, and cases to try them on."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog

from sksoftrank.sinkhorn import (
    sinkhorn_cdf,
    sinkhorn_quantile,
    sinkhorn_rank,
    sinkhorn_sort,
)

OPERATORS = [sinkhorn_rank, sinkhorn_cdf, sinkhorn_sort, sinkhorn_quantile]
every_operator = pytest.mark.parametrize("operator", OPERATORS)
# Those that return one number for each value, and for each target.
both_operators = pytest.mark.parametrize("operator", [sinkhorn_rank, sinkhorn_sort])

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
            stages = np.geomspace(1, epsilon, 16)
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
