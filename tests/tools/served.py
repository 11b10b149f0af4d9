"""Serve archives over HTTP, and break off, ignore ranges or answer otherwise if a test asks for this."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


class Server(ThreadingHTTPServer):
    """Serve files, and note what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.version: str | None = '"one"'
        self.kind = "application/octet-stream"
        self.states: list[int] = []  # states to answer instead of the file, one for each request
        self.cuts: list[int] = []  # bytes after which the connection ends, one number for each request
        self.hold = Event()  # until set, the connection stays open after a cut
        self.hold.set()
        self.asked: list[dict[str, str]] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.asked.append({name: self.headers[name] for name in ("Range", "If-Range") if name in self.headers})
        if server.states:
            self.send_error(server.states.pop(0))
            return
        body = server.files[self.path[1:]]
        begin = self.begin(len(body))
        if begin == len(body):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        if server.version:
            self.send_header("ETag", server.version)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        with suppress(ConnectionError):  # the client was killed
            self.wfile.write(body[begin:][: server.cuts.pop(0) if server.cuts else None])
        server.hold.wait()

    def begin(self, length: int) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", self.server.version) == self.server.version
        return min(int(asked[1]), length) if asked and self.server.ranges and same else 0

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    """Serve during the block."""
    server = Server()
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.hold.set()
        server.shutdown()
        server.server_close()
