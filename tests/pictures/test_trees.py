"""Test folders as no one would make them: no traceback, and `zfpipe check` says what the stages do."""

import io
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.imports import ROOT
from zfpipe import params
from zfpipe.errors import UserError
from zfpipe.index.images import image_bytes, read_index, write_index
from zfpipe.pictures import links
from zfpipe.pictures.sources import found
from zfpipe.tools import check
from zfpipe.writing.writer import write_beton

DEFAULT = params.load(ROOT / "params.yaml")


def encoded(kind: str, image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


PNG = encoded("PNG", Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)))
BYTES = [
    PNG, PNG, PNG, PNG, encoded("JPEG", Image.new("RGB", (5, 7), "red")), encoded("GIF", Image.new("L", (3, 3))),
    PNG[:60], b"", b"<html>", b"\0\0\0\x18ftypheic", encoded("TIFF", Image.new("F", (4, 4), 0.5)),
    encoded("TIFF", Image.fromarray(np.full((4, 4), 900, np.uint16))),
]  # fmt: skip
FOLDERS = st.sampled_from(
    [
        "train",
        "val",
        "Training",
        "valid",
        "Test",
        "cat",
        "dog",
        "a b",
        "ü",
        "1",
        "10",
        ".git",
        "__MACOSX",
        "it's",
        "[x]",
    ]
)
FILES = st.builds(
    "{}{}".format,
    st.sampled_from(["0", "1", "a", "._x", "photo 1", "Thumbs", "ß", "x" * 200]),
    st.sampled_from([".png", ".jpg", ".JPG", ".gif", ".heic", ".txt", "", ".db", ".tiff", ".png.zip"]),
)
PLACES = st.one_of(
    st.lists(FOLDERS, max_size=4), st.sampled_from([["train", "cat"], ["val", "dog"], ["train", "dog", "1"]])
)
PATHS = st.tuples(PLACES, FILES, st.sampled_from(BYTES))
USUAL = [
    ([split, name], f"{number}.png", PNG) for split in ("train", "val") for name in ("cat", "dog") for number in "012"
]
"""Files that half of the trees have too, so that many of the trees can be read."""
LINKS = st.tuples(st.lists(FOLDERS, min_size=1, max_size=3), st.lists(FOLDERS, max_size=2))


def grow(root: Path, files: list[tuple[list[str], str, bytes]], linked: list[tuple[list[str], list[str]]]) -> None:
    for folders, name, data in files:
        try:
            root.joinpath(*folders).mkdir(parents=True, exist_ok=True)
            root.joinpath(*folders, name).write_bytes(data)
        except OSError:  # a file stands where a folder should be
            continue
    for place, target in linked:
        path = root.joinpath(*place)
        if not path.exists() and not path.is_symlink() and path.parent.is_dir():
            path.symlink_to(root.joinpath(*target))


def staged(given: params.Params, root: Path) -> tuple[str | None, int]:
    """Return why the stages stop, or None, and the number of images that they reject."""
    index, rejected = root.parent / "index.parquet", 0
    try:
        links.check(root, "pictures", "pictures" in given.watch)
        write_index(found(given.pictures), index)
        for split in ("train", "val"):
            rows = read_index(index).query("split == @split")
            read = lambda *where: image_bytes(root, *where)  # noqa: E731
            rejected += write_beton(rows, read, given.betons, root.parent / f"{split}.beton", 1).rejected
    except UserError as error:
        return str(error), rejected
    return None, rejected


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(
    st.lists(PATHS, max_size=12),
    st.lists(LINKS, max_size=2),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_check_and_the_stages_agree(
    files: list[tuple[list[str], str, bytes]],
    linked: list[tuple[list[str], list[str]]],
    usual: bool,
    watched: bool,
    allowed: float,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        root.mkdir()
        grow(root, USUAL * usual + files, linked)
        pictures = DEFAULT.pictures.model_copy(update={"source": "folder", "root": str(root)})
        betons = DEFAULT.betons.model_copy(update={"resize": 16, "max_rejected": allowed})
        crops = DEFAULT.crops.model_copy(update={"size": 16})
        watch = ("pictures",) * watched
        given = DEFAULT.model_copy(update={"pictures": pictures, "betons": betons, "crops": crops, "watch": watch})
        stopped, rejected = staged(given, root)
        findings = list(check.pictures(given))
        failed = [finding for finding in findings if finding.state == "fails"]
        assert bool(stopped) == bool(failed), (stopped, failed)
        assert "\n" not in (stopped or "") + "".join(finding.found for finding in findings)
        if not stopped:
            (images,) = (finding for finding in findings if finding.what == "images")
            assert f"{rejected} can't be read" in images.found if rejected else "all can be read" in images.found
        elif failed[0].what == "pictures":
            assert failed[0].found == stopped
