# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: the threshold of a soft choice of the smallest losses, in O(n).

For losses l with weights a of sum A the choice of h = share * A is p_i = clip((t - l_i)
/ epsilon, 0, 1) with the threshold t at which sum(a * p) = h. The functions trust their
arguments (the public ones check them) and release the GIL.

Conventions
-----------
* t is never formed where digits matter. With an anchor within a few epsilon of it and
  distances d = (l - anchor) / epsilon it is t = anchor + epsilon * (offset + share),
  so that p - share = clip(offset - d, -share, 1 - share): exact for tiny and for huge
  epsilon. The loss anchor + epsilon * offset is the smooth quantile.
* The losses pass in blocks. A block is summed in several lanes, which SIMD adds at
  once, and the sums of blocks are added with compensation.
"""

from libc.math cimport INFINITY, NAN, copysign, fabs, isfinite, sqrt
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from ._environment cimport Environment, enter, leave
from ._order cimport insert_few

# More losses than this are searched in a window, which a sample of them gives.
cdef Py_ssize_t DIRECT = 6000
# Half the width of the window, in standard errors of the sample.
cdef double WINDOW = 3.5

cdef double[BLOCK] ONES


cdef void fill_ones() noexcept:
    cdef Py_ssize_t i
    for i in range(BLOCK):
        ONES[i] = 1.0


fill_ones()


cdef inline const double* block_weight(Losses x, Py_ssize_t start) noexcept nogil:
    if x.weight == NULL:
        return &ONES[0]
    return &x.weight[start]


# --- passes over the losses ---------------------------------------------------------
#
# In a pass the losses fall into three regions by |l - centre| - radius: those beyond
# `outer` are kept (below the centre) or not (above it) and those inside `inner` are
# kept in part, for all thresholds in question. The others are open: they are gathered.

cdef struct Ring:
    double centre
    double radius
    double outer
    double inner


cdef struct Tally:
    double full     # weight of the losses that are kept
    double none     # of those that are not
    double partial  # of those that are kept in part
    double moment   # sum of weight * (loss - anchor) of the latter


cdef Tally tally_few(Losses x, Ring at, double anchor) noexcept nogil:
    """That of fewer losses than there are lanes."""
    cdef Py_ssize_t i
    cdef const double* w = block_weight(x, 0)
    cdef double y, t, sides, weight, outer = 0.0, signed = 0.0
    cdef Tally result
    result.partial = result.moment = 0.0
    for i in range(x.size):  # no branches: none would be foreseen
        y = x.value[i]
        t = fabs(y - at.centre) - at.radius
        sides = w[i] if t >= at.outer else 0.0
        outer += sides
        signed += copysign(sides, y - at.centre)
        weight = w[i] if t < at.inner else 0.0
        result.partial += weight
        result.moment += weight * (y - anchor)
    result.full = 0.5 * (outer - signed)
    result.none = 0.5 * (outer + signed)
    return result


cdef Tally tally(Losses x, Ring at, double anchor) noexcept nogil:
    cdef Py_ssize_t b, start, i, j, size
    cdef const double* v
    cdef const double* w
    cdef double y, t, weight, sides
    cdef double[LANES] outer
    cdef double[LANES] signed
    cdef double[LANES] partial
    cdef double[LANES] moment
    cdef Sum outer_sum, signed_sum, partial_sum, moment_sum
    cdef Tally result
    if x.size < LANES:
        return tally_few(x, at, anchor)
    outer_sum.total = signed_sum.total = partial_sum.total = moment_sum.total = 0.0
    outer_sum.carry = signed_sum.carry = partial_sum.carry = moment_sum.carry = 0.0
    for b in range((x.size + BLOCK - 1) // BLOCK):
        start = b * BLOCK
        v = &x.value[start]
        w = block_weight(x, start)
        size = min(x.size - start, <Py_ssize_t> BLOCK)
        for j in range(LANES):
            outer[j] = signed[j] = partial[j] = moment[j] = 0.0
        for i in range(size // LANES):
            # No branches, and no arithmetic under a condition: then it is SIMD.
            for j in range(LANES):
                y = v[LANES * i + j]
                weight = w[LANES * i + j]
                t = fabs(y - at.centre) - at.radius
                sides = weight if t >= at.outer else 0.0
                outer[j] += sides
                signed[j] += copysign(sides, y - at.centre)
                weight = weight if t < at.inner else 0.0
                partial[j] += weight
                moment[j] += weight * (y - anchor)
        for i in range(size - size % LANES, size):
            t = fabs(v[i] - at.centre) - at.radius
            if t >= at.outer:
                outer[0] += w[i]
                signed[0] += copysign(w[i], v[i] - at.centre)
            elif t < at.inner:
                partial[0] += w[i]
                moment[0] += w[i] * (v[i] - anchor)
        add_lanes(&outer_sum, outer)
        add_lanes(&signed_sum, signed)
        add_lanes(&partial_sum, partial)
        add_lanes(&moment_sum, moment)
    result.full = 0.5 * (outer_sum.total - signed_sum.total)
    result.none = 0.5 * (outer_sum.total + signed_sum.total)
    result.partial = partial_sum.total
    result.moment = moment_sum.total
    return result


cdef Py_ssize_t gather(
    Losses x, Ring at, double* values, double* weights
) noexcept nogil:
    """Copy the open losses of positive weight; returns their number."""
    cdef Py_ssize_t i, m = 0
    cdef double t
    if x.weight == NULL:
        for i in range(x.size):
            values[m] = x.value[i]
            t = fabs(x.value[i] - at.centre) - at.radius
            m += (t < at.outer) & (t >= at.inner)
        return m
    for i in range(x.size):
        values[m] = x.value[i]
        weights[m] = x.weight[i]
        t = fabs(x.value[i] - at.centre) - at.radius
        m += (t < at.outer) & (t >= at.inner) & (x.weight[i] > 0.0)
    return m


# --- the hard boundary --------------------------------------------------------------

cdef inline double median3(double a, double b, double c) noexcept nogil:
    return max(min(a, b), min(max(a, b), c))


cdef inline uint64_t next_random(uint64_t* state) noexcept nogil:
    """Knuth's linear congruential generator MMIX, of which the high bits serve."""
    state[0] = state[0] * <uint64_t> 0x5851F42D4C957F2D + <uint64_t> 0x14057B7EF767814F
    return state[0] >> 20


