"""Meta-estimator that gives wrong labels no weight in any classifier."""

from functools import partial
from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from .._checks import warn
from .._sklearn import ClassifierMixin, plain_classes, refuse_other_arrays
from .._typing import CV, Estimator, Features, RandomState
from ._label_noise import LabelledRows, LabelNoise
from ._readings import SMALLEST_PROBABILITY, read_scores
from ._refit import SoftTrimmed, estimator_has, n_kept, part_trimmed, trimmed


class SoftTrimmedClassifier(ClassifierMixin, SoftTrimmed):
    """Refit any classifier without the observations that it predicts worst.

    The estimator is fitted again and again with the soft choice among its own
    losses as sample weights, until these settle. That makes it robust to wrong labels.

    Parameters
    ----------
    estimator : estimator, default=None
        The classifier, or a pipeline with one at its end, whose `fit` takes
        `sample_weight`. None means `HistGradientBoostingClassifier`.
    trim : float or "auto", default="auto"
        Fraction of the observations of each class that are trimmed, in [0, 0.5]. With
        "auto" the wrong labels are estimated first, see the Notes: weights are
        probabilities of the labels to be right, and none is trimmed if few can be
        wrong, or the estimator itself tells rows that it has not seen as well.
    epsilon : float, default=4.0
        Smoothing strength, at least 0, in units of the loss (nats for probabilities).
        The weight falls linearly with the loss, and is 0 beyond about ``(1 - trim) *
        epsilon`` above the mean loss of the class. Smaller values trim more, also of
        what is correct but hard to predict. A large value gives the estimator itself.
        For ``trim="auto"`` it serves to find a start.
    relative : bool, default=True
        Whether `epsilon` is larger for a class that is hard to predict throughout, such
        as a rare one, so that its rows are not trimmed for that.
    cv : int, cross-validation generator, iterable or "train", default=5
        Where the losses come from.

        - An integer is the number of shuffled, stratified folds: each row is predicted
          by a model that has not seen it. A flexible model fits wrong labels that it
          has seen.
        - A generator or an iterable of splits, as scikit-learn's, in which each row is
          tested once. None means 5 folds. `fit` takes the `groups` of a `GroupKFold`.
        - "train": losses on the training rows themselves, for 1 fit in place of one per
          fold. Good enough for models with few parameters only.
    max_iter : int, default=20
        Largest number of refits (each of all folds).
    tol : float, default=0.01
        The refits end when the objective falls by less than this fraction, in [0, 1).
    n_jobs : int, default=None
        Number of folds to fit at the same time, as for `cross_val_predict`.
    random_state : int, RandomState instance or None, default=None
        What shuffles the folds and replaces each `random_state` of the estimator that
        is None. All refits use the same.
    verbose : int, default=0
        1 prints the number of fits and the result, 2 also each refit.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator, on all rows with their final weights.
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    inlier_weight_ : ndarray of shape (n_samples,)
        How far each observation was kept, from 0 (trimmed) to 1. The estimator was
        fitted with these weights, divided by their mean ``1 - trim_``, times the sample
        weights.
    inlier_mask_ : ndarray of bool of shape (n_samples,)
        Whether the weight is above 0; for ``trim="auto"`` above 0.5.
    trim_ : float
        The fraction that was trimmed. With ``trim="auto"`` and 0 the estimator is
        fitted as it is, to all rows alike.
    temperature_ : float
        By what logarithms of the probabilities of `estimator_` are divided: 1, or more
        where ``trim="auto"`` trims half of the rows, which makes them too confident.
    noise_rate_ : float or None
        Estimate of the part of the labels that is wrong. None for a classifier that
        predicts labels only.
    wrong_label_probability_ : ndarray of shape (n_samples,) or None
        Probability of each label to be wrong, by fits that have not seen it. Where the
        fit of a fold does not know the class it is `noise_rate_`.
    coef_, intercept_, feature_importances_ : ndarray
        Those of `estimator_`, if it has them.
    n_iter_ : int
        Number of refits, at least 1.
    n_features_in_ : int
        Number of features seen in `fit`, if the estimator tells it.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if the estimator tells them.

    Raises
    ------
    ValueError
        In `fit`, if the estimator is no classifier or takes no sample weights, or if a
        parameter or the data are not as described.

    Warns
    -----
    ConvergenceWarning
        If the weights have not settled after `max_iter` refits. The fit is kept.
    UserWarning
        If a class has fewer rows than `cv` has folds, or a fold has none of it to train
        on: the losses of that class say little then. Also if most rows of a small part
        of X get the weight 0, although the first fit was as good for all others.

    See Also
    --------
    SoftTrimmedRegressor : The same for regressors.
    sksoftrank.losses.selection_trimmed_loss : The weights.

    Notes
    -----
    The loss of an observation is, by what the estimator has,

    1. `predict_proba`: the negative logarithm of the probability of its label;
    2. `decision_function`: the same, with the probabilities that the logistic function
       (with more than two classes, the softmax) makes of the decision values; those of
       pairs of classes (``decision_function_shape="ovo"``) become votes, as for "ovr";
    3. else 1 if its label is not the predicted one, and 0 if it is.

    It is at most 36.04, that of a probability of 2**-52. Rows of a class that their
    fold was not trained on get the mean loss of its other rows. Rows of a class that
    all have the weight 0 in the training part of a fold keep their full weight there.

    The weight is ``clip((t - loss) / epsilon, 0, 1)`` with a threshold t for each class
    such that the weights of its observations sum to the part ``1 - trim``: classes keep
    their shares, and none vanishes, however rare or hard it is. Refits end when the
    objective (the sum over classes of soft trimmed losses) falls no more.

    With `relative`, epsilon is multiplied for each class by ``(q / log(2))**3``, where
    q is the 30 % quantile of its losses in the first fits, if that is above log(2): if
    most rows of a class are thought to be of another one, a large loss speaks of a
    class that is rare or hard rather than of wrong labels.

    Trimming a fixed part has a price: without wrong labels, probabilities become too
    confident.

    With ``trim="auto"`` labels are thought to be noted wrongly with a rate r, as other
    classes in proportion to their shares q of the labels: for scores s (logarithms of
    probabilities, or decision values) of rows left out, label k has the probability
    ``(1 - r) p_k + r q_k sum_{j != k} p_j / (1 - q_j)``, p = softmax(s / T). The rate
    and the temperature T of largest likelihood come from the first fits. If a rate of 0
    is as likely up to chance (two standard errors), one of 0.05 evidently less so, and
    T below 1.5, then no label is trimmed: the fit is that of the estimator. Else the
    weights are the probabilities of the labels to be right, by fits with ``trim=0.5``,
    with at least half of each class; or those of these fits, if they predict more of
    the labels, by a standard error, and the rate is above 0.05 or they predict more
    than the first fits, by two; then T makes probabilities less confident. They count
    if they make these losses of rows left out smaller and more of the labels predicted,
    by three standard errors together and none worse by one; where a rate of 0 is
    evidently less likely for the first fits, if they are not worse by one together.
    Else the fit is that of the estimator. For labels without scores, ``trim=0.5`` must
    predict more of them, by two standard errors.

    Boosting on histograms (the default) bins its features anew in each fit, with
    weights slowly, and asks for a number of rows in each leaf. So the fits to folds see
    features that were binned once, and whole sample weights are written out as repeats
    (up to 8 rows for each one).

    In a pipeline all steps that take sample weights get them, and observations of
    weight 0 are left out of each fit, so that they have no influence on any step. With
    scikit-learn's metadata routing enabled, the weights are requested for the last step
    of a pipeline only, and the other steps must have made their own requests.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sksoftrank import SoftTrimmedClassifier
    >>> rng = np.random.default_rng(1)
    >>> X = rng.uniform(size=(400, 1))
    >>> truth = (X[:, 0] > 0.5).astype(int)
    >>> wrong = rng.uniform(size=400) < 0.3
    >>> y = np.where(wrong, 1 - truth, truth)
    >>> tree = DecisionTreeClassifier(min_samples_leaf=10)
    >>> round(tree.fit(X, y).score(X, truth), 2)
    0.87
    >>> model = SoftTrimmedClassifier(tree, random_state=0).fit(X, y)
    >>> round(model.score(X, truth), 2)
    0.92
    """

    classes_: NDArray[Any]
    inlier_mask_: NDArray[np.bool_]
    trim_: float
    n_iter_: int
    temperature_: float
    noise_rate_: float | None
    wrong_label_probability_: NDArray[np.float64] | None
    _noise: LabelNoise

    def __init__(
        self,
        estimator: Estimator | None = None,
        *,
        trim: float | Literal["auto"] = "auto",
        epsilon: float = 4.0,
        relative: bool = True,
        cv: CV | Literal["train"] | None = 5,
        max_iter: int = 20,
        tol: float = 1e-2,
        n_jobs: int | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            estimator,
            trim=trim,
            epsilon=epsilon,
            relative=relative,
            cv=cv,
            max_iter=max_iter,
            tol=tol,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X: Features) -> NDArray[np.floating]:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        estimator = self._fitted(X)
        if self.temperature_ == 1:
            return estimator.predict_proba(X)
        return np.exp(self._softened(X))

    @available_if(estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: Features) -> NDArray[np.floating]:
        """Logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities, in the order of `classes_`.
        """
        estimator = self._fitted(X)
        if self.temperature_ == 1:
            return estimator.predict_log_proba(X)
        return self._softened(X)

    @available_if(estimator_has("decision_function"))
    def decision_function(self, X: Features) -> NDArray[np.floating]:
        """Decision values of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values; for two classes positive ones speak for the second.
        """
        return self._fitted(X).decision_function(X)

    def _softened(self, X):
        """Logarithms of probabilities that are less confident."""
        p = np.maximum(self.estimator_.predict_proba(X), SMALLEST_PROBABILITY)
        return log_softmax(np.log(p) / self.temperature_, axis=1)

    @available_if(lambda self: self._method() != "predict")
    def wrong_label_probability(self, X: Features, y: ArrayLike) -> NDArray[np.float64]:
        """Probability of each label to be wrong, for any rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features. For the rows of the fit `wrong_label_probability_` is better: it
            comes from fits that have not seen them.
        y : array-like of shape (n_samples,)
            Labels, each of them one of `classes_`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Probabilities by the rule of Bayes, if a part `noise_rate_` of the labels is
            wrong, other classes in proportion to their shares of the labels.

        Raises
        ------
        ValueError
            If there are labels that are not in `classes_`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sksoftrank import SoftTrimmedClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> y[::10] = (y[::10] + 1) % 3
        >>> model = SoftTrimmedClassifier(LogisticRegression(max_iter=1000), cv=3)
        >>> model = model.set_params(random_state=0).fit(X, y)
        >>> model.wrong_label_probability(X[:2], [0, 1]).round(2)
        array([0., 1.])
        """
        check_is_fitted(self)
        refuse_other_arrays(X, y)
        y = plain_classes(column_or_1d(y, warn=True))
        unknown = ~np.isin(y, self.classes_)
        if unknown.any():
            raise ValueError(
                f"y must hold labels that were seen in fit, {self.classes_}, got "
                f"{y[unknown].tolist()[0]!r}."
            )
        method = self._method()
        check_consistent_length(X, y)
        scores = read_scores(self.estimator_, X, y, method, self.classes_)
        rows = LabelledRows(self._strata(y), np.ones(y.size), method)
        return rows.wrong_probability(scores, self._noise)

    def _base_estimator(self):
        if self.estimator is None:
            return HistGradientBoostingClassifier()
        return self.estimator

    def _check_targets(self, y):
        y = plain_classes(column_or_1d(y, warn=True))
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if self.classes_.size == 1:
            raise ValueError("y must hold at least two classes, got one class.")
        return y

    def _strata(self, y):
        return np.searchsorted(self.classes_, y)

    def _method(self):
        base = self._base_estimator()
        methods = ("predict_proba", "decision_function")
        return next((name for name in methods if hasattr(base, name)), "predict")

    def _reader(self):
        return partial(read_scores, method=self._method(), classes=self.classes_)

    def _splits(self, X, y, weight, strata, params, rng):
        counts = np.bincount(strata[weight > 0], minlength=self.classes_.size)
        if (counts == 0).any():
            raise ValueError(
                f"sample_weight must be positive somewhere in each class of y, got "
                f"zeros only for class {self.classes_[counts.argmin()]}."
            )
        n_folds = 5 if self.cv is None else self.cv
        if isinstance(n_folds, Integral) and n_folds > counts.max():
            raise ValueError(
                f"cv must be at most the number of rows of the largest class of y, got "
                f"cv={n_folds} and {counts.max()} rows."
            )
        splits = super()._splits(X, y, weight, strata, params, rng)
        smallest = counts.argmin()
        if counts[smallest] < len(splits) and isinstance(n_folds, Integral):
            warn(
                f"cv has more folds than a class of y has rows, so that its losses say "
                f"little: got {len(splits)} folds and {counts[smallest]} of class "
                f"{self.classes_[smallest]}.",
            )
            return splits
        for train, _ in splits:
            total = np.bincount(strata[train], weight[train], counts.size)
            if (total == 0).any():
                warn(
                    f"cv should leave rows of each class of y to train on in every "
                    f"fold, else their losses are not known; got a fold without class "
                    f"{self.classes_[total.argmin()]}.",
                )
                break
        return splits

    def _settle(self, read, y, weight):
        """Set what is known of the labels; return p, first and last losses."""
        rows = LabelledRows(self._strata(y), weight, self._method())
        label, trim = rows.label, self._first_trim()
        totals = np.bincount(label, weight)
        epsilons = np.full(totals.size, float(self.epsilon))

        def choose(scores):
            losses = rows.losses(scores)
            objective, p = 0.0, np.zeros(label.size)
            for k, total in enumerate(totals):
                of_class = label == k
                kept = n_kept(total, trim)
                value, p[of_class] = trimmed(
                    losses[of_class], kept, epsilons[k], weight[of_class]
                )
                objective += kept * value
            return objective, p

        start = read(np.full(label.size, 1 - trim), trim)
        everything, best = np.ones(label.size), None
        if self.trim == "auto" and rows.are_right(start):
            last, p = start, everything
        else:
            if self.relative:
                epsilons *= rows.hardness(start) ** 3
            last, p = self._iterate(lambda p: read(p, trim), choose, start)
            if self.trim == "auto" and rows.has_probabilities:
                right = rows.right_probability(last)
                soft = read(right, part_trimmed(right, weight))
                self.n_iter_ += 1
                best = rows.best(start, last, soft)
                if best == "soft":
                    last, p = soft, right
            elif self.trim == "auto":
                best = "half" if rows.are_better(start, last) else None
            if self.trim == "auto" and best is None:
                last, p = start, everything
        self._set_noise(rows, last, p)
        if self.trim == "auto" and best == "half" and rows.has_probabilities:
            self.temperature_ = max(1.0, self._noise.temperature)
        return p, rows.losses(start), rows.losses(last)

    def _set_noise(self, rows, scores, p):
        """Set what the last scores of the rows and p say."""
        self.trim_, self.inlier_mask_ = self._first_trim(), p > 0
        self.temperature_ = 1.0
        if self.trim == "auto":
            self.trim_ = part_trimmed(p, rows.weight)
            self.inlier_mask_ = p > 0.5
        self.noise_rate_ = self.wrong_label_probability_ = None
        if not rows.has_probabilities:
            return
        noise = rows.noise(scores)
        # A rate of 0 would call no label wrong, not the most absurd one.
        total = rows.weight.sum()
        rate = (total * noise.rate + 0.5) / (total + 1)
        self._noise = noise._replace(rate=rate)
        self.noise_rate_ = noise.rate
        self.wrong_label_probability_ = rows.wrong_probability(scores, self._noise)
