"""Losses, weights, NaN and bad input of the functions for PyTorch and JAX."""

import subprocess
import sys
from itertools import starmap

import numpy as np
import pytest
from framework_cases import VALUES
from marks import slow
from numpy.testing import assert_allclose
from scipy.stats import norm

import sksoftrank
from sksoftrank import losses

RANKS = np.array(
    [[1.0, 2, 3, 4, 5, 6, 7], [3, 3, 1, 2, 9, 8, 0], [7, 1, 2, 3, 4, 5, 6]]
)
PARTIAL = np.where(
    np.random.default_rng(1).uniform(size=RANKS.shape) < 0.3, np.nan, RANKS
)
PARTIAL[2, 1:] = np.nan  # one label alone tells nothing
WEIGHT = np.array([1.0, 0.5, 2.0])
LABELS = np.array([0, 3, 6])
LOSSES = [
    ("spearman_loss", "soft_spearman_loss", (RANKS,), {}),
    ("spearman_loss", "soft_spearman_loss", (PARTIAL,), {"sample_weight": WEIGHT}),
    ("spearman_loss", "soft_spearman_loss", (PARTIAL,), {"top_weight": 0.7}),
    ("spearman_loss", "soft_spearman_loss", (RANKS,), {"regularization": "kl"}),
    ("ndcg_loss", "soft_ndcg_loss", (RANKS,), {"sample_weight": WEIGHT}),
    ("ndcg_loss", "soft_ndcg_loss", (PARTIAL,), {"regularization": "entropic"}),
    ("ndcg_loss", "soft_ndcg_loss", (PARTIAL,), {"k": 2, "epsilon": 0.3}),
    ("topk_loss", "soft_topk_loss", (LABELS,), {"sample_weight": WEIGHT}),
    ("topk_loss", "soft_topk_loss", (LABELS, {1: 0.5, 3: 1.0}), {"growth": "bounded"}),
    ("topk_loss", "soft_topk_loss", (LABELS, 2, 0.1), {"squashing": "logistic"}),
    ("topk_loss", "soft_topk_loss", (LABELS,), {"operator": "kl"}),
]


@pytest.mark.parametrize(
    ("name", "of_numpy", "arguments", "options"),
    [LOSSES[0], *starmap(slow, LOSSES[1:])],
)
def test_losses(framework, name, of_numpy, arguments, options):
    function = getattr(framework.soft, name)
    expected, gradient = getattr(losses, of_numpy)(VALUES, *arguments, **options)
    found = function(framework.array(VALUES), *arguments, **options)
    assert found.shape == ()
    assert_allclose(float(found), expected, rtol=1e-13)
    found = framework.gradient(lambda x: function(x, *arguments, **options), VALUES)
    assert_allclose(np.asarray(found), gradient, rtol=0, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("weight", [None, np.linspace(0.5, 2, 7)])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 100.0])
def test_trimmed_loss(framework, epsilon, weight):
    trimmed_loss = framework.soft.trimmed_loss
    values = np.abs(VALUES[0])
    expected, gradient, _ = losses.selection_trimmed_loss(values, 4.5, epsilon, weight)
    found = trimmed_loss(framework.array(values), 4.5, epsilon, weight)
    assert_allclose(float(found), expected, rtol=1e-13)
    found = framework.gradient(lambda x: trimmed_loss(x, 4.5, epsilon, weight), values)
    assert_allclose(np.asarray(found), gradient, rtol=0, atol=1e-12)


WEIGHTED = [
    ("soft_topk", (2.5,), {}),
    ("soft_quantile", (0.4,), {}),
    ("soft_median", (), {}),
    ("soft_trimmed_mean", ([0.2, 0.1],), {}),
    ("soft_winsorize", (0.2,), {}),
]


