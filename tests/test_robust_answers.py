"""What a robust linear fit says of new rows, of its errors and of predictions."""

import pickle

import numpy as np
import pytest
from contamination import contaminated
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import brentq
from scipy.stats import t as student
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from sksoftrank import SoftLQSRegressor, SoftLTSRegressor, SoftLTSRegressorCV
from sksoftrank.robust._intervals import half_width
from sksoftrank.robust._row_weights import step_weights

MODELS = [
    SoftLTSRegressor(random_state=0),
    SoftLTSRegressor(epsilon=0.3, random_state=0),
    SoftLTSRegressor(epsilon=0, random_state=0),
    SoftLTSRegressor(epsilon=0, reweight=True, random_state=0),
    SoftLTSRegressor(reweight=True, alpha=0.1, random_state=0),
    SoftLTSRegressor(trim=0, fit_intercept=False),
    SoftLTSRegressor(formulation="sort", epsilon=20, random_state=0),
    SoftLTSRegressor(formulation="sort", epsilon=0.1, random_state=0),
    SoftLTSRegressorCV(epsilons=[1, 10], random_state=0),
    SoftLQSRegressor(random_state=0),
    SoftLQSRegressor(epsilon=0, random_state=0),
    SoftLQSRegressor(formulation="sort", epsilon=20, random_state=0),
]
models = pytest.mark.parametrize("model", MODELS, ids=str)
WITH_ERRORS = MODELS[:2] + MODELS[3:9]


def assert_agrees(model, X, y, **sigma):
    """The methods give what the attributes say of the rows of the fit."""
    assert_array_equal(model.inlier_mask(X, y, **sigma), model.inlier_mask_)
    weight = model.inlier_weight(X, y, **sigma)
    assert_allclose(weight, model.inlier_weight_, rtol=0, atol=1e-7)


# --- new rows ----------------------------------------------------------------------


@models
@pytest.mark.parametrize(
    "kind", ["plain", slow("float32"), slow("sparse"), slow("ties"), "sigma"]
)
def test_rows_of_the_fit_are_as_the_attributes_say(model, kind):
    X, y, _ = contaminated(distance=4)
    sigma = {}
    if kind == "float32":
        X = X.astype(np.float32)
    elif kind == "sparse":
        X = sparse.csr_array(X * (X > 0))
    elif kind == "ties":
        X, y = X.round(), y.round()
    elif kind == "sigma":
        sigma["sigma"] = np.random.default_rng(0).uniform(1, 5, len(y))
    model.fit(X, y, **sigma)
    assert_agrees(model, X, y, **sigma)
    expected = (y - model.predict(X)) / sigma.get("sigma", 1) / model.scale_
    residual = model.standardized_residuals(X, y, **sigma)
    assert_allclose(
        residual, expected, rtol=0, atol=1e-4 if kind == "float32" else 1e-9
    )
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(
        again.inlier_weight(X, y, **sigma), model.inlier_weight(X, y, **sigma)
    )


@pytest.mark.parametrize("seeds", [range(2), slow(range(2, 12))])
def test_rows_tied_but_for_rounding_have_one_weight(seeds):
    for seed in seeds:
        X, y, _ = contaminated(distance=4, seed=seed)
        model = SoftLQSRegressor(epsilon=0, n_init=50, random_state=0)
        assert_agrees(model.fit(X.round(), y.round()), X.round(), y.round())
    rule = step_weights(np.array([1, 2, 1 + 1e-15, 0.5]), np.array([1.0, 0, 0, 1]))
    assert_array_equal(rule(np.array([0.6, 1, 1 + 1e-15, 3])), [1, 0.5, 0.5, 0])


