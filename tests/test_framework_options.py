"""The functions for PyTorch and JAX take all that those for NumPy take."""

import doctest
import inspect
import pickle
from functools import partial

import numpy as np
import pytest
from framework_cases import VALUES, WEIGHTS
from numpy.testing import assert_allclose, assert_array_equal

import sksoftrank
from sksoftrank import losses

INF, NAN = np.inf, np.nan
OF_NUMPY = {
    "spearman_loss": losses.soft_spearman_loss,
    "ndcg_loss": losses.soft_ndcg_loss,
    "topk_loss": losses.soft_topk_loss,
    "trimmed_loss": losses.selection_trimmed_loss,
}
# Derivatives are the framework's own. Groups of different sizes would have shapes that
# depend on values, which traced code can't have: rows with NaN take their place.
NOT_NEEDED = {"return_jacobian", "groups"}


def functions(soft):
    """The public functions of a framework, by name."""
    public = {name: getattr(soft, name) for name in soft.__all__}
    return {name: f for name, f in public.items() if not inspect.isclass(f)}


def test_parameters_are_those_of_numpy(framework):
    for name, function in functions(framework.soft).items():
        of_numpy = OF_NUMPY.get(name) or getattr(sksoftrank, name)
        own, expected = (
            {
                name: (parameter.kind, parameter.default)
                for name, parameter in inspect.signature(f).parameters.items()
                if name not in NOT_NEEDED
            }
            for f in (function, of_numpy)
        )
        assert own == expected, name
        assert list(own) == list(expected), name


def test_names_and_words_are_those_of_the_framework(framework):
    other = {"torch": "jax", "jax": "torch"}[framework.name]
    for name, function in functions(framework.soft).items():
        assert function.__module__ == framework.soft.__name__
        assert function.__qualname__ == function.__name__ == name
        assert pickle.loads(pickle.dumps(function)) is function
        with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected"):
            function(unknown=1)
        words = function.__doc__.lower()
        assert other not in words, name
        assert ("tensor" in words) == (framework.name == "torch"), name
        types = str(inspect.signature(function))
        assert "~Array" not in types, name
        assert framework.name in types


@pytest.mark.slow
def test_examples(framework):
    runner = doctest.DocTestRunner()
    for name, function in functions(framework.soft).items():
        examples = doctest.DocTestParser().get_doctest(
            function.__doc__, {}, name, None, None
        )
        assert examples.examples
        runner.run(examples)
    assert runner.failures == 0


OF_MASK = np.array(
    [[0.4, -INF, 1.0, INF, 0.9, -INF, INF], [-INF, 2.0, 0.1, 0.3, -INF, 0.4, 1.5]]
)
WITH_NAN = np.where(np.arange(7) == 2, NAN, OF_MASK)
ROWS = np.array([0.3, 0.0, 1.7])
STRAIGHT = {"straight_through": True}
OMIT = {"nan_policy": "omit"}
CALLS = [
    ("soft_rank", VALUES, (ROWS,), {}),
    ("soft_rank", VALUES, (ROWS,), STRAIGHT | {"n_jobs": 2}),
    ("soft_rank", OF_MASK, (0.5,), {"regularization": "entropic"}),
    ("soft_rank", WITH_NAN, (0.5,), OMIT | {"descending": True}),
    ("soft_rank", OF_MASK, (ROWS[:2],), {"regularization": "kl"} | STRAIGHT),
    ("soft_sort", VALUES, (ROWS,), {"regularization": "entropic"}),
    ("soft_sort", VALUES, (0.7,), STRAIGHT | {"n_jobs": 2}),
    ("soft_sort", OF_MASK, (0.0,), {}),
    ("soft_sort", WITH_NAN, (0.0,), OMIT | {"descending": True}),
    ("soft_topk", VALUES, (2.5, ROWS), {}),
    ("soft_topk", VALUES, (np.array([0.5, 2.0, 3.3]), ROWS + 0.1), {}),
    ("soft_topk", VALUES, (2.5, 0.7), {"magnitude": True} | STRAIGHT),
    ("soft_topk", OF_MASK, (3.5, 0.7), {"regularization": "entropic"}),
    ("soft_topk", OF_MASK, (6.0, 0.7), {}),
    ("soft_topk", WITH_NAN, (2, 0.7), OMIT | {"weights": WEIGHTS}),
    ("soft_topk_sort", VALUES, (3, ROWS), STRAIGHT),
    ("soft_topk_sort", OF_MASK, (3, 0.0), {"largest": False}),
    ("soft_topk_sort", np.where(VALUES > -1.5, VALUES, NAN), (7, 0.8), OMIT),
    ("soft_quantile", VALUES, ([0.2, 0.6], ROWS), {"weights": WEIGHTS}),
    ("soft_quantile", VALUES, ([0.2, 0.6], ROWS), STRAIGHT),
    ("soft_quantile", OF_MASK, ([0.2, 0.5, 0.9], 0.0), {}),
    ("soft_median", WITH_NAN, (0.0,), OMIT),
    ("soft_median", VALUES, (0.7,), STRAIGHT | {"regularization": "entropic"}),
    ("soft_trimmed_mean", VALUES, (0.2, ROWS), STRAIGHT),
    ("soft_trimmed_mean", OF_MASK, (0.3, 0.0), {}),
    ("soft_winsorize", VALUES, (0.2, ROWS), STRAIGHT),
    ("soft_winsorize", OF_MASK, (0.3, 0.0), {}),
    ("soft_winsorize", WITH_NAN, (0.1, 0.0), OMIT),
    ("soft_quantile_normalize", VALUES, ([1.0, 2.0, 5.0], ROWS), STRAIGHT),
    ("soft_quantile_normalize", OF_MASK, ([1.0, 2.0, 5.0], 0.7), {}),
    ("soft_sort_with", VALUES.T, (WEIGHTS, 0.4), STRAIGHT),
    ("soft_sort_with", VALUES.T, (np.where(WEIGHTS > 1, WEIGHTS, NAN), 0.4), OMIT),
    ("soft_sort_with", VALUES.T, (np.where(WEIGHTS > 1, WEIGHTS, -INF), 0.4), {}),
]