cdef inline double pick_pivot(
    const double* v, Py_ssize_t m, uint64_t* state
) noexcept nogil:
    """Median of three medians of three random values, or of three; m > 0."""
    cdef double[9] draw
    cdef Py_ssize_t i
    if m <= 32:
        return median3(v[0], v[m // 2], v[m - 1])
    for i in range(9):
        draw[i] = v[<Py_ssize_t> (next_random(state) % <uint64_t> m)]
    return median3(
        median3(draw[0], draw[1], draw[2]),
        median3(draw[3], draw[4], draw[5]),
        median3(draw[6], draw[7], draw[8]))


cdef Boundary select_few(
    double* v, Py_ssize_t m, double below, double target, Py_ssize_t* work
) noexcept nogil:
    """`select` of a few values without weights, by sorting them."""
    cdef Py_ssize_t i, first = 0
    cdef Boundary found
    insert_few(v, m)
    work[0] += 2 * m
    while True:
        i = first + 1
        while i < m and v[i] == v[first]:
            i += 1
        if below + <double> i >= target or i == m:
            found.value = v[first]
            found.below = below + <double> first
            found.tied = <double> (i - first)
            return found
        first = i


cdef Boundary select(
    double* v, double* w, Py_ssize_t m, double below, double target, Py_ssize_t* work
) noexcept nogil:
    """The smallest value such that `below` and the weights up to it reach `target`.

    Quickselect; v and w (NULL: all 1), of positive weights, are overwritten. m > 0.
    """
    cdef Py_ssize_t i, k
    cdef uint64_t state = 0
    cdef double pivot, less, tied
    cdef Boundary found
    cdef bint upper
    if w == NULL and m < LANES:
        return select_few(v, m, below, target, work)
    while True:
        pivot = pick_pivot(v, m, &state)
        less = tied = 0.0
        for i in range(m):
            less += (1.0 if w == NULL else w[i]) * (v[i] < pivot)
            tied += (1.0 if w == NULL else w[i]) * (v[i] == pivot)
        work[0] += 2 * m
        upper = below + less < target
        found.value = pivot
        found.below = below + less
        found.tied = tied
        if upper and below + less + tied >= target:
            return found
        k = 0
        for i in range(m):
            v[k] = v[i]
            if w != NULL:
                w[k] = w[i]
            k += (v[i] > pivot) if upper else (v[i] < pivot)
        if k == 0:  # the sums ended a rounding error apart from the target
            return found
        if upper:
            below += less + tied
        m = k


# --- the threshold ------------------------------------------------------------------

cdef Room new_room(Py_ssize_t size) noexcept nogil:
    """Scratch, of which only what is used is touched; value is NULL without memory."""
    cdef Room room
    room.value = <double*> malloc(6 * size * sizeof(double))
    room.weight = room.value + size
    room.spare_value = room.value + 2 * size
    room.spare_weight = room.value + 3 * size
    room.part_value = room.value + 4 * size
    room.part_weight = room.value + 5 * size
    room.work = 0
    return room


cdef inline double excess(Tally at, Goal goal, double offset) noexcept nogil:
    """sum of weight * (p - share), which is 0 at the solution."""
    return (goal.rest * at.full - goal.share * at.none) + (
        at.partial * offset - at.moment)


cdef inline double as_loss(Threshold at, Goal goal) noexcept nogil:
    """The threshold t, rounded."""
    if goal.epsilon == 0.0:
        return at.anchor
    return at.anchor + goal.epsilon * (at.offset + goal.share)


cdef struct Search:
    double low
    double high
    bint low_seen
    bint high_seen
    bint has_last
    int n_passes
    Tally last


cdef inline Search new_search(double low, double high) noexcept nogil:
    cdef Search search
    search.low = low
    search.high = high
    search.low_seen = search.high_seen = search.has_last = False
    search.n_passes = 0
    search.last.full = search.last.none = search.last.partial = 0.0
    search.last.moment = 0.0
    return search


cdef int advance(
    Search* search, Tally now, Goal goal, double* offset
) noexcept nogil:
    """A step of Newton's method, given the tally at the offset; 1 if that is right.

    The excess is piecewise linear and nondecreasing. The method is exact once it has
    reached the right piece; a shrinking bracket leads it there. -1 if the solution is
    outside of the bracket of the beginning, else 0.
    """
    cdef double value = excess(now, goal, offset[0]), step
    if value == 0.0 or (
        now.partial == 0.0 and fabs(value) <= 1e-15 * goal.rest * now.full
    ) or (
        search.has_last and now.full == search.last.full
        and now.none == search.last.none and now.partial == search.last.partial
    ):
        return 1
    if offset[0] <= search.low if value > 0.0 else offset[0] >= search.high:
        return -1
    if not isfinite(value):  # weights so large that their sums overflow
        return -1
    if value < 0.0:
        search.low = offset[0]
        search.low_seen = True
    else:
        search.high = offset[0]
        search.high_seen = True
    search.last = now
    search.n_passes += 1
    search.has_last = now.partial > 0.0 and search.n_passes < NEWTON
    step = 0.5 * (search.low + search.high)
    if search.has_last:
        step = now.moment / now.partial + (
            goal.share * now.none - goal.rest * now.full) / now.partial
    if step <= search.low or step >= search.high:
        search.has_last = False
        if step <= search.low and not search.low_seen:
            step = search.low
        elif step >= search.high and not search.high_seen:
            step = search.high
        else:
            step = 0.5 * (search.low + search.high)
            if not search.low < step < search.high or search.high - search.low < 1e-17:
                return 1
    offset[0] = step
    return 0


cdef void keep_whole(Losses d, Goal goal, double centre, double* offset) noexcept nogil:
    """The offset at which all losses below `centre` + 1 / 2 are kept in full.

    Rounded, it could be one at which those next to the threshold are not, but move with
    it. Nothing is done where a loss that is not kept is as near as that.
    """
    cdef Py_ssize_t i
    cdef double last = -INFINITY, next_ = INFINITY
    for i in range(d.size):
        if d.value[i] - centre < 0.5:
            last = max(last, d.value[i])
        else:
            next_ = min(next_, d.value[i])
    if isfinite(last) and next_ - last > 1.0 + 2.0 * ROUNDING:
        offset[0] = last + (1.0 - goal.share) + ROUNDING


cdef bint find_offset(
    Losses d, Tally base, Goal goal, double kept, double low, double high,
    Threshold* at, Room* room
) noexcept nogil:
    """Solve excess = 0 for the offset in [low, high], starting from that of `at`.

    d: distances of the open losses; base: the others. False if the solution is outside.
    """
    cdef Search search = new_search(low, high)
    cdef Tally now
    cdef Ring ring
    cdef int state = 0
    ring.radius = 0.5
    ring.outer = ring.inner = 0.0
    while state == 0:
        ring.centre = at.offset + 0.5 * (goal.share - goal.rest)
        now = tally(d, ring, 0.0)
        room.work += d.size
        now.full += base.full
        now.none += base.none
        now.partial += base.partial
        now.moment += base.moment
        state = advance(&search, now, goal, &at.offset)
    if now.full + now.partial == kept:
        keep_whole(d, goal, ring.centre, &at.offset)
    return state > 0


cdef void set_distances(
    Losses x, double anchor, double epsilon, double* out
) noexcept nogil:
    """Distances in units of epsilon, cut where a loss is kept or not in any case."""
    cdef Py_ssize_t i
    for i in range(x.size):
        out[i] = min(max((x.value[i] - anchor) / epsilon, -8.0), 8.0)


cdef bint solve(
    Losses x, Tally base, Goal goal, double kept, double guess, bint is_narrow,
    double reach, Threshold* at, Room* room,
) noexcept nogil:
    """The threshold from the open losses x, of positive weights, and the others.

    With is_narrow, t is within `reach` of at.anchor + epsilon / 2, and the moments of
    base are relative to that anchor; otherwise base.partial is 0. Else a finite guess
    is tried as the anchor. False if there is no solution.
    """
    cdef Losses d
    cdef Boundary boundary
    cdef Py_ssize_t i
    d.value = room.spare_value
    d.weight = x.weight
    d.size = x.size
    if goal.epsilon > 0.0 and is_narrow:
        set_distances(x, at.anchor, goal.epsilon, room.spare_value)
        base.moment /= goal.epsilon
        reach /= goal.epsilon
        at.offset = 0.5 - goal.share
        return find_offset(
            d, base, goal, kept, at.offset - reach, at.offset + reach, at, room)
    if goal.epsilon > 0.0 and isfinite(guess):
        at.anchor = guess
        at.offset = -goal.share
        set_distances(x, guess, goal.epsilon, room.spare_value)
        if find_offset(d, base, goal, kept, -2.0, 2.0, at, room):
            return True
    if x.size == 0:
        return False
    for i in range(x.size):
        room.spare_value[i] = x.value[i]
        if x.weight != NULL:
            room.spare_weight[i] = x.weight[i]
    boundary = select(
        room.spare_value, NULL if x.weight == NULL else room.spare_weight, x.size,
        base.full, kept, &room.work)
    at.anchor = boundary.value
    if goal.epsilon == 0.0:
        at.offset = min(max((kept - boundary.below) / boundary.tied, 0.0), 1.0)
        return base.full < kept <= boundary.below + boundary.tied
    # t is in [anchor, anchor + epsilon].
    at.offset = 0.5 - goal.share
    set_distances(x, at.anchor, goal.epsilon, room.spare_value)
    find_offset(d, base, goal, kept, -goal.share, goal.rest, at, room)
    return base.full < kept


# --- the window ---------------------------------------------------------------------

cdef Losses draw_sample(Losses x, Room* room) noexcept nogil:
    """About 4 sqrt(n) of the losses, one at random of each stretch."""
    cdef Py_ssize_t size = <Py_ssize_t> (4.0 * sqrt(<double> x.size)), k, i, m = 0
    cdef Py_ssize_t stretch = x.size // size
    cdef uint64_t state = 0
    cdef Losses sample
    for k in range(size):
        i = k * stretch + <Py_ssize_t> (next_random(&state) % <uint64_t> stretch)
        room.value[m] = x.value[i]
        if x.weight == NULL:
            m += 1
        elif x.weight[i] > 0.0:
            room.weight[m] = x.weight[i]
            m += 1
    sample.value = room.value
    sample.weight = NULL if x.weight == NULL else room.weight
    sample.size = m
    return sample


cdef double standard_error(Losses x, Goal goal, Threshold at) noexcept nogil:
    """Of sum of weight * (p - share) over a sample."""
    cdef double total = 0.0, part
    cdef Py_ssize_t i
    for i in range(x.size):
        if goal.epsilon > 0.0:
            part = at.offset - (x.value[i] - at.anchor) / goal.epsilon
            part = min(max(part, -goal.share), goal.rest)
        else:
            part = goal.rest if x.value[i] <= at.anchor else -goal.share
        if x.weight != NULL:
            part *= x.weight[i]
        total += part * part
    return sqrt(total)


cdef void find_window(
    Losses x, Goal goal, double guess, double* low, double* high, Room* room
) noexcept nogil:
    """Bounds on the threshold that hold with high probability; infinite without."""
    cdef Losses sample = draw_sample(x, room)
    cdef Tally nothing
    cdef Threshold at
    cdef Goal side = goal
    cdef double total = 0.0, error
    cdef Py_ssize_t i
    low[0] = -INFINITY
    high[0] = INFINITY
    if sample.size == 0:
        return
    nothing.full = nothing.none = nothing.partial = nothing.moment = 0.0
    for i in range(sample.size):
        total += 1.0 if sample.weight == NULL else sample.weight[i]
    solve(
        sample, nothing, goal, goal.share * total, guess, False, 0.0, &at, room)
    error = WINDOW * standard_error(sample, goal, at) / total
    guess = as_loss(at, goal)
    if goal.share > error:
        side.share = goal.share - error
        side.rest = goal.rest + error
        solve(
            sample, nothing, side, side.share * total, guess, False, 0.0, &at, room)
        low[0] = as_loss(at, side)
    if goal.rest > error:
        side.share = goal.share + error
        side.rest = goal.rest - error
        solve(
            sample, nothing, side, side.share * total, guess, False, 0.0, &at, room)
        high[0] = as_loss(at, side)


cdef bint solve_in_window(
    Losses x, Goal goal, double kept, double guess, Threshold* at, Room* room
) noexcept nogil:
    """False if the threshold is not where the sample says."""
    cdef Ring ring
    cdef Tally base
    cdef Losses open_
    cdef double low, high, slack, threshold
    cdef Py_ssize_t i
    cdef bint is_narrow
    find_window(x, goal, guess, &low, &high, room)
    if not isfinite(low):
        low = x.value[0]
        for i in range(x.size):
            low = min(low, x.value[i])
        room.work += x.size
    if not isfinite(high):
        high = x.value[0]
        for i in range(x.size):
            high = max(high, x.value[i])
        high += goal.epsilon
        room.work += x.size
    if not low <= high < INFINITY:
        return False

    # Rounding of the regions moves no loss between those that are not open.
    slack = 2e-15 * (fabs(low) + fabs(high) + goal.epsilon)
    is_narrow = high - low < goal.epsilon and slack < 1e-3 * goal.epsilon
    ring.centre = low + 0.5 * (high - low) - 0.5 * goal.epsilon
    if is_narrow:
        ring.radius = 0.5 * goal.epsilon
        ring.outer = 0.5 * (high - low) + slack
    else:
        ring.radius = 0.0
        ring.outer = 0.5 * (high - low) + 0.5 * goal.epsilon + slack
    ring.inner = -ring.outer
    base = tally(x, ring, ring.centre)
    open_.value = room.value
    open_.weight = NULL if x.weight == NULL else room.weight
    open_.size = gather(x, ring, room.value, room.weight)
    room.work += 2 * x.size
    at.anchor = ring.centre
    if not solve(
        open_, base, goal, kept, NAN, is_narrow, 0.5 * (high - low), at, room
    ):
        return False
    threshold = as_loss(at[0], goal)
    return is_narrow or low <= threshold <= high


cdef void find_threshold(
    Losses x, Goal goal, double kept, double guess, Threshold* at, Room* room
) noexcept nogil:
    cdef Tally nothing
    cdef Losses positive = x
    cdef Py_ssize_t i, m = 0
    if x.size > DIRECT and solve_in_window(x, goal, kept, guess, at, room):
        return
    nothing.full = nothing.none = nothing.partial = nothing.moment = 0.0
    if x.weight != NULL:
        for i in range(x.size):
            room.value[m] = x.value[i]
            room.weight[m] = x.weight[i]
            m += x.weight[i] > 0.0
        positive.value = room.value
        positive.weight = room.weight
        positive.size = m
    solve(positive, nothing, goal, kept, guess, False, 0.0, at, room)


# --- results ------------------------------------------------------------------------

cdef double write_row(
    Losses x, Goal goal, double kept, Threshold at, double* selection, double* gradient
) noexcept nogil:
    """Selection and gradient (NULL: not wanted); returns the value of the loss.

    Each step is a loop without branches over a block, for SIMD.
    """
    cdef Py_ssize_t b, start, i, size
    cdef const double* v
    cdef const double* w
    cdef double* p
    cdef double[BLOCK] raised
    cdef double[BLOCK] part
    cdef double[BLOCK] g
    cdef double y, share = goal.share
    # The bounds are for subnormal numbers.
    cdef double inverse = min(1.0 / kept, 1e308), per_epsilon = 0.0
    cdef double low = -share, high = 1.0 - share  # share + high is 1 exactly
    cdef double anchor = at.anchor, offset = at.offset, epsilon = goal.epsilon
    cdef Sum value_sum, penalty_sum
    value_sum.total = value_sum.carry = 0.0
    penalty_sum.total = penalty_sum.carry = 0.0
    if epsilon > 0.0:
        per_epsilon = min(1.0 / epsilon, 1e308)
    for b in range((x.size + BLOCK - 1) // BLOCK):
        start = b * BLOCK
        v = &x.value[start]
        w = block_weight(x, start)
        p = &selection[start]
        size = min(x.size - start, <Py_ssize_t> BLOCK)
        if epsilon > 0.0:
            for i in range(size):
                y = offset - (v[i] - anchor) * per_epsilon
                raised[i] = y if y > low else low
            for i in range(size):
                y = raised[i] if raised[i] < high else high
                part[i] = y
                p[i] = y + share
        else:
            for i in range(size):
                part[i] = 1.0 if v[i] < anchor else 0.0
                raised[i] = offset if v[i] == anchor else 0.0
            for i in range(size):
                p[i] = part[i] + raised[i]
                part[i] = 0.0
        for i in range(size):
            g[i] = (p[i] * inverse) * w[i]
            part[i] = (part[i] * part[i]) * w[i]
        if gradient != NULL:
            memcpy(&gradient[start], g, size * sizeof(double))
        for i in range(size):
            g[i] *= v[i]
        add_block(&value_sum, g, size)
        add_block(&penalty_sum, part, size)
    return value_sum.total + (epsilon * (0.5 * inverse)) * penalty_sum.total


def select_row(
    const double[::1] losses, const double[::1] weights, double kept, double total,
    double epsilon, double guess, double[::1] selection, double[::1] gradient,
):
    """The choice of the smallest losses of weight `kept`.

    losses (IN, n); weights (IN, n, or None: all 1), at least 0; total: their sum, above
    kept. guess: a value near t, or NaN.
    selection, gradient (OUT, n, or None): p and weights * p / kept.

    Returns value, anchor, offset and work, the number of losses looked at. The value is
    NaN without a selection. For epsilon = 0 the offset is the part that is kept of the
    losses equal to the anchor.
    """
    cdef Environment environment
    cdef Losses x
    cdef Goal goal
    cdef Room room
    cdef Threshold at
    cdef double value = NAN
    cdef double* gradient_row = NULL
    x.value = &losses[0]
    x.weight = NULL
    if weights is not None:
        x.weight = &weights[0]
    x.size = losses.shape[0]
    goal.epsilon = epsilon
    goal.share = kept / total
    goal.rest = (total - kept) / total
    room = new_room(x.size)
    if room.value == NULL:
        raise MemoryError
    if gradient is not None:
        gradient_row = &gradient[0]
    enter(&environment)
    with nogil:
        find_threshold(x, goal, kept, guess, &at, &room)
        if selection is not None:
            value = write_row(x, goal, kept, at, &selection[0], gradient_row)
    leave(&environment)
    free(room.value)
    return value, at.anchor, at.offset, room.work
