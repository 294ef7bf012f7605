"""Some of many rows, where these are enough."""

import numpy as np


def some_rows(n_rows, n_some):
    """At most `n_some` places of rows, in order, the same in each call.

    They are drawn, for every other row may be of another kind: of another sensor, or of
    the weekend.
    """
    if n_rows <= n_some:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(0).choice(n_rows, n_some, replace=False))
