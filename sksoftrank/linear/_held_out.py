"""How many iterations pay: top-k accuracy of rows that a fit has not seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..losses._topk import CrossEntropy
from ._design import LinearDesign
from ._models import lbfgs
from ._penalized import PenalizedLoss

Array = NDArray[np.float64]

# Folds; with many rows the first of them tells enough.
N_FOLDS = 3
MANY_ROWS = 3000

# Iterations that are looked at, and how many of them in a row may bring nothing.
LONGEST = 60
PATIENCE = 10

# Derivatives, and relative progress, at which they end.
TOL, FTOL = 1e-4, 1e-6

# Standard errors by which iterations must pay, and within which more are as good.
WORTH = 0.5


class Fold(NamedTuple):
    """Rows to train on and rows to look at."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


def folds_by_content(X: Any, labels: NDArray[np.intp], scale: Array) -> list[Fold]:
    """Stratified folds that depend on the rows and not on their order.

    Equal rows come into one fold, so that frequencies are as good as repeats.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Features.
    labels : ndarray of int of shape (n_samples,)
        Classes.
    scale : ndarray of shape (n_features,)
        Scales of the features, 0 for those that do not count.

    Returns
    -------
    list of Fold
        Training and test rows, of as many folds as hold `MANY_ROWS` to look at. None if
        there are fewer than three rows.
    """
    direction = np.random.default_rng(0).standard_normal(X.shape[1])
    direction = np.divide(direction, scale, out=np.zeros(scale.size), where=scale > 0)
    if sparse.issparse(X):
        place = X @ direction
    else:  # a column at a time: sums of BLAS depend on the place of a row
        place = np.zeros(X.shape[0])
        for column, factor in zip(X.T, direction, strict=True):
            place += column * factor
    number = np.empty(labels.size, dtype=np.intp)
    for label in np.unique(labels):
        rows = labels == label
        number[rows] = np.unique(place[rows], return_inverse=True)[1] + label
    number %= N_FOLDS
    folds: list[Fold] = []
    n_tested = 0
    for fold in range(N_FOLDS):
        test = number == fold
        if test.any() and not test.all() and n_tested < MANY_ROWS:
            folds.append(Fold(np.flatnonzero(~test), np.flatnonzero(test)))
            n_tested += folds[-1].test.size
    return folds


def best_number(hits: Array, weight: Array) -> int:
    """The number of iterations after which rows are predicted best; 0 if none pays.

    Parameters
    ----------
    hits : ndarray of shape (n_iterations + 1, n_samples)
        From 0, wrong, to 1, right: each row, before the first iteration and after each.
    weight : ndarray of shape (n_samples,)
        Frequencies.

    Returns
    -------
    int
        The largest number that is as good as the best one up to half a standard error,
        if that is better than none by as much.
    """
    gain = hits - hits[0]
    mean = np.average(gain, axis=1, weights=weight)
    error = np.sqrt(((gain - mean[:, None]) ** 2) @ weight) / weight.sum()
    best = int(mean.argmax())
    if not mean[best] > WORTH * error[best]:
        return 0
    return int(np.flatnonzero(mean >= mean[best] - WORTH * error[best])[-1])


def steps_that_pay(
    design: LinearDesign,
    labels: NDArray[np.intp],
    weight: Array,
    shares: dict[int, float],
    fit_logistic: Callable[..., Any],
    make_loss: Callable[..., Any],
) -> int:
    """How many iterations rows are predicted best after that were left out.

    Parameters
    ----------
    design : LinearDesign
        The rows.
    labels, weight : ndarray of shape (n_samples,)
        Classes and frequencies.
    shares : dict of int to float
        Values of k and their weights.
    fit_logistic : callable
        Minimises the objective of the logistic regression of some rows.
    make_loss : callable
        ``make_loss(labels, weight)`` is the top-k loss of some rows.

    Returns
    -------
    int
        Number of iterations, 0 if the logistic regression is as good.
    """
    hits, rows = [], []
    scale = design.high - design.low
    for train, test in folds_by_content(design.X, labels, scale):
        if not (weight[train].any() and weight[test].any()):  # classes of weight 0
            continue
        part, rest = design.take(train), design.take(test)
        cross_entropy = CrossEntropy(labels[train], weight[train])
        z = fit_logistic(PenalizedLoss(cross_entropy, part)).x
        z = z.reshape(design.n_coordinates, -1)

        def score(move, rest=rest, z=z, test=test):
            scores = rest.predict(z + move.reshape(z.shape))
            return hits_of(scores, labels[test], shares)

        watch = Watch(score, weight[test])
        loss = make_loss(labels[train], weight[train])
        watch.minimize(PenalizedLoss(loss, part, part.predict(z)), np.zeros(z.size))
        hits.append(watch.filled())
        rows.append(test)
    if not hits:
        return 0
    return best_number(np.hstack(hits), weight[np.concatenate(rows)])


class Watch:
    """Scores of held-out rows after each iteration, until they grow no more.

    `score` is a function of the coordinates of a fit that returns one number a row.
    """

    def __init__(self, score: Callable[[Array], Array], weight: Array) -> None:
        self.score = score
        self.weight = weight
        self.scores: list[Array] = []
        self.best = (-np.inf, 0)

    def __call__(self, z: Array) -> bool:
        """Note the scores at z, and return whether to stop."""
        self.scores.append(self.score(z))
        total = float(self.scores[-1] @ self.weight)
        if total > self.best[0]:
            self.best = total, len(self.scores)
        return len(self.scores) - self.best[1] >= PATIENCE

    def minimize(
        self, function: Callable[[Array], tuple[float, Array]], z: Array
    ) -> None:
        """Minimise a function from z on, as `lbfgs` does, and watch the iterations."""

        def after_iteration(intermediate_result):
            if self(intermediate_result.x):
                raise StopIteration

        self(z)
        lbfgs(
            function, z, max_iter=LONGEST, tol=TOL, ftol=FTOL, callback=after_iteration
        )

    def filled(self) -> Array:
        """The scores of all iterations that are looked at; the last one stays."""
        missing = LONGEST + 1 - len(self.scores)
        return np.array(self.scores + missing * self.scores[-1:])[: LONGEST + 1]


def hits_of(scores: Array, labels: NDArray[np.intp], shares: dict[int, float]) -> Array:
    """The part of the values of k whose k best classes hold the label, of each row."""
    true = scores[np.arange(labels.size), labels]
    before = (scores > true[:, None]).sum(axis=1)
    return sum(share * (before < k) for k, share in shares.items()) * 1.0
