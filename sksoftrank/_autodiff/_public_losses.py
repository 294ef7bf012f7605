"""The public losses, methods for arrays of any framework."""

import math
from numbers import Real
from types import ModuleType
from typing import Any, Generic

import numpy as np

from .._typing import NanPolicy, RankRegularization, TopKSquashing
from ..losses._ranking import _check_top_weight, check_cutoff, check_not_column
from ..losses._topk import GROWTHS, _check_option, check_ks
from ._arguments import Axis, check_strength, wide
from ._choices import Data, window_mean
from ._public_ranks import Ranks
from ._types import Array, Growth, Numbers, Strength

REGULARIZATIONS = ("quadratic", "entropic", "kl")


class Losses(Generic[Array]):
    """Scalars with derivatives, means over rows.

    Parameters
    ----------
    xp : module
        What the formulas need from the framework.
    """

    def __init__(self, xp: ModuleType) -> None:
        self._xp, self._ranks = xp, Ranks[Any](xp)

    def spearman_loss(
        self,
        scores: Array,
        ranks: Numbers[Array],
        epsilon: Strength[Array] = 1.0,
        *,
        regularization: RankRegularization = "quadratic",
        top_weight: float = 0.0,
        sample_weight: Numbers[Array] | None = None,
    ) -> Array:
        """Squared distance between the soft ranks of scores and true ranks.

        The value of `sksoftrank.losses.soft_spearman_loss`, which has the definition.

        Parameters
        ----------
        scores : torch.Tensor of shape (n_rows, n_labels)
            Scores; the larger, the better. A column of several rows, as nets give it,
            has nothing to rank, and raises: pass its transpose.
        ranks : array-like of shape (n_rows, n_labels)
            True ranks, the smaller, the better; NaN marks labels that are not ranked.
            Each row is ranked anew among its ranked labels, so of numbers of which
            the larger are better, such as targets or ascending ranks, pass the
            negatives: as they are they train to the opposite order.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of `soft_rank` in units of `scores`, one or one for each row.
        regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
            Regularization of `soft_rank`.
        top_weight : float, default=0.0
            Exponent t of the weights of errors, proportional to ``rank ** -t``.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows in the mean. None means ones.

        Returns
        -------
        loss : torch.Tensor of shape ()
            In the type of the first argument, but float32 for 16 bits, in which losses
            overflow and small gradients vanish.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.

        See Also
        --------
        sksoftrank.losses.soft_spearman_loss : The same in NumPy, with its gradient.

        Notes
        -----
        A row of n labels with hard ranks, without ties, has the loss ``(n**3 - n) * (1
        - rho) / 12``, with rho Spearman's correlation of both rankings: multiply by
        ``12 / (n**3 - n)`` for a loss that does not grow with n.

        Examples
        --------
        >>> import torch
        >>> from sksoftrank.torch import spearman_loss
        >>> float(spearman_loss(torch.tensor([[0.5, 0.0, 3.0]]), [[1, 2, 3]]))
        3.0625
        """
        xp = self._xp
        _check_top_weight(top_weight)
        rows = _Rows(self._ranks, xp, scores, ranks, "ranks", sample_weight)
        found = rows.rank(epsilon, regularization)
        targets = xp.detach(rows.rank_truth())
        error = rows.where_known(found - targets, 0.0)
        weighted = error
        if top_weight > 0:
            weight = rows.where_known(targets, 1.0) ** -top_weight
            weight = rows.where_known(weight, 0.0)
            weighted = weight * (rows.count / xp.sum(weight)) * error
        return rows.total(0.5 * xp.sum(weighted * error))

    def ndcg_loss(
        self,
        scores: Array,
        relevance: Numbers[Array],
        epsilon: Strength[Array] = 1.0,
        *,
        k: int | None = None,
        regularization: RankRegularization = "quadratic",
        sample_weight: Numbers[Array] | None = None,
    ) -> Array:
        """One minus the normalised discounted cumulative gain of soft ranks.

        The value of `sksoftrank.losses.soft_ndcg_loss`, which has the definition.

        Parameters
        ----------
        scores : torch.Tensor of shape (n_rows, n_labels)
            Scores; the larger, the better. A column of several rows, as nets give it,
            has nothing to rank, and raises: pass its transpose.
        relevance : array-like of shape (n_rows, n_labels)
            True relevances, at least 0; NaN marks labels that are not ranked.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of `soft_rank` in units of `scores`, one or one for each row.
        k : int, default=None
            How many labels count, from the best by their scores, as for
            `sksoftrank.losses.soft_ndcg_loss`. None means all.
        regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
            Regularization of `soft_rank`.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows in the mean. None means ones.

        Returns
        -------
        loss : torch.Tensor of shape ()
            In the type of the first argument, but float32 for 16 bits, in which losses
            overflow and small gradients vanish.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.

        See Also
        --------
        sksoftrank.losses.soft_ndcg_loss : The same in NumPy, with its gradient.

        Examples
        --------
        >>> import torch
        >>> from sksoftrank.torch import ndcg_loss
        >>> loss = ndcg_loss(torch.tensor([[0.0, 1.0]]), [[1.0, 0.0]], epsilon=4.0)
        >>> round(float(loss), 3)
        0.282
        """
        xp = self._xp
        check_cutoff(k)
        rows = _Rows(self._ranks, xp, scores, relevance, "relevance", sample_weight)
        gain = rows.where_known(rows.truth, 0.0)
        known = xp.known(rows.truth)
        if known is not None and (known < 0).any():
            raise ValueError(f"relevance must be at least 0, got {np.nanmin(known)}.")
        found = rows.rank(epsilon, regularization)
        found = rows.where_known(found, 1.0)
        # Sorted ascending, the last has the rank 1.
        ideal = gain.shape[1] - xp.places(gain)
        best, left = xp.sort(gain), xp.ones_like(found)
        if k is not None:
            best = xp.where(ideal <= k, best, xp.zeros_like(best))
            # Of the discount of rank k.
            left = xp.where(found >= k + 1, xp.zeros_like(found), k + 1 - found)
            is_counted = found <= k
            left = xp.where(is_counted, xp.ones_like(found), left)
            found = xp.where(is_counted, found, xp.zeros_like(found) + k)
        largest = xp.sum(best / (xp.log1p(ideal) / math.log(2)))
        largest = xp.where(largest > 0, largest, xp.ones_like(largest))
        discounted = xp.sum(left * gain / (xp.log1p(found) / math.log(2)))
        return rows.total(1 - discounted / largest)

    def topk_loss(
        self,
        scores: Array,
        labels: Numbers[Array],
        k: int | dict[int, float] = 1,
        epsilon: Strength[Array] = 1.0,
        *,
        operator: RankRegularization = "quadratic",
        growth: Growth = "linear",
        squashing: TopKSquashing | None = None,
        sample_weight: Numbers[Array] | None = None,
    ) -> Array:
        """Top-k loss of the soft rank of the true class.

        The value of `sksoftrank.losses.soft_topk_loss`, which has the definition.

        Parameters
        ----------
        scores : torch.Tensor of shape (n_rows, n_classes)
            Scores; the larger, the better.
        labels : array-like of shape (n_rows,)
            Columns of the true classes, integers.
        k : int or dict of int to float, default=1
            How many of the best classes may hold the true one, or weights of such
            numbers.
        epsilon : float, torch.Tensor or array-like, default=1.0
            Strength of `soft_rank` in units of `scores`, one or one for each row.
        operator : {"quadratic", "entropic", "kl"}, default="quadratic"
            Regularization of `soft_rank`.
        growth : {"linear", "bounded"}, default="linear"
            How the loss of a row grows with the excess u of its rank over k: u or
            ``u / (1 + u)``.
        squashing : {"logistic"} or None, default=None
            Function of the scores before they are ranked.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows in the mean. None means ones.

        Returns
        -------
        loss : torch.Tensor of shape ()
            In the type of the first argument, but float32 for 16 bits, in which losses
            overflow and small gradients vanish.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.

        See Also
        --------
        sksoftrank.losses.soft_topk_loss : The same in NumPy, with its gradient.

        Examples
        --------
        >>> import torch
        >>> from sksoftrank.torch import topk_loss
        >>> float(topk_loss(torch.tensor([[0.5, 0.0, 3.0]]), [0]))
        1.25
        """
        xp = self._xp
        _check_option(operator, "operator", REGULARIZATIONS)
        _check_option(growth, "growth", GROWTHS)
        if squashing is not None:
            _check_option(squashing, "squashing", ["logistic"], " or None")
        scores = _check_scores(xp, scores, "n_classes")
        n_rows, n_classes = scores.shape
        shares = check_ks(k, n_classes)
        labels = xp.check_labels(labels, "labels", n_rows, n_classes)
        _, (x,) = wide(xp, scores)
        x = xp.sigmoid(x) if squashing is not None else x
        found = self._ranks.soft_rank(
            x, epsilon, regularization=operator, descending=True
        )
        true = xp.gather(found, labels[:, None])
        loss = xp.zeros_like(true)
        for value, share in shares.items():
            excess = xp.where(true > value, true - value, xp.zeros_like(true))
            loss = loss + share * (
                excess / (1 + excess) if growth == "bounded" else excess
            )
        weight = _row_weight(xp, sample_weight, xp.ones_like(true))
        return xp.dot(weight, loss)

    def trimmed_loss(
        self,
        losses: Array,
        n_kept: float,
        epsilon: Strength[Array],
        sample_weight: Numbers[Array] | None = None,
    ) -> Array:
        """Mean of the `n_kept` smallest losses with a soft choice of which to keep.

        The value of `sksoftrank.losses.selection_trimmed_loss`, which defines it.

        Parameters
        ----------
        losses : torch.Tensor of shape (n,)
            Losses, finite.
        n_kept : float
            Weight of the losses to keep.
        epsilon : float or torch.Tensor of shape ()
            Smoothing strength in units of the losses; 0 keeps exactly the smallest.
        sample_weight : array-like of shape (n,), default=None
            Weights of the losses. None means ones.

        Returns
        -------
        loss : torch.Tensor of shape ()
            In the type of the first argument, but float32 for 16 bits, in which losses
            overflow and small gradients vanish.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.

        See Also
        --------
        sksoftrank.losses.selection_trimmed_loss : The same in NumPy, with its gradient.

        Examples
        --------
        >>> import torch
        >>> from sksoftrank.torch import trimmed_loss
        >>> float(trimmed_loss(torch.tensor([0.0, 1.0, 2.0, 1000.0]), 2, epsilon=0))
        0.5
        """
        xp = self._xp
        losses = xp.check_values(losses, "losses")
        if losses.ndim != 1 or losses.shape[0] == 0:
            raise ValueError(
                f"losses must be a non-empty 1-D array, got shape "
                f"{tuple(losses.shape)}."
            )
        if not isinstance(n_kept, Real) or isinstance(n_kept, bool):
            raise TypeError(f"n_kept must be a real number, got {n_kept!r}.")
        if not n_kept > 0:
            raise ValueError(f"n_kept must be above 0, got {n_kept}.")
        _, (x,) = wide(xp, losses)
        strength = check_strength(xp, epsilon, Axis(xp, x.shape, 0), x)
        weights = None
        if sample_weight is not None:
            weights = xp.as_floats(sample_weight, "sample_weight", x)
            _check_shape(weights, "sample_weight", tuple(x.shape))
        data = Data(xp, x, weights, "losses")
        none = xp.zeros_like(data.total)
        kept = none + float(n_kept)
        value = window_mean(
            data,
            (none, data.total),
            (kept, data.total - kept),
            strength,
            "quadratic",
            "n_kept must be at most the number of losses or the sum of their weights",
        )
        return value[0]


