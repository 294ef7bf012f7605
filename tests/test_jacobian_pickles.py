"""Jacobians can be pickled and copied, with the derivatives in other arguments."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from operator_table import OPERATORS

from sksoftrank import isotonic_projection, project_permutahedron, soft_sort_with
from sksoftrank.feature_selection import soft_spearman_corr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 9))


def jacobians():
    """One Jacobian for each operator, with and without missing values, by name."""
    missing = X.copy()
    missing[0, 1] = np.nan
    for name, (call, epsilon, *_) in OPERATORS.items():
        options = {"epsilon": epsilon, "return_jacobian": True}
        yield name, call(X, **options)[1]
        yield f"{name}-omit", call(missing, nan_policy="omit", **options)[1]
    for projection in (isotonic_projection, project_permutahedron):
        jacobian = projection(X, X[0], return_jacobian=True)[1]
        yield projection.__name__, jacobian
    yield "sort_with", soft_sort_with(X, X[:, 0], 0.5, return_jacobian=True)[1]
    yield "corr", soft_spearman_corr(X, return_jacobian=True)[1]


JACOBIANS = dict(jacobians())


@pytest.mark.parametrize("name", JACOBIANS)
def test_pickles_and_copies(name):
    jacobian = JACOBIANS[name]
    u = RNG.normal(size=jacobian.input_shape)
    g = RNG.normal(size=jacobian.output_shape)
    pickled = pickle.loads(pickle.dumps(jacobian))
    for other in (pickled, copy.copy(jacobian), copy.deepcopy(jacobian)):
        assert type(other) is type(jacobian)
        assert_array_equal(other.jvp(u), jacobian.jvp(u))
        assert_array_equal(other.vjp(g), jacobian.vjp(g))
        for attribute in ("wrt_epsilon", "wrt_k", "wrt_q", "wrt_cut"):
            assert hasattr(other, attribute) == hasattr(jacobian, attribute)
            if hasattr(jacobian, attribute):
                found, expected = (getattr(j, attribute) for j in (other, jacobian))
                assert_array_equal(found, expected)
        for attribute in ("wrt_weights", "wrt_w", "wrt_criterion"):
            if getattr(jacobian, attribute, None) is not None:
                found, expected = (getattr(j, attribute) for j in (other, jacobian))
                assert_array_equal(found.vjp(g), expected.vjp(g))
