"""
Label ranking with partial rankings
===================================

Each row ranks a set of labels, and most rows rank only some of them.
`SoftSpearmanLabelRanker` takes such data as they are: NaN marks a label that is not
ranked, and the others of the row are ranked among themselves.
"""

import matplotlib.pyplot as plt
import numpy as np

from sksoftrank import DummyLabelRanker, SoftSpearmanLabelRanker
from sksoftrank.datasets import make_label_ranking
from sksoftrank.metrics import spearman_score

# %%
# A row of y holds ranks, 1 for the most preferred label:

X, y, _ = make_label_ranking(800, 5, 6, noise=0.3, missing=0.5, random_state=0)
print(y[:3])

# %%
# How much do missing ranks cost?
# -------------------------------
#
# The test rows are complete. Rows are used for what they tell: with half of the ranks
# missing, a model that drops incomplete rows has almost none left.

n_train = 400
missing = np.linspace(0.0, 0.8, 9)
scores = {"all rows": [], "complete rows only": [], "same ranking for all": []}
for share in missing:
    seeds = {name: [] for name in scores}
    for seed in range(5):
        X, complete, _ = make_label_ranking(800, 5, 6, noise=0.3, random_state=seed)
        _, y, _ = make_label_ranking(
            800, 5, 6, noise=0.3, missing=share, random_state=seed
        )
        X_train, y_train = X[:n_train], y[:n_train]
        is_complete = ~np.isnan(y_train).any(axis=1)
        models = {
            "all rows": (SoftSpearmanLabelRanker(), slice(None)),
            "complete rows only": (SoftSpearmanLabelRanker(), is_complete),
            "same ranking for all": (DummyLabelRanker(), slice(None)),
        }
        for name, (model, rows) in models.items():
            score = np.nan
            if len(X_train[rows]) >= 5:
                model.fit(X_train[rows], y_train[rows])
                predicted = model.predict(X[n_train:])
                score = spearman_score(complete[n_train:], predicted)
            seeds[name].append(score)
    for name, values in seeds.items():
        scores[name].append(np.mean(values))

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for name, values in scores.items():
    axis.plot(100 * missing, values, "o-", label=name)
axis.set(xlabel="missing ranks [%]", ylabel="Spearman correlation on complete rows")
axis.legend()
plt.show()

# %%
# Two kinds of unknown
# --------------------
#
# NaN means that a label may belong anywhere. Where labels that are not listed are known
# to rank behind the others, as in a list of the two best, a common larger number says
# so, and carries more:

X, y, _ = make_label_ranking(800, 5, 8, noise=0.3, random_state=1)
is_listed = y[:n_train] <= 2
readings = {
    "may belong anywhere": np.where(is_listed, y[:n_train], np.nan),
    "behind the others": np.where(is_listed, y[:n_train], 3.0),
}
for name, read in readings.items():
    model = SoftSpearmanLabelRanker().fit(X[:n_train], read)
    print(f"{name:<20}{model.score(X[n_train:], y[n_train:]):.3f}")
