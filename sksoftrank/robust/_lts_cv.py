"""Soft LTS with `epsilon` and `trim` chosen by cross-validation."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from .._checks import as_frequencies, warn
from .._sklearn import FitCallbacks, StrOptions, fit_context, refuse_masked
from .._typing import CV, Features, Formulation, Init, NumberOfStarts, RandomState
from ._auto_epsilon import DEFAULT
from ._base import RobustLinearModel
from ._data_warnings import (
    followed_values,
    has_few_rows,
    warn_of_data,
)
from ._fold_scores import (
    CappedScore,
    check_fold_weights,
    route,
    score_folds,
    undefined_scores,
)
from ._intervals import IntervalsMixin
from ._lts import SoftLTSRegressor
from ._lts_path import check_grid, check_sorted
from ._other_minimum import OtherMinimum, warn_of_other_minimum
from ._unseen import warn_slow, warn_undetermined

# Errors beyond this many scales count alike in the default score. With more, a third of
# outliers in X may rule it; with less, so do the good rows that are fitted anyhow.
CAP = 3.0

# Parameters that are handed on to the estimator.
SHARED = (
    "formulation",
    "alpha",
    "fit_intercept",
    "reweight",
    "init",
    "n_init",
    "max_iter",
    "tol",
)


class SoftLTSRegressorCV(IntervalsMixin, RobustLinearModel):
    """Soft least trimmed squares with `epsilon` and `trim` chosen by cross-validation.

    For each fold and each `trim` one start is searched for, from which all `epsilon`
    are fitted. The folds hold outliers, too, so the default score caps errors.

    Parameters
    ----------
    epsilons : array-like of shape (n_epsilons,), default=None
        Smoothing strengths to choose from, at least 0. None means nine from 0.1 to
        1000; for ``formulation="sort"`` eleven from 1e-4 to 10, times the number of
        observations.
    trims : array-like of shape (n_trims,), default=(0.5,)
        Fractions that may be trimmed to choose from, in [0, 0.5].
    scoring : str, callable or None, default=None
        What to maximise, as in `GridSearchCV`. None means ``capped_scorer(cap=cap_)``:
        minus the mean squared error, errors above `cap_` counting alike. For data of
        which more than 40 % are outliers ``trimmed_scorer(trim=0.5)`` is better.
    cv : int, splitter, iterable or None, default=None
        How to split, as in `GridSearchCV`. None means 5 folds.
    formulation : {"selection", "sort"}, default="selection"
        As for `SoftLTSRegressor`, also the following ones.
    alpha : float, default=0.0
        Strength of the ridge penalty, at least 0. It competes with the *mean* loss.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    reweight : bool, default=False
        Whether fits are followed by least squares on their inliers.
    init : {"auto", "ls"}, default="auto"
        How to search for the start.
    n_init : int or "auto", default="auto"
        Number of random draws of the search.
    max_iter : int, default=1000
        Largest number of iterations.
    tol : float, default=1e-8
        When iterations stop.
    random_state : int, RandomState instance or None, default=None
        What draws the random starts.
    n_jobs : int or None, default=None
        Number of threads over which folds and trims are spread.
    verbose : int, default=0
        1 prints how large the search is, a line for each trim and fold, and what is
        chosen. Callbacks of scikit-learn (1.9) hear of each trim and fold.

    Attributes
    ----------
    epsilon_ : float
        The chosen `epsilon`.
    trim_ : float
        The chosen `trim`.
    best_score_ : float
        Their mean score over the test folds.
    cap_ : float or None
        Three times the `start_scale_` of a fit to all data with the largest trim, or if
        that follows a single value that most targets have, without trimming. None with
        another `scoring`, and where the fit is exact otherwise: the score then is minus
        the share of the rows that are not predicted up to rounding.
    epsilons_ : ndarray of shape (n_epsilons,)
        The grid, in increasing order.
    trims_ : ndarray of shape (n_trims,)
        The grid, in increasing order.
    cv_scores_ : ndarray of shape (n_trims, n_epsilons, n_folds)
        Scores on the test folds.
    coef_path_ : ndarray of shape (n_epsilons, n_features)
        Coefficients of fits to all data with `trim_`.
    coef_ : ndarray of shape (n_features,)
        Coefficients of the fit to all data with the chosen parameters. All other
        attributes of a fitted `SoftLTSRegressor` are there, too.
    intercept_ : numpy.float64
        Intercept of that fit.

    See Also
    --------
    SoftLTSRegressor : The estimator.
    soft_lts_path : The path over `epsilon` without a choice.
    EpsilonPathDisplay : Plots the path and the scores.
    sksoftrank.metrics.capped_scorer : Makes the default score.

    Warns
    -----
    UserWarning
        If most targets are equal and the chosen fit follows these, if the score has no
        `cap_` for a fit that is exact in some of the rows only, or if few rows have
        half of the sample weights.

    Notes
    -----
    Where scores tie, the smaller `epsilon` and the smaller `trim` are chosen.

    With five folds, one trim and nine epsilons it takes as long as about 10 single fits
    of a hundred rows, 12 of a thousand and 18 of 1e5 (``python benchmarks/fits.py``).

    Examples
    --------
    >>> from sksoftrank import SoftLTSRegressorCV
    >>> from sksoftrank.datasets import make_contaminated_regression
    >>> X, y, _, outliers = make_contaminated_regression(
    ...     200, contamination=0.3, kind="leverage", random_state=0
    ... )
    >>> model = SoftLTSRegressorCV(epsilons=[1, 10, 1000], random_state=0).fit(X, y)
    >>> model.epsilon_, model.trim_
    (10.0, 0.5)
    >>> int(model.inlier_mask_[outliers].sum())
    0
    """

    _parameter_constraints: ClassVar[dict] = {
        "epsilons": ["array-like", None],
        "trims": ["array-like"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "cv": ["cv_object"],
        **{
            name: SoftLTSRegressor._parameter_constraints[name]
            for name in (*SHARED, "random_state", "n_jobs", "verbose")
        },
    }

    coef_: NDArray[np.floating]
    epsilon_: float
    trim_: float
    best_score_: float
    cap_: float | None
    epsilons_: NDArray[np.float64]
    trims_: NDArray[np.float64]
    cv_scores_: NDArray[np.float64]
    coef_path_: NDArray[np.float64]
    other_minimum_: OtherMinimum | None
    stderr_: NDArray[np.float64] | None
    intercept_stderr_: float | None
    df_: float | None
    robust_r2_: float
    raw_coef_: NDArray[np.float64]
    raw_intercept_: float
    start_scale_: float

    def __init__(
        self,
        *,
        epsilons: ArrayLike | None = None,
        trims: ArrayLike = (0.5,),
        scoring: str | Callable[..., float] | None = None,
        cv: CV | None = None,
        formulation: Formulation = "selection",
        alpha: float = 0.0,
        fit_intercept: bool = True,
        reweight: bool = False,
        init: Init = "auto",
        n_init: NumberOfStarts = "auto",
        max_iter: int = 1000,
        tol: float = 1e-8,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.epsilons = epsilons
        self.trims = trims
        self.scoring = scoring
        self.cv = cv
        self.formulation: Formulation = formulation
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.reweight = reweight
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Features,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        sigma: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Choose `epsilon` and `trim`, and fit the model with them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Frequencies of the observations, also in the scores if they take weights.
        sigma : array-like of shape (n_samples,), default=None
            Relative standard deviations of the errors, above 0, also in the default
            score and in others that take `sigma`.
        **params : dict
            ``groups`` for `cv`. With scikit-learn's metadata routing enabled, what `cv`
            and `scoring` have requested.

        Returns
        -------
        SoftLTSRegressorCV
            The fitted estimator.
        """
        for name, value in params.items():
            refuse_masked(value, name)
        X, y = self._validate(X, y)
        weight, sigma = self._check_rows(y, sample_weight, sigma)
        weight = as_frequencies(weight)
        weights = {} if sample_weight is None else {"sample_weight": weight}
        if sigma is not None:
            weights["sigma"] = sigma
        self.epsilons_ = check_grid(self.epsilons, self.formulation, y.size)
        self.trims_ = check_sorted(self.trims, "trims", 0.5)
        rng = check_random_state(self.random_state)
        scorer, unit = self._scorer(X, y, weight, weights, rng)
        split_params, score_params = route(self, scorer, weights, params)
        if self.scoring is None:  # it is routed nothing, for it is ours
            score_params = weights
        folds = list(check_cv(self.cv).split(X, y, **split_params))
        if not folds:
            raise ValueError("cv must give at least one split, got none.")
        check_fold_weights(folds, weights.get("sample_weight"))
        callbacks = FitCallbacks(self, X, y, {**weights, **params})
        models = [self._model(trim, rng) for trim in self.trims_ for _ in folds]
        data = X, y, weights, self.epsilons_, scorer, score_params
        scores = score_folds(self, models, folds, *data, callbacks)
        shape = len(self.trims_), len(folds), len(self.epsilons_)
        scores = np.reshape(scores, shape).swapaxes(1, 2)
        mean = scores.mean(axis=2)
        if np.isnan(mean).all():
            raise undefined_scores(scores, folds)
        best = np.unravel_index(np.nanargmax(mean), mean.shape)
        self.trim_ = float(self.trims_[best[0]])
        self.epsilon_ = float(self.epsilons_[best[1]])
        with np.errstate(over="ignore"):
            self.cv_scores_ = scores * unit
            self.best_score_ = float(mean[best] * unit)
        self._report(
            f"trim {self.trim_:.6g}, epsilon {self.epsilon_:.6g}, "
            f"score {self.best_score_:.6g}"
        )
        model = self._model(self.trim_, rng)
        chosen = self._fit_best(X, y, weights, model)
        warn_of_data(
            self,
            y,
            weight,
            chosen._n_coefs,
            lambda share: f"Try trims well below {1 - share:.2g}",
        )
        problem = model._problem(X, y, weights.get("sample_weight"), sigma)
        warn_undetermined(self, self._lost)
        if chosen._is_slow:
            warn_slow(self, problem)
        problem.warn_of_ignored_group(self, X)
        warn_of_other_minimum(self, problem)
        callbacks.end_fit()
        return self

    def get_metadata_routing(self) -> Any:
        """What goes where of the metadata that `fit` is given.

        Returns
        -------
        MetadataRouter
            Requests of the fit itself, of `cv` and of `scoring`.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        to_split = MethodMapping().add(caller="fit", callee="split")
        router.add(splitter=self.cv, method_mapping=to_split)
        to_score = MethodMapping().add(caller="fit", callee="score")
        scorer = None if self.scoring is None else get_scorer(self.scoring)
        return router.add(scorer=scorer, method_mapping=to_score)

    def _scorer(self, X, y, weight, weights, rng):
        """The scorer, and the unit of its scores."""
        self.cap_ = None
        if self.scoring is not None:
            return get_scorer(self.scoring), 1.0
        for trim in (self.trims_[-1], 0.0):
            model = self._model(trim, rng).set_params(formulation="selection")
            fit = next(model._fits(X, y, [DEFAULT], **weights))
            if followed_values(fit, y, weight, fit._n_coefs) is None:
                break  # else the size of its errors is none of those of a useful fit
        self.cap_ = CAP * fit.start_scale_
        if self.cap_ > 0:
            return CappedScore(self.cap_), self.cap_ * self.cap_
        self.cap_ = None
        share = weight @ fit.inlier_mask_ / weight.sum()
        if share < 1 and not has_few_rows(weight, fit._n_coefs):
            warn(
                f"{type(self).__name__} scores by the share of the rows that are "
                f"predicted exactly, for a fit to all data is exact in "
                f"{100 * share:.0f} % of them and tells no size of errors. Another "
                f"scoring may be passed.",
            )
        return CappedScore(10 * fit._zero or 1.0), 1.0

    def _model(self, trim, rng):
        """Estimator for one start, with randomness of its own."""
        shared = {name: getattr(self, name) for name in SHARED}
        return SoftLTSRegressor(trim=trim, random_state=rng.randint(2**31), **shared)

    def _fit_best(self, X, y, weights, model):
        """Fit the path, and take over the attributes of the chosen fit."""
        path = []
        options = {**weights, "look_at": self.epsilon_}
        for fit in model._fits(X, y, self.epsilons_, **options):
            path.append(fit.coef_)
            if fit.epsilon == self.epsilon_:
                chosen = fit
        kept = ("_lost", "_errors", "_rule")
        self.__dict__.update(
            {n: v for n, v in vars(chosen).items() if n.endswith("_") or n in kept}
        )
        self.coef_path_ = np.array(path)
        self.coef_ = self.coef_.astype(X.dtype, copy=False)
        return chosen
