"""CPU time of the quantile and top-k operators, as ratios to numpy.argsort.

    python benchmarks/toolbox.py [--sizes N ...] [--rounds N] [--out DIRECTORY]

Prints, for every operator, the median over rounds of its time divided by that of
``numpy.argsort`` of the same normal values in the same round: of one row of each size,
and of a batch of 20000 rows of 10. With ``--out`` the table
is written to ``toolbox.md`` there.
"""

import argparse
import platform
import time
from functools import partial
from pathlib import Path

import numpy as np

from sksoftrank import (
    soft_quantile,
    soft_rank,
    soft_topk,
    soft_topk_rank,
    soft_topk_sort,
    soft_trimmed_mean,
)

EPSILONS = (0.0, 1e-3, 0.1, 10.0)
BATCH = (20_000, 10)


def contenders(n):
    """Functions of the values and epsilon by label."""
    k = max(n // 100, 1)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, size=n)
    entropic = {"regularization": "entropic"}
    return {
        "soft_topk": partial(soft_topk, k=k),
        "soft_topk, weighted": partial(soft_topk, k=k, weights=weights),
        "soft_topk and its vjp": partial(topk_gradient, k=k, direction=weights),
        "soft_topk, entropic": partial(soft_topk, k=k, **entropic),
        "soft_quantile": partial(soft_quantile, q=0.3),
        "soft_quantile, weighted": partial(soft_quantile, q=0.3, weights=weights),
        "soft_quantile, entropic": partial(soft_quantile, q=0.3, **entropic),
        "soft_trimmed_mean": soft_trimmed_mean,
        "soft_topk_rank, k = 10": partial(soft_topk_rank, k=10),
        "soft_topk_sort, k = 10": partial(soft_topk_sort, k=10),
        "soft_rank, for comparison": soft_rank,
    }


def topk_gradient(values, k, epsilon, direction):
    _, jacobian = soft_topk(values, k, epsilon, return_jacobian=True)
    return jacobian.vjp(np.broadcast_to(direction, values.shape))


def seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def ratios(shape, rounds):
    """Median ratios, of shape (contenders, epsilons), and seconds of argsort."""
    values = np.random.default_rng(0).normal(size=shape)
    repeats = max(1, 10**5 // values.size)
    functions = list(contenders(shape[-1]).values())
    found = np.empty((rounds, len(functions), len(EPSILONS)))
    argsorts = []
    for r in range(rounds):
        for i, function in enumerate(functions):
            for j, epsilon in enumerate(EPSILONS):
                base = seconds(lambda: [np.argsort(values) for _ in range(repeats)])
                ours = partial(function, values, epsilon=epsilon)
                own = seconds(lambda ours=ours: [ours() for _ in range(repeats)])
                found[r, i, j] = own / base
                argsorts.append(base / repeats)
    return np.median(found, axis=0), np.median(argsorts)


def table(shape, rounds):
    """Lines of a Markdown table for one shape."""
    found, argsort = ratios(shape, rounds)
    size = " rows of ".join(map(str, shape)) if len(shape) > 1 else f"n = {shape[0]}"
    yield f"{size}: numpy.argsort takes {1e3 * argsort:.3g} ms\n"
    yield "| operator \\ epsilon | " + " | ".join(f"{e:g}" for e in EPSILONS) + " |"
    yield "|---|" + "---|" * len(EPSILONS)
    for label, row in zip(contenders(shape[-1]), found, strict=True):
        yield f"| {label} | " + " | ".join(f"{ratio:.2f}" for ratio in row) + " |"
    yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**4, 10**6])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = [
        "# Quantile and top-k operators: CPU time / numpy.argsort",
        "",
        f"Median of {arguments.rounds} rounds on standard normal values, k = n / 100, "
        f"at least 1; "
        f"NumPy {np.__version__}, Python {platform.python_version()}. Written by",
        "`python benchmarks/toolbox.py --out docs/benchmarks`.",
        "",
        "Without derivatives `np.quantile` and `np.argpartition` do; with them you "
        "would sort softly and take an entry (last line of each table). Numbers below "
        "1 are less than a sort of indices. Short rows and entropic choices cost most.",
        "",
    ]
    for shape in [*((n,) for n in arguments.sizes), BATCH]:
        lines.extend(table(shape, arguments.rounds))
    text = "\n".join(lines)
    print(text)
    if arguments.out is not None:
        (arguments.out / "toolbox.md").write_text(text)


if __name__ == "__main__":
    main()