# Compiling takes JAX most of a second for each of them.
CALLS = [
    call if i % 3 == 0 else pytest.param(*call, marks=pytest.mark.slow)
    for i, call in enumerate(CALLS)
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "values", "arguments", "options"), CALLS)
def test_options(framework, name, values, arguments, options):
    expected, jacobian = getattr(sksoftrank, name)(
        values, *arguments, return_jacobian=True, **options
    )
    function = getattr(framework.soft, name)
    found = np.asarray(function(framework.array(values), *arguments, **options))
    if "straight_through" in options:
        hard = function(framework.array(values), *arguments[:-1], 0.0, **options)
        assert_array_equal(found, np.asarray(hard))
    assert_allclose(found, expected, rtol=0, atol=1e-13)
    # Of results that are infinite or missing there is nothing to pull back.
    u = np.random.default_rng(4).normal(size=np.shape(expected))
    u = np.where(np.isfinite(expected), u, 0.0)
    is_nan = framework.array(np.where(np.isfinite(expected), 1.0, NAN))

    def loss(x):
        result = function(x, *arguments, **options)
        is_number = is_nan == 1
        finite = (
            result[is_number]
            if framework.name == "torch"
            else zeroed(result, is_number)
        )
        weight = u[np.isfinite(expected)] if framework.name == "torch" else u
        return (finite * framework.array(weight)).sum()

    gradient = np.asarray(framework.gradient(loss, values))
    expected = np.where(np.isfinite(values), jacobian.vjp(u), 0.0)
    gradient = np.where(np.isfinite(values), gradient, 0.0)
    assert_allclose(gradient, expected, rtol=0, atol=1e-12)


def zeroed(result, is_number):
    from jax import numpy as jnp

    return jnp.where(is_number, result, 0.0)


@pytest.mark.slow
def test_options_are_traced(framework):
    """What eager code looks at and traced code can't is the same."""
    soft = framework.soft

    def f(x):
        return (
            soft.soft_rank(x, ROWS[:2]).sum()
            + soft.soft_topk(x, np.array([1.5, 4.0]), 0.5)[0, 0]
            + soft.soft_sort(x[0], 0.0)[3:5].sum()
            + soft.soft_median(x[1], 0.0)
        )

    x = framework.array(OF_MASK)
    if framework.name == "torch":
        torch = pytest.importorskip("torch")
        traced = torch.func.vmap(f)(x[None])[0]
    else:
        traced = pytest.importorskip("jax").jit(f)(x)
    assert_allclose(float(traced), float(f(x)), rtol=1e-14)


