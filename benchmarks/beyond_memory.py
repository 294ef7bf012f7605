"""Data larger than memory: readings, digits, memory, cost, and what larger data take.

    python benchmarks/beyond_memory.py [--quick] [--only SUBSTRING] [--out DIR]

needs the extra ``[dask]`` and matplotlib, 2 GB of disk and Linux, and takes about ten
minutes; --quick makes all data ten times smaller.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np

N_FEATURES = 10
BLOCK = 250_000
# Constants of the cost model that are assumed, for they are not of this machine: bytes
# a second that a worker reads from object storage or a shared disk, and seconds that
# the scheduler of dask takes for a task.
BANDWIDTH = 200e6


def block(number, n=BLOCK, bad=0.25):
    """Rows with bad leverage points, the same for the same number."""
    rng = np.random.default_rng([7, number])
    X = rng.standard_normal((n, N_FEATURES))
    y = X @ np.arange(N_FEATURES) + 3.0 + rng.standard_normal(n)
    X[rng.random(n) < bad] += 10.0
    return X, y


def blocks(n):
    """A callable that yields n rows, made anew for each reading."""

    def batches():
        for number in range(-(-n // BLOCK)):
            yield block(number, min(BLOCK, n - number * BLOCK))

    return batches


def cpu(function):
    """Result and CPU seconds of a call."""
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def anonymous_memory(process="self"):
    """Megabytes that a process holds, pages of files left out."""
    text = Path(f"/proc/{process}/status").read_text()
    status = dict(line.split(":", 1) for line in text.splitlines())
    return int(status["RssAnon"].split()[0]) / 1024


class PeakMemory:
    """Context that looks at the memory of this process every few milliseconds."""

    def __enter__(self):
        self.before = self.peak = anonymous_memory()
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def _look(self):
        while not self.is_over.wait(0.005):
            self.peak = max(self.peak, anonymous_memory())

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
        self.extra = self.peak - self.before


def table(head, rows):
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def in_memory_and_batches(scale):
    """Against the fit in memory."""
    from sksoftrank import SoftLTSRegressor as InMemory
    from sksoftrank.batches import SoftLTSRegressor
    from sksoftrank.robust._trimmed_squares import smooth_fit

    rows = []
    for n in (int(2e5 * scale), int(1e6 * scale)):
        X, y = map(np.concatenate, zip(*blocks(n)(), strict=True))
        times = []
        held = [(X[i : i + BLOCK], y[i : i + BLOCK]) for i in range(0, n, BLOCK)]
        for _ in range(3):
            model, first = cpu(partial(InMemory(random_state=0).fit, X, y))
            other, second = cpu(
                partial(SoftLTSRegressor(random_state=0).fit_batches, held)
            )
            times.append(second / first)
        cut = [(X[:11], y[:11]), (X[11 : n // 3], y[11 : n // 3])]
        cut.append((X[n // 3 :], y[n // 3 :]))
        third = SoftLTSRegressor(random_state=0).fit_batches(cut)
        problem = model._problem(X, y, None, None)
        same = smooth_fit(
            problem,
            other.start_scale_ / problem.scale_unit,
            problem.coordinates(other.coef_, other.intercept_),
            12.0,
            "selection",
            max_iter=1000,
            tol=1e-12,
        )
        coef, _ = problem.coefficients(same.z)
        own = np.abs(other.coef_ - model.coef_) / model.stderr_
        rows.append(
            [
                f"{n:.0e}",
                other.n_reads_,
                f"{np.abs(other.coef_ - coef).max():.0e}",
                f"{own.max():.5f}",
                f"{np.abs(other.coef_ - third.coef_).max():.0e}",
                f"{np.median(times):.2f}",
            ]
        )
    head = ["n", "readings", "same s0: coefficients", "own start: standard errors"]
    head += ["other blocks: coefficients", "CPU time over that in memory"]
    return (
        "Largest differences from the fit in memory, with its unit of epsilon and with "
        "the unit that each finds itself, and between two ways to cut the data.\n\n"
        + table(head, rows)
    )


def fit_memory_map(path, small):
    """Extra megabytes, CPU seconds a row over those in memory, seconds, readings."""
    from sksoftrank import SoftLTSRegressor as InMemory
    from sksoftrank.batches import SoftLTSRegressor

    rows = np.lib.format.open_memmap(path, mode="r")

    def batches():
        for i in range(0, len(rows), BLOCK):
            part = rows[i : i + BLOCK]
            yield part[:, :N_FEATURES], part[:, N_FEATURES]

    with PeakMemory() as memory:  # before anything else takes memory
        model, second = cpu(
            lambda: SoftLTSRegressor(random_state=0).fit_batches(batches)
        )
    X, y = rows[:small, :N_FEATURES].copy(), rows[:small, N_FEATURES].copy()
    _, first = cpu(partial(InMemory(random_state=0).fit, X, y))
    ratio = second / len(rows) / (first / small)
    return memory.extra, ratio, second, model.n_reads_


def memory_map(scale):
    """A memory map in one process."""
    n = int(1e7 * scale)
    code = """
