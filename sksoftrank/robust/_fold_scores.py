"""Scores of paths of fits on test folds, and which arguments a scorer gets."""

from time import perf_counter

import numpy as np
from sklearn import config_context, get_config
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.parallel import Parallel, delayed

from .._sklearn import check_method_params, raise_for_params, scorer_takes


class CappedScore:
    """Minus the mean squared error in units of the cap, no error counting for more.

    In other units squares of small or large errors would leave the floats.
    """

    def __init__(self, cap):
        self.cap = cap

    def __call__(self, estimator, X, y, sample_weight=None, sigma=None):
        """Score of a fitted estimator."""
        with np.errstate(over="ignore"):
            error = np.abs(y - estimator._linear(X)) / self.cap
            if sigma is not None:
                error /= sigma
        return -np.average(np.minimum(error, 1.0) ** 2, weights=sample_weight)


def route(owner, scorer, weights, params):
    """What `split` of the folds and the scorer of `owner` are given.

    With scikit-learn's metadata routing that is what they have requested. Without it
    folds are given `groups`, and the scorer those of the weights that it takes.
    """
    if get_config()["enable_metadata_routing"]:
        routed = process_routing(owner, "fit", **weights, **params)
        return routed.splitter.split, routed.scorer.score
    others = {name: value for name, value in params.items() if name != "groups"}
    raise_for_params(others, owner, "fit")
    taken = [name for name in weights if scorer_takes(scorer, name)]
    return params, {name: weights[name] for name in taken}


def path_scores(model, X, y, weights, epsilons, fold, scorer, score_params):
    """Score on the test fold of each fit to the training fold."""
    train, test = fold
    weights = check_method_params(X, weights, indices=train)
    score_params = check_method_params(X, score_params, indices=test)
    # Only where metadata are routed do scorers of scikit-learn take more than weights.
    routing = get_config()["enable_metadata_routing"] or "sigma" in score_params
    scores = []
    for fit in model._fits(X[train], y[train], epsilons, **weights):
        with config_context(enable_metadata_routing=routing):
            scores.append(scorer(fit, X[test], y[test], **score_params))
    return scores


def score_folds(
    owner, models, folds, X, y, weights, epsilons, scorer, score_params, callbacks
):
    """Scores of each model on its fold, as they come; tells of each.

    The models of one trim are one for each of the folds.
    """
    n_folds = len(folds)
    n_trims = len(models) // n_folds
    owner._report(
        f"search: {len(epsilons)} epsilons x {n_trims} trims x {n_folds} folds of "
        f"{y.size} rows and {X.shape[1]} features, {len(models)} searches for a start "
        f"and one for all rows"
    )
    parallel = Parallel(n_jobs=owner.n_jobs, prefer="threads", return_as="generator")
    found = parallel(
        delayed(path_scores)(
            model, X, y, weights, epsilons, folds[i % n_folds], scorer, score_params
        )
        for i, model in enumerate(models)
    )
    began, scores = perf_counter(), []
    for i, model in enumerate(models):
        callbacks.begin_iteration("fold")
        scores.append(next(found))
        callbacks.end_iteration(None)
        best = "none has a score"
        if not np.isnan(scores[-1]).all():
            best = f"best epsilon {epsilons[np.nanargmax(scores[-1])]:.6g}"
        owner._report(
            f"trim {model.trim:.6g}, fold {i % n_folds + 1} of {n_folds}: {best}, "
            f"{perf_counter() - began:.1f} s since the start"
        )
    return scores


def check_fold_weights(folds, sample_weight):
    """Raise an error if all rows of a part of a fold have weight 0."""
    if sample_weight is None:
        return
    for number, fold in enumerate(folds):
        for part, rows in zip(("training", "test"), fold, strict=True):
            if not sample_weight[rows].any():
                raise ValueError(
                    f"cv must give training and test rows of positive weight in every "
                    f"fold, got only weights of 0 among the {part} rows of fold "
                    f"{number} of {len(folds)}."
                )


def undefined_scores(scores, folds):
    """The exception where no epsilon and trim has a score on all test folds."""
    undefined = np.flatnonzero(np.isnan(scores).all(axis=(0, 1)))
    which = "different folds" if undefined.size == 0 else f"fold {undefined[0]}"
    if undefined.size > 1:
        which += f" and {undefined.size - 1} more"
    sizes = [len(test) for _, test in folds]
    return ValueError(
        f"scoring must give a score on all test folds for some of the epsilons and "
        f"trims, got NaN for each: it is undefined on {which} of {len(folds)}, whose "
        f"test rows may be too few for it ({min(sizes)} in the smallest fold)."
    )
