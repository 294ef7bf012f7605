"""Soft ranks and sorts of ordinary tensors straight from the compiled kernel.

The first derivative is the kernel's product with the Jacobian; derivatives of it, and
all transformations, go through the formulas.
"""

import numpy as np
import torch
from torch.autograd import forward_ad

from .. import _isotonic
from .._autodiff import _blocks, _structure
from .._checks import KINDS

PLAIN = (torch.Tensor, torch.nn.Parameter)
# PyTorch's own names for what it does around a call. Without them every call goes
# through the formulas, which are slower and as good.
_transforms_are_active = getattr(
    torch._C, "_are_functorch_transforms_active", lambda: True
)
_n_modes = getattr(torch._C, "_len_torch_dispatch_stack", lambda: 1)


def is_plain(tensor):
    """Whether the tensor is nothing but numbers in memory."""
    return (
        type(tensor) in PLAIN
        and tensor.device.type == "cpu"
        and tensor.layout == torch.strided
        and not torch.compiler.is_compiling()
        and not _transforms_are_active()
        and _n_modes() == 0
    )


def fast(xp, values, epsilon, regularization, is_sort, descending):
    """Soft ranks or sorts along the last axis, or None where the kernel can't."""
    if (
        type(epsilon) is not float
        or not is_plain(values)
        or values.dtype not in (torch.float32, torch.float64)
        or values.numel() == 0
        or forward_ad.unpack_dual(values).tangent is not None
    ):
        return None
    if not (values.requires_grad and torch.is_grad_enabled()):
        solved = _solve(values, epsilon, regularization, is_sort, descending, False)
        return torch.from_numpy(solved.out).reshape(values.shape)
    return _Kernel.apply(values, xp, epsilon, regularization, is_sort, descending)


def _solve(values, epsilon, regularization, is_sort, descending, keep):
    array = values.detach().numpy()
    n = array.shape[-1]
    rows = np.ascontiguousarray(array.reshape(-1, n))
    return _structure.solve_blocks(
        rows,
        epsilon,
        KINDS[regularization],
        is_sort=is_sort,
        descending=descending,
        keep=keep,
    )


# The derivatives in what is no tensor.
NOTHING = (None,) * 5


class _Kernel(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, xp, epsilon, regularization, is_sort, descending):
        ctx.xp, options = xp, (epsilon, regularization, is_sort, descending)
        ctx.solved, ctx.options = _solve(values, *options, True), options
        ctx.save_for_backward(values)
        return torch.from_numpy(ctx.solved.out).reshape(values.shape)

    @staticmethod
    def backward(ctx, gradient):
        rows = None if torch.is_grad_enabled() else _rows_or_none(gradient)
        if rows is None:
            (values,) = ctx.saved_tensors
            return _pull_by_formula(values, gradient, ctx), *NOTHING
        epsilon, regularization, is_sort, descending = ctx.options
        solved, out = ctx.solved, np.empty(rows.shape)
        if is_sort:
            matrix, divisor = _isotonic.AVERAGE, 1.0
        else:
            is_kl = regularization == "kl"
            matrix = _isotonic.COVARIANCE if is_kl else _isotonic.DEVIATION
            divisor = (-epsilon if descending else epsilon) or 1.0
        _isotonic.pool_product_rows(
            rows,
            None if is_sort else solved.order,
            solved.order,
            solved.pools,
            solved.weights,
            matrix,
            True,
            divisor,
            out,
        )
        pulled = torch.from_numpy(out).reshape(gradient.shape).to(gradient.dtype)
        return pulled, *NOTHING


def _rows_or_none(gradient):
    """The gradient as rows of doubles, or None where it is no ordinary tensor."""
    if not is_plain(gradient):
        return None
    try:
        array = gradient.numpy()
    except RuntimeError:  # a batch of `is_grads_batched`
        return None
    rows = array.reshape(-1, array.shape[-1])
    return np.ascontiguousarray(rows, dtype=np.float64)


def _pull_by_formula(values, gradient, ctx):
    """The product that has derivatives of its own."""
    xp, (epsilon, regularization, is_sort, descending) = ctx.xp, ctx.options
    rows = values.detach().numpy().reshape(-1, values.shape[-1])
    found = _structure.solved_blocks(rows, ctx.solved, epsilon, is_sort)
    order, first = (torch.from_numpy(a).reshape(values.shape) for a in found)
    formula = _blocks.sorted_values if is_sort else _blocks.ranks
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        result = formula(
            xp,
            values,
            order,
            first,
            _blocks.Strength(xp, epsilon),
            regularization,
            descending=descending,
        )
        (pulled,) = torch.autograd.grad(
            result, values, gradient, create_graph=create_graph
        )
    return pulled
