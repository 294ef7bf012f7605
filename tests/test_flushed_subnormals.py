"""Threads in which subnormal numbers are turned to zero, as XLA's are, change nothing.

The kernels compute in the floating-point environment of C, whatever that of the caller.
"""

import ctypes
import ctypes.util
import platform
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sksoftrank import (
    _choices,
    _isotonic,
    _levels,
    _pav,
    _selection,
    _top_ranks,
    soft_quantile,
    soft_rank,
    soft_sort,
    soft_topk,
)

is_known = sys.platform == "linux" and platform.machine() == "x86_64"
pytestmark = pytest.mark.skipif(not is_known, reason="sets a register of x86-64")

# Of the structure fenv_t of Linux on x86-64: its size, and where the register is.
SIZE, REGISTER = 32, 28
# Results and arguments that are subnormal become zero.
FLUSH, TAKE_AS_ZERO = 0x8000, 0x0040


def flushing(function):
    """Results of the function in a thread that flushes, and whether it did before and
    after the call."""
    found = []

    def run():
        libm = ctypes.CDLL(ctypes.util.find_library("m"))
        environment = ctypes.create_string_buffer(SIZE)
        libm.fegetenv(environment)
        register = ctypes.c_uint32.from_buffer(environment, REGISTER)
        register.value |= FLUSH | TAKE_AS_ZERO
        libm.fesetenv(environment)
        before = flushes()
        found.extend([function(), (before, flushes())])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found


def flushes():
    return float(np.float64(3e-308) - np.float64(2.9e-308)) == 0.0


def subnormals(shape=(3, 400)):
    return 5e-324 * np.random.default_rng(0).integers(-200, 200, size=shape)


# NumPy's sort flushes, too.
SORTED = np.sort(subnormals(), axis=1)


def arrays(x, kind):
    count, n = x.shape
    weights = None if kind == _pav.QUADRATIC else np.zeros(x.shape)
    return np.empty((count, n + 1), np.int64), weights


def rank_rows(x, epsilon=5e-322, kind=_pav.QUADRATIC):
    order, out = np.empty(x.shape, np.int64), np.empty(x.shape)
    pools, weights = arrays(x, kind)
    _pav.rank_rows(x, epsilon, kind, 1.0, order, out, pools, weights)
    return out, order


def sort_rows(x, with_order):
    out = np.empty(x.shape)
    order = np.empty(x.shape, np.int64) if with_order else None
    _pav.sort_rows(x, 0.0, _pav.QUADRATIC, 1.0, order, out, None, None)
    return out, order if with_order else 0


def argsort_rows(x):
    order, out = np.empty(x.shape, np.int64), np.empty(x.shape)
    _pav.argsort_rows(x, -1.0, order, out)
    return out, order


def isotonic_rows(x):
    out, (pools, _) = np.empty(x.shape), arrays(x, _pav.QUADRATIC)
    w = np.zeros((1, x.shape[1]))
    _isotonic.isotonic_rows(x, w, 1.0, 0, False, out, pools, None, None)
    product = np.empty(x.shape)
    _isotonic.pool_product_rows(
        x, None, None, pools, None, _isotonic.DEVIATION, False, 1.0, product
    )
    return out, product


def weighted_isotonic_rows(x):
    out, weights = np.empty(x.shape), np.linspace(0.5, 1.0, x.shape[1])
    _isotonic.weighted_isotonic_rows(x, weights, out)
    return (out,)


def select_rows(x, is_logistic, epsilon):
    choices, total = np.empty((len(x), 6)), np.full((len(x), 1), float(x.shape[1]))
    choices[:, 4], choices[:, 5] = 100, x.shape[1] - 100
    _choices.select_rows(x, None, total, epsilon, is_logistic, None, choices)
    later = choices.copy()
    later[:, 4:] += [1, -1]
    _choices.select_rows(x, None, total, epsilon, is_logistic, None, later)
    excess, bounds = np.empty((len(x), 1)), np.empty((len(x), 2))
    _choices.difference_rows(x, None, choices, later, epsilon, is_logistic, excess)
    _choices.bound_rows(x, None, bounds)
    return choices, excess, bounds


def select_row(x):
    selection = np.empty(x.shape[1])
    found = _selection.select_row(
        x[0], None, 50.0, float(x.shape[1]), 0.0, np.nan, selection, None
    )
    return np.array(found), selection


def quantile_rows(x):
    out, total = np.empty((len(x), 5)), np.full((len(x), 1), float(x.shape[1]))
    low = np.tile(np.linspace(0.0, 100.0, 5), (len(x), 1))
    _levels.quantile_rows(SORTED, None, total, 5e-323, low, False, out)
    return (out,)


def top_rank_rows(x, kind=_pav.QUADRATIC):
    out = np.empty_like(x)
    _top_ranks.top_rank_rows(x, 1.0, 20, 5e-323, kind, out, None, None, None)
    return (out,)


KERNELS = {
    "ranks": rank_rows,
    "hard ranks": lambda x: rank_rows(x, 0.0),
    "entropic ranks": lambda x: rank_rows(x, 5e-323, _pav.ENTROPIC),
    "kl ranks": lambda x: rank_rows(x, 5e-323, _pav.KL),
    "top ranks": top_rank_rows,
    "entropic top ranks": lambda x: top_rank_rows(x, _pav.ENTROPIC),
    "sorts": lambda x: sort_rows(x, False),
    "sorts with order": lambda x: sort_rows(x, True),
    "argsort": argsort_rows,
    "isotonic": isotonic_rows,
    "weighted isotonic": weighted_isotonic_rows,
    "choices": lambda x: select_rows(x, False, 5e-323),
    "hard choices": lambda x: select_rows(x, False, 0.0),
    "logistic choices": lambda x: select_rows(x, True, 5e-322),
    "selection": select_row,
    "quantiles": quantile_rows,
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_keep_subnormal_numbers(name):
    x = subnormals()
    expected = KERNELS[name](x)
    assert np.ptp(expected[0]) > 0
    got, states = flushing(lambda: KERNELS[name](x))
    assert states == (True, True)  # and leave the thread as it was
    for a, b in zip(got, expected, strict=True):
        assert_array_equal(np.asarray(a).view(np.int64), np.asarray(b).view(np.int64))


@pytest.mark.parametrize(
    "operator",
    [
        lambda x: soft_rank(x, 0.7),
        lambda x: soft_rank(x, 0.7, regularization="kl"),
        lambda x: soft_rank(x, 0.7, return_jacobian=True)[1].vjp(x),
        lambda x: soft_sort(x, 0.7),
        lambda x: soft_sort(x, 0.7, return_jacobian=True)[1].vjp(x),
        lambda x: soft_topk(x, 9, 0.7),
        lambda x: soft_quantile(x, 0.3, 0.7, axis=1),
    ],
)
def test_operators_with_zeros(operator):
    # Of many zeros the keys that are sorted were subnormal numbers once.
    x = np.random.default_rng(1).integers(-2, 3, size=(40, 300)) * 1.5
    expected = operator(x)
    got, states = flushing(lambda: operator(x))
    assert states == (True, True)
    assert_array_equal(got, expected)
