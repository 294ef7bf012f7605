"""Simulate the small-sample factors of the scales, and refit their formula.

    python benchmarks/scale_factors.py [--quick] [--refit]

Prints, for Gaussian data without outliers and each kind of scale of
``sksoftrank/_robust_scale.py``, the factor that makes the mean logarithm of the scale
right, the factor of the formula, and the part of the observations that is flagged with
it; how far the formula is off; and its constants refitted to this simulation. With
``--refit`` the formula has these constants: that is how those in the package were
found. Takes about 13 minutes of processor time, with ``--quick`` less than one.
"""

import argparse
import math
import time

import numpy as np
from scipy.special import digamma

from sksoftrank.linear import _robust_scale as rs
from sksoftrank.robust._problem import RobustProblem
from sksoftrank.robust._trimmed_squares import TrimmedSquares

TRIMS = (0.5, 0.375, 0.25, 0.125, 0.0)
N_COEFS = (1, 2, 3, 5, 8, 12, 20)
RATIOS = (2, 3, 4, 5, 7, 10, 25, 50, 100)  # of n to p
SMALLEST_N, LARGEST_N = 8, 2000
TARGETS = ((30, 4), (100, 6), (1000, 6))
SHOWN = ((24, 8), (50, 5), (100, 20), (2000, 20), *TARGETS)


class Cell:
    """Hard fits to samples of one size, with one number of observations kept."""

    def __init__(self, n, n_coefs):
        self.n, self.n_coefs = n, n_coefs
        self.fits = []  # problem, and coordinates and raw scale of the hard fit
        self.controls = []  # logarithm of the scale of least squares, less its mean

    def add(self, problem, seed):
        """Search the hard fit to a sample."""
        control = {"n_jobs": None, "max_iter": 1000, "tol": 1e-6}
        random_state = np.random.RandomState(seed)
        start = problem.start(
            "auto", n_init="auto", random_state=random_state, **control
        )
        residual = problem.residual(start.z)
        raw = rs.lts_scale(residual, problem.weight, problem.n_kept)
        self.fits.append((problem, start.z, raw))

        z = problem.least_squares(start.z, residual, problem.weight)
        square = np.sum((problem.unit * problem.residual(z)) ** 2)
        expected = digamma((self.n - self.n_coefs) / 2) + math.log(2)
        self.controls.append(0.5 * (math.log(square) - expected))

    @property
    def fraction(self):
        """Part of the observations that is kept."""
        return self.fits[0][0].n_kept / self.n

    def factor(self, kind):
        """Factor of the formula."""
        return rs.small_sample_factor(self.n, self.n_coefs, self.fraction, kind)

    def simulate(self, kind):
        """Logarithm of the right factor, its standard error, and |residuals| / scale.

        The known mean of the scale of least squares removes much of the noise.
        """
        logs, ratios = [], []
        for problem, z, raw in self.fits:
            residual, scale = self.final(problem, z, raw, kind)
            logs.append(math.log(scale * problem.unit))
            ratios.append(np.abs(residual) / scale)
        covariance = np.cov(logs, self.controls)
        slope = covariance[0, 1] / covariance[1, 1]
        rest = np.array(logs) - slope * np.array(self.controls)
        return -rest.mean(), rest.std() / math.sqrt(rest.size), np.array(ratios)

    def final(self, problem, z, raw, kind):
        """Residuals of a kind of fit, and their scale without its factor."""
        weight, residual = problem.weight, problem.residual(z)
        if kind == "raw":
            return residual, raw
        raw = raw * self.factor("raw")
        if kind == "reweighted":
            mask = rs.inlier_mask(residual, raw)
            residual = problem.residual(problem.least_squares(z, residual, mask))
            return residual, rs.reweighted_scale(residual, weight, mask)
        y, n_kept = problem.y / raw, problem.n_kept
        soft = TrimmedSquares(problem.design, y, weight, n_kept, epsilon=10.0)
        z = raw * soft.reweight(z / raw, max_iter=1000, tol=1e-4).z
        residual = problem.residual(z)
        mask = rs.inlier_mask(residual, raw)
        fraction = rs.INLIER_FRACTION
        return residual, rs.reweighted_scale(residual, weight, mask, fraction=fraction)


