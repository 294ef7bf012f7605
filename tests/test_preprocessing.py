"""The projections of rows against slow references, all transformers on any input."""

import pickle

import numpy as np
import pandas as pd
import pytest
from features import sample
from numpy.testing import assert_allclose, assert_array_equal
from reference import isotonic, project
from scipy.optimize import isotonic_regression, minimize
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sksoftrank import soft_rank
from sksoftrank.preprocessing import (
    IsotonicProjection,
    PermutahedronProjection,
    SoftQuantileNormalizer,
    SoftRankTransformer,
    _projections,
)

REGULARIZATIONS = ["quadratic", "entropic"]


# Isotonic rows


@pytest.mark.parametrize("increasing", [True, False])
@pytest.mark.parametrize("log_spread", [None, 0.5, 15.0])
@pytest.mark.parametrize("n_features", [1, 2, 7, 30])
def test_weighted_rows_are_isotonic_regressions(increasing, log_spread, n_features):
    rng = np.random.default_rng(n_features)
    X = 1e3 * rng.standard_t(2, size=(40, n_features)) + rng.normal(size=(40, 1))
    X[::3] = np.round(X[::3], -3)
    X[1] = X[1, 0]
    weights = None
    if log_spread is not None:
        weights = np.exp(rng.uniform(-log_spread, log_spread, size=n_features))
    result = IsotonicProjection(increasing=increasing, weights=weights).fit_transform(X)
    expected = [
        isotonic_regression(x, weights=weights, increasing=increasing).x for x in X
    ]
    assert_allclose(result, expected, rtol=0, atol=1e-12 * np.abs(X).max())


def best_row(x, weights, regularization, increasing, bounds):
    """A monotone row by a general solver."""
    sign = 1 if increasing else -1

    def objective(v):
        if regularization == "quadratic":
            return weights @ (v - x) ** 2 / 2, weights * (v - x)
        return weights @ (np.exp(x - v) + v), weights * (1 - np.exp(x - v))

    steps = sign * np.diff(np.eye(len(x)), axis=0)
    result = minimize(
        objective,
        np.full(len(x), np.clip(x.mean(), *bounds)),
        jac=True,
        method="SLSQP",
        bounds=[bounds] * len(x),
        constraints={
            "type": "ineq",
            "fun": lambda v: steps @ v,
            "jac": lambda v: steps,
        },
        options={"ftol": 1e-15, "maxiter": 500},
    )
    return result.x


