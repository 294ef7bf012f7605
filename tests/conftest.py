"""What tests need of PyTorch and JAX, in the same words; examples of Hypothesis."""

from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import settings

EXAMPLES = {"deadline": None, "derandomize": True, "database": None}
settings.register_profile("all", max_examples=100, **EXAMPLES)
settings.register_profile("quick", max_examples=20, **EXAMPLES)


def pytest_configure(config):
    """Fewer examples where the slow tests are left out."""
    is_quick = config.getoption("markexpr") == "not slow"
    settings.load_profile("quick" if is_quick else "all")


class Framework(NamedTuple):
    """What the tests need of a framework."""

    name: str
    soft: object
    array: object  # of NumPy's
    gradient: object  # of a function of one array


def torch_framework():
    """PyTorch, or a skipped test."""
    torch = pytest.importorskip("torch", reason="needs torch")
    from sksoftrank import torch as soft

    def array(values):
        return torch.tensor(np.asarray(values))

    def gradient(function, values):
        x = array(values).requires_grad_()
        function(x).backward()
        return x.grad

    return Framework("torch", soft, array, gradient)


def jax_framework():
    """JAX, or a skipped test."""
    jax = pytest.importorskip("jax", reason="needs jax")
    from sksoftrank import jax as soft

    def gradient(function, values):
        return jax.jit(jax.grad(function))(jax.numpy.asarray(values))

    return Framework("jax", soft, jax.numpy.asarray, gradient)


def pytest_collection_modifyitems(items):
    """The examples of `sksoftrank._autodiff` are those of PyTorch."""
    if find_spec("torch") is None:
        for item in items:
            if "_autodiff/_public_" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason="needs torch"))


@pytest.fixture(params=["torch", "jax"])
def framework(request):
    """Each of them, in float64."""
    if request.param == "torch":
        yield torch_framework()
        return
    found = jax_framework()
    jax = pytest.importorskip("jax")
    # Only for these tests: the switches are global. The second makes compiling fast.
    switches = ["jax_enable_x64", "jax_disable_most_optimizations"]
    for name in switches:
        jax.config.update(name, True)
    yield found
    for name in switches:
        jax.config.update(name, False)
