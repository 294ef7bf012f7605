"""What the linear estimators share: L-BFGS, predictions, progress and warnings."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, minres
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .._checks import as_frequencies, warn
from .._sklearn import check_sample_weight, plain_classes, validate_data

# What features may be.
FEATURES = {"accept_sparse": ["csr", "csc"], "dtype": [np.float64, np.float32]}

# Of the weights of rows, as frequencies.
LARGEST_TOTAL = 1e15

# Newton steps at the end, and relative length of the differences that they take.
MAX_POLISHING = 10
DIFFERENCE = 1e-6


def lbfgs(function, z, *, max_iter, tol, ftol, callback=None):
    """Minimise a function that returns value and gradient, from z on.

    Returns the result of SciPy, with None for a message unless a limit was reached: an
    end where no step descends, at a kink or within rounding, is as good as convergence.
    With an `ftol` of 0 Newton steps go on from there, for values tell but half of the
    digits of the minimum.
    """
    result = minimize(
        function,
        z.ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=callback,
        options={
            "maxiter": max_iter,
            "maxfun": 20 * max_iter,
            "gtol": tol,
            "ftol": ftol,
        },
    )
    is_limited = result.status == 1
    message = f"L-BFGS was stopped after iteration {result.nit}."
    result.message = message if is_limited else None
    if ftol == 0 and not is_limited:
        result.x = _polish(function, result.x)
        result.fun, result.jac = function(result.x)
    return result


def _polish(function, z):
    """Newton steps, by differences of gradients, while these become much smaller."""
    gradient = function(z)[1]
    for _ in range(MAX_POLISHING):
        size = np.linalg.norm(z) or 1.0

        def product(v, z=z, gradient=gradient, size=size):
            step = DIFFERENCE * size / (np.linalg.norm(v) or 1.0)
            return (function(z + step * v)[1] - gradient) / step

        hessian = LinearOperator((z.size, z.size), matvec=product, dtype=np.float64)
        moved = z + minres(hessian, -gradient, rtol=1e-8, maxiter=200)[0]
        new = function(moved)[1]
        if not np.abs(new).max(initial=0.0) < 0.5 * np.abs(gradient).max(initial=0.0):
            break
        z, gradient = moved, new
    return z


class LinearModelMixin:
    """Mixin for linear models of dense or sparse features, which report progress.

    They have `coef_`, `intercept_` and the parameters `max_iter` and `verbose`.
    """

    coef_: NDArray[np.floating]
    intercept_: Any
    max_iter: int
    tol: float
    verbose: int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.sparse = True
        return tags

    def _predict_linear(self, X):
        """Predictions for the rows of X, or the scores of all outputs."""
        return self._linear(self._features(X))

    def _features(self, X):
        """Features of rows, checked."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False, **FEATURES)

    def _linear(self, X):
        predictions = X @ self.coef_.T
        predictions += np.asarray(self.intercept_, dtype=self.coef_.dtype)
        return predictions

    def _report(self, text):
        if self.verbose:
            print(f"[{type(self).__name__}] {text}")

    def _warn_not_converged(self, message):
        """Warn unless the message is None."""
        if message is not None:
            warn(
                f"{type(self).__name__} did not converge with max_iter="
                f"{self.max_iter}: {message}",
                ConvergenceWarning,
            )


class LinearScoresMixin(LinearModelMixin):
    """Mixin for models that fit a linear score of each class or label by L-BFGS.

    They have the parameter `tol`, too.
    """

    def _fit_scores(
        self,
        objective,
        z,
        to_scores,
        *,
        n_iter,
        ftol,
        callbacks,
        dtype,
        n_steps=None,
    ):
        """Minimise a `PenalizedLoss` from the coordinates z on; set the attributes.

        `to_scores` leads from there to the coordinates of the scores. `n_iter` is the
        number of iterations that led to z. `n_steps` ends the iterations before the
        minimum; None does not.
        """
        design = objective.design

        def attributes(z):
            z = to_scores(z.reshape(design.n_coordinates, -1))
            return score_attributes(design, z, dtype)

        n_end = None if n_steps is None else n_iter + n_steps

        def evaluate(z):
            callbacks.begin_iteration()
            return objective(z)

        def after_iteration(intermediate_result):
            nonlocal n_iter
            n_iter += 1
            z, value = intermediate_result.x, intermediate_result.fun
            if self.verbose > 1 and n_iter % 10 == 0:
                self._report(f"iteration {n_iter}, objective {value:.6g}")
            is_stopped = callbacks.end_iteration(lambda: attributes(z))
            if is_stopped or n_iter == n_end:
                raise StopIteration

        if n_steps == 0:
            value = objective(z)[0]
        else:
            result = lbfgs(
                evaluate,
                z,
                max_iter=self.max_iter,
                tol=self.tol,
                ftol=ftol,
                callback=after_iteration,
            )
            self._warn_not_converged(result.message)
            z, value = result.x, result.fun
        self.objective_: float = float(value)
        self.n_iter_: int = n_iter
        vars(self).update(attributes(z))
        self._report(f"end: {n_iter} iterations, objective {self.objective_:.6g}")


