"""Cases of parametrised tests that `make test` leaves out."""

import pytest


def slow(*values):
    """A case with the mark `slow`."""
    return pytest.param(*values, marks=pytest.mark.slow)
