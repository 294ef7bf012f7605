"""Another minimum of the trimmed squares than the best, and whether to warn of it."""

import math
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from .._checks import warn
from ..linear._robust_scale import consistency_factor, weighted_quantile
from ..losses._choices import trimmed_choice
from ._data_warnings import has_few_rows
from ._lts_rows import MOMENTUM, TrimmedRows
from ._normal_equations import best_fits
from ._some_rows import some_rows
from ._trimmed_squares import smooth_fit

# Parts of the rows that fits keep which look for another one.
WIDER = (0.65, 0.75)

# Fits keep other rows where this part of the kept ones is different.
DIFFERENT = 0.5

# Fits that go on, and their concentration steps.
N_OTHERS = 5
N_STEPS = 8

# A smoothed fit to few rows: its epsilon, and steps of reweighted least squares, fewer
# where one moves it by no more than this many standard errors.
EPSILON = 12.0
N_SMOOTH = 15
SETTLED = 0.1

# Minima are others if they are that many standard errors apart, root mean squares over
# the coefficients; and that many are worth a warning.
APART = 3.0
FAR_APART = 5.0

# Two laws are that many scales apart at this part of the rows, or more: at a few rows
# that alone see a direction, as those of a rare level, they are no laws.
SCALES_APART = 2.0
ROWS_APART = 0.1

# Of a minimum that is as good as the best, up to this much of its hard objective.
AS_GOOD = 1.1

# As many rows follow another minimum, and not the best, if they are this part of those
# that follow the best one only: then few rows decide, unless more than this part of all
# rows follow the best, and so many of them both.
AS_MANY = 0.9
MAJORITY = 0.6

# Two minima are compared by this many rows.
MAX_COMPARED = 5000

# Rows are a cluster if their distances from their middle are this part of those of all
# rows; so many are looked at.
CLUSTERED = 0.4
MAX_CLUSTER = 5000

# Where the bisquare loss ends whose mean is half of its largest for a Gaussian.
BISQUARE = 1.5476

# Digits of a fit to compare, in standard errors.
TOL = 0.02


class OtherMinimum(NamedTuple):
    """Another local minimum of the objective, as in `other_minimum_`."""

    coef: NDArray[np.float64]
    intercept: float
    objective: float
    distance: float  # from the fit, in standard errors of a coefficient


def other_fits(rows: TrimmedRows, pool, best):
    """Fits from the pool that lead to other minima than the best, and their cost.

    They begin with the best that keeps other rows, and the best ones that keep more
    rows: a tight cluster of outliers, which h rows may prefer, is no match for two
    thirds of the data. Smoothed fits tell them apart, for hard ones have many minima.
    """
    if rows.n_kept >= rows.total or rows.n_coordinates == 0:
        return np.empty((0, rows.n_coordinates)), 0
    losses = rows.losses(best[None])
    mass = rows.select(losses)
    if rows.objective(best[None], losses, mass)[0] <= 0:
        return np.empty((0, rows.n_coordinates)), 0
    rest = _fit_of_the_rest(rows, losses[0], mass[0])
    found, n_fits = list(rest), len(rest) * (1 + N_STEPS)
    for part in (None, *WIDER):
        some, keeping = pool, rows
        if part is None:
            change = np.abs(rows.select(rows.losses(pool)) - mass).sum(axis=1)
            some = pool[change > DIFFERENT * rows.n_kept]
        else:
            keeping = copy(rows)
            keeping.n_kept = max(np.floor(part * rows.total), rows.n_kept)
        if len(some) == 0:
            continue
        some, _ = best_fits(some, keeping.evaluate(some), N_OTHERS)
        some = keeping.concentrate(some, N_STEPS, MOMENTUM)
        n_fits += len(some) * N_STEPS
        some, _ = best_fits(some, keeping.evaluate(some), 1)
        found.append(some[0])
    square = (losses * mass).sum() / rows.n_kept
    scale = math.sqrt(square) * consistency_factor(rows.n_kept / rows.total)
    (start, *smoothed), masses, n_steps = _smooth(rows, np.array([best, *found]), scale)
    n_fits += n_steps
    gram = rows.normal_equations(masses[None])[0][0]
    others: list[Any] = []
    for z in smoothed:
        if all(_distance(z - o, gram, scale) > APART for o in (start, *others)):
            others.append(z)
    return np.array(others).reshape(-1, rows.n_coordinates), n_fits


