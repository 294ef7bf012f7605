# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: least squares on the rows of the smallest residuals, for many fits.

A search for least trimmed squares makes thousands of fits to few rows. The functions
trust their arguments and release the GIL.

Conventions
-----------
* Rows of q coordinates come twice, with the target as one more coordinate: as `columns`
  of shape (q + 1, n'), for the residuals of all rows, and as `rows` of shape (n, q')
  for sums of products of a few. Both are padded with zeros to multiples of LANES.
* Each fit keeps a Gram matrix of the rows with the targets, of shape (q, q'). From one
  step to the next it is changed by the rows that change sides only, and summed anew
  when digits have been lost to rows that were much larger.
* The rows that are kept have masses, their weights; of ties at the boundary each has a
  part. What the kept rows do not determine is 0.
"""

from libc.math cimport INFINITY, NAN, fabs, isfinite, sqrt
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from ._environment cimport Environment, enter, leave
from ._row_loops cimport (
    Row, sk_add_rows, sk_count, sk_exchange, sk_factor, sk_leverage, sk_residuals,
    sk_squares, sk_weigh,
)
from ._selection cimport (
    Boundary, Goal, Losses, Room, Threshold, find_threshold, new_room, select,
)

cdef enum:
    LANES = 8
    # Rows on either side that are considered for an exchange.
    EXCHANGED = 64
    # Passes over the losses after which those still open are sorted.
    PASSES = 12
    FEW = 4
    # Losses that give the first guess of a boundary.
    SAMPLE = 15

cdef double EPS = 2.220446049250313e-16
cdef double TINY = 2.2250738585072014e-308
# Relative rounding errors of weights and objectives.
cdef double ROUNDING = 1e-12
# In units of the smallest mean square of h targets: objectives, and squares of single
# residuals, up to these are rounding errors.
cdef double EXACT_SQUARES = 1e-20
cdef double EXACT_ROW = 1e-14
# What is added to the diagonal of a Gram matrix, in units of its mean.
cdef double RIDGE = 1e-13
# A Gram matrix is summed anew once it was so much larger.
cdef double SHRUNK = 100.0

cdef struct Data:
    const double* columns
    const double* rows
    const double* weight   # NULL: all 1
    const double* penalty  # (q, q), or NULL
    double total           # weight of all rows
    double kept            # of those to keep
    Py_ssize_t n
    Py_ssize_t stride      # padded n
    Py_ssize_t q
    Py_ssize_t width       # padded q + 1


cdef struct Fit:
    # Scratch for a fit.
    double* residual
    double* losses
    double* mass     # of the rows in the Gram matrix
    double* wanted   # of the rows that are to be kept
    double* spare
    double* spare_weight
    double* gram
    double* factor
    double* ahead
    double* last
    double largest   # trace that the Gram matrix has had since it was summed
    double guess     # boundary of the last losses
    Py_ssize_t work  # losses looked at by `select`


cdef int new_fit(Data data, Fit* fit) noexcept nogil:
    """Scratch, which `free(fit.residual)` ends; False without memory."""
    cdef Py_ssize_t size = data.width * data.width
    cdef double* room = <double*> malloc(
        (6 * data.stride + 2 * size + 2 * data.width) * sizeof(double))
    fit.residual = room
    if room == NULL:
        return False
    fit.losses = room + data.stride
    fit.mass = room + 2 * data.stride
    fit.wanted = room + 3 * data.stride
    fit.spare = room + 4 * data.stride
    fit.spare_weight = room + 5 * data.stride
    fit.gram = room + 6 * data.stride
    fit.factor = fit.gram + size
    fit.ahead = fit.factor + size
    fit.last = fit.ahead + data.width
    fit.guess = 0.0
    fit.work = 0
    return True


# --- the rows to keep ---------------------------------------------------------------

cdef double first_guess(const double* v, Py_ssize_t n, double part) noexcept nogil:
    """A value that about this part of the values does not exceed."""
    cdef double[SAMPLE] some
    cdef double value
    cdef Py_ssize_t i, j, m = min(n, <Py_ssize_t> SAMPLE)
    for i in range(m):
        value = v[i * n // m]
        j = i
        while j > 0 and some[j - 1] > value:
            some[j] = some[j - 1]
            j -= 1
        some[j] = value
    return some[min(<Py_ssize_t> (part * m), m - 1)]


cdef Boundary find_boundary(
    const double* v, const double* w, Py_ssize_t n, double total, double kept,
    double guess, double* spare, double* spare_weight, Py_ssize_t* work
) noexcept nogil:
    """Where the smallest values of the weight `kept` end.

    Counting those up to a limit, which SIMD does, takes less time than sorting. The
    boundary is any between the last that is kept and the next, with nothing tied, or it
    is at the last. Values are at least 0, and w is NULL for weights of 1.
    """
    cdef double low = -INFINITY, high = INFINITY, below = 0.0, up_to = total
    cdef double mass, limit = guess, ratio, few = FEW * total / n
    cdef Py_ssize_t i, m
    cdef int n_passes = 0
    cdef Boundary found
    if not (limit > 0.0 and isfinite(limit)):
        limit = first_guess(v, n, kept / total)
    while n_passes < PASSES and up_to - below > few and low < limit < high:
        n_passes += 1
        mass = sk_count(v, n, limit) if w == NULL else sk_weigh(v, w, n, limit)
        if mass == kept:
            found.value = limit
            found.below = kept
            found.tied = 0.0
            return found
        if mass < kept:
            low = limit
            below = mass
        else:
            high = limit
            up_to = mass
        if not isfinite(high):  # sizes of residuals are uniform, these are squares
            ratio = min(max(kept / max(mass, TINY), 1.05), 3.0)
            limit *= ratio * ratio
        elif n_passes % 4 == 3:
            limit = 0.5 * (max(low, 0.0) + high)
        else:
            ratio = (kept - below) / (up_to - below)
            limit = max(low, 0.0) + (high - max(low, 0.0)) * ratio
    m = 0
    for i in range(n):
        spare[m] = v[i]
        if w != NULL:
            spare_weight[m] = w[i]
        m += (v[i] > low) & (v[i] <= high) & (w == NULL or w[i] > 0.0)
    if m == 0:  # not numbers
        found.value = high
        found.below = below
        found.tied = 0.0
        return found
    if w == NULL:
        spare_weight = NULL
    return select(spare, spare_weight, m, below, kept * (1.0 - ROUNDING), work)


cdef void choose_rows(Data data, Fit* fit, const double* losses) noexcept nogil:
    """Set the wanted masses to those of the rows with the smallest losses."""
    cdef Py_ssize_t i
    cdef double share, weight = 1.0
    cdef Boundary at = find_boundary(
        losses, data.weight, data.n, data.total, data.kept, fit.guess, fit.spare,
        fit.spare_weight, &fit.work)
    fit.guess = at.value
    share = 1.0
    if at.tied > 0.0:
        share = min(max((data.kept - at.below) / at.tied, 0.0), 1.0)
    for i in range(data.n):
        if data.weight != NULL:
            weight = data.weight[i]
        fit.wanted[i] = weight if losses[i] < at.value else (
            share * weight if losses[i] == at.value else 0.0)


cdef void make_whole(Data data, Fit* fit) noexcept nogil:
    """Give what tied rows share to the first of them."""
    cdef Py_ssize_t i, n_shared = 0
    cdef double total = 0.0, weight
    for i in range(data.n):
        weight = 1.0 if data.weight == NULL else data.weight[i]
        if 0.0 < fit.wanted[i] < weight:
            n_shared += 1
            total += fit.wanted[i]
    if n_shared < 2:
        return
    for i in range(data.n):
        weight = 1.0 if data.weight == NULL else data.weight[i]
        if 0.0 < fit.wanted[i] < weight:
            fit.wanted[i] = min(max(total, 0.0), weight)
            total -= weight


# --- least squares ------------------------------------------------------------------

cdef void find_losses(Data data, Fit* fit, const double* z) noexcept nogil:
    sk_residuals(data.columns, data.stride, data.q, z, fit.residual)
    sk_squares(fit.residual, data.stride, fit.losses)


cdef double objective(Data data, Fit* fit, const double* z) noexcept nogil:
    """Half the mean of the losses that are to be kept, and the penalty."""
    cdef double total = 0.0, pull
    cdef Py_ssize_t i, j
    for i in range(data.n):
        total += fit.wanted[i] * fit.losses[i]
    total /= data.kept
    if data.penalty != NULL:
        for i in range(data.q):
            pull = 0.0
            for j in range(data.q):
                pull += data.penalty[i * data.q + j] * z[j]
            total += z[i] * pull
    return 0.5 * total if isfinite(total) else INFINITY


cdef double trace(Data data, const double* gram) noexcept nogil:
    cdef double total = 0.0
    cdef Py_ssize_t i
    for i in range(data.q):
        total += gram[i * data.width + i]
    return total


cdef double add_rows(
    Data data, const Py_ssize_t* index, const double* mass, Py_ssize_t m, double* gram
) noexcept nogil:
    """Add so many rows with these masses; returns the largest size of what is added."""
    cdef Row[4] row
    cdef double[4] part
    cdef double size, largest = 0.0, y
    cdef Py_ssize_t i, j, k
    for i in range(0, m, 4):
        for j in range(4):
            k = min(i + j, m - 1)
            row[j] = data.rows + index[k] * data.width
            part[j] = mass[k] if i + j < m else 0.0
            y = row[j][data.q]
            size = fabs(part[j]) * y * y
            largest = max(largest, size)
        sk_add_rows(gram, data.q, data.width, row, part)
    return largest


cdef bint change_rows(Data data, Fit* fit, bint anew) noexcept nogil:
    """Bring the Gram matrix from the masses to those wanted; False: they are equal."""
    cdef Py_ssize_t i, m = 0
    cdef Py_ssize_t* index = <Py_ssize_t*> fit.spare
    cdef double change, size
    if anew:
        memset(fit.mass, 0, data.n * sizeof(double))
        memset(fit.gram, 0, data.q * data.width * sizeof(double))
        fit.largest = 0.0
    for i in range(data.n):
        change = fit.wanted[i] - fit.mass[i]
        index[m] = i
        fit.spare_weight[m] = change
        m += change != 0.0
    if m == 0:
        return False
    memcpy(fit.mass, fit.wanted, data.n * sizeof(double))
    size = add_rows(data, index, fit.spare_weight, m, fit.gram)
    fit.largest = max(fit.largest, max(size, trace(data, fit.gram)))
    if not anew and fit.largest > SHRUNK * trace(data, fit.gram):
        return change_rows(data, fit, True)
    return True


cdef void solve(
    Data data, const double* gram, double mass, double* factor, double* z
) noexcept nogil:
    """Least squares of the Gram matrix of this mass, and its factor."""
    cdef Py_ssize_t i, j, q = data.q, width = data.width
    cdef double ridge = 0.0, total, pivot
    memcpy(factor, gram, q * width * sizeof(double))
    if data.penalty != NULL:
        for i in range(q):
            for j in range(i, q):
                factor[i * width + j] += mass * data.penalty[i * q + j]
    ridge = RIDGE * (trace(data, factor) / q) + TINY
    for i in range(q):
        factor[i * width + i] += ridge
    sk_factor(factor, q, width)
    for i in range(q - 1, -1, -1):
        total = factor[i * width + q]
        for j in range(i + 1, q):
            total -= factor[i * width + j] * z[j]
        pivot = factor[i * width + i]
        z[i] = total / pivot if pivot > 0.0 else 0.0


cdef void fit_wanted(Data data, Fit* fit, double* z) noexcept nogil:
    """Least squares with the wanted masses."""
    cdef Py_ssize_t i
    cdef double mass = 0.0
    for i in range(data.n):
        mass += fit.wanted[i]
    change_rows(data, fit, True)
    solve(data, fit.gram, mass, fit.factor, z)


cdef bint fit_one_exactly(
    Data data, Fit* fit, const Py_ssize_t* index, Py_ssize_t m, double dependent,
    double* z, Py_ssize_t* chosen
) noexcept nogil:
    """See `fit_exactly`: an orthonormal basis, by Gram and Schmidt, twice for digits.

    A row v of target y with rest e, of the basis B so far and fitted s, is on the plane
    of ``s + (y - v s) / (v e) e``.
    """
    cdef double* basis = fit.gram
    cdef double* rest = fit.ahead
    cdef const double* row
    cdef double size, norm, product, missing
    cdef Py_ssize_t i, j, k, count = 0, q = data.q
    cdef bint is_new
    memset(z, 0, q * sizeof(double))
    for i in range(m):
        is_new = True
        for j in range(count):
            is_new &= chosen[j] != index[i]
        if not is_new:
            continue
        row = data.rows + index[i] * data.width
        size = missing = 0.0
        for k in range(q):
            rest[k] = row[k]
            size += row[k] * row[k]
            missing += row[k] * z[k]
        missing = row[q] - missing
        for _ in range(2):
            for j in range(count):
                product = 0.0
                for k in range(q):
                    product += rest[k] * basis[j * data.width + k]
                for k in range(q):
                    rest[k] -= product * basis[j * data.width + k]
        norm = product = 0.0
        for k in range(q):
            norm += rest[k] * rest[k]
            product += rest[k] * row[k]
        norm = sqrt(norm)
        if not norm > dependent * sqrt(size):
            continue
        for k in range(q):
            z[k] += missing / product * rest[k]
            basis[count * data.width + k] = rest[k] / norm
        chosen[count] = index[i]
        count += 1
        if count == q:
            return True
    return False


# --- searches -----------------------------------------------------------------------

cdef void concentrate_one(
    Data data, Fit* fit, double* z, Py_ssize_t n_steps, double momentum
) noexcept nogil:
    cdef Py_ssize_t k
    cdef bint moves = False, anew = True
    fit.guess = 0.0
    memcpy(fit.last, z, data.q * sizeof(double))
    for _ in range(n_steps):
        for k in range(data.q):
            fit.ahead[k] = z[k] + momentum * (z[k] - fit.last[k])
            fit.last[k] = z[k]
        find_losses(data, fit, fit.ahead)
        choose_rows(data, fit, fit.losses)
        if change_rows(data, fit, anew):
            solve(data, fit.gram, data.kept, fit.factor, z)
            moves = True
        elif not moves:  # twice the same rows
            return
        else:
            moves = False
        anew = False


cdef double best_exchange(
    Data data, Fit* fit, double* room, Py_ssize_t* leaving, Py_ssize_t* entering
) noexcept nogil:
    """The largest decrease of the sum of squares by an exchange of two rows.

    See `TrimmedRows`. `room` has place for q + 3 columns and for (q + 3) * EXCHANGED
    numbers.
    """
    cdef double* solved = room
    cdef double* leverage = solved + data.q * data.stride
    cdef double* cost = leverage + data.stride
    cdef double* gain = cost + data.stride
    cdef double* others = gain + data.stride
    cdef double* other_residual = others + data.q * EXCHANGED
    cdef double* other_leverage = other_residual + EXCHANGED
    cdef double* other_cost = other_leverage + EXCHANGED
    cdef double[EXCHANGED] increase
    cdef Py_ssize_t[EXCHANGED] inside
    cdef Py_ssize_t[EXCHANGED] outside
    cdef Py_ssize_t i, j, k, n_inside = 0, n_outside = 0
    cdef double best = 0.0
    sk_leverage(
        data.columns, data.stride, data.q, fit.factor, data.width, solved, leverage)
    for i in range(data.n):
        cost[i] = -fit.losses[i] / (1.0 + leverage[i])
        gain[i] = fit.losses[i] / max(1.0 - leverage[i], EPS)
    n_inside = extreme_rows(data, fit, gain, True, inside)
    n_outside = extreme_rows(data, fit, cost, False, outside)
    if n_inside == 0 or n_outside == 0:
        return 0.0
    memset(others, 0, (data.q + 3) * EXCHANGED * sizeof(double))
    for j in range(n_outside):
        for k in range(data.q):
            others[k * EXCHANGED + j] = solved[k * data.stride + outside[j]]
        other_residual[j] = fit.residual[outside[j]]
        other_leverage[j] = leverage[outside[j]]
        other_cost[j] = -cost[outside[j]]
    for i in range(n_inside):
        for k in range(data.q):
            fit.ahead[k] = solved[k * data.stride + inside[i]]
        sk_exchange(
            fit.ahead, others, data.q, fit.residual[inside[i]],
            1.0 - leverage[inside[i]], other_residual, other_leverage, other_cost, EPS,
            increase)
        for j in range(n_outside):
            if increase[j] < best:
                best = increase[j]
                leaving[0] = inside[i]
                entering[0] = outside[j]
    return best


cdef Py_ssize_t extreme_rows(
    Data data, Fit* fit, const double* size, bint are_kept, Py_ssize_t* found
) noexcept nogil:
    """Rows of the largest sizes, kept or not; returns their number."""
    cdef Py_ssize_t i, m = 0, n_found = 0
    cdef bint ties
    cdef double weight, limit = -INFINITY
    cdef Boundary at
    for i in range(data.n):
        weight = 1.0 if data.weight == NULL else data.weight[i]
        fit.spare[m] = -size[i]
        m += fit.mass[i] > 0.0 if are_kept else fit.mass[i] < weight
    if m > EXCHANGED:
        at = select(fit.spare, NULL, m, 0.0, <double> EXCHANGED, &fit.work)
        limit = -at.value
    for ties in range(2):
        for i in range(data.n):
            weight = 1.0 if data.weight == NULL else data.weight[i]
            if n_found == EXCHANGED or (
                (size[i] == limit) != ties or size[i] < limit
            ) or not (fit.mass[i] > 0.0 if are_kept else fit.mass[i] < weight):
                continue
            found[n_found] = i
            n_found += 1
    return n_found


cdef double descend_one(
    Data data, Fit* fit, double* room, double* z, Py_ssize_t* n_steps
) noexcept nogil:
    """Steps and exchanges from z to a local minimum, of which the value is returned."""
    cdef Py_ssize_t i, max_steps = n_steps[0], leaving = 0, entering = 0
    cdef double value, best = INFINITY, total, gain, part, weight
    fit.guess = 0.0
    find_losses(data, fit, z)
    choose_rows(data, fit, fit.losses)
    make_whole(data, fit)
    change_rows(data, fit, True)
    n_steps[0] = 0
    while n_steps[0] < max_steps:
        n_steps[0] += 1
        solve(data, fit.gram, data.kept, fit.factor, fit.last)
        find_losses(data, fit, fit.last)
        choose_rows(data, fit, fit.losses)
        value = objective(data, fit, fit.last)
        if not value < best * (1.0 - ROUNDING):
            break
        best = value
        memcpy(z, fit.last, data.q * sizeof(double))
        make_whole(data, fit)
        gain = total = 0.0
        for i in range(data.n):
            gain += fit.losses[i] * (fit.mass[i] - fit.wanted[i])
            total += fit.losses[i] * fit.mass[i]
        if gain <= ROUNDING * best * data.kept:
            if not best_exchange(data, fit, room, &leaving, &entering) < (
                -ROUNDING * total
            ):
                break
            weight = 1.0 if data.weight == NULL else data.weight[entering]
            part = min(min(fit.mass[leaving], weight - fit.mass[entering]), 1.0)
            memcpy(fit.wanted, fit.mass, data.n * sizeof(double))
            fit.wanted[leaving] -= part
            fit.wanted[entering] += part
        change_rows(data, fit, False)
    return best


cdef Py_ssize_t smooth_one(
    Data data, Fit* fit, Room* room, double* z, double scale, double epsilon,
    double settled, Py_ssize_t max_steps
) noexcept nogil:
    """Least squares with the weights of a soft choice, repeated; how often."""
    cdef double square = scale * scale, moved = INFINITY, limit, part, product
    cdef Py_ssize_t i, k, n_steps = 0
    cdef Losses losses
    cdef Goal goal
    cdef Threshold at
    losses.value = fit.losses
    losses.weight = data.weight
    losses.size = data.n
    goal.epsilon = epsilon
    goal.share = data.kept / data.total
    goal.rest = 1.0 - goal.share
    limit = data.q * settled * settled * square
    while n_steps < max_steps and moved > limit:
        n_steps += 1
        memcpy(fit.last, z, data.q * sizeof(double))
        find_losses(data, fit, z)
        for i in range(data.n):
            fit.losses[i] *= 0.5 / square
        find_threshold(losses, goal, data.kept, NAN, &at, room)
        for i in range(data.n):
            part = at.offset - (fit.losses[i] - at.anchor) / epsilon
            part = min(max(part, -goal.share), goal.rest) + goal.share
            fit.wanted[i] = part if data.weight == NULL else part * data.weight[i]
        fit_wanted(data, fit, z)
        moved = 0.0
        for k in range(data.q):
            fit.last[k] = z[k] - fit.last[k]
        for i in range(data.n):
            product = 0.0
            for k in range(data.q):
                product += data.rows[i * data.width + k] * fit.last[k]
            moved += fit.wanted[i] * product * product
    return n_steps


# --- doors --------------------------------------------------------------------------

cdef Data data_of(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept
):
    cdef Data data
    cdef Py_ssize_t i
    data.columns = &columns[0, 0]
    data.rows = &rows[0, 0]
    data.weight = NULL
    if weight is not None:
        data.weight = &weight[0]
    data.penalty = NULL
    if penalty is not None:
        data.penalty = &penalty[0, 0]
    data.kept = kept
    data.n = rows.shape[0]
    data.stride = columns.shape[1]
    data.q = columns.shape[0] - 1
    data.width = rows.shape[1]
    data.total = <double> data.n
    if weight is not None:
        data.total = 0.0
        for i in range(data.n):
            data.total += weight[i]
    return data


def concentrate_fits(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept, double[:, ::1] z, Py_ssize_t n_steps,
    double momentum,
):
    """Repeat least squares on the rows that each fit keeps.

    weight (IN, n, or None: all 1); penalty (IN, q times q, or None); kept: the weight
    of the rows to keep, whole without weights; z (IN, OUT, fits times q).
    """
    cdef Environment environment
    cdef Data data = data_of(columns, rows, weight, penalty, kept)
    cdef Fit fit
    cdef Py_ssize_t i
    if z.shape[0] == 0:
        return
    if not new_fit(data, &fit):
        raise MemoryError
    enter(&environment)
    with nogil:
        for i in range(z.shape[0]):
            concentrate_one(data, &fit, &z[i, 0], n_steps, momentum)
    leave(&environment)
    free(fit.residual)


def evaluate_fits(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept, const double[:, ::1] z,
    double[::1] value,
):
    """Objectives (OUT) of the fits z; of exact ones minus the weight on the plane."""
    cdef Environment environment
    cdef Data data = data_of(columns, rows, weight, penalty, kept)
    cdef Fit fit
    cdef Py_ssize_t i, j
    cdef double mass
    if z.shape[0] == 0:
        return
    if not new_fit(data, &fit):
        raise MemoryError
    enter(&environment)
    with nogil:
        for i in range(z.shape[0]):
            find_losses(data, &fit, &z[i, 0])
            choose_rows(data, &fit, fit.losses)
            value[i] = objective(data, &fit, &z[i, 0])
            if value[i] <= EXACT_SQUARES:
                mass = 0.0
                for j in range(data.n):
                    if fit.losses[j] <= EXACT_ROW:
                        mass += 1.0 if data.weight == NULL else data.weight[j]
                value[i] = -mass
    leave(&environment)
    free(fit.residual)


def descend_fits(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept, double[:, ::1] z, double[::1] value,
    Py_ssize_t max_steps,
):
    """Steps from each fit z (IN, OUT) to a local minimum, of this value (OUT).

    Returns the number of fits that it took.
    """
    cdef Environment environment
    cdef Data data = data_of(columns, rows, weight, penalty, kept)
    cdef Fit fit
    cdef double* room
    cdef Py_ssize_t i, n_steps, total = 0
    if z.shape[0] == 0:
        return 0
    room = <double*> malloc((data.q + 3) * (data.stride + EXCHANGED) * sizeof(double))
    if room == NULL or not new_fit(data, &fit):
        free(room)
        raise MemoryError
    enter(&environment)
    with nogil:
        for i in range(z.shape[0]):
            n_steps = max_steps
            value[i] = descend_one(data, &fit, room, &z[i, 0], &n_steps)
            total += n_steps
    leave(&environment)
    free(fit.residual)
    free(room)
    return total


def fit_drawn(
    const double[:, ::1] columns, const double[:, ::1] rows,
    const double[:, ::1] penalty, const Py_ssize_t[:, ::1] index, double[:, ::1] z,
):
    """Least squares (OUT, fits times q) of the rows drawn for each fit."""
    cdef Environment environment
    cdef Py_ssize_t i, m = index.shape[1]
    cdef Data data = data_of(columns, rows, None, penalty, <double> m)
    cdef Fit fit
    cdef double* ones
    if z.shape[0] == 0:
        return
    ones = <double*> malloc(m * sizeof(double))
    if ones == NULL or not new_fit(data, &fit):
        free(ones)
        raise MemoryError
    enter(&environment)
    with nogil:
        for i in range(m):
            ones[i] = 1.0
        for i in range(z.shape[0]):
            memset(fit.gram, 0, data.q * data.width * sizeof(double))
            add_rows(data, &index[i, 0], ones, m, fit.gram)
            solve(data, fit.gram, data.kept, fit.factor, &z[i, 0])
    leave(&environment)
    free(fit.residual)
    free(ones)


def fit_masses(
    const double[:, ::1] columns, const double[:, ::1] rows,
    const double[:, ::1] penalty, const double[:, ::1] masses, double[:, ::1] z,
):
    """Least squares (OUT, fits times q) with these masses (IN, fits times n)."""
    cdef Environment environment
    cdef Data data = data_of(columns, rows, None, penalty, 1.0)
    cdef Fit fit
    cdef Py_ssize_t i
    if z.shape[0] == 0:
        return
    if not new_fit(data, &fit):
        raise MemoryError
    enter(&environment)
    with nogil:
        for i in range(z.shape[0]):
            memcpy(fit.wanted, &masses[i, 0], data.n * sizeof(double))
            fit_wanted(data, &fit, &z[i, 0])
    leave(&environment)
    free(fit.residual)


def fit_smallest(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept, const double[:, ::1] values,
    double[:, ::1] z,
):
    """Least squares (OUT, fits times q) of the rows that have the smallest values.

    values (IN, fits times n), at least 0; else as for `concentrate_fits`.
    """
    cdef Environment environment
    cdef Data data = data_of(columns, rows, weight, penalty, kept)
    cdef Fit fit
    cdef Py_ssize_t i
    if z.shape[0] == 0:
        return
    if not new_fit(data, &fit):
        raise MemoryError
    enter(&environment)
    with nogil:
        for i in range(z.shape[0]):
            fit.guess = 0.0
            choose_rows(data, &fit, &values[i, 0])
            fit_wanted(data, &fit, &z[i, 0])
    leave(&environment)
    free(fit.residual)


def fit_exactly(
    const double[:, ::1] columns, const double[:, ::1] rows,
    const Py_ssize_t[:, ::1] index, double dependent, double[:, ::1] z,
    Py_ssize_t[:, ::1] chosen, uint8_t[::1] found,
):
    """Fits (OUT, fits times q) through the first q drawn rows that are independent.

    index (IN, fits times m): the rows drawn for each fit. One of which the others leave
    no more than the part `dependent` is passed over. chosen (OUT, fits times q): the
    rows; found (OUT, fits): whether there were q.
    """
    cdef Environment environment
    cdef Data data = data_of(columns, rows, None, None, 1.0)
    cdef Fit fit
    cdef Py_ssize_t i
    if z.shape[0] == 0:
        return
    if not new_fit(data, &fit):
        raise MemoryError
    enter(&environment)
    with nogil:
        for i in range(z.shape[0]):
            found[i] = fit_one_exactly(
                data, &fit, &index[i, 0], index.shape[1], dependent, &z[i, 0],
                &chosen[i, 0])
    leave(&environment)
    free(fit.residual)


def smooth_fits(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept, double[:, ::1] z, double scale,
    double epsilon, double settled, Py_ssize_t max_steps, double[::1] masses,
):
    """Repeat least squares with the weights of soft choices.

    For losses in units of scale**2, until a step moves a fit by no more than `settled`
    standard errors. kept, here: less than all of the weight; z (IN, OUT); masses (OUT,
    n): those of the first fit, in its last step. Else as for `concentrate_fits`.
    Returns the number of steps.
    """
    cdef Environment environment
    cdef Data data = data_of(columns, rows, weight, penalty, kept)
    cdef Fit fit
    cdef Room room
    cdef Py_ssize_t i, n_steps = 0
    room = new_room(data.n)
    if room.value == NULL or not new_fit(data, &fit):
        free(room.value)
        raise MemoryError
    enter(&environment)
    with nogil:
        for i in range(z.shape[0]):
            n_steps += smooth_one(
                data, &fit, &room, &z[i, 0], scale, epsilon, settled, max_steps)
            if i == 0:
                memcpy(&masses[0], fit.wanted, data.n * sizeof(double))
    leave(&environment)
    free(fit.residual)
    free(room.value)
    return n_steps
