"""Test an archive that was cut after its index was written: the images are rejected with the reason."""

from functools import partial
from pathlib import Path

import pandas as pd

from tests.pictures.ilsvrc import jpeg
from zfpipe.index.images import image_bytes
from zfpipe.writing.decode import UnreadableImageError, decode_in_order


def test_an_image_cut_off_is_rejected_in_words(tmp_path: Path) -> None:
    data = jpeg(40, 30)
    (tmp_path / "a.tar").write_bytes(data + data[:-1])
    rows = pd.DataFrame({"path": "a.tar", "offset": [0, len(data)], "size": len(data)})
    whole, cut = decode_in_order(rows, partial(image_bytes, tmp_path), 16, 1)
    assert not isinstance(whole, UnreadableImageError)
    assert str(cut) == f"archive truncated: {len(data) - 1} of {len(data)} bytes"
