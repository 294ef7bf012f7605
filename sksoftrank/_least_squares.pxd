# cython: language_level=3
"""Rows and fits of the kernels for least trimmed squares, and least squares."""

from ._environment cimport Environment

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
    double* more     # what the caller has asked for
    double largest   # trace that the Gram matrix has had since it was summed
    double guess     # boundary of the last losses
    Py_ssize_t work  # losses looked at by `select`
    Environment environment


cdef inline double weight_of(Data data, Py_ssize_t i) noexcept nogil:
    return 1.0 if data.weight == NULL else data.weight[i]


cdef Data data_of(
    const double[:, ::1] columns, const double[:, ::1] rows, const double[::1] weight,
    const double[:, ::1] penalty, double kept
)

cdef int begin_fits(Data data, Fit* fit, Py_ssize_t n_more=*) except -1

cdef void end_fits(Fit* fit) noexcept

cdef bint change_rows(Data data, Fit* fit, bint anew) noexcept nogil

cdef void solve(
    Data data, const double* gram, double mass, double* factor, double* z
) noexcept nogil

cdef void fit_wanted(Data data, Fit* fit, double* z) noexcept nogil
