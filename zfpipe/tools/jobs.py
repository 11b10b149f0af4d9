"""Decide how many stages run in parallel, and which share of the machine each stage gets."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import psutil

from zfpipe import launch
from zfpipe.errors import UserError

JOB = 2_100_000_000
"""Bytes of memory that a stage of the default run takes at most, with its DVC: `invariance` 2.09e9, `train` 1.44e9."""
SENT = 64
"""Stages that may wait for a cluster at the same time: their launchers take little of this machine."""


@dataclass(frozen=True)
class Room:
    """Limits of parallel stages: in all, for stages that compute with a network, and for other stages."""

    jobs: int
    computing: int
    others: int
    computes: Collection[str] = ()
    """The stages that compute with a network."""
    devices: tuple[str, ...] = ()
    """A ZFPIPE_DEVICE for each computing stage that may run; empty if all stages use the same device."""
    sent: bool = False
    """Whether ZFPIPE_LAUNCH sends the computing stages to other machines."""

    def fits(self, name: str, running: Collection[str]) -> bool:
        """Return whether a stage may start next to the running stages."""
        return len(running) < self.jobs and len(self.alike(name, running)) < self.most(name)

    def alike(self, name: str, names: Collection[str]) -> list[str]:
        """Return the stages in `names` that share a limit with this stage."""
        return [other for other in names if (other in self.computes) == (name in self.computes)]

    def most(self, name: str) -> int:
        """Return how many stages of this one's kind may run at a time."""
        return self.computing if name in self.computes else self.others

    def environment(self, name: str, running: Mapping[str, str | None], ready: Collection[str]) -> dict[str, str]:
        """Return the environment variables of a stage that starts next to `running` stages with their devices.

        ZFPIPE_WORKERS, which changes no result, is the stage's share of the cores among the stages that can run now. It
        stays unset if the network computes on the CPU, where one loader thread is best. OMP_NUM_THREADS does not depend
        on the other stages. It stays unset if torchrun starts several processes, since torchrun sets it. (On the CPU,
        Torch computes with ZFPIPE_THREADS.)
        """
        kept = dict(os.environ)
        computes = name in self.computes
        if computes and self.sent:
            return kept
        kept.pop(launch.VARIABLE, None)
        kept.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        if not computes or kept.get("ZFPIPE_PROCESSES", "1") == "1":
            kept.setdefault("OMP_NUM_THREADS", str(share(self.most(name))))
        if not computes or self.devices:
            together = [name, *running, *ready]
            if self.devices or self.sent:  # the computing stages use other devices or machines
                together = self.alike(name, together)
            kept.setdefault("ZFPIPE_WORKERS", str(share(min(self.most(name), len(together)))))
        kind, _, place = (self.device(name, running) or "").partition(":")
        if place:  # the stage sees only its own GPU, so a library that takes the first GPU takes this one
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
            kept["CUDA_VISIBLE_DEVICES"] = visible[int(place)].strip() if visible != [""] else place
            kept["ZFPIPE_DEVICE"] = kind
        return kept

    def device(self, name: str, running: Mapping[str, str | None]) -> str | None:
        """Return a device that no running stage has, or None if ZFPIPE_DEVICE stays unchanged."""
        free = [device for device in self.devices if device not in running.values()]
        return free[0] if name in self.computes and free else None


def room(asked: str, computes: Collection[str]) -> Room:
    """Return the limits that `--jobs` asks for; `auto` means as many as cores, memory and GPUs, or a cluster, allow.

    Raise UserError if `asked` is no number of jobs, or if a GPU or the cluster's launcher is missing.
    """
    count = None if asked == "auto" else number(asked)
    if words := launch.prefix():
        launch.check(words)
        local = by_default()
        most = (SENT + local, SENT, local) if count is None else (count, count, count)
        return Room(*most, computes, sent=True)
    if count == 1:
        return Room(1, 1, 1, computes)
    devices = gpus(count)
    if not devices:
        most = count or by_default()
        return Room(most, most, most, computes)
    local = count or by_default()
    return Room(count or local + len(devices), len(devices), local, computes, devices)


def number(asked: str) -> int:
    """Return the number of jobs. Raise UserError for other text."""
    if not asked.isdecimal() or int(asked) < 1:
        raise UserError(f"--jobs {asked}; must be auto or a whole number from 1")
    return int(asked)


def by_default() -> int:
    """Return how many stages this machine's cores and free memory allow, at least one.

    A computing stage uses two cores. Two stages are faster even on two cores, since each takes a while to start.
    """
    cores = len(os.sched_getaffinity(0))
    wanted = 1 if cores == 1 else max(2, cores // 2)
    return max(1, min(wanted, psutil.virtual_memory().available // JOB))


def gpus(count: int | None) -> tuple[str, ...]:
    """Return the ZFPIPE_DEVICE of each stage that may compute at a time; empty if ZFPIPE_DEVICE names no GPU.

    If ZFPIPE_PROCESSES gives a stage several GPUs, `--jobs auto` runs computing stages one after another.
    """
    device = os.environ.get("ZFPIPE_DEVICE", "cpu")
    if not device.startswith("cuda"):
        return ()
    if os.environ.get("ZFPIPE_PROCESSES", "1") != "1":
        if count is not None:
            raise UserError(
                f"--jobs {count} gives each stage one GPU, ZFPIPE_PROCESSES several; use one of them, or --jobs auto"
            )
        return (device,)
    if device != "cuda":
        return (device,)
    import torch  # takes seconds

    found = torch.cuda.device_count()
    if not found:
        raise UserError("ZFPIPE_DEVICE = cuda; this machine has 0 CUDA devices; use cpu")
    return tuple(f"cuda:{place}" for place in range(found))


def share(stages: int) -> int:
    """Return how many cores each of `stages` stages gets, at least one."""
    return max(1, len(os.sched_getaffinity(0)) // stages)
