"""Every figure and table of Zeiler & Fergus (2013) as a pipeline, and a microscope for any convnet and any photo."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zfpipe.microscope.microscope import Microscope

__all__ = ["Microscope"]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is used first: torch takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module 'zfpipe' has no attribute {name!r}")
    from zfpipe.microscope import microscope

    return getattr(microscope, name)
