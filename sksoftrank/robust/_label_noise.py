"""How many labels are wrong, and which, from scores of rows that no fit has seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from ._readings import (
    LARGEST_LOSS,
    SMALLEST_PROBABILITY,
    label_losses,
    with_known_losses,
)

Array = NDArray[np.float64]

# Temperatures of the scores, and how near the rate may be to that of labels by chance.
TEMPERATURES = (0.05, 50.0)
MOST = 0.95

# Temperatures and rates (parts of the largest one) to start from: that of good scores,
# and of scores that have learned wrong labels by heart.
STARTS = ((1.0, 0.02), (1.0, 0.4), (5.0, 0.4))

# A rate up to this is worth no trimming. Scores of a larger temperature have learned
# labels by heart, and then the rate is not known.
SMALL_RATE = 0.05
LARGE_TEMPERATURE = 1.5

# Rows that are this likely to be right have no weight, and the largest part of a class
# to be trimmed.
SMALLEST_WEIGHT = 0.01
MOST_OF_CLASS = 0.5

# Standard errors by which one model must be better than another to replace it; their
# sum for losses and labels, and the smaller one of them.
SIGNIFICANT = 2.0
BOTH, WORST = 3.0, -1.0

# Standard errors by which hard trimming must predict more labels than soft weights.
HARD = 1.0


class LabelNoise(NamedTuple):
    """A class of probabilities ``softmax(scores / temperature)``, noted wrongly or not.

    A part `rate` of the labels is wrong, each of the other classes alike.
    """

    temperature: float
    rate: float

    def losses(self, scores: Array, label: NDArray[np.intp]) -> Array:
        """Minus the logarithms of the probabilities of the labels as they are noted."""
        return -np.log(self._noted(self._probability(scores, label), scores.shape[1]))

    def wrong_probability(self, scores: Array, label: NDArray[np.intp]) -> Array:
        """Probability of each label to be wrong, by the rule of Bayes."""
        p = self._probability(scores, label)
        return 1 - (1 - self.rate) * p / self._noted(p, scores.shape[1])

    def _probability(self, scores, label):
        p = np.exp(log_softmax(scores / self.temperature, axis=1))
        return p[np.arange(label.size), label]

    def _noted(self, p, n_classes):
        noted = (1 - self.rate) * p + self.rate / (n_classes - 1) * (1 - p)
        return np.maximum(noted, SMALLEST_PROBABILITY)


def fit_label_noise(
    scores: Array,
    label: NDArray[np.intp],
    weight: Array,
    rates: tuple[float, float] = (0.0, 1.0),
) -> LabelNoise:
    """The temperature and the rate of largest likelihood.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes)
        Logarithms of probabilities, or scores, of rows that were not trained on.
    label : ndarray of int of shape (n_samples,)
        Columns of the labels.
    weight : ndarray of shape (n_samples,)
        Frequencies.
    rates : tuple of float, default=(0.0, 1.0)
        The smallest and the largest rate, at most 0.95 times that of labels by chance.

    Returns
    -------
    LabelNoise
        The best one.
    """
    n_classes = scores.shape[1]
    used, by_chance = weight > 0, 1 - 1 / n_classes
    scores, label = scores[used], label[used]
    weight = weight[used] / weight[used].sum()
    rows = np.arange(label.size)

    def objective(z):
        temperature, rate = np.exp(z[0]), z[1]
        log_p = log_softmax(scores / temperature, axis=1)
        every, p = np.exp(log_p), np.exp(log_p[rows, label])
        other = 1 / (n_classes - 1)
        noted = (1 - rate) * p + rate * other * (1 - p)
        noted = np.maximum(noted, SMALLEST_PROBABILITY)
        mean = (every * scores).sum(axis=1)
        slope = (1 - rate - rate * other) * p * (mean - scores[rows, label])
        gradient = [slope / temperature, other - p * (1 + other)]
        return (
            -(weight @ np.log(noted)),
            [-(weight @ (part / noted)) for part in gradient],
        )

    rates = tuple(min(rate, MOST * by_chance) for rate in rates)
    bounds = [tuple(np.log(TEMPERATURES)), rates]
    results = [
        minimize(
            objective,
            [np.log(temperature), np.clip(part * by_chance, *rates)],
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
        )
        for temperature, part in STARTS
    ]
    best = min(results, key=lambda result: result.fun)
    return LabelNoise(float(np.exp(best.x[0])), float(best.x[1]))


def advantage(worse: Array, better: Array, weight: Array) -> float:
    """By how many standard errors the second losses are smaller in the mean."""
    gain = worse - better
    mean = np.average(gain, weights=weight)
    error = np.sqrt(weight @ (gain - mean) ** 2) / weight.sum()
    return float(mean / error) if error > 0 else 0.0


class LabelledRows:
    """Labels of rows, as columns of scores, with their frequencies.

    `method` is that of the estimator which the scores come from. Scores of classes that
    a fit did not know are NaN.
    """

    def __init__(self, label: NDArray[np.intp], weight: Array, method: str) -> None:
        self.label = label
        self.weight = weight
        self.has_probabilities = method != "predict"

    def losses(self, scores: Array) -> Array:
        """Losses of the labels; of unknown ones the mean of their class."""
        losses = label_losses(scores, self.label)
        return with_known_losses(losses, self.label, self.weight)

    def noise(self, scores: Array, rates: tuple[float, float] = (0.0, 1.0)):
        """The `LabelNoise` of largest likelihood."""
        weight = self.weight * self._is_known(scores)
        return fit_label_noise(_filled(scores), self.label, weight, rates)

    def are_right(self, scores: Array) -> bool:
        """Whether few labels can be wrong, and none is so evidently."""
        if not self.has_probabilities:
            return False
        none, small = (self.noise(scores, (rate, rate)) for rate in (0.0, SMALL_RATE))
        return (
            none.temperature < LARGE_TEMPERATURE
            and not self._are_evidently_noisy(scores)
            and self._advantage(scores, small, scores, none) > SIGNIFICANT
        )

    def _are_evidently_noisy(self, scores):
        free, none = (self.noise(scores, (0.0, high)) for high in (1.0, 0.0))
        return self._advantage(scores, none, scores, free) > SIGNIFICANT

    def right_probability(self, scores: Array) -> Array:
        """Probabilities of the labels to be right; of a class a half or more."""
        wrong = self.wrong_probability(scores, self.noise(scores))
        mean = np.bincount(self.label, self.weight * wrong) / np.bincount(
            self.label, self.weight
        )
        wrong *= (MOST_OF_CLASS / np.maximum(mean, MOST_OF_CLASS))[self.label]
        right = 1 - wrong
        right[right < SMALLEST_WEIGHT] = 0.0
        return right

    def wrong_probability(self, scores: Array, noise: LabelNoise) -> Array:
        """Probability of each label to be wrong; an unknown one has its class's."""
        wrong = noise.wrong_probability(_filled(scores), self.label)
        wrong[~self._is_known(scores)] = np.nan
        return np.minimum(with_known_losses(wrong, self.label, self.weight), 1.0)

    def are_better(self, first: Array, last: Array) -> bool:
        """Whether the last scores tell the noted labels evidently better.

        They are compared by their losses and by the labels that they predict. Where
        noise is evident, probabilities without it are better if these are as good.
        """
        more_hits = self._more_hits(first, last)
        if not self.has_probabilities:
            return more_hits > SIGNIFICANT
        gain = self._advantage(first, self.noise(first), last, self.noise(last))
        needed = WORST if self._are_evidently_noisy(first) else BOTH
        return gain + more_hits > needed and min(gain, more_hits) > WORST

    def best(self, first: Array, half: Array, soft: Array) -> str | None:
        """Which scores to take: "half" or "soft", or None for the first ones.

        "half" are those of fits to the better half of the rows, for there is noise.
        """
        names = ["soft"]
        finds_more = self._more_hits(first, half) > SIGNIFICANT
        if finds_more or self.noise(half).rate > SMALL_RATE:
            is_hard = self._more_hits(soft, half) > HARD
            names = ["half", "soft"] if is_hard else ["soft", "half"]
        scores = {"half": half, "soft": soft}
        return next((n for n in names if self.are_better(first, scores[n])), None)

    def _more_hits(self, first, last):
        """By how many standard errors the last scores predict more of the labels."""
        known = self._is_known(first) & self._is_known(last)
        hits = [
            (_filled(scores).argmax(axis=1) == self.label)[known] * 1.0
            for scores in (first, last)
        ]
        return advantage(-hits[0], -hits[1], self.weight[known])

    def _advantage(self, worse, its_noise, better, noise):
        known = self._is_known(worse) & self._is_known(better)
        first, last = (
            n.losses(_filled(scores), self.label)[known]
            for scores, n in ((worse, its_noise), (better, noise))
        )
        return advantage(first, last, self.weight[known])

    def _is_known(self, scores):
        return ~np.isnan(scores[np.arange(self.label.size), self.label])


def _filled(scores):
    return np.nan_to_num(scores, nan=-LARGEST_LOSS)
