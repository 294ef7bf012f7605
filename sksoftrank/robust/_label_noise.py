"""How many labels are wrong, and which, from scores of rows that no fit has seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from ..linear._robust_scale import weighted_quantile
from ._readings import (
    LARGEST_LOSS,
    SMALLEST_PROBABILITY,
    label_losses,
    with_known_losses,
)
from ._spread import LOW

Array = NDArray[np.float64]

# That of a label of probability one half.
LOSS_OF_A_COIN = np.log(2)

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

    A part `rate` of the labels is wrong: another class in proportion to its share of
    the labels. So a class of a few rows is no reason to think that labels are right.
    """

    temperature: float
    rate: float
    shares: Array

    def losses(self, scores: Array, label: NDArray[np.intp]) -> Array:
        """Minus the logarithms of the probabilities of the labels as they are noted."""
        return -np.log(self._true_and_noted(scores, label)[1])

    def wrong_probability(self, scores: Array, label: NDArray[np.intp]) -> Array:
        """Probability of each label to be wrong, by the rule of Bayes."""
        p, noted = self._true_and_noted(scores, label)
        return 1 - (1 - self.rate) * p / noted

    def _true_and_noted(self, scores, label):
        """Probabilities of the labels to be true, and to be noted."""
        every = np.exp(log_softmax(scores / self.temperature, axis=1))
        p = every[np.arange(label.size), label]
        by_mistake = self.shares[label] * _from_others(every, p, label, self.shares)
        noted = (1 - self.rate) * p + self.rate * by_mistake
        return p, np.maximum(noted, SMALLEST_PROBABILITY)


def _from_others(every, p, label, shares):
    """Sums over the other classes of their entries, divided by what they leave."""
    return every @ (1 / (1 - shares)) - p / (1 - shares[label])


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
        The best one; that of right labels if there are no weights.
    """
    n_classes, used = scores.shape[1], weight > 0
    # A class without rows has a share above 0, and none has all.
    shares = (np.bincount(label, weight, n_classes) + 1.0).astype(np.float64)
    shares /= shares.sum()
    if not used.any():
        return LabelNoise(1.0, 0.0, shares)
    by_chance = max(0.5, float(1 - shares @ shares))
    scores, label = scores[used], label[used]
    weight = weight[used] / weight[used].sum()
    rows = np.arange(label.size)
    scores = scores - scores.max(axis=1, keepdims=True)  # so that none overflows
    ones = np.ones(n_classes)

    def objective(z):
        temperature, rate = np.exp(z[0]), z[1]
        every = np.exp(scores / temperature)
        every /= (every @ ones)[:, None]
        p = every[rows, label]
        by_mistake = shares[label] * _from_others(every, p, label, shares)
        noted = (1 - rate) * p + rate * by_mistake
        noted = np.maximum(noted, SMALLEST_PROBABILITY)
        mean = ((every * scores) @ ones)[:, None]
        slopes = every * (mean - scores) / temperature
        slope = slopes[rows, label]
        by_mistake_slope = shares[label] * _from_others(slopes, slope, label, shares)
        gradient = [
            (1 - rate) * slope + rate * by_mistake_slope,
            by_mistake - p,
        ]
        return (
            -(weight @ np.log(noted)),
            [-(weight @ (part / noted)) for part in gradient],
        )

    low, high = (min(rate, MOST * by_chance) for rate in rates)
    bounds = [tuple(np.log(TEMPERATURES)), (low, high)]
    results = [
        minimize(
            objective,
            [np.log(temperature), np.clip(part * by_chance, low, high)],
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
        )
        for temperature, part in STARTS
    ]
    best = min(results, key=lambda result: result.fun)
    return LabelNoise(float(np.exp(best.x[0])), float(best.x[1]), shares)


def advantage(worse: Array, better: Array, weight: Array) -> float:
    """By how many standard errors the second losses are smaller in the mean."""
    if not weight.any():
        return 0.0
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

    def hardness(self, scores: Array) -> Array:
        """How hard each class is to predict: low losses over that of a coin, or 1."""
        losses, is_of = self.losses(scores), np.arange(scores.shape[1])[:, None]
        low = [
            weighted_quantile(losses[rows], self.weight[rows], LOW)
            for rows in is_of == self.label
        ]
        return np.maximum(np.array(low) / LOSS_OF_A_COIN, 1.0)

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
        """Probability of each label to be wrong; of an unknown one it is the rate."""
        wrong = noise.wrong_probability(_filled(scores), self.label)
        return np.where(self._is_known(scores), wrong, noise.rate)

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
