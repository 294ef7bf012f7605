"""Entropic choices that end in a gap: small derivatives have all their digits, too."""

import mpmath
import numpy as np
import pytest
from marks import slow
from numpy.testing import assert_allclose

from sksoftrank import soft_topk


def exact_choice(values, k, epsilon, g):
    """Parts, their derivative in k and the product with g, by bisection."""
    with mpmath.workdps(400):
        x = [mpmath.mpf(float(value)) for value in values]
        e = mpmath.mpf(float(epsilon))
        low, high = min(x) - 50 * e, max(x) + 50 * e
        while high - low > e * mpmath.mpf(10) ** -60:
            middle = (low + high) / 2
            total = mpmath.fsum(1 / (1 + mpmath.exp((middle - v) / e)) for v in x)
            low, high = (middle, high) if total > k else (low, middle)
        parts = [1 / (1 + mpmath.exp((low - v) / e)) for v in x]
        slope = [
            p / (1 + mpmath.exp((v - low) / e)) for p, v in zip(parts, x, strict=True)
        ]
        share = [f / mpmath.fsum(slope) for f in slope]
        pulled = [f * mpmath.mpf(float(v)) / e for f, v in zip(slope, g, strict=True)]
        total = mpmath.fsum(pulled)
        pulled = [p - c * total for p, c in zip(pulled, share, strict=True)]
        return [np.array([float(v) for v in row]) for row in (parts, share, pulled)]


def exact_parts(values, k):
    """Parts for ``epsilon=1``, by bisection."""
    with mpmath.workdps(60):
        x = [mpmath.mpf(float(value)) for value in values]
        low, high = min(x) - 50, max(x) + 50
        while high - low > mpmath.mpf(10) ** -40:
            middle = (low + high) / 2
            total = mpmath.fsum(1 / (1 + mpmath.exp(middle - v)) for v in x)
            low, high = (middle, high) if total > k else (low, middle)
        return [float(1 / (1 + mpmath.exp(low - v))) for v in x]


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize(
    ("n", "k", "epsilon"),
    [
        slow(25, 1, 1e-3),
        (25, 12, 1e-3),
        slow(25, 24, 3e-3),
        slow(25, 12, 0.02),
        slow(25, 3, 0.3),
        slow(100, 50, 1e-4),
        slow(100, 99, 1e-3),
    ],
)
def test_derivatives_have_their_digits(n, k, epsilon, largest):
    rng = np.random.default_rng(0)
    values, g = rng.normal(size=(2, n))
    sign = 1 if largest else -1
    parts, wrt_k, pulled = exact_choice(values, k, epsilon, g)
    found, jacobian = soft_topk(
        sign * values,
        k,
        epsilon,
        regularization="entropic",
        largest=largest,
        return_jacobian=True,
    )
    assert_allclose(found, parts, rtol=0, atol=1e-15)
    for got, expected in (
        (jacobian.wrt_k, wrt_k),
        (jacobian.vjp(g), sign * pulled),
        (jacobian.jvp(g), sign * pulled),
    ):
        atol = 1e-12 * np.abs(expected).max()
        assert_allclose(got, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("k", [slow(1), slow(3), 5, slow(9)])
@pytest.mark.parametrize("largest", [True, False])
def test_short_rows_with_gaps_of_all_widths(largest, k):
    """Beside one another in tiles, where wide gaps go another way than others."""
    rng, gaps = np.random.default_rng(k), [0, 0.1, 2, 5.9, 6.1, 12, 23.9, 24.1, 40, 150]
    rows = rng.normal(size=(3 * len(gaps), 10))
    rows[1::3] = rows[1::3].round(0)
    rows[2::3, ::2] *= 20
    for row, gap in zip(rows, np.repeat(gaps, 3), strict=True):
        row.sort()
        row[k:] += gap + row[k - 1] - row[k]
    rows = -rng.permuted(rows, axis=1)
    expected = np.array([exact_parts(row, k) for row in rows])
    sign = 1 if largest else -1
    found = soft_topk(sign * rows, k, regularization="entropic", largest=largest)
    assert_allclose(found, expected, rtol=1e-12)
    others = soft_topk(-rows, 10 - k, regularization="entropic")
    assert_allclose(1 - expected, others, rtol=0, atol=1e-15)


def test_whole_choices_of_many_values_are_whole():
    values = np.random.default_rng(1).normal(size=5000)
    for k in (1, 2500, 4999):
        parts = soft_topk(values, k, 1e-9, regularization="entropic")
        assert parts.sum() == k


@pytest.mark.parametrize("weights", [None, [0.5, 2.4, 1.0, 1.7]])
def test_derivatives_where_one_part_alone_is_open(weights):
    # Its own change is what those of the others leave, many powers of ten smaller.
    x, k, epsilon = [2.5, 0.25, -1.0, 4.0], 2.375, 0.0625
    a = [1.0] * 4 if weights is None else weights
    with mpmath.workprec(900):
        unit = mpmath.mpf(2) ** -300

        def parts(epsilon):
            def excess(t):
                return mpmath.fsum(
                    b * sigmoid((v - t) / epsilon) for b, v in zip(a, x, strict=True)
                )

            def sigmoid(u):
                return 1 / (1 + mpmath.exp(-u))

            low, high = mpmath.mpf(-9), mpmath.mpf(9)
            for _ in range(700):
                middle = (low + high) / 2
                low, high = (middle, high) if excess(middle) > k else (low, middle)
            return [sigmoid((v - low) / epsilon) for v in x]

        p = parts(mpmath.mpf(epsilon))
        slope = [q * (1 - q) / epsilon for q in p]
        reach = mpmath.fsum(b * s for b, s in zip(a, slope, strict=True))
        expected = [
            [float(slope[i] * ((i == j) - a[j] * slope[j] / reach)) for j in range(4)]
            for i in range(4)
        ]
        more = parts(epsilon * (1 + unit))
        wrt_epsilon = [
            float((r - q) / (epsilon * unit)) for q, r in zip(p, more, strict=True)
        ]
    _, jacobian = soft_topk(
        x, k, epsilon, weights=weights, regularization="entropic", return_jacobian=True
    )
    tol = 1e-12 * np.abs(expected).max()
    assert tol < 1e-18
    assert_allclose(jacobian.toarray(), expected, rtol=0, atol=tol)
    u = np.array([1.0, -0.7, 0.3, 2.0])
    assert_allclose(jacobian.vjp(u), u @ expected, rtol=0, atol=10 * tol)
    tol = 1e-12 * np.abs(wrt_epsilon).max()
    assert_allclose(jacobian.wrt_epsilon, wrt_epsilon, rtol=0, atol=tol)
