"""SoftTopKClassifier: what it is for, its objective, rows, use and bad input."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, top_k_accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksoftrank.classification import SoftTopKClassifier
from sksoftrank.linear import _design
from sksoftrank.linear._held_out import best_number, folds_by_content
from sksoftrank.losses import soft_topk_loss


def classes(n=120, n_classes=4, noise=1.0, seed=0):
    """Classes that overlap, with features of unequal units."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    directions = rng.standard_normal((3, n_classes))
    y = (X @ (directions / np.linalg.norm(directions, axis=0))).argmax(axis=1)
    X += noise * rng.standard_normal(X.shape)
    return X * [1, 100, 0.01] + [0, 30, 0.01], y


def fit(X, y, sample_weight=None, **parameters):
    """Fit to full precision. A smooth objective has one answer to compare."""
    parameters = {"operator": "all_pairs", "alpha": 0.1, **parameters}
    return SoftTopKClassifier(tol=1e-12, **parameters).fit(X, y, sample_weight)


def assert_same_fit(first, second, unit=1.0, atol=1e-5):
    scale = classes()[0].std(axis=0)
    assert_allclose(first.coef_ * unit * scale, second.coef_ * scale, rtol=0, atol=atol)
    assert_allclose(first.intercept_, second.intercept_, rtol=0, atol=5 * atol)
    assert_allclose(first.objective_, second.objective_, rtol=1e-6)


# What it is for


@pytest.mark.parametrize("n", [54, 300, 2000])
def test_default_strength_is_that_of_logistic_regression(n):
    X, y = classes(n)
    X = StandardScaler().fit_transform(X)
    model = SoftTopKClassifier(tol=1e-8).fit(X, y)
    assert model.alpha_ == max(1 / n, 1e-3)
    expected = LogisticRegression(C=1 / (n * model.alpha_), tol=1e-8).fit(X, y)
    centred = model.init_coef_ - model.init_coef_.mean(axis=0)
    assert_allclose(centred, expected.coef_, rtol=0, atol=1e-3)
    weight = np.random.default_rng(0).integers(0, 3, n)
    for unit, total in (
        (1, weight.sum()),
        (2, 2 * weight.sum()),
        (1e-9, (weight > 0).sum()),
    ):
        model = SoftTopKClassifier().fit(X, y, weight * unit)
        assert_allclose(model.alpha_, max(1 / total, 1e-3), rtol=1e-12)
    assert SoftTopKClassifier().fit(X, y, np.full(n, 1e308)).alpha_ == 1e-3
    assert SoftTopKClassifier(alpha=0.5).fit(X, y).alpha_ == 0.5


@pytest.mark.parametrize(("n", "expected"), [(400, 1 / 400), (4000, 0.01 / 40)])
def test_default_strength_falls_with_the_number_of_classes(n, expected):
    X = np.random.default_rng(0).standard_normal((n, 2))
    model = SoftTopKClassifier(max_iter=1, epsilon=0, tol=10.0).fit(
        X, np.arange(n) % 40
    )
    assert_allclose(model.alpha_, expected)


@pytest.mark.slow
def test_few_rows_of_much_noise():
    # 54 rows of 20 features: a weak penalty (1e-4) is far below logistic regression.
    scores = []
    for seed in range(20):
        X, y = make_classification(
            1054,
            20,
            n_informative=4,
            n_redundant=0,
            n_classes=3,
            n_clusters_per_class=1,
            class_sep=0.7,
            flip_y=0.1,
            random_state=seed,
        )
        X = StandardScaler().fit_transform(X)
        scores.append(
            [
                model.fit(X[:54], y[:54]).score(X[54:], y[54:])
                for model in (
                    LogisticRegression(),
                    SoftTopKClassifier(),
                    SoftTopKClassifier(alpha=1e-4),
                )
            ]
        )
    logistic, default, weak = np.mean(scores, axis=0)
    assert default > logistic - 0.015
    assert default > weak + 0.01


@pytest.mark.parametrize("operator", ["quadratic", "entropic", "kl", "all_pairs"])
def test_wrong_labels_far_out_do_little_harm(operator):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((900, 4))
    y = (X @ rng.standard_normal((4, 5))).argmax(axis=1)
    X[:90] *= 6
    y[:90] = (y[:90] + 1) % 5
    test = slice(600, 900)
    logistic = LogisticRegression().fit(X[:600], y[:600]).score(X[test], y[test])
    model = SoftTopKClassifier(operator=operator, alpha=1e-4).fit(X[:600], y[:600])
    assert model.score(X[test], y[test]) > logistic + 0.05


