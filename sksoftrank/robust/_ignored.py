"""Groups of rows that a robust fit ignores, although a fit with them harms nobody."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.stats import binom, norm
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from .._checks import warn
from .._sklearn import refuse_masked, safe_indexing
from ._fill_values import find_codes, find_fill_values, warn_of_fill_values
from ._some_rows import some_rows

# The rows that are looked at, columns, and the smallest part of ignored rows.
MAX_TREE_ROWS = 2000
MAX_COLUMNS = 500
MIN_PART_ROWS = 5

# Standard errors by which ignored rows must differ from the others in a column.
MIN_DISTANCE = 6.0

# A fit to all rows harms nobody if it makes the errors of the others this much larger.
HARMLESS = 1.4

# Beyond so many deviations from the others, in a column of more than so many values, a
# group consists of leverage points.
FAR_ERROR = 2.5
FEW_VALUES = 10

# A larger part of the rows is no small group.
LARGEST_PART = 0.25

# Part of the rows of a group that are ignored, and how probable that may be by chance.
IGNORED_PART = 0.6
COINCIDENCE = 1e-6


class GroupSharesMixin:
    """What the fit made of the rows of each group."""

    inlier_weight_: NDArray[np.float64]
    inlier_mask_: NDArray[np.bool_]

    def share_by_group(self, groups: ArrayLike) -> dict[str, NDArray[Any]]:
        """How much of each group of the rows of the fit is ignored.

        A group that is ignored much more than the others is worth a look: a robust fit
        says nothing about it.

        Parameters
        ----------
        groups : array-like of shape (n_samples,)
            A label for each row of the fit, of two groups at least with two rows each.

        Returns
        -------
        dict of ndarray of shape (n_groups,)
            "group" are the labels, sorted; "n_rows" their numbers of rows; "outliers"
            the parts of them outside of `inlier_mask_`; "weight" the means of
            `inlier_weight_` relative to that of all rows. A frame of pandas takes it.

        Raises
        ------
        TypeError, ValueError
            If the groups are not as described.

        Examples
        --------
        >>> import numpy as np
        >>> from sksoftrank import SoftLTSRegressor
        >>> x, kind = np.arange(40.0), np.arange(40) % 4
        >>> y = np.where(kind == 3, 100.0, x) + np.sin(x)
        >>> model = SoftLTSRegressor(random_state=0).fit(x[:, None], y)
        >>> model.share_by_group(kind)["outliers"]
        array([0., 0., 0., 1.])
        """
        check_is_fitted(self)
        refuse_masked(groups, "groups")
        groups = column_or_1d(groups)
        n = self.inlier_mask_.size
        if groups.size != n:
            raise ValueError(
                f"groups must have a label for each of the {n} rows of the fit, got "
                f"{groups.size}."
            )
        try:
            labels, code, count = np.unique(
                groups, return_inverse=True, return_counts=True
            )
        except TypeError as error:
            raise TypeError(
                f"groups must be labels that can be sorted, of one type and none of "
                f"them missing: {error}."
            ) from error
        if labels.size < 2:
            raise ValueError(f"groups must be at least two, got {labels.size}.")
        if count.min() < 2:
            raise ValueError(
                f"groups must have at least two rows each, got one of group "
                f"{labels[count.argmin()]}."
            )
        mean = np.bincount(code, self.inlier_weight_) / count
        return {
            "group": labels,
            "n_rows": count,
            "outliers": np.bincount(code, ~self.inlier_mask_) / count,
            "weight": mean / self.inlier_weight_.mean(),
        }


def warn_of_ignored_group(
    model, X, is_ignored, robust, plain, is_left_out=None, is_used=None
):
    """Warn if most rows of a part of X are ignored without need; names its column.

    Or if nearly all rows that have one far value in a column are, as fill values are,
    or a column has values that look like codes for missing ones.

    A stump of one half of the rows finds the part of X with most ignored rows, and the
    other half must confirm it. Outliers in X are found as easily; but they are far out
    in X, or a fit that has seen them is a worse one for all others. Of 864 linear fits
    to the designs of `make_contaminated_regression` none warns.

    Parameters
    ----------
    model : estimator
        The fitted estimator.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Features, as it was given them. Other kinds are not looked at.
    is_ignored : ndarray of bool of shape (n_samples,)
        Rows that the fit takes for outliers.
    robust : ndarray of shape (n_samples,)
        Sizes of the errors, or losses.
    plain : callable
        ``plain(rows)`` are those of a fit to all rows.
    is_left_out : ndarray of bool of shape (n_samples,), default=None
        The ignored rows and those that the fit has not looked at for their features.
        None means that there are none of these.
    is_used : ndarray of bool of shape (n_samples,), default=None
        Rows in which codes are looked for. None means none: the estimator takes them.
    """
    n = is_ignored.size
    is_left_out = is_ignored if is_left_out is None else is_left_out
    rows = some_rows(n, MAX_TREE_ROWS)
    ignored = is_ignored[rows]
    n_ignored = np.count_nonzero(ignored)
    is_part = 2 * MIN_PART_ROWS <= n_ignored <= 0.5 * rows.size
    is_few = np.count_nonzero(is_left_out[rows]) < MIN_PART_ROWS
    if not is_part and is_few and is_used is None:
        return
    table = _as_table(X, rows)
    if table is None:
        return
    fills = find_fill_values(table, is_left_out[rows])
    if is_used is not None:
        fills = sorted({*fills, *find_codes(table[is_used[rows]])})
    if fills:
        columns = [
            _as_table(safe_indexing(X, [fill.column], axis=1), np.arange(n))[:, 0]
            for fill in fills
        ]
        names = [_name(model, X, fill.column) for fill in fills]
        warn_of_fill_values(model, fills, names, columns, is_left_out)
        return
    if not is_part or not _differ(table, ignored):
        return
    others = np.median(robust[rows[~ignored]]), np.median(plain(rows[~ignored]))
    if not others[1] <= HARMLESS * others[0]:
        return
    part = _find_part(table, ignored)
    if part is None:
        return
    column, threshold, is_above = part
    inside = (table[:, column] > threshold) == is_above
    if inside.mean() > LARGEST_PART or _is_far(table[:, column], inside):
        return
    side = "above" if is_above else "up to"
    shares = ignored[inside].mean(), ignored[~inside].mean()
    warn(
        f"{type(model).__name__} takes {shares[0]:.0%} of the rows with "
        f"{_name(model, X, column)} {side} "
        f"{threshold:.4g} for outliers, and {shares[1]:.0%} of the others, although a "
        f"fit to all rows is as good for these; if that is a group in its own right, "
        f"more features, a logarithm of the target or a smaller trim help, and "
        f"`share_by_group` tells more.",
    )


def _name(model, X, column):
    names = getattr(model, "feature_names_in_", getattr(X, "columns", None))
    return f"column {column}" if names is None else f"{names[column]!r}"


def _as_table(X, rows):
    """Rows of X as numbers, categories as codes; None for what is no table."""
    if sparse.issparse(X):
        if X.shape[1] > MAX_COLUMNS:
            return None
        entries = X.tocsr()[rows].tocoo()
        table = np.zeros(entries.shape)
        np.add.at(table, (entries.row, entries.col), entries.data)
        return table
    if hasattr(X, "iloc"):  # a frame of pandas
        X = X.iloc[rows].to_numpy(dtype=object)
    else:
        X = np.asarray(X)
        if X.ndim != 2:
            return None
        X = X[rows]
    if not 0 < X.shape[1] <= MAX_COLUMNS:
        return None
    if X.dtype.kind in "fiub":
        return X.astype(np.float64)
    try:
        return np.column_stack([_as_numbers(column) for column in X.T])
    except (TypeError, ValueError):  # of objects that have no order, say
        return None


def _as_numbers(column):
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return np.unique(column.astype(str), return_inverse=True)[1].astype(np.float64)


def _differ(table, ignored):
    """Whether means of a column differ by many standard errors: a cheap first look."""
    table = np.clip(np.nan_to_num(table), -1e100, 1e100)
    inside, outside = table[ignored], table[~ignored]
    spread = inside.var(axis=0) / len(inside) + outside.var(axis=0) / len(outside)
    distance = np.abs(inside.mean(axis=0) - outside.mean(axis=0))
    return (distance > MIN_DISTANCE * np.sqrt(spread)).any()


def _is_far(column, inside):
    """Whether the values inside are typically outliers of the column of the others."""
    others = column[~inside]
    if np.unique(others).size <= FEW_VALUES:
        return False
    centre = np.nanmedian(others)
    deviation = np.nanmedian(np.abs(others - centre)) / norm.ppf(0.75)
    return np.abs(np.nanmedian(column[inside]) - centre) > FAR_ERROR * deviation


def _find_part(table, ignored):
    """Column, threshold and side of a part of X that is mostly ignored, or None.

    The best split of one half of the rows must hold in the other half.
    """
    table = np.clip(table, -1e30, 1e30)  # trees count in single precision
    base = ignored.mean()
    for first in (0, 1):
        learn, check = slice(first, None, 2), slice(1 - first, None, 2)
        tree = DecisionTreeClassifier(
            max_depth=1, min_samples_leaf=MIN_PART_ROWS, random_state=0
        )
        tree = tree.fit(table[learn], ignored[learn]).tree_
        if tree.node_count < 3:
            continue
        column, threshold = tree.feature[0], tree.threshold[0]
        is_above = bool(tree.value[2, 0, 1] > tree.value[1, 0, 1])
        inside = (table[check, column] > threshold) == is_above
        found = np.count_nonzero(ignored[check][inside])
        size = np.count_nonzero(inside)
        enough = size >= MIN_PART_ROWS and found >= IGNORED_PART * size
        if enough and binom.sf(found - 1, size, base) < COINCIDENCE:
            return int(column), float(threshold), is_above
    return None
