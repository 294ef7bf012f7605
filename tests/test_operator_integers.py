"""Integers beyond 2**53 and long doubles: kept exactly or refused, by all operators."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from operator_table import OPERATORS

from sksoftrank import (
    epsilon_bounds,
    isotonic_projection,
    project_permutahedron,
    soft_quantile_normalize,
    soft_sort_with,
)
from sksoftrank.losses import (
    selection_quantile_loss,
    selection_trimmed_loss,
    soft_ndcg_loss,
    soft_spearman_loss,
    soft_topk_loss,
    sorted_quantile_loss,
    sorted_trimmed_loss,
)
from sksoftrank.pairwise import neural_sort

BIG = 2**60
SMALL = np.array([[3, 0, 7, 1, 1, 12], [5, 2, 2, 9, 4, 3]])

every_operator = pytest.mark.parametrize("entry", OPERATORS.values(), ids=OPERATORS)
every_kind = pytest.mark.parametrize(
    "convert",
    [
        lambda x: x + BIG,
        lambda x: x - 2**62,
        lambda x: x.astype(np.uint64) + np.uint64(2**63),
        lambda x: (x + BIG).tolist(),
        lambda x: pd.DataFrame(x + BIG),
        lambda x: pd.DataFrame(x + BIG).astype("Int64"),
        lambda x: (x.astype(object) + 10**25).tolist(),
        lambda x: x.astype(np.longdouble) + np.longdouble(BIG),
    ],
    ids=["int64", "negative", "uint64", "list", "frame", "Int64", "Python", "long"],
)
REFUSED = "values must hold integers that float64 holds, such as those up to 2"


@every_operator
@every_kind
def test_order_is_kept_or_refused(entry, convert):
    big = convert(SMALL)
    if np.asarray(big).dtype == np.float64:
        pytest.skip("long doubles are doubles here")
    if not entry.is_invariant:  # what `check_exact` says
        with pytest.raises(ValueError, match=REFUSED):
            entry.call(big, epsilon=entry.epsilon)
        return
    g = np.random.default_rng(0).normal(size=SMALL.shape)
    for options in ({}, {"axis": 0}, {"axis": None}):
        if options == {"axis": 0} and "topk" in str(entry.call):
            continue  # of two values
        expected, jacobian = entry.call(
            SMALL - SMALL.min(), epsilon=3.0, return_jacobian=True, **options
        )
        result, own = entry.call(big, epsilon=3.0, return_jacobian=True, **options)
        assert_array_equal(result, expected, err_msg="is_invariant, but shifts matter")
        if result.shape == g.shape:
            assert_array_equal(own.vjp(g), jacobian.vjp(g))


@every_operator
def test_exact_integers_are_taken(entry):
    """Those beyond 2**53 that float64 holds, too."""
    big = SMALL * 2**45
    expected = entry.call(big.astype(float), epsilon=1.0)
    for kind in (np.int64, np.uint64, object):
        assert_array_equal(entry.call(big.astype(kind), epsilon=1.0), expected)


@every_operator
def test_wide_ranges_are_refused(entry):
    with pytest.raises(ValueError, match=r"values must hold .* 2\*\*53"):
        entry.call([0, 2**62, 2**62 + 1, 2**62 + 2], epsilon=entry.epsilon)


def test_bounds():
    for operator in ("rank", "sort", "quantile"):
        assert_array_equal(
            epsilon_bounds(SMALL + BIG, operator=operator),
            epsilon_bounds(SMALL - SMALL.min(1, keepdims=True), operator=operator),
        )


def test_records():
    values, criterion = SMALL.T, SMALL[0]
    expected = soft_sort_with(values, criterion, 2.0)
    assert_array_equal(soft_sort_with(values, criterion + BIG, 2.0), expected)
    with pytest.raises(ValueError, match=REFUSED):
        soft_sort_with(values + BIG, criterion, 2.0)


@pytest.mark.parametrize(
    "call",
    [
        isotonic_projection,
        lambda x: isotonic_projection([1.0, 2.0], x[0, :2]),
        lambda x: project_permutahedron(x, [1, 2, 3, 4, 5, 6]),
        lambda x: project_permutahedron([1.0, 2.0], x[0, :2]),
        lambda x: soft_quantile_normalize([1.0, 2.0], x[0]),
    ],
)
def test_projections_and_targets(call):
    with pytest.raises(ValueError, match="must hold integers that float64 holds"):
        call(SMALL + BIG)


def test_matrices_of_permutations():
    expected = neural_sort(SMALL, return_matrix=True)
    assert_array_equal(neural_sort(SMALL + BIG, return_matrix=True), expected)


@every_kind
def test_losses_of_ranks(convert):
    scores, ranks = SMALL, np.argsort(-SMALL, axis=1)
    if np.asarray(convert(scores)).dtype == np.float64:
        pytest.skip("long doubles are doubles here")
    for call in (
        lambda x: soft_spearman_loss(x, ranks, 2.0),
        lambda x: soft_spearman_loss(scores, x, 2.0),
        lambda x: soft_ndcg_loss(x, scores, 2.0),
        lambda x: soft_topk_loss(x, [0, 2], epsilon=2.0),
    ):
        # Each row is taken from its minimum.
        expected = call(scores - scores.min(axis=1, keepdims=True))
        value, gradient = call(convert(scores))
        assert value == expected[0]
        assert_array_equal(gradient, expected[1])
    big = convert(scores)
    for call in (
        lambda: soft_ndcg_loss(scores, big),
        lambda: soft_topk_loss(big, [0, 2], squashing="logistic"),
    ):
        with pytest.raises(ValueError, match="must hold integers that float64 holds"):
            call()


def test_losses_of_losses():
    losses = SMALL[0] + BIG
    for function in (selection_trimmed_loss, sorted_trimmed_loss):
        with pytest.raises(ValueError, match="losses must hold integers that float64"):
            function(losses, 3, 2.0)
    for function in (selection_quantile_loss, sorted_quantile_loss):
        with pytest.raises(ValueError, match="losses must hold integers that float64"):
            function(losses, 3, epsilon=2.0)
