"""
How many wrong rows each regression withstands
==============================================

A growing part of the rows follows another law: either their targets are off ("vertical
outliers"), or they also lie far out in the features ("bad leverage points"). Huber's
loss bounds what a large residual can do, and is fine with a few wrong targets; a few
bad leverage points carry it away. `SoftLTSRegressor` keeps to the rows that agree.

Run it from the root of the project::

    python examples/plot_robust_comparison.py [--output FILE] [--repetitions N]
"""

import argparse
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import HuberRegressor, LinearRegression, RANSACRegressor

from sksoftrank import SoftLTSRegressor
from sksoftrank.datasets import make_contaminated_regression

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)
KINDS = {"leverage": "bad leverage points", "vertical": "vertical outliers"}
COLORS = {"least squares": "C1", "Huber": "C4", "RANSAC": "C2", "soft LTS": "C0"}


def make_models(seed):
    """The contestants."""
    return {
        "least squares": LinearRegression(),
        "Huber": HuberRegressor(max_iter=1000),
        "RANSAC": RANSACRegressor(random_state=seed),
        "soft LTS": SoftLTSRegressor(random_state=seed),
    }


def error(model, coef):
    """Distance of coefficients and intercept from the truth, the latter being 0."""
    fitted = getattr(model, "estimator_", model)
    return np.hypot(np.linalg.norm(fitted.coef_ - coef), fitted.intercept_)


def errors_of(kind, share, repetitions):
    """Median error of each model, in units of least squares on the good rows alone."""
    ratios = []
    for seed in range(repetitions):
        X, y, coef, wrong = make_contaminated_regression(
            500, 5, kind=kind, contamination=share, distance=10.0, random_state=seed
        )
        unit = error(LinearRegression().fit(X[~wrong], y[~wrong]), coef)
        models = make_models(seed).values()
        ratios.append([error(model.fit(X, y), coef) / unit for model in models])
    return np.median(ratios, axis=0)


# %%
# The error of the coefficients is measured in units of that of least squares on the
# good rows alone, which nobody can have: 1 is as good as if the wrong rows were known.

parser = argparse.ArgumentParser(description="Errors of robust regressions.")
parser.add_argument("--output", help="file of the figure; without it none is written")
parser.add_argument("--repetitions", type=int, default=5, help="data sets a point")
options = parser.parse_args()
warnings.simplefilter("ignore", ConvergenceWarning)  # Huber, carried away
# True where nearly half of the rows follow another law, and told to users of one fit.
warnings.filterwarnings("ignore", ".* has another minimum")

figure, axes = plt.subplots(
    1, 2, figsize=(8, 3.4), sharex=True, sharey=True, layout="constrained"
)
for axis, (kind, title) in zip(axes, KINDS.items(), strict=True):
    table = np.array([errors_of(kind, s, options.repetitions) for s in SHARES])
    print(f"{title}: error / that of least squares on the good rows")
    print(f"{'':<14}" + "".join(f"{share:>8.0%}" for share in SHARES))
    for (name, color), curve in zip(COLORS.items(), table.T, strict=True):
        print(f"{name:<14}" + "".join(f"{value:8.1f}" for value in curve))
        axis.plot(np.multiply(SHARES, 100), curve, "o-", ms=4, color=color, label=name)
    print()
    axis.set(title=title, xlabel="wrong rows, %", yscale="log")
    axis.set_yticks([1, 3, 10, 30], ["1", "3", "10", "30"])
    axis.minorticks_off()
    axis.grid(axis="y", color="0.9")
axes[0].set_ylabel("error (1: wrong rows known)")
axes[0].legend(fontsize=8, loc="center")
if options.output:
    figure.savefig(options.output, dpi=150)
plt.show()
