"""`zfpipe verify`: test whether the last commit makes the same outputs again, and name the first stage that differs."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import psutil

from zfpipe import paths
from zfpipe.errors import UserError
from zfpipe.network.numerics import compute_threads
from zfpipe.tools import locks


def verify(workers: Sequence[int], jobs: int, profile: str | None, targets: Sequence[str]) -> bool:
    """Run the last commit in a clone for each number of workers; return whether all outputs are equal to the byte.

    All clones are made first, so that no clone has a commit made later. In the first clone all processes are killed
    after a network's first epoch, and the run is then finished. That run is compared with the committed dvc.lock,
    unless a profile changes the parameters. Each further run is compared with the run before. If outputs differ, the
    clones are kept. Raise UserError if there is no commit, or if a run fails.
    """
    root = Path(git("rev-parse", "--show-toplevel"))
    committed = locks.stages(git("show", f"HEAD:{locks.LOCK}"))
    if changed := git("status", "--porcelain").splitlines():
        print(f"the last commit is run; files that are changed or new since, left out: {len(changed)}")
    print(f"torch computes with {machine()}; the bytes hold for one kind of CPU and number of threads", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="zfpipe-verify-"))
    ran: list[tuple[str, locks.Lock]] = []
    clones = [make(root, folder / f"run{number}", profile) for number, _ in enumerate(workers, 1)]
    for number, (clone, count) in enumerate(zip(clones, workers, strict=True), 1):
        run(clone, jobs, count, targets, kill=number == 1)
        words = f"{count} worker{'s' * (count > 1)}{', killed and finished' * (number == 1)}"
        ran.append((f"run {number} ({words})", locks.read_lock(clone)))
    pairs = [(f"{title} beside {before}", lock, other) for (before, other), (title, lock) in pairwise(ran)]
    if profile is None:
        title, lock = ran[0]
        if targets:
            committed = {name: committed[name] for name in lock if name in committed}
        pairs.insert(0, (f"{title} beside the committed {locks.LOCK}", lock, committed))
    equal = [show(title, locks.compare(lock, other)) for title, lock, other in pairs]  # a list: show all
    if all(equal):
        shutil.rmtree(folder)
        return True
    print(f"the clones stay in {folder}")
    return False


def make(root: Path, clone: Path, profile: str | None = None) -> Path:
    """Clone the last commit without dvc.lock and with its own empty cache, so that every stage has to run."""
    subprocess.run(["git", "clone", "-q", root, clone], check=True)
    (clone / locks.LOCK).unlink()
    (clone / ".dvc/config.local").write_text("[cache]\n    dir = cache\n")
    if profile is not None:
        subprocess.run([sys.executable, "-m", "zfpipe", "profile", profile], cwd=clone, env=environment(), check=True)
    return clone


def run(
    clone: Path, jobs: int, workers: int, targets: Sequence[str], *, kill: bool, output: IO[str] | None = None
) -> None:
    """Run `zfpipe repro` in a clone. If `kill`, kill it after a network's first epoch and run it again."""
    command = [sys.executable, "-m", "zfpipe", "repro", "--jobs", str(jobs), *targets]
    where: dict[str, Any] = {"cwd": clone, "env": environment(workers), "stdout": output, "stderr": output}
    if kill:
        process = subprocess.Popen(command, **where)
        try:
            while process.poll() is None and not list((clone / paths.RESUME).glob("*/state.pt")):
                time.sleep(0.01)
        finally:
            kill_all(process)
    if subprocess.run(command, check=False, **where).returncode:
        raise UserError(f"the run in {clone} failed; its last lines say why")


def environment(workers: int = 1) -> dict[str, str]:
    """Return this process's environment, with its Python first on the path, without DVC's and git's variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_"))}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "ZFPIPE_WORKERS": str(workers)}


def kill_all(process: "subprocess.Popen[Any]") -> None:
    """Kill a process, if it still runs, and all that it started, as abruptly as a power cut."""
    if process.poll() is None:
        whole = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for one in whole:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
        psutil.wait_procs(whole, timeout=60)  # while the process exists, DVC considers its lock held
        process.wait()


def git(*command: str) -> str:
    """Run git and return its output. Raise UserError if git fails."""
    done = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(
            f"verify: {done.stderr.strip()}; it clones the last commit, with its dvc.lock, in a git repository"
        )
    return done.stdout.rstrip()


def machine() -> str:
    """Return in words what the bytes depend on besides the code: the CPU and the number of threads."""
    import torch  # importing torch takes seconds

    return f"{torch.backends.cpu.get_cpu_capability()} and {compute_threads()} threads"


def show(title: str, compared: Sequence[locks.Compared]) -> bool:
    """Print a comparison; return whether all outputs are equal."""
    for line in [f"{title}:", *map(str, compared), *locks.verdict(compared)]:
        print(line, flush=True)
    return locks.equal(compared)


def against(folder: Path) -> bool:
    """Compare the run in this folder with the run in another: all outputs, and if some differ, the tables.

    Return True if the tables' numbers agree within the tolerance. Raise UserError if there is nothing to compare.
    """
    if show(f"this run beside {folder}", locks.compare(locks.read_lock(Path()), locks.read_lock(folder))):
        return True
    apart = locks.distances(Path(), folder)
    if not apart:
        raise UserError(f"no tables here or in {folder}; make them: dvc repro")
    mean, place = sum(apart.values()) / len(apart), max(apart, key=lambda name: apart[name])
    print(
        f"{len(apart)} numbers of the tables: {mean:.2f} points apart on average, at most {apart[place]:.2f} ({place})"
    )
    within = mean <= locks.MEAN and apart[place] <= locks.LARGEST
    allowed = f"the tolerance between kinds of CPU and GPUs: {locks.MEAN:g} on average, {locks.LARGEST:g} at most"
    print(f"{'' if within else 'not '}within {allowed}")
    return within
