"""The stubs have all public names with their parameters, kinds and defaults.

What `python -m mypy.stubtest` holds, as far as that goes without mypy.
"""

import ast
import inspect
from importlib.resources import files

import pytest
from test_package import MODULES

import sksoftrank
from sksoftrank import (
    _bridge,
    _choices,
    _isotonic,
    _pav,
    _selection,
    _subnormals,
)

PUBLIC_MODULES = MODULES
EMPTY = inspect.Parameter.empty


def tree_of(module):
    """The syntax tree of the stub of a module."""
    parts = module.__name__.split(".")[1:]
    if hasattr(module, "__path__"):
        parts.append("__init__")
    path = files(sksoftrank).joinpath(*parts[:-1], f"{parts[-1]}.pyi")
    return ast.parse(path.read_text())


def definitions(tree):
    """Name and nodes of what a tree defines: several nodes of overloaded functions."""
    nodes = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            nodes.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.AnnAssign):
            nodes.setdefault(node.target.id, []).append(node)
    return nodes


def imported_names(tree):
    """Names that a tree takes from other modules."""
    imports = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    return {alias.asname or alias.name for node in imports for alias in node.names}


CLASSES = {
    name: nodes[0]
    for module in PUBLIC_MODULES
    for name, nodes in definitions(tree_of(module)).items()
    if isinstance(nodes[0], ast.ClassDef)
}


def members(name):
    """Definitions in a class of the stubs, with those of the bases that have stubs."""
    found = {}
    for base in reversed(CLASSES[name].bases):
        if base.id in CLASSES:
            found |= members(base.id)
    return found | definitions(CLASSES[name])


def signature(function):
    """Signature of a function in a tree, without its types."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            node.annotation = None
    function.returns, function.decorator_list = None, []
    namespace = {}
    exec(ast.unparse(function), namespace)
    return inspect.signature(namespace[function.name])


def assert_has_parameters(nodes, function):
    """Each overload has all parameters, and one at least each default.

    The flag that an overload is of has no default there. `...` stands for any default.
    """
    assert all(isinstance(node, ast.FunctionDef) for node in nodes), nodes[0].lineno
    stubs = [signature(node).parameters for node in nodes]
    parameters = inspect.signature(function).parameters
    for stub in stubs:
        kinds = [(name, parameter.kind) for name, parameter in stub.items()]
        assert kinds == [
            (name, parameter.kind) for name, parameter in parameters.items()
        ]
    for name, parameter in parameters.items():
        defaults = {stub[name].default for stub in stubs} - {EMPTY}
        assert bool(defaults) == (parameter.default is not EMPTY), name
        assert defaults - {...} <= {parameter.default}, name


def own_members(cls):
    """Public names that classes of the package define, with their functions."""
    for name, member in inspect.getmembers_static(cls):
        owner = next(base for base in cls.__mro__ if name in vars(base))
        is_public = name == "__init__" or not name.startswith("_")
        if is_public and owner.__module__.startswith("sksoftrank"):
            if isinstance(member, property):
                yield name, member.fget
            elif isinstance(member, classmethod):
                yield name, member.__func__
            else:
                yield name, getattr(member, "func", getattr(cls, name))


@pytest.mark.parametrize("module", PUBLIC_MODULES, ids=lambda module: module.__name__)
def test_stub_has_the_public_names_of_the_module(module):
    tree = tree_of(module)
    nodes = {
        name: found
        for name, found in definitions(tree).items()
        if not name.startswith("_")
    }
    public = set(getattr(module, "__all__", []))
    assert public <= nodes.keys() | imported_names(tree)
    for name in nodes:
        thing = getattr(module, name)
        if inspect.isclass(thing):
            stub = members(name)
            for member, function in own_members(thing):
                assert member in stub, f"{name}.{member}"
                assert_has_parameters(stub[member], function)
        elif callable(thing):
            assert_has_parameters(nodes[name], thing)


@pytest.mark.parametrize("module", PUBLIC_MODULES, ids=lambda module: module.__name__)
def test_all_of_the_stub_is_that_of_the_module(module):
    stated = [
        ast.literal_eval(node.value)
        for node in tree_of(module).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    ]
    assert stated == ([module.__all__] if hasattr(module, "__all__") else [])


def compiled_names(module):
    """Names in the stub of a compiled module: parameters of functions, else None.

    A function of several C types is a variable in the stub, of a Protocol.
    """
    nodes = {name: found[-1] for name, found in definitions(tree_of(module)).items()}
    names = {}
    for name, node in nodes.items():
        if isinstance(node, ast.AnnAssign):
            protocol = nodes.get(node.annotation.id)
            node = protocol and protocol.body[-1]
        if not isinstance(node, ast.ClassDef):
            names[name] = node and [
                p for p in signature(node).parameters if p != "self"
            ]
    return names


@pytest.mark.parametrize(
    "module", [_bridge, _choices, _isotonic, _pav, _selection, _subnormals]
)
def test_stub_has_the_names_and_parameters_of_the_compiled_module(module):
    compiled = {
        name: list(inspect.signature(thing).parameters) if callable(thing) else None
        for name, thing in vars(module).items()
        if not name.startswith("__")
    }
    assert compiled_names(module) == compiled


def test_package_is_marked_as_typed():
    assert files(sksoftrank).joinpath("py.typed").is_file()
