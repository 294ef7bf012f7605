"""Sections of `benchmarks/robust.py`: choice of epsilon, LQS, intervals, minima."""

import gzip
import json
import warnings
from itertools import product

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, train_test_split

from sksoftrank import SoftLQSRegressor, SoftLTSRegressor
from sksoftrank.datasets import make_contaminated_regression


def squared_error(model):
    """Of coefficients that are all 1 and an intercept of 0."""
    return ((model.coef_ - 1) ** 2).sum() + model.intercept_**2


# --- epsilon="auto" ----------------------------------------------------------------

AUTO_DESIGNS = [
    # kind, n, p, share of outliers, distance in y
    ("clean", 40, 3, 0, 0),
    ("clean", 100, 5, 0, 0),
    ("clean", 200, 20, 0, 0),
    ("t3 errors", 200, 5, 0, 0),
    ("one-sided", 500, 10, 0.2, 3),
    ("one-sided", 500, 10, 0.2, 4),
    ("one-sided", 500, 10, 0.3, 4),
    ("one-sided", 500, 10, 0.4, 6),
    ("one-sided", 500, 10, 0.2, 10),
    ("one-sided", 100, 5, 0.2, 4),
    ("both sides", 500, 10, 0.3, 4),
]
AUTO_MODELS = {"epsilon 3": 3.0, "epsilon 12": 12.0, '"auto"': "auto"}


def draw(kind, n, p, share, distance, rng):
    """Features, targets with coefficients of 1, and which targets are shifted."""
    X = rng.normal(size=(n, p))
    error = rng.standard_t(3, n) if kind == "t3 errors" else rng.normal(size=n)
    bad = np.arange(n) < round(share * n)
    sign = rng.choice([-1, 1], n) if kind == "both sides" else 1
    return X, X.sum(axis=1) + error + distance * bad * sign, bad


def auto_section(table, quick, data=None, tables=None):
    """Errors of the automatic choice, and of two fixed values."""
    n_seeds = 5 if quick else 40
    rows = []
    for design in AUTO_DESIGNS:
        errors = {name: [] for name in AUTO_MODELS}
        least, chosen = [], []
        for seed in range(n_seeds):
            rng = np.random.default_rng([seed, 20261129, design[1], design[2]])
            X, y, bad = draw(*design, rng)
            A = np.column_stack([np.ones(len(y)), X])[~bad]
            coef = np.linalg.lstsq(A, y[~bad], rcond=None)[0]
            least.append(((coef - np.append(0, np.ones(X.shape[1]))) ** 2).sum())
            for name, epsilon in AUTO_MODELS.items():
                model = SoftLTSRegressor(epsilon=epsilon, random_state=0).fit(X, y)
                errors[name].append(squared_error(model))
            chosen.append(model.epsilon_)
        ratios = [ratio(error, least) for error in errors.values()]
        kind, n, p, share, distance = design
        label = f"{kind}, n = {n}, p = {p}"
        if share:
            label += f", {share:.0%} at {distance:g}"
        rows.append([label, *ratios, f"{np.median(chosen):g}"])
        print(rows[-1], flush=True)
    text = (
        "Root mean square error of coefficients and intercept as a multiple of that of "
        f"least squares on the clean rows, with its standard error ({n_seeds} data "
        "sets), and the median of the epsilons that are chosen.\n\n"
    ) + table(["design", *AUTO_MODELS, "chosen"], rows)
    if data is not None:
        text += "\n" + label_table(table, data, quick)
    if tables is not None:
        text += "\n" + tables_paragraph(tables, quick)
    return text


def ratio(error, unit):
    """Root of the ratio of the means, with its standard error."""
    error, unit = np.array(error), np.array(unit)
    value = error.mean() / unit.mean()
    spread = (error - value * unit).std() / unit.mean() / np.sqrt(len(unit))
    return f"{np.sqrt(value):.2f} ± {spread / (2 * np.sqrt(value)):.2f}"


