# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: one block of the quadratic soft sort of sorted losses.

With l the sorted losses, L_j the sum of the j smallest and Z_j = L_j - j^2 / (2
epsilon), the blocks of the soft sort are the edges of the least concave majorant of the
points (j, Z_j). The edge over one position is the bridge. The losses come as runs:
values in ascending order with their counts, which are not written out.

Conventions: the functions trust their arguments (the public ones check them) and
release the GIL. Counts and positions are doubles that hold integers. Sums are relative
to the position and to the loss there: of one sign to either side, so nothing cancels.
"""

from libc.math cimport INFINITY, floor
from libc.stdlib cimport free, malloc

from ._environment cimport Environment, enter, leave

# --- the bridge ---------------------------------------------------------------------
#
# To one side of a position, run i begins after start[i] losses and ends after
# start[i + 1]; its losses are rise[i] >= 0 further out than the loss at the position,
# and total[i] sums rise up to its begin. Over a line of some level, Z has the height
#
#     total + x rise - level (start + x + gap) - (start + x)^2 / (2 epsilon)
#
# x losses into the run. The highest points to the left and to the right of the bridge
# are its ends if they are equally high.

cdef struct Side:
    Py_ssize_t size
    double* start
    double* total
    double* rise
    double gap      # from the position that start counts from to that of the bridge
    bint has_start  # whether the bridge may end at start[0]


cdef struct Point:
    double height
    double distance
    double total


cdef inline Point point_at(
    const Side* side, Py_ssize_t i, double x, double level, double epsilon
) noexcept nogil:
    cdef Point point
    point.distance = side.start[i] + x
    point.total = side.total[i] + x * side.rise[i]
    point.height = (point.total - level * (point.distance + side.gap)) - (
        point.distance * (point.distance / (2.0 * epsilon)))
    return point


cdef inline double summit(
    const Side* side, Py_ssize_t i, double level, double epsilon
) noexcept nogil:
    """How far into run i the height is largest."""
    cdef double x = epsilon * (side.rise[i] - level) - side.start[i]
    return min(max(x, 0.0), side.start[i + 1] - side.start[i])


cdef Point highest(const Side* side, double level, double epsilon) noexcept nogil:
    """The highest of the points, the nearest of equal ones."""
    cdef Py_ssize_t i
    cdef double x, length
    cdef Point best, point
    cdef bint has_best = side.has_start
    best.height = best.distance = best.total = 0.0
    if has_best:
        best.height = -level * side.gap
    for i in range(side.size):
        length = side.start[i + 1] - side.start[i]
        if length > 1.0:
            x = floor(summit(side, i, level, epsilon) + 0.5)
            if x == 0.0 and not has_best:
                x = 1.0
            point = point_at(side, i, x, level, epsilon)
            if not has_best or point.height > best.height:
                best = point
                has_best = True
        point = point_at(side, i, length, level, epsilon)
        if not has_best or point.height > best.height:
            best = point
            has_best = True
    return best


cdef void fill_side(
    Side* side, const double* values, const double* counts, Py_ssize_t size,
    Py_ssize_t step, double first_count, double value,
) noexcept nogil:
    """The runs values[0], values[step], ...; of the first only first_count losses."""
    cdef Py_ssize_t i
    side.size = size
    side.start[0] = side.total[0] = 0.0
    for i in range(size):
        side.rise[i] = step * (values[i * step] - value)
        side.start[i + 1] = side.start[i] + (counts[i * step] if i else first_count)
        side.total[i + 1] = side.total[i] + (
            side.start[i + 1] - side.start[i]) * side.rise[i]


cdef void find_ends(
    const Side* left, const Side* right, double epsilon, Point* left_end,
    Point* right_end,
) noexcept nogil:
    """The ends of the bridge.

    The highest point of either side is a convex function of the level, falling on the
    right and rising on the left. Newton's method is exact once it knows the ends; a
    shrinking bracket leads it there.
    """
    cdef double level = 0.0, low = -INFINITY, high = INFINITY, step, length
    cdef double left_distance = -1.0, right_distance = -1.0
    while True:
        left_end[0] = highest(left, -level, epsilon)
        right_end[0] = highest(right, level, epsilon)
        length = left_end.distance + right_end.distance
        if length == 0.0 or left_end.height == right_end.height or (
            left_end.distance == left_distance
            and right_end.distance == right_distance
        ):
            return
        if right_end.height > left_end.height:
            low = level
        else:
            high = level
        left_distance = left_end.distance
        right_distance = right_end.distance
        step = (right_end.total - left_end.total) / length + (
            left_distance - right_distance) / (2.0 * epsilon)
        if not low < step < high:
            left_distance = -1.0
            step = 0.5 * (low + high)
            if not low < step < high:
                return
        level = step


def find_bridge(
    const double[::1] values, const double[::1] counts, double position, double gap,
    double epsilon,
):
    """Ends of the bridge over position + gap, in numbers of losses.

    values, counts (IN, n): the runs, in ascending order.
    position (whole) is from 0 to below the sum of the counts; gap is 0 or 0.5.

    Returns the number of losses below the block and that up to its end.
    """
    cdef Environment environment
    cdef Py_ssize_t n = values.shape[0], r = 0, n_left
    cdef double before = 0.0
    cdef Side left, right
    cdef Point left_end, right_end
    cdef double* scratch
    scratch = <double*> malloc(6 * (n + 2) * sizeof(double))
    if scratch == NULL:
        raise MemoryError
    left.start = scratch
    left.total = scratch + (n + 2)
    left.rise = scratch + 2 * (n + 2)
    right.start = scratch + 3 * (n + 2)
    right.total = scratch + 4 * (n + 2)
    right.rise = scratch + 5 * (n + 2)
    enter(&environment)
    with nogil:
        while before + counts[r] <= position:
            before += counts[r]
            r += 1
        fill_side(
            &right, &values[r], &counts[r], n - r, 1,
            counts[r] - (position - before), values[r])
        # The run at the position is in both sides if the position is inside.
        n_left = r + (position > before)
        left.size = 0
        if n_left > 0:
            fill_side(
                &left, &values[n_left - 1], &counts[n_left - 1], n_left, -1,
                position - before if n_left > r else counts[r - 1], values[r])
        left.gap = gap
        right.gap = -gap
        left.has_start = True
        right.has_start = gap == 0.0
        find_ends(&left, &right, epsilon, &left_end, &right_end)
    leave(&environment)
    free(scratch)
    return position - left_end.distance, position + right_end.distance


# --- results ------------------------------------------------------------------------

def write_steps(
    const double[::1] losses, double below, double first, double share_first,
    double inside, double last, double share_last, double[::1] out,
):
    """A step function of the losses: what is kept of each.

    `below` the loss `first`, share_first at it, `inside` up to the loss `last`,
    share_last at that (if it is not the first), and 0 above.
    """
    cdef Environment environment
    cdef Py_ssize_t n = losses.shape[0], i
    cdef double loss
    enter(&environment)
    with nogil:
        for i in range(n):
            loss = losses[i]
            # Sums of conditions instead of branches.
            out[i] = (
                (below if loss < first else 0.0)
                + (share_first if loss == first else 0.0)
                + (inside if (loss > first) & (loss < last) else 0.0)
                + (share_last if (loss == last) & (loss > first) else 0.0)
            )
    leave(&environment)
