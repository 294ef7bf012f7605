"""`nox` runs the tests on every Python that is installed, and the checks.

`nox -l` lists the sessions, `nox -s tests-3.12` runs one of them; what follows `--`
goes to pytest: `nox -s oldest -- tests/test_robust.py`.
"""

from pathlib import Path

import nox

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
FREE_THREADED = ["3.13t", "3.14t"]
COMPILED = [f"sksoftrank.{path.stem}" for path in ROOT.glob("sksoftrank/*.pyx")]
USER_SCRIPT = """\
from sksoftrank import SoftLTSRegressor, soft_rank
from sksoftrank.losses import soft_topk_loss
ranks, jacobian = soft_rank([2.0, 1.0], 0.5, return_jacobian=True)
"""

nox.options.error_on_missing_interpreters = False


def run_tests(session, env=None):
    """The tests of the installed package: none of the tree, whatever it has built."""
    arguments = [ROOT / argument for argument in session.posargs]
    everything = ["--pyargs", "sksoftrank", ROOT / "README.md", ROOT / "tests"]
    session.chdir(session.create_tmp())
    session.run(
        "pytest",
        *("--config-file", ROOT / "pyproject.toml", "--rootdir", ROOT),
        *(arguments or everything),
        env={"OPENBLAS_NUM_THREADS": "1"} | (env or {}),
    )


@nox.session(python=PYTHONS + FREE_THREADED)
def tests(session):
    """The tests, with an ordinary build."""
    session.install(".[plot,test]")
    run_tests(session)


@nox.session(python="3.11")
def oldest(session):
    """The tests with the oldest versions of all that the package needs."""
    session.install("--constraint", ".ci/oldest.txt", ".[plot,test]")
    run_tests(session)


@nox.session(python=PYTHONS[-2:])
def newest(session):
    """The tests with the newest versions, release candidates among them."""
    session.install("--pre", "--upgrade", ".[plot,test]")
    run_tests(session)


@nox.session(python="3.11")
def build(session):
    """Source distribution in dist/, and from it the wheel, which is checked."""
    session.install("build", "twine", "abi3audit")
    for path in DIST.glob("sksoftrank-*"):
        path.unlink()
    session.run("python", "-m", "build", "--outdir", DIST)
    session.run("twine", "check", "--strict", *DIST.glob("sksoftrank-*"))
    session.run("abi3audit", "--strict", *DIST.glob("*.whl"))


@nox.session(python=PYTHONS, requires=["build"])
def wheel(session):
    """The tests with that one wheel on every Python, without a compiler."""
    (path,) = DIST.glob("*-abi3-*.whl")
    session.install(f"{path}[plot,test]", env={"CC": "no-compiler"})
    run_tests(session, env={"CC": "no-compiler", "PATH": session.bin})


@nox.session(venv_backend="none")
def lint(session):
    """The linters and mypy."""
    session.run("make", "lint", external=True)


@nox.session(python="3.13")
def types(session):
    """The stubs against the compiled modules, and what a user's script sees."""
    session.install(".[lint]")
    config = ROOT / "pyproject.toml"
    session.chdir(session.create_tmp())
    options = ["--mypy-config-file", config, "--ignore-missing-stub"]
    session.run("python", "-m", "mypy.stubtest", *options, *COMPILED)
    session.run("mypy", "--config-file=", "-c", USER_SCRIPT)


@nox.session(venv_backend="none")
def docs(session):
    """The site; warnings are errors."""
    session.run("make", "docs", external=True)


@nox.session(python="3.11", default=False)
def pickles(session):
    """At a release: write its fitted estimators to tests/data, for later releases."""
    session.install("--constraint", ".ci/oldest.txt", ".[test]")
    session.run("python", "tests/pickles.py")
