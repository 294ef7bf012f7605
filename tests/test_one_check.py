"""Arguments are checked once: private code goes through private doors."""

import sys
from collections import Counter

import numpy as np
import pytest
from input_table import AS_SCIKIT_LEARN, OURS
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import validation

import sksoftrank as srk
from sksoftrank import _checks

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
Y = X @ [1.0, 2.0, 3.0] + rng.normal(size=40)
LABELS = (Y > 0).astype(int)
RANKS = rng.permuted(np.tile([1.0, 2.0, 3.0], (40, 1)), axis=1)
GROUPS = np.repeat(np.arange(8), 5)
W = {"sample_weight": rng.integers(1, 4, size=40).astype(float)}
S = {"sigma": rng.uniform(0.5, 1.0, size=40)}
REGRESSORS = [
    srk.SoftLTSRegressor(random_state=0),
    srk.SoftLTSRegressor(formulation="sort", epsilon=0.1, random_state=0),
    srk.SoftLTSRegressor(epsilon=0, random_state=0),
    srk.SoftLTSRegressor(epsilon="auto", random_state=0),
    srk.SoftLQSRegressor(random_state=0),
    srk.SoftLTSRegressorCV(epsilons=[4.0, 12.0], trims=[0.5], cv=2, random_state=0),
    srk.SoftTrimmedRegressor(Ridge(), random_state=0),
    srk.SoftTrimmedRegressor(Ridge(), trim=0.3, random_state=0),
]
OF_LABELS = [
    srk.SoftTopKClassifier(),
    srk.SoftTopKClassifier(operator="sinkhorn"),
    srk.SoftTrimmedClassifier(LogisticRegression(), random_state=0),
    srk.SoftTrimmedClassifier(LogisticRegression(), trim=0.3, random_state=0),
]
TRANSFORMERS = [
    srk.IsotonicProjection(),
    srk.IsotonicProjection(weights=[1.0, 2.0, 3.0]),
    srk.IsotonicProjection(regularization="entropic", weights=[1.0, 2.0, 3.0]),
    srk.PermutahedronProjection(),
    srk.PermutahedronProjection(epsilon=0),
    srk.PermutahedronProjection(regularization="kl"),
    srk.SoftRankTransformer(),
    srk.SoftQuantileNormalizer(),
]
METHODS = [
    "inlier_mask",
    "inlier_weight",
    "standardized_residuals",
    "predict_interval",
    "predict_proba",
    "decision_function",
    "derivative",
    "transform",
    "inverse_transform",
]


def key(array):
    array = np.asarray(array)
    return array.shape, tuple(array.ravel().tolist())


@pytest.fixture
def checked(monkeypatch):
    """The arrays that code of ours has had checked, by their contents."""
    found = Counter()

    def counting(check):
        def count_and_check(array, *arguments, **options):
            frame = sys._getframe(1)
            while "sklearn/utils" in frame.f_code.co_filename.replace("\\", "/"):
                frame = frame.f_back
            if frame.f_globals["__name__"].startswith("sksoftrank"):
                found[key(array)] += 1
            return check(array, *arguments, **options)

        return count_and_check

    check = validation._assert_all_finite
    monkeypatch.setattr(validation, "_assert_all_finite", counting(check))
    modules = [m for name, m in sys.modules.items() if name.startswith("sksoftrank")]
    for name in ("check_finite", "check_weights"):
        check = getattr(_checks, name)
        for module in modules:
            if getattr(module, name, None) is check:
                monkeypatch.setattr(module, name, counting(check))
    return found


def assert_checked_once(checked, arguments):
    """None has been checked more often than it was given; kernels look, too."""
    given = Counter(map(key, arguments))
    twice = {array: n for array, n in checked.items() if n > given.get(array, n)}
    assert not twice
    checked.clear()


@pytest.mark.parametrize(("function", "arguments"), OURS + AS_SCIKIT_LEARN)
def test_functions(checked, function, arguments):
    arrays = {
        name: np.array(value) if isinstance(value, list) else value
        for name, value in arguments.items()
    }
    function(**arrays)
    assert_checked_once(checked, arrays.values())


@pytest.mark.parametrize("model", REGRESSORS, ids=repr)
def test_regressors(checked, model):
    options = S if "sigma" in model.fit.__annotations__ else {}
    model.fit(X, Y, **W, **options)
    assert checked[key(Y)] == 1
    assert_checked_once(checked, [X, Y, *W.values(), *S.values()])
    check_methods(checked, model, Y, options)


@pytest.mark.parametrize("model", OF_LABELS, ids=repr)
def test_classifiers(checked, model):
    model.fit(X, LABELS, **W)
    assert_checked_once(checked, [X, LABELS, *W.values()])
    check_methods(checked, model, LABELS, {})


@pytest.mark.parametrize(
    "model", [srk.SoftSpearmanLabelRanker(), srk.DummyLabelRanker()], ids=repr
)
def test_label_rankers(checked, model):
    model.fit(X, RANKS, **W)
    assert_checked_once(checked, [X, RANKS, *W.values()])
    check_methods(checked, model, RANKS, {})


def test_ranker(checked):
    model = srk.SoftRanker().fit(X, LABELS, groups=GROUPS)
    assert_checked_once(checked, [X, LABELS, GROUPS])
    model.score(X, LABELS, groups=GROUPS)
    assert_checked_once(checked, [X, LABELS, GROUPS])


@pytest.mark.parametrize("model", TRANSFORMERS, ids=repr)
def test_transformers(checked, model):
    model.fit(X)
    assert_checked_once(checked, [X])
    check_methods(checked, model, None, {})


def check_methods(checked, model, y, options):
    names = [name for name in METHODS if hasattr(model, name)]
    if hasattr(model, "stderr_") and model.stderr_ is None:
        names.remove("predict_interval")
    for name in names:
        takes_y = "y" in getattr(model, name).__annotations__
        getattr(model, name)(*(X, y) if takes_y else (X,), **options)
        assert_checked_once(checked, [X, y, *options.values()])
    if hasattr(model, "predict"):
        model.predict(X)
        assert_checked_once(checked, [X])
        model.score(X, y, **W)
        assert_checked_once(checked, [X, y, *W.values()])
