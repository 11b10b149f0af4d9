"""Several processes for one stage: torchrun starts the processes, and each takes its part of every batch.

Either ZFPIPE_PROCESSES says how many processes to start on this machine, or a user's own torchrun starts processes on
several machines. Only the first process logs and writes.
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
"""How long a process waits for the others, which may have stopped without a message."""
GRACE = 2.0
"""Seconds that a failed process waits: if another process failed first, torchrun ends this process meanwhile."""


def run(main: stage.Main) -> None:
    """Run a stage in this process, or in several new processes, or as one of torchrun's processes."""
    if {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        work(main)
    else:
        stage.run(partial(start, main))


def processes() -> int:
    """Return ZFPIPE_PROCESSES, the number of processes to start, by default one."""
    text = os.environ.get("ZFPIPE_PROCESSES", "1")
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"ZFPIPE_PROCESSES = {text}; must be a whole number from 1")
    return int(text)


def start(main: stage.Main) -> Callable[[], None] | None:
    """Run a stage's work in this process, or start this script several times."""
    count = processes()
    return main() if count == 1 else launch(count)


def launch(count: int) -> NoReturn:
    """Run this script in `count` processes under torchrun, and exit. A failure ends in one line."""
    # Takes a second, and only this function needs it
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    script = sys.modules["__main__"].__spec__
    assert script is not None, "a stage runs as python -m stages.NAME"
    os.environ.setdefault("OMP_NUM_THREADS", str(share_of_cores(count)))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # else it reports every failure at length
    with tempfile.TemporaryDirectory() as logs:
        options = ["--standalone", "--local-addr=localhost", f"--nproc-per-node={count}", f"--log-dir={logs}"]
        try:
            torchrun.run(torchrun.parse_args([*options, "-m", script.name, *sys.argv[1:]]))
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            if isinstance(failure.error_file_data.get("timestamp"), int):  # written by `work`: a line for the user
                sys.exit(failure.message)
            how = f"was killed ({failure.signal_name()})" if failure.exitcode < 0 else "failed, as it says above"
            sys.exit(f"zfpipe: process {rank + 1} of {count} {how}; run the stage again")
        except SignalException as stopped:
            sys.exit(128 + stopped.sigval)
    sys.exit(0)


def work(main: stage.Main) -> None:
    """Run a stage's work as one process of a group. Torchrun reports a user's mistake once."""
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
    """Run the work inside a group of processes."""
    backend = "gloo" if device().type == "cpu" else "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=TIMEOUT)
    settle = main()
    dist.barrier()  # a process must not leave while others still work
    dist.destroy_process_group()
    return settle


def part() -> tuple[int, int]:
    """Return the rank of this process, from 0, and the number of processes; for `Batches`."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def first() -> bool:
    """Return True in the process that logs and writes."""
    return part()[0] == 0


def parallel(network: nn.Module, device: torch.device) -> nn.Module:
    """Return the network, wrapped if there are several processes: equal weights at the start, averaged gradients."""
    if part()[1] == 1 or not any(weight.requires_grad for weight in network.parameters()):
        return network
    place = None if device.type == "cpu" else [device]
    constant = [name for name, _ in network.named_buffers()]  # else they are broadcast at every step
    nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(network, constant)
    return nn.parallel.DistributedDataParallel(network, device_ids=place, gradient_as_bucket_view=True)


def alone(network: nn.Module) -> AbstractContextManager[None]:
    """Return a context in which gradients are not averaged over the processes."""
    return network.no_sync() if isinstance(network, nn.parallel.DistributedDataParallel) else nullcontext()


def summed(values: Tensor) -> Tensor:
    """Return the sum over all processes, in every process."""
    if part()[1] > 1:
        dist.all_reduce(values)
    return values


def shared(make: Callable[[], T]) -> T:
    """Return, in every process, what the first process makes."""
    if part()[1] == 1:
        return make()
    box: list[Any] = [make() if first() else None]
    dist.broadcast_object_list(box)
    return box[0]


def everywhere(value: T) -> list[T]:
    """Return the values of all processes in order, in every process."""
    count = part()[1]
    if count == 1:
        return [value]
    box: list[Any] = [None] * count
    dist.all_gather_object(box, value)
    return box


def alike(make: Callable[[], str]) -> bool:
    """Return True if all processes make the same. With one process, `make` is not called."""
    return part()[1] == 1 or len(set(everywhere(make()))) == 1


def gathered(value: T) -> list[T]:
    """Return the values of all processes in order in the first process, and an empty list in the others."""
    rank, count = part()
    if count == 1:
        return [value]
    box: list[Any] | None = [None] * count if rank == 0 else None
    dist.gather_object(value, box)
    return box or []


def dealt(rows: Int64[np.ndarray, "row"], batch: int) -> Int64[np.ndarray, "own"]:
    """Return this process's rows: batches are dealt out to the processes in turn. A process may get none.

    The batches, and results computed with the same number of threads, do not depend on the number of processes.
    """
    rank, count = part()
    return rows[np.arange(len(rows)) // batch % count == rank]


def merged(parts: Sequence[Sequence[T]]) -> list[T]:
    """Merge the processes' results for single items that were dealt out in turn, in the order of the items."""
    return [one for several in zip_longest(*parts) for one in several if one is not None]


def epoch(batches: Batches, number: int, title: str) -> Generator[Batch, None, None]:
    """Yield the batches of an epoch, with a progress bar if the first process has a terminal."""
    yield from tqdm(
        batches.epoch(number), total=len(batches), desc=title, leave=False, disable=None if first() else True
    )
