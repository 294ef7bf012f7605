"""SoftTrimmed*: sample weights, groups and other metadata, through any wrapper."""

import numpy as np
import pandas as pd
import pytest
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    VotingRegressor,
)
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.metadata_routing import get_routing_for_object

from sksoftrank import SoftTrimmedClassifier, SoftTrimmedRegressor
from sksoftrank.datasets import make_contaminated_regression
from sksoftrank.robust._fold_fits import with_few_values

X, Y, _, OUTLIERS = make_contaminated_regression(120, 3, random_state=0)
GROUPS = np.arange(120) // 7
LABEL = np.where(np.median(Y) < Y, "high", "low")


class Recorder(RegressorMixin, BaseEstimator):
    """A mean that records what each fit was given; its fit returns nothing."""

    calls = ()

    def fit(self, X, y, sample_weight=None, tag=None, cost=None):
        type(self).calls += ((X[:, 0], sample_weight, tag, cost),)
        self.mean_ = np.average(y, weights=sample_weight)

    def predict(self, X):
        return np.full(len(X), self.mean_)


# Groups and parameters of fit


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("kind", [SoftTrimmedRegressor, SoftTrimmedClassifier])
def test_groups_reach_the_splitter(kind, routing):
    base = Ridge() if kind is SoftTrimmedRegressor else LogisticRegression()
    y = Y if kind is SoftTrimmedRegressor else LABEL
    splits = list(GroupKFold(4).split(X, y, GROUPS))
    expected = kind(base, cv=splits).fit(X, y)
    with config_context(enable_metadata_routing=routing):
        model = kind(base, cv=GroupKFold(4)).fit(X, y, groups=GROUPS)
        assert_array_equal(model.inlier_weight_, expected.inlier_weight_)
        with pytest.raises(ValueError, match="'groups' parameter should not be None"):
            kind(base, cv=GroupKFold(4)).fit(X, y)


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("cv", [3, "train"])
def test_parameters_of_fit_are_split_with_the_rows(cv, routing):
    with config_context(enable_metadata_routing=routing):
        Recorder.calls = ()
        base = Recorder()
        if routing:
            base.set_fit_request(tag=True, cost=True)
        weight = np.ones(120)
        weight[:5] = 0
        model = SoftTrimmedRegressor(base, cv=cv, max_iter=1, tol=0.9, random_state=0)
        model.fit(X, Y, sample_weight=weight, tag="a", cost=X[:, 0])
    assert len(Recorder.calls) > 2
    for feature, row_weight, tag, cost in Recorder.calls:
        assert tag == "a"
        assert_array_equal(cost, feature)
        assert row_weight.size == feature.size
        assert not np.isin(X[:5, 0], feature).any()
        assert (row_weight > 0).all()


def test_what_nobody_requests_is_refused():
    with config_context(enable_metadata_routing=True):
        with pytest.raises(TypeError, match="unexpected argument"):
            SoftTrimmedRegressor(Ridge()).fit(X, Y, colour="red")
        with pytest.raises(UnsetMetadataPassedError, match="tag"):
            SoftTrimmedRegressor(Recorder()).fit(X, Y, tag="a")
    with pytest.raises(TypeError, match="colour"):
        SoftTrimmedRegressor(Ridge()).fit(X, Y, colour="red")


def test_routing_from_above():
    with config_context(enable_metadata_routing=True):
        model = SoftTrimmedRegressor(Ridge(), cv=GroupKFold(3))
        model.set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=False)
        assert get_routing_for_object(model).consumes(
            "fit", ["groups", "sample_weight", "cost"]
        ) == {"groups", "sample_weight"}
        search = GridSearchCV(model, {"epsilon": [3, 10]}, cv=GroupKFold(2))
        search.fit(X, Y, groups=GROUPS, sample_weight=np.arange(120.0))
        best = SoftTrimmedRegressor(Ridge(), **search.best_params_, cv=GroupKFold(3))
        best.fit(X, Y, groups=GROUPS, sample_weight=np.arange(120.0))
    assert_array_equal(search.best_estimator_.inlier_weight_, best.inlier_weight_)


# Wrappers


