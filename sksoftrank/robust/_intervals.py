"""Errors of predictions and the summary of a linear fit."""

import math
from collections.abc import Callable
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student
from sklearn.utils.validation import check_is_fitted

from .._checks import check_confidence_level, check_sigma
from ._coefficient_errors import CoefficientErrors
from ._new_rows import NewRowsMixin
from ._summary import RegressionSummary, summarize


class IntervalsMixin(NewRowsMixin):
    """How sure a robust linear model is of its coefficients and predictions.

    The model has `scale_` and `CoefficientErrors` as `_errors`, or None.
    """

    _errors: CoefficientErrors | None
    _lost: NDArray[np.bool_]
    _features: Callable[[Any], Any]
    _linear: Callable[[Any], NDArray[np.floating]]

    @property
    def covariance_(self) -> NDArray[np.float64] | None:
        """Covariance of the coefficients, and last the intercept if one is fitted.

        Of shape (p, p); the roots of its diagonal are `stderr_` and
        `intercept_stderr_`. The variance of a coefficient that nothing determines is
        infinite, and its covariances are NaN. None as for `stderr_`.
        """
        check_is_fitted(self)
        return None if self._errors is None else self._errors.covariance(self._lost)

    @overload
    def predict(
        self,
        X: Any,
        return_std: Literal[False] = False,
        sigma: ArrayLike | None = None,
    ) -> NDArray[np.floating]: ...
    @overload
    def predict(
        self, X: Any, return_std: Literal[True], sigma: ArrayLike | None = None
    ) -> tuple[NDArray[np.floating], NDArray[np.float64]]: ...
    def predict(
        self, X: Any, return_std: bool = False, sigma: ArrayLike | None = None
    ) -> Any:
        """Predict the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        return_std : bool, default=False
            Whether to return standard deviations, too.
        sigma : float or array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors of new observations, for
            ``return_std=True``; needed there if the model was fitted with them.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Predicted targets.
        y_std : ndarray of shape (n_samples,)
            Standard deviations of new good observations around them, as of
            `sklearn.linear_model.BayesianRidge`: of their errors and that of the
            prediction together. 0 for an exact fit, infinite for rows that depend on
            what the fit has not determined.

        Raises
        ------
        ValueError
            If the rows are not as described, or standard errors are not known.
        """
        X = self._features(X)
        prediction = self._linear(X)
        if not return_std:
            if sigma is not None:
                check_sigma(sigma, prediction.size)
            return prediction
        return prediction, self._std(X, "observation", sigma, "return_std=True")

    def predict_interval(
        self,
        X: Any,
        confidence_level: float = 0.95,
        *,
        kind: Literal["observation", "mean"] = "observation",
        sigma: ArrayLike | None = None,
    ) -> NDArray[np.float64]:
        """Intervals of the targets or of their means.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        confidence_level : float, default=0.95
            How probable it is that an interval holds its value, above 0 and below 1.
        kind : {"observation", "mean"}, default="observation"
            Of what: new observations that are no outliers, or their means, the points
            of the plane.
        sigma : float or array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors of the new observations, needed
            for these if the model was fitted with them.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Lower and upper ends, by Student's t distribution with `df_` degrees of
            freedom, for Gaussian errors. Both are the prediction for an exact fit;
            infinite for rows that depend on what the fit has not determined. Features
            count as known: for imputed ones intervals are too short.

        Raises
        ------
        ValueError
            If the rows or the level are not as described, or standard errors are not
            known.

        Examples
        --------
        >>> import numpy as np
        >>> from sksoftrank import SoftLTSRegressor
        >>> from sksoftrank.datasets import make_contaminated_regression
        >>> X, y, coef, _ = make_contaminated_regression(500, 2, random_state=0)
        >>> model = SoftLTSRegressor(random_state=0).fit(X, y)
        >>> low, high = model.predict_interval([[1.0, 1.0]], kind="mean")[0]
        >>> bool(low < coef.sum() < high), round(float(high - low), 1)
        (True, 0.4)
        """
        check_confidence_level(confidence_level)
        if kind not in ("observation", "mean"):
            raise ValueError(f"kind must be 'observation' or 'mean', got {kind!r}.")
        X = self._features(X)
        std = self._std(X, kind, sigma, "predict_interval")
        coef, intercept = self._rule.final
        prediction = X.astype(np.float64, copy=False) @ coef + intercept
        half = half_width(std, self._errors.df, confidence_level)  # type: ignore[union-attr]
        return np.column_stack([prediction - half, prediction + half])

    def summary(self, confidence_level: float = 0.95) -> RegressionSummary:
        """Coefficients with errors, p-values and intervals, scale and rows at a glance.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Of the intervals, above 0 and below 1.

        Returns
        -------
        RegressionSummary
            Prints as a table, also in notebooks; its columns are arrays, and `to_frame`
            makes a frame of pandas.

        Raises
        ------
        ValueError
            If the level is not as described.

        Examples
        --------
        >>> from sksoftrank import SoftLTSRegressor
        >>> from sksoftrank.datasets import make_contaminated_regression
        >>> X, y, _, _ = make_contaminated_regression(500, 2, random_state=0)
        >>> SoftLTSRegressor(random_state=0).fit(X, y).summary().names
        ['x0', 'x1', 'intercept']
        """
        check_confidence_level(confidence_level)
        check_is_fitted(self)
        return summarize(self, confidence_level)

    def _std(self, X, kind, sigma, caller) -> NDArray[np.float64]:
        """Standard deviations of the mean, or of observations, at rows of features."""
        if self._errors is None:
            raise ValueError(
                f"{caller} needs standard errors, which this {type(self).__name__} "
                f"does not have: stderr_ is None for epsilon=0 without reweight=True, "
                f"and for features that are not whitened (a rank above 500)."
            )
        error = self._errors.predictions(X)
        if kind == "mean":
            if sigma is not None:
                check_sigma(sigma, X.shape[0])
            return error
        return np.hypot(error, self.scale_ * self._sigma_of(sigma, X.shape[0]))


def half_width(std, df: float, level: float) -> NDArray[np.float64]:
    """Half of the lengths of intervals around estimates with these errors."""
    factor = float(student.ppf(0.5 + 0.5 * level, df)) if df > 0 else math.inf
    with np.errstate(invalid="ignore"):
        return np.where(std == 0, 0.0, factor * std)
