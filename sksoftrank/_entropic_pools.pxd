# cython: language_level=3, cdivision=True
"""Entropic pools of sorted rows against the progression rho.

What the functions take and return is as in `_pools.pxd`.
"""

from cython cimport floating
from libc.math cimport INFINITY, exp, expm1, log
from libc.stdint cimport int64_t

from ._exponentials cimport (
    exp_steps, expm1_all, quick_exp, quick_expm1, steps_exceed,
)
from ._pools cimport next_gap, widened
from ._progression cimport progression_sum_exp, progression_sum_expm1
from ._sums cimport Sum, add, block_before, narrow_excess, new_sum, result, rho_sum

cdef enum:
    # Beyond the first few neighbours that a pool absorbs their exponentials are found
    # for many at once.
    FEW_TERMS = 8
    TERMS = 256


cdef struct Terms:
    double[TERMS] term   # of x
    double[TERMS] bound  # what it is compared with


cdef inline void find_terms(
    const double* x, Py_ssize_t n, double origin, double unit, double h,
    Py_ssize_t size, bint is_kl, Terms* found,
) noexcept nogil:
    """exp((x - origin) / unit), and times P(size) exp(size h) of a growing size."""
    cdef Py_ssize_t i
    cdef double per_step
    exp_steps(x, n, origin, unit, 0.0, 0.0, found.term)
    if is_kl:
        return
    if 1e-300 < h and (size + n) * h < 600.0:
        # P(m) exp(m h) = exp(h) + ... + exp(m h)
        per_step = -expm1(-h)
        for i in range(n):
            found.bound[i] = (size + i) * h
        expm1_all(found.bound, n, found.bound)
        for i in range(n):
            found.bound[i] = found.term[i] * (found.bound[i] / per_step)
        return
    exp_steps(x, n, origin, unit, <double> size, h, found.bound)
    for i in range(n):
        found.bound[i] *= progression_sum_exp(size + i, h)


cdef inline bint all_violate(
    const double* x, Py_ssize_t n, double origin, double unit, double h,
    Py_ssize_t size, bint is_sort,
) noexcept nogil:
    """Whether all of these surely violate with a pool of this size, and its sum does
    not feel their exponentials."""
    cdef double turn = -1.0 if is_sort else 1.0
    # The sum is in [1, size], and so is P.
    return (x[0] - origin) / unit < -800.0 and steps_exceed(
        x, n, origin, turn * unit, <double> size, turn * h,
        log(<double> (size + n)) + 1e-3)


cdef inline bint may_violate_kl(double step, double rest) noexcept nogil:
    """Whether exp(-step) > 1 - 1 / rest; step >= 0."""
    # By -1 / (rest - 1) < log(1 - 1 / rest) < -1 / rest, mostly without an exp.
    return step * (rest - 1.0) < 1.0 and (
        step * rest < 1.0 or rest - 1.0 < rest * exp(-step))


