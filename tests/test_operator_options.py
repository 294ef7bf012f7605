"""Options of all operators: `epsilon` and `k` by row, NaN, hard values.

With them an operator is a loop over the rows, bit for bit, derivatives too.
"""

import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
from marks import slow
from numpy.testing import assert_array_equal
from operator_table import OPERATORS

from sksoftrank import (
    soft_rank,
    soft_sort,
    soft_sort_with,
    soft_topk,
    soft_topk_rank,
    soft_topk_sort,
)
from sksoftrank.sinkhorn import sinkhorn_rank

every_operator = pytest.mark.parametrize("entry", OPERATORS.values(), ids=OPERATORS)
every_shape = pytest.mark.parametrize(
    ("shape", "axis"), [((5, 7), -1), ((7, 5), 0), ((2, 7, 3), 1)]
)


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def loop(entry, values, axis, epsilon, **options):
    """What rows give one by one: results, and Jacobians."""
    rows = np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
    epsilon = np.broadcast_to(epsilon, len(rows))
    solved = []
    for i, row in enumerate(rows):
        own = {name: option[i] for name, option in options.items()}
        solved.append(
            entry.call(row, epsilon=float(epsilon[i]), return_jacobian=True, **own)
        )
    return solved


def stack(entry, parts, values, axis):
    """An array of the results of rows, as the operator stacks them."""
    others = values.shape[:axis] + values.shape[axis % values.ndim + 1 :]
    parts = np.stack([np.asarray(part) for part in parts])
    if entry.place == "all":
        moved = np.moveaxis(parts, 0, -1)
        return moved.reshape(*moved.shape[:-1], *others)
    parts = parts.reshape(*others, *parts.shape[1:])
    return parts if entry.place == "matrix" else np.moveaxis(parts, -1, axis)


def unstack(entry, array, values, axis):
    """The inverse: the part of each row."""
    if entry.place == "all":
        n_others = values.ndim - 1
        leading = array.shape[: array.ndim - n_others]
        return list(np.moveaxis(array.reshape(*leading, -1), -1, 0))
    if entry.place == "matrix":
        return list(array.reshape(-1, *array.shape[-2:]))
    moved = np.moveaxis(array, axis, -1)
    return list(moved.reshape(-1, moved.shape[-1]))


def check_equals_loop(entry, values, axis, epsilon, given, **options):
    """The operator with arrays `given` equals the loop with these options."""
    solved = loop(entry, values, axis, epsilon, **options)
    result, jacobian = entry.call(values, axis=axis, return_jacobian=True, **given)
    only_result = entry.call(values, axis=axis, **given)
    expected = stack(entry, [own for own, _ in solved], values, axis)
    assert_array_equal(result, expected)
    assert_array_equal(only_result, expected)
    assert result.dtype == values.dtype
    for name in ("wrt_epsilon", "wrt_k", "wrt_q"):
        if getattr(solved[0][1], name, None) is not None:
            parts = [getattr(own, name) for _, own in solved]
            assert_array_equal(
                getattr(jacobian, name), stack(entry, parts, values, axis)
            )
    for i in range(2 if hasattr(solved[0][1], "wrt_cut") else 0):
        parts = [own.wrt_cut[i] for _, own in solved]
        assert_array_equal(jacobian.wrt_cut[i], stack(entry, parts, values, axis))
    u, g = draw(values.shape, 1), draw(result.shape, 2)
    rows = np.moveaxis(u, axis, -1).reshape(-1, values.shape[axis])
    pushed = [own.jvp(row) for (_, own), row in zip(solved, rows, strict=True)]
    assert_array_equal(jacobian.jvp(u), stack(entry, pushed, values, axis))
    weight = unstack(entry, g, values, axis)
    pulled = [own.vjp(part) for (_, own), part in zip(solved, weight, strict=True)]
    others = np.moveaxis(values, axis, -1).shape
    pulled = np.moveaxis(np.reshape(pulled, others), -1, axis)
    assert_array_equal(jacobian.vjp(g), pulled)
    assert isinstance(jacobian, type(solved[0][1]))
    if hasattr(jacobian, "wrt_weights"):
        pulled = [
            own.wrt_weights.vjp(part)
            for (_, own), part in zip(solved, weight, strict=True)
        ]
        if jacobian.wrt_weights.input_shape == values.shape:
            pulled = np.moveaxis(np.reshape(pulled, others), -1, axis)
            assert_array_equal(jacobian.wrt_weights.vjp(g), pulled)


