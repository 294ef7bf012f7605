"""What the formulas need from PyTorch; this module is their `xp`."""

# The documentation is built without the framework, of which types are mocks then.
from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import (  # noqa: F401
    Tensor,
    abs,
    broadcast_to,
    ceil,
    clip,
    exp,
    expm1,
    isinf,
    isnan,
    log,
    log1p,
    matmul,
    ones_like,
    reshape,
    sigmoid,
    sign,
    where,
    zeros_like,
)

from .._autodiff._arguments import check_label_range, is_list_of_arrays
from .._checks import nonfinite_error
from .._sklearn import refuse_masked
from . import _structure_ops
from ._kernel import fast as fast_by_kernel
from ._kernel import is_plain

_this = sys.modules[__name__]
# Ranks or sorts from the kernel, or None where it can't.
fast = partial(fast_by_kernel, _this)
quantile_example = "torch.distributions.Normal(0.0, 1.0).icdf"


def is_array(x: Any) -> bool:
    """Whether `x` is a tensor."""
    return isinstance(x, torch.Tensor)


def check_floats(x: Any, name: str) -> Tensor:
    """Return a tensor of floats, or say what is wrong with it."""
    if not is_array(x):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(x).__name__}.")
    if not x.is_floating_point():
        raise TypeError(
            f"{name} must be a tensor of real floats, got {x.dtype}; convert integers "
            f"with .float() or .double()."
        )
    return x


def check_values(x: Any, name: str) -> Tensor:
    """Return a dense tensor of floats with an axis, or say what is wrong with it."""
    check_floats(x, name)
    if x.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor, got {x.layout}.")
    if x.ndim == 0:
        raise ValueError(f"{name} must have at least one dimension, got shape ().")
    return x


def known(x: Tensor) -> Any:
    """The numbers of a tensor for NumPy, or None where they may not be looked at."""
    if not is_plain(x):
        return None
    x = x.detach().resolve_neg()
    return (x if x.dtype != torch.bfloat16 else x.float()).numpy()


def check_labels(labels: Any, name: str, n_rows: int, n_classes: int) -> Tensor:
    """Return columns of the true classes, or say what is wrong with them."""
    if not is_array(labels):  # which a compiler traces
        refuse_masked(labels, name)
    labels = torch.as_tensor(labels)
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"{name} must be integers, got dtype {labels.dtype}.")
    check_label_range(labels, name, n_rows, n_classes, known(labels))
    return labels.to(torch.int64)


def check_finite(x: Tensor, name: str) -> None:
    """Raise if a tensor is not finite, as far as its values are known."""
    if is_plain(x) and not bool(torch.isfinite(x).all()):
        raise nonfinite_error(x.detach().double().numpy(), name)


def as_floats(x: Any, name: str, like: Tensor) -> Tensor:
    """Any array or tensor of real numbers in the type of another tensor."""
    if not is_array(x):
        refuse_masked(x, name)
    try:
        if is_list_of_arrays(_this, x):  # which may have derivatives
            x = torch.stack([as_floats(part, name, like) for part in x])
        # Of Python's numbers PyTorch keeps 32 bits, unless it is told.
        x = torch.as_tensor(x, dtype=None if hasattr(x, "dtype") else like.dtype)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise TypeError(f"{name} must be an array of real numbers: {error}") from error
    if x.is_complex():
        raise TypeError(f"{name} must hold real numbers, got {x.dtype}.")
    return x.to(device=like.device, dtype=like.dtype)


def result_type(*arrays: Tensor) -> torch.dtype:
    """The floating type that holds all arrays."""
    dtype = arrays[0].dtype
    for array in arrays[1:]:
        dtype = torch.promote_types(dtype, array.dtype)
    return dtype


def wide_type(dtype: torch.dtype) -> torch.dtype:
    """The type in which to compute: of 32 bits or more."""
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32