class _Rows:
    """Scores and what their ranks are compared with, NaN where it is not known.

    Attributes
    ----------
    truth : array of shape (n_rows, n_labels)
    count : array of shape (n_rows, 1)
        The number of ranked labels.
    """

    def __init__(
        self,
        ranks: Ranks[Any],
        xp: Any,
        scores: Any,
        truth: Any,
        name: str,
        sample_weight: Any,
    ) -> None:
        self._xp, self._ranks = xp, ranks
        scores = _check_scores(xp, scores, "n_labels")
        check_not_column(tuple(scores.shape), name)
        _, (self.scores,) = wide(xp, scores)
        truth = xp.as_floats(truth, name, self.scores)
        _check_shape(truth, name, tuple(scores.shape))
        self.truth = truth = xp.detach(truth)
        known = xp.known(truth)
        # As far as the numbers may be looked at.
        self._is_complete = known is not None and bool(np.isfinite(known).all())
        if known is not None and not self._is_complete and np.isinf(known).any():
            raise ValueError(f"{name} must be finite or NaN, got infinite entries.")
        xp.check_finite(self.scores, "scores")
        self._nan_policy: NanPolicy = "raise" if self._is_complete else "omit"
        if self._is_complete:
            self.count = xp.zeros_like(truth[:, :1]) + truth.shape[1]
        else:
            self._is_missing = xp.isnan(truth)
            self.count = xp.sum(xp.cast(~self._is_missing, truth))
        ones = xp.where(self.count > 1, xp.ones_like(self.count), 0 * self.count)
        self._weight = _row_weight(xp, sample_weight, ones)

    def where_known(self, array: Any, filler: float) -> Any:
        """The array with a number in the places of labels that are not ranked."""
        if self._is_complete:
            return array
        xp = self._xp
        return xp.where(self._is_missing, xp.zeros_like(array) + filler, array)

    def rank(self, epsilon: Any, regularization: RankRegularization) -> Any:
        """Soft ranks of the scores among the ranked labels, the largest first."""
        return self._ranks.soft_rank(
            self.where_known(self.scores, math.nan),
            epsilon,
            regularization=regularization,
            descending=True,
            nan_policy=self._nan_policy,
        )

    def rank_truth(self) -> Any:
        """Ranks of what is known, ties in the mean."""
        return self._ranks.soft_rank(self.truth, 0.0, nan_policy=self._nan_policy)

    def total(self, losses: Any) -> Any:
        """The weighted mean of the rows."""
        return self._xp.dot(self._weight, losses)


def _check_scores(xp: Any, scores: Any, columns: str) -> Any:
    scores = xp.check_values(scores, "scores")
    if scores.ndim != 2:
        raise ValueError(
            f"scores must have shape (n_rows, {columns}), got {tuple(scores.shape)}."
        )
    return scores


def _check_shape(array: Any, name: str, shape: tuple[int, ...]) -> None:
    if tuple(array.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(array.shape)}.")


def _row_weight(xp: Any, sample_weight: Any, ones: Any) -> Any:
    """Weights of the rows with the sum 1, or all 0; `ones` are 0 for rows without."""
    weight = ones
    if sample_weight is not None:
        given = xp.as_floats(sample_weight, "sample_weight", ones)
        _check_shape(given, "sample_weight", (ones.shape[0],))
        if (known := xp.known(given)) is not None:
            xp.check_finite(given, "sample_weight")
            if (known < 0).any():
                raise ValueError(
                    f"sample_weight must be at least 0, got {known.min()}."
                )
            if known.size and not known.any():
                raise ValueError("sample_weight must not be zero everywhere.")
        weight = ones * given[:, None]
    total = weight.sum()
    return weight / xp.where(total > 0, total, xp.ones_like(total))
