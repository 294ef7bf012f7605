"""Top-k classification and label ranking on collections of dask."""

from typing import Any, Self

import numpy as np

from .._sklearn import fit_context, is_lazy
from ..batches import SoftSpearmanLabelRanker as RankerOfBatches
from ..batches import SoftTopKClassifier as ClassifierOfBatches
from ..batches._docs import documented_as
from ..classification import SoftTopKClassifier as ClassifierInMemory
from ..label_ranking import SoftSpearmanLabelRanker as RankerInMemory
from ._estimators import DaskMixin
from ._metrics import accuracy_sums, mean_score, spearman_sums


@documented_as(ClassifierInMemory)
class SoftTopKClassifier(DaskMixin, ClassifierOfBatches):
    """Linear classification by a soft top-k error, of collections of dask.

    The estimator of the same name in `sksoftrank` for dask arrays and data frames. They
    are read once for each evaluation of the objective, 20 to 250 times, with many
    classes most, and are never gathered nor persisted: where they fit into the memory
    of the cluster, `persist` them before. Iterations go to the minimum, whatever
    `early_stopping` says.

    See Also
    --------
    sksoftrank.SoftTopKClassifier : For data in memory; `to_local` gives one.
    sksoftrank.batches.SoftTopKClassifier : For files that are read batch by batch.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_iris
    >>> from sksoftrank.dask import SoftTopKClassifier
    >>> iris = load_iris()
    >>> X = da.from_array(iris.data, chunks=(50, 4))
    >>> y = da.from_array(iris.target, chunks=50)
    >>> model = SoftTopKClassifier(k=2).fit(X, y)
    >>> model.predict_topk(X[:2]).compute()
    array([[0, 1],
           [0, 1]])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the scores.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features, with all columns in each chunk.
        y : dask array or series of shape (n_samples,)
            Classes, numbers or strings. Known chunks are aligned to those of `X`.
        sample_weight : dask array or series of shape (n_samples,), default=None
            Weights of the rows, as in memory.

        Returns
        -------
        SoftTopKClassifier
            The fitted estimator.
        """
        self._fit_collections(X, y=y, sample_weight=sample_weight)
        return self

    def decision_function(self, X: Any) -> Any:
        """Scores of the classes.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features. Of arrays in memory scores are those of `to_local`.

        Returns
        -------
        dask array of shape (n_samples, n_classes), or (n_samples,) for two classes
            Scores as in memory, lazy.
        """
        if not is_lazy(X):
            return super().decision_function(X)
        width = None if len(self.coef_) == 1 else len(self.coef_)
        return self._lazy(
            "decision_function",
            self._check_columns(X),
            dtype=self.coef_.dtype,
            width=width,
        )

    def predict(self, X: Any) -> Any:
        """Predict the class of largest score.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features. Of arrays in memory predictions are those of `to_local`.

        Returns
        -------
        dask array of shape (n_samples,)
            Entries of `classes_`, lazy.
        """
        if not is_lazy(X):
            return super().predict(X)
        return self._lazy("predict", self._check_columns(X), dtype=self.classes_.dtype)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of the predictions.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features. For arrays in memory the score is that of `to_local`.
        y : dask array or series of shape (n_samples,)
            True classes.
        sample_weight : dask array or series of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The score, computed in one reading.
        """
        if not is_lazy(X):
            return super().score(X, y, sample_weight)
        columns = {"y": y, "sample_weight": sample_weight}
        X = self._check_columns(X)
        return mean_score(accuracy_sums, self._nameless(), X, **columns)

    def predict_topk(self, X: Any, k: int | None = None) -> Any:
        """Predict the k classes of largest scores.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features. Of arrays in memory predictions are those of `to_local`.
        k : int, default=None
            How many classes, as in memory.

        Returns
        -------
        dask array of shape (n_samples, k)
            Entries of `classes_`, the one of the largest score first, lazy.
        """
        if not is_lazy(X):
            return super().predict_topk(X, k)
        X, k = self._check_columns(X), self._n_best(k)
        return self._lazy(
            "predict_topk", X, dtype=self.classes_.dtype, width=k, options={"k": k}
        )


@documented_as(RankerInMemory)
class SoftSpearmanLabelRanker(DaskMixin, RankerOfBatches):
    """Linear label ranking by soft ranks, of collections of dask.

    The estimator of the same name in `sksoftrank` for dask arrays and data frames. They
    are read once for each evaluation of the objective, ten to thirty times, and are
    never gathered nor persisted: where they fit into the memory of the cluster,
    `persist` them before.

    See Also
    --------
    sksoftrank.SoftSpearmanLabelRanker : For data in memory; `to_local` gives one.
    sksoftrank.batches.SoftSpearmanLabelRanker : For files read batch by batch.

    Examples
    --------
    >>> import dask.array as da
    >>> from sksoftrank.dask import SoftSpearmanLabelRanker
    >>> X = da.arange(20.0, chunks=5)[:, None]
    >>> y = da.where(X < 10, [[1, 2, 3]], [[3, 2, 1]])
    >>> model = SoftSpearmanLabelRanker().fit(X, y)
    >>> model.predict(X[::19]).compute()
    array([[1., 2., 3.],
           [3., 2., 1.]])
    """

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the scores.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features, with all columns in each chunk.
        y : dask array or data frame of shape (n_samples, n_labels)
            Rankings, as in memory. Known chunks are aligned to those of `X`.
        sample_weight : dask array or series of shape (n_samples,), default=None
            Weights of the rows, as in memory.

        Returns
        -------
        SoftSpearmanLabelRanker
            The fitted estimator.
        """
        self._fit_collections(X, y=y, sample_weight=sample_weight)
        return self

    def decision_function(self, X: Any) -> Any:
        """Scores of the labels.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features. Of arrays in memory scores are those of `to_local`.

        Returns
        -------
        dask array of shape (n_samples, n_labels)
            Scores as in memory, lazy.
        """
        if not is_lazy(X):
            return super().decision_function(X)
        return self._of_labels("decision_function", X, self.coef_.dtype)

    def predict(self, X: Any) -> Any:
        """Predict the ranks of the labels.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features. Of arrays in memory predictions are those of `to_local`.

        Returns
        -------
        dask array of shape (n_samples, n_labels)
            Ranks, 1 for the most preferred label, lazy.
        """
        if not is_lazy(X):
            return super().predict(X)
        return self._of_labels("predict", X, np.dtype(np.float64))

    def predict_order(self, X: Any) -> Any:
        """Predict the labels in the order of preference.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features. Of arrays in memory predictions are those of `to_local`.

        Returns
        -------
        dask array of shape (n_samples, n_labels)
            Entries of `labels_`, the most preferred first, lazy.
        """
        if not is_lazy(X):
            return super().predict_order(X)
        return self._of_labels("predict_order", X, self.labels_.dtype)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Mean of Spearman's rank correlation of true and predicted ranks.

        Parameters
        ----------
        X : dask array or data frame of shape (n_samples, n_features)
            Features. For arrays in memory the score is that of `to_local`.
        y : dask array or data frame of shape (n_samples, n_labels)
            True rankings as in `fit`.
        sample_weight : dask array or series of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The score, computed in one reading.
        """
        if not is_lazy(X):
            return super().score(X, y, sample_weight)
        columns = {"y": y, "sample_weight": sample_weight}
        X = self._check_columns(X)
        return mean_score(spearman_sums, self._nameless(), X, **columns)

    def _of_labels(self, method: str, X: Any, dtype: Any) -> Any:
        X = self._check_columns(X)
        return self._lazy(method, X, dtype=dtype, width=self.labels_.size)
