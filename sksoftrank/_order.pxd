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

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define sk_will_read(place) __builtin_prefetch(place)
    #else
    #define sk_will_read(place)
    #endif
    """
    void will_read "sk_will_read" (const void* place) noexcept nogil

cdef enum:
    # The cache is told so early what will be read.
    AHEAD = 32
    # As many neighbours whose keys tie, out of order, are sorted rather than moved.
    LONG_RUN = 32
    # Of fewer of them, where repairs have taken too many moves before.
    SHORT_RUN = 4


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
    # Four accumulators each: the minima do not wait for one another.
    cdef double low0, low1, low2, low3, high0, high1, high2, high3, check = 0.0, v
    cdef Py_ssize_t i
    low0 = low1 = low2 = low3 = high0 = high1 = high2 = high3 = values[0]
    for i in range(0, n - 3, 4):
        v = values[i]
        low0 = v if v < low0 else low0
        high0 = v if v > high0 else high0
        check += v - v
        v = values[i + 1]
        low1 = v if v < low1 else low1
        high1 = v if v > high1 else high1
        check += v - v
        v = values[i + 2]
        low2 = v if v < low2 else low2
        high2 = v if v > high2 else high2
        check += v - v
        v = values[i + 3]
        low3 = v if v < low3 else low3
        high3 = v if v > high3 else high3
        check += v - v
    for i in range(n - n % 4, n):
        v = values[i]
        low0 = v if v < low0 else low0
        high0 = v if v > high0 else high0
        check += v - v
    low0 = min(min(low0, low1), min(low2, low3))
    high0 = max(max(high0, high1), max(high2, high3))
    low[0] = low0 if sign > 0 else -high0
    high[0] = high0 if sign > 0 else -low0
    # v - v is 0, or NaN for NaN and infinity.
    check += (high0 - low0) - (high0 - low0)
    return check == 0.0


cdef inline bint pack_row(
    const floating* values, Py_ssize_t n, double sign, int64_t* keys,
) noexcept nogil:
    """Keys whose ascending order is that of -sign * values.

    False if a value is not finite.
    """
    cdef int64_t mask, bits, exponent = <int64_t> 0x7FF << 52
    cdef uint64_t one = <uint64_t> 1 << 52, overflow = 0
    cdef uint32_t short_overflow = 0
    cdef int32_t short_bits
    cdef float short_value
    cdef double value
    cdef Py_ssize_t i
    if floating is float:
        if n_index_bits(n) <= 32:
            for i in range(n):
                short_value = <float> -sign * values[i] + 0.0  # no -0.0
                memcpy(&short_bits, &short_value, sizeof(short_bits))
                # One more than the exponent of NaN or infinity carries into the top.
                short_overflow |= (short_bits & 0x7F800000) + <uint32_t> 0x00800000
                short_bits ^= (short_bits >> 31) & 0x7FFFFFFF
                keys[i] = <int64_t> (<uint64_t> short_bits << 32) | i
            return not short_overflow >> 31
    mask = (<int64_t> 1 << n_index_bits(n)) - 1
    for i in range(n):
        value = -sign * values[i] + 0.0
        memcpy(&bits, &value, sizeof(bits))
        overflow |= <uint64_t> (bits & exponent) + one
        bits ^= (bits >> 63) & <int64_t> 0x7FFFFFFFFFFFFFFF
        keys[i] = (bits & ~mask) | i
    return not overflow >> 63


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
    cdef Py_ssize_t i, j
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
    for i in range(start, n):
        index = keys[i] & mask
        if i + AHEAD < n:
            will_read(&values[keys[i + AHEAD] & mask])
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
