"""Fits to batches that are read again and again, against those in memory."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

import sksoftrank
from sksoftrank.batches import (
    SoftLTSRegressor,
    SoftSpearmanLabelRanker,
    SoftTopKClassifier,
    _drawing,
)
from sksoftrank.batches._blocks import Batches, Block
from sksoftrank.batches._cells import Bracket, CellSums, choice_sums, solve_threshold
from sksoftrank.batches._lts_sums import Chunk, newton_sums
from sksoftrank.batches._moments import merge_moments, moments_of
from sksoftrank.datasets import make_label_ranking
from sksoftrank.losses import selection_trimmed_loss
from sksoftrank.robust._lts_search import Start
from sksoftrank.robust._trimmed_squares import smooth_fit

N = 6000


@pytest.fixture
def few_drawn(monkeypatch):
    """So few rows are drawn that the tests need no large data."""
    monkeypatch.setattr(_drawing, "N_DRAWN", 1500)


def contaminated(n=N, seed=0):
    """Features in different units, with 25 % of bad leverage points."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) * [1.0, 100.0, 1e-3, 5.0] + [0.0, 50.0, 0.0, 1e4]
    y = X @ [1.0, -0.02, 500.0, 0.3] + rng.normal(size=n)
    bad = rng.random(n) < 0.25
    X[bad] += [10.0, 1000.0, 0.01, 50.0]
    y[bad] += 40.0
    weight = rng.integers(0, 4, n).astype(np.float64)
    return X, y, weight, rng.uniform(0.5, 3.0, n)


def cut(edges, *arrays):
    """A callable that yields the rows between the edges, batch by batch."""
    edges = [0, *edges, len(arrays[0])]

    def batches():
        for start, end in itertools.pairwise(edges):
            yield tuple(None if a is None else a[start:end] for a in arrays)

    return batches


def from_scale_of(model, X, y, sample_weight=None, sigma=None):
    """The minimum in memory, in the same unit of epsilon, next to that of a fit."""
    local = model.to_local()
    problem = local._problem(X, y, *local._check_rows(y, sample_weight, sigma))
    fit = smooth_fit(
        problem,
        model.start_scale_ / problem.scale_unit,
        problem.coordinates(model.coef_, model.intercept_),
        model.epsilon,
        "selection",
        max_iter=1000,
        tol=1e-12,
    )
    objective = fit.objective * problem.scale_unit**2
    return *problem.coefficients(fit.z), objective


WEIGHTS = [
    pytest.param(False, False, id="plain"),
    pytest.param(True, False, id="weights"),
    pytest.param(False, True, id="sigma"),
    pytest.param(True, True, id="both"),
]


@pytest.mark.parametrize(("has_weight", "has_sigma"), WEIGHTS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"epsilon": 1.0},
        {"epsilon": 0.2, "trim": 0.4},
        {"epsilon": 1e6},
        {"alpha": 0.3},
        {"alpha": 0.3, "fit_intercept": False},
        {"trim": 0.0, "alpha": 0.1},
    ],
    ids=str,
)
def test_the_minimum_is_that_in_memory(few_drawn, options, has_weight, has_sigma):
    X, y, weight, sigma = contaminated()
    weight, sigma = weight if has_weight else None, sigma if has_sigma else None
    model = SoftLTSRegressor(random_state=0, **options)
    model.fit_batches(cut([100, 101, 4000], X, y, weight, sigma))
    coef, intercept, objective = from_scale_of(model, X, y, weight, sigma)
    assert_allclose(model.coef_, coef, rtol=1e-9)
    assert_allclose(model.intercept_, intercept, rtol=1e-9, atol=1e-9)
    assert_allclose(model.objective_, objective, rtol=1e-9)
    assert model.n_reads_ <= (12 if model.epsilon >= 1 else 40)


