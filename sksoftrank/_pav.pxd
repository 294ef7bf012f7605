# cython: language_level=3, cdivision=True
"""The kinds of operators."""

cpdef enum:
    QUADRATIC = 0
    ENTROPIC = 1
    KL = 2
