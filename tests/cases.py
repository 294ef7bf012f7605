"""What the tests of the operators run over."""

import pytest

from sksoftrank import soft_rank, soft_sort

OPERATORS = {"rank": soft_rank, "sort": soft_sort}
CASES = [
    ("rank", "quadratic"),
    ("rank", "entropic"),
    ("rank", "kl"),
    ("sort", "quadratic"),
    ("sort", "entropic"),
]

all_cases = pytest.mark.parametrize(("operator", "regularization"), CASES)
directions = pytest.mark.parametrize("descending", [False, True])
