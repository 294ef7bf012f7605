"""What speed.py measures: inputs, calls, tables, and the targets of this project."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

import sksoftrank

# --- inputs ------------------------------------------------------------------------


@dataclass(frozen=True)
class Input:
    """An array to measure on; `scale` is the unit of epsilon for ranks."""

    make: Callable
    scale: float = 1.0


def normal(*shape, dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def near_sorted(n):
    """Sorted, then one pair in a hundred swapped."""
    x = np.sort(normal(n))
    pairs = np.random.default_rng(1).permutation(n)[: n // 50].reshape(2, -1)
    x[pairs] = x[pairs[::-1]]
    return x


def neighbours(n):
    """The n doubles from 1 upwards, shuffled: no two differ in their high bits."""
    first = np.ones(1).view(np.int64)
    return (first + np.random.default_rng(0).permutation(n)).view(np.float64)


def sawtooth(n):
    """Distinct values that rise and fall back a hundred times."""
    i = np.arange(n)
    return 100 * i % n + i / n


def two_clusters(n):
    return 1e-6 * normal(n) + 1e6 * (np.arange(n) % 2)


SIZES = {
    "n = 4": 4,
    "n = 10": 10,
    "n = 100": 100,
    "n = 1e3": 1000,
    "n = 1e4": 10_000,
    "n = 1e5": 100_000,
    "n = 1e6": 1_000_000,
    "n = 1e7": 10_000_000,
}
SHAPES = [(128, 100), (128, 1000), (128, 5000), (20_000, 50), (100_000, 10)]
N = 100_000
VALUES = {
    "float32": Input(partial(normal, N, dtype=np.float32)),
    "near-sorted": Input(partial(near_sorted, N)),
    "many ties": Input(lambda: np.round(normal(N), 1)),
    "neighbouring doubles": Input(partial(neighbours, N), scale=N * 2.0**-54),
    "sawtooth": Input(partial(sawtooth, N), scale=N / 4),
    "two clusters": Input(partial(two_clusters, N), scale=1e-6),
    "subnormals": Input(lambda: 1e-310 * normal(N), scale=1e-310),
}
INPUTS = {
    **{k: Input(partial(normal, n)) for k, n in SIZES.items()},
    **{str(shape): Input(partial(normal, *shape)) for shape in SHAPES},
    **VALUES,
}

# --- contenders --------------------------------------------------------------------


@dataclass(frozen=True)
class Contender:
    """`prepare(x, scale)` returns the function without arguments to be timed."""

    label: str
    prepare: Callable


BASELINES = [
    Contender("np.argsort", lambda x, scale: partial(np.argsort, x)),
    Contender("np.sort", lambda x, scale: partial(np.sort, x)),
]


def prepare_floor(x, scale):
    """The least that a rank takes: a sort of one key a value, and a scatter."""
    keys = np.abs(x).astype(np.float64).view(np.uint64)
    room, order, out = np.empty_like(keys), np.argsort(x, axis=-1), np.empty_like(x)

    def floor():
        room[...] = keys
        room.sort(axis=-1)
        if x.ndim == 1:
            out[order] = x
        else:
            np.put_along_axis(out, order, x, axis=-1)

    return floor


FLOOR = Contender("floor", prepare_floor)


def prepare_scipy(x, scale):
    from scipy.optimize import isotonic_regression

    return lambda: isotonic_regression(x, increasing=False).x


SCIPY = Contender("SciPy isotonic_regression", prepare_scipy)
ISOTONIC = Contender(
    "isotonic_projection quadratic",
    lambda x, scale: partial(sksoftrank.isotonic_projection, x),
)

# For standard normal values. Ranks: all singletons, the middle regime, one block.
# Sorts: all singletons at 1, the middle regime at n/10. Rows of 10: the middle at 0.3.
EPSILONS = {
    "1e-8": lambda n: 1e-8,
    "10/n": lambda n: 10 / n,
    "0.3": lambda n: 0.3,
    "1": lambda n: 1.0,
    "n/10": lambda n: n / 10,
}


def rank(regularization, epsilon, *, vjp=False, **options):
    return _contender("soft_rank", regularization, epsilon, vjp, options)


def sort(regularization, epsilon, *, vjp=False):
    return _contender("soft_sort", regularization, epsilon, vjp, {})


def choice(regularization, epsilon):
    """Of about a third of the values."""
    return Contender(
        f"soft_topk {regularization} {epsilon:g}",
        lambda x, scale: partial(
            sksoftrank.soft_topk,
            x,
            max(x.shape[-1] // 3, 1),
            epsilon,
            regularization=regularization,
        ),
    )


def _contender(name, regularization, epsilon, vjp, options):
    operator = partial(
        getattr(sksoftrank, name), regularization=regularization, **options
    )

    def prepare(x, scale):
        value = EPSILONS[epsilon](x.shape[-1]) * (scale if name == "soft_rank" else 1)
        if not vjp:
            return partial(operator, x, value)
        g = weights_like(x)

        def forward_and_vjp():
            result, jacobian = operator(x, value, return_jacobian=True)
            return result, jacobian.vjp(g)

        return forward_and_vjp

    parts = [name, regularization, epsilon]
    parts += ["+ vjp"] * vjp + [f"{key}={value}" for key, value in options.items()]
    return Contender(" ".join(parts), prepare)


def weights_like(x):
    """What every backward pass multiplies; not constant, as the sum of ranks is."""
    return np.random.default_rng(1).standard_normal(x.shape).astype(x.dtype)


# --- tables ------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Every contender on every input; with a `target`, a promise about their ratios."""

    title: str
    inputs: list
    contenders: list
    baseline: str = "np.argsort"
    target: float | None = None


