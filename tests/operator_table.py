"""All operators on slices of arrays, with options under which each is soft."""

import inspect
from functools import partial
from typing import NamedTuple

import numpy as np

from sksoftrank import (
    isotonic_projection,
    pairwise,
    project_permutahedron,
    sinkhorn,
    soft_median,
    soft_quantile,
    soft_quantile_normalize,
    soft_rank,
    soft_sort,
    soft_sort_with,
    soft_topk,
    soft_topk_rank,
    soft_topk_sort,
    soft_trimmed_mean,
    soft_winsorize,
)
from sksoftrank.feature_selection import soft_spearman_corr


class Entry(NamedTuple):
    """An operator, an `epsilon` for rows of about ten numbers of size 1, and traits."""

    call: partial
    epsilon: float
    # Of differences only: a shift changes no bit of the result, as with soft ranks.
    is_invariant: bool = False
    # Where results stand: at their values, first in the row, or one for all.
    place: str = "own"
    # Whether `k` may be an array, too, and whether fewer than k values are enough.
    has_k: bool = False
    fits_k: bool = False
    # Arguments other than the first with a derivative, beside `epsilon`.
    derivatives: tuple = ()
    has_wrt_epsilon: bool = True
    # Options that lead to other code or other derivatives, each tried once.
    variants: tuple = ()
    # Whether results of float32 are float32.
    keeps_float32: bool = True

    @property
    def function(self):
        """The public function."""
        function = self.call
        while hasattr(function, "func"):
            function = function.func
        return function

    def takes(self, name):
        """Whether the function has an argument of this name."""
        return name in inspect.signature(self.function).parameters

    @property
    def second(self):
        """The name of the other data set of operators on two of them, or None."""
        others = {"w", "criterion"}.intersection(self.derivatives)
        return next(iter(others), None)

    def every_option(self):
        """No option, and each of the variants."""
        return ({}, *self.variants)


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
descending = {"variants": ({"descending": True},)}
smallest = {"variants": ({"largest": False},)}
pairs = descending | {"has_wrt_epsilon": False}
# Plans that are exact enough for central differences.
exact = {"tol": 1e-11, "max_iter": 300}
plans = {"has_wrt_epsilon": False}
transport = (
    {"cost": 1.5},
    {"squashing": "arctan"},
    {"squashing": None},
    {"weights": np.array([1.0, 3.0, 0.5, 2.0, 0.0, 1.0, 1.5])},
)
targets = (
    {"descending": True},
    {"targets": 4, "target_weights": [2.0, 1.0, 3.0, 1.0]},
    *transport,
)
OPERATORS = {
    **_both(soft_rank, 0.3, ("quadratic", "entropic", "kl"), **ranks, **descending),
    **_both(soft_sort, 2.0, **first, **descending),
    **_both(
        soft_topk,
        0.5,
        options={"k": 3},
        has_k=True,
        derivatives=("k", "weights"),
        **ranks,
        **smallest,
    ),
    **_both(
        soft_topk_rank,
        0.3,
        options={"k": 3},
        has_k=True,
        fits_k=True,
        **ranks,
        **smallest,
    ),
    **_both(soft_topk_sort, 2.0, options={"k": 3}, fits_k=True, **first, **smallest),
    **_both(
        soft_quantile,
        0.7,
        options={"q": [0.2, 0.9]},
        derivatives=("q", "weights"),
        **location,
    ),
    **_both(soft_median, 0.7, derivatives=("weights",), **location),
    **_both(soft_trimmed_mean, 0.7, derivatives=("cut", "weights"), **location),
    **_both(soft_winsorize, 0.7, options={"cut": 0.2}, derivatives=("cut", "weights")),
    **_both(
        soft_quantile_normalize,
        0.3,
        ("quadratic", "entropic", "kl"),
        options={"target": np.array([0.0, 1.0, 5.0, 9.0])},
        **ranks,
    ),
    **_one(pairwise.all_pairs_rank, 0.3, **ranks, **pairs),
    **_one(pairwise.gaussian_soft_rank, 0.3, **ranks, **pairs),
    **_one(pairwise.neural_sort, 0.5, **first, **pairs),
    **_one(
        pairwise.soft_sort_permutation,
        0.5,
        **first,
        variants=({"descending": True}, {"power": 1.5}),
        has_wrt_epsilon=False,
    ),
    **{
        f"{function.__name__}-matrix": Entry(
            partial(function, return_matrix=True),
            0.5,
            is_invariant=is_invariant,
            place="matrix",
            **pairs,
        )
        for function, is_invariant in (
            (pairwise.neural_sort, True),
            (pairwise.soft_sort_permutation, True),
        )
    },
    **_one(
        sinkhorn.sinkhorn_rank, 0.01, options=exact, variants=targets, **ranks, **plans
    ),
    **_one(
        sinkhorn.sinkhorn_cdf,
        0.01,
        options=exact,
        variants=targets[1:],
        **ranks,
        **plans,
    ),
    **_one(
        sinkhorn.sinkhorn_sort, 0.01, options=exact, variants=targets, **first, **plans
    ),
    **_one(
        sinkhorn.sinkhorn_quantile,
        0.01,
        options={"q": 0.3, **exact},
        variants=({"q": [0.3, 0.9], "width": 0.04}, *transport),
        **location,
        **plans,
    ),
    **{
        f"{name}-magnitude": Entry(
            partial(function, k=3, magnitude=True),
            0.5,
            has_k=True,
            fits_k=fits_k,
            derivatives=derivatives,
            variants=({"largest": False}, {"regularization": "entropic"}),
        )
        for name, function, fits_k, derivatives in (
            ("soft_topk", soft_topk, False, ("k", "weights")),
            ("soft_topk_rank", soft_topk_rank, True, ()),
        )
    },
}

# One number for each value of a slice, of which more are cut off.
SLICE = np.random.default_rng(7).normal(size=60)


def _on_slices(function, argument):
    """The function with numbers of a slice as another argument, unless it is given."""

    def call(values, *, axis=-1, **options):
        n = np.size(values) if axis is None else np.shape(values)[axis]
        options.setdefault(argument, SLICE[:n])
        return function(values, axis=axis, **options)

    call.func = function
    return call


# Operators that take no rows of epsilon and no missing values, or not along any axis.
# The last ones are of two arguments; w and the criterion belong to a slice.
OTHERS = {
    **{
        f"{function.__name__}-{kind}": Entry(
            partial(_on_slices(function, "w"), regularization=kind),
            None,
            derivatives=("w",),
            has_wrt_epsilon=False,
        )
        for function in (isotonic_projection, project_permutahedron)
        for kind in ("quadratic", "entropic")
    },
    **{
        f"soft_sort_with-{kind}": Entry(
            partial(_on_slices(soft_sort_with, "criterion"), regularization=kind),
            0.5,
            derivatives=("criterion",),
            **descending,
        )
        for kind in ("quadratic", "entropic")
    },
    **_both(
        soft_spearman_corr,
        0.3,
        ("quadratic", "entropic", "kl"),
        place="columns",
        variants=({"scale": None},),
        keeps_float32=False,
        has_wrt_epsilon=False,
    ),
}
