"""Soft least trimmed squares on collections of dask."""

from typing import Any, ClassVar, Self

import numpy as np

from .._sklearn import fit_context, is_lazy
from ..batches import SoftLTSRegressor as OfBatches
from ..batches._docs import documented_as
from ..batches._lts import OF_ROWS
from ..robust import SoftLTSRegressor as InMemory
from ._blocks import DaskBlocks
from ._estimators import DaskMixin
from ._metrics import r2_score

ATTRIBUTES = """n_reads_ : int
    How often the data were read."""


@documented_as(InMemory, attributes=ATTRIBUTES)
class SoftLTSRegressor(DaskMixin, OfBatches):
    """Linear regression by soft least trimmed squares, of collections of dask.

    The estimator of the same name in `sksoftrank` for dask arrays and data frames. They
    are read about five times, whatever the number of rows, and are never gathered nor
    persisted: where they fit into the memory of the cluster, `persist` them before.

    See Also
    --------
    sksoftrank.SoftLTSRegressor : For data in memory; `to_local` gives one.
    sksoftrank.batches.SoftLTSRegressor : For files that are read batch by batch.

    Notes
    -----
    What is fitted and how is said at `sksoftrank.batches.SoftLTSRegressor`. Any
    scheduler of dask will do, also from within a task of a cluster. `inlier_weight_`,
    `inlier_mask_` and `support_` are lazy dask arrays in the chunks of the data. They
    hold the graph of the data and are not pickled.

    Examples
    --------
    >>> import dask.array as da
    >>> from sksoftrank.dask import SoftLTSRegressor
    >>> rng = da.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 2), chunks=(100, 2))
    >>> y = X @ [1.0, 2.0] + 3.0 + 0.1 * rng.normal(size=1000, chunks=100)
    >>> X = da.concatenate([X[:700], X[700:] + 10.0])  # bad leverage points
    >>> model = SoftLTSRegressor(random_state=0).fit(X, y)
    >>> model.coef_.round(1), round(float(model.intercept_), 1)
    (array([1., 2.]), 3.0)
    >>> int(model.inlier_mask_[700:].sum().compute())
    0
    """

    inlier_weight_: Any  # dask arrays
    inlier_mask_: Any
    support_: Any

    _of_rows: ClassVar[tuple[str, ...]] = OF_ROWS  # type: ignore[misc]
    _only_here: ClassVar[tuple[str, ...]] = ("n_reads_", *OF_ROWS)

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, sigma: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features, with all columns in each chunk; the sizes of chunks may be
            unknown, and chunks may be empty.
        y : dask array, series or frame of shape (n_samples,) or (n_samples, 1)
            Targets. Known chunks are aligned to those of `X`.
        sample_weight : dask array or series of shape (n_samples,), default=None
            Frequencies of the observations, as in memory.
        sigma : dask array or series of shape (n_samples,), default=None
            Relative standard deviations of the errors, as in memory.

        Returns
        -------
        SoftLTSRegressor
            The fitted estimator.
        """
        source = self._fit_collections(X, y=y, sample_weight=sample_weight, sigma=sigma)
        self._set_lazy_rows(source)
        return self

    def _set_lazy_rows(self, source: DaskBlocks) -> None:
        rows = source.X, source.columns["y"], source.columns["sigma"]
        self.inlier_weight_ = self._lazy("inlier_weight", *rows, dtype=np.float64)
        self.inlier_mask_ = self._lazy("inlier_mask", *rows, dtype=np.bool_)
        self.support_ = self._lazy(
            _is_supported, *rows, dtype=np.bool_, options={"limit": self._hard_limit}
        )

    def predict(self, X: Any, *arguments: Any, **options: Any) -> Any:
        """Predict the targets.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features. Of arrays in memory predictions are those of `to_local`.
        *arguments, **options
            For arrays in memory only.

        Returns
        -------
        dask array of shape (n_samples,)
            Predicted targets, lazy.
        """
        if not is_lazy(X):
            return super().predict(X, *arguments, **options)
        return self._lazy("predict", self._check_columns(X), dtype=self.coef_.dtype)

    def score(
        self, X: Any, y: Any, sample_weight: Any = None, sigma: Any = None
    ) -> float:
        """R2 of the predictions, in which rows count with ``1 / sigma**2``.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features. For arrays in memory the score is that of `to_local`.
        y : dask array or series of shape (n_samples,)
            True targets.
        sample_weight : dask array or series of shape (n_samples,), default=None
            Frequencies of the observations.
        sigma : dask array or series of shape (n_samples,), default=None
            Relative standard deviations of the errors.

        Returns
        -------
        float
            The score, computed in one reading.
        """
        if not is_lazy(X):
            return super().score(X, y, sample_weight, sigma)
        columns = {"y": y, "sample_weight": sample_weight, "sigma": sigma}
        return r2_score(self._nameless(), self._check_columns(X), **columns)


def _is_supported(local, X, y, sigma=None, *, limit):
    """Whether residuals are among the h smallest."""
    return np.abs(local._residuals(X, y, sigma, "raw")) <= limit