def _fit_of_the_rest(rows, losses, mass):
    """A fit of the rows that the best one does not keep, as array of one or none.

    Where it keeps a tight cluster, most of these follow the law of the others.
    """
    rest = rows.unit_weight - mass
    n_rest = rest.sum()
    if n_rest <= 2 * rows.n_coordinates:
        return np.empty((0, rows.n_coordinates))
    others = copy(rows)
    others.weight, others.n_kept = rest, (n_rest + rows.n_coordinates) // 2
    return others.concentrate(rows.fit(rest[None]), N_STEPS)


def _smooth(rows, fits, scale):
    """Reweighted fits of the smoothed objective, and their number of steps.

    Returns the masses of the first, too.
    """
    if rows.is_exact:
        return rows.smooth(fits, scale, EPSILON, SETTLED, N_SMOOTH)
    found = [_smooth_one(rows, z, scale) for z in fits]
    z, masses, n_steps = zip(*found, strict=True)
    return np.array(z), masses[0], sum(n_steps)


def _smooth_one(rows, z, scale):
    limit = z.size * (SETTLED * scale) ** 2
    n_steps, moved = 0, math.inf
    while n_steps < N_SMOOTH and moved > limit:
        n_steps += 1
        losses = 0.5 * rows.losses(z[None])[0] / scale**2
        p = trimmed_choice(losses, rows.weight, rows.n_kept, EPSILON)[1]
        masses = p * rows.unit_weight
        last, z = z, rows.fit(masses[None], z[None])[0]
        moved = masses @ (rows.rows @ (z - last)) ** 2
    return z, masses, n_steps


def _distance(difference, gram, scale):
    """Root mean square distance in standard errors, for the Gram matrix of the rows."""
    square = difference @ gram @ difference / difference.size
    return math.sqrt(max(square, 0.0)) / scale  # rounding may leave it below 0


def find_other_minimum(model: Any, problem: Any, others, s0, *, max_iter, tol):
    """The lowest minimum of the smoothed objective near others, far from the fit.

    Parameters
    ----------
    model : SoftLTSRegressor
        Fitted.
    problem : RobustProblem
    others : list of tuple
        Coefficients and intercepts near which to look.
    s0 : float
        Scale of the start in the units of the problem.
    max_iter, tol
        As for `SoftLTSRegressor`.

    Returns
    -------
    OtherMinimum or None
    """
    design, weight = problem.design, problem.weight
    if model.formulation != "selection" or design.basis.ndim == 1:
        return None
    if not others:
        return None
    if s0 == 0 or model.scale_ == 0:  # reweighted fits may be exact after inexact ones
        return None
    fit = problem.coordinates(model.raw_coef_, model.raw_intercept_)
    mass = weight * model.inlier_weight_
    gram = design.gram(mass) if problem.gram is None else problem.gram * mass.sum()
    scale = model.scale_ / problem.scale_unit
    found = []
    for other in others:
        tol = max(tol, TOL / math.sqrt(weight.sum()))
        minimum = smooth_fit(
            problem,
            s0,
            problem.coordinates(*other),
            model.epsilon_,
            "selection",
            max_iter=max_iter,
            tol=tol,
        )
        distance = _distance(minimum.z - fit, gram, scale)
        if distance > APART:
            found.append((minimum.objective, minimum.z, distance))
    if not found:
        return None
    objective, z, distance = min(found, key=lambda item: item[0])
    coef, intercept = problem.coefficients(z)
    unit = float(problem.scale_unit)
    objective = float(objective) * unit * unit  # a power would raise beyond the floats
    return OtherMinimum(coef, float(intercept), float(objective), float(distance))


