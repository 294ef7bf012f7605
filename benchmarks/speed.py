"""Speed of the operators, as ratios to NumPy's own sorts of the same array.

    python benchmarks/speed.py [--quick] [--peers] [--out DIR] [--only SUBSTRING]

See README.md in this directory for what is measured and how to read it. The cases are
in speed_cases.py, those of other packages in speed_peers.py.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np
from pages import duration, markdown
from speed_cases import (
    BASELINES,
    FLOOR,
    INPUTS,
    RANKS,
    SCIPY,
    SHAPES,
    SIZES,
    TABLES,
    TARGETS,
    VALUES,
    rank,
    ratio,
    sort,
)
from speed_peers import difference, load_peers, peer_rows, peer_summary

import sksoftrank

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
        keep |= {p.ours.label for p in pairs if p.peer.label in keep}
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


# --- reporting ---------------------------------------------------------------------


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
        "Otherwise you would take `np.argsort` and `np.sort`, which have no useful "
        "derivative, or torchsort: the tables say how much of their time soft ranks "
        "and sorts take. Below some hundred values a call is mostly the checks of its "
        "arguments, and slower than NumPy's: rank short rows as one batch.",
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
