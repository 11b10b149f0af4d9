"""Test `zfpipe fetch` on miniature archives of every set, from a local server, also after a kill."""

import errno
import hashlib
import inspect
import io
import re
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.imports import ROOT
from tests.pictures.layouts import image, settings, tiny_set, voc_set
from tests.tools.served import Server, serving
from zfpipe import params, sections
from zfpipe.__main__ import main
from zfpipe.errors import UserError
from zfpipe.pictures.sources import found
from zfpipe.tools import download, fetch
from zfpipe.tools.unpack import unpack

COUNTS = {
    "tiny-imagenet": {"train": 6, "val": 3},
    "imagenette": {"train": 4, "val": 2},
    "caltech101": {"train": 3, "val": 3},
    "caltech256": {"train": 2, "val": 2},
    "voc2012": {"train": 1, "val": 1},  # one of the two training images has a difficult object only
}
"""Numbers of images in each miniature set. In a set without a split, half of each class is for validation."""


def lay_out(name: str, folder: Path) -> None:
    """Write a miniature copy of a set, with the contents of the set's archive."""
    if name == "tiny-imagenet":
        tiny_set(folder / "tiny-imagenet-200")
    elif name == "imagenette":
        for split, count in (("train", 2), ("val", 1)):
            for wnid in ("n01440764", "n03888257"):
                for number in range(count):
                    image(folder / "imagenette2" / split / wnid / f"{number}.JPEG")
    elif name == "caltech101":
        for number, one in enumerate(("BACKGROUND_Google", "bonsai", "Faces", "Leopards")):
            for file in range(2):
                image(folder / "101_ObjectCategories" / one / f"image_{file:04d}.jpg", seed=2 * number + file)
        (folder / "101_ObjectCategories/BACKGROUND_Google/tmp").write_text("a stray")
    elif name == "caltech256":
        for number, one in enumerate(("001.ak47", "056.dog", "257.clutter")):
            for file in range(2):
                image(folder / "256_ObjectCategories" / one / f"{file}.jpg", seed=2 * number + file)
        (folder / "256_ObjectCategories/056.dog/greg/vision309").mkdir(parents=True)
    else:
        voc_set(folder)


def archived(name: str, folder: Path) -> bytes:
    """Return the archive of a set as it is downloaded, made of the folder with its contents."""
    kind = {"caltech101": "gztar", "imagenette": "gztar", "tiny-imagenet": "zip"}.get(name, "tar")
    body = Path(shutil.make_archive(str(folder.parent / "made"), kind, folder)).read_bytes()
    if name != "caltech101":
        return body
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("caltech-101/101_ObjectCategories.tar.gz", body)
        archive.writestr("caltech-101/Annotations.tar", b"other things")
        archive.writestr("__MACOSX/caltech-101/._101_ObjectCategories.tar.gz", b"litter")
    return outer.getvalue()


