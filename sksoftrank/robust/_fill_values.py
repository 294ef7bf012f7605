"""Values that stand for missing ones: robust fits ignore their rows, or follow them."""

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

# Fewer rows and a smaller gap are enough for numbers that people take for codes, such
# as 77, 88, 97 to 99 and -9999, and still less if no other value is negative. Fewer
# rows are enough for one so many times the range of all others away from them.
USUAL_CODES = [
    10.0**n_digits - 1 - less
    for n_digits in range(2, 10)
    for less in (0, 1, 2, (10**n_digits - 1) // 9, 2 * (10**n_digits - 1) // 9)
]
USUAL_GAP = 1.0
NEGATIVE_GAP = 0.5
FAR_GAP = 100.0

# An end of skewed numbers is further from the others than this power of their skewness.
TAIL = 2.0


class FillValue(NamedTuple):
    """A value of a column that may stand for missing ones."""

    column: int
    value: float


def find_fill_values(table, ignored):
    """Values far from all others at which nearly all rows are ignored, one a column.

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


@np.errstate(over="ignore")
def find_codes(table):
    """Values that look like codes, whatever a fit makes of their rows.

    They are ends of their columns, far from all values between: of many rows, or of few
    if they are usual codes or extremely far.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_columns)
        Features without NaN.

    Returns
    -------
    list of FillValue
        In the order of the columns.
    """
    if not table.size:
        return []
    ordered = np.sort(table, axis=0)
    low, high = ordered[[len(table) // 4, 3 * len(table) // 4]]
    # A cheap first look, for there are seldom any.
    gap = np.diff(ordered, axis=0).max(axis=0, initial=0)
    has_gap = gap > GAP * (high - low)
    is_usual = np.isin(np.abs(ordered[[0, -1]]), USUAL_CODES).any(axis=0)
    found = []
    for j in np.flatnonzero(has_gap | is_usual):
        left = ordered[:, j]
        while codes := {end for end in left[[0, -1]] if _is_code(left, end)}:
            found += [FillValue(int(j), float(code)) for code in sorted(codes)]
            left = left[~np.isin(left, list(codes))]
    return found


def _is_code(column, value):
    count = np.count_nonzero(column == value)
    between = column[(column > column[0]) & (column < column[-1])]
    if 2 * count > column.size or not between.size:
        return False
    if abs(value) in USUAL_CODES:
        gap = NEGATIVE_GAP if value < 0 <= between[0] else USUAL_GAP
        return _is_apart(between, value, gap)
    is_far = np.abs(between - value).min() > FAR_GAP * np.ptp(between)
    if not (is_far or count >= MIN_ROWS) or _is_tail(column, value):
        return False
    return _is_apart(between, value)


def _is_tail(column, value):
    """Whether a value may go on with skewed numbers, such as doses or populations.

    These are spread by ratios, and their ends are far from all others.
    """
    sign = 1 if value == column[-1] else -1
    others = sign * column[column != value]
    low, middle, high = np.quantile(others, [0.05, 0.5, 0.95])
    if middle == low:
        return bool(high > low)
    ratio = (sign * value - low) / (others.max() - low)
    return ratio <= (0.5 * (high - low) / (middle - low)) ** TAIL


def warn_of_fill_values(model, found, names, columns, ignored):
    """Warn of fill values, with the names of their columns, and these of all rows."""
    parts, purpose = [], "so that these rows count"
    for fill, name, column in zip(found, names, columns, strict=True):
        rows = column == fill.value
        n_rows, n_ignored = np.count_nonzero(rows), np.count_nonzero(ignored[rows])
        noun = "row" if n_rows == 1 else "rows"
        if n_ignored < IGNORED_PART * n_rows:
            purpose = "for the fit takes them for numbers"
        parts.append(
            f"{n_ignored} of the {n_rows} {noun} with {name} = {fill.value:.6g}"
        )
    is_one = len(parts) == 1
    warn(
        f"{type(model).__name__} ignores {' and '.join(parts)}, far from all other "
        f"values there; if {'that is a code' if is_one else 'these are codes'} for "
        f"missing values, make {'it' if is_one else 'them'} NaN and impute, {purpose}.",
    )


def _is_apart(column, value, gap=GAP):
    """Whether a value is so many spreads from all others of the column."""
    others = column[np.isfinite(column) & (column != value)]
    if np.unique(others).size < MIN_VALUES:
        return False
    low, high = np.quantile(others, [0.05, 0.95])
    return 0 < gap * (high - low) < np.abs(others - value).min()


def _is_told(ignored, rows):
    """Whether its rows are ignored more often than the others, and not by chance."""
    size, n_ignored = np.count_nonzero(rows), np.count_nonzero(ignored[rows])
    others = ignored[~rows]
    return binom.sf(n_ignored - 1, size, others.mean()) < COINCIDENCE