def test_each_k_is_best_at_its_own():
    X, y = classes(1000, 8, noise=0.5, seed=1)
    X = X[:, :2]  # too few to tell the classes apart
    models = {k: SoftTopKClassifier(k=k, alpha=1e-4).fit(X, y) for k in (1, 3)}
    models["both"] = SoftTopKClassifier(k={1: 0.5, 3: 0.5}, alpha=1e-4).fit(X, y)
    accuracy = {
        (name, k): top_k_accuracy_score(y, model.decision_function(X), k=k)
        for name, model in models.items()
        for k in (1, 3)
    }
    assert accuracy[1, 1] > accuracy[3, 1] + 0.02
    assert accuracy[3, 3] > accuracy[1, 3] + 0.01
    assert accuracy["both", 1] > accuracy[3, 1] + 0.01
    assert accuracy["both", 3] > accuracy[1, 3] + 0.01


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 5])
def test_vowel(k):
    path = Path(__file__).parents[2] / "shared/data/classification/vowel.csv"
    if not path.exists():
        pytest.skip("needs the data set vowel in ../shared/data")
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    X, y = StandardScaler().fit_transform(table[:, 3:-1]), table[:, -1]
    scoring = make_scorer(
        top_k_accuracy_score, k=k, response_method="decision_function"
    )
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    soft, logistic = (
        cross_val_score(model, X, y, scoring=scoring, cv=cv).mean()
        for model in (SoftTopKClassifier(k=k, alpha=1e-4), LogisticRegression(C=10))
    )
    assert soft > logistic + (0.03 if k == 1 else 0.005)


# The objective


@pytest.mark.parametrize("operator", ["quadratic", "entropic", "kl", "gaussian"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"k": 1, "epsilon": 1.0},
        {"k": {1: 1.0, 2: 3.0}, "growth": "linear", "epsilon": 2.0},
        {"k": 2, "squashing": "logistic", "epsilon": 0.2},
    ],
)
def test_objective_is_the_documented_one_at_a_minimum(operator, fit_intercept, options):
    X, y = classes()
    alpha = 0.05
    weight = np.random.default_rng(3).integers(0, 3, len(y))
    model = SoftTopKClassifier(
        operator=operator, alpha=alpha, fit_intercept=fit_intercept, tol=1e-10
    ).set_params(**options)
    model.fit(X, y, weight)
    mean = np.average(X, weights=weight, axis=0) if fit_intercept else 0
    scale = np.sqrt(np.average((X - mean) ** 2, weights=weight, axis=0))
    loss_options = {"growth": "bounded", **options, "operator": operator}

    def objective(coef, intercept):
        value, _ = soft_topk_loss(
            X @ coef.T + intercept, y, sample_weight=weight, **loss_options
        )
        return value + alpha / 2 * ((scale * (coef - model.init_coef_)) ** 2).sum()

    minimum = objective(model.coef_, model.intercept_)
    assert_allclose(model.objective_, minimum, rtol=1e-9)
    assert minimum < objective(model.init_coef_, model.init_intercept_) - 1e-3
    # Soft ranks have kinks, at which L-BFGS may stop a little above the minimum.
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2):
        moved = []
        for _ in range(20):
            coef = model.coef_ + size * rng.standard_normal((4, 3)) / scale
            intercept = size * fit_intercept * rng.standard_normal(4)
            moved.append(objective(coef, model.intercept_ + intercept))
        assert min(moved) > minimum * (1 - 3e-3)
        assert np.mean(moved) > minimum


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_start_is_logistic_regression(fit_intercept, weighted):
    X, y = classes()
    weight = np.random.default_rng(0).integers(1, 4, len(y)) if weighted else None
    model = fit(X, y, weight, fit_intercept=fit_intercept, epsilon=0, alpha=0.02)
    mean = np.average(X, weights=weight, axis=0) if fit_intercept else 0
    scale = np.sqrt(np.average((X - mean) ** 2, weights=weight, axis=0))
    total = len(y) if weight is None else weight.sum()
    logistic = LogisticRegression(
        C=1 / (0.02 * total), fit_intercept=fit_intercept, tol=1e-10, max_iter=10000
    ).fit(X / scale, y, weight)
    assert_allclose(model.init_coef_ * scale, logistic.coef_, rtol=0, atol=1e-5)
    assert_allclose(model.init_intercept_, logistic.intercept_, rtol=0, atol=1e-5)
    # Hard ranks have no gradient.
    assert_array_equal(model.coef_, model.init_coef_)
    assert_array_equal(model.intercept_, model.init_intercept_)
    error = 1 - model.score(X, y, weight)
    hard = SoftTopKClassifier(epsilon=0, growth="linear", alpha=0.02, k=3)
    assert hard.fit(X, y).objective_ < error


