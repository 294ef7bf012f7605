# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: isotonic optimisation of arbitrary s and w by PAV, and Jacobians.

Rows, pools and the sense of comparisons are those of `_pav.pyx`. The block sums that
the functions stack are for comparing; the output sums anew, see `block_sum`.
"""

from libc.math cimport INFINITY, NAN, exp, expm1, fabs, frexp, ldexp, log, log1p
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from ._environment cimport Environment, enter, leave
from ._held cimport hold, let_go
from ._paired cimport Exact, add_exactly
from ._order cimport is_bounded, scan_row, sk_rises
from ._pav cimport ENTROPIC, QUADRATIC
from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint
from ._sums cimport (
    Sum, add, block_before, narrow_excess, new_sum, result, rho_sum,
)


cdef inline double ratio(double x, double unit) noexcept nogil:
    """x / unit, without the cost of dividing by 1."""
    return x if unit == 1.0 else x / unit


cdef inline void isotonic_quadratic_row(
    const double* s, const double* w, bint has_w, Py_ssize_t n, double unit,
    int64_t* pools, double* s_sums, double* w_sums,
) noexcept nogil:
    """Pools of v_Q(s / unit, w), or without w of that for w = 0.

    s_sums, w_sums (OUT): sums of s_i - s_first and w_i - w_first.

    Goes as `pav_quadratic_row`. The two sides are never subtracted element by element:
    where |s| is huge, w would be lost. has_w is a constant, which costs nothing.
    """
    cdef Py_ssize_t first = 0, end, size, previous, previous_size, top = -1
    cdef double s_total, s_below, s_step, area, width
    cdef double w_total = 0.0, w_below = 0.0, w_step = 0.0
    cdef bint has_merged
    while True:
        while first + 1 < n and not (
            s[first] - s[first + 1] < (
                unit * (w[first] - w[first + 1]) if has_w else 0.0)
        ):
            first += 1
        if first + 1 >= n:
            break
        end = first + 1
        size = 1
        s_total = 0.0
        w_total = 0.0
        has_merged = True
        while has_merged:
            width = <double> size
            while end < n:
                s_step = s[first] - s[end]
                if has_w:
                    w_step = w[first] - w[end]
                if not s_step * width + s_total < unit * (w_step * width + w_total):
                    break
                s_total -= s_step
                w_total -= w_step
                width += 1.0
                end += 1
            size = end - first
            has_merged = False
            while first > 0:
                previous = block_before(pools, top, first)
                previous_size = first - previous
                s_below = s_sums[top] if previous_size > 1 else 0.0
                s_step = s[previous] - s[first]
                if has_w:
                    w_below = w_sums[top] if previous_size > 1 else 0.0
                    w_step = w[previous] - w[first]
                area = <double> previous_size * <double> size
                if not (
                    s_step * area + (s_below * size - s_total * previous_size)
                    < unit * (
                        w_step * area + (w_below * size - w_total * previous_size))
                ):
                    break
                top -= previous_size > 1
                s_total = s_below + (s_total - size * s_step)
                w_total = w_below + (w_total - size * w_step)
                first = previous
                size += previous_size
                has_merged = True
        top += 1
        pools[2 * top] = first
        pools[2 * top + 1] = end
        s_sums[top] = s_total
        if has_w:
            w_sums[top] = w_total
        first = end
    pools[2 * (top + 1)] = n


cdef inline double add_exp(
    double* maximum, double total, double other_maximum, double other_total,
    double unit
) noexcept nogil:
    """Add two sums of exp that are scaled by their maxima; updates the maximum."""
    if other_maximum > maximum[0]:
        total = total * exp(ratio(maximum[0] - other_maximum, unit)) + other_total
        maximum[0] = other_maximum
        return total
    return total + other_total * exp(ratio(other_maximum - maximum[0], unit))


cdef void isotonic_entropic_row(
    const double* s, const double* w, Py_ssize_t n, double unit, int64_t* starts,
    double* s_maxima, double* s_sums, double* w_maxima, double* w_sums,
) noexcept nogil:
    """Blocks of v_E(s / unit, w); logsumexp(w_B) = w_maximum + log(w_sum), s alike.

    starts (OUT, n + 1): first positions of all blocks, ended by n.
    """
    cdef Py_ssize_t i, first, top = -1
    cdef double s_maximum, s_total, w_maximum, w_total, rise
    for i in range(n):
        first = i
        s_maximum = s[i]
        w_maximum = w[i]
        s_total = 1.0
        w_total = 1.0
        while top >= 0:
            rise = ratio(s_maximum - s_maxima[top], unit) - (w_maximum - w_maxima[top])
            if i - starts[top] == 1:
                if not rise > 0.0:  # two blocks of one
                    break
            elif not s_sums[top] * w_total < s_total * w_sums[top] * exp(rise):
                break
            s_total = add_exp(&s_maximum, s_total, s_maxima[top], s_sums[top], unit)
            w_total = add_exp(&w_maximum, w_total, w_maxima[top], w_sums[top], 1.0)
            first = starts[top]
            top -= 1
        top += 1
        starts[top] = first
        s_maxima[top] = s_maximum
        s_sums[top] = s_total
        w_maxima[top] = w_maximum
        w_sums[top] = w_total
    starts[top + 1] = n


cdef void isotonic_narrow_entropic_row(
    const double* s, const double* w, Py_ssize_t n, double unit,
    int64_t* starts, double* s_sums, double* w_sums,
) noexcept nogil:
    """Blocks of v_E(s / unit, w) where both ranges are < 1; sums of expm1(. - first).

    starts as in `isotonic_entropic_row`.
    """
    cdef Py_ssize_t i, first, size, previous, previous_size, top = -1
    cdef double s_total, w_total, s_step, w_step
    for i in range(n):
        first = i
        size = 1
        s_total = 0.0
        w_total = 0.0
        while top >= 0:
            previous = starts[top]
            previous_size = first - previous
            s_step = ratio(s[first] - s[previous], unit)
            w_step = w[first] - w[previous]
            if not narrow_excess(
                previous_size, s_sums[top], w_sums[top], size, s_total, w_total,
                s_step - w_step,
            ) < 0.0:
                break
            s_total = s_sums[top] + (s_total + (size + s_total) * expm1(s_step))
            w_total = w_sums[top] + (w_total + (size + w_total) * expm1(w_step))
            first = previous
            size += previous_size
            top -= 1
        top += 1
        starts[top] = first
        s_sums[top] = s_total
        w_sums[top] = w_total
    starts[top + 1] = n


cdef void pools_of_starts(
    const int64_t* starts, Py_ssize_t n, int64_t* pools
) noexcept nogil:
    """The blocks of two or more among those that begin at starts."""
    cdef Py_ssize_t k = 0, n_pools = 0
    while starts[k] < n:
        if starts[k + 1] - starts[k] > 1:
            pools[2 * n_pools] = starts[k]
            pools[2 * n_pools + 1] = starts[k + 1]
            n_pools += 1
        k += 1
    pools[2 * n_pools] = n


cdef inline double block_anchor(
    const double* x, Py_ssize_t first, Py_ssize_t end, bint is_wide
) noexcept nogil:
    """What the sums of a block are relative to: the maximum, if exp could overflow."""
    cdef Py_ssize_t i
    cdef double anchor = x[first]
    if is_wide:
        for i in range(first + 1, end):
            anchor = max(anchor, x[i])
    return anchor


cdef inline double block_sum(
    const double* x, Py_ssize_t first, Py_ssize_t end, double anchor, double unit,
    int kind, bint is_narrow,
) noexcept nogil:
    """Sum over a block of (x - anchor) / unit, of its exp, or (narrow) of its expm1."""
    cdef Py_ssize_t i
    cdef Sum block = new_sum(0.0)
    for i in range(first, end):
        if kind == QUADRATIC:
            add(&block, x[i] - anchor)
        elif is_narrow:
            add(&block, expm1(ratio(x[i] - anchor, unit)))
        else:
            add(&block, exp(ratio(x[i] - anchor, unit)))
    return result(&block) / (unit if kind == QUADRATIC else 1.0)


cdef inline double block_value(
    double total, Py_ssize_t size, int kind, bint is_narrow
) noexcept nogil:
    """Mean, or log-mean-exp, of a block less its anchor."""
    if kind == QUADRATIC:
        return total / size
    return log1p(total / size) if is_narrow else log(total / size)


cdef inline void let_fall(double* x, Py_ssize_t n) noexcept nogil:
    """The running minimum, where rounding has left a row that rises."""
    cdef Py_ssize_t i
    if sk_rises(x, n):
        for i in range(1, n):
            x[i] = min(x[i], x[i - 1])


cdef struct Range:
    double spread
    double size
    bint is_bounded


cdef inline Range range_of(const double* x, Py_ssize_t n) noexcept nogil:
    """Spread and largest absolute value; whether pools may multiply the spread."""
    cdef double low, high
    cdef Range found
    found.is_bounded = scan_row(x, n, 1.0, &low, &high)
    found.spread = high - low
    found.size = max(fabs(low), fabs(high))
    found.is_bounded &= is_bounded(found.spread, n, 1.0)
    return found


def isotonic_rows(
    const double[:, ::1] s, const double[:, ::1] w, double unit, int kind, bint project,
    double[:, ::1] out, int64_t[:, ::1] pools,
    double[:, ::1] s_weights, double[:, ::1] w_weights,
):
    """v(s / unit, w) of each row, or with project s / unit less it, the projection.

    s (IN, rows x n); w (IN, rows x n, or 1 x n: one w for all rows, or, without
    project, None: zeros). For the projection on a permutahedron both are sorted,
    largest first.
    out (OUT, rows x n), never rising; pools (OUT, rows x (n + 1), or None).
    s_weights, w_weights (OUT, rows x n, or None): softmax of s / unit and of w within
    the pools.

    Returns whether all rows are finite, and narrow enough for sums.
    """
    cdef Py_ssize_t n = s.shape[1], r, k, i, first, end, size
    cdef const double* s_row
    cdef const double* w_row
    cdef double s_anchor, w_anchor, s_total, w_total, s_value, w_value, value
    cdef double* scratch
    cdef double* s_sums
    cdef double* w_sums
    cdef double* s_maxima
    cdef double* w_maxima
    cdef double* zeros
    cdef int64_t* starts
    cdef int64_t* row_pools
    cdef bint is_narrow, is_wide, has_w = w is not None, is_finite = True
    cdef Range s_range, w_range
    cdef Environment environment
    if s.shape[0] == 0 or n == 0:
        return True
    # Seven words an element of one row, of which only what is used is touched.
    scratch = <double*> malloc(7 * (n + 1) * sizeof(double))
    if scratch == NULL:
        raise MemoryError
    s_sums = scratch
    w_sums = scratch + (n + 1)
    s_maxima = scratch + 2 * (n + 1)
    w_maxima = scratch + 3 * (n + 1)
    starts = <int64_t*> (scratch + 4 * (n + 1))
    row_pools = <int64_t*> (scratch + 5 * (n + 1))
    zeros = scratch + 6 * (n + 1)
    enter(&environment)
    with nogil:
        w_row = zeros
        if not has_w and kind == ENTROPIC:
            for i in range(n):
                zeros[i] = 0.0
        w_range.spread = w_range.size = 0.0
        w_range.is_bounded = True
        for r in range(s.shape[0]):
            s_row = &s[r, 0]
            if pools is not None:
                row_pools = &pools[r, 0]
            if has_w and (r == 0 or w.shape[0] > 1):
                w_row = &w[r, 0]
                w_range = range_of(w_row, n)
            s_range = range_of(s_row, n)
            is_finite &= s_range.is_bounded and w_range.is_bounded and (
                project or s_range.size + w_range.size < INFINITY)
            is_narrow = kind == ENTROPIC and s_range.spread / unit < 1.0 and (
                w_range.spread < 1.0)
            is_wide = kind == ENTROPIC and not is_narrow
            if kind == QUADRATIC and not has_w:
                isotonic_quadratic_row(
                    s_row, w_row, False, n, 1.0, row_pools, s_sums, w_sums)
            elif kind == QUADRATIC and unit == 1.0:  # a constant, too
                isotonic_quadratic_row(
                    s_row, w_row, True, n, 1.0, row_pools, s_sums, w_sums)
            elif kind == QUADRATIC:
                isotonic_quadratic_row(
                    s_row, w_row, True, n, unit, row_pools, s_sums, w_sums)
            else:
                if is_narrow:
                    isotonic_narrow_entropic_row(
                        s_row, w_row, n, unit, starts, s_sums, w_sums)
                else:
                    isotonic_entropic_row(
                        s_row, w_row, n, unit, starts, s_maxima, s_sums, w_maxima,
                        w_sums)
                pools_of_starts(starts, n, row_pools)
            k = 0
            end = 0
            while True:
                first = row_pools[2 * k]
                if kind == QUADRATIC and not has_w:
                    memcpy(&out[r, end], &s_row[end], (first - end) * sizeof(double))
                else:
                    for i in range(end, first):
                        out[r, i] = w_row[i] if project else s_row[i] - w_row[i]
                if first == n:
                    break
                end = row_pools[2 * k + 1]
                size = end - first
                s_anchor = block_anchor(s_row, first, end, is_wide)
                s_total = block_sum(s_row, first, end, s_anchor, unit, kind, is_narrow)
                s_value = block_value(s_total, size, kind, is_narrow)
                w_anchor = w_total = w_value = 0.0
                if has_w or kind == ENTROPIC:
                    w_anchor = block_anchor(w_row, first, end, is_wide)
                    w_total = block_sum(
                        w_row, first, end, w_anchor, 1.0, kind, is_narrow)
                    w_value = block_value(w_total, size, kind, is_narrow)
                for i in range(first, end):
                    if project:
                        out[r, i] = (w_anchor + w_value) + (
                            ratio(s_row[i] - s_anchor, unit) - s_value)
                    else:
                        out[r, i] = (s_anchor - w_anchor) + (s_value - w_value)
                if s_weights is not None:
                    if is_narrow:
                        s_total += size
                        w_total += size
                    for i in range(first, end):
                        value = ratio(s_row[i] - s_anchor, unit)
                        s_weights[r, i] = exp(value) / s_total
                        w_weights[r, i] = exp(w_row[i] - w_anchor) / w_total
                k += 1
            let_fall(&out[r, 0], n)
    leave(&environment)
    free(scratch)
    return is_finite


# --- weighted means -----------------------------------------------------------------
#

cdef extern from *:
    """
    /* `product` of the weights and unit * x. */
    SK_SIMD static void sk_products(
        const double *weight, const double *x, ptrdiff_t n, double unit, double *high,
        double *low
    ) {
        const double split = 134217729.0; /* 2^27 + 1 */
        for (ptrdiff_t i = 0; i < n; i++) {
            double a = weight[i], b = unit * x[i], a2, b2;
            double a1 = split * a, b1 = split * b;
            a1 -= a1 - a;
            b1 -= b1 - b;
            a2 = a - a1;
            b2 = b - b1;
            high[i] = a * b;
            low[i] = ((a1 * b1 - high[i]) + a1 * b2 + a2 * b1) + a2 * b2;
        }
    }
    """
    void sk_products(
        const double* weight, const double* x, Py_ssize_t n, double unit, double* high,
        double* low) noexcept nogil


cdef inline Exact product(double a, double b) noexcept nogil:
    """Dekker's product; a and b are moderate."""
    cdef double split = 134217729.0  # 2^27 + 1
    cdef double a1 = split * a, b1 = split * b, a2, b2
    cdef Exact p
    a1 -= a1 - a
    b1 -= b1 - b
    a2 = a - a1
    b2 = b - b1
    p.high = a * b
    p.low = ((a1 * b1 - p.high) + a1 * b2 + a2 * b1) + a2 * b2
    return p


