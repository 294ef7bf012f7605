"""Displays: the numbers that are drawn, regions, cut-offs, and features of low rank."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import chi2
from sklearn.covariance import MinCovDet
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from sksoftrank import (
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    SoftTrimmedRegressor,
    soft_lts_path,
)
from sksoftrank.datasets import make_contaminated_regression
from sksoftrank.plotting import EpsilonPathDisplay, OutlierMapDisplay, _robust_distances
from sksoftrank.plotting._robust_distances import robust_distances

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def mixed(n=200, distance=10.0):
    return make_contaminated_regression(
        n, 3, kind="mixed", contamination=0.2, distance=distance, random_state=0
    )


def points(display):
    """All points drawn, sorted, and their regions."""
    rows = [
        (*point, region)
        for region, scatter in enumerate(display.scatters_)
        if scatter is not None
        for point in scatter.get_offsets()
    ]
    return np.array(sorted(rows))


# The outlier map


def test_distances_of_many_rows_are_those_of_a_sample(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 2)) * [1.0, 100.0]
    X[:400] += [6.0, 0.0]
    of_all, _ = robust_distances(X, np.random.RandomState(0))
    monkeypatch.setattr(_robust_distances, "MANY_ROWS", 500)
    found, rank = robust_distances(X, np.random.RandomState(0))
    assert rank == 2
    assert_allclose(found, of_all, rtol=0.2, atol=0.2)
    assert np.abs(found - of_all).max() > 1e-3
    assert_allclose(np.median(found / of_all), 1, rtol=0.1)
    assert (found[:400] > 2.72).mean() > 0.99


def test_map_of_an_estimator():
    X, y, coef, outliers = mixed()
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    display = OutlierMapDisplay.from_estimator(model, X, y, random_state=0)
    residual = (y - model.predict(X)) / model.scale_
    # The distances do not depend on coordinates, up to the draws.
    distance = np.sqrt(MinCovDet(random_state=0).fit(X).mahalanobis(X))
    assert_allclose(display.standardized_residuals, residual, rtol=1e-12)
    assert_allclose(display.robust_distances, distance, rtol=0.15)
    cutoff = np.sqrt(chi2.ppf(0.975, 3))
    assert_allclose(display.distance_cutoff, cutoff, rtol=1e-12)
    assert_allclose(display.residual_cutoff, 2.2414027, rtol=1e-7)

    is_outlier = np.abs(residual) > 2.2414027
    is_far = display.robust_distances > cutoff
    assert_array_equal(display.regions, is_outlier + 2 * is_far)
    drawn = np.column_stack([display.robust_distances, residual, display.regions])
    assert_allclose(points(display), sorted(drawn.tolist()), rtol=1e-12)

    far = np.linalg.norm(X, axis=1) > 6
    leverage, vertical = outliers & far, outliers & ~far
    assert (leverage.sum(), vertical.sum()) == (20, 20)
    assert (display.regions[leverage] == 3).all()
    assert (display.regions[vertical] != 2).all()
    assert (display.regions[vertical] == 1).mean() > 0.8
    assert (display.regions[~outliers] == 0).mean() > 0.85
    good = X[leverage][0] * 3  # far, and on the plane
    extended = np.vstack([X, good]), np.append(y, good @ coef)
    other = OutlierMapDisplay.from_estimator(model, *extended, random_state=0)
    assert other.regions[-1] in (2, 3)
    assert abs(other.standardized_residuals[-1]) < 4


def test_map_in_units_of_sigma():
    X, y, _, _ = mixed()
    sigma = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = SoftLTSRegressor(random_state=0).fit(X, y, sigma=sigma)
    parameters = {"sigma": sigma, "random_state": 0}
    display = OutlierMapDisplay.from_estimator(model, X, y, **parameters)
    expected = (y - model.predict(X)) / sigma / model.scale_
    assert_allclose(display.standardized_residuals, expected, rtol=1e-12)
    assert_array_equal(display.regions % 2, ~model.inlier_mask_)
    other = OutlierMapDisplay.from_predictions(
        y, model.predict(X), X, scale=model.scale_, **parameters
    )
    assert_allclose(other.standardized_residuals, expected, rtol=1e-12)
    with pytest.raises(ValueError, match=r"sigma must be above 0, got 0\.0"):
        OutlierMapDisplay.from_estimator(model, X, y, sigma=0 * sigma)
    with pytest.raises(ValueError, match="sigma must be given to judge rows"):
        OutlierMapDisplay.from_estimator(model, X, y)


def test_map_of_lists():
    X, y, _, _ = mixed()
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    expected = OutlierMapDisplay.from_estimator(model, X, y, random_state=0)
    lists = X.tolist(), y.tolist()
    for display in (
        OutlierMapDisplay.from_estimator(model, *lists, random_state=0),
        OutlierMapDisplay.from_predictions(
            lists[1],
            model.predict(X).tolist(),
            lists[0],
            scale=model.scale_,
            random_state=0,
        ),
    ):
        assert_array_equal(display.regions, expected.regions)
        texts = [[text.get_text() for text in d.texts_] for d in (display, expected)]
        assert texts[0] == texts[1]


def test_parts_of_the_map():
    X, y, _, _ = mixed()
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    figure, ax = plt.subplots()
    display = OutlierMapDisplay.from_estimator(
        model, X, y, random_state=0, ax=ax, n_labels=5, s=7
    )
    assert display.ax_ is ax
    assert display.figure_ is figure
    vertical, low, high = display.lines_
    assert_allclose(vertical.get_xdata(), display.distance_cutoff)
    assert_allclose(low.get_ydata(), -display.residual_cutoff)
    assert_allclose(high.get_ydata(), display.residual_cutoff)
    for number, name in enumerate(
        ["regular obs", "vertical out", "good leverage", "bad leverage"]
    ):
        label = display.scatters_[number].get_label()
        assert label.startswith(name)
        assert label.endswith(f"({(display.regions == number).sum()})")
        assert_allclose(display.scatters_[number].get_sizes(), 7)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        scatter.get_label() for scatter in display.scatters_
    ]
    excess = np.maximum(
        np.abs(display.standardized_residuals) / display.residual_cutoff,
        display.robust_distances / display.distance_cutoff,
    )
    rows = [int(text.get_text()) for text in display.texts_]
    assert sorted(rows) == sorted(np.argsort(excess)[-5:])
    for row, text in zip(rows, display.texts_, strict=True):
        place = display.robust_distances[row], display.standardized_residuals[row]
        assert_allclose(text.xy, place)
    figure.canvas.draw()


def test_regular_points_are_not_labelled():
    display = OutlierMapDisplay(
        standardized_residuals=[0.1, -3.0, 2.2],
        robust_distances=[1.0, 2.9, 3.0],
        distance_cutoff=3.0,
    ).plot()
    assert [text.get_text() for text in display.texts_] == ["1"]
    assert [scatter is None for scatter in display.scatters_] == [False, False, 1, 1]
    assert_array_equal(display.regions, [0, 1, 0])


def test_labels_are_apart_and_below_the_legend():
    residuals = np.concatenate([np.zeros(20), 100 + 0.01 * np.arange(6)])
    display = OutlierMapDisplay(
        standardized_residuals=residuals,
        robust_distances=np.ones(residuals.size),
        distance_cutoff=3.0,
    ).plot(n_labels=6)
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.texts_]
    assert len(boxes) == 6
    assert max(box.y1 for box in boxes) < display.ax_.bbox.y1
    heights = np.sort([box.y0 for box in boxes])
    assert np.diff(heights).min() > 0.9 * boxes[0].height


@pytest.mark.parametrize(
    "place", [(np.inf, 8.0), (5.0, np.inf), (np.nan, 8.0), (9e9, 8.0)]
)
def test_labels_of_points_beyond_the_axes(place):
    _, ax = plt.subplots()
    ax.set(xlim=(0, 10), ylim=(-10, 10))
    residual, distance = place
    display = OutlierMapDisplay(
        standardized_residuals=[0.0, residual, residual, -9.0],
        robust_distances=[0.5, distance, distance, 9.0],
        distance_cutoff=3.0,
    ).plot(ax)
    assert "3" in [text.get_text() for text in display.texts_]


@pytest.mark.parametrize("far", [False, True])
def test_axes_are_logarithmic_for_far_outliers(far):
    display = OutlierMapDisplay(
        standardized_residuals=np.array([0.1, -3.0 - 1e5 * far]),
        robust_distances=np.array([1.0, 5.0 + 1e5 * far]),
        distance_cutoff=3.0,
    ).plot()
    expected = "symlog" if far else "linear"
    assert display.ax_.get_xscale() == display.ax_.get_yscale() == expected
    assert display.ax_.get_xlim()[0] == 0


def test_map_of_predictions():
    X, y, _, outliers = mixed()
    y_pred = LinearRegression().fit(X[~outliers], y[~outliers]).predict(X)
    residual = y - y_pred
    given = OutlierMapDisplay.from_predictions(y, y_pred, X, scale=2.0)
    assert_allclose(given.standardized_residuals, residual / 2, rtol=1e-12)
    # From the 100 smallest of 200: the variance of the middle half of a Gaussian.
    square = np.sort(residual**2)[:100].mean()
    scale = np.sqrt(square / 0.142651833)
    display = OutlierMapDisplay.from_predictions(y, y_pred, X, random_state=0)
    assert_allclose(display.standardized_residuals, residual / scale, rtol=1e-6)


def test_map_of_a_pipeline_shows_what_its_last_step_sees():
    X, y, _, _ = mixed()
    steps = StandardScaler(), PolynomialFeatures(2), SoftLTSRegressor(random_state=0)
    pipeline = make_pipeline(*steps).fit(X, y)
    display = OutlierMapDisplay.from_estimator(pipeline, X, y, random_state=0)
    cutoff = np.sqrt(chi2.ppf(0.975, 9))  # the column of ones does not count
    assert_allclose(display.distance_cutoff, cutoff, rtol=1e-12)
    residual = (y - pipeline.predict(X)) / pipeline[-1].scale_
    assert_allclose(display.standardized_residuals, residual, rtol=1e-12)
    colours = np.array(["red", "green", "blue"])[np.arange(200) % 3][:, None]
    encoder = OneHotEncoder(sparse_output=False)
    pipeline = make_pipeline(encoder, LinearRegression()).fit(colours, y)
    display = OutlierMapDisplay.from_estimator(pipeline, colours, y)
    assert_array_equal(display.robust_distances, 0)  # dummies do not count


def distances(X):
    y = np.random.default_rng(1).standard_normal(len(X))
    display = OutlierMapDisplay.from_predictions(y, 0 * y, X, random_state=0)
    return display.robust_distances, display.distance_cutoff


def test_distances_do_not_depend_on_coordinates():
    X, _, _, _ = mixed()
    expected, cutoff = distances(X)
    # Powers of two are exact, so that the same rows are drawn.
    scaled, _ = distances(X * [2.0**300, 1, 2.0**-300])
    assert_allclose(scaled, expected, rtol=1e-9)
    constant = np.full(200, 0.1)
    redundant = np.column_stack([X, constant, X @ [1, 2, 3], X[:, 0] + 1])
    found, same_cutoff = distances(redundant)
    assert same_cutoff == cutoff
    assert_allclose(np.median(found), np.median(expected), rtol=0.1)
    assert ((found > cutoff) == (expected > cutoff)).mean() > 0.95


def test_dummies_and_few_rows():
    X, _, _, _ = mixed()
    rare = np.arange(200) % 40 == 0
    dummies = np.column_stack([X, np.arange(200) % 2, rare])
    found, cutoff = distances(dummies)
    assert_allclose(found, distances(X)[0], rtol=1e-6)
    assert_allclose(cutoff, np.sqrt(chi2.ppf(0.975, 3)), rtol=1e-12)
    found, _ = distances(dummies[:, 3:])
    assert_array_equal(found, 0)
    counts = np.random.default_rng(0).poisson(0.5, size=(60, 4))
    found, _ = distances(counts.astype(float))
    assert np.isfinite(found).all()
    found, _ = distances(X[:7])
    assert found.shape == (7,)
    assert np.isfinite(found).all()
    found, cutoff = distances(np.ones((5, 2)))
    assert_array_equal(found, 0)
    assert cutoff > 0


def test_features_without_robust_distances():
    X, y, _, _ = mixed()
    message = "X must have more than twice as many rows .* got 6 rows and 3 features"
    with pytest.raises(ValueError, match=message):
        distances(X[:6])
    with pytest.raises(ValueError, match="got 10 rows and 9 features"):
        distances(np.random.default_rng(0).standard_normal((10, 30)))
    with pytest.raises(ValueError, match="X must not be the same in half of the rows"):
        distances(np.repeat([0.0, 1.0, 2.0], [80, 10, 10])[:, None])
    with pytest.raises(TypeError, match="Sparse data was passed"):
        OutlierMapDisplay.from_predictions(y, y + 1, sparse.csr_array(X))


def test_bad_arguments_of_the_map():
    X, y, _, _ = mixed(30)
    for scale in (0, -1.0, np.nan, np.inf, "one", [1.0]):
        with pytest.raises(ValueError, match=r"scale must be a finite number .* got"):
            OutlierMapDisplay.from_predictions(y, y + 1, X, scale=scale)
    with pytest.raises(ValueError, match=r"scale must be .* got 0"):
        OutlierMapDisplay.from_predictions(y, y, X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        OutlierMapDisplay.from_predictions(y, y[1:], X)
    with pytest.raises(ValueError, match="'seed' cannot be used to seed"):
        OutlierMapDisplay.from_predictions(y, y + X[:, 0], X, random_state="seed")
    with pytest.raises(ValueError, match="y_true contains NaN"):
        OutlierMapDisplay.from_predictions(y * np.nan, y, X)
    with pytest.raises(NotFittedError):
        OutlierMapDisplay.from_estimator(SoftLTSRegressor(), X, y)


# The path over epsilon


@pytest.mark.slow
def test_path_of_an_estimator():
    X, y, _, _ = mixed()
    model = SoftLTSRegressorCV(
        epsilons=[1, 10, 1000], trims=[0.05, 0.5], cv=3, random_state=0
    ).fit(X, y)
    assert model.trim_ == 0.5
    display = EpsilonPathDisplay.from_estimator(model, linewidth=3)
    assert len(display.lines_) == 3
    for line, coef in zip(display.lines_, model.coef_path_.T, strict=True):
        assert_allclose(line.get_xdata(), [1, 10, 1000])
        assert_allclose(line.get_ydata(), coef)
        assert line.get_linewidth() == 3
    scores = model.cv_scores_[1]
    assert_allclose(display.score_line_.get_ydata(), scores.mean(axis=1))
    (band,) = display.score_ax_.collections
    error = scores.std(axis=1, ddof=1) / np.sqrt(3)
    corners = band.get_paths()[0].vertices
    expected = zip(model.epsilons_, scores.mean(axis=1), error, strict=True)
    for epsilon, mean, half in expected:
        at = corners[corners[:, 0] == epsilon, 1]
        assert_allclose([at.min(), at.max()], [mean - half, mean + half])
    assert [line.get_xdata()[0] for line in display.best_lines_] == [model.epsilon_] * 2
    assert display.ax_.get_xscale() == display.score_ax_.get_xscale() == "log"
    assert display.ax_.figure is display.score_ax_.figure is display.figure_
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["x0", "x1", "x2", f"epsilon = {model.epsilon_:.3g}"]
    display.figure_.canvas.draw()
    pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
    other = EpsilonPathDisplay.from_estimator(pipeline)
    assert_allclose(other.lines_[1].get_ydata(), pipeline[-1].coef_path_[:, 1])


def test_path_without_scores_in_any_order():
    X, y, _, _ = mixed()
    path = soft_lts_path(X, y, epsilons=[0, 1, 100], random_state=0)
    order = [2, 0, 1]
    figure, ax = plt.subplots()
    display = EpsilonPathDisplay(
        epsilons=path.epsilons[order],
        coefs=path.coefs[order],
        feature_names=["a", "b", "c"],
    ).plot(ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.score_ax_ is display.score_line_ is None
    assert display.best_lines_ == []
    for line, coef in zip(display.lines_, path.coefs.T, strict=True):
        assert_allclose(line.get_xdata(), [0, 1, 100])
        assert_allclose(line.get_ydata(), coef)
    assert ax.get_xscale() == "symlog"  # there is a 0
    assert -1 < ax.get_xlim()[0] < 0
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["a", "b", "c"]
    figure.canvas.draw()
    single = EpsilonPathDisplay(epsilons=[0.0], coefs=[[1.0, 2.0]]).plot()
    single.figure_.canvas.draw()


def test_path_with_a_score_each_and_many_coefficients():
    coefs = np.arange(22.0).reshape(2, 11)
    display = EpsilonPathDisplay(epsilons=[2, 1], coefs=coefs, scores=[0.7, 0.5])
    _, axes = plt.subplots(2)
    display.plot(axes)
    assert (display.ax_, display.score_ax_) == tuple(axes)
    assert_allclose(display.score_line_.get_ydata(), [0.5, 0.7])
    assert len(display.score_ax_.collections) == 0
    assert len(display.ax_.get_legend().get_texts()) == len(display.texts_) == 6
    with pytest.raises(ValueError, match=r"ax must be 2 Axes, for .* got 1"):
        display.plot(axes[0])


def test_bad_arguments_of_the_path():
    X, y, _, _ = mixed(30)
    with pytest.raises(TypeError, match=r"RegressorCV, .* got a SoftLTSRegressor"):
        EpsilonPathDisplay.from_estimator(SoftLTSRegressor(random_state=0).fit(X, y))
    with pytest.raises(ValueError, match=r"coefs must have .* 2 epsilons, got 1"):
        EpsilonPathDisplay(epsilons=[1, 2], coefs=[[1.0]]).plot()
    with pytest.raises(ValueError, match=r"scores must have .* 1 epsilons, got 2"):
        EpsilonPathDisplay(epsilons=[1], coefs=[[1.0]], scores=[0.1, 0.2]).plot()


def test_matplotlib_is_optional(monkeypatch):
    X, y, _, _ = mixed(30)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="OutlierMapDisplay needs matplotlib; inst"):
        OutlierMapDisplay.from_predictions(y, y + 1, X)
    path = EpsilonPathDisplay(epsilons=[1, 2], coefs=np.eye(2))
    with pytest.raises(ImportError, match="EpsilonPathDisplay needs matplotlib; ins"):
        path.plot()


@pytest.mark.parametrize("as_frame", [False, True])
def test_map_with_missing_numbers_and_categories(as_frame):
    X, y, _, outliers = mixed()
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    predicted = model.predict(X)
    expected = OutlierMapDisplay.from_predictions(y, predicted, X, random_state=0)
    missing = X.copy()
    missing[np.flatnonzero(~outliers)[::9], 1] = np.nan
    table = np.column_stack([missing, np.array(["a", "b"])[np.arange(200) % 2]])
    table = table.astype(object)
    table[:, :3] = missing
    table = np.column_stack([table, np.full(200, np.nan)])
    if as_frame:
        pd = pytest.importorskip("pandas")
        table = pd.DataFrame(missing).assign(
            kind=pd.Categorical(table[:, 3]), empty=np.nan
        )
    display = OutlierMapDisplay.from_predictions(y, predicted, table, random_state=0)
    seen = ~np.isnan(missing).any(axis=1)
    difference = display.robust_distances - expected.robust_distances
    assert np.median(np.abs(difference[seen])) < 0.2
    assert (display.regions == expected.regions)[seen].mean() > 0.95
    assert np.isfinite(display.robust_distances).all()
    with pytest.raises(ValueError, match="X must have columns of numbers"):
        OutlierMapDisplay.from_predictions(y, predicted, np.full((200, 1), "a", object))


def test_map_of_a_frame_of_objects():
    """As database drivers return them."""
    pd = pytest.importorskip("pandas")
    X, y, _, _ = mixed()
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    expected = OutlierMapDisplay.from_estimator(model, X, y, random_state=0)
    frame = pd.DataFrame(X).astype(object)
    display = OutlierMapDisplay.from_estimator(model, frame, y, random_state=0)
    assert_allclose(display.robust_distances, expected.robust_distances)


@pytest.mark.slow
def test_map_of_boosting_on_a_frame():
    pd = pytest.importorskip("pandas")
    X, y, _, _ = mixed()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(
        kind=pd.Categorical(np.arange(200) % 3)
    )
    frame.loc[::7, "a"] = np.nan
    boosting = HistGradientBoostingRegressor(max_iter=5)
    model = SoftTrimmedRegressor(boosting, cv=3, random_state=0).fit(frame, y)
    display = OutlierMapDisplay.from_estimator(model, frame, y, random_state=0)
    residual = (y - model.predict(frame)) / model.scale_
    assert_allclose(display.standardized_residuals, residual)
