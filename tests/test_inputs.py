"""What the functions accept, and one clear sentence for what they do not."""

import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sksoftrank import (
    epsilon_bounds,
    isotonic_projection,
    project_permutahedron,
    soft_rank,
    soft_sort,
)

X = [3.0, 1.0, 2.5, -4.0]
OPERATORS = [soft_rank, soft_sort]


def project_on_x(values, **options):
    return project_permutahedron(values, X, **options)


def project_x(w, **options):
    return project_permutahedron(X, w, **options)


def isotonic_of_x(w, **options):
    return isotonic_projection(X, w, **options)


# Each function of one array, and the name that its messages must use.
FUNCTIONS = [
    (soft_rank, "values"),
    (soft_sort, "values"),
    (epsilon_bounds, "values"),
    (isotonic_projection, "s"),
    (project_on_x, "z"),
    (project_x, "w"),
    (isotonic_of_x, "w"),
]
operators = pytest.mark.parametrize("function", OPERATORS)
functions = pytest.mark.parametrize(("function", "name"), FUNCTIONS)


# Good input


@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.longdouble, np.float64),
        (np.int8, np.float64),
        (np.int64, np.float64),
        (np.uint64, np.float64),
        (object, np.float64),
        (">f8", np.float64),
        (">f4", np.float32),
    ],
)
@operators
def test_dtypes(function, dtype, result):
    x = np.array([3, 1, 2, 7, 7])
    got, jacobian = function(x.astype(dtype), 2.0, return_jacobian=True)
    assert got.dtype == jacobian.dtype == result
    assert got.dtype.isnative
    assert_allclose(got, function(x.astype(float), 2.0), rtol=1e-6)


def test_booleans_are_numbers():
    x = np.array([True, False, False])
    assert_array_equal(soft_rank(x, 0), [3, 1.5, 1.5])
    assert_array_equal(soft_sort(x, 0.5), [0.0, 0.0, 1.0])
    assert soft_sort(x).dtype == np.float64


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        pd.Series,
        lambda x: pd.Series(x, index=[5, 3, 9, 1]),
        lambda x: pd.Series(x, dtype="Float64"),
        lambda x: pytest.importorskip("polars").Series(x),
        lambda x: np.ma.masked_array(x, mask=False),
        lambda x: np.array([Fraction(v) for v in x], dtype=object),
        lambda x: np.array([Decimal(v) for v in x], dtype=object),
    ],
)
@operators
def test_array_likes(function, make):
    got = function(make(X), 0.8)
    assert type(got) is np.ndarray
    assert_array_equal(got, function(np.array(X), 0.8))


@pytest.mark.parametrize("library", ["pandas", "polars"])
@operators
def test_data_frames_are_two_dimensional(function, library):
    frame = pytest.importorskip(library).DataFrame
    table = frame({"a": [1.0, 2.0, 4.0], "b": [5.0, 0.5, 0.0]})
    expected = function(np.array([[1.0, 5.0], [2.0, 0.5], [4.0, 0.0]]), 0.8, axis=0)
    assert_array_equal(function(table, 0.8, axis=0), expected)


@operators
def test_read_only_memory_map(function, tmp_path):
    np.save(tmp_path / "x.npy", np.array([X, X[::-1]]))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    got, jacobian = function(mapped, 0.8, return_jacobian=True)
    expected = function(np.array([X, X[::-1]]), 0.8)
    assert type(got) is np.ndarray
    assert_array_equal(got, expected)
    assert jacobian.vjp(mapped).shape == (2, 4)


@pytest.mark.parametrize(
    "epsilon",
    [2, np.int8(2), np.float32(2), np.float64(2), np.longdouble(2), Fraction(2)],
)
@operators
def test_any_real_number_is_an_epsilon(function, epsilon):
    assert_array_equal(function(X, epsilon), function(X, 2.0))


@operators
def test_extreme_epsilons_work(function):
    for epsilon in (5e-324, 1e-300, 1e300, 1.7e308):
        for regularization in ("quadratic", "entropic"):
            got, jacobian = function(
                X, epsilon, regularization=regularization, return_jacobian=True
            )
            # Hard at one end, constant at the other, whichever it is.
            expected = function(X, 0) if epsilon < 1 else np.full(len(X), got.mean())
            assert_allclose(got, expected, rtol=1e-12)
            assert np.isfinite(jacobian.vjp(np.array(X))).all()


# Bad arrays


