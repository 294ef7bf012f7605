"""Orders of labels, such as lists from the best to the worst, and ranks."""

from collections.abc import Iterable
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._sklearn import refuse_masked

# A row of y has the ranks of labels; so much less may be left by the features of a
# row's order before y is taken for orders. Of rankings it is .89 or more.
LARGEST_LEFT = 0.85
# Rows for each coefficient, and largest number of rows, to judge this by.
ROWS_PER_COEFFICIENT = 5
MAX_ROWS = 1000


def ranks_from_orders(
    orders: Iterable[Iterable[Any]],
    labels: ArrayLike | None = None,
    *,
    unlisted: Literal["last", "missing"] | None = None,
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Ranks of labels from orders, which list the labels from the best to the worst.

    Label rankers take ranks: a column for each label. An order, such as ``["c", "a",
    "b"]``, has a column for each place instead, and read as ranks it means something
    else.

    Parameters
    ----------
    orders : sequence of n_samples sequences
        Labels, numbers or text, the best first, for each sample: lists of any length,
        or a table with a column for each place. NaN, None and NA are skipped.
    labels : array-like of shape (n_labels,), default=None
        The labels, in the order of the columns of the result. None means all that
        occur, sorted.
    unlisted : {"last", "missing"} or None, default=None
        What is known of labels that an order does not list: "last" that they rank
        behind those that it lists, as in a list of the k best, "missing" nothing. With
        None an order that does not list all labels is an error.

    Returns
    -------
    ranks : ndarray of shape (n_samples, n_labels)
        Ranks, 1 for the best label. Those that are not listed share the mean of the
        last ranks, or are NaN.
    labels : ndarray of shape (n_labels,)
        The labels of the columns.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or an order lists a label twice or one that
        is not in `labels`.

    See Also
    --------
    SoftSpearmanLabelRanker : Takes the ranks, and predicts orders by `predict_order`.

    Examples
    --------
    >>> from sksoftrank.label_ranking import ranks_from_orders
    >>> ranks, labels = ranks_from_orders([["c", "a", "b"], ["b", "a", "c"]])
    >>> labels
    array(['a', 'b', 'c'], dtype='<U1')
    >>> ranks
    array([[2., 3., 1.],
           [2., 1., 3.]])
    >>> ranks_from_orders([["c"], ["b", "a"]], labels, unlisted="last")[0]
    array([[2.5, 2.5, 1. ],
           [2. , 1. , 3. ]])
    """
    if unlisted is not None and unlisted not in ("last", "missing"):
        raise ValueError(
            f"unlisted must be 'last', 'missing' or None, got {unlisted!r}."
        )
    lists = [_listed(order, i) for i, order in enumerate(_rows(orders))]
    labels = _check_labels(labels, lists)
    column = {label: j for j, label in enumerate(labels.tolist())}
    ranks = np.full((len(lists), labels.size), np.nan)
    for i, order in enumerate(lists):
        unknown = [label for label in order if label not in column]
        if unknown:
            raise ValueError(
                f"orders must list labels among {labels.tolist()}, got {unknown[0]!r} "
                f"in row {i}."
            )
        if len(set(order)) < len(order):
            raise ValueError(f"orders must list a label once, got {order} in row {i}.")
        n_left = labels.size - len(order)
        if n_left and unlisted is None:
            raise ValueError(
                f"unlisted must be 'last' or 'missing' for orders of some of the "
                f"labels, got None for {len(order)} of {labels.size} in row {i}."
            )
        if n_left and unlisted == "last":
            ranks[i] = len(order) + (n_left + 1) / 2
        ranks[i, [column[label] for label in order]] = np.arange(1, len(order) + 1)
    return ranks, labels


def look_like_orders(X, ranks):
    """Whether ranks are less like linear functions of X than what they are orders of.

    Only complete rankings without ties can be either.
    """
    if len(X) < ROWS_PER_COEFFICIENT * (X.shape[1] + 1):
        return False
    if (np.sort(ranks, axis=1) != np.arange(1, ranks.shape[1] + 1)).any():
        return False
    design = np.column_stack([np.ones(len(X)), X])
    targets = np.hstack([ranks, np.argsort(ranks, axis=1) + 1.0])
    fitted = design @ np.linalg.lstsq(design, targets, rcond=None)[0]
    left, alone = (
        ((targets - other) ** 2).reshape(len(X), 2, -1).sum(axis=(0, 2))
        for other in (fitted, targets.mean(axis=0))
    )
    # Means alone can be closer to orders: features that tell nothing prove nothing.
    return bool(left[1] < min(LARGEST_LEFT * left[0], LARGEST_LEFT * alone[1]))


def looks_like_zeros_for_unranked(y):
    """Whether rows hold 1, 2, ... once each and 0 for all others, often several."""
    is_zero = y == 0
    counts = is_zero.sum(axis=1)
    if not (counts > 1).any() or np.isnan(y).any():
        return False
    ordered = np.sort(np.where(is_zero, np.inf, y), axis=1)
    places = np.arange(1.0, y.shape[1] + 1)
    n_ranked = y.shape[1] - counts[:, None]
    return bool(((ordered == places) | (places > n_ranked)).all())


def _rows(orders):
    if hasattr(orders, "iloc"):  # a frame, which is a sequence of its columns
        return orders.to_numpy(dtype=object)
    if isinstance(orders, str) or not hasattr(orders, "__iter__"):
        raise TypeError(f"orders must be a sequence of sequences, got {orders!r}.")
    return orders


def _listed(order, i):
    """The labels of an order, without missing ones."""
    if isinstance(order, str | bytes) or not hasattr(order, "__iter__"):
        raise TypeError(
            f"orders must hold a sequence of labels for each sample, got {order!r} in "
            f"row {i}; split text into labels."
        )
    refuse_masked(order, "orders")
    labels = [x.item() if isinstance(x, np.generic) else x for x in order]
    return [x for x in labels if not _is_missing(x)]


def _is_missing(label):
    is_nan = isinstance(label, Real) and label != label
    return label is None or type(label).__name__ == "NAType" or is_nan


def _check_labels(labels, lists):
    if labels is None:
        found = {label for order in lists for label in order}
        try:
            return np.array(sorted(found))
        except TypeError as error:
            raise TypeError(
                f"labels must be given where those of orders cannot be sorted: {error}."
            ) from error
    refuse_masked(labels, "labels")
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(set(labels.tolist())) < labels.size:
        raise ValueError(
            f"labels must be different and have one dimension, got {labels.tolist()}."
        )
    return labels
