"""`nox` runs all tests, slow ones too, on every Python that is installed, and checks.

`nox -l` lists the sessions, `nox -s tests-3.12` runs one of them; what follows `--`
goes to pytest: `nox -s oldest -- tests/test_robust.py`, or `-- -m "not slow"`.
"""

import json
import shlex
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.15"]
FREE_THREADED = ["3.14t", "3.15t"]

# The least part of the public names of which types are known in full. Not known without
# PyTorch: what takes its tensors, a tenth.
KNOWN_TYPES = 0.87

nox.options.error_on_missing_interpreters = False


def from_root(argument):
    """In full, if it is a path in the tree: pytest runs in another folder."""
    path, *_ = argument.split("::")
    return ROOT / argument if (ROOT / path).exists() else argument


def run_tests(session, env=None, everything=None):
    """The tests of the installed package: none of the tree, whatever it has built."""
    arguments = [from_root(argument) for argument in session.posargs]
    if not any(isinstance(argument, Path) for argument in arguments):
        arguments += everything or [
            *("--pyargs", "sksoftrank", ROOT / "README.md", ROOT / "tests")
        ]
    session.chdir(session.create_tmp())
    session.run(
        "pytest",
        *("--config-file", ROOT / "pyproject.toml", "--rootdir", ROOT),
        *("--numprocesses", "auto", "--dist", "worksteal"),
        *arguments,
        env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} | (env or {}),
    )


@nox.session(python=PYTHONS)
def tests(session):
    """The tests, with an ordinary build."""
    session.install(".[plot,test]")
    run_tests(session)


@nox.session(python=FREE_THREADED)
def free_threaded(session):
    """The tests without the GIL, and without Polars, which has no wheels for that."""
    session.install(".[plot,test-core]")
    run_tests(session)


@nox.session(python="3.11")
def oldest(session):
    """The tests with the oldest versions of all that the package needs."""
    session.install("--constraint", ".ci/oldest.txt", ".[plot,test]")
    run_tests(session)


@nox.session(python=PYTHONS[-3:])
def newest(session):
    """The tests with the newest versions, release candidates among them."""
    session.install("--pre", "--upgrade", ".[plot,test]")
    run_tests(session)


@nox.session(python="3.13")
def frameworks(session):
    """The tests of PyTorch and JAX; the former brings gigabytes of CUDA libraries."""
    session.install(".[plot,test,torch,jax]")
    pages = sorted((ROOT / "tests").glob("test_*framework*.py"))
    tests = [ROOT / "tests/test_torch.py", ROOT / "tests/test_jax.py", *pages]
    modules = ["--pyargs", "sksoftrank.torch", "sksoftrank.jax"]
    run_tests(session, everything=[*modules, ROOT / "tests/test_package.py", *tests])


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
    # An environment that is used again has another wheel of this version.
    session.install("--force-reinstall", "--no-deps", path)
    # Without a shell's commands joblib can't count the cores.
    env = {"CC": "no-compiler", "PATH": session.bin, "LOKY_MAX_CPU_COUNT": "1"}
    run_tests(session, env=env)


@nox.session(python="3.13")
def sanitizers(session):
    """Random calls of all that is compiled; gcc watches memory and arithmetic."""
    if shutil.which("gcc") is None or not sys.platform.startswith("linux"):
        session.skip("needs gcc on Linux")
    flags = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"
    flags += " -fno-omit-frame-pointer -g -O1"
    # Which newer compilers refuse.
    flags += " -Werror=incompatible-pointer-types -Werror=implicit-function-declaration"
    flags += " -Werror=int-conversion"
    session.install(".[test-core]", env={"CFLAGS": flags, "LDFLAGS": flags})
    libraries = (
        session.run("gcc", f"-print-file-name={name}", external=True, silent=True)
        for name in ("libasan.so", "libubsan.so", "libstdc++.so")
    )
    env = {
        # The interpreter itself is not built with them.
        "LD_PRELOAD": " ".join(path.strip() for path in libraries),
        # Each allocation by itself; what Python keeps until its end is no leak.
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    script = ROOT / "tests" / "fuzz_kernels.py"
    session.chdir(session.create_tmp())
    session.run("python", script, *session.posargs, env=env)


@nox.session(venv_backend="none")
def lint(session):
    """The linters and mypy."""
    session.run("make", "lint", external=True)


@nox.session(python="3.13")
def types(session):
    """What a user's type checker sees of the installed package."""
    session.install(".[plot,lint,jax]", "basedpyright==1.40.2")
    session.chdir(session.create_tmp())
    session.run("mypy", "--strict", "--config-file=", ROOT / "tests/typed_user.py")
    verify = ["basedpyright", "--verifytypes", "sksoftrank", "--ignoreexternal"]
    # The exit status is 1 where the type of anything is unknown.
    report = session.run(*verify, "--outputjson", silent=True, success_codes=[0, 1])
    share = json.loads(report)["typeCompleteness"]["completenessScore"]
    session.log(f"{share:.1%} of the public names have types that are known in full")
    if share < KNOWN_TYPES:
        session.error(f"less than {KNOWN_TYPES:.0%}: {shlex.join(verify)} says which")


@nox.session(venv_backend="none")
def docs(session):
    """The site; warnings are errors."""
    session.run("make", "docs", external=True)


@nox.session(requires=["docs"])
def browser(session):
    """Every page of the site in a browser, on a phone and on a screen."""
    if shutil.which("chromedriver") is None:
        session.skip("needs Debian's packages chromium and chromium-driver")
    session.install("selenium")
    session.run("python", "docs/browse.py", *session.posargs)


@nox.session(python="3.11", default=False)
def pickles(session):
    """At a release: write its fitted estimators to tests/data, for later releases."""
    session.install("--constraint", ".ci/oldest.txt", ".[test]")
    session.run("python", "tests/pickles.py")
