"""What a robust linear fit reports of tables that nobody designed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression

from sksoftrank import SoftLTSRegressor, SoftLTSRegressorCV

pd = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 3))
PLANE = X @ [1.0, 2.0, 3.0]
Y = PLANE + RNG.standard_normal(60) + 20 * (np.arange(60) < 8)
FRAME = pd.DataFrame(X, columns=list("abc"))
HALF = (np.arange(60) % 2).astype(float)
ONE = (np.arange(60) == 3).astype(float)

# Features, targets, weights, and what errors of predictions are.
TABLES = {
    "frame": (FRAME, pd.Series(Y), None, "finite"),
    "nullable": (
        FRAME.astype("Float64"),
        pd.Series(Y, dtype="Float64"),
        None,
        "finite",
    ),
    "whole": (FRAME.round().astype("Int64"), pd.Series(Y).round(), None, "finite"),
    "objects": (FRAME.astype(object), Y.astype(object), None, "finite"),
    "numbers as categories": (
        FRAME.assign(d=pd.Categorical(RNG.integers(0, 3, 60))),
        Y,
        None,
        "finite",
    ),
    "bool": (FRAME.assign(d=X[:, 0] > 0), Y, None, "finite"),
    "float32": (X.astype(np.float32), Y.astype(np.float32), None, "finite"),
    "a constant column": (np.column_stack([X, np.ones(60)]), Y, None, "finite"),
    "constant columns only": (np.ones((60, 2)), Y, None, "finite"),
    "weights of 0": (X, Y, HALF, "finite"),
    "tiny": (1e-100 * X, 1e-300 * Y, None, "finite"),
    "huge": (1e100 * X, 1e300 * Y, None, "finite"),
    "equal targets": (X, np.ones(60), None, "zero"),
    "exact": (X, PLANE, None, "zero"),
    "exact with outliers": (X, np.where(np.arange(60) < 9, 70, PLANE), None, "zero"),
    "a row": (X[:1], Y[:1], None, "infinite"),
    "two rows": (X[:2], Y[:2], None, "infinite"),
    "as many features": (RNG.standard_normal((10, 10)), Y[:10], None, "infinite"),
    "more features": (RNG.standard_normal((10, 15)), Y[:10], None, "infinite"),
    "a row of weight": (X, Y, ONE, "infinite"),
}
MODELS = [
    SoftLTSRegressor(random_state=0),
    SoftLTSRegressor(epsilon="auto", random_state=0),
    SoftLTSRegressor(epsilon=0, reweight=True, random_state=0),
    SoftLTSRegressor(trim=0),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("name", TABLES)
def test_answers(name, model):
    features, targets, weight, kind = TABLES[name]
    if name == "exact with outliers" and model.trim == 0:
        kind = "finite"
    model.fit(features, targets, weight)
    prediction, std = model.predict(features, return_std=True)
    assert prediction.shape == (len(targets),)
    expected = {"finite": np.isfinite(std) & (std > 0), "zero": std == 0}
    assert expected.get(kind, np.isinf(std)).all()
    low, high = model.predict_interval(features).T
    assert (low <= high).all()
    low, high = model.predict_interval(features, 0.5, kind="mean").T
    assert (low <= high).all()
    assert_array_equal(model.inlier_mask(features, targets), model.inlier_mask_)
    weights = model.inlier_weight(features, targets)
    assert_allclose(weights, model.inlier_weight_, rtol=0, atol=1e-6)
    standardized = model.standardized_residuals(features, targets)
    assert not np.isnan(standardized).any()
    summary = model.summary()
    assert len(summary.to_frame()) == np.shape(features)[1] + 1
    if kind != "finite":
        assert np.isnan(summary.p).all()
    assert summary.names[-1] in repr(summary)
    assert "<table>" in summary._repr_html_()


def test_search_over_epsilon_on_tables():
    """It hands on what its chosen fit reports."""
    for name in ("nullable", "exact", "weights of 0"):
        features, targets, weight, kind = TABLES[name]
        search = SoftLTSRegressorCV(epsilons=[3, 12], cv=2, random_state=0)
        search.fit(features, targets, weight)
        std = search.predict(features, return_std=True)[1]
        assert (std == 0).all() == (kind == "zero")
        assert_array_equal(search.inlier_mask(features, targets), search.inlier_mask_)


def test_least_squares_of_all_rows_is_that_of_scikit_learn():
    plain = LinearRegression().fit(X, Y)
    model = SoftLTSRegressor(trim=0).fit(FRAME, Y)
    assert_allclose(model.predict(FRAME), plain.predict(X), rtol=1e-9)
    assert model.summary().names == ["a", "b", "c", "intercept"]


@pytest.mark.parametrize(
    ("features", "targets", "message"),
    [
        (FRAME.assign(d="red"), Y, "could not convert string to float: 'red'"),
        (X, np.column_stack([Y, Y]), "y should be a 1d array, got an array of shape"),
        (X, np.where(Y > 15, np.nan, Y), "Input y contains NaN"),
        (np.where(X > 2, np.inf, X), Y, "Input X contains infinity"),
        (X[:0], Y[:0], "Found array with 0 sample"),
        (X[:, :0], Y, "Found array with 0 feature"),
        (1e-300 * X, Y, r"largest size of a feature of X must be 0 or from 1e-140"),
    ],
)
def test_tables_that_cannot_be_fitted(features, targets, message):
    with pytest.raises(ValueError, match=message):
        SoftLTSRegressor().fit(features, targets)