@pytest.mark.parametrize(("has_weight", "has_sigma"), WEIGHTS)
@pytest.mark.parametrize("options", [{}, {"reweight": True}, {"trim": 0.4}], ids=str)
def test_attributes_are_those_in_memory(few_drawn, options, has_weight, has_sigma):
    X, y, weight, sigma = contaminated()
    weight, sigma = weight if has_weight else None, sigma if has_sigma else None
    model = SoftLTSRegressor(random_state=0, **options)
    model.fit_batches(cut([1000, 3500], X, y, weight, sigma))
    again = sksoftrank.SoftLTSRegressor(random_state=0, **options)
    again.fit(X, y, weight, sigma)
    assert (np.abs(model.coef_ - again.coef_) < 0.5 * again.stderr_).all()
    for name in ("start_scale_", "raw_scale_", "scale_", "objective_", "df_"):
        assert_allclose(getattr(model, name), getattr(again, name), rtol=0.04)
    assert_allclose(model.stderr_, again.stderr_, rtol=0.03)
    assert_allclose(model.intercept_stderr_, again.intercept_stderr_, rtol=0.03)
    errors = np.sqrt(np.diag(again.covariance_))
    unit = np.outer(errors, errors)
    assert_allclose(model.covariance_ / unit, again.covariance_ / unit, atol=0.06)
    # With sigma the variance of the targets is that of the drawn rows.
    rtol = 0.06 if has_sigma else 0.01
    assert_allclose(1 - model.robust_r2_, 1 - again.robust_r2_, rtol=rtol)
    rows = (X, y) if sigma is None else (X, y, sigma)
    differ = np.abs(model.inlier_weight(*rows) - again.inlier_weight_) > 0.03
    assert differ.mean() < 0.01
    assert np.mean(model.inlier_mask(*rows) != again.inlier_mask_) < 0.01
    summary, other = model.summary(), again.summary()
    counts = [[s.n_kept, s.n_suspicious, s.n_ignored] for s in (summary, other)]
    if has_weight:  # rows of weight 0 count in memory only
        assert sum(counts[0]) == np.count_nonzero(weight)
    else:
        assert sum(counts[0]) == N
        assert_allclose(counts[0], counts[1], atol=0.01 * N)


EDGES = [[], [3000], [0, 0, 1, 2, 2999, 2999, 5000, N, N], list(range(50, N, 50))]


@pytest.mark.parametrize("edges", EDGES, ids=len)
def test_any_cut_gives_the_same_fit(few_drawn, edges):
    arrays = contaminated()
    first = SoftLTSRegressor(random_state=0).fit_batches(cut([777], *arrays))
    model = SoftLTSRegressor(random_state=0).fit_batches(cut(edges, *arrays))
    assert_allclose(model.coef_, first.coef_, rtol=1e-9)
    assert_allclose(model.start_scale_, first.start_scale_, rtol=1e-9)
    assert model.n_reads_ == first.n_reads_


def test_small_data_are_fitted_in_memory():
    X, y, weight, sigma = contaminated(500)
    model = SoftLTSRegressor(random_state=0)
    model.fit_batches(cut([7, 300], X, y, weight, sigma))
    again = sksoftrank.SoftLTSRegressor(random_state=0)
    kept = weight > 0
    again.fit(X[kept], y[kept], weight[kept], sigma[kept])
    assert_array_equal(model.coef_, again.coef_)
    assert model.scale_ == again.scale_
    assert model.n_reads_ == 1
    assert not hasattr(model, "inlier_weight_")


