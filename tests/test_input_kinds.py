"""Tables of any kind: results of plain arrays, or a sentence that names a column."""

import copy
import inspect

import numpy as np
import pandas as pd
import pytest
from input_table import AS_SCIKIT_LEARN, OURS
from numpy.testing import assert_allclose
from test_masked_arrays import ESTIMATORS, LABELS, RANKS, Y

from sksoftrank import (
    SoftLTSRegressor,
    SoftLTSRegressorCV,
    SoftRanker,
    SoftTopKClassifier,
    SoftTrimmedClassifier,
    SoftTrimmedRegressor,
    batches,
    soft_rank,
)
from sksoftrank.metrics import spearman_score, trimmed_r2_score

# Numbers that 16 bits hold.
X = np.round(8 * np.random.default_rng(0).normal(size=(40, 3))) / 8
DATES = np.datetime64("2020-01-01", "ns") + np.arange(40) * np.timedelta64(1, "h")
# Of these X is a matter of the estimator inside, or of none.
OWN_X = [
    model
    for model in ESTIMATORS
    if not isinstance(model, SoftTrimmedRegressor | SoftTrimmedClassifier)
    and "Dummy" not in type(model).__name__
]
pytestmark = pytest.mark.filterwarnings("ignore:X .* feature names")
of_x = pytest.mark.parametrize("model", OWN_X, ids=repr)


def fit(model, X, y=None):
    model = copy.deepcopy(model)
    if "target" in model.get_params():
        y = RANKS if y is None and "Normalizer" not in type(model).__name__ else y
    elif y is None:
        y = LABELS if "Classifier" in type(model).__name__ else Y
    if isinstance(model, SoftRanker):
        return model.fit(X, y, groups=np.arange(40) % 4)
    return model.fit(X, y)


def apply(model, X):
    return model.predict(X) if hasattr(model, "predict") else model.transform(X)


def kinds():
    frame = pd.DataFrame(X, columns=list("abc"))
    wide = np.zeros((80, 6))
    wide[::2, ::2] = X
    yield from (X.tolist(), X.astype(object), np.asfortranarray(X), wide[::2, ::2])
    yield from (X[::-1].copy()[::-1], X.astype(">f8"), X.astype(str))
    yield from (frame, frame.astype("Float64"), frame.astype(object))
    yield frame.astype({"a": "category"})


class ArrowTable:
    """What a table of pyarrow has in common with frames, and what not."""

    def __init__(self, array):
        self._array = array
        self.columns = list(array.T)
        self.shape = array.shape

    def __len__(self):
        return len(self._array)

    def __array__(self, dtype=None, copy=None):
        return self._array.astype(dtype or self._array.dtype)


@of_x
def test_results_are_those_of_the_plain_array(model, tmp_path):
    polars = pytest.importorskip("polars")
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = apply(fit(model, X), X)
    frame = polars.DataFrame(X, schema=list("abc"))
    for table in (*kinds(), mapped, frame, ArrowTable(X)):
        assert_allclose(apply(fit(model, table), table), expected, rtol=1e-7)
    for dtype in (np.float16, ">f4"):
        table = X.astype(dtype)
        found = apply(fit(model, table), table)
        assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@of_x
def test_dates_are_no_numbers(model):
    polars = pytest.importorskip("polars")
    good = fit(model, X)
    frame = pd.DataFrame(X, columns=list("abc")).assign(b=DATES)
    durations = frame.assign(b=DATES - DATES[0])
    for table, place in (
        (frame, "'b'"),
        (frame.assign(b=frame["b"].dt.tz_localize("UTC")), "'b'"),
        (durations, "'b'"),
        (polars.from_pandas(frame), "'b'"),
        (polars.from_pandas(durations), "'b'"),
        (np.column_stack([DATES] * 3), None),
        ([list(DATES[:3])] * 40, None),
    ):
        sentence = r"^X must hold real numbers, got [dD](atetime|uration)|timedelta"
        for call in (lambda X: fit(model, X), lambda X: apply(good, X)):
            with pytest.raises(TypeError, match=sentence) as caught:
                call(table)
            assert place is None or f"in column {place}; subtract" in str(caught.value)


@of_x
def test_what_is_no_number_is_named_with_its_column(model):
    frame = pd.DataFrame(X, columns=list("abc"))
    text = np.where(X[:, 1] > 0, "u", "v")
    array = frame.assign(b=text).to_numpy(dtype=object)
    good = fit(model, X)
    for table, sentence in (
        (frame.assign(b=text), r"^X must hold real numbers, not as column 'b': could"),
        (frame.assign(b=pd.Categorical(text)), r"^X must .* not as column 'b': could"),
        (array, r"^X must hold real numbers, not as column 1: could not convert"),
        (frame.assign(b=X[:, 1] + 1j), r"^X must .* as column 'b': Complex data not"),
        (X + 1j, r"^X must hold real numbers: Complex data not supported"),
    ):
        for call in (lambda X: fit(model, X), lambda X: apply(good, X)):
            with pytest.raises((TypeError, ValueError), match=sentence) as caught:
                call(table)
            assert "\n" not in str(caught.value)


NUMERIC = [
    model
    for model in ESTIMATORS
    if "y" in inspect.signature(model.fit).parameters
    and hasattr(model, "predict")
    and "Classifier" not in type(model).__name__
    and not hasattr(model, "target")
]


