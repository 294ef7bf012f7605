"""Threads of the search for the start: no result depends on their number."""

import threading

import numpy as np
import pytest
from contamination import contaminated
from marks import slow
from numpy.testing import assert_array_equal

from sksoftrank import SoftLQSRegressor, SoftLTSRegressor
from sksoftrank.robust._lts_rows import TrimmedRows


def test_rows_are_shared_by_threads():
    rng = np.random.default_rng(0)
    rows = TrimmedRows(rng.standard_normal((50, 3)), np.ones(50), None, 26, np.zeros(3))
    masses = rng.uniform(size=(2, 50))
    expected = [
        np.einsum("fi,ij,ik->fjk", masses, rows.rows, rows.rows),
        masses * rows.y @ rows.rows,
    ]
    found = []

    class Interrupted(np.ndarray):
        """Rows of which the first use lets another thread in."""

        def __getitem__(self, index):
            if not found:
                found.append(None)
                other = threading.Thread(
                    target=lambda: found.append(rows.normal_equations(masses))
                )
                other.start()
                other.join()
            return super().__getitem__(index)

    rows.rows = rows.rows.view(Interrupted)
    found.append(rows.normal_equations(masses))
    for result in found[1:]:
        for array, wanted in zip(result, expected, strict=True):
            np.testing.assert_allclose(array, wanted, rtol=1e-12)
    assert len(found) == 3


@pytest.mark.parametrize("seeds", [range(0, 12, 5), slow(range(12))])
@pytest.mark.parametrize("estimator", [SoftLTSRegressor, slow(SoftLQSRegressor)])
def test_number_of_threads_does_not_matter(estimator, seeds):
    for seed in seeds:
        X, y, _ = contaminated(60 + 20 * seed, seed=seed)
        X = np.hstack([X, np.random.default_rng(seed).standard_normal((len(y), seed))])
        single = estimator(random_state=seed, epsilon=12).fit(X, y)
        for n_jobs in (2, 3):
            model = estimator(random_state=seed, epsilon=12, n_jobs=n_jobs).fit(X, y)
            assert_array_equal(model.coef_, single.coef_)
            assert model.intercept_ == single.intercept_
            assert model.objective_ == single.objective_
            assert_array_equal(model.inlier_weight_, single.inlier_weight_)
