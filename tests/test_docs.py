"""The code on the pages of the documentation runs, and every public name is there."""

import doctest
import re
from pathlib import Path

import pytest
from test_package import MODULES, public_names

DOCS = Path(__file__).parents[1] / "docs"
WRITTEN = [
    *DOCS.glob("*.rst"),
    *DOCS.glob("guide/*.rst"),
    *DOCS.glob("coming_from/*.rst"),
]
PAGES = {path.relative_to(DOCS).as_posix(): path for path in sorted(WRITTEN)}
WITH_CODE = [name for name, path in PAGES.items() if ">>> " in path.read_text()]


@pytest.mark.parametrize("name", WITH_CODE)
def test_code_on_pages(name):
    failed, tried = doctest.testfile(str(PAGES[name]), module_relative=False)
    assert tried > 0
    assert failed == 0


def test_every_guide_has_code():
    guides = {name for name in PAGES if name.startswith("guide/")} - {"guide/index.rst"}
    assert guides <= set(WITH_CODE)


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "api" / "index.rst").read_text()
    tables = re.findall(r"autosummary::\n(?:   :.*\n)+\n((?:   \w+\n)+)", text)
    listed = {name for table in tables for name in table.split()}
    public = {name for module in MODULES for name in public_names(module)}
    assert {name for name in public if not name.isupper()} <= listed
