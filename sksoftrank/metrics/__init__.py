"""Scores of regressions whose test data hold outliers, and of predicted rankings.

`RANKING_SCORERS` is a dict of scorers for ``scoring`` in `GridSearchCV`, whose
``refit`` then takes a name, and in `cross_validate`: "spearman", "kendall_tau" and
"ndcg". They compare ``predict`` with y, which must be ranks. For relevances use the
`score` method of the estimator, the default in scikit-learn, which reads y as the
estimator does.
"""

from ._capped import capped_mean_squared_error, capped_scorer
from ._ranking import (
    RANKING_SCORERS,
    kendall_tau_score,
    ndcg_score,
    ndcg_score_of_ranks,
    spearman_score,
)
from ._trimmed import (
    trimmed_mean_squared_error,
    trimmed_r2_score,
    trimmed_scorer,
)

__all__ = [
    "RANKING_SCORERS",
    "capped_mean_squared_error",
    "capped_scorer",
    "kendall_tau_score",
    "ndcg_score",
    "ndcg_score_of_ranks",
    "spearman_score",
    "trimmed_mean_squared_error",
    "trimmed_r2_score",
    "trimmed_scorer",
]
