"""
Soft sorts and ranks over epsilon
=================================

One number, `epsilon`, leads from hard sorting and ranking to a constant. As in the
figures of Blondel et al. (2020): how the operators move with `epsilon`, and how they
answer when a single value moves.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np

from sksoftrank import epsilon_bounds, soft_rank, soft_sort

values = np.array([0.0, 2.9, 1.2, 0.8])
epsilons = np.logspace(-2, 2, 400)
TEXT = {"ha": "center", "va": "top", "color": "0.4"}

# %%
# From the hard operator to one block
# -----------------------------------
#
# Each line is an entry of the result. Left of the first dotted line of `epsilon_bounds`
# the result is hard: sorted values, or whole ranks. From there on entries join, the
# closest first for ranks, the farthest first for sorts. Right of the second line all
# entries form one block, and only shrink towards their limit.


def draw_path(axis, kind, operator, regularization="quadratic"):
    path = [operator(values, e, regularization=regularization) for e in epsilons]
    axis.semilogx(epsilons, path)
    bounds = epsilon_bounds(values, operator=kind, regularization=regularization)
    for bound in bounds:
        axis.axvline(bound, color="0.5", linestyle=":")
    title = f"soft_{kind}, {regularization}"
    axis.set(title=title, xlabel="epsilon", xlim=(epsilons[0], epsilons[-1]))
    return np.array([epsilons[0], *bounds, epsilons[-1]])


figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for axis, kind, operator in zip(
    axes, ("rank", "sort"), (soft_rank, soft_sort), strict=True
):
    edges = draw_path(axis, kind, operator)
    axis.margins(y=0.16)
    for middle, name in zip(
        np.sqrt(edges[:-1] * edges[1:]), ("hard", "joining", "one block"), strict=True
    ):
        axis.text(middle, 0.98, name, transform=axis.get_xaxis_transform(), **TEXT)
for line, value in zip(axes[0].lines, values, strict=False):
    text = f"rank of {value:g}"
    axes[0].text(0.012, line.get_ydata()[0] + 0.05, text, color=line.get_color())
plt.show()

# %%
# A single value moves
# --------------------
#
# The others stay at 0, 1.2 and 2. A hard rank is a staircase: its derivative is zero
# wherever it exists, so it cannot train anything. A soft rank has slopes where values
# come close to one another, the wider the larger `epsilon`. The hard sort is continuous
# already, and has kinks; the soft sort lets the moving value pull on its neighbours.

moving = np.linspace(-1.0, 3.0, 401)
rows = np.column_stack([moving, np.tile([0.0, 1.2, 2.0], (moving.size, 1))])

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for regularization in ("quadratic", "entropic", "kl"):
    ranks = soft_rank(rows, 0.5, regularization=regularization)
    left.plot(moving, ranks[:, 0], label=regularization)
left.plot(moving, soft_rank(rows, 0)[:, 0], "k", linewidth=0.8, label="hard")
left.set(title="rank of the moving value, epsilon = 0.5", xlabel="moving value")
left.legend()
for regularization in ("quadratic", "entropic"):
    result = soft_sort(rows, 1.5, regularization=regularization)
    right.plot(moving, result[:, 2], label=regularization)
right.plot(moving, soft_sort(rows, 0)[:, 2], "k", linewidth=0.8, label="hard")
right.set(title="third smallest value, epsilon = 1.5", xlabel="moving value")
right.legend()
plt.show()

# %%
# Other regularizations
# ---------------------
#
# "entropic" and "kl" pool as the quadratic one does, but by means of exponentials: what
# has joined bends where the quadratic paths are straight in one over `epsilon`, and the
# limit of an entropic sort is not the mean but the logarithm of a mean of exponentials.

panels = [
    ("rank", soft_rank, "entropic"),
    ("rank", soft_rank, "kl"),
    ("sort", soft_sort, "entropic"),
]
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
for axis, (kind, operator, regularization) in zip(axes, panels, strict=True):
    draw_path(axis, kind, operator, regularization)
plt.show()