def offer(server: Server, name: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve an archive, and let a set come from the server."""
    file = fetch.SETS[name].name
    server.files[file] = body
    checksum = hashlib.md5(body).hexdigest()
    monkeypatch.setitem(fetch.SETS, name, fetch.SETS[name]._replace(url=server.url(file), md5=checksum))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve every set in miniature."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSES", ())
    with serving() as one:
        for name in fetch.SETS:
            lay_out(name, tmp_path / "made" / name)
            offer(one, name, archived(name, tmp_path / "made" / name), monkeypatch)
        yield one


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "my sets #1"


def named(said: str) -> sections.Pictures:
    """Return the parameters that were printed."""
    text = said[said.index("\npictures:") :].partition("\n\n")[0]
    return settings(**YAML(typ="safe").load(text)["pictures"], val_share=0.5)


def refused(name: str, to: Path, line: str) -> None:
    with pytest.raises(UserError, match=re.escape(line)) as error:
        fetch.fetch(name, to, use=False)
    assert "\n" not in str(error.value)
    assert not (to / name).exists()


@pytest.mark.parametrize("name", fetch.SETS)
def test_a_set_is_read_where_the_printed_lines_say(
    name: str, server: Server, to: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch.fetch(name, to, use=False)
    said = capsys.readouterr().out
    pictures = named(said)
    assert pictures.source == name
    assert Path(pictures.root) == to / name / fetch.SETS[name].root
    assert Counter(one.split for one in found(pictures)) == COUNTS[name]
    assert [path.name for path in to.iterdir()] == [name], "an archive or something temporary is left"
    assert re.search(r"note +the whole set +has .*: results are of a part\n", said)
    assert (f"targets.{name}.root: {pictures.root}\n" in said) is (name in ("caltech101", "caltech256", "voc2012"))

    server.asked.clear()
    capsys.readouterr()
    fetch.fetch(name, to, use=False)
    again = capsys.readouterr().out
    assert again.startswith(f"{name} is there already: {pictures.root}\n")
    assert again.partition("\n")[2] == said[said.index(str(pictures.root)) :].partition("\n")[2]
    assert not server.asked


def test_a_whole_set_is_ok(
    server: Server, to: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(fetch.check.WHOLE, "voc2012", (2, 1, 2))
    fetch.fetch("voc2012", to, use=False)
    assert "ok     the whole set      2 training and 1 validation images of 2 classes\n" in capsys.readouterr().out


def test_a_download_that_was_cut_off_is_continued(server: Server, to: Path) -> None:
    server.cuts = [400]
    refused("caltech101", to, "the connection ended after 400 of ")
    fetch.fetch("caltech101", to, use=False)
    assert server.asked == [{}, {"Range": "bytes=400-", "If-Range": '"one"'}]


def test_a_wrong_checksum_starts_the_download_again(server: Server, to: Path) -> None:
    file = fetch.SETS["imagenette"].name
    whole, server.files[file] = server.files[file], b"another file"
    refused("imagenette", to, f"{file}.part has the MD5 checksum {hashlib.md5(b'another file').hexdigest()}; must be ")
    assert not list(to.iterdir())
    server.files[file] = whole
    fetch.fetch("imagenette", to, use=False)
    assert server.asked == [{}, {}]


def test_an_archive_in_the_folder_is_taken(server: Server, to: Path) -> None:
    to.mkdir()
    file = fetch.SETS["voc2012"].name
    (to / file).write_bytes(b"another file")
    refused("voc2012", to, f"must be {fetch.SETS['voc2012'].md5}; remove it and run it again")
    assert (to / file).read_bytes() == b"another file"
    (to / file).write_bytes(server.files[file])
    fetch.fetch("voc2012", to, use=False)
    assert not server.asked


@pytest.mark.parametrize("name", ["tiny-imagenet", "caltech101"])
def test_a_fetch_that_was_killed_while_unpacking_is_finished(
    name: str, server: Server, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(archive: Path, folder: Path) -> None:
        unpack(archive, folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as here:
        here.setattr(fetch, "unpack", killed)
        here.setattr(fetch.store.shutil, "rmtree", lambda *_, **__: None)  # a killed process removes nothing
        with pytest.raises(KeyboardInterrupt):
            fetch.fetch(name, to, use=False)
    (to / f".{name}.partial/0/left over").write_text("litter")
    assert not (to / name).exists()
    server.asked.clear()
    fetch.fetch(name, to, use=False)
    assert not server.asked, "the archive is downloaded again"
    assert [path.name for path in to.iterdir()] == [name]
    assert not list(to.rglob("left over"))


@pytest.mark.parametrize("name", ["tiny-imagenet", "voc2012"])
def test_an_archive_that_leaves_its_folder_is_refused(
    name: str, server: Server, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = io.BytesIO()
    if name == "tiny-imagenet":
        with zipfile.ZipFile(body, "w") as archive:
            archive.writestr("../../evil", "x")
    else:
        with tarfile.open(fileobj=body, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("../../evil"))
    offer(server, name, body.getvalue(), monkeypatch)
    refused(name, to, "holds '../../evil', a path that leaves its folder; nothing of it is kept")
    assert {path.name for path in to.iterdir()} == {fetch.SETS[name].name}
    assert not (to.parent / "evil").exists()


def test_an_archive_of_another_set_is_refused(
    server: Server, to: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offer(server, "imagenette", archived("voc2012", tmp_path / "made/voc2012"), monkeypatch)
    refused("imagenette", to, "imagenette2.tgz holds no imagenette2; remove it and fetch it again")
    offer(server, "caltech101", archived("tiny-imagenet", tmp_path / "made/tiny-imagenet"), monkeypatch)
    refused("caltech101", to, "101_ObjectCategories.tar.gz: No such file or directory")


def test_other_files_in_place_of_the_set_are_refused(server: Server, to: Path) -> None:
    (to / "voc2012/own").mkdir(parents=True)
    with pytest.raises(UserError, match=r"voc2012 holds no VOCdevkit/VOC2012; remove it, or choose another folder by"):
        fetch.fetch("voc2012", to, use=False)
    assert not server.asked
    to = to / "file"
    to.write_text("")
    with pytest.raises(UserError, match=r"file: File exists; mend that, or choose another folder by --to"):
        fetch.fetch("imagenette", to, use=False)


def test_a_folder_that_is_not_writable_is_one_line(server: Server, to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as here:
        here.setattr(Path, "mkdir", denied)
        refused("imagenette", to, f"{to}: Permission denied; mend that, or choose another folder by --to")


def test_a_second_fetch_of_the_same_set_is_refused(server: Server, to: Path) -> None:
    to.mkdir()
    with fetch.alone(to / ".voc2012.lock"):
        refused("voc2012", to, f"another zfpipe fetch writes into {to}; wait until it has ended")
        fetch.fetch("imagenette", to, use=False)
    fetch.fetch("voc2012", to, use=False)


def test_sets_that_can_not_be_fetched_are_refused(to: Path) -> None:
    refused(
        "cifar", to, "cifar is no set that zfpipe can fetch; must be one of tiny-imagenet, imagenette, caltech101, "
    )
    refused("imagenet", to, "imagenet needs a login: log in at https://image-net.org/download.php")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    monkeypatch.setattr("sys.argv", ["zfpipe", "fetch", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_use_writes_the_set_into_params_yaml(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    old = (ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(old)
    root = tmp_path / "sets/imagenette/imagenette2"
    assert run(monkeypatch, "imagenette", "--use") == 0
    said = capsys.readouterr().out
    assert said.endswith(f"pictures.source: generated -> imagenette\npictures.root: zfpipe/drawing -> {root}\n")
    assert Counter(one.split for one in found(params.load().pictures)) == COUNTS["imagenette"]
    new = Path("params.yaml").read_text()
    changed = [line for line in new.splitlines() if line not in old.splitlines()]
    assert [line.split()[0] for line in changed] == ["source:", "root:"]
    assert all("#" in line for line in changed), "comments must stay"
    assert run(monkeypatch, "imagenette", "--use") == 0
    assert capsys.readouterr().out.endswith("\nparams.yaml names the set already\n")
    Path("params.yaml").write_text("pictures: {}")
    server.asked.clear()
    assert "params.yaml" in str(run(monkeypatch, "voc2012", "--use"))
    assert not server.asked, "a mistake in params.yaml must be reported before the download"


def test_outside_a_project_the_folder_must_be_given(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no params.yaml or dvc.yaml in" in str(run(monkeypatch, "voc2012"))
    assert "no params.yaml or dvc.yaml in" in str(run(monkeypatch, "voc2012", "--to", "here", "--use"))
    assert run(monkeypatch, "voc2012", "--to", "here") == 0
    assert Path(named(capsys.readouterr().out).root) == tmp_path / "here/voc2012/VOCdevkit/VOC2012"
    assert str(run(monkeypatch, "imagenet", "--to", "here")).startswith("zfpipe: imagenet needs a login")


def test_addresses_and_checksums_are_those_of_torchvision() -> None:
    from torchvision.datasets import caltech, imagenette, voc

    sets = fetch.SETS
    assert sets["imagenette"][:2] == imagenette.Imagenette._ARCHIVES["full"]
    known = voc.DATASET_YEAR_DICT["2012"]
    assert sets["voc2012"] == (known["url"], known["md5"], known["base_dir"], None)
    for name, kind in (("caltech101", caltech.Caltech101), ("caltech256", caltech.Caltech256)):
        source = inspect.getsource(kind.download)
        assert f'"{sets[name].url}"' in source and f'md5="{sets[name].md5}"' in source
