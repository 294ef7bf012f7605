"""
Robust regression with corrupted training labels
=================================================

A growing part of the training labels is corrupted: Gaussian noise with five times the
spread of the labels is added to them, as in section 6.4 of Blondel et al. (2020). The
test labels stay clean. `SoftLTSRegressor` with its defaults and `SoftLTSRegressorCV`,
which tunes `epsilon` and `trim`, are compared with ridge regression, `HuberRegressor`
and `RANSACRegressor`, all in pipelines with `StandardScaler`.

Run it from the root of the project::

    python examples/plot_robust_regression.py [--data DIR] [--output FILE] [--splits N]

The diabetes data come with scikit-learn. With ``--data DIR`` the script also reads
``DIR/regression/housing.csv`` and ``DIR/regression/cadata.csv`` (features, then a last
column y).
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import HuberRegressor, RANSACRegressor, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksoftrank import SoftLTSRegressor, SoftLTSRegressorCV

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.4)
NOISE = 5.0  # standard deviations of the labels


def make_models(seed):
    """The contestants; all see standardised features."""
    return {
        "Ridge": make_pipeline(StandardScaler(), Ridge()),
        "Huber": make_pipeline(StandardScaler(), HuberRegressor(max_iter=1000)),
        "RANSAC": make_pipeline(StandardScaler(), RANSACRegressor(random_state=seed)),
        "SoftLTS": make_pipeline(StandardScaler(), SoftLTSRegressor(random_state=seed)),
        # It tunes by a score that the corrupted labels of the folds cannot rule. The
        # features are clean, so least squares will do as the start of its many fits.
        "SoftLTS, tuned": make_pipeline(
            StandardScaler(),
            SoftLTSRegressorCV(
                epsilons=[3, 12, 50], trims=[0.25, 0.5], cv=3, init="ls"
            ),
        ),
    }


def corrupt(y, fraction, rng):
    """Add noise to a random part of the labels."""
    y = y.astype(float)
    bad = rng.choice(y.size, size=round(fraction * y.size), replace=False)
    y[bad] += NOISE * y.std() * rng.normal(size=bad.size)
    return y


def compare(X, y, n_splits):
    """Test R2 on clean labels: a dict of (n_splits, n_fractions) arrays by model."""
    scores = {name: np.zeros((n_splits, len(FRACTIONS))) for name in make_models(0)}
    for split in range(n_splits):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.2, random_state=split
        )
        rng = np.random.default_rng(split)
        for column, fraction in enumerate(FRACTIONS):
            y_bad = corrupt(y_train, fraction, rng)
            for name, model in make_models(split).items():
                y_predicted = model.fit(X_train, y_bad).predict(X_test)
                scores[name][split, column] = r2_score(y_test, y_predicted)
    return scores


def load(data_dir, n_splits):
    """The data sets as name: (X, y, number of splits), fewer for a large one."""
    sets = {"diabetes": (*load_diabetes(return_X_y=True), n_splits)}
    if data_dir is not None:
        for name, most in (("housing", n_splits), ("cadata", 3)):
            path = data_dir / "regression" / f"{name}.csv"
            table = np.loadtxt(path, delimiter=",", skiprows=1)
            sets[name] = (table[:, :-1], table[:, -1], min(n_splits, most))
    return sets


def print_table(name, X, scores):
    n_splits = len(next(iter(scores.values())))
    print(f"\n{name} ({X.shape[0]} x {X.shape[1]}): median test R2 on clean labels of")
    print(f"{n_splits} splits, by the part of corrupted training labels")
    print(f"{'':<16}" + "".join(f"{fraction:>8.0%}" for fraction in FRACTIONS))
    for model, values in scores.items():
        medians = np.median(values, axis=0)
        print(f"{model:<16}" + "".join(f"{value:>8.3f}" for value in medians))


def plot(results, path):
    import matplotlib

    matplotlib.use("Agg")  # a file, not a window
    import matplotlib.pyplot as plt

    size = (1 + 4 * len(results), 4)
    figure, axes = plt.subplots(
        1, len(results), figsize=size, squeeze=False, layout="constrained"
    )
    for axis, (name, scores) in zip(axes[0], results.items(), strict=True):
        for model, values in scores.items():
            is_ours = model.startswith("SoftLTS")
            axis.plot(
                [100 * fraction for fraction in FRACTIONS],
                np.median(values, axis=0),
                marker="o" if is_ours else ".",
                linewidth=2.2 if is_ours else 1.2,
                linestyle="--" if model == "SoftLTS" else "-",
                label=model,
            )
        # A fit that lost the signal may score far below zero; that is off the scale.
        best = max(np.median(values, axis=0).max() for values in scores.values())
        axis.set_ylim(min(0.0, best - 0.6), best + 0.05)
        axis.set(title=name, xlabel="corrupted training labels [%]")
    axes[0, 0].set_ylabel("test R2 on clean labels")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"\nFigure: {path}")


def main():
    parser = argparse.ArgumentParser(description="Robust regression, labels corrupted.")
    parser.add_argument("--data", type=Path, help="folder of further data sets")
    parser.add_argument(
        "--output", type=Path, default=Path("robust_regression.png"), help="figure"
    )
    parser.add_argument("--splits", type=int, default=3, help="random splits")
    arguments = parser.parse_args()
    # Huber may stop short of its tolerance on the wildest folds; its fit is kept.
    warnings.simplefilter("ignore", ConvergenceWarning)
    results = {}
    for name, (X, y, n_splits) in load(arguments.data, arguments.splits).items():
        results[name] = compare(X, y, n_splits)
        print_table(name, X, results[name])
    plot(results, arguments.output)


if __name__ == "__main__":
    main()
