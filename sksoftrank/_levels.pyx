# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: many quadratic soft quantiles of sorted rows by one sweep.

A quantile is the integral, over a unit of mass, of the centre c(m) = t(m) - epsilon * m
/ total of the soft choice of mass m (see `_selection.pyx`), because that is the
derivative of the smooth sum. In a sweep of the threshold t from the smallest value on,
value i begins to be chosen at t = x_i and is wholly chosen from t = x_i + epsilon on;
between such events both m and c are linear in t.
"""

from libc.stdlib cimport free, malloc

from ._environment cimport Environment, enter, leave
from ._paired cimport Exact, add_exactly


cdef struct Sweep:
    Exact mass      # chosen at the last event
    Exact centre    # of that choice
    Exact integral  # of the centre over the mass


cdef inline Exact integral_at(Sweep at, double mass, double slope) noexcept nogil:
    """That up to a mass beyond the last event; slope: rise of the centre by mass."""
    cdef Exact found = at.integral
    cdef double part = (mass - at.mass.high) - at.mass.low
    add_exactly(&found, part * (
        at.centre.high + (at.centre.low + 0.5 * (part * slope))))
    return found


cdef void sweep_row(
    const double* x, const double* w, Py_ssize_t n, double total, double epsilon,
    const double* low, Py_ssize_t n_low, Exact* below, Exact* above
) noexcept nogil:
    """Integrals at the masses low and low + 1, which rise. x rises; w NULL: all 1."""
    cdef Py_ssize_t entered = 0, left = 0, last = 0, a = 0, b = 0
    cdef bint is_exit = False, next_is_exit
    cdef double time, rise, slope, weight
    cdef Sweep at
    cdef Exact opened, full
    at.mass.high = at.mass.low = at.integral.high = at.integral.low = 0.0
    at.centre.high = at.centre.low = 0.0
    opened = full = at.mass
    while left < n and b < n_low:
        if entered == left:  # nothing is open: t jumps to the next value
            at.mass = full
            opened.high = opened.low = 0.0
            at.centre.high = x[entered] - epsilon * (full.high / total)
            at.centre.low = 0.0
            last = entered
            is_exit = False
        next_is_exit = entered == n or x[entered] - x[left] > epsilon
        if opened.high > 0.0:
            time = x[left if next_is_exit else entered] - x[last]
            time += epsilon * (<int> next_is_exit - <int> is_exit)
            rise = time / epsilon * opened.high if epsilon > 0.0 else 0.0
            # Where all are open the centre is their mean and stands still.
            slope = 0.0
            if entered < n or left > 0:
                slope = epsilon * (1.0 / opened.high - 1.0 / total)
            while a < n_low and (
                (low[a] - at.mass.high) - at.mass.low <= rise
            ):
                below[a] = integral_at(at, low[a], slope)
                a += 1
            while b < n_low and (
                (low[b] + 1.0 - at.mass.high) - at.mass.low <= rise
            ):
                above[b] = integral_at(at, low[b] + 1.0, slope)
                b += 1
            add_exactly(&at.integral, rise * (
                at.centre.high + (at.centre.low + 0.5 * (rise * slope))))
            add_exactly(&at.centre, rise * slope)
            add_exactly(&at.mass, rise)
        is_exit = next_is_exit
        if is_exit:
            weight = 1.0 if w == NULL else w[left]
            add_exactly(&opened, -weight)
            add_exactly(&full, weight)
            last = left
            left += 1
        else:
            add_exactly(&opened, 1.0 if w == NULL else w[entered])
            last = entered
            entered += 1
    while a < n_low:  # but for rounding
        below[a] = at.integral
        a += 1
    while b < n_low:
        above[b] = at.integral
        b += 1


def quantile_rows(
    const double[:, ::1] x, const double[:, ::1] weights, const double[:, ::1] total,
    double epsilon, const double[:, ::1] low, double[:, ::1] out,
):
    """Means of the centres over the masses from low to low + 1.

    x (IN, rows x n): rising; weights (IN, the same, or None: all 1), above 0; total
    (IN, rows x 1): their sums. epsilon > 0. low (IN, rows x k): rising, up to about
    half of the total. out (OUT, rows x k).
    """
    cdef Environment environment
    cdef Py_ssize_t r, i, k = low.shape[1], n = x.shape[1]
    cdef const double* w = NULL
    cdef double origin
    cdef Exact* ends
    cdef double* y
    if x.shape[0] == 0 or k == 0:
        return
    ends = <Exact*> malloc(2 * k * sizeof(Exact))
    y = <double*> malloc(n * sizeof(double))
    if ends == NULL or y == NULL:
        free(ends)
        free(y)
        raise MemoryError
    enter(&environment)
    with nogil:
        for r in range(x.shape[0]):
            # From a value in the middle: sums of them have their digits.
            origin = x[r, n // 2]
            for i in range(n):
                y[i] = x[r, i] - origin
            if weights is not None:
                w = &weights[r, 0]
            sweep_row(y, w, n, total[r, 0], epsilon, &low[r, 0], k, ends, ends + k)
            for i in range(k):
                out[r, i] = origin + (
                    (ends[k + i].high - ends[i].high)
                    + (ends[k + i].low - ends[i].low))
    leave(&environment)
    free(ends)
    free(y)
