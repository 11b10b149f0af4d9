"""Read what a stage's process prints as plain lines, and tell DVC's lines from the stage's own."""

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
    r"|WARNING: 'models/.*/snapshots' is empty"  # a run that keeps no snapshots
)
"""Start of DVC's own lines that a user of `zfpipe repro` does not need."""
CACHED = re.compile(r"Stage '.*' is cached - skipping run")
"""DVC's line if it restores a stage's outs from its cache instead of running the stage."""


def channel(terminal: bool) -> tuple[int, int]:
    """Return the file descriptors to read from and to write to; the writing end is a terminal if `terminal`."""
    if not terminal:
        return os.pipe()
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    return ours, theirs


def lines(end: int) -> Iterator[tuple[str, bool]]:
    """Yield the text written to a channel: each line when it is complete (True), and unfinished lines (False)."""
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    rest = ""
    with suppress(OSError):  # a terminal raises OSError when the last writer has closed it
        while chunk := os.read(end, 1 << 16):
            *whole, rest = (rest + decode(chunk)).split("\n")
            yield from ((shown(line), True) for line in whole)
            if "\r" in rest:  # a progress bar is redrawn for hours: drop its earlier states
                before, _, last = rest.rpartition("\r")
                rest = f"{shown(before)}\r{last}"
            if now := shown(rest).strip():
                yield now, False
    if rest:
        yield shown(rest), True


def shown(line: str) -> str:
    """Return a line as a terminal shows it: without codes, and overwritten after each carriage return."""
    text = ""
    for part in CODES.sub("", line).split("\r"):
        text = part + text[len(part) :]
    return text.rstrip()


def own(line: str) -> bool:
    """Return whether a line is not empty and not DVC's."""
    return bool(line.strip()) and not DVC.match(line)
