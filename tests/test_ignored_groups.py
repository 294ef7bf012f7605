"""A legitimate small group: kept by SoftTrimmed*, else reported by all robust fits."""

import warnings

import numpy as np
import pandas as pd
import pytest
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score, roc_auc_score

from sksoftrank import (
    SoftLQSRegressor,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    SoftTrimmedClassifier,
    SoftTrimmedRegressor,
)
from sksoftrank.datasets import make_contaminated_regression
from sksoftrank.robust._spread import spread_by_level

NAMES = ["size", "place", "age", "garden", "luxury"]


def relative_spread(residual, level, weight):
    """Spread around each row relative to that of all; 1 if not larger."""
    return spread_by_level(residual, level, weight)(level)


def houses(n=1000, part=0.05, seed=0):
    """Features, prices with errors of 10 %, and prices without; some are luxury."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 5))
    X[:, 4] = rng.random(n) < part
    price = 100 + 150 * X[:, 0] + 60 * X[:, 1] ** 2 + 40 * np.sin(6 * X[:, 2])
    price *= 1 + 4 * X[:, 4]
    return X, price * (1 + 0.1 * rng.standard_normal(n)), price


FOREST = RandomForestRegressor(30, min_samples_leaf=3, random_state=0)
BOOSTING = HistGradientBoostingRegressor(random_state=0)


# Kept


@pytest.mark.parametrize(
    ("base", "part"),
    [
        slow(FOREST, 0.02),
        slow(FOREST, 0.05),
        slow(BOOSTING, 0.1),
        (LinearRegression(), 0.05),
    ],
)
def test_a_group_of_large_targets_is_kept(base, part):
    X, y, price = houses(2000, part)
    train, test = slice(0, 1000), slice(1000, None)
    model = SoftTrimmedRegressor(base, random_state=0).fit(X[train], y[train])
    plain = clone(base).fit(X[train], y[train])
    scores = [r2_score(price[test], m.predict(X[test])) for m in (model, plain)]
    assert scores[0] > scores[1] - 0.01
    is_luxury = X[test, 4] > 0
    ratio = model.predict(X[test])[is_luxury].sum() / price[test][is_luxury].sum()
    assert 0.93 < ratio < 1.07
    assert model.inlier_mask_[X[train, 4] > 0].mean() > 0.8
    assert (model.relative_spread_[X[train, 4] > 0] > 2).mean() > 0.8
    assert np.median(model.relative_spread_[X[train, 4] == 0]) == 1


def test_spread_at_levels():
    rng = np.random.default_rng(0)
    level = np.append(rng.uniform(0, 5, 900), rng.uniform(50, 60, 100))
    residual = rng.standard_normal(1000) * np.where(level > 10, 8.0, 1.0)
    one = np.ones(1000)
    spread = relative_spread(residual, level, one)
    assert_array_equal(spread[:900], 1)
    assert_allclose(spread[900:], 8, rtol=0.35)
    # Outliers among the ordinary ones are none the less outliers.
    residual[:300] += 40
    assert relative_spread(residual, level, one)[:900].mean() < 1.3
    # Errors as large as the distance from the others are no group of their own.
    assert relative_spread(100 * residual, level, one).max() < 6
    # Weights are repeats; few rows tell nothing.
    weight = rng.integers(0, 3, 1000)
    repeated = relative_spread(
        residual.repeat(weight), level.repeat(weight), np.ones(weight.sum())
    )
    weighted = relative_spread(residual, level, weight.astype(float))
    assert_array_equal(weighted.repeat(weight), repeated)
    assert_array_equal(relative_spread(residual[-30:], level[-30:], one[-30:]), 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "base",
    [
        RandomForestClassifier(50, min_samples_leaf=3, random_state=0),
        HistGradientBoostingClassifier(max_iter=50, random_state=0),
    ],
)
def test_a_rare_class_is_kept(base):
    scores = []
    for seed in (1, 2):
        X, y = make_classification(
            4000,
            8,
            n_informative=5,
            n_redundant=0,
            weights=[0.98],
            class_sep=0.8,
            flip_y=0,
            random_state=seed,
        )
        models = (
            base,
            SoftTrimmedClassifier(base, trim=0.5, cv=3, random_state=0),
            SoftTrimmedClassifier(base, trim=0.5, cv=3, relative=False, random_state=0),
        )
        for model in models:
            probability = clone(model).fit(X[:2000], y[:2000]).predict_proba(X[2000:])
            scores.append(roc_auc_score(y[2000:], probability[:, 1]))
    plain, relative, absolute = np.reshape(scores, (2, 3)).mean(axis=0)
    assert relative > plain - 0.01
    assert relative > absolute


# Reported

LINEAR = [
    SoftLTSRegressor(random_state=0),
    SoftLTSRegressor(epsilon=0, random_state=0),
    SoftLQSRegressor(random_state=0),
    SoftLTSRegressorCV(epsilons=[3, 12], cv=2, random_state=0),
]
TRIMMED = [
    SoftTrimmedRegressor(base, trim=0.5, relative=False, random_state=0)
    for base in (FOREST, LinearRegression())
]
MESSAGE = r"takes \d+% of the rows with {} above 0.5 for outliers, and \d% of the oth"


@pytest.mark.filterwarnings("ignore:The rows that .* keeps do not determine")
@pytest.mark.filterwarnings("ignore:.* has another minimum")
@pytest.mark.parametrize(
    "model", [*LINEAR[1:3], slow(LINEAR[0]), slow(LINEAR[3]), *map(slow, TRIMMED)]
)
def test_warning_names_the_column(model):
    X, y, _ = houses()
    frame = pd.DataFrame(X, columns=NAMES)
    with pytest.warns(UserWarning, match=MESSAGE.format("'luxury'")) as record:
        fitted = clone(model).fit(frame, y)
    assert {warning.filename for warning in record} == {__file__}
    share = fitted.share_by_group(frame["luxury"] > 0)
    assert share["outliers"][1] > 10 * share["outliers"][0]
    X[:, 4] = 1 - X[:, 4]
    message = MESSAGE.format("column 4").replace("above", "up to")
    with pytest.warns(UserWarning, match=message):
        clone(model).fit(X, y)


@pytest.mark.slow
def test_warning_for_sparse_features_and_categories():
    X, y, _ = houses()
    with pytest.warns(UserWarning, match=MESSAGE.format("column 4")):
        SoftLTSRegressor(random_state=0).fit(sparse.csr_array(X), y)
    frame = pd.DataFrame(X, columns=NAMES)
    frame["luxury"] = pd.Categorical(np.where(X[:, 4] > 0, "yes", "no"))
    frame.loc[::5, "age"] = np.nan
    model = SoftTrimmedRegressor(
        HistGradientBoostingRegressor(), trim=0.5, relative=False, random_state=0
    )
    with pytest.warns(UserWarning, match=MESSAGE.format("'luxury'")):
        model.fit(frame, y)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [[0], slow([1, 2])])
@pytest.mark.parametrize("kind", ["vertical", "leverage", "mixed"])
@pytest.mark.parametrize("contamination", [0, slow(0.05), slow(0.2), 0.4])
def test_no_false_alarm(kind, contamination, seeds):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # True where nearly half of the rows follow another law.
        warnings.filterwarnings("ignore", ".* has another minimum")
        for seed in seeds:
            X, y, _, _ = make_contaminated_regression(
                400, 4, kind=kind, contamination=contamination, random_state=seed
            )
            for model in LINEAR[:3]:
                clone(model).fit(X, y)
            # Errors that grow with a feature, heavy tails.
            rng = np.random.default_rng(seed)
            X = rng.standard_normal((400, 4))
            error = rng.standard_t(2, size=400) * (0.1 + np.abs(X[:, 0]))
            SoftLTSRegressor(random_state=0).fit(X, X.sum(axis=1) + error)


def test_no_table_no_warning():
    X, y, _ = houses(300)
    wide = np.hstack([X, np.zeros((300, 600))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SoftLTSRegressor(alpha=0.1, random_state=0).fit(sparse.csr_array(wide), y)


# Shares of groups


def test_share_by_group():
    X, y, _ = houses(400, part=0)
    y[:40] += 1e4
    group = np.where(np.arange(400) < 50, "b", "a")
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    share = model.share_by_group(group)
    assert share["group"].tolist() == ["a", "b"]
    assert share["n_rows"].tolist() == [350, 50]
    outliers = [1 - model.inlier_mask_[group == label].mean() for label in "ab"]
    assert_allclose(share["outliers"], outliers)
    assert share["outliers"][1] >= 0.8
    weight = [model.inlier_weight_[group == label].mean() for label in "ab"]
    assert_allclose(share["weight"], weight / model.inlier_weight_.mean())
    assert pd.DataFrame(share).shape == (2, 4)
    trimmed = SoftTrimmedRegressor(LinearRegression(), random_state=0).fit(X, y)
    assert trimmed.share_by_group(group)["outliers"][1] >= 0.8
    for groups, message in (
        (group[:-1], "groups must have a label for each of the 400 rows .* got 399"),
        (np.ones(400), "groups must be at least two, got 1"),
        (np.arange(400) == 7, "at least two rows each, got one of group True"),
    ):
        with pytest.raises(ValueError, match=message):
            model.share_by_group(groups)
    missing = group.astype(object)
    missing[:9] = None
    with pytest.raises(TypeError, match="groups must be labels that can be sorted"):
        model.share_by_group(missing)
