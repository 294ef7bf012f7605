"""What holds for every operator of the table: derivatives, axes, dtypes, layouts."""

import inspect
from importlib import import_module

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from operator_table import OPERATORS, OTHERS
from test_package import PUBLIC

ALL = OPERATORS | OTHERS
every_operator = pytest.mark.parametrize("name", ALL)
ALONG_AN_AXIS = [name for name, entry in ALL.items() if entry.takes("axis")]
along_an_axis = pytest.mark.parametrize("name", ALONG_AN_AXIS)
# All slices are of seven numbers.
SHAPES = [((7,), 0), ((3, 7), -1), ((7, 2), 0), ((2, 7, 3), 1), ((7, 1), None)]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def options_of(entry, factor=1.0):
    return {} if entry.epsilon is None else {"epsilon": factor * entry.epsilon}


def shapes_of(entry):
    """Shapes of values, with the axis as an option where there is one."""
    if not entry.takes("axis"):
        return [((7, 3), {})]
    return [
        (shape, {"axis": axis})
        for shape, axis in SHAPES
        if axis is not None or entry.function.__name__ != "soft_sort_with"
    ]


def n_values(options, shape):
    axis = options.get("axis", -1)
    return np.prod(shape) if axis is None else shape[axis]


# The table


def regularizations_of(entry):
    """Those that the function takes."""
    if not entry.takes("regularization"):
        return {None}
    taken = {"quadratic", "entropic", "kl"}
    options = {"axis": 0} if entry.takes("axis") else {}
    for regularization in sorted(taken):
        try:
            entry.call(draw(7, 2), regularization=regularization, **options)
        except ValueError:
            taken.remove(regularization)
    return taken


def test_the_table_is_complete():
    differentiable = {
        thing
        for thing in PUBLIC
        if not isinstance(thing, type)
        and thing.__module__.split(".")[1] not in ("torch", "jax")
        and "return_jacobian" in inspect.signature(thing).parameters
    }
    entries = {function: [] for function in differentiable}
    for entry in ALL.values():
        entries[entry.function].append(entry)
    for function, own in entries.items():
        assert own, f"{function.__name__} is not in tests/operator_table.py"
        tried = [
            entry.call.keywords | more
            for e in own
            for more in e.every_option()
            for entry in [e]
        ]
        found = {options.get("regularization") for options in tried}
        assert found >= regularizations_of(own[0]), function.__name__
        flags = {"straight_through", "return_jacobian"}  # tests of their own
        for name, parameter in inspect.signature(function).parameters.items():
            if isinstance(parameter.default, bool) and name not in flags:
                values = {options.get(name, parameter.default) for options in tried}
                assert values == {True, False}, f"{function.__name__}: {name}"


# Derivatives


def difference(function, argument, direction, step=1e-6):
    """Central difference of an array-valued function along a direction."""
    up, down = argument + step * direction, argument - step * direction
    return (function(up) - function(down)) / (2 * step)


def assert_adjoint(jacobian, seed):
    u = draw(*jacobian.input_shape, seed=seed)
    g = draw(*jacobian.output_shape, seed=seed + 1)
    forward, backward = g * jacobian.jvp(u), u * jacobian.vjp(g)
    scale = max(np.abs(forward).sum(), np.abs(backward).sum())
    difference = abs(forward.sum() - backward.sum())
    assert difference <= 1e-11 * max(scale, 1e-4), (forward.sum(), backward.sum())


# Values of arguments that are not at a kink of their own.
SMOOTH = {"k": 2.6, "q": np.array([0.13, 0.62]), "cut": np.array([0.13, 0.31])}


def arguments_of(entry, shape, options):
    """Values of the arguments with a derivative: numbers, or arrays of two kinds."""
    n, rng = n_values(options, shape), np.random.default_rng(1)
    for name in entry.derivatives:
        if name in SMOOTH:
            yield name, SMOOTH[name]
        else:
            # A mean of weights from one on makes them frequencies.
            numbers = rng.uniform(1.1, 2.0, size=shape)
            yield name, numbers.ravel()[:n]
            if name != "criterion":
                yield name, numbers


def cases_of(entry):
    """Shapes and options, of which some are enough for the less usual ones."""
    shapes = shapes_of(entry)
    for shape, axis in shapes:
        yield shape, axis | options_of(entry)
    shape, axis = shapes[-2] if len(shapes) > 1 else shapes[0]
    if entry.epsilon is not None:
        for factor in (0.0, 0.2, 5.0, 50.0):
            yield shape, axis | options_of(entry, factor)
    for more in entry.variants:
        yield shape, axis | options_of(entry) | more


