# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: soft choices of rows, clipped or logistic, and their differences.

Thresholds are as in `_selection.pyx`. In a logistic choice p_i is the logistic function
of (t - l_i) / epsilon, and t = anchor + epsilon * (offset + logit(share)).
"""

from libc.math cimport INFINITY, NAN, exp, expm1, fabs, isfinite, log, log1p, sqrt
from libc.stdlib cimport free
from libc.string cimport memcpy

from ._environment cimport Environment, enter, leave
from ._exponentials cimport exp_all, expm1_all
from ._order cimport scan_row
from ._selection cimport (
    BLOCK, Goal, Losses, Room, Sum, Threshold, add_block, find_threshold, new_room,
)

# --- the logistic threshold ---------------------------------------------------------
#
# With g = share, step = offset - d and m = expm1(step), p - g = g (1 - g) m / (1 + g m)
# keeps the digits of small deviations. Shares above 1/2 are those of the others, 1 - g,
# with the signs of distances and offset turned.

# Rows longer than this start from the solution of a part of them.
cdef Py_ssize_t LONG = 4096

# Farther from the threshold an anchor costs too many digits; the clip's is nearer.
cdef double NEAR = 100.0

# Steps of Halley's method or bisection, of which about three are the rule.
cdef int STEPS = 200

# With a slope below this share of what is kept the offset has lost digits.
cdef double STEEP = 1e-3

# Beyond this m is as good as infinite; such distances are cut as well.
cdef double FAR_STEP = 700.0
cdef double FARTHEST = 1e300


cdef struct Curve:
    # Sums of weight * (p - share) and of its two derivatives by the offset.
    double excess
    double slope
    double bend


cdef inline void weigh(
    Losses x, Py_ssize_t start, double* terms, Py_ssize_t size
) noexcept nogil:
    """Multiply the terms of a block by the weights."""
    cdef Py_ssize_t i
    if x.weight != NULL:
        for i in range(size):
            terms[i] *= x.weight[start + i]


cdef inline double distance(double value, double anchor, double epsilon) noexcept nogil:
    return min(max((value - anchor) / epsilon, -FARTHEST), FARTHEST)


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


cdef double find_logistic_offset(
    Losses x, double epsilon, double total, double share, double sign, Threshold* at
) noexcept nogil:
    """Solve excess = 0 for the offset, by Halley's method on log(mean(p) / share).

    A bracket is halved where a step leaves it. With sign = -1 the signs of distances
    and offset are turned. Returns about the slope at the solution.
    """
    cdef double low = INFINITY, high = -INFINITY, d, relative, level, rise, curvature
    cdef double tolerance, step, offset = sign * at.offset
    cdef Py_ssize_t i
    cdef Curve curve
    curve.slope = INFINITY
    for i in range(x.size):
        d = sign * distance(x.value[i], at.anchor, epsilon)
        if x.weight == NULL or x.weight[i] > 0.0:
            low = min(low, d)
            high = max(high, d)
    offset = min(max(offset, low), high)
    # A step is followed by an error of the order of its cube.
    tolerance = 1e-17 * min(1.0, high - low)
    for _ in range(STEPS):
        curve = logistic_curve(x, at.anchor, epsilon, sign, share, offset)
        relative = curve.excess / (total * share)
        if fabs(relative) <= 100.0 * tolerance:
            break
        if relative < 0.0:
            low = offset
        else:
            high = offset
        level = log1p(relative)
        rise = curve.slope / (total * share) / (1.0 + relative)
        curvature = curve.bend / (total * share) / (1.0 + relative) - rise * rise
        step = -level / rise
        if fabs(level * curvature) < rise * rise:  # close: Halley's instead of Newton's
            step /= 1.0 - 0.5 * level * curvature / (rise * rise)
        if not low <= offset + step <= high:  # NaN too
            step = 0.5 * low + 0.5 * high - offset
            if high - low <= 4e-16 * fabs(offset) or step == 0.0:
                break
            offset += step
            continue
        offset += step
        if fabs(step) * step * step <= tolerance or offset + step == offset:
            break
    at.offset = sign * offset
    return curve.slope


cdef void settle_in_gap(
    Losses x, double epsilon, double kept, double share, double sign, Threshold* at
) noexcept nogil:
    """Solve for the offset where nearly all parts are 0 or 1.

    There sums of p - share have no digits left, but those of p below 1/2, and of 1 - p
    above, do. Both are nearly exponentials of the offset, which makes the step an exact
    one: with them and `lack`, what the values above 1/2 weigh more than is kept, it is
    the z = exp(step) of below * z - above / z + lack = 0.
    """
    cdef Py_ssize_t i
    cdef double logit = log(share) - log1p(-share), u, small, weight
    cdef double above, below, lack, root, step, low, high
    for _ in range(8):
        above = below = 0.0
        lack = -kept
        low = -INFINITY
        high = INFINITY
        for i in range(x.size):
            weight = 1.0 if x.weight == NULL else x.weight[i]
            u = sign * (at.offset - distance(x.value[i], at.anchor, epsilon)) + logit
            small = exp(-fabs(u))
            small /= 1.0 + small
            if u > 0.0:
                above += weight * small
                lack += weight
                high = min(high, u)
            else:
                below += weight * small
                low = max(low, u)
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
        if fabs(step) <= 1e-15 * max(1.0, fabs(at.offset)):
            return


cdef double limit_of_logistic_offset(
    Losses x, double epsilon, double anchor, double total, double sign
) noexcept nogil:
    """The offset for a share of 0 (sign = 1) or 1 (sign = -1), in the limit."""
    cdef double low = INFINITY, d, mean = 0.0
    cdef Py_ssize_t i
    for i in range(x.size):
        if x.weight == NULL or x.weight[i] > 0.0:
            low = min(low, sign * distance(x.value[i], anchor, epsilon))
    for i in range(x.size):
        d = sign * distance(x.value[i], anchor, epsilon)
        if x.weight == NULL or x.weight[i] > 0.0:
            mean += (1.0 if x.weight == NULL else x.weight[i]) * expm1(low - d)
    return sign * (low - log1p(mean / total))


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


cdef Threshold row_threshold(
    Losses x, Goal goal, bint is_logistic, double kept, double total, double guess,
    Room* room
) noexcept nogil:
    """The threshold for any mass from 0 to the total."""
    cdef Threshold at
    cdef double slope
    cdef bint is_low = goal.share < goal.rest
    if is_logistic and goal.share > 0.0 and goal.rest > 0.0:
        slope = find_logistic_threshold(x, goal, kept, total, guess, &at, room)
        if goal.share <= 0.5 and slope < STEEP * kept:
            settle_in_gap(x, goal.epsilon, kept, goal.share, 1.0, &at)
        elif goal.share > 0.5 and slope < STEEP * (total - kept):
            settle_in_gap(x, goal.epsilon, total - kept, goal.rest, -1.0, &at)
    elif 0.0 < kept < total and not is_logistic:
        find_threshold(x, goal, kept, NAN, &at, room)
    else:
        at = edge_threshold(x, is_low)
        if is_logistic:
            at.offset = limit_of_logistic_offset(
                x, goal.epsilon, at.anchor, total, 1.0 if is_low else -1.0)
        elif goal.epsilon == 0.0 and not is_low:
            at.offset = 1.0
    return at


def select_rows(
    const double[:, ::1] losses, const double[:, :] weights, const double[:, :] total,
    double epsilon, bint is_logistic, const double[:, :] guess, double[:, ::1] choices,
):
    """The thresholds of a batch of rows, one for each.

    losses (IN, rows x n, n > 0); weights (IN, the same, contiguous in rows, or None:
    all 1), at least 0; total (IN, rows x 1): their sums. guess (IN, rows x 1, or None):
    anchor + epsilon * offset of a similar choice, from which long logistic rows start.
    choices (INOUT, rows x 6): anchor, offset, share, 1 - share, kept and rest. The last
    two, at least 0, are given: what is kept of the total, and what is not. Anchor and
    offset are as for `select_row`; where nothing or all is kept, the first or last loss
    of positive weight with 0, or, for epsilon = 0, the part 0 or 1. The logistic offset
    there is the limit for small kept or rest.
    """
    cdef Environment environment
    cdef Py_ssize_t r
    cdef Losses x
    cdef Goal goal
    cdef Threshold at
    cdef Room room
    x.size = losses.shape[1]
    x.weight = NULL
    goal.epsilon = epsilon
    room = new_room(x.size)
    if room.value == NULL:
        raise MemoryError
    enter(&environment)
    with nogil:
        for r in range(losses.shape[0]):
            x.value = &losses[r, 0]
            if weights is not None:
                x.weight = &weights[r, 0]
            goal.share = choices[r, 4] / total[r, 0]
            goal.rest = choices[r, 5] / total[r, 0]
            at = row_threshold(
                x, goal, is_logistic, choices[r, 4], total[r, 0],
                NAN if guess is None else guess[r, 0], &room)
            choices[r, 0] = at.anchor
            choices[r, 1] = at.offset
            choices[r, 2] = goal.share
            choices[r, 3] = goal.rest
    leave(&environment)
    free(room.value)


def bound_rows(
    const double[:, ::1] losses, const double[:, :] weights, double[:, ::1] bounds,
):
    """The smallest and the largest loss of positive weight in each row.

    losses, weights (IN): as for `select_rows`. bounds (OUT, rows x 2).
    """
    cdef Environment environment
    cdef Py_ssize_t r
    cdef Losses x
    x.size = losses.shape[1]
    x.weight = NULL
    enter(&environment)
    with nogil:
        for r in range(losses.shape[0]):
            x.value = &losses[r, 0]
            if weights is None:
                scan_row(x.value, x.size, 1.0, &bounds[r, 0], &bounds[r, 1])
            else:
                x.weight = &weights[r, 0]
                bounds[r, 0] = edge_threshold(x, True).anchor
                bounds[r, 1] = edge_threshold(x, False).anchor
    leave(&environment)


# --- parts --------------------------------------------------------------------------

cdef struct Choice:
    Threshold at
    double share
    double rest


cdef inline Choice as_choice(const double* numbers) noexcept nogil:
    cdef Choice choice
    choice.at.anchor = numbers[0]
    choice.at.offset = numbers[1]
    choice.share = numbers[2]
    choice.rest = numbers[3]
    return choice


cdef struct Part:
    double part
    double rest
    double divergence  # phi(part) - phi(share) - phi'(share) (part - share)


cdef inline Part logistic_part(double step, double g) noexcept nogil:
    """For a share g of at most 1 / 2."""
    cdef Part found
    cdef double m, bottom
    if g == 0.0:
        found.part = found.divergence = 0.0
        found.rest = 1.0
    elif step <= 30.0:
        m = expm1(step)
        bottom = 1.0 + g * m
        found.part = g * (1.0 + m) / bottom
        found.rest = (1.0 - g) / bottom
        found.divergence = found.part * step - log1p(g * m)
    else:
        m = (1.0 - g) * exp(-step)
        bottom = g + m
        found.part = g / bottom
        found.rest = m / bottom
        found.divergence = -found.rest * step - log(bottom)
    return found


cdef inline Part logistic_part_of(
    double value, Choice c, double epsilon
) noexcept nogil:
    cdef double step = c.at.offset - distance(value, c.at.anchor, epsilon)
    cdef Part found
    if c.share <= 0.5:
        return logistic_part(step, c.share)
    found = logistic_part(-step, c.rest)
    found.part, found.rest = found.rest, found.part
    return found


cdef inline void clipped_deviation(
    const double* v, Py_ssize_t size, Choice c, double epsilon, double* out
) noexcept nogil:
    cdef Py_ssize_t i
    cdef double y, low = -c.share, high = 1.0 - c.share  # share + high is 1 exactly
    for i in range(size):
        y = c.at.offset - (v[i] - c.at.anchor) / epsilon
        out[i] = y if y > low else low
    for i in range(size):
        out[i] = out[i] if out[i] < high else high


# In the functions of rows, rest and slope may be NULL: they are not wanted. Each step
# is a loop without branches over a block, for SIMD.

cdef void logistic_row(
    Losses x, Choice c, double epsilon, double* part, double* rest, double* slope
) noexcept nogil:
    """Small parts have their digits, and no part is below that of a larger loss."""
    cdef double logit = log(c.share) - log(c.rest)
    cdef Py_ssize_t start = 0, i, size
    cdef double* p
    cdef double[BLOCK] u
    while start < x.size:
        size = min(x.size - start, <Py_ssize_t> BLOCK)
        p = &part[start]
        for i in range(size):
            u[i] = logit + (
                c.at.offset - distance(x.value[start + i], c.at.anchor, epsilon))
            p[i] = -u[i]
        exp_all(p, size, p)
        for i in range(size):
            p[i] = 1.0 / (1.0 + p[i])
        if rest != NULL or slope != NULL:
            exp_all(u, size, u)
            for i in range(size):
                u[i] = 1.0 / (1.0 + u[i])
        if rest != NULL:
            memcpy(&rest[start], u, size * sizeof(double))
        if slope != NULL:
            for i in range(size):
                slope[start + i] = p[i] * u[i]
        start += size


cdef void clipped_row(
    Losses x, Choice c, double epsilon, double* part, double* rest, double* slope
) noexcept nogil:
    """Parts, and the rest and slopes unless NULL; loops that vector units take."""
    cdef Py_ssize_t i
    cdef double high = 1.0 - c.share
    clipped_deviation(x.value, x.size, c, epsilon, part)
    if rest != NULL:
        for i in range(x.size):
            rest[i] = high - part[i]
    for i in range(x.size):
        part[i] += c.share
    if slope != NULL:
        for i in range(x.size):
            slope[i] = 1.0 if 0.0 < part[i] < 1.0 else 0.0


cdef void hard_row(
    Losses x, Choice c, double* part, double* rest, double* slope
) noexcept nogil:
    """The same for epsilon = 0."""
    cdef Py_ssize_t i
    for i in range(x.size):
        part[i] = 1.0 if x.value[i] < c.at.anchor else 0.0
    for i in range(x.size):
        part[i] += c.at.offset if x.value[i] == c.at.anchor else 0.0
    if rest != NULL:
        for i in range(x.size):
            rest[i] = 1.0 - part[i]
    if slope != NULL:
        for i in range(x.size):
            slope[i] = 1.0 if x.value[i] == c.at.anchor else 0.0


def part_rows(
    const double[:, ::1] losses, const double[:, ::1] choices, double epsilon,
    bint is_logistic, double[:, ::1] part, double[:, ::1] rest, double[:, ::1] slope,
):
    """The parts of the losses in a choice of each row.

    losses (IN): as for `select_rows`; choices (IN, rows x 6): what it found.
    part (OUT, rows x n), rest (OUT, the same, or None): p and 1 - p.
    slope (OUT, rows x n, or None): the derivative of p by t / epsilon, for epsilon = 0
    a 1 for each loss that is equal to t.
    """
    cdef Py_ssize_t r
    cdef Losses x
    cdef Choice choice
    cdef Environment environment
    x.size = losses.shape[1]
    enter(&environment)
    with nogil:
        for r in range(losses.shape[0]):
            x.value = &losses[r, 0]
            choice = as_choice(&choices[r, 0])
            if is_logistic:
                logistic_row(
                    x, choice, epsilon, &part[r, 0], NULL if rest is None
                    else &rest[r, 0], NULL if slope is None else &slope[r, 0])
                continue
            if epsilon > 0.0:
                clipped_row(
                    x, choice, epsilon, &part[r, 0], NULL if rest is None
                    else &rest[r, 0], NULL if slope is None else &slope[r, 0])
            else:
                hard_row(
                    x, choice, &part[r, 0], NULL if rest is None else &rest[r, 0],
                    NULL if slope is None else &slope[r, 0])
    leave(&environment)


def divergence_rows(
    const double[:, ::1] losses, const double[:, ::1] choices, double epsilon,
    bint is_logistic, double[:, ::1] out,
):
    """The divergences of the parts from the share: phi(p) less its tangent there.

    losses, choices (IN): as for `part_rows`. out (OUT, rows x n).
    """
    cdef Py_ssize_t r, i
    cdef Losses x
    cdef Choice choice
    cdef Environment environment
    x.size = losses.shape[1]
    enter(&environment)
    with nogil:
        for r in range(losses.shape[0]):
            x.value = &losses[r, 0]
            choice = as_choice(&choices[r, 0])
            if is_logistic:
                for i in range(x.size):
                    out[r, i] = logistic_part_of(
                        x.value[i], choice, epsilon).divergence
                continue
            if epsilon > 0.0:
                clipped_deviation(x.value, x.size, choice, epsilon, &out[r, 0])
            else:
                hard_row(x, choice, &out[r, 0], NULL, NULL)
                for i in range(x.size):
                    out[r, i] -= choice.share
            for i in range(x.size):
                out[r, i] *= 0.5 * out[r, i]
    leave(&environment)


# --- differences of two choices -----------------------------------------------------

cdef inline void hard_difference(
    const double* v, Py_ssize_t size, Choice first, Choice last, double origin,
    double* out
) noexcept nogil:
    cdef Py_ssize_t i
    cdef double high = last.at.anchor, low = first.at.anchor
    for i in range(size):
        out[i] = (1.0 if v[i] < high else 0.0) - (1.0 if v[i] < low else 0.0)
    for i in range(size):
        out[i] += last.at.offset if v[i] == high else 0.0
    for i in range(size):
        out[i] -= first.at.offset if v[i] == low else 0.0
    for i in range(size):
        out[i] *= v[i] - origin


cdef inline void clipped_difference(
    const double* v, Py_ssize_t size, Choice first, Choice last, double epsilon,
    double origin, double* out
) noexcept nogil:
    cdef Py_ssize_t i
    cdef double[BLOCK] before
    cdef double change
    clipped_deviation(v, size, first, epsilon, before)
    clipped_deviation(v, size, last, epsilon, out)
    for i in range(size):
        change = (out[i] + last.share) - (before[i] + first.share)
        out[i] = change * (v[i] - origin) + epsilon * (
            0.5 * (out[i] * out[i] - before[i] * before[i]))


cdef inline void logistic_difference(
    const double* v, Py_ssize_t size, Choice first, Choice last, double epsilon,
    double origin, double* out
) noexcept nogil:
    cdef Py_ssize_t i
    cdef Part before, after
    cdef double change
    for i in range(size):
        before = logistic_part_of(v[i], first, epsilon)
        after = logistic_part_of(v[i], last, epsilon)
        # The smaller of both have the digits.
        if before.part < 0.5:
            change = after.part - before.part
        else:
            change = before.rest - after.rest
        out[i] = change * (v[i] - origin) + epsilon * (
            after.divergence - before.divergence)


cdef inline void close_logistic_difference(
    const double* v, Py_ssize_t size, Choice first, double first_share,
    double last_share, double shift, double sign, double epsilon, double* out
) noexcept nogil:
    """-epsilon log((1 + g1 m1) / (1 + g0 m0)), where m1 is that of step + shift.

    p * loss + epsilon * D(p) is p * centre - epsilon * log(1 + g m). One exponential
    serves both choices. With sign = -1 the signs of the steps are turned.
    """
    cdef Py_ssize_t i
    cdef double m, rise = exp(shift), lift = expm1(shift), step
    for i in range(size):
        step = sign * (first.at.offset - distance(v[i], first.at.anchor, epsilon))
        out[i] = min(step, 600.0)
    expm1_all(out, size, out)
    for i in range(size):
        m = out[i]
        out[i] = -epsilon * log1p(
            (last_share * (m * rise + lift) - first_share * m) / (1.0 + first_share * m)
        )


cdef double difference(
    Losses x, Choice first, Choice last, double epsilon, bint is_logistic,
    double origin, double kept, double rest
) noexcept nogil:
    """That of `difference_rows`; kept and rest are the masses of the first choice."""
    cdef Py_ssize_t b, start, size
    cdef const double* v
    cdef double[BLOCK] terms
    cdef double sign = 1.0, share0 = first.share, share1 = last.share, shift = 0.0, move
    cdef bint is_close = False
    cdef Sum total
    total.total = total.carry = 0.0
    # The difference of the centres.
    move = (last.at.anchor - first.at.anchor) + epsilon * (
        last.at.offset - first.at.offset)
    if is_logistic:
        shift = move / epsilon
        # Else rounding of m would spoil that of step + shift.
        is_close = shift < 1.0 and first.share > 0.0 and last.rest > 0.0
        if first.rest < first.share:
            sign = -1.0
            share0 = first.rest
            share1 = last.rest
    for b in range((x.size + BLOCK - 1) // BLOCK):
        start = b * BLOCK
        v = &x.value[start]
        size = min(x.size - start, <Py_ssize_t> BLOCK)
        if is_close:
            close_logistic_difference(
                v, size, first, share0, share1, sign * shift, sign, epsilon, terms)
        elif is_logistic:
            logistic_difference(v, size, first, last, epsilon, origin, terms)
        elif epsilon > 0.0:
            clipped_difference(v, size, first, last, epsilon, origin, terms)
        else:
            hard_difference(v, size, first, last, origin, terms)
        weigh(x, start, terms, size)
        add_block(&total, terms, size)
    if is_close:
        # Relative to the last centre.
        return total.total + (kept if sign > 0.0 else -rest) * move
    return total.total


def difference_rows(
    const double[:, ::1] losses, const double[:, :] weights,
    const double[:, ::1] first, const double[:, ::1] last, double epsilon,
    bint is_logistic, double[:, ::1] out,
):
    """How the smooth sums of the losses differ between two choices.

    losses, weights (IN): as for `select_rows`; first, last (IN, rows x 6): choices that
    it found.
    out (OUT, rows x 1): sum of weight * ((p1 - p0) * (loss - origin) + epsilon * (D1 -
    D0)) with the divergences D of p from its share. The origin is the centre of the
    last, anchor + epsilon * offset or, for epsilon = 0, the anchor.
    """
    cdef Environment environment
    cdef Py_ssize_t r
    cdef double origin
    cdef Losses x
    x.size = losses.shape[1]
    x.weight = NULL
    enter(&environment)
    with nogil:
        for r in range(losses.shape[0]):
            x.value = &losses[r, 0]
            if weights is not None:
                x.weight = &weights[r, 0]
            origin = last[r, 0] + (epsilon * last[r, 1] if epsilon > 0.0 else 0.0)
            out[r, 0] = difference(
                x, as_choice(&first[r, 0]), as_choice(&last[r, 0]), epsilon,
                is_logistic, origin, first[r, 4], first[r, 5])
    leave(&environment)