@pytest.mark.slow
@pytest.mark.parametrize("n", [200_000, 1_000_000])
def test_the_own_start_leads_to_the_fit_in_memory(n):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, 10))
    y = X @ np.arange(10.0) + 3.0 + rng.normal(size=n)
    X[rng.random(n) < 0.25] += 10.0
    model = SoftLTSRegressor(random_state=0).fit_batches(cut([n // 3], X, y))
    again = sksoftrank.SoftLTSRegressor(random_state=0).fit(X, y)
    assert_allclose(model.coef_, again.coef_, rtol=0, atol=0.01 * again.stderr_.min())
    coef, intercept, _ = from_scale_of(model, X, y)
    assert_allclose(model.coef_, coef, rtol=0, atol=1e-9)
    assert_allclose(model.intercept_, intercept, rtol=0, atol=1e-9)
    assert model.n_reads_ <= 12


@pytest.mark.parametrize("alpha", [slow(0.0), 0.2])
@pytest.mark.parametrize("has_weight", [False, True])
def test_the_hard_fit_is_a_local_minimum(few_drawn, alpha, has_weight):
    X, y, weight, _ = contaminated(20_000)
    weight = weight if has_weight else None
    model = SoftLTSRegressor(random_state=0, epsilon=0, alpha=alpha)
    model.fit_batches(cut([5, 7000], X, y, weight))
    local = model.to_local()
    problem = local._problem(X, y, *local._check_rows(y, weight, None))
    z = problem.coordinates(model.coef_, model.intercept_)
    # No concentration step in memory moves it.
    moved = problem._concentrate(Start(z, 0, None), max_iter=100, tol=0.0)
    assert_allclose(moved.z, z, atol=1e-8 * np.abs(z).max())
    value = problem.hard_objective(moved) * problem.scale_unit**2
    assert_allclose(model.objective_, value, rtol=1e-9)
    again = sksoftrank.SoftLTSRegressor(random_state=0, epsilon=0, alpha=alpha)
    again.fit(X, y, weight)
    assert_allclose(model.objective_, again.objective_, rtol=1e-3)
    assert_allclose(model.scale_, again.scale_, rtol=1e-3)
    assert model.scale_ == model.raw_scale_
    assert model.stderr_ is None
    used = np.ones(len(y), dtype=bool) if weight is None else weight > 0
    kept = model.inlier_weight(X, y)
    total = kept.sum() if weight is None else weight @ kept
    assert_allclose(total, problem.n_kept, atol=5)
    assert (np.abs(kept - again.inlier_weight_)[used] > 0).mean() < 0.01
    model.set_params(reweight=True).fit_batches(cut([99], X, y, weight))
    again.set_params(reweight=True).fit(X, y, weight)
    assert (np.abs(model.coef_ - again.coef_) < 0.1 * again.stderr_).all()


def test_to_local_is_the_ordinary_estimator(few_drawn):
    X, y, _, _ = contaminated()
    model = SoftLTSRegressor(random_state=0, epsilon=6.0).fit_batches(cut([99], X, y))
    local = model.to_local()
    assert type(local) is sksoftrank.SoftLTSRegressor
    assert local.get_params() == model.get_params()
    assert not hasattr(local, "n_reads_")
    for other in (local, pickle.loads(pickle.dumps(model))):
        assert_array_equal(other.predict(X), model.predict(X))
        assert_array_equal(other.inlier_weight(X, y), model.inlier_weight(X, y))
        assert_array_equal(other.stderr_, model.stderr_)


def test_slices_of_a_memory_map(few_drawn, tmp_path):
    X, y, _, _ = contaminated()
    path = tmp_path / "rows.npy"
    np.save(path, np.column_stack([X, y]))
    rows = np.load(path, mmap_mode="r")

    def slices():
        for start in range(0, N, 700):
            yield rows[start : start + 700, :4], rows[start : start + 700, 4]

    model = SoftLTSRegressor(random_state=0).fit_batches(slices)
    held = SoftLTSRegressor(random_state=0).fit_batches(cut([], X, y))
    assert_allclose(model.coef_, held.coef_, rtol=1e-9)


def test_row_groups_of_a_parquet_file(few_drawn, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    pandas = pytest.importorskip("pandas")
    X, y, weight, _ = contaminated()
    frame = pandas.DataFrame(X, columns=list("abcd")).assign(y=y, w=weight)
    path = tmp_path / "rows.parquet"
    frame.to_parquet(path, row_group_size=800, engine="pyarrow")

    def row_groups():
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1000):
                part = batch.to_pandas()
                yield part[list("abcd")], part["y"], part["w"]

    model = SoftLTSRegressor(random_state=0).fit_batches(row_groups)
    held = SoftLTSRegressor(random_state=0).fit_batches(cut([], X, y, weight))
    assert_allclose(model.coef_, held.coef_, rtol=1e-9)
    assert model.feature_names_in_.tolist() == list("abcd")


def test_sparse_batches(few_drawn):
    X, y, _, _ = contaminated()
    X[np.arange(N) % 3 > 0, 0] = 0.0
    model = SoftLTSRegressor(random_state=0).fit_batches(
        [(sparse.csr_array(X[:99]), y[:99]), (sparse.csc_array(X[99:]), y[99:])]
    )
    held = SoftLTSRegressor(random_state=0).fit_batches(cut([], X, y))
    assert_allclose(model.coef_, held.coef_, rtol=1e-9)


@pytest.mark.parametrize("factor", [2.0**20, 2.0**30])
def test_weights_of_huge_data_keep_the_digits(few_drawn, factor):
    X, y, weight, _ = contaminated()
    # A whole sum over two, so that h has the same part of it.
    first = SoftLTSRegressor(random_state=0).fit_batches(cut([7], X, y, 1024 * weight))
    model = SoftLTSRegressor(random_state=0)
    model.fit_batches(cut([7], X, y, 1024 * factor * weight))
    part = model.n_reads_, model.coef_ / first.coef_, model.scale_ / first.scale_
    assert part[0] == first.n_reads_
    assert_allclose(part[1], 1.0, rtol=1e-5)
    assert_allclose(part[2], 1.0, rtol=1e-5)
    coef, _, objective = from_scale_of(model, X, y, 1024 * factor * weight)
    assert_allclose(model.coef_, coef, rtol=1e-9)
    assert_allclose(model.objective_, objective, rtol=1e-9)


def test_warm_start_begins_at_the_previous_fit(few_drawn):
    X, y, _, _ = contaminated()
    model = SoftLTSRegressor(random_state=0, warm_start=True)
    first = copy.deepcopy(model.fit_batches(cut([99], X, y)))
    model.fit_batches(cut([99], X, y))
    assert_allclose(model.coef_, first.coef_, rtol=1e-6)
    assert model.n_reads_ <= first.n_reads_
    with pytest.raises(ValueError, match=r"4 features of the previous fit.*got 3"):
        model.fit_batches(cut([99], X[:, 1:], y))


def test_single_precision(few_drawn):
    X, y, _, _ = contaminated()
    X = X.astype(np.float32)
    model = SoftLTSRegressor(random_state=0).fit_batches(cut([99], X, y))
    again = sksoftrank.SoftLTSRegressor(random_state=0).fit(X, y)
    assert model.coef_.dtype == np.float32
    assert_allclose(model.coef_, again.coef_, atol=0.1 * again.stderr_.max())


@pytest.mark.filterwarnings("ignore:.* far from all other values")
def test_far_rows_are_removed(few_drawn):
    X, y, _, _ = contaminated()
    good = np.arange(N) % 20 > 0
    X[~good, 1] = 1e20
    model = SoftLTSRegressor(random_state=0).fit_batches(cut([99], X, y))
    clean = SoftLTSRegressor(random_state=0).fit_batches(cut([99], X[good], y[good]))
    assert_allclose(model.coef_, clean.coef_, atol=0.1 * clean.stderr_.max())
    assert_allclose(model.scale_, clean.scale_, rtol=0.02)


def test_rare_levels_and_nearly_equal_columns_are_seen(few_drawn):
    # The drawn rows miss the rare level, and where nearly equal columns differ.
    rng = np.random.default_rng(0)
    X = np.zeros((N, 3))
    X[:, 0] = rng.normal(20.0, 8.0, N).round(1)
    X[:, 1] = 1.8 * X[:, 0] + 32.0
    X[::700, 1] += 0.1
    X[5::800, 2] = 1.0
    y = X @ [1.0, 0.0, 7.0] + 0.1 * rng.normal(size=N)
    y[rng.random(N) < 0.2] += 50.0
    model = SoftLTSRegressor(random_state=0).fit_batches(cut([99], X, y))
    again = sksoftrank.SoftLTSRegressor(random_state=0).fit(X, y)
    assert abs(model.coef_[2] - 7.0) < 4 * model.stderr_[2]
    good = np.abs(y - X @ [1.0, 0.0, 7.0]) < 1.0
    assert_allclose(model.predict(X)[good], again.predict(X)[good], atol=0.2)


@pytest.mark.parametrize("has_sigma", [False, True])
def test_a_level_of_which_no_row_is_drawn(few_drawn, has_sigma):
    rng = np.random.default_rng(0)
    X = np.zeros((N, 2))
    X[:, 0] = rng.normal(size=N)
    X[7:5000:1000, 1] = 1.0
    y = X @ [1.0, 7.0] + 0.1 * rng.normal(size=N)
    sigma = np.ones(N) if has_sigma else None
    model = SoftLTSRegressor(random_state=1).fit_batches(cut([99], X, y, None, sigma))
    assert_allclose(model.coef_, [1.0, 7.0], rtol=0.01)
    coef, _, _ = from_scale_of(model, X, y, None, sigma)
    assert_allclose(model.coef_, coef, rtol=1e-9)


def test_an_exact_fit(few_drawn):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 2))
    y = X @ [1.0, 2.0] + 3.0
    y[rng.random(N) < 0.3] += 5.0
    model = SoftLTSRegressor(random_state=0).fit_batches(cut([99], X, y))
    assert_allclose(model.coef_, [1.0, 2.0], rtol=1e-12)
    assert model.scale_ == model.start_scale_ == 0.0
    assert model.robust_r2_ == 1.0
    assert_array_equal(model.inlier_mask(X, y), np.abs(y - X @ [1, 2] - 3) < 1)


def test_verbose_prints_the_readings(few_drawn, capsys):
    X, y, _, _ = contaminated()
    model = SoftLTSRegressor(random_state=0, verbose=1).fit_batches(cut([99], X, y))
    lines = capsys.readouterr().out.splitlines()
    assert f"{model.n_reads_} readings of the data" in lines[-1]


def classes(n=1200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 100.0, 1e-3] + [0.0, 50.0, 0.0]
    scores = X / [1.0, 100.0, 1e-3] @ rng.normal(size=(3, 4)) + rng.gumbel(size=(n, 4))
    return X, np.array(list("abcd"))[scores.argmax(axis=1)], rng.integers(0, 3, n) * 1.0


@pytest.mark.parametrize("edges", [[], [0, 1, 1, 600, 1199]], ids=len)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 2, "operator": "entropic"},
        {"class_weight": "balanced"},
        {"class_weight": {"a": 2.0}, "fit_intercept": False},
        {"squashing": "logistic", "epsilon": 0.1, "growth": "linear"},
    ],
    ids=str,
)
def test_topk_is_that_in_memory(options, edges):
    X, y, weight = classes()
    model = SoftTopKClassifier(alpha=0.05, **options)
    model.fit_batches(cut(edges, X, y, weight))
    again = sksoftrank.SoftTopKClassifier(alpha=0.05, **options).fit(X, y, weight)
    size = np.abs(again.coef_).max(axis=0)
    assert_allclose(model.coef_ / size, again.coef_ / size, rtol=0, atol=1e-6)
    assert_allclose(model.intercept_, again.intercept_, rtol=0, atol=1e-6)
    assert_array_equal(model.predict(X), again.predict(X))
    assert_array_equal(model.to_local().predict_topk(X), again.predict_topk(X))
    assert model.n_iter_ == again.n_iter_


