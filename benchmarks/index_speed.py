"""Time the index of ImageNet's archives: 1,000 classes of 1,281 tiny JPEGs, and 50,000 images for validation.

Build the archives (2 GB, in a temporary folder) and index them in a separate process, with the code of `dvc repro
pictures`. The argument says how often. Print seconds, and the processor time and peak memory of the process and of its
workers.
"""

import gzip
import io
import os
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from zfpipe.pictures.imagenet import TRAIN, VAL
from zfpipe.pictures.synsets import DEVKIT, META, TRUTH

CLASSES, IMAGES, VAL_IMAGES = 1000, 1281, 50_000
INDEX = """
import resource, sys, time
from pathlib import Path
from zfpipe.params import load
from zfpipe.index.images import write_index
from zfpipe.pictures.sources import SOURCES, limited
if __name__ == "__main__":
    root = Path(sys.argv[1])
    settings = load().pictures
    start = time.perf_counter()
    count = write_index(limited(SOURCES["imagenet"](root, settings), settings), root / "index.parquet")
    print(f"{count} images in {time.perf_counter() - start:.1f} s")
    for who, name in ((resource.RUSAGE_SELF, "itself"), (resource.RUSAGE_CHILDREN, "workers (peak of the largest)")):
        used = resource.getrusage(who)
        print(f"{name}: {used.ru_utime + used.ru_stime:.1f} s of processor, peak {used.ru_maxrss / 1024:.0f} MiB")
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        build(root)
        script = root / "index.py"  # a file, since spawned workers read the script of their parent
        script.write_text(INDEX)
        os.environ["PYTHONPATH"] = str(Path.cwd())
        for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
            start = time.perf_counter()
            os.spawnv(os.P_WAIT, sys.executable, [sys.executable, str(script), str(root)])
            print(f"with start and imports: {time.perf_counter() - start:.1f} s", flush=True)


def build(root: Path) -> None:
    """Write the three archives; every image has the same bytes."""
    wnids = [f"n{number:08d}" for number in range(CLASSES)]
    with tarfile.open(root / TRAIN, "w") as outer:
        for wnid in wnids:
            add(outer, f"{wnid}.tar", tar([f"{wnid}_{number}.JPEG" for number in range(IMAGES)]))
    (root / VAL).write_bytes(tar([f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, VAL_IMAGES + 1)]))
    fields = [(name, object) for name in ("ILSVRC2012_ID", "WNID", "words", "num_children")]
    meta = io.BytesIO()
    savemat(meta, {"synsets": np.array([(n, wnid, wnid, 0) for n, wnid in enumerate(wnids, 1)], fields)})
    truth = "".join(f"{number % CLASSES + 1}\n" for number in range(VAL_IMAGES))
    devkit = io.BytesIO()
    with tarfile.open(fileobj=devkit, mode="w") as archive:
        add(archive, f"ILSVRC2012_devkit_t12/{META}", meta.getvalue())
        add(archive, f"ILSVRC2012_devkit_t12/{TRUTH}", truth.encode())
    (root / DEVKIT).write_bytes(gzip.compress(devkit.getvalue(), 1))


def tar(names: list[str]) -> bytes:
    """Return a tar that holds the image under many names."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in names:
            add(archive, name, JPEG)
    return data.getvalue()


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def jpeg() -> bytes:
    """Return a JPEG of about 700 bytes."""
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)).save(data, "JPEG")
    return data.getvalue()


JPEG = jpeg()

if __name__ == "__main__":
    main()