cdef inline Py_ssize_t pav_entropic_row(
    const floating* x, Py_ssize_t n, double sign, double scale, double h,
    bint is_sort, bint is_kl, int64_t* pools, double* sums,
) noexcept nogil:
    """Entropic pools; sums = sum of exp((x_i - x_first) / scale), in [1, size].

    The other side is the progression of step h, or log(rho) for the KL rank. Neighbours
    a, b violate (ranks) iff A_a P_b < A_b P_a exp(d): no logarithm, and an exp that
    overflows or underflows still decides correctly.
    """
    cdef Py_ssize_t first = 0, end, size, previous, previous_size, top = -1, work = n
    cdef Py_ssize_t start, stop, begin = 0
    cdef double total, below, step, term, left, right, rise = 0.0, growth = quick_exp(h)
    # Of pools of two P, and P(m) exp(m h) = exp(h) + ... + exp(m h).
    cdef double pair_sum = progression_sum_exp(2, h)
    cdef double per_step = -quick_expm1(-h)
    cdef double pair = quick_expm1(2.0 * h) / per_step if 1e-300 < h < 300.0 else 0.0
    cdef double unit = sign * scale
    # Gaps beyond surely violate no more, or no less: without a division.
    cdef double limit = scale * h
    cdef double low = 0.999999 * limit if 1e-290 < limit < 1e290 else 0.0
    cdef double high = 1.000001 * limit if 1e-290 < limit < 1e290 else INFINITY
    cdef double below_low = 0.9999 * low, above_high = 1.0001 * high
    cdef bint has_merged
    cdef Sum absorbed
    cdef Terms terms
    cdef double[TERMS] room
    cdef const double* wide
    while True:
        # Of two blocks of one, d alone decides: A = P = 1.
        if is_sort:
            while first + 1 < n:
                step = sign * (<double> x[first] - <double> x[first + 1])
                if step >= low and step / scale > h:
                    break
                first = next_gap(x, n, first + 1, sign, -1.0, -below_low)
        elif is_kl:
            while first + 1 < n and not may_violate_kl(
                sign * (<double> x[first] - <double> x[first + 1]) / scale,
                <double> (n - first)
            ):
                first += 1
        else:
            while first + 1 < n:
                step = sign * (<double> x[first] - <double> x[first + 1])
                if step <= high and step / scale < h:
                    break
                first = next_gap(x, n, first + 1, sign, 1.0, above_high)
        if first + 1 >= n:
            break
        end = first + 2
        size = 2
        total = 1.0 + quick_exp(
            sign * (<double> x[first + 1] - <double> x[first]) / scale)
        has_merged = True
        while has_merged:
            work -= end
            absorbed = new_sum(total)
            if not is_sort:  # ties have no gap to rho's fall
                while end < n and x[end] == x[first]:
                    add(&absorbed, 1.0)
                    size += 1
                    end += 1
            start = end
            stop = end + FEW_TERMS
            while end < n:
                total = result(&absorbed)
                if end < start + FEW_TERMS:
                    step = sign * (<double> x[end] - <double> x[first]) / scale
                    term = quick_exp(step)
                    if is_kl:
                        right = 0.0
                    elif 1e-300 < h and size * h < 600.0:
                        # By its recurrence.
                        if end == start:
                            rise = pair if size == 2 else (
                                quick_expm1(size * h) / per_step)
                        right = term * rise
                        rise = growth * (rise + 1.0)
                    else:
                        right = progression_sum_exp(size, h) * exp(step + size * h)
                else:
                    if end == stop:
                        begin = end
                        stop = min(n, end + min(4 * (end - start), <Py_ssize_t> TERMS))
                        wide = widened(&x[end], stop - end, room)
                        if not is_kl and all_violate(
                            wide, stop - end, <double> x[first], unit, h, size, is_sort
                        ):
                            size += stop - end
                            end = stop
                            continue
                        find_terms(
                            wide, stop - end, <double> x[first], unit, h, size, is_kl,
                            &terms)
                    term = terms.term[end - begin]
                    right = terms.bound[end - begin]
                left = total
                if is_kl:
                    left *= n - end
                    right = rho_sum(n, first, size) * term
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
                term = -1.0
                if is_kl:
                    term = quick_exp(step)
                    left = below * rho_sum(n, first, size)
                    right = total * rho_sum(n, previous, previous_size) * term
                else:
                    left = below * (
                        pair_sum if size == 2 else progression_sum_exp(size, h))
                    if previous_size == 1 and h < 600.0 and step > -600.0:
                        term = quick_exp(step)
                        right = total * (term * growth)
                    else:
                        right = (total * progression_sum_exp(previous_size, h)
                                 * exp(step + previous_size * h))
                work += 1
                if is_sort:
                    if not left > right:
                        break
                elif not left < right:
                    break
                top -= previous_size > 1
                total = below + total * (quick_exp(step) if term < 0.0 else term)
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
        first = next_gap(x, n, first, sign, -1.0, -h)
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
