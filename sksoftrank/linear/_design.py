"""Linear predictions in well-conditioned coordinates, without a copy of X."""

from copy import copy
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, lsmr
from sklearn.utils import gen_batches
from sklearn.utils.sparsefuncs import mean_variance_axis

from ._algebra import (
    EPS,
    GRAM_ROUNDING,
    NOISE,
    append,
    dense,
    determined_inverse,
    invert,
    multiply,
    multiply_right,
)
from ._ranges import ranges

# Above this rank, decompositions cost more than the iterations that they save.
MAX_WHITENED_RANK = 500

# Sparse features are whitened where the products of dense rows, n * p * min(n, p), are
# no more than this: about two seconds of work.
MAX_DENSIFIED_WORK = 1e10

# Relative tolerance of least-squares steps in more coordinates.
STEP_TOLERANCE = 1e-10

# Dense rows are centred a chunk at a time, of about this many numbers (256 kB).
CHUNK_SIZE = 2**15

# Up to this size, in coordinates of size one, rounding errors of the rows do no harm.
HARMLESS_ROUNDING = 1e-12


class LinearDesign:
    """Linear functions of the rows of X in coordinates that suit an optimiser.

    The coordinates z predict ``(X - mean) @ basis @ z[:-1] + z[-1]``, or without an
    intercept ``X @ basis @ z``. For dense X of moderate rank the basis whitens: the
    weighted mean of squares / 2, with the penalty, has the identity for a Hessian, and
    directions in which X does not vary are left out. Else it scales each feature.

    The penalty on coefficients b is ``alpha / 2 * sum((scale * b)**2)``, in coordinates
    ``sum(penalty * z**2) / 2``. The scale of a feature is its standard deviation, or
    without an intercept its root mean square, so that units do not matter.

    Several outputs are served at once by matrices of shape (n_coordinates, n_outputs)
    in place of vectors z, with a column for each.

    Digits are lost where the basis is white on rows that a fit ignores: on others it
    may hardly vary. With `core_weight` centre, scales and basis are those of the rows
    of positive core weight. Directions in which only the other rows vary have the last
    coordinates; in them the core rows predict 0 up to rounding.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        Features in float64. Neither copied nor changed.
    sample_weight : ndarray of shape (n_samples,)
        Weights, at least 0 and not all 0.
    fit_intercept : bool
        Whether there is an intercept. It is not penalised.
    alpha : float
        Strength of the penalty, at least 0.
    row_scale : ndarray of shape (n_samples,), default=None
        Factors of the rows and of their predictions, intercept included. Means and
        scales of the features then weigh rows with the squares of these. None means
        ones.
    core_weight : ndarray of shape (n_samples,), default=None
        Weights, not all 0, of the rows for which the basis is made. None means
        `sample_weight`.
    whiten_sparse : bool, default=False
        Whether the basis whitens also sparse X of moderate size.
    eps : float, default=EPS
        Relative rounding error of the numbers in X.
    scale : ndarray of shape (n_features,), default=None
        Scales of the features, for a basis that scales only. None means those of the
        rows.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        Weighted means, 0 without an intercept.
    basis : ndarray of shape (n_features, rank), or (n_features,) where diagonal
        Coefficients of the unit coordinates.
    low, high : ndarray of shape (n_features,)
        Smallest and largest values.
    inverse : ndarray of shape (rank, n_features), or (n_features,) where diagonal
        Coordinates of the unit coefficients.
    penalty : ndarray of shape (n_coordinates,)
        Quadratic penalty of the coordinates.
    n_coordinates : int
        Number of coordinates, with the one of the intercept.
    unseen : ndarray of bool of shape (n_coordinates,)
        Which coordinates only rows outside of the core see. None if the basis is
        diagonal.
    noise : ndarray of shape (n_coordinates, n_coordinates)
        Expected Gram matrix of the rounding errors of a row. None if the basis is
        diagonal.
    """

    def __init__(
        self,
        X,
        sample_weight,
        *,
        fit_intercept,
        alpha,
        row_scale=None,
        core_weight=None,
        whiten_sparse=False,
        eps=EPS,
        scale=None,
    ):
        self.X = X
        self.low, self.high = ranges(X)
        self.fit_intercept = fit_intercept
        self.row_scale = row_scale
        core = sample_weight if core_weight is None else core_weight
        core = self._scaled(self._scaled(core))
        core = core / core.sum()
        self.mean = X.T @ core if fit_intercept else np.zeros(X.shape[1])
        self.unseen: Any = None
        self.noise: Any = None
        self._rounding: Any = None
        if _is_whitened(X, whiten_sparse):
            levels = [core]
            if core_weight is not None:
                rest = np.where(core > 0, 0.0, sample_weight)
                if rest.any():
                    levels.append(self._scaled(self._scaled(rest)))
            for weight in levels:  # all of them are our own
                weight /= weight.sum()
            roots = (
                self._root_gram(weight, centred=k == 0)
                for k, weight in enumerate(levels)
            )
            penalty = self._whiten(roots, float(alpha), eps)
        else:
            if scale is None:
                scale = np.sqrt(self._mean_square(core))
            penalty = self._scale(scale, float(alpha))
        self._set_penalty(penalty)

    @classmethod
    def of_moments(cls, mean, root, *, fit_intercept, alpha, eps=EPS):
        """The design of rows that are not there, of which the moments are known.

        Parameters
        ----------
        mean : ndarray of shape (n_features,)
            Weighted means, 0 without an intercept.
        root : ndarray of shape (rank, n_features)
            R with R.T @ R the weighted Gram matrix of the features around `mean`, for
            weights that sum to one.
        fit_intercept, alpha, eps
            As for the class.

        Returns
        -------
        LinearDesign
            For `with_rows`.
        """
        design = cls.__new__(cls)
        design.X = design.row_scale = design.low = design.high = None
        design.mean, design.fit_intercept = mean, fit_intercept
        design.unseen = design.noise = design._rounding = None
        if mean.size > MAX_WHITENED_RANK:
            penalty = design._scale(np.linalg.norm(root, axis=0), float(alpha))
        else:
            penalty = design._whiten([root], float(alpha), eps)
        design._set_penalty(penalty)
        return design

    def _set_penalty(self, penalty):
        self.penalty = np.append(penalty, 0.0) if self.fit_intercept else penalty
        self.n_coordinates = self.penalty.size

    def _scale(self, size, alpha):
        """Set basis and inverse for features of these scales; return the penalty."""
        self.basis = self._inverse_scale(size)
        self.inverse = invert(self.basis)
        return np.full(size.size, alpha)

    def _whiten(self, roots, alpha, eps):
        """Set basis, inverse, unseen and noise; return the penalty.

        The features in units of their scales have orthogonal axes: those of the core,
        of which the first root is, then those of what these leave of the other rows.
        """
        n_features = self.mean.size
        unit, error = np.zeros((2, n_features))
        size, axes = np.zeros(0), np.zeros((0, n_features))
        n_seen = None
        for root in roots:
            scale = np.linalg.norm(root, axis=0)
            noise = eps * np.hypot(scale, self.mean)
            varies = (unit == 0) & (scale > NOISE * noise)
            unit[varies] = 1 / scale[varies]
            root = root * unit
            whole = np.linalg.norm(root)
            for _ in range(2):  # the second time corrects rounding errors
                root -= (root @ axes.T) @ axes
            more = self._axes(root, noise * unit, whole)
            size, axes = np.append(size, more[0]), np.vstack([axes, more[1]])
            if n_seen is None:
                n_seen, error = size.size, noise
            if size.size == n_features:
                break
        square = size**2 + alpha
        self.basis = unit[:, None] * (axes.T / np.sqrt(square))
        self.inverse = np.sqrt(square)[:, None] * axes * invert(unit)
        n_all = square.size + self.fit_intercept
        self.unseen = np.zeros(n_all, dtype=bool)
        self.unseen[n_seen : square.size] = True
        error = error[:, None] * self.basis
        self.noise = np.zeros((n_all, n_all))
        self.noise[: square.size, : square.size] = error.T @ error
        rounding = NOISE * np.sqrt(np.diag(self.noise))
        if rounding.max(initial=0.0) > HARMLESS_ROUNDING:
            self._rounding = rounding
        return alpha / square

    def _axes(self, root, error, whole):
        """Standard deviations and axes of the directions that vary.

        `whole` is the size of the numbers of which the root is left.
        """
        _, s, axes = np.linalg.svd(root, full_matrices=False)
        floor = NOISE * np.linalg.norm(axes * error, axis=1)
        floor = np.maximum(floor, whole * max(root.shape) * EPS)
        return s[s > floor], axes[s > floor]

    def coefficients(self, z):
        """Coefficients and intercept at the coordinates z."""
        if self.fit_intercept:
            coef = multiply(self.basis, z[:-1])
            return coef, z[-1] - self.mean @ coef
        return multiply(self.basis, z), 0.0

    def coordinates(self, coef, intercept):
        """Coordinates at which the predictions are those of the coefficients."""
        z = multiply(self.inverse, coef)
        return append(z, intercept + self.mean @ coef) if self.fit_intercept else z

    def predict(self, z):
        """Predictions at the coordinates z."""
        coef, intercept = self.coefficients(z)
        predictions = self.X @ coef
        predictions += intercept
        return self._scaled(predictions)

    def pull_back(self, row_gradient):
        """Gradient in z of a function with this gradient in the predictions."""
        row_gradient = self._scaled(row_gradient)
        if row_gradient.ndim == 1:
            total = row_gradient.sum()
        else:  # faster than the sum along the first axis
            total = np.ones(len(row_gradient)) @ row_gradient
        gradient = self.of_sums(self.X.T @ row_gradient, total)
        if self._rounding is not None and row_gradient.ndim == 1:
            # Along rounding errors there is no slope.
            limit = self._rounding * np.abs(row_gradient).sum()
            gradient[np.abs(gradient) <= limit] = 0.0
        return gradient

    def of_sums(self, products, total):
        """Gradient in z, given the gradient in the coefficients and the intercept."""
        gradient = products - np.multiply.outer(self.mean, total)
        gradient = multiply(self.basis.T, gradient)
        return append(gradient, total) if self.fit_intercept else gradient

    def newton_step(self, z, y, gradient, row_weight, tolerance=STEP_TOLERANCE):
        """Step from z to the minimum of the weighted, penalised sum of squares / 2.

        The squares are those of y less predictions, `gradient` is the gradient of that
        function at z. Directions that the rows of positive weight do not determine are
        left as they are. `tolerance` is that of a basis that is diagonal.
        """
        if self.basis.ndim == 1:
            root, ridge = np.sqrt(row_weight), np.sqrt(self.penalty)
            rows = LinearOperator(
                (root.size + z.size, z.size),
                matvec=lambda v: np.append(root * self.predict(v), ridge * v),
                rmatvec=lambda u: (
                    self.pull_back(root * u[: root.size]) + ridge * u[root.size :]
                ),
                dtype=np.float64,
            )
            target = np.append(root * (y - self.predict(z)), -ridge * z)
            options = {"atol": tolerance, "btol": tolerance, "conlim": 0}
            return lsmr(rows, target, **options, maxiter=4 * z.size)[0]

        hessian = self.gram(row_weight) + np.diag(self.penalty)
        return -determined_inverse(hessian, self.noise)[0] @ gradient

    def gram(self, row_weight):
        """Weighted sum of v v' over the rows v in the coordinates of a matrix basis."""
        rank = self.basis.shape[1]
        gram = np.zeros((self.n_coordinates, self.n_coordinates))
        row_weight = self._scaled(self._scaled(row_weight))
        for chunk, weight in self._centred_chunks(row_weight):
            root = np.sqrt(weight)
            whitened = chunk @ self.basis
            whitened *= root[:, None]
            gram[:rank, :rank] += whitened.T @ whitened
            if self.fit_intercept:
                gram[:rank, rank] += root @ whitened
                gram[rank, rank] += weight.sum()
        gram[rank:, :rank] = gram[:rank, rank:].T
        return gram

    def rank(self, sample_weight):
        """Number of independent coordinates; all if the basis is large and diagonal."""
        if self.basis.ndim == 2:
            return self.n_coordinates
        n_varying = np.count_nonzero(self.basis)
        if self.basis.size <= MAX_WHITENED_RANK:  # sparse X with many rows
            weight = self._scaled(self._scaled(sample_weight))
            weight = weight / weight.sum()
            gram = (self.X.T @ self.X.multiply(weight[:, None])).toarray()
            if self.fit_intercept:
                gram -= np.outer(self.mean, self.mean)
            curvature = np.linalg.eigvalsh(self.basis[:, None] * gram * self.basis)
            n_varying = np.count_nonzero(curvature > curvature.max() * GRAM_ROUNDING)
        return n_varying + int(self.fit_intercept)

    def take(self, index):
        """The same coordinates for some of the rows."""
        row_scale = None if self.row_scale is None else self.row_scale[index]
        return self.with_rows(self.X[index], row_scale)

    def with_rows(self, X, row_scale=None):
        """The same coordinates for other rows, or for none."""
        other = copy(self)
        other.X, other.row_scale = X, row_scale
        return other

    def rows(self, index):
        """Dense rows in the coordinates: predictions are ``rows @ z``."""
        rows = multiply_right(dense(self.X[index]) - self.mean, self.basis)
        if self.fit_intercept:
            rows = np.column_stack([rows, np.ones(len(rows))])
        if self.row_scale is not None:
            rows *= self.row_scale[index, None]
        return rows

    def _scaled(self, values):
        """Values of the rows times their factors."""
        return values if self.row_scale is None else values * self.row_scale

    def _inverse_scale(self, scale):
        """1 / scale, and 0 for features that are constant up to rounding."""
        constant = scale <= 4 * EPS * np.abs(self.mean)
        return np.where(constant, 0.0, 1 / np.where(constant, 1.0, scale))

    def _mean_square(self, weight):
        """Weighted mean square of the centred features."""
        if sparse.issparse(self.X):
            used = weight > 0
            X = self.X if used.all() else self.X[used]
            if not X.has_canonical_format:
                X = X.copy()
                X.sum_duplicates()
            mean, square = mean_variance_axis(X, axis=0, weights=weight[used])
            square = np.maximum(square, 0.0)  # rounding may leave it below 0
            return square if self.fit_intercept else square + mean**2
        mean, square = 0.0, 0.0
        for chunk, w in self._centred_chunks(weight):
            mean += w @ chunk
            square += w @ chunk**2
        if not self.fit_intercept:
            return square
        # Without the error of the mean: else a column of equal numbers would vary.
        return np.maximum(square - mean**2, 0.0)

    def _root_gram(self, weight, centred):
        """R with R.T @ R the weighted Gram matrix of the features around `mean`.

        It comes from QR decompositions, for the Gram matrix itself loses half of the
        digits. Where that is the mean of these rows, a column of ones before the
        features removes what its rounding leaves.
        """
        ones = int(self.fit_intercept and centred)
        triangle: Any = np.zeros((0, self.X.shape[1] + ones))
        for chunk, w in self._centred_chunks(weight):
            n_above = len(triangle)
            rows = np.empty((n_above + w.size, triangle.shape[1]))
            rows[:n_above] = triangle
            rows[n_above:, :ones] = 1.0
            rows[n_above:, ones:] = chunk
            rows[n_above:] *= np.sqrt(w)[:, None]
            triangle = np.linalg.qr(rows, mode="r")
        return triangle[ones:, ones:]

    def _centred_chunks(self, weight):
        """The centred rows of positive weight, dense, and these weights."""
        n_samples, n_features = self.X.shape
        size = max(CHUNK_SIZE // n_features, 2 * n_features)
        for batch in gen_batches(n_samples, size):
            w = weight[batch]
            used = w > 0
            if used.all():
                yield dense(self.X[batch]) - self.mean, w
            elif used.any():
                chunk = dense(self.X[batch][used])
                chunk -= self.mean
                yield chunk, w[used]


def _is_whitened(X, whiten_sparse):
    if min(X.shape) > MAX_WHITENED_RANK:
        return False
    if not sparse.issparse(X):
        return True
    work = float(np.prod(X.shape, dtype=np.float64)) * min(X.shape)
    return whiten_sparse and work <= MAX_DENSIFIED_WORK
