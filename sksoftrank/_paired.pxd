# cython: language_level=3, cdivision=True
"""Sums as two doubles, of which the second has what rounding took of the first."""

cdef struct Exact:
    double high
    double low


cdef inline void add_exactly(Exact* total, double value) noexcept nogil:
    """Knuth's sum."""
    cdef double high = total.high + value, part = high - total.high
    total.low += (total.high - (high - part)) + (value - part)
    total.high = high
