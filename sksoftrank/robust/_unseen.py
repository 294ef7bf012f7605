"""Directions of the coefficients that the kept rows do not see.

Least trimmed squares keeps h rows. On these a dummy, or the difference of two nearly
equal features, may not vary at all, and then any coefficient gives the same objective.
The rows that do see the direction tell it: the same estimator is fitted to what the
fit leaves of them. (Maronna & Yohai 2000 treat dummies in another such alternation.)
"""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import maximum_bipartite_matching
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from .._checks import warn
from ..linear._algebra import EPS, GRAM_ROUNDING, NOISE, determined_inverse
from ..linear._design import CHUNK_SIZE
from ..linear._ranges import ranges
from ._coefficient_errors import noise_along

# A coefficient is lost where this part of it is undetermined; names that are listed.
LOST = 0.01
MAX_NAMES = 10

# A leverage this close to one is one.
ALONE = 1e-8

# A basis serves as long as no direction varies less than this on the kept rows.
SMALLEST_CURVATURE = 1e-4


def is_seen(design, gram):
    """Whether rows of this Gram matrix, weighing 1, see all directions well."""
    hessian = gram + np.diag(design.penalty)
    return np.linalg.eigvalsh(hessian).min(initial=1.0) > SMALLEST_CURVATURE


def fit_unseen(problem, z, **options):
    """Coordinates z with those that the core does not see fitted to the other rows.

    Parameters
    ----------
    problem : RobustProblem
        Its design has unseen coordinates.
    z : ndarray of shape (n_coordinates,)
        Coordinates, 0 for the unseen ones.
    options
        As for `RobustProblem.start`.

    Returns
    -------
    ndarray of shape (n_coordinates,)
    """
    design = problem.design
    basis = design.basis[:, design.unseen[: design.basis.shape[1]]]
    rows = design.X @ basis - design.mean @ basis
    error = abs(design.X) @ np.abs(basis) + np.abs(design.mean) @ np.abs(basis)
    error *= problem.eps
    if design.row_scale is not None:
        rows *= design.row_scale[:, None]
        error *= design.row_scale[:, None]
    used = problem.weight > 0
    # Rounding errors of the basis are those of the largest rows.
    floor = GRAM_ROUNDING * np.abs(rows[used]).max(axis=0)
    sees = (np.abs(rows) > np.maximum(NOISE * error, floor)).any(axis=1) & used
    residual = problem.residual(z)
    if (np.abs(residual[sees]) <= problem.zero).all():
        return z
    size = np.sqrt(np.mean(rows[sees] ** 2))
    others = type(problem)(
        rows[sees],
        residual[sees],
        problem.weight[sees],
        trim=problem.trim,
        alpha=problem.alpha,
        fit_intercept=False,
        eps=max(EPS, np.sqrt(np.mean(error[sees] ** 2)) / size),
    )
    others.zero = max(others.zero, problem.zero / others.unit)
    start = others.start("auto", **options)
    z = z.copy()
    z[design.unseen], _ = others.coefficients(start.z)
    return z


def lone_rows(design, gram, weight):
    """Rows that alone, among those of these frequencies, determine a direction.

    `gram` is their Gram matrix, weighing 1. The fit goes through such a row, whatever
    its target. A frequency above 1 is that of repeats, none of which is alone.
    """
    inverse, _ = determined_inverse(gram + np.diag(design.penalty), design.noise)
    inverse /= weight.sum()
    lone = np.zeros(weight.size, dtype=bool)
    # Of no coefficients old versions of NumPy know no norm.
    if not inverse.size or (
        _largest_square(design) * np.linalg.norm(inverse, 2) <= 1 - ALONE
    ):
        return lone
    for batch in _batches(design):
        rows = design.rows(batch)
        leverage = np.einsum("ij,ij->i", rows @ inverse, rows)
        leverage *= np.minimum(weight[batch], 1.0)
        lone[batch] = leverage > 1 - ALONE
    return lone


def _largest_square(design):
    """A bound on the squared lengths of all rows, by the ranges of the features."""
    reach = np.maximum(design.high - design.mean, design.mean - design.low)
    square = np.sum((reach @ np.abs(design.basis)) ** 2) + design.fit_intercept
    return square if design.row_scale is None else square * design.row_scale.max() ** 2


def undetermined_features(design, axes):
    """Which coefficients depend on these axes of the coordinates."""
    size = np.linalg.norm(design.basis, axis=1)
    part = np.abs(design.basis @ axes[: design.basis.shape[1]])
    return part.max(axis=1, initial=0.0) > LOST * size


