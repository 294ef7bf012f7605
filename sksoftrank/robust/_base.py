"""What the robust linear regressors share."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite

from .._checks import check_sigma
from .._sklearn import (
    BaseEstimator,
    CallbackSupportMixin,
    RegressorMixin,
    numeric_targets,
    refuse_other_arrays,
    validate_data,
)
from .._typing import Features, Formulation
from ..linear._models import FEATURES, LinearModelMixin
from ._frequencies import check_frequencies
from ._ignored import GroupSharesMixin
from ._new_rows import NewRowsMixin
from ._unseen import undetermined_axes, undetermined_features, unseen_features


class RobustLinearModel(
    CallbackSupportMixin,
    NewRowsMixin,
    GroupSharesMixin,
    LinearModelMixin,
    RegressorMixin,
    BaseEstimator,
):
    """Base class of the robust linear regressors."""

    formulation: Formulation
    coef_: NDArray[np.floating]
    intercept_: float
    scale_: float
    inlier_mask_: NDArray[np.bool_]
    support_: NDArray[np.bool_]
    raw_scale_: float
    objective_: float
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    _lost: NDArray[np.bool_]  # coefficients that nothing determines

    def predict(self, X: Features) -> NDArray[np.floating]:
        """Predict the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted targets.
        """
        return self._predict_linear(X)

    def score(
        self,
        X: Features,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        sigma: ArrayLike | None = None,
    ) -> float:
        """R2 of the predictions, in which rows count with ``1 / sigma**2``.

        Outliers count as any other row: see `sksoftrank.metrics.trimmed_r2_score`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequencies of the observations.
        sigma : array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors, above 0.

        Returns
        -------
        float
            The score: 1.0 is best, and the best constant has 0.0.
        """
        if sigma is not None:
            refuse_other_arrays(y, sample_weight, names=("y", "sample_weight"))
            spread = check_sigma(sigma, np.size(y))
            frequency = 1.0 if sample_weight is None else np.asarray(sample_weight)
            sample_weight = frequency * (spread.min() / spread) ** 2
        return super().score(X, y, sample_weight)

    def _validate(self, X, y, reset=True):
        is_float = getattr(getattr(y, "dtype", None), "kind", "O") == "f"
        X, y = validate_data(self, X, y, y_numeric=True, reset=reset, **FEATURES)
        y = numeric_targets(y)
        if not is_float:  # None among objects became NaN
            assert_all_finite(y, input_name="y")
        return X, y

    def _check_rows(self, y, sample_weight, sigma):
        """Weights and standard deviations of the rows of a fit, checked."""
        whole = self.formulation == "sort"
        weight = check_frequencies(sample_weight, y.size, whole)
        return weight, None if sigma is None else check_sigma(sigma, y.size)

    def _find_undetermined(self, problem, p):
        """Axes of a matrix that nothing tells; sets which coefficients are lost."""
        design = problem.design
        # A hard fit keeps half of the rows: the others that agree tell as much.
        kept = problem.weight * ((p > 0) | self.inlier_mask_)
        if not kept.any():  # more rows are fitted exactly than are to be kept
            kept = problem.weight
        if design.basis.ndim == 1:
            self._lost = unseen_features(design, problem.weight, kept)
            return None
        axes = undetermined_axes(design, problem.weight, kept)
        self._lost = undetermined_features(design, axes)
        return axes


def tells(callbacks: Any, problem: Any) -> Any:
    """A function of coordinates that ends an iteration and says whether to stop.

    None if there are no callbacks.
    """
    if callbacks is None or callbacks.fit_task is None:
        return None

    def after(z):
        callbacks.begin_iteration()
        return callbacks.end_iteration(lambda: attributes_at(problem, z))

    return after


def attributes_at(problem: Any, z: Any) -> dict[str, Any]:
    """What a model of these coordinates needs to predict."""
    coef, intercept = problem.coefficients(z)
    return {"coef_": coef, "intercept_": intercept}
