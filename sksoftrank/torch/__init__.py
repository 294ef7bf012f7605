"""The operators and losses for PyTorch, with every derivative and transformation.

Names, arguments and values are those of `sksoftrank` and ``sksoftrank.losses``; tensors
of any floating type, shape and device come in, and the like go out. The order and the
blocks of a result are found on the CPU, its value is a formula of them in PyTorch.
"""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as _error:
    raise ImportError(
        "sksoftrank.torch needs PyTorch: pip install 'sksoftrank[torch]'."
    ) from _error

from ._functions import (
    isotonic_projection,
    ndcg_loss,
    project_permutahedron,
    soft_median,
    soft_quantile,
    soft_quantile_normalize,
    soft_rank,
    soft_sort,
    soft_sort_with,
    soft_topk,
    soft_topk_sort,
    soft_trimmed_mean,
    soft_winsorize,
    spearman_loss,
    topk_loss,
    trimmed_loss,
)
from ._modules import (
    NDCGLoss,
    SpearmanLoss,
    TopKLoss,
    TrimmedLoss,
)

__all__ = [
    "NDCGLoss",
    "SpearmanLoss",
    "TopKLoss",
    "TrimmedLoss",
    "isotonic_projection",
    "ndcg_loss",
    "project_permutahedron",
    "soft_median",
    "soft_quantile",
    "soft_quantile_normalize",
    "soft_rank",
    "soft_sort",
    "soft_sort_with",
    "soft_topk",
    "soft_topk_sort",
    "soft_trimmed_mean",
    "soft_winsorize",
    "spearman_loss",
    "topk_loss",
    "trimmed_loss",
]
