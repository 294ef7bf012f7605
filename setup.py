"""The Extension list; everything else about the package is in pyproject.toml."""

import platform
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# By the stable ABI one wheel serves CPython 3.11 and newer. Free-threaded Pythons and
# other implementations have none: they get a wheel for each version.
has_stable_abi = (
    platform.python_implementation() == "CPython"
    and not sysconfig.get_config_var("Py_GIL_DISABLED")
)
macros = [("Py_LIMITED_API", "0x030B0000")] if has_stable_abi else []


class BuildUnfused(build_ext):
    """No product is fused with a sum, as some processors can: all round alike."""

    def build_extensions(self):
        """Compile, with the option of gcc and clang; that of MSVC is its default."""
        if self.compiler.compiler_type != "msvc":
            for extension in self.extensions:
                extension.extra_compile_args.append("-ffp-contract=off")
        super().build_extensions()


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
    cmdclass={"build_ext": BuildUnfused},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if has_stable_abi else {},
)
