"""Slow, obvious versions of everything the operators compute, for the tests only.

Three independent routes lead to the same numbers:

* the min-max formula of isotonic optimisation, O(n^2), which knows nothing of pooling;
* a general convex solver on the majorisation constraints, for a handful of values;
* pooling with exact integers (quadratic) or extended precision (entropic),
  fast enough for n = 1e5, itself checked against ``mpmath``.
"""

from itertools import combinations, repeat
from typing import Any, NamedTuple

import mpmath
import numpy as np
from scipy.optimize import minimize

LONG = np.longdouble
ONE = LONG(1)


# The min-max formula


def block_values(s, w, regularization):
    """Optimal values of all candidate blocks: [j, k] is that of s[j], ..., s[k]."""
    n = len(s)
    gamma = np.full((n, n), -np.inf, dtype=LONG)
    for j in range(n):
        if regularization == "quadratic":
            gamma[j, j:] = np.cumsum(s[j:] - w[j:]) / np.arange(1, n - j + 1)
        else:
            log_sums = [np.logaddexp.accumulate(x[j:]) for x in (s, w)]
            gamma[j, j:] = log_sums[0] - log_sums[1]
    return gamma


def isotonic(s, w=None, regularization="quadratic"):
    """Non-increasing v by v_i = min over j <= i of max over k >= i of gamma(j, k)."""
    s = np.asarray(s, dtype=LONG)
    w = np.zeros_like(s) if w is None else np.asarray(w, dtype=LONG)
    gamma = block_values(s, w, regularization)
    best_end = np.maximum.accumulate(gamma[:, ::-1], axis=1)[:, ::-1]
    return np.array([best_end[: i + 1, i].min() for i in range(len(s))], dtype=LONG)


def project(z, w, regularization="quadratic"):
    """Projection of z on the permutahedron of w, z - v as the paper writes it."""
    z = np.asarray(z, dtype=LONG)
    order = np.argsort(-z, kind="stable")
    out = z.copy()
    out[order] -= isotonic(z[order], np.sort(np.asarray(w, LONG))[::-1], regularization)
    return out


def soft_rank(theta, epsilon, regularization="quadratic", descending=False):
    """Soft ranks by their definition, epsilon > 0."""
    z = np.asarray(theta, dtype=LONG) / LONG(epsilon)
    z = -z if descending else z
    rho = np.arange(len(z), 0, -1, dtype=LONG)
    if regularization == "kl":
        return np.exp(project(z, np.log(rho), "entropic"))
    return project(z, rho, regularization)


def soft_sort(theta, epsilon, regularization="quadratic", descending=False):
    """Soft sort by its definition, epsilon > 0."""
    theta = np.asarray(theta, dtype=LONG)
    rho = np.arange(len(theta), 0, -1, dtype=LONG)
    if descending:
        return project(rho / LONG(epsilon), theta, regularization)
    return -project(rho / LONG(epsilon), -theta, regularization)


# A general convex solver


def majorisation_constraints(w):
    """SLSQP constraints of the convex hull of the permutations of w, one per subset."""
    largest_sums = np.cumsum(np.sort(w)[::-1])
    subsets = [c for k in range(1, len(w)) for c in combinations(range(len(w)), k)]
    member = np.array([np.isin(np.arange(len(w)), c) for c in subsets], dtype=float)
    limits = largest_sums[member.sum(axis=1).astype(int) - 1]
    return [
        {"type": "eq", "fun": lambda p: p.sum() - w.sum()},
        {"type": "ineq", "fun": lambda p: limits - member @ p},
    ]


def project_by_solver(z, w, regularization="quadratic"):
    """Projection as a generic constrained minimisation, for three to six values."""
    if regularization == "quadratic":
        target = w

        def objective(p):
            return 0.5 * np.sum((p - z) ** 2), p - z

    else:
        target = np.exp(w)

        def objective(p):
            p = np.maximum(p, 1e-300)
            log_ratio = np.log(p) - z
            return np.sum(p * log_ratio - p + np.exp(z)), log_ratio

    result = minimize(
        objective,
        x0=np.full(len(w), target.mean()),
        jac=True,
        method="SLSQP",
        constraints=majorisation_constraints(target),
        options={"ftol": 1e-15, "maxiter": 500},
    )
    return result.x if regularization == "quadratic" else np.log(result.x)


# Pooling, exact or in extended precision


def integers(*arrays):
    """Python integers k and an exponent p <= 0 with array = k * 2**p, exactly."""
    parts = [np.frexp(np.asarray(a, dtype=np.float64)) for a in arrays]
    used = [(e - 53)[m != 0] for m, e in parts]
    power = min([0, *np.concatenate([u.ravel() for u in used]).tolist()])
    scaled = []
    for mantissa, exponent in parts:
        k = np.ldexp(mantissa, 53).astype(np.int64).astype(object)
        shift = np.where(mantissa == 0, 0, exponent - 53 - power).astype(object)
        scaled.append(k * 2**shift)
    return *scaled, power


