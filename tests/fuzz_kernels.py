"""Random calls of everything compiled, for builds that watch memory and arithmetic.

    python tests/fuzz_kernels.py [--seconds 60] [--seed 0]

`nox -s sanitizers` builds the extensions with ``-fsanitize=address,undefined`` and runs
it: a read or write outside of an array, of freed memory, or arithmetic that C does not
define ends it with a report. What results are worth is for the other tests; here they
are only computed. A compiled function that was never called is an error, too.
"""

import argparse
import sys
import time
import types
import warnings
from collections import Counter
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

FOLDERS = find_spec("sksoftrank").submodule_search_locations
KERNELS = sorted(path.stem for path in Path(FOLDERS[0]).glob("*.pyi"))
CALLS = Counter()


class Counted:
    """A compiled function, also one of several types, that counts its calls."""

    def __init__(self, function, name):
        self.function, self.name = function, name
        CALLS[name] += 0

    def __getitem__(self, types):
        return Counted(self.function[types], self.name)

    def __call__(self, *args, **kwargs):
        CALLS[self.name] += 1
        return self.function(*args, **kwargs)


def count_calls():
    """Import the compiled modules before the package, which takes functions of them."""
    package = types.ModuleType("sksoftrank")
    package.__path__ = FOLDERS
    sys.modules["sksoftrank"] = package
    for name in KERNELS:
        module = import_module(f"sksoftrank.{name}")
        for key, value in list(vars(module).items()):
            if "function" in type(value).__name__ and key[0] != "_":
                setattr(module, key, Counted(value, f"{name}.{key}"))
    del sys.modules["sksoftrank"]


if __name__ == "__main__":
    count_calls()
# After it: these import the package.
from operator_table import OPERATORS, OTHERS  # noqa: E402
from test_kernel import ADVERSARIES  # noqa: E402

from sksoftrank import (  # noqa: E402
    SoftLQSRegressor,
    SoftLTSRegressor,
    _exponentials,
    epsilon_bounds,
    losses,
    soft_rank,
    soft_sort,
)
from sksoftrank.preprocessing import IsotonicProjection  # noqa: E402

LENGTHS = [0, 1, 2, 3, 5, 7, 15, 16, 17, 40, 64, 65, 300, 1025, 5000]
EPSILONS = [0.0, 5e-324, 1e-300, 1e-9, 1e-3, 0.1, 1.0, 10.0, 1e3, 1e9, 1e300]


def draw(rng, n):
    """Numbers of a kind that is hard to sort or to pool."""
    kind = rng.choice(list(ADVERSARIES))
    with np.errstate(all="ignore"):
        return ADVERSARIES[kind](rng, n).astype(float) if n else np.empty(0)


def rows(rng, count, n):
    values = np.array([draw(rng, n) for _ in range(count)]).reshape(count, n)
    if rng.random() < 0.3:
        with np.errstate(over="ignore"):
            values = np.clip(values, -1e38, 1e38).astype(np.float32)
    return values


def differentiate(rng, result, jacobian):
    """All derivatives."""
    jacobian.jvp(rng.normal(size=jacobian.input_shape))
    jacobian.vjp(rng.normal(size=jacobian.output_shape))
    if not hasattr(jacobian, "wrt_epsilon"):
        return
    for name in ("wrt_epsilon", "wrt_k", "wrt_q", "wrt_cut"):
        getattr(jacobian, name, None)
    for name in ("wrt_weights", "wrt_w", "wrt_criterion"):
        other = getattr(jacobian, name, None)
        if other is not None:
            other.jvp(rng.normal(size=other.input_shape))
            other.vjp(rng.normal(size=other.output_shape))


def weights_of(rng, shape):
    """Frequencies, of which some are zero, or small and huge ones."""
    if rng.random() < 0.5:
        weights = np.maximum(rng.integers(-1, 4, shape), 0.0)
        weights[..., :1] = 1.0
        return weights
    return 10.0 ** rng.uniform(-6, 6, shape)