@pytest.mark.parametrize("bounds", [(None, None), (-0.4, 0.5), (0.2, None)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("increasing", [True, False])
@pytest.mark.parametrize("regularization", REGULARIZATIONS)
def test_bounded_rows_are_optimal(regularization, increasing, weighted, bounds):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(6, 6))
    weights = rng.uniform(0.3, 3, size=6) if weighted else np.ones(6)
    projection = IsotonicProjection(
        increasing=increasing,
        regularization=regularization,
        weights=weights,
        y_min=bounds[0],
        y_max=bounds[1],
    )
    limits = [
        side if side is not None else s for side, s in zip(bounds, (-9, 9), strict=True)
    ]
    expected = [best_row(x, weights, regularization, increasing, limits) for x in X]
    assert_allclose(projection.fit_transform(X), expected, rtol=0, atol=2e-6)


def test_isotonic_rows_entropic_reference():
    X = np.random.default_rng(0).normal(size=(30, 9)) * 5
    projection = IsotonicProjection(increasing=False, regularization="entropic")
    expected = [isotonic(x, regularization="entropic") for x in X]
    assert_allclose(projection.fit_transform(X), expected, rtol=0, atol=1e-12)


def test_equal_weights_are_no_weights():
    X = np.random.default_rng(0).normal(size=(20, 5))
    projection = IsotonicProjection(weights=[0.3] * 5)
    result = projection.fit_transform(X)
    assert projection.weights_ is None
    assert_array_equal(result, IsotonicProjection().fit_transform(X))


def test_monotone_rows_stay():
    X = np.sort(np.random.default_rng(0).normal(size=(20, 5)), axis=1)
    for weights in (None, [1.0, 2.0, 3.0, 4.0, 5.0]):
        assert_array_equal(IsotonicProjection(weights=weights).fit_transform(X), X)


@pytest.mark.parametrize(
    "transformer",
    [
        IsotonicProjection(weights=[1.0, 2.0, 1.5, 0.5]),
        PermutahedronProjection(0.5),
        PermutahedronProjection(0),
    ],
)
def test_rows_of_many_chunks(transformer, monkeypatch):
    X = np.random.default_rng(0).normal(size=(50, 4))
    expected = transformer.fit_transform(X)
    monkeypatch.setattr(_projections, "CHUNK_SIZE", 12)
    assert_array_equal(transformer.fit_transform(X), expected)
    monkeypatch.setattr(_projections, "CHUNK_SIZE", 3)
    assert_array_equal(transformer.fit_transform(X), expected)


@pytest.mark.parametrize("unit", [1e-300, 1e-5, 1e5, 1e300])
def test_isotonic_rows_in_any_unit(unit):
    X = np.random.default_rng(0).normal(size=(20, 6))
    projection = IsotonicProjection(weights=[1.0, 2.0, 3.0, 3.0, 2.0, 1.0])
    expected = projection.fit_transform(X)
    assert_allclose(projection.fit_transform(unit * X) / unit, expected, rtol=1e-12)


# Rows on permutahedra


@pytest.mark.parametrize("epsilon", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_permutahedron_rows(regularization, epsilon):
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(20, 6)), rng.uniform(0.5, 3, size=6)
    projection = PermutahedronProjection(epsilon, w=w, regularization=regularization)
    if regularization == "kl":
        expected = [np.exp(project(x / epsilon, np.log(w), "entropic")) for x in X]
    else:
        expected = [project(x / epsilon, w, regularization) for x in X]
    assert_allclose(projection.fit_transform(X), expected, rtol=0, atol=1e-12)
    assert_array_equal(projection.w_, np.sort(w))


@pytest.mark.parametrize("epsilon", [0, 0.3, 3.0])
@pytest.mark.parametrize("regularization", ["quadratic", "entropic", "kl"])
def test_permutahedron_of_the_ranks(regularization, epsilon):
    X = np.random.default_rng(0).normal(size=(20, 6))
    projection = PermutahedronProjection(epsilon, regularization=regularization)
    expected = soft_rank(X, epsilon, regularization=regularization)
    assert_allclose(projection.fit_transform(X), expected, rtol=1e-12)


def test_hard_permutahedron_rows():
    w = [5.0, -1.0, 0.1, 2.0]
    X = np.array([[3.0, 1.0, 2.0, 0.0], [7.0, 0.0, 0.0, 7.0], [1.0, 1.0, 1.0, 1.0]])
    expected = [[5.0, 0.1, 2.0, -1.0], [3.5, -0.45, -0.45, 3.5], [1.525] * 4]
    hard = PermutahedronProjection(0, w=w).fit_transform(X)
    assert_allclose(hard, expected, rtol=1e-14)
    assert_array_equal(hard[0], expected[0])  # bit for bit
    assert_allclose(PermutahedronProjection(1e-9, w=w).fit_transform(X), expected)


def test_learned_permutahedron_is_quantile_normalisation_of_rows():
    X = np.random.default_rng(0).lognormal(size=(30, 8))
    target = np.sort(X, axis=1).mean(axis=0)
    projection = PermutahedronProjection(0, w="mean").fit(X)
    assert_allclose(projection.w_, target, rtol=1e-14)
    new = np.random.default_rng(1).normal(size=(5, 8))
    assert_array_equal(np.sort(projection.transform(new), axis=1), [projection.w_] * 5)
    assert_array_equal(np.argsort(projection.transform(new)), np.argsort(new))


# As scikit-learn's own

ALL = [
    SoftRankTransformer(),
    SoftRankTransformer(output_distribution="normal"),
    SoftQuantileNormalizer(),
    IsotonicProjection(weights=[1.0, 2.0, 3.0]),
    PermutahedronProjection(w=[1.0, 2.0, 4.0]),
]
all_transformers = pytest.mark.parametrize("transformer", ALL)


@all_transformers
def test_data_frames_lists_and_pickles(transformer):
    X = sample()
    expected = clone(transformer).fit_transform(X)
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=np.arange(5, 45))
    result = clone(transformer).set_output(transform="pandas").fit_transform(frame)
    assert list(result.columns) == ["a", "b", "c"]
    assert list(result.index) == list(frame.index)
    assert_array_equal(result.to_numpy(), expected)
    fitted = clone(transformer).fit(X.tolist())
    assert_array_equal(fitted.get_feature_names_out(), ["x0", "x1", "x2"])
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), expected)


@all_transformers
def test_float32_is_kept(transformer):
    X = sample()
    X32 = X.astype(np.float32)
    result = clone(transformer).fit_transform(X32)
    assert result.dtype == np.float32
    expected = clone(transformer).fit_transform(X32.astype(np.float64))
    assert_allclose(result, expected, rtol=1e-6)
    if hasattr(transformer, "inverse_transform"):
        fitted = clone(transformer).fit(X32)
        assert fitted.inverse_transform(result).dtype == np.float32
        assert fitted.derivative(X32).dtype == np.float32


@all_transformers
def test_input_is_not_changed(transformer):
    X = sample()
    copy = X.copy()
    X.setflags(write=False)
    fitted = clone(transformer).fit(X)
    fitted.transform(X)
    if hasattr(transformer, "inverse_transform"):
        fitted.inverse_transform(X)
        fitted.derivative(X)
    assert_array_equal(X, copy)


