"""Methods that are written for any framework, as the functions of one of them."""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from ._types import Array

Method = TypeVar("Method", bound=Callable[..., Any])


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

        @wraps(method)
        def function(*arguments: Any, **options: Any) -> Any:
            if "groups" in options:
                raise TypeError(
                    f"{method.__name__} takes no groups for arrays that are "
                    f"differentiated: make a row of each, filled up with NaN, and omit "
                    f"these."
                )
            return method(*arguments, **options)

        function.__module__ = self._module
        function.__qualname__ = method.__name__
        function.__doc__ = self._in_words(f"{inspect.getdoc(method)}\n")
        signature = inspect.signature(method)
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