def test_strong_penalty_keeps_the_logistic_regression():
    X, y = classes()
    moves = []
    for alpha in (1e-3, 1.0, 1e3):
        model = fit(X, y, alpha=alpha)
        moves.append(np.abs((model.coef_ - model.init_coef_) * X.std(axis=0)).max())
    assert moves[0] > 0.5
    assert moves[0] > 10 * moves[1]
    assert moves[2] < 1e-3


# Features and rows


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_sparse_is_dense(container, fit_intercept, weighted, monkeypatch):
    X, y = classes()
    X[X < 0] = 0
    weight = np.random.default_rng(0).integers(0, 3, len(y)) if weighted else None
    dense = fit(X, y, weight, fit_intercept=fit_intercept)
    S = container(X)
    with monkeypatch.context() as patch:
        patch.setattr(type(S), "toarray", None)
        model = fit(S, y, weight, fit_intercept=fit_intercept)
    assert_same_fit(model, dense)
    assert_allclose(
        model.decision_function(S), dense.decision_function(X), rtol=0, atol=1e-3
    )
    if not fit_intercept:
        assert_array_equal(model.intercept_, 0)


def test_high_rank_is_not_whitened(monkeypatch):
    X, y = classes()
    whitened = fit(X, y)
    monkeypatch.setattr(_design, "MAX_WHITENED_RANK", 1)
    assert_same_fit(fit(X, y), whitened)


def test_units_of_features_do_not_matter():
    X, y = classes()
    unit = np.array([1e-9, 1.0, 1e12])
    assert_same_fit(fit(X * unit, y), fit(X, y), unit=unit)


def test_float32():
    X, y = classes()
    model = SoftTopKClassifier().fit(X.astype(np.float32), y)
    for name in ("coef_", "intercept_", "init_coef_", "init_intercept_"):
        assert getattr(model, name).dtype == np.float32
    assert model.decision_function(X.astype(np.float32)).dtype == np.float32
    expected = SoftTopKClassifier().fit(X, y)
    assert_allclose(model.objective_, expected.objective_, rtol=1e-2)


def test_weights_are_repeats():
    X, y = classes()
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    model = fit(X, y, 0.3 * weight)
    repeated = fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert_same_fit(model, repeated)
    assert np.abs(model.intercept_ - fit(X, y).intercept_).max() > 1e-2


def test_classes_are_those_of_positive_weight():
    X, y = classes()
    weight = np.where(y == 2, 0.0, 1.0)
    model = fit(X, y, weight)
    assert_array_equal(model.classes_, [0, 1, 3])
    assert_same_fit(model, fit(X[y != 2], y[y != 2]))


@pytest.mark.parametrize("weighted", [True, False])
def test_class_weights_are_row_weights(weighted):
    X, y = classes()
    weight = np.random.default_rng(0).random(len(y)) if weighted else np.ones(len(y))
    classes_weight = {0: 0.2, 2: 3.0}
    rows = weight * np.select([y == 0, y == 2], [0.2, 3.0], 1.0)
    by_class = fit(X, y, weight if weighted else None, class_weight=classes_weight)
    assert_same_fit(by_class, fit(X, y, rows))
    total = np.bincount(y, weight)
    balanced = fit(X, y, weight if weighted else None, class_weight="balanced")
    assert_same_fit(balanced, fit(X, y, weight / total[y]))
    assert np.abs(balanced.intercept_ - by_class.intercept_).max() > 0.1


# Predictions


