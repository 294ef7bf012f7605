"""Methods that are written for any framework, as the functions of one of them."""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from ._types import Array

Method = TypeVar("Method", bound=Callable[..., Any])

# What torchsort and PyTorch call arguments, and losses of others of ours.
OTHER_NAMES = {
    "regularization_strength": "epsilon",
    "dim": "axis",
    "regularization": "operator",
}


class Binding:
    """Makes functions of a module from methods: name, signature and docstring its own.

    Parameters
    ----------
    module : str
        The name of the module.
    array_type : type
        Takes the place of `Array` in signatures.
    words : mapping of str to str
        Takes places in docstrings, which are written for PyTorch: regular expressions
        and what stands there instead, in this order.
    """

    def __init__(self, module: str, array_type: Any, words: Mapping[str, str]) -> None:
        self._module, self._words = module, words
        # The documentation is built without the framework, of which it has mocks then.
        self._array_type = array_type if isinstance(array_type, type) else Any

    def __call__(self, method: Method) -> Method:
        """The method as a function."""
        # What is said of wrong keywords names the method.
        cast(Any, method).__func__.__qualname__ = method.__name__

        signature = inspect.signature(method)
        positional, names = names_of_arguments(signature)

        @wraps(method)
        def function(*arguments: Any, **options: Any) -> Any:
            unknown = [name for name in options if name not in names]
            if unknown or len(arguments) > len(positional):
                raise call_error(method.__name__, signature, len(arguments), unknown)
            return method(*arguments, **options)

        function.__module__ = self._module
        function.__qualname__ = method.__name__
        function.__doc__ = self._in_words(f"{inspect.getdoc(method)}\n")
        function.__annotations__ = {
            name: self._in_types(annotation)
            for name, annotation in method.__annotations__.items()
        }
        vars(function)["__signature__"] = signature.replace(
            parameters=[
                parameter.replace(annotation=self._in_types(parameter.annotation))
                for parameter in signature.parameters.values()
            ],
            return_annotation=self._in_types(signature.return_annotation),
        )
        # What unwraps functions would find the method.
        del vars(function)["__wrapped__"]
        return cast(Method, function)

    def _in_types(self, annotation: Any) -> Any:
        if annotation is Array:
            return self._array_type
        if Array in getattr(annotation, "__parameters__", ()):
            return annotation[self._array_type]
        return annotation

    def _in_words(self, text: str) -> str:
        for pattern, replacement in self._words.items():
            text = re.sub(pattern, replacement, text)
        return text


def names_of_arguments(signature: inspect.Signature) -> tuple[list[str], list[str]]:
    """Names of the arguments that may be given by position, and of all."""
    parameters = signature.parameters.values()
    return (
        [one.name for one in parameters if one.kind is not one.KEYWORD_ONLY],
        [one.name for one in parameters],
    )


def call_error(
    function: str, signature: inspect.Signature, n_positional: int, unknown: list[str]
) -> TypeError:
    """The exception for arguments that a function does not have.

    Python's own counts `self` of what is a method here.
    """
    positional, names = names_of_arguments(signature)
    if not unknown:
        said = f"{function}() takes at most {len(positional)} positional argument"
        said += f"{'s' * (len(positional) != 1)}, {_listed(positional)}, "
        said += f"but {n_positional} were given"
        by_name = names[len(positional) :]
        return TypeError(
            f"{said}: pass {_listed(by_name, 'or')} by name." if by_name else f"{said}."
        )
    name = unknown[0]
    if name == "groups":
        return TypeError(
            f"{function} takes no groups for arrays that are differentiated: make a "
            f"row of each, filled up with NaN, and omit these."
        )
    if name == "return_jacobian":
        hint = "derivatives are those of the framework"
    elif OTHER_NAMES.get(name) in names:
        hint = f"it is called {OTHER_NAMES[name]} here"
    else:
        hint = f"there are {_listed(names)}"
    return TypeError(
        f"{function}() got an unexpected keyword argument {name!r}: {hint}."
    )


def _listed(names: list[str], word: str = "and") -> str:
    return f" {word} ".join([*filter(None, [", ".join(names[:-1])]), names[-1]])
