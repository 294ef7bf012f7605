"""scikit-learn's checks of all estimators, with default settings and every option."""

from numbers import Integral

import pytest
from marks import slow
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import get_scorer_names
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import StrOptions, make_constraint
from sklearn.utils.estimator_checks import check_estimator
from test_package import PUBLIC

from sksoftrank import (
    DummyLabelRanker,
    IsotonicProjection,
    PermutahedronProjection,
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    SoftQuantileNormalizer,
    SoftRanker,
    SoftRankTransformer,
    SoftSpearmanLabelRanker,
    SoftTopKClassifier,
    SoftTrimmedClassifier,
    SoftTrimmedRegressor,
)
from sksoftrank.metrics import trimmed_scorer

# Those of dask refuse arrays in memory, with which scikit-learn checks estimators.
ESTIMATORS = [
    thing
    for thing in PUBLIC
    if hasattr(thing, "fit") and not thing.__module__.startswith("sksoftrank.dask.")
]
# In memory they are those that they are made of.
OF_BATCHES = [c for c in ESTIMATORS if c.__module__.startswith("sksoftrank.batches.")]
# Of those that fit many models: their default settings are among the slow tests.
QUICK = {
    SoftLQSRegressor: {"n_init": 5},
    SoftLTSRegressorCV: {"epsilons": [10.0], "cv": 2, "init": "ls"},
    SoftTrimmedClassifier: {"estimator": GaussianNB(), "cv": 2, "tol": 0.1},
    # The solver of sparse features stops early, with repeats elsewhere.
    SoftTrimmedRegressor: {"estimator": Ridge(tol=1e-10), "cv": 2, "tol": 0.1},
}
QUICK_SETTINGS = [
    cls(**QUICK.get(cls, {})) for cls in ESTIMATORS if cls not in OF_BATCHES
]


def scaled(estimator):
    return make_pipeline(StandardScaler(with_mean=False), estimator)


# Leaves of a single row, for the checks have a dozen of rows.
BOOSTING = {"max_iter": 20, "min_samples_leaf": 1, "max_leaf_nodes": 8}
FAST = {"cv": 3, "tol": 0.1, "random_state": 0}
OTHER_SETTINGS = [
    *(cls() for cls in [*QUICK, *OF_BATCHES]),
    SoftTrimmedClassifier(LogisticRegression(max_iter=999), cv=2, tol=0.1),
    SoftLTSRegressor(formulation="sort"),
    SoftLTSRegressor(formulation="sort", epsilon=0.01, trim=0.25, alpha=0.1),
    SoftLTSRegressor(epsilon=0, n_init=10),
    SoftLTSRegressor(epsilon=0.1, trim=0.25, alpha=1e-3, verbose=1),
    SoftLTSRegressor(trim=0, fit_intercept=False, max_iter=500, tol=1e-6),
    SoftLTSRegressor(epsilon=0, reweight=True, random_state=0),
    SoftLTSRegressor(init="ls", n_init=0, tol=0, warm_start=True),
    SoftLTSRegressor(n_jobs=2),
    SoftLTSRegressor(epsilon="auto", n_init=5),
    SoftLTSRegressorCV(epsilons=[1, 10], tol=1e-6),
    SoftLTSRegressorCV(formulation="sort", trims=[0.3, 0.5], n_jobs=2),
    SoftLTSRegressorCV(
        cv=3, scoring="r2", fit_intercept=False, alpha=1e-3, init="ls", n_init=0
    ),
    SoftLTSRegressorCV(
        cv=KFold(2), scoring=trimmed_scorer(), reweight=True, n_init=5, verbose=1
    ),
    SoftLTSRegressorCV(epsilons=[0, 5.0], max_iter=500, random_state=0),
    SoftLQSRegressor(n_jobs=2, max_iter=5000, verbose=1),
    SoftLQSRegressor(epsilon=0, n_init=10),
    SoftLQSRegressor(epsilon=0.1, alpha=0.1, n_init=10, fit_intercept=False),
    SoftLQSRegressor(formulation="sort", epsilon=5.0, quantile=0.8, tol=1e-6),
    SoftLQSRegressor(n_init=0, tol=0, random_state=0),
    SoftTrimmedRegressor(Ridge(tol=1e-12), trim=0, tol=0, random_state=0, verbose=1),
    SoftTrimmedRegressor(scaled(Ridge()), cv="train", trim=0.25, n_jobs=2),
    SoftTrimmedRegressor(Ridge(), cv=KFold(3), epsilon=0, relative=False, max_iter=9),
    SoftTrimmedRegressor(HistGradientBoostingRegressor(**BOOSTING), **FAST),
    SoftTrimmedClassifier(LogisticRegression(max_iter=1000), **FAST),
    SoftTrimmedClassifier(
        scaled(LogisticRegression(max_iter=1000)), cv="train", trim=0, verbose=1
    ),
    SoftTrimmedClassifier(
        cv=StratifiedKFold(3),
        trim=0.25,
        epsilon=0,
        relative=False,
        max_iter=9,
        n_jobs=2,
        tol=0,
    ),
    SoftTrimmedClassifier(HistGradientBoostingClassifier(**BOOSTING), **FAST),
    SoftTopKClassifier(operator="entropic", growth="linear", epsilon=1.0),
    SoftTopKClassifier(operator="kl", squashing="logistic", epsilon=0.03),
    SoftTopKClassifier(operator="all_pairs", k={1: 1.0}, alpha=0.1, verbose=1),
    SoftTopKClassifier(operator="gaussian", class_weight="balanced", alpha=0),
    SoftTopKClassifier(alpha=0.01, early_stopping=True),
    SoftTopKClassifier(early_stopping=False),
    SoftTopKClassifier(operator="sinkhorn", epsilon=0.01),
    SoftTopKClassifier(epsilon=0, warm_start=True, max_iter=500),
    SoftTopKClassifier(tol=0, k=1),
    SoftSpearmanLabelRanker(regularization="entropic", epsilon=0.1, alpha=1.0),
    SoftSpearmanLabelRanker(regularization="kl", fit_intercept=False, warm_start=True),
    SoftSpearmanLabelRanker(regularization=None, alpha=0, tol=0, target="relevance"),
    SoftSpearmanLabelRanker(init_scale=1.0, max_iter=500, tol=1e-2, verbose=1),
    DummyLabelRanker(target="relevance"),
    SoftRanker(loss="ndcg", k=3, verbose=1),
    SoftRanker(loss="ndcg", epsilon=2.0, alpha=0.01, tether=0, max_iter=500),
    SoftRanker(epsilon=0.1, alpha=0, tol=0, max_iter=5000),
    SoftRankTransformer(epsilon=0),
    SoftRankTransformer(epsilon=3.0, output_distribution="normal", subsample=None),
    SoftRankTransformer(offset=0.375, output_distribution="normal"),
    SoftRankTransformer(offset=0, subsample=10, random_state=0),
    SoftQuantileNormalizer(epsilon=0, subsample=None),
    SoftQuantileNormalizer(target=[3.0, 1.0, 2.0], subsample=5, random_state=0),
    IsotonicProjection(increasing=False, y_min=-1, y_max=1.0),
    IsotonicProjection(regularization="entropic"),
    PermutahedronProjection(epsilon=0),
    PermutahedronProjection(epsilon=0.1, w="mean"),
    PermutahedronProjection(epsilon=0.1, w="mean", regularization="entropic"),
    PermutahedronProjection(epsilon=0.1, regularization="kl"),
]

