"""
Bad leverage points
===================

A few rows that are far out in the *features* and follow another law pull a fit towards
them, also one that withstands large errors in y. `SoftLTSRegressor` searches for the
half of the rows that agree on a linear model, and the rest is told apart on a map.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import HuberRegressor, LinearRegression, RANSACRegressor

from sksoftrank import OutlierMapDisplay, SoftLTSRegressor
from sksoftrank.datasets import make_contaminated_regression

# %%
# One feature
# -----------
#
# A quarter of the rows forms a cluster to the right. Huber's loss bounds what a large
# residual can do, but not what a large feature can do.

X, y, coef, outliers = make_contaminated_regression(
    100, 1, contamination=0.25, kind="leverage", distance=6.0, random_state=3
)
models = {
    "least squares": LinearRegression(),
    "Huber": HuberRegressor(),
    "RANSAC": RANSACRegressor(random_state=0),
    "soft LTS": SoftLTSRegressor(random_state=0),
}
ends = np.array([[X.min() - 0.5], [X.max() + 0.5]])
figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
axis.scatter(X[~outliers], y[~outliers], s=16, color="0.4", label="good rows")
axis.scatter(X[outliers], y[outliers], s=16, color="C3", label="bad leverage points")
for (name, model), color in zip(models.items(), ("C1", "C4", "C2", "C0"), strict=True):
    line = model.fit(X, y).predict(ends)
    width = 3 if name == "soft LTS" else 1.5
    axis.plot(ends, line, color=color, linewidth=width, label=name)
axis.plot(ends, coef * ends, "k:", label="truth")
axis.set(xlabel="x", ylabel="y")
axis.legend(ncols=2, fontsize=8)
plt.show()

# %%
# Ten features
# ------------
#
# Here no plot of the data shows the outliers, and least squares hides them: its
# residuals are small where it was pulled. The map draws standardised residuals of a
# robust fit over robust distances of the features. Left: from the residuals of least
# squares, right: from soft LTS.

X, y, coef, outliers = make_contaminated_regression(
    300, 10, contamination=0.3, kind="mixed", distance=8.0, random_state=0
)
least_squares = LinearRegression().fit(X, y)
soft_lts = SoftLTSRegressor(random_state=0).fit(X, y)

figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
OutlierMapDisplay.from_predictions(
    y, least_squares.predict(X), X, random_state=0, ax=axes[0]
)
OutlierMapDisplay.from_estimator(soft_lts, X, y, random_state=0, ax=axes[1])
for axis, name in zip(axes, ("least squares", "soft LTS"), strict=True):
    axis.annotate(name, (0.03, 0.03), xycoords="axes fraction", weight="bold")
plt.show()

# %%
# How large the errors of the coefficients are, and how many outliers were kept:

for name, model in {"least squares": least_squares, "soft LTS": soft_lts}.items():
    print(f"{name:<14}{np.abs(model.coef_ - coef).max():6.2f}")
print(int(soft_lts.inlier_mask_[outliers].sum()), "of", int(outliers.sum()))
