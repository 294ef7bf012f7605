"""The linear ranker that is trained within groups."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from .._checks import as_frequencies, exact_differences, warn
from .._sklearn import (
    BaseEstimator,
    CallbackSupportMixin,
    FitCallbacks,
    Interval,
    StrOptions,
    fit_context,
    numeric_targets,
    refuse_masked,
    validate_data,
)
from ..linear._design import LinearDesign
from ..linear._models import FEATURES, LinearScoresMixin, lbfgs
from ..linear._penalized import PenalizedLoss
from ..losses._grouped import check_group_weight
from ..metrics import ndcg_score, spearman_score
from ..operators._by_group import GroupLayout, exact_within
from ._objectives import (
    GroupedRows,
    NDCGObjective,
    SpearmanObjective,
    SumOfPieces,
    Tethered,
    soft_levels,
)
from ._within import within_groups

# The iterations start from the scores of least squares, and from these times a number:
# far values shrink the former. The second end counts if it is lower by this share.
HARDER = 4.0
LOWER = 1e-4


class SoftRanker(CallbackSupportMixin, LinearScoresMixin, BaseEstimator):
    r"""Linear scores that rank the rows within each group.

    For tables whose rows come in groups of any sizes, such as the documents of a query,
    the stocks of an era or the runners of a race, where only the order within a group
    counts. What all rows of a group have in common does not matter, in the features as
    in the target.

    Parameters
    ----------
    loss : {"spearman", "ndcg"}, default="spearman"
        "spearman" is the squared distance of soft and true ranks, "ndcg" the normalised
        discounted cumulative gain of soft ranks, for a target of relevances. The latter
        starts from the minimum of the former, and stays close to it; it rarely pays.
    k : int, default=None
        With ``loss="ndcg"`` how many of the best rows of a group count. None means all,
        and is the only choice for "spearman".
    epsilon : float, default=1.0
        Strength of the soft ranks, above 0: for "spearman" in units in which the scores
        of least squares are ranks of standard deviation one, for "ndcg" in standard
        deviations of the scores that "spearman" finds. The smaller, the harder are the
        ranks that the iterations start with: try 0.1 where features have far values.
    alpha : float, default=0.001
        Strength of the ridge penalty on the coefficients of the features in units of
        their standard deviations within groups, at least 0. It competes with the
        *mean* loss of a group. Tune it on a grid over powers of ten.
    tether : float, default=1.0
        With ``loss="ndcg"`` how strongly the coefficients are held where "spearman"
        would have them, at least 0: a penalty on their distance from there, in units of
        the scores that these give.
    max_iter : int, default=1000
        Largest number of L-BFGS iterations, of each fit.
    tol : float, default=1e-4
        Iterations stop where no derivative of the objective exceeds this in whitened
        coordinates, or where an iteration lowers it by less than ``tol ** 2`` of it.
    verbose : int, default=0
        1 prints the start and the result, 2 also every tenth iteration.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients of the score, in the dtype of `X`; 0 for features that do not vary
        within groups.
    intercept_ : float
        0.0: a number that all scores share has no meaning.
    init_coef_ : ndarray of shape (n_features,)
        Coefficients of the start: ridge regression on the ranks within groups.
    objective_ : float
        The minimum found.
    n_groups_ : int
        Number of groups that count: of two or more rows whose targets differ.
    n_iter_ : int
        Number of L-BFGS iterations of all fits, and one for the start.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if all are strings.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` is too small. The fit is kept.
    UserWarning
        If no group has two rows whose targets differ, or no feature varies in such a
        group: the coefficients are 0.

    See Also
    --------
    SoftSpearmanLabelRanker : Ranks the same labels in each row.
    sksoftrank.losses.soft_spearman_loss : The loss of flat arrays with groups.
    sksoftrank.metrics.spearman_score : With groups, the measure.

    Notes
    -----
    With scores ``z_i = w . x_i``, the sizes n_g and weights v_g of groups, which sum to
    one, true ranks r_i and feature scales s_j (standard deviations within groups), the
    minimised `objective_` for "spearman" is

    .. math::

        \frac{\alpha}{2} \sum_j (s_j w_j)^2 + \sum_g v_g \frac{6}{n_g^3}
        \sum_{i \in g} \bigl(R_i(z; \sqrt{12}\, \varepsilon / n_g) - r_i\bigr)^2

    with the soft ranks R of each group g. With hard ranks and no ties a large group has
    one minus its Spearman correlation. Where all scores of a group are within about
    `epsilon` of one another its soft ranks are linear and the loss is that of least
    squares on the ranks. The iterations start there, and from scores that are four
    times as large, and the lower end is kept; the clearer the order of the targets, the
    further they lead away. So it pays where features order the rows well but not
    linearly, or have far values, and is ridge regression on the ranks where they hardly
    tell anything.

    *Groups in scikit-learn.* `groups` is a metadata of `fit` and `score` that is
    requested by default: after ``set_config(enable_metadata_routing=True)`` a
    ``GridSearchCV(SoftRanker(), ..., cv=GroupKFold())`` passes those of ``fit(X, y,
    groups=groups)`` on to both. Without metadata routing such a search gives them to
    the splitter *only*, and fits all rows as one group.

    *Weights.* Groups may be weighted: equal weights of all rows of a group stand for
    repeats of the group. For "spearman" weights that differ within a group are
    relative frequencies of its rows, and the group has their mean weight; for "ndcg"
    they are possible without `groups` only. Rows of weight 0 are as good as removed.

    *Ties* share their average rank. Groups of one row, and those whose targets are all
    equal, say nothing about an order and are left out.

    References
    ----------
    .. [1] M. Blondel, O. Teboul, Q. Berthet, J. Djolonga, "Fast Differentiable Sorting
       and Ranking", ICML 2020, arXiv:2002.08871.

    Examples
    --------
    >>> from sksoftrank import SoftRanker
    >>> X = [[1.0], [2.0], [3.0], [11.0], [12.0]]
    >>> y = [30, 20, 10, 2, 1]
    >>> race = ["a", "a", "a", "b", "b"]
    >>> ranker = SoftRanker().fit(X, y, groups=race)
    >>> ranker.score(X, y, groups=race)
    1.0
    >>> scores = ranker.predict([[7.0], [5.0]])
    >>> bool(scores[1] > scores[0])
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "loss": [StrOptions({"spearman", "ndcg"})],
        "k": [Interval(Integral, 1, None, closed="left"), None],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "tether": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
    }

    coef_: NDArray[np.floating]
    intercept_: float
    init_coef_: NDArray[np.floating]
    objective_: float
    n_groups_: int
    n_iter_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    # Groups are part of the data, not an option.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"groups": True}

    def __init__(
        self,
        *,
        loss: str = "spearman",
        k: int | None = None,
        epsilon: float = 1.0,
        alpha: float = 1e-3,
        tether: float = 1.0,
        max_iter: int = 1000,
        tol: float = 1e-4,
        verbose: int = 0,
    ) -> None:
        self.loss = loss
        self.k = k
        self.epsilon = epsilon
        self.alpha = alpha
        self.tether = tether
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> SoftRanker:
        """Fit the scores.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features. The largest size of each must be 0 or from 1e-140 to 1e140.
        y : array-like of shape (n_samples,)
            Target, the larger, the better; with ``loss="ndcg"`` relevances, at least 0.
        groups : array-like of shape (n_samples,), default=None
            Labels of the groups, in any order. None means that all rows are one.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, at least 0 and not all 0, see Notes; or of the groups,
            of shape (n_groups,), in the order of ``numpy.unique(groups)``.

        Returns
        -------
        SoftRanker
            The fitted estimator.
        """
        metadata = {"groups": groups, "sample_weight": sample_weight}
        callbacks = FitCallbacks(self, X, y, metadata)
        if self.loss == "spearman" and self.k is not None:
            raise ValueError(f"k must be None with loss='spearman', got {self.k}.")
        X, y = self._read(X, y, groups)
        rows = self._group(y, groups, sample_weight)
        self.n_groups_ = 0 if rows is None else rows.sizes.size
        design = None if rows is None else within_groups(X, rows, float(self.alpha))
        if rows is None or design is None or not design.basis.any():
            what = "y must differ within a group, but all are single or tied"
            if rows is not None:
                what = "X must differ within a group where y does, but does in none"
            warn(f"{what}: the coefficients are 0.")
            self.coef_ = self.init_coef_ = np.zeros(X.shape[1], X.dtype)
            self.intercept_, self.objective_, self.n_iter_ = 0.0, 0.0, 0
            callbacks.end_fit()
            return self
        # Scores that only the start of "ndcg" has need no strength of their own.
        epsilon = float(self.epsilon) if self.loss == "spearman" else 1.0
        z, n_iter = self._least_squares(design, rows)
        init = _coefficients(design, z, X.dtype)
        objective = PenalizedLoss(
            SumOfPieces(
                rows,
                lambda piece, part, room: SpearmanObjective(
                    piece, soft_levels(piece, epsilon, room)
                ),
            ),
            design,
        )
        z, n_more = self._better_end(objective, z)
        n_iter += n_more
        offset = np.zeros_like(z)
        if self.loss == "ndcg":
            z, offset = offset, z
            del objective  # and its levels
            objective = self._tethered(design, rows, y, offset)
        self._fit_scores(
            objective,
            z,
            lambda moved: offset + moved,
            n_iter=n_iter,
            ftol=self.tol**2,
            callbacks=callbacks,
            dtype=X.dtype,
        )
        self.coef_, self.intercept_ = self.coef_[0], 0.0
        self.init_coef_ = init
        callbacks.end_fit()
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.floating]:
        """Predict scores.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,)
            Scores, the larger, the better. Only their order within a group has a
            meaning.
        """
        return self._predict_linear(X)

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Mean over groups of the measure that belongs to the loss.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Target.
        groups : array-like of shape (n_samples,), default=None
            Labels of the groups. None means that all rows are one.
        sample_weight : array-like of shape (n_samples,) or (n_groups,), default=None
            Weights of the rows or of the groups, as in the metric.

        Returns
        -------
        float
            `sksoftrank.metrics.spearman_score`, or ``ndcg_score`` with the `k` of the
            ranker for ``loss="ndcg"``.
        """
        refuse_masked(y, "y")
        if np.ndim(y) == 2:
            y = column_or_1d(y, warn=True)
        scores = self.predict(X)
        if groups is None:
            groups = np.zeros(len(scores), dtype=np.intp)
        if self.loss == "ndcg":
            return ndcg_score(
                y, scores, k=self.k, groups=groups, sample_weight=sample_weight
            )
        return spearman_score(y, scores, groups=groups, sample_weight=sample_weight)

    def _read(
        self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None
    ) -> tuple[Any, NDArray[np.float64]]:
        """Checked X, and y in float64."""
        if groups is None:
            y = exact_differences(y, "y")
        else:
            y = exact_within(y, "y", groups)
        X, y = validate_data(
            self, X, y, y_numeric=True, ensure_min_samples=2, **FEATURES
        )
        y = numeric_targets(y).astype(np.float64, copy=False)
        if self.loss == "ndcg" and y.min() < 0:
            raise ValueError(f"y must be at least 0 with loss='ndcg', got {y.min()}.")
        return X, y

    def _group(
        self,
        y: NDArray[np.float64],
        groups: ArrayLike | None,
        sample_weight: ArrayLike | None,
    ) -> GroupedRows | None:
        """The rows of groups that tell an order; None if there are none."""
        by_row = self.loss == "spearman" or groups is None
        labels = np.zeros(y.size, dtype=np.intp) if groups is None else groups
        is_used = np.ones(y.size, dtype=bool)

        def group() -> tuple[GroupLayout, Any, Any]:
            return check_group_weight(sample_weight, labels, is_used, by_row=by_row)

        layout, group_weight, counts = group()
        for _, index in layout.batches():
            is_tied = (y[index] == y[index[:, :1]]).all(axis=1)
            is_used[index[is_tied]] = False
        if not is_used.all():
            layout, group_weight, counts = group()
        if layout.order.size == 0:
            return None
        if counts is not None and self.loss == "ndcg":
            # Their number counts, for the discounts are those of ranks.
            counts = as_frequencies(np.asarray(sample_weight, dtype=np.float64))
        return GroupedRows(layout, group_weight, counts, y)

    def _least_squares(
        self, design: LinearDesign, rows: GroupedRows
    ) -> tuple[NDArray[np.float64], int]:
        """Coordinates of ridge regression on levels, and the number of iterations."""
        loss = SumOfPieces(rows, lambda piece, *_: SpearmanObjective(piece, None))
        ridge = PenalizedLoss(loss, design)
        z = np.zeros((design.n_coordinates, 1))
        if design.basis.ndim == 2:  # whitened
            return -ridge(z)[1][:, None], 1
        result = self._minimise(ridge, z)
        return result.x[:, None], 1 + result.nit

    def _better_end(
        self, objective: PenalizedLoss, z: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], int]:
        """Coordinates of the lower of the ends of two starts, and the iterations."""
        result = self._minimise(objective, z)
        other = self._minimise(objective, HARDER * z)
        n_iter = result.nit + other.nit
        if other.fun < (1 - LOWER) * result.fun:
            result = other
        if self.loss == "ndcg":  # else the fit goes on from there, and tells
            self._warn_not_converged(result.message)
        return result.x[:, None], n_iter

    def _minimise(self, objective: PenalizedLoss, z: NDArray[np.float64]) -> Any:
        return lbfgs(
            objective, z, max_iter=self.max_iter, tol=self.tol, ftol=self.tol**2
        )

    def _tethered(
        self,
        design: LinearDesign,
        rows: GroupedRows,
        y: NDArray[np.float64],
        z: NDArray[np.float64],
    ) -> PenalizedLoss:
        """The objective of NDCG, as a function of the distance from z."""
        scores = design.predict(z)
        variance = sum(
            float(piece.share @ piece.centred(scores[part, 0]) ** 2)
            for part, piece in rows.pieces()
        )
        variance = variance or 1.0
        epsilon = float(self.epsilon) * math.sqrt(variance)
        strength = float(self.tether) / variance

        def make(piece: GroupedRows, part: slice, room: Any) -> Tethered:
            levels = soft_levels(piece, epsilon, room)
            ndcg = NDCGObjective(piece, levels, y, self.k)
            return Tethered(ndcg, piece, scores[part], strength)

        return PenalizedLoss(SumOfPieces(rows, make), design, offset=scores)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.positive_only = self.loss == "ndcg"
        return tags


def _coefficients(
    design: LinearDesign, z: NDArray[np.float64], dtype: Any
) -> NDArray[np.floating[Any]]:
    return np.ascontiguousarray(design.coefficients(z)[0][:, 0], dtype=dtype)