def simulate_cells(n, n_coefs, n_samples):
    """A `Cell` for each different number of observations kept."""
    cells = {}
    n_features = max(n_coefs - 1, 1)  # a single coefficient is a slope
    for sample in range(n_samples):
        rng = np.random.default_rng((n, n_coefs, sample))
        X, y = rng.standard_normal((n, n_features)), rng.standard_normal(n)
        done = set()
        for trim in TRIMS:
            problem = RobustProblem(
                X, y, None, trim=trim, alpha=0.0, fit_intercept=n_coefs > 1
            )
            if problem.n_kept not in done:
                done.add(problem.n_kept)
                cell = cells.setdefault(problem.n_kept, Cell(n, n_coefs))
                cell.add(problem, sample)
    return list(cells.values())


def simulate(quick):
    sizes = {(round(ratio * p), p) for ratio in RATIOS for p in N_COEFS}
    sizes = sorted({*sizes, *TARGETS, (LARGEST_N, 1), (LARGEST_N, 8)})
    sizes = [(n, p) for n, p in sizes if SMALLEST_N <= n <= LARGEST_N and n > p + 2]
    if quick:
        sizes = sorted({*sizes[::4], *TARGETS})
    cells = []
    for n, p in sizes:
        n_samples = min(max(8000 // n, 24), 150) // (6 if quick else 1)
        cells += simulate_cells(n, p, n_samples)
    return cells


def report(cells, kind, refit):
    """Print what was simulated beside the formula, and its refitted constants."""
    simulated = [cell.simulate(kind) for cell in cells]
    means, sigmas = np.array([result[:2] for result in simulated]).T
    parts = [rs.factor_terms(c.n, c.n_coefs, c.fraction) for c in cells]
    starts = np.array([start for start, _ in parts])
    terms = np.array([term for _, term in parts])
    ratio = np.array([cell.n / cell.n_coefs for cell in cells])
    # Large samples count most, for there a percent of the factor matters.
    tolerance = np.select([ratio >= 5, ratio > 2], [0.003, 0.015], 0.08)
    weight = 1 / np.hypot(sigmas, tolerance)
    constants = np.linalg.lstsq(
        terms * weight[:, None], (means - starts) * weight, rcond=None
    )[0]
    constants = tuple(constants.round(3).tolist())
    if refit:
        rs.FACTOR_CONSTANTS[kind] = constants

    print(f"\n## {kind}\n\n| n | p | h / n | simulated | formula | flagged |")
    print("|---|---|---|---|---|---|")
    factors = np.array([cell.factor(kind) for cell in cells])
    flagged = np.empty(len(cells))
    for i, (cell, (mean, sigma, ratios)) in enumerate(
        zip(cells, simulated, strict=True)
    ):
        flagged[i] = np.mean(ratios > rs.OUTLIER_CUTOFF * factors[i])
        if (cell.n, cell.n_coefs) in SHOWN:
            print(
                f"| {cell.n} | {cell.n_coefs} | {cell.fraction:.3f} | "
                f"{math.exp(mean):.3f} +- {sigma:.3f} | {factors[i]:.3f} | "
                f"{flagged[i]:.1%} |"
            )
    print()
    errors = np.log(factors) - means
    for name, chosen in (
        ("n >= 5 p", ratio >= 5),
        ("2 p < n < 5 p", (ratio > 2) & (ratio < 5)),
        ("n = 2 p", ratio <= 2),
    ):
        square = np.mean(errors[chosen] ** 2 - sigmas[chosen] ** 2)
        print(
            f"{name}: error of the formula {math.sqrt(max(square, 0)):.1%} (root mean "
            f"square without noise), largest {np.abs(errors[chosen]).max():.1%}"
        )
    print(f'refitted: "{kind}": {constants},')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples and sizes")
    parser.add_argument(
        "--refit", action="store_true", help="go on with the refitted constants"
    )
    options = parser.parse_args()
    began = time.process_time()
    cells = simulate(options.quick)
    for kind in rs.FACTOR_CONSTANTS:
        report(cells, kind, options.refit)
    print(f"\n{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
