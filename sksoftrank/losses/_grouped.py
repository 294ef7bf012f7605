"""Soft ranks within groups of a flat array, for losses, and weights of groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _isotonic, _pav
from .._checks import KINDS, check_weights, moderate, nonfinite_error
from ..operators._by_group import GroupLayout

# For each size of groups their numbers and where their rows are, as in `GroupLayout`.
Buckets = list[tuple[NDArray[np.intp], slice]]


class GroupRanks:
    """Soft ranks within groups, and their products, of numbers in grouped order.

    A size of groups costs three calls of compiled code, and all else is done once for
    all numbers. The results are those of `soft_rank`, bit for bit.

    Parameters
    ----------
    buckets : list of tuples (groups, part)
        Those of a `GroupLayout`.
    epsilon : float or ndarray of shape (n_buckets,)
        Strength of the soft ranks, of all groups or of those of each size.
    regularization : {"quadratic", "entropic", "kl"}
    descending : bool, default=True
        Whether the largest number has rank 1.
    room : ndarray of int64 of shape (2 * n_rows + n_groups,), default=None
        Where a call leaves what `pull_back` needs. It may be longer, and others may
        share it that are not between these two. None means one of its own.
    """

    def __init__(
        self,
        buckets: Buckets,
        epsilon: float | NDArray[np.float64],
        regularization: str,
        *,
        descending: bool = True,
        room: NDArray[np.int64] | None = None,
    ) -> None:
        self._kind = KINDS[regularization]
        self._sign = -1.0 if descending else 1.0
        epsilons = np.broadcast_to(epsilon, len(buckets)).tolist()
        n = buckets[-1][1].stop if buckets else 0
        n_groups = sum(groups.size for groups, _ in buckets)
        if room is None:
            room = np.empty(2 * n + n_groups, np.int64)
        order, pools = room[:n], room[n:]
        weights = None if self._kind == _pav.QUADRATIC else np.empty(n)
        # Groups of one size: where their numbers are, as rows of which shape, their
        # strength, their order, and their pools and weights, flat: the kernel takes
        # pointers to these, and many small arrays take time.
        self._sizes: list[tuple[Any, ...]] = []
        end = 0
        for (groups, part), own in zip(buckets, epsilons, strict=True):
            shape = groups.size, (part.stop - part.start) // groups.size
            start, end = end, end + groups.size * (shape[1] + 1)
            part_weights = None if weights is None else weights[part]
            rows = order[part].reshape(shape), pools[start:end], part_weights
            self._sizes.append((part, shape, own, *rows))

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The ranks."""
        ranks = np.empty_like(scores)
        rank_rows, kind, sign = _pav.rank_rows["double"], self._kind, self._sign
        for part, shape, epsilon, order, pools, weights in self._sizes:
            own, out = scores[part].reshape(shape), ranks[part]
            if rank_rows(own, epsilon, kind, sign, order, out, pools, weights) < 0:
                raise nonfinite_error(own, "scores")
        return ranks

    def pull_back(self, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """The gradient in the numbers of the last call, for one in their ranks."""
        out = np.empty_like(gradient)
        matrix = _isotonic.COVARIANCE if self._kind == _pav.KL else _isotonic.DEVIATION
        for part, shape, epsilon, order, pools, weights in self._sizes:
            _isotonic.pool_product_rows(
                gradient[part].reshape(shape),
                order,
                order,
                pools,
                weights,
                matrix,
                True,
                self._sign * epsilon or 1.0,
                out[part],
            )
        return out


def ranks_within(
    buckets: Buckets, values: NDArray[np.float64], name: str = "y"
) -> NDArray[np.float64]:
    """Average ranks within groups of numbers in grouped order, 1 for the smallest."""
    ranks, rank_rows = np.empty_like(values), _pav.rank_rows["double"]
    for groups, part in buckets:
        own, out = values[part].reshape(groups.size, -1), ranks[part]
        if rank_rows(own, 0.0, _pav.QUADRATIC, 1.0, None, out, None, None) < 0:
            raise nonfinite_error(own, name)
    return ranks


def check_group_weight(
    sample_weight: ArrayLike | None,
    groups: ArrayLike,
    is_used: NDArray[np.bool_],
    *,
    by_row: bool = False,
    repeats: bool = False,
) -> tuple[GroupLayout, NDArray[np.float64], NDArray[np.float64] | None]:
    """The layout of the rows of positive weight that are used, and the weights.

    Those of the groups, 0 where fewer than two rows are left; and those of the rows if
    they differ in a group, which is an error unless `by_row`. With `repeats` a row that
    is alone and stands for two or more gives its group its weight, too.
    """
    n_rows = is_used.size
    layout = GroupLayout(groups, n_rows, is_used, min_size=2)
    n_groups = layout.labels.size
    if sample_weight is None:
        return layout, (layout.sizes > 1).astype(np.float64), None
    shapes = [(n_rows,), (n_groups,)]
    weight = check_weights(sample_weight, "sample_weight", shapes)
    is_by_group = weight.size != n_rows
    if n_rows and weight.min() == 0:
        counts = weight > 0
        is_used = is_used & (counts[layout.codes] if is_by_group else counts)
        layout = GroupLayout(groups, n_rows, is_used, min_size=2)
    # Next to large weights that do not count others would vanish.
    if is_by_group:
        return layout, moderate(np.where(layout.sizes > 1, weight, 0.0)), None
    used = np.zeros(n_rows)
    used[layout.order] = weight[layout.order]
    alone = np.array([], dtype=np.intp)
    if repeats:
        is_alone = layout.sizes[layout.codes] == 1
        alone = np.flatnonzero(is_used & is_alone & (weight >= 2))
        used[alone] = weight[alone]
    weight = moderate(used)
    group_weight, differs = layout.weights(weight)
    group_weight[layout.codes[alone]] = weight[alone]
    if not differs.any():
        return layout, group_weight, None
    if not by_row:
        label = layout.labels[differs.argmax()]
        raise ValueError(
            f"sample_weight must be equal for the rows of a group, or one a group, got "
            f"different weights in group {label!r}."
        )
    return layout, group_weight, weight
