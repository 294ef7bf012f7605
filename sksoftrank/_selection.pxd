# cython: language_level=3, cdivision=True
"""What the kernels of choices share: losses, their sums, and thresholds."""

from libc.string cimport memset

cdef enum:
    BLOCK = 512
    LANES = 16
    # Rows up to this length are solved in tiles of so many rows.
    SHORT = 16
    TILE = 8
    # Passes of Newton's method after which the bracket is only halved.
    NEWTON = 30


cdef extern from *:
    """
    #define SK_ROUNDING 1e-15
    """
    # More than rounding of offsets and of distances of a few epsilon.
    const double ROUNDING "SK_ROUNDING"


# --- losses -------------------------------------------------------------------------

cdef struct Losses:
    const double* value
    const double* weight  # NULL: all 1
    Py_ssize_t size


cdef struct Sum:
    double total
    double carry


cdef inline void add_lanes(Sum* s, const double* lanes) noexcept nogil:
    """Add the lanes of one block, by Kahan's step."""
    cdef double term = s.carry, total
    cdef Py_ssize_t j
    for j in range(LANES):
        term += lanes[j]
    total = s.total + term
    s.carry = term - (total - s.total)
    s.total = total


cdef inline void add_block(Sum* s, double* terms, Py_ssize_t size) noexcept nogil:
    """Add up to a block of terms, pairwise; overwrites them."""
    cdef Py_ssize_t half = BLOCK // 2, i
    cdef double few = s.carry, total
    if size <= LANES // 2:  # plainly
        for i in range(size):
            few += terms[i]
        total = s.total + few
        s.carry = few - (total - s.total)
        s.total = total
        return
    while half > LANES and half >= size:  # zeros to zeros
        half //= 2
    if size < 2 * half:
        memset(&terms[size], 0, (2 * half - size) * sizeof(double))
    while half >= LANES:
        for i in range(half):
            terms[i] += terms[half + i]
        half //= 2
    add_lanes(s, terms)


# --- thresholds ---------------------------------------------------------------------

cdef struct Goal:
    double epsilon
    double share  # h / A
    double rest   # 1 - h / A


cdef struct Threshold:
    double anchor
    double offset  # for epsilon = 0: the part of the ties that is kept


cdef struct Room:
    # For as many losses as there are.
    double* value
    double* weight
    double* spare_value
    double* spare_weight
    # For some of the losses.
    double* part_value
    double* part_weight
    Py_ssize_t work  # losses looked at


cdef Room new_room(Py_ssize_t size) noexcept nogil

cdef void find_threshold(
    Losses x, Goal goal, double kept, double guess, Threshold* at, Room* room
) noexcept nogil


# --- the hard boundary --------------------------------------------------------------

cdef struct Boundary:
    double value
    double below  # weight below it
    double tied   # weight at it


cdef Boundary select(
    double* v, double* w, Py_ssize_t m, double below, double target, Py_ssize_t* work
) noexcept nogil
