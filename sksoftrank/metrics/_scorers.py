"""Scorers of rankings, which ask the estimator how it reads y, and of regressions."""

from sklearn.metrics import make_scorer

from .._sklearn import Scorer
from .._typing import ScorerFunction
from ._labels import align_labels
from ._ranking import (
    check_rankings,
    kendall_tau_score,
    ndcg_score_of_ranks,
    spearman_score,
)
from ._trimmed import trimmed_mean_squared_error, trimmed_scorer

# Where estimators that contain another one keep it once they are fitted.
INNER = ("best_estimator_", "estimator_", "regressor_", "estimator")


class RankingScorer(Scorer):
    """Scorer of predicted ranks by a function of true and predicted ranks.

    The estimator says what it ranks, and how: y is taken in the order of its `labels_`,
    and for ``target="relevance"`` the largest number of y is rank 1. An estimator
    inside a pipeline or a search is found; one that has neither is taken to predict
    what y holds.

    Parameters
    ----------
    score_func : callable
        ``score_func(y_true, y_pred, sample_weight=None)``.
    """

    def __init__(self, score_func):
        super().__init__(score_func, 1, {}, "predict")

    def __repr__(self):
        return f"RankingScorer({self._score_func.__name__})"

    def _score(self, method_caller, estimator, X, y_true, **kwargs):
        ranker = _ranker(estimator)
        y_true = align_labels(y_true, getattr(ranker, "labels_", None))
        if getattr(ranker, "target", None) == "relevance":
            y_true = -check_rankings(y_true, "y_true")
        return super()._score(method_caller, estimator, X, y_true, **kwargs)


def _ranker(estimator):
    """The innermost of nested estimators."""
    while True:
        steps = getattr(estimator, "steps", None)
        inner = [getattr(estimator, name, None) for name in INNER]
        if steps is not None:  # a pipeline
            estimator = steps[-1][1]
        elif any(hasattr(model, "predict") for model in inner):
            estimator = next(model for model in inner if hasattr(model, "predict"))
        else:
            return estimator


RANKING_SCORERS: dict[str, ScorerFunction] = {
    "spearman": RankingScorer(spearman_score),
    "kendall_tau": RankingScorer(kendall_tau_score),
    "ndcg": RankingScorer(ndcg_score_of_ranks),
}

REGRESSION_SCORERS: dict[str, ScorerFunction] = {
    "spearman": make_scorer(spearman_score),
    "kendall_tau": make_scorer(kendall_tau_score),
    "trimmed_r2": trimmed_scorer(),
    "neg_trimmed_mean_squared_error": make_scorer(
        trimmed_mean_squared_error, greater_is_better=False
    ),
}
