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

import numpy as _np

from cython cimport floating
from libc.math cimport INFINITY, exp, expm1, log
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from ._entropic_pools cimport pav_entropic_narrow_sort_row, pav_entropic_row
from ._environment cimport Environment, enter, leave
from ._exponentials cimport exp_steps
from ._held cimport hold, let_go
from ._order cimport (
    FEW, SMALL, chunk_rows, insert_few, is_bounded, order_row, pack_row, scan_row,
)
from ._pools cimport MANY, next_gap, pav_quadratic_row
from ._progression cimport progression_sum_exp
from ._results cimport (
    BLOCK, LANES, fill_exponentials, hard_rank_row, scatter, sk_deviations, write_hard,
    write_rank_quadratic_row, write_sort_entropic_row, write_sort_quadratic_row,
)
from ._short_ranks cimport rank_short_rows, ranks_by_tiles
from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint
from ._sums cimport Sum, add, add_run, block_before, new_sum, result, rho_sum

# Pools whose x / epsilon spans less than this share one anchor for their exponentials:
# the error of exp is then below 40 units in the last place.
cdef double ANCHOR_RANGE = 40.0


# --- the progression of step 1 ------------------------------------------------------

# For h = 1: P(m) = sum_{j < m} exp(-j), constant from m = 38 on, and P(m) exp(m).
cdef double RHO_SUM_EXP[64]
cdef double RHO_SUM_EXP_UP[710]


cdef void fill_tables() noexcept:
    cdef Py_ssize_t m
    for m in range(64):
        RHO_SUM_EXP[m] = progression_sum_exp(m, 1.0)
    for m in range(710):
        RHO_SUM_EXP_UP[m] = progression_sum_exp(m, 1.0) * exp(m)


fill_tables()


cdef inline double rho_sum_exp(Py_ssize_t m) noexcept nogil:
    return RHO_SUM_EXP[m if m < 64 else 63]


cdef inline double rho_sum_exp_up(Py_ssize_t m) noexcept nogil:
    return RHO_SUM_EXP_UP[m] if m < 710 else INFINITY


