# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: quadratic soft ranks of tiles of short rows, without branches.

Value i of row r is at [TILE * i + r], so that SIMD works on TILE rows at once. The
tile holds y = -x = -sign * values, ascending, as in `_pav.pyx` but for the sign.

Pools come from a comparison that does not depend on the order in which blocks merge:
position i starts a block iff no block that ends before it has a mean of x / epsilon -
rho below that of a block that starts with it. That takes O(n^2) of the cheapest
operations, and no stack. Numerators of means are sums of differences to y_i, of one
sign, and are multiplied by whole numbers in place of divided by sizes: what is exact
decides exactly.
"""

from cython cimport floating
from libc.stdint cimport int64_t

from ._order cimport is_bounded
from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    #define SK_TILE 8

    /* Ascending, by compare-exchanges of these pairs of positions. */
    SK_SIMD static void sk_sort_pairs(
        double *keys, const signed char *pairs, int n_pairs
    ) {
        for (int c = 0; c < n_pairs; c++) {
            double *a = keys + SK_TILE * pairs[2 * c];
            double *b = keys + SK_TILE * pairs[2 * c + 1];
            double low[SK_TILE], high[SK_TILE];
            SK_LANES
            for (int r = 0; r < SK_TILE; r++) {
                low[r] = a[r] < b[r] ? a[r] : b[r];
                high[r] = a[r] < b[r] ? b[r] : a[r];
            }
            memcpy(a, low, sizeof(low));
            memcpy(b, high, sizeof(high));
        }
    }

    /* Values with their places in the lowest four bits of their own order. */
    SK_SIMD static void sk_pack_tile(
        const double *__restrict y, ptrdiff_t n, double *__restrict keys
    ) {
        for (ptrdiff_t i = 0; i < n; i++)
            SK_LANES
            for (int r = 0; r < SK_TILE; r++) {
                int64_t bits, place = i;
                memcpy(&bits, &y[SK_TILE * i + r], 8);
                bits = (bits & ~(int64_t) 15) | (place ^ ((bits >> 63) & 15));
                memcpy(&keys[SK_TILE * i + r], &bits, 8);
            }
    }

    SK_SIMD static void sk_unpack_tile(
        const double *__restrict keys, ptrdiff_t n, int64_t *__restrict places
    ) {
        for (ptrdiff_t i = 0; i < SK_TILE * n; i++) {
            int64_t bits;
            memcpy(&bits, &keys[i], 8);
            places[i] = (bits ^ (bits >> 63)) & 15;
        }
    }

    /* Also where a value is NaN. */
    SK_SIMD static int sk_falls(const double *y, ptrdiff_t n) {
        int64_t found = 0;
        for (ptrdiff_t i = SK_TILE; i < SK_TILE * n; i++)
            found |= y[i] >= y[i - SK_TILE] ? 0 : 1;
        return found != 0;
    }

    /* joined = 1 where a position is in one block with that before it. areas: epsilon
       times the sums of 1..size; shares: whole numbers over size. */
    SK_SIMD static void sk_join_tile(
        const double *__restrict y, ptrdiff_t n, const double *areas,
        const double *shares, double *__restrict joined
    ) {
        for (ptrdiff_t i = 1; i < n; i++) {
            double total[SK_TILE] = {0}, least[SK_TILE], most[SK_TILE] = {0};
            const double *own = y + SK_TILE * i;
            SK_LANES
            for (int r = 0; r < SK_TILE; r++)
                least[r] = 1e300;
            for (ptrdiff_t size = 1; size <= i; size++) {
                const double *other = own - SK_TILE * size;
                double area = areas[size], share = shares[size];
                SK_LANES
                for (int r = 0; r < SK_TILE; r++) {
                    double sum = total[r] + (own[r] - other[r]);
                    double mean = (sum - area) * share;
                    total[r] = sum;
                    least[r] = mean < least[r] ? mean : least[r];
                }
            }
            SK_LANES
            for (int r = 0; r < SK_TILE; r++)
                total[r] = 0.0;
            for (ptrdiff_t size = 2; size <= n - i; size++) {
                const double *other = own + SK_TILE * (size - 1);
                double area = areas[size - 1], share = shares[size];
                SK_LANES
                for (int r = 0; r < SK_TILE; r++) {
                    double sum = total[r] + (other[r] - own[r]);
                    double mean = (area - sum) * share;
                    total[r] = sum;
                    most[r] = mean > most[r] ? mean : most[r];
                }
            }
            SK_LANES
            for (int r = 0; r < SK_TILE; r++)
                joined[SK_TILE * i + r] = least[r] < most[r] ? 1.0 : 0.0;
        }
    }

    SK_SIMD static void sk_ties_tile(
        const double *__restrict y, ptrdiff_t n, double *__restrict joined
    ) {
        for (ptrdiff_t i = SK_TILE; i < SK_TILE * n; i++)
            joined[i] = y[i] == y[i - SK_TILE] ? 1.0 : 0.0;
    }

    /* mean(rho_B) - (y_i - mean(y_B)) / epsilon; joined has n + 1 rows. */
    SK_SIMD static void sk_ranks_tile(
        const double *__restrict y, ptrdiff_t n, double epsilon,
        const double *__restrict joined, double *__restrict out
    ) {
        double first[SK_TILE] = {0}, sum[SK_TILE] = {0}, inside[SK_TILE] = {0};
        double sums[16 * SK_TILE], places[16 * SK_TILE];
        for (ptrdiff_t i = 0; i < n; i++)
            SK_LANES
            for (int r = 0; r < SK_TILE; r++) {
                double own = y[SK_TILE * i + r], is_in = joined[SK_TILE * i + r];
                double start = is_in > 0.0 ? first[r] : own;
                double step = own - start;
                double total = is_in > 0.0 ? sum[r] + step : 0.0;
                double place = is_in > 0.0 ? inside[r] + 1.0 : 0.0;
                out[SK_TILE * i + r] = step;
                sums[SK_TILE * i + r] = total;
                places[SK_TILE * i + r] = place;
                first[r] = start;
                sum[r] = total;
                inside[r] = place;
            }
        for (ptrdiff_t i = n - 1; i >= 0; i--)
            SK_LANES
            for (int r = 0; r < SK_TILE; r++) {
                double is_in = joined[SK_TILE * (i + 1) + r];
                double place = places[SK_TILE * i + r];
                double size = is_in > 0.0 ? inside[r] : place + 1.0;
                double total = is_in > 0.0 ? sum[r] : sums[SK_TILE * i + r];
                double middle = (double) (n - i) + place - 0.5 * (size - 1.0);
                out[SK_TILE * i + r] = middle
                    - (out[SK_TILE * i + r] * size - total) / (size * epsilon);
                inside[r] = size;
                sum[r] = total;
            }
    }
    """
    void sk_sort_pairs(
        double* keys, const signed char* pairs, int n_pairs) noexcept nogil
    void sk_pack_tile(const double* y, Py_ssize_t n, double* keys) noexcept nogil
    void sk_unpack_tile(
        const double* keys, Py_ssize_t n, int64_t* places) noexcept nogil
    bint sk_falls(const double* y, Py_ssize_t n) noexcept nogil
    void sk_join_tile(
        const double* y, Py_ssize_t n, const double* areas, const double* shares,
        double* joined) noexcept nogil
    void sk_ties_tile(const double* y, Py_ssize_t n, double* joined) noexcept nogil
    void sk_ranks_tile(
        const double* y, Py_ssize_t n, double epsilon, const double* joined,
        double* out) noexcept nogil