def test_topk_of_two_classes_and_the_default_alpha():
    X, y, _ = classes()
    y = np.where(y > "b", 1, 0)
    for weight in (None, np.full(len(y), 0.5), np.full(len(y), 5.0)):
        model = SoftTopKClassifier().fit_batches(cut([50], X, y, weight))
        again = sksoftrank.SoftTopKClassifier(early_stopping=False).fit(X, y, weight)
        assert model.alpha_ == again.alpha_
        assert_allclose(model.coef_, again.coef_, rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{}, {"regularization": "kl"}, {"regularization": None}, {"target": "relevance"}],
    ids=str,
)
def test_ranker_is_that_in_memory(options):
    X, y = make_label_ranking(n_samples=300, n_features=3, random_state=0)[:2]
    y = np.asarray(y, dtype=np.float64)
    y[::7, 1] = np.nan
    y[5, 1:] = np.nan  # says nothing
    weight = np.arange(300.0) % 3
    model = SoftSpearmanLabelRanker(**options)
    model.fit_batches(cut([0, 5, 6, 200], X, y, weight))
    again = sksoftrank.SoftSpearmanLabelRanker(**options).fit(X, y, weight)
    size = np.abs(again.coef_).max()
    assert_allclose(model.coef_ / size, again.coef_ / size, rtol=0, atol=1e-6)
    assert_array_equal(model.predict(X), again.predict(X))
    assert model.to_local().score(X, y) == again.score(X, y)