@models
def test_weights_are_relative_to_a_row_on_the_plane(model):
    X, y, _ = contaminated(distance=4)
    model.fit(X, y)
    coefs = getattr(model, "raw_coef_", model.coef_)
    on_plane = X @ coefs + getattr(model, "raw_intercept_", model.intercept_)
    assert_allclose(model.inlier_weight(X, on_plane), 1, rtol=1e-12)
    # Farther rows weigh less.
    distance = np.linspace(0, 50, 150)
    weight = model.inlier_weight(X, on_plane + distance)
    assert (np.diff(weight) <= 0).all()
    assert_allclose(weight, model.inlier_weight(X, on_plane - distance), atol=1e-9)
    parameters = model.get_params()
    is_broken = parameters.get("formulation") == "sort" and parameters["epsilon"] > 1
    if not is_broken:
        assert weight[-1] == (parameters.get("trim") == 0)


def test_weights_are_those_of_the_selection():
    X, y, _ = contaminated(distance=4)
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    loss = 0.5 * ((y - model.predict(X)) / model.start_scale_) ** 2

    def part(t):
        return np.clip((t - loss) / 12, 0, 1)

    t = brentq(lambda t: part(t).sum() - 77, 0, 100)
    assert_allclose(model.inlier_weight_, part(t) * 12 / t, rtol=0, atol=1e-9)


def test_rows_of_weight_0():
    X, y, _ = contaminated(distance=4)
    weight = np.arange(150) % 3
    for model in MODELS[:4] + MODELS[6:8]:
        assert_agrees(model.fit(X, y, sample_weight=weight), X, y)


@pytest.mark.parametrize("model", MODELS[:4] + MODELS[9:], ids=str)
def test_rows_of_an_exact_fit(model):
    X, _, bad = contaminated()
    plane = X @ [1, 2, 3] + 7
    y = plane + bad
    assert model.fit(X, y).scale_ == 0
    assert_agrees(model, X, y)
    assert_array_equal(model.inlier_weight_, ~bad)
    expected = np.where(bad, np.inf, 0)
    assert_array_equal(model.standardized_residuals(X, y), expected)
    assert_array_equal(model.standardized_residuals(X, 2 * plane - y), -expected)
    # Half way to the nearest outlier is not on the plane.
    assert not model.inlier_weight(X, plane + 0.4).any()


