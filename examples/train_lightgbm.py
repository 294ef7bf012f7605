"""
Boosting by soft ranks within groups
====================================

LightGBM takes an objective of raw predictions: a function that returns gradients and
Hessians. The squared distance of soft and true ranks within groups is one. The tables
of ``benchmarks/ltr.py`` tell that it does better than least squares on the ranks, and
no better than the ``lambdarank`` that LightGBM has: this is how, not what to take.

This script needs ``pip install lightgbm``.
"""

import lightgbm
import numpy as np

from sksoftrank import soft_rank
from sksoftrank.metrics import spearman_score

# %%
# Two details make it work. Ranks are in units of the size of their group, so that
# groups of all sizes ask for scores of one size: an `epsilon` for each group. And where
# all scores of a group are close its soft ranks are linear, so that this is least
# squares on the ranks, with Hessians of one.


def soft_spearman_objective(y, groups):
    """Objective of LightGBM for a target that is compared within groups."""
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    size = sizes[number]
    target = (soft_rank(y, 0.0, groups=groups) - (size + 1) / 2) / size

    def objective(scores, _):
        ranks, jacobian = soft_rank(
            scores, 1 / sizes, groups=groups, return_jacobian=True
        )
        error = (ranks - (size + 1) / 2) / size - target
        return jacobian.vjp(error) / size, np.ones(scores.size)

    return objective


# %%
# Groups of 5 to 40 rows, half of them for the test.

rng = np.random.default_rng(0)
groups = np.repeat(np.arange(400), rng.integers(5, 41, 400))
X = rng.normal(size=(groups.size, 8))
y = X[:, 0] * X[:, 1] + np.abs(X[:, 2]) + rng.normal(size=groups.size)
y += 3 * rng.normal(size=400)[groups]
train = groups < 200

model = lightgbm.train(
    {
        "objective": soft_spearman_objective(y[train], groups[train]),
        "learning_rate": 0.1,
        "num_leaves": 16,
        "verbosity": -1,
    },
    lightgbm.Dataset(X[train], y[train]),
    num_boost_round=100,
)
score = spearman_score(y[~train], model.predict(X[~train]), groups=groups[~train])
print(f"mean Spearman correlation within groups: {score:.3f}")
