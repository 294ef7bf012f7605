"""Refitting of any estimator with the soft choice among its own losses."""

import math
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._checks import as_frequencies, warn
from .._sklearn import (
    BaseEstimator,
    CallbackSupportMixin,
    FitCallbacks,
    HasMethods,
    Interval,
    MetaEstimatorMixin,
    StrOptions,
    check_sample_weight,
    fit_context,
    refuse_masked,
    refuse_other_arrays,
)
from .._typing import CV, Estimator, Features, RandomState
from ..losses._choices import trimmed_gradient
from ._fold_fits import (
    CloneFits,
    prepare,
    threads_for,
    whole_repeats,
    with_few_values,
)
from ._ignored import GroupSharesMixin, warn_of_ignored_group

# With trim="auto" outliers are those of a fit that trims this part.
TRIM_OF_SEARCH = 0.5


# Fitted attributes of the estimator that tell what counts; what older pickles lack.
DELEGATED = ("coef_", "intercept_", "feature_importances_")
OLDER = {"relative": True, "verbose": 0}


class _State(NamedTuple):
    """What was read from the fits, and the choice of observations that it leads to."""

    reading: np.ndarray
    objective: float
    p: np.ndarray


def estimator_has(method):
    """Whether the fitted, or else the given, estimator has the method."""

    def check(self):
        getattr(getattr(self, "estimator_", self._base_estimator()), method)
        return True

    return check