@pytest.mark.parametrize(
    "wrap",
    [
        lambda base: GridSearchCV(base, {}, cv=2),
        slow(
            lambda base: TransformedTargetRegressor(
                base, func=np.cbrt, inverse_func=cube
            )
        ),
        lambda base: make_pipeline(StandardScaler(), base),
        slow(
            lambda base: GridSearchCV(make_pipeline(StandardScaler(), base), {}, cv=2)
        ),
        slow(lambda base: TransformedTargetRegressor(make_pipeline(base))),
        lambda base: make_pipeline(TransformedTargetRegressor(base)),
        slow(lambda base: VotingRegressor([("a", base)])),
    ],
)
def test_wrappers_hand_on_weights(wrap):
    model = SoftTrimmedRegressor(wrap(Ridge()), random_state=0).fit(X, Y)
    assert model.inlier_weight_[OUTLIERS].mean() < 0.01
    kept = model.inlier_weight_ > 0
    plain = wrap(Ridge()).fit(X[kept], Y[kept])
    assert np.abs(model.predict(X) - plain.predict(X)).max() > 1e-6  # weights count
    # Before 1.7 votes of scikit-learn take weights, and say themselves who does not.
    message = (
        "estimator must take sample_weight in fit, got a .*KNeighborsRegressor, w"
        "|KNeighborsRegressor does not support sample weights"
    )
    with pytest.raises((ValueError, TypeError), match=message):
        SoftTrimmedRegressor(wrap(KNeighborsRegressor())).fit(X, Y)


def cube(z):
    return z**3


@pytest.mark.slow
def test_wrappers_of_classifiers_without_weights():
    message = "got a GridSearchCV of a KNeighborsClassifier, which does not"
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [3]})
    with pytest.raises(ValueError, match=message):
        SoftTrimmedClassifier(search, random_state=0).fit(X, LABEL)
    # Draws rows by weight itself.
    bag = BaggingRegressor(DecisionTreeRegressor(max_depth=3), random_state=0)
    model = SoftTrimmedRegressor(bag, random_state=0).fit(X, Y)
    assert model.inlier_weight_[OUTLIERS].mean() < 0.1


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (
            SoftTrimmedRegressor(LogisticRegression()),
            Y,
            "estimator must be a regressor, got a LogisticRegression, which is a class",
        ),
        (
            SoftTrimmedRegressor(make_pipeline(StandardScaler(), LogisticRegression())),
            Y,
            "estimator must be a regressor, got a Pipeline, which is a classifier",
        ),
        (
            SoftTrimmedClassifier(GridSearchCV(Ridge(), {})),
            LABEL,
            "estimator must be a classifier, got a GridSearchCV, which is a regressor",
        ),
    ],
)
def test_kinds_of_estimators(model, y, message):
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


class Columns(Recorder):
    def predict(self, X):
        return np.zeros((len(X), self.width))

    width = 1


class Pairs(Columns):
    width = 2


class Nothing(Recorder):
    def predict(self, X):
        return np.full(len(X), np.nan)


class Silent(ClassifierMixin, BaseEstimator):
    """Its fit returns nothing, and it has no classes."""

    def fit(self, X, y, sample_weight=None):
        self.inner_ = LogisticRegression().fit(X, y, sample_weight)

    def predict(self, X):
        return self.inner_.predict(X)


class Nameless(Silent):
    def predict_proba(self, X):
        return self.inner_.predict_proba(X)


def test_odd_estimators():
    model = SoftTrimmedRegressor(Columns(), max_iter=1, tol=0.9).fit(X, Y)
    assert model.inlier_weight_.shape == (120,)
    with pytest.raises(ValueError, match="one number for each row, got an array of sh"):
        SoftTrimmedRegressor(Pairs()).fit(X, Y)
    with pytest.raises(ValueError, match="estimator must predict finite numbers, got"):
        SoftTrimmedRegressor(Nothing()).fit(X, Y)
    assert SoftTrimmedClassifier(Silent()).fit(X, LABEL).score(X, LABEL) > 0.5
    with pytest.raises(ValueError, match="estimator must have the attribute classes_"):
        SoftTrimmedClassifier(Nameless()).fit(X, LABEL)


@pytest.mark.parametrize(
    "cv", [[(np.arange(60, 120), np.arange(60))], [(np.arange(9), np.arange(120))] * 2]
)
def test_each_row_is_tested_once(cv):
    with pytest.raises(ValueError, match=r"cv must test each row once, got \d+ tests"):
        SoftTrimmedRegressor(Ridge(), cv=cv).fit(X, Y)


