"""
Top-k classification
====================

If a list of k suggestions is shown, what counts is whether the true class is among
them. `SoftTopKClassifier` trains linear scores for that. It begins with logistic
regression, and gains where a linear model cannot fit all rows: logistic regression then
spends its coefficients on rows that are far from right.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import top_k_accuracy_score

from sksoftrank import SoftTopKClassifier

# %%
# Eight classes, each of which consists of two clusters: no linear model fits them well.


def draw(seed):
    """Features and classes of 1500 rows for training, and of as many for the test."""
    X, y = make_classification(
        3000,
        6,
        n_informative=5,
        n_redundant=0,
        n_classes=8,
        n_clusters_per_class=2,
        class_sep=1.5,
        random_state=seed,
    )
    return X[:1500], X[1500:], y[:1500], y[1500:]


def accuracy(model, seed, k):
    """Share of the test rows whose class is among the k best."""
    X_train, X_test, y_train, y_test = draw(seed)
    scores = model.fit(X_train, y_train).decision_function(X_test)
    return top_k_accuracy_score(y_test, scores, k=k)


# %%
# A model for each k
# ------------------
#
# Means over three samples.

seeds, ks = range(3), (1, 2, 3, 4)
models = {
    "logistic regression": lambda k: LogisticRegression(),
    "soft top-k": lambda k: SoftTopKClassifier(k=k),
}
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for name, make in models.items():
    means = [np.mean([accuracy(make(k), seed, k) for seed in seeds]) for k in ks]
    axis.plot(ks, means, "o-", label=name)
axis.set(xlabel="k", ylabel="top-k accuracy on test rows", xticks=ks)
axis.legend()
plt.show()

# %%
# Over epsilon
# ------------
#
# `epsilon` is in units of the scores, which begin as log odds: it says how far from the
# border a row may be to count. For `epsilon` = 0 nothing is trained, and the model
# remains the logistic regression.

epsilons = np.logspace(-2, 1, 7)
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for growth in ("bounded", "linear"):
    means = [
        np.mean(
            [
                accuracy(SoftTopKClassifier(k=2, epsilon=e, growth=growth), seed, 2)
                for seed in seeds
            ]
        )
        for e in epsilons
    ]
    axis.semilogx(epsilons, means, "o-", label=f"growth = {growth!r}")
baseline = np.mean([accuracy(LogisticRegression(), seed, 2) for seed in seeds])
axis.axhline(baseline, color="0.5", linestyle=":", label="logistic regression")
axis.set(xlabel="epsilon", ylabel="top-2 accuracy on test rows")
axis.legend()
plt.show()
