"""SoftSpearmanLabelRanker: what it learns, its objective, rows and rankings."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from label_rankings import (
    INTERCEPTS,
    REGULARIZATIONS,
    assert_same_fit,
    fit,
    rankings,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import rankdata
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score

from sksoftrank.datasets import make_label_ranking
from sksoftrank.label_ranking import SoftSpearmanLabelRanker
from sksoftrank.linear import _design
from sksoftrank.losses import _soft_ranks, soft_spearman_loss
from sksoftrank.metrics import spearman_score

NAN = np.nan

# What it is for


@REGULARIZATIONS
def test_linear_rankings_are_learned(regularization):
    X, y, coef = make_label_ranking(500, 5, 6, noise=0, random_state=0)
    model = SoftSpearmanLabelRanker(regularization=regularization, alpha=1e-5)
    assert model.fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.95
    # The ranking depends on differences of scores; their size is free.
    difference = (model.coef_ - model.coef_.mean(axis=0)).ravel()
    expected = (coef - coef.mean(axis=0)).ravel()
    assert np.corrcoef(difference, expected)[0, 1] > 0.95


@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_soft_ranks_beat_no_projection(regularization):
    # Few rows have large scores, which regression on ranks cannot reach.
    X, y, _ = make_label_ranking(1000, 3, 5, noise=0.1, random_state=0)
    X *= np.random.default_rng(0).pareto(1.5, (1000, 1)) + 1
    train, test = slice(0, 500), slice(500, 1000)
    scores = [
        SoftSpearmanLabelRanker(regularization=r).fit(X[train], y[train])
        for r in (regularization, None)
    ]
    soft, none = (model.score(X[test], y[test]) for model in scores)
    assert soft > none + 0.02


@pytest.mark.parametrize("regularization", ["quadratic", "kl"])
def test_glass(regularization):
    path = Path(__file__).parents[2] / "shared/data/label_ranking/glass.csv"
    if not path.exists():
        pytest.skip("needs the data set glass in ../shared/data")
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    soft, none = (
        cross_val_score(
            SoftSpearmanLabelRanker(regularization=r),
            table[:, :9],
            table[:, 9:],
            cv=KFold(10, shuffle=True, random_state=0),
        ).mean()
        for r in (regularization, None)
    )
    assert soft > none + 0.02


def test_missing_entries_cost_little():
    X, y, _ = make_label_ranking(600, 5, 8, noise=0.3, random_state=0)
    y_train = y[:400].copy()
    y_train[np.random.default_rng(1).random(y_train.shape) < 0.3] = NAN
    scores = [
        SoftSpearmanLabelRanker().fit(X[:400], t).score(X[400:], y[400:])
        for t in (y[:400], y_train)
    ]
    assert scores[1] > scores[0] - 0.01
    assert scores[0] > 0.8


# The objective


@REGULARIZATIONS
@INTERCEPTS
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("epsilon", [0.2, 5.0])
def test_objective_is_the_documented_one_at_a_minimum(
    regularization, fit_intercept, missing, epsilon
):
    X, y = rankings(missing=missing)
    alpha = 0.3
    weight = np.random.default_rng(3).integers(0, 3, len(y))
    model = SoftSpearmanLabelRanker(
        regularization=regularization,
        alpha=alpha,
        epsilon=epsilon,
        fit_intercept=fit_intercept,
        tol=1e-10,
    ).fit(X, y, weight)
    used = ((~np.isnan(y)).sum(axis=1) > 1) * weight
    mean = np.average(X, weights=used, axis=0) if fit_intercept else 0
    scale = np.sqrt(np.average((X - mean) ** 2, weights=used, axis=0))
    ranks = rankdata(y, axis=1, nan_policy="omit")

    def objective(coef, intercept):
        scores = X @ coef.T + intercept
        if regularization is None:
            middle = ((~np.isnan(y)).sum(axis=1, keepdims=True) + 1) / 2
            squares = (middle - scores / epsilon - ranks) ** 2
            loss = np.average(np.nansum(squares, axis=1), weights=used) / 2
        else:
            loss, _ = soft_spearman_loss(
                scores, y, epsilon, regularization=regularization, sample_weight=weight
            )
        return loss + alpha / 2 * ((scale * coef) ** 2).sum()

    minimum = objective(model.coef_, model.intercept_)
    assert_allclose(model.objective_, minimum, rtol=1e-11)
    # Soft ranks have kinks, at which L-BFGS may stop a little above the minimum.
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2):
        moved = []
        for _ in range(20):
            coef = model.coef_ + size * epsilon * rng.standard_normal((4, 3)) / scale
            intercept = size * epsilon * fit_intercept * rng.standard_normal(4)
            moved.append(objective(coef, model.intercept_ + intercept))
        assert min(moved) > minimum * (1 - 5e-4)
        assert np.mean(moved) > minimum
    for factor in (0.9, 1.1):
        moved = objective(factor * model.coef_, factor * model.intercept_)
        assert moved > minimum * (1 + 1e-5)


@INTERCEPTS
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_no_projection_is_ridge(fit_intercept, missing):
    X, y = rankings(missing=missing)
    model = fit(X, y, regularization=None, fit_intercept=fit_intercept, alpha=0.2)
    ranked = ~np.isnan(y)
    count = ranked.sum(axis=1)
    used = count > 1
    centre = X[used].mean(axis=0) if fit_intercept else 0
    scale = np.sqrt(((X[used] - centre) ** 2).mean(axis=0))
    for label in range(4):
        rows = used & ranked[:, label]
        target = (count[rows] + 1) / 2 - y[rows, label]
        ridge = Ridge(alpha=0.2 * used.sum(), fit_intercept=fit_intercept, tol=1e-12)
        ridge.fit(X[rows] / scale, target)
        assert_allclose(model.coef_[label] * scale, ridge.coef_, rtol=0, atol=1e-7)
        assert_allclose(model.intercept_[label], ridge.intercept_, rtol=0, atol=1e-7)
    if missing == 0:
        assert model.n_iter_ <= 2


@REGULARIZATIONS
def test_only_alpha_epsilon_squared_matters(regularization):
    X, y = rankings()
    common = {"regularization": regularization}
    one = SoftSpearmanLabelRanker(epsilon=1, alpha=0.09, **common).fit(X, y)
    two = SoftSpearmanLabelRanker(epsilon=0.3, alpha=1.0, **common).fit(X, y)
    assert_allclose(two.coef_, 0.3 * one.coef_, rtol=0, atol=1e-6)
    assert_allclose(two.intercept_, 0.3 * one.intercept_, rtol=0, atol=1e-6)
    assert_allclose(two.objective_, one.objective_, rtol=1e-9)
    strong = SoftSpearmanLabelRanker(epsilon=1, alpha=10, **common).fit(X, y)
    assert np.abs(strong.coef_ / one.coef_).max() < 0.6


def test_start_is_scaled():
    X, y = rankings(missing=0)
    starts = []
    for scale in (1.0, 3.0):
        model = SoftSpearmanLabelRanker(init_scale=scale, tol=1e9).fit(X, y)
        starts.append(model.coef_)
    ridge = SoftSpearmanLabelRanker(regularization=None).fit(X, y)
    assert_allclose(starts[0], ridge.coef_, rtol=1e-9)
    assert_allclose(starts[1], 3 * ridge.coef_, rtol=1e-9)


# Kinds of features


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
@REGULARIZATIONS
@INTERCEPTS
def test_sparse_is_dense(container, regularization, fit_intercept, monkeypatch):
    X, y = rankings()
    X[X < 0] = 0
    # With a strong penalty there is one minimum, far from kinks.
    parameters = {"regularization": regularization, "fit_intercept": fit_intercept}
    parameters["alpha"] = 1.0
    dense = fit(X, y, **parameters)
    S = container(X)
    with monkeypatch.context() as patch:
        patch.setattr(type(S), "toarray", None)
        model = fit(S, y, **parameters)
    assert_allclose(model.objective_, dense.objective_, rtol=1e-6)
    scale = X.std(axis=0)
    assert_allclose(model.coef_ * scale, dense.coef_ * scale, rtol=0, atol=1e-3)
    assert_allclose(model.decision_function(S), X @ model.coef_.T + model.intercept_)


@INTERCEPTS
def test_high_rank_is_not_whitened(fit_intercept, monkeypatch):
    X, y = rankings()
    X[:, 1] += X[:, 0]
    whitened = fit(X, y, fit_intercept=fit_intercept)
    monkeypatch.setattr(_design, "MAX_WHITENED_RANK", 1)
    assert_same_fit(fit(X, y, fit_intercept=fit_intercept), whitened, atol=1e-4)


def test_units_of_features_do_not_matter():
    X, y = rankings()
    model = fit(X, y)
    unit = np.array([1e-9, 1.0, 1e12])
    scaled = fit(X * unit, y)
    assert_allclose(scaled.coef_ * unit, model.coef_, rtol=1e-5, atol=1e-8)
    default = SoftSpearmanLabelRanker().fit(X, y)
    assert SoftSpearmanLabelRanker().fit(X * unit, y).n_iter_ <= 2 * default.n_iter_


@pytest.mark.parametrize("diagonal", [False, True])
@INTERCEPTS
def test_design_of_several_outputs(fit_intercept, diagonal, monkeypatch):
    if diagonal:
        monkeypatch.setattr(_design, "MAX_WHITENED_RANK", 1)
    X, _ = rankings()
    rng = np.random.default_rng(0)
    design = _design.LinearDesign(
        X, rng.random(len(X)), fit_intercept=fit_intercept, alpha=0.1
    )
    Z = rng.standard_normal((design.n_coordinates, 5))
    G = rng.standard_normal((len(X), 5))
    columns = [design.predict(z) for z in Z.T]
    assert_allclose(design.predict(Z), np.transpose(columns), rtol=1e-10, atol=1e-12)
    columns = [design.pull_back(g) for g in G.T]
    assert_allclose(design.pull_back(G), np.transpose(columns), rtol=1e-9, atol=1e-9)
    assert_allclose(design.coordinates(*design.coefficients(Z)), Z, rtol=0, atol=1e-9)


def test_float32():
    X, y = rankings()
    model = SoftSpearmanLabelRanker().fit(X.astype(np.float32), y.astype(np.float32))
    expected = SoftSpearmanLabelRanker().fit(X, y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert_allclose(model.objective_, expected.objective_, rtol=1e-4)


# Rows, weights and rankings


@REGULARIZATIONS
@INTERCEPTS
def test_weights_are_repeats_and_zero_is_removed(regularization, fit_intercept):
    X, y = rankings()
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    parameters = {"regularization": regularization, "fit_intercept": fit_intercept}
    if regularization == "quadratic":
        parameters["alpha"] = 1.0
    weighted = fit(X, y, weight, **parameters)
    repeated = fit(X.repeat(weight, axis=0), y.repeat(weight, axis=0), **parameters)
    kept = weight > 0
    removed = fit(X[kept], y[kept], 7.5 * weight[kept], **parameters)
    scale = X.std(axis=0)
    for other in (repeated, removed):
        assert_allclose(weighted.coef_ * scale, other.coef_ * scale, rtol=0, atol=1e-4)
        assert_allclose(weighted.objective_, other.objective_, rtol=1e-7)
    unweighted = fit(X, y, **parameters)
    assert np.abs((unweighted.coef_ - weighted.coef_) * scale).max() > 1e-3


def test_rows_without_two_ranked_labels_are_removed():
    X, y = rankings(missing=0)
    y[:10] = NAN
    y[10:20, 1:] = NAN
    X[:20] += 1000
    assert_same_fit(fit(X, y), fit(X[20:], y[20:]))


def test_rank_and_relevance():
    X, y = rankings()
    model = fit(X, y)
    other = fit(X, np.exp(-y) - 3, target="relevance")
    assert_same_fit(model, other)
    assert_array_equal(model.predict(X), other.predict(X))
    assert_allclose(other.score(X, -y), model.score(X, y), rtol=1e-12)
    assert model.score(X, y) > 0.5
    assert_same_fit(fit(X, 10 * y**3), model)  # not 1..k


def test_ties_are_average_ranks():
    X, y = rankings(missing=0)
    tied = np.minimum(y, 3)  # 1, 2, 3, 3
    average = np.where(y >= 3, 3.5, y)
    assert_same_fit(fit(X, tied), fit(X, average))
    assert np.abs(fit(X, tied).coef_ - fit(X, y).coef_).max() > 1e-3


def test_predictions():
    X, y = rankings()
    model = SoftSpearmanLabelRanker().fit(X, y)
    scores = model.decision_function(X)
    assert_allclose(scores, X @ model.coef_.T + model.intercept_, rtol=1e-12)
    assert_array_equal(model.predict(X), rankdata(-scores, axis=1))
    assert_array_equal(model.predict_order(X)[:, 0], scores.argmax(axis=1))
    assert_array_equal(model.predict_order(X)[:, -1], scores.argmin(axis=1))
    assert model.score(X, y) == spearman_score(y, model.predict(X))
    weight = np.arange(len(y))
    expected = spearman_score(y, model.predict(X), sample_weight=weight)
    assert model.score(X, y, weight) == expected
    model.coef_[:] = 0
    model.intercept_[:] = [1, 3, 1, 1]
    assert_array_equal(model.predict(X[:1]), [[3, 1, 3, 3]])
    assert_array_equal(model.predict_order(X[:1]), [[1, 0, 2, 3]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_names_of_labels(library):
    frame = pytest.importorskip(library).DataFrame
    X, y = rankings()
    names = ["ale", "bock", "lager", "stout"]
    model = SoftSpearmanLabelRanker().fit(X, frame(dict(zip(names, y.T, strict=True))))
    if library == "pandas":
        model = SoftSpearmanLabelRanker().fit(
            pd.DataFrame(X, columns=["a", "b", "c"]), pd.DataFrame(y, columns=names)
        )
        assert_array_equal(model.feature_names_in_, ["a", "b", "c"])
        X = pd.DataFrame(X, columns=["a", "b", "c"])
    assert_array_equal(model.labels_, names)
    assert set(model.predict_order(X)[0]) == set(names)
    plain = SoftSpearmanLabelRanker().fit(np.asarray(X), y)
    assert_array_equal(plain.labels_, range(4))
    assert_array_equal(plain.coef_, model.coef_)


def test_nullable_rankings():
    X, y = rankings()
    frame = pd.DataFrame(y).astype("Float64")
    assert frame.isna().to_numpy().any()
    assert_same_fit(fit(X, frame), fit(X, y))


@REGULARIZATIONS
def test_a_label_that_is_never_ranked(regularization):
    X, y = rankings()
    y[:, 2] = NAN
    with pytest.warns(UserWarning, match=r"y ranks the labels \[2\] in no row"):
        model = SoftSpearmanLabelRanker(regularization=regularization).fit(X, y)
    assert_array_equal(model.coef_[2], 0)
    assert model.intercept_[2] == 0
    assert np.isfinite(model.coef_).all()


def test_single_label():
    model = SoftSpearmanLabelRanker().fit([[0.0], [1.0]], [[5.0], [7.0]])
    assert_array_equal(model.predict([[3.0]]), [[1.0]])
    assert_array_equal(model.coef_, [[0.0]])


def test_no_loop_over_rows(monkeypatch):
    X, y = rankings(n=3000)
    calls, evaluations = 0, 0
    soft_rank, evaluate = _soft_ranks.soft_rank, _soft_ranks.SoftRankLoss.parts

    def counted(*args, **kwargs):
        nonlocal calls
        calls += 1
        return soft_rank(*args, **kwargs)

    def counted_evaluation(self, n_outputs):
        nonlocal evaluations
        evaluations += self.regularization is not None
        return evaluate(self, n_outputs)

    monkeypatch.setattr(_soft_ranks, "soft_rank", counted)
    monkeypatch.setattr(_soft_ranks.SoftRankLoss, "parts", counted_evaluation)
    SoftSpearmanLabelRanker().fit(X, y)
    assert calls == 3 * evaluations  # rows of 2, of 3 and of 4 ranked labels
    assert evaluations > 3
