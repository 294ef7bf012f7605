# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: the threshold of a logistic choice.

In it p_i is the logistic function of (t - l_i) / epsilon, and t = anchor + epsilon *
(offset + logit(share)). With g = share, step = offset - d and m = expm1(step), p - g =
g (1 - g) m / (1 + g m) keeps the digits of small deviations. Shares above 1/2 are those
of the others, 1 - g, with the signs of distances and offset turned.
"""

from libc.math cimport (
    INFINITY, NAN, exp, expm1, fabs, floor, isfinite, log, log1p, sqrt,
)

from ._exponentials cimport exp_all, expm1_all
from ._selection cimport (
    BLOCK, SHORT, TILE, Goal, Losses, Room, Sum, Threshold, add_block, find_threshold,
)
from ._simd cimport SIMD_IS_DECLARED  # no-cython-lint
from ._tiles cimport find_distances

# Rows longer than this start from the solution of a part of them.
cdef Py_ssize_t LONG = 4096

# Farther from the threshold an anchor costs too many digits; the clip's is nearer.
cdef double NEAR = 100.0

# Steps of Halley's method or bisection, of which about three are the rule.
cdef int STEPS = 200

# With a slope below this share of what is kept the offset has lost digits.
cdef double STEEP = 1e-3

# In units of epsilon. A gap around the threshold in whose middle a search starts, and
# one where the slope is below `STEEP` in rows up to SHORT.
cdef double WIDE = 6.0
cdef double VERY_WIDE = 24.0

# Beyond this m is as good as infinite; distances are cut at 1e300.
cdef double FAR_STEP = 700.0


cdef struct Curve:
    # Sums of weight * (p - share) and of its two derivatives by the offset.
    double excess
    double slope
    double bend


cdef Curve logistic_curve(
    Losses x, double anchor, double epsilon, double sign, double share, double offset
) noexcept nogil:
    cdef Py_ssize_t b, start, i, size
    cdef const double* v
    cdef double[BLOCK] excess
    cdef double[BLOCK] slope
    cdef double[BLOCK] bend
    cdef double[BLOCK] m
    cdef double inverse, p, rest
    cdef Sum excess_sum, slope_sum, bend_sum
    cdef Curve result
    excess_sum.total = slope_sum.total = bend_sum.total = 0.0
    excess_sum.carry = slope_sum.carry = bend_sum.carry = 0.0
    for b in range((x.size + BLOCK - 1) // BLOCK):
        start = b * BLOCK
        v = &x.value[start]
        size = min(x.size - start, <Py_ssize_t> BLOCK)
        for i in range(size):
            m[i] = min(offset - sign * distance(v[i], anchor, epsilon), FAR_STEP)
        expm1_all(m, size, m)
        for i in range(size):
            inverse = 1.0 / (1.0 + share * m[i])
            p = share * (1.0 + m[i]) * inverse
            rest = (1.0 - share) * inverse
            excess[i] = share * m[i] * rest
            slope[i] = p * rest
            bend[i] = rest - p
        weigh(x, start, excess, size)
        weigh(x, start, slope, size)
        for i in range(size):
            bend[i] *= slope[i]
        add_block(&excess_sum, excess, size)
        add_block(&slope_sum, slope, size)
        add_block(&bend_sum, bend, size)
    result.excess = excess_sum.total
    result.slope = slope_sum.total
    result.bend = bend_sum.total
    return result


cdef struct Halley:
    # A search for the offset of a choice with this sign and share (at most 1/2).
    double sign
    double share
    double total
    double low
    double high
    double offset
    double tolerance
    double slope


cdef inline void begin(Halley* search, double low, double high) noexcept nogil:
    """Start within the distances from low to high, in the units of epsilon."""
    search.low = low
    search.high = high
    search.offset = min(max(search.offset, low), high)
    # A step is followed by an error of the order of its cube.
    search.tolerance = 1e-17 * min(1.0, high - low)
    search.slope = INFINITY


cdef bint improve(Halley* search, Curve curve) noexcept nogil:
    """A step of Halley's method on log(mean(p) / share); whether it was the last.

    A bracket is halved where a step leaves it.
    """
    cdef double mass = search.total * search.share, level, rise, curvature, step
    cdef double relative = curve.excess / mass
    search.slope = curve.slope
    if fabs(relative) <= 100.0 * search.tolerance:
        return True
    if relative < 0.0:
        search.low = search.offset
    else:
        search.high = search.offset
    level = log1p(relative)
    rise = curve.slope / mass / (1.0 + relative)
    curvature = curve.bend / mass / (1.0 + relative) - rise * rise
    step = -level / rise
    if fabs(level * curvature) < rise * rise:  # close: Halley's instead of Newton's
        step /= 1.0 - 0.5 * level * curvature / (rise * rise)
    if not search.low <= search.offset + step <= search.high:  # NaN too
        step = 0.5 * search.low + 0.5 * search.high - search.offset
        if search.high - search.low <= 4e-16 * fabs(search.offset) or step == 0.0:
            return True
        search.offset += step
        return False
    search.offset += step
    return fabs(step) * step * step <= search.tolerance or (
        search.offset + step == search.offset)


cdef double find_logistic_offset(
    Losses x, double epsilon, double total, double share, double sign, Threshold* at
) noexcept nogil:
    """Solve excess = 0 for the offset. Returns about the slope at the solution.

    With sign = -1 the signs of distances and offset are turned.
    """
    cdef double low = INFINITY, high = -INFINITY, d
    cdef Py_ssize_t i
    cdef Halley search
    for i in range(x.size):
        d = sign * distance(x.value[i], at.anchor, epsilon)
        if x.weight == NULL or x.weight[i] > 0.0:
            low = min(low, d)
            high = max(high, d)
    search.sign = sign
    search.share = share
    search.total = total
    search.offset = sign * at.offset
    begin(&search, low, high)
    for _ in range(STEPS):
        if improve(&search, logistic_curve(
            x, at.anchor, epsilon, sign, share, search.offset
        )):
            break
    at.offset = sign * search.offset
    return search.slope


cdef extern from *:
    """
    SK_SIMD static void sk_curve_tile(
        const double *m, ptrdiff_t n, const double *share, double *excess,
        double *slope, double *bend
    ) {
        double e[8] = {0}, s[8] = {0}, b[8] = {0};
        for (ptrdiff_t i = 0; i < n; i++)
            SK_LANES
            for (int r = 0; r < 8; r++) {
                double k = m[8 * i + r], inverse = 1.0 / (1.0 + share[r] * k);
                double p = share[r] * (1.0 + k) * inverse;
                double rest = (1.0 - share[r]) * inverse;
                e[r] += share[r] * k * rest;
                s[r] += p * rest;
                b[r] += (rest - p) * (p * rest);
            }
        SK_LANES
        for (int r = 0; r < 8; r++) {
            excess[r] = e[r];
            slope[r] = s[r];
            bend[r] = b[r];
        }
    }

    SK_SIMD static void sk_steps_tile(
        const double *d, ptrdiff_t n, const double *offset, double far, double *step
    ) {
        for (ptrdiff_t i = 0; i < n; i++)
            SK_LANES
            for (int r = 0; r < 8; r++) {
                double y = offset[r] - d[8 * i + r];
                step[8 * i + r] = y < far ? y : far;
            }
    }
    """
    void sk_curve_tile(
        const double* m, Py_ssize_t n, const double* share, double* excess,
        double* slope, double* bend) noexcept nogil
    void sk_steps_tile(
        const double* d, Py_ssize_t n, const double* offset, double far, double* step
    ) noexcept nogil


cdef void find_logistic_tile(
    const double* x, Py_ssize_t n, const Goal* goals, double epsilon, Threshold* at,
    double* slopes
) noexcept nogil:
    """`find_logistic_offset` of a tile of rows, whose starts are those of clips of
    width 4, or in the middle of a wide gap, which may be left to `settle_row`.

    slopes (INOUT): what is kept; about the slopes at the solutions.
    """
    cdef double[SHORT * TILE] d
    cdef double[SHORT * TILE] m
    cdef double[TILE] values
    cdef double[TILE] shares
    cdef double[TILE] excess
    cdef double[TILE] slope
    cdef double[TILE] bend
    cdef double low, high, gap, n_below, y
    cdef Halley[TILE] searches
    cdef bint[TILE] is_done
    cdef Curve curve
    cdef Py_ssize_t i
    cdef int r, n_open = TILE
    for r in range(TILE):
        values[r] = at[r].anchor
    find_distances(x, n, values, epsilon, 1e300, d)
    for r in range(TILE):
        searches[r].sign = 1.0 if goals[r].share <= 0.5 else -1.0
        searches[r].share = shares[r] = min(goals[r].share, goals[r].rest)
        searches[r].total = <double> n
        searches[r].offset = searches[r].sign * (4.0 * at[r].offset)
        low = INFINITY
        high = -INFINITY
        for i in range(n):
            d[TILE * i + r] *= searches[r].sign
            low = min(low, d[TILE * i + r])
            high = max(high, d[TILE * i + r])
        begin(&searches[r], low, high)
        is_done[r] = False
        if high - low > WIDE and slopes[r] == floor(slopes[r]):
            gap = INFINITY
            n_below = 0.0
            for i in range(n):
                y = searches[r].sign * d[TILE * i + r]
                gap = min(gap, y if y > 0.0 else INFINITY)
                n_below += y <= 0.0
            # What is kept is not all, so something is above, and the gap finite.
            if n_below == slopes[r] and gap > WIDE:
                searches[r].offset = searches[r].sign * (
                    0.5 * gap - log(goals[r].share) + log(goals[r].rest))
                if gap > VERY_WIDE:
                    searches[r].slope = 0.0
                    is_done[r] = True
                    n_open -= 1
    for _ in range(STEPS if n_open > 0 else 0):
        for r in range(TILE):
            values[r] = searches[r].offset
        sk_steps_tile(d, n, values, FAR_STEP, m)
        expm1_all(m, TILE * n, m)
        sk_curve_tile(m, n, shares, excess, slope, bend)
        for r in range(TILE):
            if not is_done[r]:
                curve.excess = excess[r]
                curve.slope = slope[r]
                curve.bend = bend[r]
                is_done[r] = improve(&searches[r], curve)
                n_open -= is_done[r]
        if n_open == 0:
            break
    for r in range(TILE):
        at[r].offset = searches[r].sign * searches[r].offset
        slopes[r] = searches[r].slope


cdef void settle_in_gap(
    Losses x, double epsilon, double kept, double share, double sign, Threshold* at
) noexcept nogil:
    """Solve for the offset where nearly all parts are 0 or 1.

    There sums of p - share have no digits left, but those of p below 1/2, and of 1 - p
    above, do. Both are nearly exponentials of the offset, which makes the step an exact
    one: with them and `lack`, what the values above 1/2 weigh more than is kept, it is
    the z = exp(step) of below * z - above / z + lack = 0.
    """
    cdef Py_ssize_t start, i, size
    cdef double logit = log(share) - log1p(-share), least
    cdef double above, below, lack, root, step, low, high
    cdef double[BLOCK] u
    cdef double[BLOCK] small
    for _ in range(8):
        above = below = 0.0
        lack = -kept
        low = -INFINITY
        high = INFINITY
        start = 0
        while start < x.size:
            size = min(x.size - start, <Py_ssize_t> BLOCK)
            for i in range(size):
                u[i] = logit + sign * (
                    at.offset - distance(x.value[start + i], at.anchor, epsilon))
                small[i] = -fabs(u[i])
            exp_all(small, size, small)
            for i in range(size):
                small[i] /= 1.0 + small[i]
            weigh(x, start, small, size)
            for i in range(size):
                if u[i] > 0.0:
                    above += small[i]
                    lack += 1.0 if x.weight == NULL else x.weight[start + i]
                    high = min(high, u[i])
                else:
                    below += small[i]
                    low = max(low, u[i])
            start += size
        root = sqrt(lack * lack + 4.0 * above * below)
        if lack == 0.0 and (above == 0.0 or below == 0.0):
            step = -0.5 * (low + high)  # to the middle of the gap
        elif lack > 0.0:
            step = log(2.0 * above / (lack + root))
        else:
            step = log((root - lack) / (2.0 * below))
        if not isfinite(step):
            return
        at.offset += sign * step
        # The next step is smaller by about the largest of the exponentials.
        least = min(high, -low)
        if fabs(step) * exp(fabs(step) - least) <= 1e-15 * max(1.0, fabs(at.offset)):
            return


cdef bint starts_in_gap(
    Losses x, Goal goal, double kept, Threshold* at
) noexcept nogil:
    """Start as `find_logistic_tile` in a wide gap; whether `settle_row` does the rest.

    Weights of 0 and 1 are to change no digit of a row.
    """
    cdef double low = INFINITY, high = -INFINITY, gap = INFINITY, n_below = 0.0, d
    cdef Py_ssize_t i
    for i in range(x.size):
        if x.weight == NULL or x.weight[i] > 0.0:
            d = distance(x.value[i], at.anchor, goal.epsilon)
            low = min(low, d)
            high = max(high, d)
            if d > 0.0:
                gap = min(gap, d)
            else:
                n_below += 1.0 if x.weight == NULL else x.weight[i]
    if not (high - low > WIDE and n_below == kept and gap > WIDE):
        return False
    at.offset = 0.5 * gap - log(goal.share) + log(goal.rest)
    return gap > VERY_WIDE


cdef double limit_of_logistic_offset(
    Losses x, double epsilon, double anchor, double total, double sign
) noexcept nogil:
    """The offset for a share of 0 (sign = 1) or 1 (sign = -1), in the limit."""
    cdef double low = INFINITY, d, weight, mean = 0.0, mass = 0.0
    cdef Py_ssize_t i
    for i in range(x.size):
        if x.weight == NULL or x.weight[i] > 0.0:
            low = min(low, sign * distance(x.value[i], anchor, epsilon))
    for i in range(x.size):
        d = sign * distance(x.value[i], anchor, epsilon)
        weight = 1.0 if x.weight == NULL else x.weight[i]
        if weight > 0.0:
            mean += weight * expm1(low - d)
            mass += weight * exp(low - d)
    if mean > -0.5 * total:
        return sign * (low - log1p(mean / total))
    # The first value may have a weight that the total does not feel.
    return sign * (low - (log(mass) - log(total)))


cdef double find_logistic_threshold(
    Losses x, Goal goal, double kept, double total, double guess, Threshold* at,
    Room* room
) noexcept nogil:
    """Anchor and offset, starting from the clip of width 4, of about the same slope.

    In long rows from the solution of a part of them instead, unless its anchor is so
    far from theirs that distances from it have no digits.
    """
    cdef Losses part
    cdef Goal wide = goal
    cdef double part_total = 0.0, sign = 1.0 if goal.share <= 0.5 else -1.0
    cdef double share = min(goal.share, goal.rest)
    cdef Py_ssize_t stride, i, k
    cdef bint is_started = False
    cdef double slope
    if x.size > LONG and isfinite(guess):
        at.anchor = guess
        at.offset = 0.0
        is_started = True
    elif x.size > LONG:
        stride = min(x.size // 512, <Py_ssize_t> 32)
        part.size = x.size // stride
        part.value = room.part_value
        part.weight = NULL if x.weight == NULL else room.part_weight
        for i in range(part.size):
            k = i * stride
            room.part_value[i] = x.value[k]
            if x.weight != NULL:
                room.part_weight[i] = x.weight[k]
            part_total += 1.0 if x.weight == NULL else x.weight[k]
        if part_total > 0.0:
            room.part_value += part.size
            room.part_weight += part.size
            find_logistic_threshold(
                part, goal, goal.share * part_total, part_total, NAN, at, room)
            room.part_value -= part.size
            room.part_weight -= part.size
            is_started = True
    if is_started:
        slope = find_logistic_offset(x, goal.epsilon, total, share, sign, at)
        if fabs(at.offset) <= NEAR:
            return slope
    if 0.0 < kept < total:
        wide.epsilon = 4.0 * goal.epsilon
        find_threshold(x, wide, kept, NAN, at, room)
        at.offset *= 4.0
        if x.size <= SHORT and starts_in_gap(x, goal, kept, at):
            return 0.0
    else:  # but for rounding
        at[0] = edge_threshold(x, goal.share < goal.rest)
    return find_logistic_offset(x, goal.epsilon, total, share, sign, at)


cdef Threshold edge_threshold(Losses x, bint is_low) noexcept nogil:
    """The smallest or the largest loss of positive weight, and 0."""
    cdef Threshold at
    cdef Py_ssize_t i
    at.anchor = INFINITY if is_low else -INFINITY
    at.offset = 0.0
    for i in range(x.size):
        if x.weight == NULL or x.weight[i] > 0.0:
            if is_low:
                at.anchor = min(at.anchor, x.value[i])
            else:
                at.anchor = max(at.anchor, x.value[i])
    return at


cdef void settle_row(
    Losses x, Goal goal, double kept, double total, double slope, Threshold* at
) noexcept nogil:
    """Make up for the digits that a logistic offset with this slope has lost."""
    if goal.share <= 0.5 and slope < STEEP * kept:
        settle_in_gap(x, goal.epsilon, kept, goal.share, 1.0, at)
    elif goal.share > 0.5 and slope < STEEP * (total - kept):
        settle_in_gap(x, goal.epsilon, total - kept, goal.rest, -1.0, at)