def unseen_features(design, weight, kept):
    """Features that the kept rows, those of weight `kept` > 0, do not determine.

    For a diagonal basis, of which each axis is a feature: those that do not vary on the
    kept rows, or are not 0 in one of them only, which is not the majority of all rows,
    of weights `weight`, where they are not 0.
    """
    X = design.X
    low, high = ranges(X[kept > 0])
    is_constant = low == high if design.fit_intercept else (low == 0) & (high == 0)
    weights = np.array([weight, kept, kept > 0])
    all_at_once = [slice(None)]
    seen = np.zeros((3, X.shape[1]))
    for batch in all_at_once if sparse.issparse(X) else _batches(design):
        seen += weights[:, batch] @ (X[batch] != 0).astype(np.float64)
    is_alone = (seen[2] <= 1) & (2 * seen[1] <= seen[0])
    return (is_constant | is_alone) & (design.basis != 0)


def surplus_features(design, kept):
    """Features that are more than the kept rows that see them, and by how many.

    As many directions of their coefficients are undetermined, whatever the numbers in
    these rows, those of weight `kept` > 0. For a diagonal basis.
    """
    varies = np.flatnonzero(design.basis)
    X = design.X[kept > 0]
    is_surplus = np.zeros(design.basis.size, dtype=bool)
    if not sparse.issparse(X):  # take it that no number is 0
        n_surplus = max(varies.size + design.fit_intercept - len(X), 0)
        is_surplus[varies] = n_surplus > 0
        return is_surplus, n_surplus
    sees = (sparse.csr_array(X)[:, varies] != 0).astype(np.float64)
    if design.fit_intercept:
        sees = sparse.hstack([sees, np.ones((sees.shape[0], 1))], format="csr")
    # Each row determines one coefficient; what is left over, and what may be exchanged
    # for it, is not determined (Dulmage & Mendelsohn 1958).
    column = maximum_bipartite_matching(sees, perm_type="column")
    is_open = np.ones(sees.shape[1], dtype=bool)
    is_open[column[column >= 0]] = False
    n_surplus = int(is_open.sum())
    n_open = 0
    while n_open < is_open.sum():
        n_open = is_open.sum()
        is_open[column[(sees @ is_open > 0) & (column >= 0)]] = True
    is_surplus[varies] = is_open[: varies.size]
    return is_surplus, n_surplus


def undetermined_axes(design, weight, kept):
    """Axes that the kept rows, those of weight `kept` > 0, do not determine.

    A direction that one kept row determines alone counts as undetermined unless that
    row is the majority of all rows, of weights `weight`, that see it.
    """
    unknown = _unknown(design, kept)
    lone = lone_rows(design, design.gram(kept / kept.sum()), kept)
    if lone.any() and not lone[kept > 0].all():
        more = _unknown(design, np.where(lone, 0.0, kept))
        values = [np.abs(design.rows(batch) @ more) for batch in _batches(design)]
        value = np.vstack(values)
        largest = value.max(axis=0, initial=0.0)
        sees = value > np.maximum(ALONE * largest, noise_along(more, design))
        counts = 2 * (kept @ sees) > weight @ sees
        unknown = np.hstack([unknown, more[:, ~counts]])
    return unknown


def _batches(design):
    """Slices of rows that may be written out at once."""
    size = max(CHUNK_SIZE // max(design.n_coordinates, 1), 1)
    return gen_batches(design.X.shape[0], size)


def _unknown(design, weight):
    """Axes of the directions that rows of these weights do not determine."""
    gram = design.gram(weight / weight.sum())
    return determined_inverse(gram + np.diag(design.penalty), design.noise)[1]


def warn_undetermined(model, lost):
    """Warn of coefficients that the kept rows do not determine, by name."""
    columns = np.flatnonzero(lost)
    if columns.size == 0:
        return
    warn(
        f"The rows that {type(model).__name__} keeps do not determine the coefficients "
        f"of {_named(model, columns)}: most rows that see them are outlying or "
        f"disagree, so take these coefficients for unknown.",
    )


def warn_slow(model, problem):
    """Warn of iterations that were stopped where coefficients are many."""
    design = problem.design
    kept = problem.weight * (model.inlier_mask_ | model.support_)
    is_surplus, n_surplus = surplus_features(design, kept)
    columns = np.flatnonzero(is_surplus)
    left = (
        f", which leave at least {n_surplus} direction{'s' * (n_surplus > 1)} of those "
        f"of {_named(model, columns)} undetermined"
    )
    warn(
        f"{type(model).__name__} ended after {model.n_iter_} iterations, the last "
        f"of which lowered the objective by less than its error, for it keeps "
        f"{np.count_nonzero(kept)} rows for {np.count_nonzero(design.basis)} "
        f"coefficients{left if n_surplus else ''}: set alpha above 0.",
        ConvergenceWarning,
    )


def _named(model, columns):
    """The columns in a message, by their names if they have some."""
    names = getattr(model, "feature_names_in_", None)
    shown = [str(j) if names is None else repr(names[j]) for j in columns[:MAX_NAMES]]
    more = columns.size - len(shown)
    return (
        f"column{'s' * (columns.size > 1)} {', '.join(shown)}"
        f"{f' and {more} more' if more else ''}"
    )