def test_predictions_of_many_classes():
    X, y = classes()
    names = np.array(["d", "b", "c", "a"])
    model = SoftTopKClassifier(k=2).fit(X, names[y])
    assert_array_equal(model.classes_, ["a", "b", "c", "d"])
    scores = X @ model.coef_.T + model.intercept_
    assert_allclose(model.decision_function(X), scores, rtol=1e-12)
    assert_array_equal(model.predict(X), model.classes_[scores.argmax(axis=1)])
    best = model.predict_topk(X)
    assert best.shape == (len(X), 2)
    assert_array_equal(best[:, 0], model.predict(X))
    third = np.sort(scores, axis=1)[:, 1]
    for j in range(2):
        column = np.searchsorted(model.classes_, best[:, j])
        assert (scores[np.arange(len(X)), column] > third).all()
    hits = (best == names[y][:, None]).any(axis=1).mean()
    assert_allclose(hits, top_k_accuracy_score(names[y], scores, k=2), rtol=1e-12)
    assert_array_equal(np.sort(model.predict_topk(X, 4)), [["a", "b", "c", "d"]] * 120)
    assert SoftTopKClassifier(k={1: 1, 3: 1}).fit(X, y).predict_topk(X).shape[1] == 3
    model.coef_[:] = 0
    model.intercept_[:] = 0
    assert_array_equal(model.predict_topk(X[:1], 3), [["a", "b", "c"]])
    assert not hasattr(model, "predict_proba")


