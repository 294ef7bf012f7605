"""Two threads against one: wall-clock time of batches of a million numbers.

    python benchmarks/threads.py [--seconds S] [--only SUBSTRING] [--out DIR]

Half of the rows go to each of two threads; `n_jobs=2` does that where a function has
it. A ratio is the median over rounds, in which both take turns. It needs two idle
processors, and takes two minutes.
"""

import argparse
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from pages import duration, markdown

import sksoftrank
from sksoftrank import losses, preprocessing

# Two threads are to be 1.7 times as fast.
TARGET = 1 / 1.7


def with_vjp(operator, x, *args, **options):
    result, jacobian = operator(x, *args, return_jacobian=True, **options)
    return jacobian.vjp(result)


def loss_of_ranks(loss, x, epsilon):
    return loss(x, x[:, ::-1], epsilon)


def loss_of_labels(x, epsilon):
    return losses.soft_topk_loss(x, np.zeros(len(x), dtype=int), 3, epsilon)


def fitted(transformer, x):
    return transformer.fit(x).transform


def contenders(x):
    """Functions of rows by label."""
    s, n = sksoftrank, x.shape[1]
    k, entropic = max(n // 10, 1), {"regularization": "entropic"}
    epsilon = 10 / n if n > 100 else 0.3
    sort_epsilon = n / 10
    rank = partial(s.soft_rank, epsilon=epsilon)
    sort = partial(s.soft_sort, epsilon=sort_epsilon)
    topk = partial(s.soft_topk, k=k, epsilon=0.1)
    quantile = partial(s.soft_quantile, q=0.3, epsilon=0.1)
    spearman, ndcg = losses.soft_spearman_loss, losses.soft_ndcg_loss
    return {
        "soft_rank": rank,
        "soft_rank, entropic": partial(rank, **entropic),
        "soft_rank, kl": partial(rank, regularization="kl"),
        "soft_rank and its vjp": lambda rows: with_vjp(s.soft_rank, rows, epsilon),
        "soft_sort": sort,
        "soft_sort, entropic": partial(sort, **entropic),
        "soft_sort and its vjp": lambda rows: with_vjp(s.soft_sort, rows, sort_epsilon),
        "soft_topk": topk,
        "soft_topk, entropic": partial(topk, **entropic),
        "soft_topk and its vjp": lambda rows: with_vjp(s.soft_topk, rows, k, 0.1),
        "soft_topk_rank": partial(s.soft_topk_rank, k=k, epsilon=epsilon),
        "soft_topk_sort": partial(s.soft_topk_sort, k=k, epsilon=sort_epsilon),
        "soft_quantile": quantile,
        "soft_quantile, entropic": partial(quantile, **entropic),
        "soft_trimmed_mean": partial(s.soft_trimmed_mean, epsilon=0.1),
        "soft_winsorize": partial(s.soft_winsorize, epsilon=0.1),
        "soft_quantile_normalize": partial(
            s.soft_quantile_normalize, target=np.linspace(0, 1, n), epsilon=epsilon
        ),
        "isotonic_projection": s.isotonic_projection,
        "soft_spearman_loss": lambda rows: loss_of_ranks(spearman, rows, epsilon),
        "soft_ndcg_loss": lambda rows: ndcg(rows, np.abs(rows), epsilon),
        "soft_topk_loss": lambda rows: loss_of_labels(rows, 0.3),
        "SoftRankTransformer.transform": fitted(
            preprocessing.SoftRankTransformer(random_state=0), x
        ),
        "PermutahedronProjection.transform": fitted(
            preprocessing.PermutahedronProjection(), x
        ),
        "IsotonicProjection.transform": fitted(preprocessing.IsotonicProjection(), x),
    }


def wall_time(function):
    start = time.perf_counter_ns()
    function()
    return time.perf_counter_ns() - start


def measure(function, x, pool, seconds):
    """Nanoseconds of one thread and of two, one of each a round."""
    halves = np.array_split(x, 2)

    def two():
        list(pool.map(function, halves))

    def one():
        for half in halves:
            function(half)

    one(), two()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        times.append((wall_time(one), wall_time(two)))
    return np.array(times).T


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2, help="of each row")
    parser.add_argument("--only", default="", help="part of a row's label")
    parser.add_argument("--out", type=Path, help="directory for threads.md")
    args = parser.parse_args()
    ratios, rows = [], []
    with ThreadPoolExecutor(2) as pool:
        for shape in [(1000, 1000), (100_000, 10)]:
            x = np.random.default_rng(0).standard_normal(shape)
            for label, function in contenders(x).items():
                if args.only not in label:
                    continue
                one, two = measure(function, x, pool, args.seconds)
                ratios.append(float(np.median(two / one)))
                rows.append([label, shape, duration(one), f"{ratios[-1]:.2f}"])
                print(*rows[-1], sep=" | ", flush=True)
    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    text = [
        "# Threads",
        "Otherwise you would take processes, to which arrays are copied. Operators "
        "release the interpreter's lock in their compiled parts, so threads work side "
        "by side: give each of them some of the rows. The more of a call is compiled, "
        "and the larger the batch, the closer two threads come to half of the time; "
        "calls of some milliseconds, losses and transformers may lose.",
        "Wall-clock time, half of the rows to each of two threads, median of rounds. "
        f"sksoftrank {sksoftrank.__version__}, NumPy {np.__version__} (SIMD: "
        f"{' '.join(simd.get('found', []))}), Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs. Made by "
        "`python benchmarks/threads.py --out docs/benchmarks`.",
        markdown(["call", "batch", "one thread", "two threads / one"], rows),
        f"The median of these ratios is {np.median(ratios):.2f}; our own target is "
        f"{TARGET:.2f}, 1.7 times the speed.",
    ]
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "threads.md").write_text("\n\n".join(text) + "\n")
    print(text[-1])


if __name__ == "__main__":
    main()
