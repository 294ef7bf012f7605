"""What the functions accept, and one clear sentence for what they do not."""

import inspect
import math
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from input_table import AS_SCIKIT_LEARN, OURS, WITHOUT_ARRAYS
from numpy.testing import assert_allclose, assert_array_equal
from operator_table import OPERATORS, OTHERS
from scipy import sparse
from test_package import PUBLIC

from sksoftrank import (
    batches,
    epsilon_bounds,
    isotonic_projection,
    project_permutahedron,
    soft_rank,
    soft_sort,
    soft_topk_rank,
    soft_topk_sort,
)

X = [3.0, 1.0, 2.5, -4.0]
# Numbers that float32 and integers hold.
ROWS = np.array([X, [0.5, 7.0, -2.0, 6.0], [1.0, 0.0, 8.0, 0.5]])
operators = pytest.mark.parametrize("function", [soft_rank, soft_sort])
every_operator = pytest.mark.parametrize("entry", OPERATORS.values(), ids=OPERATORS)
ours = pytest.mark.parametrize(
    ("function", "arguments"), OURS, ids=[function.__name__ for function, _ in OURS]
)
PUBLIC_FUNCTIONS = {
    thing
    for thing in PUBLIC
    if not isinstance(thing, type)
    and thing.__module__.split(".")[1] not in ("torch", "jax")
}


def test_the_tables_are_complete():
    listed = {function for function, _ in [*OURS, *AS_SCIKIT_LEARN]}
    missing = {function.__name__ for function in PUBLIC_FUNCTIONS - listed}
    assert missing == WITHOUT_ARRAYS, "give them a line in tests/input_table.py"
    for function, arguments in [*OURS, *AS_SCIKIT_LEARN]:
        function(**arguments)


# Good input


def test_booleans_are_numbers():
    x = np.array([True, False, False])
    assert_array_equal(soft_rank(x, 0), [3, 1.5, 1.5])
    assert_array_equal(soft_sort(x, 0.5), [0.0, 0.0, 1.0])
    assert soft_sort(x).dtype == np.float64


@every_operator
def test_array_likes(entry):
    polars = pytest.importorskip("polars")
    expected = entry.call(np.array(X), epsilon=entry.epsilon)
    for array in (
        X,
        tuple(X),
        pd.Series(X, index=[5, 3, 9, 1]),
        pd.Series(X, dtype="Float64"),
        polars.Series(X),
        np.ma.masked_array(X, mask=False),
        np.array([Fraction(v) for v in X], dtype=object),
        np.array([Decimal(v) for v in X], dtype=object),
    ):
        found = entry.call(array, epsilon=entry.epsilon)
        assert type(found) is type(expected)
        assert_array_equal(found, expected)
    expected = entry.call(ROWS, axis=0, epsilon=entry.epsilon)
    for frame in (pd.DataFrame(ROWS), polars.DataFrame(ROWS)):
        assert_array_equal(entry.call(frame, axis=0, epsilon=entry.epsilon), expected)


