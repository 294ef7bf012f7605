"""SoftTrimmedRegressor and SoftTrimmedClassifier: any estimator made robust."""

import warnings
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_friedman1
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneGroupOut,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import get_tags
from sklearn.utils.parallel import Parallel
from threadpoolctl import threadpool_info, threadpool_limits

from sksoftrank import SoftLTSRegressor, SoftTrimmedClassifier, SoftTrimmedRegressor
from sksoftrank.datasets import make_contaminated_regression
from sksoftrank.losses import selection_trimmed_loss
from sksoftrank.robust import _fold_fits

FAST = {"cv": 3, "tol": 0.1, "random_state": 0}


def corrupted_friedman(fraction, shift, n=500, seed=0):
    """Curved data, a part of the targets shifted, and clean targets."""
    rng = np.random.default_rng(seed)
    X, truth = make_friedman1(n, n_features=5, random_state=seed)
    y = truth + rng.standard_normal(n)
    bad = rng.uniform(size=n) < fraction
    y[bad] += shift if shift > 0 else -shift * rng.standard_normal(bad.sum())
    return X, y, truth, bad


def flipped_labels(fraction, n=600, n_classes=2, seed=0):
    """A classification problem, a part of the labels wrong, and the true labels."""
    rng = np.random.default_rng(seed)
    X, truth = make_classification(
        n,
        8,
        n_informative=4,
        n_classes=n_classes,
        n_clusters_per_class=1,
        class_sep=1.5,
        flip_y=0,
        random_state=seed,
    )
    bad = rng.uniform(size=n) < fraction
    y = np.where(bad, (truth + rng.integers(1, n_classes, n)) % n_classes, truth)
    return X, y, truth, bad


# Robustness


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fraction", "shift"), [(0.2, 30), (0.3, 30), (0.2, -30), (0.3, -30)]
)
def test_boosting_on_corrupted_targets(fraction, shift):
    X, y, truth, bad = corrupted_friedman(fraction, shift)
    boosting = HistGradientBoostingRegressor(max_iter=50, random_state=0)
    model = SoftTrimmedRegressor(boosting, cv=3, random_state=0).fit(X[:400], y[:400])
    bad = bad[:400]
    clean = clone(boosting).fit(X[:400][~bad], y[:400][~bad])
    naive = clone(boosting).fit(X[:400], y[:400])

    def error(model):
        return np.sqrt(((model.predict(X[400:]) - truth[400:]) ** 2).mean())

    assert error(model) < 1.25 * error(clean)
    assert error(naive) > 1.5 * error(model)
    assert model.inlier_mask_[~bad].mean() > 0.9
    assert model.inlier_weight_[~bad].mean() > 0.55
    if shift > 0:
        assert not model.inlier_mask_[bad].any()
        assert_array_equal(model.inlier_weight_[bad], 0)
    else:
        assert model.inlier_weight_[bad].mean() < 0.25


def test_errors_on_training_rows_do_not_serve_flexible_models():
    X, y, _, bad = corrupted_friedman(0.3, 30)
    tree = DecisionTreeRegressor(random_state=0)  # predicts its training rows
    memorised = SoftTrimmedRegressor(tree, trim=0.5, cv="train", random_state=0)
    memorised.fit(X, y)
    model = SoftTrimmedRegressor(tree, cv=3, random_state=0).fit(X, y)
    assert_allclose(memorised.inlier_weight_, 0.5, rtol=1e-12)
    assert model.inlier_weight_[bad].mean() < 0.3 * model.inlier_weight_.mean()


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fraction", [0.2, 0.3])
def test_boosting_on_flipped_labels(fraction, n_classes):
    X, y, truth, bad = flipped_labels(fraction, n_classes=n_classes)
    boosting = HistGradientBoostingClassifier(max_iter=50, random_state=0)
    model = SoftTrimmedClassifier(boosting, cv=3, random_state=0)
    model.fit(X[:400], y[:400])
    naive = clone(boosting).fit(X[:400], y[:400])
    errors = [1 - m.score(X[400:], truth[400:]) for m in (model, naive)]
    assert errors[0] < 0.75 * errors[1]
    weight = model.inlier_weight_
    assert weight[bad[:400]].mean() < 0.5 * weight[~bad[:400]].mean()


