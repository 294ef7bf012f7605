# cython: language_level=3
"""Subnormal numbers, which some frameworks turn to zero in their threads.

XLA does in callbacks, PyTorch after `torch.set_flush_denormal(True)`. Kernels that have
to tell them apart `enter` before their work, and `leave` after it.
"""

cdef extern from *:
    """
    #include <fenv.h>

    typedef struct {
        fenv_t before;
        int is_changed;
    } sk_environment;

    /* As the results of operations, or as their arguments. */
    static inline int sk_flushes_subnormals(void) {
        volatile double small = 3e-308, smaller = 2.9e-308, tiny = 5e-324;
        return small - smaller == 0.0 || tiny == 0.0;
    }

    /* The floating-point environment of C, if this one flushes subnormal numbers. */
    static inline void sk_enter(sk_environment *environment) {
        environment->is_changed = sk_flushes_subnormals();
        if (environment->is_changed) {
            fegetenv(&environment->before);
            fesetenv(FE_DFL_ENV);
        }
    }

    static inline void sk_leave(const sk_environment *environment) {
        if (environment->is_changed)
            fesetenv(&environment->before);
    }
    """
    ctypedef struct Environment "sk_environment":
        pass
    void enter "sk_enter" (Environment* environment) noexcept nogil
    void leave "sk_leave" (const Environment* environment) noexcept nogil