# Boosting on histograms: features are binned once


@pytest.mark.parametrize("as_frame", [False, True])
def test_few_values_for_histograms(as_frame):
    rng = np.random.default_rng(0)
    wide = np.column_stack(
        [rng.normal(size=3000), rng.integers(0, 9, 3000), rng.normal(size=3000)]
    )
    wide[::7, 2] = np.nan
    weight = rng.integers(0, 3, 3000)
    given = wide
    if as_frame:
        given = pd.DataFrame(wide, columns=["a", "b", "c"])
        given["c"] = given["c"].astype("Float64")
        given["kind"] = pd.Categorical(np.array(["x", "y"])[(wide[:, 1] > 3) * 1])
    boosting = TransformedTargetRegressor(HistGradientBoostingRegressor(max_bins=20))
    coarse = with_few_values(boosting, given, weight)
    if as_frame:
        assert_array_equal(coarse["kind"], given["kind"])
        coarse = coarse[["a", "b", "c"]].to_numpy(dtype=float, na_value=np.nan)
    assert_array_equal(coarse[:, 1], wide[:, 1])
    assert_array_equal(np.isnan(coarse), np.isnan(wide))
    for i in (0, 2):
        seen = ~np.isnan(wide[:, i])
        order = np.argsort(wide[seen, i])
        bins = coarse[seen, i][order]
        assert (np.diff(bins) >= 0).all()
        share = np.bincount(bins.astype(int), weight[seen][order])
        assert_allclose(share / weight[seen].sum(), np.full(20, 1 / 20), atol=2e-3)
    # Repeats are weights, and other estimators see X itself.
    repeated = with_few_values(
        boosting, wide.repeat(weight, axis=0), np.ones(weight.sum())
    )
    assert_array_equal(repeated, coarse.repeat(weight, axis=0))
    assert with_few_values(Ridge(), given, weight) is given


@pytest.mark.slow
@pytest.mark.parametrize("as_frame", [slow(False), True])
def test_boosting_with_missing_values_and_categories(as_frame):
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.normal(size=(600, 2)), np.arange(600) % 3])
    y = table[:, 0] + 3 * (table[:, 2] == 1) + 0.1 * rng.normal(size=600)
    wrong = rng.random(600) < 0.2
    y[wrong] += 9
    table[::5, 1] = np.nan
    parameters = {"categorical_features": [2], "max_iter": 30}
    if as_frame:
        table = pd.DataFrame(table, columns=["a", "b", "kind"])
        table["kind"] = pd.Categorical(table["kind"])
        parameters["categorical_features"] = "from_dtype"
    boosting = HistGradientBoostingRegressor(**parameters)
    model = SoftTrimmedRegressor(boosting, cv=3, random_state=0).fit(table, y)
    assert not model.inlier_mask_[wrong].any()
    classifier = HistGradientBoostingClassifier(**parameters)
    classifier = SoftTrimmedClassifier(classifier, cv=3, random_state=0)
    right = classifier.fit(table, y > 1).predict(table) == (y > 1)
    assert right[~wrong].mean() > 0.95


# Units of y


@pytest.mark.parametrize(
    "exponent", [-1000, *map(slow, (-660, -300, -30, 30, 300)), 440]
)
def test_units_of_y_change_nothing(exponent):
    reference = SoftTrimmedRegressor(LinearRegression(), cv=KFold(4)).fit(X, Y)
    unit = 2.0**exponent
    model = SoftTrimmedRegressor(LinearRegression(), cv=KFold(4)).fit(X, unit * Y)
    assert_allclose(model.inlier_weight_, reference.inlier_weight_, atol=1e-9)
    assert_array_equal(model.inlier_mask_, reference.inlier_mask_)
    assert_allclose(model.scale_ / unit, reference.scale_, rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-200, 1e-60, 1e50, 1e130])
def test_units_in_which_the_estimator_cannot_fit(unit):
    boosting = HistGradientBoostingRegressor(max_iter=20)
    with pytest.raises(ValueError, match="y must be in units in which the estimator"):
        SoftTrimmedRegressor(boosting, random_state=0).fit(X, unit * Y)
