# cython: language_level=3
"""Exponentials of many numbers at once; out may be x."""

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
