"""Test archives: their contents arrive, and nothing leaves the folder."""

import io
import os
import re
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from zfpipe.errors import UserError
from zfpipe.tools.unpack import unpack

Links = dict[str, str]


def tar(path: Path, files: dict[str, bytes], links: Links | None = None, hard: Links | None = None) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as archive:
        for kind, them in ((tarfile.SYMTYPE, links), (tarfile.LNKTYPE, hard)):
            for name, target in (them or {}).items():
                one = tarfile.TarInfo(name)
                one.type, one.linkname = kind, target
                archive.addfile(one)
        for name, content in files.items():
            one = tarfile.TarInfo(name)
            one.size, one.mode = len(content), 0o4777
            archive.addfile(one, io.BytesIO(content))
    return path


def zipped(path: Path, files: dict[str, bytes], links: Links | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, target in (links or {}).items():
            one = zipfile.ZipInfo(name)
            one.create_system, one.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            archive.writestr(one, target)
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["one.tar", "one.tgz", "one.zip"])
def test_files_and_folders_are_unpacked(name: str, tmp_path: Path) -> None:
    files = {"a/b/c.txt": b"c", "a/d.txt": b"d" * 5000, "./e.txt": b""}
    (zipped if name.endswith("zip") else tar)(tmp_path / name, files)
    unpack(tmp_path / name, tmp_path / "to")
    assert tree(tmp_path / "to") == {"a/b/c.txt": b"c", "a/d.txt": b"d" * 5000, "e.txt": b""}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "to").rglob("*.txt")}
    umask = os.umask(0)
    os.umask(umask)
    assert modes == {0o666 & ~umask}


def test_empty_folders_are_unpacked(tmp_path: Path) -> None:
    (tmp_path / "from/056.dog/greg/vision309").mkdir(parents=True)
    with tarfile.open(tmp_path / "one.tar", "w") as archive:
        archive.add(tmp_path / "from", ".")
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("056.dog/greg/vision309/", "")
    for name in ("one.tar", "one.zip"):
        unpack(tmp_path / name, tmp_path / name[4:])
        assert (tmp_path / name[4:] / "056.dog/greg/vision309").is_dir()


LEAVING = [
    ({"../evil.txt": b"x"}, {}, "'../evil.txt', a path that leaves its folder"),
    ({"a/../../evil.txt": b"x"}, {}, "'a/../../evil.txt', a path that leaves its folder"),
    ({"{tmp}/evil.txt": b"x"}, {}, "'{tmp}/evil.txt', an absolute path"),
    ({}, {"a/link": "../../evil"}, "'a/link', a link that leaves its folder, to '../evil'"),
    ({}, {"link": "{tmp}"}, "'link', a link that leaves its folder, to '{tmp}'"),
    ({"link/evil.txt": b"x"}, {"link": "{tmp}"}, "'link', a link that leaves its folder, to '{tmp}'"),
    ({}, {"link": ".."}, "'link', a link that leaves its folder, to '..'"),
]


@pytest.mark.parametrize("name", ["one.tar", "one.zip"])
@pytest.mark.parametrize(("files", "links", "line"), LEAVING)
def test_members_that_leave_the_folder_are_refused(
    name: str, files: dict[str, bytes], links: Links, line: str, tmp_path: Path
) -> None:
    def there(text: str) -> str:
        return text.replace("{tmp}", str(tmp_path))

    make = zipped if name.endswith("zip") else tar
    place = make(
        tmp_path / name,
        {there(one): content for one, content in files.items()},
        {one: there(target) for one, target in links.items()},
    )
    with pytest.raises(UserError, match=re.escape(f"{place} holds {there(line)}; nothing of it is kept")) as error:
        unpack(place, tmp_path / "to")
    assert "\n" not in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == {place.name, "to"}


def test_hard_links_that_leave_the_folder_are_refused(tmp_path: Path) -> None:
    for target in ("/etc/passwd", "../evil"):
        place = tar(tmp_path / "one.tar", {}, hard={"a": target})
        with pytest.raises(UserError, match=re.escape(f"'a', a link that leaves its folder, to '{target}'")):
            unpack(place, tmp_path / "to")


@pytest.mark.parametrize("name", ["one.tar", "one.zip"])
def test_no_link_is_made(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link within the folder could lead a second link, or a file, out of the folder."""
    files, links = {"a/b/file.txt": b"x", "link/file.txt": b"y"}, {"link": "a/b", "link/up": "../c"}
    (zipped if name.endswith("zip") else tar)(tmp_path / name, files, links)
    unpack(tmp_path / name, tmp_path / "to")
    assert tree(tmp_path / "to") == files
    assert f"2 links in {name} passed over" in capsys.readouterr().out


def test_devices_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "one.tar", "w") as archive:
        one = tarfile.TarInfo("pipe")
        one.type = tarfile.FIFOTYPE
        archive.addfile(one)
    with pytest.raises(UserError, match=r"'pipe', no file, folder or link"):
        unpack(tmp_path / "one.tar", tmp_path / "to")


@pytest.mark.parametrize("name", ["one.tar", "one.tgz", "one.zip"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_damaged_archives_are_one_line(name: str, share: float, tmp_path: Path) -> None:
    files = {"a.txt": os.urandom(20_000), "b.txt": os.urandom(20_000)}
    place = (zipped if name.endswith("zip") else tar)(tmp_path / name, files)
    whole = place.read_bytes()
    place.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match=r"is damaged \(.+\); remove it and fetch it again") as error:
        unpack(place, tmp_path / "to")
    assert "\n" not in str(error.value)
