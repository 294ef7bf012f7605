"""
Ranking within groups
=====================

Runners of races, documents of queries: only the order within a group counts.
`SoftRanker` fits linear scores by their soft ranks within groups. It starts from ridge
regression on the ranks, and gains where features with long tails tell the order well.
"""

import matplotlib.pyplot as plt
import numpy as np

from sksoftrank import SoftRanker
from sksoftrank.metrics import spearman_score

# %%
# Races of 4 to 12 runners. What all runners of a race share tells nothing about their
# order: the first races are for training, the others for the test.


def draw(signal, seed, n_races=200):
    """Features with long tails, targets, races, and which rows are for training."""
    rng = np.random.default_rng(seed)
    race = np.repeat(np.arange(n_races), rng.integers(4, 13, n_races))
    X = np.exp(1.5 * rng.normal(size=(race.size, 6)))
    score = X @ rng.normal(size=6)
    y = signal * score / score.std() + rng.normal(size=race.size)
    y += 5 * rng.normal(size=n_races)[race]
    return X, y, race, race < n_races // 2


# %%
# The correlation on test races of the start and of the result
# -------------------------------------------------------------

signals, seeds = np.array([0.1, 0.3, 1.0, 3.0, 10.0]), range(5)
start, result = np.zeros((2, signals.size, len(seeds)))
for i, signal in enumerate(signals):
    for j, seed in enumerate(seeds):
        X, y, race, train = draw(signal, seed)
        ranker = SoftRanker().fit(X[train], y[train], groups=race[train])
        X, y, race = X[~train], y[~train], race[~train]
        result[i, j] = ranker.score(X, y, groups=race)
        start[i, j] = spearman_score(y, X @ ranker.init_coef_, groups=race)

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for name, values in (("ridge on ranks", start), ("SoftRanker", result)):
    error = values.std(axis=1) / np.sqrt(len(seeds))
    axis.errorbar(signals, values.mean(axis=1), error, marker="o", label=name)
axis.set(
    xscale="log",
    xlabel="signal, in standard deviations of the noise",
    ylabel="mean Spearman correlation within races",
)
axis.legend()
plt.show()