@pytest.mark.parametrize(
    "transformer",
    [SoftRankTransformer(), SoftQuantileNormalizer(), PermutahedronProjection()],
)
def test_grid_search_over_epsilon(transformer):
    X = sample(60)
    grid = [0, 0.1, 1.0, 10.0]
    y = clone(transformer).set_params(epsilon=1.0).fit_transform(X) @ [1.0, 3.0, -2.0]
    pipeline = make_pipeline(clone(transformer), Ridge(alpha=1e-6))
    name = f"{type(transformer).__name__.lower()}__epsilon"
    search = GridSearchCV(pipeline, {name: grid}).fit(X, y)
    assert search.best_params_ == {name: 1.0}
    assert search.best_score_ > 0.95


X = sample()
BAD = [
    (SoftRankTransformer(-1.0), X, r"'epsilon' parameter .* Got -1.0 instead"),
    (SoftRankTransformer(np.inf), X, "'epsilon' parameter .* Got inf instead"),
    (SoftRankTransformer(1e308), 1e3 * X, "epsilon times .* finite, got .*=1e\\+308"),
    (SoftRankTransformer(), [[-1e308], [1e308]], "range.* finite, got .*-1e\\+308 to"),
    (SoftRankTransformer(), [[1.0], [np.inf]], "infinity"),
    (SoftRankTransformer(output_distribution="t"), X, "'output_distribution'"),
    (SoftRankTransformer(subsample=0), X, "'subsample' parameter"),
    (SoftQuantileNormalizer(target=[[1.0]]), X, r"target .*, got shape \(1, 1\)"),
    (SoftQuantileNormalizer(target=[np.nan]), X, "target contains NaN"),
    (SoftQuantileNormalizer(target=[]), X, "minimum of 1 is required"),
    (IsotonicProjection(weights=[1.0, 2.0]), X, r"weights .* \(3,\), .* got \(2,\)"),
    (IsotonicProjection(weights=[1.0, -1.0, 2.0]), X, "weights .* at least 0 .* -1.0"),
    (
        IsotonicProjection(weights=[0.0, 0.0, 0.0]),
        X,
        "weights .* not all 0, got .* 0.0",
    ),
    (IsotonicProjection(y_min=2, y_max=1), X, "y_min .* y_max, got 2 and 1"),
    (IsotonicProjection(y_min=np.nan), X, "'y_min' parameter"),
    (IsotonicProjection(regularization="kl"), X, "'regularization' parameter"),
    (IsotonicProjection(), [[np.nan, 1.0]], "NaN"),
    (PermutahedronProjection(w=[1.0]), X, r"w must have shape \(3,\), .* got \(1,\)"),
    (PermutahedronProjection(w="median"), X, "'w' parameter"),
    (PermutahedronProjection(w="mean", regularization="kl"), X, 'got "mean"'),
    (
        PermutahedronProjection(w=[0.0, 1.0, 2.0], regularization="kl"),
        X,
        "w must be above 0 .*, got 0.0",
    ),
    (PermutahedronProjection(w=[1e308, 1.0, 0.0]), X, "w must be finite"),
    (PermutahedronProjection(-0.5), X, "'epsilon' parameter"),
]


@pytest.mark.parametrize(("transformer", "X", "message"), BAD)
def test_bad_parameters(transformer, X, message):
    with pytest.raises(ValueError, match=message):
        transformer.fit(X)


@pytest.mark.parametrize(
    "transformer", [IsotonicProjection(), PermutahedronProjection()]
)
def test_missing_values_and_large_integers(transformer):
    transformer = clone(transformer).fit(np.zeros((2, 3)))
    for rows in ([[1, pd.NA, 3]], np.array([[1, None, 3]], dtype=object)):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            transformer.transform(rows)
    with pytest.raises(ValueError, match="X must hold integers that float64 holds"):
        transformer.transform([[1, 2**60 + 1, 3]])
    with pytest.raises(ValueError, match="X must hold integers that float64 holds"):
        transformer.fit(np.array([[1, 2**60 + 1, 3]]))


def test_bad_values_in_transform():
    too_wide = [[-1e308, 1e308, 0.0]]
    for transformer in (IsotonicProjection(), PermutahedronProjection(2.0)):
        with pytest.raises(ValueError, match="X must be finite, got values from -1e"):
            transformer.fit(X).transform(too_wide)
    with pytest.raises(ValueError, match=r"3 features that were fitted, got 2"):
        SoftRankTransformer().fit(X).inverse_transform(X[:, :2])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(3), r"sample_weight must have shape \(40,\), got \(3,\)"),
        (np.full(40, -1.0), "sample_weight must be at least 0, got -1.0"),
        (np.zeros(40), "sample_weight must not be zero everywhere"),
        (np.full(40, np.nan), "sample_weight must be finite, got 40 NaN"),
    ],
)
def test_bad_sample_weight(weight, message):
    with pytest.raises(ValueError, match=message):
        SoftRankTransformer().fit(X, sample_weight=weight)
