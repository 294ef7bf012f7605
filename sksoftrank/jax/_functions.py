"""The functions that PyTorch and JAX share, for its arrays."""

from __future__ import annotations

from typing import Final

from jax import Array

from .._autodiff._binding import Binding
from .._autodiff._public_choices import Choices
from .._autodiff._public_locations import Locations
from .._autodiff._public_losses import Losses
from .._autodiff._public_projections import Projections
from .._autodiff._public_ranks import Ranks
from . import _backend

# Docstrings are written for PyTorch.
WORDS = {
    r"import torch\b": "from jax import numpy as jnp",
    r"torch\.tensor\(": "jnp.array(",
    r"torch\.Tensor": "jax.Array",
    r"torch\.distributions\.Normal\(0\.0, 1\.0\)\.icdf": "jax.scipy.stats.norm.ppf",
    r"sksoftrank\.torch": "sksoftrank.jax",
    r"\ba(\s+)tensor": r"an\1array",
    r"\bA(\s+)tensor": r"An\1array",
    r"\btensors": "arrays",
}

_function = Binding("sksoftrank.jax", Array, WORDS)

_ranks = Ranks[Array](_backend)
soft_rank: Final = _function(_ranks.soft_rank)
soft_sort: Final = _function(_ranks.soft_sort)
soft_topk_sort: Final = _function(_ranks.soft_topk_sort)

_choices = Choices[Array](_backend)
soft_topk: Final = _function(_choices.soft_topk)
soft_sort_with: Final = _function(_choices.soft_sort_with)

_projections = Projections[Array](_backend)
isotonic_projection: Final = _function(_projections.isotonic_projection)
project_permutahedron: Final = _function(_projections.project_permutahedron)

_locations = Locations[Array](_backend)
soft_quantile: Final = _function(_locations.soft_quantile)
soft_median: Final = _function(_locations.soft_median)
soft_trimmed_mean: Final = _function(_locations.soft_trimmed_mean)
soft_winsorize: Final = _function(_locations.soft_winsorize)
soft_quantile_normalize: Final = _function(_locations.soft_quantile_normalize)

_losses = Losses[Array](_backend)
spearman_loss: Final = _function(_losses.spearman_loss)
ndcg_loss: Final = _function(_losses.ndcg_loss)
topk_loss: Final = _function(_losses.topk_loss)
trimmed_loss: Final = _function(_losses.trimmed_loss)