def test_names_of_columns():
    pandas = pytest.importorskip("pandas")
    X, y = make_label_ranking(n_samples=60, n_features=3, random_state=0)[:2]
    frame = pandas.DataFrame(X, columns=["u", "v", "w"])
    ranks = pandas.DataFrame(np.asarray(y)).add_prefix("label")
    ranker = SoftSpearmanLabelRanker()
    ranker.fit_batches([(frame[:20], ranks[:20]), (frame[20:], ranks[20:])])
    assert ranker.labels_.tolist() == list(ranks.columns)
    model = SoftLTSRegressor(random_state=0)
    model.fit_batches([(frame[:20], frame["u"][:20]), (frame[20:], frame["u"][20:])])
    assert model.feature_names_in_.tolist() == ["u", "v", "w"]
    again = sksoftrank.SoftLTSRegressor(random_state=0).fit(frame, frame["u"])
    assert_allclose(model.predict(frame), again.predict(frame))
    with pytest.raises(ValueError, match="same columns in all blocks"):
        model.fit_batches([(frame, y[:, 0]), (frame[["v", "u", "w"]], y[:, 0])])


@pytest.mark.parametrize("has_weight", [False, True])
def test_drawn_rows_depend_on_no_cut(has_weight):
    n, n_drawn = 4000, 300
    rng = np.random.default_rng(1)
    X, weight = rng.normal(size=(n, 2)), rng.integers(0, 50, n) ** 2.0
    arrays = (X, X[:, 0], weight) if has_weight else (X, X[:, 0])
    _, first = _drawing.draw(Batches(cut([10], *arrays)), 7, n_drawn)
    _, rows = _drawing.draw(Batches(cut([0, 500, 501, 3999], *arrays)), 7, n_drawn)
    assert len(rows.X) == n_drawn
    assert_array_equal(rows.X, first.X)
    assert_allclose(rows.weight, first.weight)
    other = _drawing.draw(Batches(cut([], *arrays)), 8, n_drawn)[1]
    assert not np.isin(other.X[:, 0], rows.X[:, 0]).all()