def test_linear_regression_is_soft_least_trimmed_squares():
    X, y, _, outliers = make_contaminated_regression(
        300, 3, contamination=0.3, random_state=0
    )
    model = SoftTrimmedRegressor(LinearRegression(), trim=0.5, cv="train", tol=0)
    model.fit(X, y)
    expected = SoftLTSRegressor(random_state=0).fit(X, y)
    coef, intercept = model.estimator_.coef_, model.estimator_.intercept_
    assert_allclose(coef, expected.coef_, rtol=0, atol=0.01)
    assert_allclose(intercept, expected.intercept_, rtol=0, atol=0.01)
    assert not model.inlier_mask_[outliers].any()
    assert model.inlier_mask_[~outliers].mean() > 0.9


# The fixed point


@pytest.mark.parametrize("tol", [0, 0.05])
@pytest.mark.parametrize("epsilon", [0, 10])
@pytest.mark.parametrize("trim", [slow(0.25), 0.5])
@pytest.mark.parametrize("cv", [KFold(4), "train"])
def test_documented_algorithm(cv, trim, epsilon, tol):
    X, y, _, _ = make_contaminated_regression(120, 2, random_state=0)
    model = SoftTrimmedRegressor(
        Ridge(20.0),
        trim=trim,
        epsilon=epsilon,
        relative=False,
        cv=cv,
        tol=tol,
        max_iter=100,
    ).fit(X, y)

    rows = np.arange(120)
    splits = [(rows, rows)] if cv == "train" else list(cv.split(X))
    n_kept = round((1 - trim) * 120)
    n_refits = 0

    def errors(weight):
        residual = np.zeros(120)
        for train, test in splits:
            fold = Ridge(20.0).fit(X[train], y[train], weight[train] / (1 - trim))
            residual[test] = y[test] - fold.predict(X[test])
        return residual

    def settle(residual, unit, epsilon):
        """Refit while the objective falls; return the best errors and weights."""
        nonlocal n_refits
        best = np.inf
        while True:
            losses = residual**2 / (2 * unit**2)
            value, _, weight = selection_trimmed_loss(losses, n_kept, epsilon)
            if value < best:
                result = residual, weight
            if value >= (1 - tol) * best:
                return result
            best = value
            residual = errors(weight)
            n_refits += 1

    def scale(residual):
        square = np.sort(residual**2)[:n_kept].mean()
        q = norm.ppf(1 - trim / 2)
        return np.sqrt(square / (1 - 2 * q * norm.pdf(q) / (1 - trim)))

    residual, weight = settle(errors(np.full(120, 1 - trim)), 1.0, 0.0)
    if epsilon > 0:
        residual, weight = settle(residual, scale(residual), epsilon)
    if tol > 0:  # else rounding decides on the last one
        assert model.n_iter_ == n_refits
    assert_allclose(model.inlier_weight_, weight, rtol=0, atol=1e-8)
    good = residual[np.abs(residual) <= 2.2414027 * scale(residual)]
    q = norm.ppf(0.9875)
    variance = good @ good / (good.size - 1) / (1 - 2 * q * norm.pdf(q) / 0.975)
    assert_allclose(model.scale_, np.sqrt(variance), rtol=1e-8)
    mask = np.abs(residual) <= 2.2414027 * model.scale_
    assert_array_equal(model.inlier_mask_, mask)
    final = Ridge(20.0).fit(X, y, weight / (1 - trim))
    assert_allclose(model.predict(X), final.predict(X), rtol=0, atol=1e-8)


def label_losses(model, X, y):
    """Losses as documented, by what the classifier has."""
    if hasattr(model, "predict_proba"):
        probability = model.predict_proba(X)[np.arange(y.size), y]
        return -np.log(np.maximum(probability, np.finfo(float).eps))
    decision = model.decision_function(X)
    if decision.ndim == 1:
        return np.logaddexp(0, -(2 * y - 1) * decision)
    return np.log(np.exp(decision).sum(axis=1)) - decision[np.arange(y.size), y]


def choose_in_classes(losses, y, trim, epsilon):
    """Selection and objective, a class at a time."""
    selection, objective = np.zeros(y.size), 0.0
    for label in np.unique(y):
        rows = y == label
        kept = (1 - trim) * rows.sum()
        value, _, selection[rows] = selection_trimmed_loss(losses[rows], kept, epsilon)
        objective += kept * value
    return selection, objective


