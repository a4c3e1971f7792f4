# SPDX-License-Identifier: GPL-3.0-or-later
"""A real headless Chromium for tests, spoken to over its own pipe (Chrome DevTools Protocol): no driver and no library in between.

``--remote-debugging-pipe``: the browser reads commands on descriptor 3 and writes answers and events on 4, each a JSON text that a zero
byte ends (Chromium's ``headless`` documentation; https://chromedevtools.github.io/devtools-protocol/).
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-quic",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


#: puts the two given descriptors where Chromium looks for them; a shell cannot, where they have two digits
_EXEC = """
import fcntl, os, sys
pair = [fcntl.fcntl(int(given), fcntl.F_DUPFD, 20) for given in sys.argv[1:3]]
for place, descriptor in zip((3, 4), pair):
    os.dup2(descriptor, place)
os.execv(sys.argv[3], sys.argv[3:])
"""


class BrowserError(Exception):
    """The browser refused a command, or did not do what was waited for."""


def executable() -> str | None:
    """Debian's Chromium, or one of its relatives."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


class Chromium:
    """One browser with a profile of its own and one page; everything that the page asks the network for is written down."""

    def __init__(self) -> None:
        found = executable()
        if found is None:
            raise BrowserError("Chromium is not installed: apt-get install chromium")
        self._folder = tempfile.TemporaryDirectory(prefix="keyward-chromium-", ignore_cleanup_errors=True)
        self.downloads = Path(self._folder.name) / "downloads"
        root = ("--no-sandbox",) if os.getuid() == 0 else ()
        their_read, self._write = os.pipe()
        self._read, their_write = os.pipe()
        profile = f"--user-data-dir={self._folder.name}/profile"
        self._process = subprocess.Popen(
            [sys.executable, "-c", _EXEC, str(their_read), str(their_write), found, *FLAGS, *root, profile, "about:blank"],
            pass_fds=(their_read, their_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(their_read)
        os.close(their_write)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        targets = self.command("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.command("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.command(f"{domain}.enable")
        self.command("Page.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    # --- the protocol ---------------------------------------------------------------------------------------------------------------

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; events that come before it are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        deadline = time.monotonic() + 60
        while True:
            answer = self._receive(deadline - time.monotonic())
            if answer is None:
                raise BrowserError(f"no answer to {method}")
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self.events.append(answer)

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        deadline = time.monotonic() + max(seconds, 0)
        while b"\0" not in self._buffer:
            ready = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))[0]
            if not ready:
                return None
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise BrowserError("the browser went away")
            self._buffer += chunk
        text, _end, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(text))

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
        """Wait until ``condition`` gives something true, reading events meanwhile."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise BrowserError(f"waited in vain for {what}")
            if (event := self._receive(0.02)) is not None:
                self.events.append(event)
        return found

    # --- the page -------------------------------------------------------------------------------------------------------------------

    def open(self, url: str) -> None:
        """Load a page and wait until it is loaded; earlier events are forgotten."""
        self.command("Page.navigate", url="about:blank")
        self.wait(lambda: self.evaluate("document.readyState === 'complete' && location.href === 'about:blank'"), "an empty page")
        self.events.clear()
        self.command("Page.navigate", url=url)
        self.wait(lambda: any(event.get("method") == "Page.loadEventFired" for event in self.events), "the page to load", 60)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page (a promise is awaited)."""
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """Everything that would stand in the browser's console."""
        self.evaluate("0")
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Log.entryAdded":
                found.append(f"{params['entry']['level']}: {params['entry']['text']}")
            elif event.get("method") == "Runtime.consoleAPICalled":
                found.append(f"{params['type']}: {params['args']}")
            elif event.get("method") == "Runtime.exceptionThrown":
                found.append(f"exception: {params['exceptionDetails']}")
        return found

    def requests(self) -> list[str]:
        """The addresses of everything that was asked for."""
        self.evaluate("0")
        return [event["params"]["request"]["url"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]

    def size(self, width: int, height: int) -> None:
        """Set the size of the window's inside."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, kind: str = "", **features: str) -> None:
        """Emulate a medium (``print``) and features, e.g. ``prefers_color_scheme="dark"``."""
        given = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.command("Emulation.setEmulatedMedia", media=kind, features=given)

    def screenshot(self, path: Path, *, whole: bool = False, clip: Mapping[str, float] | None = None) -> Path:
        """Write what is to be seen as PNG."""
        more: dict[str, Any] = {"clip": {**clip, "scale": 1}} if clip else {}
        data = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **more)["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    def pdf(self) -> bytes:
        """What printing gives."""
        return base64.b64decode(self.command("Page.printToPDF", printBackground=False, preferCSSPageSize=True)["data"])

    def key(self, name: str, *, code: int, text: str = "", shift: bool = False) -> None:
        """Press and release a key."""
        base: dict[str, Any] = {"key": name, "code": name, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.command("Input.dispatchKeyEvent", type="keyDown", **base, **({"text": text} if text else {}))
        self.command("Input.dispatchKeyEvent", type="keyUp", **base)

    def write(self, text: str) -> None:
        """Type into what has the focus."""
        self.command("Input.insertText", text=text)

    def downloaded(self, name: str) -> bytes:
        """The content of a file that the page let the user save."""
        path = self.downloads / name
        return self.wait(lambda: path.exists() and path.read_bytes(), f"the download {name}")  # type: ignore[no-any-return]  # what the condition gave

    # --- its end --------------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the browser and everything it started, and forget its profile."""
        for descriptor in (self._write, self._read):
            os.close(descriptor)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
