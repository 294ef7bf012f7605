"""Label ranking: predict the order of a set of labels for each row of features."""

import math
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from .._checks import warn
from .._sklearn import (
    BaseEstimator,
    CallbackSupportMixin,
    FitCallbacks,
    Interval,
    StrOptions,
    fit_context,
    validate_data,
)
from .._typing import Features, RankRegularization, Target
from ..linear._design import LinearDesign
from ..linear._models import FEATURES, LinearScoresMixin, lbfgs
from ..linear._penalized import PenalizedLoss
from ..losses._soft_ranks import SpearmanLoss
from ._orders import MAX_ROWS, look_like_orders
from ._rankings import TARGETS, LabelRankerMixin


class SoftSpearmanLabelRanker(
    CallbackSupportMixin, LinearScoresMixin, LabelRankerMixin, BaseEstimator
):
    r"""Linear label ranking that minimises the squared distance of soft ranks.

    Each label gets a linear score, and the labels are ranked by it. The scores are
    fitted so that their soft ranks are close to the true ranks: a smooth relative of
    maximising Spearman's rank correlation ([1]_, section 6.3). Rankings may be partial
    and have ties.

    Parameters
    ----------
    regularization : {"quadratic", "entropic", "kl"} or None, default="quadratic"
        Regularization of `soft_rank`. None leaves the soft rank out: ridge regression
        on the ranks.
    epsilon : float, default=1.0
        Strength of the soft rank in units of the scores, above 0. Scores are linear,
        so only ``alpha * epsilon ** 2`` matters for the ranking: tune `epsilon` with
        a positive `alpha`, or `alpha`, on a grid over powers of ten.
    alpha : float, default=0.001
        Strength of the ridge penalty on the coefficients of the standardised features,
        at least 0. The penalty competes with the *mean* loss of a row.
    fit_intercept : bool, default=True
        Whether the scores have an intercept. It is not penalised.
    target : {"ranks", "relevance"}, default="ranks"
        How `y` is read: "ranks" means that the smallest number of a row is the most
        preferred, "relevance" the largest. Either way it is ranked anew in each row, so
        that any real numbers will do.
    init_scale : float, default=2.0
        The start is the ridge regression on the ranks, whose scores are too close to
        one another, times this. The objective is not convex, and values from 1 to 4
        may lead to different minima. Without effect for ``regularization=None``.
    max_iter : int, default=1000
        Largest number of L-BFGS iterations.
    tol : float, default=1e-3
        Iterations stop where no derivative of the objective exceeds this in whitened
        coordinates, or where an iteration lowers it by less than ``tol ** 2`` of it.
    warm_start : bool, default=False
        Whether to start from the coefficients of the previous fit, which needs the same
        features and labels.
    verbose : int, default=0
        1 prints the start and the result, 2 also every tenth iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (n_labels, n_features)
        Coefficients of the scores, in the dtype of `X`.
    intercept_ : ndarray of shape (n_labels,)
        Intercepts of the scores, 0.0 if ``fit_intercept=False``.
    labels_ : ndarray of shape (n_labels,)
        Names of the columns of `y`, or their numbers if they have no names.
    objective_ : float
        The minimum found, in units of squared ranks.
    n_iter_ : int
        Number of L-BFGS iterations, and one for the start.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` is too small. The fit is kept.
    UserWarning
        If a label is never ranked, or `y` seems to hold something else than ranks:
        orders, which list the labels, or 0 for labels that are not ranked.

    See Also
    --------
    DummyLabelRanker : The same ranking for all rows.
    ranks_from_orders : Makes ranks of lists of labels.
    sksoftrank.losses.soft_spearman_loss : The loss.
    sksoftrank.metrics : Scores, and scorers for grid searches.

    Notes
    -----
    With scores ``z_i = W x_i + c``, true ranks r_i, row weights w_i that sum to one and
    feature scales s_j (standard deviations; without an intercept root mean squares),
    the minimised `objective_` is, with soft ranks R,

    .. math::

        \sum_i \frac{w_i}{2} \left\| r_i - R(z_i / \varepsilon) \right\|^2
        + \frac{\alpha}{2} \sum_{l,j} (s_j W_{lj})^2

    over the labels that are ranked in each row. Units of the features do not matter.
    The soft rank keeps the order of the scores, so the hard ranks of the scores are the
    prediction. For None the soft rank is replaced by ``(m + 1) / 2 - z_i / epsilon``
    for m ranked labels.

    *Partial rankings.* A label that is NaN takes no part in the loss of its row: it may
    belong anywhere. A row with fewer than two ranked labels says nothing, and is as
    good as removed. Where labels that are not listed are known to rank behind those
    that are, as in a list of the k best, give them a common larger number, not NaN.

    *Ties.* Labels with equal numbers share their average rank. A single label always
    has rank 1.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank.label_ranking import SoftSpearmanLabelRanker
    >>> X = [[-2.0], [-1.0], [1.0], [2.0]]
    >>> y = [[1, 2, 3], [1, 2, float("nan")], [3, 2, 1], [3, 2, 1]]
    >>> ranker = SoftSpearmanLabelRanker().fit(X, y)
    >>> ranker.predict([[-1.5], [1.5]])
    array([[1., 2., 3.],
           [3., 2., 1.]])
    >>> ranker.predict_order([[1.5]])
    array([[2, 1, 0]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "regularization": [StrOptions({"quadratic", "entropic", "kl"}), None],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "target": [TARGETS],
        "init_scale": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
    }

    labels_: NDArray[Any]
    coef_: NDArray[np.floating]
    intercept_: NDArray[np.floating]
    objective_: float
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(
        self,
        *,
        regularization: RankRegularization | None = "quadratic",
        epsilon: float = 1.0,
        alpha: float = 1e-3,
        fit_intercept: bool = True,
        target: Target = "ranks",
        init_scale: float = 2.0,
        max_iter: int = 1000,
        tol: float = 1e-3,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.regularization = regularization
        self.epsilon = epsilon
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.target: Target = target
        self.init_scale = init_scale
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit the scores.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. The largest size of each must be 0 or from 1e-140 to 1e140.
        y : array-like of shape (n_samples, n_labels)
            Rankings, read as `target` says; NaN marks labels that are not ranked.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, at least 0 and not all 0. Only their ratios matter.

        Returns
        -------
        SoftSpearmanLabelRanker
            The fitted estimator.
        """
        callbacks = FitCallbacks(self, X, y, {"sample_weight": sample_weight})
        is_warm = self.warm_start and hasattr(self, "coef_")
        X, ranks, weight, labels = self._read_training_data(
            X, y, sample_weight, reset=not is_warm, **FEATURES
        )
        if is_warm and len(self.coef_) != labels.size:
            raise ValueError(
                f"y must have the {len(self.coef_)} labels of the previous fit with "
                f"warm_start=True, got {labels.size}."
            )
        self.labels_ = labels
        self._warn_of_orders(X, ranks, weight > 0)
        design = LinearDesign(
            X.astype(np.float64, copy=False),
            weight,
            fit_intercept=self.fit_intercept,
            alpha=self._strength(),
        )
        if is_warm:
            z, n_iter = self._warm_coordinates(design), 1
        else:
            targets = ridge_targets(ranks, self.regularization)
            z, n_iter = self._start(
                PenalizedLoss(SpearmanLoss(targets, weight, 1.0, None), design)
            )
            del targets
        self._report(f"start: {n_iter} iterations")
        loss = SpearmanLoss(ranks, weight, 1.0, self.regularization)
        self._fit_scores(
            PenalizedLoss(loss, design),
            z,
            lambda z: z * self.epsilon,
            n_iter=n_iter,
            ftol=self.tol**2,
            callbacks=callbacks,
            dtype=X.dtype,
        )
        callbacks.end_fit()
        return self

    def decision_function(self, X: Features) -> NDArray[np.floating]:
        """Scores of the labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            Scores, the larger the more preferred. Only their differences within a row
            have a meaning.
        """
        return self._predict_linear(X)

    def _strength(self):
        """Strength of the penalty on scores in units of epsilon, which are fitted."""
        epsilon = float(self.epsilon)
        alpha = float(self.alpha) * epsilon * epsilon
        if not math.isfinite(alpha):
            raise ValueError(
                f"alpha * epsilon**2 must be finite, got alpha={self.alpha} and "
                f"epsilon={self.epsilon}."
            )
        return alpha

    def _warn_of_orders(self, X, ranks, used):
        if self.target != "ranks" or sparse.issparse(X):
            return
        rows = np.flatnonzero(used)[:MAX_ROWS]
        if look_like_orders(X[rows], ranks[rows]):
            warn(
                "y seems to hold orders of labels, for the features explain them "
                "better than the ranks that y should hold; ranks_from_orders turns "
                "orders into ranks.",
            )

    def _start(self, ridge):
        """Coordinates of ridge regression on ranks, and the number of iterations.

        `ridge` is its objective, for `ridge_targets`.
        """
        design = ridge.design
        z = np.zeros(design.n_coordinates * self.labels_.size)
        if design.basis.ndim == 2:  # whitened
            # The minimum for complete rankings, and close to it for others.
            z -= ridge(z)[1]
        if self.regularization is None:
            return z, 1  # the same objective is minimised from here on
        result = lbfgs(ridge, z, max_iter=self.max_iter, tol=self.tol, ftol=self.tol**2)
        return self.init_scale * result.x, 1 + result.nit

    def _warm_coordinates(self, design):
        coef = self.coef_.T.astype(np.float64) / self.epsilon
        return design.coordinates(coef, self.intercept_ / self.epsilon)


