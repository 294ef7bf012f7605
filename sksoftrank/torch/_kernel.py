"""Soft ranks and sorts of ordinary tensors straight from the compiled kernel.

The first derivative is the kernel's product with the Jacobian; derivatives of it, and
all transformations, go through the formulas.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from .. import _isotonic
from .._autodiff import _blocks, _structure
from .._checks import KINDS

PLAIN = (Tensor, torch.nn.Parameter)
TYPES = (torch.float32, torch.float64)
# PyTorch's own names for what it does around a call. Without them every call goes
# through the formulas, which are slower and as good.
_transforms_are_active = getattr(
    torch._C, "_are_functorch_transforms_active", lambda: True
)
_n_modes = getattr(torch._C, "_len_torch_dispatch_stack", lambda: 1)


def is_plain(tensor: Any) -> bool:
    """Whether the tensor is nothing but numbers in memory."""
    return (
        not torch.compiler.is_compiling()
        and type(tensor) in PLAIN
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and not _transforms_are_active()
        and _n_modes() == 0
    )


class _Task(NamedTuple):
    """A soft rank or sort along the last axis."""

    xp: Any
    epsilon: float
    is_sort: bool
    regularization: str
    descending: bool


def fast(
    xp: Any,
    values: Any,
    epsilon: Any,
    is_sort: bool,
    regularization: Any,
    axis: Any,
    descending: Any,
    nan_policy: Any,
    is_straight: Any,
    n_jobs: Any,
) -> Tensor | None:
    """Soft ranks or sorts, or None where the kernel can't, or an argument is wrong."""
    if not (
        is_plain(values)
        and type(epsilon) is float
        and 0 <= epsilon < math.inf
        and type(regularization) is type(nan_policy) is str
        and regularization in KINDS
        and not (is_sort and regularization == "kl")
        and nan_policy == "raise"
        and (descending is True or descending is False)
        and is_straight is False
        and type(axis) is int
        and values.ndim > 0
        and (axis == -1 or axis == values.ndim - 1)
        and values.dtype in TYPES
        and values.numel() > 0
        and getattr(forward_ad, "_current_level", 0) < 0
    ):
        return None
    has_gradient = values.requires_grad and torch.is_grad_enabled()
    try:
        array = values.detach().numpy()
        solved = _structure.solve_blocks(
            _as_rows(array),
            epsilon,
            KINDS[regularization],
            is_sort=is_sort,
            descending=descending,
            keep=has_gradient,
            n_jobs=n_jobs,
        )
    except (RuntimeError, TypeError, ValueError):  # a view of other numbers; NaN
        return None
    if not has_gradient:
        return torch.from_numpy(solved.out.reshape(array.shape))
    task = _Task(xp, epsilon, is_sort, regularization, descending)
    return _Kernel.apply(values, solved, task)


def _as_rows(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2 and array.flags.c_contiguous:
        return array
    return np.ascontiguousarray(array.reshape(-1, array.shape[-1]))


class _Kernel(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, solved: Any, task: _Task) -> Tensor:
        ctx.solved, ctx.task = solved, task
        ctx.save_for_backward(values)
        return torch.from_numpy(solved.out.reshape(values.shape))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        solved, task = ctx.solved, ctx.task
        rows = None if torch.is_grad_enabled() else _rows_or_none(gradient)
        if rows is None:
            (values,) = ctx.saved_tensors
            return _pull_by_formula(values, gradient, solved, task), None, None
        out = np.empty(rows.shape)
        if task.is_sort:
            matrix, divisor = _isotonic.AVERAGE, 1.0
        else:
            is_kl = task.regularization == "kl"
            matrix = _isotonic.COVARIANCE if is_kl else _isotonic.DEVIATION
            divisor = (-task.epsilon if task.descending else task.epsilon) or 1.0
        _isotonic.pool_product_rows(
            rows,
            None if task.is_sort else solved.order,
            solved.order,
            solved.pools,
            solved.weights,
            matrix,
            True,
            divisor,
            out,
        )
        pulled = torch.from_numpy(out.reshape(gradient.shape))
        if gradient.dtype is not torch.float64:
            pulled = pulled.to(gradient.dtype)
        return pulled, None, None


def _rows_or_none(gradient: Tensor) -> np.ndarray | None:
    """The gradient as rows of doubles, or None where it is no ordinary tensor."""
    if not is_plain(gradient):
        return None
    try:
        rows = _as_rows(gradient.numpy())
    except RuntimeError:  # a batch of `is_grads_batched`
        return None
    return rows if rows.dtype == np.float64 else rows.astype(np.float64)


def _pull_by_formula(
    values: Tensor, gradient: Tensor, solved: Any, task: _Task
) -> Tensor:
    """The product that has derivatives of its own."""
    rows = _as_rows(values.detach().numpy())
    found = _structure.solved_blocks(rows, solved, task.epsilon, task.is_sort)
    order, first = (torch.from_numpy(a).reshape(values.shape) for a in found)
    formula = _blocks.sorted_values if task.is_sort else _blocks.ranks
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        result = formula(
            task.xp,
            values,
            order,
            first,
            _blocks.Strength(task.xp, task.epsilon),
            task.regularization,
            descending=task.descending,
        )
        (pulled,) = torch.autograd.grad(
            result, values, gradient, create_graph=create_graph
        )
    return pulled
