"""Top-k accuracy of SoftTopKClassifier on four sets, after Blondel et al. (2020).

    python benchmarks/topk.py --data DIR [--cache FILE] [--sets a,b] [--out MD]
    python benchmarks/topk.py --data DIR --speed [--out MD]

DIR holds the folder ``classification``; digits ships with scikit-learn. With --cache
finished parts are kept in FILE, and a second run goes on where the first one stopped.
--sets limits the sets, for a try. --speed compares the CPU time of fits with that of
LogisticRegression, and replaces the last section of the page.
"""

import argparse
import json
import time
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, top_k_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    StratifiedShuffleSplit,
)
from sklearn.preprocessing import StandardScaler

from sksoftrank.classification import SoftTopKClassifier

SETS = ["digits", "letter", "pendigits", "vowel"]
NOT_FEATURES = {"y", "train", "speaker", "sex"}
KS = [1, 5]
N_SPLITS = 5
TEST_SIZE = 0.3

# Ties go to the first entry, so the default comes first.
CROSS_ENTROPY = {"C": [1.0, 10.0, 100.0, 0.1, 0.01]}
SOFT = {"alpha": [1e-3, 1e-4, 1e-5, 3e-3], "epsilon": [0.3, 0.1, 1.0]}
SOFT_LARGE = {"alpha": [1e-3, 1e-4, 1e-5], "epsilon": [0.3, 1.0]}
LARGE = 3000  # training rows from which on the search is a cheaper one
SEARCH_ROWS = 8000

# The operators that compare all pairs, and all others beside them, on fewer rows.
FEW_ROWS = 500
SOFT_FEW = {"alpha": [1e-3, 1e-4], "epsilon": [0.3, 1.0]}
SINKHORN_FEW = {"alpha": [1e-3], "epsilon": [1e-3, 1e-2]}
SINKHORN_MAX_ITER = 50

# Speed: classes of Gaussian data, rows, and values of k.
SPEED_CLASSES = {5: 4000, 20: 4000, 50: 4000, 200: 4000, 1000: 10000}
SPEED_REPEATS = 3
SPEED_HEADING = "## Speed"

METHODS = {
    "all": ["cross-entropy", "quadratic", "entropic", "kl"],
    "few": ["cross-entropy", "quadratic", "entropic", "kl", "all_pairs", "sinkhorn"],
}


def load(data_dir, name):
    """Features and classes."""
    if name == "digits":
        return load_digits(return_X_y=True)
    path = data_dir / "classification" / f"{name}.csv"
    table = np.loadtxt(path, delimiter=",", skiprows=1, dtype=str)
    header = np.loadtxt(path, delimiter=",", max_rows=1, dtype=str)
    features = [i for i, column in enumerate(header) if column not in NOT_FEATURES]
    y = table[:, np.flatnonzero(header == "y")[0]]
    return table[:, features].astype(float), y


def candidates(method, k, rows, n_rows):
    """An estimator and the grid of its parameters."""
    if method == "cross-entropy":
        return LogisticRegression(max_iter=1000), CROSS_ENTROPY
    model = SoftTopKClassifier(k=k, operator=method)
    if method == "sinkhorn":
        return model.set_params(max_iter=SINKHORN_MAX_ITER), SINKHORN_FEW
    if rows == "few":
        return model, SOFT_FEW
    return model, SOFT_LARGE if n_rows > LARGE else SOFT


def search(model, grid, X, y, k, rows):
    """The model with the parameters that a search on the training rows finds."""
    if rows == "few":
        cv = StratifiedShuffleSplit(1, test_size=0.3, random_state=0)
    elif len(X) > LARGE:
        X, y = X[:SEARCH_ROWS], y[:SEARCH_ROWS]  # in random order
        cv = StratifiedShuffleSplit(1, test_size=0.5, random_state=0)
    else:
        cv = StratifiedKFold(5, shuffle=True, random_state=0)
    scoring = make_scorer(
        top_k_accuracy_score, k=k, response_method="decision_function"
    )
    found = GridSearchCV(model, grid, scoring=scoring, cv=cv, refit=False).fit(X, y)
    return model.set_params(**found.best_params_)


def run_part(data_dir, name, method, k, rows):
    """Top-k accuracies on the test rows, and CPU seconds of the last fits."""
    X, y = load(data_dir, name)
    splits = StratifiedShuffleSplit(N_SPLITS, test_size=TEST_SIZE, random_state=0)
    scores, seconds = [], []
    for train, test in splits.split(X, y):
        if rows == "few":
            train = train[:FEW_ROWS]
        scaler = StandardScaler().fit(X[train])
        X_train, X_test = scaler.transform(X[train]), scaler.transform(X[test])
        model, grid = candidates(method, k, rows, len(train))
        model = search(model, grid, X_train, y[train], k, rows)
        start = time.process_time()
        model.fit(X_train, y[train])
        seconds.append(time.process_time() - start)
        found = model.decision_function(X_test)
        scores.append(float(top_k_accuracy_score(y[test], found, k=k)))
    return {"scores": scores, "seconds": seconds}


