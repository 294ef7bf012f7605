# cython: language_level=3, cdivision=True
"""Pools of sorted rows against the progression rho, by pool adjacent violators."""

from cython cimport floating
from libc.stdint cimport int64_t

from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint
from ._sums cimport Sum, add, add_run, block_before, new_sum, result

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
# All go alike, here and in `_entropic_pools.pxd`. A scan passes over neighbours that do
# not violate; they stay blocks of one and are not stacked. At a violation a pool
# starts: it absorbs the positions that follow while they violate, then the blocks
# before it while those do, and again, until neither does. Every comparison but one a
# round removes a block: O(n) in all.


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
