"""Receptive fields, computed exactly from the filters and pools below a unit."""

from dataclasses import dataclass

from zfpipe.network.architecture import Conv, Outline


@dataclass(frozen=True)
class ReceptiveField:
    """The windows of a layer's units along one axis, in pixels of the crop.

    Unit `i` looks at the pixels from `start + i * jump` up to, but not including, `start + i * jump + size`. The unit
    sees only pixels from 0 up to, but not including, `seen`: padding lies before 0, and no filter reaches the last
    pixels of a crop if the strides leave a remainder.
    """

    start: int
    size: int
    jump: int
    seen: int

    def span(self, unit: int) -> tuple[int, int]:
        """Return a unit's first pixel and one beyond the last; both may lie outside the crop."""
        first = self.start + unit * self.jump
        return first, first + self.size

    def visible(self, unit: int) -> tuple[int, int]:
        """Return the part of `span` that the unit sees."""
        first, last = self.span(unit)
        return max(first, 0), min(last, self.seen)


def receptive_field(architecture: Outline, layer: int) -> ReceptiveField:
    """Return the receptive field of a unit in a layer's rectified map, before the layer's own pooling.

    Raises ValueError for a layer that the network does not have.
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
