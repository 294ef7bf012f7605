"""Estimators for collections of dask, and what refuses them."""

import contextlib
import functools
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from input_table import AS_SCIKIT_LEARN, OURS
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from test_batches import classes, contaminated, few_drawn  # noqa: F401

import sksoftrank
from sksoftrank import batches
from sksoftrank.datasets import make_label_ranking

dask = pytest.importorskip("dask", reason="needs dask")
distributed = pytest.importorskip("distributed", reason="needs dask.distributed")
pandas = pytest.importorskip("pandas", reason="needs pandas")
import dask.array as da  # noqa: E402
import dask.dataframe as dd  # noqa: E402

from sksoftrank.dask import (  # noqa: E402
    SoftLTSRegressor,
    SoftSpearmanLabelRanker,
    SoftTopKClassifier,
)

SCHEDULERS = pytest.mark.parametrize("scheduler", ["threads", "synchronous"])


@pytest.fixture(autouse=True)
def synchronous():
    """Errors as they are, and no threads, unless a test asks for them."""
    with dask.config.set(scheduler="synchronous"):
        yield


def chunked(array, chunks):
    """A dask array in these row chunks, with all columns in each."""
    return da.from_array(array, chunks=(chunks, *array.shape[1:]))


def unknown(array, chunks):
    """The same with chunks of unknown sizes."""
    array = chunked(array, chunks)
    return array[da.ones(len(array), chunks=chunks) > 0]


def of_batches(X, y, **weights):
    rows = (X, y, weights.get("sample_weight"), weights.get("sigma"))
    return batches.SoftLTSRegressor(random_state=0).fit_batches([rows])


@SCHEDULERS
@pytest.mark.parametrize("kind", ["arrays", "unknown", "frames"])
@pytest.mark.parametrize("has_weights", [False, True])
def test_soft_lts_is_that_of_batches(few_drawn, scheduler, kind, has_weights):  # noqa: F811
    X, y, weight, sigma = contaminated()
    weights = {"sample_weight": weight, "sigma": sigma} if has_weights else {}
    expected = of_batches(X, y, **weights)
    arrays = {"X": X, "y": y, **weights}
    if kind == "arrays":  # of other chunks
        sizes = iter([1000, 700, 6000, 2500])
        arrays = {name: chunked(a, next(sizes)) for name, a in arrays.items()}
    elif kind == "unknown":
        arrays = {name: unknown(a, 1300) for name, a in arrays.items()}
    else:
        frame = pandas.DataFrame(X, columns=list("abcd"))
        frame = dd.from_pandas(frame.assign(**{**arrays, "X": 0.0}), npartitions=5)
        arrays = {name: frame[name] for name in arrays}
        arrays["X"] = frame[list("abcd")]
    with dask.config.set(scheduler=scheduler):
        model = SoftLTSRegressor(random_state=0).fit(**arrays)
        assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
        assert_allclose(model.stderr_, expected.stderr_, rtol=1e-9)
        assert model.n_reads_ == expected.n_reads_ + (kind != "arrays")
        predicted = model.predict(arrays["X"])
        rows = (X, y, sigma) if has_weights else (X, y)
        for lazy, found in (
            (predicted, expected.predict(X)),
            (model.inlier_weight_, expected.inlier_weight(*rows)),
            (model.inlier_mask_, expected.inlier_mask(*rows)),
        ):
            assert isinstance(lazy, da.Array)
            assert lazy.dtype == found.dtype
            assert_allclose(lazy.compute(), found, rtol=1e-9, atol=1e-9)
        assert 0.45 < model.support_.compute().mean() < 0.55
    if kind == "frames":
        assert model.feature_names_in_.tolist() == list("abcd")
        with pytest.raises(ValueError, match="features of the fit in the same order"):
            model.predict(frame[list("bacd")])


@pytest.mark.parametrize(
    "chunks", [(6000,), (0, 1, 2999, 0, 2500, 500, 0), (1, 1, 1, 5997), 6 * (1000,)]
)
def test_chunks_do_not_matter(few_drawn, chunks):  # noqa: F811
    X, y, _, _ = contaminated()
    model = SoftLTSRegressor(random_state=0).fit(chunked(X, chunks), chunked(y, chunks))
    assert_allclose(model.coef_, of_batches(X, y).coef_, rtol=1e-9)
    assert model.inlier_mask_.compute().shape == y.shape


