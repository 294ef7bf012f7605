"""SoftTrimmedClassifier: names of classes, decision values, classes that are rare."""

import numpy as np
import pandas as pd
import pytest
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, KFold, PredefinedSplit
from sklearn.multiclass import OneVsOneClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC

from sksoftrank import SoftTopKClassifier, SoftTrimmedClassifier


def labelled(n_classes, n=200, seed=0):
    """Features, and codes of classes of unequal sizes; the first 30 are wrong."""
    X, truth = make_classification(
        n,
        6,
        n_informative=4,
        n_classes=n_classes,
        n_clusters_per_class=1,
        weights=[0.6] + [0.4 / (n_classes - 1)] * (n_classes - 1),
        flip_y=0,
        random_state=seed,
    )
    code = truth.copy()
    code[:30] = (code[:30] + 1) % n_classes
    return X, code


def inlier_weight(base, X, y, **parameters):
    model = SoftTrimmedClassifier(base, random_state=0, **parameters)
    return model.fit(X, y).inlier_weight_


# Names of classes

NAMES = {
    "1, 2": np.array([1, 2, 3]),
    "floats": np.array([1.0, 2.0, 4.0]),
    "strings": np.array(["no", "yes", "zero"]),
    "objects": np.array(["no", "yes", "zero"], dtype=object),
    "bool": np.array([False, True]),
    "categories": pd.Categorical(["no", "yes", "zero"], ["zero", "yes", "no"]),
    "series": pd.Series(["no", "yes", "zero"]),
}
CLASSIFIERS = {
    "linear": lambda label: LogisticRegression(class_weight={label: 20}),
    "forest": lambda label: RandomForestClassifier(
        8, min_samples_leaf=4, class_weight={label: 20}, random_state=0
    ),
    # class_weight of boosting counts classes itself, whatever they are called.
    "boosting": lambda _: HistGradientBoostingClassifier(max_iter=5),
    "vectors": lambda label: LinearSVC(class_weight={label: 20}, random_state=0),
    "top-k": lambda _: SoftTopKClassifier(k=1),
    "pipeline": lambda label: make_pipeline(
        StandardScaler(), LogisticRegression(class_weight={label: 20})
    ),
    "search": lambda label: GridSearchCV(
        LogisticRegression(class_weight={label: 20}), {"C": [0.001, 1]}, cv=3
    ),
}


@pytest.mark.parametrize(
    "classifier",
    [name if name == "linear" else slow(name) for name in CLASSIFIERS],
)
@pytest.mark.parametrize("n_classes", [slow(2), 3])
def test_names_of_classes_change_nothing(n_classes, classifier):
    X, code = labelled(n_classes)
    make, fit = CLASSIFIERS[classifier], {"cv": 3, "max_iter": 3, "tol": 0.3}
    expected = inlier_weight(make(1), X, code, **fit)
    for kind, names in NAMES.items():
        if len(names) < n_classes:
            continue
        y = names[code] if kind != "series" else names[code].set_axis(code * 0)
        label = np.asarray(names)[1]
        label = label.item() if isinstance(label, np.generic) else label
        assert_allclose(
            inlier_weight(make(label), X, y, **fit),
            expected,
            rtol=0,
            atol=1e-12,
            err_msg=kind,
        )


@pytest.mark.slow
def test_scorers_within_see_the_label_that_they_look_for():
    X, code = labelled(2)
    y = np.array(["no", "yes"])[code]
    searches = [
        GridSearchCV(
            LogisticRegression(),
            {"C": [1e-3, 1]},
            scoring=make_scorer(f1_score, **key),
            cv=2,
        )
        for key in ({}, {"pos_label": "yes"})
    ]
    expected = inlier_weight(searches[0], X, code, cv=3)
    assert_array_equal(inlier_weight(searches[1], X, y, cv=3), expected)


def test_class_weights_reach_their_class():
    X, code = labelled(2, n=400)
    base = LogisticRegression(class_weight={1: 1, 2: 20})
    model = SoftTrimmedClassifier(base, random_state=0, epsilon=1e9).fit(X, code + 1)
    assert_allclose(model.estimator_.coef_, base.fit(X, code + 1).coef_, rtol=1e-3)


# Decision values


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [slow(2), 3, slow(4)])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda base: base,
        lambda base: make_pipeline(StandardScaler(), base),
        lambda base: GridSearchCV(base, {"gamma": [0.1]}, cv=3),
        lambda base: GridSearchCV(make_pipeline(base), {}, cv=2),
    ],
)
@pytest.mark.parametrize("base", [SVC(), slow(NuSVC(nu=0.1))])
def test_scores_of_pairs_count_as_those_of_classes(base, wrap, n_classes):
    X, y = labelled(n_classes)
    fit = {"max_iter": 3, "tol": 0.3}
    by_class, by_pair = (
        inlier_weight(wrap(base.set_params(decision_function_shape=shape)), X, y, **fit)
        for shape in ("ovr", "ovo")
    )
    assert_array_equal(by_pair, by_class)