def run(data_dir, names, cache):
    """Results by key, each with the CPU time it took."""
    results = json.loads(cache.read_text()) if cache and cache.exists() else {}
    keys = [
        f"{rows}/{name}/{method}/{k}"
        for rows, methods in METHODS.items()
        for name in names
        for method in methods
        for k in KS
    ]
    for key in keys:
        if key in results:
            continue
        rows, name, method, k = key.split("/")
        start = time.process_time()
        with catch_warnings():  # the iterations of "sinkhorn" are limited
            simplefilter("ignore", ConvergenceWarning)
            results[key] = run_part(data_dir, name, method, int(k), rows)
        results[key]["cpu"] = time.process_time() - start
        print(
            f"{key}: {np.mean(results[key]['scores']):.4f} {results[key]['cpu']:.1f} s",
            flush=True,
        )
        if cache:
            cache.write_text(json.dumps(results))
    return {key: results[key] for key in keys}


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def accuracy_table(results, names, rows):
    """Means over the splits; the best of each line is bold."""
    lines = []
    for name in names:
        for k in KS:
            means = [
                np.mean(results[f"{rows}/{name}/{method}/{k}"]["scores"])
                for method in METHODS[rows]
            ]
            best = round(max(means), 4)
            cells = [
                f"**{mean:.4f}**" if round(mean, 4) == best else f"{mean:.4f}"
                for mean in means
            ]
            lines.append([name, k, *cells])
    return table(["set", "k", *METHODS[rows]], lines)


def time_table(results, names, rows):
    lines = [
        [name, k]
        + [
            f"{np.mean(results[f'{rows}/{name}/{method}/{k}']['seconds']):.2f}"
            for method in METHODS[rows]
        ]
        for name in names
        for k in KS
    ]
    return table(["set", "k", *METHODS[rows]], lines)


def listed(grid):
    """The grid in words."""
    return "; ".join(
        f"{name} {', '.join(f'{value:g}' for value in sorted(values))}"
        for name, values in grid.items()
    )


def gains(results, names, method="quadratic"):
    """Differences to cross-entropy in percentage points, and their standard errors."""
    lines = []
    for name in names:
        for k in KS:
            ours, theirs = (
                np.array(results[f"all/{name}/{m}/{k}"]["scores"])
                for m in (method, "cross-entropy")
            )
            gain = 100 * (ours - theirs)
            error = gain.std(ddof=1) / np.sqrt(len(gain))
            lines.append([name, k, f"{gain.mean():+.2f}", f"{error:.2f}"])
    return table(["set", "k", "gain", "standard error"], lines)


def report(results, names):
    """The text of the page."""
    minutes = sum(result["cpu"] for result in results.values()) / 60
    return f"""# Top-k classification

Top-k accuracy on test rows of linear models: multinomial `LogisticRegression`
("cross-entropy") and `SoftTopKClassifier` with several operators, each fitted for the k
of its line. Written by
`python benchmarks/topk.py --data DIR --out docs/benchmarks/topk.md` in {minutes:.0f}
minutes of CPU time. It is the comparison of Blondel et al. (2020), section 6.1, and
Cuturi et al. (2019), with linear models of tables in place of networks of images.

Otherwise you would take `LogisticRegression`: often faster, and as good where a linear
model fits nearly all rows (digits, pendigits). Where it does not (letter, vowel) the
soft ranks gain, on 500 training rows now more and now less.

Means over {N_SPLITS} stratified splits with {TEST_SIZE:.0%} test rows; features are
standardised. Parameters are chosen for top-k accuracy on the training rows only: by
5-fold cross-validation, or for more than {LARGE} training rows on a single split of up
to {SEARCH_ROWS} of them into halves. The grids:

- cross-entropy: {listed(CROSS_ENTROPY)}
- the others: {listed(SOFT)}
- the others, more than {LARGE} training rows: {listed(SOFT_LARGE)}

## All training rows

{accuracy_table(results, names, "all")}
Gain of "quadratic" over cross-entropy, in percentage points, with the standard error of
the mean of the {N_SPLITS} differences (whose test rows overlap):

{gains(results, names)}
CPU seconds of the last fit, one thread:

{time_table(results, names, "all")}
## {FEW_ROWS} training rows

The operators that compare all pairs take too long for more. Parameters are chosen on a
single split of these rows, on smaller grids, for "sinkhorn" with at most
{SINKHORN_MAX_ITER} iterations:

- cross-entropy: {listed(CROSS_ENTROPY)}
- sinkhorn: {listed(SINKHORN_FEW)}
- the others: {listed(SOFT_FEW)}

{accuracy_table(results, names, "few")}
CPU seconds of the last fit, one thread:

{time_table(results, names, "few")}"""


