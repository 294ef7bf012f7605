# cython: language_level=3
"""Loops as SIMD code for each of several processors, where the compiler can.

All of them round alike: no product is fused with a sum.
"""

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdlib.h>

    #if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) \\
            && defined(__GLIBC__)
    #define SK_SIMD __attribute__((unused, \\
        optimize("O3", "fp-contract=off", "no-trapping-math"), \\
        target_clones("avx512f", "avx2", "default")))
    #else
    #define SK_SIMD
    #endif
    """
    int SIMD_IS_DECLARED "1"
