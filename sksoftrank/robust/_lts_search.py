"""Search for the global minimum of least trimmed squares (LTS)."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils import gen_even_slices
from sklearn.utils.random import sample_without_replacement

from ..linear._design import MAX_WHITENED_RANK
from ..losses._choices import trimmed_choice
from ._lts_rows import EXACT_SQUARES, MOMENTUM, TrimmedRows
from ._lts_starts import (
    HUBER_STEPS,
    central_fits,
    draw,
    elemental_fits,
    huber_fits,
    huber_weights,
    projection_fits,
    resampled_sensitivity_fits,
    sensitivity_fits,
    subset_fits,
)
from ._lts_steps import concentrate
from ._normal_equations import SAME, best_fits
from ._other_minimum import DIFFERENT, other_fits

# Larger data are not tested for an exact fit of all rows. Mean squares up to this may
# be rounding errors that a second fit takes away.
MAX_INTERPOLATED = 10_000
MAYBE_EXACT = 1e-6

# Larger data are searched in random groups of at least this many rows, then together.
GROUP_SIZE = 400
N_GROUPS = 2

# Random starts by default, for large, small and sparse data, and how many are dealt
# with at once; the tolerance of those of sparse data.
N_INIT = 30
N_INIT_SMALL = 300
N_INIT_SPARSE = 10
START_TOLERANCE = 1e-5
CHUNK_OF_STARTS = 100

# With more coordinates than this hardly any rows drawn at random are clean: by default
# there are no such starts.
MAX_ELEMENTAL_RANK = 64

# Bootstrap samples of small data.
N_SAMPLES = 8

# Of more repeats than this, draws with and without replacement are the same.
MANY_REPEATS = 10**7

# Fits that go on from many starts.
N_BEST = 10

# Starts on a group of rows that are worth concentration steps.
N_PROMISING = 30
MAX_PROMISING = 300

# Concentration steps for all starts, and for the best.
FIRST_STEPS = 2
NEXT_STEPS = 6


class Effort(NamedTuple):
    """How much to improve the best fits of all rows."""

    n_best: int  # fits that go on
    n_minima: int  # of which so many become local minima
    n_rounds: int  # of fits of small parts of the rows that these keep
    n_parts: int  # such fits in a round


# Up to this many rows, and operations for a fit, time is spent on the best objective,
# so that hardly any table has another fit for another seed; and with more rows where
# the hard fit is no mere start.
SMALL = 600
SMALL_FIT = 500_000
EXHAUSTIVE = Effort(n_best=60, n_minima=30, n_rounds=32, n_parts=120)
THOROUGH = Effort(n_best=10, n_minima=8, n_rounds=16, n_parts=30)
QUICK = Effort(n_best=3, n_minima=1, n_rounds=1, n_parts=12)

# Rounds end after so many that find nothing better, or after fewer: as many as there
# are fits of nearly the best objective.
MAX_IDLE_ROUNDS = 5
NEARLY_BEST = 1.1

# A second fit goes on from samples to all rows if its objective is at most this much
# larger, and enough of the kept rows are different.
RIVAL = 1.1

# Next, larger and larger samples are fitted, each this much larger than the last.
GROWTH = 10


class Start(NamedTuple):
    """Where to start: a local minimum of the hard trimmed objective."""

    z: np.ndarray  # coordinates of the design
    n_fits: int  # least-squares fits that it took
    message: str | None  # what went wrong
    gram: np.ndarray | None = None  # of the rows that are kept, if known
    others: tuple[np.ndarray, ...] = ()  # coordinates near other minima


def lts_search(
    design,
    y,
    sample_weight,
    n_kept,
    *,
    n_init="auto",
    random_state,
    n_jobs=None,
    max_iter,
    tol,
    thorough=False,
):
    """Search for the global minimum of least trimmed squares.

    Parameters
    ----------
    design : LinearDesign
        Features.
    y : ndarray of shape (n_samples,)
        Targets around their median, or without an intercept around 0.
    sample_weight : ndarray of shape (n_samples,)
        Frequencies, at least 0.
    n_kept : float
        Sum of the weights of the observations to keep.
    n_init : int or "auto", default="auto"
        Number of random starts.
    random_state : RandomState
        Source of the random numbers.
    n_jobs : int, default=None
        Number of threads.
    max_iter : int
        Largest number of concentration steps at the end, on all rows.
    tol : float
        These steps end where no derivative of the objective exceeds this.
    thorough : bool, default=False
        Whether to spend time on the last per mille of the objective.

    Returns
    -------
    Start
        The best local minimum found.
    """
    control = {"max_iter": max_iter, "tol": tol}
    data = design, y, sample_weight, n_kept
    origin = np.zeros(design.n_coordinates)
    typical = trimmed_choice(y**2, sample_weight, n_kept, 0.0)[0]
    if typical == 0 or origin.size == 0:
        return Start(origin, 0, None)
    if n_kept >= sample_weight.sum():
        return least_squares_start(*data, **control)
    unit = math.sqrt(typical)
    data = design, y / unit, sample_weight, n_kept
    if y.size <= MAX_INTERPOLATED:
        # Where all rows can be fitted exactly, others fit h of them as well.
        z = np.zeros(design.n_coordinates)
        for limit in (MAYBE_EXACT, EXACT_SQUARES):  # then without rounding errors
            z = _weighted_fit(*data[:3], z)
            square = (data[1] - design.predict(z)) ** 2
            if sample_weight @ square > limit * sample_weight.sum():
                break
        else:
            return Start(z * unit, 2, None)
    is_wide = design.n_coordinates > MAX_WHITENED_RANK + 1
    search = _search_wide if is_wide else _search_dense
    with np.errstate(over="ignore", invalid="ignore"):
        fits, n_fits, others = search(*data, n_init, random_state, n_jobs, thorough)
    best: Any = None
    for z in fits:
        z, value, n_steps, message, gram = concentrate(*data, z, **control)
        n_fits += n_steps
        if best is None or value < best[0]:
            best = value, z, message, gram
    _, z, message, gram = best
    return Start(z * unit, n_fits, message, gram, tuple(unit * others))


def least_squares_start(design, y, sample_weight, n_kept, *, max_iter, tol):
    """Least squares, then concentration steps until they change nothing."""
    z = _least_squares(design, y, sample_weight)
    if n_kept >= sample_weight.sum():
        return Start(z, 2, None)
    z, _, n_steps, message, gram = concentrate(
        design, y, sample_weight, n_kept, z, max_iter=max_iter, tol=tol
    )
    return Start(z, 2 + n_steps, message, gram)


def _least_squares(design, y, sample_weight):
    """Coordinates of the (ridge) fit of all rows."""
    z = np.zeros(design.n_coordinates)
    for _ in range(2):  # the second time corrects rounding errors
        z = _weighted_fit(design, y, sample_weight, z)
    return z


def _weighted_fit(design, y, weight, z, **options):
    """Coordinates of the (ridge) fit with these row weights, from z on."""
    row_weight = weight / weight.sum()
    residual = y - design.predict(z)
    gradient = design.penalty * z - design.pull_back(row_weight * residual)
    return z + design.newton_step(z, y, gradient, row_weight, **options)


def _search_dense(design, y, sample_weight, n_kept, n_init, rng, n_jobs, thorough):
    """Fits near the best local minima, and the number of fits that it took."""
    total = sample_weight.sum()
    size = max(GROUP_SIZE, 20 * design.n_coordinates)

    def sampled_rows(index):
        kept = max(round(n_kept / total * index.size), 1)
        return TrimmedRows(
            design.rows(index), y[index], None, kept, design.penalty, design.noise
        )

    n_rows = np.count_nonzero(sample_weight)
    if n_rows <= 2 * N_GROUPS * size:
        weight = None if (sample_weight == 1).all() else sample_weight
        raw = design.rows(np.arange(y.size))
        rows = TrimmedRows(raw, y, weight, n_kept, design.penalty, design.noise)
        groups = [rows]
        if total > 1.2 * size:
            groups = [sampled_rows(_sample(sample_weight, size, rng))]
        z, n_first = _search_groups(groups, rows, n_init, rng, n_jobs)
        effort = THOROUGH if thorough else QUICK
        if _is_small(rows):
            effort = EXHAUSTIVE
        pool = z
        z, n_next = _improve(rows, z, effort, rng)
        others, n_other = other_fits(rows, pool, z[0])
        back = rows.transform.T
        return z @ back, n_first + n_next + n_other, others @ back

    sizes = [N_GROUPS * size]
    while 2 * GROWTH * sizes[-1] <= n_rows:
        sizes.append(GROWTH * sizes[-1])
    index = _sample(sample_weight, sizes[-1], rng)
    pooled = index[: sizes[0]]
    rows = sampled_rows(pooled)
    groups = [sampled_rows(part) for part in pooled.reshape(N_GROUPS, size)]
    pool, n_fits = _search_groups(groups, rows, n_init, rng, n_jobs)
    z, _ = best_fits(pool, rows.evaluate(pool), N_BEST)
    n_fits += len(z) * NEXT_STEPS
    z = rows.concentrate(z, NEXT_STEPS, MOMENTUM)
    z = _rivals(rows, *best_fits(z, rows.evaluate(z), N_BEST))
    others, n_other = other_fits(rows, pool, z[0])
    n_fits += n_other
    z, others = z @ rows.transform.T, others @ rows.transform.T
    for size in sizes[1:]:
        part = index[:size]
        kept = max(round(n_kept / total * size), 1)
        data = design.take(part), y[part], np.ones(size), kept
        fits = [concentrate(*data, start, max_iter=100, tol=1e-4) for start in z]
        best = min(fits, key=lambda fit: fit[1])
        n_fits += sum(fit[2] for fit in fits)
        z = best[0][None]
    return z, n_fits, others


def _sample(sample_weight, size, rng):
    """Rows drawn without replacement from all repeats of all rows."""
    if (sample_weight == 1).all():
        unit = sample_without_replacement(sample_weight.size, size, random_state=rng)
        return rng.permutation(unit)
    cumulated = np.cumsum(sample_weight)
    if cumulated[-1] > MANY_REPEATS:  # hardly any draw would come twice
        unit = rng.random_sample(size) * cumulated[-1]
    else:
        total = int(cumulated[-1])
        unit = sample_without_replacement(total, size, random_state=rng)
        unit = rng.permutation(unit) + 0.5
    return np.searchsorted(cumulated, unit, side="right")


def _is_small(rows):
    n_rows, n_coordinates = rows.rows.shape
    return n_rows <= SMALL and n_rows * n_coordinates**2 <= SMALL_FIT


def _search_groups(groups, rows, n_init, rng, n_jobs):
    """The best fits of each group, in the coordinates of `rows`, and their number."""
    if n_init == "auto":
        n_init = N_INIT_SMALL if _is_small(rows) else N_INIT
        if rows.n_coordinates > MAX_ELEMENTAL_RANK:
            n_init = 0
    starts = [_deterministic_fits] * len(groups)
    if _is_small(rows):
        starts.append(partial(_resampled_fits, seed=rng.randint(2**31 - 1)))
    n_chunks = -(-n_init // CHUNK_OF_STARTS)
    if n_init:
        n_chunks = max(n_chunks, len(groups))
        for part in gen_even_slices(n_init, n_chunks):
            size = part.stop - part.start
            starts.append(partial(_random_fits, size, seed=rng.randint(2**31 - 1)))
    # The more coordinates, the less a start tells of where it leads.
    n_promising = max(N_PROMISING, min(rows.n_coordinates**2 // 4, MAX_PROMISING))
    if _is_small(rows):
        n_promising = None
    tasks = [
        (groups[i % len(groups)], start, n_promising) for i, start in enumerate(starts)
    ]
    n_threads = min(effective_n_jobs(n_jobs), len(tasks))
    if n_threads == 1:
        found = [_first_fits(*task) for task in tasks]
    else:
        with ThreadPoolExecutor(n_threads) as threads:
            found = list(threads.map(_first_fits, *zip(*tasks, strict=True)))
    z = np.vstack([fits for fits, _ in found])
    return z @ np.linalg.pinv(rows.transform).T, sum(n_fits for _, n_fits in found)


def _deterministic_fits(rows):
    huber = huber_fits(rows)
    return np.vstack(
        [
            central_fits(rows),
            huber,
            projection_fits(rows, huber),
            sensitivity_fits(rows),
        ]
    )


def _resampled_fits(rows, seed):
    return resampled_sensitivity_fits(rows, N_SAMPLES, np.random.RandomState(seed))


def _random_fits(n_fits, rows, seed):
    return elemental_fits(rows, n_fits, np.random.RandomState(seed))


def _first_fits(rows, start, n_promising):
    """The best of the fits that `start` gives, after a few steps, and their number."""
    z = start(rows)
    n_fits = len(z)
    if n_promising is not None:
        z, _ = best_fits(z, rows.evaluate(z), n_promising)
    n_fits += len(z) * FIRST_STEPS
    z = rows.concentrate(z, FIRST_STEPS)
    n_best = EXHAUSTIVE.n_best if n_promising is None else N_BEST
    z, _ = best_fits(z, rows.evaluate(z), n_best)
    return z @ rows.transform.T, n_fits


def _improve(rows, z, effort, rng):
    """A local minimum near the best of these fits, and the number of fits it took.

    Rounds of fits to small random parts of the rows that the best fits keep lead to
    better ones nearby, much faster than fits to random parts of all rows do. Exchanges
    of single rows are left to the end: a round of parts gains more.
    """
    z, value, n_fits = _settle(rows, z, effort)
    n_drawn = min(3 * rows.n_coordinates, rows.y.size)
    stale = 0
    for _ in range(effort.n_rounds):
        n_rivals = int(np.count_nonzero(value <= NEARLY_BEST * value[0]))
        if stale >= min(MAX_IDLE_ROUNDS, n_rivals) or value[0] <= EXACT_SQUARES:
            break
        masses = rows.select(rows.losses(z))
        parts = subset_fits(rows, masses, effort.n_parts, n_drawn, rng)
        parts = rows.concentrate(parts, FIRST_STEPS)
        new, new_value, n_more = _settle(rows, parts, effort)
        n_fits += len(parts) * (1 + FIRST_STEPS) + n_more
        stale = stale + 1 if new_value[0] >= value[0] * (1 - SAME) else 0
        z, value = best_fits(
            np.vstack([z, new]), np.append(value, new_value), effort.n_minima
        )
    if value[0] <= EXACT_SQUARES:
        return z[:1], n_fits
    minima = [rows.descend(start) for start in z]
    best = min(minima, key=lambda minimum: minimum[1])
    return best[0][None], n_fits + sum(n_steps for _, _, n_steps in minima)


def _settle(rows, z, effort):
    """The best fits after some steps, their objectives, and the number of fits."""
    z, _ = best_fits(z, rows.evaluate(z), effort.n_best)
    n_fits = len(z) * NEXT_STEPS
    z = rows.concentrate(z, NEXT_STEPS, MOMENTUM)
    return *best_fits(z, rows.evaluate(z), effort.n_minima), n_fits


def _rivals(rows, z, value):
    """The best fit, and the next best that keeps other rows and is nearly as good."""
    masses = rows.select(rows.losses(z))
    differs = np.abs(masses - masses[0]).sum(axis=1) > DIFFERENT * rows.n_kept
    rivals = np.flatnonzero(differs & (value < RIVAL * value[0]))[:1]
    return z[np.append(0, rivals)]


def _search_wide(design, y, sample_weight, n_kept, n_init, rng, n_jobs, thorough):
    """Fits where rows have too many coordinates for normal equations.

    A fit is expensive here, and one of as many rows as there are coordinates is seldom
    clean. The candidates are least squares, Huber's weights, and random halves of
    `n_kept`, by default few, each followed by a few concentration steps.
    """
    least_squares = _least_squares(design, y, sample_weight)
    fits = [least_squares, _huber_fit(design, y, sample_weight, least_squares)]
    cumulated = np.cumsum(sample_weight)
    if n_init == "auto":
        n_init = N_INIT if thorough else N_INIT_SPARSE
    for _ in range(n_init):
        uniform = rng.random_sample(max(1, math.ceil(n_kept / 2)))
        index = draw(cumulated, uniform)
        mass = np.bincount(index, minlength=y.size)
        origin = np.zeros_like(least_squares)
        fits.append(_weighted_fit(design, y, mass, origin, tolerance=START_TOLERANCE))
    n_fits = len(fits) + 2 + HUBER_STEPS
    values = []
    for i, z in enumerate(fits):
        fits[i], value, n_steps, *_ = concentrate(
            design, y, sample_weight, n_kept, z, max_iter=FIRST_STEPS, tol=0.0
        )
        values.append(value)
        n_fits += n_steps
    z = best_fits(np.array(fits), np.array(values), 2)[0]
    return z, n_fits, np.empty((0, design.n_coordinates))


def _huber_fit(design, y, sample_weight, z):
    """A few steps with Huber's weights."""
    for _ in range(HUBER_STEPS):
        size = np.abs(y - design.predict(z))
        weight = huber_weights(size, sample_weight.sum(), sample_weight)
        z = _weighted_fit(design, y, sample_weight * weight, z)
    return z
