# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: exp and expm1 of many numbers, by SIMD.

x = k log(2) + r with a whole k and |r| <= log(2) / 2, and exp(r) - 1 by its Taylor
series to the power of 13, whose rest is below 1e-17. There are no branches, so that the
compiler makes SIMD code of the loops, where it can for each of several processors. All
of them round alike: no product is fused with a sum.
"""

from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint


cdef extern from *:
    """
    #include <stdint.h>
    #include <stdlib.h>
    #include <string.h>

    /* exp(r) - 1 in the second argument, 2^k in two factors. */
    #define SK_REDUCE(x, p, s1, s2) \\
        double x_ = (x), kd, k1, k2, b1, b2, r; \\
        uint64_t i1, i2; \\
        x_ = x_ < -800.0 ? -800.0 : x_; \\
        x_ = x_ > 800.0 ? 800.0 : x_; \\
        kd = x_ * 1.4426950408889634 + 6755399441055744.0; \\
        kd -= 6755399441055744.0; \\
        r = x_ - kd * 0.693147180369123816490; \\
        r -= kd * 1.90821492927058770002e-10; \\
        k1 = (kd * 0.5 + 6755399441055744.0) - 6755399441055744.0; \\
        k2 = kd - k1; \\
        b1 = k1 + 6755399441056767.0; /* 1023 more: an exponent in the low bits */ \\
        b2 = k2 + 6755399441056767.0; \\
        memcpy(&i1, &b1, 8); \\
        memcpy(&i2, &b2, 8); \\
        i1 <<= 52; \\
        i2 <<= 52; \\
        memcpy(&s1, &i1, 8); \\
        memcpy(&s2, &i2, 8); \\
        p = 1.0 / 6227020800.0; \\
        p = p * r + 1.0 / 479001600.0; \\
        p = p * r + 1.0 / 39916800.0; \\
        p = p * r + 1.0 / 3628800.0; \\
        p = p * r + 1.0 / 362880.0; \\
        p = p * r + 1.0 / 40320.0; \\
        p = p * r + 1.0 / 5040.0; \\
        p = p * r + 1.0 / 720.0; \\
        p = p * r + 1.0 / 120.0; \\
        p = p * r + 1.0 / 24.0; \\
        p = p * r + 1.0 / 6.0; \\
        p = p * r + 0.5; \\
        p = r + (r * r) * p;

    SK_SIMD static void sk_exp(const double *x, ptrdiff_t n, double *out) {
        for (ptrdiff_t i = 0; i < n; i++) {
            double p, s1, s2;
            SK_REDUCE(x[i], p, s1, s2)
            out[i] = ((1.0 + p) * s1) * s2;
        }
    }

    SK_SIMD static void sk_exp_steps(
        const double *x, ptrdiff_t n, double origin, double unit, double start,
        double slope, double *out
    ) {
        for (ptrdiff_t i = 0; i < n; i++) {
            double p, s1, s2;
            SK_REDUCE((x[i] - origin) / unit + (start + (double) (int) i) * slope,
                      p, s1, s2)
            out[i] = ((1.0 + p) * s1) * s2;
        }
    }

    SK_SIMD static int sk_steps_exceed(
        const double *x, ptrdiff_t n, double origin, double unit, double start,
        double slope, double limit
    ) {
        int64_t fails = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            double y = (x[i] - origin) / unit + (start + (double) (int) i) * slope;
            fails |= y > limit ? 0 : 1;
        }
        return !fails;
    }

    SK_SIMD static void sk_expm1(const double *x, ptrdiff_t n, double *out) {
        for (ptrdiff_t i = 0; i < n; i++) {
            double p, s1, s2;
            SK_REDUCE(x[i], p, s1, s2)
            double large = ((1.0 + p) * s1) * s2; /* beyond 2^53 there is no 1 */
            double other = (p * s1) * s2 + (s1 * s2 - 1.0);
            out[i] = x_ > 40.0 ? large : other;
        }
    }
    """
    void sk_exp(const double* x, Py_ssize_t n, double* out) noexcept nogil
    void sk_exp_steps(
        const double* x, Py_ssize_t n, double origin, double unit, double start,
        double slope, double* out) noexcept nogil
    bint sk_steps_exceed(
        const double* x, Py_ssize_t n, double origin, double unit, double start,
        double slope, double limit) noexcept nogil
    void sk_expm1(const double* x, Py_ssize_t n, double* out) noexcept nogil


cdef void exp_all(const double* x, Py_ssize_t n, double* out) noexcept nogil:
    sk_exp(x, n, out)


cdef void exp_steps(
    const double* x, Py_ssize_t n, double origin, double unit, double start,
    double slope, double* out
) noexcept nogil:
    sk_exp_steps(x, n, origin, unit, start, slope, out)


cdef bint steps_exceed(
    const double* x, Py_ssize_t n, double origin, double unit, double start,
    double slope, double limit
) noexcept nogil:
    return sk_steps_exceed(x, n, origin, unit, start, slope, limit)


cdef void expm1_all(const double* x, Py_ssize_t n, double* out) noexcept nogil:
    sk_expm1(x, n, out)


def exponentials(const double[::1] x, bint is_minus_one, double[::1] out):
    """exp(x), or exp(x) - 1; x and out (OUT) of shape (n,)."""
    if is_minus_one:
        expm1_all(&x[0], x.shape[0], &out[0])
    else:
        exp_all(&x[0], x.shape[0], &out[0])