@pytest.mark.parametrize("squashing", [None, "logistic"])
@pytest.mark.parametrize("operator", ["quadratic", "entropic", "kl", "all_pairs"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_predictions_of_two_classes(operator, squashing, fit_intercept):
    X, y = classes(n_classes=2)
    model = SoftTopKClassifier(
        operator=operator,
        squashing=squashing,
        fit_intercept=fit_intercept,
        warm_start=True,
    ).fit(X, y)
    linear = LogisticRegression(fit_intercept=fit_intercept).fit(X, y)
    for name in ("coef_", "init_coef_"):
        assert getattr(model, name).shape == linear.coef_.shape == (1, 3)
        name = name.replace("coef", "intercept")
        assert getattr(model, name).shape == (1,)
    difference = model.decision_function(X)
    assert difference.shape == (len(X),)
    expected = X @ model.coef_[0] + model.intercept_[0]
    assert_allclose(difference, expected, rtol=1e-9, atol=1e-9)
    assert_array_equal(model.predict(X), (difference > 0).astype(int))
    assert_array_equal(model.predict_topk(X, 2).sum(axis=1), 1)
    assert_array_equal(model.predict_topk(X)[:, 0], model.predict(X))
    assert model.score(X, y) > 0.7
    objective = model.objective_
    assert model.fit(X, y).objective_ <= objective * (1 + 1e-9)
    model.coef_[:] = model.intercept_[:] = 0
    assert_array_equal(model.predict(X), 0)  # of equal scores the first


def test_labels_that_were_not_seen():
    X, y = classes()
    model = SoftTopKClassifier().fit(X, y)
    score = model.score(X, y)
    other = np.where(np.arange(len(y)) < 30, 9, y)
    right = (model.predict(X) == y)[30:].sum() / len(y)
    assert_allclose(model.score(X, other), right, rtol=1e-12)
    assert right < score
    with pytest.raises(ValueError, match="'y_true' contains labels not in parameter"):
        top_k_accuracy_score(other, model.decision_function(X), labels=model.classes_)


# Iterations


def test_warm_start():
    X, y = classes()
    model = SoftTopKClassifier(alpha=0.1, operator="all_pairs", tol=1e-8)
    first = model.fit(X, y).n_iter_
    coef, objective = model.coef_, model.objective_
    model.set_params(warm_start=True).fit(X, y)
    assert model.n_iter_ <= max(3, first / 4)
    assert_allclose(model.coef_, coef, rtol=0, atol=1e-3 * np.abs(coef).max())
    assert_allclose(model.objective_, objective, rtol=1e-6)
    # The penalty refers to the logistic regression on the new rows.
    model.fit(X[:90], y[:90])
    cold = clone(model).set_params(warm_start=False).fit(X[:90], y[:90])
    assert_allclose(model.init_coef_, cold.init_coef_, rtol=1e-3)
    assert_allclose(model.objective_, cold.objective_, rtol=5e-3)
    with pytest.raises(ValueError, match=r"y must have the classes of the previous"):
        model.fit(X[y < 3], y[y < 3])
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3"):
        model.fit(X[:, :2], y)


def test_convergence_warning():
    X, y = classes()
    with pytest.warns(
        ConvergenceWarning, match="did not converge with max_iter=2: L-BFGS"
    ):
        model = SoftTopKClassifier(max_iter=2, tol=0).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.n_iter_ == 5


def test_verbose(capsys):
    X, y = classes()
    SoftTopKClassifier().fit(X, y)
    assert capsys.readouterr().out == ""
    SoftTopKClassifier(verbose=1, early_stopping=False).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    model = SoftTopKClassifier(verbose=2, early_stopping=False).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    scores = X @ model.init_coef_.T + model.init_intercept_
    value = -log_softmax(scores, axis=1)[np.arange(len(y)), y].mean()
    value += model.alpha_ / 2 * ((model.init_coef_ * X.std(axis=0)) ** 2).sum()
    assert re.match(r"\[SoftTopKClassifier\] start: \d+ iterations", lines[0])
    assert lines[0].endswith(f"cross-entropy {value:.6g}")
    assert re.search(r"iteration \d+0, objective \d", lines[1])
    assert lines[-1].endswith(
        f"end: {model.n_iter_} iterations, objective {model.objective_:.6g}"
    )


class Stop:
    """A callback that stops after three iterations."""

    def __init__(self):
        self.scores = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        pass

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.scores.append(fitted_estimator.score(X, y))
        return len(self.scores) == 3


def test_callbacks():
    pytest.importorskip("sklearn.callback", reason="scikit-learn has no callbacks yet")
    X, y = classes()
    callback = Stop()
    model = SoftTopKClassifier().set_callbacks(callback).fit(X, y)
    assert len(callback.scores) == 4  # three iterations and the fit
    assert callback.scores[-1] == callback.scores[-2] == model.score(X, y)
    assert model.n_iter_ < SoftTopKClassifier().fit(X, y).n_iter_


# Among other estimators


def test_grid_search_in_a_pipeline():
    X, y = classes(300, 6)
    pipeline = make_pipeline(StandardScaler(), SoftTopKClassifier(k=2))
    scoring = make_scorer(
        top_k_accuracy_score, k=2, response_method="decision_function"
    )
    grid = GridSearchCV(
        pipeline,
        {"softtopkclassifier__epsilon": [0, 0.3, 1e6]},
        scoring=scoring,
        error_score="raise",
    ).fit(X, y)
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()
    assert grid.best_params_["softtopkclassifier__epsilon"] < 1e6
    assert grid.score(X, y) > np.mean(grid.predict(X) == y)


def test_copies():
    X, y = classes()
    model = SoftTopKClassifier(operator="kl", class_weight={1: 2.0}).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(X), model.predict(X))
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        clone(model).predict_topk(X)


def test_inputs_are_not_changed():
    X, y = classes()
    weight = np.ones(len(y))
    for array in (X, y, weight):
        array.flags.writeable = False
    SoftTopKClassifier().fit(X, y, weight)


# Bad input


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 0}, "'k' parameter .* in the range \\[1"),
        ({"k": 1.5}, "'k' parameter"),
        ({"k": 4}, "k must be .* less than the number of classes, 4, got 4"),
        ({"k": {1: 1, 7: 1}}, "less than the number of classes, 4, got 7"),
        ({"k": {1: -1}}, "k must have weights that are finite numbers >= 0"),
        ({"epsilon": -1.0}, "'epsilon' parameter .* in the range \\[0"),
        ({"epsilon": np.inf}, "'epsilon' parameter"),
        ({"alpha": np.inf}, "'alpha' parameter"),
        ({"operator": "l2"}, "'operator' parameter"),
        ({"growth": None}, "'growth' parameter"),
        ({"squashing": "arctan"}, "'squashing' parameter"),
        ({"class_weight": "equal"}, "'class_weight' parameter"),
        ({"class_weight": {0: -1.0}}, "class_weight must be finite, at least 0"),
        ({"class_weight": {0: np.nan}}, "class_weight must be finite, at least 0"),
        ({"class_weight": dict.fromkeys(range(4), 0)}, "class_weight .* positive for"),
        (
            {"class_weight": {"z": 1.0, 0: 2.0}},
            r"class_weight must .* got \['z'\], and the classes \[1, 2, 3\] are not",
        ),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"tol": -1.0}, "'tol' parameter"),
        ({"warm_start": 2.5}, "'warm_start' parameter"),
    ],
)
def test_bad_parameters(parameters, message):
    X, y = classes()
    with pytest.raises(ValueError, match=message):
        SoftTopKClassifier(**parameters).fit(X, y)