class ClassWeightsMixin:
    """Mixin for classifiers with the parameter `class_weight`.

    They have a method `_strength`, the penalty for rows of these weights.
    """

    class_weight: Any
    alpha_: float
    classes_: NDArray[Any]
    _strength: Callable[[NDArray[np.float64]], float]

    def _read_training_data(self, X, y, sample_weight, is_warm):
        """Checked X, numbers of the classes and weights, of rows of positive weight.

        The last result is the number of rows that the weights stand for.
        """
        y = plain_classes(y)
        X, y = validate_data(self, X, y, reset=not is_warm, **FEATURES)
        check_classification_targets(y)
        weight = check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        used = weight > 0
        if not used.all():
            X, y, weight = X[used], y[used], weight[used]
        classes, labels = np.unique(y, return_inverse=True)
        self._keep_classes(classes, is_warm)
        self.alpha_ = self._strength(weight)
        with np.errstate(over="ignore"):
            n_rows = min(as_frequencies(weight).sum(), LARGEST_TOTAL)
        weight = self._weigh_classes(labels, y, weight / weight.max())
        return X, labels, weight, n_rows

    def _keep_classes(self, classes, is_warm):
        """Set the classes, of which there must be two, those of an earlier fit."""
        if classes.size < 2:
            raise ValueError(
                f"y must have at least two classes in rows of positive weight, got "
                f"{classes.size} class."
            )
        if is_warm and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"y must have the classes of the previous fit with warm_start=True, "
                f"{self.classes_}, got {classes}."
            )
        self.classes_ = classes

    def _weigh_classes(self, labels, y, weight):
        if self.class_weight is None:
            return weight
        if self.class_weight == "balanced":
            class_weight = 1 / np.bincount(labels, weight)
        else:
            classes = self.classes_.tolist()
            unknown = [c for c in self.class_weight if c not in classes]
            missing = [c for c in classes if c not in self.class_weight]
            # Of all classes, some may be missing in a training fold.
            if unknown and missing:
                raise ValueError(
                    f"class_weight must have classes of y as keys, got {unknown}, and "
                    f"the classes {missing} are not in class_weight."
                )
            class_weight = compute_class_weight(
                self.class_weight, classes=self.classes_, y=y
            )
        weight = weight * class_weight[labels]
        if not weight.min() >= 0 or not 0 < weight.max() < np.inf:
            raise ValueError(
                f"class_weight must be finite, at least 0, and positive for a class, "
                f"got {self.class_weight}."
            )
        return weight / weight.max()


def score_attributes(design, z, dtype):
    """Coefficients and intercepts of the scores at the coordinates z."""
    coef, intercept = design.coefficients(z)
    return {
        "coef_": np.ascontiguousarray(coef.T, dtype=dtype),
        "intercept_": np.broadcast_to(intercept, z.shape[1:]).astype(dtype),
    }


def stored_scores(z):
    """Coordinates of the scores that are kept: of two, their difference."""
    return z[:, 1:] - z[:, :1] if z.shape[1] == 2 else z


def centre(z):
    """Coordinates of scores that sum to 0 for each row."""
    return z - z.mean(axis=1, keepdims=True)


def previous_scores(design, coef, intercept):
    """Coordinates of the scores of a previous fit; of two classes they sum to 0."""
    z = design.coordinates(coef.T.astype(np.float64), intercept)
    return np.hstack([-z / 2, z / 2]) if z.shape[1] == 1 else z
