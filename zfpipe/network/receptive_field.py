"""Which pixels a unit can see: exact arithmetic over the filters and pools below it."""

from dataclasses import dataclass

from zfpipe.network.architecture import Conv, Outline


@dataclass(frozen=True)
class ReceptiveField:
    """The windows of one layer's units along one axis, in pixels of the crop.

    Unit `i` looks at pixels `start + i * jump` up to but not including `start + i * jump + size`. Of these it
    sees the ones from 0 up to `seen`: before 0 lies padding, and the last pixels of a crop are
    reached by no filter where a stride leaves a remainder.
    """

    start: int
    size: int
    jump: int
    seen: int

    def span(self, unit: int) -> tuple[int, int]:
        """First pixel of a unit's window and the one after the last; either may lie beyond the crop."""
        first = self.start + unit * self.jump
        return first, first + self.size

    def visible(self, unit: int) -> tuple[int, int]:
        """The part of `span` that the unit sees."""
        first, last = self.span(unit)
        return max(first, 0), min(last, self.seen)


def receptive_field(architecture: Outline, layer: int) -> ReceptiveField:
    """The receptive field of a unit in a layer's rectified map, before that layer's own pooling.

    Raises ValueError for a layer the network does not have.
    """
    start, size, jump, seen = 0, 1, 1, architecture.crop
    for conv in architecture.convs:
        if not isinstance(conv, Conv):
            if conv.layer == layer:
                return conv.field
            continue
        start -= conv.padding * jump
        size += (conv.filter_size - 1) * jump
        jump *= conv.stride
        seen = min(seen, start + (conv.map_size - 1) * jump + size)
        if conv.layer == layer:
            return ReceptiveField(start, size, jump, seen)
        if conv.pool:
            size += (conv.pool.size - 1) * jump
            jump *= conv.pool.stride
            seen = min(seen, start + (conv.size - 1) * jump + size)
    raise ValueError(f"the network has no convolution layer {layer}")
