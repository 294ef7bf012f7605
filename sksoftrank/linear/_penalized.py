"""A loss of linear predictions and its penalty, as L-BFGS minimises it."""

import numpy as np
from scipy import sparse


class PenalizedLoss:
    """A loss of linear predictions and their penalty, as a function of coordinates.

    Parameters
    ----------
    loss : callable
        Takes predictions of shape (n_samples, n_outputs); returns value and gradient.
        If it has a method `parts`, ``loss.parts(n_outputs)`` yields slices of the rows
        and the losses of their predictions, which are summed: dense rows are predicted
        and judged while they are in cache, and nothing is kept of them.
    design : LinearDesign
    offset : ndarray of shape (n_samples, n_outputs), default=0.0
        What is added to the predictions.
    """

    def __init__(self, loss, design, offset=0.0):
        self.loss = loss
        self.design = design
        self.offset = offset
        self.penalty = design.penalty[:, None]

    def __call__(self, z):
        """Value and gradient at the raveled coordinates of all outputs."""
        z = z.reshape(self.design.n_coordinates, -1)
        if not hasattr(self.loss, "parts") or sparse.issparse(self.design.X):
            predictions = self.design.predict(z)
            predictions += self.offset
            value, row_gradient = self.loss(predictions)
            gradient = self.design.pull_back(row_gradient)
        else:
            value, gradient = self._of_parts(z)
        penalty_gradient = self.penalty * z
        gradient += penalty_gradient
        return value + 0.5 * np.vdot(penalty_gradient, z), gradient.ravel()

    def _of_parts(self, z):
        design, X = self.design, self.design.X
        coef, intercept = design.coefficients(z)
        value, products, total = 0.0, np.zeros_like(coef), np.zeros(z.shape[1])
        for rows, loss in self.loss.parts(z.shape[1]):
            predictions = X[rows] @ coef
            predictions += intercept
            predictions += self.offset[rows] if np.ndim(self.offset) else self.offset
            part, row_gradient = loss(predictions)
            value += part
            products += X[rows].T @ row_gradient
            total += np.ones(len(row_gradient)) @ row_gradient
        return value, design.of_sums(products, total)
