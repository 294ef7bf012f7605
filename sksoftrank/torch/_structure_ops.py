"""The structure of operators as custom operators of PyTorch.

They give integers and thresholds, which have no derivatives, on the device of the
values; only they and the values move. `vmap` adds a leading axis to all tensors.
Ordinary tensors are spared the operators: the first call of one imports torch._dynamo,
which takes seconds.
"""

from typing import Any

import torch

from .._autodiff import _structure
from .._checks import KINDS
from ._kernel import is_plain

# The function of each operator.
_functions: dict[Any, Any] = {}


def call(operator, *arguments):
    """The results of an operator, without it where nothing follows operations."""
    # The kernel needs the numbers of all tensors.
    for argument in arguments:
        if isinstance(argument, torch.Tensor) and not is_plain(argument):
            return operator(*arguments)
    return _functions[operator](*arguments)


def _to_numpy(tensor):
    """A tensor of any device as an array, float32 where NumPy lacks the type."""
    if tensor is None:
        return None
    tensor = tensor.detach().resolve_neg()
    if tensor.dtype not in (torch.float32, torch.float64):
        tensor = tensor.float()
    return tensor.cpu().numpy()


def _operator(schema):
    """Makes a function a custom operator that follows `vmap`."""

    def make(function):
        name = f"sksoftrank::{function.__name__}"
        operator = torch.library.custom_op(
            name, function, mutates_args=(), schema=schema
        )
        _functions[operator] = function
        _follow_vmap(operator)
        return operator

    return make


def _follow_vmap(operator):
    @operator.register_vmap
    def batched(info, in_dims, *arguments):
        arguments = (
            _with_batch(argument, axis, info.batch_size)
            for argument, axis in zip(arguments, in_dims, strict=True)
        )
        results = operator(*arguments)
        is_one = isinstance(results, torch.Tensor)
        return results, 0 if is_one else (0,) * len(results)


def _with_batch(argument, axis, size):
    """A tensor with the axis of the batch first, repeated if it had none."""
    if not isinstance(argument, torch.Tensor):
        return argument
    if axis is None:
        return argument.expand(size, *argument.shape)
    return argument.movedim(axis, 0)


def _integers_like(values):
    return torch.empty(values.shape, dtype=torch.int64, device=values.device)


@_operator(
    "(Tensor values, Tensor epsilon, str regularization, bool is_sort, "
    "bool descending, bool omits_nan, int? n_jobs) -> (Tensor, Tensor)"
)
def blocks(values, epsilon, regularization, is_sort, descending, omits_nan, n_jobs):
    """Order and blocks of soft ranks and sorts, see `_structure.blocks`."""
    found = _structure.blocks(
        _to_numpy(values),
        _to_numpy(epsilon),
        kind=KINDS[regularization],
        is_sort=is_sort,
        descending=descending,
        omits_nan=omits_nan,
        n_jobs=n_jobs,
    )
    order, first = (torch.from_numpy(array).to(values.device) for array in found)
    return order, first


@blocks.register_fake
def _(values, epsilon, regularization, is_sort, descending, omits_nan, n_jobs):
    return _integers_like(values), _integers_like(values)


@_operator("(Tensor values, str name) -> Tensor")
def descending_order(values, name):
    """The order from the largest value to the smallest."""
    order = _structure.descending_order(_to_numpy(values), name)
    return torch.from_numpy(order).to(values.device)


@descending_order.register_fake
def _(values, name):
    return _integers_like(values)


@_operator("(Tensor s, Tensor w, str regularization, bool project) -> Tensor")
def isotonic_blocks(s, w, regularization, project):
    """Blocks of isotonic optimisation, see `_structure.isotonic_blocks`."""
    kind = KINDS[regularization]
    first = _structure.isotonic_blocks(
        _to_numpy(s), _to_numpy(w), kind=kind, project=project
    )
    return torch.from_numpy(first).to(s.device)


@isotonic_blocks.register_fake
def _(s, w, regularization, project):
    return _integers_like(s)


@_operator(
    "(Tensor values, Tensor? weights, Tensor mass, Tensor rest, Tensor epsilon, "
    "str regularization, str name, str demand) -> (Tensor, Tensor, Tensor)"
)
def choice(values, weights, mass, rest, epsilon, regularization, name, demand):
    """Regions and thresholds of a soft choice, see `_structure.choice`."""
    region, anchor, offset = _structure.choice(
        *map(_to_numpy, (values, weights, mass, rest, epsilon)),
        kind=KINDS[regularization],
        name=name,
        demand=demand,
    )
    anchor, offset = (
        torch.from_numpy(array).to(values.device, values.dtype)
        for array in (anchor, offset)
    )
    return torch.from_numpy(region).to(values.device), anchor, offset


@choice.register_fake
def _(values, weights, mass, rest, epsilon, regularization, name, demand):
    region = _integers_like(values)
    return (
        region,
        values.new_empty(values.shape[:-1]),
        values.new_empty(values.shape[:-1]),
    )
