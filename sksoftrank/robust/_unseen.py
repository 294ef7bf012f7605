"""Directions of the coefficients that the kept rows do not see.

Least trimmed squares keeps h rows. On these a dummy, or the difference of two nearly
equal features, may not vary at all, and then any coefficient gives the same objective.
The rows that do see the direction tell it: the same estimator is fitted to what the
fit leaves of them. (Maronna & Yohai 2000 treat dummies in another such alternation.)
"""

import numpy as np

from .._linear import EPS, NOISE

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
    sees = (np.abs(rows) > NOISE * error).any(axis=1) & (problem.weight > 0)
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
