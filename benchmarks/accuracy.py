"""Print the largest relative errors at n = 1e5 as a Markdown table.

The references are those of the tests: exact integers for the quadratic operators,
80-bit floats for the entropic ones. The test extra must be installed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from test_accuracy import accuracy_rows

print("| operator | regularization | epsilon | values | vjp |")
print("|---|---|---|---|---|")
for operator, regularization, epsilon, value_error, vjp_error in accuracy_rows():
    errors = f"{value_error:.1e} | {vjp_error:.1e}"
    print(f"| {operator} | {regularization} | {epsilon:g} | {errors} |")
