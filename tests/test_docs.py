"""Code on the pages of the documentation runs; figures and names are in place."""

import ast
import doctest
import inspect
import re
from pathlib import Path
from pydoc import locate

import pytest
from test_package import MODULES

from sksoftrank import __version__

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WRITTEN = [
    *DOCS.glob("*.rst"),
    *DOCS.glob("guide/*.rst"),
    *DOCS.glob("coming_from/*.rst"),
]
PAGES = {path.relative_to(DOCS).as_posix(): path for path in sorted(WRITTEN)}
WITH_CODE = [name for name, path in PAGES.items() if ">>> " in path.read_text()]
BENCHMARKS = [*DOCS.glob("benchmarks/*.rst"), *DOCS.glob("benchmarks/*.md")]
WITH_FIGURES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [*WRITTEN, *BENCHMARKS, ROOT / "README.md"]
}
FIGURE = r"\.\. figure:: (\S+)\n((?:(?:   .*)?\n)+)"
PROGRAM = r"python ((?:examples|benchmarks)/\w+\.py)"


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
    public = {name for module in MODULES for name in module.__all__}
    assert {name for name in public if not name.isupper()} <= listed


def test_programs_on_pages_exist():
    named = {
        (name, program)
        for name, text in WITH_FIGURES.items()
        for program in re.findall(PROGRAM, text)
    }
    assert named
    assert {pair for pair in named if not (ROOT / pair[1]).is_file()} == set()


def test_figures_name_their_program():
    figures = [
        (name, *figure)
        for name, text in WITH_FIGURES.items()
        for figure in re.findall(FIGURE, text)
    ]
    assert figures
    for name, image, text in figures:
        programs = re.findall(PROGRAM, text)
        assert len(programs) == 1, (name, image)
        script = re.match(r"/auto_examples/images/sphx_glr_(\w+)_\d{3}\.png", image)
        if script is not None:
            assert programs == [f"examples/{script[1]}.py"], (name, image)


def test_every_image_is_shown_beside_a_command():
    for image in [*DOCS.glob("images/*.png"), *DOCS.glob("benchmarks/*.png")]:
        pages = [text for text in WITH_FIGURES.values() if image.name in text]
        assert any(re.search(PROGRAM, text) for text in pages)


def test_summaries_are_whole():
    """Tables of the reference end them at the first period."""
    for module in MODULES:
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value):
                summary = inspect.getdoc(value).split("\n\n")[0]
                assert re.search(r"\.(\s|$)", summary).end() == len(summary), name


def test_gallery_has_titles_and_sentences():
    """Its cards show the title and the first sentence of a script."""
    for path in sorted((ROOT / "examples").glob("*.py")):
        lines = ast.get_docstring(ast.parse(path.read_text())).strip("=\n").split("\n")
        text = "\n".join(lines[1:]).strip("=\n").split("\n\n")[0]
        end = re.search(r"(?<!et al)\.(\s|$)", text)
        assert 0 < len(lines[0]) < 60, path.name
        assert end is not None, path.name
        assert end.start() < 180, path.name


INVENTORIES = {
    line.split()[0]: line.split()[1]
    for path in sorted((DOCS / "inventories").glob("*.txt"))
    for line in path.read_text().splitlines()
    if not line.startswith("#")
}


def test_names_of_inventories_exist():
    for name, kind in INVENTORIES.items():
        value = locate(name)
        assert value is not None, name
        assert kind == ("class" if inspect.isclass(value) else "function"), name


def test_inventories_have_what_is_named():
    """If not: `python docs/inventories.py`."""
    dotted = r"((?:np|numpy|scipy|sklearn)(?:\.\w+)+)"
    quoted, related = rf"(?<!`)`{dotted}`(?!`)", rf"(?m)^ +{dotted} : "
    for path in [*sorted((ROOT / "sksoftrank").rglob("*.py")), *WRITTEN]:
        text = path.read_text()
        for name in re.findall(quoted, text) + re.findall(related, text):
            name = re.sub(r"^np\.", "numpy.", name)
            assert name in INVENTORIES, (
                f"{path.name}: {name}; run python docs/inventories.py"
            )


def test_readme_on_pypi():
    """It renders there, and needs nothing that lies beside it here."""
    markdown = pytest.importorskip("readme_renderer.markdown")
    html = markdown.render((ROOT / "README.md").read_text())
    assert html is not None
    assert re.search(r'<img[^>]* src="https://', html)
    addresses = re.findall(r'(?:href|src)="([^"]*)"', html)
    assert [x for x in addresses if not x.startswith(("https://", "#"))] == []


def test_pages_that_the_readme_links_are_whole_on_github():
    """It shows no roles and no lists of pages."""
    linked = r"/sksoftrank/blob/main/(\S+?\.rst)\)"
    pages = re.findall(linked, (ROOT / "README.md").read_text())
    assert pages
    for page in pages:
        text = (ROOT / page).read_text()
        assert re.findall(r":doc:`/auto_examples/|\.\. toctree::", text) == [], page


def test_version_in_words():
    """The citation and the changelog are of this version."""
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {__version__}\n" in citation
    headings = re.findall(
        r"(?m)^## (\S+) \((.*)\)$", (ROOT / "CHANGELOG.md").read_text()
    )
    dates = dict(headings)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d|unreleased", dates[__version__])
    date = re.search(r"(?m)^date-released: (.*)$", citation)
    assert (date[1] if date else "unreleased") == dates[__version__]