def gaussian_classes(n_classes, n, n_features=20, noise=2.0):
    """Rows around the means of their classes, and as many for the test."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((n_classes, n_features))
    y = rng.integers(n_classes, size=2 * n)
    X = means[y] + noise * rng.standard_normal((2 * n, n_features))
    return X[:n], y[:n], X[n:], y[n:]


def clock(model, X, y):
    """CPU seconds of a fit."""
    start = time.process_time()
    model.fit(X, y)
    return time.process_time() - start


def speed_row(name, data, k, repeats=SPEED_REPEATS):
    """CPU time over that of LogisticRegression, in turns, and held-out accuracies."""
    X, y, X_test, y_test = data
    logistic = LogisticRegression(max_iter=1000)
    models = SoftTopKClassifier(k=k), SoftTopKClassifier(k=k, early_stopping=False)
    seconds = [
        [clock(model, X, y) for model in (logistic, *models)] for _ in range(repeats)
    ]
    base, *ours = np.array(seconds).T
    scores = [
        top_k_accuracy_score(
            y_test, model.decision_function(X_test), k=k, labels=logistic.classes_
        )
        for model in (logistic, *models)
    ]
    return [
        name,
        k,
        f"{np.median(base):.2f}",
        *(f"{np.median(own / base):.1f}" for own in ours),
        *(f"{score:.4f}" for score in scores),
        " / ".join(str(model.n_iter_) for model in models),
    ]


def speed(data_dir):
    """The last section of the page."""
    X, y = load(data_dir, "letter")
    X = StandardScaler().fit_transform(X)
    rows = np.random.default_rng(0).permutation(len(X))
    train, test = rows[:14000], rows[14000:]
    letter = X[train], y[train], X[test], y[test]
    lines = [speed_row("letter, 26 classes", letter, k) for k in KS]
    for n_classes, n in SPEED_CLASSES.items():
        data = gaussian_classes(n_classes, n)
        repeats = 1 if n_classes > 500 else SPEED_REPEATS
        lines.append(speed_row(f"{n_classes} classes", data, 2, repeats))
    extensions = np.show_config(mode="dicts").get("SIMD Extensions", {})
    simd = " ".join(extensions.get("found", []))
    header = ["data", "k", "LogisticRegression, s", "default", "to the minimum"]
    header += ["accuracy: LogisticRegression", "default", "to the minimum"]
    header += ["iterations"]
    return f"""{SPEED_HEADING}

CPU time of `SoftTopKClassifier()` and of `SoftTopKClassifier(early_stopping=False)`,
which goes on to the minimum, over that of `LogisticRegression(max_iter=1000)` on the
same rows, in turns in one process, on one thread; the median of {SPEED_REPEATS}, of
1000 classes one. Top-k accuracies are those of as many other rows (letter: 6000).
Classes are Gaussian, with 20 features and 4000 rows, of 1000 classes 10000. By
`python benchmarks/topk.py --data DIR --speed --out docs/benchmarks/topk.md`, SIMD:
{simd}.

{table(header, lines)}"""


def with_speed(page, section):
    """The page with this as its last section."""
    return page.partition(SPEED_HEADING)[0].rstrip() + "\n\n" + section


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--cache", type=Path, help="file that keeps finished parts")
    parser.add_argument("--sets", help="names, separated by commas")
    parser.add_argument("--speed", action="store_true", help="only CPU time of fits")
    parser.add_argument("--out", type=Path, help="the page to write")
    arguments = parser.parse_args()
    if arguments.speed:
        section = speed(arguments.data)
        print(section)
        if arguments.out:
            page = arguments.out.read_text() if arguments.out.exists() else ""
            arguments.out.write_text(with_speed(page, section))
        return
    names = arguments.sets.split(",") if arguments.sets else SETS
    text = report(run(arguments.data, names, arguments.cache), names)
    if arguments.out:
        old = arguments.out.read_text() if arguments.out.exists() else ""
        _, found, section = old.partition(SPEED_HEADING)
        text = with_speed(text, SPEED_HEADING + section) if found else text
        arguments.out.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
