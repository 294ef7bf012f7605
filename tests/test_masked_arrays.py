"""Masked entries are no numbers: whatever takes an array says so, and names it."""

import copy
import inspect
from functools import partial
from importlib import import_module

import numpy as np
import pytest
from input_table import AS_SCIKIT_LEARN, OURS
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold

import sksoftrank as srk
from sksoftrank import batches, losses, metrics, soft_rank
from sksoftrank.feature_selection import soft_spearman
from sksoftrank.label_ranking import ranks_from_orders

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
Y = X @ [1.0, 2.0, 3.0] + rng.normal(size=40)
LABELS = (Y > 0).astype(int)
RANKS = rng.permuted(np.tile([1.0, 2.0, 3.0], (40, 1)), axis=1)
ARRAYS = {
    "X": X,
    "sample_weight": rng.integers(1, 4, size=40).astype(float),
    "sigma": rng.uniform(0.5, 1.0, size=40),
    "groups": np.repeat(np.arange(8), 5),
}
ROW, GROUPS = [3.0, 1.0, 2.5, -4.0], [0, 1, 0, 1]
TABLE = [[0.6, 0.4], [0.3, 0.7]]
TWO = {"values": [ROW, ROW]}
BY_GROUP = {"groups": GROUPS, "sample_weight": [1.0, 2.0]}
# Arguments that the tables have as numbers, or lack.
MORE = [
    (soft_rank, TWO | {"epsilon": [1.0, 2.0]}),
    (soft_rank, {"values": ROW, "groups": GROUPS, "epsilon": [1.0, 2.0]}),
    (srk.soft_topk, TWO | {"epsilon": [1.0, 2.0], "k": [1, 2]}),
    (srk.soft_topk_rank, TWO | {"k": [1, 2]}),
    (srk.soft_winsorize, {"values": ROW, "cut": [0.1, 0.2]}),
    (srk.epsilon_bounds, {"values": ROW, "cut": [0.1, 0.2], "operator": "winsorize"}),
    (metrics.spearman_score, {"y_true": ROW, "y_pred": ROW, **BY_GROUP}),
    (metrics.kendall_tau_score, {"y_true": ROW, "y_pred": ROW, **BY_GROUP}),
    (metrics.ndcg_score, {"y_true": [3, 1, 2, 0], "y_score": ROW, **BY_GROUP}),
    (
        metrics.spearman_score,
        {"y_true": ROW, "y_pred": ROW, "sample_weight": [2.0] * 4},
    ),
    (soft_spearman, {"X": [[1.0], [2.0], [3.0], [5.0]], "y": ROW, "groups": GROUPS}),
    (losses.soft_spearman_loss, {"scores": ROW, "ranks": ROW, **BY_GROUP}),
    (losses.soft_ndcg_loss, {"scores": ROW, "relevance": [3, 1, 2, 0], **BY_GROUP}),
    (losses.soft_topk_loss, {"scores": ROW, "labels": [0, 1, 1, 0], **BY_GROUP}),
    (srk.soft_lts_path, {"X": X, "y": Y, "sigma": ARRAYS["sigma"], "epsilons": [9, 3]}),
    (ranks_from_orders, {"orders": [["a", "b"], ["b", "a"]], "labels": ["a", "b"]}),
]
LTS = {"random_state": 0, "init": "ls", "n_init": 0}
ESTIMATORS = [
    srk.SoftLTSRegressor(**LTS),
    srk.SoftLTSRegressorCV(epsilons=[12.0], cv=2, **LTS),
    srk.SoftLQSRegressor(n_init=2, random_state=0),
    srk.SoftTrimmedRegressor(Ridge(), cv=2, random_state=0),
    srk.SoftTrimmedClassifier(LogisticRegression(), cv=2, random_state=0),
    srk.SoftTopKClassifier(),
    srk.SoftSpearmanLabelRanker(),
    srk.DummyLabelRanker(),
    srk.SoftRanker(),
    srk.IsotonicProjection(),
    srk.PermutahedronProjection(),
    srk.SoftRankTransformer(),
    srk.SoftQuantileNormalizer(),
    batches.SoftLTSRegressor(**LTS),
    batches.SoftTopKClassifier(),
    batches.SoftSpearmanLabelRanker(),
]
# Parameters that are arrays.
WITH_ARRAYS = [
    (srk.IsotonicProjection, "weights", [1.0, 2.0, 3.0]),
    (srk.PermutahedronProjection, "w", [1.0, 2.0, 3.0]),
    (srk.SoftQuantileNormalizer, "target", [1.0, 2.0, 3.0]),
    (srk.SoftLTSRegressorCV, "epsilons", [1.0, 2.0]),
    (srk.SoftLTSRegressorCV, "trims", [0.3, 0.5]),
]
METHODS = [
    "fit",
    "predict",
    "predict_interval",
    "predict_log_proba",
    "predict_order",
    "predict_proba",
    "predict_topk",
    "decision_function",
    "derivative",
    "fit_transform",
    "inlier_mask",
    "inlier_weight",
    "inverse_transform",
    "score",
    "share_by_group",
    "standardized_residuals",
    "transform",
    "wrong_label_probability",
]


def masked_versions(array):
    """The array, its second entry masked, and lists of what it then holds."""
    mask = np.zeros(np.shape(array), dtype=bool)
    mask.flat[1] = True
    masked = np.ma.masked_array(array, mask=mask)
    yield masked
    yield list(masked)  # of masked rows, or with the constant `numpy.ma.masked`
    if masked.ndim == 2:
        yield tuple(list(row) for row in masked)


