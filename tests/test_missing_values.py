"""NaN in ranks and sorts: an error, or as if they were not there."""

import re

import numpy as np
import pytest
from cases import OPERATORS, all_cases, directions
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata

from sksoftrank import soft_rank, soft_sort

SHAPES = [((7,), 0), ((6, 5), 1), ((5, 6), 0), ((2, 5, 3), 1), ((3, 4), None)]
shapes = pytest.mark.parametrize(("shape", "axis"), SHAPES)
operators = pytest.mark.parametrize("function", [soft_rank, soft_sort])


def draw_with_nan(*shape):
    """Normal values; slices have from no NaN to NaN only."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape)
    values[rng.uniform(size=shape) < 0.35] = np.nan
    if len(shape) > 1:
        values[0], values[-1] = np.nan, rng.normal(size=shape[1:])
    return values


def rows_of(array, axis):
    """The slices, as rows."""
    moved = array.reshape(1, -1) if axis is None else np.moveaxis(array, axis, -1)
    return moved.reshape(-1, moved.shape[-1])


def expected_row(function, row, operator, **options):
    """Result without the NaN, and the dense Jacobian, of one slice."""
    kept = ~np.isnan(row)
    found, jacobian = function(row[kept], return_jacobian=True, **options)
    where = np.flatnonzero(kept) if operator == "rank" else np.arange(kept.sum())
    result, wrt_epsilon = np.full(row.shape, np.nan), np.zeros(row.shape)
    dense = np.zeros((row.size, row.size))
    result[where], wrt_epsilon[where] = found, jacobian.wrt_epsilon
    dense[np.ix_(where, kept)] = jacobian.toarray()
    return result, dense, wrt_epsilon


@shapes
@all_cases
@directions
@pytest.mark.parametrize("epsilon", [0.0, 0.2, 1.5, 40.0])
def test_omitted_values_are_not_there(
    operator, regularization, epsilon, descending, shape, axis
):
    values, function = draw_with_nan(*shape), OPERATORS[operator]
    options = {
        "epsilon": epsilon,
        "regularization": regularization,
        "descending": descending,
    }
    found, jacobian = function(
        values, axis=axis, nan_policy="omit", return_jacobian=True, **options
    )
    assert_array_equal(found, function(values, axis=axis, nan_policy="omit", **options))
    rng = np.random.default_rng(2)
    u, g = rng.normal(size=values.shape), rng.normal(size=found.shape)
    arrays = values, found, u, g, jacobian.jvp(u), jacobian.vjp(g), jacobian.wrt_epsilon
    rows = [rows_of(array, axis) for array in arrays]
    n = rows[0].shape[1]
    for row, *others in zip(*rows, strict=True):
        expected, dense, wrt_epsilon = expected_row(function, row, operator, **options)
        result, row_u, row_g, forward, backward, row_wrt_epsilon = others
        assert_allclose(result, expected, rtol=1e-14)
        assert_allclose(forward, dense @ row_u, rtol=0, atol=1e-13 * n)
        assert_allclose(backward, dense.T @ row_g, rtol=0, atol=1e-13 * n)
        assert_allclose(row_wrt_epsilon, wrt_epsilon, rtol=0, atol=1e-12)


@shapes
def test_hard_limits_are_those_of_scipy_and_numpy(shape, axis):
    values = draw_with_nan(*shape).round(1)
    expected = rankdata(values, axis=axis, nan_policy="omit")
    ranks = soft_rank(values, 0, axis=axis, nan_policy="omit")
    assert_array_equal(ranks, np.reshape(expected, ranks.shape))
    expected = np.sort(values, axis=axis)
    assert_array_equal(soft_sort(values, 0, axis=axis, nan_policy="omit"), expected)


def test_nan_come_last_in_both_directions():
    values = [np.nan, 1.0, 3.0, np.nan, 2.0]
    expected = [3.0, 2.0, 1.0, np.nan, np.nan]
    found = soft_sort(values, 0.1, descending=True, nan_policy="omit")
    assert_array_equal(found, expected)


@operators
def test_all_or_nothing_is_missing(function):
    for values in (np.full((3, 4), np.nan), np.empty((3, 0)), np.empty((0, 3))):
        found, jacobian = function(values, nan_policy="omit", return_jacobian=True)
        assert_array_equal(found, values)
        assert_array_equal(jacobian.jvp(np.ones(values.shape)), np.zeros(values.shape))
        assert_array_equal(jacobian.wrt_epsilon, np.zeros(values.shape))
    values = np.array([[2.0, 1.0], [0.0, 3.0]])
    assert_array_equal(function(values, nan_policy="omit"), function(values))


@operators
def test_many_rows_and_threads(function):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(500, 200))
    values[rng.uniform(size=values.shape) < 0.01] = np.nan
    expected = [function(row[~np.isnan(row)], 0.3) for row in values]
    found = function(values, 0.3, nan_policy="omit", n_jobs=2)
    for row, expected_values in zip(found, expected, strict=True):
        assert_array_equal(row[~np.isnan(row)], expected_values)


@operators
def test_float32_stays(function):
    values = np.array([1.0, np.nan, 2.0], dtype=np.float32)
    found, jacobian = function(values, nan_policy="omit", return_jacobian=True)
    assert found.dtype == jacobian.dtype == jacobian.wrt_epsilon.dtype == np.float32


@operators
@pytest.mark.parametrize(
    ("values", "nan_policy", "message"),
    [
        ([1.0, np.nan], "raise", "values must be finite, got 1 NaN and 0 infinite of"),
        ([1.0, np.nan, np.inf], "omit", "got 0 NaN and 1 infinite of 2 entries."),
        ([1.0], "propagate", "nan_policy must be 'raise' or 'omit', got 'propagate'."),
        ([1.0], None, "nan_policy must be 'raise' or 'omit', got None."),
    ],
)
def test_bad_input(function, values, nan_policy, message):
    if np.inf in values and function is soft_rank:
        return  # there it is last
    with pytest.raises(ValueError, match=re.escape(message)):
        function(values, nan_policy=nan_policy)
