"""The operators for frameworks that differentiate, PyTorch and JAX.

The compiled kernel finds the *structure* of a result in NumPy: the order, and which
places share a block or a region, as integers. The value is a short formula of them in
the framework. The integers are locally constant, so that the derivatives of the formula
with the integers held fixed are those of the operator, to any order.

Formulas are written once, for an object `xp` that gives them the functions of the
framework: `sksoftrank.torch._backend` and `sksoftrank.jax._backend`.
"""
