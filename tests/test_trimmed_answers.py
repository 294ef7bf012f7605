"""SoftTrimmed*: no more trimming than noise; answers for new rows; progress."""

import numpy as np
import pytest
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification, make_friedman1
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sksoftrank import SoftTrimmedClassifier, SoftTrimmedRegressor
from sksoftrank.robust._label_noise import LabelNoise, fit_label_noise
from sksoftrank.robust._outlying_rows import choose_inliers, group_factor

FOREST = RandomForestRegressor(20, min_samples_leaf=3, random_state=0)
TREES = RandomForestClassifier(20, min_samples_leaf=3, random_state=0)


def friedman(n=600, part=0.2, seed=0):
    """Curved data; the last part of the targets shifted."""
    X, truth = make_friedman1(n, n_features=5, random_state=seed)
    y = truth + np.random.default_rng(seed).standard_normal(n)
    bad = np.arange(n) >= (1 - part) * n
    return X, y + 30 * bad, truth, bad


def labels(n=600, part=0.2, seed=0):
    """Two classes; the first part of the labels wrong."""
    X, truth = make_classification(
        n,
        6,
        n_informative=4,
        n_clusters_per_class=1,
        class_sep=1.2,
        flip_y=0,
        random_state=seed,
    )
    bad = np.arange(n) < part * n
    return X, np.where(bad, 1 - truth, truth), truth, bad


# No more trimming than noise


@pytest.mark.parametrize("base", [FOREST, LinearRegression()])
def test_clean_targets_leave_the_estimator_as_it_is(base):
    X, y, _, _ = friedman(part=0)
    model = SoftTrimmedRegressor(base, random_state=0).fit(X, y)
    assert model.trim_ == 0
    assert_array_equal(model.inlier_weight_, 1)
    assert model.inlier_mask_.mean() > 0.93
    assert_array_equal(model.predict(X), clone(base).fit(X, y).predict(X))


@pytest.mark.parametrize("base", [slow(FOREST), LinearRegression()])
@pytest.mark.parametrize("part", [0.1, 0.4])
def test_no_more_than_the_outliers_is_trimmed(base, part):
    X, y, truth, bad = friedman(part=part)
    model = SoftTrimmedRegressor(base, random_state=0).fit(X, y)
    assert part <= model.trim_ < part + 0.06
    assert_allclose(model.trim_, 1 - model.inlier_weight_.mean(), rtol=1e-12)
    assert_array_equal(model.inlier_weight_[bad], 0)
    errors = [
        np.square(fit.predict(X) - truth).mean()
        for fit in (model, clone(base).fit(X[~bad], y[~bad]), clone(base).fit(X, y))
    ]
    assert errors[0] < 1.2 * errors[1]
    assert 1.15 * errors[1] < 0.5 * errors[2]


def test_second_start_where_the_first_one_fails():
    # A deep tree explains many of the outliers.
    X, y, _, bad = friedman(800, 0.42)
    tree = DecisionTreeRegressor(min_samples_leaf=10, random_state=0)
    model = SoftTrimmedRegressor(tree, random_state=0).fit(X, y)
    assert_array_equal(model.inlier_weight_[bad], 0)
    assert model.inlier_weight_[~bad].mean() > 0.9
    model.set_params(trim=0.5).fit(X, y)
    assert model.inlier_weight_[bad].mean() > 0.05


@pytest.mark.parametrize("base", [TREES, LogisticRegression(max_iter=1000)])
def test_right_labels_leave_the_estimator_as_it_is(base):
    X, y = load_iris(return_X_y=True)
    model = SoftTrimmedClassifier(base, random_state=0).fit(X, y)
    assert model.trim_ == 0
    assert model.n_iter_ <= 5
    assert_array_equal(model.inlier_weight_, 1)
    expected = clone(base).fit(X, y).predict_proba(X)
    assert_array_equal(model.predict_proba(X), expected)


@pytest.mark.parametrize("base", [slow(TREES), LogisticRegression()])
def test_wrong_labels_are_estimated(base):
    X, y, truth, bad = labels(seed=2)
    model = SoftTrimmedClassifier(base, random_state=0).fit(X, y)
    plain = clone(base).fit(X, y)
    assert 0.13 < model.noise_rate_ < 0.35
    assert model.trim_ > 0.1
    losses = [log_loss(truth, fit.predict_proba(X)) for fit in (model, plain)]
    assert losses[0] < 0.9 * losses[1]
    assert model.score(X, truth) >= plain.score(X, truth)
    assert model.wrong_label_probability_[bad].mean() > 0.5
    assert model.wrong_label_probability_[~bad].mean() < 0.2


