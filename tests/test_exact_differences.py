"""Numbers that float64 does not hold: integers beyond 2**53 and long doubles."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from sksoftrank._checks import check_values, exact_differences

BIG = 2**60
STEPS = [3, 0, 7, 1]


def shifted(values, axis=-1):
    return check_values(exact_differences(values, "x", axis), "x")


@pytest.mark.parametrize(
    "values",
    [
        np.array(STEPS) + BIG,
        np.array(STEPS) - BIG,
        np.array(STEPS, dtype=np.uint64) + np.uint64(2**63),
        [step + BIG for step in STEPS],
        tuple(step + 2**70 for step in STEPS),  # objects for NumPy
        np.array([step + 10**400 for step in STEPS], dtype=object),
        np.array([Fraction(step) + BIG for step in STEPS], dtype=object),
        pd.Series(STEPS) + BIG,
        pd.Series(STEPS, dtype="Int64") + BIG,
        pd.Series(STEPS, dtype="UInt64") + BIG,
    ],
    ids=str,
)
def test_integers(values):
    assert_array_equal(shifted(values), STEPS)


@pytest.mark.skipif(
    np.finfo(np.longdouble).eps == np.finfo(float).eps, reason="no long doubles"
)
@pytest.mark.parametrize("origin", [1.0, 2.0**100, -(2.0**900)])
def test_long_doubles(origin):
    low = np.longdouble(origin)
    step = abs(low) * np.finfo(np.longdouble).eps
    x = shifted(np.append(low + step * np.array(STEPS), [np.nan, np.inf]))
    assert_array_equal(x[:-2], step * np.array(STEPS))
    assert_array_equal(x[-2:], [np.nan, np.inf])
    with pytest.raises(ValueError, match="x must hold numbers that differ in float64"):
        shifted(np.array([low, low + step, -4 * abs(low)]))


@pytest.mark.parametrize(
    "values",
    [
        [[BIG, np.nan, BIG + 1], [BIG + 1, 0.5, 0]],
        [[BIG, np.nan, BIG + 1], [BIG + 1, 0.5, -BIG]],
        pd.DataFrame([[BIG, pd.NA, BIG + 1], [BIG + 1, 0, -BIG]], dtype="Int64"),
        pd.DataFrame({"a": [BIG, BIG + 1], "b": [np.nan, 0.5], "c": [BIG + 1, -BIG]}),
        np.array([[2**63, np.nan, 2**63 + 1], [-1, -2, -3]], dtype=object),
    ],
    ids=str,
)
def test_integers_beside_others(values):
    x = shifted(values)
    assert_array_equal(x[0], [0, np.nan, 1])
    assert np.ptp(x[1]) > 0


def test_slices_are_shifted_one_by_one():
    # The second row is exact and stays as it is; every slice fits, not the whole.
    values = np.array([[BIG, BIG + 1], [5, 2], [-BIG, -BIG + 1]])
    assert_array_equal(shifted(values), [[0, 1], [5, 2], [0, 1]])
    assert_array_equal(shifted(values.T, axis=0), [[0, 5, 0], [1, 2, 1]])
    cube = values.reshape(3, 1, 2)
    assert_array_equal(shifted(cube, axis=2), [[[0, 1]], [[5, 2]], [[0, 1]]])
    with pytest.raises(ValueError, match=r"x must hold numbers .* range of 2\*\*53"):
        shifted(values, None)


def test_all_of_the_integers():
    info = np.iinfo(np.int64)
    assert_array_equal(shifted([info.min, 0, info.max]), [0, 2.0**63, 2.0**64])
    info = np.iinfo(np.uint64)
    assert_array_equal(shifted([info.max, info.max - 1]), [1, 0])
    # Only numbers that become one are refused.
    assert_array_equal(shifted([0, 2**53 + 1, 2**60]), [0, 2.0**53, 2.0**60])
    with pytest.raises(ValueError, match="got values from 0 to 1152921504606846977"):
        shifted([0, BIG, BIG + 1])


@pytest.mark.parametrize(
    "values",
    [
        3.0,
        [],
        [[1, 2], [3]],
        ["a", 2**60],
        np.arange(3.0) + BIG,
        np.array([2**53, 1]),
        np.arange(3, dtype=np.int32),
        np.ma.array([BIG, BIG + 1], mask=[True, False]),
        [1j, BIG],
    ],
    ids=str,
)
def test_all_else_is_left_alone(values):
    assert exact_differences(values, "x") is values


def test_missing_values_of_pandas_are_nan():
    for values in (
        pd.Series([1, None, 3], dtype="Int64"),
        pd.DataFrame({"a": [1, pd.NA, 3]}, dtype="Float64")["a"],
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1, None, 3], dtype="Float64"),
        [1, pd.NA, 3],
        np.array([1, None, 3], dtype=object),
    ):
        assert_array_equal(check_values(values, "x"), [1, np.nan, 3])
    with pytest.raises(TypeError, match=r"x must hold real numbers only: .*NaT"):
        check_values(np.array([pd.NaT], dtype=object), "x")