def test_small_data_are_fitted_in_memory_and_rows_are_lazy():
    X, y, _, _ = contaminated(300)
    model = SoftLTSRegressor(random_state=0).fit(chunked(X, 100), chunked(y, 50))
    again = sksoftrank.SoftLTSRegressor(random_state=0).fit(X, y)
    assert_array_equal(model.coef_, again.coef_)
    assert_array_equal(model.inlier_mask_.compute(), again.inlier_mask_)
    assert_allclose(model.inlier_weight_.compute(), again.inlier_weight_, atol=1e-12)
    assert_array_equal(model.support_.compute(), again.support_)
    assert type(model.to_local()) is sksoftrank.SoftLTSRegressor
    # The graph of the data is not pickled.
    loaded = pickle.loads(pickle.dumps(model))
    assert not hasattr(loaded, "inlier_mask_")
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert clone(model).get_params() == again.get_params()
    # R2 of collections is that in memory.
    assert_allclose(model.score(chunked(X, 70), chunked(y, 70)), again.score(X, y))


def test_every_reading_computes_each_block_once(few_drawn):  # noqa: F811
    X, y, _, _ = contaminated()
    seen = []

    def block(x, block_info=None):
        seen.append(block_info[0]["chunk-location"][0])
        return x

    X = chunked(X, 1000).map_blocks(block, dtype=X.dtype)
    model = SoftLTSRegressor(random_state=0).fit(X, chunked(y, 1000))
    assert sorted(seen) == sorted(model.n_reads_ * list(range(6)))
    model.inlier_mask_.compute()
    assert len(seen) == 6 * (model.n_reads_ + 1)


def test_topk_is_that_in_memory():
    X, y, weight = classes()
    model = SoftTopKClassifier(alpha=0.05, k=2)
    model.fit(chunked(X, 500), chunked(y, 300), chunked(weight, 1200))
    again = sksoftrank.SoftTopKClassifier(alpha=0.05, k=2).fit(X, y, weight)
    size = np.abs(again.coef_).max(axis=0)
    assert_allclose(model.coef_ / size, again.coef_ / size, rtol=0, atol=1e-6)
    lazy = chunked(X, 400)
    assert_array_equal(model.predict(lazy).compute(), again.predict(X))
    assert_array_equal(model.predict_topk(lazy).compute(), again.predict_topk(X))
    assert_array_equal(model.predict_topk(lazy, 3).compute(), again.predict_topk(X, 3))
    scores = model.decision_function(lazy)
    assert scores.shape == (1200, 4)
    assert_allclose(scores.compute(), again.decision_function(X), rtol=0, atol=1e-5)
    assert_array_equal(model.predict(X), again.predict(X))  # of NumPy, too
    assert_allclose(model.score(lazy, chunked(y, 400)), again.score(X, y))
    with pytest.raises(ValueError, match="k must be an integer from 1 to 4"):
        model.predict_topk(lazy, 5)


def test_ranker_is_that_in_memory():
    X, y = make_label_ranking(n_samples=300, n_features=3, random_state=0)[:2]
    y = np.asarray(y, dtype=np.float64)
    y[::7, 1] = np.nan
    model = SoftSpearmanLabelRanker().fit(chunked(X, 120), chunked(y, 100))
    again = sksoftrank.SoftSpearmanLabelRanker().fit(X, y)
    size = np.abs(again.coef_).max()
    assert_allclose(model.coef_ / size, again.coef_ / size, rtol=0, atol=1e-6)
    lazy = chunked(X, 77)
    assert_array_equal(model.predict(lazy).compute(), again.predict(X))
    assert_array_equal(model.predict_order(lazy).compute(), again.predict_order(X))
    assert_allclose(model.score(lazy, chunked(y, 77)), again.score(X, y))


