"""Minimisation of functions with kinks."""

import math

import numpy as np

from ._trimmed_squares import Minimum

# Evaluations of one line search.
MAX_BISECTIONS = 50


def minimize_kinked(function, x, *, max_iter, tol, report=None, after=None):
    """Minimise a continuous function that is smooth but for kinks, also at the minimum.

    BFGS with a line search for the weak Wolfe conditions, which in practice reaches a
    local minimum [1]_. The searches of SciPy are for the strong conditions, which ask
    for a small slope. Across a kink there is none, and they can end far from a minimum.

    Parameters
    ----------
    function : callable
        Returns the value at x, at least 0, and the gradient.
    x : ndarray of shape (n,)
        Where to start; n^2 numbers are stored.
    max_iter : int
        Largest number of iterations.
    tol : float
        The iteration ends where no derivative exceeds ``tol * sqrt(2 * value)``, or no
        step descends.
    report : callable, default=None
        Is given a line of text every tenth iteration.
    after : callable, default=None
        Is given x after each iteration, and says whether to stop.

    Returns
    -------
    Minimum
        The last point, the number of iterations, and a message if they were too few.

    References
    ----------
    .. [1] A. S. Lewis, M. L. Overton, "Nonsmooth Optimization via Quasi-Newton
       Methods", Mathematical Programming 141, 2013.
    """
    value, gradient = function(x)
    inverse = np.eye(x.size)
    for n_iter in range(max_iter):
        if np.abs(gradient).max() <= tol * math.sqrt(2 * value):
            return Minimum(x, n_iter, None)
        direction = -inverse @ gradient
        step, next_value, next_gradient = _weak_wolfe(
            function, x, value, gradient, direction
        )
        change = next_gradient - gradient
        curvature = change @ step
        if not (next_value < value and curvature > 0):
            return Minimum(x, n_iter, None)
        x, value, gradient = x + step, next_value, next_gradient
        if n_iter == 0:
            inverse *= curvature / (change @ change)
        shear = np.eye(x.size) - np.outer(step, change) / curvature
        inverse = shear @ inverse @ shear.T + np.outer(step, step) / curvature
        if report is not None and (n_iter + 1) % 10 == 0:
            report(f"iteration {n_iter + 1}, objective {value:.6g}")
        if after is not None and after(x):
            return Minimum(x, n_iter + 1, None, is_stopped=True)
    return Minimum(x, max_iter, f"{max_iter} iterations were not enough.")


def _weak_wolfe(function, x, value, gradient, direction):
    """Step to a lower value and a flatter slope, by bisection; value and gradient."""
    slope = gradient @ direction
    low, high, length = 0.0, math.inf, 1.0
    for _ in range(MAX_BISECTIONS):
        new_value, new_gradient = function(x + length * direction)
        if new_value > value + 1e-4 * length * slope:
            high = length
        elif new_gradient @ direction < 0.9 * slope:
            low = length
        else:
            break
        length = 2 * length if math.isinf(high) else 0.5 * (low + high)
    return length * direction, new_value, new_gradient
