"""The package as a whole: names, documentation, and what importing it does."""

import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from numpydoc.validate import validate

import sksoftrank
from sksoftrank import (
    batches,
    classification,
    datasets,
    feature_selection,
    label_ranking,
    losses,
    metrics,
    operators,
    pairwise,
    plotting,
    preprocessing,
    robust,
    sinkhorn,
)

MODULES = [
    sksoftrank,
    batches,
    classification,
    datasets,
    feature_selection,
    label_ranking,
    losses,
    metrics,
    operators,
    pairwise,
    plotting,
    preprocessing,
    robust,
    sinkhorn,
    # Those of frameworks where these are installed.
    *(
        import_module(f"sksoftrank.{name}")
        for name in ("dask", "jax", "torch")
        if find_spec(name)
    ),
]


PUBLIC = list(
    dict.fromkeys(
        getattr(module, name)
        for module in MODULES
        for name in module.__all__
        if not name.isupper()  # data, which the module describes
    )
)

# What numpydoc asks for beyond its standard, or scikit-learn does otherwise:
# blank lines, extended summary, imperative mood, "See Also" and examples of methods,
# types of returned values named by themselves, sections in another order.
IGNORED = {"GL01", "GL03", "GL07", "GL08", "ES01", "SA01", "SA04", "SS05", "SS06"}
IGNORED |= {"EX01", "PR08", "PR09", "RT02", "RT03", "RT04", "RT05", "YD01"}


def run(code):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()


def test_public_names_are_sorted_and_exist():
    for module in MODULES:
        assert module.__all__ == sorted(module.__all__)
    assert all(callable(thing) for thing in PUBLIC)


def documented():
    for thing in PUBLIC:
        path = f"{thing.__module__}.{thing.__qualname__}"
        yield path
        if isinstance(thing, type):
            own = vars(thing)
            yield from (f"{path}.{name}" for name in own if not name.startswith("_"))


def test_docstrings_follow_numpydoc():
    errors = {
        (path, *error)
        for path in documented()
        for error in validate(path)["errors"]
        if error[0] not in IGNORED
        # A Jacobian is made by the operators, not by users.
        and not (path.endswith(".Jacobian") and error[0] == "PR01")
    }
    assert errors == set()


def test_public_objects_have_an_example():
    assert [thing for thing in PUBLIC if ">>> " not in thing.__doc__] == []


def test_sources_say_that_they_are_not_compiled(tmp_path):
    package = Path(sksoftrank.__file__).parent
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(package, tmp_path / "sksoftrank", ignore=ignored)
    code = """
    import sys
    # That of an editable installation finds what was compiled.
    sys.meta_path = [f for f in sys.meta_path if "editable" not in f.__module__]
    import sksoftrank
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    env = os.environ | {"PYTHONPATH": ""}
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 1
    message = run.stderr.strip().splitlines()[-1]
    assert message.startswith(
        "ImportError: sksoftrank must be compiled, got its sources"
    )
    assert "pip install --editable ." in message


def test_import_needs_no_optional_package_and_keeps_subnormal_numbers():
    # None in sys.modules makes an import fail. Code linked with -ffast-math turns
    # subnormal numbers to zero for the whole process.
    code = """
    import sys
    sys.modules.update(dict.fromkeys(["matplotlib", "pandas", "polars"]))
    import sksoftrank
    print(sksoftrank.soft_rank([2.0, 1.0], 0.5))
    print("torch" in sys.modules, "jax" in sys.modules)
    x = 2.2250738585072014e-308
    print(x / 4 * 4 == x)
    """
    assert run(code) == ["[2.", "1.]", "False", "False", "True"]


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"),
    reason="needs a free-threaded Python",
)
def test_import_leaves_the_gil_off():
    code = "import sys, sksoftrank; print(sys._is_gil_enabled())"
    assert run(code) == ["False"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("function", ["soft_rank", "soft_sort"])
@pytest.mark.parametrize("regularization", ["quadratic", "entropic"])
def test_memory_is_at_most_six_doubles_an_element(function, regularization):
    # With the result itself seven. Ranks at 10 / n pool the middle and leave the tails.
    code = f"""
    import numpy as np
    from sksoftrank import {function}

    def peak():
        status = dict(line.split(":") for line in open("/proc/self/status"))
        return 1024 * int(status["VmHWM"].split()[0])

    n = 2_000_000
    values = np.random.default_rng(0).normal(size=n)
    {function}(values[:1000], regularization="{regularization}")
    before = peak()
    {function}(values, 10 / n, regularization="{regularization}")
    print((peak() - before) / (8 * n))
    """
    words = float(run(code)[0])
    assert 0.9 < words < 7
