"""
Choosing the k largest, softly
==============================

`soft_topk` gives each value its part, from 0 to 1, in a choice of the k largest; the
parts sum to k. Quantiles and trimmed means are made of such choices, and one of them
takes no sort.
"""

import matplotlib.pyplot as plt
import numpy as np

from sksoftrank import soft_quantile, soft_topk

values = np.sort(np.random.default_rng(0).normal(size=20))

# %%
# Parts over epsilon
# ------------------
#
# Each row of the picture is a choice of the five largest of twenty values. With the
# quadratic regularization parts are exactly 0 and 1 away from the boundary; with the
# entropic one they follow a logistic function.

epsilons = np.logspace(-1.5, 1.5, 60)
figure, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained", sharey=True)
for axis, regularization in zip(axes, ("quadratic", "entropic"), strict=True):
    parts = [soft_topk(values, 5, e, regularization=regularization) for e in epsilons]
    image = axis.pcolormesh(np.arange(20), epsilons, parts, cmap="viridis")
    axis.set(yscale="log", title=regularization, xlabel="place of the value")
    axis.set_xticks(np.arange(0, 20, 3), np.arange(1, 21, 3))
axes[0].set_ylabel("epsilon")
figure.colorbar(image, ax=axes, label="part")
plt.show()

# %%
# Which values move a quantile?
# -----------------------------
#
# The derivative of a hard quantile sees one or two values. That of a soft one is spread
# over those within about `epsilon`, and sums to one: an average with a window that
# finds its own place.

figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
for epsilon in (0.0, 0.5, 2.0, 8.0):
    quantile, jacobian = soft_quantile(values, 0.75, epsilon, return_jacobian=True)
    axis.plot(values, jacobian.vjp(1.0), "o-", label=f"{epsilon:g}", markersize=4)
axis.set(xlabel="value", ylabel="derivative of the 0.75 quantile", ylim=(-0.02, 0.8))
axis.legend(title="epsilon")
plt.show()

# %%
# The hard quantile lies between two values, which have the derivatives 3/4 and 1/4
# here. For large `epsilon` all values have the same influence, and the quantile is the
# mean:

print(f"{soft_quantile(values, 0.75, 1e6):.3f} {values.mean():.3f}")