def astype(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor in another type."""
    return x if x.dtype == dtype else x.to(dtype)


def cast(x: Tensor, like: Tensor) -> Tensor:
    """The tensor in the type of another."""
    return x.to(like.dtype)


def eps(x: Tensor) -> float:
    """The relative spacing of floats in the type of a tensor."""
    return torch.finfo(x.dtype).eps


def tiny(x: Tensor) -> float:
    """The smallest normal number in the type of a tensor."""
    return torch.finfo(x.dtype).tiny


def detach(x: Tensor) -> Tensor:
    """The tensor as a constant."""
    return x.detach()


def places(like: Tensor) -> Tensor:
    """0, ..., n - 1 for a last axis of length n."""
    return torch.arange(like.shape[-1], dtype=like.dtype, device=like.device)


def moveaxis(x: Tensor, source: int, destination: int) -> Tensor:
    """Move an axis; `torch.moveaxis` has no rule for vmap."""
    return torch.movedim(x, source, destination)


def stack(arrays: Iterable[Tensor]) -> Tensor:
    """Along a new first axis."""
    return torch.stack(list(arrays))


def concat(arrays: Iterable[Tensor]) -> Tensor:
    """Along the first axis."""
    return torch.cat(list(arrays))


def sum(x: Tensor) -> Tensor:
    """Along the last axis, which is kept."""
    return torch.sum(x, dim=-1, keepdim=True)


def all(x: Tensor) -> Tensor:
    """Along the last axis, which is kept."""
    return torch.all(x, dim=-1, keepdim=True)


def max(x: Tensor) -> Tensor:
    """Along the last axis, which is kept."""
    return torch.amax(x, dim=-1, keepdim=True)


def any_last(x: Tensor) -> Tensor:
    """Along the last axis, which is kept."""
    return torch.any(x, dim=-1, keepdim=True)


def any_first(x: Tensor) -> Tensor:
    """Along the first axis."""
    return torch.any(x, dim=0)


def sort(x: Tensor) -> Tensor:
    """Along the last axis, smallest first."""
    return torch.sort(x, dim=-1).values


def gather(x: Tensor, index: Tensor) -> Tensor:
    """What stands at the indices along the last axis."""
    return torch.gather(x, -1, index)


def take(x: Tensor, index: Tensor) -> Tensor:
    """What stands at indices of any shape, given as floats, in a 1-D tensor."""
    return x[index.to(torch.int64)]


def scatter(x: Tensor, index: Tensor) -> Tensor:
    """The inverse of `gather` by a permutation."""
    return torch.zeros_like(x).scatter(-1, index, x)


def dot(x: Tensor, y: Tensor) -> Tensor:
    """The sum of products of all entries."""
    return torch.sum(x * y)


def block_sum(x: Tensor, first: Tensor) -> Tensor:
    """Sums over blocks, each given to all its places."""
    return gather(torch.zeros_like(x).scatter_add(-1, first, x), first)


def block_max(x: Tensor, first: Tensor) -> Tensor:
    """Maxima over blocks, each given to all its places, as constants."""
    x = x.detach()
    lowest = torch.full_like(x, -torch.inf)
    return gather(lowest.scatter_reduce(-1, first, x, reduce="amax"), first)


def _constant(epsilon: Any) -> Tensor:
    if is_array(epsilon):
        return epsilon.detach()
    return torch.tensor(epsilon, dtype=torch.float64)


def blocks(
    x: Tensor,
    epsilon: Any,
    regularization: str,
    is_sort: bool,
    descending: bool,
    omits_nan: bool,
    n_jobs: int | None,
) -> tuple[Tensor, Tensor]:
    """See `_structure.blocks`."""
    return _structure_ops.call(
        _structure_ops.blocks,
        x.detach(),
        _constant(epsilon),
        regularization,
        is_sort,
        descending,
        omits_nan,
        n_jobs,
    )


def descending_order(x: Tensor, name: str) -> Tensor:
    """See `_structure.descending_order`."""
    return _structure_ops.call(_structure_ops.descending_order, x.detach(), name)


def isotonic_blocks(
    s: Tensor, w: Tensor, regularization: str, *, project: bool
) -> Tensor:
    """See `_structure.isotonic_blocks`."""
    return _structure_ops.call(
        _structure_ops.isotonic_blocks, s.detach(), w.detach(), regularization, project
    )


def choice(
    values: Tensor,
    weights: Tensor | None,
    mass: Tensor,
    rest: Tensor,
    epsilon: Any,
    regularization: str,
    name: str,
    demand: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `_structure.choice`."""
    return _structure_ops.call(
        _structure_ops.choice,
        values.detach(),
        None if weights is None else weights.detach(),
        mass.detach(),
        rest.detach(),
        _constant(epsilon),
        regularization,
        name,
        demand,
    )
