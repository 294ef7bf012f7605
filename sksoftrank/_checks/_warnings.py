"""Warnings that point at the user's code."""

import os
import sys
import warnings
from pathlib import Path

import joblib
import sklearn

# The files of which a warning tells nothing: ours, and those that call our `fit`.
OWN_FILES = tuple(
    str(folder) + os.sep
    for folder in (
        Path(__file__).parents[1],
        Path(sklearn.__file__).parent,
        Path(joblib.__file__).parent,
    )
)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's code that led here, however many calls ago."""
    # As `skip_file_prefixes` of Python 3.12 does.
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(OWN_FILES):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
