# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tenant was asked, as JSON lines. Never a token, a credential or a body; of headers only the names."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "entra-requests.jsonl"


@dataclass
class Exchange:
    """One request with its answer.

    ``side``: ``login`` (token endpoint), ``graph``, ``identity`` (managed identity) or ``registration`` (a device escrows). ``query`` is
    decoded. ``batch``: the entry of a $batch this was; the envelope has a line of its own. ``credential``: how a token was asked for.
    ``error``: the code answered with. ``octets``: of the answer's body as sent.
    """

    side: str = ""
    method: str = ""
    path: str = ""
    query: str = ""
    headers: list[str] = field(default_factory=list)
    app: str | None = None
    roles: list[str] = field(default_factory=list)
    status: int = 0
    error: str | None = None
    credential: str | None = None
    batch: str | None = None
    fault: str | None = None
    octets: int = 0


class Recorder:
    """Writes the log; shared by the threads of all connections."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._stream = (folder / FILE).open("a", encoding="utf-8")

    def note(self, exchange: Exchange) -> None:
        """Note an exchange."""
        self._write({"event": "exchange", **asdict(exchange)})

    def tls_failed(self, why: str) -> None:
        """Note a TLS handshake that did not succeed."""
        self._write({"event": "tls_failed", "why": why})

    def close(self) -> None:
        """Close the file; later notes are dropped."""
        with self._lock:
            self._stream.close()

    def _write(self, row: dict[str, Any]) -> None:
        line = json.dumps({"time": datetime.now(UTC).isoformat(), **row}) + "\n"
        with self._lock:
            if not self._stream.closed:
                self._stream.write(line)
                self._stream.flush()


def read_log(folder: Path) -> Iterator[dict[str, Any]]:
    """The exchanges of a log folder, oldest first; nothing where nobody asked."""
    path = folder / FILE
    if path.exists():
        with path.open(encoding="utf-8") as stream:
            yield from (row for row in map(json.loads, stream) if row["event"] == "exchange")
