"""The public losses, methods for arrays of any framework."""

from types import ModuleType
from typing import Generic

from .._typing import RankRegularization, TopKSquashing
from . import _losses as formulas
from ._types import Array, Growth, Numbers, Strength


class Losses(Generic[Array]):
    """Scalars with derivatives, means over rows.

    Parameters
    ----------
    xp : module
        What the formulas need from the framework.
    """

    def __init__(self, xp: ModuleType) -> None:
        self._xp = xp

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
            Scores; the larger, the better.
        ranks : array-like of shape (n_rows, n_labels)
            True ranks, the smaller, the better; NaN marks labels that are not ranked.
            Each row is ranked anew among its ranked labels.
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
            In the type of the first argument.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.

        See Also
        --------
        sksoftrank.losses.soft_spearman_loss : The same in NumPy, with its gradient.

        Examples
        --------
        >>> import torch
        >>> from sksoftrank.torch import spearman_loss
        >>> float(spearman_loss(torch.tensor([[0.5, 0.0, 3.0]]), [[1, 2, 3]]))
        3.0625
        """
        return formulas.spearman(
            self._xp,
            scores,
            ranks,
            epsilon,
            regularization,
            top_weight,
            sample_weight,
        )

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
            Scores; the larger, the better.
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
            In the type of the first argument.

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
        return formulas.ndcg(
            self._xp,
            scores,
            relevance,
            epsilon,
            k,
            regularization,
            sample_weight,
        )

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
            In the type of the first argument.

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
        return formulas.topk(
            self._xp,
            scores,
            labels,
            k,
            epsilon,
            operator,
            growth,
            squashing,
            sample_weight,
        )

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
            In the type of the first argument.

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
        return formulas.trimmed(self._xp, losses, n_kept, epsilon, sample_weight)
