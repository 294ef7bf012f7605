# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: many quadratic soft quantiles of sorted rows by one sweep.

A quantile is the mean, over a unit of mass, of the centre c(m) = t(m) - epsilon * m
/ total of the soft choice of mass m (see `_selection.pyx`), because that is the
derivative of the smooth sum. In a sweep of the threshold t from the smallest value on,
value i begins to be chosen at t = x_i and is wholly chosen from t = x_i + epsilon on;
between such events both m and c are linear in t.
"""

from libc.math cimport INFINITY, NAN
from libc.stdlib cimport free, malloc

from ._environment cimport Environment, enter, leave
from ._paired cimport Exact, add_exactly


cdef struct Row:
    const double* x  # rising, and infinite at the end
    const double* w  # NULL: all 1
    Py_ssize_t n
    double total
    double epsilon


cdef struct Sweep:
    # After the last event, at which a value was entered or left.
    Py_ssize_t entered  # so many were
    Py_ssize_t left
    double last         # the value
    double gone         # 1 if it was left
    Exact mass          # that is chosen
    Exact full          # weight of what is wholly chosen
    Exact opened        # of what is in part
    Exact sum           # of weight * value of that


cdef inline void jump(const Row* row, Sweep* at) noexcept nogil:
    """Where nothing is open t jumps to the next value."""
    at.mass.high = at.full.high
    at.mass.low = at.full.low
    at.opened.high = at.opened.low = at.sum.high = at.sum.low = 0.0
    at.last = row.x[at.entered]
    at.gone = 0.0


cdef inline double next_rise(const Row* row, const Sweep* at) noexcept nogil:
    """How much mass the choice takes up to the next event."""
    cdef bint is_exit = row.x[at.entered] - row.x[at.left] > row.epsilon
    cdef double time = row.x[at.left if is_exit else at.entered] - at.last
    time += row.epsilon * (<double> is_exit - at.gone)
    return time / row.epsilon * at.opened.high


cdef inline void take_event(
    const Row* row, Sweep* at, double rise, bint has_w
) noexcept nogil:
    """The next event; no branches, for which it is cannot be foreseen."""
    cdef bint is_exit = row.x[at.entered] - row.x[at.left] > row.epsilon
    cdef double weight = 1.0, gone = <double> is_exit, change = 1.0 - 2.0 * gone
    cdef Py_ssize_t i = at.left if is_exit else at.entered
    if has_w:
        weight = row.w[i]
        change *= weight
        add_exactly(&at.opened, change)
        add_exactly(&at.full, weight * gone)
    else:
        at.opened.high += change
        at.full.high += gone
    add_exactly(&at.mass, rise)
    add_exactly(&at.sum, change * row.x[i])
    at.last = row.x[i]
    at.gone = gone
    at.left += is_exit
    at.entered += 1 - is_exit


cdef double window_mean(
    const Row* row, Sweep at, double low, bint has_w
) noexcept nogil:
    """Mean of the centre over the masses from low, before the next event, to low + 1.

    The sums are of what the window adds, and nothing cancels.
    """
    cdef double first = NAN, beyond = 0.0, mean = 0.0, rest = 1.0, rise, slope
    while rest > 0.0 and at.left < row.n:
        if at.entered == at.left:
            jump(row, &at)
            beyond = row.x[at.entered] - row.epsilon * (at.full.high / row.total)
            if first != first:
                first = beyond
            beyond -= first
            take_event(row, &at, 0.0, has_w)
            continue
        rise = next_rise(row, &at)
        # Where all are open the centre is their mean and stands still.
        slope = 0.0
        if at.entered < row.n or at.left > 0:
            slope = row.epsilon * (1.0 / at.opened.high - 1.0 / row.total)
        if first != first:  # no interval before this one
            first = at.sum.high / at.opened.high
            if slope != 0.0:
                first += row.epsilon * (
                    (low - at.full.high) / at.opened.high - low / row.total)
            rise -= (low - at.mass.high) - at.mass.low
        if rise > 0.0:
            mean += min(rise, rest) * (beyond + 0.5 * (min(rise, rest) * slope))
            beyond += rise * slope
            rest -= rise
        # The event may be at a mass that has passed.
        take_event(row, &at, 0.0, has_w)
    return first + (mean + max(rest, 0.0) * beyond)  # but for rounding rest is 0


cdef inline void sweep_to(
    const Row* row, Sweep* found, double low, bint has_w
) noexcept nogil:
    """To the last event before a mass."""
    cdef Sweep at = found[0]  # in registers
    cdef double rise
    while True:
        while at.entered > at.left:
            rise = next_rise(row, &at)
            if (low - at.mass.high) - at.mass.low < rise:
                break
            take_event(row, &at, rise, has_w)
        if at.entered > at.left or at.left == row.n:
            break
        jump(row, &at)
        take_event(row, &at, 0.0, has_w)
    found[0] = at


cdef inline void sweep_row(
    const Row* row, const double* low, Py_ssize_t n_low, double* out, bint has_w
) noexcept nogil:
    """Means over the windows of masses from each low, which rise, to low + 1."""
    cdef Py_ssize_t a
    cdef Sweep at
    at.entered = at.left = 0
    at.full.high = at.full.low = 0.0
    for a in range(n_low):
        sweep_to(row, &at, low[a], has_w)
        out[a] = window_mean(row, at, low[a], has_w)


def quantile_rows(
    const double[:, ::1] x, const double[:, ::1] weights, const double[:, ::1] total,
    double epsilon, const double[:, ::1] low, bint from_top, double[:, ::1] out,
):
    """Means of the centres over the masses from low to low + 1.

    x (IN, rows x n): rising; weights (IN, the same, or None: all 1), above 0; total
    (IN, rows x 1): their sums. epsilon > 0. low (IN, rows x k): rising, up to about
    half of the total; with from_top of the largest, which are turned to the smallest
    of -x. out (OUT, rows x k), with from_top of -x.
    """
    cdef Environment environment
    cdef Py_ssize_t r, i, k = low.shape[1], n = x.shape[1]
    cdef double origin, sign = -1.0 if from_top else 1.0
    cdef double* y
    cdef double* w
    cdef Row row
    if x.shape[0] == 0 or k == 0:
        return
    y = <double*> malloc((2 * n + 1) * sizeof(double))
    if y == NULL:
        raise MemoryError
    w = y + n + 1
    row.n = n
    row.epsilon = epsilon
    row.x = y
    row.w = NULL
    y[n] = INFINITY
    enter(&environment)
    with nogil:
        for r in range(x.shape[0]):
            # From a value in the middle: sums of them have their digits.
            origin = x[r, n // 2]
            for i in range(n):
                y[i] = sign * (x[r, n - 1 - i if from_top else i] - origin)
            row.total = total[r, 0]
            if weights is None:
                sweep_row(&row, &low[r, 0], k, &out[r, 0], False)
            else:
                row.w = &weights[r, 0]
                if from_top:
                    for i in range(n):
                        w[i] = weights[r, n - 1 - i]
                    row.w = w
                sweep_row(&row, &low[r, 0], k, &out[r, 0], True)
            for i in range(k):
                out[r, i] += sign * origin
    leave(&environment)
    free(y)
