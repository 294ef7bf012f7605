"""HTML representations of estimators link to the pages of our site."""

import inspect
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import sksoftrank
from sksoftrank import batches

API = Path(__file__).parents[1] / "docs/api/index.rst"

MODULES = [sksoftrank, batches]
if find_spec("dask"):
    MODULES.append(import_module("sksoftrank.dask"))
ESTIMATORS = [
    (module.__name__, cls)
    for module in MODULES
    for name in module.__all__
    if inspect.isclass(cls := getattr(module, name)) and issubclass(cls, BaseEstimator)
]


def test_there_are_estimators():
    assert len(ESTIMATORS) > 10


@pytest.mark.parametrize(("module", "cls"), ESTIMATORS)
def test_representation_links_to_a_page(module, cls):
    html = cls()._repr_html_()
    (page,) = set(re.findall(r'href="(https://[^"]*/generated/[^"#]*)', html))
    assert page.endswith(f"/api/generated/{module}.{cls.__name__}.html")
    sections = API.read_text().split(".. currentmodule:: ")
    listed = [s for s in sections if re.search(rf"^   {cls.__name__}$", s, re.M)]
    assert [section.split()[0] for section in listed].count(module) == 1


def test_subclasses_elsewhere_have_no_page():
    class Elsewhere(sksoftrank.SoftLTSRegressor):
        pass

    assert "api/generated" not in Elsewhere()._repr_html_()
