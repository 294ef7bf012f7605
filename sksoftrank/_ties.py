"""Where equal entries of sorted rows begin and end."""

import numpy as np


def tie_bounds(rows):
    """Indices of the first and of the last equal of each entry of sorted `rows`."""
    count, n = rows.shape
    is_first = np.ones((count, n), dtype=bool)
    is_first[:, 1:] = rows[:, 1:] != rows[:, :-1]
    is_last = np.ones((count, n), dtype=bool)
    is_last[:, :-1] = is_first[:, 1:]
    index = np.arange(n)
    firsts = np.maximum.accumulate(np.where(is_first, index, 0), axis=1)
    lasts = np.minimum.accumulate(np.where(is_last, index, n)[:, ::-1], axis=1)
    return firsts, lasts[:, ::-1]
