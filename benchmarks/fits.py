"""CPU time of the linear robust estimators, over least squares and over `init="ls"`.

All contenders on a data set take turns in one process, on one thread. Ratios are
medians over rounds of the ratio within a round.
"""

import argparse
import platform
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from pages import plain
from scipy import sparse
from threadpoolctl import threadpool_limits

from sksoftrank import (
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    soft_lts_path,
)
from sksoftrank.datasets import make_contaminated_regression

try:
    from pylmrob import LmRob
except ImportError:
    LmRob = None

# Calls of least squares are repeated until they take this long, in seconds.
LONG_ENOUGH = 0.01

soft_lts = partial(SoftLTSRegressor, random_state=0)


def data(n, p):
    """A fifth of the rows are outliers in y, in X, or in both."""
    return make_contaminated_regression(
        n, p, contamination=0.2, kind="mixed", random_state=0
    )[:2]


def cpu_time(call):
    """Seconds of one call, the mean of several if it is short."""
    n_calls = 0
    start = time.process_time()
    while (spent := time.process_time() - start) < LONG_ENOUGH or n_calls == 0:
        call()
        n_calls += 1
    return spent / n_calls


def ratios(calls, n_rounds):
    """Seconds of the first call, and medians of what the others take of it."""
    for call in calls:  # what is loaded once, and the allocator
        cpu_time(call)
    times = np.array([[cpu_time(call) for call in calls] for _ in range(n_rounds)])
    return np.median(times[:, 0]), np.median(times[:, 1:] / times[:, :1], axis=0)


def over_least_squares(quick):
    """Ten features, for several numbers of rows."""
    rows = []
    for n in [100, 1000, 10_000, 100_000] + [1_000_000] * (not quick):
        X, y = data(n, 10)
        X1 = np.column_stack([X, np.ones(n)])
        calls = [
            partial(np.linalg.lstsq, X1, y),
            partial(soft_lts().fit, X, y),
            partial(soft_lts(init="ls").fit, X, y),
            partial(soft_lts(epsilon=0).fit, X, y),
        ]
        unit, found = ratios(calls, 3 if n > 100_000 else 9)
        rows.append([f"{n:,}", plain(1e3 * unit), *map(plain, found)])
        print(rows[-1], flush=True)
    header = ["n", "least squares, ms", "SoftLTSRegressor", 'init="ls"', "epsilon=0"]
    return header, rows


def over_lmrob(quick):
    """Ten features, over pylmrob, where it is installed."""
    rows = []
    if LmRob is not None:
        for n in (100, 1000):
            X, y = data(n, 10)
            calls = [partial(LmRob().fit, X, y, seed=0), partial(soft_lts().fit, X, y)]
            unit, found = ratios(calls, 3 if quick else 9)
            rows.append([f"{n:,}", plain(1e3 * unit), f"{found[0]:.2f}"])
            print(rows[-1], flush=True)
    return ["n", "pylmrob, ms", "SoftLTSRegressor over it"], rows


def many_features(quick):
    """5000 rows, for several numbers of features."""
    rows = []
    for p in [50, 100] + [200, 400, 501] * (not quick):
        X, y = data(5000, p)
        calls = [
            partial(soft_lts(init="ls").fit, X, y),
            partial(soft_lts().fit, X, y),
            partial(soft_lts(epsilon=0).fit, X, y),
        ]
        unit, found = ratios(calls, 3)
        seconds = [unit, *(unit * found)]
        rows.append(
            [
                str(p),
                *map(plain, seconds),
                *(f"{r:.1f}" for r in found),
            ]
        )
        print(rows[-1], flush=True)
    header = ['init="ls", s', "soft, s", "hard, s", "soft over it", "hard over it"]
    return ["p", *header], rows


def other_fits(quick):
    """Paths, cross-validation, the choice of epsilon and LQS, over one fit."""
    rows = []
    for n, p in [(100, 10), (1000, 10), (1000, 20), (100_000, 10)][: 3 if quick else 4]:
        X, y = data(n, p)
        calls = [
            partial(soft_lts().fit, X, y),
            partial(soft_lts(epsilon="auto").fit, X, y),
            partial(soft_lts_path, X, y, random_state=0),
            partial(SoftLTSRegressorCV(random_state=0).fit, X, y),
            partial(SoftLQSRegressor(random_state=0).fit, X, y),
            partial(SoftLQSRegressor(epsilon=0, random_state=0).fit, X, y),
        ]
        unit, found = ratios(calls, 3)
        rows.append([f"{n:,}", str(p), plain(1e3 * unit), *(f"{r:.1f}" for r in found)])
        print(rows[-1], flush=True)
    names = ['epsilon="auto"', "soft_lts_path", "SoftLTSRegressorCV"]
    names += ["SoftLQSRegressor", "the same, epsilon=0"]
    return ["n", "p", "SoftLTSRegressor, ms", *names], rows


def wide_sparse(quick):
    """Sparse features, alpha = 0."""
    rows = []
    for n, p in [(400, 600), (1200, 1500), (3000, 5000), (4000, 800)]:
        rng = np.random.RandomState(0)
        X = sparse.random(n, p, 0.01, format="csr", random_state=rng)
        y = X @ rng.standard_normal(p) + 0.1 * rng.standard_normal(n)
        y[: n // 10] += 10
        model = soft_lts()
        seconds = cpu_time(partial(model.fit, X, y))
        exact = "yes" if model.scale_ == 0 else "no"
        rows.append([str(n), str(p), f"{seconds:.2g}", str(model.n_iter_), exact])
        print(rows[-1], flush=True)
    return ["n", "p", "seconds", "iterations", "exact fit"], rows


SECTIONS = {
    "Over np.linalg.lstsq, p = 10": over_least_squares,
    "Over pylmrob, p = 10": over_lmrob,
    "Many features, n = 5000": many_features,
    "Path, cross-validation, LQS over one fit": other_fits,
    "Sparse features": wide_sparse,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, help="folder for fits.md")
    parser.add_argument("--quick", action="store_true", help="smaller data")
    parser.add_argument("--only", default="", help="sections whose title contains this")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of wide features, and of other minima
    text = (
        "# Speed of robust fits\n\nMade by `python benchmarks/fits.py --out "
        "docs/benchmarks`: CPU time on one thread, contenders in turns in one process, "
        "medians of ratios. A fifth of the rows are outliers. "
        f"{platform.machine()}, NumPy {np.__version__}, SIMD level as in "
        "[speed](speed.md).\n\n"
        "Otherwise you would take Huber's regression, of which the cost is among the "
        "[robust regressions](robust.md), or R's `lmrob`, here as `pylmrob`: for some "
        "hundred rows it is faster.\n"
    )
    for title, make in SECTIONS.items():
        if arguments.only.lower() in title.lower():
            with threadpool_limits(1):
                header, rows = make(arguments.quick)
            lines = [header, ["---"] * len(header), *rows]
            text += f"\n## {title}\n\n"
            text += "".join(f"| {' | '.join(line)} |\n" for line in lines)
    print(text)
    if arguments.out:
        (arguments.out / "fits.md").write_text(text)


if __name__ == "__main__":
    main()
