"""Docstrings of estimators that do on blocks what another does in memory."""

import inspect
import re
import textwrap
from collections.abc import Callable

N_READS = """n_reads_ : int
    How often the data were read, 1 after `fit`."""


def documented_as(
    in_memory: type, without: tuple[str, ...] = (), attributes: str = N_READS
) -> Callable[[type], type]:
    """Decorator that adds the parameters and attributes of a class in memory.

    They go before the section "See Also" of the docstring. Attributes `without` are
    left out, and `attributes` are added.
    """

    def decorate(cls: type) -> type:
        sections = _sections(inspect.cleandoc(in_memory.__doc__ or ""))
        fitted = [
            item
            for item in re.split(r"\n(?=\w+ :)", sections["Attributes"])
            if item.partition(" ")[0] not in without
        ]
        text = inspect.cleandoc(cls.__doc__ or "")
        added = "".join(
            f"{title}\n{'-' * len(title)}\n{body}\n\n"
            for title, body in (
                ("Parameters", sections["Parameters"]),
                ("Attributes", "\n".join([*fitted, attributes])),
            )
        )
        # Its references are not repeated.
        added = re.sub(r"(?<=of |in )\[(\d+)\]_", r"reference \1 in memory", added)
        added = re.sub(r"\[(\d+)\]_", r"(reference \1 in memory)", added)
        before, after = text.split("See Also\n--------", 1)
        text = f"{before}{added}See Also\n--------{after}\n"
        cls.__doc__ = textwrap.indent(text, "    ").lstrip() + "    "
        return cls

    return decorate


def _sections(text: str) -> dict[str, str]:
    """The bodies of the sections of a numpydoc docstring by their titles."""
    parts = re.split(r"\n\n(\w[\w ]*)\n-+\n", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