def call_operator(rng, entry):
    """An operator with options of all kinds."""
    is_square = entry.place in ("matrix", "columns")
    n = int(rng.choice(LENGTHS[:10] if is_square else LENGTHS))
    if "sksoftrank.operators" not in entry.function.__module__:
        n = min(n, 65)
    count = int(rng.integers(4 if n > 40 else 20))
    values = rows(rng, count, n)
    options = {"epsilon": float(rng.choice(EPSILONS))} if entry.epsilon else {}
    if entry.takes("axis"):
        options["axis"] = -1
    if rng.random() < 0.5 and n == 7 and entry.variants:
        options |= entry.variants[rng.integers(len(entry.variants))]
    if entry.takes("weights") and rng.random() < 0.5:
        shape = n if rng.random() < 0.5 else values.shape
        options["weights"] = weights_of(rng, shape)
    if "k" in entry.call.keywords:
        options["k"] = int(rng.integers(1, n + 2))
    if entry.takes("descending"):
        options["descending"] = bool(rng.integers(2))
    if entry.takes("largest"):
        options["largest"] = bool(rng.integers(2))
    if entry.takes("nan_policy") and rng.random() < 0.3:
        values[rng.random(values.shape) < 0.3] = np.nan
        options["nan_policy"] = "omit"
    if rng.random() < 0.1:
        values[rng.random(values.shape) < 0.1] = rng.choice([-np.inf, np.inf])
    if entry.takes("n_jobs") and rng.random() < 0.1:
        options["n_jobs"] = 2
    differentiate(rng, *entry.call(values, return_jacobian=True, **options))
    entry.call(values, **options)


def call_bounds(rng):
    values = rows(rng, 2, int(rng.choice(LENGTHS)))
    operator = str(rng.choice(["rank", "sort", "quantile", "trimmed_mean", "topk"]))
    options = {"k": 2} if operator == "topk" else {}
    regularization = str(rng.choice(["quadratic", "entropic"]))
    epsilon_bounds(values, operator=operator, regularization=regularization, **options)


def call_many_quantiles(rng):
    entry = OPERATORS["soft_quantile-quadratic"]
    values = rows(rng, int(rng.integers(1, 5)), int(rng.choice(LENGTHS)))
    q = np.append(rng.uniform(size=int(rng.integers(50, 200))), [0.0, 0.5, 1.0])
    options = {"q": q, "epsilon": float(rng.choice(EPSILONS))}
    if rng.random() < 0.6:
        shape = values.shape[rng.integers(2) :]
        options["weights"] = weights_of(rng, shape)
    differentiate(rng, *entry.call(values, return_jacobian=True, **options))


