"""
The permutahedron
=================

Soft ranks and sorts are projections on a permutahedron, the convex hull of all
permutations of a vector w. For three values it is a hexagon in a plane, and can be
drawn, as in Blondel et al. (2020).
"""

# sphinx_gallery_thumbnail_number = 2

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
    axis.set_aspect("equal")
    axis.axis("off")


# %%
# The path of a soft rank
# -----------------------
#
# The ranks of theta are the vertex of P(3, 2, 1) that is closest in direction to theta.
# Dividing theta by a small `epsilon` sends it far out, and its projection is that
# vertex. As `epsilon` grows, theta / epsilon moves towards the origin along a ray; its
# projection follows along an edge, then through the inside, to the centre, where all
# ranks are 2. Here are the paths of three vectors.

thetas = np.array([[0.3, 0.9, 2.0], [0.5, 2.2, 0.9], [2.4, 0.2, 1.0]])
epsilons = np.logspace(-1, 2, 300)
marked = np.array([0.5, 1.0, 2.0, 4.0])


def project_path(theta, epsilons, regularization):
    ranks = [soft_rank(theta, e, regularization=regularization) for e in epsilons]
    return plane @ np.transpose(ranks)


figure, axis = plt.subplots(figsize=(7, 5.4), layout="constrained")
draw_hexagon(axis)
for vertex in vertices:
    x, y = 1.06 * plane @ vertex
    side = "center" if abs(y) > 0.1 else "left" if x > 0 else "right"
    height = "center" if abs(y) < 0.1 else "bottom" if y > 0 else "top"
    axis.text(x, y, "({:g}, {:g}, {:g})".format(*vertex), ha=side, va=height)
for regularization, color in (("kl", "C2"), ("entropic", "C1"), ("quadratic", "C0")):
    for theta in thetas:
        path = project_path(theta, epsilons, regularization)
        points = project_path(theta, marked, regularization)
        axis.plot(*path, color=color, linewidth=2, label=regularization)
        axis.scatter(*points, color=color, s=25, zorder=3)
for epsilon, point in zip(marked, points.T, strict=True):
    axis.annotate(f"{epsilon:g}", point, (0, 8), textcoords="offset points")
axis.plot(0, 0, "k+", markersize=10)
handles, names = axis.get_legend_handles_labels()
by_name = dict(zip(names, handles, strict=True))
figure.legend(
    by_name.values(), by_name.keys(), title="dots: epsilon", loc="outside right upper"
)
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
axis.set_title("to a vertex (red), to an edge (blue), inside (green)", fontsize=10)
plt.show()
