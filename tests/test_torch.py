"""The operators for PyTorch against those in NumPy, through every transformation."""

import pickle
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
from framework_cases import (
    VALUES,
    N,
    all_cases,
    cases_with_axis,
    cases_with_epsilon,
)
from numpy.testing import assert_allclose
from scipy.stats import spearmanr

import sksoftrank
import sksoftrank.losses

torch = pytest.importorskip("torch", reason="needs torch")
from sksoftrank import torch as soft  # noqa: E402
from sksoftrank.torch import _structure_ops  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    # PyTorch's own, when it first uses forward mode.
    "ignore:.torch.jit:FutureWarning",
    "ignore:.torch.jit:DeprecationWarning",
    # What it says of compiled code on Python 3.13.0.
    "ignore:Guards may run slower:RuntimeWarning",
)
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def tensor(array):
    return torch.tensor(np.asarray(array))


def assert_close(found, expected, tolerance=1e-12):
    found, expected = (
        x.detach().numpy() if isinstance(x, torch.Tensor) else x
        for x in (found, expected)
    )
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    assert found.shape == np.shape(expected)
    assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


@all_cases
def test_every_transformation(case):
    f = case.of(soft, tensor)
    x = tensor(VALUES).requires_grad_()
    constant = x.detach()
    expected, jacobian = case.expected(VALUES)
    matrix = tensor(jacobian.toarray()).reshape(*expected.shape, *VALUES.shape)
    direction = tensor(np.random.default_rng(1).normal(size=VALUES.shape))

    def loss(values):
        return (f(values) ** 2).sum()

    assert_close(f(x), expected, 1e-14)
    assert_close(f(constant), expected, 1e-14)
    torch.autograd.gradcheck(f, x, check_forward_ad=True, check_batched_grad=True)
    torch.autograd.gradgradcheck(f, x, check_fwd_over_rev=True, check_rev_over_rev=True)
    func = torch.func
    assert_close(func.jacrev(f)(constant), matrix)
    assert_close(func.jacfwd(f)(constant), matrix)
    assert_close(torch.autograd.functional.jacobian(f, constant), matrix)
    value, product = func.jvp(f, (constant,), (direction,))
    assert_close(value, expected, 1e-14)
    assert_close(product.ravel(), jacobian.jvp(direction.numpy()).ravel())
    gradient = jacobian.vjp(2 * expected).reshape(VALUES.shape)
    assert_close(func.grad(loss)(constant), gradient)
    assert_close(torch.autograd.grad(loss(x), x)[0], gradient)
    hessian = torch.autograd.functional.hessian(loss, constant)
    assert_close(func.hessian(loss)(constant), hessian)
    assert_close(func.jacrev(func.jacrev(loss))(constant), hessian)
    batch = torch.stack([constant, constant.flip(0) * 1.3])
    rows = torch.stack([f(values) for values in batch])
    assert_close(func.vmap(f)(batch), rows, 1e-14)
    assert_close(func.vmap(f, in_dims=1)(batch.movedim(0, 1)), rows, 1e-14)
    gradients = torch.stack([func.grad(loss)(values) for values in batch])
    assert_close(func.vmap(func.grad(loss))(batch), gradients)


@cases_with_epsilon
def test_epsilon_is_differentiable(case):
    f = case.of(soft, tensor)
    x = tensor(VALUES).requires_grad_()
    epsilon = tensor(case.options["epsilon"]).requires_grad_()

    def of_epsilon(values, epsilon):
        return f(values, epsilon=epsilon)

    jacobian = case.expected(VALUES)[1]
    found = torch.func.jacfwd(of_epsilon, argnums=1)(x.detach(), epsilon.detach())
    assert_close(found, np.reshape(jacobian.wrt_epsilon, found.shape))
    torch.autograd.gradcheck(of_epsilon, (x, epsilon), check_forward_ad=True)
    torch.autograd.gradgradcheck(of_epsilon, (x, epsilon))
    several = torch.tensor([0.0, 0.2, 0.5, 2.0], dtype=torch.float64)
    rows = torch.stack([f(x.detach(), epsilon=float(one)) for one in several])
    batched = torch.func.vmap(of_epsilon, in_dims=(None, 0))
    assert_close(batched(x.detach(), several), rows, 1e-14)


