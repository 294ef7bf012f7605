# cython: language_level=3
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True, embedsignature=False
# cython: freethreading_compatible=True
"""Compiled kernel: least squares of few rows with masses, for many fits.

A search for least trimmed squares makes thousands of fits to few rows. The functions
trust their arguments and release the GIL.

Conventions
-----------
* Rows of q coordinates come twice, with the target as one more coordinate: as `columns`
  of shape (q + 1, n'), for the residuals of all rows, and as `rows` of shape (n, q')
  for sums of products of a few. Both are padded with zeros to multiples of 8.
* Each fit keeps a Gram matrix of the rows with the targets, of shape (q, q'). From one
  step to the next it is changed by the rows that change sides only, and summed anew
  when digits have been lost to rows that were much larger.
* The rows that are kept have masses, their weights or parts of them. What the kept rows
  do not determine is 0.
"""

from libc.math cimport fabs, sqrt
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from ._environment cimport enter, leave
from ._row_loops cimport Row, sk_add_rows, sk_factor

cdef double TINY = 2.2250738585072014e-308
# What is added to the diagonal of a Gram matrix, in units of its mean.
cdef double RIDGE = 1e-13
# A Gram matrix is summed anew once it was so much larger.
cdef double SHRUNK = 100.0


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


cdef int begin_fits(Data data, Fit* fit, Py_ssize_t n_more=0) except -1:
    """Scratch and the environment, until `end_fits`; with room for n_more numbers."""
    cdef Py_ssize_t size = data.width * data.width
    fit.residual = <double*> malloc(
        (6 * data.stride + 2 * size + 2 * data.width + n_more) * sizeof(double))
    if fit.residual == NULL:
        raise MemoryError
    fit.losses = fit.residual + data.stride
    fit.mass = fit.losses + data.stride
    fit.wanted = fit.mass + data.stride
    fit.spare = fit.wanted + data.stride
    fit.spare_weight = fit.spare + data.stride
    fit.gram = fit.spare_weight + data.stride
    fit.factor = fit.gram + size
    fit.ahead = fit.factor + size
    fit.last = fit.ahead + data.width
    fit.more = fit.last + data.width
    fit.guess = 0.0
    fit.work = 0
    enter(&fit.environment)
    return 0


cdef void end_fits(Fit* fit) noexcept:
    leave(&fit.environment)
    free(fit.residual)


# --- normal equations ---------------------------------------------------------------

cdef double trace(Data data, const double* gram) noexcept nogil:
    cdef double total = 0.0
    cdef Py_ssize_t i
    for i in range(data.q):
        total += gram[i * data.width + i]
    return total


cdef double add_rows(
    Data data, const Py_ssize_t* index, const double* mass, Py_ssize_t m, double* gram
) noexcept nogil:
    """Add so many rows with these masses; returns the largest size of what is added.

    mass is NULL for masses of 1.
    """
    cdef Row[4] row
    cdef double[4] part
    cdef double size, largest = 0.0, y
    cdef Py_ssize_t i, j, k
    for i in range(0, m, 4):
        for j in range(4):
            k = min(i + j, m - 1)
            row[j] = data.rows + index[k] * data.width
            part[j] = 0.0 if i + j >= m else 1.0 if mass == NULL else mass[k]
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


# --- fits through rows --------------------------------------------------------------

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


# --- doors --------------------------------------------------------------------------

def fit_drawn(
    const double[:, ::1] columns, const double[:, ::1] rows,
    const double[:, ::1] penalty, const Py_ssize_t[:, ::1] index, double[:, ::1] z,
):
    """Least squares (OUT, fits times q) of the rows drawn for each fit.

    penalty (IN, q times q, or None).
    """
    cdef Py_ssize_t i, m = index.shape[1]
    cdef Data data = data_of(columns, rows, None, penalty, <double> m)
    cdef Fit fit
    begin_fits(data, &fit)
    with nogil:
        for i in range(z.shape[0]):
            memset(fit.gram, 0, data.q * data.width * sizeof(double))
            add_rows(data, &index[i, 0], NULL, m, fit.gram)
            solve(data, fit.gram, data.kept, fit.factor, &z[i, 0])
    end_fits(&fit)


def fit_masses(
    const double[:, ::1] columns, const double[:, ::1] rows,
    const double[:, ::1] penalty, const double[:, ::1] masses, double[:, ::1] z,
):
    """Least squares (OUT, fits times q) with these masses (IN, fits times n)."""
    cdef Py_ssize_t i
    cdef Data data = data_of(columns, rows, None, penalty, 1.0)
    cdef Fit fit
    begin_fits(data, &fit)
    with nogil:
        for i in range(z.shape[0]):
            memcpy(fit.wanted, &masses[i, 0], data.n * sizeof(double))
            fit_wanted(data, &fit, &z[i, 0])
    end_fits(&fit)


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
    cdef Py_ssize_t i
    cdef Data data = data_of(columns, rows, None, None, 1.0)
    cdef Fit fit
    begin_fits(data, &fit)
    with nogil:
        for i in range(z.shape[0]):
            found[i] = fit_one_exactly(
                data, &fit, &index[i, 0], index.shape[1], dependent, &z[i, 0],
                &chosen[i, 0])
    end_fits(&fit)