def pool(singletons, rises, merge):
    """First indices of the blocks, by merging neighbours while their values rise.

    A block is a tuple of its size and whatever ``rises`` and ``merge`` need.
    """
    blocks = []
    for block in singletons:
        while blocks and rises(blocks[-1], block):
            block = merge(blocks.pop(), block)
        blocks.append(block)
    sizes = np.array([block[0] for block in blocks], dtype=int)
    return np.cumsum(sizes) - sizes


def quadratic_blocks(y):
    """Blocks of the quadratic problem, y = s - w; exact if y holds Python integers."""
    return pool(
        zip(repeat(1), y.tolist()),
        rises=lambda a, b: a[1] * b[0] < b[1] * a[0],
        merge=lambda a, b: (a[0] + b[0], a[1] + b[1]),
    )


def entropic_blocks(s, w, divisor=ONE):
    """Blocks of the entropic problem for s / divisor and w, in extended precision.

    A block holds its size m, then for s and for w the largest entry and log(mean(exp))
    above it: the two log(m) cancel. Differences of s come before the division, and
    expm1 before the mean, so neither huge nor tiny differences cost digits.
    """

    def rises(a, b):
        step = (b[1] - a[1]) / divisor - (b[3] - a[3])
        return step + (b[2] - a[2]) - (b[4] - a[4]) > 0

    def mix(m_a, top_a, mean_a, m_b, top_b, mean_b, divisor):
        if top_b > top_a:
            return mix(m_b, top_b, mean_b, m_a, top_a, mean_a, divisor)
        mean_b = mean_b + (top_b - top_a) / divisor
        excess = m_a * np.expm1(mean_a) + m_b * np.expm1(mean_b)
        return top_a, np.log1p(excess / (m_a + m_b))

    def merge(a, b):
        m_a, m_b = a[0], b[0]
        of_s = mix(m_a, *a[1:3], m_b, *b[1:3], divisor)
        return m_a + m_b, *of_s, *mix(m_a, *a[3:], m_b, *b[3:], 1)

    return pool(zip(repeat(1), s, repeat(LONG(0)), w, repeat(LONG(0))), rises, merge)


def block_sums(x, starts):
    return np.add.reduceat(x, starts) if len(starts) else x[:0]


def block_sizes(n, starts):
    return np.diff(np.append(starts, n)).astype(int)


def log_mean_exp(x, starts, divisor=ONE):
    """Largest entry and log(mean(exp)) above it, for each block of x / divisor."""
    top, sizes = np.maximum.reduceat(x, starts), block_sizes(len(x), starts)
    excess = np.expm1((x - np.repeat(top, sizes)) / divisor)
    return top, np.log1p(block_sums(excess, starts) / sizes)


class Blocks:
    """The blocks of one problem, and the average over a block that its Jacobian is."""

    def __init__(self, starts, n, logits=None, divisor=ONE):
        self.starts, self.sizes = starts, block_sizes(n, starts)
        self.share = 1 / self.spread(self.sizes.astype(LONG))
        if logits is not None:
            top, log_mean = map(self.spread, log_mean_exp(logits, starts, divisor))
            self.share *= np.exp((logits - top) / divisor - log_mean)

    def spread(self, per_block):
        return np.repeat(per_block, self.sizes)

    def quadratic_values(self, z, w):
        """Exact numerators and denominators of z - mean(z) + mean(w), from integers."""
        sizes = self.spread(self.sizes.astype(object))
        return sizes * z - self.spread(block_sums(z - w, self.starts)), sizes

    def entropic_values(self, z, w, divisor):
        """The same with the logarithms of mean exponentials, of z / divisor and w."""
        top_z, log_z = map(self.spread, log_mean_exp(z, self.starts, divisor))
        top_w, log_w = map(self.spread, log_mean_exp(w, self.starts))
        return (z - top_z) / divisor + (log_w - log_z) + top_w

    def average(self, u):
        """Block averages, each element weighted by its share (1 / m or softmax)."""
        return self.spread(block_sums(self.share * u, self.starts))

    def average_transposed(self, g):
        return self.share * self.spread(block_sums(g, self.starts))


class Solution(NamedTuple):
    values: np.ndarray
    vjp: Any  # the function g -> J^T g
    starts: np.ndarray  # of the blocks, in the sorted order


