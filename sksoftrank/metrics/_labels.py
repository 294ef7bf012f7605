"""Labels of rankings, the columns of y: in which order, and whether they are known."""

import numpy as np

from .._sklearn import safe_indexing


def label_names(y):
    """Names of the columns of `y` as an array, None where it is no frame."""
    names = getattr(y, "columns", None)
    return None if names is None else np.asarray(names)


def align_labels(y, labels):
    """The frame `y` with its columns in the order of `labels`, as in the fit.

    What has no names is returned as it is, and so is a frame with names if `labels` are
    mere numbers, those of columns that had no names.
    """
    names = label_names(y)
    if names is None or labels is None or _are_equal(names, labels):
        return y
    position = {name: j for j, name in enumerate(names)}
    if len(position) == len(names) == len(labels) and set(labels) == set(position):
        return safe_indexing(y, [position[label] for label in labels], axis=1)
    if _are_equal(labels, range(len(names))) and not set(labels) & set(position):
        return y
    raise ValueError(
        f"y must have the labels of the fit as its columns, {labels.tolist()}, in any "
        f"order, got {names.tolist()}."
    )


def _are_equal(first, second):
    return list(first) == list(second)