@pytest.mark.filterwarnings("ignore:.* has another minimum")
def test_bad_rows():
    X, y, _ = contaminated()
    model = SoftLTSRegressor(random_state=0)
    with pytest.raises(NotFittedError):
        model.inlier_mask(X, y)
    model.fit(X, y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.inlier_weight(np.full((2, 3), np.nan), y[:2])
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3"):
        model.standardized_residuals(X[:, :2], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.inlier_mask(X, y[:3])
    with pytest.raises(ValueError, match=r"sigma must be above 0, got 0\.0"):
        model.inlier_mask(X, y, sigma=0 * y)
    model.fit(X, y, sigma=y**2 + 1)
    for method in (model.inlier_mask, model.inlier_weight):
        with pytest.raises(ValueError, match="sigma must be given to judge rows"):
            method(X, y)
    with pytest.raises(ValueError, match="sigma must be given to judge rows"):
        model.predict_interval(X)
    model.predict_interval(X, kind="mean")
    assert model.inlier_mask(X, y, sigma=1.0).shape == (150,)


# --- errors and predictions --------------------------------------------------------


@pytest.mark.parametrize("model", WITH_ERRORS, ids=str)
def test_covariance_and_predictions(model):
    X, y, _ = contaminated(distance=4)
    X[:, 1] += 100
    model.fit(X, y)
    p = 3 + model.fit_intercept
    covariance = model.covariance_
    assert covariance.shape == (p, p)
    error = model.stderr_
    if model.fit_intercept:
        error = np.append(error, model.intercept_stderr_)
    assert_allclose(np.sqrt(np.diag(covariance)), error, rtol=1e-9)
    rows = np.vstack([X[:5], X[:5] + 100])
    functions = np.column_stack([rows, np.ones(10)])[:, :p]
    mean_error = np.sqrt(np.einsum("ij,jk,ik->i", functions, covariance, functions))
    prediction, std = model.predict(rows, return_std=True)
    assert_array_equal(prediction, model.predict(rows))
    assert_allclose(std, np.hypot(mean_error, model.scale_), rtol=1e-6)
    for level in (0.5, 0.95):
        factor = student.ppf(0.5 + level / 2, model.df_)
        for kind, half in (("mean", mean_error), ("observation", std)):
            interval = model.predict_interval(rows, level, kind=kind)
            expected = prediction + factor * half * np.array([[-1], [1]])
            assert_allclose(interval, expected.T, rtol=1e-6)
    sparse_rows = sparse.csr_array(rows)
    assert_allclose(model.predict(sparse_rows, return_std=True)[1], std, rtol=1e-9)


def test_without_trimming_all_is_as_for_least_squares():
    X, y, _ = contaminated(40)
    model = SoftLTSRegressor(trim=0, reweight=False).fit(X, y)
    A = np.column_stack([X, np.ones(40)])
    residual = y - LinearRegression().fit(X, y).predict(X)
    covariance = residual @ residual / 36 * np.linalg.inv(A.T @ A)
    assert_allclose(model.covariance_, covariance, rtol=1e-8)
    assert_allclose(model.df_, 36, rtol=1e-12)
    summary = model.summary()
    t = np.append(model.coef_, model.intercept_) / np.sqrt(np.diag(covariance))
    assert_allclose(summary.t, t, rtol=1e-6)
    assert_allclose(summary.p, 2 * student.sf(np.abs(t), 36), rtol=1e-5)


def test_few_rows_have_fewer_degrees_of_freedom():
    """And the more of the rows that count were left out, the fewer."""
    rng = np.random.default_rng(0)
    for n in (10, 40, 1000):
        X, noise = rng.standard_normal((n, 1)), rng.standard_normal(n)
        model = SoftLTSRegressor(random_state=0).fit(X, X[:, 0] + noise)
        weight = model.inlier_weight_
        plain = weight.sum() ** 2 / (weight @ weight) - 2
        part = 1 - model.support_.sum() / np.count_nonzero(weight)
        expected = plain / (1 + max(part * (16 * 2 / plain - 1), 0))
        assert_allclose(model.df_, expected, rtol=1e-6)
        wide = SoftLTSRegressor(trim=0.1, random_state=0).fit(X, X[:, 0] + noise)
        assert wide.df_ > model.df_ if n == 10 else wide.df_ > 0.98 * model.df_


def test_sigma_widens_the_interval_of_an_observation():
    X, y, _ = contaminated()
    sigma = np.random.default_rng(0).uniform(1, 3, 150)
    model = SoftLTSRegressor(random_state=0).fit(X, y, sigma=sigma)
    std = model.predict(X, return_std=True, sigma=sigma)[1]
    low, high = model.predict_interval(X, kind="mean").T
    error = (high - low) / 2 / student.ppf(0.975, model.df_)
    assert_allclose(std, np.hypot(error, model.scale_ * sigma), rtol=1e-9)


@pytest.mark.parametrize("model", [*MODELS[:2], MODELS[3], *MODELS[5:8]], ids=str)
def test_exact_fits_have_no_error(model):
    X, _, bad = contaminated()
    y = X @ [1, 2, 3] + (7 + bad if model.fit_intercept else 0.0)
    if model.get_params().get("trim") == 0:
        y = X @ [1.0, 2.0, 3.0]
    model.fit(X, y)
    assert_array_equal(model.stderr_, 0)
    assert not model.covariance_.any()
    prediction, std = model.predict(X, return_std=True)
    assert_array_equal(std, 0)
    assert_array_equal(model.predict_interval(X), np.column_stack([prediction] * 2))


def test_summary_of_an_exact_fit():
    """An intercept of 1e-17 does not differ from 0 with a p-value of 0."""
    X, _, bad = contaminated()
    summary = SoftLTSRegressor(random_state=0).fit(X, X @ [1, 2, 3] + bad).summary()
    assert_array_equal(summary.std_err, 0)
    assert np.isnan(summary.t).all()
    assert np.isnan(summary.p).all()
    assert_array_equal(summary.lower, summary.coef)
    assert "an exact fit: no errors" in repr(summary)


def test_small_p_values_are_not_0():
    X, y, _ = contaminated()
    assert "<0.0001" in repr(SoftLTSRegressor(random_state=0).fit(X, y).summary())


def test_what_only_the_penalty_determines_has_an_infinite_error():
    X, y, _ = contaminated()
    X[:, 1] = np.arange(150) < 2  # of outliers
    y[:2] += [100, -100]
    model = SoftLTSRegressor(alpha=0.1, random_state=0).fit(X, y)
    assert abs(model.coef_[1]) < 0.1
    assert_array_equal(np.isinf(model.stderr_), [False, True, False])
    assert np.isnan(model.summary().p[1])
    assert_array_equal(np.isinf(model.predict([[0, 0, 0], [0, 1, 0]], True)[1]), [0, 1])


def test_what_is_undetermined_is_infinite_where_it_matters():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 3))
    X[:, 2] = np.arange(100) < 2  # two rows that disagree
    y = X[:, 0] + rng.standard_normal(100)
    y[:2] += [100, -100]
    with pytest.warns(UserWarning, match="do not determine the coefficients of column"):
        model = SoftLTSRegressor(random_state=0).fit(X, y)
    assert_array_equal(np.isinf(model.stderr_), [False, False, True])
    diagonal = np.diag(model.covariance_)
    assert_array_equal(np.isinf(diagonal), [False, False, True, False])
    assert np.isnan(model.covariance_[2, [0, 1, 3]]).all()
    std = model.predict([[0.0, 0, 0], [0, 0, 1]], return_std=True)[1]
    assert_array_equal(np.isinf(std), [False, True])
    assert_array_equal(model.predict_interval([[0.0, 0, 1]]), [[-np.inf, np.inf]])
    summary = model.summary()
    assert np.isnan(summary.p[2])
    assert (summary.lower[2], summary.upper[2]) == (-np.inf, np.inf)
    assert "inf: the kept rows do not determine" in repr(summary)


