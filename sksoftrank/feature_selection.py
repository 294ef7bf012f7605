"""Correlations of soft ranks: between features, and with a target."""

import math
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as t_distribution
from sklearn.utils import check_consistent_length, column_or_1d

from ._checks import (
    check_differences,
    check_epsilon,
    check_finite,
    check_flag,
    check_nan_policy,
    check_regularization,
    check_values,
    exact_differences,
    nonfinite_error,
)
from ._jacobian import Jacobian
from ._rows import Slices
from ._sklearn import check_array, check_X_y
from ._typing import RankRegularization
from .operators._by_group import GroupLayout
from .preprocessing._soft_cdf import interquartile_gradient
from .preprocessing._unit_ranks import (
    cells,
    column_batches,
    in_interquartile_ranges,
    unit_ranks,
)

__all__ = ["soft_spearman", "soft_spearman_corr"]


def _jacobian(blocks, shape):
    """The Jacobian of the correlations of blocks of X, in O(n) memory a column."""
    n_features = shape[1]
    slices = [Slices((math.prod(whole),), 0) for whole in (shape, (n_features,) * 2)]

    def multiply(rows, *, transpose):
        given = rows.reshape((n_features, n_features) if transpose else shape)
        found = np.zeros(shape if transpose else (n_features, n_features))
        for block in blocks:
            cells = np.ix_(block.columns, block.columns)
            if transpose:
                found[block.cells] += block.vjp(block.is_own * given[cells])
            else:
                found[cells] += block.is_own * block.jvp(given[block.cells])
        return found.reshape(1, -1)

    return Jacobian(
        slices[0],
        slices[1],
        multiply,
        shapes=(shape, (n_features, n_features)),
        dtype=np.dtype(np.float64),
    )


class _Block:
    """Correlations of some columns on the rows in which none of them is missing.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    rows, columns : ndarrays of int
        Which of X.
    is_own : ndarray of bool, shape (columns.size, columns.size)
        Whose correlations these are; those of others are of more rows.
    epsilon : float
    regularization : str
    scale : {"iqr", None}
    keep : bool
        Whether to keep what `jvp` and `vjp` need.

    Attributes
    ----------
    correlation : ndarray of shape (columns.size, columns.size)
    """

    def __init__(self, X, rows, columns, is_own, epsilon, regularization, scale, keep):
        self.columns, self.is_own = columns, is_own
        self.cells = np.ix_(rows, columns)
        self._scale = None
        if scale is not None:
            epsilon /= rows.size
        if keep:
            X = cells(X, rows, columns)
            if scale is not None:
                self._gradient = np.array([interquartile_gradient(x) for x in X.T]).T
                X, self._scale = in_interquartile_ranges(X, "X")
                # Ranks do not change with the origin; far from it digits would be lost.
                self._values = X - X.mean(axis=0)
            unit, norm, jacobian, factor = unit_ranks(X, epsilon, regularization)
            self._rank_jacobian, self._unit, self._factor = jacobian, unit, factor
            self._inverse_norm = np.divide(
                1, norm, out=np.zeros_like(norm), where=norm > 0
            )
        else:
            unit, norm = np.empty((rows.size, columns.size)), np.empty(columns.size)
            for own in column_batches(unit.shape):
                part = cells(X, rows, columns[own])
                if scale is not None:
                    part, _ = in_interquartile_ranges(part, "X")
                unit[:, own], norm[own], *_ = unit_ranks(
                    part, epsilon, regularization, keep=False
                )
        correlation = self.correlation = np.clip(unit.T @ unit, -1.0, 1.0)
        np.fill_diagonal(correlation, 1.0)
        is_constant = norm == 0
        correlation[is_constant] = correlation[:, is_constant] = np.nan

    def jvp(self, u):
        """Change of the correlations along `u`."""
        if self._scale is not None:
            u = (u - self._values * (self._gradient * u).sum(axis=0)) / self._scale
        # The columns of unit have mean 0, so neither product sees means of ranks.
        half = self._unit.T @ self._tangent(self._rank_jacobian.jvp(self._factor * u))
        return half + half.T

    def vjp(self, g):
        """Gradient in the values for `g` in the correlations."""
        ranks = self._tangent(self._unit @ (g + g.T))
        g = self._factor * self._rank_jacobian.vjp(ranks)
        if self._scale is not None:
            g = (g - self._gradient * (self._values * g).sum(axis=0)) / self._scale
        return g

    def _tangent(self, x):
        """Derivative of the division of each column by its length."""
        along = (self._unit * x).sum(axis=0)
        return (x - self._unit * along) * self._inverse_norm