@pytest.mark.parametrize(
    "base",
    [
        LogisticRegression(C=0.1),
        LinearSVC(random_state=0),
        DecisionTreeClassifier(min_samples_leaf=20, random_state=0),
    ],
)
@pytest.mark.parametrize(("n_classes", "trim"), [(2, 0.5), (3, 0.4)])
@pytest.mark.parametrize("epsilon", [0.5, 3])
def test_classes_keep_their_shares(base, n_classes, trim, epsilon):
    X, y, _, _ = flipped_labels(0.2, n=400, n_classes=n_classes)
    rows = np.r_[np.flatnonzero(y != 1), np.flatnonzero(y == 1)[:10]]  # a rare class
    X, y = X[rows], y[rows]
    model = SoftTrimmedClassifier(
        base,
        epsilon=epsilon,
        relative=False,
        cv="train",
        max_iter=1,
        tol=0.99,
        trim=trim,
    ).fit(X, y)
    assert model.n_iter_ == 1  # with this tolerance

    start = clone(base).fit(X, y)
    steps = [choose_in_classes(label_losses(start, X, y), y, trim, epsilon)]
    weight = steps[0][0] / (1 - trim)
    used = weight > 0
    refit = clone(base).fit(X[used], y[used], weight[used])
    steps.append(choose_in_classes(label_losses(refit, X, y), y, trim, epsilon))
    expected = min(steps, key=lambda step: step[1])[0]
    assert_allclose(model.inlier_weight_, expected, rtol=0, atol=1e-6)
    for label in range(n_classes):
        share = model.inlier_weight_[y == label].mean()
        assert_allclose(share, 1 - trim, rtol=1e-9)
    assert_array_equal(model.inlier_mask_, model.inlier_weight_ > 0)
    used = expected > 0
    final = clone(base).fit(X[used], y[used], expected[used] / (1 - trim))
    assert_array_equal(model.predict(X), final.predict(X))


@pytest.mark.parametrize("cv", [3, "train"])
def test_large_epsilon_is_the_estimator_itself(cv):
    X, y, _, _ = make_contaminated_regression(80, 3, random_state=0)
    model = SoftTrimmedRegressor(Ridge(5.0), trim=0.5, epsilon=1e12, cv=cv).fit(X, y)
    ridge = Ridge(5.0).fit(X, y)
    assert_allclose(model.predict(X), ridge.predict(X), rtol=1e-6)
    label = (y > np.median(y)).astype(int)
    classifier = SoftTrimmedClassifier(
        LogisticRegression(C=0.1), trim=0.5, epsilon=1e12, cv=cv
    )
    logistic = LogisticRegression(C=0.1).fit(X, label)
    proba = classifier.fit(X, label).predict_proba(X)
    assert_allclose(proba, logistic.predict_proba(X), rtol=0, atol=1e-4)


class LabelsOnly(KNeighborsClassifier):
    """A classifier that predicts labels, of the heaviest of the nearest rows."""

    predict_proba = property()

    def fit(self, X, y, sample_weight=None):
        return super().fit(X[sample_weight > 0.5], y[sample_weight > 0.5])


def test_loss_of_labels_is_zero_or_one():
    X, y, _, bad = flipped_labels(0.1, n=200)
    labels = np.array(["no", "yes"])[y]
    model = SoftTrimmedClassifier(
        LabelsOnly(9), trim=0.5, epsilon=1, cv=4, random_state=0
    )
    model.fit(X, labels)
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "decision_function")
    assert np.unique(model.inlier_weight_.round(12)).size <= 4  # two for each class
    assert model.inlier_weight_[bad].mean() < 0.2
    assert model.inlier_weight_[~bad].mean() > 0.5
    assert_array_equal(model.classes_, ["no", "yes"])
    assert model.score(X, labels) > 0.8


# Sample weights


