"""Test downloads: resumed, verified, and one line for each thing that goes wrong."""

import errno
import hashlib
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.served import Server, serving
from zfpipe.errors import UserError
from zfpipe.tools import download

BODY = bytes(range(256)) * 1000
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0))
    with serving() as one:
        one.files["set.zip"] = BODY
        yield one


def get(server: Server, folder: Path) -> bytes:
    path = folder / "set.zip"
    download.download(server.url("set.zip"), path, MD5)
    assert [one.name for one in folder.iterdir()] == ["set.zip"]
    return path.read_bytes()


def refused(server: Server, folder: Path, line: str) -> str:
    with pytest.raises(UserError, match=re.escape(line)) as error:
        download.download(server.url("set.zip"), folder / "set.zip", MD5)
    assert "\n" not in str(error.value)
    assert not (folder / "set.zip").exists()
    return str(error.value)


def test_a_whole_file_is_downloaded_at_once(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path) == BODY
    assert server.asked == [{}]


def test_a_second_call_asks_only_for_the_rest(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000, 50_000, 0]
    refused(server, tmp_path, "the connection ended after 150,000 of 256,000 bytes; run it again to go on from there")
    assert (tmp_path / "set.zip.part").read_bytes() == BODY[:150_000]
    server.asked.clear()
    assert get(server, tmp_path) == BODY
    assert server.asked == [{"Range": "bytes=150000-", "If-Range": '"one"'}]


def test_a_file_that_changed_is_started_again(server: Server, tmp_path: Path) -> None:
    server.files["set.zip"], server.cuts = b"an older file", [5, 0, 0]
    refused(server, tmp_path, "ended after 5 of 13 bytes")
    server.files["set.zip"], server.version = BODY, '"two"'
    assert get(server, tmp_path) == BODY
    assert len(server.asked) == 4


@pytest.mark.parametrize("version", ['W/"weak"', None])
def test_a_version_that_is_not_exact_is_not_relied_on(version: str | None, server: Server, tmp_path: Path) -> None:
    server.version, server.cuts = version, [5]
    assert get(server, tmp_path) == BODY
    assert server.asked == [{}, {"Range": "bytes=5-"}]


def test_a_server_without_ranges_starts_the_file_again(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.ranges, server.cuts = False, [100_000]
    assert get(server, tmp_path) == BODY
    assert "the server sends no parts of the file, or it has changed; starting again" in capsys.readouterr().out


def test_a_part_that_is_complete_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.zip.part").write_bytes(BODY)
    assert get(server, tmp_path) == BODY
    assert server.asked == [{"Range": "bytes=256000-"}]


def test_a_file_with_a_wrong_checksum_is_removed(server: Server, tmp_path: Path) -> None:
    server.files["set.zip"] = b"another file"
    got = hashlib.md5(b"another file").hexdigest()
    refused(server, tmp_path, f"set.zip.part has the MD5 checksum {got}; must be {MD5}; the file is removed")
    assert not list(tmp_path.iterdir())
    server.files["set.zip"] = BODY
    assert get(server, tmp_path) == BODY


def test_a_web_page_never_replaces_a_part(server: Server, tmp_path: Path) -> None:
    (tmp_path / "set.zip.part").write_bytes(BODY[:1000])
    server.kind, server.ranges = "text/html; charset=utf-8", False
    refused(server, tmp_path, "a web page came instead of the file")
    assert (tmp_path / "set.zip.part").read_bytes() == BODY[:1000]
    server.kind, server.files["set.zip"] = "application/zip", b"\n<!DOCTYPE html>"
    refused(server, tmp_path, ", and is a web page; must be")


@pytest.mark.parametrize("state", [401, 403, 404])
def test_an_answer_that_stays_wrong_is_not_tried_again(state: int, server: Server, tmp_path: Path) -> None:
    server.states = [state]
    assert f"{server.url('set.zip')}: the server answers {state} " in refused(server, tmp_path, "the address may have")
    assert len(server.asked) == 1


def test_a_passing_failure_is_tried_three_times(server: Server, tmp_path: Path) -> None:
    server.states = [503, 429]
    assert get(server, tmp_path) == BODY
    server.states = [500] * 9
    (tmp_path / "set.zip").unlink()
    refused(server, tmp_path, "the server answers 500 Internal Server Error; run it again")
    assert len(server.states) == 6, "there must be three tries"


def test_a_silent_connection_is_one_line(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.hold.clear()
    server.cuts, start = [100, 200, 300], time.perf_counter()
    refused(server, tmp_path, "nothing came for 0.2 seconds; run it again to go on from there")
    assert time.perf_counter() - start < 5
    assert (tmp_path / "set.zip.part").read_bytes() == BODY[:600]
    server.hold.set()
    assert get(server, tmp_path) == BODY


def test_a_server_that_does_not_answer_is_one_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/set.zip"
        monkeypatch.setattr(server, "url", lambda _: address)
        monkeypatch.setattr(download, "TIMEOUT", 0.1)
        refused(server, tmp_path, "nothing came for 0.1 seconds")
    refused(server, tmp_path, "no connection (Connection refused)")


def test_a_missing_network_is_one_line(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    refused(server, tmp_path, f"{server.url('set.zip')}: no connection (Name or service not known); run it again")


def test_a_full_disk_during_a_download_is_one_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "write", full)
    refused(
        server, tmp_path, "set.zip.part can't be written: No space left on device; make room there and run it again"
    )
    assert len(server.asked) == 1
