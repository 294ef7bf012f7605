"""Weights that are frequencies, and standard deviations of single rows."""

import math
from numbers import Real

import numpy as np

from .._checks import check_weights
from ..losses._trimmed import MAX_REPEATS


def check_frequencies(sample_weight, n_samples, whole):
    """Sample weights in float64, or what is wrong with them."""
    if sample_weight is None:
        return np.ones(n_samples)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, sample_weight)
    weight = check_weights(
        sample_weight, "sample_weight", [(n_samples,)], finite_sum=True
    )
    if whole and (weight != np.floor(weight)).any():
        raise ValueError(
            'sample_weight must hold whole numbers for formulation="sort", got '
            'fractions; formulation="selection" takes them.'
        )
    if whole and weight.sum() > MAX_REPEATS:
        raise ValueError(
            f"sample_weight must sum to at most {MAX_REPEATS:g} for "
            f'formulation="sort", which counts positions, got {weight.sum():g}; '
            'formulation="selection" takes any sum.'
        )
    return weight


def row_scale_of(sigma, weight):
    """Factors 1 / sigma of the rows, of a mean square of 1, and the unit of sigma.

    The factors are None where all are the same: then nothing depends on them. The unit
    is that in which sigma is the inverse of the factors.
    """
    if sigma is None:
        return None, 1.0
    largest = sigma.max()
    relative = sigma / largest
    if relative.min() == 1:
        return None, float(largest)
    unit = 1 / math.sqrt(np.average(relative**-2, weights=weight))
    return unit / relative, float(unit * largest)
