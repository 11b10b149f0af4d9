"""Drive a headless Chromium through its debugging pipe, to test pages where people read them."""

import base64
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The browser's command, or None if no browser is installed."""
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--allow-file-access-from-files", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """Hold a page that is open in Chromium. `faults` collects the complaints of the console and the network."""

    def __init__(self, profile: Path):
        assert CHROMIUM
        (theirs, self.writes), (self.reads, answers) = os.pipe(), os.pipe()
        # Chromium expects the pipe at 3 and 4, whatever numbers the pipe has here.
        self.process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$@" 3<&{theirs} 4>&{answers}',
                "bash",
                CHROMIUM,
                *QUIET,
                f"--user-data-dir={profile}",
            ],
            pass_fds=(theirs, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(answers)
        self.numbers = itertools.count(1)
        self.session: str | None = None
        self.waiting = b""
        self.faults: list[str] = []
        self.seen: set[str] = set()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self.session = None
        self.call("Browser.close")
        self.process.wait(30)
        os.close(self.writes)
        os.close(self.reads)

    def message(self) -> dict[str, Any]:
        """Return the next message of the browser, and note complaints."""
        while b"\0" not in self.waiting:
            part = os.read(self.reads, 1 << 20)
            assert part, "the browser ended"
            self.waiting += part
        first, self.waiting = self.waiting.split(b"\0", 1)
        message = json.loads(first)
        method, told = message.get("method", ""), message.get("params", {})
        self.seen.add(method)
        if method in ("Runtime.exceptionThrown", "Network.loadingFailed"):
            self.faults.append(f"{method}: {json.dumps(told)}")
        if method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.faults.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        if method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.faults.append(f"console.{told['type']}: {json.dumps(told['args'])}")
        return message

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Send a command and wait for the answer."""
        number = next(self.numbers)
        asked: dict[str, Any] = {"id": number, "method": method, "params": arguments}
        if self.session:
            asked["sessionId"] = self.session
        os.write(self.writes, json.dumps(asked).encode() + b"\0")
        while (message := self.message()).get("id") != number:
            pass
        assert "error" not in message, message["error"]
        return message["result"]

    def open(self, path: Path, width: int, scheme: str = "light") -> None:
        """Open a file in a window `width` pixels wide, and wait until everything in the file is loaded."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.faults.clear()
        self.seen.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while "Page.loadEventFired" not in self.seen:
            self.message()

    def ask(self, script: str) -> Any:
        """Return the value of a JavaScript expression on the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, whole: bool = True) -> bytes:
        """Return the page as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def printed(self) -> bytes:
        """Return the page as a PDF, as a person prints the page."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])
