"""Losses for PyTorch and JAX of 16 bits and of columns; calls with wrong arguments."""

import numpy as np
import pytest
from framework_cases import VALUES
from marks import slow
from numpy.testing import assert_allclose

from sksoftrank import losses

N = 500
RNG = np.random.default_rng(0)
SCORES, TARGETS = RNG.normal(size=(2, 2, N))
# The first by the factor with which it is one minus a correlation.
CASES = {
    "spearman_loss": ("soft_spearman_loss", (-TARGETS, 0.1), 12 / (N**3 - N)),
    "ndcg_loss": ("soft_ndcg_loss", (np.abs(TARGETS), 0.1), 1.0),
    "topk_loss": ("soft_topk_loss", ([3, 400], 5, 0.1), 1.0),
    "trimmed_loss": ("selection_trimmed_loss", (N / 2, 0.1), 1.0),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["spearman_loss", *map(slow, list(CASES)[1:])])
def test_losses_of_16_bits_are_float32(framework, name, dtype):
    of_numpy, arguments, factor = CASES[name]
    loss = getattr(framework.soft, name)

    def cast(x, dtype=dtype):
        if framework.name == "jax":
            return x.astype(dtype)
        return x.to(getattr(pytest.importorskip("torch"), dtype))

    values = np.abs(SCORES[0]) if name == "trimmed_loss" else SCORES
    values = np.asarray(cast(cast(framework.array(values)), "float64"))
    expected, gradient = getattr(losses, of_numpy)(values, *arguments)[:2]
    found = loss(cast(framework.array(values)), *arguments)
    assert str(found.dtype).endswith("float32")
    assert_allclose(float(found), expected, rtol=1e-5)
    # Through the 16 bits of the scores.
    found = framework.gradient(lambda x: factor * loss(cast(x), *arguments), values)
    expected = factor * gradient
    tolerance = 0.005 * np.abs(expected).max()
    assert_allclose(np.asarray(found), expected, rtol=0, atol=tolerance)


def test_unscaled_losses_of_16_bits_do_not_overflow(framework):
    scores = np.float16(SCORES)
    expected, _ = losses.soft_spearman_loss(scores, -TARGETS, 0.1)
    assert expected > float(np.finfo(np.float16).max)
    found = framework.soft.spearman_loss(framework.array(scores), -TARGETS, 0.1)
    assert_allclose(float(found), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "truth"),
    [("spearman_loss", "ranks"), slow("ndcg_loss", "relevance")],
)
def test_a_column_has_nothing_to_rank(framework, name, truth):
    loss, column = getattr(framework.soft, name), framework.array(VALUES[:1].T)
    message = (
        r"scores must have two labels or more in a row, got shape \(7, 1\), .* pass "
        rf"scores\.T, of shape \(1, 7\), and {truth} of that shape"
    )
    for other in (np.ones((7, 1)), np.ones(7)):
        with pytest.raises(ValueError, match=message):
            loss(column, other)
    with pytest.raises(ValueError, match=message):
        framework.gradient(lambda x: loss(x, np.ones((7, 1))), VALUES[:1].T)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spearman_loss", "ndcg_loss"])
def test_the_row_of_a_column(framework, name):
    loss, column = getattr(framework.soft, name), framework.array(VALUES[:1].T)
    expected, _ = getattr(losses, f"soft_{name}")(VALUES[:1], np.arange(7.0)[None])
    assert_allclose(float(loss(column.T, np.arange(7.0)[None])), expected, rtol=1e-13)
    # A list of one, as the last batch may be, says nothing.
    assert float(loss(column[:1], [[1.0]])) == 0


WRONG_CALLS = [
    (
        "soft_rank",
        ("l2", 0.1),
        {},
        r"soft_rank\(\) takes at most 2 positional arguments, values and epsilon, but "
        r"3 were given: pass regularization, .* straight_through or n_jobs by name\.$",
    ),
    (
        "trimmed_loss",
        (2, 1.0, None, 3),
        {},
        r"takes at most 4 positional arguments, .* but 5 were given\.$",
    ),
    ("soft_sort", (), {"regularization_strength": 0.1}, "it is called epsilon here"),
    ("soft_topk", (2,), {"dim": 0}, "unexpected .* 'dim': it is called axis here"),
    ("topk_loss", ([0],), {"regularization": "kl"}, "it is called operator here"),
    ("trimmed_loss", (2, 1), {"regularization": "kl"}, "there are losses, n_kept, ep"),
    ("soft_rank", (), {"return_jacobian": True}, "are those of the framework"),
    ("soft_rank", (), {"groups": [0, 0]}, "takes no groups .* make a row of each"),
    ("soft_topk", (), {}, "missing 1 required positional argument: 'k'"),
]


@pytest.mark.parametrize(("name", "arguments", "options", "message"), WRONG_CALLS)
def test_wrong_calls(framework, name, arguments, options, message):
    with pytest.raises(TypeError, match=message):
        getattr(framework.soft, name)(framework.array(VALUES), *arguments, **options)


@pytest.mark.parametrize(
    ("name", "theirs", "ours"),
    [("soft_rank", "l2", "quadratic"), ("soft_sort", "kl", "entropic")],
)
def test_names_of_other_packages(framework, name, theirs, ours):
    function, x = getattr(framework.soft, name), framework.array(VALUES)
    with pytest.raises(ValueError, match=f"got '{theirs}', which is '{ours}' here"):
        function(x, regularization=theirs)
    function(x, regularization=ours)