cdef inline double exact_ratio(Exact a, Exact b) noexcept nogil:
    """a / b, rounded once but for a few parts in 2^100; b > 0."""
    cdef double quotient = a.high / b.high
    cdef Exact back = product(quotient, b.high)
    return quotient + (
        ((a.high - back.high) - back.low + a.low) - quotient * b.low) / b.high


cdef struct Block:
    Py_ssize_t first
    double mean  # of a value; NaN where it has not been asked for
    Exact sum
    Exact weight


cdef inline double mean_of(Block* block) noexcept nogil:
    if block.mean != block.mean:
        block.mean = exact_ratio(block.sum, block.weight)
    return block.mean


cdef inline int compare(double left, double right) noexcept nogil:
    """1 if right is surely larger, -1 if left is, or 0.

    They are products of sums and weights, rounded to a few parts in 2^53.
    """
    if fabs(right - left) > 1e-14 * (fabs(left) + fabs(right)) + 1e-300:
        return 1 if right > left else -1
    return 0


cdef inline bint value_rises(Block* block, double value) noexcept nogil:
    """Whether a value is above the mean of the block below it."""
    cdef int sign = compare(block.sum.high, value * block.weight.high)
    return sign > 0 or sign == 0 and mean_of(block) < value


cdef inline bint rises(Block* below, Block* block) noexcept nogil:
    """Whether the mean of a block is above that of the one below it."""
    cdef int sign = compare(
        below.sum.high * block.weight.high, block.sum.high * below.weight.high)
    return sign > 0 or sign == 0 and mean_of(below) < mean_of(block)


