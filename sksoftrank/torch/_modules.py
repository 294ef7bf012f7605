"""The losses as modules."""

# The documentation is built without the framework, of which types are mocks then.
from __future__ import annotations

from inspect import Parameter, signature
from typing import Any, Self

from torch import Tensor, nn

from .._autodiff._binding import call_error, names_of_arguments
from .._autodiff._types import Growth, Numbers
from .._typing import RankRegularization, TopKSquashing
from ._functions import ndcg_loss, spearman_loss, topk_loss, trimmed_loss


class _Loss(nn.Module):
    """A loss whose settings are attributes."""

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Say what is wrong with arguments that `__init__` would refuse."""
        own = signature(cls)
        positional, names = names_of_arguments(own)
        kinds = {one.kind for one in own.parameters.values()}
        # A class that is derived from one of these may take any.
        takes_more = Parameter.VAR_POSITIONAL in kinds
        takes_others = Parameter.VAR_KEYWORD in kinds
        unknown = [name for name in options if name not in names and not takes_others]
        if unknown or (len(arguments) > len(positional) and not takes_more):
            raise call_error(cls.__name__, own, len(arguments), unknown)
        return super().__new__(cls)

    def extra_repr(self) -> str:
        """The settings, for `repr`.

        Returns
        -------
        str
            Keyword arguments.
        """
        values = {
            name: getattr(self, name)
            for name in signature(type(self)).parameters
            if hasattr(self, name)  # what a derived class takes is its own affair
        }
        return ", ".join(
            f"{name}={value.detach() if isinstance(value, Tensor) else value!r}"
            for name, value in values.items()
        )


class SpearmanLoss(_Loss):
    """`spearman_loss` as a module.

    Parameters
    ----------
    epsilon : float or torch.Tensor of shape (), default=1.0
        As for `spearman_loss`. A parameter is learned, and raises once it falls below
        0: better learn its logarithm, with ``log_epsilon.exp()`` for `spearman_loss`.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        As for `spearman_loss`.
    top_weight : float, default=0.0
        As for `spearman_loss`.

    See Also
    --------
    spearman_loss : The function.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import SpearmanLoss
    >>> criterion = SpearmanLoss(epsilon=1.0)
    >>> float(criterion(torch.tensor([[0.5, 0.0, 3.0]]), torch.tensor([[1, 2, 3]])))
    3.0625
    """

    def __init__(
        self,
        epsilon: float | Tensor = 1.0,
        *,
        regularization: RankRegularization = "quadratic",
        top_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.regularization = regularization
        self.top_weight = top_weight

    def forward(
        self,
        scores: Tensor,
        ranks: Numbers[Tensor],
        sample_weight: Numbers[Tensor] | None = None,
    ) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        scores : torch.Tensor of shape (n_rows, n_labels)
            As for `spearman_loss`.
        ranks : array-like of shape (n_rows, n_labels)
            As for `spearman_loss`: 1 is the best. Ascending ranks, such as those of
            `soft_rank` and of torchsort, train to correlation -1; pass them negated.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        loss : torch.Tensor of shape ()
            The weighted mean.
        """
        return spearman_loss(
            scores,
            ranks,
            self.epsilon,
            regularization=self.regularization,
            top_weight=self.top_weight,
            sample_weight=sample_weight,
        )