class PairsOnly(OneVsOneClassifier):
    """Has a column for each pair of classes, and no attribute that says so."""

    def decision_function(self, X):
        return np.column_stack([e.decision_function(X) for e in self.estimators_]) * -1

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y)


def test_columns_of_pairs_are_told_by_their_number():
    X, y = labelled(4)
    fit = {"max_iter": 3, "tol": 0.3}
    pairs = inlier_weight(PairsOnly(LinearSVC(random_state=0)), X, y, **fit)

    class Classes(PairsOnly):
        def decision_function(self, X):
            return OneVsOneClassifier.decision_function(self, X)

    classes = inlier_weight(Classes(LinearSVC(random_state=0)), X, y, **fit)
    assert_allclose(pairs, classes, rtol=0, atol=1e-12)


class TwoColumnsFew(LinearSVC):
    def decision_function(self, X):
        return super().decision_function(X)[:, :2]


def test_number_of_columns():
    X, y = labelled(3)
    message = "estimator must have one column of decision_function for each of its 3 "
    with pytest.raises(ValueError, match=message + "classes, got 2"):
        SoftTrimmedClassifier(TwoColumnsFew()).fit(X, y)


# Rare classes


def with_rare_class(n_rare, seed=0):
    X, y = labelled(2, n=300)
    far = np.random.default_rng(seed).normal(size=(n_rare, 6)) + 4
    return np.vstack([X, far]), np.append(y, np.full(n_rare, 2))


@pytest.mark.parametrize("n_rare", [1, 3])
@pytest.mark.parametrize("base", [LinearSVC(random_state=0), LogisticRegression()])
def test_class_with_fewer_rows_than_folds(base, n_rare):
    X, y = with_rare_class(n_rare)
    model = SoftTrimmedClassifier(base, trim=0.5, random_state=0)
    message = (
        rf"cv has more folds than a class .* got 5 folds and {n_rare} of class 2\."
    )
    with pytest.warns(UserWarning, match=message) as record:
        model.fit(X, y)
    assert len(record) == 1
    assert record[0].filename == __file__
    # The trimming goes on for the others.
    assert model.n_iter_ > 2
    assert model.inlier_weight_[:30].mean() < 0.5 * model.inlier_weight_[30:300].mean()
    assert_allclose(model.inlier_weight_[300:].mean(), 0.5)


@pytest.mark.filterwarnings("ignore:cv has more folds")
@pytest.mark.parametrize("base", [GaussianNB(), LogisticRegression()])
def test_rare_class_does_not_hide_wrong_labels_of_others(base):
    fits = [
        SoftTrimmedClassifier(base, random_state=0).fit(*with_rare_class(n_rare))
        for n_rare in (0, 1, 2)
    ]
    for fit in fits:
        assert_allclose(fit.noise_rate_, fits[0].noise_rate_, atol=0.02)
        assert_allclose(fit.trim_, fits[0].trim_, atol=0.02)
        assert fit.n_iter_ > 1
    # Of a class that no fit but its own knows, nothing is known.
    assert_allclose(fits[1].wrong_label_probability_[300], fits[1].noise_rate_, 0.05)


@pytest.mark.parametrize("trim", ["auto", 0.5])
def test_no_fold_knows_the_classes_of_its_rows(trim):
    X, y = labelled(2, n=80)
    y = np.arange(80) // 20
    model = SoftTrimmedClassifier(RidgeClassifier(), trim=trim, cv=KFold(4))
    with pytest.warns(UserWarning, match="a fold without class 0"):
        model.fit(X, y)
    assert model.noise_rate_ == 0
    assert np.isfinite(model.inlier_weight_).all()
    assert model.trim_ == (0 if trim == "auto" else 0.5)


@pytest.mark.parametrize("base", [LinearSVC(random_state=0), LogisticRegression()])
def test_class_that_a_fold_cannot_know(base):
    X, y = with_rare_class(8)
    fold = np.arange(y.size) % 4
    fold[300:] = 1
    model = SoftTrimmedClassifier(base, trim=0.5, cv=PredefinedSplit(fold))
    with pytest.warns(UserWarning, match="cv should leave .* a fold without class 2"):
        model.fit(X, y)
    assert model.n_iter_ > 1
    assert_allclose(model.inlier_weight_[300:], 0.5, rtol=1e-12)


def test_class_whose_kept_rows_are_all_in_one_fold():
    # Hard trimming keeps one of two rows: its fold would train without the class.
    X, y = with_rare_class(2)
    model = SoftTrimmedClassifier(
        RidgeClassifier(class_weight={2: 5}),
        trim=0.5,
        epsilon=0,
        cv=PredefinedSplit(np.arange(y.size) % 2),
    ).fit(X, y)
    assert sorted(model.inlier_weight_[300:]) == [0, 1]
    assert model.n_iter_ > 1


def test_fewer_rows_than_folds_in_every_class():
    X, y = labelled(2, n=60)
    message = "cv must be at most the number of rows of the largest class of y, got cv="
    with pytest.raises(ValueError, match=message + "50 and 32 rows"):
        SoftTrimmedClassifier(LogisticRegression(), cv=50).fit(X, y)