@pytest.mark.parametrize("parameters", [{"cv": "train"}, {"cv": 3}])
def test_weights_are_repeats_where_the_estimator_has_it_so(parameters):
    X, y, _, outliers = make_contaminated_regression(90, 2, random_state=0)
    weight = np.random.default_rng(0).integers(0, 4, 90)
    group = np.arange(90) % 3
    weighted = SoftTrimmedRegressor(LinearRegression(), **parameters)
    repeated = clone(weighted)
    if parameters["cv"] == 3:
        weighted.set_params(cv=list(LeaveOneGroupOut().split(X, groups=group)))
        rows = np.arange(90).repeat(weight)
        splits = LeaveOneGroupOut().split(rows, groups=group[rows])
        repeated.set_params(cv=list(splits))
    weighted.fit(X, y, sample_weight=weight)
    repeated.fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-9)
    assert_allclose(weighted.scale_, repeated.scale_, rtol=1e-9)
    assert_allclose(
        weighted.inlier_weight_.repeat(weight), repeated.inlier_weight_, atol=1e-8
    )
    assert not weighted.inlier_mask_[outliers].any()
    unweighted = clone(weighted).fit(X, y)
    assert np.abs(unweighted.predict(X) - weighted.predict(X)).max() > 1e-3


def test_weights_reach_all_steps_of_a_pipeline():
    X, y, _, outliers = make_contaminated_regression(
        200, 3, contamination=0.2, random_state=0
    )
    rng = np.random.default_rng(0)
    # They would ruin the scaler and the components.
    X[outliers] += 1e6 * rng.standard_normal((40, 3))
    start = y + 1e3 * rng.standard_normal(200) * outliers
    pipeline = make_pipeline(make_pipeline(StandardScaler(), PCA(2)), Ridge())
    model = SoftTrimmedRegressor(pipeline, trim=0.5, cv="train", epsilon=0)
    model.fit(X, start)
    kept = model.inlier_weight_ > 0
    assert not kept[outliers].any()
    expected = clone(pipeline).fit(X[kept], y[kept], ridge__sample_weight=[2] * 100)
    assert_allclose(model.predict(X[kept]), expected.predict(X[kept]), rtol=1e-9)
    scaler = SoftTrimmedRegressor(make_pipeline(StandardScaler(), Ridge()), cv="train")
    scaler.fit(X, start)
    mean = np.average(X, axis=0, weights=scaler.inlier_weight_)
    assert_allclose(scaler.estimator_[0].mean_, mean, rtol=1e-9)


def test_metadata_routing():
    X, y, _, outliers = make_contaminated_regression(random_state=0)
    expected = SoftTrimmedRegressor(
        make_pipeline(PCA(3, random_state=0), Ridge()), random_state=0
    ).fit(X, y)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(PCA(3, random_state=0), Ridge())
        model = SoftTrimmedRegressor(pipeline, random_state=0).fit(X, y)
        assert_array_equal(model.inlier_weight_, expected.inlier_weight_)
        single = SoftTrimmedRegressor(Ridge(), random_state=0).fit(X, y)
        assert not single.inlier_mask_[outliers].any()
        scaled = make_pipeline(StandardScaler(), Ridge())
        with pytest.raises(ValueError, match="not explicitly set"):
            SoftTrimmedRegressor(scaled, random_state=0).fit(X, y)
        scaled[0].set_fit_request(sample_weight=True)
        scaled = SoftTrimmedRegressor(scaled, cv="train", random_state=0)
        scaled.fit(X, y)
        mean = np.average(X, axis=0, weights=scaled.inlier_weight_)
        assert_allclose(scaled.estimator_[0].mean_, mean, atol=1e-9)


# Behaviour as a meta-estimator


