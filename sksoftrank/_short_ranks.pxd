# cython: language_level=3
"""Soft ranks of short rows, several at once."""

from cython cimport floating
from libc.stdint cimport int64_t


# Whether rows are short, and their means far from the limits of doubles.
cdef inline bint ranks_by_tiles(Py_ssize_t n, double epsilon) noexcept nogil:
    return n <= 16 and (epsilon == 0.0 or 1e-290 < epsilon < 1e290)


cdef bint rank_short_rows(
    const floating* values, Py_ssize_t n_rows, Py_ssize_t n, double epsilon,
    double sign, int64_t* order, int64_t* pools, floating* out,
) noexcept nogil
