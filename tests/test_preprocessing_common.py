import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sksoftrank.preprocessing import (
    IsotonicProjection,
    PermutahedronProjection,
    SoftQuantileNormalizer,
    SoftRankTransformer,
)

TRANSFORMERS = [
    SoftRankTransformer(),
    SoftRankTransformer(epsilon=0),
    SoftRankTransformer(epsilon=3.0, output_distribution="normal", subsample=None),
    SoftQuantileNormalizer(),
    SoftRankTransformer(offset=0.375, output_distribution="normal"),
    SoftRankTransformer(subsample=10, random_state=0),
    SoftQuantileNormalizer(epsilon=0),
    SoftQuantileNormalizer(target=[3.0, 1.0, 2.0], subsample=5, random_state=0),
    IsotonicProjection(),
    IsotonicProjection(increasing=False, y_min=-1, y_max=1.0),
    IsotonicProjection(regularization="entropic"),
    PermutahedronProjection(),
    PermutahedronProjection(epsilon=0),
    PermutahedronProjection(epsilon=0.1, w="mean"),
    PermutahedronProjection(epsilon=0.1, w="mean", regularization="entropic"),
    PermutahedronProjection(epsilon=0.1, regularization="kl"),
]


# Checks that do not apply (array API without its switch) warn that they are skipped.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(TRANSFORMERS)
def test_estimator_checks(estimator, check):
    check(estimator)
