"""`zfpipe repro --jobs N`: run independent stages in parallel, each by DVC itself.

DVC says which stages there are, in which order, and which have changed. Each changed stage runs in its own `dvc repro`.
DVC's lock keeps them apart: a process uses dvc.lock and the cache only while other stages' commands run.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import networkx
from dvc.dvcfile import LOCK_FILE, PROJECT_FILE
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage import Stage
from dvc.utils.serialize import load_yaml, modify_yaml

from zfpipe import params, paths
from zfpipe.errors import UserError
from zfpipe.network.architecture import variants
from zfpipe.tools import own_sections
from zfpipe.tools.board import Board
from zfpipe.tools.estimate import Durations, left, words
from zfpipe.tools.jobs import Room, number, room
from zfpipe.tools.output import CACHED, channel, lines, own

PATIENCE = 40.0
"""Seconds that a stopped stage has to end by itself: longer than torchrun gives its processes."""
LOGS = Path(".zfpipe/logs")
"""Folder with a file for each stage, with all output of its last run."""
LAST = 20
"""Number of output lines shown for a stage that fails without a one-line error."""
COMPUTE = {PurePosixPath("zfpipe/network"), PurePosixPath("zfpipe/reading")}
"""Dependencies that mark a stage as one that puts images through a network."""


def repro(targets: Sequence[str], jobs: str) -> list[str]:
    """Bring targets, by default all, up to date, with at most `jobs` stages at a time; `auto` means as many as fit.

    If a stage fails, only stages that need it do not run. Return a line for each failed stage, and one for stages that
    did not run. An interrupt stops the running stages. Raise UserError if DVC refuses a target or the pipeline.
    """
    if jobs != "auto":
        number(jobs)  # fail before DVC takes seconds to start
    if paths.PARAMS.exists():
        settings = params.load()
        own_sections.check(settings)  # a mistake stops the run now, not when its stage starts
        variants(settings)  # a network that can't be built stops the run now
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.default_int_handler)
    try:
        schedule = Schedule(targets)
        try:
            return run(schedule, room(jobs, computing(schedule)))
        finally:
            schedule.sort_lock()
    except DvcException as error:
        raise UserError(" ".join(str(error).split())) from None


class Schedule:
    """The stages that the targets need, in an order in which they can run, and their state."""

    def __init__(self, targets: Sequence[str]):
        logging.getLogger("dvc").setLevel(logging.CRITICAL)  # DVC's own progress bars would break the board
        self.repo = Repo(_wait_for_lock=True)
        with self.repo.lock:
            graph = get_active_graph(self.repo.index.graph)
            stages: list[Stage] = plan_repro(graph, collect_stages(self.repo, targets or [PROJECT_FILE]))
            self.known = locked_stages()
        self.plan = [stage.addressing for stage in stages]
        self.every = {stage.addressing for stage in graph}
        self.needs = {stage: set(graph.successors(stage)) for stage in stages}
        # Stages with few inputs come first, so that a long stage that can run early does not run last
        self.waiting = sorted(stages, key=lambda stage: len(networkx.descendants(graph, stage)))
        self.ready: list[Stage] = []
        self.done: set[Stage] = set()

    def check(self) -> None:
        """Sort the stages whose inputs are done: changed stages become ready, unchanged stages become done."""
        with self.repo.lock:
            for stage in self.waiting:
                if self.needs[stage] <= self.done:
                    (self.ready.append if stage.changed() else self.done.add)(stage)
        self.waiting = [stage for stage in self.waiting if stage not in self.done and stage not in self.ready]

    def next(self, room: Room, running: Collection[str]) -> Stage | None:
        """Take a ready stage that fits next to the running stages, or return None."""
        found = next((stage for stage in self.ready if room.fits(stage.addressing, running)), None)
        if found:
            self.ready.remove(found)
        return found

    def sort_lock(self) -> None:
        """Put new entries of dvc.lock into the order in which a serial `dvc repro` would have written them.

        If all entries were planned, sort them all as if there had been no dvc.lock: an earlier run that was killed left
        its entries unsorted.
        """
        with self.repo.lock:
            locked = locked_stages()  # read once, since DVC takes seconds to read the file
            others = (set(locked) & self.every) - set(self.plan)
            moved = [name for name in self.plan if name in locked and not (others and name in self.known)]
            kept = [name for name in locked if name not in moved]
            if locked != kept + moved:
                with modify_yaml(LOCK_FILE) as lock:
                    for name in moved:
                        lock["stages"].move_to_end(name)


def computing(schedule: Schedule) -> set[str]:
    """Return the stages that put images through a network, which they do on the device that ZFPIPE_DEVICE names."""
    deps = {stage.addressing: {PurePosixPath(dep.def_path) for dep in stage.deps} for stage in schedule.needs}
    return {name for name, paths in deps.items() if paths >= COMPUTE}


def locked_stages() -> list[str]:
    """Return the stages in dvc.lock."""
    return list(load_yaml(LOCK_FILE)["stages"]) if Path(LOCK_FILE).exists() else []


@dataclass(frozen=True)
class Job:
    """A running stage, and its own device if it has one."""

    stage: Stage
    process: "subprocess.Popen[bytes]"
    output: int
    device: str | None
    start: float


@dataclass(frozen=True)
class Ended:
    """How a stage ended: why it failed, if it did, and whether its time is representative."""

    reason: str | None = None
    output: Sequence[str] = ()
    """The last lines of a stage that failed without a one-line error."""
    cached: bool = False
    resumed: bool = False


def run(schedule: Schedule, room: Room) -> list[str]:
    """Run the changed stages; return the lines about failed stages."""
    running: dict[Future[Ended], Job] = {}
    failures: dict[str, str] = {}
    ran = 0
    durations = Durations()
    with Board(len(schedule.plan)) as board, ThreadPoolExecutor(room.jobs) as pool:
        try:
            while True:
                schedule.check()
                while stage := schedule.next(room, [job.stage.addressing for job in running.values()]):
                    job = start(stage, room, running.values(), schedule.ready, board.terminal)
                    board.started(stage.addressing)
                    running[pool.submit(follow, job, board)] = job
                tell(board, schedule, running.values(), failures, durations, room)
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    job = running.pop(future)
                    ran += 1
                    ended, took, name = future.result(), time.monotonic() - job.start, job.stage.addressing
                    if ended.reason:
                        failures[name] = ended.reason
                    else:
                        schedule.done.add(job.stage)
                        if not (ended.cached or ended.resumed):
                            durations.keep(name, took)
                    tell(board, schedule, running.values(), failures, durations, room)
                    board.ended(name, outcome(ended, took), ended.output)
        finally:
            stop([job.process for job in running.values()])
    print(f"{ran} of {len(schedule.plan)} stages had changed", flush=True)
    lines = [f"{name} failed: {reason}" for name, reason in failures.items()]
    if held := [stage.addressing for stage in schedule.waiting]:
        lines.append(f"did not run for that: {', '.join(held)}")
    return lines


def tell(
    board: Board,
    schedule: Schedule,
    running: Collection[Job],
    failures: Collection[str],
    durations: Durations,
    room: Room,
) -> None:
    """Show how many stages are done and how long the others take."""
    now = time.monotonic()
    since = {job.stage.addressing: now - job.start for job in running}
    waiting = [stage.addressing for stage in [*schedule.ready, *schedule.waiting]]
    needs = {stage.addressing: {other.addressing for other in others} for stage, others in schedule.needs.items()}
    board.done = len(schedule.done)
    board.expect(left(since, waiting, needs, failures, durations, room))


def outcome(ended: Ended, seconds: float) -> str:
    """Return in words how a stage ended."""
    if ended.reason:
        return f"failed after {words(seconds)}: {ended.reason}"
    return f"{'taken from the cache' if ended.cached else 'done'} in {words(seconds)}"


def start(stage: Stage, room: Room, running: Collection[Job], ready: Collection[Stage], terminal: bool) -> Job:
    """Let DVC run one stage in its own process group, so that the stage can be stopped with all its processes."""
    name = stage.addressing
    devices = {job.stage.addressing: job.device for job in running}
    environment = room.environment(name, devices, [other.addressing for other in ready])
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"  # stages run `python`
    ours, theirs = channel(terminal)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    return Job(stage, process, ours, room.device(name, devices), time.monotonic())


def follow(job: Job, board: Board) -> Ended:
    """Write a stage's output to its log, and show its last line, until the stage ends."""
    name = job.stage.addressing
    why, last, cached, resumed = [], deque(maxlen=LAST), False, False
    log_file(name).parent.mkdir(parents=True, exist_ok=True)
    with log_file(name).open("w", buffering=1) as log:
        for line, whole in lines(job.output):
            if whole:
                log.write(f"{line}\n")
                cached = cached or bool(CACHED.match(line))
                resumed = resumed or line.startswith("resumed after epoch")
                if line.startswith(("zfpipe: ", "ERROR: ")):
                    why.append(line)
                elif own(line) and line.startswith("WARNING: "):
                    board.line(f"{name}: {line}")
                elif own(line):
                    last.append(line)
            if own(line):
                board.said(name, line)
    os.close(job.output)
    status = job.process.wait()
    if status == 0:
        return Ended(cached=cached, resumed=resumed)
    if told := [line for line in why if line.startswith("zfpipe: ")]:
        return Ended(told[0].removeprefix("zfpipe: "))
    reason = why[0].removeprefix("ERROR: ") if why else f"it ended with status {status}"
    return Ended(f"{reason}; everything it said: {log_file(name)}", tuple(last))


def log_file(name: str) -> Path:
    """Return the path of the log with all output of a stage's last run."""
    return LOGS / f"{name.replace('/', '-')}.log"


def stop(processes: Collection["subprocess.Popen[bytes]"]) -> None:
    """Interrupt running processes as Ctrl-C does, and kill those that have not ended after a while."""
    limit = time.monotonic() + PATIENCE
    try:
        for process in processes:
            signal_group(process, signal.SIGINT)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(limit - time.monotonic())
    finally:
        for process in processes:
            signal_group(process, signal.SIGKILL)


def signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Send a signal to a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
