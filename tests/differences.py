"""Gradients by central differences."""

import numpy as np


def central_differences(functional, x, step=1e-5):
    """Gradient of a scalar functional, one entry of x at a time."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        rise, run = functional(up) - functional(down), up[index] - down[index]
        gradient[index] = rise / run
    return gradient


def slice_differences(operator, x, g, step=1e-5):
    """Gradient of ``g @ operator(x)`` at a vector, all entries of x in one batch."""
    shifts = step * np.eye(len(x))
    return (operator(x + shifts) - operator(x - shifts)) @ g / (2 * step)
