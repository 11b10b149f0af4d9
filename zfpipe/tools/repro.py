"""`zfpipe repro --jobs N`: stages that don't need each other side by side, each run by DVC itself.

DVC says which stages there are, in which order, and which have changed; a `dvc repro` of its own runs each of those.
DVC's lock keeps them apart: others read and write dvc.lock and the cache only while a stage's command runs.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import networkx
from dvc.dvcfile import LOCK_FILE, PROJECT_FILE
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage import Stage
from dvc.utils.serialize import load_yaml, modify_yaml

from zfpipe.errors import UserError

PATIENCE = 40.0
"""Seconds in which a stopped stage may end by itself: longer than torchrun gives its processes."""


def repro(targets: Sequence[str], jobs: int) -> list[str]:
    """Brings targets, by default everything, up to date, at most `jobs` stages at a time.

    A stage that fails holds up only those that need it. Returns a line for each that failed, and one for those that
    did not run for that. Interrupted, it stops what runs. Raises UserError where DVC refuses a target or the pipeline.
    """
    if jobs < 1:
        raise UserError(f"--jobs {jobs}; must be a whole number from 1")
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.default_int_handler)
    try:
        schedule = Schedule(targets)
        try:
            return run(schedule, jobs, gpus(jobs))
        finally:
            schedule.sort_lock()
    except DvcException as error:
        raise UserError(" ".join(str(error).split())) from None


class Schedule:
    """The stages that some targets need, in an order in which they can run, and which of them are up to date."""

    def __init__(self, targets: Sequence[str]):
        self.repo = Repo(_wait_for_lock=True)
        with self.repo.lock:
            graph = get_active_graph(self.repo.index.graph)
            stages: list[Stage] = plan_repro(graph, collect_stages(self.repo, targets or [PROJECT_FILE]))
            self.known = locked_stages()
        self.plan = [stage.addressing for stage in stages]
        self.every = {stage.addressing for stage in graph}
        self.needs = {stage: set(graph.successors(stage)) for stage in stages}
        # What needs little goes first, so that no long stage that could have run early is left to the end
        self.waiting = sorted(stages, key=lambda stage: len(networkx.descendants(graph, stage)))
        self.done: set[Stage] = set()

    def startable(self, room: int) -> list[Stage]:
        """Takes at most so many stages off those that wait: changed ones for which everything they need is done."""
        found: list[Stage] = []
        with self.repo.lock:
            for stage in self.waiting:
                if len(found) == room:
                    break
                if self.needs[stage] <= self.done:
                    if stage.changed():
                        found.append(stage)
                    else:
                        self.done.add(stage)
        self.waiting = [stage for stage in self.waiting if stage not in self.done and stage not in found]
        return found

    def sort_lock(self) -> None:
        """Puts what is new in dvc.lock into the order in which a `dvc repro`, stage after stage, would have put it.

        Everything, where all of it was planned, as if there had been no dvc.lock: a run that was killed before left its
        part in no order.
        """
        with self.repo.lock:
            locked = locked_stages()  # once: DVC takes seconds to read the file
            others = (set(locked) & self.every) - set(self.plan)
            moved = [name for name in self.plan if name in locked and not (others and name in self.known)]
            kept = [name for name in locked if name not in moved]
            if locked != kept + moved:
                with modify_yaml(LOCK_FILE) as lock:
                    for name in moved:
                        lock["stages"].move_to_end(name)


def locked_stages() -> list[str]:
    """The stages in dvc.lock."""
    return list(load_yaml(LOCK_FILE)["stages"]) if Path(LOCK_FILE).exists() else []


@dataclass(frozen=True)
class Job:
    """A stage that runs, in one of the places for such jobs."""

    stage: Stage
    process: subprocess.Popen[str]
    place: int


def run(schedule: Schedule, jobs: int, gpus: int) -> list[str]:
    """Runs what has changed; the lines about what failed."""
    running: dict[Future[str | None], Job] = {}
    failures: list[str] = []
    ran = 0
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while True:
                for stage in schedule.startable(jobs - len(running)):
                    place = min(set(range(jobs)) - {job.place for job in running.values()})
                    job = Job(stage, start(stage.addressing, place % gpus if gpus else None), place)
                    running[pool.submit(follow, job)] = job
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    stage = running.pop(future).stage
                    ran += 1
                    if reason := future.result():
                        failures.append(f"{stage.addressing} failed: {reason}")
                    else:
                        schedule.done.add(stage)
        finally:
            stop([job.process for job in running.values()])
    print(f"{ran} of {len(schedule.plan)} stages had changed", flush=True)
    if schedule.waiting:
        failures.append(f"did not run for that: {', '.join(stage.addressing for stage in schedule.waiting)}")
    return failures


def gpus(jobs: int) -> int:
    """How many GPUs there are to hand out; 0 where all stages run where ZFPIPE_DEVICE says."""
    if jobs == 1 or os.environ.get("ZFPIPE_DEVICE") != "cuda":
        return 0
    if os.environ.get("ZFPIPE_PROCESSES", "1") != "1":
        raise UserError(f"--jobs {jobs} gives each stage one GPU, ZFPIPE_PROCESSES several; use only one of them")
    import torch  # takes seconds

    return torch.cuda.device_count()


def start(name: str, gpu: int | None) -> "subprocess.Popen[str]":
    """Has DVC run one stage, in a process group of its own, so that it can be stopped with all that it starts."""
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name],
        env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ} | ({} if gpu is None else {"ZFPIPE_DEVICE": f"cuda:{gpu}"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def follow(job: Job) -> str | None:
    """Prints what a stage says, each line after its name, until it ends; in a line why it failed, if it did."""
    said = []
    assert job.process.stdout is not None
    for line in job.process.stdout:
        print(f"{job.stage.addressing}: {line}", end="", flush=True)
        if line.startswith(("zfpipe: ", "ERROR: ")):
            said.append(line.partition(": ")[2].strip())
    status = job.process.wait()
    if status == 0:
        return None
    return said[0] if said else f"it ended with status {status}"


def stop(processes: Collection["subprocess.Popen[str]"]) -> None:
    """Interrupts what still runs, as Ctrl-C does, and kills what has not ended after a while."""
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


def signal_group(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """Signals a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