def label_table(table, data, quick):
    """Test R2 on real data with wrong labels on both sides or on one."""
    n_splits = 2 if quick else 10
    rows = []
    names = ("housing", "bodyfat", "mpg", "space_ga", "cpusmall")
    for name, (sides, share) in product(
        names, (("both", 0), ("both", 0.2), ("one", 0.2), ("one", 0.4))
    ):
        values = np.loadtxt(
            data / "regression" / f"{name}.csv", delimiter=",", skiprows=1
        )
        first = int(name == "bodyfat")
        X, y = values[:, first:-1], values[:, -1]
        scores = []
        for split in range(n_splits):
            rng = np.random.default_rng([split, 99])
            X_train, X_test, y_train, y_test = train_test_split(
                X, y, test_size=0.2, random_state=1000 + split
            )
            bad = rng.permutation(len(y_train))[: round(share * len(y_train))]
            shift = 5 * y_train.std() * rng.standard_normal(bad.size)
            y_train[bad] += np.abs(shift) if sides == "one" else shift
            models = [
                SoftLTSRegressor(epsilon=epsilon, random_state=split)
                for epsilon in (12.0, "auto")
            ]
            scores.append(
                [
                    r2_score(y_test, model.fit(X_train, y_train).predict(X_test))
                    for model in models
                ]
            )
        median = np.median(scores, axis=0)
        label = f"{share:.0%}" + (f" on {sides} side" if share else "")
        rows.append([name, label.replace("both side", "both sides")])
        rows[-1] += [f"{value:.3f}" for value in median]
        print(rows[-1], flush=True)
    text = f"Median test R2 of {n_splits} splits, with wrong training labels.\n\n"
    return text + table(["data", "wrong labels", "epsilon 12", '"auto"'], rows)


def tables_paragraph(path, quick):
    """Capped errors on test folds of many real tables."""
    ratios = []
    for record in json.loads(gzip.decompress(path.read_bytes())):
        y = np.array(record["y"], dtype=float)
        X = np.array(record["X"], dtype=float).reshape(y.size, -1)
        cap = 3 * SoftLTSRegressor(random_state=0).fit(X, y).start_scale_
        if y.size < 40 or cap == 0 or (quick and len(ratios) == 10):
            continue
        loss = np.zeros(2)
        for train, test in KFold(5, shuffle=True, random_state=0).split(X):
            for i, epsilon in enumerate((12.0, "auto")):
                model = SoftLTSRegressor(epsilon=epsilon, random_state=0)
                error = np.abs(y[test] - model.fit(X[train], y[train]).predict(X[test]))
                loss[i] += (np.minimum(error, cap) ** 2).sum()
        ratios.append(loss[1] / loss[0])
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    return (
        f"On {len(ratios)} tables of R packages of at least 40 rows the mean squared "
        f'error on test folds, capped at three scales, of "auto" is '
        f"{np.exp(np.mean(np.log(ratios))):.3f} times that of 12 in the geometric mean "
        f"(10 % of the tables below {low:.2f}, median {middle:.2f}, 10 % above "
        f"{high:.2f}).\n"
    )


# --- second minima -----------------------------------------------------------------

MINIMA_DESIGNS = [
    # kind, n, p, share of outliers, their distance
    ("clean", 100, 5, 0, 0),
    ("one-sided", 200, 5, 0.3, 6),
    ("leverage", 60, 2, 0.2, 10),
    ("leverage", 200, 5, 0.3, 10),
    ("cluster", 200, 5, 0.1, 5),
    ("cluster", 200, 5, 0.2, 4),
    ("cluster", 200, 5, 0.25, 4),
    ("cluster", 200, 5, 0.3, 3),
    ("cluster", 60, 2, 0.3, 5),
    ("cluster", 200, 5, 0.4, 5),
    ("cluster", 5000, 5, 0.3, 5),
]


def draw_cluster(kind, n, p, share, distance, rng):
    """Outliers beside the others in X, in a tight cluster or as scattered as they."""
    X, y, bad = draw(kind, n, p, share, distance, rng)
    if kind in ("leverage", "cluster"):
        spread = 0.1 if kind == "cluster" else 1.0
        X[bad] *= spread
        X[bad, 0] += distance
        y = X.sum(axis=1) + rng.normal(size=n) * np.where(bad, spread, 1.0)
        y[bad] -= 2 * distance
    return X, y, bad


