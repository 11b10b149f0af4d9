"""A line of what `zfpipe check` prints."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether a run can succeed with it, what was found."""

    what: str
    state: Literal["ok", "note", "fails"]
    found: str
