"""Every figure and table of Zeiler & Fergus (2013) as a pipeline, and a microscope for any convnet and any photo."""

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zfpipe.microscope.microscope import Microscope

if find_spec("ruamel") is None:  # for example if `.venv/bin/dvc repro` runs the stages with the system's Python
    sys.exit(f"zfpipe: {sys.executable} has none of the packages; activate the environment: . .venv/bin/activate")

__all__ = ["Microscope"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, since torch takes seconds to import."""
    if name not in __all__:
        raise AttributeError(f"module 'zfpipe' has no attribute {name!r}")
    from zfpipe.microscope import microscope

    return getattr(microscope, name)
