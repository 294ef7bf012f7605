"""Displays of coefficients, residuals and ranks of labels; labels of the others."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sksoftrank import (
    CoefficientsDisplay,
    EpsilonPathDisplay,
    LabelRanksDisplay,
    OutlierMapDisplay,
    ResidualsDisplay,
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    SoftSpearmanLabelRanker,
)
from sksoftrank.datasets import make_contaminated_regression, make_label_ranking

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
pd = pytest.importorskip("pandas")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    X, y, _, _ = make_contaminated_regression(
        120, 3, kind="mixed", contamination=0.2, random_state=0
    )
    index = [f"row {number}" for number in range(120)]
    return pd.DataFrame(X, columns=["a", "b", "c"], index=index), y


def test_coefficients_of_two_fits(data):
    X, y = data
    robust = SoftLTSRegressor(random_state=0).fit(X, y)
    plain = make_pipeline(StandardScaler().set_output(transform="pandas"), Ridge(0.0))
    fits = {"robust": robust, "least squares": LinearRegression().fit(X, y)}
    display = CoefficientsDisplay.from_estimators(fits, X, y, confidence_level=0.9)
    assert_array_equal(display.coefs, [fit.coef_ for fit in fits.values()])
    half = student.ppf(0.95, robust.df_) * robust.stderr_
    assert_allclose(display.half_widths[0], half)
    exact = SoftLTSRegressor(trim=0).fit(X, y).summary(confidence_level=0.9)
    assert_allclose(
        display.half_widths[1], (exact.upper - exact.lower)[:3] / 2, rtol=1e-6
    )
    ax = display.ax_
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b", "c"]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["robust", "least squares"]
    for bar, coef in zip(display.bars_, display.coefs, strict=True):
        assert_allclose(bar.lines[0].get_xdata(), coef)
    display.figure_.canvas.draw()
    alone = CoefficientsDisplay.from_estimator(plain.fit(X, y))
    assert np.isnan(alone.half_widths).all()  # not known of a ridge regression
    assert alone.feature_names == ["a", "b", "c"]


def test_bad_input_of_coefficients(data):
    X, y = data
    with pytest.raises(ValueError, match="estimators must hold at least one fit"):
        CoefficientsDisplay.from_estimators({})
    with pytest.raises(NotFittedError):
        CoefficientsDisplay.from_estimator(LinearRegression())
    fits = {"a": LinearRegression().fit(X, y), "b": LinearRegression().fit(X[["a"]], y)}
    with pytest.raises(ValueError, match=r"same number of coefficients, got \[3, 1\]"):
        CoefficientsDisplay.from_estimators(fits)


def test_bad_fits_and_levels_of_coefficients(data):
    X, y = data[:2]
    plain = LinearRegression().fit(X, y)
    for level in (0, 1, 2.0, np.nan):
        with pytest.raises(ValueError, match="confidence_level must lie in"):
            CoefficientsDisplay.from_estimator(plain, X, y, confidence_level=level)
    with pytest.raises(TypeError, match="estimators must be a dict of fitted"):
        CoefficientsDisplay.from_estimators([plain], X, y)
    wrapped = TransformedTargetRegressor(plain).fit(X, y)
    with pytest.raises(TypeError, match="got 'log', a TransformedTargetRegressor with"):
        CoefficientsDisplay.from_estimators({"log": wrapped}, X, y)
    Y = np.column_stack([y, y])
    with pytest.raises(ValueError, match="estimators must have one target, got"):
        CoefficientsDisplay.from_estimator(LinearRegression().fit(X, Y), X, Y)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_residuals(data, in_pipeline):
    X, y = data
    last = SoftLTSRegressor(random_state=0)
    model = make_pipeline(StandardScaler(), last) if in_pipeline else last
    model.fit(X, y)
    display = ResidualsDisplay.from_estimator(model, X, y)
    residual = (y - model.predict(X)) / last.scale_
    first, middle, right = display.axes_
    points = first.collections[0].get_offsets()
    assert_allclose(points, np.column_stack([model.predict(X), residual]), atol=1e-9)
    points = middle.collections[0].get_offsets()
    assert_allclose(points, np.column_stack([residual, last.inlier_weight_]), atol=1e-7)
    points = right.collections[0].get_offsets()
    quantile = norm.ppf((np.arange(120) + 0.5) / 120)
    assert_allclose(points, np.column_stack([quantile, np.sort(residual)]), atol=1e-9)
    display.figure_.canvas.draw()


def test_bad_input_of_residuals(data):
    X, y = data
    with pytest.raises(TypeError, match=r"robust linear regressor .* got a LinearReg"):
        ResidualsDisplay.from_estimator(LinearRegression().fit(X, y), X, y)
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="ax must be 3 Axes, got 1"):
        ResidualsDisplay.from_estimator(model, X, y, ax=plt.subplots()[1])
    exact = SoftLTSRegressor().fit(X, X["a"] + (np.arange(120) < 5))
    with pytest.raises(ValueError, match="must be finite, got infinite ones"):
        ResidualsDisplay.from_estimator(exact, X, X["a"] + (np.arange(120) < 5))


def test_ranks_of_labels():
    X, y, _ = make_label_ranking(60, 4, random_state=0)
    model = SoftSpearmanLabelRanker().fit(X, y)
    display = LabelRanksDisplay.from_estimator(model, X, y)
    predicted = model.predict(X)
    for true in range(1, 6):
        for given in range(1, 6):
            share = (predicted[y == true].round() == given).mean()
            assert_allclose(display.shares[true - 1, given - 1], share, atol=1e-12)
    assert len(display.texts_) == 25
    display.figure_.canvas.draw()
    partial = np.where(np.arange(5) == 1, np.nan, y)
    half = LabelRanksDisplay.from_predictions(partial, predicted)
    assert_allclose(half.shares.sum(axis=1), 1)
    with pytest.raises(ValueError, match="y_pred must have the shape of y_true"):
        LabelRanksDisplay.from_predictions(y, predicted[:, :3])
    with pytest.raises(ValueError, match="y_pred must hold ranks from 1 to 5, got"):
        LabelRanksDisplay.from_predictions(y, predicted + 9)
    with pytest.raises(TypeError, match="must predict ranks of labels, got a Linear"):
        LabelRanksDisplay.from_estimator(LinearRegression().fit(X, X[:, 0]), X, y)


def test_labels_of_the_map_are_those_of_the_frame(data):
    X, y = data
    model = make_pipeline(StandardScaler(), SoftLTSRegressor(random_state=0)).fit(X, y)
    display = OutlierMapDisplay.from_estimator(model, X, y, random_state=0, n_labels=8)
    texts = [text.get_text() for text in display.texts_]
    assert len(texts) == 8
    assert set(texts) <= set(X.index)
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.texts_]
    for i, box in enumerate(boxes):
        for other in boxes[:i]:
            assert not (box.overlaps(other) and abs(box.y0 - other.y0) < 3)


def test_names_and_legend_of_the_path():
    X, y, _, _ = make_contaminated_regression(150, 12, random_state=0)
    X = pd.DataFrame(X, columns=[f"f{column}" for column in range(12)])
    search = SoftLTSRegressorCV(epsilons=[1, 10, 100], cv=3, random_state=0)
    model = make_pipeline(StandardScaler(), search).fit(X, y)
    display = EpsilonPathDisplay.from_estimator(model, X, y)
    assert display.feature_names == list(X.columns)
    named = [text.get_text() for text in display.texts_]
    size = np.abs(search.coef_path_).max(axis=0)
    assert set(named) == {f"f{column}" for column in np.argsort(size)[-6:]}
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend[:-1] == named
    assert legend[-1].startswith("epsilon = ")
