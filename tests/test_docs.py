"""Code on the pages of the documentation runs; figures and names are in place."""

import doctest
import re
from pathlib import Path

import pytest
from test_package import MODULES

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


@pytest.mark.parametrize("name", WITH_FIGURES)
def test_programs_on_pages_exist(name):
    for program in re.findall(PROGRAM, WITH_FIGURES[name]):
        assert (ROOT / program).is_file()


@pytest.mark.parametrize("name", WITH_FIGURES)
def test_figures_name_their_program(name):
    for image, text in re.findall(FIGURE, WITH_FIGURES[name]):
        programs = re.findall(PROGRAM, text)
        assert len(programs) == 1
        script = re.match(r"/auto_examples/images/sphx_glr_(\w+)_\d{3}\.png", image)
        if script is not None:
            assert programs == [f"examples/{script[1]}.py"]


def test_every_image_is_shown_beside_a_command():
    for image in [*DOCS.glob("images/*.png"), *DOCS.glob("benchmarks/*.png")]:
        pages = [text for text in WITH_FIGURES.values() if image.name in text]
        assert any(re.search(PROGRAM, text) for text in pages)