def test_rows_off_the_plane_of_all_rows_of_the_fit():
    X, y, _ = contaminated()
    X = np.column_stack([X, X[:, 0] + X[:, 1] + 6, np.full(150, 2.0)])
    for dtype in (np.float64, np.float32):
        model = SoftLTSRegressor(random_state=0).fit(X.astype(dtype), y)
        new = X[:4].copy()
        new[1, 3] += 0.1
        new[2, 4] = 0.0
        std = model.predict(new.astype(dtype), return_std=True)[1]
        assert_array_equal(np.isinf(std), [False, True, True, False])


def test_no_degrees_of_freedom():
    X, y, _ = contaminated(4)
    model = SoftLTSRegressor().fit(X, y)
    assert model.df_ == 0
    assert np.isinf(model.stderr_).all()
    assert_array_equal(model.predict_interval(X), np.tile([-np.inf, np.inf], (4, 1)))


def test_predictions_without_standard_errors():
    X, y, _ = contaminated()
    model = SoftLTSRegressor(epsilon=0).fit(X, y)
    assert model.covariance_ is None
    assert model.df_ is None
    for ask in (
        lambda: model.predict(X, return_std=True),
        lambda: model.predict_interval(X),
    ):
        with pytest.raises(ValueError, match=r"needs standard errors, which this Soft"):
            ask()
    summary = model.summary()
    assert np.isnan(summary.std_err).all()
    assert "no standard errors" in repr(summary)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, np.nan])
def test_bad_levels(level):
    X, y, _ = contaminated()
    model = SoftLTSRegressor().fit(X, y)
    message = r"confidence_level must lie in \(0, 1\), got"
    with pytest.raises(ValueError, match=message):
        model.predict_interval(X, level)
    with pytest.raises(ValueError, match=message):
        model.summary(confidence_level=level)


