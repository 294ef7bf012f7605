# cython: language_level=3, cdivision=True
"""Pools of sorted rows against the progression rho, by pool adjacent violators."""

from cython cimport floating
from libc.math cimport INFINITY, exp, expm1, log
from libc.stdint cimport int64_t

from ._exponentials cimport (
    exp_steps, expm1_all, quick_exp, quick_expm1, steps_exceed,
)
from ._progression cimport progression_sum_exp, progression_sum_expm1
from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint
from ._sums cimport (
    Sum, add, add_run, block_before, narrow_excess, new_sum, result, rho_sum,
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


cdef extern from *:
    """
    /* Of n neighbours so many, in whole stretches, of which none has factor * gap <
       bound. */
    #define SK_SKIP(name, type) \\
    SK_SIMD static ptrdiff_t name( \\
        const type *x, ptrdiff_t n, double sign, double factor, double bound \\
    ) { \\
        ptrdiff_t i = 0; \\
        for (; i + 64 <= n; i += 64) { \\
            int64_t found = 0; \\
            for (int j = 0; j < 64; j++) { \\
                double gap = sign * ((double) x[i + j] - (double) x[i + j + 1]); \\
                found |= factor * gap < bound ? 1 : 0; \\
            } \\
            if (found) \\
                break; \\
        } \\
        return i; \\
    }
    SK_SKIP(sk_skip_float, float)
    SK_SKIP(sk_skip_double, double)

    /* Whether these surely violate with a pool of this width and total, one after the
       other, by bounds of what they add to it; and the sum of their steps from origin,
       which do not fall. For ranks factor = 1 and bound = epsilon. */
    SK_SIMD static int sk_all_join(
        const double *x, ptrdiff_t n, double origin, double width, double total,
        double sign, double factor, double bound, int is_sort, double *sum
    ) {
        double nearest = sign * (origin - x[0]), sums[16] = {0}, fails[16] = {0};
        for (ptrdiff_t i = 0; i < n; i += 16)
            SK_LANES
            for (int j = 0; j < 16; j++) {
                double step = sign * (origin - x[i + j]);
                double place = (double) (int) (i + j), size = width + place;
                double least = is_sort ? step : nearest; /* of an earlier step */
                double fall = step * size + (total - place * least);
                double drop = size + 1.0; /* twice, as whole numbers */
                fails[j] += factor * (fall + fall) < (bound * drop) * size ? 0.0 : 1.0;
                sums[j] += step;
            }
        for (int j = 1; j < 16; j++) {
            fails[0] += fails[j];
            sums[0] += sums[j];
        }
        *sum = sums[0];
        return fails[0] == 0.0;
    }

    /* The same for "kl", with exponentials: total and rho of the pool, and the rho of
       the first of these. */
    SK_SIMD static int sk_all_join_kl(
        const double *e, ptrdiff_t n, double total, double rho, double rest, double *sum
    ) {
        double largest = e[0], sums[16] = {0}, fails[16] = {0};
        for (ptrdiff_t i = 0; i < n; i += 16)
            SK_LANES
            for (int j = 0; j < 16; j++) {
                double place = (double) (int) (i + j);
                double others = rho + place * (rest - 0.5 * (place - 1.0));
                double left = (total + place * largest) * (rest - place);
                fails[j] += left < e[i + j] * others ? 0.0 : 1.0;
                sums[j] += e[i + j];
            }
        for (int j = 1; j < 16; j++) {
            fails[0] += fails[j];
            sums[0] += sums[j];
        }
        *sum = sums[0];
        return fails[0] == 0.0;
    }
    """
    Py_ssize_t sk_skip_float(
        const float* x, Py_ssize_t n, double sign, double factor, double bound
    ) noexcept nogil
    Py_ssize_t sk_skip_double(
        const double* x, Py_ssize_t n, double sign, double factor, double bound
    ) noexcept nogil
    bint sk_all_join(
        const double* x, Py_ssize_t n, double origin, double width, double total,
        double sign, double factor, double bound, bint is_sort, double* sum
    ) noexcept nogil
    bint sk_all_join_kl(
        const double* e, Py_ssize_t n, double total, double rho, double rest,
        double* sum) noexcept nogil


cdef enum:
    # So many neighbours are compared one by one before many are at once.
    NEAR = 32
    # A pool of so many takes so many more at once, where all of them violate.
    MANY = 128


cdef inline const double* widened(
    const floating* x, Py_ssize_t n, double* room
) noexcept nogil:
    """These numbers in double, those of float in the room for them."""
    cdef Py_ssize_t i
    if floating is double:
        return x
    else:
        for i in range(n):
            room[i] = x[i]
        return room


cdef inline Py_ssize_t next_gap(
    const floating* x, Py_ssize_t n, Py_ssize_t first, double sign, double factor,
    double bound,
) noexcept nogil:
    """The next place whose gap to the following one has factor * gap < bound, or the
    last one."""
    cdef Py_ssize_t stop = min(first + NEAR, n - 1)
    while True:
        while first < stop and not factor * (
            sign * (<double> x[first] - <double> x[first + 1])
        ) < bound:
            first += 1
        if first < stop or first >= n - 1:
            return first
        if floating is float:
            first += sk_skip_float(&x[first], n - 1 - first, sign, factor, bound)
        else:
            first += sk_skip_double(&x[first], n - 1 - first, sign, factor, bound)
        stop = n - 1


cdef inline Py_ssize_t pav_quadratic_row(
    const floating* x, Py_ssize_t n, double sign, double epsilon, bint is_sort,
    int64_t* pools, double* sums,
) noexcept nogil:
    """Quadratic pools; sums = sum of x_i - x_first."""
    cdef Py_ssize_t first = 0, end, size, previous, previous_size, top = -1, work = n
    cdef Py_ssize_t stop
    cdef double total, below, step, area, fall, drop, width
    cdef double factor = -epsilon if is_sort else 1.0
    cdef double bound = -1.0 if is_sort else epsilon
    cdef double[MANY] room
    cdef bint has_merged
    cdef Sum absorbed
    while True:
        first = next_gap(x, n, first, sign, factor, bound)
        if first + 1 >= n:
            break
        end = first + 1
        size = 1
        total = 0.0
        has_merged = True
        while has_merged:
            work -= end
            absorbed = new_sum(total)
            width = <double> size
            stop = first + MANY
            while end < n:
                if end >= stop:
                    stop = end + MANY
                    if stop <= n and sk_all_join(
                        widened(&x[end], MANY, room), MANY, <double> x[first], width,
                        result(&absorbed), sign, factor, bound, is_sort, &step
                    ):
                        add_run(&absorbed, -step)
                        width += MANY
                        end = stop
                        continue
                # Fall of the block mean of x, times the size, and fall of that of rho;
                # both twice: of a subnormal epsilon whole numbers are exact.
                step = sign * (<double> x[first] - <double> x[end])
                fall = 2.0 * (step * width + result(&absorbed))
                drop = width + 1.0
                if is_sort:
                    if not epsilon * fall > drop * width:
                        break
                elif not fall < (epsilon * drop) * width:
                    break
                add(&absorbed, -step)
                width += 1.0
                end += 1
            size = end - first
            work += end + 1
            total = result(&absorbed)
            has_merged = False
            while first > 0:
                previous = block_before(pools, top, first)
                previous_size = first - previous
                below = sums[top] if previous_size > 1 else 0.0
                step = sign * (<double> x[previous] - <double> x[first])
                area = <double> previous_size * <double> size
                fall = 2.0 * (step * area + (below * size - total * previous_size))
                drop = <double> (previous_size + size)
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
