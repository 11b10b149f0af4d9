"""Download a file over HTTP: resume an earlier try, check the checksum, and leave no incomplete file."""

import hashlib
import http.client
import re
import ssl
import time
from email.message import Message
from pathlib import Path
from typing import NoReturn
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

from zfpipe import stage, store
from zfpipe.errors import UserError

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost."""
PAUSES = (1.0, 2.0, 4.0)
"""Seconds of waiting before each further try."""
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""HTTP statuses of temporary errors, after which another try may succeed."""
LOST = (URLError, TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException)
"""Exceptions of a broken connection."""
CHUNK = 2**18


class Broken(Exception):
    """A download stopped before its end; the next try resumes it."""


def download(url: str, path: Path, md5: str) -> None:
    """Write the file at `url` to `path`.

    Until the file is complete and its checksum agrees, it is called `path` + `.part`, and the next call asks the server
    only for the rest. If the server can't send the rest, the download starts again. Raise UserError, in one line, if
    the download fails or if the checksum differs; for a wrong checksum the `.part` is removed.
    """
    part = beside(path, ".part")
    for pause in (*PAUSES, None):
        try:
            with store.room(part):
                receive(url, part)
            break
        except Broken as error:
            if pause is None:
                raise UserError(f"{url}: {error}; run it again to go on from there") from None
            stage.log(f"{url}: {error}; trying again")
            time.sleep(pause)
    if wrong := mismatch(part, md5):
        part.unlink()
        beside(part, ".version").unlink(missing_ok=True)
        raise UserError(f"{url}: {wrong}; the file is removed, run it again to start anew")
    part.replace(path)
    beside(part, ".version").unlink(missing_ok=True)


def beside(path: Path, suffix: str) -> Path:
    """Return the path with `suffix` added to its whole name."""
    return path.with_name(path.name + suffix)


def mismatch(path: Path, md5: str) -> str | None:
    """Return an error text for a file with another checksum, or None if the checksum agrees."""
    with path.open("rb") as file:
        begins = file.read(200).lstrip()
        file.seek(0)
        got = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    page = ", and is a web page" * begins.startswith(b"<")
    return None if got == md5 else f"{path.name} has the MD5 checksum {got}{page}; must be {md5}"


def receive(url: str, part: Path) -> None:
    """Append the missing rest of the file at `url` to `part`, or write all of it if the server can't send a part.

    Raise Broken if the connection ends early, and UserError if another try would not help.
    """
    have = part.stat().st_size if part.exists() else 0
    version = beside(part, ".version")  # the server's version of the file to which the part belongs
    request = Request(url, headers={"User-Agent": "zfpipe"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if version.exists():
            request.add_header("If-Range", version.read_text())
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:
            begin = start_of(url, answer.status, answer.headers)
            if begin not in (0, have):
                raise UserError(f"{url}: the server sent bytes from {begin}, asked for those from {have}")
            if have and not begin:
                stage.log(f"{url}: the server sends no parts of the file, or it has changed; starting again")
            if not begin:
                part.unlink(missing_ok=True)
                version.unlink(missing_ok=True)
                if name := version_of(answer.headers):
                    store.save(version, name)
            write(answer, part, begin)
    except HTTPError as error:
        if error.code != 416 or not have:  # 416: the part has the file's whole length; the checksum is compared later
            refuse(url, error)
    except LOST as error:
        raise Broken(said(error)) from None


def refuse(url: str, error: HTTPError) -> NoReturn:
    """Raise Broken or UserError for a server's HTTP error."""
    what = f"the server answers {error.code} {' '.join(str(error.reason).split())}"
    if error.code in PASSING:
        raise Broken(what) from None
    raise UserError(f"{url}: {what}; the address may have changed, or needs a login") from None


def said(error: BaseException) -> str:
    """Return the words of a connection's error on one line."""
    reason = getattr(error, "reason", error)  # URLError wraps the cause
    if isinstance(reason, TimeoutError):
        return f"nothing came for {TIMEOUT:g} seconds"
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return f"no connection ({' '.join(str(words).split())})"


def start_of(url: str, status: int, headers: Message) -> int:
    """Return the first byte's position in an answer. Raise UserError if the answer is a web page."""
    if headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise UserError(f"{url}: a web page came instead of the file; does this network ask for a login first?")
    if status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def version_of(headers: Message) -> str | None:
    """Return what identifies this version of the file: a strong ETag, or the time of its last change."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def write(answer: http.client.HTTPResponse, part: Path, begin: int) -> None:
    """Append an answer that starts at byte `begin`, and show progress. Raise Broken if the answer ends early."""
    length = answer.headers.get("Content-Length", "")
    total = begin + int(length) if length.isdigit() else None
    bar = tqdm(
        total=total, initial=begin, desc=part.stem, unit="B", unit_scale=True, unit_divisor=1024, leave=False,
        disable=None,
    )  # fmt: skip
    with part.open("ab") as file, bar:
        while chunk := answer.read1(CHUNK):  # read1 returns bytes as they arrive, so a broken connection loses none
            file.write(chunk)
            bar.update(len(chunk))
    got = part.stat().st_size
    if total is not None and got != total:
        raise Broken(f"the connection ended after {got:,} of {total:,} bytes")
