"""
The permutahedron
=================

Soft ranks and sorts are projections on a permutahedron, the convex hull of all
permutations of a vector w. For three values it is a hexagon in a plane, and can be
drawn, as in Blondel et al. (2020).
"""

from itertools import permutations

import matplotlib.pyplot as plt
import numpy as np

from sksoftrank import project_permutahedron, soft_rank

rho = np.array([3.0, 2.0, 1.0])
# Orthonormal coordinates of the plane of constant sum, in which the hexagon lies.
plane = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]) / np.sqrt([[2.0], [6.0]])
vertices = np.array(list(permutations(rho)))


def draw_hexagon(axis):
    corners = vertices @ plane.T
    around = np.argsort(np.arctan2(corners[:, 1], corners[:, 0]))
    axis.fill(*corners[around].T, color="0.93", zorder=0)
    axis.plot(*corners[np.append(around, around[0])].T, color="0.6", zorder=1)
    axis.set(aspect="equal", xlim=(-2.1, 2.1), ylim=(-2.1, 2.1))
    axis.axis("off")


def name_vertices(axis):
    for vertex in vertices:
        name = "({:g}, {:g}, {:g})".format(*vertex)
        place = 1.25 * plane @ vertex
        axis.annotate(name, place, ha="center", va="center", fontsize=8)


# %%
# The path of a soft rank
# -----------------------
#
# The ranks of theta are the vertex of P(3, 2, 1) that is closest in direction to theta.
# Dividing theta by a small `epsilon` sends it far out, and its projection is that
# vertex. As `epsilon` grows, theta / epsilon moves towards the origin along a ray; its
# projection follows along an edge, then through the inside, to the centre, where all
# ranks are 2.

theta = np.array([0.3, 0.9, 2.0])
epsilons = np.logspace(-1, 1.5, 300)

figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
for axis, regularization in zip(axes, ("quadratic", "entropic", "kl"), strict=True):
    draw_hexagon(axis)
    name_vertices(axis)
    path = [soft_rank(theta, e, regularization=regularization) for e in epsilons]
    points = np.array(path) @ plane.T
    dots = axis.scatter(*points.T, c=np.log10(epsilons), s=14, cmap="viridis", zorder=2)
    axis.set_title(regularization)
figure.colorbar(dots, ax=axes, label="log10 of epsilon", shrink=0.8)
plt.show()

# %%
# The logarithm of a Kullback-Leibler projection, "entropic", does not keep the sum of
# the ranks: its path leaves the plane of the hexagon, and only its shadow in that plane
# is drawn.

# %%
# What is projected where
# -----------------------
#
# Points outside of the hexagon go to its boundary: those in a cone beyond a vertex to
# the vertex, where results are hard and the derivative is zero; those beyond an edge to
# the edge, where two values share a block. Points inside stay where they are.

grid = np.linspace(-4.0, 4.0, 17)
flat = np.array([(a, b) for a in grid for b in grid])
points = flat @ plane + rho.mean()
projected, jacobian = project_permutahedron(points, rho, return_jacobian=True)
targets = projected @ plane.T
# The number of directions of the plane in which the projection moves: 0, 1 or 2.
directions = np.broadcast_to(plane[:, None], (2, *points.shape))
speeds = [np.linalg.norm(jacobian.jvp(direction), axis=1) for direction in directions]
moves = np.linalg.norm(projected - points, axis=1) > 1e-9
is_fixed = moves & (np.hypot(*speeds) < 1e-9)
colors = np.where(is_fixed, "C3", np.where(moves, "C0", "C2"))

figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
draw_hexagon(axis)
for start, end, color in zip(flat, targets, colors, strict=True):
    axis.plot(*np.transpose([start, end]), color=color, linewidth=0.6)
axis.scatter(*flat.T, c=colors, s=8, zorder=2)
axis.set(xlim=(-4.2, 4.2), ylim=(-4.2, 4.2))
axis.set_title("to a vertex (red), to an edge (blue), inside (green)", fontsize=10)
plt.show()