@every_operator
def test_read_only_memory_map(entry, tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    options = {"epsilon": entry.epsilon}
    got, jacobian = entry.call(mapped, return_jacobian=True, **options)
    assert type(got) is np.ndarray
    assert_array_equal(got, entry.call(ROWS, **options))
    assert jacobian.jvp(mapped).shape == got.shape


@every_operator
def test_any_real_number_is_an_epsilon(entry):
    expected = entry.call(X, epsilon=2.0)
    for number in (2, np.int8(2), np.float32(2), np.longdouble(2), Fraction(2)):
        assert_array_equal(entry.call(X, epsilon=number), expected)


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


def with_second(array, value):
    """Another second entry."""
    changed = np.array(array, dtype=object)
    changed.flat[1] = value
    return changed


NUMBER = r"2\.5"


def values_and_types(array):
    """Arrays in place of a good one, and what the message tells of them."""
    shape = np.shape(array)
    number = np.array(array, dtype=float)
    yield with_second(array, np.nan).astype(float), ValueError, "1 NaN"
    yield with_second(array, np.nan).astype(np.float32), ValueError, "1 NaN"
    yield with_second(array, np.nan), ValueError, "1 NaN"
    yield with_second(array, None).tolist(), ValueError, "1 NaN"
    yield with_second(array, np.inf).astype(float), ValueError, "1 inf"
    yield with_second(array, -np.inf).astype(float), ValueError, "1 inf"
    yield with_second(array, 10**400), ValueError, ""
    yield 2.5, ValueError, NUMBER
    yield np.array(2.5), ValueError, NUMBER
    yield [[1.0, 2.0], [3.0]], ValueError, ""
    yield number + 1j, TypeError, "complex128"
    yield with_second(array, 2j), TypeError, ""
    yield with_second(array, "2"), TypeError, "'2'"
    yield with_second(array, {}), TypeError, ""
    yield number.astype(str).tolist(), TypeError, "U"
    yield "abc", TypeError, "U3"
    yield {"a": 1.0}, TypeError, "dict"
    yield number.astype("datetime64[D]"), TypeError, "datetime64"
    yield number.astype("timedelta64[s]"), TypeError, "timedelta64"
    yield np.zeros(shape, dtype=[("a", float)]), TypeError, "a"
    yield sparse.csr_array(np.atleast_2d(number)), TypeError, "sparse csr_array"
    yield sparse.coo_matrix(np.atleast_2d(number)), TypeError, "sparse coo_matrix"


# Numbers that mean something: a lower bound of a number of targets, one quantile.
GOOD_SCALARS = {"targets", "q"}
# Arguments in which infinite values are first or last, as in all of which only order
# and differences count, and in which missing ones are not ranked.
TAKE_INFINITE = {("soft_sort_with", "criterion")} | {
    (entry.function.__name__, "values")
    for entry in OPERATORS.values()
    if entry.is_invariant and entry.has_wrt_epsilon
}
TAKE_MISSING = {("soft_ndcg_loss", "relevance"), ("soft_spearman_loss", "ranks")}


@ours
def test_bad_arrays(function, arguments):
    for name, good in arguments.items():
        if not isinstance(good, list):
            continue
        for bad, error, message in values_and_types(good):
            case = function.__name__, name
            if (message == "1 inf" and case in TAKE_INFINITE) or (
                message == "1 NaN" and case in TAKE_MISSING
            ):
                continue
            if name in GOOD_SCALARS and message == NUMBER:
                continue
            error = (TypeError, ValueError) if name == "labels" else error
            with pytest.raises(error, match=rf"^{name} must ") as caught:
                function(**arguments | {name: bad})
            if name in ("values", "s", "z", "w", "criterion"):
                assert re.search(message, str(caught.value))


@pytest.mark.parametrize(("function", "arguments"), AS_SCIKIT_LEARN)
def test_bad_arrays_of_scores(function, arguments):
    for name, good in arguments.items():
        if not isinstance(good, list):
            continue
        for bad in (
            with_second(good, np.inf).astype(float),
            np.array(good) + 1j,
            with_second(good, {}),
            [[1.0, 2.0], [3.0]],
            "abc",
            np.array(good)[:1] if name != "epsilons" else [],
        ):
            with pytest.raises((ValueError, TypeError)):
                function(**arguments | {name: bad})


def test_masked_entries_of_blocks():
    X = np.random.default_rng(0).normal(size=(60, 3))
    y, masked = (X[:, 0] > 0).astype(int), np.ma.masked_greater(X, 1)
    masked_y = np.ma.masked_equal(y, 1)
    for model in (batches.SoftLTSRegressor(), batches.SoftTopKClassifier()):
        model.fit_batches([(np.ma.array(X), np.ma.array(y))])
        with pytest.raises(TypeError, match=r"^X of block 0 must"):
            model.fit_batches([(masked, y)])
        with pytest.raises(TypeError, match=r"^y of block 0 must"):
            model.fit_batches([(X, masked_y)])


@ours
def test_none_is_no_array(function, arguments):
    parameters = inspect.signature(function).parameters
    for name, good in arguments.items():
        if isinstance(good, list) and parameters[name].default is not None:
            with pytest.raises((TypeError, ValueError), match=rf"^{name} must .*got "):
                function(**arguments | {name: None})


def test_overflow_in_the_conversion_is_an_infinity():
    if np.finfo(np.longdouble).max > np.finfo(float).max:
        bad = np.array(["1", "1e4000", "2", "3"], dtype=np.longdouble)
        for function in (soft_rank, soft_sort, epsilon_bounds, isotonic_projection):
            with pytest.raises(ValueError, match=r"^(values|s) must .*1 inf"):
                function(bad)


@operators
def test_finite_values_of_an_infinite_range(function):
    with pytest.raises(ValueError, match=r"^values must .*1\.5e\+308.*rescale"):
        function([1.5e308, -1.5e308])


# Bad options

FLAGS = "no", 1, None, np.array(True)
NO_NUMBERS = "1", None, True, np.True_, 1j, Decimal(1)
BAD = {
    "epsilon": [
        *((bad, ValueError) for bad in (-1, -1e-300, np.nan, np.inf, 10**400)),
        *((bad, TypeError) for bad in (*NO_NUMBERS, [[1.0]], np.array([[1.0]]))),
    ],
    "axis": [
        *((bad, TypeError) for bad in (1.0, "0", (0,), [0], True)),
        *((bad, np.exceptions.AxisError) for bad in (5, -5)),
    ],
    "regularization": [
        (bad, ValueError)
        for bad in ("l2", "Quadratic", "", None, 1, ["quadratic"], np.array(["kl"]))
    ],
    "nan_policy": [(bad, ValueError) for bad in ("propagate", None, 1, ["omit"])],
    "n_jobs": [(0, ValueError), *((bad, TypeError) for bad in (1.5, "2", True))],
    "operator": [(bad, ValueError) for bad in ("ranks", None, soft_rank, 1)],
    "k": [(bad, (ValueError, TypeError)) for bad in (0, -1, "2", 1j, np.nan, True)],
    "cut": [(bad, ValueError) for bad in (-0.1, 1.5, np.nan, [0.1, 0.2, 0.3])],
    "q": [(bad, ValueError) for bad in (-0.1, 2, np.nan)],
    "squashing": [(bad, ValueError) for bad in ("tanh", 1)],
    "growth": [(bad, ValueError) for bad in ("square", None)],
    "scale": [(bad, ValueError) for bad in ("std", 1)],
    **{
        name: [(bad, (ValueError, TypeError)) for bad in ("a", -1, np.nan, True)]
        for name in ("cost", "max_iter", "power", "tol", "top_weight", "width")
    },
    **{
        name: [
            (bad, (ValueError, TypeError)) for bad in ("a", None, True, -1, np.nan, 99)
        ]
        for name in ("n_kept", "position")
    },
}
# Arrays other than the first have shapes and meanings of their own: see their tests.
OTHER_ARRAYS = {"counts", "groups", "sample_weight", "target", "target_weights"}
OTHER_ARRAYS |= {"targets", "w", "weights"}
# Not for the quantiles that the table asks for.
UNUSED = {("epsilon_bounds", "k"), ("epsilon_bounds", "cut")}


@ours
def test_bad_options(function, arguments):
    for name, parameter in inspect.signature(function).parameters.items():
        is_flag = isinstance(parameter.default, bool)
        is_array = isinstance(arguments.get(name), list) and name != "q"
        if is_array or name in OTHER_ARRAYS or (function.__name__, name) in UNUSED:
            continue
        flags = [(flag, TypeError) for flag in FLAGS]
        assert is_flag or name in BAD, f"give {name} bad values in BAD"
        for bad, error in flags if is_flag else BAD[name]:
            with pytest.raises(error, match=rf"^{name} must be .*got ") as caught:
                function(**arguments | {name: bad})
            if is_flag:
                assert str(caught.value).endswith(f"True or False, got {bad!r}.")


@pytest.mark.parametrize(("function", "arguments"), AS_SCIKIT_LEARN)
def test_bad_flags_of_scores(function, arguments):
    for name, parameter in inspect.signature(function).parameters.items():
        for bad in FLAGS if isinstance(parameter.default, bool) else ():
            with pytest.raises(TypeError, match=rf"^{name} must be True or False"):
                function(**arguments | {name: bad})


# In this order all operators say what is wrong: options, then values, then what must
# suit the values, of which weights come first.
FIRST = ("values", "s", "z", "X")
LATER = ("criterion", "w", "weights", "targets", "target_weights", "width")
LATER += ("k", "q", "cut", "target")


def wrong(parameters):
    """A wrong value for each argument of an operator."""
    nan = [3.0, 1.0, math.nan, -4.0]
    found = dict.fromkeys(parameters, "wrong")
    found |= dict.fromkeys((*FIRST, "criterion", "w", "target", "targets"), nan)
    found |= {"X": [[1.0, 2.0], [math.nan, 3.0]], "groups": [1], "n_jobs": 0}
    found |= {"epsilon": -1.0, "axis": 7, "k": 99, "q": 2.0, "cut": 0.7}
    found |= {"weights": [1.0, -2.0, 1.0, 1.0], "target_weights": [-1.0]}
    return {name: found[name] for name in parameters if name != "operator"}


@pytest.mark.parametrize(
    ("function", "arguments"), [a for a in OURS if "losses" not in a[0].__module__]
)
def test_values_are_named_after_options_and_before_what_suits_them(function, arguments):
    parameters = list(inspect.signature(function).parameters)
    bad, first = wrong(parameters), parameters[0]
    good = {name: arguments[name] for name in arguments if "weight" not in name}
    good |= {first: ROWS[0].tolist() if first != "X" else ROWS.tolist()}
    good.pop("targets", None)
    pairs = [(name, first) if name not in LATER else (first, name) for name in bad]
    pairs += [("weights", name) for name in ("k", "q", "cut") if "weights" in bad]
    for winner, loser in pairs:
        if winner == loser or loser not in bad:
            continue
        if function is epsilon_bounds and loser in ("k", "cut"):  # not for quantiles
            continue
        for names in ((winner,), (winner, loser)):
            with pytest.raises((ValueError, TypeError), match=rf"^{winner} must "):
                function(**good | {name: bad[name] for name in names})


@pytest.mark.parametrize("function", [soft_topk_rank, soft_topk_sort])
def test_nan_are_named_before_k_of_each_slice(function):
    values = [[1.0, math.nan, 2.0], [1.0, 2.0, 3.0]]
    for options in ({"epsilon": [1.0, 2.0]}, {"straight_through": True}):
        with pytest.raises(ValueError, match=r"^values must be finite, got 1 NaN"):
            function(values, 9, **options)
        with pytest.raises(ValueError, match=r"^k must be from 1"):
            function(values, 9, nan_policy="omit", **options)


def test_kl_is_for_ranks_only():
    entries = [e for e in (OPERATORS | OTHERS).values() if e.takes("regularization")]
    with_kl = {
        e.function for e in entries if e.call.keywords.get("regularization") == "kl"
    }
    for entry in entries:
        if entry.function not in with_kl:
            with pytest.raises(ValueError, match=r"^regularization must be .*got 'kl'"):
                entry.call(ROWS, regularization="kl", axis=0)
    with pytest.raises(ValueError, match=r"^regularization must be .*got 'kl'"):
        epsilon_bounds(X, operator="sort", regularization="kl")
    assert epsilon_bounds(X, operator="rank", regularization="kl")[0] > 0


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
