"""Choice of epsilon by agreement of the fits along its path."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammainc

from ..linear._robust_scale import INLIER_FRACTION, inlier_mask
from ._trimmed_squares import smooth_fit

# The path, and what is taken where nothing is to be chosen.
EPSILONS = (3.0, 4.5, 6.0, 9.0, 12.0, 24.0, 100.0)
DEFAULT = 12.0

# The path begins in the middle and goes both ways. At small epsilon few rows for each
# coefficient have many minima, and which of them a hard start leads to is a matter of
# the last digits of the data; they lead to the same one here.
ORDER = (12.0, 9.0, 6.0, 4.5, 3.0, 24.0, 100.0)
NEXT_TO_DEFAULT = (9.0, 24.0)

# How far fits may be apart, in standard deviations: in the level, and in all together.
# `python benchmarks/robust.py --only auto` shows what this leads to.
LEVEL = 3.0
TOGETHER = 6.0

# Deviations of few rows are larger than of many: by this over their number.
SMALL_SAMPLE = 5.0

# Scales of up to the default tell the size of the errors.
N_SCALES = EPSILONS.index(DEFAULT) + 1

# Smallest difference of the inverse efficiencies of two fits, for rounding.
SMALLEST_GAIN = 1e-3

# Fits of the path need no more digits than this part of a standard error.
PATH_TOL = 0.02


class AutoEpsilon(NamedTuple):
    """What was chosen, and where the fit may go on."""

    epsilon: float
    z: NDArray[np.float64]
    n_iter: int


def choose_epsilon(
    problem: Any,
    s0: float,
    raw_scale: float,
    z: NDArray[np.float64],
    *,
    max_iter: int,
    tol: float,
) -> AutoEpsilon:
    """The largest epsilon of which the fit agrees with those of all smaller ones.

    That is Lepski's rule: fits of small epsilon are robust and noisy, those of a large
    one the opposite; where they are further apart than their noise, outliers have moved
    the latter. With coordinates z and the Gram matrix G of the rows that the first one
    keeps, fits i < j of n rows and q coefficients agree if both ::

        (z_j - z_i)' G (z_j - z_i) <= (q + 6 sqrt(2 q)) v
        mean difference of their predictions, squared <= 9 v
        v = (1 + 5 / n)^2 scale^2 / (n - q) (1 / eff_i - 1 / eff_j)

    where eff are the efficiencies under Gaussian errors. The second one looks where
    outliers on one side move a fit first.

    Parameters
    ----------
    problem : RobustProblem
    s0, raw_scale : float
        Scales of the start, above 0.
    z : ndarray of shape (n_coordinates,)
        Coordinates of the start.
    max_iter, tol
        As for `SoftLTSRegressor`.
    """
    n = problem.weight.sum()
    part = problem.n_kept / n
    control = {"max_iter": max_iter, "tol": max(tol, PATH_TOL / math.sqrt(n))}
    fits: dict[float, Any] = {}
    n_iter = 0
    for epsilon in ORDER:
        if epsilon in NEXT_TO_DEFAULT:
            z = fits[DEFAULT].z
        fits[epsilon] = smooth_fit(problem, s0, z, epsilon, "selection", **control)
        z, n_iter = fits[epsilon].z, n_iter + fits[epsilon].n_iter
    path, scales = [fits[epsilon].z for epsilon in EPSILONS], []
    for z in path:
        residual = problem.residual(z)
        good = inlier_mask(residual, raw_scale, zero=problem.zero)
        scales.append(problem.reweighted_scale(residual, good, "soft", INLIER_FRACTION))
    kept = problem.weight * fits[EPSILONS[0]].p
    measure = _Distance(problem.design, kept)
    scale = float(np.median(scales[:N_SCALES]))
    q = problem.n_coefs
    unit = ((1 + SMALL_SAMPLE / n) * scale) ** 2 / max(n - q, 1.0)
    spread = [1 / gaussian_efficiency(epsilon, part) for epsilon in EPSILONS]

    def agree(j, i):
        variance = unit * max(spread[i] - spread[j], SMALLEST_GAIN)
        whole, level = measure(path[j] - path[i])
        if level > LEVEL**2 * variance:
            return False
        return whole <= (q + TOGETHER * math.sqrt(2 * q)) * variance

    best = 0
    for j in range(1, len(path)):
        if all(agree(j, i) for i in range(j)):
            best = j
    return AutoEpsilon(EPSILONS[best], path[best], n_iter)


class _Distance:
    """Mean squares of differences of predictions, and what a constant explains."""

    def __init__(self, design, kept):
        self.design = design
        self.kept = kept / kept.sum()
        self.gram = design.gram(self.kept) if design.basis.ndim == 2 else None

    def __call__(self, difference):
        if self.gram is not None:
            product = self.gram @ difference
            whole = difference @ product
            if not self.design.fit_intercept:
                return whole, 0.0
            return whole, product[-1] ** 2 / self.gram[-1, -1]
        predicted = self.design.predict(difference)
        whole = self.kept @ predicted**2
        if not self.design.fit_intercept:
            return whole, 0.0
        ones = self.design.row_scale
        ones = np.ones_like(predicted) if ones is None else ones
        level = (self.kept * ones) @ predicted
        return whole, level**2 / (self.kept @ ones**2)


@lru_cache
def gaussian_efficiency(epsilon: float, part: float) -> float:
    """Asymptotic efficiency of "selection" with this part of the rows to keep.

    With weights ``clip((t - r^2 / 2) / epsilon, 0, 1)`` of the mean `part`, it is
    ``E[psi']^2 / E[psi^2]`` for psi(r) = w(r) r under a standard Gaussian.
    """
    if part >= 1:
        return 1.0

    def moments(t):
        """Moments up to the full weights, and from there to the end of the weights."""
        inner, outer = max(t - epsilon, 0.0), t  # halves of squares
        order = np.arange(4)
        factor = np.array([1.0, 1.0, 3.0, 15.0])
        full = factor * gammainc(order + 0.5, inner)
        return full, factor * gammainc(order + 0.5, outer) - full

    def excess(t):
        full, soft = moments(t)
        return full[0] + (t * soft[0] - soft[1] / 2) / epsilon - part

    t = brentq(excess, 0.0, 100 + 2 * epsilon, xtol=1e-12)
    full, soft = moments(t)
    slope = full[0] + (t * soft[0] - 1.5 * soft[1]) / epsilon
    square = full[1] + (t * t * soft[1] - t * soft[2] + soft[3] / 4) / epsilon**2
    return float(slope**2 / square)