def test_other_bad_input_of_intervals():
    X, y, _ = contaminated()
    model = SoftLTSRegressor()
    for ask in (model.predict, model.predict_interval):
        with pytest.raises(NotFittedError):
            ask(X)
    with pytest.raises(NotFittedError):
        model.summary()
    model.fit(X, y)
    with pytest.raises(TypeError, match="confidence_level must be a number"):
        model.predict_interval(X, "high")
    with pytest.raises(ValueError, match="kind must be 'observation' or 'mean', got"):
        model.predict_interval(X, kind="new")
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict_interval(np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="X has 2 features, but"):
        model.predict(X[:, :2], return_std=True)
    with pytest.raises(ValueError, match="sigma must be above 0, got -1"):
        model.predict(X, sigma=-1.0)  # also where it is not needed


# --- summary -----------------------------------------------------------------------


def test_summary():
    pd = pytest.importorskip("pandas")
    X, y, _ = contaminated(distance=4)
    X = pd.DataFrame(X, columns=["size", "<age>", "z"])
    model = SoftLTSRegressor(random_state=0).fit(X, y)
    summary = model.summary(confidence_level=0.9)
    assert summary.names == ["size", "<age>", "z", "intercept"]
    assert_array_equal(summary.std_err[:3], model.stderr_)
    half = student.ppf(0.95, model.df_) * summary.std_err
    assert_allclose(summary.upper - summary.coef, half)
    assert_allclose(summary.coef - summary.lower, half)
    counts = summary.n_kept, summary.n_suspicious, summary.n_ignored
    assert sum(counts) == 150
    assert counts[0] == (model.inlier_mask_ & (model.inlier_weight_ > 0)).sum()
    assert counts[2] == (model.inlier_weight_ == 0).sum()
    frame = summary.to_frame()
    assert frame.index.tolist() == summary.names
    assert_array_equal(frame["p"], summary.p)
    text, html = repr(summary), summary._repr_html_()
    assert "90% from" in text
    assert "<age>" in text
    assert "&lt;age&gt;" in html
    assert "<age>" not in html
    for name in ("size", "intercept", f"scale {model.scale_:.4g}"):
        assert name in text
        assert name in html
    search = SoftLTSRegressorCV(epsilons=[2, 10], random_state=0).fit(X, y)
    assert f"SoftLTSRegressorCV, epsilon {search.epsilon_:g}" in repr(search.summary())
    assert "x0" in repr(
        SoftLTSRegressor(fit_intercept=False).fit(X.values, y).summary()
    )


@pytest.mark.slow
@pytest.mark.parametrize(("n", "p"), [(10, 1), (10, 2), (30, 3)])
@pytest.mark.parametrize("share", [0, 0.2])
def test_coverage_of_intervals(n, p, share):
    hits = []
    for seed in range(200):
        rng = np.random.default_rng([seed, n])
        X, new = rng.standard_normal((2, n, p))
        y, target = X.sum(1), new.sum(1)
        noise = rng.standard_normal((2, n))
        bad = np.arange(n) < share * n
        model = SoftLTSRegressor(random_state=0).fit(X, y + noise[0] + 10 * bad)
        summary = model.summary()
        low, high = model.predict_interval(new).T
        inside = (summary.lower[:p] < 1) & (summary.upper[:p] > 1)
        value = target + noise[1]
        hits.append([inside.mean(), ((low < value) & (value < high)).mean()])
    # Three standard errors of the simulation beyond the aim.
    assert (np.mean(hits, axis=0) >= 0.93 - 0.05).all()
    assert (np.mean(hits, axis=0) <= 0.97 + 0.02).all()


def test_intervals_without_degrees_of_freedom():
    assert_array_equal(half_width(np.array([0.0, 1.0]), 0, 0.95), [0, np.inf])
