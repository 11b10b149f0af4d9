"""What a stage's process writes, as plain lines: to tell DVC's from its own, for the log and for the board."""

import codecs
import os
import pty
import re
import termios
from collections.abc import Iterator
from contextlib import suppress

CODES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[@-Z\\-_]?|[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]"
)
"""ANSI's codes and control characters other than tab, newline and carriage return."""
BAR = re.compile(r"(?:(.*?): *)?(\d+)%\|[^|]*\|\s*(.*)")
"""A progress bar as tqdm draws it: title, per cent, counts and times."""
DVC = re.compile(
    r"Running stage '|> |(Updating|Generating) lock file|Use `dvc push`|To track the changes with git, run:|\tgit add "
    r"|To enable auto staging, run:|\tdvc config core.autostage|(Stage )?'.*' didn't change, skipping"
    r"|Stage '.*' is cached - skipping run|Data and pipelines are up to date|Verifying |Waiting to acquire lock"
    r"|WARNING: 'models/.*/snapshots' is empty"  # of a run that asks for none
)
"""How DVC's own lines begin that are of no use to someone who runs everything."""
CACHED = re.compile(r"Stage '.*' is cached - skipping run")
"""What DVC says when it takes a stage's outs out of its cache instead of running the stage."""


def channel(terminal: bool) -> tuple[int, int]:
    """Two ends to read from and to write to; to those that write it is a terminal where progress is wanted."""
    if not terminal:
        return os.pipe()
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    return ours, theirs


def lines(end: int) -> Iterator[tuple[str, bool]]:
    """What is written to a channel: each line when it is whole (True), and what a line shows before that (False)."""
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    rest = ""
    with suppress(OSError):  # so a terminal says that nobody writes to it any more
        while chunk := os.read(end, 1 << 16):
            *whole, rest = (rest + decode(chunk)).split("\n")
            yield from ((shown(line), True) for line in whole)
            if "\r" in rest:  # a bar is drawn again and again, for hours
                before, _, last = rest.rpartition("\r")
                rest = f"{shown(before)}\r{last}"
            if now := shown(rest).strip():
                yield now, False
    if rest:
        yield shown(rest), True


def shown(line: str) -> str:
    """What one sees of a line: without codes, and what follows a carriage return written over what was there."""
    text = ""
    for part in CODES.sub("", line).split("\r"):
        text = part + text[len(part) :]
    return text.rstrip()


def own(line: str) -> bool:
    """Whether a line says something and is not one of DVC's."""
    return bool(line.strip()) and not DVC.match(line)
