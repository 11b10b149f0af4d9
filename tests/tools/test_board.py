"""Test what a run shows: plain lines, and a board that fits its window."""

import io
import sys

import pytest
from rich.console import Console

from zfpipe.tools.board import Board, Row, clock


@pytest.mark.parametrize(
    ("said", "text", "share"),
    [
        (["5000 images"], "5000 images", None),
        (["images:  45%|████▌     | 45/100 [00:03<00:04]"], "images 45/100 [00:03<00:04]", 0.45),
        (["epoch 1:  80%|████████  | 8/10 [00:03<00:04]"], "epoch 1 8/10 [00:03<00:04]", None),
        (["epoch 3/7: loss 2.1"], "epoch 3/7: loss 2.1", 3 / 7),
        (["epoch 3/7: loss 2.1", "epoch 4:  50%|#   | 5/10"], "epoch 4 5/10", 3.5 / 7),
        (["epoch 3/7: loss 2.1", "validation:  50%|#   | 5/10"], "validation 5/10", 3 / 7),
    ],
)
def test_lines_tell_how_far_a_stage_has_come(said: list[str], text: str, share: float | None) -> None:
    row = Row()
    for line in said:
        row.said(line)
    assert (row.text, row.share) == (text, share)


def screen(board: Board, width: int, height: int = 24) -> list[str]:
    """Return what a terminal of this size shows of a board."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    board.console = console
    with console.capture() as shown:
        console.print(board.render())
    return shown.get().splitlines()


@pytest.mark.parametrize("width", [30, 50, 80, 140])
def test_each_stage_has_one_line_in_any_window(width: int) -> None:
    board = Board(84)
    board.done = 31
    board.expect((540.5, False))
    for name in ("train@zfnet-unclipped", "train@zfnet"):
        board.started(name)
        board.said(name, f"[red]epoch 3/7[/red]: {'loss ' * 50}")
    shown = screen(board, width)
    assert len(shown) == 3
    assert all(len(line) <= width for line in shown)
    assert "31 of 84" in shown[0]
    if width == 140:
        assert shown[0].endswith("31 of 84 stages, 2 running, 0:00 so far, at least 9 min left")
        assert "train@zfnet-unclipped 0:00 [red]epoch 3/7[/red]: loss loss" in shown[1]


def test_without_a_terminal_lines_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    with Board(84) as board:
        board.started("train@zfnet")
        board.said("train@zfnet", "epoch 1/7")
        board.done = 31
        board.expect((540.5, True))
        board.ended("train@zfnet", "done in 84 s")
        board.started("mean")
        board.expect(None)
        board.ended("mean", f"failed after 2 s: {long}", ["why"])
    assert capsys.readouterr().out.splitlines() == [
        "train@zfnet: started",
        "train@zfnet: done in 84 s (31 of 84, about 9 min left)",
        "mean: started",
        f"mean: failed after 2 s: {long} (31 of 84)",
        "    why",
    ]


def test_lines_stay_above_the_board_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with Board(2) as board:
        board.started("one")
        board.live.refresh()
        board.ended("one", "done in 84 s")
    shown = capsys.readouterr().out
    assert "0 of 2 stages, 1 running" in shown and "one: done in 84 s (0 of 2)" in shown
    monkeypatch.setenv("TERM", "dumb")
    with Board(2) as board:
        board.started("one")
    assert capsys.readouterr().out == "one: started\n"


def test_a_late_run_has_no_estimate() -> None:
    board = Board(2)
    board.expect((-5, True))
    assert board.left() == []


def test_times_are_written_as_on_a_clock() -> None:
    assert [clock(seconds) for seconds in (5, 307, 7507)] == ["0:05", "5:07", "2:05:07"]
