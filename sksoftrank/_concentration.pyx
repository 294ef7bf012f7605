# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: concentration steps of least trimmed squares, for many fits.

A step is the least-squares fit of the rows with the smallest residuals (Rousseeuw &
Van Driessen 2006), or, smoothed, with the weights of a soft choice of them. Rows and
fits are those of `_least_squares.pyx`. Of ties at the boundary of the rows that are
kept each has a part.
"""

from libc.math cimport INFINITY, NAN, isfinite
from libc.stdlib cimport free
from libc.string cimport memcpy

from ._least_squares cimport (
    Data, Fit, begin_fits, change_rows, data_of, end_fits, fit_wanted, solve,
    weight_of,
)
from ._order cimport insert_few
from ._row_loops cimport sk_count, sk_residuals, sk_squares, sk_weigh
from ._selection cimport (
    Boundary, Goal, Losses, Room, Threshold, find_threshold, new_room, select,
)

cdef enum:
    # Passes over the losses after which those still open are sorted.
    PASSES = 12
    FEW = 4
    # Losses that give the first guess of a boundary.
    SAMPLE = 15

cdef double TINY = 2.2250738585072014e-308
cdef double ROUNDING = 1e-12


# --- the rows to keep ---------------------------------------------------------------

cdef double first_guess(const double* v, Py_ssize_t n, double part) noexcept nogil:
    """A value that about this part of the values does not exceed."""
    cdef double[SAMPLE] some
    cdef Py_ssize_t i, m = min(n, <Py_ssize_t> SAMPLE)
    for i in range(m):
        some[i] = v[i * n // m]
    insert_few(some, m)
    return some[min(<Py_ssize_t> (part * m), m - 1)]


cdef Boundary find_boundary(
    const double* v, const double* w, Py_ssize_t n, double total, double kept,
    double guess, double* spare, double* spare_weight, Py_ssize_t* work
) noexcept nogil:
    """Where the smallest values of the weight `kept` end.

    Counting those up to a limit, which SIMD does, takes less time than sorting. The
    boundary is any between the last that is kept and the next, with nothing tied, or it
    is at the last. Values are at least 0, and w is NULL for weights of 1.
    """
    cdef double low = -INFINITY, high = INFINITY, below = 0.0, up_to = total
    cdef double mass, limit = guess, ratio, few = FEW * total / n
    cdef Py_ssize_t i, m
    cdef int n_passes = 0
    cdef Boundary found
    if not (limit > 0.0 and isfinite(limit)):
        limit = first_guess(v, n, kept / total)
    while n_passes < PASSES and up_to - below > few and low < limit < high:
        n_passes += 1
        mass = sk_count(v, n, limit) if w == NULL else sk_weigh(v, w, n, limit)
        if mass == kept:
            found.value = limit
            found.below = kept
            found.tied = 0.0
            return found
        if mass < kept:
            low = limit
            below = mass
        else:
            high = limit
            up_to = mass
        if not isfinite(high):  # sizes of residuals are uniform, these are squares
            ratio = min(max(kept / max(mass, TINY), 1.05), 3.0)
            limit *= ratio * ratio
        elif n_passes % 4 == 3:
            limit = 0.5 * (max(low, 0.0) + high)
        else:
            ratio = (kept - below) / (up_to - below)
            limit = max(low, 0.0) + (high - max(low, 0.0)) * ratio
    m = 0
    for i in range(n):
        spare[m] = v[i]
        if w != NULL:
            spare_weight[m] = w[i]
        m += (v[i] > low) & (v[i] <= high) & (w == NULL or w[i] > 0.0)
    if m == 0:  # not numbers
        found.value = high
        found.below = below
        found.tied = 0.0
        return found
    if w == NULL:
        spare_weight = NULL
    return select(spare, spare_weight, m, below, kept * (1.0 - ROUNDING), work)


cdef void choose_rows(Data data, Fit* fit, const double* losses) noexcept nogil:
    """Set the wanted masses to those of the rows with the smallest losses."""
    cdef Py_ssize_t i
    cdef double share, weight
    cdef Boundary at = find_boundary(
        losses, data.weight, data.n, data.total, data.kept, fit.guess, fit.spare,
        fit.spare_weight, &fit.work)
    fit.guess = at.value
    share = 1.0
    if at.tied > 0.0:
        share = min(max((data.kept - at.below) / at.tied, 0.0), 1.0)
    for i in range(data.n):
        weight = weight_of(data, i)
        fit.wanted[i] = weight if losses[i] < at.value else (
            share * weight if losses[i] == at.value else 0.0)


cdef void find_losses(Data data, Fit* fit, const double* z) noexcept nogil:
    sk_residuals(data.columns, data.stride, data.q, z, fit.residual)
    sk_squares(fit.residual, data.stride, fit.losses)


cdef double objective(Data data, Fit* fit, const double* z) noexcept nogil:
    """Half the mean of the losses that are to be kept, and the penalty."""
    cdef double total = 0.0, pull
    cdef Py_ssize_t i, j
    for i in range(data.n):
        total += fit.wanted[i] * fit.losses[i]
    total /= data.kept
    if data.penalty != NULL:
        for i in range(data.q):
            pull = 0.0
            for j in range(data.q):
                pull += data.penalty[i * data.q + j] * z[j]
            total += z[i] * pull
    return 0.5 * total if isfinite(total) else INFINITY


# --- steps --------------------------------------------------------------------------

cdef void concentrate_one(
    Data data, Fit* fit, double* z, Py_ssize_t n_steps, double momentum
) noexcept nogil:
    cdef Py_ssize_t k
    cdef bint moves = False, anew = True
    fit.guess = 0.0
    memcpy(fit.last, z, data.q * sizeof(double))
    for _ in range(n_steps):
        for k in range(data.q):
            fit.ahead[k] = z[k] + momentum * (z[k] - fit.last[k])
            fit.last[k] = z[k]
        find_losses(data, fit, fit.ahead)
        choose_rows(data, fit, fit.losses)
        if change_rows(data, fit, anew):
            solve(data, fit.gram, data.kept, fit.factor, z)
            moves = True
        elif not moves:  # twice the same rows
            return
        else:
            moves = False
        anew = False


cdef Py_ssize_t smooth_one(
    Data data, Fit* fit, Room* room, double* z, double scale, double epsilon,
    double settled, Py_ssize_t max_steps
) noexcept nogil:
    """Least squares with the weights of a soft choice, repeated; how often."""
    cdef double square = scale * scale, moved = INFINITY, limit, part, product
    cdef Py_ssize_t i, k, n_steps = 0
    cdef Losses losses
    cdef Goal goal
    cdef Threshold at
    losses.value = fit.losses
    losses.weight = data.weight
    losses.size = data.n
    goal.epsilon = epsilon
    goal.share = data.kept / data.total
    goal.rest = 1.0 - goal.share
    limit = data.q * settled * settled * square
    while n_steps < max_steps and moved > limit:
        n_steps += 1
        memcpy(fit.last, z, data.q * sizeof(double))
        find_losses(data, fit, z)
        for i in range(data.n):
            fit.losses[i] *= 0.5 / square
        find_threshold(losses, goal, data.kept, NAN, &at, room)
        for i in range(data.n):
            part = at.offset - (fit.losses[i] - at.anchor) / epsilon
            part = min(max(part, -goal.share), goal.rest) + goal.share
            fit.wanted[i] = part if data.weight == NULL else part * data.weight[i]
        fit_wanted(data, fit, z)
        moved = 0.0
        for k in range(data.q):
            fit.last[k] = z[k] - fit.last[k]
        for i in range(data.n):
            product = 0.0
            for k in range(data.q):
                product += data.rows[i * data.width + k] * fit.last[k]
            moved += fit.wanted[i] * product * product
    return n_steps


# --- doors --------------------------------------------------------------------------

def concentrate_fits(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept, double[:, ::1] z, Py_ssize_t n_steps,
    double momentum,
):
    """Repeat least squares on the rows that each fit keeps.

    weight (IN, n, or None: all 1); penalty (IN, q times q, or None); kept: the weight
    of the rows to keep, whole without weights; z (IN, OUT, fits times q).
    """
    cdef Py_ssize_t i
    cdef Data data = data_of(columns, rows, weight, penalty, kept)
    cdef Fit fit
    begin_fits(data, &fit)
    with nogil:
        for i in range(z.shape[0]):
            concentrate_one(data, &fit, &z[i, 0], n_steps, momentum)
    end_fits(&fit)


def fit_smallest(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept, const double[:, ::1] values,
    double[:, ::1] z,
):
    """Least squares (OUT, fits times q) of the rows that have the smallest values.

    values (IN, fits times n), at least 0; else as for `concentrate_fits`.
    """
    cdef Py_ssize_t i
    cdef Data data = data_of(columns, rows, weight, penalty, kept)
    cdef Fit fit
    begin_fits(data, &fit)
    with nogil:
        for i in range(z.shape[0]):
            fit.guess = 0.0
            choose_rows(data, &fit, &values[i, 0])
            fit_wanted(data, &fit, &z[i, 0])
    end_fits(&fit)


def evaluate_fits(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept, const double[:, ::1] z,
    double exact_squares, double exact_row, double[::1] value,
):
    """Objectives (OUT) of the fits z; of exact ones minus the weight on the plane.

    exact_squares, exact_row: objectives, and squares of single residuals, up to these
    are rounding errors. Else as for `concentrate_fits`.
    """
    cdef Py_ssize_t i, j
    cdef Data data = data_of(columns, rows, weight, penalty, kept)
    cdef Fit fit
    cdef double mass
    begin_fits(data, &fit)
    with nogil:
        for i in range(z.shape[0]):
            find_losses(data, &fit, &z[i, 0])
            choose_rows(data, &fit, fit.losses)
            value[i] = objective(data, &fit, &z[i, 0])
            if value[i] <= exact_squares:
                mass = 0.0
                for j in range(data.n):
                    if fit.losses[j] <= exact_row:
                        mass += weight_of(data, j)
                value[i] = -mass
    end_fits(&fit)


def smooth_fits(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept, double[:, ::1] z, double scale,
    double epsilon, double settled, Py_ssize_t max_steps, double[::1] masses,
):
    """Repeat least squares with the weights of soft choices.

    For losses in units of scale**2, until a step moves a fit by no more than `settled`
    standard errors. kept, here: less than all of the weight; z (IN, OUT); masses (OUT,
    n): those of the first fit, in its last step. Else as for `concentrate_fits`.
    Returns the number of steps.
    """
    cdef Py_ssize_t i, n_steps = 0
    cdef Data data = data_of(columns, rows, weight, penalty, kept)
    cdef Fit fit
    cdef Room room = new_room(data.n)
    if room.value == NULL:
        raise MemoryError
    try:
        begin_fits(data, &fit)
        with nogil:
            for i in range(z.shape[0]):
                n_steps += smooth_one(
                    data, &fit, &room, &z[i, 0], scale, epsilon, settled, max_steps)
                if i == 0:
                    memcpy(&masses[0], fit.wanted, data.n * sizeof(double))
        end_fits(&fit)
    finally:
        free(room.value)
    return n_steps
