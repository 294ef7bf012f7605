"""All operators on slices of arrays, with options under which each is soft."""

from functools import partial
from typing import NamedTuple

import numpy as np

from sksoftrank import (
    pairwise,
    sinkhorn,
    soft_median,
    soft_quantile,
    soft_quantile_normalize,
    soft_rank,
    soft_sort,
    soft_topk,
    soft_topk_rank,
    soft_topk_sort,
    soft_trimmed_mean,
    soft_winsorize,
)


class Entry(NamedTuple):
    """An operator, an `epsilon` for rows of about ten numbers of size 1, and traits."""

    call: partial
    epsilon: float
    # Of differences only: any shift leaves the result as it is.
    is_invariant: bool = False
    # Where results stand: at their values, first in the row, or one for all.
    place: str = "own"
    # Whether `k` may be an array, too, and whether fewer than k values are enough.
    has_k: bool = False
    fits_k: bool = False


def _both(function, epsilon, regularizations=("quadratic", "entropic"), **traits):
    options = traits.pop("options", {})
    return {
        f"{function.__name__}-{kind}": Entry(
            partial(function, **options, regularization=kind), epsilon, **traits
        )
        for kind in regularizations
    }


def _one(function, epsilon, name=None, **traits):
    call = partial(function, **traits.pop("options", {}))
    return {name or function.__name__: Entry(call, epsilon, **traits)}


ranks = {"is_invariant": True}
first = {"place": "first"}
location = {"place": "all"}
OPERATORS = {
    **_both(soft_rank, 0.3, ("quadratic", "entropic", "kl"), **ranks),
    **_both(soft_sort, 2.0, **first),
    **_both(soft_topk, 0.5, options={"k": 3}, has_k=True, **ranks),
    **_both(soft_topk_rank, 0.3, options={"k": 3}, has_k=True, fits_k=True, **ranks),
    **_both(soft_topk_sort, 2.0, options={"k": 3}, fits_k=True, **first),
    **_both(soft_quantile, 0.7, options={"q": [0.2, 0.9]}, **location),
    **_both(soft_median, 0.7, **location),
    **_both(soft_trimmed_mean, 0.7, **location),
    **_both(soft_winsorize, 0.7, options={"cut": 0.2}),
    **_both(
        soft_quantile_normalize,
        0.3,
        ("quadratic", "entropic", "kl"),
        options={"target": np.array([0.0, 1.0, 5.0, 9.0])},
        **ranks,
    ),
    **_one(pairwise.all_pairs_rank, 0.3, **ranks),
    **_one(pairwise.gaussian_soft_rank, 0.3, **ranks),
    **_one(pairwise.neural_sort, 0.5, **first),
    **_one(pairwise.soft_sort_permutation, 0.5, **first),
    **_one(
        pairwise.neural_sort,
        0.5,
        "neural_sort-matrix",
        options={"return_matrix": True},
        is_invariant=True,
        place="matrix",
    ),
    **_one(sinkhorn.sinkhorn_rank, 0.01, **ranks),
    **_one(sinkhorn.sinkhorn_cdf, 0.01, **ranks),
    **_one(sinkhorn.sinkhorn_sort, 0.01, **first),
    **_one(sinkhorn.sinkhorn_quantile, 0.01, options={"q": 0.3}, **location),
    **{
        f"{name}-magnitude": Entry(
            partial(function, k=3, magnitude=True), 0.5, has_k=True, fits_k=fits_k
        )
        for name, function, fits_k in (
            ("soft_topk", soft_topk, False),
            ("soft_topk_rank", soft_topk_rank, True),
        )
    },
}
