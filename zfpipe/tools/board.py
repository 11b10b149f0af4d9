"""Show a run of many stages: a line when a stage starts or ends, and on a terminal the running stages below."""

import re
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from zfpipe.tools.estimate import words
from zfpipe.tools.output import BAR

EPOCH = re.compile(r"epoch (\d+)(?:/(\d+))?")
"""Start of training's lines and bars; lines at the end of an epoch include the number of all epochs."""


@dataclass
class Row:
    """A running stage: its start time, its last line, and its progress, if the stage reports progress."""

    start: float = field(default_factory=time.monotonic)
    text: str = ""
    share: float | None = None
    epochs: int | None = None

    def said(self, text: str) -> None:
        """Record a whole line, or an unfinished line."""
        bar, epoch = BAR.match(text), EPOCH.match(text)
        self.text = f"{bar[1] or ''} {bar[3]}".strip() if bar else text
        part = int(bar[2]) / 100 if bar else None
        if epoch and epoch[2]:
            self.epochs = int(epoch[2])
            self.share = int(epoch[1]) / self.epochs
        elif epoch and part is not None and self.epochs:
            self.share = (int(epoch[1]) - 1 + part) / self.epochs
        elif part is not None and not epoch and not self.epochs:
            self.share = part


class Board:
    """Show a run of `stages` stages."""

    def __init__(self, stages: int):
        self.stages = stages
        self.done = 0
        self.end: float | None = None
        """When the run will have ended, on the clock that `time.monotonic` reads."""
        self.exact = True
        """Whether that counts every stage that is left."""
        self.start = time.monotonic()
        self.running: dict[str, Row] = {}
        self.console = Console()
        self.terminal = sys.stdout.isatty() and not self.console.is_dumb_terminal
        self.live = Live(get_renderable=self.render, console=self.console, refresh_per_second=4, transient=True)
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        if self.terminal:
            self.stack.enter_context(self.live)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.running.clear()
        self.stack.close()

    def started(self, name: str) -> None:
        """Show that a stage has started."""
        self.running[name] = Row()
        if not self.terminal:
            self.line(f"{name}: started")

    def said(self, name: str, text: str) -> None:
        """Record a line, or a part of a line, that a stage has written."""
        self.running[name].said(text)

    def ended(self, name: str, how: str, output: Sequence[str] = ()) -> None:
        """Show how a stage has ended, and below that lines of its output."""
        del self.running[name]
        self.line(f"{name}: {how} ({', '.join([f'{self.done} of {self.stages}', *self.left()])})")
        for line in output:
            self.line(f"    {line}")

    def line(self, line: str) -> None:
        """Print a line above the running stages."""
        if self.terminal:
            self.console.print(Text(line), soft_wrap=True)
        else:
            print(line, flush=True)

    def expect(self, left: tuple[float, bool] | None) -> None:
        """Set how many seconds are left, and whether the times of all stages are known."""
        self.end, self.exact = (None, True) if left is None else (time.monotonic() + left[0], left[1])

    def left(self) -> list[str]:
        """Return the remaining time in words; empty if it is unknown, or if the run takes longer than expected."""
        seconds = 0.0 if self.end is None else self.end - time.monotonic()
        return [f"{'about' if self.exact else 'at least'} {words(seconds)} left"] if seconds >= 1 else []

    def render(self) -> RenderableType:
        """Return the board: a line for the run, which even a low window shows, and a line for each running stage."""
        elapsed = clock(time.monotonic() - self.start)
        running = list(self.running.items())
        head = Table.grid(padding=(0, 1))
        head.add_column()
        head.add_column(no_wrap=True, overflow="ellipsis")
        summary = [f"{self.done} of {self.stages} stages", f"{len(running)} running", f"{elapsed} so far", *self.left()]
        head.add_row(ProgressBar(self.stages, self.done, width=10), Text(", ".join(summary)))
        table = Table.grid(padding=(0, 1))
        table.width = self.console.width - 3  # room for the ^C that a terminal writes
        table.add_column(width=10)
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name, row in running:
            bar = ProgressBar(1.0, row.share, width=10) if row.share is not None else ""
            table.add_row(bar, Text(name), clock(time.monotonic() - row.start), Text(row.text, style="dim"))
        return Group(head, table)


def clock(seconds: float) -> str:
    """Return seconds as 5:07 or 2:05:07."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