cdef inline void absorb(Block* block, Exact sum, Exact weight) noexcept nogil:
    add_exactly(&block.sum, sum.high)
    add_exactly(&block.weight, weight.high)
    block.sum.low += sum.low
    block.weight.low += weight.low
    block.mean = NAN


def weighted_isotonic_rows(
    const double[:, ::1] x, const double[::1] weights, double[:, ::1] out,
):
    """The non-increasing rows that are closest in the weighted Euclidean sense.

    x (IN, rows x n), of finite range; weights (IN, n), above 0, the largest near 1;
    out (OUT, rows x n): the weighted means of blocks, rounded once.
    """
    cdef Environment environment
    cdef Py_ssize_t n = x.shape[1], r, i, k, end, top
    cdef double low, high, unit, mean
    cdef const double* row
    cdef double* high_product
    cdef double* low_product
    cdef Exact weight, term
    cdef Block block
    cdef Block* blocks
    if x.shape[0] == 0 or n == 0:
        return
    blocks = <Block*> malloc(n * (sizeof(Block) + 2 * sizeof(double)))
    if blocks == NULL:
        raise MemoryError
    high_product = <double*> (blocks + n)
    low_product = high_product + n
    weight.low = 0.0
    enter(&environment)
    with nogil:
        for r in range(x.shape[0]):
            row = &x[r, 0]
            scan_row(row, n, 1.0, &low, &high)
            unit = power_of_two(max(fabs(low), fabs(high)))
            sk_products(&weights[0], row, n, unit, high_product, low_product)
            top = -1
            i = 0
            while i < n:
                block.first = i
                block.mean = row[i] * unit
                block.sum.high = high_product[i]
                block.sum.low = low_product[i]
                weight.high = weights[i]
                block.weight = weight
                i += 1
                while True:  # absorb what follows, and then what is before
                    while i < n and value_rises(&block, row[i] * unit):
                        term.high = high_product[i]
                        term.low = low_product[i]
                        weight.high = weights[i]
                        absorb(&block, term, weight)
                        i += 1
                    if top < 0 or not rises(&blocks[top], &block):
                        break
                    block.first = blocks[top].first
                    absorb(&block, blocks[top].sum, blocks[top].weight)
                    top -= 1
                top += 1
                blocks[top] = block
            end = n
            for k in range(top, -1, -1):
                if end - blocks[k].first == 1:
                    out[r, end - 1] = row[end - 1]
                else:
                    mean = mean_of(&blocks[k]) / unit
                    for i in range(blocks[k].first, end):
                        out[r, i] = mean
                end = blocks[k].first
    leave(&environment)
    free(blocks)


