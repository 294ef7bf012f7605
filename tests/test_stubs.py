"""The stubs of the compiled modules tell all their names and parameters."""

import ast
import inspect
from importlib.resources import files

import pytest

import sksoftrank
from sksoftrank import _bridge, _choices, _isotonic, _pav, _selection


def parameters(function):
    """Names of the parameters in the tree of a stub, without self."""
    return [argument.arg for argument in function.args.args if argument.arg != "self"]


def read_stub(module):
    """Public names of a stub, with the parameters of functions and else None.

    A function of several C types is a variable in the stub, of a Protocol.
    """
    name = module.__name__.removeprefix("sksoftrank.")
    tree = ast.parse(files(sksoftrank).joinpath(f"{name}.pyi").read_text())
    protocols = {
        node.name: parameters(node.body[-1])
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    names = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names[node.name] = parameters(node)
        elif isinstance(node, ast.AnnAssign):
            names[node.target.id] = protocols.get(node.annotation.id)
    return names


@pytest.mark.parametrize("module", [_bridge, _choices, _isotonic, _pav, _selection])
def test_stub_has_the_names_and_parameters_of_the_module(module):
    compiled = {
        name: list(inspect.signature(thing).parameters) if callable(thing) else None
        for name, thing in vars(module).items()
        if not name.startswith("__")
    }
    assert read_stub(module) == compiled


def test_package_is_marked_as_typed():
    assert files(sksoftrank).joinpath("py.typed").is_file()