import json
from beyond_memory import fit_memory_map
print(json.dumps(fit_memory_map(sys.argv[1], int(sys.argv[2]))))
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        rows = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.float64, shape=(n, N_FEATURES + 1)
        )
        start = 0
        for X, y in blocks(n)():
            rows[start : start + len(y), :N_FEATURES] = X
            rows[start : start + len(y), N_FEATURES] = y
            start += len(y)
        del rows
        found = in_new_process(code, path, int(1e6 * scale))
    extra, ratio, seconds, reads = found
    head = ["rows", "readings", "extra memory", "CPU s", "per row, over memory at 1e6"]
    line = [f"{n:.0e} x 10", reads, f"{extra:.0f} MB", f"{seconds:.1f}", f"{ratio:.2f}"]
    return table(head, [line])


def costs(scale, out):
    """Cost over the number of rows."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from sksoftrank.batches import SoftLTSRegressor

    rows, sizes, seconds = [], [], []
    for n in np.array([1e5, 3e5, 1e6, 3e6, 1e7, 2e7]) * scale:
        n = int(n)
        _, made = cpu(lambda n=n: [None for _ in blocks(n)()])
        model, total = cpu(
            lambda n=n: SoftLTSRegressor(random_state=0).fit_batches(blocks(n))
        )
        spent = total - model.n_reads_ * made
        sizes.append(n)
        seconds.append(spent)
        rows.append(
            [f"{n:.0e}", model.n_reads_, f"{spent:.2f}", f"{1e6 * spent / n:.2f}"]
        )
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    axes.loglog(sizes, seconds, "o-", label="fit_batches")
    axes.loglog(sizes, seconds[-1] * np.array(sizes) / sizes[-1], "k:", label="linear")
    axes.set(xlabel="rows of 10 features", ylabel="CPU seconds")
    axes.legend()
    if out is not None:
        figure.savefig(out / "beyond_memory.png", dpi=150)
    return (
        "CPU time without that of making the rows. The search on the drawn rows, about "
        "the same for all n, is most of it below a million rows.\n\n"
        + table(["n", "readings", "CPU s", "microseconds a row"], rows)
        + "\n\n![CPU time over the number of rows](beyond_memory.png)"
    )


def lazy(n):
    """Dask arrays of rows that are made in the workers."""
    import dask
    import dask.array as da

    X, y = [], []
    make = dask.delayed(block, pure=False, nout=2)
    for number in range(-(-n // BLOCK)):
        size = min(BLOCK, n - number * BLOCK)
        features, target = make(number, size)
        X.append(da.from_delayed(features, (size, N_FEATURES), dtype=np.float64))
        y.append(da.from_delayed(target, (size,), dtype=np.float64))
    return da.concatenate(X), da.concatenate(y)


def peak():
    """Largest memory of this process so far, in megabytes."""
    text = Path("/proc/self/status").read_text()
    status = dict(line.split(":", 1) for line in text.splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def fit_on_dask(n):
    """Readings, seconds, and peaks of memory of the workers and of the client."""
    from distributed import Client, LocalCluster

    from sksoftrank.dask import SoftLTSRegressor

    options = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "600MB"}
    with (
        LocalCluster(dashboard_address=None, **options) as cluster,
        Client(cluster) as client,
    ):
        client.upload_file(__file__)
        SoftLTSRegressor(random_state=0).fit(*lazy(1000))  # workers import
        start = time.perf_counter()
        model = SoftLTSRegressor(random_state=0).fit(*lazy(n))
        seconds = time.perf_counter() - start
        workers = max(client.run(peak).values())
    return model.n_reads_, seconds, workers, peak()


def in_new_process(code, *arguments):
    """What a program prints as JSON."""
    path = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", path + code, *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def on_dask(scale):
    """Two workers of 600 MB."""
    n = int(2e7 * scale)
    code = """
