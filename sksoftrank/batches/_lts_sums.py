"""Sums over the rows of a block that soft least trimmed squares needs."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..linear._design import LinearDesign
from ..linear._robust_scale import choice_slope, inlier_mask
from ._blocks import (
    Block,
    Floats,
    add,
    check_weight,
    chunks_of,
    column,
    dense,
    features,
)
from ._cells import Bracket
from ._moments import Moments, merge_moments, moments_of


class View(NamedTuple):
    """How the rows of a block are seen: in the coordinates of a design."""

    design: LinearDesign  # without rows
    centre: float  # of y
    unit: float  # of y
    sigma_unit: float
    weight_unit: float  # of the frequencies
    low: Floats  # rows beyond these values of the features count as removed
    high: Floats


class Chunk(NamedTuple):
    """Some rows in coordinates."""

    rows: Floats  # of shape (n, n_coordinates)
    y: Floats
    weight: Floats

    def residual(self, z: Floats) -> Floats:
        """Residuals at the coordinates z."""
        return self.y - self.rows @ z


class Task(NamedTuple):
    """A function ``function(chunk, *arguments)`` that returns a tuple of sums."""

    function: Callable[..., tuple]
    arguments: tuple[Any, ...]


def sums_of(block: Block, view: View, tasks: list[Task]) -> list[tuple]:
    """The sums of all tasks over the rows of a block."""
    results = None
    for chunk in chunks(block, view):
        parts = [task.function(chunk, *task.arguments) for task in tasks]
        results = parts if results is None else add_all(results, parts)
    if results is None:  # no rows
        empty = Chunk(
            np.zeros((0, view.design.n_coordinates)), np.zeros(0), np.zeros(0)
        )
        results = [task.function(empty, *task.arguments) for task in tasks]
    return results


def add_all(first: list[tuple], second: list[tuple]) -> list[tuple]:
    """The sums of the sums of tasks."""
    return [add(a, b) for a, b in zip(first, second, strict=True)]


def chunks(block: Block, view: View) -> Iterator[Chunk]:
    """The rows of a block, a chunk at a time, without those that are far away."""
    X, y = features(block.X, block.number), column(block.y, "y", block)
    weight, sigma = check_weight(block)
    mass = _near_weight(X, weight, view)
    for part in chunks_of(block._replace(X=X)):
        target, row_scale = y[part] - view.centre, None
        if sigma is not None:
            row_scale = view.sigma_unit / sigma[part]
            target *= row_scale
        target /= view.unit
        rows = view.design.with_rows(dense(X[part]), row_scale).rows(slice(None))
        chunk = Chunk(rows, target, mass[part])
        used = chunk.weight > 0
        yield chunk if used.all() else Chunk(*(values[used] for values in chunk))


def _near_weight(X, weight: Floats | None, view: View) -> Floats:
    """Frequencies of the rows, 0 for those that are far away."""
    mass = np.ones(X.shape[0]) if weight is None else weight * view.weight_unit
    columns = np.flatnonzero(np.isfinite(view.low) | np.isfinite(view.high))
    if columns.size:
        values = dense(X[:, columns])
        is_near = (values >= view.low[columns]) & (values <= view.high[columns])
        mass = np.where(is_near.all(axis=1), mass, 0.0)
    return mass


class PenaltySums(NamedTuple):
    """What the penalty on the coefficients depends on."""

    moments: Moments  # of the features of the rows that are not far away
    weight: float  # of all rows
    precision: float  # weighted sum of the squares of their factors

    def merged(self, other: "PenaltySums") -> "PenaltySums":
        """The sums over the rows of both."""
        return PenaltySums(
            merge_moments(self.moments, other.moments),
            self.weight + other.weight,
            self.precision + other.precision,
        )


def penalty_sums(block: Block, view: View) -> PenaltySums:
    """What one block tells of the penalty."""
    X = features(block.X, block.number)
    weight, sigma = check_weight(block)
    weight = np.ones(X.shape[0]) if weight is None else weight
    precision = 1.0 if sigma is None else (view.sigma_unit / sigma) ** 2
    mass = _near_weight(X, weight, view) * precision
    return PenaltySums(
        moments_of(block._replace(X=X), mass),
        float(weight.sum()),
        float((weight * precision).sum()),
    )


def counts(chunk: Chunk) -> tuple:
    """Number of rows, and their weight."""
    return np.int64(chunk.y.size), np.float64(chunk.weight.sum())


def newton_sums(chunk: Chunk, z: Floats, bracket: Bracket) -> tuple:
    """Sums by cells, Gram matrices, and what moves the threshold, at z.

    The Gram matrices are that of the choice p, and that of ``p - 2 loss / epsilon``,
    with the second term for the rows that are kept in part: `n_kept` times the Hessian
    of the loss but for the change of the threshold. That is told by the sum of
    ``residual * row`` over these rows, and by their weight.
    """
    rows, weight, residual, loss = kept_rows(chunk, z, bracket.edges[-1])
    threshold, _, epsilon = bracket
    edges = bracket.edges
    cell = np.minimum(np.searchsorted(edges, loss, side="right"), edges.size - 1)
    n, q = rows.shape
    values = np.empty((n, 3 + 2 * q))
    values[:, 0] = weight
    values[:, 1] = weight * loss
    values[:, 2] = values[:, 1] * loss
    np.multiply(rows, (weight * residual)[:, None], out=values[:, 3 : 3 + q])
    np.multiply(values[:, 3 : 3 + q], loss[:, None], out=values[:, 3 + q :])
    indicator = sparse.csr_array(
        (np.ones(n), cell, np.arange(n + 1)), shape=(n, edges.size)
    )
    sums = indicator.T @ values
    p = np.clip((threshold - loss) / epsilon, 0.0, 1.0)
    is_part = weight * ((p > 0) & (p < 1))
    change = is_part * loss * (2 / epsilon)
    gram = (rows * (weight * p)[:, None]).T @ rows
    return (
        sums,
        gram,
        gram - (rows * change[:, None]).T @ rows,
        rows.T @ (is_part * residual),
        is_part.sum(),
    )


def plain_sums(chunk: Chunk, z: Floats, largest: float) -> tuple:
    """Normal equations of the rows with residuals up to `largest` at z.

    Gram matrix, sum of ``residual * row``, sums of the weights and of the squares.
    """
    rows, _, weight = chunk
    residual = chunk.residual(z)
    kept = inlier_mask(residual, 0.0, zero=largest)
    if not kept.all():
        rows, residual, weight = rows[kept], residual[kept], weight[kept]
    pull = weight * residual
    return (
        (rows * weight[:, None]).T @ rows,
        rows.T @ pull,
        weight.sum(),
        pull @ residual,
    )


def square_sums(chunk: Chunk, z: Floats, edges: Floats) -> tuple:
    """Weights, and weighted squares of the residuals at z, by cells of their sizes."""
    size = np.abs(chunk.residual(z))
    cell = np.searchsorted(edges, size, side="right")
    with np.errstate(over="ignore"):
        square = size * size
    n = edges.size + 1
    return (
        np.bincount(cell, chunk.weight, n),
        np.bincount(cell, chunk.weight * square, n),
    )


def row_counts(chunk: Chunk, z: Floats, edges: Floats) -> tuple:
    """Numbers of rows by cells of the sizes of their residuals at z."""
    cell = np.searchsorted(edges, np.abs(chunk.residual(z)), side="right")
    return (np.bincount(cell, minlength=edges.size + 1),)


def target_sums(chunk: Chunk, edges: Floats) -> tuple:
    """Weights, weighted targets and their squares, by cells of the targets."""
    cell = np.searchsorted(edges, chunk.y, side="right")
    n, first = edges.size + 1, chunk.weight * chunk.y
    return tuple(
        np.bincount(cell, values, n)
        for values in (chunk.weight, first, first * chunk.y)
    )


def choice_of_rows(chunk: Chunk, z: Floats, threshold: float, epsilon: float) -> tuple:
    """Sums of the choice p over the rows, of which `ErrorSums` are made."""
    _, weight, residual, loss = kept_rows(chunk, z, threshold)
    p = np.clip((threshold - loss) / epsilon, 0.0, 1.0)
    slope = choice_slope(residual, p, epsilon, 1.0)
    kept = weight * p
    return (
        kept.sum(),
        kept @ p,
        kept @ (p * residual**2),
        weight @ slope,
        weight @ slope**2,
        weight.sum(),
    )


def kept_rows(chunk: Chunk, z: Floats, largest: float):
    """Rows, weights, residuals and losses of losses below the largest."""
    rows, _, weight = chunk
    residual = chunk.residual(z)
    with np.errstate(over="ignore"):
        loss = 0.5 * residual * residual
    kept = loss < largest
    if kept.all():
        return rows, weight, residual, loss
    return rows[kept], weight[kept], residual[kept], loss[kept]