def fast_soft_rank(theta, epsilon, regularization="quadratic", descending=False):
    """Soft ranks, accurate to extended precision."""
    theta, sign = np.asarray(theta, dtype=np.float64), -1 if descending else 1
    n, order = len(theta), np.argsort(-sign * theta, kind="stable")
    z, rho = sign * theta[order], np.arange(n, 0, -1)
    if regularization == "quadratic":
        # P(z / epsilon, rho) = P(z, epsilon rho) / epsilon, in integers.
        t, e, _ = integers(z, epsilon)
        w = e * rho.astype(object)
        blocks = Blocks(quadratic_blocks(t - w), n)
        numerators, sizes = blocks.quadratic_values(t, w)
        ranks = numerators / (sizes * e)
    else:
        z, w, epsilon = z.astype(LONG), rho.astype(LONG), LONG(epsilon)
        w = np.log(w) if regularization == "kl" else w
        blocks = Blocks(entropic_blocks(z, w, epsilon), n, z, epsilon)
        ranks = blocks.entropic_values(z, w, epsilon)
        ranks = np.exp(ranks) if regularization == "kl" else ranks
    ranks = ranks.astype(LONG)

    def vjp(g):
        g = np.asarray(g, dtype=LONG)[order]
        g = g * ranks if regularization == "kl" else g
        return scatter((g - blocks.average_transposed(g)) * sign / LONG(epsilon), order)

    return Solution(scatter(ranks, order), vjp, blocks.starts)


def fast_soft_sort(theta, epsilon, regularization="quadratic", descending=False):
    """Soft sort, accurate to extended precision."""
    theta, sign = np.asarray(theta, dtype=np.float64), 1 if descending else -1
    n, order = len(theta), np.argsort(-sign * theta, kind="stable")
    w, rho = sign * theta[order], np.arange(n, 0, -1)
    if regularization == "quadratic":
        # P(rho / epsilon, w) = P(rho, epsilon w) / epsilon, in integers.
        t, e, power = integers(w, epsilon)
        z = rho.astype(object) * 4**-power
        blocks = Blocks(quadratic_blocks(z - e * t), n)
        numerators, sizes = blocks.quadratic_values(z, e * t)
        values = numerators / (sizes * (e * 2**-power))
    else:
        z, w, epsilon = rho.astype(LONG), w.astype(LONG), LONG(epsilon)
        blocks = Blocks(entropic_blocks(z, w, epsilon), n, w)
        values = blocks.entropic_values(z, w, epsilon)

    def vjp(g):
        return scatter(blocks.average_transposed(np.asarray(g, dtype=LONG)), order)

    return Solution(sign * values.astype(LONG), vjp, blocks.starts)


def scatter(x, order):
    """The inverse of x = y[order]."""
    y = np.empty_like(x)
    y[order] = x
    return y


def fast_project(z, w, regularization="quadratic"):
    """Projection on the permutahedron of w, accurate to extended precision."""
    order = np.argsort(-z, kind="stable")
    z, w = z[order], np.sort(w)[::-1]
    if regularization == "quadratic":
        exact_z, exact_w, power = integers(z, w)
        blocks = Blocks(quadratic_blocks(exact_z - exact_w), len(z))
        numerators, sizes = blocks.quadratic_values(exact_z, exact_w)
        values = (numerators / (sizes * 2**-power)).astype(LONG)
    else:
        z, w = z.astype(LONG), w.astype(LONG)
        blocks = Blocks(entropic_blocks(z, w), len(z))
        values = blocks.entropic_values(z, w, ONE)
    return scatter(values, order)


def fast_isotonic(s, w, regularization="quadratic"):
    """Isotonic solution, accurate to extended precision."""
    if regularization == "quadratic":
        exact_s, exact_w, power = integers(s, w)
        blocks = Blocks(quadratic_blocks(exact_s - exact_w), len(s))
        sums = block_sums(exact_s - exact_w, blocks.starts)
        return blocks.spread(sums / (blocks.sizes.astype(object) * 2**-power))
    s, w = s.astype(LONG), w.astype(LONG)
    starts = entropic_blocks(s, w)
    (top_s, log_s), (top_w, log_w) = (log_mean_exp(x, starts) for x in (s, w))
    return np.repeat(top_s - top_w + (log_s - log_w), block_sizes(len(s), starts))


FAST = {"rank": fast_soft_rank, "sort": fast_soft_sort}


def jacobian(operator, theta, epsilon, regularization="quadratic", descending=False):
    """Dense Jacobian of a soft rank or sort, row by row."""
    vjp = FAST[operator](theta, epsilon, regularization, descending).vjp
    return np.array([vjp(row) for row in np.eye(len(theta))]).astype(np.float64)


def isotonic_jacobians(s, w, regularization="quadratic"):
    """Dense derivatives of the isotonic solution with respect to s and to w."""
    n = len(s)
    if regularization == "quadratic":
        exact_s, exact_w, _ = integers(s, w)
        wrt_s = wrt_w = Blocks(quadratic_blocks(exact_s - exact_w), n)
    else:
        s, w = np.asarray(s, dtype=LONG), np.asarray(w, dtype=LONG)
        starts = entropic_blocks(s, w)
        wrt_s, wrt_w = Blocks(starts, n, s), Blocks(starts, n, w)
    by_column = [
        np.array([b.average(column) for column in np.eye(n)]).T for b in (wrt_s, wrt_w)
    ]
    return by_column[0].astype(np.float64), -by_column[1].astype(np.float64)