cdef enum:
    TILE = 8
    ROOM = 16 * TILE

# Of each length the pairs that sort it (Batcher's merge exchange), and 2^-20 times
# the whole numbers lcm(1, ..., 16) / size.
cdef signed char[17][126] PAIRS
cdef int[17] N_PAIRS
cdef double[17] SHARES


cdef void fill_tables() noexcept:
    cdef int n, p, q, r, d, i, top
    for n in range(17):
        SHARES[n] = 720720 // max(n, 1) * 2.0**-20
        N_PAIRS[n] = 0
        top = 1
        while 2 * top < n:
            top *= 2
        p = top
        while p > 0 and n > 1:
            q = top
            r = 0
            d = p
            while True:
                for i in range(n - d):
                    if i & p == r:
                        PAIRS[n][2 * N_PAIRS[n]] = i
                        PAIRS[n][2 * N_PAIRS[n] + 1] = i + d
                        N_PAIRS[n] += 1
                if q == p:
                    break
                d = q - p
                q //= 2
                r = p
            p //= 2


fill_tables()


cdef void sort_lane(double* y, int64_t* places, Py_ssize_t n) noexcept nogil:
    """Sort a row of a tile whose keys tied, with its places; stable."""
    cdef Py_ssize_t i, j
    cdef double value
    cdef int64_t place
    for i in range(1, n):
        value = y[TILE * i]
        place = places[TILE * i]
        j = i
        while j > 0 and y[TILE * (j - 1)] > value:
            y[TILE * j] = y[TILE * (j - 1)]
            places[TILE * j] = places[TILE * (j - 1)]
            j -= 1
        y[TILE * j] = value
        places[TILE * j] = place