@every_operator
@every_shape
@pytest.mark.parametrize("dtype", [np.float64, slow(np.float32)])
def test_an_array_of_epsilon_is_a_loop(entry, shape, axis, dtype):
    values = draw(shape).astype(dtype)
    others = np.delete(shape, axis)
    scale = np.array([1.0, 0.0, 3.0, 1.0, 0.2, 1e9])[: others.prod()]
    epsilon = entry.epsilon * np.resize(scale, others)
    check_equals_loop(entry, values, axis, epsilon.ravel(), {"epsilon": epsilon})
    result = entry.call(values, axis=axis, epsilon=epsilon)
    as_list = entry.call(values, axis=axis, epsilon=epsilon.tolist())
    assert_array_equal(as_list, result)
    if epsilon.ndim == 1:
        series = pd.Series(epsilon, dtype="Float64")
        assert_array_equal(entry.call(values, axis=axis, epsilon=series), result)


@every_operator
def test_one_epsilon_is_an_array_of_it(entry):
    values = draw((4, 6))
    result = entry.call(values, epsilon=entry.epsilon)
    again = entry.call(values, epsilon=np.full(4, entry.epsilon))
    assert_array_equal(again, result)


@pytest.mark.parametrize("entry", [e for e in OPERATORS.values() if e.has_k])
@every_shape
def test_an_array_of_k_is_a_loop(entry, shape, axis):
    values = draw(shape)
    others = np.delete(shape, axis)
    k = np.resize([1, 3, 7, 2, 3], others)
    check_equals_loop(
        entry,
        values,
        axis,
        entry.epsilon,
        {"k": k, "epsilon": entry.epsilon},
        k=k.ravel().tolist(),
    )
    epsilon = np.resize([0.1, 0.5], others)
    check_equals_loop(
        entry,
        values,
        axis,
        epsilon.ravel(),
        {"k": k, "epsilon": epsilon},
        k=k.ravel().tolist(),
    )


@every_operator
@pytest.mark.parametrize("weights", [None, "shared", "own"])
def test_weights_by_row(entry, weights):
    if "weights" not in inspect.signature(entry.call).parameters:
        pytest.skip("takes no weights")
    values = draw((4, 6))
    epsilon = entry.epsilon * np.array([1.0, 0.5, 1.0, 2.0])
    given = {"epsilon": epsilon}
    if weights == "own":
        given["weights"] = np.random.default_rng(3).integers(1, 4, size=(4, 6))
        check_equals_loop(entry, values, -1, epsilon, given, weights=given["weights"])
    elif weights == "shared":
        given["weights"] = [1, 2, 1, 3, 1, 1.5]
        check_equals_loop(
            entry, values, -1, epsilon, given, weights=[given["weights"]] * 4
        )
        _, jacobian = entry.call(values, return_jacobian=True, **given)
        if hasattr(jacobian, "wrt_weights"):
            wrt = jacobian.wrt_weights
            assert wrt.input_shape == (6,)
            u, g = draw(6, 4), draw(wrt.output_shape, 5)
            assert np.isclose(np.sum(wrt.jvp(u) * g), wrt.vjp(g) @ u)


def with_nan():
    values = draw((6, 7))
    values[0, 2] = values[1, [0, 6]] = values[2, 3:6] = values[4] = np.nan
    return values


@every_operator
@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("straight_through", [False, True])
def test_without_nan_rows_are_as_if_shorter(entry, axis, straight_through):
    values = with_nan()
    epsilon = entry.epsilon * np.array([1.0, 2.0, 1.0, 0.5, 1.0, 1.0])
    array = values if axis == -1 else np.ascontiguousarray(values.T)
    options = {"nan_policy": "omit", "straight_through": straight_through}
    result, jacobian = entry.call(
        array, axis=axis, epsilon=epsilon, return_jacobian=True, **options
    )
    results = unstack(entry, result, array, axis)
    g, u = draw(result.shape, 1), draw(array.shape, 2)
    pushed = unstack(entry, jacobian.jvp(u), array, axis)
    pulled = np.moveaxis(jacobian.vjp(g), axis, -1)
    weights, directions = unstack(entry, g, array, axis), np.moveaxis(u, axis, -1)
    for i, row in enumerate(values):
        kept = ~np.isnan(row)
        m = np.count_nonzero(kept)
        assert_array_equal(pulled[i][~kept], 0)
        if m == 0:
            assert np.isnan(results[i]).all()
            assert_array_equal(pushed[i], 0)
            continue
        own, own_jacobian = entry.call(
            row[kept],
            epsilon=epsilon[i],
            straight_through=straight_through,
            return_jacobian=True,
        )
        cells = {
            "own": kept,
            "first": slice(np.size(own)),
            "all": ...,
            "matrix": (slice(m), kept),
        }[entry.place]
        assert_array_equal(results[i][cells], own)
        rest = np.ones(np.shape(results[i]), dtype=bool)
        if entry.place != "all":
            rest[cells] = False
        if entry.place == "matrix":
            assert_array_equal(results[i][:m, ~kept], 0)
            rest[:m] = False
        if entry.place != "all":
            assert np.isnan(results[i][rest]).all()
        assert_array_equal(pushed[i][cells], own_jacobian.jvp(directions[i][kept]))
        expected = own_jacobian.vjp(weights[i][cells])
        assert_array_equal(pulled[i][kept], expected)


