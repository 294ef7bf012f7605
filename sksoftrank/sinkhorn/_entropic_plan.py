"""Entropic optimal transport on the line: plans of batches, and their derivatives.

A plan couples the points of its rows (weights a) with those of its columns (weights b);
both are in increasing order. With K the cost over epsilon it is a_i W_ij, where

    W_ij = exp(phi_j - K_ij) / sum over k of exp(phi_k - K_ik)

are the conditional probabilities of the columns, and phi, the logarithms of the column
scalings of Sinkhorn's algorithm, makes the column sums c = W'a equal to b. It maximises
the concave dual  b'phi - sum over i of a_i log sum over j of exp(phi_j - K_ij),  whose
gradient is b - c and whose negative Hessian is M = diag(c) - W' diag(a) W.

M is the Laplacian of a weighted graph on the columns. On the line this graph is close
to a path, whose Laplacian is solved by two cumulative sums. As a preconditioner it lets
conjugate gradients converge in about ten iterations, each O(nm), whatever epsilon.
Sinkhorn's algorithm needs a number of iterations that grows with 1 / epsilon.
"""

import numpy as np

EPS = np.finfo(np.float64).eps
TINY = np.finfo(np.float64).tiny

# Rounding errors of K change the sum of a plan by up to this times its largest entry.
PLAN_ROUNDING = 4 * EPS

# Levels of weights that differ by less are one: what sums of weights lose by rounding.
SAME_LEVEL = 1e-12

# Edges that carry less than this share of the mean column are treated as this wide, as
# rounding hides their true width.
NARROWEST_EDGE = 1e-13

# The inverse of less mass than this might overflow in products.
SMALLEST_MASS = 1e-150

# Far more than conjugate gradients need, unless rounding keeps them from their goal.
MAX_CG_ITER = 200


def conditionals(phi, K):
    """W of shape (batch, rows, columns), each of its rows summing to one."""
    W = phi[:, None, :] - K
    W -= W.max(axis=2, keepdims=True)
    np.exp(W, out=W)
    W /= W.sum(axis=2, keepdims=True)
    return W


def solve(K, a, b, tol, max_iter):
    """Maximise the dual of each plan of a batch.

    Parameters
    ----------
    K : ndarray of shape (batch, rows, columns)
    a, b : ndarrays of shapes (batch, rows) and (batch, columns)
        Weights that sum to one.
    tol : float
        Largest sum of ``abs(c - b)``. More than what rounding allows is not tried.
    max_iter : int
        Largest number of steps.

    Returns
    -------
    phi : ndarray of shape (batch, columns)
    W : ndarray of shape (batch, rows, columns)
    error : ndarray of shape (batch,)
        The sums of ``abs(c - b)`` that were reached.
    """
    phi = _first_scalings(K, a, b)
    W, c, error = _evaluate(phi, K, a, b)
    goal = np.maximum(tol, PLAN_ROUNDING * np.abs(K).max(axis=(1, 2)))
    for _ in range(max_iter):
        is_active = error > goal
        if not is_active.any():
            break
        # A slice does not copy.
        some = slice(None) if is_active.all() else np.flatnonzero(is_active)
        phi[some], W[some], c[some], error[some] = _step(
            phi[some], W[some], c[some], error[some], K[some], a[some], b[some]
        )
    return phi, W, error


def _evaluate(phi, K, a, b):
    W = conditionals(phi, K)
    c = np.matmul(a[:, None, :], W)[:, 0]
    return W, c, np.abs(c - b).sum(axis=1)


def _first_scalings(K, a, b):
    """Scalings of the optimal plan without entropy, which is monotone.

    Potentials are equal to the cost where the plan has mass; between two columns that
    share no row they are free within an interval, of which this takes the middle.
    """
    # The rows in which the mass of one column ends and that of the next begins.
    row_levels = np.cumsum(a, axis=1)[:, None, :]
    column_levels = np.cumsum(b, axis=1)[:, :-1, None]
    last_row = a.shape[1] - 1
    ends = (row_levels < column_levels - SAME_LEVEL).sum(axis=2)
    begins = (row_levels <= column_levels + SAME_LEVEL).sum(axis=2)
    batch, column = np.ogrid[: len(K), : K.shape[2] - 1]
    steps = np.zeros(b.shape)
    for row in (np.minimum(ends, last_row), np.minimum(begins, last_row)):
        steps[:, 1:] += (K[batch, row, column + 1] - K[batch, row, column]) / 2
    return _log(b) + np.cumsum(steps, axis=1)


def _log(b):
    with np.errstate(divide="ignore"):
        return np.log(b)  # -inf for columns without weight


def _step(phi, W, c, error, K, a, b):
    """A damped Newton step, or the next more careful one where the error grows."""
    # A loose solution is enough far from the optimum.
    rtol = np.clip(error, 1e-6, 0.1)
    newton = ColumnLaplacian(W, a, c).solve(b - c, rtol)
    new_phi = phi + _damp(newton)
    new_W, new_c, new_error = _evaluate(new_phi, K, a, b)
    for careful in (_shorten(newton), _sinkhorn_step(b, c)):
        failed = np.flatnonzero(~(new_error < 0.9 * error))
        if not failed.size:
            break
        new_phi[failed] = phi[failed] + careful[failed]
        new_W[failed], new_c[failed], new_error[failed] = _evaluate(
            new_phi[failed], K[failed], a[failed], b[failed]
        )
    return new_phi, new_W, new_c, new_error


def _shorten(step):
    """The share of a Newton step along which the dual is sure to rise.

    Its third derivative along a step is at most the step's range times its second.
    """
    size = np.maximum(np.ptp(step, axis=1, keepdims=True), TINY)
    return step * (np.log1p(size) / size)