def test_rate_and_temperature_of_simulated_scores():
    rng = np.random.default_rng(0)
    n, n_classes = 20000, 4
    scores = 3 * rng.standard_normal((n, n_classes))
    true = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    wrong = rng.random(n) < 0.3
    noted = np.where(wrong, (true + rng.integers(1, n_classes, n)) % n_classes, true)
    weight = np.ones(n)
    found = fit_label_noise(2 * scores, noted, weight)
    assert_allclose(found[:2], (2, 0.3), rtol=0.05)
    assert_allclose(fit_label_noise(2 * scores, true, weight).rate, 0, atol=0.01)
    # No other one has a larger likelihood.
    for factor in (0.995, 1.005):
        for name in ("temperature", "rate"):
            other = found._replace(**{name: factor * getattr(found, name)})
            losses = [
                noise.losses(2 * scores, noted).mean() for noise in (found, other)
            ]
            assert losses[0] < losses[1]
    probability = found.wrong_probability(2 * scores, noted)
    for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1)):
        inside = (probability >= low) & (probability <= high)
        assert_allclose(probability[inside].mean(), wrong[inside].mean(), atol=0.03)
    # Weights are repeats.
    repeats = rng.integers(0, 3, 2000)
    weighted = fit_label_noise(scores[:2000], noted[:2000], repeats * 1.0)
    rows = np.arange(2000).repeat(repeats)
    repeated = fit_label_noise(scores[rows], noted[rows], np.ones(rows.size))
    assert_allclose(weighted[:2], repeated[:2], rtol=1e-4)


def test_losses_of_labels_as_they_are_noted():
    noise = LabelNoise(2.0, 0.3, np.full(3, 1 / 3))
    scores, label = np.log([[0.7, 0.2, 0.1]]), np.array([1])
    p = np.array([0.7, 0.2, 0.1]) ** 0.5
    p = p / p.sum()
    noted = 0.7 * p[1] + 0.15 * (1 - p[1])
    assert_allclose(noise.losses(scores, label), -np.log(noted))
    expected = 0.15 * (1 - p[1]) / noted
    assert_allclose(noise.wrong_probability(scores, label), expected)


def test_weights_of_inliers():
    residual = np.array([0.0, 2.24, 2.8, 3.4, 9])
    value, weight = choose_inliers(residual, 1.0, np.ones(5))
    assert_array_equal(weight[[0, 1, 3, 4]], [1, 1, 0, 0])
    assert 0 < weight[2] < 1
    # The weight is the derivative of the loss in half of the squared residual.
    step = 1e-6
    moved = np.sqrt(residual**2 + 2 * step * (np.arange(5) == 2))
    slope = (choose_inliers(moved, 1.0, np.ones(5))[0] - value) / step * 5
    assert_allclose(slope, weight[2], rtol=1e-4)


def test_group_with_more_outliers_gets_a_larger_spread():
    rng = np.random.default_rng(0)
    residual = rng.standard_normal(1000)
    group = np.arange(1000) < 200
    one = np.ones(1000)
    mask = np.abs(residual) < 2.24
    assert group_factor(residual, mask, group, one) == 1
    residual[group] *= 2
    mask = np.abs(residual) < 2.24
    assert 1.3 < group_factor(residual, mask, group, one) < 2.2
    assert group_factor(residual, mask, ~(group | True), one) == 1


# New rows


@pytest.mark.parametrize("trim", ["auto", 0.3])
@pytest.mark.parametrize("epsilon", [0, 10])
def test_rows_of_the_fit_and_new_ones_by_the_same_rule(trim, epsilon):
    X, y, _, bad = friedman()
    model = SoftTrimmedRegressor(
        LinearRegression(), trim=trim, epsilon=epsilon, cv="train", tol=0, max_iter=50
    ).fit(X, y)
    residual = (y - model.predict(X)) / model.scale_ / model.relative_spread_
    assert_allclose(model.standardized_residuals(X, y), residual, rtol=0, atol=0.02)
    assert (model.inlier_mask(X, y) == model.inlier_mask_).mean() > 0.99
    weight = model.inlier_weight_ / model.inlier_weight_.max()
    assert_allclose(model.inlier_weight(X, y), weight, rtol=0, atol=0.05)
    assert_array_equal(model.inlier_weight(X[:2], y[:2] + np.array([0, 1e3]))[1], 0)
    assert not model.inlier_mask(X[bad], y[bad]).any()


