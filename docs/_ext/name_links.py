"""A role that links the public names of the package wherever they are mentioned."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxRole

REFERENCE = Path(__file__).parents[1] / "api" / "index.rst"
TABLE = r"currentmodule:: (\S+)\n\n\.\. autosummary::\n(?:   :.*\n)+\n((?:   \w+\n)+)"


def public_names():
    """The full name of each name in the reference."""
    tables = re.findall(TABLE, REFERENCE.read_text())
    return {
        name: f"{module}.{name}" for module, table in tables for name in table.split()
    }


class Name(SphinxRole):
    """`soft_rank` becomes a link; any other word, as a parameter, is in italics."""

    full_names = public_names()

    def run(self):
        """Nodes and messages, as docutils asks for."""
        full_name = self.full_names.get(self.text.rpartition(".")[2])
        if full_name is None:
            return [nodes.emphasis(self.rawtext, self.text)], []
        role = self.env.get_domain("py").role("obj")
        target = f"{self.text} <{full_name}>"
        return role("py:obj", target, target, self.lineno, self.inliner)


def setup(app):
    """Register the role."""
    app.add_role("name", Name())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
