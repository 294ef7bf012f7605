"""Soft ranks and sorts of ordinary tensors straight from the compiled kernel.

The first derivative is the kernel's product with the Jacobian; derivatives of it, and
all transformations, go through the formulas.
"""

# The documentation is built without the framework, of which types are mocks then.
from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from .._autodiff import _blocks, _structure
from .._checks import KINDS
from .._isotonic import AVERAGE, COVARIANCE, DEVIATION, pool_product_rows
from ..operators._rows import SolvedRows, solve_rows

PLAIN = (Tensor, torch.nn.Parameter)
STRIDED, FLOAT64 = torch.strided, torch.float64
TYPES = (FLOAT64, torch.float32)
NUMBERS = (float, int, np.float64)
SORT_KINDS = {name: KINDS[name] for name in ("quadratic", "entropic")}
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
        and tensor.layout is STRIDED
        and not _transforms_are_active()
        and _n_modes() == 0
    )


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
        and type(epsilon) in NUMBERS
        and 0 <= epsilon < math.inf
        and is_straight is False
        and (descending is False or descending is True)
        and type(axis) is int
        and type(regularization) is type(nan_policy) is str
        and nan_policy == "raise"
        and getattr(forward_ad, "_current_level", 0) < 0
    ):
        return None
    kind = (SORT_KINDS if is_sort else KINDS).get(regularization)
    shape = values.shape
    if (
        kind is None
        or not shape
        or not (axis == -1 or axis == len(shape) - 1)
        or values.dtype not in TYPES
        or values.numel() == 0
    ):
        return None
    try:
        rows = _as_rows(values.detach().numpy())
    except RuntimeError:  # a view of other numbers
        return None
    epsilon = float(epsilon)
    # As in `soft_rank` and `soft_sort`.
    sign = 1.0 if is_sort is descending else -1.0
    if is_sort and epsilon == 0:
        kind = KINDS["quadratic"]
    keep = values.requires_grad and torch.is_grad_enabled()
    solved = solve_rows(
        rows, epsilon, kind, sign, is_sort=is_sort, keep=keep, n_jobs=n_jobs
    )
    if solved is None or solved.has_infinite:
        return None
    out = solved.out if len(shape) == 2 else solved.out.reshape(shape)
    if not keep:
        return torch.from_numpy(out)
    order, pools, weights = solved.order, solved.pools, solved.weights
    if is_sort:
        product = None, order, pools, weights, AVERAGE, 1.0
    else:
        matrix = COVARIANCE if regularization == "kl" else DEVIATION
        product = order, order, pools, weights, matrix, sign * epsilon or 1.0
    formula = xp, epsilon, regularization, descending, is_sort, solved
    return _Kernel.apply(values, (out, product, formula))


def _as_rows(array: np.ndarray) -> np.ndarray:
    if array.ndim != 2:
        array = array.reshape(-1, array.shape[-1])
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


class _Kernel(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, plan: tuple[Any, ...]) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(values)
        return torch.from_numpy(plan[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        _, product, formula = ctx.plan
        dtype, shape = gradient.dtype, gradient.shape
        rows = None if torch.is_grad_enabled() else _rows_or_none(gradient)
        if rows is None:
            (values,) = ctx.saved_tensors
            return _pull_by_formula(values, gradient, *formula), None
        out = np.empty(rows.shape)
        input_order, output_order, pools, weights, matrix, divisor = product
        pool_product_rows(
            rows,
            input_order,
            output_order,
            pools,
            weights,
            matrix,
            True,
            divisor,
            out,
        )
        pulled = torch.from_numpy(out if len(shape) == 2 else out.reshape(shape))
        return pulled if dtype is FLOAT64 else pulled.to(dtype), None


def _rows_or_none(gradient: Tensor) -> np.ndarray | None:
    """The gradient as rows of doubles, or None where it is no ordinary tensor."""
    if not is_plain(gradient):
        return None
    wide = gradient if gradient.dtype is FLOAT64 else gradient.double()
    try:
        return _as_rows(wide.numpy())
    except RuntimeError:  # a batch of `is_grads_batched`
        return None


def _pull_by_formula(
    values: Tensor,
    gradient: Tensor,
    xp: Any,
    epsilon: float,
    regularization: str,
    descending: bool,
    is_sort: bool,
    solved: SolvedRows,
) -> Tensor:
    """The product that has derivatives of its own."""
    rows = _as_rows(values.detach().numpy())
    found = _structure.solved_blocks(rows, solved, epsilon, is_sort)
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
