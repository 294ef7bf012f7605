"""Links to the repository, on the pages of its root that are included in the site."""

import re

# [text](benchmarks/README.md), and not an address, an anchor or a picture's data.
RELATIVE = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s]+)\)")


def link_to_repository(app, path, docname, content):
    """Complete what such a page links to; its own links stay within the site."""
    root = f"{app.config.repository}/blob/main/"
    content[0] = RELATIVE.sub(lambda match: f"]({root}{match[1]})", content[0])


def setup(app):
    """Run on each included file."""
    app.add_config_value("repository", "", "env", str)
    app.connect("include-read", link_to_repository)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
