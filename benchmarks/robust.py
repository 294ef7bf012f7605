"""Robust linear regression: designs with outliers, real data with wrong labels, cost.

    python benchmarks/robust.py [--data DIR] [--tuned] [--reference FILE] [--out DIR]
                                [--tables FILE] [--quick] [--only SUBSTRING]

See README.md in this directory for what is measured and how to read it.
"""

import argparse
import importlib.util
import json
import time
import tracemalloc
import warnings
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from robust_answers import (
    auto_section,
    intervals_section,
    lqs_section,
    minima_section,
)
from robust_page import OPENING, TARGETS
from robust_peers import peers_section
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    HuberRegressor,
    LinearRegression,
    RANSACRegressor,
    Ridge,
    TheilSenRegressor,
)
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksoftrank import SoftLTSRegressor, SoftLTSRegressorCV, soft_lts_path
from sksoftrank.datasets import make_contaminated_regression
from sksoftrank.metrics import capped_scorer

# --- tables ------------------------------------------------------------------------


def table(header, rows):
    """A Markdown table; numbers are already text."""
    rows = [list(map(str, row)) for row in [header, ["---"] * len(header), *rows]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def number(value):
    """Three digits in plain form, and powers of ten from 1000 on."""
    if value < 999.5:
        digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
        return f"{value:.{digits}f}"
    return f"{value:.1e}".replace("e+0", "e")


# --- designs -----------------------------------------------------------------------


def coefficient_error(model, coef):
    """Error of coefficients and intercept; the features have unit covariance."""
    return np.sqrt(((model.coef_ - coef) ** 2).sum() + model.intercept_**2)


class _Ransac(RANSACRegressor):
    """RANSAC with the coefficients where the other regressors have them."""

    def fit(self, X, y):
        super().fit(X, y)
        self.coef_ = self.estimator_.coef_
        self.intercept_ = self.estimator_.intercept_
        return self


def contestants(seed):
    return {
        "LS": LinearRegression(),
        "Huber": HuberRegressor(max_iter=1000),
        "Theil-Sen": TheilSenRegressor(random_state=seed, max_subpopulation=500),
        "RANSAC": _Ransac(random_state=seed),
        "soft LTS": SoftLTSRegressor(random_state=seed),
        "soft LTS, reweighted": SoftLTSRegressor(reweight=True, random_state=seed),
        "hard LTS": SoftLTSRegressor(epsilon=0, random_state=seed),
        "hard LTS, reweighted": SoftLTSRegressor(
            epsilon=0, reweight=True, random_state=seed
        ),
        'soft LTS, "sort"': SoftLTSRegressor(
            formulation="sort", epsilon=0.1, random_state=seed
        ),
        "soft LTS from LS": SoftLTSRegressor(init="ls"),
    }


DESIGNS = [
    # kind, n, p, contamination, distance
    ("vertical", 200, 5, 0.2, 5),
    ("vertical", 1000, 5, 0.2, 5),
    ("vertical", 1000, 5, 0.2, 10),
    ("vertical", 1000, 5, 0.2, 1e6),
    ("vertical", 1000, 20, 0.4, 10),
    ("leverage", 200, 5, 0.1, 10),
    ("leverage", 200, 5, 0.3, 10),
    ("leverage", 200, 20, 0.2, 10),
    ("leverage", 1000, 20, 0.3, 5),
    ("leverage", 1000, 20, 0.3, 20),
    ("leverage", 1000, 50, 0.2, 10),
    ("leverage", 10000, 20, 0.3, 10),
    ("mixed", 1000, 10, 0.3, 10),
    ("cauchy", 1000, 5, 0, 0),
]


def design_tables(quick):
    n_seeds = 3 if quick else 10
    names = list(contestants(0))
    rows, kept = [], []
    for kind, n, p, contamination, distance in DESIGNS:
        ratio = {name: [] for name in names}
        clean_starts = 0
        for seed in range(n_seeds):
            X, y, coef, bad = make_contaminated_regression(
                n,
                p,
                kind=kind,
                contamination=contamination,
                distance=distance,
                random_state=seed,
            )
            # Least squares means nothing under Cauchy errors: hard LTS is the unit.
            reference = SoftLTSRegressor(epsilon=0, random_state=0).fit(X, y)
            if kind != "cauchy":
                reference = LinearRegression().fit(X[~bad], y[~bad])
            unit = coefficient_error(reference, coef)
            for name, model in contestants(seed).items():
                model.fit(X, y)
                ratio[name].append(coefficient_error(model, coef) / unit)
                if name == "hard LTS" and kind != "cauchy":
                    clean_starts += not model.support_[bad].any()
        label = f"{kind}, n = {n}, p = {p}"
        if kind != "cauchy":
            label += f", {contamination:.0%} at {distance:g}"
        rows.append([label, *(number(np.median(ratio[name])) for name in names)])
        kept.append(clean_starts)
        print(rows[-1], clean_starts, flush=True)
    text = (
        "Error of coefficients and intercept as a multiple of that of least squares on "
        f"the clean rows (Cauchy: of hard LTS), median of {n_seeds} data sets. "
        '"sort" has epsilon 0.1.\n\n'
    )
    text += table(["design", *names], rows)
    total = n_seeds * sum(kind != "cauchy" for kind, *_ in DESIGNS)
    text += f"\nHard LTS kept no outlier in {sum(kept)} of {total} data sets "
    text += "with outliers.\n"
    return text


def leverage_table(quick):
    """How often the hard fit keeps no bad leverage point."""
    n_seeds = 1 if quick else 3
    rows = []
    for n in (100, 300, 1000, 10_000):
        for p in (1, 5, 10, 20, 50):
            if n < 5 * p:
                continue
            clean, total = 0, 0
            fractions = (0.3,) if n == 10_000 else (0.1, 0.2, 0.3)
            for fraction, distance, seed in product(
                fractions, (5, 10, 20), range(n_seeds)
            ):
                X, y, _, bad = make_contaminated_regression(
                    n,
                    p,
                    kind="leverage",
                    contamination=fraction,
                    distance=distance,
                    random_state=seed,
                )
                model = SoftLTSRegressor(epsilon=0, random_state=0).fit(X, y)
                clean += not model.support_[bad].any()
                total += 1
            rows.append([n, p, f"{clean} of {total}"])
            print(rows[-1], flush=True)
    return (
        "Data sets of which hard LTS keeps no outlier: 10, 20 and 30 % (n = 10000: "
        "30 %) bad leverage points at a distance of 5, 10 and 20 standard "
        f"deviations, {n_seeds} data sets each.\n\n"
    ) + table(["n", "p", "clean"], rows)


# --- epsilon -----------------------------------------------------------------------


def epsilon_table(quick):
    """Efficiency under Gaussian errors, and robustness, over epsilon."""
    epsilons = [0, 0.3, 1, 3, 6, 12, 24, 100, 1000]
    cases = [
        ("Gaussian, trim .5", 0, 0, "selection", 0.5),
        ("Gaussian, trim .25", 0, 0, "selection", 0.25),
        *(
            (f"20 % at {distance:g}, trim .5", 0.2, distance, "selection", 0.5)
            for distance in (5, 10, 100, 1e4, 1e6)
        ),
        *(
            (f'20 % at {distance:g}, "sort"', 0.2, distance, "sort", 0.5)
            for distance in (5, 10, 100, 1e4, 1e6)
        ),
    ]
    rows = []
    for label, contamination, distance, formulation, trim in cases:
        # A mean square needs more data sets than a median.
        n_seeds = (20 if contamination else 150) // (5 if quick else 1)
        errors = np.zeros((n_seeds, len(epsilons)))
        clean = np.zeros(n_seeds)
        for seed in range(n_seeds):
            X, y, coef, bad = make_contaminated_regression(
                1000,
                5,
                contamination=contamination,
                distance=distance,
                random_state=seed,
            )
            clean[seed] = coefficient_error(
                LinearRegression().fit(X[~bad], y[~bad]), coef
            )
            path = soft_lts_path(
                X,
                y,
                epsilons=epsilons,
                formulation=formulation,
                trim=trim,
                random_state=0,
            )
            error = ((path.coefs - coef) ** 2).sum(axis=1) + path.intercepts**2
            errors[seed] = np.sqrt(error)
        if contamination == 0:
            values = (clean**2).mean() / (errors**2).mean(axis=0)
            label += ": efficiency"
        else:
            values = np.median(errors / clean[:, None], axis=0)
            label += ": error"
        rows.append([label, *map(number, values)])
        print(rows[-1], flush=True)
    return (
        "n = 1000, 5 features. Efficiency: mean squared error of least squares over "
        "that of the fit (150 data sets). Error: as a multiple of that of least "
        "squares on the clean rows, median of 20 data sets.\n\n"
    ) + table(["epsilon", *(f"{e:g}" for e in epsilons)], rows)


# --- wrong labels (Figure 6 of Blondel et al. 2020) ---------------------------------

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
TRIMS = (0.1, 0.3, 0.5)
EPSILONS = np.geomspace(1e-2, 1e4, 7)


def label_models(seed):
    """Defaults without tuning."""
    return {
        "ridge": Ridge(),
        "Huber": HuberRegressor(max_iter=1000),
        "hard LTS": SoftLTSRegressor(epsilon=0, random_state=seed),
        "soft LTS": SoftLTSRegressor(random_state=seed),
    }


def tuned_label_models(seed, n, scale):
    """Models tuned by 5-fold cross-validation, by the default score of ours."""
    scoring = capped_scorer(cap=3 * scale)
    search = partial(GridSearchCV, scoring=scoring)
    cv = partial(SoftLTSRegressorCV, trims=TRIMS, random_state=seed)
    return {
        "ridge, tuned": search(Ridge(), {"alpha": np.geomspace(1e-3, 1e4, 8)}),
        "Huber, tuned": search(
            HuberRegressor(max_iter=1000), {"epsilon": np.linspace(1.0, 2.0, 5)}
        ),
        "hard LTS, tuned": cv(epsilons=[0.0]),
        'soft LTS "sort", tuned': cv(
            formulation="sort", epsilons=n * np.geomspace(1e-5, 10, 7)
        ),
        'soft LTS "selection", tuned': cv(epsilons=EPSILONS),
    }


def label_noise(name, X, y, n_splits, tuned):
    """Median test R2 on clean labels, by the fraction of wrong training labels."""
    scores = {}
    for split in range(n_splits):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.2, random_state=split
        )
        clean = make_pipeline(StandardScaler(), LinearRegression())
        for fraction in FRACTIONS:
            rng = np.random.default_rng(split)
            y_bad = y_train.astype(float)
            bad = rng.permutation(y_bad.size)[: round(fraction * y_bad.size)]
            y_bad[bad] += 5 * y_train.std() * rng.standard_normal(bad.size)
            good = np.setdiff1d(np.arange(y_bad.size), bad)
            models = label_models(split)
            if tuned:
                scale = SoftLTSRegressor(random_state=split).fit(X_train, y_bad)
                models |= tuned_label_models(split, len(y_bad), scale.start_scale_)
            fitted = {
                label: make_pipeline(StandardScaler(), model).fit(X_train, y_bad)
                for label, model in models.items()
            }
            fitted["LS on the clean rows"] = clean.fit(X_train[good], y_bad[good])
            for label, model in fitted.items():
                score = r2_score(y_test, model.predict(X_test))
                scores.setdefault(label, {}).setdefault(fraction, []).append(score)
        print(name, split, flush=True)
    return {
        label: np.array([np.median(values[fraction]) for fraction in FRACTIONS])
        for label, values in scores.items()
    }


