"""soft_topk_loss against row-by-row references."""

import numpy as np
import pytest
import reference
from marks import slow
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, ndtr
from sklearn.metrics import top_k_accuracy_score

from sksoftrank import soft_rank
from sksoftrank.losses import _topk, soft_topk_loss

NAN = np.nan
# Operators with a strength that leaves ranks soft, on either side of k.
STRENGTHS = {
    "quadratic": 1.5,
    "entropic": 1.5,
    "kl": 1.5,
    "all_pairs": 0.5,
    "gaussian": 0.5,
    "sinkhorn": 0.05,
}
OPERATORS = pytest.mark.parametrize("operator", list(STRENGTHS))
GROWTHS = pytest.mark.parametrize("growth", ["linear", "bounded"])
SQUASHINGS = pytest.mark.parametrize("squashing", [None, "logistic"])


def rows(n=20, n_classes=5, seed=0):
    """Scores, labels and weights."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((n, n_classes))
    weight = rng.integers(0, 4, n).astype(float)
    return scores, rng.integers(0, n_classes, n), weight


def strength(operator, squashing):
    """A strength that suits the range of the scores."""
    shrinks = squashing is not None and operator != "sinkhorn"
    return STRENGTHS[operator] * (0.2 if shrinks else 1.0)


def sinkhorn_rank(scores, epsilon):
    """Descending ranks by plain iterations on the squashed scores."""
    n = len(scores)
    x = expit((scores - scores.mean()) / scores.std())
    kernel = np.exp(-((np.linspace(0, 1, n) - x[:, None]) ** 2) / epsilon)
    v = np.ones(n)
    for _ in range(1000):
        u = 1 / (kernel @ v)
        v = 1 / (u @ kernel)
    return u * (kernel @ (v * np.arange(n, 0, -1)))


def ranks_of_row(scores, epsilon, operator):
    if operator == "sinkhorn":
        return sinkhorn_rank(scores, epsilon)
    if operator in ("quadratic", "entropic", "kl"):
        return reference.soft_rank(scores, epsilon, operator, descending=True)
    difference = (scores - scores[:, None]) / epsilon
    if operator == "all_pairs":
        return 0.5 + expit(difference).sum(axis=1)
    return 0.5 + ndtr(difference / np.sqrt(2)).sum(axis=1)


def slow_loss(scores, labels, weight, shares, epsilon, operator, growth, squashing):
    total = 0.0
    for s, label, w in zip(scores, labels, weight, strict=True):
        if squashing == "logistic":
            s = 1 / (1 + np.exp(-s))
        rank = ranks_of_row(s, epsilon, operator)[label]
        for k, share in shares.items():
            if rank > k:
                excess = rank - k
                loss = excess if growth == "linear" else 1 - 1 / (1 + excess)
                total += w * share * loss
    return total / weight.sum() / sum(shares.values())


# Values and gradients


@OPERATORS
@GROWTHS
@SQUASHINGS
@pytest.mark.parametrize("k", [slow(1), 3, {1: 2.0, 2: 0.0, 4: 6.0}])
def test_value(operator, growth, squashing, k):
    scores, labels, weight = rows()
    epsilon = strength(operator, squashing)
    shares = k if isinstance(k, dict) else {k: 1.0}
    expected = slow_loss(
        scores, labels, weight, shares, epsilon, operator, growth, squashing
    )
    options = {"operator": operator, "growth": growth, "squashing": squashing}
    value, _ = soft_topk_loss(
        scores, labels, k, epsilon, sample_weight=weight, **options
    )
    assert_allclose(value, expected, rtol=1e-6 if operator == "sinkhorn" else 1e-10)
    # The mean of the losses of all k.
    parts = [
        share
        * soft_topk_loss(scores, labels, j, epsilon, sample_weight=weight, **options)[0]
        for j, share in shares.items()
    ]
    assert_allclose(value, sum(parts) / sum(shares.values()), rtol=1e-12)


@OPERATORS
@GROWTHS
@SQUASHINGS
@pytest.mark.parametrize("k", [slow(1), 2, {1: 2.0, 4: 6.0}])
def test_gradient(operator, growth, squashing, k):
    scores, labels, weight = rows(n=8, seed=1)
    arguments = labels, k, strength(operator, squashing)
    options = {"operator": operator, "growth": growth, "squashing": squashing}
    options["sample_weight"] = weight
    _, gradient = soft_topk_loss(scores, *arguments, **options)
    expected = np.zeros_like(scores)
    step = 1e-6
    for index in np.ndindex(scores.shape):
        moved = scores.copy()
        moved[index] += step
        above, _ = soft_topk_loss(moved, *arguments, **options)
        moved[index] -= 2 * step
        below, _ = soft_topk_loss(moved, *arguments, **options)
        expected[index] = (above - below) / (2 * step)
    atol = 1e-6 if operator == "sinkhorn" else 1e-8
    assert_allclose(gradient, expected, rtol=1e-5, atol=atol)
    assert np.abs(expected).max() > 2e-3


# Limits


@OPERATORS
@SQUASHINGS
@pytest.mark.parametrize("k", [1, 3])
def test_hard_ranks(operator, squashing, k):
    scores, labels, weight = rows(n=50)
    places = (scores > scores[np.arange(50), labels][:, None]).sum(axis=1)
    options = {"operator": operator, "squashing": squashing, "sample_weight": weight}
    value, gradient = soft_topk_loss(scores, labels, k, 0, **options)
    expected = np.average(np.maximum(places + 1 - k, 0), weights=weight)
    assert_allclose(value, expected, rtol=1e-12)
    assert_array_equal(gradient, 0)


def test_loss_is_zero_exactly_where_top_k_is_right():
    scores, labels, _ = rows(n=50)
    values = [
        soft_topk_loss(s[None], label[None], 2, 0, growth="bounded")[0]
        for s, label in zip(scores, labels, strict=True)
    ]
    accuracy = top_k_accuracy_score(labels, scores, k=2, labels=np.arange(5))
    assert accuracy == np.mean(np.equal(values, 0))
    assert 0.2 < accuracy < 0.8
    assert 0.5 <= min(v for v in values if v > 0) <= max(values) <= 0.75


def test_two_classes_have_a_hinge():
    margin = np.array([-3.0, -0.5, 0.5, 3.0])
    scores = np.column_stack([margin, np.zeros(4)])
    for label in (0, 1):
        sign = 1 - 2 * label
        losses = [soft_topk_loss(s[None], [label], epsilon=2.0)[0] for s in scores]
        assert_allclose(losses, np.clip(0.5 - sign * margin / 4, 0, 1), rtol=1e-12)


# Rows


@OPERATORS
def test_weights_are_repeats(operator):
    scores, labels, weight = rows()
    count = weight.astype(int)
    options = {"epsilon": STRENGTHS[operator], "operator": operator}
    value, gradient = soft_topk_loss(scores, labels, sample_weight=weight, **options)
    repeated = soft_topk_loss(
        scores.repeat(count, axis=0), labels.repeat(count), **options
    )
    assert_allclose(value, repeated[0], rtol=1e-12)
    assert_allclose(
        gradient.repeat(count, axis=0),
        repeated[1] * weight.repeat(count)[:, None],
        rtol=1e-10,
        atol=1e-12,
    )
    assert_array_equal(gradient[count == 0], 0)
    huge = soft_topk_loss(scores, labels, sample_weight=weight * 1e307, **options)
    assert_allclose(huge[0], value, rtol=1e-12)
    assert abs(value - soft_topk_loss(scores, labels, **options)[0]) > 1e-3


@OPERATORS
@pytest.mark.parametrize("batch_size", [1, 20, 33])
def test_batches(operator, batch_size, monkeypatch):
    scores, labels, weight = rows()
    options = {"epsilon": STRENGTHS[operator], "operator": operator}
    options["sample_weight"] = weight
    expected = soft_topk_loss(scores, labels, **options)
    monkeypatch.setattr(_topk, "BATCH_SIZE", batch_size)
    value, gradient = soft_topk_loss(scores, labels, **options)
    assert_allclose(value, expected[0], rtol=1e-12)
    assert_allclose(gradient, expected[1], rtol=1e-9, atol=1e-12)


def test_no_rows():
    value, gradient = soft_topk_loss(np.empty((0, 3)), [])
    assert value == 0.0
    assert gradient.shape == (0, 3)


def test_inputs_are_not_changed():
    scores, labels, weight = rows()
    for array in (scores, labels, weight):
        array.flags.writeable = False
    options = {"squashing": "logistic", "epsilon": 0.3}
    expected = soft_topk_loss(scores, labels, sample_weight=weight, **options)
    value, gradient = soft_topk_loss(
        np.asfortranarray(scores),
        labels.tolist(),
        np.int64(1),
        sample_weight=weight.tolist(),
        **options,
    )
    assert value == expected[0]
    assert_array_equal(gradient, expected[1])
    single = soft_topk_loss(
        scores.astype(np.float32), labels, sample_weight=weight, **options
    )
    assert single[1].dtype == np.float64
    assert_allclose(single[1], gradient, rtol=0, atol=1e-6)


@pytest.mark.parametrize("operator", ["quadratic", "entropic", "kl"])
@pytest.mark.parametrize("n_classes", [2, 3, 26, 60, 150])
def test_kernel_without_a_sort(operator, n_classes):
    """The rank of one entry is that of `soft_rank`, near and far, tied and single."""
    rng = np.random.default_rng(n_classes)
    options = {"operator": operator, "growth": "bounded", "squashing": None}
    shares = {1: 0.3, n_classes - 1: 0.7} if n_classes > 2 else {1: 1.0}
    n_solved = 0
    for epsilon in [0.0, 1e-3, 0.1, 1.0, 10.0]:
        for size in [0.01, 1.0, 30.0]:
            scores = size * rng.standard_normal((6, n_classes))
            scores[1] = scores[1].round(1)
            scores[2, ::2] = scores[2, 0]
            scores[3] += 1e5
            labels = rng.integers(n_classes, size=6)
            weight = rng.integers(1, 3, 6) * 1.0
            loss = _topk.TopKLoss(labels, weight, shares, epsilon, **options)
            value, gradient = loss(scores)
            kind, loss.kind = loss.kind, None
            expected = loss(scores)
            assert_allclose(value, expected[0], rtol=1e-12)
            scale = np.abs(expected[1]).max()
            assert_allclose(gradient, expected[1], rtol=0, atol=1e-9 * scale)
            n_solved += not np.isnan(
                _topk.topk_rows(
                    scores,
                    loss.labels,
                    loss.weight,
                    loss.table,
                    epsilon,
                    kind,
                    True,
                    gradient,
                )
            )
    # More than 64 entries near the true one are left to `soft_rank`.
    assert n_solved == 15 if n_classes <= 60 else 3 <= n_solved < 15


def test_one_call_of_the_kernel(monkeypatch):
    # Threads that come back from many short ones wait for one another.
    calls, kernel = [], _topk.topk_rows
    monkeypatch.setattr(
        _topk, "topk_rows", lambda *args: calls.append(len(args[0])) or kernel(*args)
    )
    scores = np.random.default_rng(0).normal(size=(300, 200))
    labels = np.arange(300) % 200
    value, gradient = soft_topk_loss(scores, labels, 3, 1e-3)
    assert calls == [300]
    # Rows beyond the kernel are solved in batches, and the others with them.
    scores[250] *= 0.03
    value, gradient = soft_topk_loss(scores, labels, 3, 1e-3)
    assert len(calls) > 2
    parts = [
        soft_topk_loss(scores[i : i + 1], labels[i : i + 1], 3, 1e-3)
        for i in range(300)
    ]
    assert_allclose(value, np.mean([part for part, _ in parts]), rtol=1e-12)
    expected = np.concatenate([part for _, part in parts]) / 300
    assert_allclose(gradient, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("operator", ["quadratic", "entropic", "kl"])
def test_many_classes_near_the_last_of_more(operator):
    """A hundred of them may hold the rank, but not with those above."""
    rng = np.random.default_rng(0)
    scores = np.sort(rng.standard_normal(150))
    scores[90:] += 1e4
    value, gradient = soft_topk_loss([scores], [0], 100, 0.1, operator=operator)
    expected = ranks_of_row(scores, 0.1, operator)[0] - 100
    assert_allclose(value, expected, rtol=1e-9)
    assert value > 10
    if operator == "quadratic":
        assert_allclose(gradient.sum(), 0, atol=1e-9)


def test_few_classes_of_a_long_reach():
    """Blocks shrink slowly there, and exponentials of far classes underflow."""
    far = np.repeat(np.arange(1350.0, 2000.0, 100.0), [1268, *(6 * [100])])
    scores = -np.hstack([[0.0, 0.1], np.arange(1200.0, 1230.0), far, [2500.0] * 100])
    options = {"operator": "entropic", "growth": "linear"}
    value, gradient = soft_topk_loss([scores], [1], 1, 1.0, **options)
    expected = soft_rank(scores, 1.0, regularization="entropic", descending=True)[1] - 1
    assert_allclose(value, expected, rtol=1e-9)
    assert_allclose(gradient[0, :2] * (1 + np.exp(0.1)), [1.0, -1.0])


def test_gradients_near_the_largest_number():
    epsilon = 2.0**-1000
    scores = epsilon * np.cumsum(np.repeat([1.5, 0.5], 30))
    options = {"operator": "entropic", "growth": "linear"}
    gradient = soft_topk_loss([scores], [45], 1, epsilon, **options)[1]
    expected = soft_topk_loss([scores / epsilon], [45], 1, 1.0, **options)[1]
    assert_allclose(gradient * epsilon, expected, rtol=1e-9, atol=1e-12)


# Bad input


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"scores": [1.0, 2.0]}, ValueError, r"scores must have shape .* got \(2,\)"),
        ({"scores": [[1.0, NAN, 2]]}, ValueError, "scores must be finite, got 1 NaN"),
        ({"labels": [0, 1]}, ValueError, r"labels must have shape \(1,\), .* \(2,\)"),
        ({"labels": [[0], [0, 1]]}, ValueError, "labels must be a rectangular array"),
        ({"labels": [3]}, ValueError, "labels must be from 0 to 2, .* from 3 to 3"),
        ({"labels": [-1]}, ValueError, "labels must be from 0 to 2, .* from -1 to -1"),
        ({"labels": [1.0]}, TypeError, "labels must be integers, got dtype float64"),
        ({"labels": ["a"]}, TypeError, "labels must be integers, got dtype <U1"),
        ({"k": 3}, ValueError, "k must be .* less than the number of classes, 3, got"),
        ({"k": 0}, ValueError, "k must be at least 1 and less than .*, got 0"),
        ({"k": {1: 1, 5: 1}}, ValueError, "less than the number of classes, 3, got 5"),
        ({"k": 1.0}, TypeError, "k must be an integer, or a dict .*, got 1.0"),
        ({"k": True}, TypeError, "k must be an integer, or a dict .*, got True"),
        ({"k": [1, 2]}, TypeError, r"k must be an integer, or a dict .*, got \[1, 2\]"),
        ({"k": {"1": 1}}, TypeError, "k must be an integer, or a dict .* got {'1': 1}"),
        ({"k": {1: -1.0, 2: 3}}, ValueError, "k must have weights that are finite"),
        ({"k": {1: NAN}}, ValueError, "k must have weights that are finite .* {1: nan"),
        ({"k": {1: "a"}}, ValueError, "k must have weights that are finite numbers"),
        ({"k": {1: 0.0}}, ValueError, "k must have weights of positive, finite sum"),
        ({"k": {}}, ValueError, "k must have weights of positive, finite sum, got {}"),
        ({"epsilon": -1}, ValueError, "epsilon must be a finite number >= 0, got -1"),
        ({"operator": "l2"}, ValueError, "operator must be 'quadratic' or .* got 'l2'"),
        ({"growth": None}, ValueError, "growth must be 'linear' or 'bounded', got Non"),
        ({"squashing": "tanh"}, ValueError, "squashing must be 'logistic' or None, go"),
        ({"sample_weight": [-1.0]}, ValueError, "sample_weight must be at least 0"),
        (
            {"sample_weight": [0.0]},
            ValueError,
            "sample_weight must not be zero everywhere",
        ),
    ],
)
def test_bad_input(arguments, error, message):
    arguments = {"scores": [[1.0, 2.0, 3.0]], "labels": [1], **arguments}
    with pytest.raises(error, match=message):
        soft_topk_loss(**arguments)
