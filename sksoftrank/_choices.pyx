# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: soft choices of rows, clipped or logistic, and their differences.

Thresholds are as in `_selection.pyx` and, of logistic choices, `_logistic.pyx`.
"""

from cython cimport floating
from libc.math cimport INFINITY, NAN, exp, expm1, log, log1p
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from ._environment cimport Environment, enter, leave
from ._exponentials cimport exp_all, expm1_all
from ._logistic cimport (
    distance, edge_threshold, find_logistic_threshold, find_logistic_tile,
    limit_of_logistic_offset, settle_row, weigh,
)
from ._order cimport scan_row
from ._selection cimport (
    BLOCK, SHORT, TILE, Goal, Losses, Room, Sum, Threshold, add_block, find_threshold,
    new_room,
)
from ._tiles cimport find_tile


# --- thresholds ---------------------------------------------------------------------

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
        settle_row(x, goal, kept, total, slope, &at)
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


cdef void select_row(
    Losses x, double epsilon, bint is_logistic, double total, double guess,
    double* choice, Room* room
) noexcept nogil:
    """A row of `select_rows`."""
    cdef Goal goal
    cdef Threshold at
    goal.epsilon = epsilon
    goal.share = choice[4] / total
    goal.rest = choice[5] / total
    at = row_threshold(x, goal, is_logistic, choice[4], total, guess, room)
    choice[0] = at.anchor
    choice[1] = at.offset
    choice[2] = goal.share
    choice[3] = goal.rest


cdef void select_tile(
    const double* losses, Py_ssize_t n, Py_ssize_t n_rows, double epsilon,
    bint is_logistic, double* choices, Room* room
) noexcept nogil:
    """`select_rows` of up to TILE short rows without weights.

    Rows of which nothing or all is kept, and what is missing of a tile, are solved as
    if a half were.
    """
    cdef double[SHORT * TILE] x
    cdef double[TILE] kept
    cdef Goal[TILE] goals
    cdef Goal goal
    cdef Threshold[TILE] at
    cdef Losses row
    cdef Py_ssize_t r, i, k
    cdef double total = <double> n, own
    for r in range(TILE):
        k = min(r, n_rows - 1)
        for i in range(n):
            x[TILE * i + r] = losses[k * n + i]
        own = choices[6 * k + 4]
        goals[r].epsilon = 4.0 * epsilon if is_logistic else epsilon
        goals[r].share = own / total
        goals[r].rest = choices[6 * k + 5] / total
        if not 0.0 < own < total:
            own = 0.5 * total
            goals[r].share = goals[r].rest = 0.5
        kept[r] = own
    find_tile(x, n, goals, kept, at)
    if is_logistic:
        find_logistic_tile(x, n, goals, epsilon, at, kept)
    row.weight = NULL
    row.size = n
    for r in range(n_rows):
        row.value = &losses[r * n]
        goal.epsilon = epsilon
        goal.share = choices[6 * r + 4] / total
        goal.rest = choices[6 * r + 5] / total
        own = choices[6 * r + 4]
        if not 0.0 < own < total:
            at[r] = row_threshold(row, goal, is_logistic, own, total, NAN, room)
        elif is_logistic:
            settle_row(row, goal, own, total, kept[r], &at[r])
        choices[6 * r] = at[r].anchor
        choices[6 * r + 1] = at[r].offset
        choices[6 * r + 2] = goal.share
        choices[6 * r + 3] = goal.rest


cdef void select_plain(
    const double* losses, Py_ssize_t n, Py_ssize_t n_rows, double epsilon,
    bint is_logistic, double* choices, Room* room
) noexcept nogil:
    """`select_rows` without weights and guess."""
    cdef Py_ssize_t r = 0
    cdef Losses x
    if n <= SHORT:
        while r < n_rows:
            select_tile(
                &losses[r * n], n, min(n_rows - r, <Py_ssize_t> TILE), epsilon,
                is_logistic, &choices[6 * r], room)
            r += TILE
        return
    x.weight = NULL
    x.size = n
    for r in range(n_rows):
        x.value = &losses[r * n]
        select_row(
            x, epsilon, is_logistic, <double> n, NAN, &choices[6 * r], room)


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
    cdef Py_ssize_t r, n_rows = losses.shape[0]
    cdef Losses x
    cdef Room room
    x.size = losses.shape[1]
    x.weight = NULL
    room = new_room(x.size)
    if room.value == NULL:
        raise MemoryError
    enter(&environment)
    with nogil:
        if weights is None and n_rows > 0 and (
            guess is None or x.size <= SHORT
        ):
            select_plain(
                &losses[0, 0], x.size, n_rows, epsilon, is_logistic, &choices[0, 0],
                &room)
            n_rows = 0
        for r in range(n_rows):
            x.value = &losses[r, 0]
            if weights is not None:
                x.weight = &weights[r, 0]
            select_row(
                x, epsilon, is_logistic, total[r, 0],
                NAN if guess is None else guess[r, 0], &choices[r, 0], &room)
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

cdef void logistic_block(
    double* u, Py_ssize_t size, double* part, double* rest, double* slope
) noexcept nogil:
    """Parts of u = (t - loss) / epsilon, which are overwritten.

    Small parts have their digits, and no part is below that of a larger loss.
    """
    cdef Py_ssize_t i
    for i in range(size):
        part[i] = -u[i]
    exp_all(part, size, part)
    for i in range(size):
        part[i] = 1.0 / (1.0 + part[i])
    if rest == NULL and slope == NULL:
        return
    exp_all(u, size, u)
    for i in range(size):
        u[i] = 1.0 / (1.0 + u[i])
    if rest != NULL:
        memcpy(rest, u, size * sizeof(double))
    if slope != NULL:
        for i in range(size):
            slope[i] = part[i] * u[i]


cdef void logistic_rows(
    const double* losses, Py_ssize_t n, Py_ssize_t n_rows, const double* choices,
    double epsilon, double* part, double* rest, double* slope
) noexcept nogil:
    """Blocks of one row, or, if rows are short, of several."""
    cdef Py_ssize_t start = 0, size = 0, r = 0, i = 0
    cdef double[BLOCK] u
    cdef Choice c
    cdef double logit = 0.0
    while r < n_rows:
        if i == 0:
            c = as_choice(&choices[6 * r])
            logit = log(c.share) - log(c.rest)
        while i < n and size < BLOCK:
            u[size] = logit + (
                c.at.offset - distance(losses[r * n + i], c.at.anchor, epsilon))
            i += 1
            size += 1
        if i == n:
            i = 0
            r += 1
        if size == BLOCK or r == n_rows:
            logistic_block(
                u, size, &part[start], NULL if rest == NULL else &rest[start],
                NULL if slope == NULL else &slope[start])
            start += size
            size = 0


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


cdef void write_parts(
    const double* losses, Py_ssize_t n, Py_ssize_t n_rows, const double* choices,
    double epsilon, bint is_logistic, double* part, double* rest, double* slope
) noexcept nogil:
    """`part_rows`; rest and slope may be NULL."""
    cdef Py_ssize_t r
    cdef Losses x
    cdef Choice choice
    cdef double* own_rest = NULL
    cdef double* own_slope = NULL
    if is_logistic:
        logistic_rows(losses, n, n_rows, choices, epsilon, part, rest, slope)
        return
    x.size = n
    x.weight = NULL
    for r in range(n_rows):
        x.value = &losses[r * n]
        choice = as_choice(&choices[6 * r])
        if rest != NULL:
            own_rest = &rest[r * n]
        if slope != NULL:
            own_slope = &slope[r * n]
        if epsilon > 0.0:
            clipped_row(x, choice, epsilon, &part[r * n], own_rest, own_slope)
        else:
            hard_row(x, choice, &part[r * n], own_rest, own_slope)


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
    cdef Environment environment
    enter(&environment)
    with nogil:
        if losses.shape[0] > 0 and losses.shape[1] > 0:
            write_parts(
                &losses[0, 0], losses.shape[1], losses.shape[0], &choices[0, 0],
                epsilon, is_logistic, &part[0, 0],
                NULL if rest is None else &rest[0, 0],
                NULL if slope is None else &slope[0, 0])
    leave(&environment)


cdef enum:
    CHUNK = 1 << 13  # of numbers, to stay in a near cache


def choose_rows(
    const floating[:, ::1] values, double sign, double kept, double epsilon,
    bint is_logistic, floating[:, ::1] parts,
):
    """The parts of sign * values in a choice of this mass of the smallest in each row.

    As `select_rows` and `part_rows` find them, without arrays between. values (IN, rows
    x n, n > 0); parts (OUT, the same). Returns whether the values are finite; if not,
    parts mean nothing.
    """
    cdef Environment environment
    cdef Py_ssize_t n = values.shape[1], n_rows = values.shape[0], step
    cdef Py_ssize_t r = 0, i, m
    cdef double low, high, least = INFINITY, largest = -INFINITY
    cdef double* scratch
    cdef double* choices
    cdef double* losses
    cdef double* part
    cdef bint is_finite = True
    cdef Room room
    step = min(max(CHUNK // n, <Py_ssize_t> 1), n_rows)
    scratch = <double*> malloc((6 * step + 2 * step * n) * sizeof(double))
    room = new_room(n)
    if scratch == NULL or room.value == NULL:
        free(scratch)
        free(room.value)
        raise MemoryError
    choices = scratch
    losses = scratch + 6 * step
    part = losses + step * n
    enter(&environment)
    with nogil:
        while r < n_rows:
            m = min(step, n_rows - r)
            is_finite = scan_row(&values[r, 0], m * n, 1.0, &low, &high)
            least = min(least, low)
            largest = max(largest, high)
            if not is_finite:
                break
            for i in range(m * n):
                losses[i] = sign * (&values[r, 0])[i]
            for i in range(m):
                choices[6 * i + 4] = kept
                choices[6 * i + 5] = <double> n - kept
            select_plain(losses, n, m, epsilon, is_logistic, choices, &room)
            if floating is double:
                part = &parts[r, 0]
            write_parts(losses, n, m, choices, epsilon, is_logistic, part, NULL, NULL)
            if floating is float:
                for i in range(m * n):
                    (&parts[r, 0])[i] = <float> part[i]
            r += m
    leave(&environment)
    free(room.value)
    free(scratch)
    return is_finite and largest - least < INFINITY


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
