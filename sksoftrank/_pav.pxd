# cython: language_level=3, cdivision=True
"""The kinds of operators, and pools of ranks."""

from libc.stdint cimport int64_t

cpdef enum:
    QUADRATIC = 0
    ENTROPIC = 1
    KL = 2

# Pools whose x / epsilon spans less share one anchor for their exponentials.
cdef double ANCHOR_RANGE

cdef Py_ssize_t pav_anchored_rank_row(
    const double* x, const double* e, Py_ssize_t n, double epsilon, bint is_kl,
    int64_t* pools, double* sums,
) noexcept nogil
