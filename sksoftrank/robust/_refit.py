"""Refitting of any estimator with the selection weights of its own losses."""

import inspect
import warnings
from numbers import Integral, Real
from typing import ClassVar, NamedTuple

import numpy as np
from sklearn import get_config
from sklearn.base import MetaEstimatorMixin, clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    KFold,
    StratifiedKFold,
    check_cv,
    cross_val_predict,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from .._sklearn import (
    BaseEstimator,
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    safe_indexing,
)


class _State(NamedTuple):
    """Predictions, and the choice of observations that their losses lead to."""

    prediction: np.ndarray
    objective: float
    selection: np.ndarray


def estimator_has(method):
    """Whether the fitted, or else the given, estimator has the method."""

    def check(self):
        getattr(getattr(self, "estimator_", self._base_estimator()), method)
        return True

    return check


class SoftTrimmed(MetaEstimatorMixin, BaseEstimator):
    """What the regressor and the classifier share: refitting with selection weights."""

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "trim": [Interval(Real, 0, 0.5, closed="both")],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "cv": ["cv_object", StrOptions({"train"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        trim=0.5,
        epsilon=10.0,
        cv=5,
        max_iter=20,
        tol=1e-2,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.trim = trim
        self.epsilon = epsilon
        self.cv = cv
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Fit the estimator again and again until its weights settle.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features, as the estimator takes them.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequencies of the observations, at least 0 and not all 0. None means ones.

        Returns
        -------
        object
            The fitted meta-estimator.
        """
        y = self._check_targets(y)
        X, y = indexable(X, y)
        weight = check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        with np.errstate(over="ignore"):
            total = weight.sum()
        if not 0 < total < np.inf:
            raise ValueError(
                f"sample_weight must have a finite sum above 0, got {total:g}."
            )
        rng = check_random_state(self.random_state)
        estimator = _prepare(self._base_estimator(), rng)
        splits = self._splits(X, y, rng)

        def predict(selection):
            row_weight = weight * selection / (1 - self.trim)
            return self._predict_rows(estimator, splits, X, y, row_weight)

        self.n_iter_ = 0
        self.inlier_weight_ = self._settle(predict, y, weight)
        row_weight = weight * self.inlier_weight_ / (1 - self.trim)
        self.estimator_ = _fit(estimator, X, y, row_weight)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    def predict(self, X):
        """Predict with the fitted estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted targets.
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        base = get_tags(self._base_estimator())
        tags.input_tags = base.input_tags
        tags.non_deterministic = base.non_deterministic
        for kind in ("regressor_tags", "classifier_tags"):
            own, given = getattr(tags, kind), getattr(base, kind)
            if own is not None and given is not None:
                own.poor_score = given.poor_score
        return tags

    def _splits(self, X, y, rng):
        """Training and test rows of each fold, the same for all fits; or None."""
        if isinstance(self.cv, str):
            return None
        cv = 5 if self.cv is None else self.cv
        if isinstance(cv, Integral):
            folds = StratifiedKFold if is_classifier(self) else KFold
            cv = folds(cv, shuffle=True, random_state=rng.randint(2**31 - 1))
        return list(check_cv(cv, y, classifier=is_classifier(self)).split(X, y))

    def _predict_rows(self, estimator, splits, X, y, row_weight):
        """Predictions of the training rows by fits with these weights."""
        method = self._response_method()
        if splits is None:
            return getattr(_fit(estimator, X, y, row_weight), method)(X)
        splits = [(train[row_weight[train] > 0], test) for train, test in splits]
        if any(train.size == 0 for train, _ in splits):
            raise ValueError(
                "cv must leave observations of positive weight to train on in every "
                "fold, got a fold without; more folds help, or less unequal "
                "sample_weight."
            )
        return cross_val_predict(
            estimator,
            X,
            y,
            cv=splits,
            method=method,
            n_jobs=self.n_jobs,
            params=dict.fromkeys(_weight_names(estimator), row_weight),
        )

    def _iterate(self, predict, choose, prediction):
        """Refit with the weights that `choose` gives while the objective falls.

        Returns the predictions and the choice at the smallest objective.
        """
        state = _State(prediction, *choose(prediction))
        for _ in range(self.max_iter):
            prediction = predict(state.selection)
            last, state = state, _State(prediction, *choose(prediction))
            self.n_iter_ += 1
            if state.objective >= (1 - self.tol) * last.objective:
                best = min(last, state, key=lambda state: state.objective)
                return best.prediction, best.selection
        warnings.warn(
            f"{type(self).__name__} did not settle in max_iter={self.max_iter} refits: "
            f"the objective still falls by more than the fraction tol={self.tol}.",
            ConvergenceWarning,
            stacklevel=5,
        )
        return state.prediction, state.selection


def n_kept(total, trim):
    """Weight to keep of the total; whole if it is so up to rounding."""
    kept = (1 - trim) * total
    return round(kept) if abs(kept - round(kept)) < 1e-9 * kept else kept


def _prepare(estimator, rng):
    """A clone of the estimator that takes sample weights and is reproducible."""
    estimator = clone(estimator)
    last = estimator
    while isinstance(last, Pipeline):
        last = last.steps[-1][1]
    if not (_takes_any(last.fit) or has_fit_parameter(last, "sample_weight")):
        raise ValueError(
            f"estimator must take sample_weight in fit, got a {type(last).__name__}, "
            f"which does not."
        )
    if get_config()["enable_metadata_routing"] and hasattr(last, "set_fit_request"):
        last.set_fit_request(sample_weight=True)
    for name, value in sorted(estimator.get_params().items(), key=lambda item: item[0]):
        if name.split("__")[-1] == "random_state" and value is None:
            estimator.set_params(**{name: rng.randint(2**31 - 1)})
    return estimator


def _fit(estimator, X, y, weight):
    """Fit a clone without the rows of weight 0, which have no influence whatever."""
    used = np.flatnonzero(weight > 0)
    if used.size < weight.size and not get_tags(estimator).input_tags.pairwise:
        X, y, weight = (safe_indexing(array, used) for array in (X, y, weight))
    return clone(estimator).fit(X, y, **dict.fromkeys(_weight_names(estimator), weight))


def _weight_names(estimator, is_last=True):
    """Parameters of `fit` that bring the weights to all steps of a pipeline."""
    if isinstance(estimator, Pipeline) and not get_config()["enable_metadata_routing"]:
        last = estimator.steps[-1][1]
        return [
            f"{name}__{parameter}"
            for name, step in estimator.steps
            for parameter in _weight_names(step, is_last and step is last)
        ]
    return ["sample_weight"] if is_last or _transforms_with_weights(estimator) else []


def _takes_any(method):
    """Whether a function takes any named argument, to pass it on."""
    parameters = inspect.signature(method).parameters.values()
    return any(p.kind is p.VAR_KEYWORD for p in parameters)


def _transforms_with_weights(step):
    """Whether a step before the last takes sample weights itself."""
    if not has_fit_parameter(step, "sample_weight"):
        return False
    # A pipeline calls fit_transform, most of which pass on what they get.
    method = getattr(step, "fit_transform", step.fit)
    return _takes_any(method) or "sample_weight" in inspect.signature(method).parameters
