"""Which tests are slow; what tests need of PyTorch and JAX, in the same words."""

from importlib.util import find_spec
from itertools import groupby
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


def pytest_runtest_setup():
    """What draws without a seed of its own draws the same in each run and order."""
    np.random.seed(0)  # noqa: NPY002 - scikit-learn draws from this one


needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs torch")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    """Tests have no examples to collect."""
    found = yield
    return [collector for collector in found if type(collector) is pytest.Module]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """The mark `slow`, before it is asked for, and skipped examples.

    Of a test with several parameters so many cases are left without the mark that each
    value of each parameter occurs; the slow ones are the other combinations.
    """
    for item in items:
        # The examples of `sksoftrank._autodiff` are those of PyTorch.
        if "_autodiff/_public_" in item.nodeid:
            item.add_marker(needs_torch)
        # JAX compiles for seconds.
        if "::sksoftrank.jax." in item.nodeid and "soft_rank" not in item.nodeid:
            item.add_marker(pytest.mark.slow)
    for _, cases in groupby(items, lambda item: item.nodeid.partition("[")[0]):
        mark_combinations([case for case in cases if hasattr(case, "callspec")])


def mark_combinations(cases):
    """Marks as slow the cases that bring no new value of a parameter."""
    left = [
        (case, {(name, id(value)) for name, value in case.callspec.params.items()})
        for case in cases
        if not any(case.iter_markers("slow")) and not any(case.iter_markers("skipif"))
    ]
    new = set().union(*(values for _, values in left))
    while new:
        chosen = max(left, key=lambda pair: len(pair[1] & new))
        new -= chosen[1]
        left.remove(chosen)
    for case, _ in left:
        case.add_marker(pytest.mark.slow)


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


@pytest.fixture(params=[pytest.param("torch", marks=needs_torch), "jax"])
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
