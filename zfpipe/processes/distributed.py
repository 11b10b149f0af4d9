"""Processes that work on one stage together: torchrun starts them, and each takes its part of every batch.

As many as the environment variable ZFPIPE_PROCESSES asks for, on this machine; or those that a user's own torchrun
starts, on several machines. The first process alone logs and writes.
"""

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from datetime import timedelta
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn
from torch import distributed as dist
from tqdm import tqdm

from zfpipe import stage
from zfpipe.errors import UserError
from zfpipe.network.numerics import device
from zfpipe.reading.reader import Batch, Batches
from zfpipe.workers import share_of_cores

T = TypeVar("T")
TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others: a machine that lost its power says nothing."""
GRACE = 2.0
"""Seconds in which torchrun ends a process whose error is only that another one has died."""


def run(main: stage.Main) -> None:
    """Runs a stage as `stage.run` does: in this process, in several that it starts, or as one of those."""
    if {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        work(main)
    else:
        stage.run(partial(start, main))


def processes() -> int:
    """How many processes the environment variable ZFPIPE_PROCESSES asks for; by default one."""
    text = os.environ.get("ZFPIPE_PROCESSES", "1")
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"ZFPIPE_PROCESSES = {text}; must be a whole number from 1")
    return int(text)


def start(main: stage.Main) -> Callable[[], None] | None:
    """Runs a stage's work here, or this very script several times."""
    count = processes()
    return main() if count == 1 else launch(count)


def launch(count: int) -> NoReturn:
    """Runs this script in so many processes under torchrun; ends with one line when one of them fails."""
    # A second to import, of use here alone
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    script = sys.modules["__main__"].__spec__
    assert script is not None, "a stage runs as python -m stages.NAME"
    os.environ.setdefault("OMP_NUM_THREADS", str(share_of_cores(count)))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # it reports every failure at length
    with tempfile.TemporaryDirectory() as logs:
        options = ["--standalone", "--local-addr=localhost", f"--nproc-per-node={count}", f"--log-dir={logs}"]
        try:
            torchrun.run(torchrun.parse_args([*options, "-m", script.name, *sys.argv[1:]]))
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            if isinstance(failure.error_file_data.get("timestamp"), int):  # `work` wrote it: a line for the user
                sys.exit(failure.message)
            how = f"was killed ({failure.signal_name()})" if failure.exitcode < 0 else "failed, as it says above"
            sys.exit(f"zfpipe: process {rank + 1} of {count} {how}; run the stage again")
        except SignalException as stopped:
            sys.exit(128 + stopped.sigval)
    sys.exit(0)


def work(main: stage.Main) -> None:
    """Runs a stage's work as one process of a group; a user's mistake is left for torchrun to report once."""
    with redirect_stdout(sys.stdout if os.environ["RANK"] == "0" else None):
        try:
            stage.run(partial(together, main))
        except SystemExit as mistake:
            file = os.environ.get("TORCHELASTIC_ERROR_FILE")
            if file is None or not isinstance(mistake.code, str):
                raise
            Path(file).write_text(json.dumps({"message": mistake.code, "timestamp": int(time.time())}))
            sys.exit(1)
        except Exception:
            time.sleep(GRACE)
            raise


def together(main: stage.Main) -> Callable[[], None] | None:
    """Joins the group for the time of the work."""
    backend = "gloo" if device().type == "cpu" else "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=TIMEOUT)
    settle = main()
    dist.barrier()  # nobody finishes before all have done their work
    dist.destroy_process_group()
    return settle


def part() -> tuple[int, int]:
    """Which process this is, from 0, and of how many: what `Batches` takes."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def first() -> bool:
    """Whether this is the process that logs and writes, if there are several."""
    return part()[0] == 0


def parallel(network: nn.Module, device: torch.device) -> nn.Module:
    """The network, or a wrapper of it whose gradients are averaged over the processes; it starts alike in all."""
    if part()[1] == 1 or not any(weight.requires_grad for weight in network.parameters()):
        return network
    place = None if device.type == "cpu" else [device]
    constant = [name for name, _ in network.named_buffers()]  # or they are sent around at every step
    nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(network, constant)
    return nn.parallel.DistributedDataParallel(network, device_ids=place, gradient_as_bucket_view=True)


def alone(network: nn.Module) -> AbstractContextManager[None]:
    """While this lasts a wrapper's gradients stay this process's own."""
    return network.no_sync() if isinstance(network, nn.parallel.DistributedDataParallel) else nullcontext()


def summed(values: Tensor) -> Tensor:
    """The sum over the processes, in each of them."""
    if part()[1] > 1:
        dist.all_reduce(values)
    return values


def shared(make: Callable[[], T]) -> T:
    """What the first process makes, in each of them."""
    if part()[1] == 1:
        return make()
    box: list[Any] = [make() if first() else None]
    dist.broadcast_object_list(box)
    return box[0]


def everywhere(value: T) -> list[T]:
    """Every process's value, in order, in each of them."""
    count = part()[1]
    if count == 1:
        return [value]
    box: list[Any] = [None] * count
    dist.all_gather_object(box, value)
    return box


def alike(make: Callable[[], str]) -> bool:
    """Whether all processes make the same; one alone need not make it."""
    return part()[1] == 1 or len(set(everywhere(make()))) == 1


def gathered(value: T) -> list[T]:
    """Every process's value, in order, in the first process; nothing in the others."""
    rank, count = part()
    if count == 1:
        return [value]
    box: list[Any] | None = [None] * count if rank == 0 else None
    dist.gather_object(value, box)
    return box or []


def dealt(rows: Int64[np.ndarray, "row"], batch: int) -> Int64[np.ndarray, "own"]:
    """This process's batches of some rows, dealt out one after another; some processes may get nothing.

    A batch is the same for any number of processes. So is, to the byte, what is computed of it by as many threads.
    """
    rank, count = part()
    return rows[np.arange(len(rows)) // batch % count == rank]


def merged(parts: Sequence[Sequence[T]]) -> list[T]:
    """What the processes made of single things dealt out one after another, in the things' order."""
    return [one for several in zip_longest(*parts) for one in several if one is not None]


def epoch(batches: Batches, number: int, title: str) -> Generator[Batch, None, None]:
    """The batches of an epoch, with a progress bar where the first process has a terminal."""
    yield from tqdm(
        batches.epoch(number), total=len(batches), desc=title, leave=False, disable=None if first() else True
    )
