"""Values that stand for missing ones, and of which a robust fit ignores the rows."""

from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from .._checks import warn

# A fill value is an end of its column, that of so many rows, and so many times further
# from all others than nine tenths of these are spread, which have several values.
MIN_ROWS = 5
GAP = 3.0
MIN_VALUES = 3

# The part of its rows that are ignored, and how probable that may be by chance.
IGNORED_PART = 0.9
COINCIDENCE = 1e-6


class FillValue(NamedTuple):
    """A value of a column at which nearly all rows are ignored."""

    column: int
    value: float


def find_fill_values(table, ignored):
    """The fill values among the columns of a table, at most one for each.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
        Features; NaN are left out.
    ignored : ndarray of bool of shape (n_rows,)
        Which rows are ignored.

    Returns
    -------
    list of FillValue
        In the order of the columns.
    """
    found = []
    with np.errstate(over="ignore"):
        ends = np.fmin.reduce(table), np.fmax.reduce(table)
        for end in ends:
            rows = table == end
            count = rows.sum(axis=0)
            n_ignored = (rows & ignored[:, None]).sum(axis=0)
            likely = (count >= MIN_ROWS) & (2 * count <= len(table))
            likely &= n_ignored >= IGNORED_PART * count
            found += [
                FillValue(int(column), float(end[column]))
                for column in np.flatnonzero(likely)
                if _is_apart(table[:, column], end[column])
                and _is_told(ignored, rows[:, column])
            ]
    return sorted({fill.column: fill for fill in found}.values())


def warn_of_fill_values(model, found, names, columns, ignored):
    """Warn of fill values, with the names of their columns, and these of all rows."""
    parts = []
    for fill, name, column in zip(found, names, columns, strict=True):
        rows = column == fill.value
        parts.append(
            f"{np.count_nonzero(ignored[rows])} of the {np.count_nonzero(rows)} rows "
            f"with {name} = {fill.value:.6g}"
        )
    is_one = len(parts) == 1
    warn(
        f"{type(model).__name__} ignores {' and '.join(parts)}, far from all other "
        f"values there; if {'that is a code' if is_one else 'these are codes'} for "
        f"missing values, make {'it' if is_one else 'them'} NaN and impute, so that "
        f"these rows count.",
    )


def _is_apart(column, value):
    """Whether a value is far from all others of the column."""
    others = column[np.isfinite(column) & (column != value)]
    if np.unique(others).size < MIN_VALUES:
        return False
    low, high = np.quantile(others, [0.05, 0.95])
    return 0 < GAP * (high - low) < np.abs(others - value).min()


def _is_told(ignored, rows):
    """Whether its rows are ignored more often than the others, and not by chance."""
    size, n_ignored = np.count_nonzero(rows), np.count_nonzero(ignored[rows])
    others = ignored[~rows]
    return binom.sf(n_ignored - 1, size, others.mean()) < COINCIDENCE
