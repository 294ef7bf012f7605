# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: soft ranks and soft sorts, by pool adjacent violators (PAV).

Every function works on rows of a 2-D C-contiguous batch, trusts its arguments (the
public functions check them) and releases the GIL. Arithmetic is in double, also for
float32 rows.

Conventions
-----------
* x is a sorted row, non-increasing: sign * values in the order found by sorting.
* A *pool* is a block of two or more sorted positions that share one optimal v. Pools
  leave the kernel as integers: pools[r, 2k] and pools[r, 2k + 1] are start and end of
  the k-th pool of row r, and a start of n ends the list. All other positions are
  blocks of one, whose output is the hard value bit for bit.
* The rank and sort operators pair x with the progression rho = (n, n-1, ..., 1). Its
  block sums are closed-form, so only sums over x are carried: sums of x_i - x_first,
  all of one sign. Nothing cancels, however far x is from zero.
* Outputs are block value plus deviation, never z - v.
"""

from cython cimport floating
from libc.math cimport exp, expm1, log, log1p
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from ._order cimport (
    Word, is_bounded, pack_row, scan_row, sort_by_two_passes, unpack_row,
)
from ._progression cimport (
    progression_log_mean_exp, progression_sum_exp, progression_sum_expm1,
)

# Pools whose x / epsilon spans less than this share one anchor for their exponentials:
# the error of exp is then below 40 units in the last place.
cdef double ANCHOR_RANGE = 40.0


# --- the progression of step 1 ------------------------------------------------------

# For h = 1: P(m) = sum_{j < m} exp(-j), constant from m = 38 on, and P(m) exp(m).
cdef double RHO_SUM_EXP[64]
cdef double RHO_SUM_EXP_UP[700]


cdef void fill_tables() noexcept:
    cdef Py_ssize_t m
    for m in range(64):
        RHO_SUM_EXP[m] = progression_sum_exp(m, 1.0)
    for m in range(700):
        RHO_SUM_EXP_UP[m] = progression_sum_exp(m, 1.0) * exp(m)


fill_tables()


cdef inline double rho_sum_exp(Py_ssize_t m) noexcept nogil:
    return RHO_SUM_EXP[m if m < 64 else 63]


cdef inline double rho_sum_exp_up(Py_ssize_t m) noexcept nogil:
    return RHO_SUM_EXP_UP[m] if m < 700 else exp(<double> m) * RHO_SUM_EXP[63]


# --- PAV on one sorted row against the progression rho -----------------------------
#
# x (IN, n): non-increasing after multiplication by sign.
# pools (OUT, n + 1): starts and ends of the blocks of two or more, ended by n.
# sums (OUT, n / 2): for each pool the sum that the function describes.
# `is_sort` tells which side x is on: ranks have s = x / epsilon and w = rho, sorts
# s = rho / epsilon and w = x, which swaps the sense of every comparison. Blocks merge
# on strict violation only, so the solution at exactly the bound of `epsilon_bounds` is
# still the hard one. Every function returns the number of comparisons.
#
# All four go alike. A scan passes over neighbours that do not violate; they stay blocks
# of one and are not stacked. At a violation a pool starts: it absorbs the positions
# that follow while they violate, then the blocks before it while those do, and again,
# until neither does. Every comparison but one a round removes a block: O(n) in all.


cdef Py_ssize_t pav_quadratic_row(
    const floating* x, Py_ssize_t n, double sign, double epsilon, bint is_sort,
    int64_t* pools, double* sums,
) noexcept nogil:
    """Quadratic pools; sums = sum of x_i - x_first."""
    cdef Py_ssize_t first = 0, end, size, previous, previous_size, top = -1, work = n
    cdef double total, below, step, area, fall, drop
    cdef bint has_merged
    cdef Sum absorbed
    while True:
        if is_sort:
            while first + 1 < n and not epsilon * (
                sign * (<double> x[first] - <double> x[first + 1])
            ) > 1.0:
                first += 1
        else:
            while first + 1 < n and not (
                sign * (<double> x[first] - <double> x[first + 1]) < epsilon
            ):
                first += 1
        if first + 1 >= n:
            break
        end = first + 1
        size = 1
        total = 0.0
        has_merged = True
        while has_merged:
            work -= end
            absorbed = new_sum(total)
            while end < n:
                # Fall of the block mean of x, times the size, and fall of that of rho.
                step = sign * (<double> x[first] - <double> x[end])
                fall = step * size + result(&absorbed)
                drop = 0.5 * (size + 1)
                if is_sort:
                    if not epsilon * fall > drop * size:
                        break
                elif not fall < (epsilon * drop) * size:
                    break
                add(&absorbed, -step)
                size += 1
                end += 1
            work += end + 1
            total = result(&absorbed)
            has_merged = False
            while first > 0:
                previous = block_before(pools, top, first)
                previous_size = first - previous
                below = sums[top] if previous_size > 1 else 0.0
                step = sign * (<double> x[previous] - <double> x[first])
                area = <double> previous_size * <double> size
                fall = step * area + (below * size - total * previous_size)
                drop = 0.5 * (previous_size + size)
                work += 1
                if is_sort:
                    if not epsilon * fall > drop * area:
                        break
                elif not fall < (epsilon * drop) * area:
                    break
                top -= previous_size > 1
                total = below + (total - size * step)
                first = previous
                size += previous_size
                has_merged = True
        top += 1
        pools[2 * top] = first
        pools[2 * top + 1] = end
        sums[top] = total
        first = end
    pools[2 * (top + 1)] = n
    return work


cdef Py_ssize_t pav_entropic_row(
    const floating* x, Py_ssize_t n, double sign, double scale, double h,
    bint is_sort, bint is_kl, int64_t* pools, double* sums,
) noexcept nogil:
    """Entropic pools; sums = sum of exp((x_i - x_first) / scale), in [1, size].

    The other side is the progression of step h, or log(rho) for the KL rank. Neighbours
    a, b violate (ranks) iff A_a P_b < A_b P_a exp(d): one exp, no logarithm, and an exp
    that overflows or underflows still decides correctly.
    """
    cdef Py_ssize_t first = 0, end, size, previous, previous_size, top = -1, work = n
    cdef double total, below, step, term, left, right, rise = 0.0
    cdef double growth = exp(h)
    cdef Py_ssize_t first_absorbed
    cdef bint has_merged
    cdef Sum absorbed
    while True:
        # Of two blocks of one, d alone decides: A = P = 1.
        if is_sort:
            while first + 1 < n and not (
                sign * (<double> x[first] - <double> x[first + 1]) / scale > h
            ):
                first += 1
        elif is_kl:
            while first + 1 < n and not (
                n - first - 1 < (n - first) * exp(
                    sign * (<double> x[first + 1] - <double> x[first]) / scale)
            ):
                first += 1
        else:
            while first + 1 < n and not (
                sign * (<double> x[first] - <double> x[first + 1]) / scale < h
            ):
                first += 1
        if first + 1 >= n:
            break
        end = first + 2
        size = 2
        total = 1.0 + exp(sign * (<double> x[first + 1] - <double> x[first]) / scale)
        has_merged = True
        while has_merged:
            work -= end
            absorbed = new_sum(total)
            first_absorbed = end
            while end < n:
                step = sign * (<double> x[end] - <double> x[first]) / scale
                term = exp(step)
                total = result(&absorbed)
                if is_kl:
                    left = total * (n - end)
                    right = rho_sum(n, first, size) * term
                elif 1e-300 < h and size * h < 600.0:
                    # P(m) exp(m h) = exp(h) + ... + exp(m h), by its recurrence and
                    # anew from its closed form before errors add up.
                    if size % 32 == 0 or end == first_absorbed:
                        rise = expm1(size * h) / -expm1(-h)
                    left = total
                    right = term * rise
                    rise = growth * (rise + 1.0)
                else:
                    left = total
                    right = progression_sum_exp(size, h) * exp(step + size * h)
                if is_sort:
                    if not left > right:
                        break
                elif not left < right:
                    break
                add(&absorbed, term)
                size += 1
                end += 1
            work += end + 1
            total = result(&absorbed)
            has_merged = False
            while first > 0:
                previous = block_before(pools, top, first)
                previous_size = first - previous
                below = sums[top] if previous_size > 1 else 1.0
                step = sign * (<double> x[first] - <double> x[previous]) / scale
                if is_kl:
                    left = below * rho_sum(n, first, size)
                    right = total * rho_sum(n, previous, previous_size) * exp(step)
                else:
                    left = below * progression_sum_exp(size, h)
                    right = (total * progression_sum_exp(previous_size, h)
                             * exp(step + previous_size * h))
                work += 1
                if is_sort:
                    if not left > right:
                        break
                elif not left < right:
                    break
                top -= previous_size > 1
                total = below + total * exp(step)
                first = previous
                size += previous_size
                has_merged = True
        top += 1
        pools[2 * top] = first
        pools[2 * top + 1] = end
        sums[top] = total
        first = end
    pools[2 * (top + 1)] = n
    return work


cdef Py_ssize_t pav_anchored_rank_row(
    const double* x, const double* e, Py_ssize_t n, double epsilon, bint is_kl,
    int64_t* pools, double* sums,
) noexcept nogil:
    """Entropic pools of ranks where e = exp((x - x_0) / epsilon) spans few decades.

    sums = sum of e over the pool: all pools share the anchor x_0, so that neither
    comparing nor merging takes an exp.
    """
    cdef Py_ssize_t first = 0, end, size, previous, previous_size, top = -1, work = n
    cdef double total, below
    cdef bint has_merged
    cdef Sum absorbed
    while True:
        if is_kl:
            while first + 1 < n and not (
                e[first] * (n - first - 1) < e[first + 1] * (n - first)
            ):
                first += 1
        else:
            while first + 1 < n and not (x[first] - x[first + 1]) / epsilon < 1.0:
                first += 1
        if first + 1 >= n:
            break
        end = first + 2
        size = 2
        total = e[first] + e[first + 1]
        has_merged = True
        while has_merged:
            work -= end
            absorbed = new_sum(total)
            while end < n:
                total = result(&absorbed)
                if is_kl:
                    if not total * (n - end) < e[end] * rho_sum(n, first, size):
                        break
                elif not total < e[end] * rho_sum_exp_up(size):
                    break
                add(&absorbed, e[end])
                size += 1
                end += 1
            work += end + 1
            total = result(&absorbed)
            has_merged = False
            while first > 0:
                previous = block_before(pools, top, first)
                previous_size = first - previous
                below = sums[top] if previous_size > 1 else e[previous]
                work += 1
                if is_kl:
                    if not (below * rho_sum(n, first, size)
                            < total * rho_sum(n, previous, previous_size)):
                        break
                elif not (below * rho_sum_exp(size)
                          < total * rho_sum_exp_up(previous_size)):
                    break
                top -= previous_size > 1
                total += below
                first = previous
                size += previous_size
                has_merged = True
        top += 1
        pools[2 * top] = first
        pools[2 * top + 1] = end
        sums[top] = total
        first = end
    pools[2 * (top + 1)] = n
    return work


cdef Py_ssize_t pav_entropic_narrow_sort_row(
    const floating* x, Py_ssize_t n, double sign, double h, int64_t* pools,
    double* sums,
) noexcept nogil:
    """Entropic sort pools of a row of range < 1; sums = sum of expm1(x_i - x_first)."""
    cdef Py_ssize_t first = 0, end, size, previous, previous_size, top = -1, work = n
    cdef double total, below, step
    cdef bint has_merged
    cdef Sum absorbed
    while True:
        while first + 1 < n and not (
            sign * (<double> x[first] - <double> x[first + 1]) > h
        ):
            first += 1
        if first + 1 >= n:
            break
        end = first + 2
        size = 2
        total = expm1(sign * (<double> x[first + 1] - <double> x[first]))
        has_merged = True
        while has_merged:
            work -= end
            absorbed = new_sum(total)
            while end < n:
                step = sign * (<double> x[end] - <double> x[first])
                total = result(&absorbed)
                if not narrow_excess(
                    size, total, progression_sum_expm1(size, h), 1, 0.0, 0.0,
                    step + size * h,
                ) > 0.0:
                    break
                add(&absorbed, expm1(step))
                size += 1
                end += 1
            work += end + 1
            total = result(&absorbed)
            has_merged = False
            while first > 0:
                previous = block_before(pools, top, first)
                previous_size = first - previous
                below = sums[top] if previous_size > 1 else 0.0
                step = sign * (<double> x[first] - <double> x[previous])
                work += 1
                if not narrow_excess(
                    previous_size, below, progression_sum_expm1(previous_size, h),
                    size, total, progression_sum_expm1(size, h),
                    step + previous_size * h,
                ) > 0.0:
                    break
                top -= previous_size > 1
                total = below + (total + (size + total) * expm1(step))
                first = previous
                size += previous_size
                has_merged = True
        top += 1
        pools[2 * top] = first
        pools[2 * top + 1] = end
        sums[top] = total
        first = end
    pools[2 * (top + 1)] = n
    return work


# --- ranks -------------------------------------------------------------------------

cdef void write_rank_quadratic_row(
    const double* x, Py_ssize_t n, double epsilon, const int64_t* pools,
    const double* sums, const Word* order, floating* out,
) noexcept nogil:
    """r_i = mean(rho_B) + (x_i - mean(x_B)) / epsilon."""
    cdef Py_ssize_t k = 0, i, first = 0, end = 0
    cdef double value, mean
    while True:
        first = pools[2 * k]
        for i in range(end, first):
            out[order[i].index] = <floating> (n - i)
        if first == n:
            break
        end = pools[2 * k + 1]
        value = rho_sum(n, first, end - first) / (end - first)
        # Divided by epsilon first: means of subnormal numbers lose digits.
        mean = sums[k] / epsilon / (end - first)
        for i in range(first, end):
            out[order[i].index] = <floating> (
                value + ((x[i] - x[first]) / epsilon - mean))
        k += 1


cdef void write_rank_entropic_row(
    const double* x, const double* e, Py_ssize_t n, double epsilon, bint is_kl,
    const int64_t* pools, const double* sums, const Word* order, floating* out,
    double* weights,
) noexcept nogil:
    """r_i = logsumexp(rho_B) + x_i / epsilon - logsumexp(x_B / epsilon), or for "kl"
    r_i = sum(rho_B) softmax(x_B / epsilon)_i.

    e is NULL where the pools have no common anchor. weights (OUT, n, or NULL):
    softmax(x_B / epsilon) at pooled positions.
    """
    cdef Py_ssize_t k = 0, i, first = 0, end = 0
    cdef double value, anchor, total, term
    while True:
        first = pools[2 * k]
        for i in range(end, first):
            out[order[i].index] = <floating> (n - i)
        if first == n:
            break
        end = pools[2 * k + 1]
        total = sums[k]
        anchor = x[first] if e == NULL else x[0]
        value = rho_sum(n, first, end - first)
        if not is_kl:
            value = n - first + log(rho_sum_exp(end - first) / total)
        for i in range(first, end):
            if is_kl or weights != NULL:
                term = exp((x[i] - anchor) / epsilon) if e == NULL else e[i]
                term *= 1.0 / total
                if weights != NULL:
                    weights[i] = term
            if is_kl:
                out[order[i].index] = <floating> (value * term)
            else:
                out[order[i].index] = <floating> (value + (x[i] - anchor) / epsilon)
        if is_kl and x[first] == x[end - 1]:
            # Ties alone: the hard rank, free of the rounding of term.
            for i in range(first, end):
                out[order[i].index] = <floating> (value / (end - first))
        k += 1


cdef void hard_rank_row(
    const double* x, Py_ssize_t n, const Word* order, floating* out,
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
            out[order[i].index] = <floating> value
        first = end


cdef inline double single_block_limit(Py_ssize_t n, int kind) noexcept nogil:
    """The range, in epsilon, below which all ranks of a row surely are one block."""
    # The k largest must exceed the others by no more than rho's k largest exceed rho's
    # others, in the mean (quadratic) or in logsumexp. A margin of 1e-12: the bounds are
    # tight at k = 1 and computed in doubles.
    if kind == QUADRATIC:
        return 0.5 * n
    return log((n - 1) * expm1(1.0) if kind == ENTROPIC else 2.0) - 1e-12


cdef inline bint is_single_block(
    double spread, Py_ssize_t n, double epsilon, int kind, double limit
) noexcept nogil:
    if n < 2 or epsilon == 0.0:
        return False
    if kind == QUADRATIC:
        return spread < epsilon * limit
    return spread / epsilon < limit


cdef Py_ssize_t single_block_rank_row(
    const floating* values, Py_ssize_t n, double sign, double epsilon, int kind,
    double high, double* e, Word* order, int64_t* pools, floating* out,
    double* weights,
) noexcept nogil:
    """Ranks that form one block, with the identity for an order; high = max(x)."""
    cdef Py_ssize_t i
    cdef double value, mean, total, term
    cdef Sum even = new_sum(0.0), odd = new_sum(0.0)
    pools[0] = 0
    pools[1] = pools[2] = n
    if order != NULL:
        for i in range(n):
            order[i].index = i
    if kind == QUADRATIC:
        for i in range(0, n - 1, 2):
            add(&even, sign * values[i] - high)
            add(&odd, sign * values[i + 1] - high)
        if n % 2:
            add(&even, sign * values[n - 1] - high)
        mean = (result(&even) + result(&odd)) / epsilon / n
        value = 0.5 * (n + 1)
        for i in range(n):
            out[i] = <floating> (value + ((sign * values[i] - high) / epsilon - mean))
        return n
    for i in range(n):
        term = exp((sign * values[i] - high) / epsilon)
        e[i] = term
        add(&even, term)
    total = result(&even)
    value = rho_sum(n, 0, n)
    if kind == ENTROPIC:
        value = n + log(rho_sum_exp(n) / total)
    for i in range(n):
        if kind == KL:
            out[i] = <floating> (value * (e[i] / total))
        else:
            out[i] = <floating> (value + (sign * values[i] - high) / epsilon)
        if weights != NULL:
            weights[i] = e[i] / total
    return n


cdef Py_ssize_t rank_row(
    const double* x, Py_ssize_t n, double epsilon, int kind, const Word* order,
    int64_t* pools, double* sums, double* e, floating* out, double* weights,
) noexcept nogil:
    """Ranks of one sorted row; returns the work. e: room for n exponentials."""
    cdef Py_ssize_t i, work
    if epsilon == 0.0:
        hard_rank_row(x, n, order, out)
        pools[0] = n
        return 0
    if kind == QUADRATIC:
        work = pav_quadratic_row(x, n, 1.0, epsilon, False, pools, sums)
        write_rank_quadratic_row(x, n, epsilon, pools, sums, order, out)
        return work
    if (x[0] - x[n - 1]) / epsilon < ANCHOR_RANGE:
        for i in range(n):
            e[i] = exp((x[i] - x[0]) / epsilon)
        work = pav_anchored_rank_row(x, e, n, epsilon, kind == KL, pools, sums)
    else:
        e = NULL
        work = pav_entropic_row(
            x, n, 1.0, epsilon, 1.0, False, kind == KL, pools, sums)
    write_rank_entropic_row(
        x, e, n, epsilon, kind == KL, pools, sums, order, out, weights)
    return work


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


cdef void write_sort_quadratic_row(
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
        middle = 0.5 * (first + end - 1)
        for i in range(first, end):
            out[i] = <floating> (sign * (value + (middle - i) / epsilon))
        keep_order(first, end, n, sign, out)
        k += 1


cdef void write_sort_entropic_row(
    Py_ssize_t n, double sign, double h, bint is_narrow, const int64_t* pools,
    const double* sums, floating* out, double* weights,
) noexcept nogil:
    """o_i = logsumexp(x_B) + rho_i h - logsumexp(rho_B h), times sign; h = 1 / epsilon.

    Written with log-mean-exp on both sides, so that log(size) does not enter. weights
    (OUT, n, or NULL): softmax(x_B) at pooled positions.
    """
    cdef Py_ssize_t k = 0, i, first, end, size
    cdef double value, x_first, total
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
        value = x_first + (value - progression_log_mean_exp(size, h))
        for i in range(first, end):
            if weights != NULL:
                weights[i] = exp(sign * out[i] - x_first) / total
            out[i] = <floating> (sign * (value - (i - first) * h))
        keep_order(first, end, n, sign, out)
        k += 1


# --- batches -----------------------------------------------------------------------

def rank_rows(
    const floating[:, ::1] values, double epsilon, int kind, double sign,
    double[:, ::1] keys, floating[:, ::1] out, int64_t[:, ::1] pools,
    double[:, ::1] weights,
):
    """Soft ranks of each row: P(z, rho) with z = sign * values / epsilon.

    values (IN, rows x n).
    keys (OUT, rows x n): on return, viewed as int64, the argsort of -sign * values;
    the identity in rows that need no order.
    out (OUT, rows x n): the ranks, in the order of values.
    pools (OUT, rows x (n + 1), or None), weights (OUT, rows x n, or None): the pools
    and the softmax within them, in sorted order, for the Jacobian.
    epsilon = 0: average ranks, and no pools (a zero Jacobian).

    Returns the work, in comparisons and moves, or -1 if a row is not finite.
    """
    cdef Py_ssize_t n = values.shape[1], n_rows = values.shape[0], r, moves
    cdef Py_ssize_t work = 0, n_scanned = 0
    cdef double low = 0.0, high = 0.0, limit = single_block_limit(max(n, 2), kind)
    cdef double* scratch
    cdef double* x
    cdef double* sums
    cdef double* e
    cdef double* row_weights
    cdef int64_t* row_pools
    cdef const floating* row
    cdef Word* order
    cdef bint is_finite = True, all_single = True
    if n_rows == 0 or n == 0:
        return 0
    with nogil:
        for r in range(n_rows):
            if all_single:
                is_finite &= scan_row(&values[r, 0], n, sign, &low, &high)
                is_finite &= is_bounded(high - low, n, epsilon)
                all_single = is_single_block(high - low, n, epsilon, kind, limit)
                if not all_single:
                    n_scanned = r
            if not all_single:
                is_finite &= pack_row(&values[r, 0], n, sign, <Word*> &keys[r, 0])
        if not all_single:
            for r in range(n_scanned):
                pack_row(&values[r, 0], n, sign, <Word*> &keys[r, 0])
    if not is_finite:
        return -1
    if not all_single:
        keys.base.sort(1)
    # At most 3.5 words an element of one row: x and sums (n / 2) where rows are sorted,
    # pools and e where the caller gives no room for them.
    scratch = <double*> malloc(4 * (n + 1) * sizeof(double))
    if scratch == NULL:
        raise MemoryError
    x = scratch
    sums = scratch + (n + 1)
    try:
        with nogil:
            for r in range(n_rows):
                row = &values[r, 0]
                order = <Word*> &keys[r, 0]
                row_pools = (
                    <int64_t*> (scratch + 2 * (n + 1)) if pools is None
                    else &pools[r, 0])
                row_weights = NULL if weights is None else &weights[r, 0]
                # The exponentials become the weights in place.
                e = scratch + 3 * (n + 1) if weights is None else row_weights
                if all_single:
                    if n_rows > 1:  # else high is known
                        scan_row(row, n, sign, &low, &high)
                    work += single_block_rank_row(
                        row, n, sign, epsilon, kind, high, e,
                        NULL if pools is None else order, row_pools, &out[r, 0],
                        row_weights)
                    continue
                moves = unpack_row(row, n, sign, order, x)
                if moves < 0:
                    with gil:
                        sort_by_two_passes(row, n, sign, keys.base[r], order, x)
                    moves = n
                work += moves
                is_finite &= is_bounded(x[0] - x[n - 1], n, epsilon)
                if is_single_block(x[0] - x[n - 1], n, epsilon, kind, limit):
                    work += single_block_rank_row(
                        row, n, sign, epsilon, kind, x[0], e, order, row_pools,
                        &out[r, 0], row_weights)
                    continue
                work += rank_row(
                    x, n, epsilon, kind, order, row_pools, sums, e, &out[r, 0],
                    row_weights)
    finally:
        free(scratch)
    return work if is_finite else -1


def argsort_rows(
    const floating[:, ::1] values, double sign, double[:, ::1] keys,
    floating[:, ::1] sorted_values,
):
    """Stable argsort of -sign * values of each row.

    keys (OUT, rows x n): viewed as int64, the order; sorted_values (OUT, rows x n): the
    values in it. Returns the repairing moves, or -1 if a row is not finite.
    """
    cdef Py_ssize_t n = values.shape[1], n_rows = values.shape[0], r, i, moves
    cdef Py_ssize_t work = 0
    cdef double* x
    cdef const floating* row
    cdef Word* order
    cdef bint is_finite = True
    if n_rows == 0 or n == 0:
        return 0
    x = <double*> malloc(n * sizeof(double))
    if x == NULL:
        raise MemoryError
    try:
        with nogil:
            for r in range(n_rows):
                is_finite &= pack_row(&values[r, 0], n, sign, <Word*> &keys[r, 0])
        if not is_finite:
            return -1
        keys.base.sort(1)
        with nogil:
            for r in range(n_rows):
                row = &values[r, 0]
                order = <Word*> &keys[r, 0]
                moves = unpack_row(row, n, sign, order, x)
                if moves < 0:
                    with gil:
                        sort_by_two_passes(row, n, sign, keys.base[r], order, x)
                    moves = n
                work += moves
                is_finite &= is_bounded(x[0] - x[n - 1], n, 0.0)
                for i in range(n):
                    sorted_values[r, i] = row[order[i].index]
    finally:
        free(x)
    return work if is_finite else -1


def sort_rows(
    floating[:, ::1] out, double epsilon, int kind, double sign,
    int64_t[:, ::1] pools, double[:, ::1] weights,
):
    """Soft sort of each row in place: sign * P(rho / epsilon, sign * values).

    out (INOUT, rows x n): the values, sorted so that sign * out is non-increasing.
    pools, weights: as in `rank_rows`. epsilon > 0.

    Returns the work, in comparisons, or -1 if a row is not finite.
    """
    cdef Py_ssize_t n = out.shape[1], n_rows = out.shape[0], r, work = 0
    cdef double spread
    cdef double* scratch
    cdef double* sums
    cdef double* row_weights
    cdef int64_t* row_pools
    cdef bint is_finite = True, is_narrow
    if n_rows == 0 or n == 0:
        return 0
    scratch = <double*> malloc(2 * (n + 1) * sizeof(double))
    if scratch == NULL:
        raise MemoryError
    sums = scratch
    with nogil:
        for r in range(n_rows):
            row_pools = (
                <int64_t*> (scratch + (n + 1)) if pools is None else &pools[r, 0])
            row_weights = NULL if weights is None else &weights[r, 0]
            # NumPy sorts NaN to the end, so the ends tell of NaN and infinity.
            spread = sign * (<double> out[r, 0] - <double> out[r, n - 1])
            if not is_bounded(spread, n, epsilon):
                is_finite = False
                break
            if kind == QUADRATIC:
                work += pav_quadratic_row(
                    &out[r, 0], n, sign, epsilon, True, row_pools, sums)
                write_sort_quadratic_row(
                    n, sign, epsilon, row_pools, sums, &out[r, 0])
            else:
                is_narrow = spread < 1.0
                if is_narrow:
                    work += pav_entropic_narrow_sort_row(
                        &out[r, 0], n, sign, 1.0 / epsilon, row_pools, sums)
                else:
                    work += pav_entropic_row(
                        &out[r, 0], n, sign, 1.0, 1.0 / epsilon, True, False,
                        row_pools, sums)
                write_sort_entropic_row(
                    n, sign, 1.0 / epsilon, is_narrow, row_pools, sums, &out[r, 0],
                    row_weights)
    free(scratch)
    return work if is_finite else -1