@all_cases
def test_compiles_without_a_break(case):
    arguments = [tensor(a) if isinstance(a, np.ndarray) else a for a in case.arguments]
    options = {
        name: tensor(option) if isinstance(option, np.ndarray) else option
        for name, option in case.options.items()
    }
    function = getattr(soft, case.function)

    def f(values):
        return function(values, *arguments, **options)

    torch._dynamo.reset()
    x = tensor(VALUES).requires_grad_()
    result = torch.compile(f, fullgraph=True, backend="aot_eager")(x)
    assert_close(result, f(x).detach(), 1e-14)
    weight = tensor(np.random.default_rng(2).normal(size=result.shape))
    (found,) = torch.autograd.grad((result * weight).sum(), x)
    (expected,) = torch.autograd.grad((f(x) * weight).sum(), x)
    assert_close(found, expected)


ROWS = np.array([0.3, 0.0, 1.7])
OMIT = {"nan_policy": "omit"}
STRAIGHT = {"straight_through": True}
OPTIONS = [
    ("soft_rank", (ROWS,), OMIT | STRAIGHT | {"n_jobs": 2}),
    ("soft_sort", (ROWS,), OMIT | {"regularization": "entropic"}),
    ("soft_topk", (np.array([0.5, 2.2, 3.0]), 0.7), OMIT | {"magnitude": True}),
    ("soft_topk_sort", (3, 0.7), OMIT | STRAIGHT),
    ("soft_quantile", (0.4, ROWS), OMIT),
    ("soft_winsorize", (0.2, 0.7), OMIT | STRAIGHT),
    ("soft_quantile_normalize", ([1.0, 2.0, 5.0], ROWS), OMIT),
    ("soft_sort_with", (np.array([0.3, np.nan, 0.1]), 0.7), {"axis": 0} | OMIT),
]


@pytest.mark.parametrize(("name", "arguments", "options"), OPTIONS)
def test_options_compile(name, arguments, options):
    arguments = [tensor(a) if isinstance(a, np.ndarray) else a for a in arguments]
    function = getattr(soft, name)

    def f(values):
        return function(values, *arguments, **options)

    torch._dynamo.reset()
    x = tensor(VALUES).requires_grad_()
    result = torch.compile(f, fullgraph=True, backend="aot_eager")(x)
    expected = f(x)
    assert_allclose(result.detach(), expected.detach(), rtol=0, atol=1e-13)
    found, expected = (
        torch.autograd.grad(y[y == y].sum(), x)[0] for y in (result, expected)
    )
    assert_close(found, expected)


@all_cases
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_types_of_floats(case, dtype):
    x = tensor(VALUES).to(dtype)
    f = case.of(soft, lambda array: tensor(array).to(dtype))
    x.requires_grad_()
    result = f(x)
    (gradient,) = torch.autograd.grad(result.float().sum(), x)
    assert result.dtype == gradient.dtype == dtype
    expected = case.of(sksoftrank)(x.detach().double().numpy())
    tolerance = 30 * torch.finfo(dtype).eps
    assert_close(result.detach().double(), expected, tolerance)
    traced = torch.func.jvp(f, (x.detach(),), (torch.ones_like(x),))[0]
    assert traced.dtype == dtype
    assert_close(traced.double(), expected, tolerance)


@cases_with_axis
@pytest.mark.parametrize("shape", [(N,), (2, N), (2, 3, N), (2, 2, 3, N)], ids=str)
def test_shapes_axes_and_strides(case, shape):
    f = case.of(soft, tensor)
    values = np.random.default_rng(3).normal(size=shape)
    for axis in range(len(shape)):
        moved = np.moveaxis(values, -1, axis)
        for array in (moved, np.ascontiguousarray(moved)):
            x = torch.from_numpy(np.asarray(array)).requires_grad_()
            result = f(x, axis=axis)
            expected, jacobian = case.expected(array, axis=axis)
            assert_close(result, expected, 1e-14)
            u = np.random.default_rng(4).normal(size=np.shape(expected))
            (gradient,) = torch.autograd.grad((result * tensor(u)).sum(), x)
            assert_close(gradient, jacobian.vjp(u))
    # Every second entry of a larger tensor, in reverse.
    wide = torch.from_numpy(np.repeat(values[..., ::-1], 2, axis=-1).copy())
    strided = wide[..., ::2].flip(-1)
    assert_close(f(strided), case.of(sksoftrank)(values), 1e-14)


