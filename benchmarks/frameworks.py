"""Ranks and sorts in PyTorch against torchsort and against the NumPy kernel.

    python benchmarks/frameworks.py [--out docs/benchmarks]

Process CPU time of a forward and a backward pass on one thread, contenders in turns in
one process, medians of the ratios within a round; and the peak memory of a pass.
torchsort compiles against an installed torch: ``pip install --no-build-isolation
torchsort``, without a CUDA compiler on PATH.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torchsort
from scipy.stats import rankdata
from sklearn.datasets import load_diabetes

import sksoftrank
from sksoftrank import torch as soft

SHAPES = [(1, 100), (1, 1000), (128, 1000), (1, 100_000)]
ROUNDS = 15
MIN_SECONDS = 0.01
WARM_UP = 10
EPOCHS = 200
KINDS = {"soft_rank": ["quadratic", "kl"], "soft_sort": ["quadratic", "entropic"]}


def contenders(name, regularization, values, epsilon):
    """Functions that run forward and backward, by who they belong to."""
    gradient = np.random.default_rng(1).normal(size=values.shape)
    pull = torch.tensor(gradient)
    x = torch.tensor(values, requires_grad=True)
    theirs = "l2" if regularization == "quadratic" else "kl"

    def ours():
        out = getattr(soft, name)(x, epsilon, regularization=regularization)
        return torch.autograd.grad(out, x, pull)[0]

    def of_torchsort():
        out = getattr(torchsort, name)(
            x, regularization=theirs, regularization_strength=epsilon
        )
        return torch.autograd.grad(out, x, pull)[0]

    def of_numpy():
        _, jacobian = getattr(sksoftrank, name)(
            values, epsilon, regularization=regularization, return_jacobian=True
        )
        return jacobian.vjp(gradient)

    return {"ours": ours, "torchsort": of_torchsort, "NumPy": of_numpy}


def ratios(functions):
    """Medians over rounds of our time by that of each other."""
    repeats = {}
    for name, function in functions.items():
        for _ in range(WARM_UP):
            function()
        start = time.process_time()
        for _ in range(WARM_UP):
            function()
        spent = max((time.process_time() - start) / WARM_UP, 1e-6)
        repeats[name] = max(1, int(MIN_SECONDS / spent))
    rounds = []
    for _ in range(ROUNDS):
        times = {}
        for name, function in functions.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                function()
            times[name] = (time.process_time() - start) / repeats[name]
        rounds.append(times)
    median = {
        name: np.median([times["ours"] / times[name] for times in rounds])
        for name in functions
    }
    return median, np.median([times["ours"] for times in rounds])


MEMORY = """
import resource, sys
import torch
from sksoftrank import torch as soft

def peak():
    status = dict(line.split(":") for line in open("/proc/self/status"))
    return 1024 * int(status["VmHWM"].split()[0])

name, regularization = sys.argv[1:]
function = getattr(soft, name)
small = torch.randn(2, 100, dtype=torch.float64, requires_grad=True)
function(small, regularization=regularization).sum().backward()
x = torch.randn(128, 100_000, dtype=torch.float64, requires_grad=True)
weight = torch.ones_like(x)
before = peak()
out = function(x, 1e-4, regularization=regularization)
out.backward(weight)
print((peak() - before) / (8 * x.numel()))
"""


def memory(name, regularization):
    """Peak of a forward and a backward pass on 128 x 1e5, in arrays of that size."""
    command = [sys.executable, "-c", MEMORY, name, regularization]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


def train(soft_rank):
    """Losses of a network that is trained on the ranks of a target, and CPU time."""
    X, y = load_diabetes(return_X_y=True)
    X = torch.tensor((X - X.mean(axis=0)) / X.std(axis=0))
    ranks = torch.tensor(rankdata(y))[None]
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)
    ).double()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    start, losses = time.process_time(), []
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        error = (soft_rank(network(X).T) - ranks) / ranks.numel()
        loss = (error**2).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses, time.process_time() - start


def training():
    """The curves of two networks side by side."""
    ours, own_time = train(lambda x: soft.soft_rank(x, 0.1))
    theirs, their_time = train(
        lambda x: torchsort.soft_rank(x, regularization_strength=0.1)
    )
    shown = [0, 4, 9, 19, 49, 99, EPOCHS - 1]
    lines = [
        "",
        "A network with 32 hidden units, trained on the ranks of the 442 targets of",
        f"`load_diabetes` ({EPOCHS} steps of Adam from the same start, `epsilon` 0.1):",
        "mean squared error of the soft ranks, divided by n.",
        "",
        f"| step | {' | '.join(str(step + 1) for step in shown)} | CPU time, s |",
        f"|---|{'---|' * (len(shown) + 1)}",
    ]
    for name, losses, spent in (
        ("sksoftrank", ours, own_time),
        ("torchsort", theirs, their_time),
    ):
        cells = [*(f"{losses[step]:.5f}" for step in shown), f"{spent:.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    print("\n".join(lines), flush=True)
    return lines


def report():
    """The tables, in Markdown."""
    lines = [
        "# PyTorch: ranks and sorts against torchsort and NumPy",
        "",
        "Otherwise you would take torchsort. On the CPU it is slower; on a GPU take",
        "it.",
        "",
        "Time of a forward and a backward pass of `sksoftrank.torch` as a part of that",
        "of torchsort, and of the NumPy function with `vjp`. Normal values in float64,",
        "one thread, `epsilon` 10 / n for ranks and n / 10 for sorts.",
        'Torchsort\'s "kl" is for ranks ours of that name, for sorts our "entropic".',
        "Made by `python benchmarks/frameworks.py --out docs/benchmarks`.",
        "",
        "| operator | shape | ours, us | / torchsort | / NumPy |",
        "|---|---|---|---|---|",
    ]
    rng = np.random.default_rng(0)
    for name, regularizations in KINDS.items():
        for regularization in regularizations:
            for shape in SHAPES:
                values = rng.normal(size=shape)
                n = shape[1]
                epsilon = 10 / n if name == "soft_rank" else n / 10
                found, own = ratios(contenders(name, regularization, values, epsilon))
                cells = [
                    f"`{name}`, {regularization}",
                    f"{shape[0]} x {n}",
                    f"{own * 1e6:.0f}",
                    f"{found['torchsort']:.2f}",
                    f"{found['NumPy']:.2f}",
                ]
                lines.append(f"| {' | '.join(cells)} |")
                print(lines[-1], flush=True)
    lines += [
        "",
        "Peak memory of both passes on 128 x 100,000, in arrays of that size, beyond",
        "the values and the gradient that comes in:",
        "",
        "| operator | arrays |",
        "|---|---|",
    ]
    for name, regularizations in KINDS.items():
        for regularization in regularizations:
            arrays = memory(name, regularization)
            lines.append(f"| `{name}`, {regularization} | {arrays:.1f} |")
            print(lines[-1], flush=True)
    return "\n".join(lines + training()) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = report()
    if arguments.out is not None:
        (arguments.out / "frameworks.md").write_text(text)


if __name__ == "__main__":
    main()
