# cython: language_level=3, cdivision=True
"""Pools of sorted rows against the progression rho, by pool adjacent violators."""

from cython cimport floating
from libc.math cimport exp, expm1
from libc.stdint cimport int64_t

from ._progression cimport progression_sum_exp, progression_sum_expm1
from ._sums cimport (
    Sum, add, block_before, narrow_excess, new_sum, result, rho_sum,
)

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


cdef inline Py_ssize_t pav_quadratic_row(
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


cdef inline Py_ssize_t pav_entropic_row(
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


cdef inline Py_ssize_t pav_entropic_narrow_sort_row(
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
