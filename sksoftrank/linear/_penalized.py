"""A loss of linear predictions and its penalty, as L-BFGS minimises it."""

from functools import partial

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

# Of as many predictions the loss is found at once (256 KB).
CACHED = 2**15


class PenalizedLoss:
    """A loss of linear predictions and their penalty, as a function of coordinates.

    Parameters
    ----------
    loss : callable
        Takes predictions of shape (n_samples, n_outputs); returns value and gradient.
        If it has a true attribute `is_by_row`, ``loss.of_rows(predictions, rows)``
        does so for a slice of the rows.
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
        penalty_gradient = self.penalty * z
        value, gradient = 0.5 * np.vdot(penalty_gradient, z), penalty_gradient
        for loss, design, offset in self._parts(z.shape[1]):
            predictions = design.predict(z)
            predictions += offset
            part, row_gradient = loss(predictions)
            value += part
            gradient += design.pull_back(row_gradient)
        return value, gradient.ravel()

    def _parts(self, n_outputs):
        """Rows that stay in cache while they are predicted and their loss is found."""
        design = self.design
        if not getattr(self.loss, "is_by_row", False) or sparse.issparse(design.X):
            yield self.loss, design, self.offset
            return
        # The coordinates are turned into coefficients once a part.
        size = max(CACHED // n_outputs, 8 * design.n_coordinates)
        for rows in gen_batches(len(design.X), size):
            loss = partial(self.loss.of_rows, rows=rows)
            offset = self.offset[rows] if np.ndim(self.offset) else self.offset
            yield loss, design.take(rows), offset
