"""Losses, weights and slow references that the tests of the losses share."""

import numpy as np
import reference

LOSSES = {
    "squares": lambda rng, n: rng.standard_normal(n) ** 2 / 2,
    "heavy tails": lambda rng, n: rng.standard_cauchy(n) ** 2,
    "36 decades": lambda rng, n: 10.0 ** rng.uniform(-12, 24, n),
    "geometric": lambda rng, n: 2.0 ** -np.arange(n),
    "ties": lambda rng, n: rng.integers(0, 3, n).astype(float),
    "outliers": lambda rng, n: np.where(np.arange(n) % 5, rng.random(n), 1e24),
    "equal": lambda rng, n: np.full(n, 0.3),
}
WEIGHTS = {
    "none": lambda rng, n: None,
    "counts": lambda rng, n: np.maximum(rng.integers(-1, 4, n), np.arange(n) == 0),
    "real": lambda rng, n: rng.exponential(size=n),
}


def select_by_bisection(losses, n_kept, epsilon, weight):
    """The p of the selection loss by bisection on its threshold, extended precision."""
    losses, weight = losses.astype(np.longdouble), weight.astype(np.longdouble)
    order = np.argsort(losses)
    boundary = np.searchsorted(np.cumsum(weight[order]), n_kept)
    distance = (losses - losses[order[boundary]]) / np.longdouble(epsilon)
    low, high = np.longdouble(0), np.longdouble(1)
    for _ in range(70):
        middle = (low + high) / 2
        if weight @ np.clip(middle - distance, 0, 1) < n_kept:
            low = middle
        else:
            high = middle
    return np.clip(high - distance, 0, 1)


def soft_sort_weights(losses, epsilon, row_weights):
    """``row_weights @ soft_sort(losses)`` and its derivatives, in exact arithmetic.

    Equal losses have equal derivatives: the mean of those of all their orders.
    """
    solution = reference.fast_soft_sort(losses, epsilon)
    gradient = solution.vjp(row_weights)
    _, inverse, counts = np.unique(losses, return_inverse=True, return_counts=True)
    gradient = (np.bincount(inverse, gradient.astype(float)) / counts)[inverse]
    return float(row_weights @ solution.values), gradient


def gradient_by_differences(function, losses, step=1e-6):
    steps = step * np.eye(losses.size)
    return np.array([function(losses + s) - function(losses - s) for s in steps]) / (
        2 * step
    )