def test_sums_of_drawn_weights_are_unbiased():
    n, n_drawn = 2000, 100
    rng = np.random.default_rng(1)
    weight = rng.exponential(size=n) ** 3 * 100
    value = rng.normal(size=n) + weight / 100
    X = value[:, None]
    totals, sums = [], []
    for seed in range(300):
        _, rows = _drawing.draw(Batches([(X, value, weight)]), seed, n_drawn)
        totals.append(rows.weight.sum())
        sums.append(rows.weight @ rows.y)
    for found, true in ((totals, weight.sum()), (sums, weight @ value)):
        error = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found) - true) < 4 * error
        assert error < 0.02 * true


@pytest.mark.parametrize("epsilon", [1e-3, 0.05, 0.5, 20.0])
@pytest.mark.parametrize("h", [0.5, 0.8])
def test_cells_give_threshold_and_sums(epsilon, h):
    n = 5000
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=(n, 2)), np.ones(n)])
    chunk = Chunk(rows, rng.normal(size=n), rng.integers(1, 4, n).astype(np.float64))
    losses = 0.5 * chunk.y**2
    n_kept = h * chunk.weight.sum()
    p = selection_trimmed_loss(losses, n_kept, epsilon, chunk.weight)[2]
    part = (p > 0) & (p < 1)
    threshold = (losses + epsilon * p)[part][0]
    for shift, width in ((0.0, 1e-4), (0.5e-6, 1e-6), (-1e-7, 1e-7)):
        bracket = Bracket(threshold + shift, width, epsilon)
        cells = CellSums.of(newton_sums(chunk, np.zeros(3), bracket)[0])
        found = solve_threshold(cells, bracket, n_kept)
        assert_allclose(found, threshold, rtol=1e-3 * width)
        sums = choice_sums(cells, bracket, found)
        assert_allclose(sums.mass, n_kept, rtol=1e-12)
        assert_allclose(sums.loss, chunk.weight * p @ losses, rtol=0.01 * width)
        assert_allclose(sums.square, chunk.weight @ p**2, rtol=0.01 * width / epsilon)
        pull = rows.T @ (chunk.weight * p * chunk.y)
        assert_allclose(sums.pull, pull, atol=n * width)


