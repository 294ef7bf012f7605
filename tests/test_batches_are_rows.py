"""A batch gives, bit for bit, what its rows give: values and all derivatives."""

import inspect

import numpy as np
import pytest
from marks import slow
from numpy.testing import assert_array_equal
from operator_table import OPERATORS

from sksoftrank import isotonic_projection, project_permutahedron, soft_sort_with
from sksoftrank.preprocessing import IsotonicProjection, PermutahedronProjection

DERIVATIVES = ("wrt_epsilon", "wrt_k", "wrt_q", "wrt_cut")


def draw(n, count=12):
    """Rows of all kinds: hard ones, single blocks, ties, far apart."""
    rng = np.random.default_rng(n)
    X = rng.normal(size=(count, n)) * 10.0 ** rng.uniform(-4, 2, size=(count, 1))
    X[1] = np.round(X[1], 1)
    X[2] = 0.1
    X[3] = rng.integers(0, 4, size=n)
    X[4] = 1e6 + rng.normal(size=n)
    X[5] = rng.permutation(n)
    X[6] = rng.normal(size=n) ** 5
    return X


def by_row(array, place):
    """An array, or a tuple of them, with a row for each of the batch."""
    if isinstance(array, tuple):
        return np.hstack([by_row(part, place) for part in array])
    array = np.asarray(array)
    array = np.moveaxis(array, -1, 0) if place == "all" else array
    return array.reshape(len(array), -1)


def direction(shape, place, seed):
    """One for all rows."""
    rng = np.random.default_rng(seed)
    if place == "all":
        return np.repeat(rng.normal(size=(*shape[:-1], 1)), shape[-1], axis=-1)
    return np.repeat(rng.normal(size=(1, *shape[1:])), shape[0], axis=0)


def pieces(call, X, place, **options):
    """All that a call returns, by row."""
    result, jacobian = call(X, return_jacobian=True, **options)
    yield "value", by_row(result, place)
    yield "value alone", by_row(call(X, **options), place)
    u = direction(jacobian.input_shape, "own", 0)
    g = direction(jacobian.output_shape, place, 1)
    yield "jvp", by_row(jacobian.jvp(u), place)
    yield "vjp", by_row(jacobian.vjp(g), "own")
    for name in DERIVATIVES:
        if getattr(jacobian, name, None) is not None:
            yield name, by_row(getattr(jacobian, name), place)
    weights = getattr(jacobian, "wrt_weights", None)
    if weights is not None:
        yield "wrt_weights.jvp", by_row(weights.jvp(u), place)
        yield "wrt_weights.vjp", by_row(weights.vjp(g), "own")


def assert_batch_is_rows(call, X, place="own", weights=None, **options):
    def own(rows):
        return options if weights is None else options | {"weights": weights[rows]}

    batch = list(pieces(call, X, place, **own(slice(None))))
    for r in range(len(X)):
        alone = pieces(call, X[r : r + 1], place, **own([r]))
        for (name, found), (_, expected) in zip(batch, alone, strict=True):
            assert found[r].tobytes() == expected[0].tobytes(), (name, r)


@pytest.mark.parametrize("n", [10, slow(301)])
@pytest.mark.parametrize("dtype", [np.float64, slow(np.float32)])
@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator(name, dtype, n):
    entry = OPERATORS[name]
    X = draw(40 if n > 40 and entry.place == "matrix" else n).astype(dtype)
    for factor in (0.01, 1, 30) if n == 10 else (1,):
        epsilon = factor * entry.epsilon
        assert_batch_is_rows(entry.call, X, entry.place, epsilon=epsilon)


@pytest.mark.parametrize("n", [8, slow(50)])
@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_with_nan(name, n):
    entry, X = OPERATORS[name], draw(n)
    X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    X[:, :4] = draw(n)[:, :4]  # k numbers, and one more
    for factor in (0.01, 1):
        epsilon = factor * entry.epsilon
        assert_batch_is_rows(
            entry.call, X, entry.place, epsilon=epsilon, nan_policy="omit"
        )