def test_given_estimator_is_kept_and_methods_are_delegated():
    X, y, truth, _ = flipped_labels(0.1, n=200)
    base = LogisticRegression()
    model = SoftTrimmedClassifier(base, random_state=0)
    for name in ("predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(model, name)(X)
    model.fit(X, y)
    assert model.estimator is base
    assert not hasattr(base, "coef_")
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        expected = getattr(model.estimator_, name)(X)
        assert_array_equal(getattr(model, name)(X), expected)
    for name in ("predict_proba", "predict_log_proba"):
        assert not hasattr(SoftTrimmedClassifier(LinearSVC()), name)
    regressor = SoftTrimmedRegressor(Ridge(), random_state=0).fit(X, y)
    assert not hasattr(regressor, "decision_function")
    assert model.score(X, truth) == accuracy_score(truth, model.predict(X))


def test_default_estimators():
    X, y, truth, bad = corrupted_friedman(0.2, 50, n=150)
    regressor = SoftTrimmedRegressor(cv=2, max_iter=5, tol=0.1, random_state=0)
    regressor.fit(X, y)
    assert isinstance(regressor.estimator_, HistGradientBoostingRegressor)
    assert regressor.score(X, truth) == r2_score(truth, regressor.predict(X))
    assert not regressor.inlier_mask_[bad].any()
    classifier = SoftTrimmedClassifier(cv=2, tol=0.1, random_state=0).fit(X, bad)
    assert isinstance(classifier.estimator_, HistGradientBoostingClassifier)
    assert_array_equal(classifier.classes_, [False, True])


@pytest.mark.parametrize("base", [LinearRegression(), None], ids=["linear", "boost"])
@pytest.mark.parametrize("trim", ["auto", slow(0.4)])
def test_mostly_equal_targets_are_warned_of(base, trim):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    y = np.where(rng.random(120) < 0.7, 0.0, np.exp(X[:, 0]))
    share = f"{100 * np.mean(y == 0):.0f} %"
    model = SoftTrimmedRegressor(base, trim=trim, cv=2, random_state=0)
    with pytest.warns(UserWarning, match=f"a single value in {share} of the rows"):
        model.fit(X, y)
    assert not model.predict(X).any()  # which is why
    # Where the features tell it, and where nothing is trimmed, there is no warning.
    tree = DecisionTreeRegressor(min_samples_leaf=5)
    SoftTrimmedRegressor(tree, random_state=0).fit(X, np.where(X[:, 1] < 0.5, 0, 9))
    SoftTrimmedRegressor(LinearRegression(), trim=0, random_state=0).fit(X, y)


class Counting(HistGradientBoostingRegressor):
    """Notes the threads that its fits may use."""

    seen: ClassVar[list] = []

    def fit(self, X, y, sample_weight=None):
        info = threadpool_info()
        self.seen.append({i["num_threads"] for i in info if i["user_api"] == "openmp"})
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("is_inner", [False, True])
@pytest.mark.parametrize(("limit", "n_threads"), [(None, 1), slow(10, 2)])
def test_boosting_of_small_tables_has_one_thread(
    monkeypatch, is_inner, limit, n_threads
):
    if limit is not None:
        monkeypatch.setattr(_fold_fits, "MOST_OF_ONE_THREAD", limit)
    monkeypatch.setattr(Counting, "seen", [])
    boosting = Counting(max_iter=2)
    if is_inner:
        boosting = make_pipeline(StandardScaler(), boosting)
    X = np.random.default_rng(0).normal(size=(60, 2))
    with threadpool_limits(2, user_api="openmp"):
        SoftTrimmedRegressor(boosting, cv=2).fit(X, X[:, 0])
    assert set.union(*Counting.seen) == {n_threads}


def test_random_state_makes_it_reproducible():
    X, y, _, _ = make_contaminated_regression(60, 3, random_state=0)
    tree = make_pipeline(StandardScaler(), DecisionTreeRegressor(max_features=1))
    parameters = {"max_iter": 3, "tol": 0.9}
    first, second, other = (
        SoftTrimmedRegressor(tree, random_state=seed, **parameters).fit(X, y)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first.predict(X), second.predict(X))
    assert np.abs(first.predict(X) - other.predict(X)).max() > 0
    assert isinstance(first.estimator_[-1].random_state, int)
    fixed = DecisionTreeRegressor(random_state=7)
    model = SoftTrimmedRegressor(fixed, random_state=0, **parameters).fit(X, y)
    assert model.estimator_.random_state == 7


def test_methods_are_those_of_the_fitted_estimator():
    X, y, _, _ = flipped_labels(0.1, n=100)
    model = SoftTrimmedClassifier(LogisticRegression(), **FAST).fit(X, y)
    model.set_params(estimator=LinearSVC())
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("cv", [None, 5, 3])
def test_folds_and_jobs(monkeypatch, cv):
    calls = []

    class Spy(Parallel):
        def __call__(self, tasks):
            tasks = list(tasks)
            calls.append((len(tasks), self.n_jobs))
            return super().__call__(tasks)

    monkeypatch.setattr("sksoftrank.robust._fold_fits.Parallel", Spy)
    X, y, _, _ = make_contaminated_regression(40, 2, random_state=0)
    with parallel_config(backend="threading"):
        model = SoftTrimmedRegressor(Ridge(), cv=cv, n_jobs=2, random_state=0)
        model.fit(X, y)
    assert set(calls) == {(cv or 5, 2)}
    assert len(calls) == model.n_iter_ + 1  # and the start
    alone = SoftTrimmedRegressor(Ridge(), cv=cv, random_state=0).fit(X, y)
    assert len(calls) == model.n_iter_ + 1
    assert_array_equal(alone.estimator_.coef_, model.estimator_.coef_)


def test_folds_are_stratified():
    X, y, _, _ = flipped_labels(0, n=60)
    X, y = np.vstack([X, X[:3] + 9]), np.append(y, [2, 2, 2])
    for seed in range(10):  # a fold without class 2 warns
        model = SoftTrimmedClassifier(
            DecisionTreeClassifier(),
            trim=0.5,
            cv=3,
            max_iter=1,
            tol=0.99,
            random_state=seed,
        )
        assert_array_equal(model.fit(X, y).classes_, [0, 1, 2])


@pytest.mark.parametrize(
    ("kind", "base", "default"),
    [
        (SoftTrimmedRegressor, None, HistGradientBoostingRegressor()),
        (SoftTrimmedRegressor, Ridge(), None),
        (SoftTrimmedClassifier, None, HistGradientBoostingClassifier()),
        (SoftTrimmedClassifier, LinearSVC(), None),
    ],
)
def test_tags_are_those_of_the_estimator(kind, base, default):
    assert get_tags(kind(base)).input_tags == get_tags(base or default).input_tags


def test_passthrough_steps():
    X, y, _, outliers = make_contaminated_regression(random_state=0)
    pipeline = make_pipeline("passthrough", None, Ridge())
    model = SoftTrimmedRegressor(pipeline, random_state=0).fit(X, y)
    assert not model.inlier_mask_[outliers].any()


def test_whole_numbers_are_kept_whole():
    # (1 - 0.44) * 25 is above 14 in floating point.
    X, y, _, _ = make_contaminated_regression(25, 1, contamination=0.4, random_state=0)
    model = SoftTrimmedRegressor(
        LinearRegression(), trim=0.44, epsilon=0, cv="train", max_iter=100
    ).fit(X, y)
    assert sorted(model.inlier_weight_) == 11 * [0] + 14 * [1]


@pytest.mark.slow
def test_data_frames_names_and_column_transformers():
    X, y, _, outliers = make_contaminated_regression(120, 2, random_state=0)
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(kind=["x", "y"] * 60)
    columns = ColumnTransformer(
        [("hot", OneHotEncoder(), ["kind"])], remainder="passthrough"
    )
    model = SoftTrimmedRegressor(make_pipeline(columns, Ridge())).fit(frame, y)
    assert model.n_features_in_ == 3
    assert_array_equal(model.feature_names_in_, ["a", "b", "kind"])
    assert not model.inlier_mask_[outliers].any()
    assert model.predict(frame.head(7)).shape == (7,)


def test_precomputed_kernel():
    X, y, _, outliers = make_contaminated_regression(100, 2, random_state=0)
    expected = SoftTrimmedRegressor(KernelRidge(kernel="linear"), cv=KFold(5))
    expected.fit(X, y)
    model = SoftTrimmedRegressor(KernelRidge(kernel="precomputed"), cv=KFold(5))
    model.fit(X @ X.T, y)
    assert_allclose(model.predict(X @ X.T), expected.predict(X), rtol=0, atol=1e-6)
    assert (model.inlier_weight_ == 0).any()
    assert not model.inlier_mask_[outliers].any()


def test_grid_search_over_and_under_it():
    X, y, _, outliers = make_contaminated_regression(100, 2, random_state=0)
    over = GridSearchCV(
        SoftTrimmedRegressor(Ridge(), cv=2),
        {"epsilon": [3, 10], "estimator__alpha": [0.1]},
        cv=2,
    ).fit(X, y)
    assert over.best_estimator_.estimator_.alpha == 0.1
    under = SoftTrimmedRegressor(
        GridSearchCV(Ridge(), {"alpha": [0.1, 1e5]}, cv=2), cv=2
    )
    assert under.fit(X, y).estimator_.best_params_ == {"alpha": 0.1}
    assert not under.inlier_mask_[outliers].any()


# Bad input


def test_estimator_without_sample_weights():
    X, y, _, _ = make_contaminated_regression(20, 2, random_state=0)
    message = "estimator must take sample_weight in fit, got a KNeighborsRegressor, wh"
    for estimator in (
        KNeighborsRegressor(),
        make_pipeline(StandardScaler(), KNeighborsRegressor()),
    ):
        with pytest.raises(ValueError, match=message):
            SoftTrimmedRegressor(estimator, random_state=0).fit(X, y)


def test_not_settled():
    X, y, _, _ = make_contaminated_regression(random_state=0, contamination=0.4)
    model = SoftTrimmedRegressor(LinearRegression(), trim=0.5, cv="train", max_iter=1)
    message = "SoftTrimmedRegressor did not settle in max_iter=1 refits: .* tol=0.01"
    with pytest.warns(ConvergenceWarning, match=message) as record:
        model.fit(X, y)
    assert record[0].filename == __file__
    assert model.n_iter_ == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.set_params(max_iter=20).fit(X, y).n_iter_ > 3


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("estimator", "ridge"),
        ("trim", 0.6),
        ("trim", np.nan),
        ("epsilon", -1),
        ("epsilon", np.inf),
        ("cv", 1),
        ("cv", "test"),
        ("max_iter", 0),
        ("tol", 1),
        ("n_jobs", 0.5),
        ("random_state", "seed"),
    ],
)
@pytest.mark.parametrize("kind", [SoftTrimmedRegressor, SoftTrimmedClassifier])
def test_bad_parameters(kind, parameter, value):
    with pytest.raises(ValueError, match=rf"'{parameter}' parameter .* must be"):
        kind(**{parameter: value}).fit([[0.0], [1], [2]], [0, 1, 0])