cdef void write_pools(
    const double* joined, Py_ssize_t n, int64_t* pools
) noexcept nogil:
    """The blocks of two or more of a row of a tile."""
    cdef Py_ssize_t i, k = 0
    cdef bint was_in = False, is_in
    for i in range(1, n + 1):
        is_in = joined[TILE * i] > 0.0
        # Stays where no pool starts or ends.
        pools[k] = i - is_in
        k += is_in != was_in
        was_in = is_in
    pools[k] = n


cdef bint rank_short_rows(
    const floating* values, Py_ssize_t n_rows, Py_ssize_t n, double epsilon,
    double sign, int64_t* order, int64_t* pools, floating* out,
) noexcept nogil:
    """`rank_rows` of at most 16 values each; whether all are finite."""
    cdef double[ROOM] y
    cdef double[ROOM] keys
    cdef double[ROOM + TILE] joined
    cdef int64_t[ROOM] places
    cdef double[17] areas
    cdef Py_ssize_t first = 0, m, i, r
    cdef const floating* row
    cdef bint is_finite = True
    for i in range(n + 1):
        areas[i] = epsilon * (0.5 * i * (i + 1))
    for r in range(TILE):
        joined[r] = 0.0
        joined[TILE * n + r] = 0.0
    while first < n_rows:
        m = min(<Py_ssize_t> TILE, n_rows - first)
        for r in range(TILE):
            row = &values[(first + min(r, m - 1)) * n]
            for i in range(n):
                y[TILE * i + r] = -sign * row[i] + 0.0  # no -0.0
        sk_pack_tile(y, n, keys)
        sk_sort_pairs(keys, PAIRS[n], N_PAIRS[n])
        sk_unpack_tile(keys, n, places)
        for r in range(TILE):
            row = &values[(first + min(r, m - 1)) * n]
            for i in range(n):
                y[TILE * i + r] = -sign * row[places[TILE * i + r]] + 0.0
        if sk_falls(y, n):  # keys tied, or there is NaN
            for i in range(TILE * n):
                is_finite &= y[i] - y[i] == 0.0
            for r in range(TILE):
                sort_lane(&y[r], &places[r], n)
        for r in range(TILE):
            is_finite &= is_bounded(y[TILE * (n - 1) + r] - y[r], n, epsilon)
        if epsilon > 0.0:
            sk_join_tile(y, n, areas, SHARES, joined)
        else:
            sk_ties_tile(y, n, joined)
        sk_ranks_tile(y, n, epsilon if epsilon > 0.0 else 1.0, joined, keys)
        for r in range(m):
            for i in range(n):
                out[(first + r) * n + places[TILE * i + r]] = <floating> (
                    keys[TILE * i + r])
            if order != NULL:
                for i in range(n):
                    order[(first + r) * n + i] = places[TILE * i + r]
            if pools != NULL:
                if epsilon > 0.0:
                    write_pools(&joined[r], n, &pools[(first + r) * (n + 1)])
                else:
                    pools[(first + r) * (n + 1)] = n
        first += TILE
    return is_finite
