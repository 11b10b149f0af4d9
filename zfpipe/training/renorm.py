"""Filter renormalisation: keeps a few convolution filters from dominating (section 3, Fig. 6a)."""

import torch
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def renormalise(filters: Float[Tensor, "map map_in y x"], radius: float) -> None:
    """Scales every filter whose RMS exceeds `radius` back to `radius`, in place."""
    rms = filters.square().mean((1, 2, 3), keepdim=True).sqrt()
    filters.mul_((radius / rms).clamp(max=1.0))
