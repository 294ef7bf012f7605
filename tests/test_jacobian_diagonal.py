"""The diagonal of J'J, in closed form or by products, against the dense Jacobian."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from operator_table import OPERATORS

from sksoftrank import (
    Jacobian,
    isotonic_projection,
    project_permutahedron,
    soft_quantile_normalize,
    soft_rank,
    soft_sort_with,
    soft_topk,
    soft_topk_rank,
    soft_winsorize,
)
from sksoftrank.feature_selection import soft_spearman_corr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 9)).round(1)
WEIGHTS = RNG.integers(0, 4, 9).astype(float)
WEIGHTED = ("soft_topk-", "soft_quantile-", "soft_median", "soft_trimmed", "soft_win")


def jacobians():
    """Jacobians by name, of soft and hard rows, missing values and weights."""
    missing = X.copy()
    missing[0, 1] = missing[2, 4] = np.nan
    missing[3] = np.nan
    for name, (call, epsilon, *_) in OPERATORS.items():
        options = {"epsilon": epsilon, "return_jacobian": True}
        yield name, call(X, **options)[1]
        yield f"{name}-columns", call(X, axis=0, **options)[1]
        yield f"{name}-omit", call(missing, nan_policy="omit", **options)[1]
        options["epsilon"] = [0.0, epsilon, 10 * epsilon, epsilon]
        yield f"{name}-each", call(X, **options)[1]
        if name.startswith(WEIGHTED):
            _, jacobian = call(X, weights=WEIGHTS, **options)
            yield f"{name}-weights", jacobian
            yield f"{name}-wrt_weights", jacobian.wrt_weights
    for projection in (isotonic_projection, project_permutahedron):
        for kind in ("quadratic", "entropic"):
            for w in (X[::-1], X[0]):
                options = {"regularization": kind, "return_jacobian": True}
                _, jacobian = projection(X, w, **options)
                yield f"{projection.__name__}-{kind}-{w.ndim}", jacobian
                yield f"{projection.__name__}-{kind}-{w.ndim}-w", jacobian.wrt_w
    for axis in (None, 0, 1, 2):
        cube = X.reshape(2, 6, 3)
        options = {"axis": axis, "return_jacobian": True}
        yield f"normal-{axis}", soft_quantile_normalize(cube, X[0], **options)[1]
    infinite = np.where(X > 1, np.inf, X)
    yield "infinite", soft_rank(infinite, 0.5, return_jacobian=True)[1]
    yield "masked", soft_topk(-infinite, 2, 0.5, return_jacobian=True)[1]
    _, jacobian = soft_sort_with(X, X[:, 0], 0.5, return_jacobian=True)
    yield "sort_with", jacobian
    yield "sort_with-criterion", jacobian.wrt_criterion
    _, jacobian = soft_sort_with(
        missing, X[:, 0], 0.5, nan_policy="omit", return_jacobian=True
    )
    yield "sort_with-omit", jacobian
    yield "corr", soft_spearman_corr(X, return_jacobian=True)[1]


JACOBIANS = dict(jacobians())


@pytest.mark.parametrize("name", JACOBIANS)
def test_diagonal_is_that_of_the_dense_matrix(name):
    jacobian = JACOBIANS[name]
    dense = jacobian.toarray()
    expected = np.sum(dense**2, axis=0).reshape(jacobian.input_shape)
    found = jacobian.diagonal()
    assert found.shape == jacobian.input_shape
    assert_allclose(found, expected, rtol=1e-11, atol=1e-13 * np.max(expected))


def test_diagonal_is_tested_on_something():
    assert all(np.any(j.diagonal() > 0) for n, j in JACOBIANS.items() if "omit" in n)


def test_one_class_with_derivatives_on_demand():
    assert {type(jacobian) for jacobian in JACOBIANS.values()} == {Jacobian}
    _, jacobian = soft_topk(X, 2, 0.5, return_jacobian=True)
    assert "wrt_k" not in vars(jacobian)
    assert jacobian.wrt_k is jacobian.wrt_k
    with pytest.raises(AttributeError, match=r"'wrt_q': .* wrt_k, wrt_eps"):
        jacobian.wrt_q  # noqa: B018


@pytest.mark.parametrize("epsilon", [5e-324, 1e-200, 1e-170, 1e170, 1e300])
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_far_epsilon(epsilon, regularization):
    x = np.array([1.0, 1.0, 1.0, -2.0, np.inf, np.inf])
    options = {"regularization": regularization, "return_jacobian": True}
    for jacobian in (
        soft_rank(x, epsilon, **options)[1],
        soft_topk(x, 3.0, epsilon, **options)[1],
        soft_topk_rank(x, 4, epsilon, **options)[1],
        soft_topk(x[:4], 2.5, epsilon, magnitude=True, **options)[1],
        soft_winsorize(x, 0.4, 0.0, **options)[1],
    ):
        found, dense = jacobian.diagonal(), jacobian.toarray()
        with np.errstate(over="ignore"):
            expected = np.sum(dense**2, axis=0)
        assert_allclose(found, expected, rtol=1e-9, atol=1e-320)


def test_small_columns_keep_their_digits():
    options = {"regularization": "entropic", "return_jacobian": True}
    _, jacobian = soft_topk([0.0, -50.0, -100.0], 1.5, 1.0, **options)
    other = np.exp(-50)  # the slope at both of the other values
    assert_allclose(jacobian.diagonal()[1], 4 * other**2 + 2 * other**2, rtol=1e-9)


def test_float32_diagonal():
    _, jacobian = soft_rank(X.astype(np.float32), 0.5, return_jacobian=True)
    assert jacobian.diagonal().dtype == np.float32
