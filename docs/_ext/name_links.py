"""A role that links public names wherever they are mentioned.

They are those of the package, and those of NumPy, SciPy and scikit-learn that are in
``docs/inventories``.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxRole

DOCS = Path(__file__).parents[1]
REFERENCE = DOCS / "api" / "index.rst"
INVENTORIES = DOCS / "inventories"
TABLE = r"currentmodule:: (\S+)\n\n\.\. autosummary::\n(?:   :.*\n)+\n((?:   \w+\n)+)"


def public_names():
    """The full name of each name in the reference, and of each with its module.

    The first of several of one name is that of NumPy.
    """
    names = {}
    for module, table in re.findall(TABLE, REFERENCE.read_text()):
        for name in table.split():
            names.setdefault(name, f"{module}.{name}")
            names[f"{module}.{name}"] = f"{module}.{name}"
    return names


def external_names():
    """The full name of each name of the inventories, and of its last part."""
    names = {}
    for path in INVENTORIES.glob("*.txt"):
        for line in path.read_text().splitlines():
            if not line.startswith("#"):
                name = line.split()[0]
                names[name] = name
                if name.startswith("sklearn."):
                    names[name.rpartition(".")[2]] = name
                names[re.sub(r"^numpy\.", "np.", name)] = name
    return names


class Name(SphinxRole):
    """`soft_rank` becomes a link; any other word, as a parameter, is in italics."""

    full_names = external_names() | public_names()

    def run(self):
        """Nodes and messages, as docutils asks for."""
        name = self.text.rpartition(".")[2]
        full_name = self.full_names.get(self.text, self.full_names.get(name))
        if full_name is None:
            return [nodes.emphasis(self.rawtext, self.text)], []
        role = self.env.get_domain("py").role("obj")
        target = f"{self.text} <{full_name}>"
        return role("py:obj", target, target, self.lineno, self.inliner)


def setup(app):
    """Register the role."""
    app.add_role("name", Name())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