class NDCGLoss(_Loss):
    """`ndcg_loss` as a module.

    Parameters
    ----------
    epsilon : float or torch.Tensor of shape (), default=1.0
        As for `ndcg_loss`. A parameter is learned, and raises once it falls below
        0: better learn its logarithm, with ``log_epsilon.exp()`` for `ndcg_loss`.
    k : int, default=None
        As for `ndcg_loss`.
    regularization : {"quadratic", "entropic", "kl"}, default="quadratic"
        As for `ndcg_loss`.

    See Also
    --------
    ndcg_loss : The function.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import NDCGLoss
    >>> criterion = NDCGLoss(epsilon=4.0)
    >>> loss = criterion(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]]))
    >>> round(float(loss), 3)
    0.282
    """

    def __init__(
        self,
        epsilon: float | Tensor = 1.0,
        *,
        k: int | None = None,
        regularization: RankRegularization = "quadratic",
    ) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.k = k
        self.regularization = regularization

    def forward(
        self,
        scores: Tensor,
        relevance: Numbers[Tensor],
        sample_weight: Numbers[Tensor] | None = None,
    ) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        scores : torch.Tensor of shape (n_rows, n_labels)
            As for `ndcg_loss`.
        relevance : array-like of shape (n_rows, n_labels)
            As for `ndcg_loss`.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        loss : torch.Tensor of shape ()
            The weighted mean.
        """
        return ndcg_loss(
            scores,
            relevance,
            self.epsilon,
            k=self.k,
            regularization=self.regularization,
            sample_weight=sample_weight,
        )


class TopKLoss(_Loss):
    """`topk_loss` as a module.

    Parameters
    ----------
    k : int or dict of int to float, default=1
        As for `topk_loss`.
    epsilon : float or torch.Tensor of shape (), default=1.0
        As for `topk_loss`. A parameter is learned, and raises once it falls below
        0: better learn its logarithm, with ``log_epsilon.exp()`` for `topk_loss`.
    operator : {"quadratic", "entropic", "kl"}, default="quadratic"
        As for `topk_loss`.
    growth : {"linear", "bounded"}, default="linear"
        As for `topk_loss`.
    squashing : {"logistic"} or None, default=None
        As for `topk_loss`.

    See Also
    --------
    topk_loss : The function.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import TopKLoss
    >>> criterion = TopKLoss(k=1)
    >>> float(criterion(torch.tensor([[0.5, 0.0, 3.0]]), torch.tensor([0])))
    1.25
    """

    def __init__(
        self,
        k: int | dict[int, float] = 1,
        epsilon: float | Tensor = 1.0,
        *,
        operator: RankRegularization = "quadratic",
        growth: Growth = "linear",
        squashing: TopKSquashing | None = None,
    ) -> None:
        super().__init__()
        self.k = k
        self.epsilon = epsilon
        self.operator = operator
        self.growth = growth
        self.squashing = squashing

    def forward(
        self,
        scores: Tensor,
        labels: Numbers[Tensor],
        sample_weight: Numbers[Tensor] | None = None,
    ) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        scores : torch.Tensor of shape (n_rows, n_classes)
            As for `topk_loss`.
        labels : array-like of shape (n_rows,)
            As for `topk_loss`.
        sample_weight : array-like of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        loss : torch.Tensor of shape ()
            The weighted mean.
        """
        return topk_loss(
            scores,
            labels,
            self.k,
            self.epsilon,
            operator=self.operator,
            growth=self.growth,
            squashing=self.squashing,
            sample_weight=sample_weight,
        )


class TrimmedLoss(_Loss):
    """`trimmed_loss` as a module.

    Parameters
    ----------
    n_kept : float
        As for `trimmed_loss`.
    epsilon : float or torch.Tensor of shape ()
        As for `trimmed_loss`. A parameter is learned, and raises once it falls below
        0: better learn its logarithm, with ``log_epsilon.exp()`` for `trimmed_loss`.

    See Also
    --------
    trimmed_loss : The function.

    Examples
    --------
    >>> import torch
    >>> from sksoftrank.torch import TrimmedLoss
    >>> criterion = TrimmedLoss(n_kept=2, epsilon=0)
    >>> float(criterion(torch.tensor([0.0, 1.0, 2.0, 1000.0])))
    0.5
    """

    def __init__(self, n_kept: float, epsilon: float | Tensor) -> None:
        super().__init__()
        self.n_kept = n_kept
        self.epsilon = epsilon

    def forward(
        self, losses: Tensor, sample_weight: Numbers[Tensor] | None = None
    ) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        losses : torch.Tensor of shape (n,)
            As for `trimmed_loss`.
        sample_weight : array-like of shape (n,), default=None
            Weights of the losses.

        Returns
        -------
        loss : torch.Tensor of shape ()
            The weighted mean.
        """
        return trimmed_loss(losses, self.n_kept, self.epsilon, sample_weight)
