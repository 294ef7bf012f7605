# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: soft ranks of the k smallest losses, the tops; all others are tied.

With s = loss / epsilon they are the projection of s on the permutahedron of w = (k + 1,
..., k + 1, k, ..., 1), by isotonic optimisation of s and w, both non-increasing. Where
w is constant nothing is pooled but by the one pool that reaches across the end of
there, the *bridge*. The pools of the tops alone are pools of the whole, but for those
that the bridge takes: the lowest, down to a level. With s from that of the highest top
loss on, a loss among the others belongs to the bridge if e(s) is below the level u that
solves

    sum over others of max(u - e, 0) = sum over pools of the tops of W max(b - u, 0) ,

where e(s) = s, W is the size of a pool and b the mean of s + k + 1 - w there, or, for
"entropic", e(s) = expm1(s), W the sum of exp(w - k - 1), and 1 + b the sum of exp(s)
over W. So the others need no order; and where the bridge has all tops they need none.
"""

import numpy as _np

from cython cimport floating
from libc.math cimport INFINITY, ceil, exp, expm1, floor, log, log1p, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from ._entropic_pools cimport pav_entropic_row
from ._environment cimport Environment, enter, leave
from ._exponentials cimport exp_all, exp_steps, expm1_all
from ._held cimport hold, let_go
from ._order cimport (
    FEW, SMALL, chunk_rows, insert_few, order_row, pack_row, scan_row,
)
from ._pav cimport ANCHOR_RANGE, QUADRATIC, pav_anchored_rank_row
from ._pools cimport pav_quadratic_row
from ._progression cimport progression_sum_exp
from ._row_loops cimport sk_count
from ._selection cimport select
from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint
from ._sums cimport Sum, add, new_sum, result

cdef extern from *:
    """
    /* Sum and number of those below u. */
    SK_SIMD static void sk_below(
        const double *e, ptrdiff_t n, double u, double *sum, double *count
    ) {
        double sums[16] = {0}, counts[16] = {0};
        for (ptrdiff_t i = 0; i < n - n % 16; i += 16)
            SK_LANES
            for (int j = 0; j < 16; j++) {
                double y = e[i + j], one = y < u ? 1.0 : 0.0;
                sums[j] += one * y; /* no condition: that is SIMD */
                counts[j] += one;
            }
        for (ptrdiff_t i = n - n % 16; i < n; i++) {
            double one = e[i] < u ? 1.0 : 0.0;
            sums[0] += one * e[i];
            counts[0] += one;
        }
        for (int j = 1; j < 16; j++) {
            sums[0] += sums[j];
            counts[0] += counts[j];
        }
        *sum = sums[0];
        *count = counts[0];
    }

    SK_SIMD static void sk_distances_up_to(
        const double *x, ptrdiff_t n, double origin, double unit, double most,
        double *out
    ) {
        for (ptrdiff_t i = 0; i < n; i++) {
            double y = (x[i] - origin) / unit;
            out[i] = y < most ? y : most;
        }
    }

    SK_SIMD static void sk_ranks_below(
        const double *s, ptrdiff_t n, double level, double top, double *out
    ) {
        for (ptrdiff_t i = 0; i < n; i++) {
            double y = s[i] - level;
            out[i] = top + (y < 0.0 ? y : 0.0);
        }
    }
    """
    void sk_below(
        const double* e, Py_ssize_t n, double u, double* sum, double* count
    ) noexcept nogil
    void sk_distances_up_to(
        const double* x, Py_ssize_t n, double origin, double unit, double most,
        double* out) noexcept nogil
    void sk_ranks_below(
        const double* s, Py_ssize_t n, double level, double top, double* out
    ) noexcept nogil

cdef enum:
    BLOCK = 512  # of numbers, to stay in the nearest cache
    LONG = 4096  # rows up to here are sorted whole rather than sampled
    SAMPLE = 1024
    # Passes of Newton's method after which rows are sorted, or the bracket is halved.
    NEWTON = 30

# A power of two. Losses and an epsilon above it are divided by it: then products with
# sizes of pools are finite.
cdef double LARGE = 2.0 ** 500


cdef struct Task:
    Py_ssize_t n
    Py_ssize_t k
    double epsilon
    bint is_entropic
    double reach   # of the losses of a bridge that surely has all tops, in epsilon
    double fixed   # sum over the tops of k + 1 - w
    double missing  # k less the sum over the tops of exp(w - k - 1)


cdef struct Found:
    # What the Jacobian needs: places in the batch of the members of pools.
    int64_t* members   # NULL: not wanted
    int64_t* pools
    double* weights
    Py_ssize_t n_members
    Py_ssize_t n_pools
    Py_ssize_t first   # place of the row in the batch


cdef struct Scratch:
    double* loss     # rows of a chunk
    double* e        # of one row, as are all that follow
    double* x
    double* s
    double* sums
    double* width    # W of pools of the tops
    double* level    # b
    int64_t* start
    int64_t* pools
    int64_t* index


cdef struct Below:
    double sum
    double count


cdef Below sum_below(const double* e, Py_ssize_t n, double u) noexcept nogil:
    cdef Below found
    cdef Py_ssize_t start = 0, size
    cdef double sum, count, carry = 0.0, term, total
    found.sum = found.count = 0.0
    while start < n:
        size = min(n - start, <Py_ssize_t> BLOCK)
        sk_below(&e[start], size, u, &sum, &count)
        found.count += count
        term = sum + carry  # Kahan's step
        total = found.sum + term
        carry = term - (total - found.sum)
        found.sum = total
        start += size
    return found


cdef inline void end_pool(Found* found, Py_ssize_t first) noexcept nogil:
    """The members from the first on become a pool; of one there is none."""
    if found.members != NULL and found.n_members - first < 2:
        found.n_members = first
    elif found.members != NULL:
        found.pools[2 * found.n_pools] = first
        found.pools[2 * found.n_pools + 1] = found.n_members
        found.n_pools += 1


# --- a bridge that has all tops -----------------------------------------------------

cdef bint is_one_pool(Task* task, double u, double most) noexcept nogil:
    """Whether all losses surely are one pool of this level; e is from `low` to `most`.

    Of the j smallest losses the ranks, or exp of them, must not be below the j smallest
    of w. They are not where the smallest loss is as high; nor, for the larger j = k -
    i, where the others are as low as the highest allows. Both tests are of what is
    convex in i, or concave: the ends tell.
    """
    cdef double k = task.k, others = task.n - task.k, tops = k - task.missing, i
    if most > u:
        return False
    if not task.is_entropic:
        i = max(k - floor(2.0 * (k + 1.0 - u) - 1.0), 0.0)
        return i <= k and i * (i + 1.0) <= 2.0 * (others + i) * (u - most)
    i = max(ceil(log(u * tops / k)) + 1.0, 0.0)
    if i == 0.0:
        return True
    return i < k and k - i >= u * tops * exp(-i) and (
        (others + i) * most <= u * (others + tops * (1.0 - exp(-i))))


cdef double start_level(
    Task* task, const double* e, double u
) noexcept nogil:
    """The level of a sample, for rows that are long; u: one above."""
    cdef double[128] few
    cdef double share = 128.0 / task.n, sum, count, seen = -1.0
    cdef Py_ssize_t i, stretch = task.n // 128
    if stretch < 4:
        return u
    for i in range(128):
        few[i] = e[i * stretch]
    while True:
        sk_below(few, 128, u, &sum, &count)
        if count - task.missing * share < 1.0 or count == seen:
            return u
        seen = count
        u = (sum + task.fixed * share) / (count - task.missing * share)


cdef bint rank_bridge(
    Task* task, const floating* values, double sign, double low, double high,
    Scratch* room, floating* out, Found* found,
) noexcept nogil:
    """Ranks of a row, with nothing sorted, if its bridge surely has all tops.

    Distances s are from the smallest loss on. A pool of all that are below the level
    has all tops if none of its ranks, or exp of them, is below the mean of those of the
    tops in w. What a level is too high by is convex in it, so Newton's method falls on
    the solution, from any side.
    """
    cdef Py_ssize_t i, j, n = task.n, start = 0, size, first = found.n_members
    cdef double reach = log(task.reach) if task.is_entropic else task.reach
    cdef double most = (high - low) / task.epsilon, u, level, seen = -1.0
    cdef double* s = room.s
    cdef double* e = room.e if task.is_entropic else room.s
    cdef double[BLOCK] block
    cdef const double* left = e  # of which the smallest below the level are there
    cdef Py_ssize_t n_left = n
    cdef Below below
    cdef int n_passes = 0
    if n <= FEW and most > reach:  # to sort them costs less
        return False
    while start < n:
        size = min(n - start, <Py_ssize_t> BLOCK)
        if floating is double:
            sk_distances_up_to(
                &values[start], size, sign * low, sign * task.epsilon, reach + 1.0,
                &s[start])
        else:
            for i in range(size):
                block[i] = values[start + i]
            sk_distances_up_to(
                block, size, sign * low, sign * task.epsilon, reach + 1.0, &s[start])
        if n > FEW and start == 0 and sk_count(s, size, reach) < (
            2 if size == n else 1
        ):  # mostly enough to say no
            return False
        start += size
    if task.is_entropic:
        exp_all(s, n, e)
    below = sum_below(e, n, task.reach)
    if below.count < task.k:
        return False
    u = (below.sum + task.fixed) / (below.count - task.missing)
    if below.count == n and is_one_pool(
        task, u, exp(most) if task.is_entropic else most
    ):
        pass
    elif n <= FEW or u > task.reach:
        return False
    else:
        u = start_level(task, e, u)
        while True:
            below = sum_below(left, n_left, u)
            if below.count == seen:
                break
            if below.count - task.missing <= 0.0:
                return False
            seen = below.count
            u = (below.sum + task.fixed) / (below.count - task.missing)
            n_passes += 1
            if n_passes == NEWTON:
                return False
            if n_passes > 1 and 4.0 * below.count < n_left:  # from above
                j = 0
                for i in range(n_left):
                    room.x[j] = left[i]
                    j += left[i] < u
                left = room.x
                n_left = j
        # Of one there is no pool.
        if u > task.reach or below.count < max(task.k, <Py_ssize_t> 2):
            return False
    level = log(u) if task.is_entropic else u
    start = 0
    while start < n:
        size = min(n - start, <Py_ssize_t> BLOCK)
        if floating is double:
            sk_ranks_below(&s[start], size, level, task.k + 1, &out[start])
        else:
            sk_ranks_below(&s[start], size, level, task.k + 1, block)
            for i in range(size):
                out[start + i] = <float> block[i]
        start += size
    if found.members == NULL:
        return True
    for i in range(n):
        found.members[found.n_members] = found.first + i
        if task.is_entropic:
            found.weights[found.n_members] = e[i] / below.sum
        # The last place is overwritten; there is one more than values.
        found.n_members += e[i] < u
    end_pool(found, first)
    return True


# --- tops in order ------------------------------------------------------------------

cdef Py_ssize_t find_pools(
    Task* task, const double* x, bint is_near, Scratch* room
) noexcept nogil:
    """Pools of the tops x, non-increasing, alone; returns how many a bridge may take.

    Of all, also those of one, which the bridge may take: start, width and level.
    is_near: the sums of exp are all from x_0 on, not from the first of each pool.
    """
    cdef Py_ssize_t k = task.k, i = 0, end, size, p = 0, b = 0
    cdef double sum, level
    if is_near:
        exp_steps(x, k, x[0], task.epsilon, 0.0, 0.0, room.e)
        pav_anchored_rank_row(
            x, room.e, k, task.epsilon, False, room.pools, room.sums)
    elif task.is_entropic:
        pav_entropic_row(
            x, k, 1.0, task.epsilon, 1.0, False, False, room.pools, room.sums)
    else:
        pav_quadratic_row(
            x, k, 1.0, task.epsilon, False, room.pools, room.sums)
    while i < k:
        end = i + 1
        sum = 1.0 if task.is_entropic else 0.0
        if room.pools[2 * p] == i:
            end = room.pools[2 * p + 1]
            sum = room.sums[p]
            p += 1
        size = end - i
        level = (x[i] - x[0]) / task.epsilon
        if is_near and size > 1:
            level = 0.0
        if task.is_entropic:
            room.width[b] = progression_sum_exp(size, 1.0)
            level = expm1((level + (i + 1.0)) + log(sum / room.width[b]))
            room.width[b] *= exp(-(i + 1.0))
        else:
            room.width[b] = <double> size
            level += sum / task.epsilon / size + 0.5 * (i + 1.0 + end)
        if not level > 0.0:  # nor is that of any other
            break
        room.start[b] = i
        room.level[b] = level
        i = end
        b += 1
    room.start[b] = i
    return b


cdef double find_level(
    const double* e, Py_ssize_t n, const Scratch* room, Py_ssize_t n_pools
) noexcept nogil:
    """The level of the bridge, below that of the first pool; e: the others near it.

    Newton's method is exact once it knows the sides; a shrinking bracket leads there.
    """
    cdef double low = 0.0, high = room.level[0], u = high, width, moment, step
    cdef double seen = -1.0
    cdef Py_ssize_t b, seen_b = -1
    cdef Below below
    cdef int n_passes = 0
    while True:
        below = sum_below(e, n, u)
        width = moment = 0.0
        b = 0
        while b < n_pools and room.level[b] > u:
            width += room.width[b]
            moment += room.width[b] * room.level[b]
            b += 1
        if below.count == seen and b == seen_b:
            return u
        if below.count * u - below.sum > moment - width * u:
            high = u
        else:
            low = u
        n_passes += 1
        seen = -1.0
        if below.count + width > 0.0:
            step = (below.sum + moment) / (below.count + width)
            if n_passes < NEWTON and low < step < high:
                seen = below.count
                seen_b = b
                u = step
        if seen < 0.0:
            u = low + 0.5 * (high - low)
            if not low < u < high:
                return u


cdef Py_ssize_t find_others(
    const double* e, Py_ssize_t n, Scratch* room, Py_ssize_t* n_pools
) noexcept nogil:
    """`absorb` of others in any order, which are moved to the front."""
    cdef double u = find_level(e, n, room, n_pools[0])
    cdef Py_ssize_t i, m = 0, b = 1
    for i in range(n):
        room.s[m] = room.s[i]
        room.index[m] = room.index[i]
        m += e[i] < u
    while b < n_pools[0] and room.level[b] > u:
        b += 1
    n_pools[0] = b
    return m


cdef Py_ssize_t absorb(
    const double* e, Py_ssize_t n, Scratch* room, Py_ssize_t* n_pools
) noexcept nogil:
    """How many of the others the bridge takes, in order; n_pools (INOUT): of the tops.

    It begins with the first pool of the tops.
    """
    cdef Sum total = new_sum(room.width[0] * room.level[0])
    cdef double width = room.width[0], u = room.level[0]
    cdef Py_ssize_t i = 0, b = 1, seen = -1
    while seen < i:
        seen = i
        while i < n and e[i] < u:
            add(&total, e[i])
            width += 1.0
            i += 1
            u = result(&total) / width
        while b < n_pools[0] and room.level[b] > u:
            add(&total, room.width[b] * room.level[b])
            width += room.width[b]
            b += 1
            u = result(&total) / width
    n_pools[0] = b
    return i


cdef void write_pool(
    Task* task, const double* s, const int64_t* places, Py_ssize_t size, double value,
    double sum_exp, floating* out, Found* found, double* terms,
) noexcept nogil:
    """Ranks of a pool: value is the mean of its w, or log(sum(exp(w))).

    sum_exp: for "entropic" the sum of exp(s), or 0 where it is not known.
    """
    cdef Py_ssize_t i, first = found.n_members
    cdef double mean = 0.0
    cdef Sum total = new_sum(0.0)
    if task.is_entropic:
        if sum_exp == 0.0 or found.members != NULL:
            exp_all(s, size, terms)
        if sum_exp == 0.0:
            for i in range(size):
                add(&total, terms[i])
            sum_exp = result(&total)
        value -= log(sum_exp)
    else:
        for i in range(size):
            add(&total, s[i])
        mean = result(&total) / size
    for i in range(size):
        out[places[i]] = <floating> (value + (s[i] - mean))
    if found.members == NULL:
        return
    for i in range(size):
        found.members[found.n_members] = found.first + places[i]
        if task.is_entropic:
            found.weights[found.n_members] = terms[i] / sum_exp
        found.n_members += 1
    end_pool(found, first)


cdef void rank_tops(
    Task* task, const double* x, const int64_t* order, Py_ssize_t n_sorted,
    const double* loss, double known, floating* out, Found* found, Scratch* room,
) noexcept nogil:
    """Ranks of a row by its smallest losses x, non-increasing, in this order.

    All losses up to `known` are there, k or more.
    """
    cdef Py_ssize_t i, j, m = 0, n_pools, k = task.k, end, p, size
    cdef bint is_sorted = True, is_near
    cdef const double* tops = &x[n_sorted - k]
    cdef const int64_t* places = &order[n_sorted - k]
    cdef double limit, value, y
    for i in range(task.n):
        out[i] = <floating> (k + 1)
    for i in range(k):
        out[places[i]] = <floating> (k - i)
    is_near = task.is_entropic and (
        (tops[0] - tops[k - 1]) / task.epsilon < ANCHOR_RANGE)
    n_pools = find_pools(task, tops, is_near, room)
    # The others that are near enough, and their places.
    limit = log1p(room.level[0]) if task.is_entropic else room.level[0]
    for i in range(n_sorted - k - 1, -1, -1):
        y = (x[i] - tops[0]) / task.epsilon
        if not y < limit:
            break
        room.s[m] = y
        room.index[m] = order[i]
        m += 1
    if n_sorted < task.n and tops[0] + limit * task.epsilon >= known:
        i = 0
        while i < task.n:
            size = min(task.n - i, <Py_ssize_t> BLOCK)
            if sk_count(&loss[i], size, tops[0] + limit * task.epsilon):
                is_sorted = False
                for j in range(i, i + size):
                    y = (loss[j] - tops[0]) / task.epsilon
                    room.s[m] = y
                    room.index[m] = j
                    m += (loss[j] > known) & (y < limit)
            i += size
    end = 0
    if m > 0:
        if task.is_entropic:
            expm1_all(room.s, m, room.e)
        else:
            memcpy(room.e, room.s, m * sizeof(double))
        if is_sorted:
            m = absorb(room.e, m, room, &n_pools)
        else:
            m = find_others(room.e, m, room, &n_pools)
        end = room.start[n_pools]
        if task.is_entropic:
            value = (k + 1) + log(m + progression_sum_exp(end, 1.0) * exp(-1.0))
        else:
            value = (k + 1) - 0.5 * end * (end + 1.0) / (m + end)
        for i in range(end):
            room.s[m + i] = (tops[i] - tops[0]) / task.epsilon
            room.index[m + i] = places[i]
        write_pool(
            task, room.s, room.index, m + end, value, 0.0, out, found,
            room.e)
    p = 0
    while room.pools[2 * p] < k:
        i = room.pools[2 * p]
        size = room.pools[2 * p + 1] - i
        if i >= end:
            for j in range(size):
                room.s[j] = (tops[i + j] - tops[0 if is_near else i]) / task.epsilon
            value = k - i - 0.5 * (size - 1)
            if task.is_entropic:
                value = (k - i) + log(progression_sum_exp(size, 1.0))
            write_pool(
                task, room.s, &places[i], size, value, room.sums[p], out, found, room.e)
        p += 1


cdef void hard_ranks(
    Task* task, const double* x, const int64_t* order, Py_ssize_t n_sorted,
    const double* loss, floating* out
) noexcept nogil:
    """For epsilon = 0: ties share the mean of their w."""
    cdef Py_ssize_t i, first = n_sorted - task.k, end, k = task.k
    cdef double value = k + 1, tied = 0.0
    for i in range(task.n):
        out[i] = <floating> value
    while first < n_sorted:
        end = first + 1
        while end < n_sorted and x[end] == x[first]:
            end += 1
        value = 0.5 * ((n_sorted - first) + (n_sorted - end + 1))
        if first == n_sorted - k:  # others may tie with these
            for i in range(task.n):
                tied += loss[i] == x[first]
            value = (k + 1) + (value - (k + 1)) * ((end - first) / tied)
            for i in range(task.n):
                if loss[i] == x[first]:
                    out[i] = <floating> value
        for i in range(first, end):
            out[order[i]] = <floating> value
        first = end


# --- batches ------------------------------------------------------------------------

cdef Py_ssize_t gather_least(
    Task* task, const double* loss, double* known, double* x, int64_t* index
) noexcept nogil:
    """A few more than the k smallest losses of a long row, by a sample; how many.

    All up to `known`, which is infinite where it is not to be: then they are none.
    """
    cdef Py_ssize_t stretch = task.n // SAMPLE, i, j, m = 0, size, work = 0
    cdef double share = <double> task.k / <double> task.n, place
    place = SAMPLE * share
    place += 3.5 * sqrt(place) + 3.0
    known[0] = INFINITY
    if place > 0.4 * SAMPLE:
        return 0
    for i in range(SAMPLE):  # not at one distance, for rows may be periodic
        x[i] = loss[i * stretch + <Py_ssize_t> (
            <uint64_t> i * <uint64_t> 2654435761 % <uint64_t> stretch)]
    known[0] = select(x, NULL, SAMPLE, 0.0, place, &work).value
    i = 0
    while i < task.n:
        size = min(task.n - i, <Py_ssize_t> 64)
        if sk_count(&loss[i], size, known[0]):
            for j in range(i, i + size):
                x[m] = loss[j]
                index[m] = j
                m += loss[j] <= known[0]
        i += size
    if m >= task.k:
        return m
    known[0] = INFINITY
    return 0


cdef inline Task new_task(
    Py_ssize_t n, Py_ssize_t k, double epsilon, int kind
) noexcept nogil:
    cdef Task task
    task.n = n
    task.k = k
    task.epsilon = epsilon
    task.is_entropic = kind != QUADRATIC
    task.reach = 0.5 * (k + 1)
    task.fixed = 0.5 * k * (k + 1.0)
    task.missing = 0.0
    if task.is_entropic:
        task.fixed = 0.0
        task.missing = k - progression_sum_exp(k, 1.0) * exp(-1.0)
        task.reach = k / (k - task.missing)
    return task


def top_rank_rows(
    const floating[:, ::1] values, double sign, Py_ssize_t k, double epsilon, int kind,
    out, members, pools, weights,
):
    """Ranks of the k smallest of sign * values in each row, 1 to k, and k + 1.

    values (IN, rows x n, n >= k > 0); kind: QUADRATIC or ENTROPIC.
    out (OUT, rows x n, an array of their type): the ranks.
    members (OUT, an array of int64, of size + 1 for `size` values, or None): places in
    the batch of what is in pools, pool by pool, of all rows; pools (OUT, the same, or
    None): their starts and ends among the members, as for one row; weights (OUT,
    float64, the same, or None): for ENTROPIC, the softmax within them.
    epsilon = 0: there are no pools.

    Returns the number of members and the number of values sorted, or (-1, 0) if a row
    is not finite.
    """
    cdef Py_ssize_t n = values.shape[1], n_rows = values.shape[0], step, r, i, m, c
    cdef Py_ssize_t n_open, n_sorted = 0
    cdef double low, high, scale = sign, known
    cdef double* memory
    cdef const double* row
    cdef int64_t* keys
    cdef floating* ranks
    cdef bint is_finite = True, is_long = n > LONG
    cdef Task task, whole
    cdef Found found
    cdef Scratch room
    cdef Environment environment
    cdef Py_buffer[5] held
    if n_rows == 0 or n == 0:
        return 0, 0
    whole = task = new_task(n, k, epsilon, kind)
    if epsilon > LARGE:
        task.epsilon /= LARGE
        scale = sign / LARGE
    step = 1 if is_long else chunk_rows(n, n_rows)
    order = _np.empty((step, n), _np.int64)
    # Of what is not used nothing is touched.
    memory = <double*> malloc(
        (step * n + 9 * (n + 1) + SAMPLE + step) * sizeof(double))
    if memory == NULL:
        raise MemoryError
    room.loss = memory
    room.e = memory + step * n
    room.x = room.e + (n + 1)
    room.s = room.x + (n + 1) + SAMPLE
    room.sums = room.s + (n + 1)
    room.width = room.sums + (n + 1)
    room.level = room.width + (n + 1)
    room.start = <int64_t*> (room.level + (n + 1))
    room.pools = room.start + (n + 1)
    room.index = room.pools + (n + 1)
    cdef int64_t* open_ = room.index + (n + 1)
    for i in range(5):
        held[i].buf = NULL
    enter(&environment)
    try:
        ranks = <floating*> hold(out, &held[0], sizeof(floating))
        found.members = <int64_t*> hold(members, &held[1])
        found.pools = <int64_t*> hold(pools, &held[2])
        found.weights = <double*> hold(weights, &held[3])
        keys = <int64_t*> hold(order, &held[4])
        found.n_members = found.n_pools = 0
        for r in range(0, n_rows, step):
            n_open = 0
            m = n
            with nogil:
                for c in range(min(step, n_rows - r)):
                    if not scan_row(&values[r + c, 0], n, sign, &low, &high):
                        is_finite = False
                        break
                    found.first = (r + c) * n
                    if epsilon > 0.0 and rank_bridge(
                        &whole, &values[r + c, 0], sign, low, high, &room,
                        &ranks[found.first], &found
                    ):
                        continue
                    # Rows that are open lie side by side.
                    for i in range(n):
                        room.loss[n_open * n + i] = scale * values[r + c, i]
                    open_[n_open] = r + c
                    n_open += 1
                known = INFINITY
                if is_finite and n_open and is_long:
                    m = gather_least(&task, room.loss, &known, room.x, room.index)
                    if m == 0:
                        m = n
                    else:
                        pack_row(room.x, m, 1.0, keys)
                        # Room for the sorted ones, which nothing else uses yet.
                        memcpy(room.sums, room.x, m * sizeof(double))
                        memcpy(room.start, room.index, m * sizeof(int64_t))
                if is_finite and m == n:
                    for c in range(n_open):
                        pack_row(&room.loss[c * n], n, 1.0, &keys[c * n])
            if not is_finite:
                return -1, 0
            if n_open == 0:
                continue
            n_sorted += n_open * m
            if m <= FEW and n_open * m <= SMALL:
                for c in range(n_open):
                    insert_few(&keys[c * n], m)
            else:
                order[:n_open, :m].sort(1)
            with nogil:
                for c in range(n_open):
                    found.first = open_[c] * n
                    row = &room.loss[c * n]
                    order_row(
                        row if known == INFINITY else room.sums, m, 1.0, &keys[c * n],
                        room.x, <void*> order, c)
                    if known < INFINITY:
                        for i in range(m):
                            keys[i] = room.start[keys[i]]
                    if epsilon > 0.0:
                        rank_tops(
                            &task, room.x, &keys[c * n], m, row, known,
                            &ranks[found.first], &found, &room)
                    else:
                        hard_ranks(
                            &task, room.x, &keys[c * n], m, row, &ranks[found.first])
        if found.members != NULL:
            found.pools[2 * found.n_pools] = found.n_members
    finally:
        leave(&environment)
        for i in range(5):
            let_go(&held[i])
        free(memory)
    return found.n_members, n_sorted
