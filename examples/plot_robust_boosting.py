"""
Robust gradient boosting by trimming
====================================

`SoftTrimmedRegressor` makes any regressor robust that takes sample weights: it refits
it with weights that fall with its own cross-validated errors, to zero for gross ones.
`SoftTrimmedClassifier` does the same for wrong labels.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.tree import DecisionTreeClassifier

from sksoftrank import SoftTrimmedClassifier, SoftTrimmedRegressor

# %%
# A curve with outliers
# ---------------------
#
# Three of ten observations are shifted upwards, so the mean of y given x is no longer
# the curve. The absolute error withstands more than the squared one, but is pulled as
# well.

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0.0, 10.0, size=300))
truth = np.sin(x) + 0.2 * x
y = truth + 0.2 * rng.normal(size=x.size)
bad = rng.uniform(size=x.size) < 0.3
y[bad] += rng.uniform(2.0, 6.0, size=bad.sum())
X = x[:, None]

options = {"n_estimators": 50, "min_samples_leaf": 10, "random_state": 0}
boosting = GradientBoostingRegressor(**options)
models = {
    "boosting, squared error": boosting,
    "boosting, absolute error": GradientBoostingRegressor(
        loss="absolute_error", **options
    ),
    "boosting, trimmed": SoftTrimmedRegressor(
        boosting, cv=3, max_iter=8, random_state=0
    ),
}
figure, axis = plt.subplots(figsize=(9, 4.2), layout="constrained")
axis.scatter(x[~bad], y[~bad], s=8, color="0.6", label="good rows")
axis.scatter(x[bad], y[bad], s=8, color="C3", alpha=0.6, label="shifted rows")
for (name, model), color in zip(models.items(), ("C1", "C4", "C0"), strict=True):
    predicted = model.fit(X, y).predict(X)
    error = np.sqrt(np.mean((predicted - truth) ** 2))
    axis.plot(x, predicted, color=color, label=f"{name} (error {error:.2f})")
axis.plot(x, truth, "k:", label="truth")
axis.set(xlabel="x", ylabel="y", ylim=(-4, 8))
axis.legend(fontsize=9, ncols=2, loc="lower right")
plt.show()

# %%
# Wrong labels
# ------------
#
# Three of ten labels of each of two half moons were exchanged. Crosses are the
# observations that the trimmed tree ended up with the weight 0.

X, classes = make_moons(400, noise=0.15, random_state=0)
wrong = rng.uniform(size=classes.size) < 0.3
labels = np.where(wrong, 1 - classes, classes)

tree = DecisionTreeClassifier(min_samples_leaf=10, random_state=0)
trimmed = SoftTrimmedClassifier(tree, random_state=0).fit(X, labels)
tree.fit(X, labels)

figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for axis, model, name in zip(axes, (tree, trimmed), ("tree", "trimmed"), strict=True):
    DecisionBoundaryDisplay.from_estimator(
        model,
        X,
        eps=0.3,
        response_method="predict",
        ax=axis,
        cmap="coolwarm",
        alpha=0.2,
    )
    axis.set_title(f"{name}: {model.score(X, classes):.0%} of the true classes")
is_kept = trimmed.inlier_weight_ > 0
for axis, kept in zip(axes, (np.ones_like(is_kept), is_kept), strict=True):
    for label, color in ((0, "C0"), (1, "C3")):
        rows = X[kept & (labels == label)]
        axis.scatter(*rows.T, s=10, color=color, label=f"labelled {label}")
        rows = X[~kept & (labels == label)]
        axis.scatter(*rows.T, s=30, color=color, marker="x", linewidth=1)
axes[1].scatter([], [], s=20, color="0.3", marker="x", label="weight 0")
for axis in axes:
    axis.legend(loc="lower left")
plt.show()
