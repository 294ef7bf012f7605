# cython: language_level=3
"""Exponentials of many numbers at once, where out may be x; and of one near 0."""

from libc.math cimport exp, expm1


cdef inline double rest_of_exp(double x) noexcept nogil:
    """exp(x) - 1 - x of a small x, by its Taylor series to the power of 7."""
    cdef double s = x * x
    return s * ((0.5 + x * (1.0 / 6.0)) + s * (
        (1.0 / 24.0 + x * (1.0 / 120.0)) + s * (1.0 / 720.0 + x * (1.0 / 5040.0))))


cdef inline double quick_exp(double x) noexcept nogil:
    """exp(x), without a call for a small x."""
    return 1.0 + (x + rest_of_exp(x)) if -0.015 < x < 0.015 else exp(x)


cdef inline double quick_expm1(double x) noexcept nogil:
    """exp(x) - 1, likewise."""
    return x + rest_of_exp(x) if -0.015 < x < 0.015 else expm1(x)


cdef void exp_all(const double* x, Py_ssize_t n, double* out) noexcept nogil

# exp((x_i - origin) / unit + (start + i) slope), n below 2^31.
cdef void exp_steps(
    const double* x, Py_ssize_t n, double origin, double unit, double start,
    double slope, double* out
) noexcept nogil

# Whether all of these exponents are above a limit.
cdef bint steps_exceed(
    const double* x, Py_ssize_t n, double origin, double unit, double start,
    double slope, double limit
) noexcept nogil

cdef void expm1_all(const double* x, Py_ssize_t n, double* out) noexcept nogil