X, Y, W, S = contaminated(90)
BAD = {
    "NumPy": ((X, Y), "X must be a dask array or data frame, got a ndarray"),
    "y of NumPy": ((chunked(X, 30), Y), "y must be a dask array or series as X is"),
    "weights": (
        (chunked(X, 30), chunked(Y, 30), W),
        "sample_weight must be a dask array or series as X is",
    ),
    "column chunks": (
        (da.from_array(X, chunks=(30, 2)), chunked(Y, 30)),
        r"all columns in each chunk, got 2 chunks of columns; X.rechunk\({1: -1}\)",
    ),
    "length": (
        (chunked(X, 30), chunked(Y[1:], 30)),
        "y must have as many rows as X, 90, got 89",
    ),
    "unknown chunks": (
        (unknown(X, 30), unknown(Y, 45)),
        "y must have the row chunks of X .* 3 of them, got 2",
    ),
    "unknown sizes": (
        (unknown(X, 30), unknown(Y[:-1], (30, 29, 30))),
        r"y of block 1 must have shape \(30,\), .*got \(29,\)",
    ),
    "NaN": (
        (chunked(np.where(X[40] == X, np.nan, X), 30), chunked(Y, 30)),
        "X of block 1 must be finite, got 4 NaN",
    ),
    "no rows": (
        (chunked(X[:0], (0,)), chunked(Y[:0], (0,))),
        "X must have at least one row, got none",
    ),
    "one dimension": ((chunked(Y, 30), chunked(Y, 30)), "X must have two dimensions"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_collections_get_one_sentence(case):
    arguments, message = BAD[case]
    with pytest.raises((TypeError, ValueError), match=message) as error:
        SoftLTSRegressor(random_state=0).fit(*arguments)
    assert "\n" not in str(error.value)


def test_features_of_predictions_are_checked():
    model = SoftLTSRegressor(random_state=0).fit(chunked(X, 30), chunked(Y, 30))
    with pytest.raises(ValueError, match="X must have 4 features, as in fit, got 3"):
        model.predict(chunked(X[:, 1:], 30))


REFUSED = r"must be in memory.*sksoftrank\.dask"


def never(array):
    """A dask array that must not be computed."""

    def block(x):
        raise AssertionError("computed")

    array = np.asarray(array)
    return da.from_array(array).map_blocks(block, dtype=array.dtype, meta=array[:0])


def cases_of_functions():
    for function, arguments in [*OURS, *AS_SCIKIT_LEARN]:
        for name, value in arguments.items():
            is_array = isinstance(value, np.ndarray | list | tuple)
            if is_array and np.asarray(value).dtype.kind in "fiu" and np.ndim(value):
                yield pytest.param(
                    function, arguments, name, id=f"{function.__name__}-{name}"
                )


@pytest.mark.parametrize(("function", "arguments", "name"), cases_of_functions())
def test_functions_refuse_dask(function, arguments, name):
    with pytest.raises(
        TypeError, match=r"must be in memory.*sksoftrank\.dask"
    ) as error:
        function(**{**arguments, name: never(arguments[name])})
    assert "\n" not in str(error.value)


ESTIMATORS = [
    thing()
    for thing in vars(sksoftrank).values()
    if isinstance(thing, type) and hasattr(thing, "fit")
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_estimators_refuse_dask(estimator):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    if isinstance(
        estimator, sksoftrank.SoftTrimmedClassifier | sksoftrank.SoftTopKClassifier
    ):
        y = np.where(y > 0, 1, 0)
    if type(estimator).__name__.endswith("LabelRanker"):
        y = np.argsort(rng.normal(size=(40, 3)), axis=1) + 1.0
    options = (
        {"groups": np.arange(40) % 4}
        if "Ranker" in type(estimator).__name__[:10]
        else {}
    )
    frame = dd.from_pandas(pandas.DataFrame(X), npartitions=2)
    for features in (never(X), frame):
        with pytest.raises(TypeError, match=REFUSED):
            clone(estimator).fit(features, y, **options)
    if not hasattr(estimator, "transform"):
        with pytest.raises(TypeError, match=REFUSED):
            clone(estimator).fit(X, never(y), **options)


@pytest.mark.slow
def test_without_dask_one_sentence_tells():
    code = """
    import sys
    sys.modules["dask"] = None
    import sksoftrank
    try:
        import sksoftrank.dask
    except ImportError as error:
        print(error)
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
    )
    message = "sksoftrank.dask needs dask: pip install 'sksoftrank[dask]'."
    assert found.stdout.strip() == message


# Clusters


@contextlib.contextmanager
def started_client():
    """A client of two processes with a thread each, which are restarted."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with started_client() as client:
        yield client


@pytest.fixture
def on_cluster(client):
    with dask.config.set(scheduler=client.get):
        yield client


N_CLUSTER = 90_000


def generated(block_info=None, seed=0):
    """Rows made anew in every reading: features, and last the target."""
    number = block_info[None]["chunk-location"][0]
    n = block_info[None]["chunk-shape"][0]
    rng = np.random.default_rng([seed, number])
    rows = rng.normal(size=(n, 4))
    rows[:, 3] += rows[:, :3] @ [1.0, 2.0, 3.0]
    rows[rng.random(n) < 0.25, :3] += 10.0
    return rows


def lazy_rows(seed=0, chunk=15_000, function=generated):
    chunks = ((chunk,) * (N_CLUSTER // chunk), (4,))
    rows = da.map_blocks(function, chunks=chunks, dtype=np.float64, seed=seed)
    return rows[:, :3], rows[:, 3]


def fit_lazy(seed=0):
    """The coefficients of a fit, by whatever scheduler there is."""
    return SoftLTSRegressor(random_state=0).fit(*lazy_rows(seed)).coef_


@pytest.mark.slow
def test_a_cluster_gives_the_same_fit(on_cluster):
    coef = fit_lazy()
    with dask.config.set(scheduler="synchronous"):
        assert_allclose(coef, fit_lazy(), rtol=1e-12)
    assert_allclose(coef, [1.0, 2.0, 3.0], atol=0.05)


@pytest.mark.slow
def test_a_fit_in_a_task_of_the_cluster(client):
    futures = [client.submit(fit_lazy, seed, pure=False) for seed in (0, 1)]
    found = client.gather(futures)
    for seed, coef in enumerate(found):
        with dask.config.set(scheduler="synchronous"):
            assert_allclose(coef, fit_lazy(seed), rtol=1e-12)


@pytest.mark.slow
def test_two_fits_at_once(on_cluster):
    found = {}

    def fit(seed):
        found[seed] = fit_lazy(seed)

    threads = [threading.Thread(target=fit, args=[seed]) for seed in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (0, 1):
        with dask.config.set(scheduler="synchronous"):
            assert_allclose(found[seed], fit_lazy(seed), rtol=1e-12)


def fatal(block_info=None, seed=0, marker=""):
    """`generated`, which ends the process that makes the third block, once."""
    if block_info[None]["chunk-location"][0] == 2:
        path = pathlib.Path(marker)
        count = int(path.read_text() or "0") if path.exists() else 0
        path.write_text(str(count + 1))
        if count == 2:  # in the third reading
            os._exit(1)
    return generated(block_info, seed)


def fit_with_a_killed_worker(marker):
    """Ends its process, for clusters that start no other worker may never close."""
    function = functools.partial(fatal, marker=marker)
    chunks = ((15_000,) * 6, (4,))
    rows = da.map_blocks(function, chunks=chunks, dtype=np.float64)
    with started_client() as client, dask.config.set(scheduler=client.get):
        model = SoftLTSRegressor(random_state=0).fit(rows[:, :3], rows[:, 3])
        n_made = int(pathlib.Path(marker).read_text())
        print(n_made, model.n_reads_, *map(repr, map(float, model.coef_)), flush=True)
        os._exit(0)


@pytest.mark.slow
def test_a_killed_worker_is_survived(tmp_path):
    path = [str(pathlib.Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    code = "from test_dask import fit_with_a_killed_worker as fit; fit({!r})"
    run = subprocess.run(
        [sys.executable, "-c", code.format(str(tmp_path / "marker"))],
        check=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    n_made, n_reads, *coef = map(float, run.stdout.split())
    assert n_made > n_reads  # a block again
    with dask.config.set(scheduler="synchronous"):
        assert_allclose(coef, fit_lazy(), rtol=1e-12)


@pytest.mark.slow
def test_searches_of_scikit_learn_on_a_cluster(client):
    X, y, _, _ = contaminated(300)
    search = GridSearchCV(
        sksoftrank.SoftLTSRegressor(random_state=0),
        {"epsilon": [3.0, 12.0]},
        cv=3,
        scoring=sksoftrank.metrics.trimmed_scorer(),
    )
    path = sksoftrank.SoftLTSRegressorCV(epsilons=[3.0, 12.0], cv=3, n_jobs=2)
    path.set_params(random_state=0)
    with parallel_config(backend="dask"):
        found = clone(search).fit(X, y), clone(path).fit(X, y)
    again = search.fit(X, y), path.fit(X, y)
    for other, model in zip(found, again, strict=True):
        assert_allclose(other.predict(X), model.predict(X), rtol=1e-12)
    assert found[0].best_params_ == again[0].best_params_
    assert found[1].epsilon_ == again[1].epsilon_


def test_frames_and_arrays_of_one_column_are_targets():
    X, y, _, _ = contaminated(60)
    expected = of_batches(X, y)
    array = da.from_array(y[:, None], chunks=(20, 1))
    series = dd.from_pandas(pandas.Series(y), npartitions=3)
    for X_lazy, y_lazy in (
        (da.from_array(X, chunks=(20, 4)), array),
        (dd.from_pandas(pandas.DataFrame(X), npartitions=3), series.to_frame()),
    ):
        model = SoftLTSRegressor(random_state=0).fit(X_lazy, y_lazy)
        weights = model.inlier_weight_.compute()
        assert_allclose(weights, expected.inlier_weight(X, y), rtol=1e-9, atol=1e-9)
        assert_allclose(model.score(X_lazy, y_lazy), expected.score(X, y), rtol=1e-9)


def test_scores_need_a_row_that_counts():
    X, y, weight, _ = (da.from_array(a, chunks=20) for a in contaminated(60))
    X, weight = X.rechunk({1: -1}), 0 * weight
    for cls, target in ((SoftLTSRegressor, y), (SoftTopKClassifier, X[:, 0] > 0)):
        model = cls().fit(X, target)
        with pytest.raises(ValueError, match=r"a row that counts, .* got none"):
            model.score(X, target, weight)
