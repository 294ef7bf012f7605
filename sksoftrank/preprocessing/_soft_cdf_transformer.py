"""What transformers of features by their soft distribution functions share."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from .._checks import check_weights, exact_table, nan_for_na
from .._sklearn import (
    BaseEstimator,
    Interval,
    OneToOneFeatureMixin,
    TransformerMixin,
    check_array,
    validate_data,
)
from .._typing import Features, RandomState
from ._column_samples import column_samples
from ._soft_cdf import SoftCDF

FLOATS = (np.float64, np.float32)


class SoftCDFTransformer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Each feature by its soft distribution function, then by a quantile function.

    Subclasses give the quantile function `_quantile`, its inverse `_probability`, and
    its derivative `_quantile_slope`.
    """

    _parameter_constraints: ClassVar[dict] = {
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "subsample": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    epsilon: float
    subsample: int | None
    random_state: RandomState
    scale_: NDArray[np.float64]
    soft_cdfs_: list[SoftCDF]
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    _quantile: Callable[..., NDArray[np.float64]]
    _quantile_slope: Callable[..., NDArray[np.float64]]
    _probability: Callable[..., NDArray[np.float64]]

    def _fit_sample(self, X, sample_weight):
        """Fit the functions of all features and return the samples of them in use."""
        X = self._check_values(X, reset=True)
        if sample_weight is not None:
            sample_weight = check_weights(
                sample_weight, "sample_weight", [(X.shape[0],)]
            )
        samples = column_samples(X, sample_weight, self.subsample, self.random_state)
        self.soft_cdfs_ = [
            SoftCDF(sample.values, sample.weight, self.epsilon) for sample in samples
        ]
        self.scale_ = np.array([cdf.scale for cdf in self.soft_cdfs_])
        return samples

    def transform(self, X: Features) -> NDArray[np.floating]:
        """Transform the features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Values of the features. NaN are kept.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Transformed features, float32 where `X` is. Dense, for the zeros of a sparse
            matrix have ranks, too.
        """
        X = self._check_values(X)
        return self._by_column(X, lambda j, cdf, x: self._quantile(cdf.cdf(x), j))

    def derivative(self, X: Features) -> NDArray[np.floating]:
        """Derivatives of the transformed features in the features.

        `transform` treats every entry by itself, so its Jacobian is diagonal, with
        these entries.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Values of the features.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            The derivative of each entry of ``transform(X)`` in the same entry of `X`:
            at a kink one of the two one-sided ones, at a jump 0. NaN where `X` is.
        """
        X = self._check_values(X)
        return self._by_column(
            X, lambda j, cdf, x: cdf.pdf(x) * self._quantile_slope(cdf.cdf(x), j)
        )

    def inverse_transform(self, X: ArrayLike) -> NDArray[np.floating]:
        """Map transformed features back.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Transformed features. Values out of range are taken for the ends of it, NaN
            are kept.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Values of the features, float32 where `X` is. Where `transform` is constant,
            the middle of the interval.
        """
        check_is_fitted(self)
        # Names of features are those of the transformed ones here, so not compared.
        X = check_array(nan_for_na(X), dtype=FLOATS, ensure_all_finite="allow-nan")
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X must have the {self.n_features_in_} features that were fitted, got "
                f"{X.shape[1]}."
            )
        return self._by_column(X, lambda j, cdf, y: cdf.ppf(self._probability(y, j)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_values(self, X, reset=False):
        """X as an array or a CSC matrix without duplicate entries."""
        if not reset:
            check_is_fitted(self)
        X = validate_data(
            self,
            exact_table(X, "X"),
            accept_sparse="csc",
            dtype=FLOATS,
            ensure_all_finite="allow-nan",
            reset=reset,
        )
        if sparse.issparse(X) and not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        return X

    def _by_column(self, X, function):
        out = np.empty(X.shape, dtype=X.dtype)
        for j, cdf in enumerate(self.soft_cdfs_):
            if sparse.issparse(X):
                part = slice(X.indptr[j], X.indptr[j + 1])
                out[:, j] = function(j, cdf, np.zeros(1))
                out[X.indices[part], j] = function(
                    j, cdf, X.data[part].astype(np.float64)
                )
            else:
                out[:, j] = function(j, cdf, X[:, j].astype(np.float64))
        return out
