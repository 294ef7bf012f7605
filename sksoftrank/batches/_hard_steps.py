"""Concentration steps to the hard minimum, on the rows next to the boundary only."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..linear._algebra import determined_inverse
from ..linear._design import LinearDesign
from ..losses._choices import trimmed_choice
from ._blocks import Floats
from ._lts_sums import Chunk, Task, kept_rows

# So many rows next to the boundary come to memory, at most.
MAX_BAND = 50_000

# Rounds of steps end where they move no coordinate by more than this.
SETTLED = 1e-9
MAX_STEPS = 200
MAX_ROUNDS = 20


class HardFit(NamedTuple):
    """A local minimum of the hard trimmed squares."""

    z: Floats
    limit: float  # the largest loss that is kept
    square: float  # sum of the squares that are kept
    n_rounds: int
    is_settled: bool


def band_sums(chunk: Chunk, z: Floats, low: float, high: float) -> tuple:
    """Normal equations of the rows of losses up to `low`, and the rows up to `high`.

    The rows come in lists, which are added by joining them.
    """
    rows, weight, residual, loss = kept_rows(chunk, z, high)
    below, band = loss < low, loss >= low
    pull = weight[below] * residual[below]
    return (
        (rows[below] * weight[below, None]).T @ rows[below],
        rows[below].T @ pull,
        weight[below].sum(),
        pull @ residual[below],
        [rows[band]],
        [residual[band]],
        [weight[band]],
    )


def settle(
    read: Callable[[list[Task]], list[tuple]],
    design: LinearDesign,
    penalty: Floats,
    z: Floats,
    losses: Callable[[Floats], Floats],
    threshold: float,
    n_kept: float,
    total: float,
    n_rows: int,
) -> HardFit:
    """Concentration steps from z on until no row changes sides.

    While a step is small only rows near the boundary can change sides: these come to
    memory, and all others are sums.

    Parameters
    ----------
    losses : callable
        Losses of the drawn rows at coordinates, which tell how wide a band may be.
    threshold : float
        The loss near which the boundary is.
    """
    part = min(MAX_BAND / n_rows, 0.1)
    for n_rounds in range(1, MAX_ROUNDS + 1):
        width = np.quantile(np.abs(losses(z) - threshold), part)
        band = threshold - width, threshold + width
        (sums,) = read([Task(band_sums, (z, *band))])
        gram, pull, below, square, *lists = sums
        rows, residual, weight = (np.concatenate(items) for items in lists)
        if not below < n_kept <= below + weight.sum():  # the boundary is elsewhere
            threshold = float(np.quantile(losses(z), n_kept / total))
            part = min(2 * part, 0.5)
            continue
        moved = np.zeros_like(z)
        for _ in range(MAX_STEPS):
            _, mass, threshold = _choose(residual, weight, n_kept - below)
            inner = gram + (rows * mass[:, None]).T @ rows
            inverse = determined_inverse(inner / n_kept + penalty, design.noise)[0]
            right = pull - gram @ moved + rows.T @ (mass * residual)
            step = inverse @ (right / n_kept - penalty @ (z + moved))
            moved = moved + step
            residual = residual - rows @ step
            if np.abs(step).max(initial=0.0) <= SETTLED / 10:
                break
        z = z + moved
        value = _choose(residual, weight, n_kept - below)[0]
        square = square - 2 * moved @ pull + moved @ gram @ moved + 2 * value
        if np.abs(moved).max(initial=0.0) <= SETTLED:
            return HardFit(z, threshold, float(square), n_rounds, True)
        part = max(part / 2, 0.02 * part)
    return HardFit(z, threshold, float(square), n_rounds, False)


def _choose(residual, weight, n_kept):
    """Half the sum of the kept squares, what is kept of the weights, and the limit."""
    losses = 0.5 * residual**2
    plain = None if (weight == 1).all() else weight
    value, p, threshold = trimmed_choice(losses, plain, n_kept, 0.0)
    return value * n_kept, weight * p, float(threshold)
