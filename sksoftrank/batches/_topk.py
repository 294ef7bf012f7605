"""Top-k classification on blocks of rows."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from .._sklearn import FitCallbacks, plain_classes, refuse_masked
from ..classification import SoftTopKClassifier as InMemory
from ..losses._topk import CrossEntropy, TopKLoss, check_ks
from ._blocks import Block, Floats, Source, check_frequencies, check_X, n_rows_of
from ._docs import documented_as
from ._estimators import BatchesMixin, in_one_reading
from ._scores import (
    BlocksLoss,
    Rows,
    design_of,
    merge_score_facts,
    score_facts,
)


@documented_as(InMemory)
class SoftTopKClassifier(BatchesMixin, InMemory):
    """Linear classification by a soft top-k error, of data larger than memory.

    The estimator of the same name in `sksoftrank`, which `fit_batches` fits to data
    that are read a batch at a time. Every evaluation of the objective reads them once:
    20 to 250 readings in all, with many classes most. They go to the minimum, whatever
    `early_stopping` says.

    See Also
    --------
    sksoftrank.SoftTopKClassifier : For data in memory; `to_local` gives one.
    sksoftrank.dask.SoftTopKClassifier : For collections of dask.

    Notes
    -----
    The first reading finds the classes, the second centre and coordinates of the
    features. From there on iterations are those in memory, with sums over all batches.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sksoftrank.batches import SoftTopKClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> batches = [(X[:80], y[:80]), (X[80:], y[80:])]
    >>> model = SoftTopKClassifier(k=2).fit_batches(batches)
    >>> model.predict_topk(X[:2])
    array([[0, 1],
           [0, 1]])
    """

    _in_memory: ClassVar[type] = InMemory

    fit = in_one_reading(InMemory.fit)

    def _fit_source(self, source: Source) -> None:
        callbacks = FitCallbacks(self, None, None, {})
        is_warm = self.warm_start and hasattr(self, "coef_")
        totals = source.reduce(class_weights, merge=_merge_totals)
        self._set_classes(totals, is_warm)
        shares = check_ks(self.k, self.classes_.size)
        read = ClassRows(self.classes_, self._class_factors(totals))
        facts = source.reduce(score_facts, read, merge=merge_score_facts)
        if is_warm and self.n_features_in_ != facts.low.size:
            raise ValueError(
                f"X must have the {self.n_features_in_} features of the previous fit "
                f"with warm_start=True, got {facts.low.size}."
            )
        design = design_of(facts, fit_intercept=self.fit_intercept, alpha=self.alpha_)
        topk = partial(
            TopKOfRows,
            shares=shares,
            epsilon=float(self.epsilon),
            operator=self.operator,
            growth=self.growth,
            squashing=self.squashing,
        )
        self._fit_objectives(
            BlocksLoss(source, read, CrossEntropy, design),
            lambda z: BlocksLoss(source, read, topk, design, origin=z),
            is_warm,
            callbacks,
            facts.dtype,
        )
        callbacks.end_fit()
        self._set_names(facts.names, facts.low.size)
        self._report_reads(source)

    def _set_classes(self, totals: dict, is_warm: bool) -> None:
        counted = [label for label, (weight, _) in totals.items() if weight > 0]
        try:
            counted.sort()
        except TypeError as error:
            kinds = sorted({type(label).__name__ for label in counted})
            raise TypeError(
                f"y must hold classes of one kind in all blocks, got "
                f"{' and '.join(kinds)}."
            ) from error
        classes = np.array(counted)
        self._keep_classes(classes, is_warm)
        total = sum(weight for weight, _ in totals.values())
        n_positive = sum(n_rows for _, n_rows in totals.values())
        self.alpha_ = self._strength(np.array([max(total, n_positive)]))

    def _class_factors(self, totals: dict) -> Floats:
        """Factors of the weights of the rows, by class."""
        total = np.array([totals[label][0] for label in self.classes_.tolist()])
        columns = np.arange(self.classes_.size)
        weight = self._weigh_classes(columns, self.classes_, total / total.max())
        return weight / total


@dataclass(frozen=True)
class ClassRows:
    """Reads the rows of positive weight of a block, with columns of their classes."""

    classes: Any
    factors: Floats  # of the weights, by class

    def __call__(self, block: Block) -> Rows:
        """Features, weights and columns of the true classes."""
        labels, weight = labels_and_weights(block)
        used = weight > 0
        X = check_X(block)
        columns = np.searchsorted(self.classes, labels[used])
        columns = np.minimum(columns, self.classes.size - 1)
        is_new = self.classes[columns] != labels[used]
        if np.any(is_new):
            raise ValueError(
                f"y of block {block.number} must hold the classes of the first "
                f"reading, {self.classes.tolist()}, got "
                f"{labels[used][is_new].tolist()[0]!r}."
            )
        return Rows(X[used], weight[used] * self.factors[columns], columns)


class TopKOfRows(TopKLoss):
    """The loss of some rows; the weights come last."""

    def __init__(self, labels, weight, *, shares, epsilon, **options):
        super().__init__(labels, weight, shares, epsilon, **options)


def labels_and_weights(block: Block) -> tuple[Any, Floats]:
    """Labels and weights of the rows of a block."""
    n_rows = n_rows_of(block)
    refuse_masked(block.y, f"y of block {block.number}")
    labels = block.y.to_numpy() if hasattr(block.y, "to_numpy") else np.asarray(block.y)
    labels = plain_classes(labels, f"y of block {block.number}")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (n_rows,):
        raise ValueError(
            f"y of block {block.number} must have shape ({n_rows},), a class for each "
            f"row of X, got {labels.shape}."
        )
    if n_rows:
        try:
            check_classification_targets(labels)
        except ValueError as error:
            raise ValueError(f"y of block {block.number}: {error}") from error
    return labels, check_frequencies(block)


def class_weights(block: Block) -> dict:
    """Weight of each class in a block, and its number of rows of positive weight."""
    labels, weight = labels_and_weights(block)
    used = weight > 0
    labels, weight = labels[used], weight[used]
    classes, columns = np.unique(labels, return_inverse=True)
    total = np.bincount(columns, weight, classes.size)
    count = np.bincount(columns, minlength=classes.size)
    pairs = zip(total.tolist(), count.tolist(), strict=True)
    return dict(zip(classes.tolist(), pairs, strict=True))


def _merge_totals(first: dict, second: dict) -> dict:
    merged = dict(first)
    for label, (weight, n_rows) in second.items():
        total, count = merged.get(label, (0.0, 0))
        merged[label] = total + weight, count + n_rows
    return merged
