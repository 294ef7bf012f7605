"""The code blocks on the pages on frameworks run."""

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[1] / "docs" / "frameworks"
FRAMEWORKS = {"pytorch": "torch", "jax": "jax", "tensorflow": "tensorflow"}


def test_every_page_is_tested():
    assert sorted(FRAMEWORKS) == sorted(page.stem for page in PAGES.glob("*.md"))


# The frameworks warn of their own old names.
@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore:Guards may run slower:RuntimeWarning",
)
@pytest.mark.parametrize(("name", "module"), FRAMEWORKS.items())
def test_code_on_page(name, module):
    pytest.importorskip(module, reason=f"needs {module}")
    page = PAGES / f"{name}.md"
    code = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S)
    assert len(code) == 2
    names = {}
    for block in code:
        exec(compile(block, str(page), "exec"), names)
