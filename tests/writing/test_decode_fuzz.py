"""Test that mutated files give a square or a reason, in a separate process, so that a crash is a failure.

`python -m tests.writing.test_decode_fuzz FOLDER` runs the test alone. The last file tried is left in FOLDER.
"""

import io
import re
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.imports import ROOT
from zfpipe.writing.decode import UnreadableImageError, square

SAVED = {
    "jpeg": ("JPEG", {"quality": 70}),
    "progressive": ("JPEG", {"progressive": True}),
    "restarts": ("JPEG", {"restart_marker_blocks": 2}),
    "cmyk": ("JPEG", {"mode": "CMYK"}),
    "png": ("PNG", {}),
    "palette": ("PNG", {"mode": "P"}),
    "webp": ("WEBP", {}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "tiff jpeg": ("TIFF", {"compression": "jpeg"}),
    "gif": ("GIF", {"mode": "P"}),
    "bmp": ("BMP", {}),
}
TRIALS = 1500


@cache
def whole(name: str) -> bytes:
    """Return a complete file, with EXIF if the format allows EXIF."""
    kind, options = SAVED[name]
    options = dict(options)
    y, x = np.mgrid[:40, :56]
    image = Image.fromarray(np.stack([x * 4, y * 6, (x * y) % 256], -1).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.convert(options.pop("mode", "RGB")).save(file, kind, exif=exif, **options)
    return file.getvalue()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a file with some bytes changed, more often near its head.

    The file may also be cut short, have a hole, or have a piece twice.
    """
    data = bytearray(whole(draw(st.sampled_from(sorted(SAVED)))))
    for _ in range(draw(st.integers(0, 6))):
        last = draw(st.sampled_from([min(len(data), 64), min(len(data), 700), len(data)])) - 1
        data[draw(st.integers(0, last))] = draw(st.integers(0, 255))
    start = draw(st.integers(0, len(data)))
    match draw(st.sampled_from(["", "", "cut", "hole", "twice"])):
        case "cut":
            del data[start:]
        case "hole":
            del data[start : start + draw(st.integers(0, 64))]
        case "twice":
            data[start:start] = data[start : start + draw(st.integers(0, 64))]
    return bytes(data)


def try_all(folder: Path) -> None:
    """Decode file after file. The folder holds the file that is being decoded."""
    outcomes = {"square": 0, "reason": 0}

    @settings(
        max_examples=TRIALS,
        derandomize=True,
        database=None,
        deadline=5000,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(damaged())
    def one(data: bytes) -> None:
        (folder / "tried").write_bytes(data)
        try:
            image = square(data, 16)
            assert image.shape == (16, 16, 3)
            assert image.dtype == np.uint8
            outcomes["square"] += 1
        except UnreadableImageError as error:
            line = str(error)
            assert line
            assert not re.search(r"0x[0-9a-f]|\n|/\w+/", line), line
            outcomes["reason"] += 1

    warnings.simplefilter("ignore")
    one()
    assert min(outcomes.values()) > TRIALS / 10, outcomes


def test_mutated_files_give_a_square_or_a_reason(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.writing.test_decode_fuzz", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, f"{tmp_path / 'tried'}: {ended.stderr[-3000:]}"


if __name__ == "__main__":
    try_all(Path(sys.argv[1]))
