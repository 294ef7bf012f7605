"""What the tests of PyTorch and JAX have in common: calls of every operator."""

from typing import NamedTuple

import numpy as np
import pytest

import sksoftrank

N = 7
RNG = np.random.default_rng(0)
# Far from kinks, so that differences are those of one piece.
VALUES = RNG.permuted(np.linspace(-2, 2, 3 * N).reshape(3, N), axis=1)
VALUES += RNG.uniform(-0.02, 0.02, size=VALUES.shape)
OTHER = RNG.normal(size=N)
WEIGHTS = RNG.uniform(0.5, 2.0, size=N)


class Case(NamedTuple):
    """A call of an operator; arrays among the arguments belong to a slice."""

    function: str
    arguments: tuple
    options: dict

    def of(self, module, convert=lambda array: array):
        """The call as a function of values and what replaces arguments and options."""

        def call(values, **changes):
            arguments = [
                convert(a) if isinstance(a, np.ndarray) else a for a in self.arguments
            ]
            options = {
                name: convert(option) if isinstance(option, np.ndarray) else option
                for name, option in (self.options | changes).items()
            }
            return getattr(module, self.function)(values, *arguments, **options)

        return call

    def expected(self, values, **changes):
        """Value and Jacobian of the NumPy function."""
        return self.of(sksoftrank)(values, return_jacobian=True, **changes)


def _cases():
    both = ["quadratic", "entropic"]
    for kind in ({"regularization": r, "epsilon": 0.9} for r in [*both, "kl"]):
        yield "soft_rank", (), kind
        yield "soft_rank", (), {"descending": True} | kind
        yield "soft_quantile_normalize", (OTHER,), kind
    for kind in ({"regularization": r, "epsilon": 1.7} for r in both):
        for flag in (False, True):
            yield "soft_sort", (), {"descending": flag} | kind
            yield "soft_topk_sort", (3,), {"largest": flag} | kind
    for kind in ({"regularization": r, "epsilon": 0.7} for r in both):
        yield "soft_topk", (2.5,), kind
        yield "soft_topk", (2.5,), {"largest": False, "weights": WEIGHTS} | kind
        yield "soft_quantile", ([0.0, 0.3, 0.55],), kind
        yield "soft_quantile", (0.4,), {"weights": WEIGHTS} | kind
        yield "soft_median", (), kind
        yield "soft_trimmed_mean", ([0.2, 0.1],), kind
        yield "soft_trimmed_mean", (0.2,), {"weights": WEIGHTS} | kind
        yield "soft_winsorize", ([0.2, 0.25],), kind
        yield "soft_sort_with", (OTHER[:3],), kind
    for kind in ({"regularization": r} for r in both):
        yield "isotonic_projection", (), {"w": OTHER} | kind
        yield "isotonic_projection", (), kind
        yield "project_permutahedron", (OTHER,), kind


CASES = [Case(*case) for case in _cases()]


def name_of(case):
    """The name of a test of a case."""
    options = (
        name if isinstance(option, np.ndarray) else str(option)
        for name, option in case.options.items()
    )
    return "-".join([case.function, *options])


def each(cases):
    """Parametrises a test by cases."""
    return pytest.mark.parametrize("case", list(cases), ids=name_of)


all_cases = each(CASES)
cases_with_epsilon = each(case for case in CASES if "epsilon" in case.options)
# Those of which the slices are along any axis of values of any shape.
cases_with_axis = each(case for case in CASES if case.function != "soft_sort_with")
