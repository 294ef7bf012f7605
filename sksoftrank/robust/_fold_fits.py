"""Fits of clones of any estimator to folds, with weights and other metadata."""

from contextlib import nullcontext

import numpy as np
from joblib import effective_n_jobs
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from .._sklearn import check_method_params, safe_split, threadpool_controller

HISTOGRAMS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)

# Rows that are written out a row of the data.
MOST_REPEATS = 8

# Up to so many numbers in X one thread does a fit of boosting in a fifth of a second.
MOST_OF_ONE_THREAD = 300_000


def prepare(estimator, rng):
    """A clone of the estimator that takes sample weights and is reproducible."""
    estimator = clone(estimator)
    if not takes_weights(estimator):
        learner = estimator
        while isinstance(learner, Pipeline):
            learner = learner.steps[-1][1]
        raise ValueError(
            f"estimator must take sample_weight in fit, got a "
            f"{_name_with_inner(learner)}, which does not."
        )
    if get_config()["enable_metadata_routing"]:
        _request_weights(estimator)
    for name, value in sorted(estimator.get_params().items(), key=lambda item: item[0]):
        if name.split("__")[-1] == "random_state" and value is None:
            estimator.set_params(**{name: rng.randint(2**31 - 1)})
    return estimator


def takes_weights(estimator):
    """Whether `fit` takes sample weights, itself or for an estimator within."""
    if isinstance(estimator, Pipeline):
        return takes_weights(estimator.steps[-1][1])
    if has_fit_parameter(estimator, "sample_weight"):
        return True
    with config_context(enable_metadata_routing=True):
        trial = clone(estimator)
        _request_weights(trial)
        return bool(get_routing_for_object(trial).consumes("fit", ["sample_weight"]))


def _request_weights(estimator):
    """Request sample weights for the estimator, or those within that learn from y."""
    if isinstance(estimator, Pipeline):
        _request_weights(estimator.steps[-1][1])
    elif has_fit_parameter(estimator, "sample_weight"):
        if hasattr(estimator, "set_fit_request"):
            estimator.set_fit_request(sample_weight=True)
    else:
        for inner in _inner_estimators(estimator):
            _request_weights(inner)


def _inner_estimators(estimator):
    """Estimators among its parameters, also those of a list of names and estimators."""
    values = list(estimator.get_params(deep=False).values())
    for value in values[:]:
        if isinstance(value, list):
            values += [item[1] for item in value if isinstance(item, tuple)]
    return [value for value in values if hasattr(value, "fit")]


def _name_with_inner(estimator):
    """Its class, and what it is made of: "GridSearchCV of a KNeighborsRegressor"."""
    inner = " and a ".join(_name_with_inner(e) for e in _inner_estimators(estimator))
    return type(estimator).__name__ + (f" of a {inner}" if inner else "")


def weight_names(estimator, is_last=True):
    """Parameters of `fit` that bring the weights to all steps of a pipeline."""
    takes = has_fit_parameter(estimator, "sample_weight")
    if takes or get_config()["enable_metadata_routing"]:
        return ["sample_weight"] if takes or is_last else []
    if isinstance(estimator, Pipeline):
        last = estimator.steps[-1][1]
        return [
            f"{name}__{parameter}"
            for name, step in estimator.steps
            for parameter in weight_names(step, is_last and step is last)
        ]
    if not is_last:
        return []
    # A search, say, hands on what its fit is given.
    inner = _inner_estimators(estimator)
    return weight_names(inner[0]) if len(inner) == 1 else ["sample_weight"]


