# cython: language_level=3
"""Exponentials of many numbers at once; out may be x."""

cdef void exp_all(const double* x, Py_ssize_t n, double* out) noexcept nogil
cdef void expm1_all(const double* x, Py_ssize_t n, double* out) noexcept nogil
