"""Warnings point at the user's line, however many calls and whose lie between."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksoftrank import (
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    SoftSpearmanLabelRanker,
    SoftTopKClassifier,
    SoftTrimmedRegressor,
    soft_lts_path,
)
from sksoftrank.metrics import spearman_score, trimmed_r2_score
from sksoftrank.sinkhorn import sinkhorn_quantile, sinkhorn_rank

RNG = np.random.default_rng(0)
X, y = RNG.normal(size=(40, 2)), RNG.normal(size=40)
MOSTLY_EQUAL = np.where(np.arange(40) < 30, 1.0, y)
LABELS = np.arange(40) % 3
HASTY = {"max_iter": 1, "random_state": 0}

CALLS = {
    "fit": lambda: SoftLTSRegressor(random_state=0).fit(X, MOSTLY_EQUAL),
    "path": lambda: soft_lts_path(X, MOSTLY_EQUAL, epsilons=[12], random_state=0),
    "path, hasty": lambda: soft_lts_path(X, y, epsilons=[12], **HASTY),
    "cv": lambda: SoftLTSRegressorCV(epsilons=[12], cv=2, random_state=0).fit(
        X, MOSTLY_EQUAL
    ),
    "cv, hasty": lambda: SoftLTSRegressorCV(epsilons=[12], cv=2, **HASTY).fit(X, y),
    "lqs": lambda: SoftLQSRegressor(random_state=0).fit(X, MOSTLY_EQUAL),
    "scores": lambda: cross_val_score(SoftLTSRegressor(**HASTY), X, y, cv=2),
    "pipeline": lambda: make_pipeline(StandardScaler(), SoftLTSRegressor(**HASTY)).fit(
        X, y
    ),
    "refit": lambda: SoftTrimmedRegressor(**HASTY, tol=0.0).fit(X, y),
    "classifier": lambda: SoftTopKClassifier(max_iter=1).fit(X, LABELS),
    "ranker": lambda: SoftSpearmanLabelRanker(max_iter=1).fit(X, RNG.random((40, 3))),
    "metric": lambda: spearman_score(np.full((2, 3), np.nan), X[:2, [0, 1, 1]]),
    "score": lambda: trimmed_r2_score([1.0, 2.0], [1.0, 2.0], trim=0.5),
    "sinkhorn": lambda: sinkhorn_rank(y, 1e-4, max_iter=1),
    "sinkhorn by row": lambda: sinkhorn_rank([y, y], [1e-4] * 2, max_iter=1),
    "sinkhorn_quantile": lambda: sinkhorn_quantile(y, 0.3, 1e-4, max_iter=1),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_file_is_that_of_the_user(name):
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        CALLS[name]()
    assert record
    assert {warning.filename for warning in record} == {__file__}
