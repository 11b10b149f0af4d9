"""Read a beton while torch claims to have a GPU, and count the calls to CUDA: `python -m tests.beton.no_gpu BETON`."""

import sys
from pathlib import Path
from typing import Any

import torch

used = []


def refused(*_: Any) -> None:
    used.append(1)  # counted here, since FFCV continues after an exception
    raise AssertionError("CUDA was used")


def main() -> None:
    torch.cuda.is_available = lambda: True
    for name in ("Stream", "Event", "stream", "current_stream", "init", "_lazy_init"):
        setattr(torch.cuda, name, refused)
    setattr(torch.Tensor, "pin_memory", refused)  # noqa: B010
    from zfpipe.reading.reader import Batches

    with Batches(Path(sys.argv[1]), batch=7, crop=16, crops="one of ten", shuffle=True) as batches:
        print(sum(len(batch.labels) for batch in batches.epoch(1)), len(used))


if __name__ == "__main__":
    main()