@functions
@pytest.mark.parametrize(
    ("bad", "value"),
    [
        ([1.0, np.nan, 2.0, 0.0], "1 NaN"),
        ([1.0, np.inf, -np.inf, 0.0], "2 inf"),
        (np.array([1, np.nan, np.nan, 0], dtype=np.float32), "2 NaN"),
        (np.array([1, np.nan, 2, 0], dtype=object), "1 NaN"),
        ([1.0, None, 2.0, 0.0], "1 NaN"),
        (pd.Series([1.0, np.nan, 2.0, 0.0]), "1 NaN"),
        (np.array(3.5), r"3\.5"),
        (2.0, r"2\.0"),
        ([[1.0, 2.0], [3.0]], ""),
        (np.array([1, 10**400, 3, 4], dtype=object), ""),
    ],
)
def test_bad_values(function, name, bad, value):
    if value == "2 inf" and function is soft_rank:
        return  # there these are first and last
    with pytest.raises(ValueError, match=rf"^{name} must .*{value}"):
        function(bad)


@functions
def test_overflow_in_the_conversion_is_an_infinity(function, name):
    if np.finfo(np.longdouble).max > np.finfo(float).max:
        bad = np.array(["1", "1e4000", "2", "3"], dtype=np.longdouble)
        with pytest.raises(ValueError, match=rf"^{name} must .*1 inf"):
            function(bad)


@functions
@pytest.mark.parametrize(
    ("bad", "value"),
    [
        (np.array([1, 2j, 0, 0]), "complex128"),
        (np.array([1, 2j, 0, 0], dtype=object), ""),
        (["a", "b", "c", "d"], "U1"),
        (["1", "2", "3", "4"], "U1"),
        (np.array([1, "2", 3, 4], dtype=object), "'2'"),
        (np.array([1, {}, 3, 4], dtype=object), ""),
        (np.array(["2020-01-01"] * 4, dtype="datetime64[D]"), "datetime64"),
        (np.array([1, 2, 3, 4], dtype="timedelta64[s]"), "timedelta64"),
        (np.zeros(4, dtype=[("a", float)]), "a"),
        (sparse.csr_array(np.eye(4)), "sparse csr_array"),
        (sparse.coo_matrix(np.eye(4)), "sparse coo_matrix"),
        (np.ma.masked_array(X, mask=[0, 1, 0, 0]), "1 masked"),
        ({"a": 1.0}, "dict"),
        ("abc", "U3"),
    ],
)
def test_bad_types_of_values(function, name, bad, value):
    with pytest.raises(TypeError, match=rf"^{name} must .*{value}"):
        function(bad)


@pytest.mark.parametrize(("function", "name"), FUNCTIONS[:-1])
def test_none_is_no_array(function, name):
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must .*None"):
        function(None)


@operators
def test_finite_values_of_an_infinite_range(function):
    with pytest.raises(ValueError, match=r"^values must .*1\.5e\+308.*rescale"):
        function([1.5e308, -1.5e308])


# Bad options


@pytest.mark.parametrize(
    ("epsilon", "value"),
    [(-1, "-1"), (-1e-300, "-1e-300"), (np.nan, "nan"), (np.inf, "inf")],
)
@operators
def test_bad_epsilon(function, epsilon, value):
    with pytest.raises(ValueError, match=rf"^epsilon must be .*>= 0.*got {value}"):
        function(X, epsilon)


@operators
def test_epsilon_beyond_the_floats(function):
    with pytest.raises(ValueError, match=r"^epsilon must be .*>= 0.*got 10"):
        function(X, 10**400)


@pytest.mark.parametrize(
    ("epsilon", "value"),
    [
        ("1", "'1'"),
        (None, "None"),
        (True, "True"),
        (np.True_, ".*True"),
        (1j, "1j"),
        ([1.0], r"\[1\.0\]"),
        (np.array(1.0), r"array\(1\.\)"),
        (np.array([1.0]), r"array\(\[1\.\]\)"),
        (Decimal(1), "Decimal"),
    ],
)
@operators
def test_bad_types_of_epsilon(function, epsilon, value):
    with pytest.raises(TypeError, match=rf"^epsilon must be .*>= 0.*got {value}"):
        function(X, epsilon)


