"""Test that damaged image sets give entries or one line, never another exception, and never a hang."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pictures import ilsvrc, layouts
from zfpipe.errors import UserError
from zfpipe.index.images import Entry
from zfpipe.pictures import tiny_imagenet, voc
from zfpipe.pictures.annotations import ARCHIVES, parse_xml
from zfpipe.pictures.imagenet import MARKED, TRAIN, VAL, entries
from zfpipe.pictures.parts import read_parts, with_parts
from zfpipe.pictures.sources import Source
from zfpipe.pictures.synsets import DEVKIT, MAPPING, TRUTH
from zfpipe.pictures.tar import BLOCK

FUZZ = settings(
    max_examples=150,
    deadline=5000,
    derandomize=True,  # the same examples everywhere
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXTS = ("LOC_val_solution.csv", "LOC_train_solution.csv", MAPPING, f"{MARKED}/val/ILSVRC2012_val_00000003.xml")
PIECES = st.binary(max_size=20) | st.sampled_from(
    [
        b"\0" * BLOCK,
        b"\n",
        b",",
        b'"',
        b"n01440764 ",
        b"1e999",
        b"nan",
        b"-1",
        b"\xff",
        b"<object>",
        b"&x;",
        b"\x80" * 12,
    ]
)


@st.composite
def damage(draw: st.DrawFn) -> list[tuple[float, int, bytes]]:
    """Draw changes: a place (as a share of the length), how many bytes to take out there, and what to insert."""
    change = st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 8, BLOCK, 10**6]), PIECES)
    return draw(st.lists(change, min_size=1, max_size=4))


def damaged(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for share, taken, put in changes:
        place = int(share * len(data))
        data = data[:place] + put + data[place + taken :]
    return data


def sealed(data: bytes, fields: list[tuple[float, int, bytes]]) -> bytes:
    """Return a tar with changed headers and right checksums, so that more than the checksum is tested."""
    blocks = [bytearray(data[start : start + BLOCK]) for start in range(0, len(data), BLOCK)]
    for share, place, put in fields:
        block = blocks[min(int(share * len(blocks)), len(blocks) - 1)]
        if place < len(block):
            block[place : place + len(put)] = put
            del block[BLOCK:]
            block[148:156] = b" " * 8
            block[148:156] = f"{sum(block):06o}\0 ".encode()
    return b"".join(blocks)


HEADERS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from([0, 100, 124, 156, 257, 345]),  # name, mode, size, kind, magic, prefix
        PIECES | st.sampled_from([b"1", b"2", b"5", b"L", b"x", b"../n01440764.tar\0", b"77777777777", b"\xff" * 12]),
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZFPIPE_WORKERS", "1")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = ilsvrc.images()
    layouts = {"archives": ilsvrc.archives, "kaggle": ilsvrc.kaggle}
    return {name: layout(tmp_path_factory.mktemp(name), made) for name, layout in layouts.items()}


def survives(root: Path, path: str, data: bytes, source: Source = entries) -> None:
    """Read the set with one file changed, and put the file back."""
    before = (root / path).read_bytes()
    try:
        (root / path).write_bytes(data)
        assert list(source(root, ilsvrc.settings()))
    except UserError as error:
        assert "\n" not in str(error)
    finally:
        (root / path).write_bytes(before)


@FUZZ
@given(name=st.sampled_from([TRAIN, VAL]), changes=damage(), headers=HEADERS, seal=st.booleans())
def test_damaged_tars_give_entries_or_one_line(
    name: str,
    changes: list[tuple[float, int, bytes]],
    headers: list[tuple[float, int, bytes]],
    seal: bool,
    roots: dict[str, Path],
) -> None:
    data = (roots["archives"] / name).read_bytes().rstrip(b"\0") + b"\0" * 1024
    survives(roots["archives"], name, sealed(data, headers) if seal else damaged(data, changes))


@FUZZ
@given(name=st.sampled_from([DEVKIT, ARCHIVES[0], ARCHIVES[2]]), changes=damage(), zipped=st.booleans())
def test_damaged_zipped_tars_give_entries_or_one_line(
    name: str, changes: list[tuple[float, int, bytes]], zipped: bool, roots: dict[str, Path]
) -> None:
    data = (roots["archives"] / name).read_bytes()
    new = damaged(data, changes) if zipped else gzip.compress(damaged(gzip.decompress(data), changes), 1)
    survives(roots["archives"], name, new)


@FUZZ
@given(changes=damage())
def test_a_damaged_ground_truth_gives_entries_or_one_line(
    changes: list[tuple[float, int, bytes]], roots: dict[str, Path]
) -> None:
    data = gzip.decompress((roots["archives"] / DEVKIT).read_bytes())
    start = data.index(TRUTH.encode()) // BLOCK * BLOCK + BLOCK
    truth = damaged(data[start : start + 16], changes)[:BLOCK]
    size = f"{len(truth):011o}\0".encode()
    header = sealed(data[start - BLOCK : start], [(0, 124, size)])
    new = data[: start - BLOCK] + header + truth.ljust(BLOCK, b"\0") + data[start + BLOCK :]
    survives(roots["archives"], DEVKIT, gzip.compress(new, 1))


@FUZZ
@given(path=st.sampled_from(TEXTS), changes=damage())
def test_damaged_tables_and_xml_give_entries_or_one_line(
    path: str, changes: list[tuple[float, int, bytes]], roots: dict[str, Path]
) -> None:
    survives(roots["kaggle"], path, damaged((roots["kaggle"] / path).read_bytes(), changes))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        "tiny-imagenet": layouts.tiny_set(tmp_path_factory.mktemp("tiny")),
        "voc2012": layouts.voc_set(tmp_path_factory.mktemp("voc")),
    }


@FUZZ
@given(
    path=st.sampled_from([f"train/{layouts.CRANE}/{layouts.CRANE}_boxes.txt", "val/val_annotations.txt", "words.txt"]),
    changes=damage(),
)
def test_a_damaged_tiny_imagenet_gives_entries_or_one_line(
    path: str, changes: list[tuple[float, int, bytes]], small: dict[str, Path]
) -> None:
    root = small["tiny-imagenet"]
    survives(root, path, damaged((root / path).read_bytes(), changes), tiny_imagenet.entries)


@FUZZ
@given(path=st.sampled_from(["Annotations/2008_1.xml", "ImageSets/Main/train.txt"]), changes=damage())
def test_a_damaged_voc_gives_entries_or_one_line(
    path: str, changes: list[tuple[float, int, bytes]], small: dict[str, Path]
) -> None:
    root = small["voc2012"] / voc.LAYOUT
    survives(root, path, damaged((root / path).read_bytes(), changes), voc.entries)


@FUZZ
@given(changes=damage())
def test_damaged_parts_give_entries_or_one_line(changes: list[tuple[float, int, bytes]], tmp_path: Path) -> None:
    path = tmp_path / "parts.csv"
    path.write_bytes(damaged(b"image,part,x0,y0,x1,y1\ndog/1.jpg,nose,1,2,3.5,4\ndog/1.jpg,ear,1,2,3,4\n", changes))
    try:
        list(with_parts([Entry("train", 0, "dog", "dog/1.jpg", 40, 30)], read_parts(path)))
    except UserError as error:
        assert "\n" not in str(error)


def test_xml_with_growing_entities_is_refused() -> None:
    entity = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "{"-" * 100}">{entity}]><annotation>&e9;</annotation>'
    with pytest.raises(UserError, match="is damaged") as error:
        parse_xml(bomb.encode(), "x")
    assert "\n" not in str(error.value)