import json
from beyond_memory import fit_on_dask
if __name__ == "__main__":
    print(json.dumps(fit_on_dask(int(sys.argv[1]))))
"""
    reads, seconds, workers, client = in_new_process(code, n)
    head = ["rows", "readings", "seconds", "peak of a worker", "peak of the client"]
    line = [f"{n:.0e} x 10", reads, f"{seconds:.0f}"]
    text = (
        "Rows are made anew in each reading. Seconds are those of a busy machine.\n\n"
    )
    return text + table(head, [[*line, f"{workers:.0f} MB", f"{client:.0f} MB"]])


def extended_fit(X, y, weight, unit, epsilon, n_kept, coef):
    """The soft fit in extended precision, by Newton steps, and its coefficients."""
    X, y, weight = (a.astype(np.longdouble) for a in (X, y, weight))
    rows = np.column_stack([X, np.ones(len(X), dtype=np.longdouble)])
    z = coef.astype(np.longdouble)
    for _ in range(50):
        residual = (y - rows @ z) / unit
        losses = residual**2 / 2
        knots = np.sort(np.concatenate([losses, losses + epsilon]))
        low, high = 0, knots.size - 1
        while high - low > 1:  # the sum of the choice is linear between knots
            middle = (low + high) // 2
            p = np.clip((knots[middle] - losses) / epsilon, 0, 1)
            low, high = (middle, high) if weight @ p < n_kept else (low, middle)
        ends = [
            weight @ np.clip((knots[k] - losses) / epsilon, 0, 1) for k in (low, high)
        ]
        part = (n_kept - ends[0]) / (ends[1] - ends[0])
        threshold = knots[low] + part * (knots[high] - knots[low])
        p = np.clip((threshold - losses) / epsilon, 0, 1)
        gradient = rows.T @ (weight * p * residual)
        is_part = weight * ((p > 0) & (p < 1))
        hessian = (
            rows * (weight * p - 2 * is_part * losses / epsilon)[:, None]
        ).T @ rows
        moved = rows.T @ (is_part * residual)
        hessian = hessian + np.outer(moved, moved) / is_part.sum() / epsilon
        step = np.linalg.solve(hessian.astype(float), gradient.astype(float)) * unit
        z = z + step
        if np.abs(step).max() < 1e-17:
            break
    return z


def digits(scale):
    """Sums of huge data."""
    from sksoftrank.batches import SoftLTSRegressor, _drawing
    from sksoftrank.robust._problem import n_kept_of

    _drawing.N_DRAWN = 20_000  # so that 3e4 rows are not fitted in memory
    X, y = block(0, 30_000)
    rng = np.random.default_rng(0)
    parts = np.array_split(np.arange(len(y)), 60)
    rows = []
    for largest, repeats in ((1e6, 1), (1e9, 1), (1e9, int(200 * scale))):
        weight = np.floor(
            10 ** rng.uniform(np.log10(largest) - 3, np.log10(largest), len(y))
        )

        def batches(weight=weight, repeats=repeats):
            for _ in range(repeats):
                for part in parts:
                    yield X[part], y[part], weight[part]

        model = SoftLTSRegressor(random_state=0, tol=1e-12).fit_batches(batches)
        total = float(weight.sum()) * repeats
        n_kept = n_kept_of(total, N_FEATURES + 1, 0.5) / repeats
        coef = np.append(model.coef_, model.intercept_)
        exact = extended_fit(X, y, weight, model.start_scale_, 12.0, n_kept, coef)
        rows.append(
            [
                f"{total:.0e}",
                repeats * len(parts),
                model.n_reads_,
                f"{float(np.abs(coef - exact).max()):.0e}",
            ]
        )
    return (
        "Rows with weights, repeats of them, and many blocks, against Newton steps in "
        "extended precision on the same rows with the same unit of epsilon.\n\n"
        + table(["sum of weights", "blocks", "readings", "largest difference"], rows)
    )


def count_rows(part):
    return (len(part.X),)


def scheduling():
    """Seconds that a block costs the scheduler and the client, and a reading of one."""
    import dask.array as da
    from distributed import Client, LocalCluster

    from sksoftrank.batches._blocks import add
    from sksoftrank.dask._blocks import DaskBlocks

    def seconds(n_blocks):
        X = da.zeros((n_blocks, 1), chunks=(1, 1))
        source = DaskBlocks(X, {"y": da.zeros(n_blocks, chunks=1)})
        times = []
        for _ in range(5):
            start = time.perf_counter()
            source.reduce(count_rows, merge=add)
            times.append(time.perf_counter() - start)
        return min(times)

    options = {"n_workers": 2, "threads_per_worker": 1}
    with (
        LocalCluster(dashboard_address=None, **options) as cluster,
        Client(cluster) as client,
    ):
        client.upload_file(__file__)
        seconds(8)
        one, many = seconds(1), seconds(512)
    return (many - one) / 512, one


def larger(scale):
    """On paper: 1e9 to 1e11 rows."""
    from sksoftrank.batches import SoftLTSRegressor

    n = int(4e6 * scale)
    held = list(blocks(n)())
    model, seconds = cpu(lambda: SoftLTSRegressor(random_state=0).fit_batches(held))
    start = held[0][0][:80_000], held[0][1][:80_000]
    _, search = cpu(lambda: SoftLTSRegressor(random_state=0).fit_batches([start]))
    reads = model.n_reads_
    a_row = (seconds - search) / n / reads
    a_task, latency = scheduling()
    rows = []
    size, bytes_a_row = 10**6, 8 * (N_FEATURES + 1)
    q = N_FEATURES + 1
    sums_size = 8 * (260 * (3 + 2 * q) + 3 * q**2 + 9000)
    for n in (1e9, 1e10, 1e11):
        line = [f"{n:.0e}"]
        n_blocks = n / size
        for workers in (10, 100, 1000):
            reading = n / workers * (bytes_a_row / BANDWIDTH + a_row)
            depth = np.ceil(np.log(n_blocks) / np.log(8))
            scheduler = n_blocks * a_task
            total = search + reads * (max(reading, scheduler) + depth * latency)
            mark = " *" if scheduler > reading else ""
            line.append(f"{total / 60:,.1f} min{mark}")
        rows.append(line)
    text = f"""The time of a fit is that of the search on the drawn rows,
{search:.1f} s, and for each of {reads} readings the larger of

