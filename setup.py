"""The Extension list; everything else about the package is in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension("sksoftrank._bridge", ["sksoftrank/_bridge.pyx"]),
        Extension("sksoftrank._pav", ["sksoftrank/_pav.pyx"]),
        Extension("sksoftrank._selection", ["sksoftrank/_selection.pyx"]),
    ]
)