# Arrays of one number a feature or a class, and the checks have any number of these.
NOT_CHECKED = {
    (IsotonicProjection, "weights"): "array-like",
    (PermutahedronProjection, "w"): "array-like",
    (SoftTopKClassifier, "class_weight"): dict,
    # Without an intercept weights of classes do not do what a check expects.
    (SoftTopKClassifier, "fit_intercept"): "boolean",
}


# Checks that do not apply (array API without its switch) warn that they are skipped,
# and correlations of the single label that the checks give warn that there are none.
# Some give few rows of a class. One test for all checks of a setting: one for each
# would be five thousand tests.
@pytest.mark.filterwarnings("ignore:cv has more folds than a class of y has rows")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize(
    "estimator", [*QUICK_SETTINGS, *map(slow, OTHER_SETTINGS)], ids=repr
)
def test_checks(estimator):
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    assert len(results) > 40
    failed = {
        r["check_name"]: r["exception"] for r in results if r["status"] == "failed"
    }
    assert not failed


def kinds_of_values(constraint):
    """A test of a value for each kind of values that a constraint allows."""
    if isinstance(constraint, StrOptions):
        if constraint.options == set(get_scorer_names()):
            yield "a scorer", lambda value: value in constraint.options
        else:
            for option in constraint.options:
                yield option, lambda value, option=option: value == option
    elif constraint == "boolean":
        yield "True", lambda value: value is True
        yield "False", lambda value: value is False
    elif constraint == "cv_object":
        yield "a number of folds", lambda value: isinstance(value, Integral)
        yield "a splitter", lambda value: hasattr(value, "split")
    else:
        yield constraint, make_constraint(constraint).is_satisfied_by
        # A limit that means something: hard, no penalty, nothing trimmed.
        if getattr(constraint, "left", None) == 0 and 0 in constraint:
            yield "0", lambda value: value == 0


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_option_is_checked(cls):
    # Those that read batches have the options of the class that they are made of.
    checked = [
        e for e in [*QUICK_SETTINGS, *OTHER_SETTINGS] if issubclass(cls, type(e))
    ]
    settings = [estimator.get_params(deep=False) for estimator in checked]
    unchecked = {
        name: constraint
        for (owner, name), constraint in NOT_CHECKED.items()
        if issubclass(cls, owner)
    }
    assert cls().get_params(deep=False) in settings
    assert cls._parameter_constraints.keys() == settings[0].keys()
    for name, constraints in cls._parameter_constraints.items():
        values = [setting[name] for setting in settings]
        for constraint in constraints:
            if unchecked.get(name) == constraint:
                continue
            for kind, allows in kinds_of_values(constraint):
                if (name, kind) == ("tol", "0"):
                    continue  # without end some searches warn
                assert any(map(allows, values)), f"{name}: {kind}"
        if name not in unchecked:
            others = [value for value in values if value is not values[0]]
            assert others, f"{name}: one value"