@cases_with_epsilon
def test_hard_and_very_soft(case):
    values = VALUES.copy()
    values[:, 0] = values[:, 3]
    for epsilon in (0.0, 1e-9, 1e3):
        expected, jacobian = case.expected(values, epsilon=epsilon)
        u = np.random.default_rng(5).normal(size=np.shape(expected))
        for strength in (epsilon, tensor(epsilon)):
            x = tensor(values).requires_grad_()
            result = case.of(soft, tensor)(x, epsilon=strength)
            (gradient,) = torch.autograd.grad((result * tensor(u)).sum(), x)
            # At kinks the pieces of both may differ: ties, at 0 and close to it.
            assert_close(result, expected, 1e-12)
            if epsilon == 1e3:
                assert_close(gradient, jacobian.vjp(u), 1e-12)
            assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("shape", [(0, N), (2, 0, N)], ids=str)
@cases_with_axis
def test_no_slices(case, shape):
    x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    result = case.of(soft, tensor)(x)
    assert result.shape == case.of(sksoftrank)(np.zeros(shape)).shape
    result.sum().backward()
    assert x.grad.shape == shape


@pytest.mark.parametrize("function", ["soft_rank", "soft_sort", "isotonic_projection"])
def test_empty_slices(function):
    x = torch.zeros((2, 0), dtype=torch.float64, requires_grad=True)
    result = getattr(soft, function)(x)
    assert result.shape == (2, 0)
    result.sum().backward()


OPERATORS = [
    ("blocks", (VALUES, 0.9, "entropic", False, True, False, None)),
    ("blocks", (VALUES, 0.9, "quadratic", True, False, True, 2)),
    ("descending_order", (VALUES, "values")),
    ("isotonic_blocks", (VALUES, VALUES[::-1].copy(), "entropic", False)),
    (
        "choice",
        (VALUES, None, np.full(3, 2.5), np.full(3, N - 2.5), 0.7, "entropic", "x", ""),
    ),
    (
        "choice",
        (
            *(VALUES, np.abs(VALUES), np.full(3, 0.5), np.abs(VALUES).sum(1) - 0.5),
            *(0.7, "quadratic", "x", ""),
        ),
    ),
]


@pytest.mark.parametrize(("name", "arguments"), OPERATORS)
def test_custom_operators(name, arguments):
    arguments = [
        tensor(a) if isinstance(a, np.ndarray | float) else a for a in arguments
    ]
    torch.library.opcheck(getattr(_structure_ops, name), arguments)