@every_operator
def test_missing_values_of_pandas(entry):
    values = with_nan()
    epsilon = entry.epsilon
    expected = entry.call(values, epsilon=epsilon, nan_policy="omit")
    frame = pd.DataFrame(values)
    whole = pd.DataFrame(np.round(4 * values)).astype("Int64")
    assert whole.isna().equals(frame.isna())
    for given, reference in (
        (frame, expected),
        (frame.astype("Float64"), expected),
        (frame.astype(object).where(frame.notna(), pd.NA), expected),
        (whole, entry.call(np.round(4 * values), epsilon=epsilon, nan_policy="omit")),
    ):
        assert_array_equal(
            entry.call(given, epsilon=epsilon, nan_policy="omit"), reference
        )
        with pytest.raises(ValueError, match="must be finite, got 13 NaN"):
            entry.call(given, epsilon=epsilon)
    row = frame.loc[0].astype("Float64")
    assert_array_equal(
        entry.call(row, epsilon=epsilon, nan_policy="omit"),
        entry.call(values[0], epsilon=epsilon, nan_policy="omit"),
    )


@every_operator
def test_nan_is_an_error_unless_omitted(entry):
    for options in ({}, {"nan_policy": "raise"}, {"straight_through": True}):
        with pytest.raises(ValueError, match="values must be finite, got 1 NaN"):
            entry.call([1.0, 2.0, np.nan, 4.0], epsilon=entry.epsilon, **options)
    with pytest.raises(ValueError, match="values must be finite, got 1 NaN"):
        entry.call([[1.0, 2.0, 3.0, np.nan]], epsilon=[entry.epsilon])
    with pytest.raises(ValueError, match="nan_policy must be 'raise' or 'omit'"):
        entry.call([1.0, 2.0, 3.0], epsilon=entry.epsilon, nan_policy="drop")


@every_operator
def test_straight_through_is_hard_with_a_soft_derivative(entry):
    values = draw((4, 6))
    hard, soft = (
        entry.call(values, epsilon=epsilon, return_jacobian=True)
        for epsilon in (0.0, entry.epsilon)
    )
    options = {"epsilon": entry.epsilon, "straight_through": True}
    result, jacobian = entry.call(values, return_jacobian=True, **options)
    assert_array_equal(result, hard[0])
    assert_array_equal(entry.call(values, **options), hard[0])
    row = entry.call(values[0], epsilon=entry.epsilon)
    assert type(entry.call(values[0], **options)) is type(row)
    if "winsorize" in str(entry.call) or "normalize" in str(entry.call):
        return  # the slope is that at the hard bounds or ranks: see their own tests
    g, u = draw(result.shape, 1), draw(values.shape, 2)
    assert_array_equal(jacobian.vjp(g), soft[1].vjp(g))
    assert_array_equal(jacobian.jvp(u), soft[1].jvp(u))
    if hasattr(jacobian, "wrt_epsilon"):
        assert_array_equal(jacobian.wrt_epsilon, soft[1].wrt_epsilon)


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ({"epsilon": [1.0, 2.0, 3.0]}, ValueError, "one for each slice of values, of"),
        ({"epsilon": [[1.0, 2.0]]}, ValueError, r"shape \(2,\), got shape \(1, 2\)"),
        ({"epsilon": [1.0, -2.0]}, ValueError, "finite number >= 0, got -2.0"),
        ({"epsilon": [1.0, np.nan]}, ValueError, "finite number >= 0, got nan"),
        ({"epsilon": [1.0, np.inf]}, ValueError, "finite number >= 0, got inf"),
        ({"epsilon": ["a", "b"]}, TypeError, "epsilon must be a real number or an arr"),
        ({"epsilon": [True, False]}, TypeError, "array of dtype bool"),
        ({"epsilon": [1.0, None]}, TypeError, ">= 0, got None of type NoneType"),
        ({"epsilon": [1.0, pd.NA]}, TypeError, ">= 0, got <NA> of type NAType"),
        ({"epsilon": [1.0, "2"]}, TypeError, "epsilon must be a real number"),
        ({"epsilon": -1.0, "straight_through": True}, ValueError, "epsilon must be a"),
        ({"straight_through": 1}, TypeError, "straight_through must be True or False"),
        ({"straight_through": None}, TypeError, "straight_through must be True or Fa"),
        ({"epsilon": [1.0, 2.0], "return_jacobian": 2}, TypeError, "return_jacobian m"),
        ({"epsilon": [1.0, 2.0], "axis": 2}, ValueError, "axis must be in"),
        ({"epsilon": [1.0, 2.0], "axis": None}, TypeError, "real number >= 0, got"),
    ],
)
def test_bad_options(option, error, message):
    for entry in OPERATORS.values():
        with pytest.raises(error, match=message):
            entry.call(draw((2, 5)), **option)