def test_bad_data():
    X, y = classes()
    model = SoftTopKClassifier()
    with pytest.raises(ValueError, match=r"y must have at least two classes .* got 1"):
        model.fit(X, np.ones(len(y)))
    with pytest.raises(ValueError, match="at least two classes in rows of positive we"):
        model.fit(X, y, y == 1)
    with pytest.raises(ValueError, match=r"at least (two classes|one non-zero number)"):
        model.fit(X, y, np.zeros(len(y)))
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        model.fit(X, y + 0.5)
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_w"):
        model.fit(X, y, -np.ones(len(y)))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(np.where(X > 2, np.nan, X), y)
    model.fit(X, y)
    for k in (0, 5, 1.5, "2"):
        with pytest.raises(ValueError, match="k must be an integer from 1 to 4, the n"):
            model.predict_topk(X, k)


# Iterations that rows left out justify


def overlapping(n=1500, n_classes=12, seed=0):
    """Ordered classes that overlap much, as ages do."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4))
    age = X @ [1.0, 0.5, 0.3, 0.0] + 1.2 * rng.standard_normal(n)
    return X, np.digitize(age, np.quantile(age, np.arange(1, n_classes) / n_classes))


def test_early_stopping_keeps_the_logistic_regression_where_that_is_better():
    X, y = overlapping(5000)
    stopped = SoftTopKClassifier(k=5).fit(X[:700], y[:700])
    full = SoftTopKClassifier(k=5, early_stopping=False).fit(X[:700], y[:700])
    logistic = SoftTopKClassifier(k=5, epsilon=0).fit(X[:700], y[:700])
    scores = [
        top_k_accuracy_score(y[700:], m.decision_function(X[700:]), k=5)
        for m in (stopped, full, logistic)
    ]
    assert scores[0] >= scores[2] - 0.01
    assert stopped.n_iter_ < full.n_iter_
    given = SoftTopKClassifier(k=5, alpha=full.alpha_).fit(X[:700], y[:700])
    assert_array_equal(given.coef_, full.coef_)


def test_early_stopping_depends_on_no_order_and_takes_weights_as_repeats():
    rng = np.random.default_rng(0)
    X, y = overlapping(300, 4)
    weight = rng.integers(1, 4, 300)
    model = SoftTopKClassifier(tol=1e-6).fit(X, y, weight)
    repeated = SoftTopKClassifier(tol=1e-6).fit(X.repeat(weight, 0), y.repeat(weight))
    order = rng.permutation(300)
    shuffled = SoftTopKClassifier(tol=1e-6).fit(X[order], y[order], weight[order])
    for other in (repeated, shuffled):
        assert other.n_iter_ == pytest.approx(model.n_iter_, abs=3)
        assert_allclose(other.coef_, model.coef_, rtol=0, atol=1e-3)


def test_folds_hold_equal_rows_together():
    X, y = overlapping(90, 3)
    X, y = np.tile(X, (2, 1)), np.tile(y, 2)
    scale = np.array([1.0, 1, 1, 0])
    folds = folds_by_content(X, y, scale)
    assert_array_equal(np.sort(np.concatenate([f.test for f in folds])), np.arange(180))
    for train, test in folds:
        assert_array_equal(np.sort(test % 90)[::2], np.sort(test % 90)[1::2])
        assert np.intersect1d(train, test).size == 0
        assert np.bincount(y[test]).min() > 15
    sparse_folds = folds_by_content(sparse.csr_array(X), y, scale)
    assert_array_equal(sparse_folds[0].test, folds[0].test)


def test_number_of_iterations_that_pay():
    rng = np.random.default_rng(0)
    one = np.ones(1000)
    chance = [0.5, 0.5, 0.6, 0.7, 0.7, 0.5]
    hits = np.array([rng.permutation(np.arange(1000) < 1000 * c) * 1.0 for c in chance])
    assert best_number(hits, one) == 4
    assert best_number(hits[:2], one) == 0
    assert best_number(hits[[3, 0, 1]], one) == 0


def test_folds_without_a_class_of_positive_weight():
    X = np.random.default_rng(0).standard_normal((40, 3))
    y = (np.arange(40) == 3) * 1
    model = SoftTopKClassifier(class_weight={0: 0}).fit(X, y)
    assert np.isfinite(model.coef_).all()
