# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: top-k losses, of the soft rank of one entry of each row.

That rank depends on the block of the entry only, and a block of m entries spans less
than m epsilon. So a row is not sorted, but for the few entries that are near the true
one; a contiguous part of a sorted row that holds a block has the same block. As in
`_pav.pyx` x = -score is paired with rho = (n, ..., 1).
"""

from libc.math cimport INFINITY, NAN, exp, log
from libc.stdint cimport int64_t
from libc.string cimport memset

from ._environment cimport Environment, enter, leave
from ._exponentials cimport exp_all
from ._order cimport is_bounded, scan_row
from ._pav cimport ENTROPIC, KL, QUADRATIC
from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint
from ._sums cimport Sum, add, new_sum, result


cdef extern from *:
    """
    #include <math.h>
    #include <stddef.h>
    #include <stdint.h>

    /* How many scores are within reach of t. */
    SK_SIMD static ptrdiff_t sk_n_near(
            const double *score, ptrdiff_t n, double t, double reach) {
        int64_t count = 0;
        for (ptrdiff_t i = 0; i < n; i++)
            count += fabs(score[i] - t) <= reach;
        return count;
    }

    /* Each value goes to the number of smaller ones; ties leave gaps behind them. */
    SK_SIMD static void sk_sort_few(const double *value, ptrdiff_t n, double *out) {
        for (ptrdiff_t i = 0; i < n; i++)
            out[i] = -INFINITY;
        for (ptrdiff_t i = 0; i < n; i++) {
            int64_t place = 0;
            for (ptrdiff_t j = 0; j < n; j++)
                place += value[j] < value[i];
            out[place] = value[i];
        }
        for (ptrdiff_t i = 1; i < n; i++)
            out[i] = out[i] > out[i - 1] ? out[i] : out[i - 1];
    }

    /* A number where score - t is from low to high, 0 elsewhere. */
    SK_SIMD static void sk_fill_block(
            const double *score, ptrdiff_t n, double t, double low, double high,
            double number, double *out) {
        for (ptrdiff_t i = 0; i < n; i++) {
            double difference = score[i] - t;
            out[i] = (difference >= low) & (difference <= high) ? number : 0.0;
        }
    }
    """
    Py_ssize_t sk_n_near(
        const double* score, Py_ssize_t n, double t, double reach) noexcept nogil
    void sk_sort_few(const double* value, Py_ssize_t n, double* out) noexcept nogil
    void sk_fill_block(
        const double* score, Py_ssize_t n, double t, double low, double high,
        double number, double* out) noexcept nogil


cdef enum:
    MAX_SHRINKS = 8  # of the reach, each of which is a pass, until few are near
    FEW = 64  # near entries; where there are more the order of all is found faster


cdef struct Ranks:
    double epsilon
    int kind


cdef struct Block:
    Py_ssize_t first  # of its places among the near entries
    Py_ssize_t size
    double x    # sum of x / epsilon + place, or of exp((x - x_0) / epsilon)
    double rho  # size, or sum of exp(rho - rho_0) or of rho; x / rho is the level


cdef struct TrueRank:
    double rank
    double low     # of the differences to it in its block
    double high
    Py_ssize_t size
    double anchor  # difference of x_0
    double total   # sum of the shares of the block, in units of that of x_0


# --- the reach of a block -------------------------------------------------------------

cdef inline double reach_of(Ranks ranks, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    """What a block of up to m entries of a row of n spans at most, in epsilon."""
    if ranks.kind == QUADRATIC:
        return (m - 1) * (1.0 + 1e-12)
    if ranks.kind == ENTROPIC:
        return <double> m
    return log(0.5 * n * (n + 1.0)) + 1e-12


cdef Py_ssize_t find_near(
    Ranks ranks, const double* score, Py_ssize_t n, double t, double* near,
    Py_ssize_t* n_above,
) noexcept nogil:
    """Differences score - t of what may be in a block with t, sorted; their number.

    They, and the number of larger scores beyond, n_above (OUT), are only found if they
    are few.
    """
    cdef Py_ssize_t i, m = n, previous, shrinks = 0
    cdef double reach, difference
    cdef double[FEW + 1] found
    while True:
        reach = reach_of(ranks, n, m) * ranks.epsilon
        previous = m
        m = sk_n_near(score, n, t, reach)
        shrinks += 1
        if m == previous or m == 1 or ranks.kind == KL or (
            shrinks >= MAX_SHRINKS and m > FEW  # else exponentials may underflow
        ):
            break
    if m > FEW:
        return m
    n_above[0] = 0
    m = 0
    for i in range(n):  # without branches
        difference = score[i] - t
        found[m] = difference
        m += (difference <= reach) & (difference >= -reach)
        n_above[0] += difference > reach
    sk_sort_few(found, m, near)
    return m


# --- blocks ---------------------------------------------------------------------------

cdef inline bint rises(Block* block, Block* next) noexcept nogil:
    """Whether the level of the next block is above that of this one."""
    return block.x * next.rho < next.x * block.rho


cdef inline void absorb(Block* block, Block* other) noexcept nogil:
    block.size += other.size
    block.x += other.x
    block.rho += other.rho


cdef Block block_of_zero(
    Ranks ranks, const double* near, Py_ssize_t m, Py_ssize_t n_left
) noexcept nogil:
    """The block of the 0 in m sorted differences, of which the first has rho = n_left.

    A level that rises is pooled with the one before.
    """
    cdef double[FEW] x
    cdef Block[FEW] blocks
    cdef Py_ssize_t i, top = -1, zero = 0
    cdef double rho = 1.0
    cdef Block block
    for i in range(m):
        zero += near[i] < 0.0
        x[i] = (near[0] - near[i]) / ranks.epsilon
    if ranks.kind != QUADRATIC:
        exp_all(x, m, x)
    for i in range(m):
        block.first = i
        block.size = 1
        block.x = x[i]
        if ranks.kind == QUADRATIC:
            block.x += i
        elif ranks.kind == KL:
            rho = n_left - i
        block.rho = rho
        if top >= 0 and rises(&blocks[top], &block):
            absorb(&blocks[top], &block)
            while top > 0 and rises(&blocks[top - 1], &blocks[top]):
                absorb(&blocks[top - 1], &blocks[top])
                top -= 1
        else:
            top += 1
            blocks[top] = block
        if ranks.kind == ENTROPIC:
            rho *= 0.36787944117144233
    while blocks[top].first > zero:
        top -= 1
    return blocks[top]


cdef TrueRank true_rank(
    Ranks ranks, const double* score, Py_ssize_t n, double t, double spread,
    Py_ssize_t least_k,
) noexcept nogil:
    """The rank of the score t, or one up to least_k where it surely is no more.

    It is NaN where too many entries are near.
    """
    cdef TrueRank found
    cdef Block block
    cdef double[FEW] near
    cdef Py_ssize_t m, i, n_above = 0, first
    cdef double total = 0.0, start
    found.low = found.high = found.anchor = 0.0
    found.total = 1.0
    found.size = 1
    if ranks.kind == QUADRATIC and spread < 0.5 * n * ranks.epsilon:
        for i in range(n):  # one block, see `_pav.pyx`
            total += (score[i] - t) / ranks.epsilon
        found.rank = 0.5 * (n + 1) + total / n
        found.low = -INFINITY
        found.high = INFINITY
        found.total = found.size = n
        return found
    if ranks.epsilon == 0.0:
        m = 0
        for i in range(n):
            n_above += score[i] > t
            m += score[i] == t
        found.rank = n_above + 0.5 * (m + 1)
        return found
    m = find_near(ranks, score, n, t, near, &n_above)
    found.rank = NAN if m > FEW else n_above + 1.0
    if m == 1 or m > FEW or n_above + m <= least_k:
        return found
    first = n_above + m  # rho of the first of them
    block = block_of_zero(ranks, near, m, first)
    found.anchor = near[0]
    found.low = near[block.first]
    found.high = near[block.first + block.size - 1]
    found.size = block.size
    found.total = block.size if ranks.kind == QUADRATIC else block.x
    start = near[0] / ranks.epsilon
    if block.size == 1 or ranks.kind == KL and found.low == found.high:
        # Without the rounding of exponentials.
        found.rank = (first - block.first) - 0.5 * (block.size - 1)
    elif ranks.kind == QUADRATIC:
        found.rank = first + start - block.x / block.rho
    elif ranks.kind == ENTROPIC:
        found.rank = first + start - log(block.x / block.rho)
    else:
        found.rank = exp(start) * (block.rho / block.x)
    return found


cdef void write_gradient(
    Ranks ranks, const double* score, Py_ssize_t n, Py_ssize_t label, TrueRank found,
    double slope, double* out,
) noexcept nogil:
    """slope times the derivatives of the rank by the scores."""
    cdef Py_ssize_t j
    cdef double difference, factor = slope / ranks.epsilon, inverse = 1.0 / found.total
    if ranks.kind == KL:
        factor *= found.rank
    if ranks.kind == QUADRATIC:
        sk_fill_block(
            score, n, score[label], found.low, found.high, factor / found.total, out)
    else:
        for j in range(n):
            difference = score[j] - score[label]
            out[j] = (found.anchor - difference) / ranks.epsilon if (
                found.low <= difference <= found.high) else -INFINITY
        exp_all(out, n, out)
        for j in range(n):
            out[j] = factor * (out[j] * inverse)  # their quotient may overflow
    out[label] -= factor


# --- losses ---------------------------------------------------------------------------

def topk_rows(
    const double[:, ::1] scores, const int64_t[::1] labels, const double[::1] weight,
    const double[:, ::1] shares, double epsilon, int kind, bint is_bounded_growth,
    double[:, ::1] gradient,
):
    """The weighted sum of the losses h(max(0, rank - k)) of rows; h(u) = u, or
    u / (1 + u) for a bounded growth.

    scores (IN, rows x n); labels (IN, rows): the true columns; weight (IN, rows).
    shares (IN, values of k x 2): each k and its share. gradient (OUT, rows x n).
    Returns NaN if a row is not finite, or its block may have more than `FEW` entries.
    """
    cdef Environment environment
    cdef Py_ssize_t r, j, n = scores.shape[1], n_rows = scores.shape[0], least_k = n
    cdef double low, high, excess, slope, loss
    cdef bint is_known = True
    cdef Ranks ranks
    cdef TrueRank found
    cdef Sum value = new_sum(0.0)
    ranks.epsilon = epsilon
    ranks.kind = kind
    for j in range(shares.shape[0]):
        least_k = min(least_k, <Py_ssize_t> shares[j, 0])
    enter(&environment)
    with nogil:
        for r in range(n_rows):
            if not scan_row(&scores[r, 0], n, 1.0, &low, &high) or (
                not is_bounded(high - low, n, epsilon)
            ):
                is_known = False
                break
            found = true_rank(
                ranks, &scores[r, 0], n, scores[r, labels[r]], high - low, least_k)
            if found.rank != found.rank:
                is_known = False
                break
            loss = slope = 0.0
            for j in range(shares.shape[0]):
                excess = found.rank - shares[j, 0]
                if excess > 0.0 and is_bounded_growth:
                    loss += shares[j, 1] * (excess / (1.0 + excess))
                    slope += shares[j, 1] / ((1.0 + excess) * (1.0 + excess))
                elif excess > 0.0:
                    loss += shares[j, 1] * excess
                    slope += shares[j, 1]
            add(&value, weight[r] * loss)
            slope *= weight[r]
            if slope == 0.0 or found.size == 1:
                memset(&gradient[r, 0], 0, n * sizeof(double))
            else:
                write_gradient(
                    ranks, &scores[r, 0], n, labels[r], found, slope, &gradient[r, 0])
    leave(&environment)
    return result(&value) if is_known else NAN