@pytest.mark.slow
def test_spread_of_new_rows_is_that_of_their_level():
    rng = np.random.default_rng(0)
    group = rng.random(2000) < 0.1
    X = np.column_stack([rng.random(2000), group])
    price = (100 + 100 * X[:, 0]) * np.where(group, 5, 1)
    y = price * (1 + 0.1 * rng.standard_normal(2000))
    model = SoftTrimmedRegressor(FOREST, random_state=0).fit(X[:1000], y[:1000])
    ratio = np.diff(model.predict_interval([[0.5, 1], [0.5, 0]])).ravel()
    assert ratio[0] > 2 * ratio[1]
    inside = model.inlier_mask(X[1000:], y[1000:])
    assert inside[group[1000:]].mean() > 0.8


@pytest.mark.parametrize("part", [0, 0.2])
def test_coverage_of_intervals(part):
    X, y, _, bad = friedman(3000, part)
    X, y = X[::-1], y[::-1]
    order = np.random.default_rng(1).permutation(3000)
    X, y, bad = X[order], y[order], bad[::-1][order]
    model = SoftTrimmedRegressor(LinearRegression(), random_state=0)
    model.fit(X[:1000], y[:1000])
    for level, tolerance in ((0.5, 0.05), (0.95, 0.02), (0.99, 0.012)):
        low, high = model.predict_interval(X[1000:], level).T
        covered = (low <= y[1000:]) & (y[1000:] <= high)
        assert_allclose(covered[~bad[1000:]].mean(), level, atol=tolerance)


def test_intervals_count_weights_as_repeats():
    X, y, _, _ = friedman(90, 0)
    weight = np.random.default_rng(0).integers(1, 4, 90)
    rows = np.arange(90).repeat(weight)
    number = np.arange(90) % 3

    def folds(number):
        return [np.nonzero(number != k) + np.nonzero(number == k) for k in range(3)]

    base = LinearRegression()
    weighted = SoftTrimmedRegressor(base, cv=folds(number)).fit(X, y, weight)
    repeated = SoftTrimmedRegressor(base, cv=folds(number[rows])).fit(X[rows], y[rows])
    assert_allclose(weighted.predict_interval(X), repeated.predict_interval(X))


def test_weights_of_a_small_mean_are_frequencies_all_the_same():
    X, y, _, _ = friedman(200, 0.2)
    base = LinearRegression()
    ones, shares = (
        SoftTrimmedRegressor(base, random_state=0).fit(X, y, np.full(200, weight))
        for weight in (1.0, 1 / 128)
    )
    assert ones.trim_ > 0
    assert_allclose(shares.inlier_weight_, ones.inlier_weight_, rtol=1e-9)
    assert_allclose(shares.predict_interval(X), ones.predict_interval(X), rtol=1e-9)
    label = (y > np.median(y)) * 1
    tree = DecisionTreeClassifier(min_samples_leaf=10, random_state=0)
    ones, shares = (
        SoftTrimmedClassifier(tree, random_state=0).fit(X, label, np.full(200, weight))
        for weight in (1.0, 1 / 128)
    )
    assert ones.noise_rate_ > 0
    assert_allclose(shares.noise_rate_, ones.noise_rate_, rtol=1e-6)
    assert_allclose(shares.inlier_weight_, ones.inlier_weight_, rtol=1e-6)


def test_fits_of_older_versions_say_what_they_lack():
    X, y, _, _ = labels(100)
    model = SoftTrimmedClassifier(GaussianNB(), trim=0.2, random_state=0).fit(X, y)
    expected = model.predict_proba(X)
    for name in ("_noise", "temperature_", "verbose"):
        del vars(model)[name]
    assert_array_equal(model.predict_proba(X), expected)
    with pytest.raises(AttributeError, match="was fitted by an older version; fit it"):
        model.wrong_label_probability(X, y)
    for unfitted in (SoftTrimmedClassifier(), SoftTrimmedRegressor()):
        assert not hasattr(unfitted, "temperature_")


def test_rows_before_the_fit_and_few_rows():
    X, y, _, _ = friedman(60, 0)
    model = SoftTrimmedRegressor(LinearRegression())
    for method in (model.inlier_weight, model.inlier_mask):
        with pytest.raises(NotFittedError):
            method(X, y)
    message = "cv must be at most the number of rows, got cv=5 and n_samples=3"
    with pytest.raises(ValueError, match=message):
        model.fit(X[:3], y[:3])


@pytest.mark.parametrize("level", [0, 1, -0.1, 95])
def test_levels_outside(level):
    X, y, _, _ = friedman(60, 0)
    model = SoftTrimmedRegressor(LinearRegression()).fit(X, y)
    with pytest.raises(ValueError, match=r"confidence_level must"):
        model.predict_interval(X, level)
    with pytest.raises(TypeError, match=r"confidence_level must be a number"):
        model.predict_interval(X, [level])
    model = SoftTrimmedRegressor(LinearRegression(), cv="train").fit(X, y)
    with pytest.raises(ValueError, match="cv must leave rows out for predict_interval"):
        model.predict_interval(X)


