"""Links from the pages of source code back to the reference.

Sphinx keeps one page for each function in the source, and combines it with the name
that another page may have given it: a method inherited by ``sksoftrank.batches`` is on
both pages. The name says on which page the anchor is.
"""

import re

BACK = re.compile(r'(<a class="viewcode-back" href=")[^"#]*#([\w.]+)"')


def mend_links(app, pagename, templatename, context, doctree):
    """Lead each such link to the page whose name is the longest start of its anchor."""
    if not pagename.startswith("_modules/"):
        return

    def mend(match):
        parts = match[2].split(".")
        for length in range(len(parts), 1, -1):
            page = f"api/generated/{'.'.join(parts[:length])}"
            if page in app.env.found_docs:
                address = app.builder.get_relative_uri(pagename, page)
                return f'{match[1]}{address}#{match[2]}"'
        return match[0]

    context["body"] = BACK.sub(mend, context["body"])


def setup(app):
    """Run on each page before it is written."""
    app.connect("html-page-context", mend_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