def label_noise_section(data, quick, tuned, figure_path):
    text, results = "", {}
    splits = {"housing": 40, "bodyfat": 40, "cadata": 5}
    if tuned or quick:  # for time
        splits = {"housing": 10, "bodyfat": 10, "cadata": 1}
    for name, n_splits in splits.items():
        rows = np.loadtxt(
            data / "regression" / f"{name}.csv", delimiter=",", skiprows=1
        )
        first = int(name == "bodyfat")  # bodyfat_pct is a function of the target
        X, y = rows[:, first:-1], rows[:, -1]
        results[name] = label_noise(name, X, y, n_splits, tuned)
        text += (
            f"\n**{name}** ({len(X)} x {X.shape[1]}), median of {n_splits} splits\n\n"
        )
        text += table(
            ["wrong labels", *(f"{fraction:.0%}" for fraction in FRACTIONS)],
            [
                [label, *(f"{value:.3f}" for value in values)]
                for label, values in results[name].items()
            ],
        )
    if figure_path is not None:
        plot_label_noise(results, figure_path)
        text += f"\n![Test R2 against the part of wrong labels]({figure_path.name})\n"
    return text


def plot_label_noise(results, path):
    import matplotlib

    matplotlib.use("Agg")  # a file, not a window
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(13, 4))
    for axis, (name, scores) in zip(axes, results.items(), strict=True):
        for label, values in scores.items():
            axis.plot(
                [100 * fraction for fraction in FRACTIONS],
                values,
                marker="o" if "LTS" in label else ".",
                linestyle="-" if label.endswith("tuned") else "--",
                label=label,
            )
        best = max(values.max() for values in scores.values())
        axis.set_ylim(min(0.0, best - 0.6), best + 0.05)
        axis.set(title=name, xlabel="wrong training labels [%]")
    axes[0].set_ylabel("test R2 on clean labels")
    axes[0].legend(loc="lower left", fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


# --- classic data --------------------------------------------------------------------


def classics_section(path, quick):
    """The objective against the best known one, for ten seeds."""
    sets = json.loads(path.read_text())["sets"]
    n_seeds = 2 if quick else 10
    rows = []
    for name, data in sets.items():
        X, y = np.array(data["X"], dtype=float), np.array(data["y"], dtype=float)
        X = X.reshape(y.size, -1)
        for alpha in ("0.5", "0.75"):
            best = data[f"best_known_alpha{alpha}"]["objective_mean_h"]
            theirs = data[f"ltsReg_alpha{alpha}"]["raw_objective_mean_h"]
            ours = [
                2
                * SoftLTSRegressor(epsilon=0, trim=1 - float(alpha), random_state=seed)
                .fit(X, y)
                .objective_
                for seed in range(n_seeds)
            ]
            hits = sum(value <= best * (1 + 1e-6) for value in ours)
            rows.append(
                [
                    name,
                    alpha,
                    f"{hits} of {n_seeds}",
                    f"{max(ours) / best - 1:.1e}",
                    f"{theirs / best - 1:.1e}",
                ]
            )
            print(rows[-1], flush=True)
    return table(
        ["set", "1 - trim", "best known found", "worst excess", "excess of ltsReg"],
        rows,
    )


# --- cost --------------------------------------------------------------------------


def cpu_time(function, *args):
    start = time.process_time()
    function(*args)
    return time.process_time() - start


def cost_section(quick):
    """CPU time as multiples of least squares, and memory."""
    rows = []
    models = {
        "soft LTS": partial(SoftLTSRegressor, random_state=0),
        "hard LTS": partial(SoftLTSRegressor, epsilon=0, random_state=0),
        '"sort", epsilon 0.1': partial(
            SoftLTSRegressor, formulation="sort", epsilon=0.1, random_state=0
        ),
        "from LS": partial(SoftLTSRegressor, init="ls"),
        "Huber": partial(HuberRegressor, max_iter=1000),
    }
    sizes = [10**3, 10**4, 10**5] + [10**6] * (not quick)
    for n in sizes:
        X, y, _, _ = make_contaminated_regression(
            n, 10, contamination=0.2, kind="mixed", random_state=0
        )
        X1 = np.column_stack([X, np.ones(n)])
        rounds = 3 if n == 10**6 else 9
        ratios = {name: [] for name in models}
        for _ in range(rounds):
            unit = min(cpu_time(np.linalg.lstsq, X1, y) for _ in range(3))
            for name, make in models.items():
                ratios[name].append(cpu_time(make().fit, X, y) / unit)
        tracemalloc.start()
        SoftLTSRegressor(random_state=0).fit(X, y)
        memory = tracemalloc.get_traced_memory()[1] / X.nbytes
        tracemalloc.stop()
        rows.append(
            [
                f"{n:,}",
                *(f"{np.median(r):.0f}" for r in ratios.values()),
                f"{memory:.1f}",
            ]
        )
        print(rows[-1], flush=True)
    return (
        "10 features, 20 % outliers, one thread. CPU time as multiples of "
        "`np.linalg.lstsq` of the same data with a column of ones (median of rounds), "
        "and the peak of memory allocated by the default fit as a multiple of X.\n\n"
    ) + table(["n", *models, "memory / X"], rows)


# --- all ----------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="folder with regression/*.csv")
    parser.add_argument("--reference", type=Path, help="file of reference LTS results")
    parser.add_argument("--tables", type=Path, help="file of tables of R packages")
    parser.add_argument("--out", type=Path, help="folder for tables and figures")
    parser.add_argument("--quick", action="store_true", help="fewer data sets")
    parser.add_argument("--tuned", action="store_true", help="also tuned models")
    parser.add_argument("--only", default="", help="sections whose title contains this")
    arguments = parser.parse_args()
    # Huber and RANSAC may give up on the wildest data; their last fit counts.
    warnings.simplefilter("ignore", ConvergenceWarning)
    quick = arguments.quick
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
    sections = {
        "Designs": partial(design_tables, quick),
        "Bad leverage": partial(leverage_table, quick),
        "Epsilon": partial(epsilon_table, quick),
        "Cost": partial(cost_section, quick),
        "Automatic epsilon": partial(
            auto_section, table, quick, arguments.data, arguments.tables
        ),
        "Least quantile": partial(lqs_section, table, quick),
        "Intervals": partial(intervals_section, table, quick),
        "Other minima": partial(minima_section, table, quick),
    }
    if importlib.util.find_spec("pylmrob"):
        sections["Against lmrob"] = partial(peers_section, table, quick, DESIGNS)
    if arguments.reference:
        sections["Classic data"] = partial(classics_section, arguments.reference, quick)
    if arguments.data:
        for title, tuned in (("Wrong labels", False), ("Tuned models", True)):
            if arguments.tuned or not tuned:
                figure_path = arguments.out and (
                    arguments.out / f"robust_{title.split()[0].lower()}.png"
                )
                sections[title] = partial(
                    label_noise_section, arguments.data, quick, tuned, figure_path
                )
    text = OPENING
    for title, make in sections.items():
        if arguments.only.lower() in title.lower():
            text += f"\n## {title}\n\n{make()}"
    text += TARGETS
    print(text)
    if arguments.out:
        (arguments.out / "robust.md").write_text(text)


if __name__ == "__main__":
    main()
