"""Threads of the search for the start: no result depends on their number."""

import numpy as np
import pytest
from contamination import contaminated
from marks import slow
from numpy.testing import assert_array_equal

from sksoftrank import SoftLQSRegressor, SoftLTSRegressor


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
