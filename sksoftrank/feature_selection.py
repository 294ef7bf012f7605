"""Correlations of soft ranks: between features, and with a target."""

import numpy as np
from scipy.sparse.linalg import LinearOperator
from scipy.stats import t as t_distribution
from sklearn.utils import check_X_y

from ._checks import (
    check_epsilon,
    check_finite,
    check_flag,
    check_regularization,
    check_values,
)
from ._jacobian import check_direction
from ._soft_cdf import interquartile_range
from .operators import soft_rank

__all__ = ["CorrelationJacobian", "soft_spearman", "soft_spearman_corr"]


class CorrelationJacobian(LinearOperator):
    """Jacobian of a matrix of soft rank correlations, in O(n) memory a column.

    A `scipy.sparse.linalg.LinearOperator` on the raveled (C order) arrays, of shape
    ``(n_features**2, n_samples * n_features)``. A column that is constant has no
    correlations; their derivatives are 0 here.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
        Shapes of the data and of the matrix of correlations.

    See Also
    --------
    soft_spearman_corr : Returns it.

    Examples
    --------
    >>> from sksoftrank.feature_selection import soft_spearman_corr
    >>> X = [[0.0, 2.0], [1.0, 5.0], [2.0, 3.0]]
    >>> _, jacobian = soft_spearman_corr(X, 2.0, return_jacobian=True)
    >>> jacobian.vjp([[0.0, 1.0], [0.0, 0.0]]).round(3)
    array([[-0.273, -0.234],
           [ 0.546, -0.117],
           [-0.273,  0.351]])
    """

    def __init__(self, rank_jacobian, unit, norm, factor):
        self._rank_jacobian = rank_jacobian
        self._unit = unit
        self._inverse_norm = np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0)
        self._factor = factor
        n_samples, n_features = unit.shape
        self.input_shape = n_samples, n_features
        self.output_shape = n_features, n_features
        super().__init__(
            dtype=unit.dtype, shape=(n_features**2, n_samples * n_features)
        )

    def jvp(self, u):
        """Jacobian-vector product: the directional derivative along `u`.

        Parameters
        ----------
        u : array-like of shape (n_samples, n_features)
            Direction in the data.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            The change of the correlations for a unit step along `u`.
        """
        u = check_direction(u, self.input_shape, "u").astype(np.float64, copy=False)
        # The columns of unit have mean 0, so neither product sees means of ranks.
        half = self._unit.T @ self._tangent(self._rank_jacobian.jvp(self._factor * u))
        return half + half.T

    def vjp(self, g):
        """Vector-Jacobian product: the gradient of a scalar whose gradient in the
        correlations is `g`.

        Parameters
        ----------
        g : array-like of shape (n_features, n_features)
            Gradient in the correlations.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Gradient in the data.
        """
        g = check_direction(g, self.output_shape, "g").astype(np.float64, copy=False)
        ranks = self._tangent(self._unit @ (g + g.T))
        return self._factor * self._rank_jacobian.vjp(ranks)

    def _tangent(self, x):
        """Derivative of the division of each column by its length."""
        along = (self._unit * x).sum(axis=0)
        return (x - self._unit * along) * self._inverse_norm

    def _matvec(self, x):
        return self.jvp(np.reshape(x, self.input_shape)).ravel()

    def _rmatvec(self, x):
        return self.vjp(np.reshape(x, self.output_shape)).ravel()