def project_jacobians(z, w, regularization="quadratic"):
    """Dense derivatives of the projection on the permutahedron, in z and in w."""
    order_z, order_w = (np.argsort(-x, kind="stable") for x in (z, w))
    n, (in_s, in_w) = len(z), isotonic_jacobians(z[order_z], w[order_w], regularization)
    wrt_z, wrt_w = np.eye(n), np.zeros((n, n))
    wrt_z[np.ix_(order_z, order_z)] -= in_s
    wrt_w[np.ix_(order_z, order_w)] -= in_w
    return wrt_z, wrt_w


# Arbitrary precision


def mpmath_project_sorted(z, w, regularization):
    """Projection for z and w sorted descending lists of mpf, by plain pooling."""
    if regularization == "quadratic":
        singletons = zip(repeat(1), [a - b for a, b in zip(z, w, strict=True)])

        def value(block):
            return block[1] / block[0]

    else:  # exponents are unbounded here: nothing overflows
        exp_z, exp_w = ([mpmath.exp(x) for x in xs] for xs in (z, w))
        singletons = zip(repeat(1), exp_z, exp_w)

        def value(block):
            return mpmath.log(block[1] / block[2])

    blocks = []
    for block in singletons:
        while blocks and value(blocks[-1]) < value(block):
            block = tuple(x + y for x, y in zip(blocks.pop(), block, strict=True))
        blocks.append(block)
    v = [value(block) for block in blocks for _ in range(block[0])]
    return [a - b for a, b in zip(z, v, strict=True)]


def mpmath_soft(operator, theta, epsilon, regularization, digits=60):
    """Ascending soft rank or sort with ``digits`` decimal digits, as float64."""
    with mpmath.workdps(digits):
        n, eps = len(theta), mpmath.mpf(epsilon)
        rho = [mpmath.mpf(i) for i in range(n, 0, -1)]
        if operator == "sort":
            w = [-mpmath.mpf(t) for t in np.sort(theta).tolist()]
            z = [r / eps for r in rho]
            out = mpmath_project_sorted(z, w, regularization)
            return np.array([float(-p) for p in out])
        order = np.argsort(-theta, kind="stable")
        z = [mpmath.mpf(t) / eps for t in theta[order].tolist()]
        if regularization == "kl":
            out = mpmath_project_sorted(z, list(map(mpmath.log, rho)), "entropic")
            out = map(mpmath.exp, out)
        else:
            out = mpmath_project_sorted(z, rho, regularization)
        return scatter(np.array([float(p) for p in out]), order)


# Quantiles and means of the middle


def soft_sum(values, mass, epsilon, weights, regularization):
    """V(mass) with 50 digits: the minimum of the penalised sum, by bisection."""
    x, a = ([mpmath.mpf(float(v)) for v in array] for array in (values, weights))
    share = mass / sum(a)
    if share in (0, 1):
        return share * sum(v * w for v, w in zip(x, a, strict=True))

    def parts(t):
        u = [(t - v) / epsilon for v in x]
        if regularization == "quadratic":
            return [min(max(v, mpmath.mpf(0)), mpmath.mpf(1)) for v in u]
        return [1 / (1 + mpmath.exp(-v)) for v in u]

    def divergence(p):
        if regularization == "quadratic":
            return (p - share) ** 2 / 2
        terms = [(p, share), (1 - p, 1 - share)]
        return sum(b * mpmath.log(b / c) for b, c in terms if b > 0)

    low, high = min(x) - 100 * epsilon - 1, max(x) + 100 * epsilon + 1
    for _ in range(140):
        middle = (low + high) / 2
        is_low = sum(w * p for w, p in zip(a, parts(middle), strict=True)) < mass
        low, high = (middle, high) if is_low else (low, middle)
    terms = zip(a, parts(high), x, strict=True)
    return sum(w * (p * v + epsilon * divergence(p)) for w, p, v in terms)


def window_mean(values, low, high, epsilon, weights, regularization):
    """Mean of the values between two masses, with 50 digits.

    From (A - 1) q to one more, with the total mass A, it is the soft quantile at q.
    """
    with mpmath.workdps(50):
        epsilon = mpmath.mpf(float(epsilon))
        sums = [
            soft_sum(values, mpmath.mpf(float(mass)), epsilon, weights, regularization)
            for mass in (low, high)
        ]
        return float((sums[1] - sums[0]) / (mpmath.mpf(float(high)) - float(low)))
