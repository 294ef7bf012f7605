# cython: language_level=3
"""Arrays as pointers, in less time than memoryviews take."""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBuffer_Release, PyObject_GetBuffer,
)


cdef inline void let_go(Py_buffer* held) noexcept:
    if held.buf != NULL:
        PyBuffer_Release(held)
        held.buf = NULL


cdef inline void* hold(
    object array, Py_buffer* held, Py_ssize_t size=8
) except? NULL:
    """The numbers of a C-contiguous array, of so many bytes each, until `let_go`.

    NULL of None.
    """
    held.buf = NULL
    if array is None:
        return NULL
    PyObject_GetBuffer(array, held, PyBUF_C_CONTIGUOUS)
    if held.itemsize != size:
        let_go(held)
        raise TypeError("the numbers have another size")
    return held.buf
