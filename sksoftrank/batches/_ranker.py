"""Label ranking on blocks of rows."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._checks import check_values, exact_differences, nonfinite_error
from .._sklearn import FitCallbacks
from ..label_ranking import SoftSpearmanLabelRanker as InMemory
from ..label_ranking._orders import looks_like_zeros_for_unranked
from ..label_ranking._rankers import ridge_targets
from ..label_ranking._rankings import check_table, ranks_and_weights, warn_of_rankings
from ..losses._soft_ranks import SpearmanLoss
from ..metrics._labels import label_names
from ._blocks import Block, Floats, Source, check_frequencies, check_X, n_rows_of
from ._docs import documented_as
from ._estimators import BatchesMixin, in_one_reading
from ._scores import (
    BlocksLoss,
    Rows,
    ScoreFacts,
    design_of,
    merge_score_facts,
    score_facts,
)


@documented_as(InMemory)
class SoftSpearmanLabelRanker(BatchesMixin, InMemory):
    """Linear label ranking by soft ranks, of data larger than memory.

    The estimator of the same name in `sksoftrank`, which `fit_batches` fits to data
    that are read a batch at a time. Every evaluation of the objective reads them once:
    ten to thirty readings in all.

    See Also
    --------
    sksoftrank.SoftSpearmanLabelRanker : For data in memory; `to_local` gives one.
    sksoftrank.dask.SoftSpearmanLabelRanker : For collections of dask.

    Notes
    -----
    The first reading finds the labels, centre and coordinates of the features. From
    there on iterations are those in memory, with sums over all batches. Rankings are
    ranked anew in every reading.

    Examples
    --------
    >>> import numpy as np
    >>> from sksoftrank.batches import SoftSpearmanLabelRanker
    >>> X = np.arange(20.0)[:, None]
    >>> y = np.where(X < 10, [[1, 2, 3]], [[3, 2, 1]])
    >>> batches = [(X[::2], y[::2]), (X[1::2], y[1::2])]
    >>> model = SoftSpearmanLabelRanker().fit_batches(batches)
    >>> model.predict([[0.0], [19.0]])
    array([[1., 2., 3.],
           [3., 2., 1.]])
    """

    _in_memory: ClassVar[type] = InMemory

    fit = in_one_reading(InMemory.fit)

    def _fit_source(self, source: Source) -> None:
        callbacks = FitCallbacks(self, None, None, {})
        is_warm = self.warm_start and hasattr(self, "coef_")
        facts = source.reduce(
            ranking_facts, RankRows(self.target, None), merge=_merge_facts
        )
        self._set_labels(facts, is_warm)
        scores = facts.scores
        if is_warm and self.n_features_in_ != scores.low.size:
            raise ValueError(
                f"X must have the {self.n_features_in_} features of the previous fit "
                f"with warm_start=True, got {scores.low.size}."
            )
        design = design_of(
            scores, fit_intercept=self.fit_intercept, alpha=self._strength()
        )
        read = RankRows(self.target, facts.names)
        if is_warm:
            z, n_iter = self._warm_coordinates(design), 1
        else:
            ridge = partial(_ridge, regularization=self.regularization)
            z, n_iter = self._start(BlocksLoss(source, read, ridge, design))
        self._report(f"start: {n_iter} iterations")
        loss = partial(SpearmanLoss, epsilon=1.0, regularization=self.regularization)
        self._fit_scores(
            BlocksLoss(source, read, loss, design),
            z,
            lambda z: z * self.epsilon,
            n_iter=n_iter,
            ftol=self.tol**2,
            callbacks=callbacks,
            dtype=scores.dtype,
        )
        callbacks.end_fit()
        self._set_names(scores.names, scores.low.size)
        self._report_reads(source)

    def _set_labels(self, facts: "RankingFacts", is_warm: bool) -> None:
        n_labels = facts.n_ranked.size
        if facts.scores.total == 0:
            raise ValueError(
                "y must have a row with at least two ranked labels and a positive "
                "weight in sample_weight, got none."
            )
        labels = np.arange(n_labels) if facts.names is None else np.array(facts.names)
        if is_warm and list(labels) != list(self.labels_):
            raise ValueError(
                f"y must have the labels of the previous fit with warm_start=True, "
                f"{self.labels_.tolist()}, got {labels.tolist()}."
            )
        self.labels_ = labels
        has_zeros = self.target == "ranks" and facts.has_zeros
        warn_of_rankings(labels, facts.n_ranked == 0, has_zeros)


def _ridge(ranks: Floats, weight: Floats, regularization: str | None) -> SpearmanLoss:
    return SpearmanLoss(ridge_targets(ranks, regularization), weight, 1.0, None)


@dataclass(frozen=True)
class RankRows:
    """Reads the rows of a block with their ranks."""

    target: str
    names: tuple | None  # of the labels

    def __call__(self, block: Block) -> Rows:
        """Features, weights and ranks."""
        y = rankings(block)
        weight = check_frequencies(block)
        if len(y) == 0:
            return Rows(check_X(block), weight, y)
        ranks, weight = ranks_and_weights(y, weight, self.target)
        return Rows(check_X(block), weight, ranks)


def rankings(block: Block) -> Floats:
    """Rankings of a block, a column for each label."""
    name = f"y of block {block.number}"
    check_table(block.y)
    y = block.y.to_numpy() if hasattr(block.y, "to_numpy") else block.y
    y = check_values(exact_differences(y, name), name).astype(np.float64)
    if np.isinf(y).any():
        raise nonfinite_error(y, name)
    if y.ndim != 2 or len(y) != n_rows_of(block):
        raise ValueError(
            f"{name} must have shape (n_rows, n_labels), a row for each row of X and a "
            f"column for each label, got {y.shape}."
        )
    return y


class RankingFacts(NamedTuple):
    """What the first reading tells of rankings."""

    scores: ScoreFacts
    n_ranked: Any  # rows that count and rank the label
    names: tuple | None  # of the labels
    has_zeros: bool  # that seem to mean "not ranked"


def ranking_facts(block: Block, read: RankRows) -> RankingFacts:
    """What one block tells."""
    _, weight, ranks = read(block)
    names = label_names(block.y)
    return RankingFacts(
        score_facts(block, read),
        (~np.isnan(ranks[weight > 0])).sum(axis=0),
        None if names is None else tuple(names),
        bool(len(ranks) and looks_like_zeros_for_unranked(rankings(block))),
    )


def _merge_facts(first: RankingFacts, second: RankingFacts) -> RankingFacts:
    if first.n_ranked.size != second.n_ranked.size or first.names != second.names:
        raise ValueError(
            f"y must have the same columns in all blocks, got "
            f"{first.names or first.n_ranked.size} and "
            f"{second.names or second.n_ranked.size}."
        )
    return RankingFacts(
        merge_score_facts(first.scores, second.scores),
        first.n_ranked + second.n_ranked,
        first.names,
        first.has_zeros or second.has_zeros,
    )