@pytest.mark.slow
def test_calls_do_not_import_the_compiler():
    # It takes seconds, within the first call.
    code = """
import sys
import torch
from sksoftrank import torch as soft

values = torch.tensor([[0.3, 2.0, -1.0, 0.5]], dtype=torch.float64)
values.clone().requires_grad_().sum().backward()
is_there = "torch._dynamo" in sys.modules
x = values.requires_grad_()
results = [
    soft.spearman_loss(x, [[1, 2, 3, 4]]),
    soft.spearman_loss(x, [[1, 2, float("nan"), 3]]),
    soft.topk_loss(x, [0]),
    soft.trimmed_loss(x[0], 2, 1.0),
    soft.soft_rank(x, torch.tensor(0.5)),
    soft.soft_topk(x, 2),
    soft.soft_sort_with(x[0], x[0]),
    soft.soft_quantile(x, 0.3),
    soft.isotonic_projection(x),
]
sum(result.sum() for result in results).backward()
assert ("torch._dynamo" in sys.modules) == is_there
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_negative_views_are_numbers():
    numbers = np.random.default_rng(0).normal(size=7)
    x = torch.complex(torch.zeros(7, dtype=torch.float64), tensor(-numbers)).conj().imag
    assert x.is_neg()
    assert_close(soft.soft_rank(x, 0.5), sksoftrank.soft_rank(numbers, 0.5))
    assert_close(soft.soft_topk(x, 2.5), sksoftrank.soft_topk(numbers, 2.5))


def test_a_single_record_has_a_gradient_in_its_criterion():
    criterion = torch.tensor([2.0], requires_grad=True)
    soft.soft_sort_with(torch.ones(1, 3), criterion).sum().backward()
    assert criterion.grad.tolist() == [0.0]
    with pytest.raises(ValueError, match="criterion must be finite, got 1 NaN"):
        soft.soft_sort_with(torch.ones(1), tensor([np.nan]))


def test_loss_modules_show_their_settings():
    epsilon = torch.nn.Parameter(torch.tensor(0.5))
    shown = [
        (
            soft.SpearmanLoss(),
            "epsilon=1.0, regularization='quadratic', top_weight=0.0",
        ),
        (
            soft.NDCGLoss(epsilon, k=3, regularization="kl"),
            "epsilon=tensor(0.5000), k=3, regularization='kl'",
        ),
        (
            soft.TopKLoss({1: 0.5}, growth="bounded"),
            "k={1: 0.5}, epsilon=1.0, operator='quadratic', growth='bounded', "
            "squashing=None",
        ),
        (soft.TrimmedLoss(2, 0.1), "n_kept=2, epsilon=0.1"),
    ]
    for module, settings in shown:
        assert repr(module) == f"{type(module).__name__}({settings})"


def test_numpy_functions_without_a_sister_want_constants():
    x = tensor(VALUES[0]).requires_grad_()
    with pytest.raises(TypeError, match=r"where that has none pass .* \.detach\(\)"):
        sksoftrank.epsilon_bounds(x)
    assert sksoftrank.epsilon_bounds(x.detach()) == sksoftrank.epsilon_bounds(VALUES[0])


def test_numpy_functions_take_bfloat16():
    x = tensor(VALUES).bfloat16()
    expected = sksoftrank.soft_rank(x.float().numpy(), 0.5)
    found = sksoftrank.soft_rank(x, 0.5)
    assert found.dtype == np.float32
    assert_close(found, expected, 0)
    epsilon = x[:, 0].abs()
    expected = sksoftrank.soft_rank(VALUES, epsilon.double())
    assert_close(sksoftrank.soft_rank(VALUES, epsilon), expected, 0)
    bounds = [sksoftrank.epsilon_bounds(row) for row in (x[0], x[0].float())]
    assert bounds[0] == bounds[1]
    ranks = -x.double()
    loss, _ = sksoftrank.losses.soft_spearman_loss(x, ranks)
    assert loss == sksoftrank.losses.soft_spearman_loss(x.double(), ranks)[0]
    for wrong in ([x[0, 0], x[0, 1]], x.to(torch.float8_e5m2)):
        with pytest.raises(TypeError, match=r"values must be .*; convert it with"):
            sksoftrank.soft_rank(wrong)
    with pytest.raises(TypeError, match=r"values must be .*\.to_dense\(\) first\.$"):
        sksoftrank.soft_rank(x.to_sparse())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: soft.SpearmanLoss("l2", 0.1),
            r"SpearmanLoss\(\) takes at most 1 positional argument, epsilon, but 2",
        ),
        (lambda: soft.NDCGLoss(regularization_strength=1), "it is called epsilon here"),
        (lambda: soft.TopKLoss(regularization="kl"), "it is called operator here"),
        (lambda: soft.TrimmedLoss(2, 0.1, dim=0), "there are n_kept and epsilon"),
    ],
)
def test_wrong_settings_of_modules(call, message):
    with pytest.raises(TypeError, match=message):
        call()


class Penalized(soft.SpearmanLoss):
    def __init__(self, penalty, *arguments, **options):
        super().__init__(*arguments, **options)
        self.strength = penalty


def test_modules_can_be_derived():
    module = Penalized(0.1, 2.0, top_weight=0.5)
    assert (module.epsilon, module.top_weight, module.strength) == (2.0, 0.5, 0.1)
    assert repr(deepcopy(module)) == "Penalized()"


def test_modules_can_be_copied():
    module = soft.TrimmedLoss(2, epsilon=torch.nn.Parameter(torch.tensor(0.5)))
    for copied in (deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert repr(copied) == repr(module)
        assert copied.epsilon is not module.epsilon


def test_spearman_loss_in_units_of_the_correlation():
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(2, 5, 30))
    rho = np.mean([spearmanr(*pair)[0] for pair in zip(scores, targets, strict=True)])
    loss = soft.spearman_loss(tensor(scores), -targets, 0.0)
    assert_close(12 * loss / (30**3 - 30), 1 - rho)
