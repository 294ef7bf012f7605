"""Time and memory of every soft rank and sort, as in section 6.2 of the paper.

    python benchmarks/runtime.py [--out DIR] [--memory GIB] [--seconds S] [--max-size N]
        [--only SUBSTRING]

Batches of 128 slices of n values, forward and forward with backward. Each case runs in
a forked process of its own, whose memory is limited (needs a Unix system).
"""

import argparse
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

# One thread: before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from pages import duration, markdown, plain

import sksoftrank
from sksoftrank import pairwise, sinkhorn

BATCH = 128
SIZES = [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000]
MODES = ["forward", "forward + backward"]
# Where the target is measured, and how many times faster ours must be.
TARGET_SIZE, TARGET = 5000, 100

# The largest n of the operators that compare all pairs.
LARGEST_OF_PAIRS = 10_000
# Seconds: a single slice that takes longer is left out; a call that takes longer is not
# repeated; a call that takes less is repeated within one timing.
TOO_LONG, LONG, SHORT = 30, 0.5, 0.01
ROUNDS = 5


@dataclass(frozen=True)
class Operator:
    """A function of values and epsilon; `epsilon` is a function of n."""

    label: str
    function: Callable
    epsilon: Callable
    is_ours: bool = False

    def call(self, x, g, mode):
        """The result or, with backward, one vector-Jacobian product."""
        epsilon = self.epsilon(x.shape[1])
        if mode == "forward":
            return self.function(x, epsilon)
        _, jacobian = self.function(x, epsilon, return_jacobian=True)
        return jacobian.vjp(g)


def projection(name, regularization, epsilon):
    function = partial(getattr(sksoftrank, name), regularization=regularization)
    return Operator(f"{name} {regularization}", function, epsilon, is_ours=True)


# Values are standard normal. Ranks and sorts of ours are in the middle regime, where
# neither all values are pooled nor none; the time of the others hardly depends on it.
OPERATORS = [
    projection("soft_rank", "quadratic", lambda n: 10 / n),
    projection("soft_rank", "entropic", lambda n: 10 / n),
    projection("soft_rank", "kl", lambda n: 10 / n),
    projection("soft_sort", "quadratic", lambda n: n / 10),
    projection("soft_sort", "entropic", lambda n: n / 10),
    Operator("sinkhorn_rank", sinkhorn.sinkhorn_rank, lambda n: 1e-2),
    Operator("sinkhorn_sort", sinkhorn.sinkhorn_sort, lambda n: 1e-2),
    Operator("all_pairs_rank", pairwise.all_pairs_rank, lambda n: 0.1),
    Operator("gaussian_soft_rank", pairwise.gaussian_soft_rank, lambda n: 0.1),
    Operator("neural_sort", pairwise.neural_sort, lambda n: 0.1),
    Operator("soft_sort_permutation", pairwise.soft_sort_permutation, lambda n: 0.1),
]

# --- measuring ---------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """Seconds and megabytes of a batch, or the reason why there are none."""

    seconds: float = float("nan")
    ratio: float = float("nan")
    megabytes: float = float("nan")
    slices: int = BATCH
    failure: str = ""


