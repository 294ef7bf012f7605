# cython: language_level=3, cdivision=True
"""Results of sorted rows from their pools: ranks that go to their places, and sorts."""

from cython cimport floating
from libc.math cimport NAN, log, log1p
from libc.stdint cimport int64_t

from ._exponentials cimport exp_steps
from ._order cimport AHEAD, FAR_APART, will_write
from ._progression cimport progression_log_mean_exp
from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint
from ._sums cimport rho_sum

cdef enum:
    BLOCK = 512  # of numbers, to stay in the nearest cache
    LANES = 16   # of fewer numbers no call pays


cdef extern from *:
    """
    SK_SIMD static void sk_deviations(
        const double *x, ptrdiff_t n, double origin, double unit, double mean,
        double value, double *out
    ) {
        for (ptrdiff_t i = 0; i < n; i++)
            out[i] = value + ((x[i] - origin) / unit - mean);
    }

    /* sign * (value + (middle - i) / unit) */
    #define SK_FALLING(name, type) \\
    SK_SIMD static void name( \\
        type *out, ptrdiff_t n, double sign, double value, double middle, double unit \\
    ) { \\
        for (ptrdiff_t start = 0; start < n; start += 1024, middle -= 1024.0) \\
            for (int i = 0; i < (n - start < 1024 ? n - start : 1024); i++) \\
                out[start + i] = (type) (sign * (value + (middle - i) / unit)); \\
    }
    SK_FALLING(sk_falling_float, float)
    SK_FALLING(sk_falling_double, double)
    """
    void sk_deviations(
        const double* x, Py_ssize_t n, double origin, double unit, double mean,
        double value, double* out) noexcept nogil
    void sk_falling_float(
        float* out, Py_ssize_t n, double sign, double value, double middle, double unit
    ) noexcept nogil
    void sk_falling_double(
        double* out, Py_ssize_t n, double sign, double value, double middle, double unit
    ) noexcept nogil


cdef inline void fill_exponentials(
    const floating* values, Py_ssize_t n, double sign, double anchor, double epsilon,
    double* e,
) noexcept nogil:
    """e = exp((sign * values - anchor) / epsilon)."""
    cdef Py_ssize_t start = 0, i, size
    cdef double[BLOCK] wide
    if floating is double:
        exp_steps(values, n, sign * anchor, sign * epsilon, 0.0, 0.0, e)
    else:
        while start < n:
            size = min(n - start, <Py_ssize_t> BLOCK)
            for i in range(size):
                wide[i] = values[start + i]
            exp_steps(
                wide, size, sign * anchor, sign * epsilon, 0.0, 0.0, &e[start])
            start += size


# --- ranks -------------------------------------------------------------------------

cdef inline void scatter(
    const double* found, Py_ssize_t first, Py_ssize_t end, const int64_t* order,
    Py_ssize_t n, floating* out,
) noexcept nogil:
    """What was found for these positions, to their places in a row of n."""
    cdef Py_ssize_t i, n_told = n - AHEAD if n > FAR_APART else 0
    for i in range(first, end):
        if i < n_told:
            will_write(&out[order[i + AHEAD]])
        out[order[i]] = <floating> found[i - first]


cdef inline void write_hard(
    Py_ssize_t n, Py_ssize_t first, Py_ssize_t end, const int64_t* order, floating* out,
) noexcept nogil:
    """The ranks of positions that are in no pool."""
    cdef Py_ssize_t i, n_told = n - AHEAD if n > FAR_APART else 0
    for i in range(first, end):
        if i < n_told:
            will_write(&out[order[i + AHEAD]])
        out[order[i]] = <floating> (n - i)


cdef inline void write_rank_quadratic_row(
    const double* x, Py_ssize_t n, double epsilon, const int64_t* pools,
    const double* sums, const int64_t* order, floating* out,
) noexcept nogil:
    """r_i = mean(rho_B) + (x_i - mean(x_B)) / epsilon."""
    cdef Py_ssize_t k = 0, i, first = 0, end = 0, size
    cdef double value, mean
    cdef double[BLOCK] found
    while True:
        first = pools[2 * k]
        write_hard(n, end, first, order, out)
        if first == n:
            break
        end = pools[2 * k + 1]
        value = rho_sum(n, first, end - first) / (end - first)
        # Divided by epsilon first: means of subnormal numbers lose digits.
        mean = sums[k] / epsilon / (end - first)
        i = first
        if end - first < LANES:
            for i in range(first, end):
                out[order[i]] = <floating> (
                    value + ((x[i] - x[first]) / epsilon - mean))
            i = end
        while i < end:
            size = min(end - i, <Py_ssize_t> BLOCK)
            sk_deviations(&x[i], size, x[first], epsilon, mean, value, found)
            scatter(found, i, i + size, order, n, out)
            i += size
        k += 1


