"""Soft ranks of columns: sparse matrices, tables of pandas, large integers."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone

from sksoftrank.preprocessing import SoftQuantileNormalizer, SoftRankTransformer

TRANSFORMERS = pytest.mark.parametrize(
    "transformer",
    [
        SoftRankTransformer(),
        SoftRankTransformer(0, output_distribution="normal", offset=0.375),
        SoftRankTransformer(subsample=20, random_state=0),
        SoftQuantileNormalizer(),
        SoftQuantileNormalizer(0, subsample=20, random_state=0),
        SoftQuantileNormalizer(target=[1.0, 4.0, 2.0]),
    ],
    ids=str,
)


def mostly_zeros(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)).round(1) * (rng.random((n, 5)) < 0.4)
    X[:, 1] = 0
    X[:, 2] = rng.exponential(size=n)
    X[::7, 3] = np.nan
    return X


@TRANSFORMERS
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "kind", [sparse.csr_array, sparse.csc_matrix, sparse.coo_array]
)
def test_sparse_is_dense(transformer, weighted, kind):
    X, new = mostly_zeros(), mostly_zeros(seed=1)
    weight = np.random.default_rng(0).integers(0, 4, 60) if weighted else None
    dense = clone(transformer).fit(X, sample_weight=weight)
    found = clone(transformer).fit(kind(X), sample_weight=weight)
    assert_array_equal(found.scale_, dense.scale_)
    for method in ("transform", "derivative"):
        expected = getattr(dense, method)(new)
        for array in (new, kind(new)):
            result = getattr(found, method)(array)
            assert type(result) is np.ndarray
            assert_array_equal(result, expected)
    assert_array_equal(
        found.inverse_transform(expected), dense.inverse_transform(expected)
    )
    assert found.transform(kind(new.astype(np.float32))).dtype == np.float32


def test_entries_of_sparse_matrices():
    X = mostly_zeros()
    expected = SoftRankTransformer().fit_transform(X)
    explicit = sparse.csc_array(np.ones(X.shape))  # zeros among the entries
    explicit.data[:] = X.ravel(order="F")
    assert explicit.nnz == X.size
    rows, columns = np.divmod(np.arange(X.size), 5)
    halves = sparse.coo_array(  # each entry twice
        (np.tile(X.ravel() / 2, 2), (np.tile(rows, 2), np.tile(columns, 2)))
    )
    twice = sparse.csr_array(
        (
            np.repeat(X.ravel() / 2, 2),
            np.repeat(columns, 2),
            np.arange(0, 2 * X.size + 1, 10),
        ),
        shape=X.shape,
    )
    for matrix in (explicit, halves, twice):
        copy = matrix.copy()
        assert_array_equal(SoftRankTransformer().fit_transform(matrix), expected)
        assert matrix.nnz == copy.nnz


@TRANSFORMERS
def test_tables_of_pandas(transformer):
    X = mostly_zeros().round()
    expected = clone(transformer).fit(X).transform(X)
    frame = pd.DataFrame(X, columns=list("abcde"))
    for table in (
        frame.astype("Float64"),
        frame.astype("Int64"),
        frame.astype({"a": "Int64", "b": "Float32", "d": "Float64"}),
        frame.astype("Float64").astype(object),
        frame.astype("Int64").astype(object).to_numpy(),
        frame.astype("Int64").astype(object).to_numpy().tolist(),
    ):
        fitted = clone(transformer).fit(table)
        assert_array_equal(fitted.transform(table), expected)
        if hasattr(table, "columns"):
            assert_array_equal(fitted.feature_names_in_, list("abcde"))
        back = fitted.inverse_transform(expected)
        table = pd.DataFrame(expected).astype("Float64")
        for scores in (table, table.astype(object).to_numpy().tolist()):
            assert_array_equal(fitted.inverse_transform(scores), back)


@pytest.mark.parametrize("cls", [SoftRankTransformer, SoftQuantileNormalizer])
@pytest.mark.parametrize(
    "X",
    [
        np.array([[2**60, 1], [2**60 + 1, 2]]),
        np.array([[2**63, 1], [2**63 + 1, 2]], dtype=np.uint64),
        [[2**60, 1], [2**60 + 1, 2]],
        [[2**60, 0.5], [2**60 + 1, 2]],
        [[2**70, 1], [2**70 + 1, 2]],
        pd.DataFrame({"a": [2**60, 2**60 + 1], "b": [0.5, 2]}),
        pd.DataFrame({"a": [2**60 + 1, pd.NA], "b": [0.5, 2]}),
        pd.DataFrame({"a": [2**60 + 1, pd.NA]}, dtype="Int64"),
        np.array([[1, 2], [1, 3]])
        + np.longdouble(2) ** -60 * np.eye(2, dtype=np.longdouble),
    ],
    ids=str,
)
def test_numbers_that_float64_does_not_hold(cls, X):
    if getattr(X, "dtype", None) == np.longdouble and np.longdouble(1) + 2.0**-60 == 1:
        pytest.skip("no long doubles")
    message = "X must hold (integers that|long doubles that differ in) float64"
    with pytest.raises(ValueError, match=message):
        cls().fit(X)
    zeros = np.zeros((2, np.shape(X)[1]))
    if hasattr(X, "iloc"):
        zeros = pd.DataFrame(zeros, columns=X.columns)
    fitted = cls().fit(zeros)
    with pytest.raises(ValueError, match=message):
        fitted.transform(X)


def test_large_integers_that_are_exact():
    X = np.array([[0, 2**60], [3, 2**61]])
    assert_array_equal(
        SoftRankTransformer(0).fit_transform(X), [[0.25, 0.25], [0.75, 0.75]]
    )