@pytest.mark.slow
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize("scale", [1.0, 0.01])
@pytest.mark.parametrize(("name", "arguments", "options"), WEIGHTED)
def test_weights_have_derivatives(
    framework, name, arguments, options, regularization, scale
):
    weights = scale * np.random.default_rng(3).uniform(0.5, 2.0, size=7)
    if name == "soft_topk":
        arguments = (scale * arguments[0],)
    options = options | {"epsilon": 0.7, "regularization": regularization}
    operator = getattr(sksoftrank, name)
    expected, jacobian = operator(
        VALUES, *arguments, weights=weights, return_jacobian=True, **options
    )
    u = np.random.default_rng(4).normal(size=np.shape(expected))
    x = framework.array(VALUES)
    function = getattr(framework.soft, name)
    found = function(x, *arguments, weights=framework.array(weights), **options)
    assert_allclose(np.asarray(found), expected, rtol=0, atol=1e-13)
    gradient = framework.gradient(
        lambda a: (
            function(x, *arguments, weights=a, **options) * framework.array(u)
        ).sum(),
        weights,
    )
    expected = jacobian.wrt_weights.vjp(u)
    assert_allclose(np.asarray(gradient), expected, rtol=1e-10, atol=1e-12 / scale)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [0.0, 0.7])
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_levels_have_derivatives(framework, regularization, epsilon):
    q = np.array([0.0, 0.3, 0.5, 1.0])
    options = {"epsilon": epsilon, "regularization": regularization}
    x = framework.array(VALUES[0])
    expected = sksoftrank.soft_quantile(VALUES[0], q, return_jacobian=True, **options)
    gradient = framework.gradient(
        lambda q: framework.soft.soft_quantile(x, q, **options).sum(), q
    )
    assert_allclose(np.asarray(gradient), expected[1].wrt_q, rtol=0, atol=1e-12)
    cut = np.array([0.2, 0.1])
    expected = sksoftrank.soft_trimmed_mean(
        VALUES[0], cut, return_jacobian=True, **options
    )
    gradient = framework.gradient(
        lambda cut: framework.soft.soft_trimmed_mean(x, cut, **options), cut
    )
    assert_allclose(np.asarray(gradient), expected[1].wrt_cut, rtol=0, atol=1e-11)


WITH_NAN = [
    ("soft_rank", (), {}),
    ("soft_sort", (), {"descending": True}),
    ("soft_quantile", ([0.2, 0.6],), {}),
    ("soft_trimmed_mean", (0.2,), {}),
    ("soft_winsorize", (0.2,), {}),
    ("soft_quantile_normalize", ([1.0, 2.0, 5.0],), {}),
]


@pytest.mark.slow
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize(("name", "arguments", "options"), WITH_NAN)
def test_nan(framework, name, arguments, options, regularization):
    options = options | {"epsilon": 0.7, "regularization": regularization}
    values = VALUES.copy()
    values[0, 2] = values[1, :3] = np.nan
    values[2] = np.nan
    operator, function = getattr(sksoftrank, name), getattr(framework.soft, name)
    with pytest.raises(ValueError, match="values must be finite, got 11 NaN"):
        function(framework.array(values), *arguments, **options)
    options["nan_policy"] = "omit"
    expected, jacobian = operator(values, *arguments, return_jacobian=True, **options)
    found = function(framework.array(values), *arguments, **options)
    assert_allclose(np.asarray(found), expected, rtol=0, atol=1e-13)
    u = np.random.default_rng(4).normal(size=np.shape(expected))
    u = np.where(np.isnan(expected), 0.0, u)
    weight = framework.array(u)
    gradient = framework.gradient(
        lambda x: (function(x, *arguments, **options) * weight).sum(), values
    )
    finite = np.where(np.isnan(values), 0.0, np.asarray(gradient))
    pulled = np.where(np.isnan(values), 0.0, jacobian.vjp(u))
    assert_allclose(finite, pulled, rtol=0, atol=1e-12)


BAD = [
    (TypeError, "must be .* floats, got .*int64", "int64"),
    (TypeError, "must be .* floats, got .*complex128", "complex128"),
    (TypeError, r"values must be a (torch.Tensor|jax.Array)", "list"),
    (ValueError, r"values must have at least one dimension", "scalar"),
    (ValueError, "epsilon must be a finite number >= 0, got -1", {"epsilon": -1.0}),
    (
        ValueError,
        r"epsilon must be a number or an array of one for each slice of values, of "
        r"shape \(3,\), got shape \(2,\)",
        "epsilon",
    ),
    (ValueError, "regularization must be", {"regularization": "l2"}),
    (ValueError, "axis must be in", {"axis": 5}),
    (TypeError, "descending must be True or False", {"descending": 1}),
    (ValueError, "nan_policy must be", {"nan_policy": "drop"}),
]


@pytest.mark.parametrize(("error", "message", "how"), BAD)
def test_bad_input(framework, error, message, how):
    soft, array = framework.soft, framework.array
    values, options = array(VALUES), {}
    if isinstance(how, dict):
        options = how
    elif how == "epsilon":
        options = {"epsilon": array([1.0, 2.0])}
    elif how == "list":
        values = [1.0, 2.0]
    else:
        values = array(1.0 if how == "scalar" else VALUES.astype(how))
    with pytest.raises(error, match=message):
        soft.soft_rank(values, **options)


