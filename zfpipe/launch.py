"""Run stages on a cluster: ZFPIPE_LAUNCH, such as `srun --gpus=1`, is put before the command.

DVC does not track the launcher: it is not part of a stage's command in dvc.yaml.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence

from zfpipe.errors import UserError

VARIABLE = "ZFPIPE_LAUNCH"
SENT = "ZFPIPE_SENT"
"""Set in a process that a launcher started. The launcher holds the stage's lock."""


def prefix() -> list[str]:
    """Return the words of ZFPIPE_LAUNCH, or none if it is not set. Raises UserError if its quotes do not match."""
    text = os.environ.get(VARIABLE, "")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(f"{VARIABLE} = {text}; must be a command such as srun --gpus=1: {error}") from None


def check(words: Sequence[str]) -> None:
    """Raise UserError if the launcher is not a program that can be run."""
    if shutil.which(words[0]) is None:
        raise UserError(f"{VARIABLE} = {shlex.join(words)}; no program {words[0]} here; give one, or unset {VARIABLE}")


def sent() -> bool:
    """Return True if a launcher, which holds the stage's lock, started this process."""
    return SENT in os.environ


def launch() -> None:
    """Replace this process by the launcher, if ZFPIPE_LAUNCH is set. The launcher runs the same stage.

    The launcher keeps this process's number and locks. So it gets the stage's signals, such as Ctrl-C, and its exit
    status is the stage's.
    """
    words = prefix()
    if not words or "RANK" in os.environ:  # torchrun's processes run where they are started
        return
    check(words)
    script = sys.modules["__main__"].__spec__
    assert script is not None, "a stage runs as python -m stages.NAME"
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE} | {SENT: "1"}
    sys.stdout.flush()
    os.execvpe(words[0], [*words, sys.executable, "-m", script.name, *sys.argv[1:]], environment)