def test_a_threshold_outside_of_the_bracket_is_estimated():
    n, epsilon = 5000, 3.0
    rng = np.random.default_rng(0)
    chunk = Chunk(np.ones((n, 1)), rng.normal(size=n), np.ones(n))
    losses = 0.5 * chunk.y**2
    p = selection_trimmed_loss(losses, n / 2, epsilon)[2]
    true = (losses + epsilon * p)[(p > 0) & (p < 1)][0]
    for factor in (0.7, 0.9, 1.1, 1.4):
        threshold = factor * true
        for _ in range(20):
            bracket = Bracket(threshold, 0.01 * threshold, epsilon)
            cells = CellSums.of(newton_sums(chunk, np.zeros(1), bracket)[0])
            found = solve_threshold(cells, bracket, n / 2)
            if abs(found - threshold) < bracket.width:
                break
            threshold = found
        assert_allclose(found, true, rtol=1e-4)


def test_moments_merge_without_a_loss_of_digits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3)) * [1.0, 1e-3, 10.0] + [1e6, 1e6, 0.0]
    weight = rng.integers(0, 3, 1000).astype(np.float64)
    moments = moments_of(Block(X[:0], None))
    for part in np.array_split(np.arange(1000), 7):
        other = moments_of(Block(X[part], None), weight[part])
        moments = merge_moments(moments, other)
    mean = np.average(X, axis=0, weights=weight)
    assert_allclose(moments.mean, mean, rtol=1e-14)
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    assert_allclose(moments.scale(True), deviation, rtol=1e-7)  # 1e-3 beside 1e6
    square = np.sqrt(np.average(X**2, axis=0, weights=weight))
    assert_allclose(moments.scale(False), square, rtol=1e-12)


def nan_in(array, i):
    array = array.copy()
    array[i] = np.nan
    return array


X, Y, W, S = contaminated(90)
BAD_BATCHES = {
    "a generator": (iter([(X, Y)]), r"anew for every reading, got a list_iterator"),
    "a number": (3, "batches must be a callable that returns an iterable.*got 3"),
    "returns None": (lambda: None, r"batches\(\) must return an iterable.*got None"),
    "no tuples": ([X], "must yield tuples .*got a ndarray in batch 0"),
    "too long": ([(X, Y, W, S, S)], "got one of length 5 in batch 0"),
    "none": ([], "must yield at least one batch, got none"),
    "no rows": ([(X[:0], Y[:0])], "X must have at least one row, got none"),
    "weights 0": ([(X, Y, 0 * W)], "row of positive sample_weight, got none"),
    "NaN in X": (cut([9], nan_in(X, 50), Y), r"X of block 1 must be finite.* 4 NaN"),
    "NaN in y": (cut([9, 40], X, nan_in(Y, 50)), "y of block 2 must be finite.* 1 NaN"),
    "NaN in w": (cut([9], X, Y, nan_in(W, 50)), "sample_weight of block 1 must be fin"),
    "length of y": ([(X, Y), (X, Y[1:])], r"y of block 1 must have shape \(90,\).*89"),
    "length of w": ([(X, Y, W[1:])], r"sample_weight of block 0 must have shape"),
    "some weights": ([(X, Y), (X, Y, W)], "given with all blocks or with none"),
    "columns": ([(X, Y), (X[:, 1:], Y)], "same columns in all blocks, got 4 and 3"),
    "negative": ([(X, Y, -W)], "sample_weight of block 0 must be at least 0, got -3"),
    "sigma 0": ([(X, Y, None, 0 * S)], "sigma of block 0 must be above 0, got 0"),
    "text": ([(X, Y.astype(str))], "y of block 0"),
    "one dimension": ([(Y, Y)], r"X of block 0 must have shape \(n_rows, n_features\)"),
    "huge": ([(X * 1e150, Y)], "largest size of a feature of X must be 0 or from"),
}