class CloneFits:
    """Fits of clones of an estimator to some of the rows of (X, y), with weights.

    `params` are parameters of `fit`, those with an entry a row to be split. `repeats`
    says how often a row is written out, or None: its weight is shared among them.
    """

    def __init__(self, estimator, params, repeats, n_jobs):
        self.estimator = estimator
        self.params = params
        self.repeats = repeats
        self.n_jobs = n_jobs
        # Asked for once, for a small fit takes no longer than the answers.
        self._weight_names = weight_names(estimator)
        self._is_pairwise = get_tags(estimator).input_tags.pairwise

    def fit(self, X, y, weight, rows=None):
        """A clone fitted without the rows of weight 0, which then have no influence.

        `weight` is that of each of the `rows`; None means all. Without a `weight` the
        estimator gets none: forests draw other rows for ones than for none.
        """
        if weight is None:
            model = clone(self.estimator)
            model.fit(X, y, **self.params)
            return model
        used = np.arange(y.size) if rows is None else rows
        if rows is not None or not self._is_pairwise:
            used, weight = used[weight > 0], weight[weight > 0]
        if self.repeats is not None:
            repeats = self.repeats[used]
            used, weight = used.repeat(repeats), (weight / repeats).repeat(repeats)
        params = self.params
        if used.size != y.size or self.repeats is not None:
            X_used, y_used = self._take(X, y, used, None)
            params = params and check_method_params(X, params, used)
        else:
            X_used, y_used = X, y
        weights = dict.fromkeys(self._weight_names, weight)
        model = clone(self.estimator)
        model.fit(X_used, y_used, **params, **weights)
        return model

    def _take(self, X, y, rows, columns):
        """Some of the rows, and of a precomputed kernel these columns."""
        if type(X) is np.ndarray and not self._is_pairwise:  # the usual case, fast
            return X[rows], y[rows]
        return safe_split(self.estimator, X, y, rows, columns)

    def read(self, X, y, folds, reader):
        """What `reader` makes of the test rows of each fold, as one array.

        A fold is its training rows, their weights and its test rows. The result of
        ``reader(model, X, y)`` is a number, or numbers, for each row.
        """
        if effective_n_jobs(self.n_jobs) == 1:  # without the overhead, of small fits
            parts = [self._read_fold(X, y, fold, reader) for fold in folds]
        else:
            parts = Parallel(n_jobs=self.n_jobs)(
                delayed(self._read_fold)(X, y, fold, reader) for fold in folds
            )
        result = np.empty((y.size, *parts[0].shape[1:]))
        for (_, _, test), part in zip(folds, parts, strict=True):
            result[test] = part
        return result

    def _read_fold(self, X, y, fold, reader):
        train, weight, test = fold
        model = self.fit(X, y, weight, train)
        columns = train[weight > 0]  # of a precomputed kernel
        return reader(model, *self._take(X, y, test, columns))


def whole_repeats(estimator, weight):
    """Whole numbers of repeats that weights stand for, where that makes a difference.

    Leaves of boosting on histograms need a number of rows, whatever the weight of a
    row. None for other estimators, and where it makes no difference or many rows.
    """
    boosts = isinstance(_inside_targets(estimator), HISTOGRAMS)
    if not boosts or (weight <= 1).all():
        return None
    repeats = np.rint(weight)
    if (repeats != weight).any() or repeats.sum() > MOST_REPEATS * weight.size:
        return None
    return repeats.astype(np.intp)


def threads_for(estimator, X):
    """A context in which boosting of small tables does with one thread of OpenMP.

    It meets the others some thousand times a fit. Where cores are busy they wait for
    each other there, most of the time by running in circles.
    """
    while isinstance(estimator, Pipeline | TransformedTargetRegressor):
        estimator = _inside_targets(estimator)
        if isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
    size = getattr(X, "size", MOST_OF_ONE_THREAD + 1)
    if not isinstance(estimator, HISTOGRAMS) or size > MOST_OF_ONE_THREAD:
        return nullcontext()
    return threadpool_controller().limit(limits=1, user_api="openmp")


def _inside_targets(estimator):
    """The estimator that sees X as it is given."""
    while isinstance(estimator, TransformedTargetRegressor):
        estimator = estimator.regressor
    return estimator


def with_few_values(estimator, X, weight):
    """X with no more values a column than the histograms of the estimator have bins.

    Boosting on histograms bins its features anew in each fit, with weights one quantile
    at a time, which takes longer than the trees. Columns of few values, and so those of
    categories, are fast and stay as they are. For other estimators X is returned.
    """
    estimator = _inside_targets(estimator)
    if not isinstance(estimator, HISTOGRAMS):
        return X
    if hasattr(X, "dtypes") and hasattr(X, "isetitem"):  # a frame of pandas
        coarse = X.copy()
        for i, dtype in enumerate(X.dtypes):
            if dtype.kind in "fiu":
                column = X.iloc[:, i].to_numpy(dtype=np.float64, na_value=np.nan)
                if (bins := _bins(column, weight, estimator.max_bins)) is not None:
                    coarse.isetitem(i, bins)
        return coarse
    try:
        X_coarse = np.array(X, dtype=np.float64, order="F")
    except (TypeError, ValueError):  # the estimator says what is wrong
        return X
    if X_coarse.ndim != 2:
        return X
    for column in X_coarse.T:
        if (bins := _bins(column, weight, estimator.max_bins)) is not None:
            column[:] = bins
    return X_coarse


def _bins(column, weight, max_bins):
    """Number of the quantile bin of each value, NaN kept; None for few values."""
    order = np.argsort(column)
    order = order[weight[order] > 0]
    order = order[: np.count_nonzero(~np.isnan(column[order]))]
    if np.unique(column[order]).size <= max_bins:
        return None
    cumulative = np.cumsum(weight[order])
    part = np.linspace(0, cumulative[-1], max_bins + 1)[1:-1]
    edges = np.unique(column[order[np.searchsorted(cumulative, part)]])
    return np.where(np.isnan(column), np.nan, np.searchsorted(edges, column))