MEDIUM = ["n = 1e4", "n = 1e5", "n = 1e6"]
LARGE = ["n = 1e5", "n = 1e6"]
RANKS = [rank("quadratic", e) for e in ("1e-8", "10/n", "1")]
RANKS_VJP = [rank("quadratic", e, vjp=True) for e in ("1e-8", "10/n", "1")]
SMOOTH = [rank("entropic", "1"), rank("kl", "1")]
SMOOTH_VJP = [rank("entropic", "1", vjp=True), rank("kl", "1", vjp=True)]
SORTS = [sort(r, e) for r in ("quadratic", "entropic") for e in ("1", "n/10")]
SORTS_VJP = [
    sort(r, e, vjp=True) for r in ("quadratic", "entropic") for e in ("1", "n/10")
]
ROWS = [rank("quadratic", e) for e in ("1e-8", "0.3", "1")]
ROWS_VJP = [rank("quadratic", e, vjp=True) for e in ("1e-8", "0.3", "1")]

CHOICES = [choice("quadratic", e) for e in (0.0, 0.1, 1.0, 10.0)]
ENTROPIC_CHOICES = [choice("entropic", e) for e in (0.1, 1.0, 10.0)]
SHORT = ["n = 10", "n = 100"]
SMOOTH_RANKS = {
    name: [rank(name, e) for e in ("10/n", "1")] for name in ("entropic", "kl")
}
TARGETS = [
    Table(
        "soft_rank quadratic, 1e-8 and 10/n, n = 1e4..1e6",
        MEDIUM,
        RANKS[:2],
        "floor",
        target=1.35,
    ),
    Table(
        "soft_rank entropic, n = 1e4..1e6",
        MEDIUM,
        SMOOTH_RANKS["entropic"],
        "floor",
        target=1.3,
    ),
    Table(
        "soft_rank kl, n = 1e4..1e6", MEDIUM, SMOOTH_RANKS["kl"], "floor", target=1.8
    ),
    Table("soft_rank quadratic + vjp, n = 1e5, 1e6", LARGE, RANKS_VJP, target=1.0),
    Table("soft_rank entropic and kl, 1, + vjp", LARGE, SMOOTH_VJP, target=1.6),
    Table(
        "soft_sort quadratic, n = 1e4..1e6", MEDIUM, SORTS[:2], "np.sort", target=1.3
    ),
    Table("soft_sort entropic, n = 1e4..1e6", MEDIUM, SORTS[2:], "np.sort", target=1.5),
    Table("soft_sort + vjp, n = 1e5", ["n = 1e5"], SORTS_VJP, target=1.1),
    Table("ties and clusters", ["many ties", "two clusters"], RANKS, target=1.2),
    Table("soft_rank quadratic, (100000, 10)", ["(100000, 10)"], ROWS, target=1.2),
    Table("the same + vjp", ["(100000, 10)"], ROWS_VJP, target=1.6),
    Table("soft_topk quadratic", ["(100000, 10)"], CHOICES, target=1.5),
    Table("soft_topk entropic", ["(100000, 10)"], ENTROPIC_CHOICES, target=4.0),
    # 3 and 6 microseconds where np.argsort takes 2.
    Table("soft_rank quadratic, n = 10, 100", SHORT, RANKS, target=1.5),
    Table("the same + vjp", SHORT, RANKS_VJP, target=3.0),
    Table(
        "isotonic_projection",
        ["n = 10", "n = 100", "n = 1e3", *MEDIUM],
        [ISOTONIC],
        SCIPY.label,
        target=1.0,
    ),
]
TABLES = [
    Table("Soft ranks by size", list(SIZES), RANKS),
    Table(
        "Smooth and differentiated ranks by size",
        list(SIZES)[:-1],
        [rank("quadratic", "10/n", vjp=True), *SMOOTH, *SMOOTH_VJP],
    ),
    Table(
        "Soft sorts by size",
        list(SIZES)[:-1],
        [*SORTS, sort("quadratic", "n/10", vjp=True)],
    ),
    Table(
        "Batches",
        [str(shape) for shape in SHAPES],
        [
            *RANKS,
            rank("quadratic", "1", vjp=True),
            rank("entropic", "1", vjp=True),
            sort("quadratic", "n/10"),
        ],
    ),
    Table(
        "Kinds of values, n = 1e5",
        ["n = 1e5", *VALUES],
        [*RANKS, rank("entropic", "1"), sort("quadratic", "1")],
    ),
]


def ratio(times, name, label, baseline):
    return float(np.median(times[name][label] / times[name][baseline]))
