import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sksoftrank.label_ranking import DummyLabelRanker, SoftSpearmanLabelRanker

ESTIMATORS = [
    SoftSpearmanLabelRanker(),
    SoftSpearmanLabelRanker(regularization="entropic", epsilon=0.1, alpha=1.0),
    SoftSpearmanLabelRanker(regularization="kl", fit_intercept=False),
    SoftSpearmanLabelRanker(regularization=None, alpha=0, target="relevance"),
    DummyLabelRanker(),
]


# Checks that do not apply (array API without its switch) warn that they are skipped,
# and correlations of the single label that the checks give warn that there are none.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@parametrize_with_checks(ESTIMATORS)
def test_estimator_checks(estimator, check):
    check(estimator)
