# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: thresholds of soft choices of tiles of short rows.

Value i of row r is at [TILE * i + r], so that SIMD works on TILE rows at once.
"""

from libc.math cimport INFINITY, ceil
from libc.string cimport memcpy

from ._selection cimport NEWTON, ROUNDING, SHORT, TILE, Goal, Threshold
from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint


cdef extern from *:
    """
    #include <string.h>

    #define TILE_ 8

    SK_SIMD static void sk_sort_tile(double *v, ptrdiff_t n) {
        for (ptrdiff_t i = 1; i < n; i++)
            for (ptrdiff_t j = i; j > 0; j--) {
                double *a = v + TILE_ * (j - 1), *b = v + TILE_ * j;
                SK_LANES
                for (int r = 0; r < TILE_; r++) {
                    double low = a[r] < b[r] ? a[r] : b[r];
                    double high = a[r] < b[r] ? b[r] : a[r];
                    a[r] = low;
                    b[r] = high;
                }
            }
    }

    /* `find_offset` of a tile: the steps of `advance`, by choices without branches.
       Rows that are done keep their offset. */
    SK_SIMD static void sk_offsets_tile(
        const double *d, ptrdiff_t n, const double *share, const double *rest,
        double *offset, int max_newton
    ) {
        double lows[TILE_], highs[TILE_], lows_seen[TILE_], highs_seen[TILE_];
        double last[TILE_];
        double last_full[TILE_], last_none[TILE_], last_partial[TILE_], open[TILE_];
        double n_open = TILE_;
        SK_LANES
        for (int r = 0; r < TILE_; r++) {
            lows[r] = -share[r];
            highs[r] = rest[r];
            lows_seen[r] = highs_seen[r] = last[r] = 0.0;
            last_full[r] = last_none[r] = last_partial[r] = 0.0;
            open[r] = 1.0;
        }
        for (int pass = 1; n_open > 0.0; pass++) {
            double f[TILE_] = {0}, o[TILE_] = {0}, p[TILE_] = {0}, m[TILE_] = {0};
            double centre[TILE_], keeps_newton = pass < max_newton ? 1.0 : 0.0;
            SK_LANES
            for (int r = 0; r < TILE_; r++)
                centre[r] = offset[r] + 0.5 * (share[r] - rest[r]);
            for (ptrdiff_t i = 0; i < n; i++)
                SK_LANES
                for (int r = 0; r < TILE_; r++) {
                    double y = d[TILE_ * i + r], t = y - centre[r];
                    double is_full = t <= -0.5 ? 1.0 : 0.0;
                    double is_none = t >= 0.5 ? 1.0 : 0.0;
                    double is_partial = 1.0 - is_full - is_none;
                    f[r] += is_full;
                    o[r] += is_none;
                    p[r] += is_partial;
                    m[r] += is_partial * y;
                }
            SK_LANES
            for (int r = 0; r < TILE_; r++) {
                /* Single choices of what has been read: that is SIMD. */
                double full = f[r], none = o[r], partial = p[r], moment = m[r];
                double at = offset[r], low = lows[r], high = highs[r];
                double low_seen = lows_seen[r], high_seen = highs_seen[r];
                double was_newton = last[r], was_full = last_full[r];
                double was_none = last_none[r], was_partial = last_partial[r];
                double excess = rest[r] * full - share[r] * none;
                double value = excess + (partial * at - moment);
                double size = value < 0.0 ? -value : value;
                double is_zero = value == 0.0 ? 1.0 : 0.0;
                double is_few = size <= 1e-15 * rest[r] * full ? 1.0 : 0.0;
                double has_none = partial == 0.0 ? 1.0 : 0.0;
                double same1 = full == was_full ? was_newton : 0.0;
                double same2 = none == was_none ? same1 : 0.0;
                double same3 = partial == was_partial ? same2 : 0.0;
                double up = value > 0.0 ? 1.0 : 0.0, down = value < 0.0 ? 1.0 : 0.0;
                double at_low = at <= low ? 1.0 : 0.0;
                double at_high = at >= high ? 1.0 : 0.0;
                double beyond = up * at_low + (1.0 - up) * at_high;
                double is_wild = value - value == 0.0 ? 0.0 : 1.0;
                double ends = is_zero + is_few * has_none + same3 + beyond + is_wild;
                double new_low = value < 0.0 ? at : low;
                double new_high = value < 0.0 ? high : at;
                double seen_low = low_seen + down, seen_high = high_seen + 1.0 - down;
                double half = 0.5 * (new_low + new_high);
                double keeps = partial > 0.0 ? keeps_newton : 0.0;
                double guess = moment / partial - excess / partial;
                double step = keeps > 0.0 ? guess : half;
                double below = step <= new_low ? 1.0 : 0.0;
                double above = step >= new_high ? 1.0 : 0.0;
                double out = below + above - below * above;
                double fresh_low = seen_low > 0.0 ? 0.0 : 1.0;
                double fresh_high = seen_high > 0.0 ? 0.0 : 1.0;
                double to_low = below * fresh_low;
                double to_high = above * fresh_high * (1.0 - to_low);
                double halves = out - to_low - to_high;
                double is_narrow = new_high - new_low < 1e-17 ? 1.0 : 0.0;
                double touches1 = half > new_low ? is_narrow : 1.0;
                double touches2 = half < new_high ? touches1 : 1.0;
                double step1 = to_low > 0.0 ? new_low : step;
                double step2 = to_high > 0.0 ? new_high : step1;
                double step3 = halves > 0.0 ? half : step2;
                double is_open = ends + halves * touches2 > 0.0 ? 0.0 : open[r];
                lows[r] = new_low;
                highs[r] = new_high;
                lows_seen[r] = seen_low;
                highs_seen[r] = seen_high;
                last[r] = out > 0.0 ? 0.0 : keeps;
                last_full[r] = full;
                last_none[r] = none;
                last_partial[r] = partial;
                offset[r] = is_open > 0.0 ? step3 : at;
                open[r] = is_open;
            }
            n_open = 0.0;
            SK_LANES
            for (int r = 0; r < TILE_; r++)
                n_open += open[r];
        }
    }

    SK_SIMD static void sk_count_tile(
        const double *x, ptrdiff_t n, const double *value, double *below, double *tied
    ) {
        double b[TILE_] = {0}, t[TILE_] = {0};
        for (ptrdiff_t i = 0; i < n; i++)
            SK_LANES
            for (int r = 0; r < TILE_; r++) {
                b[r] += x[TILE_ * i + r] < value[r] ? 1.0 : 0.0;
                t[r] += x[TILE_ * i + r] == value[r] ? 1.0 : 0.0;
            }
        memcpy(below, b, sizeof(b));
        memcpy(tied, t, sizeof(t));
    }

    SK_SIMD static void sk_distances(
        const double *x, ptrdiff_t n, const double *anchor, double epsilon, double far,
        double *d
    ) {
        for (ptrdiff_t i = 0; i < n; i++)
            SK_LANES
            for (int r = 0; r < TILE_; r++) {
                double y = (x[TILE_ * i + r] - anchor[r]) / epsilon;
                y = y > -far ? y : -far;
                d[TILE_ * i + r] = y < far ? y : far;
            }
    }
    """
    void sk_sort_tile(double* v, Py_ssize_t n) noexcept nogil
    void sk_offsets_tile(
        const double* d, Py_ssize_t n, const double* share, const double* rest,
        double* offset, int max_newton) noexcept nogil
    void sk_count_tile(
        const double* x, Py_ssize_t n, const double* value, double* below, double* tied
    ) noexcept nogil
    void sk_distances(
        const double* x, Py_ssize_t n, const double* anchor, double epsilon, double far,
        double* d) noexcept nogil


cdef void find_distances(
    const double* x, Py_ssize_t n, const double* anchor, double epsilon, double far,
    double* d
) noexcept nogil:
    """Distances of a tile from the anchors of its rows, in units of epsilon, cut."""
    sk_distances(x, n, anchor, epsilon, far, d)


cdef void find_tile(
    const double* x, Py_ssize_t n, const Goal* goals, const double* kept,
    Threshold* at
) noexcept nogil:
    """The thresholds of a tile of rows of n <= SHORT losses, 0 < kept < n.

    All goals have the same epsilon. As `find_threshold` finds them.
    """
    cdef double[SHORT * TILE] d
    cdef double[TILE] anchor
    cdef double[TILE] share
    cdef double[TILE] rest
    cdef double[TILE] offset
    cdef double[TILE] below
    cdef double[TILE] tied
    cdef double[TILE] next_
    cdef Py_ssize_t last
    cdef int r
    memcpy(d, x, n * TILE * sizeof(double))
    sk_sort_tile(d, n)
    for r in range(TILE):
        last = min(<Py_ssize_t> ceil(kept[r]), n) - 1
        anchor[r] = at[r].anchor = d[TILE * last + r]
        # What comes after the last that is kept, if all are kept in full.
        next_[r] = -INFINITY
        if kept[r] == <double> (last + 1) and last + 1 < n:
            next_[r] = d[TILE * (last + 1) + r]
        share[r] = goals[r].share
        rest[r] = goals[r].rest
        offset[r] = 0.5 - share[r]
    if goals[0].epsilon == 0.0:
        sk_count_tile(d, n, anchor, below, tied)
        for r in range(TILE):
            at[r].offset = min(max((kept[r] - below[r]) / tied[r], 0.0), 1.0)
        return
    sk_distances(x, n, anchor, goals[0].epsilon, 8.0, d)
    sk_offsets_tile(d, n, share, rest, offset, NEWTON)
    for r in range(TILE):
        at[r].offset = offset[r]
        # As `keep_whole`.
        if (next_[r] - anchor[r]) / goals[0].epsilon > 1.0 + 2.0 * ROUNDING:
            at[r].offset = (1.0 - share[r]) + ROUNDING
