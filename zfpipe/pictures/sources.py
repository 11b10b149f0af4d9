"""Every kind of image set by its name in `pictures.source`, each read where it lies."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from zfpipe.params import Pictures
from zfpipe.pictures import folder
from zfpipe.pictures.index import Entry


class Source(Protocol):
    """Finds every image of a set, training first; labels count the class names in their order.

    Raises UserError, in one line, when the layout below `root` is not as expected.
    """

    def __call__(self, root: Path, settings: Pictures) -> Iterable[Entry]:
        """The images below `root`."""
        ...


SOURCES: dict[str, Source] = {
    "folder": folder.entries,
}
