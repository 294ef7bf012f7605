# cython: language_level=3, cdivision=True
"""The thresholds of logistic choices."""

from ._selection cimport Goal, Losses, Room, Threshold


cdef inline void weigh(
    Losses x, Py_ssize_t start, double* terms, Py_ssize_t size
) noexcept nogil:
    """Multiply the terms of a block by the weights."""
    cdef Py_ssize_t i
    if x.weight != NULL:
        for i in range(size):
            terms[i] *= x.weight[start + i]


cdef inline double distance(double value, double anchor, double epsilon) noexcept nogil:
    return min(max((value - anchor) / epsilon, -1e300), 1e300)


cdef double find_logistic_threshold(
    Losses x, Goal goal, double kept, double total, double guess, Threshold* at,
    Room* room
) noexcept nogil

cdef void find_logistic_tile(
    const double* x, Py_ssize_t n, const Goal* goals, double epsilon, Threshold* at,
    double* slopes
) noexcept nogil

cdef void settle_row(
    Losses x, Goal goal, double kept, double total, double slope, Threshold* at
) noexcept nogil

cdef double limit_of_logistic_offset(
    Losses x, double epsilon, double anchor, double total, double sign
) noexcept nogil

cdef Threshold edge_threshold(Losses x, bint is_low) noexcept nogil