@every_operator
def test_derivatives(name):
    entry = ALL[name]
    for shape, options in cases_of(entry):
        values, u = draw(*shape), draw(*shape, seed=2)

        def call(values=values, options=options, **changes):
            return entry.call(values, **options | changes)

        epsilon = options.get("epsilon")
        scale = max(1, entry.epsilon / epsilon) if epsilon else 1
        tolerance = {"rtol": 0, "atol": 1e-6 * scale}
        result, jacobian = call(return_jacobian=True)
        assert_array_equal(result, call())
        assert jacobian.input_shape == shape
        assert jacobian.output_shape == np.shape(result)
        assert jacobian.shape == (np.size(result), values.size)
        expected = difference(lambda x: call(x), values, u)
        assert_allclose(jacobian.jvp(u), expected, **tolerance)
        assert_adjoint(jacobian, 3)
        assert_array_equal(jacobian @ u.ravel(), np.ravel(jacobian.jvp(u)))
        g = draw(*jacobian.output_shape, seed=6)
        assert_array_equal(jacobian.T @ g.ravel(), jacobian.vjp(g).ravel())
        if entry.has_wrt_epsilon:
            step = 1e-6 * (epsilon or entry.epsilon)
            ends = [call(epsilon=max(epsilon + sign * step, 0)) for sign in (1, -1)]
            expected = (ends[0] - ends[1]) / (step * (2 if epsilon else 1))
            assert_allclose(jacobian.wrt_epsilon, expected, **tolerance)
        else:
            with pytest.raises(AttributeError, match="wrt_epsilon"):
                jacobian.wrt_epsilon  # noqa: B018
        for argument, value in arguments_of(entry, shape, options):
            if argument not in options:
                check_argument(call, argument, value, tolerance)
        others = SMOOTH.keys() & entry.derivatives
        if "weights" in entry.derivatives and others:
            # Those of none are those of ones, which are frequencies from there up.
            smooth = {name: SMOOTH[name] for name in others}
            _, jacobian = call(return_jacobian=True, **smooth)
            v = draw(*shape, seed=4)
            v -= v.mean(axis=options["axis"], keepdims=True)

            def weighted(weights, smooth=smooth, call=call):
                return call(weights=weights, **smooth)

            expected = difference(weighted, np.ones(shape), v)
            assert_allclose(jacobian.wrt_weights.jvp(v), expected, **tolerance)


def check_argument(call, argument, value, tolerance):
    """The derivative in another argument than the values is that of differences."""
    _, jacobian = call(return_jacobian=True, **{argument: value})
    derivative = getattr(jacobian, f"wrt_{argument}")

    def change(value):
        return call(**{argument: value})

    if argument == "cut":
        for own, direction in zip(derivative, np.eye(2), strict=True):
            assert_allclose(own, difference(change, value, direction), **tolerance)
    elif argument in ("k", "q"):
        assert_allclose(derivative, difference(change, value, 1.0), **tolerance)
    else:
        v = draw(*value.shape, seed=4)
        assert_allclose(derivative.jvp(v), difference(change, value, v), **tolerance)
        assert_adjoint(derivative, 5)


# Axes


@along_an_axis
def test_axis_is_a_loop_over_slices(name):
    entry = ALL[name]
    for shape, axis in SHAPES[1:-1]:
        values = draw(*shape)
        rows = np.moveaxis(values, axis, -1)
        for more in entry.every_option():
            options = options_of(entry) | more
            found = entry.call(values, axis=axis, **options)
            own = {
                index: entry.call(rows[index].copy(), axis=-1, **options)
                for index in np.ndindex(rows.shape[:-1])
            }
            for index, expected in own.items():
                if entry.place == "all":
                    slice_of = found[(..., *index)]
                elif entry.place == "matrix":
                    slice_of = found[index]
                else:
                    slice_of = np.moveaxis(found, axis, -1)[index]
                assert_allclose(slice_of, expected, rtol=0, atol=1e-13)


@along_an_axis
def test_negative_axes_and_none(name):
    entry = ALL[name]
    values, options = np.asfortranarray(draw(7, 2)), options_of(entry)
    expected = entry.call(values, axis=0, **options)
    assert_array_equal(entry.call(values, axis=-2, **options), expected)
    if entry.function.__name__ != "soft_sort_with":
        found = entry.call(values[:, :1], axis=None, **options)
        assert_array_equal(found, entry.call(values[:, 0], axis=0, **options))


# Dtypes and layouts


@every_operator
def test_dtypes(name):
    entry = ALL[name]
    shape, axis = ((2, 7, 3), {"axis": 1}) if entry.takes("axis") else ((7, 3), {})
    numbers = np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape) % 9

    def call(dtype, **options):
        if entry.second:
            options[entry.second] = np.array([3, 1, 0, 5, 6, 2, 9]).astype(dtype)
        options |= options_of(entry) | axis
        return entry.call(numbers.astype(dtype), **options)

    expected = call(float)
    for dtype, result in {
        np.float16: np.float32,
        np.float32: np.float32,
        np.float64: np.float64,
        np.longdouble: np.float64,
        np.int8: np.float64,
        np.uint64: np.float64,
        object: np.float64,
        ">f8": np.float64,
        ">f4": np.float32,
    }.items():
        result = result if entry.keeps_float32 else np.float64
        found, jacobian = call(dtype, return_jacobian=True)
        assert found.dtype == jacobian.dtype == result, dtype
        assert found.dtype.isnative
        assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
        u, g = np.ones(jacobian.input_shape, dtype=result), np.ones_like(found)
        assert jacobian.jvp(u).dtype == jacobian.vjp(g).dtype == result
        if entry.has_wrt_epsilon:
            assert jacobian.wrt_epsilon.dtype == result


