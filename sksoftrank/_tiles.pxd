# cython: language_level=3, cdivision=True
"""Thresholds of tiles of short rows."""

from ._selection cimport Goal, Threshold


cdef void find_tile(
    const double* x, Py_ssize_t n, const Goal* goals, const double* kept,
    Threshold* at
) noexcept nogil

cdef void find_distances(
    const double* x, Py_ssize_t n, const double* anchor, double epsilon, double far,
    double* d
) noexcept nogil