@overload
def soft_spearman_corr(
    X: ArrayLike,
    epsilon: float = ...,
    *,
    regularization: RankRegularization = ...,
    scale: Literal["iqr"] | None = ...,
    nan_policy: Literal["raise", "omit"] = ...,
    return_jacobian: Literal[False] = ...,
) -> NDArray[np.float64]: ...


@overload
def soft_spearman_corr(
    X: ArrayLike,
    epsilon: float = ...,
    *,
    regularization: RankRegularization = ...,
    scale: Literal["iqr"] | None = ...,
    nan_policy: Literal["raise", "omit"] = ...,
    return_jacobian: Literal[True],
) -> tuple[NDArray[np.float64], Jacobian]: ...


def soft_spearman_corr(
    X: ArrayLike,
    epsilon: float = 1.0,
    *,
    regularization: RankRegularization = "quadratic",
    scale: Literal["iqr"] | None = "iqr",
    nan_policy: Literal["raise", "omit"] = "raise",
    return_jacobian: bool = False,
) -> NDArray[np.float64] | tuple[NDArray[np.float64], Jacobian]:
    """Correlations of the soft ranks of the columns of X.

    Spearman's correlation for ``epsilon=0``, and with ``regularization="quadratic"``
    Pearson's from the `epsilon` on that pools each column.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Real numbers; at least two rows.
    epsilon : float, default=1.0
        Strength of the smoothing, at least 0, relative to the interquartile ranges of
        the columns, as in `soft_spearman` and `SoftRankTransformer`, so that their
        units do not matter. 0 gives hard ranks, the mean rank to ties.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        As in `soft_rank`.
    scale : {"iqr", None}, default="iqr"
        What `epsilon` is relative to. None takes it as `soft_rank` does, in the units
        of `X`, which should then be one for all columns.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or each pair of features is correlated on the rows
        where both are known, as in ``pandas.DataFrame.corr``. The matrix need not be
        positive semidefinite then.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    correlation : ndarray of shape (n_features, n_features)
        Symmetric. NaN in the rows and columns of a feature that is constant, and for
        pairs that are where both are known, or known in less than two rows; 1 elsewhere
        on the diagonal.
    jacobian : Jacobian
        The derivative in `X`, with methods ``jvp`` and ``vjp``. Only with
        ``return_jacobian=True``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_spearman : Correlations with a target, for the selection of features.
    soft_rank : The operator behind it.
    scipy.stats.spearmanr : The hard operator.

    Examples
    --------
    >>> from sksoftrank.feature_selection import soft_spearman_corr
    >>> X = [[0.0, 2.0], [1.0, 5.0], [2.0, 3.0]]
    >>> soft_spearman_corr(X, 0.0)
    array([[1. , 0.5],
           [0.5, 1. ]])
    >>> soft_spearman_corr(X, 5.0).round(3)
    array([[1.   , 0.327],
           [0.327, 1.   ]])
    >>> soft_spearman_corr(X, 2.0).round(3)
    array([[1.   , 0.359],
           [0.359, 1.   ]])
    """
    epsilon = check_epsilon(epsilon)
    check_regularization(regularization, ("quadratic", "entropic", "kl"))
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    omits_nan = check_nan_policy(nan_policy)
    if scale is not None and not (isinstance(scale, str) and scale == "iqr"):
        raise ValueError(f"scale must be 'iqr' or None, got {scale!r}.")
    X = check_differences(X, "X", axis=0).astype(np.float64, copy=False)
    if X.ndim != 2 or X.shape[0] < 2:
        raise ValueError(
            f"X must have two dimensions and at least two rows, got shape {X.shape}."
        )
    is_missing = np.isnan(X)
    known = X[~is_missing] if omits_nan else X
    check_finite(known, "X", factor=X.shape[0] ** 2)
    n_features = X.shape[1]
    correlation = np.full((n_features, n_features), np.nan)
    blocks = []
    for rows, columns, is_own in _pairwise_complete(is_missing):
        block = _Block(
            X, rows, columns, is_own, epsilon, regularization, scale, return_jacobian
        )
        if return_jacobian:
            blocks.append(block)
        cells = np.ix_(columns, columns)
        correlation[cells] = np.where(is_own, block.correlation, correlation[cells])
    if not return_jacobian:
        return correlation
    return correlation, _jacobian(blocks, X.shape)


