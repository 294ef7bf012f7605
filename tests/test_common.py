import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sksoftrank import SoftLTSRegressor, SoftLTSRegressorCV

ESTIMATORS = [
    SoftLTSRegressor(),
    SoftLTSRegressor(formulation="sort"),
    SoftLTSRegressor(formulation="sort", epsilon=0.01, trim=0.25, alpha=0.1),
    SoftLTSRegressor(epsilon=0),
    SoftLTSRegressor(epsilon=0.1, trim=0.25, alpha=1e-3),
    SoftLTSRegressor(trim=0, fit_intercept=False),
    SoftLTSRegressor(epsilon=0, reweight=True),
    SoftLTSRegressor(init="ls"),
    SoftLTSRegressor(n_jobs=2),
    SoftLTSRegressorCV(epsilons=[1, 10]),
    SoftLTSRegressorCV(formulation="sort", trims=[0.3, 0.5]),
]


# Checks that do not apply (array API without its switch) warn that they are skipped.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS)
def test_estimator_checks(estimator, check):
    check(estimator)
