# cython: language_level=3
"""What steps to minima of least trimmed squares share."""

from ._least_squares cimport Data, Fit

# Relative rounding errors of weights and objectives.
cdef double ROUNDING

cdef void find_losses(Data data, Fit* fit, const double* z) noexcept nogil

cdef void choose_rows(Data data, Fit* fit, const double* losses) noexcept nogil

cdef double objective(Data data, Fit* fit, const double* z) noexcept nogil