cdef inline double power_of_two(double size) noexcept nogil:
    """One whose product with the size is moderate."""
    cdef int exponent = 0
    frexp(size, &exponent)
    return ldexp(1.0, min(max(-exponent, -1000), 1000))


# --- Jacobians ---------------------------------------------------------------------

cpdef enum:
    AVERAGE = 0
    DEVIATION = 1
    COVARIANCE = 2


cdef enum:
    NEAR = 256  # of numbers, to stay in the nearest cache


cdef struct Product:
    int matrix
    bint transpose
    bint anchored
    double divisor


cdef void pool_product_row(
    const double* row, Py_ssize_t n, const int64_t* sources, const int64_t* targets,
    const int64_t* pools, const double* p, Product how, double* out,
) noexcept nogil:
    """`pool_product_rows` of one row; orders and weights may be NULL."""
    cdef Py_ssize_t k = 0, i, first, end = 0, start, source, target
    cdef double total, value, scale, anchor = 0.0
    cdef bint is_average = how.matrix == AVERAGE
    cdef bint has_sum_weights = p != NULL and not (
        how.transpose and how.matrix != COVARIANCE)
    cdef double[NEAR] near  # of the pool, which is read once
    cdef Sum block
    if not is_average and not (pools[0] == 0 and pools[1] == n):
        memset(out, 0, n * sizeof(double))  # sooner than one by one
    while True:
        first = pools[2 * k]
        for i in range(end, first if is_average else end):
            source = i if sources == NULL else sources[i]
            target = i if targets == NULL else targets[i]
            out[target] = row[source] / how.divisor
        if first == n:
            break
        end = pools[2 * k + 1]
        block = new_sum(0.0)
        if how.anchored:
            anchor = row[first if sources == NULL else sources[first]]
        start = max(first, end - NEAR)  # of those that are near
        for i in range(first, end):
            source = i if sources == NULL else sources[i]
            value = row[source] - anchor
            if i >= start:
                near[i - start] = value
            add(&block, p[i] * value if has_sum_weights else value)
        total = result(&block)
        if p == NULL:
            total /= end - first
        scale = rho_sum(n, first, end - first)
        for i in range(first, end):
            target = i if targets == NULL else targets[i]
            if is_average:
                value = total * p[i] if how.transpose and p != NULL else total
                out[target] = value / how.divisor
                continue
            if i >= start:
                value = near[i - start]
            else:
                value = row[i if sources == NULL else sources[i]] - anchor
            if how.matrix == COVARIANCE:
                value = scale * p[i] * (value - total)
            elif how.transpose and p != NULL:
                value -= total * p[i]
            else:
                value -= total
            out[target] = value / how.divisor
        k += 1


