"""Meta-estimator that gives outliers no weight in any regressor."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.utils import column_or_1d

from .._sklearn import RegressorMixin, check_array
from ..linear._robust_scale import (
    INLIER_FRACTION,
    inlier_mask,
    lts_scale,
    reweighted_scale,
)
from ._data_warnings import has_few_rows, less_trim, warn_of_followed
from ._label_noise import SIGNIFICANT
from ._outlying_rows import (
    centre_of_most,
    choose_inliers,
    group_factor,
    has_far_rows,
    has_many_outliers,
    is_better,
)
from ._problem import EXACT_FIT
from ._readings import read_predictions
from ._refit import SoftTrimmed, n_kept, part_trimmed, trimmed
from ._spread import SpreadByLevel, spread_by_level
from ._trimmed_rows import (
    RowRule,
    TrimmedRowsMixin,
    WeightRule,
    good_errors,
    rule_of_choice,
)
from ._trimming_labels import SoftTrimmedClassifier

# Pickles of 0.1.0 look for both here.
__all__ = ["SoftTrimmedClassifier", "SoftTrimmedRegressor"]

# Sizes of y are squared.
LARGEST_TARGET = 1e140

# Nothing is said of fewer rows than are needed for so many coefficients.
FEW_COEFS = 3

# Beyond these, trees find nothing to split, or single precision overflows.
UNITS = (1e-6, 1e30)


class SoftTrimmedRegressor(TrimmedRowsMixin, RegressorMixin, SoftTrimmed):
    """Refit any regressor without the observations that it predicts worst.

    The estimator is fitted again and again with the soft choice among its own
    squared errors as sample weights, until these settle. That makes robust what takes
    sample weights: gradient boosting, forests, kernel methods, or a pipeline of them.

    Parameters
    ----------
    estimator : estimator, default=None
        The regressor, or a pipeline with one at its end, whose `fit` takes
        `sample_weight`. None means `HistGradientBoostingRegressor`.
    trim : float or "auto", default="auto"
        Fraction of observations that are trimmed, in [0, 0.5]. With "auto" only
        outliers are, and none if the estimator itself predicts rows that it has not
        seen as well.
    epsilon : float, default=10.0
        Smoothing strength, at least 0, relative to the squared scale of the errors.
        With 0 exactly the fraction `trim` is trimmed; a large value gives the estimator
        itself. With the default observations get no weight beyond about 3.3 scales. For
        ``trim="auto"`` it serves to find the outliers.
    relative : bool, default=True
        Whether errors count in units of `relative_spread_`, so that a group of large
        targets with errors in proportion is not trimmed for that.
    cv : int, cross-validation generator, iterable or "train", default=5
        Where the errors come from.

        - An integer is the number of shuffled folds: each row is predicted by a model
          that has not seen it. A flexible model fits outliers that it has seen.
        - A generator or an iterable of splits, as scikit-learn's, in which each row is
          tested once. None means 5 folds. `fit` takes the `groups` of a `GroupKFold`.
        - "train": errors on the training rows themselves, for 1 fit in place of one per
          fold. Good enough for models with few parameters only.
    max_iter : int, default=20
        Largest number of refits (each of all folds) in each of the two phases, see the
        Notes.
    tol : float, default=0.01
        The refits of a phase end when the objective falls by less than this fraction,
        in [0, 1).
    n_jobs : int, default=None
        Number of folds to fit at the same time, as for `cross_val_predict`.
    random_state : int, RandomState instance or None, default=None
        What shuffles the folds and replaces each `random_state` of the estimator that
        is None. All refits use the same.
    verbose : int, default=0
        1 prints the number of fits and the result, 2 also each refit. Mostly 2 to 20
        refits of 5 folds are needed: 10 to 100 fits of the estimator.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator, on all rows with their final weights.
    inlier_weight_ : ndarray of shape (n_samples,)
        How far each observation was kept, from 0 (trimmed) to 1. The estimator was
        fitted with these weights, divided by their mean ``1 - trim_``, times the sample
        weights.
    trim_ : float
        The fraction that was trimmed. With ``trim="auto"`` and 0 the estimator is
        fitted as it is, to all rows alike.
    inlier_mask_ : ndarray of bool of shape (n_samples,)
        Whether the error is at most 2.2414 `scale_` times `relative_spread_`: 97.5 % of
        Gaussian errors are.
    scale_ : float
        Standard deviation of the errors without those beyond 2.2414 s0, where s0 is the
        root mean square of the smallest, both made consistent for Gaussian errors; in
        units of `relative_spread_`.
    relative_spread_ : ndarray of shape (n_samples,)
        Spread of the errors around the level of each prediction, relative to that of
        all. 1 where it is less than 1.5, and for ``relative=False``.
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
        In `fit`, if the estimator is no regressor, takes no sample weights or does not
        predict finite numbers, if it cannot fit y in its units (below 1e-6 or above
        1e30), or if a parameter or the data are not as described.

    Warns
    -----
    ConvergenceWarning
        If the weights have not settled after `max_iter` refits. The fit is kept.
    UserWarning
        If most targets are equal and the others are trimmed; if most rows of a small
        part of X are outliers, although the first fit was as good for all others.

    See Also
    --------
    SoftTrimmedClassifier : The same for classifiers.
    SoftLTSRegressor : The same for linear regression, faster and with a better start.
    sksoftrank.losses.selection_trimmed_loss : The weights.

    Notes
    -----
    There are two phases. The first is hard trimming, that is concentration steps [1]_:
    the h = (1 - trim) n observations with the smallest errors are kept. It leads from a
    fit to all data to one to a good half, and to a scale s0 of its errors. The second
    gives each observation the weight ``clip((t - error**2 / (2 s0**2)) / epsilon, 0,
    1)``, with t such that the weights sum to h, and so regains most of the efficiency.
    A phase ends when its objective (the soft trimmed mean of the squared errors)
    falls no more. With sample weights the sums are weighted.

    With ``trim="auto"`` these phases, with half of the rows, tell what is an outlier.
    If more than a fifth are, the first phase is run again from the middle of the
    targets, and the smaller objective counts. Then the weights are 1 for errors up to
    2.24 scales and fall to 0 at 3.4 scales (on the squares linearly), so that no more
    is trimmed than is far off. The result replaces the fit to all rows only if it
    predicts rows that were left out evidently better: by two standard errors of the
    mean of the squared errors, capped at 3 scales times the relative spread; if more
    than 2 % of the rows are beyond 5 scales, and in no group, by anything. A group
    (rows of a relative spread above 1) with evidently more outliers than the rest gets
    a larger spread first.

    Whether outliers are found depends on the first fit, to all data: errors of outliers
    must be larger than those of most good observations there. That holds for scattered
    outliers and wrong labels, up to `trim` of the data, and for outliers that are all
    shifted to one side as long as they are clearly fewer than half. A group of
    outliers that is alone in its part of the feature space cannot be told from a
    feature of the data by a flexible model.

    Boosting on histograms (the default) bins its features anew in each fit, with
    weights slowly, and asks for a number of rows in each leaf. So the fits to folds see
    features that were binned once, and whole sample weights are written out as repeats
    (up to 8 rows for each one).

    Up to 300,000 numbers in X it runs in one thread, for on a busy machine its threads
    wait for each other. Larger tables use all cores.

    In a pipeline all steps that take sample weights get them, and observations of
    weight 0 are left out of each fit, so that they have no influence on any step. With
    scikit-learn's metadata routing enabled, the weights are requested for the last step
    of a pipeline only, and the other steps must have made their own requests.

    References
    ----------
    .. [1] P. J. Rousseeuw, K. Van Driessen, "Computing LTS Regression for Large Data
       Sets", Data Mining and Knowledge Discovery 12, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from sksoftrank import SoftTrimmedRegressor
    >>> rng = np.random.default_rng(1)
    >>> X = rng.uniform(size=(200, 1))
    >>> y = np.where(X[:, 0] < 0.5, 1.0, 2.0) + 0.1 * rng.normal(size=200)
    >>> y[:60] += 10.0
    >>> tree = DecisionTreeRegressor(min_samples_leaf=20)
    >>> tree.fit(X, y).predict([[0.2], [0.8]]).round(1)
    array([3.3, 6. ])
    >>> model = SoftTrimmedRegressor(tree, random_state=0).fit(X, y)
    >>> model.predict([[0.2], [0.8]]).round(1)
    array([1., 2.])
    >>> int(model.inlier_mask_[:60].sum())
    0
    """

    scale_: float
    inlier_mask_: NDArray[np.bool_]
    trim_: float
    relative_spread_: NDArray[np.float64]

    def _base_estimator(self):
        if self.estimator is None:
            return HistGradientBoostingRegressor()
        return self.estimator

    def _check_targets(self, y):
        y = check_array(
            y,
            ensure_2d=False,
            dtype="numeric",
            input_name="y",
            ensure_min_samples=0,  # of X and y the estimator says it
        )
        y = column_or_1d(y, warn=True)
        largest = np.abs(y.astype(np.float64)).max(initial=0.0)
        if largest > LARGEST_TARGET:
            raise ValueError(
                f"y must hold values of a size of at most {LARGEST_TARGET:g}, got "
                f"{largest:g}."
            )
        return y

    def _strata(self, y):
        return np.zeros(y.size, dtype=np.intp)

    def _reader(self):
        return read_predictions

    def _warn_of_targets(self, y, weight):
        if self.trim_ > 0 and not has_few_rows(weight, FEW_COEFS):
            warn_of_followed(self, y, weight, 1, less_trim)

    def _settle(self, read, y, weight):
        """Set the scale and the mask; return p, first and last errors."""
        y = y.astype(np.float64)
        trim = self._first_trim()
        kept = n_kept(weight.sum(), trim)
        centre = np.median(y)
        # A power of 2, so that nothing is rounded; squares neither vanish nor overflow.
        unit = np.ldexp(1.0, np.frexp(np.abs(y - centre).max() or 1.0)[1])
        zero = EXACT_FIT * lts_scale((y - centre) / unit, weight, kept)

        def error(prediction):
            residual = (y - prediction) / unit
            residual[np.abs(residual) <= zero] = 0.0
            return residual

        def residuals(prediction):
            return error(prediction) / spread

        def spread_around(prediction):
            level = prediction / unit
            return spread_by_level(y / unit - level, level, weight)

        def choose(prediction, scale=1.0, epsilon=0.0):
            losses = 0.5 * (residuals(prediction) / scale) ** 2
            return trimmed(losses, kept, epsilon, weight)

        def refit(p):
            return read(p, trim)

        spreads: list[SpreadByLevel] = []
        spread = np.ones(y.size)
        full = np.full(y.size, 1 - trim)
        if UNITS[0] < unit < UNITS[1]:
            start = read(full, trim)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of an overflow
                start = read(full, trim)
            in_units = read(full, trim, y / unit)
            if np.std(start / unit - in_units) > 0.3 * np.std(in_units):
                raise ValueError(
                    f"y must be in units in which the estimator can fit it, got values "
                    f"that vary by {unit:.1g}; in other units its fit is another one."
                )
        if self.relative:
            spreads.append(spread_around(start))
            spread = spreads[0](start / unit)
        prediction, p = self._iterate(refit, choose, start)
        if self.trim == "auto" and has_many_outliers(residuals(prediction), weight):
            other = centre_of_most(lambda level: choose(level)[1], y, weight)
            other, other_p = self._iterate(refit, choose, other)
            if choose(other)[0] < choose(prediction)[0]:
                prediction, p = other, other_p
        if self.relative:
            spreads.append(spread_around(prediction))
            spread = np.maximum(spread, spreads[1](prediction / unit))
        soft, soft_scale = 0.0, 1.0
        scale = lts_scale(residuals(prediction), weight, kept)
        if scale > 0 and self.epsilon > 0:
            soft, soft_scale = self.epsilon, scale
            prediction, p = self._iterate(
                refit,
                lambda prediction: choose(prediction, soft_scale, soft),
                prediction,
            )

        def mask_and_scale():
            residual = residuals(prediction)
            good = inlier_mask(residual, lts_scale(residual, weight, kept))
            scale = reweighted_scale(residual, weight, good, fraction=INLIER_FRACTION)
            return inlier_mask(residual, scale), scale

        mask, scale = mask_and_scale()
        self.trim_, factor = trim, 1.0
        if self.trim == "auto":
            factor = group_factor(
                residuals(prediction) / (scale or 1.0), mask, spread > 1, weight
            )
            spread[spread > 1] *= factor
            prediction, p = self._iterate(
                lambda p: read(p, part_trimmed(p, weight)),
                lambda prediction: choose_inliers(residuals(prediction), scale, weight),
                prediction,
            )
            are_outliers = has_far_rows(
                residuals(prediction) / (scale or 1.0), spread > 1, weight
            )
            if not is_better(
                error(start),
                error(prediction),
                scale * spread,
                weight,
                evidence=0.0 if are_outliers else SIGNIFICANT,
            ):
                prediction, p = start, np.ones(y.size)
            self.trim_ = part_trimmed(p, weight)
            weigh = WeightRule(scale, 0.0, 0.0, True)
            mask, scale = mask_and_scale()
        else:
            losses = 0.5 * (residuals(prediction) / soft_scale) ** 2
            weigh = rule_of_choice(losses, p, soft, soft_scale)
        self.inlier_mask_, self.scale_ = mask, unit * scale
        is_trimmed = self.trim_ > 0
        self._rule = RowRule(
            unit,
            zero,
            scale,
            spreads,
            factor,
            weigh,
            *good_errors(residuals(prediction), mask, weight, is_trimmed),
        )
        self.relative_spread_ = spread
        first, last = (np.abs((y - own) / unit) for own in (start, prediction))
        return p, first, last