def _pairwise_complete(is_missing):
    """Rows and columns to correlate, and which pairs of these columns they serve.

    Columns that miss the same rows go together.
    """
    groups = list(_patterns(is_missing))
    for i, (first, missing) in enumerate(groups):
        for second, others in groups[: i + 1]:
            rows = np.flatnonzero(~(missing | others))
            if rows.size < 2:
                continue
            is_same = second is first
            columns = first if is_same else np.append(first, second)
            is_first = np.isin(columns, first)
            is_own = (is_first[:, None] != is_first) | is_same
            yield rows, columns, is_own


def _patterns(is_missing):
    """Columns that miss the same rows, and which these are."""
    if not is_missing.any():
        yield np.arange(is_missing.shape[1]), is_missing.any(axis=1)
        return
    patterns, number = np.unique(is_missing, axis=1, return_inverse=True)
    for i, pattern in enumerate(patterns.T):
        yield np.flatnonzero(number.ravel() == i), pattern


def soft_spearman(
    X: ArrayLike,
    y: ArrayLike,
    *,
    epsilon: float = 1.0,
    regularization: RankRegularization = "quadratic",
    nan_policy: Literal["raise", "omit"] = "raise",
    groups: ArrayLike | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strength of the monotone relation of each feature with the target.

    The absolute correlation of their soft ranks: Spearman's for ``epsilon=0``, and with
    ``regularization="quadratic"`` Pearson's for large `epsilon`. A score function for
    `sklearn.feature_selection.SelectKBest` and its relatives.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        Target: real numbers, or classes that are ordered.
    epsilon : float, default=1.0
        Strength of the smoothing, at least 0, relative to the interquartile ranges of
        the features and the target, as in `SoftRankTransformer`. It may be set in
        ``SelectKBest(functools.partial(soft_spearman, epsilon=...))``.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        As in `soft_rank`.
    nan_policy : {"raise", "omit"}, default="raise"
        Whether NaN are an error, or each feature is compared with the target on the
        rows where both are known.
    groups : array-like of shape (n_samples,), default=None
        Labels of groups, such as eras, in any order. Features are compared with the
        target within each group, in its own interquartile ranges, and the correlations
        averaged. For ``SelectKBest(partial(soft_spearman, groups=groups)).fit(X, y)``.

    Returns
    -------
    scores : ndarray of shape (n_features,)
        Absolute correlations. 0 for features that are constant, NaN for those that are
        known together with the target in less than three rows. With `groups` the
        absolute mean of the correlations of the groups, those of fewer than two known
        rows left out; that of a feature which is constant in a group counts as 0.
    pvalues : ndarray of shape (n_features,)
        Two-sided p-values by Student's t distribution, with two degrees of freedom less
        than rows that are known: that of `scipy.stats.spearmanr` for ``epsilon=0``, an
        approximation as good as that one otherwise. With `groups` those of a t-test of
        that mean, for independent groups; NaN for less than two.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or not finite.

    See Also
    --------
    soft_spearman_corr : The matrix of correlations, with its derivative.
    sklearn.feature_selection.r_regression : Pearson's correlation.
    sklearn.feature_selection.mutual_info_regression : Finds any relation.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.feature_selection import SelectKBest
    >>> from sksoftrank.feature_selection import soft_spearman
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> y = -np.exp(3 * X[:, 1])
    >>> SelectKBest(soft_spearman, k=1).fit(X, y).get_support()
    array([False,  True, False])
    >>> scores, pvalues = soft_spearman(X, y, epsilon=0)
    >>> scores.round(2)
    array([0.01, 1.  , 0.02])
    """
    epsilon = check_epsilon(epsilon)
    omits_nan = check_nan_policy(nan_policy)
    X, y = exact_differences(X, "X", axis=0), exact_differences(y, "y")
    if omits_nan:
        X, y = check_values(X, "X"), column_or_1d(check_values(y, "y"))
        X = check_array(
            X, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=3
        )
        check_consistent_length(X, y)
    else:
        X, y = check_X_y(X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=3)
        y = check_values(y, "y")  # no text, no dates
    _check_both(X, y)
    is_missing, is_unknown = np.isnan(X), np.isnan(y)
    if groups is not None:
        return _mean_scores(
            X, y, is_missing, is_unknown, groups, epsilon, regularization
        )
    scores, pvalues = np.full((2, X.shape[1]), np.nan)
    for columns, missing in _patterns(is_missing):
        rows = np.flatnonzero(~(missing | is_unknown))
        if rows.size >= 3:
            found = np.abs(_correlations(X, y, rows, columns, epsilon, regularization))
            scores[columns], pvalues[columns] = found, _pvalues(found, rows.size - 2)
    return scores, pvalues


def _check_both(X: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Say what is wrong with numbers that are infinite or too far apart."""
    low = min(np.fmin.reduce(X, axis=None), np.fmin.reduce(y))
    high = max(np.fmax.reduce(X, axis=None), np.fmax.reduce(y))
    if not float(high) - float(low) < math.inf and not math.isnan(low):
        values = np.append(X, y)
        raise nonfinite_error(values[~np.isnan(values)], "X and y")


def _pvalues(scores: NDArray[np.float64], freedom: int) -> NDArray[np.float64]:
    """P-values of absolute correlations."""
    with np.errstate(divide="ignore"):
        statistic = scores * np.sqrt(freedom / ((1 - scores) * (1 + scores)))
    return 2 * t_distribution.sf(statistic, freedom)


def _correlations(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    epsilon: float,
    regularization: str,
) -> NDArray[np.float64]:
    """Correlations of columns with y on some of the rows."""

    def unit(values):
        if epsilon > 0:  # hard ranks have no unit
            values, _ = in_interquartile_ranges(values, "X and y")
        return unit_ranks(values, epsilon / rows.size, regularization, keep=False)[0]

    found, target = np.empty(columns.size), None
    for own in column_batches((rows.size, columns.size)):
        part = cells(X, rows, columns[own])
        if target is None:  # with the first of them, for a call takes its time
            part = unit(np.asfortranarray(np.column_stack([part, y[rows]])))
            part, target = part[:, :-1], part[:, -1]
        else:
            part = unit(part)
        found[own] = part.T @ target
    return np.clip(found, -1.0, 1.0)


def _mean_scores(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    is_missing: NDArray[np.bool_],
    is_unknown: NDArray[np.bool_],
    groups: ArrayLike,
    epsilon: float,
    regularization: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Absolute means over groups of the correlations with y, and p-values."""
    found = []
    for _, index in GroupLayout(groups, y.size).batches():
        for rows in index:
            own = np.full(X.shape[1], np.nan)
            for columns, missing in _patterns(is_missing[rows]):
                known = rows[~(missing | is_unknown[rows])]
                if known.size >= 2:
                    own[columns] = _correlations(
                        X, y, known, columns, epsilon, regularization
                    )
            found.append(own)
    correlations = np.array(found)
    count = np.count_nonzero(~np.isnan(correlations), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(correlations, axis=0) / count
        square = np.nansum((correlations - mean) ** 2, axis=0) / (count - 1)
        statistic = np.abs(mean) / np.sqrt(square / count)
    statistic[mean == 0] = 0
    statistic[count < 2] = np.nan
    return np.abs(mean), 2 * t_distribution.sf(statistic, np.maximum(count - 1, 1))
