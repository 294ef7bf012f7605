"""The code blocks of the recipes run, and what they define is right."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sksoftrank import soft_rank, soft_sort

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"
FRAMEWORKS = {"pytorch": "torch", "jax": "jax"}

OPERATORS = [
    *(
        partial(soft_rank, epsilon=0.3, regularization=regularization)
        for regularization in ("quadratic", "entropic", "kl")
    ),
    *(
        partial(soft_sort, epsilon=3.0, regularization=regularization)
        for regularization in ("quadratic", "entropic")
    ),
]
all_operators = pytest.mark.parametrize("operator", OPERATORS)


def run_recipe(name):
    """The framework, and the names that the blocks of the recipe define."""
    module = FRAMEWORKS[name]
    framework = pytest.importorskip(module, reason=f"needs {module}")
    page = RECIPES / f"{name}.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S)
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    return framework, names


@pytest.fixture(scope="module")
def pytorch():
    return run_recipe("pytorch")


@pytest.fixture(scope="module")
def jax():
    return run_recipe("jax")


def test_every_recipe_is_tested():
    assert sorted(FRAMEWORKS) == sorted(page.stem for page in RECIPES.glob("*.md"))


def data(dtype=np.float64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 2, 5)).astype(dtype), rng.normal(size=(3, 2, 5))


@all_operators
def test_pytorch(pytorch, operator):
    torch, names = pytorch
    values, weight = data()
    tensor = torch.tensor(values, requires_grad=True)
    result = names["soft"](operator, tensor)
    expected, jacobian = operator(values, return_jacobian=True)
    assert_allclose(result.detach().numpy(), expected, rtol=1e-15)
    (result * torch.tensor(weight)).sum().backward()
    assert_allclose(tensor.grad.numpy(), jacobian.vjp(weight), rtol=1e-15)
    assert torch.autograd.gradcheck(lambda x: names["soft"](operator, x), tensor)


def test_pytorch_keeps_float32_and_options(pytorch):
    torch, names = pytorch
    tensor = torch.tensor(data(np.float32)[0], requires_grad=True)
    result = names["soft"](soft_rank, tensor, epsilon=0.0, descending=True)
    result.sum().backward()
    assert result.dtype == tensor.grad.dtype == torch.float32
    assert_allclose(
        result.detach().numpy(), soft_rank(tensor.detach(), 0.0, descending=True)
    )


@all_operators
@pytest.mark.parametrize("power", [1, 2])
def test_pytorch_has_no_second_derivative(pytorch, operator, power):
    torch, names = pytorch
    tensor = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64, requires_grad=True)

    def loss(x):
        return (torch.arange(3.0) * names["soft"](operator, x) ** power).sum()

    (gradient,) = torch.autograd.grad(loss(tensor), tensor, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives only"):
        gradient[0].backward()
    with pytest.raises(RuntimeError, match="first derivatives only"):
        torch.autograd.functional.hessian(loss, tensor)
    # A penalty on the gradient within a larger loss, too.
    with pytest.raises(RuntimeError, match="first derivatives only"):
        ((gradient**2).sum() + tensor.sum()).backward()


@all_operators
def test_jax(jax, operator):
    framework, names = jax
    values, weight = data(np.float32)
    weight = weight.astype(np.float32)
    soft = partial(names["soft"], operator)
    expected, jacobian = operator(values, return_jacobian=True)

    def loss(x, w):
        return (soft(x) * w).sum()

    assert_allclose(framework.jit(soft)(values), expected, rtol=1e-6)
    for gradient in (framework.grad(loss), framework.jit(framework.grad(loss))):
        assert_allclose(gradient(values, weight), jacobian.vjp(weight), rtol=1e-5)
    by_row = framework.vmap(framework.vmap(framework.grad(loss)))(values, weight)
    assert_allclose(by_row, jacobian.vjp(weight), rtol=1e-5)


def test_jax_in_float64(jax):
    framework, names = jax
    values, weight = data()
    rank = partial(soft_rank, epsilon=0.3)
    # Only for these calls: the switch is global.
    framework.config.update("jax_enable_x64", True)
    try:
        gradient = framework.grad(lambda x: (names["soft"](rank, x) * weight).sum())
        found = np.asarray(gradient(values))
    finally:
        framework.config.update("jax_enable_x64", False)
    assert found.dtype == np.float64
    jacobian = rank(values, return_jacobian=True)[1]
    assert_allclose(found, jacobian.vjp(weight), rtol=1e-14)