cdef inline void hard_rank_row(
    const double* x, Py_ssize_t n, const int64_t* order, floating* out,
) noexcept nogil:
    """Ranks of distinct values; ties get the mean of their ranks."""
    cdef Py_ssize_t i, first = 0, end
    cdef double value
    while first < n:
        end = first + 1
        while end < n and x[end] == x[first]:
            end += 1
        value = rho_sum(n, first, end - first) / (end - first)
        for i in range(first, end):
            out[order[i]] = <floating> value
        first = end


# --- sorts -------------------------------------------------------------------------
#
# In place: out holds the sorted values, and only pooled positions are rewritten.

cdef inline void keep_order(
    Py_ssize_t first, Py_ssize_t end, Py_ssize_t n, double sign, floating* out,
) noexcept nogil:
    """Undo what rounding has put of a pool beyond its neighbours."""
    cdef Py_ssize_t i
    if first > 0 and sign * out[first] > sign * out[first - 1]:
        for i in range(first, end):
            if sign * out[i] > sign * out[first - 1]:
                out[i] = out[first - 1]
    # Smoothing raises the last value of a pool, and lowers the first of the next.
    if end < n and sign * out[end - 1] < sign * out[end]:
        for i in range(first, end):
            if sign * out[i] < sign * out[end]:
                out[i] = out[end]


cdef inline void write_sort_quadratic_row(
    Py_ssize_t n, double sign, double epsilon, const int64_t* pools,
    const double* sums, floating* out,
) noexcept nogil:
    """o_i = mean(x_B) + (rho_i - mean(rho_B)) / epsilon, times sign."""
    cdef Py_ssize_t k = 0, i, first, end
    cdef double value, middle
    while pools[2 * k] < n:
        first = pools[2 * k]
        end = pools[2 * k + 1]
        value = sign * out[first] + sums[k] / (end - first)
        middle = 0.5 * (end - first - 1)
        if end - first < LANES:
            for i in range(first, end):
                out[i] = <floating> (sign * (value + (middle - (i - first)) / epsilon))
        elif floating is float:
            sk_falling_float(&out[first], end - first, sign, value, middle, epsilon)
        else:
            sk_falling_double(&out[first], end - first, sign, value, middle, epsilon)
        keep_order(first, end, n, sign, out)
        k += 1


cdef inline void write_sort_entropic_row(
    Py_ssize_t n, double sign, double h, bint is_narrow, const int64_t* pools,
    const double* sums, floating* out, double* weights,
) noexcept nogil:
    """o_i = logsumexp(x_B) + rho_i h - logsumexp(rho_B h), times sign; h = 1 / epsilon.

    Written with log-mean-exp on both sides, so that log(size) does not enter. weights
    (OUT, n, or NULL): softmax(x_B) at pooled positions.
    """
    cdef Py_ssize_t k = 0, i, first, end, size
    cdef double value, x_first, total, mean
    cdef double[LANES] means  # those of small pools, which come often
    for i in range(LANES):
        means[i] = NAN
    while pools[2 * k] < n:
        first = pools[2 * k]
        end = pools[2 * k + 1]
        size = end - first
        x_first = sign * out[first]
        if is_narrow:
            value = log1p(sums[k] / size)
            total = size + sums[k]
        else:
            value = log(sums[k] / size)
            total = sums[k]
        if size >= LANES:
            mean = progression_log_mean_exp(size, h)
        else:
            if means[size] != means[size]:
                means[size] = progression_log_mean_exp(size, h)
            mean = means[size]
        value = x_first + (value - mean)
        if weights != NULL:
            fill_exponentials(&out[first], size, sign, x_first, 1.0, &weights[first])
            for i in range(first, end):
                weights[i] /= total
        for i in range(first, end):
            out[i] = <floating> (sign * (value - (i - first) * h))
        keep_order(first, end, n, sign, out)
        k += 1
