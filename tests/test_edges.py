"""How far a bound on residuals holds along edges, in exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from sksoftrank._edges import follow_edges


def follow(residual, change, weight, bound, rises, needed):
    """Steps and rows that the kernel finds."""
    length = np.empty(len(change))
    entering = np.empty(len(change), dtype=np.intp)
    arrays = (np.array(a, dtype=float) for a in (residual, change, weight))
    rises = np.array(rises, dtype=float)
    follow_edges(*arrays, float(bound), rises, needed * (1 - 1e-12), length, entering)
    return length, entering


def interval(residual, change, bound, rise):
    """The steps at which ``|residual - s change| <= bound + s rise``, or None."""
    low, high = -np.inf, np.inf
    for side in (1, -1):
        room, speed = bound - side * residual, -side * change - rise
        if speed == 0 and room < 0:
            return None
        if speed > 0:
            high = min(high, Fraction(room, speed))
        elif speed < 0:
            low = max(low, Fraction(room, speed))
    return (low, high) if low <= high and high >= 0 else None


def largest_step(residual, change, weight, bound, rise, needed):
    """The largest step at which enough rows are held, and rows that end there."""
    rows = [
        (i, w, *found)
        for i, (r, c, w) in enumerate(zip(residual, change, weight, strict=True))
        if (found := interval(r, c, bound, rise)) is not None
    ]
    steps = {high for *_, high in rows if 0 <= high <= 1} | {Fraction(1)}
    for s in sorted(steps, reverse=True):
        if sum(w for _, w, low, high in rows if low <= s <= high) >= needed:
            return s, [(i, w) for i, w, _, high in rows if high == s]
    return None


@pytest.mark.parametrize("n", [3, 8, 40, 100])
@pytest.mark.parametrize("size", [2, 6, 1000])
def test_steps_are_the_largest(n, size):
    rng = np.random.default_rng([n, size])
    for _ in range(6):
        residual = rng.integers(-size, size + 1, n).tolist()
        change = rng.integers(-size, size + 1, (4, n)).tolist()
        weight = rng.integers(1, 4, n).tolist()
        bound = int(np.quantile(np.abs(residual), 0.6))
        rises = rng.integers(-bound - 1, 1, 4).tolist()
        needed = held_at(residual, residual, weight, bound, 0, 0)
        needed = max(needed - int(rng.integers(0, 3)), 1)
        found = zip(
            *follow(residual, change, weight, bound, rises, needed), strict=True
        )
        for edge, rise, (length, row) in zip(change, rises, found, strict=True):
            expected = largest_step(residual, edge, weight, bound, rise, needed)
            if expected is None:
                assert (length, row) == (0, -1)
                continue
            step, ending = expected
            np.testing.assert_allclose(length, float(step), rtol=1e-12, atol=1e-300)
            if step == 1 and row == -1:
                continue
            # Of rows that end together it is the last with which there is enough.
            assert row in dict(ending)
            others = held_at(residual, edge, weight, bound, rise, step)
            others -= sum(dict(ending).values())
            assert others + sum(w for i, w in ending if i >= row) >= needed
            assert others + sum(w for i, w in ending if i > row) < needed


def held_at(residual, change, weight, bound, rise, step):
    return sum(
        w
        for r, c, w in zip(residual, change, weight, strict=True)
        if abs(r - step * c) <= bound + step * rise
    )


def test_infinite_and_tiny_changes():
    residual, weight = [0.5, -0.5, 3.0, 0.0], [1.0, 1.0, 1.0, 1.0]
    change = np.array([[1e-300, -1e-300, 1e300, 0.0], [0.0, 0.0, 0.0, 0.0]])
    length, row = follow(residual, change, weight, 1.0, [-1.0, -0.5], 3)
    np.testing.assert_allclose(length, [0.5, 1.0])
    assert row.tolist() == [0, -1]
