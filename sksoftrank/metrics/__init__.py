"""Scores of regressions whose test data hold outliers, and of predicted rankings.

`RANKING_SCORERS` is a dict of scorers for ``scoring`` in `GridSearchCV`, whose
``refit`` then takes a name, and in `cross_validate`: "spearman", "kendall_tau" and
"ndcg". They compare ``predict`` with y as the estimator reads it: in the order of its
`labels_`, and as relevances if that is its `target`. `REGRESSION_SCORERS` is the same
for regressors: "spearman", "kendall_tau", "trimmed_r2" and
"neg_trimmed_mean_squared_error".
"""

from ._capped import capped_mean_squared_error, capped_scorer
from ._ranking import (
    kendall_tau_score,
    ndcg_score,
    ndcg_score_of_ranks,
    spearman_score,
)
from ._scorers import RANKING_SCORERS, REGRESSION_SCORERS
from ._trimmed import (
    trimmed_mean_squared_error,
    trimmed_r2_score,
    trimmed_scorer,
)

__all__ = [
    "RANKING_SCORERS",
    "REGRESSION_SCORERS",
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
