# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: isotonic optimisation by pool adjacent violators (PAV).

Every function works on rows of a 2-D C-contiguous batch, trusts its arguments (the
public functions check them) and releases the GIL. Arithmetic is in double, also for
float32 rows.

Conventions
-----------
* Rows are sorted so that the optimisation is over v_1 >= ... >= v_n.
* A *block* is a maximal run of sorted positions that share one v. Blocks leave the
  kernel as integers: ``starts[r, :b]`` holds the first position of each of the b
  blocks of row r and ``starts[r, b] = n`` ends the list.
* The rank and sort operators pair the sorted values x with the arithmetic progression
  rho = (n, n-1, ..., 1); its block sums are closed-form, so only sums over x are
  carried. They are sums of x_i - x_first, all of one sign: nothing cancels, however
  far x is from zero.
* Outputs are written as block value plus deviation, so that a block of one element is
  the hard value bit for bit.
"""

from libc.math cimport exp, expm1, log, log1p
from libc.stdlib cimport free, malloc

ctypedef fused floating:
    float
    double

cpdef enum:
    QUADRATIC = 0
    ENTROPIC = 1
    KL = 2


# --- the arithmetic progression 0, -h, -2h, ..., -(m-1)h ---------------------------

cdef inline double progression_sum_exp(Py_ssize_t m, double h) noexcept nogil:
    """sum_j exp(-j h), a geometric series; in [1, m]."""
    if m == 1 or h == 0.0:
        return <double> m
    return expm1(-m * h) / expm1(-h)


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


# --- PAV on one sorted row against the progression rho -----------------------------
#
# x (IN, n): non-increasing.  starts (OUT, n + 1): block starts, ended by n.
# sums (OUT, n): the block sums each function describes.
# `is_sort` selects the side x is on: False for ranks, s = x / scale and w = rho;
# True for sorts, s = rho / epsilon and w = x. Swapping the sides swaps the sense of
# every comparison. Blocks merge on strict violation only, so the solution at exactly
# the bound of `epsilon_bounds` is still the hard one.

cdef void pav_quadratic_row(
    const double* x, Py_ssize_t n, double epsilon, bint is_sort,
    Py_ssize_t* starts, double* sums,
) noexcept nogil:
    """Quadratic blocks; sums = sum of x_i - x_first over the block."""
    cdef Py_ssize_t i, first, size, previous, previous_size, top = -1
    cdef double total, fall, drop, step
    for i in range(n):
        first = i
        size = 1
        total = 0.0
        while top >= 0:
            previous = starts[top]
            previous_size = first - previous
            step = x[previous] - x[first]
            # Fall of the block mean of x and of the block mean of rho.
            fall = step + (sums[top] / previous_size - total / size)
            drop = 0.5 * (previous_size + size)
            if is_sort:
                if not epsilon * fall > drop:
                    break
            elif not fall < epsilon * drop:
                break
            total = sums[top] + (total - size * step)
            first = previous
            size += previous_size
            top -= 1
        top += 1
        starts[top] = first
        sums[top] = total
    starts[top + 1] = n


cdef inline double rho_sum(
    Py_ssize_t n, Py_ssize_t first, Py_ssize_t size
) noexcept nogil:
    """sum of rho over a block; rho = (n, ..., 1), so rho_first = n - first."""
    return (<double> (n - first) - 0.5 * (size - 1)) * size


cdef void pav_entropic_row(
    const double* x, Py_ssize_t n, double scale, double h, bint is_sort, bint is_kl,
    Py_ssize_t* starts, double* sums,
) noexcept nogil:
    """Entropic blocks; sums = sum of exp((x_i - x_first) / scale), in [1, size].

    The other side is the progression of step h, or log(rho) for the KL rank. Neighbours
    a, b violate (ranks) iff A_a P_b < A_b P_a exp(d): one exp, no logarithm, and an exp
    that overflows or underflows still decides correctly.
    """
    cdef Py_ssize_t i, first, size, previous, previous_size, top = -1
    cdef double total, step, left, right
    for i in range(n):
        first = i
        size = 1
        total = 1.0
        while top >= 0:
            previous = starts[top]
            previous_size = first - previous
            step = (x[first] - x[previous]) / scale
            if is_kl:
                left = sums[top] * rho_sum(n, first, size)
                right = total * rho_sum(n, previous, previous_size) * exp(step)
            else:
                left = sums[top] * progression_sum_exp(size, h)
                right = (total * progression_sum_exp(previous_size, h)
                         * exp(step + previous_size * h))
            if is_sort:
                if not left > right:
                    break
            elif not left < right:
                break
            total = sums[top] + total * exp(step)
            first = previous
            size += previous_size
            top -= 1
        top += 1
        starts[top] = first
        sums[top] = total
    starts[top + 1] = n


cdef void pav_entropic_narrow_sort_row(
    const double* x, Py_ssize_t n, double h, Py_ssize_t* starts, double* sums,
) noexcept nogil:
    """Entropic sort blocks of a row of range < 1; sums = sum of expm1(x_i - x_first).

    Where all of x is close, both sides of the comparison of `pav_entropic_row` are
    nearly size^2 and their difference cancels. Here the products are expanded in
    B = A - size and Q = P - size, which keeps full relative accuracy for tiny x.
    """
    cdef Py_ssize_t i, first, size, previous, previous_size, top = -1
    cdef double total, step, q, previous_q, excess
    for i in range(n):
        first = i
        size = 1
        total = 0.0
        while top >= 0:
            previous = starts[top]
            previous_size = first - previous
            step = x[first] - x[previous]
            q = size * expm1(progression_log_mean_exp(size, h))
            previous_q = previous_size * expm1(
                progression_log_mean_exp(previous_size, h))
            # A_a P_b - A_b P_a exp(d), expanded.
            excess = (
                previous_size * (q - total) + size * (sums[top] - previous_q)
                + (sums[top] * q - total * previous_q)
                - (size + total) * (previous_size + previous_q)
                * expm1(step + previous_size * h)
            )
            if not excess > 0.0:
                break
            total = sums[top] + (total + (size + total) * expm1(step))
            first = previous
            size += previous_size
            top -= 1
        top += 1
        starts[top] = first
        sums[top] = total
    starts[top + 1] = n


# --- outputs of one row: block value plus deviation --------------------------------
#
# value_of_position[i] goes to out[order[i]] for ranks (back to the input's own order)
# and to out[i] for sorts.

cdef void write_rank_quadratic_row(
    const double* x, Py_ssize_t n, double epsilon, const Py_ssize_t* starts,
    const double* sums, const Py_ssize_t* order, floating* out,
) noexcept nogil:
    """r_i = mean(rho_B) + (x_i - mean(x_B)) / epsilon."""
    cdef Py_ssize_t k = 0, i, first = 0, end
    cdef double value, mean
    while first < n:
        end = starts[k + 1]
        value = <double> (n - first) - 0.5 * (end - first - 1)
        if end - first == 1:
            out[order[first]] = <floating> value
        else:
            mean = sums[k] / (end - first)
            for i in range(first, end):
                out[order[i]] = <floating> (
                    value + ((x[i] - x[first]) - mean) / epsilon)
        first = end
        k += 1


cdef void write_rank_entropic_row(
    const double* x, Py_ssize_t n, double epsilon, bint is_kl,
    const Py_ssize_t* starts, const double* sums, const Py_ssize_t* order,
    floating* out,
) noexcept nogil:
    """r_i = logsumexp(rho_B) + x_i / epsilon - logsumexp(x_B / epsilon), or for "kl"
    r_i = sum(rho_B) softmax(x_B / epsilon)_i."""
    cdef Py_ssize_t k = 0, i, first = 0, end
    cdef double value
    while first < n:
        end = starts[k + 1]
        if end - first == 1:
            out[order[first]] = <floating> (n - first)
        elif is_kl:
            value = rho_sum(n, first, end - first) / sums[k]
            for i in range(first, end):
                out[order[i]] = <floating> (
                    value * exp((x[i] - x[first]) / epsilon))
        else:
            value = n - first + log(progression_sum_exp(end - first, 1.0) / sums[k])
            for i in range(first, end):
                out[order[i]] = <floating> (value + (x[i] - x[first]) / epsilon)
        first = end
        k += 1


cdef void write_sort_quadratic_row(
    const double* x, Py_ssize_t n, double epsilon, const Py_ssize_t* starts,
    const double* sums, double sign, floating* out,
) noexcept nogil:
    """o_i = mean(x_B) + (rho_i - mean(rho_B)) / epsilon, times sign."""
    cdef Py_ssize_t k = 0, i, first = 0, end
    cdef double value, middle
    while first < n:
        end = starts[k + 1]
        if end - first == 1:
            out[first] = <floating> (sign * x[first])
        else:
            value = x[first] + sums[k] / (end - first)
            middle = 0.5 * (first + end - 1)
            for i in range(first, end):
                out[i] = <floating> (sign * (value + (middle - i) / epsilon))
        first = end
        k += 1


cdef void write_sort_entropic_row(
    const double* x, Py_ssize_t n, double h, bint is_narrow,
    const Py_ssize_t* starts, const double* sums, double sign, floating* out,
) noexcept nogil:
    """o_i = logsumexp(x_B) + rho_i h - logsumexp(rho_B h), times sign; h = 1 / epsilon.

    Written with log-mean-exp on both sides, so that log(size) does not enter.
    """
    cdef Py_ssize_t k = 0, i, first = 0, end
    cdef double value
    while first < n:
        end = starts[k + 1]
        if end - first == 1:
            out[first] = <floating> (sign * x[first])
        else:
            if is_narrow:
                value = log1p(sums[k] / (end - first))
            else:
                value = log(sums[k] / (end - first))
            value = x[first] + (value - progression_log_mean_exp(end - first, h))
            for i in range(first, end):
                out[i] = <floating> (sign * (value - (i - first) * h))
        first = end
        k += 1


cdef void hard_rank_row(
    const double* x, Py_ssize_t n, const Py_ssize_t* order, floating* out,
) noexcept nogil:
    """Ranks of distinct values; ties get the mean of their ranks."""
    cdef Py_ssize_t i, first = 0, end
    cdef double value
    while first < n:
        end = first + 1
        while end < n and x[end] == x[first]:
            end += 1
        value = <double> (n - first) - 0.5 * (end - first - 1)
        for i in range(first, end):
            out[order[i]] = <floating> value
        first = end


cdef void single_blocks_row(Py_ssize_t n, Py_ssize_t* starts) noexcept nogil:
    """Every position its own block."""
    cdef Py_ssize_t i
    for i in range(n + 1):
        starts[i] = i


cdef void softmax_row(
    const double* x, Py_ssize_t n, double scale, const Py_ssize_t* starts,
    const double* sums, bint is_narrow, double* weights,
) noexcept nogil:
    """weights (OUT, n): softmax(x_B / scale) within each block."""
    cdef Py_ssize_t k = 0, i, first = 0, end
    cdef double total
    while first < n:
        end = starts[k + 1]
        total = sums[k] + (end - first) if is_narrow else sums[k]
        for i in range(first, end):
            weights[i] = exp((x[i] - x[first]) / scale) / total
        first = end
        k += 1


# --- batches of ranks and sorts ----------------------------------------------------

cdef struct Scratch:
    double* x
    double* sums
    Py_ssize_t* starts


cdef int allocate(Scratch* scratch, Py_ssize_t n) except -1:
    """Three words of scratch an element, for one row; shared by all rows."""
    scratch.x = <double*> malloc((n + 1) * sizeof(double))
    scratch.sums = <double*> malloc((n + 1) * sizeof(double))
    scratch.starts = <Py_ssize_t*> malloc((n + 1) * sizeof(Py_ssize_t))
    if scratch.x == NULL or scratch.sums == NULL or scratch.starts == NULL:
        release(scratch)
        raise MemoryError
    return 0


cdef void release(Scratch* scratch) noexcept nogil:
    free(scratch.x)
    free(scratch.sums)
    free(scratch.starts)


def rank_rows(
    const floating[:, ::1] values, const Py_ssize_t[:, ::1] order, double epsilon,
    int kind, double sign, floating[:, ::1] out,
    Py_ssize_t[:, ::1] starts, double[:, ::1] weights,
):
    """Soft ranks of each row: P(z, rho) with z = sign * values / epsilon.

    values (IN, rows x n); order (IN, rows x n): argsort of -sign * values.
    out (OUT, rows x n): the ranks, in the order of values.
    starts (OUT, rows x (n + 1), or None): block starts, for the Jacobian.
    weights (OUT, rows x n, or None): softmax weights in sorted order, entropic and kl.
    epsilon = 0: average ranks; starts are then single blocks (a zero Jacobian).
    """
    cdef Py_ssize_t n = values.shape[1], r, i
    cdef Scratch scratch
    cdef Py_ssize_t* row_starts
    cdef const floating* row
    cdef const Py_ssize_t* row_order
    if values.shape[0] == 0 or n == 0:
        return
    allocate(&scratch, n)
    with nogil:
        for r in range(values.shape[0]):
            row = &values[r, 0]
            row_order = &order[r, 0]
            row_starts = scratch.starts if starts is None else &starts[r, 0]
            for i in range(n):
                scratch.x[i] = sign * row[row_order[i]]
            if epsilon == 0.0:
                hard_rank_row(scratch.x, n, row_order, &out[r, 0])
                single_blocks_row(n, row_starts)
            elif kind == QUADRATIC:
                pav_quadratic_row(
                    scratch.x, n, epsilon, False, row_starts, scratch.sums)
                write_rank_quadratic_row(
                    scratch.x, n, epsilon, row_starts, scratch.sums, row_order,
                    &out[r, 0])
            else:
                pav_entropic_row(
                    scratch.x, n, epsilon, 1.0, False, kind == KL, row_starts,
                    scratch.sums)
                write_rank_entropic_row(
                    scratch.x, n, epsilon, kind == KL, row_starts, scratch.sums,
                    row_order, &out[r, 0])
            if weights is not None and epsilon != 0.0:
                softmax_row(
                    scratch.x, n, epsilon, row_starts, scratch.sums, False,
                    &weights[r, 0])
    release(&scratch)


def sort_rows(
    const floating[:, ::1] values, const Py_ssize_t[:, ::1] order, double epsilon,
    int kind, double sign, floating[:, ::1] out,
    Py_ssize_t[:, ::1] starts, double[:, ::1] weights,
):
    """Soft sort of each row: sign * P(rho / epsilon, sign * values).

    Arguments as in `rank_rows`, but out is in sorted order. epsilon = 0: sorted values.
    """
    cdef Py_ssize_t n = values.shape[1], r, i
    cdef Scratch scratch
    cdef Py_ssize_t* row_starts
    cdef const floating* row
    cdef const Py_ssize_t* row_order
    cdef bint is_narrow
    if values.shape[0] == 0 or n == 0:
        return
    allocate(&scratch, n)
    with nogil:
        for r in range(values.shape[0]):
            row = &values[r, 0]
            row_order = &order[r, 0]
            row_starts = scratch.starts if starts is None else &starts[r, 0]
            for i in range(n):
                scratch.x[i] = sign * row[row_order[i]]
            is_narrow = False
            if epsilon == 0.0:
                for i in range(n):
                    out[r, i] = row[row_order[i]]
                single_blocks_row(n, row_starts)
            elif kind == QUADRATIC:
                pav_quadratic_row(
                    scratch.x, n, epsilon, True, row_starts, scratch.sums)
                write_sort_quadratic_row(
                    scratch.x, n, epsilon, row_starts, scratch.sums, sign, &out[r, 0])
            else:
                is_narrow = scratch.x[0] - scratch.x[n - 1] < 1.0
                if is_narrow:
                    pav_entropic_narrow_sort_row(
                        scratch.x, n, 1.0 / epsilon, row_starts, scratch.sums)
                else:
                    pav_entropic_row(
                        scratch.x, n, 1.0, 1.0 / epsilon, True, False, row_starts,
                        scratch.sums)
                write_sort_entropic_row(
                    scratch.x, n, 1.0 / epsilon, is_narrow, row_starts, scratch.sums,
                    sign, &out[r, 0])
            if weights is not None:
                if epsilon == 0.0:
                    for i in range(n):
                        weights[r, i] = 1.0
                else:
                    softmax_row(
                        scratch.x, n, 1.0, row_starts, scratch.sums, is_narrow,
                        &weights[r, 0])
    release(&scratch)


# --- isotonic optimisation of arbitrary s and w ------------------------------------

cdef void isotonic_quadratic_row(
    const double* s, const double* w, Py_ssize_t n,
    Py_ssize_t* starts, double* s_sums, double* w_sums,
) noexcept nogil:
    """Blocks of v_Q(s, w); s_sums, w_sums = sums of s_i - s_first and w_i - w_first.

    The two sides are never subtracted element by element: where |s| is huge, w would
    be lost.
    """
    cdef Py_ssize_t i, first, size, previous, previous_size, top = -1
    cdef double s_total, w_total, s_fall, w_fall
    for i in range(n):
        first = i
        size = 1
        s_total = 0.0
        w_total = 0.0
        while top >= 0:
            previous = starts[top]
            previous_size = first - previous
            s_fall = (s[previous] - s[first]) + (
                s_sums[top] / previous_size - s_total / size)
            w_fall = (w[previous] - w[first]) + (
                w_sums[top] / previous_size - w_total / size)
            if not s_fall < w_fall:
                break
            s_total = s_sums[top] + (s_total + size * (s[first] - s[previous]))
            w_total = w_sums[top] + (w_total + size * (w[first] - w[previous]))
            first = previous
            size += previous_size
            top -= 1
        top += 1
        starts[top] = first
        s_sums[top] = s_total
        w_sums[top] = w_total
    starts[top + 1] = n


cdef inline double add_exp(
    double* maximum, double total, double other_maximum, double other_total
) noexcept nogil:
    """Add two sums of exp that are scaled by their maxima; updates the maximum."""
    if other_maximum > maximum[0]:
        total = total * exp(maximum[0] - other_maximum) + other_total
        maximum[0] = other_maximum
        return total
    return total + other_total * exp(other_maximum - maximum[0])


cdef void isotonic_entropic_row(
    const double* s, const double* w, Py_ssize_t n, Py_ssize_t* starts,
    double* s_maxima, double* s_sums, double* w_maxima, double* w_sums,
) noexcept nogil:
    """Blocks of v_E(s, w); logsumexp(s_B) = s_maximum + log(s_sum), w alike."""
    cdef Py_ssize_t i, first, top = -1
    cdef double s_maximum, s_total, w_maximum, w_total
    for i in range(n):
        first = i
        s_maximum = s[i]
        w_maximum = w[i]
        s_total = 1.0
        w_total = 1.0
        while top >= 0:
            if not s_sums[top] * w_total < s_total * w_sums[top] * exp(
                (s_maximum - s_maxima[top]) - (w_maximum - w_maxima[top])
            ):
                break
            s_total = add_exp(&s_maximum, s_total, s_maxima[top], s_sums[top])
            w_total = add_exp(&w_maximum, w_total, w_maxima[top], w_sums[top])
            first = starts[top]
            top -= 1
        top += 1
        starts[top] = first
        s_maxima[top] = s_maximum
        s_sums[top] = s_total
        w_maxima[top] = w_maximum
        w_sums[top] = w_total
    starts[top + 1] = n


def isotonic_rows(
    const double[:, ::1] s, const double[:, ::1] w, int kind, bint project,
    double[:, ::1] out, Py_ssize_t[:, ::1] starts,
    double[:, ::1] s_weights, double[:, ::1] w_weights,
):
    """v(s, w) of each row, or with project the projection s - v(s, w).

    s (IN, rows x n); w (IN, rows x n, or 1 x n: one w for all rows). For the projection
    on a permutahedron both are sorted, largest first.
    out (OUT, rows x n); starts (OUT, rows x (n + 1)).
    s_weights, w_weights (OUT, rows x n, or None): block softmax of s and w, entropic.
    """
    cdef Py_ssize_t n = s.shape[1], r, k, i, first, end
    cdef const double* s_row
    cdef const double* w_row
    cdef Py_ssize_t* row_starts
    cdef double s_value, w_value
    cdef double* scratch
    cdef double* s_sums
    cdef double* w_sums
    cdef double* s_maxima
    cdef double* w_maxima
    if s.shape[0] == 0 or n == 0:
        return
    scratch = <double*> malloc(4 * n * sizeof(double))
    if scratch == NULL:
        raise MemoryError
    s_sums = scratch
    w_sums = scratch + n
    s_maxima = scratch + 2 * n
    w_maxima = scratch + 3 * n
    with nogil:
        for r in range(s.shape[0]):
            s_row = &s[r, 0]
            w_row = &w[r if w.shape[0] > 1 else 0, 0]
            row_starts = &starts[r, 0]
            if kind == QUADRATIC:
                isotonic_quadratic_row(s_row, w_row, n, row_starts, s_sums, w_sums)
            else:
                isotonic_entropic_row(
                    s_row, w_row, n, row_starts, s_maxima, s_sums, w_maxima, w_sums)
            k = 0
            first = 0
            while first < n:
                end = row_starts[k + 1]
                if end - first == 1:
                    out[r, first] = (
                        w_row[first] if project else s_row[first] - w_row[first])
                elif kind == QUADRATIC:
                    s_value = s_sums[k] / (end - first)
                    w_value = w_row[first] + w_sums[k] / (end - first)
                    for i in range(first, end):
                        if project:
                            out[r, i] = w_value + ((s_row[i] - s_row[first]) - s_value)
                        else:
                            out[r, i] = (s_row[first] + s_value) - w_value
                else:
                    for i in range(first, end):
                        if project:
                            out[r, i] = (w_maxima[k] + log(w_sums[k] / s_sums[k])) + (
                                s_row[i] - s_maxima[k])
                        else:
                            out[r, i] = (s_maxima[k] - w_maxima[k]) + log(
                                s_sums[k] / w_sums[k])
                if s_weights is not None:
                    for i in range(first, end):
                        s_weights[r, i] = exp(s_row[i] - s_maxima[k]) / s_sums[k]
                        w_weights[r, i] = exp(w_row[i] - w_maxima[k]) / w_sums[k]
                first = end
                k += 1
    free(scratch)


# --- Jacobians ---------------------------------------------------------------------

def block_product_rows(
    const double[:, ::1] u, const Py_ssize_t[:, ::1] input_order,
    const Py_ssize_t[:, ::1] output_order, const Py_ssize_t[:, ::1] starts,
    const double[:, ::1] weights, bint transpose, bint residual, double divisor,
    double[:, ::1] out,
):
    """out = M u / divisor for each row, M = A or (residual) I - A, or its transpose.

    A averages within blocks of the sorted order: (A u)_i = sum_{j in B} p_j u_j, with
    p the weights (None: 1 / size). Sorted position i is read from u[input_order[i]] and
    written to out[output_order[i]] (None: i itself).
    """
    cdef Py_ssize_t n = u.shape[1], r, k, i, first, end, source, target
    cdef double total, factor, value
    if u.shape[0] == 0 or n == 0:
        return
    with nogil:
        for r in range(u.shape[0]):
            k = 0
            first = 0
            while first < n:
                end = starts[r, k + 1]
                total = 0.0
                for i in range(first, end):
                    source = i if input_order is None else input_order[r, i]
                    if transpose or weights is None:
                        total += u[r, source]
                    else:
                        total += weights[r, i] * u[r, source]
                if weights is None:
                    total /= end - first
                for i in range(first, end):
                    source = i if input_order is None else input_order[r, i]
                    target = i if output_order is None else output_order[r, i]
                    factor = (
                        weights[r, i] if transpose and weights is not None else 1.0)
                    value = factor * total
                    if residual:
                        value = u[r, source] - value
                    out[r, target] = value / divisor
                first = end
                k += 1