@every_operator
def test_layouts(name):
    entry = ALL[name]
    shape, axis = ((7, 4), {"axis": 0}) if entry.takes("axis") else ((7, 4), {})
    values, options = draw(*shape), options_of(entry) | axis
    before = values.copy()
    expected, jacobian = entry.call(values, return_jacobian=True, **options)
    g, u = draw(*expected.shape, seed=1), draw(*shape, seed=2)
    pulled, pushed = jacobian.vjp(g), jacobian.jvp(u)
    expected = expected.copy()
    wide = np.full((14, 12), np.nan)
    wide[::2, ::3] = values
    read_only = values.copy()
    read_only.flags.writeable = False
    for other in (
        wide[::2, ::3],
        values[::-1, ::-1].copy()[::-1, ::-1],
        np.asfortranarray(values),
        read_only,
        values.tolist(),
    ):
        found, own = entry.call(other, return_jacobian=True, **options)
        assert_array_equal(found, expected)
        assert_array_equal(own.vjp(g), pulled)
    # The Jacobian looks at nothing that the caller may change, and nor does the call.
    assert_array_equal(values, before)
    found[...] = values[...] = np.nan
    assert_array_equal(jacobian.vjp(g), pulled)
    assert_array_equal(jacobian.jvp(u), pushed)
    assert_array_equal(jacobian.vjp(g.tolist()), pulled)
    for method in (jacobian.jvp, jacobian.vjp):
        with pytest.raises(ValueError, match=r"shape .*\(2, 9\)"):
            method(np.zeros((2, 9)))


@every_operator
@pytest.mark.parametrize("factor", [1.0, 0.0])
def test_the_caller_changes_all_arrays(name, factor):
    """Where slices are contiguous nothing need be copied but for the Jacobian."""
    entry = ALL[name]
    shape = (2, 7) if entry.takes("axis") else (7, 3)
    values, others = draw(*shape), {}
    if entry.takes("weights"):
        others["weights"] = np.arange(1.0, 15.0).reshape(shape)
    if entry.second:
        others[entry.second] = draw(shape[-1], seed=1)
    options = options_of(entry, factor) | others | {"return_jacobian": True}
    _, jacobian = entry.call(values, **options)
    u, g = draw(*jacobian.input_shape, seed=2), draw(*jacobian.output_shape, seed=3)
    expected = jacobian.jvp(u), jacobian.vjp(g)
    found, jacobian = entry.call(values, **options)
    for array in (found, values, *others.values()):
        array[...] = 1.0
    assert_array_equal(jacobian.jvp(u), expected[0])
    assert_array_equal(jacobian.vjp(g), expected[1])
    for array in (found, jacobian.jvp(u), jacobian.vjp(g)):
        assert array.base is None or array.base.size == array.size


# Few values


@along_an_axis
def test_nothing_in_a_batch(name):
    entry = ALL[name]
    values = np.empty((0, 7), dtype=np.float32)
    options = options_of(entry)
    if entry.second:
        options[entry.second] = np.arange(7, dtype=np.float32)
    for axis, array in ((1, values), (0, values.T)):
        found, jacobian = entry.call(array, axis=axis, return_jacobian=True, **options)
        assert found.size == 0
        assert found.dtype == np.float32
        assert jacobian.shape == (0, 0)
        assert jacobian.vjp(found).shape == array.shape
        assert jacobian.jvp(array).shape == found.shape


@along_an_axis
def test_slices_without_values(name):
    """They are the result as they are, or an error that says so."""
    entry = ALL[name]
    for shape in ((0,), (3, 0)):
        try:
            found = entry.call(np.empty(shape), **options_of(entry))
        except ValueError as error:
            message = str(error)
        else:
            message = None
            assert found.size == 0
        refused = entry.place == "all" or "target" in entry.call.keywords
        refused |= "k" in entry.call.keywords or "sort_with" in name
        refused |= "winsorize" in name
        assert (message is not None) == refused, name
        if refused:
            assert "empty" in message or "k must be" in message


def test_modules_of_operators_hold_nothing_else():
    # So that a new one is looked for in the table.
    for module in ("operators", "pairwise", "sinkhorn"):
        for name in import_module(f"sksoftrank.{module}").__all__:
            thing = getattr(import_module(f"sksoftrank.{module}"), name)
            if not isinstance(thing, type) and name != "epsilon_bounds":
                assert "return_jacobian" in inspect.signature(thing).parameters
