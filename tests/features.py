"""Features for the tests of transformers."""

import numpy as np


def sample(n=40, p=3, seed=0):
    """Features with different shapes, units and, in the last one, ties."""
    X = np.random.default_rng(seed).normal(size=(n, p)) * 10.0 ** np.arange(p)
    X[:, 0] = np.exp(X[:, 0])
    X[:, -1] = np.round(X[:, -1] / 50)
    return X
