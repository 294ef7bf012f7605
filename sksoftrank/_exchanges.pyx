# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: local minima of least trimmed squares, by exchanges of rows.

Where a concentration step changes nothing, the exchange of a kept row for another that
lowers the objective most (Hawkins 1994) is made. Rows and fits are those of
`_least_squares.pyx`.
"""

from libc.math cimport INFINITY
from libc.string cimport memcpy, memset

from ._concentration cimport ROUNDING, choose_rows, find_losses, objective
from ._least_squares cimport (
    Data, Fit, begin_fits, change_rows, data_of, end_fits, solve, weight_of,
)
from ._row_loops cimport sk_exchange, sk_leverage
from ._selection cimport Boundary, select

cpdef enum:
    # Rows on either side that are considered for an exchange.
    MAX_EXCHANGED = 64

cdef double EPS = 2.220446049250313e-16


cdef void make_whole(Data data, Fit* fit) noexcept nogil:
    """Give what tied rows share to the first of them."""
    cdef Py_ssize_t i, n_shared = 0
    cdef double total = 0.0, weight
    for i in range(data.n):
        weight = weight_of(data, i)
        if 0.0 < fit.wanted[i] < weight:
            n_shared += 1
            total += fit.wanted[i]
    if n_shared < 2:
        return
    for i in range(data.n):
        weight = weight_of(data, i)
        if 0.0 < fit.wanted[i] < weight:
            fit.wanted[i] = min(max(total, 0.0), weight)
            total -= weight


cdef Py_ssize_t extreme_rows(
    Data data, Fit* fit, const double* size, bint are_kept, Py_ssize_t* found
) noexcept nogil:
    """Rows of the largest sizes, kept or not; returns their number."""
    cdef Py_ssize_t i, m = 0, n_found = 0
    cdef bint ties
    cdef double weight, limit = -INFINITY
    cdef Boundary at
    for i in range(data.n):
        weight = weight_of(data, i)
        fit.spare[m] = -size[i]
        m += fit.mass[i] > 0.0 if are_kept else fit.mass[i] < weight
    if m > MAX_EXCHANGED:
        at = select(fit.spare, NULL, m, 0.0, <double> MAX_EXCHANGED, &fit.work)
        limit = -at.value
    for ties in range(2):
        for i in range(data.n):
            weight = weight_of(data, i)
            if n_found == MAX_EXCHANGED or (
                (size[i] == limit) != ties or size[i] < limit
            ) or not (fit.mass[i] > 0.0 if are_kept else fit.mass[i] < weight):
                continue
            found[n_found] = i
            n_found += 1
    return n_found


cdef double best_exchange(
    Data data, Fit* fit, Py_ssize_t* leaving, Py_ssize_t* entering
) noexcept nogil:
    """The largest decrease of the sum of squares by an exchange of two rows.

    See `TrimmedRows`. `fit.more` has room for q + 3 columns, and for as many numbers of
    the rows that may be exchanged.
    """
    cdef double* solved = fit.more
    cdef double* leverage = solved + data.q * data.stride
    cdef double* cost = leverage + data.stride
    cdef double* gain = cost + data.stride
    cdef double* others = gain + data.stride
    cdef double* other_residual = others + data.q * MAX_EXCHANGED
    cdef double* other_leverage = other_residual + MAX_EXCHANGED
    cdef double* other_cost = other_leverage + MAX_EXCHANGED
    cdef double[MAX_EXCHANGED] increase
    cdef Py_ssize_t[MAX_EXCHANGED] inside
    cdef Py_ssize_t[MAX_EXCHANGED] outside
    cdef Py_ssize_t i, j, k, n_inside = 0, n_outside = 0
    cdef double best = 0.0
    sk_leverage(
        data.columns, data.stride, data.q, fit.factor, data.width, solved, leverage)
    for i in range(data.n):
        cost[i] = -fit.losses[i] / (1.0 + leverage[i])
        gain[i] = fit.losses[i] / max(1.0 - leverage[i], EPS)
    n_inside = extreme_rows(data, fit, gain, True, inside)
    n_outside = extreme_rows(data, fit, cost, False, outside)
    if n_inside == 0 or n_outside == 0:
        return 0.0
    memset(others, 0, (data.q + 3) * MAX_EXCHANGED * sizeof(double))
    for j in range(n_outside):
        for k in range(data.q):
            others[k * MAX_EXCHANGED + j] = solved[k * data.stride + outside[j]]
        other_residual[j] = fit.residual[outside[j]]
        other_leverage[j] = leverage[outside[j]]
        other_cost[j] = -cost[outside[j]]
    for i in range(n_inside):
        for k in range(data.q):
            fit.ahead[k] = solved[k * data.stride + inside[i]]
        sk_exchange(
            fit.ahead, others, data.q, fit.residual[inside[i]],
            1.0 - leverage[inside[i]], other_residual, other_leverage, other_cost, EPS,
            increase)
        for j in range(n_outside):
            if increase[j] < best:
                best = increase[j]
                leaving[0] = inside[i]
                entering[0] = outside[j]
    return best


cdef double descend_one(
    Data data, Fit* fit, double* z, Py_ssize_t* n_steps
) noexcept nogil:
    """Steps and exchanges from z to a local minimum, of which the value is returned."""
    cdef Py_ssize_t i, max_steps = n_steps[0], leaving = 0, entering = 0
    cdef double value, best = INFINITY, total, gain, part
    fit.guess = 0.0
    find_losses(data, fit, z)
    choose_rows(data, fit, fit.losses)
    make_whole(data, fit)
    change_rows(data, fit, True)
    n_steps[0] = 0
    while n_steps[0] < max_steps:
        n_steps[0] += 1
        solve(data, fit.gram, data.kept, fit.factor, fit.last)
        find_losses(data, fit, fit.last)
        choose_rows(data, fit, fit.losses)
        value = objective(data, fit, fit.last)
        if not value < best * (1.0 - ROUNDING):
            break
        best = value
        memcpy(z, fit.last, data.q * sizeof(double))
        make_whole(data, fit)
        gain = total = 0.0
        for i in range(data.n):
            gain += fit.losses[i] * (fit.mass[i] - fit.wanted[i])
            total += fit.losses[i] * fit.mass[i]
        if gain <= ROUNDING * best * data.kept:
            if not best_exchange(data, fit, &leaving, &entering) < (
                -ROUNDING * total
            ):
                break
            part = min(
                min(fit.mass[leaving], weight_of(data, entering) - fit.mass[entering]),
                1.0)
            memcpy(fit.wanted, fit.mass, data.n * sizeof(double))
            fit.wanted[leaving] -= part
            fit.wanted[entering] += part
        change_rows(data, fit, False)
    return best


def descend_fits(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept, double[:, ::1] z, double[::1] value,
    Py_ssize_t max_steps,
):
    """Steps from each fit z (IN, OUT) to a local minimum, of this value (OUT).

    Else as for `concentrate_fits`. Returns the number of fits that it took.
    """
    cdef Py_ssize_t i, n_steps, total = 0
    cdef Data data = data_of(columns, rows, weight, penalty, kept)
    cdef Fit fit
    begin_fits(data, &fit, (data.q + 3) * (data.stride + MAX_EXCHANGED))
    with nogil:
        for i in range(z.shape[0]):
            n_steps = max_steps
            value[i] = descend_one(data, &fit, &z[i, 0], &n_steps)
            total += n_steps
    end_fits(&fit)
    return total
