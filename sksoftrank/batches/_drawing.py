"""The first reading: rows are drawn, everything is checked, counted and measured."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..linear._design import LinearDesign
from ..linear._ranges import check_ranges
from ._blocks import Block, Floats, Source, check_block, chunks_of, dense

# So many rows, and at most so many numbers in them, are drawn to start from; but for
# each feature so many rows at least.
N_DRAWN = 80_000
MAX_NUMBERS = 4 * 10**6
MIN_PER_FEATURE = 20

# Of a known number of rows more are offered than are drawn, by so many standard
# deviations of their number.
SLACK = 8.0


class Rows(NamedTuple):
    """Rows drawn from the data, in their order there.

    A row of the data is drawn with a probability in proportion to its weight, at most
    one. The weights are those of the rows of the data that each stands for.
    """

    X: Any
    y: Floats
    weight: Floats
    sigma: Floats | None
    is_all: bool  # whether there are no others of positive weight


class Facts(NamedTuple):
    """What the first reading tells of the data."""

    n_rows: int
    n_positive: int  # rows of positive weight
    total: float  # of the weights
    largest: float  # weight
    low: Floats  # smallest and largest values of the features, and of y
    high: Floats
    y_range: tuple[float, float]
    has_weight: bool
    has_sigma: bool
    names: tuple[str, ...] | None  # of the features
    dtype: np.dtype
    drawn: dict[str, Any]


def n_rows_to_draw(n_features: int) -> int:
    """How many rows are drawn of so many features."""
    fitting = MAX_NUMBERS // max(n_features, 1)
    return min(N_DRAWN, max(fitting, MIN_PER_FEATURE * n_features))


def draw(source: Source, seed: int, n_drawn: int | None = None) -> tuple[Facts, Rows]:
    """Read the data once; the rows drawn do not depend on how they are cut to blocks.

    They are those with the smallest ratio of a uniform number, one for each row of the
    data, to their weight ([1]_): of n rows that weigh the same, the smallest numbers.

    References
    ----------
    .. [1] N. Duffield, C. Lund, M. Thorup, "Priority Sampling for Estimation of
       Arbitrary Subset Sums", Journal of the ACM 54, 2007.
    """
    join = partial(merge, n_drawn=n_drawn)
    facts = source.reduce(facts_of, seed, n_drawn, source.n_rows, merge=join)
    if facts.n_rows == 0 or facts.total == 0:
        what = "row" if facts.n_rows == 0 else "row of positive sample_weight"
        raise ValueError(f"X must have at least one {what}, got none in all blocks.")
    check_ranges(facts.low, facts.high)
    return facts, _rows(facts, n_drawn)


def draw_outside(
    source: Source, seed: int, facts: Facts, drawn: Rows, design: LinearDesign, eps
) -> Rows:
    """Draw rows that coordinates of the drawn ones do not tell, and add them.

    These are the rows of rare levels, or where nearly equal columns differ, that a
    sample misses. The data are read for them.
    """
    n_drawn = max(n_rows_to_draw(facts.low.size) // 4, 1)
    outside, join = (design.with_rows(None), eps), partial(merge, n_drawn=n_drawn)
    others = source.reduce(facts_of, seed, n_drawn, None, outside, merge=join)
    if others.drawn["key"].size == 0:
        return drawn
    more = _rows(others, n_drawn)
    if drawn.sigma is not None:
        sigma = np.concatenate([drawn.sigma, more.sigma])
    return Rows(
        np.vstack([drawn.X, more.X]),
        np.concatenate([drawn.y, more.y]),
        np.concatenate([drawn.weight, more.weight]),
        None if drawn.sigma is None else sigma,
        False,
    )


def facts_of(
    block: Block,
    seed: int,
    n_drawn: int | None,
    n_rows: int | None,
    outside: tuple[LinearDesign, float] | None = None,
) -> Facts:
    """What one block tells; its rows that may be drawn are among it.

    With `outside`, a design and the rounding error of its numbers, these are rows that
    it does not tell.
    """
    names = names_of(block.X)
    block = check_block(block)
    X, y, weight, sigma, _, offset = block
    n, n_features = X.shape
    if n_drawn is None:
        n_drawn = n_rows_to_draw(n_features)
    low, high = np.full((2, n_features), np.inf) * [[1], [-1]]
    for rows in chunks_of(block):
        chunk = dense(X[rows])
        np.minimum(low, chunk.min(axis=0), out=low)
        np.maximum(high, chunk.max(axis=0), out=high)
    key = _uniform(seed, offset or 0, n)
    if weight is not None:
        with np.errstate(divide="ignore"):
            key /= weight
    if outside is not None:
        key[~outside_of_span(X, *outside)] = np.inf
    limit = np.inf
    if n_rows is not None and weight is None:
        limit = (n_drawn + SLACK * np.sqrt(n_drawn) + SLACK**2) / max(n_rows, 1)
    index = np.flatnonzero(key < limit)
    index = index[_smallest(key[index], n_drawn)]
    drawn = {
        "key": key[index],
        "index": index + (offset or 0),
        "X": X[index].toarray() if hasattr(X, "toarray") else np.asarray(X[index]),
        "y": y[index],
        "weight": None if weight is None else weight[index],
        "sigma": None if sigma is None else sigma[index],
    }
    return Facts(
        n_rows=n,
        n_positive=n if weight is None else int(np.count_nonzero(weight)),
        total=float(n) if weight is None else float(weight.sum()),
        largest=1.0 if weight is None else float(weight.max(initial=0.0)),
        low=low,
        high=high,
        y_range=(float(y.min(initial=np.inf)), float(y.max(initial=-np.inf))),
        has_weight=weight is not None,
        has_sigma=sigma is not None,
        names=names,
        dtype=X.dtype,
        drawn=drawn,
    )


def merge(first: Facts, second: Facts, n_drawn: int | None) -> Facts:
    """What two blocks, or two parts of the data, tell together."""
    check_alike(first, second)
    if n_drawn is None:
        n_drawn = n_rows_to_draw(first.low.size)
    a, b = first.drawn, second.drawn
    key = np.concatenate([a["key"], b["key"]])
    chosen = _smallest(key, n_drawn)
    drawn = {
        name: None if a[name] is None else np.concatenate([a[name], b[name]])[chosen]
        for name in a
    }
    return Facts(
        n_rows=first.n_rows + second.n_rows,
        n_positive=first.n_positive + second.n_positive,
        total=first.total + second.total,
        largest=max(first.largest, second.largest),
        low=np.minimum(first.low, second.low),
        high=np.maximum(first.high, second.high),
        y_range=(
            min(first.y_range[0], second.y_range[0]),
            max(first.y_range[1], second.y_range[1]),
        ),
        has_weight=first.has_weight,
        has_sigma=first.has_sigma,
        names=first.names,
        dtype=np.promote_types(first.dtype, second.dtype),
        drawn=drawn,
    )


def check_alike(first: Any, second: Any) -> None:
    """Refuse blocks of different columns, or of which only some have weights."""
    if first.low.size != second.low.size:
        raise ValueError(
            f"X must have the same columns in all blocks, got {first.low.size} and "
            f"{second.low.size} columns."
        )
    if first.names != second.names:
        raise ValueError(
            f"X must have the same columns in all blocks, got {first.names} and "
            f"{second.names}."
        )
    for name in ("weight", "sigma"):
        if getattr(first, f"has_{name}") != getattr(second, f"has_{name}"):
            argument = "sample_weight" if name == "weight" else name
            raise ValueError(
                f"{argument} must be given with all blocks or with none, got blocks "
                f"with and without."
            )


def _rows(facts: Facts, n_drawn: int | None) -> Rows:
    drawn = facts.drawn
    if n_drawn is None:
        n_drawn = n_rows_to_draw(facts.low.size)
    key = drawn["key"]
    chosen = np.arange(key.size)
    weight = np.ones(key.size) if drawn["weight"] is None else drawn["weight"]
    is_all = key.size <= n_drawn
    if not is_all:
        chosen = np.argsort(key)[:n_drawn]
        # Beyond the rows that are drawn, a weight stands for the rows of its key.
        beyond = np.sort(key)[min(n_drawn, key.size - 1)]
        weight = np.maximum(weight, 1 / beyond)
    chosen = chosen[np.argsort(drawn["index"][chosen])]
    return Rows(
        drawn["X"][chosen],
        drawn["y"][chosen],
        weight[chosen],
        None if drawn["sigma"] is None else drawn["sigma"][chosen],
        is_all,
    )


def _smallest(key: Floats, n_drawn: int) -> NDArray[np.intp]:
    """Positions of the `n_drawn` smallest finite keys, and of the next one."""
    if key.size > n_drawn + 1:
        chosen = np.argpartition(key, n_drawn)[: n_drawn + 1]
    else:
        chosen = np.arange(key.size)
    return chosen[np.isfinite(key[chosen])]


def _uniform(seed: int, offset: int, n_rows: int) -> Floats:
    """Numbers in (0, 1) for the rows from `offset` on, the same for any blocks."""
    generator = np.random.PCG64(seed)
    generator.advance(offset)
    uniform = np.random.Generator(generator).random(n_rows)
    uniform += 2.0**-54
    return uniform


def outside_of_span(X, design: LinearDesign, eps: float) -> np.ndarray:
    """Rows of X that the coordinates of a design do not tell, by more than rounding."""
    outside = np.zeros(X.shape[0], dtype=bool)
    size = np.abs(design.basis) @ np.abs(design.inverse)
    for part in chunks_of(Block(X, None)):
        rows = dense(X[part]) - design.mean
        left = np.abs(rows - (rows @ design.basis) @ design.inverse)
        rounding = np.abs(rows) + np.abs(design.mean)
        rounding = rounding + rounding @ size
        outside[part] = (left > 100 * eps * rounding).any(axis=1)
    return outside


def names_of(X: Any) -> tuple[str, ...] | None:
    """Names of the columns of a frame, if all are strings."""
    names = getattr(X, "columns", None)
    if names is None or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)
