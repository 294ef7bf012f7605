"""
The path over epsilon
=====================

Soft least trimmed squares leads from hard trimming (`epsilon` = 0) to least squares
(large `epsilon`). On the way it first gains precision, then lets outliers in.
`soft_lts_path` fits a whole grid from one start, and `SoftLTSRegressorCV` chooses on
it.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np

from sksoftrank import EpsilonPathDisplay, SoftLTSRegressorCV, soft_lts_path
from sksoftrank.datasets import make_contaminated_regression

# %%
# Coefficients and scores
# -----------------------
#
# Three of ten rows are shifted in y by eight standard deviations of the noise. Folds of
# the cross-validation hold outliers too, so the score, minus the mean squared error,
# counts all errors alike that are larger than three times the scale of a first fit.

X, y, coef, outliers = make_contaminated_regression(
    300, 5, contamination=0.3, distance=8.0, random_state=0
)
model = SoftLTSRegressorCV(epsilons=np.logspace(-1, 4, 16), random_state=0).fit(X, y)
print(f"chosen: epsilon = {model.epsilon_:.3g}")
display = EpsilonPathDisplay.from_estimator(model)
display.figure_.set_size_inches(7, 5)
for value, line in zip(coef, display.lines_, strict=True):
    display.ax_.axhline(value, color=line.get_color(), linestyle=":", linewidth=0.8)
plt.show()

# %%
# Dotted lines are the true coefficients.

# %%
# Errors on many samples
# ----------------------
#
# The mean error of the coefficients over ten samples, with and without outliers.
# Without any, least squares is best and hard trimming wastes half of the rows; with
# outliers a valley lies between.

epsilons = np.logspace(-1.5, 4, 17)
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for contamination in (0.0, 0.2, 0.4):
    errors = []
    for seed in range(10):
        X, y, coef, _ = make_contaminated_regression(
            200, 5, contamination=contamination, distance=8.0, random_state=seed
        )
        path = soft_lts_path(X, y, epsilons=epsilons, random_state=0)
        errors.append(np.linalg.norm(path.coefs - coef, axis=1))
    label = f"{contamination:.0%} of outliers"
    axis.loglog(epsilons, np.mean(errors, axis=0), "o-", markersize=4, label=label)
axis.axvline(12.0, color="0.5", linestyle=":", label="default")
axis.set(xlabel="epsilon", ylabel="mean error of the coefficients")
axis.set_yticks([0.2, 0.5, 1.0], ["0.2", "0.5", "1"])
axis.minorticks_off()
axis.legend()
plt.show()