def pool_product_rows(
    u, input_order, output_order, pools, weights, int matrix, bint transpose,
    double divisor, out, bint anchored=False,
):
    """out = M u / divisor for each row, or with M transposed.

    u (IN, rows x n), out (OUT, the same): of double; input_order, output_order (IN, the
    same, or None), pools (IN, rows x (n + 1)): of int64; weights (IN, rows x n, or
    None): of double. All C-contiguous.

    M is block diagonal over the pools of the sorted order, with weights p (None: all
    1 / size):
    AVERAGE: A, (A u)_i = sum_{j in B} p_j u_j, and the identity outside the pools;
    DEVIATION: I - A;
    COVARIANCE: sum(rho_B) (diag(p) - p p^T), and 0 outside the pools.
    Sorted position i is read from u[input_order[i]] and written to out[output_order[i]]
    (None: i itself).
    With anchored, DEVIATION and COVARIANCE, which do not see what u has in common
    within a pool, take u from the first of the pool on.
    """
    cdef Environment environment
    cdef Py_ssize_t r, n, n_rows
    cdef Py_buffer[6] held
    cdef double* row
    cdef double* p
    cdef int64_t* sources
    cdef int64_t* targets
    cdef int64_t* row_pools
    cdef double* row_out
    cdef Product how
    how.matrix = matrix
    how.transpose = transpose
    how.anchored = anchored
    how.divisor = divisor
    for r in range(6):
        held[r].buf = NULL
    try:
        row = <double*> hold(u, &held[0])
        sources = <int64_t*> hold(input_order, &held[1])
        targets = sources
        if output_order is not input_order:
            targets = <int64_t*> hold(output_order, &held[2])
        row_pools = <int64_t*> hold(pools, &held[3])
        p = <double*> hold(weights, &held[4])
        row_out = <double*> hold(out, &held[5])
        n_rows = held[0].shape[0]
        n = held[0].shape[1]
        enter(&environment)
        with nogil:
            for r in range(n_rows if n > 0 else 0):
                pool_product_row(
                    &row[r * n], n, NULL if sources == NULL else &sources[r * n],
                    NULL if targets == NULL else &targets[r * n],
                    &row_pools[r * (n + 1)], NULL if p == NULL else &p[r * n], how,
                    &row_out[r * n])
        leave(&environment)
    finally:
        for r in range(6):
            let_go(&held[r])
