# cython: language_level=3, cdivision=True
"""What the kernels share: sums, and blocks of sorted positions."""

from libc.math cimport expm1
from libc.stdint cimport int64_t

# --- sums --------------------------------------------------------------------------
#
# Plain summation of n terms of one sign loses up to n units in the last place. Here
# short runs are summed plainly and the runs with compensation, at the speed of the
# former.

cdef struct Sum:
    double total
    double carry
    double run
    int n_run


cdef inline Sum new_sum(double start) noexcept nogil:
    cdef Sum s
    s.total = start
    s.carry = 0.0
    s.run = 0.0
    s.n_run = 0
    return s


cdef inline void add(Sum* s, double value) noexcept nogil:
    cdef double term, total
    s.run += value
    s.n_run += 1
    if s.n_run == 128:
        # Kahan's step.
        term = s.run + s.carry
        total = s.total + term
        s.carry = term - (total - s.total)
        s.total = total
        s.run = 0.0
        s.n_run = 0


cdef inline void add_run(Sum* s, double value) noexcept nogil:
    """Add what is itself the sum of many."""
    s.n_run = 127
    add(s, value)


cdef inline double result(const Sum* s) noexcept nogil:
    return s.total + (s.run + s.carry)


# --- blocks ------------------------------------------------------------------------

cdef inline double rho_sum(
    Py_ssize_t n, Py_ssize_t first, Py_ssize_t size
) noexcept nogil:
    """sum of rho over a block; rho = (n, ..., 1), so rho_first = n - first."""
    return (<double> (n - first) - 0.5 * (size - 1)) * size


cdef inline Py_ssize_t block_before(
    const int64_t* pools, Py_ssize_t top, Py_ssize_t first
) noexcept nogil:
    """Start of the block that ends at first: the pool on top, or a block of one."""
    if top >= 0 and pools[2 * top + 1] == first:
        return pools[2 * top]
    return first - 1


cdef inline double narrow_excess(
    Py_ssize_t size, double total, double q, Py_ssize_t next_size, double next_total,
    double next_q, double step,
) noexcept nogil:
    """A_a P_b - A_b P_a exp(step), given total = A - size and q = P - size of each.

    Where all values are close, both products are nearly the product of the sizes and
    their difference cancels. Expanded it keeps full relative accuracy for tiny values.
    """
    return (
        size * (next_q - next_total) + next_size * (total - q)
        + (total * next_q - next_total * q)
        - (next_size + next_total) * (size + q) * expm1(step)
    )
