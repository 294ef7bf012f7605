"""
Soft quantile transformation
============================

`QuantileTransformer` of scikit-learn maps a feature to its ranks, so that any
distribution becomes uniform or normal. It follows every gap of the sample, and pulls
apart values that are almost equal. `SoftRankTransformer` uses soft ranks: no two values
are pulled apart faster than `epsilon` allows.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import QuantileTransformer

from sksoftrank import SoftQuantileNormalizer, SoftRankTransformer

rng = np.random.default_rng(0)

# %%
# One feature
# -----------
#
# Eighty values: some around 0, many almost the same value at 3, and a long tail.

sample = np.concatenate(
    [rng.normal(size=30), 3.0 + 0.01 * rng.normal(size=40), 4 + rng.pareto(1.5, 10)]
)[:, None]
x = np.linspace(-2.5, 9.0, 1000)[:, None]

figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
hard = QuantileTransformer(n_quantiles=80).fit(sample)
axis.plot(x, hard.transform(x), "k", linewidth=0.8, label="QuantileTransformer")
for epsilon in (0.3, 1.0, 3.0):
    soft = SoftRankTransformer(epsilon=epsilon).fit(sample)
    axis.plot(x, soft.transform(x), label=f"soft, epsilon = {epsilon:g}")
axis.plot(sample, np.full(sample.shape, -0.03), "|", color="0.4")
axis.set(xlabel="feature", ylabel="transformed", xlim=(-2.5, 9.0))
axis.legend()
plt.show()

# %%
# The slope is at most 1 / (`epsilon` times the interquartile range): the group at 3 is
# not torn apart.

# %%
# One distribution for all features
# ---------------------------------
#
# `SoftQuantileNormalizer` gives all features the same distribution: their mean
# quantile function, as in the normalisation of gene expression arrays.

arrays = np.column_stack(
    [np.exp(rng.normal(size=500)), rng.gamma(3.0, size=500), rng.uniform(0, 4, 500)]
)
normalized = SoftQuantileNormalizer(epsilon=0.1).fit_transform(arrays)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
for axis, data, title in zip(
    axes, (arrays, normalized), ("before", "after"), strict=True
):
    axis.boxplot(data, showfliers=False)
    axis.set(title=title, xlabel="feature")
plt.show()