def ridge_targets(ranks, regularization):
    """What the ridge regression of the start fits, for a regularization."""
    if regularization != "kl":
        return ranks
    logs = np.log(ranks)  # soft ranks of "kl" are exponentials
    n_ranked = (~np.isnan(logs)).sum(axis=1, keepdims=True)
    centre = np.nansum(logs, axis=1, keepdims=True) / np.maximum(n_ranked, 1)
    return logs - centre + (n_ranked + 1) / 2


class DummyLabelRanker(LabelRankerMixin, BaseEstimator):
    """Ranks the labels alike for all rows: by their mean rank, or Borda count.

    It ignores the features, and is a baseline for other label rankers.

    Parameters
    ----------
    target : {"ranks", "relevance"}, default="ranks"
        How `y` is read: "ranks" means that the smallest number of a row is the most
        preferred, "relevance" the largest.

    Attributes
    ----------
    borda_ : ndarray of shape (n_labels,)
        Mean share of the other ranked labels that the label is preferred to, from 0 to
        1: for complete rankings a linear function of its mean rank. Ties count half.
        0.5 for a label that is never ranked.
    labels_ : ndarray of shape (n_labels,)
        Names of the columns of `y`, or their numbers if they have no names.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    See Also
    --------
    SoftSpearmanLabelRanker : Uses the features.

    Examples
    --------
    >>> from sksoftrank.label_ranking import DummyLabelRanker
    >>> y = [[1, 2, 3], [1, 3, 2], [2, 1, 3]]
    >>> ranker = DummyLabelRanker().fit([[0], [1], [2]], y)
    >>> ranker.predict([[7]])
    array([[1., 2., 3.]])
    """

    _parameter_constraints: ClassVar[dict] = {"target": [TARGETS]}

    labels_: NDArray[Any]
    borda_: NDArray[np.float64]
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(self, *, target: Target = "ranks") -> None:
        self.target: Target = target

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Features, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Count the preferences.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features, which may be of any kind.
        y : array-like of shape (n_samples, n_labels)
            Rankings, read as `target` says; NaN marks labels that are not ranked.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, at least 0 and not all 0.

        Returns
        -------
        DummyLabelRanker
            The fitted estimator.
        """
        _, ranks, weight, self.labels_ = self._read_training_data(
            X, y, sample_weight, dtype=None, ensure_all_finite=False
        )
        ranked = ~np.isnan(ranks)
        n_others = ranked.sum(axis=1, keepdims=True) - 1
        share = np.where(ranked, (n_others + 1 - ranks) / np.maximum(n_others, 1), 0.0)
        total = weight @ ranked
        self.borda_ = np.where(total > 0, weight @ share, 0.5) / np.where(
            total > 0, total, 1.0
        )
        return self

    def decision_function(self, X: Features) -> NDArray[np.float64]:
        """Scores of the labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features, which are ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
            `borda_` in each row.
        """
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=["csr", "csc"],
            dtype=None,
            ensure_all_finite=False,
            reset=False,
        )
        return np.tile(self.borda_, (X.shape[0], 1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags
