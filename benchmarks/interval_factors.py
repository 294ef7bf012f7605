"""Simulate the intervals of few rows, and refit their constants.

    python benchmarks/interval_factors.py [--quick] [--refit]

Rows are chosen such that their residuals are small, which makes intervals of few rows
too short if nothing is done about it. Prints how many intervals of 80, 95 and 99 %,
of coefficients and of new clean rows, hold their values, without and with the formula
of `CoefficientErrors.after_choice`. With ``--refit`` the constants of the formula are
searched for in a grid: those with the smallest deviations from these levels, of which
misses count double. The minimum is flat; the constants in the package are a few per
cent above it, and chosen for the smallest coverage among those. Takes about four
minutes of processor time, with ``--quick`` one.
"""

import argparse
import math
import time
from itertools import product

import numpy as np
from robust_answers import draw
from scipy.stats import t as student

from sksoftrank import SoftLTSRegressor
from sksoftrank.robust import _coefficient_errors as ce

LEVELS = np.array([0.8, 0.95, 0.99])
LEVEL_WEIGHTS = np.array([0.3, 1.0, 0.3])
SIZES = [  # rows, features, data sets
    (10, 1, 1500),
    (10, 2, 1500),
    (12, 1, 700),
    (12, 4, 700),
    (15, 2, 700),
    (20, 3, 500),
    (30, 2, 400),
    (30, 5, 400),
    (100, 5, 200),
]
SHARES = (0.0, 0.2)  # of outliers at a distance of 10 standard deviations
GRID = {
    "CHOICE_ERROR": (0.0, 0.4, 0.6, 0.8, 1.0),
    "CHOICE_LOAD": (0.0, 8.0, 12.0, 14.0, 16.0, 18.0),
    "CHOICE_FREE": (0.0, 0.5, 1.0, 1.5),
}
NEW_ROWS = 20


class Cell:
    """Fits to samples of one design, without the formula."""

    def __init__(self, n, n_features, n_samples, share):
        self.n, self.n_features, self.share = n, n_features, share
        rows = [self._draw(seed) for seed in range(n_samples)]
        rows = [row for row in rows if row[0] > 0]  # some degrees of freedom
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        self.df, self.part, self.scale = columns[:3]
        self.coef_off, self.coef_error, self.new_off, self.new_error = columns[3:]

    def _draw(self, seed):
        p = self.n_features
        rng = np.random.default_rng([seed, 77, self.n, p])
        X, y, _ = draw("one-sided", self.n, p, self.share, 10, rng)
        new, target, _ = draw("clean", NEW_ROWS, p, 0, 0, rng)
        model = SoftLTSRegressor(random_state=0).fit(X, y)
        counted = np.count_nonzero(model.inlier_weight_)
        off = np.append(model.coef_ - 1, model.intercept_)
        error = np.append(model.stderr_, model.intercept_stderr_)
        return (
            model.df_,
            1 - model.support_.sum() / counted,
            model.scale_,
            off,
            error,
            target - model.predict(new),
            model._errors.predictions(new),
        )

    def coverage(self, error, load, free):
        """How many intervals of each level hold their values."""
        ratio = self.part * (self.n_features + 1) / self.df
        grown = (1 + error * ratio)[:, None]
        df = self.df / (1 + np.maximum(load * ratio - free * self.part, 0.0))
        coefs = np.abs(self.coef_off) / (grown * self.coef_error)
        new = np.hypot(grown * self.new_error, self.scale[:, None])
        new = np.abs(self.new_off) / new
        hits = []
        for level in LEVELS:
            limit = student.ppf(0.5 + 0.5 * level, df)[:, None]
            hits.append([(coefs <= limit).mean(), (new <= limit).mean()])
        return np.array(hits)


def deviation(cells, constants):
    """Mean size of the deviations from the levels, misses twice."""
    off = np.array([cell.coverage(*constants) - LEVELS[:, None] for cell in cells])
    off = np.where(off < 0, -2, 1) * off
    return float((off.mean(axis=(0, 2)) * LEVEL_WEIGHTS).sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the samples")
    parser.add_argument("--refit", action="store_true", help="search for constants")
    options = parser.parse_args()
    began = time.process_time()
    names = list(GRID)
    current = [getattr(ce, name) for name in names]
    ce.CHOICE_ERROR, ce.CHOICE_LOAD, ce.CHOICE_FREE = 0.0, 0.0, 0.0
    cells = [
        Cell(n, p, math.ceil(size / 5) if options.quick else size, share)
        for (n, p, size), share in product(SIZES, SHARES)
    ]
    if options.refit:
        found = min(product(*GRID.values()), key=lambda c: deviation(cells, c))
        print("refitted:", dict(zip(names, found, strict=True)))
        print(f"deviation {deviation(cells, found):.4f},")
        print(f"of the package's constants {deviation(cells, current):.4f},")
        print(f"of none {deviation(cells, [0] * 3):.4f}")
        current = found
    print("\n| n | features | outliers | level | coefficients | new rows |")
    print("|---|---|---|---|---|---|")
    for cell in cells:
        values = zip(cell.coverage(0, 0, 0), cell.coverage(*current), strict=True)
        for level, (plain, mended) in zip(LEVELS, values, strict=True):
            coefs, new = zip(plain, mended, strict=True)
            print(
                f"| {cell.n} | {cell.n_features} | {cell.share:.0%} | {level:.0%} | "
                f"{coefs[0]:.3f} -> {coefs[1]:.3f} | {new[0]:.3f} -> {new[1]:.3f} |"
            )
    print(f"\n{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
