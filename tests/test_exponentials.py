"""Exponentials of many numbers at once, against those of long doubles."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sksoftrank._exponentials import exponentials

is_long = np.finfo(np.longdouble).nmant > 60


def all_of(x, *, is_minus_one):
    x = np.asarray(x, dtype=float)
    out = np.empty_like(x)
    exponentials(x, is_minus_one, out)
    return out


def draw():
    rng = np.random.default_rng(0)
    tiny = 10.0 ** rng.uniform(-300, 0, size=3000)
    near = rng.uniform(-3, 3, size=20_000)
    return np.concatenate([near, tiny, -tiny, rng.uniform(-745, 709.78, size=20_000)])


@pytest.mark.skipif(not is_long, reason="needs longer doubles")
@pytest.mark.parametrize(("is_minus_one", "ulp"), [(False, 1.0), (True, 2.0)])
def test_exponentials_have_their_digits(is_minus_one, ulp):
    x = draw()
    function = np.expm1 if is_minus_one else np.exp
    expected = function(x.astype(np.longdouble))
    error = np.abs(all_of(x, is_minus_one=is_minus_one) - expected)
    assert (error <= ulp * np.spacing(np.abs(expected).astype(float))).all()


def test_ends():
    x = [0.0, -0.0, 710.0, 1e308, np.inf, -746.0, -1e308, -np.inf, np.nan]
    expected = [1, 1, np.inf, np.inf, np.inf, 0, 0, 0, np.nan]
    assert_array_equal(all_of(x, is_minus_one=False), expected)
    expected = [0, 0, np.inf, np.inf, np.inf, -1, -1, -1, np.nan]
    assert_array_equal(all_of(x, is_minus_one=True), expected)


@pytest.mark.parametrize("is_minus_one", [False, True])
def test_results_do_not_depend_on_the_place(is_minus_one):
    # Neither on the number of numbers that SIMD takes at once, nor on what is left.
    x = draw()[:200]
    expected = all_of(x, is_minus_one=is_minus_one)
    for n in range(1, 40):
        assert_array_equal(all_of(x[:n], is_minus_one=is_minus_one), expected[:n])
        assert_array_equal(all_of(x[n:], is_minus_one=is_minus_one), expected[n:])
    exponentials(x, is_minus_one, x)  # in place
    assert_array_equal(x, expected)