def test_bad_input_of_others(framework):
    soft, x = framework.soft, framework.array(VALUES)
    for k, error in ((0, ValueError), (8, ValueError), (True, TypeError)):
        with pytest.raises(error, match="k must be"):
            soft.soft_topk(x, k)
    with pytest.raises(ValueError, match="k must be at most the sum of the weights"):
        soft.soft_topk(x, 5, weights=[0.1] * 7)
    with pytest.raises(ValueError, match=r"q must be in \[0, 1\], got 1.5"):
        soft.soft_quantile(x, [0.1, 1.5])
    with pytest.raises(ValueError, match="cut must leave something"):
        soft.soft_trimmed_mean(x, 0.5)
    with pytest.raises(ValueError, match="weights must have shape"):
        soft.soft_median(x, weights=[1.0, 2.0])
    with pytest.raises(ValueError, match="weights must be at least 0"):
        soft.soft_median(x, weights=[-1.0] + [1.0] * 6)
    with pytest.raises(ValueError, match="w must have the shape of s"):
        soft.isotonic_projection(x, framework.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="criterion must have a number for each"):
        soft.soft_sort_with(x, framework.array([1.0, 2.0]))
    with pytest.raises(TypeError, match="target must be a sample or a differentiable"):
        soft.soft_quantile_normalize(x, norm())
    with pytest.raises(ValueError, match="labels must be from 0 to 6"):
        soft.topk_loss(x, [0, 1, 7])
    with pytest.raises(ValueError, match="relevance must be at least 0"):
        soft.ndcg_loss(x, -RANKS)
    with pytest.raises(ValueError, match="ranks must have shape"):
        soft.spearman_loss(x, RANKS[:2])
    with pytest.raises(ValueError, match="n_kept must be at most the number"):
        soft.trimmed_loss(x[0], 8, 1.0)


def test_numpy_functions_name_the_module(framework):
    seen = []

    def call(x):
        for function in (
            sksoftrank.soft_rank,
            sksoftrank.soft_median,
            lambda x: losses.soft_spearman_loss(x, RANKS),
            lambda x: sksoftrank.soft_rank(VALUES, x[0, 0]),
        ):
            with pytest.raises(
                TypeError, match=f"sksoftrank.{framework.name}"
            ) as error:
                function(x)
            seen.append(str(error.value))
        return x.sum()

    framework.gradient(call, VALUES)
    assert len(seen) >= 4
    assert all("\n" not in message for message in seen)


@pytest.mark.slow
def test_without_the_framework_one_sentence(framework):
    code = f"""
import sys
from importlib.abc import MetaPathFinder

class Nothing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "{framework.name}":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nothing())
import sksoftrank.{framework.name}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: sksoftrank.{framework.name} needs ")
    assert f"pip install 'sksoftrank[{framework.name}]'" in last


FAR = {
    "origin": 1e16 + 2 * np.random.default_rng(5).permuted(np.tile([0, 1, 3, 4], 3)),
    "outliers": np.r_[-1e20, np.random.default_rng(6).normal(size=9), 1e8, 1e25],
}
FAR_CALLS = [
    ("soft_topk", (3.5,)),
    ("soft_median", ()),
    ("soft_quantile", ([0.1, 0.9],)),
    ("soft_trimmed_mean", ([0.2, 0.1],)),
    ("soft_winsorize", (0.3,)),
]


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize("values", FAR)
@pytest.mark.parametrize(("name", "arguments"), FAR_CALLS)
def test_digits_far_from_the_threshold(
    framework, name, arguments, values, regularization
):
    values = FAR[values]
    options = {"epsilon": 3.0, "regularization": regularization}
    expected, jacobian = getattr(sksoftrank, name)(
        values, *arguments, return_jacobian=True, **options
    )
    function = getattr(framework.soft, name)
    found = function(framework.array(values), *arguments, **options)
    assert_allclose(np.asarray(found), expected, rtol=1e-14)
    u = np.random.default_rng(7).normal(size=np.shape(expected))
    gradient = framework.gradient(
        lambda x: (function(x, *arguments, **options) * framework.array(u)).sum(),
        values,
    )
    expected = jacobian.vjp(u)
    tol = 1e-12 * np.abs(expected).max()
    assert_allclose(np.asarray(gradient), expected, rtol=0, atol=tol)
