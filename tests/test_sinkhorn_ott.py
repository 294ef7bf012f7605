"""Agreement of the Sinkhorn operators with ott-jax, where it is installed."""

import warnings
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from transport_reference import MASSES, TARGETS, WEIGHTS, draw, squash

from sksoftrank.sinkhorn import sinkhorn_quantile, sinkhorn_rank, sinkhorn_sort

N, M = 12, 5
TOLERANCE = {"rtol": 0, "atol": 1e-6}

# Warnings of the dependencies of ott-jax.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.parametrize("epsilon", [3e-3, 0.1]),
]


@pytest.fixture(scope="module")
def jax():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        jax = pytest.importorskip("jax", reason="needs jax")
        pytest.importorskip("ott.tools.soft_sort", reason="needs ott-jax")
    jax.config.update("jax_enable_x64", True)
    return jax


def assert_agree(jax, function, x, ours, *, scale=1.0, offset=0.0):
    """``scale * ours + offset``, and its gradient, are those of the function of x."""
    expected, pull_back = jax.vjp(function, jax.numpy.array(x))
    result, jacobian = ours
    assert_allclose(scale * result + offset, expected, **TOLERANCE)
    g = draw(*result.shape, seed=1)
    (gradient,) = pull_back(jax.numpy.array(g))
    assert_allclose(scale * jacobian.vjp(g), gradient, rtol=1e-5, atol=1e-5)


def test_operators(jax, epsilon):
    from ott.tools import soft_sort

    x = draw(2, N)
    accurate = {"epsilon": epsilon, "threshold": 1e-11, "max_iterations": 10**6}
    ours = {"epsilon": epsilon, "tol": 1e-12, "return_jacobian": True}
    function = partial(soft_sort.ranks, **accurate)
    assert_agree(jax, function, x, sinkhorn_rank(x, **ours), offset=-1)
    function = partial(soft_sort.ranks, num_targets=M, **accurate)
    factor = (N - 1) / (M - 1)
    ranks = sinkhorn_rank(x, targets=M, **ours)
    assert_agree(jax, function, x, ranks, scale=factor * M / N, offset=-factor)
    function = partial(soft_sort.sort, num_targets=M, **accurate)
    assert_agree(jax, function, x, sinkhorn_sort(x, targets=M, **ours))
    # It has the quantiles along the last axis.
    q = np.array([0.2, 0.5, 0.8])

    def function(x):
        return soft_sort.quantile(x, q=jax.numpy.array(q), **accurate).T

    assert_agree(jax, function, x, sinkhorn_quantile(x, q, **ours))


@pytest.mark.parametrize("squashing", ["arctan", None])
def test_weighted_plans(jax, epsilon, squashing):
    from ott.geometry import pointcloud
    from ott.problems.linear import linear_problem
    from ott.solvers.linear import sinkhorn

    x = draw(len(WEIGHTS))
    keep, used = WEIGHTS > 0, MASSES > 0
    a, b = WEIGHTS[keep] / WEIGHTS.sum(), MASSES[used] / MASSES.sum()
    points = squash(x, WEIGHTS, squashing)[keep, None]
    geometry = pointcloud.PointCloud(
        jax.numpy.array(points), jax.numpy.array(TARGETS[used, None]), epsilon=epsilon
    )
    problem = linear_problem.LinearProblem(geometry, jax.numpy.array(a), b)
    solver = sinkhorn.Sinkhorn(threshold=1e-11, max_iterations=10**6)
    plan = np.asarray(solver(problem).matrix)
    options = {"targets": TARGETS, "target_weights": MASSES, "weights": WEIGHTS}
    options |= {"epsilon": epsilon, "tol": 1e-12, "squashing": squashing}
    ranks = len(x) * (plan / a[:, None]) @ np.cumsum(b)
    assert_allclose(sinkhorn_rank(x, **options)[keep], ranks, **TOLERANCE)
    sorts = x[keep] @ plan / b
    assert_allclose(sinkhorn_sort(x, **options)[used], sorts, **TOLERANCE)
