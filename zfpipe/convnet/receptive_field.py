"""Which pixels a unit can see: exact arithmetic over the filters and pools below it."""

from dataclasses import dataclass

from zfpipe.convnet.architecture import POOL_SIZE, POOL_STRIDE, Architecture


@dataclass(frozen=True)
class ReceptiveField:
    """The windows of one layer's units along one axis, in pixels of the crop.

    Unit `i` sees pixels `start + i * jump` up to but not including `start + i * jump + size`; padding
    lets that reach beyond the crop's border.
    """

    start: int
    size: int
    jump: int

    def span(self, unit: int) -> tuple[int, int]:
        """First pixel seen and the one after the last."""
        first = self.start + unit * self.jump
        return first, first + self.size


def receptive_field(architecture: Architecture, layer: int) -> ReceptiveField:
    """The receptive field of a unit in a layer's rectified map, before that layer's own pooling.

    Raises ValueError for a layer the network does not have.
    """
    start, size, jump = 0, 1, 1
    for conv in architecture.convs:
        start -= conv.padding * jump
        size += (conv.filter_size - 1) * jump
        jump *= conv.stride
        if conv.layer == layer:
            return ReceptiveField(start, size, jump)
        if conv.pooled:
            size += (POOL_SIZE - 1) * jump
            jump *= POOL_STRIDE
    raise ValueError(f"the network has no convolution layer {layer}")
