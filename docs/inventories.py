"""Write what the site links to of NumPy, SciPy and scikit-learn: inventories of names.

Sphinx would otherwise fetch the complete ones from three sites at each build. They are
in its first format, which is text: name, kind and page. Run after naming a new function
or class of theirs in single quotes or under "See Also"::

    python docs/inventories.py
"""

import inspect
import re
from itertools import takewhile
from pathlib import Path
from pydoc import locate

from sklearn.utils.discovery import all_estimators, all_functions

import sksoftrank

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "inventories"
PAGES = {
    "numpy": "reference/generated/{}.html",
    "scipy": "reference/generated/{}.html",
    "sklearn": "modules/generated/{}.html",
}
# Pages of several names.
OTHER_PAGES = {"numpy.random.RandomState": "reference/random/legacy.html"}
# The types of parameters and attributes that are linked.
TYPES = ("numpy.ndarray", "numpy.random.RandomState")
DOTTED = r"(?:np|numpy|scipy|sklearn)(?:\.\w+)+"


def read_text():
    """All docstrings, pages and examples."""
    folders = [(ROOT / "sksoftrank", "*.py"), (ROOT / "examples", "*.py")]
    folders += [(ROOT / "docs", pattern) for pattern in ("*.rst", "*.md")]
    paths = (path for folder, pattern in folders for path in folder.rglob(pattern))
    made = ("_build", "auto_examples", "generated")
    kept = (path for path in paths if not set(made) & set(path.parts))
    return "\n".join(path.read_text() for path in sorted(kept))


def find_names(text):
    """Full names, of those of scikit-learn also where the text has the last part."""
    quoted = set(re.findall(r"(?<![`\w])`([\w.]+)`(?!`)", text))
    names = {name for name in quoted if re.fullmatch(DOTTED, name)}
    names |= set(re.findall(rf"(?m)^ +({DOTTED})(?:, .*)? :", text))
    known = [*all_estimators(), *((n, f) for n, f in all_functions() if "_" in n)]
    for name, value in known:
        if name in quoted and not hasattr(sksoftrank, name):
            parts = value.__module__.split(".")
            parts = takewhile(lambda part: not part.startswith("_"), parts)
            names.add(".".join([*parts, name]))
    return {re.sub(r"^np\.", "numpy.", name) for name in names}


def main():
    """Write one inventory for each package."""
    FOLDER.mkdir(exist_ok=True)
    names = sorted(find_names(read_text()) | set(TYPES))
    for package, page in PAGES.items():
        head = ["# Sphinx inventory version 1", f"# Project: {package}", "# Version: -"]
        lines = []
        for name in (name for name in names if name.startswith(f"{package}.")):
            value = locate(name)
            if value is None:
                raise SystemExit(
                    f"{name} is named in the documentation, but isn't there"
                )
            if not inspect.ismodule(value):
                kind = "class" if inspect.isclass(value) else "function"
                address = OTHER_PAGES.get(name, page.format(name))
                lines.append(f"{name} {kind} {address}")
        (FOLDER / f"{package}.txt").write_text("\n".join([*head, *lines, ""]))


if __name__ == "__main__":
    main()
