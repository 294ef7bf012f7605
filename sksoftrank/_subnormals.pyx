# cython: language_level=3
# cython: freethreading_compatible=True
"""Calls with subnormal numbers, which some frameworks turn to zero in their threads.

XLA does in callbacks, PyTorch after `torch.set_flush_denormal(True)`. The kernel packs
the places of values into the last bits of doubles: for a value of 0 these are subnormal
numbers.
"""

cdef extern from "<fenv.h>" nogil:
    ctypedef struct fenv_t:
        pass
    const fenv_t* FE_DFL_ENV
    int fegetenv(fenv_t* environment)
    int fesetenv(const fenv_t* environment)


def call(function, arguments, options):
    """``function(*arguments, **options)`` in the floating-point environment of C."""
    cdef fenv_t before
    fegetenv(&before)
    fesetenv(FE_DFL_ENV)
    try:
        return function(*arguments, **options)
    finally:
        fesetenv(&before)