def minima_section(table, quick):
    """How often fits follow a cluster, and whether `other_minimum_` tells."""
    n_seeds = 5 if quick else 40
    rows = []
    for kind, n, p, share, distance in MINIMA_DESIGNS:
        wrong, warned, mended = [], [], []
        for seed in range(n_seeds):
            rng = np.random.default_rng([seed, 20261129, n, p])
            X, y, bad = draw_cluster(kind, n, p, share, distance, rng)
            with warnings.catch_warnings(record=True) as record:
                warnings.simplefilter("always")
                model = SoftLTSRegressor(random_state=0).fit(X, y)
            wrong.append(model.support_[bad].mean() > 0.5 if share else False)
            warned.append(any("another minimum" in str(w.message) for w in record))
            other = model.other_minimum_
            if wrong[-1]:
                is_right = other is not None and np.abs(other.coef - 1).max() < 0.5
                mended.append(is_right)
        wrong, warned = np.array(wrong), np.array(warned)
        label = f"{kind}, n = {n}, p = {p}"
        if share:
            label += f", {share:.0%} at {distance:g}"
        counts = warned[wrong].sum(), sum(mended), warned[~wrong].sum()
        rows.append([label, wrong.sum(), *counts, n_seeds])
        print(rows[-1], flush=True)
    header = ["design", "follow", "warn of it", "have the other", "false alarms", "of"]
    return (
        "Fits that keep most of the outliers; of these, how many warn of another "
        "minimum, and in how many `other_minimum_` is the fit of the other rows; and "
        "how many of the right fits warn. Clusters have a tenth of the spread of the "
        "other rows.\n\n"
    ) + table(header, rows)


# --- LQS ---------------------------------------------------------------------------

LQS_DESIGNS = {
    "Gaussian errors": ("vertical", 0.0, 10),
    "20 % at 5 scales in y": ("vertical", 0.2, 5),
    "20 % at 10": ("vertical", 0.2, 10),
    "20 % at 1000": ("vertical", 0.2, 1000),
    "40 % at 10": ("vertical", 0.4, 10),
    "20 % bad leverage points": ("leverage", 0.2, 10),
}
LQS_EPSILONS = (0, 1, 3, 4, 6, 8, 12)


def lqs_section(table, quick):
    """Errors of SoftLQSRegressor over epsilon."""
    rows = []
    for label, (kind, share, distance) in LQS_DESIGNS.items():
        errors = []
        for seed in range(5 if quick else 20):
            X, y, coef, bad = make_contaminated_regression(
                500,
                5,
                contamination=share,
                kind=kind,
                distance=distance,
                random_state=seed,
            )
            good = LinearRegression().fit(X[~bad], y[~bad])
            models = (SoftLQSRegressor(epsilon=e, random_state=0) for e in LQS_EPSILONS)
            errors.append(
                [
                    ((model.coef_ - coef) ** 2).sum() + model.intercept_**2
                    for model in (good, *(model.fit(X, y) for model in models))
                ]
            )
        unit, *found = np.sqrt(np.mean(errors, axis=0))
        rows.append([label, *(f"{value / unit:#.3g}" for value in found)])
        print(rows[-1], flush=True)
    return (
        "`SoftLQSRegressor`: error of coefficients and intercept as a multiple of that "
        "of least squares on the clean rows, root mean squares over 20 data sets of "
        "500 rows and 5 features.\n\n"
    ) + table(["epsilon", *LQS_EPSILONS], rows)


# --- intervals ---------------------------------------------------------------------


def intervals_section(table, quick):
    """Coverage of intervals of 95 %, of coefficients and of new clean rows."""
    rows = []
    for (n, p), share in product(
        ((10, 1), (10, 2), (30, 2), (30, 5), (100, 5)), (0, 0.2)
    ):
        n_seeds = 20 if quick else 1600 if n == 10 else 400
        hits, flagged = [], []
        for seed in range(n_seeds):
            rng = np.random.default_rng([seed, 20261129, n, p])
            X, y, bad = draw("one-sided", n, p, share, 10, rng)
            new, target, _ = draw("clean", 20, p, 0, 0, rng)
            model = SoftLTSRegressor(random_state=0).fit(X, y)
            summary = model.summary()
            inside = (summary.lower <= 1) & (summary.upper >= 1)
            low, high = model.predict_interval(new).T
            hits.append(
                [inside[:p].mean(), ((low <= target) & (target <= high)).mean()]
            )
            hits[-1].append(summary.lower[p] <= 0 <= summary.upper[p])
            flagged.append(1 - model.inlier_mask_[~bad].mean())
        mean = np.mean(hits, axis=0)
        error = np.std(hits, axis=0) / np.sqrt(n_seeds)
        cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(mean, error, strict=True)]
        label = f"{share:.0%} at 10" if share else "clean"
        rows.append([n, p, label, cells[0], cells[2], cells[1]])
        rows[-1].append(f"{100 * np.mean(flagged):.1f} %")
        print(rows[-1], flush=True)
    header = ["n", "p", "rows", "slopes", "intercept", "new rows", "clean rows flagged"]
    return (
        "Coverage of intervals of 95 % with its standard error (400 data sets; of ten "
        "rows 1600): coefficients, by `summary`, and new clean observations, by "
        "`predict_interval`.\n\n"
    ) + table(header, rows)