@pytest.mark.parametrize("model", NUMERIC, ids=repr)
def test_targets(model):
    good = fit(model, X)
    for y in (DATES, pd.Series(DATES), DATES - DATES[0], list(DATES)):
        for call in (lambda y: fit(model, X, y), lambda y: good.score(X, y)):
            with pytest.raises(
                TypeError, match=r"^y(_true)? must hold real numbers, g"
            ):
                call(y)
    for y in (Y + 1j, np.where(Y > 0, "u", "v")):
        for call in (lambda y: fit(model, X, y), lambda y: good.score(X, y)):
            with pytest.raises(
                (TypeError, ValueError), match=r"^y(_true)? must hold r"
            ):
                call(y)
    missing = pd.Series(Y).astype(object)
    missing[3] = pd.NA
    with pytest.raises(ValueError, match=r"^(y must hold no missing|Input y contains)"):
        fit(model, X, missing)


@pytest.mark.parametrize("kind", [object, str])
def test_targets_that_are_numbers_are_not_blamed_for_features(kind):
    model = SoftLTSRegressor(random_state=0).fit(X, Y)
    y, missing = Y.astype(kind), np.where(X[0] == X, np.nan, X)
    for call in (model.fit, model.score):
        with pytest.raises(ValueError, match=r"^Input X contains NaN"):
            call(missing, y)
    with pytest.raises(ValueError, match=r"^Found input variables with inconsistent"):
        model.fit(X, y[1:])
    for call in (model.score, lambda X, y: model.predict(X.astype(kind))):
        with pytest.raises(ValueError, match=r"^X has 2 features, but"):
            call(X[:, 1:], y)


@pytest.mark.parametrize(
    "model", [SoftLTSRegressor(), SoftLTSRegressorCV(), SoftRanker()]
)
def test_targets_as_text_are_numbers(model):
    y = np.round(8 * Y) / 8
    if not isinstance(model, SoftRanker):
        model.set_params(random_state=0)
    expected = apply(fit(model, X, y), X)
    for text in (y.astype(str), y.astype(str).tolist(), y.astype(str).astype(object)):
        assert_allclose(apply(fit(model, X, text), X), expected, rtol=1e-12)


def test_weights_that_are_dates():
    for model in (SoftLTSRegressor(random_state=0), SoftTopKClassifier()):
        y = LABELS if isinstance(model, SoftTopKClassifier) else Y
        model.fit(X, y)
        for call in (model.fit, model.score):
            with pytest.raises(TypeError, match=r"^sample_weight must "):
                call(X, y, sample_weight=DATES - DATES[0])


@pytest.mark.parametrize(("function", "arguments"), [*OURS, *AS_SCIKIT_LEARN])
def test_functions_take_any_layout(function, arguments):
    expected = function(**arguments)
    for name, values in arguments.items():
        if not isinstance(values, list):
            continue
        array = np.array(values)
        wide = np.zeros([2 * n for n in array.shape], array.dtype)
        every_second = wide[(slice(None, None, 2),) * array.ndim]
        every_second[...] = array
        swapped = array.astype(array.dtype.newbyteorder())
        others = [np.asfortranarray(array), every_second, swapped, array[::-1][::-1]]
        others += [pd.DataFrame(array)] if array.ndim == 2 else [pd.Series(array)]
        for other in others:
            found = function(**arguments | {name: other})
            first, second = (
                r if isinstance(r, tuple) else (r,) for r in (found, expected)
            )
            for one, two in zip(first, second, strict=True):
                assert_allclose(one, two, rtol=1e-12, atol=1e-12)


def test_dates_in_functions():
    polars = pytest.importorskip("polars")
    frame = pd.DataFrame({"a": X[:, 0], "b": DATES})
    for table in (polars.from_pandas(frame), polars.Series("b", DATES)):
        with pytest.raises(
            TypeError, match=r"^values must hold real numbers, got Date"
        ):
            soft_rank(table)
        with pytest.raises(
            TypeError, match=r"^y_true must hold real numbers, got Date"
        ):
            spearman_score(table, X[:, :2])
    with pytest.raises(
        TypeError, match=r"^y_true must hold real numbers, got datetime"
    ):
        trimmed_r2_score(DATES, Y)


@pytest.mark.parametrize(
    "model",
    [
        SoftTopKClassifier(),
        SoftTrimmedClassifier(ESTIMATORS[4].estimator, cv=2, random_state=0),
    ],
)
def test_classes_among_objects(model):
    expected = model.fit(X, LABELS).predict(X)
    score = model.score(X, LABELS)
    for classes in (LABELS, LABELS > 0, LABELS.astype(float)):
        objects = classes.astype(object)
        found = model.fit(X, objects)
        assert found.classes_.dtype == classes.dtype
        np.testing.assert_array_equal(found.predict(X), expected)
        assert model.score(X, pd.Series(objects)) == score
    for missing in (None, pd.NA):
        objects = LABELS.astype(object)
        objects[3] = missing
        for call in (model.fit, model.score):
            with pytest.raises(
                ValueError, match=r"^y must hold a class for each row, g"
            ):
                call(X, objects)
    in_batches = batches.SoftTopKClassifier()
    in_batches.fit_batches([(X, LABELS.astype(object))])
    with pytest.raises(ValueError, match=r"^y of block 0 must hold a class for each"):
        in_batches.fit_batches([(X, objects)])


def test_a_ranker_scores_what_it_was_fitted_to():
    model = SoftRanker().fit(X, LABELS)
    with pytest.warns(UserWarning, match="column-vector"):
        assert model.score(X, LABELS[:, None]) == model.score(X, LABELS)


def test_infinite_rankings_in_batches():
    y = RANKS.copy()
    y[3, 1] = np.inf
    with pytest.raises(
        ValueError, match=r"^y of block 0 must be finite, .* 1 infinite"
    ):
        batches.SoftSpearmanLabelRanker().fit_batches([(X, y)])
