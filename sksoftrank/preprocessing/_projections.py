"""Transformers that project rows: isotonic, or onto a permutahedron."""

from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted

from .. import _pav
from .._checks import KINDS, check_finite, exact_table, moderate
from .._isotonic import isotonic_rows, weighted_isotonic_rows
from .._rows import argsort_rows, unsorted
from .._sklearn import (
    BaseEstimator,
    Interval,
    OneToOneFeatureMixin,
    StrOptions,
    TransformerMixin,
    check_array,
    fit_context,
    validate_data,
)
from .._typing import RankRegularization, Regularization
from ._soft_cdf_transformer import FLOATS

# Rows are projected in chunks of about this many values, which stay in cache.
CHUNK_SIZE = 2**15

# Weights below this share of the largest are as good as zero beside it.
NEGLIGIBLE = 1e-250

# Ranges of rows below which exponentials lose digits to 1, and from which they
# underflow.
NARROW, FARTHEST = 1.0, 600.0


class _RowProjection(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Projection of each row; subclasses give `_project` of rows in float64."""

    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    _project: Callable[..., NDArray[np.float64]]

    def transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """Project the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Their projections, float32 where `X` is.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            exact_table(X, "X"),
            dtype=FLOATS,
            ensure_all_finite=False,
            reset=False,
        )
        try:  # ranges are multiplied by two sizes of blocks
            check_finite(X, "X", factor=X.shape[1] ** 2 / min(self._unit(), 1.0))
        except ValueError:
            assert_all_finite(X, estimator_name=type(self).__name__, input_name="X")
            raise
        out = np.empty_like(X)
        # Not by gen_batches, whose checks take longer than a batch of a few rows.
        size = max(1, CHUNK_SIZE // X.shape[1])
        for batch in (slice(i, i + size) for i in range(0, X.shape[0], size)):
            out[batch] = self._project(np.ascontiguousarray(X[batch], np.float64))
        return out

    def _unit(self):
        """Of the rows that are projected."""
        return 1.0

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class IsotonicProjection(_RowProjection):
    """Replace each row by the closest monotone row.

    For rows that are curves, such as dose responses, survival functions or quantiles,
    and ought to rise or fall from feature to feature.

    Parameters
    ----------
    increasing : bool, default=True
        Whether the projected rows are non-decreasing, else non-increasing.
    regularization : {"quadratic", "entropic"}, default="quadratic"
        "quadratic" gives the closest row in the (weighted) Euclidean sense;
        "entropic" minimises ``sum(weights * (exp(x - v) + v))``.
    weights : array-like of shape (n_features,), default=None
        Weights of the features, at least 0 and not all 0. A feature of weight 0 moves
        no other; its value is the best that those allow. None means equal weights.
    y_min, y_max : float, default=None
        Bounds of the projected values. None means no bound.

    Attributes
    ----------
    weights_ : ndarray of shape (n_features,) or None
        The weights of the features. None if all are equal.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    See Also
    --------
    isotonic_projection : The operator behind it, with its Jacobian.
    sklearn.isotonic.IsotonicRegression : Fits one monotone function to all samples.
    scipy.optimize.isotonic_regression : One row, quadratic.

    Notes
    -----
    A projected row is constant on blocks B, where it is the weighted mean of the row
    (quadratic), rounded once, or the logarithm of the weighted mean of exp of it
    (entropic).

    Bounds are met by clipping the unbounded solution. That is exact: the entries where
    an optimal v exceeds a threshold t minimise the sum of the derivatives at t of the
    terms of the objective, over all upper sets of features, whatever the bounds. So
    bounds decide only which thresholds there are.

    Examples
    --------
    >>> import numpy as np
    >>> from sksoftrank.preprocessing import IsotonicProjection
    >>> X = np.array([[0.0, 2.0, 1.0, 3.0], [1.0, 0.0, 0.0, 9.0]])
    >>> IsotonicProjection().fit_transform(X).round(3)
    array([[0.   , 1.5  , 1.5  , 3.   ],
           [0.333, 0.333, 0.333, 9.   ]])
    >>> IsotonicProjection(weights=[1, 1, 3, 1], y_max=2.0).fit_transform(X)
    array([[0.  , 1.25, 1.25, 2.  ],
           [0.2 , 0.2 , 0.2 , 2.  ]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "increasing": ["boolean"],
        "regularization": [StrOptions({"quadratic", "entropic"})],
        "weights": ["array-like", None],
        "y_min": [Interval(Real, None, None, closed="both"), None],
        "y_max": [Interval(Real, None, None, closed="both"), None],
    }

    weights_: NDArray[np.float64] | None

    def __init__(
        self,
        *,
        increasing: bool = True,
        regularization: Regularization = "quadratic",
        weights: ArrayLike | None = None,
        y_min: float | None = None,
        y_max: float | None = None,
    ) -> None:
        self.increasing = increasing
        self.regularization = regularization
        self.weights = weights
        self.y_min = y_min
        self.y_max = y_max

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Check the parameters; nothing is learned from the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.

        Returns
        -------
        IsotonicProjection
            The fitted transformer.
        """
        X = validate_data(self, exact_table(X, "X"), dtype=FLOATS)
        if (
            self.y_min is not None
            and self.y_max is not None
            and self.y_min > self.y_max
        ):
            raise ValueError(
                f"y_min must be at most y_max, got {self.y_min} and {self.y_max}."
            )
        self.weights_ = None
        if self.weights is not None:
            weights = _check_vector(self.weights, X.shape[1], "weights")
            if weights.min() < 0 or not weights.any():
                raise ValueError(
                    f"weights must be at least 0 and not all 0, got values from "
                    f"{weights.min()} to {weights.max()}."
                )
            if (weights != weights[0]).any():
                self.weights_ = weights
        return self

    def _project(self, X):
        # The solution of the operator falls.
        direction = -1 if self.increasing else 1
        weights = None if self.weights_ is None else self.weights_[::direction]
        solution = _isotonic(X[:, ::direction], weights, self.regularization)
        lower = -np.inf if self.y_min is None else self.y_min
        upper = np.inf if self.y_max is None else self.y_max
        return np.clip(solution[:, ::direction], lower, upper)


def _isotonic(X, weights, regularization):
    """Non-increasing solutions for the rows of X."""
    if weights is None:
        return _solve(X, None, KINDS[regularization])
    is_kept = weights > NEGLIGIBLE * weights.max()
    solve = _weighted_means if regularization == "quadratic" else _weighted_log_means
    kept = solve(np.ascontiguousarray(X[:, is_kept]), moderate(weights[is_kept]))
    if is_kept.all():
        return kept
    # The limit for small weights: they move no others, and fit best what those allow.
    out = np.empty(X.shape)
    out[:, is_kept] = kept
    place = np.cumsum(is_kept)  # one after the last feature that is kept
    ends = np.full((len(X), 1), np.inf)
    kept = np.hstack([ends, kept, -ends])
    left = np.flatnonzero(~is_kept)
    for run in np.split(left, np.flatnonzero(np.diff(place[left])) + 1):
        own_weights = weights[run] if weights[run].any() else None
        own = _isotonic(X[:, run], own_weights, regularization)
        upper, lower = kept[:, place[run[0]], None], kept[:, place[run[0]] + 1, None]
        out[:, run] = np.clip(own, lower, upper)
    return out


def _solve(X, w, kind, project=False):
    """`isotonic_projection`, or for sorted rows the other one, without checks."""
    w = None if w is None else np.ascontiguousarray(w[None])
    out = np.empty(X.shape)
    isotonic_rows(np.ascontiguousarray(X), w, 1.0, kind, project, out, None, None, None)
    return out


def _weighted_means(X, weights):
    out = np.empty(X.shape)
    weighted_isotonic_rows(X, weights, out)
    return out


def _weighted_log_means(X, weights):
    """The same of logarithms of weighted means of exp(X)."""
    top = X.max(axis=1, keepdims=True)
    spread = (top - X.min(axis=1, keepdims=True))[:, 0]
    out = np.empty(X.shape)
    for which, solve in (
        ((spread >= NARROW) & (spread < FARTHEST), partial(_by_powers, np.exp, np.log)),
        (spread < NARROW, partial(_by_powers, np.expm1, np.log1p)),
        (spread >= FARTHEST, _by_logarithms),
    ):
        if which.all():
            return solve(X, top, weights)
        if which.any():
            out[which] = solve(X[which], top[which], weights)
    return out


def _by_powers(power, inverse, X, top, weights):
    powers = X - top
    power(powers, out=powers)
    means = _weighted_means(powers, weights)
    is_own = means == powers
    inverse(means, out=means)
    means += top
    np.copyto(means, X, where=is_own)
    return np.minimum.accumulate(means, axis=1, out=means)


def _by_logarithms(X, _, weights):
    # To numbers that large, logarithms of weights can be added without loss of digits.
    log_weights = np.log(weights)
    return _solve(X + log_weights, log_weights, _pav.ENTROPIC)


class PermutahedronProjection(_RowProjection):
    """Project each row, divided by `epsilon`, on the permutahedron of `w`.

    The result has the order of the row and, as `epsilon` goes to 0, the values of `w`:
    a permutation of them. For ``w=None`` these are soft ranks. As `epsilon` grows, rows
    shrink towards the mean of `w`.

    Parameters
    ----------
    epsilon : float, default=1.0
        Strength of the smoothing, at least 0, in units of the rows per unit of `w`. 0
        gives the values of `w` in the order of the row, their mean to tied entries.
    w : array-like of shape (n_features,), "mean" or None, default=None
        The vertex of the permutahedron, in any order. None means 1, ..., n_features.
        "mean" learns it: the k-th smallest entry is the mean over the training rows of
        their k-th smallest entries, the target of quantile normalisation [2]_.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        "quadratic" is the Euclidean projection. "kl" is the projection of exp of the
        row in the sense of Kullback and Leibler, for positive `w` and not for "mean".
        "entropic" is the logarithm of that, for exp of `w`.

    Attributes
    ----------
    w_ : ndarray of shape (n_features,)
        The vertex, in increasing order.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    See Also
    --------
    project_permutahedron, soft_rank : The operators behind it, with their Jacobians.
    SoftQuantileNormalizer : Quantile normalisation of features instead of rows.

    Notes
    -----
    P(w) is the convex hull of the permutations of w. The projection of a row x is the p
    in P(w) with the smallest ``||p - x / epsilon||^2 / 2`` or, for "kl", the smallest
    ``KL(p, exp(x / epsilon))``; for "entropic" it is the logarithm of the latter with
    exp(w) in place of w ([1]_, section 4).

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.
    .. [2] B. M. Bolstad, R. A. Irizarry, M. Astrand, T. P. Speed, "A comparison of
       normalization methods for high density oligonucleotide array data based on
       variance and bias", Bioinformatics 19, 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from sksoftrank.preprocessing import PermutahedronProjection
    >>> X = np.array([[5.0, 2.0, 3.0, 4.0], [4.0, 1.0, 2.0, 30.0]])
    >>> PermutahedronProjection(epsilon=2.0).fit_transform(X).round(2)
    array([[3.25, 1.75, 2.25, 2.75],
           [2.83, 1.33, 1.83, 4.  ]])
    >>> PermutahedronProjection(epsilon=0, w="mean").fit_transform(X)
    array([[17.5,  1.5,  2.5,  4. ],
           [ 4. ,  1.5,  2.5, 17.5]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "w": ["array-like", StrOptions({"mean"}), None],
        "regularization": [StrOptions({"quadratic", "entropic", "kl"})],
    }

    w_: NDArray[np.float64]

    def __init__(
        self,
        epsilon: float = 1.0,
        *,
        w: ArrayLike | Literal["mean"] | None = None,
        regularization: RankRegularization = "quadratic",
    ) -> None:
        self.epsilon = epsilon
        self.w = w
        self.regularization = regularization

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn or check the vertex of the permutahedron.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : None
            Ignored.

        Returns
        -------
        PermutahedronProjection
            The fitted transformer.
        """
        X = validate_data(self, exact_table(X, "X"), dtype=FLOATS)
        if self.w is None:
            self.w_ = np.arange(1.0, X.shape[1] + 1)
        elif isinstance(self.w, str):
            if self.regularization == "kl":
                raise ValueError(
                    'w must be an array or None for regularization="kl", got "mean".'
                )
            self.w_ = np.sort(X, axis=1).mean(axis=0, dtype=np.float64)
        else:
            self.w_ = np.sort(_check_vector(self.w, X.shape[1], "w"))
        check_finite(self.w_, "w", factor=self.w_.size**2)
        if self.regularization == "kl" and self.w_[0] <= 0:
            raise ValueError(
                f'w must be above 0 for regularization="kl", got {self.w_[0]}.'
            )
        return self

    def _project(self, X):
        if self.epsilon == 0:
            return _mean_over_ties(X, self.w_)
        w = np.log(self.w_) if self.regularization == "kl" else self.w_
        kind = _pav.QUADRATIC if self.regularization == "quadratic" else _pav.ENTROPIC
        order, z = argsort_rows(X / self.epsilon, descending=True)
        out = unsorted(_solve(z, w[::-1], kind, project=True), order)
        return np.exp(out) if self.regularization == "kl" else out

    def _unit(self):
        return self.epsilon or 1.0


def _mean_over_ties(X, w):
    """The increasing w in the order of each row, its mean to tied entries."""
    # Entries first, ..., last - 1 of the sorted row are tied.
    first = rankdata(X, "min", axis=1).astype(np.intp) - 1
    last = rankdata(X, "max", axis=1).astype(np.intp)
    sums = np.append(0.0, np.cumsum(w - w[0]))
    mean = w[0] + (sums[last] - sums[first]) / (last - first)
    return np.where(last - first == 1, w[first], mean)


def _check_vector(vector, n_features, name):
    """One number a feature, in float64."""
    vector = check_array(vector, ensure_2d=False, dtype=np.float64, input_name=name)
    if vector.shape != (n_features,):
        raise ValueError(
            f"{name} must have shape ({n_features},), one number a feature, got "
            f"{vector.shape}."
        )
    return vector
