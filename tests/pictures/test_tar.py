"""Test archives that are read in place, against tarfile."""

import io
import tarfile

import pytest

from tests.pictures.ilsvrc import tar
from zfpipe.errors import UserError
from zfpipe.pictures.tar import Member, members, octal

FILES = {"a.JPEG": b"1", "empty": b"", "b" * 90: b"2" * 512, "c/" * 60 + "c": b"3" * 513, "ü": b"4" * 5000}


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_members_lie_where_tarfile_finds_them(kind: int) -> None:
    data = b"before" + tar(FILES, kind)
    found = list(members(io.BytesIO(data), "x", 6, len(data)))
    with tarfile.open(fileobj=io.BytesIO(data[6:])) as archive:
        assert [(member.offset - 6, member.size) for member in found] == [
            (member.offset_data, member.size) for member in archive
        ]
    assert [data[member.offset : member.offset + member.size] for member in found] == list(FILES.values())
    assert [member.name for member in found][:3] == list(FILES)[:3]


def test_a_large_size_is_binary() -> None:
    header = tarfile.TarInfo("large")
    header.size = 9 * 2**30
    with pytest.raises(UserError, match="is cut short"):
        list(members(io.BytesIO(header.tobuf(tarfile.GNU_FORMAT)), "x", 0, 512))
    found = next(members(io.BytesIO(header.tobuf(tarfile.GNU_FORMAT)), "x"))
    assert found == Member("large", 512, 9 * 2**30, True)


def test_a_member_that_is_cut_is_not_given() -> None:
    data = tar({"a": b"1", "b": b"2" * 1000})[: 4 * 512]
    found: list[str] = []
    with pytest.raises(UserError, match="is cut short"):
        found.extend(member.name for member in members(io.BytesIO(data), "x", 0, len(data)))
    assert found == ["a"]


@pytest.mark.parametrize("field", [b"-7\0", b"9", b"1_0", b"x"])
def test_numbers_are_octal(field: bytes) -> None:
    with pytest.raises(ValueError):
        octal(field)
    assert octal(b" 0017\0 ") == 15