def test_wrong_labels_of_new_rows():
    X, y = load_iris(return_X_y=True)
    names = np.array(["a", "b", "c"])[y]
    names[::8] = np.array(["b", "c", "a"])[y[::8]]
    model = SoftTrimmedClassifier(LogisticRegression(max_iter=1000), random_state=0)
    model.fit(X, names)
    assert 0.07 < model.noise_rate_ < 0.18
    right = np.array(["a", "b", "c"])[y]
    assert model.wrong_label_probability(X, right).mean() < 0.1
    assert model.wrong_label_probability(X[y == 0], right[y == 1]).mean() > 0.9
    with pytest.raises(ValueError, match=r"y must hold labels that were seen .* 'd'"):
        model.wrong_label_probability(X[:2], ["a", "d"])
    with pytest.raises(ValueError, match="inconsistent numbers of"):
        model.wrong_label_probability(X[:3], ["a", "b"])


# What the estimator has


def test_what_the_estimator_has_is_handed_on():
    X, y, _, _ = friedman(200)
    linear = SoftTrimmedRegressor(LinearRegression())
    assert not hasattr(linear, "coef_")
    linear.fit(X, y)
    assert linear.coef_ is linear.estimator_.coef_
    assert linear.intercept_ == linear.estimator_.intercept_
    assert not hasattr(linear, "feature_importances_")
    assert not hasattr(linear, "transform")
    tree = SoftTrimmedRegressor(DecisionTreeRegressor(max_depth=2)).fit(X, y)
    assert_array_equal(tree.feature_importances_, tree.estimator_.feature_importances_)
    X, y, _, _ = labels(200)
    model = SoftTrimmedClassifier(_WeightedAnalysis()).fit(X, y)
    assert_array_equal(model.transform(X), model.estimator_.transform(X))


class _WeightedAnalysis(LinearDiscriminantAnalysis):
    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y)


@pytest.mark.parametrize(
    "base", [BayesianRidge(), GaussianProcessRegressor(alpha=0.1, optimizer=None)]
)
def test_keywords_of_predict(base):
    X, y, _, _ = friedman(60)
    if isinstance(base, GaussianProcessRegressor):
        base = _WeightedProcess(alpha=0.1, optimizer=None)
    model = SoftTrimmedRegressor(base, random_state=0).fit(X, y)
    expected = model.estimator_.predict(X, return_std=True)
    for got, wanted in zip(model.predict(X, return_std=True), expected, strict=True):
        assert_array_equal(got, wanted)


class _WeightedProcess(GaussianProcessRegressor):
    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y)


# Progress


def test_verbose(capsys):
    X, y, _, _ = friedman(200)
    model = SoftTrimmedRegressor(LinearRegression(), cv=4, random_state=0)
    model.fit(X, y)
    assert capsys.readouterr().out == ""
    model.set_params(verbose=1).fit(X, y)
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("[SoftTrimmedRegressor] 4 fits to folds a refit")
    assert f"end: {model.n_iter_} refits, {model.trim_:.2%} trimmed" in last
    model.set_params(verbose=2).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + model.n_iter_
    assert "refit 1, objective " in lines[1]


class Recorder:
    """A callback that counts tasks, and may stop the refits."""

    def __init__(self, stop_after):
        self.stop_after = stop_after
        self.tasks, self.n_ends, self.fitted = [], 0, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.tasks.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.n_ends += 1
        self.fitted.append(fitted_estimator)
        return self.n_ends == self.stop_after


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (SoftTrimmedRegressor, LinearRegression()),
        (SoftTrimmedClassifier, LogisticRegression()),
    ],
)
def test_callbacks(kind, base):
    pytest.importorskip("sklearn.callback", reason="scikit-learn has no callbacks yet")
    X, y, _, _ = friedman(200)
    if kind is SoftTrimmedClassifier:
        X, y, _, _ = labels(200)
    callback = Recorder(0)
    model = kind(base, trim=0.3, tol=1e-4, random_state=0).set_callbacks(callback)
    model.fit(X, y)
    # The first fits, each refit, and the whole.
    assert callback.tasks.count("iteration") == 1 + model.n_iter_
    assert len(callback.tasks) == callback.n_ends == 2 + model.n_iter_
    assert callback.fitted[:-1] == [None] * (1 + model.n_iter_)
    assert callback.fitted[-1].score(X, y) == model.score(X, y)
    stopped = kind(base, trim=0.3, tol=1e-4, random_state=0)
    stopped.set_callbacks(Recorder(2)).fit(X, y)
    assert stopped.n_iter_ < model.n_iter_
    assert np.isfinite(stopped.predict(X)).all()
