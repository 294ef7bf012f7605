"""Classification: linear scores that put the true class among the k best."""

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import as_frequencies
from ._sklearn import (
    BaseEstimator,
    CallbackSupportMixin,
    ClassifierMixin,
    FitCallbacks,
    Interval,
    StrOptions,
    fit_context,
)
from ._typing import Features, Growth, TopKOperator, TopKSquashing
from .linear._design import LinearDesign
from .linear._held_out import steps_that_pay
from .linear._models import (
    ClassWeightsMixin,
    LinearScoresMixin,
    centre,
    lbfgs,
    previous_scores,
    score_attributes,
    stored_scores,
)
from .linear._penalized import PenalizedLoss
from .losses._topk import GROWTHS, OPERATORS, CrossEntropy, TopKLoss, check_ks

__all__ = ["SoftTopKClassifier"]

# Of the default: with more rows classes that overlap gain nothing by a weaker penalty.
# The curvature of the mean loss in the coefficients of a class falls with its share of
# the rows, and with more classes so do these.
SMALLEST_ALPHA = 1e-3
SMALLEST_ALPHA_OF_CLASSES = 1e-2  # over their number


class SoftTopKClassifier(
    CallbackSupportMixin,
    ClassWeightsMixin,
    LinearScoresMixin,
    ClassifierMixin,
    BaseEstimator,
):
    r"""Linear classification that minimises a soft top-k error.

    Each class gets a linear score. A multinomial logistic regression is fitted first;
    then its scores are changed so that the soft rank of the true class is at most k in
    as many rows as possible ([1]_, [2]_, section 6.1). It pays where a linear model
    cannot fit all rows: logistic regression spends its coefficients on rows that are
    far from right, this classifier on those that can still be got right.

    Parameters
    ----------
    k : int or dict of int to float, default=1
        How many of the best classes may hold the true one; at least 1, and less than
        the number of classes. 1 stands for the usual error. ``{k: weight, ...}`` is a
        distribution over k [3]_, with weights that are made to sum to 1.
    epsilon : float, default=0.3
        Strength of the operator, at least 0, in units of the scores, which begin as log
        odds. The larger, the more rows around the border count. For "sinkhorn" it is in
        units of its cost, and should be from 1e-4 to 1e-2. With 0 ranks are hard
        and have no gradient: the fit remains the logistic regression.
    operator : str, default="quadratic"
        Operator of the soft ranks: "quadratic", "entropic" or "kl" for `soft_rank` with
        this regularization, "all_pairs" for `all_pairs_rank`, "gaussian" for
        `gaussian_soft_rank`, "sinkhorn" for `sinkhorn_rank`, by far the slowest.
    growth : {"bounded", "linear"}, default="bounded"
        How the loss of a row grows with the excess u of its soft rank over k: "linear"
        is u, as in the papers, "bounded" is ``u / (1 + u)``, closer to the top-k error.
    squashing : {"logistic"} or None, default=None
        Function of the scores before they are ranked. "logistic" maps them to (0, 1),
        as in [2]_; `epsilon` should then be about a tenth as large.
    alpha : float, default=None
        Strength of the ridge penalty, at least 0: in the logistic regression on the
        coefficients of the standardised features, then on how far they move from there.
        It competes with the *mean* loss of a row: that of ``LogisticRegression(C=C)``
        is ``1 / (C * n_samples)``. None means ``1 / n_samples``, that of its default,
        but at least 0.001, with more than ten classes ``0.01 / n_classes``. Weights
        count as frequencies there; those of a mean below 1 get a mean of 1.
    fit_intercept : bool, default=True
        Whether the scores have an intercept. It is not penalised.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, times those of the rows. "balanced" gives each class the
        same total weight; classes not in a dict have weight 1.
    max_iter : int, default=1000
        Largest number of L-BFGS iterations, of each of the two fits.
    tol : float, default=1e-4
        Iterations stop where no derivative of the objective exceeds this in whitened
        coordinates, or where an iteration lowers it by less than ``tol / 100`` of it.
        At a kink that may be far above a minimum; with `warm_start` another fit goes on
        from there.
    warm_start : bool, default=False
        Whether both fits start from the coefficients of the previous ones, which needs
        the same features and classes.
    verbose : int, default=0
        1 prints the start and the result, 2 also every tenth iteration.
    early_stopping : bool or "auto", default="auto"
        Whether iterations end where rows that are left out (three folds; from 3000
        rows on as many as hold 3000) are predicted best, by the top-k accuracy of up to
        60 iterations. The folds depend on the order of the features, and on that of the
        rows not. If that is no better than the logistic regression, by half a
        standard error, this is the fit. "auto" means where `alpha` is None. A fit that
        goes on from another one (`warm_start`), or to batches, does not look.

    Attributes
    ----------
    alpha_ : float
        The `alpha` in use.
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted: those of the rows of positive weight.
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features)
        Coefficients of the scores, in the dtype of `X`. For two classes, as of any
        linear classifier, those of the score of the second class minus that of the
        first.
    intercept_ : ndarray of shape (n_classes,), or (1,)
        Intercepts of the scores, 0.0 if ``fit_intercept=False``.
    init_coef_ : ndarray of shape (n_classes, n_features), or (1, n_features)
        Coefficients of the logistic regression.
    init_intercept_ : ndarray of shape (n_classes,), or (1,)
        Intercepts of the logistic regression.
    objective_ : float
        The minimum found.
    n_iter_ : int
        Number of L-BFGS iterations of both fits, and one for the start.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` is too small, or "sinkhorn" does not converge. The fit is kept.

    See Also
    --------
    sksoftrank.losses.soft_topk_loss : The loss.
    sklearn.metrics.top_k_accuracy_score : Takes the result of `decision_function`.
    sklearn.linear_model.LogisticRegression : The model it starts from.

    Notes
    -----
    With scores ``z_i = W x_i + c``, true classes t_i, row weights w_i that sum to one,
    feature scales s_j (standard deviations; without an intercept root mean squares) and
    the coefficients V of the logistic regression, the minimised `objective_` is

    .. math::

        \sum_i w_i\, h\bigl(\max(0,\, R_{t_i}(z_i) - k)\bigr)
        + \frac{\alpha}{2} \sum_{c,j} \bigl(s_j (W_{cj} - V_{cj})\bigr)^2

    where R are soft ranks, the largest score has rank 1 and h is the `growth`. It is
    not convex and has kinks: of several ends rounding may decide which is found. The
    penalty keeps the minimum near the logistic regression, which counts where that
    makes no errors in training. Units of the features do not matter.

    Scores are no log odds any more, and there is no `predict_proba`: where calibrated
    probabilities are needed wrap it in `sklearn.calibration.CalibratedClassifierCV`.

    Tune `epsilon` and `alpha` on grids over powers of ten, with ``scoring=make_scorer(
    top_k_accuracy_score, k=k, response_method="decision_function")``. Labels that were
    not seen in `fit` are never predicted: `score` counts them as errors,
    `top_k_accuracy_score` refuses them.

    References
    ----------
    .. [1] M. Cuturi, O. Teboul, J.-P. Vert, "Differentiable Ranks and Sorting using
       Optimal Transport", NeurIPS 2019, arXiv:1905.11885.
    .. [2] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.
    .. [3] F. Petersen, H. Kuehne, C. Borgelt, O. Deussen, "Differentiable Top-k
       Classification Learning", ICML 2022, arXiv:2206.07290.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.metrics import top_k_accuracy_score
    >>> from sksoftrank import SoftTopKClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftTopKClassifier(k=2).fit(X, y)
    >>> model.predict_topk(X[:2])
    array([[0, 1],
           [0, 1]])
    >>> float(top_k_accuracy_score(y, model.decision_function(X), k=2))
    1.0
    """

    _parameter_constraints: ClassVar[dict] = {
        "k": [Interval(Integral, 1, None, closed="left"), dict],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "operator": [StrOptions(set(OPERATORS))],
        "growth": [StrOptions(set(GROWTHS))],
        "squashing": [StrOptions({"logistic"}), None],
        "alpha": [Interval(Real, 0, None, closed="left"), None],
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "early_stopping": ["boolean", StrOptions({"auto"})],
    }

    alpha_: float
    classes_: NDArray[Any]
    coef_: NDArray[np.floating]
    intercept_: NDArray[np.floating]
    init_coef_: NDArray[np.floating]
    init_intercept_: NDArray[np.floating]
    objective_: float
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(
        self,
        *,
        k: int | dict[int, float] = 1,
        epsilon: float = 0.3,
        operator: TopKOperator = "quadratic",
        growth: Growth = "bounded",
        squashing: TopKSquashing | None = None,
        alpha: float | None = None,
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        max_iter: int = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
        early_stopping: bool | Literal["auto"] = "auto",
    ) -> None:
        self.k = k
        self.epsilon = epsilon
        self.operator = operator
        self.growth = growth
        self.squashing = squashing
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.early_stopping = early_stopping

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit the scores.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. The largest size of each must be 0 or from 1e-140 to 1e140.
        y : array-like of shape (n_samples,)
            Classes, numbers or strings.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, at least 0. Only their ratios matter, but for the
            default `alpha`, and rows of weight 0 are as good as removed.

        Returns
        -------
        SoftTopKClassifier
            The fitted estimator.
        """
        callbacks = FitCallbacks(self, X, y, {"sample_weight": sample_weight})
        is_warm = self.warm_start and hasattr(self, "coef_")
        X, labels, weight, n_rows = self._read_training_data(
            X, y, sample_weight, is_warm
        )
        shares = check_ks(self.k, self.classes_.size)
        design = LinearDesign(
            X.astype(np.float64, copy=False),
            weight,
            fit_intercept=self.fit_intercept,
            alpha=self.alpha_,
        )
        make_loss = partial(
            TopKLoss,
            shares=shares,
            epsilon=float(self.epsilon),
            operator=self.operator,
            growth=self.growth,
            squashing=self.squashing,
        )
        loss = make_loss(labels, weight)

        def find_steps(z_init):
            return steps_that_pay(
                design,
                labels,
                weight * (n_rows / weight.sum()),
                shares,
                partial(self._logistic, z=z_init),
                make_loss,
            )

        is_early = self._stops_early() and not is_warm
        self._fit_objectives(
            PenalizedLoss(CrossEntropy(labels, weight), design),
            lambda z: PenalizedLoss(loss, design, offset=design.predict(z)),
            is_warm,
            callbacks,
            X.dtype,
            find_steps if is_early else None,
        )
        callbacks.end_fit()
        return self

    def decision_function(self, X: Features) -> NDArray[np.floating]:
        """Scores of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Scores, the larger the more likely. For two classes, of shape (n_samples,):
            the score of the second class minus that of the first.
        """
        scores = self._predict_linear(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Features) -> NDArray[Any]:
        """Predict the class of largest score.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Entries of `classes_`.
        """
        best = self._scores(X).argmax(axis=1)
        return self.classes_[best]

    def predict_topk(self, X: Features, k: int | None = None) -> NDArray[Any]:
        """Predict the k classes of largest scores.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        k : int, default=None
            How many classes, from 1 to their number. None means the `k` of the
            classifier; if that is a distribution, the largest one.

        Returns
        -------
        ndarray of shape (n_samples, k)
            Entries of `classes_`, the one of the largest score first. Of equal scores
            the first class comes first.
        """
        scores = self._scores(X)
        k = self._n_best(k)
        return self.classes_[np.argsort(-scores, axis=1, kind="stable")[:, :k]]

    def _n_best(self, k: Any) -> int:
        """How many classes to predict."""
        if k is None:
            k = max(self.k) if isinstance(self.k, dict) else self.k
        if not isinstance(k, Integral) or not 1 <= int(k) <= self.classes_.size:
            raise ValueError(
                f"k must be an integer from 1 to {self.classes_.size}, the number of "
                f"classes, or None, got {k!r}."
            )
        return int(k)

    def _scores(self, X):
        """Scores of all classes, of which that of the first of two is 0."""
        scores = self._predict_linear(X)
        if scores.shape[1] > 1:
            return scores
        return np.hstack([np.zeros_like(scores), scores])

    def _strength(self, weight):
        if self.alpha is not None:
            return float(self.alpha)
        least = min(SMALLEST_ALPHA, SMALLEST_ALPHA_OF_CLASSES / self.classes_.size)
        with np.errstate(over="ignore"):
            return max(least, 1 / float(as_frequencies(weight).sum()))

    def _fit_objectives(
        self, logistic, topk, is_warm, callbacks, dtype, find_steps=None
    ):
        """Minimise the objective of logistic regression, then that of the top-k loss.

        ``topk(z)`` is the latter at distances from these coordinates. ``find_steps(z)``
        is the number of iterations for it, if these are not to go to the minimum.
        """
        design = logistic.design
        z_init, n_iter = self._fit_logistic(logistic, is_warm)
        # A shift of all scores is noise, unless they are squashed.
        is_invariant = self.squashing is None and self.operator != "sinkhorn"
        # Minimised over the distance from the logistic regression.
        start = np.zeros(z_init.shape)
        if is_warm:
            start = previous_scores(design, self.coef_, self.intercept_) - z_init
        self._fit_scores(
            topk(z_init),
            start,
            lambda z: stored_scores(z_init + (centre(z) if is_invariant else z)),
            n_iter=n_iter,
            ftol=self.tol / 100,
            callbacks=callbacks,
            dtype=dtype,
            n_steps=find_steps and find_steps(z_init),
        )
        init = score_attributes(design, stored_scores(z_init), dtype)
        self.init_coef_, self.init_intercept_ = init["coef_"], init["intercept_"]

    def _stops_early(self):
        if isinstance(self.early_stopping, str):
            return self.alpha is None and self.epsilon > 0
        return self.early_stopping

    def _logistic(self, objective, z):
        """Minimise the objective of logistic regression from the coordinates z on."""
        return lbfgs(
            objective,
            z,
            max_iter=self.max_iter,
            tol=self.tol,
            ftol=self.tol / 100,
        )

    def _fit_logistic(self, objective, is_warm):
        """Coordinates of the logistic regression, and the number of iterations."""
        design = objective.design
        if is_warm:
            z = previous_scores(design, self.init_coef_, self.init_intercept_)
        else:
            z = np.zeros((design.n_coordinates, self.classes_.size))
        result = self._logistic(objective, z)
        self._warn_not_converged(result.message)
        n_iter = 1 + result.nit
        self._report(f"start: {n_iter} iterations, cross-entropy {result.fun:.6g}")
        return centre(result.x.reshape(z.shape)), n_iter