@pytest.mark.parametrize("bad", ["l2", "Quadratic", "", None, 1, ["quadratic"]])
@pytest.mark.parametrize(("function", "name"), FUNCTIONS)
def test_bad_regularization(function, name, bad):
    message = rf"^regularization must be 'quad.*got {re.escape(repr(bad))}"
    with pytest.raises(ValueError, match=message):
        function(X, regularization=bad)


@pytest.mark.parametrize("function", [soft_sort, isotonic_projection, project_on_x])
def test_kl_is_for_ranks_only(function):
    with pytest.raises(ValueError, match=r"^regularization must be .*got 'kl'"):
        function(X, regularization="kl")
    with pytest.raises(ValueError, match=r"^regularization must be .*got 'kl'"):
        epsilon_bounds(X, operator="sort", regularization="kl")
    assert epsilon_bounds(X, operator="rank", regularization="kl")[0] > 0


@pytest.mark.parametrize("bad", ["ranks", None, soft_rank])
def test_bad_operator(bad):
    with pytest.raises(ValueError, match=r"^operator must be one of 'rank', 'sort',"):
        epsilon_bounds(X, operator=bad)


@functions
@pytest.mark.parametrize("bad", [1, -2, 5])
def test_axis_out_of_range(function, name, bad):
    with pytest.raises(np.exceptions.AxisError, match=rf"axis.*\b1 dim.*got {bad}"):
        function(X, axis=bad)


@functions
@pytest.mark.parametrize("bad", [1.0, "0", (0,), [0]])
def test_axis_of_the_wrong_type(function, name, bad):
    with pytest.raises(TypeError, match=r"^axis must be an integer or None, got "):
        function(X, axis=bad)


@pytest.mark.parametrize("function", [isotonic_projection, project_permutahedron])
@pytest.mark.parametrize(
    ("shape", "w_shape", "axis"),
    [
        ((4,), (3,), -1),
        ((4,), (1,), -1),
        ((4,), (4, 1), -1),
        ((2, 4), (2,), 1),
        ((2, 4), (4,), 0),
        ((2, 4), (4, 2), 1),
        ((2, 4), (1, 4), 1),
        ((2, 4), (4,), None),
        ((2, 4), (0,), 1),
    ],
)
def test_w_of_the_wrong_shape(function, shape, w_shape, axis):
    shapes = [re.escape(str(x)) for x in (shape, w_shape)]
    with pytest.raises(ValueError, match="^w must have .*{}.*got {}".format(*shapes)):
        function(np.ones(shape), np.ones(w_shape), axis=axis)


@operators
def test_options_are_keyword_only(function):
    with pytest.raises(TypeError, match="positional"):
        function(X, 1.0, "quadratic")


@operators
@pytest.mark.parametrize("bad", [0, 1.5, "2", True])
def test_bad_n_jobs(function, bad):
    with pytest.raises((TypeError, ValueError), match=rf"^n_jobs must .*got {bad!r}"):
        function(X, n_jobs=bad)


@operators
@pytest.mark.parametrize("name", ["descending", "return_jacobian"])
@pytest.mark.parametrize("bad", ["no", 1, None])
def test_bad_flags(function, name, bad):
    with pytest.raises(TypeError, match=rf"^{name} must be True or False, got {bad!r}"):
        function(X, **{name: bad})


@operators
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_values_too_far_apart_for_their_sums(function, regularization):
    x = [8e307, -8e307, 7e307, 1e307, -3e307, 0.0]
    for epsilon in (1e-300, 1.0, 1e308):
        for return_jacobian in (False, True):
            with pytest.raises(ValueError, match=r"^values must .*8e\+307.*rescale"):
                function(
                    x,
                    epsilon,
                    regularization=regularization,
                    return_jacobian=return_jacobian,
                )
    # The hard operators sum nothing.
    expected = np.sort(x) if function is soft_sort else [6, 1, 5, 4, 2, 3]
    assert_array_equal(function(x, 0, regularization=regularization), expected)


def test_projections_of_values_too_far_apart_for_their_sums():
    x = np.linspace(0, 1e307, 100)
    for function in (isotonic_projection, project_permutahedron):
        with pytest.raises(ValueError, match=r"^[sz] must .*1e\+307.*rescale"):
            function(x, np.zeros(100))
        with pytest.raises(ValueError, match=r"^w must .*1e\+307.*rescale"):
            function(np.zeros(100), x)
    with pytest.raises(ValueError, match=r"^w must .* s - w .*1\.7e\+308"):
        isotonic_projection([1.7e308, 1.7e308], [-1.7e308, -1.7e308])
