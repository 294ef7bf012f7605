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
    /* Before a loop over few lanes: it is to be one of vectors, not written out. */
    #define SK_LANES _Pragma("GCC unroll 1")
    #else
    #define SK_SIMD
    #define SK_LANES
    #endif
    """
    int SIMD_IS_DECLARED "1"