def measure(operator, n, mode, slices, limit_bytes):
    """Time against `np.argsort` in turns, and the peak memory of one call."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, hard))
    x = np.random.default_rng(0).standard_normal((slices, n))
    call = partial(operator.call, x, np.cos(np.arange(x.size)).reshape(x.shape), mode)
    start_memory = peak_memory()
    try:
        first = timed(call)
    except MemoryError:
        return Result(failure="out of memory")
    memory = peak_memory() - start_memory
    times, baselines = [], [timed(partial(np.argsort, x)) for _ in range(3)]
    # The first call warms the caches up; a long one need not be repeated.
    for _ in range(ROUNDS if first < LONG else 0):
        times.append(timed(call))
        baselines.append(timed(partial(np.argsort, x)))
    seconds = float(np.median(times or [first]))
    return Result(
        seconds * BATCH / slices,
        seconds / float(np.median(baselines)),
        memory / 1e6,
        slices,
    )


def timed(call):
    start, repeats = time.process_time(), 0
    while repeats == 0 or time.process_time() - start < SHORT:
        call()
        repeats += 1
    return (time.process_time() - start) / repeats


def peak_memory():
    """Bytes; since the fork of this process."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def in_own_process(function, *args):
    """Result of a call in a forked process, or what became of the process."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def run():
        sender.send(function(*args))

    process = context.Process(target=run)
    process.start()
    sender.close()
    try:
        result = receiver.recv()
    except EOFError:  # the system has killed it
        result = Result(failure="out of memory")
    process.join()
    return result


def run(max_size, seconds, limit_bytes, only):
    """Results {(label, n, mode): Result}."""
    results = {}
    for operator in OPERATORS:
        for mode in MODES if only in operator.label else ():
            previous = None
            for n in [size for size in SIZES if size <= max_size]:
                slices = affordable_slices(operator, previous, n, seconds)
                if slices < 1:
                    break
                print(f"measuring {operator.label}, {mode}, n = {n} ...", flush=True)
                result = in_own_process(measure, operator, n, mode, slices, limit_bytes)
                results[operator.label, n, mode] = result
                if result.failure:
                    break
                previous = (n, result.seconds)
    return results


def affordable_slices(operator, previous, n, seconds):
    """How many slices can be expected to take less than `seconds`; none if too long."""
    if operator.is_ours:
        return BATCH
    if n > LARGEST_OF_PAIRS:
        return 0
    if previous is None:
        return BATCH
    previous_n, previous_seconds = previous
    slice_seconds = previous_seconds / BATCH * (n / previous_n) ** 2
    if slice_seconds > TOO_LONG:
        return 0
    return min(BATCH, max(1, int(seconds / slice_seconds)))


# --- reporting ---------------------------------------------------------------------


def cell(result, kind):
    if result is None:
        return "-"
    if result.failure:
        return result.failure
    mark = "" if result.slices == BATCH else f" ({result.slices})"
    if kind == "memory":
        return f"{result.megabytes:.0f}{mark}"
    return f"{duration(1e9 * result.seconds)} / {plain(result.ratio)}{mark}"


def table(results, mode, kind):
    sizes = sorted({n for _, n, _ in results})
    rows = [
        [
            operator.label,
            *(cell(results.get((operator.label, n, mode)), kind) for n in sizes),
        ]
        for operator in OPERATORS
        if any(operator.label == label for label, _, _ in results)
    ]
    return markdown(["operator", *(f"n = {n}" for n in sizes)], rows)


def target_lines(results):
    """How many times the slowest of ours is faster than the fastest of the others."""
    for mode in MODES:
        ratios = {
            operator: results[operator.label, TARGET_SIZE, mode].ratio
            for operator in OPERATORS
            if (operator.label, TARGET_SIZE, mode) in results
            and not results[operator.label, TARGET_SIZE, mode].failure
        }
        ours = {o.label: r for o, r in ratios.items() if o.is_ours}
        others = {o.label: r for o, r in ratios.items() if not o.is_ours}
        if not ours or not others:
            continue
        slowest, fastest = max(ours, key=ours.get), min(others, key=others.get)
        for label in (min(ours, key=ours.get), slowest):
            factor = others[fastest] / ours[label]
            verdict = "pass" if factor >= TARGET else "**fail**"
            yield (mode, label, fastest, f"{factor:.0f}", f">= {TARGET}", verdict)


def report(results, limit_bytes):
    text = [
        "# Runtime and memory of soft ranks and sorts",
        f"sksoftrank {sksoftrank.__version__}, NumPy {np.__version__}, Python "
        f"{platform.python_version()}, {platform.system()} {platform.machine()}. "
        f"Batches of {BATCH} slices of n standard normal values, float64, one thread, "
        f"process CPU time, with that of the system for fresh memory, which makes "
        f"the steps in the curves. Made by `python benchmarks/runtime.py --out "
        f"docs/benchmarks`.",
        f"In parentheses: measured on that many slices only; the time is scaled to "
        f"{BATCH} slices, the memory is not. `-`: not measured. "
        f"The memory of a process is limited to {limit_bytes / 2**30:.3g} GiB.",
        "Otherwise you would compare all pairs, or solve a transport problem: that is "
        "smooth everywhere, and fine for some hundred values. Projections cost half a "
        "sort of indices to two, whatever n, and with a backward pass one to nine, "
        "most where a batch needs fresh memory. All are our own implementations; "
        "other packages are in [Speed](speed.md). `epsilon` is 10 / n for our ranks "
        "and n / 10 for our sorts, where some values are pooled, 0.01 for transport "
        "and 0.1 for pairs.",
    ]
    for mode in MODES:
        text += [
            f"## Time, {mode}",
            "Cells: time / ratio to `np.argsort` of the same batch.",
            table(results, mode, "time"),
        ]
    text += [
        "## Peak memory, forward + backward",
        "Megabytes beyond the values.",
        table(results, MODES[1], "memory"),
        f"## Target, for developers, at n = {TARGET_SIZE}",
        "The fastest and the slowest projection against the fastest other operator, by "
        "their ratios to `np.argsort`.",
        markdown(
            ["", "projection", "fastest other", "times faster", "target", ""],
            list(target_lines(results)),
        ),
    ]
    return "\n\n".join(text) + "\n"


def draw(results, path):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5), layout="constrained")
    for operator, color in zip(OPERATORS, plt.get_cmap("tab20").colors, strict=False):
        points = [
            (n, results[operator.label, n, MODES[1]])
            for n in SIZES
            if (operator.label, n, MODES[1]) in results
        ]
        points = [(n, result) for n, result in points if not result.failure]
        style = {"color": color, "marker": "o"}
        style["linestyle"] = "-" if operator.is_ours else "--"
        sizes = [n for n, _ in points]
        left.loglog(
            sizes, [r.seconds for _, r in points], label=operator.label, **style
        )
        right.loglog(sizes, [max(r.megabytes, 0.1) for _, r in points], **style)
    title = f"{BATCH} slices, {MODES[1]}"
    left.set(xlabel="n", ylabel="seconds (CPU)", title=f"Time, {title}")
    title = f"at most {title}"
    right.set(xlabel="n", ylabel="megabytes", title=f"Peak memory, {title}")
    figure.legend(loc="outside right center")
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="directory for the table and figure")
    parser.add_argument("--memory", type=float, default=4.0, help="limit in GiB")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="about the longest time of a call"
    )
    parser.add_argument("--max-size", type=int, default=SIZES[-1], help="largest n")
    parser.add_argument("--only", default="", help="part of an operator's label")
    args = parser.parse_args()
    limit_bytes = int(args.memory * 2**30)
    results = run(args.max_size, args.seconds, limit_bytes, args.only)
    text = report(results, limit_bytes)
    print(text)
    if args.out is None:
        return
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "runtime.md").write_text(text, encoding="utf-8")
    try:
        draw(results, args.out / "runtime.png")
    except ImportError as error:
        print(f"no figure: {error}")


if __name__ == "__main__":
    main()
