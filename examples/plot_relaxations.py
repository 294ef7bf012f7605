"""
Soft ranks of four kinds
========================

The ranks of projections beside those that Blondel et al. (2020) compare them with.
Ranks by entropic optimal transport (Cuturi et al. 2019) are in ``sksoftrank.sinkhorn``,
sums over all pairs of values in ``sksoftrank.pairwise``. All have a strength called
`epsilon`, but in different units.
"""

import matplotlib.pyplot as plt
import numpy as np

from sksoftrank import soft_rank
from sksoftrank.pairwise import all_pairs_rank
from sksoftrank.sinkhorn import sinkhorn_rank

moving = np.linspace(-1.0, 3.0, 301)
rows = np.column_stack([moving, np.tile([0.0, 1.2, 2.0], (moving.size, 1))])

# %%
# One value moves, the others stay
# --------------------------------
#
# The rank of a value that moves past three others, at 0, 1.2 and 2. Projections are
# exactly hard where values are far apart, and the quadratic one is piecewise linear;
# sums over pairs and optimal transport are smooth everywhere and never quite hard. The
# numbers are `epsilon`, chosen so that the ramps have about the same slope.

ranks = {
    "soft_rank, quadratic, 0.6": soft_rank(rows, 0.6),
    "soft_rank, kl, 1.5": soft_rank(rows, 1.5, regularization="kl"),
    "sinkhorn_rank, 0.02": sinkhorn_rank(rows, 0.02),
    "all_pairs_rank, 0.15": all_pairs_rank(rows, 0.15),
}
figure, axis = plt.subplots(figsize=(8, 4.6), layout="constrained")
axis.plot(moving, soft_rank(rows, 0)[:, 0], "k", linewidth=1, label="hard")
for name, result in ranks.items():
    axis.plot(moving, result[:, 0], linewidth=2, label=name)
axis.set(xlabel="moving value", ylabel="its rank", yticks=[1, 2, 3, 4])
axis.legend()
plt.show()

# %%
# Their Jacobians
# ---------------
#
# How each rank answers to each value, for twelve sorted values: it rises with its own
# and falls with those near by. The Jacobian of a projection is made of blocks; those of
# the others are dense, and cost O(n^2).

values = np.sort(np.random.default_rng(3).normal(size=12))
jacobians = {
    "soft_rank, quadratic": soft_rank(values, 0.2, return_jacobian=True)[1],
    "sinkhorn_rank": sinkhorn_rank(values, 0.005, return_jacobian=True)[1],
    "all_pairs_rank": all_pairs_rank(values, 0.15, return_jacobian=True)[1],
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
for axis, (name, jacobian) in zip(axes, jacobians.items(), strict=True):
    matrix = jacobian.toarray()
    image = axis.imshow(matrix / abs(matrix).max(), cmap="RdBu_r", vmin=-1, vmax=1)
    axis.set(title=name, xlabel="value", ylabel="rank", xticks=[], yticks=[])
figure.colorbar(image, ax=axes, shrink=0.8, label="entry / largest entry")
plt.show()
