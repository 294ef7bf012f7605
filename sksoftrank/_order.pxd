# cython: language_level=3, cdivision=True
"""The order of rows, by sorting packed keys.

Sorting is the bill, and NumPy sorts doubles in place several times faster than it
finds an argsort. So the low bits of each value are replaced by its index, the
doubles are sorted, and the permutation is read from the low bits. Values that differ
only in the replaced bits come out in the order of their indices: an insertion pass
repairs them, or, when that would take more than a few moves an element, a second
sort by the replaced bits does.
"""

from cython cimport floating
from libc.stdint cimport int64_t, uint64_t


cdef union Word:
    double value
    uint64_t bits
    int64_t index


cdef inline uint64_t index_mask(Py_ssize_t n) noexcept nogil:
    """The low bits that hold an index below n."""
    cdef uint64_t mask = 0
    while mask < <uint64_t> (n - 1):
        mask = 2 * mask + 1
    return mask


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
    const floating* values, Py_ssize_t n, double sign, Word* keys,
) noexcept nogil:
    """Keys whose ascending order is that of x: -sign * values, indices in low bits.

    False if a value is not finite.
    """
    cdef uint64_t mask = index_mask(n), low, overflow = 0
    cdef uint64_t exponent = <uint64_t> 0x7FF << 52, one = <uint64_t> 1 << 52
    cdef Py_ssize_t i
    cdef Word key
    for i in range(n):
        key.value = -sign * values[i] + 0.0  # + 0.0 makes -0.0 tie with 0.0
        # One more than the exponent of NaN or infinity carries into the top bit.
        overflow |= (key.bits & exponent) + one
        # Among negative doubles larger bits are smaller values.
        low = <uint64_t> i ^ (-(key.bits >> 63) & mask)
        keys[i].bits = (key.bits & ~mask) | low
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
    const floating* values, Py_ssize_t n, double sign, Word* keys, double* x,
) noexcept nogil:
    """Read the order from sorted keys, in place, and gather x; stable.

    Returns the number of repairing moves, or -1 when they are too many; x and the order
    are then undefined.
    """
    cdef uint64_t mask = index_mask(n), bits
    cdef Py_ssize_t i, j, moves = 0
    cdef int64_t index
    cdef double value
    for i in range(n):
        bits = keys[i].bits
        index = <int64_t> ((bits ^ -(bits >> 63)) & mask)
        value = sign * values[index]
        j = i
        if i > 0 and value > x[i - 1]:
            while j > 0 and value > x[j - 1]:
                x[j] = x[j - 1]
                keys[j].index = keys[j - 1].index
                j -= 1
            moves += i - j
            if moves > 4 * n:
                return -1
        x[j] = value
        keys[j].index = index
    return moves


cdef inline uint64_t ordered_bits(double value) noexcept nogil:
    """Integer whose order is that of the doubles."""
    cdef Word word
    word.value = value + 0.0
    return ~word.bits if word.bits >> 63 else word.bits | (<uint64_t> 1 << 63)


cdef inline int sort_by_two_passes(
    const floating* values, Py_ssize_t n, double sign, object keys, Word* words,
    double* x,
) except -1:
    """Exact stable order for rows whose packed keys tie by the thousand.

    First by the bits that packing replaces, then stably by the others. keys is the row
    of words as an array.
    """
    cdef uint64_t mask = index_mask(n)
    cdef int n_bits = 0
    cdef Py_ssize_t i
    cdef Word* first_pass = <Word*> x
    integers = keys.view("uint64")
    while mask >> n_bits:
        n_bits += 1
    for i in range(n):
        words[i].bits = (
            (ordered_bits(-sign * values[i]) & mask) << n_bits) | <uint64_t> i
    integers.sort()
    for i in range(n):
        first_pass[i].bits = words[i].bits & mask
    for i in range(n):
        words[i].bits = (
            ordered_bits(-sign * values[first_pass[i].index]) & ~mask) | <uint64_t> i
    integers.sort()
    for i in range(n):
        words[i].bits = first_pass[words[i].bits & mask].bits
    for i in range(n):
        x[i] = sign * values[words[i].index]
    return 0
