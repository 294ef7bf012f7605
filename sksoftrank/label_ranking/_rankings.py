"""What label rankers share: reading rankings, and ranks from scores."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.utils import check_consistent_length, gen_batches

from .._checks import exact_differences, warn
from .._sklearn import (
    StrOptions,
    check_sample_weight,
    refuse_dates,
    refuse_lazy,
    refuse_masked,
    validate_data,
)
from .._typing import Features, Target
from ..metrics import spearman_score
from ..metrics._labels import align_labels, label_names
from ._orders import looks_like_zeros_for_unranked

# Rows are ranked in batches of about this many numbers.
BATCH_SIZE = 2**14

TARGETS = StrOptions({"ranks", "relevance"})


class LabelRankerMixin:
    """Mixin for label rankers, which have a `decision_function` and a `target`.

    It reads rankings in `fit` and turns scores into ranks, orders and a score.

    See Also
    --------
    SoftSpearmanLabelRanker : A label ranker.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from sksoftrank.label_ranking import LabelRankerMixin
    >>> class Constant(LabelRankerMixin, BaseEstimator):
    ...     target = "ranks"
    ...     def fit(self, X, y):
    ...         self.labels_ = np.arange(y.shape[1])
    ...         return self
    ...     def decision_function(self, X):
    ...         return np.tile(-self.labels_, (len(X), 1))
    >>> Constant().fit(np.ones((2, 1)), np.ones((2, 3))).predict(np.ones((1, 1)))
    array([[1., 2., 3.]])
    """

    target: Target
    decision_function: Callable[..., NDArray[np.floating]]
    labels_: NDArray[Any]

    def predict(self, X: Features) -> NDArray[np.float64]:
        """Predict the ranks of the labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Ranks, 1 for the most preferred label, whatever `target` is. Labels with
            equal scores share their average rank.
        """
        return ranks_of_rows(self.decision_function(X), -1)

    def predict_order(self, X: Features) -> NDArray[Any]:
        """Predict the labels in the order of preference.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Entries of `labels_`, the most preferred first. Labels with equal scores
            keep the order of `labels_`.
        """
        scores = self.decision_function(X)
        return self.labels_[np.argsort(-scores, axis=1, kind="stable")]

    def score(
        self, X: Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Mean of Spearman's rank correlation of true and predicted ranks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples, n_labels)
            True rankings as in `fit`, with NaN for labels that are not ranked. The
            columns of a frame are found by their names, in any order.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.

        Returns
        -------
        float
            The mean over rows, see `sksoftrank.metrics.spearman_score`.
        """
        refuse_masked(y, "y")
        predicted = self.predict(X)
        if self.target != "ranks":
            predicted = -predicted
        y = align_labels(y, self.labels_)
        return spearman_score(y, predicted, sample_weight=sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        tags.input_tags.sparse = True
        return tags

    def _read_training_data(self, X, y, sample_weight, *, reset=True, **X_checks):
        """Checked X, ranks (1 = best, NaN = not ranked), weights, and the labels.

        Rows without two ranked labels get weight 0, for they say nothing.
        """
        check_table(y)
        if not reset:
            y = align_labels(y, self.labels_)
        labels = label_names(y)
        y = exact_differences(y, "y")
        refuse_lazy(X, "X")
        if y is not None:  # before the features of a new fit are noted
            check_consistent_length(X, y)
        X, y = validate_data(
            self,
            X,
            y,
            reset=reset,
            validate_separately=(
                {"accept_sparse": ["csr", "csc"], **X_checks},
                {
                    "dtype": np.float64,
                    "ensure_all_finite": "allow-nan",
                    "ensure_2d": False,
                },
            ),
        )
        if y.ndim != 2:
            raise ValueError(
                f"y must have shape (n_samples, n_labels), a column for each label, "
                f"got {y.shape}."
            )
        if labels is None:
            labels = np.arange(y.shape[1])
            if not reset and self.labels_.size == labels.size:
                labels = self.labels_  # columns without names are in this order
        weight = check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        ranks, weight = ranks_and_weights(y, weight, self.target)
        if not weight.any():
            raise ValueError(
                "y must have a row with at least two ranked labels and a positive "
                "weight in sample_weight, got none."
            )
        never = np.isnan(ranks[weight > 0]).all(axis=0)
        has_zeros = self.target == "ranks" and looks_like_zeros_for_unranked(y)
        warn_of_rankings(labels, never, has_zeros)
        return X, ranks, weight / weight.max(), labels


def warn_of_rankings(labels, never, has_zeros):
    """Say which labels are never ranked, and if 0 seems to mean "not ranked"."""
    if never.any():
        warn(
            f"y ranks the labels {labels[never].tolist()} in no row that counts: "
            f"nothing can be learned about them, and their place is arbitrary.",
        )
    if has_zeros:
        warn(
            "y holds 0 several times in a row beside the ranks 1, 2, ...: 0 is the "
            "best rank; labels that are not ranked must be NaN.",
        )


def ranks_and_weights(y, weight, target):
    """Ranks, 1 for the best, and weights: 0 for rows without two ranked labels."""
    sign = 1 if target == "ranks" else -1
    ranks = ranks_of_rows(y, sign)
    if y.shape[1] > 1:
        weight = np.where((~np.isnan(ranks)).sum(axis=1) > 1, weight, 0.0)
    return ranks, weight


def ranks_of_rows(y, sign=1):
    """Average ranks of sign * y in each row, NaN at NaN, a batch of rows at a time."""
    ranks = np.empty(y.shape)
    if y.size:
        for rows in gen_batches(len(y), max(1, BATCH_SIZE // y.shape[1])):
            ranks[rows] = rankdata(sign * y[rows], axis=1, nan_policy="omit")
    return ranks


def check_table(y):
    """Raise an error if y holds text, which may be read as numbers, or is ragged."""
    refuse_lazy(y, "y")
    refuse_masked(y, "y")
    refuse_dates(y, "y")
    try:
        array = np.asarray(y)
    except ValueError as error:
        raise ValueError(
            "y must have a column for each label, with NaN where it is not ranked, got "
            "rows of different lengths; ranks_from_orders makes ranks of lists of "
            "labels."
        ) from error
    if array.dtype.kind == "O":
        text = next((item for item in array.flat if isinstance(item, str)), None)
    else:
        text = array.flat[0] if array.dtype.kind in "US" and array.size else None
    if text is not None:
        raise ValueError(
            f"y must hold numbers, or NaN where not ranked, got {str(text)!r}; "
            f"ranks_from_orders makes ranks of lists of labels."
        )
