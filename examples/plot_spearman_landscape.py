"""
The landscape of a rank loss
============================

A loss on hard ranks is piecewise constant: its gradient is zero wherever it exists, and
an optimiser has nothing to follow. Soft ranks give the same landscape slopes. Here a
linear model with two coefficients ranks twelve rows, and the loss is half the mean
squared distance to the true ranks: Spearman's rank correlation, up to a linear map,
where ranks are hard.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import rankdata

from sksoftrank import epsilon_bounds, soft_rank

rng = np.random.default_rng(0)
X = rng.normal(size=(12, 2))
coef = np.array([1.0, 1.0])
target = rankdata(-X @ coef - 0.3 * rng.normal(size=12))


def loss(coefs, epsilon):
    """The loss of each row of coefficients, all ranked in one batch."""
    ranks = soft_rank(coefs @ X.T, epsilon, descending=True)
    return ((ranks - target) ** 2).mean(axis=1) / 2


# %%
# Seen from above
# ---------------
#
# Ranks do not depend on the length of the coefficients, so the hard landscape consists
# of wedges. Soft ranks do: close to the origin all scores share a rank. The star is at
# the true coefficients.

grid = np.linspace(-3.0, 3.0, 121)
first, second = np.meshgrid(grid, grid)
candidates = np.column_stack([first.ravel(), second.ravel()])

figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained", sharey=True)
for axis, epsilon in zip(axes, (0.0, 0.5, 2.0), strict=True):
    landscape = loss(candidates, epsilon).reshape(first.shape)
    image = axis.contourf(first, second, landscape, levels=20, cmap="viridis")
    axis.plot(*coef, "w*", markersize=12)
    axis.set(title=f"epsilon = {epsilon:g}", aspect="equal", xlabel="coefficient 1")
    figure.colorbar(image, ax=axis, shrink=0.8)
axes[0].set_ylabel("coefficient 2")
plt.show()

# %%
# Along a circle
# --------------
#
# On a circle around the origin the hard loss is a staircase, and its derivative is
# zero on every step. The soft loss is continuous, and for larger `epsilon` the many
# local minima merge into one.

angles = np.linspace(-np.pi, np.pi, 1201)
circle = np.column_stack([np.cos(angles), np.sin(angles)])
figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
for epsilon, style in ((0.0, "k"), (0.1, "C0"), (0.3, "C1"), (1.0, "C2")):
    width = 0.7 if epsilon == 0 else 1.8
    axis.plot(
        np.degrees(angles),
        loss(circle, epsilon),
        style,
        linewidth=width,
        label=f"{epsilon:g}",
    )
axis.axvline(45, color="0.6", linestyle=":")
axis.set(xlabel="direction of the coefficients [degrees]", ylabel="loss")
axis.legend(title="epsilon")
plt.show()

# %%
# The range of `epsilon` in which something changes is known beforehand: for the scores
# of the true coefficients ranks are hard up to the first number, and one block from the
# second on.

print("{:.3g} to {:.3g}".format(*epsilon_bounds(X @ coef)))
