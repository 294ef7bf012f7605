"""Speed of the operators, as ratios to NumPy's own sorts of the same array.

    python benchmarks/speed.py [--quick] [--peers] [--out DIR] [--only SUBSTRING]

See README.md in this directory for what is measured and how to read it.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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


# --- what is measured --------------------------------------------------------------


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

# --- peers: other packages' versions of the same call ------------------------------


@dataclass(frozen=True)
class Pair:
    """A peer and our call that does the same, or (not `is_same`) serves the same."""

    peer: Contender
    ours: Contender
    inputs: list
    is_same: bool = True


def torchsort_pairs():
    import torch
    import torchsort

    torch.set_num_threads(1)
    # Its "l2" is our "quadratic"; its "kl" is our "kl" for ranks, "entropic" for sorts.
    names = {"quadratic": "l2", "kl": "kl", "entropic": "kl"}

    def contender(name, regularization, epsilon, vjp):
        operator = partial(
            getattr(torchsort, name), regularization=names[regularization]
        )

        def prepare(x, scale):
            tensor = torch.from_numpy(np.atleast_2d(x))
            strength = EPSILONS[epsilon](x.shape[-1])
            g = torch.from_numpy(np.atleast_2d(weights_like(x)))

            def forward():
                with torch.no_grad():
                    result = operator(tensor, regularization_strength=strength)
                return result.numpy()

            def forward_and_backward():
                leaf = tensor.detach().requires_grad_()
                result = operator(leaf, regularization_strength=strength)
                (gradient,) = torch.autograd.grad(result, leaf, g)
                return result.detach().numpy(), gradient.numpy()

            return forward_and_backward if vjp else forward

        label = f"torchsort {name} {names[regularization]} {epsilon}"
        return Contender(label + " + backward" * vjp, prepare)

    calls = [("soft_rank", "quadratic", e) for e in ("1e-8", "10/n", "1")]
    calls += [("soft_rank", "kl", "1"), ("soft_sort", "quadratic", "n/10")]
    calls += [("soft_sort", "entropic", "n/10")]
    return [
        Pair(
            contender(name, regularization, epsilon, vjp),
            (rank if name == "soft_rank" else sort)(regularization, epsilon, vjp=vjp),
            ["n = 1e3", "n = 1e5", "(128, 1000)", "(100000, 10)"],
        )
        for name, regularization, epsilon in calls
        for vjp in (False, True)
    ]


def scipy_pairs():
    return [Pair(SCIPY, ISOTONIC, ["n = 1e3", "n = 1e5"])]


def ott_pairs():
    import jax
    from ott.tools import soft_sort

    jax.config.update("jax_enable_x64", True)

    def prepare(x, scale):
        ranks = jax.jit(soft_sort.ranks)
        array = jax.numpy.asarray(x)
        return lambda: ranks(array).block_until_ready()

    # Ranks by optimal transport: another operator, with another result.
    contender = Contender("ott-jax ranks", prepare)
    inputs = ["n = 100", "n = 1e3"]
    return [Pair(contender, rank("quadratic", "1"), inputs, is_same=False)]


PEERS = {"torchsort": torchsort_pairs, "SciPy": scipy_pairs, "ott-jax": ott_pairs}


def load_peers():
    """The pairs of the importable peers, and a word on each of the others."""
    pairs, skipped = [], []
    for name, load in PEERS.items():
        try:
            pairs += load()
        except ImportError as error:
            skipped.append(f"{name} is skipped: {error}.")
    return pairs, skipped


# --- measuring ---------------------------------------------------------------------

SHORTEST = 2_000_000  # nanoseconds; shorter calls are repeated within one timing


def measure(calls, clock, seconds, min_rounds):
    """Nanoseconds a call by label, one entry a round; calls take turns in a round."""
    repeats = {label: count_repeats(call, clock) for label, call in calls.items()}
    times = {label: [] for label in calls}
    end = time.perf_counter() + seconds
    n_rounds = 0
    while n_rounds < min_rounds or time.perf_counter() < end:
        for label, call in calls.items():
            times[label].append(time_calls(call, repeats[label], clock))
        n_rounds += 1
    return {label: np.array(row) / repeats[label] for label, row in times.items()}


def time_calls(call, repeats, clock):
    start = clock()
    for _ in range(repeats):
        call()
    return clock() - start


def count_repeats(call, clock):
    repeats = 1
    while time_calls(call, repeats, clock) < SHORTEST:
        repeats *= 2
    return repeats


def contenders_by_input(tables, pairs):
    """{input: {label: contender}}, without repetition, the baselines first."""
    wanted = {}
    for table in tables:
        for name in table.inputs:
            wanted.setdefault(name, []).extend(table.contenders)
    for pair in pairs:
        for name in pair.inputs:
            wanted.setdefault(name, []).extend([pair.ours, pair.peer])
    return {
        name: {c.label: c for c in [*BASELINES, FLOOR, SCIPY, *contenders]}
        for name, contenders in wanted.items()
    }


def run(tables, pairs, *, seconds, min_rounds, max_size, only):
    """Times {input: {label: array}} and differences {(input, peer label): tuple}."""
    times, differences = {}, {}
    for name, contenders in contenders_by_input(tables, pairs).items():
        own = {c.label for t in tables if name in t.inputs for c in t.contenders}
        own |= {p.peer.label for p in pairs if name in p.inputs}
        matching = [label for label in own if only in f"{name}: {label}"]
        x = INPUTS[name].make() if matching else np.empty(0)
        if not 0 < x.size <= max_size:
            continue
        print(f"measuring {name} ...", flush=True)
        # A ratio needs its baseline or partner, whatever --only says of it.
        keep = {baseline.label for baseline in BASELINES} | set(matching)
        keep |= {t.baseline for t in tables if name in t.inputs}
        keep |= {p.ours.label for p in pairs if p.peer.label in matching}
        calls = {
            label: contender.prepare(x, INPUTS[name].scale)
            for label, contender in contenders.items()
            if label in keep
        }
        times[name] = measure(calls, time.process_time_ns, seconds, min_rounds)
        for pair in pairs:
            if pair.is_same and name in pair.inputs and pair.peer.label in calls:
                differences[name, pair.peer.label] = difference(
                    calls[pair.peer.label](), calls[pair.ours.label]()
                )
    return times, differences


def difference(peer, ours):
    """Largest difference of results and, relative to the largest entry, gradients."""
    if not isinstance(ours, tuple):
        return (float(np.abs(peer - ours).max()),)
    error = float(np.abs(peer[0] - ours[0]).max())
    gradient_error = float(np.abs(peer[1] - ours[1]).max())
    largest = float(np.abs(ours[1]).max())
    return error, gradient_error / largest if largest else gradient_error


# --- reporting ---------------------------------------------------------------------


def ratio(times, name, label, baseline):
    return float(np.median(times[name][label] / times[name][baseline]))


def plain(value):
    """Three digits, and no powers of ten."""
    return f"{value:.3g}" if value < 999.5 else f"{float(f'{value:.3g}'):,.0f}"


def duration(nanoseconds):
    value = float(np.median(nanoseconds))
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if value >= size:
            return f"{plain(value / size)} {unit}"
    return f"{plain(value / 1e3)} us"


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def target_rows(times):
    """Target against measured: the range of the ratios and the slowest case."""
    for table in TARGETS:
        cases = {
            (name, c.label): ratio(times, name, c.label, table.baseline)
            for name in table.inputs
            for c in table.contenders
            if c.label in times.get(name, {})
        }
        target = f"<= {table.target:g}x {table.baseline}"
        if not cases:
            yield table.title, target, "not measured", "", ""
            continue
        name, label = max(cases, key=cases.get)
        worst = cases[name, label]
        yield (
            table.title,
            target,
            f"{min(cases.values()):.2f} to {worst:.2f}",
            f"{label}, {name}: {duration(times[name][label])}",
            "pass" if worst <= table.target else "**fail**",
        )


def table_rows(table, times):
    """One line an input; cells are ratios to np.argsort / np.sort."""
    for name in table.inputs:
        measured = times.get(name, {})
        if not any(c.label in measured for c in table.contenders):
            continue
        yield (
            name,
            *(duration(measured[baseline.label]) for baseline in BASELINES),
            *(
                " / ".join(
                    f"{ratio(times, name, c.label, b.label):.2f}" for b in BASELINES
                )
                if c.label in measured
                else ""
                for c in table.contenders
            ),
        )


def peer_rows(pairs, times, differences):
    for pair in pairs:
        peer, ours = pair.peer.label, pair.ours.label
        for name in pair.inputs:
            if peer not in times.get(name, {}):
                continue
            errors = [
                f"{e:.1e}" if e else "0" for e in differences.get((name, peer), ())
            ]
            if not pair.is_same:
                errors = ["another operator"]
            errors += [""] * (2 - len(errors))
            yield (
                peer,
                name,
                duration(times[name][peer]),
                duration(times[name][ours]),
                f"{ratio(times, name, peer, ours):.2f}",
                *errors,
            )


def peer_summary(pairs, times):
    """One line a package: how much longer it takes, and where it is ahead."""
    ratios = {}
    for pair in pairs:
        package = pair.peer.label.split()[0]
        for name in pair.inputs:
            if pair.peer.label in times.get(name, {}):
                found = ratio(times, name, pair.peer.label, pair.ours.label)
                ratios.setdefault(package, {})[f"{pair.peer.label}, {name}"] = found
    lines = []
    for package, found in ratios.items():
        ahead = [f"{case} ({value:.2f})" for case, value in found.items() if value < 1]
        lines.append(
            f"- {package} takes {plain(min(found.values()))} to "
            f"{plain(max(found.values()))} times our time"
            + (f", and is ahead for {'; '.join(ahead)}." if ahead else ".")
        )
    return "\n".join(lines)


def report(times, differences, pairs, skipped, options):
    """The markdown text: what users take otherwise first, our own targets last."""
    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    text = [
        "# Speed",
        f"sksoftrank {sksoftrank.__version__}, NumPy {np.__version__} (SIMD: "
        f"{' '.join(simd.get('found', []))}), Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs. "
        "Single thread, process CPU time; every ratio is the median of the ratios "
        "within each round of all contenders. Made by "
        f"`python benchmarks/speed.py{options} --out docs/benchmarks`.",
        "A hard rank is `np.argsort`, a hard sort `np.sort`: the tables say how much "
        "of their time the soft ones take. Below some hundred values a call is mostly "
        "the checks of its arguments, and slower than they are: rank short rows as one "
        "batch.",
    ]
    rows = list(peer_rows(pairs, times, differences))
    if rows:
        header = ["peer", "input", "peer's time", "our time", "peer / ours"]
        header += ["largest difference of results", "of gradients, relative"]
        text += [
            "## Other packages",
            peer_summary(pairs, times),
            markdown(header, rows),
        ]
    for table in TABLES:
        rows = list(table_rows(table, times))
        if rows:
            header = ["input", *(b.label for b in BASELINES)]
            header += [c.label for c in table.contenders]
            text += [
                f"## {table.title}",
                "Cells: ratio to np.argsort / ratio to np.sort.",
                markdown(header, rows),
            ]
    text += [
        "## Targets, for developers",
        "A floor is the least that a rank takes: `np.sort` of one integer a value, and "
        "`out[order] = x`.",
        markdown(
            ["call", "target", "measured", "slowest case", ""], list(target_rows(times))
        ),
    ]
    return "\n\n".join(text + skipped) + "\n"


def draw(times, path):
    """Ratios to np.argsort: over n, and over kinds of input."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for contender in [*RANKS, rank("entropic", "1"), sort("quadratic", "n/10")]:
        points = [
            (n, ratio(times, name, contender.label, "np.argsort"))
            for name, n in SIZES.items()
            if contender.label in times.get(name, {})
        ]
        if points:
            left.loglog(*zip(*points, strict=True), marker="o", label=contender.label)
    left.axhline(1, color="black", linewidth=0.8)
    left.set(xlabel="n", ylabel="time / time of np.argsort", title="One array")
    left.legend()
    names = [k for k in ["n = 1e5", *VALUES, *map(str, SHAPES)] if k in times]
    for contender in RANKS:
        points = [
            (ratio(times, name, contender.label, "np.argsort"), name)
            for name in names
            if contender.label in times[name]
        ]
        if points:
            right.semilogx(*zip(*points, strict=True), "o", label=contender.label)
    right.axvline(1, color="black", linewidth=0.8)
    right.set(xlabel="time / time of np.argsort", title="Values (n = 1e5) and batches")
    right.invert_yaxis()
    for axis in (left.yaxis, right.xaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, n <= 1e6")
    parser.add_argument("--peers", action="store_true", help="other packages too")
    parser.add_argument("--out", type=Path, help="directory for speed.md and speed.png")
    parser.add_argument("--only", default="", help="part of 'input: call'")
    args = parser.parse_args()
    pairs, skipped = load_peers() if args.peers else ([], [])
    times, differences = run(
        TARGETS + TABLES,
        pairs,
        seconds=0.5 if args.quick else 6,
        min_rounds=3 if args.quick else 5,
        max_size=10**6 if args.quick else 10**7,
        only=args.only,
    )
    options = " --quick" * args.quick + " --peers" * args.peers
    text = report(times, differences, pairs, skipped, options)
    print(text)
    if args.out is None:
        return
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "speed.md").write_text(text, encoding="utf-8")
    try:
        draw(times, args.out / "speed.png")
    except ImportError as error:
        print(f"The figure is skipped: {error}.")


if __name__ == "__main__":
    main()
