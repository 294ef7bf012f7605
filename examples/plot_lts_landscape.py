"""
The landscape of least trimmed squares
======================================

Least trimmed squares (LTS) sums the h smallest squared residuals. As a function of the
coefficients that sum has many local minima and kinks. There are two ways to smooth it
with soft sorting, and they differ in what far outliers do to them.
"""

import matplotlib.pyplot as plt
import numpy as np

from sksoftrank.losses import selection_trimmed_loss, sorted_trimmed_loss

# A slope of 1 through the origin; a third of the rows lie on a line of slope -2.
rng = np.random.default_rng(1)
n, n_bad = 60, 20
x = rng.uniform(-3.0, 3.0, size=n)
y = x + 0.5 * rng.normal(size=n)
y[:n_bad] -= 3.0 * x[:n_bad]
h = 35

slopes = np.linspace(-4.0, 3.0, 701)
losses = (y - slopes[:, None] * x) ** 2 / 2

figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
axis.scatter(x[n_bad:], y[n_bad:], s=14, label="good")
axis.scatter(x[:n_bad], y[:n_bad], s=14, color="C3", label="bad")
axis.set(xlabel="x", ylabel="y")
axis.legend()
plt.show()

# %%
# Two ways to smooth
# ------------------
#
# *selection* smooths the choice of the rows that count. Whatever `epsilon` is, a loss
# that is far enough above the others counts with weight 0, and so the minimum at the
# good slope stays, while the wiggles go.
#
# *sort* smooths the sorted losses (eq. 26 of Blondel et al. 2020). It averages over
# large gaps first, so the outliers are the first to be mixed in: with more smoothing
# the objective becomes least squares, and its minimum leaves the good slope.

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharey=True)
for epsilon in (0.0, 1.0, 4.0, 1e4):
    values = [selection_trimmed_loss(row, h, epsilon)[0] for row in losses]
    axes[0].plot(slopes, values, label=f"{epsilon:g}")
for epsilon in (0.0, 3.0, 10.0, 1e4):
    values = [sorted_trimmed_loss(row, h, epsilon)[0] for row in losses]
    axes[1].plot(slopes, values, label=f"{epsilon:g}")
for axis, title in zip(axes, ("selection", "sort"), strict=True):
    axis.axvline(1.0, color="0.6", linestyle=":")
    axis.set(title=title, xlabel="slope", ylim=(0, 6))
    axis.legend(title="epsilon", loc="upper right")
axes[0].set_ylabel("smoothed mean of the h smallest losses")
plt.show()

# %%
# One far outlier
# ---------------
#
# The weight that each formulation gives to the farthest row, at the good slope, while
# that row moves away. The soft sort lets it back in even for a small `epsilon`, here at
# a distance of some hundred.

distances = np.logspace(0, 4, 200)
at_good_slope = losses[np.argmin(abs(slopes - 1.0))].copy()
formulations = {
    "selection, epsilon = 4": (selection_trimmed_loss, 4.0),
    "sort, epsilon = 0.01": (sorted_trimmed_loss, 0.01),
}
figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
for name, (loss, epsilon) in formulations.items():
    weights = []
    for distance in distances:
        at_good_slope[0] = distance**2 / 2
        weights.append(loss(at_good_slope, h, epsilon)[2][0])
    axis.semilogx(distances, weights, label=name)
axis.set(xlabel="distance of the row", ylabel="its weight")
axis.legend(loc="upper center", fontsize="small")
plt.show()
