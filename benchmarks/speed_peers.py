"""Other packages' versions of the calls of speed.py, and the table of both."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from pages import duration, plain
from speed_cases import (
    EPSILONS,
    ISOTONIC,
    SCIPY,
    Contender,
    rank,
    ratio,
    sort,
    weights_like,
)


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


def difference(peer, ours):
    """Largest difference of results and, relative to the largest entry, gradients."""
    if not isinstance(ours, tuple):
        return (float(np.abs(peer - ours).max()),)
    error = float(np.abs(peer[0] - ours[0]).max())
    gradient_error = float(np.abs(peer[1] - ours[1]).max())
    largest = float(np.abs(ours[1]).max())
    return error, gradient_error / largest if largest else gradient_error


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
