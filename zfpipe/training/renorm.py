"""Filter renormalisation: keeps a few convolution filters from dominating (section 3, Fig. 6a)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def renormalise(layers: Sequence[Float[Tensor, "_ _ _ _"]], radius: float) -> None:
    """Scale filters `(map, map_in, y, x)` of some layers whose RMS exceeds `radius` back to `radius`, in place."""
    for filters in layers:
        rms = torch.linalg.vector_norm(filters, dim=(1, 2, 3), keepdim=True) / math.sqrt(filters[0].numel())
        filters.mul_((radius / rms).clamp(max=1.0))