def warn_of_other_minimum(model: Any, problem: Any) -> None:
    """Warn of another minimum that may as well be the right one.

    It is far from the fit, and about as good: by the trimmed squares, by a scale of all
    residuals that no outliers determine, or by the number of rows. Or what the fit
    keeps in place of the rows of the other minimum is a tight cluster, which makes any
    such measure small, and the rest follows the other minimum.
    """
    other = model.other_minimum_
    if other is None or other.distance < FAR_APART:
        return
    if model.epsilon_ == 0:  # hard fits have many minima, and standard errors of none
        return
    # A few heavy rows are as good as few rows.
    weight = problem.weight[problem.weight > 0.01 * problem.weight.max()]
    if has_few_rows(weight, problem.n_coefs):
        return
    used = np.flatnonzero(problem.weight)
    used = used[some_rows(used.size, MAX_COMPARED)]
    design, y, weight = problem.design.take(used), problem.y[used], problem.weight[used]
    n_kept = problem.n_kept / problem.weight.sum() * weight.sum()
    residuals = [
        y - design.predict(problem.coordinates(*coefs))
        for coefs in (
            (model.raw_coef_, model.raw_intercept_),
            (other.coef, other.intercept),
        )
    ]
    limit = SCALES_APART * model.scale_ / problem.scale_unit
    apart = np.abs(residuals[0] - residuals[1]) > limit
    if weight @ apart < ROWS_APART * weight.sum():
        return
    choices = [trimmed_choice(0.5 * r**2, weight, n_kept, 0.0) for r in residuals]
    values, kept = zip(*((value, p > 0) for value, p, _ in choices), strict=True)
    scales = [bisquare_scale(r, weight, problem.n_coefs) for r in residuals]
    near = [np.abs(r) <= limit for r in residuals]
    own, others = weight @ (near[0] & ~near[1]), weight @ (near[1] & ~near[0])
    is_worse = values[1] > AS_GOOD * values[0] and scales[1] > scales[0]
    has_majority = weight @ near[0] > MAJORITY * weight.sum()
    is_worse &= others < AS_MANY * own or has_majority
    if is_worse and not _keeps_cluster(design, weight, residuals, kept):
        return
    trim = model.trim_ if hasattr(model, "trim_") else model.trim
    why = "better for all but a tight cluster" if is_worse else "about as good"
    warn(
        f"{type(model).__name__} has another minimum, {other.distance:.0f} standard "
        f"errors away and {why} (other_minimum_): the rows follow two laws, or "
        f"a cluster of outliers does, and trim={trim:g} cannot tell which is "
        f"right. Compare both, and fits with another trim.",
        UserWarning,
    )


def _keeps_cluster(design, weight, residuals, kept) -> bool:
    """Whether the rows that only the fit keeps are a cluster that deceives it.

    They are close together, beside all rows, and the others follow the other minimum. A
    fit through a cluster has small residuals there for no reason of the law.
    """
    own = kept[0] & ~kept[1]
    rest = weight * ~own
    typical = [weighted_quantile(np.abs(r), rest, 0.5) for r in residuals]
    if not weight @ own or typical[0] <= typical[1]:
        return False
    spread = []
    for mask in (own, True):
        index = np.flatnonzero(mask & (weight > 0))
        index = index[some_rows(index.size, MAX_CLUSTER)]
        mass, rows = weight[index], design.rows(index)
        middle = [weighted_quantile(column, mass, 0.5) for column in rows.T]
        distance = np.linalg.norm(rows - middle, axis=1)
        spread.append(weighted_quantile(distance, mass, 0.5))
    return bool(spread[0] < CLUSTERED * spread[1])


def bisquare_scale(residual, weight, n_coefs: int) -> float:
    """The scale at which the mean bisquare loss is half of its largest."""
    total = weight.sum()
    size = np.abs(residual)
    typical = float(weighted_quantile(size, weight, 0.5))
    if typical == 0:
        return 0.0
    aim = 0.5 * max(1 - n_coefs / total, 0.1)

    def excess(logarithm):
        square = np.minimum(size / (BISQUARE * typical * math.exp(logarithm)), 1.0) ** 2
        return weight @ (1 - (1 - square) ** 3) / total - aim

    low, high = -1.0, 1.0
    while excess(low) < 0 and low > -30:
        low *= 2
    while excess(high) > 0 and high < 30:
        high *= 2
    if excess(low) <= 0:
        return 0.0
    return typical * math.exp(brentq(excess, low, high, xtol=1e-6))
