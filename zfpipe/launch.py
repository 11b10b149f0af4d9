"""Stages sent to a cluster: the environment variable ZFPIPE_LAUNCH, such as `srun --gpus=1`, goes before the command.

Plumbing of no stage: where a stage runs is not part of its command in dvc.yaml.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence

from zfpipe.errors import UserError

VARIABLE = "ZFPIPE_LAUNCH"
SENT = "ZFPIPE_SENT"
"""Set in a process that was sent: the launcher that waits for it holds the stage's lock."""


def prefix() -> list[str]:
    """The words of ZFPIPE_LAUNCH; none where it is not set. Raises UserError where they can't be told apart."""
    text = os.environ.get(VARIABLE, "")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(f"{VARIABLE} = {text}; must be a command such as srun --gpus=1: {error}") from None


def check(words: Sequence[str]) -> None:
    """Raises UserError where the launcher is not a program that can be run."""
    if shutil.which(words[0]) is None:
        raise UserError(f"{VARIABLE} = {shlex.join(words)}; no program {words[0]} here; give one, or unset {VARIABLE}")


def sent() -> bool:
    """Whether this process was sent by another that holds the stage's lock."""
    return SENT in os.environ


def launch() -> None:
    """Where ZFPIPE_LAUNCH is set, puts the launcher in the place of this process; it runs the same stage.

    The launcher keeps this process's number and locks, so that it gets what is sent to the stage, Ctrl-C for example,
    and its status is the stage's.
    """
    words = prefix()
    if not words or "RANK" in os.environ:  # what torchrun starts runs where it is
        return
    check(words)
    script = sys.modules["__main__"].__spec__
    assert script is not None, "a stage runs as python -m stages.NAME"
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE} | {SENT: "1"}
    sys.stdout.flush()
    os.execvpe(words[0], [*words, sys.executable, "-m", script.name, *sys.argv[1:]], environment)