@pytest.mark.parametrize("case", BAD_BATCHES)
def test_bad_batches_get_one_sentence(case):
    batches, message = BAD_BATCHES[case]
    with pytest.raises((TypeError, ValueError), match=message) as error:
        SoftLTSRegressor(random_state=0).fit_batches(batches)
    assert "\n" not in str(error.value)


def test_sort_is_refused():
    with pytest.raises(ValueError, match='formulation must be "selection"'):
        SoftLTSRegressor(formulation="sort").fit_batches([(X, Y)])


def test_data_that_change_are_noticed(few_drawn):
    arrays = contaminated()
    left = [cut([99], *arrays)() for _ in range(2)]

    def batches():
        return left.pop() if left else cut([99], *(a[1:] for a in arrays))()

    with pytest.raises(
        ValueError, match="in every reading, got 6000 rows and now, in reading 3, 5999"
    ):
        SoftLTSRegressor(random_state=0).fit_batches(batches)


@pytest.mark.parametrize("cls", [SoftTopKClassifier, SoftSpearmanLabelRanker])
def test_bad_batches_of_scores(cls):
    targets = {SoftTopKClassifier: np.median(Y) < Y, SoftSpearmanLabelRanker: X[:, :3]}
    y = targets[cls]
    model = cls()
    for batches, message in (
        (cut([20], nan_in(X, 50), y), "X of block 1 must be finite"),
        ([(X, y), (X, y[1:])], "y of block 1 must have shape"),
        ([(X[:0], y[:0])], "y must have"),
        ([(X, y), (X[:, 1:], y)], "same columns in all blocks"),
        (iter([(X, y)]), "anew for every reading"),
        ([(X, y, W, S)], "sigma is for SoftLTSRegressor only, got one with block 0"),
        (shrinking(X, y), "in every reading, got 89 rows and now, in reading 2, 88"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            model.fit_batches(batches)
    with pytest.raises(ValueError, match="y of block 0"):
        SoftTopKClassifier().fit_batches([(X, Y)])  # no classes


def shrinking(*arrays):
    """Batches that lose a row with each reading."""
    starts = itertools.count(1)

    def batches():
        start = next(starts)
        return [tuple(a[start:] for a in arrays)]

    return batches


def test_classes_are_of_one_kind_and_those_of_the_first_reading():
    labels = np.where(np.median(Y) < Y, "a", "b")
    with pytest.raises(TypeError, match=r"one kind in all blocks, got int and str"):
        SoftTopKClassifier().fit_batches([(X, labels), (X, 1 * (labels == "a"))])
    readings = iter([[(X, labels)], [(X, np.where(labels == "a", "b", "c"))]])
    with pytest.raises(ValueError, match=r"classes of the first reading.*got 'c'"):
        SoftTopKClassifier().fit_batches(lambda: next(readings))


def test_many_features_are_refused_of_more_rows_than_are_drawn(few_drawn):
    X = np.eye(1600, 501)
    with pytest.raises(ValueError, match=r"at most 500 features .* got 501"):
        SoftLTSRegressor().fit_batches([(X, X[:, 0])])


def test_fit_in_memory_forgets_batches():
    model = SoftLTSRegressor(random_state=0).fit_batches([(X, Y)])
    counted = str(model.summary())
    model.fit(X, Y)
    assert model.n_reads_ == 1
    assert not hasattr(model, "_row_counts")
    assert str(model.summary()) == counted