def _sinkhorn_step(b, c):
    """The step of Sinkhorn's algorithm, which never increases the error."""
    ratio = _log(b) - np.log(np.maximum(c, TINY))
    return np.where(b > 0, ratio, 0.0)


def _damp(step):
    """Let the scalings of neighbours move apart by the logarithm of large steps.

    Where little mass flows between neighbours, their dual is close to an exponential of
    the difference, of which Newton's method overshoots by an exponential.
    """
    rise = np.diff(step, axis=1)
    size = np.abs(rise)
    rise = np.where(size > 1, np.sign(rise) * (1 + np.log(np.maximum(size, 1))), rise)
    damped = np.zeros(step.shape)
    np.cumsum(rise, axis=1, out=damped[:, 1:])
    return damped


class ColumnLaplacian:
    """M = diag(c) - W' diag(a) W of a batch of plans.

    The preconditioner is the sum of the inverse of diag(c), which is right for what
    oscillates, and of the inverse of the Laplacian of a path, which is right for what
    varies slowly: its edges are such that it agrees with M on linear vectors.
    """

    def __init__(self, W, a, c):
        self.W, self.a, self.c = W, a, c
        n_columns = c.shape[1]
        self._narrowest = NARROWEST_EDGE / n_columns
        self._share = c / c.sum(axis=1, keepdims=True)
        # Columns whose mass has all but vanished move with their neighbours.
        has_mass = c > SMALLEST_MASS
        self._inverse_c = np.where(has_mass, 1 / np.where(has_mass, c, 1.0), 0.0)
        linear = np.broadcast_to(np.arange(float(n_columns)), c.shape)
        flow = -np.cumsum(self._multiply(linear), axis=1)[:, :-1]
        self._edges = np.maximum(flow, 0) + self._narrowest

    def _multiply(self, z):
        mean = np.matmul(self.W, z[:, :, None])[:, :, 0]
        return self.c * z - np.matmul((self.a * mean)[:, None, :], self.W)[:, 0]

    def _multiply_regularized(self, z):
        product = self._multiply(z)
        flow = self._narrowest * np.diff(z, axis=1)
        product[:, :-1] -= flow
        product[:, 1:] += flow
        return product

    def _precondition(self, r):
        flow = np.cumsum(r, axis=1)[:, :-1]
        z = self._inverse_c * r
        z[:, 1:] -= np.cumsum(flow / self._edges, axis=1)
        return z

    def _balance(self, r):
        """Remove what rounding adds along the kernel of M, the constants."""
        return r - self._share * r.sum(axis=1, keepdims=True)

    def solve(self, r, rtol):
        """Preconditioned conjugate gradients for M z = r, up to a constant in z."""
        # Near 1, such that energies do not leave the floats.
        _, exponent = np.frexp(np.abs(r).max(axis=1, keepdims=True, initial=0.0))
        r = self._balance(np.ldexp(r, -exponent))
        s = self._precondition(r)
        z, p = np.zeros(r.shape), s
        energy = np.einsum("bc,bc->b", r, s)
        goal = rtol**2 * energy
        # Rounding may make it negative where r is hardly more than that: z is 0 there.
        is_active = energy > 0
        for _ in range(MAX_CG_ITER):
            is_active &= energy > goal
            if not is_active.any():
                break
            Mp = self._multiply_regularized(p)
            curvature = np.einsum("bc,bc->b", p, Mp)
            is_active &= curvature > 0
            length = np.where(is_active, energy / np.where(is_active, curvature, 1), 0)
            z += length[:, None] * p
            r = self._balance(r - length[:, None] * Mp)
            s = self._precondition(r)
            new_energy = np.where(is_active, np.einsum("bc,bc->b", r, s), 0.0)
            ratio = np.where(is_active, new_energy / np.where(is_active, energy, 1), 0)
            p = s + ratio[:, None] * p
            energy = new_energy
        with np.errstate(over="ignore"):
            return np.ldexp(z, exponent)


def hard_conditionals(a, b, row_starts, row_ends, column_starts, column_ends):
    """W of the monotone plan, the limit for epsilon -> 0 with strictly convex costs.

    Tied points, from `starts` to `ends` (indices of the first and the last of the ties
    of each point), share their mass. A row without weight takes the column at its place
    in the order, or the mean of the two columns that meet there.

    Weights may have any sum: exact results for integers need integer weights.
    """
    # The same total on both sides.
    row_levels = _levels(a * b.sum(axis=1, keepdims=True))
    column_levels = _levels(b * a.sum(axis=1, keepdims=True))
    # But for rounding.
    top = np.minimum(row_levels[:, -1:], column_levels[:, -1:])
    row_low, row_high = _interval(np.minimum(row_levels, top), row_starts, row_ends)
    low, high = _interval(np.minimum(column_levels, top), column_starts, column_ends)
    row_low, row_high = row_low[:, :, None], row_high[:, :, None]
    low, high = low[:, None, :], high[:, None, :]
    # Tied columns share what falls on them by weight.
    low_level, high_level = _interval(_levels(b), column_starts, column_ends)
    width = high_level - low_level
    share = b / np.where(width > 0, width, 1.0)
    overlap = np.maximum(np.minimum(row_high, high) - np.maximum(row_low, low), 0.0)
    touches = (low <= row_high) & (row_low <= high)
    W = np.where(row_high > row_low, overlap, touches) * share[:, None, :]
    W /= W.sum(axis=2, keepdims=True)
    return W


def _levels(weights):
    levels = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=levels[:, 1:])
    return levels


def _interval(levels, starts, ends):
    """Levels at which the ties of each point begin and end."""
    return (
        np.take_along_axis(levels, starts, axis=1),
        np.take_along_axis(levels, ends + 1, axis=1),
    )