@pytest.mark.slow
def test_epsilon_and_k_by_row_have_derivatives(framework):
    k = np.array([0.5, 2.2, 3.3])
    for regularization in ("quadratic", "entropic"):
        _, jacobian = sksoftrank.soft_topk(
            VALUES, k, ROWS, regularization=regularization, return_jacobian=True
        )
        x = framework.array(VALUES)

        def weighted(k, epsilon, x=x, regularization=regularization):
            parts = framework.soft.soft_topk(
                x, k, epsilon, regularization=regularization
            )
            return (parts**2).sum()

        parts = framework.soft.soft_topk(x, k, ROWS, regularization=regularization)
        u = 2 * np.asarray(parts)
        found = framework.gradient(partial(weighted, epsilon=framework.array(ROWS)), k)
        assert_allclose(found, (u * jacobian.wrt_k).sum(axis=1), atol=1e-12)
        found = framework.gradient(partial(weighted, framework.array(k)), ROWS)
        assert_allclose(found, (u * jacobian.wrt_epsilon).sum(axis=1), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-9, 1e-100])
def test_entropic_sorts_of_close_values_keep_their_digits(framework, scale):
    expected = sksoftrank.soft_sort(
        VALUES * scale, 20 / scale, regularization="entropic"
    )
    # A tensor of epsilon takes the formula.
    epsilon = framework.array(np.array(20 / scale))
    found = framework.soft.soft_sort(
        framework.array(VALUES * scale), epsilon, regularization="entropic"
    )
    assert_allclose(np.asarray(found), expected, atol=1e-14 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-3, 1e-9, 1e-100])
def test_entropic_projections_of_close_values_keep_their_digits(framework, scale):
    w = WEIGHTS * scale
    for name in ("isotonic_projection", "project_permutahedron"):
        expected = getattr(sksoftrank, name)(
            VALUES * scale, w, regularization="entropic"
        )
        found = getattr(framework.soft, name)(
            framework.array(VALUES * scale),
            framework.array(w),
            regularization="entropic",
        )
        assert_allclose(np.asarray(found), expected, rtol=0, atol=1e-14 * scale)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "epsilon", "offset"),
    [(1.0, 30.0, 1e6), (1e-200, 1e300, 0.0), (1e-20, 1e300, 0.0), (1.0, 1e30, 0.0)],
)
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_quantiles_of_far_or_close_values_move_with_q(
    framework, regularization, scale, epsilon, offset
):
    x = np.random.default_rng(0).integers(-99, 99, size=(2, 40)) * scale + offset
    q, options = np.array([0.01, 0.1, 0.5]), {"regularization": regularization}
    value, jacobian = sksoftrank.soft_quantile(
        x, q, epsilon, return_jacobian=True, **options
    )
    values = framework.array(x)

    def first_row(q):
        return framework.soft.soft_quantile(values, q, epsilon, **options)[:, 0].sum()

    found = framework.soft.soft_quantile(values, q, epsilon, **options)
    atol = 1e-12 * np.ptp(x) + 1e-15 * offset
    assert_allclose(np.asarray(found), value, rtol=0, atol=atol)
    found = framework.gradient(first_row, q)
    assert_allclose(found, jacobian.wrt_q[:, 0], rtol=1e-12, atol=1e-12 * np.ptp(x))
    if scale == 1e-20:  # that is as close for 32 bits
        values, epsilon = framework.array(x.astype(np.float32)), 1e24
        found = framework.gradient(first_row, q)
        assert_allclose(found, jacobian.wrt_q[:, 0], atol=1e-5 * np.ptp(x))