def test_bad_data():
    X, y, _, _ = make_contaminated_regression(20, 2, random_state=0)
    model = SoftTrimmedRegressor(Ridge())
    for weight, message in (
        (np.ones(19), "sample_weight"),
        (np.full(20, -1.0), "sample_weight"),
        (np.full(20, np.nan), "sample_weight contains NaN"),
        (np.zeros(20), "(?i)sample.weight"),
        (np.full(20, 1e308), "sample_weight must have a finite sum .* got inf"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, sample_weight=weight)
    weight = np.zeros(20)
    weight[0] = 1
    with pytest.raises(ValueError, match="cv must leave observations of positive we"):
        model.fit(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        model.fit(X, np.full(20, np.nan))
    with pytest.raises(ValueError, match=r"y must hold .* most 1e\+140, got 1e\+200"):
        model.fit(X, np.append(y[1:], -1e200))
    with pytest.raises(ValueError, match="n_samples=3"):
        model.fit(X[:3], y[:3])
    classifier = SoftTrimmedClassifier(LogisticRegression())
    with pytest.raises(ValueError, match="y must hold at least two classes, got one"):
        classifier.fit(X, np.ones(20))
    label = np.arange(20) % 3
    with pytest.raises(ValueError, match=r"sample_weight must be .* zeros only .* 2"):
        classifier.fit(X, label, sample_weight=label < 2)
    with pytest.raises(ValueError, match="Unknown label type"):
        classifier.fit(X, y)


@pytest.mark.parametrize("cv", [4, "train"])
def test_exact_fits_and_constant_targets(cv):
    X, _, coef, _ = make_contaminated_regression(40, 2, random_state=0)
    y = X @ coef + 1e6
    bad = np.arange(40) < 12
    y[bad] += 5
    parameters = {"cv": cv, "random_state": 0}
    for trim, weight in ((0.5, 20 / 28), ("auto", 1)):
        model = SoftTrimmedRegressor(LinearRegression(), trim=trim, **parameters)
        model.fit(X, y)
        assert model.scale_ == 0
        assert_array_equal(model.inlier_mask_, ~bad)
        assert_array_equal(model.inlier_weight_[bad], 0)
        assert_allclose(model.inlier_weight_[~bad], weight, rtol=1e-12)
        assert_allclose(model.predict(X), X @ coef + 1e6, rtol=1e-12)
        assert_array_equal(model.standardized_residuals(X, y), np.where(bad, np.inf, 0))
        assert_array_equal(model.inlier_weight(X, y), ~bad)
    constant = SoftTrimmedRegressor(LinearRegression(), **parameters).fit(
        X, np.full(40, 0.1)
    )
    assert_allclose(constant.predict(X), 0.1, rtol=1e-12)
    assert np.isfinite(constant.inlier_weight_).all()
