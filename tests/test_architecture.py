"""Imports follow the order of files that the page on architecture states."""

import ast
import functools
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "sksoftrank"


def stated_layers(text):
    """For each package that a page describes the line on which each name stands.

    ``...`` stands for files that no line names.
    """
    blocks = re.findall(r"^   :name: layers-([\w.]+)\n\n((?:   \S.*\n)+)", text, re.M)
    return {
        package: {
            name: layer
            for layer, line in enumerate(block.splitlines())
            for name in line.partition(":")[2].split()
        }
        for package, block in blocks
    }


def module_of(path, root):
    """The dotted name of a source file below `root`, with or without __init__."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def import_nodes(text):
    """The import statements of a source text, anywhere in it."""
    kinds = ast.Import, ast.ImportFrom
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]


def imports(path, root):
    """The dotted names that a source file imports, anywhere in it, absolute."""
    package = path.relative_to(root).parts[:-1]
    for node in import_nodes(path.read_text()):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*start, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def cimports(path):
    """The compiled modules of the package that a Cython file cimports, absolute."""
    names = re.findall(r"^from \.(\w+) cimport", path.read_text(), re.M)
    return {f"{PACKAGE}.{name}" for name in names}


def import_graph(root):
    """The modules that each module of the package imports."""
    package = root / PACKAGE
    files = {module_of(path, root): path for path in sorted(package.rglob("*.py"))}
    graph = defaultdict(set)
    for path in [*package.rglob("*.pyx"), *package.rglob("*.pxd")]:
        module = module_of(path, root)
        graph[module] |= cimports(path) - {module}
    names = graph.keys() | files.keys()
    for module, path in files.items():
        # A name that is no module is one of something in the module before it.
        found = (
            name if name in names else name.rpartition(".")[0]
            for name in imports(path, root)
        )
        graph[module] = {name for name in found if name in names} - {module}
    return graph


def check(root, text):
    """Raise AssertionError where the package in `root` is not as `text` states it."""
    graph = import_graph(root)
    stated = stated_layers(text)
    packages = {path.parent for path in (root / PACKAGE).rglob("__init__.py")}
    assert stated.keys() == {module_of(path, root) for path in packages}
    for parent, layers in stated.items():
        check_package(graph, parent, layers)


def check_package(graph, parent, layers):
    """Every child of a package is on a line, and imports from lines above only."""

    def child(module):
        return module.removeprefix(parent + ".").split(".")[0]

    inside = {module for module in graph if module.startswith(parent + ".")}
    children = {child(module) for module in inside}
    if "..." in layers:
        layers = dict.fromkeys(children, layers["..."]) | layers
        del layers["..."]
    missing, gone = children - layers.keys(), layers.keys() - children
    assert not missing, f"give {missing} a line in docs/architecture.rst"
    assert not gone, f"take {gone} out of docs/architecture.rst"
    wrong = [
        f"{module} imports {imported}"
        for module in sorted(inside)
        for imported in sorted(graph[module] & inside)
        if child(imported) != child(module)
        and layers[child(imported)] >= layers[child(module)]
    ]
    assert wrong == []


def copy_of_package(folder):
    """The package's Python and Cython sources below a folder."""
    for path in (ROOT / PACKAGE).rglob("*.p*"):
        if path.suffix in (".py", ".pyx", ".pxd"):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text())
    return folder / PACKAGE


TEXT = (ROOT / "docs" / "architecture.rst").read_text()


def test_imports_are_from_lines_above():
    check(ROOT, TEXT)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("_pav.pxd", "from ._isotonic cimport isotonic_rows"),
        ("_rows.py", "from .metrics import spearman_score"),
        ("_rows.py", "import sksoftrank.plotting"),
        ("losses/_ranking.py", "from ..robust import SoftLTSRegressor"),
        ("operators/_bounds.py", "def late():\n    from .. import label_ranking"),
        ("robust/_lts_rows.py", "from ._lts import SoftLTSRegressor"),
        ("operators/_window_mean.py", "from ._quantiles import soft_quantile"),
        ("projections.py", "from .pairwise import all_pairs_rank"),
        ("unlisted.py", ""),
        ("operators/_new.py", "from ._winsorize import soft_winsorize"),
    ],
)
def test_a_wrong_import_is_found(tmp_path, file, line):
    path = copy_of_package(tmp_path) / file
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    with pytest.raises(AssertionError):
        check(tmp_path, TEXT)


def test_a_new_operator_needs_no_line(tmp_path):
    path = copy_of_package(tmp_path) / "operators" / "_new.py"
    path.write_text("from ._quantiles import soft_median\n")
    check(tmp_path, TEXT)


def test_only_one_file_imports_private_names_of_scikit_learn():
    private = {
        path.name
        for path in (ROOT / PACKAGE).rglob("*.py")
        for name in imports(path, ROOT)
        if name.startswith("sklearn.")
        and any(part.startswith("_") for part in name.split("."))
    }
    assert private == {"_sklearn.py"}


def test_runtime_imports_are_declared():
    # joblib comes with scikit-learn; the others are imported when they are asked for.
    allowed = {"numpy", "scipy", "sklearn", "joblib", "matplotlib", "pandas", PACKAGE}
    frameworks = {"torch", "jax", "dask"}
    for path in (ROOT / PACKAGE).rglob("*.py"):
        for name in imports(path, ROOT):
            top = name.split(".")[0]
            allowed_here = allowed | (frameworks & set(path.parent.parts))
            if "dask" in allowed_here:
                allowed_here.add("distributed")
            assert top in allowed_here or top in sys.stdlib_module_names, (
                f"{path.name} imports {top}"
            )
