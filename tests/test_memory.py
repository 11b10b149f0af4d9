"""Test that parts of the pipeline at ImageNet's size need less than 4 GB beside the page cache.

The data are made up, and each part runs in a fresh process.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import ROOT

LIMIT = 4_000_000_000
PEAK = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) * 1024)
"""
"""Print the peak memory of this process in bytes. Unlike ru_maxrss, VmHWM does not start at the parent's memory."""

OPENING = """
import sys
from pathlib import Path
import numpy as np
from tests.test_memory import sparse_beton
from zfpipe.reading.reader import Batches
beton = Path(sys.argv[1]) / "train.beton"
sparse_beton(beton, 1_281_167, 1000)
with Batches(beton, batch=256, crop=224, crops="one of ten", shuffle=True) as batches:
    epoch = batches.epoch()
    first = next(epoch)
    assert first.images.shape == (256, 224, 224, 3) and not first.images.any()
    assert (first.labels == first.ids % 1000).all() and len(np.unique(batches.labels)) == 1000
    epoch.close()
"""
ACTIVATIONS = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from benchmarks.activations import streamed
streamed(50_000, Path(sys.argv[1]))
assert pq.ParquetFile(Path(sys.argv[1]) / "val.parquet").metadata.num_rows == 50_000 * 1_376
"""
EVALUATION = """
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
import torch
from zfpipe.evaluation import predictions, ten_crop
class Batches:
    images = 50_000
    def __len__(self):
        return 250
    def epoch(self, number):
        for batch in np.random.default_rng(0).permutation(50_000).reshape(250, 200):
            yield SimpleNamespace(ids=torch.from_numpy(batch), labels=torch.from_numpy(batch % 1000), images=None)
logits = torch.randn(200 * 10, 1000)
class Network(torch.nn.Module):
    def forward(self, images):
        return logits.roll(7, 1)
inputs = SimpleNamespace(ahead=lambda batches: ((batch, None) for batch in batches))
found = ten_crop.predict(Network(), Batches(), inputs)
path = Path(sys.argv[1]) / "run.parquet"
predictions.write(found, path)
back = predictions.read(path)
assert (back.ids == np.arange(50_000)).all() and (back.probabilities == found.probabilities).all()
assert 0.99 < found.top_error(5) < 1  # five of a thousand by chance
"""
ENSEMBLE = """
import sys
from pathlib import Path
import numpy as np
from zfpipe.probes import ensembles as ensemble
from zfpipe.evaluation import predictions
from zfpipe.probes.intervals import bootstrap
path, images = Path(sys.argv[1]) / "run.parquet", np.arange(50_000)
probabilities = np.random.default_rng(0).random((50_000, 1000), np.float32)
predictions.write(predictions.Predictions(images, images % 1000, probabilities), path)
members = [predictions.read(path) for _ in range(6)]
together = ensemble.mean(members)
assert together.top_error(5) > 0.9 and bootstrap(ensemble.gain(members)) == (0, 0, 0)
"""
SCRIPTS = {"opening": OPENING, "activations": ACTIVATIONS, "evaluation": EVALUATION, "ensemble": ENSEMBLE}


def sparse_beton(beton: Path, count: int, classes: int) -> None:
    """Write a beton of black images of 256 x 256 as a sparse file.

    Only metadata and allocation table take room on the disk.
    """
    import numpy as np

    from zfpipe.beton.guarded_ffcv import (
        ALLOC_TABLE_TYPE,
        CURRENT_VERSION,
        FieldDescType,
        HeaderType,
        IntField,
        RGBImageField,
        get_metadata_type,
    )
    from zfpipe.beton.sidecar import FIELDS, MODES, Sidecar, write_sidecar

    side, size = 256, 3 * 256**2
    fields = (RGBImageField(write_mode="raw"), IntField(), IntField())
    descriptors = np.zeros(len(fields), FieldDescType)
    for descriptor, (name, number), field in zip(descriptors, FIELDS.items(), fields, strict=True):
        descriptor["type_id"] = number
        descriptor["name"][: len(name)] = np.frombuffer(name.encode("ascii"), np.uint8)
        descriptor["arguments"][:] = field.to_binary()[0]
    metadata = np.zeros(count, get_metadata_type(list(fields)))
    start = HeaderType.itemsize + descriptors.nbytes + metadata.nbytes
    allocations = np.zeros(count, ALLOC_TABLE_TYPE)
    allocations["sample_id"], allocations["size"] = np.arange(count), size
    allocations["ptr"] = metadata["f0"]["data_ptr"] = start + np.arange(count, dtype=np.uint64) * size
    metadata["f0"]["mode"], metadata["f0"]["width"], metadata["f0"]["height"] = MODES["raw"], side, side
    metadata["f1"], metadata["f2"] = np.arange(count) % classes, np.arange(count)
    header = np.zeros(1, HeaderType)[0]
    header["version"], header["num_fields"], header["num_samples"] = CURRENT_VERSION, len(fields), count
    header["page_size"], header["alloc_table_ptr"] = 2**23, start + count * size
    with beton.open("wb") as file:
        file.write(header.tobytes() + descriptors.tobytes() + metadata.tobytes())
        file.seek(int(header["alloc_table_ptr"]))
        file.write(allocations.tobytes())
    names = [f"class {number}" for number in range(classes)]
    write_sidecar(Sidecar("0" * 64, beton.stat().st_size, count, 0, names, side, "raw"), beton)


def peak(script: str, folder: Path) -> int:
    """Return the peak memory in bytes of a process that runs `script`, which gets a folder to write to."""
    command = [sys.executable, "-c", script + PEAK, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("part", SCRIPTS)
def test_memory_at_imagenets_size(part: str, tmp_path: Path) -> None:
    found = peak(SCRIPTS[part], tmp_path)
    print(f"peak {found / 2**30:.2f} GiB")
    assert found < LIMIT


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_measured(tmp_path: Path) -> None:
    assert peak("import numpy; numpy.ones(2**28 // 8)", tmp_path) > 2**28