cdef extern from *:
    """
    /* `sk_all_join` for "kl", with exponentials: total and rho of the pool, and the rho
       of the first of these. */
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
    bint sk_all_join_kl(
        const double* e, Py_ssize_t n, double total, double rho, double rest,
        double* sum) noexcept nogil


cdef Py_ssize_t pav_anchored_rank_row(
    const double* x, const double* e, Py_ssize_t n, double epsilon, bint is_kl,
    int64_t* pools, double* sums,
) noexcept nogil:
    """Entropic pools of ranks where e = exp((x - x_0) / epsilon) spans few decades.

    sums = sum of e over the pool: all pools share the anchor x_0, so that neither
    comparing nor merging takes an exp.
    """
    cdef Py_ssize_t first = 0, end, size, previous, previous_size, top = -1, work = n
    cdef Py_ssize_t stop
    # rho of the first position, of the pool, of the block before it, of position end.
    cdef double front = 0.0, rho = 0.0, rho_below = 0.0, rest
    cdef double total, below
    cdef bint has_merged
    cdef Sum absorbed
    while True:
        if is_kl:
            front = <double> (n - first)
            while first + 1 < n and not (
                e[first] * (front - 1.0) < e[first + 1] * front
            ):
                first += 1
                front -= 1.0
            rho = 2.0 * front - 1.0
        else:
            first = next_gap(x, n, first, 1.0, 1.0, epsilon)
        if first + 1 >= n:
            break
        end = first + 2
        size = 2
        total = e[first] + e[first + 1]
        has_merged = True
        while has_merged:
            work -= end
            absorbed = new_sum(total)
            rest = <double> (n - end)
            stop = first + MANY
            while end < n:
                total = result(&absorbed)
                if is_kl and end >= stop:
                    stop = end + MANY
                    if stop <= n and sk_all_join_kl(
                        &e[end], MANY, total, rho, rest, &below
                    ):
                        add_run(&absorbed, below)
                        size += MANY
                        end = stop
                        rho += rho_sum(n, end - MANY, MANY)
                        rest -= MANY
                        continue
                if is_kl:
                    if not total * rest < e[end] * rho:
                        break
                    rho += rest
                    rest -= 1.0
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
                    rho_below = front + 1.0
                    if previous_size > 1:
                        rho_below = rho_sum(n, previous, previous_size)
                    if not below * rho < total * rho_below:
                        break
                    rho += rho_below
                    front += previous_size
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


# --- ranks -------------------------------------------------------------------------

cdef void write_rank_entropic_row(
    const double* x, const double* e, Py_ssize_t n, double epsilon, bint is_kl,
    const int64_t* pools, const double* sums, const int64_t* order, floating* out,
    double* weights,
) noexcept nogil:
    """r_i = logsumexp(rho_B) + x_i / epsilon - logsumexp(x_B / epsilon), or for "kl"
    r_i = sum(rho_B) softmax(x_B / epsilon)_i.

    e is NULL where the pools have no common anchor. weights (OUT, n, or NULL):
    softmax(x_B / epsilon) at pooled positions.
    """
    cdef Py_ssize_t k = 0, i, j, first = 0, end = 0, size
    cdef double value, anchor, inverse
    cdef double[BLOCK] found
    cdef const double* terms
    while True:
        first = pools[2 * k]
        write_hard(n, end, first, order, out)
        if first == n:
            break
        end = pools[2 * k + 1]
        inverse = 1.0 / sums[k]
        anchor = x[first] if e == NULL else x[0]
        value = rho_sum(n, first, end - first)
        if not is_kl:
            value = n - first + log(rho_sum_exp(end - first) / sums[k])
        elif x[first] == x[end - 1]:
            # Ties alone: the hard rank, free of the rounding of term.
            for i in range(first, end):
                out[order[i]] = <floating> (value / (end - first))
        i = first
        if is_kl and weights == NULL and end - first < LANES and e != NULL:
            if x[first] > x[end - 1]:
                for i in range(first, end):
                    out[order[i]] = <floating> (value * (e[i] * inverse))
            i = end
        while i < end:
            size = min(end - i, <Py_ssize_t> BLOCK)
            if not is_kl and size < LANES:
                for j in range(i, i + size):
                    out[order[j]] = <floating> (value + (x[j] - anchor) / epsilon)
            elif not is_kl:
                sk_deviations(&x[i], size, anchor, epsilon, 0.0, value, found)
                scatter(found, i, i + size, order, n, out)
            if is_kl or weights != NULL:
                if e == NULL:
                    exp_steps(&x[i], size, anchor, epsilon, 0.0, 0.0, found)
                    terms = &found[0]
                else:
                    terms = &e[i]
                for j in range(size):
                    found[j] = terms[j] * inverse
                if weights != NULL:
                    memcpy(&weights[i], found, size * sizeof(double))
                if is_kl and x[first] > x[end - 1]:
                    for j in range(size):
                        found[j] *= value
                    scatter(found, i, i + size, order, n, out)
            i += size
        k += 1


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
    double high, double* e, int64_t* order, int64_t* pools, floating* out,
    double* weights,
) noexcept nogil:
    """Ranks that form one block, with the identity for an order; high = max(x)."""
    cdef Py_ssize_t i
    cdef double value, mean, total
    cdef Sum even = new_sum(0.0), odd = new_sum(0.0)
    pools[0] = 0
    pools[1] = pools[2] = n
    if order != NULL:
        for i in range(n):
            order[i] = i
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
    fill_exponentials(values, n, sign, high, epsilon, e)
    for i in range(n):
        add(&even, e[i])
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
    const double* x, Py_ssize_t n, double epsilon, int kind, const int64_t* order,
    int64_t* pools, double* sums, double* e, floating* out, double* weights,
) noexcept nogil:
    """Ranks of one sorted row; returns the work. e: room for n exponentials."""
    cdef Py_ssize_t work
    if epsilon == 0.0:
        hard_rank_row(x, n, order, out)
        pools[0] = n
        return 0
    if kind == QUADRATIC:
        work = pav_quadratic_row(x, n, 1.0, epsilon, False, pools, sums)
        write_rank_quadratic_row(x, n, epsilon, pools, sums, order, out)
        return work
    if (x[0] - x[n - 1]) / epsilon < ANCHOR_RANGE:
        fill_exponentials(x, n, 1.0, x[0], epsilon, e)
        work = pav_anchored_rank_row(x, e, n, epsilon, kind == KL, pools, sums)
    else:
        e = NULL
        work = pav_entropic_row(
            x, n, 1.0, epsilon, 1.0, False, kind == KL, pools, sums)
    write_rank_entropic_row(
        x, e, n, epsilon, kind == KL, pools, sums, order, out, weights)
    return work


# --- batches -----------------------------------------------------------------------

cdef inline object sort_chunk(
    object array, Py_ssize_t first, Py_ssize_t last, int64_t* keys, Py_ssize_t n
):
    """Sort the rows of an array (None: of a few keys); returns these rows."""
    cdef Py_ssize_t r
    if array is None or (n <= FEW and (last - first) * n <= SMALL):
        for r in range(last - first):
            insert_few(&keys[r * n], n)
        return None
    rows = array[first:last]
    rows.sort(1)
    return rows


cdef struct Ranks:
    double epsilon
    int kind
    double sign
    double limit  # of the range of a row that is one block
    bint has_order
    bint all_single  # all rows of a chunk are one block each
    bint is_finite
    double low  # of the row that was scanned last
    double high


cdef bint spans_one_block(
    Ranks* ranks, const floating* values, Py_ssize_t n
) noexcept nogil:
    """Whether the values of a row are as close as those of one block; their range."""
    cdef double low, high
    cdef Py_ssize_t start = 0, size = 64  # which mostly are enough to say no
    ranks.low = INFINITY
    ranks.high = -INFINITY
    while start < n:
        size = min(size, n - start)
        if not scan_row(&values[start], size, ranks.sign, &low, &high):
            return False
        ranks.low = min(ranks.low, low)
        ranks.high = max(ranks.high, high)
        if not is_single_block(
            ranks.high - ranks.low, n, ranks.epsilon, ranks.kind, ranks.limit
        ):
            return False
        start += size
        size = 8 * BLOCK
    return is_bounded(ranks.high - ranks.low, n, ranks.epsilon)


cdef void pack_ranks(
    Ranks* ranks, const floating* values, Py_ssize_t n_rows, Py_ssize_t n,
    int64_t* keys,
) noexcept nogil:
    """Keys of some rows, unless each of them proves to be one block."""
    cdef Py_ssize_t r
    ranks.all_single = ranks.epsilon > 0.0 and n > 1
    for r in range(n_rows):
        ranks.all_single = ranks.all_single and spans_one_block(
            ranks, &values[r * n], n)
    if not ranks.all_single:
        for r in range(n_rows):
            ranks.is_finite &= pack_row(&values[r * n], n, ranks.sign, &keys[r * n])


cdef Py_ssize_t rank_chunk(
    Ranks* ranks, const floating* values, Py_ssize_t n_rows, Py_ssize_t n,
    int64_t* keys, void* array, floating* out, int64_t* pools, double* weights,
    double* scratch,
) except -1 nogil:
    """Ranks of some rows whose keys are sorted; returns the work."""
    cdef Py_ssize_t r, work = 0
    cdef double low, high
    cdef double* x = scratch
    cdef double* sums = scratch + (n + 1)
    cdef int64_t* row_pools = <int64_t*> (scratch + 2 * (n + 1))
    cdef double* e = scratch + 3 * (n + 1)
    cdef double* row_weights = NULL
    cdef const floating* row
    for r in range(n_rows):
        row = &values[r * n]
        if pools != NULL:
            row_pools = &pools[r * (n + 1)]
        if weights != NULL:
            e = row_weights = &weights[r * n]  # the exponentials become the weights
        if ranks.all_single:
            if n_rows > 1:
                spans_one_block(ranks, row, n)
            low = ranks.low
            high = ranks.high
        else:
            work += order_row(row, n, ranks.sign, &keys[r * n], x, array, r)
            low = x[n - 1]
            high = x[0]
            ranks.is_finite &= is_bounded(high - low, n, ranks.epsilon)
        if is_single_block(high - low, n, ranks.epsilon, ranks.kind, ranks.limit):
            work += single_block_rank_row(
                row, n, ranks.sign, ranks.epsilon, ranks.kind, high, e,
                &keys[r * n] if ranks.has_order else NULL, row_pools, &out[r * n],
                row_weights)
        else:
            work += rank_row(
                x, n, ranks.epsilon, ranks.kind, &keys[r * n], row_pools, sums, e,
                &out[r * n], row_weights)
    return work


def rank_rows(
    const floating[:, ::1] values, double epsilon, int kind, double sign, order,
    out, pools, weights,
):
    """Soft ranks of each row: P(z, rho) with z = sign * values / epsilon.

    values (IN, rows x n).
    order (OUT, an array of int64, rows x n, or None): the argsort of -sign * values;
    the identity in rows that need none.
    out (OUT, rows x n): the ranks, in the order of values.
    pools (OUT, rows x (n + 1), or None), weights (OUT, rows x n, or None): the pools
    and the softmax within them, in sorted order, for the Jacobian.
    epsilon = 0: average ranks, and no pools (a zero Jacobian).

    Returns the work, in comparisons and moves, or -1 if a row is not finite.
    """
    cdef Py_ssize_t n = values.shape[1], n_rows = values.shape[0], step, r, m, work = 0
    cdef int64_t* keys
    cdef int64_t* all_keys
    cdef int64_t* all_pools
    cdef double* all_weights
    cdef floating* all_out
    cdef double* scratch
    cdef Ranks ranks
    cdef Environment environment
    cdef Py_buffer[4] held
    cdef bint is_tiled = kind == QUADRATIC and ranks_by_tiles(n, epsilon)
    if n_rows == 0 or n == 0:
        return 0
    step = chunk_rows(n, n_rows)
    ranks.epsilon = epsilon
    ranks.kind = kind
    ranks.sign = sign
    ranks.limit = single_block_limit(max(n, <Py_ssize_t> 2), kind)
    ranks.has_order = order is not None
    ranks.is_finite = True
    if order is None and not is_tiled and (n > FEW or n_rows * n > SMALL):
        order = _np.empty((step, n), _np.int64)
    # At most 3.5 words an element of one row: x and sums (n / 2) where rows are sorted,
    # pools and e where the caller gives no room for them. Few keys have room there.
    scratch = <double*> malloc((4 * (n + 1) + SMALL) * sizeof(double))
    if scratch == NULL:
        raise MemoryError
    for r in range(4):
        held[r].buf = NULL
    enter(&environment)
    try:
        all_keys = <int64_t*> hold(order, &held[0])
        all_pools = <int64_t*> hold(pools, &held[1])
        all_weights = <double*> hold(weights, &held[2])
        all_out = <floating*> hold(out, &held[3], sizeof(floating))
        if is_tiled:
            with nogil:
                ranks.is_finite = rank_short_rows(
                    &values[0, 0], n_rows, n, epsilon, sign, all_keys, all_pools,
                    all_out)
            return n_rows * n if ranks.is_finite else -1
        for r in range(0, n_rows, step):
            m = min(step, n_rows - r)
            if all_keys == NULL:
                keys = <int64_t*> (scratch + 4 * (n + 1))
            else:
                keys = &all_keys[r * n if ranks.has_order else 0]
            with nogil:
                pack_ranks(&ranks, &values[r, 0], m, n, keys)
            if not ranks.is_finite:
                return -1
            rows = None
            if not ranks.all_single:
                rows = sort_chunk(
                    order, r if ranks.has_order else 0,
                    r + m if ranks.has_order else m, keys, n)
            with nogil:
                work += rank_chunk(
                    &ranks, &values[r, 0], m, n, keys, <void*> rows,
                    &all_out[r * n],
                    NULL if all_pools == NULL else &all_pools[r * (n + 1)],
                    NULL if all_weights == NULL else &all_weights[r * n], scratch)
    finally:
        leave(&environment)
        for r in range(4):
            let_go(&held[r])
        free(scratch)
    return work if ranks.is_finite else -1


cdef Py_ssize_t argsort_chunk(
    const floating* values, Py_ssize_t n_rows, Py_ssize_t n, double sign,
    int64_t* order, void* array, floating* out, double* x, bint* is_finite,
) except -1 nogil:
    """Order and sorted values of some rows whose keys are sorted."""
    cdef Py_ssize_t r, i, work = 0
    for r in range(n_rows):
        work += order_row(&values[r * n], n, sign, &order[r * n], x, array, r)
        is_finite[0] &= is_bounded(x[0] - x[n - 1], n, 0.0)
        for i in range(n):
            out[r * n + i] = values[r * n + order[r * n + i]]
    return work


def argsort_rows(
    const floating[:, ::1] values, double sign, order, floating[:, ::1] sorted_values,
):
    """Stable argsort of -sign * values of each row.

    order (OUT, an array of int64, rows x n); sorted_values (OUT, rows x n): the values
    in it. Returns the repairing moves, or -1 if a row is not finite.
    """
    cdef Py_ssize_t n = values.shape[1], n_rows = values.shape[0], step, r, i, m
    cdef Py_ssize_t work = 0
    cdef int64_t[:, ::1] keys = order
    cdef double* x
    cdef bint is_finite = True
    cdef Environment environment
    if n_rows == 0 or n == 0:
        return 0
    x = <double*> malloc(n * sizeof(double))
    if x == NULL:
        raise MemoryError
    step = chunk_rows(n, n_rows)
    enter(&environment)
    try:
        for r in range(0, n_rows, step):
            m = min(step, n_rows - r)
            with nogil:
                for i in range(r, r + m):
                    is_finite &= pack_row(&values[i, 0], n, sign, &keys[i, 0])
            if not is_finite:
                return -1
            rows = sort_chunk(order, r, r + m, &keys[r, 0], n)
            with nogil:
                work += argsort_chunk(
                    &values[r, 0], m, n, sign, &keys[r, 0], <void*> rows,
                    &sorted_values[r, 0], x, &is_finite)
    finally:
        leave(&environment)
        free(x)
    return work if is_finite else -1


cdef Py_ssize_t sort_row(
    floating* out, Py_ssize_t n, double epsilon, int kind, double sign,
    int64_t* pools, double* sums, double* weights,
) noexcept nogil:
    """Soft sort of a sorted row, in place; returns the work, or -1 if not finite."""
    cdef double spread = sign * (<double> out[0] - <double> out[n - 1])
    cdef Py_ssize_t work
    cdef bint is_narrow = spread < 1.0
    # NumPy sorts NaN to the end, so the ends tell of NaN and infinity.
    if not is_bounded(spread, n, epsilon):
        return -1
    if epsilon == 0.0:
        pools[0] = n
        return 0
    if kind == QUADRATIC:
        work = pav_quadratic_row(out, n, sign, epsilon, True, pools, sums)
        write_sort_quadratic_row(n, sign, epsilon, pools, sums, out)
        return work
    if is_narrow:
        work = pav_entropic_narrow_sort_row(out, n, sign, 1.0 / epsilon, pools, sums)
    else:
        work = pav_entropic_row(
            out, n, sign, 1.0, 1.0 / epsilon, True, False, pools, sums)
    write_sort_entropic_row(
        n, sign, 1.0 / epsilon, is_narrow, pools, sums, out, weights)
    return work


cdef void reverse_row(floating* x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n // 2):
        x[i], x[n - 1 - i] = x[n - 1 - i], x[i]


def sort_rows(
    const floating[:, ::1] values, double epsilon, int kind, double sign, order, out,
    int64_t[:, ::1] pools, double[:, ::1] weights,
):
    """Soft sort of each row: sign * P(rho / epsilon, sign * values).

    values (IN, rows x n, or out itself, if its rows are sorted).
    order, pools, weights: as in `rank_rows`.
    out (OUT, an array of the type of values, rows x n): the sorted values; sign * out
    is non-increasing.
    epsilon = 0: the hard sort, and no pools (the Jacobian is a permutation).

    Returns the work, in comparisons and moves, or -1 if a row is not finite.
    """
    cdef Py_ssize_t n = values.shape[1], n_rows = values.shape[0], step, r, i, m
    cdef Py_ssize_t work = 0, row_work
    cdef floating[:, ::1] x = out
    cdef int64_t* row_pools
    cdef double* row_weights
    cdef double* scratch
    cdef bint is_finite = True, is_sorted = n > 0 and n_rows > 0 and (
        &values[0, 0] == &x[0, 0])
    cdef Environment environment
    if n_rows == 0 or n == 0:
        return 0
    if order is not None:
        work = argsort_rows(values, sign, order, x)
        if work < 0:
            return -1
        is_sorted = True
    scratch = <double*> malloc(2 * (n + 1) * sizeof(double))
    if scratch == NULL:
        raise MemoryError
    step = chunk_rows(n, n_rows)
    enter(&environment)
    try:
        for r in range(0, n_rows, step):
            m = min(step, n_rows - r)
            if not is_sorted:  # values alone sort faster than with their order
                rows = out[r:r + m]
                rows[...] = values.base[r:r + m]
                rows.sort(1)
            with nogil:
                for i in range(r, r + m):
                    row_pools = (
                        <int64_t*> (scratch + (n + 1)) if pools is None
                        else &pools[i, 0])
                    row_weights = NULL if weights is None else &weights[i, 0]
                    if not is_sorted and sign > 0.0:
                        reverse_row(&x[i, 0], n)
                    row_work = sort_row(
                        &x[i, 0], n, epsilon, kind, sign, row_pools, scratch,
                        row_weights)
                    is_finite &= row_work >= 0
                    work += row_work
            if not is_finite:
                return -1
    finally:
        leave(&environment)
        free(scratch)
    return work