def soft_spearman_corr(
    X, epsilon=1.0, *, regularization="quadratic", return_jacobian=False
):
    """Correlations of the soft ranks of the columns of X.

    Spearman's correlation for ``epsilon=0``, and with ``regularization="quadratic"``
    Pearson's from the `epsilon` on that pools each column.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Real, finite numbers; at least two rows.
    epsilon : float, default=1.0
        Strength of the regularization, in the units of `X`, as in `soft_rank`: columns
        should have one unit. 0 gives hard ranks, the mean rank to ties.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        As in `soft_rank`.
    return_jacobian : bool, default=False
        Whether to return the derivative too.

    Returns
    -------
    correlation : ndarray of shape (n_features, n_features)
        Symmetric. NaN in the rows and columns of a feature that is constant, 1
        elsewhere on the diagonal.
    jacobian : CorrelationJacobian
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
    """
    epsilon = check_epsilon(epsilon)
    return_jacobian = check_flag(return_jacobian, "return_jacobian")
    X = check_values(X, "X").astype(np.float64, copy=False)
    if X.ndim != 2 or X.shape[0] < 2:
        raise ValueError(
            f"X must have two dimensions and at least two rows, got shape {X.shape}."
        )
    check_finite(X, "X", factor=X.shape[0] ** 2)
    unit, norm, rank_jacobian, factor = _unit_ranks(X, epsilon, regularization)
    correlation = np.clip(unit.T @ unit, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    is_constant = norm == 0
    correlation[is_constant] = correlation[:, is_constant] = np.nan
    if not return_jacobian:
        return correlation
    return correlation, CorrelationJacobian(rank_jacobian, unit, norm, factor)


def soft_spearman(X, y, *, epsilon=1.0, regularization="quadratic"):
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

    Returns
    -------
    scores : ndarray of shape (n_features,)
        Absolute correlations. 0 for features that are constant.
    pvalues : ndarray of shape (n_features,)
        Two-sided p-values by Student's t distribution with n_samples - 2 degrees of
        freedom: that of `scipy.stats.spearmanr` for ``epsilon=0``, an approximation as
        good as that one otherwise.

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
    X, y = check_X_y(X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=3)
    y = check_values(y, "y")  # no text, no dates
    n_samples = y.size
    values = np.column_stack([X, y])
    check_finite(values, "X and y")
    with np.errstate(over="ignore"):
        values /= [interquartile_range(column) for column in values.T]
    name = "X and y, in units of their interquartile ranges,"
    check_finite(values, name, factor=n_samples**2)
    unit, *_ = _unit_ranks(values, epsilon / n_samples, regularization)
    scores = np.minimum(np.abs(unit[:, :-1].T @ unit[:, -1]), 1.0)
    freedom = n_samples - 2
    with np.errstate(divide="ignore"):
        statistic = scores * np.sqrt(freedom / ((1 - scores) * (1 + scores)))
    return scores, 2 * t_distribution.sf(statistic, freedom)


def _unit_ranks(X, epsilon, regularization):
    """Soft ranks of the columns, centred and of length 1, or 0 for constant columns.

    Returns them, their lengths before, the Jacobian of the ranks, and by which factors
    the columns were multiplied for it.
    """
    check_regularization(regularization, ("quadratic", "entropic", "kl"))
    varies = np.ptp(X, axis=0) > 0
    factor = np.ones(X.shape[1])
    if regularization == "quadratic":
        X, epsilon, factor = _widen(X, epsilon)
    ranks, jacobian = soft_rank(
        X, epsilon, regularization=regularization, axis=0, return_jacobian=True
    )
    centred = np.where(varies, ranks - ranks.mean(axis=0), 0.0)
    norm = np.linalg.norm(centred, axis=0)
    unit = np.divide(centred, norm, out=centred, where=norm > 0)
    return unit, norm, jacobian, factor


def _widen(X, epsilon):
    """Columns, epsilon and factors with the same correlations of quadratic soft ranks.

    The ranks of a column that is narrow enough are one pool and linear in it, whatever
    `epsilon`; but where they hardly differ, digits are lost. So these columns are made
    half as wide as one pool can always be.
    """
    spread = np.ptp(X, axis=0)
    epsilon = min(epsilon, 4 / X.shape[0] * spread.max(initial=0.0))
    width = 0.25 * X.shape[0] * epsilon
    is_narrow = (spread > 0) & (spread < width)
    if not is_narrow.any():
        return X, epsilon, np.ones(X.shape[1])
    narrow, spread = X[:, is_narrow], spread[is_narrow]
    X, factor = X.copy(), np.ones(X.shape[1])
    X[:, is_narrow] = (narrow - narrow.min(axis=0)) / spread * width
    factor[is_narrow] = width / spread
    return X, epsilon, factor