def assert_masks_are_refused(call, arguments):
    good = call(**arguments)
    for name, array in arguments.items():
        if not isinstance(array, list | np.ndarray):
            continue
        for version in masked_versions(array):
            with pytest.raises(TypeError, match=rf"^{name} must .*got a masked array"):
                call(**arguments | {name: version})
        whole = call(**arguments | {name: np.ma.masked_array(array, mask=False)})
        assert_same(good, whole)


def assert_same(first, second):
    if isinstance(first, tuple):
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif hasattr(first, "fit"):
        method = "predict" if hasattr(first, "predict") else "transform"
        assert_same(getattr(first, method)(X), getattr(second, method)(X))
    else:
        np.testing.assert_equal(second, first)


def arguments_of(method, model):
    """Good arguments of a method, those that are arrays."""
    y = {"ranks": RANKS}.get(getattr(model, "target", None), Y)
    if hasattr(model, "classes_") or "Class" in type(model).__name__:
        y = LABELS
    known = ARRAYS | {"y": y}
    if isinstance(model, srk.SoftRanker):
        del known["sample_weight"]  # of groups
    if hasattr(type(model), "fit_transform"):
        del known["y"]  # ignored
    names = inspect.signature(method).parameters
    return {name: known[name] for name in names if name in known}


@pytest.mark.parametrize(("function", "arguments"), [*OURS, *AS_SCIKIT_LEARN, *MORE])
def test_functions(function, arguments):
    assert_masks_are_refused(function, arguments)


@pytest.mark.parametrize("model", ESTIMATORS, ids=repr)
def test_estimators(model):
    model = copy.deepcopy(model)
    model.fit(**arguments_of(model.fit, model))
    for name in METHODS:
        method = getattr(model, name, None)
        if method is None:
            continue
        arguments = arguments_of(method, model)
        if name.startswith("fit"):  # of another one each time

            def method(name=name, **arguments):
                return getattr(copy.deepcopy(model), name)(**arguments)

        if name == "inverse_transform":
            arguments = {"X": model.transform(X)}
        assert_masks_are_refused(method, arguments)


@pytest.mark.parametrize(("estimator", "name", "array"), WITH_ARRAYS)
def test_parameters(estimator, name, array):
    def fit(**parameters):
        options = LTS | {"cv": 2} if estimator is srk.SoftLTSRegressorCV else {}
        return estimator(**options, **parameters).fit(X, Y)

    assert_masks_are_refused(fit, {name: array})


def test_groups_of_folds():
    folds = GroupKFold(2)
    for model in (
        srk.SoftLTSRegressorCV(epsilons=[12.0], cv=folds, **LTS),
        srk.SoftTrimmedRegressor(Ridge(), cv=folds, random_state=0),
    ):
        arguments = {"X": X, "y": Y, "groups": ARRAYS["groups"]}
        assert_masks_are_refused(model.fit, arguments)


def test_directions():
    _, jacobian = soft_rank(ROW, return_jacobian=True)
    for version in masked_versions(ROW):
        for name, product in (("u", jacobian.jvp), ("g", jacobian.vjp)):
            with pytest.raises(TypeError, match=rf"^{name} must .*got a masked array"):
                product(version)
    masked = next(masked_versions(ROW))
    for product in (jacobian.matvec, jacobian.rmatvec, jacobian.dot):
        with pytest.raises(TypeError, match="got a masked array"):
            product(masked)


def test_displays():
    pytest.importorskip("matplotlib").use("agg")
    from matplotlib import pyplot

    from sksoftrank import plotting

    def from_predictions(**arguments):
        plotting.OutlierMapDisplay.from_predictions(**arguments, random_state=0)

    def of_least_squares(**arguments):
        plotting.CoefficientsDisplay.from_estimators(
            {"least squares": LinearRegression().fit(X, Y)}, **arguments
        )

    def of_ranks(**arguments):
        plotting.LabelRanksDisplay.from_predictions(**arguments)

    def of_arrays(display, **arguments):
        display(**arguments).plot()

    ones, two = [1.0] * 4, [1.0, 2.0]
    sigma = ARRAYS["sigma"]
    for call, arguments in (
        (from_predictions, {"y_true": Y, "y_pred": X[:, 0], "X": X, "sigma": sigma}),
        (of_least_squares, {"X": X, "y": Y}),
        (of_ranks, {"y_true": RANKS, "y_pred": RANKS}),
        (
            partial(of_arrays, plotting.CoefficientsDisplay),
            {"coefs": ROW, "half_widths": ones},
        ),
        (
            partial(of_arrays, plotting.EpsilonPathDisplay),
            {"epsilons": two, "coefs": TABLE, "scores": two},
        ),
        (partial(of_arrays, plotting.LabelRanksDisplay), {"shares": TABLE}),
        (
            partial(of_arrays, plotting.OutlierMapDisplay, distance_cutoff=1.0),
            {"standardized_residuals": ROW, "robust_distances": ones},
        ),
        (
            partial(of_arrays, plotting.ResidualsDisplay),
            {"predictions": ROW, "standardized_residuals": ROW, "weights": ones},
        ),
    ):
        assert_masks_are_refused(call, arguments)
        pyplot.close("all")


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_frameworks(framework):
    found = pytest.importorskip(framework, reason=f"needs {framework}")
    module = import_module(f"sksoftrank.{framework}")
    as_array = found.numpy.asarray if framework == "jax" else found.tensor
    values = as_array(np.array([ROW, ROW], dtype=np.float32))
    calls = [
        (module.soft_rank, {"epsilon": [1.0, 2.0]}),
        (module.soft_topk, {"k": 2, "weights": [1.0, 2.0, 1.0, 1.0]}),
        (module.soft_quantile_normalize, {"target": [0.0, 1.0, 2.0, 5.0]}),
    ]
    for function, arguments in calls:

        def call(function=function, **arguments):
            return np.asarray(function(values, **arguments))

        assert_masks_are_refused(call, arguments)
