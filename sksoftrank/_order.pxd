# cython: language_level=3, cdivision=True
"""The order of rows, by sorting packed keys.

Sorting is the bill, and NumPy sorts integers in place several times faster than it
finds an argsort. So each value becomes an integer of the same order, whose low bits are
replaced by its index; these keys are sorted, and the permutation is read from the low
bits. For float32 keys hold the whole value. For float64 values that differ only in the
replaced bits come out in the order of their indices: an insertion pass repairs them,
or, where many follow one another, a sort of these by the replaced bits does.
"""

from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define sk_will_read(place) __builtin_prefetch(place)
    #define sk_will_write(place) __builtin_prefetch(place, 1)
    #else
    #define sk_will_read(place)
    #define sk_will_write(place)
    #endif

    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    /* Extremes, and 0 or NaN; in lanes, which wait for no other. */
    #define SK_SCAN(name, type) \\
    SK_SIMD static void name( \\
        const type *v, ptrdiff_t n, double *low, double *high, double *check \\
    ) { \\
        type lows[16], highs[16], checks[16]; \\
        for (int j = 0; j < 16; j++) { \\
            lows[j] = highs[j] = v[0]; \\
            checks[j] = 0; \\
        } \\
        for (ptrdiff_t i = 0; i < n - n % 16; i += 16) \\
            SK_LANES \\
            for (int j = 0; j < 16; j++) { \\
                type y = v[i + j]; \\
                lows[j] = y < lows[j] ? y : lows[j]; \\
                highs[j] = y > highs[j] ? y : highs[j]; \\
                checks[j] += y - y; \\
            } \\
        for (ptrdiff_t i = n - n % 16; i < n; i++) { \\
            type y = v[i]; \\
            lows[0] = y < lows[0] ? y : lows[0]; \\
            highs[0] = y > highs[0] ? y : highs[0]; \\
            checks[0] += y - y; \\
        } \\
        for (int j = 1; j < 16; j++) { \\
            lows[0] = lows[j] < lows[0] ? lows[j] : lows[0]; \\
            highs[0] = highs[j] > highs[0] ? highs[j] : highs[0]; \\
            checks[0] += checks[j]; \\
        } \\
        *low = lows[0]; \\
        *high = highs[0]; \\
        *check = checks[0]; \\
    }
    SK_SCAN(sk_scan_float, float)
    SK_SCAN(sk_scan_double, double)

    /* Keys of the bits above a mask; whether all values are finite. */
    SK_SIMD static int sk_pack_double(
        const double *v, ptrdiff_t n, double turn, int64_t mask, int64_t *keys
    ) {
        int64_t exponent = (int64_t) 0x7FF << 52, bits;
        uint64_t overflow = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            double value = turn * v[i] + 0.0; /* no -0.0 */
            memcpy(&bits, &value, 8);
            /* One more than the exponent of NaN or infinity carries into the top. */
            overflow |= (uint64_t) (bits & exponent) + ((uint64_t) 1 << 52);
            bits ^= (bits >> 63) & 0x7FFFFFFFFFFFFFFF;
            keys[i] = (bits & ~mask) | i;
        }
        return !(overflow >> 63);
    }

    SK_SIMD static int sk_pack_float(
        const float *v, ptrdiff_t n, float turn, int64_t *keys
    ) {
        int32_t bits;
        uint32_t overflow = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            float value = turn * v[i] + 0.0f;
            memcpy(&bits, &value, 4);
            overflow |= (uint32_t) (bits & 0x7F800000) + 0x00800000u;
            bits ^= (bits >> 31) & 0x7FFFFFFF;
            keys[i] = (int64_t) ((uint64_t) (uint32_t) bits << 32) | i;
        }
        return !(overflow >> 31);
    }

    SK_SIMD static int sk_rises(const double *x, ptrdiff_t n) {
        int64_t found = 0;
        for (ptrdiff_t i = 1; i < n; i++)
            found |= x[i] > x[i - 1] ? 1 : 0;
        return found != 0;
    }

    SK_SIMD static void sk_mask(int64_t *keys, ptrdiff_t n, int64_t mask) {
        for (ptrdiff_t i = 0; i < n; i++)
            keys[i] &= mask;
    }
    """
    void will_read "sk_will_read" (const void* place) noexcept nogil
    void will_write "sk_will_write" (const void* place) noexcept nogil
    void sk_scan_float(
        const float* v, Py_ssize_t n, double* low, double* high, double* check
    ) noexcept nogil
    void sk_scan_double(
        const double* v, Py_ssize_t n, double* low, double* high, double* check
    ) noexcept nogil
    bint sk_pack_double(
        const double* v, Py_ssize_t n, double turn, int64_t mask, int64_t* keys
    ) noexcept nogil
    bint sk_pack_float(
        const float* v, Py_ssize_t n, float turn, int64_t* keys) noexcept nogil
    bint sk_rises(const double* x, Py_ssize_t n) noexcept nogil
    void sk_mask(int64_t* keys, Py_ssize_t n, int64_t mask) noexcept nogil

cdef enum:
    # Rows are sorted in chunks of about so many values, which stay in cache.
    CHUNK = 1 << 15
    # So few keys are sorted without a call of NumPy, and so many of several rows.
    FEW = 24
    SMALL = 8 * FEW
    # In longer rows the cache is told so early what will be read or written.
    FAR_APART = 1 << 17
    AHEAD = 64
    # So many keys are read at once, and again, one by one, where they need repairs.
    STRETCH = 256
    # A call for fewer does not pay.
    LONG_ENOUGH = 64
    # As many neighbours whose keys tie, out of order, are sorted rather than moved.
    LONG_RUN = 32
    # Of fewer of them, where repairs have taken too many moves before.
    SHORT_RUN = 4


cdef inline Py_ssize_t chunk_rows(Py_ssize_t n, Py_ssize_t n_rows) noexcept nogil:
    return min(max(CHUNK // n, <Py_ssize_t> 1), n_rows)


cdef inline int64_t ordered_bits(double value) noexcept nogil:
    """Integer whose order is that of the doubles; value is not -0.0."""
    cdef int64_t bits
    memcpy(&bits, &value, sizeof(bits))
    return bits ^ ((bits >> 63) & <int64_t> 0x7FFFFFFFFFFFFFFF)


cdef inline int n_index_bits(Py_ssize_t n) noexcept nogil:
    """How many low bits hold an index below n."""
    cdef int n_bits = 0
    while (n - 1) >> n_bits:
        n_bits += 1
    return n_bits


cdef inline bint scan_row(
    const floating* values, Py_ssize_t n, double sign, double* low, double* high,
) noexcept nogil:
    """Minimum and maximum of sign * values; False if the range is not finite."""
    cdef double least, largest, check = 0.0, v
    cdef Py_ssize_t i
    if n < LONG_ENOUGH:
        least = largest = values[0]
        for i in range(n):
            v = values[i]
            least = v if v < least else least
            largest = v if v > largest else largest
            check += v - v
    elif floating is float:
        sk_scan_float(values, n, &least, &largest, &check)
    else:
        sk_scan_double(values, n, &least, &largest, &check)
    low[0] = least if sign > 0 else -largest
    high[0] = largest if sign > 0 else -least
    # v - v is 0, or NaN for NaN and infinity.
    check += (largest - least) - (largest - least)
    return check == 0.0


cdef inline bint pack_row(
    const floating* values, Py_ssize_t n, double sign, int64_t* keys,
) noexcept nogil:
    """Keys whose ascending order is that of -sign * values.

    False if a value is not finite.
    """
    cdef int64_t mask = (<int64_t> 1 << n_index_bits(n)) - 1, bits
    cdef double value
    cdef Py_ssize_t i
    cdef bint is_finite = True
    if floating is double:
        is_finite = sk_pack_double(values, n, -sign, mask, keys)
    elif n_index_bits(n) <= 32:
        is_finite = sk_pack_float(values, n, <float> -sign, keys)
    else:
        for i in range(n):
            value = -sign * values[i] + 0.0
            is_finite &= value - value == 0.0
            bits = ordered_bits(value)
            keys[i] = (bits & ~mask) | i
    return is_finite


ctypedef fused Sortable:
    int64_t
    double


cdef inline void insert_few(Sortable* values, Py_ssize_t n) noexcept nogil:
    """Sort a few keys or values."""
    cdef Py_ssize_t i, j
    cdef Sortable value
    for i in range(1, n):
        value = values[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


cdef inline bint is_bounded(
    double spread, Py_ssize_t n, double epsilon
) noexcept nogil:
    """Whether the range of a row is finite, and for soft operators what its pools
    multiply it by."""
    if epsilon > 0.0:
        spread *= <double> n * <double> n
    return spread - spread == 0.0


cdef inline Py_ssize_t unpack_row(
    const floating* values, Py_ssize_t n, double sign, int64_t* keys, double* x,
    Py_ssize_t start, Py_ssize_t* end, Py_ssize_t* moves,
) noexcept nogil:
    """Read the order from sorted keys, in place, and gather x; stable.

    Returns n, or where it stopped, for keys[start:end] to be sorted: then call it again
    from there. moves (INOUT): the number of repairing moves.
    """
    cdef int n_bits = n_index_bits(n)
    cdef int64_t mask = (<int64_t> 1 << n_bits) - 1, index
    cdef Py_ssize_t i, j, stop
    cdef double value
    cdef float short_value
    cdef int32_t short_bits
    if floating is float:
        if n_bits <= 32:
            for i in range(n):
                short_bits = <int32_t> (keys[i] >> 32)
                short_bits ^= (short_bits >> 31) & 0x7FFFFFFF
                memcpy(&short_value, &short_bits, sizeof(short_value))
                x[i] = -<double> short_value
                keys[i] &= mask
            return n
    i = start
    while i < n:
        stop = min(i + STRETCH, n)
        if n >= LONG_ENOUGH:
            for j in range(i, stop):
                if n > FAR_APART and j + AHEAD < n:
                    will_read(&values[keys[j + AHEAD] & mask])
                x[j] = sign * values[keys[j] & mask]
            j = max(i - 1, start)
            if not sk_rises(&x[j], stop - j):  # nearly always
                sk_mask(&keys[i], stop - i, mask)
                i = stop
                continue
        while i < stop:
            index = keys[i] & mask
            value = sign * values[index]
            if i > start and value > x[i - 1]:
                j = run_to_sort(values, n, sign, keys, i, start, end, moves[0] > 3 * n)
                if j < i:
                    return j
                while j > 0 and value > x[j - 1]:
                    x[j] = x[j - 1]
                    keys[j] = keys[j - 1]
                    j -= 1
                moves[0] += i - j
                x[j] = value
                keys[j] = index
            else:
                x[i] = value
                keys[i] = index
            i += 1
    return n


cdef inline Py_ssize_t run_to_sort(
    const floating* values, Py_ssize_t n, double sign, int64_t* keys, Py_ssize_t i,
    Py_ssize_t start, Py_ssize_t* end, bint is_late,
) noexcept nogil:
    """Where the run of tied keys around i begins, or i if it is too short to sort.

    A run from there to end is packed anew, with the bits that tell its values apart.
    """
    cdef int n_bits = n_index_bits(n)
    cdef int64_t mask = (<int64_t> 1 << n_bits) - 1, shared = keys[i] & ~mask, index
    cdef Py_ssize_t first = i, j
    if n_bits > 32:  # its low bits and an index do not fit into a key
        return i
    end[0] = i
    while end[0] < n and keys[end[0]] & ~mask == shared:
        end[0] += 1
    # What is before i is unpacked. A run never began before start.
    while first > start and (
        ordered_bits(-sign * values[keys[first - 1]] + 0.0) & ~mask == shared
    ):
        first -= 1
    if end[0] - first < (SHORT_RUN if is_late else LONG_RUN):
        return i
    for j in range(first, end[0]):
        index = keys[j] & mask
        keys[j] = index | <int64_t> (
            (<uint64_t> ordered_bits(-sign * values[index] + 0.0) & mask) << n_bits)
        # The top bit of 64 is no sign here.
        if n_bits == 32:
            keys[j] ^= <int64_t> (<uint64_t> 1 << 63)
    return first


cdef inline Py_ssize_t order_row(
    const floating* values, Py_ssize_t n, double sign, int64_t* keys, double* x,
    void* array, Py_ssize_t row,
) except -1 nogil:
    """`unpack_row` to its end; returns the moves.

    The keys are those with which a row of an array begins.
    """
    cdef Py_ssize_t start = 0, end = 0, moves = 0
    while True:
        start = unpack_row(values, n, sign, keys, x, start, &end, &moves)
        if start == n:
            return moves
        moves += end - start
        if end - start <= FEW:
            insert_few(&keys[start], end - start)
        else:
            with gil:
                (<object> array)[row, start:end].sort()
