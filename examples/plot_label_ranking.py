"""
Label ranking: which measurements of a tumour stand out?
========================================================

The breast cancer data of scikit-learn hold ten measurements of cell nuclei, each as
mean, standard error and worst value over the nuclei of an image. The worst values of an
image are ranked by how far they stand out from those of the other images, and
`SoftSpearmanLabelRanker` learns to predict that ranking of ten labels from the means
and standard errors.

Left: cross-validated rank correlation over `epsilon`, with and without the soft rank.
Right: predicted against true ranks on test rows, for the best parameters found.

Run it from the root of the project::

    python examples/plot_label_ranking.py [--data FILE] [--output FILE]

With ``--data FILE`` another set is read: columns x1, x2, ... of features, then y1, y2,
... of ranks.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import scale

from sksoftrank.label_ranking import DummyLabelRanker, SoftSpearmanLabelRanker

EPSILONS = np.logspace(-2, 1, 7)


def load(path):
    """Features, and ranks of the labels: 1 for the one that stands out most."""
    if path is None:
        data = load_breast_cancer().data
        return data[:, :20], rankdata(-scale(data[:, 20:]), axis=1)
    header = np.loadtxt(path, delimiter=",", max_rows=1, dtype=str)
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    is_label = np.char.startswith(header, "y")
    return table[:, ~is_label], table[:, is_label]


def search(X, y, regularization):
    """A search over epsilon; the penalty on the scores gives it its meaning."""
    ranker = SoftSpearmanLabelRanker(regularization=regularization, alpha=1.0)
    grid = GridSearchCV(ranker, {"epsilon": EPSILONS}, return_train_score=True)
    return grid.fit(X, y)


def rank_table(y_true, y_predicted):
    """How often a label of each true rank gets each predicted rank, as shares."""
    n_labels = y_true.shape[1]
    edges = np.arange(n_labels + 1) + 0.5
    counts, _, _ = np.histogram2d(y_true.ravel(), y_predicted.ravel(), (edges, edges))
    return counts / counts.sum(axis=1, keepdims=True)


def plot(searches, y_test, y_predicted, path):
    import matplotlib

    matplotlib.use("Agg")  # a file, not a window
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for name, grid in searches.items():
        results = grid.cv_results_
        (line,) = left.plot(EPSILONS, results["mean_test_score"], "o-", label=name)
        color = line.get_color()
        left.plot(EPSILONS, results["mean_train_score"], ":", color=color)
    best = max(grid.best_score_ for grid in searches.values())
    left.set(
        xscale="log",
        xlabel="epsilon (alpha = 1)",
        ylabel="mean Spearman correlation",
        title="5-fold cross-validation (dotted: training)",
        ylim=(best - 0.15, best + 0.05),
    )
    left.legend(loc="lower left")
    n_labels = y_test.shape[1]
    image = right.imshow(
        rank_table(y_test, y_predicted),
        origin="lower",
        extent=(0.5, n_labels + 0.5, 0.5, n_labels + 0.5),
        cmap="viridis",
    )
    right.set(xlabel="predicted rank", ylabel="true rank", title="Test rows")
    figure.colorbar(image, label="share of the true rank")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"\nFigure: {path}")


def main():
    parser = argparse.ArgumentParser(description="Label ranking on one data set.")
    parser.add_argument("--data", type=Path, help="CSV file of another set")
    parser.add_argument(
        "--output", type=Path, default=Path("label_ranking.png"), help="figure"
    )
    arguments = parser.parse_args()
    X, y = load(arguments.data)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

    searches = {
        str(regularization): search(X_train, y_train, regularization)
        for regularization in (None, "quadratic", "entropic", "kl")
    }
    print(f"{'':<12}{'epsilon':>9}{'validation':>12}{'test':>8}")
    dummy = DummyLabelRanker().fit(X_train, y_train).score(X_test, y_test)
    print(f"{'Borda':<12}{'':>9}{'':>12}{dummy:>8.3f}")
    for name, grid in searches.items():
        epsilon = grid.best_params_["epsilon"]
        score = grid.score(X_test, y_test)
        print(f"{name:<12}{epsilon:>9.2g}{grid.best_score_:>12.3f}{score:>8.3f}")
    best = max(searches.values(), key=lambda grid: grid.best_score_)
    plot(searches, y_test, best.predict(X_test), arguments.output)


if __name__ == "__main__":
    main()
