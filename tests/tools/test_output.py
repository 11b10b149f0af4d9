"""Test the output of a stage's process, as plain lines."""

import os
import subprocess
import sys

import pytest

from zfpipe.tools.output import channel, lines, own, shown

BAR = """
import select, sys
from tqdm import tqdm
print("before", flush=True)
with tqdm(total=3, desc="images", leave=False, disable=None, mininterval=0) as bar:
    bar.update(3)
    select.select([sys.stdin], [], [], 20)  # the bar is erased only after it is read
print("after\\tall")
"""


def said(terminal: bool, script: str) -> list[tuple[str, bool]]:
    ours, theirs = channel(terminal)
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert process.stdin is not None
    found = []
    for line, whole in lines(ours):
        found.append((line, whole))
        if "3/3" in line or not terminal:
            process.stdin.close()
    os.close(ours)
    assert process.wait() == 0
    return found


def test_a_bar_is_seen_and_leaves_no_line() -> None:
    found = said(True, BAR)
    assert [line for line, whole in found if whole] == ["before", "after\tall"]
    assert any(line.startswith("images: ") and "3/3" in line for line, whole in found if not whole)
    assert [line for line, whole in said(False, BAR) if whole] == ["before", "after\tall"]


def test_a_line_in_parts_and_a_line_without_an_end_are_whole() -> None:
    script = """
import os, time
for part in ("one \\u20ac".encode()[:5], "one \\u20ac".encode()[5:], b" line\\nno", b" end", b"\\xff"):
    os.write(1, part)
    time.sleep(0.05)
"""
    assert [line for line, whole in said(False, script) if whole] == ["one € line", "no end�"]


def test_a_bar_that_is_drawn_for_long_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    chunks = [b"\r%06d" % number for number in range(1000)] + [b"\r      \rdone\n", b""]
    monkeypatch.setattr(os, "read", lambda *_: chunks.pop(0))
    monkeypatch.setattr("zfpipe.tools.output.shown", lambda line: sizes.append(len(line)) or shown(line))
    found = [line for line, whole in lines(0) if whole]
    assert found == ["done"]
    assert max(sizes) < 50


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("plain\r", "plain"),
        ("\x1b[33mWARNING\x1b[39m: mind", "WARNING: mind"),
        ("\x1b]0;title\x07text", "text"),
        ("half a code\x1b[3", "half a code"),
        ("bell\x07\x00", "bell"),
        (" 10%|#   |\r 20%|##  |\r          \rdone", "done"),
        ("longer\rshort", "shortr"),
    ],
)
def test_a_line_is_what_a_terminal_shows(line: str, expected: str) -> None:
    assert shown(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Running stage 'train@zfnet':",
        "> python -m stages.train zfnet",
        "Updating lock file 'dvc.lock'",
        "Use `dvc push` to send your updates to remote storage.",
        "\tgit add dvc.lock",
        "\tdvc config core.autostage true",
        "Stage 'train@zfnet' is cached - skipping run, checking out outputs",
        "WARNING: 'models/zfnet-seed1/snapshots' is empty.",
    ],
)
def test_lines_of_dvc_are_not_the_stages_own(line: str) -> None:
    assert not own(line)


def test_other_lines_are_the_stages_own() -> None:
    assert own("epoch 1/7: loss 2") and own("WARNING: 'x' is empty.") and own("    raise ValueError")
