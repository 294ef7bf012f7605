# cython: language_level=3, cdivision=True
"""Sums of exp over the arithmetic progression 0, -h, -2h, ..., -(m-1)h."""

from libc.math cimport exp, expm1, log, log1p

from ._exponentials cimport quick_expm1


cdef inline double progression_sum_exp(Py_ssize_t m, double h) noexcept nogil:
    """sum_j exp(-j h), a geometric series; in [1, m]."""
    if m == 1 or h == 0.0:
        return <double> m
    if m * h > 40.0:
        return -1.0 / quick_expm1(-h)  # the same double
    return quick_expm1(-m * h) / quick_expm1(-h)


cdef inline double log_sinhc(double y) noexcept nogil:
    """log(sinh(y) / y) for y >= 0 to full relative accuracy."""
    cdef double y2
    if y < 1.0:
        # Taylor series of sinh(y) / y - 1, nested: its terms have one sign.
        y2 = y * y
        return log1p(y2 / 6 * (1 + y2 / 20 * (1 + y2 / 42 * (1 + y2 / 72 * (
            1 + y2 / 110 * (1 + y2 / 156 * (1 + y2 / 210 * (1 + y2 / 272))))))))
    return y - log(2 * y) + log1p(-exp(-2 * y))


cdef inline double progression_log_mean_exp(Py_ssize_t m, double h) noexcept nogil:
    """log(mean_j exp(-j h)), accurate also where m h is tiny."""
    if m == 1:
        return 0.0
    if m * h < 1.0:
        return log_sinhc(0.5 * m * h) - log_sinhc(0.5 * h) - 0.5 * (m - 1) * h
    return log(progression_sum_exp(m, h) / m)


cdef inline double progression_sum_expm1(Py_ssize_t m, double h) noexcept nogil:
    """sum_j expm1(-j h), accurate also where m h is tiny."""
    return m * expm1(progression_log_mean_exp(m, h))