LISTS = [
    ("soft_trimmed_mean", lambda a, b: {"cut": (a, b)}),
    ("soft_winsorize", lambda a, b: {"cut": [0.1, b * a]}),
    ("soft_quantile", lambda a, b: {"q": [a, 0.3, b]}),
    ("soft_topk", lambda a, b: {"k": [1.5, 9 * a, 3.0], "epsilon": [a, b, 1.0]}),
    ("soft_median", lambda a, b: {"weights": [a, *WEIGHTS[2:].tolist(), b]}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options_of"), LISTS)
def test_lists_of_arrays_have_derivatives(framework, name, options_of):
    function, x = getattr(framework.soft, name), framework.array(VALUES)

    def total(p):
        return (function(x, **options_of(p[0], p[1])) ** 2).sum()

    def by_numpy(p):
        options = {key: np.array(each) for key, each in options_of(*p).items()}
        return (getattr(sksoftrank, name)(VALUES, **options) ** 2).sum()

    p, h = np.array([0.22, 0.34]), 1e-5
    assert_allclose(float(total(framework.array(p))), by_numpy(p), rtol=1e-12)
    differences = [
        (by_numpy(p + step) - by_numpy(p - step)) / (2 * h) for step in h * np.eye(2)
    ]
    assert_allclose(framework.gradient(total, p), differences, rtol=1e-6)


@pytest.mark.slow
def test_lists_of_numbers_keep_their_digits(framework):
    x = VALUES[0]
    found = framework.soft.soft_median(framework.array(x), weights=WEIGHTS.tolist())
    expected = sksoftrank.soft_median(x, weights=WEIGHTS)
    assert_allclose(float(found), expected, rtol=1e-14)


def test_what_is_wrong_with_lists_of_arrays_is_said(framework):
    x, half = framework.array(VALUES), framework.array(np.array(0.5))
    for cut in ((half, half), [half, 0.5], framework.array(np.array([0.5, 0.6]))):
        with pytest.raises(ValueError, match="cut must leave something"):
            framework.soft.soft_winsorize(x, cut)
    with pytest.raises(ValueError, match=r"q must be in \[0, 1\], got 1.5"):
        framework.soft.soft_quantile(x, [half, 3 * half])
    with pytest.raises(TypeError, match="k must be an array of real numbers"):
        framework.soft.soft_topk(x, [half, [half, half], half])
    with pytest.raises(TypeError, match="weights must be an array of real numbers"):
        framework.soft.soft_median(x[:, :2], weights=[10**400, 1])


@pytest.mark.slow
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_derivatives_in_an_epsilon_of_0(framework, regularization):
    """Hard results move with epsilon, where a choice takes values in part."""
    weights = np.array([1.5, 0.0, 1.0, 2.0, 1.2, 3.0, 0.7])
    for name, argument, options in (
        ("soft_quantile", 0.3, {"weights": weights}),
        ("soft_quantile", 0.0, {}),
        ("soft_trimmed_mean", 0.11, {}),
        ("soft_winsorize", 0.2, {"weights": weights}),
    ):
        options = options | {"regularization": regularization}
        _, jacobian = getattr(sksoftrank, name)(
            VALUES, argument, 0.0, **options, return_jacobian=True
        )
        x, operator = framework.array(VALUES), getattr(framework.soft, name)

        def total(epsilon, x=x, operator=operator, argument=argument, options=options):
            return operator(x, argument, epsilon, **options).sum()

        found = framework.gradient(total, np.array(0.0))
        assert_allclose(found, jacobian.wrt_epsilon.sum(), rtol=1e-12, atol=1e-14)


BAD = [
    ("soft_rank", (VALUES[0],), {"groups": [0, 1, 1, 1, 0, 0, 0]}, TypeError, "groups"),
    ("soft_rank", (VALUES,), {"straight_through": 1}, TypeError, "straight_through"),
    ("soft_rank", (VALUES,), {"n_jobs": 0}, ValueError, "n_jobs must be a non-zero"),
    ("soft_sort", (VALUES,), {"n_jobs": "two"}, TypeError, "n_jobs must be a non-zero"),
    ("soft_rank", (VALUES, [1.0, -1.0, 2.0]), {}, ValueError, "got -1"),
    ("soft_rank", (VALUES, ["a", "b", "c"]), {}, TypeError, "epsilon must be a real"),
    ("soft_sort", (OF_MASK, 0.5), {}, ValueError, "got 0 NaN and 6 infinite"),
    ("soft_median", (OF_MASK, 0.5), {}, ValueError, "got 0 NaN and 6 infinite"),
    ("soft_median", ([[INF, -INF]], 0.0), {}, ValueError, "got 0 NaN and 2 infinite"),
    ("soft_topk", (VALUES, [1.0, 9.0, 1.0]), {}, ValueError, "k must be above 0"),
    ("soft_topk", (VALUES, 2), {"magnitude": "yes"}, TypeError, "magnitude must be"),
    ("soft_topk", (WITH_NAN, 2), {}, ValueError, "got 2 NaN and 6 infinite"),
    ("soft_topk_sort", (VALUES, 2.5), {}, TypeError, "k must be an integer"),
    (
        "soft_sort_with",
        (VALUES.T, np.full(7, NAN)),
        OMIT,
        ValueError,
        "must have a record without NaN, got none",
    ),
    ("ndcg_loss", (VALUES, VALUES**2), {"k": 0}, ValueError, "k must be an integer"),
]


@pytest.mark.parametrize(("name", "arguments", "options", "error", "message"), BAD)
def test_bad_options(framework, name, arguments, options, error, message):
    values, *arguments = arguments
    with pytest.raises(error, match=message):
        getattr(framework.soft, name)(framework.array(values), *arguments, **options)