def call_large_batches(rng):
    """Of which order, pools and weights are parts of one array."""
    n = int(rng.choice([1, 16, 17, 100, 5000]))
    values = np.tile(rows(rng, 4, n), (70_000 // (4 * n) + 2, 1))
    options = {"regularization": str(rng.choice(["quadratic", "entropic"]))}
    options["n_jobs"] = int(rng.integers(1, 3))
    epsilon = float(rng.choice(EPSILONS))
    for function in (soft_rank, soft_sort):
        result, jacobian = function(values, epsilon, return_jacobian=True, **options)
        jacobian.jvp(values)
        jacobian.vjp(result)


def call_groups(rng):
    n = int(rng.choice(LENGTHS))
    groups = rng.integers(0, max(n // 5, 1), n)
    if rng.random() < 0.5:
        groups.sort()
    epsilon = float(rng.choice(EPSILONS))
    values, options = draw(rng, n), {"groups": groups}
    for function in (soft_rank, soft_sort):
        differentiate(rng, *function(values, epsilon, return_jacobian=True, **options))
    options["regularization"] = str(rng.choice(["quadratic", "entropic", "kl"]))
    truth = rng.integers(5, size=n)
    losses.soft_spearman_loss(values, truth, epsilon, **options)
    losses.soft_ndcg_loss(values, truth, epsilon, k=2, **options)


def call_losses(rng):
    """Those of long rows, which are trimmed."""
    n = int(rng.choice([*LENGTHS[1:], 40_000]))
    values = np.abs(draw(rng, n))
    values = np.minimum(values, 1e300)
    epsilon, weights = float(rng.choice(EPSILONS)), weights_of(rng, n)
    kept = float(rng.uniform(0, weights.sum()))
    losses.selection_trimmed_loss(values, kept, epsilon, weights)
    losses.selection_quantile_loss(values, kept, epsilon, weights)
    counts = np.maximum(rng.integers(0, 4, n), np.arange(n) == 0)
    position = int(rng.integers(1, counts.sum() + 1))
    losses.sorted_trimmed_loss(values, position, epsilon, counts)
    losses.sorted_quantile_loss(values, position, epsilon, counts)


def call_topk_losses(rng):
    n = int(rng.choice([2, 3, 8, 26, 70]))
    options = {
        "operator": str(rng.choice(["quadratic", "entropic", "kl"])),
        "growth": str(rng.choice(["linear", "bounded"])),
        "squashing": [None, "logistic"][rng.integers(2)],
    }
    labels, k = rng.integers(n, size=3), int(rng.integers(1, n))
    epsilon = float(rng.choice(EPSILONS))
    losses.soft_topk_loss(rows(rng, 3, n), labels, k, epsilon, **options)


def call_transformer(rng):
    n = int(rng.choice(LENGTHS[1:]))
    weights = rng.integers(0, 3, n) + (np.arange(n) == 0)
    for regularization in ("quadratic", "entropic"):
        transformer = IsotonicProjection(weights=weights, regularization=regularization)
        transformer.fit_transform(rows(rng, 3, n))


def call_regressors(rng):
    """Few rows or more than are exchanged, in a few coordinates or many."""
    n, q = int(rng.choice([5, 17, 60, 200])), int(rng.choice([0, 1, 2, 7, 8, 20]))
    X, y = rng.normal(size=(n, q + 1)), draw(rng, n)
    kind = rng.integers(4)
    if kind == 0:
        y = rng.standard_cauchy(n)
    elif kind == 1:
        X = rng.integers(3, size=X.shape).astype(float)
    elif kind == 2:
        X[:, -1] = draw(rng, n)
    epsilon = float(rng.choice([0.0, 0.1, 10.0]))
    weights = np.maximum(rng.integers(-1, 4, n), np.arange(n) < 4).astype(float)
    options = {"epsilon": epsilon, "alpha": float(rng.choice([0.0, 0.1]))}
    for cls in (SoftLTSRegressor, SoftLQSRegressor):
        formulation = str(rng.choice(["selection", "sort"]))
        model = cls(formulation=formulation, n_init=5, random_state=0, **options)
        model.fit(X, y, sample_weight=weights if rng.random() < 0.5 else None)


def call_exponentials(rng):
    x = draw(rng, int(rng.choice(LENGTHS)))
    for is_minus_one in (False, True):
        _exponentials.exponentials(x, is_minus_one, np.empty_like(x))


OTHER_CALLS = [
    call_bounds,
    call_exponentials,
    call_groups,
    call_large_batches,
    call_losses,
    call_many_quantiles,
    call_regressors,
    call_topk_losses,
    call_transformer,
]


def run(seconds, seed):
    """Rounds of all calls until the time is over."""
    end, n_calls, n_refused = time.monotonic() + seconds, 0, 0
    rng = np.random.default_rng(seed)
    while n_calls == 0 or time.monotonic() < end:
        for task in [*OPERATORS.values(), *OTHERS.values(), *OTHER_CALLS]:
            n_calls += 1
            try:
                if callable(task):
                    task(rng)
                else:
                    call_operator(rng, task)
            except ValueError:  # what is too large, too few, or infinite
                n_refused += 1
    return n_calls, n_refused


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with np.errstate(all="ignore"):
        n_calls, n_refused = run(arguments.seconds, arguments.seed)
    for name, count in sorted(CALLS.items()):
        print(f"{count:9} {name}")
    print(f"{n_calls} calls, of which {n_refused} were refused")
    never = [name for name, count in CALLS.items() if count == 0]
    if never or n_refused > n_calls / 2:
        sys.exit(f"never called: {never}" if never else "too many calls are refused")


if __name__ == "__main__":
    main()
