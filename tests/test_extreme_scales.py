"""Values, weights and epsilon of any size: no warnings of NumPy, and no NaN."""

import inspect

import numpy as np
import pytest
from marks import slow
from operator_table import OPERATORS

from sksoftrank import (
    epsilon_bounds,
    isotonic_projection,
    project_permutahedron,
    soft_sort_with,
)

RNG = np.random.default_rng(0)
START = RNG.bit_generator.state
SCALES = [5e-324, 1e-310, 1e-300, 1e-100, 1.0, 1e100, 1e290, 1e305, 4e307]
EPSILONS = [0.0, 5e-324, 1e-310, 1e-300, 1e-20, 1.0, 1e150, 1e300, 1.7e308]
NAMES = [name for name in OPERATORS if name.startswith("soft_") and "perm" not in name]
DERIVATIVES = ("wrt_epsilon", "wrt_k", "wrt_q", "wrt_cut")


@pytest.fixture(autouse=True)
def same_numbers_in_any_order():
    RNG.bit_generator.state = START


def draw(scale, dtype=np.float64):
    """Rows of this scale; in float32 only what it holds."""
    rows = [
        scale * RNG.normal(size=9) / 4,
        np.array([scale, 0, 0, 1, -1, scale / 3, 2, 3, -scale / 2]),
        scale * (1 + 1e-15 * RNG.integers(0, 5, size=9)),
        np.full(9, scale),
    ]
    for x in rows:
        if np.abs(x).max() <= np.finfo(dtype).max:
            yield x.astype(dtype)


def check(call, *arguments, **options):
    """Neither result nor derivatives are NaN; what is too large may be refused."""
    try:
        result, jacobian = call(*arguments, return_jacobian=True, **options)
    except ValueError as error:
        refusal = str(error)
    else:
        refusal = None
    if refusal is not None:
        reasons = "rescale them", "have a finite sum", "at most 1e+12"
        assert any(reason in refusal for reason in reasons)
        return
    u = RNG.normal(size=jacobian.input_shape)
    g = RNG.normal(size=jacobian.output_shape)
    found = [result, jacobian.jvp(u), jacobian.vjp(g), jacobian.jvp(np.ones_like(u))]
    found += [getattr(jacobian, name, None) for name in DERIVATIVES]
    for name in ("wrt_weights", "wrt_criterion", "wrt_w"):
        other = getattr(jacobian, name, None)
        if other is not None:
            found += [other.vjp(g), other.jvp(np.ones(other.input_shape))]
    for array in found:
        assert array is None or not np.isnan(np.asarray(array)).any()


@pytest.mark.parametrize("dtype", [np.float64, slow(np.float32)])
@pytest.mark.parametrize("scales", [SCALES[::2], slow(SCALES[1::2])])
@pytest.mark.parametrize("name", NAMES)
def test_operators(name, dtype, scales):
    for scale in scales:
        for x in draw(scale, dtype):
            for epsilon in EPSILONS:
                check(OPERATORS[name].call, x, epsilon=epsilon)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in NAMES
        if "weights" in inspect.signature(OPERATORS[name].call).parameters
    ],
)
def test_weights(name):
    call = OPERATORS[name].call
    ordinary = "k" in call.keywords  # k is in the units of the weights
    for weights in (
        np.arange(9.0),
        np.append(np.full(8, 1e-290), 9.0),
        np.full(9, 1.0 if ordinary else 1e-300),
        np.full(9, 1e305),
    ):
        for scale in SCALES[::2]:
            for x in draw(scale):
                for epsilon in EPSILONS[::2]:
                    check(call, x, epsilon=epsilon, weights=weights)


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_projections_records_and_bounds(regularization):
    options = {"regularization": regularization}
    for scale in SCALES:
        for x in draw(scale):
            check(isotonic_projection, x, **options)
            for w in (np.arange(9.0), 1e-300 * np.arange(9.0), 1e300 * np.ones(9)):
                check(project_permutahedron, x, w, **options)
            for epsilon in EPSILONS:
                check(soft_sort_with, np.arange(9.0), x, epsilon, **options)
                check(soft_sort_with, x, x, epsilon, **options)
            for operator in ("rank", "sort", "quantile", "trimmed_mean", "sort_with"):
                if np.ptp(x) > 1e305:
                    continue
                bounds = epsilon_bounds(x, operator=operator, **options)
                assert not np.isnan(bounds).any()
