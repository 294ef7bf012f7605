"""Tables of which every second or third row is bad, or most weigh nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sksoftrank import SoftLTSRegressor
from sksoftrank.robust._lts_steps import BAND, MIN_BAND, _Boundary

COEF = np.array([1.0, -2.0, 3.0])


def lines(n, period, seed=0):
    """Rows of a line, of which one in a period belongs to another."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    y = X @ COEF + rng.standard_normal(n)
    y[::period] = 5 - X[::period] @ COEF + rng.standard_normal(len(X[::period]))
    return X, y


@pytest.mark.filterwarnings("ignore:.* far from all other values")
@pytest.mark.parametrize("is_fill", [False, True])
def test_a_bad_row_in_every_period(is_fill):
    X, y = lines(10_200, 3)
    if is_fill:
        X[::3, 1] = 1e20
    else:
        y[::3] = 1000
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    assert_allclose(model.coef_, COEF, atol=0.1)
    assert not model.inlier_mask_[::3].any()


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_the_band_at_the_boundary_is_a_part_of_all_rows(phase):
    n = 30 * MIN_BAND
    residual = np.random.default_rng(0).standard_normal(n)
    residual[phase::3] += 1000
    weight = (np.abs(residual) < 0.7) / n
    design = SimpleNamespace(rows=lambda index: index)
    boundary = _Boundary(design, residual, weight, None, n / 2, BAND)
    assert boundary.index.size == pytest.approx(BAND * n, rel=0.2)


def test_two_laws_in_turns_are_two_laws():
    X, y = lines(6000, 2)
    with pytest.warns(UserWarning, match="the rows follow two laws"):
        SoftLTSRegressor(trim=0.45, random_state=0).fit(X, y)


def test_most_rows_weigh_nothing():
    X, y = lines(12_000, 12_001)
    weight = np.zeros(len(y))
    weight[1:200:2] = 1
    model = SoftLTSRegressor(random_state=0).fit(X, y, sample_weight=weight)
    alone = SoftLTSRegressor(random_state=0).fit(X[1:200:2], y[1:200:2])
    assert_allclose(model.coef_, alone.coef_, rtol=1e-5)
