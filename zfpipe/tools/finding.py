"""One line that `zfpipe check` prints."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """The thing checked, whether a run can succeed with it, and what was found."""

    what: str
    state: Literal["ok", "note", "fails"]
    found: str
