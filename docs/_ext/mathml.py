"""Formulas as MathML, which browsers show without a script from elsewhere."""

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ExtensionError

# It takes all digits that follow for the first argument of a fraction.
BARE_DIGITS = re.compile(r"frac\d\d")


def mathml(node, as_block=False):
    """The formula of a node."""
    latex = node.astext()
    if BARE_DIGITS.search(latex):
        raise ExtensionError(f"write the fractions with braces in {latex}")
    return tex2mathml(latex, as_block=as_block)


def visit_math(self, node):
    """Write a formula in a line."""
    self.body.append(mathml(node))
    raise nodes.SkipNode


def visit_math_block(self, node):
    """Write a displayed formula; the theme would push the class "math" to the right."""
    self.body.append(f'<div class="formula">{mathml(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.add_css_file("formulas.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
