"""Means and Gram matrices of features by blocks, merged without a loss of digits."""

from typing import NamedTuple

import numpy as np

from ._blocks import Block, Floats, chunks_of, dense


class Moments(NamedTuple):
    """Of weighted rows."""

    weight: float
    mean: Floats  # of shape (n_features,)
    root: Floats  # R, with R.T @ R the sum of the squares around the mean

    def scale(self, fit_intercept: bool) -> Floats:
        """Standard deviations of the features, or their root mean squares."""
        square = (self.root**2).sum(axis=0) / self.weight
        if not fit_intercept:
            square = square + self.mean**2
        return np.sqrt(square)

    def for_design(self, fit_intercept: bool) -> tuple[Floats, Floats]:
        """Mean and root that `LinearDesign.of_moments` takes."""
        root = self.root / np.sqrt(self.weight)
        if fit_intercept:
            return self.mean, root
        rows = np.vstack([root, self.mean])
        return np.zeros_like(self.mean), triangle(rows)


def moments_of(block: Block, weight: Floats | None = None) -> Moments:
    """Moments of the rows of a block, with weights that count once."""
    X, n_features = block.X, block.X.shape[1]
    moments = Moments(0.0, np.zeros(n_features), np.zeros((0, n_features)))
    for part in chunks_of(block):
        rows = dense(X[part])
        mass = np.ones(len(rows)) if weight is None else weight[part]
        if not mass.all():
            rows, mass = rows[mass > 0], mass[mass > 0]
        total = float(mass.sum())
        if total == 0:
            continue
        mean = mass @ rows / total
        root = triangle((rows - mean) * np.sqrt(mass)[:, None])
        moments = merge_moments(moments, Moments(total, mean, root))
    return moments


def merge_moments(first: Moments, second: Moments) -> Moments:
    """Moments of the rows of both ([1]_, with roots in place of sums of squares).

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise
       Algorithm for Computing Sample Variances", Compstat 1982.
    """
    weight = first.weight + second.weight
    if first.weight == 0 or second.weight == 0:
        return second if first.weight == 0 else first
    change = second.mean - first.mean
    mean = first.mean + change * (second.weight / weight)
    between = np.sqrt(first.weight / weight * second.weight) * change
    rows = np.vstack([first.root, second.root, between])
    return Moments(weight, mean, triangle(rows))


def triangle(rows: Floats) -> Floats:
    """R with the Gram matrix of the rows: R.T @ R."""
    return np.asarray(np.linalg.qr(rows, mode="r"))