class SoftTrimmed(
    CallbackSupportMixin, GroupSharesMixin, MetaEstimatorMixin, BaseEstimator
):
    """What the regressor and the classifier share: refits weighed by a choice."""

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "trim": [Interval(Real, 0, 0.5, closed="both"), StrOptions({"auto"})],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "relative": ["boolean"],
        "cv": ["cv_object", StrOptions({"train"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # With the methods and attributes of the one that was given.
    estimator_: Any
    inlier_weight_: NDArray[np.float64]
    inlier_mask_: NDArray[np.bool_]
    trim_: float
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(
        self,
        estimator: Estimator | None = None,
        *,
        trim: float | Literal["auto"] = "auto",
        epsilon: float = 10.0,
        relative: bool = True,
        cv: CV | Literal["train"] | None = 5,
        max_iter: int = 20,
        tol: float = 1e-2,
        n_jobs: int | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.trim = trim
        self.epsilon = epsilon
        self.relative = relative
        self.cv = cv
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Features,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Fit the estimator again and again until its weights settle.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features, as the estimator takes them.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequencies of the observations, at least 0 and not all 0. None means ones;
            weights of a mean below 1 count as if they had a mean of 1.
        **fit_params : dict
            ``groups`` for `cv`, and parameters of `fit` of the estimator; those with
            one entry a row are split with the rows. With scikit-learn's metadata
            routing enabled, what `cv` and the estimator have requested.

        Returns
        -------
        object
            The fitted meta-estimator.
        """
        callbacks = FitCallbacks(
            self, X, y, {"sample_weight": sample_weight, **fit_params}
        )
        refuse_other_arrays(X, y)
        for name, value in fit_params.items():
            refuse_masked(value, name)
        self._check_kind()
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
        estimator = prepare(self._base_estimator(), rng)
        splitter_params, params = self._route(fit_params)
        strata = self._strata(y)
        splits = self._splits(X, y, weight, strata, splitter_params, rng)
        repeats = whole_repeats(estimator, weight)
        fits = CloneFits(estimator, params, repeats, self.n_jobs)
        X_folds, reader = with_few_values(estimator, X, weight), self._reader()

        def read(p, trim, y=y):
            """What fits with these weights say of the rows that they have not seen.

            The mean of p is ``1 - trim``.
            """
            row_weight = weight * p / (1 - trim)
            callbacks.begin_iteration()
            folds = [
                (train, _training_weight(row_weight, weight, strata, train), test)
                for train, test in splits
            ]
            reading = fits.read(X_folds, y, folds, reader)
            # There is no estimator of all rows yet.
            self._is_stopped |= bool(callbacks.end_iteration(None))
            return reading

        self.n_iter_, self._is_stopped = 0, False
        self._report(f"{len(splits)} fits to folds a refit, and one to all rows")
        with threads_for(estimator, X_folds):
            self.inlier_weight_, plain, errors = self._settle(
                read, y, as_frequencies(weight)
            )
            row_weight = weight * self.inlier_weight_ / (1 - self.trim_)
            is_plain = sample_weight is None and self.trim == "auto"
            if is_plain and (row_weight == 1).all():
                row_weight = None
            self.estimator_ = fits.fit(X, y, row_weight)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        self._warn_of_targets(y, weight)
        if not get_tags(estimator).input_tags.pairwise:
            warn_of_ignored_group(
                self, X, ~self.inlier_mask_, errors, plain.__getitem__
            )
        self._report(f"end: {self.n_iter_} refits, {self.trim_:.2%} trimmed")
        self.n_iter_ = max(self.n_iter_, 1)
        callbacks.end_fit()
        return self

    def predict(self, X: Features, **predict_params: Any) -> NDArray[Any]:
        """Predict with the fitted estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        **predict_params : dict
            Parameters of `predict` of the estimator, such as ``return_std=True``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted targets, and what else the parameters ask for.
        """
        return self._fitted(X).predict(X, **predict_params)

    @available_if(estimator_has("transform"))
    def transform(self, X: Features) -> Any:
        """Transform X with the fitted estimator, if that can.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.

        Returns
        -------
        array-like or sparse matrix of shape (n_samples, n_features_out)
            What the estimator makes of it.
        """
        return self._fitted(X).transform(X)

    def _fitted(self, X):
        """The fitted estimator, for features that it may take."""
        check_is_fitted(self)
        refuse_other_arrays(X)
        return self.estimator_

    def __getattr__(self, name: str) -> Any:
        if name in DELEGATED and "estimator_" in vars(self):
            return getattr(self.estimator_, name)
        if name in OLDER:
            return OLDER[name]
        if (
            name == "temperature_"
            and "estimator_" in vars(self)
            and is_classifier(self)
        ):
            return 1.0
        message = f"{type(self).__name__!r} object has no attribute {name!r}"
        if name in ("_rule", "_noise") and "estimator_" in vars(self):
            message += ", for it was fitted by an older version; fit it again"
        raise AttributeError(message, name=name, obj=self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        base = get_tags(self._base_estimator())
        tags.input_tags = base.input_tags
        tags.non_deterministic = base.non_deterministic
        for kind in ("regressor_tags", "classifier_tags"):
            own, given = getattr(tags, kind), getattr(base, kind)
            if own is not None and given is not None:
                own.poor_score = given.poor_score
        return tags

    def get_metadata_routing(self) -> Any:
        """What goes where of the metadata that `fit` is given.

        Returns
        -------
        MetadataRouter
            Requests of the estimator and of `cv`.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        to_fit = MethodMapping().add(caller="fit", callee="fit")
        to_split = MethodMapping().add(caller="fit", callee="split")
        router.add(estimator=self._base_estimator(), method_mapping=to_fit)
        return router.add(splitter=self.cv, method_mapping=to_split)

    def _report(self, text):
        if self.verbose:
            print(f"[{type(self).__name__}] {text}")

    def _warn_of_targets(self, y, weight):
        """Warn of targets that such a choice is not meant for."""

    def _first_trim(self):
        """The part that is trimmed, or that the search for outliers begins with."""
        return TRIM_OF_SEARCH if self.trim == "auto" else self.trim

    def _check_kind(self):
        base = self._base_estimator()
        kind, own = (get_tags(e).estimator_type for e in (base, self))
        if kind not in (None, own):
            raise ValueError(
                f"estimator must be a {own}, got a {type(base).__name__}, which is a "
                f"{kind}."
            )

    def _route(self, fit_params):
        """Parameters of `split` of cv, and those of `fit` of the estimator."""
        if fit_params and get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **fit_params)
            return routed.splitter.split, routed.estimator.fit
        names = fit_params.keys() & {"groups"}
        splitter_params = {name: fit_params[name] for name in names}
        return splitter_params, {
            name: value for name, value in fit_params.items() if name not in names
        }

    def _splits(self, X, y, weight, strata, params, rng):
        """Training and test rows of each fold, the same for all fits."""
        rows = np.arange(y.size)
        if isinstance(self.cv, str):
            return [(rows, rows)]
        cv = 5 if self.cv is None else self.cv
        if isinstance(cv, Integral):
            if cv > y.size:
                raise ValueError(
                    f"cv must be at most the number of rows, got cv={cv} and "
                    f"n_samples={y.size}."
                )
            folds = StratifiedKFold if is_classifier(self) else KFold
            cv = folds(cv, shuffle=True, random_state=rng.randint(2**31 - 1))
        cv = check_cv(cv, y, classifier=is_classifier(self))
        with warnings.catch_warnings():  # said below, of any cv
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            splits = [
                tuple(rows[part] for part in split)
                for split in cv.split(X, y, **params)
            ]
        tested = np.concatenate([test for _, test in splits])
        if not np.array_equal(np.sort(tested), rows):
            raise ValueError(
                f"cv must test each row once, got {tested.size} tests of "
                f"{np.unique(tested).size} of the {rows.size} rows."
            )
        if any(weight[train].sum() == 0 for train, _ in splits):
            raise ValueError(
                "cv must leave observations of positive weight to train on in every "
                "fold, got a fold without; more folds help, or less unequal "
                "sample_weight."
            )
        return splits

    def _iterate(self, read, choose, reading):
        """Refit with the weights that `choose` gives while the objective falls.

        Returns the reading and the choice at the smallest objective.
        """
        state = _State(reading, *choose(reading))
        for _ in range(self.max_iter):
            reading = read(state.p)
            last, state = state, _State(reading, *choose(reading))
            self.n_iter_ += 1
            if self.verbose > 1:
                self._report(f"refit {self.n_iter_}, objective {state.objective:.6g}")
            if self._is_stopped or state.objective >= (1 - self.tol) * last.objective:
                best = min(last, state, key=lambda state: state.objective)
                return best.reading, best.p
        warn(
            f"{type(self).__name__} did not settle in max_iter={self.max_iter} refits: "
            f"the objective still falls by more than the fraction tol={self.tol}.",
            ConvergenceWarning,
        )
        return state.reading, state.p


def _training_weight(row_weight, weight, strata, train):
    """Weights of training rows; a stratum without weight there is trained on in full.

    Else a class could be unknown to the fit that is asked for its probability.
    """
    strata = strata[train]
    is_lost = np.bincount(strata, row_weight[train]) == 0
    return np.where(is_lost[strata], weight[train], row_weight[train])


def part_trimmed(p, weight):
    """The part of the weight that a choice p leaves out."""
    return max(0.0, float(1 - (weight @ p) / weight.sum()))


def trimmed(losses, kept, epsilon, weight):
    """Value and choice of `selection_trimmed_loss`, or say that a loss is infinite."""
    value, _, p = trimmed_gradient(losses, weight, kept, epsilon)
    if not math.isfinite(value):
        raise ValueError(
            "estimator must predict values of which the losses are finite, got some "
            "that overflow; in other units of y they may not."
        )
    return value, p


def n_kept(total, trim):
    """Weight to keep of the total; whole if it is so up to rounding."""
    kept = (1 - trim) * total
    return round(kept) if abs(kept - round(kept)) < 1e-9 * kept else kept