@pytest.mark.parametrize("function", [soft_topk, soft_topk_rank])
def test_bad_arrays_of_k(function):
    values = draw((2, 5))
    with pytest.raises(ValueError, match=r"k must be a number or an array .* \(2,\)"):
        function(values, [1, 2, 3])
    with pytest.raises(ValueError, match=r"k must be .* got 6"):
        function(values, [1, 6])
    with pytest.raises(ValueError, match=r"k must be .* got 0"):
        function(values, [1, 0])
    with pytest.raises(TypeError, match="k must be a real number or an array of them"):
        function(values, ["a", "b"])


def test_bad_k():
    with pytest.raises(TypeError, match=r"k must be an integer, got 1.0"):
        soft_topk_rank(draw((2, 5)), [1, 1.5])
    for epsilon in (1.0, [1.0, 2.0]):
        with pytest.raises(TypeError, match=r"k must be an integer, got \[1, 2\]"):
            soft_topk_sort(draw((2, 5)), [1, 2], epsilon)
    with pytest.raises(ValueError, match="k must be above 0 and at most 4, the number"):
        soft_topk([1.0, 2.0, np.nan, 3.0, 4.0], 5, nan_policy="omit")
    with pytest.raises(ValueError, match="k must be from 1 to the number of values, 5"):
        soft_topk_sort([1.0, 2.0, np.nan, 3.0, 4.0], 6, nan_policy="omit")


def test_more_places_than_values():
    values = [1.0, np.nan, 3.0, np.nan]
    omit = {"nan_policy": "omit"}
    assert_array_equal(soft_topk_sort(values, 3, 0.0, **omit), [3.0, 1.0, np.nan])
    assert_array_equal(soft_topk_rank(values, 3, 0.0, **omit), [2, np.nan, 1, np.nan])


@every_operator
def test_no_rows(entry):
    result, jacobian = entry.call(
        np.empty((0, 6)), epsilon=np.empty(0), return_jacobian=True
    )
    plain = entry.call(np.empty((0, 6)), epsilon=entry.epsilon)
    assert result.shape == plain.shape == jacobian.output_shape
    assert jacobian.vjp(result).shape == (0, 6)


def test_threads_and_regularizations_by_row():
    values = draw((50, 6))
    epsilon = np.exp(draw(50, 1))
    for function in (soft_rank, soft_sort):
        one, two = (function(values, epsilon, n_jobs=n_jobs) for n_jobs in (None, 2))
        assert_array_equal(one, two)


