# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: how far a bound on residuals holds along edges, for LQS.

Along an edge residuals and their bound change linearly, so that the bound holds for a
row in an interval of steps. The functions trust their arguments and release the GIL.
"""

from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc

from ._environment cimport Environment, enter, leave
from ._row_loops cimport sk_weigh, sk_weigh_above
from ._selection cimport select
from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint

cdef extern from *:
    """
    #include <math.h>

    /* The interval in which |residual - s change| <= bound + s rise; ends are negated.
       Where there is none that reaches 0, the mass is 0 and the end infinite. */
    SK_SIMD static void sk_intervals(
        const double *residual, const double *change, const double *weight,
        ptrdiff_t n, double bound, double rise, double *first, double *end,
        double *mass
    ) {
        for (ptrdiff_t i = 0; i < n; i++) {
            double room = bound - residual[i], speed = -change[i] - rise;
            double other_room = bound + residual[i], other_speed = change[i] - rise;
            double limit = room / speed, other = other_room / other_speed;
            double last = speed > 0.0 ? limit : INFINITY;
            double begin = speed < 0.0 ? limit : -INFINITY;
            double other_last = other_speed > 0.0 ? other : INFINITY;
            double other_begin = other_speed < 0.0 ? other : -INFINITY;
            last = other_last < last ? other_last : last;
            begin = other_begin > begin ? other_begin : begin;
            last = (speed == 0.0) & (room < 0.0) ? -INFINITY : last;
            last = (other_speed == 0.0) & (other_room < 0.0) ? -INFINITY : last;
            double is_there = (begin <= last) & (last >= 0.0) ? 1.0 : 0.0;
            first[i] = begin;
            mass[i] = is_there * weight[i];
            end[i] = is_there > 0.0 ? -last : INFINITY;
        }
    }
    """
    void sk_intervals(
        const double* residual, const double* change, const double* weight,
        Py_ssize_t n, double bound, double rise, double* first, double* end,
        double* mass
    ) noexcept nogil

# Passes over the ends after which those still open are sorted.
cdef int PASSES = 12
cdef double FEW = 4.0


cdef double find_end(
    const double* end, const double* mass, Py_ssize_t n, double start, double target,
    double* spare, double* spare_mass
) noexcept nogil:
    """The smallest of the ends in [start, 0] up to which the masses reach the target.

    Those before the start do not; infinite if none does.
    """
    cdef double low = start, high = 0.0, limit, found
    cdef double below = sk_weigh(end, mass, n, low), up_to = sk_weigh(end, mass, n, 0.0)
    cdef double few = FEW * up_to / n
    cdef Py_ssize_t i, m = 0, work = 0
    cdef int n_passes = 0
    if below >= target:
        return start
    if up_to < target:  # by rounding errors of the sums
        return INFINITY
    while n_passes < PASSES and up_to - below > few:
        n_passes += 1
        limit = 0.5 * (low + high)
        if n_passes % 3:
            limit = low + (high - low) * ((target - below) / (up_to - below))
        if not low < limit < high:
            break
        found = sk_weigh(end, mass, n, limit)
        if found < target:
            low = limit
            below = found
        else:
            high = limit
            up_to = found
    for i in range(n):
        spare[m] = end[i]
        spare_mass[m] = mass[i]
        m += (end[i] > low) & (end[i] <= high) & (mass[i] > 0.0)
    return select(spare, spare_mass, m, below, target, &work).value


cdef Py_ssize_t last_needed(
    const double* end, const double* mass, Py_ssize_t n, double at, double needed
) noexcept nogil:
    """Of the rows that end together, the last with which there is enough."""
    cdef double above = 0.0
    cdef Py_ssize_t i, row = -1
    for i in range(n):
        above += mass[i] if end[i] < at else 0.0
    for i in range(n - 1, -1, -1):
        if end[i] == at:
            above += mass[i]
            row = i
            if above >= needed:
                break
    return row


def follow_edges(
    const double[::1] residual, const double[:, ::1] change, const double[::1] weight,
    double bound, const double[::1] rises, double needed, double[::1] length,
    Py_ssize_t[::1] entering,
):
    """The largest step s in [0, 1] at which the bound holds for rows of a weight.

    It holds for a row while ``|residual - s change| <= bound + s rise``.

    residual, weight (IN, n); change (IN, edges times n); rises (IN, edges): of the
    bound; needed: the weight. length (OUT, edges): s, 0 if there is none; entering
    (OUT, edges): the row of which the interval ends there, or -1.
    """
    cdef Environment environment
    cdef Py_ssize_t k, n = residual.shape[0]
    cdef double* first = <double*> malloc(5 * n * sizeof(double))
    cdef double* end = first + n
    cdef double* mass = first + 2 * n
    cdef double* spare = first + 3 * n
    cdef double* spare_mass = first + 4 * n
    cdef double later, at, last
    if first == NULL:
        raise MemoryError
    enter(&environment)
    with nogil:
        for k in range(change.shape[0]):
            sk_intervals(
                &residual[0], &change[k, 0], &weight[0], n, bound, rises[k], first, end,
                mass)
            later = sk_weigh_above(first, mass, n, 1.0)
            entering[k] = -1
            # Those that have not ended before 1, but for those that begin after it.
            if sk_weigh(end, mass, n, -1.0) - later >= needed:
                length[k] = 1.0
                continue
            # Less begins after a larger step, so that from above one comes to the
            # largest.
            length[k] = 0.0
            at = -1.0
            while True:
                last = at
                at = find_end(end, mass, n, at, needed + later, spare, spare_mass)
                if at == last or at == INFINITY:
                    break
                later = sk_weigh_above(first, mass, n, -at)
            if at == INFINITY:
                continue
            length[k] = -at
            entering[k] = last_needed(end, mass, n, at, needed + later)
    leave(&environment)
    free(first)