TAKE_WEIGHTS = [
    name
    for name, entry in OPERATORS.items()
    if "weights" in inspect.signature(entry.call).parameters
]


@pytest.mark.parametrize("name", TAKE_WEIGHTS)
def test_every_operator_with_weights(name):
    entry, X = OPERATORS[name], draw(30)
    weights = np.random.default_rng(0).uniform(0, 2, size=X.shape)
    weights[4] /= weights[4].sum()
    weights[7] *= 1e5
    weights[5] = np.round(weights[5]) + 1
    for factor in (0, 0.01, 1, 30):
        epsilon = factor * entry.epsilon
        if "k" in entry.call.keywords:
            weights = np.maximum(weights, 0.2)  # room for k
        assert_batch_is_rows(
            entry.call, X, entry.place, weights=weights, epsilon=epsilon
        )


LONG = [
    name
    for name, entry in OPERATORS.items()
    if name.startswith("soft_") and entry.place != "matrix" and "perm" not in name
]


@pytest.mark.parametrize("name", LONG)
def test_long_rows(name):
    entry = OPERATORS[name]
    X = draw(5000, count=7)[[0, 1, 3, 4, 6]]
    for factor in (0, 0.01, 30):
        epsilon = factor * entry.epsilon
        assert_batch_is_rows(entry.call, X, entry.place, epsilon=epsilon)


TAKE_N_JOBS = [
    name
    for name, entry in OPERATORS.items()
    if "n_jobs" in inspect.signature(entry.call).parameters
]


@pytest.mark.parametrize("name", TAKE_N_JOBS)
def test_every_number_of_jobs(name):
    entry, X = OPERATORS[name], draw(301, count=41)
    for factor in (0, 0.01, 1, 30):
        epsilon = factor * entry.epsilon
        batch = list(pieces(entry.call, X, entry.place, epsilon=epsilon))
        for n_jobs in (2, 3, -1):
            other = pieces(entry.call, X, entry.place, epsilon=epsilon, n_jobs=n_jobs)
            for (_, found), (_, expected) in zip(batch, other, strict=True):
                assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize("function", [isotonic_projection, project_permutahedron])
def test_projections(function, regularization):
    X, w = draw(30), np.random.default_rng(0).normal(size=30)
    w = np.repeat(w[None], len(X), axis=0)

    def call(X, **options):
        return function(X, w[: len(X)], regularization=regularization, **options)

    assert_batch_is_rows(call, X)


@pytest.mark.parametrize(
    "transformer",
    [
        IsotonicProjection(),
        IsotonicProjection(weights=np.arange(1.0, 31)),
        IsotonicProjection(weights=np.arange(30) % 3),
        IsotonicProjection(regularization="entropic"),
        IsotonicProjection(weights=np.arange(1.0, 31), regularization="entropic"),
        PermutahedronProjection(0.5),
        PermutahedronProjection(0.5, regularization="entropic"),
        PermutahedronProjection(0.5, regularization="kl"),
    ],
)
def test_transformers_of_rows(transformer):
    X = draw(30)
    batch = transformer.fit_transform(X)
    for x, row in zip(X, batch, strict=True):
        assert_array_equal(transformer.fit_transform(x[None])[0], row)


@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
@pytest.mark.parametrize("n", [9, 60])
def test_columns_of_records(n, regularization):
    rng = np.random.default_rng(0)
    records, criterion = rng.normal(size=(n, 7)), rng.normal(size=n)
    g = np.repeat(rng.normal(size=(n, 1)), 7, axis=1)
    u = rng.normal(size=n)

    def all_of(values, g):
        mixed, jacobian = soft_sort_with(
            values,
            criterion,
            0.5,
            regularization=regularization,
            return_jacobian=True,
        )
        yield mixed
        yield jacobian.jvp(g)
        yield jacobian.vjp(g)
        yield jacobian.wrt_epsilon
        yield jacobian.wrt_criterion.jvp(u)

    for i in range(7):
        alone = all_of(records[:, i : i + 1], g[:, :1])
        for found, expected in zip(all_of(records, g), alone, strict=True):
            assert_array_equal(found[:, i], expected[:, 0])