- n / workers x ({bytes_a_row} bytes / bandwidth + {1e9 * a_row:.0f} ns of sums), and
- (blocks of {size:.0e} rows) x {1e3 * a_task:.1f} ms of the scheduler and the client,

and the depth of the tree of sums, log8 of the blocks, x {1e3 * latency:.0f} ms. The
bandwidth of a worker, {BANDWIDTH / 1e6:.0f} MB/s, is assumed; the other constants were
measured here, on two cores that did other work too. A star marks where the scheduler,
of which there is one, takes longer than the workers: there larger blocks help, and more
workers do not.
The sums of a block, {sums_size / 1e3:.0f} kB here, do not depend on the number of rows;
they grow with that of features, Gram matrices with its square.

"""
    return text + table(["rows", "10 workers", "100 workers", "1000 workers"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="data ten times smaller")
    parser.add_argument("--only", default="", help="sections with this in their title")
    parser.add_argument("--out", type=Path, help="folder of beyond_memory.md")
    arguments = parser.parse_args()
    scale = 0.1 if arguments.quick else 1.0
    sections = {
        "Against the fit in memory": lambda: in_memory_and_batches(scale),
        "A memory map in one process": lambda: memory_map(scale),
        "Cost over the number of rows": lambda: costs(scale, arguments.out),
        "Digits of sums over 1e9 rows and more": lambda: digits(scale),
        "Dask, two workers of 600 MB": lambda: on_dask(scale),
        "Larger data, on paper": lambda: larger(scale),
    }
    text = (
        "# Data larger than memory\n\nMade by `python benchmarks/beyond_memory.py "
        "--out docs/benchmarks`; see `benchmarks/README.md`. Ten features, 25 % of bad "
        "leverage points, `SoftLTSRegressor` with its defaults.\n\n"
        "Otherwise you would fit a part of the rows in memory: with 100,000 of them "
        "the standard errors are known, and often small enough. Reading all is for "
        "rare levels, for many features, and for judging every row.\n"
    )
    for title, section in sections.items():
        if arguments.only.lower() in title.lower():
            part = f"\n## {title}\n\n{section()}\n"
            print(part, flush=True)
            text += part
    if arguments.out is not None and not arguments.only:
        (arguments.out / "beyond_memory.md").write_text(text)


if __name__ == "__main__":
    main()
