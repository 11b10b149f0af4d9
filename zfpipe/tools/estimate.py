"""Estimate the remaining time of a run from the time that each stage took in its last run here."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from statistics import mean

from zfpipe import store
from zfpipe.tools.jobs import Room

DURATIONS = Path(".zfpipe/durations.json")


class Durations:
    """Seconds that each stage took in its last run here, kept in a file."""

    def __init__(self, path: Path = DURATIONS):
        self.path = path
        try:
            self.seconds: dict[str, float] = {str(name): float(took) for name, took in read(path).items()}
        except (OSError, ValueError, TypeError, AttributeError):  # no file yet, or a damaged file
            self.seconds = {}

    def keep(self, name: str, seconds: float) -> None:
        """Record the seconds of a stage that has run."""
        self.seconds[name] = round(seconds, 1)
        store.save(self.path, self.seconds)

    def expected(self, name: str) -> float | None:
        """Return a stage's last time, or else the mean of its family (`train@*`), or None if neither has run."""
        if name in self.seconds:
            return self.seconds[name]
        family = [took for other, took in self.seconds.items() if other.split("@")[0] == name.split("@")[0]]
        return mean(family) if family else None


def read(path: Path) -> dict[str, float]:
    """Return the file's content."""
    return json.loads(path.read_text())


def left(
    running: Mapping[str, float],
    waiting: Collection[str],
    needs: Mapping[str, Collection[str]],
    never: Collection[str],
    durations: Durations,
    room: Room,
) -> tuple[float, bool] | None:
    """Return the seconds until all stages end, and whether each stage's time is known; None if no time is known.

    Stages are scheduled as by `repro`. `running` gives the seconds each has run; `never` names those that can't run.
    """
    names = [*running, *waiting]
    known = {name: took for name in names if (took := durations.expected(name)) is not None}
    if not known:
        return None
    ends = {name: max(0.0, known.get(name, 0.0) - elapsed) for name, elapsed in running.items()}
    to_start, unfinished, now = list(waiting), {*names, *never}, 0.0
    while True:
        for name in list(to_start):
            if unfinished.isdisjoint(needs[name]) and room.fits(name, ends):
                to_start.remove(name)
                ends[name] = now + known.get(name, 0.0)
        if not ends:
            return now, len(known) == len(names)
        ended = min(ends, key=lambda name: ends[name])
        now = ends.pop(ended)
        unfinished.remove(ended)


def words(seconds: float) -> str:
    """Return a duration in words, rounded for reading."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
