"""The Extension list; everything else about the package is in pyproject.toml."""

import platform
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

# By the stable ABI one wheel serves CPython 3.11 and newer. Free-threaded Pythons and
# other implementations have none: they get a wheel for each version.
has_stable_abi = (
    platform.python_implementation() == "CPython"
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)
macros = [("Py_LIMITED_API", "0x030B0000")] if has_stable_abi else []

kernels = sorted(path.stem for path in Path(__file__).parent.glob("sksoftrank/*.pyx"))

setup(
    ext_modules=[
        Extension(
            f"sksoftrank.{name}",
            [f"sksoftrank/{name}.pyx"],
            define_macros=macros,
            py_limited_api=has_stable_abi,
        )
        for name in kernels
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if has_stable_abi else {},
)