def test_records_without_nan():
    values, criterion = draw((6, 3)), draw(6, 1)
    values[2, 1] = criterion[4] = np.nan
    kept = [0, 1, 3, 5]
    for options in ({}, {"descending": True}, {"straight_through": True}):
        expected, few = soft_sort_with(
            values[kept], criterion[kept], 0.5, return_jacobian=True, **options
        )
        result, jacobian = soft_sort_with(
            values, criterion, 0.5, nan_policy="omit", return_jacobian=True, **options
        )
        assert_array_equal(result[:4], expected)
        assert np.isnan(result[4:]).all()
        g, u = draw((6, 3), 2), draw((6, 3), 3)
        assert_array_equal(jacobian.jvp(u)[:4], few.jvp(u[kept]))
        assert_array_equal(jacobian.jvp(u)[4:], 0)
        pulled = jacobian.vjp(g)
        assert_array_equal(pulled[kept], few.vjp(g[:4]))
        assert_array_equal(pulled[[2, 4]], 0)
        assert_array_equal(jacobian.wrt_epsilon[:4], few.wrt_epsilon)
        pulled = jacobian.wrt_criterion.vjp(g)
        assert_array_equal(pulled[kept], few.wrt_criterion.vjp(g[:4]))
        assert_array_equal(pulled[[2, 4]], 0)
        pushed = jacobian.wrt_criterion.jvp(u[:, 0])
        assert_array_equal(pushed[:4], few.wrt_criterion.jvp(u[kept, 0]))
        assert_array_equal(jacobian.permutation[:4, kept], few.permutation)
        assert jacobian.permutation.sum() == pytest.approx(4)
    with pytest.raises(ValueError, match="values must be finite, got 1 NaN"):
        soft_sort_with(values, criterion, 0.5)
    with pytest.raises(ValueError, match="must have a record without NaN"):
        soft_sort_with([1.0, np.nan], [np.nan, 1.0], nan_policy="omit")
    frame = pd.DataFrame(values).astype("Float64")
    assert_array_equal(
        soft_sort_with(frame, criterion, 0.5, nan_policy="omit")[:4],
        soft_sort_with(values[kept], criterion[kept], 0.5),
    )


def test_straight_through_records():
    values, criterion = draw((6, 3)), draw(6, 1)
    soft = soft_sort_with(values, criterion, 0.5, return_jacobian=True)[1]
    result, jacobian = soft_sort_with(
        values, criterion, 0.5, straight_through=True, return_jacobian=True
    )
    assert_array_equal(result, values[np.argsort(criterion)])
    g = draw((6, 3), 2)
    assert_array_equal(jacobian.vjp(g), soft.vjp(g))
    assert_array_equal(jacobian.wrt_criterion.vjp(g), soft.wrt_criterion.vjp(g))


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("function", [soft_topk, soft_topk_rank])
def test_magnitudes(function, largest):
    values, g = draw((3, 7)), draw((3, 7), 1)
    values[0, 0] = 0.0
    options = {"k": 3, "epsilon": 0.4, "largest": largest, "return_jacobian": True}
    expected, own = function(np.abs(values), **options)
    result, jacobian = function(values, magnitude=True, **options)
    assert_array_equal(result, expected)
    assert_array_equal(jacobian.vjp(g), np.sign(values) * own.vjp(g))
    assert_array_equal(jacobian.jvp(g), own.jvp(np.sign(values) * g))
    assert_array_equal(jacobian.wrt_epsilon, own.wrt_epsilon)
    with pytest.raises(TypeError, match="magnitude must be True or False"):
        function(values, 2, magnitude=1)
    with pytest.raises(ValueError, match="values must hold integers that float64 hold"):
        function([2**60, 2**60 + 1, -3], 2, magnitude=True)


@every_operator
def test_the_joined_jacobian_is_a_linear_operator(entry):
    values = with_nan()[:4]
    epsilon = entry.epsilon * np.array([1.0, 0.3, 1.0, 2.0])
    result, jacobian = entry.call(
        values, epsilon=epsilon, nan_policy="omit", return_jacobian=True
    )
    g, u = draw(result.shape, 1), draw(values.shape, 2)
    pulled, pushed = jacobian.vjp(g), jacobian.jvp(u)
    values[...] = 0.0  # it holds no view of them
    assert_array_equal(jacobian.vjp(g), pulled)
    assert np.sum(pushed * g) == pytest.approx(np.sum(pulled * u), rel=1e-9)
    assert jacobian.shape == (result.size, values.size)
    dense = jacobian.toarray()
    assert np.allclose(dense @ u.ravel(), pushed.ravel())
    assert np.allclose(dense.T @ g.ravel(), pulled.ravel())
    assert np.allclose(jacobian.T @ g.ravel(), pulled.ravel())
    with pytest.raises(ValueError, match="g must have shape"):
        jacobian.vjp(g[..., None])


def test_joined_jacobians_of_transport_pickle():
    values, epsilon = draw((3, 5)), [0.01, 0.1, 1.0]
    _, jacobian = sinkhorn_rank(values, epsilon, return_jacobian=True)
    again = pickle.loads(pickle.dumps(jacobian))
    assert_array_equal(again.vjp(values), jacobian.vjp(values))
