"""Soft LTS over a grid of `epsilon`."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._checks import as_frequencies
from .._sklearn import check_array, refuse_lazy, refuse_masked
from .._typing import Features
from ._data_warnings import (
    less_trim,
    warn_of_data,
)
from ._lts import SoftLTSRegressor


class SoftLTSPath(NamedTuple):
    """Soft LTS fits over a grid of `epsilon`, see `soft_lts_path`."""

    epsilons: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    scales: np.ndarray
    objectives: np.ndarray


def soft_lts_path(
    X: Features,
    y: ArrayLike,
    *,
    epsilons: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    **parameters: Any,
) -> SoftLTSPath:
    """Fit `SoftLTSRegressor` for every `epsilon` of a grid, from one start.

    The search for the start is the expensive part of a fit, and does not depend on
    `epsilon`: the path of nine costs as much as two fits for up to a thousand rows, and
    three to four for 1e5 (``python benchmarks/fits.py``).

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Targets.
    epsilons : array-like of shape (n_epsilons,), default=None
        Smoothing strengths, at least 0. None means nine from 0.1 to 1000; for
        ``formulation="sort"`` eleven from 1e-4 to 10, times the number of
        observations.
    sample_weight : array-like of shape (n_samples,), default=None
        Frequencies of the observations.
    sigma : array-like of shape (n_samples,), default=None
        Relative standard deviations of the errors, above 0.
    **parameters
        Other parameters of `SoftLTSRegressor`.

    Returns
    -------
    epsilons : ndarray of shape (n_epsilons,)
        The grid, in increasing order.
    coefs : ndarray of shape (n_epsilons, n_features)
        Coefficients.
    intercepts : ndarray of shape (n_epsilons,)
        Intercepts.
    scales : ndarray of shape (n_epsilons,)
        Scales of the residuals, `scale_` of the estimator.
    objectives : ndarray of shape (n_epsilons,)
        The minima found, in units of y squared.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described.

    See Also
    --------
    SoftLTSRegressor : One of the fits.
    SoftLTSRegressorCV : Chooses among them.
    EpsilonPathDisplay : Plots the path.

    Examples
    --------
    >>> from sksoftrank import soft_lts_path
    >>> from sksoftrank.datasets import make_contaminated_regression
    >>> X, y, coef, _ = make_contaminated_regression(random_state=0)
    >>> path = soft_lts_path(X, y, epsilons=[1, 10, 1000], random_state=0)
    >>> abs(path.coefs - coef).max(axis=1).round(1)
    array([0.5, 0.1, 0.5])
    """
    if "epsilon" in parameters:
        raise TypeError(
            f"soft_lts_path takes a grid, epsilons, and no epsilon, got "
            f"epsilon={parameters['epsilon']!r}."
        )
    model = SoftLTSRegressor(**parameters)
    for value, name in ((X, "X"), (y, "y"), (epsilons, "epsilons")):
        refuse_lazy(value, name)
        refuse_masked(value, name)
    epsilons = check_grid(epsilons, model.formulation, np.size(y))
    X, y = model._validate(X, y)
    weight, sigma = model._check_rows(y, sample_weight, sigma)
    path = []
    for fit in model._fits(X, y, epsilons, weight, sigma):
        path.append((fit.coef_, fit.intercept_, fit.scale_, fit.objective_))
    warn_of_data(
        fit, y.astype(np.float64), as_frequencies(weight), fit._n_coefs, less_trim
    )
    return SoftLTSPath(epsilons, *(np.array(part) for part in zip(*path, strict=True)))


def check_grid(epsilons, formulation, n_samples):
    if epsilons is None:
        if formulation == "sort":
            return n_samples * np.geomspace(1e-4, 10, 11)
        return np.geomspace(0.1, 1000, 9)
    return check_sorted(epsilons, "epsilons", math.inf)


def check_sorted(values, name, high):
    """Distinct values in increasing order, from 0 to `high`."""
    refuse_masked(values, name)
    if np.size(values) == 0:
        raise ValueError(f"{name} must hold at least one value, got none.")
    values = check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
    values = np.unique(values)
    if values[0] < 0 or values[-1] > high:
        interval = "[0, inf)" if math.isinf(high) else f"[0, {high}]"
        wrong = values[0] if values[0] < 0 else values[-1]
        raise ValueError(f"{name} must lie in {interval}, got {wrong}.")
    return values
