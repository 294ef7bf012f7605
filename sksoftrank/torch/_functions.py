"""The functions that PyTorch and JAX share, for tensors."""

from __future__ import annotations

from typing import Final

from torch import Tensor

from .._autodiff._binding import Binding
from .._autodiff._public_choices import Choices
from .._autodiff._public_locations import Locations
from .._autodiff._public_losses import Losses
from .._autodiff._public_projections import Projections
from .._autodiff._public_ranks import Ranks
from . import _backend

_function = Binding("sksoftrank.torch", Tensor, {})

_ranks = Ranks[Tensor](_backend)
soft_rank: Final = _function(_ranks.soft_rank)
soft_sort: Final = _function(_ranks.soft_sort)
soft_topk_sort: Final = _function(_ranks.soft_topk_sort)

_choices = Choices[Tensor](_backend)
soft_topk: Final = _function(_choices.soft_topk)
soft_sort_with: Final = _function(_choices.soft_sort_with)

_projections = Projections[Tensor](_backend)
isotonic_projection: Final = _function(_projections.isotonic_projection)
project_permutahedron: Final = _function(_projections.project_permutahedron)

_locations = Locations[Tensor](_backend)
soft_quantile: Final = _function(_locations.soft_quantile)
soft_median: Final = _function(_locations.soft_median)
soft_trimmed_mean: Final = _function(_locations.soft_trimmed_mean)
soft_winsorize: Final = _function(_locations.soft_winsorize)
soft_quantile_normalize: Final = _function(_locations.soft_quantile_normalize)

_losses = Losses[Tensor](_backend)
spearman_loss: Final = _function(_losses.spearman_loss)
ndcg_loss: Final = _function(_losses.ndcg_loss)
topk_loss: Final = _function(_losses.topk_loss)
trimmed_loss: Final = _function(_losses.trimmed_loss)
